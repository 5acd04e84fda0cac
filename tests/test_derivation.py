"""Derivations: rules become linked words; commas go with what they set off."""

import random

import pytest

from mtlkit import grammar
from mtlkit.derivation import Derivation, Node, Scope, marked, top_of
from mtlkit.lexicon import LexiconError

RULES = """
Text 1 = Aside punct=,/PUNCT ^Clause punct=,/PUNCT advcl=Late punct=./PUNCT
Aside 1 = advmod=Often
Often 1 = ^often/ADV
Clause 1 = nsubj=Thing ^falls/VERB/VBZ/fall
Thing 1 = det=the/DET ^rain/NOUN
Late 1 = ^late/ADV
Maybe 1 = ^rain/NOUN amod=cold/ADJ?.5
Twice 1 = ^Missing punct=./PUNCT
Missing 1 = det=a/DET ^Gone
Gone 1 =
Lonely 1 = obl=Gone punct=,/PUNCT
Order 1 = make/VERB/VB ^Thing
Seen 1 = nsubj=Thing ^falls/VERB/VBZ/fall advmod=Note!
Note 1 = ^late/ADV
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    (tmp_path / "grammar.txt").write_text(RULES, "utf-8")
    monkeypatch.setattr(grammar, "FOLDER", tmp_path)
    derivation = Derivation("news", random.Random(3))
    derivation.compile()
    return lambda symbol, scope=None: derivation.expand(symbol, scope or Scope())


def arcs(nodes: list[Node]) -> list[tuple[str, str, str]]:
    return [(n.form, n.deprel, n.head.form if n.head else "") for n in nodes]


def test_words_are_in_order_and_linked_and_commas_belong_to_what_they_set_off(write) -> None:
    assert arcs(write("Text")) == [
        ("often", "advmod", "falls"), (",", "punct", "often"), ("the", "det", "rain"),
        ("rain", "nsubj", "falls"), ("falls", "", ""), (",", "punct", "late"),
        ("late", "advcl", "falls"), (".", "punct", "falls"),
    ]  # fmt: skip


def test_what_is_written_early_keeps_its_place(write) -> None:
    assert arcs(write("Seen"))[-1] == ("late", "advmod", "falls")


def test_what_is_optional_is_there_as_often_as_the_rule_says_and_less_when_deep(write) -> None:
    deep = Scope()
    deep.depth = 10
    often = sum(len(write("Maybe")) == 2 for _ in range(2000)) / 2000
    seldom = sum(len(write("Maybe", deep)) == 2 for _ in range(2000)) / 2000
    density = grammar.words()["domains"]["news"]["density"]
    assert often == pytest.approx(0.5 * density, abs=0.05)
    assert seldom == pytest.approx(0.5 * density * 0.9**10, abs=0.05)


def test_a_phrase_without_its_head_is_none_and_a_comma_needs_something(write) -> None:
    assert write("Twice") == []
    assert write("Lonely") == []


def test_a_bare_verb_of_the_grammar_is_a_command(write) -> None:
    assert write("Order")[0].feats == "Mood=Imp|Person=2|VerbForm=Fin"


def test_a_rule_that_names_nothing_known_is_refused(tmp_path, monkeypatch) -> None:
    (tmp_path / "grammar.txt").write_text("Text 1 = ^Ghost\n", "utf-8")
    monkeypatch.setattr(grammar, "FOLDER", tmp_path)
    with pytest.raises(LexiconError, match=r"^grammar.txt:1: there is no rule or phrase 'Ghost'$"):
        Derivation("news", random.Random(1)).compile()


def test_a_preposition_marks_the_top_of_its_phrase() -> None:
    article, noun = Node("the", "the", "DET", "DT", "det"), Node("soup", "soup", "NOUN", "NN")
    article.head = noun
    case, *rest = marked("with", [article, noun])
    assert (case.form, case.upos, case.deprel, case.head) == ("with", "ADP", "case", noun)
    assert rest == [article, noun] and top_of(rest) is noun
    assert marked("with", []) == []


def test_a_copied_scope_is_another_one() -> None:
    scope = Scope()
    scope.cls = "dish"
    inner = scope.inner()
    inner.cls = "spice"
    assert (scope.cls, scope.depth, inner.depth) == ("dish", 0, 1)
