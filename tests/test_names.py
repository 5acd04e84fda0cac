"""Names, pronouns and dates: spans and their heads, what is shared and what is held out."""

import random

import pytest

from mtlkit.derivation import Node, Scope
from mtlkit.phrases import PhraseWriter


def writer(split: str = "train") -> PhraseWriter:
    return PhraseWriter("news", split, random.Random(1))


def names(one: PhraseWriter, entity: str, n: int, *, certain: bool = True) -> list[list[Node]]:
    """Names of a type, each as the first of its sentence."""
    found = []
    for _ in range(n):
        one.used.clear()
        scope = Scope()
        scope.cls, scope.certain = one.scene.things[0], certain
        found.append(one.name(scope, entity))
    return found


@pytest.mark.parametrize("entity", ["PER", "LOC", "ORG"])
def test_names_are_one_span_headed_first_if_of_persons_and_last_otherwise(entity: str) -> None:
    longest = 0
    for nodes in names(writer(), entity, 300):
        assert [node.ner for node in nodes] == [f"B-{entity}"] + [f"I-{entity}"] * (len(nodes) - 1)
        top = nodes[0] if entity == "PER" else nodes[-1]
        relation = "flat" if entity == "PER" else "compound"
        assert all(node.head is top and node.deprel == relation for node in nodes if node != top)
        longest = max(longest, len(nodes))
    assert longest == 2


def test_a_name_of_several_types_needs_a_context_that_decides() -> None:
    def forms(certain: bool) -> set[str]:
        found = names(writer(), "ORG", 1500, certain=certain)
        return {nodes[0].form for nodes in found if len(nodes) == 1}

    assert {"Washington", "Ford", "Hilton"} <= forms(True)
    assert not {"Washington", "Ford", "Hilton"} & forms(False)


def test_paris_hilton_is_a_person_and_the_paris_hilton_a_place() -> None:
    found = {
        entity: {" ".join(node.form for node in nodes) for nodes in names(writer(), entity, 20000)}
        for entity in ("PER", "FAC")
    }
    assert "Paris Hilton" in found["PER"] & found["FAC"]
    assert "Mark Hilton" in found["PER"] - found["FAC"]


def test_names_held_out_are_not_in_training() -> None:
    first, held = (
        {nodes[0].form for nodes in names(writer(split), "PER", 2000)} for split in ("train", "dev")
    )
    assert "Zara" in held - first and "Maria" in held & first


def test_a_given_name_has_its_pronoun() -> None:
    found: dict[str, set[str]] = {"he": set(), "she": set()}
    one = writer()
    for _ in range(1500):
        one.used.clear()
        scope = Scope()
        scope.cls = "friend"
        nodes = one.name(scope, "")
        found[scope.pronoun].add(nodes[0].form)
    assert "Maria" in found["she"] - found["he"] and "Peter" in found["he"] - found["she"]


def test_pronouns_in_their_cases() -> None:
    one = writer()
    nodes = [one.personal("she", case) for case in ("Nom", "Acc", "Gen")]
    assert [node.form for node in nodes] == ["she", "her", "her"]
    assert [node.xpos for node in nodes] == ["PRP", "PRP", "PRP$"]
    assert nodes[2].feats == ("Case=Gen|Gender=Fem|Number=Sing|Person=3|Poss=Yes|PronType=Prs")


def test_numbers_and_dates() -> None:
    one = writer()
    years = {int(one.year(Scope(), "")[0].form) for _ in range(500)}
    assert 1974 <= min(years) < 1990 and max(years) == 2024
    assert {int(one.day_number(Scope(), "")[0].form) for _ in range(900)} == set(range(1, 29))
    assert all(not one.number(Scope(), "digits")[0].form.isalpha() for _ in range(100))
    assert {one.day(Scope(), "")[0].form for _ in range(300)} >= {"Monday", "Wednesday"}
