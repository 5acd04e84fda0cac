"""Simulated coverage: vectorised intervals equal the plain ones, and known truths come out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mtlkit import coverage as module
from mtlkit.coverage import INTERVALS, coverage, residuals
from mtlkit.statistics import StatisticsError, bca_interval, t_interval


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def cells(seed: int = 0) -> list[np.ndarray]:
    """Cells of 5 and 10 differences that are skewed, of very different size."""
    generator = rng(seed)
    return [10.0 ** (k % 4) * generator.exponential(size=5 + 5 * (k % 2)) for k in range(20)]


# ---- intervals


def test_t_equals_the_plain_interval() -> None:
    studies = rng(1).normal(2, 3, (50, 5))
    plain = [t_interval(study) for study in studies]
    np.testing.assert_allclose(np.stack(INTERVALS["t"](studies, rng()), axis=1), plain)


def test_bca_equals_the_plain_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 40_000)
    studies = rng(2).exponential(size=(8, 15)) + 1  # of fewer values quantiles jump
    plain = [bca_interval(study, resamples=40_000, rng=rng(3)) for study in studies]
    ours = np.stack(INTERVALS["BCa"](studies, rng(4)), axis=1)
    np.testing.assert_allclose(ours, plain, atol=0.02)


def test_percentile_equals_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 40_000)
    studies = rng(5).exponential(size=(8, 6))
    low, high = INTERVALS["percentile"](studies, rng(6))
    peer = stats.bootstrap(
        (studies,), np.mean, axis=1, n_resamples=40_000, method="percentile", rng=rng(7)
    ).confidence_interval
    np.testing.assert_allclose(low, peer.low, atol=0.03)
    np.testing.assert_allclose(high, peer.high, atol=0.03)


@pytest.mark.parametrize("name", INTERVALS)
def test_intervals_move_and_stretch_with_the_data(name: str) -> None:
    """Why neither the mean nor the spread of a cell matters."""
    studies = rng(8).normal(size=(30, 5))
    plain, moved = (np.stack(INTERVALS[name](s, rng(9))) for s in (studies, 1000 * studies - 7))
    np.testing.assert_allclose(moved, 1000 * plain - 7, atol=1e-6)


@pytest.mark.parametrize("name", INTERVALS)
def test_a_study_without_spread_has_no_width(name: str) -> None:
    low, high = INTERVALS[name](np.full((2, 4), 0.5), rng())
    assert low == pytest.approx(0.5) and high == pytest.approx(0.5)


# ---- coverage


def test_coverage_of_normal_differences() -> None:
    """t is exact; the bootstraps of few seeds are far too narrow."""
    frame = coverage(cells(), rng=rng(10), trials=4000)
    normal = frame[frame["population"] == "normal"].set_index(["interval", "seeds"])
    for n in (5, 10):
        t = normal.loc["t", n]
        assert t["low"] < 0.95 < t["high"] and t["high"] - t["low"] < 0.02
    for name in ("BCa", "percentile"):
        assert normal.loc[(name, 5), "high"] < 0.86 < 0.88 < normal.loc[(name, 10), "low"]
        assert normal.loc[(name, 10), "high"] < 0.93


def test_t_is_fast_enough_for_many_trials_and_skew_costs_it_some() -> None:
    frame = coverage(cells(), rng=rng(11), intervals=["t"], trials=50_000)
    few, more = frame.loc[frame["population"] == "as met here", "coverage"]
    assert 0.85 < few < more < 0.945


def test_of_normal_cells_both_populations_agree() -> None:
    """Nearly: residuals of ten seeds have shorter tails than their population."""
    frame = coverage(rng(12).normal(3, 2, (400, 10)), rng=rng(13), intervals=["t"], trials=40_000)
    assert frame["coverage"].tolist() == pytest.approx([0.95] * 4, abs=0.006)


def test_the_frame_is_tidy() -> None:
    frame = coverage(cells(), rng=rng(14), trials=200, seeds=[3, 7], intervals=["t", "percentile"])
    assert list(frame) == ["population", "seeds", "interval", "coverage", "low", "high", "trials"]
    keys = frame[["population", "seeds", "interval"]].drop_duplicates()
    assert len(keys) == len(frame) == 8
    row = frame.iloc[0]
    hits = round(row["coverage"] * 200)
    peer = stats.binomtest(hits, 200).proportion_ci(0.95, method="exact")
    assert (row["low"], row["high"]) == pytest.approx((peer.low, peer.high))
    assert frame["trials"].unique().tolist() == [200]


def test_units_change_nothing_and_the_generator_decides() -> None:
    one = coverage(cells(), rng=rng(15), trials=300)
    other = coverage([3 * cell + 1 for cell in cells()], rng=rng(15), trials=300)
    assert one.equals(other)
    assert not one.equals(coverage(cells(), rng=rng(16), trials=300))


# ---- residuals


@given(st.lists(st.integers(2, 12), min_size=1, max_size=6), st.integers(0, 99))
def test_residuals_are_in_standard_units(sizes: list[int], seed: int) -> None:
    generator = rng(seed)
    found = residuals([generator.normal(n, 10.0**n, n) for n in sizes])
    assert len(found) == sum(sizes)
    assert (found.mean(), found.std()) == pytest.approx((0, 1), abs=1e-9)
    assert np.abs(found).max() <= max(sizes) ** 0.5


def test_residuals_by_hand() -> None:
    assert residuals([[1, 3], [0.2], [5, 5, 5], [0, 0, 3]]) == pytest.approx(
        [-1, 1, -(0.5**0.5), -(0.5**0.5), 2**0.5]
    )


def test_no_residual_of_five_is_beyond_two() -> None:
    assert np.abs(residuals([[0, 0, 0, 0, 1]])).max() == pytest.approx(2)


# ---- errors


def test_errors() -> None:
    with pytest.raises(StatisticsError, match=r"cell 1, of shape \(2,\), must be a list of finite"):
        residuals([[1, 2], [1, np.nan]])
    with pytest.raises(
        StatisticsError, match=r"cell 0, of shape \(\), must be .* whose run failed"
    ):
        residuals([1, 2])
    with pytest.raises(StatisticsError, match=r"no cell has two differences .* at least two seeds"):
        coverage([[1], [2, 2], []], rng=rng())
    with pytest.raises(StatisticsError, match=r"seeds \[1\] and 10 trials: .* at least two seeds"):
        coverage(cells(), rng=rng(), seeds=[1], trials=10)
    with pytest.raises(StatisticsError, match=r"seeds \[5\] and 0 trials: .* at least one trial"):
        coverage(cells(), rng=rng(), seeds=[5], trials=0)
    with pytest.raises(StatisticsError, match="no interval 'Wald'; there are t, BCa, percentile"):
        coverage(cells(), rng=rng(), intervals=["t", "Wald"])
