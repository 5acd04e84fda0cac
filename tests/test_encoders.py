"""Encoders: padding is invisible, what is frozen is frozen, and a wrong file is refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny
import torch
from torch import nn
from transformers import AutoModel

from mtlkit.batching import Batch, collate, encode
from mtlkit.encoders import Encoder, EncoderError, build, parameters
from mtlkit.tokenization import SHAPES


def batch_of(encoder: Encoder, sentences: Sequence[int], padding: int = 0) -> Batch:
    examples = [tiny.sentences()[i] for i in sentences]
    return collate(encode(examples, encoder.subwords, {}), (), padding=padding)


def test_padding_does_not_change_a_sentence() -> None:
    encoder = tiny.encoder(tiny.sentences()).eval()
    nn.init.normal_(encoder.shape.weight)
    together = batch_of(encoder, range(8), padding=7)  # any sub-word may stand on padding
    states = encoder(together)
    assert len(set(together.mask.sum(1).tolist())) > 3, "sentences of many lengths"
    for i in range(8):
        alone = encoder(batch_of(encoder, [i]))
        words, subwords = alone.words.shape[1], alone.subwords.shape[1]
        torch.testing.assert_close(states.words[i, :words], alone.words[0])
        torch.testing.assert_close(states.sentence[i], alone.sentence[0])
        torch.testing.assert_close(states.subwords[i, :subwords], alone.subwords[0])


def test_states_are_what_they_say() -> None:
    encoder = tiny.encoder(tiny.sentences()).eval()
    assert not encoder.shape.weight.any(), "an encoder starts without shapes"
    nn.init.normal_(encoder.shape.weight)
    nn.init.normal_(encoder.mixture)
    batch = batch_of(encoder, [0, 1, 2])
    states = encoder(batch)
    output = encoder.transformer(
        batch.ids, attention_mask=batch.mask.long(), output_hidden_states=True
    )
    torch.testing.assert_close(states.subwords, output.last_hidden_state)
    layers = torch.stack(output.hidden_states)  # [layer, batch, subword, hidden]
    normal = (layers - layers.mean(-1, keepdim=True)) / layers.std(-1, correction=0, keepdim=True)
    raw = torch.einsum("l,lbsh->bsh", encoder.mixture.exp() / encoder.mixture.exp().sum(), normal)
    for i, example in enumerate(tiny.sentences(3)):
        coded = encoder.subwords.encode(example.words)
        mean = raw[i, : len(coded.ids)].mean(0)
        torch.testing.assert_close(states.sentence[i], mean, atol=1e-4, rtol=1e-4)
        for word in range(len(example.words)):
            mean = (raw[i, coded.first[word]] + raw[i, coded.last[word]]) / 2
            expected = mean + encoder.shape.weight[coded.shapes[word]]
            torch.testing.assert_close(states.words[i, word], expected, atol=1e-4, rtol=1e-4)


def test_dropout_is_the_recipes() -> None:
    """No layer keeps a rate of its own: without dropout, training and evaluation are equal."""
    encoder = tiny.encoder(tiny.sentences(), recipe=tiny.RECIPE.replace(dropout=0.0))
    batch = batch_of(encoder, [0, 1])
    assert torch.equal(encoder.train()(batch).words, encoder.eval()(batch).words)
    encoder = tiny.encoder(tiny.sentences(), recipe=tiny.RECIPE.replace(dropout=0.5))
    assert {m.p for m in encoder.modules() if isinstance(m, nn.Dropout)} == {0.5}
    assert not torch.equal(encoder.train()(batch).words, encoder.train()(batch).words)


def test_a_scratch_encoder_is_decided_by_its_seed() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (
        dict(tiny.encoder(tiny.sentences(), seed=seed).state_dict()) for seed in (1, 1, 2)
    )
    assert torch.equal(before, torch.random.get_rng_state()), "global randomness is left alone"
    assert all(torch.equal(one[name], same[name]) for name in one)
    matrices = [name for name in one if one[name].ndim > 1 and one[name].any()]
    assert matrices and not any(torch.equal(one[name], other[name]) for name in matrices)


def test_size_by_the_book() -> None:
    """ModernBERT (Warner et al. 2024): no biases, gated layers, no norm before the first."""
    v, d, layers = 400, 32, 2
    encoder = tiny.encoder(tiny.sentences(), recipe=tiny.RECIPE.replace(layers=layers))
    gated = 2 * d  # width between the two halves of a layer
    attention, perceptron = 4 * d * d, 2 * d * gated + gated * d
    norms = 1 + (2 * layers - 1) + 1
    assert parameters(encoder.transformer) == v * d + layers * (attention + perceptron) + norms * d
    own = len(SHAPES) * d + (layers + 1)  # shapes, and the mixture of layers with the embedding
    assert parameters(encoder) == parameters(encoder.transformer) + own


def test_tuning_chooses_what_learns() -> None:
    encoder = tiny.encoder(tiny.sentences(), recipe=tiny.RECIPE.replace(layers=3))

    def learns() -> set[str]:
        named = encoder.transformer.named_parameters()
        return {name for name, p in named if p.requires_grad}

    everything = {name for name, _ in encoder.transformer.named_parameters()}
    of_layer = {n: {name for name in everything if f"layers.{n}." in name} for n in range(3)}
    assert all(of_layer.values())
    encoder.tune("frozen")
    assert learns() == set()
    assert encoder.shape.weight.requires_grad, "the embedding of shapes belongs to the heads"
    encoder.tune("last:1")
    assert learns() == of_layer[2]
    encoder.tune("last:3")
    assert learns() == of_layer[0] | of_layer[1] | of_layer[2] < everything
    encoder.tune("last:2")
    assert learns() == of_layer[1] | of_layer[2]
    encoder.tune("full")
    assert learns() == everything
    with pytest.raises(EncoderError) as caught:
        encoder.tune("last:99")
    assert str(caught.value) == (
        "tuning 'last:99': this encoder has 3 layers; choose last:1 to last:3"
    )


def test_only_the_rows_that_are_read_learn() -> None:
    encoder = tiny.encoder(tiny.sentences()).eval()
    table = encoder.transformer.get_input_embeddings()
    batch, other = batch_of(encoder, [0, 1]), batch_of(encoder, range(2, 12))
    rows = set(batch.ids[batch.mask].tolist())
    expected, elsewhere = encoder(batch), encoder(other).words
    [gradient] = torch.autograd.grad(expected.words.square().sum(), table.weight)
    with encoder.learning_rows(rows):
        assert torch.equal(encoder(batch).words, expected.words)
        assert torch.equal(encoder(other).words, elsewhere)
        encoder(batch).words.square().sum().backward()
        embedding = encoder.transformer.get_input_embeddings()
        [learning] = [p for p in embedding.parameters() if p.requires_grad]
        torch.testing.assert_close(learning.grad, gradient[sorted(rows)])
        with torch.no_grad():
            learning += 1
        changed = encoder(batch).words
        before = table.weight.detach().clone()
    assert encoder.transformer.get_input_embeddings() is table and table.weight.requires_grad
    assert torch.equal(encoder(batch).words, changed)
    moved = (table.weight != before).any(1).nonzero()[:, 0].tolist()
    assert set(moved) == rows


def test_a_frozen_table_has_no_learning_rows_and_errors_put_the_table_back() -> None:
    encoder = tiny.encoder(tiny.sentences())
    table = encoder.transformer.get_input_embeddings()
    with pytest.raises(ZeroDivisionError), encoder.learning_rows([5, 6]):
        raise ZeroDivisionError
    assert encoder.transformer.get_input_embeddings() is table
    encoder.tune("frozen")
    with encoder.learning_rows([5, 6]):
        assert encoder.transformer.get_input_embeddings() is table
    assert not table.weight.requires_grad


def test_a_saved_encoder_is_read_back_and_by_transformers_too(tmp_path: Path) -> None:
    made = tiny.encoder(tiny.sentences()).eval()
    made.save(tmp_path)
    read = build(str(tmp_path), texts=(), recipe=tiny.RECIPE, seed=9).eval()
    batch = batch_of(made, [0, 1])
    assert torch.equal(batch_of(read, [0, 1]).ids, batch.ids)
    assert torch.equal(read(batch).words, made(batch).words)
    plain = AutoModel.from_pretrained(tmp_path).eval()
    states = plain(batch.ids, attention_mask=batch.mask.long()).last_hidden_state
    torch.testing.assert_close(states, made(batch).subwords)


# ---- what heads read


def test_states_up_to_a_layer_are_those_of_a_shallower_mixture() -> None:
    recipe = tiny.RECIPE.replace(layers=3)
    encoder = tiny.encoder(tiny.sentences(), recipe=recipe).eval()
    nn.init.normal_(encoder.mixture)
    batch = batch_of(encoder, [0, 1, 2])
    whole = encoder(batch)
    output = encoder.transformer(
        batch.ids, attention_mask=batch.mask.long(), output_hidden_states=True
    ).hidden_states
    for layer in range(4):
        states = whole.up_to(layer)
        shares = encoder.mixture[: layer + 1].softmax(0)
        normal = [nn.functional.layer_norm(x, (encoder.hidden,)) for x in output[: layer + 1]]
        mixed = sum(share * x for share, x in zip(shares, normal, strict=True))
        torch.testing.assert_close(states.mixed, mixed, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(states.subwords, output[layer], atol=1e-4, rtol=1e-4)
    assert torch.equal(whole.up_to(3).words, whole.words)


def test_what_is_turned_is_read_by_words_and_sentences() -> None:
    encoder = tiny.encoder(tiny.sentences()).eval()
    batch = batch_of(encoder, [0, 1, 2])
    plain = encoder(batch)
    turned = plain.turned(lambda states: 2 * states.mixed + 1)
    torch.testing.assert_close(turned.mixed, 2 * plain.mixed + 1)
    torch.testing.assert_close(turned.words, 2 * plain.words + 1)  # shapes are zero at first
    torch.testing.assert_close(turned.sentence, 2 * plain.sentence + 1)
    assert torch.equal(turned.subwords, plain.subwords)
    torch.testing.assert_close(turned.branch().words, turned.words)


def test_the_gradient_of_a_branch_waits_at_its_cuts() -> None:
    encoder = tiny.encoder(tiny.sentences())
    batch = batch_of(encoder, [0, 1, 2])
    states = encoder(batch)
    one, two = states.branch(), states.branch()
    assert one.cuts == [], "nothing has been read"
    for branch in (one, two):
        assert torch.equal(branch.words, states.words)
        assert torch.equal(branch.sentence, states.sentence)
    (one.words.square().sum() + one.sentence.sum()).backward()
    two.subwords.cos().sum().backward()
    assert all(p.grad is None for p in encoder.transformer.parameters())
    assert encoder.shape.weight.grad is not None, "shapes belong to the heads"
    [(trunk, copy)] = one.cuts
    assert trunk is states.mixed and copy is not trunk and copy.grad.any()
    assert [
        trunk is place
        for (trunk, _), place in zip(two.cuts, (states.subwords, states.mixed), strict=True)
    ] == [True, True]
    given = [(t, c.grad) for b in (one, two) for t, c in b.cuts if c.grad is not None]
    torch.autograd.backward(*map(list, zip(*given, strict=True)))
    found = {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}
    encoder.zero_grad()
    whole = encoder(batch)
    loss = whole.words.square().sum() + whole.sentence.sum() + whole.subwords.cos().sum()
    loss.backward()
    expected = {n: p.grad for n, p in encoder.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-4, rtol=1e-3, msg=name)
