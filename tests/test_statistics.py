"""Statistics against peers (scipy, statsmodels), enumeration, and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from mtlkit.statistics import (
    Comparison,
    Equivalence,
    StatisticsError,
    bca_interval,
    compare,
    equivalence,
    holm,
    minimum_detectable,
    paired_difference,
    sign_flip_test,
    t_interval,
)

few = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=1, max_size=8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_paired_difference() -> None:
    assert paired_difference([3, 5], [1, 6]).tolist() == [2, -1]


@settings(deadline=None)
@given(few)
def test_sign_flip_equals_enumeration(differences: list[float]) -> None:
    units = [round(1000 * value) for value in differences]  # whole numbers: ties are exact
    observed = abs(sum(units))
    patterns = list(itertools.product([-1, 1], repeat=len(units)))
    extreme = sum(
        abs(sum(s * d for s, d in zip(signs, units, strict=True))) >= observed for signs in patterns
    )
    assert sign_flip_test(differences) == pytest.approx(extreme / len(patterns))


@pytest.mark.parametrize("n", [3, 7, 12])
def test_sign_flip_equals_scipy(n: int) -> None:
    differences = rng(n).normal(0.4, 1, n)
    peer = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_test(differences) == pytest.approx(peer.pvalue)


def test_sign_flip_floors() -> None:
    assert sign_flip_test([1, 2, 3, 4, 5]) == 0.0625
    assert sign_flip_test(range(1, 11)) == 2 / 2**10
    assert sign_flip_test([0.7]) == 1
    assert sign_flip_test([0, 0, 0]) == 1
    assert sign_flip_test([0.1, 0.2, -0.3]) == 1, "rounding is not evidence"


def test_sign_flip_by_monte_carlo_agrees_with_the_exact_test() -> None:
    differences = rng(5).normal(0.35, 1, 20)
    exact = sign_flip_test(differences)
    padded = [*differences, 0.0]  # a zero changes no mean's rank, but makes 21 differences
    assert sign_flip_test(padded, rng=rng(1)) == pytest.approx(exact, abs=0.004)
    assert sign_flip_test(padded, rng=rng(1)) == sign_flip_test(padded, rng=rng(1))
    assert sign_flip_test([1.0] * 30, rng=rng(), resamples=99) >= 0.01, "never zero"


def test_sign_flip_holds_its_level() -> None:
    generator = rng(11)
    rejected = [sign_flip_test(generator.normal(0, 1, 8)) <= 0.05 for _ in range(2000)]
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.015)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_statsmodels(pvalues: list[float]) -> None:
    np.testing.assert_allclose(holm(pvalues), multipletests(pvalues, method="holm")[1])


@settings(deadline=None)
@given(st.integers(2, 12), st.floats(-50, 50), st.floats(0.01, 10), st.floats(0.5, 0.999))
def test_t_interval_equals_scipy_and_statsmodels(
    n: int, mean: float, spread: float, level: float
) -> None:
    values = rng(n).normal(mean, spread, n)
    error = values.std(ddof=1) / math.sqrt(n)
    ours = t_interval(values, level)
    assert ours == pytest.approx(stats.t.interval(level, n - 1, values.mean(), error))
    assert ours == pytest.approx(DescrStatsW(values).tconfint_mean(1 - level))


def test_t_interval_by_hand() -> None:
    """Mean 3, s^2 = 2.5, and the quantile 2.776 that tables give for four degrees of freedom."""
    reach = 2.776445 * math.sqrt(2.5 / 5)
    assert t_interval([1, 2, 3, 4, 5]) == pytest.approx((3 - reach, 3 + reach), abs=1e-6)


def test_t_interval_of_degenerate_data() -> None:
    assert t_interval([0.3]) == (-math.inf, math.inf)
    assert t_interval([0, 0]) == (0, 0)
    assert t_interval([0.1, 0.1, 0.1]) == pytest.approx((0.1, 0.1), abs=1e-15)


def efron(values: list[float], level: float) -> tuple[float, float]:
    """BCa by its formula (Efron 1987, section 4), over all n^n resamples."""
    data = np.array(values)
    means = np.array([np.mean(draw) for draw in itertools.product(data, repeat=len(data))])
    means = np.round(means - data.mean(), 9) + data.mean()
    below = np.mean(means < data.mean()) / 2 + np.mean(means <= data.mean()) / 2
    z0 = stats.norm.ppf(below)
    jackknife = np.array([np.delete(data, i).mean() for i in range(len(data))])
    spread = jackknife.mean() - jackknife
    acceleration = np.sum(spread**3) / (6 * np.sum(spread**2) ** 1.5)
    z = z0 + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    shares = stats.norm.cdf(z0 + z / (1 - acceleration * z))
    low, high = np.quantile(means, shares)
    return float(low), float(high)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_bca_equals_its_formula(level: float) -> None:
    values = [0.1, 0.25, 0.3, 0.55, 2.0]
    ours = bca_interval(values, level=level, resamples=200_000, rng=rng())
    assert ours == pytest.approx(efron(values, level), abs=0.02)
    low, high = ours
    assert high - np.mean(values) > np.mean(values) - low, "the interval follows the skew"


@settings(max_examples=40, deadline=None)
@given(few, st.floats(0.1, 1e3), st.floats(-10, 10))
def test_bca_brackets_the_mean_and_moves_with_the_data(
    values: list[float], scale: float, shift: float
) -> None:
    low, high = bca_interval(values, resamples=199, rng=rng())
    slack = 1e-9 * max(map(abs, values))
    assert low - slack <= np.mean(values) <= high + slack
    if len(values) > 1:
        assert min(values) - slack <= low and high <= max(values) + slack
    moved = bca_interval(np.array(values) * scale + shift, resamples=199, rng=rng())
    size = scale * 100 + abs(shift)
    assert moved == pytest.approx((low * scale + shift, high * scale + shift), abs=1e-6 * size)


def test_bca_of_degenerate_data() -> None:
    assert bca_interval([0.1, 0.1, 0.1], rng=rng()) == pytest.approx((0.1, 0.1))
    assert bca_interval([0, 0], rng=rng()) == (0, 0)
    assert bca_interval([0.3], rng=rng()) == (-math.inf, math.inf)
    low, high = bca_interval([0, 1e-300, 3e-300], rng=rng())
    assert 0 <= low < high <= 3e-300


def test_a_bound_of_zero_is_exactly_zero() -> None:
    draws = np.random.default_rng(3).uniform(1, 9, (8, 2))
    assert {bca_interval([0, 0, 0, *pair], rng=rng())[0] for pair in draws} == {0.0}


@pytest.mark.parametrize(("n", "least", "most"), [(30, 0.90, 0.97), (5, 0.76, 0.90)])
def test_bca_coverage(n: int, least: float, most: float) -> None:
    """Near nominal for 30 values; for five as low as the docstring admits."""
    generator = rng(4)
    hits = 0
    for _ in range(400):
        low, high = bca_interval(generator.normal(1, 2, n), resamples=399, rng=generator)
        hits += low <= 1 <= high
    assert least <= hits / 400 <= most


@pytest.mark.parametrize(("n", "power", "level"), [(5, 0.8, 0.95), (10, 0.9, 0.99), (3, 0.5, 0.9)])
def test_minimum_detectable_equals_statsmodels(n: int, power: float, level: float) -> None:
    differences = rng(n).normal(0, 3, n)
    effect = TTestPower().solve_power(nobs=n, alpha=1 - level, power=power)
    expected = effect * differences.std(ddof=1)
    assert minimum_detectable(differences, power=power, level=level) == pytest.approx(expected)


def test_minimum_detectable_by_simulation() -> None:
    base = rng(1).normal(size=10)
    base = (base - base.mean()) / base.std(ddof=1)
    samples = rng(2).normal(minimum_detectable(base), 1, (4000, 10))
    assert np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05) == pytest.approx(
        0.8, abs=0.025
    )


def test_minimum_detectable_of_degenerate_data() -> None:
    assert minimum_detectable([0.2]) == math.inf
    assert minimum_detectable([0.2, 0.4]) == math.inf
    assert minimum_detectable([0.2, 0.2, 0.2]) == 0


def test_compare() -> None:
    a, b = [0.82, 0.84, 0.83, 0.86, 0.85], [0.80, 0.81, 0.82, 0.83, 0.83]
    result = compare(a, b, rng=rng())
    assert result == compare(a, b, rng=rng())
    assert (result.mean, result.n, result.p) == (pytest.approx(0.022), 5, 0.0625)
    assert result.verdict == "higher" and compare(b, a, rng=rng()).verdict == "lower"
    assert compare(a, b) == result, "five pairs need no generator"
    alone = compare([0.9], [0.1])
    assert (alone.verdict, alone.p, alone.t_p) == ("undecided", 1, 1), "one seed decides nothing"


@settings(deadline=None)
@given(st.integers(2, 12), st.floats(-2, 2))
def test_compare_equals_the_paired_t_test(n: int, shift: float) -> None:
    a, b = rng(n).normal(shift, 1, n), rng(n + 100).normal(0, 1, n)
    result, peer = compare(a, b), stats.ttest_rel(a, b)
    assert result.t_p == pytest.approx(peer.pvalue, abs=1e-12)
    assert (result.low, result.high) == pytest.approx(peer.confidence_interval(0.95))
    assert (result.t_p < 0.05) == (result.verdict != "undecided"), "interval and test agree"
    assert result.scaled(-100).t_p == pytest.approx(result.t_p)
    assert result.p == sign_flip_test(a - b)


def test_compare_of_differences_that_are_all_the_same() -> None:
    better, same = compare([3, 4], [1, 2]), compare([1, 2], [1, 2])
    assert (better.verdict, better.t_p, better.low, better.high) == ("higher", 0, 2, 2)
    assert (same.verdict, same.t_p) == ("undecided", 1)


@settings(deadline=None)
@given(st.integers(2, 12), st.floats(-2, 2), st.floats(0.01, 5), st.floats(0.6, 0.99))
def test_equivalence_equals_statsmodels_and_scipy(
    n: int, shift: float, margin: float, level: float
) -> None:
    a, b = rng(n).normal(shift, 1, n), rng(n + 100).normal(0, 1, n)
    result = equivalence(a, b, margin=margin, level=level)
    assert result.p == pytest.approx(ttost_paired(a, b, -margin, margin)[0], abs=1e-12)
    one_sided = (
        stats.ttest_1samp(a - b, -margin, alternative="greater").pvalue,
        stats.ttest_1samp(a - b, margin, alternative="less").pvalue,
    )
    assert result.p == pytest.approx(max(one_sided), abs=1e-12)
    interval = stats.ttest_1samp(a - b, 0).confidence_interval(1 - 2 * (1 - level))
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert (result.verdict == "equivalent") == (result.p < 1 - level), "interval and tests agree"
    beyond = (
        stats.ttest_1samp(a - b, margin, alternative="greater").pvalue,
        stats.ttest_1samp(a - b, -margin, alternative="less").pvalue,
    )
    assert (result.verdict == "different") == (min(beyond) < 1 - level)


def test_equivalence_holds_its_level() -> None:
    """A true difference of just the margin is rarely called equivalent, and rarely different."""
    samples = rng(6).normal(1, 1, (3000, 20))
    verdicts = [equivalence(row, np.zeros(20), margin=1).verdict for row in samples]
    assert verdicts.count("equivalent") / 3000 == pytest.approx(0.05, abs=0.012)
    assert verdicts.count("different") / 3000 == pytest.approx(0.05, abs=0.012)


def test_equivalence_of_degenerate_data() -> None:
    assert equivalence([2, 3], [1, 2], margin=1.5) == Equivalence(1, 1, 1, 0, 1.5, 2)
    assert equivalence([2, 3], [1, 2], margin=0.5).verdict == "different"
    on_the_edge = equivalence([2, 3], [1, 2], margin=1)
    assert (on_the_edge.verdict, on_the_edge.p) == ("undecided", 1)
    alone = equivalence([0.5], [0.5], margin=1)
    assert (alone.verdict, alone.p, alone.low) == ("undecided", 1, -math.inf)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.9, 0.9, "equivalent"),
        (0.2, 0.9, "equivalent"),
        (1.1, 3, "different"),
        (-3, -1.1, "different"),
        (0.2, 3, "undecided"),
        (-3, 3, "undecided"),
        (-1, 0, "undecided"),
        (1, 3, "undecided"),
    ],
)
def test_verdict_of_equivalence(low: float, high: float, verdict: str) -> None:
    assert Equivalence((low + high) / 2, low, high, 0.5, 1.0, 5).verdict == verdict


def test_comparison_text() -> None:
    points = Comparison(mean=1.234, low=0.4, high=2.006, p=0.0625, n=5)
    assert str(points) == "+1.23 [+0.40, +2.01], p = .0625, n = 5"
    fractions = points.scaled(0.01)
    assert str(fractions) == "+0.012 [+0.004, +0.020], p = .0625, n = 5"
    assert points.scaled(-1) == Comparison(mean=-1.234, low=-2.006, high=-0.4, p=0.0625, n=5)
    assert str(Comparison(0.0, -1.0, 1.0, 1.0, 3)) == "+0.00 [-1.00, +1.00], p = 1, n = 3"
    assert "p < .0001" in str(Comparison(2.0, 1.0, 3.0, 2e-6, 20))
    assert "p = .5," in str(Comparison(2.0, 1.0, 3.0, 0.5, 2))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 1, "higher"),
        (-1, -0.1, "lower"),
        (-1, 1, "undecided"),
        (0, 1, "undecided"),
        (0, 0, "undecided"),
    ],
)
def test_verdict(low: float, high: float, verdict: str) -> None:
    assert Comparison((low + high) / 2, low, high, 0.5, 5).verdict == verdict


def test_errors() -> None:
    with pytest.raises(StatisticsError, match=r"a has 2 values and b has 1: .* the same seeds"):
        paired_difference([1, 2], [1])
    with pytest.raises(StatisticsError, match=r"b\[1\] is nan: leave out that seed"):
        paired_difference([1, 2], [1, math.nan])
    with pytest.raises(StatisticsError, match=r"values has shape \(0,\)"):
        bca_interval([], rng=rng())
    with pytest.raises(StatisticsError, match="level is 95"):
        bca_interval([1, 2], level=95, rng=rng())
    with pytest.raises(
        StatisticsError, match=r"level is 0: it must lie between 0 and 1, e.g. 0.95"
    ):
        t_interval([1, 2], level=0)
    with pytest.raises(StatisticsError, match=r"values\[1\] is inf: leave out that seed"):
        t_interval([1, math.inf])
    with pytest.raises(StatisticsError, match=r"21 differences are too many .* give rng"):
        compare(range(21), [0] * 21)
    with pytest.raises(StatisticsError, match=r"21 differences are too many .* give rng"):
        sign_flip_test(range(21))
    with pytest.raises(StatisticsError, match=r"p-values lie in \[0, 1\]; found 0.5 to 2"):
        holm([0.5, 2])
    with pytest.raises(StatisticsError, match=r"power 0.01 at level 0.95"):
        minimum_detectable([1, 2], power=0.01)
    with pytest.raises(StatisticsError, match=r"margin 0 at level 0.95: margin must be a number"):
        equivalence([1, 2], [1, 3], margin=0)
    with pytest.raises(StatisticsError, match=r"margin 1 at level 0.05: .* between 0.5 and 1"):
        equivalence([1, 2], [1, 3], margin=1, level=0.05)
    with pytest.raises(StatisticsError, match="the same seeds"):
        equivalence([1, 2], [1], margin=1)
