"""How good the engine gets: the default recipe on whole treebanks, and what it does to names.

Test scores with gold tokens, by the official scorers (see `mtlkit.metrics`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mtlkit import corpora, machine, metrics, networks
from mtlkit.annotation import Annotator
from mtlkit.corpora import Example
from mtlkit.evaluation import Evaluator, Scores, predict, primary
from mtlkit.networks import Network
from mtlkit.recipes import Recipe, Run
from mtlkit.results import Store
from mtlkit.routes import Route
from mtlkit.study import plan
from mtlkit.sweeps import complete

__all__ = [
    "OUTCOMES",
    "TRIALS",
    "QualityError",
    "Trial",
    "measure",
    "name_outcomes",
    "summary",
    "worth",
]

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


_JOINT = "minilm > pos@gum+ner@gum+dep@gum"

TRIALS: dict[str, Trial] = {
    "GUM": Trial(_JOINT, seeds=5, beyond="gentle"),
    "EWT": Trial("minilm > pos@ewt+dep@ewt", seeds=2),
    "GUM, words without their shape": Trial(_JOINT, seeds=3, changes={"spelling": "none"}),
    "GUM, one rate for all layers": Trial(
        _JOINT,
        seeds=2,
        changes={"layer_decay": 1.0, "encoder_lr": 3e-4},  # as before such rates
    ),
}
"""Those with changes are variants of the trial whose name theirs begins with."""


def measure(
    store: Store, *, trials: Mapping[str, Trial] = TRIALS, workers: int | None = None
) -> dict[str, pd.DataFrame]:
    """Train what is not in the store yet, and score it on test.

    Returns
    -------
    quality
        A row a score: trial, seed, on, task, metric, score, and the seconds of one thread that
        training took.  On: ``test``; the trial's subset beyond; for names ``test, free tags``,
        where each tag is the best of its own, whatever stands before it; and, if nothing of the
        recipe is changed and a CPU computes, ``test, int8``.
    names
        For trials with names, a row a seed, novelty of the name and outcome: how many on test.
    convergence
        A row a seed, evaluation on dev and task: after how many seconds of one thread which score;
        ``kept``: whether this checkpoint is the one that test scores.
    worth
        What the default recipe has over each variant, see `worth`.
    """
    runs = {
        (name, seed): plan(trial.route, Recipe().replace(**trial.changes), seed)
        for name, trial in trials.items()
        for seed in range(trial.seeds)
    }
    ordered = sorted(runs.items(), key=lambda item: item[0][1])  # the first seeds of all first
    if failed := complete((run for _, run in ordered), store, workers=workers, keep=True):
        raise QualityError("; ".join(map(str, failed)) + "; run this again, finished runs are kept")
    rows: dict[str, list[dict[str, Any]]] = {"quality": [], "names": [], "convergence": []}
    for (name, seed), run in runs.items():
        record = store.load(run.id)
        network, _ = networks.load(store.folder / "models" / run.id, recipe=run.recipe, seed=seed)
        network.to(machine.device())
        found = {
            "convergence": _convergence(record),
            "names": _names(network, run) if "ner" in network.labels else [],
            "quality": _scores(record, network, run, trials[name]),  # the last: it rounds weights
        }
        for kind, each in found.items():
            rows[kind] += [{"trial": name, "seed": seed, **row} for row in each]
    frames = {kind: pd.DataFrame(found) for kind, found in rows.items()}
    return {**frames, "worth": worth(frames["convergence"])}


def _scores(
    record: Mapping[str, Any], network: Network, run: Run, trial: Trial
) -> list[dict[str, Any]]:
    sets = {"test": record["scores"]["test"], **_others(network, run, trial)}
    return [
        {"on": on, "task": task, "metric": metric, "score": score}
        | {"seconds": record["ledger"]["seconds"]}
        for on, scores in sets.items()
        for task, each in scores.items()
        for metric, score in each.items()
    ]


def _names(network: Network, run: Run) -> list[dict[str, Any]]:
    test = _sets(run, None)["ner"]
    tags = predict(network, test, ["ner"], run.recipe)["ner"]
    counts = name_outcomes(test, tags, known=_known(run))
    return [
        {"name": novelty, "outcome": outcome, "count": count}
        for (novelty, outcome), count in sorted(counts.items())
    ]


def _convergence(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"seconds": entry["seconds"], "update": entry["update"], "kept": entry["best"]}
        | {"task": task, "metric": primary(task), "score": each[primary(task)]}
        for entry in record["history"]
        for task, each in entry["scores"]["dev"].items()
    ]


def _others(network: Network, run: Run, trial: Trial) -> dict[str, Scores]:
    """Scores beside those of test: beyond the corpus, with free tags, in int8 (the last of all)."""
    found: dict[str, Scores] = {}
    test = _sets(run, None)
    if trial.beyond is not None:
        sets = _sets(run, trial.beyond)
        found[trial.beyond] = Evaluator(sets, network)(network, run.recipe)[0]
    if "ner" in network.labels:
        head: Any = network.heads["ner"]
        head.strict = False
        sets = {"ner": test["ner"]}
        found["test, free tags"] = Evaluator(sets, network)(network, run.recipe)[0]
        head.strict = run.recipe.decoding == "strict"
    if machine.device().type == "cpu" and not trial.changes:
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


def worth(steps: pd.DataFrame) -> pd.DataFrame:
    """What the default recipe has over its variants on dev, in points, seed by seed.

    `steps`: the table ``convergence`` of `measure`.  A row a variant: over the seeds that both
    have, the mean difference of the checkpoints kept, and the smallest and the largest one.
    """
    kept = steps[steps["kept"]].assign(what=steps["task"] + " " + steps["metric"])
    scores = 100 * kept.set_index(["trial", "seed", "what"])["score"]
    rows = []
    for trial in dict.fromkeys(kept["trial"]):
        base = trial.partition(",")[0]
        if base == trial or base not in scores:
            continue
        more = (scores[base] - scores[trial]).dropna().unstack("what")
        text = {
            what: f"{d.mean():+.2f} [{d.min():+.2f}, {d.max():+.2f}]" for what, d in more.items()
        }
        rows.append({"trial": trial, "seeds": len(more), **text})
    return pd.DataFrame(rows)


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and range over seeds, in percent: a row a trial and test set, a column a metric."""
    named = scores.assign(score=100 * scores["score"], what=scores["task"] + " " + scores["metric"])
    groups = named.groupby(["trial", "on", "what"], sort=False)["score"]
    text = groups.agg(lambda s: f"{s.mean():.2f} [{s.min():.2f}, {s.max():.2f}]").unstack("what")
    text = text.reindex(columns=list(dict.fromkeys(named["what"])))
    text.insert(0, "seeds", scores.groupby(["trial", "on"])["seed"].nunique())
    return text.reset_index().fillna("")
