"""Sources: the one list of references, ``data/bibliography.bib``, and how lessons show it."""

import difflib
import functools
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, urlsplit

from pybtex.database import BibliographyData, Entry, Person, parse_file
from pybtex.exceptions import PybtexError

from mtlkit import DATA

__all__ = ["FILE", "BibliographyError", "entry", "formatted", "keys", "page", "show"]

FILE = DATA / "bibliography.bib"

VENUES = ("journal", "booktitle", "publisher", "howpublished")
"""Fields that say where a source appeared; what has none of them is a preprint."""

MOST_AUTHORS = 5
"""Of more, the first three are named."""


class BibliographyError(ValueError):
    """A file of references that cannot be read, or a key that it does not have."""


def keys(file: Path = FILE) -> tuple[str, ...]:
    """All keys, in the order of the page: by first author, then by year."""
    entries = _read(file).entries
    return tuple(sorted(entries, key=lambda key: (_order(entries[key]), key)))


def entry(key: str, *, file: Path = FILE) -> Entry:
    """The entry of a key as pybtex reads it: ``.fields``, ``.persons``, ``.type``.

    Raises `BibliographyError` for a key that the file does not have; it names those near it.
    """
    entries = _read(file).entries
    if key not in entries:
        near = difflib.get_close_matches(key, entries, n=5, cutoff=0.6)
        near += [name for name in entries if _surname(name) == _surname(key) and name not in near]
        hint = f"near it: {', '.join(near)}" if near else f"there are {len(entries)} others"
        raise BibliographyError(
            f"{file.name} has no key {key!r}; {hint}. Keys are surname and year, as in caruana1997"
        )
    return entries[key]


def formatted(key: str, *, file: Path = FILE) -> str:
    """One source in Markdown: authors, year, title, venue, link, and what to read it for."""
    found = entry(key, file=file)
    fields = {name.lower(): _plain(text) for name, text in found.fields.items()}
    people = found.persons.get("author") or found.persons.get("editor", [])
    editors = " (ed.)" if "author" not in found.persons and people else ""
    title = fields["title"].rstrip(".")
    ending = "" if title.endswith(("?", "!")) else "."
    text = f"{_people(people)}{editors} ({fields['year']}). *{title}{ending}* {_venue(fields)}"
    parts = [text.strip(), _link(fields)]
    parts += [f"{fields[name].rstrip('.')}." for name in ("note", "annote") if name in fields]
    return " ".join(part for part in parts if part)


def show(*keys: str, file: Path = FILE) -> None:
    """Display sources as a list in the running notebook; elsewhere print it.

    Raises `BibliographyError` for a key that the file does not have.
    """
    text = "\n".join(f"- {formatted(key, file=file)}" for key in keys)
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        print(text)
    else:
        display({"text/markdown": text, "text/plain": text}, raw=True)


def page(*, file: Path = FILE) -> str:
    """All sources as a page in Markdown, with an anchor each: ``bibliography.md#caruana1997``."""
    lines = [f'- <a id="{key}"></a>{formatted(key, file=file)}' for key in keys(file)]
    intro = (
        "What the lessons and the code rest on, by first author. Generated from "
        "`data/bibliography.bib` by `mtlkit pages`."
    )
    return "\n".join(["# Bibliography", "", intro, "", *lines]) + "\n"


def _read(file: Path) -> BibliographyData:
    if not file.is_file():
        raise BibliographyError(f"{file}: no such file; it comes with the project, restore it")
    return _parsed(file, file.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _parsed(file: Path, stamp: int) -> BibliographyData:
    try:
        read = parse_file(str(file), "bibtex", encoding="utf-8")
    except (PybtexError, UnicodeDecodeError) as error:
        line = f":{error.lineno}" if hasattr(error, "lineno") else ""
        raise BibliographyError(
            f"{file}{line}: not BibTeX: {error}; correct that entry, or restore the file"
        ) from error
    for key, found in read.entries.items():
        lacking = [name for name in ("title", "year") if name not in found.fields]
        if not found.persons:
            lacking.append("author")
        if not any(name in found.fields for name in (*VENUES, "eprint")):
            lacking.append("journal, booktitle, publisher, howpublished or eprint")
        if lacking:
            raise BibliographyError(f"{file}: {key} has no {' and no '.join(lacking)}")
    return read


def _order(found: Entry) -> tuple[str, str]:
    people = found.persons.get("author") or found.persons["editor"]
    name = " ".join([*people[0].prelast_names, *people[0].last_names])
    return fold(name), found.fields["year"]


def fold(text: str) -> str:
    """Letters without accents, in lower case: ``Søgaard`` is ``sogaard``."""
    plain = unicodedata.normalize("NFKD", _plain(text).replace("ø", "o").replace("ł", "l"))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).lower()


def _surname(key: str) -> str:
    return re.sub(r"\d.*", "", key).lower()


def _plain(text: str) -> str:
    """A field without BibTeX's signs: braces, escapes, ``--``, quotation marks."""
    text = re.sub(r"[{}]", "", text).replace("\\", "").replace("--", "–")
    return text.replace("``", "“").replace("''", "”")


def _people(people: Iterable[Person]) -> str:
    names = []
    for person in people:
        last = _plain(" ".join([*person.prelast_names, *person.last_names]))
        first = [*person.first_names, *person.middle_names]
        initials = " ".join(_initials(_plain(name)) for name in first)
        names.append(" ".join(part for part in (initials, last) if part))
    many = names[-1] == "others"
    names = names[: -1 if many else None]
    if many or len(names) > MOST_AUTHORS:
        return f"{', '.join(names[:3])} et al."
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _initials(name: str) -> str:
    """``Jean-Antoine`` is ``J.-A.``; a letter with its point stays."""
    return "-".join(f"{part[0]}." for part in name.split("-") if part)


def _venue(fields: dict[str, str]) -> str:
    where = next((fields[name] for name in VENUES if name in fields), "")
    if "booktitle" in fields and "publisher" in fields:
        where += f", {fields['publisher']}"
    if "edition" in fields:
        where += f", {fields['edition'].lower()} edition"
    if volume := fields.get("volume"):
        where += f" {volume}" + (f"({fields['number']})" if "number" in fields else "")
    if pages := fields.get("pages"):
        where += f", {pages}"
    return f"{where}." if where else ""


def _link(fields: dict[str, str]) -> str:
    if "doi" in fields:
        shown = fields["doi"].replace("<", r"\<")
        return f"[doi:{shown}](https://doi.org/{quote(fields['doi'], safe='/:;.')})."
    if "eprint" in fields:
        return f"[arXiv:{fields['eprint']}](https://arxiv.org/abs/{fields['eprint']})."
    url = fields.get("url", "")
    return f"[{urlsplit(url).netloc}]({url})." if url else ""
