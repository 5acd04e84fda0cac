"""Guesses: what a reader expects before a figure is shown, and what the runs say.

They are kept in the reader's copy of the course, ``runs/guesses/NN.json``, and go nowhere else.
A question that is left open (`guess=None`) leaves nothing there.
"""

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from mtlkit.results import find_root, write_atomically
from mtlkit.verdicts import guessed

__all__ = ["COLUMNS", "Guesses", "PredictionError", "Sentence", "everything"]

COLUMNS = ("lesson", "key", "options", "guess", "sure", "outcome", "right")

Kept = dict[str, dict[str, Any]]
"""Key of a question -> its options, guess, sure, and outcome, which is null until it is shown."""


class PredictionError(ValueError):
    """A question, a guess or an outcome that cannot be one."""


@dataclass(frozen=True)
class Sentence:
    """One sentence or two in Markdown, as a notebook shows them."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text


class Guesses:
    """The questions of one lesson.

    `lesson`: its two digits.  `folder`: where guesses are kept; without it, ``runs/guesses`` of the
    course that the working folder lies in.
    """

    def __init__(self, lesson: str, folder: str | os.PathLike[str] | None = None) -> None:
        if not re.fullmatch(r"\d\d", lesson):
            raise PredictionError(f"lesson is {lesson!r}: expected its two digits, e.g. '04'")
        self.file = _folder(folder) / f"{lesson}.json"
        self._asked: dict[str, tuple[tuple[str, ...], str | None, float | None]] = {}

    def __repr__(self) -> str:
        return f"Guesses({self.file.stem!r}), kept in {self.file.parent.name}/{self.file.name}"

    def ask(
        self,
        key: str,
        *,
        options: Sequence[str],
        guess: str | None = None,
        sure: float | None = None,
    ) -> Sentence:
        """Put a question, and keep what the reader guesses.

        `sure`: the probability that the reader gives the guess, from ``1 / len(options)``, which is
        no more than chance, to 1; None says nothing of it.  Until the outcome has been shown, a new
        guess takes the place of the one before.  After that the one before counts, and the answer
        says so.

        Raises
        ------
        PredictionError
            If the key, the options, the guess or the certainty cannot be that.
        """
        choices = _options(key, options)
        if guess is None:
            if sure is not None:
                raise PredictionError(
                    f"{key}: sure is {sure!r}, but there is no guess: expected one of "
                    f"{_listed(choices)} as guess"
                )
            self._asked[key] = choices, None, None
            return Sentence(f"*{key}*: no guess. To make one, set `guess` to {_listed(choices)}.")
        if guess not in choices:
            raise PredictionError(
                f"{key}: guess is {guess!r}: expected one of {_listed(choices)}, or None"
            )
        certainty = None if sure is None else _certainty(key, sure, len(choices))
        self._asked[key] = choices, guess, certainty
        kept = read(self.file)
        before = _same_question(kept, key, choices)
        if before is None or before["outcome"] is None:
            new = {"options": list(choices), "guess": guess, "sure": certainty, "outcome": None}
            _write(self.file, {**kept, key: new})
            return Sentence(f"*{key}*: you guess {guess}{_how_sure(certainty)}.")
        if (before["guess"], before["sure"]) != (guess, certainty):
            return Sentence(_too_late(key, before))
        return Sentence(f"*{key}*: you guessed {guess}{_how_sure(certainty)}.")

    def reveal(self, key: str, outcome: str) -> Sentence:
        """What was guessed beside what the runs say; the outcome is kept with the guess.

        Raises
        ------
        PredictionError
            If the question was not asked, or the outcome is none of its options.
        """
        if key not in self._asked:
            known = _listed(tuple(self._asked)) if self._asked else "nothing yet"
            raise PredictionError(
                f"{key}: outcome of a question that was not asked; asked was {known}. "
                f"Run the cell with ask({key!r}, ...) first"
            )
        choices, guess, sure = self._asked[key]
        if outcome not in choices:
            raise PredictionError(
                f"{key}: outcome is {outcome!r}: expected one of {_listed(choices)}"
            )
        if guess is None:
            return Sentence(guessed(None, outcome, where=f"*{key}*"))
        kept = read(self.file)
        first = _same_question(kept, key, choices)
        if first is None:  # the file was deleted in between
            first = {"options": list(choices), "guess": guess, "sure": sure, "outcome": None}
        same = (first["guess"], first["sure"]) == (guess, sure)
        _write(self.file, {**kept, key: {**first, "outcome": outcome}})
        said = guessed(first["guess"], outcome, where=f"*{key}*", how=_how_sure(first["sure"]))
        return Sentence(said if same else f"{said} The first guess counts.")


def everything(folder: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """All guesses that are kept, tidy: a row a question, in the order of lessons.

    Columns: `COLUMNS`.  ``options`` is a tuple, ``sure`` NaN where it was not said, ``outcome``
    missing until it was shown, ``right`` whether the guess was the outcome.  `folder` as in
    `Guesses`.
    """
    rows = []
    for file in sorted(_folder(folder).glob("[0-9][0-9].json")):
        for key, kept in read(file).items():
            right = None if kept["outcome"] is None else kept["guess"] == kept["outcome"]
            options = tuple(kept["options"])
            rows.append(
                (file.stem, key, options, kept["guess"], kept["sure"], kept["outcome"], right)
            )
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"sure": "float64", "right": "boolean"})


def read(file: Path) -> Kept:
    """What a lesson's file holds; nothing, if there is none.

    Raises `PredictionError` for a file that is not one of guesses.
    """
    if not file.is_file():
        return {}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        whole = all(set(each) == {"options", "guess", "sure", "outcome"} for each in kept.values())
    except (ValueError, AttributeError, TypeError):
        whole = False
    if not whole:
        raise PredictionError(
            f"{file}: not a file of guesses, expected key to options, guess, sure and outcome; "
            "delete it, and guess again"
        )
    return kept


def _write(file: Path, kept: Kept) -> None:
    write_atomically(file, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def _folder(folder: str | os.PathLike[str] | None) -> Path:
    return find_root() / "runs" / "guesses" if folder is None else Path(folder)


def _same_question(kept: Kept, key: str, options: tuple[str, ...]) -> dict[str, Any] | None:
    """What is kept of a question; of one whose options were others, nothing."""
    before = kept.get(key)
    return before if before and tuple(before["options"]) == options else None


def _options(key: str, options: Sequence[str]) -> tuple[str, ...]:
    if not (isinstance(key, str) and re.fullmatch(r"[\w-]+", key)):
        raise PredictionError(f"key is {key!r}: expected a word, e.g. 'winner'")
    many = isinstance(options, (tuple, list)) and all(isinstance(each, str) for each in options)
    if not many or len(set(options)) < max(2, len(options)):
        raise PredictionError(
            f"{key}: options are {options!r}: expected two or more different texts, "
            "e.g. ('single', 'joint')"
        )
    return tuple(options)


def _certainty(key: str, sure: float, options: int) -> float:
    number = isinstance(sure, Real) and not isinstance(sure, bool)
    if not number or not 1 / options <= sure <= 1:
        least = math.ceil(100 / options) / 100
        raise PredictionError(
            f"{key}: sure is {sure!r}: expected a number from {least:.2g} (chance, with {options} "
            "options) to 1"
        )
    return float(sure)


def _how_sure(sure: float | None) -> str:
    return "" if sure is None else f" ({100 * sure:.0f} % sure)"


def _too_late(key: str, first: dict[str, Any]) -> str:
    return (
        f"*{key}*: the outcome has been shown, and your first guess counts: "
        f"{first['guess']}{_how_sure(first['sure'])}."
    )


def _listed(options: tuple[str, ...]) -> str:
    return ", ".join(map(repr, options))
