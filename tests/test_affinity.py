"""Predictions of transfer, and their judges: by hand, by brute force, and against scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from mtlkit import statistics
from mtlkit.affinity import (
    AffinityError,
    correlations,
    cosine_matrix,
    judge,
    rank_correlation,
    regret_at_1,
    regrets,
    size,
)

NAN = math.nan

# Rows are sources a, b, c and columns are targets a, b, c.
GAINS = np.array([[NAN, 2.0, -1.0], [3.0, NAN, 0.5], [1.0, 5.0, NAN]])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def study(seed: int, seeds: int = 5, tasks: int = 4, noise: float = 1.0) -> np.ndarray:
    """Gains "seed source target" that share a truth, with nothing on the diagonal."""
    generator = rng(seed)
    truth = generator.normal(0, 2, (tasks, tasks))
    np.fill_diagonal(truth, NAN)
    return truth + generator.normal(0, noise, (seeds, tasks, tasks))


# ---- judges


def test_regret_by_hand() -> None:
    predicted = np.array([[9.0, 0.7, 0.1], [0.2, 9.0, 0.4], [0.8, 0.1, 9.0]])
    assert regret_at_1(GAINS, predicted).tolist() == [2.0, 3.0, 0.0]
    assert regret_at_1(GAINS, GAINS).tolist() == [0.0] * 3


def test_regret_of_ties_is_their_mean() -> None:
    assert regret_at_1(GAINS, np.zeros((3, 3))).tolist() == [1.0, 1.5, 0.75]


def test_a_target_without_sources_has_no_regret() -> None:
    gains = GAINS.copy()
    gains[:, 1] = NAN
    assert np.isnan(regret_at_1(gains, np.zeros((3, 3)))).tolist() == [False, True, False]


@given(st.integers(0, 50), st.integers(2, 5), st.integers(2, 4))
def test_regret_by_brute_force(seed: int, sources: int, targets: int) -> None:
    generator = rng(seed)
    gains = generator.normal(size=(sources, targets))
    gains[generator.random(gains.shape) < 0.3] = NAN
    predicted = generator.integers(0, 3, gains.shape).astype(float)
    for target, found in enumerate(regret_at_1(gains, predicted)):
        options = [s for s in range(sources) if not math.isnan(gains[s, target])]
        if not options:
            assert math.isnan(found)
            continue
        top = max(predicted[s, target] for s in options)
        chosen = [gains[s, target] for s in options if predicted[s, target] == top]
        best = max(gains[s, target] for s in options)
        assert found == pytest.approx(best - sum(chosen) / len(chosen))
        assert found >= -1e-12


def test_rank_correlation_by_hand() -> None:
    gains = np.array([[1.0, 1.0, 7.0], [2.0, 5.0, NAN], [3.0, 2.0, NAN], [4.0, 4.0, NAN]])
    predicted = np.array([[0.1, 3.0, 1.0], [0.2, 3.0, 1.0], [0.9, 3.0, 1.0], [0.3, 3.0, 1.0]])
    # The ranks 1 2 3 4 and 1 2 4 3: 1 - 6 (0 + 0 + 1 + 1) / (4 x 15).
    assert rank_correlation(gains, predicted)[0] == pytest.approx(0.8)
    assert np.isnan(rank_correlation(gains, predicted)[1:]).all(), "constant; a single source"


@given(st.integers(0, 50))
def test_rank_correlation_equals_scipy(seed: int) -> None:
    gains = study(seed, seeds=1, tasks=6)[0]
    predicted = rng(seed).integers(0, 4, gains.shape).astype(float)
    for target, found in enumerate(rank_correlation(gains, predicted)):
        others = np.arange(6) != target
        column, guess = gains[others, target], predicted[others, target]
        if len(set(guess)) > 1:
            assert found == pytest.approx(stats.spearmanr(column, guess).statistic)
            assert found == pytest.approx(
                np.corrcoef(stats.rankdata(column), stats.rankdata(guess))[0, 1]
            )
        else:
            assert math.isnan(found)


@given(st.integers(0, 20))
def test_only_the_order_of_a_prediction_counts(seed: int) -> None:
    gains, predicted = study(seed)[0], rng(seed).normal(size=(4, 4))
    scaled = np.exp(predicted) * [1.0, 2.0, 30.0, 0.5] + [0.0, 5.0, -2.0, 1.0]
    assert regret_at_1(gains, scaled) == pytest.approx(regret_at_1(gains, predicted))
    assert rank_correlation(gains, scaled) == pytest.approx(rank_correlation(gains, predicted))


@given(st.integers(0, 20))
def test_regrets_of_seeds_average_to_that_of_the_mean(seed: int) -> None:
    gains, predicted = study(seed), rng(seed).normal(size=(4, 4))
    expected = regret_at_1(gains.mean(axis=0), predicted).mean()
    assert regrets(gains, predicted).mean() == pytest.approx(expected)


def test_two_seeds_by_hand() -> None:
    gains = np.stack([GAINS, GAINS + np.array([[0], [0], [3]])])  # the second seed is kinder to c
    predicted = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    # In the mean b is best for a (3 and 2.5), c for b (2 and 6.5), b for c (-1 and 0.5).
    assert regrets(gains, predicted) == pytest.approx([(0 + 3 + 0) / 3, (0 + 6 + 0) / 3])
    # With two sources a correlation is 1 or -1.
    assert correlations(gains, predicted) == pytest.approx([(1 - 1 + 1) / 3, (-1 - 1 + 1) / 3])


def test_judgement() -> None:
    gains = study(3)
    predicted = rng(8).normal(size=(4, 4))
    found = judge(gains, predicted)
    assert (found.targets, found.ranked, found.seeds) == (4, 4, 5)
    assert found.regret.mean == pytest.approx(regrets(gains, predicted).mean())
    assert found.correlation.mean == pytest.approx(correlations(gains, predicted).mean())
    expected = statistics.t_interval(regrets(gains, predicted))
    assert (found.regret.low, found.regret.high) == expected
    mean = gains.mean(axis=0)
    assert found.random.mean == pytest.approx(
        np.mean(np.nanmax(mean, axis=0) - np.nanmean(mean, axis=0))
    )


def test_the_truth_is_judged_best_and_noise_bounds_it() -> None:
    gains = study(1, seeds=40)
    truth = study(1, seeds=1, noise=0)[0]
    found = judge(gains, truth)
    assert found.regret.mean == pytest.approx(0, abs=0.05)
    assert found.random.low > 1
    assert found.correlation.mean == pytest.approx(found.repeatability, abs=0.03)
    assert 0.5 < found.correlation.low < found.correlation.high < 1
    assert judge(gains, -truth).correlation.high < -0.5
    exact = judge(study(1, noise=0), truth)
    assert exact.regret == (0, 0, 0) and exact.correlation == exact.correlation.__class__(1, 1, 1)
    assert exact.repeatability == 1


def test_one_seed_has_no_interval_and_nothing_to_repeat() -> None:
    found = judge(study(2, seeds=1), np.eye(4))
    assert (found.regret.low, found.regret.high) == (-math.inf, math.inf)
    assert math.isnan(found.repeatability)


def test_the_interval_of_a_correlation_ends_at_one() -> None:
    gains, predicted = study(3, seeds=2), rng(8).normal(size=(4, 4))
    low, high = statistics.t_interval(correlations(gains, predicted))
    assert low < -1 or high > 1, "two seeds know nothing"
    found = judge(gains, predicted).correlation
    assert (found.low, found.high) == (max(low, -1), min(high, 1))


def test_a_constant_prediction_has_a_regret_and_no_correlation() -> None:
    found = judge(study(2), np.ones((4, 4)))
    assert found.regret == found.random
    assert np.isnan(found.correlation).all() and found.ranked == 0


def test_predictions_are_compared_seed_by_seed() -> None:
    gains = study(4)
    truth, other = study(4, seeds=1, noise=0)[0], size({"a": 1, "b": 2, "c": 3, "d": 4})
    saved = statistics.compare(regrets(gains, other), regrets(gains, truth))
    by_hand = [np.mean(r) for r in (_chosen(gains, truth) - _chosen(gains, other))]
    assert saved.mean == pytest.approx(np.mean(by_hand))
    assert saved.verdict == "higher"


def _chosen(gains: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Gains "seed target" of what is chosen, where nothing ties."""
    allowed = np.where(np.eye(len(predicted), dtype=bool), -np.inf, predicted)
    return gains[:, allowed.argmax(axis=0), np.arange(len(predicted))]


# ---- predictions


def test_size() -> None:
    assert size({"pos": 10, "ner": 30}).tolist() == [[10, 10], [30, 30]]


def test_cosines_by_hand_and_against_scipy() -> None:
    assert cosine_matrix({"a": np.array([3.0, 4.0]), "b": np.array([4.0, 3.0])}) == pytest.approx(
        np.array([[1, 0.96], [0.96, 1]])
    )
    vectors = rng(1).normal(size=(5, 7))
    found = cosine_matrix(dict(zip("abcde", vectors, strict=True)))
    assert found == pytest.approx(1 - squareform(pdist(vectors, "cosine")))
    scales = np.array([1e-300, 1e-9, 1.0, 1e9, 1e300])[:, None]
    assert cosine_matrix(dict(zip("abcde", vectors * scales, strict=True))) == pytest.approx(found)


def test_single_precision_is_enough() -> None:
    tiny = np.array([1e-30, 2e-30], dtype=np.float32)
    assert cosine_matrix({"a": tiny, "b": 3 * tiny}) == pytest.approx(np.ones((2, 2)))


def test_errors() -> None:
    bad = GAINS.copy()
    bad[1, 0] = math.inf
    with pytest.raises(AffinityError, match="source 1, target 0: the gain is inf and the predic"):
        regret_at_1(bad, np.zeros((3, 3)))
    with pytest.raises(AffinityError, match=r"source 0, target 1: .* prediction nan; where a gain"):
        rank_correlation(GAINS, np.full((3, 3), NAN))
    uneven = study(1, seeds=2)
    uneven[1, 0, 1] = NAN
    with pytest.raises(AffinityError, match=r"gains of 2 seeds: .* train what is missing"):
        judge(uneven, np.eye(4))
    with pytest.raises(AffinityError, match="gains of 0 seeds"):
        regrets(np.zeros((0, 2, 2)), np.eye(2))
    with pytest.raises(AffinityError, match="vectors differ in length: a 2, b 3; take all from"):
        cosine_matrix({"a": np.ones(2), "b": np.ones(3)})
    with pytest.raises(AffinityError, match="the vector of 'b' is zero or not finite"):
        cosine_matrix({"a": np.ones(2), "b": np.zeros(2)})
