"""Sections of a lesson: where they are cut, and which needs which."""

from typing import Any

import pytest

from mtlkit.sections import Section, binds, needs, sections, uses


def text(source: str, id: str = "m") -> dict[str, Any]:
    return {"cell_type": "markdown", "id": id, "metadata": {}, "source": source}


def code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": source.splitlines(keepends=True)}


def test_a_cell_with_several_headings_is_cut() -> None:
    fenced = "# T\n\n## One\n\n```\n## no heading\n```\n\n### Sub\n\n## Two #3\n\nlast"
    one, two, three = sections({"cells": [text(fenced), code("x = 1")]})
    assert [part.heading for part in (one, two, three)] == ["", "One", "Two #3"]
    assert "".join(one.cells[0]["source"]) == "# T"
    assert "".join(two.cells[0]["source"]) == "## One\n\n```\n## no heading\n```\n\n### Sub"
    assert "".join(three.cells[0]["source"]) == "## Two #3\n\nlast"
    assert [cell.get("id") for part in (one, two, three) for cell in part.cells] == [
        "m", "m-b", "m-c", None,
    ]  # fmt: skip


def test_other_cells_stay_as_they_are() -> None:
    cells = [text("# T"), code("x = 1"), text("## One\n\nA."), text("more"), code("y = 2")]
    first, second = sections({"cells": cells})
    assert [*first.cells, *second.cells] == cells
    assert all(a is b for a, b in zip([*first.cells, *second.cells], cells, strict=True))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("y = x + 1", {"x"}),
        ("def f(a):\n    b = a\n    return b + c", {"c"}),
        ("[k * n for k in rows]", {"n", "rows"}),
        ("class A(Base):\n    z = w\n    def f(self):\n        return g", {"Base", "w", "g"}),
        ("x += 1", {"x"}),
        ("frame['a'] = 1", {"frame"}),
    ],
)
def test_names_that_are_read(source: str, names: set[str]) -> None:
    assert uses(source) - {"self"} >= names
    assert not uses(source) & {"a", "b", "k"}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import os.path\nfrom a import b as c", {"os", "c"}),
        ("a, (b, *c) = x", {"a", "b", "c"}),
        ("for i in x:\n    y = i", {"i", "y"}),
        ("with open(f) as g:\n    pass", {"g"}),
        ("def f():\n    inner = 1", {"f"}),
        ("[k for k in x]", set()),
        ("frame['a'].b = 1", {"frame"}),
        ("rows.append(1)\nrows.count(1)", {"rows"}),
        ("if (n := 1):\n    pass", {"n"}),
        ("x |= y", {"x"}),
    ],
)
def test_names_that_are_bound_or_changed(source: str, names: set[str]) -> None:
    assert binds(source) == names


def part(*sources: str) -> Section:
    return Section("S", tuple(code(source) for source in sources))


def test_a_section_needs_the_last_one_that_binds_or_changes_what_it_reads() -> None:
    parts = (
        part("import math\nx = 1"),
        part("y = x", "z = y"),
        part("x = 2"),
        part("print(x, y)", "x = 3", "print(x)"),
        part("rows = []"),
        part("rows.append(math.pi)"),
        part("print(rows)"),
    )
    assert needs(parts) == (
        frozenset(), frozenset({0}), frozenset(), frozenset({1, 2}), frozenset(),
        frozenset({0, 4}), frozenset({5}),
    )  # fmt: skip


def test_a_function_needs_what_is_bound_only_later() -> None:
    assert needs((part("def f():\n    return late"), part("late = 1"))) == (
        frozenset({1}),
        frozenset(),
    )


def test_a_name_of_its_own_needs_nobody() -> None:
    assert needs((part("t = 1"), part("t = 2\nprint(t)"))) == (frozenset(), frozenset())
