"""One set of versions, said in three files; and a wheel that carries its data."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mtlkit

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def requirements(*extras: str) -> list[Requirement]:
    """What the project asks for, with some of its extras."""
    asked = [*PROJECT["dependencies"], *(r for extra in extras for r in EXTRAS[extra])]
    return [Requirement(r) for r in asked]


def pins() -> dict[str, str]:
    """Name to version, from constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    parsed = [Requirement(line) for line in lines if not line.startswith("#")]
    for pin in parsed:
        assert re.fullmatch(r"==[^,*+]+", str(pin.specifier)), f"{pin} is not an exact version"
    names = [canonicalize_name(pin.name) for pin in parsed]
    assert names == sorted(set(names)), "constraints.txt is sorted, each package once"
    return {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in parsed}


def conda_lines() -> list[str]:
    """Entries of the pip section of environment.yml."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    return re.findall(r"^ {6}- (.+)$", text.split("- pip:\n")[1], flags=re.M)


@pytest.mark.parametrize("requirement", requirements(*EXTRAS), ids=lambda r: r.name)
def test_every_requirement_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_conda_environment_agrees() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert "\nname: mtlkit\n" in text
    python = re.search(r"- python=(\S+)", text)
    assert python and PROJECT["requires-python"].startswith(f">={python[1]},")
    first, *listed, last = conda_lines()
    assert (first, last) == ("--constraint constraints.txt", "--editable .[weights,test]")
    versions = {}
    for line in map(Requirement, listed):
        versions[canonicalize_name(line.name)] = (line.extras, str(line.specifier))
    assert versions == {
        canonicalize_name(r.name): (r.extras, f"=={pins()[canonicalize_name(r.name)]}")
        for r in requirements("weights", "test")
    }


def test_tests_run_on_the_pinned_versions() -> None:
    differing = {}
    for requirement in requirements("test"):
        name = canonicalize_name(requirement.name)
        installed = importlib.metadata.version(name).split("+")[0]  # a build tag, such as +cu130
        if installed != pins()[name]:
            differing[name] = f"installed {installed}, pinned {pins()[name]}"
    assert not differing


def test_torch_is_installed_first_and_alone() -> None:
    dry = subprocess.run(
        ["make", "--dry-run", "--always-make", "setup", f"PYTHON={sys.executable}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    installs = [line for line in dry.stdout.splitlines() if " pip install " in line]
    assert [line.split("-c constraints.txt")[1].split() for line in installs] == [
        [f"torch=={pins()['torch']}"],
        ["-e", '".[weights,test]"'],
    ]


@pytest.mark.parametrize("python", ["no-such-python", "false"])
def test_a_wrong_python_is_named_and_the_cure_is_said(python: str, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    made = subprocess.run(
        ["make", "setup", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert made.returncode == 2
    assert "mtlkit needs Python 3.11" in made.stderr and f"'{python}'" in made.stderr
    assert "make PYTHON=/path/to/python3.11 setup" in made.stderr
    assert not (tmp_path / ".venv").exists()


def test_versions_agree() -> None:
    version = PROJECT["version"]
    assert mtlkit.__version__ == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## [{version}] - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"Version {version}." in (ROOT / "README.md").read_text(encoding="utf-8")


def test_wheel_carries_its_data(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--no-index", "-w", tmp_path, ROOT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("mtlkit-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    data = tmp_path / "site" / "mtlkit" / "data"
    expected = {path.relative_to(ROOT / "data") for path in (ROOT / "data").rglob("*")}
    assert {path.relative_to(data) for path in data.rglob("*")} == expected
    assert Path("corpora.toml") in expected
    assert {path.name for path in (tmp_path / "site").iterdir()} == {
        "mtlkit", f"mtlkit-{PROJECT['version']}.dist-info",
    }  # fmt: skip
    found = subprocess.run(
        [sys.executable, "-c", "import mtlkit; print(mtlkit.DATA)"],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert Path(found.stdout.strip()) == data
