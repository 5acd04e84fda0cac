"""Figures and tables on disk: alt text always, the same bytes again, one meaning a colour."""

import base64
import csv
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mtlkit.figures import (
    FAMILIES,
    INK,
    PALETTE,
    PAPER,
    VERDICTS,
    FigureError,
    canvas,
    colours,
    describe,
    family,
    mix,
    save,
    save_table,
    show,
    style,
    text_on,
)


def drawing() -> Figure:
    figure, axes = canvas(1, 2)
    for axis, text in zip(axes, ["Left chart: up.", "Right chart: down."], strict=True):
        axis.fill_between([0, 1], [0, 1], hatch="//")
        axis.set_label(text)
    return figure


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert save(drawing(), "x", folder=tmp_path / name) == tmp_path / name / "x.svg"
    for kind in ("svg", "png"):
        one, two = ((tmp_path / name / f"x.{kind}").read_bytes() for name in ("one", "two"))
        assert one == two
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["x.png", "x.svg"]


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    figure = drawing()
    first = save(figure, "x", folder=tmp_path).read_bytes()
    assert save(figure, "x", folder=tmp_path).read_bytes() == first


def test_alt_text_comes_from_the_axes_and_lies_in_the_files(tmp_path: Path) -> None:
    figure = drawing()
    assert describe(figure) == "Left chart: up. Right chart: down."
    path = save(figure, "x", folder=tmp_path)
    assert "Left chart: up. Right chart: down." in path.read_text()
    assert b"Left chart: up." in path.with_suffix(".png").read_bytes()
    assert "Another." in save(figure, "x", folder=tmp_path, alt="Another.").read_text()


def test_no_alt_text_no_figure(tmp_path: Path) -> None:
    figure, _ = canvas()
    with pytest.raises(FigureError, match="figure 'x' has no alt text: draw it with"):
        save(figure, "x", folder=tmp_path)
    with pytest.raises(FigureError, match=r"'a/b' cannot name a file: use letters"):
        save(drawing(), "a/b", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_show_displays_in_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[dict, dict]] = []
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: object())
    monkeypatch.setattr(
        "IPython.display.display",
        lambda data, raw, metadata: shown.append((data, metadata)),
    )
    show(drawing(), "x", folder=tmp_path)
    [(data, metadata)] = shown
    assert base64.b64decode(data["image/png"]) == (tmp_path / "x.png").read_bytes()
    alt = "Left chart: up. Right chart: down."
    assert data["text/plain"] == alt
    assert metadata == {"image/png": {"alt": alt}}


def test_show_without_a_notebook_only_saves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(drawing(), "x", folder=tmp_path)
    assert (tmp_path / "x.svg").exists() and (tmp_path / "x.png").exists()
    assert capsys.readouterr().out == ""


def test_pictures_have_notebook_width(tmp_path: Path) -> None:
    path = save(drawing(), "x", folder=tmp_path).with_suffix(".png")
    header = path.read_bytes()[16:24]
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:])
    assert 1200 < width < 1600 and 500 < height < 800


def test_style_is_left_again() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["svg.hashsalt"] == "mtlkit"
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("route", "kind"),
    [
        ("scratch > ner:500", "scratch"),
        ("minilm > ner:500", "single"),
        ("scratch > pos+ner", "joint"),
        ("minilm > pos+ner:500+dep", "joint"),
        ("minilm > pos+dep > ner:500", "combined"),
        ("minilm > sst2 > cr:100", "sequential"),
        ("scratch > mlm > ner", "single"),
        ("scratch > mlm:40@world > pos+ner", "joint"),
        ("scratch > mlm > pos+dep > ner", "combined"),
        ("scratch > mlm+pos > ner", "combined"),
    ],
)
def test_families(route: str, kind: str) -> None:
    assert family(route) == kind


def test_colours() -> None:
    assert colours(["joint", "minilm > ner"]) == {
        "joint": FAMILIES["joint"],
        "minilm > ner": FAMILIES["single"],
    }
    assert colours(["x", "y"]) == {"x": PALETTE[0], "y": PALETTE[1]}
    assert colours(["x"], {"x": "combined"}) == {"x": FAMILIES["combined"]}
    assert colours(["x"], {"x": "#123456"}) == {"x": "#123456"}
    same = colours(["minilm > a", "minilm > b", "minilm > c"])
    assert len(set(same.values())) == 3, "routes of one family differ in shade"
    assert list(colours(["y", "x", "y"])) == ["y", "x"]
    assert len(colours(str(i) for i in range(30))) == 30


def seen(colour: str, matrix: np.ndarray) -> np.ndarray:
    """The colour as a colour-blind eye sees it (Machado et al. 2009), in linear RGB."""
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.clip(matrix @ linear, 0, 1) ** (1 / 2.2)


DEUTERANOPIA = np.array(
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)


PROTANOPIA = np.array(
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]
)


@pytest.mark.parametrize(
    "eye",
    [np.eye(3), DEUTERANOPIA, PROTANOPIA],
    ids=["full", "deuteranopia", "protanopia"],
)
@pytest.mark.parametrize("palette", [FAMILIES, VERDICTS], ids=["families", "verdicts"])
def test_colours_differ_for_every_eye(eye: np.ndarray, palette: dict[str, str]) -> None:
    for one, two in itertools.combinations(palette.values(), 2):
        assert np.linalg.norm(seen(one, eye) - seen(two, eye)) > 0.15, (one, two)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("colour", [*PALETTE, *VERDICTS.values(), INK])
def test_text_on_a_colour_has_the_contrast_that_bold_text_needs(colour: str, share: float) -> None:
    def luminance(shown: str) -> float:  # WCAG 2.2, relative luminance
        values = np.array(to_rgb(shown))
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    face = mix(colour, PAPER, share)
    low, high = sorted(luminance(each) for each in (face, text_on(face)))
    assert (high + 0.05) / (low + 0.05) >= 3.0


def test_mix() -> None:
    assert mix("#000000", "#ffffff", 0.0) == "#000000"
    assert mix("#000000", "#ffffff", 1.0) == "#ffffff"
    assert mix("#204060", INK, 0.0) == "#204060"


def test_tables(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"route": ["a|b", "<c>"], "f1": [1 / 3, np.nan], "n": [3, 4], "seconds": [12345.6, 1.0]}
    )
    table = save_table(frame, "costs", folder=tmp_path, caption="What it costs.")
    rows = list(csv.reader((tmp_path / "tables" / "costs.csv").read_text().splitlines()))
    assert rows[0] == ["route", "f1", "n", "seconds"]
    assert float(rows[1][1]) == 1 / 3, "all digits"
    assert (tmp_path / "tables" / "costs.md").read_text() == (
        "What it costs.\n\n"
        "| route | f1 | n | seconds |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| a\\|b | 0.333 | 3 | 12,346 |\n"
        "| <c> |  | 4 | 1.000 |\n"
    )
    shown = table._repr_html_()
    assert "<caption>What it costs.</caption>" in shown and "&lt;c&gt;" in shown
    assert repr(table) == (tmp_path / "tables" / "costs.md").read_text()


def test_a_named_index_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"f1": [0.5]}, index=pd.Index(["pos"], name="task"))
    save_table(frame, "t", folder=tmp_path, caption="c")
    assert (tmp_path / "tables" / "t.csv").read_text() == "task,f1\npos,0.5\n"
    with pytest.raises(FigureError, match="table 't' has no caption"):
        save_table(frame, "t", folder=tmp_path, caption=" ")


def test_no_pyplot_no_torch() -> None:
    code = (
        "import sys, mtlkit.plots, mtlkit.choices, mtlkit.diagrams; "
        "sys.exit(bool({'torch', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
