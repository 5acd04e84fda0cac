"""The results store: what is written is read back, whole or not at all."""

import json
import lzma
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlkit.results import Record, ResultsError, Store, find_root, write_atomically


def record(
    id: str = "a1", route: str = "minilm > ner:250", seed: int = 0, **changes: Any
) -> Record:
    return {
        "id": id,
        "run": {
            "route": route,
            "recipe": {"target": "ner", "sharing": "hard", "temperature": "inf"},
            "seed": seed,
            "corpora": [["gum", "ab12"]],
        },
        "scores": {
            "dev": {"ner": {"f1": 0.5}},
            "test": {"ner": {"f1": 0.25}, "pos": {"accuracy": 0.75}},
        },
        "counts": {"ner": [[1, 2, 3], [0, 0, 1]]},
        "history": [
            {
                "stage": 0,
                "update": 40,
                "seconds": 3.5,
                "loss": {"ner": 0.4},
                "scores": {"dev": {"ner": {"f1": 0.5}}},
            }
        ],
        "ledger": {"seconds": 9.0, "parameters": 12, "updates_by_task": {"ner": 40}},
        "environment": {"python": "3.11"},
    } | changes


def test_round_trip(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    assert "a1" not in store and store.ids() == () and len(store) == 0
    path = store.save(record())
    assert path == tmp_path / "runs" / "a1.json"
    assert "a1" in store and store.ids() == ("a1",)
    assert store.load("a1") == record()
    assert list(store) == [record()]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a1.json"]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=40, deadline=None)
@given(environment=st.dictionaries(st.text(), json_values))
def test_any_json_survives_saving_and_publishing(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = Store(folder / "runs")
    store.save(record(environment=environment))
    assert store.load("a1")["environment"] == environment
    store.publish(folder / "packed" / "all.jsonl.xz", ["a1"])
    assert Store(folder / "packed").load("a1") == store.load("a1")


def test_saving_again_replaces(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(record())
    store.save(record(ledger={"seconds": 1.0}))
    assert store.load("a1")["ledger"] == {"seconds": 1.0}
    assert len(store) == 1


def test_published_files_are_deterministic_and_read_only_folders_are_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    for seed, id in enumerate(["c", "a", "b"]):
        store.save(record(id, seed=seed))
    one = store.publish(tmp_path / "one" / "x.jsonl.xz", ["c", "a"]).read_bytes()
    two = store.publish(tmp_path / "two" / "x.jsonl.xz", ["a", "c", "a"]).read_bytes()
    assert one == two
    assert [json.loads(line)["id"] for line in lzma.decompress(one).splitlines()] == ["a", "c"]

    both = Store(tmp_path / "new", tmp_path / "one", tmp_path / "absent")
    assert both.ids() == ("a", "c") and "b" not in both
    assert both.load("c")["run"]["seed"] == 0
    both.save(record("c", seed=7))
    assert both.load("c")["run"]["seed"] == 7, "the written folder comes first"
    assert (tmp_path / "one" / "x.jsonl.xz").read_bytes() == one
    assert both.ids() == ("a", "c")


def test_a_changed_pack_is_read_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    store.save(record("a"))
    store.save(record("b"))
    packed = Store(tmp_path / "packed")
    store.publish(tmp_path / "packed" / "x.jsonl.xz", ["a"])
    assert packed.ids() == ("a",)
    store.publish(tmp_path / "packed" / "x.jsonl.xz", ["a", "b"])
    assert packed.ids() == ("a", "b") and packed.load("b")["id"] == "b"


def test_table_is_tidy(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(record("a"))
    store.save(record("b", route="scratch > pos+ner:250", seed=3))
    table = store.table()
    assert list(table)[:9] == [
        "id",
        "route",
        "start",
        "seed",
        "target",
        "split",
        "task",
        "metric",
        "score",
    ]
    assert list(table)[9:] == ["parameters", "seconds"], "nested ledger entries stay out"
    assert len(table) == 6
    row = table[(table.id == "b") & (table.split == "test") & (table.task == "pos")].iloc[0]
    assert (row.route, row.start, row.seed, row.target) == (
        "scratch > pos+ner:250",
        "scratch",
        3,
        "ner",
    )
    assert (row.metric, row.score, row.parameters) == ("accuracy", 0.75, 12)
    assert set(store.table(["a"]).id) == {"a"}
    assert set(store.table(recipe=["sharing"]).sharing) == {"hard"}
    with pytest.raises(ResultsError, match=r"recipe has no \['sharring'\]; it has \['sharing', "):
        store.table(recipe=["sharring"])


def test_history_is_tidy(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(record())
    history = store.history()
    rows = history[["stage", "update", "seconds", "split", "task", "metric", "score"]]
    assert rows.values.tolist() == [
        [0, 40, 3.5, "train", "ner", "training_loss", 0.4],
        [0, 40, 3.5, "dev", "ner", "f1", 0.5],
    ]


def test_empty_stores_have_their_columns(tmp_path: Path) -> None:
    store = Store(tmp_path / "nothing")
    assert list(store.table())[-1] == "score" and store.table().empty
    assert "update" in store.history() and store.history().empty


def test_a_run_without_target_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = record()["run"] | {"recipe": {"target": None}}
    store.save(record(run=run))
    assert store.table().target.isna().all()


def test_non_finite_and_numpy_numbers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    scores = {"dev": {"mlm": {"perplexity": math.inf, "loss": math.nan, "f1": np.float32(0.5)}}}
    counts = {"ner": np.array([[1, 2, 3]])}
    path = store.save(record(scores=scores, counts=counts))
    json.loads(path.read_text(), parse_constant=pytest.fail)
    by_metric = store.table().set_index("metric").score
    assert by_metric["perplexity"] == math.inf
    assert math.isnan(by_metric["loss"])
    assert by_metric["f1"] == 0.5
    assert store.load("a1")["counts"] == {"ner": [[1, 2, 3]]}


def test_broken_files_are_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.save(record())
    path.write_text(path.read_text()[:50])
    with pytest.raises(ResultsError) as caught:
        store.table()
    message = str(caught.value)
    assert message.startswith(f"{path}: not a whole run record (")
    assert message.endswith("start the study again: only this run is trained anew")

    path.write_bytes(b'{"id": "\xff"}')
    with pytest.raises(ResultsError, match="not a whole run record"):
        store.load("a1")
    path.write_text("[]")
    with pytest.raises(ResultsError, match="needs the keys id, run, scores"):
        store.load("a1")


def test_a_broken_line_of_a_pack_is_named(tmp_path: Path) -> None:
    pack = Store(tmp_path / "x").publish(tmp_path / "p.jsonl.xz", [])
    good = Store(tmp_path / "x")
    good.save(record())
    good.publish(pack, ["a1"])
    whole = pack.read_bytes()
    pack.write_bytes(lzma.compress(lzma.decompress(whole) + b'{"id": '))
    with pytest.raises(ResultsError, match=r"xz, line 2: not a whole .* publish it again"):
        Store(tmp_path).ids()
    pack.write_bytes(whole[:-9])
    with pytest.raises(ResultsError, match=r"xz: not a whole xz file .* publish it again"):
        Store(tmp_path).ids()


def test_a_renamed_file_is_noticed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(record()).rename(tmp_path / "b2.json")
    with pytest.raises(ResultsError, match="holds run 'a1', but its name says 'b2'"):
        store.load("b2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "../x"}, "run id '../x' cannot name a file"),
        ({"extra": 1}, r"unknown: \['extra'\]"),
        ({"run": {"route": "mini > pos", "recipe": {}}}, r"lacks \['corpora', 'seed'\]"),
        ({"ledger": {"score": 1}}, r"ledger entries \['score'\] have names of the table's own"),
        ({"environment": {"path": Path("x")}}, "run a1 cannot be stored: Object of type .*Path"),
    ],
)
def test_bad_records_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        Store(tmp_path).save(record() | changes)
    assert not list(tmp_path.iterdir())


def test_missing_keys_and_runs_and_wrong_names(tmp_path: Path) -> None:
    store = Store(tmp_path, tmp_path / "more")
    with pytest.raises(ResultsError, match=r"missing: \['scores', 'counts'"):
        store.save({"id": "a", "run": {}})
    with pytest.raises(ResultsError, match=r"no run 'zz' in .*more: train it first"):
        store.load("zz")
    with pytest.raises(ResultsError, match=r"its name ends in \.jsonl.xz"):
        store.publish(tmp_path / "x.json", [])


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.txt"
    write_atomically(path, "old")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.txt"]


def test_no_torch() -> None:
    code = "import sys, mtlkit.results; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_root_is_the_nearest_folder_with_lessons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    deep = tmp_path / "notebooks" / "deep"
    deep.mkdir()
    assert find_root(deep) == deep  # a folder of that name alone may be anything
    (tmp_path / "pyproject.toml").touch()
    assert find_root(deep) == tmp_path
    monkeypatch.chdir(deep)
    assert find_root() == tmp_path


def test_what_methods_did_is_tidy(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = record()
    made["history"] = [
        {"stage": 0, "update": 5, "seconds": 1.0, "loss": {}, "scores": {},
         "weights": {"pos": 0.5, "ner": 1.5}, "cosines": {"pos|ner": -0.25}},
        {"stage": 0, "update": 9, "seconds": 2.0, "loss": {}, "scores": {}},
    ]  # fmt: skip
    store.save(made)
    rows = store.trace()[["update", "kind", "name", "value"]].to_numpy().tolist()
    assert rows == [
        [5, "weights", "ner", 1.5],
        [5, "weights", "pos", 0.5],
        [5, "cosines", "pos|ner", -0.25],
    ]
    assert store.trace([]).empty and "kind" in store.trace([])
