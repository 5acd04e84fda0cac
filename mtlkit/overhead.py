"""What methods cost beside a plain step: time and memory of every way to share, weigh, operate.

All are measured on the same batches in turn, in one process of one thread, so that a busy machine
slows all of them alike; what counts is the ratio to the plain sum.  Memory is that of a process
that does nothing else.
"""

import importlib.util
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from mtlkit import benchmark, machine, surgery, weighting
from mtlkit.batching import Batch, buckets, collate, encode
from mtlkit.gradients import backward
from mtlkit.networks import Network
from mtlkit.recipes import Recipe
from mtlkit.sharing import SHARINGS
from mtlkit.surgery import SURGERIES
from mtlkit.weighting import WEIGHTINGS

__all__ = ["COLUMNS", "PEERS", "measure", "methods"]

COLUMNS = ("kind", "method", "space", "milliseconds", "ratio", "mib")
"""``ratio``: to the plain sum of losses with hard sharing; ``mib``: most memory held, in MiB."""

PEERS = {"pcgrad": "PCGrad", "mgda": "MGDA", "upgrad": "UPGrad"}
"""Surgery here, and the aggregator of torchjd (Quinton and Rey 2024) that does the same."""

_TASKS = benchmark.TASKS[-1]
_LOWER = "lower:pos=3"
_PLAIN = ("plain", "sum of losses", "")
Method = tuple[str, str, str]
"""Kind, name, and for surgery the space."""


def methods() -> list[Method]:
    """What is measured: the plain step first."""
    found = [_PLAIN]
    found += [("weighting", name, "") for name in WEIGHTINGS if name != "uniform"]
    for space in ("representations", "parameters"):
        found += [("surgery", name, space) for name in SURGERIES]
    if importlib.util.find_spec("torchjd"):
        found += [("torchjd", name, "parameters") for name in PEERS]
    found += [("sharing", name, "") for name in SHARINGS if name != "hard"]
    return found


def measure(*, sentences: int = 600, repeats: int = 2, start: str = "minilm") -> pd.DataFrame:
    """A row a method, with `COLUMNS`; three tasks on the same sentences.

    ``repeats``: how often each method takes each of the batches, after once to warm up.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        times = pool.submit(_times, sentences, repeats, start).result()
        rows = []
        for method in tqdm(methods(), desc="memory", unit="method", disable=None):
            kind, name, space = method
            rows.append({
                "kind": kind,
                "method": name,
                "space": space,
                "milliseconds": 1000 * float(np.mean(times[method])),
                "ratio": float(np.sum(times[method]) / np.sum(times[_PLAIN])),
                "mib": pool.submit(_memory, method, sentences, start).result(),
            })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _times(sentences: int, repeats: int, start: str) -> dict[Method, list[float]]:
    torch.set_num_threads(1)
    machine.reuse_memory()
    found: dict[Method, list[float]] = {method: [] for method in methods()}
    with ExitStack() as stack:
        steps = {m: stack.enter_context(_Learner(m, sentences, start)) for m in found}
        for number in tqdm(range(repeats + 1), desc="time", unit="pass", disable=None):
            for place in range(len(steps[_PLAIN].batches)):
                for method, learner in steps.items():
                    begun = time.process_time()
                    learner.step(learner.batches[place])
                    if number:
                        found[method].append(time.process_time() - begun)
    return found


def _memory(method: Method, sentences: int, start: str) -> int:
    torch.set_num_threads(1)
    machine.reuse_memory()
    with _Learner(method, sentences, start) as learner:
        for batch in learner.batches:
            learner.step(batch)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class _Learner:
    """A model that learns in one of the ways."""

    def __init__(self, method: Method, sentences: int, start: str) -> None:
        kind, name, self.space = method
        recipe, corpus = Recipe(), benchmark.corpus()
        self.network = benchmark.untrained(corpus, start, _TASKS, recipe)
        examples = benchmark.spread(corpus, _TASKS, sentences)[_TASKS[0]]
        items = encode(examples, self.network.encoder.subwords, self.network.labels)
        lengths = [len(item.encoding.ids) for item in items]
        order = np.random.default_rng(0)
        self.batches: list[Batch] = [
            collate([items[i] for i in chosen], _TASKS, padding=0)
            for chosen in buckets(lengths, tokens=recipe.batch_tokens, rng=order)[:6]
        ]
        self.ids = sorted({id_ for item in items for id_ in item.encoding.ids})
        if kind == "sharing":
            self.network.share(_LOWER if name == "lower" else name, _TASKS)
        chance = self.network.chance
        text = name if kind == "weighting" else "uniform"
        self.weighting = weighting.build(text, _TASKS, chance, seed=0)
        self.surgery = surgery.build(name, _TASKS, seed=0) if kind == "surgery" else None
        self.peer = _peer(name) if kind == "torchjd" else None
        self.precision = recipe.precision

    def __enter__(self) -> "_Learner":
        self._rows = self.network.encoder.learning_rows(self.ids)
        self._rows.__enter__()
        self.network.train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-5, fused=True)
        return self

    def __exit__(self, *error: Any) -> None:
        self._rows.__exit__(*error)

    def step(self, batch: Batch) -> None:
        """One update."""
        self.optimizer.zero_grad()
        if self.peer is None:
            backward(
                self.network, [batch], self.weighting, self.surgery,
                space=self.space or "representations", precision=self.precision,
            )  # fmt: skip
        else:
            self.peer(self.network, batch, self.precision)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.weighting.after(lambda: self._again(batch))

    @torch.no_grad()
    def _again(self, batch: Batch) -> dict[str, float]:
        with machine.autocast(self.precision):
            return {task: float(loss) for task, loss in self.network.losses(batch).items()}


def _peer(name: str) -> Callable[[Network, Batch, str], None]:
    """Torchjd's backward for the same method, on the same cut."""
    from torchjd import aggregation
    from torchjd.autojac import jac_to_grad, mtl_backward

    aggregator = getattr(aggregation, PEERS[name])()

    def step(network: Network, batch: Batch, precision: str) -> None:
        with machine.autocast(precision):
            states = network.states(batch, batch.targets)
            losses = network.losses(batch, states)
        trunk = network.trunk()
        mtl_backward(
            list(losses.values()),
            features=[states[_TASKS[0]].mixed],
            tasks_params=[list(network.heads[task].parameters()) for task in losses],
            shared_params=trunk,
            retain_graph=True,  # what stands between the features and the heads is shared
        )
        jac_to_grad(trunk, aggregator)

    return step
