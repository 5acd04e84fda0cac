"""The house rules: imports point one way, modules and cells are short, lessons are executed."""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import TypeCheckError, install_import_hook

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "mtlkit").glob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXECUTED = [*NOTEBOOKS, *sorted((ROOT / "notebooks" / "full").glob("*.ipynb"))]

# A row imports only from rows above it; modules of one row never import each other.
ROWS = (
    ("own",),
    (
        "conllu",
        "metrics",
        "statistics",
        "routes",
        "inflection",
        "segmentation",
        "sources",
        "processes",
        "kernels",
        "policies",
        "exercises",
        "quizzes",
        "glossary",
        "bibliography",
        "lessonplans",
        "treebanks",
    ),
    (
        "clusters",
        "recipes",
        "lexicon",
        "results",
        "figures",
        "entities",
        "prose",
        "sheets",
        "verdicts",
        "affinity",
        "aggregates",
        "sections",
        "assignments",
    ),
    (
        "valency",
        "grammar",
        "examples",
        "profiles",
        "coverage",
        "crossings",
        "evidence",
        "recall",
        "decks",
        "predictions",
        "editions",
    ),
    ("discourse", "claims", "choosing", "handouts", "gold"),
    ("scenes", "holdings"),
    ("derivation", "registry"),
    ("names",),
    ("adjectives",),
    ("adverbs",),
    ("phrases",),
    ("conjugation",),
    ("narration",),
    ("clauses",),
    ("world", "knobs"),
    ("corpora", "tokenization", "labelling", "reading", "presentation", "decoding", "symptoms"),
    ("batching", "plots", "choices", "ledgers", "diagrams", "matrices", "calibration", "pages"),
    (
        "charts",
        "infographics",
        "published",
        "layers",
        "machine",
        "weighting",
        "surgery",
        "costs",
        "overlap",
        "perceptrons",
        "sampling",
    ),
    ("encoders",),
    ("heads", "sharing"),
    ("networks", "methods"),
    ("evaluation", "gradients"),
    ("progress", "annotation"),
    ("training",),
    ("study", "benchmark"),
    ("sweeps", "overhead"),
    ("lab", "quality", "verification"),
    ("pipeline", "classroom", "clinic"),
    ("commands",),
    ("checks", "advice", "runs", "quizroom", "drills", "teaching", "catalogue"),
    ("__main__",),
)
ROW = {name: number for number, row in enumerate(ROWS) for name in row}
LONGEST_MODULE = 350  # lines
LONGEST_CELL = 25  # lines
TORCH = {"torch", "transformers", "tokenizers", "safetensors"}
NO_TORCH = {name for row in ROWS[: ROW["published"]] for name in row} - {"tokenization", "batching"}


def imported(source: str) -> set[str]:
    """Names of all modules that a module's source imports, wherever the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = ".".join(part for part in ("mtlkit" * bool(node.level), node.module) if part)
            if parent == "mtlkit":
                names.update(f"mtlkit.{alias.name}" for alias in node.names)
            else:
                names.add(parent)
    return names


def own(source: str) -> set[str]:
    """The modules of mtlkit among them, without the package's name."""
    parts = [name.split(".") for name in imported(source)]
    return {part[1] for part in parts if part[0] == "mtlkit" and len(part) > 1} & set(ROW)


def offences(module: str, source: str) -> list[str]:
    """Imports that a module in its row may not have."""
    return [
        f"{module} (row {ROW[module]}) imports {name} (row {ROW[name]})"
        for name in sorted(own(source))
        if ROW[name] >= ROW[module]
    ]


@pytest.mark.parametrize(
    "line",
    [
        "from mtlkit import study",
        "from mtlkit import DATA, study as s",
        "from mtlkit.study import run",
        "import mtlkit.study",
        "from . import study",
        "from .study import run",
        "def f():\n    from mtlkit.study import run",
        "if TYPE_CHECKING:\n    import mtlkit.study as s",
    ],
)
def test_an_import_is_seen_however_it_is_written(line: str) -> None:
    assert len(offences("encoders", line)) == 1
    assert offences("pipeline", line) == []


def test_modules_of_one_row_may_not_import_each_other() -> None:
    assert offences("metrics", "import mtlkit.routes") == ["metrics (row 1) imports routes (row 1)"]


def test_each_module_stands_in_exactly_one_row() -> None:
    names = [name for row in ROWS for name in row]
    assert sorted(names) == sorted(path.stem for path in MODULES if path.stem != "__init__")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
class TestModule:
    def test_imports_only_from_rows_above(self, path: Path) -> None:
        source = path.read_text(encoding="utf-8")
        if path.stem == "__init__":
            assert not own(source), "the package itself imports none of its modules"
        else:
            assert offences(path.stem, source) == []

    def test_is_short(self, path: Path) -> None:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= LONGEST_MODULE, f"{path.stem} has {lines} lines: is it two ideas?"

    def test_says_what_it_is(self, path: Path) -> None:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    def test_does_without_torch_where_it_can(self, path: Path) -> None:
        if path.stem in NO_TORCH:
            source = path.read_text(encoding="utf-8")
            assert not {name.split(".")[0] for name in imported(source)} & TORCH

    def test_has_a_test_file(self, path: Path) -> None:
        name = path.stem.strip("_")
        if name != "init":
            assert (ROOT / "tests" / f"test_{name}.py").is_file()


def cells(path: Path) -> Iterator[tuple[str, dict]]:
    """Code cells that hold code, each with a name for messages."""
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], 1):
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip():
            yield f"{path.name}, cell {number}", cell


def faults(place: str, cell: dict) -> list[str]:
    """What is wrong with an executed code cell."""
    lines = len("".join(cell["source"]).strip().splitlines())
    found = [f"{place}: {lines} lines"] if lines > LONGEST_CELL else []
    if cell["execution_count"] is None:
        found.append(f"{place}: was not executed")
    for output in cell["outputs"]:
        if output["output_type"] == "error":
            found.append(f"{place}: ended in an error, {output['ename']}")
        alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
        if "image/png" in output.get("data", {}) and not alt.strip():
            found.append(f"{place}: shows a picture without alternative text")
    return found


def test_faults_of_cells_are_found() -> None:
    picture = {"output_type": "display_data", "data": {"image/png": "…"}, "metadata": {}}
    described = picture | {"metadata": {"image/png": {"alt": "A line that rises."}}}
    error = {"output_type": "error", "ename": "ValueError"}
    good = {"source": ["x = 1\n"] * 25, "execution_count": 1, "outputs": [described]}
    assert faults("c", good) == []
    assert faults("c", good | {"source": ["x = 1\n"] * 26}) == ["c: 26 lines"]
    assert faults("c", good | {"execution_count": None}) == ["c: was not executed"]
    assert faults("c", good | {"outputs": [error]}) == ["c: ended in an error, ValueError"]
    assert len(faults("c", good | {"outputs": [picture]})) == 1


@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_lesson_is_executed_and_short(path: Path) -> None:
    assert re.fullmatch(r"\d\d_[a-z_]+", path.stem), "lessons are named NN_name"
    assert [fault for place, cell in cells(path) for fault in faults(place, cell)] == []


def test_every_lesson_has_one_cell_of_parameters() -> None:
    for path in NOTEBOOKS:
        tags = [cell["metadata"].get("tags", []) for _, cell in cells(path)]
        assert sum("parameters" in tag for tag in tags) == 1, path.name


WAITING = {"04", "08", "09"}
"""Lessons whose long runs are not complete: the copy is that of the version before, as it ran."""


def test_the_long_study_ran_the_lessons_as_they_are() -> None:
    copies = EXECUTED[len(NOTEBOOKS) :]
    assert [path.name for path in copies] == [path.name for path in NOTEBOOKS]
    for path in (path for path in copies if path.name[:2] not in WAITING):
        lesson, copy = (
            ["".join(cell["source"]) for _, cell in cells(each)]
            for each in (ROOT / "notebooks" / path.name, path)
        )
        assert copy == [s.replace('profile = "quick"', 'profile = "full"') for s in lesson], (
            f"{path.name}: mtlkit study --profile full --only {path.name[:2]} --publish"
        )


def test_shapes_are_checked_when_tests_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    (tmp_path / "shaped_example.py").write_text(
        "from jaxtyping import Float\n"
        "from torch import Tensor\n\n"
        'def f(x: Float[Tensor, "batch word"]) -> Float[Tensor, "batch"]:\n'
        "    return x.sum(0)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with install_import_hook("shaped_example", "typeguard.typechecked"):
        example = importlib.import_module("shaped_example")
    assert example.f(torch.zeros(2, 2)).shape == (2,)  # a square hides the mistake
    with pytest.raises(TypeCheckError):
        example.f(torch.zeros(2, 3))
    with pytest.raises(TypeCheckError):
        example.f(torch.zeros(2))


def test_the_kept_world_depends_on_all_the_source_that_makes_it() -> None:
    """Else a change of that source would leave sentences of the old one in the cache."""
    from mtlkit.corpora import _MAKERS

    makes, to_read = {"corpora", "gold", "examples", "conllu"}, ["world"]
    while to_read:
        name = to_read.pop()
        if name not in makes:
            makes.add(name)
            to_read += own((ROOT / "mtlkit" / f"{name}.py").read_text(encoding="utf-8"))
    assert makes == set(_MAKERS)
