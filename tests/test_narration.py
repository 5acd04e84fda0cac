"""Links as they are told: in every order, with pronouns only where they are clear."""

import random
from collections import Counter

import pytest

from mtlkit.derivation import Node, Scope, top_of
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
                predicates = [n for n in nodes if n.deprel in ("", "conj", "advcl", "acl:relcl")]
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
            top = top_of(nodes)
            assert top.xpos == "VB" and top.lemma != "be"
            assert all(node.lemma != "not" for node in nodes if node.head is top)
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


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_chain_tells_each_event_once_and_the_next_follows_from_it(domain: str) -> None:
    one, told_links, events = writer(domain), [], Counter[int]()
    opened = one._opened

    def noted(scope: Scope, pool: str) -> object:
        half = opened(scope, pool)
        if half is not None:
            told_links.append((pool, one.link))
        return half

    one._opened = noted  # type: ignore[method-assign, assignment]
    for _ in range(300):
        told_links.clear()
        scope = Scope()
        scope.polarity = int(one.opinions)
        nodes = told(one, "Chain", scope)
        if not nodes:
            continue
        said = [link for _, link in told_links]
        assert told_links[0][0][0] != "+" and any(pool[0] == "+" for pool, _ in told_links)
        links = [said[0], *[link for pool, link in told_links[1:] if pool[0] == "+"]]
        verbs = [node.lemma for node in nodes if node.upos == "VERB"]
        assert len(verbs) == len(set(verbs)) or domain == "news"  # relative clauses may repeat
        follow = sum(
            any(a.second.meets(b.first) for a in links[:n]) for n, b in enumerate(links) if n
        )
        assert follow == len(links) - 1
        events[len(links) + 1] += 1
    assert events.total() > 60 and set(events) <= {3, 4, 5, 6, 7, 8, 9} and events[3] > 20
    assert min(events) == 3 and max(events) > 3


def test_an_object_may_have_the_other_event_as_its_clause() -> None:
    """ "The inspector fined the owner who ...": one tells why the other is so."""
    one, found = writer(), 0
    for relation in ("<so", "<then"):
        for _ in range(400):
            one.begin()
            nodes = one.verbal("HalfOf", Scope(), relation)
            if nodes:
                top = top_of(nodes)
                clause = next(
                    node
                    for node in nodes
                    if node.deprel == "acl:relcl"
                    and node.head
                    and node.head.head is top
                    and node.head.deprel in ("obj", "obl")
                )
                assert clause.head is not None and clause.head.upos == "NOUN"
                who = next(node for node in nodes if node.head is clause)
                assert (who.deprel, who.feats) == ("nsubj", "PronType=Rel")
                found += 1
    assert found > 20


def test_what_somebody_tries_is_an_infinitive() -> None:
    one, matrix = writer(), Counter[str]()
    for _ in range(300):
        one.begin()
        nodes = one.verbal("Trying", Scope(), "so")
        if nodes:
            top = top_of(nodes)
            goal = next(node for node in nodes if node.head is top and node.deprel == "xcomp")
            assert goal.xpos == "VB" and goal.lemma != "be"
            assert any(node.head is goal and node.form == "to" for node in nodes)
            matrix[top.lemma] += 1
    assert len(matrix) > 8 and "want" in matrix


def test_a_passive_tells_an_event_of_a_link_with_its_object_as_subject() -> None:
    one, found = writer(), 0
    for _ in range(300):
        one.begin()
        nodes = one.verbal("Passive", Scope(), "<so")
        if nodes:
            assert one.half is not None and one.half.verb.frame in ("tr", "pt")
            assert one.half.subject_cls in one.half.verb.object.classes
            assert top_of(nodes).xpos == "VBN"
            found += 1
    assert found > 50
