"""Classified sentences and plain text, from hand-made files in the real formats."""

import hashlib
import io
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit import prose, sources
from mtlkit.sources import Source

SPLITS = ("train", "dev", "test")


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Fill a cache with files, pinned as they are."""
    monkeypatch.setenv("MTLKIT_DATA", str(tmp_path))

    def fill(folder: str, files: dict[str, bytes]) -> None:
        pins = []
        for name, data in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            pins.append(Source(folder, name, len(data), hashlib.sha256(data).hexdigest(), ""))
        prose._sides.cache_clear()
        kinds = {c: sources.registry()[c]["files"] for c in sources.registry()}
        monkeypatch.setattr(
            sources,
            "files",
            lambda corpus: tuple(
                pin
                for pin in pins
                if any(fnmatch(pin.path, kind) for kind in kinds[corpus]) or corpus == "text"
            ),
        )

    return fill


def archive(**documents: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        for name, data in documents.items():
            opened.writestr(name.replace("__", "/").replace("_txt", ".txt"), data)
    return stream.getvalue()


def everything(corpus: str) -> list[tuple[str, tuple[str, ...], str]]:
    return [row for split in SPLITS for row in prose.classified(corpus, split)]


def test_official_splits(put) -> None:  # type: ignore[no-untyped-def]
    put("sentences", {f"data/stsa.binary.{s}": f"1 {s} it 's good\n".encode() for s in SPLITS})
    for split in SPLITS:
        assert list(prose.classified("sst2", split)) == [
            (f"sst2-{split}-1", (split, "it", "'s", "good"), "positive")
        ]


def test_encodings_and_stray_control_characters(put) -> None:  # type: ignore[no-untyped-def]
    put("sentences", {"data/subj.all": b"0 a fianc\xe9 \x85 left\n1 so \x96 it ends \n"})
    found = {key: (words, label) for key, words, label in everything("subj")}
    assert found == {
        "subj-all-1": (("a", "fianc\u00e9", "\u2026", "left"), "subjective"),
        "subj-all-2": (("so", "\u2013", "it", "ends"), "objective"),
    }
    put("sentences", {"data/TREC.test.all": b"5 How high is Volc\xe1n ?\n"})
    assert list(prose.classified("trec", "test")) == [
        ("trec-test-1", ("How", "high", "is", "Volc\u00e1n", "?"), "number")
    ]


def test_subj_has_what_sst2_has_on_the_same_side(put) -> None:  # type: ignore[no-untyped-def]
    alone = "".join(f"{n % 2} summary {n} ends\n" for n in range(200))
    lines = [f"a {word} film , it is long" for word in ("good", "poor", "late")]
    files = {
        f"data/stsa.binary.{s}": f"1 {x}\n".encode() for s, x in zip(SPLITS, lines, strict=True)
    }
    shared = "".join(f"0 {line.capitalize().replace(' ,', ',')} .\n" for line in lines)
    put("sentences", {"data/subj.all": (alone + shared).encode(), **files})
    for split, line in zip(SPLITS, lines, strict=True):
        found = {prose.letters(" ".join(words)) for _, words, _ in prose.classified("subj", split)}
        assert [x for x in lines if prose.letters(x) in found] == [line]
    assert len(everything("subj")) == 203


def test_trec_takes_dev_from_training_and_leaves_the_test_alone(put) -> None:  # type: ignore[no-untyped-def]
    lines = "".join(f"{n % 6} question {n} ?\n" for n in range(300)).encode()
    put("sentences", {"data/TREC.test.all": lines, "data/TREC.train.all": lines})
    sizes = {split: len(list(prose.classified("trec", split))) for split in SPLITS}
    assert sizes["test"] == 300
    assert sizes["train"] + sizes["dev"] == 300 and 15 <= sizes["dev"] <= 50


def test_hashed_splits_keep_equal_sentences_together(put) -> None:  # type: ignore[no-untyped-def]
    lines = [f"{n % 2} phone {n % 150} rings\n" for n in range(450)]
    put("sentences", {"data/custrev.all": "".join(lines).encode()})
    parts = {split: {words for _, words, _ in prose.classified("cr", split)} for split in SPLITS}
    assert sum(len(list(prose.classified("cr", split))) for split in SPLITS) == 450
    assert len(parts["train"] | parts["dev"] | parts["test"]) == sum(map(len, parts.values()))
    assert len(parts["train"]) > len(parts["test"]) > len(parts["dev"]) > 0


@given(st.text())
def test_bucket_ignores_case_and_space(text: str) -> None:
    assert 0 <= prose.bucket(text) < 100
    assert prose.bucket(text) == prose.bucket(f"  {text.lower()}\t")


def test_bucket_is_fixed_and_even() -> None:
    assert prose.bucket("The soup was cold .") == int(
        hashlib.sha256(b"the soup was cold .").hexdigest(), 16
    ) % 100  # fmt: skip
    counts = [0] * 10
    for n in range(2000):
        counts[prose.bucket(f"sentence {n}") // 10] += 1
    assert min(counts) > 140


def test_archives_are_read_where_they_lie(put, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    put("text", {
        "packages/abc.zip": archive(
            abc__README=b"Not this file at all.",
            abc__rural_txt=b"Caf\xe9s open.  It isn't late.\r\nRain fell &amp; fell.",
        ),
        "packages/brown.zip": archive(
            brown__ca01=b"\n\tShe/pps ran/vbd 1/2/cd mile/nn ;/. ;/.\n\n``/`` Go/vb now/rb ''/''",
            brown__README=b"no/at text/nn here/rb",
        ),
        "packages/masc_tagged.zip": archive(
            masc_tagged__categories_txt=b"a_NN b_NN c_NN",
            masc_tagged__spoken__x_txt=b"We_PRP saw_VBD it_PRP ._. Did_VBD you_PRP go_VB ?_.\nno\n",
        ),
        "packages/movie_reviews.zip": archive(
            movie_reviews__pos__cv1_txt=b"it was good . \nbad\nthe end came soon"
        ),
        "packages/state_union.zip": archive(s__a_txt="Man\u2019s fate is open".encode("big5")),
    })  # fmt: skip
    found = list(prose.plain())
    assert {(subset, " ".join(words)) for _, _, words, subset in found} == {
        ("abc", "Caf\u00e9s open ."),
        ("abc", "It is n't late ."),
        ("abc", "Rain fell & fell ."),
        ("brown", "She ran 1/2 mile ;"),
        ("brown", '" Go now "'),
        ("masc", "We saw it ."),
        ("masc", "Did you go ?"),
        ("reviews", "it was good ."),
        ("reviews", "the end came soon"),
        ("addresses", "Man \u2019s fate is open"),
    }
    assert "abc/rural-1" in {key for _, key, _, _ in found}
    assert {split for split, *_ in found} <= set(SPLITS)
    assert sorted(path.suffix for path in tmp_path.rglob("*") if path.is_file()) == [".zip"] * 5
