"""The command line: what it teaches, what it answers, and that no mistake leaves a mess."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from records import RECIPE, unchecked_shapes  # noqa: F401 (a fixture)
from udtools import udeval  # type: ignore[import-untyped]

from mtlkit import conllu, evidence, profiles, reading, study, world
from mtlkit.__main__ import INPUTS, PROFILES, main
from mtlkit.annotation import score_file

ROOT = Path(__file__).resolve().parent.parent
QUICK = [
    "--recipe", "layers=1", "width=32", "vocabulary=400", "min_updates=4", "epochs=0",
    "evaluations=2", "dev_sentences=10", "batch_tokens=256",
]  # fmt: skip
COMMANDS = (
    "study", "train", "evaluate", "annotate", "bench", "methods", "world", "data", "runs", "claims",
    "choose", "quiz", "verify", "doctor",
    "choose", "verify", "cards", "doctor",
    "choose", "verify", "pages", "doctor",
)  # fmt: skip
Answer = Callable[..., str]


def test_choices_named_without_loading_their_modules_are_theirs() -> None:
    assert (*reading.LINES, "conllu") == INPUTS
    assert set(PROFILES) == set(profiles.PROFILES)


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Run a command that must end with this code, and return what it says on stderr."""

    def run(code: int, *arguments: object) -> str:
        capsys.readouterr()
        try:
            found = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse
            assert isinstance(stop.code, int)
            found = stop.code
        said = capsys.readouterr().err
        said = said.rpartition("\r")[2]  # after the progress bar, if there was one
        assert found == code, said
        assert "Traceback" not in said
        assert re.search("^mtlkit[a-z ]*: ", said, re.M), said
        return said

    return run


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as the command makes it."""
    folder = tmp_path_factory.mktemp("main") / "model"
    route = "scratch > pos:40+ner:40+dep:40@world"
    assert main(["train", route, *QUICK, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder is a checkout with one (empty) lesson."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "notebooks" / "03_lesson.ipynb").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- what it teaches


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], *([name] for name in COMMANDS)):
        with pytest.raises(SystemExit) as stop:
            main([*command, "--help"])
        assert stop.value.code == 0
        text = capsys.readouterr().out
        if command:
            assert f"Examples:\n  mtlkit {command[0]}" in text
        else:
            assert set(COMMANDS) <= set(re.findall(r"^    (\w+) ", text, re.M))
        if command in ([], ["train"]):
            assert ">  then" in text and "+  together" in text


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from mtlkit.__main__ import main\n"
        "try: main(['train', '--help'])\nfinally: sys.exit('torch' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0


def test_claims_says_what_is_found_and_what_is_missing(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of runs that no store has, the numbers of the evidence are those that count."""
    items = [
        evidence.Item("size_rule", {"smaller": side, "labels": "100", "target": "ner"}, seed,
                      "score", "ner", ("none",), ("none",), sign * (5 + seed / 10))
        for side, sign in (("target", 1), ("support", -1))
        for seed in range(5)
    ]  # fmt: skip
    evidence.save(items, evidence.file(course / "figures" / "full", "09"))
    assert main(["claims"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 96
    assert "  world  not enough evidence: no runs; lesson 09 leaves them\n" in said
    whole = " ".join(said.split())
    assert "depends on smaller (for it: target): of 2 cells 1 for it, 1 against it; med" in whole
    todo = "mtlkit study --profile full --only 03 04 05"
    assert f"real: some claims have no runs yet; to make them:\n  {todo}" in said
    assert main(["claims", "size_rule"]) == 0
    said = capsys.readouterr().out
    assert "  margin      1 point\n" in said and "no runs yet" not in said
    rows = [line.split() for line in said.splitlines() if line.startswith("    smaller")]
    assert [row[-1] for row in rows] == ["for", "against"]
    assert rows[0][6:10] == ["5", "5.20", "5.00", "5.40"]


def test_world_is_a_valid_treebank(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["world", "3"]) == 0
    sentences = conllu.parse(capsys.readouterr().out)
    assert len(sentences) == 3 and sentences[0].words == world.generate(3, seed=0)[0].words
    assert main(["world", "3", "--seed", "7"]) == 0
    assert conllu.parse(capsys.readouterr().out)[0].words == world.generate(1, seed=7)[0].words
    assert main(["world", "0"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["world", "3", "--relatedness", "0"]) == 0
    other = conllu.parse(capsys.readouterr().out)
    assert [s.heads for s in other] == [s.heads for s in sentences]
    assert [[w.misc for w in s.words] for s in other] != [
        [w.misc for w in s.words] for s in sentences
    ]
    with pytest.raises(SystemExit):
        main(["world", "3", "--relatedness", "1.5"])
    assert "expected a number from 0 to 1, found '1.5'" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = f"set -o pipefail; '{sys.executable}' -m mtlkit world 900 | head -n 1"
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("# sent_id")


# ---- train and evaluate


def test_train_leaves_a_model_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "model"
    route = "scratch > pos:20@world > pos:20+dep:20@world"
    assert main(["train", route, *QUICK, "--seed", "3", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert [path.name for path in out.parent.iterdir()] == ["model"]
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert {"model.json", "heads.safetensors", "encoder/model.safetensors"} <= files
    facts = json.loads((out / "model.json").read_text())
    assert (facts["run"]["route"], facts["run"]["seed"]) == (route, 3)
    # It says how long it will take, and the scores as they come.
    for stage in (1, 2):
        assert re.search(rf"stage {stage} of 2: .*\d/4 \[\d\d:\d\d<\d\d:\d\d, ", said.err)
    assert len(re.findall(r"^  update [24], dev: pos accuracy 0\.\d{4}", said.out, re.M)) == 4
    for task, scores in facts["scores"]["test"].items():
        shown = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        assert f"test {task}: {shown}\n" in said.out
    # The numbers are those of the study.
    run = study.plan(route, RECIPE, 3)
    assert study.execute(run, folder=tmp_path)["scores"]["test"] == facts["scores"]["test"]


def test_an_interrupted_training_goes_on_when_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuse: Answer, model: Path
) -> None:
    original, updates, stop = study.fit, [], [5]

    def fit(*arguments: Any, watch: Any, **named: Any) -> Any:
        def look(*state: Any) -> None:
            updates.append(state[0])
            watch(*state)
            if len(updates) in stop:
                raise KeyboardInterrupt

        return original(*arguments, watch=look, every=every, **named)

    monkeypatch.setattr(study, "fit", fit)
    out = tmp_path / "model"
    route = "scratch > pos:40+ner:40+dep:40@world"
    longer = ["min_updates=6" if each == "min_updates=4" else each for each in QUICK]
    command = ["train", route, *longer, "--out", out]
    # Without a checkpoint there is nothing to go on from, and nothing is left.
    every = 1e9
    assert "interrupted; run the same command again" in refuse(1, *command)
    assert not list(tmp_path.iterdir())
    every = 0.0
    updates.clear()
    refuse(1, *command)
    assert [path.name for path in tmp_path.iterdir()] == [".model.part"]
    updates.clear()
    stop.clear()
    assert main([str(part) for part in command]) == 0
    assert updates == [4, 5, 6] and [path.name for path in tmp_path.iterdir()] == ["model"]
    monkeypatch.setattr(study, "fit", original)
    assert main([*map(str, command[:-1]), str(tmp_path / "at once")]) == 0
    scores = [
        json.loads((tmp_path / name / "model.json").read_text())["scores"]
        for name in ("model", "at once")
    ]
    assert scores[0] == scores[1]


def test_scores_are_those_of_the_official_script(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gold, predicted = tmp_path / "gold.conllu", tmp_path / "predicted.conllu"
    gold.write_text(conllu.format(world.generate(60, seed=5)), encoding="utf-8")
    assert main(["evaluate", str(model), str(gold), "--out", str(predicted)]) == 0
    printed = capsys.readouterr().out
    assert len(conllu.read(predicted)) == 60
    official = udeval.evaluate(*(
        udeval.load_conllu(io.StringIO(path.read_text(encoding="utf-8")), path.name, {})
        for path in (gold, predicted)
    ))  # fmt: skip
    scores = score_file(model, gold)
    assert scores["dep"] == {"uas": official["UAS"].f1, "las": official["LAS"].f1}
    assert scores["pos"] == {"accuracy": official["UPOS"].f1}
    uas, las, tags = (official[name].f1 for name in ("UAS", "LAS", "UPOS"))
    assert f"dep: uas {uas:.6f}, las {las:.6f}\n" in printed
    assert f"pos: accuracy {tags:.6f}\n" in printed
    assert re.search(r"^ner: f1 \d\.\d{6}$", printed, re.M)
    # What the model does not predict stays as it was.
    for before, after in zip(conllu.read(gold), conllu.read(predicted), strict=True):
        assert before.comments == after.comments and before.xpos == after.xpos
        assert before.forms == after.forms and set(after.heads) <= set(range(len(after.words) + 1))


# ---- text of one's own

TEXT = "The old cat isn't here. Mr. Lee sold it!\n\nClara met Ada Bell in Leeds.\n"


def test_text_is_annotated_in_every_form(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "text.txt", tmp_path / "new" / "out.conllu"
    file.write_text(TEXT)
    assert main(["annotate", str(model), str(file), "--out", str(out)]) == 0
    assert capsys.readouterr().out == ""
    sentences = conllu.read(out)  # valid trees
    assert [s.comment("text") for s in sentences] == [
        "The old cat isn't here.", "Mr. Lee sold it!", "Clara met Ada Bell in Leeds.",
    ]  # fmt: skip
    assert all(tag != "_" for s in sentences for tag in s.upos)
    assert [path.name for path in out.parent.iterdir()] == ["out.conllu"]
    assert main(["annotate", str(model), str(file)]) == 0
    assert capsys.readouterr().out == out.read_text()
    for form, begins in (("table", "The old cat isn't here.\n   word"), ("svg", "<svg ")):
        assert main(["annotate", str(model), str(file), "--format", form]) == 0
        assert capsys.readouterr().out.startswith(begins)
    assert main(["annotate", str(model), str(file), "--format", "json"]) == 0
    facts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [[w["head"] for w in f["words"]] for f in facts] == [list(s.heads) for s in sentences]
    # A CoNLL-U file keeps its words, and what the model does not predict.
    assert main(["annotate", str(model), str(out)]) == 0
    assert capsys.readouterr().out == out.read_text()


def test_standard_input_is_annotated_as_it_comes(model: Path) -> None:
    """The first sentences are there while more can still be written."""
    command = [sys.executable, "-m", "mtlkit", "annotate", str(model), "--input", "sentence"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        many = 4000  # lines of four words: more than are annotated at once
        process.stdin.write(b"Ada met the cat\n" * many)
        process.stdin.flush()
        first = process.stdout.readline()
        process.stdin.write(b"The end\n")
        process.stdin.close()
        rest = process.stdout.read()
    assert process.returncode == 0
    assert len(conllu.parse((first + rest).decode())) == many + 1


@pytest.mark.parametrize(
    ("content", "arguments", "code", "text"),
    [
        (b"caf\xe9", [], 1, "not UTF-8"),
        (b"A cat. " * 101, ["--format", "svg"], 1, "svg draws up to 100 sentences"),
        (b"1\tone\n\n", ["--input", "conllu"], 1, "from line 1:1: 2 columns instead of 10"),
        (b"A cat.", ["--out", "."], 2, "is a folder: choose another name"),
        (b"A cat.", ["--out", "text.txt"], 2, "is the file to be annotated"),
        (b"A cat.", ["--precision", "int4"], 2, "invalid choice: 'int4'"),
        (None, [], 1, "cannot use text.txt: No such file or directory"),
    ],
)
def test_text_that_cannot_be_annotated_is_refused(
    content: bytes | None, arguments: list[str], code: int, text: str, model: Path,
    refuse: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("text.txt").write_bytes(content)
    if "--out" not in arguments:
        arguments = [*arguments, "--out", "out"]
    assert text in refuse(code, "annotate", model, "text.txt", *arguments)
    assert [p.name for p in tmp_path.iterdir()] == ["text.txt"] * (content is not None)


# ---- the benchmark


def test_a_benchmark_leaves_a_table_and_a_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is measured is tested in test_benchmark."""
    from test_costs import FRAME

    from mtlkit import benchmark

    monkeypatch.setattr(benchmark, "measure", lambda sentences: FRAME)
    assert main(["bench", "--out", str(tmp_path / "b"), "--sentences", "10"]) == 0
    printed = capsys.readouterr().out
    assert "joint, side by side" in printed and "third_task      1.20" in printed
    found = {str(path.relative_to(tmp_path / "b")) for path in tmp_path.rglob("*.*")}
    assert found == {"engine.svg", "engine.png", "tables/engine.csv", "tables/engine.md"}


# ---- bad usage: exit code 2


@pytest.mark.parametrize(
    "route, place, text",
    [
        ("scratch > pos:20@world > > ner", 25, "expected a task"),
        ("scratch > pos:@world", 14, "expected a number of sentences"),
        ("scratch > pos:20@world/", 23, "expected a subset"),
        ("scratch > pos!20", 10, "unknown task"),
        ("scratch > nre@world", 10, "did you mean 'ner'"),
        ("scratch > pos@wrld", 14, "did you mean 'world'"),
        ("scratch > pos@gum/vlogs", 18, "did you mean 'vlog'"),
        ("scratch > pos@cr", 14, "'cr' has no labels for pos"),
        ("scratch > pos+pos@world", 14, "occurs twice"),
        ("minlm > pos@world", 0, "did you mean 'minilm'"),
    ],
)
def test_a_route_with_a_mistake_is_shown_with_its_place(
    route: str, place: int, text: str, refuse: Answer, tmp_path: Path
) -> None:
    lines = refuse(2, "train", route, "--out", tmp_path / "new" / "model").splitlines()
    assert lines[0].startswith("mtlkit: ") and text in lines[0]
    assert lines[1:] == [f"    {route}", "    " + " " * place + "^"]
    assert not list(tmp_path.iterdir())


ROUTE = "scratch > pos:20@world"


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["scratch"], "'scratch' trains nothing: add a stage, as in 'scratch > ner:500'"),
        (
            ["scratch > pos:99999@world"],
            "pos:99999@world asks for 99,999 training sentences, but there are",
        ),
        (["scratch > pos:9@world > ner:99999@world"], "ner:99999@world asks for 99,999 training"),
        ([ROUTE, "--recipe", "epoch=3"], "unknown recipe field 'epoch': did you mean 'epochs'?"),
        ([ROUTE, "--recipe", "epochs"], "cannot use 'epochs': expected key=value, each key once"),
        ([ROUTE, "--recipe", "epochs=1", "--recipe", "epochs=2"], "cannot use 'epochs=2': expect"),
        ([ROUTE, "--recipe", "epochs=-1"], "epochs is -1.0: expected a number from 0 to 1e+06"),
        ([ROUTE, "--recipe", "width=wide"], "width is 'wide': expected a whole number from 1 to"),
        ([ROUTE, "--recipe", "weighting=best"], "unknown weighting 'best': expected one of chance"),
        ([ROUTE, "--recipe", "sharing=soft"], "unknown sharing 'soft': expected one of hard"),
        ([ROUTE, "--recipe", "target=dep"], "target is 'dep': expected one of pos for 'scratch >"),
        ([ROUTE, "--recipe", "tuning=half"], "tuning is 'half': expected text of the form full"),
        ([ROUTE, "--seed", "-1"], "argument --seed: expected a whole number, 0 or more, found '-1"),
        ([ROUTE, "--seed", "one"], "argument --seed: expected a whole number, 0 or more"),
    ],
)
def test_what_cannot_be_trained_is_said_and_leaves_nothing(
    arguments: list[str], text: str, refuse: Answer, tmp_path: Path
) -> None:
    assert text in refuse(2, "train", *arguments, "--out", tmp_path / "new" / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, text",
    [
        ([], "the following arguments are required: COMMAND"),
        (["trian"], "invalid choice: 'trian' (choose from 'study', 'train'"),
        (["train", ROUTE], "the following arguments are required: --out"),
        (["world", "-1"], "error: "),
        (["world", "some"], "argument N: expected a whole number, 0 or more, found 'some'"),
        (["study", "--profile", "fast"], "invalid choice: 'fast' (choose from 'smoke', 'quick'"),
        (["study", "--workers", "0"], "argument --workers: expected a whole number, 1 or more"),
        (["study", "--workers", "1", "--scheduler", "a"], "not allowed with argument --workers"),
        (["study", "--only", "77"], "mtlkit: no lesson '77': there are 03"),
        (["study", "--only", "3", "--only", "x"], "mtlkit: no lesson 'x': there are 03"),
        (["study", "--only"], "argument --only: expected at least one argument"),
        (["data", "list", "gun"], "mtlkit: unknown corpus 'gun'; did you mean gum?"),
        (["data", "fetch", "nothing"], "mtlkit: unknown corpus 'nothing'; there are: world, gum"),
        (["data", "delete"], "invalid choice: 'delete' (choose from 'list', 'fetch', 'check', "),
        (["runs", "show"], "mtlkit: no id given: `mtlkit runs list --profile quick` has the ids"),
        (["runs", "show", "zz"], "mtlkit: 0 runs begin with 'zz': `mtlkit runs list --profile"),
        (["evaluate", "model"], "the following arguments are required: FILE.conllu"),
    ],
)
def test_bad_usage_is_said(arguments: list[str], text: str, refuse: Answer, course: Path) -> None:
    assert text in refuse(2, *arguments)
    assert sorted(os.listdir(course)) == ["notebooks", "pyproject.toml"]


def test_outside_a_checkout_there_are_no_lessons(
    refuse: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no lessons under" in refuse(2, "study", "--fresh")
    assert not list(tmp_path.iterdir())


def test_a_process_says_it_as_well(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mtlkit", "train", "scratch > nre@world", "--out", "model"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == "" and not list(tmp_path.iterdir())
    assert done.stderr == (
        "mtlkit: unknown task 'nre': did you mean 'ner'?\n"
        "    scratch > nre@world\n    " + " " * 10 + "^\n"
    )


def test_a_folder_with_something_in_it_is_not_written_to(
    model: Path, refuse: Answer, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("all my work")
    for out in (tmp_path, tmp_path / "thesis.txt"):
        said = refuse(2, "train", ROUTE, *QUICK, "--out", out)
        assert said == f"mtlkit: --out {out} exists and is not empty: choose a new folder\n"
    gold = tmp_path / "gold.conllu"
    conllu.write(gold, world.generate(1, seed=0))
    before = gold.read_bytes()
    assert "is the file to be scored" in refuse(2, "evaluate", model, gold, "--out", gold)
    assert "is a folder: choose" in refuse(2, "evaluate", model, gold, "--out", tmp_path)
    assert gold.read_bytes() == before and len(list(tmp_path.iterdir())) == 2


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert main(["train", ROUTE, *QUICK, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "model.json").is_file()


# ---- what fails: exit code 1


def lines(*rows: tuple[object, ...]) -> str:
    """CoNLL-U of (id, form, head) rows."""
    return "".join(f"{i}\t{form}\t_\tX\t_\t_\t{head}\tdep\t_\t_\n" for i, form, head in rows) + "\n"


GOOD = lines((1, "we", 2), (2, "rest", 0))
BAD_FILES = {
    "cycle": (GOOD + lines((1, "a", 2), (2, "b", 1), (3, "c", 0)), ":4: cycle of heads 1 > 2 > 1"),
    "head": (lines((1, "a", 0), (2, "b", 7)), ":2: head of word 2 is 7; the last word is 2"),
    "roots": (lines((1, "a", 0), (2, "b", 0)), ":2: roots at words 1, 2; exactly one word"),
    "cut off": (GOOD[:-20], ":2: the file is cut off in mid-line, after "),
    "no end": (GOOD[:-1], ":3: no blank line after the last sentence; the file may be cut off"),
    "nine columns": (GOOD.replace("\tdep\t", "\t", 1), ":1: 9 columns instead of 10 in "),
    "not utf-8": (GOOD.replace("we", "wé"), ":1: not UTF-8: byte 0xe9 at offset 3"),
    "empty": ("", ": has no sentence; give a file with one or more"),
    "long": (
        lines(*((i, "a", i - 1) for i in range(1, 600))),
        "a sentence of 599 words starting 'a a a a a' is longer than the",
    ),
}


@pytest.mark.parametrize("content, text", BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_no_treebank_is_refused(
    content: str, text: str, model: Path, refuse: Answer, tmp_path: Path
) -> None:
    file = tmp_path / "bad.conllu"
    file.write_bytes(content.encode("latin-1" if "é" in content else "utf-8"))
    said = refuse(1, "evaluate", model, file, "--out", tmp_path / "out.conllu")
    assert text in said and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.conllu"]


def test_files_that_are_not_there_are_named(model: Path, refuse: Answer, tmp_path: Path) -> None:
    gone = tmp_path / "gone.conllu"
    assert f"{gone}: cannot read the file (No such file" in refuse(1, "evaluate", model, gone)
    assert "(Is a directory)" in refuse(1, "evaluate", model, tmp_path)
    assert f"{gone} is not a whole model folder" in refuse(1, "evaluate", gone, gone)


def test_a_model_folder_that_is_not_whole_is_refused(
    model: Path, refuse: Answer, tmp_path: Path
) -> None:
    gold = tmp_path / "gold.conllu"
    conllu.write(gold, world.generate(2, seed=0))
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    assert main(["evaluate", str(copy), str(gold)]) == 0
    for name in ("model.json", "heads.safetensors", "encoder/config.json",
                 "encoder/model.safetensors", "encoder/tokenizer.json"):  # fmt: skip
        data = (copy / name).read_bytes()
        for wrong in (None, b"", data[: len(data) // 2]):
            (copy / name).unlink()
            if wrong is not None:
                (copy / name).write_bytes(wrong)
            else:
                (copy / name).with_suffix(".moved").write_bytes(data)
            said = refuse(1, "evaluate", copy, gold, "--out", tmp_path / "out.conllu")
            assert str(copy) in said and said.count("\n") == 1, name
            (copy / name).write_bytes(data)
    assert sorted(os.listdir(tmp_path)) == ["copy", "gold.conllu"]


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_place_that_cannot_be_written_is_said(
    command: str, model: Path, refuse: Answer, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    conllu.write(file, world.generate(1, seed=0))
    begin = ["train", ROUTE, *QUICK] if command == "train" else ["evaluate", model, file]
    said = refuse(1, *begin, "--out", file / "below" / "it")
    assert f"--out {file / 'below' / 'it'}: {file} is not a folder" in said
    if Path("/proc/self").exists():  # nobody can write there, not even root
        said = refuse(1, *begin, "--out", "/proc/mtlkit/x")
        assert "/proc/" in said and "check path, permissions and free space" in said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_corpus_with_a_changed_byte_is_refused(
    real_data: Path, refuse: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from mtlkit import sources

    for source in sources.files("trec"):
        (tmp_path / source.folder / source.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(
            real_data / source.folder / source.path, tmp_path / source.folder / source.path
        )
    monkeypatch.setenv("MTLKIT_DATA", str(tmp_path))
    assert main(["data", "check", "trec", "world"]) == 0
    said = capsys.readouterr().out
    assert said == "trec: every checksum agrees\nworld: generated, needs no file\n"
    changed = tmp_path / source.folder / source.path
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    for command in (
        ["data", "check", "trec"],
        ["data", "check"],
        ["train", "scratch > trec:20", *QUICK, "--out", tmp_path / "model"],
    ):
        said = refuse(1, *command)
        assert f"{changed} is not the pinned file" in said
        assert source.sha256 in said and "mtlkit data fetch trec" in said
    assert not (tmp_path / "model").exists()


def test_without_network_and_cache_the_answer_comes_soon(
    refuse: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("no_proxy", "NO_PROXY", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("MTLKIT_DATA", str(tmp_path / "cache"))
    begun = time.monotonic()
    said = refuse(1, "train", "scratch > cr:20", *QUICK, "--out", tmp_path / "model")
    assert re.match(
        r"mtlkit: cr: cannot download \S+ from \S+ \(.*\); connect to the network", said
    )
    assert time.monotonic() - begun < 20
    assert said.count("\n") == 1 and not (tmp_path / "model").exists()
    # To ask what there is needs no network.
    assert main(["data", "list"]) == 0
    assert re.search(r"^cr +.* 0/1 .* mtlkit data fetch cr$", capsys.readouterr().out, re.M)
    assert main(["data", "check"]) == 0
    assert "cr: not here; to get it: mtlkit data fetch cr\n" in capsys.readouterr().out
    assert "is not there; run: mtlkit data fetch cr" in refuse(1, "data", "check", "cr")


def test_a_fault_of_ours_is_shown_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: Any) -> Any:
        raise ValueError("a fault")

    monkeypatch.setattr(study, "plan", fault)
    with pytest.raises(ValueError, match="a fault"):
        main(["train", ROUTE, "--out", str(tmp_path / "model")])


# ---- what there is


def test_a_broken_record_is_named(course: Path, refuse: Answer) -> None:
    (course / "runs" / "quick").mkdir(parents=True)
    (course / "runs" / "quick" / ("0" * 64 + ".json")).write_text("{")
    assert "not a whole run record" in refuse(1, "runs", "list")


def test_data_and_doctor_say_what_there_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTLKIT_DATA", str(tmp_path))
    assert main(["data", "list", "world", "gum"]) == 0
    head, world_row, gum, place = capsys.readouterr().out.splitlines()
    assert head.split() == ["corpus", "tasks", "files", "MB", "state"]
    assert (
        world_row.startswith("world   pos ner dep depth aux stype sentiment mlm")
        and "here" in world_row
    )
    assert re.fullmatch(r"gum +pos .* 0/\d+ +\d+\.\d +to get it: mtlkit data fetch gum", gum)
    assert place == f"in {tmp_path}"
    assert main(["data", "fetch", "world"]) == 0
    assert capsys.readouterr().out == "world: generated, needs no file\n"
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in ("python", "torch", "cores", "bf16", "minilm", "mtlkit data fetch gum"):
        assert re.search(rf"(^|\s){word}\s", said), word
    assert not list(tmp_path.iterdir())
