"""The command choose: an answer with its reasons and doubts, or a clear word why there is none."""

import io
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mtlkit.__main__ import main
from mtlkit.advice import NUMBERS, PLACES
from mtlkit.choosing import COLUMNS
from mtlkit.profiles import PROFILES
from mtlkit.routes import Route

TARGETS = (("ner", 2, 0.3), ("dep", 2, 0.5), ("pos", 2, 0.6), ("cr", 1, math.nan))
GIVEN = ["--labels", "300", "--support", "3000", "--tasks", "2", "--relatedness", "0.4"]
Answer = Callable[..., str]


def write(path: Path, best: Callable[[int], str]) -> Path:
    """A table of cells in which the best family, for so many labels, has 4 points more."""
    rows = []
    for (name, tasks, related), labels in itertools.product(TARGETS, (100, 300, 1000)):
        for seed, family in itertools.product(range(5), ("single", "joint", "combined")):
            score = 50 + seed + 4.0 * (family == best(labels))
            rows.append((name, "gum", labels, 3000, tasks, related, family, seed, score))
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    return path


def by_size(labels: int) -> str:
    return "joint" if labels < 500 else "combined"


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    return write(tmp_path / "cells.csv", by_size)


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Run the command, which must end with this code; what it says, errors included."""

    def run(code: int, *arguments: object) -> str:
        capsys.readouterr()
        assert main(["choose", *map(str, arguments)]) == code
        said = capsys.readouterr()
        assert (said.err == "") == (code == 0)
        return said.out + said.err

    return run


def test_an_answer_with_reasons_and_doubts(cells: Path, answer: Answer) -> None:
    said = answer(0, *GIVEN, "--cells", cells)
    blocks = said.split("\n\n")
    assert blocks[0] == (
        "Try first: joint, support + target\n  minilm > support1:3000+support2:3000+target:300"
    )
    assert blocks[1] == "Why:\n  Fewer than 550 labelled sentences of your target? yes"
    evidence = blocks[2].splitlines()
    assert evidence[0] == "Evidence: 8 cells of 4 targets (cr, dep, ner, pos), 5 seeds"
    assert evidence[1] == "  joint avoids +8.3 % [+8.0, +8.7] of the errors of single"
    assert evidence[2] == "  combined avoids +0.0 % [+0.0, +0.0] of the errors of single"
    assert evidence[3:] == [
        "  the best one was chosen for being best, so expect less than that",
        f"  from {cells}",
    ]
    doubts = [" ".join(line.split()) for line in blocks[3].splitlines()]
    assert doubts[1:4] == [
        "chart 12 of 12 cells 100 % [74, 100] on average 0.00 points below the best",
        "always the same 8 of 12 cells 67 % [35, 90] on average 1.33 points below the best",
        "size rule 8 of 12 cells 67 % [35, 90] on average 1.33 points below the best",
    ]
    assert doubts[4:] == [
        "the chart is better than always the same (+1.33 points [+1.33, +1.33])",
        "(points: interval over seeds, for these 4 targets)",
    ]
    assert blocks[4] == "Then try: single, target\n  minilm > target:300\n"
    assert "Warning" not in said


def test_the_other_side_of_the_question(cells: Path, answer: Answer) -> None:
    said = answer(0, "--labels", 900, *GIVEN[2:], "--cells", cells)
    assert "Try first: combined, support > target\n" in said
    assert "minilm > support1:3000+support2:3000 > target:900\n" in said
    assert "of your target? no\n" in said


def test_the_route_can_be_read(cells: Path, answer: Answer) -> None:
    """With names of tasks in the places of support1, support2 and target."""
    said = answer(0, *GIVEN, "--cells", cells).splitlines()[1].strip()
    for place, name in (("support1", "pos"), ("support2", "dep"), ("target", "ner")):
        said = said.replace(place, name)
    assert str(Route.parse(said)) == "minilm > pos:3000+dep:3000+ner:300"
    said = answer(0, *GIVEN[:4], "--tasks", 9, *GIVEN[6:], "--cells", cells)
    assert "minilm > support1:3000+...+support9:3000+target:300" in said


def test_a_chart_that_is_no_better_says_so(tmp_path: Path, answer: Answer) -> None:
    cells = write(tmp_path / "cells.csv", lambda labels: "none")
    said = answer(0, *GIVEN, "--cells", cells)
    assert "Try first: single, target\n  minilm > target:300\n" in said
    assert "Why:\n  no question helped: the chart has one answer for all\n" in said
    assert "  neither avoids enough for it to be tried first\n" in said
    assert (
        "  the chart is no better than always the same (+0.00 points [+0.00, +0.00]), as far as "
        "can be told:\n  to take single for every target is as good a rule\n"
    ) in said


def test_a_chart_that_is_worse_says_so(tmp_path: Path, answer: Answer) -> None:
    """What holds for the other targets is very wrong for one."""
    cells = write(tmp_path / "cells.csv", by_size)
    frame = pd.read_csv(cells)
    other = (frame.target == "ner") & (frame.labels == 1000) & (frame.family == "combined")
    frame.loc[other, "score"] -= 40
    frame.to_csv(cells, index=False)
    said = answer(0, *GIVEN, "--cells", cells)
    assert "the chart is worse than always the same (-" in said and ": take joint instead\n" in said


def test_numbers_that_were_not_measured(cells: Path, answer: Answer) -> None:
    said = answer(
        0, "--labels", 5000, "--support", 50, "--tasks", 3, "--relatedness", 1, "--cells", cells
    )
    assert said.split("\n\n")[1].splitlines() == [
        "Warning: outside what was measured, so that the answer is a guess:",
        "  --labels 5,000: measured 100 to 1,000",
        "  --support 50: measured 3,000 only",
        "  --tasks 3: measured 1 to 2",
        "  --relatedness 1.00: measured 0.30 to 0.60",
    ]
    assert "Warning" not in answer(0, *GIVEN[:6], "--relatedness", "unknown", "--cells", cells)
    frame = pd.read_csv(cells)
    frame[frame.target != "cr"].to_csv(cells, index=False)
    said = answer(0, *GIVEN[:6], "--relatedness", "unknown", "--cells", cells)
    assert "  --relatedness unknown: measured 0.30 to 0.60; it counts as 0\n" in said
    frame[frame.target == "cr"].to_csv(cells, index=False)
    said = answer(0, *GIVEN, "--cells", cells)
    assert "  --relatedness 0.40: measured nowhere\n" in said
    assert "How sure: not known; one target was measured, and none is left to test on\n" in said


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder is a checkout without results."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("place", PLACES)
def test_published_tables(place: str, checkout: Path, answer: Answer) -> None:
    profile = PLACES[place]
    path = checkout / "figures" / profile / "tables" / "09_cells.csv"
    assert answer(1, *GIVEN, "--on", place) == (
        f"mtlkit: {path} is not there: lesson 09 writes it; run mtlkit study --profile {profile} "
        "--only 09, or give another table with --cells FILE.csv\n"
    )
    write(path, by_size)
    said = answer(0, *GIVEN, "--on", place)
    assert f"  {PROFILES[profile].pretrained} > support1:3000+" in said and f"from {path}" in said
    assert answer(0, *GIVEN) if place == "real" else answer(1, *GIVEN)


def test_what_is_missing_is_named(
    cells: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert answer(2, *GIVEN[2:6], "--cells", cells) == (
        "mtlkit: missing, and there is no terminal to ask at:\n"
        "  --labels: labelled sentences of your target\n"
        "  --relatedness: what the support labels tell of the target's: 0 to 1, or unknown\n"
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_missing_is_asked_for(
    cells: Path, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("a few\n 300 \n3000\n2\nsome\nunknown\n"))
    said = answer(0, "--cells", cells)
    assert said.startswith(
        "Labelled sentences of your target: expected a whole number, 1 or more, found 'a few'\n"
        "Labelled sentences of your target: Labelled sentences of each support task: "
    )
    assert "expected a number from 0 to 1, or unknown, found 'some'\n" in said
    assert "minilm > support1:3000+support2:3000+target:300" in said
    monkeypatch.setattr("sys.stdin", Terminal(""))
    said = answer(2, *GIVEN[2:], "--cells", cells)
    assert "mtlkit: no answer: give --labels, labelled sentences of your target\n" in said


@pytest.mark.parametrize(
    ("flag", "value", "text"),
    [
        ("--labels", "0", "expected a whole number, 1 or more, found '0'"),
        ("--tasks", "1.5", "expected a whole number, 1 or more, found '1.5'"),
        ("--relatedness", "2", "expected a number from 0 to 1, or unknown, found '2'"),
        ("--on", "paper", "invalid choice: 'paper'"),
    ],
)
def test_bad_usage(flag: str, value: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["choose", flag, value])
    assert stop.value.code == 2 and text in capsys.readouterr().err


def test_a_table_that_is_not_whole(tmp_path: Path, answer: Answer) -> None:
    (tmp_path / "cells.csv").write_text("target,score\nner,1\n")
    said = answer(1, *GIVEN, "--cells", tmp_path / "cells.csv")
    assert f"mtlkit: {tmp_path / 'cells.csv'}: the table of cells has no column ['corpus'," in said
    assert "no such file" in answer(1, *GIVEN, "--cells", tmp_path / "none.csv").lower()


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["choose", "--help"])
    text = capsys.readouterr().out
    assert "Examples:\n  mtlkit choose" in text and "combined  support > target" in text
    assert all(f"--{name}" in text for name in NUMBERS)
