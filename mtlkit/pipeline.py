"""The lessons as a series: each notebook through papermill, in order, with one cluster for all."""

import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import papermill
from papermill.exceptions import PapermillExecutionError

from mtlkit.profiles import PROFILES, ProfileError
from mtlkit.results import Store
from mtlkit.sweeps import cluster

__all__ = ["Lesson", "PipelineError", "differences", "lessons", "publish", "run", "set_aside"]


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
    return [numbers[n.zfill(2)] for n in sorted(only)] if only else found


def run(
    root: Path,
    profile: str,
    *,
    only: Sequence[str] = (),
    workers: int | None = None,
    scheduler: str | None = None,
) -> list[Lesson]:
    """Run the lessons in a profile; executed copies go to ``runs/<profile>/notebooks``.

    A lesson that fails does not stop the others.
    """
    if profile not in PROFILES:
        raise ProfileError(f"unknown profile {profile!r}: expected one of {', '.join(PROFILES)}")
    chosen = lessons(root, only)
    executed = root / "runs" / profile / "notebooks"
    executed.mkdir(parents=True, exist_ok=True)
    done = []
    with cluster(workers, scheduler) as client:
        address = client.scheduler_info()["address"]
        for number, path in enumerate(chosen, start=1):
            print(f"[{number}/{len(chosen)}] {path.stem}", flush=True)
            done.append(_execute(path, executed / path.name, root, profile, address))
    return done


def _execute(path: Path, out: Path, root: Path, profile: str, scheduler: str) -> Lesson:
    part = out.with_suffix(f".part-{os.getpid()}.ipynb")
    begun, error = time.time(), None
    try:
        papermill.execute_notebook(
            str(path),
            str(part),
            parameters={"profile": profile, "scheduler": scheduler},
            cwd=str(path.parent),
            kernel_name="python3",
            progress_bar=True,
        )
    except PapermillExecutionError as failure:
        error = f"cell {failure.exec_count}: {failure.ename}: {failure.evalue}"
    if part.is_file():
        _tidy(part)
        os.replace(part, out)
    seconds = time.time() - begun
    left = root / "figures" / profile
    return Lesson(
        path.stem,
        seconds,
        tuple(f.stem for f in sorted(left.glob("*.png")) if f.stat().st_mtime >= begun - 1),
        tuple(f.stem for f in sorted(left.glob("tables/*.md")) if f.stat().st_mtime >= begun - 1),
        error,
    )


def _tidy(path: Path) -> None:
    """Leave in a notebook what its reader needs: no clock times, no paths, no progress bars."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"].pop("papermill", None)
    cells = []
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "injected-parameters" in tags or "papermill-error-cell-tag" in tags:
            continue
        cell["metadata"] = {"tags": tags} if tags else {}
        if cell["cell_type"] == "code":
            cell["outputs"] = [o for o in cell["outputs"] if o.get("name") != "stderr"]
        cells.append(cell)
    notebook["cells"] = cells
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def set_aside(root: Path, profile: str) -> Path | None:
    """Put the results of a profile aside, so that everything is trained again."""
    runs = root / "runs" / profile
    if not runs.is_dir():
        return None
    before = runs.with_name(f"{profile}.before")
    shutil.rmtree(before, ignore_errors=True)
    os.replace(runs, before)
    return before


def differences(ours: Store, theirs: Store) -> tuple[int, list[str]]:
    """Runs in both stores, and those among them whose scores are not the same numbers."""
    both = [id for id in ours.ids() if id in theirs]
    differing = [id for id in both if ours.load(id)["scores"] != theirs.load(id)["scores"]]
    return len(both), [str(ours.load(id)["run"]["route"]) for id in differing]


def publish(root: Path, profile: str) -> list[Path]:
    """Make the results of a profile part of the course: notebooks, and one packed file of runs."""
    runs = root / "runs" / profile
    written = []
    for path in sorted((runs / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        target = root / "notebooks" / path.name
        part = target.with_suffix(f".part-{os.getpid()}")
        shutil.copyfile(path, part)
        os.replace(part, target)
        written.append(target)
    packed = root / "data" / "results" / profile
    store = Store(runs, packed)
    packed.mkdir(parents=True, exist_ok=True)
    return [*written, store.publish(packed / "runs.jsonl", store.ids())]


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
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )
