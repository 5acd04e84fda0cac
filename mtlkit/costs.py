"""The benchmark of the engine as figures and in words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mtlkit.figures import FAMILIES, INK, MUTED, canvas, mix, style
from mtlkit.labelling import amount, need, say, side_text
from mtlkit.plots import curves

__all__ = ["convergence", "engine", "methods", "ratios"]

_BAR = FAMILIES["joint"]
_LINE = FAMILIES["single"]


@style()
def engine(frame: pd.DataFrame) -> Figure:
    """What the engine does in a second, and what lengths, tasks and sentences cost.

    `frame`: the table of `mtlkit.benchmark.measure`.
    """
    need(frame, "what", "setting", "threads", "subwords", "seconds", "rate", "share")
    figure, [speed, length, tasks, size] = canvas(2, 2, width=8.6, height=6.4)
    layout: Any = figure.get_layout_engine()
    layout.set(hspace=0.08)
    _speed(frame, speed)
    _line(
        _chosen(frame, "length"),
        length,
        x=_middle,
        title="Longer sentences",
        xlabel="Words in a sentence",
    )
    _line(
        _chosen(frame, "tasks"),
        tasks,
        x=lambda row: 1 + str(row.setting).count("+"),
        title="More tasks on the same sentences",
        xlabel="Tasks",
    )
    tasks.set_xticks(range(1, 1 + len(_chosen(frame, "tasks"))))
    _sizes(_chosen(frame, "size"), size)
    return figure


def _chosen(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    found = frame[frame["what"] == what]
    need(found, "setting")
    return found


def _speed(frame: pd.DataFrame, ax: Axes) -> None:
    """Bars from zero: a second's sub-words, each beside its share of the machine."""
    kinds = {
        "training": "", "pretraining": "pretraining, ", "peers": "tags alone: ",
        "annotating": "annotating, ",
    }  # fmt: skip
    rows = frame[frame["what"].isin(kinds)]
    names, rates, notes = [], [], []
    for (what, setting), group in rows.groupby(["what", "setting"], sort=False):
        names.append(kinds[str(what)] + str(setting))
        rates.append(group["rate"].sum())
        notes.append(f"{amount(rates[-1])}  {group['share'].mean():.0f} %")
    places = np.arange(len(names))
    ax.barh(places, rates, height=0.62, color=[_colour(name) for name in names])
    for place, note in enumerate(notes):
        side_text(ax, 62, place, note, weight="bold")
    ax.set_yticks(places, names)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel="Sub-words a second")
    ax.set_title("Speed, and share of the matrix rate")
    _counted(ax)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", visible=False)
    said = "; ".join(f"{name} {note}" for name, note in zip(names, notes, strict=True))
    say(ax, "Speed", f"Bars: sub-words a second, share of the machine's matrix rate. {said}.")


def _counted(ax: Axes) -> None:
    """Few large numbers below the axes, so that they do not touch."""
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value)))


def _colour(name: str) -> str:
    return MUTED if "Trainer" in name else mix(_LINE, INK, 0.1) if "annot" in name else _BAR


def _middle(row: pd.Series) -> float:
    """The middle of a range of lengths such as 11-20; of the last, open one, its beginning."""
    low, high = map(int, str(row.setting).split("-"))
    return float(low if high >= 200 else (low + high) / 2)


def _line(
    rows: pd.DataFrame, ax: Axes, *, x: Callable[[pd.Series], float], title: str, xlabel: str
) -> None:
    """Milliseconds for each hundred sub-words, from zero."""
    at = [x(row) for _, row in rows.iterrows()]
    cost = (1e5 * rows["seconds"] / rows["subwords"]).tolist()
    ax.plot(at, cost, "o-", color=_LINE, ms=5)
    ax.set(ylim=(0, 1.25 * max(cost)), xlabel=xlabel, title=title)
    ax.set_ylabel("Milliseconds for 100 sub-words")
    said = "; ".join(f"{amount(a)}: {c:.0f}" for a, c in zip(at, cost, strict=True))
    say(ax, title, f"Line: milliseconds for 100 sub-words by {xlabel.lower()}. {said}.")


def _sizes(rows: pd.DataFrame, ax: Axes) -> None:
    """Seconds of one pass; a thin line from zero through the first would be proportional."""
    at, seconds = rows["sentences"].tolist(), rows["seconds"].tolist()
    ax.plot([0, at[-1]], [0, seconds[0] * at[-1] / at[0]], color=MUTED, lw=0.9, ls="--")
    ax.plot(at, seconds, "o-", color=_LINE, ms=5)
    middle = 0.55 * at[-1]
    ax.annotate(
        "proportional",
        (middle, seconds[0] * middle / at[0]),
        (10, -6),
        textcoords="offset points",
        va="top",
        color=MUTED,
    )
    ax.set(xlim=(0, None), ylim=(0, None), title="More sentences")
    ax.set(xlabel="Sentences", ylabel="Seconds for one pass")
    _counted(ax)
    said = "; ".join(f"{a:,}: {s:.1f}" for a, s in zip(at, seconds, strict=True))
    say(ax, "More sentences", f"Line: seconds for one pass by sentences. {said}.")


def convergence(steps: pd.DataFrame) -> Axes:
    """LAS on dev against minutes of training, a line a trial.

    `steps`: the table ``convergence`` of `mtlkit.quality.measure`.  An evaluation stands at the
    mean of its seeds' minutes.
    """
    need(steps, "trial", "update", "seconds", "metric", "score")
    rows = steps[steps["metric"] == "las"]
    minutes = rows.groupby(["trial", "update"])["seconds"].transform("mean") / 60
    return curves(
        rows.assign(minutes=minutes, score=100 * rows["score"]),
        "minutes",
        "score",
        "trial",
        xlabel="Minutes of training, one thread",
        ylabel="LAS on dev, percent",
        title="How soon trees are good",
    )


@style()
def methods(frame: pd.DataFrame) -> Figure:
    """What a step costs with each method, by that of a plain one, and the memory it holds.

    `frame`: the table of `mtlkit.overhead.measure`.
    """
    need(frame, "kind", "method", "space", "ratio", "mib")
    rows = frame.sort_values(["kind", "space", "ratio"], kind="stable", ignore_index=True)
    kinds = dict.fromkeys(["plain", *rows["kind"]])
    rows = pd.concat([rows[rows.kind == kind] for kind in kinds], ignore_index=True)
    names = [" ".join(filter(None, (_KINDS[r.kind], r.method, r.space))) for r in rows.itertuples()]
    places = np.arange(len(rows))
    figure, [time, memory] = canvas(1, 2, width=8.6, height=0.2 * len(rows) + 1.0)
    colour = dict(zip(kinds, (INK, *(FAMILIES[name] for name in _METHODS)), strict=False))
    for ax, column, digits in ((time, "ratio", 2), (memory, "mib", 0)):
        ax.barh(places, rows[column], height=0.66, color=[colour[kind] for kind in rows.kind])
        for place, value in zip(places, rows[column], strict=True):
            side_text(ax, 40, float(place), f"{value:,.{digits}f}")
        ax.set(ylim=(len(rows) - 0.4, -0.6))
        ax.spines["left"].set_visible(False)
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", labelsize=7)
    time.axvline(1, color=INK, lw=0.9, zorder=3)
    time.set_yticks(places, names)
    memory.set_yticks(places, [])
    time.set(xlabel="Time of a step, plain step = 1", title="Time")
    memory.set(xlabel="MiB", title="Most memory held")
    said = "; ".join(
        f"{name} {row.ratio:.2f}, {row.mib:,.0f} MiB"
        for name, row in zip(names, rows.itertuples(), strict=True)
    )
    say(time, "Time", f"Bars: time of a step by that of a plain one, and memory. {said}.")
    return figure


_KINDS = {"plain": "", "weighting": "weighting", "surgery": "", "torchjd": "torchjd", "sharing": ""}
_METHODS = ("single", "joint", "combined", "control", "sequential")


def ratios(frame: pd.DataFrame) -> dict[str, float]:
    """What the benchmark is asked most: each a ratio or a share, by name.

    - share: of the matrix rate, in percent, joint training on all sentences
    - side_by_side: sub-words a second of two processes together, by those of one on all cores
    - third_task: cost of a third task by that of two, for the same sub-words
    - doubling: seconds for twice the sentences by those for once, the largest of the steps
    - annotating: sub-words a second of the fastest annotation by those of training
    - trainer_default, trainer_best: ours by the Trainer's, tags alone; missing if not measured
    """
    rate = frame.groupby(["what", "setting"], sort=False)["rate"].sum()
    joint = frame[(frame.what == "training") & (frame.setting == "joint, all sentences")].iloc[0]
    found = {"share": float(joint.share)}
    if ("training", "joint, side by side") in rate:
        found["side_by_side"] = rate["training", "joint, side by side"] / joint.rate
    tasks = rate["tasks"].tolist()
    found["third_task"] = tasks[-2] / tasks[-1]
    sizes = _chosen(frame, "size").sort_values("sentences")
    per = (sizes.seconds / sizes.sentences).to_numpy()
    found["doubling"] = float((2 * per[1:] / per[:-1]).max())
    found["annotating"] = rate["annotating"].max() / joint.rate
    for name, setting in (
        ("trainer_default", "Trainer, its defaults"),
        ("trainer_best", "Trainer, at its best"),
    ):
        if ("peers", setting) in rate:
            found[name] = rate["peers", "mtlkit"] / rate["peers", setting]
    return found
