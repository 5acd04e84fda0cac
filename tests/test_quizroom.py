"""The quiz in a terminal, played through: letters in, explanations and a score out."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from mtlkit import quizroom, quizzes
from mtlkit.__main__ import main
from mtlkit.quizzes import Option, Question
from mtlkit.recall import Recall

Play = Callable[..., str]
LESSONS = {"04": 3, "final": 2}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def question(lesson: str, number: int) -> dict:
    """A question whose right option is the one of its number."""
    options = [
        {"text": f"text {n}", "right": n == number, "why": f"why {n} of {lesson}-q{number}"}
        for n in range(3)
    ]
    return {"id": f"{lesson}-q{number}", "question": f"Which, in {lesson}?", "options": options}


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small bank in place of the real one."""
    folder = tmp_path / "quizzes"
    folder.mkdir()
    for lesson, many in LESSONS.items():
        rows = [question(lesson, number) for number in range(many)]
        (folder / f"{lesson}.yaml").write_text(yaml.safe_dump(rows))
    for function in (quizzes.bank, quizzes.load, quizzes.lessons):
        monkeypatch.setattr(function, "__defaults__", (folder,))
    return folder


@pytest.fixture
def play(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Play:
    """Run ``mtlkit quiz`` with these lines of input; what it prints."""

    def run(lines: str, *arguments: object, code: int = 0) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(lines))
        capsys.readouterr()
        state = tmp_path / "state.json"
        assert main(["quiz", "--state", str(state), *map(str, arguments)]) == code
        said = capsys.readouterr()
        assert (said.err == "") == (code == 0)
        return said.out + said.err

    return run


def ids(said: str, lesson: str = "04") -> list[str]:
    """Which questions were asked, by the explanations that were shown."""
    found: list[str] = []
    for word in said.split():
        if word.startswith(f"{lesson}-q") and word.strip(",") not in found:
            found.append(word.strip(","))
    return found


def test_a_round_with_a_right_and_a_wrong_answer(play: Play) -> None:
    questions = {each.id: each for each in quizzes.load("04")}
    order = [each.id for each in quizroom.by_lot([*questions.values()], 5)]
    right = [questions[id].right for id in order]
    wrong = "b" if right[1] != "b" else "c"
    said = play(f"{right[0].upper()})\n{wrong}\n{right[2]}\n", "--lesson", "04", "--seed", 5)
    blocks = said.split("Your answer (a to c; q stops): ")
    assert blocks[0] == (
        "\n1 of 3, lesson 04\nWhich, in 04?\n\n  a  text 0\n  b  text 1\n  c  text 2\n\n"
    )
    place = "abc".index(right[0])
    assert blocks[1].startswith(f"Right.\n  {right[0]}  why {place} of {order[0]}\n\n2 of 3")
    place, missed = "abc".index(right[1]), "abc".index(wrong)
    assert blocks[2].startswith(
        f"No.\n  {wrong}  why {missed} of {order[1]}\nRight is:\n"
        f"  {right[1]}  text {place} why {place} of {order[1]}\n\n3 of 3"
    )
    assert blocks[3].endswith(
        f"\nRight, by lesson:\n  04   2 of 3\n  all  2 of 3\nNext time first: {order[1]}\n"
    )


def test_what_was_missed_comes_first(play: Play) -> None:
    """In the next round, whatever its seed; then what is new, and last what is known."""
    known, missed, new = quizroom.by_lot(quizzes.load("04"), 0)
    wrong = next(letter for letter in "abc" if letter != missed.right)
    play(f"{known.right}\n{wrong}\n", "--lesson", "04", "--seed", 0)
    for seed in range(4):
        assert "No question was answered" in play("", "--lesson", "04", "--seed", seed)
    said = play(f"{missed.right}\n{new.right}\n{known.right}\n", "--lesson", "04", "--seed", 3)
    assert ids(said) == [missed.id, new.id, known.id]
    assert said.endswith("3 of 3\nNone was missed.\n")


def test_days_later_what_was_known_is_due_before_what_is_new(tmp_path: Path) -> None:
    recall, questions = (
        Recall(tmp_path / "state.json"),
        [Question(f"04-q{n}", "?", ()) for n in "abcd"],
    )
    recall.answer("quiz/04-qb", True, NOW)
    recall.answer("quiz/04-qd", False, NOW)

    def order(days: float, seed: int) -> list[str]:
        now = NOW + timedelta(days=days)
        return [q.id[-1] for q in quizroom.in_turn(questions, recall, now=now, seed=seed)]

    for seed in range(5):
        new = [q.id[-1] for q in quizroom.by_lot(questions, seed) if q.id[-1] in "ac"]
        assert order(0, seed) == ["d", *new, "b"]
        assert order(100, seed) == ["d", "b", *new]
    assert {tuple(order(0, seed)) for seed in range(5)} == {tuple("dacb"), tuple("dcab")}


def test_cards_in_the_same_file_are_left_alone(play: Play, tmp_path: Path) -> None:
    recall = Recall(tmp_path / "state.json")
    recall.answer("04-q0", False, NOW)  # not a question: its key has no "quiz/" before it
    play("a\n", "--lesson", "04")
    assert recall.summary(["04-q0"], NOW).wrong == 1
    assert sum(1 for n in range(3) if not recall.new([f"quiz/04-q{n}"])) == 1


def test_a_damaged_file_of_answers_is_set_aside(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state.json").write_text("{")
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
    assert main(["quiz", "--state", str(tmp_path / "state.json"), "--n", "1"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("mtlkit: ") and "it was set aside as" in said.err
    assert "Right, by lesson" in said.out


def test_the_end_of_the_input_is_an_end(play: Play) -> None:
    said = play("", "--lesson", "04")
    assert said.endswith("No question was answered, and nothing is kept.\n")
    said = play("a\n", "--lesson", "04")
    assert " of 1\n" in said and "2 of 3, lesson 04" in said
    assert play("q\n", "--lesson", "final").endswith("nothing is kept.\n")


def test_a_letter_that_is_none_is_asked_for_again(play: Play) -> None:
    said = play("\nx\nab\nd\nquit\n")
    for found in ("''", "'x'", "'ab'", "'d'"):
        assert f"expected a to c, or q, found {found}\n" in said
    assert "1 of 5, lesson" in said and said.count(" of 5, lesson") == 1


def test_several_right_options_want_all_their_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    several = Question(
        "04-two", "Which?", tuple(Option(f"t{n}", n > 0, f"why {n}") for n in range(3))
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("b\nc, B\n"))
    assert quizroom._ask(several) == "bc"
    assert quizroom._told(several, "bc") == "Right.\n  b  why 1\n  c  why 2"
    assert quizroom._told(several, "ac") == (
        "No.\n  a  why 0\nRight is:\n  b  t1 why 1\n  c  t2 why 2"
    )


def test_scores_stand_by_lesson() -> None:
    questions = [Question(f"{id}-q", "?", ()) for id in ("final", "04", "05")]
    assert quizroom.tally(questions, {"final-q": True, "04-q": True}) == (
        "\nRight, by lesson:\n  04     1 of 1\n  final  1 of 1\n  all    2 of 2\nNone was missed."
    )


def test_questions_as_a_table_and_as_json(play: Play, tmp_path: Path) -> None:
    out = tmp_path / "exam.csv"
    assert play("", "--export", out) == f"{out}: questions: 5\n"
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert len(rows) == 15
    assert rows[1] == {
        "id": "04-q0", "lesson": "04", "question": "Which, in 04?", "letter": "b",
        "text": "text 1", "right": "false", "why": "why 1 of 04-q0",
    }  # fmt: skip
    out = tmp_path / "exam.json"
    assert play("", "--export", out, "--lesson", "final", "--n", 1) == f"{out}: questions: 1\n"
    (row,) = json.loads(out.read_text(encoding="utf-8"))
    assert row == question("final", int(row["id"][-1]))
    assert not (tmp_path / "state.json").exists()


def test_an_ending_that_is_no_table_is_refused(play: Play, tmp_path: Path) -> None:
    said = play("", "--export", tmp_path / "exam.docx", code=2)
    assert said == "mtlkit: --export: expected OUT.csv or OUT.json, found the ending '.docx'\n"
    assert not (tmp_path / "exam.docx").exists()


def test_a_damaged_bank_is_named(play: Play, bank: Path) -> None:
    (bank / "04.yaml").write_text("- id: 04-x\n")
    said = play("", code=1)
    assert said == f"mtlkit: {bank / '04.yaml'}: question 1: field options is missing; add it\n"


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["quiz", "--help"])
    text = capsys.readouterr().out
    assert "Examples:\n  mtlkit quiz" in text and "first those that you missed" in text
    with pytest.raises(SystemExit) as stop:
        main(["quiz", "--lesson", "99"])
    assert stop.value.code == 2 and "invalid choice: '99'" in capsys.readouterr().err


def test_the_whole_bank_can_be_played(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All right: the letters are taken from the bank, in the order in which they are asked."""
    questions = [each for several in quizzes.bank().values() for each in several]
    order = quizroom.by_lot(questions, 1)
    recall = Recall(tmp_path / "state.json")
    monkeypatch.setattr(recall, "_write", lambda known: None)  # written in other tests
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(each.right for each in order)))
    given = quizroom.play(order, recall, lambda: NOW)
    assert given == {each.id: True for each in questions}
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 90
