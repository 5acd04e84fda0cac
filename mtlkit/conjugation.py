"""Verb groups of the embedded world: tense, agreement, auxiliaries and negation."""

import random

from mtlkit.derivation import Node, Scope
from mtlkit.lexicon import Choices
from mtlkit.phrases import PhraseWriter

__all__ = ["BE", "INVERTED", "NONFINITE", "Conjugator"]

NONFINITE = {
    "Command": "VB", "ToVerb": "VB", "ToGap": "VB", "Bare": "VB",
    "Gerund": "VBG", "Present": "VBG", "Participle": "VBN",
}  # fmt: skip
"""Clauses without a finite verb, and the form of their verb."""
INVERTED = ("Inverted", "Asked", "Question", "Why")
_COPULAS = ("ja", "np", "lc", "op", "cm", "jt", "is")
BE = (*_COPULAS, "ex")
_TENSES = ("past", "present", "modal", "progressive", "perfect")


class Conjugator(PhraseWriter):
    """Writes the verb groups of one domain."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, split, rng)
        modals = self.words["modals"]
        self.modals = Choices(list(modals), list(modals.values()))
        self.tenses = {kind: Choices(_TENSES, self.settings[kind]) for kind in ("event", "state")}
        self.tense = ""  # past, present or modal: of the sentence's first clause
        self.chained = False  # whether more than one link is told
        self.told = ""  # the tense of the half of a link that is written already
        self.phrases |= {"Verb": self.verb, "Aux": self.auxiliaries, "Is": self.copula}

    def conjugate(self, symbol: str, scope: Scope, negated: bool) -> None:
        """Fill ``finite``, ``rest`` and ``tag`` of a clause: tense, agreement and negation."""
        scope.finite, scope.rest, scope.feats = (), (), ""
        if symbol in NONFINITE:
            scope.tag = NONFINITE[symbol]
            if symbol == "Command":
                scope.feats = self.words["tags"]["imperative"]
                self.tense = self.tense or "modal"
                scope.tense = scope.tense if self.generic else "modal"  # "call me tomorrow"
            if symbol == "Gerund":
                scope.feats = self.words["tags"]["gerund"]
            if negated:
                auxiliary = Node("do", "do", "AUX", "VB", "aux")
                auxiliary.feats, scope.feats = scope.feats, ""
                form = "n't" if self.uniform() < 0.8 else "not"
                scope.finite = (auxiliary, Node(form, "not", "PART", "RB", "advmod"))
            return
        if symbol == "Same":
            return
        verb, passive = scope.verb, symbol == "Passive"
        quiet = verb.stative or scope.frame in BE
        tense = self._tense(scope, quiet)
        if tense == "present" and self.generic and scope.pronoun == "you" and not quiet:
            tense = "present" if scope.subordinate else "modal"  # "you should tighten the nut"
        if tense == "perfect" and scope.linked in ("then", "while"):
            tense = self.told = "past"
        if symbol == "Why" and tense == "modal":  # one asks why of what was or is so
            tense = self.told = "progressive"
        past = tense == "past" or (tense in ("progressive", "perfect") and self.tense == "past")
        self.tense = self.tense or ("past" if past else "modal" if tense == "modal" else "present")
        scope.tense = "past" if past else tense
        modal = self.modals.draw(self.uniform())
        while symbol in INVERTED and modal in ("may", "might", "must"):
            modal = self.modals.draw(self.uniform())
        if scope.linked and (modal in ("may", "might", "could") or self.uniform() < 0.6):
            modal = "can" if self.generic else "will"
        while self.generic and modal not in ("can", "should", "must"):
            modal = self.modals.draw(self.uniform())
        first = {"modal": modal, "progressive": "be", "perfect": "have"}
        links = [first[tense]] if tense in first else []
        links += ["be"] * (passive + (scope.frame in BE))
        inverted = symbol in INVERTED
        never = negated and not (inverted or quiet) and tense != "modal" and self.uniform() < 0.12
        if not links and (inverted or (negated and not never)):
            links = ["do"]
        nodes, scope.tag = [], "VBD" if past else "VBZ" if scope.agreement == 3 else "VBP"
        for place, lemma in enumerate(links):
            if lemma not in self.words["auxiliaries"]:
                nodes.append(Node(lemma, lemma, "AUX", "MD", "aux"))
                scope.tag = "VB"
                continue
            forms = [line.split() for line in self.words["auxiliaries"][lemma]]
            index = ("VB", "VBN", "VBG").index(scope.tag) if place else scope.agreement - 1
            nodes.append(Node(forms[2 if place else past][index], lemma, "AUX", scope.tag, "aux"))
            last = passive and place == len(links) - 1
            nodes[-1].deprel = "aux:pass" if last else "aux"
            scope.tag = {"do": "VB", "have": "VBN"}.get(lemma, "VBN" if last else "VBG")
        if scope.frame in _COPULAS:
            nodes[-1].deprel = "cop"
        scope.finite, scope.rest = nodes[:1], nodes[1:]
        pronoun = [node.upos for node in scope.subject] == ["PRON"]
        contracted = self.uniform() < self.settings["contraction"]
        if never:
            scope.rest = [Node("never", "never", "ADV", "RB", "advmod"), *nodes[1:]]
        elif negated and contracted and nodes[0].form not in ("am", "may", "might"):
            nodes[0].form = self.words["stem"].get(nodes[0].form, nodes[0].form)
            scope.finite = [nodes[0], Node("n't", "not", "PART", "RB", "advmod")]
        elif negated:
            scope.rest = [Node("not", "not", "PART", "RB", "advmod"), *nodes[1:]]
        elif contracted and symbol in ("Clause", "Half") and nodes and links[0] != "do":
            short = self.words["contracted"].get(nodes[0].form)
            noun = bool(scope.subject) and scope.subject[-1].upos in ("NOUN", "PROPN")
            spoken = pronoun or (noun and short == "'s" and self.settings["contraction"] > 0.5)
            nodes[0].form = short if short and spoken else nodes[0].form

    def _tense(self, scope: Scope, quiet: bool) -> str:
        """Choose a tense that agrees with the sentence's first clause."""
        if scope.linked:
            return self._told(scope, quiet)
        tense = self.tenses["state" if quiet else "event"].draw(self.uniform())
        if tense == "modal" and scope.frame in ("that", "o-that", "wh"):
            tense = "past" if not self.tense else self.tense
        if scope.subordinate and self.tense in ("present", "modal"):
            tense = "perfect" if not quiet and self.uniform() < 0.2 else "present"
        elif self.tense == "past" and (scope.subordinate or self.uniform() < 0.9):
            tense = "past"
        elif self.tense in ("present", "modal") and tense in ("past", "present"):
            tense = "present" if quiet else self.one_of(("progressive", "perfect", "modal"))
        elif tense == "present" and not quiet and scope.pronoun in ("I", "you", "we"):
            tense = "modal"
        return "present" if tense == "progressive" and quiet else tense

    def _told(self, scope: Scope, quiet: bool) -> str:
        """Choose the tense of a link's half: the first for itself, the other to agree with it."""
        first = self.told
        if not first:
            tense = self.tenses["state" if quiet else "event"].draw(self.uniform())
            while tense == "progressive" and scope.linked != "while":
                tense = self.tenses["event"].draw(self.uniform())
            if tense == "modal" and scope.linked not in ("to", "then") and self.uniform() < 0.8:
                tense = "present" if self.generic else "past"  # nobody foretells surprises
            if tense in ("modal", "perfect") and self.chained and not self.generic:
                tense = "past"
            if quiet and tense in ("modal", "progressive", "perfect"):
                tense = "past"
            if self.tense == "past":
                tense = "past"
            elif scope.conditional or (self.tense and tense == "past"):
                tense = "present" if quiet or scope.conditional else "perfect"
            elif scope.subordinate and tense in ("modal", "perfect"):
                tense = "past"
            self.told = tense
            return tense
        if first in ("past", "perfect"):
            again = first == "perfect" and not (quiet or scope.subordinate)
            return "perfect" if again and scope.linked in ("so", "but") else "past"
        if first == "progressive":
            return "present" if quiet else "progressive"
        if scope.subordinate:
            now = quiet or scope.conditional or scope.linked in ("then", "while")
            return "present" if now else "perfect"
        return "present" if first == "present" and (quiet or self.generic) else "modal"

    def verb(self, scope: Scope, argument: str) -> list[Node]:
        self.last = ""
        if scope.frame == "ex":  # the last auxiliary is the verb
            form = (*scope.finite, *scope.rest)[-1]
            if form.upos != "AUX":
                form = next(node for node in (*scope.rest, *scope.finite) if node.lemma == "be")
            return [Node(form.form, "be", "VERB", form.xpos)]
        node = Node(scope.verb.forms[scope.tag], scope.verb.lemma, "VERB", scope.tag)
        node.feats = scope.feats
        return [node]

    def auxiliaries(self, scope: Scope, argument: str) -> list[Node]:
        nodes = [*scope.finite, *scope.rest]
        return [node for node in nodes if node.lemma != "be"] if scope.frame == "ex" else nodes

    def copula(self, scope: Scope, argument: str) -> list[Node]:
        """The verb of "it is hard to ...": is or was."""
        past = self.tenses["state"].draw(self.uniform()) == "past"
        self.tense = self.tense or ("past" if past else "present")
        return [Node("was" if past else "is", "be", "AUX", "VBD" if past else "VBZ")]
