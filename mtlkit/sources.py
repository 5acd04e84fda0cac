"""Pinned files: where the corpora's files come from, and proof that they are the right ones.

``data/corpora.toml`` says what there is; ``data/sources.tsv`` pins every file by URL, size and
SHA-256.  The cache holds ``<folder>/<path>``; it lies where ``MTLKIT_DATA`` says, or else in the
user's cache folder.  Nothing is read that was not checked: `read` returns the very bytes it hashed.
"""

import csv
import difflib
import hashlib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from mtlkit import DATA, own

ATTEMPTS = 3
"""How often a file is asked for before `fetch` gives up."""

TIMEOUT = 20.0
"""Seconds without an answer after which an attempt ends."""


class CorpusError(ValueError):
    """A corpus, or a part of it, is not there, not whole or not what was asked for."""


@dataclass(frozen=True, slots=True)
class Source:
    """One pinned file: its ``folder`` and ``path`` in the cache, its size, SHA-256 and URL."""

    folder: str
    path: str
    bytes: int
    sha256: str
    url: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


def cache_folder() -> Path:
    """Return the folder of the cache: ``MTLKIT_DATA`` if set, or else the user's cache folder."""
    named = os.environ.get("MTLKIT_DATA")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("mtlkit") / "corpora"


def generated_folder() -> Path:
    """Return the user's own cache folder, for what is made: ``MTLKIT_DATA`` may be shared."""
    return platformdirs.user_cache_path("mtlkit")


def registry() -> Mapping[str, Mapping[str, Any]]:
    """Return the tables of ``data/corpora.toml``, one a corpus, in order, then one's own."""
    return own.beside(_shipped())


@cache
def _shipped() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((DATA / "corpora.toml").read_text(encoding="utf-8"))


def unknown(what: str, name: str, known: Iterable[str]) -> CorpusError:
    """Return the error for a name that is not among the known ones, with the near ones."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"
    )
    return CorpusError(f"unknown {what} {name!r}; {hint}")


def files(corpus: str) -> tuple[Source, ...]:
    """Return the pinned files of a corpus, sorted by path; none if it is generated.

    Those of one's own corpora lie in their own folder, wherever the cache is.
    """
    if corpus in _shipped():
        return _files(corpus)
    if corpus not in (known := registry()):
        raise unknown("corpus", corpus, known)
    table = known[corpus]
    found = [
        Source(table["folder"], f["path"], f["bytes"], f["sha256"], f["url"])
        for f in table["own"]["files"]
    ]
    return tuple(sorted(found, key=lambda source: source.path))


@cache
def _files(corpus: str) -> tuple[Source, ...]:
    table = _shipped()[corpus]
    return tuple(
        source
        for source in _pinned()
        if source.folder == table["folder"]
        and any(fnmatch(source.path, pattern) for pattern in table["files"])
    )


@cache
def _pinned() -> tuple[Source, ...]:
    with open(DATA / "sources.tsv", encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream, delimiter="\t")
        next(rows)
        found = [Source(row[0], row[1], int(row[2]), row[3], row[4]) for row in rows]
    return tuple(sorted(found, key=lambda source: (source.folder, source.path)))


def read(corpus: str, source: Source) -> bytes:
    """Return the checked bytes of a file of a corpus, which is fetched first if it is not there.

    Raises `CorpusError` if the file cannot be fetched or read, or if it is not the pinned one.
    """
    path = cache_folder() / source.folder / source.path
    if not path.exists():
        fetch(corpus)
    if problem := _problem(corpus, source, data := _bytes(path)):
        raise CorpusError(problem)
    return data


def fetch(corpus: str, *, progress: bool = True) -> Path:
    """Download what the cache lacks of a corpus, and replace what is damaged; return its folder.

    A file is stored only when it is whole and its checksum is right.  A cache that is complete is
    not written to.  Raises `CorpusError`, one sentence, if a file cannot be had or stored.
    """
    folder = cache_folder()
    lacking = [s for s in files(corpus) if not _is_right(folder / s.folder / s.path, s)]
    for source in lacking:
        if not source.url:
            path = folder / source.folder / source.path
            raise CorpusError(f"{path} is missing or changed; {_cure(corpus, source)}")
    if lacking:
        _download(corpus, lacking, folder, progress=progress)
    return folder / registry()[corpus]["folder"]


def check(corpus: str) -> tuple[str, ...]:
    """Compare every file of a corpus with its checksum; return a sentence for each problem."""
    problems = []
    for source in files(corpus):
        path = cache_folder() / source.folder / source.path
        if not path.exists():
            problems.append(f"{path} is not there; {_cure(corpus, source)}")
        elif problem := _problem(corpus, source, _bytes(path)):
            problems.append(problem)
    return tuple(problems)


def present(corpus: str) -> int:
    """Count the files of a corpus that the cache has, by name and size only, which is quick."""
    paths = [(cache_folder() / s.folder / s.path, s.bytes) for s in files(corpus)]
    return sum(path.is_file() and path.stat().st_size == size for path, size in paths)


def _is_right(path: Path, source: Source) -> bool:
    return path.is_file() and hashlib.sha256(_bytes(path)).hexdigest() == source.sha256


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CorpusError(f"cannot read {path} ({reason}); check its permissions") from error


def _cure(corpus: str, source: Source) -> str:
    """What to do for a file that is not there, or not the right one."""
    if source.url:
        return f"run: mtlkit data fetch {corpus}"
    return f"it is your own: run mtlkit data remove {corpus}, and add it again from your copy"


def _problem(corpus: str, source: Source, data: bytes) -> str:
    found = hashlib.sha256(data).hexdigest()
    if found == source.sha256:
        return ""
    return (
        f"{cache_folder() / source.folder / source.path} is not the pinned file:\n"
        f"  expected SHA-256 {source.sha256}, {source.bytes} bytes\n"
        f"  found    SHA-256 {found}, {len(data)} bytes\n"
        f"It was changed or cut off. To replace it, {_cure(corpus, source)}"
    )


def _download(corpus: str, lacking: list[Source], folder: Path, *, progress: bool) -> None:
    # Slow to import, and needed only when something is missing.
    import pooch
    import requests
    from tqdm.auto import tqdm

    # Its log has a line for each file, and GUM has hundreds; the progress bar says enough.
    pooch.get_logger().setLevel("WARNING")
    hashes = {f"{source.folder}/{source.path}": f"sha256:{source.sha256}" for source in lacking}
    urls = {f"{source.folder}/{source.path}": source.url for source in lacking}
    store = pooch.create(
        folder, base_url="", registry=hashes, urls=urls, retry_if_failed=ATTEMPTS - 1
    )
    downloader = pooch.HTTPDownloader(timeout=TIMEOUT)
    total = sum(source.bytes for source in lacking)
    with tqdm(
        total=total, desc=corpus, unit="B", unit_scale=True, leave=False, disable=not progress
    ) as bar:
        for source in lacking:
            host = urlsplit(source.url).netloc
            try:
                store.fetch(f"{source.folder}/{source.path}", downloader=downloader)
            except requests.RequestException as error:
                raise CorpusError(
                    f"{corpus}: cannot download {source.path} from {host} "
                    f"({type(error).__name__}); connect to the network, or set MTLKIT_DATA to a "
                    f"folder that has it"
                ) from None  # a network's own errors are pages long
            except OSError as error:
                raise CorpusError(
                    f"{corpus}: cannot write {source.path} to {folder} "
                    f"({error.strerror or error}); set MTLKIT_DATA to a folder that can be written"
                ) from error
            except ValueError as error:
                raise CorpusError(
                    f"{corpus}: {source.url} does not have the pinned SHA-256 {source.sha256}, so "
                    f"nothing was stored; try again later, a proxy may have changed the answer"
                ) from error
            bar.update(source.bytes)
