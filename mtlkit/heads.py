"""Heads: what a task adds to the trunk.  Each has a loss, and a decoder back to labels.

Every head reads :class:`~mtlkit.encoders.States` and ends in labels of its own kind of task:
tags for words, a tree for a sentence, a class for a sentence, the sub-words that were hidden.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mtlkit.batching import IGNORED, Batch
from mtlkit.decoding import best_tags, best_trees
from mtlkit.encoders import Encoder, States
from mtlkit.recipes import Recipe
from mtlkit.routes import TASKS

__all__ = [
    "HEADS",
    "Head",
    "MaskedLMHead",
    "ParsingHead",
    "SentenceHead",
    "TaggingHead",
    "build",
]

_USUAL_HEADS = 20
"""Among so many heads a word of a usual sentence chooses."""


class Head(nn.Module):
    """One task's output layer: ``loss`` for training, ``decode`` for labels.

    ``chance`` is the loss, in nats, of a uniform guess among all outcomes.
    """

    labels: tuple[str, ...]
    chance: float

    def loss(self, states: States, batch: Batch, target: Tensor) -> Float[Tensor, ""]:
        """The mean loss over the labelled places of the batch, in nats."""
        raise NotImplementedError

    def decode(self, states: States, batch: Batch) -> list[Any]:
        """The predicted labels, one entry a sentence."""
        raise NotImplementedError


class LockedDropout(nn.Module):
    """Dropout with one mask for all words of a sentence.

    Gal and Ghahramani 2016, section 4.2; for biaffine parsers, Dozat and Manning 2017, section 3.2.
    A mask that is drawn once a sentence also costs a twentieth of one that is drawn for each word.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Float[Tensor, "batch word hidden"]) -> Float[Tensor, "batch word hidden"]:
        """What is kept is scaled up, so that the mean stays."""
        if not (self.training and self.p):
            return x
        kept = x.new_empty(len(x), 1, x.shape[-1]).bernoulli_(1 - self.p)
        return x * kept.div_(1 - self.p)


class TaggingHead(Head):
    """A label a word: dropout and one linear layer (Devlin et al. 2019, section 5.3).

    ``strict``: of tags of spans it gives only such as can follow each other.
    """

    def __init__(
        self, hidden: int, labels: Sequence[str], *, dropout: float, strict: bool = True
    ) -> None:
        super().__init__()
        self.strict = strict
        self.labels = tuple(labels)
        self.chance = math.log(max(2, len(labels)))
        self.dropout = LockedDropout(dropout)
        self.output = nn.Linear(hidden, len(labels))

    def forward(self, states: States) -> Float[Tensor, "batch word label"]:
        """Unnormalised scores."""
        return self.output(self.dropout(states.words))

    def loss(self, states: States, batch: Batch, target: Int[Tensor, "batch word"]) -> Tensor:
        """Mean cross-entropy over words."""
        return cross_entropy(self(states).flatten(0, 1).float(), target.flatten())

    def decode(self, states: States, batch: Batch) -> list[tuple[str, ...]]:
        """The best tag of each word."""
        sizes = batch.words.sum(1).tolist()
        scores = self(states)
        if self.strict:
            best = best_tags(scores.detach().float().cpu().numpy(), sizes, self.labels).tolist()
        else:
            best = scores.argmax(-1).tolist()
        return [tuple(self.labels[i] for i in row[:n]) for row, n in zip(best, sizes, strict=True)]


class SentenceHead(Head):
    """A label a sentence, from the mean of its sub-words."""

    def __init__(self, hidden: int, labels: Sequence[str], *, dropout: float) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.chance = math.log(max(2, len(labels)))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, len(labels))

    def forward(self, states: States) -> Float[Tensor, "batch label"]:
        """Unnormalised scores."""
        return self.output(self.dropout(states.sentence))

    def loss(self, states: States, batch: Batch, target: Int[Tensor, "batch"]) -> Tensor:
        """Mean cross-entropy over sentences."""
        return cross_entropy(self(states).float(), target)

    def decode(self, states: States, batch: Batch) -> list[str]:
        """The best class of each sentence."""
        return [self.labels[i] for i in self(states).argmax(-1).tolist()]


class ParsingHead(Head):
    """A dependency tree a sentence: deep biaffine attention (Dozat and Manning 2017, section 2.2).

    Each word looks for its head among the other words and the root; then a second biaffine layer
    names the relation.  Deviation for speed: relations are scored only for gold heads (training)
    or chosen heads (decoding), never for all pairs.
    """

    def __init__(self, hidden: int, labels: Sequence[str], *, dropout: float) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self.chance = math.log(max(2, len(labels))) + math.log(_USUAL_HEADS)
        arc = min(256, hidden)  # a small encoder gets a small parser
        relation = arc // 2
        self.root = nn.Parameter(torch.zeros(hidden))
        self.sizes = (arc, arc, relation, relation)
        self.project = nn.Linear(hidden, sum(self.sizes))
        self.activate = nn.LeakyReLU(0.1)
        self.input_dropout = LockedDropout(dropout)
        self.dropout = LockedDropout(dropout)
        self.arc = nn.Parameter(torch.empty(arc + 1, arc))
        self.relation = nn.Parameter(torch.empty(relation + 1, len(labels), relation + 1))
        nn.init.xavier_uniform_(self.arc)
        nn.init.zeros_(self.relation)

    def forward(
        self, states: States, batch: Batch
    ) -> tuple[
        Float[Tensor, "batch word head"],
        Float[Tensor, "batch word relation"],
        Float[Tensor, "batch head relation"],
    ]:
        """Arc scores (head 0 is the root), and the vectors that name relations."""
        root = self.root.expand(len(states.words), 1, -1).to(states.words.dtype)
        nodes = self.input_dropout(torch.cat([root, states.words], 1))  # [batch, head, hidden]
        projected = self.dropout(self.activate(self.project(nodes)))
        dependent, head, lower, upper = projected.split(self.sizes, -1)
        dependent, lower = dependent[:, 1:], lower[:, 1:]
        scores = _with_one(dependent) @ self.arc.to(head.dtype) @ head.transpose(1, 2)
        allowed = torch.cat([torch.ones_like(batch.words[:, :1]), batch.words], 1)
        scores = scores.float().masked_fill(~allowed[:, None], -1e4)
        return scores, lower, upper

    def name(
        self, lower: Float[Tensor, "place relation"], upper: Float[Tensor, "place relation"]
    ) -> Float[Tensor, "place label"]:
        """Relation scores for pairs of a dependent and its head."""
        left = _with_one(lower) @ self.relation.flatten(1).to(lower.dtype)
        left = left.unflatten(1, self.relation.shape[1:])  # [place, label, relation + 1]
        return (left @ _with_one(upper)[..., None]).squeeze(-1).float()

    def loss(self, states: States, batch: Batch, target: Int[Tensor, "batch word 2"]) -> Tensor:
        """Mean cross-entropy of heads plus mean cross-entropy of relations at gold heads."""
        scores, lower, upper = self(states, batch)
        heads, relations = target.unbind(-1)
        arcs = cross_entropy(scores.flatten(0, 1), heads.flatten())
        row, column = batch.words.nonzero(as_tuple=True)
        named = self.name(lower[row, column], upper[row, heads[row, column]])
        return arcs + cross_entropy(named, relations[row, column])

    def decode(self, states: States, batch: Batch) -> list[tuple[tuple[int, str], ...]]:
        """The best single-root tree of each sentence, with its relations."""
        scores, lower, upper = self(states, batch)
        sizes = batch.words.sum(1).tolist()
        found = best_trees(scores.detach().double().cpu().numpy(), sizes)
        heads = torch.from_numpy(found).to(scores.device)
        row, column = batch.words.nonzero(as_tuple=True)
        chosen = heads[row, column]
        named = self.name(lower[row, column], upper[row, chosen])
        if "root" in self.labels:  # the root has this relation, and nothing else has
            is_root = torch.arange(len(self.labels), device=named.device) == self.labels.index(
                "root"
            )
            named = named.masked_fill((chosen == 0)[:, None] != is_root, -1e9)
        names = iter([self.labels[i] for i in named.argmax(-1).tolist()])
        trees = (row[:n] for row, n in zip(found.tolist(), sizes, strict=True))
        return [tuple((head, next(names)) for head in tree) for tree in trees]


def _with_one(x: Tensor) -> Tensor:
    """Append a constant one, which gives a bilinear layer its linear and bias terms."""
    return torch.cat([x, torch.ones_like(x[..., :1])], -1)


class MaskedLMHead(Head):
    """The hidden sub-words, scored with the encoder's own embedding (Devlin et al. 2019, 3.1)."""

    def __init__(self, hidden: int, vocabulary: int) -> None:
        super().__init__()
        self.labels = ()
        self.chance = math.log(vocabulary)
        self.transform = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.LayerNorm(hidden))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.embedding: list[nn.Embedding] = []  # the trunk's: a list, so it is not ours to save

    def tie(self, encoder: Encoder) -> None:
        """Score with this encoder's embedding."""
        self.embedding = [encoder.transformer.get_input_embeddings()]

    def scores(self, states: Float[Tensor, "place hidden"]) -> Float[Tensor, "place vocabulary"]:
        """Unnormalised scores over the vocabulary."""
        weight = self.embedding[0].weight
        return nn.functional.linear(self.transform(states), weight, self.bias).float()

    def loss(self, states: States, batch: Batch, target: Int[Tensor, "batch subword"]) -> Tensor:
        """Mean cross-entropy over the hidden sub-words."""
        hidden = target != IGNORED
        return cross_entropy(self.scores(states.subwords[hidden]), target[hidden])

    def decode(self, states: States, batch: Batch) -> list[tuple[int, float]]:
        """A sentence's hidden sub-words: how many, and their summed loss in nats."""
        target = batch.targets["mlm"]
        hidden = target != IGNORED
        losses = cross_entropy(
            self.scores(states.subwords[hidden]), target[hidden], reduction="none"
        )
        sums = losses.new_zeros(len(target)).index_add(0, hidden.nonzero()[:, 0], losses)
        return list(zip(hidden.sum(1).tolist(), sums.tolist(), strict=True))


HEADS: dict[str, Callable[..., Head]] = {"tree": ParsingHead, "class": SentenceHead}
"""Kind of task to its head, called as ``(hidden, labels, dropout=...)``; a new kind is added here.

It also needs an entry in `examples.VALUES`, in `batching.TARGETS`, and in `metrics.KINDS` and
`metrics.PRIMARY`.  Those of tags and of mlm have settings of their own: see `build`.
"""


def build(task: str, encoder: Encoder, labels: Sequence[str], recipe: Recipe, *, seed: int) -> Head:
    """A new head for a task; its random weights depend on the seed and the task's name alone."""
    hidden, dropout = encoder.hidden, recipe.head_dropout
    with torch.random.fork_rng(devices=[]):
        digest = hashlib.sha256(f"{seed}/{task}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:4], "big"))  # torch reads no more than 32 bits
        kind = TASKS[task]
        if kind == "mlm":
            return MaskedLMHead(hidden, encoder.transformer.config.vocab_size)
        if kind == "tags":
            strict = recipe.decoding == "strict"
            return TaggingHead(hidden, labels, dropout=dropout, strict=strict)
        return HEADS[kind](hidden, labels, dropout=dropout)
