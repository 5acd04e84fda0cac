"""Which source task helps which target?  Predictions that need little or no training, and judges.

A prediction, like the gains it is about, is a matrix with a row for each source and a column for
each target.  A gain is what the target scores more after the source than alone, in points.  A
prediction has no unit: only its order within a column counts.  Where a gain is nan, as on the
diagonal, there is no such choice, and what is predicted there is not looked at.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from mtlkit.statistics import t_interval

__all__ = [
    "AffinityError",
    "Interval",
    "Judgement",
    "correlations",
    "cosine_matrix",
    "judge",
    "rank_correlation",
    "regret_at_1",
    "regrets",
    "size",
]


class AffinityError(ValueError):
    """Gains, predictions or vectors from which no affinity can be computed."""


class Interval(NamedTuple):
    """A mean over seeds and its 95 % interval (`statistics.t_interval`).

    That of a correlation is cut at -1 and 1.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """How good a prediction is, see `judge`.

    `regret`: points lost by following it.  `random`: points lost by choosing any source, each as
    likely.  `correlation`: Spearman's, mean over targets.  `repeatability`: the same correlation
    where the mean of the other seeds predicts a seed.  That mean is noisy too: a prediction that
    knew the true means would have more, the more so the fewer the seeds.  `targets`, `ranked`: how
    many columns have a regret, and a correlation.
    """

    regret: Interval
    random: Interval
    correlation: Interval
    repeatability: float
    targets: int
    ranked: int
    seeds: int


# ---- judges


def regret_at_1(
    gains: Float[np.ndarray, "source target"], predicted: Float[np.ndarray, "source target"]
) -> Float[np.ndarray, "target"]:
    """Points lost on each target by taking the source that is predicted to help most.

    The best gain there is, minus the gain of the source that was chosen; of sources tied for the
    first place, the mean.  nan for a target without sources.  Regret@k with k = 1 (Renggli et al.
    2022, "Which model to transfer?"; Poth et al. 2021, "What to pre-train on?"); deviation: they
    divide by the best score, we keep points.
    """
    known = np.isfinite(gains)
    best = np.where(known, gains, -np.inf).max(axis=0)
    return np.where(known.any(axis=0), best, np.nan) - _chosen(gains, predicted)


def rank_correlation(
    gains: Float[np.ndarray, "source target"], predicted: Float[np.ndarray, "source target"]
) -> Float[np.ndarray, "target"]:
    """Spearman's correlation of gains and prediction over the sources of each target.

    Ties have their mean rank.  nan where gains or predictions are all equal, and for fewer than
    two sources.  Rankings of sources are what Vu et al. 2020 (section 4) judge too; deviation: by
    the rank of the best source and by NDCG.
    """
    _check(gains, predicted)
    found = np.full(gains.shape[1], np.nan)
    for target, (column, guess) in enumerate(zip(gains.T, predicted.T, strict=True)):
        known = np.isfinite(column)
        column, guess = column[known], guess[known]
        if len(column) > 1 and np.ptp(column) > 0 and np.ptp(guess) > 0:
            found[target] = stats.spearmanr(column, guess).statistic
    return found


def regrets(
    gains: Float[np.ndarray, "seed source target"], predicted: Float[np.ndarray, "source target"]
) -> Float[np.ndarray, "seed"]:
    """Mean regret over targets, one a seed: against the source that is best in the mean of seeds.

    The mean over seeds is the mean of `regret_at_1` of the mean gains.  Two predictions are
    compared on the same seeds: ``statistics.compare(regrets(gains, size), regrets(gains, other))``
    says how many points the other saves, and what is best cancels out.  The best source is picked
    by the gains it is judged by, so all regrets are a little too high.
    """
    mean = _mean(gains)
    known = np.isfinite(mean)
    best = np.where(known, mean, -np.inf).argmax(axis=0)
    lost = [seed[best, np.arange(len(best))] - _chosen(seed, predicted) for seed in gains]
    return np.array(lost)[:, known.any(axis=0)].mean(axis=1)


def correlations(
    gains: Float[np.ndarray, "seed source target"], predicted: Float[np.ndarray, "source target"]
) -> Float[np.ndarray, "seed"]:
    """Mean rank correlation over targets, one a seed, with the gains of that seed alone.

    Targets for which it is nan are left out; nan if none is left.  The noise of single seeds makes
    it smaller than the correlation with the mean gains: compare it with the judgement's
    `repeatability`, or with that of another prediction.
    """
    _mean(gains)
    return np.array([_nanmean(rank_correlation(seed, predicted)) for seed in gains])


def judge(
    gains: Float[np.ndarray, "seed source target"],
    predicted: Float[np.ndarray, "source target"],
) -> Judgement:
    """Judge a prediction by measured gains; intervals are over seeds, so they are the study's.

    They tell what other seeds would say of these very tasks, and nothing of other tasks.
    A correlation that is nan for some seed is nan.  Raises `AffinityError`.
    """
    mean = _mean(gains)
    return Judgement(
        regret=_interval(regrets(gains, predicted)),
        random=_interval(regrets(gains, np.zeros_like(predicted))),
        correlation=_interval(correlations(gains, predicted), -1.0, 1.0),
        repeatability=_repeatability(gains),
        targets=int(np.isfinite(mean).any(axis=0).sum()),
        ranked=int(np.isfinite(rank_correlation(mean, predicted)).sum()),
        seeds=len(gains),
    )


# ---- predictions


def size(labels: Mapping[str, int]) -> Float[np.ndarray, "source target"]:
    """The baseline, by labelled sentences: the largest source helps every target most.

    It is a baseline of Vu et al. 2020 (section 4).  Order as in the mapping.
    """
    counts = np.array(list(labels.values()), dtype=np.float64)
    return np.repeat(counts[:, None], len(counts), axis=1)


def cosine_matrix(
    vectors: Mapping[str, Float[np.ndarray, "_hidden"]],
) -> Float[np.ndarray, "source target"]:
    """Cosine of each two tasks' vectors, in the order of the mapping; symmetric, diagonal 1.

    With the mean of a pretrained encoder's vectors of a task's text, it is TextEmb; with the
    diagonal of the Fisher information of the encoder's weights, trained for the task, it is TaskEmb
    (both Vu et al. 2020, section 4; deviation: one vector a task, where they fuse the rankings by
    several layers).  Task2Vec (Achille et al. 2019) has the Fisher information of one fixed probe
    network, and divides each two vectors by their sum first; that is not done here.  Such means
    have much in common, so cosines are all high: their order counts.
    """
    if len({vector.shape for vector in vectors.values()}) > 1:
        sizes = ", ".join(f"{name} {len(vector)}" for name, vector in vectors.items())
        raise AffinityError(f"vectors differ in length: {sizes}; take all from one encoder")
    for name, vector in vectors.items():
        if not np.isfinite(vector).all() or not vector.any():
            raise AffinityError(
                f"the vector of {name!r} is zero or not finite, so it has no direction; "
                "was it averaged over no sentences?"
            )
    # Fisher information can be tiny or huge: its squares must neither vanish nor overflow.
    rows = np.stack([vector / np.abs(vector).max() for vector in vectors.values()])
    rows = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return rows @ rows.T


def _check(gains: np.ndarray, predicted: np.ndarray) -> None:
    lacking = np.isfinite(gains) & ~np.isfinite(predicted)
    if np.isinf(gains).any() or lacking.any():
        wrong = np.isinf(gains) | lacking
        source, target = map(int, np.argwhere(wrong)[0])
        raise AffinityError(
            f"source {source}, target {target}: the gain is {gains[source, target]} and the "
            f"prediction {predicted[source, target]}; where a gain was measured both must be "
            "finite, and where none was the gain is nan"
        )


def _chosen(gains: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The gain of the source that the prediction ranks first, the mean of those that tie."""
    _check(gains, predicted)
    known = np.isfinite(gains)
    guess = np.where(known, predicted, -np.inf)
    first = known & (guess == guess.max(axis=0))
    with np.errstate(invalid="ignore"):  # 0 / 0 is nan: a target without sources
        return np.where(first, gains, 0.0).sum(axis=0) / first.sum(axis=0)


def _mean(gains: np.ndarray) -> np.ndarray:
    known = np.isfinite(gains)
    if len(gains) == 0 or not known.any() or (known != known[:1]).any():
        raise AffinityError(
            f"gains of {len(gains)} seeds: there must be at least one, and each must have a gain "
            "for the same sources and targets; train what is missing, or leave that seed out"
        )
    return np.asarray(gains.mean(axis=0))


def _repeatability(gains: np.ndarray) -> float:
    if len(gains) == 1:
        return float("nan")
    others = [np.delete(gains, seed, axis=0).mean(axis=0) for seed in range(len(gains))]
    return _nanmean(
        np.array([correlations(g[None], o)[0] for g, o in zip(gains, others, strict=True)])
    )


def _nanmean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _interval(values: np.ndarray, least: float = -math.inf, most: float = math.inf) -> Interval:
    """Mean and interval, which is cut where there are no values: at `least` and `most`."""
    if not np.isfinite(values).all():
        return Interval(*[math.nan] * 3)
    low, high = t_interval(values)
    return Interval(float(values.mean()), max(low, least), min(high, most))
