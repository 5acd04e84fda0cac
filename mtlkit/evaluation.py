"""Evaluation: a model's answers on fixed sentences, and their scores."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from mtlkit import metrics
from mtlkit.batching import Item, buckets, collate, encode, mask
from mtlkit.corpora import Example
from mtlkit.machine import autocast, side_by_side
from mtlkit.networks import Network
from mtlkit.recipes import Recipe
from mtlkit.results import primary
from mtlkit.routes import TASKS

__all__ = ["Evaluator", "Scores", "error", "predict", "primary"]

Scores = dict[str, dict[str, float]]
"""Task to metric to score."""

_TOKENS, _NUMBERS = 512, 512 * 384  # of a batch, at least; what fits the caches of a processor


def _kind(task: str) -> str:
    return "spans" if task == "ner" else TASKS[task]


def error(task: str, scores: Scores) -> float:
    """How far a task is from perfect: 1 - score; for language modelling, nats a sub-word."""
    score = scores[task][primary(task)]
    return math.log(score) if TASKS[task] == "mlm" else 1 - score


def predict(
    model: Network,
    examples: Sequence[Example],
    tasks: Sequence[str],
    recipe: Recipe,
    *,
    items: Sequence[Item] | None = None,
) -> dict[str, list[Any]]:
    """Decoded labels of every sentence, task by task, in the order given.

    For ``mlm``, a fixed choice of hidden sub-words: (how many, their summed loss) a sentence.
    """
    model.eval()
    device = model.encoder.device
    items = encode(examples, model.encoder.subwords, {}) if items is None else items
    answers: dict[str, list[Any]] = {task: [None] * len(items) for task in tasks}
    plain = [task for task in tasks if TASKS[task] != "mlm"]
    lengths = [len(item.encoding.ids) for item in items]
    padding = model.encoder.subwords.tokenizer.pad_token_id or 0
    # Which sub-words are hidden depends on their batch: for mlm it is the same for all models.
    wide = _TOKENS if len(plain) < len(tasks) else max(_TOKENS, _NUMBERS // model.encoder.hidden)
    batches = buckets(lengths, tokens=wide)

    @torch.inference_mode()
    def answer(number: int) -> dict[str, list[Any]]:
        batch = collate([items[i] for i in batches[number]], (), padding=padding)
        with autocast(recipe.precision):
            found = model.predict(batch.to(device), plain) if plain else {}
            for task in set(tasks) - set(plain):
                generator = torch.Generator().manual_seed(number)
                hidden = mask(
                    batch, model.encoder.subwords, rate=recipe.mlm_rate, generator=generator,
                    words=recipe.mlm_masks == "words",
                )  # fmt: skip
                found |= model.predict(hidden.to(device), [task])
        return found

    for chosen, found in zip(batches, side_by_side(answer, range(len(batches))), strict=True):
        for task, labels in found.items():
            for i, label in zip(chosen, labels, strict=True):
                answers[task][i] = label
    return answers


class Evaluator:
    """Scores a model on fixed sentences; encodes them once."""

    def __init__(self, examples: Mapping[str, Sequence[Example]], model: Network) -> None:
        pools: dict[Any, tuple[Sequence[Example], list[str]]] = {}
        for task, sentences in examples.items():  # tasks on the same sentences share a pass
            key = tuple((example.id, example.words) for example in sentences)
            pools.setdefault(key, (sentences, []))[1].append(task)
        self._examples = examples
        self._pools = [
            (sentences, tasks, encode(sentences, model.encoder.subwords, {}))
            for sentences, tasks in pools.values()
        ]

    def __call__(
        self, model: Network, recipe: Recipe
    ) -> tuple[Scores, dict[str, dict[str, list[metrics.Counts]]]]:
        """Scores, and the counts of every sentence behind them (task to metric to counts)."""
        scores: Scores = {}
        counts: dict[str, dict[str, list[metrics.Counts]]] = {}
        for sentences, tasks, items in self._pools:
            answers = predict(model, sentences, tasks, recipe, items=items)
            for task in tasks:
                if TASKS[task] == "mlm":
                    places, nats = map(sum, zip(*answers[task], strict=True))
                    scores[task] = {"perplexity": metrics.perplexity(nats, places)}
                    continue
                score = metrics.KINDS[_kind(task)]
                rows = [
                    score(example.labels[task], answer)
                    for example, answer in zip(self._examples[task], answers[task], strict=True)
                ]
                counts[task] = {name: [row[name] for row in rows] for name in rows[0]}
                scores[task] = {name: metrics.f1(each) for name, each in counts[task].items()}
        return scores, counts
