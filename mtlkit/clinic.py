"""The clinic: runs that are ill on purpose, what they show, and the control that tells why.

All are of the embedded world and of small encoders from random weights, in every profile: a profile
chooses how large they are, and how many seeds there are.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mtlkit import corpora, evaluation, metrics, verdicts
from mtlkit.examples import Example
from mtlkit.lab import Lab
from mtlkit.profiles import PROFILES
from mtlkit.recipes import Run
from mtlkit.results import primary
from mtlkit.routes import Route
from mtlkit.statistics import Comparison, compare
from mtlkit.symptoms import copied, known

__all__ = ["FACTORS", "Arm", "ClinicError", "Ward", "arms", "paired", "rates", "treated"]

FACTORS = (0.1, 1, 3)
"""What the recipe's learning rates, of encoder and heads, are multiplied by in case 5."""

SIZES: dict[str, dict[str, int]] = {
    "smoke": {
        "names": 20, "support": 40, "few": 6, "many": 60, "both": 20,
        "updates": 4, "short": 4, "seeds": 2, "pool": 4, "folds": 10,
    },
    "quick": {
        "names": 200, "support": 900, "few": 60, "many": 2000, "both": 400,
        "updates": 60, "short": 40, "seeds": 5, "pool": 12, "folds": 10,
    },
    "full": {
        "names": 200, "support": 900, "few": 60, "many": 2000, "both": 400,
        "updates": 60, "short": 40, "seeds": 10, "pool": 20, "folds": 10,
    },
}  # fmt: skip
"""Labelled sentences of each kind, updates for each stratum, and seeds.  ``pool``: seeds among
which case 6 chooses; ``folds``: parts of the test sentences there."""


class ClinicError(ValueError):
    """A case that there is not, or numbers that cannot be those of one."""


@dataclass(frozen=True)
class Arm:
    """One way to train, in a case: a route, and what its recipe has otherwise."""

    route: str
    changes: Mapping[str, Any] = field(default_factory=dict)


def rates(factor: float) -> dict[str, float]:
    """The profile quick's learning rates, of encoder and heads, times a factor."""
    recipe = PROFILES["quick"].recipe
    return {"encoder_lr": factor * recipe.encoder_lr, "head_lr": factor * recipe.head_lr}


def arms(case: int, size: Mapping[str, int]) -> dict[str, Arm]:
    """The arms of a case, by their names; cases 1 and 6 have one, whose seeds are the cases.

    Raises `ClinicError` for a case that there is not.
    """
    names, updates = f"ner:{size['names']}@world", size["updates"]
    support, both = size["support"], size["both"]
    alone, joint = f"scratch > {names}", f"scratch > pos:{support}+{names}"
    unequal = f"scratch > pos:{size['many']}+ner:{size['few']}@world"
    short = {"min_updates": size["short"]}
    summed = {"mixing": "joint", "weighting": "uniform", "surgery": "sum"}
    trees = f"scratch > dep:{support}+{names}"
    first = f"scratch > pos:{both}@world"
    found: dict[int, dict[str, Arm]] = {
        1: {"names alone": Arm(alone)},
        2: {
            "turns by size": Arm(unequal, {"temperature": 1.0, **short}),
            "equal turns": Arm(unequal, short),
        },
        3: {
            "names alone": Arm(alone),
            "with trees": Arm(trees, summed),
            "with trees, PCGrad": Arm(trees, {**summed, "surgery": "pcgrad"}),
            "with parts of speech": Arm(joint, summed),
        },
        4: {
            "first pos, then ner": Arm(f"{first} > ner:{both}@world"),
            "first pos, then both": Arm(f"{first} > pos:{both}+ner:{both}@world"),
        },
        5: {
            f"{way}, rate x {factor}": Arm(route, {} if factor == 1 else rates(factor))
            for way, route in (("single", alone), ("joint", joint))
            for factor in FACTORS
        },
        6: {"names alone": Arm(alone)},
        7: {
            "patient": Arm(f"scratch > pos:{both}@world[shuffled]"),
            "control": Arm(f"scratch > pos:{both}@world"),
        },
        8: {
            "single": Arm(alone),
            "joint": Arm(joint),
            "single, as many updates": Arm(alone, {"min_updates": 2 * updates}),
        },
    }
    if case not in found:
        raise ClinicError(f"case {case!r}: expected one of {', '.join(map(str, found))}")
    return found[case]


class Ward:
    """The runs of all cases of a lab's profile; each is trained when a case first asks for it."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.size = lab, SIZES[lab.profile.name]
        small = "smoke" if lab.profile.name == "smoke" else "quick"
        recipe = PROFILES[small].recipe.replace(
            epochs=0.0, min_updates=self.size["updates"], evaluations=5
        )
        self._settings = {name: value for name, value in vars(recipe).items() if name != "target"}

    def runs(self, case: int) -> dict[tuple[str, int], Run]:
        """The runs of a case, by arm and seed."""
        seeds = self.size["pool" if case == 6 else "seeds"]
        goal = "pos" if case == 7 else "ner"
        return {
            (name, seed): self.lab.run(
                arm.route, target=goal, seed=seed, **(self._settings | dict(arm.changes))
            )
            for seed in range(seeds)
            for name, arm in arms(case, self.size).items()
        }

    def admit(self, *cases: int) -> None:
        """Train the runs of these cases that are not there yet, and keep the models of case 1."""
        wanted = {run.id: run for case in cases for run in self.runs(case).values()}
        if 1 in cases:
            self.lab.complete(self.runs(1).values(), title="case 1", keep=True)
        self.lab.complete(wanted.values(), title="cases " + ", ".join(map(str, cases)))

    def scores(self, case: int) -> pd.DataFrame:
        """Test scores: a row for each run and task of its last stage.

        Columns: arm, points (of the task's primary metric, 100 is all), and those of `Lab.table`.
        """
        return self._named(case, self.lab.table(self.runs(case).values()))

    def history(self, case: int) -> pd.DataFrame:
        """Scores along training: arm, points, done (updates since the route began), and the rest.

        Of each task only its primary metric, and the training loss (in nats, column ``score``).
        """
        frame = self._named(case, self.lab.history(self.runs(case).values()))
        main = (frame["metric"] == frame["task"].map(primary)) | (
            frame["metric"] == "training_loss"
        )
        frame = frame[main]
        before = frame.groupby(["id", "stage"])["update"].max().groupby("id").cumsum()
        earlier = [before.get((id, stage - 1), 0) for id, stage in zip(frame.id, frame.stage)]  # noqa: B905
        return frame.assign(done=frame["update"] + np.array(earlier))

    def _named(self, case: int, table: pd.DataFrame) -> pd.DataFrame:
        keys = pd.DataFrame(
            [(arm, run.id) for (arm, _), run in self.runs(case).items()], columns=["arm", "id"]
        )
        return keys.merge(table, on="id").assign(points=lambda rows: 100 * rows["score"])

    def turns(self, case: int) -> pd.DataFrame:
        """Of each arm and task of the last stage: updates that train it, and passes over its data.

        Columns: arm, task, updates, all (updates of the stage), passes; means over seeds.
        """
        rows = []
        for (arm, _), run in self.runs(case).items():
            stage = self.lab.store.load(run.id)["ledger"]["stages"][-1]
            for task in run.route.stages[-1].tasks:
                spent = stage["tasks"].get(task.name, {"updates": 0, "sentences": 0})
                passes = spent["sentences"] / (task.labels or math.nan)
                rows.append((arm, task.name, spent["updates"], stage["updates"], passes))
        frame = pd.DataFrame(rows, columns=["arm", "task", "updates", "all", "passes"])
        return frame.groupby(["arm", "task"], sort=False).mean().reset_index()

    def conflicts(self, case: int) -> pd.DataFrame:
        """Share of updates in which two tasks' gradients point apart; a row a run that records it.

        Columns: arm, seed, score (a fraction), cosine (its mean along training).
        """
        trace = self._named(case, self.lab.trace(self.runs(case).values()).assign(score=0.0))
        wide = trace.pivot_table(index=["arm", "seed"], columns="kind", values="value", sort=False)
        wide = wide.rename(columns={"conflicts": "score", "cosines": "cosine"})
        return wide[["score", "cosine"]].dropna().reset_index()

    def compare(
        self, frame: pd.DataFrame, a: str, b: str, *, task: str | None = None, score: str = "points"
    ) -> Comparison:
        """Arm a minus arm b, paired over seeds, in the unit of the column ``score``."""
        rows = frame if task is None else frame[frame["task"] == task]
        one, other = (rows[rows["arm"] == arm] for arm in (a, b))
        return self.lab.compare(one, other, score=score)

    def treat(
        self, frame: pd.DataFrame, cured: str, sick: str, *, task: str, score: str = "points"
    ) -> tuple[Comparison, str]:
        """What the arm ``cured`` has over the arm ``sick`` on a task, and the words for it."""
        found = self.compare(frame, cured, sick, task=task, score=score)
        means = frame[frame["task"] == task].groupby("arm")[score].mean()
        levels = float(means[sick]), float(means[cured])
        return found, treated(found, f"*{cured}*", f"*{sick}*", levels=levels)

    def leak(self) -> pd.DataFrame:
        """Case 1: one row a seed, the scores (points of span F1) of a test set with copies in it.

        The patient's test is as many clean sentences as copies of training sentences, without
        their full stop.  Columns: seed, training (on the sentences trained on), reported (on all of
        the patient's test), copies, clean, dev; and identical, found: how many of his sentences are
        in training word by word, and by their letters (`known`).
        """
        rows = []
        for (_, seed), run in self.runs(1).items():
            model, [task] = self.lab.model(run), run.route.stages[-1].tasks
            trained = corpora.labelled(task, seed=seed)
            clean = corpora.sentences(task, split="test")[: len(trained)]
            test = [*clean, *map(copied, trained[: len(clean)])]
            counts = _counts(evaluation.predict(model, test, ["ner"], run.recipe)["ner"], test)
            seen = _counts(evaluation.predict(model, trained, ["ner"], run.recipe)["ner"], trained)
            words = [example.words for example in trained]
            met = known(words, [example.words for example in test])
            parts = {"reported": counts, "training": seen}
            parts["copies"] = [c for c, is_met in zip(counts, met, strict=True) if is_met]
            parts["clean"] = [c for c, is_met in zip(counts, met, strict=True) if not is_met]
            row = {name: 100 * metrics.f1(part) for name, part in parts.items()}
            row["dev"] = 100 * self.lab.store.load(run.id)["scores"]["dev"]["ner"]["f1"]
            same = sum(example.words in set(words) for example in test)
            rows.append({"seed": seed, **row, "identical": same, "found": sum(met)})
        return pd.DataFrame(rows)

    def fold_scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Case 6: points of span F1 [fold, run] on each part of the test, and on the others.

        The part before is not among the others, so that it may have had a say in a choice.
        """
        records = [self.lab.store.load(run.id) for run in self.runs(6).values()]
        counts = np.array([record["counts"]["ner"]["f1"] for record in records])
        folds, parts, rests = self.size["folds"], [], []
        place = np.arange(counts.shape[1]) % folds
        for fold in range(folds):
            others = ~np.isin(place, (fold, (fold - 1) % folds))
            parts.append([metrics.f1(each.tolist()) for each in counts[:, place == fold]])
            rests.append([metrics.f1(each.tolist()) for each in counts[:, others]])
        return 100 * np.array(parts), 100 * np.array(rests)

    def best_rates(self, frame: pd.DataFrame) -> dict[str, str]:
        """Case 5: of each way, the arm that is best on dev in the mean over seeds."""
        dev = {id: self.lab.store.load(id)["scores"]["dev"]["ner"]["f1"] for id in set(frame["id"])}
        means = frame.assign(dev=frame["id"].map(dev)).groupby("arm", sort=False)["dev"].mean()
        ways = dict.fromkeys(arm.partition(",")[0] for arm in means.index)
        return {w: str(means[[a for a in means.index if a.startswith(w)]].idxmax()) for w in ways}

    def labels(self, arm: str) -> tuple[Example, ...]:
        """Case 7: what the training of an arm gets, at seed 0."""
        [task] = Route.parse(arms(7, self.size)[arm].route).stages[0].tasks
        return corpora.labelled(task, seed=0)


def _counts(answers: Sequence[Any], examples: Sequence[Example]) -> list[metrics.Counts]:
    pairs = zip(examples, answers, strict=True)
    return [metrics.span_counts(example.labels["ner"], answer) for example, answer in pairs]


def treated(
    comparison: Comparison,
    cured: str,
    sick: str,
    *,
    levels: tuple[float, float] | None = None,
    unit: str = "points",
) -> str:
    """What a treatment did, in Markdown; ``comparison`` is cured minus sick, more is better.

    ``levels``: the mean scores before and after.
    """
    text = verdicts.sentence(comparison, cured, sick, unit=unit)
    if levels is not None:
        text = f"Before {levels[0]:.1f}, after {levels[1]:.1f} ({unit}). {text}"
    return {
        "higher": f"{text} **The treatment works here.**",
        "lower": f"{text} **The treatment does harm here.**",
        "undecided": f"{text} **At this size the treatment does not show.**",
    }[comparison.verdict]


def paired(a: Iterable[float], b: Iterable[float]) -> Comparison:
    """``a - b``, place by place, with its interval."""
    return compare(list(a), list(b), rng=np.random.default_rng(0))
