"""Editions of the lessons: for students without solutions, for instructors with notes.

They are made from the lessons, never kept by hand.  In a student's edition a check that is not
passed stops the notebook (see `mtlkit.exercises.judge`), and solutions are gone.
"""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mtlkit import assignments
from mtlkit.exercises import Exercise, exercises, guarded, role, source, write
from mtlkit.lessonplans import PRIORITIES, Part, Plan, check
from mtlkit.sections import Section, needs, sections

__all__ = ["WHOLE", "Edition", "EditionError", "kept", "lesson"]

NOTE = "instructor"
"""The tag of cells that only an instructor's edition has."""

WHOLE = "whole"
"""The folder, beside the lessons of an edition, of those that it has cut."""

PROFILES = ("quick", "smoke")


class EditionError(ValueError):
    """An edition that cannot be made; nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Edition:
    """What an edition is like.

    ``minutes``: each lesson is cut to so many in class; None: whole lessons.  ``nbgrader``: cells
    have its metadata; an instructor's edition is then the source of an assignment, without notes,
    which nbgrader would hand out.  ``slides``: cells say where a slide begins.
    """

    instructor: bool = False
    minutes: int | None = None
    nbgrader: bool = False
    slides: bool = False
    profile: str = "quick"

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise EditionError(
                f"an edition runs in profile {' or '.join(PROFILES)}, not {self.profile!r}"
            )


def kept(parts: Sequence[Section], plan: Plan, minutes: int) -> frozenset[int]:
    """Indices of the sections of a lesson that stay when it is cut to so many minutes.

    What stands before the first heading stays, and sections of priority 1 do.  Others are left out
    in the order of their priority, the last one first, if no section that stays needs them; what
    fits is then put back.  Raises `EditionError` if too much is needed.
    """
    needed = needs(parts)
    stay = set(range(len(parts)))
    order = sorted(
        (number for number in stay if number and plan.parts[number - 1].priority > 1),
        key=lambda number: (-plan.parts[number - 1].priority, -number),
    )

    def total() -> int:
        return sum(plan.parts[number - 1].minutes for number in stay if number)

    while total() > minutes:
        free = [n for n in order if n in stay and not any(n in needed[m] for m in stay - {n})]
        if not free:
            raise EditionError(
                f"lesson {plan.lesson} needs {total()} minutes at least, and {minutes} are asked "
                "for: allow more, or leave it out with --only"
            )
        stay.remove(free[0])
    for number in reversed(order):
        fits = total() + plan.parts[number - 1].minutes <= minutes
        if number not in stay and fits and needed[number] <= stay:
            stay.add(number)
    return frozenset(stay)


def lesson(
    notebook: Mapping[str, Any], name: str, edition: Edition, plan: Plan | None = None
) -> dict[str, Any]:
    """A lesson as an edition has it; ``name`` is that of its file, and begins with its number.

    The plan is needed for an instructor's edition, and to cut.  Raises `EditionError`,
    `mtlkit.lessonplans.LessonPlanError` and `mtlkit.exercises.ExerciseError`.
    """
    found = copy.deepcopy(dict(notebook))
    _set_profile(found["cells"], edition.profile)
    about = {exercise.number: exercise for exercise in exercises(found)}
    tasks = {found["cells"][each.begin].get("id"): each for each in about.values()}
    parts = sections(found)
    notes = edition.instructor and not edition.nbgrader
    if plan is None and (notes or edition.minutes):
        raise EditionError(f"lesson {name[:2]} has no plan: write data/teaching/{name[:2]}.yaml")
    stay = frozenset(range(len(parts)))
    if plan is not None:
        check(plan, [part.heading for part in parts[1:]])
        if edition.minutes:
            stay = kept(parts, plan, edition.minutes)
    cells: list[dict[str, Any]] = []
    for number in sorted(stay):
        of_plan = plan.parts[number - 1] if plan is not None and number else None
        if notes and of_plan is not None:
            cells.append(_note(f"{name[:2]}-note-{number}", _section_note(of_plan)))
        for cell in parts[number].cells:
            cells += _cells(cell, name[:2], about, tasks, edition)
        if notes and plan is not None:
            cells += _after(plan, number)
    if plan is not None and len(stay) < len(parts):
        gone = [plan.parts[n - 1] for n in range(1, len(parts)) if n not in stay]
        cells.append(_left_out(gone, name, edition.minutes or 0))
    if edition.slides:
        for cell in cells:
            cell["metadata"] = {**cell["metadata"], "slideshow": {"slide_type": _slide(cell)}}
    return {**found, "cells": cells}


def _set_profile(cells: Iterable[dict[str, Any]], profile: str) -> None:
    """Set the profile; outputs of another one are cleared."""
    cells = list(cells)
    for cell in cells:
        if "parameters" in cell["metadata"].get("tags", []):
            text = source(cell)
            if f'profile = "{profile}"' not in text:
                for each in cells:
                    write(each, source(each))
                text = re.sub(r'(?m)^profile = "\w*"', f'profile = "{profile}"', text)
                cell["source"] = text.splitlines(keepends=True)


def _cells(
    cell: dict[str, Any],
    number: str,
    about: Mapping[int, Exercise],
    tasks: Mapping[str | None, Exercise],
    edition: Edition,
) -> list[dict[str, Any]]:
    """What becomes of one cell of a lesson."""
    found = role(cell)
    if found is None:
        task = tasks.get(cell.get("id")) if cell["cell_type"] == "markdown" else None
        if edition.nbgrader and task is not None:
            return [assignments.marked(cell, task, "task", number)]
        return [cell]
    kind, exercise = found[0], about[found[1]]
    if kind == "solution":
        return [cell] if edition.instructor and not edition.nbgrader else []
    text, before = source(cell), []
    if kind == "check" and (edition.nbgrader or not edition.instructor):
        text = guarded(text, exercise=exercise.number, level=exercise.level)
    if kind == "exercise" and edition.instructor:
        if edition.nbgrader:
            text = assignments.secret(exercise)
        else:
            text = exercise.answer
            stub = f"**A student finds here**\n\n```python\n{exercise.stub}\n```"
            before = [_note(f"{number}-stub-{exercise.number}", stub)]
    write(cell, text)
    if edition.nbgrader:
        cell = assignments.marked(cell, exercise, kind, number)
    return [*before, cell]


def _note(id: str, text: str) -> dict[str, Any]:
    """A cell for instructors, which looks like one."""
    quoted = "\n".join(f"> {line}".rstrip() for line in f"**Instructor.** {text}".splitlines())
    return _markdown(f"l{id}", quoted, NOTE)


def _markdown(id: str, text: str, *tags: str) -> dict[str, Any]:
    return {
        "cell_type": "markdown",
        "id": id,
        "metadata": {"tags": list(tags)} if tags else {},
        "source": text.splitlines(keepends=True),
    }


def _section_note(part: Part) -> str:
    text = f"*{part.minutes} minutes, {PRIORITIES[part.priority]}.*"
    return f"{text} {part.note}".strip()


def _after(plan: Plan, number: int) -> list[dict[str, Any]]:
    """The notes after a section: the overview after the first cells, and where one can stop."""
    if number == 0:
        return [_note(f"{plan.lesson}-plan", _overview(plan))]
    heading = plan.parts[number - 1].heading
    says = [stop.say for stop in plan.stops if stop.after == heading]
    return [_note(f"{plan.lesson}-stop-{number}", f"*A place to stop.* “{say}”") for say in says]


def _overview(plan: Plan) -> str:
    def points(title: str, texts: Iterable[str]) -> list[str]:
        return ["", f"**{title}**", "", *(f"- {text}" for text in texts)]

    lines = [
        f"The plan of lesson {plan.lesson}: {plan.minutes} minutes in class.",
        *points("After the lesson, a student", plan.objectives),
        *points("To prepare", plan.prepare),
        "",
        "| section | minutes | when |",
        "|---|---|---|",
        *(f"| {p.heading} | {p.minutes} | {PRIORITIES[p.priority]} |" for p in plan.parts),
        *points("Misconceptions", (f"*{m.belief}* {m.answer}" for m in plan.misconceptions)),
        *points("To discuss", plan.questions),
    ]
    return "\n".join(lines)


def _left_out(gone: Sequence[Part], name: str, minutes: int) -> dict[str, Any]:
    """The last cell of a lesson that was cut."""
    lines = [
        "## Left out of this edition",
        "",
        f"This is the lesson in {minutes} minutes. The [whole lesson]({WHOLE}/{name}) also has:",
        "",
        *(f"- {part.heading} ({part.minutes} min)" for part in gone),
    ]
    return _markdown(f"l{name[:2]}-left-out", "\n".join(lines))


def _slide(cell: Mapping[str, Any]) -> str:
    """Where a cell goes: headings begin a slide, notes go to the speaker, parameters nowhere."""
    text, tags = source(cell), cell["metadata"].get("tags", [])
    if NOTE in tags:
        return "notes"
    if "parameters" in tags:
        return "skip"
    if cell["cell_type"] == "markdown" and text.startswith(("# ", "## ")):
        return "slide"
    if cell["cell_type"] == "markdown" and text.startswith("### "):
        return "subslide"
    pictures = any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
    return "subslide" if pictures else "-"
