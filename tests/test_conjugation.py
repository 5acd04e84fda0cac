"""Verb groups: tense, agreement and negation, and the tenses of two events that belong together."""

import random

import pytest

from mtlkit import world
from mtlkit.clauses import ClauseWriter
from mtlkit.derivation import Scope
from mtlkit.valency import be


def conjugated(tense: str, symbol: str, agreement: int, *, negated: bool = False) -> str:
    """The verb group of "chase" in one tense."""
    one = ClauseWriter("news", "train", random.Random(1))
    one.settings = one.settings | {"contraction": 0.0}
    pools = one.scene.pools["pool", "object"]
    scope = Scope()
    scope.verb, scope.frame, scope.agreement = pools.things[0], "tr", agreement
    one._tense = lambda scope, quiet: tense  # type: ignore[method-assign]
    one.modals.things = ["can"]  # type: ignore[assignment]
    one.modals.bounds, one.modals.total = [1.0], 1.0
    one.conjugate(symbol, scope, negated)
    words = [node.form for node in (*scope.finite, *scope.rest)]
    return " ".join([*words, scope.tag])


def test_conjugation() -> None:
    assert conjugated("past", "Clause", 3) == "VBD"
    assert conjugated("present", "Clause", 3) == "VBZ"
    assert conjugated("present", "Clause", 2) == "VBP"
    assert conjugated("progressive", "Clause", 1) == "am VBG"
    assert conjugated("perfect", "Clause", 3) == "has VBN"
    assert conjugated("modal", "Clause", 3) == "can VB"
    assert conjugated("past", "Passive", 2) == "were VBN"
    assert conjugated("progressive", "Passive", 3) == "is being VBN"
    assert conjugated("perfect", "Passive", 2) == "have been VBN"
    assert conjugated("past", "Inverted", 3) == "did VB"
    assert conjugated("modal", "Clause", 3, negated=True) == "can not VB"
    assert conjugated("past", "Clause", 3, negated=True) in ("did not VB", "never VBD")


def told(domain: str, relation: str, first: str, *, quiet: bool = False, **scope: bool) -> set[str]:
    """The tenses that a link's other half has after a first one."""
    one, found = ClauseWriter(domain, "train", random.Random(1)), set()
    here = Scope()
    here.linked = relation
    here.__dict__.update(scope)
    for _ in range(60):
        one.begin()
        one.told = first
        found.add(one._told(here, quiet))
    return found


def test_the_other_half_of_a_link_agrees_in_tense() -> None:
    assert told("news", "so", "past") == {"past"}
    assert told("news", "so", "perfect") == {"perfect"}  # has lost it, so he has called her
    assert told("news", "then", "perfect") == {"past"}
    assert told("news", "so", "perfect", subordinate=True) == {"past"}
    assert told("news", "while", "progressive") == {"progressive"}
    assert told("news", "while", "progressive", quiet=True) == {"present"}
    assert told("message", "so", "modal") == {"modal"}
    assert told("message", "then", "modal", subordinate=True) == {
        "present"
    }  # will go after it ends
    assert told("message", "so", "present") == {"modal"}  # I am ill, so I will stay
    assert told("message", "so", "present", quiet=True) == {"present"}
    assert told("guide", "so", "present") == {"present"}


@pytest.mark.parametrize("domain", world.DOMAINS)
def test_conditions_are_in_the_present(domain: str) -> None:
    assert told(domain, "so", "", conditional=True, subordinate=True) == {"present"}
    assert told(domain, "so", "modal", conditional=True, subordinate=True) == {"present"}


def test_nobody_asks_why_something_will_be() -> None:
    one, found = ClauseWriter("message", "train", random.Random(1)), set()
    for _ in range(200):
        one.begin()
        nodes = one.verbal("Why", Scope(), "<so")
        found |= {n.xpos for n in nodes if n.head is None or n.head.head is None}
    assert "MD" not in found and {"VBD", "VB"} <= found


def test_be_has_the_adjective_that_a_link_asks_for() -> None:
    one = ClauseWriter("news", "train", random.Random(1))
    scope = Scope()
    scope.verb = be("is", one.scene.slot("", one.scene.people[0], "here"), ("tired", "ill"))
    scope.frame, scope.agreement = "is", 3
    one.conjugate("Clause", scope, negated=False)
    [copula] = [node for node in (*scope.finite, *scope.rest) if node.lemma == "be"]
    assert copula.deprel == "cop"
    assert {one.said_to_be(scope, "")[0].form for _ in range(30)} == {"tired", "ill"}
