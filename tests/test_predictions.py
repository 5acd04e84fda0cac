"""Guesses are kept where the reader is, the first one counts, and no guess leaves nothing."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mtlkit.predictions import COLUMNS, Guesses, PredictionError, everything

OPTIONS = ("single", "joint", "undecided")


def test_a_guess_is_kept_and_compared(tmp_path: Path) -> None:
    guesses = Guesses("04", tmp_path)
    said = guesses.ask("winner", options=OPTIONS, guess="joint", sure=0.6)
    assert str(said) == "*winner*: you guess joint (60 % sure)."
    told = guesses.reveal("winner", "single")
    assert told._repr_markdown_() == repr(told)
    assert str(told) == "*winner*: you guessed joint (60 % sure); the runs say single."
    right = guesses.ask("gap", options=("larger", "smaller"), guess="larger")
    assert str(right) == "*gap*: you guess larger."
    assert str(guesses.reveal("gap", "larger")) == (
        "*gap*: you guessed larger, and so say the runs."
    )
    assert json.loads((tmp_path / "04.json").read_text(encoding="utf-8")) == {
        "winner": {"options": [*OPTIONS], "guess": "joint", "sure": 0.6, "outcome": "single"},
        "gap": {
            "options": ["larger", "smaller"], "guess": "larger", "sure": None, "outcome": "larger",
        },
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["04.json"]


def test_no_guess_leaves_nothing(tmp_path: Path) -> None:
    guesses = Guesses("04", tmp_path / "guesses")
    said = guesses.ask("winner", options=OPTIONS, guess=None, sure=None)
    assert str(said) == (
        "*winner*: no guess. To make one, set `guess` to 'single', 'joint', 'undecided'."
    )
    assert str(guesses.reveal("winner", "joint")) == (
        "*winner*: you made no guess; the runs say joint."
    )
    assert not (tmp_path / "guesses").exists()


def test_a_notebook_without_a_guess_says_the_same_whatever_is_kept(tmp_path: Path) -> None:
    before = Guesses("04", tmp_path)
    before.ask("winner", options=OPTIONS, guess="joint", sure=1)
    kept = (tmp_path / "04.json").read_bytes()
    guesses = Guesses("04", tmp_path)
    guesses.ask("winner", options=OPTIONS)
    assert "you made no guess" in str(guesses.reveal("winner", "joint"))
    assert (tmp_path / "04.json").read_bytes() == kept


def test_a_guess_may_change_until_the_outcome_is_shown(tmp_path: Path) -> None:
    guesses = Guesses("04", tmp_path)
    guesses.ask("winner", options=OPTIONS, guess="joint", sure=0.5)
    guesses.ask("winner", options=OPTIONS, guess="single", sure=0.9)
    assert "you guessed single (90 % sure)" in str(guesses.reveal("winner", "joint"))
    again = Guesses("04", tmp_path)  # the notebook is run once more, by one who knows
    said = again.ask("winner", options=OPTIONS, guess="joint", sure=1.0)
    assert str(said) == (
        "*winner*: the outcome has been shown, and your first guess counts: single (90 % sure)."
    )
    assert str(again.reveal("winner", "joint")) == (
        "*winner*: you guessed single (90 % sure); the runs say joint. The first guess counts."
    )
    assert everything(tmp_path)[["guess", "sure"]].values.tolist() == [["single", 0.9]]
    same = again.ask("winner", options=OPTIONS, guess="single", sure=0.9)
    assert str(same) == "*winner*: you guessed single (90 % sure)."
    assert "first" not in str(again.reveal("winner", "joint"))


def test_other_options_are_another_question(tmp_path: Path) -> None:
    guesses = Guesses("04", tmp_path)
    guesses.ask("winner", options=OPTIONS, guess="joint")
    guesses.reveal("winner", "joint")
    guesses.ask("winner", options=("joint", "combined"), guess="combined", sure=0.5)
    assert everything(tmp_path).guess.tolist() == ["combined"]
    assert everything(tmp_path).outcome.isna().all()


def test_everything_is_tidy(tmp_path: Path) -> None:
    empty = everything(tmp_path / "none")
    assert tuple(empty.columns) == COLUMNS and empty.empty
    for lesson, guess, outcome in (("07", "joint", "single"), ("03", "joint", "joint")):
        guesses = Guesses(lesson, tmp_path)
        guesses.ask("winner", options=OPTIONS, guess=guess, sure=0.75)
        guesses.reveal("winner", outcome)
    Guesses("08", tmp_path).ask("winner", options=OPTIONS, guess="single")
    frame = everything(tmp_path)
    assert frame.lesson.tolist() == ["03", "07", "08"]
    assert frame.options.tolist() == [OPTIONS] * 3
    assert frame.right.tolist() == [True, False, pd.NA]
    assert frame.sure.tolist()[:2] == [0.75, 0.75] and math.isnan(frame.sure[2])
    assert frame.outcome.tolist()[:2] == ["joint", "single"] and pd.isna(frame.outcome[2])


def test_guesses_lie_in_the_runs_of_the_course(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path / "notebooks")
    guesses = Guesses("04")
    assert repr(guesses) == "Guesses('04'), kept in guesses/04.json"
    guesses.ask("winner", options=OPTIONS, guess="joint")
    assert (tmp_path / "runs" / "guesses" / "04.json").is_file()
    assert everything().key.tolist() == ["winner"]


@pytest.mark.parametrize(
    ("key", "asked", "message"),
    [
        ("a b", {}, r"key is 'a b': expected a word, e\.g\. 'winner'"),
        ("w", {"options": ("joint",)}, r"w: options are \('joint',\): expected two or more"),
        ("w", {"options": ("a", "a")}, r"w: options are \('a', 'a'\): expected two or more diff"),
        ("w", {"options": "joint"}, "w: options are 'joint': expected two or more"),
        ("w", {"options": ("a", 2)}, r"w: options are \('a', 2\): expected"),
        ("w", {"guess": "both"}, "w: guess is 'both': expected one of 'single', 'joint', 'undec"),
        ("w", {"sure": 0.5}, "w: sure is 0.5, but there is no guess: expected one of 'single'"),
        ("w", {"guess": "joint", "sure": 60}, r"w: sure is 60: expected a number from 0\.34 \(ch"),
        ("w", {"guess": "joint", "sure": 0.2}, r"w: sure is 0\.2: .*chance, with 3 options\) to 1"),
        ("w", {"guess": "joint", "sure": True}, "w: sure is True: expected a number"),
        ("w", {"guess": "joint", "sure": "60 %"}, "w: sure is '60 %': expected a number"),
        ("w", {"guess": "joint", "sure": math.nan}, "w: sure is nan: expected a number"),
    ],
)
def test_what_cannot_be_is_named(
    key: str, asked: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(PredictionError, match=message):
        Guesses("04", tmp_path).ask(key, **{"options": OPTIONS, **asked})
    assert not list(tmp_path.iterdir())


def test_outcomes_that_cannot_be_are_named(tmp_path: Path) -> None:
    guesses = Guesses("04", tmp_path)
    with pytest.raises(PredictionError, match=r"w: outcome of a question .* was nothing yet\. Run"):
        guesses.reveal("w", "joint")
    guesses.ask("winner", options=OPTIONS)
    with pytest.raises(PredictionError, match=r"not asked; asked was 'winner'. Run the cell with "):
        guesses.reveal("w", "joint")
    with pytest.raises(PredictionError, match="winner: outcome is 'higher': expected one of 'sin"):
        guesses.reveal("winner", "higher")
    with pytest.raises(PredictionError, match="lesson is '4': expected its two digits"):
        Guesses("4", tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"w": 1}', '{"w": {"guess": "a"}}'])
def test_a_broken_file_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "04.json").write_text(text)
    with pytest.raises(PredictionError, match=r"04\.json: not a file of guesses.*delete it"):
        everything(tmp_path)
    with pytest.raises(PredictionError, match=r"04\.json: not a file of guesses"):
        Guesses("04", tmp_path).ask("w", options=OPTIONS, guess="joint")
    Guesses("04", tmp_path).ask("w", options=OPTIONS)  # no guess needs no file


def test_a_guess_whose_file_was_deleted_is_kept_again(tmp_path: Path) -> None:
    guesses = Guesses("04", tmp_path)
    guesses.ask("w", options=OPTIONS, guess="joint", sure=0.5)
    (tmp_path / "04.json").unlink()
    assert "you guessed joint (50 % sure), and so" in str(guesses.reveal("w", "joint"))
    assert everything(tmp_path).right.tolist() == [True]
