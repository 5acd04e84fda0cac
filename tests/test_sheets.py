"""Sheets of labelled sentences: what is read, and where what is wrong stands."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit import segmentation, sheets
from mtlkit.sheets import Row, SheetError


def parse(sheet: str, text: str = "text", label: str = "label") -> list[Row]:
    return sheets.parse(sheet.encode(), "my.csv", text=text, label=label)


def test_commas_semicolons_tabs_quotes_and_other_columns() -> None:
    wanted = [Row(2, ("Good", ",", "really", "."), "plus"), Row(3, ("Bad",), "minus")]
    assert parse('text,label\n"Good, really.",plus\nBad,minus\n') == wanted
    assert parse("text;label\nGood, really.;plus\nBad;minus") == wanted
    assert parse("nr\tlabel\ttext\n1\tplus\tGood, really.\n2\t minus \tBad\n") == wanted
    assert parse('﻿text,label\r\n"Good, really.",plus\r\nBad,minus\r\n') == wanted


def test_lines_are_those_of_the_file() -> None:
    found = parse('stars,review\n5,"two\nlines"\n\n1,"a ""word"""\n', text="review", label="stars")
    assert [(row.line, row.words, row.label) for row in found] == [
        (2, ("two", "lines"), "5"),
        (5, ("a", '"', "word", '"'), "1"),
    ]


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


@given(st.lists(st.tuples(texts, st.sampled_from("ab")), min_size=1), st.sampled_from(",;\t"))
def test_what_the_csv_module_writes_is_read(rows: list[tuple[str, str]], sign: str) -> None:
    rows = [(text, label) for text, label in rows if segmentation.words(text)] or [("x", "a")]
    file = io.StringIO()
    csv.writer(file, delimiter=sign, lineterminator="\n").writerows([("text", "label"), *rows])
    assert [(row.words, row.label) for row in parse(file.getvalue())] == [
        (segmentation.words(text), label) for text, label in rows
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\na,b,c\n", "my.csv:2: 3 fields instead of 2; a text with a comma in it must"),
        ("text;label\na;b\n\na\n", "my.csv:4: 1 fields instead of 2; a text with a semicolon in"),
        ("text,label\n ,b\n", "my.csv:2: the text is ' '; write one or take the line out"),
        ("text,label\na,\n", "my.csv:2: the label is empty; write one or take the line out"),
        ("text,label\na,b\n\"c,d\n\n", "my.csv:3: unexpected end of data; a quote that is opened"),
        ("text,label\n", "my.csv:2: no labelled text; expected a line with 'text'"),
        ("", "my.csv:1: no labelled text; expected a line with 'text'"),
        ("review,stars\na,5\n", "my.csv:1: the column 'text' is not there; the columns are "
         "'review', 'stars': say which with --text-column and --label-column"),
        ("text,label,text\na,5,b\n", "my.csv:1: the column 'text' is more than once; the columns"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(SheetError, match="^" + re.escape(message)):
        parse(text)


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(SheetError, match=r"^my.csv:3: not UTF-8: byte 0xe9; save the sheet as UTF"):
        sheets.parse(b"text,label\na,b\ncaf\xe9,b\n", "my.csv", text="text", label="label")
