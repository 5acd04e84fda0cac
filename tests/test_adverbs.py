"""Adverbs: each kind where it fits, and at most one time or manner in a sentence."""

import random

from mtlkit.derivation import Node, Scope
from mtlkit.lexicon import words
from mtlkit.scenes import scene
from mtlkit.world import Writer

RESTAURANT = scene("restaurant")
KINDS = {kind: set(found.split()) for kind, found in words()["adverbs"].items()}


def writer(domain: str = "review") -> Writer:
    one = Writer(domain, "train", random.Random(1))
    one.scene = RESTAURANT
    return one


def drawn(one: Writer, scope: Scope, kind: str, n: int = 60) -> set[str]:
    """The adverbs that come, each as if the sentence had none yet."""
    found = set()
    for _ in range(n):
        one.timed = False
        found |= {node.form for node in one.adverb(scope, kind)}
    return found


def acting(lemma: str) -> Scope:
    scope = Scope()
    pool = RESTAURANT.pools["pool", "event"].things
    scope.verb = next(verb for verb in pool if verb.lemma == lemma and verb.adverbs)
    scope.frame, scope.tense = scope.verb.frame, "past"
    return scope


def test_the_degree_fits_the_adjective() -> None:
    one, scope = writer(), Scope()
    one.described = "good"
    assert drawn(one, scope, "strong") <= KINDS["strong"]
    assert drawn(one, scope, "degree") <= KINDS["degree"]
    one.described = "superb"
    assert drawn(one, scope, "strong") <= KINDS["absolute"] and not drawn(one, scope, "degree")
    one.described = "dead"
    assert not drawn(one, scope, "strong") and not drawn(one, scope, "degree")
    one.described, scope.rest = "good", (Node("not", "not", "PART", "RB"),)
    assert drawn(one, scope, "strong") == {"very"}


def test_an_opinion_has_the_adverbs_of_its_sign() -> None:
    one, scope = writer(), Scope()
    for sign, kind in ((1, "praise"), (-1, "blame")):
        scope.polarity = sign
        assert drawn(one, scope, "opinion") == KINDS[kind]


def test_how_it_was_done_is_said_once_and_not_foretold() -> None:
    one, scope = writer(), acting("wait")
    adverbs = set(scope.verb.adverbs)
    assert drawn(one, scope, "own") == adverbs
    manners = {word for word in adverbs if word.endswith("ly")} - one.regular
    assert drawn(one, scope, "manner") == manners != set()
    assert one.timed and one.adverb(scope, "own") == []  # it has one
    scope.tense, scope.finite = "modal", (Node("will", "will", "AUX", "MD"),)
    assert not drawn(one, scope, "manner")


def test_frequency_goes_with_the_tense_and_never_with_negation() -> None:
    one, scope = writer("message"), acting("wait")
    assert drawn(one, scope, "frequency") <= KINDS["past"]
    scope.tense = "present"
    assert drawn(one, scope, "frequency") <= KINDS["frequency"]
    scope.tense = "modal"
    assert not drawn(one, scope, "frequency")
    scope.tense, scope.finite = "past", (Node("n't", "not", "PART", "RB"),)
    assert not drawn(one, scope, "frequency")
