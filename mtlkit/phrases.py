"""Phrases of the embedded world: words, names and noun phrases, written by the grammar's rules.

A phrase is a list of nodes in order; those that have no head yet are its tops.  A noun phrase knows
what may modify it, and leaves out what a reader would attach to another word: selectional
preference alone decides attachment.
"""

import random
import tomllib
from collections.abc import Callable, Sequence
from copy import copy
from functools import cache
from typing import TypeVar

from mtlkit.grammar import FOLDER, Choices, Item, Noun, Slot, Verb, load

__all__ = ["Node", "PhraseWriter", "Scope"]

T = TypeVar("T")


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
    tag = feats = ""  # the main verb's form, and its features where the form does not give them
    tense = "present"  # past, present, progressive or modal
    role = ""  # subject, object, oblique, bare; definite and indefinite ask for a common noun
    certain = True  # see grammar.Slot
    noun: Noun
    number = ""  # sg, pl or mass
    agreement = 3  # of the noun phrase, or of the clause's subject: 1 am, 2 are, 3 is
    blocked: frozenset[tuple[str, str]] = frozenset()  # modifiers that would belong elsewhere

    def __copy__(self) -> "Scope":  # like the default, and several times faster
        scope = Scope()
        scope.__dict__ |= self.__dict__
        return scope

    def inner(self) -> "Scope":
        scope = copy(self)
        scope.depth += 1
        return scope


@cache
def _names(split: str) -> list[dict[str, Choices[str]]]:
    """The banks that names are drawn from: training's and, of another split, those held out."""
    data = tomllib.loads((FOLDER / "names.toml").read_text("utf-8"))
    shape = {kind: Choices(words.split()) for kind, words in data["shape"].items()}
    banks = []
    for part in dict.fromkeys(("train", split)):
        bank = {kind: words.split() for kind, words in data[part].items()}
        shared = [name.split(":") for name in bank.pop("shared")]
        for letter, entity in zip("PLO", ("PER", "LOC", "ORG"), strict=True):
            bank[entity] = [name for name, types in shared if letter in types]
        banks.append(shape | {kind: Choices(words) for kind, words in bank.items()})
    return banks


@cache
def _patterns(domain: str) -> dict[str, Choices[list[str]]]:
    """How names of each type are made in a domain: lists of kinds of words."""
    data = tomllib.loads((FOLDER / "names.toml").read_text("utf-8"))["patterns"]
    found = {}
    for entity, patterns in (data["any"] | data.get(domain, {})).items():
        kinds = [pattern.split() for pattern in patterns]
        found[entity] = Choices([kind[:-1] for kind in kinds], [float(kind[-1]) for kind in kinds])
    return found


def marked(preposition: str, nodes: list[Node]) -> list[Node]:
    """Put a preposition before a noun phrase, as its case marker."""
    case = Node(preposition, preposition, "ADP", "IN", "case")
    case.head = next((node for node in nodes if node.head is None), None)
    return [case, *nodes] if nodes else []


class PhraseWriter:
    """Writes phrases of one domain; every choice comes from ``rng``."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        self.grammar, self.lexicon, self.uniform = load(domain), load(domain).lexicon, rng.random
        self.banks, self.patterns = _names(split), _patterns(domain)
        self.settings = self.lexicon["domains"][domain]
        self.pronouns = Choices(self.settings["pronouns"].split())
        self.people = {*self.lexicon["groups"]["human"].split(), "staff"}
        self.takes = {
            cls: frozenset((p, c) for noun, p, c in self.grammar.licensed if noun == cls)
            for cls in self.grammar.nouns
        }
        self.last = ""  # class of the latest common noun after the verb; "clause" after a clause
        self.adjective = ""  # the latest adjective
        self.phrases: dict[str, Callable[[Scope, str], list[Node]]] = {
            "Common": self.common, "Plenty": self.plenty, "Noun": self.word,
            "NounPhrase": self.modifier, "Determiner": self.determiner,
            "Modifier": self.compound, "Name": self.name,
            "Pronoun": self.pronoun, "Plural": self.plural, "Attribute": self.attribute,
            "Predicate": self.predicate, "Comparative": self.comparative, "Adverb": self.adverb,
            "Relative": self.relative, "RelativePronoun": self.relative_pronoun, "Bare": self.bare,
        }  # fmt: skip

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
        method = self.phrases.get(item.phrase)
        return method(scope, item.argument) if method else self.expand(item.phrase, scope)

    def noun_phrase(self, slot: Slot, outer: Scope, role: str) -> tuple[list[Node], Scope]:
        """Write a noun phrase of one of the slot's classes; return it with its own scope."""
        scope = outer.inner()
        scope.cls, scope.certain, scope.role = self.one_of(slot.classes), slot.certain, role
        scope.agreement = 3
        symbol = f"NP.{scope.cls}"
        if symbol not in self.grammar.rules:
            symbol = f"NP.{self.lexicon['names'].get(scope.cls, 'thing')}"
        named = scope.cls in self.people or scope.cls in self.lexicon["names"]
        common = role not in ("subject", "object") and not (role == "oblique" and named)
        return self.common(scope) if common else self.expand(symbol, scope), scope

    def prepositional(
        self, slot: Slot, scope: Scope, taken: frozenset[tuple[str, str]]
    ) -> list[Node]:
        inside = scope.inner()
        inside.blocked = taken
        bare = slot.preposition == "by" and slot.classes == ("vehicle",)
        nodes, _ = self.noun_phrase(slot, inside, "bare" if bare else "oblique")
        return marked(slot.preposition, nodes)

    def common(self, scope: Scope, argument: str = "") -> list[Node]:
        noun = scope.noun = self.grammar.nouns[scope.cls].draw(self.uniform())
        many = noun.kind == "sg" and self.uniform() < 0.18 and scope.role != "bare"
        scope.number = "pl" if many else noun.kind
        scope.agreement = 2 if scope.number == "pl" else 3
        bare = scope.role == "bare" or noun.kind == "proper"
        return self.expand("Common.bare" if bare else "Common", scope)

    def plenty(self, scope: Scope, argument: str) -> list[Node]:
        """The bare noun after "some of the"."""
        scope.noun = self.grammar.nouns[scope.cls].draw(self.uniform())
        scope.number = "pl"
        return self.word(scope, "") if scope.noun.kind == "sg" else []

    def bare(self, scope: Scope, argument: str) -> list[Node]:
        """A noun phrase that stands for an opinion: "terrible food"."""
        scope.cls = scope.subject_cls = self.one_of(self.lexicon["groups"]["judged"].split())
        scope.noun = self.grammar.nouns[scope.cls].draw(self.uniform())
        scope.number = "mass" if scope.noun.kind == "mass" else "pl"
        return self.expand("Bare.phrase", scope)

    def word(self, scope: Scope, argument: str) -> list[Node]:
        """The noun of this phrase, or any singular noun of the class that is the argument."""
        noun, number = (None, "sg") if argument else (scope.noun, scope.number)
        while noun is None or (argument and noun.kind == "pl"):
            cls = scope.subject_cls if argument == "=" else argument
            noun = self.grammar.nouns[cls].draw(self.uniform())
        self.last = noun.cls
        if noun.kind == "proper":
            return [Node(noun.lemma, noun.lemma, "PROPN", "NNP")]
        if number == "pl":
            return [Node(noun.plural, noun.lemma, "NOUN", "NNS")]
        return [Node(noun.lemma, noun.lemma, "NOUN", "NN")]

    def determiner(self, scope: Scope, argument: str) -> list[Node]:
        symbol = f"Det.{scope.cls}"
        if symbol not in self.grammar.rules:
            number = {"one": "sg"}.get(scope.number, scope.number)
            symbol = {"definite": "Det.definite", "indefinite": f"Det.indefinite.{number}"}.get(
                scope.role, f"Det.{number}"
            )
        return self.expand(symbol, scope)

    def modifier(self, scope: Scope, argument: str) -> list[Node]:
        """A prepositional phrase of the noun, which neither the verb nor another noun takes."""
        cls = scope.subject_cls if argument else scope.cls
        if cls not in self.grammar.modifiers:
            return []
        slot = self.grammar.modifiers[cls].draw(self.uniform())
        inner = self.one_of(slot.classes)
        if slot.preposition == "+" or (slot.preposition, inner) in scope.blocked:
            return []
        taken = scope.blocked | self.takes[cls]
        return self.prepositional(Slot(slot.preposition, (inner,), slot.certain), scope, taken)

    def compound(self, scope: Scope, argument: str) -> list[Node]:
        if scope.cls not in self.grammar.modifiers:
            return []
        slot = self.grammar.modifiers[scope.cls].draw(self.uniform())
        if slot.preposition != "+":
            return []
        return self.word(scope, slot.classes[0])

    def relative(self, scope: Scope, argument: str) -> list[Node]:
        nodes = self.expand("RelativeClause", scope) if self.last == scope.cls else []
        self.last = "clause" if nodes else self.last
        return nodes

    def relative_pronoun(self, scope: Scope, argument: str) -> list[Node]:
        who = scope.cls in self.people
        form, xpos = ("who", "WP") if who else ("which", "WDT")
        if self.uniform() < 0.4:
            form, xpos = "that", "WDT"
        return [Node(form, form, "PRON", xpos)]

    def pronoun(self, scope: Scope, argument: str) -> list[Node]:
        taken = scope.subject[-1].lemma if scope.subject else ""
        word = taken
        while word == taken:
            things = ("it", "it", "they")
            word = self.one_of(things) if argument else self.pronouns.draw(self.uniform())
        form, agreement = self.lexicon["pronouns"][word].split()
        scope.agreement, self.last = int(agreement), ""
        return [Node(word if scope.role == "subject" else form, word, "PRON", "PRP")]

    def plural(self, scope: Scope, argument: str) -> list[Node]:
        scope.agreement = 2
        return []

    def adverb(self, scope: Scope, argument: str) -> list[Node]:
        word = self.grammar.adverbs[argument].draw(self.uniform())
        return [Node(word, word, "ADV", "RB")]

    def describing(self, cls: str, polarity: int | None) -> list[Node]:
        adjectives = self.grammar.adjectives.get((cls, polarity))
        if adjectives is None:
            return []
        word = adjectives.draw(self.uniform())
        for _ in range(9):  # "good and good" reads badly
            if word != self.adjective:
                break
            word = adjectives.draw(self.uniform())
        self.adjective = word
        return [Node(word, word, "ADJ", "JJ")]

    def attribute(self, scope: Scope, argument: str) -> list[Node]:
        return self.describing(scope.cls, 0 if scope.polarity else None)

    def predicate(self, scope: Scope, argument: str) -> list[Node]:
        opinion = scope.polarity if scope.frame == "op" else 0
        return self.describing(scope.subject_cls, opinion if scope.polarity else None)

    def comparative(self, scope: Scope, argument: str) -> list[Node]:
        nodes = self.describing(scope.subject_cls, 0 if scope.polarity else None)
        if not nodes or nodes[0].form not in self.lexicon["forms"]["comparative"]:
            return []
        nodes[0].form, nodes[0].xpos = self.lexicon["forms"]["comparative"][nodes[0].form], "JJR"
        return nodes

    def name(self, scope: Scope, argument: str) -> list[Node]:
        """A name; one with several types only where the context decides which it is."""
        self.last = ""
        entity = self.lexicon["names"][argument or scope.cls]
        bank = self.banks[-1] if self.uniform() < 0.4 else self.banks[0]
        kinds = self.patterns[entity].draw(self.uniform())
        while not scope.certain and kinds == [entity]:
            kinds = self.patterns[entity].draw(self.uniform())
        words = [bank[kind].draw(self.uniform()) for kind in kinds]
        nodes = [Node(word, word, "PROPN", "NNP") for word in words]
        top = 0 if entity == "PER" else len(nodes) - 1
        for place, node in enumerate(nodes):
            node.ner = f"{'I' if place else 'B'}-{entity}"
            if place != top:
                node.head, node.deprel = nodes[top], "compound" if top else "flat"
        return nodes
