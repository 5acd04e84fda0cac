"""Many runs on a cluster: this machine's cores by default, any Dask cluster by address."""

import contextlib
import functools
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import torch
from tqdm.auto import tqdm

from mtlkit import corpora, own
from mtlkit.processes import CallError, Limits, apart, pack, unpack
from mtlkit.recipes import Run
from mtlkit.results import Record, Store
from mtlkit.routes import TASKS
from mtlkit.study import execute, prefix

if TYPE_CHECKING:
    from dask.distributed import Client

__all__ = ["Failure", "complete"]

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Failure:
    """A run that ended in an error."""

    run: Run
    reason: str

    def __str__(self) -> str:
        return f"{self.run.route}  (seed {self.run.seed}): {self.reason}"


def _train(run: dict[str, Any], folder: str, keep: bool) -> tuple[Record, float]:
    """The record of a run, and the seconds on the wall that it took now."""
    torch.set_num_threads(1)
    begun = time.monotonic()
    record = execute(Run.from_json(run), folder=Path(folder), keep=keep)
    return record, time.monotonic() - begun


def _at_home(home: str, run: dict[str, Any], call: Callable[[], _Answer]) -> _Answer:
    """A call where one's own corpora are those of the process that asks, whatever the cluster is.

    Raises `OwnError` if one that the run reads is not what it was when the run was planned.
    """
    os.environ["MTLKIT_OWN"] = home
    for name in run["corpora"].keys() & own.tables().keys():
        if run["corpora"][name] != (found := corpora.checksum(name)):
            raise own.OwnError(
                f"{name} has changed since this run was planned (SHA-256 "
                f"{run['corpora'][name][:8]}… then, {found[:8]}… now); plan the run again"
            )
    return call()


@functools.cache
def _since() -> float:
    """When this process first asked for runs: on a shared cluster, whoever came first goes first.

    So the earlier lessons of a series are done first.  A lesson that asks for runs many times, and
    computes in between, would otherwise wait for the others each time and work alone at the end.
    """
    return time.time()


def complete(
    runs: Iterable[Run],
    store: Store,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    title: str = "runs",
    keep: bool = False,
    limit_s: float | None = None,
    limit_mib: float | None = None,
    attempts: int = 3,
) -> list[Failure]:
    """Bring every run into the store; those that are there already cost nothing.

    Parameters
    ----------
    workers
        Processes of one thread each on this machine; as many as it has cores by default.
    scheduler
        Address of a running Dask cluster instead, whose workers see the store's folder.
    keep
        Whether the trained models are wanted too; a run whose model nobody kept is trained again.
    limit_s, limit_mib
        The longest that a run may take, in seconds on the wall, and the most memory that its
        process may hold, in MiB; a run that takes more is ended and fails.  No limit by default.
    attempts
        How many processes may die under a run (as when memory is full) before it fails.

    Returns
    -------
    list of Failure
        Runs that failed; the others are done all the same.

    Raises
    ------
    ClusterError
        If no cluster answers, or it goes away; what was done until then is in the store.
    """
    limits = Limits(limit_s, limit_mib, attempts)
    models = store.folder / "models"
    pending = {
        run.id: run
        for run in runs
        if run.id not in store or (keep and not (models / run.id / "model.json").is_file())
    }
    if not pending:
        return []
    # Here, so that a lesson with nothing to train does not load Dask.
    from dask.distributed import Future, as_completed

    from mtlkit.clusters import cluster

    shared, home = _shared(pending.values(), store), str(own.folder())
    failures: list[Failure] = []
    with cluster(workers, scheduler) as client, _connected(client, store, pending):
        address = client.scheduler_info()["address"]
        futures: dict[Future, Run] = {}
        kept: dict[str, Future] = {}

        def submit(run: Run, keep: bool) -> Future:
            # One key is one task to all clients: whether the model is wanted is part of it.
            name = f"{run.route} #{run.seed} {run.id[:12]}{' kept' * keep}"
            before = [kept[each.id] for each in _beginnings(run) if each.id in kept]
            call = functools.partial(_train, run.to_json(), str(store.folder.resolve()), keep)
            future = client.submit(
                apart,
                pack(functools.partial(_at_home, home, run.to_json(), call)),
                limits,
                *before,
                # Of two kinds: what Dask has never seen it deals out to workers before they are
                # free, and in long runs never again, so that a free one would not get any.
                key=("run after" if before else "run", name),
                pure=False,
                retries=0,
                # In this order: Dask alone may leave a long run to the end.
                priority=-(_since() + 1e-5 * len(futures)),
            )
            futures[future] = run
            return future

        for run in pending.values():  # each after its beginnings: the first are whole first
            for each in (*_beginnings(run), run):
                if each.id in shared and each.id not in kept:
                    kept[each.id] = submit(each, True)
            if run.id not in kept:
                submit(run, keep)
        with _Progress(futures.values(), title) as progress:
            if not client.nthreads():
                progress.say(f"no workers yet: to start some, `dask worker {address}`")
            for future in as_completed(list(futures)):
                run = futures.pop(future)  # so that the cluster may forget what it returned
                if future.status == "error":
                    begins = [kept[each.id] for each in _beginnings(run) if each.id in kept]
                    begun = all(each.status != "error" for each in begins)
                    reason = _reason(future.exception())
                    failures.append(Failure(run, reason if begun else f"its beginning: {reason}"))
                    progress.say(f"failed: {failures[-1]}")
                    progress.failed(run)
                else:
                    record, seconds = unpack(future.result())
                    if record["id"] not in store:
                        store.save(record)
                    progress.done(run, seconds)
    return failures


@contextlib.contextmanager
def _connected(client: "Client", store: Store, asked: Collection[str]) -> Iterator[None]:
    """Say in a sentence that a scheduler went away, and what that means for the runs asked for."""
    from distributed.client import ClosedClientError
    from distributed.comm import CommClosedError

    from mtlkit.clusters import ClusterError

    address = client.scheduler_info()["address"]
    try:
        yield
    except (CancelledError, ClosedClientError, CommClosedError):
        done = sum(id in store for id in asked)
        raise ClusterError(
            f"the Dask scheduler at {address} went away; {done} of {len(asked)} runs are done and "
            "kept; start it and its workers again, and ask for the same runs: only those that are "
            "missing are trained"
        ) from None


def _beginnings(run: Run) -> list[Run]:
    return [prefix(run, n) for n in range(1, len(run.route.stages))]


def _reason(error: BaseException) -> str:
    from dask.distributed import KilledWorker

    if isinstance(error, CallError):
        return str(error)
    if isinstance(error, KilledWorker):
        times = error.allowed_failures + 1
        return f"its worker died {times} times; see what the workers wrote, then start again"
    return f"{type(error).__name__}: {error}"


class _Progress:
    """A bar of runs, with those that failed, their rate, and an estimate of the time left.

    Runs of one route take alike long: what is left is counted by what each route took so far, and
    the workers go on to do as much at a time as until now.
    """

    def __init__(self, runs: Collection[Run], title: str) -> None:
        self._left = Counter(str(run.route) for run in runs)
        self._done: Counter[str] = Counter()
        self._took: dict[str, float] = {}  # seconds of a route's runs, in sum
        self._failed = 0
        self._begun = time.monotonic()
        form = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
        self._bar = tqdm(total=len(runs), desc=title, bar_format=form, mininterval=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def say(self, text: str) -> None:
        self._bar.write(text)

    def done(self, run: Run, seconds: float) -> None:
        if not self._took:  # until then, workers and libraries were made ready
            self._begun = time.monotonic() - seconds
        route = str(run.route)
        self._done[route] += 1
        self._took[route] = self._took.get(route, 0.0) + seconds
        self._update(run)

    def failed(self, run: Run) -> None:
        self._failed += 1
        self._update(run)

    def _update(self, run: Run) -> None:
        self._left[str(run.route)] -= 1
        self._bar.set_postfix_str(self.text(time.monotonic() - self._begun), refresh=False)
        self._bar.update()

    def text(self, elapsed: float) -> str:
        """What stands beside the bar after so many seconds."""
        parts = [f"{self._failed} failed"] if self._failed else []
        if done := self._done.total():
            took = sum(self._took.values())
            each = {route: self._took[route] / number for route, number in self._done.items()}
            work = sum(n * each.get(route, took / done) for route, n in self._left.items())
            rate = 60 * (done + self._failed) / elapsed
            left = tqdm.format_interval(work * elapsed / took)
            parts += [f"{rate:.1f} runs a minute", f"{left} left"]
        return ", ".join(parts)


def _shared(pending: Iterable[Run], store: Store) -> set[str]:
    """Ids of beginnings that nobody has kept yet, and that two or more runs have in common.

    Pretraining is one in any case: the next runs, or those of another process, begin with it.
    """
    uses: Counter[str] = Counter()
    for run in pending:
        uses[run.id] += 1  # a whole run may be the beginning of another
        for begin in _beginnings(run):
            trained = {TASKS[task.name] for stage in begin.route.stages for task in stage.tasks}
            uses[begin.id] += 2 if trained == {"mlm"} else 1
    models = store.folder / "models"
    return {
        id for id, times in uses.items() if times > 1 and not (models / id / "model.json").is_file()
    }
