"""The bank of questions: whole, balanced, and shown in a form that works without scripts."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from scipy.stats import chisquare

from mtlkit import DATA, quizzes
from mtlkit.quizzes import LETTERS, Option, Question, QuizError

BANK = [each for several in quizzes.bank().values() for each in several]
SINGLE = [each for each in BANK if len(each.right) == 1]
LESSONS = [f"{number:02}" for number in range(14)]

GOOD = {
    "id": "04-one",
    "question": "Is `a < b` *surely* so?",
    "options": [
        {"text": "Yes & no", "right": False, "why": "One of them."},
        {"text": "`b > a`", "right": True, "why": "It says\n the same."},
    ],
}


def write(folder: Path, *rows: object, lesson: str = "04") -> Path:
    (folder / f"{lesson}.yaml").write_text(yaml.safe_dump(list(rows)), encoding="utf-8")
    return folder


def changed(path: str, value: object) -> dict:
    """The good question with one field changed, or left out if the value is ``...``."""
    row = json.loads(json.dumps(GOOD))
    *way, last = path.split(".")
    place = row
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return row


def test_the_bank_is_whole() -> None:
    assert len(BANK) >= 110
    assert list(quizzes.bank()) == [*LESSONS, "final"] == list(quizzes.lessons())
    counts = Counter(each.lesson for each in BANK)
    assert counts["final"] >= 20 and min(counts.values()) >= 6
    assert len({each.id for each in BANK}) == len({each.question for each in BANK}) == len(BANK)


@pytest.mark.parametrize("each", BANK, ids=lambda each: each.id)
def test_every_option_is_explained(each: Question) -> None:
    assert 3 <= len(each.options) <= 4
    whys = [option.why for option in each.options]
    assert all(re.search(r"[.!?]$", why) and len(why.split()) >= 4 for why in whys)
    assert len(set(whys)) == len(whys)
    assert not any(option.why.startswith(("Right", "No.", "Yes.")) for option in each.options), (
        "the verdict is added where it is shown"
    )


@pytest.mark.parametrize("each", BANK, ids=lambda each: each.id)
def test_markup_is_closed(each: Question) -> None:
    for text in (each.question, *(t for o in each.options for t in (o.text, o.why))):
        shown = quizzes._html(text)
        assert "`" not in shown and "*" not in shown and "$" not in shown and "](" not in shown


def test_neither_place_nor_length_tells_the_answer() -> None:
    """Who knows nothing, and takes always the same letter, or the longest, is at chance."""
    assert len(SINGLE) > 0.9 * len(BANK)
    places = Counter(each.right for each in SINGLE if len(each.options) == 3)
    assert chisquare([places[letter] for letter in "abc"]).pvalue > 0.2
    lengths = [[len(option.text) for option in each.options] for each in SINGLE]
    answers = [
        sizes[LETTERS.index(each.right)] for each, sizes in zip(SINGLE, lengths, strict=True)
    ]
    longest = sum(n == max(sizes) for n, sizes in zip(answers, lengths, strict=True))
    shortest = sum(n == min(sizes) for n, sizes in zip(answers, lengths, strict=True))
    assert longest < 0.45 * len(SINGLE) and shortest < 0.45 * len(SINGLE)


def test_no_number_of_the_study_is_stated() -> None:
    """Numbers of a question are supposed; those of the study stand in lessons, from results."""
    for path in sorted((DATA / "quizzes").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"we (found|measured)|our results|in our (study|runs)", text, re.I)


def test_questions_are_read(tmp_path: Path) -> None:
    (found,) = quizzes.load("04", write(tmp_path, GOOD))
    options = (
        Option("Yes & no", False, "One of them."),
        Option("`b > a`", True, "It says the same."),
    )
    assert found == Question("04-one", "Is `a < b` *surely* so?", options)
    assert (found.lesson, found.right) == ("04", "b")
    assert quizzes.bank(tmp_path) == {"04": (found,)}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (3, "question 1: expected the fields id, options, question, found 3"),
        (changed("id", ...), "question 1: field id is missing; add it"),
        (changed("id", 4), "question 1: field id: expected a text, found 4; put it in quotes"),
        (changed("id", "05-one"), "the id '05-one' does not fit this file: it has to begin with "
         "'04-' and have small letters, digits and hyphens"),
        (changed("id", "04-One"), "the id '04-One' does not fit this file"),
        (changed("hint", "x"), "question 1: unknown field 'hint'; the fields are id, options, que"),
        (changed("question", " "), "question 1 (04-one): field question: expected a text, found"),
        (changed("options", "a"), "(04-one): field options: expected a list of 2 to 6 options, fo"),
        (changed("options", []), "expected a list of 2 to 6 options, found 0 of them"),
        (changed("options.0.why", ""), "option a: field why: expected an explanation, found ''"),
        (changed("options.1.why", ...), "(04-one): option b: field why is missing; add it"),
        (changed("options.0.text", True), "field text: expected a text, found True; put it in"),
        (changed("options.1.right", "yes"), "b: field right: expected true or false, found 'yes'"),
        (changed("options.1.right", False), "(04-one): no option is right; mark one with 'right: "),
        (changed("options.1.text", "Yes & no"), "two options have the same text; change one of t"),
    ],
)  # fmt: skip
def test_a_question_that_is_not_whole_is_named(row: object, text: str, tmp_path: Path) -> None:
    with pytest.raises(QuizError) as error:
        quizzes.load("04", write(tmp_path, row))
    assert str(error.value).startswith(f"{tmp_path / '04.yaml'}: ") and text in str(error.value)


def test_files_that_are_not_banks_are_named(tmp_path: Path) -> None:
    with pytest.raises(QuizError, match=r"no questions; restore the folder"):
        quizzes.bank(tmp_path)
    write(tmp_path, GOOD, GOOD)
    with pytest.raises(QuizError, match=r"04\.yaml: the id '04-one' stands 2 times; give each"):
        quizzes.load("04", tmp_path)
    with pytest.raises(QuizError, match=r"99\.yaml: no questions for lesson '99'; .* for: 04"):
        quizzes.load("99", tmp_path)
    (tmp_path / "04.yaml").write_text("id: x\n")
    with pytest.raises(QuizError, match=r"expected a list of questions, found {'id': 'x'}"):
        quizzes.load("04", tmp_path)
    (tmp_path / "04.yaml").write_text("- [\n")
    with pytest.raises(QuizError, match=r"04\.yaml: this is not YAML: (.|\n)*; mend the file"):
        quizzes.load("04", tmp_path)
    (tmp_path / "04.yaml").write_bytes(b"\xff")
    with pytest.raises(QuizError, match="this is not YAML"):
        quizzes.load("04", tmp_path)


def shown(monkeypatch: pytest.MonkeyPatch, lesson: str, folder: Path) -> list:
    """What `show` displays."""
    outputs: list = []
    monkeypatch.setattr("jupyterquiz.dynamic.display.display", outputs.append)
    monkeypatch.setattr("IPython.display.display", outputs.append)
    quizzes.show(lesson, folder)
    return outputs


def test_a_notebook_has_the_questions_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    box, script, folded = (each.data for each in shown(monkeypatch, "04", write(tmp_path, GOOD)))
    (data,) = re.findall(r"^var questions\w+=(.*?);$", script, re.M)
    assert json.loads(data) == [
        {
            "question": "Is <code>a &lt; b</code> <em>surely</em> so?",
            "type": "multiple_choice",
            "answers": [
                {"answer": "Yes &amp; no", "correct": False, "feedback": "One of them."},
                {
                    "answer": "<code>b &gt; a</code>",
                    "correct": True,
                    "feedback": "It says the same.",
                },
            ],
        }
    ]
    assert "fetch(" not in script and 'data-shuffleanswers="False"' in box
    assert folded == (
        "<details><summary>The same 1 questions, to read without scripts</summary>\n\n"
        "**1. Is `a < b` *surely* so?**\n\n"
        "<details><summary>a) Yes &amp; no</summary><b>No.</b> One of them.</details>\n"
        "<details><summary>b) <code>b &gt; a</code></summary><b>Right.</b> It says the same."
        "</details>\n\n</details>"
    )


def test_several_right_options_are_one_question(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    row = changed("options.0.right", True)
    assert quizzes.load("04", write(tmp_path, row))[0].right == "ab"
    _, script, _ = (each.data for each in shown(monkeypatch, "04", tmp_path))
    assert '"type": "many_choice"' in script


@pytest.mark.parametrize("lesson", quizzes.lessons())
def test_every_lesson_can_be_shown(lesson: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, script, folded = (each.data for each in shown(monkeypatch, lesson, quizzes.FOLDER))
    questions = quizzes.load(lesson)
    assert script.count('"question":') == len(questions)
    assert folded.count("<details>") == folded.count("</details>")
    assert folded.count("<b>Right.</b>") == sum(len(each.right) for each in questions)


def test_the_page_has_the_whole_bank() -> None:
    page = quizzes.page()
    assert page.startswith(f"# Quiz\n\n{len(BANK)} questions.") and page.endswith("</details>\n")
    heads = re.findall("^## (.*)$", page, re.M)
    assert heads == [*(f"Lesson {lesson}" for lesson in LESSONS), "At the end"]
    assert page.count("<details>") == sum(len(each.options) for each in BANK)
    assert all(f". {each.question}**" in page for each in BANK)
