"""How often do 95 % intervals hold the truth?  Studies of few seeds, simulated by the thousand.

Each simulated study draws paired differences, one a seed, from a population whose mean is known,
and asks of each kind of interval whether that mean is in it.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mtlkit.aggregates import share_interval
from mtlkit.statistics import StatisticsError

__all__ = ["INTERVALS", "coverage", "residuals"]

Floats = NDArray[np.float64]
Bounds = tuple[Floats, Floats]
"""Low and high ends of intervals, [trial] each."""

TAILS = (0.025, 0.975)
"""What an interval of 95 % leaves out on either side."""

RESAMPLES = 999
"""Resamples of a bootstrap interval: with R + 1 = 1,000, tails of 2.5 % are whole numbers of them
(Davison & Hinkley 1997, Bootstrap Methods and their Application)."""

SHARED = 50
"""Trials that share their resamples: enough for speed, too few for one unlucky set to tell."""


def coverage(
    differences: Iterable[ArrayLike],
    *,
    seeds: Sequence[int] = (5, 10),
    trials: int = 10_000,
    rng: np.random.Generator,
    intervals: Sequence[str] = ("t", "BCa", "percentile"),
) -> pd.DataFrame:
    """Share of simulated studies whose interval of the mean difference holds the true mean.

    `differences`: a list of paired differences for each cell of the study, in any unit.  Two
    populations: ``normal``, and ``as met here``, the `residuals` of all cells with replacement, so
    that skew and tails are the study's.  Both have mean 0 and standard deviation 1: intervals move
    and stretch with the data, so the mean and the spread of a cell change nothing.

    A row for each population, number of seeds and interval (names of `INTERVALS`): coverage, its
    exact 95 % interval for so many trials (low, high), and trials.  Raises `StatisticsError`.
    """
    pool = residuals(differences)
    _check(seeds, trials, intervals)
    rows = []
    for population in ("normal", "as met here"):
        for n in seeds:
            size = (trials, n)
            normal = population == "normal"
            studies = rng.standard_normal(size) if normal else rng.choice(pool, size)
            for name in intervals:
                low, high = INTERVALS[name](studies, rng)
                found = share_interval(int(np.sum((low <= 0) & (high >= 0))), trials)
                rows.append((population, n, name, *found, trials))
    columns = ["population", "seeds", "interval", "coverage", "low", "high", "trials"]
    return pd.DataFrame(rows, columns=columns)


def residuals(differences: Iterable[ArrayLike]) -> Floats:
    """Deviations from the means of all cells in units of their standard deviations, pooled.

    A cell of n values is divided by s sqrt((n - 1) / n), with s as usual over n - 1, so that the
    pool has mean 0 and standard deviation 1 exactly.  Cells without spread or with a single value
    have no shape, and are left out.  No such residual is beyond ±sqrt(n - 1), at five ±2: few seeds
    hide long tails.  And cells skewed to either side cancel out: give all the same sign, e.g. the
    route that is tested minus the baseline.
    """
    pooled = []
    for number, values in enumerate(differences):
        cell = np.asarray(values, dtype=np.float64)
        if cell.ndim != 1 or not np.isfinite(cell).all():
            raise StatisticsError(
                f"cell {number}, of shape {cell.shape}, must be a list of finite differences, one "
                "a seed; leave out seeds whose run failed"
            )
        spread = cell.std() if len(cell) > 1 else 0.0
        if spread > 1e-12 * np.abs(cell).max(initial=0.0):
            pooled.append((cell - cell.mean()) / spread)
    if not pooled:
        raise StatisticsError(
            "no cell has two differences that differ, so there is no shape to draw from: give "
            "cells with at least two seeds"
        )
    return np.concatenate(pooled)


# ---- intervals of many studies at once; each equals the plain one of `statistics`


def _student(studies: Floats, rng: np.random.Generator) -> Bounds:
    """`statistics.t_interval` of each row of `studies`, [trial, seed]."""
    n = studies.shape[1]
    mean = studies.mean(axis=1)
    quantile = float(stats.t.ppf(TAILS[1], n - 1))
    reach = quantile * studies.std(axis=1, ddof=1) / np.sqrt(n)
    return mean - reach, mean + reach


def _percentile(studies: Floats, rng: np.random.Generator) -> Bounds:
    """Percentile bootstrap interval of the mean (Efron & Tibshirani 1993, chapter 13)."""
    return _quantiles(_resampled(studies, rng), np.full((len(studies), 2), TAILS))


def _bca(studies: Floats, rng: np.random.Generator) -> Bounds:
    """`statistics.bca_interval` of each row (Efron 1987, section 4), ties counted half below."""
    means = _resampled(studies, rng)
    mean = studies.mean(axis=1, keepdims=True)
    tie = 1e-9 * np.abs(studies - mean).max(axis=1, keepdims=True)
    below = ((means < mean - tie).mean(axis=1) + (means <= mean + tie).mean(axis=1)) / 2
    z0 = stats.norm.ppf(below)[:, None]
    # The jackknife means of a mean lie as far apart as the values, the other way round.
    apart = studies - mean
    square = np.sum(apart**2, axis=1, keepdims=True)
    acceleration = np.sum(apart**3, axis=1, keepdims=True) / np.where(square, 6 * square**1.5, 1)
    z = z0 + stats.norm.ppf(TAILS)
    return _quantiles(means, stats.norm.cdf(z0 + z / (1 - acceleration * z)))


INTERVALS: dict[str, Callable[[Floats, np.random.Generator], Bounds]] = {
    "t": _student,
    "BCa": _bca,
    "percentile": _percentile,
}
"""Intervals of the mean, by name: studies [trial, seed] and generator to bounds."""


def _resampled(studies: Floats, rng: np.random.Generator) -> Floats:
    """Means [trial, resample] of seeds drawn with replacement; see `SHARED`."""
    trials, n = studies.shape
    means = np.empty((trials, RESAMPLES))
    for start in range(0, trials, SHARED):
        weights = rng.multinomial(n, [1 / n] * n, size=RESAMPLES) / n
        means[start : start + SHARED] = studies[start : start + SHARED] @ weights.T
    return means


def _quantiles(means: Floats, shares: Floats) -> Bounds:
    """For each row of `means`, its quantiles at the two `shares`, between neighbours linear."""
    ordered = np.sort(means, axis=1)
    place = shares * (means.shape[1] - 1)
    left = np.minimum(place.astype(int), means.shape[1] - 2)
    near = np.take_along_axis(ordered, left, axis=1)
    far = np.take_along_axis(ordered, left + 1, axis=1)
    low, high = (near + (place - left) * (far - near)).T
    return low, high


def _check(seeds: Sequence[int], trials: int, intervals: Sequence[str]) -> None:
    if not seeds or min(seeds) < 2 or trials < 1:
        raise StatisticsError(
            f"seeds {list(seeds)} and {trials} trials: an interval needs at least two seeds, and "
            "coverage at least one trial"
        )
    if unknown := [name for name in intervals if name not in INTERVALS]:
        raise StatisticsError(f"no interval {unknown[0]!r}; there are {', '.join(INTERVALS)}")
