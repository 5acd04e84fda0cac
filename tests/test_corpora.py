"""Corpora: budgets, splits and labels, on a hand-made treebank and on real data."""

import hashlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtlkit import corpora, sources
from mtlkit.conllu import ConlluError
from mtlkit.corpora import CorpusError, Example
from mtlkit.prose import letters
from mtlkit.routes import Route, Task
from mtlkit.sources import Source

HEADER = "# global.Entity = GRP-etype-infstat\n"
DOCUMENTS = {
    "train": ["GUM_news_a", "GUM_vlog_b", "GUM_reddit_c"],
    "dev": ["GUM_news_d"],
    "test": ["GUM_news_e"],
    "test2": ["GENTLE_poetry_f"],
}


def conllu_text(document: str, number: int) -> str:
    """Write ``number`` sentences of a document in the style of GUM, each a little different."""
    blocks = []
    for n in range(1, number + 1):
        blocks.append(
            f"# sent_id = {document}-{n}\n# s_type = {'decl' if n % 2 else 'q'}\n"
            f"1\tAda\tAda\tPROPN\tNNP\t_\t2\tnsubj:pass\t_\tEntity=(1-person-new\n"
            f"2\tran{n}\trun\tVERB\tVBD\t_\t0\troot\t_\tEntity=1)\n"
        )
    return HEADER + "\n".join(blocks) + "\n"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Source, ...]]:
    """Fill a cache with a small ``gum``, and pin it as it is."""
    folder = tmp_path_factory.mktemp("cache")
    files = {
        "splits.md": "# Splits\n\ntest2 is GENTLE.\n"
        + "".join(
            f"\n## {split}\n\n" + "".join(f"  * {name}\n" for name in names)
            for split, names in DOCUMENTS.items()
        )
    }
    for split, names in DOCUMENTS.items():
        for name in names:
            files[f"dep/{name}.conllu"] = conllu_text(name, 30 if split == "train" else 4)
    pins = []
    for name, text in files.items():
        path = folder / "gum" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        pins.append(Source("gum", name, len(text.encode()), digest, "http://127.0.0.1:1/"))
    return folder, tuple(pins)


@pytest.fixture
def tiny(filled: tuple[Path, tuple[Source, ...]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the small ``gum`` in the place of the real one."""
    folder, pins = filled
    monkeypatch.setenv("MTLKIT_DATA", str(folder))
    monkeypatch.setattr(sources, "files", lambda corpus: pins if corpus == "gum" else ())
    return folder


def complete(corpus: str) -> bool:
    return sources.present(corpus) == len(sources.files(corpus)) > 0


@pytest.fixture
def real(request: pytest.FixtureRequest) -> None:
    """Skip where the corpora that a test names are not all in the cache."""
    lacking = [name for name in request.param if not complete(name)]
    if lacking:
        pytest.skip(f"the cache does not have: {', '.join(lacking)}; see mtlkit data fetch")


# ---- loading


def test_one_sentence_and_its_labels(tiny: Path) -> None:
    assert corpora.load("gum", split="dev")[0] == Example(
        id="GUM_news_d-1",
        words=("Ada", "ran1"),
        labels={
            "pos": ("PROPN", "VERB"),
            "xpos": ("NNP", "VBD"),
            "ner": ("O", "O"),
            "dep": ((2, "nsubj"), (0, "root")),
            "depth": ("1", "0"),
            "stype": "decl",
        },
        subset="news",
    )


def test_splits_subsets_and_what_is_left_out(tiny: Path) -> None:
    train = corpora.load("gum", split="train")
    assert Counter(example.subset for example in train) == {"news": 30, "vlog": 30}
    assert corpora.load("gum", split="train") is train
    assert {e.subset for e in corpora.load("gum", split="train", subset="vlog")} == {"vlog"}
    gentle = corpora.load("gum", split="test2")
    assert [example.subset for example in gentle] == ["poetry"] * 4
    for split in ("test", "test2"):
        assert corpora.load("gum", split=split, subset="gentle") is gentle


@pytest.mark.parametrize(
    ("corpus", "split", "subset", "message"),
    [
        ("gun", "train", None, "unknown corpus 'gun'; did you mean gum?"),
        ("gum", "trian", None, "unknown split of gum 'trian'; did you mean train"),
        ("ewt", "test2", None, "unknown split of ewt 'test2'; did you mean test?"),
        ("gum", "train", "new", "unknown subset of gum 'new'; did you mean news"),
        ("gum", "train", "gentle", "gum/gentle has no sentence in the split 'train'"),
        ("gum", "train", "bio", "gum/bio has no sentence in the split 'train'"),
        ("cr", "train", "x", "unknown subset of cr 'x'; there are: none"),
    ],
)
def test_names_that_are_wrong(
    tiny: Path, corpus: str, split: str, subset: str | None, message: str
) -> None:
    with pytest.raises(CorpusError) as error:
        corpora.load(corpus, split=split, subset=subset)
    assert str(error.value).startswith(message)


def test_a_changed_byte_is_noticed_when_the_corpus_is_read(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in tiny.rglob("*.*"):
        copy = tmp_path / path.relative_to(tiny)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setenv("MTLKIT_DATA", str(tmp_path))
    changed = tmp_path / "gum" / "dep" / "GUM_news_d.conllu"
    changed.write_text(changed.read_text().replace("ran3", "ram3"))
    assert len(corpora.load("gum", split="train")) == 60
    with pytest.raises(CorpusError, match=r"GUM_news_d.conllu is not the pinned file:\n  expected"):
        corpora.load("gum", split="dev")


# ---- budgets


def ids(task: Task, seed: int = 0) -> list[str]:
    return [example.id for example in corpora.labelled(task, seed=seed)]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=4).map(sorted),
    st.permutations(["pos", "xpos", "ner", "dep", "stype", "mlm"]),
    st.integers(0, 10**6),
)
def test_budgets_are_nested_whatever_the_task(
    tiny: Path, numbers: list[int], tasks: list[str], seed: int
) -> None:
    taken = [ids(Task(task, n, "gum"), seed) for n, task in zip(numbers, tasks, strict=False)]
    for n, less, more in zip(numbers, taken, taken[1:], strict=False):
        assert len(less) == len(set(less)) == n
        assert more[:n] == less
    assert ids(Task("pos", None, "gum"), seed)[: numbers[0]] == taken[0]


def test_the_order_depends_on_seed_and_subset(tiny: Path) -> None:
    assert ids(Task("pos", 20, "gum"), 1) != ids(Task("pos", 20, "gum"), 2)
    news = ids(Task("pos", None, "gum", "news"))
    assert news != [key for key in ids(Task("pos", None, "gum")) if "_news_" in key]
    # Fixed by the hash, not by a library's generator: these must never change.
    expected = sorted(
        (example.id for example in corpora.load("gum", split="train", subset="news")),
        key=lambda key: hashlib.sha256(f"gum/news/0/{key}".encode()).digest(),
    )
    assert news == expected


def test_more_labels_than_there_are(tiny: Path) -> None:
    with pytest.raises(CorpusError) as error:
        corpora.labelled(Task("pos", 1250, "gum", "news"), seed=0)
    assert str(error.value) == (
        "pos:1250@gum/news asks for 1,250 training sentences, but there are 30; "
        "ask for fewer, or leave the number out to take all"
    )


def test_label_names(tiny: Path) -> None:
    assert corpora.label_names(Task("pos", corpus="gum", subset="vlog")) == ("PROPN", "VERB")
    assert corpora.label_names(Task("dep", corpus="gum")) == ("nsubj", "root")
    assert corpora.label_names(Task("stype", corpus="gum")) == ("decl", "q")
    with pytest.raises(CorpusError, match="gum has no labels for mlm"):
        corpora.label_names(Task("mlm", corpus="gum"))


# ---- checksums, listing, files of one's own


def test_checksums(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    route = Route.parse("scratch > mlm > pos+ner:5 > trec")
    assert [name for name, _ in corpora.checksums(route)] == ["gum", "text", "trec"]
    before = corpora.checksum("gum")
    assert len(before) == 64 and before != corpora.checksum("cr")
    one = sources.files("gum")[0]
    monkeypatch.setattr(sources, "files", lambda corpus: (one,))
    assert corpora.checksum("gum") != before


def test_listing() -> None:
    table = corpora.listing().set_index("corpus")
    assert list(table.index) == list(sources.registry())
    assert table.loc["world", "files"] == 0
    assert table.loc["trec", "files"] == 2
    assert (table["present"] <= table["files"]).all()
    assert table.loc["gum", "megabytes"] > 20


def test_read_treebank(tmp_path: Path) -> None:
    path = tmp_path / "mine.conllu"
    rows = (
        "1\tEl\tel\tDET\t_\t_\t2\tdet\t_\t_\n2\tRey\trey\tNOUN\t_\t_\t0\troot\t_\tNER=B-PER|X=1\n\n"
    )
    path.write_text(f"# domain = prensa\n{rows}# sent_id = s2\n{rows}")
    first, second = corpora.read_treebank(path)
    assert first == Example(
        "mine-1",
        ("El", "Rey"),
        {
            "pos": ("DET", "NOUN"),
            "ner": ("O", "B-PER"),
            "dep": ((2, "det"), (0, "root")),
            "depth": ("1", "0"),
        },
        "prensa",
    )
    assert (second.id, second.subset) == ("s2", "")
    path.write_text(conllu_text("GUM_news_z", 1).replace("VERB", "PROPN"))
    assert corpora.read_treebank(path)[0].labels["ner"] == ("B-PER", "I-PER")


def test_read_treebank_without_trees_and_with_a_broken_one(tmp_path: Path) -> None:
    path = tmp_path / "tagged.conllu"
    row = "1\tno\tno\tINTJ\tUH\t_\t{}\troot\t_\t_\n\n"
    path.write_text(row.format("_"))
    assert set(corpora.read_treebank(path)[0].labels) == {"pos", "xpos"}
    path.write_text(row.format("0") + row.format("_"))
    with pytest.raises(ConlluError, match=r"tagged.conllu:3: "):
        corpora.read_treebank(path)


# ---- the embedded world


def test_world() -> None:
    train = corpora.load("world", split="train")
    sizes = {split: len(corpora.load("world", split=split)) for split in ("train", "dev", "test")}
    assert sizes == corpora.WORLD_SIZES
    assert {example.subset for example in train} == set(sources.registry()["world"]["subsets"])
    assert len({example.id for example in train}) == len(train)
    for example in train[:500]:
        assert {"pos", "ner", "dep"} <= set(example.labels)
        assert ("sentiment" in example.labels) <= (example.subset == "review")
        assert len(example.words) == len(example.labels["ner"]) == len(example.labels["dep"])
    names = corpora.label_names(Task("ner", corpus="world"))
    assert {"B-PER", "I-PER", "B-LOC", "I-ORG", "O"} <= set(names)
    opinions = corpora.labelled(Task("sentiment", 200), seed=3)
    assert {example.labels["sentiment"] for example in opinions} >= {"negative", "positive"}
    text = corpora.labelled(Task("mlm", 50, "world"), seed=3)
    assert [e.labels for e in text] == [{}] * 50
    assert len(corpora.checksum("world")) == 64


def test_the_world_is_kept_as_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"train": 300, "dev": 30, "test": 30}
    monkeypatch.setattr(corpora, "WORLD_SIZES", sizes)
    monkeypatch.setattr(corpora, "WORLD_TEXT", 300)
    monkeypatch.setattr(sources, "generated_folder", lambda: tmp_path)

    def load(split: str) -> tuple[Example, ...]:
        return corpora._load.__wrapped__("world", split, tmp_path)  # not from memory

    made = {split: load(split) for split in (*sizes, "text")}
    assert {path.stem for path in (tmp_path / "world").iterdir()} == set(made)
    names = ("generate", "text")
    with monkeypatch.context() as patch:
        for name in names:
            patch.delattr(corpora.world, name)
        assert {split: load(split) for split in made} == made
        monkeypatch.setattr(corpora, "_source", lambda: "changed")
        with pytest.raises(AttributeError, match="generate"):  # made anew, not read
            load("dev")
    assert load("dev") == made["dev"]


# ---- real data

SIZES = {
    "gum": {"train": 10224, "dev": 1575, "test": 1464, "test2": 1334},
    "ewt": {"train": 12544, "dev": 2001, "test": 2077},
    "sst2": {"train": 6920, "dev": 872, "test": 1821},
    "cr": {"train": 2666, "dev": 363, "test": 746},
    "subj": {"train": 7032, "dev": 959, "test": 2009},
    "trec": {"train": 4926, "dev": 526, "test": 500},
}
NAMES = {
    "train": {"PER": 2334, "LOC": 1787, "ORG": 1061, "TIME": 350, "MISC": 1367},
    "dev": {"PER": 316, "LOC": 243, "ORG": 156, "TIME": 48, "MISC": 185},
    "test": {"PER": 338, "LOC": 414, "ORG": 192, "TIME": 74, "MISC": 214},
    "test2": {"PER": 190, "LOC": 51, "ORG": 75, "TIME": 32, "MISC": 338},
}


@pytest.mark.real_data
@pytest.mark.parametrize("real", [tuple(SIZES)], indirect=True, ids=["all"])
def test_sizes(real: None) -> None:
    found = {
        corpus: {split: len(corpora.load(corpus, split=split)) for split in splits}
        for corpus, splits in SIZES.items()
    }
    assert found == SIZES
    assert {corpus: sum(sizes.values()) for corpus, sizes in SIZES.items()} == {
        "gum": 10224 + 1575 + 1464 + 1334,
        "ewt": 12544 + 2001 + 2077,
        "sst2": 6920 + 872 + 1821,
        "cr": 3775,
        "subj": 10000,
        "trec": 5452 + 500,
    }
    assert SIZES["trec"]["test"] == 500


@pytest.mark.real_data
@pytest.mark.parametrize("real", [("gum",)], indirect=True, ids=["gum"])
def test_names_in_gum(real: None) -> None:
    for split, counts in NAMES.items():
        tags = Counter(tag for e in corpora.load("gum", split=split) for tag in e.labels["ner"])
        assert {tag[2:]: n for tag, n in tags.items() if tag[0] == "B"} == counts, split


@pytest.mark.real_data
@pytest.mark.parametrize("real", [("gum", "ewt")], indirect=True, ids=["treebanks"])
def test_treebanks_offer_what_the_registry_says(real: None) -> None:
    for corpus in ("gum", "ewt"):
        table = sources.registry()[corpus]
        train = corpora.load(corpus, split="train")
        assert {e.subset for e in train} == set(table["subsets"]) - {"gentle"}
        assert all([*e.labels, "mlm"] == table["tasks"] for e in train)
        for example in train[::50]:
            assert sum(head == 0 for head, _ in example.labels["dep"]) == 1
            assert not any(":" in relation for _, relation in example.labels["dep"])
        keys = [e.id for split in SIZES[corpus] for e in corpora.load(corpus, split=split)]
        assert len(keys) == len(set(keys))
    assert len({e.subset for e in corpora.load("gum", split="test2")}) == 8
    assert len(corpora.label_names(Task("stype"))) == 11
    assert len(corpora.label_names(Task("ner"))) == 11


@pytest.mark.real_data
@pytest.mark.parametrize("real", [("cr", "subj", "trec")], indirect=True, ids=["hashed"])
def test_hashed_splits_do_not_overlap(real: None) -> None:
    for corpus, splits in {"cr": 3, "subj": 3, "trec": 2}.items():
        parts = [
            {e.words for e in corpora.load(corpus, split=split)}
            for split in ("train", "dev", "test")[:splits]
        ]
        assert len(set.union(*parts)) == sum(map(len, parts)), corpus
        assert all(len(e.labels) == 1 for e in corpora.load(corpus, split="train"))


@pytest.mark.real_data
@pytest.mark.parametrize("real", [("text",)], indirect=True, ids=["text"])
def test_plain_text(real: None) -> None:
    train = corpora.load("text", split="train")
    assert {e.subset for e in train} == set(sources.registry()["text"]["subsets"])
    assert 4_000_000 < sum(len(e.words) for e in train) < 5_000_000
    assert all(3 <= len(e.words) <= 60 for e in train)
    shares = Counter(e.subset for e in train)
    assert min(shares.values()) > 10_000
    dev = {e.id for e in corpora.load("text", split="dev")}
    assert 1000 < len(dev) < 4000 and not dev & {e.id for e in train}


@pytest.mark.real_data
@pytest.mark.parametrize("real", [("gum",)], indirect=True, ids=["gum"])
def test_budgets_on_gum(real: None) -> None:
    support, target = (
        corpora.labelled(Task(t, n), seed=7) for t, n in (("pos", 3000), ("ner", 250))
    )
    assert support[:250] == target
    assert [e.id for e in corpora.labelled(Task("dep", 3000), seed=7)] == [e.id for e in support]
    assert not {e.id for e in support} & {e.id for e in corpora.load("gum", split="test")}
    positions = [e.id for e in corpora.load("gum", split="train")]
    steps = [b > a for a, b in pairwise(map(positions.index, (e.id for e in target)))]
    assert 80 < sum(steps) < 170, "the order looks shuffled"


@pytest.mark.real_data
@pytest.mark.parametrize("real", [("sst2", "subj")], indirect=True, ids=["reviews"])
def test_no_corpus_of_reviews_trains_on_what_the_other_tests(real: None) -> None:
    found = {
        (corpus, split): {letters(" ".join(e.words)) for e in corpora.load(corpus, split=split)}
        for corpus in ("sst2", "subj")
        for split in ("train", "dev", "test")
    }
    assert len(found["sst2", "train"] & found["subj", "train"]) > 1000, "they do share sentences"
    for one, other in (("sst2", "subj"), ("subj", "sst2")):
        for split in ("dev", "test"):
            assert not found[one, "train"] & found[other, split], (one, other, split)
