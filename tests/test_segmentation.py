"""Plain text to sentences and words: examples, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit.segmentation import LONGEST, cut, sentences, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It isn't Ada's.", "It is n't Ada 's ."),
        ("They’ve said we'll go", "They ’ve said we 'll go"),
        ("Mr. Lee owes $1,000.50, not 5%!", "Mr. Lee owes $ 1,000.50 , not 5 % !"),
        ("the U.S. in the 1990s at 12:30", "the U.S. in the 1990s at 12:30"),
        ('a well-known "O\'Brien" (see 3rd)', 'a well-known " O\'Brien " ( see 3rd )'),
        ("wait... then--gone", "wait ... then -- gone"),
        ("", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert " ".join(words(text)) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("One came. Two left! Three? Yes.", 4),
        ("Dr. Lee met J. S. Hill. They spoke.", 2),
        ("It left the U.S. Army.", 1),
        ('"Go." "No!" she said.', 2),
        ("He paid 3.50 and left. 12 came.", 2),
        ("No end\n\nand another", 2),
        ("one line\nof the same sentence", 1),
        ("it ended. but not with a capital", 1),
        (" \n\n ", 0),
    ],
)
def test_sentences(text: str, number: int) -> None:
    assert len(sentences(text)) == number


@given(st.text())
def test_only_white_space_is_lost(text: str) -> None:
    assert "".join(words(text)) == "".join(text.split())
    assert "".join("".join(sentence) for sentence in sentences(text)) == "".join(text.split())


@given(st.lists(st.sampled_from(["a", "b", ",", ";", "."]), max_size=200), st.integers(2, 70))
def test_cut_keeps_the_words_and_the_limit(made: list[str], longest: int) -> None:
    pieces = cut(tuple(made), longest=longest)
    assert [word for piece in pieces for word in piece] == made
    assert all(0 < len(piece) <= longest for piece in pieces)


def test_a_long_sentence_is_cut_after_a_comma() -> None:
    made = ("a",) * 40 + (",",) + ("b",) * 30
    assert [len(piece) for piece in cut(made)] == [41, 30]
    assert [len(piece) for piece in cut(("a",) * 70)] == [LONGEST, 10]
