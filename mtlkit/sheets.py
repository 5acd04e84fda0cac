"""Sheets of labelled sentences: CSV files with a column of text and a column of labels.

The first line names the columns.  They are separated by commas, semicolons or tabs, whichever the
first line has; a text with such a sign in it, or with a line end, stands in double quotes (RFC
4180).  UTF-8, with or without a byte order mark.
"""

import csv
import io
from typing import NamedTuple

from mtlkit import segmentation

__all__ = ["Row", "SheetError", "parse"]

_SIGNS = {",": "comma", ";": "semicolon", "\t": "tab"}


class SheetError(ValueError):
    """A sheet that cannot be read; the message starts with ``file:line:``."""


class Row(NamedTuple):
    """One labelled text: the line it begins on, its words and its label."""

    line: int
    words: tuple[str, ...]
    label: str


def parse(data: bytes, source: str, *, text: str, label: str) -> list[Row]:
    """Read a sheet from its bytes; ``text`` and ``label`` are the names of its columns.

    Words are those of `mtlkit.segmentation`; other columns are passed over, and so are empty
    lines.  Raises `SheetError` at the first fault, with the place, what was found and what to do.
    """
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}"
        raise SheetError(
            f"{source}:{line}: not UTF-8: {found}; save the sheet as UTF-8 and add it again"
        ) from None
    first = content.partition("\n")[0].rstrip("\r")
    sign = max(_SIGNS, key=first.count)
    lines = csv.reader(io.StringIO(content, newline=""), delimiter=sign, strict=True)
    begin, rows = 1, []
    columns: list[str] = []
    try:
        for fields in lines:
            if not columns:
                columns = [field.strip() for field in fields]
                places = [_place(name, columns, source) for name in (text, label)]
            elif any(field.strip() for field in fields):
                if len(fields) != len(columns):
                    raise SheetError(
                        f"{source}:{begin}: {len(fields)} fields instead of {len(columns)}; a "
                        f"text with a {_SIGNS[sign]} in it must stand in double quotes"
                    )
                rows.append(_row(begin, fields[places[0]], fields[places[1]], source))
            begin = lines.line_num + 1
    except csv.Error as error:
        raise SheetError(
            f"{source}:{begin}: {error}; a quote that is opened must be closed, and one within a "
            'text is doubled, as in "a ""quoted"" word"'
        ) from None
    if not rows:
        raise SheetError(f"{source}:{begin}: no labelled text; expected a line with {text!r}")
    return rows


def _place(name: str, columns: list[str], source: str) -> int:
    if columns.count(name) != 1:
        often = "more than once" if name in columns else "not there"
        raise SheetError(
            f"{source}:1: the column {name!r} is {often}; the columns are "
            f"{', '.join(map(repr, columns))}: say which with --text-column and --label-column"
        )
    return columns.index(name)


def _row(line: int, text: str, label: str, source: str) -> Row:
    words = segmentation.words(text)
    if not words:
        raise SheetError(f"{source}:{line}: the text is {text!r}; write one or take the line out")
    if not label.strip():
        raise SheetError(f"{source}:{line}: the label is empty; write one or take the line out")
    return Row(line, words, label.strip())
