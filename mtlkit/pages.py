"""Generated pages: the glossary, the quiz, the sources, and the front page's table of lessons.

Nobody writes in them by hand.  ``mtlkit pages`` writes them, and a test says which are out of date.
"""

import argparse
import csv
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mtlkit.results import find_root, write_atomically

__all__ = ["MARKS", "PAGES", "Head", "PagesError", "front_page", "head", "pages", "stale", "write"]

SHELVES = ("notebooks", "notebooks/full")
"""Folders that have each page: links of a lesson work in both of its copies."""

LESSONS = "[0-9][0-9]_*.ipynb"

MARKS = "<!-- lessons -->", "<!-- /lessons -->"
"""In the README: between them stands the table of lessons."""

# What a lesson's first cell says; the older heads say the minutes in a sentence.
MINUTES = re.compile(
    r"reading\s+(?:takes\s+about\s+)?(\d+)(?:\s+minutes)?,\s+(?:the\s+)?exercises\s+(?:about\s+)?"
    r"(\d+)",
    re.IGNORECASE,
)


class PagesError(ValueError):
    """A lesson whose head does not say what it must, or a folder without lessons."""


@dataclass(frozen=True)
class Head:
    """What a lesson's first cell says of it; minutes of a reader."""

    title: str
    question: str
    reading: int
    exercises: int


def head(path: Path) -> Head:
    """The head of a lesson: title up to a colon, the question in bold, minutes.

    Raises `PagesError` where one of them is missing; it says which, and in what form it is written.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "".join(cells[0]["source"]) if cells else ""
    title = re.search(r"\A# \d+ · ([^:\n]+)", text)
    question = re.search(r"^\*\*(.+?\?)\*\*", text, re.M | re.S)
    minutes = MINUTES.search(text)
    parts = {
        "title, as in '# 4 · Sharing: how much'": title,
        "question in bold, as in '**What is a route?**'": question,
        "minutes, as in '**Minutes:** reading 25, exercises 30, machine 1'": minutes,
    }
    if lacking := [what for what, found in parts.items() if not found]:
        raise PagesError(f"{path.name}: the first cell has no {'; no '.join(lacking)}")
    assert title and question and minutes
    asked = " ".join(question[1].split())
    return Head(title[1].strip(), asked, int(minutes[1]), int(minutes[2]))


def front_page(text: str, root: Path) -> str:
    """The front page with the table of lessons between `MARKS`; a page without them as it is."""
    lines = ["| lesson | question | minutes | executed in |", "|---|---|---|---|"]
    seconds = _seconds(root)
    for path in sorted((root / "notebooks").glob(LESSONS)):
        about = head(path)
        machine = math.ceil(seconds[path.stem] / 60) if path.stem in seconds else "?"
        links = [
            f"[{name}]({folder}/{path.name})"
            for name, folder in zip(("quick", "full"), SHELVES, strict=True)
            if (root / folder / path.name).is_file()
        ]
        cells = (
            f"{path.name[:2]} {about.title}",
            about.question.replace("|", r"\|"),
            f"{about.reading} + {about.exercises} + {machine}",
            ", ".join(links),
        )
        lines.append(f"| {' | '.join(cells)} |")
    between = "(?s)(?<={}\n).*(?={})".format(*map(re.escape, MARKS))
    table = "\n".join(lines)
    return re.sub(between, lambda _: f"\n{table}\n\n", text)


def stale(root: Path) -> dict[Path, str]:
    """Generated files that are missing or out of date, and what they should hold."""
    if not list((root / "notebooks").glob(LESSONS)):
        raise PagesError(
            f"no lessons under {root / 'notebooks'}: run this in a checkout of the course"
        )
    wanted = {
        root / shelf / f"{name}.md": page({path.name[:2]: path.name for path in lessons})
        for shelf in SHELVES
        if (lessons := sorted((root / shelf).glob(LESSONS)))
        for name, page in PAGES.items()
    }
    readme = root / "README.md"
    if readme.is_file():
        wanted[readme] = front_page(readme.read_text(encoding="utf-8"), root)
    return {
        path: text
        for path, text in wanted.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def write(root: Path) -> list[Path]:
    """Bring all generated pages up to date; those that were not."""
    changed = stale(root)
    for path, text in changed.items():
        write_atomically(path, text)
    return list(changed)


def pages(options: argparse.Namespace) -> int:
    """The command: write what is out of date, or only say so, with 1, if asked to check."""
    root = find_root()
    changed = list(stale(root)) if options.check else write(root)
    did = "is out of date: run mtlkit pages" if options.check else "written"
    for path in changed:
        print(f"{path.relative_to(root)}: {did}")
    if not changed:
        print("all generated pages are up to date")
    return int(options.check and bool(changed))


def _seconds(root: Path) -> dict[str, float]:
    """Lesson -> seconds of the machine, as published with the profile quick."""
    file = root / "data" / "results" / "quick" / "lessons.csv"
    if not file.is_file():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        return {row["lesson"]: float(row["seconds"]) for row in csv.DictReader(lines)}


def _glossary(lessons: Mapping[str, str]) -> str:
    from mtlkit import glossary  # here and below: the other commands do without their parsers

    return glossary.page(lessons)


def _quiz(lessons: Mapping[str, str]) -> str:
    from mtlkit import quizzes

    return quizzes.page()


def _bibliography(lessons: Mapping[str, str]) -> str:
    from mtlkit import bibliography

    return bibliography.page()


PAGES: dict[str, Callable[[Mapping[str, str]], str]] = {
    "glossary": _glossary,
    "quiz": _quiz,
    "bibliography": _bibliography,
}
"""Name of a page -> its text; it is given the lessons beside it, number to file name."""
