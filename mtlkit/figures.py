"""One look for the whole course: the style, its colours, and figures and tables on disk.

A colour means the same thing in every figure: a family of routes, or a verdict.  Every figure has
alt text, which `describe` takes from what was plotted.  The same figure gives the same bytes.
"""

import base64
import html
import io
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

__all__ = [
    "FAMILIES",
    "GRID",
    "INK",
    "MUTED",
    "PALETTE",
    "PAPER",
    "VERDICTS",
    "FigureError",
    "Table",
    "canvas",
    "colours",
    "describe",
    "family",
    "mix",
    "save",
    "save_table",
    "show",
    "style",
    "text_on",
]

INK, MUTED, GRID, PAPER = "#1F2328", "#6B7178", "#E4E7EA", "#FFFFFF"

FAMILIES = {
    "scratch": "#505459",
    "single": "#0072B2",
    "joint": "#E69F00",
    "combined": "#009E73",
    "sequential": "#56B4E9",
    "control": "#CC79A7",
}
"""Family of routes (see `family`) -> its colour: Okabe & Ito (2008), Color Universal Design.

The grey is a dark one: to many eyes the palette's green is a middle grey.
"""

VERDICTS = {"higher": INK, "lower": "#D55E00", "undecided": "#8B9198"}
"""Verdict of a comparison -> its colour; none of them is a family's."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK, "#B5A800")
"""Okabe & Ito's eight, the yellow darkened for lines on white, for what is no family of routes."""

DPI = 200
STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelpad": 6.0,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10.0,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=PALETTE),
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "xtick.major.width": 0.7,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "hatch.linewidth": 0.9,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "svg.fonttype": "path",
    "svg.hashsalt": "mtlkit",
}


class FigureError(ValueError):
    """A figure or table that cannot be drawn or saved; the text says what it lacks."""


@contextmanager
def style() -> Iterator[None]:
    """The course's look, as a context (``with style():``) or a decorator (``@style()``)."""
    with mpl.rc_context(STYLE):
        yield


@style()
def canvas(
    rows: int = 1, columns: int = 1, *, width: float = 7.2, height: float = 3.4
) -> tuple[Figure, list[Axes]]:
    """An empty figure (inches) and its axes, row by row.  No pyplot: nothing shows by itself."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def family(route: object) -> str:
    """The family of a route, by its text.

    One stage: ``scratch`` or ``single`` (one task, from random or from pretrained weights),
    ``joint`` (several tasks).  More stages: ``combined`` if some stage has several tasks, else
    ``sequential``.  First stages of masked language modelling alone make pretrained weights.
    """
    start, *stages = (part.strip() for part in str(route).split(">"))
    pretrained = start != "scratch"
    while stages and all(re.match(r"\s*mlm\b", task) for task in stages[0].split("+")):
        pretrained = bool(stages.pop(0))
    together = any("+" in stage for stage in stages)
    if len(stages) > 1:
        return "combined" if together else "sequential"
    if together:
        return "joint"
    return "single" if pretrained else "scratch"


def colours(names: Iterable[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """A colour for each name: the one `given` (a colour or a family), else that of the family it
    names or, being a route, belongs to, else the next of `PALETTE`.

    Names of one family share its hue in different shades.
    """
    chosen: dict[str, str] = {}
    rest = list(PALETTE)
    for name in dict.fromkeys(map(str, names)):
        wanted = (given or {}).get(name, family(name) if ">" in name else name)
        if wanted in FAMILIES:
            base = FAMILIES[wanted]
            shades = (base, mix(base, INK, 0.45), mix(base, PAPER, 0.4), mix(base, INK, 0.7))
            free = [shade for shade in shades if shade not in chosen.values()]
            chosen[name] = free[0] if free else base
        elif wanted != name:
            chosen[name] = wanted
        else:
            chosen[name] = rest[0]
            rest.append(rest.pop(0))
    return chosen


def mix(colour: str, other: str, share: float) -> str:
    """`colour` with `share` (0 to 1) of `other` in it."""
    (r, g, b), (x, y, z) = to_rgb(colour), to_rgb(other)
    own = 1 - share
    return to_hex((own * r + share * x, own * g + share * y, own * b + share * z))


def text_on(colour: str) -> str:
    """The colour of text that is read well on `colour`: `PAPER` on what is dark, else `INK`."""
    red, green, blue = to_rgb(colour)
    return PAPER if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else INK  # luma, BT.601


def describe(drawn: Figure | Axes) -> str:
    """The alt text of a figure: what each plot function said about the data it drew."""
    said = [str(axes.get_label()) for axes in _figure(drawn).axes]
    return " ".join(text for text in said if text and not text.startswith("<"))


def save(
    drawn: Figure | Axes, name: str, *, folder: str | os.PathLike[str], alt: str | None = None
) -> Path:
    """Write a figure, or that of some axes, to ``<folder>/<name>.svg`` and ``.png``.

    Gives the path of the first.

    `alt`: text for those who do not see the figure; without it, `describe` is asked.  It is in
    both files, as their description.  The same figure gives the same bytes.
    """
    svg, _, _ = _save(_figure(drawn), name, folder, alt)
    return svg


def show(
    drawn: Figure | Axes, name: str, *, folder: str | os.PathLike[str], alt: str | None = None
) -> None:
    """`save` the figure and display its PNG, with alt text, in the running notebook, if any."""
    _, png, text = _save(_figure(drawn), name, folder, alt)
    try:
        from IPython.core.getipython import get_ipython
        from IPython.display import display
    except ImportError:  # no notebook, no display
        return
    if get_ipython() is not None:
        data = {"image/png": base64.b64encode(png).decode(), "text/plain": text}
        display(data, raw=True, metadata={"image/png": {"alt": text}})


def _figure(drawn: Figure | Axes) -> Figure:
    found = drawn.get_figure(root=True) if isinstance(drawn, Axes) else drawn
    if not isinstance(found, Figure):
        raise FigureError(f"{drawn!r} is in no figure: draw on the axes of a canvas")
    return found


def _save(
    figure: Figure, name: str, folder: str | os.PathLike[str], alt: str | None
) -> tuple[Path, bytes, str]:
    _check_name(name)
    text = describe(figure) if alt is None else alt.strip()
    if not text:
        raise FigureError(
            f"figure {name!r} has no alt text: draw it with a plot function of the course, "
            "or give alt='...', saying what the data show"
        )
    path = Path(folder) / f"{name}.svg"
    formats = {
        "svg": {"Title": name, "Description": text, "Date": None, "Creator": None},
        "png": {"Title": name, "Description": text, "Software": None},
    }
    drawn: dict[str, bytes] = {}
    for kind, metadata in formats.items():
        buffer = io.BytesIO()
        with style():
            figure.savefig(
                buffer, format=kind, metadata=metadata, bbox_inches="tight", pad_inches=0.08
            )
        drawn[kind] = buffer.getvalue()
    for kind, data in drawn.items():
        _write(path.with_suffix(f".{kind}"), data)
    return path, drawn["png"], text


@dataclass(frozen=True)
class Table:
    """A table as a notebook shows it: a caption, no index, numbers to three decimals."""

    frame: pd.DataFrame
    caption: str

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """The header and the rows, as text."""
        rows = self.frame.itertuples(index=False, name=None)
        return [str(column) for column in self.frame], [[_cell(v) for v in row] for row in rows]

    def markdown(self) -> str:
        """The table in Markdown, its caption above it."""
        header, rows = self.cells()
        right = [pd.api.types.is_numeric_dtype(kind) for kind in self.frame.dtypes]
        rule = ["---:" if is_right else "---" for is_right in right]
        lines = [[text.replace("|", r"\|") for text in row] for row in (header, rule, *rows)]
        return f"{self.caption}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def __repr__(self) -> str:
        return self.markdown()

    def _repr_html_(self) -> str:
        header, rows = self.cells()
        head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>\n"
            for row in rows
        )
        return (
            f"<table>\n<caption>{html.escape(self.caption)}</caption>\n"
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
        )


def save_table(
    frame: pd.DataFrame, name: str, *, folder: str | os.PathLike[str], caption: str
) -> Table:
    """Write ``<folder>/tables/<name>.csv`` (all digits) and ``.md`` (three decimals, captioned).

    Gives what a notebook displays.  An index with a name becomes a column.
    """
    _check_name(name)
    if not caption.strip():
        raise FigureError(f"table {name!r} has no caption: say what its numbers are")
    if any(level is not None for level in frame.index.names):
        frame = frame.reset_index()
    table = Table(frame, caption)
    path = Path(folder) / "tables" / f"{name}.csv"
    _write(path, frame.to_csv(index=False, lineterminator="\n").encode())
    _write(path.with_suffix(".md"), table.markdown().encode())
    return table


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise FigureError(f"{name!r} cannot name a file: use letters, digits, '_' and '-'")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
