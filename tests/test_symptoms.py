"""What is measured of data and scores, against closed forms and simulation."""

import math

import numpy as np
import pytest

from mtlkit import overlap
from mtlkit.examples import Example
from mtlkit.symptoms import (
    SymptomError,
    agreement,
    chosen_best,
    copied,
    entropy,
    expected_best,
    known,
    letters,
    slid,
)


def example(words: str, tags: str) -> Example:
    return Example("x", tuple(words.split()), {"ner": tuple(tags.split())})


@pytest.mark.parametrize(
    ("tries", "mean"),
    [
        (1, 0.0),
        (2, 1 / math.sqrt(math.pi)),
        (3, 1.5 / math.sqrt(math.pi)),
        (4, 6 / math.pi**1.5 * math.atan(math.sqrt(2))),
    ],
)
def test_the_best_of_normals_has_its_closed_form(tries: int, mean: float) -> None:
    assert expected_best(tries) == pytest.approx(mean, abs=1e-7)


def test_choosing_by_luck_is_optimistic_by_the_expected_best() -> None:
    rng = np.random.default_rng(0)
    luck = rng.normal(size=(4000, 12))
    other = rng.normal(size=(4000, 12))
    for tries in (1, 2, 5, 12):
        found = chosen_best(luck, luck, tries)
        assert found.shape == (4000,)
        assert found.mean() == pytest.approx(expected_best(tries), abs=0.03)
        assert chosen_best(luck, other, tries).mean() == pytest.approx(0, abs=0.03)


def test_choosing_is_what_a_loop_finds() -> None:
    rng = np.random.default_rng(1)
    by, report = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    for tries in range(1, 6):
        slow = []
        for fold in range(3):
            groups = [[(first + k) % 5 for k in range(tries)] for first in range(5)]
            slow.append(np.mean([report[fold, max(g, key=lambda r: by[fold, r])] for g in groups]))
        assert chosen_best(by, report, tries) == pytest.approx(slow)


def test_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(SymptomError, match="tries is 0: the best of none has no score"):
        expected_best(0)
    with pytest.raises(SymptomError, match="tries is 4: expected a number from 1 to the 3 runs"):
        chosen_best(np.zeros((2, 3)), np.zeros((2, 3)), 4)


def test_copies_are_found_by_their_letters_as_overlap_finds_them() -> None:
    train = [example("Ada met Bo .", "B-PER O B-PER O"), example("It rained !", "O O O")]
    test = [copied(train[0]), example("Ada left .", "B-PER O O"), copied(train[1])]
    assert test[0].words == ("Ada", "met", "Bo")
    assert test[0].labels["ner"] == ("B-PER", "O", "B-PER")
    words = [e.words for e in train], [e.words for e in test]
    assert known(*words) == [True, False, True]
    assert sum(known(*words)) == overlap.overlap(*words).exact
    assert copied(example("no sign", "O O")).words == ("no", "sign")
    assert letters(("...",)) == "" and known([("!",)], [("?",)]) == [False]


def test_labels_slide_behind_a_word_in_two_pieces() -> None:
    assert slid("abcd", (1, 1, 1, 1)) == tuple("abcd")
    assert slid("abcd", (1, 2, 1, 1), missing="-") == tuple("abd-")
    assert slid((), ()) == ()


def test_entropy_is_that_of_a_die() -> None:
    assert entropy("abcdef" * 7) == pytest.approx(math.log(6))
    assert entropy("aaaa") == 0


def test_agreement_counts_the_commonest_label_of_frequent_words() -> None:
    rows = [example("Run run RUN run far", "V V V N A")]
    assert agreement(rows, "ner", least=4) == pytest.approx(0.75)
    assert agreement(rows, "ner", least=1) == pytest.approx(0.8)
    assert math.isnan(agreement(rows, "ner", least=9))
