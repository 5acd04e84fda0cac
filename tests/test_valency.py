"""Verbs: each frame is read with what it selects, and a faulty line is named."""

import pytest

from mtlkit.lexicon import LexiconError, Line, Slot
from mtlkit.valency import be, read_verb

KNOWN = {"cook", "dish", "spoon", "plate"}


def slot(preposition: str, names: str, where: str) -> Slot:
    return Slot(preposition, tuple(name for name in names.split(",") if name in KNOWN), True)


def read(body: str, subject: str = "cook"):
    past = {"eat": ("ate", "eaten")}
    return read_verb(Line("here:1", "verb", subject, body), slot, past)


@pytest.mark.parametrize(
    ("body", "frame", "obj", "goal"),
    [
        ("rest", "in", ("", ()), ("", ())),
        ("eat dish", "tr", ("", ("dish",)), ("", ())),
        ("look at dish", "pr", ("at", ("dish",)), ("", ())),
        ("use_up dish", "pt", ("", ("dish",)), ("", ())),
        ("bring cook > dish", "di", ("", ("dish",)), ("to", ("cook",))),
        ("buy cook >for dish", "di", ("", ("dish",)), ("for", ("cook",))),
        ("put dish onto plate", "pu", ("", ("dish",)), ("onto", ("plate",))),
        ("say THAT", "that", ("", ()), ("", ())),
        ("ask cook TO", "o-to", ("", ("cook",)), ("", ())),
    ],
)
def test_frames(body: str, frame: str, obj: tuple, goal: tuple) -> None:
    verb = read(body)
    assert verb.frame == frame
    assert (verb.object[:2], verb.goal[:2]) == (obj, goal)
    assert verb.subject.classes == ("cook",)


def test_adjuncts_adverbs_marks_and_forms() -> None:
    verb = read("eat~+ dish; with spoon; on ghost; *slowly")
    assert [each[:2] for each in verb.adjuncts.things] == [("with", ("spoon",))]
    assert (verb.adverbs, verb.valence, verb.stative) == (("slowly",), 1, True)
    assert (verb.forms["VBD"], verb.forms["VBN"], verb.forms["VBG"]) == ("ate", "eaten", "eating")
    assert read("burn- dish").valence == -1


def test_a_verb_for_which_there_is_nothing_is_left_out() -> None:
    assert read("eat ghost") is None
    assert read("eat dish", subject="ghost") is None
    assert read("put dish onto ghost") is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "cannot read the verb ''"),
        ("Eat dish", "cannot read the verb 'Eat'"),
        ("eat_into dish", "cannot read the verb 'eat_into'"),
        ("eat dish dish dish", "cannot read the complement 'dish dish dish'"),
        ("eat dish; spoon", "an adjunct is 'preposition classes' or '*adverb', found 'spoon'"),
    ],
)
def test_a_faulty_line_is_named(body: str, message: str) -> None:
    with pytest.raises(LexiconError) as error:
        read(body)
    assert str(error.value) == f"here:1: {message}"


def test_be() -> None:
    verb = be("is", Slot("", ("dish",)), ("cold",), -1)
    assert (verb.frame, verb.stative, verb.adverbs, verb.valence) == ("is", True, ("cold",), -1)
    assert (verb.forms["VBD"], verb.forms["VBN"]) == ("was", "been")
