"""The folder of an edition: links that are good, and nothing written over."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mtlkit.editions import WHOLE, Edition, EditionError
from mtlkit.handouts import Links, bind
from mtlkit.results import find_root

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with three real lessons, a glossary and a picture."""
    root = tmp_path / "course"
    (root / "notebooks").mkdir(parents=True)
    for name in ("00_start_here", "03_fine_tuning", "04_multi_task"):
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", root / "notebooks")
    (root / "notebooks" / "glossary.md").write_text("[03](03_fine_tuning.ipynb) [x](../README.md)")
    tables = root / "figures" / "full" / "tables"
    tables.mkdir(parents=True)
    (tables / "a.csv").write_text("1")
    (root / "README.md").write_text("front page")
    return root


def paths(course: Path, *numbers: str) -> list[Path]:
    found = sorted((course / "notebooks").glob("*.ipynb"))
    return [path for path in found if not numbers or path.name[:2] in numbers]


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def add(course: Path, name: str, text: str) -> None:
    """Put a cell with this text before the others."""
    path = course / "notebooks" / name
    book = json.loads(path.read_text(encoding="utf-8"))
    cell = {"cell_type": "markdown", "id": "new", "metadata": {}, "source": [text]}
    book["cells"].insert(1, cell)
    path.write_text(json.dumps(book), encoding="utf-8")


def texts(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def test_a_folder_is_whole_and_found_as_a_root(course: Path, tmp_path: Path) -> None:
    out = bind(course, paths(course), tmp_path / "out", Edition())
    assert files(out) - {"notebooks/glossary.md"} == {  # which comes along if it is linked
        "README.md", "pyproject.toml", "edition.json", "figures/full/tables/a.csv",
        *(f"notebooks/{path.name}" for path in paths(course)),
    }  # fmt: skip
    assert find_root(out / "notebooks") == out
    assert files(tmp_path) >= {"out/README.md"} and not list(tmp_path.glob(".*"))
    assert "stops the notebook" in (out / "README.md").read_text(encoding="utf-8")


class TestLinks:
    def links(self, course: Path) -> Links:
        return Links(course, frozenset({"notebooks/03_fine_tuning.ipynb"}))

    @pytest.mark.parametrize(
        ("text", "then"),
        [
            ("[a](03_fine_tuning.ipynb#x)", "[a](03_fine_tuning.ipynb#x)"),
            ("see [`b`](04_multi_task.ipynb), [c](#d)", "see `b`, [c](#d)"),
            ("[d](https://a.org/b) [e](mailto:f)", "[d](https://a.org/b) [e](mailto:f)"),
            ("[f](../README.md) [g](../../etc) ![h](no.png)", "f g h"),
            ("`[i](no)` $$[j](no)$$", "`[i](no)` $$[j](no)$$"),
            ("```python\nheads[task](states)\n```", "```python\nheads[task](states)\n```"),
            ("[k](glossary.md#route)", "[k](glossary.md#route)"),
        ],
    )
    def test_good_ones_stay_and_others_become_text(
        self, course: Path, text: str, then: str
    ) -> None:
        links = self.links(course)
        assert links(text, "notebooks") == then
        assert links.wanted == ({"notebooks/glossary.md"} if "glossary" in text else set())

    def test_what_is_linked_comes_along(self, course: Path, tmp_path: Path) -> None:
        add(course, "03_fine_tuning.ipynb", "A [route](glossary.md#route).")
        out = bind(course, paths(course, "03"), tmp_path / "out", Edition())
        glossary = (out / "notebooks" / "glossary.md").read_text(encoding="utf-8")
        assert glossary == "[03](03_fine_tuning.ipynb) x"
        lesson = texts(out / "notebooks" / "03_fine_tuning.ipynb")
        assert "[route](glossary.md#route)" in lesson
        assert "](04_multi_task.ipynb)" not in lesson and "04 Multi-task learning" in lesson

    def test_those_of_a_whole_lesson_are_counted_from_its_folder(
        self, course: Path, tmp_path: Path
    ) -> None:
        out = bind(course, paths(course, "03", "04"), tmp_path / "out", Edition(minutes=50))
        assert f"]({WHOLE}/03_fine_tuning.ipynb)" in texts(out / "notebooks/03_fine_tuning.ipynb")
        whole = texts(out / "notebooks" / WHOLE / "03_fine_tuning.ipynb")
        assert "[04 Multi-task learning](../04_multi_task.ipynb)" in whole
        assert "Left out" not in whole


class TestNothingIsWrittenOver:
    def refused(self, course: Path, out: Path, words: str) -> None:
        before = {name: (out / name).read_bytes() for name in files(out)}
        with pytest.raises(EditionError) as error:
            bind(course, paths(course, "00"), out, Edition())
        assert words in str(error.value) and "choose a folder that is new or empty" in str(error)
        assert {name: (out / name).read_bytes() for name in files(out)} == before

    def test_not_other_files(self, course: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("x")
        self.refused(course, tmp_path, "is not empty, and no edition made it")
        with pytest.raises(EditionError, match="is a file"):
            bind(course, paths(course, "00"), tmp_path / "mine.txt", Edition())

    def test_not_answers_of_a_student(self, course: Path, tmp_path: Path) -> None:
        out = bind(course, paths(course, "00"), tmp_path / "out", Edition())
        with (out / "notebooks" / "00_start_here.ipynb").open("a") as file:
            file.write("\n")
        self.refused(course, out, "was changed since it was made, in notebooks/00_start_here.ipynb")

    def test_not_results_of_a_student(self, course: Path, tmp_path: Path) -> None:
        out = bind(course, paths(course, "00"), tmp_path / "out", Edition())
        (out / "runs").mkdir()
        (out / "runs" / "a.json").write_text("{}")
        self.refused(course, out, "has a file that is not of its edition, runs/a.json")

    def test_an_edition_as_it_was_made_is_replaced(self, course: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        out.mkdir()  # empty
        bind(course, paths(course), out, Edition())
        bind(course, paths(course, "00"), out, Edition())
        assert not (out / "notebooks" / "03_fine_tuning.ipynb").exists()
        assert not list(tmp_path.glob(".*"))

    def test_a_lesson_that_fails_leaves_nothing(self, course: Path, tmp_path: Path) -> None:
        (course / "notebooks" / "04_multi_task.ipynb").write_text("{")
        with pytest.raises(EditionError, match=r"04_multi_task\.ipynb is no notebook"):
            bind(course, paths(course), tmp_path / "out", Edition())
        assert not (tmp_path / "out").exists()

    def test_a_disk_that_is_full_leaves_what_was(
        self, course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = bind(course, paths(course, "00"), tmp_path / "out", Edition())
        before = files(out)

        def full(self: Path, data: bytes) -> int:
            raise OSError(28, "No space left on device", str(self))

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            bind(course, paths(course), out, Edition())
        monkeypatch.undo()
        assert files(out) == before
        assert not list(tmp_path.glob(".*"))


def test_slides_are_pages(course: Path, tmp_path: Path) -> None:
    book: dict[str, Any] = json.loads((course / "notebooks/00_start_here.ipynb").read_text())
    book["cells"] = book["cells"][:5]
    (course / "notebooks/00_start_here.ipynb").write_text(json.dumps(book))
    out = bind(course, paths(course, "00"), tmp_path / "out", Edition(slides=True))
    page = (out / "slides" / "00_start_here.slides.html").read_text(encoding="utf-8")
    assert "Reveal" in page and page.count("<section>") >= 4
    assert "from the network" in (out / "README.md").read_text(encoding="utf-8")
