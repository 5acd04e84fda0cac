"""Scores against the official scorers (CoNLL 2018, seqeval) and brute force."""

import io
import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score  # type: ignore[import-untyped]
from seqeval.scheme import IOB2, Tokens  # type: ignore[import-untyped]
from udtools import udeval  # type: ignore[import-untyped]

from mtlkit import metrics
from mtlkit.metrics import Counts, MetricsError

TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-X-Y", "I-X-Y"])
RELATIONS = st.sampled_from(["nsubj", "nsubj:pass", "obl", "obl:tmod", "punct", "root"])


@st.composite
def trees(draw, n):
    """Arcs of a random single-rooted tree over ``n`` words, projective or not."""
    order = draw(st.permutations(range(1, n + 1)))
    heads = {word: order[draw(st.integers(0, i - 1))] if i else 0 for i, word in enumerate(order)}
    return [(heads[word], draw(RELATIONS)) for word in range(1, n + 1)]


PAIRS_OF_TREES = st.integers(1, 7).flatmap(lambda n: st.tuples(trees(n), trees(n)))
PAIRS_OF_TAGS = st.integers(1, 8).flatmap(
    lambda n: st.tuples(*[st.lists(TAGS, min_size=n, max_size=n)] * 2)
)


def official(treebank):
    """Return the arcs as the official script loads them."""
    lines = []
    for arcs in treebank:
        for n, (head, relation) in enumerate(arcs, start=1):
            lines.append(f"{n}\tw\tw\tX\tX\t_\t{head}\t{relation}\t_\t_")
        lines.append("")
    return udeval.load_conllu(io.StringIO("\n".join([*lines, ""])), "arcs", {})


@settings(deadline=None, max_examples=150)
@given(st.lists(PAIRS_OF_TREES, min_size=1, max_size=4))
def test_attachment_is_the_official_score_to_the_last_digit(pairs):
    gold, predicted = zip(*pairs, strict=True)
    scores = udeval.evaluate(official(gold), official(predicted))
    uas, las = zip(*(metrics.attachment_counts(*pair) for pair in pairs), strict=True)
    for name, counts in (("UAS", uas), ("LAS", las)):
        assert metrics.f1(counts) == scores[name].f1
        assert metrics.precision(counts) == scores[name].precision
        assert metrics.recall(counts) == scores[name].recall
        assert metrics.total(counts).right == scores[name].correct


def test_attachment_by_hand():
    gold = [(2, "nsubj:pass"), (0, "root"), (2, "punct")]
    predicted = [(2, "nsubj"), (0, "dep"), (1, "punct")]
    assert metrics.attachment_counts(gold, predicted) == (Counts(2, 3, 3), Counts(1, 3, 3))


@settings(deadline=None, max_examples=300)
@given(PAIRS_OF_TAGS)
def test_spans_are_those_of_strict_seqeval(pair):
    expected = [
        {(span.start, span.end, span.tag) for span in Tokens(tags, IOB2).entities} for tags in pair
    ]
    assert [metrics.spans(tags) for tags in pair] == expected
    gold, predicted = expected
    counts = Counts(len(gold & predicted), len(predicted), len(gold))
    assert metrics.span_counts(*pair) == counts


@settings(deadline=None, max_examples=150)
@given(st.lists(PAIRS_OF_TAGS, min_size=1, max_size=5))
def test_span_scores_are_those_of_strict_seqeval(pairs):
    gold, predicted = map(list, zip(*pairs, strict=True))
    counts = [metrics.span_counts(*pair) for pair in pairs]
    for ours, theirs in (
        (metrics.f1, f1_score),
        (metrics.precision, precision_score),
        (metrics.recall, recall_score),
    ):
        expected = theirs(gold, predicted, mode="strict", scheme=IOB2, zero_division=0)
        assert ours(counts) == pytest.approx(expected, abs=1e-12)


def test_spans_by_hand():
    tags = ["B-PER", "I-PER", "B-PER", "O", "I-LOC", "B-LOC", "I-PER", "I-PER"]
    # I-LOC after O and I-PER after LOC start nothing: strict, unlike conlleval.
    assert metrics.spans(tags) == {(0, 2, "PER"), (2, 3, "PER"), (5, 6, "LOC")}
    assert metrics.spans([]) == set()


@pytest.mark.parametrize("tag", ["E-PER", "PER", "B", "B-", "o", "", "O-PER"])
def test_a_tag_that_is_not_bio_is_an_error(tag):
    with pytest.raises(MetricsError) as error:
        metrics.spans(["O", tag])
    assert str(error.value) == f"tag {tag!r} of word 2 is not 'O', 'B-type' or 'I-type'"


@given(PAIRS_OF_TAGS)
def test_tag_counts_are_the_words_that_agree(pair):
    gold, predicted = pair
    right = len([n for n in range(len(gold)) if gold[n] == predicted[n]])
    assert metrics.tag_counts(gold, predicted) == (right, len(gold), len(gold))


def test_accuracy_weighs_words_not_sentences():
    counts = [metrics.tag_counts(["A"], ["B"]), metrics.tag_counts(["A"] * 3, ["A"] * 3)]
    assert metrics.f1(counts) == metrics.precision(counts) == metrics.recall(counts) == 3 / 4


def test_class_counts():
    pairs = [("a", "a"), ("a", "b"), ("b", "b"), ("c", "c")]
    assert metrics.f1(metrics.class_counts(*pair) for pair in pairs) == 0.75


def test_scores_of_nothing_are_zero():
    for score in (metrics.f1, metrics.precision, metrics.recall):
        assert score([]) == 0.0 and score([Counts(0, 0, 0)]) == 0.0
    assert metrics.f1([Counts(0, 0, 3)]) == 0.0 == metrics.precision([Counts(0, 0, 3)])


def test_counts_survive_json():
    counts = [Counts(1, 2, 3), Counts(4, 5, 6)]
    again = json.loads(json.dumps(counts))
    assert again == [[1, 2, 3], [4, 5, 6]]
    assert metrics.total(again) == Counts(5, 7, 9)
    assert metrics.f1(again) == 10 / 16


@pytest.mark.parametrize(
    ("count", "what"),
    [
        (metrics.tag_counts, "tags"),
        (metrics.span_counts, "tags"),
        (metrics.attachment_counts, "arcs"),
    ],
)
def test_different_lengths_are_an_error(count, what):
    with pytest.raises(MetricsError) as error:
        count(["O", "O"], ["O"])
    expected = f"1 predicted {what} for a sentence of 2 words; predict one for each word"
    assert str(error.value) == expected


def test_perplexity():
    # A uniform guess among k words has perplexity k.
    assert metrics.perplexity(10 * math.log(50), 10) == pytest.approx(50)
    assert metrics.perplexity(0.0, 3) == 1.0
    assert metrics.perplexity(1e6, 1) == math.inf
    with pytest.raises(MetricsError, match=r"^perplexity of 0 predictions; it needs at least one$"):
        metrics.perplexity(1.0, 0)


@pytest.mark.parametrize("n", range(5))
def test_is_tree_by_brute_force(n):
    for heads in itertools.product(range(-1, n + 2), repeat=n):
        in_range = all(0 <= head <= n for head in heads)
        expected = in_range and heads.count(0) == 1
        if expected:
            ends = list(range(1, n + 1))
            for _ in range(n):
                ends = [heads[word - 1] if word else 0 for word in ends]
            expected = not any(ends)
        assert metrics.is_tree(heads) == expected


@given(st.integers(1, 9).flatmap(trees))
def test_a_tree_is_a_tree(arcs):
    assert metrics.is_tree([head for head, _ in arcs])


def test_a_long_chain_is_a_tree():
    assert metrics.is_tree(range(20_000))
    assert not metrics.is_tree([*range(1, 20_000), 1])


def test_kinds_name_their_metrics():
    examples = {
        "tags": (("NOUN", "VERB"), ("NOUN", "NOUN")),
        "spans": (("B-PER", "O"), ("B-PER", "B-LOC")),
        "tree": (((2, "nsubj"), (0, "root")), ((2, "obj"), (0, "root"))),
        "class": ("positive", "negative"),
    }
    assert {kind: metrics.KINDS[kind](*pair) for kind, pair in examples.items()} == {
        "tags": {"accuracy": Counts(1, 2, 2)},
        "spans": {"f1": Counts(1, 2, 1)},
        "tree": {"uas": Counts(2, 2, 2), "las": Counts(1, 2, 2)},
        "class": {"accuracy": Counts(0, 1, 1)},
    }
    assert set(metrics.KINDS) == set(examples) == set(metrics.PRIMARY)
    assert all(metrics.PRIMARY[kind] in metrics.KINDS[kind](*examples[kind]) for kind in examples)


@given(
    gold=st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), min_size=1, max_size=7),
    data=st.data(),
)
def test_outcomes_of_spans_add_up(gold: list[str], data: st.DataObject) -> None:
    """Every gold span has one outcome; the right ones are those that the score counts."""
    tags = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])
    predicted = data.draw(st.lists(tags, min_size=len(gold), max_size=len(gold)))
    found, invented = metrics.span_outcomes(gold, predicted)
    theirs, ours = metrics.spans(gold), metrics.spans(predicted)
    assert set(found) == theirs
    right = sum(outcome == "right" for outcome in found.values())
    assert right == metrics.span_counts(gold, predicted).right
    words = [{i for a, b, _ in each for i in range(a, b)} for each in (theirs, ours)]
    assert invented == sum(not words[0] & set(range(a, b)) for a, b, _ in ours)
    for (a, b, _), outcome in found.items():
        assert (outcome == "missed") == (not words[1] & set(range(a, b)))


@pytest.mark.parametrize(
    ("predicted", "outcome"),
    [
        ("O B-X I-X O", "right"),
        ("O B-Y I-Y O", "type"),
        ("O B-X I-X I-X", "boundary"),
        ("O O B-X O", "boundary"),
        ("B-Y I-Y O O", "both"),
        ("B-Y O O B-X", "missed"),
    ],
)
def test_outcomes_of_a_span(predicted: str, outcome: str) -> None:
    found, invented = metrics.span_outcomes(["O", "B-X", "I-X", "O"], predicted.split())
    assert list(found.values()) == [outcome]
    assert invented == (2 if outcome == "missed" else 0)
