"""The decision chart: a rule as a flow chart that a person can follow with a finger."""

from typing import Any

from matplotlib.axes import Axes

from mtlkit.diagrams import arrow, box
from mtlkit.figures import FAMILIES, INK, MUTED, PAPER, canvas, mix, style, text_on
from mtlkit.labelling import balanced, say
from mtlkit.policies import SIGNS, Leaf, Rule, Split, many

__all__ = ["decision_chart"]

# Inches, but for WRAP: letters.
SLOT, ANSWER, QUESTION = 1.96, 1.82, 2.3
LINE, PAD, HEAD, NOTE, STEP, EDGE = 0.165, 0.1, 0.36, 0.36, 0.56, 0.08
WRAP = 34
ALIKE = "No question helped: one answer for all"


@style()
def decision_chart(rule: Rule, *, ax: Axes | None = None, title: str = "") -> Axes:
    """Draw `rule`: questions, arrows for yes and no, and answers in the two signs.

    An answer has the colour of its family.  Below it stands what the family gained over single in
    the cells behind it: errors avoided, in percent, with the interval over seeds.
    """
    levels = _levels(rule.root)
    tops = [0.0 if rule.depth else NOTE]
    for level in levels[:-1]:
        questions = [node for node in level if isinstance(node, Split)]  # no answer is above others
        tops.append(tops[-1] + max(map(_height, questions)) + STEP)
    ends = [top + _height(node) for top, level in zip(tops, levels, strict=True) for node in level]
    width, height = max(len(rule.leaves), 2) * SLOT + 2 * EDGE, max(ends) + NOTE
    ax = ax or canvas(width=width + 0.2, height=height + (0.5 if title else 0.2))[1][0]
    ax.set(xlim=(0, width), ylim=(height, -EDGE), aspect="equal", title=title)
    ax.axis("off")
    quiet = {"size": 7.2, "color": MUTED}
    seeds = many(rule.leaves[0].seeds, "seed")
    note = f"Percent of the errors of single: mean over cells, 95 % interval over {seeds}"
    _write(ax, width / 2, height - NOTE + 0.12, [note], **quiet)
    _draw(ax, rule.root, (width - len(rule.leaves) * SLOT) / 2, tops)
    said = _spoken(rule.root)
    if not rule.depth:
        _write(ax, width / 2, 0, [ALIKE], color=MUTED)
        said = f"{ALIKE}: {said}"
    return say(ax, title, f"Decision chart: {said}.")


def _levels(root: Split | Leaf) -> list[list[Split | Leaf]]:
    """The nodes, level by level from the root."""
    found: list[list[Split | Leaf]] = [[root]]
    while splits := [node for node in found[-1] if isinstance(node, Split)]:
        found.append([child for split in splits for child in (split.yes, split.no)])
    return found


def _lines(node: Split | Leaf) -> list[str]:
    """What is written in a box; of an answer, below its head."""
    if isinstance(node, Split):
        return balanced(str(node.question).replace(" %", "\N{NO-BREAK SPACE}%"), WRAP)
    gain, said = node.gain, "errors avoided"
    if node.family == "single":
        gain, said = node.second, f"errors {node.second.family} would avoid"
    where = f"in {many(node.cells, 'cell')} of {many(len(node.targets), 'target')}"
    return [said, str(gain).replace("-", "\N{MINUS SIGN}"), where]


def _height(node: Split | Leaf) -> float:
    text = len(_lines(node)) * LINE + 2 * PAD
    return text if isinstance(node, Split) else HEAD + LINE + text


def _draw(ax: Axes, node: Split | Leaf, left: float, tops: list[float]) -> tuple[float, float]:
    """Draw a node and all below it, from `left` on; its middle, and the place right of it all."""
    top, height = tops[0], _height(node)
    if isinstance(node, Leaf):
        _answer(ax, left + SLOT / 2, top, height, node)
        return left + SLOT / 2, left + SLOT
    yes, right = _draw(ax, node.yes, left, tops[1:])
    no, right = _draw(ax, node.no, right, tops[1:])
    middle = (yes + no) / 2
    _branch(ax, middle, yes, top + height, tops[1], "yes")
    _branch(ax, middle, no, top + height, tops[1], "no")
    box(ax, middle - QUESTION / 2, top, QUESTION, height, fc=PAPER, ec=INK, lw=1.1, zorder=3)
    _write(ax, middle, top + PAD, _lines(node))
    return middle, right


def _answer(ax: Axes, x: float, top: float, height: float, leaf: Leaf) -> None:
    colour, left = FAMILIES[leaf.family], x - ANSWER / 2
    box(ax, left, top, ANSWER, height, fc=mix(colour, PAPER, 0.86), ec=colour, lw=1.1, zorder=3)
    box(ax, left, top, ANSWER, HEAD, fc=colour, ec=colour, lw=1.1, zorder=3)
    head = {"size": 9.5, "weight": "bold", "color": text_on(colour)}
    _write(ax, x, top + (HEAD - LINE) / 2, [SIGNS[leaf.family]], **head)
    name = {"weight": "bold", "color": mix(colour, INK, 0.35)}
    _write(ax, x, top + HEAD + PAD, [leaf.family], **name)
    _write(ax, x, top + HEAD + PAD + LINE, _lines(leaf))


def _write(ax: Axes, x: float, top: float, lines: list[str], **look: Any) -> None:
    """Lines of text around `x`, from `top` down."""
    for place, line in enumerate(lines):
        y = top + (place + 0.5) * LINE
        ax.text(x, y, line, ha="center", va="center_baseline", zorder=4, **look)


def _branch(ax: Axes, start: float, end: float, above: float, below: float, word: str) -> None:
    """From under a question to over what follows, with the answer beside the arrow."""
    bend = below - 0.32
    ax.plot([start, start, end, end], [above, bend, bend, bend + 0.02], color=INK, lw=1.3, zorder=2)
    arrow(ax, (end, bend), (end, below - 0.02), colour=INK, lw=1.3)
    middle = (start + end) / 2
    ax.text(middle, bend - 0.06, word, weight="bold", color=INK, ha="center", va="bottom")


def _spoken(node: Split | Leaf) -> str:
    """The chart in words, the branch of yes first."""
    if isinstance(node, Split):
        return f"{node.question} If yes: {_spoken(node.yes)}. If no: {_spoken(node.no)}"
    return f"{node.family} ({SIGNS[node.family]}), {' '.join(_lines(node))}"
