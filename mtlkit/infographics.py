"""The whole comparison on one page: what the two signs mean, and what the runs say of each."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from mtlkit.claims import about
from mtlkit.diagrams import box
from mtlkit.figures import FAMILIES, GRID, MUTED, PAPER, canvas, style, text_on
from mtlkit.labelling import balanced, say
from mtlkit.ledgers import COLOURS, NAMES, Findings

__all__ = ["ABOUT", "ASPECTS", "infographic"]

ASPECTS: dict[str, tuple[str, str]] = {
    "What happens": (
        "Knowledge moves in sequence: the weights that one training leaves are where the next "
        "one starts.",
        "Knowledge is shared in parallel: one encoder, a head for each task, and all losses at "
        "once.",
    ),
    "Goal": (
        "One target, as good as can be. What the source scores in the end does not matter.",
        "All tasks of one model; or one target, helped by support tasks at its side.",
    ),
    "Training": (
        "Two stages or more. Each has its own data, its own learning rate and its own checkpoint.",
        "One stage. Batches of all tasks take turns, and somebody says whose turn it is.",
    ),
    "Data": (
        "Much for the source, labelled or plain text; little for the target. They need not be "
        "there at the same time.",
        "Labels for every task, all at the same time. They may be on different sentences.",
    ),
    "Use": (
        "Few labels, a new domain, an encoder that others published.",
        "Several answers about the same input, one model to keep and to serve.",
    ),
    "Advantages": (
        "The dear part is trained once and used by everybody. Each target is tuned by itself.",
        "The trunk is paid for once, in training and in use. Tasks may regularise each other.",
    ),
    "Challenges": (
        "What does not fit the target may hurt. What the source knew is forgotten.",
        "Tasks compete for the trunk and for turns. A new task means training again.",
    ),
}
"""Aspect -> what it is for transfer (``>``) and for multi-task learning (``+``)."""

ABOUT: dict[str, tuple[str, ...]] = {
    ">": ("convergence", "few_labels", "data_multiplier", "bad_source", "domain_adaptation"),
    "+": (
        "joint_generalises",
        "joint_overfits_less",
        "one_model_is_cheaper",
        "imbalance",
        "conflict",
        "mending",
        "soft_sharing",
    ),
    "both": ("combined_wins", "pretraining_eases", "size_rule", "choosing"),
}
"""Which claims of the ledger are about transfer, about multi-task learning, and about both."""

HEADS = {
    ">": ("single", "then: transfer learning", "start > source > target"),
    "+": ("joint", "together: multi-task learning", "start > support + target"),
    "both": ("combined", "both in one route", "start > support + target > target"),
}
# How each verdict is drawn: by shape, too, for those who see no colours.
SHAPES: dict[str, dict[str, Any]] = {
    "supported": {"marker": "o", "fillstyle": "full"},
    "refuted": {"marker": "X", "fillstyle": "full"},
    "depends": {"marker": "o", "fillstyle": "left", "markerfacecoloralt": PAPER},
    "not": {"marker": "o", "fillstyle": "none"},
}
SPOKEN = {"depends": "depends on …", "not": "not enough evidence"}
# Inches, but for WRAP: letters of running text to an inch.
NAME, COLUMN, GAP, EDGE = 1.1, 4.5, 0.3, 0.1
LINE, PAD, HEAD, WRAP, MARKS = 0.165, 0.09, 0.5, 17.2, 0.55


@style()
def infographic(
    findings: Findings, *, advice: str = "", ax: Axes | None = None, title: str = ""
) -> Axes:
    """Draw transfer and multi-task learning side by side: by aspects, then by the ledger's claims.

    `findings`: those of `claims.ledger`.  `advice`: a sentence for the last line, such as what a
    rule for choosing says.
    """
    width = EDGE + NAME + 2 * COLUMN + GAP + EDGE
    figure = None
    if ax is None:
        figure, (ax,) = canvas(width=width)
    lefts = (EDGE + NAME, EDGE + NAME + COLUMN + GAP)
    for sign, left in zip(">+", lefts, strict=True):
        _head(ax, sign, left, 0.05, COLUMN)
    top = HEAD + 0.15
    for name, pair in ASPECTS.items():
        top = _row(ax, name, top, dict(zip(lefts, pair, strict=True)))
    top, told = _claims(ax, top, dict(zip(lefts, (ABOUT[">"], ABOUT["+"]), strict=True)), findings)
    _head(ax, "both", lefts[0], top + 0.1, 2 * COLUMN + GAP)
    both = ABOUT["both"]
    halves = dict(zip(lefts, (both[: len(both) // 2], both[len(both) // 2 :]), strict=True))
    top, more = _claims(ax, top + HEAD + 0.2, halves, findings)
    if advice:
        top = _row(ax, "Try first", top, {lefts[0]: advice}, room=2 * COLUMN + GAP)
    _key(ax, lefts[0], top + 0.16)
    ax.set(xlim=(0, width), ylim=(top + 0.3, 0), title=title)
    ax.axis("off")
    if figure is not None:  # only now it is known how much there is
        figure.set_size_inches(width + 0.2, top + (0.8 if title else 0.5))
    aspects = " ".join(
        f"{name}: by transfer, {a} Together, {b}" for name, (a, b) in ASPECTS.items()
    )
    said = f"{aspects} Claims: {'; '.join(told + more)}. {advice}".strip()
    return say(ax, title, f"Infographic of transfer and multi-task learning: {said}")


def _head(ax: Axes, sign: str, x: float, y: float, width: float) -> None:
    """The band above a column: its signs, its name, a route."""
    kind, name, route = HEADS[sign]
    colour = FAMILIES[kind]
    look: dict[str, Any] = {"color": text_on(colour), "va": "center_baseline", "zorder": 4}
    box(ax, x, y, width, HEAD, fc=colour, ec=colour)
    ax.text(
        x + PAD, y + HEAD / 2, "+ >" if sign == "both" else sign, size=19, weight="bold", **look
    )
    left = x + (0.85 if sign == "both" else 0.45)
    ax.text(left, y + 0.16, name, size=10, weight="bold", **look)
    ax.text(left, y + 0.36, route, size=7.6, family="DejaVu Sans Mono", **look)


def _row(
    ax: Axes, name: str, top: float, texts: Mapping[float, str], *, room: float = COLUMN
) -> float:
    """A name, and beside it a text in each column (by its left end); where the row ends."""
    _begin(ax, name, top)
    return max(_paragraph(ax, left, top + PAD, text, room) for left, text in texts.items()) + PAD


def _claims(
    ax: Axes, top: float, columns: Mapping[float, Sequence[str]], findings: Findings
) -> tuple[float, list[str]]:
    """Rows of claims, each with a mark for each kind of text; where they end, and what was said."""
    _begin(ax, "What the\nruns say", top)
    ends, told = [], []
    for left, ids in columns.items():
        places = {side: left + 0.1 + 0.24 * number for number, side in enumerate(NAMES)}
        for side, x in places.items():
            ax.text(x, top + PAD, side, size=6.2, color=MUTED, ha="center", va="top")
        y = top + PAD + 0.17
        for id in ids:
            words = {side: findings[id][side].verdict for side in NAMES}
            for side, x in places.items():
                _mark(ax, x, y + 0.07, words[side].split()[0])
            claim = about(findings[id]).claim
            y = _paragraph(ax, left + MARKS, y, claim, COLUMN - MARKS)
            for side, word in words.items():
                if word.startswith("depends"):
                    quiet = {"size": 7, "color": MUTED}
                    y = _paragraph(ax, left + MARKS, y, f"{side}: {word}", COLUMN - MARKS, **quiet)
            y += 0.045
            told.append(f"{claim} {', '.join(f'{NAMES[s]} {word}' for s, word in words.items())}")
        ends.append(y + PAD)
    return max(ends), told


def _begin(ax: Axes, name: str, top: float) -> None:
    """A line across the page, and the name of what is below it."""
    ax.plot([EDGE, EDGE + NAME + 2 * COLUMN + GAP], [top - 0.03] * 2, color=GRID, lw=0.7)
    ax.text(EDGE, top + PAD, name, weight="bold", size=8.4, va="top", linespacing=1.3)


def _paragraph(ax: Axes, x: float, y: float, text: str, room: float, **look: Any) -> float:
    """Lines of text that fit in `room` inches; where they end."""
    lines = balanced(text, int(WRAP * room))
    ax.text(x, y, "\n".join(lines), va="top", linespacing=1.4, **{"size": 8, **look})
    return y + LINE * len(lines)


def _mark(ax: Axes, x: float, y: float, word: str) -> None:
    ax.plot([x], [y], color=COLOURS[word], markersize=7, mew=1.1, ls="none", **SHAPES[word])


def _key(ax: Axes, x: float, y: float) -> None:
    """What the marks mean."""
    for word in SHAPES:
        name = SPOKEN.get(word, word)
        _mark(ax, x + 0.1, y, word)
        ax.text(x + 0.24, y, name, size=7.4, color=MUTED, va="center_baseline")
        x += 0.55 + len(name) / WRAP
    ax.text(x, y, "left: " + ", right: ".join(NAMES.values()), size=7.4, color=MUTED,
            va="center_baseline")  # fmt: skip
