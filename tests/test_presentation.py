"""What is shown of a sentence is what it says, in every form."""

import json
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from mtlkit import conllu, world
from mtlkit.conllu import Sentence, Word, misc_value
from mtlkit.presentation import MOST_DRAWN, DrawingError, present

SVG = "{http://www.w3.org/2000/svg}"
SENTENCE = Sentence(
    (
        Word("Ada", upos="PROPN", head=3, deprel="nsubj", misc="NER=B-PER"),
        Word("Bell", upos="PROPN", head=1, deprel="flat", misc="NER=I-PER"),
        Word("likes", upos="VERB", head=0, deprel="root"),
        Word("<tea>", upos="NOUN", head=3, deprel="obj", misc="SpaceAfter=No"),
        Word(".", upos="PUNCT", head=3, deprel="punct"),
    ),
    ("sent_id = 7", "text = Ada Bell likes <tea>."),
)


def test_conllu_is_conllu() -> None:
    gold = world.generate(3, seed=1)
    assert "".join(present(gold, "conllu")) == conllu.format(gold)


def test_a_table_is_aligned() -> None:
    assert "".join(present([SENTENCE], "table")) == (
        "Ada Bell likes <tea>.\n"
        "   word   tag    head         relation  name\n"
        "1  Ada    PROPN  3     likes  nsubj     B-PER\n"
        "2  Bell   PROPN  1     Ada    flat      I-PER\n"
        "3  likes  VERB   0     -      root\n"
        "4  <tea>  NOUN   3     likes  obj\n"
        "5  .      PUNCT  3     likes  punct\n\n"
    )


def test_json_has_an_object_a_line() -> None:
    gold = world.generate(4, seed=2)
    found = [json.loads(line) for line in "".join(present(gold, "json")).splitlines()]
    for sentence, facts in zip(gold, found, strict=True):
        assert [w["form"] for w in facts["words"]] == list(sentence.forms)
        assert [w["head"] for w in facts["words"]] == list(sentence.heads)
        assert [w["ner"] for w in facts["words"]] == [
            misc_value(w, "NER") or "O" for w in sentence.words
        ]
    bare = json.loads("".join(present([Sentence((Word("hm"),))], "json")))
    assert bare["text"] == "hm"
    assert bare["words"] == [
        {
            "form": "hm", "upos": None, "xpos": None, "head": None, "deprel": None, "ner": "O",
            "space_after": True,
        }
    ]  # fmt: skip


def test_a_drawing_has_every_word_relation_and_name_and_fits() -> None:
    gold = world.generate(6, seed=5)
    root = ElementTree.fromstring("".join(present([*gold, SENTENCE], "svg")))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    groups = root.findall(f"{SVG}g")
    assert len(groups) == 7
    for group, sentence in zip(groups, [*gold, SENTENCE], strict=True):
        texts = [text.text or "" for text in group.findall(f"{SVG}text")]
        for word in sentence.words:
            assert texts.count(word.form) >= 1 and word.deprel in texts and word.upos in texts
        names = [n for w in sentence.words if (n := misc_value(w, "NER") or "O")[0] == "B"]
        assert all(name[2:] in texts for name in names)
        top = float(group.attrib["transform"].split(",")[1][:-1])
        for text in group.findall(f"{SVG}text"):
            assert 0 <= float(text.attrib["x"]) <= width
            assert 0 < top + float(text.attrib["y"]) < height


def test_words_of_a_drawing_do_not_overlap() -> None:
    """By the width of a letter that a browser gives them on average: 0.56 of the font's size."""
    root = ElementTree.fromstring("".join(present(world.generate(1, seed=8), "svg")))
    [group] = root.findall(f"{SVG}g")
    texts = [t for t in group.findall(f"{SVG}text") if "font-size" not in t.attrib]
    ends = [(float(t.attrib["x"]), 0.28 * 15 * len(t.text or "")) for t in texts]
    for (x, half), (y, other) in pairwise(ends):
        assert x + half < y - other


def test_a_word_without_a_tree_is_drawn_too() -> None:
    root = ElementTree.fromstring("".join(present([Sentence((Word("a"), Word("b")))], "svg")))
    assert len(root.findall(f".//{SVG}text")) >= 2


def test_more_than_a_drawing_holds() -> None:
    with pytest.raises(DrawingError, match=f"svg draws up to {MOST_DRAWN} sentences"):
        list(present([SENTENCE] * (MOST_DRAWN + 1), "svg"))
