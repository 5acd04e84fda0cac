"""Scores to structures, for whole batches: trees with one root, spans that can be.

The best choice word by word mostly is a structure already; only where it is not, one is searched.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from ufal.chu_liu_edmonds import chu_liu_edmonds

__all__ = ["best_tags", "best_trees", "single_root_tree"]


def best_trees(scores: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """The highest-scoring single-root dependency tree of every sentence.

    Parameters
    ----------
    scores
        ``[batch, word, head]``: score of each word's head; head 0 is the root, head *i* word *i*.
    sizes
        Words in each sentence; what lies beyond is padding.

    Returns
    -------
    ndarray
        ``[batch, word]``: heads, 1-based; 0 is the root, and the head of padding.
    """
    batch, width, _ = scores.shape
    within = np.arange(width + 1) <= np.asarray(sizes)[:, None]  # [batch, head]
    words = within[:, 1:]
    heads = np.where(words, np.where(within[:, None], scores, -np.inf).argmax(-1), 0)
    # Follow all heads at once, twice as far in each step: in a tree everything comes to the root.
    above = np.concatenate([np.zeros((batch, 1), heads.dtype), heads], 1)
    for _ in range(width.bit_length()):
        above = np.take_along_axis(above, above, 1)
    one_root = ((heads == 0) & words).sum(1) == 1
    for i in np.flatnonzero(~one_root | above.any(1)).tolist():
        n = sizes[i]
        heads[i, :n] = single_root_tree(scores[i, :n, : n + 1])
    return heads


def single_root_tree(scores: np.ndarray) -> list[int]:
    """The highest-scoring dependency tree with exactly one root.

    Parameters
    ----------
    scores
        ``[word, word + 1]``: score of each word's head; column 0 is the root.

    Returns
    -------
    list of int
        A head for each word, 1-based; 0 is the root.

    Notes
    -----
    Chu and Liu 1965, Edmonds 1967.  One root only: every root arc is made worse by more than any
    tree could make good, which leaves the order among single-root trees unchanged (Stanojević and
    Cohen 2021, section 2.3).
    """
    size = len(scores)
    matrix = np.full((size + 1, size + 1), np.nan)
    matrix[1:] = scores
    matrix[np.arange(1, size + 1), np.arange(1, size + 1)] = np.nan  # no word heads itself
    matrix[1:, 0] -= 1.0 + size * (np.nanmax(matrix) - np.nanmin(matrix))
    heads, _ = chu_liu_edmonds(matrix)
    return [int(head) for head in heads[1:]]


def best_tags(scores: np.ndarray, sizes: Sequence[int], labels: Sequence[str]) -> np.ndarray:
    """The highest-scoring tags of every sentence; of spans, only such as can follow each other.

    ``I-x`` stands only after ``B-x`` or ``I-x`` (Ramshaw and Marcus 1995; strict BIO).  The search
    is Viterbi's (1967) with scores of 0 and minus infinity for what may and may not follow, which
    is how AllenNLP and others constrain a tagger that has no scores of transitions.

    Parameters
    ----------
    scores
        ``[batch, word, label]``: of each tag, unnormalised.
    sizes
        Words in each sentence.

    Returns
    -------
    ndarray
        ``[batch, word]``: indices of labels; beyond a sentence's end they mean nothing.
    """
    best = scores.argmax(-1)
    follows, starts = _allowed(tuple(labels))
    if follows.all() and starts.all():
        return best
    inside = np.arange(1, best.shape[1]) < np.asarray(sizes)[:, None]
    broken = ~starts[best[:, 0]] | (~follows[best[:, :-1], best[:, 1:]] & inside).any(1)
    for i in np.flatnonzero(broken).tolist():
        best[i, : sizes[i]] = _viterbi(scores[i, : sizes[i]], follows, starts)
    return best


@lru_cache(maxsize=64)
def _allowed(labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Which label may follow which ``[before, after]``, and which may be a sentence's first."""
    starts = np.array([not label.startswith("I-") for label in labels])
    same = [[a[:2] in ("B-", "I-") and a[2:] == b[2:] for b in labels] for a in labels]
    return starts | np.array(same), starts


def _viterbi(scores: np.ndarray, follows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The best allowed path through ``scores``, ``[word, label]``."""
    barred = np.where(follows, 0.0, -np.inf)
    total = scores[0] + np.where(starts, 0.0, -np.inf)
    back = []
    for row in scores[1:]:
        step = total[:, None] + barred  # [before, after]
        back.append(step.argmax(0))
        total = step.max(0) + row
    path = [int(total.argmax())]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return np.array(path[::-1])
