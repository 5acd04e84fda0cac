"""Symptoms: what can be measured of data, labels and scores before a run is called ill."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy import integrate, stats

from mtlkit.examples import Example

__all__ = [
    "SymptomError", "agreement", "chosen_best", "copied", "entropy", "expected_best", "known",
    "letters", "slid",
]  # fmt: skip


class SymptomError(ValueError):
    """Numbers of which a symptom cannot be measured."""


def copied(example: Example) -> Example:
    """A sentence as another site prints it: without the sign at its end."""
    if len(example.words) < 2 or example.words[-1].isalnum():
        return example
    return replace(
        example, words=example.words[:-1], labels={"ner": tuple(example.labels["ner"][:-1])}
    )


def letters(words: Iterable[str]) -> str:
    """The letters and digits of a sentence, in lower case: the same for all its copies.

    >>> letters(("It", "'s", "late", ".")) == letters(("it's", "late"))
    True
    """
    return "".join(filter(str.isalnum, "".join(words).lower()))


def known(train: Iterable[Sequence[str]], test: Iterable[Sequence[str]]) -> list[bool]:
    """For each test sentence, whether training has it, by its letters alone; cf. `overlap`."""
    there = {letters(words) for words in train} - {""}
    return [letters(words) in there for words in test]


def slid(labels: Sequence[str], pieces: Sequence[int], missing: str = "O") -> tuple[str, ...]:
    """The label that each word gets, if label number k is given to sub-word number k.

    ``pieces``: sub-words of each word.  A word reads its first one; after the last label comes
    ``missing``.

    >>> slid(("DET", "NOUN", "VERB"), (1, 2, 1))
    ('DET', 'NOUN', 'O')
    """
    starts = np.cumsum([0, *pieces])[:-1]
    return tuple(labels[start] if start < len(labels) else missing for start in starts)


def agreement(examples: Iterable[Example], task: str, least: int = 5) -> float:
    """How far words decide their labels: the share of tokens with their word's commonest label.

    Only words with at least ``least`` tokens count; nan if there are none.
    """
    tags: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        for word, tag in zip(example.words, example.labels[task], strict=True):
            tags[word.lower()][tag] += 1
    often = [counts for counts in tags.values() if counts.total() >= least]
    total = sum(counts.total() for counts in often)
    return sum(max(counts.values()) for counts in often) / total if total else math.nan


def entropy(labels: Iterable[str]) -> float:
    """Nats to guess a label, knowing the labels' shares and nothing else."""
    counts = np.array(list(Counter(labels).values()), dtype=float)
    return float(stats.entropy(counts))


def expected_best(tries: int) -> float:
    """The mean of the largest of so many independent standard normals.

    E max = integral of x k phi(x) Phi(x)^(k-1) dx (David & Nagaraja 2003, "Order statistics", 3.1).
    Raises `SymptomError` for less than one.
    """
    if tries < 1:
        raise SymptomError(f"tries is {tries}: the best of none has no score, expected 1 or more")

    def part(x: float) -> float:
        return float(x * tries * stats.norm.pdf(x) * stats.norm.cdf(x) ** (tries - 1))

    return float(integrate.quad(part, -12, 12)[0])


def chosen_best(
    by: Float[np.ndarray, "fold run"], report: Float[np.ndarray, "fold run"], tries: int
) -> Float[np.ndarray, " fold"]:
    """In each fold the score ``report`` of the run that is best in ``by`` among so many.

    The mean over all groups of neighbouring runs (the first follows the last), so that every run
    is tried equally often.  Raises `SymptomError` for more tries than there are runs.
    """
    runs = by.shape[1]
    if not 1 <= tries <= runs:
        raise SymptomError(
            f"tries is {tries}: expected a number from 1 to the {runs} runs there are"
        )
    groups = (np.arange(runs)[:, None] + np.arange(tries)) % runs  # [group, try]
    best = np.argmax(by[:, groups], axis=2)  # [fold, group]
    chosen = groups[np.arange(runs), best]
    return np.take_along_axis(report, chosen, axis=1).mean(axis=1)
