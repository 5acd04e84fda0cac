"""Words about comparisons: decided only where the interval leaves out zero."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit.statistics import Comparison
from mtlkit.verdicts import guessed, sentence

numbers = st.floats(-50, 50, allow_nan=False)


def comparison(low: float, high: float) -> Comparison:
    return Comparison(mean=(low + high) / 2, low=low, high=high, p=0.0625, n=5)


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (1.0, 3.0, "joint **scores higher than** single: +2.00 [+1.00, +3.00], p = .0625, n = 5"),
        (-3.0, -1.0, "joint **scores lower than** single: -2.00 [-3.00, -1.00]"),
        (-1.0, 3.0, "joint against single is **undecided**: +1.00 [-1.00, +3.00]"),
        (0.0, 2.0, "joint against single is **undecided**"),
    ],
)
def test_the_interval_decides(low: float, high: float, says: str) -> None:
    text = sentence(comparison(low, high), "joint", "single", where="ner, 50 labels")
    assert text.startswith(f"ner, 50 labels: {says}")
    assert text.endswith("(points).")


@given(numbers, numbers)
def test_no_verdict_across_zero(one: float, other: float) -> None:
    low, high = sorted((one, other))
    text = sentence(comparison(low, high), "a", "b")
    assert ("undecided" in text) == (low <= 0 <= high)


def test_few_seeds_are_a_hint() -> None:
    few = Comparison(mean=2.0, low=1.0, high=3.0, p=0.25, n=3)
    assert sentence(few, "a", "b").endswith("With 3 seeds this is a hint.")
    assert "hint" not in sentence(comparison(-1, 1), "a", "b")


def test_other_verbs_and_units() -> None:
    text = sentence(comparison(1, 2), "a", "b", unit="seconds", higher="takes longer than")
    assert text == "a **takes longer than** b: +1.50 [+1.00, +2.00], p = .0625, n = 5 (seconds)."


def test_a_guess_is_answered() -> None:
    assert guessed(None, "joint") == "you made no guess; the runs say joint."
    assert guessed("joint", "joint", where="ner") == "ner: you guessed joint, and so say the runs."
    assert guessed("single", "joint") == "you guessed single; the runs say joint."
    assert guessed("a", "b", how=" (60 % sure)") == "you guessed a (60 % sure); the runs say b."
    assert guessed("a", "a", how=" (60 % sure)").startswith("you guessed a (60 % sure), and so")
