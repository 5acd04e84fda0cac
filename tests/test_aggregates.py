"""Aggregates against peers (scipy), enumeration of every resample, and closed forms."""

import itertools
import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from mtlkit import metrics
from mtlkit.aggregates import (
    Estimate,
    error_reduction,
    iqm,
    micro_f1,
    percentile_interval,
    probability_of_improvement,
    share_interval,
    stratified_interval,
    two_way_interval,
)
from mtlkit.statistics import StatisticsError

fractions = st.floats(0, 1).map(lambda x: round(x, 6))
matrices = arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 7)), elements=fractions)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def mean(scores: np.ndarray) -> float:
    return float(scores.mean())


def is_quantile(bound: float, draws: Iterable[float], share: float, slack: float = 0.01) -> bool:
    """Whether `share` of equally likely draws, up to `slack`, lie below the bound."""
    values = np.array(list(draws))
    below, up_to = np.mean(values < bound - 1e-9), np.mean(values <= bound + 1e-9)
    return bool(below - slack <= share <= up_to + slack)


# ---- error reduction and the interquartile mean


def test_error_reduction_by_hand() -> None:
    scores = [[0.9, 0.8], [0.7, 1.0]]  # of two tasks, against their baselines
    assert error_reduction(scores, [[0.8], [0.4]]) == pytest.approx(
        np.array([[0.5, 0.0], [0.5, 1.0]])
    )
    assert error_reduction(0.6, 0.8) == pytest.approx(-1), "twice the errors"


@given(matrices, st.floats(0, 0.99))
def test_what_is_left_of_the_errors(scores: np.ndarray, baseline: float) -> None:
    left = (1 - scores) / (1 - baseline)
    np.testing.assert_allclose(error_reduction(scores, baseline), 1 - left, atol=1e-9)


@given(matrices)
def test_iqm_equals_scipy(scores: np.ndarray) -> None:
    assert iqm(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=None), abs=1e-12)


def test_iqm_ignores_outliers() -> None:
    assert iqm([[0.5, 0.6], [0.4, 0.5]]) == iqm([[0.5, 99], [-99, 0.5]]) == 0.5


# ---- the stratified bootstrap


def test_stratified_interval_equals_enumeration() -> None:
    a = np.array([[0.1, 0.25, 0.7], [0.3, 0.32, 0.45]])
    tasks = [[np.mean(draw) for draw in itertools.product(row, repeat=3)] for row in a]
    every = [np.mean(pair) for pair in itertools.product(*tasks)]
    found = stratified_interval(a, mean, rng=rng(), level=0.8, resamples=8000)
    assert found.value == pytest.approx(a.mean())
    assert is_quantile(found.low, every, 0.1) and is_quantile(found.high, every, 0.9)


def test_stratified_interval_of_a_paired_difference_equals_enumeration() -> None:
    a, b = np.array([[0.5, 0.9, 0.4], [0.8, 0.6, 0.7]]), np.array([[0.4, 0.5, 0.45], [0.3, 0.6, 1]])
    draws = list(itertools.product(range(3), repeat=3))
    every = [
        iqm([a[0, list(i)], a[1, list(j)]]) - iqm([b[0, list(i)], b[1, list(j)]])
        for i, j in itertools.product(draws, draws)
    ]
    found = stratified_interval(a, iqm, b=b, rng=rng(), level=0.9, resamples=8000)
    assert found.value == pytest.approx(iqm(a) - iqm(b))
    assert is_quantile(found.low, every, 0.05) and is_quantile(found.high, every, 0.95)


def test_pairs_cancel_what_both_sides_share() -> None:
    b = rng(1).uniform(0, 0.5, (4, 5))
    paired = stratified_interval(b + 0.25, mean, b=b, rng=rng())
    assert paired == pytest.approx((0.25, 0.25, 0.25))
    alone = stratified_interval(b + 0.25, mean, b=b, paired=False, rng=rng())
    assert alone.value == pytest.approx(0.25) and alone.high - alone.low > 0.05
    more = stratified_interval(b + 0.25, mean, b=b[:, :3], paired=False, rng=rng())
    assert more.value == pytest.approx(0.25 + b.mean() - b[:, :3].mean())


def test_few_seeds_narrow_the_interval_however_many_the_tasks() -> None:
    """As the docstring says: by sqrt((n - 1) / n)."""
    scores = rng(2).normal(size=(200, 5))
    found = stratified_interval(scores, mean, rng=rng(), resamples=4000)
    error = np.sqrt(scores.var(axis=1, ddof=1).mean() / scores.size)
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(0.8**0.5, abs=0.03)


def test_the_generator_decides() -> None:
    scores = rng(3).normal(size=(2, 4))
    assert stratified_interval(scores, iqm, rng=rng(1)) == stratified_interval(
        scores, iqm, rng=rng(1)
    )


def test_percentiles() -> None:
    assert percentile_interval(np.arange(101.0), level=0.9) == pytest.approx((5, 95))


# ---- wins


@settings(max_examples=50)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 99))
def test_probability_of_improvement_equals_counting(tasks: int, seeds: int, number: int) -> None:
    a, b = rng(number).integers(0, 4, (2, tasks, seeds)) / 4
    pairs = zip(a.flat, b.flat, strict=True)
    by_hand = sum((x > y) + (x == y) / 2 for x, y in pairs) / a.size
    found = probability_of_improvement(a, b, rng=rng(), resamples=99)
    assert found.value == pytest.approx(by_hand)
    assert found.low <= found.value <= found.high
    assert probability_of_improvement(b, a, rng=rng(), resamples=9).value == pytest.approx(
        1 - by_hand
    )


def test_the_interval_of_wins_equals_the_binomial() -> None:
    """Of one task, a draw's wins are binomial: 14 of 20 seeds win."""
    a = np.array([[1.0] * 14 + [0.0] * 6])
    found = probability_of_improvement(a, np.full_like(a, 0.5), rng=rng(), resamples=20_000)
    low, high = stats.binom(20, 0.7).ppf([0.025, 0.975]) / 20
    assert found == pytest.approx((0.7, low, high))


def test_wins_at_every_seed_are_no_certainty() -> None:
    a, b = np.ones((1, 5)), np.zeros((1, 5))
    assert probability_of_improvement(a, b, rng=rng()) == Estimate(1, 1, 1)
    assert share_interval(5, 5).low == pytest.approx(0.025 ** (1 / 5))  # closed form for k = n


@given(st.integers(1, 60), st.data(), st.floats(0.5, 0.999))
def test_share_interval_equals_scipy(n: int, data: st.DataObject, level: float) -> None:
    k = data.draw(st.integers(0, n))
    peer = stats.binomtest(k, n).proportion_ci(level, method="exact")
    assert share_interval(k, n, level) == pytest.approx((k / n, peer.low, peer.high), abs=1e-9)


def test_share_interval_covers_whatever_the_true_share() -> None:
    intervals = [share_interval(k, 10) for k in range(11)]
    for share in np.linspace(0.01, 0.99, 50):
        holds = [found.low <= share <= found.high for found in intervals]
        assert stats.binom(10, share).pmf(range(11)) @ holds >= 0.95


# ---- seeds and sentences


def counts(seed: int, seeds: int, sentences: int) -> np.ndarray:
    """Counts [seed, sentence, 3] that could be those of spans."""
    generator = rng(seed)
    gold = np.broadcast_to(rng(99).integers(1, 6, sentences), (seeds, sentences))
    predicted = generator.integers(1, 6, gold.shape)
    right = generator.integers(0, np.minimum(gold, predicted) + 1)
    return np.stack([right, predicted, gold], axis=-1)


def test_micro_f1_equals_its_plain_form() -> None:
    found = counts(0, 3, 8)
    plain = [metrics.f1([tuple(row) for row in seed]) for seed in found.tolist()]
    np.testing.assert_allclose(micro_f1(found.sum(axis=1).astype(float)), plain)
    assert micro_f1(np.zeros((2, 3))).tolist() == [0, 0], "nothing to find, nothing found"


def test_two_way_interval_equals_enumeration() -> None:
    a, b = counts(1, 2, 3), counts(2, 2, 3)
    every = [
        np.mean([micro_f1(side[s, list(t)].sum(axis=0) * 1.0) for s in seeds])
        for side in (a, b)
        for seeds, t in itertools.product(
            itertools.product(range(2), repeat=2), itertools.product(range(3), repeat=3)
        )
    ]
    differences = np.subtract(*np.split(np.array(every), 2))
    found = two_way_interval(a, b, rng=rng(), level=0.8, resamples=20_000)
    assert is_quantile(found.low, differences, 0.1) and is_quantile(found.high, differences, 0.9)
    plain = [metrics.f1(x.tolist()) - metrics.f1(y.tolist()) for x, y in zip(a, b, strict=True)]
    assert found.value == pytest.approx(np.mean(plain))
    assert found == two_way_interval(a, b, rng=rng(), level=0.8, resamples=20_000)


def test_of_sentences_all_alike_only_seeds_are_drawn() -> None:
    a, b = (np.repeat(counts(seed, 6, 1), 50, axis=1) for seed in (3, 4))
    scores = [micro_f1(side.sum(axis=1) * 1.0)[None] for side in (a, b)]
    plain = stratified_interval(scores[0], mean, b=scores[1], rng=rng(), resamples=20_000)
    found = two_way_interval(a, b, rng=rng(), resamples=20_000)
    assert found == pytest.approx(plain, abs=0.01)


def test_of_seeds_all_alike_only_sentences_are_drawn() -> None:
    """Accuracy of single items: the interval is the bootstrap's of a mean, in closed form."""
    hits = rng(5).random((2, 400)) < [[0.8], [0.6]]
    a, b = (np.stack([hit, hit * 0 + 1, hit * 0 + 1], axis=-1)[None].repeat(4, 0) for hit in hits)
    found = two_way_interval(a, b, lambda totals: totals[..., 0] / totals[..., 2], rng=rng())
    difference = hits[0].astype(float) - hits[1]
    error = difference.std() / math.sqrt(400)
    expected = difference.mean() + error * np.array([0, -1.96, 1.96])
    assert found == pytest.approx(tuple(expected), abs=0.01)


def test_what_is_particular_to_a_seed_on_a_sentence_counts_three_times() -> None:
    """Owen's factor, as the docstring says: with neither seeds nor sentences that differ."""
    hits = rng(6).random((2, 40, 300)) < 0.7
    ones = np.ones((40, 300))
    a, b = (np.stack([hit, ones, ones], axis=-1) for hit in hits)
    found = two_way_interval(a, b, rng=rng())
    error = math.sqrt(2 * 0.7 * 0.3 / ones.size)
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(3**0.5, abs=0.12)


# ---- errors


def test_errors() -> None:
    with pytest.raises(StatisticsError, match=r"scores holds 83: .* divide points by 100"):
        error_reduction([0.5, 83], 0.5)
    with pytest.raises(StatisticsError, match=r"baseline holds nan: .* leave out runs that failed"):
        error_reduction([0.5], [math.nan])
    with pytest.raises(StatisticsError, match=r"baseline holds 1: .* leave out that task"):
        error_reduction([0.5, 0.6], [0.4, 1])
    with pytest.raises(StatisticsError, match=r"shape \(0,\): the interquartile mean needs at l"):
        iqm([])
    with pytest.raises(StatisticsError, match=r"shape \(2,\): .* leave out runs that failed"):
        iqm([0.5, math.nan])
    with pytest.raises(StatisticsError, match=r"a must be finite scores .* found shape \(3,\)"):
        stratified_interval([1, 2, 3], iqm, rng=rng())
    with pytest.raises(StatisticsError, match=r"as many seeds for each task; found shape none"):
        stratified_interval([[1, 2], [3]], iqm, rng=rng())
    with pytest.raises(StatisticsError, match=r"b must be finite .* leave out what failed on both"):
        stratified_interval([[1]], iqm, b=[[math.nan]], rng=rng())
    with pytest.raises(
        StatisticsError, match=r"a has shape \(1, 2\) and b \(1, 1\), .* same seeds"
    ):
        stratified_interval([[1, 2]], iqm, b=[[1]], rng=rng())
    with pytest.raises(
        StatisticsError, match=r"a has shape \(2, 1\) and b \(1, 1\), .* same tasks"
    ):
        stratified_interval([[1], [2]], iqm, b=[[1]], paired=False, rng=rng())
    with pytest.raises(StatisticsError, match=r"a has shape \(1, 2\) and b \(1, 1\)"):
        probability_of_improvement([[1, 2]], [[1]], rng=rng())
    with pytest.raises(StatisticsError, match=r"level is 95: it must lie between 0 and 1"):
        percentile_interval(np.ones(3), level=95)
    with pytest.raises(StatisticsError, match=r"level is 0: it must lie between 0 and 1"):
        share_interval(1, 2, level=0)
    for k, n in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(StatisticsError, match=f"{k} of {n} is no share: k must lie between"):
            share_interval(k, n)


def test_errors_of_counts() -> None:
    good = counts(7, 2, 3)
    with pytest.raises(StatisticsError, match=r"counts_a has shape \(2, 3\): .* \[seed, sentence"):
        two_way_interval(good[..., 0], good, rng=rng())
    wrong = good.copy()
    wrong[1, 2] = [4, 3, 5]
    with pytest.raises(StatisticsError, match=r"counts_b\[1, 2\] is \[4.0, 3.0, 5.0\]: .* smaller"):
        two_way_interval(good, wrong, rng=rng())
    with pytest.raises(StatisticsError, match=r"2 seeds and 3 sentences, counts_b 2 and 2: a pai"):
        two_way_interval(good, good[:, :2], rng=rng())
    other = good.copy()
    other[0, 1, 2] += 1
    with pytest.raises(StatisticsError, match=r"sentence 1 has another gold count .* same order"):
        two_way_interval(good, other, rng=rng())
