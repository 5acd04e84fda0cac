"""Evidence: which runs speak for which claim, and what each pair of runs says.

A lesson leaves its evidence as a table: a row for each claim, cell and seed, with the ids of the
runs and the name of the measure.  The number in a row can always be computed again from the store.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from mtlkit.results import Record, ResultsError, Store, primary, write_atomically
from mtlkit.routes import Route

__all__ = ["MEASURES", "EvidenceError", "Item", "file", "load", "measure", "renew", "save"]

COLUMNS = ("claim", "cell", "seed", "measure", "task", "ours", "theirs", "value")


class EvidenceError(ValueError):
    """Evidence that cannot be read, or that its runs do not give."""


@dataclass(frozen=True)
class Item:
    """What one seed says in one cell of a claim.

    ``cell``: the cell's factors, as in ``{"target": "ner", "labels": "100"}``.  ``ours`` and
    ``theirs``: ids of the runs on the side that the claim favours, and on the other one.  ``value``
    is above zero where they speak for the claim, in the claim's unit.
    """

    claim: str
    cell: Mapping[str, str]
    seed: int
    measure: str
    task: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    value: float = math.nan


def _score(record: Record, task: str) -> float:
    return 100 * float(record["scores"]["test"][task][primary(task)])


def _scores(ours: Sequence[Record], theirs: Sequence[Record], task: str) -> float:
    """Mean test score of the one side minus that of the other, points; task: the run's target."""
    one, other = (
        [_score(record, task or record["run"]["recipe"]["target"]) for record in side]
        for side in (ours, theirs)
    )
    return float(np.mean(one) - np.mean(other))


def _gains(ours: Sequence[Record], theirs: Sequence[Record], task: str) -> float:
    """A difference of two runs, minus that of two others, points."""
    (a, b), (c, d) = ([_score(record, task) for record in side] for side in (ours, theirs))
    return (a - b) - (c - d)


def _gap(record: Record, task: str) -> float:
    """Score on training sentences minus score on dev, at the end of training; points."""
    scores = record["history"][-1]["scores"]
    seen, unseen = (scores[split][task][primary(task)] for split in ("train", "dev"))
    return 100 * (seen - unseen)


def _gaps(ours: Sequence[Record], theirs: Sequence[Record], task: str) -> float:
    """By how many points the gap between training and dev is smaller on our side."""
    return _gap(theirs[0], task) - _gap(ours[0], task)


def reached(record: Record, task: str, level: float) -> float:
    """The update of the last stage at which dev first has a score, interpolated.

    Nothing is known before the first evaluation and after the last: one of them is the answer
    where the score is reached earlier, or never.
    """
    last = record["history"][-1]["stage"]
    entries = [entry for entry in record["history"] if entry["stage"] == last]
    scores = [entry["scores"]["dev"][task][primary(task)] for entry in entries]
    best = np.maximum.accumulate(scores)
    updates = [entry["update"] for entry in entries]
    return float(np.interp(level, best, updates))


def _pace(ours: Sequence[Record], theirs: Sequence[Record], task: str) -> float:
    """Log of how many times the updates they need to 90 % of their own best dev score."""
    last = theirs[0]["history"][-1]["stage"]
    level = 0.9 * max(
        entry["scores"]["dev"][task][primary(task)]
        for entry in theirs[0]["history"]
        if entry["stage"] == last
    )
    return math.log(reached(theirs[0], task, level) / reached(ours[0], task, level))


def _labels(record: Record, task: str) -> int:
    [goal] = [t for t in Route.parse(record["run"]["route"]).stages[-1].tasks if t.name == task]
    return int(goal.labels or 0)


def equivalent(score: float, curve: Mapping[int, float]) -> float:
    """Labels with which a curve has a score: linear in the log of the labels between its points.

    Below its first point the first line goes on, so that a score that is lower by chance counts as
    one that is higher.  Above its highest point nothing is known: the most labels are the answer.
    """
    labels = sorted(curve)
    logs, best = np.log(labels), np.maximum.accumulate([curve[n] for n in labels])
    if score < best[0] and best[1] > best[0]:
        return float(
            np.exp(logs[0] + (score - best[0]) * (logs[1] - logs[0]) / (best[1] - best[0]))
        )
    return float(np.exp(np.interp(score, best, logs)))


def _doublings(ours: Sequence[Record], theirs: Sequence[Record], task: str) -> float:
    """Log2 of the labels that they need for our score, by ours; minus 1.  Cut at their most."""
    points: dict[int, list[float]] = {}
    for record in theirs:
        points.setdefault(_labels(record, task), []).append(_score(record, task))
    curve = {n: float(np.mean(scores)) for n, scores in points.items()}
    worth = equivalent(_score(ours[0], task), curve)
    return math.log2(worth / _labels(ours[0], task)) - 1


def _spent(record: Record, what: str) -> float:
    """Of seconds those after a start that was pretrained here: it is made once, for all."""
    if what != "seconds":
        return float(record["ledger"][what])
    stages = record["ledger"]["stages"]
    return sum(stage["seconds"] for stage in stages if set(stage["tasks"]) != {"mlm"})


def _cost(what: str) -> Callable[[Sequence[Record], Sequence[Record], str], float]:
    def ratio(ours: Sequence[Record], theirs: Sequence[Record], task: str) -> float:
        one, other = (sum(_spent(record, what) for record in side) for side in (ours, theirs))
        return math.log(other / one)

    ratio.__doc__ = f"Log of what they cost together by what we do: {what}."
    return ratio


def _errors(record: Record) -> dict[str, float]:
    return {task: 100 - _score(record, task) for task in record["scores"]["test"]}


def _reduction(ours: Sequence[Record], theirs: Sequence[Record], task: str) -> float:
    """Error reduction in percent of their mean error over seeds, mean over tasks.

    The first of theirs has our seed; the others are there for the mean alone.
    """
    left, base = _errors(ours[0]), [_errors(record) for record in theirs]
    means = {name: np.mean([errors[name] for errors in base]) for name in left}
    return float(np.mean([100 * (base[0][name] - left[name]) / means[name] for name in left]))


def _correlation(ours: Sequence[Record], theirs: Sequence[Record], task: str) -> float:
    """Rank correlation, over pairs of tasks, of gradients' cosines with gains from joint training.

    Ours is the run that trained all tasks together; theirs are the targets alone and each pair.
    """
    entries = [entry["cosines"] for entry in ours[0]["history"] if entry.get("cosines")]
    cosines = {
        frozenset(pair.split("|")): np.mean([entry[pair] for entry in entries])
        for pair in entries[0]
    }
    alone: dict[str, float] = {}
    pairs: dict[tuple[str, str], float] = {}
    for record in theirs:
        target = record["run"]["recipe"]["target"]
        names = [t.name for t in Route.parse(record["run"]["route"]).stages[-1].tasks]
        if names == [target]:
            alone[target] = _score(record, target)
        else:
            [source] = [name for name in names if name != target]
            pairs[source, target] = _score(record, target)
    gains = [score - alone[target] for (_, target), score in pairs.items()]
    return float(spearmanr([cosines[frozenset(pair)] for pair in pairs], gains).statistic)


MEASURES: Mapping[str, Callable[[Sequence[Record], Sequence[Record], str], float]] = {
    "score": _scores,
    "gain": _gains,
    "gap": _gaps,
    "pace": _pace,
    "doublings": _doublings,
    "parameters": _cost("parameters"),
    "seconds": _cost("seconds"),
    "test_seconds": _cost("test_seconds"),
    "reduction": _reduction,
    "correlation": _correlation,
}
"""Name of each measure to what it makes of (our records, their records, the task)."""


def measure(items: Iterable[Item], store: Store) -> list[Item]:
    """Items with their numbers, computed from the store; `ResultsError` where it lacks a run."""
    load = _loader(store)
    return [_measured(item, load) for item in items]


def renew(items: Iterable[Item], store: Store) -> list[Item]:
    """Items with their numbers computed anew, where the store has their runs; the others as is."""
    found, load = [], _loader(store)
    for item in items:
        try:
            found.append(_measured(item, load))
        except ResultsError:
            found.append(item)
    return found


def _loader(store: Store) -> Callable[[str], Record]:
    """Reads each run once, for many items share it; without its counts, which take much memory."""
    return functools.cache(lambda id: {k: v for k, v in store.load(id).items() if k != "counts"})


def _measured(item: Item, load: Callable[[str], Record]) -> Item:
    ours, theirs = ([load(id) for id in side] for side in (item.ours, item.theirs))
    return replace(item, value=MEASURES[item.measure](ours, theirs, item.task))


def file(figures: Path, lesson: str) -> Path:
    """Where a lesson leaves its evidence, in a folder of figures."""
    return figures / "tables" / f"{lesson}_evidence.csv"


def save(items: Iterable[Item], path: Path) -> None:
    """Write items as CSV: a row each, with the factors of its cell as ``name=value`` words."""
    items = list(items)
    for item in items:
        if wrong := [v for v in item.cell.values() if not v or set(v) & set(" \t\n")]:
            rule = "a value is one word, as in test-seconds"
            raise EvidenceError(f"{item.claim}: {wrong[0]!r} in the cell {dict(item.cell)}: {rule}")
    rows = [
        {
            **vars(item),
            "cell": " ".join(f"{name}={value}" for name, value in item.cell.items()),
            "ours": " ".join(item.ours),
            "theirs": " ".join(item.theirs),
            "value": round(item.value, 6),
        }
        for item in items
    ]
    write_atomically(path, pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(index=False))


def load(path: Path) -> list[Item]:
    """Read what `save` wrote.  `EvidenceError` for another table."""
    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS[:2], str), keep_default_na=False)
    except (OSError, ValueError) as error:
        raise EvidenceError(f"{path}: {error}; run its lesson again") from None
    if missing := [name for name in COLUMNS if name not in frame]:
        raise EvidenceError(f"{path}: no column {missing[0]!r}; run its lesson again")
    try:
        return [_item(row) for row in frame[list(COLUMNS)].itertuples(index=False)]
    except ValueError as error:
        raise EvidenceError(f"{path}: {error}; run its lesson again") from None


def _item(row: Any) -> Item:
    """What is in a row of a file."""
    return Item(
        claim=row.claim,
        cell=dict(word.split("=", 1) for word in row.cell.split(" ") if word),
        seed=int(row.seed),
        measure=row.measure,
        task=row.task,
        ours=tuple(row.ours.split(" ")),
        theirs=tuple(row.theirs.split(" ")),
        value=math.nan if row.value == "" else float(row.value),
    )
