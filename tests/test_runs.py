"""The command ``runs``: what there is, in columns, and tables that pandas alone can read."""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from records import RECIPE, unchecked_shapes  # noqa: F401 (a fixture)

from mtlkit import runs, study
from mtlkit.__main__ import main
from mtlkit.results import Record, Store

ROUTES = {
    "scratch > pos:20@world > ner:20@world": RECIPE.replace(target="ner"),
    "scratch > pos:20@world": RECIPE,
    "scratch > pos:20@world+dep:20@world": RECIPE,  # two tasks, and none is its target
    "scratch > mlm@world": RECIPE.replace(mlm_updates=4),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with four runs of profile smoke and none of another."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "notebooks").mkdir()
    (folder / "pyproject.toml").touch()
    for seed, (route, recipe) in enumerate(ROUTES.items()):
        study.execute(study.plan(route, recipe, seed), folder=folder / "runs" / "smoke")
    return folder


@pytest.fixture
def say(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What ``mtlkit runs`` says in the checkout."""
    monkeypatch.chdir(course)
    monkeypatch.setattr(runs, "DATA", course / "data")

    def run(*arguments: str, code: int = 0, profile: str = "smoke") -> str:
        capsys.readouterr()
        try:
            assert main(["runs", *map(str, arguments), "--profile", profile]) == code
        except SystemExit as stop:  # argparse
            assert stop.code == code
        said = capsys.readouterr()
        assert not (said.out if code else said.err)
        return said.err if code else said.out

    return run


@pytest.fixture
def store(course: Path) -> Store:
    return Store(course / "runs" / "smoke")


def records(store: Store) -> dict[int, Record]:
    return {record["run"]["seed"]: record for record in store}


def test_the_list_has_a_line_a_run_in_columns(say: Callable[..., str], store: Store) -> None:
    head, *lines = say("list").splitlines()
    starts = [head.index(name) for name in ("id", "seed", "route", "target", "score")]
    assert len({*map(len, lines), len(head)}) == 1 and len(lines) == 4
    rows = {}
    for line in lines:
        id, seed, *cells = (
            line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)
        )
        rows[int(seed)] = [id, *cells[:-1], *cells[-1].split()]
    for seed, record in records(store).items():
        test, seconds = record["scores"]["test"], f"{record['ledger']['seconds']:.1f}"
        target, metric = (("ner", "f1"), ("pos", "accuracy"), ("", ""), ("mlm", "perplexity"))[seed]
        score = [f"{test[target][metric]:.4f}", metric] if target else []
        assert rows[seed] == [record["id"][:12], record["run"]["route"], target, *score, seconds]


def test_the_list_can_be_narrowed(say: Callable[..., str]) -> None:
    def seeds(*options: str) -> list[str]:
        return sorted(line.split()[1] for line in say("list", *options).splitlines()[1:])

    assert seeds("--route", "pos:20") == ["0", "1", "2"]
    assert seeds("--route", "pos:20@world > ") == ["0"]
    assert seeds("--target", "pos") == ["1"]
    assert seeds("--target", "ner", "--route", "scratch") == ["0"]
    assert seeds("--target", "ner", "--route", "minilm") == []


def test_one_run_is_shown_whole_but_for_its_counts(say: Callable[..., str], store: Store) -> None:
    record = records(store)[0]
    shown = json.loads(say("show", record["id"][:6]))
    assert shown == {key: value for key, value in record.items() if key != "counts"}


def test_a_table_is_csv(say: Callable[..., str], store: Store) -> None:
    rows = say("table").splitlines()
    assert rows[0].startswith("id,route,start,seed,target,split,task,metric,score,")
    assert len(rows) == 1 + len(store.table())
    assert len(say("table", "--target", "pos").splitlines()) == 1 + 2  # dev and test
    rows = say("table", "--what", "history").splitlines()
    assert len(rows) == 1 + len(store.history()) and ",training_loss," in rows[1]


@pytest.mark.parametrize("what", runs.TABLES)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_exported_table_is_read_back_by_pandas_alone(
    what: str, suffix: str, say: Callable[..., str], store: Store, tmp_path: Path
) -> None:
    make = {
        "scores": store.table,
        "history": store.history,
        "counts": lambda: runs.counts(store, store.ids()),
    }
    frame, out = make[what](), tmp_path / "new" / f"out{suffix}"
    said = say("export", out, "--what", what)
    assert said == f"{what} of 4 runs, {len(frame)} rows, in {out}\n"
    assert [path.name for path in out.parent.iterdir()] == [out.name], "nothing is left beside it"
    if suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(out), frame)
    else:
        texts = {name: "object" for name, kind in frame.dtypes.items() if kind.kind == "O"}
        read = pd.read_csv(out)
        pd.testing.assert_frame_equal(read.astype(texts), frame.astype(texts), check_exact=True)


def test_counts_are_what_scores_are_made_of(store: Store) -> None:
    frame = runs.counts(store, store.ids())
    rows = frame[frame["metric"] == "accuracy"].groupby(["id", "task"], observed=True)
    found = rows[["right", "gold"]].sum().eval("right / gold")
    assert len(found) == 2
    for (id, task), score in found.items():
        assert score == pytest.approx(store.load(id)["scores"]["test"][task]["accuracy"])
    record = records(store)[1]
    some = runs.counts(store, [record["id"]])
    assert some[["right", "predicted", "gold"]].to_numpy().tolist() == [
        list(row) for row in record["counts"]["pos"]["accuracy"]
    ]
    assert some["sentence"].tolist() == list(range(len(some)))
    assert set(some["route"]) == {"scratch > pos:20@world"} and set(some["start"]) == {"scratch"}


def test_an_export_that_cannot_be_is_said_and_leaves_nothing(
    say: Callable[..., str], tmp_path: Path, course: Path
) -> None:
    (tmp_path / "folder.csv").mkdir()
    for arguments, text in (
        (["export"], "no file given to export to: say OUT.csv or OUT.parquet"),
        (["export", tmp_path / "a.xlsx"], "a.xlsx ends in '.xlsx': expected a name that ends in "),
        (["export", tmp_path / "a"], "a has no ending: expected a name that ends in .csv or .par"),
        (["export", tmp_path / "folder.csv"], "folder.csv is a folder: choose another name"),
        (
            ["export", tmp_path / "a.csv", "--route", "x"],
            "smoke has no such runs; `mtlkit runs list --pr",
        ),
        (
            ["export", tmp_path / "a.csv", "--target", "nre"],
            "unknown task 'nre': did you mean 'ner'?",
        ),
        (["list", "3f"], "`mtlkit runs list` takes no '3f': to have some runs only, say --route"),
        (["export", tmp_path / "a.csv", "--what", "all"], "invalid choice: 'all' (choose from 's"),
    ):
        assert text in say(*arguments, code=2), arguments
    assert "there is nothing to export: " in say("export", "a.csv", code=2, profile="full")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]
    assert sorted(path.name for path in course.iterdir()) == ["notebooks", "pyproject.toml", "runs"]
    # What cannot be written leaves what was there.
    out = tmp_path / "folder.csv" / "out.csv"
    out.write_text("before")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_csv", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            say("export", out)
    assert out.read_text() == "before" and len(list(out.parent.iterdir())) == 1


def test_where_there_are_no_runs_it_says_how_to_make_some(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(course)
    monkeypatch.setattr(runs, "DATA", course / "data")
    assert main(["runs", "list"]) == 0
    said = capsys.readouterr()
    assert re.fullmatch(r"no runs in \S*quick; `mtlkit study` makes some\n", said.err)
    assert said.out == ""


def test_a_run_without_test_scores_has_none_in_the_list() -> None:
    record = {"scores": {"dev": {}}, "run": {"recipe": {"target": "ner"}, "route": "minilm > ner"}}
    assert runs._score(record) == ""
    assert runs._target(record) == "ner"
    options = argparse.Namespace(route=None, target="ner")
    assert runs._wanted(record, options)
