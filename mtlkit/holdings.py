"""What a corpus of one's own holds: its files as examples, in three splits.

A file is of a side: train, dev or test.  A side that has no file gets its sentences from the
others of train, by a hash of the text, as ``cr`` and ``subj`` do: bucket 0 to 9 is dev, 10 to 29
test, the rest train.  So equal sentences never lie on two sides of a split made here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from sys import intern
from typing import Any

from mtlkit import conllu, gold, own, sheets, sources
from mtlkit.examples import Example
from mtlkit.prose import bucket

__all__ = ["examples", "load", "split"]


def examples(
    data: bytes, source: str, table: Mapping[str, Any], *, name: str
) -> tuple[Example, ...]:
    """Read one file: a sheet with the columns that the table names, or a treebank.

    ``source`` names the file in errors, ``name`` is how the ids begin.  Raises `SheetError` or
    `conllu.ConlluError` at the first fault.
    """
    if table["format"] == "csv":
        task = next(task for task in table["tasks"] if task != "mlm")
        rows = sheets.parse(data, source, text=table["text"], label=table["label"])
        return tuple(
            Example(f"{name}-{row.line}", tuple(map(intern, row.words)), {task: intern(row.label)})
            for row in rows
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise conllu.ConlluError(
            f"{source}:{line}: not UTF-8: byte 0x{data[error.start]:02x}; convert the file to UTF-8"
        ) from None
    sentences = conllu.parse(text, source, validate=False)
    if not sentences:
        raise conllu.ConlluError(f"{source}:1: no sentence in the file; expected CoNLL-U")
    if any(word.head >= 0 for sentence in sentences for word in sentence.words):
        sentences = conllu.parse(text, source)  # with trees, which must be whole
    found = gold.treebank(sentences, name, gold.offered(sentences), gold.domain)
    # Ids of one's own files may repeat from file to file, and these are what budgets sort by.
    return tuple(replace(e, id=f"{name}-{number}") for number, e in enumerate(found, start=1))


def split(parts: Mapping[str, Iterable[Example]]) -> dict[str, tuple[Example, ...]]:
    """The three splits, from the examples of each side that has files."""
    made: dict[str, list[Example]] = {side: list(parts.get(side, ())) for side in own.SIDES}
    pool, made["train"] = made["train"], []
    for example in pool:
        number = bucket(" ".join(example.words))
        side = "dev" if number < 10 else "test" if number < 30 else "train"
        made["train" if side in parts else side].append(example)
    return {side: tuple(found) for side, found in made.items()}


def load(corpus: str) -> dict[str, tuple[Example, ...]]:
    """The splits of a corpus of one's own, from its checked files.

    Raises `CorpusError` for a file that is missing or not what was registered.
    """
    return _load(corpus, own.version(corpus), str(own.folder()))


@cache
def _load(corpus: str, version: str, folder: str) -> dict[str, tuple[Example, ...]]:
    table = own.tables()[corpus]["own"]
    sides = {file["path"]: file["side"] for file in table["files"]}
    parts: dict[str, list[Example]] = {}
    for source in sources.files(corpus):
        name = f"{corpus}-{source.path.partition('.')[0]}"
        found = examples(sources.read(corpus, source), source.path, table, name=name)
        parts.setdefault(sides[source.path], []).extend(_offered(found, table["tasks"]))
    return split(parts)


def _offered(found: Sequence[Example], tasks: Sequence[str]) -> list[Example]:
    """The examples with the labels of these tasks alone."""
    return [
        replace(e, labels={task: label for task, label in e.labels.items() if task in tasks})
        for e in found
    ]
