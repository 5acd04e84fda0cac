"""The ledger of claims to look at: a picture, and a table for the front page."""

import re
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mtlkit.claims import SIDES, Finding, about
from mtlkit.figures import GRID, INK, MUTED, PAPER, VERDICTS, canvas, mix, style
from mtlkit.labelling import balanced, say

__all__ = ["MARKS", "chart", "front_page", "table"]

Findings = Mapping[str, Mapping[str, Finding]]
"""Claim to kind of text to what is found there: `claims.ledger`."""

NAMES = {"world": "in the embedded world", "real": "on real text"}
FACES = {
    "for": VERDICTS["higher"],
    "none": mix(VERDICTS["undecided"], PAPER, 0.45),
    "against": VERDICTS["lower"],
    "open": PAPER,
}
WORDS = {
    "for": "for the claim",
    "none": "no effect that matters",
    "against": "against it",
    "open": "open",
}
LEFT, WIDE, GAP, STEP = 4.1, 2.7, 0.35, 0.62  # inches: claims, a column of bars, between, a row
COLOURS = {"supported": INK, "refuted": VERDICTS["lower"], "depends": INK, "not": MUTED}
"""First word of a verdict -> its colour; none is that of a family of routes."""


@style()
def chart(findings: Findings, *, ax: Axes | None = None, title: str = "") -> Axes:
    """Draw a ledger: a row a claim, and for each kind of text a bar of its cells, by stance.

    Above a bar stands the verdict.  A claim without cells of a kind has no bar there: it says
    which lesson leaves them.
    """
    width = LEFT + len(SIDES) * (WIDE + GAP)
    height = STEP * len(findings) + 0.75
    ax = ax or canvas(width=width, height=height + 0.3)[1][0]
    ax.set(xlim=(0, width), ylim=(height, 0), title=title)
    ax.axis("off")
    said = []
    for column, name in enumerate(NAMES.values()):
        ax.text(LEFT + column * (WIDE + GAP), 0.22, name, weight="bold", va="center")
    for number, (id, sides) in enumerate(findings.items()):
        top = 0.45 + STEP * number
        claim = about(sides).claim
        ax.plot([0, width], [top - 0.06] * 2, color=GRID, lw=0.7)
        lines = "\n".join(balanced(claim, 62))
        ax.text(0, top + 0.02, lines, va="top", size=8, linespacing=1.25)
        for column, side in enumerate(NAMES):
            _bar(ax, sides[side], LEFT + column * (WIDE + GAP), top)
        told = "; ".join(f"{NAMES[side]} {sides[side].verdict}" for side in NAMES)
        said.append(f"{id}: {told}")
    at = LEFT
    for stance, words in WORDS.items():
        _box(ax, at, height - 0.2, 0.16, 0.12, stance)
        ax.text(at + 0.22, height - 0.14, words, va="center", size=7.4, color=MUTED)
        at += 0.42 + 0.068 * len(words)
    return say(ax, title, f"Ledger of claims, by share of cells. {'. '.join(said)}.")


def _bar(ax: Axes, finding: Finding, x: float, top: float) -> None:
    word = finding.verdict
    colour = COLOURS[word.split()[0]]
    first, *more = balanced(word, 42)
    lines = "\n".join([first, *more[:1]]) + " …" * (len(more) > 1)
    ax.text(x, top + 0.02, lines, va="top", size=7.4, color=colour, weight="bold",
            linespacing=1.15)  # fmt: skip
    at = x
    for stance in FACES:
        if finding.counts[stance]:
            share = WIDE * finding.counts[stance] / len(finding.cells)
            _box(ax, at, top + 0.36, share, 0.12, stance)
            at += share
    if finding.cells:
        ax.text(at + 0.05, top + 0.42, str(len(finding.cells)), va="center", size=7, color=MUTED)
    else:
        text = f"no runs: lesson {finding.claim.lesson} leaves them"
        ax.text(x, top + 0.42, text, va="center", size=7, color=MUTED)


def _box(ax: Axes, x: float, y: float, width: float, height: float, stance: str) -> None:
    hatch, edge = ("////", mix(MUTED, PAPER, 0.5)) if stance == "open" else (None, PAPER)
    face = FACES[stance]
    ax.add_patch(Rectangle((x, y), width, height, fc=face, ec=edge, lw=0.6, hatch=hatch))


def table(findings: Findings) -> pd.DataFrame:
    """A row a claim: its text, its verdicts on each kind of text, and the lesson that shows it."""
    rows = []
    for sides in findings.values():
        claim = about(sides)
        row = {"claim": claim.claim, **{NAMES[side]: sides[side].verdict for side in NAMES}}
        rows.append({**row, "lesson": claim.lesson})
    return pd.DataFrame(rows)


MARKS = "<!-- ledger -->", "<!-- end of the ledger -->"
"""In a page in Markdown: between them stands the ledger's table."""


def front_page(page: str, findings: Findings) -> str:
    """The page with the table of verdicts between `MARKS`; a page without them as it is."""
    frame = table(findings)
    rows = [frame.columns, ["---"] * len(frame.columns), *frame.to_numpy()]
    lines = "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)
    between = "(?s)(?<={}\n).*(?={})".format(*map(re.escape, MARKS))
    return re.sub(between, lambda _: f"\n{lines}\n\n", page)
