"""A model on a file: what is scored, what is written, and what is refused."""

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from records import RECIPE, unchecked_shapes  # noqa: F401 (a fixture)

from mtlkit import conllu, metrics, world
from mtlkit.annotation import Annotator, score_file
from mtlkit.networks import ModelError
from mtlkit.study import execute, plan


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with heads for tags, names and trees."""
    folder = tmp_path_factory.mktemp("study")
    run = plan("scratch > pos:20+ner:20+dep:20@world", RECIPE, 0)
    execute(run, folder=folder, keep=True)
    return folder / "models" / run.id


def test_a_file_is_scored_on_what_it_has(model: Path, tmp_path: Path) -> None:
    """Tags alone are scored; trees and names are predicted all the same."""
    gold = world.generate(6, seed=9)
    bare = [
        replace(s, words=tuple(replace(w, head=-1, deprel="_", misc="_") for w in s.words))
        for s in gold
    ]
    conllu.write(tmp_path / "tags.conllu", bare)
    out = tmp_path / "new folder" / "out.conllu"
    scores = score_file(model, tmp_path / "tags.conllu", out=out)
    assert set(scores) == {"pos"}
    predicted = conllu.read(out)  # valid trees
    assert [s.forms for s in predicted] == [s.forms for s in gold]
    tags = [
        count
        for a, b in zip(gold, predicted, strict=True)
        for count in [metrics.tag_counts(a.upos, b.upos)]
    ]
    assert metrics.f1(tags) == scores["pos"]["accuracy"]
    assert [p.name for p in out.parent.iterdir()] == ["out.conllu"]
    # The same words get the same answers, whatever labels the file had before.
    conllu.write(tmp_path / "all.conllu", gold)
    score_file(model, tmp_path / "all.conllu", out=tmp_path / "all.out")
    again = conllu.read(tmp_path / "all.out")
    assert [s.heads for s in again] == [s.heads for s in predicted]


def test_files_with_nothing_to_score_are_refused(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "words.conllu"
    file.write_text("")
    with pytest.raises(conllu.ConlluError, match=r"words.conllu: has no sentence; give a file"):
        score_file(model, file)
    file.write_text("1\tHello\t_\t_\t_\t_\t_\t_\t_\t_\n\n")
    with pytest.raises(conllu.ConlluError, match=r"has no labels for pos, ner, dep, so there is"):
        score_file(model, file)
    assert score_file(model, file, out=tmp_path / "out") == {}
    assert conllu.read(tmp_path / "out")[0].heads == (0,)


def test_models_that_cannot_score_a_file_are_refused(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "file.conllu"
    conllu.write(file, world.generate(1, seed=0))
    copy = tmp_path / "model"
    shutil.copytree(model, copy)
    whole = (copy / "model.json").read_text()
    for old, new in (('"route"', '"rute"'), ('"run"', '"ran"'), ('"tuning"', '"toning"')):
        (copy / "model.json").write_text(whole.replace(old, new))
        with pytest.raises(ModelError, match=r"model.json does not say how the model was trained"):
            score_file(copy, file)
    (copy / "model.json").write_text(whole.replace('"pos": [', '"cr": [', 1))
    with pytest.raises(ModelError):
        score_file(copy, file)
    run = plan("scratch > sentiment:20@world", RECIPE, 0)
    execute(run, folder=tmp_path, keep=True)
    with pytest.raises(ModelError, match=r" has heads for sentiment: none that a CoNLL-U file has"):
        score_file(tmp_path / "models" / run.id, file)


def test_sentences_come_back_in_their_order_however_many(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gold = world.generate(40, seed=4)
    annotator = Annotator.load(model)
    whole = list(annotator(gold))
    assert [s.forms for s in whole] == [s.forms for s in gold]
    monkeypatch.setattr("mtlkit.annotation._AT_ONCE", 30)
    assert list(annotator(iter(gold))) == whole
    assert list(annotator([])) == []


def test_sentences_are_asked_for_only_when_they_are_needed(model: Path) -> None:
    asked = 0

    def endless() -> Iterator[conllu.Sentence]:
        nonlocal asked
        for sentence in itertools.cycle(world.generate(20, seed=4)):
            asked += 1
            yield sentence

    next(Annotator.load(model)(endless()))
    assert 100 < asked < 5000


def test_int8_answers_nearly_as_fp32_does(model: Path) -> None:
    gold = world.generate(60, seed=6)
    exact, rounded = (
        list(Annotator.load(model, precision=precision)(gold)) for precision in ("fp32", "int8")
    )
    pairs = [
        (a, b)
        for one, two in zip(exact, rounded, strict=True)
        for a, b in zip(one.words, two.words, strict=True)
    ]
    same = sum(a == b for a, b in pairs) / len(pairs)
    assert same > 0.9, "eight bits move a score by a percent"
    linear = Annotator.load(model, precision="int8").network.encoder.transformer.layers[0].attn.Wo
    assert linear.weight().dtype == torch.qint8
