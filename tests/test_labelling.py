"""Direct labels: they say numbers plainly and do not lie on each other."""

import itertools
import math
import textwrap

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from mtlkit.figures import FigureError, canvas
from mtlkit.labelling import (
    amount,
    balanced,
    interval_text,
    log_axis,
    name_ends,
    name_points,
    need,
    reach,
    signed,
    words,
)


def overlaps(boxes: list[Bbox], slack: float = 1.0) -> list[tuple[Bbox, Bbox]]:
    found = []
    for one, two in itertools.combinations(boxes, 2):
        both = Bbox.intersection(one, two)
        if both is not None and min(both.width, both.height) > slack:
            found.append((one, two))
    return found


def test_numbers() -> None:
    assert [amount(x) for x in (0.12345, 12.345, 3000, -0.5)] == ["0.123", "12.3", "3,000", "-0.5"]
    assert [signed(x, 1) for x in (1.25, -0.44, 0)] == ["+1.2", "\N{MINUS SIGN}0.4", "+0.0"]
    assert signed(-math.inf, 1) == "?"
    assert interval_text(0.1, 0.3) == " [0.1 to 0.3]"
    assert interval_text(math.nan, 1) == ""
    assert [words(x) for x in (np.int64(3000), 0.5, "news")] == ["3,000", "0.5", "news"]
    assert reach(pd.DataFrame({"a": [1.0, -3.0], "b": [math.inf, math.nan]})) == 3


def test_lines_are_few_and_about_equal() -> None:
    assert balanced("one two three four", 14) == ["one two", "three four"]
    assert balanced("ways (for it: cross-stitch)", 20) == ["ways (for it:", "cross-stitch)"]
    assert balanced("a longest-of-all-words b", 8) == ["a", "longest-of-all-words", "b"]
    assert balanced("", 8) == []


@given(st.lists(st.sampled_from(["a", "word", "longer", "words"]), max_size=20), st.integers(6, 30))
def test_no_way_has_fewer_lines_or_a_shorter_longest(words: list[str], width: int) -> None:
    """Against all widths, with words that fit in the narrowest."""
    found = balanced(" ".join(words), width)
    assert " ".join(found).split() == words
    assert max(map(len, found), default=0) <= width
    for other in range(6, width + 1):
        lines = textwrap.wrap(" ".join(words), other)
        assert len(lines) > len(found) or max(map(len, lines), default=0) >= max(
            map(len, found), default=0
        )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_names_of_lines_never_touch_and_keep_their_order(heights: list[float]) -> None:
    figure, [axes] = canvas()
    names = [f"line {i}" for i in range(len(heights))]
    for height in heights:
        axes.plot([0, 1], [0, height])
    name_ends(
        axes,
        [(name, 1.0, height) for name, height in zip(names, heights, strict=True)],
        dict.fromkeys(names, "#0072B2"),
    )
    figure.draw_without_rendering()
    # The boxes of the texts alone, without the leaders.
    spans = {text.get_text(): Bbox.from_bounds(*_text_box(text)) for text in axes.texts}
    assert set(spans) == set(names)
    assert not overlaps(list(spans.values()))
    for (one, low), (two, high) in itertools.permutations(zip(names, heights, strict=True), 2):
        if low < high:
            assert spans[one].y0 < spans[two].y0


def _text_box(annotation: Text) -> tuple[float, float, float, float]:
    return Text.get_window_extent(annotation).bounds


def test_names_of_points_avoid_points_and_lines() -> None:
    figure, [axes] = canvas()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    anchors = [(f"point {x}", x, 5.0, "black") for x in (5.0, 5.3, 9.9)]
    name_points(axes, anchors, lines=[(5.3, 5, 10, 5)])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not overlaps(boxes)
    line = Bbox(axes.transData.transform([(5.3, 5), (10, 5)]))
    assert not any(box.y0 < line.y0 < box.y1 and box.x1 > line.x0 for box in boxes[1:])
    inside = axes.get_window_extent()
    assert boxes[2].x1 <= inside.x1 + 1


def test_logarithmic_ticks() -> None:
    figure, [axes] = canvas()
    axes.plot([50, 3000], [0, 1])
    log_axis(axes, pd.Series([50, 250, 3000, 50]))
    figure.draw_without_rendering()
    assert [text.get_text() for text in axes.get_xticklabels()] == ["50", "250", "3,000"]


@pytest.mark.parametrize("most", [300, 3_000_000])
def test_logarithmic_ticks_do_not_touch(most: int) -> None:
    figure, [axes] = canvas()
    axes.plot([7, most], [0, 1])
    log_axis(axes)
    figure.draw_without_rendering()
    texts = [text for text in axes.get_xticklabels() if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    inside = [box for box in boxes if axes.get_window_extent().overlaps(box.padded(40))]
    assert len(inside) >= 3 and not overlaps(inside)


def test_need() -> None:
    frame = pd.DataFrame({"a": [1]})
    with pytest.raises(FigureError, match=r"no column \['b'\]; it has \['a'\]"):
        need(frame, "a", "b")
    with pytest.raises(FigureError, match="has no rows: nothing to draw"):
        need(frame[:0], "a")


def test_numbers_that_are_all_zero_reach_as_far_as_one() -> None:
    assert reach(pd.DataFrame({"a": [0.0, -0.0], "b": [math.nan, math.inf]})) == 1.0
    assert reach(pd.DataFrame({"a": [0.5, -2.0, math.inf]})) == 2.0
