"""Links: two events and their relation, what they say, and which lines are refused."""

import pytest

from mtlkit import scenes
from mtlkit.discourse import Link, read_link
from mtlkit.lexicon import RELATIONS, LexiconError, Line, Slot


def slot(preposition: str, names: str, where: str) -> Slot:
    found = tuple(name for name in names.split(",") if name != "ghost")
    return Slot(preposition, found, True)


def read(line: str) -> Link | None:
    keyword, head, body = line.replace(":", " ", 1).split(" ", 2)
    return read_link(Line("here:1", keyword, head, body.strip()), slot, {})


def test_both_halves_are_read_like_verbs() -> None:
    link = read("so guest: spot- fly; in soup => guest: send_back soup")
    assert link is not None and link.relation == "so"
    assert (link.first.verb.lemma, link.second.verb.lemma) == ("spot", "send")
    assert link.first.verb.object.classes == ("fly",)
    assert link.first.verb.adjuncts.things[0].classes == ("soup",)
    assert (link.second.verb.frame, link.second.verb.particle) == ("pt", "back")
    assert not link.first.negated and not link.second.negated


def test_a_half_may_be_negated_or_say_how_something_is() -> None:
    link = read("but guest: book table => waiter: not find booking")
    assert link is not None and (link.first.negated, link.second.negated) == (False, True)
    link = read("so kitchen: is not clean,tidy => inspector: close kitchen")
    assert link is not None and link.first.negated
    assert (link.first.verb.frame, link.first.verb.adverbs) == ("is", ("clean", "tidy"))


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("so cook: burn- soup => guest: leave", -1),
        ("so cook: not burn- soup => guest: stay", 1),
        ("so soup: is cold- => guest: thank+ cook", None),
        ("but soup: is cold- => guest: enjoy+ soup", 1),
        ("but soup: is cold- => guest: eat soup", None),
        ("but guest: eat soup => soup: is cold-", -1),
        ("then guest: sit => guest: eat soup", 0),
    ],
)
def test_what_a_link_says(line: str, sign: int | None) -> None:
    link = read(line)
    assert link is not None and link.sign == sign


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "so guest: eat soup",
            "a link is 'RELATION SUBJECT: VERB ... => SUBJECT: VERB ...'; found so",
        ),
        (
            "to guest: eat soup => cook: rest",
            "both halves of 'to' have the same subject, found 'gue",
        ),
        (
            "so soup: is cold-,good+ => guest: rest",
            "expected 'is ADJECTIVE,ADJECTIVE', all with the",
        ),
        ("so soup: is Cold => guest: rest", "expected 'is ADJECTIVE,ADJECTIVE', all with the same"),
        (
            "so guest: say THAT => guest: rest",
            "a link has no clause in its halves, found 'say THAT'",
        ),
        ("so guest: Eat soup => guest: rest", "cannot read the verb 'Eat'"),
    ],
)
def test_a_faulty_link_is_named(line: str, message: str) -> None:
    with pytest.raises(LexiconError) as error:
        read(line)
    assert str(error.value).startswith(f"here:1: {message}")


def test_a_link_for_which_a_scene_has_nothing_is_left_out() -> None:
    assert read("so ghost: rest => guest: leave") is None
    assert read("so guest: rest => guest: eat ghost") is None


def test_every_scene_tells_every_relation() -> None:
    total = 0
    for name in scenes.shares():
        one = scenes.scene(name)
        found = {relation: one.links[relation, None].things for relation in RELATIONS}
        assert min(map(len, found.values())) >= 3, name
        total += sum(map(len, found.values()))
        if one.shares.get("review", 0) >= 3:  # good news and bad news for its customers
            signs = {link.sign for links in found.values() for link in links}
            assert {1, -1} <= signs, name
    print(f"{total} links in {len(scenes.shares())} scenes")
    assert total > 3500
