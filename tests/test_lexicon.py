"""The lexicon's lines: words, weights, and what a faulty line says."""

import random
from collections import Counter
from pathlib import Path

import pytest

from mtlkit import lexicon
from mtlkit.lexicon import Choices, LexiconError, Line, declared, header, noun, read


def test_choices_follow_their_weights() -> None:
    rng = random.Random(1)
    drawn = Counter(Choices("abc", [1, 2, 5]).draw(rng.random()) for _ in range(8000))
    assert [round(drawn[letter] / 1000) for letter in "abc"] == [1, 2, 5]
    zipf = Counter(Choices("abc").draw(rng.random()) for _ in range(9000))
    expected = [9000 / (rank + 2.7) / (1 / 2.7 + 1 / 3.7 + 1 / 4.7) for rank in range(3)]
    assert [zipf[letter] for letter in "abc"] == pytest.approx(expected, rel=0.05)


def test_nouns_say_how_they_are_counted() -> None:
    assert noun("knife/knives", "blade") == ("knife", "knives", "sg", "blade")
    assert noun("staff*", "org").plural == "staff"
    assert [noun(word, "x").kind for word in ("rice~", "mother^", "Monday", "cup")] == [
        *("mass", "one", "proper", "sg")
    ]
    with pytest.raises(LexiconError, match=r"^a:1: cannot read the noun 'two words'"):
        noun("two words", "x", "a:1")


def test_lines_of_a_file_and_their_places(tmp_path: Path) -> None:
    path = tmp_path / "scene.txt"
    path.write_text("# a comment\n\nnoun dish food: soup  # another\n", "utf-8")
    assert read(path) == [Line("scene.txt:3", "noun", "dish food", "soup")]
    path.write_text("noun dish food: soup\nnuon dish food: stew\n", "utf-8")
    with pytest.raises(LexiconError, match=r"^scene.txt:2: a line is 'keyword head: body' with sc"):
        read(path)


def test_what_a_class_is() -> None:
    def line(head: str) -> Line:
        return Line("scene.txt:1", "noun", head, "")

    assert declared(line("guest person me")) == ("guest", "person", True, "PER")
    assert declared(line("team org")).entity == "ORG"
    assert declared(line("town place named")).entity == "LOC"
    assert declared(line("crowd person unnamed")).entity == ""
    for head, told in (
        ("dish fud", r"with a sense of act, animal, .*, found 'dish fud'"),
        ("with food", "found 'with food'"),
        ("person food", "found 'person food'"),
        ("dish food nice", "found 'dish food nice'"),
    ):
        with pytest.raises(LexiconError, match=rf"^scene.txt:1: expected .*{told}"):
            declared(line(head))


def test_the_head_of_a_scene() -> None:
    assert header([Line("a:1", "scene", "court", "news 5, guide 1")]) == (
        "court", {"news": 5, "guide": 1}
    )  # fmt: skip
    for wrong in (Line("a:1", "scene", "court", "blog 5"), Line("a:1", "noun", "dish food", "x")):
        with pytest.raises(LexiconError, match=r"^a:1: a scene's file begins with 'scene NAME"):
            header([wrong])


def test_irregular_verbs_are_read_once_each() -> None:
    rows = [line.split()[0] for _, line in lexicon.lines(lexicon.FOLDER / "irregular.txt")]
    assert len(rows) == len(set(rows)) > 150
    assert lexicon.irregular()["sing"] == ("sang", "sung")
