"""Adjectives: they fit a class and an opinion, and are compared as English does."""

import random
from itertools import pairwise

from mtlkit.derivation import Node
from mtlkit.scenes import scene
from mtlkit.world import Writer

RESTAURANT = scene("restaurant")


def writer(seed: int, *, domain: str = "news") -> Writer:
    one = Writer(domain, "train", random.Random(seed))
    one.scene = RESTAURANT
    return one


def test_adjectives_fit_the_class_and_the_opinion_and_none_comes_twice() -> None:
    one = writer(1, domain="review")
    for cls in RESTAURANT.judged:
        for sign in (1, -1):
            words = RESTAURANT.adjectives[cls, sign, ">"].things
            found = [node.form for _ in range(5) for node in one.describing(cls, sign, ">")]
            assert set(found) <= set(words) and len(found) == len(set(found)) >= 4
            one.used.clear()
    assert one.describing("no such class", 1, ">") == []


def test_comparison_by_ending_or_by_a_word() -> None:
    one = writer(1)

    def graded(word: str) -> list[str]:
        nodes = one.graded([Node(word, word, "ADJ", "JJ")], "er", "more", "RBR", "JJR")
        assert nodes[-1].lemma == word
        return [node.form for node in nodes]

    assert graded("good") == ["better"]
    assert graded("cheap") == ["cheaper"]
    assert graded("useful") == ["more", "useful"]


def test_extreme_words_are_neither_compared_nor_negated_nor_very() -> None:
    one = writer(1, domain="review")
    assert "superb" in one.extreme and "good" not in one.extreme
    assert one.graded([Node("superb", "superb", "ADJ", "JJ")], "er", "more", "RBR", "JJR") == []
    seen = set()
    for _ in range(2000):
        nodes, _ = one.sentence()
        for before, word in pairwise(nodes):
            if word.lemma in one.extreme and before.deprel == "advmod" and before.head is word:
                seen.add(before.form)
                assert before.form not in ("very", "so", "quite")
    assert seen >= {"absolutely", "really", "truly", "simply"}
