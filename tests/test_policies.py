"""Rules: questions in plain words, answers with what is behind them, and the way from one to the
other."""

import math

import pytest

from mtlkit.policies import (
    FEATURES,
    ChoosingError,
    Features,
    Gain,
    Leaf,
    Question,
    Rule,
    Split,
    many,
    size_rule,
)


def leaf(family: str, *, joint: float = 6.25, combined: float = -1.0) -> Leaf:
    gains = (
        Gain("single", 0.0, 0.0, 0.0),
        Gain("joint", joint, joint - 2, joint + 2),
        Gain("combined", combined, combined - 2, combined + 2),
    )
    return Leaf(family, 6, ("dep", "ner"), 10, gains)


RULE = Rule(
    Split(
        Question("labels", 550),
        Split(Question("relatedness", 0.2), leaf("single"), leaf("joint")),
        leaf("combined"),
    )
)


def test_a_rule_is_followed_from_question_to_answer() -> None:
    assert (RULE.depth, [leaf.family for leaf in RULE.leaves]) == (
        2,
        ["single", "joint", "combined"],
    )
    related = Features(labels=300, support=3000, tasks=2, relatedness=0.2)
    assert RULE(related).family == "joint"
    assert [(str(question)[:9], yes) for question, yes in RULE.path(related)] == [
        ("Fewer tha", True),
        ("Do the su", False),
    ]
    many_labels = Features(labels=550, support=3000, tasks=2, relatedness=0.2)
    assert RULE(many_labels).family == "combined", "at the threshold one is not below it"
    assert [yes for _, yes in RULE.path(many_labels)] == [False]
    constant = Rule(leaf("single"))
    assert (constant.depth, constant.path(related)) == (0, ())


def test_unknown_relatedness_is_below_every_threshold() -> None:
    unknown = Features(labels=300, support=3000, tasks=2)
    assert RULE(unknown).family == "single"
    assert Question("relatedness", 0.001)(unknown)


@pytest.mark.parametrize(
    ("feature", "threshold", "text"),
    [
        ("labels", 550, "Fewer than 550 labelled sentences of your target?"),
        ("labels", 5500, "Fewer than 5,500 labelled sentences of your target?"),
        ("ratio", 0.18, "Fewer labels of your target than 18 % of those of each support task?"),
        ("ratio", 3.2, "Fewer labels of your target than 320 % of those of each support task?"),
        ("tasks", 2, "Fewer than 2 support tasks?"),
        (
            "relatedness",
            0.025,
            "Do the support labels tell less than 2.5 % of your target's labels, or is that "
            "unknown?",
        ),
    ],
)
def test_questions_are_plain(feature: str, threshold: float, text: str) -> None:
    assert str(Question(feature, threshold)) == text


def test_every_feature_can_be_asked_about() -> None:
    features = Features(labels=300, support=3000, tasks=2, relatedness=0.5)
    assert {name: features.value(name) for name in FEATURES} == {
        "labels": 300,
        "ratio": 0.1,
        "tasks": 2,
        "relatedness": 0.5,
    }
    for name in FEATURES:
        assert str(Question(name, 1)).endswith("?")


def test_gains() -> None:
    assert str(Gain("joint", 6.25, 4.06, 8.44)) == "+6.2 % [+4.1, +8.4]"
    assert str(Gain("joint", -1.0, -math.inf, math.inf)) == "-1.0 % (one seed)"
    assert (leaf("joint").gain.mean, leaf("joint").second.family) == (6.25, "single")
    assert (leaf("single").gain.mean, leaf("single").second.family) == (0.0, "joint")


def test_size_rule() -> None:
    assert size_rule(Features(labels=100, support=101, tasks=1)) == "joint"
    assert size_rule(Features(labels=100, support=100, tasks=1)) == "combined"
    assert size_rule(Features(labels=101, support=100, tasks=1)) == "combined"


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0, 100, 1, 0.5), "labels is 0: expected 1 or more"),
        ((10, -1, 1, 0.5), "support is -1: expected 1 or more"),
        ((10, 100, 0, 0.5), "tasks is 0: expected 1 or more"),
        ((10, 100, 1, 1.5), "relatedness is 1.5: expected a number from 0 to 1, or NaN where it"),
    ],
)
def test_numbers_that_no_cell_has(numbers: tuple[int, int, int, float], text: str) -> None:
    with pytest.raises(ChoosingError, match=text):
        Features(*numbers)


def test_many() -> None:
    assert [many(n, "cell") for n in (0, 1, 2, 1000)] == [
        "0 cells",
        "1 cell",
        "2 cells",
        "1,000 cells",
    ]
