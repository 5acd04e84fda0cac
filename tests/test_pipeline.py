"""The series of lessons: each is executed, tidied and told of; one that fails stops no other."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from dask.distributed import LocalCluster

from mtlkit import pipeline
from mtlkit.clusters import ClusterError
from mtlkit.pages import MARKS
from mtlkit.pipeline import Lesson, PipelineError
from mtlkit.profiles import ProfileError
from mtlkit.recipes import Recipe, Run
from mtlkit.results import OWN_RESULTS_ONLY, Store
from mtlkit.routes import Route

PARAMETERS = 'profile = "quick"\nscheduler = None'


def notebook(path: Path, *cells: str) -> None:
    """A lesson: a cell of parameters, then these."""
    new = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# A lesson"),
            nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            *map(nbformat.v4.new_code_cell, cells),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new, path)


GOOD = (
    "import sys\nfrom pathlib import Path\n"
    "print(profile, end=' ', flush=True)\nprint('a progress bar', file=sys.stderr, flush=True)\n"
    "print(scheduler.split(':')[0])",
    "figures = Path('../figures') / profile\n(figures / 'tables').mkdir(parents=True)\n"
    "(figures / '00_good.png').touch()\n(figures / 'tables' / '00_good.md').touch()\n"
    "Path.cwd().name",
)
BAD = ("x = 1", "raise ValueError('no such luck')", "print('never')")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A scheduler without workers: these lessons ask for no run."""
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp://", dashboard_address=":0"
    ) as made:
        yield made.scheduler_address


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("course")
    notebook(root / "notebooks" / "00_good.ipynb", *GOOD)
    notebook(root / "notebooks" / "01_bad.ipynb", *BAD)
    (root / "notebooks" / "02_broken.ipynb").write_text("no notebook", encoding="utf-8")
    (root / "notebooks" / "drafts.ipynb").write_text("not a lesson", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def done(course: Path, scheduler: str) -> list[Lesson]:
    left = course / "runs" / "smoke" / "notebooks" / "00_good.part-1.ipynb"
    left.parent.mkdir(parents=True)
    left.write_text("of a series that was killed", encoding="utf-8")
    return pipeline.run(course, "smoke", scheduler=scheduler)


def test_lessons_are_run_in_order_and_failures_told(course: Path, done: list[Lesson]) -> None:
    good, bad, broken = done
    assert (good.name, good.error) == ("00_good", None)
    assert (good.figures, good.tables) == (("00_good",), ("00_good",))
    # The number is the one that stands beside the cell in the executed copy.
    assert (bad.name, bad.error) == ("01_bad", "cell 4: ValueError: no such luck")
    assert (bad.figures, bad.tables) == ((), ())
    assert broken.name == "02_broken" and "NotJSONError" in str(broken.error)
    assert all(0 <= lesson.seconds < 300 for lesson in done)
    rows = pipeline.summary(done).splitlines()
    assert [row.split() for row in rows] == [
        ["lesson", "seconds", "figures", "tables"],
        ["00_good", f"{good.seconds:.0f}", "1", "1"],
        ["01_bad", "FAILED", f"{bad.seconds:.0f}", "0", "0"],
        ["02_broken", "FAILED", f"{broken.seconds:.0f}", "0", "0"],
    ]
    assert len({len(row) for row in rows}) == 1, "columns do not line up"


def cells(path: Path) -> list[Any]:
    nbformat.validate(nbformat.read(path, as_version=4))
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def test_executed_copies_have_what_a_reader_needs(course: Path, done: list[Lesson]) -> None:
    folder = course / "runs" / "smoke" / "notebooks"
    assert sorted(path.name for path in folder.iterdir()) == ["00_good.ipynb", "01_bad.ipynb"]
    title, parameters, first, second = cells(folder / "00_good.ipynb")
    assert title["cell_type"] == "markdown" and title["metadata"] == {}
    assert parameters["metadata"] == {"tags": ["parameters"]}
    shown = "".join(parameters["source"])  # the profile that was run; nothing else is injected
    assert shown == PARAMETERS.replace("quick", "smoke")
    assert first["metadata"] == {} and first["execution_count"]
    [printed] = first["outputs"]
    assert (printed["name"], "".join(printed["text"])) == ("stdout", "smoke tcp\n")
    [value] = second["outputs"]
    assert "".join(value["data"]["text/plain"]) == "'notebooks'"  # it ran where it lies
    found = cells(folder / "01_bad.ipynb")
    assert len(found) == 2 + len(BAD)
    [error] = found[3]["outputs"]
    assert error["ename"] == "ValueError" and found[3]["execution_count"] == 4
    assert found[4]["outputs"] == [] and found[4]["execution_count"] is None
    text = (folder / "01_bad.ipynb").read_text(encoding="utf-8")
    assert "papermill" not in text.replace("papermill-error-cell-tag", "papermill")
    # The lessons themselves are as they were.
    assert all(not cell.get("outputs") for cell in cells(course / "notebooks" / "00_good.ipynb"))


def test_lessons_run_side_by_side(
    tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    meet = (
        "import time\nfrom pathlib import Path\n"
        "Path('{0}').touch()\n"
        "until = time.monotonic() + 60\n"
        "while not Path('{1}').exists():\n"
        "    assert time.monotonic() < until, 'the other one does not come'\n"
        "    time.sleep(0.1)"
    )
    notebook(tmp_path / "notebooks" / "00_one.ipynb", meet.format("0", "1"))
    notebook(tmp_path / "notebooks" / "01_two.ipynb", meet.format("1", "0"))
    here = Path.cwd()
    done = pipeline.run(tmp_path, "smoke", scheduler=scheduler)
    assert [(lesson.name, lesson.error) for lesson in done] == [("00_one", None), ("01_two", None)]
    assert Path.cwd() == here


def test_a_lesson_that_reads_what_others_leave_waits_for_them(
    tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    slow = "import time\nfrom pathlib import Path\ntime.sleep(3)\nPath('left').touch()"
    notebook(tmp_path / "notebooks" / "11_reads.ipynb", "open('left')")
    notebook(tmp_path / "notebooks" / "12_leaves.ipynb", slow)
    done = pipeline.run(tmp_path, "smoke", scheduler=scheduler)
    assert [(x.name, x.error) for x in done] == [("11_reads", None), ("12_leaves", None)]


def test_lessons_can_be_chosen(course: Path) -> None:
    for number in ("05", "10"):
        notebook(course.parent / "other" / "notebooks" / f"{number}_lesson.ipynb")
    other = course.parent / "other"
    names = [path.name[:2] for path in pipeline.lessons(other, ["10", "5", "05"])]
    assert names == ["05", "10"]
    assert [path.name[:2] for path in pipeline.lessons(course)] == ["00", "01", "02"]
    with pytest.raises(PipelineError, match=r"^no lesson '7': there are 05, 10$"):
        pipeline.lessons(other, ["5", "7"])
    with pytest.raises(PipelineError, match=r"^no lesson 'ten': there are"):
        pipeline.lessons(other, ["ten"])
    with pytest.raises(PipelineError, match=r"^no lessons under .*nowhere.*: run this in a check"):
        pipeline.lessons(course / "nowhere")


def test_nothing_is_begun_that_cannot_be(course: Path, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"^unknown profile 'fast'"):
        pipeline.run(course, "fast")
    with pytest.raises(PipelineError):
        pipeline.run(course, "quick", only=["77"])
    runs = tmp_path / "runs" / "quick"
    notebook(tmp_path / "notebooks" / "00_good.ipynb", *GOOD)
    Store(runs).save(record(0))
    with pytest.raises(ClusterError):
        pipeline.run(tmp_path, "quick", scheduler="nowhere", fresh=True)
    assert len(Store(runs)) == 1, "results were put aside for a study that did not begin"
    assert not (course / "runs" / "quick").exists()


def record(seed: int, score: float = 0.5) -> dict[str, Any]:
    """A finished run of one task."""
    run = Run(Route.parse("scratch > pos@world"), Recipe(), seed, (("world", "0" * 64),))
    return {
        "id": run.id, "run": run.to_json(), "counts": {}, "history": [], "ledger": {},
        "scores": {"test": {"pos": {"accuracy": score}}}, "environment": {},
    }  # fmt: skip


def store(folder: Path, *scores: float) -> Store:
    """Runs of the seeds 0, 1, … with these scores."""
    made = Store(folder)
    for seed, score in enumerate(scores):
        made.save(record(seed, score))
    return made


def test_differences_are_runs_whose_numbers_are_not_the_same(tmp_path: Path) -> None:
    ours, theirs = store(tmp_path / "a", 0.5, 0.6, 0.7), store(tmp_path / "b", 0.5, 0.6000001)
    assert pipeline.differences(ours, theirs) == (2, ["scratch > pos@world"])
    assert pipeline.differences(ours, ours) == (3, [])
    assert pipeline.differences(ours, Store(tmp_path / "none")) == (0, [])


def test_results_are_put_aside_and_compared_with(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    pipeline.set_aside(tmp_path, "smoke")  # there are none: all the same, all is to be trained
    assert (runs / "smoke" / OWN_RESULTS_ONLY).is_file() and not (runs / "smoke.before").exists()
    assert pipeline.reproduction(tmp_path, "smoke").startswith("trained for the first time here")
    store(runs / "smoke", 0.1, 0.2, 0.3)
    (runs / "smoke" / "models" / "kept").mkdir(parents=True)
    pipeline.set_aside(tmp_path, "smoke")
    assert [path.name for path in (runs / "smoke").iterdir()] == [OWN_RESULTS_ONLY]
    assert len(Store(runs / "smoke.before")) == 3
    store(runs / "smoke", 0.1, 0.25)
    assert pipeline.reproduction(tmp_path, "smoke") == (
        "trained again: 1 of 2 runs give the same numbers\n  differs: scratch > pos@world"
    )
    # Stopped there and begun anew: the three are still what there is to compare with.
    pipeline.set_aside(tmp_path, "smoke")
    assert len(Store(runs / "smoke.before")) == 3 and len(Store(runs / "smoke")) == 0
    store(runs / "smoke", 0.4, 0.4, 0.4)
    pipeline.set_aside(tmp_path, "smoke")
    scores = {r["scores"]["test"]["pos"]["accuracy"] for r in Store(runs / "smoke.before")}
    assert scores == {0.4}


def test_publishing_keeps_notebooks_and_results(tmp_path: Path) -> None:
    notebook(tmp_path / "notebooks" / "00_good.ipynb", "1")
    notebook(tmp_path / "notebooks" / "01_bad.ipynb", "1")
    executed = tmp_path / "runs" / "full" / "notebooks" / "00_good.ipynb"
    notebook(executed, "2")
    notebook(executed.with_name("00_good.part-7.ipynb"), "3")  # of a series that was killed
    ours = store(tmp_path / "runs" / "full", 0.5)
    packed = tmp_path / "data" / "results" / "full" / "runs.jsonl.xz"
    lesson = tmp_path / "notebooks" / "full" / "00_good.ipynb"
    (tmp_path / "runs" / "full" / "lessons.csv").write_text("lesson,seconds\n00_good,3.5\n")
    assert pipeline.publish(tmp_path, "full") == [lesson, packed], "what was kept costs nothing"
    assert lesson.read_bytes() == executed.read_bytes()
    assert lesson.read_bytes() != (tmp_path / "notebooks" / lesson.name).read_bytes()
    assert os.listdir(lesson.parent) == ["00_good.ipynb"], "what was not run is not published"
    published = Store(packed.parent)
    assert published.ids() == ours.ids() and list(published) == list(ours)
    # What was published stays, and new runs are added to it.
    other = record(7)
    next((tmp_path / "runs" / "full").glob("*.json")).unlink()
    ours.save(other)
    pipeline.publish(tmp_path, "full")
    assert set(Store(packed.parent).ids()) == {*published.ids(), other["id"]}
    assert os.listdir(packed.parent) == ["runs.jsonl.xz"]


def test_of_runs_that_everybody_trains_the_last_series_and_its_cost_are_published(
    tmp_path: Path,
) -> None:
    ours = store(tmp_path / "runs" / "quick", 0.5)
    packed = tmp_path / "data" / "results" / "quick" / "runs.jsonl.xz"
    lesson = Path("notebooks", "00_good.ipynb")
    notebook(tmp_path / lesson, "1")
    notebook(tmp_path / "runs" / "quick" / lesson, "2")
    written = pipeline.publish(tmp_path, "quick")
    assert written == [tmp_path / lesson, packed], "the notebooks are those that a reader runs"
    assert (tmp_path / lesson).read_bytes() == (tmp_path / "runs/quick" / lesson).read_bytes()
    measured = tmp_path / "runs" / "quick" / "lessons.csv"
    measured.write_text("lesson,seconds\n00_good,3.5\n")
    costs = tmp_path / "data" / "results" / "quick" / "lessons.csv"
    assert costs in pipeline.publish(tmp_path, "quick")
    assert costs.read_bytes() == measured.read_bytes()
    for old in (tmp_path / "runs" / "quick").glob("*.json"):
        old.unlink()
    ours.save(record(7))
    pipeline.publish(tmp_path, "quick")
    assert Store(packed.parent).ids() == (record(7)["id"],), "what is no longer trained is gone"


def test_publishing_brings_the_table_of_lessons_up_to_date(tmp_path: Path) -> None:
    first = "# 0 · Good\n\n**Why?**\n\n**Minutes:** reading 5, exercises 6, machine 1"
    cell = {"cell_type": "markdown", "source": [first]}
    for folder in ("notebooks", "runs/quick/notebooks"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "00_good.ipynb").write_text(json.dumps({"cells": [cell]}))
    (tmp_path / "runs" / "quick" / "lessons.csv").write_text("lesson,seconds\n00_good,361\n")
    page = tmp_path / "README.md"
    page.write_text("\n".join([*MARKS, ""]))
    assert page in pipeline.publish(tmp_path, "quick")
    assert "| 00 Good | Why? | 5 + 6 + 7 | [quick](notebooks/00_good.ipynb) |" in page.read_text()
    assert page not in pipeline.publish(tmp_path, "quick"), "nothing has changed"


def test_what_lessons_take_is_noted(tmp_path: Path) -> None:
    def note(*seconds: float, error: str | None = None) -> list[str]:
        done = [Lesson(f"0{n}_x", took, (), (), error) for n, took in enumerate(seconds)]
        pipeline._note_seconds(tmp_path / "lessons.csv", done)
        return (tmp_path / "lessons.csv").read_text().splitlines()

    assert note(9.04, 2) == ["lesson,seconds", "00_x,9.0", "01_x,2"]
    assert note(1, 3.0) == ["lesson,seconds", "00_x,9.0", "01_x,3.0"]  # kept runs cost nothing
    assert note(99, error="broken") == ["lesson,seconds", "00_x,9.0", "01_x,3.0"]
    assert os.listdir(tmp_path) == ["lessons.csv"]


def test_the_series_loads_no_torch_before_there_is_something_to_train() -> None:
    code = "import sys, mtlkit.pipeline; print({'torch', 'transformers'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "set()\n", found.stderr
