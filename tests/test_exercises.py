"""Exercises: their form, and that each check says Not yet to the stub and Right to the solution."""

import ast
import contextlib
import copy
import io
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mtlkit.exercises import (
    HINTS,
    LEVELS,
    Exercise,
    ExerciseError,
    NotYet,
    exercises,
    guarded,
    judge,
    role,
    solved,
    source,
)
from mtlkit.sections import binds, uses

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def hints(*texts: str) -> str:
    return "\n".join(
        f"<details><summary>Hint {n}: {name}</summary>\n\n{text}\n\n</details>"
        for n, (name, text) in enumerate(zip(HINTS, texts, strict=True), 1)
    )


CHECK = """\
def check(answer):
    if answer != 3:
        return "Not yet: count them."
    return "Right."


print(check(answer))"""


def cell(kind: str, text: str, *tags: str) -> dict[str, Any]:
    code = {"execution_count": 1, "outputs": [{"output_type": "stream"}]} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {"tags": list(tags)}, "source": text, **code}


@pytest.fixture
def lesson() -> dict[str, Any]:
    task = "## Exercises\n\n### 1 · Count (easy)\n\nHow many?\n\n" + hints(
        "A number.", "Look.", "3"
    )
    solution = (
        "<details><summary>Solution</summary>\n\n```python\nanswer = 3\n```\n\nSo.\n\n</details>"
    )
    return {
        "cells": [
            cell("markdown", "# 7 · A lesson"),
            cell("markdown", task),
            cell("code", "answer = None", "exercise-1"),
            cell("code", CHECK, "check-1"),
            cell("markdown", solution, "solution-1"),
        ]
    }


def test_an_exercise_is_read(lesson: dict[str, Any]) -> None:
    (found,) = exercises(lesson)
    assert (found.number, found.title, found.level, found.place) == (1, "Count", "easy", 2)
    assert found.task == "How many?"
    assert found.hints == ("A number.", "Look.", "3")
    assert (found.stub, found.check, found.answer) == ("answer = None", CHECK, "answer = 3")
    assert found.solution.endswith("So.")


def test_code_may_prepare_it(lesson: dict[str, Any]) -> None:
    lesson["cells"].insert(2, cell("code", "things = [1, 2, 3]"))
    (found,) = exercises(lesson)
    assert (found.begin, found.place, found.task) == (1, 3, "How many?")


def test_a_notebook_without_tags_has_no_exercises() -> None:
    assert exercises({"cells": [cell("markdown", "# 1 · Nothing")]}) == ()


def test_the_solution_stands_in_place_of_the_stub(lesson: dict[str, Any]) -> None:
    before = copy.deepcopy(lesson)
    done = solved(lesson)
    assert lesson == before
    assert source(done["cells"][2]) == "answer = 3"
    assert source(done["cells"][3]) == CHECK
    assert all(done["cells"][n]["outputs"] == [] for n in (2, 3))


def broken(place: int, old: str, new: str) -> Callable[[list[dict[str, Any]]], None]:
    def change(cells: list[dict[str, Any]]) -> None:
        assert old in cells[place]["source"]
        cells[place]["source"] = cells[place]["source"].replace(old, new)

    return change


def tagged(place: int, *tags: str) -> Callable[[list[dict[str, Any]]], None]:
    return lambda cells: cells[place]["metadata"].update(tags=list(tags))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (tagged(4), "no cell is tagged solution-1: add one"),
        (tagged(2, "solution-1"), "two cells are tagged solution-1"),
        (
            lambda cells: cells[4].update(cell_type="raw"),
            "is a raw cell: it should be a markdown",
        ),
        (lambda cells: cells.insert(3, cell("markdown", "")), "three cells in a row"),
        (broken(1, "### 1", "** 1"), "should have the heading “### 1"),
        (
            lambda cells: cells.insert(2, cell("markdown", "More.")),
            "should have the heading “### 1",
        ),
        (broken(1, "### 1", "### 2"), "its heading has the number 2"),
        (broken(1, "(easy)", "(medium)"), "level is 'medium': expected one of easy, middle, hard"),
        (broken(1, "Hint 3: code", "Hint: code"), "needs three folded hints, “Hint 1: what to exp"),
        (broken(1, "Look.", ""), "hint 2 is empty"),
        (broken(3, "print(check(answer))", "check(answer)"), "should end with print(…)"),
        (broken(3, "print(check(answer))", "print("), "should end with print(…)"),
        (broken(4, "```python", "```"), "have a block of Python that replaces the stub"),
    ],
)
def test_what_is_wrong_is_said(
    lesson: dict[str, Any], change: Callable[[list[dict[str, Any]]], None], words: str
) -> None:
    change(lesson["cells"])
    with pytest.raises(ExerciseError) as error:
        exercises(lesson)
    assert str(error.value).startswith("lesson “7 · A lesson”, exercise 1: ")
    assert words in str(error.value)


def test_numbers_have_no_gap(lesson: dict[str, Any]) -> None:
    for each in lesson["cells"][2:]:
        each["metadata"]["tags"] = [tag.replace("1", "2") for tag in each["metadata"]["tags"]]
    with pytest.raises(ExerciseError, match="numbered 1, 2, 3, … in order; found 2"):
        exercises(lesson)


class TestGuard:
    def test_it_lets_pass_what_is_right(self, capsys: pytest.CaptureFixture[str]) -> None:
        exec(guarded(CHECK, exercise=1, level="easy"), {"answer": 3})
        assert capsys.readouterr().out == "Right.\n"

    def test_it_stops_at_what_is_not(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(NotYet) as stop:
            exec(guarded(CHECK, exercise=4, level="hard"), {"answer": None})
        assert capsys.readouterr().out == "Not yet: count them.\n"
        assert str(stop.value).startswith("exercise 4 (hard) is not solved yet")
        assert "open hint 1 above" in str(stop.value).lower()
        assert "without solving it" in str(stop.value)

    def test_a_notebook_shows_the_sentence_and_no_traceback(self) -> None:
        with pytest.raises(NotYet) as stop:
            judge("Not yet.", exercise=1, level="easy")
        assert stop.value._render_traceback_() == [f"NotYet: {stop.value}"]

    def test_only_the_last_statement_changes(self) -> None:
        code = "x = 'print(1)'\nprint(\n    x,\n)\nprint(f'{x} and ({x})')  # it"
        lines = guarded(code, exercise=2, level="middle").splitlines()
        assert lines[3:-1] == code.splitlines()[:-1]
        assert lines[-1] == """judge(f'{x} and ({x})', exercise=2, level="middle")"""

    def test_a_check_without_a_verdict_is_refused(self) -> None:
        with pytest.raises(ExerciseError, match="check of exercise 3 should end with print"):
            guarded("x = 1", exercise=3, level="easy")


PARTS = [(path, exercise) for path in LESSONS for exercise in exercises(read(path))]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_lesson_has_exercises_of_three_levels(path: Path) -> None:
    found = [exercise.level for exercise in exercises(read(path))]
    assert set(found) == set(LEVELS)
    assert found == sorted(found, key=LEVELS.index), "easy ones come first"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_unsolved_checks_were_executed(path: Path) -> None:
    for each in read(path)["cells"]:
        if (found := role(each)) and found[0] == "check":
            printed = "".join(line for out in each["outputs"] for line in out["text"])
            assert printed.startswith("Not yet")


# What follows solves exercises.  The names that stub, solution and check use are defined by the
# statements of the lesson that bind them, and by those that bind what these use, and so on.


def statements(*code: str) -> list[str]:
    return [ast.unparse(node) for each in code for node in ast.parse(each).body]


def needed(notebook: dict[str, Any], exercise: Exercise, given: set[str]) -> list[str]:
    """The statements of a lesson that an exercise and its solution depend on, in order."""
    wanted: set[str] = set()
    for statement in reversed(statements(exercise.stub, exercise.answer, exercise.check)):
        wanted = (wanted - binds(statement)) | uses(statement)
    cells = [c for c in notebook["cells"][: exercise.place] if c["cell_type"] == "code"]
    kept = []
    for statement in reversed(statements(*(source(c) for c in cells if not role(c)))):
        wanted -= given
        if binds(statement) & wanted:
            kept.append(statement)
            wanted |= uses(statement)
    return kept[::-1]


def solve(notebook: dict[str, Any], exercise: Exercise, given: dict[str, Any]) -> tuple[str, str]:
    """What the check prints of the stub, and of the solution."""
    space, printed = dict(given), []
    with contextlib.redirect_stdout(io.StringIO()):
        for statement in needed(notebook, exercise, set(given)):
            exec(statement, space)
    for answer in (exercise.stub, exercise.answer):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(answer, space)
            exec(exercise.check, space)
        printed.append(out.getvalue())
    return printed[0], printed[1]


# Exercises whose check needs more than definitions, with the reason.
NOT_SOLVED = {
    "10-1": "its check gives names in place of tasks, which tests, that check types, refuse",
    "10-4": "what it trains is kept by the code of its cell, which only a notebook has",
    "12-1": "reads a file that an earlier cell writes",
    "12-4": "reads a corpus that an earlier cell registers",
}

TRACE = [
    ("sum", "cosines", pair, done, seed, (len(pair) + done) / 100 + seed)
    for pair, done, seed in itertools.product(("pos|ner", "pos|dep"), (50, 100), (0, 1))
]

PAIRS = pd.DataFrame({"mean": [0.5, -3.0, 2.0, 0.1], "detectable": [1.0, 2.0, 1.5, 1.0]})
MEANS = pd.DataFrame(
    {
        "scratch": [30.0, 40, 35, 50, 60, 70],
        "single": [50.0, 60, 55, 70, 80, 84],
        "joint": [54.0, 61, 60, 74, 78, 80],
        "combined": [52.0, 63, 58, 72, 79, 83],
    },
    index=pd.MultiIndex.from_product([("ner", "dep", "pos"), (100, 400)]),
)


def number(path: Path, exercise: Exercise) -> str:
    return f"{path.stem[:2]}-{exercise.number}"


def test_exercises_that_are_excused_are_there() -> None:
    assert set(NOT_SOLVED) <= {number(*part) for part in PARTS}


@pytest.mark.parametrize(
    ("path", "exercise"),
    [part for part in PARTS if number(*part) not in NOT_SOLVED],
    ids=[number(*part) for part in PARTS if number(*part) not in NOT_SOLVED],
)
def test_the_check_says_not_yet_to_the_stub_and_right_to_the_solution(
    path: Path, exercise: Exercise, tmp_path: Path
) -> None:
    from mtlkit.lab import Lab

    tables = Path("figures", "full", "tables")  # which lesson 01 reads
    shutil.copytree(ROOT / tables, tmp_path / tables)
    given: dict[str, Any] = {"lab": Lab("smoke", root=tmp_path), "profile": "smoke"}
    if path.stem[:2] == "06":  # what methods did in runs, which are not trained here
        columns = ["method", "kind", "name", "done", "seed", "value"]
        given["trace"] = pd.DataFrame(TRACE, columns=columns)
    if path.stem[:2] == "09":  # comparisons and means of runs
        given |= {"pairs": PAIRS, "means": MEANS, "targets": ["ner", "dep", "pos"]}
    unsolved, right = solve(read(path), exercise, given)
    assert unsolved.startswith("Not yet")
    assert right.startswith("Right")
