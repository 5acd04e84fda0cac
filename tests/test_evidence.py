"""Evidence: numbers of items from their runs, and back from a file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from mtlkit import DATA, evidence
from mtlkit.evidence import EvidenceError, Item, equivalent, reached
from mtlkit.results import Store
from mtlkit.routes import Route

ROOT = Path(__file__).resolve().parent.parent


def record(
    id: str,
    route: str = "minilm > ner:100",
    score: float = 0.5,
    seed: int = 0,
    task: str = "ner",
    **more: Any,
) -> dict[str, Any]:
    metric = {"ner": "f1", "dep": "las"}.get(task, "accuracy")
    run = {"route": route, "recipe": {"target": task}, "seed": seed, "corpora": {}}
    made = {"id": id, "run": run, "scores": {"test": {task: {metric: score}}}, "environment": {}}
    return made | {"counts": {}, "history": [], "ledger": {}} | more


def item(name: str, ours: str, theirs: str, task: str = "ner", **cell: str) -> Item:
    return Item("claim", cell, 0, name, task, tuple(ours.split()), tuple(theirs.split()))


def stored(folder: Path, *records: dict[str, Any]) -> Store:
    store = Store(folder)
    for each in records:
        store.save(each)
    return store


def measure(one: Item, store: Store) -> Item:
    [found] = evidence.measure([one], store)
    return found


def test_scores_are_means_of_each_side_in_points(tmp_path: Path) -> None:
    store = stored(tmp_path, record("a", score=0.7), record("b", score=0.5), record("c", score=0.4))
    assert measure(item("score", "a", "b"), store).value == pytest.approx(20)
    assert measure(item("score", "a b", "c"), store).value == pytest.approx(20)
    assert measure(item("gain", "a b", "b c"), store).value == pytest.approx(10)


def test_without_a_task_each_run_counts_with_its_own_target(tmp_path: Path) -> None:
    store = stored(tmp_path, record("a", score=0.7), record("b", task="dep", score=0.5))
    assert measure(item("score", "a", "b", task=""), store).value == pytest.approx(20)


def history(dev: list[float], train: float = 1.0) -> list[dict[str, Any]]:
    return [
        {"stage": 1, "update": 10 * n, "seconds": n, "loss": {}, "best": False,
         "scores": {"dev": {"ner": {"f1": score}}, "train": {"ner": {"f1": train}}}}
        for n, score in enumerate(dev, 1)
    ]  # fmt: skip


def test_the_gap_is_that_at_the_end_of_training(tmp_path: Path) -> None:
    ours, theirs = history([0.9, 0.6]), history([0.1, 0.4])
    store = stored(tmp_path, record("a", history=ours), record("b", history=theirs))
    assert measure(item("gap", "a", "b"), store).value == pytest.approx(60 - 40)


def test_pace_is_the_ratio_of_updates_to_nine_tenths_of_their_best(tmp_path: Path) -> None:
    ours, theirs = history([0.2, 0.56, 0.6]), history([0.1, 0.3, 0.4])
    store = stored(tmp_path, record("a", history=ours), record("b", history=theirs))
    # They have .36 at update 26, we at 14.44 (between .2 at 10 and .56 at 20).
    assert measure(item("pace", "a", "b"), store).value == pytest.approx(math.log(26 / 14.444444))
    assert reached(record("a", history=ours), "ner", 0.9) == 30  # it never gets there


def test_labels_that_a_score_is_worth() -> None:
    curve = {100: 40.0, 400: 60.0}
    assert equivalent(50, curve) == pytest.approx(200)
    assert equivalent(30, curve) == pytest.approx(50)
    assert equivalent(30, {100: 40.0, 400: 40.0}) == pytest.approx(100)
    assert equivalent(99, curve) == pytest.approx(400)


def test_doublings_are_those_beyond_the_first(tmp_path: Path) -> None:
    theirs = [
        record(f"{n}-{seed}", f"scratch > ner:{n}", score, seed)
        for n, scores in {100: (0.3, 0.5), 1600: (0.7, 0.9)}.items()
        for seed, score in enumerate(scores)
    ]
    store = stored(tmp_path, record("a", score=0.6), *theirs)
    found = measure(item("doublings", "a", " ".join(each["id"] for each in theirs)), store)
    assert found.value == pytest.approx(math.log2(4) - 1)  # halfway, in the log, from 100 to 1,600


def test_costs_are_logs_of_ratios(tmp_path: Path) -> None:
    def spent(id: str, n: float) -> dict[str, Any]:
        stages = [{"seconds": 90, "tasks": {"mlm": {}}}, {"seconds": n, "tasks": {"ner": {}}}]
        ledger = {"parameters": n, "test_seconds": n, "seconds": n + 90, "stages": stages}
        return record(id, ledger=ledger)

    store = stored(tmp_path, spent("a", 4), spent("b", 3), spent("c", 5))
    for name in ("parameters", "seconds", "test_seconds"):
        assert measure(item(name, "a", "b c"), store).value == pytest.approx(math.log(2))


def test_an_error_reduction_is_by_the_mean_error_over_seeds(tmp_path: Path) -> None:
    def both(id: str, ner: float, dep: float) -> dict[str, Any]:
        return record(id, scores={"test": {"ner": {"f1": ner}, "dep": {"las": dep}}})

    rows = both("a", 0.8, 0.5), both("b", 0.6, 0.5), both("c", 0.4, 0.7)
    found = measure(item("reduction", "a", "b c"), stored(tmp_path, *rows))
    assert found.value == pytest.approx((100 * 0.2 / 0.5 + 0) / 2)


def test_conflict_is_a_rank_correlation_over_pairs(tmp_path: Path) -> None:
    cosines = {"pos|ner": 0.3, "pos|dep": -0.1, "ner|dep": 0.2}
    entry = {"stage": 0, "update": 1, "scores": {}, "cosines": cosines}
    ours = record("all", "minilm > pos:9+ner:9+dep:9", history=[entry])
    tasks, rng, rows, gains = ("pos", "ner", "dep"), np.random.default_rng(0), [ours], {}
    for b in tasks:
        rows.append(record(b, f"minilm > {b}:9", 0.5, task=b))
        for a in set(tasks) - {b}:
            gains[a, b] = rng.normal()
            rows.append(record(f"{a}{b}", f"minilm > {a}:9+{b}:9", 0.5 + gains[a, b] / 9, task=b))
    theirs = " ".join(row["id"] for row in rows[1:])
    found = measure(item("correlation", "all", theirs), stored(tmp_path, *rows))
    told = [cosines.get(f"{a}|{b}", cosines.get(f"{b}|{a}")) for a, b in gains]
    assert found.value == pytest.approx(spearmanr(told, list(gains.values())).statistic)


def test_items_come_back_from_their_file(tmp_path: Path) -> None:
    items = [
        Item("size_rule", {"target": "ner", "labels": "100"}, 3, "score", "ner", ("a", "b"), ("c",),
             1.25),
        Item("conflict", {}, 4, "correlation", "", ("a",), ("c", "d"), -0.5),
    ]  # fmt: skip
    path = evidence.file(tmp_path, "09")
    evidence.save(items, path)
    assert path == tmp_path / "tables" / "09_evidence.csv"
    assert evidence.load(path) == items


def test_a_number_that_is_none_comes_back(tmp_path: Path) -> None:
    items = [Item("c", {}, 0, "score", "", ("a",), ("b",), value) for value in (math.nan, 1.0)]
    evidence.save(items, tmp_path / "x.csv")
    none, one = evidence.load(tmp_path / "x.csv")
    assert math.isnan(none.value) and one.value == 1


def test_a_factor_of_two_words_is_refused(tmp_path: Path) -> None:
    item = Item("c", {"cost": "test seconds"}, 0, "score", "", ("a",), ("b",), 1.0)
    with pytest.raises(EvidenceError, match=r"c: 'test seconds' in the cell .*: a value is one wo"):
        evidence.save([item], tmp_path / "x.csv")


def test_a_file_that_is_no_evidence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with pytest.raises(EvidenceError, match=r"x.csv: .*run its lesson again"):
        evidence.load(path)
    path.write_text("claim,cell\na,b\n")
    with pytest.raises(EvidenceError, match="no column 'seed'; run its lesson again"):
        evidence.load(path)
    path.write_text(",".join(evidence.COLUMNS) + "\nc,labels,0,score,ner,a,b,1\n")
    with pytest.raises(EvidenceError, match=r"x.csv: .*; run its lesson again"):
        evidence.load(path)


def test_numbers_are_renewed_where_the_store_has_the_runs(tmp_path: Path) -> None:
    store = stored(tmp_path, record("a", score=0.7), record("b", score=0.5))
    known, unknown = item("score", "a", "b"), item("score", "a", "x")
    first, second = evidence.renew([known, unknown], store)
    assert first.value == pytest.approx(20) and second is unknown


def test_a_run_that_items_share_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stored(tmp_path, record("a", score=0.7), record("b", score=0.5))
    read: list[str] = []
    load = store.load
    monkeypatch.setattr(store, "load", lambda id: (read.append(id), load(id))[1])
    found = evidence.measure([item("score", "a", "b"), item("score", "b", "a")], store)
    assert [each.value for each in found] == pytest.approx([20, -20]) and read == ["a", "b"]


PUBLISHED = [
    path
    for profile in ("quick", "full")  # what smoke leaves is nobody's evidence
    for path in sorted((ROOT / "figures" / profile / "tables").glob("*_evidence.csv"))
]


@pytest.mark.parametrize("path", PUBLISHED,
                         ids=lambda path: f"{path.parts[-3]}-{path.stem}")  # fmt: skip
def test_published_evidence_is_what_the_published_runs_say(path: Path) -> None:
    store, items = Store(DATA / "results" / path.parts[-3]), evidence.load(path)
    assert items, "a lesson that leaves evidence leaves some"
    missing = {id for each in items for id in (*each.ours, *each.theirs)} - {*store.ids()}
    assert not missing, f"{len(missing)} runs are not published: mtlkit study --publish"
    for each, found in zip(items, evidence.measure(items, store), strict=True):
        assert found.value == pytest.approx(each.value, abs=2e-6), each
    for id in {each.ours[0] for each in items}:
        assert Route.parse(store.load(id)["run"]["route"])
