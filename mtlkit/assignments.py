"""Exercises as nbgrader wants them: cells that are answers, tests and tasks, with points.

The metadata are of nbgrader's schema, version 3 (nbgrader 0.9, ``nbgraderformat/v3.json``).
nbgrader itself is not needed.
"""

import re
from collections.abc import Mapping
from typing import Any

from mtlkit.exercises import Exercise, source

__all__ = ["POINTS", "flaws", "marked", "secret"]

POINTS = {"easy": 1, "middle": 2, "hard": 3}
"""What an exercise of each level is worth."""

SCHEMA = 3
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def marked(cell: Mapping[str, Any], exercise: Exercise, role: str, lesson: str) -> dict[str, Any]:
    """A cell of an exercise with its metadata: role is task, exercise or check.

    An *exercise* cell is an autograded answer, which learners change.  A *check* is a locked test
    with points.  A *task* is locked, and has none.
    """
    about: dict[str, Any] = {
        "schema_version": SCHEMA,
        "grade_id": f"lesson-{lesson}-{role}-{exercise.number}",
        "cell_type": cell["cell_type"],
        "grade": role == "check",
        "solution": role == "exercise",
        "locked": role != "exercise",
        "task": False,
    }
    if role == "check":
        about["points"] = POINTS[exercise.level]
    return {**cell, "metadata": {**cell.get("metadata", {}), "nbgrader": about}}


def secret(exercise: Exercise) -> str:
    """Stub and solution in one cell: ``nbgrader generate_assignment`` cuts out the second.

    It leaves a line of its own there, ``c.ClearSolutions.code_stub`` in its configuration.
    """
    return "\n".join([exercise.stub, "", BEGIN, exercise.answer, END])


_FLAGS = ("grade", "locked", "solution", "task")
_KNOWN = {*_FLAGS, "schema_version", "grade_id", "points", "checksum", "cell_type"}


def flaws(notebook: Mapping[str, Any]) -> list[str]:
    """Where a notebook breaks the rules of the schema, in words; none if it does not.

    The rules are those of ``v3.json`` and of ``MetadataValidatorV3`` beside it.
    """
    found: list[str] = []
    ids: set[str] = set()
    for number, cell in enumerate(notebook["cells"], 1):
        about = cell.get("metadata", {}).get("nbgrader")
        if about is not None:
            found += [f"cell {number}: {what}" for what in _flaws(about, cell)]
            name = about.get("grade_id")
            if name in ids:
                found.append(f"cell {number}: grade_id {name!r} is there twice")
            ids.add(name)
    return found


def _flaws(about: Mapping[str, Any], cell: Mapping[str, Any]) -> list[str]:
    kind, found = cell["cell_type"], []
    grade, locked, solution, task = (about.get(flag, False) for flag in _FLAGS)
    if unknown := set(about) - _KNOWN:
        found.append(f"unknown keys {sorted(unknown)}")
    if about.get("schema_version") != SCHEMA:
        found.append(f"schema_version is {about.get('schema_version')!r}, not {SCHEMA}")
    found += [
        f"{flag} is not true or false" for flag in _FLAGS[:3] if type(about.get(flag)) is not bool
    ]
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", str(about.get("grade_id", ""))):
        found.append(f"grade_id {about.get('grade_id')!r} is no name")
    points = about.get("points")
    if grade and (isinstance(points, bool) or not isinstance(points, int | float) or points < 0):
        found.append(f"a graded cell needs points, found {points!r}")
    if about.get("cell_type", kind) != kind:
        found.append(f"cell_type is {about['cell_type']!r} in a {kind} cell")
    if kind == "markdown" and not task and grade != solution:
        found.append("a Markdown cell is graded if and only if it is a solution")
    if task and kind != "markdown":
        found.append("a task is a Markdown cell")
    if solution and locked:
        found.append("a learner cannot answer in a locked cell")
    if solution and not task and BEGIN in source(cell) and END not in source(cell):
        found.append(f"{BEGIN} without {END}")
    return found
