"""Phrases of the embedded world: linked words, and what a noun phrase may hold."""

import random
from itertools import pairwise

import pytest

from mtlkit.grammar import DOMAINS, Slot
from mtlkit.phrases import Node, Scope, marked
from mtlkit.world import Writer


def writer(seed: int, *, domain: str = "news", split: str = "train") -> Writer:
    return Writer(domain, split, random.Random(seed))


def tops(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if node.head is None]


def test_a_preposition_marks_the_top_of_its_phrase() -> None:
    article, noun = Node("the", "the", "DET", "DT", "det"), Node("soup", "soup", "NOUN", "NN")
    article.head = noun
    case, *rest = marked("with", [article, noun])
    assert (case.form, case.upos, case.deprel, case.head) == ("with", "ADP", "case", noun)
    assert rest == [article, noun]
    assert marked("with", []) == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_noun_phrase_has_one_top_and_every_other_word_a_relation(domain: str) -> None:
    for seed in range(200):
        slot = Slot("", ("dish", "event", "kin"), True)
        nodes, scope = writer(seed, domain=domain).noun_phrase(slot, Scope(), "indefinite")
        assert len(tops(nodes)) == 1
        assert all(node.deprel for node in nodes if node.head is not None)
        plural = tops(nodes)[0].xpos == "NNS"
        assert scope.agreement == (2 if plural else 3)


def test_what_belongs_elsewhere_is_left_out_of_a_noun_phrase() -> None:
    """Nothing modifies the soup that the verb or another noun would take."""
    free = 0
    for seed in range(300):
        one = writer(seed)
        scope = Scope()
        scope.cls = "dish"
        scope.blocked = one.takes["dish"]
        assert one.modifier(scope, "") == []
        scope.blocked = frozenset()
        free += bool(one.modifier(scope, ""))
    assert free > 100


@pytest.mark.parametrize(("entity", "cls"), [("PER", "person"), ("LOC", "region"), ("ORG", "org")])
def test_names_are_one_span_headed_first_if_of_persons_and_last_otherwise(entity, cls) -> None:
    longest = 0
    for seed in range(200):
        nodes = writer(seed).name(Scope(), cls)
        assert [node.ner for node in nodes] == [f"B-{entity}"] + [f"I-{entity}"] * (len(nodes) - 1)
        top = nodes[0] if entity == "PER" else nodes[-1]
        relation = "flat" if entity == "PER" else "compound"
        assert all(node.head is top and node.deprel == relation for node in nodes if node != top)
        longest = max(longest, len(nodes))
    assert longest == 2


def test_a_name_of_several_types_needs_a_context_that_decides() -> None:
    def forms(certain: bool) -> set[str]:
        scope = Scope()
        scope.certain = certain
        return {" ".join(n.form for n in writer(s).name(scope, "org")) for s in range(600)}

    assert {"Washington", "Ford"} <= forms(True)
    assert not {"Washington", "Ford"} & forms(False)


def test_names_held_out_are_not_in_training() -> None:
    first = {writer(seed).name(Scope(), "person")[0].form for seed in range(2000)}
    held = {writer(seed, split="dev").name(Scope(), "person")[0].form for seed in range(2000)}
    assert "Zara" in held - first


def test_adjectives_of_one_polarity_and_never_twice_running() -> None:
    one = writer(1, domain="review")
    drawn = [one.describing("dish", 1)[0].form for _ in range(200)]
    assert {"delicious", "hot"} <= set(drawn) and not {"cold", "stale", "small"} & set(drawn)
    assert all(first != second for first, second in pairwise(drawn))
    cold = {one.describing("drink", 1)[0].form for _ in range(400)}
    assert "cold" in cold  # of a drink it is praise
    assert one.describing("topic", 1) == []
