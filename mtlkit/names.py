"""Names, pronouns, numbers and dates of the embedded world."""

import random
import tomllib
from functools import cache

from mtlkit.derivation import Derivation, Node, Scope
from mtlkit.lexicon import FOLDER, Choices, words

__all__ = ["NameWriter"]

MASCULINE, FEMININE = "he", "she"
SENSE_OF = {"PER": "person", "ORG": "org", "LOC": "place", "FAC": "building"}
"""The latent class of what has a name of each type; FAC, a building's name, is a LOC to `ner`."""


@cache
def _names(split: str) -> list[dict[str, Choices[str]]]:
    """The banks that names are drawn from: training's and, of another split, those held out."""
    data = tomllib.loads((FOLDER / "names.toml").read_text("utf-8"))
    shape = {kind: Choices(names.split()) for kind, names in data["shape"].items()}
    banks = []
    for part in dict.fromkeys(("train", split)):
        bank = {kind: names.split() for kind, names in data[part].items()}
        shared = [name.split(":") for name in bank.pop("shared")]
        for kind, endings in data["coined"].items():
            bank[kind] += [stem + end for stem in bank["stems"] for end in endings.split()]
        for letter, entity in zip("PLO", ("PER", "LOC", "ORG"), strict=True):
            bank[entity] = [name for name, types in shared if letter in types]
        banks.append(shape | {kind: Choices(names) for kind, names in bank.items()})
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


@cache
def _gender() -> dict[str, str]:
    return {noun: who for who, nouns in words()["gender"].items() for noun in nouns.split()}


class NameWriter(Derivation):
    """Writes names and numbers; dev and test have names that training never has."""

    def __init__(self, domain: str, split: str, rng: random.Random) -> None:
        super().__init__(domain, rng)
        self.banks, self.patterns = _names(split), _patterns(domain)
        lists = {name: Choices(found.split()) for name, found in self.words["calendar"].items()}
        self.numbers, self.few = lists["numbers"], lists["few"]
        self.days, self.months = lists["days"], lists["months"]
        self.last = ""  # class of the latest common noun after the verb; "clause" after a clause
        self.placed = False  # whether the sentence has the name of a place
        self.phrases |= {
            "Name": self.name, "Number": self.number, "Year": self.year,
            "DayNumber": self.day_number, "Hour": self.hour, "Day": self.day, "Month": self.month,
        }  # fmt: skip

    def gender(self, lemma: str) -> str:
        """The pronoun for a person whom a noun names."""
        return _gender().get(lemma) or (MASCULINE if self.uniform() < 0.5 else FEMININE)

    def personal(self, lemma: str, case: str) -> Node:
        """A personal pronoun in the case Nom, Acc or Gen."""
        accusative, possessive, _, feats = self.words["pronouns"][lemma]
        form = {"Nom": lemma, "Acc": accusative, "Gen": possessive}[case]
        node = Node(form, lemma, "PRON", "PRP$" if case == "Gen" else "PRP")
        poss = "Poss=Yes|" if case == "Gen" else ""
        node.feats = f"Case={case}|{feats}|{poss}PronType=Prs"
        return node

    def agreement(self, pronoun: str) -> int:
        """The form of "be" that goes with a pronoun: 1 am, 2 are, 3 is."""
        return int(self.words["pronouns"][pronoun][2])

    def name(self, scope: Scope, argument: str) -> list[Node]:
        """A name; one with several types only where the context decides which it is."""
        self.last = ""
        entity = "PER" if argument in ("first", "own") else argument
        if not argument:
            cls = self.scene.classes[scope.cls]
            entity = "FAC" if cls.entity == "LOC" and cls.sense != "place" else cls.entity or "PER"
            scope.role = "name"
        pronoun = MASCULINE if self.uniform() < 0.5 else FEMININE
        if argument == "own" and scope.pronoun in (MASCULINE, FEMININE):
            pronoun = scope.pronoun  # "the bride, Anna Novak,"
        given = "men" if pronoun == MASCULINE else "women"
        forms: list[str] = []
        while (
            not forms
            or len(set(forms)) < len(forms)  # "Jordan Jordan"
            or (not self.used.isdisjoint(forms) and self.uniform() < 0.9)
        ):
            bank = self.banks[-1] if self.uniform() < 0.63 else self.banks[0]
            kinds = self.patterns[entity].draw(self.uniform())
            while ((not scope.certain or argument in ("PER", "own")) and kinds == [entity]) or (
                "noun" in kinds and not scope.cls
            ):
                kinds = self.patterns[entity].draw(self.uniform())
            kinds = ["given"] if argument == "first" else kinds
            forms = [
                self.scene.nouns[scope.cls].draw(self.uniform()).lemma.capitalize()
                if kind == "noun"
                else bank[given if kind == "given" else kind].draw(self.uniform())
                for kind in kinds
            ]
        self.used.update(forms)
        self.placed = self.placed or entity == "LOC"
        nodes = [Node(form, form, "PROPN", "NNP") for form in forms]
        top = 0 if entity == "PER" else len(nodes) - 1
        for place, node in enumerate(nodes):
            node.ner = f"{'I' if place else 'B'}-{'LOC' if entity == 'FAC' else entity}"
            node.sense = SENSE_OF[entity]
            if place != top:
                node.head, node.deprel = nodes[top], "compound" if top else "flat"
        if not argument:  # else it is the owner's, or that of the place around
            scope.agreement = 3
            scope.pronoun = pronoun if entity == "PER" else "it"
        return nodes

    def number(self, scope: Scope, argument: str) -> list[Node]:
        word = (self.few if argument == "few" else self.numbers).draw(self.uniform())
        while argument == "digits" and word.isalpha():
            word = self.numbers.draw(self.uniform())
        return [Node(word, word, "NUM", "CD")]

    def year(self, scope: Scope, argument: str) -> list[Node]:
        word = str(2024 - int(50 * self.uniform() ** 2))
        return [Node(word, word, "NUM", "CD")]

    def day_number(self, scope: Scope, argument: str) -> list[Node]:
        word = str(1 + int(28 * self.uniform()))
        return [Node(word, word, "NUM", "CD")]

    def hour(self, scope: Scope, argument: str) -> list[Node]:
        word = str(1 + int(12 * self.uniform())) + ("", "", ":30", ":15")[int(4 * self.uniform())]
        return [Node(word, word, "NUM", "CD")]

    def day(self, scope: Scope, argument: str) -> list[Node]:
        word = self.days.draw(self.uniform())
        return [Node(word, word, "PROPN", "NNP")]

    def month(self, scope: Scope, argument: str) -> list[Node]:
        word = self.months.draw(self.uniform())
        return [Node(word, word, "PROPN", "NNP")]
