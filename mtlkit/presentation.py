"""Annotated sentences for people and programs: a table, JSON, or a tree one can look at."""

import json
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import islice

from mtlkit import conllu
from mtlkit.conllu import Sentence, misc_value

__all__ = ["MOST_DRAWN", "DrawingError", "present"]

MOST_DRAWN = 100
"""So many sentences fit in one drawing."""

_SIZE, _LEVEL, _GAP = 15, 30, 22  # font, height of an arc, between words; all in pixels
_COLOURS = {"PER": "#0072b2", "LOC": "#009e73", "ORG": "#d55e00", "TIME": "#cc79a7"}  # Okabe, Ito
_OTHER_NAME = "#8a6d00"


class DrawingError(ValueError):
    """More than a drawing holds."""


def present(sentences: Iterable[Sentence], form: str) -> Iterator[str]:
    """Annotated sentences as ``conllu``, ``table``, ``json`` or ``svg``, piece by piece.

    ``json`` has one object a line, a sentence each.  Raises `DrawingError` if ``svg`` is asked for
    more than `MOST_DRAWN` sentences.
    """
    if form == "svg":
        chosen = list(islice(sentences, MOST_DRAWN + 1))
        if len(chosen) > MOST_DRAWN:
            raise DrawingError(
                f"svg draws up to {MOST_DRAWN} sentences, and there are more; "
                "choose some of them, or another format"
            )
        yield _drawing(chosen)
        return
    write = {"conllu": lambda s: conllu.format([s]), "table": _table, "json": _json}[form]
    for sentence in sentences:
        yield write(sentence)


def _table(sentence: Sentence) -> str:
    """One word a line, the columns aligned: number, word, tags, head, relation, name."""
    rows = [("", "word", "tag", "head", "", "relation", "name")]
    for number, word in enumerate(sentence.words, start=1):
        above = sentence.words[word.head - 1].form if word.head > 0 else "-" * (word.head == 0)
        head = "" if word.head < 0 else str(word.head)
        tag = word.upos if word.upos != "_" else word.xpos
        name = misc_value(word, "NER") or ""
        rows.append((str(number), word.form, tag, head, above, word.deprel, name))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([sentence.comment("text") or " ".join(sentence.forms), *lines, "", ""])


def _json(sentence: Sentence) -> str:
    words = [
        {
            "form": word.form,
            "upos": _filled(word.upos),
            "xpos": _filled(word.xpos),
            "head": None if word.head < 0 else word.head,
            "deprel": _filled(word.deprel),
            "ner": misc_value(word, "NER") or "O",
            "space_after": misc_value(word, "SpaceAfter") != "No",
        }
        for word in sentence.words
    ]
    text = sentence.comment("text") or " ".join(sentence.forms)
    facts = {"id": sentence.comment("sent_id"), "text": text, "words": words}
    return json.dumps(facts, ensure_ascii=False) + "\n"


def _filled(value: str) -> str | None:
    return None if value == "_" else value


def _drawing(sentences: Sequence[Sentence]) -> str:
    """All trees, one under the other, as one SVG image."""
    parts, top, width = [], 0, 200
    for sentence in sentences:
        part, across, down = _tree(sentence)
        parts.append(f'<g transform="translate(0,{top})">\n{part}</g>\n')
        top, width = top + down, max(width, across)
    texts = escape("; ".join(" ".join(sentence.forms) for sentence in sentences))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{max(top, 20)}" '
        f'viewBox="0 0 {width} {max(top, 20)}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="{_SIZE}" text-anchor="middle">\n'
        f"<title>Dependency trees</title><desc>{texts}</desc>\n"
        '<rect width="100%" height="100%" fill="white"/>\n' + "".join(parts) + "</svg>\n"
    )


def _tree(sentence: Sentence) -> tuple[str, int, int]:
    """One tree in SVG, its width and its height.

    A word stands where its length puts it; an arc goes from a head to what belongs to it, over all
    the arcs that it spans.
    """
    levels = _levels(sentence.heads)
    at, x = [], _GAP
    for word in sentence.words:
        room = max(_width(word.form), _width(word.upos) * 0.8, _width(word.deprel) * 0.7)
        at.append(x + room / 2)
        x += int(room) + _GAP
    base = _LEVEL * max(levels, default=0) + 3 * _SIZE
    drawn = []
    for place, word in enumerate(sentence.words):
        middle, name = at[place], misc_value(word, "NER") or "O"
        drawn.append(f'<text x="{middle:.0f}" y="{base + 18}">{escape(word.form)}</text>')
        tag = escape(word.upos if word.upos != "_" else word.xpos.replace("_", ""))
        drawn.append(
            f'<text x="{middle:.0f}" y="{base + 36}" font-size="11" fill="#666">{tag}</text>'
        )
        if name != "O":
            colour = _COLOURS.get(name[2:], _OTHER_NAME)
            half = _width(word.form) / 2 + 3
            start = middle - half
            if name[0] == "I" and place:  # on from the word before
                start = at[place - 1] + _width(sentence.words[place - 1].form) / 2
            drawn.append(
                f'<path d="M{start:.0f} {base + 24}H{middle + half:.0f}" stroke="{colour}" '
                'stroke-width="3"/>'
            )
            if name[0] == "B":
                drawn.append(
                    f'<text x="{middle:.0f}" y="{base + 51}" font-size="11" font-weight="bold" '
                    f'fill="{colour}">{escape(name[2:])}</text>'
                )
        drawn += _arc(at, levels[place], place, word, base)
    return "\n".join(drawn) + "\n", x, base + 66


def _arc(at: Sequence[float], level: int, place: int, word: conllu.Word, base: int) -> list[str]:
    """The arc that arrives at a word, with its relation; for the root a line from the top."""
    end = at[place]
    tip = f'<path d="M{end - 4:.0f} {base - 6}L{end:.0f} {base}L{end + 4:.0f} {base - 6}Z"/>'
    if word.head < 0:
        return []
    if word.head == 0:
        line = f'<path d="M{end:.0f} {_SIZE + 5}V{base - 4}" stroke="#222" fill="none"/>'
        return [line, tip, _relation(end, _SIZE, word.deprel)]
    start = at[word.head - 1] + (7 if word.head - 1 < place else -7)  # beside what arrives there
    top, bend = base - _LEVEL * level, 8 if start < end else -8
    line = (
        f'<path d="M{start:.0f} {base}V{top + 8}Q{start:.0f} {top} {start + bend:.0f} {top}'
        f'H{end - bend:.0f}Q{end:.0f} {top} {end:.0f} {top + 8}V{base - 4}" '
        'stroke="#222" fill="none"/>'
    )
    return [line, tip, _relation((start + end) / 2, top - 4, word.deprel)]


def _relation(x: float, y: float, relation: str) -> str:
    """A relation's name, on a white edge that sets it off from the lines that it crosses."""
    place = f'x="{x:.0f}" y="{y:.0f}" font-size="11"'
    edge = f'<text {place} stroke="white" stroke-width="4">{escape(relation)}</text>'
    return f'{edge}<text {place} fill="#1a4f8b">{escape(relation)}</text>'


def _width(text: str) -> float:
    """About how wide a text is, in pixels: no font is at hand to ask."""
    return 0.56 * _SIZE * len(text)


def _levels(heads: Sequence[int]) -> list[int]:
    """How high the arc of each word goes: one more than the highest arc under it."""
    levels = [1] * len(heads)
    spans = [
        (abs(head - word), min(head, word), max(head, word), word)
        for word, head in enumerate(heads, start=1)
        if head > 0
    ]
    done: list[tuple[int, int, int]] = []
    for _, low, high, word in sorted(spans):
        under = [level for a, b, level in done if low <= a and b <= high]
        levels[word - 1] = 1 + max(under, default=0)
        done.append((low, high, levels[word - 1]))
    return levels
