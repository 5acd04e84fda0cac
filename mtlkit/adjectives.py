"""Adjectives of the embedded world: which fit a class and an opinion, and their comparison."""

import random

from mtlkit.derivation import Node, Scope
from mtlkit.inflection import compared
from mtlkit.names import NameWriter

__all__ = ["AdjectiveWriter", "denied"]


def denied(scope: Scope) -> bool:
    """Whether the clause is negated."""
    return any(node.lemma == "not" for node in (*scope.finite, *scope.rest))


class AdjectiveWriter(NameWriter):
    """Writes the adjectives of one domain; none comes twice in a sentence."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, split, rng)
        self.ungradable = frozenset(self.words["lists"]["ungradable"].split())
        self.extreme = frozenset(self.words["lists"]["extreme"].split())
        self.described = ""  # the latest adjective
        self.phrases |= {
            "Judged": self.judged, "Attribute": self.attribute, "Second": self.attribute,
            "Predicate": self.predicate, "Comparative": self.comparative,
            "Superlative": self.superlative,
        }  # fmt: skip

    def describing(self, cls: str, polarity: int | None, place: str) -> list[Node]:
        adjectives = self.scene.adjectives.get((cls, polarity, place))
        if adjectives is None:
            return []
        word = adjectives.draw(self.uniform())
        for _ in range(6):
            if word not in self.used:
                break
            word = adjectives.draw(self.uniform())
        else:
            return []
        self.used.add(word)
        self.described = word
        return [Node(word, word, "ADJ", "JJ")]

    def attribute(self, scope: Scope, argument: str) -> list[Node]:
        cls = scope.cls or scope.subject_cls  # of "a busy teacher" in "she is a busy teacher"
        if self.scene.classes[cls].sense == "person" and self.uniform() < 0.5:
            return []  # who acts is described less often than what is acted upon
        return self.describing(cls, 0, "<")  # opinions are the predicate's

    def judged(self, scope: Scope, argument: str) -> list[Node]:
        return self.describing(scope.cls, scope.polarity, "<")

    def predicate(self, scope: Scope, argument: str) -> list[Node]:
        opinion = scope.polarity if scope.frame in ("op", "cm") else 0
        cls = scope.object_cls if argument else scope.subject_cls
        neutral = 0 if self.settings["lower"] == 0 else None  # news and guides do not judge
        nodes = self.describing(cls, opinion if scope.polarity else neutral, ">")
        return [] if denied(scope) and self.described in self.extreme else nodes

    def comparative(self, scope: Scope, argument: str) -> list[Node]:
        nodes = self.predicate(scope, argument)
        return self.graded(nodes, "er", "more", "RBR", "JJR")

    def superlative(self, scope: Scope, argument: str) -> list[Node]:
        nodes = self.attribute(scope, argument)
        nodes = self.graded(nodes, "est", "most", "RBS", "JJS")
        if nodes:
            nodes[-1].deprel = "amod"
        return nodes

    def graded(self, nodes: list[Node], ending: str, word: str, rb: str, jj: str) -> list[Node]:
        lemma = nodes[0].lemma if nodes else ""
        if not nodes or lemma in self.ungradable or lemma in self.extreme:
            return []
        irregular = self.words["comparison"].get(lemma)
        form = irregular.split()[ending == "est"] if irregular else compared(lemma, ending)
        if form:
            nodes[0].form, nodes[0].xpos = form, jj
            return nodes
        more = Node(word, "much", "ADV", rb, "advmod")
        more.head = nodes[0]
        return [more, *nodes]
