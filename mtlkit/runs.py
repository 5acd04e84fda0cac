"""The command ``runs``: finished runs in a list, one by one, and as tables for other programs."""

import argparse
import io
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtlkit import DATA
from mtlkit.commands import UsageError
from mtlkit.routes import TASKS, unknown

if TYPE_CHECKING:
    import pandas as pd

    from mtlkit.results import Record, Store

__all__ = ["ACTIONS", "RUNS_HELP", "TABLES", "counts", "runs"]

ACTIONS = ("list", "show", "table", "export")
TABLES = ("scores", "history", "counts")

RUNS_HELP = """\
Actions:
  list    a line a run: id, seed, route, target, test score on the target, processor seconds
  show    all that is known of one run but its counts, as JSON
  table   a tidy table as CSV, to stdout
  export  a tidy table in a file, OUT.csv or OUT.parquet, written whole or not at all

What a tidy table has (--what):
  scores   a row for each run, split, task and metric, with what the run cost (default)
  history  a row for each evaluation along training, split, task and metric
  counts   a row for each run and test sentence: how many right, predicted, gold

To read one takes pandas alone: pandas.read_csv("OUT.csv"), pandas.read_parquet("OUT.parquet").
"""


def runs(options: argparse.Namespace) -> int:
    """List finished runs, show one, or leave a table of them."""
    from mtlkit.results import Store, find_root, write_atomically

    folder = find_root() / "runs" / options.profile
    store = Store(folder, DATA / "results" / options.profile)
    if options.action == "show":
        print(json.dumps(_one(store, options), indent=1))
        return 0
    if options.action == "export":
        out = _out(options.id)
    elif options.id is not None:
        raise UsageError(
            f"`mtlkit runs {options.action}` takes no {options.id!r}: to have some runs only, say "
            "--route TEXT or --target TASK"
        )
    if options.target is not None and options.target not in TASKS:
        raise UsageError(unknown("task", options.target, TASKS))
    if options.action == "list":
        _print(record for record in store if _wanted(record, options))
        if not len(store):
            print(f"no runs in {folder}; `mtlkit study` makes some", file=sys.stderr)
        return 0
    ids = list(store.ids())
    if (options.route, options.target) != (None, None):
        ids = [id for id in ids if _wanted(store.load(id), options)]
    if options.action == "export" and not ids:
        raise UsageError(
            f"there is nothing to export: {folder} has no such runs; "
            f"`mtlkit runs list --profile {options.profile}` shows what there is"
        )
    tables = {
        "scores": store.table,
        "history": store.history,
        "counts": lambda ids: counts(store, ids),
    }
    frame = tables[options.what](ids)
    if options.action == "table":
        frame.to_csv(sys.stdout, index=False)
        return 0
    write_atomically(out, _content(frame, out.suffix))
    print(f"{options.what} of {len(ids)} runs, {len(frame)} rows, in {out}")
    return 0


def _one(store: "Store", options: argparse.Namespace) -> "Record":
    """The run whose id begins as asked, without its counts."""
    found = [id for id in store.ids() if options.id and id.startswith(options.id)]
    if len(found) != 1:
        what = f"{len(found)} runs begin with {options.id!r}" if options.id else "no id given"
        raise UsageError(f"{what}: `mtlkit runs list --profile {options.profile}` has the ids")
    return {key: value for key, value in store.load(found[0]).items() if key != "counts"}


def _out(text: str | None) -> Path:
    """The file to export to, if it can be one."""
    if text is None:
        raise UsageError("no file given to export to: say OUT.csv or OUT.parquet")
    out = Path(text)
    if out.suffix not in (".csv", ".parquet"):
        found = f"ends in {out.suffix!r}" if out.suffix else "has no ending"
        raise UsageError(f"{out} {found}: expected a name that ends in .csv or .parquet")
    if out.is_dir():
        raise UsageError(f"{out} is a folder: choose another name")
    return out


def _content(frame: "pd.DataFrame", suffix: str) -> bytes:
    if suffix == ".csv":
        return frame.to_csv(index=False, lineterminator="\n").encode()
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()


def _wanted(record: "Record", options: argparse.Namespace) -> bool:
    named = options.route is None or options.route in record["run"]["route"]
    return named and options.target in (None, _target(record))


def _target(record: "Record") -> str | None:
    """What the run is for: its target, or else the only task that it was tested on."""
    tested = list(record["scores"].get("test", {}))
    target = record["run"]["recipe"].get("target")
    return tested[0] if target is None and len(tested) == 1 else target


def _score(record: "Record") -> str:
    """The primary test score on the target, with its metric."""
    from mtlkit.results import primary

    task = _target(record)
    found = record["scores"].get("test", {}).get(task)
    return "" if task is None or found is None else f"{found[primary(task)]:.4f} {primary(task)}"


def _print(records: Iterable["Record"]) -> None:
    """A line a run, under a head, in columns."""
    rows = [
        (
            record["id"][:12],
            str(record["run"]["seed"]),
            record["run"]["route"],
            _target(record) or "",
            _score(record),
            f"{record['ledger']['seconds']:.1f}",
        )
        for record in records
    ]
    if not rows:
        return
    rows.insert(0, ("id", "seed", "route", "target", "score", "seconds"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for *cells, seconds in rows:
        print(*map(str.ljust, cells, widths), seconds.rjust(widths[-1]), sep="  ")


def counts(store: "Store", ids: Iterable[str]) -> "pd.DataFrame":
    """What is behind the test scores, tidy: a row for each run, task, metric and test sentence.

    Columns: id, route, start, seed, target, task, metric, sentence (from 0, in the order of the
    test split), right, predicted, gold (how many of the sentence's labels).
    """
    import numpy as np
    import pandas as pd

    from mtlkit.results import identity

    heads: list[dict[str, Any]] = []
    found: list[Sequence[Sequence[int]]] = []
    for record in map(store.load, ids):
        for task, each in record["counts"].items():
            for metric, rows in each.items():
                heads.append({**identity(record), "task": task, "metric": metric})
                found.append(rows)
    lengths = [len(rows) for rows in found]
    # A category for each text: there are as many rows as all runs have sentences.
    texts = dict.fromkeys(("id", "route", "start", "target", "task", "metric"), "category")
    frame = pd.DataFrame(heads).astype(texts)
    frame = frame.loc[np.repeat(np.arange(len(heads)), lengths)].reset_index(drop=True)
    frame["sentence"] = np.concatenate([np.arange(length) for length in lengths])
    frame[["right", "predicted", "gold"]] = np.concatenate([np.asarray(rows) for rows in found])
    return frame
