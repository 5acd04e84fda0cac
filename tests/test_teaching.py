"""The command student: what it writes, and what it says when it cannot."""

import json
import shutil
from pathlib import Path

import pytest

from mtlkit.__main__ import main

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a course with two lessons."""
    root = tmp_path / "course"
    (root / "notebooks").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    for name in ("00_start_here", "03_fine_tuning"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", root / "notebooks")
    monkeypatch.chdir(root)
    return root


def test_an_edition_is_made(
    course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["student", str(out), "--only", "03", "--minutes", "50"]) == 0
    assert "a student's edition of 1 lesson, profile quick" in capsys.readouterr().out
    assert [path.name for path in (out / "notebooks").glob("*.ipynb")] == ["03_fine_tuning.ipynb"]
    about = json.loads((out / "edition.json").read_text(encoding="utf-8"))["edition"]
    assert about["minutes"] == 50 and not about["instructor"]


def test_an_instructor_gets_notes(
    course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["student", str(out), "--instructor", "--profile", "smoke"]) == 0
    assert "an instructor's edition of 2 lessons, profile smoke" in capsys.readouterr().out
    assert "Instructor." in (out / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8")


def test_what_cannot_be_made_is_said(
    course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["student", str(out), "--only", "77"]) == 2
    assert "no lesson '77'" in capsys.readouterr().err
    assert main(["student", str(out), "--minutes", "5"]) == 1
    assert "minutes at least, and 5 are asked for" in capsys.readouterr().err
    assert not out.exists()
    assert main(["student", str(course)]) == 1
    assert "is not empty, and no edition made it" in capsys.readouterr().err
