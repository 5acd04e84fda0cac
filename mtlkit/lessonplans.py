"""Lesson plans: what a teacher needs beside a lesson, from ``data/teaching/NN.yaml``.

A plan has the lesson's objectives, what to prepare, minutes and priority of each section,
misconceptions to expect, questions to discuss, and where a class can stop.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mtlkit import DATA

__all__ = ["LessonPlanError", "Misconception", "Part", "Plan", "Stop", "check", "load", "plan"]

PRIORITIES = {1: "always", 2: "if there is time", 3: "the first to be left out"}


class LessonPlanError(ValueError):
    """A plan that is not there, cannot be read, or does not fit its lesson."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A section of a lesson in class: its heading, without signs, and the minutes that it takes.

    ``priority``: see `PRIORITIES`.  ``note`` is for the teacher, and may be empty.
    """

    heading: str
    minutes: int
    priority: int
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Misconception:
    """What learners may believe, and what to answer."""

    belief: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A heading after which a class can stop, and with which words."""

    after: str
    say: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of one lesson; ``lesson`` is its number, in two digits."""

    lesson: str
    objectives: tuple[str, ...]
    prepare: tuple[str, ...]
    parts: tuple[Part, ...]
    misconceptions: tuple[Misconception, ...]
    questions: tuple[str, ...]
    stops: tuple[Stop, ...]

    @property
    def minutes(self) -> int:
        """What the whole lesson takes in class."""
        return sum(part.minutes for part in self.parts)


def plan(lesson: str, *, folder: Path = DATA / "teaching") -> Plan:
    """The plan of a lesson, by its number in two digits; raises `LessonPlanError`."""
    return load(folder / f"{lesson}.yaml")


def load(path: Path) -> Plan:
    """A plan from its file.

    Raises `LessonPlanError`: the file, the field, what was found there, and what to write.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LessonPlanError(
            f"there is no plan {path}: write one after the example of another lesson's"
        ) from None
    except UnicodeDecodeError as error:
        raise LessonPlanError(f"{path} is not text in UTF-8 (byte {error.start})") from None
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LessonPlanError(f"{path} is not YAML: {error}") from None
    return _Reader(path).plan(data)


def check(plan: Plan, headings: Sequence[str]) -> None:
    """Raise `LessonPlanError` unless a plan has one part for each ``##`` heading, in order."""
    ours = [part.heading for part in plan.parts]
    if ours == list(headings):
        return
    for number, (mine, theirs) in enumerate(zip(ours, headings, strict=False), 1):
        if mine != theirs:
            raise LessonPlanError(
                f"plan of lesson {plan.lesson}: section {number} is {mine!r}, and in the notebook "
                f"it is {theirs!r}; write the headings as they are there, in order"
            )
    longer, rest = ("plan", ours) if len(ours) > len(headings) else ("notebook", list(headings))
    extra = rest[min(len(ours), len(headings))]
    raise LessonPlanError(
        f"plan of lesson {plan.lesson}: only the {longer} has the section {extra!r}"
    )


class _Reader:
    """Reads the fields of one file, and says of each that is wrong where it is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def plan(self, data: object) -> Plan:
        lists = ("objectives", "prepare", "questions")
        kinds = {"sections": self.part, "misconceptions": self.misconception, "stops": self.stop}
        fields = self.fields(data, "the plan", (*lists, *kinds))
        texts = {name: tuple(self.texts(fields[name], name)) for name in lists}
        parts, beliefs, stops = (
            tuple(self.each(fields[name], name, read)) for name, read in kinds.items()
        )
        headings = [part.heading for part in parts]
        for heading in headings:
            if headings.count(heading) > 1:
                raise self.wrong("sections", f"has {heading!r} twice: once is enough")
        for stop in stops:
            if stop.after not in headings:
                raise self.wrong("stops", f"names {stop.after!r}, which is none of its sections")
        return Plan(
            lesson=self.path.stem, parts=parts, misconceptions=beliefs, stops=stops, **texts
        )

    def part(self, data: object, where: str) -> Part:
        fields = self.fields(data, where, ("heading", "minutes", "priority"), ("note",))
        minutes, priority = fields["minutes"], fields["priority"]
        if type(minutes) is not int or not 1 <= minutes <= 120:
            raise self.wrong(where, f"has minutes {minutes!r}: write a whole number from 1 to 120")
        if type(priority) is not int or priority not in PRIORITIES:
            known = ", ".join(f"{number} ({text})" for number, text in PRIORITIES.items())
            raise self.wrong(where, f"has priority {priority!r}: write one of {known}")
        heading = self.text(fields["heading"], f"heading of {where}")
        note = self.text(fields["note"], f"note of {where}") if "note" in fields else ""
        return Part(heading=heading, minutes=minutes, priority=priority, note=note)

    def misconception(self, data: object, where: str) -> Misconception:
        fields = self.fields(data, where, ("belief", "answer"))
        return Misconception(
            **{name: self.text(fields[name], f"{name} of {where}") for name in fields}
        )

    def stop(self, data: object, where: str) -> Stop:
        fields = self.fields(data, where, ("after", "say"))
        return Stop(**{name: self.text(fields[name], f"{name} of {where}") for name in fields})

    def fields(
        self, data: object, where: str, wanted: Sequence[str], more: Sequence[str] = ()
    ) -> Mapping[str, Any]:
        """A mapping with these keys, perhaps some more, and no others."""
        if not isinstance(data, Mapping):
            raise self.wrong(where, f"is {data!r}: write the fields {', '.join(wanted)}")
        if missing := [name for name in wanted if name not in data]:
            raise self.wrong(where, f"lacks {', '.join(missing)}: add it")
        if unknown := [str(name) for name in data if name not in (*wanted, *more)]:
            known = ", ".join((*wanted, *more))
            raise self.wrong(
                where, f"has the unknown field {', '.join(unknown)}: known are {known}"
            )
        return data

    def each(self, data: object, name: str, read: Callable[[object, str], Any]) -> list[Any]:
        if not isinstance(data, list) or not data:
            raise self.wrong(name, f"is {data!r}: write a list with one entry or more")
        return [read(entry, f"entry {number} of {name}") for number, entry in enumerate(data, 1)]

    def texts(self, data: object, name: str) -> list[str]:
        return self.each(data, name, self.text)

    def text(self, data: object, where: str) -> str:
        if not isinstance(data, str) or not data.strip():
            raise self.wrong(where, f"is {data!r}: write a text (in quotes, if it has a colon)")
        return " ".join(data.split())

    def wrong(self, where: str, what: str) -> LessonPlanError:
        return LessonPlanError(f"{self.path}: {where} {what}")
