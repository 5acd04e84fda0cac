"""Narration in the embedded world: the two halves of a link, and what stands for whom in them."""

import random
from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

from mtlkit.conjugation import Conjugator
from mtlkit.derivation import Node, Scope, marked, top_of
from mtlkit.discourse import Half, Link
from mtlkit.lexicon import Slot, Verb
from mtlkit.phrases import SPEAKERS

__all__ = ["WITH_SUBJECT", "Narrator"]

WITH_SUBJECT = (
    "Clause",
    "Half",
    "HalfOf",
    "Trying",
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


def _about(verb: Verb, other: Verb) -> bool:
    """Whether the object of a verb is the subject of another one."""
    return verb.frame in ("tr", "pr") and verb.object.classes == other.subject.classes


class Narrator(Conjugator):
    """Tells links: takes their halves, and remembers whom and what they have mentioned."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, split, rng)
        self.link: Link | None = None  # that is being told
        self.left: Half | None = None  # the half of the sentence's link that is yet to be written
        self.half: Scope | None = None  # of the half that is written
        self.doer = ""  # class of its subject
        self.met: dict[str, Mention] = {}  # what the link has mentioned, by class
        self.phrases |= {"More": self.more}

    def begin(self) -> None:
        """Forget the last sentence."""
        self.link = self.left = self.half = None
        self.told = self.doer = ""
        self.met.clear()

    def half_of(self, symbol: str, scope: Scope, pool: str) -> Half | None:
        """Take the half of a link that the pool names: see `_opened`; "next" is the one left."""
        finite = symbol in WITH_SUBJECT or symbol in ("Who", "Whose")
        half = self._next(scope, finite) if pool == "next" else self._opened(scope, pool)
        if half is None or (half.negated and not finite):
            return None
        if not self._fits(symbol, half, scope):
            return None
        if not finite:
            self.doer = scope.subject_cls = self.doer or half.verb.subject.classes[0]
        self.half = scope
        return half

    def _fits(self, symbol: str, half: Half, scope: Scope) -> bool:
        """Whether what this symbol writes can tell this half."""
        match symbol:
            case "Same":
                return self._same(half, scope)
            case "Command":
                return self._commanded(half)
            case "Trying":
                return not (half.negated or half.verb.stative or half.verb.frame == "is")
            case "HalfOf":
                return self.left is not None and _about(half.verb, self.left.verb)
            case "Passive":
                return half.verb.frame in ("tr", "pt") and not half.verb.stative
            case "Who":
                return self.scene.classes[half.verb.subject.classes[0]].sense == "person"
        return True

    def _commanded(self, half: Half) -> bool:
        """Whether the reader can be told to do this, as the one who acts in the link, if any."""
        mine = [cls for cls in half.verb.subject.classes if self.scene.classes[cls].me]
        self.doer = self.doer if self.doer in mine else mine[0] if mine else ""
        taken = self.met.get(self.doer, _YOU) != _YOU or self.spoken() != (self.doer in self.met)
        if not mine or half.verb.frame == "is" or taken:
            return False
        self.met[self.doer] = _YOU
        return True

    def _same(self, half: Half, scope: Scope) -> bool:
        """Whether the subject of the latest half does this, too; if so, it is not said again."""
        if half.verb.frame == "is" or self.half is None:  # "she worked and tired"
            return False
        scope.tag, scope.pronoun = self.half.tag, self.half.pronoun
        scope.agreement = self.half.agreement
        return self.doer in half.verb.subject.classes and not half.negated

    def more(self, scope: Scope, argument: str) -> list[Node]:
        """A further link, opened by the symbol that is the argument; not all fit, so try some."""
        met, known = dict(self.met), (self.doer, self.link, self.half)
        for _ in range(8):
            if nodes := self.expand(argument, scope):
                return nodes
            self.met, (self.doer, self.link, self.half) = dict(met), known
        return []

    def _opened(self, scope: Scope, pool: str) -> Half | None:
        """Draw a link and take one half of it; with "*" one that others lead on.

        With "+" draw one that leads on the link that is being told, and take its second half.
        """
        relation, sign = pool.strip("<+"), scope.polarity if self.opinions else 0
        if pool[0] == "+":
            links = self.scene.links.get((pool, id(self.link)))
        else:
            links = self.scene.links.get((relation, sign or None))
            self.told = self.doer = ""
            self.met.clear()
        if links is None:
            return None
        link = links.draw(self.uniform())
        half, self.left = (link.second, link.first) if pool[0] in "<+" else link[1:]
        if pool[0] == "+":
            self.left, says = None, half.sign
            astray = sign and says != sign and (says or link.relation == "but")
            if astray or half.verb.lemma in self.used:
                return None
        self.chained = pool[-1] == "*" or pool[0] == "+"
        scope.linked, self.link = link.relation, link
        return half

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
        whole = top.upos == "NOUN" or top.ner == "B-PER" or (top.ner and len(nodes) == 1)
        noun = top if whole else None  # of a longer name of a place or firm it would be a part
        self.met[cls] = Mention(pronoun, agreement, noun, next(mine, None))

    def again(self, cls: str, case: str, subject: str = "") -> list[Node]:
        """A pronoun for what was mentioned, or its noun where another has the same pronoun.

        The subject of the clause is no other: for it an object would be reflexive.
        """
        mention = self.met[cls]
        person = self.scene.classes[cls].sense == "person"
        rivals = [
            other
            for other, met in self.met.items()
            if met.pronoun == mention.pronoun
            and other != subject
            and (self.scene.classes[other].sense == "person") == person
        ]
        top = mention.top
        things = not any(self.scene.classes[other].entity for other in rivals)
        clear = len(rivals) == 1 or (case == "Acc" and things and len(rivals) == 2)
        alone = top is not None and (top.xpos == "NNS") == (mention.pronoun == "they")
        if top is None or clear or not alone:
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
            self.last, cls = "", known[0]
            return marked(slot.preposition, self.again(cls, "Acc", scope.subject_cls)), cls
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
