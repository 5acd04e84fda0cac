"""Pinned files: what is fetched, what is refused, and what every refusal says."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mtlkit import sources
from mtlkit.sources import CorpusError, Source

CONTENT = b"1 a hand-made sentence .\n"


class Server(ThreadingHTTPServer):
    """A local web server: its files, how many answers fail first, and what was asked for."""

    daemon_threads = True
    files: dict[str, bytes]
    failures: int
    asked: list[str]


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.failures -= 1
        data = self.server.files.get(self.path)
        self.send_response(503 if self.server.failures >= 0 else 404 if data is None else 200)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), _Handler)
    made.files, made.failures, made.asked = {"/a": CONTENT, "/b": CONTENT * 2}, 0, []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def pinned(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """Pin two files of the corpus ``cr`` on the local server, with an empty cache."""
    host = f"http://127.0.0.1:{server.server_port}"
    made = [
        Source("sentences", f"data/{name}", len(data), hashlib.sha256(data).hexdigest(), host + url)
        for name, url, data in (("a.all", "/a", CONTENT), ("b.all", "/b", CONTENT * 2))
    ]
    monkeypatch.setenv("MTLKIT_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "files", lambda corpus: tuple(made))
    monkeypatch.setattr(sources, "ATTEMPTS", 1)
    return made


def test_read_fetches_what_is_missing_once(pinned: list[Source], server: Server) -> None:
    assert sources.present("cr") == 0
    assert sources.read("cr", pinned[0]) == CONTENT
    assert sources.read("cr", pinned[1]) == CONTENT * 2
    assert server.asked == ["/a", "/b"]
    assert sources.present("cr") == 2
    assert sources.check("cr") == ()
    folder = sources.cache_folder()
    assert [p.name for p in sorted(folder.rglob("*")) if p.is_file()] == ["a.all", "b.all"]


def test_a_complete_cache_is_not_written_to(pinned: list[Source], server: Server) -> None:
    sources.fetch("cr", progress=False)
    folder = sources.cache_folder()
    before = {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
    server.asked.clear()
    for source in pinned:
        sources.read("cr", source)
    assert sources.fetch("cr", progress=False) == folder / "sentences"
    assert sources.check("cr") == ()
    assert {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]} == before
    assert server.asked == []


def test_one_changed_byte_is_an_error_and_fetch_mends_it(pinned: list[Source]) -> None:
    sources.fetch("cr", progress=False)
    path = sources.cache_folder() / "sentences" / "data" / "a.all"
    changed = CONTENT.replace(b"hand", b"hard")
    path.write_bytes(changed)
    with pytest.raises(CorpusError) as error:
        sources.read("cr", pinned[0])
    assert str(error.value) == (
        f"{path} is not the pinned file:\n"
        f"  expected SHA-256 {pinned[0].sha256}, {len(CONTENT)} bytes\n"
        f"  found    SHA-256 {hashlib.sha256(changed).hexdigest()}, {len(changed)} bytes\n"
        "It was changed or cut off. To replace it, run: mtlkit data fetch cr"
    )
    assert sources.check("cr") == (str(error.value),)
    sources.fetch("cr", progress=False)
    assert sources.read("cr", pinned[0]) == CONTENT


def test_check_names_what_is_missing(pinned: list[Source]) -> None:
    problems = sources.check("cr")
    assert len(problems) == 2
    assert problems[0].endswith("a.all is not there; run: mtlkit data fetch cr")


def test_without_a_network_one_sentence_says_so(
    pinned: list[Source], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Source("sentences", "data/c.all", 1, "0" * 64, "http://127.0.0.1:1/c")
    monkeypatch.setattr(sources, "files", lambda corpus: (away,))
    with pytest.raises(CorpusError) as error:
        sources.read("cr", away)
    assert str(error.value) == (
        "cr: cannot download data/c.all from 127.0.0.1:1 (ConnectionError); connect to the "
        "network, or set MTLKIT_DATA to a folder that has it"
    )


def test_a_file_that_changed_at_its_source_is_not_stored(
    pinned: list[Source], server: Server
) -> None:
    server.files["/b"] = b"something else"
    with pytest.raises(CorpusError, match=r"does not have the pinned SHA-256 .*nothing was stored"):
        sources.fetch("cr", progress=False)
    folder = sources.cache_folder()
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["a.all"]


def test_a_failed_attempt_is_repeated(
    pinned: list[Source], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "ATTEMPTS", 2)
    server.failures = 1
    assert sources.read("cr", pinned[0]) == CONTENT
    assert server.asked == ["/a", "/a", "/b"]


def test_a_cache_that_cannot_be_written(
    pinned: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MTLKIT_DATA", str(tmp_path / "file" / "cache"))
    with pytest.raises(CorpusError, match=r"cannot write data/a.all to .*; set MTLKIT_DATA to a"):
        sources.fetch("cr", progress=False)


def test_a_folder_in_the_place_of_a_file(pinned: list[Source]) -> None:
    (sources.cache_folder() / "sentences" / "data" / "a.all").mkdir(parents=True)
    with pytest.raises(CorpusError, match=r"cannot read .*a.all \(Is a directory\)"):
        sources.read("cr", pinned[0])


def test_the_cache_is_in_the_users_folder_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTLKIT_DATA", "~/texts")
    assert sources.cache_folder() == Path.home() / "texts"
    monkeypatch.delenv("MTLKIT_DATA")
    assert sources.cache_folder().parts[-2:] == ("mtlkit", "corpora")


def test_the_registry_pins_every_file_by_a_public_commit() -> None:
    for corpus, table in sources.registry().items():
        found = sources.files(corpus)
        assert bool(found) == bool(table["folder"])
        for source in found:
            assert len(source.sha256) == 64 and source.bytes > 0
            assert source.url.startswith("https://raw.githubusercontent.com/")
            commit = source.url.split("/")[5]
            assert len(commit) == 40 and set(commit) <= set("0123456789abcdef")
            assert source.url.endswith(source.path)
    assert len(sources.files("gum")) == 264


def test_unknown_corpus() -> None:
    with pytest.raises(CorpusError, match="unknown corpus 'gumm'; did you mean gum"):
        sources.files("gumm")
