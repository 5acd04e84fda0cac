"""The layers of BERT and of ModernBERT written out: the same numbers as transformers', sooner.

What `transformers` does in many modules for every case stands here in few operations for ours:
one matrix product makes queries, keys and values, scale and mask are added in the product of
queries and keys, rotations are looked up, and under autocast all that passes from layer to layer
stays in its precision.  Dropout draws what it draws there.  Other models go through their own
forward.
"""

from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import dropout, gelu, layer_norm, linear

__all__ = ["Walk", "hidden_states", "join", "walk"]

Walk = Generator[Float[Tensor, "batch subword hidden"], Tensor | None, None]
"""The embedding, then the output of each layer; what is sent back goes on in its place."""

_MASKED = -1e4
"""Added to the scores of padding: e to that power is 0 in fp32 and in bf16."""


def hidden_states(
    transformer: Any,
    ids: Int[Tensor, "batch subword"],
    mask: Bool[Tensor, "batch subword"],
) -> tuple[Float[Tensor, "batch subword hidden"], ...]:
    """The embedding and the output of every layer, as ``output_hidden_states`` of transformers."""
    steps = walk(transformer, ids, mask)
    if steps is None:
        output = transformer(ids, attention_mask=mask.long(), output_hidden_states=True)
        return tuple(output.hidden_states)
    return tuple(steps)


def walk(
    transformer: Any, ids: Int[Tensor, "batch subword"], mask: Bool[Tensor, "batch subword"]
) -> Walk | None:
    """`hidden_states` one at a time, so that a layer's output can be changed before the next one.

    None for a model that is not written out here.
    """
    written = _WRITTEN.get(type(transformer).__name__)
    if written is None or not _usual(transformer.config):
        return None
    return written(transformer, ids, None if mask.all() else mask)


def _usual(config: Any) -> bool:
    """Whether a model is of the kind that is written out."""
    kinds = set(getattr(config, "layer_types", None) or {"full_attention"})
    act = getattr(config, "hidden_activation", None) or getattr(config, "hidden_act", None)
    cross = getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False)
    return kinds == {"full_attention"} and act == "gelu" and not cross


def _precision(x: Tensor) -> Tensor:
    """A tensor in the precision that autocast computes in, where it does."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def _attend(
    q: Float[Tensor, "batch head subword part"],
    k: Float[Tensor, "batch head subword part"],
    v: Float[Tensor, "batch head subword part"],
    mask: Bool[Tensor, "batch subword"] | None,
    drop: float,
) -> Float[Tensor, "batch subword hidden"]:
    """Scaled dot-product attention (Vaswani et al. 2017, equation 1), all heads at once.

    ``drop``: the share of the weights that dropout takes away.
    """
    batch, heads, length, part = q.shape
    q, k, v = (x.reshape(-1, length, part) for x in (q, k, v))
    if mask is None:
        added = q.new_zeros(1, 1, 1)
    else:
        added = (~mask).to(q.dtype).mul(_MASKED).repeat_interleave(heads, 0)[:, None]
    scores = torch.baddbmm(added, q, k.transpose(1, 2), alpha=part**-0.5, beta=mask is not None)
    weights = dropout(scores.softmax(-1).to(v.dtype), drop)
    mixed = torch.bmm(weights, v)  # [batch · head, subword, part]
    return mixed.view(batch, heads, length, part).transpose(1, 2).reshape(batch, length, -1)


def _bert(
    model: Any, ids: Int[Tensor, "batch subword"], mask: Bool[Tensor, "batch subword"] | None
) -> Walk:
    """Devlin et al. 2019: each layer normalises what it adds to."""
    table, config = model.embeddings, model.config
    places = (
        table.position_embeddings.weight[: ids.shape[1]] + table.token_type_embeddings.weight[0]
    )
    x = _precision(table.dropout(table.LayerNorm(table.word_embeddings(ids) + places)))
    x, heads = _or((yield x), x), config.num_attention_heads
    for layer in model.encoder.layer:
        own, after = layer.attention.self, layer.attention.output
        if hasattr(own, "joint"):
            qkv = own.joint(x)
        elif type(own.query) is torch.nn.Linear:
            qkv = linear(x, *_joint(own))
        else:  # more than their weights: adapted
            qkv = torch.cat([own.query(x), own.key(x), own.value(x)], -1)
        q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = _attend(q, k, v, mask, own.dropout.p if own.training else 0.0)
        x = _normal(after.LayerNorm, after.dropout(after.dense(mixed)) + x)
        inner, last = gelu(layer.intermediate.dense(x)), layer.output
        x = _normal(last.LayerNorm, last.dropout(last.dense(inner)) + x)
        x = _or((yield x), x)


def _or(sent: Tensor | None, x: Tensor) -> Tensor:
    """What was sent in a state's place, or the state."""
    return x if sent is None else sent


def _joint(attention: Any) -> tuple[Float[Tensor, "parts hidden"], Float[Tensor, "parts"]]:
    """The weights and biases of queries, keys and values, which read the same: for one product."""
    parts = (attention.query, attention.key, attention.value)
    return torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])


def join(transformer: Any) -> None:
    """Put the layers of BERT that make queries, keys and values together for good, in place.

    For a model that learns no more: after it, only `hidden_states` can read the model.
    """
    if type(transformer).__name__ != "BertModel" or not _usual(transformer.config):
        return
    for layer in transformer.encoder.layer:
        own = layer.attention.self
        if type(own.query) is not torch.nn.Linear:  # more than their weights: adapted
            continue
        weight, bias = (torch.nn.Parameter(value.detach()) for value in _joint(own))
        own.joint = torch.nn.Linear(weight.shape[1], len(weight), device="meta")
        own.joint.weight, own.joint.bias = weight, bias
        del own.query, own.key, own.value


def _modern_bert(
    model: Any, ids: Int[Tensor, "batch subword"], mask: Bool[Tensor, "batch subword"] | None
) -> Walk:
    """Warner et al. 2024: normalised before each layer, rotary positions, gated units."""
    config = model.config
    table = model.embeddings
    x = _precision(table.drop(table.norm(table.tok_embeddings(ids))))
    x, heads = _or((yield x), x), config.num_attention_heads
    theta = config.rope_parameters["full_attention"]["rope_theta"]
    half = config.hidden_size // heads // 2
    cos, sin = _rotations(ids.shape[1], half, theta, x.dtype, x.device)
    for layer in model.layers:
        first = isinstance(layer.attn_norm, torch.nn.Identity)
        qkv = layer.attn.Wqkv(x if first else _normal(layer.attn_norm, x))
        q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        q, k = (each * cos + each.roll(half, -1) * sin for each in (q, k))
        mixed = _attend(q, k, v, mask, layer.attn.attention_dropout if layer.training else 0.0)
        x = x + layer.attn.out_drop(layer.attn.Wo(mixed))
        inner, gate = layer.mlp.Wi(_normal(layer.mlp_norm, x)).chunk(2, -1)
        x = x + layer.mlp.Wo(layer.mlp.drop(gelu(inner) * gate))
        if layer is model.layers[-1]:
            x = _normal(model.final_norm, x)
        x = _or((yield x), x)


def _normal(norm: torch.nn.LayerNorm, x: Tensor) -> Tensor:
    """Layer normalisation that leaves the precision as it is (sums are fp32 inside)."""
    return layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps).to(x.dtype)


@lru_cache(maxsize=1024)
def _rotations(
    length: int, half: int, theta: float, dtype: torch.dtype, device: torch.device
) -> tuple[Float[Tensor, "subword part"], Float[Tensor, "subword part"]]:
    """Cosines and sines of the rotations by position (Su et al. 2021, equation 34).

    The halves of a vector are the two sides of its rotations; each side's sines have its sign.
    """
    with torch.inference_mode(False):  # kept: a tensor of inference mode could not be learnt with
        rates = theta ** -(torch.arange(half, device=device) / half)
        angles = torch.arange(length, device=device)[:, None] * rates
        cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
        return torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)


_WRITTEN: dict[str, Callable[..., Walk]] = {
    "BertModel": _bert,
    "ModernBertModel": _modern_bert,
}
