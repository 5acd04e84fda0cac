"""How far training is: history, best weights, checkpoints to go on from, and bars to watch."""

import copy
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from mtlkit.evaluation import Scores, error, primary
from mtlkit.gradients import Step
from mtlkit.networks import Network

__all__ = ["Progress", "TrainingError", "Watch", "bars"]

Watch = Callable[[int, int, Mapping[str, Any]], None]
"""Called after each update with (updates done, updates in all, last history entry)."""


class _Method(Protocol):
    """What has a state of plain numbers."""

    @property
    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class TrainingError(ValueError):
    """A training that cannot go on."""


def _criterion(scores: Scores, first: Scores, tasks: Sequence[str], target: str | None) -> float:
    """What the best checkpoint has most of: the rule that picks it from dev.

    The target's score where the stage trains the target; else the macro mean over its tasks of the
    error reduction since the stage's first evaluation.
    """
    if target is not None and target in tasks:
        return -error(target, scores)
    reductions = [1 - error(t, scores) / max(error(t, first), 1e-9) for t in tasks]
    return sum(reductions) / len(reductions)


class Progress:
    """How far a stage is: everything that a checkpoint holds beside weights and moments."""

    def __init__(self, **methods: _Method | None) -> None:
        self.methods = {name: method for name, method in methods.items() if method is not None}
        self.update = 0
        self.seconds = 0.0
        self.history: list[dict[str, Any]] = []
        self.tasks: dict[str, dict[str, int]] = {}
        self.best: dict[str, Tensor] = {}
        self.best_value = -math.inf
        self.mean: dict[str, Tensor] = {}
        self.averaged = 0
        self._seen: dict[str, dict[str, list[float]]] = {}

    def add(self, step: Step, spent: Mapping[str, Mapping[str, int]]) -> None:
        """Note an update, and what it spent on each task."""
        self.update += 1
        for task in step.losses:
            sums = self.tasks.setdefault(task, {"updates": 0, "sentences": 0, "subwords": 0})
            for unit, amount in {"updates": 1, **spent[task]}.items():
                sums[unit] += amount
        self.see("loss", step.losses)
        if len(self.tasks) > 1:
            self.see("weights", step.weights)
        self.see("shares", step.shares)
        self.see("cosines", step.cosines)
        self.see("conflicts", {pair: float(cosine < 0) for pair, cosine in step.cosines.items()})

    def see(self, kind: str, values: Mapping[str, float]) -> None:
        """Keep numbers whose means the next history entry has."""
        for name, value in values.items():
            if math.isfinite(value):
                self._seen.setdefault(kind, {}).setdefault(name, []).append(value)

    def mark(
        self,
        model: Network,
        scores: dict[str, Scores],
        tasks: Sequence[str],
        target: str | None,
        *,
        started: float,
    ) -> None:
        """Note an evaluation, and keep the weights if they are the best so far."""
        self.seconds = time.process_time() - started
        means = {
            kind: {name: sum(each) / len(each) for name, each in values.items()}
            for kind, values in self._seen.items()
        }
        self._seen = {}
        first = self.history[0]["scores"]["dev"] if self.history else scores["dev"]
        value = _criterion(scores["dev"], first, tasks, target)
        if best := value > self.best_value:
            for earlier in self.history:
                earlier["best"] = False
            self.best_value = value
            self.best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        entry = {"update": self.update, "seconds": self.seconds, **means, "scores": scores}
        self.history.append({**entry, "best": best})

    @torch.no_grad()
    def average(self, model: Network, *, last: bool) -> None:
        """Take the weights into their mean; when it is the ``last``, give the mean to the model."""
        now = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.averaged += 1
        if not self.mean:
            self.mean = {name: p.detach().clone() for name, p in now.items()}
        mean = [self.mean[name] for name in now]
        torch._foreach_lerp_(mean, list(now.values()), 1 / self.averaged)
        if last:
            torch._foreach_copy_(list(now.values()), mean)

    def ledger(self, seconds: float) -> dict[str, Any]:
        return {"updates": self.update, "seconds": seconds, "tasks": copy.deepcopy(self.tasks)}

    def save(self, folder: Path, model: Network, optimizer: torch.optim.Optimizer) -> None:
        """Write ``checkpoint-<update>/`` whole, then drop the one before."""
        target = folder / f"checkpoint-{self.update:07d}"
        part = folder / f".part-{os.getpid()}"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"mean.{name}": tensor for name, tensor in self.mean.items()}
        for number, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in moments.items()}
        save_file({name: t.clone() for name, t in tensors.items()}, part / "state.safetensors")
        facts = {
            "update": self.update,
            "seconds": self.seconds,
            "history": self.history,
            "tasks": self.tasks,
            "best_value": self.best_value,
            "averaged": self.averaged,
            "states": {name: method.state for name, method in self.methods.items()},
        }
        (part / "state.json").write_text(json.dumps(facts), encoding="utf-8")
        os.replace(part, target)
        for old in folder.glob("checkpoint-*"):
            if old != target:
                shutil.rmtree(old)

    @classmethod
    def resume(
        cls,
        folder: Path | None,
        model: Network,
        optimizer: torch.optim.Optimizer,
        **methods: _Method | None,
    ) -> "Progress":
        """The last checkpoint in a folder, loaded; or the beginning.

        ``methods``: what remembers something of earlier updates, and is brought to where it was.
        """
        progress = cls(**methods)
        found = sorted(folder.glob("checkpoint-*")) if folder is not None else []
        if not found:
            return progress
        facts = json.loads((found[-1] / "state.json").read_text(encoding="utf-8"))
        for name, method in progress.methods.items():
            method.restore(facts["states"][name])
        for name, value in facts.items():
            setattr(progress, name, value)
        tensors = load_file(found[-1] / "state.safetensors")
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "mean": {}}
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            if part == "optimizer":
                number, _, moment = rest.partition(".")
                moments.setdefault(int(number), {})[moment] = tensor
            else:
                parts[part][rest] = tensor
        model.load_state_dict(parts["model"])
        progress.best, progress.mean = parts["best"], parts["mean"]
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
        return progress


def bars(stages: int, within: ExitStack) -> Watch:
    """Watch training: a bar a stage, with the time that is left, and the scores as they come."""
    bar: dict[int, tqdm] = {}

    def watch(update: int, updates: int, entry: Mapping[str, Any]) -> None:
        if (now := entry["stage"]) not in bar:
            within.close()  # of the stage before
            title = f"stage {now + 1} of {stages}"
            bar[now] = tqdm(total=updates, initial=update - 1, desc=title, unit="update")
            within.enter_context(bar[now])
        if entry.get("update") == update:
            dev = entry["scores"]["dev"].items()
            found = ", ".join(f"{t} {primary(t)} {scores[primary(t)]:.4f}" for t, scores in dev)
            bar[now].write(f"  update {update}, dev: {found}")
        bar[now].update(update - bar[now].n)

    return watch
