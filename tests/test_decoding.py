"""Decoding: the best of all trees and tags that can be, by brute force and a peer library."""

import itertools
import math

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlkit.decoding import best_tags, best_trees, single_root_tree
from mtlkit.metrics import is_tree, spans

BIO = ("B-LOC", "B-PER", "I-LOC", "I-PER", "O")


def score(matrix: np.ndarray, tree: list[int]) -> float:
    return sum(matrix[i, head] for i, head in enumerate(tree))


@given(st.integers(1, 5), st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 1000]))
def test_best_tree_is_the_best_of_all_trees(n: int, seed: int, spread: int) -> None:
    """Whole numbers, so that ties are many and sums exact."""
    matrix = np.random.default_rng(seed).integers(-spread, spread + 1, (n, n + 1)).astype(float)
    best = max(
        score(matrix, list(tree))
        for tree in itertools.product(range(n + 1), repeat=n)
        if is_tree(tree)
    )
    found = single_root_tree(matrix)
    assert is_tree(found)
    assert score(matrix, found) == best


@settings(max_examples=40)
@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.floats(0, 8))
def test_best_tree_is_that_of_another_library(n: int, seed: int, pull: float) -> None:
    """One root child after the other, the best arborescence; ``pull`` makes many roots tempting."""
    matrix = np.random.default_rng(seed).normal(size=(n, n + 1))
    matrix[:, 0] += pull
    best = -math.inf
    for child in range(1, n + 1):
        graph = networkx.DiGraph()
        graph.add_edge(0, child, weight=matrix[child - 1, 0])
        graph.add_weighted_edges_from(
            (head, word, matrix[word - 1, head])
            for head, word in itertools.permutations(range(1, n + 1), 2)
            if word != child
        )
        tree = networkx.maximum_spanning_arborescence(graph, preserve_attrs=True)
        best = max(best, tree.size(weight="weight"))
    found = single_root_tree(matrix)
    assert is_tree(found)
    assert score(matrix, found) == pytest.approx(best)


def test_a_word_is_never_its_own_head_however_tempting() -> None:
    matrix = np.zeros((3, 4))
    matrix[np.arange(3), np.arange(1, 4)] = 1e6
    assert is_tree(single_root_tree(matrix))
    assert single_root_tree(np.array([[-5.0, 9.0]])) == [0]


@settings(max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_a_batch_of_trees_is_each_tree(sizes: list[int], seed: int) -> None:
    """Padding says nothing, whatever its scores; and some of the greedy ones are no trees."""
    rng = np.random.default_rng(seed)
    width = max(sizes)
    scores = rng.normal(size=(len(sizes), width, width + 1))
    scores[:, :, 0] += rng.normal()
    found = best_trees(scores, sizes)
    for i, n in enumerate(sizes):
        alone = scores[i, :n, : n + 1]
        assert is_tree(found[i, :n].tolist())
        assert score(alone, found[i, :n].tolist()) == pytest.approx(
            score(alone, single_root_tree(alone))
        )
        assert not found[i, n:].any()


def test_greedy_heads_that_are_a_tree_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtlkit.decoding.single_root_tree", lambda scores: 1 / 0)
    heads = [[2, 0, 2, 3], [0, 1, 2, 3], [4, 4, 4, 0]]
    scores = np.eye(5)[np.array(heads)]
    assert best_trees(scores, [4, 4, 4]).tolist() == heads
    scores[0, 1] = np.eye(5)[1]  # 1 and 2 head each other
    with pytest.raises(ZeroDivisionError):
        best_trees(scores, [4, 4, 4])


# ---- tags


def allowed(tags: tuple[str, ...]) -> bool:
    before = ("O", *tags)
    return all(
        tag[0] != "I" or (last != "O" and last[2:] == tag[2:])
        for last, tag in zip(before, tags, strict=False)
    )


@settings(max_examples=60)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_best_tags_are_the_best_of_all_that_can_be(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(len(sizes), max(sizes), len(BIO)))
    found = best_tags(scores, sizes, BIO)
    for i, n in enumerate(sizes):
        paths = itertools.product(range(len(BIO)), repeat=n)
        can_be = [path for path in paths if allowed(tuple(BIO[j] for j in path))]
        best = max(can_be, key=lambda path: sum(scores[i, k, j] for k, j in enumerate(path)))
        assert tuple(found[i, :n]) == best
        tags = [BIO[j] for j in found[i, :n]]
        assert sum(tag[0] == "B" for tag in tags) == len(spans(tags))


def test_tags_that_are_no_spans_are_the_best_word_by_word() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 5, 4))
    found = best_tags(scores, [5, 2, 4], ("ADJ", "NOUN", "PRON", "VERB"))
    assert (found == scores.argmax(-1)).all()
