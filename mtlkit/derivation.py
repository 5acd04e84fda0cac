"""Derivations of the embedded world: a rule is drawn, and its phrases become linked words.

A phrase is a list of nodes in order; those that have no head yet are its tops.
"""

import random
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any, TypeVar

from mtlkit.grammar import Item, rules
from mtlkit.lexicon import Choices, LexiconError, Noun, Verb, words
from mtlkit.scenes import Scene, scene, shares

__all__ = ["Derivation", "Node", "Scope", "marked", "top_of"]

T = TypeVar("T")
DAMP = 0.9  # of optional phrases, for every phrase around them
ISOLATED = frozenset({"OpinionNoun", "Bare.opinion", "What", "Identity", "WhichOne"})
"""Symbols whose noun is not that of the phrase around it."""
CONDITIONAL = frozenset({"If", "IfFirst", "IfChain"})
SUBORDINATE = CONDITIONAL | {"After", "Although", "Because", "BecauseFirst", "Before", "Despite"}
SUBORDINATE |= {"Meanwhile", "Once", "While", "BecauseChain", "DespiteChain", "OnceChain"}
"""Symbols of clauses that say when, why or on which condition another one is true."""
CORE = frozenset({"nsubj", "obj", "iobj", "ccomp", "xcomp", "csubj", "conj", "advcl", "parataxis"})
ASKED = frozenset({"Object", "Goal", "Phrasal"})
"""Relations and phrases that a rule cannot do without, unless it says that they are optional."""


class Node:
    """A word while its sentence is being written; a phrase is a list of nodes in order."""

    __slots__ = ("deprel", "feats", "form", "head", "index", "lemma", "ner", "sense", "upos",
                 "xpos")  # fmt: skip

    def __init__(self, form: str, lemma: str, upos: str, xpos: str, deprel: str = "") -> None:
        self.form, self.lemma, self.upos, self.xpos, self.deprel = form, lemma, upos, xpos, deprel
        self.head: Node | None = None
        self.ner = self.feats = self.sense = ""
        self.index = 0


class Scope:
    """What a phrase knows of the phrase around it."""

    depth = 0
    polarity = 0  # of the opinion that is being expressed; 0 where none is
    frame = ""  # of the clause's verb
    verb: Verb
    subject_cls = object_cls = cls = ""  # classes of the clause's nouns and of this noun phrase
    subject: Sequence[Node] = ()
    finite: Sequence[Node] = ()  # what stands before the subject of a question
    rest: Sequence[Node] = ()  # further auxiliaries and negation
    tag = feats = ""  # the main verb's form, and its features where the form does not give them
    tense = "present"  # past, present, progressive or modal
    subordinate = False  # whether the clause says when or why another one is true
    conditional = False  # whether it says on which condition
    linked = ""  # the relation of the link (see `mtlkit.discourse`) that a clause is half of
    details = False  # whether its phrases are none that the link asks for
    brief = False  # whether noun phrases are short
    explained = False  # whether the object has the other half of the link as its clause
    unmodified = False  # whether a noun phrase has no phrase of its own
    adjoined = False  # whether the verb has a prepositional phrase of its own
    modified = False  # whether the verb leaves the phrase after the object to the object
    owner = ""  # the possessive that agrees with the clause's subject
    role = ""  # subject, object, oblique, name; definite and indefinite ask for a common noun
    certain = True  # see lexicon.Slot
    noun: Noun
    number = ""  # sg, pl or mass
    agreement = 3  # of the noun phrase, or of the clause's subject: 1 am, 2 are, 3 is
    pronoun = "it"  # for this noun phrase, or for the clause's subject
    patient = ""  # the pronoun for the clause's object
    blocked: frozenset[tuple[str, str]] = frozenset()  # modifiers that would belong elsewhere

    def __copy__(self) -> "Scope":  # like the default, and several times faster
        scope = Scope.__new__(Scope)
        scope.__dict__ = self.__dict__.copy()
        return scope

    def inner(self) -> "Scope":
        scope = copy(self)
        scope.depth += 1
        return scope


def marked(preposition: str, nodes: list[Node]) -> list[Node]:
    """Put a preposition, if there is one, before a noun phrase, as its case marker."""
    if not preposition or not nodes:
        return nodes
    case = Node(preposition, preposition, "ADP", "IN", "case")
    case.head = top_of(nodes)
    return [case, *nodes]


def top_of(nodes: Sequence[Node]) -> Node:
    return next(node for node in nodes if node.head is None)


class Derivation:
    """Expands the rules of one domain; every choice comes from ``rng``.

    What is not a rule is written by a method, which ``phrases`` names.
    """

    def __init__(self, domain: str, rng: random.Random) -> None:
        self.uniform, self.words = rng.random, words()
        self.settings = self.words["domains"][domain]
        self.scene: Scene = scene(next(iter(shares())))
        self.used: set[str] = set()  # nouns, names, adjectives of this sentence: none comes twice
        self.phrases: dict[str, Callable[[Scope, str], list[Node]]] = {}
        self.rules = rules(domain)
        self.ready: dict[str, Choices[Any]] = {}
        self.density = [self.settings["density"] * DAMP**depth for depth in range(40)]

    def compile(self) -> None:
        """Bind each item of each rule to the method that writes it; the head comes first."""
        for symbol, choices in self.rules.items():
            compiled = []
            for items in choices.things:
                bound = [
                    (
                        *(place, i.relation, i.head, self._call(i), i.argument, i.chance, i.flip),
                        i.head or (i.chance == 1 and (i.relation in CORE or i.phrase in ASKED)),
                    )
                    for place, i in enumerate(items)
                ]
                early = [item.early for item in items]
                bound.sort(key=lambda entry: (not early[entry[0]], not entry[2]))
                compiled.append((len(items), bound))
            self.ready[symbol] = choices.of(compiled)

    def _call(self, item: Item) -> Callable[[Scope, str], list[Node]]:
        if item.literal:
            return partial(self._literal, item.literal)
        if item.phrase in self.phrases:
            return self.phrases[item.phrase]
        if item.phrase not in self.rules:
            raise LexiconError(f"{item.where}: there is no rule or phrase {item.phrase!r}")
        return partial(self._rule, item.phrase)

    def _literal(
        self, literal: tuple[str, str, str, str], scope: Scope, argument: str
    ) -> list[Node]:
        node = Node(*literal)
        if node.xpos == "VB" and node.lemma != "be":  # a bare verb in the grammar is a command
            node.feats = self.words["tags"]["imperative"]
        return [node]

    def _rule(self, symbol: str, scope: Scope, argument: str) -> list[Node]:
        if symbol in ISOLATED or symbol in SUBORDINATE:
            scope = copy(scope)
            scope.subordinate = scope.subordinate or symbol in SUBORDINATE
            scope.conditional = symbol in CONDITIONAL
        return self.expand(symbol, scope)

    def one_of(self, things: Sequence[T]) -> T:
        return things[int(self.uniform() * len(things))]

    def expand(self, symbol: str, scope: Scope) -> list[Node]:
        """Rewrite a symbol; [] if a phrase that it cannot do without is impossible here."""
        length, items = self.ready[symbol].draw(self.uniform())
        parts: list[tuple[str, list[Node]] | None] = [None] * length
        head, middle = None, -1
        for place, relation, is_head, call, argument, chance, flip, needed in items:
            if chance < 1 and self.uniform() > chance * self.density[scope.depth]:
                continue
            inside = scope
            if flip:
                inside = copy(scope)
                inside.polarity = -scope.polarity
            nodes = call(inside, argument)
            if needed and not nodes:
                return []
            if is_head:
                head, middle = top_of(nodes), place
            parts[place] = (relation, nodes)
        written: list[Node] = []
        comma, before = None, None  # a comma belongs to the phrase that it sets off
        for place, part in enumerate(parts):
            if part is None or not part[1]:
                continue
            relation, nodes = part
            if relation == "punct" and place and not written and nodes[0].form == ",":
                continue  # what it would set off is not there
            tops = [node for node in nodes if node.head is None]
            for node in tops:
                if node is not head:
                    node.head = head
                    node.deprel = node.deprel or relation
            if head is not None and relation == "punct" and nodes[0].form in ",;":
                if place < middle and before is not None:
                    nodes[0].head = before
                elif place > middle:
                    comma = nodes[0]
            elif comma is not None and tops and tops[0] is not head and relation != "punct":
                comma.head, comma = tops[0], None
            if tops and relation != "punct":
                before = tops[0]
            written += nodes
        return written

    def fresh(self, choices: Choices[Noun]) -> Noun:
        """Draw a noun that the sentence does not have yet, if there is one."""
        noun = choices.draw(self.uniform())
        for _ in range(6):
            if noun.lemma not in self.used:
                break
            noun = choices.draw(self.uniform())
        self.used.add(noun.lemma)
        return noun
