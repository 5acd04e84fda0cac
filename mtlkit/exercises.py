"""The exercises of a lesson: task, hints, stub, check and solution, read from its notebook.

The form of an exercise K, cell by cell: Markdown with ``### K · Title (level)``, the task, and
three folded hints; code tagged ``exercise-K``, the stub that a reader fills; code tagged
``check-K``, which ends with ``print(…)`` of a text that begins with *Right* or *Not yet*; Markdown
tagged ``solution-K``, whose first block of Python is a complete replacement of the stub.
"""

import ast
import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "HINTS",
    "LEVELS",
    "ROLES",
    "Exercise",
    "ExerciseError",
    "NotYet",
    "exercises",
    "guarded",
    "judge",
    "role",
    "solved",
    "source",
    "title",
    "write",
]  # fmt: skip

LEVELS = ("easy", "middle", "hard")

HINTS = ("what to expect", "the idea", "code")
"""What the three hints of an exercise tell, in this order."""

ROLES = ("exercise", "check", "solution")
"""The tagged cells of an exercise, in this order."""

Notebook = Mapping[str, Any]
"""A notebook as its JSON has it."""


class ExerciseError(ValueError):
    """An exercise that is not in the form of an exercise."""


class NotYet(ValueError):
    """An exercise that is not solved, where the notebook should not go on."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: the sentence, without the lines of a traceback."""
        return [f"NotYet: {self}"]


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """An exercise of a lesson.

    ``task``, ``hints`` and ``solution`` are Markdown; ``stub``, ``check`` and ``answer`` are
    Python.  ``answer`` is what stands in the stub's place once the exercise is solved.  ``place``
    is the index of the stub's cell, and ``begin`` that of the cell with the task.
    """

    number: int
    title: str
    level: str
    task: str
    hints: tuple[str, ...]
    stub: str
    check: str
    solution: str
    answer: str
    place: int
    begin: int


def source(cell: Mapping[str, Any]) -> str:
    """The text of a cell; a notebook keeps it as a string, or as a list of lines."""
    return "".join(cell["source"])


def write(cell: dict[str, Any], text: str) -> None:
    """Put a text into a cell, in the form that notebooks have on disk; outputs are cleared."""
    cell["source"] = text.splitlines(keepends=True)
    if cell["cell_type"] == "code":
        cell["execution_count"], cell["outputs"] = None, []


def title(notebook: Notebook) -> str:
    """How messages call a lesson: the number and the name in its first heading."""
    for cell in notebook["cells"]:
        if found := re.match(r"# (.+)", source(cell)):
            return f"lesson “{found[1].strip()}”"
    return "a notebook without a title"


def role(cell: Mapping[str, Any]) -> tuple[str, int] | None:
    """What a cell is to an exercise, and to which: e.g. ``("check", 2)``, or None."""
    for tag in cell.get("metadata", {}).get("tags", []):
        if found := re.fullmatch(rf"({'|'.join(ROLES)})-(\d+)", tag):
            return found[1], int(found[2])
    return None


def exercises(notebook: Notebook) -> tuple[Exercise, ...]:
    """All exercises of a notebook, in order; none if no cell has a tag of theirs.

    Raises `ExerciseError`: which lesson, which exercise, what is missing or wrong, and what to do.
    """
    places: dict[int, dict[str, int]] = {}
    for place, cell in enumerate(notebook["cells"]):
        if found := role(cell):
            name, number = found
            if name in places.setdefault(number, {}):
                raise _error(notebook, number, f"two cells are tagged {name}-{number}: keep one")
            places[number][name] = place
    if list(places) != list(range(1, 1 + len(places))):
        found_numbers = ", ".join(map(str, places))
        raise ExerciseError(
            f"{title(notebook)}: exercises are numbered 1, 2, 3, … in order; found {found_numbers}"
        )
    return tuple(_exercise(notebook, number, cells) for number, cells in places.items())


def solved(notebook: Notebook) -> dict[str, Any]:
    """A copy of a notebook in which every stub is replaced by its solution.

    Outputs of stubs and checks are cleared: they are those of the unsolved exercise.
    """
    done = copy.deepcopy(dict(notebook))
    for exercise in exercises(notebook):
        write(done["cells"][exercise.place], exercise.answer)
        check = done["cells"][exercise.place + 1]
        write(check, source(check))
    return done


def judge(text: object, *, exercise: int, level: str) -> None:
    """Print what a check says, and stop the notebook unless it says *Right*.

    Raises `NotYet`, with the way to go on.
    """
    print(text)
    if not str(text).startswith("Right"):
        raise NotYet(
            f"exercise {exercise} ({level}) is not solved yet, so the notebook stops here. Open "
            "Hint 1 above, change the cell before this one, and run both cells again. To go on "
            "without solving it, select the next cell and choose Run > Run Selected Cell and All "
            "Below."
        )


def guarded(check: str, *, exercise: int, level: str) -> str:
    """The source of a check that stops the notebook until the exercise is solved: see `judge`.

    Its last statement, ``print(…)``, becomes ``judge(…)``; the rest stays as it is.  Raises
    `ExerciseError` for a check without one.
    """
    call = _last_print(check)
    if call is None:
        raise ExerciseError(f"the check of exercise {exercise} {_PRINTS}")
    lines = check.splitlines()
    start, end = call.lineno - 1, call.end_lineno or call.lineno
    text = ast.get_source_segment(check, call.args[0])
    verdict = f'judge({text}, exercise={exercise}, level="{level}")'
    return "\n".join(
        ["from mtlkit.exercises import judge", "", "", *lines[:start], verdict, *lines[end:]]
    )


_PRINTS = "should end with print(…) of one text, as in print(check_1(answer))"


def _last_print(check: str) -> ast.Call | None:
    """The call of ``print`` with one argument that ends a cell, if it has one."""
    try:
        last = ast.parse(check).body[-1]
    except (SyntaxError, IndexError):
        return None
    if not (isinstance(last, ast.Expr) and isinstance(last.value, ast.Call)):
        return None
    call = last.value
    named = isinstance(call.func, ast.Name) and call.func.id == "print"
    return call if named and len(call.args) == 1 and not call.keywords else None


def _error(notebook: Notebook, number: int, what: str) -> ExerciseError:
    return ExerciseError(f"{title(notebook)}, exercise {number}: {what}")


_HEADING = re.compile(r"^### (\d+) · (.+?) \((\w+)\)[ ]*\n", re.M)
_HINT = re.compile(r"<details><summary>Hint (\d): (.+?)</summary>\n(.*?)</details>", re.S)
_SOLUTION = re.compile(r"\s*<details><summary>Solution</summary>\n(.*)</details>\s*", re.S)
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)


def _is_code(cell: Mapping[str, Any]) -> bool:
    return cell["cell_type"] == "code" and role(cell) is None


def _exercise(notebook: Notebook, number: int, cells: Mapping[str, int]) -> Exercise:
    """One exercise, from the places of its tagged cells."""

    def wrong(what: str) -> ExerciseError:
        return _error(notebook, number, what)

    for name in ROLES:
        if name not in cells:
            raise wrong(f"no cell is tagged {name}-{number}: add one")
        wanted = "markdown" if name == "solution" else "code"
        kind = notebook["cells"][cells[name]]["cell_type"]
        if kind != wanted:
            raise wrong(f"{name}-{number} is a {kind} cell: it should be a {wanted} cell")
    place = cells["exercise"]
    if (cells["check"], cells["solution"]) != (place + 1, place + 2):
        raise wrong("stub, check and solution should be three cells in a row, in this order")
    begin = place - 1
    while begin >= 0 and _is_code(notebook["cells"][begin]):  # which prepares the exercise
        begin -= 1
    before = source(notebook["cells"][begin]) if begin >= 0 else ""
    heads = list(_HEADING.finditer(before + "\n"))
    if not heads:
        raise wrong(
            f"the text before its stub should have the heading “### {number} · Title (easy)”"
        )
    head = heads[-1]
    if int(head[1]) != number:
        raise wrong(f"its heading has the number {head[1]}")
    if head[3] not in LEVELS:
        raise wrong(f"its level is {head[3]!r}: expected one of {', '.join(LEVELS)}")
    text = before[head.end() :].strip()
    hints = list(_HINT.finditer(text))
    names = [(int(hint[1]), hint[2]) for hint in hints]
    if names != list(enumerate(HINTS, 1)):
        wanted = ", ".join(f"“Hint {n}: {name}”" for n, name in enumerate(HINTS, 1))
        found = ", ".join(f"“Hint {n}: {name}”" for n, name in names) or "none"
        raise wrong(f"it needs three folded hints, {wanted}; found {found}")
    if empty := [hint[1] for hint in hints if not hint[3].strip()]:
        raise wrong(f"hint {empty[0]} is empty: write it")
    check, solution = (source(notebook["cells"][cells[name]]) for name in ROLES[1:])
    if _last_print(check) is None:
        raise wrong(f"its check {_PRINTS}")
    folded = _SOLUTION.fullmatch(solution)
    block = _PYTHON.search(solution)
    if not folded or not block:
        raise wrong(
            "its solution should be folded, <details><summary>Solution</summary> … </details>, and "
            "have a block of Python that replaces the stub"
        )
    return Exercise(
        number=number,
        title=head[2],
        level=head[3],
        task=text[: hints[0].start()].strip(),
        hints=tuple(hint[3].strip() for hint in hints),
        stub=source(notebook["cells"][place]),
        check=check,
        solution=folded[1].strip(),
        answer=block[1].rstrip("\n"),
        place=place,
        begin=begin,
    )
