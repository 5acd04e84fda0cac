"""The embedded world's grammar and lexicon: reading, inflection, and what a faulty line says."""

import random
import re
from collections import Counter

import pytest

from mtlkit import grammar
from mtlkit.grammar import DOMAINS, Choices, GrammarError, inflected, item, load, noun, plural

IRREGULAR = {
    "cut": ("cut", "cut", "cuts", "cutting"),
    "write": ("wrote", "written", "writes", "writing"),
    "fly": ("flew", "flown", "flies", "flying"),
    "go": ("went", "gone", "goes", "going"),
    "have": ("had", "had", "has", "having"),
    "dry": ("dried", "dried", "dries", "drying"),
    "see": ("saw", "seen", "sees", "seeing"),
    "travel": ("travelled", "travelled", "travels", "travelling"),
    "open": ("opened", "opened", "opens", "opening"),
    "watch": ("watched", "watched", "watches", "watching"),
    "look": ("looked", "looked", "looks", "looking"),
    "fix": ("fixed", "fixed", "fixes", "fixing"),
    "play": ("played", "played", "plays", "playing"),
}


@pytest.mark.parametrize("lemma", IRREGULAR)
def test_inflection_of_verbs(lemma: str) -> None:
    past, participle, third, progressive = IRREGULAR[lemma]
    forms = inflected(lemma, past, participle)
    assert forms["VBZ"] == third
    assert forms["VBG"] == progressive
    assert (forms["VB"], forms["VBD"], forms["VBN"]) == (lemma, past, participle)


def test_nouns_say_how_they_are_counted() -> None:
    assert [plural(word) for word in ("dish", "toy", "city")] == ["dishes", "toys", "cities"]
    assert noun("knife/knives", "blade") == ("knife", "knives", "sg", "blade")
    assert noun("police*", "org").plural == "police"
    assert [noun(word, "x").kind for word in ("rice~", "mother^", "Monday")] == [
        *("mass", "one", "proper")
    ]


def test_choices_follow_their_weights() -> None:
    rng = random.Random(1)
    drawn = Counter(Choices("abc", [1, 2, 5]).draw(rng.random()) for _ in range(8000))
    assert [round(drawn[letter] / 1000) for letter in "abc"] == [1, 2, 5]
    zipf = Counter(Choices("abc").draw(rng.random()) for _ in range(9000))
    expected = [9000 / (rank + 2.7) / (1 / 2.7 + 1 / 3.7 + 1 / 4.7) for rank in range(3)]
    assert [zipf[letter] for letter in "abc"] == pytest.approx(expected, rel=0.05)


def test_items_of_a_rule() -> None:
    xpos = {"ADP": "IN"}
    assert item("case=in/ADP", xpos, "here").literal == ("in", "in", "ADP", "IN")
    assert item("punct=?/PUNCT", {}, "here").literal == ("?", "?", "PUNCT", "?")
    assert item("^said/VERB/VBD/say", {}, "here").literal == ("said", "say", "VERB", "VBD")
    read = item("conj=Opinion[main]~?.25", {}, "here")
    assert (read.relation, read.phrase, read.argument) == ("conj", "Opinion", "main")
    assert (read.chance, read.flip, read.head) == (0.25, True, False)


def test_a_faulty_item_is_shown_with_its_line() -> None:
    with pytest.raises(GrammarError, match=r"^grammar.txt:7: cannot read 'obj=\['; see the no"):
        item("obj=[", {}, "grammar.txt:7")


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("grammar.txt", "Text = ^Clause", "rule is 'Symbol weight = items', found 'Text = ^Cl"),
        ("verbs.tsv", "eat\tate\teaten\ttr\tnmrg\tghost\tdish\t-\t0", "called 'ghost'"),
        ("adjectives.tsv", "odd\tghost\t0", "no class or group of nouns called 'ghost'"),
    ],
)
def test_a_faulty_line_is_named(name, line, message, tmp_path, monkeypatch) -> None:
    for path in grammar.FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / name).read_text("utf-8")
    (tmp_path / name).write_text(f"{text}{line}\n", "utf-8")
    monkeypatch.setattr(grammar, "FOLDER", tmp_path)
    with pytest.raises(
        GrammarError, match=f"^{name}:{text.count(chr(10)) + 1}: .*?{re.escape(message)}"
    ):
        load.__wrapped__("news")


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_word_and_symbol_can_be_used(domain: str) -> None:
    """No rule without words: every class has adjectives of both polarities where it is judged."""
    read = load(domain)
    for cls in read.lexicon["groups"]["judged"].split():
        assert {(cls, sign) for sign in (1, -1)} <= set(read.adjectives)
    for pool in ("main", "say", "object", "exist") if domain == "news" else ("main",):
        assert read.verbs["pool", pool].things


def test_the_lexicon_is_large_and_its_lemmas_are_shared_by_parts_of_speech() -> None:
    nouns, verbs = set(), set()
    for domain in DOMAINS:
        read = load(domain)
        nouns |= {entry.lemma for words in read.nouns.values() for entry in words.things}
        verbs |= {entry.lemma for words in read.verbs.values() for entry in words.things}
    assert len(nouns | verbs) >= 600
    assert {"watch", "play", "book", "cook", "water", "plant", "saw"} <= nouns & verbs
    assert len(nouns & verbs) >= 80
