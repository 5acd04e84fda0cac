"""Adverbs of the embedded world: when each kind fits a clause, a verb or an adjective."""

import random
from functools import cache

from mtlkit.adjectives import AdjectiveWriter, denied
from mtlkit.derivation import Node, Scope
from mtlkit.lexicon import Choices, words

__all__ = ["AdverbWriter"]


@cache
def _adverbs() -> dict[str, Choices[str]]:
    return {kind: Choices(found.split()) for kind, found in words()["adverbs"].items()}


class AdverbWriter(AdjectiveWriter):
    """Writes the adverbs of one domain."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, split, rng)
        self.adverbs = _adverbs()
        self.regular = frozenset(self.words["lists"]["regular"].split())
        self.timed = False  # whether the sentence says already when, how or how often it was
        self.phrases |= {"Adverb": self.adverb}

    def adverb(self, scope: Scope, argument: str) -> list[Node]:
        """An adverb of a kind: what kinds there are the grammar says."""
        match argument:
            case "own":
                word = self._own(scope)
            case "manner":
                word = self._manner(scope)
            case "frequency":
                word = self._frequency(scope)
            case "strong" | "degree":
                word = self._degree(scope, argument)
            case "opinion":
                kind = "praise" if scope.polarity > 0 else "blame"
                word = self.adverbs[kind].draw(self.uniform())
            case _:
                word = self.adverbs[argument].draw(self.uniform())
        return [Node(word, word, "ADV", "RB")] if word else []

    def _own(self, scope: Scope) -> str:
        """One that the verb asks for, last; one adverb and one time are enough for a clause."""
        enough = (scope.modified or scope.adjoined) and self.uniform() < 0.7
        late = self.last == "clause" or (scope.frame == "pr" and scope.verb.particle)
        if not scope.verb.adverbs or enough or late or self.timed:
            return ""
        self.timed = True
        return self.one_of(scope.verb.adverbs)

    def _manner(self, scope: Scope) -> str:
        """One that the verb asks for, before it: "she carefully lowered the sail"."""
        said = [word for word in scope.verb.adverbs if word.endswith("ly")]
        words = [word for word in said if word not in self.regular]
        foretold = scope.tense == "modal" and bool(scope.finite)
        if not words or denied(scope) or foretold:
            return ""
        self.timed = True
        return self.one_of(words)

    def _frequency(self, scope: Scope) -> str:
        if denied(scope) or self.timed or scope.tense == "modal":
            return ""
        self.timed = True
        past = scope.tense in ("past", "perfect")
        quiet = scope.verb.stative or scope.verb.lemma == "be"
        if quiet and (past or scope.frame in ("op", "cm")):
            return ""
        kind = "state" if quiet else "past" if past else "frequency"
        return self.adverbs[kind].draw(self.uniform())

    def _degree(self, scope: Scope, kind: str) -> str:
        """One before the adjective that was just written, if it has degrees."""
        extreme = self.described in self.extreme
        if self.described in self.ungradable or (extreme and kind == "degree"):
            return ""
        adverbs = self.adverbs["absolute" if extreme else kind]
        return "very" if denied(scope) else adverbs.draw(self.uniform())
