"""The training loop: one stage of a route, whatever its tasks."""

import contextlib
import functools
import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtlkit import evaluation, surgery, weighting
from mtlkit.batching import Batch, Stratum, collate, group, mask, stratify
from mtlkit.corpora import Example
from mtlkit.gradients import GradientError, backward, lookahead, losses
from mtlkit.machine import device, place, seed_dropout, share_gradients
from mtlkit.networks import Network
from mtlkit.progress import Progress, TrainingError, Watch
from mtlkit.recipes import Recipe, made
from mtlkit.routes import TASKS
from mtlkit.sampling import SAMPLINGS, Schedule, Turn

__all__ = ["Stage", "TrainingError", "check", "fit"]

_CHECKPOINT_SECONDS = 30.0


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


def _optimizer(model: Network, recipe: Recipe, pretraining: bool) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); biases, norms and embeddings do not decay.

    The layers of an encoder that has learnt before learn the more slowly the lower they are.
    """
    depths = model.depths()
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
            rate = recipe.encoder_lr * recipe.last_rate * layer_decay ** depths[id(p)]
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


class _Anchor:
    """A pull of the encoder to where a stage began (Li et al. 2018, "L2-SP", equation 3).

    Their penalty, half ``strength`` times the squared distance, as a gradient: strength times
    (weights - those at the beginning).  Heads, which begin at random, are left alone.
    """

    def __init__(self, model: Network, strength: float) -> None:
        self.strength = strength
        held = model.encoder.transformer.parameters() if strength else ()
        self.held = [(p, p.detach().clone()) for p in held if p.requires_grad]

    @torch.no_grad()
    def pull(self) -> None:
        """Add to the gradients."""
        for p, start in self.held:
            if p.grad is not None:
                p.grad.add_(p - start, alpha=self.strength)


def _rate(update: int, updates: int, warmup: float) -> float:
    """Linear warm-up, then linear decay to zero; a factor on the peak rate."""
    rising = max(1, round(warmup * updates))
    return min((update + 1) / rising, (updates - update) / max(1, updates - rising))


def fit(
    model: Network,
    stage: Stage,
    recipe: Recipe,
    *,
    seed: int,
    folder: Path | None = None,
    every: float = _CHECKPOINT_SECONDS,
    watch: Watch | None = None,
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
    subwords, length = model.encoder.subwords, recipe.mlm_length
    strata = stratify(stage.train, subwords, model.labels, length=length)
    schedule = Schedule(strata, recipe, seed=seed, pretraining=stage.pretraining)
    check(stage, recipe)
    weigh, operate = _methods(tuple(stage.train), recipe, model.chance, seed=seed)
    evaluators = {
        "dev": evaluation.Evaluator(stage.dev, model),
        "train": evaluation.Evaluator(stage.seen, model),
    }
    updates, times = schedule.updates, recipe.evaluations
    marks = sorted({math.ceil(updates * (i + 1) / times) for i in range(times)})
    model.to(device())
    model.zero_grad(set_to_none=True)  # what an earlier stage left would count when clipping
    with _trainable(model, strata):
        optimizer = _optimizer(model, recipe, stage.pretraining)
        parameters = list(model.parameters())
        anchor = _Anchor(model, recipe.anchor)
        state = Progress.resume(folder, model, optimizer, weighting=weigh, surgery=operate)
        started = time.process_time() - state.seconds
        saved = time.monotonic()
        model.train()
        turns = itertools.islice(_turns(schedule, strata, marks, state.history), state.update, None)
        for update, turn in enumerate(turns, start=state.update):
            chance = seed * 1_000_003 + update + 2**40 * place()[0]
            batches, spent = _batches(turn, strata, model, recipe, seed=chance)
            if recipe.lookahead and update % recipe.lookahead == 0:
                state.see("affinity", lookahead(model, batches, precision=recipe.precision))
            seed_dropout(chance)
            optimizer.zero_grad()
            model.encoder.thaw(update / updates)
            try:
                step = backward(
                    model, batches, weigh, operate, space=recipe.space, precision=recipe.precision
                )
            except GradientError as error:
                raise TrainingError(f"update {update + 1}: {error}") from None
            anchor.pull()
            share_gradients(parameters)
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * _rate(update, updates, recipe.warmup)
            optimizer.step()
            weigh.after(functools.partial(_again, model, batches, recipe, seed=chance))
            if update >= (1 - recipe.averaging) * updates:
                state.average(model, last=update + 1 == updates)
            state.add(step, spent)
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
                watch(update + 1, updates, state.history[-1] if state.history else {})
        model.load_state_dict(state.best)
    model.encoder.fresh = False
    return state.history, state.ledger(time.process_time() - started)


def check(stage: Stage, recipe: Recipe) -> None:
    """Refuse, before any training, methods that a stage cannot have.

    Raises `RouteError` for settings, and `TrainingError` for a method that needs the gradients or
    losses of all tasks at once where they take turns.
    """
    tasks = tuple(stage.train)
    made("sampling", recipe.sampling, SAMPLINGS, temperature=recipe.temperature)
    weigh, operate = _methods(tasks, recipe, dict.fromkeys(tasks, 1.0), seed=0)
    for name, needed in (
        (f"weighting {recipe.weighting}", weigh.together and len(tasks) > 1),
        (f"surgery {recipe.surgery}", operate is not None),
        ("lookahead", recipe.lookahead > 0 and len(tasks) > 1),
    ):
        if needed and recipe.mixing != "joint" and len(group(stage.train)) > 1:
            raise TrainingError(
                f"{name} needs every task in every update, and these tasks have sentences of "
                "their own, which take turns; use mixing=joint"
            )
    if operate is not None and place()[1] > 1:
        raise TrainingError(f"surgery {recipe.surgery} works in one process; start only one")


def _methods(
    tasks: Sequence[str], recipe: Recipe, chance: Mapping[str, float], *, seed: int
) -> tuple[weighting.Weighting, surgery.Surgery | None]:
    """The recipe's weighting and surgery for the tasks of a stage."""
    weigh = weighting.build(recipe.weighting, tasks, chance, seed=seed)
    if recipe.surgery == "none" or len(tasks) == 1:
        return weigh, None
    return weigh, surgery.build(recipe.surgery, tasks, seed=seed)


def _turns(
    schedule: Schedule,
    strata: Sequence[Stratum],
    marks: Sequence[int],
    history: Sequence[Mapping[str, Any]],
) -> Iterator[Turn]:
    """The updates of a stage, from the first on; those after an evaluation may depend on it."""
    begin = 0
    for end in marks if schedule.sampling.adapts else marks[-1:]:
        errors = np.ones(len(strata))
        for entry in history:
            if entry["update"] == begin:
                dev = entry["scores"]["dev"]
                errors = np.array(
                    [np.mean([evaluation.error(t, dev) for t in s.tasks]) for s in strata]
                )
        yield from schedule.part(begin, end, errors)
        begin = end


def _again(
    model: Network, batches: Sequence[Batch], recipe: Recipe, *, seed: int
) -> dict[str, float]:
    """The losses of an update's batches after it, with the same dropout."""
    seed_dropout(seed)
    with torch.no_grad():
        found = losses(model, batches, precision=recipe.precision)
    return {task: float(loss) for task, loss in found.items()}


def _trainable(
    model: Network, strata: Sequence[Stratum]
) -> contextlib.AbstractContextManager[None]:
    """Within the block, what a stage cannot change is no parameter of it."""
    if any(TASKS[task] == "mlm" for stratum in strata for task in stratum.tasks):
        return contextlib.nullcontext()  # it scores with the whole embedding
    ids = (id_ for stratum in strata for item in stratum.items for id_ in item.encoding.ids)
    return model.encoder.learning_rows(ids)


def _batches(
    turn: Turn, strata: Sequence[Stratum], model: Network, recipe: Recipe, *, seed: int
) -> tuple[list[Batch], dict[str, dict[str, int]]]:
    """The parts of one update, and how many sentences and sub-words it has of each task.

    Processes that work together have their share of each part, if there are sentences enough.
    """
    number, processes = place()
    subwords = model.encoder.subwords
    padding = subwords.tokenizer.pad_token_id or 0
    batches: list[Batch] = []
    spent: dict[str, dict[str, int]] = {}
    for place_of, whole in turn:
        stratum = strata[place_of]
        items = [stratum.items[i] for i in whole]
        chosen = items[number::processes] if len(items) >= processes else items
        tasks = [task for task in stratum.tasks if TASKS[task] != "mlm"]
        batch = collate(chosen, tasks, padding=padding)
        if not tasks:
            generator = torch.Generator().manual_seed(seed)
            words = recipe.mlm_masks == "words"
            batch = mask(batch, subwords, rate=recipe.mlm_rate, generator=generator, words=words)
        batches.append(batch.to(model.encoder.device))
        amounts = {
            "sentences": len(items),
            "subwords": sum(len(item.encoding.ids) for item in items),
        }
        for task in stratum.tasks:
            sums = spent.setdefault(task, dict.fromkeys(amounts, 0))
            for unit, amount in amounts.items():
                sums[unit] += amount
    return batches, spent
