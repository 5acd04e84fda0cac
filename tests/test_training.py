"""The loop: it learns, repeats bit for bit, goes on where it stopped, and keeps the best."""

import contextlib
import copy
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import jaxtyping
import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mtlkit import training, weighting
from mtlkit.batching import Stratum, collate, stratify
from mtlkit.evaluation import Evaluator, predict
from mtlkit.networks import Network
from mtlkit.recipes import Recipe
from mtlkit.sampling import Schedule
from mtlkit.training import Stage, TrainingError, fit

JOINT = ("pos", "dep")


def states(model: Network) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def heads(model: Network) -> dict[str, Tensor]:
    return {name: t for name, t in states(model).items() if name.startswith("heads.")}


def same(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def timeless(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**entry, "seconds": None} for entry in history]


def mixed(*more: str) -> Stage:
    """Two strata, (pos, dep) and (pos), and a dev set for each task; ``more`` are in both."""
    whole = tiny.stage((*JOINT, *more))
    return Stage(
        train={**whole.train, "dep": whole.train["dep"][:10]},
        dev=whole.dev,
        seen=whole.seen,
    )


def planned(
    strata: Sequence[Stratum], recipe: Recipe, *, seed: int
) -> list[tuple[int, np.ndarray]]:
    """The updates of a stage whose batches take turns."""
    schedule = Schedule(strata, recipe, seed=seed, pretraining=False)
    turns = schedule.part(0, schedule.updates, np.ones(len(strata)))
    return [part for turn in turns for part in turn]


# ---- it learns


def test_a_tiny_model_learns_its_sentences() -> None:
    model = tiny.model(["pos"], recipe=tiny.LEARNING)
    stage = tiny.stage(["pos"])
    before = Evaluator(stage.train, model)(model, tiny.LEARNING)[0]["pos"]["accuracy"]
    history, _ = fit(model, stage, tiny.LEARNING, seed=0)
    after = Evaluator(stage.train, model)(model, tiny.LEARNING)[0]["pos"]["accuracy"]
    assert before < 0.5
    assert after > 0.9
    assert history[-1]["scores"]["train"]["pos"]["accuracy"] == after


def test_a_masked_language_model_learns_which_words_there_are() -> None:
    recipe = tiny.RECIPE.replace(mlm_updates=80, mlm_lr=1e-2, evaluations=2)
    model, stage = tiny.model(["mlm"]), tiny.stage(["mlm"])
    before = Evaluator(stage.dev, model)(model, recipe)[0]["mlm"]["perplexity"]
    history, ledger = fit(model, stage, recipe, seed=0)
    assert ledger["updates"] == 80
    assert before > 200, "of 400 sub-words"
    assert history[-1]["scores"]["dev"]["mlm"]["perplexity"] < before / 2
    assert history[1]["loss"]["mlm"] < history[0]["loss"]["mlm"]


# ---- it repeats


@cache
def unbroken() -> tuple[Network, list[dict[str, Any]], dict[str, Any]]:
    """A stage trained in one go; not to be changed."""
    model = tiny.model((*JOINT, "ner"))
    return model, *fit(model, mixed(), tiny.RECIPE, seed=3)


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    first, history, ledger = unbroken()
    torch.rand(3)  # what was drawn before does not matter
    again, other = tiny.model((*JOINT, "ner")), tiny.model((*JOINT, "ner"))
    second, cost = fit(again, mixed(), tiny.RECIPE, seed=3)
    assert same(states(first), states(again))
    assert timeless(history) == timeless(second)
    assert {**ledger, "seconds": None} == {**cost, "seconds": None}
    fit(other, mixed(), tiny.RECIPE, seed=4)
    assert not same(states(first), states(other))


def test_dropout_is_drawn_anew_in_every_update_of_every_seed() -> None:
    recipe = tiny.RECIPE.replace(epochs=0, min_updates=4, evaluations=1)
    seeds: list[int] = []
    for seed in (0, 1):
        fit(
            tiny.model(["pos"]),
            tiny.stage(["pos"], train=4, dev=2),
            recipe,
            seed=seed,
            watch=lambda *_: seeds.append(torch.initial_seed() % 2**32),  # what torch uses of it
        )
    assert len(set(seeds)) == len(seeds) == 8


class Interrupted(Exception):
    """As if the machine had been switched off."""


@pytest.mark.parametrize("stop", [6, 13, 16])
def test_what_was_interrupted_goes_on_as_if_nothing_had_been(tmp_path: Path, stop: int) -> None:
    recipe = tiny.RECIPE
    whole, history, ledger = unbroken()
    assert ledger["updates"] == 16, "evaluated after 4, 8, 12 and 16"

    def watch(update: int, updates: int, entry: Mapping[str, Any]) -> None:
        if update == stop:
            raise Interrupted

    broken = tiny.model((*JOINT, "ner"))
    with pytest.raises(Interrupted):
        fit(broken, mixed(), recipe, seed=3, folder=tmp_path, every=0, watch=watch)
    [checkpoint] = tmp_path.iterdir()
    assert checkpoint.name == f"checkpoint-{stop // 4 * 4:07d}", "one is kept, the last"
    done: list[int] = []
    again = tiny.model((*JOINT, "ner"))
    resumed, cost = fit(
        again,
        mixed(),
        recipe,
        seed=3,
        folder=tmp_path,
        every=0,
        watch=lambda update, *_: done.append(update),
    )
    assert done == list(range(stop // 4 * 4 + 1, 17)), "nothing is trained twice"
    assert same(states(again), states(whole))
    assert timeless(resumed) == timeless(history)
    assert {**cost, "seconds": None} == {**ledger, "seconds": None}
    seconds = [entry["seconds"] for entry in resumed]
    assert seconds == sorted(seconds) and cost["seconds"] >= seconds[-1]


REMEMBERED: dict[str, dict[str, Any]] = {
    "famo": {"weighting": "famo:rate=0.5", "mixing": "joint"},
    "uncertainty": {"weighting": "uncertainty:rate=0.5"},
    "random": {"weighting": "random"},
    "dwa": {"weighting": "dwa:period=2,temperature=0.1"},
    "gradnorm": {"weighting": "gradnorm:rate=0.5", "mixing": "joint"},
    "pcgrad": {"surgery": "pcgrad", "mixing": "joint"},
    "gradvac": {"surgery": "gradvac:beta=0.5", "mixing": "joint", "space": "parameters"},
    "dynamic": {"sampling": "dynamic"},
    "dynamic, joint": {"sampling": "dynamic", "mixing": "joint"},
    "annealed": {"sampling": "annealed"},
    "lookahead": {"lookahead": 3, "mixing": "joint"},
    **{way: {"sharing": text} for way, text in tiny.WAYS.items() if way not in ("hard", "lower")},
}


@pytest.fixture
def unchecked_shapes() -> Iterator[None]:
    """No check of shapes: it makes training many times as long, and other tests have it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("changes", REMEMBERED.values(), ids=REMEMBERED)
def test_what_methods_have_learnt_is_not_forgotten_when_interrupted(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    recipe = tiny.RECIPE.replace(evaluations=2, **changes)

    def trained(folder: Path | None, stop: int | None) -> tuple[Network, list[dict[str, Any]]]:
        model = tiny.model((*JOINT, "ner"))  # of two tasks, the order does not matter
        model.share(recipe.sharing, (*JOINT, "ner"))

        def watch(update: int, updates: int, entry: Mapping[str, Any]) -> None:
            if update == stop:
                raise Interrupted

        stage = mixed("ner")
        history, _ = fit(model, stage, recipe, seed=3, folder=folder, every=0, watch=watch)
        return model, timeless(history)

    whole, history = trained(None, None)
    updates = history[-1]["update"]
    with pytest.raises(Interrupted):
        trained(tmp_path, updates // 2 + 1)
    [checkpoint] = tmp_path.iterdir()
    assert checkpoint.name == f"checkpoint-{updates // 2:07d}"
    again, resumed = trained(tmp_path, None)
    assert resumed == history
    assert same(states(again), states(whole))


def test_checkpoints_are_no_more_often_than_asked(tmp_path: Path) -> None:
    fit(tiny.model(JOINT), mixed(), tiny.RECIPE, seed=3, folder=tmp_path, every=3600)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_whole(tmp_path: Path) -> None:
    model = tiny.model(JOINT)
    fit(model, mixed(), tiny.RECIPE, seed=3, folder=tmp_path, every=0)
    [checkpoint] = tmp_path.iterdir()
    assert json.loads((checkpoint / "state.json").read_text())["update"] == 16
    tensors = load_file(checkpoint / "state.safetensors")
    best = {name[5:]: t for name, t in tensors.items() if name.startswith("best.heads.")}
    assert same(best, heads(model))


# ---- the checkpoint it keeps


def test_the_best_on_dev_is_what_is_left() -> None:
    """The model is spoilt half-way, so that its best is not its last."""
    model, stage = tiny.model(["pos"]), tiny.stage(["pos"])
    recipe = tiny.RECIPE.replace(min_updates=40, epochs=0, encoder_lr=1e-2, head_lr=1e-2)
    at: dict[int, dict[str, Tensor]] = {}

    def watch(update: int, updates: int, entry: Mapping[str, Any]) -> None:
        at[update] = heads(model)
        if update == 20:
            nn.init.constant_(model.heads["pos"].output.bias, 0)
            nn.init.normal_(model.heads["pos"].output.weight, std=100)

    history, _ = fit(model, stage, recipe, seed=0, watch=watch)
    assert [entry["update"] for entry in history] == [10, 20, 30, 40]
    accuracy = [entry["scores"]["dev"]["pos"]["accuracy"] for entry in history]
    [best] = [i for i, entry in enumerate(history) if entry["best"]]
    assert best < 2 and accuracy[best] == max(accuracy) > accuracy[-1]
    assert same(heads(model), at[history[best]["update"]])
    scores, _ = Evaluator(stage.dev, model)(model, recipe)
    assert scores == history[best]["scores"]["dev"]


# ---- updates


def test_the_first_step_is_adamw_by_hand() -> None:
    """Kingma and Ba 2015: the first step of each weight is its rate times the gradient's sign."""
    recipe = tiny.RECIPE.replace(
        min_updates=1, epochs=0, evaluations=1, batch_tokens=10_000, warmup=0,
        dropout=0, head_dropout=0, clip=0.5, weight_decay=1, encoder_lr=1e-2, head_lr=2e-2,
    )  # fmt: skip
    stage = tiny.stage(JOINT)
    model = tiny.model(JOINT, recipe=recipe)
    by_hand = copy.deepcopy(model).train()
    [stratum] = stratify(stage.train, by_hand.encoder.subwords, by_hand.labels)
    [(_, chosen)] = planned([stratum], recipe, seed=0)
    losses = by_hand.losses(collate([stratum.items[i] for i in chosen], JOINT, padding=0))
    sum(losses.values(), torch.tensor(0.0)).backward()
    history, _ = fit(model, stage, recipe, seed=0)
    assert history[0]["loss"] == pytest.approx({t: float(v.detach()) for t, v in losses.items()})

    norm = math.sqrt(sum(float((p.grad**2).sum()) for p in by_hand.parameters()))
    assert norm > recipe.clip
    found = dict(model.named_parameters())
    for name, p in by_hand.named_parameters():
        gradient = p.grad * recipe.clip / (norm + 1e-6)
        rate = 1e-2 if name.startswith("encoder.transformer.") else 2e-2
        decays = p.ndim > 1 and "embedding" not in name and name != "encoder.shape.weight"
        expected = p * (1 - rate * decays) - rate * gradient / (gradient.abs() + 1e-8)
        # Where a gradient is next to nothing, rounding decides its sign.
        sure = gradient.abs() > 1e-6
        torch.testing.assert_close(found[name][sure], expected[sure], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("updates", [1, 2, 7, 100])
@pytest.mark.parametrize("warmup", [0, 0.1, 0.5, 1])
def test_rates_rise_and_fall_in_straight_lines(updates: int, warmup: float) -> None:
    rates = [training._rate(update, updates, warmup) for update in range(updates)]
    rising = max(1, round(warmup * updates))
    for update, rate in enumerate(rates):
        expected = (
            (update + 1) / rising if update < rising else 1 - (update - rising) / (updates - rising)
        )
        assert rate == pytest.approx(expected)
    assert max(rates) == 1 and min(rates) > 0


def test_lower_layers_of_what_has_learnt_before_learn_more_slowly() -> None:
    recipe = tiny.RECIPE.replace(layers=3, encoder_lr=8e-3, head_lr=1e-2, layer_decay=0.5)
    model = tiny.model(("pos", "mlm"), recipe=recipe)

    def rates(pretraining: bool = False) -> dict[str, float]:
        groups = training._optimizer(model, recipe, pretraining).param_groups
        of = {id(p): group["lr"] for group in groups for p in group["params"]}
        return {name: of[id(p)] for name, p in model.named_parameters()}

    assert model.encoder.fresh
    trunk = "encoder.transformer."
    random = rates()
    assert {rate for name, rate in random.items() if name.startswith(trunk)} == {8e-3}
    model.encoder.fresh = False
    found = rates()
    for name, rate in found.items():
        depth = {"layers.2.": 0, "final_norm": 0, "layers.1.": 1, "layers.0.": 2, "embeddings": 3}
        expected = [8e-3 * 0.5**d for part, d in depth.items() if name.startswith(trunk + part)]
        assert [rate] == (expected or [1e-2]), name
    assert set(rates(pretraining=True).values()) == {recipe.mlm_lr}
    fit(model, tiny.stage(["pos"]), recipe.replace(min_updates=1, epochs=0), seed=0)
    assert not model.encoder.fresh


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_the_end_of_a_stage_is_the_mean_of_its_last_weights(share: float) -> None:
    recipe = tiny.RECIPE.replace(min_updates=6, epochs=0, evaluations=1, averaging=share)
    seen: list[dict[str, Tensor]] = []
    model = tiny.model(JOINT, recipe=recipe)

    def watch(update: int, updates: int, entry: Mapping[str, Any]) -> None:
        seen.append({name: p.detach().clone() for name, p in model.encoder.named_parameters()})

    fit(model, tiny.stage(JOINT), recipe.replace(averaging=0.0), seed=0, watch=watch)
    last = seen[-round(6 * share) :]
    model = tiny.model(JOINT, recipe=recipe)
    fit(model, tiny.stage(JOINT), recipe, seed=0)
    for name, p in model.encoder.named_parameters():
        if name in last[0]:  # the embedding has another name while only some rows learn
            mean = torch.stack([weights[name] for weights in last]).mean(0)
            torch.testing.assert_close(p, mean, atol=1e-6, rtol=1e-4)


def test_every_weight_that_learns_is_in_one_group() -> None:
    model = tiny.model(("pos", "dep", "mlm"))
    model.encoder.tune("frozen")
    optimizer = training._optimizer(model, Recipe(), pretraining=False)
    grouped = Counter(id(p) for group in optimizer.param_groups for p in group["params"])
    assert grouped == Counter(id(p) for p in model.parameters() if p.requires_grad)
    assert {group["lr"] for group in optimizer.param_groups} == {Recipe().head_lr}
    model.encoder.tune("full")
    optimizer = training._optimizer(model, Recipe(), pretraining=True)
    assert {group["lr"] for group in optimizer.param_groups} == {Recipe().mlm_lr}


def test_the_last_stage_may_have_a_rate_of_its_own() -> None:
    model = tiny.model(("pos",))
    rates = [
        {group["lr"] for group in training._optimizer(model, recipe, False).param_groups}
        for recipe in (Recipe(layer_decay=1.0), Recipe(layer_decay=1.0, last_rate=0.25))
    ]
    head, encoder = Recipe().head_lr, Recipe().encoder_lr
    assert rates == [{head, encoder}, {head, 0.25 * encoder}]


def test_an_anchor_is_the_gradient_of_half_the_squared_distance() -> None:
    model = tiny.model(("pos",))
    anchor = training._Anchor(model, 0.3)
    moved = [p for p in model.encoder.transformer.parameters()]
    starts = [p.detach().clone() for p in moved]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in moved:
            p.add_(torch.randn(p.shape, generator=generator))
    pairs = zip(moved, starts, strict=True)
    distance = sum(((p - start) ** 2).sum() for p, start in pairs)
    expected = torch.autograd.grad(0.3 / 2 * distance, moved)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    anchor.pull()
    for p, gradient in zip(moved, expected, strict=True):
        torch.testing.assert_close(p.grad, 1 + gradient)
    own = model.heads["pos"].output.weight.grad  # type: ignore[union-attr]
    assert torch.equal(own, torch.ones_like(own)), "heads are not held"  # type: ignore[arg-type]


def test_a_strong_anchor_keeps_the_encoder_near_its_start() -> None:
    moved = []
    for strength in (0.0, 1.0):
        model = tiny.model(("pos",))
        before = states(model)
        fit(model, tiny.stage(["pos"]), tiny.RECIPE.replace(anchor=strength, clip=1e9), seed=0)
        after = states(model)
        layers = [name for name in before if ".layers." in name]
        moved.append(sum(float((after[n] - before[n]).square().sum()) for n in layers) ** 0.5)
    assert 0 < moved[1] < 0.7 * moved[0]


def test_gradual_unfreezing_goes_from_the_top_down() -> None:
    recipe = tiny.RECIPE.replace(layers=3, tuning="gradual", min_updates=16, epochs=0)
    model = tiny.model(("pos",), recipe=recipe)
    model.encoder.tune("gradual")
    begun, seen = states(model), list[set[str]]()

    def watch(update: int, updates: int, entry: Mapping[str, Any]) -> None:
        now = states(model)
        seen.append({n for n in begun if n in now and not torch.equal(now[n], begun[n])})

    fit(model, tiny.stage(["pos"]), recipe, seed=0, watch=watch)
    updates = len(seen)

    def first(layer: str) -> int:
        return next(n for n, names in enumerate(seen) if any(layer in name for name in names))

    opens = [first("layers.2."), first("layers.1."), first("layers.0."), first("embeddings")]
    assert opens[0] == 0
    # One more after each eighth: three layers and the embedding in the first half.
    assert [round(8 * update / updates) for update in opens] == [0, 1, 2, 3]


def test_a_frozen_trunk_stays_and_so_do_heads_without_a_task() -> None:
    model = tiny.model(("pos", "dep", "ner"))
    before = states(model)
    model.encoder.tune("frozen")
    fit(model, tiny.stage(["pos"]), tiny.RECIPE, seed=0)
    after = states(model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    trunk = {"encoder.shape.weight", "encoder.mixture"}
    assert changed == trunk | {"heads.pos.output.weight", "heads.pos.output.bias"}


def test_leaving_out_rows_that_cannot_change_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With and without the shortcut the same weights come out, but for rounding."""
    quick, plain = tiny.model(JOINT), tiny.model(JOINT)
    before = quick.encoder.transformer.get_input_embeddings().weight.detach().clone()
    recipe = tiny.RECIPE.replace(evaluations=1)  # so that the end is kept, when all was read
    one, _ = fit(quick, mixed(), recipe, seed=3)
    with monkeypatch.context() as patch:
        patch.setattr(training, "_trainable", lambda *_: contextlib.nullcontext())
        two, _ = fit(plain, mixed(), recipe, seed=3)
    assert [entry["scores"] for entry in one] == [entry["scores"] for entry in two]
    expected = states(plain)
    assert states(quick).keys() == expected.keys()
    for name, tensor in states(quick).items():
        torch.testing.assert_close(tensor, expected[name], atol=1e-4, rtol=1e-3)
    table = quick.encoder.transformer.get_input_embeddings()
    assert type(table) is nn.Embedding and table.weight.requires_grad
    read = {i for e in mixed().train["pos"] for i in quick.encoder.subwords.encode(e.words).ids}
    moved = (table.weight != before).any(1).nonzero()[:, 0].tolist()
    assert set(moved) == read


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("way", tiny.WAYS)
@pytest.mark.parametrize("mixing", ["alternating", "joint"])
def test_tasks_learn_however_they_share(way: str, mixing: str) -> None:
    recipe = tiny.LEARNING.replace(min_updates=30, evaluations=3, mixing=mixing, head_dropout=0.0)
    model = tiny.model(JOINT, recipe=recipe)
    model.share(tiny.WAYS[way], JOINT)
    whole = tiny.stage(JOINT)
    stage = Stage(  # sentences of their own
        train={"pos": whole.train["pos"][:10], "dep": whole.train["dep"][10:20]},
        dev=whole.dev,
        seen=whole.seen,
    )
    history, _ = fit(model, stage, recipe, seed=0)
    for task in JOINT:
        assert history[-1]["loss"][task] < 0.8 * history[0]["loss"][task], task


@pytest.mark.parametrize("space", ["representations", "parameters"])
def test_surgery_that_does_nothing_trains_as_without(space: str) -> None:
    plain, found = tiny.model(JOINT), tiny.model(JOINT)
    recipe = tiny.RECIPE.replace(min_updates=3, evaluations=1, mixing="joint", averaging=0.0)
    [one], _ = fit(plain, mixed(), recipe, seed=3)
    [two], _ = fit(found, mixed(), recipe.replace(surgery="sum", space=space), seed=3)
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-3)
    assert two["shares"] == {"pos": 1.0, "dep": 1.0}
    assert -1 <= two["cosines"]["pos|dep"] <= 1 and 0 <= two["conflicts"]["pos|dep"] <= 1
    assert set(two) - set(one) == {"shares", "cosines", "conflicts"}


def test_sampling_that_adapts_is_told_the_errors_on_dev(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int, list[float]]] = []
    part = Schedule.part

    def spy(self: Schedule, begin: int, end: int, errors: np.ndarray) -> Any:
        told.append((begin, end, errors.tolist()))
        return part(self, begin, end, errors)

    monkeypatch.setattr(Schedule, "part", spy)
    model, stage = tiny.model(JOINT), mixed()
    recipe = tiny.RECIPE.replace(sampling="dynamic", evaluations=3)
    history, _ = fit(model, stage, recipe, seed=3)
    marks = [0, *(entry["update"] for entry in history)]
    assert [(begin, end) for begin, end, _ in told] == [*itertools.pairwise(marks)]
    kinds = [s.tasks for s in stratify(stage.train, model.encoder.subwords, model.labels)]
    assert kinds == [("pos",), ("pos", "dep")]
    expected = [[1.0, 1.0]]
    for entry in history[:-1]:
        dev = entry["scores"]["dev"]
        pos, dep = 1 - dev["pos"]["accuracy"], 1 - dev["dep"]["las"]
        expected.append([pos, (pos + dep) / 2])
    assert [errors for _, _, errors in told] == [pytest.approx(each) for each in expected]
    told.clear()
    fit(tiny.model(JOINT), stage, recipe.replace(sampling="temperature"), seed=3)
    assert told == [(0, marks[-1], [1.0, 1.0])], "what does not adapt is planned at once"


def test_a_weighting_looks_back_on_the_same_batch_and_dropout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where weights hardly move, losses after an update are those before it."""
    seen: list[tuple[dict[str, float], dict[str, float]]] = []

    def after(self: weighting.Famo, again: Any) -> None:
        seen.append((dict(self._before), again()))

    monkeypatch.setattr(weighting.Famo, "after", after)
    recipe = tiny.RECIPE.replace(
        encoder_lr=1e-9, head_lr=1e-9, head_dropout=0.5, weighting="famo", mixing="joint"
    )
    fit(tiny.model(JOINT, recipe=recipe), mixed(), recipe, seed=0)
    assert len(seen) == 8
    for before, now in seen:
        assert now == pytest.approx(before, rel=1e-5)


def test_lookahead_is_every_so_many_updates_and_changes_nothing() -> None:
    recipe = tiny.RECIPE.replace(mixing="joint")
    plain, found = tiny.model(JOINT), tiny.model(JOINT)
    one, _ = fit(plain, mixed(), recipe, seed=3)
    with mock.patch.object(training, "lookahead", wraps=training.lookahead) as look:
        two, _ = fit(found, mixed(), recipe.replace(lookahead=3), seed=3)
    assert look.call_count == 3 and one[-1]["update"] == 8, "before updates 1, 4 and 7"
    assert same(states(plain), states(found))
    pairs = {"pos>pos", "pos>dep", "dep>pos", "dep>dep"}
    assert [set(entry.get("affinity", ())) for entry in two] == [pairs, pairs, set(), pairs]
    for entry in two:
        entry.pop("affinity", None)
    assert timeless(one) == timeless(two)


# ---- what it says


def test_the_ledger_counts_what_the_schedule_gave() -> None:
    model, stage = tiny.model(JOINT), mixed()
    strata = stratify(stage.train, model.encoder.subwords, model.labels)
    plan = planned(strata, tiny.RECIPE, seed=3)
    seen: list[tuple[int, int]] = []
    history, ledger = fit(
        model, stage, tiny.RECIPE, seed=3, watch=lambda done, of, entry: seen.append((done, of))
    )
    assert seen == [(i + 1, len(plan)) for i in range(len(plan))]
    assert ledger["updates"] == len(plan)
    for task in JOINT:
        mine = [
            [strata[number].items[i] for i in chosen]
            for number, chosen in plan
            if task in strata[number].tasks
        ]
        assert ledger["tasks"][task] == {
            "updates": len(mine),
            "sentences": sum(map(len, mine)),
            "subwords": sum(len(item.encoding.ids) for batch in mine for item in batch),
        }
    assert ledger["tasks"]["dep"]["updates"] < ledger["tasks"]["pos"]["updates"] == len(plan)
    assert [entry["update"] for entry in history] == [
        math.ceil(len(plan) * part / 4) for part in (1, 2, 3, 4)
    ]
    for entry in history:
        assert set(entry) == {"update", "seconds", "loss", "weights", "scores", "best"}
        assert entry["weights"] == dict.fromkeys(entry["loss"], 1.0)
        assert set(entry["scores"]) == {"dev", "train"}
        assert set(entry["scores"]["dev"]) == set(JOINT)
    json.dumps(history), json.dumps(ledger)


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    model = tiny.model(JOINT)
    nn.init.constant_(model.heads["pos"].output.weight, math.nan)
    with pytest.raises(TrainingError) as caught:
        fit(model, mixed(), tiny.RECIPE, seed=0)
    assert str(caught.value) == (
        "update 1: the loss of 'pos' is nan; lower the learning rate (encoder_lr, head_lr, mlm_lr) "
        "or clip more"
    )


NEEDS = "needs every task in every update, and these tasks have sentences of their own, which take "


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"weighting": "famo"}, "weighting famo"),
        ({"weighting": "gradnorm:alpha=1"}, "weighting gradnorm:alpha=1"),
        ({"surgery": "sum"}, "surgery sum"),
        ({"surgery": "cagrad:c=0.4", "space": "parameters"}, "surgery cagrad:c=0.4"),
        ({"lookahead": 5}, "lookahead"),
    ],
)
def test_what_compares_tasks_needs_them_in_one_update(changes: dict[str, Any], what: str) -> None:
    recipe = tiny.RECIPE.replace(min_updates=2, evaluations=1, **changes)
    with pytest.raises(TrainingError) as caught:
        fit(tiny.model(JOINT), mixed(), recipe, seed=0)
    assert str(caught.value) == f"{what} {NEEDS}turns; use mixing=joint"
    # Where sentences are labelled for all tasks, or there is one task, there is nothing to ask for.
    for stage in (tiny.stage(JOINT), tiny.stage(["pos"])):
        fit(tiny.model(JOINT), stage, recipe, seed=0)
    fit(tiny.model(JOINT), mixed(), recipe.replace(mixing="joint"), seed=0)


def test_surgery_is_for_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "place", lambda: (0, 2))
    with pytest.raises(TrainingError) as caught:
        fit(tiny.model(JOINT), tiny.stage(JOINT), tiny.RECIPE.replace(surgery="pcgrad"), seed=0)
    assert str(caught.value) == "surgery pcgrad works in one process; start only one"


def test_surgery_that_cannot_be_says_in_which_update() -> None:
    model, recipe = tiny.model(JOINT), tiny.RECIPE.replace(surgery="pcgrad")
    model.share("twins", JOINT)
    with pytest.raises(TrainingError, match=r"^update 1: .* use space=parameters$"):
        fit(model, tiny.stage(JOINT), recipe, seed=0)


def test_a_rate_far_too_high_is_said_or_survived() -> None:
    recipe = tiny.RECIPE.replace(encoder_lr=1, head_lr=1, clip=math.inf)
    model = tiny.model(JOINT)
    try:
        fit(model, mixed(), recipe, seed=0)
    except TrainingError as error:
        assert "lower the learning rate" in str(error)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_bf16_is_near_fp32() -> None:
    """On any processor: those without such arithmetic imitate it."""
    losses = {}
    for precision in ("fp32", "bf16"):
        model = tiny.model(JOINT)
        recipe = tiny.RECIPE.replace(precision=precision)
        history, _ = fit(model, tiny.stage(JOINT), recipe, seed=0)
        assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}
        losses[precision] = [entry["loss"][task] for entry in history for task in JOINT]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)
    assert losses["bf16"] != losses["fp32"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_trains_and_answers_as_the_processor_does() -> None:
    """One stage of all kinds of task in fp32: nearly the same losses, and answers of valid form."""
    tasks = ("pos", "ner", "dep", "sentiment")
    model = tiny.model(tasks)
    history, ledger = fit(model, tiny.stage(tasks), tiny.RECIPE, seed=0)
    assert {p.device.type for p in model.parameters()} == {"cuda"}
    assert ledger["updates"] == history[-1]["update"]
    examples = tiny.sentences()[:10]
    on_gpu = predict(model, examples, tasks, tiny.RECIPE)
    on_cpu = predict(model.cpu(), examples, tasks, tiny.RECIPE)
    same = [a == b for task in tasks for a, b in zip(on_gpu[task], on_cpu[task], strict=True)]
    assert sum(same) > 0.9 * len(same)
    mlm = tiny.model(["mlm"])
    fit(mlm, tiny.stage(["mlm"]), tiny.RECIPE.replace(mlm_updates=3), seed=0)
    assert predict(mlm, examples, ["mlm"], tiny.RECIPE)["mlm"][0][0] > 0
