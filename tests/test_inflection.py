"""Inflection: regular forms by rule, tables of forms that the rules must give."""

import pytest

from mtlkit.inflection import compared, doubles, plural, verb_forms

REGULAR = {  # lemma: third person, past, progressive
    "walk": "walks walked walking",
    "stop": "stops stopped stopping",
    "try": "tries tried trying",
    "play": "plays played playing",
    "like": "likes liked liking",
    "agree": "agrees agreed agreeing",
    "tie": "ties tied tying",
    "fix": "fixes fixed fixing",
    "watch": "watches watched watching",
    "open": "opens opened opening",
    "travel": "travels travelled travelling",
    "refer": "refers referred referring",
    "visit": "visits visited visiting",
    "echo": "echoes echoed echoing",
    "boo": "boos booed booing",
    "panic": "panics panicked panicking",
    "quiz": "quizzes quizzed quizzing",
    "argue": "argues argued arguing",
    "dye": "dyes dyed dyeing",
}


@pytest.mark.parametrize("lemma", REGULAR)
def test_regular_verbs(lemma: str) -> None:
    forms = verb_forms(lemma)
    assert [forms[tag] for tag in ("VBZ", "VBD", "VBG")] == REGULAR[lemma].split()
    assert forms["VB"] == forms["VBP"] == lemma
    assert forms["VBN"] == forms["VBD"]


def test_irregular_forms_are_given() -> None:
    assert verb_forms("write", "wrote", "written")["VBN"] == "written"
    assert verb_forms("cut", "cut", "cut") == {
        **dict.fromkeys(("VB", "VBP", "VBD", "VBN"), "cut"), "VBZ": "cuts", "VBG": "cutting"
    }  # fmt: skip
    assert verb_forms("have", "had", "had")["VBZ"] == "has"


def test_plurals_and_comparison() -> None:
    assert [plural(word) for word in ("dish", "toy", "city", "tax", "quiz", "soliloquy")] == [
        *("dishes", "toys", "cities", "taxes", "quizzes", "soliloquies")
    ]
    assert [compared(word, "er") for word in ("big", "late", "dry", "happy", "cheap")] == [
        *("bigger", "later", "drier", "happier", "cheaper")
    ]
    assert [compared(word, "est") for word in ("useful", "tired", "boring", "wet")] == [
        *("", "", "", "wettest")
    ]
    assert not doubles("cook") and not doubles("fix") and doubles("plan")
