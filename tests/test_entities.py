"""Names from mentions: the rule on hand-made sentences, and what must hold for any brackets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlkit.conllu import Sentence, Word
from mtlkit.entities import Mention, has_mentions, mentions, names

XPOS = {"PROPN": "NNP", "NOUN": "NN", "NUM": "CD", "ADP": "IN", "CCONJ": "CC", "DET": "DT"}


def sentence(*rows: str) -> Sentence:
    """Make a sentence from rows ``form UPOS[/XPOS] head deprel [Entity]``."""
    words = []
    for row in rows:
        form, tag, head, relation, *entity = row.split()
        upos, _, xpos = tag.partition("/")
        feats = "NumForm=Digit" if form.isdigit() else "_"
        misc = f"SpaceAfter=No|Entity={entity[0]}" if entity else "_"
        xpos = xpos or XPOS.get(upos, "X")
        words.append(Word(form, form, upos, xpos, feats, int(head), relation, "_", misc))
    return Sentence(tuple(words))


def spans(made: Sentence) -> list[str]:
    """Read the derived tags back as ``TYPE: words``."""
    found: list[str] = []
    for form, tag in zip(made.forms, names(made), strict=True):
        if tag.startswith("B-"):
            found.append(f"{tag[2:]}: {form}")
        elif tag.startswith("I-"):
            assert found and found[-1].startswith(tag[2:])
            found[-1] += f" {form}"
    return found


CASES = {
    "a name around the head, not the whole mention": (
        [
            "the DET 2 det (1-organization-new",
            "school NOUN 0 root",
            "of ADP 5 case",
            "Dr. PROPN 5 nmod:desc (2-person-new",
            "Ada PROPN 2 nmod",
            "Hill PROPN 5 flat 2)1)",
        ],
        ["PER: Dr. Ada Hill"],
    ),
    "nested names are read as part of the outer one": (
        [
            "Leeds PROPN 3 compound (1-organization-new(2-place-new)",
            "Grammar PROPN 3 compound",
            "School PROPN 0 root 1)",
        ],
        ["ORG: Leeds Grammar School"],
    ),
    "words that are names by their XPOS only": (
        ["the DET 3 det (1-place-new", "United VERB/NNP 3 amod", "Provinces PROPN 0 root 1)"],
        ["LOC: United Provinces"],
    ),
    "an ordinary adjective is not part of it": (
        ["sunny ADJ/JJ 2 amod (1-place-new", "Peru PROPN 0 root", "'s PART/POS 2 case 1)"],
        ["LOC: Peru"],
    ),
    "no proper head, no name": (
        ["Peru PROPN 2 compound (1-abstract-new(2-place-new)", "trade NOUN 0 root 1)"],
        ["LOC: Peru"],
    ),
    "no name at all": (["a DET 2 det (1-person-new", "friend NOUN 0 root 1)"], []),
    "of, with an article, within an organization": (
        [
            "Bank PROPN 0 root (1-organization-new",
            "of ADP 4 case",
            "the DET 4 det",
            "West PROPN 1 nmod 1)",
        ],
        ["ORG: Bank of the West"],
    ),
    "of does not join a person to a place": (
        [
            "Anna PROPN 0 root (1-person-new",
            "of ADP 3 case",
            "Kiev PROPN 1 nmod (2-place-new)1)",
        ],
        ["PER: Anna", "LOC: Kiev"],
    ),
    "of before an ordinary word": (
        ["Mount PROPN 0 root (1-place-new", "of ADP 3 case", "snow NOUN 1 nmod 1)"],
        ["LOC: Mount"],
    ),
    "a person's name ends where another thing begins": (
        [
            "NATO PROPN 2 compound (1-person-new(2-organization-new)",
            "Secretary PROPN 3 nmod:desc",
            "Ada PROPN 0 root",
            "Hill PROPN 3 flat 1)",
        ],
        ["ORG: NATO", "PER: Secretary Ada Hill"],
    ),
    "two names, coordinated": (
        [
            "Peru PROPN 0 root (1-place-new(2-place-new)",
            "and CCONJ 3 cc",
            "Chile PROPN 1 conj (3-place-new)1)",
        ],
        ["LOC: Peru", "LOC: Chile"],
    ),
    "one name with a conjunction in it": (
        [
            "Salt PROPN 0 root (1-abstract-new",
            "and CCONJ 3 cc",
            "Sorrow PROPN 1 conj 1)",
        ],
        ["MISC: Salt and Sorrow"],
    ),
    "a hyphen": (
        ["Anne PROPN 0 root (1-person-new", "- PUNCT/HYPH 3 punct", "Lee PROPN 1 flat 1)"],
        ["PER: Anne - Lee"],
    ),
    "a number after the name": (
        ["Apollo PROPN 0 root (1-object-new", "11 NUM 1 nummod 1)"],
        ["MISC: Apollo 11"],
    ),
    "no number before the name": (
        [
            "the DET 4 det (1-event-new",
            "2004 NUM 4 nummod",
            "Summer PROPN 4 compound",
            "Games PROPN 0 root 1)",
        ],
        ["MISC: Summer Games"],
    ),
    "a comma ends a place": (
        [
            "Lima PROPN 0 root (1-place-new",
            ", PUNCT/, 3 punct",
            "Peru PROPN 1 nmod (2-place-new)1)",
        ],
        ["LOC: Lima", "LOC: Peru"],
    ),
    "a date with the month as head": (
        ["early ADJ/JJ 2 amod (1-time-new", "May PROPN 0 root", "1750 NUM 2 nmod 1)"],
        ["TIME: May 1750"],
    ),
    "a date with the day as head": (
        [
            "May PROPN 2 compound (1-time-new",
            "5 NUM 0 root",
            ", PUNCT/, 4 punct",
            "2010 NUM 2 nmod (2-time-new)1)",
        ],
        ["TIME: May 5 , 2010"],
    ),
    "a day before the month": (
        ["22 NUM 2 nummod (1-time-new", "August PROPN 0 root 1)"],
        ["TIME: 22 August"],
    ),
    "a year alone is no name": (["1750 NUM 0 root (1-time-new)"], []),
    "a noun that heads the name": (
        [
            "the DET 2 det (1-person-new",
            "critic NOUN 0 root",
            "Ada PROPN 2 flat",
            "Hill PROPN 2 flat 1)",
        ],
        ["PER: Ada Hill"],
    ),
    "the shorter of two mentions with the same run decides": (
        [
            "Lima PROPN 0 root (1-organization-new(2-place-new)",
            "from ADP 3 case",
            "afar NOUN 1 nmod 1)",
        ],
        ["LOC: Lima"],
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rule(case: str) -> None:
    rows, expected = CASES[case]
    assert spans(sentence(*rows)) == expected


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("person", "PER"), ("place", "LOC"), ("organization", "ORG"), ("time", "TIME"),
        ("abstract", "MISC"), ("event", "MISC"), ("object", "MISC"), ("animal", "MISC"),
        ("plant", "MISC"), ("substance", "MISC"),
    ],
)  # fmt: skip
def test_all_ten_types(kind: str, label: str) -> None:
    assert names(sentence(f"Zed PROPN 0 root (1-{kind}-new-s-cf1-1-sgl)")) == (f"B-{label}",)


def test_mentions_are_read_in_the_order_in_which_they_close() -> None:
    made = sentence("a X 0 root (1-person-x(2-place-y)", "b X 1 dep", "c X 1 dep 1)")
    assert mentions(made) == (Mention(0, 0, "place"), Mention(0, 2, "person"))
    assert has_mentions(made)
    assert not has_mentions(sentence("a X 0 root"))


def test_other_orders_of_fields_and_parts() -> None:
    made = sentence("a X 0 root (e1-1-place(e2[1/2]-1-person", "b X 1 dep e2[1/2])e1)")
    assert mentions(made, fields="eid-head-etype") == (Mention(0, 1, "place"),)


def test_what_is_not_closed_or_not_opened_is_left_out() -> None:
    made = sentence("Ada PROPN 0 root (1-person-new", "b X 1 dep 7)")
    assert mentions(made) == ()
    assert names(made) == ("O", "O")


@st.composite
def annotated(draw: st.DrawFn) -> Sentence:
    """Any tree with any properly nested mentions."""
    length = draw(st.integers(1, 9))
    heads = [0] + [draw(st.integers(1, n)) for n in range(1, length)]
    tags = st.sampled_from(["PROPN", "PROPN", "NUM", "NOUN", "ADJ/NNP", "ADP", "PUNCT/HYPH"])
    forms = {"ADP": "of", "PUNCT/HYPH": "-", "NUM": "12"}
    opening, closing = [""] * length, [""] * length

    def nest(first: int, last: int, key: int) -> int:
        while first <= last and key < 6 and draw(st.booleans()):
            start = draw(st.integers(first, last))
            end = draw(st.integers(start, last))
            kind = draw(st.sampled_from(["person", "place", "time", "event"]))
            opening[start] += f"({key}-{kind}-new"
            mine, key = key, nest(start, end, key + 1)
            closing[end] += f"{mine})"
            first = end + 1
        return key

    nest(0, length - 1, 1)
    rows = []
    for n in range(length):
        tag = draw(tags)
        form = forms.get(tag, f"Word{n}")
        rows.append(f"{form} {tag} {heads[n]} dep {opening[n]}{closing[n]}".strip())
    return sentence(*rows)


@settings(max_examples=150, deadline=None)
@given(annotated())
def test_names_lie_in_mentions_and_begin_and_end_with_name_words(made: Sentence) -> None:
    tags = names(made)
    assert len(tags) == len(made.words)
    regions = [(m.first, m.last) for m in mentions(made)]
    first = 0
    for n, tag in enumerate(tags):
        before = tags[n - 1] if n else "O"
        assert not tag.startswith("I-") or before[1:] == tag[1:], "every I- follows its own kind"
        first = n if tag.startswith("B-") else first
        ends = tag != "O" and (n + 1 == len(tags) or not tags[n + 1].startswith("I-"))
        if ends:
            assert any(low <= first and n <= high for low, high in regions)
            edges = [made.words[first], made.words[n]]
            assert all(word.upos in ("PROPN", "NUM") or word.xpos == "NNP" for word in edges)
            assert any(word.upos == "PROPN" for word in made.words[first : n + 1])
