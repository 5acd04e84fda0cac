"""The corpora without trees: classified sentences, and plain text, as tuples of words.

Each reader knows one file format and its encoding.  Archives are read where they lie, nothing is
unpacked.  Where a corpus has no official split, `bucket` makes one from a hash of the text.
"""

import hashlib
import html
import io
import re
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from sys import intern

from mtlkit import segmentation, sources

CLASSES = {
    "sst2": ("negative", "positive"),
    "cr": ("negative", "positive"),
    "subj": ("subjective", "objective"),
    "trec": ("description", "entity", "abbreviation", "human", "location", "number"),
}
"""Labels of the classified sentences, in the order of the digits in their files."""

BLOCK = 20
"""Sentences of a document that go to the same split of ``text``, so that dev is not next door."""

# Two of the files are not UTF-8; the code page shows in their accents and dashes.
_ENCODINGS = {"sst2": "utf-8", "cr": "utf-8", "subj": "cp1252", "trec": "latin-1"}

_ARCHIVES = {
    "abc": ("abc", r"\.txt$", "cp1252"),
    "brown": ("brown", r"/c[a-r]\d\d$", "utf-8"),
    "inaugural": ("addresses", r"\.txt$", "big5"),
    "masc_tagged": ("masc", r"(spoken|written)/.*\.txt$", "utf-8"),
    "movie_reviews": ("reviews", r"/cv.*\.txt$", "utf-8"),
    "state_union": ("addresses", r"\.txt$", "big5"),
}
"""Archive: its subset, the documents in it, and the encoding of those that are not UTF-8."""


def bucket(text: str) -> int:
    """Return a number from 0 to 99 that depends on the text alone: the hash that makes splits.

    It is SHA-256, modulo 100, of the text in lower case with single spaces.  So equal sentences
    never lie in two splits.
    """
    normal = " ".join(text.lower().split())
    return int.from_bytes(hashlib.sha256(normal.encode()).digest(), "big") % 100


def classified(corpus: str, split: str) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Read sst2, cr, subj or trec: the id, the words and the class of each sentence of a split.

    A line is a digit, a space, and words with spaces between.  cr and subj: bucket 0 to 9 is dev,
    10 to 29 test, the rest train.  trec: of the official training part bucket 0 to 9 is dev.

    Both sst2 and subj were cut from one site's film reviews: three in ten test sentences of sst2
    are in subj.  What sst2 has is in subj on the side on which sst2 has it, so that neither
    trains on what the other tests.
    """
    sides = _sides(sources.cache_folder()) if corpus == "subj" else {}
    for source in sources.files(corpus):
        if source.name.startswith("stsa") and corpus == "subj":
            continue
        official = re.search(r"\b(train|dev|test)\b", source.path)
        part = official[1] if official else ""
        hashed = not part or (corpus == "trec" and part == "train")
        if not hashed and part != split:
            continue
        text = sources.read(corpus, source).decode(_ENCODINGS[corpus])
        # Not splitlines, which would also split at the stray control characters of these files.
        for number, line in enumerate(text.rstrip("\n").split("\n"), start=1):
            digit, _, sentence = line.partition(" ")
            if hashed:
                side = sides.get(letters(sentence)) or _hashed_split(sentence, test=not part)
                if side != split:
                    continue
            words = tuple(map(intern, sentence.split()))
            yield f"{corpus}-{part or 'all'}-{number}", words, CLASSES[corpus][int(digit)]


def letters(text: str) -> str:
    """Return the letters and digits of a text in lower case: what two copies have in common."""
    return "".join(filter(str.isalnum, text.lower()))


@cache
def _sides(folder: Path) -> dict[str, str]:
    """Read on which side sst2 has each of its sentences; ``folder`` is the cache, a key."""
    found: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        for _, words, _ in classified("sst2", split):
            found[letters(" ".join(words))] = split
    return found


def _hashed_split(sentence: str, *, test: bool) -> str:
    number = bucket(sentence)
    return "dev" if number < 10 else "test" if test and number < 30 else "train"


def plain() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Read ``text``: the split, the id, the words and the subset of each sentence.

    Sentences have 3 to `segmentation.LONGEST` words.  Of all blocks of `BLOCK` sentences of a
    document one in a hundred, by the hash of its id, is dev and one is test.
    """
    for source in sources.files("text"):
        archive = source.name.removesuffix(".zip")
        subset, documents, encoding = _ARCHIVES[archive]
        with zipfile.ZipFile(io.BytesIO(sources.read("text", source))) as opened:
            for name in sorted(opened.namelist()):
                if not re.search(documents, name):
                    continue
                text = html.unescape(_decode(opened.read(name), encoding))
                long_enough = (s for s in _sentences(archive, text) if len(s) >= 3)
                document = re.sub(r"\.txt$", "", name)
                for number, words in enumerate(long_enough):
                    block = bucket(f"{document}/{number // BLOCK}")
                    split = {0: "dev", 1: "test"}.get(block, "train")
                    yield split, f"{document}-{number + 1}", tuple(map(intern, words)), subset


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(encoding, errors="replace")


def _sentences(archive: str, text: str) -> Iterator[tuple[str, ...]]:
    if archive in ("abc", "inaugural", "state_union"):
        lines = text.replace("\r", "").split("\n")
        yield from (sentence for line in lines for sentence in segmentation.sentences(line))
        return
    for line in text.split("\n"):
        tokens = line.split()
        if archive == "brown":
            tokens = [_untagged(token, "/") for token in tokens]
            # Its tagged form doubles these signs: each stands for itself and as end of a clause.
            tokens = [
                t
                for t, last in zip(tokens, ["", *tokens], strict=False)
                if t != last or t not in (";", "?", "!")
            ]
        elif archive == "masc_tagged":
            tokens = [_untagged(token, "_") for token in tokens]
        for sentence in _ended(tokens) if archive == "masc_tagged" else [tokens]:
            yield from segmentation.cut(tuple(sentence))


def _untagged(token: str, sign: str) -> str:
    word = token.rpartition(sign)[0] or token
    return '"' if word in ("``", "''") else word


def _ended(tokens: list[str]) -> Iterator[list[str]]:
    """Split a line of MASC, which may hold several sentences, after `.`, `?` and `!`."""
    start = 0
    for end, token in enumerate(tokens, start=1):
        if token in (".", "?", "!") or end == len(tokens):
            yield tokens[start:end]
            start = end
