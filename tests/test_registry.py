"""One's own corpora: registered whole or not at all, and then corpora like the others."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import handmade
import pytest

from mtlkit import conllu, corpora, own, registry, routes, sheets, sources, treebanks
from mtlkit.registry import RegistryError
from mtlkit.routes import Route, RouteError
from mtlkit.sources import CorpusError


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of hand-made files, and an empty folder of one's own corpora."""
    monkeypatch.setenv("MTLKIT_OWN", str(tmp_path / "own"))
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in {
        "trees.conllu": handmade.treebank(60),
        "dev.conllu": handmade.treebank(5, first=100),
        "test.conllu": handmade.treebank(7, first=200),
        "rows.csv": handmade.sheet(60),
        "rows-test.tsv": handmade.sheet(7, first=200).replace('"', "").replace(".,", ".\t")
        .replace("text,", "text\t"),
    }.items():  # fmt: skip
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def nothing_is_left() -> bool:
    return not own.folder().exists() or os.listdir(own.folder()) == []


def test_a_treebank_works_in_every_route(files: Path) -> None:
    added = registry.add("mine", files / "trees.conllu")
    assert added.tasks == ("pos", "xpos", "depth", "dep", "mlm")
    route = Route.parse("mini > mlm@mine > pos+dep@mine/park > dep:9@mine")
    assert str(route) == "mini > mlm@mine > pos+dep@mine/park > dep:9@mine"
    assert corpora.checksums(route) == (("mine", corpora.checksum("mine")),)
    [[task]] = (stage.tasks for stage in route.stages[-1:])
    assert len(corpora.labelled(task, seed=0)) == 9
    assert corpora.label_names(task) == ("det", "nsubj", "punct", "root")
    assert sum(added.sizes.values()) == 60
    for split, size in added.sizes.items():
        assert len(corpora.load("mine", split=split)) == size
        assert {e.subset for e in corpora.load("mine", split=split, subset="park")} == {"park"}
    row = corpora.listing().set_index("corpus").loc["mine"]
    assert (row.tasks, row.subsets, row.files, row.present) == (
        "pos xpos depth dep mlm", "haus park", 1, 1,
    )  # fmt: skip
    assert corpora.check("mine") == () and corpora.fetch("mine") == added.folder


def test_a_sheet_is_the_task_label_or_the_one_that_is_said(files: Path) -> None:
    assert registry.add("reviews", files / "rows.csv").tasks == ("label", "mlm")
    registry.add("opinions", files / "rows.csv", tasks=["sentiment"])
    route = Route.parse("mini > sentiment@world > sentiment@opinions+label@reviews")
    assert str(route) == "mini > sentiment > sentiment@opinions+label@reviews"
    names = [corpora.label_names(task) for task in route.stages[1].tasks]
    assert names == [("minus", "plus")] * 2
    assert corpora.checksum("reviews") != corpora.checksum("opinions")


def test_label_says_where_it_is(files: Path) -> None:
    with pytest.raises(RouteError, match="label is a task of your own corpora alone: mtlkit data"):
        Route.parse("mini > label")
    registry.add("reviews", files / "rows.csv")
    with pytest.raises(RouteError, match="corpora alone: write label@reviews\n    mini > label\n"):
        Route.parse("mini > label")
    for text in ("mini > label@reviews+mlm@reviews", "mini > mlm+label@reviews"):
        assert str(Route.parse(text)) == text
    with pytest.raises(RouteError, match="'reviews' has no labels for pos"):
        Route.parse("mini > pos@reviews")


@pytest.mark.parametrize("given", ["files", "folder"])
def test_official_splits_are_kept(files: Path, given: str) -> None:
    if given == "files":
        registry.add(
            "mine", files / "trees.conllu", dev=files / "dev.conllu", test=files / "test.conllu"
        )
    else:
        (files / "rows.csv").unlink()
        (files / "rows-test.tsv").unlink()
        registry.add("mine", files)
    sizes = [len(corpora.load("mine", split=split)) for split in ("train", "dev", "test")]
    assert sizes == [60, 5, 7]
    assert corpora.load("mine", split="dev")[0].words[1] == "Turm100"


def test_files_of_a_side_follow_each_other(files: Path) -> None:
    folder = files / "several"
    folder.mkdir()
    for part in (1, 2):
        (folder / f"x-train-{part}.conllu").write_text(handmade.treebank(20, first=20 * part))
    (folder / "x-test.conllu").write_text(handmade.treebank(3, first=90))
    (folder / "README.md").write_text("no corpus")
    added = registry.add("mine", folder)
    assert sorted(os.listdir(added.folder)) == [
        "corpus.toml", "test.conllu", "train-001.conllu", "train-002.conllu",
    ]  # fmt: skip
    assert sum(added.sizes.values()) == 43 and added.sizes["test"] == 3


def test_a_sheet_and_a_tab_separated_one(files: Path) -> None:
    added = registry.add("reviews", files / "rows.csv", test=files / "rows-test.tsv")
    assert added.sizes["test"] == 7
    assert {e.labels["label"] for e in corpora.load("reviews", split="test")} == {"plus", "minus"}


def test_the_checksum_is_of_content_and_use_alone(files: Path) -> None:
    registry.add("mine", files / "rows.csv")
    found = corpora.checksum("mine")
    registry.remove("mine")
    os.rename(files / "rows.csv", files / "other.csv")
    registry.add("mine", files / "other.csv")
    assert corpora.checksum("mine") == found, "nor of the file's name, nor of when it was added"
    registry.remove("mine")
    (files / "other.csv").write_text(handmade.sheet(61))
    registry.add("mine", files / "other.csv")
    assert corpora.checksum("mine") != found
    train = corpora.load("mine", split="train")
    registry.remove("mine")
    (files / "other.csv").write_text(handmade.sheet(80))
    registry.add("mine", files / "other.csv")
    assert len(corpora.load("mine", split="train")) > len(train), "what was read before is not kept"


def test_what_one_should_know_is_said(files: Path) -> None:
    text = handmade.sheet(40).splitlines(keepends=True)
    (files / "dev.csv").write_text("".join([*text[:3], "New one,zero\n"]))
    added = registry.add("mine", files / "rows.csv", dev=files / "dev.csv")
    train = {e.words for e in corpora.load("mine", split="train")}
    both = sum(e.words in train for e in corpora.load("mine", split="dev"))
    rule = "sentences of dev are in train, too: scores on dev will be too high"
    assert both and added.notes[0] == f"{both} of 3 {rule}"
    assert added.notes[-1] == "label 'zero' of label is in dev and never in train"
    assert str(added).endswith('\n  use it as in "minilm > label@mine"')


ONE_LABEL = "text,label\n" + "".join(f"sentence {n},x\n" for n in range(90))


@pytest.mark.parametrize(
    ("name", "place", "changes", "error", "message"),
    [
        ("Mine", "rows.csv", {}, RegistryError, "'Mine' cannot name a corpus: expected a small"),
        ("../x", "rows.csv", {}, RegistryError, "'../x' cannot name a corpus: expected a small"),
        ("gum", "rows.csv", {}, RegistryError, "gum is a corpus of mtlkit's own; choose another"),
        ("mine", "none.csv", {}, RegistryError, "{}/none.csv is not there; expected a file, a fo"),
        ("mine", "x.txt", {}, RegistryError, "{}/x.txt ends in '.txt': expected one of .conllu, "),
        ("mine", "empty", {}, RegistryError, "{}/empty has no file that ends in .conllu, .csv"),
        ("mine", "both", {}, RegistryError, "{}/both/a.conllu and {}/both/b.csv are of two format"),
        ("mine", "rows.csv", {"dev": "no.csv"}, RegistryError, "cannot read no.csv (No such file"),
        ("mine", "trees", {"dev": "x.conllu"}, RegistryError, "{}/trees/a-dev.conllu is of dev by"),
        ("mine", "trees", {}, RegistryError, "mine: no sentence is left for train, of 3 in all; "),
        ("mine", "few.csv", {}, RegistryError, "mine: no sentence is left for dev, of 1 in all; "),
        ("mine", "one.csv", {}, RegistryError, "mine: every training sentence has the label 'x' "),
        ("mine", "rows.csv", {"tasks": ["pos"]}, RegistryError, "a sheet has one label a sentence"),
        ("mine", "rows.csv", {"tasks": ["lable"]}, RegistryError, "unknown task 'lable': did you"),
        ("mine", "trees.conllu", {"tasks": ["ner"]}, RegistryError,
         "mine has no labels for 'ner' in train, dev, test; it has pos, xpos, depth, dep"),
        ("mine", "rows.csv", {"text": "review"}, sheets.SheetError, "{}/rows.csv:1: the column "),
        ("mine", "bad.csv", {}, sheets.SheetError, "{}/bad.csv:62: 1 fields instead of 2"),
        ("mine", "bad.conllu", {}, conllu.ConlluError, "{}/bad.conllu:283: "),
        ("mine", "ud:xx_yy", {}, treebanks.TreebankError, "'xx' is no language that is known"),
    ],
)  # fmt: skip
def test_what_cannot_be_added_leaves_nothing(
    files: Path, name: str, place: str, changes: dict[str, Any], error: type, message: str
) -> None:
    (files / "x.txt").write_text("text")
    (files / "empty").mkdir()
    (files / "trees").mkdir()
    (files / "trees" / "a-dev.conllu").write_text(handmade.treebank(3))
    (files / "few.csv").write_text("text,label\none sentence,a\n")
    (files / "one.csv").write_text(ONE_LABEL)
    (files / "bad.csv").write_text(handmade.sheet(60) + "alone\n")
    (files / "bad.conllu").write_text(handmade.treebank(40) + "# a\n# b\n1\tcut\n\n")
    (files / "both").mkdir()
    for other in ("a.conllu", "b.csv"):
        (files / "both" / other).write_text(handmade.treebank(1))
    at = place if place.startswith("ud:") else files / place
    with pytest.raises(error, match="^" + re.escape(message.format(files, files))):
        registry.add(name, at, **changes)
    assert nothing_is_left() and (name not in sources.registry() or name == "gum")


def test_a_name_is_given_once_and_can_be_taken_back(files: Path) -> None:
    folder = registry.add("mine", files / "rows.csv").folder
    with pytest.raises(RegistryError, match=f"^mine is registered already, in {folder}; to repla"):
        registry.add("mine", files / "trees.conllu")
    assert registry.remove("mine") == folder and nothing_is_left()
    with pytest.raises(
        RegistryError, match=r"^'mine' is no corpus of your own; registered are: no"
    ):
        registry.remove("mine")
    with pytest.raises(RegistryError, match="'gum' is no corpus of your own"):
        registry.remove("gum")
    with pytest.raises(CorpusError, match="unknown corpus 'mine'"):
        corpora.load("mine", split="train")


def test_what_cannot_be_written_leaves_nothing(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        registry.add("mine", files / "rows.csv")
    assert nothing_is_left()


def test_missing_files_of_ones_own_are_told_from_pinned_ones(files: Path) -> None:
    folder = registry.add("mine", files / "rows.csv").folder
    (folder / "train.csv").unlink()
    cure = "it is your own: run mtlkit data remove mine, and add it again from your copy"
    assert corpora.check("mine") == (f"{folder / 'train.csv'} is not there; {cure}",)
    with pytest.raises(CorpusError, match=f"train.csv is missing or changed; {cure}$"):
        corpora.load("mine", split="train")


@pytest.mark.parametrize("splits", [("train", "dev", "test"), ("test",)])
def test_a_fetched_treebank_can_be_fetched_again(
    files: Path, monkeypatch: pytest.MonkeyPatch, splits: Sequence[str]
) -> None:
    def fetch(code: str, folder: Path, *, release: str) -> Any:
        assert (code, release) == ("de_gsd", "2.15")
        for number, split in enumerate(splits, start=1):
            (folder / f"{split}.conllu").write_text(handmade.treebank(60, first=100 * number))
        return {s: folder / f"{s}.conllu" for s in splits}, {
            s: f"https://x.test/{s}" for s in splits
        }

    monkeypatch.setattr(treebanks, "fetch", fetch)
    added = registry.add("german", "ud:de_gsd", release="2.15")
    assert sum(added.sizes.values()) == 60 * len(splits)
    assert {source.url for source in sources.files("german")} == {
        f"https://x.test/{split}" for split in splits
    }
    (added.folder / "train.conllu").write_text("")
    assert corpora.check("german")[0].endswith("run: mtlkit data fetch german")
    assert routes.offers("german", "dep")
