"""Route diagrams: every start, stage and task is in the picture and in the words."""

from pathlib import Path

import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from mtlkit.diagrams import route_diagram
from mtlkit.figures import FAMILIES, FigureError, save

ROUTES = [
    "scratch > ner:500",
    "minilm > ner:500",
    "minilm > pos+ner:500+dep",
    "minilm > pos+dep > ner:500",
    "minilm > pos@gum/news > pos:200@gum/vlog",
]


def test_route_diagram(tmp_path: Path) -> None:
    axes = route_diagram(ROUTES, title="Five ways")
    alt = str(axes.get_label())
    assert alt.startswith(
        "Diagram of routes “Five ways”: scratch: start from random weights, then ner with 500 "
        "labelled sentences; single: start from the encoder minilm, then ner with 500"
    )
    assert "joint: start from the encoder minilm, then pos together with ner with 500" in alt
    assert "then pos on gum/news, then pos with 200 labelled sentences on gum/vlog." in alt
    texts = [text.get_text() for text in axes.texts]
    assert set(ROUTES) <= set(texts)
    assert texts.count("ner") == 4 and texts.count("minilm") == 4
    assert texts.count("+") == 3 + 1, "one in the key"
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 7 + 1, "one a stage, one in the key"
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    filled = [to_hex(box.get_facecolor()).upper() for box in boxes]
    for kind in ("scratch", "single", "joint", "combined"):
        assert filled.count(FAMILIES[kind]) == 1, f"the target is filled once in {kind}"
    save(axes, "routes", folder=tmp_path)


def test_everything_lies_inside() -> None:
    axes = route_diagram(ROUTES)
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    frame = axes.get_window_extent().padded(1)
    for artist in (*axes.texts, *axes.patches):
        box = artist.get_window_extent()
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1, artist
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1, artist


def test_names_and_errors() -> None:
    axes = route_diagram(ROUTES[:1], names=["baseline"])
    assert "baseline" in [text.get_text() for text in axes.texts]
    with pytest.raises(FigureError, match="2 names for 1 routes: give one for each"):
        route_diagram(ROUTES[:1], names=["a", "b"])
    with pytest.raises(FigureError, match="no routes to draw"):
        route_diagram([])
