"""The lessons as a series: each notebook through papermill, in order, with one cluster for all."""

import contextlib
import csv
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from jupyter_core.utils import ensure_event_loop
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError

from mtlkit.clusters import cluster
from mtlkit.kernels import warm
from mtlkit.profiles import PROFILES, ProfileError
from mtlkit.results import OWN_RESULTS_ONLY, Store, write_atomically

__all__ = [
    "Lesson", "PipelineError", "differences", "lessons", "publish", "reproduction", "run",
    "set_aside", "summary",
]  # fmt: skip


_AT_A_TIME = 4  # lessons; each has a process with all its libraries
_READERS = ("11",)  # lessons that read what the others leave: they wait for them

COSTS = "lessons.csv"
"""Beside the runs of a profile: lesson, seconds."""


class PipelineError(ValueError):
    """A series that cannot be run."""


@dataclass(frozen=True)
class Lesson:
    """What became of one lesson: its seconds, and the files it left."""

    name: str
    seconds: float
    figures: tuple[str, ...]
    tables: tuple[str, ...]
    error: str | None = None


def lessons(root: Path, only: Sequence[str] = ()) -> list[Path]:
    """The numbered notebooks under ``root/notebooks``, in order.

    Raises
    ------
    PipelineError
        If there are none, or ``only`` names a number that no lesson has.
    """
    found = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise PipelineError(
            f"no lessons under {root / 'notebooks'}: run this in a checkout of the course"
        )
    numbers = {path.name[:2]: path for path in found}
    for number in only:
        if number.zfill(2) not in numbers:
            raise PipelineError(f"no lesson {number!r}: there are {', '.join(numbers)}")
    wanted = {number.zfill(2) for number in only} or set(numbers)
    return [path for path in found if path.name[:2] in wanted]


def run(
    root: Path,
    profile: str,
    *,
    only: Sequence[str] = (),
    workers: int | None = None,
    scheduler: str | None = None,
    fresh: bool = False,
) -> list[Lesson]:
    """Run the lessons in a profile; executed copies go to ``runs/<profile>/notebooks``.

    One more lesson at a time than there are cores, up to four: while one loads libraries, draws or
    waits for its last run, the cluster works for another, and a run that both ask for is trained
    once.  Lessons that read what others leave come after them.  A lesson that fails does not stop
    the others.  With ``fresh``, earlier results are put aside first, once there is a cluster.
    """
    if profile not in PROFILES:
        raise ProfileError(f"unknown profile {profile!r}: expected one of {', '.join(PROFILES)}")
    root = root.resolve()
    chosen = lessons(root, only)
    executed = root / "runs" / profile / "notebooks"
    with warm(), cluster(workers, scheduler) as client, contextlib.chdir(root / "notebooks"):
        if fresh:
            set_aside(root, profile)
        executed.mkdir(parents=True, exist_ok=True)
        address = client.scheduler_info()["address"]

        def one(path: Path) -> Lesson:
            with contextlib.closing(ensure_event_loop()):  # Jupyter leaves its own one open
                return _execute(path, executed / path.name, root, profile, address)

        makers = [path for path in chosen if path.name[:2] not in _READERS]
        with ThreadPoolExecutor(min(_AT_A_TIME, 1 + (os.cpu_count() or 1))) as pool:
            done = list(pool.map(one, makers))
            done += pool.map(one, [path for path in chosen if path not in makers])
        done.sort(key=lambda lesson: lesson.name)
    _note_seconds(root / "runs" / profile / COSTS, done)
    return done


def _note_seconds(file: Path, done: Iterable[Lesson]) -> None:
    """Note what each lesson took, when most was left to train: the most that it ever took."""
    seconds = {}
    if file.is_file():
        with file.open(encoding="utf-8", newline="") as lines:
            seconds = {row["lesson"]: float(row["seconds"]) for row in csv.DictReader(lines)}
    for lesson in done:
        if lesson.error is None:
            seconds[lesson.name] = max(round(lesson.seconds, 1), seconds.get(lesson.name, 0.0))
    rows = "".join(f"{name},{took}\n" for name, took in sorted(seconds.items()))
    write_atomically(file, f"lesson,seconds\n{rows}")


class _WritingOnce(NBClientEngine):
    """Papermill's own engine, but it does not write the whole notebook before and after a cell."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: NotebookExecutionManager, kernel_name: str | None, **options: Any
    ) -> None:
        nb_man.save = lambda **_: None  # papermill writes it when all cells are done
        super().execute_managed_notebook(nb_man, kernel_name, **options)


papermill_engines.register("mtlkit", _WritingOnce)


def _execute(path: Path, out: Path, root: Path, profile: str, scheduler: str) -> Lesson:
    for unfinished in out.parent.glob(f"{out.stem}.part-*"):  # by a series that was killed
        unfinished.unlink(missing_ok=True)
    part = out.with_suffix(f".part-{os.getpid()}.ipynb")
    left = root / "figures" / profile
    before = _stamps(left, "*.png"), _stamps(left, "tables/*.md")
    begun, error = time.monotonic(), None
    try:
        papermill.execute_notebook(
            str(path),
            str(part),
            engine_name="mtlkit",
            parameters={"profile": profile, "scheduler": scheduler},
            kernel_name="python3",
            language="python",  # some editors do not write it down
            progress_bar={"desc": path.stem},
            # Of the kernel: no warning a lesson, and no error when it is told to stop.
            extra_arguments=["--log-level=CRITICAL"],
        )
    except PapermillExecutionError as failure:
        error = f"cell {failure.exec_count}: {failure.ename}: {failure.evalue}"
    except Exception as failure:  # a kernel that died, a file that is no notebook: the next go on
        error = f"{type(failure).__name__}: {failure}"
    if part.is_file():
        _tidy(part, profile)
        os.replace(part, out)
    after = _stamps(left, "*.png"), _stamps(left, "tables/*.md")
    figures, tables = (
        tuple(
            name for name, at in now.items() if then.get(name) != at and name[:2] == path.stem[:2]
        )
        for then, now in zip(before, after, strict=True)
    )
    return Lesson(path.stem, time.monotonic() - begun, figures, tables, error)


def _stamps(folder: Path, pattern: str) -> dict[str, int]:
    """When each file was last written, by name: a clock is too coarse to tell lessons apart."""
    return {path.stem: path.stat().st_mtime_ns for path in sorted(folder.glob(pattern))}


def _tidy(path: Path, profile: str) -> None:
    """Leave in a notebook what its reader needs: no clock times, no paths, no progress bars.

    Its cell of parameters names the profile that it was executed in.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"].pop("papermill", None)
    cells = []
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "injected-parameters" in tags or "papermill-error-cell-tag" in tags:
            continue
        if "parameters" in tags:
            source = "".join(cell["source"])
            source = re.sub(r'(?m)^profile = "\w*"', f'profile = "{profile}"', source)
            cell["source"] = source.splitlines(keepends=True)
        cell["metadata"] = {"tags": tags} if tags else {}
        if cell["cell_type"] == "code":
            cell["outputs"] = _printed_at_once(cell["outputs"])
        cells.append(cell)
    notebook["cells"] = cells
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _printed_at_once(outputs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs without stderr; what was printed is in one piece, in however many it arrived."""
    kept: list[dict[str, Any]] = []
    for output in outputs:
        if output.get("name") == "stdout" and kept and kept[-1].get("name") == "stdout":
            text = "".join([*kept[-1]["text"], *output["text"]])
            kept[-1]["text"] = text.splitlines(keepends=True)
        elif output.get("name") != "stderr":
            kept.append(output)
    return kept


def set_aside(root: Path, profile: str) -> None:
    """Put the results of a profile aside, so that everything is trained again.

    From then on its lab does not read the published results either (see ``OWN_RESULTS_ONLY``).
    Earlier ones go to ``runs/<profile>.before``.  If some lie there, the larger of the two is kept:
    a fresh study that was stopped early and is started again must not cost the one before it.
    """
    runs = root / "runs" / profile
    before = runs.with_name(f"{profile}.before")
    if len(Store(runs)) and len(Store(runs)) >= len(Store(before)):
        shutil.rmtree(before, ignore_errors=True)
        os.replace(runs, before)
    shutil.rmtree(runs, ignore_errors=True)
    runs.mkdir(parents=True)
    (runs / OWN_RESULTS_ONLY).touch()


def reproduction(root: Path, profile: str) -> str:
    """Say which runs, trained again, gave the numbers of those put aside or published."""
    runs = root / "runs"
    earlier = Store(runs / f"{profile}.before", root / "data" / "results" / profile)
    both, differing = differences(Store(runs / profile), earlier)
    if not both:
        return "trained for the first time here: there are no earlier numbers to compare with"
    found = f"trained again: {both - len(differing)} of {both} runs give the same numbers"
    return "\n".join([found, *(f"  differs: {route}" for route in differing)])


def differences(ours: Store, theirs: Store) -> tuple[int, list[str]]:
    """Runs in both stores, and those among them whose scores are not the same numbers."""
    both = [id for id in ours.ids() if id in theirs]
    differing = [id for id in both if ours.load(id)["scores"] != theirs.load(id)["scores"]]
    return len(both), [str(ours.load(id)["run"]["route"]) for id in differing]


def publish(root: Path, profile: str) -> list[Path]:
    """Make a series part of the course: its notebooks, one file of its runs, and what it cost.

    The ledger and the table of lessons on the front page are brought up to date, if they are there.
    An encoder of its own that
    was pretrained anew, by another recipe, becomes ``mini``.

    Where published runs count (`Profile.published`), the notebooks go to a folder of their own,
    ``notebooks/<profile>``.  Else everybody trains the runs, and wants to know what each lesson
    costs; the notebooks are those that a reader runs, and the file of runs is there to be compared
    with.
    """
    runs, kept = root / "runs" / profile, root / "data" / "results" / profile
    published = PROFILES[profile].published
    shelf = root / "notebooks" / profile if published else root / "notebooks"
    for folder in (kept, shelf):
        folder.mkdir(parents=True, exist_ok=True)
    executed = (runs / "notebooks").glob("[0-9][0-9]_*.ipynb")
    places = {path: shelf for path in executed if ".part-" not in path.name}  # not a killed one's
    if (runs / COSTS).is_file() and not published:
        places[runs / COSTS] = kept
    written = []
    for path, folder in sorted(places.items()):
        target = folder / path.name
        part = target.with_suffix(f".part-{os.getpid()}")
        shutil.copyfile(path, part)
        os.replace(part, target)
        written.append(target)
    if published:
        from mtlkit.lab import Lab  # torch and all: the series alone does without
        from mtlkit.published import ship, shipped

        own = Lab(profile, root=root).pretraining()
        model = runs / "models" / own.id
        if own.id != shipped() and model.is_dir():
            ship(model)
    store = Store(runs, *([kept] if published else []))
    if ids := store.ids():
        written.append(store.publish(kept / "runs.jsonl.xz", ids))
    from mtlkit import claims, ledgers, pages  # here: running lessons needs no pictures

    page = root / "README.md"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    front = ledgers.front_page(text, claims.ledger(root)) if ledgers.MARKS[0] in text else text
    front = pages.front_page(front, root) if pages.MARKS[0] in text else front
    if front != text:
        write_atomically(page, front)
        written.append(page)
    return written


def summary(done: Iterable[Lesson]) -> str:
    """The series as a table: lesson, seconds, figures, tables."""
    rows = [("lesson", "seconds", "figures", "tables")]
    for lesson in done:
        state = "" if lesson.error is None else "  FAILED"
        rows.append(
            (
                lesson.name + state,
                f"{lesson.seconds:.0f}",
                str(len(lesson.figures)),
                str(len(lesson.tables)),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        "  ".join([name.ljust(widths[0]), *map(str.rjust, rest, widths[1:])])
        for name, *rest in rows
    )
