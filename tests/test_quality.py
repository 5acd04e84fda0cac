"""The quality of the engine: what is trained, what is counted, and how it is told."""

from pathlib import Path

import pandas as pd
import pytest
from records import RECIPE, unchecked_shapes  # noqa: F401 (a fixture)

from mtlkit import metrics, quality
from mtlkit.corpora import Example
from mtlkit.quality import QualityError, Trial, name_outcomes
from mtlkit.recipes import Recipe
from mtlkit.results import Store
from mtlkit.routes import Route

SMALL = {name: value for name, value in vars(RECIPE).items() if name != "target"}


def test_the_trials_are_of_all_labels_and_only_their_changes_differ() -> None:
    for name, trial in quality.TRIALS.items():
        [stage] = Route.parse(trial.route).stages
        assert all(task.labels is None and task.subset is None for task in stage.tasks)
        assert bool(trial.changes) == ("," in name), "variants have the name of what they vary"
        if trial.changes:
            base = quality.TRIALS[name.partition(",")[0]]
            assert base.route == trial.route and base.seeds >= trial.seeds >= 2
            assert Recipe().replace(**trial.changes) != Recipe()
    assert quality.TRIALS["GUM"].seeds >= 5
    assert quality.TRIALS["EWT"].seeds >= 2


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


def test_scores_are_those_of_the_store_and_names_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = {
        "a": Trial("scratch > pos:30@world+ner:30@world", 2, beyond="review"),
        "b": Trial("scratch > pos:30@world", 1),
    }
    monkeypatch.setattr(quality, "Recipe", lambda: Recipe().replace(**SMALL))
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

    for (_, _, task), each in steps.groupby(["trial", "seed", "task"]):
        assert each.kept.sum() == 1, task
    assert found["worth"].empty


def test_variants_are_scored_on_test_and_with_free_tags(tmp_path: Path) -> None:
    route = "scratch > pos:30@world+ner:30@world"
    trials = {"a, changed": Trial(route, 1, {**SMALL, "decoding": "argmax"})}
    found = quality.measure(Store(tmp_path), trials=trials, workers=1)
    scores = found["quality"].set_index(["on", "task"]).score
    assert {on for on, _ in scores.index} == {"test", "test, free tags"}
    assert scores["test", "ner"] == scores["test, free tags", "ner"]


def test_what_the_default_is_worth_is_paired_by_seed() -> None:
    def rows(trial: str, scores: list[tuple[int, float]]) -> list[dict]:
        return [
            {"trial": trial, "seed": seed, "kept": kept, "task": "dep", "metric": "las"}
            | {"score": score if kept else 0.0}
            for seed, score in scores
            for kept in (False, True)
        ]

    steps = rows("t", [(0, 0.9), (1, 0.8), (2, 0.1)]) + rows("t, less", [(1, 0.7), (0, 0.88)])
    [found] = quality.worth(pd.DataFrame(steps)).to_dict("records")
    assert found == {"trial": "t, less", "seeds": 2, "dep las": "+6.00 [+2.00, +10.00]"}


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
