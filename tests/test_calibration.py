"""Calibration: a peer library's numbers, exact intervals, a figure that says what it shows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from statsmodels.stats.proportion import proportion_confint

from mtlkit.calibration import CalibrationError, Score, brier, chart, judged, score, table
from mtlkit.figures import describe, save
from mtlkit.predictions import Guesses, everything


def guesses(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Certainties, and outcomes that are a little worse than they say."""
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.34, 1, n).round(2)
    return sure, (rng.uniform(size=n) < 0.9 * sure).astype(int)


def test_two_classes_as_sklearn_has_them() -> None:
    sure, right = guesses()
    assert brier(sure, right) == pytest.approx(brier_score_loss(right, sure), abs=1e-12)
    assert brier([1, 1, 0], [1, 0, 0]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("options", [2, 3, 4])
def test_all_options_as_sklearn_has_them(options: int) -> None:
    sure, right = guesses()
    rng = np.random.default_rng(1)
    guess = rng.integers(options, size=len(sure))
    other = (guess + rng.integers(1, options, size=len(sure))) % options
    outcome = np.where(right == 1, guess, other)
    shares = np.repeat(((1 - sure) / (options - 1))[:, None], options, axis=1)
    shares[np.arange(len(sure)), guess] = sure
    peer = brier_score_loss(outcome, shares, labels=np.arange(options), scale_by_half=False)
    found = score(sure, right, [options] * len(sure))
    assert found.all_options == pytest.approx(peer, abs=1e-12)
    if options == 2:  # then the two forms are the same but for a factor
        assert found.all_options == pytest.approx(2 * found.two_class, abs=1e-12)


def test_chance_is_what_equal_shares_score() -> None:
    found = score([1 / 2, 1 / 3, 1 / 3], [1, 0, 1], [2, 3, 3])
    assert found.chance == pytest.approx(found.all_options) == pytest.approx((1 / 2 + 4 / 3) / 3)
    assert score([1.0, 1.0], [1, 0], [3, 4]) == Score(0.5, 1.0, pytest.approx(17 / 24), 2)


def test_the_table_is_sklearns_curve_with_exact_intervals() -> None:
    sure, right = guesses()
    sure[:3], right[:3] = (0.4, 0.6, 1.0), (1, 0, 1)  # on the edges
    frame = table(sure, right)
    shares, means = calibration_curve(right, sure, n_bins=5)
    assert frame.share.tolist() == pytest.approx(list(shares), abs=1e-12)
    assert frame.sure.tolist() == pytest.approx(list(means), abs=1e-12)
    assert frame.guesses.sum() == len(sure) and frame.right.sum() == right.sum()
    for row in frame.itertuples():
        low, high = proportion_confint(row.right, row.guesses, method="beta")
        assert (row.low, row.high) == pytest.approx((low, high), abs=1e-9)
    assert frame["to"].tolist() == pytest.approx([0.4, 0.6, 0.8, 1.0]), "empty bins have no row"


def test_only_guesses_that_can_be_judged_are(tmp_path: Path) -> None:
    asked = Guesses("04", tmp_path)
    for key, guess, sure, outcome in (
        ("a", "x", 0.9, "x"), ("b", "x", 0.6, "y"), ("c", "x", None, "x"), ("d", "y", 0.7, None),
    ):  # fmt: skip
        asked.ask(key, options=("x", "y"), guess=guess, sure=sure)
        if outcome:
            asked.reveal(key, outcome)
    frame = judged(everything(tmp_path))
    assert frame.key.tolist() == ["a", "b"] and frame.right.tolist() == [True, False]
    found = score(frame.sure, frame.right, frame.options.map(len).tolist())
    assert found.two_class == pytest.approx((0.1**2 + 0.6**2) / 2)
    none = judged(everything(tmp_path / "none"))
    assert table(none.sure, none.right).empty


def test_the_chart_says_what_it_shows(tmp_path: Path) -> None:
    frame = table([0.5, 0.5, 0.9, 0.9, 1.0], [1, 1, 1, 0, 1])
    ax = chart(frame, title="Guesses")
    text = describe(ax)
    assert text.startswith("Calibration plot “Guesses”: share of guesses that were right against ")
    assert "50 % sure on average: 2 of 2 right [16 to 100 %]; " in text
    assert "93 % sure on average: 2 of 3 right [9 to 99 %]." in text
    drawn = [line.get_xydata().tolist() for line in ax.get_lines()]
    assert [[0.0, 0.0], [1.0, 1.0]] in drawn
    for row in frame.itertuples():
        assert [[row.sure, row.share]] in drawn
        assert [[row.sure, row.low], [row.sure, row.high]] in drawn
    save(ax, "calibration", folder=tmp_path)


def test_no_guess_is_said_and_the_diagonal_drawn(tmp_path: Path) -> None:
    ax = chart(table([], []))
    assert "no guess with an outcome yet, only the diagonal is drawn." in describe(ax)
    assert "No guess with an outcome yet" in [text.get_text() for text in ax.texts]
    (line,) = ax.get_lines()
    assert line.get_xydata().tolist() == [[0.0, 0.0], [1.0, 1.0]]
    save(ax, "calibration", folder=tmp_path)
    assert pd.DataFrame(table([], [])).columns.tolist()[:2] == ["from", "to"]


@pytest.mark.parametrize(
    ("sure", "right", "message"),
    [
        ([], [], r"sure has the shape \(0,\) and right \(0,\): expected one list each"),
        ([0.5], [1, 0], r"sure has the shape \(1,\) and right \(2,\)"),
        ([0.5, 60], [1, 0], r"sure has 60\.0: expected probabilities, from 0 to 1"),
        ([0.5, np.nan], [1, 0], "sure has nan: expected probabilities"),
        ([0.5, 0.6], [1, 2], r"right has 2\.0: expected True or False"),
    ],
)
def test_what_cannot_be_judged_is_named(sure: list, right: list, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        brier(sure, right)


def test_options_that_cannot_be_are_named() -> None:
    with pytest.raises(CalibrationError, match=r"options are \[1\]: expected a number of opt"):
        score([0.5], [1], [1])
    with pytest.raises(CalibrationError, match=r"options are \[2\]: .* for each of 2 guesses"):
        score([0.5, 0.5], [1, 0], [2])
