"""At which ratio of sizes does the better route become the worse one?  A line that crosses zero."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mtlkit.statistics import StatisticsError, check_level, verdict

__all__ = ["Crossover", "crossover"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Crossover:
    """Where a difference changes its sign, in the unit of the log ratio; see `crossover`.

    `at`: the place, nan if the line is level.  `low` and `high`: its interval, perhaps infinite.
    `slope`, `slope_low`, `slope_high`: of the line.  `clusters`: how many there are.
    """

    at: float
    low: float
    high: float
    slope: float
    slope_low: float
    slope_high: float
    clusters: int

    @property
    def sloped(self) -> bool:
        """Whether the slope's interval leaves out zero: else there may be no crossing at all."""
        return verdict(self.slope_low, self.slope_high) != "undecided"


def crossover(
    log_ratio: ArrayLike,
    difference: ArrayLike,
    *,
    cluster: Sequence[Hashable],
    level: float = 0.95,
) -> Crossover:
    """Where the least-squares line of `difference` over `log_ratio` crosses zero.

    Three lists with a place a cell: the log of a ratio of sizes, what one route scores more than
    another there, and the cluster, e.g. the target task: clusters are what is sampled.

    Variances V are those of the line without each cluster in turn (cluster jackknife: Bell &
    McCaffrey 2002, Survey Methodology 28:169), and t has one degree of freedom less than there are
    clusters.  The line a + b x may be zero wherever its t interval holds zero, that is where

        (a + b x)^2 <= t^2 (V_aa + 2 x V_ab + x^2 V_bb)

    (Fieller 1954, J. Royal Statistical Society B 16:175).  If the slope's interval holds zero, this
    is unbounded on both sides, and is given as ``(-inf, inf)``, whatever gap it may have: the line
    may be level, and cross as far out as you like.  In a simulation 95 % of three to twenty
    clusters covered 94 to 96 %.  One cluster, or one without which there is a single ratio, gives
    infinite intervals.
    """
    x, y = _checked(log_ratio, difference, cluster)
    check_level(level)
    # Where x spans 1 and y lies within 1, rounding errors can be told from small slopes.
    centre, width, height = float(x.mean()), float(np.ptp(x)), float(np.abs(y).max()) or 1.0
    x, y = (x - centre) / width, y / height
    a, b = whole = _line(x, y)
    members = [np.array([each == name for each in cluster]) for name in dict.fromkeys(cluster)]
    clusters = len(members)
    apart = np.array([_line(x[~here], y[~here]) - whole for here in members])
    place = slope = (-np.inf, np.inf)
    if not np.isnan(apart).any():
        t = float(stats.t.ppf((1 + level) / 2, clusters - 1))
        (aa, ab), (_, bb) = t**2 * (clusters - 1) / clusters * apart.T @ apart
        slope = b - np.sqrt(bb), b + np.sqrt(bb)
        if verdict(*slope) != "undecided":
            curve, half, constant = b * b - bb, a * b - ab, a * a - aa
            root = np.sqrt(max(half * half - curve * constant, 0.0))
            place = (-half - root) / curve, (-half + root) / curve
    at = -a / b if b else np.nan
    places = [float(centre + width * value) for value in (at, *place)]
    slopes = [float(height / width * value) for value in (b, *slope)]
    return Crossover(places[0], places[1], places[2], slopes[0], slopes[1], slopes[2], clusters)


def _line(x: Floats, y: Floats) -> Floats:
    """Intercept and slope [2] of the least-squares line; nan if all x are the same."""
    if x.size == 0 or np.ptp(x) < 1e-6:
        return np.array([np.nan, np.nan])
    slope = np.polyfit(x, y, 1)[0].round(9)
    return np.array([y.mean() - slope * x.mean(), slope])


def _checked(
    log_ratio: ArrayLike, difference: ArrayLike, cluster: Sequence[Hashable]
) -> tuple[Floats, Floats]:
    x, y = np.asarray(log_ratio, dtype=np.float64), np.asarray(difference, dtype=np.float64)
    if not x.shape == y.shape == (len(cluster),):
        raise StatisticsError(
            f"log_ratio has shape {x.shape}, difference {y.shape}, and cluster {len(cluster)} "
            "entries: give three lists with one entry for each cell"
        )
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        place = int(np.argmin(np.isfinite(x) & np.isfinite(y)))
        raise StatisticsError(
            f"cell {place} has log_ratio {x[place]:g} and difference {y[place]:g}: leave out cells "
            "that failed, and sizes of zero, which have no logarithm"
        )
    if x.size == 0 or np.ptp(x) == 0:
        found = "no cell" if x.size == 0 else f"every log_ratio is {x[0]:g}"
        raise StatisticsError(f"{found}: a line needs at least two different ratios of sizes")
    return x, y
