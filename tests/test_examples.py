"""Examples as a dataset, and in a file that is trusted only if it is the right one."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit.examples import Example, kept, label_values, to_dataset

EXAMPLES = (
    Example("a", ("Ada", "ran"), {"ner": ("B-PER", "O"), "dep": ((2, "nsubj"), (0, "root"))}),
    Example("b", ("no",), {"ner": ("O",), "stype": "intj", "dep": ((0, "root"),)}, "news"),
)


def never() -> tuple[Example, ...]:
    raise AssertionError("made, though it was kept")


def test_label_values() -> None:
    assert label_values("ner", EXAMPLES) == ("B-PER", "I-PER", "O")
    assert label_values("dep", EXAMPLES) == ("nsubj", "root")
    assert label_values("stype", EXAMPLES) == ("intj",)


def test_to_dataset() -> None:
    table = to_dataset(EXAMPLES)
    assert table["id"][:] == ["a", "b"] and table["subset"][:] == ["", "news"]
    assert table["words"][:] == [["Ada", "ran"], ["no"]]
    tags = table.features["ner"].feature
    assert tags.names == ["B-PER", "I-PER", "O"]
    assert [tags.int2str(row) for row in table["ner"]] == [["B-PER", "O"], ["O"]]
    assert table["dep_head"][:] == [[2, 0], [0]]
    relations = table.features["dep_relation"].feature
    assert [relations.int2str(row) for row in table["dep_relation"]] == [
        ["nsubj", "root"],
        ["root"],
    ]
    assert table["stype"][:] == [None, 0]
    assert table.features["stype"].names == ["intj"]


words = st.lists(st.text(), min_size=1, max_size=4).map(tuple)
labels = st.fixed_dictionaries(
    {},
    optional={
        "pos": words,
        "dep": st.lists(st.tuples(st.integers(0, 9), st.text()), max_size=4).map(tuple),
        "stype": st.text(),
    },
)
examples = st.lists(st.builds(Example, st.text(), words, labels, st.text()), max_size=3).map(tuple)


@given(examples=examples, key=st.text())
def test_what_is_kept_comes_back(
    examples: tuple[Example, ...], key: str, tmp_path_factory: Any
) -> None:
    file = tmp_path_factory.mktemp("kept") / "world" / "train.jsonl"
    assert kept(file, key, lambda: examples) == examples
    assert kept(file, key, never) == examples
    assert {path.name for path in file.parent.iterdir()} == {"train.jsonl", "train.lock"}


def test_one_makes_it_while_the_others_wait(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> tuple[Example, ...]:
        made.append(1)
        time.sleep(0.2)
        return EXAMPLES

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: kept(tmp_path / "train.jsonl", "key", make), range(4)))
    assert found == [EXAMPLES] * 4 and len(made) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data.replace(b"Ada", b"Eve"),
        lambda data: data.partition(b"\n")[2],
        lambda data: b"\xff" + data,
    ],
    ids=["empty", "cut off", "edited", "without its seal", "no text"],
)
def test_a_damaged_file_is_made_anew(damage: Any, tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    kept(file, "key", lambda: EXAMPLES)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert kept(file, "key", lambda: EXAMPLES) == EXAMPLES
    assert file.read_bytes() == whole


def test_a_file_of_another_key_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    kept(file, "key", lambda: EXAMPLES)
    assert kept(file, "other", lambda: EXAMPLES[:1]) == EXAMPLES[:1]
    assert kept(file, "other", never) == EXAMPLES[:1]


def test_where_nothing_can_be_kept_it_is_made_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "world").write_text("a file where the folder would be")
    file = tmp_path / "world" / "train.jsonl"
    assert kept(file, "key", lambda: EXAMPLES) == EXAMPLES
    assert [path.name for path in tmp_path.iterdir()] == ["world"]
    [said] = caplog.messages
    assert said.startswith(f"cannot keep {file} (") and said.endswith("make its folder writable")
