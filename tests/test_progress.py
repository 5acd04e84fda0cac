"""How far a stage is: means between evaluations, the rule that picks the best, and checkpoints."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file

from mtlkit import progress
from mtlkit.gradients import Step
from mtlkit.networks import Network
from mtlkit.progress import Progress

SPENT = {"sentences": 3, "subwords": 20}


def step(pos: float, dep: float | None = None, **more: Any) -> Step:
    losses = {"pos": pos} | ({} if dep is None else {"dep": dep})
    return Step(losses, dict.fromkeys(losses, 2.0), **more)


def scores(pos: float) -> dict[str, Any]:
    return {"dev": {"pos": {"accuracy": pos}}, "train": {"pos": {"accuracy": 1.0}}}


def mark(state: Progress, model: Network, pos: float) -> None:
    state.mark(model, scores(pos), ("pos",), None, started=0.0)


def test_the_rule_that_picks_the_best() -> None:
    first = {"pos": {"accuracy": 0.5}, "dep": {"uas": 0.3, "las": 0.2}, "mlm": {"perplexity": 9.0}}
    later = {"pos": {"accuracy": 0.9}, "dep": {"uas": 0.9, "las": 0.6}, "mlm": {"perplexity": 3.0}}

    def rule(tasks: tuple[str, ...], target: str | None) -> float:
        return progress._criterion(later, first, tasks, target)

    assert rule(("pos", "dep"), "dep") == pytest.approx(0.6 - 1)
    assert rule(("mlm",), "mlm") == pytest.approx(-math.log(3))
    # Error falls from 0.5 to 0.1, from 0.8 to 0.4, from log 9 to log 3.
    assert rule(("pos", "dep"), None) == pytest.approx((0.8 + 0.5) / 2)
    assert rule(("pos", "dep"), "ner") == rule(("pos", "dep"), None), "a target trained later"
    assert rule(("mlm",), None) == pytest.approx(0.5)


def test_an_entry_has_the_means_since_the_last() -> None:
    state, model = Progress(), tiny.model(["pos"])
    spent = {"pos": SPENT, "dep": {"sentences": 1, "subwords": 7}}
    state.add(step(1.0, 3.0, shares={"pos": 1.5}, cosines={"pos|dep": -0.5}), spent)
    state.add(step(2.0, cosines={"pos|dep": 0.1}), spent)
    state.add(step(6.0, 5.0, cosines={"pos|dep": math.nan}), spent)
    state.see("affinity", {"pos>dep": 0.25, "dep>pos": math.inf})
    mark(state, model, 0.5)
    [entry] = state.history
    assert {k: v for k, v in entry.items() if k not in ("seconds", "scores")} == {
        "update": 3,
        "loss": {"pos": 3.0, "dep": 4.0},
        "weights": {"pos": 2.0, "dep": 2.0},
        "shares": {"pos": 1.5},
        "cosines": {"pos|dep": pytest.approx(-0.2)},
        "conflicts": {"pos|dep": pytest.approx(1 / 3)},
        "affinity": {"pos>dep": 0.25},
        "best": True,
    }
    state.add(step(9.0), spent)
    mark(state, model, 0.5)
    assert state.history[1]["loss"] == {"pos": 9.0} and "cosines" not in state.history[1]
    assert state.ledger(7.0) == {
        "updates": 4,
        "seconds": 7.0,
        "tasks": {
            "pos": {"updates": 4, "sentences": 12, "subwords": 80},
            "dep": {"updates": 2, "sentences": 2, "subwords": 14},
        },
    }


def test_one_task_has_no_weights_to_tell() -> None:
    state = Progress()
    state.add(step(1.0), {"pos": SPENT})
    mark(state, tiny.model(["pos"]), 0.1)
    assert set(state.history[0]) == {"update", "seconds", "loss", "scores", "best"}


def test_the_best_is_kept_and_of_equals_the_first() -> None:
    state, model = Progress(), tiny.model(["pos"])
    bias = model.heads["pos"].output.bias
    for number, accuracy in enumerate((0.2, 0.6, 0.6, 0.4)):
        with torch.no_grad():
            bias.fill_(number)
        state.add(step(1.0), {"pos": SPENT})
        mark(state, model, accuracy)
    assert [entry["best"] for entry in state.history] == [False, True, False, False]
    assert (state.best["heads.pos.output.bias"] == 1).all()


def test_the_mean_of_weights_is_their_mean() -> None:
    state, model = Progress(), tiny.model(["pos"])
    model.encoder.tune("frozen")
    bias = model.heads["pos"].output.bias
    frozen = {n: p.clone() for n, p in model.encoder.transformer.named_parameters()}
    for value in (1.0, 4.0, 10.0):
        with torch.no_grad():
            bias.fill_(value)
        state.average(model, last=value == 10)
    torch.testing.assert_close(bias.detach(), torch.full_like(bias, 5.0))
    for name, p in model.encoder.transformer.named_parameters():
        assert torch.equal(p, frozen[name])


class Method:
    """What remembers a number."""

    def __init__(self, number: int = 0) -> None:
        self.number = number

    @property
    def state(self) -> dict[str, Any]:
        return {"number": self.number}

    def restore(self, state: dict[str, Any]) -> None:
        self.number = state["number"]


def test_a_checkpoint_holds_everything(tmp_path: Path) -> None:
    model = tiny.model(["pos"])
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    state = Progress(weighting=Method(7), surgery=None)
    for _ in range(2):
        for p in model.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step()
        state.add(step(1.0), {"pos": SPENT})
        state.average(model, last=False)
    mark(state, model, 0.3)
    state.save(tmp_path, model, optimizer)
    state.add(step(1.0), {"pos": SPENT})
    mark(state, model, 0.2)
    (tmp_path / ".part-of-another").mkdir()
    state.save(tmp_path, model, optimizer)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-0000003"]

    other = tiny.model(["pos"], seed=1)
    moments = torch.optim.AdamW(other.parameters(), fused=True)
    method = Method()
    found = Progress.resume(tmp_path, other, moments, weighting=method, surgery=None)
    assert method.number == 7
    for name in ("update", "seconds", "history", "tasks", "best_value", "averaged"):
        assert getattr(found, name) == getattr(state, name), name
    for kind in ("best", "mean"):
        one, two = getattr(found, kind), getattr(state, kind)
        assert one.keys() == two.keys() and all(torch.equal(one[n], two[n]) for n in one)
    states = model.state_dict()
    assert all(torch.equal(tensor, states[n]) for n, tensor in other.state_dict().items())
    one, two = moments.state_dict(), optimizer.state_dict()
    assert one["param_groups"] == two["param_groups"]
    for number, kept in two["state"].items():
        assert all(torch.equal(value, one["state"][number][n]) for n, value in kept.items())


def test_without_a_checkpoint_it_is_the_beginning(tmp_path: Path) -> None:
    model = tiny.model(["pos"])
    optimizer = torch.optim.AdamW(model.parameters())
    for folder in (None, tmp_path, tmp_path / "missing"):
        found = Progress.resume(folder, model, optimizer, weighting=Method(3))
        assert found.update == 0 and not found.history
        assert found.methods["weighting"].state == {"number": 3}


def test_a_checkpoint_is_plain_numbers(tmp_path: Path) -> None:
    model = tiny.model(["pos"])
    state = Progress()
    state.add(step(1.0), {"pos": SPENT})
    mark(state, model, 0.3)
    state.save(tmp_path, model, torch.optim.AdamW(model.parameters()))
    [folder] = tmp_path.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["state.json", "state.safetensors"]
    facts = json.loads((folder / "state.json").read_text())
    assert facts["update"] == 1 and facts["states"] == {}
    assert {name.partition(".")[0] for name in load_file(folder / "state.safetensors")} == {
        "model", "best"
    }  # fmt: skip
