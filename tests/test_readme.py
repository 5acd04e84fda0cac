"""The front page keeps its word: its commands run, its examples and tables are true."""

import csv
import doctest
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Commands that are not executed here, each with the reason.
NOT_RUN = {
    "make setup": "installs everything anew, which takes minutes and a network",
    "make study": "runs the whole series for minutes; make test runs its smoke profile",
    "make lab": "opens JupyterLab, which stays open until it is stopped",
    "mtlkit data fetch gum": "downloads a corpus; the tests of corpora fetch from a local folder",
    "mtlkit data add german ud:de_gsd": "downloads a treebank; other tests have a local server",
    'mtlkit train "minilm > pos+ner+dep@gum" --seed 0 --out parser': "trains for minutes on gum",
    'mtlkit train "scratch > mlm@text" --recipe mlm_updates=12000 mlm_tokens=2048 mlm_rate=0.2 '
    "--out mine": "trains for an hour and more on real text",
    "mtlkit study --profile full --workers 2": "trains for hours",
    "mtlkit student handout": "works in a copy of the project; its own test makes one",
    "mtlkit student notes --instructor --slides": "as the one before",
}


def blocks(language: str) -> list[str]:
    """The fenced blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.M | re.S)


def commands() -> list[str]:
    """All commands of the console blocks, in order."""
    return [
        line.removeprefix("$ ")
        for block in blocks("console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


def rows(heading: str) -> list[list[str]]:
    """Cells of the first table under a heading, without its head."""
    lines = README.split(f"\n## {heading}\n")[1].split("\n## ")[0].splitlines()
    table = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table[2:]]


def test_commands_run(tmp_path: Path) -> None:
    assert set(NOT_RUN) <= set(commands()), "a command that is excused is not on the page"
    tried = [command for command in commands() if command not in NOT_RUN]
    assert any(command.startswith("mtlkit train") for command in tried)
    scripts = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "MTLKIT_OWN": str(tmp_path / "own corpora"),
    }
    for command in tried:
        folder = ROOT if command.startswith("make ") else tmp_path
        run = subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, f"$ {command}\n{run.stdout}{run.stderr}"
    assert (tmp_path / "predicted.conllu").is_file()


def test_every_command_of_the_table_is_understood() -> None:
    from mtlkit.__main__ import main

    for command, _ in rows("Commands"):
        name = shlex.split(command.strip("`"))[1]
        with pytest.raises(SystemExit) as stop:
            main([name, "--help"])
        assert stop.value.code == 0


@pytest.mark.parametrize("block", blocks("python"))
def test_examples_are_true(block: str) -> None:
    test = doctest.DocTestParser().get_doctest(block, {}, "README.md", "README.md", 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


def test_routes_of_the_page_are_routes() -> None:
    from mtlkit.routes import Route

    routes = [
        cell.strip("`") for cell, _ in re.findall(r"^\| (`\w+ > .*?`) \| (.*)$", README, re.M)
    ]
    assert len(routes) >= 6
    for text in routes:
        assert str(Route.parse(text)) == text


def test_lessons_are_those_that_exist() -> None:
    from mtlkit import pages

    assert pages.front_page(README, ROOT) == README, "run mtlkit pages"
    existing = sorted(path.name for path in ROOT.glob("notebooks/[0-9][0-9]_*.ipynb"))
    linked = [re.findall(r"notebooks/(\d\d_\w+\.ipynb)", row[-1]) for row in rows("The lessons")]
    assert linked == [[name] for name in existing]


def test_the_ledger_is_what_the_published_evidence_says() -> None:
    from mtlkit import claims, ledgers

    evidence = {
        side: claims.gather(ROOT / "figures" / profile) for side, profile in claims.SIDES.items()
    }
    found = {
        id: {side: claims.judge(claim, items) for side, items in evidence.items()}
        for id, claim in claims.read()[1].items()
    }
    assert all(mark in README for mark in ledgers.MARKS)
    assert ledgers.front_page(README, found) == README, "mtlkit study --publish renews it"


def test_the_pretrained_start_does_more_than_support() -> None:
    table = ROOT / "figures" / "full" / "tables" / "09_head_to_head.csv"
    with table.open(encoding="utf-8", newline="") as lines:
        runs = list(csv.DictReader(lines))
    support = [number(row["minus single"]) for row in runs if row["minus single"]]
    score = {(row["target"], row["labels"], row["family"]): number(row["score"]) for row in runs}
    starts = [
        score[target, labels, "single"] - value
        for (target, labels, family), value in score.items()
        if family == "scratch"
    ]
    assert len(starts) >= 8 and len(support) == 2 * len(starts)
    assert min(starts) > max(map(abs, support)), "the README says otherwise"


def number(text: str) -> float:
    """The number that a cell of a table begins with."""
    return float(text.split()[0].replace("\N{MINUS SIGN}", "-"))


def test_licences_of_all_corpora_are_named() -> None:
    corpora = tomllib.loads((ROOT / "data" / "corpora.toml").read_text(encoding="utf-8"))
    table = rows("Corpora and their licences")
    assert sorted(name for cell, _, _ in table for name in re.findall(r"`(\w+)`", cell)) == sorted(
        corpora
    )
    for cell, tasks, _ in table:
        for name in re.findall(r"`(\w+)`", cell):
            said = set(re.findall(r"`(\w+)`", tasks)) | ({name} & set(corpora[name]["tasks"]))
            assert said == set(corpora[name]["tasks"]), name


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
