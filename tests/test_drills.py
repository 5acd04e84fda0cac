"""The command cards: what is missed comes back, whoever answers may stop at any time."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mtlkit import drills, glossary
from mtlkit.__main__ import main

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TERMS = [term.term for term in glossary.of("10")]
Session = Callable[..., list[str]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state" / "answers.json"


@pytest.fixture
def session(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Session:
    """Lines of a session about lesson 10 in which these lines are typed, some days after NOW."""

    def run(typed: str, *arguments: str, days: float = 0) -> list[str]:
        monkeypatch.setattr(drills, "_now", lambda: NOW + timedelta(days=days))
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        capsys.readouterr()
        assert main(["cards", "--lesson", "10", "--state", str(state), *arguments]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        return said.out.splitlines()

    return run


def asked(lines: list[str]) -> list[str]:
    """The terms of a session, in order."""
    found = (re.match(r"(.+)  \(\d+ left, Enter shows the answer\) $", line) for line in lines)
    return [each[1] for each in found if each]


def test_a_card_shows_first_the_term_and_then_its_definition(session: Session) -> None:
    lines = session("\ny\n", "--new", "1")
    term = glossary.of("10")[0]
    assert lines[0] == "1 card: 0 to repeat, 1 new. q ends."
    assert lines[2] == f"{term.term}  (1 left, Enter shows the answer) "
    end = lines.index("Knew it? y/n ")
    assert " ".join(line.strip() for line in lines[3:end]) == term.definition
    assert lines[-3:] == [
        "1 card answered: 1 known at once, 0 missed",
        "Of 6 cards: 5 new, 0 due now",
        "The next one is due in 2 days",
    ]


def test_a_formula_is_shown(session: Session) -> None:
    lines = session("\ny\n" * 6)
    assert any(line.startswith("    p(y = 1") for line in lines)


def test_what_was_missed_is_asked_again_at_the_end(session: Session) -> None:
    lines = session("\nn\n\nYes\n\ny\n", "--new", "2")
    assert asked(lines) == [TERMS[0], TERMS[1], TERMS[0]]
    assert lines[-4:-2] == [
        "2 cards answered: 1 known at once, 1 missed",
        f"    missed: {TERMS[0]}",
    ]


def test_nothing_is_asked_for_ever(session: Session) -> None:
    assert asked(session("\nn\n" * 50, "--new", "1")) == [TERMS[0]] * drills.ASKED


def test_a_later_session_repeats_what_is_due_and_goes_on(session: Session) -> None:
    session("\nn\nq\n", "--new", "2")
    again = session("", "--new", "0", days=0.001)
    assert again == [
        "Nothing is due now.", "Of 6 cards: 5 new, 0 due now",
        "The next one is due in 9 minutes",
    ]  # fmt: skip
    lines = session("\ny\n\ny\n", "--new", "1", days=1)
    assert lines[0] == "2 cards: 1 to repeat, 1 new. q ends."
    assert asked(lines) == TERMS[:2]
    later = session("", "--new", "0", days=1.01)
    assert later[0] == "Nothing is due now."


def test_without_new_ones_there_may_be_nothing(session: Session) -> None:
    assert session("", "--new", "0") == ["Nothing is due now.", "Of 6 cards: 6 new, 0 due now"]


@pytest.mark.parametrize("typed", ["", "q\n", "\n", "\nq\n", "\nwhat?\nq\n", "\nQUIT\n"])
def test_the_end_is_possible_anywhere_and_polite(typed: str, session: Session, state: Path) -> None:
    lines = session(typed)
    assert lines[-2:] == [
        "0 cards answered: 0 known at once, 0 missed",
        "Of 6 cards: 6 new, 0 due now",
    ]
    assert ("y if you knew it, n if not, q to end" in lines) == ("what" in typed)
    assert not state.exists()


def test_answers_before_the_end_are_kept(session: Session, state: Path) -> None:
    lines = session("\ny\n\nn\n\n")
    assert lines[-4] == "2 cards answered: 1 known at once, 1 missed"
    kept = json.loads(state.read_text())["answers"]
    slugs = [term.slug for term in glossary.of("10")][:2]
    assert sorted(kept) == sorted(f"card/{slug}" for slug in slugs)


def test_a_damaged_file_is_said_and_kept(session: Session, state: Path) -> None:
    state.parent.mkdir()
    state.write_text("{")
    lines = session("\ny\n", "--new", "1")
    assert lines[0].startswith(f"{state} is damaged (")
    (aside,) = (path for path in state.parent.iterdir() if path != state)
    assert aside.read_text() == "{" and f"set aside as {aside.name}" in lines[0]


def test_a_process_reads_lines_that_are_no_terminal(tmp_path: Path, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mtlkit", "cards", "--lesson", "3", "--state", "s.json"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(root)}, input="\ny\n\nn\n",
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 cards answered: 1 known at once, 1 missed\n" in done.stdout
    assert (tmp_path / "s.json").is_file()


# ---- the list, and exports


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cards", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line[0] != " "] == [
        term.term for term in glossary.terms().values()
    ]
    assert max(map(len, lines)) <= drills.WIDTH


@pytest.mark.parametrize("name", ["terms.apkg", "terms.csv"])
def test_an_export_has_every_term(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, terms = tmp_path / name, glossary.of("06")
    assert main(["cards", "--lesson", "06", "--export", str(out)]) == 0
    assert capsys.readouterr().out == f"{len(terms)} cards in {out}\n"
    if name.endswith("apkg"):
        database = zipfile.ZipFile(out).read("collection.anki2")
        assert all(f"card/{term.slug}".encode() in database for term in terms)
        return
    with out.open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert list(rows) == [f"card/{term.slug}" for term in terms]
    row, term = rows["card/pcgrad"], glossary.terms()["pcgrad"]
    assert (row["front"], row["tags"]) == ("PCGrad", "lesson-06")
    assert row["back"] == f"{term.definition}\n\n$${term.formula}$$"


@pytest.mark.parametrize(
    "arguments, code, text",
    [
        (["--lesson", "77"], 2, "mtlkit: no terms for lesson '77': there are 00, 01"),
        (["--lesson", "one"], 2, "mtlkit: no terms for lesson 'one': there are 00"),
        (["--export", "a.txt"], 2, "mtlkit: --export a.txt: expected a name as in terms.apkg or"),
        (["--export", "folder.csv"], 2, "mtlkit: --export folder.csv is a folder: choose another"),
        (["--state", "folder.csv"], 1, "mtlkit: cannot read folder.csv (Is a directory); check it"),
        (["--export", "a.csv", "--list"], 2, "not allowed with argument --export"),
        (["--new", "-1"], 2, "argument --new: expected a whole number, 0 or more, found '-1'"),
    ],
)
def test_bad_usage_is_said(
    arguments: list[str], code: int, text: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    try:
        found = main(["cards", *arguments])
    except SystemExit as stop:  # argparse
        found = stop.code
    assert found == code and text in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


@pytest.mark.parametrize(
    "seconds, text",
    [(1, "1 minute"), (600, "10 minutes"), (3500, "1 hour"), (7300, "2 hours"),
     (86000, "1 day"), (200000, "2 days")],
)  # fmt: skip
def test_times_in_words(seconds: float, text: str) -> None:
    assert drills._span(seconds) == text
