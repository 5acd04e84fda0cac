"""The reader against the official loader, brute force and its own writer; every error's text."""

import dataclasses
import io
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from udtools import udeval  # type: ignore[import-untyped]

from mtlkit import conllu, metrics
from mtlkit.conllu import ConlluError, EmptyNode, MultiwordToken, Sentence, Word

EXAMPLE = """\
# sent_id = one
# text = Don't eat the soup
# newpar
#no space
# # two signs
#
1-2\tDon't\t_\t_\t_\tTypo=Yes\t_\t_\t_\tSpaceAfter=Yes
1\tDo\tdo\tAUX\tVB\tMood=Imp\t3\taux\t3:aux\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t3:advmod\t_
3\teat\teat\tVERB\tVB\t_\t0\troot\t0:root\tA=1|B=x=y
3.1\tall\tall\tDET\tDT\t_\t_\t_\t5:det\t_
3.2\tof\tof\tADP\tIN\t_\t_\t_\t5:case\t_
4\tthe\tthe\tDET\tDT\t_\t5\tdet\t5:det\t_
5\tsoup\tsoup\tNOUN\tNN\t_\t3\tobj\t3:obj\tSpaceAfter=No|NER=O

# sent_id = two
0.1\tWe\twe\tPRON\tPRP\t_\t_\t_\t1:nsubj\t_
1\tGo\tgo\tVERB\tVB\t_\t0\troot\t0:root\t_

"""


def rows(*heads, replace=()):
    """Return a one-sentence text with these heads, then rewritten by pairs (old, new)."""
    lines = [f"{n}\tw{n}\t_\tX\t_\t_\t{head}\tdep\t_\t_" for n, head in enumerate(heads, start=1)]
    text = "\n".join(["# sent_id = a", *lines, "", ""])
    for old, new in replace:
        assert old in text
        text = text.replace(old, new)
    return text


def test_example_is_read():
    first, second = conllu.parse(EXAMPLE, "my.conllu")
    assert first.forms == ("Do", "n't", "eat", "the", "soup")
    assert first.heads == (3, 3, 0, 5, 3)
    assert first.upos == ("AUX", "PART", "VERB", "DET", "NOUN")
    assert first.xpos == ("VB", "RB", "VB", "DT", "NN")
    assert first.deprels == ("aux", "advmod", "root", "det", "obj")
    assert first.words[0] == Word("Do", "do", "AUX", "VB", "Mood=Imp", 3, "aux", "3:aux", "_")
    assert first.comments[2:] == ("newpar", "#no space", "# # two signs", "#")
    assert first.multiword == (MultiwordToken(1, 2, "Don't", "SpaceAfter=Yes", "Typo=Yes"),)
    assert [(node.after, node.index) for node in first.empty] == [(3, 1), (3, 2)]
    columns = ("We", "we", "PRON", "PRP", "_", "_", "_", "1:nsubj", "_")
    assert second.empty == (EmptyNode(0, 1, columns),)
    assert (first.source, second.source) == ("my.conllu:1", "my.conllu:16")


def test_comments_and_misc_are_looked_up():
    first, second = conllu.parse(EXAMPLE)
    assert first.comment("sent_id") == "one" and second.comment("sent_id") == "two"
    assert first.comment("text") == "Don't eat the soup"
    assert first.comment("newpar") is None and first.comment("sent") is None
    assert conllu.misc_value(first.words[2], "B") == "x=y"
    assert conllu.misc_value(first.words[4], "NER") == "O"
    assert conllu.misc_value(first.words[4], "Space") is None
    assert conllu.misc_value(first.words[0], "_") is None


def test_example_is_written_back():
    assert conllu.format(conllu.parse(EXAMPLE)) == EXAMPLE
    assert conllu.format([]) == "" and conllu.parse("") == []


def test_blank_lines_between_sentences_are_passed_over():
    spaced = "\n" + EXAMPLE.replace("\n\n", "\n\n\n")
    assert conllu.format(conllu.parse(spaced)) == EXAMPLE
    assert conllu.parse(spaced)[1].source == "<text>:18"


ERRORS = {
    "two roots": (
        rows(0, 1, 0),
        "4: roots at words 1, 3; exactly one word must have head 0",
    ),
    "no root": (rows(2, 1), "2: no root; exactly one word must have head 0"),
    "cycle": (
        rows(0, 3, 4, 2, 1),
        "3: cycle of heads 2 > 3 > 4 > 2; every word must lead to the root",
    ),
    "own head": (rows(0, 2), "3: cycle of heads 2 > 2; every word must lead to the root"),
    "head out of range": (rows(0, 4, 1), "3: head of word 2 is 4; the last word is 3"),
    "head not a number": (
        rows(0, -2),
        "3: head of word 2 is '-2'; it must be a word's number or 0",
    ),
    "head of 5,000 digits": (
        rows(0, "1" * 5000),
        f"3: head of word 2 is '{'1' * 5000}'; it must be a word's number or 0",
    ),
    "no head": (rows(0, "_"), "3: word 2 has no head; text without trees: validate=False"),
    "9 columns": (
        rows(0, 1, replace=[("dep\t_\t_\n2", "dep\t_\n2")]),
        "2: 9 columns instead of 10 in '1\\tw1\\t_\\tX\\t_\\t_\\t0\\tdep\\t_'; "
        "columns are separated by one tab",
    ),
    "empty column": (
        rows(0, 1, replace=[("w2", "")]),
        "3: column FORM is empty; write '_' for no value",
    ),
    "word left out": (
        rows(0, 1, replace=[("2\tw2", "3\tw2")]),
        "3: id '3' is out of order; the next word is 2",
    ),
    "id 01": (
        rows(0, replace=[("1\tw1", "01\tw1")]),
        "2: id '01' is out of order; the next word is 1",
    ),
    "no blank line between sentences": (
        rows(0).rstrip("\n") + "\n" + rows(0),
        "3: comment within a sentence; move it before the first word",
    ),
    "comments only": ("# a\n# b\n\n", "3: a sentence without words; remove these lines"),
    "multiword after its words": (
        rows(0, 1, replace=[("2\tw2\t_\tX\t_\t_\t1\tdep", "1-2\tw\t_\t_\t_\t_\t_\t_")]),
        "3: id '1-2' is out of order; the next word is 2",
    ),
    "multiword too long": (
        rows(0, 1, replace=[("1\tw1", "1-3\tw\t_\t_\t_\t_\t_\t_\t_\t_\n1\tw1")]),
        "5: the sentence ends within its multiword token 1-3",
    ),
    "multiword overlaps": (
        rows(
            0,
            1,
            1,
            replace=[
                ("1\tw1", "1-2\tw\t_\t_\t_\t_\t_\t_\t_\t_\n1\tw1"),
                ("2\tw2", "2-3\tw\t_\t_\t_\t_\t_\t_\t_\t_\n2\tw2"),
            ],
        ),
        "4: id '2-3' is out of order; the next word is 2",
    ),
    "multiword with a tag": (
        rows(0, 1, replace=[("1\tw1", "1-2\tw\t_\tX\t_\t_\t_\t_\t_\t_\n1\tw1")]),
        "2: multiword token 1-2 has a value beside FORM, FEATS and MISC; write '_' there",
    ),
    "empty node after multiword": (
        rows(
            0,
            1,
            replace=[
                (
                    "1\tw1",
                    "1-2\tw\t_\t_\t_\t_\t_\t_\t_\t_\n0.1\te\t_\t_\t_\t_\t_\t_\t_\t_\n1\tw1",
                )
            ],
        ),
        "3: id '0.1' is out of order; the next word is 1",
    ),
    "empty node numbered from 2": (
        rows(0, replace=[("1\tw1", "0.2\te\t_\t_\t_\t_\t_\t_\t_\t_\n1\tw1")]),
        "2: id '0.2' is out of order; the next word is 1",
    ),
    "cut off in mid-line": (
        rows(0, 1)[:-11],
        "3: the file is cut off in mid-line, after '2\\tw2\\t_\\tX\\t_\\t_\\t'; get it again",
    ),
    "cut off between words": (
        rows(0, 1)[:-1],
        "4: no blank line after the last sentence; the file may be cut off",
    ),
    "windows line ends": (
        rows(0).replace("\n", "\r\n"),
        "1: has a carriage return; convert the line ends from CR LF to LF",
    ),
    "byte order mark": (
        "\ufeff" + rows(0),
        "1: starts with a byte order mark; save the file as UTF-8 without one",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_error_says_where_and_what(case):
    text, message = ERRORS[case]
    with pytest.raises(ConlluError) as error:
        conllu.parse(text, "dir/my.conllu")
    assert str(error.value) == f"dir/my.conllu:{message}"
    assert isinstance(error.value, ValueError)


def test_error_in_a_later_sentence_counts_all_lines():
    with pytest.raises(ConlluError, match=r"^<text>:22: cycle of heads 2 > 2;"):
        conllu.parse(EXAMPLE + rows(0, 2))


def test_files_that_cannot_be_read(tmp_path):
    missing = tmp_path / "missing.conllu"
    with pytest.raises(ConlluError) as error:
        conllu.read(missing)
    reason = "No such file or directory"
    assert str(error.value) == f"{missing}: cannot read the file ({reason}); check the path"
    with pytest.raises(ConlluError, match=r"cannot read the file \(.*\); check the path"):
        conllu.read(tmp_path)
    latin = tmp_path / "latin.conllu"
    latin.write_bytes(rows(0, 1).replace("w2", "caf\u00e9").encode("latin-1"))
    with pytest.raises(ConlluError) as error:
        conllu.read(latin)
    offset = latin.read_bytes().index(b"\xe9")
    assert str(error.value) == (
        f"{latin}:3: not UTF-8: byte 0xe9 at offset {offset} (invalid continuation byte); "
        "convert the file to UTF-8"
    )


def test_text_without_trees():
    text = rows("_", "_")
    (sentence,) = conllu.parse(text, validate=False)
    assert sentence.heads == (-1, -1)
    assert conllu.format([sentence]) == text
    assert conllu.parse(rows(0, 0), validate=False)[0].heads == (0, 0)


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        (Sentence((Word("a\tb"),)), "sentence 1: cannot write '1\\ta\\tb"),
        (Sentence((Word("a\nb"),), source="f:3"), "f:3: cannot write '1\\ta\\nb"),
        (Sentence((Word("a"), Word("b\rc"))), "sentence 1: cannot write '2\\tb\\rc"),
        (Sentence((Word(""),)), "sentence 1: cannot write '1\\t\\t_"),
        (Sentence((Word("a"),), ("b\nc",)), "sentence 1: cannot write '# b\\nc'"),
        (Sentence(()), "sentence 1: cannot write a sentence without words"),
        (
            Sentence((Word("a"),), multiword=(MultiwordToken(2, 3, "b"),)),
            "sentence 1: cannot write: a multiword token or empty node does not start at a word",
        ),
    ],
)
def test_what_cannot_be_written(sentence, message):
    with pytest.raises(ConlluError) as error:
        conllu.format([sentence])
    assert str(error.value).startswith(message)


def test_write_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "out.conllu"
    conllu.write(path, conllu.parse(EXAMPLE))
    assert path.read_bytes() == EXAMPLE.encode()
    with pytest.raises(ConlluError):
        conllu.write(path, [Sentence((Word(""),))])

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        conllu.write(path, conllu.parse(rows(0)))
    assert path.read_bytes() == EXAMPLE.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_every_truncation_is_an_error(tmp_path):
    data = EXAMPLE.replace("soup", "so\u00fbp").encode()
    end_of_first = data.index(b"\n\n") + 2
    path = tmp_path / "cut.conllu"
    for length in range(1, len(data)):
        path.write_bytes(data[:length])
        if length == end_of_first:
            assert len(conllu.read(path)) == 1
        else:
            with pytest.raises(ConlluError, match=r"cut off|no blank line|not UTF-8"):
                conllu.read(path)


VALUE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r"), min_size=1, max_size=6
) | st.sampled_from(["#", "# a", "\u2028", "\x85", "a b", "1-2"])
COMMENT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=9)


@st.composite
def sentences(draw):
    """Any sentence that the format can hold, its tree valid."""
    n = draw(st.integers(1, 6))
    order = draw(st.permutations(range(1, n + 1)))
    heads = {word: order[draw(st.integers(0, i - 1))] if i else 0 for i, word in enumerate(order)}
    # "# a" is the whole line of the comment "a": the reader never returns it.
    plain = COMMENT.filter(lambda text: not text.startswith("# ") or text.startswith("# #"))
    comments = draw(st.lists(plain, max_size=3))
    before, after = st.tuples(*[VALUE] * 5), st.tuples(*[VALUE] * 3)
    words = [Word(*(*draw(before), heads[word], *draw(after))) for word in sorted(heads)]
    tokens, first = [], 1
    while first < n and draw(st.booleans()):
        first = draw(st.integers(first, n))
        last = draw(st.integers(first, n))
        tokens.append(MultiwordToken(first, last, *draw(st.tuples(*[VALUE] * 3))))
        first = last + 1
    empty = [
        EmptyNode(after, index, draw(st.tuples(*[VALUE] * 9)))
        for after in sorted(draw(st.sets(st.integers(0, n), max_size=2)))
        for index in range(1, draw(st.integers(1, 2)) + 1)
    ]
    return Sentence(tuple(words), tuple(comments), tuple(tokens), tuple(empty))


@settings(deadline=None, max_examples=150)
@given(st.lists(sentences(), max_size=3))
def test_round_trip(original):
    text = conllu.format(original)
    again = conllu.parse(text)
    assert [dataclasses.replace(s, source="") for s in again] == original
    assert conllu.format(again) == text


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_trees_are_refused_where_the_official_loader_refuses_them(data):
    n = data.draw(st.integers(1, 5))
    heads = data.draw(st.lists(st.integers(0, n + 1), min_size=n, max_size=n))
    text = rows(*heads)
    try:
        udeval.load_conllu(io.StringIO(text), "text", {})
        valid = True
    except udeval.UDError:
        valid = False
    if valid:
        assert conllu.parse(text)[0].heads == tuple(heads)
    else:
        with pytest.raises(ConlluError):
            conllu.parse(text)


@pytest.mark.parametrize("n", range(6))
def test_cycles_by_brute_force(n):
    for heads in itertools.product(range(n + 1), repeat=n):
        ends = list(range(1, n + 1))
        for _ in range(n):
            ends = [heads[word - 1] if word else 0 for word in ends]
        cycle = conllu.find_cycle(heads)
        assert bool(cycle) == any(ends)
        assert len(set(cycle)) == len(cycle)
        for word, head in zip(cycle, cycle[1:] + cycle[:1], strict=True):
            assert heads[word - 1] == head
        assert metrics.is_tree(heads) == (heads.count(0) == 1 and not cycle)


@pytest.mark.real_data
@pytest.mark.parametrize("pattern", ["gum/dep/*.conllu", "ewt/*.conllu"])
def test_real_treebanks_are_written_back_byte_for_byte(pattern):
    cache = os.environ.get("MTLKIT_DATA")
    if not cache or not Path(cache).is_dir():
        pytest.skip("MTLKIT_DATA does not name a folder with the corpora")
    paths = sorted(Path(cache).glob(pattern))
    if not paths:
        pytest.skip(f"no {pattern} in MTLKIT_DATA; fetch the corpus")
    for path in paths:
        treebank = conllu.read(path)
        assert treebank and all(metrics.is_tree(sentence.heads) for sentence in treebank)
        assert conllu.format(treebank).encode() == path.read_bytes(), path.name
