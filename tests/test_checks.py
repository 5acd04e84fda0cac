"""The command ``verify``: what it says, what it writes, and the code that it ends with."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from records import RECIPE, unchecked_shapes  # noqa: F401 (a fixture)

from mtlkit import checks, verification
from mtlkit.__main__ import main
from mtlkit.recipes import Run
from mtlkit.results import Record, Store
from mtlkit.study import execute, plan

RUNS = [plan("scratch > pos:20@world", RECIPE, seed) for seed in (0, 1)]
RUNS.append(plan("scratch > pos:20@world > ner:20@world", RECIPE, 0))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Records of three runs: one begins as another."""
    folder = tmp_path_factory.mktemp("trained")
    return [execute(run, folder=folder) for run in RUNS]


Publish = Callable[..., None]


@pytest.fixture
def publish(trained: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """The working folder is a checkout; give it published runs of profile quick, in a pack."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checks, "DATA", tmp_path / "data")

    def pack(*changed: Record) -> None:
        records = {record["id"]: record for record in (*trained, *changed)}
        store = Store(tmp_path / "records")
        for record in records.values():
            store.save(record)
        store.publish(tmp_path / "data" / "results" / "quick" / "runs.jsonl.xz", store.ids())

    return pack


@pytest.fixture
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are trained in this process: what a cluster does is tested elsewhere."""

    def complete(runs: Iterable[Run], store: Store, **_: Any) -> list[Any]:
        for run in runs:
            execute(run, folder=store.folder)
        return []

    monkeypatch.setattr(verification, "complete", complete)


def shifted(record: Record, by: float, **environment: Any) -> Record:
    """The record with another test score, from another environment."""
    test = {
        task: {metric: score + by for metric, score in metrics.items()}
        for task, metrics in record["scores"]["test"].items()
    }
    return {
        **record,
        "scores": {**record["scores"], "test": test},
        "environment": {**record["environment"], **environment},
    }


def cells(text: str, first: str) -> list[str]:
    """The cells of the first row of a table that begins so."""
    (row,) = re.findall(rf"^\| {re.escape(first)} +\|.*$", text, re.M)
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_a_minute_from_end_to_end(
    publish: Publish, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Through the command line, with processes of its own."""
    publish()
    assert main(["verify", "--workers", "1"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(
        "profile quick: 3 of 3 published runs, the cheapest runs of the embedded world, "
        "by turns of each shape of route\n"
    )
    assert re.search(r"^about \d+ seconds with 1 worker, on a machine like", said.out, re.M)
    assert re.search(r"verify: +\d+%.* left", said.err)  # a bar, with an estimate
    assert cells(said.out, "**all**") == ["3", "0", "0", "3"]
    assert cells(said.out, "scratch > one > one") == ["1", "0", "0", "1"]
    assert cells(said.out, "*all in the same environment*") == ["3", "0", "0", "3"]
    assert "DIFFERS" not in said.out and "Differs" not in said.out
    folder = tmp_path / "runs" / "verify" / "quick" / "minute"
    assert {run.id for run in RUNS} <= set(Store(folder).ids())
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["verify"]


def test_what_differs_is_shown_with_scores_band_and_environment(
    publish: Publish, trained: list[Record], serial: None,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    near = shifted(trained[0], 0.01)
    far = shifted(trained[2], 0.5, torch="1.0", gpu="none")
    publish(near, far)
    out = tmp_path / "new" / "verified.md"
    assert main(["verify", "--tier", "all", "--workers", "1", "--out", str(out)]) == 1
    said = capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    assert f"\n{text}\nin {out}\n" in said
    assert text.startswith("# Verification of profile quick, tier all\n\nTrained again: 3 of 3 ")
    assert cells(text, "**all**") == ["1", "1", "1", "3"]
    assert cells(text, "*all in another environment*") == ["0", "0", "1", "1"]
    assert "the larger gap of a run is 1.00 points in the median and 1.00 at most" in text
    was = far["scores"]["test"]["ner"]["f1"]
    assert cells(text, "scratch > pos:20@world > ner:20@world") == [
        "0", RUNS[2].id[:12], "ner f1", f"{was:.4f}", f"{was - 0.5:.4f}", "2.00", "2 points"
    ]  # fmt: skip
    now = trained[0]["environment"]["torch"]
    rows = re.findall(r"^\| (?:torch|gpu|bf16) .*$", text, re.M)
    assert [re.sub(r" +", " ", row) for row in rows] == [
        f"| bf16 | {trained[0]['environment']['bf16']} | "
        f"{trained[0]['environment']['bf16']} | 3 | the same |",
        "| gpu | none | not said | 1 | DIFFERS |",
        f"| torch | 1.0 | {now} | 1 | DIFFERS; usually matters |",
        f"| torch | {now} | {now} | 2 | the same |",
    ]
    for rule in ("reproduced", "within band", "differs"):
        assert f"\n- {rule}: " in text


def test_what_is_left_out_and_what_was_done_is_said(
    publish: Publish, trained: list[Record], serial: None, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("MTLKIT_DATA", str(tmp_path / "empty"))
    real = plan("scratch > pos:20@gum", RECIPE, 0)
    publish({**trained[0], "id": real.id, "run": real.to_json()})
    begun = Store(tmp_path / "runs" / "verify" / "quick" / "hour")
    begun.save(trained[0])
    assert main(["verify", "--tier", "hour", "--seed", "5", "--workers", "2"]) == 0
    said = capsys.readouterr().out
    assert "profile quick: 3 of 4 published runs, runs drawn at random (seed 5)" in said
    reason = "gum is not here; to get it: mtlkit data fetch gum"
    assert f"  left out: 1 ({reason})\n" in said
    assert "1 of them are trained: a verification before this one was interrupted\n" in said
    assert cells(said, "1") == [reason]
    # With no other runs there is nothing to verify.
    (tmp_path / "data" / "results" / "quick" / "runs.jsonl.xz").unlink()
    Store(tmp_path / "records").publish(
        tmp_path / "data" / "results" / "quick" / "runs.jsonl.xz", [real.id]
    )
    assert main(["verify"]) == 1
    assert capsys.readouterr().err == (
        f"mtlkit: none of the published runs can be trained here:\n  left out: 1 ({reason})\n"
    )


def test_a_run_that_fails_is_named(
    publish: Publish, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    failure = verification.Failure(RUNS[0], "it broke")
    monkeypatch.setattr(verification, "complete", lambda *_, **__: [failure])
    assert main(["verify", "--workers", "1"]) == 1
    said = capsys.readouterr().out
    assert "## Failed\n\n- scratch > pos:20@world  (seed 0): it broke" in said
    assert cells(said, "**all**") == ["0", "0", "0", "0"]


def test_where_nothing_is_published_it_says_so(
    publish: Publish, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["verify", "--profile", "full"]) == 1
    assert capsys.readouterr().err == (
        f"mtlkit: {tmp_path / 'data' / 'results' / 'full'} has no runs: nothing is published of "
        "this profile; choose another --profile, or train and publish it: "
        "mtlkit study --profile full --publish\n"
    )


def test_a_tier_that_no_run_fits_into_is_refused(
    publish: Publish, trained: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    publish(*({**r, "ledger": {**r["ledger"], "test_seconds": 100.0}} for r in trained))
    assert main(["verify", "--workers", "1"]) == 1
    said = capsys.readouterr().err
    assert said == "mtlkit: none of 3 runs fits into the tier 'minute': choose another --tier\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--tier", "day"], "invalid choice: 'day' (choose from 'minute', 'hour', 'all')"),
        (["--profile", "smoke"], "invalid choice: 'smoke' (choose from 'quick', 'full')"),
        (["--workers", "0"], "argument --workers: expected a whole number, 1 or more, found '0'"),
        (["--seed", "-1"], "argument --seed: expected a whole number, 0 or more, found '-1'"),
        (["--out", "."], "mtlkit: --out . is a folder: choose a file, as in verified.md"),
    ],
)
def test_bad_usage_is_said(
    arguments: list[str], text: str, publish: Publish, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: Any = main(["verify", *arguments])
    except SystemExit as stop:  # argparse
        code = stop.code
    assert code == 2
    assert text in capsys.readouterr().err


def test_tiers_named_without_loading_their_module_are_its() -> None:
    assert list(checks.SAMPLES) == list(verification.TIERS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 seconds"), (75.3, "75 seconds"), (378, "6 minutes"), (97_456, "27.1 hours")],
)
def test_durations_are_rounded(seconds: float, text: str) -> None:
    assert checks._duration(seconds) == text
