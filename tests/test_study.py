"""A run to a result: the record, what is kept of a route's beginning, and what is refused early."""

import functools
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from records import RECIPE, timeless, unchecked_shapes  # noqa: F401 (a fixture)

from mtlkit import batching, corpora, examples, heads, metrics, networks, registry, results, study
from mtlkit.batching import Batch
from mtlkit.corpora import CorpusError
from mtlkit.encoders import EncoderError, States
from mtlkit.evaluation import primary
from mtlkit.results import Store
from mtlkit.routes import TASKS, Route, RouteError
from mtlkit.study import execute, plan, prefix


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """The checkpoint folders of the stages that were trained, in order."""
    seen: list[Path | None] = []

    def fit(*arguments: Any, **named: Any) -> Any:
        seen.append(named["folder"])
        return original(*arguments, **named)

    original = study.fit
    monkeypatch.setattr(study, "fit", fit)
    return seen


def test_a_record_says_all_of_its_run(tmp_path: Path) -> None:
    run = plan("scratch > pos:20@world > ner:20+dep:20@world", RECIPE, 3)
    record = execute(run, folder=tmp_path)
    results.check(record)
    assert Store(tmp_path).ids() == (run.id,) == (record["id"],)
    assert timeless(Store(tmp_path).load(run.id)) == timeless(record)
    assert record["run"] == run.to_json() and dict(run.corpora) == {
        "world": corpora.checksum("world")
    }
    # Scores are those of the counts, a count a sentence of test.
    assert set(record["scores"]["test"]) == {"ner", "dep"} == set(record["counts"])
    for task, counts in record["counts"].items():
        for metric, rows in counts.items():
            assert len(rows) == len(corpora.load("world", split="test"))
            assert (
                metrics.f1(map(metrics.Counts._make, rows))
                == record["scores"]["test"][task][metric]
            )
    # Tasks of stages before are watched on dev, and the best entry of the last stage is the result.
    history = record["history"]
    assert [(entry["stage"], entry["update"]) for entry in history] == [
        (0, 2), (0, 4), (1, 2), (1, 4)
    ]  # fmt: skip
    best = [entry for entry in history if entry["best"]]
    assert [entry["stage"] for entry in best] == [0, 1]
    assert record["scores"]["dev"] == best[1]["scores"]["dev"]
    assert set(best[1]["scores"]["dev"]) == {"pos", "ner", "dep"}
    ledger = record["ledger"]
    assert ledger["updates"] == 8 == sum(stage["updates"] for stage in ledger["stages"])
    assert {task: spent["updates"] for task, spent in ledger["tasks"].items()} == {
        "pos": 4, "ner": 4, "dep": 4
    }  # fmt: skip
    assert 0 < ledger["tuned_parameters"] <= ledger["parameters"]
    assert 50 < ledger["peak_memory_mib"] < 100_000
    assert [path.name for path in (tmp_path / "work").iterdir()] == [f"{run.id}.lock"]


def test_counts_of_the_target_alone_are_kept(tmp_path: Path) -> None:
    run = plan("scratch > ner:20+pos:20@world", RECIPE.replace(target="ner"), 0)
    record = execute(run, folder=tmp_path)
    assert set(record["counts"]) == {"ner"}
    assert set(record["scores"]["test"]) == {"ner", "pos"}
    assert record["ledger"]["target_updates"] == 4
    dev = [entry["scores"]["dev"]["ner"][primary("ner")] for entry in record["history"]]
    assert record["scores"]["dev"]["ner"][primary("ner")] == max(dev)


def test_the_same_run_is_trained_once(tmp_path: Path, fits: list[Path | None]) -> None:
    run = plan("scratch > pos:20@world", RECIPE, 0)
    first = execute(run, folder=tmp_path)
    written = (tmp_path / f"{run.id}.json").stat().st_mtime_ns
    assert timeless(execute(run, folder=tmp_path)) == timeless(first)
    assert len(fits) == 1 and (tmp_path / f"{run.id}.json").stat().st_mtime_ns == written
    # To keep the model, it has to be trained: the numbers are the same, and the model stays.
    again = execute(run, folder=tmp_path, keep=True)
    assert timeless(again) == timeless(first) and len(fits) == 2
    execute(run, folder=tmp_path, keep=True)
    assert len(fits) == 2
    # The model that is kept is the one whose scores the record has.
    model, _ = networks.load(tmp_path / "models" / run.id, recipe=RECIPE, seed=0)
    assert study.test(model, run)[0] == first["scores"]["test"]


def test_two_who_want_the_same_run_at_once_train_it_once(
    tmp_path: Path, fits: list[Path | None]
) -> None:
    run = plan("scratch > pos:20@world", RECIPE, 5)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(execute(run, folder=tmp_path)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fits) == 1 and timeless(found[0]) == timeless(found[1])


ROUTES = {
    "two stages": ("scratch > pos:20@world > ner:20@world", {}),
    "frozen": ("scratch > pos:20@world > ner:20@world", {"tuning": "frozen"}),
    "last layer": ("scratch > pos:20@world > ner:20@world", {"tuning": "last:1"}),
    "three stages with a target": (
        "scratch > pos:20+dep:20@world > pos:20+ner:30@world > ner:10@world", {"target": "ner"},
    ),
    "pretraining": (
        "scratch > mlm:30@world/review > sentiment:20@world > sentiment:10@world",
        {"mlm_updates": 3},
    ),
    "pretraining before what weighs, draws and operates on tasks": (
        "scratch > mlm:30@world > pos:20+ner:20@world > pos:20+dep:20@world",
        {
            "mlm_updates": 3, "weighting": "dwa:period=2", "sampling": "dynamic", "mixing": "joint",
            "surgery": "pcgrad", "lookahead": 2, "sharing": "adapters:width=4",
            "space": "parameters",
        },
    ),
    "low-rank changes of a frozen trunk": (
        "scratch > pos:20@world > ner:20+dep:20@world",
        {"sharing": "lora:rank=2", "tuning": "frozen"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("route, changes", ROUTES.values(), ids=ROUTES)
def test_a_route_continued_from_a_kept_beginning_gives_the_numbers_of_one_trained_at_once(
    route: str, changes: dict[str, Any], tmp_path: Path, fits: list[Path | None]
) -> None:
    run = plan(route, RECIPE.replace(**changes), 1)
    at_once = timeless(execute(run, folder=tmp_path / "at once"))
    stages = len(run.route.stages)
    assert len(fits) == stages
    for kept in range(1, stages):
        folder = tmp_path / f"{kept} kept"
        begin = execute(prefix(run, kept), folder=folder, keep=True)
        fits.clear()
        assert timeless(execute(run, folder=folder)) == at_once
        assert len(fits) == stages - kept, "the kept beginning was trained again"
        assert timeless(begin["history"]) == [e for e in at_once["history"] if e["stage"] < kept]


def test_a_beginning_is_what_it_trains_and_nothing_more() -> None:
    recipe = RECIPE.replace(target="cr", tuning="frozen")
    run = plan("minilm > pos@ewt > sst2 > cr:100", recipe, 7)
    first = prefix(run, 1)
    assert str(first.route) == "minilm > pos@ewt" and first.seed == 7
    assert [corpus for corpus, _ in first.corpora] == ["ewt"]
    assert first.recipe == RECIPE  # no target, and tuned in full: tuning is of the last stage
    # Pretraining is not trained again for another way to share or weigh what comes after it.
    other = plan(
        "scratch > mlm@world > pos:9@world",
        recipe := RECIPE.replace(
            sharing="twins", weighting="famo", surgery="mgda", space="parameters", lookahead=3,
            mixing="joint", sampling="dynamic",
        ),
        7,
    )  # fmt: skip
    assert prefix(other, 1) == prefix(replace(other, recipe=RECIPE), 1)
    # Fine-tuning is, but for how the last stage shares.
    last = recipe.replace(last_rate=0.5, anchor=0.1, heads="none")
    run = plan("minilm > pos+dep@ewt > ner", last, 7)
    assert prefix(run, 1).recipe == recipe.replace(sharing="hard")
    # So routes that differ in what comes later begin with the same run.
    other = plan("minilm > pos@ewt > subj", RECIPE, 7)
    assert prefix(other, 1).id == first.id
    assert prefix(replace(other, seed=8), 1).id != first.id


@pytest.mark.parametrize(("heads", "kept"), [("all", {"pos", "ner"}), ("target", {"ner"}),
                                             ("none", set())])  # fmt: skip
def test_the_last_stage_takes_over_the_heads_that_the_recipe_says(
    heads: str, kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[dict[str, torch.Tensor]] = []

    def fit(model, *args, **others):  # type: ignore[no-untyped-def]
        begun.append({name: p.detach().clone() for name, p in model.heads.named_parameters()})
        with torch.no_grad():
            for p in model.heads.parameters():
                p.add_(1.0)  # what a stage would do
        return study_fit(model, *args, **others)

    study_fit = study.fit
    monkeypatch.setattr(study, "fit", fit)
    recipe = RECIPE.replace(heads=heads, target="ner", min_updates=2, evaluations=1)
    study.train(plan("scratch > dep:9@world > pos:9+ner:9@world > pos:9+ner:9@world", recipe, 3))
    anew = {name.split(".")[0] for name in begun[1] if torch.equal(begun[1][name], begun[2][name])}
    assert anew == {"pos", "ner"} - kept, "what begins anew has the weights it first had"
    assert any(name.startswith("dep.") for name in begun[2]), "the others stay, to be watched"


def test_pretraining_is_made_once_for_all_seeds() -> None:
    recipe = RECIPE.replace(mlm_seed=3)
    runs = [plan("scratch > mlm@world > mlm@gum > pos:9@world", recipe, seed) for seed in (1, 2)]
    one, two = (prefix(run, 2) for run in runs)
    assert one == two and one.seed == 3 and one.recipe.mlm_seed == 0
    assert prefix(one, 1) == prefix(runs[0], 1)
    # What is pretraining and nothing else has the seed that it was given.
    assert prefix(plan("scratch > mlm@world > mlm@gum", recipe, 5), 1).seed == 5
    assert prefix(plan("scratch > pos:9@world > mlm@world > pos:9@world", recipe, 5), 1).seed == 5


def test_budgets_and_seeds_of_one_start_share_initial_weights() -> None:
    routes = [Route.parse(f"scratch > pos:{n}+dep:9@world") for n in (5, 50)]
    one, two = (study._encoder(route, RECIPE, 0).state_dict() for route in routes)
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = study._encoder(routes[0], RECIPE, 1).state_dict()
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_an_interrupted_run_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = plan("scratch > pos:20@world > ner:20+dep:20@world", RECIPE.replace(min_updates=6), 0)
    unbroken = timeless(execute(run, folder=tmp_path / "unbroken"))
    monkeypatch.setattr(study, "fit", functools.partial(study.fit, every=0.0))
    seen: list[tuple[int, int]] = []

    def watch(stop: tuple[int, int] | None) -> Callable[..., None]:
        def look(update: int, updates: int, entry: Any) -> None:
            seen.append((entry["stage"], update))
            if seen[-1] == stop:
                raise KeyboardInterrupt

        return look

    folder = tmp_path / "broken"
    for stop in ((0, 4), (1, 5)):
        with pytest.raises(KeyboardInterrupt):
            execute(run, folder=folder, watch=watch(stop))
        assert not Store(folder).ids()
    assert timeless(execute(run, folder=folder, watch=watch(None))) == unbroken
    # Evaluated, and so kept, after updates 3 and 6: no more than two updates were done again.
    assert seen == [
        *((0, n) for n in (1, 2, 3, 4)),
        *((0, n) for n in (4, 5, 6)), *((1, n) for n in (1, 2, 3, 4, 5)),
        *((1, n) for n in (4, 5, 6)),
    ]  # fmt: skip
    assert [path.name for path in (folder / "work").iterdir()] == [f"{run.id}.lock"]


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    run = plan("scratch > pos:20@world", RECIPE, 0)
    left = tmp_path / "models" / f".part-{run.id}-12345"
    left.mkdir(parents=True)
    (left / "model.json").write_text("half")
    execute(run, folder=tmp_path, keep=True)
    assert [path.name for path in (tmp_path / "models").iterdir()] == [run.id]


@pytest.mark.parametrize(
    "route, changes, error, text",
    [
        (
            "scratch > pos:20@world > ner:99999@world", {}, CorpusError,
            r"^ner:99999@world asks for 99,999 training sentences, but there are 6,000; ask",
        ),
        (
            "scratch > pos:20@world > ner:20@world", {"tuning": "last:2"}, EncoderError,
            r"^tuning 'last:2': this encoder has 1 layers; choose last:1 to last:1$",
        ),
        (
            "scratch > pos:20@world", {"width": 100}, EncoderError,
            r"^no encoder of this recipe \(.+\); a width divisible by 32 is safe$",
        ),
        (
            "./nowhere > pos:20@world", {}, EncoderError, r"^encoder folder './nowhere' has no",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_found_before_anything_is_trained_or_written(
    route: str, changes: dict[str, Any], error: type[ValueError], text: str,
    tmp_path: Path, fits: list[Path | None],
) -> None:  # fmt: skip
    with pytest.raises(error, match=text):
        study.train(plan(route, RECIPE.replace(**changes), 0), folder=tmp_path / "new" / "work")
    assert not fits and not list(tmp_path.iterdir())


def test_a_task_that_returns_with_new_labels_is_refused(
    tmp_path: Path, fits: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = corpora.label_names
    monkeypatch.setattr(
        corpora, "label_names", lambda task: (*labels(task), *("NEW",) * bool(task.subset))
    )
    text = r"^pos on world has 1 labels that pos on world before it has not, 'NEW' is one; one head"
    with pytest.raises(RouteError, match=text):
        study.train(plan("scratch > pos:9@world > pos:5@world/news", RECIPE, 0), folder=tmp_path)
    assert not fits and not list(tmp_path.iterdir())
    study.train(plan("scratch > pos:5@world/news > pos:9@world", RECIPE, 0))  # fewer are no harm


def test_recipes_that_name_no_method_are_refused() -> None:
    for name, known in (
        (
            "weighting",
            "chance, dwa, famo, fixed, gradnorm, geometric, random, uncertainty, uniform",
        ),
        ("sharing", "hard, lower, twins, cross-stitch, experts, adapters, lora"),
        ("surgery", "cagrad, gradvac, imtl, mgda, nash, pcgrad, sum, upgrad, none"),
        ("sampling", "temperature, annealed, dynamic"),
    ):
        with pytest.raises(RouteError, match=f"^unknown {name} 'zzz': expected one of {known}$"):
            plan("scratch > pos@world", RECIPE.replace(**{name: "zzz:a=1"}), 0)
    with pytest.raises(RouteError, match=r"^unknown weighting 'uniforn': did you mean 'uniform'"):
        plan("scratch > pos@world", RECIPE.replace(weighting="uniforn"), 0)
    with pytest.raises(
        RouteError, match=r"^target is 'ner': expected one of dep, pos for 'scratch"
    ):
        plan("scratch > pos > dep", RECIPE.replace(target="ner"), 0)
    with pytest.raises(RouteError, match=r"^'minilm' trains nothing: add a stage"):
        plan("minilm", RECIPE, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weighting": "famo:x=1"}, "unknown setting of famo 'x'"),
        ({"surgery": "cagrad:c=2"}, "surgery 'cagrad:c=2': c is 2"),
        ({"sampling": "annealed:end=7"}, "sampling 'annealed:end=7': end is 7"),
        ({"sharing": "lower:pos=9"}, "sharing 'lower:pos=9': pos=9"),
        ({"surgery": "mgda"}, "surgery mgda needs every task in every update"),
    ],
)
def test_a_method_that_cannot_be_is_refused_before_any_training(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "fit", lambda *_, **__: pytest.fail("it was trained"))
    route = "scratch > dep:5@world > pos:20+ner:5@world"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        study.train(plan(route, RECIPE.replace(**changes), 0))


class Steps(heads.SentenceHead):
    """Classes in an order: one score, and a threshold between each two neighbours."""

    def __init__(self, hidden: int, labels: Sequence[str], *, dropout: float) -> None:
        super().__init__(hidden, labels[:1], dropout=dropout)
        self.labels = tuple(labels)
        self.thresholds = torch.nn.Parameter(torch.arange(len(labels) - 1.0))

    def loss(self, states: States, batch: Batch, target: torch.Tensor) -> torch.Tensor:
        above = (target[:, None] > torch.arange(len(self.thresholds))).float()
        scores = self(states).float() - self.thresholds
        return torch.nn.functional.binary_cross_entropy_with_logits(scores, above)

    def decode(self, states: States, batch: Batch) -> list[str]:
        return [self.labels[n] for n in (self(states) > self.thresholds).sum(1).tolist()]


def test_a_new_kind_of_task_is_five_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTLKIT_OWN", str(tmp_path))
    monkeypatch.setitem(TASKS, "stars", "order")
    monkeypatch.setitem(heads.HEADS, "order", Steps)
    monkeypatch.setitem(examples.VALUES, "order", examples.VALUES["class"])
    monkeypatch.setitem(batching.TARGETS, "order", batching.TARGETS["class"])
    monkeypatch.setitem(metrics.KINDS, "order", metrics.KINDS["class"])
    monkeypatch.setitem(metrics.PRIMARY, "order", "accuracy")
    rows = [f"{('bad', 'fair', 'good')[n % 3]} number {n},{n % 3}\n" for n in range(120)]
    (tmp_path / "stars.csv").write_text("text,label\n" + "".join(rows))
    registry.add("mine", tmp_path / "stars.csv", tasks=["stars"])
    recipe = RECIPE.replace(min_updates=60, encoder_lr=1e-2, head_lr=1e-2)
    run = plan("scratch > stars@mine", recipe, 0)
    model, _, _ = study.train(run)
    assert isinstance(model.heads["stars"], Steps)
    assert study.test(model, run)[0]["stars"]["accuracy"] > 0.6, "a third by chance"
