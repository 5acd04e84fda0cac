"""Many runs on a cluster: nothing lost, nothing trained twice, nobody stops the others."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import filelock
import handmade
import psutil
import pytest
from dask.distributed import Client, KilledWorker, LocalCluster
from records import RECIPE, timeless, unchecked_shapes  # noqa: F401 (a fixture)

from mtlkit import clusters, registry, sweeps
from mtlkit.clusters import ClusterError, cluster
from mtlkit.recipes import Run
from mtlkit.results import Record, Store
from mtlkit.study import execute, plan, prefix
from mtlkit.sweeps import Failure, complete

ROOT = Path(__file__).resolve().parent.parent


def stamps(folder: Path) -> dict[str, int]:
    """When each record was written."""
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def until(condition: Callable[[], Any], seconds: float = 300) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def workers() -> Iterator[Client]:
    """A cluster of two processes, found by its address."""
    with cluster(2) as client:
        yield client


def address(client: Client) -> str:
    return client.scheduler_info()["address"]


def test_a_run_that_fails_is_reported_and_stops_no_other(
    workers: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    good = [plan("scratch > pos:20@world > ner:20@world", RECIPE, seed) for seed in (0, 1)]
    bad = [
        plan("scratch > pos:20@world > ner:99999@world", RECIPE, 1),
        plan("scratch > pos:99999@world > ner:20@world", RECIPE, 4),
    ]
    whole = [plan("scratch > pos:20@world", RECIPE, 0)]  # also the beginning of another
    failures = complete([bad[0], *good, bad[1], *whole], store, scheduler=address(workers))
    assert sorted((str(f.run.route), f.run.seed) for f in failures) == [
        ("scratch > pos:20@world > ner:99999@world", 1),
        ("scratch > pos:99999@world > ner:20@world", 4),
    ]
    for failure in failures:
        assert str(failure).startswith(f"{failure.run.route}  (seed {failure.run.seed}): Corpus")
        assert "asks for 99,999 training sentences, but there are" in failure.reason
        assert f"failed: {failure}" in capsys.readouterr().out or len(failures) > 1
    # The others are all there, and their beginnings, each once.
    assert set(store.ids()) == {
        *(run.id for run in (*good, *whole)), *(prefix(run, 1).id for run in good)
    }  # fmt: skip
    assert prefix(good[0], 1).id == whole[0].id
    kept = {path.name for path in (tmp_path / "models").iterdir()}
    assert kept == {prefix(run, 1).id for run in good}
    # They have the numbers that a process alone gets, without any kept model.
    alone = execute(good[0], folder=tmp_path / "alone")
    assert timeless(store.load(good[0].id)["scores"]) == timeless(alone["scores"])
    assert timeless(store.load(good[0].id)["history"]) == timeless(alone["history"])


def test_what_begins_with_a_run_that_failed_says_so(workers: Client, tmp_path: Path) -> None:
    routes = [f"scratch > pos:99999@world > {task}:20@world" for task in ("ner", "dep")]
    runs = [plan(route, RECIPE, 5) for route in routes]
    failures = complete(runs, Store(tmp_path), scheduler=address(workers))
    reasons = {failure.run.id: failure.reason for failure in failures}
    begin = reasons.pop(prefix(runs[0], 1).id)
    assert begin.startswith("CorpusError: ")
    assert reasons == {run.id: f"its beginning: {begin}" for run in runs}


def test_a_worker_that_died_too_often_is_a_reason() -> None:
    said = sweeps._reason(KilledWorker("run", None, 3))  # type: ignore[arg-type]
    assert said == "its worker died 4 times; see what the workers wrote, then start again"


def test_workers_that_are_not_there_yet_are_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, said = plan("scratch > pos:20@world", RECIPE, 0), ""
    with LocalCluster(n_workers=0, dashboard_address=None) as local:  # type: ignore[no-untyped-call]
        at = local.scheduler_address
        sweep = threading.Thread(
            target=complete, args=([run], Store(tmp_path)), kwargs={"scheduler": at}
        )
        sweep.start()

        def told() -> bool:
            nonlocal said
            said += capsys.readouterr().out
            return f"no workers yet: to start some, `dask worker {at}`" in said

        until(told)
        local.scale(1)
        sweep.join()
    assert run.id in Store(tmp_path)


def test_the_time_left_is_counted_by_what_each_route_takes() -> None:
    short = [plan("scratch > pos:20@world", RECIPE, seed) for seed in range(10)]
    long = [plan("scratch > pos:20@world > ner:20@world", RECIPE, seed) for seed in range(10)]
    with sweeps._Progress([*short, *long], "runs") as progress:
        assert progress.text(3) == ""
        progress.failed(short[9])
        assert progress.text(3) == "1 failed"
        progress.done(short[0], 1)
        # 8 short ones of 1 s; what a long one takes nobody knows yet; 1 s of work took 1 s.
        assert progress.text(1) == "1 failed, 120.0 runs a minute, 00:18 left"
        progress.done(long[0], 22)
        progress.done(short[1], 3)
        # 7 short ones of 2 s, 9 long ones of 22 s; the workers do 2 s of work a second.
        assert progress.text(13) == "1 failed, 18.5 runs a minute, 01:46 left"


def test_a_lock_whose_process_was_killed_holds_nobody(tmp_path: Path) -> None:
    run = plan("scratch > pos:20@world", RECIPE, 0)
    lock = tmp_path / "work" / f"{run.id}.lock"
    lock.parent.mkdir()
    code = "import sys, time, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); "
    code += "print('held', flush=True); time.sleep(1000)"
    holder = subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        with pytest.raises(filelock.Timeout), filelock.FileLock(lock, timeout=0):
            pass
        holder.kill()
        holder.wait()
        assert execute(run, folder=tmp_path)["id"] == run.id


def test_finished_runs_cost_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [plan("scratch > pos:20@world", RECIPE, 0)]
    execute(runs[0], folder=tmp_path / "here")
    before = stamps(tmp_path / "here")
    monkeypatch.setattr(clusters, "cluster", lambda *_: pytest.fail("a cluster was started"))
    assert complete(runs, Store(tmp_path / "here")) == []
    assert complete(runs * 2, Store(tmp_path / "elsewhere", tmp_path / "here")) == []
    assert complete([], Store(tmp_path / "elsewhere")) == []
    for limit in ("limit_s", "limit_mib", "attempts"):
        with pytest.raises(ValueError, match=f"^{limit} is -1: expected "):
            complete(runs, Store(tmp_path / "elsewhere"), **{limit: -1})  # type: ignore[arg-type]
    assert stamps(tmp_path / "here") == before and not (tmp_path / "elsewhere").exists()


def test_models_are_kept_where_they_are_wanted(workers: Client, tmp_path: Path) -> None:
    run, store = plan("scratch > pos:20@world", RECIPE, 7), Store(tmp_path)
    assert complete([run], store, scheduler=address(workers)) == []
    assert run.id in store and not (tmp_path / "models" / run.id).exists()
    assert complete([run], store, scheduler=address(workers), keep=True) == []
    assert (tmp_path / "models" / run.id / "model.json").is_file()


def states(dask_scheduler: Any = None) -> Counter[str]:
    """How many runs are in which state, of Dask's."""
    tasks = dask_scheduler.tasks.values()
    return Counter(task.state for task in tasks if task.prefix.name == "run")


def test_runs_wait_for_whoever_is_free_first(workers: Client, tmp_path: Path) -> None:
    """And not each for one worker: a free one has nothing to do while another is busy for long."""
    held = [workers.submit(time.sleep, 4, key=("held", n)) for n in range(2)]
    runs = [plan("scratch > pos:20@world", RECIPE, seed) for seed in range(20, 28)]
    failures: list[Failure] = []

    def train() -> None:
        failures.extend(complete(runs, Store(tmp_path), scheduler=address(workers)))

    thread = threading.Thread(target=train)
    thread.start()
    until(lambda: workers.run_on_scheduler(states).total() == len(runs))
    assert workers.run_on_scheduler(states)["queued"] >= 4
    thread.join()
    assert failures == [] and len(Store(tmp_path)) == len(runs) and held


def test_whoever_came_first_goes_first(
    workers: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with runs that it asks for last: but for what the workers have already, these go on."""
    go = tmp_path / "go"
    wait = ["sh", "-c", f"for n in $(seq 3000); do [ -e '{go}' ] && break; sleep 0.1; done"]
    held = [workers.submit(subprocess.run, wait, key=("held too", n)) for n in range(2)]
    asked, threads = 0, []
    for came, seeds in ((2000, range(30, 42)), (1000, range(50, 62))):
        monkeypatch.setattr(sweeps, "_since", lambda came=came: came)
        runs = [plan("scratch > pos:20@world", RECIPE, seed) for seed in seeds]
        store = Store(tmp_path / str(came))
        thread = threading.Thread(
            target=complete, args=(runs, store), kwargs={"scheduler": address(workers)}
        )
        thread.start()
        threads.append(thread)
        asked += len(runs)
        until(lambda asked=asked: workers.run_on_scheduler(states).total() == asked)
    go.touch()
    for thread in threads:
        thread.join()
    early, late = (stamps(tmp_path / came).values() for came in ("1000", "2000"))
    assert (len(early), len(late)) == (12, 12) and held
    assert sum(stamp > max(early) for stamp in late) >= 5  # in turn, it would be none or one


def test_only_beginnings_that_two_have_in_common_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    routes = ("pos:20 > ner:20", "pos:20 > dep:20", "pos:20 > dep:20 > ner:20", "xpos:9@ewt > cr")
    runs = [plan(f"minilm > {route}", RECIPE, 0) for route in routes]
    shared = {prefix(runs[2], 1).id, prefix(runs[2], 2).id}
    assert sweeps._shared(runs, store) == shared
    other = [plan("minilm > pos:20 > ner:20", RECIPE, seed) for seed in (0, 1)]
    assert sweeps._shared(other, store) == set()
    # Pretraining is, for one run as well: another lesson may begin with it, or wait for it.
    one = plan("scratch > mlm@world > mlm:9@world > pos:20@world > ner:20@world", RECIPE, 0)
    assert sweeps._shared([one], store) == {prefix(one, 1).id, prefix(one, 2).id}
    # What is kept already is not trained again.
    folder = tmp_path / "models" / prefix(runs[0], 1).id
    folder.mkdir(parents=True)
    (folder / "model.json").touch()
    assert sweeps._shared(runs, store) == {prefix(runs[2], 2).id}


def test_a_killed_worker_costs_nothing(workers: Client, tmp_path: Path) -> None:
    recipe = RECIPE.replace(min_updates=60)
    runs = [plan("scratch > pos:40@world", recipe, seed) for seed in (0, 1)]
    found: list[list[Failure]] = []
    thread = threading.Thread(
        target=lambda: found.append(complete(runs, Store(tmp_path), scheduler=address(workers)))
    )
    pids = workers.run(os.getpid)
    thread.start()
    until(lambda: any((tmp_path / "work" / run.id).is_dir() for run in runs))
    os.kill(next(iter(pids.values())), signal.SIGKILL)
    thread.join()
    assert found == [[]]
    assert set(Store(tmp_path).ids()) == {run.id for run in runs}
    for run in runs:
        alone = execute(run, folder=tmp_path / "alone")
        assert timeless(Store(tmp_path).load(run.id)) == timeless(alone)


TINY = RECIPE.replace(min_updates=1, evaluations=1, dev_sentences=2)  # a tenth of a second
FAILS, HANGS = 1000, 1001  # seeds
_SAVE = Store.save


def tiny(seeds: Iterable[int]) -> list[Run]:
    return [plan("scratch > sentiment:5@world", TINY, seed) for seed in seeds]


def noted(store: Store, record: Record) -> Path:
    """Save a record, and note that it was."""
    path = _SAVE(store, record)
    with (store.folder / "saved").open("a", encoding="utf-8") as lines:
        lines.write(f"{record['id']}\n")
    return path


def train(run: dict[str, Any], folder: str, keep: bool) -> tuple[Record, float]:
    """As the sweep does it, but that one run fails, one hangs, and what is saved is noted."""
    if run["seed"] == FAILS:
        raise ValueError("out of luck")
    if run["seed"] == HANGS:
        time.sleep(10_000)
    Store.save = noted  # type: ignore[method-assign]
    return TRAIN(run, folder, keep)


TRAIN = sweeps._train


def scores(store: Store) -> dict[str, Any]:
    return {record["id"]: timeless(record["scores"]) for record in store}


def saved(store: Store) -> Counter[str]:
    """How many times each record was."""
    return Counter((store.folder / "saved").read_text(encoding="utf-8").split())


def started(kind: str) -> list[psutil.Process]:
    """What this process, or one that it has started, has started with these words."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            if kind in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_a_sweep_whose_processes_are_killed_has_every_result_once(
    workers: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one run fails, and one of another sweep hangs; the results are those of a calm one."""
    runs, calm, rough = tiny(range(200)), Store(tmp_path / "calm"), Store(tmp_path / "rough")
    at = address(workers)
    assert complete(runs, calm, scheduler=at) == []

    monkeypatch.setattr(sweeps, "_train", train)
    failures: list[Failure] = []
    sweep = threading.Thread(
        target=lambda: failures.extend(complete([*runs, *tiny([FAILS])], rough, scheduler=at))
    )
    other = threading.Thread(
        target=lambda: failures.extend(
            complete(tiny([HANGS]), rough, scheduler=at, limit_s=2, attempts=9)
        )
    )
    for thread in (sweep, other):
        thread.start()
    for number in range(6):  # in turn, one that trains, and the worker that asked it
        until(lambda number=number: len(stamps(rough.folder)) > 30 * number)
        found = started("serve(" if number % 2 == 0 else "spawn_main")
        found[number // 2 % len(found)].kill()
    before = stamps(rough.folder)
    for thread in (sweep, other):
        thread.join()

    assert len(calm) == 200 and scores(rough) == scores(calm)
    assert stamps(rough.folder).items() >= before.items()
    assert set(saved(rough).values()) == {1}, "nothing is done twice"
    assert not [path for path in (rough.folder / "work").iterdir() if path.is_dir()]
    reasons = {failure.run.seed: failure.reason for failure in failures}
    assert reasons.keys() == {FAILS, HANGS}
    assert reasons[FAILS].startswith("ValueError: out of luck (in ")
    assert reasons[HANGS].startswith("ran longer than 2 s and was ended; ")


def answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def dask(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler of its own, and two workers, as one starts them by hand."""
    at = f"tcp://127.0.0.1:{port}"
    commands = [["dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]]
    commands += [["dask_worker", at, "--nthreads", "1", "--no-dashboard"]] * 2
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    with log.open("wb") as out:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{command}", *options],
                env=env, stdout=out, stderr=out, cwd=log.parent,
            )
            for command, *options in commands
        ]  # fmt: skip
        try:
            until(lambda: answers(port))
            yield started[0]
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


def test_a_scheduler_killed_in_the_middle_costs_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(sweeps, "_train", train)
    at, runs, store = f"tcp://127.0.0.1:{port}", tiny(range(40)), Store(tmp_path / "runs")
    with dask(port, tmp_path / "first.log") as scheduler:

        def kill() -> None:
            until(lambda: len(store) >= 10)
            scheduler.kill()

        thread = threading.Thread(target=kill)
        thread.start()
        with pytest.raises(ClusterError) as error:
            complete(runs, store, scheduler=at)
        thread.join()
    begins, ends = f"the Dask scheduler at {at} went away; ", " of 40 runs are done and kept; "
    assert re.match(rf"{re.escape(begins)}\d+{re.escape(ends)}", str(error.value))
    assert str(error.value).endswith(
        "start it and its workers again, and ask for the same runs: only those that are missing "
        "are trained"
    )
    before = stamps(store.folder)
    assert 10 <= len(before) < 40

    with dask(port, tmp_path / "second.log"):
        assert complete(runs, store, scheduler=at) == []
    after = stamps(store.folder)
    assert len(after) == 40 and after.items() > before.items()
    assert set(saved(store).values()) == {1} and saved(store).keys() <= after.keys()
    for run in runs[::10]:
        alone = execute(run, folder=tmp_path / "alone")
        assert timeless(store.load(run.id)) == timeless(alone)


SCRIPT = """
import sys
from pathlib import Path

from mtlkit.results import Store
from mtlkit.recipes import Run
from mtlkit.sweeps import complete

if __name__ == "__main__":
    runs = [Run.from_json(run) for run in json.loads(sys.argv[2])]
    complete(runs, Store(Path(sys.argv[1])), workers=1)
"""


def test_a_study_killed_in_the_middle_goes_on_where_it_was(workers: Client, tmp_path: Path) -> None:
    script, folder = tmp_path / "script.py", tmp_path / "runs"
    script.write_text(f"import json{SCRIPT}", encoding="utf-8")
    recipe = RECIPE.replace(min_updates=60)
    routes = ("scratch > pos:20@world > ner:20@world", "scratch > pos:20@world > dep:20@world")
    runs = [plan(route, recipe, 0) for route in routes]
    study = subprocess.Popen(
        [sys.executable, str(script), str(folder), json.dumps([run.to_json() for run in runs])],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,  # so that its processes can be told from all others
    )
    until(lambda: len(stamps(folder)) >= 2 or study.poll())  # the common beginning, and one of two
    os.killpg(study.pid, signal.SIGKILL)  # all at once: what is left takes less than a second
    study.wait()
    until(lambda: not _session(study.pid), seconds=30)
    before = stamps(folder)
    assert len(before) == 2

    assert complete(runs, Store(folder), scheduler=address(workers)) == []
    after = stamps(folder)
    assert len(after) == 3 and after.items() > before.items()
    assert not list((folder / "models").glob(".part*"))
    for record in Store(folder):
        alone = execute(Run.from_json(record["run"]), folder=tmp_path / "unbroken")
        assert timeless(record) == timeless(alone)


def _session(leader: int) -> list[int]:
    """The processes of a session, those that only wait to be reaped left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return found


def test_workers_of_any_cluster_have_ones_own_corpora(
    workers: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster was started where there are none; what was replaced is not trained on."""
    monkeypatch.setenv("MTLKIT_OWN", str(tmp_path / "own"))
    (tmp_path / "rows.csv").write_text(handmade.sheet(90))
    registry.add("reviews", tmp_path / "rows.csv")
    store = Store(tmp_path / "runs")
    run, late = (plan("scratch > label:20@reviews", RECIPE, seed) for seed in (0, 1))
    assert complete([run], store, scheduler=address(workers)) == []
    assert store.load(run.id)["run"]["corpora"]["reviews"] == dict(run.corpora)["reviews"]
    registry.remove("reviews")
    (tmp_path / "rows.csv").write_text(handmade.sheet(91))
    registry.add("reviews", tmp_path / "rows.csv")
    [failure] = complete([late], store, scheduler=address(workers))
    assert "reviews has changed since this run was planned (SHA-256 " in failure.reason
    assert late.id not in store and plan("scratch > label:20@reviews", RECIPE, 0).id != run.id
