"""Knobs: each turns what it says, by as much as it says, and nothing else."""

import doctest
import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from mtlkit import conllu, corpora, knobs, world
from mtlkit.corpora import CorpusError, Example
from mtlkit.routes import Route, Task

STEPS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def task(text: str) -> Task:
    return Route.parse(f"scratch > {text}").stages[0].tasks[0]


def trained(text: str, seed: int = 0) -> tuple[Example, ...]:
    return corpora.labelled(task(text), seed=seed)


def labels(examples: Sequence[Example], name: str) -> list[Any]:
    return [example.labels[name] for example in examples]


def flat(examples: Sequence[Example], name: str) -> list[Any]:
    return [part for label in labels(examples, name) for part in label]


def divergence(one: Sequence[Example], other: Sequence[Example]) -> float:
    """Jensen-Shannon divergence, in bits, of the words of two lists of sentences."""
    counts = [Counter(w.lower() for e in part for w in e.words) for part in (one, other)]
    sums = [count.total() for count in counts]
    found = 0.0
    for word in counts[0] | counts[1]:
        p, q = (count[word] / total for count, total in zip(counts, sums, strict=True))
        found += sum(x * math.log2(2 * x / (p + q)) / 2 for x in (p, q) if x)
    return found


# ---- labels that are wrong


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", ["pos", "ner", "dep", "stype"])
def test_noise_makes_the_share_it_says_wrong(name: str, share: float) -> None:
    clean, noisy = trained(f"{name}:400@world"), trained(f"{name}:400@world[noise={share}]")
    assert [(e.id, e.words) for e in clean] == [(e.id, e.words) for e in noisy]
    read = labels if name == "stype" else flat
    right, found = read(clean, name), read(noisy, name)
    if name == "dep":
        for part in (0, 1):
            wrong = [a[part] != b[part] for a, b in zip(right, found, strict=True)]
            assert sum(wrong) / len(wrong) == pytest.approx(share, abs=0.03)
        assert all(0 <= h <= len(e.words) for e in noisy for h, _ in e.labels["dep"])
        assert all(h != i for e in noisy for i, (h, _) in enumerate(e.labels["dep"], start=1))
    else:
        wrong = [a != b for a, b in zip(right, found, strict=True)]
        near = 0.06 if name == "stype" else 0.02
        assert sum(wrong) / len(wrong) == pytest.approx(share, abs=near)
        assert {*found} <= {*corpora.label_names(task(f"{name}@world"))}
    others = {other for e in clean for other in e.labels if other != name}
    assert all(
        a.labels[other] == b.labels[other]
        for a, b in zip(clean, noisy, strict=True)
        for other in others & a.labels.keys()
    )


def test_noise_does_not_depend_on_the_budget_but_on_the_seed() -> None:
    many, few = trained("pos:300@world[noise=0.3]"), trained("pos:100@world[noise=0.3]")
    assert many[:100] == few
    again = knobs.spoil(
        task("pos@world[noise=0.3]"), trained("pos:100@world"), ["NOUN", "VERB"], seed=1
    )
    assert labels(again, "pos") != labels(few, "pos")


def test_shuffled_labels_keep_their_shares_and_tell_nothing() -> None:
    for name, read in (("pos", flat), ("stype", labels)):
        clean, control = trained(f"{name}:2000@world"), trained(f"{name}:2000@world[shuffled]")
        assert Counter(read(clean, name)) == Counter(read(control, name))
        told = mutual_info_score(read(clean, name), read(control, name))
        assert told < 0.02 < 0.5 < mutual_info_score(read(clean, name), read(clean, name))


def test_shuffled_text_has_its_words_in_another_order() -> None:
    for text in ("mlm:300@world", "mlm@world"):
        clean, control = trained(text)[:300], trained(f"{text}[shuffled]")[:300]
        assert [e.id for e in clean] == [e.id for e in control]
        assert all(sorted(a.words) == sorted(b.words) for a, b in zip(clean, control, strict=True))
        moved = [
            a.words != b.words for a, b in zip(clean, control, strict=True) if len(a.words) > 5
        ]
        assert sum(moved) > 0.98 * len(moved)
    assert trained("mlm:300@world[shuffled]", seed=1) != trained("mlm:300@world[shuffled]", seed=2)


def test_shuffled_trees_are_trees_with_the_same_relations() -> None:
    clean, control = trained("dep:200@world"), trained("dep:200@world[shuffled]")
    same = 0
    for a, b in zip(clean, control, strict=True):
        tree, moved = a.labels["dep"], b.labels["dep"]
        assert Counter(r for _, r in tree) == Counter(r for _, r in moved)
        for place in range(1, len(moved) + 1):
            seen = set()
            while place:
                assert place not in seen
                seen.add(place)
                place = moved[place - 1][0]
        same += sum(x == y for x, y in zip(tree, moved, strict=True))
    assert same < 0.1 * len(flat(clean, "dep"))


def test_dev_and_test_are_never_spoilt() -> None:
    for knob in ("noise=0.5", "shuffled"):
        for split in ("dev", "test"):
            assert corpora.sentences(task(f"pos@world[{knob}]"), split=split) == corpora.sentences(
                task("pos@world"), split=split
            )


# ---- which sentences there are


@pytest.mark.parametrize("ratio", [1, 5, 50])
def test_imbalance_is_between_the_largest_and_the_smallest_class(ratio: int) -> None:
    counts = Counter(labels(trained(f"stype:300@world[imbalance={ratio}]"), "stype"))
    assert counts.total() == 300
    ordered = [count for _, count in counts.most_common()]
    assert ordered[0] / ordered[-1] == pytest.approx(ratio, rel=0.25 if ratio < 50 else 0.6)
    steps = [b / a for a, b in pairwise(reversed(ordered))]
    assert max(steps) < 1.6 * ratio ** (1 / (len(ordered) - 1))


def test_imbalance_is_nested_and_takes_all_that_it_can() -> None:
    many = trained("sentiment:300@world[imbalance=3]")
    assert many[:90] == trained("sentiment:90@world[imbalance=3]")
    every = trained("sentiment@world[imbalance=3]")
    with pytest.raises(CorpusError, match=r"before sentences of the class '(posi|nega)tive' run"):
        trained(f"sentiment:{len(every) + 1}@world[imbalance=3]")


def test_shift_mixes_the_other_subsets_in() -> None:
    clean = corpora.load("world", split="test", subset="review")
    found = []
    for share in STEPS:
        mixed = trained(f"pos:800@world/review[shift={share}]")
        there = sum(example.subset != "review" for example in mixed) / 800
        assert there == pytest.approx(share, abs=1 / 800)
        found.append(divergence(mixed, clean))
    assert found == sorted(found) and found[-1] > 1.2 * found[0]
    dev = corpora.sentences(task("pos@world/review[shift=1]"), split="dev")
    assert {example.subset for example in dev} == {"review"}
    with pytest.raises(CorpusError, match=r"shift needs a subset, as in world/SUBSET"):
        trained("pos:10@world[shift=0.5]")


# ---- another task


def test_overlap_is_the_share_of_content_words_that_stay() -> None:
    plain = trained("pos:1000@world")
    content = {"NOUN", "VERB", "ADJ", "PROPN"}
    tagged = zip([w for e in plain for w in e.words], flat(plain, "pos"), strict=True)
    words = {word.lower() for word, tag in tagged if tag in content}
    before: set[str] = set()
    for overlap in STEPS:
        kept = {word for word in words if knobs.respelt(word, overlap) == word}
        assert len(kept) / len(words) == pytest.approx(overlap, abs=0.09)
        assert before <= kept
        before = kept
        there = trained(f"pos:1000@world[overlap={overlap}]")
        assert labels(there, "pos") == labels(plain, "pos")
        assert [e.id for e in there] == [e.id for e in plain]
    none = trained("pos:1000@world[overlap=0]")
    told = [[word for example in part for word in example.words] for part in (plain, none)]
    shared = [a == b for a, b in zip(*told, strict=True)]
    assert 0.3 < sum(shared) / len(shared) < 0.65  # its small words and stops


def test_overlap_falls_with_the_knob_in_the_divergence_of_the_words() -> None:
    plain = trained("mlm:2000@world")
    found = [divergence(plain, trained(f"mlm:2000@world[overlap={share}]")) for share in STEPS]
    assert found == sorted(found, reverse=True) and found[-1] == 0 < 0.2 < found[0]


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=12))
def test_the_cipher_tells_words_apart_and_keeps_capitals(word: str) -> None:
    spelt = knobs.respelt(word, 0)
    assert len(spelt) == len(word)
    assert sorted(set(knobs._CIPHER.values())) == sorted(knobs._CIPHER), "one letter for each"
    assert knobs.respelt(word.capitalize(), 0) in (spelt.capitalize(), word.capitalize())
    if spelt != word:
        assert {*"aeiou"}.isdisjoint(word) == {*"aeiou"}.isdisjoint(spelt)


def test_small_words_numbers_and_stops_are_never_spelt_anew() -> None:
    for word in ["the", "The", "with", "n't", "500", ".", "them", "Monday", "who"]:
        assert knobs.respelt(word, 0) == word


def test_delexicalised_sentences_are_parts_of_speech_with_the_same_trees() -> None:
    for split in ("train", "dev", "test"):
        plain = corpora.sentences(task("dep@world"), split=split)
        bare = corpora.sentences(task("dep@world[delexicalised]"), split=split)
        assert [e.words for e in bare] == [e.labels["pos"] for e in plain]
        assert labels(bare, "dep") == labels(plain, "dep")


def test_overlap_holds_for_dev_and_test_too() -> None:
    for split in ("dev", "test"):
        plain = corpora.sentences(task("pos@world"), split=split)
        other = corpora.sentences(task("pos@world[overlap=0]"), split=split)
        assert [e.words for e in plain] != [e.words for e in other]
        assert [e.labels for e in plain] == [e.labels for e in other]


def test_mutual_information_with_the_latent_classes_rises_with_relatedness() -> None:
    latent = flat(corpora.load("world", split="train"), "aux")
    nouns = [place for place, sense in enumerate(latent) if sense != "O"]
    told = []
    for share in STEPS:
        sentences = corpora.sentences(task(f"aux@world[relatedness={share}]"), split="train")
        found = flat(sentences, "aux")
        assert [tag == "O" for tag in found] == [tag == "O" for tag in latent]
        told.append(mutual_info_score([latent[i] for i in nouns], [found[i] for i in nouns]))
    entropy = mutual_info_score([latent[i] for i in nouns], [latent[i] for i in nouns])
    assert all(b - a > 0.05 * entropy for a, b in pairwise(told))
    assert told[-1] == pytest.approx(entropy) and told[0] < 0.2 * entropy


def test_a_noun_has_one_class_wherever_it_is_unrelated() -> None:
    assert knobs.related("soup", "food", 0) == knobs.related("Soups", "tool", 0)
    assert knobs.related("soup", "food", 1) == "food" and knobs.related("the", "O", 0) == "O"
    kept = [knobs.related(word, "x", 0.5) == "x" for word in map(str, range(2000))]
    assert sum(kept) / 2000 == pytest.approx(0.5, abs=0.05)


def test_the_examples_in_docstrings_run() -> None:
    result = doctest.testmod(knobs)
    assert result.failed == 0 and result.attempted > 0


def test_a_sentence_s_classes_are_the_labels_of_aux() -> None:
    for share in (0.0, 0.5, 1.0):
        [*made] = world.stream(40, seed=5)
        found = [knobs.classed(sentence, share) for sentence in made]
        for before, after in zip(made, found, strict=True):
            senses = [conllu.misc_value(word, "Sense") or "O" for word in before.words]
            wanted = [
                knobs.related(w.form, s, share) for w, s in zip(before.words, senses, strict=True)
            ]
            assert [conllu.misc_value(word, "Sense") or "O" for word in after.words] == wanted
            assert [w.head for w in after.words] == [w.head for w in before.words]
            assert conllu.misc_value(after.words[-1], "NER") == conllu.misc_value(
                before.words[-1], "NER"
            )
