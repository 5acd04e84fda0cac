"""Cards and questions for other programs: a deck for Anki, or a table in CSV.

An id makes a note's guid, and a title makes a deck's id.  So whoever imports a newer deck into Anki
gets the same notes with their new texts, and keeps what Anki knows of them.

Texts are plain, with three marks: `code`, **bold** or *italic*, and formulas between dollar signs.
"""

import csv
import hashlib
import html
import io
import itertools
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import genanki

from mtlkit.results import write_atomically

__all__ = ["FORMATS", "Card", "DeckError", "Question", "write"]

FORMATS = (".apkg", ".csv")
COLUMNS = ("id", "kind", "front", "back", "tags")
"""Of a table.  A question's front has its options, and its back the right one and all reasons."""

MODEL = "mtlkit front and back"
STYLE = """\
.card { font-family: sans-serif; font-size: 20px; text-align: center; line-height: 1.4; }
.side { display: inline-block; text-align: left; max-width: 40em; }
"""

MARKS = re.compile(r"(\$\$.+?\$\$|\$(?=\S)[^$\n]*?(?<=\S)\$(?!\d)|`[^`\n]+`)", re.S)
"""Pieces of a text in which there is no other markup: formulas and code."""

HOLE = "\x00"
"""Stands in a text where such a piece was."""


class DeckError(ValueError):
    """A deck that cannot be made; the text names the card or the file."""


class Card(NamedTuple):
    """What is asked, and what is the answer.  `tags`: words without spaces."""

    id: str
    front: str
    back: str
    tags: Sequence[str] = ()


class Question(NamedTuple):
    """A multiple choice: `right` is the place of the right option, counted from 0.

    `explanations`: one an option, in their order; an empty text is none.
    """

    id: str
    question: str
    options: Sequence[str]
    right: int
    explanations: Sequence[str]
    tags: Sequence[str] = ()


class _Note(NamedTuple):
    kind: str
    id: str
    front: str
    back: str
    tags: Sequence[str]


def write(
    path: Path,
    *,
    title: str,
    now: datetime,
    cards: Iterable[Card | tuple[str, str, str, Sequence[str]]] = (),
    questions: Iterable[
        Question | tuple[str, str, Sequence[str], int, Sequence[str], Sequence[str]]
    ] = (),
) -> int:
    """Write a deck to ``PATH.apkg`` or ``PATH.csv``, whole or not at all; give its number of notes.

    `title`: the deck's name in Anki, where ``::`` makes a deck within a deck.  `now`: when it was
    made; Anki takes a note's text from the newer deck.  The same arguments give the same bytes.
    Raises `DeckError` for another suffix, an id that is there twice, and a faulty question or tag.
    """
    notes = [_Note("card", *Card(*card)) for card in cards]
    notes += [_flat(Question(*question)) for question in questions]
    _check(notes)
    if path.suffix == ".apkg":
        write_atomically(path, _package(title, notes, now))
    elif path.suffix == ".csv":
        write_atomically(path, _table(notes))
    else:
        raise DeckError(f"{path} ends in {path.suffix!r}: expected one of {', '.join(FORMATS)}")
    return len(notes)


def _flat(asked: Question) -> _Note:
    """A question as a card."""
    where = f"question {asked.id!r}"
    count = len(asked.options)
    if not 2 <= count <= 26:
        raise DeckError(f"{where} has {count} options: expected 2 to 26")
    if len(asked.explanations) != count:
        raise DeckError(f"{where} has {count} options and {len(asked.explanations)} explanations")
    if asked.right not in range(count):
        raise DeckError(
            f"{where}: right is {asked.right!r}: expected a place from 0 to {count - 1}"
        )
    letters = [f"{chr(ord('a') + place)})" for place in range(count)]
    options = [f"{letter} {text}" for letter, text in zip(letters, asked.options, strict=True)]
    reasons = [
        f"{letter} {text}"
        for letter, text in zip(letters, asked.explanations, strict=True)
        if text.strip()
    ]
    front = "\n".join([asked.question, "", *options])
    back = "\n".join([f"**{options[asked.right]}**", *([""] if reasons else []), *reasons])
    return _Note("question", asked.id, front, back, asked.tags)


def _check(notes: Sequence[_Note]) -> None:
    if not notes:
        raise DeckError("there are no cards and no questions to write")
    seen: set[str] = set()
    for note in notes:
        where = f"{note.kind} {note.id!r}"
        if note.id in seen:
            raise DeckError(f"{where} is there twice: give each its own id")
        seen.add(note.id)
        if not note.front.strip() or not note.back.strip():
            raise DeckError(f"{where} has an empty side")
        if wrong := [tag for tag in note.tags if not re.fullmatch(r"\S+", tag)]:
            raise DeckError(f"{where}: tag {wrong[0]!r} is empty or has a space; use a hyphen")


def _table(notes: Iterable[_Note]) -> str:
    file = io.StringIO(newline="")
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows((n.id, n.kind, n.front, n.back, " ".join(n.tags)) for n in notes)
    return file.getvalue()


def _package(title: str, notes: Iterable[_Note], now: datetime) -> bytes:
    """A deck as Anki imports it: a zip file with a database."""
    template = {
        "name": "Card",
        "qfmt": '<div class="side">{{Front}}</div>',
        "afmt": '{{FrontSide}}<hr id="answer"><div class="side">{{Back}}</div>',
    }
    fields = [{"name": name} for name in ("Front", "Back", "Id")]
    model = genanki.Model(_number(MODEL), MODEL, fields=fields, templates=[template], css=STYLE)
    deck = genanki.Deck(_number(title), title)
    for note in notes:
        sides = [_marked(note.front), _marked(note.back), html.escape(note.id)]
        guid = genanki.guid_for("mtlkit", note.id)
        deck.add_note(genanki.Note(model=model, fields=sides, tags=list(note.tags), guid=guid))
    seconds = now.timestamp()
    # In memory: write_to_file of genanki leaves a copy among the temporary files.
    connection = sqlite3.connect(":memory:")
    try:
        ids = itertools.count(int(seconds * 1000))
        genanki.Package(deck).write_to_db(connection.cursor(), seconds, ids)
        connection.commit()
        database = connection.serialize()
    finally:
        connection.close()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        parts: dict[str, Any] = {"collection.anki2": database, "media": json.dumps({})}
        for name, content in parts.items():
            info = zipfile.ZipInfo(name)  # of 1980: the same notes give the same bytes
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _number(text: str) -> int:
    """An id for Anki, from 2^30 to 2^31 as its makers advise, always the same for a text."""
    return 2**30 + int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 2**30


def _marked(text: str) -> str:
    """Text as HTML, its formulas as Anki's MathJax wants them."""
    pieces = MARKS.split(text)  # every other one is a formula or code: no markup within
    kept = [_kept(piece) for piece in pieces[1::2]]
    safe = HOLE.join(html.escape(piece.replace(HOLE, ""), quote=False) for piece in pieces[::2])
    safe = re.sub(r"\*\*(?=\S)(.+?)(?<=\S)\*\*", r"<b>\1</b>", safe)
    safe = re.sub(r"(?<![\w*])\*(?=[^\s*])(.+?)(?<=[^\s*])\*(?![\w*])", r"<i>\1</i>", safe)
    filled = itertools.chain.from_iterable(zip(safe.split(HOLE), [*kept, ""], strict=True))
    return "".join(filled).replace("\n", "<br>")


def _kept(piece: str) -> str:
    safe = html.escape(piece, quote=False)
    if piece.startswith("$$"):
        return rf"\[{safe[2:-2]}\]"
    return rf"\({safe[1:-1]}\)" if piece[0] == "$" else f"<code>{safe[1:-1]}</code>"
