"""The machine: precision is what was asked for, and the rate of products is a rate."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file
from torch import nn

from mtlkit import machine, networks
from mtlkit.__main__ import main
from mtlkit.batching import collate, encode
from mtlkit.machine import autocast


def fast_bf16() -> bool:
    itself = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return itself or torch.cuda.is_available()


def test_precision_is_what_the_recipe_says() -> None:
    assert not autocast("fp32")._enabled
    assert autocast("bf16")._enabled
    assert autocast("auto")._enabled == fast_bf16()
    assert autocast("auto").fast_dtype == torch.bfloat16
    assert machine.precision("bf16") == torch.bfloat16
    assert machine.precision("auto") == (torch.bfloat16 if fast_bf16() else torch.float32)


def test_bf16_computes_in_bf16_and_keeps_weights_in_fp32() -> None:
    """Whether or not the processor has such arithmetic: others imitate it."""
    encoder = tiny.encoder(tiny.sentences()).eval()
    examples = tiny.sentences()[:2]
    batch = collate(encode(examples, encoder.subwords, {}), (), padding=0)
    plain = encoder(batch).words
    linear = next(m for m in encoder.transformer.modules() if isinstance(m, nn.Linear))
    with autocast("bf16"):
        product = linear(torch.ones(1, linear.in_features))
        states = encoder(batch)
    assert product.dtype == states.subwords.dtype == torch.bfloat16
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    torch.testing.assert_close(states.words.float(), plain, atol=0.1, rtol=0.1)
    assert not torch.equal(states.words.float(), plain)


def test_a_gpu_is_used_if_there_is_one() -> None:
    assert machine.device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_side_by_side_results_come_in_order_from_threads_of_one_core() -> None:
    here = threading.get_ident()

    def square(n: int) -> tuple[int, int, bool]:
        time.sleep(0.01 * (n % 3))
        return n * n, torch.get_num_threads(), threading.get_ident() == here

    found = list(machine.side_by_side(square, range(20)))
    assert [each[0] for each in found] == [n * n for n in range(20)]
    assert torch.get_num_threads() == 2
    on_cpu = machine.device().type == "cpu"
    assert {each[1:] for each in found} == {(1, False) if on_cpu else (2, True)}
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2], "what begins afterwards has all cores again"


@pytest.mark.usefixtures("two_threads")
def test_side_by_side_reads_few_items_ahead_and_passes_errors_on() -> None:
    read: list[int] = []
    results = machine.side_by_side(lambda n: 10 // (5 - n), (read.append(n) or n for n in range(9)))
    assert next(results) == 2
    assert len(read) <= 4
    with pytest.raises(ZeroDivisionError):
        list(results)
    assert torch.get_num_threads() == 2


def test_with_one_thread_nothing_runs_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    idents = set(machine.side_by_side(lambda _: threading.get_ident(), range(5)))
    assert idents == {threading.get_ident()}


def test_the_rate_of_matrix_products_is_measured() -> None:
    """Against one product, timed here; a wide margin, since other processes run beside tests."""
    rate = machine.matrix_rate("fp32", size=512, seconds=0.3)
    benchmark = pytest.importorskip("torch.utils.benchmark")
    a = torch.ones(512, 512, device=machine.device())
    found = benchmark.Timer("a @ a", globals={"a": a}).timeit(20)
    assert 0.1 < rate * found.median / (2 * 512**3) < 10


def test_enough_compiled_products_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.delenv(name, raising=False)
    machine.reuse()
    assert int(os.environ[name]) > 1024, "more than by default"
    monkeypatch.setenv(name, "7")
    machine.reuse()
    assert os.environ[name] == "7", "what the user says"


# ---- several processes


SHARE = """
import os
import torch
from mtlkit import machine
with machine.joined():
    number, processes = machine.place()
    layer = torch.nn.Linear(2, 1)
    for parameter in layer.parameters():
        parameter.grad = torch.full_like(parameter, 1.0 + number)
    machine.share_gradients(layer.parameters())
    means = [p.grad.unique().tolist() for p in layer.parameters()]
    os.write(1, f"{number} {processes} {means}\\n".encode())  # at once: two processes write here
"""


def torchrun(*arguments: str) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_processes_share_the_mean_of_their_gradients(tmp_path: Path) -> None:
    (tmp_path / "share.py").write_text(SHARE)
    found = sorted(torchrun(str(tmp_path / "share.py")).splitlines())
    assert found == ["0 2 [[1.5], [1.5]]", "1 2 [[1.5], [1.5]]"]


def test_alone_nothing_is_shared() -> None:
    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    with machine.joined():
        assert machine.place() == (0, 1)
        machine.share_gradients(layer.parameters())
    assert layer.weight.grad is not None and layer.weight.grad.unique().tolist() == [1.0]


def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """Each on a part of every batch; what is counted is the whole."""
    settings = [
        "layers=1",
        "width=32",
        "vocabulary=400",
        "min_updates=6",
        "epochs=0",
        "evaluations=2",
    ]
    command = ["train", "scratch > pos:40+dep:40@world", "--recipe", *settings, "head_dropout=0"]
    folders = [tmp_path / "two", tmp_path / "one"]
    torchrun("-m", "mtlkit", *command, "--out", str(folders[0]))
    assert main([*command, "--out", str(folders[1])]) == 0
    two, one = (networks.description(folder) for folder in folders)
    assert two["ledger"]["tasks"] == one["ledger"]["tasks"]
    for name in ("heads.safetensors", "encoder/model.safetensors"):
        first, second = (load_file(folder / name) for folder in folders)
        far = max(float((first[key] - second[key]).abs().max()) for key in first)
        assert far < 0.02, "means of halves are nearly the mean of all"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
