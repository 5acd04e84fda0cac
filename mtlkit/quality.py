"""How good the engine gets: the default recipe on whole treebanks, and what it does to names.

Test scores with gold tokens, by the official scorers (see `mtlkit.metrics`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mtlkit import corpora, machine, metrics, sharing
from mtlkit.annotation import Annotator
from mtlkit.corpora import Example
from mtlkit.evaluation import Evaluator, Scores, predict, primary
from mtlkit.recipes import Recipe, Run
from mtlkit.results import Store
from mtlkit.routes import Route
from mtlkit.sharing import HardSharing
from mtlkit.study import plan
from mtlkit.sweeps import complete

__all__ = ["OUTCOMES", "TRIALS", "QualityError", "Trial", "measure", "name_outcomes", "summary"]

OUTCOMES = ("right", "boundary", "type", "both", "missed")
"""What can become of a name, see `mtlkit.metrics.span_outcomes`."""


class QualityError(ValueError):
    """Runs that failed."""


@dataclass(frozen=True)
class Trial:
    """What is trained: a route, what its recipe has instead of the defaults, how many seeds.

    ``beyond``: a subset of the corpus outside its own splits, scored too.
    """

    route: str
    seeds: int
    changes: Mapping[str, Any] = field(default_factory=dict)
    beyond: str | None = None


TRIALS: dict[str, Trial] = {
    "GUM": Trial("minilm > pos@gum+ner@gum+dep@gum", seeds=5, beyond="gentle"),
    "EWT": Trial("minilm > pos@ewt+dep@ewt", seeds=1),
}


def measure(
    store: Store, *, trials: Mapping[str, Trial] = TRIALS, workers: int | None = None
) -> dict[str, pd.DataFrame]:
    """Train what is not in the store yet, and score it on test.

    Returns
    -------
    quality
        A row a score: trial, seed, on, task, metric, score, and the seconds of one thread that
        training took.  On: ``test``; the subset beyond; for names ``test, free tags``, where each
        tag is the best of its own, whatever stands before it; and ``test, int8``.
    names
        For trials with names, a row a seed, novelty of the name and outcome: how many on test.
    convergence
        A row a seed, evaluation on dev and task: after how many seconds of one thread which score.
    """
    runs = {
        (name, seed): plan(trial.route, Recipe().replace(**trial.changes), seed)
        for name, trial in trials.items()
        for seed in range(trial.seeds)
    }
    ordered = sorted(runs.items(), key=lambda item: item[0][1])  # the first seeds of all first
    if failed := complete((run for _, run in ordered), store, workers=workers, keep=True):
        raise QualityError("; ".join(map(str, failed)) + "; run this again, finished runs are kept")
    rows: list[dict[str, Any]] = []
    names: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for (name, seed), run in runs.items():
        record = store.load(run.id)
        network, _ = sharing.load(store.folder / "models" / run.id, recipe=run.recipe, seed=seed)
        network.to(machine.device())
        origin = {"trial": name, "seed": seed}
        if "ner" in network.labels:
            test = _sets(run, None)["ner"]
            tags = predict(network, test, ["ner"], run.recipe)["ner"]
            names += [
                {**origin, "name": novelty, "outcome": outcome, "count": count}
                for (novelty, outcome), count in sorted(
                    name_outcomes(test, tags, known=_known(run)).items()
                )
            ]
        sets = {"test": record["scores"]["test"], **_others(network, run, trials[name].beyond)}
        rows += [
            {**origin, "on": on, "task": task, "metric": metric, "score": score}
            | {"seconds": record["ledger"]["seconds"]}
            for on, scores in sets.items()
            for task, each in scores.items()
            for metric, score in each.items()
        ]
        steps += [
            {**origin, "seconds": entry["seconds"], "update": entry["update"]}
            | {"task": task, "metric": primary(task), "score": each[primary(task)]}
            for entry in record["history"]
            for task, each in entry["scores"]["dev"].items()
        ]
    frames = {"quality": rows, "names": names, "convergence": steps}
    return {kind: pd.DataFrame(found) for kind, found in frames.items()}


def _others(network: HardSharing, run: Run, beyond: str | None) -> dict[str, Scores]:
    """Scores beside those of test: beyond the corpus, with free tags, in int8 (the last of all)."""
    found: dict[str, Scores] = {}
    test = _sets(run, None)
    if beyond is not None:
        found[beyond] = Evaluator(_sets(run, beyond), network)(network, run.recipe)[0]
    if "ner" in network.labels:
        head: Any = network.heads["ner"]
        head.strict = False
        sets = {"ner": test["ner"]}
        found["test, free tags"] = Evaluator(sets, network)(network, run.recipe)[0]
        head.strict = run.recipe.decoding == "strict"
    if machine.device().type == "cpu":
        rounded = Annotator(network, run.recipe, precision="int8")
        found["test, int8"] = Evaluator(test, network)(network, rounded.recipe)[0]
    return found


def _sets(run: Run, subset: str | None, split: str = "test") -> dict[str, tuple[Example, ...]]:
    """The sentences of a run's tasks, of its corpora or of a subset of them."""
    tasks = run.route.stages[-1].tasks
    if subset is not None:
        text = "+".join(f"{task.name}@{task.corpus}/{subset}" for task in tasks)
        tasks = Route.parse(f"scratch > {text}").stages[0].tasks
    return {task.name: corpora.sentences(task, split=split) for task in tasks}


def _known(run: Run) -> set[str]:
    """The names of the training sentences, in small letters."""
    return {
        _text(example, span)
        for example in _sets(run, None, "train")["ner"]
        for span in metrics.spans(example.labels["ner"])
    }


def _text(example: Example, span: tuple[int, int, str]) -> str:
    return " ".join(example.words[span[0] : span[1]]).lower()


def name_outcomes(
    examples: Iterable[Example], predicted: Iterable[Sequence[str]], *, known: set[str]
) -> Counter[tuple[str, str]]:
    """What became of names, by whether training had them: (``seen`` or ``new``, outcome).

    Invented ones are (``none``, ``invented``).
    """
    counts: Counter[tuple[str, str]] = Counter()
    for example, tags in zip(examples, predicted, strict=True):
        found, invented = metrics.span_outcomes(example.labels["ner"], tags)
        for span, outcome in found.items():
            counts["seen" if _text(example, span) in known else "new", outcome] += 1
        counts["none", "invented"] += invented
    return counts


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and range over seeds, in percent: a row a trial and test set, a column a metric."""
    named = scores.assign(score=100 * scores["score"], what=scores["task"] + " " + scores["metric"])
    groups = named.groupby(["trial", "on", "what"], sort=False)["score"]
    text = groups.agg(lambda s: f"{s.mean():.2f} [{s.min():.2f}, {s.max():.2f}]").unstack("what")
    text = text.reindex(columns=list(dict.fromkeys(named["what"])))
    text.insert(0, "seeds", scores.groupby(["trial", "on"])["seed"].nunique())
    return text.reset_index().fillna("")
