"""Plots for choosing: the winners, the frontier and the rule are those of the data."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Rectangle

from mtlkit.choices import frontier, scatter_rule, winners
from mtlkit.figures import FAMILIES, PAPER, FigureError, mix, save


def cells() -> pd.DataFrame:
    return pd.DataFrame(
        [
            (0.0, 50, "single", True, "+1.0"),
            (0.0, 500, "single", False, "+0.1"),
            (1.0, 50, "combined", True, "+2.0"),
            (1.0, 500, "joint", True, "+0.5"),
        ],
        columns=["relatedness", "labels", "who", "sure", "lead"],
    )


def test_winners(tmp_path: Path) -> None:
    axes = winners(cells(), "relatedness", "labels", "who", decided="sure", text="lead")
    alt = str(axes.get_label())
    assert "0, 50: single by +1.0; 0, 500: single by +0.1 (undecided); 1, 50: combined" in alt
    patches = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.fill]
    faces = [mix(FAMILIES[name], PAPER, 0.25) for name in ("single", "combined", "joint")]
    found = {(patch.get_x(), patch.get_y()): patch for patch in patches[:4]}
    from matplotlib.colors import to_hex

    assert to_hex(found[-0.5, -0.5].get_facecolor()) == faces[0]
    assert to_hex(found[-0.5, 0.5].get_facecolor()) == faces[1]
    assert to_hex(found[0.5, 0.5].get_facecolor()) == faces[2]
    assert found[0.5, -0.5].get_hatch() and not found[-0.5, -0.5].get_hatch()
    names = [text.get_text() for text in axes.texts][4:]
    assert names == ["single", "joint", "combined", "undecided"]
    save(axes, "winners", folder=tmp_path)


def test_winners_want_one_row_a_cell() -> None:
    twice = pd.concat([cells(), cells()])
    with pytest.raises(FigureError, match="has two rows: one winner a cell"):
        winners(twice, "relatedness", "labels", "who", decided="sure")


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=7, unique=True)
)
def test_frontier_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    frame = pd.DataFrame(points, columns=["cost", "score"])
    frame["name"] = [f"p{i};" for i in range(len(frame))]
    alt = str(frontier(frame, "cost", "score", "name").get_label())
    listed, beaten = alt.split("Beaten:")
    for (cost, score), name in zip(points, frame.name, strict=True):
        dominated = any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points)
        assert (name in beaten) == dominated
        assert (name in listed) != dominated


def test_frontier_with_intervals(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "s": [10, 100],
            "f1": [1.0, 2.0],
            "low": [0, 1.5],
            "high": [2, 2.5],
            "route": ["minilm > ner", "minilm > pos+ner"],
        }
    )
    axes = frontier(frame, "s", "f1", "route")
    assert "from cheap to dear: minilm > ner (10, 1); minilm > pos+ner (100, 2)" in str(
        axes.get_label()
    )
    save(axes, "frontier", folder=tmp_path)


def test_intervals_at_equal_costs_stand_side_by_side() -> None:
    frame = pd.DataFrame(
        {
            "parameters": [44.85, 23.5, 44.86, 44.86, 30.0],
            "score": [10.5, 0.0, 8.6, 8.6, 3.0],
            "low": [8.0, -1.0, 7.0, 7.0, 2.0],
            "high": [12.7, 1.0, 11.0, 11.0, 4.0],
            "way": ["cross-stitch", "hard", "twins", "both", "adapters"],
        }
    )
    axes = frontier(frame, "parameters", "score", "way", log=False)
    low, high = axes.get_ylim()
    assert low < -1 and high > 12.7
    moved = []
    for line in axes.lines:
        at = np.asarray(line.get_xydata())[0]
        if line.get_zorder() == 2:
            by = line.get_transform().transform(at)[0] - axes.transData.transform(at)[0]
            moved.append(by * 72 / axes.figure.dpi)
    assert moved == pytest.approx([-4, 0, 0, 4, 0], abs=1e-9)


@pytest.mark.parametrize(
    ("rising", "said"),
    [(True, "2 agree with the rule, 1 disagree, and 2"), (False, "1 agree with the rule, 2")],
)
def test_scatter_rule(tmp_path: Path, rising: bool, said: str) -> None:
    frame = pd.DataFrame(
        [
            (10, 2.0, 1.0, 3.0),
            (0.1, -2.0, -3.0, -1.0),
            (3, -1.0, -1.5, -0.5),
            (0.5, 0.2, -1.0, 1.0),
            (2, 0.1, -math.inf, math.inf),
        ],
        columns=["ratio", "gain", "low", "high"],
    )
    frame["pair"] = list("abcde")
    axes = scatter_rule(frame, "ratio", "gain", label="pair", rising=rising)
    assert f"Of 5 comparisons {said}" in str(axes.get_label())
    assert axes.get_xscale() == "log"
    save(axes, "rule", folder=tmp_path)


def test_scatter_rule_says_nothing_of_equal_sizes_and_hides_no_point() -> None:
    frame = pd.DataFrame(
        [(1, 2.0, -1.0, 5.0), (1, -2.0, -3.0, -1.0), (0.25, -2.0, -3.0, -1.0)],
        columns=["ratio", "gain", "low", "high"],
    )
    axes = scatter_rule(frame, "ratio", "gain")
    assert (
        "Of 3 comparisons 1 agree with the rule, 0 disagree, and 0 are undecided. Of 2 at"
        in str(axes.get_label())
    )
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    filled = [mark.get_markerfacecolor() != PAPER for mark in marks]
    assert filled == [False, True, True], "open is undecided, at equal sizes too"
    places = [mark.get_xdata()[0] for mark in marks]
    assert places[0] < 1 < places[1] and places[0] * places[1] == pytest.approx(1)
    assert places[2] == 0.25, "alone at its ratio"


def test_scatter_rule_wants_ratios() -> None:
    frame = pd.DataFrame({"ratio": [0.0], "gain": [1.0], "low": [0.0], "high": [2.0]})
    with pytest.raises(FigureError, match="column 'ratio' has 0: a ratio must be above zero"):
        scatter_rule(frame, "ratio", "gain")
