"""Text of one's own: what a line is, what is kept of it, and how little is held of it."""

import itertools
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit import conllu, reading, world
from mtlkit.conllu import ConlluError, Sentence, misc_value
from mtlkit.reading import ReadingError, read_text, read_treebank

TEXT = "It isn't far. Mr. Lee\npaid $5!\n\nAda left."


def forms(sentences: Iterator[Sentence]) -> list[str]:
    return [" ".join(sentence.forms) for sentence in sentences]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("document", ["It is n't far .", "Mr. Lee", "paid $ 5 !", "Ada left ."]),
        ("sentence", ["It is n't far . Mr. Lee", "paid $ 5 !", "Ada left ."]),
        ("wrapped", ["It is n't far .", "Mr. Lee paid $ 5 !", "Ada left ."]),
    ],
)
def test_what_a_line_is(line: str, expected: list[str]) -> None:
    assert forms(read_text(TEXT.splitlines(keepends=True), line=line)) == expected


def test_documents_are_numbered_and_their_sentences_too() -> None:
    found = [s.comments for s in read_text(["One came. Two left.\n", "\n", "Three."])]
    assert found == [
        ("newdoc id = 1", "sent_id = 1-1", "text = One came."),
        ("sent_id = 1-2", "text = Two left."),
        ("newdoc id = 2", "sent_id = 2-1", "text = Three."),
    ]


def surface(sentence: Sentence) -> str:
    spaces = ["" if misc_value(w, "SpaceAfter") == "No" else " " for w in sentence.words]
    return "".join(w.form + s for w, s in zip(sentence.words, spaces, strict=True)).rstrip()


@given(st.text(" \tabAB.,!?'\u2019\"()-1é", max_size=60))
def test_words_and_spaces_give_the_text_back(text: str) -> None:
    for sentence in read_text([text]):
        assert surface(sentence) == sentence.comment("text")
    joined = "".join("".join(s.forms) for s in read_text([text]))
    assert joined == "".join(text.split())


def test_a_very_long_sentence_is_cut() -> None:
    text = "a, " * 1000
    for line in reading.LINES:
        sizes = [len(s.words) for s in read_text([text], line=line)]
        assert sum(sizes) == 2000 and max(sizes) <= 200


def test_a_treebank_is_read_sentence_by_sentence() -> None:
    gold = world.generate(5, seed=3)
    text = conllu.format(gold)
    lines = text.splitlines(keepends=True)
    assert [s.words for s in read_treebank(lines, "file")] == [s.words for s in gold]
    assert [s.words for s in read_treebank(lines[:-1], "file")] == [s.words for s in gold]
    first = len(conllu.format(gold[:1]).splitlines())
    broken = [*lines[:first], "1\tone\n", "\n"]
    found = read_treebank(broken, "my.conllu")
    assert next(found).words == gold[0].words
    with pytest.raises(ConlluError, match=rf"^my.conllu, from line {first + 1}:"):
        next(found)


def test_lines_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes("\ufeffOne.\r\nTwo é.\nThree".encode())
    with reading.lines(str(file)) as lines:
        assert forms(read_text(lines)) == ["One .", "Two é .", "Three"]
    file.write_bytes(b"good\nbad \xff\n")
    with (
        reading.lines(str(file)) as lines,
        pytest.raises(ReadingError, match=r"text.txt: not UTF-8 .* convert it to UTF-8$"),
    ):
        list(lines)


@pytest.mark.parametrize("line", reading.LINES)
def test_a_text_without_end_is_read_in_little_memory(line: str, tmp_path: Path) -> None:
    """Of 50,000 lines, and of as much text without a line end, little is held."""
    tracemalloc.start()
    for _ in read_text(itertools.repeat("The cat saw it.\n", 50_000), line=line):
        pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8e6, "250,000 words would take several times as much"
    one = tmp_path / "one_line.txt"
    one.write_text("The cat saw it. " * 50_000)
    with reading.lines(str(one)) as lines:
        longest = max(map(len, lines))
    assert longest <= 100_000
