"""Checks of data: by hand, by brute force, and on the schedule that training follows."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers
from transformers import PreTrainedTokenizerFast

from mtlkit import corpora
from mtlkit.batching import Item, Stratum, buckets, stratify
from mtlkit.corpora import Example
from mtlkit.overlap import EXAMPLES, coverage, exposures, overlap, table
from mtlkit.recipes import Recipe
from mtlkit.routes import TASKS, Route
from mtlkit.sampling import Schedule
from mtlkit.tokenization import Encoding, Subwords, train_tokenizer

ALPHABET = tuple("abcdefghijkl")


# ---- test sentences met in training


def test_exact_whatever_the_case_the_signs_and_the_clitics() -> None:
    train = [("I", "don't", "know", "!"), ("Yes", ".")]
    test = [("it", "rains"), ("i", "do", "n't", "know"), ("yes",), (".",), ("I", "know")]
    found = overlap(train, test)
    assert (found.sentences, found.exact, found.long, found.near) == (4, 2, 0, 0)
    assert found.exact_at == ((1, 0), (2, 1))
    assert math.isnan(found.runs)


def test_near_by_hand() -> None:
    test = [tuple("abcdefghij"), tuple("abcdefghix"), tuple("abcdefgxyz")]
    train = [tuple("zz"), tuple("ZABCDEFGHIJK")]
    found = overlap(train, test)
    # Six runs of five: all, five and three of them stand in training; none is a whole sentence.
    assert (found.exact, found.long, found.near) == (0, 3, 2)
    assert found.near_at == ((0, 1), (1, 1))
    assert found.runs == pytest.approx(6 / (6 + 1 + 3))
    assert overlap(train, test, share=0.5).near == 3
    assert overlap(train, test, share=1).near == 1
    assert overlap(train, test, least=11).long == 0


def test_near_counts_runs_of_several_sentences_and_names_the_first_best() -> None:
    train = [tuple("abcde"), tuple("bcdefghi"), tuple("bcdefghi")]
    found = overlap(train, [tuple("abcdefghi")])
    assert (found.near, found.near_at) == (1, ((0, 1),))


def test_what_is_exact_is_not_near_too() -> None:
    found = overlap([tuple("abcdefgh")], [tuple("ABCDEFGH")])
    assert (found.exact, found.long_exact, found.long, found.near, found.runs) == (1, 1, 1, 0, 1)


def test_signs_are_no_words_of_a_run() -> None:
    found = overlap([tuple("ab,cdefghx")], [tuple("(abcd)efgh!")])
    assert (found.long, found.near, found.runs) == (1, 1, 1)


def test_no_more_places_than_promised() -> None:
    sentences = [(f"w{n}",) for n in range(EXAMPLES + 5)]
    found = overlap(sentences, sentences)
    assert (found.exact, len(found.exact_at)) == (EXAMPLES + 5, EXAMPLES)


SENTENCES = st.lists(st.lists(st.sampled_from(ALPHABET[:3]), max_size=12), max_size=8)


@given(SENTENCES, SENTENCES, st.sampled_from([0.5, 0.8]))
def test_overlap_by_brute_force(train: list, test: list, share: float) -> None:
    found = overlap(train, test, run=2, share=share, least=4)
    pool = [s[i : i + 2] for s in train for i in range(len(s) - 1)]
    exact = [i for i, s in enumerate(test) if s and s in train]
    near, every = [], []
    for i, s in enumerate(test):
        if len(s) >= 4:
            different = {tuple(s[j : j + 2]) for j in range(len(s) - 1)}
            every += different
            seen = sum(list(gram) in pool for gram in different)
            if i not in exact and seen / len(different) >= share:
                near.append(i)
    assert [i for i, _ in found.exact_at] == exact and found.exact == len(exact)
    assert all(test[i] == train[j] for i, j in found.exact_at)
    assert [i for i, _ in found.near_at] == near and found.near == len(near)
    if every:
        assert found.runs == pytest.approx(np.mean([list(g) in pool for g in set(every)]))


def test_table_has_every_pair() -> None:
    places = {
        "one": ([tuple("abcdefgh"), ("x",)], [("x",)]),
        "two": ([("y",)], [tuple("ABCDEFGH"), ("y",)]),
    }
    found = table(places)
    assert list(zip(found.test, found.train, found.sentences, found.exact, strict=True)) == [
        ("one", "one", 1, 1),
        ("one", "two", 1, 0),
        ("two", "one", 2, 1),
        ("two", "two", 2, 1),
    ]
    assert found.loc[2, ["long", "long_exact", "near", "runs"]].tolist() == [1, 1, 0, 1]


@pytest.mark.real_data
@pytest.mark.parametrize("corpus", ["cr", "subj"])
def test_a_hash_of_the_text_keeps_equal_sentences_on_one_side(corpus: str) -> None:
    train, test = (
        [example.words for example in corpora.load(corpus, split=split)]
        for split in ("train", "test")
    )
    together = {" ".join(words).lower() for words in train}
    found = overlap(train, test)
    assert not any(" ".join(words).lower() in together for words in test)
    assert found.exact <= 0.005 * found.sentences, "but for signs, and these are few"


@pytest.mark.real_data
def test_sentences_of_film_reviews_are_in_two_corpora() -> None:
    """SST-2 and the subjective half of Subj were taken from the same reviews."""
    train = corpora.load("subj", split="train")
    test = [example.words for example in corpora.load("sst2", split="test")]
    found = {
        kind: overlap([e.words for e in train if e.labels["subj"] == kind], test)
        for kind in ("subjective", "objective")
    }
    plain = [re.sub(r"[\W_]", "", "".join(words).lower()) for words in test]
    pool = {re.sub(r"[\W_]", "", "".join(e.words).lower()) for e in train}
    assert found["subjective"].exact == sum(key in pool for key in plain) > 0.2 * len(test)
    assert found["objective"].exact == 0


# ---- what an encoder does not read


def subwords(longest: int = 512) -> Subwords:
    """One sub-word for each letter and one for the space before a word: nothing is merged."""
    return Subwords(train_tokenizer([["a"]], vocabulary=261), longest=longest)


def pieces(word: str) -> int:
    """How many of them a word has without a limit."""
    return len(word.encode()) + 1


def test_all_is_read_where_nothing_is_long() -> None:
    found = coverage([("a", "bc"), ("def",)], subwords())
    numbers = asdict(found)
    assert (numbers.pop("sentences"), numbers.pop("words"), numbers.pop("subwords")) == (2, 3, 9)
    assert set(numbers.values()) == {0, ()}


def test_long_words_are_counted_and_sentences_that_hold_them() -> None:
    found = coverage([("q" * 300, "b"), ("c",), ("q" * 16, "r" * 15, "q" * 300)], subwords())
    assert (found.sentences, found.words, found.cut_words, found.cut_at) == (3, 6, 3, (0, 2))
    assert found.subwords == 301 + 2 + 2 + 17 + 16 + 301
    assert found.lost == (301 - 16) * 2 + 1
    assert (found.squeezed, found.refused) == (0, 0)


def test_words_the_tokenizer_does_not_know() -> None:
    known = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "##b": 4}
    model = Tokenizer(models.WordPiece(known, unk_token="[UNK]", max_input_chars_per_word=5))
    model.normalizer = normalizers.Replace("?", "")
    made = PreTrainedTokenizerFast(tokenizer_object=model, unk_token="[UNK]", pad_token="[SEP]")
    sentences = [("ab", "abb", "ac"), ("abbbbb", "?", "a"), ("ac",)]
    found = coverage(sentences, Subwords(made, longest=9))
    assert (found.unknown, found.words, found.cut_words, found.lost) == (4, 7, 0, 0)


def test_sentences_that_do_not_fit() -> None:
    maker = subwords(longest=12)  # ten, and two at the ends
    found = coverage([("aaaa", "bbbb"), ("aaaaa", "bbbb"), tuple("abcdefghijk")], maker)
    assert (found.squeezed, found.refused, found.cut_words) == (1, 1, 0)
    assert (found.subwords, found.lost) == (10 + 11, 1), "one tail of the longest word"


@given(st.lists(st.lists(st.sampled_from(["a", "bb" * 4, "c" * 15, "d" * 40]), max_size=14)))
def test_coverage_by_brute_force(sentences: list[list[str]]) -> None:
    maker = subwords(longest=14)
    found = coverage(sentences, maker)
    fitting = [words for words in sentences if len(words) <= 12]
    assert found.refused == len(sentences) - len(fitting)
    total = sum(pieces(word) for words in fitting for word in words)
    read = sum(len(maker.encode(words).ids) - 2 for words in fitting)
    assert (found.subwords, found.lost) == (total, total - read)
    assert found.cut_words == sum(pieces(word) > 12 for words in sentences for word in words)
    assert found.squeezed == sum(sum(min(pieces(w), 12) for w in s) > 12 for s in fitting)


def test_no_sentence_of_the_world_is_cut() -> None:
    sentences = [example.words for example in tiny.sentences(400)]
    maker = Subwords(train_tokenizer(sentences, vocabulary=2000), longest=512)
    found = coverage(sentences, maker)
    assert (found.cut_words, found.squeezed, found.refused, found.lost) == (0, 0, 0, 0)
    assert coverage([], maker).words == 0


# ---- what is seen in training


def test_exposures_by_hand() -> None:
    item = Item(Encoding((0,), (0,), (0,), (1,)), {})
    strata = [Stratum(("pos",), (item,) * 3), Stratum(("pos", "ner"), (item,) * 2)]
    plan = [(0, np.array([2, 0])), (1, [1]), (0, [2]), (1, np.array([1, 1]))]
    found = exposures(strata, plan)
    assert {task: counts.tolist() for task, counts in found.items()} == {
        "pos": [1, 0, 2, 0, 3],
        "ner": [0, 3],
    }
    assert exposures(strata, [])["ner"].tolist() == [0, 0]


def turns(strata: Sequence[Stratum], recipe: Recipe) -> list[tuple[int, np.ndarray]]:
    """The plan of a stage as `exposures` reads it."""
    schedule = Schedule(strata, recipe, seed=5, pretraining=False)
    plan = schedule.part(0, schedule.updates, np.ones(len(strata)))
    return [part for turn in plan for part in turn]


def declared(route: str) -> dict[str, tuple[Example, ...]]:
    """The labelled sentences that a route of one stage asks for."""
    [stage] = Route.parse(route).stages
    return {task.name: corpora.labelled(task, seed=5) for task in stage.tasks}


def prepared(
    wanted: Mapping[str, Sequence[Example]],
) -> tuple[dict[str, tuple[str, ...]], Subwords, tuple[Stratum, ...]]:
    """The names of the labels, the sub-words, and the strata of a stage."""
    names = {task: tiny.labels(task, examples) for task, examples in wanted.items()}
    every = [example.words for examples in wanted.values() for example in examples]
    maker = Subwords(train_tokenizer(every, vocabulary=400), longest=512)
    return names, maker, stratify(wanted, maker, names)


def decoded(task: str, item: Item, names: Sequence[str]) -> tuple | str:
    """The label that an item's target stands for."""
    target = item.targets[task]
    if TASKS[task] == "class":
        return names[target]
    if TASKS[task] == "tree":
        return tuple((int(head), names[relation]) for head, relation in target)
    return tuple(names[tag] for tag in target)


STAGES = ["pos:60+ner:30+dep:45+sentiment:40@world", "pos:50@world", "stype:20+aux:35@world"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_declared_example_is_seen_exactly_as_declared(stage: str) -> None:
    """Each with its own words and labels, as often as there are epochs; and no other is."""
    wanted = declared(f"scratch > {stage}")
    names, maker, strata = prepared(wanted)
    for task, examples in wanted.items():
        items = [item for s in strata if task in s.tasks for item in s.items]
        seen = Counter((item.encoding, decoded(task, item, names[task])) for item in items)
        assert seen == Counter((maker.encode(e.words), e.labels[task]) for e in examples)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("epochs", [1, 3, 2.5])
def test_every_sentence_is_seen_as_often_as_there_are_epochs(stage: str, epochs: float) -> None:
    wanted = declared(f"scratch > {stage}")
    _, _, strata = prepared(wanted)
    recipe = Recipe(epochs=epochs, min_updates=0, batch_tokens=200)
    found = exposures(strata, turns(strata, recipe))
    assert {task: len(counts) for task, counts in found.items()} == {
        task: len(examples) for task, examples in wanted.items()
    }
    for counts in found.values():
        assert counts.min() >= math.floor(epochs) and counts.max() <= math.floor(epochs) + 1
        if epochs == round(epochs):
            assert counts.max() == epochs, "of whole epochs nothing is left over"


def test_a_small_stage_repeats_its_sentences_evenly() -> None:
    _, _, strata = prepared(declared("scratch > pos:30@world"))
    batches = len(buckets([len(item.encoding.ids) for item in strata[0].items], tokens=200))
    recipe = Recipe(epochs=1, min_updates=50, batch_tokens=200)
    counts = exposures(strata, turns(strata, recipe))["pos"]
    assert set(counts.tolist()) <= {50 // batches, 50 // batches + 1}
