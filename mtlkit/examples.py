"""Labelled sentences: what every corpus becomes, as a dataset, and as a file that is kept."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any, NamedTuple

from filelock import FileLock

from mtlkit.results import write_atomically
from mtlkit.routes import TASKS

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = [
    "VALUES", "Attachment", "Example", "attachments", "depths", "kept", "label_values",
    "to_dataset",
]  # fmt: skip

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Example:
    """One sentence and its labels.

    ``labels[task]`` is, by the task's kind: tags, one a word; a tree, one ``(head, relation)`` a
    word, where head is 1-based, 0 is the root, and relations have no subtype; a class, a name.
    ``subset`` is the genre or domain, "" if there is none.
    """

    id: str
    words: tuple[str, ...]
    labels: Mapping[str, Any] = field(default_factory=dict)
    subset: str = ""


VALUES: dict[str, Callable[[Any], Iterable[str]]] = {
    "tags": lambda tags: tags,
    "tree": lambda tree: (relation for _, relation in tree),
    "class": lambda name: [name],
}
"""Kind of task to what is in one sentence's label: names that its head chooses from."""


def label_values(task: str, examples: Iterable[Example]) -> tuple[str, ...]:
    """Collect the labels of a task, sorted; for a tree the relations.

    For names every type has its B- and its I- tag.
    """
    values, found = VALUES[TASKS[task]], set[str]()
    for example in examples:
        if task in example.labels:
            found.update(values(example.labels[task]))
    if task == "ner":
        found |= {f"{mark}-{tag[2:]}" for tag in found if tag != "O" for mark in "BI"} | {"O"}
    return tuple(sorted(found))


def to_dataset(examples: Sequence[Example]) -> "Dataset":
    """Return examples as a ``datasets.Dataset``: id, words, subset, and a column a task.

    Tags are sequences of ``ClassLabel``, classes are one, and a tree is the two columns
    ``<task>_head`` and ``<task>_relation``. Where a sentence has no label, the value is None.
    """
    from datasets import ClassLabel, Dataset, Features, Sequence, Value  # slow to import

    features: dict[str, Any] = {
        "id": Value("string"), "words": Sequence(Value("string")), "subset": Value("string")
    }  # fmt: skip
    columns: dict[str, list[Any]] = {
        "id": [example.id for example in examples],
        "words": [list(example.words) for example in examples],
        "subset": [example.subset for example in examples],
    }
    for task in dict.fromkeys(task for example in examples for task in example.labels):
        kind = TASKS[task]
        names = ClassLabel(names=list(label_values(task, examples)))
        labels = [example.labels.get(task) for example in examples]
        if kind == "tree":
            features[f"{task}_head"] = Sequence(Value("int32"))
            columns[f"{task}_head"] = [tree and [head for head, _ in tree] for tree in labels]
            labels = [tree and [relation for _, relation in tree] for tree in labels]
            task = f"{task}_relation"
        features[task] = names if kind == "class" else Sequence(names)
        columns[task] = [
            None if label is None else names.str2int(label if kind == "class" else list(label))
            for label in labels
        ]
    return Dataset.from_dict(columns, features=Features(features))


DEEPEST = 7
"""Words that are deeper in their tree have this depth: on GUM, about one in fifty."""


def depths(heads: Sequence[int]) -> tuple[str, ...]:
    """How far each word is from the root of its tree, in edges, as a label of the task ``depth``.

    What a probe can find of syntax: Hewitt & Manning 2019, "A structural probe for finding syntax
    in word representations", section 2.2; theirs is a regression.

    >>> depths((2, 0, 4, 2))  # "she likes warm soup"
    ('1', '0', '2', '1')
    """
    found = []
    for head in heads:
        depth = 0
        while head and depth < len(heads):
            head, depth = heads[head - 1], depth + 1
        found.append(str(min(depth, DEEPEST)))
    return tuple(found)


class Attachment(NamedTuple):
    """A prepositional phrase after an object, and what it belongs to: places of words, from 1."""

    preposition: int
    noun: int  # of the phrase
    object: int
    verb: int
    head: int  # the object or the verb

    @property
    def other(self) -> int:
        """The one of the two that the phrase does not belong to."""
        return self.verb if self.head == self.object else self.object


def attachments(tree: Sequence[tuple[int, str]], tags: Sequence[str]) -> Iterator[Attachment]:
    """Yield the phrases whose attachment is a question: "ate the soup *with a spoon*".

    Those that stand right after an object noun, and belong to it or to its verb (Ratnaparkhi,
    Reynar & Roukos 1994, "A maximum entropy model for prepositional phrase attachment").

    >>> tree = ((2, "nsubj"), (0, "root"), (2, "obj"), (5, "case"), (2, "obl"))
    >>> list(attachments(tree, ("PRON", "VERB", "NOUN", "ADP", "NOUN")))
    [Attachment(preposition=4, noun=5, object=3, verb=2, head=2)]
    """
    for place, (head, relation) in enumerate(tree, start=1):
        marks = [mark for mark, found in enumerate(tree, start=1) if found == (place, "case")]
        if relation not in ("obl", "nmod") or not marks or not 2 <= marks[0] < place:
            continue
        before = marks[0] - 1
        verb, what = tree[before - 1]
        nouns = tags[place - 1] == tags[before - 1] == "NOUN"
        if nouns and what == "obj" and head in (before, verb):
            yield Attachment(marks[0], place, before, verb, head)


# ---- examples that are made, not fetched


def kept(path: Path, key: str, make: Callable[[], Iterable[Example]]) -> tuple[Example, ...]:
    """Return what ``make`` makes, from the file if that holds it, or else make it and keep it.

    ``key`` says what the examples depend on. The file is read only if its first line is the
    SHA-256 of key and content, so one that is damaged, edited or made from something else is made
    anew. One process makes it while the others wait. Where it cannot be written, that is logged,
    and each process makes its own.
    """
    found = _read(path, key)
    if found is not None:
        return found
    with ExitStack() as stack:
        writable = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(path.with_suffix(".lock")))
        except OSError as error:
            writable = _cannot_keep(path, error)
        found = _read(path, key)  # made by another process meanwhile
        if found is None:
            found = tuple(make())
            content = "".join(f"{_to_json(example)}\n" for example in found)
            try:
                if writable:
                    write_atomically(path, f"{_seal(key, content)}\n{content}")
            except OSError as error:
                _cannot_keep(path, error)
    return found


def _cannot_keep(path: Path, error: OSError) -> bool:
    _LOG.warning(
        "cannot keep %s (%s), so it is made again each time; make its folder writable",
        path,
        error.strerror or error,
    )
    return False


def _read(path: Path, key: str) -> tuple[Example, ...] | None:
    with suppress(OSError, UnicodeDecodeError):
        seal, _, content = path.read_text(encoding="utf-8").partition("\n")
        if seal == _seal(key, content):
            return tuple(map(_from_json, content.splitlines()))
    return None


def _seal(key: str, content: str) -> str:
    return hashlib.sha256(f"{key}\n{content}".encode()).hexdigest()


def _to_json(example: Example) -> str:
    # No character but "\n" ends a line: the others of str.splitlines are escaped.
    return json.dumps([example.id, example.words, example.labels, example.subset])


def _from_json(line: str) -> Example:
    identity, words, labels, subset = json.loads(line)
    for task, label in labels.items():
        if TASKS[task] == "class":
            labels[task] = intern(label)
        elif TASKS[task] == "tags":
            labels[task] = tuple(map(intern, label))
        else:
            labels[task] = tuple((head, intern(relation)) for head, relation in label)
    return Example(identity, tuple(map(intern, words)), labels, intern(subset))
