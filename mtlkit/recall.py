"""Spaced repetition: what was missed comes back soon, what was known after a growing interval.

When is for the scheduler FSRS to say (J. Ye et al. 2022, "A stochastic shortest path algorithm for
optimizing spaced repetition scheduling", KDD), with the default weights of the library ``fsrs``.
It knows nothing of what is asked: an id is any text, such as ``card/adapter``.
"""

import hashlib
import json
import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import platformdirs
from fsrs import Card, Rating, Scheduler, State

from mtlkit.results import write_atomically

__all__ = ["Recall", "RecallError", "Summary", "state_path"]

VERSION = 1
RETENTION = 0.9
"""The probability to remember at which a card is asked again: the default of FSRS."""

AGAIN = timedelta(minutes=10)
"""What was missed is due again after it; one that was known is due in days."""

DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a file raises, while it is read, that is not one of ours or is no longer whole."""


class RecallError(ValueError):
    """A file of answers that cannot be used, or a time without a zone."""


@dataclass(frozen=True)
class Summary:
    """How some ids stand: ``new`` were never answered, ``due`` are to be asked again now.

    ``right`` and ``wrong``: answers so far.  ``following``: when the next one falls due that is
    not due yet, in UTC; None if there is none.
    """

    total: int
    new: int
    due: int
    right: int
    wrong: int
    following: datetime | None


@dataclass(frozen=True)
class _Answered:
    """What is kept of an id: its card in FSRS, and how it was answered."""

    card: Card
    right: int = 0
    wrong: int = 0


def state_path() -> Path:
    """The file in the user's own state folder."""
    return platformdirs.user_state_path("mtlkit") / "recall.json"


class Recall:
    """Answers and when to ask again, in a file of JSON that is read anew in every call.

    So a quiz in a notebook and cards at a terminal may use one file, if not at the same instant.
    The file is written with every answer, whole or not at all.  A damaged one is set aside under
    another name, never deleted, and `notice` says so.  `RecallError` if it is not one of ours, or
    if a newer version wrote it.  Times need a zone.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = state_path() if path is None else path
        self.notice = ""
        """What a user should hear of the file; empty if there is nothing."""
        self._scheduler = Scheduler(
            desired_retention=RETENTION,
            learning_steps=(AGAIN,),
            relearning_steps=(AGAIN,),
            enable_fuzzing=False,  # it draws from the global random numbers
        )

    def due(self, ids: Iterable[str], now: datetime) -> tuple[str, ...]:
        """Those that were answered before and are to be asked again, the longest due first."""
        now, known = _utc(now), self._read()
        waiting = [id for id in dict.fromkeys(ids) if id in known and known[id].card.due <= now]
        return tuple(sorted(waiting, key=lambda id: known[id].card.due))

    def new(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Those that were never answered, in their order."""
        known = self._read()
        return tuple(id for id in dict.fromkeys(ids) if id not in known)

    def answer(self, id: str, right: bool, now: datetime) -> datetime:
        """Keep an answer; give the time, in UTC, when the id is due again."""
        now, known = _utc(now), self._read()
        before = known.get(id) or _Answered(Card(card_id=_number(id), due=now))
        rating = Rating.Good if right else Rating.Again
        card, _ = self._scheduler.review_card(before.card, rating, now)
        after = replace(before, card=card)
        known[id] = (
            replace(after, right=before.right + 1)
            if right
            else replace(after, wrong=before.wrong + 1)
        )
        self._write(known)
        return card.due

    def summary(self, ids: Iterable[str], now: datetime) -> Summary:
        """How these ids stand at a time."""
        now, known, ids = _utc(now), self._read(), tuple(dict.fromkeys(ids))
        answered = [known[id] for id in ids if id in known]
        later = [each.card.due for each in answered if each.card.due > now]
        return Summary(
            total=len(ids),
            new=len(ids) - len(answered),
            due=len(answered) - len(later),
            right=sum(each.right for each in answered),
            wrong=sum(each.wrong for each in answered),
            following=min(later, default=None),
        )

    def _read(self) -> dict[str, _Answered]:
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise RecallError(
                f"cannot read {self.path} ({reason}); check its permissions, or name another file"
            ) from None
        try:
            data = json.loads(text)
            version, entries = data["version"], data["answers"]
            if isinstance(version, int) and version > VERSION:
                raise RecallError(
                    f"{self.path} is of version {version}, and this mtlkit reads {VERSION}: "
                    "update it, or name another file"
                )
            return {id: _answered(entry) for id, entry in entries.items()}
        except RecallError:
            raise
        except DAMAGE as error:
            self._set_aside(error)
            return {}

    def _set_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{uuid.uuid4().hex[:8]}")
        try:
            self.path.rename(aside)
        except OSError as refused:
            raise RecallError(
                f"{self.path} is damaged ({error}) and cannot be renamed ({refused.strerror}); "
                "move it away, or name another file"
            ) from None
        self.notice = (
            f"{self.path} is damaged ({type(error).__name__}: {error}); it was set aside as "
            f"{aside.name}, and a new one is begun"
        )

    def _write(self, known: dict[str, _Answered]) -> None:
        entries = {
            id: {"card": each.card.to_dict(), "right": each.right, "wrong": each.wrong}
            for id, each in sorted(known.items())
        }
        data = {"version": VERSION, "answers": entries}
        try:
            write_atomically(self.path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise RecallError(
                f"cannot write {self.path} ({reason}); free space, or name another file"
            ) from None


def _answered(entry: Any) -> _Answered:
    """An entry of the file; one of the errors that `_read` catches if it is damaged."""
    card = Card.from_dict(entry["card"])
    for name, value in (("stability", card.stability), ("difficulty", card.difficulty)):
        if value is None or not 0 < value < math.inf:
            raise ValueError(f"{name} is {value!r}")
    for name, time in (("due", card.due), ("last_review", card.last_review)):
        if time is None or time.tzinfo is None:
            raise ValueError(f"{name} is {time}")
    if card.step != (None if card.state is State.Review else 0):  # there is one step
        raise ValueError(f"step is {card.step!r} in state {card.state.name}")
    counts = (entry["right"], entry["wrong"])
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError(f"right and wrong are {counts}")
    return _Answered(card, *counts)


def _utc(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise RecallError(f"the time {now} has no zone: give one, as in datetime.now(UTC)")
    return now.astimezone(UTC)


def _number(id: str) -> int:
    """A number for an id, always the same, as FSRS has it on its cards."""
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:6], "big")
