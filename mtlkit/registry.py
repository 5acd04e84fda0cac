"""The registry of one's own corpora: adding one, whole or not at all, and removing it.

What is added is read first, every line of it.  Then its files are copied into a folder beside the
others, with their checksums, and that folder is moved to its place: a corpus is there, or is not.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtlkit import holdings, own, sources, treebanks
from mtlkit.examples import Example
from mtlkit.routes import TASKS, unknown

__all__ = ["Added", "RegistryError", "add", "remove"]

_ENDINGS = {".conllu": "conllu", ".csv": "csv", ".tsv": "csv"}
_SIDE = re.compile(r"(?<![a-z])(train|dev|test)(?![a-z])", re.IGNORECASE)


class RegistryError(ValueError):
    """A corpus of one's own that cannot be added or removed."""


@dataclass(frozen=True)
class Added:
    """What was registered: the tasks, sentences a split, and what one should know of it."""

    name: str
    tasks: tuple[str, ...]
    sizes: Mapping[str, int]
    notes: tuple[str, ...]
    folder: Path

    def __str__(self) -> str:
        sizes = ", ".join(f"{side} {size:,}" for side, size in self.sizes.items())
        first = f"{self.name}: {' '.join(self.tasks)}; sentences: {sizes}; in {self.folder}"
        use = f'use it as in "minilm > {self.tasks[0]}@{self.name}"'
        return "\n  ".join([first, *(f"note: {note}" for note in self.notes), use])


def add(
    name: str,
    place: str | os.PathLike[str],
    *,
    dev: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    text: str = "text",
    label: str = "label",
    tasks: Sequence[str] = (),
    release: str = treebanks.RELEASE,
) -> Added:
    """Register a treebank or a sheet of labelled sentences under a name that routes understand.

    Parameters
    ----------
    place
        A file, or a folder of files: ``.conllu``, or ``.csv`` and ``.tsv``.  In a folder those with
        train, dev or test in their names are of that side, the others are of train.  Or
        ``ud:CODE``, a treebank of Universal Dependencies, which is fetched; of one that has only
        test, the hash makes all sides.
    dev, test
        Files of these sides.  A side without a file is made by a hash: see `mtlkit.holdings`.
    text, label
        Of a sheet, the columns.
    tasks
        Of a treebank, those to offer (default: all that each split has labels for).  Of a sheet,
        the one task that its labels are for (default ``label``).

    Raises
    ------
    RegistryError, TreebankError, SheetError, ConlluError
        What cannot be added says why, and nothing is registered.
    """
    _check_name(name)
    with tempfile.TemporaryDirectory() as fetched:
        given: dict[str, list[tuple[Path, str]]]
        if str(place).startswith("ud:"):
            code = str(place).removeprefix("ud:")
            paths, urls = treebanks.fetch(code, Path(fetched), release=release)
            given = {side: [(path, urls[side])] for side, path in paths.items()}
            if set(given) == {"test"}:  # a treebank for testing only: a hash makes its sides
                given = {"train": given["test"]}
        else:
            given = {side: [(p, "") for p in found] for side, found in _sides(Path(place)).items()}
        for side, path in (("dev", dev), ("test", test)):
            if path is not None:
                if side in given:
                    raise RegistryError(
                        f"{given[side][0][0]} is of {side} by its name, and --{side} is {path}: "
                        "give one of them"
                    )
                given[side] = [(Path(path), "")]
        return _register(name, given, text, label, tuple(tasks))


def _check_name(name: str) -> None:
    if not own.NAME.fullmatch(name):
        raise RegistryError(
            f"{name!r} cannot name a corpus: expected a small letter, then small letters, digits, "
            "_ or -, 40 at most"
        )
    if (own.folder() / name).exists():
        raise RegistryError(
            f"{name} is registered already, in {own.folder() / name}; to replace it, first run: "
            f"mtlkit data remove {name}"
        )
    if name in sources.registry():
        raise RegistryError(f"{name} is a corpus of mtlkit's own; choose another name")


def _sides(place: Path) -> dict[str, list[Path]]:
    """The files of a place, by side."""
    if not place.exists():
        raise RegistryError(f"{place} is not there; expected a file, a folder, or ud:CODE")
    if not place.is_dir():
        return {"train": [place]}
    sides: dict[str, list[Path]] = {}
    for path in sorted(place.iterdir()):
        if path.suffix.lower() in _ENDINGS and not path.name.startswith("."):
            match = _SIDE.search(path.stem)
            sides.setdefault(match[1].lower() if match else "train", []).append(path)
    if not sides:
        raise RegistryError(f"{place} has no file that ends in {', '.join(_ENDINGS)}")
    return sides


def _register(
    name: str,
    given: Mapping[str, Sequence[tuple[Path, str]]],
    text: str,
    label: str,
    tasks: tuple[str, ...],
) -> Added:
    files = [(side, path, url) for side in own.SIDES for path, url in given.get(side, ())]
    form = _format([path for _, path, _ in files])
    if form == "csv":
        tasks = _sheet_task(tasks)
    table: dict[str, Any] = {
        "format": form, "tasks": list(tasks), "subsets": [], "text": text, "label": label,
        "files": [],
    }  # fmt: skip
    parts: dict[str, list[Example]] = {}
    contents = []
    for number, (side, path, url) in enumerate(files):
        data = _bytes(path)
        found = holdings.examples(data, str(path), table, name=f"{name}-{number}")
        parts.setdefault(side, []).extend(found)
        several = len(given[side]) > 1
        count = sum(file["side"] == side for file in table["files"]) + 1
        stem = f"{side}-{count:03}" if several else side
        contents.append((f"{stem}{path.suffix.lower()}", data))
        table["files"].append({
            "path": contents[-1][0], "side": side, "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(), "url": url,
        })  # fmt: skip
    splits = holdings.split(parts)
    if empty := [side for side, found in splits.items() if not found]:
        raise RegistryError(
            f"{name}: no sentence is left for {empty[0]}, of {sum(map(len, splits.values()))} in "
            f"all; give more sentences, or a file for {empty[0]}"
        )
    table["tasks"] = list(_offered(name, splits, tasks))
    table["subsets"] = sorted({
        e.subset for found in splits.values() for e in found
        if re.fullmatch(r"[A-Za-z0-9_.-]+", e.subset)
    })  # fmt: skip
    folder = _write(name, table, contents)
    sizes = {side: len(found) for side, found in splits.items()}
    return Added(name, tuple(table["tasks"]), sizes, tuple(_notes(splits, table["tasks"])), folder)


def _format(paths: Iterable[Path]) -> str:
    formats = {}
    for path in paths:
        if path.suffix.lower() not in _ENDINGS:
            found = f"ends in {path.suffix!r}" if path.suffix else "has no ending"
            raise RegistryError(f"{path} {found}: expected one of {', '.join(_ENDINGS)}")
        formats[_ENDINGS[path.suffix.lower()]] = path
    if len(formats) > 1:
        both = " and ".join(map(str, formats.values()))
        raise RegistryError(f"{both} are of two formats: give treebanks, or sheets, not both")
    return next(iter(formats))


def _sheet_task(tasks: tuple[str, ...]) -> tuple[str, ...]:
    """The task of a sheet, which has one label a sentence."""
    tasks = tuple(task for task in tasks if task != "mlm") or ("label",)
    if tasks[0] not in TASKS:
        raise RegistryError(unknown("task", tasks[0], TASKS))
    if len(tasks) > 1 or TASKS[tasks[0]] in ("tags", "tree", "mlm"):
        raise RegistryError(
            f"a sheet has one label a sentence, so it cannot be for {'+'.join(tasks)}: give one "
            "task with such labels, or none, which means label"
        )
    return (*tasks, "mlm")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RegistryError(f"cannot read {path} ({reason}); check path and permissions") from None


def _offered(
    name: str, splits: Mapping[str, Sequence[Example]], wanted: Sequence[str]
) -> tuple[str, ...]:
    """The tasks that every split has labels for, mlm last; those wanted, if all are there."""
    sides = {side: Counter(t for e in found for t in e.labels) for side, found in splits.items()}
    there = [task for task in TASKS if all(task in count for count in sides.values())]
    for task in wanted:
        if task != "mlm" and task not in there:
            lacking = ", ".join(side for side, count in sides.items() if task not in count)
            raise RegistryError(
                f"{name} has no labels for {task!r} in {lacking}; it has "
                f"{', '.join(there) or 'none in all splits'}"
            )
    chosen = [task for task in there if not wanted or task in wanted]
    for task in chosen:
        values = {repr(e.labels[task]) for e in splits["train"] if task in e.labels}
        if TASKS[task] not in ("tags", "tree") and len(values) < 2:
            raise RegistryError(
                f"{name}: every training sentence has the label {values.pop()} of {task}, so that "
                "there is nothing to learn; give sentences of two labels or more"
            )
    return (*chosen, "mlm")


def _notes(splits: Mapping[str, Sequence[Example]], tasks: Sequence[str]) -> Iterable[str]:
    """What is no error, and should be known before results are believed."""
    for a, b in (("train", "dev"), ("train", "test"), ("dev", "test")):
        texts = {" ".join(e.words).lower() for e in splits[a]}
        if shared := sum(" ".join(e.words).lower() in texts for e in splits[b]):
            yield (
                f"{shared} of {len(splits[b])} sentences of {b} are in {a}, too: scores on {b} "
                "will be too high"
            )
    for task in tasks:
        if TASKS[task] in ("tags", "tree", "mlm"):
            continue
        known = {e.labels[task] for e in splits["train"] if task in e.labels}
        for side in ("dev", "test"):
            new = {e.labels[task] for e in splits[side] if task in e.labels} - known
            if new:
                yield f"label {min(new)!r} of {task} is in {side} and never in train"


def _write(name: str, table: Mapping[str, Any], contents: Sequence[tuple[str, bytes]]) -> Path:
    """Put a corpus in its place, whole."""
    home = own.folder()
    home.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=home))
    try:
        for path, data in contents:
            (part / path).write_bytes(data)
        (part / own.TABLE).write_text(_toml(table), encoding="utf-8")
        part.chmod(0o755)  # not for its maker alone, as temporary folders are
        try:
            part.rename(home / name)
        except OSError:
            _check_name(name)  # another process was faster
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return home / name


def _toml(table: Mapping[str, Any]) -> str:
    lines = ["# A corpus of one's own, written by `mtlkit data add`; a run's id has its checksums."]
    lines += [f"{key} = {_value(value)}" for key, value in table.items() if key != "files"]
    for file in table["files"]:
        lines += ["", "[[files]]", *(f"{key} = {_value(value)}" for key, value in file.items())]
    return "\n".join([*lines, ""])


def _value(value: Any) -> str:
    # Of text and lists of it, TOML reads what JSON writes; but for one sign, which JSON lets stand.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def remove(name: str) -> Path:
    """Take a corpus of one's own out of the registry, with its files; the folder that it had.

    Results of runs on it stay.  Raises `RegistryError` if it is not registered.
    """
    folder = own.folder() / name
    if not own.NAME.fullmatch(name) or not folder.is_dir():
        known = ", ".join(own.tables()) or "none"
        raise RegistryError(f"{name!r} is no corpus of your own; registered are: {known}")
    gone = Path(tempfile.mkdtemp(prefix=".gone-", dir=own.folder()))
    folder.rename(gone / name)  # at once, so that nobody finds half of it
    shutil.rmtree(gone, ignore_errors=True)
    return folder
