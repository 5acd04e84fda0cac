"""Clauses of the embedded world: a verb is chosen, then what it selects, agreeing."""

import random
from copy import copy
from functools import partial

from mtlkit.conjugation import BE, INVERTED, NONFINITE
from mtlkit.derivation import Node, Scope, marked, top_of
from mtlkit.lexicon import RELATIONS, Choices, Slot, Verb
from mtlkit.narration import WITH_SUBJECT, Narrator
from mtlkit.phrases import SPEAKERS

__all__ = ["ClauseWriter"]

_VERBAL = (*NONFINITE, *WITH_SUBJECT, "Who", "Whose", "Same", "SubjectRelative")
_NEGATABLE = ("Clause", "Inverted", "Passive", "Command")
_SIMPLE = frozenset({*BE, "in", "tr", "di", "pr", "pt", "pu", "adj"})
_OF_VERB = 0.33
"""How often a phrase after an object is the verb's, if it has one: so that half of all are."""
_WHEN = frozenset({"after", "before", "during", "since", "until"})
_DETAILS = (0.6, 0.15, 0.0)
"""How often an event of a link has a phrase of detail, by how many the sentence has already."""
_OF_TOPIC = frozenset({"about", "again", "regret"})
"""Pools of clauses that judge what the first clause is about."""
_BRIEF = _OF_TOPIC | {"met", "exist", "judgement", "opinion", "compared"}


class ClauseWriter(Narrator):
    """Writes clauses of one domain."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, split, rng)
        self.detailed = 0  # how many phrases of detail it has
        self.topic: Scope | None = None  # the first clause
        self.phrases |= {
            "VP": self.complement, "Object": self.object, "Particle": self.particle,
            "Phrasal": self.phrasal, "VerbPhrase": self.adjunct, "When": self.time,
            "Place": self.place, "InRegion": self.region, "Lead": self.lead,
            "Receiver": self.receiver, "Control": self.control, "ToDo": self.to_do,
            "SaidToBe": self.said_to_be, "Often": self.often,
            "Subject": lambda scope, argument: list(scope.subject),
            "Finite": lambda scope, argument: list(scope.finite),
            "Rest": lambda scope, argument: list(scope.rest),
        }  # fmt: skip
        self.phrases |= {symbol: partial(self.verbal, symbol) for symbol in _VERBAL}
        self.compile()

    def begin(self) -> None:
        super().begin()
        self.tense = self.last = ""
        self.topic = None
        self.timed = self.placed = False
        self.detailed = 0
        self.used.clear()

    def verbal(self, symbol: str, outer: Scope, pool: str) -> list[Node]:
        """Open a clause: choose its verb, write its subject, conjugate, then follow the rules."""
        scope = outer.inner()
        if scope.depth > 7:
            return []
        me = False
        if pool == "next" or pool.strip("+<*") in RELATIONS:
            half = self.half_of(symbol, scope, pool)
            if half is None:
                return []
            scope.verb, negated, scope.details = half
        else:
            scope.linked, scope.details = "", False
            negated = self.uniform() < self.settings["negation"]
            negated = negated and symbol in _NEGATABLE and pool not in ("met", "compared", "think")
            if negated:
                scope.polarity = -scope.polarity
            me = pool == "main" and not self.opinions and self.uniform() < self.settings["me"]
            verbs = self._verbs(symbol, "me" if me else pool, scope, outer)
            me = me or pool in ("met", "think")
            if verbs is None:
                return []
            scope.verb = self._drawn(verbs, scope)
            if pool == "met":  # an opinion follows, of what was
                self.tense = "past"
        scope.brief = bool(scope.linked) or pool in _BRIEF
        verb = scope.verb
        self.used.add(verb.lemma)
        scope.frame, scope.blocked, scope.object_cls = verb.frame, frozenset(), ""
        scope.patient, scope.modified, scope.adjoined = "", False, False
        scope.explained = symbol == "HalfOf"
        if symbol in ("ObjectRelative", "ToGap", "Participle"):
            scope.object_cls = outer.cls
        scope.subject = ()
        if symbol in WITH_SUBJECT:
            self.topic = self.topic or scope
            self._subject(symbol, scope, pool, me)
            if not scope.subject or (verb.frame == "np" and scope.agreement == 2):
                return []
        elif symbol == "Whose":
            scope.subject_cls = scope.cls
            scope.pronoun, scope.agreement = self.met[scope.cls][:2]
        elif symbol == "Who":
            scope.subject_cls, scope.agreement, scope.pronoun = verb.subject.classes[0], 3, "they"
        elif symbol == "Command" or pool == "command":
            scope.agreement, scope.pronoun = 2, "you"
            if not scope.linked:
                scope.subject_cls = verb.subject.classes[0]
        self.conjugate(symbol, scope, negated)
        scope.owner = "" if scope.pronoun == "it" else scope.pronoun
        return self.expand(symbol, scope)

    def _drawn(self, verbs: Choices[Verb], scope: Scope) -> Verb:
        """Draw a verb, a new one; within other clauses, rather one that opens no further clause."""
        verb = verbs.draw(self.uniform())
        for _ in range(2 * scope.depth - 1):
            if verb.lemma not in self.used and (scope.depth == 1 or verb.frame in _SIMPLE):
                break
            verb = verbs.draw(self.uniform())
        return verb

    def _verbs(self, symbol: str, pool: str, scope: Scope, outer: Scope) -> Choices[Verb] | None:
        """Return the verbs among which a clause chooses; set what is known of its subject."""
        kind, key = "pool", pool
        if symbol == "SubjectRelative":
            kind, key = "subject", outer.cls
            scope.subject_cls, scope.agreement = outer.cls, outer.agreement
        elif symbol == "Present":
            kind, key = "active", outer.cls
            scope.subject_cls, scope.agreement = outer.cls, outer.agreement
        elif symbol in ("ObjectRelative", "ToGap"):
            kind, key = "object", outer.cls
        elif symbol == "Participle":
            kind, key = "patient", outer.cls
        elif pool == "subject":
            kind, key = "active", outer.subject_cls
        elif pool == "object":
            if symbol != "Question":
                kind, key = "active", outer.object_cls
                scope.subject_cls, scope.pronoun, scope.owner = outer.object_cls, "it", ""
        elif pool in _OF_TOPIC:
            if self.topic is None or (pool == "regret" and outer.polarity > 0):
                return None
            judged = pool == "again" and self.topic.frame == "op"
            if not judged and not self.topic.patient:
                return None
            key = "judgement"
        elif pool == "opinion":
            key = "good" if scope.polarity > 0 else "bad"
        elif pool == "main" and self.opinions:
            key = "neutral"
        return self.scene.pools.get((kind, key))

    def _subject(self, symbol: str, scope: Scope, pool: str, me: bool) -> None:
        verb, passive = scope.verb, symbol == "Passive"
        slot = verb.object if passive else verb.subject
        known = [cls for cls in slot.classes if cls in self.met] if scope.linked else []
        if pool in _OF_TOPIC and self.topic:
            scope.subject_cls, scope.pronoun = self.topic.object_cls, self.topic.patient
            if pool == "again" and self.topic.frame == "op":
                scope.subject_cls, scope.pronoun = self.topic.subject_cls, self.topic.pronoun
            scope.agreement = self.agreement(scope.pronoun)
            scope.subject = [self.personal(scope.pronoun, "Nom")]
        elif known:
            self.be_about(known[0], scope)
        else:
            if self.doer in slot.classes:
                slot = slot._replace(classes=(self.doer,))
            if passive or not self._speaker(symbol, scope, slot, me):
                judged = verb.frame in ("op", "cm") or (scope.polarity and verb.valence)
                role = "definite" if judged else "indefinite" if verb.frame == "ex" else "subject"
                scope.subject, inside = self.noun_phrase(slot, scope, role)
                scope.subject_cls, scope.agreement = inside.cls, inside.agreement
                scope.pronoun = inside.pronoun
            if scope.linked and scope.subject:
                self.meet(scope.subject_cls, scope.pronoun, scope.agreement, scope.subject)
        if scope.subject:
            top_of(scope.subject).deprel = "nsubj:pass" if passive else "nsubj"
        if scope.linked:
            self.doer = scope.subject_cls
        if passive:
            scope.object_cls = scope.subject_cls

    def _speaker(self, symbol: str, scope: Scope, slot: Slot, me: bool) -> bool:
        """Let those who write or read be the subject, as often as the domain has it."""
        mine = [cls for cls in slot.classes if self.scene.classes[cls].me]
        never = ("np", "op", "cm", "ja") if self.generic else ("np", "op", "cm")
        if not mine or scope.verb.frame in never:
            return False
        if not (me or self.uniform() < self.settings["me"]) or self.spoken():
            return False
        pronouns = self.asked if symbol in INVERTED else self.pronouns
        before = self.topic.pronoun if self.topic and self.topic is not scope else ""
        pronoun = before if before in SPEAKERS else pronouns.draw(self.uniform())
        scope.subject_cls, scope.pronoun = mine[0], pronoun
        scope.agreement = self.agreement(scope.pronoun)
        scope.subject = [self.personal(scope.pronoun, "Nom")]
        return True

    # What the grammar names and the lexicon fills.

    def complement(self, scope: Scope, argument: str) -> list[Node]:
        if not scope.linked:
            return self.expand(f"VP.{scope.frame}", scope)
        back = scope.frame == "di" and any(cls in self.met for cls in scope.verb.object.classes)
        return self.expand(f"Told.{'back' if back else scope.frame}", scope)

    def control(self, scope: Scope, argument: str) -> list[Node]:
        """A verb of what the subject wants or does about the event: "decided *to pay*"."""
        verbs = self.scene.pools.get(("control", scope.subject_cls))
        if verbs is None:
            return []
        verb = verbs.draw(self.uniform())
        return [Node(verb.forms[scope.tag], verb.lemma, "VERB", scope.tag)]

    def to_do(self, scope: Scope, argument: str) -> list[Node]:
        """The event as an infinitive."""
        inside = scope.inner()
        inside.tag = "VB"
        return self.expand("Infinitive", inside)

    def said_to_be(self, scope: Scope, argument: str) -> list[Node]:
        """The adjective that a link asks for."""
        word = self.described = self.one_of(scope.verb.adverbs)
        return [Node(word, word, "ADJ", "JJ")]

    def particle(self, scope: Scope, argument: str) -> list[Node]:
        particle = scope.verb.particle
        return [Node(particle, particle, "ADP", "RP")] if particle else []

    def phrasal(self, scope: Scope, argument: str) -> list[Node]:
        """The particle and the object, which comes first if it is a pronoun: "turn it off"."""
        particle, nodes = self.particle(scope, ""), self.object(scope, "")
        if not nodes:
            return []
        top_of(nodes).deprel, particle[0].deprel = "obj", "compound:prt"
        first = len(nodes) == 1 and nodes[0].upos == "PRON"
        if first or (len(nodes) < 4 and self.uniform() < 0.4):
            return [*nodes, *particle]
        return [*particle, *nodes]

    def receiver(self, scope: Scope, argument: str) -> list[Node]:
        """The indirect object: "gave *her* the soup"."""
        return self.filled(scope.verb.goal._replace(preposition=""), scope, "oblique")[0]

    def object(self, scope: Scope, argument: str) -> list[Node]:
        verb = scope.verb
        scope.blocked = verb.licensed
        slot = verb.goal if argument else verb.object
        if argument:  # nothing that the object, too, would take
            takes = self.scene.takes.get(scope.object_cls, ())
            classes = tuple(c for c in slot.classes if (slot.preposition, c) not in takes)
            slot = slot._replace(classes=classes)
        if not slot.classes:
            return []
        role = "definite" if verb.valence and scope.polarity else "object"
        role = "oblique" if verb.frame == "di" else role  # "gave her it" is nobody's English
        # A coin decides whose a phrase after the object is, and where a verb has none to give, its
        # object has none either: so tags cannot tell.
        of_verb = _OF_VERB if verb.adjuncts.things else 1.0
        scope.unmodified = self.uniform() < of_verb
        scope.modified = not scope.unmodified
        if scope.explained and not argument:
            return self.explained(slot, scope)
        nodes, cls = self.filled(slot, scope, role)
        scope.unmodified = False
        if not argument:
            scope.object_cls = cls
        return nodes

    def explained(self, slot: Slot, scope: Scope) -> list[Node]:
        """An object with the other half of the link: "fined the boy who had not paid"."""
        scope.unmodified = True
        nodes, cls = self.filled(slot, scope, "definite")
        scope.unmodified, scope.object_cls = False, cls
        if not nodes or top_of(nodes).upos != "NOUN":
            return []
        inside = scope.inner()
        inside.cls, inside.role, inside.subordinate = cls, "object", True
        clause = self.verbal("Whose", inside, "next")
        if not clause:
            return []
        top = top_of(clause)
        top.head, top.deprel, self.last = top_of(nodes), "acl:relcl", "clause"
        return [*nodes, *clause]

    def adjunct(self, scope: Scope, argument: str) -> list[Node]:
        """A prepositional phrase of the verb, which no noun before it would take.

        After an object that has a phrase of its own there is none: what follows an object is its
        own or the verb's, and the number of phrases tells nothing.
        """
        slots = scope.verb.adjuncts
        if not slots.things or self.last == "clause" or scope.modified:
            return []
        slot = slots.draw(self.uniform())
        cls = self.one_of(slot.classes)
        when = slot.preposition in _WHEN
        if (when and self.timed) or (cls == "region" and (self.placed or self.generic)):
            return []
        if scope.details and self.uniform() > _DETAILS[min(self.detailed, 2)]:
            return []
        takes, nothing = self.scene.takes, frozenset[tuple[str, str]]()
        for noun in (scope.object_cls, self.last):
            if (slot.preposition, cls) in takes.get(noun, nothing):
                return []
        inside = scope.inner().inner()  # as deep, and as short, as a phrase of the noun would be
        inside.brief = True
        inside.blocked = scope.verb.licensed | takes.get(scope.object_cls, nothing)
        nodes = self.filled(slot._replace(classes=(cls,)), inside, "oblique")[0]
        scope.adjoined = bool(nodes)
        if nodes:
            self.detailed += 1
            self.timed = self.timed or when
        return nodes

    def time(self, scope: Scope, argument: str) -> list[Node]:
        tense = scope.tense
        still = scope.frame and scope.frame not in BE and scope.verb.stative
        habit = self.generic and scope.linked  # what guides tell happens at no time
        if self.timed or self.last == "clause" or still or habit:
            return []
        if scope.frame in BE and tense == "present":
            return []
        if scope.tag == "VBG" or (scope.linked and (self.left is None or scope.tag == "VB")):
            return []  # when it was is said of the first event
        self.timed = True
        return self.expand(f"When.{tense}", scope)

    def lead(self, scope: Scope, argument: str) -> list[Node]:
        """When or where it was, said first, as news do."""
        scope = copy(scope)
        scope.tense = self.tense = "past"
        nodes = self.expand("Leads", scope)
        self.timed = bool(nodes)
        return nodes

    def region(self, scope: Scope, argument: str) -> list[Node]:
        """In which town or country it was, if the sentence has not named one yet."""
        return [] if self.placed else self.expand("InThePlace", scope)

    def often(self, scope: Scope, argument: str) -> list[Node]:
        """How often or since when the first event of a link is."""
        tells = self.left is not None and not self.generic
        return self.adverb(scope, "frequency") if tells else []

    def place(self, scope: Scope, argument: str) -> list[Node]:
        """Where a thing is: what a noun of its class takes, if that is a place."""
        locations = self.scene.locations.get(scope.subject_cls)
        if locations is None or any(node.deprel == "nmod" for node in scope.subject):
            return []
        slot, inside = locations.draw(self.uniform()), scope.inner()
        inside.brief = True
        return marked(slot.preposition, self.noun_phrase(slot, inside, "definite")[0])
