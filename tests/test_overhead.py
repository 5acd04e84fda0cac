"""What methods cost: each takes the same steps, and is compared with the plain one."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self

import pytest
import tiny
import torch

from mtlkit import benchmark, costs, figures, overhead
from mtlkit.methods import KINDS


class Here:
    """A pool that works in this process."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...

    def submit(self, function: Callable[..., Any], *given: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*given))
        return future


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "untrained", lambda *_: tiny.model(overhead._TASKS))
    monkeypatch.setattr(benchmark, "spread", lambda *_: dict.fromkeys(overhead._TASKS, SENTENCES))
    monkeypatch.setattr(overhead, "_LOWER", "lower:pos=1")
    monkeypatch.setattr(overhead, "ProcessPoolExecutor", Here)


SENTENCES = tiny.sentences(12)


def test_every_method_is_measured_beside_the_plain_step(small: None) -> None:
    found = overhead.measure(repeats=1)
    assert tuple(found) == overhead.COLUMNS
    assert found.iloc[0][["kind", "ratio"]].tolist() == ["plain", 1.0]
    assert (found.ratio > 0).all() and (found.mib > 50).all()
    for kind, methods in KINDS.items():
        rows = found[found.kind == kind]
        left_out = {"uniform", "hard"} if kind != "sampling" else set(methods)
        assert set(rows.method) == set(methods) - left_out
    surgery = found[found.kind == "surgery"]
    assert set(surgery.space) == {"representations", "parameters"}
    assert set(found[found.kind == "torchjd"].method) == set(overhead.PEERS)
    drawn = figures.describe(costs.methods(found))
    assert "cross-stitch" in drawn and "torchjd upgrad parameters" in drawn


@pytest.mark.parametrize("name", sorted(overhead.PEERS))
def test_the_peer_does_the_same(small: None, name: str) -> None:
    """Its gradient of the trunk is ours in the parameters, up to a factor where it takes the mean;
    for pcgrad, whose order is random, of two tasks."""
    tasks = overhead._TASKS[:2]
    gradients = []
    for kind in ("surgery", "torchjd"):
        learner = overhead._Learner((kind, name, "parameters"), 0, "")
        batch = learner.batches[0]
        batch = type(batch)(
            **{f: getattr(batch, f) for f in batch.__dataclass_fields__ if f != "targets"},
            targets={task: batch.targets[task] for task in tasks},
        )
        network = learner.network.eval()
        if learner.peer is not None:
            learner.peer(network, batch, "fp32")
        else:
            operate = overhead.surgery.build(name, tasks, seed=0)
            weigh = overhead.weighting.build("uniform", tasks, network.chance, seed=0)
            overhead.backward(
                network, [batch], weigh, operate, space="parameters", precision="fp32"
            )
        gradients.append(
            torch.cat([p.grad.flatten() for p in network.trunk() if p.grad is not None])
        )
    ours, theirs = gradients
    factor = 1.0 if name == "pcgrad" else float(len(tasks))
    torch.testing.assert_close(ours, factor * theirs, rtol=1e-3, atol=1e-5)
