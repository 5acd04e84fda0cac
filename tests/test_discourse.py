"""Links: two events and their relation, what they say, and which lines are refused."""

import pytest

from mtlkit import scenes
from mtlkit.discourse import Link, read_link, tabled
from mtlkit.lexicon import RELATIONS, LexiconError, Line, Slot
from mtlkit.valency import read_verb


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


def test_events_meet_when_verb_polarity_and_nouns_agree() -> None:
    spot = read("so guest: spot- fly; in soup => guest,critic: send_back soup,stew")
    assert spot is not None
    for line, same in {
        "but guest: send_back soup => cook: rest": True,
        "but critic: send_back stew => cook: rest": True,
        "but cook: send_back soup => cook: rest": False,
        "but guest: send_back cake => cook: rest": False,
        "but guest: not send_back soup => cook: rest": False,
        "but guest: send soup => cook: rest": False,
    }.items():
        more = read(line)
        assert more is not None and spot.second.meets(more.first) is same, line
    cold = read("so soup: is cold-,tepid- => guest: leave")
    warm = read("so cook: rest => soup: is tepid-,thin-")
    assert cold is not None and warm is not None and warm.second.meets(cold.first)


def test_an_event_takes_the_details_of_a_verb_that_is_as_wide_or_wider() -> None:
    link = read("so guest: order soup => waiter: bring soup; from kitchen")
    assert link is not None
    lines = ["order soup,cake; for kin; *often", "bring soup; to table", "order cake; with spoon"]
    verbs = [read_verb(Line("here:1", "verb", who, body), slot, {})
             for who, body in zip(("guest", "waiter", "guest"), lines, strict=True)]  # fmt: skip
    entries = {v.entry: [w for w in verbs if w and w.entry == v.entry] for v in verbs if v}
    known = link.detailed(entries)
    assert [s.classes for s in known.first.verb.adjuncts.things] == [("kin",)]
    assert known.first.verb.adverbs == ("often",) and known.first.details
    assert known.first.verb.object.classes == ("soup",)
    assert [s.classes for s in known.second.verb.adjuncts.things] == [("kitchen",)]  # its own
    assert not known.second.details
    cake = verbs[2]
    assert cake is not None and link.detailed({cake.entry: [cake]}) == link  # cake is no soup


def test_links_lead_on_to_those_that_begin_as_they_end() -> None:
    lines = [
        "so rider: lose- pizza => guest: demand refund",
        "but guest: demand refund => owner: refuse refund",
        "while guest: demand refund => cook: rest",
        "so owner: refuse refund => guest: leave",
    ]
    links = [link for link in map(read, lines) if link]
    table = tabled(links, lambda verb: 1.0)
    assert [link for link, _ in table["+but", id(links[0])]] == [links[1]]
    assert [link for link, _ in table["+so", id(links[1])]] == [links[3]]
    assert ("+while", id(links[0])) not in table and ("+so", id(links[3])) not in table
    assert [link for link, _ in table["so*", None]] == [links[0]]
    assert [link for link, _ in table["so", None]] == [links[0], links[3]]
    assert [link for link, _ in table["so", -1]] == [links[0]]
    weights = [weight for _, weight in table["so", None]]
    assert weights[0] > weights[1]  # the first are the commonest
