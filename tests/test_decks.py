"""Decks: what is read back from them is what went in, and a newer deck updates an older one."""

import csv
import io
import json
import os
import re
import sqlite3
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit import decks
from mtlkit.decks import Card, DeckError, Question

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CARDS = [
    Card("card/a", "adapter", "A <narrow> network & more: $x < 1$", ("lesson-03", "lesson-05")),
    ("card/b", "BIO", "Tags that write spans\nword by word.", ()),
]
QUESTION = Question(
    "04/1", "Which one?", ("the *head*", "`trunk`", "both"), 1, ("No.", "**Right**.", ""), ("quiz",)
)


def opened(path: Path, tmp_path: Path) -> dict[str, Any]:
    """The tables of an Anki package, read with nothing but zip and SQLite."""
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["collection.anki2", "media"]
        assert archive.testzip() is None and json.loads(archive.read("media")) == {}
        (tmp_path / "database").write_bytes(archive.read("collection.anki2"))
    connection = sqlite3.connect(tmp_path / "database")
    try:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        rows = connection.execute("select guid, mid, mod, tags, flds from notes order by id")
        notes = [
            {"guid": guid, "model": model, "mod": mod, "tags": tags.split(), "fields": fields}
            for guid, model, mod, tags, flds in rows
            for fields in [flds.split("\x1f")]
        ]
        cards = connection.execute("select nid, did from cards").fetchall()
        models, made = connection.execute("select models, decks from col").fetchone()
    finally:
        connection.close()
    return {"notes": notes, "cards": cards, "models": json.loads(models), "decks": json.loads(made)}


def test_a_package_holds_what_went_in(tmp_path: Path) -> None:
    path = tmp_path / "out" / "deck.apkg"
    assert decks.write(path, title="A::B", now=NOW, cards=CARDS, questions=[QUESTION]) == 3
    found = opened(path, tmp_path)
    assert [note["fields"] for note in found["notes"]] == [
        ["adapter", r"A &lt;narrow&gt; network &amp; more: \(x &lt; 1\)", "card/a"],
        ["BIO", "Tags that write spans<br>word by word.", "card/b"],
        [
            "Which one?<br><br>a) the <i>head</i><br>b) <code>trunk</code><br>c) both",
            "<b>b) <code>trunk</code></b><br><br>a) No.<br>b) <b>Right</b>.",
            "04/1",
        ],
    ]
    assert [note["tags"] for note in found["notes"]] == [["lesson-03", "lesson-05"], [], ["quiz"]]
    (deck,) = (deck for deck in found["decks"].values() if deck["name"] == "A::B")
    assert [did for _, did in found["cards"]] == [deck["id"]] * 3
    (model,) = found["models"].values()
    assert [field["name"] for field in model["flds"]] == ["Front", "Back", "Id"]
    assert {note["model"] for note in found["notes"]} == {int(model["id"])}
    assert 2**30 <= deck["id"] < 2**31 and 2**30 <= int(model["id"]) < 2**31


def test_a_newer_deck_updates_the_older_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one.apkg", tmp_path / "two.apkg"
    decks.write(one, title="A", now=NOW, cards=CARDS)
    changed = [Card("card/b", "BIO", "Another text."), Card("card/new", "new", "text")]
    decks.write(two, title="A", now=NOW + timedelta(days=1), cards=changed)
    before, after = opened(one, tmp_path), opened(two, tmp_path)
    assert before["notes"][1]["guid"] == after["notes"][0]["guid"]
    assert before["notes"][1]["mod"] < after["notes"][0]["mod"], "else Anki keeps the old text"
    assert before["models"].keys() == after["models"].keys()
    assert before["decks"].keys() == after["decks"].keys()
    guids = {note["guid"] for deck in (before, after) for note in deck["notes"]}
    assert len(guids) == 3


def test_ids_stay_what_they_are_for_ever(tmp_path: Path) -> None:
    """Else everyone who imported an older deck has each note twice."""
    path = tmp_path / "deck.apkg"
    decks.write(path, title="mtlkit", now=NOW, cards=[Card("card/adapter", "a", "b")])
    found = opened(path, tmp_path)
    assert found["notes"][0]["guid"] == "rfKNDIAi}g"
    assert list(found["models"]) == ["1392696188"]
    assert set(found["decks"]) == {"1", "1076751997"}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        for suffix in decks.FORMATS:
            decks.write(tmp_path / f"{name}{suffix}", title="A", now=NOW, cards=CARDS)
    for suffix in decks.FORMATS:
        one, two = (tmp_path / f"{name}{suffix}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_no_copy_stays_among_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    decks.write(tmp_path / "deck.apkg", title="A", now=NOW, cards=CARDS)
    assert not os.listdir(tmp_path / "tmp")
    assert sorted(os.listdir(tmp_path)) == ["deck.apkg", "tmp"]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0\x1f"), min_size=1).filter(
    str.strip
)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, unique_by=lambda each: each[0]))
def test_a_table_holds_what_went_in(
    tmp_path_factory: pytest.TempPathFactory, sides: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "deck.csv"
    cards = [Card(*each, ("a", "b")) for each in sides]
    assert decks.write(path, title="A", now=NOW, cards=cards) == len(cards)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["front"], row["back"]) for row in rows] == sides
    assert {(row["kind"], row["tags"]) for row in rows} == {("card", "a b")}


@given(TEXT, TEXT)
def test_any_text_survives_in_a_package(
    tmp_path_factory: pytest.TempPathFactory, front: str, back: str
) -> None:
    folder = tmp_path_factory.mktemp("package")
    decks.write(folder / "deck.apkg", title="A", now=NOW, cards=[Card("a", front, back)])
    ((found, _, _),) = (note["fields"] for note in opened(folder / "deck.apkg", folder)["notes"])
    if not set(front) & set("$`*"):
        escaped = front.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert found == escaped.replace("\n", "<br>")
    assert set(re.findall(r"<[^>]*>", found)) <= {
        f"<{tag}>" for tag in ("br", "b", "/b", "i", "/i", "code", "/code")
    }


def test_a_question_in_a_table(tmp_path: Path) -> None:
    decks.write(tmp_path / "q.csv", title="A", now=NOW, questions=[tuple(QUESTION)])
    text = (tmp_path / "q.csv").read_text(encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row == {
        "id": "04/1",
        "kind": "question",
        "front": "Which one?\n\na) the *head*\nb) `trunk`\nc) both",
        "back": "**b) `trunk`**\n\na) No.\nb) **Right**.",
        "tags": "quiz",
    }


@pytest.mark.parametrize(
    "text, shown",
    [
        ("a $x_1 * y * z$ b", r"a \(x_1 * y * z\) b"),
        ("$$a < b$$", r"\[a &lt; b\]"),
        ("5 $ and no more", "5 $ and no more"),
        ("$5 for one, $6 for two", "$5 for one, $6 for two"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("*one* and **two**", "<i>one</i> and <b>two</b>"),
        ("`a*b*c` & d", "<code>a*b*c</code> &amp; d"),
        ("**joint `a` $b$**", r"<b>joint <code>a</code> \(b\)</b>"),
        ("<script>", "&lt;script&gt;"),
        ("a*b*c", "a*b*c"),
    ],
)
def test_marks_of_a_text(text: str, shown: str, tmp_path: Path) -> None:
    decks.write(tmp_path / "a.apkg", title="A", now=NOW, cards=[Card("a", "front", text)])
    assert opened(tmp_path / "a.apkg", tmp_path)["notes"][0]["fields"][1] == shown


@pytest.mark.parametrize(
    "name, arguments, text",
    [
        ("a.txt", {"cards": CARDS}, "a.txt ends in '.txt': expected one of .apkg, .csv"),
        ("a", {"cards": CARDS}, "a ends in '': expected one of .apkg, .csv"),
        ("a.csv", {}, "there are no cards and no questions to write"),
        ("a.csv", {"cards": CARDS * 2}, "card 'card/a' is there twice: give each its own id"),
        ("a.csv", {"cards": [("a", " ", "b", ())]}, "card 'a' has an empty side"),
        ("a.csv", {"cards": [("a", "b", "c", ("x y",))]},
         "card 'a': tag 'x y' is empty or has a space; use a hyphen"),
        ("a.csv", {"questions": [QUESTION._replace(right=3)]},
         "question '04/1': right is 3: expected a place from 0 to 2"),
        ("a.csv", {"questions": [QUESTION._replace(options=("a",))]},
         "question '04/1' has 1 options: expected 2 to 26"),
        ("a.csv", {"questions": [QUESTION._replace(explanations=("a",))]},
         "question '04/1' has 3 options and 1 explanations"),
        ("a.csv", {"cards": [("04/1", "b", "c", ())], "questions": [QUESTION]},
         "question '04/1' is there twice: give each its own id"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_said(
    name: str, arguments: dict[str, Any], text: str, tmp_path: Path
) -> None:
    with pytest.raises(DeckError) as caught:
        decks.write(tmp_path / name, title="A", now=NOW, **arguments)
    assert str(caught.value).endswith(text)
    assert not list(tmp_path.iterdir())
