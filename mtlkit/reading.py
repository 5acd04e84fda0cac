"""Text of one's own, line by line, to sentences of words: what `mtlkit annotate` reads.

A line is a document of one or more sentences, or one sentence, or a piece of a text whose sentences
run on over the ends of lines.  Sentences and words are found by the rules of `mtlkit.segmentation`.
A file of any length is read in little memory, since sentences go on as soon as they are complete.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TextIO

from tqdm import tqdm

from mtlkit import conllu, segmentation
from mtlkit.conllu import Sentence, Word

__all__ = ["LINES", "ReadingError", "lines", "read_text", "read_treebank"]

LINES = ("document", "sentence", "wrapped")
"""What a line of plain text can be; in wrapped text an empty line ends a document."""

LONGEST = 200
"""A sentence with more words is cut: an encoder reads 512 sub-words."""

_FULL = 100_000  # characters without an empty line, or without a line end, that are one document


class ReadingError(ValueError):
    """Text that cannot be read."""


@contextmanager
def lines(file: str) -> Iterator[Iterator[str]]:
    """The lines of a UTF-8 file, or of standard input for ``-``, as they are asked for.

    A bar on a terminal says how far they are.  A line of over a hundred thousand characters is
    given in pieces.  Raises `ReadingError` for bytes that are not UTF-8.
    """
    total = None if file == "-" else os.stat(file).st_size
    with (
        open(
            sys.stdin.fileno() if file == "-" else file,
            encoding="utf-8-sig",
            newline="\n",
            closefd=file != "-",
        ) as text,
        tqdm(total=total, unit="B", unit_scale=True, desc="annotate", disable=None) as bar,
    ):
        yield _lines(text, file, bar)


def _lines(text: TextIO, file: str, bar: Any) -> Iterator[str]:
    number = 0
    try:
        while line := text.readline(_FULL):
            yield line
            number += 1
            bar.update(len(line.encode()))
    except UnicodeDecodeError as error:
        raise ReadingError(
            f"{'standard input' if file == '-' else file}: not UTF-8 ({error.reason}) at or soon "
            f"after line {number + 1}; convert it to UTF-8"
        ) from None


def read_text(lines: Iterable[str], *, line: str = "document") -> Iterator[Sentence]:
    """Sentences as CoNLL-U has them, with words and no annotation yet.

    Each has the comments ``sent_id`` and ``text``, the first of a document also ``newdoc id``; a
    word without space after it has ``SpaceAfter=No``.  An empty line has no sentence.

    >>> [sentence] = read_text(["It isn't far."])
    >>> " ".join(sentence.forms), sentence.words[0].misc, sentence.words[1].misc
    ("It is n't far .", '_', 'SpaceAfter=No')
    """
    number = 0
    for document in _documents(lines) if line == "wrapped" else lines:
        if line == "sentence":
            pieces = segmentation.cut(segmentation.words(document), longest=LONGEST)
        else:
            pieces = segmentation.sentences(document, longest=LONGEST)
        number += bool(pieces)
        at = 0
        for place, words in enumerate(pieces, start=1):
            tokens, text, at = _spaced(words, document, at)
            first = (f"newdoc id = {number}",) if place == 1 else ()
            yield Sentence(tokens, (*first, f"sent_id = {number}-{place}", f"text = {text}"))


def _documents(lines: Iterable[str]) -> Iterator[str]:
    """Wrapped lines, joined up to each empty one."""
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line.rstrip("\n"))
        size += len(line)
        if not line.strip() or size > _FULL:
            yield "\n".join(held)
            held, size = [], 0
    yield "\n".join(held)


def _spaced(words: Iterable[str], text: str, at: int) -> tuple[tuple[Word, ...], str, int]:
    """Words with what follows them, the text they stand in, and where that ends."""
    spans = []
    for word in words:
        begin = text.index(word, at)
        at = begin + len(word)
        spans.append((word, begin, at))
    tight = [after == begin for (_, _, after), (_, begin, _) in pairwise(spans)]
    misc = ["SpaceAfter=No" if each else "_" for each in [*tight, False]]
    tokens = tuple(Word(word, misc=each) for (word, _, _), each in zip(spans, misc, strict=True))
    return tokens, " ".join(text[spans[0][1] : at].split()), at


def read_treebank(lines: Iterable[str], source: str) -> Iterator[Sentence]:
    """The sentences of a CoNLL-U file, one after the other; trees are not checked.

    Raises `ConlluError` at the first sentence that is not valid.
    """
    block: list[str] = []
    begun = 1
    for number, line in enumerate(lines, start=1):
        if line.strip("\r\n"):
            block.append(line)
            continue
        yield from _parsed(block, source, begun)
        block, begun = [], number + 1
    yield from _parsed(block, source, begun)


def _parsed(block: list[str], source: str, begun: int) -> list[Sentence]:
    if not block:
        return []
    where = f"{source}, from line {begun}"
    return conllu.parse("".join([*block, "\n"]), where, validate=False)
