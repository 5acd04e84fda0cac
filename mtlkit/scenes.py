"""Scenes of the embedded world: the words of one setting, and what may stand with what.

A verb selects the classes of its arguments and adjuncts, a noun those of its modifiers
(*selectional preferences*; Resnik 1996, Cognition 61). A scene keeps them in pools, so that each
choice of the grammar is one draw.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TypeVar

from mtlkit.discourse import read_link, tabled
from mtlkit.lexicon import (
    FOLDER,
    LOCATIVE,
    MET,
    PREPOSITIONS,
    RELATIONS,
    SENSES,
    SPEECH,
    THERE,
    Choices,
    Entry,
    LexiconError,
    Line,
    Noun,
    NounClass,
    Slot,
    Table,
    Verb,
    declared,
    header,
    homographs,
    irregular,
    noun,
    read,
    words,
)
from mtlkit.valency import EVENTS, be, read_verb

__all__ = ["Scene", "scene", "senses", "shares"]

_SHARES = {"own": 1.0, "common": 0.18, "clausal": 0.2, "copula": 0.45}
"""How often a clause takes a verb of the scene, of every scene, one with a clause, or "be"."""
_ADJECTIVE = re.compile(r"([a-z]+(?:-[a-z]+)*)([<>]?)([+-]?)").fullmatch
K = TypeVar("K")
T = TypeVar("T")


class Scene:
    """The words of one scene."""

    def __init__(
        self, own: Sequence[Line], common: Sequence[Line], shared: frozenset[str] = frozenset()
    ) -> None:
        """``shared``: lemmas of several parts of speech, which are commoner, as in life."""
        every = [*own, *common]
        self._shared = shared
        self.name, self.shares = header(own)
        self.classes: dict[str, NounClass] = {}
        listed: dict[str, list[Noun]] = defaultdict(list)
        for line in (line for line in every if line.keyword == "noun"):
            cls = declared(line)
            self.classes.setdefault(cls.name, cls)
            listed[cls.name] += [noun(word, cls.name, line.where) for word in line.body.split()]
        self.own = {line.head.split()[0] for line in own if line.keyword == "noun"}
        self.nouns = {
            name: Choices(sorted(dict.fromkeys(entry), key=lambda noun: noun.lemma not in shared))
            for name, entry in listed.items()
        }
        forms = (line for line in every if line.keyword == "form")
        past = irregular() | {line.head: tuple(line.body.split()[:2]) for line in forms}
        self._resolved: dict[str, tuple[str, ...]] = {}
        self._slots: dict[tuple[str, str], Slot] = {}
        self.judged = tuple(self._judged(own))
        self.adjectives = self._adjectives(every)
        self.modifiers, self.compounds, self.locations = self._modifiers(every)
        self.people = [
            c for c in self.classes if c in self.own and self.classes[c].sense == "person"
        ]
        self.things = [c for c in self.classes if c in self.own and c not in self.people]
        self.slots = {sense: self.slot("", sense, "") for sense in sorted(SENSES)}
        self.slots["thing"] = Slot("", tuple(self.things), False)
        found = [read_link(line, self.slot, past) for line in own if line.keyword in RELATIONS]
        mine = self._verbs(own, past)
        entries: dict[Entry, list[Verb]] = defaultdict(list)
        for verb in mine:
            entries[verb.entry].append(verb)
        links = [link.detailed(entries) for link in found if link]
        told = [half for link in links for half in (link.first, link.second)]
        events = [half.verb for half in told if half.verb.frame in EVENTS and not half.negated]
        of_scene = [*mine, *events]
        verbs = [(verb, False) for verb in of_scene]
        verbs += [(verb, True) for verb in self._verbs(common, past)]
        self._licensed = _licences(verb for verb, _ in verbs)
        self.pools = self._pools([(self._aware(verb), shared) for verb, shared in verbs])
        self.links = _weighted(tabled([link.of(self._aware) for link in links], self._weight))

    def resolve(self, names: str, where: str) -> tuple[str, ...]:
        """Expand classes, senses, ``me`` and ``judged``; the scene's own are twice as likely."""
        if names not in self._resolved:
            parts = [self._expanded(name, where) for name in names.split(",")]
            self._resolved[names] = tuple(cls for part in parts for cls in part)
        return self._resolved[names]

    def _expanded(self, name: str, where: str) -> Sequence[str]:
        if name in self.classes:
            return [name]
        if name == "me":
            return [c.name for c in self.classes.values() if c.me and c.name in self.own]
        if name == "judged":
            return self.judged
        if name not in SENSES:
            raise LexiconError(f"{where}: there is no class or sense of nouns called {name!r}")
        of_sense = [c.name for c in self.classes.values() if c.sense == name]
        return [c for c in of_sense for _ in range(1 + (c in self.own))]

    def slot(self, preposition: str, names: str, where: str) -> Slot:
        if (preposition, names) not in self._slots:
            classes = self.resolve(names, where)
            entities = {self.classes[cls].entity for cls in set(classes)} - {""}
            self._slots[preposition, names] = Slot(preposition, classes, len(entities) < 2)
        return self._slots[preposition, names]

    def _judged(self, own: Sequence[Line]) -> Iterable[str]:
        lines = (
            line for line in own if line.keyword == "adj" and re.search(r"[+-](\s|$)", line.body)
        )
        names = (cls for line in lines for cls in self.resolve(line.head, line.where))
        return dict.fromkeys(cls for cls in names if self.classes[cls].sense != "person")

    def _adjectives(self, every: Sequence[Line]) -> Table[tuple[str, int | None, str], str]:
        """By class, polarity (None for any) and place: "<" before the noun, ">" after "be"."""
        found: dict[tuple[str, int | None, str], list[str]] = defaultdict(list)
        for line in (line for line in every if line.keyword == "adj"):
            classes = dict.fromkeys(self.resolve(line.head, line.where))
            for word in sorted(line.body.split(), key=lambda word: word not in self._shared):
                match = _ADJECTIVE(word)
                if match is None:
                    raise LexiconError(f"{line.where}: cannot read the adjective {word!r}")
                sign = {"+": 1, "-": -1}.get(match[3], 0)
                for cls in classes:
                    for place in match[2] or "<>":
                        found[cls, sign, place].append(match[1])
                        found[cls, None, place].append(match[1])
        return Table({key: (words, None) for key, words in found.items()})

    def _modifiers(self, every: Sequence[Line]) -> tuple[Table[str, Slot], ...]:
        """What each class of nouns takes: phrases, compounds, and phrases that say where it is."""
        phrases: dict[str, list[tuple[Slot, float]]] = defaultdict(list)
        compounds: dict[str, list[tuple[Slot, float]]] = defaultdict(list)
        for line in (line for line in every if line.keyword == "take"):
            for part in line.body.split(";"):
                match part.split():
                    case [preposition, names, *weight] if preposition in PREPOSITIONS | {"+"}:
                        slot = self.slot(preposition, names, line.where)
                    case _:
                        rule = "a modifier is 'preposition classes [weight]'"
                        raise LexiconError(f"{line.where}: {rule}, found {part.strip()!r}")
                for cls in dict.fromkeys(self.resolve(line.head, line.where)):
                    if slot.classes:
                        found = compounds if slot.preposition == "+" else phrases
                        found[cls].append((slot, float(weight[0]) if weight else 1.0))
        where = {
            c: [pair for pair in e if pair[0].preposition in LOCATIVE] for c, e in phrases.items()
        }
        self.takes = {
            cls: frozenset((slot.preposition, k) for slot, _ in slots for k in slot.classes)
            for cls, slots in phrases.items()
        }
        return tuple(map(_weighted, (phrases, compounds, {c: e for c, e in where.items() if e})))

    def _verbs(self, lines: Sequence[Line], past: Mapping[str, tuple[str, ...]]) -> list[Verb]:
        found = [read_verb(line, self.slot, past) for line in lines if line.keyword == "verb"]
        return [verb for verb in found if verb is not None]

    def _aware(self, verb: Verb) -> Verb:
        """The verb, knowing what all its frames take, so that no other reading is licensed."""
        return verb._replace(licensed=self._licensed.get(verb.lemma, frozenset()))

    def _copulas(self) -> list[tuple[Verb, float]]:
        """ "Be" with an adjective (ja), a place (lc) or a noun (np), for whoever can be that."""
        people = [cls for cls, entry in self.classes.items() if entry.sense == "person"]
        described = [cls for cls in self.classes if (cls, None, ">") in self.adjectives]
        found = []
        for frame, weight, classes in (
            ("ja", 6.0, [c for c in described for _ in range(1 + 3 * (c in self.own))]),
            ("lc", 1.0, [c for c in self.locations if c in self.own]),
            ("np", 1.0, people),
            ("jt", 0.3, people),
            ("ex", 1.0, [c for c in self.locations if self.classes[c].sense in THERE]),
            ("op", 1.0, [c for c in described if c in self.own and self._both(c)]),
            ("cm", 1.0, [c for c in described if c in self.own and self._both(c)]),
        ):
            slot = Slot("", tuple(classes), len({self.classes[c].entity for c in classes}) < 2)
            if classes:
                found.append((be(frame, slot), weight))
        return found

    def _both(self, cls: str) -> bool:
        """Whether a class can be praised and blamed, by those who are not of it."""
        signs = {sign for sign in (1, -1) if (cls, sign, ">") in self.adjectives}
        return len(signs) == 2 and not self.classes[cls].me

    def _pools(self, verbs: list[tuple[Verb, bool]]) -> Table[tuple[str, str], Verb]:
        """Verbs by what a clause asks for: a pool's name, or the class of subject or object."""
        pools: dict[tuple[str, str], list[tuple[Verb, float]]] = defaultdict(list)
        self._opinions = {verb.lemma for verb, _ in verbs if verb.valence}
        own = [verb for verb, shared in verbs if not shared]
        common = [verb for verb, shared in verbs if shared]
        groups = {
            "own": [(v, self._weight(v) / (r + 9)) for r, v in enumerate(own)],
            "common": [(v, self._weight(v)) for v in common if v.frame in EVENTS],
            "clausal": [(v, 1.0) for v in common if v.frame not in EVENTS],
            "copula": self._copulas(),
        }
        for group, members in groups.items():
            total = sum(weight for _, weight in members) or 1
            for verb, weight in members:
                entry = (verb, weight * _SHARES[group] / total)
                for key in self._keys(verb):
                    pools[key].append(entry)
        return _weighted(pools)

    def _weight(self, verb: Verb) -> float:
        return 14.0 if verb.lemma in self._shared or verb.lemma in words()["auxiliaries"] else 1.0

    def _keys(self, verb: Verb) -> Iterable[tuple[str, str]]:
        """Yield the pools that a verb is in; those of "subject" and "object" hold no opinions."""
        special = {"ex": "exist", "op": "judgement", "cm": "compared"}
        if verb.frame in special:
            yield "pool", special[verb.frame]
            return
        mine = verb.frame != "np" and any(self.classes[c].me for c in verb.subject.classes)
        active = verb.frame in EVENTS and not verb.stative
        quiet = verb.frame not in ("that", "o-that", "wh")
        yield "pool", "main"
        if verb.valence:
            yield "pool", {1: "good", -1: "bad"}[verb.valence]
            return
        if verb.frame == "that":
            if verb.lemma in SPEECH:
                yield "pool", "that"
            if verb.lemma in ("think", "believe"):
                yield "pool", "think"
        if verb.frame == "to":
            for cls in verb.subject.classes:
                yield "control", cls
        quiet = quiet and verb.lemma not in self._opinions
        if quiet:
            yield "pool", "neutral"
            met = verb.frame == "tr" and verb.lemma in MET
            if mine and met and all(map(self._both, verb.object.classes)):
                yield "pool", "met"
        if mine:
            yield "pool", "me"
            if active:
                yield "pool", "command"
        if active:
            yield "pool", "event"
        objects = verb.object.classes if verb.frame in ("tr", "pt") else ()
        if objects and not any(self.classes[c].sense == "person" for c in objects):
            yield "pool", "object"
        quiet = quiet and verb.frame != "np" and verb.lemma not in ("have", "do")
        kinds = [(verb.subject.classes, "subject", "active"), (objects, "object", "patient")]
        for classes, whoever, doer in kinds if quiet else []:
            for cls in dict.fromkeys(classes):
                yield whoever, cls
                if active:
                    yield doer, cls


def _licences(verbs: Iterable[Verb]) -> dict[str, frozenset[tuple[str, str]]]:
    """What the frames of each verb take: pairs of preposition and class."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for verb in verbs:
        for slot in (*verb.adjuncts.things, verb.object, verb.goal):
            if slot.preposition:
                found[verb.lemma] |= {(slot.preposition, cls) for cls in slot.classes}
    return {lemma: frozenset(pairs) for lemma, pairs in found.items()}


def _weighted(found: Mapping[K, list[tuple[T, float]]]) -> Table[K, T]:
    return Table({key: ([t for t, _ in e], [w for _, w in e]) for key, e in found.items()})


@cache
def _lines() -> tuple[list[Line], dict[str, list[Line]], frozenset[str]]:
    """The common lines, those of each scene by its name, and the lemmas that are homographs."""
    common = read(FOLDER / "common.txt")
    own = [read(path) for path in sorted((FOLDER / "scenes").glob("*.txt"))]
    shared = homographs(line for part in (common, *own) for line in part)
    return common, {header(lines)[0]: lines for lines in own}, shared


@cache
def shares() -> dict[str, dict[str, float]]:
    """How often each scene occurs in each domain; raises `LexiconError`."""
    return {name: header(lines)[1] for name, lines in _lines()[1].items()}


@cache
def senses() -> Counter[str]:
    """How many nouns each sense has, over all scenes; raises `LexiconError`."""
    every = (line for part in (_lines()[0], *_lines()[1].values()) for line in part)
    nouns = [line for line in every if line.keyword == "noun"]
    return Counter(declared(line).sense for line in nouns for _ in line.body.split())


@cache
def scene(name: str) -> Scene:
    """Read a scene, when its first sentence is written; raises `LexiconError`."""
    common, own, shared = _lines()
    return Scene(own[name], common, shared)
