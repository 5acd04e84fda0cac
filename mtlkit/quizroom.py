"""The command ``quiz``: questions of the bank in a terminal, those that were missed first."""

import argparse
import csv
import io
import json
import random
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mtlkit import quizzes
from mtlkit.commands import UsageError
from mtlkit.quizzes import LETTERS, Question
from mtlkit.results import write_atomically

if TYPE_CHECKING:
    from mtlkit.recall import Recall

__all__ = ["QUIZ_HELP", "by_lot", "export", "in_turn", "play", "quiz", "tally"]

QUIZ_HELP = """\
A question is answered by its letter; where several options are right, by all of their letters.
Then you see why your choice is right, or what is wrong with it and what is right instead. Enter q,
or end the input, to stop: what you have answered is kept.

Which questions come: first those that you missed, and those that you knew some days ago; then new
ones, by a lot that --seed draws; then those that you know. Each time that you know a question it
stays away for longer. Your answers are kept on this machine, in the file --state.

--export writes questions with all options and explanations, for a test of your own:
  OUT.csv   a row for each option: id, lesson, question, letter, text, right, why
  OUT.json  a list of questions, with the fields of data/quizzes/*.yaml
"""

SOME = 10
"""Questions of one round of the whole bank, unless it is said."""
PREFIX = "quiz/"
"""Before a question's id where answers are kept: cards may be in the same file."""


def quiz(options: argparse.Namespace) -> int:
    """Ask questions, or write them to a file."""
    if options.lesson is None:
        questions = [each for several in quizzes.bank().values() for each in several]
    else:
        questions = list(quizzes.load(options.lesson))
    if options.export is not None:
        if options.n is not None:
            questions = by_lot(questions, options.seed)[: options.n]
        write_atomically(options.export, export(questions, options.export.suffix))
        print(f"{options.export}: questions: {len(questions)}")
        return 0
    from mtlkit.recall import Recall  # and its scheduler with it

    recall = Recall(options.state)
    n = options.n or (SOME if options.lesson is None else len(questions))
    asked = in_turn(questions, recall, now=datetime.now(UTC), seed=options.seed)[:n]
    if recall.notice:
        print(f"mtlkit: {recall.notice}", file=sys.stderr)
    given = play(asked, recall, lambda: datetime.now(UTC))
    print(tally(asked, given))
    return 0


def in_turn(
    questions: Sequence[Question], recall: "Recall", *, now: datetime, seed: int
) -> list[Question]:
    """First what was missed and what is due again, then what is new, then what is known.

    What was missed a moment ago is due in `recall.AGAIN`: for whoever begins another round, now.
    """
    from mtlkit.recall import AGAIN

    by_key = {PREFIX + each.id: each for each in by_lot(questions, seed)}
    keys = [*recall.due(by_key, now + AGAIN), *recall.new(by_key), *by_key]
    return [by_key[key] for key in dict.fromkeys(keys)]


def by_lot(questions: Sequence[Question], seed: int) -> list[Question]:
    """The questions in the order that this seed draws."""
    return random.Random(seed).sample(questions, len(questions))


def play(
    questions: Sequence[Question], recall: "Recall", clock: Callable[[], datetime]
) -> dict[str, bool]:
    """Ask one question after the other; which ids were answered, and whether rightly."""
    given: dict[str, bool] = {}
    for number, each in enumerate(questions, start=1):
        print(f"\n{number} of {len(questions)}, lesson {each.lesson}\n{_wrapped(each.question)}\n")
        for letter, option in zip(LETTERS, each.options, strict=False):
            print(_wrapped(option.text, f"  {letter}  "))
        if (letters := _ask(each)) is None:
            break
        given[each.id] = letters == each.right
        recall.answer(PREFIX + each.id, given[each.id], clock())
        print(_told(each, letters))
    return given


def _ask(question: Question) -> str | None:
    """The letters that are chosen, in order; None to stop."""
    known, many = LETTERS[: len(question.options)], len(question.right)
    kind = f"{many} letters, such as {known[:many]}" if many > 1 else f"a to {known[-1]}"
    while True:
        try:
            text = input(f"\nYour answer ({kind}; q stops): ")
        except EOFError:
            print()
            return None
        letters = "".join(sorted({each for each in text.lower() if each.isalnum()}))
        if text.strip().lower() in ("q", "quit"):
            return None
        if len(letters) == many and set(letters) <= set(known):
            return letters
        print(f"expected {kind}, or q, found {text.strip()!r}")


def _told(each: Question, letters: str) -> str:
    """Whether it was right, and why: of what was chosen wrongly, and of what is right."""
    options = dict(zip(LETTERS, each.options, strict=False))
    wrong = [letter for letter in letters if not options[letter].right]
    lines = ["No." if wrong else "Right."]
    lines += [_wrapped(options[letter].why, f"  {letter}  ") for letter in wrong]
    if wrong:
        lines.append("Right is:")
    for letter in each.right:
        text = f"{options[letter].text} " if wrong else ""
        lines.append(_wrapped(f"{text}{options[letter].why}", f"  {letter}  "))
    return "\n".join(lines)


def tally(asked: Iterable[Question], given: dict[str, bool]) -> str:
    """The score by lesson, and what will come again."""
    if not given:
        return "\nNo question was answered, and nothing is kept."
    by_lesson: dict[str, list[bool]] = {}
    for each in asked:
        if each.id in given:
            by_lesson.setdefault(each.lesson, []).append(given[each.id])
    width = max(map(len, [*by_lesson, "all"]))
    rows = [*sorted(by_lesson.items()), ("all", list(given.values()))]
    lines = [f"  {name:<{width}}  {sum(each)} of {len(each)}" for name, each in rows]
    missed = [id for id, right in given.items() if not right]
    again = f"Next time first: {', '.join(missed)}" if missed else "None was missed."
    return "\n".join(["\nRight, by lesson:", *lines, again])


def export(questions: Sequence[Question], suffix: str) -> str:
    """Questions with options and explanations, as the text of a file ``.csv`` or ``.json``."""
    if suffix == ".json":
        return json.dumps([asdict(each) for each in questions], ensure_ascii=False, indent=1) + "\n"
    if suffix != ".csv":
        raise UsageError(f"--export: expected OUT.csv or OUT.json, found the ending {suffix!r}")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", "lesson", "question", "letter", "text", "right", "why"])
    for each in questions:
        for letter, one in zip(LETTERS, each.options, strict=False):
            right = str(one.right).lower()
            table.writerow([each.id, each.lesson, each.question, letter, one.text, right, one.why])
    return text.getvalue()


def _wrapped(text: str, begin: str = "") -> str:
    """Text at the terminal's width; lines after the first stand below its beginning."""
    width = min(shutil.get_terminal_size().columns, 90)
    return textwrap.fill(
        text, width, initial_indent=begin, subsequent_indent=" " * len(begin),
        break_on_hyphens=False,
    )  # fmt: skip
