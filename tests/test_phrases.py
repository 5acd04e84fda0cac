"""Noun phrases: linked words, agreement, fitting adjectives, no modifier that is elsewhere's."""

import random
from collections import Counter

import pytest

from mtlkit.derivation import Node, Scope, top_of
from mtlkit.lexicon import DOMAINS, Slot
from mtlkit.scenes import Scene, scene
from mtlkit.world import Writer

RESTAURANT = scene("restaurant")


def writer(seed: int, *, domain: str = "news", setting: Scene = RESTAURANT) -> Writer:
    one = Writer(domain, "train", random.Random(seed))
    one.scene = setting
    return one


def tops(nodes: list[Node]) -> list[Node]:
    return [node for node in nodes if node.head is None]


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_noun_phrase_has_one_top_and_every_other_word_a_relation(domain: str) -> None:
    one = writer(1, domain=domain)
    for _ in range(300):
        one.used.clear()
        slot = Slot("", (one.one_of(RESTAURANT.things), "kin"), True)
        nodes, scope = one.noun_phrase(slot, Scope(), "indefinite")
        assert len(tops(nodes)) == 1
        assert all(node.deprel for node in nodes if node.head is not None)
        assert scope.agreement == (2 if tops(nodes)[0].xpos == "NNS" else 3)


def test_what_belongs_elsewhere_is_left_out_of_a_noun_phrase() -> None:
    """Nothing modifies a noun that the verb or another noun would take."""
    one, free = writer(1), 0
    for cls, taken in RESTAURANT.takes.items():
        for _ in range(40):
            scope = Scope()
            scope.cls, scope.blocked = cls, taken
            assert one.modifier(scope, "") == []
            scope.blocked = frozenset()
            one.used.clear()
            free += bool(one.modifier(scope, ""))
    assert free > 200


def test_the_possessive_is_the_subject_s() -> None:
    one = writer(1)
    scope = Scope()
    scope.owner, scope.role, scope.cls = "she", "object", "wine"
    forms = {one.possessive(scope, "")[0].form for _ in range(50)}
    assert forms == {"her", "the"}


def test_a_list_is_of_one_class_and_number_and_names_nothing_twice() -> None:
    one, found = writer(1), Counter[int]()
    for _ in range(300):
        one.begin()
        scope = Scope()
        scope.cls, scope.role = "veg", "object"
        nodes = one.common(scope, one.one_of(("pair", "triple")))
        if not nodes:
            continue
        top = top_of(nodes)
        listed = [top, *[node for node in nodes if node.deprel == "conj"]]
        assert len({node.xpos for node in listed}) == 1 and {n.sense for n in listed} == {"food"}
        assert len({node.lemma for node in listed}) == len(listed)
        found[len(listed)] += 1
    assert found[2] > 30 and found[3] > 30
