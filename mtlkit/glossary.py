"""The glossary: each term of the course with its definition, as text, as a page, as cards.

``data/glossary.yaml`` is the one source; its head says what the fields are.  A slug is a term's
anchor in ``notebooks/glossary.md`` and its id on a card.
"""

import difflib
import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from mtlkit import DATA

__all__ = ["GlossaryError", "Term", "markdown", "of", "page", "read", "show", "terms"]

PAGE = "glossary.md"
"""The page beside the lessons that `page` is the text of."""

LESSONS = tuple(f"{number:02}" for number in range(14))
LONGEST = 400
"""Characters of a definition, so that it fits on a card."""

TEXTS, LISTS = ("term", "definition", "formula", "source"), ("lessons", "see")
REQUIRED = ("term", "definition", "lessons")
COLOURS = {"front_colors": ["#1d4e6b"], "back_colors": ["#3b3f5c"], "text_colors": ["#ffffff"]}

FOLD = """
setTimeout(function () {
    document.getElementById("%s").open = false;
    document.body.append(document.createComment("cards"));
}, 0);
"""
"""Folds the list, and changes the page: jupytercards waits for a change before it makes cards."""


class GlossaryError(ValueError):
    """A glossary that cannot be read, an entry with a fault, or a lesson without terms."""


@dataclass(frozen=True)
class Term:
    """A term: see the head of ``data/glossary.yaml`` for what the fields mean."""

    slug: str
    term: str
    definition: str
    lessons: tuple[str, ...]
    formula: str = ""
    see: tuple[str, ...] = ()
    source: str = ""


@cache
def terms() -> Mapping[str, Term]:
    """Slug to term, in the order of the file.  `GlossaryError` for a fault in it."""
    return MappingProxyType(read())


def of(lesson: str) -> tuple[Term, ...]:
    """The terms of a lesson such as "04".  `GlossaryError` if there are none."""
    found = tuple(term for term in terms().values() if lesson in term.lessons)
    if not found:
        known = sorted({number for term in terms().values() for number in term.lessons})
        raise GlossaryError(f"no terms for lesson {lesson!r}: there are {', '.join(known)}")
    return found


def read(path: Path = DATA / "glossary.yaml") -> dict[str, Term]:
    """Read and check a glossary.  `GlossaryError` names the slug and the field of a fault."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = path.read_text(encoding="utf-8")
        root, data = yaml.compose(text, Loader=loader), yaml.load(text, Loader=loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise GlossaryError(f"{path}: {error}; restore it from version control") from None
    if not isinstance(data, dict) or not data:
        raise GlossaryError(f"{path} holds no terms: it should map a slug to each one's fields")
    slugs = [key.value for key, _ in root.value]
    if twice := sorted({slug for slug in slugs if slugs.count(slug) > 1}):  # yaml keeps the last
        raise GlossaryError(f"{path.name}: {twice[0]}: stands there twice; rename one of them")
    found = {str(slug): _term(path.name, slug, fields) for slug, fields in data.items()}
    _check_names(path.name, found)
    return found


def _term(name: str, slug: Any, fields: Any) -> Term:
    where = f"{name}: {slug}"
    if not isinstance(slug, str) or not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", slug):
        raise GlossaryError(f"{where}: a slug has only a-z, 0-9 and single hyphens")
    if not isinstance(fields, dict):
        raise GlossaryError(f"{where}: expected fields such as term, found {fields!r}")
    for field, value in fields.items():
        if field not in (*TEXTS, *LISTS):
            known = ", ".join((*TEXTS, *LISTS))
            raise GlossaryError(f"{where}: unknown field {field!r}; the fields are {known}")
        if problem := _problem(field, value):
            raise GlossaryError(f"{where}: field {field!r} {problem}")
    if lacking := [field for field in REQUIRED if field not in fields]:
        raise GlossaryError(f"{where}: field {lacking[0]!r} is missing")
    read: dict[str, Any] = {
        field: value.strip() if field in TEXTS else tuple(value) for field, value in fields.items()
    }
    return Term(slug=slug, **read)


def _problem(field: str, value: Any) -> str:
    """What is wrong with a field's value; empty if nothing is."""
    if field in LISTS:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            return f"is {value!r}: expected a list of texts, in quotes if they are numbers"
        if not value or len(set(value)) < len(value):
            return f"is {value!r}: expected at least one entry, and none twice"
        wrong = [each for each in value if field == "lessons" and each not in LESSONS]
        return f"has {wrong[0]!r}: a lesson is '00' to '{LESSONS[-1]}'" if wrong else ""
    if not isinstance(value, str) or not value.strip():
        return f"is {value!r}: expected a text"
    if field == "definition":
        if not value.strip().endswith("."):
            return f"ends in {value.strip()[-10:]!r}: expected whole sentences"
        if len(value) > LONGEST:
            return f"has {len(value)} characters: at most {LONGEST} fit on a card"
    if "$" in value:
        return "has a dollar sign: formulas go into the field 'formula', without any"
    if field == "formula" and value.count("{") != value.count("}"):
        return f"has {value.count('{')} '{{' and {value.count('}')} '}}': close each of them"
    return ""


def _check_names(name: str, found: Mapping[str, Term]) -> None:
    first: dict[str, str] = {}
    for slug, term in found.items():
        same = first.setdefault(term.term.casefold(), slug)
        if same != slug:
            raise GlossaryError(f"{name}: {slug}: field 'term' is {term.term!r}, as that of {same}")
        for other in term.see:
            if other == slug or other not in found:
                near = difflib.get_close_matches(other, set(found) - {slug}, n=1)
                hint = f"did you mean {near[0]}?" if near else "name the slug of another term"
                raise GlossaryError(f"{name}: {slug}: field 'see' has {other!r}; {hint}")


# ---- as a page


def page(lessons: Mapping[str, str] = MappingProxyType({})) -> str:
    """The whole glossary in Markdown, by letter; its anchors are the slugs.

    `lessons`: number of a lesson to its file's name, for links.
    """
    ordered = sorted(terms().values(), key=lambda term: term.term.casefold())
    letters = {
        letter: list(each) for letter, each in groupby(ordered, lambda term: term.term[0].upper())
    }
    parts = [
        "# Glossary",
        f"The {len(ordered)} terms of the course. `mtlkit cards` asks them as flash cards.",
        " · ".join(f"[{letter}](#{letter.lower()})" for letter in letters),
    ]
    for letter, each in letters.items():
        parts += [f"## {letter}", markdown(each, lessons).rstrip("\n")]
    return "\n\n".join(parts) + "\n"


def markdown(some: Iterable[Term], lessons: Mapping[str, str] = MappingProxyType({})) -> str:
    """Terms as paragraphs in Markdown, each with its slug as an anchor; `lessons` as in `page`."""
    return "\n\n".join(_entry(term, lessons) for term in some) + "\n"


def _entry(term: Term, lessons: Mapping[str, str]) -> str:
    numbers = [f"[{n}]({lessons[n]})" if n in lessons else n for n in term.lessons]
    notes = [f"Lesson{'s' * (len(numbers) > 1)} {', '.join(numbers)}"]
    if term.see:
        links = (f"[{_escaped(terms()[slug].term)}](#{slug})" for slug in term.see)
        notes.append(f"See {', '.join(links)}")
    if term.source:
        notes.append(f"Source: {_escaped(term.source)}")
    paragraph = f'<a id="{term.slug}"></a>**{_escaped(term.term)}.** {_escaped(term.definition)}'
    formula = [f"$${term.formula}$$"] if term.formula else []
    return "\n\n".join([paragraph, *formula, f"*{'. '.join(notes)}.*"])


def _escaped(text: str) -> str:
    """Text in which Markdown sees no markup."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", text)


# ---- in a notebook


def show(lesson: str) -> None:
    """The terms of a lesson as flash cards in the running notebook; as a list where none runs.

    The list comes with the cards.  It is all that a page without scripts shows, and where cards
    can be turned it is folded.
    """
    some = of(lesson)
    plain = "".join(
        f"- [{_escaped(term.term)}]({PAGE}#{term.slug}): {_escaped(term.definition)}\n"
        for term in some
    )
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        print(plain, end="")
        return
    data = {"text/html": _cards(lesson, some), "text/markdown": plain, "text/plain": plain}
    display(data, raw=True)


def _cards(lesson: str, some: Iterable[Term]) -> str:
    """One piece of HTML: the list, the cards, and a script that makes them and folds the list."""
    from IPython.utils.capture import capture_output
    from jupytercards import display_flashcards

    sides = [(html.escape(term.term), html.escape(term.definition)) for term in some]
    cards = [{"front": front, "back": back} for front, back in sides]
    with capture_output() as captured:  # it displays four outputs, of which one would remain
        display_flashcards(cards, known_widgets=True, **COLOURS)
    parts = [output.data for output in captured.outputs]
    body = "".join(part["text/html"] for part in parts if "text/html" in part)
    script = "".join(part.get("application/javascript", "") for part in parts)
    (name,) = re.findall('class="flip-container" id="([A-Za-z]+)"', body)  # drawn at random
    body, script = (text.replace(name, f"terms-{lesson}") for text in (body, script))
    rows = "".join(
        f'<dt><a href="{PAGE}#{term.slug}">{html.escape(term.term)}</a></dt>'
        f"<dd>{html.escape(term.definition)}{_formula(term)}</dd>\n"
        for term in some
    )
    listed = f"<summary>The terms of this lesson: {len(cards)}</summary>\n<dl>\n{rows}</dl>"
    script += FOLD % f"list-{lesson}"
    return f'<details open id="list-{lesson}">{listed}</details>\n{body}\n<script>{script}</script>'


def _formula(term: Term) -> str:
    return f"<br>${html.escape(term.formula)}$" if term.formula else ""
