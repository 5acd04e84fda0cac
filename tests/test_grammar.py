"""The grammar: items, rules by domain, and what a faulty line says."""

import random

import pytest

from mtlkit import grammar, lexicon
from mtlkit.clauses import ClauseWriter
from mtlkit.grammar import item, rules
from mtlkit.lexicon import DOMAINS, LexiconError


def test_items_of_a_rule() -> None:
    assert item("case=in/ADP", "here").literal == ("in", "in", "ADP", "IN")
    assert item("punct=?/PUNCT", "here").literal == ("?", "?", "PUNCT", "?")
    assert item("^said/VERB/VBD/say", "here").literal == ("said", "say", "VERB", "VBD")
    read = item("conj=Opinion[main]~?.25", "here")
    assert (read.relation, read.phrase, read.argument) == ("conj", "Opinion", "main")
    assert (read.chance, read.flip, read.head, read.early) == (0.25, True, False, False)
    assert item("advcl=If!", "here").early and item("punct=!/PUNCT", "here").literal
    assert item("nmod:poss=Owner", "here").relation == "nmod:poss"


def test_a_faulty_item_is_shown_with_its_line() -> None:
    with pytest.raises(LexiconError, match=r"^grammar.txt:7: cannot read 'obj=\['; see the no"):
        item("obj=[", "grammar.txt:7")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Text = ^Clause", "a rule is 'Symbol weight = items', found 'Text = ^Clause'"),
        ("Text 1 = ^Clause ^Clause", "a rule has one head '^', found 'Text 1 = ^Clause ^Clause'"),
    ],
)
def test_a_faulty_rule_is_named(tmp_path, monkeypatch, line: str, message: str) -> None:
    (tmp_path / "grammar.txt").write_text(f"# rules\n{line}\n", "utf-8")
    monkeypatch.setattr(grammar, "FOLDER", tmp_path)
    with pytest.raises(LexiconError) as error:
        rules("news")
    assert str(error.value) == f"grammar.txt:2: {message}"


def test_rules_of_a_domain_replace_the_general_ones(tmp_path, monkeypatch) -> None:
    (tmp_path / "grammar.txt").write_text(
        "A 1 = ^x/NOUN\nA 2 = ^y/NOUN\nA@news 1 = ^z/NOUN\nB 1 =\n", "utf-8"
    )
    monkeypatch.setattr(grammar, "FOLDER", tmp_path)
    assert [items[0].literal[0] for items in rules("news")["A"].things] == ["z"]
    assert [items[0].literal[0] for items in rules("guide")["A"].things] == ["x", "y"]
    assert rules("guide")["B"].things == [()]


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_symbol_is_a_rule_or_has_a_method_and_every_rule_is_used(domain: str) -> None:
    writer = ClauseWriter(domain, "train", random.Random(1))
    items = [each for choices in writer.rules.values() for rule in choices.things for each in rule]
    named = {each.argument if each.phrase == "More" else each.phrase for each in items}
    by_name = {"Text", "Common", "RelativeClause", "InThePlace", "Leads", "Infinitive"}
    prefixes = ("VP.", "Told.", "NP.", "Common.", "Det.", "When.", "Time.")
    # What only another domain's sentences use is there too.
    elsewhere = {
        each.phrase
        for other in DOMAINS
        for choices in rules(other).values()
        for rule in choices.things
        for each in rule
    }
    for symbol in writer.rules:
        used = symbol in named | by_name | elsewhere or symbol.startswith(prefixes)
        assert used or symbol in writer.phrases, f"{symbol} is never used"
    assert lexicon.words()["domains"].keys() == set(DOMAINS)
