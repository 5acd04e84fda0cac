"""The lexicon of the embedded world: its words, and how the lines of its files are read.

``data/world/scenes`` has a file for every scene (a restaurant, a court, ...), ``common.txt`` the
words that every scene has. ``data/world/README.md`` explains the notation; `mtlkit.scenes` puts the
lines together.
"""

import re
import tomllib
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from mtlkit import DATA
from mtlkit.inflection import plural

__all__ = [
    "Choices",
    "Entry",
    "LexiconError",
    "Line",
    "Noun",
    "NounClass",
    "Slot",
    "Table",
    "Verb",
    "declared",
    "header",
    "homographs",
    "irregular",
    "lines",
    "noun",
    "read",
    "words",
]

FOLDER = DATA / "world"
DOMAINS = ("news", "review", "message", "guide")
RELATIONS = ("so", "then", "but", "to", "while")  # of two events: see `mtlkit.discourse`
KEYWORDS = ("scene", "noun", "adj", "verb", "take", "form", *RELATIONS)
CLAUSAL = ("TO", "THAT", "ING", "WH", "BARE", "ADJ", "AS")
_NOUN = re.compile(r"([A-Za-z][A-Za-z-]*?)(?:/([a-z-]+))?([~*^]?)").fullmatch
K = TypeVar("K")
T = TypeVar("T")


class LexiconError(ValueError):
    """A line of the world's data is wrong; the message starts with ``file:line: ``."""


class Choices(Generic[T]):
    """Things with weights; a uniform number in [0, 1) draws one of them.

    >>> Choices(["soup", "stew"], [3, 1]).draw(0.7)
    'soup'
    """

    __slots__ = ("bounds", "things", "total")

    def __init__(self, things: Sequence[T], weights: Sequence[float] | None = None) -> None:
        """Without weights, Zipf's law as Mandelbrot has it: rank r, from 0, weighs 1 / (r + 2.7).

        Source: Mandelbrot (1953), An informational theory of the statistical structure of language.
        """
        self.things = things
        self.bounds = list(accumulate(weights or [1 / (r + 2.7) for r in range(len(things))]))
        self.total = self.bounds[-1] if self.bounds else 0.0

    def of(self, things: Sequence[Any]) -> "Choices[Any]":
        """Choices among other things, with the weights of these."""
        made = copy(self)
        made.things = things
        return made

    def draw(self, uniform: float) -> T:
        return self.things[bisect(self.bounds, uniform * self.total)]


class Table(Generic[K, T]):
    """Lists of things with weights by key; the choices of a key are made when it is first asked."""

    def __init__(self, found: Mapping[K, tuple[Sequence[T], Sequence[float] | None]]) -> None:
        self._found, self._made = found, dict[K, Choices[T]]()

    def __contains__(self, key: K) -> bool:
        return key in self._found

    def __getitem__(self, key: K) -> Choices[T]:
        if key not in self._made:
            self._made[key] = Choices(*self._found[key])
        return self._made[key]

    def get(self, key: K) -> Choices[T] | None:
        return self[key] if key in self._found else None

    def __iter__(self) -> Iterator[K]:
        return iter(self._found)


class Noun(NamedTuple):
    lemma: str
    plural: str
    kind: str  # sg (countable), one (singular only), mass, pl (plural only) or proper
    cls: str


class NounClass(NamedTuple):
    """A selectional class; ``me``: I, you and we can be one; ``entity``: of its members' names."""

    name: str
    sense: str
    me: bool
    entity: str


class Slot(NamedTuple):
    """A place for a noun phrase: after which preposition, and of which classes.

    ``certain``: all names that may stand here are of one type, so that the context decides it.
    """

    preposition: str
    classes: tuple[str, ...]
    certain: bool = False


Entry = tuple[str, str, str]
"""What a dictionary would list a verb by: lemma, particle and frame."""


class Verb(NamedTuple):
    """A verb in one frame, with its preferences."""

    lemma: str
    forms: dict[str, str]  # by the treebank's own tag
    particle: str
    frame: str  # in tr di pr pt pu, or what follows: to that ing wh bare adj, after o- an object
    valence: int  # of what it says about an event: 1 good, -1 bad, 0 neither
    stative: bool
    subject: Slot
    object: Slot
    goal: Slot  # second argument of di and pu
    adjuncts: Choices[Slot]
    adverbs: tuple[str, ...]
    licensed: frozenset[tuple[str, str]] = frozenset()  # (preposition, class) in all its frames

    @property
    def entry(self) -> Entry:
        return self.lemma, self.particle, self.frame


class Line(NamedTuple):
    """A line of a scene's file: ``keyword head: body``."""

    where: str
    keyword: str
    head: str
    body: str


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a file that are not comments, each after its ``file:line``."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        line = line.split("#")[0].strip()
        if line:
            yield f"{path.name}:{number}", line


def noun(word: str, cls: str, where: str = "") -> Noun:
    """Read one word of a list of nouns."""
    match = _NOUN(word)
    if match is None:
        raise LexiconError(f"{where}: cannot read the noun {word!r}")
    lemma, irregular, mark = match.groups(default="")
    kind = {"~": "mass", "*": "pl", "^": "one"}.get(mark, "proper" if word[0].isupper() else "sg")
    return Noun(lemma, lemma if kind == "pl" else irregular or plural(lemma), kind, cls)


@cache
def words() -> dict[str, Any]:
    """Return the small words, lists and settings of the domains: ``words.toml`` as it is."""
    return tomllib.loads((FOLDER / "words.toml").read_text("utf-8"))


SENSES, PREPOSITIONS, PARTICLES, LOCATIVE, SPEECH, MET, THERE = (
    frozenset(words()["lists"][name].split())
    for name in ("senses", "prepositions", "particles", "locative", "speech", "met", "there")
)
"""``SENSES`` are latent semantic classes, after the files of WordNet (Fellbaum 1998)."""


@cache
def irregular() -> dict[str, tuple[str, str]]:
    rows = (line.split() for _, line in lines(FOLDER / "irregular.txt"))
    return {lemma: (past, participle) for lemma, past, participle in rows}


def read(path: Path) -> list[Line]:
    """Read a scene's file into its lines; raises `LexiconError` for what is none."""
    found = []
    for where, line in lines(path):
        match = re.fullmatch(r"(\w+) ([^:]+):(.*)", line)
        if match is None or match[1] not in KEYWORDS:
            rule = f"a line is 'keyword head: body' with {', '.join(KEYWORDS)}"
            raise LexiconError(f"{where}: {rule}; found {line!r}")
        found.append(Line(where, match[1], match[2].strip(), match[3].strip()))
    return found


def header(own: Sequence[Line]) -> tuple[str, dict[str, float]]:
    """Read ``scene NAME: DOMAIN NUMBER, ...``: its name, and how often it occurs in each domain."""
    line = own[0]
    pairs = [part.split() for part in line.body.split(",")]
    if line.keyword != "scene" or any(len(p) != 2 or p[0] not in DOMAINS for p in pairs):
        rule = (
            f"a scene's file begins with 'scene NAME: DOMAIN NUMBER, ...', of {', '.join(DOMAINS)}"
        )
        raise LexiconError(f"{line.where}: {rule}; found {line.keyword} {line.head}: {line.body}")
    return line.head, {domain: float(number) for domain, number in pairs}


def declared(line: Line) -> NounClass:
    """Read what a line of nouns says of their class."""
    name, *rest = line.head.split()
    sense, marks = (rest or [name])[0], {*rest[1:]}
    wrong = name in PREPOSITIONS or (name in SENSES and name != sense) or sense not in SENSES
    if wrong or marks - {"me", "named", "unnamed"}:
        rule = "'noun CLASS SENSE [me] [named|unnamed]: words' with a sense of "
        rule += ", ".join(sorted(SENSES))
        raise LexiconError(f"{line.where}: expected {rule}, found {line.head!r}")
    usual = {"person": "PER", "org": "ORG"}.get(sense, "LOC" if "named" in marks else "")
    return NounClass(name, sense, "me" in marks, "" if "unnamed" in marks else usual)


def homographs(read_lines: Iterable[Line]) -> frozenset[str]:
    """Lemmas that are of two or more of noun, verb and adjective."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for line in read_lines:
        if line.keyword in ("noun", "verb", "adj"):
            heads = (
                line.body.split(";")[0].split()[:1] if line.keyword == "verb" else line.body.split()
            )
            for word in heads:
                kinds[re.split(r"[/_~*^<>+]|-$", word)[0]].add(line.keyword)
    return frozenset(word for word, found in kinds.items() if len(found) > 1)
