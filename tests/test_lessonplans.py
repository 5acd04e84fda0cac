"""Lesson plans: read with clear errors, and in step with the lessons that they are for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mtlkit.lessonplans import LessonPlanError, Part, check, load, plan
from mtlkit.sections import sections

ROOT = Path(__file__).resolve().parent.parent
PLANS = sorted((ROOT / "data" / "teaching").glob("*.yaml"))
LESSONS = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


def made() -> dict[str, Any]:
    return {
        "objectives": ["Counts."],
        "prepare": ["Chalk."],
        "sections": [
            {"heading": "The idea", "minutes": 5, "priority": 1, "note": "Slowly,\n  please."},
            {"heading": "More", "minutes": 7, "priority": 3},
        ],
        "misconceptions": [{"belief": "A.", "answer": "B."}],
        "questions": ["Why?"],
        "stops": [{"after": "The idea", "say": "Enough."}],
    }


def write(folder: Path, data: object) -> Path:
    path = folder / "07.yaml"
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return path


def test_a_plan_is_read(tmp_path: Path) -> None:
    write(tmp_path, made())
    found = plan("07", folder=tmp_path)
    assert (found.lesson, found.minutes) == ("07", 12)
    assert found.parts[0] == Part(heading="The idea", minutes=5, priority=1, note="Slowly, please.")
    assert (found.parts[1].note, found.stops[0].say) == ("", "Enough.")
    assert found.misconceptions[0].answer == "B."
    assert (found.objectives, found.prepare, found.questions) == (
        ("Counts.",),
        ("Chalk.",),
        ("Why?",),
    )


def drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda data: data.pop(key)


def section(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data["sections"][0].update(fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop("prepare"), "the plan lacks prepare: add it"),
        (lambda d: d.update(minutes=3), "the plan has the unknown field minutes: known are obj"),
        (lambda d: d.update(questions=[]), "questions is []: write a list with one entry or more"),
        (lambda d: d.update(questions=[3]), "entry 1 of questions is 3: write a text"),
        (
            lambda d: d.update(sections=["x"]),
            "entry 1 of sections is 'x': write the fields heading",
        ),
        (
            section(minutes=0),
            "entry 1 of sections has minutes 0: write a whole number from 1 to 120",
        ),
        (section(minutes=True), "has minutes True"),
        (section(priority=4), "has priority 4: write one of 1 (always), 2 (if there is time), 3 ("),
        (section(heading=" "), "heading of entry 1 of sections is ' ': write a text"),
        (section(heading="More"), "sections has 'More' twice"),
        (lambda d: d["stops"][0].update(after="End"), "stops names 'End', which is none of its"),
        (lambda d: d["misconceptions"][0].pop("answer"), "entry 1 of misconceptions lacks answer"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    data = made()
    change(data)
    path = write(tmp_path, data)
    with pytest.raises(LessonPlanError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)


def test_files_that_are_no_plans(tmp_path: Path) -> None:
    with pytest.raises(LessonPlanError, match=r"there is no plan .*05\.yaml: write one after"):
        plan("05", folder=tmp_path)
    with pytest.raises(LessonPlanError, match="the plan is 'text': write the fields objectives"):
        load(write(tmp_path, "text"))
    path = tmp_path / "bad.yaml"
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(LessonPlanError, match=r"bad\.yaml is not YAML"):
        load(path)
    path.write_bytes(b"a: \xff")
    with pytest.raises(LessonPlanError, match=r"is not text in UTF-8 \(byte 3\)"):
        load(path)


def test_a_plan_fits_its_lesson(tmp_path: Path) -> None:
    found = load(write(tmp_path, made()))
    check(found, ["The idea", "More"])
    with pytest.raises(LessonPlanError, match="section 2 is 'More', and in the notebook it is 'M'"):
        check(found, ["The idea", "M"])
    with pytest.raises(LessonPlanError, match="only the plan has the section 'More'"):
        check(found, ["The idea"])
    with pytest.raises(LessonPlanError, match="only the notebook has the section 'Last'"):
        check(found, ["The idea", "More", "Last"])


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_plans_fit_their_lessons(path: Path) -> None:
    found = load(path)
    if path.stem in LESSONS:
        notebook = json.loads(LESSONS[path.stem].read_text(encoding="utf-8"))
        check(found, [part.heading for part in sections(notebook)[1:]])


def test_every_lesson_has_a_plan() -> None:
    assert set(LESSONS) <= {path.stem for path in PLANS}
