"""Calibration: is who says "60 % sure" right in 60 of 100 cases?

A *guess* names one of several options and says how sure it is, a probability.  What it leaves over
counts as shared by the other options alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from mtlkit.aggregates import share_interval
from mtlkit.figures import INK, MUTED, PALETTE, PAPER, canvas, style
from mtlkit.labelling import say

__all__ = ["BINS", "CalibrationError", "Score", "brier", "chart", "judged", "score", "table"]

BINS = 5
"""Bins of stated certainty; a course asks too few questions for more."""

Floats = NDArray[np.float64]


class CalibrationError(ValueError):
    """Guesses of which nothing can be said: not as many as outcomes, or no probabilities."""


@dataclass(frozen=True)
class Score:
    """How good guesses were: see `score`.  `n` of them; the lower, the better."""

    two_class: float
    all_options: float
    chance: float
    n: int


def judged(guesses: pd.DataFrame) -> pd.DataFrame:
    """The guesses of `predictions.everything` that say how sure they are and know their outcome."""
    known = guesses[guesses["sure"].notna() & guesses["right"].notna()]
    return known.astype({"right": bool}).reset_index(drop=True)


def brier(sure: ArrayLike, right: ArrayLike) -> float:
    """The mean of (sure - right)², where right is 1 or 0; 0 is perfect, 1 surely wrong throughout.

    The two-class form of the Brier score: the guess is right or it is not, whatever else there was.
    """
    stated, outcomes = _values(sure, right)
    return float(np.mean((stated - outcomes) ** 2))


def score(sure: ArrayLike, right: ArrayLike, options: Sequence[int]) -> Score:
    """The Brier score of guesses among several options (Brier 1950, Monthly Weather Review 78:1).

    ``two_class``: `brier`.  ``all_options``: the paper's own form, equation 2: for each guess the
    sum over its options of (probability - outcome)², from 0 to 2.  The certainty goes to the guess,
    what is left goes to the other options in equal parts (ours: a reader states one number).
    ``chance``: what ``all_options`` would be if every option had the same probability, a mean of
    1 - 1 / options.

    `options`: how many there were, for each guess; two or more.
    """
    stated, outcomes = _values(sure, right)
    many = np.asarray(options, dtype=float)
    if many.shape != stated.shape or (many < 2).any():
        raise CalibrationError(
            f"options are {list(options)!r}: expected a number of options, 2 or more, for each of "
            f"{len(stated)} guesses"
        )
    others = many - 1
    left = (1 - stated) / others  # to each other option
    hit = (stated - 1) ** 2 + others * left**2
    miss = stated**2 + (others - 1) * left**2 + (left - 1) ** 2
    return Score(
        two_class=brier(stated, outcomes),
        all_options=float(np.mean(np.where(outcomes == 1, hit, miss))),
        chance=float(np.mean(1 - 1 / many)),
        n=len(stated),
    )


def table(sure: ArrayLike, right: ArrayLike, *, bins: int = BINS) -> pd.DataFrame:
    """Stated certainty against what came true: a row for each bin that has guesses.

    Bins are equally wide; one holds its upper end, not its lower one.  Columns: from, to; guesses,
    right (numbers); sure, the mean certainty; share, the share right, with its exact 95 % interval,
    low and high (Clopper & Pearson 1934, see `aggregates.share_interval`).  No guesses, no rows.
    """
    edges = np.linspace(0, 1, bins + 1)
    columns = ["from", "to", "guesses", "right", "sure", "share", "low", "high"]
    if np.size(sure) == 0:
        return pd.DataFrame(columns=columns)
    stated, outcomes = _values(sure, right)
    place = np.searchsorted(edges[1:-1], stated)
    rows = []
    for number in np.unique(place):
        here = place == number
        n, k = int(here.sum()), int(outcomes[here].sum())
        share, low, high = share_interval(k, n)
        mean = float(stated[here].mean())
        rows.append((edges[number], edges[number + 1], n, k, mean, share, low, high))
    return pd.DataFrame(rows, columns=columns)


@style()
def chart(frame: pd.DataFrame, *, ax: Axes | None = None, title: str = "") -> Axes:
    """Draw a `table`: a point a bin, its exact interval, and the line where certainty is true.

    Below the line a reader was surer than right.  Without guesses only the line is drawn, and the
    figure says so.
    """
    ax = ax or canvas(width=4.6, height=4.0)[1][0]
    ax.plot([0, 1], [0, 1], color=INK, lw=1.0, zorder=1)
    ax.annotate(
        "as right as sure", (0.04, 0.04), (0, 5), textcoords="offset points",
        rotation=45, rotation_mode="anchor", transform_rotates_text=True, size=8, color=MUTED,
    )  # fmt: skip
    ax.text(0.98, 0.02, "surer than right", ha="right", color=MUTED, style="italic")
    ax.text(0.02, 0.96, "more right than sure", va="top", color=MUTED, style="italic")
    said = []
    for row in frame.itertuples():
        ax.plot([row.sure, row.sure], [row.low, row.high], color=PALETTE[0], lw=1.8, zorder=2)
        ax.plot(row.sure, row.share, "o", color=PALETTE[0], ms=7, mec=PAPER, mew=1.0, zorder=3)
        above = row.share > row.sure  # names stand on the side away from the diagonal
        ax.annotate(
            f"{row.right} of {row.guesses}", (row.sure, row.share), (-7 if above else 7, 0),
            textcoords="offset points", size=8, ha="right" if above else "left", va="center",
        )  # fmt: skip
        said.append(
            f"{100 * row.sure:.0f} % sure on average: {row.right} of {row.guesses} right "
            f"[{100 * row.low:.0f} to {100 * row.high:.0f} %]"
        )
    if not said:
        said = ["no guess with an outcome yet, only the diagonal is drawn"]
        ax.text(0.02, 0.74, "No guess with an outcome yet", weight="bold")
    ticks = np.linspace(0, 1, 6)
    names = [f"{100 * tick:.0f} %" for tick in ticks]
    ax.set_xticks(ticks, names)
    ax.set_yticks(ticks, names)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="How sure", ylabel="Right", title=title)
    ax.set_aspect("equal")
    return say(
        ax,
        title,
        "Calibration plot: share of guesses that were right against how sure they were, with exact "
        f"95 % interval, beside the diagonal of perfect calibration. {'; '.join(said)}.",
    )


def _values(sure: ArrayLike, right: ArrayLike) -> tuple[Floats, Floats]:
    stated, outcomes = np.asarray(sure, dtype=float), np.asarray(right, dtype=float)
    if stated.ndim != 1 or stated.shape != outcomes.shape or not len(stated):
        raise CalibrationError(
            f"sure has the shape {stated.shape} and right {outcomes.shape}: expected one list "
            "each, as long as the other, with a guess or more"
        )
    if not ((stated >= 0) & (stated <= 1)).all():
        worst = next(value for value in stated if not 0 <= value <= 1)
        raise CalibrationError(f"sure has {worst}: expected probabilities, from 0 to 1")
    if not np.isin(outcomes, (0, 1)).all():
        worst = next(value for value in outcomes if value not in (0, 1))
        raise CalibrationError(f"right has {worst}: expected True or False, or 1 and 0")
    return stated, outcomes
