"""Matrices of effects: what is decided has colour, what is not is hatched, and the text says so."""

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from mtlkit import figures, matrices
from mtlkit.figures import FigureError

FRAME = pd.DataFrame(
    [
        ("pos", "ner", 2.0, 1.0, 3.0),
        ("pos", "dep", -0.5, -1.5, 0.5),
        ("dep", "pos", -1.0, -1.5, -0.5),
        ("dep", "ner", 0.25, 0.1, 0.4),
    ],
    columns=["source", "target", "mean", "low", "high"],
)


def test_cells_say_what_is_decided() -> None:
    axes = matrices.effects(FRAME, "source", "target", columns=["pos", "ner", "dep"])
    texts = {text.get_text(): text for text in axes.texts}
    assert set(texts) == {"+2.0", "−0.5", "−1.0", "+0.2"}
    assert texts["−0.5"].get_weight() == "normal" and texts["+2.0"].get_weight() == "bold"
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert [patch.get_xy() for patch in hatched] == [(1.5, -0.5)]
    filled = {p.get_xy(): to_hex(p.get_facecolor()) for p in axes.patches if p.get_fill()}
    blue = int(filled[0.5, -0.5][5:], 16) - int(filled[0.5, -0.5][1:3], 16)
    orange = int(filled[-0.5, 0.5][5:], 16) - int(filled[-0.5, 0.5][1:3], 16)
    assert blue > 0 > orange, "gains are blue, losses orange"


def test_the_alternative_text_counts_and_names() -> None:
    axes = matrices.effects(FRAME, "source", "target", ylabel="source", xlabel="target")
    alt = figures.describe(axes)
    assert "Of 4 cells 2 are above zero, 1 below, 1 undecided" in alt
    assert "pos on ner +2.0; dep on pos −1.0; dep on ner +0.2" in alt


def test_rows_that_are_not_asked_for_are_left_out() -> None:
    axes = matrices.effects(FRAME, "source", "target", rows=["dep"])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dep"]
    assert len(axes.texts) == 2


def test_a_matrix_needs_one_effect_a_cell_and_its_interval() -> None:
    with pytest.raises(FigureError, match=r"^some cell of 'source' and 'target' has two rows"):
        matrices.effects(pd.concat([FRAME, FRAME]), "source", "target")
    with pytest.raises(FigureError, match="low"):
        matrices.effects(FRAME.drop(columns="low"), "source", "target")
