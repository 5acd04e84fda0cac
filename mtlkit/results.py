"""The results store: one record a run, written once and atomically, read back as tidy tables.

A record is a plain dictionary with the keys of `KEYS`.  A study that was stopped starts again
where it was, because a run whose id is in the store is finished.  Any number of processes may
write to one folder: each record is its own file, and a file appears complete or not at all.
"""

import json
import lzma
import math
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mtlkit import metrics
from mtlkit.routes import TASKS

__all__ = ["KEYS", "Record", "ResultsError", "Store", "find_root", "primary", "write_atomically"]

Record = dict[str, Any]

KEYS = ("id", "run", "scores", "counts", "history", "ledger", "environment")
"""The keys of a record.

``id``: SHA-256 of the run's canonical JSON.  ``run``: ``{"route", "recipe", "seed", "corpora"}``.
``scores``: split -> task -> metric -> fraction.  ``counts``: task -> metric -> one ``[right,
predicted, gold]`` a test sentence.  ``history``: one entry an evaluation, ``{"stage", "update",
"seconds", "loss": {task: float}, "scores": {split: {task: {metric: float}}}}``.  ``ledger``:
what the run cost.  ``environment``: library versions and machine.  Seconds are those that the
processor worked, not those of a clock on the wall.
"""

RUN_COLUMNS = ["id", "route", "start", "seed", "target"]
SCORE_COLUMNS = [*RUN_COLUMNS, "split", "task", "metric", "score"]
HISTORY_COLUMNS = [*RUN_COLUMNS, "stage", "update", "seconds", "split", "task", "metric", "score"]

TRACED = ("weights", "shares", "cosines", "conflicts", "affinity")
"""What an entry of a history may have beside loss and scores: name -> mean since the last entry."""

OWN_RESULTS_ONLY = "own-results-only"
"""A file of this name beside a lab's runs: published results do not count, all is trained here."""


class ResultsError(ValueError):
    """A record that cannot be stored, found or read; the text names the file and what to do."""


def primary(task: str) -> str:
    """The metric that stands for a task."""
    kind = "spans" if task == "ner" else TASKS[task]
    return "perplexity" if kind == "mlm" else metrics.PRIMARY[kind]


def find_root(start: Path | None = None) -> Path:
    """The folder that holds ``notebooks/``: the working folder or the nearest one above it."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "pyproject.toml").is_file():
            return folder
    return here


class Store:
    """The runs in `folder`, and those in the read-only folders `also`.

    Reads one-record files ``<id>.json`` and packed files ``*.jsonl.xz`` (one record a line, made
    by `publish`; ``xzcat`` shows them).  Where several hold one id, `folder` comes before `also`,
    and in a folder the single file before the packed ones.  A folder that does not exist (yet) is
    an empty one.

    Not-a-number is stored as ``null`` and infinity as ``"inf"``, so that every file is strict
    JSON; `table` and `history` turn both back into floats.
    """

    def __init__(self, folder: str | os.PathLike[str], *also: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.also = tuple(Path(extra) for extra in also)
        self._packs: dict[Path, tuple[tuple[int, int], dict[str, bytes]]] = {}

    def __repr__(self) -> str:
        return f"Store({', '.join(repr(str(path)) for path in (self.folder, *self.also))})"

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self._find(id) is not None

    def __iter__(self) -> Iterator[Record]:
        """Every record, in the order of the ids."""
        return (self.load(id) for id in self.ids())

    def __len__(self) -> int:
        return len(self.ids())

    def ids(self) -> tuple[str, ...]:
        """The ids of all runs, sorted."""
        found: set[str] = set()
        for folder in (self.folder, *self.also):
            found.update(path.stem for path in folder.glob("*.json"))
            for pack in sorted(folder.glob(_PACKS)):
                found.update(self._lines(pack))
        return tuple(sorted(found))

    def save(self, record: Mapping[str, Any]) -> Path:
        """Write `record` to ``<folder>/<id>.json``; an earlier record of that id is replaced.

        Raises `ResultsError` for a record with missing or unknown keys, an id that cannot name a
        file, or a value that is not JSON.
        """
        check(record)
        path = self.folder / f"{record['id']}.json"
        write_atomically(path, _dump(record, what=f"run {record['id']}") + "\n")
        return path

    def load(self, id: str) -> Record:
        """The record of run `id`.  Raises `ResultsError` where there is none or it is broken."""
        path = self._find(id)
        if path is None:
            folders = ", ".join(str(folder) for folder in (self.folder, *self.also))
            raise ResultsError(
                f"no run {id!r} in {folders}: train it first, or name the folder that holds it"
            )
        single = path.suffix == ".json"
        record = _parse(path.read_bytes() if single else self._lines(path)[id], path, None)
        if record["id"] != id:
            raise ResultsError(
                f"{path}: holds run {record['id']!r}, but its name says {id!r}; "
                "rename the file to its run's id, or delete it and train again"
            )
        return record

    def publish(self, path: str | os.PathLike[str], ids: Iterable[str]) -> Path:
        """Pack the runs `ids` into one file, a line a record, sorted by id: the same runs give
        the same bytes.  `path` must end in ``.jsonl.xz``."""
        path = Path(path)
        if not path.match(_PACKS):
            raise ResultsError(f"{path}: a packed file is read only if its name ends in .jsonl.xz")
        lines = [_dump(self.load(id), what=f"run {id}") + "\n" for id in sorted(set(ids))]
        write_atomically(path, lzma.compress("".join(lines).encode()))
        return path

    def table(
        self, ids: Iterable[str] | None = None, *, recipe: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Final scores, tidy: a row for each run, split, task and metric.

        Columns: id, route, start (the route's first word), seed, target, split, task, metric,
        score (a fraction), the fields of the recipe named in `recipe` (e.g. ``("sharing",)``), then
        every ledger entry that is one number or text (seconds, updates, parameters, ...).
        `ids`: only these runs, all by default.
        """
        rows: list[dict[str, Any]] = []
        for record in self._select(ids):
            cost = {k: v for k, v in record["ledger"].items() if isinstance(v, (int, float, str))}
            run = {**identity(record), **_recipe_cells(record, recipe)}
            for place in _scores(record["scores"]):
                rows.append({**run, **place, **cost})
        return _frame(rows, [*SCORE_COLUMNS, *recipe])

    def history(
        self, ids: Iterable[str] | None = None, *, recipe: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Scores during training, tidy: a row for each run, stage, update, split, task, metric.

        Columns: id, route, start, seed, target, stage (from 0), update (within the stage),
        seconds, split, task, metric, score.  The mean loss of the batches since the evaluation
        before is there as split ``train``, metric ``training_loss``.
        """
        rows: list[dict[str, Any]] = []
        for record in self._select(ids):
            run = {**identity(record), **_recipe_cells(record, recipe)}
            for entry in record["history"]:
                when = {key: entry.get(key) for key in ("stage", "update", "seconds")}
                losses = {
                    task: {"training_loss": loss} for task, loss in entry.get("loss", {}).items()
                }
                for place in (*_scores({"train": losses}), *_scores(entry.get("scores", {}))):
                    rows.append({**run, **when, **place})
        return _frame(rows, [*HISTORY_COLUMNS, *recipe])

    def trace(self, ids: Iterable[str] | None = None) -> pd.DataFrame:
        """What methods did during training, tidy: a row for each run, stage, update, kind, name.

        Columns: id, route, start, seed, target, stage, update, kind, name, value.  A value is the
        mean over the updates since the evaluation before.  Kinds: ``weights`` of the tasks' losses;
        with surgery ``shares`` that the trunk had of each task, ``cosines`` of each pair of tasks
        (named ``pos|ner``), and ``conflicts``, how often these were below zero; with lookahead
        ``affinity`` (named ``pos>ner``).
        """
        rows: list[dict[str, Any]] = []
        for record in self._select(ids):
            run = identity(record)
            for entry in record["history"]:
                when = {key: entry.get(key) for key in ("stage", "update")}
                rows.extend(
                    {**run, **when, "kind": kind, "name": name, "value": value}
                    for kind in TRACED
                    for name, value in entry.get(kind, {}).items()
                )
        return _frame(rows, [*RUN_COLUMNS, "stage", "update", "kind", "name", "value"])

    def _select(self, ids: Iterable[str] | None) -> Iterator[Record]:
        return iter(self) if ids is None else (self.load(id) for id in sorted(set(ids)))

    def _find(self, id: str) -> Path | None:
        """The file that holds run `id`."""
        if not _NAME.fullmatch(id):
            return None
        for folder in (self.folder, *self.also):
            if (single := folder / f"{id}.json").is_file():
                return single
            for pack in sorted(folder.glob(_PACKS)):
                if id in self._lines(pack):
                    return pack
        return None

    def _lines(self, pack: Path) -> dict[str, bytes]:
        """Run id -> its line in a packed file; kept until the file changes."""
        stat = pack.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if pack not in self._packs or self._packs[pack][0] != stamp:
            try:
                lines = lzma.decompress(pack.read_bytes()).splitlines()
            except lzma.LZMAError as error:
                raise ResultsError(f"{pack}: not a whole xz file ({error}); {_RESTORE}") from error
            numbered = enumerate(lines, start=1)
            kept = {_parse(line, pack, number)["id"]: line for number, line in numbered}
            self._packs[pack] = stamp, kept
        return self._packs[pack][1]


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write text (as UTF-8) or bytes to `path`: no reader, and no crash, meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The temporary file is in the same folder: a rename is atomic only within a file system.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


_PACKS = "*.jsonl.xz"
_RESTORE = "restore the file from version control, or publish it again"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


def check(record: Mapping[str, Any]) -> None:
    """Raise `ResultsError` unless `record` has the shape that `KEYS` describes."""
    if missing := [key for key in KEYS if key not in record]:
        raise ResultsError(f"a record needs the keys {', '.join(KEYS)}; missing: {missing}")
    if unknown := sorted(set(record) - set(KEYS)):
        raise ResultsError(f"a record has only the keys {', '.join(KEYS)}; unknown: {unknown}")
    if not isinstance(record["id"], str) or not _NAME.fullmatch(record["id"]):
        raise ResultsError(
            f"run id {record['id']!r} cannot name a file: "
            "use 1 to 128 letters, digits, '-' and '_' (a SHA-256 in hex)"
        )
    if lacking := sorted({"route", "recipe", "seed", "corpora"} - set(record["run"])):
        raise ResultsError(f"run {record['id']}: its 'run' lacks {lacking}; store Run.to_json()")
    reserved = set(SCORE_COLUMNS) | set(HISTORY_COLUMNS) - {"seconds"}
    if clash := sorted(reserved & set(record["ledger"])):
        raise ResultsError(
            f"run {record['id']}: ledger entries {clash} have names of the table's own columns; "
            "rename them"
        )


def _parse(data: bytes, path: Path, line: int | None) -> Record:
    where = str(path) if line is None else f"{path}, line {line}"
    try:
        record = json.loads(data)
        check(record)
    except (UnicodeDecodeError, json.JSONDecodeError, ResultsError, TypeError) as error:
        cure = (
            "delete the file and start the study again: only this run is trained anew"
            if path.suffix == ".json"
            else _RESTORE
        )
        raise ResultsError(f"{where}: not a whole run record ({error}); {cure}") from error
    return record


def _dump(record: Mapping[str, Any], *, what: str) -> str:
    try:
        plain, small = _plain(record), (",", ":")
        return json.dumps(
            plain, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=small
        )
    except TypeError as error:
        raise ResultsError(
            f"{what} cannot be stored: {error}; use plain numbers, text and lists"
        ) from error


def _plain(value: Any) -> Any:
    """`value` as strict JSON: NumPy numbers as Python's, NaN as null, infinity as text."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if type(value).__module__ == "numpy":
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def _scores(scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for split, tasks in scores.items():
        for task, found in tasks.items():
            for metric, score in found.items():
                yield {"split": split, "task": task, "metric": metric, "score": _number(score)}


def identity(record: Record) -> dict[str, Any]:
    """Which run a row is of: the cells of `RUN_COLUMNS`."""
    run = record["run"]
    return {
        "id": record["id"],
        "route": run["route"],
        "start": run["route"].split(">")[0].strip(),
        "seed": run["seed"],
        "target": run["recipe"].get("target"),
    }


def _recipe_cells(record: Record, fields: Sequence[str]) -> dict[str, Any]:
    recipe = record["run"]["recipe"]
    if unknown := [field for field in fields if field not in recipe]:
        raise ResultsError(
            f"run {record['id']}: its recipe has no {unknown}; it has {sorted(recipe)}"
        )
    return {field: recipe[field] for field in fields}


def _frame(rows: list[dict[str, Any]], first: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows) if rows else pd.DataFrame(columns=first)
    return frame[[*first, *(column for column in frame if column not in first)]]
