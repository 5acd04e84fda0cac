"""The embedded world: a generated treebank of short English sentences, with names and opinions.

A weighted dependency grammar (``data/world/grammar.txt``) is rewritten from left to right.  Verbs
choose the semantic classes of their arguments, and nouns those of their modifiers: these
*selectional preferences* (Resnik 1996, Cognition 61) decide attachment and the type of a name, and
they are the same in the labelled sentences of `generate` and in the plain text of `text`.
"""

import hashlib
import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cache

from mtlkit.conllu import Sentence, Word
from mtlkit.grammar import DOMAINS, FOLDER, Choices, Noun, Slot, Verb, load

__all__ = ["DOMAINS", "SPLITS", "WorldError", "checksum", "generate", "text"]

ALGORITHM = "world 1"  # in the checksum: change it whenever the same data give other sentences
SPLITS = ("train", "dev", "test")
_FILES = ("adjectives.tsv", "grammar.txt", "lexicon.toml", "names.toml", "verbs.tsv")
_UNSPACED = {",", ".", "!", "?", "”", "'s", "n't", "'ll", "'re", "'ve", "'m", "'d"}
_NONFINITE = {"Command": "VB", "ToVerb": "VB", "Gerund": "VBG", "Participle": "VBN"}
_FINITE = "Clause Inverted Question Who Existential Passive Same SubjectRelative ObjectRelative"
_VERBAL = {*_FINITE.split(), *_NONFINITE}  # symbols that a verb opens


class WorldError(ValueError):
    """An argument of the world is wrong."""


class Node:
    """A word while its sentence is being written; a phrase is a list of nodes in order."""

    __slots__ = ("deprel", "feats", "form", "head", "index", "lemma", "ner", "upos", "xpos")

    def __init__(self, form: str, lemma: str, upos: str, xpos: str, deprel: str = "") -> None:
        self.form, self.lemma, self.upos, self.xpos, self.deprel = form, lemma, upos, xpos, deprel
        self.head: Node | None = None
        self.ner = self.feats = ""
        self.index = 0


class Scope:
    """What a phrase knows of the phrase around it."""

    depth = 0
    polarity = 0  # of the opinion that is being expressed; 0 where none is
    frame = "op"  # of the clause's verb
    verb: Verb
    subject_cls = object_cls = cls = ""  # classes of the clause's nouns and of this noun phrase
    subject: Sequence[Node] = ()
    finite: Sequence[Node] = ()  # what stands before the subject of a question
    rest: Sequence[Node] = ()  # further auxiliaries and negation
    tag = ""  # the main verb's form
    role = ""  # subject, object, bare; definite and indefinite ask for a common noun
    certain = True  # see grammar.Slot
    noun: Noun
    number = ""  # sg, pl or mass
    agreement = 3  # of the noun phrase, or of the clause's subject: 1 am, 2 are, 3 is
    blocked: frozenset[tuple[str, str]] = frozenset()  # modifiers that would belong elsewhere

    def inner(self) -> "Scope":
        scope = copy(self)
        scope.depth += 1
        return scope


@cache
def _names(split: str) -> tuple[dict[str, list[str]], list[dict[str, Choices[str]]]]:
    """The words that names are made with, and the banks of names: training's, and those held out."""
    data = tomllib.loads((FOLDER / "names.toml").read_text("utf-8"))
    banks = []
    for part in dict.fromkeys(("train", split)):
        bank = {kind: words.split() for kind, words in data[part].items()}
        shared = [name.split(":") for name in bank.pop("shared")]
        for letter, entity in zip("PLO", ("PER", "LOC", "ORG"), strict=True):
            bank[entity] = [name for name, types in shared if letter in types]
        banks.append({kind: Choices(words) for kind, words in bank.items()})
    return {kind: words.split() for kind, words in data["shape"].items()}, banks


class Writer:
    """Writes the sentences of one domain; every choice comes from ``rng``."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        self.grammar, self.uniform = load(domain), rng.random
        self.shapes, self.banks = _names(split)
        self.lexicon = lexicon = self.grammar.lexicon
        self.settings = lexicon["domains"][domain]
        self.modals = Choices(list(lexicon["modals"]), list(lexicon["modals"].values()))
        self.tenses = Choices(lexicon["tenses"]["names"].split(), self.settings["tense"])
        self.pronouns = Choices(self.settings["pronouns"].split())
        self.people = {*lexicon["groups"]["human"].split(), "staff"}
        self.takes = {
            cls: frozenset((p, c) for noun, p, c in self.grammar.licensed if noun == cls)
            for cls in self.grammar.nouns
        }
        self.last = ""  # class of the latest common noun after the verb; "clause" after a clause
        self.adjective = ""  # the latest adjective

    def sentence(self) -> tuple[list[Node], int]:
        """Write one sentence; return its words, linked and in order, and its polarity."""
        while True:
            scope = Scope()
            scope.polarity = self.one_of((1, -1)) if self.settings["opinions"] else 0
            nodes = self.expand("Text", scope)
            if nodes:
                return _polished(nodes, self.uniform() < self.settings["lower"]), scope.polarity

    def one_of(self, things: Sequence[T]) -> T:
        return things[int(self.uniform() * len(things))]

    def expand(self, symbol: str, scope: Scope) -> list[Node]:
        """Rewrite a symbol; [] if a phrase that it cannot do without is impossible here."""
        parts: list[tuple[str, list[Node]]] = []
        head = None
        for item in self.grammar.rules[symbol].draw(self.uniform()):
            if item.chance < 1 and self.uniform() > item.chance * 0.8**scope.depth:
                continue
            inside = scope
            if item.flip:
                inside = copy(scope)
                inside.polarity = -scope.polarity
            nodes = self.phrase(item, inside)
            if item.head:
                if not nodes:
                    return []
                head = next(node for node in nodes if node.head is None)
            parts.append((item.relation, nodes))
        written: list[Node] = []
        for relation, nodes in parts:
            for node in nodes:
                if node.head is None and node is not head:
                    node.head = head
                    node.deprel = node.deprel or relation
            written += nodes
        return written

    def phrase(self, item: Item, scope: Scope) -> list[Node]:
        if item.literal:
            return [Node(*item.literal)]
        if item.phrase in _VERBAL:
            return self.verbal(item.phrase, item.argument, scope)
        method = _PHRASES.get(item.phrase)
        return method(self, scope, item.argument) if method else self.expand(item.phrase, scope)

    def verbal(self, symbol: str, pool: str, outer: Scope) -> list[Node]:
        """Open a clause: choose its verb, write its subject, conjugate, then follow the rules."""
        scope = outer.inner()
        share = self.settings["negation"] if symbol in _NEGATABLE else 0
        negated = self.uniform() < share * (2 if pool in ("opinion", "think") else 1)
        if negated:
            scope.polarity = -scope.polarity
        if pool == "opinion":
            pool = "opinion+" if scope.polarity > 0 else "opinion-"
        kind, cls = {
            **dict.fromkeys(("ToVerb", "Gerund", "Same"), ("subject", outer.subject_cls)),
            **dict.fromkeys(("ObjectRelative", "Participle"), ("object", outer.cls)),
            "SubjectRelative": ("subject", outer.cls),
            "Who": ("subject", "person"),
            "Passive": ("pool", "object"),
        }.get(symbol, ("pool", pool))
        verbs = self.grammar.verbs.get((kind, cls))
        if verbs is None or scope.depth > 6 or (symbol == "Same" and outer.frame in _BE):
            return []
        scope.verb = verb = verbs.draw(self.uniform())
        scope.frame, scope.blocked = verb.frame, frozenset()
        scope.object_cls = cls if kind == "object" else ""
        if symbol == "Command":
            scope.subject_cls = "person"
        elif symbol in _WITH_SUBJECT:
            role = {"op": "definite", "ex": "indefinite"}.get(verb.frame, "subject")
            passive = symbol == "Passive"
            slot = verb.object if passive else verb.subject
            scope.subject, inside = self.noun_phrase(slot, scope, "definite" if passive else role)
            scope.subject_cls, scope.agreement = inside.cls, inside.agreement
            if passive:
                scope.object_cls = inside.cls
        elif kind == "subject":
            scope.subject_cls = cls
            scope.agreement = 3 if symbol == "Who" else outer.agreement
        self.conjugate(symbol, scope, negated)
        return self.expand(symbol, scope)
