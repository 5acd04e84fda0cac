"""Spaced repetition: intervals are those of FSRS, and no answer is ever lost."""

import json
import os
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import fsrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit import recall
from mtlkit.recall import Recall, RecallError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "recall.json"


def test_what_was_missed_comes_back_sooner(path: Path) -> None:
    kept = Recall(path)
    assert kept.due("ab", NOW) == () and kept.new("ab") == ("a", "b")
    assert not path.exists(), "looking writes nothing"
    assert kept.answer("a", False, NOW) == NOW + 10 * MINUTE
    assert kept.answer("b", True, NOW) >= NOW + DAY
    assert kept.new(["b", "c", "a", "c"]) == ("c",)
    assert kept.due("ab", NOW) == ()
    assert kept.due("ab", NOW + 10 * MINUTE) == ("a",)
    assert kept.due("ba", NOW + 9 * DAY) == ("a", "b"), "the longest due first"
    assert kept.due("b", NOW + 9 * DAY) == ("b",), "only those that are asked for"


def test_intervals_grow_while_it_is_known_and_shrink_after_a_miss(path: Path) -> None:
    kept, now, intervals = Recall(path), NOW, []
    for _ in range(5):
        due = kept.answer("a", True, now)
        intervals.append(due - now)
        now = due
    assert intervals == sorted(intervals) and intervals[-1] > 5 * intervals[0]
    assert kept.answer("a", False, now) == now + 10 * MINUTE
    again = kept.answer("a", True, now + 10 * MINUTE) - now
    assert again < intervals[-1]


def test_intervals_are_those_of_a_scheduler_by_hand(path: Path) -> None:
    step = (timedelta(minutes=10),)
    scheduler = fsrs.Scheduler(
        learning_steps=step, relearning_steps=step, enable_fuzzing=False, desired_retention=0.9
    )
    kept, card, now = Recall(path), fsrs.Card(card_id=1, due=NOW), NOW
    for right in (False, True, True, False, False, True, True):
        rating = fsrs.Rating.Good if right else fsrs.Rating.Again
        card, _ = scheduler.review_card(card, rating, now)
        assert kept.answer("a", right, now) == card.due
        now = card.due + timedelta(hours=7)


def test_it_is_kept_between_sessions(path: Path) -> None:
    Recall(path).answer("card/ä", True, NOW)
    one, two = Recall(path), Recall(path)
    one.answer("b", False, NOW)
    two.answer("c", False, NOW + MINUTE)  # another program with the same file
    assert one.due(("c", "b"), NOW + DAY) == ("b", "c")
    assert one.new(("card/ä", "d")) == ("d",)
    assert [each.name for each in path.parent.iterdir()] == ["recall.json"]


def test_summary_counts(path: Path) -> None:
    kept = Recall(path)
    assert kept.summary("abc", NOW) == recall.Summary(3, 3, 0, 0, 0, None)
    kept.answer("a", False, NOW)
    kept.answer("a", True, NOW + 10 * MINUTE)
    due = kept.answer("b", False, NOW + 11 * MINUTE)
    kept.answer("z", False, NOW)
    found = kept.summary("abbc", NOW + 12 * MINUTE)
    assert found == recall.Summary(total=3, new=1, due=0, right=1, wrong=2, following=due)
    assert kept.summary("abc", due).due == 1
    assert kept.summary("abc", due).following > due + DAY / 2


def test_times_need_a_zone_and_may_have_any(path: Path) -> None:
    kept = Recall(path)
    here = NOW.astimezone(timezone(timedelta(hours=5)))
    assert kept.answer("a", False, here) == NOW + 10 * MINUTE
    assert kept.due("a", here + 10 * MINUTE) == ("a",)
    for call in (kept.due, kept.summary):
        with pytest.raises(RecallError, match=r"^the time 2026-03-01 .* has no zone: give one, as"):
            call("a", NOW.replace(tzinfo=None))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.integers(-(10**7), 10**7))))
def test_any_answers_at_any_times_can_be_read_again(
    tmp_path_factory: pytest.TempPathFactory, answers: list[tuple[str, bool, int]]
) -> None:
    path = tmp_path_factory.mktemp("any") / "recall.json"
    for id, right, minutes in answers:  # a clock may go back
        now = NOW + minutes * MINUTE
        assert Recall(path).answer(id, right, now) > now
    kept = Recall(path)
    found = kept.summary("ab", NOW)
    assert found.right + found.wrong == len(answers) and kept.notice == ""
    assert found.right == sum(right for _, right, _ in answers)


# ---- files that are not what they should be


def entry(**changes: object) -> str:
    """A file with one answer, some of whose fields are others."""
    card = {
        "card_id": 1, "state": 2, "step": None, "stability": 2.5, "difficulty": 5.0,
        "due": "2026-03-03T12:00:00+00:00", "last_review": "2026-03-01T12:00:00+00:00",
    }  # fmt: skip
    fields = {"card": card, "right": 1, "wrong": 0}
    for name, value in changes.items():
        (card if name in card else fields)[name] = value
    return json.dumps({"version": 1, "answers": {"a": fields}})


def test_a_sound_file_is_read(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(entry())
    kept = Recall(path)
    assert kept.new("a") == () and kept.notice == ""


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "3", '"text"', "{}", '{"version": 1}', "[" * 5000, "\0\0",
        '{"version": 1, "answers": [1]}', '{"version": 1, "answers": {"a": {}}}',
        '{"version": 1, "answers": {"a": null}}', entry()[:-9], entry(stability="NaN"),
        entry(stability=-1), entry(stability=None), entry(difficulty=0), entry(difficulty=1e999),
        entry(state=9), entry(step=1), entry(state=1, step=7), entry(due="now"),
        entry(due="2026-03-03T12:00:00"), entry(last_review=None), entry(right=-1),
        entry(wrong="2"), entry(wrong=True), entry(card={}), entry(card=[1]),
    ],
)  # fmt: skip
def test_a_damaged_file_is_set_aside_and_said(text: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_text(text)
    kept = Recall(path)
    assert kept.new("a") == ("a",)
    (aside,) = path.parent.iterdir()
    assert aside.read_text() == text, "nothing is lost"
    assert re.fullmatch(r"recall\.json\.damaged-[0-9a-f]{8}", aside.name)
    assert kept.notice.startswith(f"{path} is damaged (")
    assert kept.notice.endswith(f"; it was set aside as {aside.name}, and a new one is begun")
    kept.answer("a", True, NOW)
    assert Recall(path).new("a") == () and aside.read_text() == text


def test_bytes_that_are_no_text_are_set_aside(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\xfa")
    kept = Recall(path)
    assert kept.due("a", NOW) == () and "is damaged" in kept.notice


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"version": 2, "answers": {}}')
    with pytest.raises(RecallError, match=r"recall\.json is of version 2, and this mtlkit reads 1"):
        Recall(path).answer("a", True, NOW)
    assert path.read_text() == '{"version": 2, "answers": {}}'


def test_a_place_that_cannot_be_used_is_said(path: Path, tmp_path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(RecallError, match=r"cannot read .*recall\.json \(Is a directory\); check"):
        Recall(path).new("a")
    (tmp_path / "file").touch()
    with pytest.raises(RecallError, match=r"cannot (read|write) .* \(Not a directory\)"):
        Recall(tmp_path / "file" / "recall.json").answer("a", True, NOW)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_is_said(path: Path) -> None:
    path.parent.mkdir(mode=0o500)
    with pytest.raises(RecallError, match=r"cannot write .* \(Permission denied\); free space"):
        Recall(path).answer("a", True, NOW)


def test_the_default_is_in_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_state_path", lambda name: tmp_path / name)
    Recall().answer("a", True, NOW)
    assert (tmp_path / "mtlkit" / "recall.json").is_file()
