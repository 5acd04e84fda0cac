"""The command ``choose``: which route to try first, why, how sure that is, and what to try next."""

import argparse
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mtlkit.commands import UsageError
from mtlkit.policies import SIGNS, ChoosingError, Features, Leaf, Rule, many
from mtlkit.profiles import PROFILES

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHOOSE_HELP", "NUMBERS", "PLACES", "choose"]

PLACES = {"real": "full", "world": "quick"}
"""Where routes were compared -> the profile whose lesson 09 did so."""

CHOOSE_HELP = """\
You have a target task with few labels and one or more support tasks, and an encoder that is
pretrained. Three families of routes use them:
  single    target             the target alone
  joint     support + target   support tasks and target together
  combined  support > target   support tasks first, then the target

The answer comes from a chart of at most two questions, learnt from the results of lesson 09 and
tested on targets that it had not seen. The command says how that test went.

Relatedness is the share of the target labels' entropy that the support labels tell: 0 nothing, 1
everything. Lesson 09 computes it where sentences carry both labels; else say unknown.
"""


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, found {text!r}")
    return int(text)


def _share(text: str) -> float:
    if text == "unknown":
        return math.nan
    if not re.fullmatch(r"0?\.[0-9]+|[01]|1\.0+", text):
        rule = "expected a number from 0 to 1, or unknown"
        raise argparse.ArgumentTypeError(f"{rule}, found {text!r}")
    return float(text)


NUMBERS: dict[str, tuple[Callable[[str], float], str]] = {
    "labels": (_count, "labelled sentences of your target"),
    "support": (_count, "labelled sentences of each support task"),
    "tasks": (_count, "number of support tasks"),
    "relatedness": (_share, "what the support labels tell of the target's: 0 to 1, or unknown"),
}
"""Flag of each number that the chart may ask for: how it is read, and what it is."""


def choose(options: argparse.Namespace) -> int:
    """Read the comparison, learn the chart, follow it; print answer, reasons and doubts."""
    from mtlkit import choosing  # and pandas and scipy with it

    profile = PLACES[options.on]
    path = options.cells or _published(profile)
    cells = choosing.read(path)
    features = _features(options)
    rule = choosing.learn(cells)
    leaf, start = rule(features), PROFILES[profile].pretrained
    second = leaf.second.family
    parts = [
        [f"Try first: {leaf.family}, {SIGNS[leaf.family]}", _route(leaf.family, features, start)],
        _outside(cells, features),
        _why(rule, features),
        [*_evidence(leaf), f"from {path}"],
        _doubts(cells),
        [f"Then try: {second}, {SIGNS[second]}", _route(second, features, start)],
    ]
    print("\n\n".join("\n  ".join(lines) for lines in parts if lines))
    return 0


def _published(profile: str) -> Path:
    from mtlkit.results import find_root

    path = find_root() / "figures" / profile / "tables" / "09_cells.csv"
    if not path.is_file():
        raise ChoosingError(
            f"{path} is not there: lesson 09 writes it; run mtlkit study --profile {profile} "
            "--only 09, or give another table with --cells FILE.csv"
        )
    return path


def _features(options: argparse.Namespace) -> Features:
    """The numbers of the command line; those that are missing are asked for at a terminal."""
    given = {name: getattr(options, name) for name in NUMBERS}
    missing = [name for name, value in given.items() if value is None]
    if missing and not sys.stdin.isatty():
        lines = [f"  --{name}: {NUMBERS[name][1]}" for name in missing]
        raise UsageError("\n".join(["missing, and there is no terminal to ask at:", *lines]))
    return Features(**given | {name: _ask(name) for name in missing})


def _ask(name: str) -> float:
    read, what = NUMBERS[name]
    while True:
        try:
            return read(input(f"{what[0].upper()}{what[1:]}: ").strip())
        except argparse.ArgumentTypeError as error:
            print(error)
        except EOFError:
            raise UsageError(f"no answer: give --{name}, {what}") from None


def _route(family: str, features: Features, start: str) -> str:
    """The route with these numbers; the names of the tasks are to be filled in."""
    names = [f"support{i}:{features.support}" for i in range(1, features.tasks + 1)]
    if len(names) > 3:
        names[1:-1] = ["..."]
    aid, goal = "+".join(names), f"target:{features.labels}"
    stages = {"single": goal, "joint": f"{aid}+{goal}", "combined": f"{aid} > {goal}"}
    return f"{start} > {stages[family]}"


def _why(rule: Rule, features: Features) -> list[str]:
    asked = [f"{question} {'yes' if yes else 'no'}" for question, yes in rule.path(features)]
    return ["Why:", *(asked or ["no question helped: the chart has one answer for all"])]


def _evidence(leaf: Leaf) -> list[str]:
    where = f"{many(leaf.cells, 'cell')} of {many(len(leaf.targets), 'target')}"
    head = f"Evidence: {where} ({', '.join(leaf.targets)}), {many(leaf.seeds, 'seed')}"
    lines = [f"{gain.family} avoids {gain} of the errors of single" for gain in leaf.gains[1:]]
    hope = "the best one was chosen for being best, so expect less than that"
    none = "neither avoids enough for it to be tried first"
    return [head, *lines, none if leaf.family == "single" else hope]


def _doubts(cells: "pd.DataFrame") -> list[str]:
    """How the chart and two other choosers do on targets that they have not seen."""
    from mtlkit import choosing
    from mtlkit.statistics import t_interval, verdict

    targets = cells["target"].nunique()
    if targets < 2:
        return ["How sure: not known; one target was measured, and none is left to test on"]
    lines = ["How sure: on targets whose results it had not seen, each of these was right in"]
    for found in choosing.accuracy(cells).itertuples():
        share = f"{100 * found.share:.0f} % [{100 * found.low:.0f}, {100 * found.high:.0f}]"
        lost = f"{found.regret:.2f} points below the best"
        count = f"{found.right} of {many(found.cells, 'cell')}"
        lines.append(f"{found.chooser:<16} {count:<15} {share:<14} on average {lost}")
    by_seed = choosing.advantage(cells).groupby("seed")["value"].mean()
    low, high = t_interval(by_seed)
    number = f"{by_seed.mean():+.2f} points [{low:+.2f}, {high:+.2f}]"
    same = choosing.learn(cells, choosing.ALWAYS).leaves[0].family
    said = {
        "higher": f"the chart is better than always the same ({number})",
        "lower": f"the chart is worse than always the same ({number}): take {same} instead",
        "undecided": f"the chart is no better than always the same ({number}), as far as can be "
        f"told:\n  to take {same} for every target is as good a rule",
    }[verdict(low, high)]
    return [*lines, said, f"(points: interval over seeds, for these {targets} targets)"]


def _outside(cells: "pd.DataFrame", features: Features) -> list[str]:
    """The numbers that lie outside what was measured."""
    found = []
    for name in NUMBERS:
        value, known, digits = getattr(features, name), cells[name].dropna(), ",.0f"
        if name == "relatedness":
            digits = ".2f"
        low, high = known.min(), known.max()
        measured = f"measured {low:{digits}}" + (f" to {high:{digits}}" if low < high else " only")
        if math.isnan(value):
            if len(known) == len(cells):
                found.append(f"--{name} unknown: {measured}; it counts as 0")
        elif not low <= value <= high:
            measured = measured if len(known) else "measured nowhere"
            found.append(f"--{name} {value:{digits}}: {measured}")
    head = "Warning: outside what was measured, so that the answer is a guess:"
    return [head, *found] if found else []
