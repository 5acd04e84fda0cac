"""Plots of matrices: what each row does to each column, and whether it is more than chance.

They follow the conventions of `plots`: a tidy table in, labelled axes out.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mtlkit.figures import GRID, MUTED, PAPER, VERDICTS, FigureError, canvas, mix, style, text_on
from mtlkit.labelling import need, reach, say, signed, table_axes, words
from mtlkit.statistics import verdict

__all__ = ["effects"]

_GAIN, _LOSS = "#0072B2", VERDICTS["lower"]


@style()
def effects(
    frame: pd.DataFrame,
    row: str,
    column: str,
    *,
    ax: Axes | None = None,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    limit: float | None = None,
    digits: int = 1,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Axes:
    """Effects of each `row` on each `column`: blue raises, orange lowers, pale is undecided.

    `frame`: a row a cell, with the columns mean, low and high (`statistics.Comparison`).  A cell
    whose interval leaves out zero has its colour and bold numbers; one that is undecided is hatched
    and pale; one that is missing is empty.  `rows` (from the top) and `columns` give the order, by
    default that of the table; `limit` is the effect with the full colour.
    """
    need(frame, row, column, "mean", "low", "high")
    if frame.duplicated([row, column]).any():
        raise FigureError(f"some cell of {row!r} and {column!r} has two rows: one effect a cell")
    down = list(dict.fromkeys(frame[row])) if rows is None else list(rows)
    across = list(dict.fromkeys(frame[column])) if columns is None else list(columns)
    ax = ax or canvas(height=0.36 * len(down) + 1.2)[1][0]
    top = reach(frame[["mean"]]) if limit is None else limit
    cells = frame.set_index([row, column])
    counts = {"higher": 0, "lower": 0, "undecided": 0}
    sure: list[str] = []
    for (y, x), cell in ((key, cells.loc[key]) for key in cells.index):
        if y not in down or x not in across:
            continue
        found = verdict(cell.low, cell.high)
        counts[found] += 1
        strength = min(1.0, abs(float(cell["mean"])) / top) if top else 0.0
        colour = _GAIN if cell["mean"] > 0 else _LOSS
        face = mix(colour, PAPER, 0.85 - 0.75 * strength) if found != "undecided" else PAPER
        place = (across.index(x) - 0.5, down.index(y) - 0.5)
        hatch = None if found != "undecided" else "////"
        edge = mix(GRID, MUTED, 0.25) if hatch else PAPER
        ax.add_patch(Rectangle(place, 1, 1, fc=face, ec=edge, lw=0, hatch=hatch))
        ax.add_patch(Rectangle(place, 1, 1, fill=False, ec=PAPER, lw=1.6))
        ax.text(
            place[0] + 0.5,
            place[1] + 0.5,
            signed(cell["mean"], digits),
            ha="center",
            va="center_baseline",
            size=7.5,
            color=MUTED if found == "undecided" else text_on(face),
            weight="normal" if found == "undecided" else "bold",
            bbox={"fc": PAPER, "ec": "none", "pad": 1.2, "alpha": 0.85} if hatch else None,
        )
        if found != "undecided":
            sure.append(f"{y} on {x} {signed(cell['mean'], digits)}")
    table_axes(ax, across, down, xlabel=xlabel or column, ylabel=ylabel or row, title=title)
    ax.invert_yaxis()  # the first row on top
    if max((len(words(name)) for name in across), default=0) * len(across) > 60:
        ax.tick_params(axis="x", labelrotation=40)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    return say(
        ax,
        title,
        f"Matrix: effect of each {ylabel or row} on each {xlabel or column}. Of "
        f"{sum(counts.values())} cells {counts['higher']} are above zero, {counts['lower']} below, "
        f"{counts['undecided']} undecided. Decided: {'; '.join(sure) or 'none'}.",
    )
