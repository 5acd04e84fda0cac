"""The ledger: verdicts follow from evidence by the rule, and from nothing else."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from test_evidence import record, stored

from mtlkit import claims, evidence
from mtlkit.claims import Claim, ClaimError, judge, read
from mtlkit.evidence import Item

CLAIM = Claim(
    "c", "X beats Y.", "A 1999", "09", "a difference", "points", 1.0, ("labels", "target"), "runs"
)
SHAPE = 2 * np.array([-1.0, -0.5, 0.0, 0.5, 1.0, -1.5, 1.5, -0.2, 0.2, 0.0])


def cell(mean: float, seeds: int = 10, **factors: str) -> list[Item]:
    """Items of a cell whose mean is given, and whose spread is about two points."""
    values = mean + SHAPE[:seeds] - SHAPE[:seeds].mean()
    return [
        Item("c", factors, seed, "score", "ner", ("a",), ("b",), float(value))
        for seed, value in enumerate(values)
    ]


def several(means: Mapping[tuple[str, str], float]) -> list[Item]:
    return [
        item
        for (labels, target), m in means.items()
        for item in cell(m, labels=labels, target=target)
    ]


def test_stances_are_those_of_t_tests_after_holm() -> None:
    found = judge(
        CLAIM, several({("1", "a"): 3, ("2", "a"): -3, ("3", "a"): -0.5, ("4", "a"): 0.9})
    )
    assert [each.stance for each in found.cells] == ["for", "against", "none", "open"]
    first, *_, last = found.cells
    assert first.result.t_p == pytest.approx(stats.ttest_1samp(first.values, 0).pvalue)
    assert first.adjusted >= first.result.t_p
    one_sided = stats.ttest_1samp(last.values, 1.0, alternative="less").pvalue
    assert last.small == pytest.approx(one_sided) and one_sided > 0.05


@pytest.mark.parametrize(
    ("means", "verdict"),
    [
        ({("1", "a"): 3}, "supported"),
        ({("1", "a"): 3, ("2", "a"): -0.5}, "supported"),  # half, and none against
        ({("1", "a"): -3}, "refuted"),
        ({("1", "a"): -0.5}, "refuted"),  # shown to be smaller than the margin
        ({("1", "a"): 0.9}, "not enough evidence"),
        ({}, "not enough evidence"),
        ({("1", "a"): 3, ("2", "a"): 0.9, ("3", "a"): 0.9}, "not enough evidence"),
        ({("1", "a"): 3, ("2", "a"): -3}, "depends on labels (for it up to 1)"),
        ({("1", "a"): -3, ("9", "a"): 3, ("1", "b"): -3, ("9", "b"): 3},
         "depends on labels (for it from 9)"),
        ({("1", "a"): -3, ("9", "a"): -3, ("1", "b"): 3, ("9", "b"): 3},
         "depends on target (for it: b)"),
        ({("1", "a"): -3, ("9", "a"): 3, ("1", "b"): 3, ("9", "b"): -3}, "depends on what is "
         "compared"),
        ({("unknown", "a"): -3, ("9", "a"): 3, ("1", "b"): 3},
         "depends on labels (for it from 1)"),
        ({("unknown", "a"): 3, ("9", "a"): -3, ("9", "b"): -3},
         "depends on labels (for it unknown)"),
        ({("unknown", "a"): 3, ("1", "a"): 3, ("9", "b"): -3, ("9", "a"): -3},
         "depends on labels (for it up to 1 or unknown)"),
    ],
)  # fmt: skip
def test_the_rule(means: Mapping[tuple[str, str], float], verdict: str) -> None:
    found = judge(CLAIM, several(means))
    assert found.verdict == verdict
    assert found.sentence.startswith(verdict)


def test_few_seeds_are_no_evidence() -> None:
    assert judge(CLAIM, cell(30, seeds=4, labels="1", target="a")).verdict == "not enough evidence"
    assert judge(CLAIM, cell(30, seeds=5, labels="1", target="a")).verdict == "supported"


def test_where_there_are_no_runs_it_says_who_leaves_them() -> None:
    assert judge(CLAIM, []).sentence == "not enough evidence: no runs; lesson 09 leaves them"


def test_numbers_that_are_missing_are_left_out() -> None:
    items = [dataclasses.replace(item, value=math.nan) for item in cell(3, labels="1", target="a")]
    assert judge(CLAIM, items).cells == ()
    assert (
        len(judge(CLAIM, [*items[:1], *cell(3, labels="1", target="a")[1:]]).cells[0].values) == 9
    )


def test_a_seed_that_comes_twice_is_refused() -> None:
    with pytest.raises(ClaimError, match=r"c: seed 0 twice in .*'labels': '1'"):
        judge(CLAIM, 2 * cell(3, labels="1"))


def test_the_ledger_is_whole() -> None:
    rule, every = read()
    assert len(every) == 16 and "Holm" in rule
    assert every["few_labels"].smallest == "1 point"
    assert every["choosing"].smallest == "0.5 points"
    for claim in every.values():
        assert claim.margin > 0 and len(claim.lesson) == 2 and claim.statistic and claim.revise


def test_a_ledger_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "claims.yaml").write_text("rule: x\nclaims: [{id: a, verdict: supported}]\n")
    with pytest.raises(ClaimError, match=r"claims.yaml: .*; restore it from version control"):
        read(tmp_path / "claims.yaml")


def test_one_number_in_the_store_changes_a_verdict(tmp_path: Path) -> None:
    """From records to verdict: what the store says decides, not what was written down before."""
    rows = [record(f"a{seed}", score=0.60 + 0.002 * seed, seed=seed) for seed in range(5)]
    rows += [record(f"b{seed}", score=0.55, seed=seed) for seed in range(5)]
    store = stored(tmp_path / "runs", *rows)
    wanted = [Item("c", {}, s, "score", "ner", (f"a{s}",), (f"b{s}",)) for s in range(5)]
    items = evidence.measure(wanted, store)
    evidence.save(items, evidence.file(tmp_path / "figures", "09"))
    assert judge(CLAIM, claims.gather(tmp_path / "figures", store)).verdict == "supported"
    store.save(record("a0", score=0.20, seed=0))
    assert judge(CLAIM, claims.gather(tmp_path / "figures", store)).verdict == "not enough evidence"
    assert judge(CLAIM, claims.gather(tmp_path / "figures")).verdict == "supported"  # as it was
