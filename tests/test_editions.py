"""Editions: no solution in a student's, all of it in an instructor's, and cuts that still run."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from mtlkit import assignments
from mtlkit.editions import NOTE, Edition, EditionError, kept, lesson
from mtlkit.exercises import HINTS, NotYet, exercises, role, source
from mtlkit.lessonplans import LessonPlanError, Misconception, Part, Plan, Stop, plan
from mtlkit.sections import needs, sections

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHECK = (
    'def check(x):\n    return "Right." if x == 3 else "Not yet: count."\n\n\nprint(check(answer))'
)


def cell(kind: str, text: str, id: str, *tags: str) -> dict[str, Any]:
    printed = {"output_type": "stream", "name": "stdout", "text": ["Not yet: count.\n"]}
    code = {"execution_count": 1, "outputs": [printed]} if kind == "code" else {}
    return {
        "cell_type": kind, "id": id, "metadata": {"tags": list(tags)} if tags else {},
        "source": text.splitlines(keepends=True), **code,
    }  # fmt: skip


def made() -> dict[str, Any]:
    hints = "\n".join(
        f"<details><summary>Hint {n}: {name}</summary>\n\nhint {n}\n\n</details>"
        for n, name in enumerate(HINTS, 1)
    )
    task = "## Exercises\n\n### 1 · Count (middle)\n\nHow many?\n\n" + hints
    solution = "<details><summary>Solution</summary>\n\n```python\nanswer = 3  # one, two, three\n"
    solution += "```\n\nBecause it is so.\n\n</details>"
    return {
        "cells": [
            cell("markdown", "# 7 · A lesson", "title"),
            cell("code", 'profile = "quick"  # smoke | quick | full', "set", "parameters"),
            cell("markdown", "## Idea\n\nText.\n\n## Core", "two"),
            cell("code", "base = 1", "c1"),
            cell("markdown", "## More", "more"),
            cell("code", "extra = base + 1", "c2"),
            cell("markdown", "## Most", "most"),
            cell("code", "print(extra)", "c3"),
            cell("markdown", task, "task"),
            cell("code", "answer = None", "stub", "exercise-1"),
            cell("code", CHECK, "check", "check-1"),
            cell("markdown", solution, "solution", "solution-1"),
        ],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip


def planned(*priorities: int, minutes: int = 10) -> Plan:
    names = ("Idea", "Core", "More", "Most", "Exercises")
    parts = tuple(
        Part(heading=name, minutes=minutes, priority=priority, note=f"Note on {name}.")
        for name, priority in zip(names, priorities or (1, 1, 2, 3, 1), strict=True)
    )
    return Plan(
        lesson="07", parts=parts, objectives=("Counts.",), prepare=("Chalk.",),
        misconceptions=(Misconception(belief="Two.", answer="Three."),), questions=("Why?",),
        stops=(Stop(after="Core", say="Enough."),),
    )  # fmt: skip


def texts(notebook: dict[str, Any]) -> str:
    return "\n".join(source(cell) for cell in notebook["cells"])


def run(notebook: dict[str, Any]) -> None:
    space: dict[str, Any] = {}
    for each in notebook["cells"]:
        if each["cell_type"] == "code":
            exec(source(each), space)


class TestStudent:
    def test_solutions_are_gone_and_hints_are_not(self) -> None:
        found = lesson(made(), "07_a.ipynb", Edition())
        assert "Because it is so" not in texts(found) and "one, two" not in texts(found)
        assert "hint 3" in texts(found)
        assert [each["id"] for each in found["cells"]][-3:] == ["task", "stub", "check"]

    def test_outputs_of_exercises_are_cleared_and_others_are_not(self) -> None:
        found = lesson(made(), "07_a.ipynb", Edition())
        outputs = {each["id"]: each["outputs"] for each in found["cells"] if "outputs" in each}
        assert not outputs["stub"] and not outputs["check"]
        assert outputs["c3"] == made()["cells"][7]["outputs"]

    def test_it_stops_at_the_first_exercise_until_that_is_solved(self) -> None:
        found = lesson(made(), "07_a.ipynb", Edition())
        with pytest.raises(NotYet, match=r"exercise 1 \(middle\) is not solved yet"):
            run(found)
        found["cells"][-2]["source"] = ["answer = 3"]
        run(found)

    def test_the_lesson_itself_stays_as_it_is(self) -> None:
        before = made()
        lesson(before, "07_a.ipynb", Edition(instructor=True, nbgrader=True, slides=True))
        assert before == made()

    def test_another_profile_has_no_outputs(self) -> None:
        found = lesson(made(), "07_a.ipynb", Edition(profile="smoke"))
        assert source(found["cells"][1]).startswith('profile = "smoke"  # smoke')
        assert not any(each.get("outputs") for each in found["cells"])
        with pytest.raises(EditionError, match="in profile quick or smoke, not 'full'"):
            Edition(profile="full")


class TestInstructor:
    def test_it_has_solution_stub_and_notes(self) -> None:
        found = lesson(made(), "07_a.ipynb", Edition(instructor=True), planned())
        run(found)
        notes = [source(c) for c in found["cells"] if NOTE in c["metadata"].get("tags", [])]
        assert all(note.startswith("> **Instructor.** ") for note in notes)
        assert "50 minutes in class" in notes[0]
        for text in ("Counts.", "Chalk.", "*Two.* Three.", "Why?", "| Most | 10 | the first to be"):
            assert text in notes[0]
        assert notes[1].endswith("*10 minutes, always.* Note on Idea.")
        assert "A place to stop" in notes[3] and "“Enough.”" in notes[3]
        assert "answer = None" in notes[-1]
        assert "Because it is so." in texts(found)

    def test_it_needs_a_plan_that_fits(self) -> None:
        with pytest.raises(EditionError, match="lesson 07 has no plan: write data/teach"):
            lesson(made(), "07_a.ipynb", Edition(instructor=True))
        other = made()
        other["cells"][4]["source"] = ["## Other"]
        with pytest.raises(LessonPlanError, match="'More', and in the notebook it is 'Other'"):
            lesson(other, "07_a.ipynb", Edition(instructor=True), planned())


class TestCut:
    def stays(self, plan: Plan, minutes: int) -> list[int]:
        return sorted(kept(sections(made()), plan, minutes))

    def test_the_last_priority_goes_first(self) -> None:
        assert self.stays(planned(), 50) == [0, 1, 2, 3, 4, 5]
        assert self.stays(planned(), 49) == [0, 1, 2, 3, 5]
        assert self.stays(planned(), 30) == [0, 1, 2, 5]

    def test_what_is_needed_stays(self) -> None:
        assert self.stays(planned(1, 1, 3, 2, 1), 40) == [0, 1, 2, 3, 5]
        assert self.stays(planned(3, 3, 3, 1, 1), 40) == [0, 2, 3, 4, 5]

    def test_what_fits_is_put_back(self) -> None:
        long = planned(2, 1, 3, 2, 1)
        assert self.stays(long, 40) == [0, 1, 2, 3, 5]  # Most went for More, which did not need to

    def test_too_little_is_refused(self) -> None:
        with pytest.raises(EditionError, match="07 needs 30 minutes at least, and 20 are asked"):
            self.stays(planned(), 20)

    def test_it_says_what_is_left_out(self) -> None:
        found = lesson(made(), "07_a.ipynb", Edition(minutes=30), planned())
        last = source(found["cells"][-1])
        assert "in 30 minutes. The [whole lesson](whole/07_a.ipynb)" in last
        assert last.endswith("- More (10 min)\n- Most (10 min)")
        assert "extra" not in texts(found)
        found["cells"][-3]["source"] = ["answer = 3"]
        run(found)
        whole = lesson(made(), "07_a.ipynb", Edition(minutes=60), planned())
        assert "left out" not in texts(whole).lower()


def test_nbgrader_gets_answers_tests_and_points() -> None:
    found = lesson(made(), "07_a.ipynb", Edition(nbgrader=True))
    about = {c["id"]: c["metadata"].get("nbgrader") for c in found["cells"]}
    assert {name for name, each in about.items() if each} == {"task", "stub", "check"}
    assert about["check"]["points"] == 2 and about["stub"]["solution"]
    assert assignments.flaws(found) == []
    assert "Because it is so" not in texts(found)
    with pytest.raises(NotYet):
        run(found)


def test_the_source_of_an_assignment_has_solutions_between_marks_and_no_notes() -> None:
    found = lesson(made(), "07_a.ipynb", Edition(nbgrader=True, instructor=True))
    assert assignments.flaws(found) == []
    stub = source(next(c for c in found["cells"] if c["id"] == "stub"))
    assert stub.startswith("answer = None\n") and f"{assignments.BEGIN}\nanswer = 3" in stub
    assert "Because it is so" not in texts(found) and "Instructor" not in texts(found)
    run(found)


def test_slides_begin_at_headings() -> None:
    found = lesson(made(), "07_a.ipynb", Edition(slides=True, instructor=True), planned())
    kind = {c["id"]: c["metadata"]["slideshow"]["slide_type"] for c in found["cells"]}
    assert (kind["title"], kind["set"], kind["more"], kind["c2"]) == ("slide", "skip", "slide", "-")
    assert kind["l07-plan"] == "notes"


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
class TestLessons:
    def test_a_student_finds_no_solution(self, path: Path) -> None:
        notebook = read(path)
        found = lesson(notebook, path.name, Edition())
        nbformat.validate(nbformat.reads(json.dumps(found), as_version=4))
        for exercise in exercises(notebook):
            assert exercise.solution not in texts(found)
            assert exercise.answer not in texts(found)
            assert all(hint in texts(found) for hint in exercise.hints)
        judged = [source(c) for c in found["cells"] if (role(c) or "")[:1] == ("check",)]
        assert len(judged) == len(exercises(notebook)) and all("judge(" in c for c in judged)

    def test_an_instructor_finds_them_all(self, path: Path) -> None:
        notebook = read(path)
        found = lesson(notebook, path.name, Edition(instructor=True), plan(path.name[:2]))
        nbformat.validate(nbformat.reads(json.dumps(found), as_version=4))
        for exercise in exercises(notebook):
            assert exercise.solution in texts(found)
            assert exercise.stub.splitlines()[0] in texts(found)

    def test_it_fits_into_fifty_minutes_and_nothing_misses_a_name(self, path: Path) -> None:
        notebook, of_lesson = read(path), plan(path.name[:2])
        parts = sections(notebook)
        stay = kept(parts, of_lesson, 50)
        assert sum(of_lesson.parts[n - 1].minutes for n in stay if n) <= 50
        needed = needs(parts)
        assert all(needed[number] <= stay for number in stay)

    def test_nbgrader_takes_it(self, path: Path) -> None:
        for instructor in (False, True):
            edition = Edition(nbgrader=True, instructor=instructor)
            assert assignments.flaws(lesson(read(path), path.name, edition)) == []
