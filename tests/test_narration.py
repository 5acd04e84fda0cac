"""Links as they are told: in every order, with pronouns only where they are clear."""

import random
from collections import Counter

import pytest

from mtlkit.derivation import Node, Scope
from mtlkit.lexicon import RELATIONS
from mtlkit.scenes import scene
from mtlkit.world import DOMAINS, Writer

RESTAURANT = scene("restaurant")


def writer(domain: str = "news", seed: int = 1) -> Writer:
    one = Writer(domain, "train", random.Random(seed))
    one.scene = RESTAURANT
    return one


def told(one: Writer, symbol: str, scope: Scope | None = None) -> list[Node]:
    """One phrase of a sentence of its own."""
    one.begin()
    return one.expand(symbol, scope or Scope())


@pytest.mark.parametrize("domain", DOMAINS)
def test_stories_and_orders_have_two_verbs_and_one_top(domain: str) -> None:
    one, found = writer(domain), 0
    for symbol in ("Story", "Order", "Ask"):
        for _ in range(200):
            scope = Scope()
            scope.polarity = int(one.opinions)
            nodes = told(one, symbol, scope)
            if nodes:
                assert sum(node.head is None for node in nodes) == 1
                assert all(node.deprel for node in nodes if node.head is not None)
                predicates = [n for n in nodes if n.deprel in ("", "conj", "advcl")]
                assert len(predicates) >= 2
                found += 1
    assert found > 300


def test_the_same_class_is_the_same_one() -> None:
    """The halves of a link share a referent: a pronoun, or its own noun or name again."""
    one, shared = writer(), Counter[str]()
    for relation in RELATIONS:
        for _ in range(200):
            one.begin()
            first = one.verbal("Half", Scope(), relation)
            if not first or one.left is None:
                continue
            known = {cls: mention.pronoun for cls, mention in one.met.items()}
            lemmas = {node.lemma for node in first} | {node.form for node in first}
            subject = one.left.verb.subject.classes
            second = one.verbal("Half", Scope(), "next")
            again = [cls for cls in subject if cls in known]
            if second and again:
                node = next(n for n in second if n.deprel == "nsubj")
                assert node.lemma == known[again[0]] or node.lemma in lemmas
                shared[node.upos] += 1
    assert shared["PRON"] > 100 and shared["NOUN"] + shared["PROPN"] > 10


def test_a_pronoun_that_two_could_have_is_a_noun() -> None:
    one = writer()
    one.begin()
    one.uniform = lambda: 0.99  # type: ignore[method-assign]
    guest, waiter = Node("guest", "guest", "NOUN", "NN"), Node("waiter", "waiter", "NOUN", "NN")
    one.meet("guest", "he", 3, [guest])
    assert [node.form for node in one.again("guest", "Acc")] == ["him"]
    one.meet("waiter", "he", 3, [waiter])
    assert [node.form for node in one.again("guest", "Acc")] == ["the", "guest"]
    my = Node("my", "I", "PRON", "PRP$", "nmod:poss")
    my.head = sister = Node("sister", "sister", "NOUN", "NN")
    one.meet("kin", "he", 3, [my, sister])
    assert [node.form for node in one.again("kin", "Nom")] == ["my", "sister"]
    one.meet("bill", "it", 3, [Node("bill", "bill", "NOUN", "NN")])
    one.meet("soup", "it", 3, [Node("soup", "soup", "NOUN", "NN")])
    assert [node.form for node in one.again("bill", "Nom")] == ["the", "bill"]
    assert [node.form for node in one.again("bill", "Acc")] == ["it"]


def test_what_has_no_subject_has_that_of_the_other_half() -> None:
    one = writer("message")
    for _ in range(300):
        one.begin()
        if one.verbal("Half", Scope(), "to"):
            doer = one.doer
            if one.verbal("ToVerb", Scope(), "next"):
                assert one.doer == doer
    one.begin()
    assert one.verbal("ToVerb", Scope(), "next") == []  # there is nothing left


def test_commands_are_for_you_and_never_negated_or_a_state() -> None:
    one, found = writer("guide"), 0
    for _ in range(300):
        one.begin()
        nodes = one.verbal("Command", Scope(), "<so")
        if nodes:
            assert RESTAURANT.classes[one.doer].me and one.met[one.doer].pronoun == "you"
            assert all(node.lemma not in ("be", "not") for node in nodes)
            found += 1
    assert found > 50


def test_reviews_tell_what_they_say() -> None:
    one = writer("review")
    for sign in (1, -1):
        scope = Scope()
        scope.polarity = sign
        signs = set()
        for relation in RELATIONS:
            links = RESTAURANT.links.get((relation, sign))
            signs |= {link.sign for link in links.things} if links else set()
        assert signs == {sign}
        assert any(told(one, "Story", scope) for _ in range(20))
