"""Plots of results: a tidy table in, labelled axes out.

Every function takes column names, draws on `ax` or on a canvas of its own, and gives the axes.
What it drew it also says in words, as the axes' label, from which `figures.describe` makes the
alt text.  Names stand beside what they name; there are no legends to look up.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mtlkit.figures import (
    INK,
    MUTED,
    PAPER,
    VERDICTS,
    canvas,
    colours,
    mix,
    style,
)
from mtlkit.labelling import (
    amount,
    interval_text,
    log_axis,
    name_ends,
    need,
    reach,
    say,
    side_text,
    signed,
)
from mtlkit.statistics import p_text, t_interval, verdict

__all__ = ["bars_with_points", "curves", "differences"]


@style()
def curves(
    frame: pd.DataFrame,
    x: str,
    y: str,
    hue: str,
    *,
    ax: Axes | None = None,
    log: bool = False,
    points: bool = True,
    given: Mapping[str, str] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Axes:
    """Mean of `y` over seeds against `x`, a line for each `hue`, named at its end.

    `frame`: a row a seed.  The band is the 95 % t interval of the mean, the `points` are the seeds.
    `given`: hue -> family or colour (see `figures.colours`).
    """
    need(frame, x, y, hue)
    ax = ax or canvas()[1][0]
    names = list(dict.fromkeys(frame[hue].astype(str)))
    colour = colours(names, given)
    ends, said = [], []
    for name in names:
        rows = frame[frame[hue].astype(str) == name].dropna(subset=[x, y])
        means = pd.DataFrame(
            [(at, *_summary(group[y])) for at, group in rows.groupby(x)],
            columns=["x", "mean", "low", "high"],
        )
        if points and (rows.groupby(x).size() > 1).any():
            ax.plot(rows[x], rows[y], "o", color=colour[name], ms=2.6, mew=0, alpha=0.35, zorder=2)
        ax.fill_between(
            means.x, means.low, means.high, color=colour[name], alpha=0.16, lw=0, zorder=1
        )
        ax.plot(means.x, means["mean"], color=colour[name], zorder=3)
        if len(means) <= 12:
            ax.plot(
                means.x,
                means["mean"],
                "o",
                color=colour[name],
                ms=4.6,
                mec=PAPER,
                mew=0.8,
                zorder=4,
            )
        first, last = means.iloc[0], means.iloc[-1]
        ends.append((name, float(last.x), float(last["mean"])))
        said.append(
            f"{name}: {amount(first['mean'])} at {amount(first.x)}, "
            f"{amount(last['mean'])} at {amount(last.x)}{interval_text(last.low, last.high)}"
        )
    if log:
        log_axis(ax, frame[x])
    ax.grid(axis="x", visible=False)
    ax.set(xlabel=xlabel or x, ylabel=ylabel or y, title=title)
    name_ends(ax, ends, colour)
    seeds = int(frame.groupby([hue, x]).size().max())
    shown = f"mean of up to {seeds} seeds with 95 % interval" if seeds > 1 else "one seed"
    return say(
        ax,
        title,
        f"Line chart: {ylabel or y} against {xlabel or x}"
        f"{' (logarithmic)' if log else ''}, {shown}. {'. '.join(said)}.",
    )


@style()
def differences(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    label: str = "label",
    group: str | None = None,
    lower: str = "",
    higher: str = "",
    xlabel: str = "Paired difference",
    title: str = "",
    digits: int = 1,
) -> Axes:
    """Forest plot: paired differences, their intervals, and the line of no difference.

    `frame`: a row a comparison, top to bottom, with the columns mean, low, high, and p if known
    (the fields of `statistics.Comparison`).  Filled: the interval leaves out zero.  `lower` and
    `higher` say in words what each side of zero means; `group` sets rows apart under headings.
    """
    need(frame, label, "mean", "low", "high", *([group] if group else []))
    groups = list(dict.fromkeys(frame[group].astype(str))) if group else [""]
    places: list[tuple[int, float]] = []  # row of the table, height in the plot
    height = 0.0
    for name in groups:
        height += (1.5 if places else 1.0) if group else 0.0
        for index in range(len(frame)):
            if not group or str(frame[group].iloc[index]) == name:
                places.append((index, height))
                height += 1.0
    ax = ax or canvas(height=0.27 * height + 1.1)[1][0]
    ax.axvline(0, color=INK, lw=1.0, zorder=1)
    across = ax.get_yaxis_transform()
    columns = [(36, "mean"), (112, "95 % interval"), *([(156, "p")] if "p" in frame else [])]
    for at, head in columns:
        side_text(ax, at, 0.0 if group else -0.95, head, colour=MUTED)
    said, previous = [], ""
    for index, y in places:
        row = frame.iloc[index]
        name = str(row[group]) if group else ""
        if name != previous:
            ax.annotate(
                name,
                (0, y - 1),
                (-3.5, 0),
                xycoords=across,
                textcoords="offset points",
                ha="right",
                va="center_baseline",
                weight="bold",
                annotation_clip=False,
            )
            previous = name
        side = verdict(row.low, row.high)
        colour = VERDICTS[side]
        if math.isfinite(row.low) and math.isfinite(row.high):
            ax.plot([row.low, row.high], [y, y], color=colour, lw=1.8, zorder=2)
        face = PAPER if side == "undecided" else colour
        ax.plot(row["mean"], y, "D", color=colour, mfc=face, mew=1.4, ms=5.4, zorder=3)
        interval = f"[{signed(row.low, digits)}, {signed(row.high, digits)}]"
        weight = "normal" if side == "undecided" else "bold"
        side_text(ax, 36, y, signed(row["mean"], digits), weight=weight)
        side_text(ax, 112, y, interval)
        if "p" in frame:
            # Four decimals each, so that the points stand below each other.
            exact = f"{row.p:.4f}".removeprefix("0")
            side_text(ax, 156, y, exact if row.p >= 0.0001 else p_text(row.p))
        said.append(
            f"{name}{', ' * bool(name)}{row[label]}: {signed(row['mean'], digits)} "
            f"{interval}, {side}"
        )
    ax.set_yticks([y for _, y in places], [str(frame[label].iloc[i]) for i, _ in places])
    limit = 1.08 * reach(frame[["mean", "low", "high"]])
    ax.set(xlim=(-limit, limit), ylim=(places[-1][1] + 0.7, -0.7), xlabel=xlabel, title=title)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", visible=False)
    for words, edge, align, arrow in ((lower, 0, "left", "← {}"), (higher, 1, "right", "{} →")):
        if words:
            ax.annotate(
                arrow.format(words),
                (edge, 0),
                (0, -34),
                xycoords="axes fraction",
                textcoords="offset points",
                ha=align,
                va="top",
                color=MUTED,
                style="italic",
            )
    return say(ax, title, f"Forest plot: {xlabel.lower()} with 95 % interval. {'; '.join(said)}.")


@style()
def bars_with_points(
    frame: pd.DataFrame,
    category: str,
    value: str,
    *,
    ax: Axes | None = None,
    given: Mapping[str, str] | None = None,
    xlabel: str = "",
    title: str = "",
    digits: int = 1,
) -> Axes:
    """Dot plot: for each category the mean of `value`, its 95 % t interval, and every seed.

    `frame`: a row a seed; categories from top to bottom in their order.  Dots, because a bar from
    zero would hide differences of a few points.
    """
    need(frame, category, value)
    names = list(dict.fromkeys(frame[category].astype(str)))
    colour = colours(names, given)
    ax = ax or canvas(height=0.36 * len(names) + 0.9)[1][0]
    said = []
    for y, name in enumerate(names):
        seeds = np.sort(frame.loc[frame[category].astype(str) == name, value].dropna().to_numpy())
        mean, low, high = _summary(seeds)
        if len(seeds) > 1:
            # Ranks spread the seeds evenly, so that equal scores stay visible.
            spread = y + 0.26 * ((np.arange(len(seeds)) % 3) - 1) / 1.5
            ax.plot(seeds, spread, "o", color=colour[name], ms=4, mew=0, alpha=0.4, zorder=2)
        ax.plot([low, high], [y, y], color=mix(colour[name], INK, 0.25), lw=2.2, zorder=3)
        ax.plot(
            mean, y, "o", color=mix(colour[name], INK, 0.25), ms=7.5, mec=PAPER, mew=1.2, zorder=4
        )
        side_text(ax, 34, y, f"{mean:.{digits}f}", weight="bold")
        said.append(f"{name} {mean:.{digits}f}{interval_text(low, high)}, {len(seeds)} seeds")
    ax.set_yticks(range(len(names)), names)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel=xlabel or value, title=title)
    ax.margins(x=0.06)
    ax.spines["left"].set_visible(False)
    return say(
        ax,
        title,
        f"Dot plot: {xlabel or value}, mean with 95 % interval. {'; '.join(said)}.",
    )


def _summary(values: Any) -> tuple[float, float, float]:
    """Mean and 95 % t interval; no interval (not-a-number) from a single value."""
    low, high = t_interval(values)
    ends = (low, high) if math.isfinite(low) else (math.nan, math.nan)
    return float(np.mean(values)), *ends
