"""Narration in the embedded world: the two halves of a link, and what stands for whom in them."""

import random
from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

from mtlkit.conjugation import Conjugator
from mtlkit.derivation import Node, Scope, marked, top_of
from mtlkit.discourse import Half
from mtlkit.lexicon import Slot
from mtlkit.phrases import SPEAKERS

__all__ = ["WITH_SUBJECT", "Narrator"]

WITH_SUBJECT = (
    "Clause",
    "Half",
    "Inverted",
    "Asked",
    "Question",
    "Why",
    "Existential",
    "Passive",
    "ObjectRelative",
)


class Mention(NamedTuple):
    """Somebody or something that a link has mentioned: what stands for it from then on."""

    pronoun: str
    agreement: int
    top: Node | None  # its noun or name; None if it was a pronoun
    owner: Node | None  # "my" of "my sister"


_YOU = Mention("you", 2, None, None)


class Narrator(Conjugator):
    """Tells links: takes their halves, and remembers whom and what they have mentioned."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, split, rng)
        self.left: Half | None = None  # the half of the sentence's link that is yet to be written
        self.half: Scope | None = None  # of the half that is written
        self.doer = ""  # class of its subject
        self.met: dict[str, Mention] = {}  # what the link has mentioned, by class

    def begin(self) -> None:
        """Forget the last sentence."""
        self.left = self.half = None
        self.told = self.doer = ""
        self.met.clear()

    def half_of(self, symbol: str, scope: Scope, pool: str) -> Half | None:
        """Take the first half of a link, with "<" its second, or with "next" the one left."""
        finite = symbol in WITH_SUBJECT or symbol == "Who"
        half = self._next(scope, finite) if pool == "next" else self._opened(scope, pool)
        if half is None or (half.negated and not finite):
            return None
        if symbol == "Same" and half.verb.frame == "is":
            return None  # "she worked and tired"
        if symbol == "Command":
            mine = [cls for cls in half.verb.subject.classes if self.scene.classes[cls].me]
            self.doer = self.doer if self.doer in mine else mine[0] if mine else ""
            taken = self.met.get(self.doer, _YOU) != _YOU or self.spoken() != (
                self.doer in self.met
            )
            if not mine or half.verb.frame == "is" or taken:
                return None
            self.met[self.doer] = _YOU
        if symbol == "Who" and self.scene.classes[half.verb.subject.classes[0]].sense != "person":
            return None
        if not finite:
            self.doer = scope.subject_cls = self.doer or half.verb.subject.classes[0]
        self.half = scope
        return half

    def _opened(self, scope: Scope, pool: str) -> Half | None:
        """Draw a link and take one half of it; with "+" a link of whoever acted last."""
        relation, more = pool.lstrip("+"), pool[0] == "+"
        if more:
            links = self.scene.links.get((relation, self.doer))
        else:
            sign = scope.polarity if self.opinions else None
            links = self.scene.links.get((relation.lstrip("<"), sign or None))
            self.told = self.doer = ""
            self.met.clear()
        if links is None:
            return None
        scope.linked, *halves = links.draw(self.uniform())
        half, self.left = halves[::-1] if relation[0] == "<" else halves
        return None if more and half.verb.lemma in self.used else half

    def _next(self, scope: Scope, finite: bool) -> Half | None:
        """Take the half that is left; without a subject it has that of the other."""
        half, self.left, written = self.left, None, self.half
        if half is None or written is None:
            return None
        if not finite and self.doer not in half.verb.subject.classes:
            return None
        scope.linked, scope.tag = written.linked, written.tag
        scope.pronoun, scope.agreement = written.pronoun, written.agreement
        return half

    def spoken(self) -> bool:
        """Whether the link is about those who write or read already."""
        return any(mention.pronoun in SPEAKERS for mention in self.met.values())

    def meet(self, cls: str, pronoun: str, agreement: int, nodes: Sequence[Node]) -> None:
        top = top_of(nodes)
        mine = (n for n in nodes if (n.head, n.deprel, n.upos) == (top, "nmod:poss", "PRON"))
        noun = top if top.upos in ("NOUN", "PROPN") else None
        self.met[cls] = Mention(pronoun, agreement, noun, next(mine, None))

    def again(self, cls: str, case: str) -> list[Node]:
        """A pronoun for what was mentioned, or its noun where another has the same pronoun."""
        mention = self.met[cls]
        person = self.scene.classes[cls].sense == "person"
        rivals = [
            other
            for other, met in self.met.items()
            if met.pronoun == mention.pronoun
            and (self.scene.classes[other].sense == "person") == person
        ]
        top = mention.top
        clear = len(rivals) == 1 or (case == "Acc" and not person)
        alone = top is not None and (top.xpos == "NNS") == (mention.pronoun == "they")
        if top is None or clear or not alone or (top.ner and "PER" not in top.ner):
            return [self.personal(mention.pronoun, case)]
        noun = copy(top)
        noun.head, noun.deprel = None, ""
        if noun.upos == "PROPN":
            return [noun]
        first = copy(mention.owner) if mention.owner else Node("the", "the", "DET", "DT", "det")
        first.head = noun
        return [first, noun]

    def be_about(self, cls: str, scope: Scope) -> None:
        """Make what was mentioned the subject."""
        mention = self.met[cls]
        scope.subject_cls, scope.agreement, scope.pronoun = cls, mention.agreement, mention.pronoun
        scope.subject = self.again(cls, "Nom")
        if scope.subject[0].upos == "PRON" and len(scope.subject) == 1:
            scope.agreement = self.agreement(mention.pronoun)

    def filled(self, slot: Slot, scope: Scope, role: str) -> tuple[list[Node], str]:
        """A noun phrase for a slot, or a pronoun for what was mentioned, and its class."""
        known = [c for c in slot.classes if c in self.met and c != scope.subject_cls]
        if scope.linked and known:
            self.last = ""
            return marked(slot.preposition, self.again(known[0], "Acc")), known[0]
        mine = [c for c in slot.classes if self.scene.classes[c].me and c != scope.subject_cls]
        speaks = not scope.linked and role == "object" and scope.pronoun not in SPEAKERS
        if mine and speaks and self.uniform() < 0.5 * self.settings["me"]:
            node, self.last = self.personal(self.pronouns.draw(self.uniform()), "Acc"), ""
            return marked(slot.preposition, [node]), mine[0]
        nodes, inside = self.noun_phrase(slot, scope, role)
        if scope.linked and nodes:
            self.meet(inside.cls, inside.pronoun, inside.agreement, nodes)
        elif role == "object" and nodes:
            scope.patient = inside.pronoun
        return marked(slot.preposition, nodes), inside.cls
