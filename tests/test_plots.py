"""Plots of results: they show the numbers they were given, and say them."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mtlkit.figures import FAMILIES, VERDICTS, FigureError, canvas, save
from mtlkit.plots import bars_with_points, curves, differences
from mtlkit.statistics import t_interval


def runs() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"labels": n, "family": kind, "f1": base + n / 100 + rng.normal()}
            for n in (50, 100, 500)
            for kind, base in (("single", 40), ("joint", 50))
            for _ in range(5)
        ]
    )


def comparisons() -> pd.DataFrame:
    return pd.DataFrame(
        [
            ("a", 2.0, 1.0, 3.0, 0.0625, "NER"),
            ("b", -1.0, -2.0, -0.5, 0.002, "NER"),
            ("c", 0.5, -1.0, 2.0, 0.5, "POS"),
            ("d", 0.5, -math.inf, math.inf, 1.0, "POS"),
        ],
        columns=["label", "mean", "low", "high", "p", "task"],
    )


def test_curves(tmp_path: Path) -> None:
    frame = runs()
    axes = curves(frame, "labels", "f1", "family", log=True, xlabel="Labels", title="T")
    means = frame.groupby(["family", "labels"]).f1.mean()
    lines = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert [line.get_color() for line in lines] == [FAMILIES["single"], FAMILIES["joint"]]
    np.testing.assert_allclose(np.asarray(lines[0].get_ydata()), means["single"])
    values = frame[(frame.family == "joint") & (frame.labels == 50)].f1
    low, high = t_interval(values)
    band = axes.collections[1].get_paths()[0].vertices
    at = np.asarray(band)[np.asarray(band)[:, 0] == 50][:, 1]
    assert (at.min(), at.max()) == pytest.approx((low, high))
    alt = str(axes.get_label())
    assert alt.startswith("Line chart “T”: f1 against Labels (logarithmic), mean of up to 5 seeds")
    assert f"single: {means['single', 50]:.3g} at 50, {means['single', 500]:.3g} at 500 [" in alt
    assert {text.get_text() for text in axes.texts} == {"single", "joint"}
    assert save(axes, "curves", folder=tmp_path).stat().st_size > 5000


def test_curves_of_one_seed_have_no_interval() -> None:
    frame = runs().groupby(["labels", "family"], as_index=False).first()
    alt = str(curves(frame, "labels", "f1", "family").get_label())
    assert "one seed" in alt and "[" not in alt


def test_curves_need_their_columns() -> None:
    with pytest.raises(FigureError, match=r"no column \['las'\]; it has \['labels', 'family'"):
        curves(runs(), "labels", "las", "family")


def test_curves_on_given_axes() -> None:
    _, [left, right] = canvas(1, 2)
    assert curves(runs(), "labels", "f1", "family", ax=right) is right
    assert not left.lines


@pytest.mark.parametrize("group", [None, "task"])
def test_differences(tmp_path: Path, group: str | None) -> None:
    axes = differences(comparisons(), group=group, lower="worse", higher="better", title="T")
    alt = str(axes.get_label())
    assert "a: +2.0 [+1.0, +3.0], higher" in alt
    assert "b: \N{MINUS SIGN}1.0 [\N{MINUS SIGN}2.0, \N{MINUS SIGN}0.5], lower" in alt
    assert "c: +0.5 [\N{MINUS SIGN}1.0, +2.0], undecided" in alt
    assert "d: +0.5 [?, ?], undecided" in alt
    marks = [line for line in axes.lines if line.get_marker() == "D"]
    wanted = [VERDICTS[v] for v in ("higher", "lower", "undecided", "undecided")]
    assert [mark.get_color() for mark in marks] == wanted
    assert [float(np.asarray(mark.get_xdata())[0]) for mark in marks] == [2, -1, 0.5, 0.5]
    assert [text.get_text() for text in axes.get_yticklabels()] == list("abcd")
    texts = {text.get_text() for text in axes.texts}
    assert {"← worse", "better →", ".0625", "p"} <= texts
    assert ("NER" in texts) == (group is not None)
    low, high = axes.get_xlim()
    assert low == -high, "zero is in the middle"
    save(axes, "differences", folder=tmp_path)


def test_bars_with_points(tmp_path: Path) -> None:
    frame = runs()
    axes = bars_with_points(frame[frame.labels == 50], "family", "f1", title="T")
    mean = frame[(frame.labels == 50) & (frame.family == "joint")].f1.mean()
    assert f"joint {mean:.1f} [" in str(axes.get_label())
    assert [text.get_text() for text in axes.get_yticklabels()] == ["single", "joint"]
    drawn = np.concatenate([np.asarray(line.get_xdata()) for line in axes.lines])
    assert set(frame[frame.labels == 50].f1) <= set(drawn), "every seed is there"
    save(axes, "dots", folder=tmp_path)


def test_drawing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(curves(runs(), "labels", "f1", "family", log=True), name, folder=tmp_path)
    first = (tmp_path / "one.svg").read_text().replace(">one<", ">two<")
    assert first == (tmp_path / "two.svg").read_text()
