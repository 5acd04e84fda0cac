"""Noun phrases of the embedded world, with what modifies them.

A noun phrase knows what may modify it, and leaves out what a reader would attach to another word:
selectional preference alone decides attachment.
"""

import random
from collections.abc import Sequence

from mtlkit.adverbs import AdverbWriter
from mtlkit.derivation import Node, Scope, marked
from mtlkit.lexicon import Choices, Noun, Slot

__all__ = ["SPEAKERS", "PhraseWriter"]

SPEAKERS = frozenset({"I", "we", "you"})
_OWNED = frozenset({"body", "clothing", "device", "document", "tool", "vehicle", "work"})
"""Senses of what belongs to somebody."""
_SEVERAL = frozenset({"clothing", "food", "plant", "tool"})
"""Senses of what comes in lists."""
_ONE_BY_ONE = frozenset({"place", "building", "event", "furniture", "state", "org", "time"})
"""Senses of what sentences seldom have several of."""


class PhraseWriter(AdverbWriter):
    """Writes phrases of one domain; every choice comes from ``rng``."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, split, rng)
        self.pronouns = Choices(self.settings["pronouns"].split())
        self.asked = Choices(self.settings["asked"].split())  # whom a question is about
        self.opinions = bool(self.settings["opinions"])
        self.generic = self.settings["event"][1] > 0  # says what is always so, as guides do
        self.formal = not self.opinions and self.settings["me"] < 0.1  # nobody speaks of himself
        self.phrases |= {
            "NP": self.argument, "Common": self.common, "Plenty": self.plenty, "Noun": self.word,
            "Another": self.another, "NounPhrase": self.modifier,
            "Determiner": self.determiner, "Plain": self.plain,
            "Modifier": self.compound, "RegionName": self.region_name, "Plural": self.plural,
            "RoleNoun": self.word, "OwnName": self.own_name,
            "OwnerNoun": self.owner_noun, "JudgedNoun": self.judged_noun,
            "Relative": self.relative,
            "Possessive": self.possessive, "RelativePronoun": self.relative_pronoun,
        }  # fmt: skip

    # Noun phrases.

    def argument(self, scope: Scope, argument: str, role: str = "oblique") -> list[Node]:
        """``NP[class]``; ``=``: of the subject's class, ``<``: what the verb's subject is.

        ``NP[the:class]`` is definite and short, ``NP[a:class]`` indefinite and short.
        """
        article, colon, cls = argument.partition(":")
        if colon:
            scope, role = scope.inner(), {"the": "definite", "a": "indefinite"}[article]
            scope.brief, argument = True, cls
        match argument:
            case "<":
                slot = scope.verb.subject
            case "=":
                slot = Slot("", (scope.subject_cls,), True)
            case _:
                slot = self.scene.slots.get(argument) or Slot("", ())
        return self.noun_phrase(slot, scope, role)[0] if slot.classes else []

    def noun_phrase(self, slot: Slot, outer: Scope, role: str) -> tuple[list[Node], Scope]:
        """Write a noun phrase of one of the slot's classes; return it with its own scope."""
        scope = outer.inner()
        scope.cls, scope.certain, scope.role = self.one_of(slot.classes), slot.certain, role
        scope.agreement, scope.pronoun = 3, "it"
        if role in ("definite", "indefinite"):
            return self.common(scope), scope
        symbol = self._symbol(scope)
        if symbol == "Pronoun":
            node = self.personal(scope.pronoun, "Nom" if role == "subject" else "Acc")
            if node.form not in self.used:
                self.used.add(node.form)
                scope.agreement, self.last = self.agreement(scope.pronoun), ""
                return [node], scope
            scope.pronoun, symbol = "it", "NP.common"
        return self.expand(symbol, scope), scope

    def _symbol(self, scope: Scope) -> str:
        """Choose how a noun phrase names its thing: by a name, a pronoun or a noun."""
        cls, settings, drawn = self.scene.classes[scope.cls], self.settings, self.uniform()
        if cls.sense == "person":
            anybody = scope.role == "subject" and not self.formal if scope.linked else True
            if scope.role != "oblique" and anybody and drawn < settings["he"]:
                scope.pronoun = ("he", "she", "they")[int(self.uniform() * 3)]
                return "Pronoun"
            named = cls.entity and drawn < settings["he"] + settings["named"]
            return "NP.person" if named else "NP.common"
        if cls.entity == "ORG":
            return "NP.ORG" if drawn < settings["org"] else "NP.common"
        if cls.entity == "LOC":
            if cls.sense == "place":
                return "NP.LOC" if drawn < settings["loc"] else "NP.common"
            if drawn < settings["named"] * 0.4:
                return "NP.facility"
        if cls.sense == "money":
            return "NP.money"
        if scope.linked or (scope.brief and scope.role == "oblique"):
            return "NP.several" if cls.sense in _SEVERAL and scope.role == "object" else "NP.told"
        if scope.role in ("subject", "object") and not scope.brief and drawn < settings["it"]:
            scope.pronoun = "it" if self.uniform() < 0.7 else "they"
            return "Pronoun"
        return "NP.thing"

    def prepositional(
        self, slot: Slot, scope: Scope, taken: frozenset[tuple[str, str]]
    ) -> list[Node]:
        inside = scope.inner()
        inside.blocked, inside.brief = taken, True
        nodes, _ = self.noun_phrase(slot, inside, "oblique")
        return marked(slot.preposition, nodes)

    def common(self, scope: Scope, argument: str = "") -> list[Node]:
        noun = scope.noun = self.fresh(self.scene.nouns[scope.cls])
        often = 0.34 if scope.brief else 0.45
        if self.scene.classes[scope.cls].sense in _ONE_BY_ONE:
            often *= 0 if scope.role == "definite" else 0.3
        if scope.role in ("oblique", "definite") or scope.owner in SPEAKERS:
            often *= 0.5
        many = noun.kind == "sg" and self.uniform() < often
        scope.number = "pl" if many else noun.kind
        scope.agreement = 2 if scope.number == "pl" else 3
        person = self.scene.classes[scope.cls].sense == "person"
        scope.pronoun = (
            "they" if scope.number == "pl" else self.gender(noun.lemma) if person else "it"
        )
        if argument:  # a list
            return self.expand(f"Common.{argument}", scope)
        symbol = "Common.brief" if scope.brief else "Common"
        if scope.role in ("definite", "object"):
            symbol = {"definite": "Common.short", "object": f"{symbol}.object"}[scope.role]
        return self.expand("Common.bare" if noun.kind == "proper" else symbol, scope)

    def another(self, scope: Scope, argument: str) -> list[Node]:
        """One more noun of the same class and number: "the study, attic *and lounge*"."""
        before = len(self.used)
        noun = self.fresh(self.scene.nouns[scope.cls])
        many = scope.number == "pl" and noun.kind == "sg"
        kind = "pl" if many else noun.kind
        return [self.noun_node(noun, kind)] * (len(self.used) > before and kind == scope.number)

    def plenty(self, scope: Scope, argument: str) -> list[Node]:
        """The bare noun after "some of the"."""
        scope.noun = self.fresh(self.scene.nouns[scope.cls])
        scope.number = "pl"
        return self.word(scope, "") if scope.noun.kind == "sg" else []

    def plain(self, scope: Scope, argument: str) -> list[Node]:
        """A bare noun: what a question asks for, or anything of the scene or of a sense."""
        classes: Sequence[str] = self.scene.things
        if argument in self.scene.slots:
            classes = [c for c in self.scene.slots[argument].classes if c in self.scene.own]
        elif not argument:
            classes = scope.verb.object.classes
        if not classes:
            return []
        scope.cls = self.one_of(classes)
        scope.noun = self.fresh(self.scene.nouns[scope.cls])
        many = argument == "pl" and scope.noun.kind == "sg"
        scope.number = "pl" if many else scope.noun.kind
        return self.word(scope, "")

    def judged_noun(self, scope: Scope, argument: str) -> list[Node]:
        """A noun that stands for an opinion: "a terrible meal", "terrible food"."""
        if not self.scene.judged:
            return []
        scope.cls = scope.subject_cls = self.one_of(self.scene.judged)
        scope.noun = self.fresh(self.scene.nouns[scope.cls])
        singular = scope.noun.kind in ("sg", "one")
        if (argument == "sg") != singular and (argument == "sg" or scope.noun.kind == "one"):
            return []
        scope.number = "pl" if argument == "pl" and scope.noun.kind == "sg" else scope.noun.kind
        return self.word(scope, "")

    def owner_noun(self, scope: Scope, argument: str) -> list[Node]:
        noun = self.fresh(self.scene.nouns[self.one_of(self.scene.people)])
        return [self.noun_node(noun, "pl" if noun.kind == "pl" else "sg")]

    def word(self, scope: Scope, argument: str) -> list[Node]:
        """The noun of this phrase, or any singular noun of the class that is the argument."""
        if argument or scope.role == "name":
            cls = {"": scope.cls, "=": scope.subject_cls}.get(argument, argument)
            noun = self.fresh(self.scene.nouns[cls])
            if scope.role == "name" and self.gender(noun.lemma) != scope.pronoun:
                noun = self.fresh(self.scene.nouns[cls])
            number = noun.kind if noun.kind == "pl" else "sg"
        else:
            noun, number = scope.noun, scope.number
        self.last = noun.cls
        return [self.noun_node(noun, number)]

    def noun_node(self, noun: Noun, number: str) -> Node:
        if noun.kind == "proper":
            return Node(noun.lemma, noun.lemma, "PROPN", "NNP")
        form, tag = (noun.plural, "NNS") if number == "pl" else (noun.lemma, "NN")
        node = Node(form, noun.lemma, "NOUN", tag)
        node.sense = self.scene.classes[noun.cls].sense
        return node

    def determiner(self, scope: Scope, argument: str) -> list[Node]:
        sense = self.scene.classes[scope.cls].sense
        for symbol in (f"Det.{scope.cls}", f"Det.{sense}"):
            if symbol in self.rules:
                return self.expand(symbol, scope)
        often = 0.3 if scope.owner not in SPEAKERS or self.opinions else 0.6
        if sense in _OWNED and scope.role != "indefinite" and self.uniform() < often:
            scope.unmodified = True
            return self.expand("Det.owned", scope)
        number = {"one": "sg"}.get(scope.number, scope.number)
        symbols = {"definite": "Det.definite", "indefinite": f"Det.indefinite.{number}"}
        if scope.role == "object" and scope.owner in SPEAKERS:
            symbol = f"Det.mine.{number}"  # who speaks of himself means the one that he has
        elif scope.number == "pl" and scope.noun.kind == "pl":
            symbol = "Det.pairs"  # nobody counts trousers
        elif scope.linked:
            actors = scope.role == "subject" and number == "pl"
            symbol = "Det.definite" if actors else f"Det.told.{number}"
        else:
            symbol = symbols.get(scope.role, f"Det.{number}")
        return self.expand(symbol, scope)

    def modifier(self, scope: Scope, argument: str) -> list[Node]:
        """A prepositional phrase of the noun, which neither the verb nor another noun takes."""
        cls = scope.subject_cls if argument else scope.cls
        body = self.scene.classes[cls].sense == "body"  # whose it is is said already
        if body or scope.unmodified or cls not in self.scene.modifiers:
            return []
        if scope.number == "pl" and self.scene.classes[cls].sense in ("person", "animal"):
            return []  # several hardly share what one would be told apart by
        slot = self.scene.modifiers[cls].draw(self.uniform())
        inner = self.one_of(slot.classes)
        elsewhere = inner == "region" and (self.placed or self.generic)
        if elsewhere or (slot.preposition, inner) in scope.blocked:
            return []
        taken = scope.blocked | self.scene.takes[cls]
        return self.prepositional(Slot(slot.preposition, (inner,), slot.certain), scope, taken)

    def compound(self, scope: Scope, argument: str) -> list[Node]:
        compounds = self.scene.compounds.get(scope.cls)
        if compounds is None:
            return []
        slot = compounds.draw(self.uniform())
        noun = self.fresh(self.scene.nouns[self.one_of(slot.classes)])
        return [self.noun_node(noun, "sg")]

    def region_name(self, scope: Scope, argument: str) -> list[Node]:
        """The name of a place before what is there: "a London hotel"."""
        sense = self.scene.classes[scope.cls].sense
        common = scope.noun.kind == "proper" or scope.cls in ("kin", "friend", "region")
        if common or self.placed or not self.formal:
            return []
        if sense not in ("person", "org", "building", "event"):
            return []
        last = self.last
        nodes = self.name(scope, "LOC")
        self.last = last
        return nodes

    def own_name(self, scope: Scope, argument: str) -> list[Node]:
        """The name of the one that was just named by a noun: "the teacher, Anna Novak,"."""
        entity = self.scene.classes[scope.cls].entity
        one = scope.number in ("sg", "one")
        return self.name(scope, "own") if entity == "PER" and one else []

    def relative(self, scope: Scope, argument: str) -> list[Node]:
        nodes = self.expand("RelativeClause", scope) if self.last == scope.cls else []
        self.last = "clause" if nodes else self.last
        return nodes

    def relative_pronoun(self, scope: Scope, argument: str) -> list[Node]:
        who = self.scene.classes[scope.cls].sense == "person"
        form, xpos = ("who", "WP") if who else ("which", "WDT")
        if scope.role != "name" and self.uniform() < 0.7:
            form, xpos = "that", "WDT"
        node = Node(form, form, "PRON", xpos)
        node.feats = "PronType=Rel"
        return [node]

    def possessive(self, scope: Scope, argument: str) -> list[Node]:
        always = self.scene.classes[scope.cls].sense == "body"
        if (
            scope.owner
            and scope.role != "subject"
            and (always or scope.owner in SPEAKERS or self.uniform() < 0.7)
        ):
            return [self.personal(scope.owner, "Gen")]
        if self.formal or scope.linked or scope.role == "oblique":  # nobody's, as far as one knows
            return [Node("the", "the", "DET", "DT", "det")]
        return [self.personal(self.pronouns.draw(self.uniform()), "Gen")]

    def plural(self, scope: Scope, argument: str) -> list[Node]:
        scope.agreement, scope.pronoun = 2, "they"
        return []
