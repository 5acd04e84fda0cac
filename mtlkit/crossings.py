"""At which ratio of sizes does the better route become the worse one?  A line that crosses zero."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mtlkit.aggregates import percentile_interval
from mtlkit.statistics import StatisticsError, check_level, verdict

__all__ = ["Crossover", "crossover", "fieller"]

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


class _Line(NamedTuple):
    """A least-squares line by its sums, in standard units.

    There rounding errors can be told from small slopes.  `sums`: [cluster, 5], of 1, x, y, x x and
    x y over a cluster's cells, where x = (log ratio - `centre`) / `width` spans 1, and
    y = difference / `height` lies within ±1.
    """

    sums: Floats
    centre: float
    width: float
    height: float

    def found(self, place: tuple[float, float], slope: tuple[float, float]) -> Crossover:
        """The crossover with these intervals, from standard units to those of the study."""
        (intercept,), (steep,) = _least_squares(self.sums.sum(axis=0, keepdims=True))
        at = -intercept / steep if steep else np.nan
        places = [float(self.centre + self.width * value) for value in (at, *place)]
        slopes = [float(self.height / self.width * value) for value in (steep, *slope)]
        return Crossover(
            places[0], places[1], places[2], slopes[0], slopes[1], slopes[2], len(self.sums)
        )


_ANYWHERE = (-np.inf, np.inf)


def crossover(
    log_ratio: ArrayLike,
    difference: ArrayLike,
    *,
    cluster: Sequence[Hashable],
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 9999,
) -> Crossover:
    """Where the least-squares line of `difference` over `log_ratio` crosses zero.

    Three lists with a place a cell: the log of a ratio of sizes, what one route scores more than
    another there, and the cluster, e.g. the target task, whose cells are drawn together (cluster
    bootstrap, percentiles).

    A place is in the interval if the drawn lines are there neither surely above nor surely below
    zero.  As in Fieller's problem (Fieller 1954, J. Royal Statistical Society B 16:175) that may be
    unbounded: if the slope's interval holds zero, the line may be level and cross as far out as you
    like, on either side, and the interval is ``(-inf, inf)``.

    Clusters are what is sampled.  With few of them intervals are too narrow (Cameron, Gelbach &
    Miller 2008, Rev. Economics and Statistics 90:414): in a simulation 95 % of five covered 82 %,
    of twenty 92 %.  `fieller` does better there.  With one they are infinite.  Draws whose cells
    all have one ratio have no slope, and are left out.
    """
    line = _line(log_ratio, difference, cluster)
    check_level(level)
    clusters = len(line.sums)
    if clusters == 1:
        return line.found(_ANYWHERE, _ANYWHERE)
    draws = rng.multinomial(clusters, [1 / clusters] * clusters, size=resamples)
    intercepts, slopes = _least_squares(draws @ line.sums)
    slope = percentile_interval(slopes, level)
    if verdict(*slope) == "undecided":
        return line.found(_ANYWHERE, slope)
    sign = np.sign(slope[0])  # a line upside down crosses zero at the same place
    return line.found(_crossings(sign * intercepts, sign * slopes, level), slope)


def fieller(
    log_ratio: ArrayLike,
    difference: ArrayLike,
    *,
    cluster: Sequence[Hashable],
    level: float = 0.95,
) -> Crossover:
    """The crossing of `crossover`, with an interval for few clusters: by formula, no bootstrap.

    Variances V are those of the line without each cluster in turn (cluster jackknife: Bell &
    McCaffrey 2002, Survey Methodology 28:169), and t has one degree of freedom less than there are
    clusters.  The line a + b x may be zero wherever its t interval holds zero, that is where

        (a + b x)^2 <= t^2 (V_aa + 2 x V_ab + x^2 V_bb)

    (Fieller 1954, J. Royal Statistical Society B 16:175).  If the slope's interval holds zero, this
    is unbounded on both sides, and is given as ``(-inf, inf)``, whatever gap it may have.  In a
    simulation 95 % of three to twenty clusters covered 94 to 96 %.  One cluster, or one without
    which there is a single ratio, gives infinite intervals.
    """
    line = _line(log_ratio, difference, cluster)
    check_level(level)
    whole, clusters = line.sums.sum(axis=0, keepdims=True), len(line.sums)
    without = _least_squares(whole - line.sums)
    if clusters == 1 or len(without[0]) < clusters:
        return line.found(_ANYWHERE, _ANYWHERE)
    (a,), (b,) = _least_squares(whole)
    apart = np.stack(without) - [[a], [b]]
    t = float(stats.t.ppf((1 + level) / 2, clusters - 1))
    (aa, ab), (_, bb) = t**2 * (clusters - 1) / clusters * apart @ apart.T
    slope = b - np.sqrt(bb), b + np.sqrt(bb)
    if verdict(*slope) == "undecided":
        return line.found(_ANYWHERE, slope)
    curve, half, constant = b * b - bb, a * b - ab, a * a - aa
    root = np.sqrt(max(half * half - curve * constant, 0.0))
    return line.found(((-half - root) / curve, (-half + root) / curve), slope)


def _least_squares(sums: Floats) -> tuple[Floats, Floats]:
    """Intercepts and slopes of lines, from the sums [line, 5] of `_Line`.

    A line whose x are all the same has no slope: it is left out.
    """
    n, x, y, xx, xy = sums.T
    spread = n * xx - x * x
    known = spread > 1e-12 * n * n
    slopes = ((n * xy - x * y)[known] / spread[known]).round(9)
    return (y[known] - slopes * x[known]) / n[known], slopes


def _crossings(intercepts: Floats, slopes: Floats, level: float) -> tuple[float, float]:
    """First and last place where a share of lines between the two tails is above zero.

    Nearly all lines rise.  If all do, these are percentiles of where they cross; a line that falls
    is above zero to the left of its crossing.
    """
    crosses = slopes != 0
    places = -intercepts[crosses] / slopes[crosses]
    order = np.argsort(places)
    always = np.sum(slopes < 0) + np.sum(intercepts[~crosses] > 0)  # above zero on the far left
    above = (always + np.cumsum(np.sign(slopes[crosses])[order])) / len(slopes)
    tail = (1 - level) / 2
    inside = places[order][(above >= tail) & (above <= 1 - tail)]
    return float(inside[0]), float(inside[-1])


def _line(log_ratio: ArrayLike, difference: ArrayLike, cluster: Sequence[Hashable]) -> _Line:
    """The lists of `crossover`, checked and summed."""
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
    centre, width, height = float(x.mean()), float(np.ptp(x)), float(np.abs(y).max()) or 1.0
    x, y = (x - centre) / width, y / height
    cells = np.stack([np.ones_like(x), x, y, x * x, x * y], axis=1)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(cluster))}
    sums = np.zeros((len(numbers), 5))
    np.add.at(sums, [numbers[name] for name in cluster], cells)
    return _Line(sums, centre, width, height)
