"""Profiles: what the lessons train, at the size the reader has time for.

A profile chooses corpora, sizes, seeds and encoders, and nothing else: the lessons' code is the
same in all of them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from mtlkit.recipes import Recipe

__all__ = ["PROFILES", "Profile", "ProfileError", "Target"]


class ProfileError(ValueError):
    """A profile or a family that does not exist, or runs that failed."""


@dataclass(frozen=True)
class Target:
    """A target task, its corpus, and the tasks that support it.

    Support tasks are of ``support_corpus``, or if that is empty each of the corpus of its own name.
    """

    task: str
    corpus: str
    support: tuple[str, ...]
    support_corpus: str

    def goal(self, labels: int | None) -> str:
        """The target in a route, with so many labelled sentences (None: all)."""
        return f"{self.task}{'' if labels is None else f':{labels}'}@{self.corpus}"

    def aid(self, labels: int) -> str:
        """The support tasks in a route, with so many labelled sentences each."""
        return "+".join(f"{name}:{labels}@{self.support_corpus or name}" for name in self.support)


@dataclass(frozen=True)
class Profile:
    """Corpora, sizes, seeds and encoders of a study.

    ``pretrained`` is how a route begins that starts from a pretrained encoder, and ``own`` that
    which pretrains one here, with the changes ``reading`` of the recipe.  ``budgets`` are
    numbers of labelled target sentences; ``support`` is that of each support task.  Rates
    ``beyond`` the grid ``rates`` are tried where the best one is at that end.  ``headline``:
    fields that are others in the comparison which the study is about (lessons 04, 08, 09, 11):
    more seeds, more numbers of labels, longer training.  ``published``: whether its published runs
    count for its lessons; else everybody trains them, in minutes.
    """

    name: str
    pretrained: str
    own: str
    targets: tuple[Target, ...]
    budgets: tuple[int, ...]
    support: int
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    recipe: Recipe = field(default_factory=Recipe)
    reading: Mapping[str, Any] = field(default_factory=dict)
    beyond: tuple[float, ...] = ()
    headline: Mapping[str, Any] = field(default_factory=dict)
    published: bool = False

    def headlined(self) -> Self:
        """This profile as the headline comparison has it."""
        return replace(self, **self.headline)


_WORLD_TARGETS = (
    Target("ner", "world", ("pos", "dep"), "world"),
    Target("dep", "world", ("pos", "ner"), "world"),
)
_SMALL = Recipe(
    batch_tokens=160,
    min_updates=60,  # more than epochs of nine hundred sentences: every stage has as many
    epochs=0.4,
    evaluations=3,
    dev_sentences=60,
    encoder_lr=2e-3,
    head_lr=1e-2,  # on dev of this world far better than 1e-3 and 3e-3, for every family
    dropout=0.0,
    averaging=0.0,
    layer_decay=1.0,
    temperature=math.inf,
    weighting="chance",
    layers=2,
    width=128,
    vocabulary=3000,
    mlm_updates=2000,  # with 1000 it has not learnt to use context: names gain nothing on dev
    mlm_tokens=1024,
    mlm_lr=2e-3,
    mlm_rate=0.3,
)

MINI = {
    "mlm_updates": 12_000,
    "mlm_tokens": 2048,
    "mlm_length": 128,
    "mlm_masks": "words",
    "mlm_rate": 0.2,  # small models want less than large ones (Wettig et al. 2023, 4.1)
    "mlm_lr": 1e-3,
    "evaluations": 24,
    "dev_sentences": 1000,
}
"""How ``mini`` is pretrained: four passes over four million words, 76 minutes of one core."""

_REAL = Recipe(
    batch_tokens=128,  # twice as many updates as with 256, for the same text: better on dev
    min_updates=220,  # more than an epoch of a thousand sentences of any corpus here has
    epochs=1.0,
    evaluations=4,
    dev_sentences=150,
    encoder_lr=2e-4,  # of runs without a rate of their own: lesson 02's
    head_lr=3e-3,
    decoding="argmax",  # as the results of lessons 02 and 03 were made
    averaging=0.0,
    layer_decay=1.0,
    head_dropout=0.1,
    dropout=0.0,
    temperature=math.inf,
    weighting="chance",
    mlm_updates=1000,
    mlm_tokens=1024,
    mlm_rate=0.3,
    mlm_masks="subwords",
    mlm_length=0,
)

PROFILES: dict[str, Profile] = {
    "smoke": Profile(
        name="smoke",
        pretrained="scratch > mlm:400@world",
        own="scratch > mlm:400@world",
        targets=_WORLD_TARGETS,
        budgets=(20, 40),
        support=60,
        seeds=(0, 1),
        rates=(2e-3,),
        recipe=_SMALL.replace(
            min_updates=4,
            mlm_updates=6,
            evaluations=2,
            dev_sentences=20,
            width=32,
            layers=1,
            vocabulary=600,
            epochs=0.0,
        ),
    ),
    "quick": Profile(
        name="quick",
        pretrained="scratch > mlm@world",
        own="scratch > mlm@world",
        targets=_WORLD_TARGETS,
        budgets=(100, 400),
        support=900,
        seeds=(0, 1, 2, 3, 4),
        rates=(2e-3,),  # on dev of this world better than 1e-3, or as good, for every family
        recipe=_SMALL,
    ),
    "full": Profile(
        name="full",
        pretrained="minilm",
        own="scratch > mlm@text",
        targets=(
            Target("ner", "gum", ("pos", "dep"), "gum"),
            Target("dep", "gum", ("pos", "ner"), "gum"),
            Target("pos", "gum", ("ner", "dep"), "gum"),
            Target("cr", "cr", ("sst2",), "sst2"),
        ),
        budgets=(250, 1000),
        support=1000,
        seeds=(0, 1, 2, 3, 4),
        rates=(3e-5, 1e-4, 3e-4, 1e-3),
        recipe=_REAL,
        reading=MINI,
        headline={
            "targets": (
                Target("ner", "gum", ("pos", "dep"), "gum"),
                Target("dep", "gum", ("pos", "ner"), "gum"),
                Target("pos", "gum", ("ner", "dep"), "gum"),
                Target("cr", "cr", ("sst2",), "sst2"),
                Target("trec", "trec", ("subj", "sst2"), ""),
            ),
            "budgets": (100, 300, 1000),
            "support": 3000,
            "seeds": tuple(range(10)),
            "rates": (1e-4, 3e-4, 1e-3),
            "beyond": (1e-5, 3e-5, 3e-3, 1e-2),
            # 220 updates leave names at 52 and trees at 72 with a thousand labels on dev, these
            # at 58 and 77; with a hundred both do the same.
            "recipe": _REAL.replace(
                min_updates=400, epochs=0.0, decoding="strict", layer_decay=0.8
            ),
        },
        published=True,
    ),
}
