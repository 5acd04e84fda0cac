"""Knobs: causes of transfer that real corpora lack, each turned alone.

A route writes them after a task: ``ner:100@world[noise=0.2]``.  The first three make another task,
so they hold for its dev and test too (`define`); the others mix or spoil what a task is trained on,
and its dev and test stay as they are (`select`, `spoil`).

- ``overlap=o``: a share o of the content words is kept, the others are spelt by a cipher that
  keeps endings and capitals, so that the grammar stays and the vocabulary does not
- ``relatedness=r``: of ``aux``, the latent class of nouns and names: a share r of the words keep
  theirs, the others have a class that is drawn once for each word
- ``delexicalised``: each word is replaced by its part of speech, so that the tree has to be found
  without the words (Zeman & Resnik 2008, "Cross-language parser adaptation")

- ``noise=p``: a label is wrong with probability p, any other one alike (symmetric noise; Angluin
  & Laird 1988, "Learning from noisy examples"); in a tree, the head and the relation of a word
- ``shuffled``: the labels are right for other sentences (Zhang et al. 2017, "Understanding deep
  learning requires rethinking generalization", 2.1): the control that keeps only their shares; in
  ``mlm``, which has no labels, the words of each sentence are in random order (Sinha et al. 2021,
  "Masked language modeling and the distributional hypothesis", section 3)
- ``imbalance=r``: the largest class is r times the smallest, the others between them in equal
  ratios (Cui et al. 2019, "Class-balanced loss based on effective number of samples", 5.1)
- ``shift=s``: a share s of the sentences is from the other subsets of the corpus

What keeps its word or class at one value keeps it at every larger one.
"""

import hashlib
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from sys import intern
from typing import Any

from mtlkit.conllu import Sentence, misc_value
from mtlkit.examples import Example
from mtlkit.grammar import rules
from mtlkit.lexicon import DOMAINS, Choices, words
from mtlkit.routes import TASKS, Task
from mtlkit.scenes import senses

__all__ = ["classed", "define", "related", "respelt", "select", "spoil"]

_STEM = re.compile(r"(.{3,}?)(s|es|ed|ing|ly|er|est)?")
_CIPHER = str.maketrans("aeioubcdfghjklmnpqrstvwxyz", "ouaeidfgkhlmnjptbrvsczxqwy")


def _uniform(*key: str) -> float:
    """A number in [0, 1) that depends on the key alone."""
    digest = hashlib.sha256("\n".join(key).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _stem(word: str) -> tuple[str, str]:
    match = _STEM.fullmatch(word)
    return (match[1], match[2] or "") if match else (word, "")


# ---- another task


def define(task: Task, examples: Sequence[Example]) -> tuple[Example, ...]:
    """The sentences with the words and labels that a task's first three knobs mean.

    They keep their ids: the sentences of a budget are the same whatever the knobs say.
    """
    knobs = dict(task.knobs)
    if (kept := knobs.get("overlap", 1.0)) < 1:
        examples = [
            replace(e, words=tuple(intern(respelt(word, kept)) for word in e.words))
            for e in examples
        ]
    if "delexicalised" in knobs:
        examples = [replace(e, words=e.labels["pos"]) for e in examples]
    if (kept := knobs.get("relatedness", 1.0)) < 1:
        examples = [
            _labelled(e, task.name, tuple(related(w, s, kept) for w, s in _tagged(e, task)))
            for e in examples
        ]
    return tuple(examples)


def _tagged(example: Example, task: Task) -> Iterator[tuple[str, str]]:
    return zip(example.words, example.labels[task.name], strict=True)


_SMALL = ("pronouns", "auxiliaries", "modals", "contracted", "features", "calendar", "adverbs")


@cache
def _closed() -> frozenset[str]:
    """The words that the grammar itself writes, and those of the small lists beside it."""
    tables = words()
    texts = [tables["lists"]["prepositions"], tables["lists"]["particles"]]
    for name in _SMALL:
        for key, value in tables[name].items():
            texts += [key, *(value if isinstance(value, list) else [str(value)])]
    for domain in DOMAINS:
        choices = rules(domain).values()
        texts += [i.literal[0] for c in choices for items in c.things for i in items if i.literal]
    return frozenset(word for text in texts for word in text.lower().split())


@cache
def respelt(word: str, overlap: float) -> str:
    """A word as it is spelt where a share ``overlap`` of the content words is kept.

    >>> respelt("the", 0), respelt("Gardens", 0), respelt("gardening", 0), respelt("Gardens", 1)
    ('the', 'Hovguts', 'hovguting', 'Gardens')
    """
    stem, ending = _stem(word.lower())
    kept = not word.isalpha() or word.lower() in _closed() or _uniform("overlap", stem) < overlap
    if kept or not word.isascii():
        return word
    spelt = stem.translate(_CIPHER) + ending
    return spelt.upper() if word.isupper() else spelt.capitalize() if word[0].isupper() else spelt


@cache
def related(word: str, sense: str, relatedness: float) -> str:
    """The class of a word, where a share ``relatedness`` of the words have their own; O stays O."""
    stem = _stem(word.lower())[0]
    if sense == "O" or _uniform("relatedness", stem) < relatedness:
        return sense
    return _any_sense().draw(_uniform("sense", stem))


def classed(sentence: Sentence, relatedness: float) -> Sentence:
    """A sentence of the world whose ``Sense=`` in MISC are the labels of ``aux``; see `related`."""
    if relatedness == 1:
        return sentence
    found = []
    for word in sentence.words:
        sense = misc_value(word, "Sense") or "O"
        new = f"Sense={related(word.form, sense, relatedness)}"
        found.append(replace(word, misc=word.misc.replace(f"Sense={sense}", new)))
    return replace(sentence, words=tuple(found))


@cache
def _any_sense() -> Choices[str]:
    found = senses()
    return Choices(list(found), list(map(float, found.values())))


# ---- what a task is trained on


def select(
    task: Task, own: Sequence[Example], others: Sequence[Example]
) -> tuple[tuple[Example, ...], str]:
    """Put the sentences that a task may train on in the order in which budgets take them.

    ``own`` are in order already, of the task's subset, ``others`` of the corpus's other subsets.
    Returns as many as there are until a share cannot be met, and what ran out then, or "".
    """
    knobs, found, missing = dict(task.knobs), tuple(own), ""
    if "shift" in knobs:
        share = knobs["shift"]
        parts = {"its own subset": own, "the other subsets": others}
        found, missing = _shared(parts, [1 - share, share])
        missing = missing and f"sentences of {missing}"
    if "imbalance" in knobs:
        classes: dict[str, list[Example]] = {}
        for example in found:
            classes.setdefault(example.labels[task.name], []).append(example)
        by_size = sorted(classes, key=lambda name: (-len(classes[name]), name))
        ordered = {name: classes[name] for name in by_size}
        last = max(1, len(ordered) - 1)
        found, short = _shared(
            ordered, [knobs["imbalance"] ** (-k / last) for k in range(last + 1)]
        )
        missing = f"sentences of the class {short!r}" if short else missing
    return found, missing


def _shared(
    groups: Mapping[str, Sequence[Example]], weights: Sequence[float]
) -> tuple[tuple[Example, ...], str]:
    """Take from the groups in turn, so that every beginning has the shares as nearly as can be."""
    total, taken, found = math.fsum(weights), [0] * len(groups), list[Example]()
    names = list(groups)
    while True:
        lacks = [
            weight / total * (len(found) + 1) - count
            for weight, count in zip(weights, taken, strict=True)
        ]
        turn = max(range(len(names)), key=lambda k: (round(lacks[k], 9), -k))
        if taken[turn] == len(groups[names[turn]]):
            return tuple(found), names[turn] if sum(taken) < sum(map(len, groups.values())) else ""
        found.append(groups[names[turn]][taken[turn]])
        taken[turn] += 1


def spoil(
    task: Task, examples: Sequence[Example], names: Sequence[str], *, seed: int
) -> tuple[Example, ...]:
    """The sentences as ``shuffled`` and ``noise`` leave their labels; ``names``: all there are."""
    knobs, found = dict(task.knobs), tuple(examples)
    if "shuffled" in knobs and task.name == "mlm":
        found = tuple(replace(e, words=_disordered(e, seed)) for e in found)
    elif "shuffled" in knobs:
        found = _shuffled(task, found, random.Random(f"shuffled {task.name} {seed}"))
    if share := knobs.get("noise", 0.0):
        found = tuple(_labelled(e, task.name, _noisy(task, e, names, share, seed)) for e in found)
    return found


def _shuffled(task: Task, examples: tuple[Example, ...], rng: random.Random) -> tuple[Example, ...]:
    """Permute classes among sentences, tags among all words, and within each tree its words."""
    kind, labels = TASKS[task.name], [example.labels[task.name] for example in examples]
    if kind == "tree":
        labels = [_moved(tree, rng.sample(range(len(tree)), len(tree))) for tree in labels]
    elif kind == "tags":
        pool = [tag for tags in labels for tag in tags]
        rng.shuffle(pool)
        rest = iter(pool)
        labels = [tuple(next(rest) for _ in tags) for tags in labels]
    else:
        rng.shuffle(labels)
    return tuple(map(_labelled, examples, [task.name] * len(labels), labels))


def _disordered(example: Example, seed: int) -> tuple[str, ...]:
    rng = random.Random(f"shuffled mlm {seed} {example.id}")
    return tuple(rng.sample(example.words, len(example.words)))


def _moved(tree: Sequence[tuple[int, str]], places: Sequence[int]) -> tuple[tuple[int, str], ...]:
    """The tree whose word at ``places[i]`` is the word i of this one."""
    moved: dict[int, tuple[int, str]] = {}
    for i, (head, relation) in enumerate(tree):
        moved[places[i]] = (places[head - 1] + 1 if head else 0, relation)
    return tuple(moved[i] for i in range(len(tree)))


def _noisy(task: Task, example: Example, names: Sequence[str], share: float, seed: int) -> Any:
    """The label of a sentence, each part of it wrong with the probability ``share``."""
    rng = random.Random(f"noise {task.name} {seed} {example.id}")
    label = example.labels[task.name]

    def other(value: Any, among: Sequence[Any]) -> Any:
        if rng.random() >= share:
            return value
        return rng.choice([each for each in among if each != value] or [value])

    match TASKS[task.name]:
        case "class":
            return other(label, names)
        case "tags":
            return tuple(other(tag, names) for tag in label)
    heads = range(len(label) + 1)
    return tuple(
        (other(head, [h for h in heads if h != place]), other(relation, names))
        for place, (head, relation) in enumerate(label, start=1)
    )


def _labelled(example: Example, task: str, label: Any) -> Example:
    return replace(example, labels={**example.labels, task: label})
