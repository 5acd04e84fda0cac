"""Which route to try first: a shallow rule learnt from a comparison, tested on unseen targets.

The comparison is a table of *cells*: in each one every family was trained with the same seeds.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mtlkit.aggregates import share_interval
from mtlkit.evidence import Item
from mtlkit.policies import (
    FAMILIES,
    FEATURES,
    ChoosingError,
    Features,
    Gain,
    Leaf,
    Question,
    Rule,
    Split,
    size_rule,
)
from mtlkit.results import write_atomically
from mtlkit.statistics import t_interval

__all__ = [
    "ALWAYS", "COLUMNS", "Limits", "accuracy", "advantage", "learn", "leave_one_target_out", "read",
    "save", "witnesses",
]  # fmt: skip

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

NUMBERS = ["labels", "support", "tasks", "relatedness"]
CELL = ["target", "corpus", *NUMBERS]
COLUMNS = (*CELL, "family", "seed", "score")
"""Of a table of cells, a row per cell, family and seed.

The cell: target, corpus, and what `Features` are of; relatedness may be empty.  ``score``: points,
0 to 100.  Families that cannot be chosen are not looked at.  A column ``id``, that of the run, is
for `witnesses` alone.
"""


@dataclass(frozen=True)
class Limits:
    """How large a rule may be.

    ``depth``: the most questions on a way; ``cells``: the fewest in a leaf; ``gain``: the fewest
    errors of single, in percent on the mean of all cells, that a question must avoid, and that
    support must avoid on the mean of its leaf, or else the answer there is single.
    """

    depth: int = 2
    cells: int = 3
    gain: float = 1.0

    def __post_init__(self) -> None:
        if self.depth < 0 or self.cells < 1 or not 0 <= self.gain < math.inf:
            rule = "expected depth 0 or more, cells 1 or more, gain 0 or more"
            raise ChoosingError(f"{self}: {rule}")


LIMITS = Limits()
ALWAYS, SAME = Limits(depth=0, gain=0), "always the same"
"""Of the rule that always answers with the family of the best mean reward; its name."""


# ---- learning


def learn(cells: pd.DataFrame, limits: Limits = LIMITS) -> Rule:
    """The rule whose choices avoid most of single's errors: an optimal policy tree.

    Policy learning (Athey & Wager 2021, Econometrica 89:133; several actions and exact search of
    shallow trees: Zhou, Athey & Wager 2023, Operations Research 71:148).  They estimate what other
    actions would have given; here every family was trained in every cell, so that it is known:
    100 (s - s_single) / (100 - s_single), at the same seed, averaged over seeds.

    All trees of a depth are tried.  The best has the highest mean over cells, less ``limits.gain``
    for each question; of equal trees it is the smaller.  It takes the place of the best with fewer
    questions only where the 95 % t interval over seeds of their difference lies above zero: else
    luck would find questions.  (Not all of it: among many trees, some such intervals are lucky.)
    Thresholds lie half-way between two values that occur, of labels and ratios on a logarithmic
    scale; unknown relatedness counts as 0.

    `cells`: columns `COLUMNS`.  Raises `ChoosingError` if the table is not whole.
    """
    search = _Search(_table(cells), limits)
    rule, *deeper = (search.best(depth) for depth in range(limits.depth + 1))
    for other in deeper:
        if t_interval(search.by_seed(other) - search.by_seed(rule))[0] > 0:
            rule = other
    return rule


@dataclass(frozen=True)
class _Table:
    """The cells as arrays."""

    places: pd.DataFrame  # a row a cell, with the columns CELL
    features: list[Features]
    seeds: list[int]
    scores: Floats  # [cell, seed, family], points


@dataclass(frozen=True)
class _Tree:
    """A tree that was tried.  Its worth is its total reward, less the price of its questions."""

    worth: float
    questions: int
    build: Callable[[], Split | Leaf]  # only the winner's leaves are made, which takes its time

    def better(self, other: "_Tree") -> bool:
        """Worth more, or as much with fewer questions."""
        mine, others = round(self.worth, 6), round(other.worth, 6)
        return (mine, -self.questions) > (others, -other.questions)


class _Search:
    """All trees on the cells of a table."""

    def __init__(self, table: _Table, limits: Limits) -> None:
        self.table, self.limits = table, limits
        single = table.scores[:, :, :1]
        # Errors of single that are avoided, percent: [cell, seed, family].
        self.rewards = 100 * (table.scores - single) / (100 - single)
        self.means = self.rewards.mean(axis=1)
        self.values = np.array([[f.value(name) for name in FEATURES] for f in table.features])
        self.every = np.arange(len(table.places))

    def best(self, depth: int) -> Rule:
        """The best tree of at most this depth."""
        return Rule(self._best(self.every, depth).build())

    def by_seed(self, rule: Rule) -> Floats:
        """The mean reward over cells of what a rule chooses: [seed]."""
        chosen = [FAMILIES.index(rule(features).family) for features in self.table.features]
        return np.asarray(self.rewards[self.every, :, chosen].mean(axis=0))

    def _best(self, here: Places, depth: int) -> _Tree:
        means = self.means[here].mean(axis=0)
        choice = int(np.argmax(means.round(9)))  # the first of equal ones
        if means[choice] < self.limits.gain:
            choice = 0
        tree = _Tree(means[choice] * len(here), 0, partial(self._leaf, here, FAMILIES[choice]))
        price = self.limits.gain * len(self.every)
        for question, below, above in self._splits(here) if depth else ():
            yes, no = self._best(below, depth - 1), self._best(above, depth - 1)
            other = _Tree(
                yes.worth + no.worth - price,
                1 + yes.questions + no.questions,
                partial(_joined, question, yes, no),
            )
            tree = other if other.better(tree) else tree
        return tree

    def _splits(self, here: Places) -> Iterator[tuple[Question, Places, Places]]:
        """Every question that leaves enough cells on both sides, and the cells of each side."""
        for name, values in zip(FEATURES, self.values[here].T, strict=True):
            for low, high in pairwise(np.unique(values)):
                question = Question(name, _between(name, float(low), float(high)))
                yes = values < question.threshold
                if self.limits.cells <= yes.sum() <= len(here) - self.limits.cells:
                    yield question, here[yes], here[~yes]

    def _leaf(self, here: Places, family: str) -> Leaf:
        by_seed = self.rewards[here].mean(axis=0)  # [seed, family]
        gains = tuple(
            Gain(name, float(values.mean()), *t_interval(values))
            for name, values in zip(FAMILIES, by_seed.T, strict=True)
        )
        targets = tuple(sorted(set(self.table.places["target"].iloc[here])))
        return Leaf(family, len(here), targets, len(self.table.seeds), gains)


def _joined(question: Question, yes: _Tree, no: _Tree) -> Split:
    return Split(question, yes.build(), no.build())


def _between(feature: str, low: float, high: float) -> float:
    """A threshold that `low` is below and `high` is not: in the middle, with few digits."""
    middle = math.sqrt(low * high) if feature in ("labels", "ratio") else (low + high) / 2
    rounded = float(f"{middle:.2g}")
    middle = rounded if low < rounded <= high else middle
    return float(math.ceil(middle)) if feature in ("labels", "tasks") else middle


# ---- how good the rule is


def leave_one_target_out(cells: pd.DataFrame, limits: Limits = LIMITS) -> pd.DataFrame:
    """What each chooser takes for a target without having seen its results, on any corpus.

    Choosers: "chart", the rule learnt on the other targets; "always the same", the family that has
    the best mean reward there, however small its lead (`ALWAYS`); "size rule",
    `policies.size_rule`, which learns nothing.  A row per cell, chooser and seed, with the columns
    of the cell and

    - chooser; family: its choice; best: the family with the best mean in the cell;
    - regret: by how much the choice's mean is lower (points); right (bool): whether it is not;
    - seed; score: of the choice at that seed (points).
    """
    table = _table(cells)
    targets = table.places["target"]
    if targets.nunique() < 2:
        raise ChoosingError(
            f"the cells have one target, {targets.iloc[0]!r}: to leave one out takes two or more"
        )
    rows = []
    for target in targets.unique():
        others = cells[cells["target"] != target]
        chart = learn(others, limits)
        always = learn(others, ALWAYS)
        for cell in np.flatnonzero(targets == target):
            features = table.features[cell]
            chosen = {
                "chart": chart(features).family,
                SAME: always(features).family,
                "size rule": size_rule(features),
            }
            place, scores = table.places.iloc[cell].to_dict(), table.scores[cell]
            means = dict(zip(FAMILIES, scores.mean(axis=0), strict=True))
            best = max(FAMILIES, key=means.__getitem__)
            for chooser, family in chosen.items():
                regret = float(means[best] - means[family])
                said = {"chooser": chooser, "family": family, "best": best}
                how = {"regret": regret, "right": regret == 0}
                for seed, score in zip(table.seeds, scores[:, FAMILIES.index(family)], strict=True):
                    rows.append(place | said | how | {"seed": seed, "score": float(score)})
    return pd.DataFrame(rows)


def accuracy(cells: pd.DataFrame, limits: Limits = LIMITS) -> pd.DataFrame:
    """How often each chooser of `leave_one_target_out` is right: a row a chooser.

    Columns: chooser, right, cells, share; low and high, the share's exact 95 % interval (Clopper &
    Pearson 1934, Biometrika 26:404); regret (points, mean over cells).  The interval takes cells
    for independent; those of one target are not, so it may be too narrow.
    """
    rows = []
    choices = leave_one_target_out(cells, limits)
    for chooser, made in choices[choices.seed == choices.seed.min()].groupby("chooser", sort=False):
        right = int(made["right"].sum())
        found = share_interval(right, len(made))
        count = {"chooser": chooser, "right": right, "cells": len(made), "share": found.value}
        rows.append(count | {"low": found.low, "high": found.high, "regret": made["regret"].mean()})
    return pd.DataFrame(rows)


def advantage(cells: pd.DataFrame, limits: Limits = LIMITS) -> pd.DataFrame:
    """Points that the chart has over "always the same": columns target, seed, value.

    ``value``: mean over the target's cells of the chosen families' difference of scores, at that
    seed.  No result of a target was used to choose for it (`leave_one_target_out`).
    """
    choices = leave_one_target_out(cells, limits)
    wide = choices.pivot_table("score", ["target", "seed"], "chooser", aggfunc="mean")
    return (wide["chart"] - wide[SAME]).rename("value").reset_index()


def witnesses(cells: pd.DataFrame, limits: Limits = LIMITS) -> list[Item]:
    """What the claim that one can choose rests on: an item for each target and seed.

    On our side are the runs that "chart" takes in the target's cells, on the other those of
    "always the same" (`leave_one_target_out`); the difference of their means is `advantage`.  Where
    other targets have too few cells for any question, both must take the same, which says nothing
    of the claim: there is no item.  `cells` needs the column ``id``.
    """
    if "id" not in cells:
        raise ChoosingError(f"the table of cells has no column ['id']; it has {list(cells)}")
    count = _table(cells).places["target"].value_counts()
    able = count.index[count.sum() - count >= 2 * limits.cells]
    if able.empty:
        return []
    choices = leave_one_target_out(cells, limits)
    runs = choices.merge(cells[[*CELL, "family", "seed", "id"]], on=[*CELL, "family", "seed"])
    sides = runs.groupby(["target", "seed", "chooser"], sort=False)["id"].agg(tuple).unstack()
    return [
        Item("choosing", {"target": name}, int(seed), "score", name, row.chart, row[SAME])
        for (name, seed), row in sides.iterrows()
        if name in able
    ]


# ---- the table


def save(cells: pd.DataFrame, path: Path) -> None:
    """Write a table of cells as CSV, for `read`.  `ChoosingError` if it is not whole."""
    _table(cells)
    write_atomically(path, cells.to_csv(index=False, lineterminator="\n"))


def read(path: str | Path) -> pd.DataFrame:
    """The table of cells in a CSV file; `ChoosingError` names the file if it is not whole."""
    try:
        cells = pd.read_csv(path)
        _table(cells)
    except ValueError as error:  # pandas' errors of reading are ValueErrors
        raise ChoosingError(f"{path}: {error}") from None
    return cells


def _table(cells: pd.DataFrame) -> _Table:
    """The cells, checked: every family has the same seeds in every one, once each."""
    if missing := [name for name in COLUMNS if name not in cells]:
        raise ChoosingError(f"the table of cells has no column {missing}; it has {list(cells)}")
    known = cells[cells["family"].isin(FAMILIES)].reset_index(drop=True)
    if known.empty:
        found = sorted(set(cells["family"]))
        raise ChoosingError(f"no row has a family of {', '.join(FAMILIES)}; found {found}")
    possible = known["score"].between(0, 100) & ~((known.family == "single") & (known.score == 100))
    if not possible.all():
        row = known[~possible].iloc[0]
        raise ChoosingError(
            f"{_name(row)}: {row.family}, seed {row.seed}, has score {row.score}: expected points "
            "from 0 to 100, and of single less than 100, or it has no errors to avoid; leave out "
            "that cell"
        )
    cell = known.groupby(CELL, dropna=False).ngroup()
    places = known.groupby(cell)[CELL].first()
    seeds = sorted(set(known["seed"]))
    whole = pd.MultiIndex.from_product([places.index, seeds, FAMILIES])
    rows = known.groupby([cell, known["seed"], known["family"]])["score"]
    counts = rows.size().reindex(whole, fill_value=0)
    if (counts != 1).any():
        number, seed, family = wrong = (counts != 1).idxmax()
        raise ChoosingError(
            f"{_name(places.loc[number])}: {family}, seed {seed}, has {counts[wrong]} rows: every "
            "family needs one with every seed in every cell; leave out seeds that others lack"
        )
    scores = rows.first().reindex(whole).to_numpy(float)
    features = [Features(*numbers) for numbers in places[NUMBERS].itertuples(index=False)]
    return _Table(places, features, seeds, scores.reshape(len(places), len(seeds), len(FAMILIES)))


def _name(place: pd.Series) -> str:
    return (
        f"{place.target} ({place.corpus}), {place.labels} labels, {place.support} x {place.tasks}"
    )
