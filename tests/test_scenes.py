"""Scenes: many words with their classes, frames that say what fits, and no double attachment."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from mtlkit import lexicon, scenes
from mtlkit.lexicon import DOMAINS, LexiconError, Line, read
from mtlkit.scenes import Scene

COMMON = read(lexicon.FOLDER / "common.txt")
KITCHEN = """
scene kitchen: guide 3, review 1
noun homecook person me: cook baker
noun dish food: soup stew/stews rice~
noun spice food: salt~ pepper
noun spoon tool: spoon ladle
adj dish: hot+ cold- big
adj homecook: keen
verb homecook: eat dish; with spoon; *quickly
verb homecook: burn- dish
verb homecook: turn_off spoon
verb homecook: send homecook > dish
verb homecook: put spice into dish
verb dish: taste~ ADJ
take dish: with spice 3; + spice; on spoon
""".strip()


def every() -> list[Scene]:
    return [scenes.scene(name) for name in scenes.shares()]


def scene(tmp_path: Path, extra: str = "") -> Scene:
    path = tmp_path / "kitchen.txt"
    path.write_text(f"{KITCHEN}\n{extra}\n", "utf-8")
    return Scene(read(path), COMMON)


def lemmas() -> dict[str, set[str]]:
    """The parts of speech of each lemma of the whole lexicon, proper nouns and adverbs too."""
    found = defaultdict(set)
    for each in every():
        for words in each.nouns.values():
            for noun in words.things:
                found[noun.lemma].add("NOUN")
        for key in each.adjectives:
            for word in each.adjectives[key].things:
                found[word].add("ADJ")
        for pool in each.pools:
            for verb in each.pools[pool].things:
                found[verb.lemma].add("VERB")
                for word in verb.adverbs:
                    found[word].add("ADV")
    return found


def test_verbs_in_their_frames(tmp_path: Path) -> None:
    pools = scene(tmp_path).pools
    verbs = {(v.lemma, v.frame): v for v in pools["pool", "main"].things}
    eat = verbs["eat", "tr"]
    assert (eat.subject.classes, eat.object.classes, eat.adverbs) == (
        ("homecook",), ("dish",), ("quickly",)
    )  # fmt: skip
    assert [(slot.preposition, slot.classes) for slot in eat.adjuncts.things] == [
        ("with", ("spoon",))
    ]
    assert verbs["turn", "pt"].particle == "off"
    assert verbs["send", "di"].goal == ("to", ("homecook",), True)
    assert verbs["put", "pu"].goal.preposition == "into"
    assert verbs["put", "pu"].licensed == {("into", "dish")}
    assert verbs["taste", "adj"].stative and not eat.stative
    assert "burn" in {verb.lemma for verb in pools["pool", "bad"].things}
    assert "burn" not in {verb.lemma for verb in pools["subject", "homecook"].things}
    commands = {verb.lemma for verb in pools["pool", "command"].things}
    assert "eat" in commands and not {"taste", "burn", "be"} & commands


def test_nouns_adjectives_and_modifiers(tmp_path: Path) -> None:
    one = scene(tmp_path)
    assert one.shares == {"guide": 3, "review": 1}
    assert one.judged == ("dish",)
    assert one.adjectives["dish", 1, "<"].things[0] == "hot"
    assert "cold" in one.adjectives["dish", -1, ">"].things
    assert "good" in one.adjectives["dish", 1, ">"].things  # what all that is judged can be
    assert ("homecook", 1, ">") not in one.adjectives
    assert one.takes["dish"] >= {("with", "spice"), ("on", "spoon")}
    assert [slot.preposition for slot in one.locations["dish"].things] == ["on"]
    assert one.compounds["dish"].things[0].classes == ("spice",)
    assert one.resolve("food,spoon", "") == ("dish", "dish", "spice", "spice", "spoon")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("verb homecook: eat ghost", "there is no class or sense of nouns called 'ghost'"),
        ("verb homecook: Eat dish", "cannot read the verb 'Eat'"),
        ("verb homecook: eat_into dish", "cannot read the verb 'eat_into'"),
        ("verb homecook: eat dish dish dish", "cannot read the complement 'dish dish dish'"),
        ("verb homecook: eat dish; spoon", r"an adjunct is 'preposition classes' or .*'spoon'"),
        ("take dish: spice", "a modifier is 'preposition classes .*found 'spice'"),
        ("adj dish: Nice", "cannot read the adjective 'Nice'"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    place = KITCHEN.count("\n") + 2
    with pytest.raises(LexiconError, match=rf"^kitchen.txt:{place}: .*{message}"):
        scene(tmp_path, line)


def test_a_common_line_for_which_a_scene_has_nothing_is_left_out() -> None:
    own = [Line("a:1", "scene", "empty", "news 1"), Line("a:2", "noun", "judge person", "judge")]
    pools = Scene(own, COMMON).pools
    assert "clean" not in {verb.lemma for verb in pools["pool", "main"].things}


def test_the_lexicon_is_large_and_many_lemmas_are_of_several_parts_of_speech() -> None:
    found = lemmas()
    shared = {lemma for lemma, kinds in found.items() if len(kinds) > 1}
    print(f"{len(found)} lemmas, {len(shared)} of several parts of speech")
    print(Counter(kind for kinds in found.values() for kind in kinds))
    assert len(found) >= 6000
    assert len(shared) >= 600
    assert {"watch", "round", "book", "cook", "light", "park", "train", "like"} <= shared | {"like"}


def test_every_sense_is_there_and_every_domain_has_scenes() -> None:
    senses = Counter(cls.sense for each in every() for cls in each.classes.values())
    assert set(senses) == lexicon.SENSES
    for domain in DOMAINS:
        assert sum(each.shares.get(domain, 0) > 0 for each in every()) >= 15


def test_whoever_reads_can_act_in_every_scene_and_reviews_find_something_to_judge() -> None:
    for each in every():
        assert len(each.pools["pool", "command"].things) >= 15, each.name
        for key in ("main", "me", "event", "object", "that", "think"):
            assert each.pools["pool", key].things, (each.name, key)
        if "review" in each.shares:
            for key in ("good", "bad", "judgement", "compared"):
                assert each.pools["pool", key].things, (each.name, key)
