"""What a lab asks for: routes of families, fair learning rates, one row a run."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from records import RECIPE, unchecked_shapes  # noqa: F401 (a fixture)

from mtlkit import figures, published, study
from mtlkit import lab as labs
from mtlkit.lab import FAMILIES, TUNING_SEED, Lab
from mtlkit.profiles import PROFILES, Profile, ProfileError, Target
from mtlkit.recipes import Run
from mtlkit.results import OWN_RESULTS_ONLY, Store
from mtlkit.routes import Route
from mtlkit.statistics import Comparison
from mtlkit.sweeps import Failure

TINY = Profile(
    name="smoke",
    pretrained="scratch > pos:15@world",
    own="scratch > mlm@world",
    targets=(
        Target("ner", "world", ("pos",), "world"),
        Target("sentiment", "world/review", ("pos",), "world/review"),
    ),
    budgets=(8,),
    support=12,
    seeds=(0, 1),
    rates=(1e-4, 3e-3),
    recipe=RECIPE.replace(min_updates=3, evaluations=1),
)  # fmt: skip


def here(runs: Iterable[Run], store: Store, *, keep: bool, **_: Any) -> list[Failure]:
    """What a cluster does, in this process; runs with the seed 13 fail."""
    failures = []
    for run in runs:
        if run.seed == 13:
            failures.append(Failure(run, "ValueError: bad luck"))
        else:
            study.execute(run, folder=store.folder, keep=keep)
    return failures


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setitem(PROFILES, "smoke", TINY)
    monkeypatch.setattr(labs, "complete", here)
    return Lab("smoke", root=tmp_path)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_has_routes_for_every_family_and_target(name: str, tmp_path: Path) -> None:
    lab = Lab(name, root=tmp_path)
    assert lab.profile.name == name and list(lab.profile.budgets) == sorted(lab.profile.budgets)
    assert TUNING_SEED not in lab.profile.seeds
    for target in lab.profile.targets:
        for labels in (*lab.profile.budgets, None):
            for family in FAMILIES:
                route = lab.route(family, target.task, labels)
                goal = {task.name: task for task in route.stages[-1].tasks}[target.task]
                assert goal.labels == labels
                assert "/".join(filter(None, (goal.corpus, goal.subset))) == target.corpus
                assert Route.parse(str(route)) == route
            single, joint = (lab.route(f, target.task, labels) for f in ("single", "joint"))
            combined = lab.route("combined", target.task, labels)
            before = Route.parse(lab.profile.pretrained)
            assert str(lab.route("scratch", target.task, labels)).startswith("scratch > ")
            assert [str(r.prefix(len(before.stages))) for r in (single, joint, combined)] == (
                [str(before)] * 3
            )
            assert {t.name for t in joint.stages[-1].tasks} == {target.task, *target.support}
            assert {t.name for t in combined.stages[-2].tasks} == set(target.support)
    assert repr(lab).startswith(f"Lab(name={name!r}, pretrained=")


def test_what_a_profile_does_not_have_is_said(lab: Lab) -> None:
    with pytest.raises(ProfileError, match=r"^unknown profile 'ful': expected one of smoke, quick"):
        Lab("ful")
    with pytest.raises(ProfileError, match=r"^profile 'smoke' has no target 'dep': .* ner, sentim"):
        lab.target("dep")
    with pytest.raises(ProfileError, match=r"^unknown family 'both': expected one of scratch, si"):
        lab.route("both", "ner", 8)


def test_a_rate_is_the_best_on_dev_around_its_budget(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.profile = dataclasses.replace(TINY, budgets=(8, 20, 50, 120))
    # The one good trial of the large rate at 20 is luck: its neighbours speak against it.
    dev = {
        ("single", 1e-4): {8: 0.5, 20: 0.5, 50: 0.5, 120: 0.5},
        ("single", 3e-3): {8: 0.1, 20: 0.7, 50: 0.2, 120: 0.9},
        ("joint", 1e-4): dict.fromkeys((8, 20, 50, 120), 0.2),
        ("joint", 3e-3): dict.fromkeys((8, 20, 50, 120), 0.2),
    }
    asked: list[Run] = []

    def invent(runs: Iterable[Run], store: Store, **_: Any) -> list[Failure]:
        for run in runs:
            asked.append(run)
            family = "joint" if "+" in str(run.route) else "single"
            goal = next(task for task in run.route.stages[-1].tasks if task.name == "ner")
            score = {"ner": {"f1": dev[family, run.recipe.encoder_lr][goal.labels or 0]}}
            store.save({
                "id": run.id, "run": run.to_json(), "counts": {}, "history": [], "ledger": {},
                "scores": {"dev": score, "test": {"ner": {"f1": 1 - score["ner"]["f1"]}}},
                "environment": {},
            })  # fmt: skip
        return []

    monkeypatch.setattr(labs, "complete", invent)
    asks = [("single", "ner", labels) for labels in (8, 20, 50, 120, 90, None)]
    rates = lab.rates(iter([*asks, ("joint", "ner", 8), asks[0]]))
    # Means around each budget, large rate: .4 .33 .6 .55; small rate: .5 everywhere.
    chosen = [1e-4, 1e-4, 3e-3, 3e-3, 3e-3, 3e-3]
    assert rates == {**dict(zip(asks, chosen, strict=True)), ("joint", "ner", 8): 1e-4}
    assert {run.seed for run in asked} == {TUNING_SEED}
    assert {run.recipe.target for run in asked} == {"ner"}
    count = len(asked)
    assert count == 2 * 4 * 2
    lab.rates([("joint", "ner", 20)])
    assert len(asked) == count, "what is known is asked again"


def test_the_grid_goes_on_where_the_best_rate_is_at_its_end(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = (Target("ner", "world", ("pos",), "world"), Target("dep", "world", ("pos",), "world"))
    beyond = (1e-5, 1e-3, 3e-3, 1e-2)
    lab.profile = dataclasses.replace(
        TINY, targets=two, budgets=(8, 20), rates=(1e-4, 3e-4), beyond=beyond
    )
    best = {"ner": 1e-3, "dep": 1e-4}  # of ner two steps are taken, of dep one below the grid
    asked: set[tuple[str | None, float]] = set()
    monkeypatch.setattr(
        lab,
        "complete",
        lambda runs, title: asked.update((r.recipe.target, r.recipe.encoder_lr) for r in runs),
    )
    monkeypatch.setattr(
        lab, "_dev", lambda run, task: -abs(np.log(run.recipe.encoder_lr / best[task]))
    )
    asks = [("single", "ner", 8), ("single", "ner", 20), ("single", "dep", 8)]
    assert lab.rates(asks) == dict(zip(asks, [1e-3, 1e-3, 1e-4], strict=True))
    assert {rate for task, rate in asked if task == "ner"} == {1e-4, 3e-4, 1e-3, 3e-3}
    assert {rate for task, rate in asked if task == "dep"} == {1e-5, 1e-4, 3e-4}


def test_a_grid_of_one_rate_is_not_tried(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.profile = dataclasses.replace(TINY, rates=(2e-3,))
    monkeypatch.setattr(lab, "complete", lambda *_, **__: pytest.fail("something was trained"))
    assert lab.rates([("single", "ner", 8)]) == {("single", "ner", 8): 2e-3}


def test_the_first_of_equal_settings_is_chosen(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    dev = {1: 0.5, 2: 0.7, 3: 0.7, 4: 0.1}
    monkeypatch.setattr(lab, "complete", lambda runs, title: asked.extend(runs))
    monkeypatch.setattr(lab, "_dev", lambda run, task: dev[run.seed])
    asked: list[Run] = []
    runs = {n: lab.run("scratch > pos:15@world", target="pos", seed=n) for n in dev}
    trials = {("a", "x"): runs[1], ("a", "y"): runs[2], ("a", "z"): runs[3], ("b", "x"): runs[4]}
    assert lab.choose(trials) == {"a": "y", "b": "x"}
    assert asked == [runs[1], runs[2], runs[3]], "what has no rival is not trained"


def test_pretraining_is_what_routes_from_it_begin_with(lab: Lab) -> None:
    run = lab.pretraining()
    assert str(run.route) == "scratch > mlm@world"
    longer = lab.run("scratch > mlm@world > pos:9@world", target="pos", seed=4, tuning="frozen")
    assert study.prefix(longer, 1).id == run.id


def test_the_model_that_comes_with_the_project_is_not_trained(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.profile = dataclasses.replace(TINY, recipe=TINY.recipe.replace(mlm_updates=2))
    run = lab.pretraining()
    monkeypatch.setattr(published, "MINI", tmp_path / "mini")
    lab.complete([run], keep=True)
    published.ship(tmp_path / "runs" / "smoke" / "models" / run.id)
    monkeypatch.setattr(labs, "complete", lambda *_, **__: pytest.fail("something was trained"))
    model = lab.model(run)
    assert set(model.heads) == {"mlm"}
    weights = model.encoder.transformer.get_input_embeddings().weight
    assert torch.equal(weights, weights.half().float())
    longer = lab.run("scratch > mlm@world > pos:9@world", target="pos", seed=4)
    _, _, ledger = study.train(longer, models=tmp_path / "elsewhere")
    assert ledger["stages"][0]["tasks"]["mlm"]["updates"] == 2
    published._mini_sha256.cache_clear()
    published._shipped.cache_clear()


def test_every_target_has_a_rate_of_its_own(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    two = (Target("ner", "world", ("pos",), "world"), Target("dep", "world", ("pos",), "world"))
    lab.profile = dataclasses.replace(TINY, targets=two)
    best = {"ner": 1e-4, "dep": 3e-3}
    monkeypatch.setattr(lab, "complete", lambda runs, title: list(runs))
    monkeypatch.setattr(
        lab, "_dev", lambda run, task: float(run.recipe.encoder_lr == best[run.recipe.target])
    )
    rates = lab.rates([("single", "ner", 8), ("single", "dep", 8)])
    assert rates == {("single", "ner", 8): 1e-4, ("single", "dep", 8): 3e-3}


def test_head_to_head_is_a_row_a_run(lab: Lab) -> None:
    frame = lab.head_to_head(families=("scratch", "joint"), targets=["ner"])
    expected = {"family", "task", "labels", "seed", "id", "route", "metric", "score", "split",
                "start", "target", "seconds", "test_seconds", "updates", "target_updates",
                "parameters", "tuned_parameters", "peak_memory_mib"}  # fmt: skip
    assert expected <= set(frame.columns)
    assert len(frame) == 2 * 1 * 1 * 2
    assert set(frame["split"]) == {"test"} and set(frame["metric"]) == {"f1"}
    assert set(frame["task"]) == {"ner"} == set(frame["target"])
    assert frame[["family", "labels", "seed"]].to_records(index=False).tolist() == [
        ("scratch", 8, 0), ("scratch", 8, 1), ("joint", 8, 0), ("joint", 8, 1)
    ]  # fmt: skip
    for row in frame.itertuples():
        record = lab.store.load(row.id)
        assert row.score == record["scores"]["test"]["ner"]["f1"]
        assert record["run"]["route"] == row.route == str(lab.route(row.family, "ner", 8))
        rate = lab.rates([(row.family, "ner", 8)])[row.family, "ner", 8]
        assert record["run"]["recipe"]["encoder_lr"] == rate
    # The same question again trains nothing; another budget asks for other runs only.
    ids = set(lab.store.ids())
    again = lab.head_to_head(families=("scratch", "joint"), targets=["ner"])
    pd.testing.assert_frame_equal(frame, again)
    assert set(lab.store.ids()) == ids
    wide = lab.head_to_head(families=("scratch",), targets=["ner"], budgets=[8, 9], seeds=[0])
    assert wide["labels"].tolist() == [8, 9] and len(set(lab.store.ids()) - ids) == 1
    # Paired over seeds, in the unit of the score.
    by = {family: rows for family, rows in frame.groupby("family")}
    found = lab.compare(by["joint"], by["scratch"])
    assert isinstance(found, Comparison) and found.n == 2
    mean = by["joint"]["score"].mean() - by["scratch"]["score"].mean()
    assert found.mean == pytest.approx(mean)
    with pytest.raises(ProfileError, match=r"needs at least two seeds that both .* found 1$"):
        lab.compare(by["joint"][:1], by["scratch"])
    history = lab.history(lab.run(row.route, target="ner", seed=0) for row in ())
    assert history.empty


def test_runs_that_fail_are_named_after_the_others_are_done(lab: Lab) -> None:
    runs = [lab.run("scratch > pos:9@world", target=None, seed=seed) for seed in (0, 13)]
    with pytest.raises(ProfileError) as error:
        lab.complete(runs)
    assert str(error.value) == (
        "1 of 2 runs failed; the others are kept, and running this again trains only these:\n"
        "  scratch > pos:9@world  (seed 13): ValueError: bad luck"
    )
    assert lab.store.ids() == (runs[0].id,)
    lab.complete(runs[:1])  # nothing is left to train, and nothing fails
    assert lab.store.ids() == (runs[0].id,)


def test_a_model_is_trained_when_nobody_kept_it(lab: Lab) -> None:
    run = lab.run("scratch > pos:9@world", target="pos", seed=0, rate=3e-3, dropout=0.0)
    assert run.recipe.encoder_lr == 3e-3 and run.recipe.dropout == 0 and run.recipe.width == 32
    model = lab.model(run)
    assert study.test(model, run)[0] == lab.store.load(run.id)["scores"]["test"]
    folder = lab.store.folder / "models" / run.id
    written = folder.stat().st_mtime_ns
    again = lab.model(run)
    assert folder.stat().st_mtime_ns == written
    state = model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in again.state_dict().items())
    with pytest.raises(ValueError, match="99,999"):
        lab.model(lab.run("scratch > pos:99999@world", target=None, seed=0))


def test_published_results_count_unless_all_is_to_be_trained_anew(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lab.run("scratch > pos:9@world", target=None, seed=0)
    published = tmp_path / "data" / "results" / "smoke"
    study.execute(run, folder=published)
    monkeypatch.setattr(labs, "DATA", tmp_path / "data")
    assert run.id not in Lab("smoke", root=tmp_path).store, "of this profile everybody trains them"
    counts = dataclasses.replace(PROFILES["smoke"], published=True)
    monkeypatch.setitem(PROFILES, "smoke", counts)
    assert run.id in Lab("smoke", root=tmp_path).store
    (tmp_path / "runs" / "smoke").mkdir(parents=True)
    (tmp_path / "runs" / "smoke" / OWN_RESULTS_ONLY).touch()
    assert run.id not in Lab("smoke", root=tmp_path).store


def test_figures_and_tables_go_to_the_profile(lab: Lab, tmp_path: Path) -> None:
    figure, [axes] = figures.canvas()
    axes.plot([0, 1], [0, 1])
    lab.show(figure, "00_line", alt="A line that rises.")
    lab.show_table(pd.DataFrame({"a": [1]}), "00_table", caption="One number.")
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("00_*")}
    assert left == {f"figures/smoke/{name}" for name in (
        "00_line.png", "00_line.svg", "tables/00_table.csv", "tables/00_table.md"
    )}  # fmt: skip
