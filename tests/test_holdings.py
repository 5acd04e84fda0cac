"""One's own files as examples: the splits that are given, and those that a hash makes."""

import re
from pathlib import Path

import handmade
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit import holdings, registry
from mtlkit.conllu import ConlluError
from mtlkit.examples import Example
from mtlkit.prose import bucket
from mtlkit.sources import CorpusError

TREES = {"format": "conllu", "tasks": [], "text": "text", "label": "label"}
SHEET = {**TREES, "format": "csv", "tasks": ["sentiment", "mlm"]}


def some(*words: str) -> list[Example]:
    return [Example(f"s{n}", tuple(word.split())) for n, word in enumerate(words)]


@given(st.lists(st.sampled_from(["a b", "A  b", "c", "d e f", "g", "h", "i j"]), max_size=40))
def test_a_hash_of_the_text_makes_the_splits(texts: list[str]) -> None:
    found = holdings.split({"train": some(*texts)})
    assert sum(map(len, found.values())) == len(texts)
    for side, examples in found.items():
        low, high = {"dev": (0, 10), "test": (10, 30), "train": (30, 100)}[side]
        assert all(low <= bucket(" ".join(e.words)) < high for e in examples)
    lowered = [{" ".join(e.words).lower() for e in side} for side in found.values()]
    assert not (lowered[0] & lowered[1] or lowered[0] & lowered[2] or lowered[1] & lowered[2])


def test_a_side_that_is_given_is_kept_and_takes_nothing() -> None:
    many = some(*(f"sentence {n}" for n in range(300)))
    whole = holdings.split({"train": many, "dev": some("x"), "test": some("y")})
    assert whole["train"] == tuple(many) and len(whole["dev"]) == len(whole["test"]) == 1
    tested = holdings.split({"train": many, "test": some("y")})
    alone = holdings.split({"train": many})
    assert tested["dev"] == alone["dev"] and len(tested["test"]) == 1
    kept = [e.id for side in ("train", "test") for e in alone[side]]
    assert sorted(e.id for e in tested["train"]) == sorted(kept)
    shares = [len(found) / 300 for found in alone.values()]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.06)


def test_a_treebank_and_a_sheet() -> None:
    trees = holdings.examples(handmade.treebank(2).encode(), "x", TREES, name="mine")
    assert [e.id for e in trees] == ["mine-1", "mine-2"], "their own ids may come twice"
    assert set(trees[0].labels) == {"pos", "xpos", "dep", "depth"} and trees[0].subset == "park"
    rows = holdings.examples(handmade.sheet(2).encode(), "x", SHEET, name="mine")
    assert [(e.id, e.labels) for e in rows] == [
        ("mine-2", {"sentiment": "plus"}),
        ("mine-3", {"sentiment": "minus"}),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "my.conllu:1: no sentence in the file; expected CoNLL-U"),
        (b"1\t\xff\n", "my.conllu:1: not UTF-8: byte 0xff; convert the file to UTF-8"),
        (handmade.treebank(2).replace("\t0\t", "\t9\t").encode(), "my.conllu:5: head of word 3 is"),
        (handmade.treebank(1)[:-5].encode(), "my.conllu:6: the file is cut off in mid-line"),
    ],
)
def test_a_damaged_treebank_is_named_with_its_place(data: bytes, message: str) -> None:
    with pytest.raises(ConlluError, match="^" + re.escape(message)):
        holdings.examples(data, "my.conllu", TREES, name="mine")


def test_a_file_that_was_changed_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTLKIT_OWN", str(tmp_path / "own"))
    (tmp_path / "a.conllu").write_text(handmade.treebank(40))
    folder = registry.add("mine", tmp_path / "a.conllu", tasks=("pos",)).folder
    assert {tuple(e.labels) for e in holdings.load("mine")["train"]} == {("pos",)}
    registry.remove("mine")
    registry.add("mine", tmp_path / "a.conllu")
    (folder / "train.conllu").write_text(handmade.treebank(41))
    with pytest.raises(CorpusError, match=r"is not the pinned file:\n  expected .*\n  found") as no:
        holdings.load("mine")
    cure = "it is your own: run mtlkit data remove mine, and add it again from your copy"
    assert str(no.value).endswith(f"It was changed or cut off. To replace it, {cure}")
