"""The question bank: multiple-choice questions with an explanation for every option.

A file of ``data/quizzes`` has the questions of one lesson, ``04.yaml``, or those of the end,
``final.yaml``.  It is a list; a question has an ``id`` that begins with the file's name, a
``question``, and two to six ``options``, each with its ``text``, whether it is ``right`` (true or
false; one is, rarely more), and ``why``: what is right about it, or which misconception it is.  The
only markup is `` `code` `` and ``*emphasis*``.
"""

import html
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mtlkit import DATA

__all__ = [
    "LETTERS", "Option", "Question", "QuizError", "bank", "folded", "lessons", "load", "page",
    "show",
]  # fmt: skip

LETTERS = "abcdef"
"""What options are called, in the order of the bank; a question has no more than these."""

FOLDER = DATA / "quizzes"
_FIELDS = {"id", "question", "options"}
_OPTION = {"text", "right", "why"}


class QuizError(ValueError):
    """A bank of questions that is not there, or is not as it should be."""


@dataclass(frozen=True)
class Option:
    """An answer that one can choose, whether it is right, and why."""

    text: str
    right: bool
    why: str


@dataclass(frozen=True)
class Question:
    """A question with its options.  Its id begins with the lesson: ``04-stratum``."""

    id: str
    question: str
    options: tuple[Option, ...]

    @property
    def lesson(self) -> str:
        """The lesson that it belongs to, ``04`` or ``final``."""
        return self.id.partition("-")[0]

    @property
    def right(self) -> str:
        """The letters of the right options, in order; mostly one."""
        return "".join(LETTERS[i] for i, option in enumerate(self.options) if option.right)


def lessons(folder: Path = FOLDER) -> tuple[str, ...]:
    """The lessons that have questions, in order; ``final`` comes last."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load(lesson: str, folder: Path = FOLDER) -> tuple[Question, ...]:
    """The questions of a lesson.  `QuizError` says where one of them is not as it should be."""
    path = folder / f"{lesson}.yaml"
    if not path.is_file():
        known = ", ".join(lessons(folder)) or "none"
        raise QuizError(f"{path}: no questions for lesson {lesson!r}; there are some for: {known}")
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C ten times as fast
        rows = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise QuizError(f"{path}: this is not YAML: {error}; mend the file") from None
    if not isinstance(rows, list) or not rows:
        raise QuizError(f"{path}: expected a list of questions, found {_short(rows)}")
    found = tuple(_question(row, f"{path}: question {n}") for n, row in enumerate(rows, start=1))
    for id, count in Counter(each.id for each in found).items():
        if count > 1:
            raise QuizError(f"{path}: the id {id!r} stands {count} times; give each its own")
        if not re.fullmatch(rf"{re.escape(lesson)}(-[a-z0-9]+)+", id):
            rule = f"begin with '{lesson}-' and have small letters, digits and hyphens"
            raise QuizError(f"{path}: the id {id!r} does not fit this file: it has to {rule}")
    return found


def bank(folder: Path = FOLDER) -> dict[str, tuple[Question, ...]]:
    """All questions, by lesson.  `QuizError` says where one of them is not as it should be."""
    if not (names := lessons(folder)):
        raise QuizError(f"{folder}: no questions; restore the folder from version control")
    return {lesson: load(lesson, folder) for lesson in names}


def _question(row: Any, where: str) -> Question:
    _keys(row, _FIELDS, where)
    id = _text(row["id"], "id", where)
    where = f"{where} ({id})"
    rows = row["options"]
    if not isinstance(rows, list) or not 2 <= len(rows) <= len(LETTERS):
        many = f"{len(rows)} of them" if isinstance(rows, list) else _short(rows)
        rule = f"expected a list of 2 to {len(LETTERS)} options"
        raise QuizError(f"{where}: field options: {rule}, found {many}")
    options = tuple(
        _option(each, f"{where}: option {letter}")
        for letter, each in zip(LETTERS, rows, strict=False)
    )
    if not any(option.right for option in options):
        raise QuizError(f"{where}: no option is right; mark one with 'right: true'")
    if len({option.text for option in options}) < len(options):
        raise QuizError(f"{where}: two options have the same text; change one of them")
    return Question(id, _text(row["question"], "question", where), options)


def _option(row: Any, where: str) -> Option:
    _keys(row, _OPTION, where)
    if not isinstance(row["right"], bool):
        found = _short(row["right"])
        raise QuizError(f"{where}: field right: expected true or false, found {found}")
    return Option(_text(row["text"], "text", where), row["right"], _text(row["why"], "why", where))


def _keys(row: Any, wanted: set[str], where: str) -> None:
    if not isinstance(row, dict):
        fields = ", ".join(sorted(wanted))
        raise QuizError(f"{where}: expected the fields {fields}, found {_short(row)}")
    if missing := sorted(wanted - set(row)):
        raise QuizError(f"{where}: field {missing[0]} is missing; add it")
    if unknown := sorted(set(map(str, row)) - wanted):
        fields = ", ".join(sorted(wanted))
        raise QuizError(f"{where}: unknown field {unknown[0]!r}; the fields are {fields}")


def _text(value: Any, field: str, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        hint = "" if value is None or isinstance(value, str) else "; put it in quotes"
        rule = "an explanation" if field == "why" else "a text"
        raise QuizError(f"{where}: field {field}: expected {rule}, found {_short(value)}{hint}")
    return " ".join(value.split())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def show(lesson: str, folder: Path = FOLDER) -> None:
    """Ask the questions of a lesson in a notebook, and leave them in a form that can be read.

    The first output answers clicks, and has its questions in it, so it needs no network.  The
    second is folded Markdown, for pages on which scripts do not run.
    """
    from IPython.display import Markdown, display
    from jupyterquiz import display_quiz

    questions = load(lesson, folder)
    blue = {"--jq-multiple-choice-bg": "#345995", "--jq-many-choice-bg": "#345995"}
    display_quiz([_clickable(each) for each in questions], shuffle_answers=False, colors=blue)
    title = f"The same {len(questions)} questions, to read without scripts"
    text = f"<details><summary>{title}</summary>\n\n{folded(questions)}\n\n</details>"
    display(Markdown(text))


def page(folder: Path = FOLDER) -> str:
    """The whole bank as one page of Markdown, with folded answers."""
    questions = bank(folder)
    many = sum(map(len, questions.values()))
    parts = [
        "# Quiz\n\n"
        f"{many} questions. Choose an answer before you unfold it: each one is explained, and the "
        "wrong ones are misconceptions that are worth knowing. `mtlkit quiz` asks them in a "
        "terminal, and begins with those that you missed."
    ]
    for lesson, several in questions.items():
        title = "At the end" if lesson == "final" else f"Lesson {lesson}"
        parts += [f"## {title}", folded(several)]
    return "\n\n".join(parts) + "\n"


def folded(questions: Sequence[Question]) -> str:
    """Questions in Markdown, every option folded over its explanation."""
    parts = []
    for number, each in enumerate(questions, start=1):
        lines = [f"**{number}. {each.question}**", ""]
        for letter, option in zip(LETTERS, each.options, strict=False):
            verdict = "Right" if option.right else "No"
            summary = f"<summary>{letter}) {_html(option.text)}</summary>"
            lines.append(f"<details>{summary}<b>{verdict}.</b> {_html(option.why)}</details>")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _clickable(each: Question) -> dict[str, Any]:
    """A question as jupyterquiz takes it."""
    answers = [
        {"answer": _html(one.text), "correct": one.right, "feedback": _html(one.why)}
        for one in each.options
    ]
    kind = "many_choice" if len(each.right) > 1 else "multiple_choice"
    return {"question": _html(each.question), "type": kind, "answers": answers}


def _html(text: str) -> str:
    """The bank's markup as HTML: all else is taken by the letter."""
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)
