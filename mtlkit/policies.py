"""A rule that a person can follow: a question or two, and which family of routes to try first.

A *cell* is a target with so many labels and such support.  `Features` are what is known of it
before anything is trained; a `Rule` leads from them to a `Leaf`.
"""

import math
from dataclasses import dataclass

__all__ = [
    "FAMILIES",
    "FEATURES",
    "SIGNS",
    "ChoosingError",
    "Features",
    "Gain",
    "Leaf",
    "Question",
    "Rule",
    "Split",
    "many",
    "size_rule",
]

FAMILIES = ("single", "joint", "combined")
"""What can be chosen, the cheaper first; of equals the first is chosen."""

SIGNS = {"single": "target", "joint": "support + target", "combined": "support > target"}
"""Family -> what it trains after the start, in the two signs of the route language."""

FEATURES = ("labels", "ratio", "tasks", "relatedness")
"""What a question can be about, the plainer first; of equals the first is asked."""


class ChoosingError(ValueError):
    """Numbers that no cell can have, or a table of cells from which no rule can be learnt."""


@dataclass(frozen=True)
class Features:
    """What is known of a cell before anything is trained.

    ``labels``: labelled sentences of the target; ``support``: of each support task; ``tasks``: how
    many support tasks; ``relatedness``: share of the target labels' entropy that the support labels
    tell, 0 to 1, NaN where unknown.
    """

    labels: int
    support: int
    tasks: int
    relatedness: float = math.nan

    def __post_init__(self) -> None:
        for name in ("labels", "support", "tasks"):
            if not getattr(self, name) >= 1:
                raise ChoosingError(f"{name} is {getattr(self, name)}: expected 1 or more")
        if not (math.isnan(self.relatedness) or 0 <= self.relatedness <= 1):
            rule = "expected a number from 0 to 1, or NaN where it is unknown"
            raise ChoosingError(f"relatedness is {self.relatedness}: {rule}")

    @property
    def ratio(self) -> float:
        """Labelled sentences of the target to each one of a support task."""
        return self.labels / self.support

    def value(self, feature: str) -> float:
        """The number that questions about a feature compare; unknown relatedness counts as 0."""
        value = float(getattr(self, feature))
        return 0.0 if math.isnan(value) else value


@dataclass(frozen=True)
class Question:
    """Is a feature below a threshold?  Unknown relatedness is below every one."""

    feature: str
    threshold: float

    def __call__(self, features: Features) -> bool:
        return features.value(self.feature) < self.threshold

    def __str__(self) -> str:
        """The question in plain words, to be answered with yes or no."""
        number, share = _amount(self.threshold), f"{_amount(100 * self.threshold)} %"
        return {
            "labels": f"Fewer than {number} labelled sentences of your target?",
            "ratio": f"Fewer labels of your target than {share} of those of each support task?",
            "tasks": f"Fewer than {number} support tasks?",
            "relatedness": f"Do the support labels tell less than {share} of your target's labels, "
            "or is that unknown?",
        }[self.feature]


@dataclass(frozen=True)
class Gain:
    """Errors of single that a family avoids, in percent: mean over cells, 95 % interval over seeds.

    A family that was chosen because its gain is large has too hopeful an interval (the winner's
    curse).  With one seed it is infinite.
    """

    family: str
    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        """E.g. ``+6.3 % [+4.1, +8.4]``."""
        interval = f"[{self.low:+.1f}, {self.high:+.1f}]"
        return f"{self.mean:+.1f} % {interval if math.isfinite(self.low) else '(one seed)'}"


@dataclass(frozen=True)
class Leaf:
    """An answer and what is behind it: how many cells, of which targets, and each family's gain."""

    family: str
    cells: int
    targets: tuple[str, ...]
    seeds: int
    gains: tuple[Gain, ...]

    @property
    def gain(self) -> Gain:
        """That of the family which is the answer; zero if this is single."""
        return next(gain for gain in self.gains if gain.family == self.family)

    @property
    def second(self) -> Gain:
        """That of the best of the other families."""
        others = [gain for gain in self.gains if gain.family != self.family]
        return max(others, key=lambda gain: gain.mean)


@dataclass(frozen=True)
class Split:
    """A question, and where to go on with each answer."""

    question: Question
    yes: "Split | Leaf"
    no: "Split | Leaf"


@dataclass(frozen=True)
class Rule:
    """A policy tree: ``rule(features)`` is the leaf to which they lead."""

    root: Split | Leaf

    def __call__(self, features: Features) -> Leaf:
        return self._follow(features)[1]

    def path(self, features: Features) -> tuple[tuple[Question, bool], ...]:
        """The questions on the way to the leaf, each with its answer."""
        return self._follow(features)[0]

    def _follow(self, features: Features) -> tuple[tuple[tuple[Question, bool], ...], Leaf]:
        node, asked = self.root, []
        while isinstance(node, Split):
            answer = node.question(features)
            asked.append((node.question, answer))
            node = node.yes if answer else node.no
        return tuple(asked), node

    @property
    def depth(self) -> int:
        """The most questions on a way."""
        return _depth(self.root)

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """All answers, yes before no."""
        return _leaves(self.root)


def size_rule(features: Features) -> str:
    """Joint where the target has fewer labels than each support task, else combined.

    Weller, Seppi & Gardner (2022, ACL), who compare joint training with training in sequence and
    say nothing of equal sizes.
    """
    return "joint" if features.ratio < 1 else "combined"


def many(number: int, what: str) -> str:
    """``1 cell``, ``6 cells``, ``1,000 cells``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _depth(node: Split | Leaf) -> int:
    return 0 if isinstance(node, Leaf) else 1 + max(_depth(node.yes), _depth(node.no))


def _leaves(node: Split | Leaf) -> tuple[Leaf, ...]:
    return (node,) if isinstance(node, Leaf) else _leaves(node.yes) + _leaves(node.no)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
