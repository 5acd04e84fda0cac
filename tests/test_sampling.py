"""Schedules: what an update is made of follows sizes, time and scores, and nothing is left out."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit.batching import Item, Stratum, buckets
from mtlkit.overlap import exposures
from mtlkit.recipes import Recipe, made
from mtlkit.routes import RouteError
from mtlkit.sampling import SAMPLINGS, Sampling, Schedule, Turn
from mtlkit.tokenization import Encoding

LENGTHS = st.lists(st.integers(3, 60), min_size=1, max_size=60)
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)
METHODS = [*SAMPLINGS, "annealed:end=0", "annealed:end=1"]


def strata(*lengths: Sequence[int]) -> list[Stratum]:
    """A stratum of one task for each list of sentences, which are given by their lengths."""
    return [
        Stratum((task,), tuple(Item(Encoding((0,) * n, (1,), (1,), (1,)), {}) for n in each))
        for task, each in zip(("pos", "ner", "dep", "xpos", "stype"), lengths, strict=False)
    ]


def whole(
    given: Sequence[Stratum], recipe: Recipe, *, seed: int = 0, pretraining: bool = False
) -> list[Turn]:
    """A stage without evaluations on the way."""
    schedule = Schedule(given, recipe, seed=seed, pretraining=pretraining)
    return schedule.part(0, schedule.updates, np.ones(len(given)))


def plain(turns: Sequence[Turn]) -> list[list[tuple[int, list[int]]]]:
    """Turns that can be compared."""
    return [[(stratum, chosen.tolist()) for stratum, chosen in turn] for turn in turns]


def parts(turns: Sequence[Turn]) -> list[tuple[int, np.ndarray]]:
    """The plan of a stage as `exposures` reads it."""
    return [part for turn in turns for part in turn]


# ---- temperature alone


def counts(sizes: list[int], seed: int = 0, pretraining: bool = False, **recipe: object) -> Counter:
    """Updates a stratum, where each stratum's sentences come one a batch."""
    chosen = Recipe(batch_tokens=10).replace(**recipe)
    turns = whole(strata(*([10] * n for n in sizes)), chosen, seed=seed, pretraining=pretraining)
    assert all(len(turn) == 1 for turn in turns), "an update is of one stratum"
    return Counter(stratum for stratum, _ in parts(turns))


def test_proportional_uniform_and_between() -> None:
    sizes = [300, 60, 40]
    budget = 2 * sum(sizes)
    assert counts(sizes, epochs=2, min_updates=0) == {0: 600, 1: 120, 2: 80}
    uniform = counts(sizes, epochs=2, min_updates=0, temperature=math.inf)
    assert uniform == dict.fromkeys(range(3), round(budget / 3))
    roots = [math.sqrt(n) for n in sizes]
    between = counts(sizes, epochs=2, min_updates=0, temperature=2)
    assert between == {i: round(budget * r / sum(roots)) for i, r in enumerate(roots)}


def test_a_small_stage_has_its_least_updates() -> None:
    assert counts([3], epochs=2, min_updates=50) == {0: 50}
    # The small stratum brings its least to the budget, which is then shared out by size.
    assert counts([100, 1], epochs=1, min_updates=10).total() == pytest.approx(110, abs=1)
    assert counts([2000, 1], epochs=1, min_updates=0)[1] == 1, "no stratum is left out"


def test_masked_language_modelling_has_its_own_budget() -> None:
    assert counts([30], pretraining=True, mlm_updates=77) == {0: 77}
    assert counts([30], pretraining=False, epochs=1, min_updates=0) == {0: 30}


def oracle(
    given: Sequence[Stratum], recipe: Recipe, *, seed: int, pretraining: bool
) -> list[tuple[int, list[int]]]:
    """The schedule that results of temperature sampling were trained with, in one piece."""
    rng = np.random.default_rng([seed, 0x5C4ED])
    lengths = [[len(item.encoding.ids) for item in stratum.items] for stratum in given]
    tokens = recipe.mlm_tokens if pretraining else recipe.batch_tokens
    epoch = np.array([len(buckets(size, tokens=tokens)) for size in lengths])
    if pretraining:
        budget = float(recipe.mlm_updates)
    else:
        budget = float(np.maximum(recipe.min_updates, recipe.epochs * epoch).sum())
    shares = epoch ** (1 / recipe.temperature)
    wanted = np.maximum(1, np.round(budget * shares / shares.sum())).astype(int)
    queues = []
    for size, count in zip(lengths, wanted, strict=True):
        queue: list[np.ndarray] = []
        while len(queue) < count:
            queue.extend(buckets(size, tokens=tokens, rng=rng))
        queues.append(iter(queue))
    turns = rng.permutation(np.repeat(np.arange(len(given)), wanted))
    return [(int(turn), next(queues[turn]).tolist()) for turn in turns]


@given(
    st.lists(LENGTHS, min_size=1, max_size=4), st.integers(0, 3),
    st.sampled_from([0.5, 1.0, 2.0, 5.0, math.inf]), st.booleans(),
)  # fmt: skip
def test_temperature_alone_gives_what_it_always_gave(
    lengths: list[list[int]], seed: int, temperature: float, pretraining: bool
) -> None:
    recipe = Recipe(
        batch_tokens=80, mlm_tokens=200, epochs=1.5, min_updates=3, mlm_updates=7,
        temperature=temperature,
    )  # fmt: skip
    given = strata(*lengths)
    turns = whole(given, recipe, seed=seed, pretraining=pretraining)
    expected = oracle(given, recipe, seed=seed, pretraining=pretraining)
    assert plain(turns) == [[turn] for turn in expected]


@given(LENGTHS, LENGTHS, st.integers(0, 3))
def test_every_epoch_reads_each_sentence_once(one: list[int], two: list[int], seed: int) -> None:
    recipe = Recipe(batch_tokens=80, epochs=2, min_updates=0)
    turns = whole(strata(one, two), recipe, seed=seed)
    assert plain(turns) == plain(whole(strata(one, two), recipe, seed=seed))
    for number, lengths in enumerate((one, two)):
        mine = [batch for stratum, batch in parts(turns) if stratum == number]
        epoch = len(buckets(lengths, tokens=80))
        assert len(mine) == 2 * epoch
        for half in (mine[:epoch], mine[epoch:]):
            assert sorted(np.concatenate(half).tolist()) == list(range(len(lengths)))


def test_the_seed_decides_the_schedule() -> None:
    first, second = (plain(whole(strata([10] * 30), Recipe(), seed=seed)) for seed in (0, 1))
    assert first != second


# ---- every way of sampling


def method(text: str, temperature: float = 1.0) -> Sampling:
    return made("sampling", text, SAMPLINGS, temperature=temperature)


@pytest.mark.parametrize("text", METHODS)
@given(SIZES, st.floats(0, 1), st.floats(1, 10), st.data())
def test_shares_are_shares(
    text: str, sizes: list[int], done: float, temperature: float, data: st.DataObject
) -> None:
    """They are above 0 and sum to 1, equal for equal strata, whatever the order of strata."""
    errors = data.draw(st.lists(st.floats(0, 5), min_size=len(sizes), max_size=len(sizes)))
    sampling = method(text, temperature)
    shares = sampling(np.array(sizes, float), done=done, errors=np.array(errors))
    assert shares.sum() == pytest.approx(1) and (shares > 0).all()
    turned = sampling(np.array(sizes[::-1], float), done=done, errors=np.array(errors[::-1]))
    assert turned == pytest.approx(shares[::-1])
    same = sampling(np.full(3, 7.0), done=done, errors=np.full(3, 0.3))
    assert same == pytest.approx(np.full(3, 1 / 3))


@pytest.mark.parametrize("text", METHODS)
def test_a_stage_begins_by_size(text: str) -> None:
    shares = method(text)(np.array([6.0, 3.0, 1.0]), done=0.0, errors=np.ones(3))
    assert shares == pytest.approx([0.6, 0.3, 0.1])


def test_annealed_ends_nearly_uniform() -> None:
    sizes = np.array([100.0, 10.0, 1.0])

    def shares(text: str, done: float) -> np.ndarray:
        return method(text, temperature=3.0)(sizes, done=done, errors=np.ones(3))

    powers = {0.0: 1.0, 0.25: 0.8, 0.5: 0.6, 1.0: 0.2}  # 1 - 0.8 done
    for done, power in powers.items():
        expected = [100**power, 10**power, 1]
        assert shares("annealed", done) == pytest.approx(np.array(expected) / sum(expected))
    assert shares("annealed:end=0", 1.0) == pytest.approx(np.full(3, 1 / 3))
    assert shares("annealed:end=1", 1.0) == pytest.approx(sizes / 111)


def test_dynamic_follows_the_errors() -> None:
    sizes = np.array([16.0, 4.0, 1.0])
    errors = np.array([0.1, 0.2, 0.0])
    shares = method("dynamic", temperature=2.0)(sizes, done=0.5, errors=errors)
    expected = np.array([4 * 0.1, 2 * 0.2, 1 * 1e-3])  # what has no error left keeps a little
    assert shares == pytest.approx(expected / expected.sum())


@pytest.mark.parametrize("name", SAMPLINGS)
def test_only_what_adapts_says_so(name: str) -> None:
    sizes, errors = np.array([5.0, 2.0]), np.array([0.1, 0.9])
    early = method(name)(sizes, done=0.0, errors=np.ones(2))
    late = method(name)(sizes, done=0.9, errors=errors)
    assert (early.tolist() != late.tolist()) == SAMPLINGS[name].adapts  # type: ignore[attr-defined]


# ---- parts of a stage

ERRORS = [np.ones(3), np.array([0.1, 0.5, 0.9]), np.array([0.9, 0.0, 0.1])]


def stepwise(schedule: Schedule) -> list[list[Turn]]:
    """A stage with evaluations on the way."""
    marks = [0, *(math.ceil(schedule.updates * part / 3) for part in (1, 2, 3))]
    return [
        schedule.part(begin, end, errors)
        for (begin, end), errors in zip(itertools.pairwise(marks), ERRORS, strict=True)
    ]


@pytest.mark.parametrize("mixing", ["alternating", "joint"])
@pytest.mark.parametrize("text", METHODS)
def test_parts_are_a_function_of_what_was_asked(text: str, mixing: str) -> None:
    """So a stage that is taken up again goes on with the updates that it would have had."""
    lengths = [[5, 9, 14] * n for n in (12, 5, 2)]
    recipe = Recipe(batch_tokens=60, epochs=3, min_updates=0, sampling=text, mixing=mixing)
    one, two, other = (
        Schedule(strata(*lengths), recipe, seed=seed, pretraining=False) for seed in (4, 4, 5)
    )
    found = stepwise(one)
    assert [plain(part) for part in found] == [plain(part) for part in stepwise(two)]
    assert [plain(part) for part in found] != [plain(part) for part in stepwise(other)]
    assert sum(map(len, found)) == one.updates
    if mixing == "joint":
        assert all([stratum for stratum, _ in turn] == [0, 1, 2] for part in found for turn in part)
    else:
        assert all(len(turn) == 1 for part in found for turn in part)


@pytest.mark.parametrize("text", METHODS)
def test_turns_of_a_part_are_dealt_out_by_its_shares(text: str) -> None:
    """Largest remainders: each stratum's number is the exact one, rounded up or down."""
    sizes = [30, 11, 4]
    recipe = Recipe(batch_tokens=10, epochs=4, min_updates=0, sampling=text)
    schedule = Schedule(strata(*([10] * n for n in sizes)), recipe, seed=0, pretraining=False)
    begin = 0
    for part, errors in zip(stepwise(schedule), ERRORS, strict=True):
        done = begin / schedule.updates
        shares = method(text)(np.array(sizes, float), done=done, errors=errors)
        found = Counter(stratum for stratum, _ in parts(part))
        exact = shares * len(part)
        assert found.total() == len(part)
        for stratum, number in enumerate(exact):
            assert found[stratum] in (math.floor(number), math.ceil(number))
        up = [number % 1 for s, number in enumerate(exact) if found[s] > number]
        down = [number % 1 for s, number in enumerate(exact) if found[s] < number]
        assert min(up, default=1) >= max(down, default=0)
        begin += len(part)


@pytest.mark.parametrize("text", METHODS)
def test_what_adapts_reads_its_sentences_evenly(text: str) -> None:
    """However often a stratum has its turn, no sentence of it is read twice more than another."""
    recipe = Recipe(batch_tokens=40, epochs=4, min_updates=0, sampling=text)
    given = strata([10] * 50, [10] * 21, [10] * 9)
    schedule = Schedule(given, recipe, seed=0, pretraining=False)
    turns = [turn for part in stepwise(schedule) for turn in part]
    for seen in exposures(given, parts(turns)).values():
        assert seen.max() - seen.min() <= 1 and seen.max() > 0


# ---- joint updates


def test_parts_of_an_update_are_in_size_as_their_shares() -> None:
    """Sentences of 10 sub-words, 120 in an update; 90, 24 and 6 of them are 75, 20 and 5 %."""
    given = strata([10] * 1800, [10] * 480, [10] * 120)
    recipe = Recipe(batch_tokens=400, epochs=2, min_updates=0, mixing="joint")
    turns = whole(given, recipe)
    assert [[len(chosen) for _, chosen in turn] for turn in turns] == [[90, 24, 6]] * 40
    for seen in exposures(given, parts(turns)).values():
        assert set(seen.tolist()) == {2}, "of whole epochs nothing is left over"
    # As many sub-words as there are in the updates of a stage whose batches take turns.
    apart = whole(given, recipe.replace(mixing="alternating"))
    assert len(apart) == 3 * len(turns)
    assert sum(len(c) for _, c in parts(apart)) == sum(len(c) for _, c in parts(turns))


@given(st.lists(LENGTHS, min_size=2, max_size=4), st.integers(0, 3))
def test_every_sentence_is_met_in_joint_updates(lengths: list[list[int]], seed: int) -> None:
    given = strata(*lengths)
    recipe = Recipe(batch_tokens=240, epochs=1, min_updates=70, mixing="joint")
    turns = whole(given, recipe, seed=seed)
    assert all([stratum for stratum, _ in turn] == list(range(len(given))) for turn in turns)
    for seen in exposures(given, parts(turns)).values():
        assert seen.min() >= 1


@given(LENGTHS, LENGTHS, st.sampled_from([1.0, 2.0, math.inf]))
def test_joint_updates_are_no_larger_than_batches_in_turn(
    one: list[int], two: list[int], temperature: float
) -> None:
    """An update is at most as large as those that it replaces, but for long sentences."""
    recipe = Recipe(batch_tokens=200, epochs=2, min_updates=0, mixing="joint").replace(
        temperature=temperature
    )
    for turn in whole(strata(one, two), recipe):
        sizes = [
            len(chosen) * max(lengths[i] for i in chosen)
            for (_, chosen), lengths in zip(turn, (one, two), strict=True)
        ]
        singles = sum(max(lengths) for lengths in (one, two))
        assert sum(sizes) <= 2 * 200 + 1 + singles


def test_parts_of_joint_updates_follow_the_shares_from_the_next_evaluation_on() -> None:
    """What is left of an epoch is cut anew: a large stratum does not keep its first size."""
    given = strata([10] * 1100, [10] * 1100)
    recipe = Recipe(batch_tokens=100, epochs=2, min_updates=0, mixing="joint", sampling="dynamic")
    schedule = Schedule(given, recipe, seed=0, pretraining=False)
    early = schedule.part(0, 20, np.ones(2))
    late = schedule.part(20, 60, np.array([0.3, 0.1]))
    assert [[len(chosen) for _, chosen in turn] for turn in early] == [[10, 10]] * 20
    assert [[len(chosen) for _, chosen in turn] for turn in late] == [[15, 5]] * 40
    for seen in exposures(given, parts([*early, *late])).values():
        assert seen.max() == 1, "and none of it is read twice"


def test_one_stratum_has_nothing_to_be_joined_with() -> None:
    given, recipe = strata([10, 20, 30] * 9), Recipe(batch_tokens=60)
    joint = Schedule(given, recipe.replace(mixing="joint"), seed=0, pretraining=False)
    assert not joint.together
    assert plain(joint.part(0, joint.updates, np.ones(1))) == plain(whole(given, recipe))


# ---- what cannot be


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dynamo", "unknown sampling 'dynamo': did you mean 'dynamic'?"),
        ("annealed:end=1.5", "sampling 'annealed:end=1.5': end is 1.5: expected a number from 0"),
        ("annealed:end=-1", "sampling 'annealed:end=-1': end is -1: expected a number from 0 to 1"),
        ("annealed:begin=1", "unknown setting of annealed 'begin': expected one of end"),
        ("temperature:temperature=2", "unknown setting of temperature 'temperature': "),
        ("dynamic:errors", "sampling 'dynamic:errors' has 'errors': expected settings as in "),
    ],
)
def test_a_sampling_that_cannot_be_says_why(text: str, message: str) -> None:
    with pytest.raises(RouteError, match="^" + re.escape(message)):
        Schedule(strata([5]), Recipe(sampling=text), seed=0, pretraining=False)
