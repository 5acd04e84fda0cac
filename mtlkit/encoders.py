"""Encoders: sub-words to word vectors, from random weights or from any published model."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from mtlkit import published
from mtlkit.batching import Batch
from mtlkit.layers import hidden_states
from mtlkit.published import EncoderError
from mtlkit.recipes import Recipe
from mtlkit.tokenization import SHAPES, Subwords, train_tokenizer

__all__ = ["Branch", "Encoder", "EncoderError", "States", "build", "parameters"]


class States:
    """What heads read of a batch: each is computed when it is first asked for.

    ``layers``: the embedding and the outputs of the layers that are read, from the lowest on.
    """

    def __init__(
        self,
        encoder: "Encoder",
        batch: Batch,
        layers: Sequence[Float[Tensor, "batch subword hidden"]],
    ) -> None:
        self._encoder, self._batch, self._layers = encoder, batch, layers

    def branch(self) -> "Branch":
        """The same states, cut from the trunk, for one task."""
        return Branch(self)

    @property
    def subwords(self) -> Float[Tensor, "batch subword hidden"]:
        """A vector a sub-word: the last layer's."""
        return self._layers[-1]

    @cached_property
    def mixed(self) -> Float[Tensor, "batch subword hidden"]:
        """The learnt mixture of all layers, each normalised."""
        shares = self._encoder.mixture[: len(self._layers)].softmax(0)
        parts = zip(shares, self._layers, strict=True)
        width = (self._encoder.hidden,)
        return sum((share * layer_norm(layer, width) for share, layer in parts), torch.zeros(()))

    def up_to(self, layer: int) -> "States":
        """The same without what lies above a layer; the embedding is layer 0."""
        return States(self._encoder, self._batch, self._layers[: layer + 1])

    def turned(self, turn: Callable[["States"], Tensor]) -> "States":
        """The same, with another mixture: what ``turn`` makes of these states."""
        return _Turned(self, turn)

    @cached_property
    def words(self) -> Float[Tensor, "batch word hidden"]:
        """A vector a word: the mean of its first and its last sub-word, and how it is spelt."""

        def at(places: Tensor) -> Tensor:  # [batch, word] -> [batch, word, hidden]
            return self.mixed.gather(1, places[..., None].expand(-1, -1, self._encoder.hidden))

        batch, encoder = self._batch, self._encoder
        words = (at(batch.first) + at(batch.last)) / 2
        return words if encoder.spelling == "none" else words + encoder.shape(batch.shapes)

    @cached_property
    def sentence(self) -> Float[Tensor, "batch hidden"]:
        """A vector a sentence: the mean of its sub-words."""
        seen = self._batch.mask[..., None].to(self.mixed.dtype)
        return (self.mixed * seen).sum(1) / seen.sum(1)


class _Turned(States):
    def __init__(self, states: States, turn: Callable[[States], Tensor]) -> None:
        super().__init__(states._encoder, states._batch, states._layers)
        self._states, self._turn = states, turn

    @cached_property
    def mixed(self) -> Float[Tensor, "batch subword hidden"]:
        return self._turn(self._states)


class Branch(States):
    """A task's own copy of the states, whose gradient stays apart from other tasks'.

    What a head reads is cut from the trunk: after the task's loss has gone backward, the gradient
    waits at the cuts, and a second backward takes it, or what was made of it, through the trunk.
    """

    def __init__(self, states: States) -> None:
        super().__init__(states._encoder, states._batch, states._layers)
        self._states = states

    @cached_property
    def subwords(self) -> Float[Tensor, "batch subword hidden"]:
        """As in the trunk."""
        return self._states.subwords.detach().requires_grad_()

    @cached_property
    def mixed(self) -> Float[Tensor, "batch subword hidden"]:
        """As in the trunk."""
        return self._states.mixed.detach().requires_grad_()

    @property
    def cuts(self) -> list[tuple[Tensor, Tensor]]:
        """What the head has read: (in the trunk, the task's copy)."""
        read = [name for name in ("subwords", "mixed") if name in vars(self)]
        return [(getattr(self._states, name), vars(self)[name]) for name in read]


class Encoder(nn.Module):
    """A transformer that gives word vectors.

    Heads read a learnt mixture of all layers, each normalised (Peters et al. 2018, equation 1): a
    masked language model's last layer alone says little of the words that were not masked.  A
    word's vector is the mean of its first and its last sub-word there, plus an embedding of its
    shape (case and digits: what an uncased tokenizer threw away), which starts at zero.  A
    sentence's vector is the mean over its sub-words, as in Reimers and Gurevych 2019, section 3.
    """

    def __init__(self, transformer: Any, subwords: Subwords, recipe: Recipe) -> None:
        super().__init__()
        self.transformer = transformer
        self.subwords = subwords
        self.hidden: int = transformer.config.hidden_size
        self.shape = nn.Embedding(len(SHAPES), self.hidden, padding_idx=0)
        nn.init.zeros_(self.shape.weight)
        self.spelling = recipe.spelling
        self.mixture = nn.Parameter(torch.zeros(transformer.config.num_hidden_layers + 1))
        for module in transformer.modules():
            if isinstance(module, nn.Dropout):
                module.p = recipe.dropout
        self.fresh = False  # whether its weights are random: of scratch, until it is trained
        self._gradual = False

    @property
    def device(self) -> torch.device:
        """Where the encoder computes."""
        return self.mixture.device

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer's layers, the lowest first."""
        stacks = [m for m in self.transformer.modules() if isinstance(m, nn.ModuleList)]
        return max(stacks, key=len)

    def depths(self) -> dict[int, int]:
        """How far below the top a parameter of the transformer is, in layers, by its ``id``.

        That of the embedding is one more than the lowest layer's; 0 is the highest layer, and what
        comes after it.
        """
        layers = self.layers
        below = {id(p): len(layers) for p in self.transformer.parameters()}
        for place, layer in enumerate(layers):
            below |= {id(p): len(layers) - 1 - place for p in layer.parameters()}
        norm = getattr(self.transformer, "final_norm", None)
        return below | {id(p): 0 for p in (norm.parameters() if norm is not None else ())}

    def forward(self, batch: Batch) -> States:
        """Encode a padded batch."""
        return States(self, batch, hidden_states(self.transformer, batch.ids, batch.mask))

    def tune(self, tuning: str) -> None:
        """Choose what learns: ``full``, ``frozen``, ``last:k`` layers, or more and more: `thaw`."""
        self._gradual = tuning == "gradual"
        self.transformer.requires_grad_(tuning in ("full", "gradual"))
        if tuning.startswith("last:"):
            layers = self.layers
            k = int(tuning.removeprefix("last:"))
            if not 0 < k <= len(layers):
                raise EncoderError(
                    f"tuning {tuning!r}: this encoder has {len(layers)} layers; "
                    f"choose last:1 to last:{len(layers)}"
                )
            layers[-k:].requires_grad_(True)

    def thaw(self, done: float) -> None:
        """Let one layer more learn, from the top down (Howard & Ruder 2018, section 3.3).

        ``done``: the share of the updates that are done.  They open a layer an epoch; here one
        opens after equal parts of the first half, the embedding last, so that all learn in the
        second half.  With another tuning than ``gradual`` nothing happens.
        """
        if not self._gradual:
            return
        depths, table = self.depths(), self.transformer.get_input_embeddings()
        opened = 1 + int(2 * done * (1 + len(self.layers)))
        for p in self.transformer.parameters():
            if not (isinstance(table, _Rows) and p is table.table.weight):
                p.requires_grad_(depths[id(p)] < opened)

    @contextlib.contextmanager
    def learning_rows(self, ids: Iterable[int]) -> Iterator[None]:
        """Within the block, only these rows of the sub-word embedding have gradients.

        The others would have a gradient of zero in every update; without weight decay, Adam leaves
        them as they are (Kingma and Ba 2015, algorithm 1).  So nothing is lost, and a table of
        thirty thousand rows need not pass through the optimiser to change a few thousand.
        """
        table = self.transformer.get_input_embeddings()
        if not table.weight.requires_grad or type(table) is not nn.Embedding:
            yield  # frozen, or an embedding that does more than look up
            return
        rows = _Rows(table, sorted(set(ids)))
        self.transformer.set_input_embeddings(rows)
        try:
            yield
        finally:
            self.transformer.set_input_embeddings(rows.merged())

    def save(self, folder: Path) -> None:
        """Write a folder that plain ``AutoModel.from_pretrained`` reads."""
        weights = {
            name.replace(".base_layer", ""): value  # what adapters wrap has its usual name
            for name, value in self.transformer.state_dict().items()
            if ".lora_" not in name
        }
        with published.quiet():
            self.transformer.save_pretrained(folder, state_dict=weights)
            self.subwords.tokenizer.save_pretrained(folder)


class _Rows(nn.Module):
    """An embedding of which some rows learn; the others are looked up where they were."""

    def __init__(self, table: nn.Embedding, rows: list[int]) -> None:
        super().__init__()
        self.table = table.requires_grad_(False)
        where = table.weight.device
        self.rows = nn.Embedding(len(rows), table.embedding_dim, device=where)
        self.rows.weight.data.copy_(table.weight[rows])
        self.slots: Tensor
        slots = torch.full((table.num_embeddings,), -1, device=where)
        slots[rows] = torch.arange(len(rows), device=where)
        self.register_buffer("slots", slots, persistent=False)

    def forward(self, ids: Int[Tensor, "*place"]) -> Float[Tensor, "*place hidden"]:
        slots = self.slots[ids]
        learnt = self.rows(slots.clamp(min=0))
        return torch.where((slots >= 0)[..., None], learnt, self.table(ids))

    def merged(self) -> nn.Embedding:
        """The whole table, with what its rows have learnt."""
        self.table.weight.data[self.slots >= 0] = self.rows.weight.data
        return self.table.requires_grad_(True)


def _pretrained(start: str, recipe: Recipe) -> Encoder:
    transformer, tokenizer = published.load(start)
    limit = getattr(transformer.config, "max_position_embeddings", None) or 512
    longest = min(limit, tokenizer.model_max_length, 512)
    return Encoder(transformer, Subwords(tokenizer, longest=longest), recipe)


def _scratch(texts: Iterable[Sequence[str]], recipe: Recipe) -> Encoder:
    from transformers import ModernBertConfig, ModernBertModel  # seconds, as above

    tokenizer = train_tokenizer(texts, vocabulary=recipe.vocabulary)
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        num_hidden_layers=recipe.layers,
        num_attention_heads=max(1, recipe.width // 32),
        intermediate_size=2 * recipe.width,
        max_position_embeddings=512,
        attention_dropout=recipe.dropout,
        layer_types=["full_attention"] * recipe.layers,
        pad_token_id=tokenizer.pad_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
    )
    config._attn_implementation = "eager"
    transformer = ModernBertModel(config)
    encoder = Encoder(transformer, Subwords(tokenizer, longest=512), recipe)
    encoder.fresh = True
    return encoder


def build(start: str, *, texts: Iterable[Sequence[str]], recipe: Recipe, seed: int) -> Encoder:
    """The encoder a route starts from.

    Parameters
    ----------
    start
        ``scratch``: a transformer of ``recipe.layers`` layers of width ``recipe.width`` with random
        weights and a tokenizer learnt from ``texts``; ``minilm``; a folder; or a hub's model id.
    texts
        Sentences as words, read by ``scratch`` only.

    Raises
    ------
    EncoderError
        If a published encoder cannot be found, read, or is not the file it should be.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # for weights that a published file lacks, too
        if start == "scratch":
            return _scratch(texts, recipe)
        return _pretrained(start, recipe)


def parameters(module: nn.Module) -> int:
    """How many numbers a module has."""
    return sum(math.prod(p.shape) for p in module.parameters())
