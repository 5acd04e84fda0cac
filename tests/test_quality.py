"""The quality of the engine: what is trained, what is counted, and how it is told."""

from pathlib import Path

import pandas as pd
import pytest
from records import RECIPE, unchecked_shapes  # noqa: F401 (a fixture)

from mtlkit import metrics, quality
from mtlkit.corpora import Example
from mtlkit.quality import QualityError, Trial, name_outcomes
from mtlkit.results import Store
from mtlkit.routes import Route

SMALL = {name: value for name, value in vars(RECIPE).items() if name != "target"}


def test_the_trials_are_of_all_labels_and_only_their_changes_differ() -> None:
    for trial in quality.TRIALS.values():
        [stage] = Route.parse(trial.route).stages
        assert all(task.labels is None and task.subset is None for task in stage.tasks)
        assert set(trial.changes) <= {"spelling", "decoding"}
    assert quality.TRIALS["GUM"].seeds >= 5 and not quality.TRIALS["GUM"].changes
    assert not quality.TRIALS["EWT"].changes, "a recipe that is not tuned to one corpus"


def test_names_by_what_became_of_them() -> None:
    words = ("Ada", "met", "Bo", "Lee", "in", "Rome")
    gold = ("B-PER", "O", "B-PER", "I-PER", "O", "B-LOC")
    tags = [("B-PER", "O", "B-PER", "O", "B-ORG", "B-ORG")]
    counts = name_outcomes([Example("1", words, {"ner": gold})], tags, known={"ada", "rome"})
    assert counts == {
        ("seen", "right"): 1,
        ("new", "boundary"): 1,
        ("seen", "type"): 1,
        ("none", "invented"): 1,
    }


def test_scores_are_those_of_the_store_and_names_add_up(tmp_path: Path) -> None:
    trials = {
        "a": Trial("scratch > pos:30@world+ner:30@world", 2, SMALL, beyond="review"),
        "b": Trial("scratch > pos:30@world", 1, SMALL),
    }
    store = Store(tmp_path)
    found = quality.measure(store, trials=trials, workers=1)
    scores, names, steps = (found[kind] for kind in ("quality", "names", "convergence"))
    again = quality.measure(store, trials=trials, workers=1)
    for kind, frame in found.items():
        pd.testing.assert_frame_equal(frame, again[kind])
    assert len(steps) == RECIPE.evaluations * (2 * 2 + 1)
    assert all(each.seconds.is_monotonic_increasing for _, each in steps.groupby(["trial", "seed"]))
    assert len(store) == 3
    stored = {
        (r["run"]["seed"], task): each
        for r in store
        if "ner" in r["run"]["route"]
        for task, each in r["scores"]["test"].items()
    }
    for row in scores[(scores.trial == "a") & (scores.on == "test")].itertuples():
        assert stored[row.seed, row.task][row.metric] == row.score
    assert set(scores[scores.trial == "a"].on) == {
        "test", "review", "test, free tags", "test, int8",
    }  # fmt: skip
    assert set(scores[scores.trial == "b"].on) == {"test", "test, int8"}
    for seed in (0, 1):
        mine = names[(names.seed == seed) & (names.name != "none")]
        [record] = [r for r in store if "ner" in r["run"]["route"] and r["run"]["seed"] == seed]
        right, _, gold = metrics.total(record["counts"]["ner"]["f1"])
        assert mine["count"].sum() == gold
        assert mine[mine.outcome == "right"]["count"].sum() == right


def test_a_run_that_fails_is_named(tmp_path: Path) -> None:
    trials = {"a": Trial("scratch > pos:30@world", 1, {**SMALL, "width": 33})}
    with pytest.raises(QualityError, match=r"pos:30@world.*run this again"):
        quality.measure(Store(tmp_path), trials=trials, workers=1)


def test_the_summary_has_mean_and_range() -> None:
    rows = [
        {"trial": "t", "seed": s, "on": "test", "task": "dep", "metric": m, "score": v}
        for s, m, v in ((0, "uas", 0.9), (1, "uas", 0.92), (0, "las", 0.8), (1, "las", 0.8))
    ]
    [found] = quality.summary(pd.DataFrame(rows)).to_dict("records")
    assert found == {
        "trial": "t", "on": "test", "seeds": 2,
        "dep uas": "91.00 [90.00, 92.00]", "dep las": "80.00 [80.00, 80.00]",
    }  # fmt: skip
