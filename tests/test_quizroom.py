"""The quiz in a terminal, played through: letters in, explanations and a score out."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from mtlkit import quizzes, quizroom
from mtlkit.__main__ import main
from mtlkit.quizzes import Option, Question

Play = Callable[..., str]
LESSONS = {"04": 3, "final": 2}


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
    order = [each.id for each in quizroom.chosen([*questions.values()], [], n=3, seed=5)]
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
    """In every order that the seed could draw."""
    play("a\nb\na\n", "--lesson", "04", "--seed", 0)  # whatever comes, one at least is missed
    questions = quizzes.load("04")
    first = quizroom.chosen(questions, [], n=3, seed=0)
    missed = [each.id for each, given in zip(first, "aba", strict=True) if each.right != given]
    for seed in range(3):
        said = play("c\n" * len(missed), "--lesson", "04", "--n", len(missed), "--seed", seed)
        assert set(ids(said)) == set(missed)


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


def test_due_questions_come_in_their_order_and_the_rest_by_lot() -> None:
    questions = [Question(f"04-q{n}", "?", ()) for n in range(9)]
    due = ["04-q7", "04-q2", "05-q1"]
    orders = [
        [each.id for each in quizroom.chosen(questions, due, n=9, seed=seed)] for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert all(order[:2] == due[:2] and len(set(order)) == 9 for order in orders)
    assert len(quizroom.chosen(questions, due, n=1, seed=0)) == 1


def test_scores_stand_by_lesson() -> None:
    questions = [Question(f"{id}-q", "?", ()) for id in ("final", "04", "05")]
    assert quizroom.tally(questions, {"final-q": True, "04-q": True}) == (
        "\nRight, by lesson:\n  04     1 of 1\n  final  1 of 1\n  all    2 of 2\nNone was missed."
    )


def test_questions_as_a_table_and_as_json(play: Play, tmp_path: Path) -> None:
    out = tmp_path / "exam.csv"
    assert play("", "--export", out) == f"5 questions in {out}\n"
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert len(rows) == 15
    assert rows[1] == {
        "id": "04-q0", "lesson": "04", "question": "Which, in 04?", "letter": "b",
        "text": "text 1", "right": "false", "why": "why 1 of 04-q0",
    }  # fmt: skip
    out = tmp_path / "exam.json"
    assert play("", "--export", out, "--lesson", "final", "--n", 1) == f"1 questions in {out}\n"
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
    assert "Examples:\n  mtlkit quiz" in text and "missed ones first" in text
    with pytest.raises(SystemExit) as stop:
        main(["quiz", "--lesson", "99"])
    assert stop.value.code == 2 and "invalid choice: '99'" in capsys.readouterr().err


def test_the_whole_bank_can_be_played(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All right: the letters are taken from the bank, in the order in which they are asked."""
    questions = [each for several in quizzes.bank().values() for each in several]
    order = quizroom.chosen(questions, [], n=len(questions), seed=1)

    class Kept:
        def __init__(self) -> None:
            self.answers: dict[str, bool] = {}

        def answer(self, id: str, right: bool, now: datetime) -> None:
            self.answers[id] = right

    kept = Kept()
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(each.right for each in order)))
    given = quizroom.play(order, kept, lambda: datetime(2026, 1, 1, tzinfo=UTC))  # type: ignore[arg-type]
    assert given == kept.answers == {each.id: True for each in questions}
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 90
