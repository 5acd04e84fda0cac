"""Sentences to batches: encoded, bucketed by length, padded, and mixed across tasks.

A stage of a route names tasks, each with its labelled sentences.  Sentences that carry labels for
the same tasks form a :class:`Stratum`; a batch is drawn from one stratum, so every task named in
it is labelled in every sentence of the batch and no loss needs a mask for missing labels.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mtlkit.corpora import Example
from mtlkit.routes import TASKS
from mtlkit.tokenization import Encoding, Subwords

__all__ = [
    "IGNORED",
    "SHORTEST",
    "TARGETS",
    "Batch",
    "BatchingError",
    "Item",
    "Packed",
    "Stratum",
    "buckets",
    "collate",
    "encode",
    "group",
    "mask",
    "stratify",
]

IGNORED = -100
"""Target of a padded place: what ``torch.nn.functional.cross_entropy`` ignores by default."""

SHORTEST = 32
"""Sub-words in the shortest packed sequence: twice as many as in the longest word."""

_BEGIN, _END = 1, 2  # of a word, of a sentence


class BatchingError(ValueError):
    """Sentences that cannot be turned into batches."""


@dataclass(frozen=True, slots=True)
class Item:
    """One encoded sentence with its targets.

    ``targets[task]``: tags ``[word]``, trees ``[word, 2]`` (head, relation), classes ``[]``.
    """

    encoding: Encoding
    targets: Mapping[str, np.ndarray]


class Packed(Sequence[Item]):
    """Plain text as sequences of almost equal length, with hardly any padding.

    Liu et al. 2019 (arXiv 1907.11692), section 4.2, "FULL-SENTENCES".  Each sentence ends with the
    tokenizer's separator, and where a sequence is full the sentence goes on in the next one, from
    a whole word on.  The text is read once, a thousand sentences ahead at most, and a sub-word
    takes five bytes; an item is made when it is asked for.

    ``length``: the most sub-words in a sequence, special tokens included.
    """

    def __init__(self, examples: Iterable[Example], subwords: Subwords, *, length: int) -> None:
        if not SHORTEST <= length <= subwords.longest:
            raise BatchingError(
                f"mlm_length is {length}: expected {SHORTEST} to {subwords.longest}, which is the "
                "most that this encoder reads, or 0 for sentences as they are"
            )
        self._prefix, end = subwords.prefix, subwords.suffix
        room, used = length - len(self._prefix), 0
        self._ids, self._marks, self._bounds = array("i"), bytearray(), array("q", [0])
        for example in _learning(examples, subwords):
            for piece in (*subwords.cut(example.words), end):
                if used + len(piece) > room:
                    self._bounds.append(len(self._ids))
                    used = 0
                used += len(piece)
                self._ids.extend(piece)
                self._marks += bytes([_END if piece is end else _BEGIN]) + bytes(len(piece) - 1)
        if used:
            self._bounds.append(len(self._ids))

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, place: Any) -> Any:  # an item; nothing here asks for a slice
        ids = self._ids[self._bounds[place] : self._bounds[place + 1]]
        marks = np.frombuffer(self._marks, np.uint8, len(ids), self._bounds[place])
        edges = np.append(np.flatnonzero(marks), len(ids))
        first, last = edges[:-1] + len(self._prefix), edges[1:] + len(self._prefix) - 1
        words = marks[edges[:-1]] == _BEGIN
        begins, ends = tuple(first[words].tolist()), tuple(last[words].tolist())
        return Item(Encoding((*self._prefix, *ids), begins, ends, (0,) * len(begins)), {})

    @property
    def lengths(self) -> list[int]:
        """How many sub-words each sequence has."""
        found: list[int] = (np.diff(self._bounds) + len(self._prefix)).tolist()
        return found


def _learning(examples: Iterable[Example], subwords: Subwords) -> Iterator[Example]:
    """The same examples, a thousand read ahead: new words are cut sooner many at a time."""
    reading = iter(examples)
    while some := list(islice(reading, 1000)):
        subwords.learn(word for example in some for word in example.words)
        yield from some


@dataclass(frozen=True, slots=True)
class Stratum:
    """Sentences that are labelled for the same tasks."""

    tasks: tuple[str, ...]
    items: Sequence[Item]

    @property
    def lengths(self) -> list[int]:
        """How many sub-words each item has."""
        if isinstance(self.items, Packed):
            return self.items.lengths
        return [len(item.encoding.ids) for item in self.items]


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded sentences.

    ``first``, ``last``: where each word's sub-words begin and end, in ``ids``.
    """

    ids: Int[Tensor, "batch subword"]
    mask: Bool[Tensor, "batch subword"]
    first: Int[Tensor, "batch word"]
    last: Int[Tensor, "batch word"]
    shapes: Int[Tensor, "batch word"]
    words: Bool[Tensor, "batch word"]
    targets: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def subwords(self) -> int:
        """How many sub-words are in the batch, padding left out."""
        return int(self.mask.sum())

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        if self.ids.device == device:
            return self
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        targets = {task: target.to(device) for task, target in moved.pop("targets").items()}
        tensors = {name: tensor.to(device) for name, tensor in moved.items()}
        return Batch(**tensors, targets=targets)


TARGETS: dict[str, Callable[[Any, Mapping[str, int]], Any]] = {
    "tags": lambda tags, index: [index[tag] for tag in tags],
    "tree": lambda tree, index: [(head, index[relation]) for head, relation in tree],
    "class": lambda name, index: index[name],
}
"""Kind of task to how one sentence's label becomes numbers, given the number of each name."""


def _target(task: str, value: Any, index: Mapping[str, int], example: Example) -> np.ndarray:
    try:
        return np.array(TARGETS[TASKS[task]](value, index), dtype=np.int64)
    except KeyError as error:
        raise BatchingError(
            f"sentence {example.id}: label {error.args[0]!r} of task {task!r} is not one of the "
            f"{len(index)} labels the head was made for"
        ) from None


def encode(
    examples: Iterable[Example],
    subwords: Subwords,
    labels: Mapping[str, Sequence[str]],
) -> tuple[Item, ...]:
    """Encode sentences; targets for the tasks in ``labels`` (task to label names) they carry."""
    examples = list(examples)
    subwords.learn(word for example in examples for word in example.words)
    indices = {task: {name: i for i, name in enumerate(names)} for task, names in labels.items()}
    return tuple(
        Item(
            subwords.encode(example.words),
            {
                task: _target(task, example.labels[task], index, example)
                for task, index in indices.items()
                if task in example.labels
            },
        )
        for example in examples
    )


def group(examples: Mapping[str, Sequence[Example]]) -> dict[tuple[str, ...], list[Example]]:
    """The sentences of a stage by the tasks that they are labelled for.

    The ``mlm`` task corrupts its input, so its sentences are never shared with another task.

    Parameters
    ----------
    examples
        Task to its labelled sentences.  The same sentence may occur under several tasks; each of
        them brings its own labels, which knobs may have changed for it alone.
    """
    tasks_of: dict[tuple[Any, ...], list[str]] = {}
    found: dict[tuple[Any, ...], Example] = {}
    for task, sentences in examples.items():
        for example in sentences:
            key = (TASKS[task] == "mlm", example.id, example.words)
            tasks_of.setdefault(key, []).append(task)
            known = found.get(key, example)
            own = {task: example.labels[task]} if task in example.labels else {}
            labels = {**known.labels, **own}
            found[key] = known if labels == known.labels else replace(known, labels=labels)
    groups: dict[tuple[str, ...], list[Example]] = {}
    for key, tasks in tasks_of.items():
        groups.setdefault(tuple(tasks), []).append(found[key])
    return groups


def stratify(
    examples: Mapping[str, Sequence[Example]],
    subwords: Subwords,
    labels: Mapping[str, Sequence[str]],
    *,
    length: int = 0,
) -> tuple[Stratum, ...]:
    """The sentences of a stage, encoded, by the tasks that they are labelled for; see `group`.

    ``length``: the text of ``mlm`` is packed in sequences of so many sub-words, unless it is 0.
    """
    strata = []
    for tasks, found in sorted(group(examples).items(), key=lambda item: item[0]):
        known = {task: labels[task] for task in tasks if TASKS[task] != "mlm"}
        packed = length and not known
        items = Packed(found, subwords, length=length) if packed else encode(found, subwords, known)
        strata.append(Stratum(tasks, items))
    return tuple(strata)


def buckets(
    lengths: Sequence[int], *, tokens: int, rng: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Cut sentences into batches of like length, each of at most ``tokens`` sub-words with padding.

    With ``rng``, ties and the order of batches are random (training); without, the order is by
    length (evaluation).  A sentence longer than ``tokens`` is a batch of its own.

    Batches counted in tokens: Ott et al. 2018, "Scaling neural machine translation", section 3.1.
    """
    size = np.asarray(lengths)
    noise = rng.random(len(size)) if rng is not None else np.zeros(len(size))
    order = np.lexsort((noise, size))
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * size[order[end]] > tokens:
            batches.append(order[start:end])
            start = end
    if rng is not None:
        rng.shuffle(batches)
    return batches


def _pad(rows: Sequence[Sequence[int] | np.ndarray], value: int) -> Tensor:
    width = max(map(len, rows))
    shape = (len(rows), width, *np.shape(rows[0])[1:])
    padded = np.full(shape, value, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return torch.from_numpy(padded)


def collate(items: Sequence[Item], tasks: Sequence[str], *, padding: int) -> Batch:
    """Pad sentences into one batch, with the targets of ``tasks``; ``padding`` is a sub-word id."""
    encodings = [item.encoding for item in items]
    ids = _pad([e.ids for e in encodings], padding)
    lengths = torch.tensor([len(e.ids) for e in encodings])
    sizes = torch.tensor([len(e.first) for e in encodings])
    first = _pad([e.first for e in encodings], 0)
    targets = {}
    for task in tasks:
        values = [item.targets[task] for item in items]
        targets[task] = (
            torch.from_numpy(np.stack(values)) if values[0].ndim == 0 else _pad(values, IGNORED)
        )
    return Batch(
        ids=ids,
        mask=torch.arange(ids.shape[1]) < lengths[:, None],
        first=first,
        last=_pad([e.last for e in encodings], 0),
        shapes=_pad([e.shapes for e in encodings], 0),
        words=torch.arange(first.shape[1]) < sizes[:, None],
        targets=targets,
    )


def mask(
    batch: Batch, subwords: Subwords, *, rate: float, generator: torch.Generator, words: bool
) -> Batch:
    """Hide sub-words for masked language modelling; the batch's ``targets["mlm"]`` are the hidden.

    Devlin et al. 2019, section 3.1: of the chosen sub-words (share ``rate``) 80 % become the mask
    token, 10 % a random sub-word, 10 % stay.  Special tokens are never chosen.  With ``words``,
    words are chosen with this probability, and all sub-words of one with it (whole-word masking;
    Cui et al. 2021, "Pre-training with whole word masking for Chinese BERT", section 3.1).
    """
    tokenizer = subwords.tokenizer
    if tokenizer.mask_token_id is None:
        raise BatchingError(
            "task 'mlm' needs a mask token, and this encoder's tokenizer has none; "
            "choose an encoder pretrained with masked language modelling, or scratch"
        )
    special = torch.isin(batch.ids, torch.tensor(sorted(set(tokenizer.all_special_ids))))
    if words:
        begins = torch.zeros_like(batch.ids).scatter_add(1, batch.first, batch.words.long())
        chosen = torch.rand(batch.words.shape, generator=generator) < rate
        chosen = chosen.gather(1, (begins.cumsum(1) - 1).clamp(min=0))
    else:
        chosen = torch.rand(batch.ids.shape, generator=generator) < rate
    chosen &= batch.mask & ~special
    if not chosen.any():  # a batch of one short sentence: hide its first word
        chosen[:, len(subwords.prefix)] = True
    fate = torch.rand(batch.ids.shape, generator=generator)
    random = torch.randint(len(tokenizer), batch.ids.shape, generator=generator)
    ids = torch.where(chosen & (fate < 0.8), tokenizer.mask_token_id, batch.ids)
    ids = torch.where(chosen & (fate >= 0.9), random, ids)
    targets = {"mlm": torch.where(chosen, batch.ids, IGNORED)}
    return replace(batch, ids=ids, targets=targets)
