"""Direct labels: names beside what they name, numbers as a reader says them, none overlapping.

What the plots and diagrams share.  Each of them also says in words what it drew (`say`), and
`figures.describe` makes the alt text from that.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from matplotlib.transforms import Bbox
from scipy import optimize

from mtlkit.figures import INK, PAPER, FigureError, mix

__all__ = [
    "amount",
    "balanced",
    "interval_text",
    "log_axis",
    "name_ends",
    "name_points",
    "need",
    "reach",
    "say",
    "side_text",
    "signed",
    "table_axes",
    "words",
]

CANDIDATES = (
    (8, 0, "left", "center"),
    (0, 7, "center", "bottom"),
    (0, -7, "center", "top"),
    (-8, 0, "right", "center"),
    (6, 6, "left", "bottom"),
    (6, -6, "left", "top"),
    (-6, 6, "right", "bottom"),
    (-6, -6, "right", "top"),
    (6, 14, "left", "bottom"),
    (6, -14, "left", "top"),
    (-6, 14, "right", "bottom"),
    (-6, -14, "right", "top"),
)
"""Where a point's name may stand: shift in points and alignment, the best first."""


def need(frame: pd.DataFrame, *columns: str) -> None:
    """Raise `FigureError` unless `frame` has rows and these `columns`."""
    if missing := [column for column in columns if column not in frame]:
        raise FigureError(f"the table has no column {missing}; it has {list(frame)}")
    if frame.empty:
        raise FigureError(f"the table with the columns {list(frame)} has no rows: nothing to draw")


def say(ax: Axes, title: str, text: str) -> Axes:
    """Keep on the axes what was drawn there, in words: ``kind [title]: what``."""
    kind, what = text.split(": ", 1)
    ax.set_label(f"{kind}{f' “{title}”' if title else ''}: {what}")
    return ax


def amount(value: float) -> str:
    """A number to three significant digits: ``0.123``, ``12.3``, ``3,000``."""
    if math.isfinite(value) and abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def balanced(text: str, width: int) -> list[str]:
    """Lines of at most `width` letters: as few as can be, and as equal; no word is broken.

    A word longer than `width`, and one with a hyphen, stays whole.
    """

    def lines(width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)

    few = len(lines(width))
    narrow = next(each for each in range(1, width + 1) if len(lines(each)) == few)
    return lines(narrow)


def words(value: object) -> str:
    """A category as text: numbers by `amount`, the rest as they are."""
    return amount(float(value)) if isinstance(value, Real) else str(value)


def signed(value: float, digits: int) -> str:
    """A difference with its sign, a true minus: ``+1.2``, ``\N{MINUS SIGN}0.4``."""
    if not math.isfinite(value):
        return "?"
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def interval_text(low: float, high: float) -> str:
    """`` [0.1 to 0.3]``, or nothing where there is no interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f" [{amount(low)} to {amount(high)}]"


def log_axis(ax: Axes, values: pd.Series | None = None) -> None:
    """A logarithmic x axis with plain numbers; with few `values`, ticks just there.

    Over more than two powers of ten they stand at these alone, or they would touch.
    """
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_minor_locator(NullLocator())
    if values is not None and values.nunique() <= 8:
        ax.set_xticks(sorted(values.unique()))
    else:
        low, high = ax.get_xlim()
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high <= 100 * low else (1,)))


def table_axes(
    ax: Axes,
    columns: Sequence[object],
    rows: Sequence[object],
    *,
    xlabel: str,
    ylabel: str,
    title: str,
) -> None:
    """Axes of a table whose cells have the middles (0, 0), (1, 0), ...; the first row is lowest."""
    ax.set_xticks(range(len(columns)), [words(value) for value in columns])
    ax.set_yticks(range(len(rows)), [words(value) for value in rows])
    ax.set(
        xlim=(-0.5, len(columns) - 0.5),
        ylim=(-0.5, len(rows) - 0.5),
        xlabel=xlabel,
        ylabel=ylabel,
        title=title,
    )
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def reach(frame: pd.DataFrame) -> float:
    """How far from zero the finite numbers of `frame` go; 1 if they are all zero."""
    values = frame.to_numpy(dtype=float)
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0)) or 1.0


def side_text(
    ax: Axes, at: float, y: float, text: str, *, colour: str = INK, weight: str = "normal"
) -> None:
    """`text` right of the axes, at data height `y`, ending `at` points from the axes' edge."""
    ax.annotate(
        text,
        (1, y),
        (at, 0),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        ha="right",
        va="center_baseline",
        color=colour,
        weight=weight,
        annotation_clip=False,
    )


def name_ends(
    ax: Axes, ends: Sequence[tuple[str, float, float]], colour: Mapping[str, str]
) -> None:
    """Name each line at its right end; names that would touch move apart as little as can be."""
    size = 8.5
    ax.set_ylim(ax.get_ylim())
    figure = ax.get_figure(root=True)
    assert figure is not None  # an axes that is drawn on has one
    figure.draw_without_rendering()
    points = 72 / figure.dpi
    ordered = sorted(ends, key=lambda end: end[2])
    at = np.array([ax.transData.transform((x, y))[1] * points for _, x, y in ordered])
    # Least squares under "each at least a line above the one below": shift the gaps away, make
    # the rest monotone, shift back.
    gaps = 1.35 * size * np.arange(len(at))
    placed = optimize.isotonic_regression(at - gaps).x + gaps
    edge = ax.transAxes.transform((1, 0))[0] * points
    for (name, x, y), own, height in zip(ordered, at, placed, strict=True):
        start = ax.transData.transform((x, y))[0] * points
        ax.annotate(
            name,
            (x, y),
            (edge - start + 14, height - own),
            textcoords="offset points",
            color=mix(colour[name], INK, 0.35),
            weight="bold",
            size=size,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": mix(colour[name], PAPER, 0.4),
                "lw": 0.8,
                "shrinkA": 2,
                "shrinkB": 4,
                "relpos": (0, 0.5),
            },
        )


def name_points(
    ax: Axes,
    anchors: Sequence[tuple[str, float, float, str]],
    *,
    lines: Sequence[tuple[float, float, float, float]] = (),
) -> None:
    """Name points (name, x, y, colour) where there is room: clear of points, names and `lines`.

    `lines`: upright or level strokes ``(x0, y0, x1, y1)``, in data units, that were drawn.
    """
    names: list[Annotation] = [
        ax.annotate(
            name,
            (x, y),
            (8, 0),
            textcoords="offset points",
            color=colour,
            size=8,
            path_effects=[withStroke(linewidth=2.5, foreground=PAPER)],
        )
        for name, x, y, colour in anchors
        if name
    ]
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    unit = figure.dpi / 72
    spots = [(x, y, x, y) for _, x, y, _ in anchors]
    taken = [_grown(ax, spot, 5 * unit) for spot in spots]
    taken += [_grown(ax, line, 1.5 * unit) for line in lines]
    frame = ax.get_window_extent()
    for name in names:
        costs = []
        for candidate in CANDIDATES:
            _place(name, *candidate)
            box = name.get_window_extent()
            outside = _area(box) - _overlap(box, frame)
            costs.append(outside + sum(_overlap(box, other) for other in taken))
        _place(name, *CANDIDATES[int(np.argmin(costs))])
        taken.append(name.get_window_extent())


def _grown(ax: Axes, line: tuple[float, float, float, float], by: float) -> Bbox:
    (x0, y0), (x1, y1) = ax.transData.transform([line[:2], line[2:]])
    left, right, low, high = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    return Bbox.from_extents(left - by, low - by, right + by, high + by)


def _place(name: Annotation, dx: float, dy: float, ha: Any, va: Any) -> None:
    name.set_position((dx, dy))
    name.set_horizontalalignment(ha)
    name.set_verticalalignment(va)


def _area(box: Bbox) -> float:
    return float(box.width * box.height)


def _overlap(one: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(one, other)
    return 0.0 if both is None else _area(both)
