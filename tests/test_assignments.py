"""nbgrader's metadata: the published rules, and that our cells keep them."""

import dataclasses
import re
from typing import Any

import pytest

from mtlkit.assignments import BEGIN, END, POINTS, flaws, marked, secret
from mtlkit.exercises import Exercise

EXERCISE = Exercise(
    number=2, title="Count", level="hard", task="How many?", hints=("a", "b", "c"),
    stub="def f():\n    return None", check="print('Right')", solution="So.",
    answer="def f():\n    return 3", place=3, begin=2,
)  # fmt: skip


def cell(kind: str = "code", text: str = "x = 1") -> dict[str, Any]:
    return {"cell_type": kind, "metadata": {"tags": ["a"]}, "source": text}


def about(role: str, kind: str = "code") -> dict[str, Any]:
    return marked(cell(kind), EXERCISE, role, "07")["metadata"]["nbgrader"]


def test_cells_have_their_part() -> None:
    flags = ("grade", "solution", "locked", "task")
    kinds = {"task": "markdown", "exercise": "code", "check": "code"}
    found = {role: about(role, kind) for role, kind in kinds.items()}
    assert {role: tuple(each[flag] for flag in flags) for role, each in found.items()} == {
        "task": (False, False, True, False),
        "exercise": (False, True, False, False),
        "check": (True, False, True, False),
    }
    assert found["check"]["points"] == POINTS["hard"] == 3
    assert "points" not in found["exercise"]
    assert found["exercise"]["grade_id"] == "lesson-07-exercise-2"


def test_tags_stay_and_the_cell_is_a_new_one() -> None:
    before = cell()
    assert marked(before, EXERCISE, "check", "07")["metadata"]["tags"] == ["a"]
    assert "nbgrader" not in before["metadata"]


def test_our_cells_keep_the_rules() -> None:
    roles = (("task", "markdown"), ("exercise", "code"), ("check", "code"))
    cells = [marked(cell(kind), EXERCISE, role, "07") for role, kind in roles]
    other = dataclasses.replace(EXERCISE, number=3)
    cells += [cell(), *(marked(cell(kind), other, role, "07") for role, kind in roles)]
    assert flaws({"cells": cells}) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 2}, "schema_version is 2, not 3"),
        ({"grade": None}, "grade is not true or false"),
        ({"grade_id": ""}, "grade_id '' is no name"),
        ({"grade_id": "a b"}, "grade_id 'a b' is no name"),
        ({"points": None}, "a graded cell needs points, found None"),
        ({"points": -1}, "needs points, found -1"),
        ({"colour": "red"}, "unknown keys ['colour']"),
        ({"cell_type": "markdown"}, "cell_type is 'markdown' in a code cell"),
        ({"task": True}, "a task is a Markdown cell"),
        ({"solution": True}, "cannot answer in a locked cell"),
    ],
)
def test_what_breaks_a_rule_is_found(change: dict[str, Any], words: str) -> None:
    broken = marked(cell(), EXERCISE, "check", "07")
    broken["metadata"]["nbgrader"] |= change
    (flaw,) = flaws({"cells": [cell(), broken]})
    assert flaw.startswith("cell 2: ")
    assert words in flaw


def test_rules_of_markdown_of_marks_and_of_names() -> None:
    graded = marked(cell("markdown"), EXERCISE, "check", "07")
    assert "graded if and only if it is a solution" in flaws({"cells": [graded]})[0]
    open_end = marked(cell(text=BEGIN), EXERCISE, "exercise", "07")
    assert flaws({"cells": [open_end]}) == [f"cell 1: {BEGIN} without {END}"]
    twice = marked(cell(), EXERCISE, "exercise", "07")
    assert "'lesson-07-exercise-2' is there twice" in flaws({"cells": [twice, twice]})[0]


def test_the_solution_is_between_the_marks() -> None:
    code = secret(EXERCISE)
    space: dict[str, Any] = {}
    exec(code, space)
    assert space["f"]() == 3
    released = re.sub(rf"{BEGIN}.*?{END}", "", code, flags=re.S)  # as nbgrader does
    assert released.strip() == EXERCISE.stub
