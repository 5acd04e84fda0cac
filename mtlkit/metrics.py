"""Scores as sums of per-sentence counts.

A sentence's result is a `Counts`: how many items are right, predicted and gold.  Every score is a
ratio of sums of counts, so it can be recomputed, resampled and compared without the model.
Scores are fractions in [0, 1].
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

Arc = tuple[int, str]
"""A word's head (1-based, 0 for the root) and its relation."""


class MetricsError(ValueError):
    """Gold and predicted annotation cannot be compared."""


class Counts(NamedTuple):
    """Items (words, spans, sentences) that are right, predicted and gold."""

    right: int
    predicted: int
    gold: int


def tag_counts(gold: Sequence[str], predicted: Sequence[str]) -> Counts:
    """Count the words of one sentence whose tag is right."""
    _check_lengths(gold, predicted, "tags")
    right = sum(a == b for a, b in zip(gold, predicted, strict=True))
    return Counts(right, len(predicted), len(gold))


def spans(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Return the spans (first word, word after the last, type) of BIO tags; words from 0.

    Strict BIO (IOB2): a span starts at ``B-X`` and goes on over ``I-X`` of the same type.  Any
    other ``I-X`` belongs to no span, where conlleval (Tjong Kim Sang and Buchholz 2000) would
    start one: a model must not be paid for a span whose start it did not mark.

    Raises `MetricsError` for a tag that is not ``O``, ``B-X`` or ``I-X``.
    """
    found = set()
    start, kind = 0, ""
    for place, tag in enumerate((*tags, "O")):
        prefix, _, label = tag.partition("-")
        if (tag != "O") and (prefix not in ("B", "I") or not label):
            raise MetricsError(f"tag {tag!r} of word {place + 1} is not 'O', 'B-type' or 'I-type'")
        if kind and (prefix, label) != ("I", kind):
            found.add((start, place, kind))
            kind = ""
        if prefix == "B":
            start, kind = place, label
    return found


def span_counts(gold: Sequence[str], predicted: Sequence[str]) -> Counts:
    """Count the spans of one sentence: right is the same words and the same type; see `spans`."""
    _check_lengths(gold, predicted, "tags")
    theirs, ours = spans(gold), spans(predicted)
    return Counts(len(theirs & ours), len(ours), len(theirs))


def span_outcomes(
    gold: Sequence[str], predicted: Sequence[str]
) -> tuple[dict[tuple[int, int, str], str], int]:
    """What became of each span of one sentence, and how many were invented.

    ``right``; ``type``: the same words, another type; ``boundary``: some of its words, the same
    type; ``both``: some of its words, another type; ``missed``: no span has a word of it.  Invented
    are predicted spans without a word of any span.  These are the classes of the MUC scorer
    (Chinchor and Sundheim 1993, section 3: correct, incorrect, partial, missing, spurious), its
    incorrect ones told apart.
    """
    _check_lengths(gold, predicted, "tags")
    theirs, ours = spans(gold), spans(predicted)
    found = {}
    for span in sorted(theirs):
        over = [other for other in ours if _overlap(span, other)]
        if span in ours:
            found[span] = "right"
        elif any(other[:2] == span[:2] for other in over):
            found[span] = "type"
        elif any(other[2] == span[2] for other in over):
            found[span] = "boundary"
        else:
            found[span] = "both" if over else "missed"
    invented = sum(not any(_overlap(span, other) for other in theirs) for span in ours)
    return found, invented


def _overlap(one: tuple[int, int, str], two: tuple[int, int, str]) -> bool:
    return one[0] < two[1] and two[0] < one[1]


def attachment_counts(gold: Sequence[Arc], predicted: Sequence[Arc]) -> tuple[Counts, Counts]:
    """Count the words of one sentence with the right head (UAS), and also relation (LAS).

    As the CoNLL 2018 shared task scores gold tokens (Zeman et al. 2018, section 5): punctuation
    counts, and a relation's subtype, after ``:``, does not.  Unlike the official script this takes
    arcs that are no tree; see `is_tree`.
    """
    _check_lengths(gold, predicted, "arcs")
    n = len(gold)
    same = [(a[1], b[1]) for a, b in zip(gold, predicted, strict=True) if a[0] == b[0]]
    labelled = sum(a.partition(":")[0] == b.partition(":")[0] for a, b in same)
    return Counts(len(same), n, n), Counts(labelled, n, n)


def class_counts(gold: str, predicted: str) -> Counts:
    """Count one sentence's class as an item."""
    return Counts(int(gold == predicted), 1, 1)


def f1(counts: Iterable[Sequence[int]]) -> float:
    """Return micro F1 over sentences, 2 right / (predicted + gold); 0.0 if there is nothing.

    Where every item has one prediction (tags, classes, arcs) this is accuracy, UAS or LAS.
    """
    right, predicted, gold = total(counts)
    return 2 * right / (predicted + gold) if predicted + gold else 0.0


def precision(counts: Iterable[Sequence[int]]) -> float:
    """Return the share of predicted items that are right; 0.0 if none is predicted."""
    right, predicted, _ = total(counts)
    return right / predicted if predicted else 0.0


def recall(counts: Iterable[Sequence[int]]) -> float:
    """Return the share of gold items that are found; 0.0 if there is none."""
    right, _, gold = total(counts)
    return right / gold if gold else 0.0


def total(counts: Iterable[Sequence[int]]) -> Counts:
    """Return the sum over sentences of (right, predicted, gold)."""
    right = predicted = gold = 0
    for a, b, c in counts:
        right, predicted, gold = right + a, predicted + b, gold + c
    return Counts(right, predicted, gold)


def perplexity(total_nll: float, n: int) -> float:
    """Return exp(mean negative log-likelihood) of ``n`` predictions, from their sum in nats."""
    if n < 1:
        raise MetricsError(f"perplexity of {n} predictions; it needs at least one")
    try:
        return math.exp(total_nll / n)
    except OverflowError:
        return math.inf


def is_tree(heads: Sequence[int]) -> bool:
    """Whether heads (1-based, 0 for the root) are one tree: in range, one root, no cycle."""
    n = len(heads)
    if sum(head == 0 for head in heads) != 1 or not all(0 <= head <= n for head in heads):
        return False
    # With one root, being a tree is the same as every word being below it.
    children: list[list[int]] = [[] for _ in range(n + 1)]
    for word, head in enumerate(heads, start=1):
        children[head].append(word)
    reached = [0]
    for node in reached:
        reached.extend(children[node])
    return len(reached) == n + 1


def _attachment(gold: Sequence[Arc], predicted: Sequence[Arc]) -> dict[str, Counts]:
    uas, las = attachment_counts(gold, predicted)
    return {"uas": uas, "las": las}


KINDS: dict[str, Callable[[Any, Any], dict[str, Counts]]] = {
    "tags": lambda gold, predicted: {"accuracy": tag_counts(gold, predicted)},
    "spans": lambda gold, predicted: {"f1": span_counts(gold, predicted)},
    "tree": _attachment,
    "class": lambda gold, predicted: {"accuracy": class_counts(gold, predicted)},
}
"""What one sentence's gold and predicted annotation count for, by kind of annotation.

``tags``: a tag a word.  ``spans``: a BIO tag a word.  ``tree``: an `Arc` a word.  ``class``: one
label a sentence.  Each returns the metric's name with its `Counts`; the score is their `f1`.
"""

PRIMARY: dict[str, str] = {"tags": "accuracy", "spans": "f1", "tree": "las", "class": "accuracy"}
"""The metric that stands for a kind of annotation where there is room for one."""


def _check_lengths(gold: Sequence[object], predicted: Sequence[object], what: str) -> None:
    if len(gold) != len(predicted):
        raise MetricsError(
            f"{len(predicted)} predicted {what} for a sentence of {len(gold)} words; "
            "predict one for each word"
        )
