"""The command ``data`` on corpora of one's own."""

from pathlib import Path

import handmade
import pytest

from mtlkit.__main__ import main


@pytest.fixture
def sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MTLKIT_OWN", str(tmp_path / "own"))
    path = tmp_path / "rows.csv"
    path.write_text(handmade.sheet(60).replace("text,label", "review,stars"))
    return path


def test_add_list_check_remove(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["--text-column", "review", "--label-column", "stars"]
    assert main(["data", "add", "reviews", str(sheet), *columns]) == 0
    said = capsys.readouterr().out
    assert said.startswith("reviews: label mlm; sentences: train ")
    assert main(["data", "list"]) == 0
    said = capsys.readouterr().out
    assert "\nreviews  label mlm" in said and "your own\n" in said
    assert said.endswith(f"your own in {sheet.parent / 'own'}\n")
    assert main(["data", "check", "reviews"]) == main(["data", "fetch", "reviews"]) == 0
    assert capsys.readouterr().out == (
        f"reviews: every checksum agrees\nreviews: in {sheet.parent / 'own' / 'reviews'}\n"
    )
    (sheet.parent / "own" / "reviews" / "train.csv").write_text("x")
    assert main(["data", "check", "reviews"]) == 1
    assert "it is your own: run mtlkit data remove reviews" in capsys.readouterr().err
    assert main(["data", "remove", "reviews"]) == 0
    assert capsys.readouterr().out.startswith("reviews: removed, with ")
    assert main(["data", "list", "reviews"]) == 2


def test_tasks_are_separated_by_commas(tmp_path: Path, sheet: Path) -> None:
    path = tmp_path / "trees.conllu"
    path.write_text(handmade.treebank(60))
    assert main(["data", "add", "mine", str(path), "--task", "dep, pos"]) == 0
    from mtlkit import routes

    assert routes.registry()["mine"]["tasks"] == ["pos", "dep", "mlm"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["add", "mine"], 2, "mtlkit: expected mtlkit data add NAME PLACE, found mine\n"),
        (["add"], 2, "mtlkit: expected mtlkit data add NAME PLACE, found nothing\n"),
        (["remove", "a", "b"], 2, "mtlkit: expected mtlkit data remove NAME, found a b\n"),
        (["list", "--task", "pos"], 2, "mtlkit: --task is for mtlkit data add, not for mtlkit"),
        (["remove", "gum"], 1, "mtlkit: 'gum' is no corpus of your own; registered are: none\n"),
        (["add", "mine", "ud:de-gsd"], 1, "mtlkit: 'de-gsd' is no code of a treebank"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_says_why(
    sheet: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert main(["data", *arguments]) == code
    assert capsys.readouterr().err.startswith(message)
