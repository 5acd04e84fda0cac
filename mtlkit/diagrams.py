"""Routes as pictures: an arrow for ``>``, tiles on one shared bar for ``+``.

The bar in each stage is the encoder, the tiles on it are the tasks that train it.  One colour a
family; the target task is the filled tile.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.textpath import TextPath

from mtlkit.figures import (
    FAMILIES,
    INK,
    MUTED,
    PAPER,
    FigureError,
    canvas,
    family,
    mix,
    style,
    text_on,
)
from mtlkit.labelling import say

__all__ = ["arrow", "box", "route_diagram"]

# Inches.
TILE, PLUS, BAR = 0.27, 0.13, 0.09
PAD, GAP, ARROW = 0.12, 0.08, 0.56
ROW, NAMES, KEY = 0.28, 1.12, 0.5


@dataclass(frozen=True)
class _Tile:
    name: str
    labels: str
    corpus: str

    @property
    def detail(self) -> str:
        return f"{self.labels} {self.corpus}".strip()

    @property
    def spoken(self) -> str:
        labels = f" with {self.labels} labelled sentences" if self.labels else ""
        return self.name + labels + (f" on {self.corpus}" if self.corpus else "")

    @property
    def width(self) -> float:
        detail = GAP + _width(self.detail, 7.5) if self.detail else 0.0
        return max(0.75, _width(self.name, 8.5, "bold") + detail + 2 * PAD)


@style()
def route_diagram(
    routes: Iterable[object],
    *,
    names: Sequence[str] | None = None,
    target: str | None = None,
    ax: Axes | None = None,
    title: str = "",
) -> Axes:
    """Draw `routes` (texts or `Route`) below each other, their stages in columns.

    `names`: what to call them, by default their families.  `target`: the task to fill, by default
    the one that routes most often end with.  A dashed start means random weights.
    """
    texts = [str(route) for route in routes]
    if not texts:
        raise FigureError("no routes to draw: give at least one")
    names = [family(text) for text in texts] if names is None else list(names)
    if len(names) != len(texts):
        raise FigureError(f"{len(names)} names for {len(texts)} routes: give one for each")
    drawn = [_read(text) for text in texts]
    last = Counter(stages[-1][0].name for _, stages in drawn if stages and len(stages[-1]) == 1)
    target = target or (last.most_common(1)[0][0] if last else "")

    heights = [max([_stack(len(stage)) for stage in stages], default=TILE) for _, stages in drawn]
    starts = max(_width(start, 8.5, "bold") for start, _ in drawn) + 2 * PAD
    depth = max(len(stages) for _, stages in drawn)
    widths = [
        max(tile.width for _, stages in drawn for stage in stages[i : i + 1] for tile in stage)
        for i in range(depth)
    ]
    left = [NAMES + starts + ARROW]
    for width in widths:
        left.append(left[-1] + BAR + width + ARROW)
    total = (max(left[-1] - ARROW, 6.2), sum(h + 2 * ROW for h in heights) + KEY)
    ax = ax or canvas(width=total[0] + 0.2, height=total[1] + (0.3 if title else 0.0))[1][0]
    ax.set(xlim=(0, total[0] + 0.1), ylim=(total[1], 0), aspect="equal", title=title)
    ax.axis("off")

    said, top = [], 0.0
    for text, name, (start, stages), height in zip(texts, names, drawn, heights, strict=True):
        kind = family(text)
        colour = FAMILIES[kind]
        middle = top + 1.35 * ROW + height / 2
        ax.text(
            NAMES,
            top + 0.55 * ROW,
            text,
            family="DejaVu Sans Mono",
            size=7.2,
            color=MUTED,
            va="center",
        )
        ax.text(0, middle, name, weight="bold", color=mix(colour, INK, 0.35), va="center", size=9.5)
        _start(ax, NAMES, middle, starts, start)
        end = NAMES + starts
        for x, stage, width in zip(left, stages, widths, strict=False):
            arrow(ax, (end + 0.08, middle), (x - 0.05, middle), colour=colour, lw=2.2)
            _stage(ax, x, middle, width, stage, colour, target)
            end = x + BAR + width
        said.append(f"{name}: {_say_route(start, stages)}")
        if top:
            ax.plot([0, total[0]], [top, top], color=mix(MUTED, PAPER, 0.75), lw=0.6)
        top += height + 2 * ROW
    _key(ax, top)
    return say(ax, title, f"Diagram of routes: {'; '.join(said)}.")


def _read(text: str) -> tuple[str, list[list[_Tile]]]:
    start, *stages = (part.strip() for part in text.split(">"))
    return start, [[_tile(task.strip()) for task in stage.split("+")] for stage in stages]


def _tile(task: str) -> _Tile:
    left, _, corpus = task.partition("@")
    name, _, labels = left.partition(":")
    return _Tile(name, labels, corpus)


def _say_route(start: str, stages: Sequence[Sequence[_Tile]]) -> str:
    begin = "random weights" if start == "scratch" else f"the encoder {start}"
    steps = [" together with ".join(tile.spoken for tile in stage) for stage in stages]
    return ", then ".join([f"start from {begin}", *steps])


def _stack(tiles: int) -> float:
    return tiles * TILE + (tiles - 1) * PLUS


def _width(text: str, size: float, weight: str = "normal") -> float:
    """The width of `text` in inches."""
    font = FontProperties(family="DejaVu Sans", weight=weight)
    return float(TextPath((0, 0), text, size=size, prop=font).get_extents().width) / 72


def box(ax: Axes, x: float, y: float, width: float, height: float, **look: Any) -> None:
    """A box with round corners, in the units of the axes."""
    shape = f"round,pad=0,rounding_size={min(0.06, width / 2, height / 3)}"
    ax.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, **look))


def _start(ax: Axes, x: float, middle: float, width: float, start: str) -> None:
    random = start == "scratch"
    look: dict[str, Any] = {"fc": INK, "ec": INK}
    if random:
        look = {"fc": PAPER, "ec": MUTED, "ls": (0, (3, 2))}
    box(ax, x, middle - TILE / 2, width, TILE, lw=1.1, zorder=3, **look)
    ax.text(
        x + width / 2,
        middle,
        start,
        ha="center",
        va="center_baseline",
        weight="bold",
        color=MUTED if random else PAPER,
        zorder=4,
    )


def arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], *, colour: str, lw: float
) -> None:
    """A straight arrow between two points, in the units of the axes."""
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>,head_length=5,head_width=2.6",
            lw=lw,
            color=colour,
            shrinkA=0,
            shrinkB=0,
            mutation_scale=1,
            joinstyle="miter",
            zorder=2,
        )
    )


def _stage(
    ax: Axes,
    x: float,
    middle: float,
    width: float,
    stage: Sequence[_Tile],
    colour: str,
    target: str,
) -> None:
    height = _stack(len(stage))
    y = middle - height / 2
    if len(stage) > 1:
        box(ax, x, y - 0.05, BAR + width + 0.05, height + 0.1, fc=mix(colour, PAPER, 0.86), lw=0)
    for place, tile in enumerate(stage):
        at = y + place * (TILE + PLUS)
        filled = tile.name == target
        face = colour if filled else PAPER
        # Its left edge lies under the bar.
        box(ax, x + BAR / 2, at, BAR / 2 + width, TILE, fc=face, ec=colour, lw=1.1, zorder=3)
        ink = text_on(colour) if filled else INK
        ax.text(
            x + BAR + PAD,
            at + TILE / 2,
            tile.name,
            va="center_baseline",
            weight="bold",
            color=ink,
            zorder=4,
        )
        if tile.detail:
            after = x + BAR + PAD + _width(tile.name, 8.5, "bold") + GAP
            ax.text(
                after,
                at + TILE / 2,
                tile.detail,
                va="center_baseline",
                size=7.5,
                color=ink if filled else MUTED,
                zorder=4,
            )
        if place:
            ax.text(
                x + BAR + width / 2,
                at - PLUS / 2,
                "+",
                ha="center",
                va="center",
                weight="bold",
                color=mix(colour, INK, 0.35),
                zorder=4,
            )
    box(ax, x, y - 0.015, BAR, height + 0.03, fc=mix(colour, INK, 0.35), lw=0, zorder=5)


def _key(ax: Axes, top: float) -> None:
    y = top + KEY / 2
    ax.plot([0, ax.get_xlim()[1]], [top, top], color=MUTED, lw=0.7)
    arrow(ax, (0.0, y), (0.32, y), colour=MUTED, lw=2.2)
    for x, sign, meaning in (
        (0.46, ">", "then: knowledge moves in sequence"),
        (3.42, "+", "together: knowledge is shared in parallel"),
    ):
        look: dict[str, Any] = {"va": "center_baseline", "size": 7.8}
        ax.text(x, y, sign, weight="bold", color=INK, **look)
        ax.text(x + 0.14, y, meaning, color=MUTED, **look)
    for place in (-1, 1):
        box(ax, 3.08, y - 0.045 + 0.065 * place, 0.24, 0.09, fc=PAPER, ec=MUTED, lw=0.9)
    box(ax, 3.04, y - 0.125, 0.06, 0.25, fc=MUTED, lw=0, zorder=3)
