"""Generated pages are those that the sources give now; what cannot be generated is said."""

import argparse
import json
import re
from pathlib import Path

import pytest

from mtlkit import bibliography, pages
from mtlkit.pages import MARKS, Head, PagesError, front_page, head, stale, write

ROOT = Path(__file__).resolve().parent.parent

FIRST = """\
# 4 · Sharing: hard, soft

**How much should tasks share,
and why?**

**Minutes:** reading 25, exercises 30, machine 2 (profile *quick*)."""
OLDER = FIRST.replace("**Minutes:** reading 25, exercises 30, machine 2", (
    "Reading takes about 25 minutes, the exercises about\n30. What the machine needs is below"
))  # fmt: skip


def lesson(path: Path, first: str = FIRST) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = {"cell_type": "markdown", "source": first.splitlines(keepends=True)}
    path.write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    return path


@pytest.fixture
def course(tmp_path: Path) -> Path:
    lesson(tmp_path / "notebooks" / "04_sharing.ipynb")
    lesson(tmp_path / "notebooks" / "full" / "04_sharing.ipynb")
    lesson(tmp_path / "notebooks" / "05_new.ipynb", FIRST.replace("# 4 · Sharing", "# 5 · New"))
    (tmp_path / "pyproject.toml").touch()
    costs = tmp_path / "data" / "results" / "quick" / "lessons.csv"
    costs.parent.mkdir(parents=True)
    costs.write_text("lesson,seconds\n04_sharing,61.5\n")
    (tmp_path / "README.md").write_text(f"a\n{MARKS[0]}\nold\n{MARKS[1]}\nb\n")
    return tmp_path


def test_generated_pages_are_up_to_date() -> None:
    late = [str(path.relative_to(ROOT)) for path in stale(ROOT)]
    assert not late, f"{late}: run mtlkit pages"
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(f"{MARKS[0]}\n.*{MARKS[1]}", text, re.S), "the table of lessons has its place"


@pytest.mark.parametrize("first", [FIRST, OLDER])
def test_the_head_of_a_lesson(first: str, tmp_path: Path) -> None:
    asked = "How much should tasks share, and why?"
    assert head(lesson(tmp_path / "04_x.ipynb", first)) == Head("Sharing", asked, 25, 30)


def test_what_a_head_lacks_is_named(tmp_path: Path) -> None:
    path = lesson(tmp_path / "04_x.ipynb", "# Sharing\n\n**Minutes:** many")
    with pytest.raises(PagesError) as error:
        head(path)
    assert str(error.value) == (
        "04_x.ipynb: the first cell has no title, as in '# 4 · Sharing: how much'; no question in "
        "bold, as in '**What is a route?**'; no minutes, as in '**Minutes:** reading 25, exercises "
        "30, machine 1'"
    )
    path.write_text('{"cells": []}')
    with pytest.raises(PagesError, match=r"04_x\.ipynb: the first cell has no title"):
        head(path)


def test_the_table_of_lessons(course: Path) -> None:
    page = front_page((course / "README.md").read_text(), course)
    asked = "How much should tasks share, and why?"
    quick, full = "notebooks/04_sharing.ipynb", "notebooks/full/04_sharing.ipynb"
    assert page.splitlines() == [
        "a",
        MARKS[0],
        "",
        "| lesson | question | minutes | executed in |",
        "|---|---|---|---|",
        f"| 04 Sharing | {asked} | 25 + 30 + 2 | [quick]({quick}), [full]({full}) |",
        f"| 05 New | {asked} | 25 + 30 + ? | [quick](notebooks/05_new.ipynb) |",
        "",
        MARKS[1],
        "b",
    ]
    assert front_page(page, course) == page
    assert front_page("no marks", course) == "no marks"
    (course / "README.md").write_text(f"a\n{MARKS[0]}\n{MARKS[1]}\nb\n")
    assert front_page((course / "README.md").read_text(), course) == page


def test_pages_are_written_where_they_are_stale(course: Path) -> None:
    shelves = (course / "notebooks", course / "notebooks" / "full")
    wanted = [shelf / f"{name}.md" for shelf in shelves for name in pages.PAGES]
    wanted.append(course / "README.md")
    assert list(stale(course)) == wanted == write(course)
    for shelf in shelves:
        assert (shelf / "bibliography.md").read_text(encoding="utf-8") == bibliography.page()
    assert stale(course) == {} and write(course) == []
    wanted[1].write_text("changed by hand")
    assert write(course) == [wanted[1]]


def test_pages_are_told_which_lessons_lie_beside_them(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGES", {"list": lambda lessons: json.dumps(dict(lessons))})
    write(course)
    quick, full = (course / folder / "list.md" for folder in pages.SHELVES)
    assert json.loads(quick.read_text()) == {"04": "04_sharing.ipynb", "05": "05_new.ipynb"}
    assert json.loads(full.read_text()) == {"04": "04_sharing.ipynb"}


def test_the_command(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(course)
    assert pages.pages(argparse.Namespace(check=True)) == 1
    said = capsys.readouterr().out
    assert "notebooks/bibliography.md: is out of date: run mtlkit pages\n" in said
    assert not (course / "notebooks" / "bibliography.md").exists()
    assert pages.pages(argparse.Namespace(check=False)) == 0
    assert "README.md: written\n" in capsys.readouterr().out
    assert pages.pages(argparse.Namespace(check=True)) == 0
    assert capsys.readouterr().out == "all generated pages are up to date\n"


def test_elsewhere_than_in_a_course_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(PagesError, match=r"no lessons under .*notebooks: run this in a checkout"):
        write(tmp_path)
    assert not list(tmp_path.iterdir())
