"""The user's folder of corpora: what is found in it, and what a damaged description says."""

import re
from pathlib import Path

import pytest

from mtlkit import own, registry
from mtlkit.own import OwnError

SHEET = "text,label\n" + "".join(f"sentence {n} here,{'ab'[n % 2]}\n" for n in range(40))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MTLKIT_OWN", str(tmp_path / "own"))
    (tmp_path / "mine.csv").write_text(SHEET)
    return tmp_path


def test_the_folder_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTLKIT_OWN", str(tmp_path))
    assert own.folder() == tmp_path
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTLKIT_OWN", "here")
    assert own.folder() == tmp_path / "here", "workers start elsewhere: it is absolute"
    monkeypatch.delenv("MTLKIT_OWN")
    assert own.folder().parts[-2:] == ("mtlkit", "corpora")


def test_without_a_folder_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (tmp_path / "none", tmp_path):
        monkeypatch.setenv("MTLKIT_OWN", str(place))
        assert own.tables() == {} and own.version("mine") == ""
    (tmp_path / "mine").mkdir()
    (tmp_path / "Not A Name").mkdir()
    (tmp_path / "a-file").write_text("")
    assert own.tables() == {}, "a folder without a description is no corpus"


def test_what_is_added_or_removed_is_noticed_at_once(home: Path) -> None:
    registry.add("mine", home / "mine.csv")
    table = own.tables()["mine"]
    assert table["tasks"] == ["label", "mlm"] and table["files"] == ["train.csv"]
    first = own.version("mine")
    registry.remove("mine")
    assert own.tables() == {} and own.version("mine") == ""
    (home / "mine.csv").write_text(SHEET.replace("here", "there"))
    registry.add("mine", home / "mine.csv")
    assert own.version("mine") not in ("", first)


def test_a_shipped_corpus_goes_before_one_of_the_same_name(home: Path) -> None:
    registry.add("mine", home / "mine.csv")
    assert own.beside({"mine": 1}) == {"mine": 1}
    assert list(own.beside({"gum": 1})) == ["gum", "mine"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('format = "csv"', 'format = "xls"', "format is 'xls', expected one of conllu, csv"),
        ('side = "train"', 'side = "left"', "side is 'left', expected one of train, dev, test"),
        ('text = "text"\n', "", "text is None, expected a str"),
        ("bytes = ", "bytes = 'x' #", "bytes is 'x', expected a int"),
        ("tasks = ", "tasks = [", ""),
    ],
)
def test_a_damaged_description_says_what_to_do(
    home: Path, old: str, new: str, message: str
) -> None:
    registry.add("mine", home / "mine.csv")
    path = own.folder() / "mine" / own.TABLE
    path.write_text(path.read_text().replace(old, new))
    rule = r".*; to be rid of it: mtlkit data remove mine, then add the corpus again$"
    with pytest.raises(OwnError, match=f"^{path} is damaged \\({re.escape(message)}{rule}"):
        own.tables()
    registry.remove("mine")
    assert own.tables() == {}


def test_settings_are_what_examples_depend_on(home: Path) -> None:
    registry.add("mine", home / "mine.csv")
    table = own.tables()["mine"]["own"]
    assert own.settings(table) == "csv\ttext\tlabel\tlabel mlm\ttrain.csv=train"
    assert own.settings({**table, "subsets": ["x"]}) == own.settings(table)
    assert own.settings({**table, "label": "stars"}) != own.settings(table)
