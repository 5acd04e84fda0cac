"""Batches: nothing is lost, nothing is read twice, and padding is marked as padding."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from mtlkit.batching import (
    IGNORED,
    Batch,
    BatchingError,
    Item,
    Packed,
    buckets,
    collate,
    encode,
    mask,
    stratify,
)
from mtlkit.corpora import Example
from mtlkit.tokenization import Encoding, Subwords, train_tokenizer

LENGTHS = st.lists(st.integers(3, 60), min_size=1, max_size=60)


def subwords() -> Subwords:
    return Subwords(
        train_tokenizer([e.words for e in tiny.sentences()], vocabulary=400), longest=512
    )


# ---- encoding and padding


def test_targets_are_indices_of_labels() -> None:
    examples = tiny.sentences()
    labels = {task: tiny.labels(task, examples) for task in ("pos", "ner", "dep", "sentiment")}
    for example, item in zip(examples, encode(examples, subwords(), labels), strict=True):
        assert set(item.targets) == set(labels) & set(example.labels)
        for task in ("pos", "ner"):
            assert [labels[task][i] for i in item.targets[task]] == list(example.labels[task])
        arcs = tuple((int(head), labels["dep"][i]) for head, i in item.targets["dep"])
        assert arcs == example.labels["dep"]
        if "sentiment" in example.labels:
            assert labels["sentiment"][item.targets["sentiment"]] == example.labels["sentiment"]


def test_a_label_the_head_does_not_know() -> None:
    example = Example("doc-7", ("a", "b"), {"pos": ("DET", "NOUNN")})
    with pytest.raises(BatchingError) as caught:
        encode([example], subwords(), {"pos": ("DET", "NOUN")})
    assert str(caught.value) == (
        "sentence doc-7: label 'NOUNN' of task 'pos' is not one of the 2 labels the head was "
        "made for"
    )


def test_collate_by_hand() -> None:
    one = Item(
        Encoding((2, 10, 11, 3), (1,), (2,), (5,)),
        {"pos": np.array([4]), "dep": np.array([[0, 1]]), "sst2": np.array(1)},
    )
    two = Item(
        Encoding((2, 12, 13, 14, 3), (1, 3), (2, 3), (1, 2)),
        {"pos": np.array([6, 7]), "dep": np.array([[2, 0], [0, 1]]), "sst2": np.array(0)},
    )
    batch = collate([one, two], ("pos", "dep", "sst2"), padding=9)
    assert batch.ids.tolist() == [[2, 10, 11, 3, 9], [2, 12, 13, 14, 3]]
    assert batch.mask.tolist() == [[True] * 4 + [False], [True] * 5]
    assert batch.first.tolist() == [[1, 0], [1, 3]]
    assert batch.last.tolist() == [[2, 0], [2, 3]]
    assert batch.shapes.tolist() == [[5, 0], [1, 2]]
    assert batch.words.tolist() == [[True, False], [True, True]]
    assert batch.targets["pos"].tolist() == [[4, IGNORED], [6, 7]]
    assert batch.targets["dep"].tolist() == [[[0, 1], [IGNORED] * 2], [[2, 0], [0, 1]]]
    assert batch.targets["sst2"].tolist() == [1, 0]
    assert batch.subwords == 9
    assert collate([one], ("pos",), padding=9).targets.keys() == {"pos"}


# ---- strata


def test_sentences_are_grouped_by_the_tasks_they_are_labelled_for() -> None:
    """As in pos:30 + ner:10, where budgets are nested: no sentence is read twice in an epoch."""
    examples = tiny.sentences(30)
    stage = {"pos": examples, "ner": examples[:10], "mlm": examples[:5]}
    labels = {task: tiny.labels(task, examples) for task in stage}
    strata = stratify(stage, subwords(), labels)
    assert {s.tasks: len(s.items) for s in strata} == {
        ("mlm",): 5,
        ("pos",): 20,
        ("pos", "ner"): 10,
    }
    for stratum in strata:
        expected = set(stratum.tasks) - {"mlm"}
        assert all(set(item.targets) == expected for item in stratum.items)
    both = next(s for s in strata if s.tasks == ("pos", "ner"))
    assert [len(item.encoding.first) for item in both.items] == [
        len(example.words) for example in examples[:10]
    ]


@pytest.mark.parametrize("order", [("pos", "ner"), ("ner", "pos")])
def test_of_a_shared_sentence_each_task_brings_its_own_labels(order: tuple[str, str]) -> None:
    """As in pos:30[shuffled]+ner:10: the knob is turned for pos, and the ner set has plain tags."""
    plain = Example("one", ("a", "b"), {"pos": ("X", "Y"), "ner": ("O", "B-PER")})
    turned = replace(plain, labels=plain.labels | {"pos": ("Y", "X")})
    stage = {task: [{"pos": turned, "ner": plain}[task]] for task in order}
    [stratum] = stratify(stage, subwords(), {"pos": ("X", "Y"), "ner": ("O", "B-PER")})
    [item] = stratum.items
    assert item.targets["pos"].tolist() == [1, 0]
    assert item.targets["ner"].tolist() == [0, 1]


def test_equal_words_with_another_id_are_another_sentence() -> None:
    twins = [Example(name, ("a", "b"), {"pos": ("X", "X")}) for name in ("one", "two")]
    [stratum] = stratify({"pos": twins}, subwords(), {"pos": ("X",)})
    assert len(stratum.items) == 2


# ---- buckets


@given(LENGTHS, st.integers(1, 200), st.none() | st.integers(0, 5))
def test_buckets_hold_each_sentence_once_and_keep_the_bound(
    lengths: list[int], tokens: int, seed: int | None
) -> None:
    rng = None if seed is None else np.random.default_rng(seed)
    batches = buckets(lengths, tokens=tokens, rng=rng)
    assert sorted(int(i) for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens
    spans = sorted((min(lengths[i] for i in b), max(lengths[i] for i in b)) for b in batches)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))


@given(LENGTHS, st.integers(1, 200))
def test_buckets_without_chance_go_by_length(lengths: list[int], tokens: int) -> None:
    order = np.concatenate(buckets(lengths, tokens=tokens))
    assert order.tolist() == sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    # No batch could have taken the sentence after it: what is greedy is not wasteful.
    batches = buckets(lengths, tokens=tokens)
    for batch, after in itertools.pairwise(batches):
        assert (len(batch) + 1) * lengths[after[0]] > tokens


def test_chance_changes_the_order_and_only_the_seed_decides_it() -> None:
    def draw(seed: int) -> list[list[int]]:
        rng = np.random.default_rng(seed)
        return [batch.tolist() for batch in buckets([5] * 40, tokens=20, rng=rng)]

    assert draw(1) == draw(1) != draw(2)


# ---- masking


def long_batch(maker: Subwords, sentences: int) -> Batch:
    words = [word for example in tiny.sentences() for word in example.words]
    examples = [Example(str(n), tuple(words[n : n + 100 + n % 3])) for n in range(sentences)]
    return collate(encode(examples, maker, {}), (), padding=maker.tokenizer.pad_token_id)


def test_masking_rates() -> None:
    maker = subwords()
    batch = long_batch(maker, 140)
    generator = torch.Generator().manual_seed(3)
    hidden = mask(batch, maker, rate=0.15, generator=generator, words=False)
    target = hidden.targets["mlm"]
    chosen = target != IGNORED

    def within(part: int, whole: int, rate: float) -> bool:
        return abs(part - rate * whole) < 5 * math.sqrt(whole * rate * (1 - rate))

    special = torch.isin(batch.ids, torch.tensor(maker.tokenizer.all_special_ids))
    ordinary = batch.mask & ~special
    assert within(int(chosen.sum()), int(ordinary.sum()), 0.15)
    assert not chosen[~ordinary].any(), "special tokens and padding are never hidden"
    assert torch.equal(target[chosen], batch.ids[chosen])
    assert torch.equal(hidden.ids[~chosen], batch.ids[~chosen])
    masked = int((hidden.ids[chosen] == maker.tokenizer.mask_token_id).sum())
    same = int((hidden.ids[chosen] == batch.ids[chosen]).sum())
    n, vocabulary = int(chosen.sum()), len(maker.tokenizer)
    assert n > 3000
    assert within(masked, n, 0.8 + 0.1 / vocabulary)
    assert within(same, n, 0.1 + 0.1 / vocabulary)  # a random sub-word may be the same one
    assert within(n - masked - same, n, 0.1 * (1 - 2 / vocabulary))
    for name in ("mask", "first", "last", "shapes", "words"):
        assert getattr(hidden, name) is getattr(batch, name)


def test_masking_is_decided_by_the_generator() -> None:
    maker = subwords()
    batch = long_batch(maker, 5)
    one, same, other = (
        mask(
            batch, maker, rate=0.15, generator=torch.Generator().manual_seed(seed), words=False
        ).ids
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_something_is_hidden_in_the_shortest_sentence() -> None:
    maker = subwords()
    batch = collate(encode([Example("a", ("my",))], maker, {}), (), padding=0)
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        target = mask(batch, maker, rate=0.01, generator=generator, words=False).targets["mlm"]
        assert (target[0] != IGNORED).tolist()[1]
        assert target[0, [0, -1]].tolist() == [IGNORED, IGNORED]


def test_masking_needs_a_mask_token() -> None:
    maker = subwords()
    batch = collate(encode([Example("a", ("my",))], maker, {}), (), padding=0)
    maker.tokenizer.mask_token = None
    with pytest.raises(BatchingError) as caught:
        mask(batch, maker, rate=0.15, generator=torch.Generator(), words=False)
    assert str(caught.value) == (
        "task 'mlm' needs a mask token, and this encoder's tokenizer has none; choose an encoder "
        "pretrained with masked language modelling, or scratch"
    )


def test_whole_words_are_hidden_or_not_at_all() -> None:
    maker = subwords()
    batch = long_batch(maker, 140)
    generator = torch.Generator().manual_seed(3)
    hidden = mask(batch, maker, rate=0.2, generator=generator, words=True).targets["mlm"] != IGNORED
    words = several = chosen = 0
    for row, first, last, there in zip(hidden, batch.first, batch.last, batch.words, strict=True):
        for begin, end in zip(first[there].tolist(), last[there].tolist(), strict=True):
            pieces = row[begin : end + 1]
            assert pieces.all() or not pieces.any()
            words += 1
            several += len(pieces) > 1
            chosen += bool(pieces.all())
    assert several > 1000
    assert abs(chosen - 0.2 * words) < 5 * math.sqrt(words * 0.2 * 0.8)
    special = torch.isin(batch.ids, torch.tensor(maker.tokenizer.all_special_ids))
    assert not hidden[special | ~batch.mask].any()


# ---- packing


@given(st.integers(32, 128))
def test_packed_text_is_the_text(length: int) -> None:
    """All sub-words, in order, with whole words, and no room left that a word would have had."""
    maker, examples = subwords(), tiny.sentences()
    packed = Packed(examples, maker, length=length)
    items = list(packed)
    assert packed.lengths == [len(item.encoding.ids) for item in items]
    assert max(packed.lengths) <= length
    prefix = len(maker.prefix)
    assert all(item.encoding.ids[:prefix] == maker.prefix for item in items)
    found = [id_ for item in items for id_ in item.encoding.ids[prefix:]]
    pieces = [piece for e in examples for piece in (*maker.cut(e.words), maker.suffix)]
    assert found == [id_ for piece in pieces for id_ in piece]
    cut = [
        item.encoding.ids[begin : end + 1]
        for item in items
        for begin, end in zip(item.encoding.first, item.encoding.last, strict=True)
    ]
    assert cut == [piece for piece in pieces if piece is not maker.suffix]
    nexts = [item.encoding.ids[prefix:] for item in items[1:]]
    for item, after in zip(items, nexts, strict=False):
        begins = [*items[items.index(item) + 1].encoding.first, prefix + len(after)]
        assert len(item.encoding.ids) + max(1, begins[0] - prefix or begins[1] - prefix) > length


def test_packed_text_is_read_once_and_as_it_comes() -> None:
    read = []

    def text() -> Iterator[Example]:
        for example in tiny.sentences():
            read.append(example.id)
            yield example

    packed = Packed(text(), subwords(), length=64)
    assert len(read) == len(tiny.sentences()) and len(packed) > 5


@pytest.mark.parametrize("length", [1, 31, 513])
def test_a_length_that_no_sequence_can_have(length: int) -> None:
    with pytest.raises(BatchingError) as caught:
        Packed(tiny.sentences(), subwords(), length=length)
    assert str(caught.value) == (
        f"mlm_length is {length}: expected 32 to 512, which is the most that this encoder reads, "
        "or 0 for sentences as they are"
    )


def test_a_stage_of_text_is_packed_and_its_tasks_are_not() -> None:
    examples = tiny.sentences()
    labels = {"pos": tiny.labels("pos", examples), "mlm": ()}
    both = {"pos": examples, "mlm": examples}
    kinds = {s.tasks: type(s.items) for s in stratify(both, subwords(), labels, length=64)}
    assert kinds == {("mlm",): Packed, ("pos",): tuple}
    assert {type(s.items) for s in stratify(both, subwords(), labels)} == {tuple}
