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

from mtlkit.inflection import verb_forms
from mtlkit.lexicon import (
    CLAUSAL,
    FOLDER,
    LOCATIVE,
    PARTICLES,
    PREPOSITIONS,
    SENSES,
    Choices,
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
)  # fmt: skip

__all__ = ["Scene", "scene", "senses", "shares"]

EVENTS = frozenset({"in", "tr", "di", "pr", "pt", "pu"})
_SHARES = {"own": 1.0, "common": 0.18, "clausal": 0.4, "copula": 0.45}
"""How often a clause takes a verb of the scene, of every scene, one with a clause, or "be"."""
_ADJECTIVE = re.compile(r"([a-z]+(?:-[a-z]+)*)([<>]?)([+-]?)").fullmatch
_VERB = re.compile(r"([a-z]+(?:-[a-z]+)*)(?:_([a-z]+))?(~?)([+-]?)").fullmatch
_NOTHING = Slot("", ())
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
        words: dict[str, list[Noun]] = defaultdict(list)
        for line in (line for line in every if line.keyword == "noun"):
            cls = declared(line)
            self.classes.setdefault(cls.name, cls)
            words[cls.name] += [noun(word, cls.name, line.where) for word in line.body.split()]
        self.own = {line.head.split()[0] for line in own if line.keyword == "noun"}
        self.nouns = {
            name: Choices(sorted(dict.fromkeys(entry), key=lambda noun: noun.lemma not in shared))
            for name, entry in words.items()
        }
        forms = (line for line in every if line.keyword == "form")
        self._past = irregular() | {line.head: tuple(line.body.split()[:2]) for line in forms}
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
        found = [(self._verb(line), False) for line in own if line.keyword == "verb"]
        found += [(self._verb(line), True) for line in common if line.keyword == "verb"]
        verbs = self._licensed([(verb, shared) for verb, shared in found if verb is not None])
        self.pools = self._pools(verbs)

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

    def _verb(self, line: Line) -> Verb | None:
        """Read ``verb subject: lemma complement; adjunct; *adverb``; None if nothing fits here."""
        first, *rest = [part.strip() for part in line.body.split(";")]
        head, *complement = first.split()
        match = _VERB(head)
        if match is None or (match[2] and match[2] not in PARTICLES):
            raise LexiconError(f"{line.where}: cannot read the verb {head!r}")
        lemma, particle, stative, sign = match.groups(default="")
        frame, obj, goal = self._frame(complement, line)
        slots = []
        for part in rest:
            match part.split():
                case [preposition, names] if preposition in PREPOSITIONS:
                    slots.append(self.slot(preposition, names, line.where))
                case [word] if word.startswith("*"):
                    pass
                case _:
                    rule = "an adjunct is 'preposition classes' or '*adverb'"
                    raise LexiconError(f"{line.where}: {rule}, found {part!r}")
        slots = [slot for slot in slots if slot.classes]
        subject = self.slot("", line.head, line.where)
        wanted = [subject] + [obj] * (frame in EVENTS - {"in"} or frame.startswith("o-"))
        wanted += [goal] * (frame in ("di", "pu"))
        if not all(slot.classes for slot in wanted):
            return None
        return Verb(
            lemma=lemma, forms=verb_forms(lemma, *self._past.get(lemma, ())), particle=particle,
            frame="pt" if particle and frame == "tr" else frame,
            valence={"+": 1, "-": -1}.get(sign, 0), stative=bool(stative),
            subject=subject, object=obj, goal=goal, adjuncts=Choices(slots, [1.0] * len(slots)),
            adverbs=tuple(part[1:] for part in rest if part.startswith("*")),
        )  # fmt: skip

    def _frame(self, parts: Sequence[str], line: Line) -> tuple[str, Slot, Slot]:
        match parts:
            case []:
                return "in", _NOTHING, _NOTHING
            case [clause] if clause in CLAUSAL:
                return clause.lower(), _NOTHING, _NOTHING
            case [obj, clause] if clause in CLAUSAL:
                return f"o-{clause.lower()}", self.slot("", obj, line.where), _NOTHING
            case [obj]:
                return "tr", self.slot("", obj, line.where), _NOTHING
            case [preposition, obj] if preposition in PREPOSITIONS:
                return "pr", self.slot(preposition, obj, line.where), _NOTHING
            case [receiver, ">" | ">for" as arrow, obj]:
                goal = self.slot(arrow[1:] or "to", receiver, line.where)
                return "di", self.slot("", obj, line.where), goal
            case [obj, preposition, goal] if preposition in PREPOSITIONS:
                places = self.slot(preposition, goal, line.where)
                return "pu", self.slot("", obj, line.where), places
        raise LexiconError(f"{line.where}: cannot read the complement {' '.join(parts)!r}")

    def _licensed(self, verbs: Iterable[tuple[Verb, bool]]) -> list[tuple[Verb, bool]]:
        """Let each verb know what all its frames take, so that no other reading is licensed."""
        licensed: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for verb, _ in verbs:
            for slot in (*verb.adjuncts.things, verb.object, verb.goal):
                if slot.preposition:
                    licensed[verb.lemma] |= {(slot.preposition, c) for c in slot.classes}
        return [
            (verb._replace(licensed=frozenset(licensed[verb.lemma])), shared)
            for verb, shared in verbs
        ]

    def _copulas(self) -> list[tuple[Verb, float]]:
        """ "Be" with an adjective (ja), a place (lc) or a noun (np), for whoever can be that."""
        nothing = (_NOTHING, _NOTHING, _NOTHING)
        be = Verb("be", verb_forms("be", "was", "been"), "", "", 0, True, *nothing, Choices([]), ())
        people = [cls for cls, entry in self.classes.items() if entry.sense == "person"]
        described = [cls for cls in self.classes if (cls, None, ">") in self.adjectives]
        found = []
        for frame, weight, classes in (
            ("ja", 6.0, [c for c in described for _ in range(1 + 3 * (c in self.own))]),
            ("lc", 1.0, [c for c in self.locations if c in self.own]),
            ("np", 1.0, people),
            ("jt", 0.7, people),
            ("ex", 1.0, [c for c in self.locations if c in self.things]),
            ("op", 1.0, [c for c in described if c in self.own and self._both(c)]),
            ("cm", 1.0, [c for c in described if c in self.own and self._both(c)]),
        ):
            slot = Slot("", tuple(classes), len({self.classes[c].entity for c in classes}) < 2)
            if classes:
                found.append((be._replace(frame=frame, subject=slot), weight))
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
        return 4.0 if verb.lemma in self._shared else 1.0

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
        if active and verb.frame in ("tr", "pu", "pt", "di"):
            yield "pool", "passive"
        if verb.valence:
            yield "pool", {1: "good", -1: "bad"}[verb.valence]
            return
        if verb.frame == "that":
            yield "pool", "that"
            if verb.lemma in ("think", "believe"):
                yield "pool", "think"
        quiet = quiet and verb.lemma not in self._opinions
        if quiet:
            yield "pool", "neutral"
        if mine:
            yield "pool", "me"
            if active:
                yield "pool", "command"
        if active:
            yield "pool", "event"
        elif verb.frame in (*EVENTS, "ja", "lc", "np"):
            yield "pool", "state"
        objects = verb.object.classes if verb.frame in ("tr", "pt") else ()
        if objects and not any(self.classes[c].sense == "person" for c in objects):
            yield "pool", "object"
        kinds = [(verb.subject.classes, "subject", "active"), (objects, "object", "patient")]
        for classes, whoever, doer in kinds if quiet else []:
            for cls in dict.fromkeys(classes):
                yield whoever, cls
                if active:
                    yield doer, cls


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
