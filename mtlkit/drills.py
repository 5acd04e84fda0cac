"""The command ``cards``: the glossary as flash cards at a terminal, as a list, or as a deck."""

import argparse
import sys
import textwrap
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mtlkit.commands import UsageError

if TYPE_CHECKING:
    from mtlkit.decks import Card
    from mtlkit.glossary import Term
    from mtlkit.recall import Recall

__all__ = ["CARDS_HELP", "NEW", "cards"]

NEW = 10
"""New cards of a session where nothing else is said."""

ASKED = 3
"""How often a session asks one card at most."""

TITLE = "mtlkit::terms"
WIDTH = 80  # columns

CARDS_HELP = """\
A card shows a term. Say to yourself what it means, press Enter, compare, and answer:
  y  knew it: the card comes back after days, later after weeks
  n  missed it: it comes back at the end of this session, and soon in the next one
  q  ends the session; answers that were given are kept

Cards that are due come first, then new ones. When a card is due is for FSRS to say, a scheduler
that asks again when you would remember with a probability of about 90 %. Answers are kept in a
file in your own state folder, or in the --state FILE.

Anki opens OUT.apkg; a later export updates the notes that are there. OUT.csv is for all else.
"""


class _End(Exception):
    """The user asked for the end, or there is no more input."""


def cards(options: argparse.Namespace) -> int:
    """List, export or ask the terms of a lesson, or of all."""
    from mtlkit import glossary

    terms = tuple(glossary.terms().values())
    if options.lesson:
        try:
            terms = glossary.of(options.lesson.zfill(2))
        except glossary.GlossaryError as error:
            raise UsageError(str(error)) from None
    if options.list:
        print("\n".join(f"{term.term}\n{_wrapped(term.definition)}" for term in terms))
    elif options.export:
        print(_export(options.export, terms))
    else:
        from mtlkit.recall import Recall

        _session(terms, Recall(options.state), options.new)
    return 0


def _export(path: Path, terms: Iterable["Term"]) -> str:
    from mtlkit import decks

    if path.suffix not in decks.FORMATS:
        raise UsageError(f"--export {path}: expected a name as in terms.apkg or terms.csv")
    if path.is_dir():
        raise UsageError(f"--export {path} is a folder: choose another name")
    made = [_card(term) for term in terms]
    count = decks.write(path, title=TITLE, now=_now(), cards=made)
    return f"{count} cards in {path}"


def _card(term: "Term") -> "Card":
    from mtlkit.decks import Card

    formula = f"\n\n$${term.formula}$$" if term.formula else ""
    tags = [f"lesson-{number}" for number in term.lessons]
    return Card(_id(term), term.term, term.definition + formula, tags)


def _id(term: "Term") -> str:
    return f"card/{term.slug}"


# ---- a session


def _session(terms: Iterable["Term"], recall: "Recall", most: int) -> None:
    by_id = {_id(term): term for term in terms}
    due = recall.due(by_id, _now())
    new = recall.new(by_id)[:most]
    if recall.notice:
        print(f"{recall.notice}.\n")
    if not due and not new:
        print("Nothing is due now.\n" + _standing(by_id, recall))
        return
    print(f"{_cards(len(due) + len(new))}: {len(due)} to repeat, {len(new)} new. q ends.\n")
    asked = _ask_all({id: by_id[id] for id in (*due, *new)}, recall)
    count = Counter(answers[0] for answers in asked.values())
    print(f"{_cards(len(asked))} answered: {count[True]} known at once, {count[False]} missed")
    if missed := [by_id[id].term for id, answers in asked.items() if not answers[0]]:
        print(_wrapped(f"missed: {', '.join(missed)}"))
    print(_standing(by_id, recall))


def _ask_all(waiting: Mapping[str, "Term"], recall: "Recall") -> dict[str, list[bool]]:
    """Ask each, and those that were missed again; id to answers, in order."""
    queue, asked = deque(waiting), dict[str, list[bool]]()
    try:
        while queue:
            id = queue.popleft()
            right = _ask(waiting[id], len(queue) + 1)
            recall.answer(id, right, _now())
            asked.setdefault(id, []).append(right)
            if not right and len(asked[id]) < ASKED:
                queue.append(id)
    except _End:
        print("\n")
    return asked


def _ask(term: "Term", left: int) -> bool:
    """Show both sides of a card, and ask whether it was known."""
    _line(f"{term.term}  ({left} left, Enter shows the answer) ")
    print(_wrapped(term.definition))
    if term.formula:
        print(f"    {term.formula}")
    while (answer := _line("Knew it? y/n ")) not in ("y", "n"):
        print("y if you knew it, n if not, q to end")
    print()
    return answer == "y"


def _line(prompt: str) -> str:
    """What is typed, in lower case, yes and no as one letter; `_End` for q and at the end."""
    try:
        text = input(prompt).strip().lower()
    except EOFError:
        raise _End from None
    if not sys.stdin.isatty():  # there nobody ended the line of the prompt
        print()
    if text in ("q", "quit"):
        raise _End
    return {"yes": "y", "no": "n"}.get(text, text)


def _standing(ids: Iterable[str], recall: "Recall") -> str:
    """How many are new and due, and when the next one will be."""
    now = _now()
    found = recall.summary(ids, now)
    lines = [f"Of {_cards(found.total)}: {found.new} new, {found.due} due now"]
    if found.following:
        lines.append(f"The next one is due in {_span((found.following - now).total_seconds())}")
    return "\n".join(lines)


def _cards(count: int) -> str:
    return f"{count} card{'s' * (count != 1)}"


def _span(seconds: float) -> str:
    """A time in words: ``10 minutes``."""
    units = (("day", 86400), ("hour", 3600), ("minute", 60))
    name, length = next((each for each in units if seconds >= 0.95 * each[1]), units[-1])
    count = max(1, round(seconds / length))
    return f"{count} {name}{'s' * (count > 1)}"


def _wrapped(text: str) -> str:
    indent = "    "
    return textwrap.fill(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _now() -> datetime:
    return datetime.now(UTC)
