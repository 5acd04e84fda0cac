"""Clauses of the embedded world: a verb is chosen, then what it selects, agreeing."""

import random
from functools import partial

from mtlkit.derivation import Node, Scope, marked, top_of
from mtlkit.lexicon import Choices, Slot, Verb
from mtlkit.phrases import PhraseWriter

__all__ = ["ClauseWriter"]

_NONFINITE = {
    "Command": "VB", "ToVerb": "VB", "ToGap": "VB", "Bare": "VB",
    "Gerund": "VBG", "Present": "VBG", "Participle": "VBN",
}  # fmt: skip
_WITH_SUBJECT = (
    "Clause",
    "Again",
    "Inverted",
    "Asked",
    "Question",
    "Existential",
    "Passive",
    "ObjectRelative",
)
_VERBAL = (*_NONFINITE, *_WITH_SUBJECT, "Who", "Same", "SubjectRelative")
_INVERTED = ("Inverted", "Asked", "Question")
_NEGATABLE = ("Clause", "Again", "Inverted", "Passive", "Command")
_COPULAS = ("ja", "np", "lc", "op", "cm", "jt")
_BE = (*_COPULAS, "ex")
_SIMPLE = frozenset({*_BE, "in", "tr", "di", "pr", "pt", "pu", "adj"})
TENSES = ("past", "present", "modal", "progressive", "perfect")


class ClauseWriter(PhraseWriter):
    """Writes clauses of one domain."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, split, rng)
        modals = self.words["modals"]
        self.modals = Choices(list(modals), list(modals.values()))
        self.tenses = {kind: Choices(TENSES, self.settings[kind]) for kind in ("event", "state")}
        self.timed = False  # whether the sentence says already when it was
        self.tense = ""  # past, present or modal: of the sentence's first clause
        self.topic: Scope | None = None  # the first clause, whose subject and object others mention
        self.phrases |= {
            "VP": self.complement, "Verb": self.verb, "Aux": self.auxiliaries,
            "Is": self.copula, "Object": self.object, "Particle": self.particle,
            "Phrasal": self.phrasal, "VerbPhrase": self.adjunct, "When": self.time,
            "Place": self.place,
            "Subject": lambda scope, argument: list(scope.subject),
            "Finite": lambda scope, argument: list(scope.finite),
            "Not": lambda scope, argument: list(scope.finite),
            "Rest": lambda scope, argument: list(scope.rest),
        }  # fmt: skip
        self.phrases |= {symbol: partial(self.verbal, symbol) for symbol in _VERBAL}
        self.compile()

    def verbal(self, symbol: str, outer: Scope, pool: str) -> list[Node]:
        """Open a clause: choose its verb, write its subject, conjugate, then follow the rules."""
        scope = outer.inner()
        if scope.depth > 7:
            return []
        if symbol == "Again" and self.topic is None:
            symbol, pool = "Clause", "main"
        negated = symbol in _NEGATABLE and self.uniform() < self.settings["negation"]
        if negated:
            scope.polarity = -scope.polarity
        me = pool == "main" and not self.opinions and self.uniform() < self.settings["me"]
        verbs = self._verbs(symbol, "me" if me else pool, scope, outer)
        if verbs is None or (symbol == "Same" and outer.frame in _BE):
            return []
        scope.verb = verb = self._drawn(verbs, scope)
        self.used.add(verb.lemma)
        scope.frame, scope.blocked, scope.object_cls = verb.frame, frozenset(), ""
        scope.patient = ""
        if symbol in ("ObjectRelative", "ToGap", "Participle"):
            scope.object_cls = outer.cls
        scope.subject = ()
        if symbol in _WITH_SUBJECT:
            self.topic = self.topic or scope
            self._subject(symbol, scope, me)
            if not scope.subject or (verb.frame == "np" and scope.agreement == 2):
                return []
        elif symbol == "Who":
            scope.subject_cls, scope.agreement, scope.pronoun = verb.subject.classes[0], 3, "they"
        elif symbol == "Command" or pool == "command":
            scope.subject_cls, scope.agreement, scope.pronoun = verb.subject.classes[0], 2, "you"
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
        elif symbol == "Same":
            kind, key = "active", outer.subject_cls
        elif symbol == "Who":
            key = "me"
        elif pool == "subject":
            kind, key = "active", outer.subject_cls
        elif pool == "object":
            if symbol != "Question":
                kind, key = "active", outer.object_cls
                scope.subject_cls, scope.pronoun, scope.owner = outer.object_cls, "it", ""
        elif pool in ("again", "acts"):
            first = self.topic
            if first is None:
                return None
            kind = "subject" if symbol == "Again" and pool == "again" else "active"
            key = scope.subject_cls = first.subject_cls
            scope.pronoun, scope.agreement = first.pronoun, first.agreement
        elif pool == "opinion":
            key = "good" if scope.polarity > 0 else "bad"
        elif pool == "main" and self.opinions:
            key = "neutral"
        return self.scene.pools.get((kind, key))

    def _subject(self, symbol: str, scope: Scope, me: bool) -> None:
        verb, passive = scope.verb, symbol == "Passive"
        slot = verb.object if passive else verb.subject
        if symbol == "Again":
            scope.agreement = self.agreement(scope.pronoun)
            scope.subject = [self.personal(scope.pronoun, "Nom")]
        elif (
            not passive
            and (me or self.uniform() < self.settings["me"])
            and (
                mine := [
                    c
                    for c in slot.classes
                    if self.scene.classes[c].me and verb.frame not in ("np", "op", "cm")
                ]
            )
        ):
            asked = symbol in _INVERTED
            scope.subject_cls = mine[0]
            scope.pronoun = (self.asked if asked else self.pronouns).draw(self.uniform())
            scope.agreement = self.agreement(scope.pronoun)
            scope.subject = [self.personal(scope.pronoun, "Nom")]
        else:
            judged = verb.frame in ("op", "cm") or (scope.polarity and verb.valence)
            role = "definite" if judged else "indefinite" if verb.frame == "ex" else "subject"
            scope.subject, inside = self.noun_phrase(slot, scope, role)
            scope.subject_cls, scope.agreement = inside.cls, inside.agreement
            scope.pronoun = inside.pronoun
        if scope.subject:
            top_of(scope.subject).deprel = "nsubj:pass" if passive else "nsubj"
        if passive:
            scope.object_cls = scope.subject_cls

    def conjugate(self, symbol: str, scope: Scope, negated: bool) -> None:
        """Fill ``finite``, ``rest`` and ``tag`` of a clause: tense, agreement and negation."""
        scope.finite, scope.rest, scope.feats = (), (), ""
        if symbol in _NONFINITE:
            scope.tag = _NONFINITE[symbol]
            if symbol == "Command":
                scope.feats = self.words["tags"]["imperative"]
                self.tense = self.tense or "modal"
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
        quiet = verb.stative or scope.frame in _BE
        tense = self._tense(scope, quiet)
        past = tense == "past" or (tense in ("progressive", "perfect") and self.tense == "past")
        self.tense = self.tense or ("past" if past else "modal" if tense == "modal" else "present")
        scope.tense = "past" if past else tense
        first = {"modal": self.modals.draw(self.uniform()), "progressive": "be", "perfect": "have"}
        links = [first[tense]] if tense in first else []
        links += ["be"] * (passive + (scope.frame in _BE))
        inverted = symbol in _INVERTED
        never = negated and not inverted and tense != "modal" and self.uniform() < 0.12
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
        elif contracted and symbol in ("Clause", "Again") and nodes and links[0] != "do":
            short = self.words["contracted"].get(nodes[0].form)
            spoken = pronoun or (short == "'s" and self.settings["contraction"] > 0.5)
            nodes[0].form = short if short and spoken else nodes[0].form

    def _tense(self, scope: Scope, quiet: bool) -> str:
        """Choose a tense that agrees with the sentence's first clause."""
        tense = self.tenses["state" if quiet else "event"].draw(self.uniform())
        if scope.subordinate and self.tense in ("present", "modal"):
            tense = "perfect" if not quiet and self.uniform() < 0.2 else "present"
        elif self.tense == "past" and (scope.subordinate or self.uniform() < 0.9):
            tense = "past"
        elif self.tense in ("present", "modal") and tense in ("past", "present"):
            tense = "present" if quiet else self.one_of(("progressive", "perfect", "modal"))
        elif tense == "present" and not quiet and scope.pronoun in ("I", "you", "we"):
            tense = "modal"
        return "present" if tense == "progressive" and quiet else tense

    # What the grammar names and the lexicon fills.

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

    def complement(self, scope: Scope, argument: str) -> list[Node]:
        return self.expand(f"VP.{scope.frame}", scope)

    def copula(self, scope: Scope, argument: str) -> list[Node]:
        """The verb of "it is hard to ...": is or was."""
        past = self.tenses["state"].draw(self.uniform()) == "past"
        self.tense = self.tense or ("past" if past else "present")
        return [Node("was" if past else "is", "be", "AUX", "VBD" if past else "VBZ")]

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
        nodes = self._mentioned(scope, slot, first=not argument)
        if nodes:
            return marked(slot.preposition, nodes)
        role = "definite" if verb.valence and scope.polarity else "object"
        role = "oblique" if verb.frame == "di" else role  # "gave her it" is nobody's English
        nodes, inside = self.noun_phrase(slot, scope, role)
        if not argument:
            scope.object_cls, scope.patient = inside.cls, inside.pronoun
        return marked(slot.preposition, nodes)

    def _mentioned(self, scope: Scope, slot: Slot, *, first: bool) -> list[Node]:
        """A pronoun: for the first clause's object, or for those who write and read."""
        cls = pronoun = ""
        mine = [c for c in slot.classes if self.scene.classes[c].me]
        before = self.topic
        if first and before and before.patient and before.object_cls in slot.classes:
            if scope.frame != "di" and self.uniform() < 0.6:
                cls, pronoun = before.object_cls, before.patient
        elif mine and self.uniform() < 0.5 * self.settings["me"]:
            cls, pronoun = mine[0], self.pronouns.draw(self.uniform())
            if {pronoun, scope.pronoun} in ({"I"}, {"we"}, {"you"}, {"I", "we"}):
                return []
        node = self.personal(pronoun, "Acc") if pronoun else None
        if node is None or node.form in self.used:
            return []
        self.used.add(node.form)
        scope.object_cls, self.last = cls, ""
        return [node]

    def adjunct(self, scope: Scope, argument: str) -> list[Node]:
        """A prepositional phrase of the verb, which no noun before it would take."""
        slots = scope.verb.adjuncts
        if not slots.things or self.last == "clause":
            return []
        slot = slots.draw(self.uniform())
        cls = self.one_of(slot.classes)
        takes, nothing = self.scene.takes, frozenset[tuple[str, str]]()
        for noun in (scope.object_cls, self.last):
            if (slot.preposition, cls) in takes.get(noun, nothing):
                return []
        taken = scope.verb.licensed | takes.get(scope.object_cls, nothing)
        return self.prepositional(Slot(slot.preposition, (cls,), slot.certain), scope, taken)

    def time(self, scope: Scope, argument: str) -> list[Node]:
        tense = self.topic.tense if argument and self.topic else scope.tense
        if self.timed or self.last == "clause" or (scope.frame in _BE and tense == "present"):
            return []
        self.timed = True
        return self.expand(f"When.{tense}", scope)

    def place(self, scope: Scope, argument: str) -> list[Node]:
        """Where a thing is: what a noun of its class takes, if that is a place."""
        locations = self.scene.locations.get(scope.subject_cls)
        if locations is None:
            return []
        return self.prepositional(locations.draw(self.uniform()), scope, frozenset())
