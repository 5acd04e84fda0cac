"""One comparison, a seed a student: small result files, pooled to one interval.

The comparison is that of lesson 00: names from 100 labelled sentences of the embedded world, alone
and together with parts of speech, from random weights.  A seed decides which sentences are labelled
and what the weights begin with.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mtlkit import figures, plots, verdicts
from mtlkit.lab import Lab
from mtlkit.results import write_atomically
from mtlkit.statistics import Comparison, compare

__all__ = [
    "ARMS", "TARGET", "ClassroomError", "Result", "draw", "load", "pool", "run", "save", "sentence",
]  # fmt: skip

ARMS = {
    "alone": "scratch > ner:100@world",
    "together": "scratch > pos:500+ner:100@world",
}
"""Name of each side -> its route; what is compared is the second minus the first."""

TARGET = "ner"
FORM = "mtlkit classroom 1"


class ClassroomError(ValueError):
    """Result files that cannot be read, or not be pooled."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one seed gave.

    ``experiment`` is all that was run but the seed: the profile, and for each side its route,
    recipe and corpora.  ``scores`` are span F1 on test, a fraction for each side.
    """

    experiment: Mapping[str, Any]
    seed: int
    scores: Mapping[str, float]

    def told(self) -> str:
        """The result in words, for the student who ran it."""
        said = ", ".join(f"{name} {100 * score:.1f}" for name, score in self.scores.items())
        return f"seed {self.seed}, span F1 on names: {said}. One seed decides nothing: hand it in."


def run(seed: int, *, profile: str = "quick", lab: Lab | None = None) -> Result:
    """Train both sides with one seed, or find them in the store."""
    lab = lab or Lab(profile)
    runs = {name: lab.run(route, target=TARGET, seed=seed) for name, route in ARMS.items()}
    lab.complete(runs.values(), title=f"seed {seed}")
    table = lab.table(runs.values()).query("task == @TARGET").set_index("id")["score"]
    arms = {}
    for name, each in runs.items():
        arms[name] = each.to_json()
        del arms[name]["seed"]
    return Result(
        experiment={"profile": profile, "target": TARGET, "arms": arms},
        seed=seed,
        scores={name: float(table[each.id]) for name, each in runs.items()},
    )


def save(result: Result, path: Path) -> None:
    """Write a result as a file of JSON with a checksum."""
    data = {"form": FORM, **vars(result)}
    text = json.dumps({**data, "checksum": _checksum(data)}, indent=1, allow_nan=False)
    write_atomically(path, text + "\n")


def load(path: Path) -> Result:
    """A result from its file; `ClassroomError` says of a damaged or foreign one what it is."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ClassroomError(f"there is no file {path}") from None
    except ValueError:
        raise ClassroomError(f"{path} is damaged: it is no JSON. Ask for it again") from None
    if not isinstance(data, dict) or data.get("form") != FORM:
        raise ClassroomError(f"{path} is no result of `mtlkit classroom run` of this version")
    if data.pop("checksum", None) != _checksum(data):
        raise ClassroomError(
            f"{path} was changed after it was written, for its checksum is another one: run its "
            "seed again"
        )
    try:
        result = Result(**{name: data[name] for name in ("experiment", "seed", "scores")})
        fine = list(result.scores) == list(ARMS) and all(
            isinstance(score, float) and 0 <= score <= 1 for score in result.scores.values()
        )
    except (KeyError, TypeError):
        fine = False
    if not fine:
        raise ClassroomError(f"{path} lacks scores from 0 to 1 of {' and '.join(ARMS)}")
    return result


def pool(results: Sequence[Result]) -> Comparison:
    """Together minus alone over the seeds, in points, with its t interval.

    Raises `ClassroomError` for fewer than two results, results of different experiments, or a seed
    that is there twice.
    """
    if len(results) < 2:
        raise ClassroomError(f"an interval needs two seeds or more; found {len(results)}")
    first = results[0]
    for other in results[1:]:
        if other.experiment != first.experiment:
            where = _difference(first.experiment, other.experiment)
            raise ClassroomError(
                f"seeds {first.seed} and {other.seed} ran different experiments: {where}. Pool "
                "only results of one experiment"
            )
    seeds = [result.seed for result in results]
    if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        raise ClassroomError(
            f"seed {', '.join(map(str, twice))} is there more than once: give each student another"
        )
    low, high = ([result.scores[name] for result in results] for name in ARMS)
    return compare(high, low, rng=np.random.default_rng(0)).scaled(100)


def sentence(pooled: Comparison, experiment: Mapping[str, Any]) -> str:
    """What the class found, as far as its interval goes."""
    alone, together = ARMS
    where = f"Names, 100 labelled sentences, profile {experiment['profile']}"
    return verdicts.sentence(pooled, together, alone, where=where)


def draw(results: Sequence[Result], path: Path) -> None:
    """Write a figure of all seeds to ``path``, which ends in .svg, and a .png beside it."""
    if path.suffix != ".svg":
        raise ClassroomError(f"{path} should end in .svg; a .png is written beside it")
    alone, together = ARMS
    scores = pd.DataFrame(
        [(name, 100 * result.scores[name]) for name in ARMS for result in results],
        columns=["side", "points"],
    )
    name = f"{together} − {alone}"
    changes = [100 * (result.scores[together] - result.scores[alone]) for result in results]
    figure, (left, right) = figures.canvas(1, 2, width=9.4, height=1.8)
    colours = {alone: "scratch", together: "joint"}
    plots.bars_with_points(
        scores, "side", "points", ax=left, given=colours, xlabel="span F1 on names, points"
    )
    frame = pd.DataFrame({"side": name, "points": changes})
    ink = {name: figures.INK}
    plots.bars_with_points(
        frame, "side", "points", ax=right, given=ink, xlabel="difference, points"
    )
    right.axvline(0, color=figures.MUTED, lw=1.0, zorder=1)
    figures.save(figure, path.stem, folder=path.parent)


def _checksum(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _difference(a: Any, b: Any, at: str = "") -> str:
    """The first place in which two experiments differ, and both values there."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in (*a, *b):
            if a.get(key, math.nan) != b.get(key, math.nan):
                return _difference(a.get(key), b.get(key), f"{at}.{key}".lstrip("."))
    return f"{at} is {a!r} and {b!r}"
