"""Treebanks by their code: addresses made without asking, and files of a local server."""

import doctest
import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import handmade
import pytest

from mtlkit import sources, treebanks
from mtlkit.treebanks import TreebankError


def test_the_examples_in_docstrings_run() -> None:
    result = doctest.testmod(treebanks)
    assert result.failed == 0 and result.attempted > 1


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("de", "UD_German-GSD"), ("fr", "UD_French-GSD"), ("en_ewt", "UD_English-EWT"),
        ("no_bokmaal", "UD_Norwegian-Bokmaal"), ("ru", "UD_Russian-SynTagRus"),
        ("pt_bosque", "UD_Portuguese-Bosque"), ("hsb_ufal", "UD_Upper_Sorbian-UFAL"),
        ("grc_ptnk", "UD_Ancient_Greek-PTNK"), ("cu_proiel", "UD_Old_Church_Slavonic-PROIEL"),
        ("lzh_kyoto", "UD_Classical_Chinese-Kyoto"), ("gd_arcosg", "UD_Scottish_Gaelic-ARCOSG"),
        ("zh_gsdsimp", "UD_Chinese-GSDSimp"), ("it_KIParlaForest", "UD_Italian-KIParlaForest"),
    ],
)  # fmt: skip
def test_repositories_are_named_as_ud_names_them(code: str, name: str) -> None:
    assert treebanks.repository(code) == name


def test_a_release_is_its_tag_and_small_letters_name_the_files() -> None:
    found = treebanks.urls("it_VIT", release="2.4")
    assert list(found) == ["train", "dev", "test"]
    assert found["test"] == f"{treebanks.HOST}/UD_Italian-VIT/r2.4/it_vit-ud-test.conllu"


def test_the_pattern_is_that_of_the_pinned_corpus() -> None:
    made = treebanks.urls("en_ewt")
    for source in sources.files("ewt"):  # pinned to the commit behind a tag
        split = re.search("train|dev|test", source.name)
        assert split and made[split[0]] == re.sub("/[0-9a-f]{40}/", "/r2.16/", source.url)


def test_every_usual_treebank_has_an_address() -> None:
    for language in treebanks.USUAL:
        assert all(url.isascii() for url in treebanks.urls(language).values())


@pytest.mark.parametrize(
    ("code", "release", "message"),
    [
        ("German", "2.16", "'German' is no code of a treebank: expected a language, as in de, or"),
        ("de-gsd", "2.16", "'de-gsd' is no code of a treebank"),
        ("", "2.16", "'' is no code of a treebank"),
        ("qq_gsd", "2.16", "'qq' is no language that is known: expected a code of ISO 639"),
        ("eu", "2.16", "no usual treebank is known for 'eu' (Basque): say which, as in eu_xyz"),
        ("de", "r2.16", "'r2.16' is no release of UD: expected a number such as 2.16"),
        ("de", "../2", "'../2' is no release of UD"),
    ],
)
def test_what_is_no_code_is_refused(code: str, release: str, message: str) -> None:
    with pytest.raises(TreebankError, match="^" + re.escape(message)):
        treebanks.urls(code, release=release)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a server on this machine hands out in place of UD's."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(treebanks, "HOST", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MTLKIT_OWN", str(tmp_path / "own"))
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def put(served: Path, *splits: str) -> None:
    folder = served / "UD_German-GSD" / "r2.16"
    folder.mkdir(parents=True)
    for number, split in enumerate(splits):
        text = handmade.treebank(30, first=1 + 40 * number)
        (folder / f"de_gsd-ud-{split}.conllu").write_text(text)


def test_files_come_by_their_address_and_are_checked_from_then_on(
    served: Path, tmp_path: Path
) -> None:
    from mtlkit import corpora, registry

    put(served, "train", "dev", "test")
    added = registry.add("german", "ud:de_gsd")
    assert dict(added.sizes) == {"train": 30, "dev": 30, "test": 30}
    (added.folder / "dev.conllu").write_text("damaged")
    assert len(corpora.check("german")) == 1
    corpora.fetch("german", progress=False)
    assert corpora.check("german") == ()
    for file in served.rglob("*.conllu"):  # the tag was moved
        file.write_text(handmade.treebank(31))
    (added.folder / "dev.conllu").write_text("damaged")
    with pytest.raises(sources.CorpusError, match="does not have the pinned SHA-256"):
        corpora.fetch("german", progress=False)


def test_a_split_that_is_not_there_is_left_out(served: Path, tmp_path: Path) -> None:
    put(served, "test")
    paths, urls = treebanks.fetch("de_gsd", tmp_path)
    assert list(paths) == list(urls) == ["test"] and paths["test"].is_file()


def test_a_treebank_that_is_not_there_says_so(served: Path, tmp_path: Path) -> None:
    with pytest.raises(TreebankError) as caught:
        treebanks.fetch("fr_parisstories", tmp_path)
    assert "the release has no UD_French-PARISSTORIES, or it is spelt otherwise" in str(
        caught.value
    )


def test_without_a_network_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(treebanks, "HOST", "http://127.0.0.1:9")
    with pytest.raises(
        TreebankError, match=r"^de_gsd: cannot download http.* \(ConnectionError\); "
    ):
        treebanks.fetch("de_gsd", tmp_path)
