"""The training loop: one stage of a route, whatever its tasks."""

import contextlib
import copy
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mtlkit.batching import Batch, Stratum, collate, mask_subwords, schedule, stratify
from mtlkit.corpora import Example
from mtlkit.evaluation import Evaluator, Scores, error
from mtlkit.machine import autocast, device, place, seed_dropout, share_gradients
from mtlkit.recipes import Recipe
from mtlkit.routes import TASKS
from mtlkit.sharing import HardSharing
from mtlkit.weighting import WEIGHTINGS

__all__ = ["Stage", "TrainingError", "fit"]

_CHECKPOINT_SECONDS = 30.0


class TrainingError(ValueError):
    """A training that cannot go on."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage trains on, and what it is evaluated on.

    ``train``: task to its labelled sentences.  ``dev``: task to its evaluation sentences, for the
    stage's tasks and for the tasks met before.  ``seen``: a few training sentences, scored beside
    dev so that overfitting shows.
    """

    train: Mapping[str, Sequence[Example]]
    dev: Mapping[str, Sequence[Example]]
    seen: Mapping[str, Sequence[Example]]

    @property
    def pretraining(self) -> bool:
        """Whether the stage is masked language modelling and nothing else."""
        return all(TASKS[task] == "mlm" for task in self.train)


def _criterion(scores: Scores, first: Scores, tasks: Sequence[str], target: str | None) -> float:
    """What the best checkpoint has most of: the rule that picks it from dev.

    The target's score where the stage trains the target; else the macro mean over its tasks of the
    error reduction since the stage's first evaluation.
    """
    if target is not None and target in tasks:
        return -error(target, scores)
    reductions = [1 - error(t, scores) / max(error(t, first), 1e-9) for t in tasks]
    return sum(reductions) / len(reductions)


def _optimizer(model: HardSharing, recipe: Recipe, pretraining: bool) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); biases, norms and embeddings do not decay.

    The layers of an encoder that has learnt before learn the more slowly the lower they are.
    """
    depths = model.encoder.depths()
    layer_decay = 1.0 if model.encoder.fresh else recipe.layer_decay
    embeddings = {
        id(p)
        for module in model.modules()
        if isinstance(module, torch.nn.Embedding)
        for p in module.parameters()
    }
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for p in model.parameters():
        if pretraining:
            rate = recipe.mlm_lr
        elif id(p) in depths:
            rate = recipe.encoder_lr * layer_decay ** depths[id(p)]
        else:
            rate = recipe.head_lr
        decay = recipe.weight_decay if p.ndim > 1 and id(p) not in embeddings else 0.0
        if p.requires_grad:
            groups.setdefault((rate, decay), []).append(p)
    return torch.optim.AdamW(
        [
            {"params": chosen, "lr": rate, "peak": rate, "weight_decay": decay}
            for (rate, decay), chosen in groups.items()
        ],
        fused=True,
    )


def _rate(update: int, updates: int, warmup: float) -> float:
    """Linear warm-up, then linear decay to zero; a factor on the peak rate."""
    rising = max(1, round(warmup * updates))
    return min((update + 1) / rising, (updates - update) / max(1, updates - rising))


def fit(
    model: HardSharing,
    stage: Stage,
    recipe: Recipe,
    *,
    seed: int,
    folder: Path | None = None,
    every: float = _CHECKPOINT_SECONDS,
    watch: Callable[[int, int, Mapping[str, Any]], None] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train one stage and leave the model at its best dev checkpoint.

    Parameters
    ----------
    seed
        Decides the order of sentences, dropout and masking, update by update, so that a stage
        taken up again gives the same numbers as one that was never interrupted.
    folder, every
        Where checkpoints go, and the seconds between them; a checkpoint there is taken up.
    watch
        Called after each update with (updates done, updates in all, last history entry).

    Returns
    -------
    history
        An entry an evaluation: update, processor seconds, mean losses since the last, scores.
    ledger
        What the stage cost: updates, processor seconds (those of one thread, where there is one:
        a busy machine does not change them), and per task updates, sentences and sub-words.
    """
    strata = stratify(stage.train, model.encoder.subwords, model.labels)
    plan = schedule(strata, recipe, seed=seed, pretraining=stage.pretraining)
    weigh = WEIGHTINGS[recipe.weighting]
    evaluators = {"dev": Evaluator(stage.dev, model), "train": Evaluator(stage.seen, model)}
    marks = {math.ceil(len(plan) * (i + 1) / recipe.evaluations) for i in range(recipe.evaluations)}
    model.to(device())
    model.zero_grad(set_to_none=True)  # what an earlier stage left would count when clipping
    with _trainable(model, strata):
        optimizer = _optimizer(model, recipe, stage.pretraining)
        parameters = list(model.parameters())
        state = _Progress.resume(folder, model, optimizer)
        started = time.process_time() - state.seconds
        saved = time.monotonic()
        model.train()
        for update in range(state.update, len(plan)):
            chance = seed * 1_000_003 + update + 2**40 * place()[0]
            seed_dropout(chance)
            batch, spent = _batch(plan[update], strata, model, recipe, seed=chance)
            with autocast(recipe.precision):
                losses = model.losses(batch)
            weights = weigh(losses, model.chance)
            loss = sum((weights[task] * losses[task] for task in losses), torch.tensor(0.0))
            optimizer.zero_grad()
            loss.backward()
            share_gradients(parameters)
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * _rate(update, len(plan), recipe.warmup)
            optimizer.step()
            if update >= (1 - recipe.averaging) * len(plan):
                state.average(model, last=update + 1 == len(plan))
            state.add(losses, spent)
            if update + 1 in marks:
                scores = {
                    name: evaluator(model, recipe)[0] for name, evaluator in evaluators.items()
                }
                model.train()
                state.mark(model, scores, tuple(stage.train), recipe.target, started=started)
                late = time.monotonic() - saved >= every
                if folder is not None and late and place()[0] == 0:
                    state.save(folder, model, optimizer)
                    saved = time.monotonic()
            if watch is not None:
                watch(update + 1, len(plan), state.history[-1] if state.history else {})
        model.load_state_dict(state.best)
    model.encoder.fresh = False
    return state.history, state.ledger(time.process_time() - started)


def _trainable(
    model: HardSharing, strata: Sequence[Stratum]
) -> contextlib.AbstractContextManager[None]:
    """Within the block, what a stage cannot change is no parameter of it."""
    if any(TASKS[task] == "mlm" for stratum in strata for task in stratum.tasks):
        return contextlib.nullcontext()  # it scores with the whole embedding
    ids = (id_ for stratum in strata for item in stratum.items for id_ in item.encoding.ids)
    return model.encoder.learning_rows(ids)


def _batch(
    turn: tuple[int, np.ndarray],
    strata: Sequence[Stratum],
    model: HardSharing,
    recipe: Recipe,
    *,
    seed: int,
) -> tuple[Batch, dict[str, int]]:
    """The batch of one update, and how many sentences and sub-words it has.

    Processes that work together have their parts of it each, if there are sentences enough.
    """
    stratum, whole = strata[turn[0]], turn[1]
    number, processes = place()
    chosen = whole[number::processes] if len(whole) >= processes else whole
    spent = {
        "sentences": len(whole),
        "subwords": sum(len(stratum.items[i].encoding.ids) for i in whole),
    }
    subwords = model.encoder.subwords
    tasks = [task for task in stratum.tasks if TASKS[task] != "mlm"]
    padding = subwords.tokenizer.pad_token_id or 0
    batch = collate([stratum.items[i] for i in chosen], tasks, padding=padding)
    if not tasks:
        generator = torch.Generator().manual_seed(seed)
        batch = mask_subwords(batch, subwords, rate=recipe.mlm_rate, generator=generator)
    return batch.to(model.encoder.device), spent


class _Progress:
    """How far a stage is: everything that a checkpoint holds beside weights and moments."""

    def __init__(self) -> None:
        self.update = 0
        self.seconds = 0.0
        self.history: list[dict[str, Any]] = []
        self.tasks: dict[str, dict[str, int]] = {}
        self.best: dict[str, Tensor] = {}
        self.best_value = -math.inf
        self.mean: dict[str, Tensor] = {}
        self.averaged = 0
        self._losses: dict[str, list[float]] = {}

    def add(self, losses: Mapping[str, Tensor], cost: Mapping[str, int]) -> None:
        self.update += 1
        for task, loss in losses.items():
            value = loss.item()
            if not math.isfinite(value):
                raise TrainingError(
                    f"the loss of {task!r} is {value} at update {self.update}; "
                    "lower the learning rate (encoder_lr, head_lr, mlm_lr) or clip more"
                )
            self._losses.setdefault(task, []).append(value)
            spent = self.tasks.setdefault(task, {"updates": 0, "sentences": 0, "subwords": 0})
            for unit, amount in {"updates": 1, **cost}.items():
                spent[unit] += amount

    def mark(
        self,
        model: HardSharing,
        scores: dict[str, Scores],
        tasks: Sequence[str],
        target: str | None,
        *,
        started: float,
    ) -> None:
        """Note an evaluation, and keep the weights if they are the best so far."""
        self.seconds = time.process_time() - started
        means = {task: sum(each) / len(each) for task, each in self._losses.items()}
        self._losses = {}
        first = self.history[0]["scores"]["dev"] if self.history else scores["dev"]
        value = _criterion(scores["dev"], first, tasks, target)
        if best := value > self.best_value:
            for earlier in self.history:
                earlier["best"] = False
            self.best_value = value
            self.best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        entry = {"update": self.update, "seconds": self.seconds, "loss": means, "scores": scores}
        self.history.append({**entry, "best": best})

    @torch.no_grad()
    def average(self, model: HardSharing, *, last: bool) -> None:
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

    def save(self, folder: Path, model: HardSharing, optimizer: torch.optim.Optimizer) -> None:
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
        }
        (part / "state.json").write_text(json.dumps(facts), encoding="utf-8")
        os.replace(part, target)
        for old in folder.glob("checkpoint-*"):
            if old != target:
                shutil.rmtree(old)

    @classmethod
    def resume(
        cls, folder: Path | None, model: HardSharing, optimizer: torch.optim.Optimizer
    ) -> "_Progress":
        """The last checkpoint in a folder, loaded; or the beginning."""
        progress = cls()
        found = sorted(folder.glob("checkpoint-*")) if folder is not None else []
        if not found:
            return progress
        facts = json.loads((found[-1] / "state.json").read_text(encoding="utf-8"))
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
