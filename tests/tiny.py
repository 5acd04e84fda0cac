"""Sentences and models small enough to train inside a test."""

from collections.abc import Iterable, Sequence
from functools import cache

import torch

from mtlkit import corpora, encoders
from mtlkit.corpora import Example
from mtlkit.encoders import Encoder
from mtlkit.networks import Network
from mtlkit.recipes import Recipe
from mtlkit.routes import TASKS
from mtlkit.training import Stage, fit

# Threads that wait for each other cost more than such models take, most of all on a busy machine.
torch.set_num_threads(1)

RECIPE = Recipe(
    layers=1,
    width=32,
    vocabulary=400,
    epochs=1,
    min_updates=8,
    evaluations=4,
    batch_tokens=200,
    averaging=0.6,
    precision="fp32",
)


WAYS = {
    "hard": "hard",
    "lower": "lower:pos=1",
    "twins": "twins:strength=0.1",
    "cross-stitch": "cross-stitch:own=0.8",
    "experts": "experts:number=3,width=8",
    "adapters": "adapters:width=4",
    "lora": "lora:rank=3,alpha=7",
}
"""Each way to share, with settings that fit such models."""


def sentences(n: int = 40) -> tuple[Example, ...]:
    """Generated sentences; for speed those of the small dev split."""
    return corpora.load("world", split="dev")[:n]


def labels(task: str, examples: Iterable[Example]) -> tuple[str, ...]:
    """The labels that occur, sorted."""
    if TASKS[task] == "mlm":
        return ()
    values = [example.labels[task] for example in examples if task in example.labels]
    if TASKS[task] == "tree":
        values = [[relation for _, relation in tree] for tree in values]
    return tuple(sorted(set(values) if TASKS[task] == "class" else {x for v in values for x in v}))


def encoder(examples: Sequence[Example], *, recipe: Recipe = RECIPE, seed: int = 0) -> Encoder:
    """A scratch encoder of one narrow layer."""
    return encoders.build("scratch", texts=[e.words for e in examples], recipe=recipe, seed=seed)


def model(tasks: Iterable[str], *, recipe: Recipe = RECIPE, seed: int = 0) -> Network:
    """An untrained model of the generated sentences."""
    examples = sentences()
    made = Network(encoder(examples, recipe=recipe, seed=seed), recipe, seed=seed)
    for task in tasks:
        made.add(task, labels(task, examples))
    return made


def stage(tasks: Iterable[str], *, train: int = 30, dev: int = 10) -> Stage:
    """The first sentences to train on, the last to evaluate on."""
    chosen = {task: [e for e in sentences() if task == "mlm" or task in e.labels] for task in tasks}
    return Stage(
        train={task: found[:train] for task, found in chosen.items()},
        dev={task: found[-dev:] for task, found in chosen.items()},
        seen={task: found[:train] for task, found in chosen.items()},
    )


LEARNING = RECIPE.replace(
    epochs=0,
    min_updates=60,
    encoder_lr=1e-2,
    head_lr=1e-2,
    head_dropout=0.1,
    evaluations=1,
    averaging=0.0,
)
"""Learns its few sentences almost by heart, in a second."""


@cache
def trained() -> Network:
    """A model that has learnt something of each kind of task; not to be changed."""
    tasks = ("pos", "ner", "dep")
    made = model(tasks, recipe=LEARNING)
    fit(made, stage(tasks), LEARNING, seed=0)
    return made
