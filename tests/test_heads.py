"""Heads: every score, loss and tree against the formula written out."""

import itertools
import math

import pytest
import tiny
import torch
from torch import Tensor, nn

from mtlkit import heads
from mtlkit.batching import IGNORED, Batch, collate, encode, mask
from mtlkit.decoding import single_root_tree
from mtlkit.encoders import Encoder, States
from mtlkit.heads import (
    LockedDropout,
    MaskedLMHead,
    ParsingHead,
    SentenceHead,
    TaggingHead,
)
from mtlkit.metrics import is_tree

RECIPE = tiny.RECIPE.replace(head_dropout=0.3)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return tiny.encoder(tiny.sentences()).eval()


def reading(encoder: Encoder, tasks: tuple[str, ...], n: int = 6) -> tuple[States, Batch]:
    """A padded batch of sentences of several lengths, and the encoder's states of it."""
    examples = [e for e in tiny.sentences() if all(task in e.labels for task in tasks)][:n]
    labels = {task: tiny.labels(task, tiny.sentences()) for task in tasks}
    batch = collate(encode(examples, encoder.subwords, labels), tasks, padding=0)
    assert not batch.words.all()
    with torch.no_grad():
        return encoder(batch), batch


def head_of(encoder: Encoder, task: str) -> heads.Head:
    names = tiny.labels(task, tiny.sentences())
    return heads.build(task, encoder, names, RECIPE, seed=1).eval()


# ---- parsing


def all_pairs(head: ParsingHead, states: States) -> tuple[Tensor, Tensor]:
    """Arc and relation scores of every pair by the formulas of Dozat and Manning (2017), 2.2."""
    nodes = torch.cat([head.root.expand(len(states.words), 1, -1), states.words], 1)
    weights, biases = (p.split(head.sizes) for p in (head.project.weight, head.project.bias))
    dependent, governor, lower, upper = (
        nn.functional.leaky_relu(torch.einsum("bnh,ph->bnp", nodes, weight) + bias, 0.1)
        for weight, bias in zip(weights, biases, strict=True)
    )
    dependent, lower = dependent[:, 1:], lower[:, 1:]
    bilinear, linear = head.arc[:-1], head.arc[-1]
    arcs = torch.einsum("bwi,ij,bnj->bwn", dependent, bilinear, governor)
    arcs = arcs + torch.einsum("j,bnj->bn", linear, governor)[:, None]
    w = head.relation
    named = torch.einsum("bwi,ilj,bnj->bwnl", lower, w[:-1, :, :-1], upper)
    named = named + torch.einsum("bwi,il->bwl", lower, w[:-1, :, -1])[:, :, None]
    named = named + torch.einsum("lj,bnj->bnl", w[-1, :, :-1], upper)[:, None]
    return arcs, named + w[-1, :, -1]


@pytest.fixture
def parser(encoder: Encoder) -> ParsingHead:
    made = head_of(encoder, "dep")
    assert isinstance(made, ParsingHead)
    assert not made.relation.any(), "relations start undecided"
    nn.init.normal_(made.relation, std=0.3)
    nn.init.normal_(made.root, std=0.3)
    return made


def test_biaffine_scores_are_the_formula(encoder: Encoder, parser: ParsingHead) -> None:
    states, batch = reading(encoder, ("dep",))
    scores, lower, upper = parser(states, batch)
    arcs, named = all_pairs(parser, states)
    n = batch.words.shape[1]
    allowed = nn.functional.pad(batch.words, (1, 0), value=True)
    allowed = allowed[:, None].expand(-1, n, -1)
    torch.testing.assert_close(scores[allowed], arcs[allowed], atol=1e-5, rtol=1e-4)
    assert (scores[~allowed] == -1e4).all(), "no word hangs on padding"
    row, word, head = torch.ones(len(batch.words), n, n + 1).nonzero(as_tuple=True)
    torch.testing.assert_close(
        parser.name(lower[row, word], upper[row, head]),
        named[row, word, head],
        atol=1e-5,
        rtol=1e-4,
    )


def test_parsing_loss_is_the_mean_over_words(encoder: Encoder, parser: ParsingHead) -> None:
    states, batch = reading(encoder, ("dep",))
    arcs, named = all_pairs(parser, states)
    losses = []
    for i, size in enumerate(batch.words.sum(1).tolist()):
        for word in range(size):
            head, relation = batch.targets["dep"][i, word].tolist()
            arc = arcs[i, word, : size + 1].log_softmax(0)[head]
            losses.append(-arc - named[i, word, head].log_softmax(0)[relation])
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(parser.loss(states, batch, batch.targets["dep"]), expected)


@torch.no_grad()
def test_decoded_trees_are_the_best_and_named_by_their_arcs(
    encoder: Encoder, parser: ParsingHead
) -> None:
    states, batch = reading(encoder, ("dep",))
    arcs, named = all_pairs(parser, states)
    root = parser.labels.index("root")
    trees = parser.decode(states, batch)
    for i, (tree, size) in enumerate(zip(trees, batch.words.sum(1).tolist(), strict=True)):
        chosen = [head for head, _ in tree]
        assert is_tree(chosen) and len(chosen) == size
        logs = arcs[i, :size, : size + 1].log_softmax(-1).double().numpy()
        best, each = single_root_tree(logs), range(size)
        assert logs[each, chosen].sum() == pytest.approx(logs[each, best].sum())
        for word, (head, relation) in enumerate(tree):
            assert (head == 0) == (relation == "root")
            if head:
                others = named[i, word, head].clone()
                others[root] = -math.inf
                assert relation == parser.labels[int(others.argmax())]


@torch.no_grad()
def test_a_treebank_without_the_relation_root(encoder: Encoder) -> None:
    head = heads.build("dep", encoder, ("a", "b"), RECIPE, seed=1)
    states, batch = reading(encoder, ("dep",))
    for tree in head.decode(states, batch):
        assert is_tree([arc[0] for arc in tree])
        assert {name for _, name in tree} <= {"a", "b"}


# ---- tags, classes, hidden sub-words


def test_tagging_is_a_linear_layer_a_word(encoder: Encoder) -> None:
    states, batch = reading(encoder, ("pos",))
    head = head_of(encoder, "pos")
    assert isinstance(head, TaggingHead)
    logits = torch.einsum("bwh,lh->bwl", states.words, head.output.weight) + head.output.bias
    real = batch.words
    gold = batch.targets["pos"][real]
    expected = -logits.log_softmax(-1)[real][torch.arange(len(gold)), gold].mean()
    torch.testing.assert_close(head.loss(states, batch, batch.targets["pos"]), expected)
    for i, tags in enumerate(head.decode(states, batch)):
        best = logits[i, real[i]].argmax(-1).tolist()
        assert tags == tuple(head.labels[j] for j in best)


def test_a_sentences_class_is_a_linear_layer_a_sentence(encoder: Encoder) -> None:
    states, batch = reading(encoder, ("sentiment",))
    head = head_of(encoder, "sentiment")
    assert isinstance(head, SentenceHead)
    logits = torch.einsum("bh,lh->bl", states.sentence, head.output.weight) + head.output.bias
    gold = batch.targets["sentiment"]
    expected = -logits.log_softmax(-1)[torch.arange(len(gold)), gold].mean()
    torch.testing.assert_close(head.loss(states, batch, gold), expected)
    assert head.decode(states, batch) == [head.labels[j] for j in logits.argmax(-1).tolist()]


@torch.no_grad()
def test_hidden_subwords_are_scored_by_the_embedding(encoder: Encoder) -> None:
    states, batch = reading(encoder, ())
    generator = torch.Generator().manual_seed(0)
    batch = mask(batch, encoder.subwords, rate=0.3, generator=generator, words=False)
    head = head_of(encoder, "mlm")
    assert isinstance(head, MaskedLMHead)
    nn.init.normal_(head.bias)
    head.tie(encoder)
    embedding = encoder.transformer.get_input_embeddings().weight
    logits = head.transform(states.subwords) @ embedding.T + head.bias
    target = batch.targets["mlm"]
    nats = [
        [-logits[i, j].log_softmax(0)[target[i, j]] for j in range(len(row)) if row[j] != IGNORED]
        for i, row in enumerate(target.tolist())
    ]
    expected = torch.stack([each for row in nats for each in row]).mean()
    torch.testing.assert_close(head.loss(states, batch, target), expected)
    for (number, total), row in zip(head.decode(states, batch), nats, strict=True):
        assert number == len(row)
        assert total == pytest.approx(float(sum(row)), rel=1e-4)
    names = {name for name, _ in head.named_parameters()}
    assert not any("embedding" in name for name in names), "the embedding stays the trunk's"


@pytest.mark.parametrize("task", ["pos", "dep", "sentiment"])
def test_a_sentence_is_decoded_alike_alone_and_in_a_batch(encoder: Encoder, task: str) -> None:
    head = getattr(tiny.trained().heads, task, None) or head_of(encoder, task)
    trunk = tiny.trained().encoder.eval() if task in tiny.trained().heads else encoder
    head.eval()
    states, batch = reading(trunk, (task,))
    with torch.no_grad():
        together = head.decode(states, batch)
    examples = [e for e in tiny.sentences() if task in e.labels][: len(together)]
    for example, answer in zip(examples, together, strict=True):
        alone = collate(encode([example], trunk.subwords, {}), (), padding=0)
        with torch.no_grad():
            assert head.decode(trunk(alone), alone) == [answer]


def test_a_mask_of_dropout_is_one_for_all_words_of_a_sentence() -> None:
    drop = LockedDropout(0.25)
    x = torch.rand(200, 5, 40) + 1
    torch.manual_seed(0)
    y = drop(x)
    kept = y != 0
    assert torch.equal(kept, kept[:, :1].expand_as(kept)), "the same for all words"
    assert not torch.equal(kept[0], kept[1]), "another for each sentence"
    assert 0.73 < kept.float().mean() < 0.77
    torch.testing.assert_close(y[kept], (x / 0.75)[kept])
    assert drop.eval()(x) is x and LockedDropout(0.0)(x) is x


# ---- initial weights


def weights(head: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in head.parameters()])


@pytest.mark.parametrize("task", ["pos", "dep", "sentiment", "mlm"])
def test_initial_weights_are_decided_by_seed_and_task_alone(encoder: Encoder, task: str) -> None:
    before = torch.random.get_rng_state()
    one = weights(head_of(encoder, task))
    assert torch.equal(before, torch.random.get_rng_state()), "global randomness is left alone"
    torch.rand(5)
    head_of(encoder, "ner")
    assert torch.equal(one, weights(head_of(encoder, task)))


def test_tasks_of_one_seed_start_differently(encoder: Encoder) -> None:
    made = {
        task: heads.build(task, encoder, ("a", "b"), RECIPE, seed=0)
        for task in ("pos", "xpos", "ner")
    }
    for one, two in itertools.combinations(made.values(), 2):
        assert not torch.equal(weights(one), weights(two))


@pytest.mark.parametrize("task", ["pos", "ner", "dep", "sst2", "sentiment"])
def test_seeds_of_one_task_start_differently(encoder: Encoder, task: str) -> None:
    made = [heads.build(task, encoder, ("a", "b"), RECIPE, seed=s) for s in (0, 1, 10)]
    for one, two in itertools.combinations(made, 2):
        assert not torch.equal(weights(one), weights(two))
