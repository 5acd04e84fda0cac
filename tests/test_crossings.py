"""Crossings against a peer (numpy), Fieller's set place by place, and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mtlkit.crossings import Crossover, crossover
from mtlkit.statistics import StatisticsError

Cells = tuple[np.ndarray, np.ndarray, list[str]]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def study(seed: int, targets: int, *, slope: float = 1.0, noise: float = 0.4) -> Cells:
    """Three sources for each target; the line crosses at 0.3, and targets differ."""
    generator = rng(seed)
    target = np.repeat(np.arange(targets), 3)
    x = generator.normal(size=3 * targets) + generator.normal(size=targets)[target]
    shift = noise * generator.normal(size=targets)[target]
    y = slope * (x - 0.3) + shift + noise * generator.normal(size=3 * targets)
    return x, y, [f"target {number}" for number in target]


def find(x: np.ndarray, y: np.ndarray, cluster: list[str], **options: float) -> Crossover:
    return crossover(x, y, cluster=cluster, **options)


@settings(max_examples=20)
@given(st.integers(0, 99), st.integers(1, 6))
def test_the_line_equals_numpy(seed: int, targets: int) -> None:
    x, y, cluster = study(seed, targets)
    slope, intercept = np.polyfit(x, y, 1)
    found = find(x, y, cluster)
    assert found.slope == pytest.approx(slope, abs=1e-7)
    assert found.at == pytest.approx(-intercept / slope, abs=1e-6)
    assert found.clusters == targets
    assert found.slope_low <= found.slope <= found.slope_high
    assert found.low <= found.at <= found.high
    assert found.sloped or (found.low, found.high) == (-math.inf, math.inf)


def test_an_exact_line_crosses_in_one_place() -> None:
    x = np.log([1 / 4, 1 / 2, 1, 2, 4, 8])
    found = find(x, 2 * (x - 0.5), list("aabbcc"))
    assert (found.at, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    assert (found.slope, found.slope_low, found.slope_high) == pytest.approx((2, 2, 2))
    assert found.sloped


def test_units_and_signs_change_nothing() -> None:
    x, y, cluster = study(3, 8)
    plain, other = find(x, y, cluster), find(10 * x + 7, -100 * y, cluster)
    places = [10 * place + 7 for place in (plain.at, plain.low, plain.high)]
    assert [other.at, other.low, other.high] == pytest.approx(places, abs=1e-5)
    assert (other.slope_low, other.slope_high) == pytest.approx(
        (-10 * plain.slope_high, -10 * plain.slope_low), rel=1e-6
    )


def test_without_a_slope_the_crossing_may_be_anywhere() -> None:
    """Fieller's problem: all differences are above zero, and do not depend on the ratio."""
    x, y, cluster = study(4, 8, slope=0.0)
    found = find(x, y + 3, cluster)
    assert not found.sloped and found.slope_low < 0 < found.slope_high
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_a_level_line_crosses_nowhere() -> None:
    for height in (0.0, 0.3):
        found = find(np.arange(6.0), np.full(6, height), list("aabbcc"))
        assert math.isnan(found.at) and not found.sloped
        assert (found.slope, found.slope_low, found.slope_high) == (0, 0, 0)


def test_one_cluster_says_nothing_about_others() -> None:
    found = find(np.array([0.0, 1, 2]), np.array([-1, 0.1, 1]), ["a"] * 3)
    assert found.at == pytest.approx(0.9666667)
    assert (found.low, found.high, found.slope_low) == (-math.inf, math.inf, -math.inf)
    assert not found.sloped


def test_a_cluster_without_which_there_is_one_ratio_says_nothing_of_the_slope() -> None:
    found = find(np.array([-1.0, -1, 1]), np.array([-1.0, 0, 1]), list("abc"))
    assert found.sloped is False and found.slope == pytest.approx(0.75)
    assert (found.slope_low, found.slope_high) == (-math.inf, math.inf)


@pytest.mark.parametrize(("seed", "targets", "level"), [(1, 5, 0.95), (2, 3, 0.8), (5, 9, 0.99)])
def test_the_crossing_equals_the_t_interval_place_by_place(
    seed: int, targets: int, level: float
) -> None:
    x, y, cluster = study(seed, targets, noise=0.2)
    found = find(x, y, cluster, level=level)
    whole = np.polyfit(x, y, 1)
    names = np.array(cluster)
    apart = np.array([np.polyfit(x[names != c], y[names != c], 1) for c in dict.fromkeys(cluster)])
    quantile = stats.t.ppf((1 + level) / 2, targets - 1)

    def surely_not_zero(place: float) -> bool:
        others = np.polyval(apart.T, place) - np.polyval(whole, place)
        error = math.sqrt((targets - 1) / targets * np.sum(others**2))
        return bool(abs(np.polyval(whole, place)) > quantile * error)

    assert found.sloped
    for bound, outward in ((found.low, -1e-5), (found.high, 1e-5)):
        assert surely_not_zero(bound + outward) and not surely_not_zero(bound - outward)
    reach = quantile * math.sqrt((targets - 1) / targets * np.sum((apart - whole)[:, 0] ** 2))
    assert (found.slope_low, found.slope_high) == pytest.approx(
        (whole[0] - reach, whole[0] + reach), abs=1e-6
    )


@pytest.mark.parametrize("targets", [3, 5])
def test_coverage_with_few_targets(targets: int) -> None:
    found = [find(*study(seed, targets)) for seed in range(800)]
    assert 0.93 < np.mean([each.low <= 0.3 <= each.high for each in found]) < 0.975


def test_errors() -> None:
    x, y, cluster = study(0, 2)
    with pytest.raises(
        StatisticsError, match=r"log_ratio has shape \(6,\), difference \(5,\), and"
    ):
        find(x, y[:5], cluster)
    with pytest.raises(StatisticsError, match=r"cluster 2 entries: give three lists with one entr"):
        find(x, y, ["a", "b"])
    with pytest.raises(StatisticsError, match=r"cell 1 has log_ratio -inf and difference .* zero"):
        find(np.array([1.0, -np.inf]), np.array([1.0, 2.0]), ["a", "b"])
    with pytest.raises(StatisticsError, match=r"every log_ratio is 2: a line needs at least two"):
        find(np.array([2.0, 2.0]), np.array([1.0, 2.0]), ["a", "b"])
    with pytest.raises(StatisticsError, match="no cell: a line needs at least two different"):
        find(np.array([]), np.array([]), [])
    with pytest.raises(StatisticsError, match="level is 2: it must lie between 0 and 1"):
        find(x, y, cluster, level=2)
