"""Corpora of one's own: what the user's folder holds, as tables beside the shipped ones.

The folder is ``MTLKIT_OWN``, or else lies with the user's data.  Each corpus is a folder in it, by
its name: the files, as they were given, and ``corpus.toml`` with what they are and their checksums.
`mtlkit.registry` writes these folders; here they are read.
"""

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import platformdirs

__all__ = [
    "FORMATS", "NAME", "SIDES", "TABLE", "OwnError", "beside", "folder", "settings", "tables",
    "version",
]  # fmt: skip

TABLE = "corpus.toml"
"""Name of the file that describes a corpus, in its folder."""

NAME = re.compile("[a-z][a-z0-9_-]{0,39}")
"""What a corpus of one's own may be called: letters that every file system tells apart."""

FORMATS = ("conllu", "csv")
SIDES = ("train", "dev", "test")

_KEYS = {"format": str, "tasks": list, "subsets": list, "text": str, "label": str, "files": list}
_FILE_KEYS = {"path": str, "side": str, "bytes": int, "sha256": str, "url": str}


class OwnError(ValueError):
    """A corpus of one's own whose description cannot be read."""


def folder() -> Path:
    """The folder of one's own corpora, absolute: ``MTLKIT_OWN`` if set, or with the user's data."""
    named = os.environ.get("MTLKIT_OWN")
    found = Path(named).expanduser() if named else platformdirs.user_data_path("mtlkit") / "corpora"
    return found.absolute()


def tables() -> dict[str, dict[str, Any]]:
    """One's own corpora by name: the keys of ``data/corpora.toml``, and ``own`` with the rest.

    The folder is read each time, so that what is added or removed is noticed at once.  Raises
    `OwnError` for a description that is damaged.
    """
    found = {}
    for name, text in _descriptions().items():
        path = folder() / name
        own = _parse(text, path / TABLE)
        sides = ", ".join(dict.fromkeys(file["side"] for file in own["files"]))
        found[name] = {
            "title": f"Your own: {name}",
            "tasks": own["tasks"],
            "subsets": own["subsets"],
            "default_for": [],
            "licence": "yours to know",
            "citation": "",
            "homepage": "",
            "folder": str(path),
            "files": [file["path"] for file in own["files"]],
            "note": f"Registered here, with files for {sides}; a hash makes the splits they lack.",
            "own": own,
        }
    return found


def beside(shipped: Mapping[str, Any]) -> dict[str, Any]:
    """The shipped tables and one's own after them; of a name that both have, the shipped one."""
    return {**shipped, **{name: own for name, own in tables().items() if name not in shipped}}


def version(corpus: str) -> str:
    """What changes whenever a corpus of one's own does, in this process or another; else ""."""
    text = _descriptions().get(corpus)
    return "" if text is None else hashlib.sha256(text).hexdigest()


def settings(own: Mapping[str, Any]) -> str:
    """What examples depend on beside the bytes of the files, as a line of text."""
    sides = " ".join(f"{file['path']}={file['side']}" for file in own["files"])
    tasks = " ".join(own["tasks"]) if own["format"] == "csv" else ""
    return "\t".join((own["format"], own["text"], own["label"], tasks, sides))


def _descriptions() -> dict[str, bytes]:
    """The bytes of each description, by the name of its corpus; a folder without one is none."""
    found = {}
    try:
        paths = sorted(folder().iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise OwnError(
            f"cannot read {folder()} ({error.strerror}); make it readable, or set MTLKIT_OWN to "
            "another folder"
        ) from None
    for path in paths:
        if NAME.fullmatch(path.name):
            try:
                found[path.name] = (path / TABLE).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise OwnError(f"cannot read {path / TABLE} ({error.strerror})") from None
    return found


@lru_cache(maxsize=256)
def _parse(text: bytes, path: Path) -> dict[str, Any]:
    """A description, if it is whole."""
    try:
        found = tomllib.loads(text.decode("utf-8"))
        _check(found, _KEYS)
        for file in found["files"]:
            _check(file, _FILE_KEYS)
        if found["format"] not in FORMATS:
            raise ValueError(f"format is {found['format']!r}, expected one of {', '.join(FORMATS)}")
        if odd := [f["side"] for f in found["files"] if f["side"] not in SIDES]:
            raise ValueError(f"side is {odd[0]!r}, expected one of {', '.join(SIDES)}")
    except ValueError as error:
        name = path.parent.name
        raise OwnError(
            f"{path} is damaged ({error}); to be rid of it: mtlkit data remove {name}, then add "
            "the corpus again"
        ) from None
    return found


def _check(table: Any, keys: Mapping[str, type]) -> None:
    for key, kind in keys.items():
        if not isinstance(table, dict) or not isinstance(table.get(key), kind):
            found = repr(table.get(key)) if isinstance(table, dict) else repr(table)
            raise ValueError(f"{key} is {found}, expected a {kind.__name__}")
