"""Networks: one trunk, heads that stay, and folders that come back as they were."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import tiny
import torch
from safetensors.torch import load_file

from mtlkit.batching import collate, encode
from mtlkit.evaluation import predict
from mtlkit.networks import FORMAT, ModelError, Network, description, load, save

TASKS = ("pos", "ner", "dep")


def batch_of(model: Network, tasks: tuple[str, ...] = TASKS):  # type: ignore[no-untyped-def]
    items = encode(tiny.sentences(6), model.encoder.subwords, model.labels)
    return collate(items, tasks, padding=0)


def test_losses_are_those_of_the_heads_with_one_pass_through_the_trunk() -> None:
    model = tiny.model(TASKS).eval()
    batch = batch_of(model, ("pos", "dep"))
    with mock.patch.object(model.encoder, "forward", wraps=model.encoder.forward) as trunk:
        losses = model.losses(batch)
        assert trunk.call_count == 1
        assert set(losses) == {"pos", "dep"}, "no loss for a task without labels in the batch"
        with torch.no_grad():
            answers = model.predict(batch, TASKS)
        assert trunk.call_count == 2
    states = model.encoder(batch)
    for task, loss in losses.items():
        assert torch.equal(loss, model.heads[task].loss(states, batch, batch.targets[task]))
    with torch.no_grad():
        assert answers == {task: model.heads[task].decode(states, batch) for task in TASKS}


def test_both_tasks_move_the_trunk_and_each_its_own_head() -> None:
    model = tiny.model(TASKS)
    losses = model.losses(batch_of(model))
    for task in TASKS:
        model.zero_grad()
        losses[task].backward(retain_graph=True)
        moved = {name for name, p in model.named_parameters() if p.grad is not None}
        assert any(name.startswith("encoder.transformer.") for name in moved)
        assert {name.split(".")[1] for name in moved if name.startswith("heads.")} == {task}


def test_a_task_that_returns_finds_its_head() -> None:
    model = tiny.model(["pos"])
    head = model.heads["pos"]
    model.add("pos", ("another", "set"))
    assert model.heads["pos"] is head
    assert model.labels == {"pos": tiny.labels("pos", tiny.sentences())}


def test_a_head_does_not_depend_on_the_heads_before_it() -> None:
    alone, after = tiny.model(["dep"]), tiny.model(["pos", "ner", "dep"])
    for name, tensor in alone.state_dict().items():
        assert torch.equal(tensor, after.state_dict()[name])


# ---- folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tiny.trained(), tmp_path, {"note": "a fact"})
    return tmp_path


def test_a_model_comes_back_as_it_was(folder: Path) -> None:
    model = tiny.trained()
    read, facts = load(folder, recipe=tiny.RECIPE, seed=5)
    assert facts["note"] == "a fact"
    assert facts["format"] == FORMAT
    assert read.labels == model.labels
    states = model.state_dict()
    assert read.state_dict().keys() == states.keys()
    assert all(torch.equal(tensor, states[name]) for name, tensor in read.state_dict().items())
    sentences = tiny.sentences()
    assert predict(read, sentences, TASKS, tiny.RECIPE) == predict(
        model, sentences, TASKS, tiny.RECIPE
    )


def test_a_model_that_came_back_trains_as_one_that_never_left(tmp_path: Path) -> None:
    """Dropout included: a route may take up a stage that another run has trained."""
    made = tiny.model((*TASKS, "mlm"))
    save(made, tmp_path, {})
    read, _ = load(tmp_path, recipe=tiny.RECIPE, seed=0)
    gradients = []
    for model in (made, read):
        torch.manual_seed(4)
        sum(model.train().losses(batch_of(model)).values(), torch.tensor(0.0)).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        if gradient is None:
            assert gradients[1][name] is None
        else:
            assert torch.equal(gradient, gradients[1][name]), name


def test_the_embedding_of_a_language_model_is_kept_once(tmp_path: Path) -> None:
    model = tiny.model(["mlm"])
    save(model, tmp_path, {})
    kept = load_file(tmp_path / "heads.safetensors")
    assert set(kept) == {"encoder.shape.weight", "encoder.mixture"} | {
        f"heads.mlm.{name}" for name, _ in model.heads["mlm"].named_parameters()
    }
    read, _ = load(tmp_path, recipe=tiny.RECIPE, seed=0)
    embedding = read.encoder.transformer.get_input_embeddings()
    assert read.heads["mlm"].embedding[0] is embedding


def test_a_folder_of_before_there_were_ways_to_share_is_of_hard_sharing(folder: Path) -> None:
    facts = json.loads((folder / "model.json").read_text())
    assert facts.pop("sharing") == ["hard"]
    (folder / "model.json").write_text(json.dumps(facts))
    read, _ = load(folder, recipe=tiny.RECIPE, seed=5)
    assert read.shared == "hard"
    sentences = tiny.sentences(5)
    assert predict(read, sentences, TASKS, tiny.RECIPE) == predict(
        tiny.trained(), sentences, TASKS, tiny.RECIPE
    )


@pytest.mark.parametrize("name", ["model.json", "heads.safetensors", "encoder/config.json"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError) as caught:
        load(folder, recipe=tiny.RECIPE, seed=0)
    assert str(caught.value) == (
        f"{folder} is not a whole model folder: {name} is missing; train it again with "
        "`mtlkit train`, or copy the whole folder"
    )


def _json(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        file = folder / "model.json"
        facts = json.loads(file.read_text())
        file.write_text(json.dumps(change(facts) or facts))

    return harm


def _cut(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_cut("model.json"), r"FOLDER/model\.json is damaged \(.+\); copy the folder again"),
        (
            _json(lambda facts: facts.update(format="mtlkit-model-0")),
            r"FOLDER/model\.json: format is 'mtlkit-model-0', expected 'mtlkit-model-1'; "
            "train the model again with this version",
        ),
        (_json(lambda facts: [facts]), r"FOLDER/model\.json: format is None, expected .+"),
        (
            _json(lambda facts: facts["labels"].update(chess=["a"])),
            r"FOLDER/model\.json: unknown task 'chess'",
        ),
        (_json(lambda facts: facts.pop("labels") and None), r"FOLDER is damaged \('labels'\); .+"),
        (
            _json(lambda facts: facts["labels"].pop("ner") and None),
            r"FOLDER/heads\.safetensors does not fit model\.json: 'heads\.ner\.output\.\w+' is "
            "on one side only; copy the folder again",
        ),
        (
            _json(lambda facts: facts["labels"].update(xpos=["a", "b"])),
            r"FOLDER/heads\.safetensors does not fit model\.json: 'heads\.xpos\.output\.\w+' "
            "is on one side only; copy the folder again",
        ),
        (_json(lambda facts: facts["labels"]["pos"].pop() and None), "FOLDER is damaged .+"),
        (
            _json(lambda facts: facts.update(sharing=["telepathy", "pos"])),
            r"FOLDER is damaged \(unknown sharing 'telepathy': expected one of hard, .+\); copy .+",
        ),
        (
            _json(lambda facts: facts.update(sharing=["adapters:width=3", "pos"])),
            r"FOLDER/heads\.safetensors does not fit model\.json: 'sharing\.adapters\.pos\..+' "
            "is on one side only; copy the folder again",
        ),
        (
            _cut("heads.safetensors"),
            r"FOLDER is damaged \(.+\); copy the folder again or train the model again",
        ),
        (_cut("encoder/model.safetensors"), r"FOLDER is damaged \(.+\); copy .+"),
        (_cut("encoder/tokenizer.json"), r"FOLDER is damaged \(.+\); copy .+"),
        (
            lambda folder: (folder / "encoder/model.safetensors").unlink(),
            r"FOLDER is damaged \(.+\); copy .+",
        ),
    ],
)
def test_a_damaged_folder(folder: Path, harm: Callable[[Path], None], message: str) -> None:
    harm(folder)
    with pytest.raises(ModelError) as caught:
        load(folder, recipe=tiny.RECIPE, seed=0)
    text = str(caught.value)
    assert "\n" not in text
    pattern = message.replace("FOLDER", str(folder).replace(".", r"\."))
    assert re.fullmatch(pattern, text), text


def test_a_description_needs_no_weights(folder: Path) -> None:
    facts = description(folder)
    assert facts["labels"] == {task: list(names) for task, names in tiny.trained().labels.items()}
