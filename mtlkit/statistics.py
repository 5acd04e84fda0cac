"""Is the difference real?  Paired differences, their intervals, and tests that assume little.

Two routes trained with the same seed share their labelled sentences and their initial weights, so
what one seed says is a *difference*.  Everything here works on those differences, one a seed.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

__all__ = [
    "Comparison",
    "Equivalence",
    "StatisticsError",
    "bca_interval",
    "check_level",
    "compare",
    "equivalence",
    "holm",
    "minimum_detectable",
    "p_text",
    "paired_difference",
    "sign_flip_test",
    "t_interval",
    "verdict",
]

Floats = NDArray[np.float64]
Verdict = Literal["higher", "lower", "undecided"]

EXACT_UP_TO = 20
"""The most differences for which all 2^n sign patterns are tried."""


class StatisticsError(ValueError):
    """Numbers from which nothing can be concluded: none, not finite, not paired, not in range."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A mean paired difference, its interval, and its p-value, in the unit of what was compared.

    `low` and `high`: 95 % t interval of the mean.  `p`: two-sided sign-flip test.  `n`: pairs.
    """

    mean: float
    low: float
    high: float
    p: float
    n: int

    @property
    def verdict(self) -> Verdict:
        """What the interval says about the first of the two: its side of zero, if it has one."""
        return verdict(self.low, self.high)

    @property
    def t_p(self) -> float:
        """Two-sided p of the paired t-test: below .05 exactly if `low` to `high` leaves out zero.

        Differences are taken as normal.  One pair gives 1; if all are the same it is 0, of zeros 1.
        """
        reach, freedom = (self.high - self.low) / 2, self.n - 1
        if reach in (0, math.inf):
            return float(reach > 0 or self.mean == 0)
        errors = abs(self.mean) / reach * float(stats.t.ppf(0.975, freedom))
        return 2 * float(stats.t.sf(errors, freedom))

    def scaled(self, factor: float) -> "Comparison":
        """The same comparison in another unit: fractions ``.scaled(100)`` are points."""
        low, high = sorted((self.low * factor, self.high * factor))
        return Comparison(mean=self.mean * factor, low=low, high=high, p=self.p, n=self.n)

    def __str__(self) -> str:
        """E.g. ``+1.23 [+0.40, +2.01], p = .0625, n = 5``; a small interval has more decimals."""
        width = self.high - self.low
        digits = 2
        if 0 < width < 1:
            digits = min(6, 1 - math.floor(math.log10(width)))
        mean, low, high = (f"{value:+.{digits}f}" for value in (self.mean, self.low, self.high))
        p = p_text(self.p)
        return f"{mean} [{low}, {high}], p {p if p[0] == '<' else f'= {p}'}, n = {self.n}"


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether a mean paired difference is small: see `equivalence`, in the unit of what went in.

    `low` and `high`: t interval of the mean.  `p`: the larger of the two one-sided p-values.
    """

    mean: float
    low: float
    high: float
    p: float
    margin: float
    n: int

    @property
    def verdict(self) -> Literal["equivalent", "different", "undecided"]:
        """The side of the margin on which the whole interval lies, if it lies on one.

        "equivalent": inside, smaller than the margin.  "different": outside, larger (the
        minimal-effects test of Murphy & Myors 1999, J. Applied Psychology 84:234; Lakens et al.
        2018, figure 1).  What is surely not zero may be undecided here: `compare` tells about zero.
        """
        if -self.margin < self.low and self.high < self.margin:
            return "equivalent"
        outside = self.low > self.margin or self.high < -self.margin
        return "different" if outside else "undecided"


def p_text(p: float) -> str:
    """A p-value as the field writes it: ``.0625``, ``1``, ``< .0001``."""
    if p < 0.0001:
        return "< .0001"
    return f"{p:.4f}".rstrip("0").rstrip(".").removeprefix("0")


def verdict(low: float, high: float) -> Verdict:
    """On which side of zero the interval from `low` to `high` lies, if on one."""
    if low > 0:
        return "higher"
    return "lower" if high < 0 else "undecided"


def paired_difference(a: ArrayLike, b: ArrayLike) -> Floats:
    """``a - b``, pair by pair; both in the same order of seeds.

    Raises `StatisticsError` unless both are finite, one-dimensional and equally long.
    """
    first, second = _values(a, "a"), _values(b, "b")
    if len(first) != len(second):
        raise StatisticsError(
            f"a has {len(first)} values and b has {len(second)}: a paired comparison needs the "
            "same seeds on both sides"
        )
    return first - second


def check_level(level: float) -> None:
    """Raise `StatisticsError` unless `level` can be the level of an interval."""
    if not 0 < level < 1:
        raise StatisticsError(f"level is {level}: it must lie between 0 and 1, e.g. 0.95")


def t_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean, mean ± t s / sqrt(n) (Student 1908, Biometrika 6:1).

    t is the quantile of n - 1 degrees of freedom.  Of normal values it covers at its `level`,
    however few they are.  It is symmetric, so skew costs some of that.  Values that are all equal
    give ``(mean, mean)``; a single one says nothing about spread, and gives ``(-inf, inf)``.
    """
    data = _values(values, "values")
    check_level(level)
    mean, n = float(data.mean()), len(data)
    if n == 1:
        return -math.inf, math.inf
    if _constant(data):
        return mean, mean
    quantile = float(stats.t.ppf((1 + level) / 2, n - 1))
    reach = quantile * float(data.std(ddof=1)) / math.sqrt(n)
    return mean - reach, mean + reach


def bca_interval(
    values: ArrayLike, *, level: float = 0.95, resamples: int = 9999, rng: np.random.Generator
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron 1987, JASA 82:171).

    It follows skew, which a symmetric interval cannot.  With few values it is too narrow: of five
    normal values a nominal 95 % covers about 84 %, of ten 90 %; see `coverage`.  Values that are
    all equal, and a single one, give what they give to `t_interval`.
    """
    data = _values(values, "values")
    check_level(level)
    mean = float(data.mean())
    if len(data) == 1 or _constant(data):
        return t_interval(data, level)
    # In standard units third powers of tiny values do not underflow, and `_tied_mean` can round.
    scale = float(np.abs(data - mean).max())
    interval = stats.bootstrap(
        ((data - mean) / scale,),
        _tied_mean,
        confidence_level=level,
        n_resamples=resamples,
        batch=max(1, 1_000_000 // len(data)),
        method="BCa",
        rng=rng,
    ).confidence_interval
    low, high = (mean + scale * float(bound) for bound in (interval.low, interval.high))
    # What `_tied_mean` rounds off must not put a bound that is zero on one side of zero.
    low, high = (0.0 if abs(bound) < 1e-9 * scale else bound for bound in (low, high))
    return low, high


def sign_flip_test(
    differences: ArrayLike, *, rng: np.random.Generator | None = None, resamples: int = 99_999
) -> float:
    """Two-sided p-value that the mean difference is zero (Fisher 1935, The Design of Experiments).

    If neither route is better, each difference is as likely with the other sign.  p is the share
    of sign patterns whose mean is at least as far from zero as the one observed.  Up to
    `EXACT_UP_TO` differences all 2^n patterns are tried, so n differences cannot give less than
    2 / 2^n (five: .0625, ten: .002).  Beyond that, `resamples` random patterns from `rng`, the
    observed one counted among them (Phipson & Smyth 2010).
    """
    data = _values(differences, "differences")
    # Sums of the same numbers in another order differ in the last bits; those are ties.
    threshold = abs(float(data.sum())) - 1e-12 * float(np.abs(data).sum())
    if len(data) <= EXACT_UP_TO:
        # A pattern and its opposite have the same |sum|: the first sign may stay fixed.
        sums = data[:1]
        for difference in data[1:]:
            sums = np.concatenate([sums + difference, sums - difference])
        return float(np.mean(np.abs(sums) >= threshold))
    if rng is None:
        raise StatisticsError(
            f"{len(data)} differences are too many to try every sign pattern "
            f"(more than {EXACT_UP_TO}): give rng, a numpy.random.Generator"
        )
    extreme, batch = 0, max(1, 1_000_000 // len(data))
    for start in range(0, resamples, batch):
        shape = (min(batch, resamples - start), len(data))
        signs = 2.0 * rng.integers(0, 2, shape) - 1.0
        extreme += int(np.sum(np.abs(signs @ data) >= threshold))
    return (1 + extreme) / (1 + resamples)


def holm(pvalues: ArrayLike) -> Floats:
    """p-values adjusted for having made all these tests (Holm 1979, Scand. J. Statistics 6:65).

    ``adjusted <= alpha`` rejects with a family-wise error of at most alpha, whatever the
    dependence.  The k-th smallest of m is multiplied by m - k + 1, and then none is smaller than
    the one before it.  Order is kept.
    """
    p = _values(pvalues, "pvalues")
    if p.min() < 0 or p.max() > 1:
        raise StatisticsError(f"p-values lie in [0, 1]; found {p.min():g} to {p.max():g}")
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def compare(a: ArrayLike, b: ArrayLike, *, rng: np.random.Generator | None = None) -> Comparison:
    """How much higher `a` is than `b`: one score a seed each, the same seeds in the same order.

    Only more than `EXACT_UP_TO` pairs need `rng`; see `sign_flip_test`.
    """
    differences = paired_difference(a, b)
    p, n = sign_flip_test(differences, rng=rng), len(differences)
    return Comparison(float(differences.mean()), *t_interval(differences), p=p, n=n)


def equivalence(a: ArrayLike, b: ArrayLike, *, margin: float, level: float = 0.95) -> Equivalence:
    """Is ``a - b`` surely within ±`margin`?  Two one-sided paired t-tests (TOST).

    With alpha = 1 - `level`, both "at most -margin" and "at least margin" are rejected at alpha
    exactly if the interval of level 1 - 2 alpha, 90 % by default, lies within the margin
    (Schuirmann 1987, J. Pharmacokinetics 15:657; Lakens 2017, Soc. Psych. Pers. Science 8:355).
    The margin is the largest difference that would not matter, in the unit of the scores, and is
    chosen before looking.  Differences are taken as normal, which few seeds cannot show.  One pair
    shows no spread: its interval is infinite and p is 1.  Raises `StatisticsError`.
    """
    differences = paired_difference(a, b)
    if not 0 < margin < math.inf or not 0.5 < level < 1:
        raise StatisticsError(
            f"margin {margin} at level {level}: margin must be a number above 0, in the unit of "
            "the scores, and level between 0.5 and 1, e.g. 0.95"
        )
    mean, n = float(differences.mean()), len(differences)
    low, high = t_interval(differences, level=2 * level - 1)
    if n == 1 or _constant(differences):
        p = float(n == 1 or abs(mean) >= margin)
    else:
        error = float(differences.std(ddof=1)) / math.sqrt(n)
        p = float(stats.t.sf((margin - abs(mean)) / error, n - 1))
    return Equivalence(mean, low, high, p, margin, n)


def minimum_detectable(differences: ArrayLike, *, power: float = 0.8, level: float = 0.95) -> float:
    """The smallest true mean difference that this design notices with probability `power`.

    With n differences of standard deviation s, it is the d for which a two-sided paired t-test at
    ``1 - level`` rejects with probability `power`:  P(|T| > t) = power,  T noncentral t with n - 1
    degrees of freedom and noncentrality d sqrt(n) / s  (Bloom 1995, Evaluation Review 19:547;
    noncentral t as in Cohen 1988, chapter 2, instead of Bloom's approximation, which is too small
    for few seeds).  "No difference found" means: probably none larger than this.  Fewer than
    three differences show too little of their spread, and give infinity.
    """
    data = _values(differences, "differences")
    if not 0 < level < 1 or not 1 - level < power < 1:
        raise StatisticsError(
            f"power {power} at level {level}: level must lie between 0 and 1, and power between "
            "1 - level and 1"
        )
    n = len(data)
    if n < 3:
        return math.inf
    if _constant(data):
        return 0.0
    freedom = n - 1
    critical = stats.t.ppf((1 + level) / 2, freedom)

    def lacking(noncentrality: float) -> float:
        # The noncentral t's far tail is the central one's near side: both by its cdf.
        above = stats.nct.sf(critical, freedom, noncentrality)
        below = stats.nct.cdf(-critical, freedom, noncentrality)
        return float(above + below) - power

    # Power grows with the difference; Bloom's sum of two quantiles is near the solution.
    high = float(critical + stats.t.ppf(power, freedom)) + 1.0
    while lacking(high) < 0:
        high *= 2
    noncentrality = float(optimize.brentq(lacking, 0.0, high))
    return noncentrality * float(data.std(ddof=1)) / math.sqrt(n)


def _values(values: ArrayLike, name: str) -> Floats:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or data.size == 0:
        raise StatisticsError(
            f"{name} has shape {data.shape}: it must be a list of at least one number"
        )
    if not np.isfinite(data).all():
        place = int(np.argmin(np.isfinite(data)))
        raise StatisticsError(
            f"{name}[{place}] is {data[place]}: leave out that seed on both sides, "
            "or find out why its run failed"
        )
    return data


def _tied_mean(values: Floats, axis: int = -1) -> Floats:
    """The mean; means that differ only by the order of summation come out equal.

    Few values give many resamples with the very mean of the data.  The bias correction counts
    such ties as half below; broken by rounding errors, they would shift the interval.
    """
    return np.asarray(np.mean(values, axis=axis)).round(9)


def _constant(data: Floats) -> bool:
    return float(np.ptp(data)) <= 1e-12 * float(np.abs(data).max())
