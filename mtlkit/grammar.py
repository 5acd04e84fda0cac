"""The grammar and lexicon of the embedded world: words, their classes, and the rules over them.

Everything is read from the files of ``data/world``; `mtlkit.world` writes sentences with it.
"""

import re
import tomllib
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from mtlkit import DATA

__all__ = ["DOMAINS", "Choices", "Grammar", "GrammarError", "Item", "Noun", "Slot", "Verb", "load"]

FOLDER = DATA / "world"
DOMAINS = ("news", "review", "message", "guide")
T = TypeVar("T")


class GrammarError(ValueError):
    """A line of the world's data is wrong; the message starts with ``file:line: ``."""


class Choices(Generic[T]):
    """Things with weights; a uniform number in [0, 1) draws one of them.

    >>> Choices(["soup", "stew"], [3, 1]).draw(0.7)
    'soup'
    """

    def __init__(self, things: Sequence[T], weights: Sequence[float] | None = None) -> None:
        """Without weights, Zipf's law as Mandelbrot has it: rank r, from 0, weighs 1 / (r + 2.7).

        Source: Mandelbrot (1953), An informational theory of the statistical structure of language.
        """
        self.things = things
        self.bounds = list(accumulate(weights or [1 / (r + 2.7) for r in range(len(things))]))

    def draw(self, uniform: float) -> T:
        return self.things[bisect(self.bounds, uniform * self.bounds[-1])]


class Noun(NamedTuple):
    """A noun and its selectional class."""

    lemma: str
    plural: str
    kind: str  # sg (countable), one (singular only), mass, pl (plural only) or proper
    cls: str


class Slot(NamedTuple):
    """A place for a noun phrase: after which preposition, and of which classes.

    ``certain``: all names that may stand here are of one type, so that the context decides it.
    """

    preposition: str
    classes: tuple[str, ...]
    certain: bool


class Verb(NamedTuple):
    """A verb in one frame, with its preferences."""

    lemma: str
    forms: dict[str, str]  # by the treebank's own tag
    particle: str  # or the preposition of its object
    frame: str
    polarity: str  # "+", "-", "*" for a frame of opinions, else empty
    subject: Slot
    object: Slot
    adjuncts: Choices[Slot]
    licensed: frozenset[tuple[str, str]]  # (preposition, class) of adjuncts, of all its frames


class Item(NamedTuple):
    """One phrase of a rule, in the notation of ``grammar.txt``."""

    relation: str
    head: bool
    literal: tuple[str, str, str, str] | None  # form, lemma, universal tag, own tag
    phrase: str
    argument: str
    chance: float
    flip: bool


class Grammar(NamedTuple):
    """What the files say, for one domain."""

    lexicon: dict[str, Any]  # lexicon.toml as it is
    rules: dict[str, Choices[tuple[Item, ...]]]
    nouns: dict[str, Choices[Noun]]  # by class
    adverbs: dict[str, Choices[str]]  # by kind
    adjectives: dict[tuple[str, int | None], Choices[str]]  # by class and polarity, None for any
    verbs: dict[tuple[str, str], Choices[Verb]]  # by ("pool", name), ("subject" or "object", class)
    modifiers: dict[str, Choices[Slot]]  # what a class of nouns takes; "+" is a compound
    licensed: frozenset[tuple[str, str, str]]  # (class, preposition, class) of the modifiers


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a file that are not comments, each after its ``file:line``."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if line and line[0] != "#":
            yield f"{path.name}:{number}", line


def plural(lemma: str, sibilant: str = r"(s|x|z|ch|sh)$") -> str:
    """Return the regular plural, which is also how a verb forms its third person.

    >>> plural("berry"), plural("box"), plural("toy")
    ('berries', 'boxes', 'toys')
    """
    if re.search(r"[^aeiou]y$", lemma):
        return lemma[:-1] + "ies"
    return lemma + ("es" if re.search(sibilant, lemma) else "s")


def inflected(lemma: str, past: str, participle: str) -> dict[str, str]:
    """Return a verb's forms by tag; a single consonant after one short vowel is doubled.

    >>> inflected("stop", "stopped", "stopped")["VBG"], inflected("tie", "tied", "tied")["VBZ"]
    ('stopping', 'ties')
    """
    doubled = past == f"{lemma}{lemma[-1]}ed" or re.search(r"^[^aeiou]*[aeiou][bdgmnpt]$", lemma)
    stem = lemma + lemma[-1] if doubled else re.sub(r"(?<=[^eoy])e$", "", lemma)
    third = {"have": "has"}.get(lemma) or plural(lemma, r"(s|x|z|ch|sh|o)$")
    forms = {"VB": lemma, "VBP": lemma, "VBZ": third, "VBD": past, "VBN": participle}
    return forms | {"VBG": f"{stem}ing"}


def noun(word: str, cls: str) -> Noun:
    """Read one word of the lexicon's lists of nouns."""
    lemma, _, irregular = word.rstrip("~*^").partition("/")
    kind = {"~": "mass", "*": "pl", "^": "one"}.get(
        word[-1], "proper" if word[0].isupper() else "sg"
    )
    return Noun(lemma, lemma if kind == "pl" else irregular or plural(lemma), kind, cls)


def item(source: str, xpos: dict[str, str], where: str) -> Item:
    """Read one item of a rule, in the notation explained at the head of ``grammar.txt``."""
    pattern = r"(?:(\w+)=)?(\^?)(\?/PUNCT|[^\s?~\[]+)(?:\[(.+)\])?(~?)(?:\?([.\d]+))?"
    match = re.fullmatch(pattern, source)
    if match is None:
        raise GrammarError(f"{where}: cannot read {source!r}; see the notation at the file's head")
    relation, head, phrase, argument, flip, chance = match.groups(default="")
    literal = None
    if "/" in phrase:
        form, upos, own, lemma = [*phrase.split("/"), "", ""][:4]
        literal = (form, lemma or form, upos, own or xpos.get(upos, form))
    return Item(relation, bool(head), literal, phrase, argument, float(chance or 1), bool(flip))


def rules(domain: str, xpos: dict[str, str]) -> dict[str, Choices[tuple[Item, ...]]]:
    """Return the rules by symbol; those of this domain replace the general ones."""
    found: dict[str, dict[str, list[Any]]] = {"": defaultdict(list), domain: defaultdict(list)}
    for where, line in lines(FOLDER / "grammar.txt"):
        left, sign, right = line.partition(" =")
        match = re.fullmatch(r"([\w.]+)(?:@(\w+))? ([\d.]+)", left)
        if not sign or match is None:
            raise GrammarError(f"{where}: a rule is 'Symbol weight = items', found {line!r}")
        symbol, only, weight = match.groups(default="")
        if only in found:
            items = tuple(item(source, xpos, where) for source in right.split())
            found[only][symbol].append((items, float(weight)))
    merged = found[""] | found[domain]
    return {s: Choices([i for i, _ in pairs], [w for _, w in pairs]) for s, pairs in merged.items()}


class _Reader:
    """Reads the tables of words for one domain."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.lexicon = tomllib.loads((FOLDER / "lexicon.toml").read_text("utf-8"))

    def classes(self, names: str, where: str) -> tuple[str, ...]:
        """Expand groups of classes; a class that is named twice is twice as likely."""
        groups, known = self.lexicon["groups"], self.lexicon["nouns"]
        parts = [groups.get(name, name) for name in names.split(",")]
        expanded = tuple(" ".join(parts).split())
        for name in expanded:
            if name not in known:
                raise GrammarError(f"{where}: there is no class or group of nouns called {name!r}")
        return expanded

    def slots(self, pairs: Sequence[tuple[str, str]], where: str) -> list[Slot]:
        """Return the slots of (preposition, classes); sure of a name's type if all agree."""
        types: dict[str, set[str]] = defaultdict(set)
        known = self.lexicon["names"]
        expanded = [(preposition, self.classes(names, where)) for preposition, names in pairs]
        for preposition, group in expanded:
            types[preposition] |= {known[cls] for cls in group if cls in known}
        return [Slot(prep, group, len(types[prep]) == 1) for prep, group in expanded]

    def nouns(self) -> dict[str, Choices[Noun]]:
        found = {}
        for cls, words in self.lexicon["nouns"].items():
            entries = [noun(word, cls) for word in words.split()]
            start = DOMAINS.index(self.domain) * len(entries) // 4  # a domain's own favourites
            found[cls] = Choices(entries[start:] + entries[:start])
        return found

    def adjectives(self) -> dict[tuple[str, int | None], Choices[str]]:
        found: dict[tuple[str, int | None], list[str]] = defaultdict(list)
        for where, line in lines(FOLDER / "adjectives.tsv"):
            word, described, polarity = line.split("\t")
            signs = {part[1:]: int(part[0] + "1") for part in polarity.split(",") if part != "0"}
            for cls in dict.fromkeys(self.classes(described, where)):
                for sign in (signs.get(cls, signs.get("", 0)), None):
                    found[cls, sign].append(word)
        return {key: Choices(words) for key, words in found.items()}

    def verbs(self) -> dict[tuple[str, str], Choices[Verb]]:
        found: list[Verb] = []
        licensed: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for where, line in list(lines(FOLDER / "verbs.tsv"))[1:]:
            cells = ["" if cell == "-" else cell for cell in line.split("\t")[:-1]]
            lemma, past, participle, frame, domains, subject, object_, adjuncts = cells
            lemma, _, particle = lemma.partition("_")
            if frame in ("pr", "pt"):
                particle, object_ = re.split("[ :]", object_, maxsplit=1)
            pairs = [entry.strip().split(" ") for entry in adjuncts.split(";") if entry]
            slots = self.slots([(pair[0], pair[1]) for pair in pairs], where)
            licensed[lemma] |= {(slot.preposition, cls) for slot in slots for cls in slot.classes}
            if self.domain[0] in domains:
                forms, polarity = inflected(lemma, past, participle), line[-1]
                arguments = self.slots([("", subject)], where)
                arguments += self.slots([(particle, object_)], where)
                found.append(
                    Verb(
                        *(lemma, forms, particle, frame, polarity),
                        *(arguments[0], arguments[1], Choices(slots), frozenset()),
                    )
                )
        pools: dict[tuple[str, str], list[Verb]] = defaultdict(list)
        for verb in found:
            verb = verb._replace(licensed=frozenset(licensed[verb.lemma]))
            for key in self._pools(verb):
                pools[key].append(verb)
        return {key: Choices(entries) for key, entries in pools.items()}

    def _pools(self, verb: Verb) -> Iterator[tuple[str, str]]:
        """Yield the keys of `Grammar.verbs` under which a verb is found."""
        neutral = verb.polarity == "0"
        stative = verb.lemma in self.lexicon["stative"]["verbs"].split()
        for name, frames in self.lexicon["pools"].items():
            fits = verb.frame in frames.split() and not (stative and name == "object")
            if fits and (neutral or verb.polarity == "*"):
                yield "pool", name
        for sign in "+-":
            if verb.polarity == sign:
                yield "pool", f"opinion{sign}"
        active = verb.frame in self.lexicon["pools"]["action"].split() and neutral
        if active and not stative:
            yield from (("subject", cls) for cls in dict.fromkeys(verb.subject.classes))
            if verb.frame == "tr":
                yield from (("object", cls) for cls in dict.fromkeys(verb.object.classes))

    def modifiers(self) -> tuple[dict[str, Choices[Slot]], frozenset[tuple[str, str, str]]]:
        """Return what each class of nouns takes, and the same as triples."""
        listed: dict[str, list[tuple[str, str, float]]] = defaultdict(list)
        for line in self.lexicon["licences"]["noun"]:
            cls, preposition, names, weight = line.split()
            listed[cls].append((preposition, names, float(weight)))
        found = {}
        for cls, entries in listed.items():
            slots = self.slots([entry[:2] for entry in entries], f"lexicon.toml: licences of {cls}")
            found[cls] = Choices(slots, [entry[2] for entry in entries])
        triples = ((c, s.preposition, k) for c in found for s in found[c].things for k in s.classes)
        return found, frozenset(triples)


@cache
def load(domain: str) -> Grammar:
    """Read the grammar and lexicon of one domain; raises `GrammarError` for a faulty file."""
    reader = _Reader(domain)
    lexicon = reader.lexicon
    adverbs = {kind: Choices(words.split()) for kind, words in lexicon["adverbs"].items()}
    return Grammar(
        *(lexicon, rules(domain, lexicon["xpos"]), reader.nouns(), adverbs),
        *(reader.adjectives(), reader.verbs(), *reader.modifiers()),
    )
