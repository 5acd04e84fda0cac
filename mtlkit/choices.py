"""Plots for choosing a route: who wins where, at what cost, and whether a rule predicts it.

They follow the conventions of `plots`: a tidy table in, labelled axes out.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator
from matplotlib.transforms import offset_copy

from mtlkit.figures import (
    FAMILIES,
    GRID,
    INK,
    MUTED,
    PAPER,
    VERDICTS,
    FigureError,
    canvas,
    colours,
    mix,
    style,
)
from mtlkit.labelling import amount, log_axis, name_points, need, reach, say, table_axes, words
from mtlkit.statistics import verdict

__all__ = ["frontier", "scatter_rule", "winners"]


@style()
def winners(
    frame: pd.DataFrame,
    row: str,
    column: str,
    winner: str,
    *,
    decided: str,
    text: str | None = None,
    ax: Axes | None = None,
    given: Mapping[str, str] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Axes:
    """Phase diagram: which route wins for each `row` (upwards) and `column`.

    `frame`: a row a cell.  `winner` names the best, `decided` (bool) says whether its lead is more
    than chance; a cell where it is not is hatched.  `text` is what to write there, e.g. the lead.
    """
    need(frame, row, column, winner, decided, *([text] if text else []))
    if frame.duplicated([row, column]).any():
        raise FigureError(f"some cell of {row!r} and {column!r} has two rows: one winner a cell")
    rows, columns = (sorted(frame[name].unique()) for name in (row, column))
    named = [str(name) for name in frame[winner]]
    names = sorted(set(named), key=[*FAMILIES, *named].index)
    colour = colours(names, given)
    ax = ax or canvas(height=0.46 * len(rows) + 1.2)[1][0]
    said = []
    for _, cell in frame.sort_values([row, column]).iterrows():
        x, y, name = columns.index(cell[column]), rows.index(cell[row]), str(cell[winner])
        sure = bool(cell[decided])
        ax.add_patch(
            Rectangle(
                (x - 0.5, y - 0.5),
                1,
                1,
                facecolor=mix(colour[name], PAPER, 0.25 if sure else 0.82),
                edgecolor=mix(colour[name], PAPER, 0.45),
                lw=0,
                hatch=None if sure else "////",
            )
        )
        ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, ec=PAPER, lw=2.0))
        if text:
            ax.text(
                x,
                y,
                str(cell[text]),
                ha="center",
                va="center_baseline",
                color=INK,
                weight="bold" if sure else "normal",
                size=8,
                bbox=None if sure else {"fc": PAPER, "ec": "none", "pad": 1.5, "alpha": 0.85},
            )
        number = f" by {cell[text]}" if text else ""
        said.append(
            f"{words(cell[row])}, {words(cell[column])}: {name}{number}"
            f"{'' if sure else ' (undecided)'}"
        )
    table_axes(ax, columns, rows, xlabel=xlabel or column, ylabel=ylabel or row, title=title)
    key: list[tuple[str, str, str | None]]
    key = [(name, mix(colour[name], PAPER, 0.25), None) for name in names]
    key += [("undecided", PAPER, "////")] if not frame[decided].all() else []
    for place, (name, face, hatch) in enumerate(key):
        height = len(rows) - 0.5 - 0.42 * (place + 0.5)
        side = len(columns) - 0.5
        ax.add_patch(
            Rectangle(
                (side + 0.1, height - 0.13),
                0.2,
                0.26,
                fc=face,
                ec=MUTED,
                lw=0 if not hatch else 0.6,
                hatch=hatch,
                clip_on=False,
            )
        )
        ax.text(
            side + 0.38,
            height,
            name,
            va="center",
            weight="normal" if hatch else "bold",
            color=MUTED if hatch else mix(colour[name], INK, 0.35),
        )
    return say(
        ax,
        title,
        f"Phase diagram: who wins, by {ylabel or row} and {xlabel or column}. {'; '.join(said)}.",
    )


@style()
def scatter_rule(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    ax: Axes | None = None,
    low: str = "low",
    high: str = "high",
    label: str | None = None,
    rising: bool = True,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Axes:
    """Differences `y` against a ratio `x` (logarithmic), and whether a sign rule holds.

    The rule: the difference has the sign of log x (the other sign if not `rising`); of x = 1 it
    says nothing.  Tinted: where it holds.  `frame`: a row a comparison, with its interval in `low`
    and `high`.  Rows with one x stand side by side, so that no interval hides another.
    """
    need(frame, x, y, low, high, *([label] if label else []))
    if (frame[x] <= 0).any():
        raise FigureError(f"column {x!r} has {frame[x].min():g}: a ratio must be above zero")
    ax = ax or canvas(height=3.9)[1][0]
    number = frame.groupby(x).cumcount()
    beside = number - (frame.groupby(x)[x].transform("size") - 1) / 2
    places = frame[x] * 1.2**beside
    across = 1.35 * max(2.0, float(np.exp(np.abs(np.log(places)).max())))
    up = 1.3 * reach(frame[[y, low, high]])
    for right in (True, False):
        tint = (1, across) if right else (1 / across, 1)
        top = right == rising
        ax.fill_between(tint, 0, up if top else -up, color=mix(GRID, PAPER, 0.45), lw=0, zorder=0)
        ax.annotate(
            "rule holds",
            (float(right), float(top)),
            (-6 if right else 6, -6 if top else 6),
            xycoords="axes fraction",
            textcoords="offset points",
            color=MUTED,
            style="italic",
            ha="right" if right else "left",
            va="top" if top else "bottom",
        )
    ax.axhline(0, color=INK, lw=1.0, zorder=1)
    ax.axvline(1, color=INK, lw=1.0, zorder=1)
    counts = {"agree": 0, "disagree": 0, "undecided": 0, "equal": 0}
    for place, below, (_, row) in zip(places, number % 2, frame.iterrows(), strict=True):
        undecided = verdict(row[low], row[high]) == "undecided"
        if row[x] == 1:
            kind = "equal"
        elif undecided:
            kind = "undecided"
        else:
            kind = "agree" if ((row[x] > 1) == rising) == (row[y] > 0) else "disagree"
        counts[kind] += 1
        colour = {"agree": INK, "disagree": VERDICTS["lower"]}.get(kind, MUTED)
        if math.isfinite(row[low]) and math.isfinite(row[high]):
            ax.plot([place] * 2, [row[low], row[high]], color=colour, lw=1.4, zorder=2)
        face = PAPER if undecided else colour
        ax.plot(place, row[y], "o", color=colour, mfc=face, mew=1.3, ms=6, zorder=3)
        if label:  # at its interval's end, and those side by side by turns above and below
            end = np.nan_to_num(row[low if below else high], nan=row[y], posinf=up, neginf=-up)
            ax.annotate(
                str(row[label]),
                (place, end),
                (0, -4 if below else 4),
                textcoords="offset points",
                color=colour,
                ha="center",
                va="top" if below else "bottom",
                size=8,
                path_effects=[withStroke(linewidth=2.5, foreground=PAPER)],
            )
    ax.set_xscale("log")
    ticks = [t for t in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if 1 / across <= t <= across]
    ax.set_xticks(ticks, [f"{t:g}" if t >= 1 else f"1/{round(1 / t)}" for t in ticks])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(
        xlim=(1 / across, across),
        ylim=(-up, up),
        xlabel=xlabel or x,
        ylabel=ylabel or y,
        title=title,
    )
    return say(
        ax,
        title,
        f"Scatter plot: {ylabel or y} against {xlabel or x} (logarithmic). Of "
        f"{len(frame)} comparisons {counts['agree']} agree with the rule, {counts['disagree']} "
        f"disagree, and {counts['undecided']} are undecided."
        + (f" Of {counts['equal']} at x = 1 it says nothing." if counts["equal"] else ""),
    )


@style()
def frontier(
    frame: pd.DataFrame,
    x: str,
    y: str,
    label: str,
    *,
    ax: Axes | None = None,
    given: Mapping[str, str] | None = None,
    log: bool = True,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Axes:
    """Cost `x` against score `y`, and the frontier: what nothing else beats at its cost.

    `frame`: a row an alternative, named by `label`; with columns low and high, `y`'s interval.
    Intervals at equal costs stand side by side, within the width of a dot.
    """
    need(frame, x, y, label)
    ax = ax or canvas(height=3.9)[1][0]
    colour = colours(frame[label].astype(str), given)
    best, corners = -math.inf, []
    for _, row in frame.sort_values([x, y], ascending=[True, False]).iterrows():
        if row[y] > best:
            best = row[y]
            corners.append((float(row[x]), float(row[y]), str(row[label])))
    steps = [*corners, (float(frame[x].max()), corners[-1][1], "")]
    lines = []
    for (x0, y0, _), (x1, y1, _) in pairwise(steps):
        lines += [(x0, y0, x1, y0), (x1, y0, x1, y1)]
    for x0, y0, x1, y1 in lines:
        ax.plot([x0, x1], [y0, y1], color=mix(MUTED, PAPER, 0.55), lw=1.3, zorder=1)
    on = {name for _, _, name in corners}
    anchors = []
    aside = _aside(np.log(frame[x]) if log else frame[x])
    for (_, row), moved in zip(frame.iterrows(), aside, strict=True):
        name = str(row[label])
        if {"low", "high"} <= set(frame):
            [bar] = ax.plot([row[x]] * 2, [row.low, row.high], color=colour[name], lw=1.4, zorder=2)
            bar.set_transform(
                offset_copy(ax.transData, ax.get_figure(root=True), x=moved, units="points")
            )
            lines.append((row[x], row.low, row[x], row.high))
        face = colour[name] if name in on else PAPER
        ax.plot(row[x], row[y], "o", color=colour[name], mfc=face, mew=1.6, ms=7.5, zorder=3)
        anchors.append((name, row[x], row[y], mix(colour[name], INK, 0.35)))
    if log:
        log_axis(ax, frame[x] if frame[x].nunique() < 5 else None)
    ax.margins(x=0.12, y=0.14)
    ax.set(xlabel=xlabel or x, ylabel=ylabel or y, title=title)
    name_points(ax, anchors, lines=lines)
    listed = "; ".join(f"{n} ({amount(at)}, {amount(score)})" for at, score, n in corners)
    beaten = ", ".join(name for name in colour if name not in on) or "none"
    return say(
        ax,
        title,
        f"Scatter plot: {ylabel or y} against {xlabel or x}. On the frontier, from "
        f"cheap to dear: {listed}. Beaten: {beaten}.",
    )


def _aside(cost: pd.Series) -> pd.Series:
    """Points to move each interval by: within 0.4 % of the range of costs they lie side by side."""
    ordered = cost.reset_index(drop=True).sort_values(kind="stable")
    apart = ~(ordered.diff() <= 0.004 * np.ptp(ordered))
    near = ordered.groupby(apart.cumsum())
    return (4 * (near.cumcount() - (near.transform("size") - 1) / 2)).sort_index()
