"""The form of a lesson: what its head says, links that lead somewhere, numbers that come from runs.

That cells are short and executed, and that pictures have alt text, is in `test_architecture`.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

from mtlkit import pages

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@dataclass(frozen=True)
class Cell:
    """A cell: its number from 1, what it is, its source and its tags."""

    number: int
    kind: str
    source: str
    tags: tuple[str, ...] = ()


def cells(path: Path, kind: str = "") -> list[Cell]:
    """The cells of a notebook, or those of one kind."""
    read = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found = [
        Cell(n, each["cell_type"], "".join(each["source"]), tuple(each["metadata"].get("tags", [])))
        for n, each in enumerate(read, 1)
    ]
    return [each for each in found if not kind or each.kind == kind]


def named(path: Path) -> str:
    return path.stem


# ---- the head


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_head_says_what_the_table_of_lessons_needs(path: Path) -> None:
    pages.head(path)
    first, second = cells(path)[:2]
    assert first.kind == "markdown" and first.source.startswith(f"# {int(path.name[:2])} · ")
    assert second.tags == ("parameters",)
    names = {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(second.source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert names == {"profile": "quick", "scheduler": None}


def head_faults(text: str) -> list[str]:
    """What the first cell of a lesson lacks."""
    found = []
    listed = re.search(r"^After this lesson you can:?\n\n((?:(?:- |\d\. |  ).+\n?)+)", text, re.M)
    many = len(re.findall(r"^(?:- |\d\. )", listed[1], re.M)) if listed else 0
    if many not in (3, 4):
        found.append(f"{many} objectives after 'After this lesson you can', expected 3 or 4")
    if not re.search(r"^\*\*Before:\*\* \S", text, re.M):
        found.append("no '**Before:** ...'")
    minutes = r"^\*\*Minutes:\*\* reading \d+, exercises \d+, machine (?:less than )?\d+"
    if not re.search(minutes, text, re.M):
        found.append("no '**Minutes:** reading R, exercises E, machine M'")
    return found


HEAD = """# 4 · X: y

**Why?**

After this lesson you can

- build a trunk, and
  say what it is;
- read a batch;
- compare.

**Before:** [00](00_start_here.ipynb)

**Minutes:** reading 25, exercises 30, machine 1 (profile *quick*).
"""


def test_faults_of_heads_are_found() -> None:
    assert head_faults(HEAD) == []
    assert head_faults(HEAD.replace("- compare.\n", "- compare;\n- cook.\n- cook.\n")) == [
        "5 objectives after 'After this lesson you can', expected 3 or 4"
    ]
    assert len(head_faults(HEAD.replace("machine 1", "machine a few"))) == 1
    assert len(head_faults("# 4 · X")) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_head_has_its_parts(path: Path) -> None:
    assert head_faults(cells(path)[0].source) == []


# ---- links


def links(text: str) -> list[str]:
    """Targets of relative links and pictures in Markdown, and in HTML; not those in code."""
    text = re.sub(r"(?ms)^ *```.*?^ *```|`[^`\n]*`", "", text)
    found = re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|(?:href|src)=\"([^\"]+)\"", text)
    targets = [one or other for one, other in found]
    return [each for each in targets if not re.match(r"[a-z]+:", each)]


def anchors(path: Path) -> set[str]:
    """What a link may lead to in a page or a lesson: ids, and headings as GitHub names them."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n\n".join(each.source for each in cells(path, "markdown"))
    headings = re.findall(r"^#+ (.+?)\s*$", text, re.M)
    plain = [re.sub(r"[^\w\- ]", "", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", h)) for h in headings]
    slugs = {each.lower().replace(" ", "-") for each in plain}
    jupyter = {re.sub(r"\s", "-", heading) for heading in headings}
    return slugs | jupyter | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))


def dead(text: str, page: Path) -> list[str]:
    """Links of a text on a page that lead nowhere."""
    lost = []
    for link in links(text):
        file, _, anchor = unquote(link).partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    return lost


def test_dead_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('# Big *title*, it is\n\n- <a id="word"></a>Word', encoding="utf-8")
    text = """[a](page.md#word) [b](page.md#big-title-it-is) [c](https://x.org/y) ![d](page.md)
    [e](page.md#words) [f](no.md) <img src="no.png"> `[g](code.md)` [h](#big-title-it-is)
    """
    assert dead(text, page) == ["page.md#words", "no.md", "no.png"]
    notebook = tmp_path / "04_x.ipynb"
    cell = {"cell_type": "markdown", "metadata": {}, "source": ["## Key points"]}
    notebook.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    assert dead("[a](04_x.ipynb#Key-points) [b](04_x.ipynb#key-points)", page) == []
    assert dead("[a](04_x.ipynb#Points)", page) == ["04_x.ipynb#Points"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_links_lead_somewhere_from_every_copy(path: Path) -> None:
    for copy in (path, path.parent / "full" / path.name):
        if copy.is_file():
            for each in cells(copy, "markdown"):
                assert dead(each.source, copy) == [], f"{copy.parent.name}, cell {each.number}"


@pytest.mark.parametrize("page", sorted(ROOT.glob("notebooks/**/*.md")), ids=lambda p: p.name)
def test_links_of_generated_pages_lead_somewhere(page: Path) -> None:
    assert dead(page.read_text(encoding="utf-8"), page) == []


# ---- numbers

GIVEN = "numbers-given"
"""Tag of a cell whose numbers are an example or a formula's, and were not measured."""

NO_PROSE = re.compile(
    r"""(?msx)
      ^\ *```.*?^\ *```        # code
    | `[^`\n]*`
    | \$\$.*?\$\$ | \$[^$\n]+\$  # formulas
    | \]\([^)]*\)              # addresses
    | <[^>\n]+>
    | https?://\S+
    | \b\d{4}\.\d{4,5}\b        # of arXiv
    """
)
SETTINGS = re.compile(
    r"""(?x)
      \b(?:90|95|99|100)\ %                                 # the level of an interval; all of it
    | \bp\ ?[<>=≤≥]\ ?0?\.\d+                               # a p-value's threshold
    | (?:^|(?<=[\s(]))\.\d+                                 # .05, as the field writes p
    | \b(?i:sections?|equations?|eq\.|chapters?|figures?|tables?|appendix|§)\ ?[A-Z]?\d+(?:\.\d+)*
      (?:(?:,|\ and|\ to)\ \d+(?:\.\d+)*)*                  # a place in a paper
    | \b(?:Python|CUDA|UD|PDTB|version|BY|BY-SA|BY-NC-SA|Apache|MIT)[\ -]v?\d+(?:\.\d+)+
    """
)
MEASURED = re.compile(
    r"""(?x)
      [-+−]?\d[\d,]*(?:\.\d+)?[\ -](?:percentage\ )?points?\b  # points of a score
    | [-+−]?\d[\d,]*(?:\.\d+)?\ ?(?:%|per\ cent\b)            # percentages
    | [-+−]?\d[\d,]*\.\d+                                     # decimals
    """
)


def typed_numbers(text: str) -> list[str]:
    """Numbers in prose that look measured: decimals, percentages, points.

    Code, formulas and addresses are no prose.  Settings, places in papers and versions are said
    in words that tell them (`SETTINGS`), and are let through, as are whole numbers and years.
    """
    prose = SETTINGS.sub(" ", NO_PROSE.sub(" ", text))
    return [each.strip() for each in MEASURED.findall(prose)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Joint wins by 1.2 points, from −0.3 to +2.6.", ["1.2 points", "−0.3", "+2.6"]),
        ("It gains 3 points, or 12 % of errors; 40% before.", ["3 points", "12 %", "40%"]),
        ("84 per cent, a 5-point gain, 1,234.5 s.", ["84 per cent", "5-point", "1,234.5"]),
        ("A 95 % interval, and p < .05, p = 0.05, or .0625 at least.", []),
        ("See section 4.2, equations 3.1 and 3.2 (Yu et al. 2020), arXiv 1907.05019.", []),
        ("Python 3.11, CC BY 4.0, CC BY-NC-SA 4.0, UD 2.16.", []),
        ("$w = 0.5$ and `rate=0.1`, $$x = 1.5$$ [a](b_1.5.md) https://x.org/1.5", []),
        ("```python\nx = 0.5\n```\nIn 2019, 3,000 sentences, 10 seeds; three points.", []),
        ("The interval covers 84 % at level 95 %.", ["84 %"]),
    ],
)  # fmt: skip
def test_numbers_that_look_measured_are_found(text: str, found: list[str]) -> None:
    assert typed_numbers(text) == found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_no_number_in_prose_was_typed(path: Path) -> None:
    for each in cells(path, "markdown"):
        if GIVEN not in each.tags:
            assert typed_numbers(each.source) == [], (
                f"cell {each.number}: print it from results, or tag the cell {GIVEN!r} if it is an "
                "example"
            )


# ---- guesses


def calls(path: Path, name: str) -> Iterator[tuple[Cell, ast.Call]]:
    """Calls of a name in a notebook's code, each with its cell, in order."""
    for each in cells(path, "code"):
        for node in ast.walk(ast.parse(each.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                yield each, node


def guess_faults(path: Path) -> list[str]:
    """What is wrong with the guesses of a lesson."""
    found = []
    made = [ast.literal_eval(call.args[0]) for _, call in calls(path, "Guesses")]
    if made != [path.name[:2]]:
        found.append(f"Guesses of {made}, expected {path.name[:2]!r} once")
    asked = {}
    for cell, call in calls(path, "guesses.ask"):
        key = ast.literal_eval(call.args[0])
        if key in asked:
            found.append(f"{key!r} is asked twice")
        asked[key] = cell.number
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if (given.get("guess", "None"), given.get("sure", "None")) != ("None", "None"):
            found.append(f"somebody's guess of {key!r} was left in the lesson")
    revealed = {}
    for cell, call in calls(path, "guesses.reveal"):
        key = ast.literal_eval(call.args[0])
        revealed[key] = cell.number
        if isinstance(call.args[1], ast.Constant):
            found.append(f"the outcome of {key!r} was typed: compute it from results")
        if key in asked and asked[key] >= cell.number:
            found.append(f"{key!r} is revealed where it is asked, or before")
    found += [f"{key!r} is asked and never revealed" for key in asked if key not in revealed]
    found += [f"{key!r} is revealed and never asked" for key in revealed if key not in asked]
    return found if asked or found else ["nothing is asked"]


def notebook(path: Path, *sources: str) -> Path:
    code = [{"cell_type": "code", "metadata": {}, "source": [each]} for each in sources]
    path.write_text(json.dumps({"cells": code}), encoding="utf-8")
    return path


def test_faults_of_guesses_are_found(tmp_path: Path) -> None:
    path = tmp_path / "04_x.ipynb"
    make = 'guesses = Guesses("04")\n'
    ask = 'guesses.ask("w", options=("a", "b"), guess=None, sure=None)'
    reveal = 'print(guesses.reveal("w", row.verdict))'
    assert guess_faults(notebook(path, make + ask, reveal)) == []
    assert guess_faults(notebook(path, make + ask)) == ["'w' is asked and never revealed"]
    assert guess_faults(notebook(path, make, reveal)) == ["'w' is revealed and never asked"]
    assert guess_faults(notebook(path, make)) == ["nothing is asked"]
    assert guess_faults(notebook(path, make + ask + "\n" + reveal)) == [
        "'w' is revealed where it is asked, or before"
    ]
    kept = ask.replace("guess=None", 'guess="a"')
    assert guess_faults(notebook(path, make.replace("04", "05") + kept + "\n" + ask, reveal)) == [
        "Guesses of ['05'], expected '04' once",
        "somebody's guess of 'w' was left in the lesson",
        "'w' is asked twice",
    ]
    typed = reveal.replace("row.verdict", '"a"')
    assert guess_faults(notebook(path, make + ask, typed)) == [
        "the outcome of 'w' was typed: compute it from results"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_what_is_asked_is_revealed(path: Path) -> None:
    assert guess_faults(path) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_lesson_ends_with_its_quiz_and_sources(path: Path) -> None:
    shown = [ast.literal_eval(call.args[0]) for _, call in calls(path, "quizzes.show")]
    assert path.name[:2] in shown
    linked = any("(bibliography.md#" in each.source for each in cells(path, "markdown"))
    assert linked or any(call.args for _, call in calls(path, "bibliography.show"))
