"""Across tasks and sentences: aggregates that no single run decides, with their intervals.

Scores stand in arrays [task, seed], a row a task and a column a seed, as fractions in [0, 1].  What
is drawn again in a bootstrap is what another study would draw anew: seeds, or sentences.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mtlkit.statistics import StatisticsError, check_level

__all__ = [
    "Estimate",
    "error_reduction",
    "iqm",
    "micro_f1",
    "percentile_interval",
    "probability_of_improvement",
    "share_interval",
    "stratified_interval",
    "two_way_interval",
]

Floats = NDArray[np.float64]
Aggregate = Callable[[Floats], float]
"""Scores [task, seed] to one number, e.g. `iqm` or `numpy.mean`."""

Score = Callable[[Floats], Floats]
"""Summed counts [..., 3], that is right, predicted and gold, to scores [...]: e.g. `micro_f1`."""


class Estimate(NamedTuple):
    """A number and its interval, of level 95 % if no other was asked for."""

    value: float
    low: float
    high: float


# ---- across tasks


def error_reduction(scores: ArrayLike, baseline: ArrayLike) -> Floats:
    """Share of the baseline's errors that are gone, (score - baseline) / (1 - baseline).

    Of fractions in [0, 1], in any shapes that broadcast.  1: no error is left; 0: as many as
    before; below 0: more.  It puts tasks of unlike difficulty on one scale.
    """
    score, base = np.asarray(scores, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    for name, values in (("scores", score), ("baseline", base)):
        wrong = ~((values >= 0) & (values <= 1))  # so that nan is wrong too
        if wrong.any():
            raise StatisticsError(
                f"{name} holds {values[wrong].flat[0]:g}: error reduction needs fractions in "
                "[0, 1]; divide points by 100, and leave out runs that failed"
            )
    if (base == 1).any():
        raise StatisticsError(
            "baseline holds 1: it makes no errors, so there is none to reduce; leave out that task"
        )
    return np.asarray((score - base) / (1 - base))


def iqm(scores: ArrayLike) -> float:
    """Interquartile mean: the mean of the middle half of all scores, of whatever task and seed.

    Single tasks hardly move it, and it is steadier than the median (Agarwal et al. 2021, "Deep RL
    at the edge of the statistical precipice", section 4.3).  A quarter of the scores, rounded down,
    is cut off at each end.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64), axis=None)
    cut = len(ordered) // 4
    if not len(ordered) or not np.isfinite(ordered).all():
        raise StatisticsError(
            f"scores of shape {np.shape(scores)}: the interquartile mean needs at least one, and "
            "all must be finite; leave out runs that failed"
        )
    return float(ordered[cut : len(ordered) - cut].mean())


def stratified_interval(
    a: ArrayLike,
    aggregate: Aggregate,
    *,
    b: ArrayLike | None = None,
    paired: bool = True,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> Estimate:
    """``aggregate(a)``, or ``aggregate(a) - aggregate(b)``, and its stratified bootstrap interval.

    `a` and `b`: [task, seed].  Seeds are drawn again within each task, and tasks are kept (Agarwal
    et al. 2021, section 4.1; percentiles).  So it tells what other seeds would say of these very
    tasks.  If `paired`, a column has one seed on both sides, and is drawn on both together; else
    each side is drawn by itself, and may have its own number of seeds.  With n seeds the interval
    of a mean is sqrt((n - 1) / n) of what it should be, however many the tasks: of five, 0.89.
    """
    sides = [_matrix(a, "a")] if b is None else [_matrix(a, "a"), _matrix(b, "b")]
    if len(sides) == 2 and (paired or len(sides[0]) != len(sides[1])):
        _same_shape(*sides)

    def value(of: Iterable[Floats]) -> float:
        first, *rest = map(aggregate, of)
        return float(first - sum(rest))

    def draw() -> list[Floats]:
        chosen = [rng.integers(side.shape[1], size=side.shape) for side in sides]
        if paired:
            chosen = chosen[:1] * len(sides)
        return [np.take_along_axis(s, c, axis=1) for s, c in zip(sides, chosen, strict=True)]

    draws = np.array([value(draw()) for _ in range(resamples)])
    return Estimate(value(sides), *percentile_interval(draws, level))


def probability_of_improvement(
    a: ArrayLike,
    b: ArrayLike,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> Estimate:
    """How often `a` beats `b` at the same seed, ties counted half; mean over tasks.

    `a` and `b`: [task, seed].  Deviation from Agarwal et al. 2021 (section 4.3), who compare each
    run with every other: here only runs of one seed, as these share labels and initial weights.
    The interval is `stratified_interval`'s.  Where one side wins at every seed it has no width, and
    does not mean certainty: `share_interval` of the wins has one.
    """
    first, second = _matrix(a, "a"), _matrix(b, "b")
    _same_shape(first, second)
    wins = np.sign(first - second) / 2 + 0.5
    return stratified_interval(
        wins, lambda w: float(w.mean()), rng=rng, level=level, resamples=resamples
    )


def share_interval(k: int, n: int, level: float = 0.95) -> Estimate:
    """k of n as a share, with its exact interval (Clopper & Pearson 1934, Biometrika 26:404).

    It covers with at least probability `level`, for every n and every true share.
    """
    if not 0 <= k <= n or n < 1:
        raise StatisticsError(
            f"{k} of {n} is no share: k must lie between 0 and n, n be at least 1"
        )
    check_level(level)
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if k > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return Estimate(k / n, low, high)


def percentile_interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """What bootstrap draws leave between their two tails (Efron & Tibshirani 1993, chapter 13)."""
    check_level(level)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


# ---- across sentences


def micro_f1(totals: Floats) -> Floats:
    """2 right / (predicted + gold) of summed counts [..., 3]; 0 where there is nothing.

    Where every item has one prediction this is accuracy or LAS; see `metrics.f1`, its plain form.
    """
    items = totals[..., 1] + totals[..., 2]
    return np.divide(2 * totals[..., 0], items, out=np.zeros_like(items), where=items > 0)


def two_way_interval(
    counts_a: ArrayLike,
    counts_b: ArrayLike,
    score: Score = micro_f1,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> Estimate:
    """Mean difference of scores over seeds; its interval is over seeds and test sentences at once.

    `counts_a` and `counts_b`: [seed, sentence, 3], that is right, predicted and gold, of the same
    seeds and sentences on both sides.  A seed's score is that of its summed counts.  Every draw
    takes seeds and, independently of them, sentences with replacement, the same for both sides
    (pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1:386; percentiles).  So it tells
    what other seeds would say of other sentences, where an interval over seeds keeps these very
    sentences.  What is particular to a seed on a sentence is counted up to three times (Owen,
    section 4), which widens; few seeds, as in `stratified_interval`, narrow.
    """
    sides = [_counts(counts_a, "counts_a"), _counts(counts_b, "counts_b")]
    _same_sentences(*sides)
    seeds, sentences, _ = sides[0].shape
    value = float(np.mean(score(sides[0].sum(axis=1)) - score(sides[1].sum(axis=1))))
    draws: list[Floats] = []
    batch = max(1, 4_000_000 // sentences)
    for start in range(0, resamples, batch):
        size = min(batch, resamples - start)
        of_seeds = rng.multinomial(seeds, [1 / seeds] * seeds, size=size) / seeds
        of_sentences = rng.multinomial(sentences, [1 / sentences] * sentences, size=size)
        a, b = (
            score(np.tensordot(of_sentences.astype(np.float64), side, axes=(1, 1)))
            for side in sides
        )
        draws.append(np.sum(of_seeds * (a - b), axis=1))
    return Estimate(value, *percentile_interval(np.concatenate(draws), level))


def _counts(counts: ArrayLike, name: str) -> Floats:
    data = np.asarray(counts, dtype=np.float64)
    if data.ndim != 3 or data.shape[2] != 3 or data.size == 0:
        raise StatisticsError(
            f"{name} has shape {data.shape}: it must be [seed, sentence, 3], with the counts "
            "right, predicted and gold of each sentence"
        )
    wrong = (data[..., 0] < 0) | ~(data[..., 0] <= data[..., 1:].min(axis=-1))
    if wrong.any():
        seed, sentence = map(int, np.argwhere(wrong)[0])
        raise StatisticsError(
            f"{name}[{seed}, {sentence}] is {data[seed, sentence].tolist()}: counts are right, "
            "predicted and gold, and right is at most the smaller of the others"
        )
    return data


def _same_sentences(a: Floats, b: Floats) -> None:
    """Gold counts are the sentences': they cannot depend on side or seed."""
    if a.shape != b.shape:
        raise StatisticsError(
            f"counts_a has {a.shape[0]} seeds and {a.shape[1]} sentences, counts_b {b.shape[0]} "
            f"and {b.shape[1]}: a paired comparison needs the same on both sides"
        )
    unlike = ((a[..., 2] != a[:1, :, 2]) | (b[..., 2] != a[:1, :, 2])).any(axis=0)
    if unlike.any():
        raise StatisticsError(
            f"sentence {int(np.argmax(unlike))} has another gold count for another seed or side: "
            "give the same test sentences in the same order"
        )


# ---- shared


def _matrix(scores: ArrayLike, name: str) -> Floats:
    try:
        data = np.asarray(scores, dtype=np.float64)
    except ValueError:
        data = np.empty(0)  # rows of unlike length
    if data.ndim != 2 or data.size == 0 or not np.isfinite(data).all():
        raise StatisticsError(
            f"{name} must be finite scores [task, seed], with as many seeds for each task; found "
            f"shape {data.shape if data.size else 'none'}: leave out what failed on both sides"
        )
    return data


def _same_shape(a: Floats, b: Floats) -> None:
    if a.shape != b.shape:
        raise StatisticsError(
            f"a has shape {a.shape} and b {b.shape}, [task, seed]: both sides need the same tasks, "
            "and the same seeds if they are paired"
        )
