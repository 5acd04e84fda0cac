"""What methods cost beside a plain step: time and memory of every way to share, weigh, operate.

Each has a process of its own, of one thread, and takes the same batches in turn with a plain step,
so that a busy machine slows both alike; what counts is the ratio.  All compute in fp32, since
torchjd's backward does not take mixed precision (its `torch.vmap` over layer norms).  Memory is
that of the process before the plain step is there.
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
from mtlkit.gradients import backward, losses
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
    rows = []
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        for method in tqdm(methods(), desc="methods", unit="method", disable=None):
            found = pool.submit(_beside_plain, method, sentences, repeats, start).result()
            rows.append((*method, *found))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _beside_plain(
    method: Method, sentences: int, repeats: int, start: str
) -> tuple[float, float, int]:
    """Milliseconds of a step, its ratio to a plain one, and the memory before there is one."""
    torch.set_num_threads(1)
    machine.reuse()
    times: dict[Method, list[float]] = {method: [], _PLAIN: []}
    with ExitStack() as stack:
        own = stack.enter_context(_Learner(method, sentences, start))
        for batch in own.batches:
            own.step(batch)
        mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        plain = stack.enter_context(_Learner(_PLAIN, sentences, start))
        for number in range(repeats + 1):
            for batch in own.batches:
                for name, learner in ((method, own), (_PLAIN, plain)):
                    begun = time.process_time()
                    learner.step(batch)
                    if number:
                        times[name].append(time.process_time() - begun)
    ratio = 1.0 if method == _PLAIN else sum(times[method]) / sum(times[_PLAIN])
    return 1000 * float(np.mean(times[method])), ratio, mib


class _Learner:
    """A model that learns in one of the ways."""

    def __init__(self, method: Method, sentences: int, start: str) -> None:
        kind, name, self.space = method
        recipe, corpus = Recipe(precision="fp32"), benchmark.corpus()
        self.network = benchmark.untrained(corpus, start, _TASKS, recipe)
        examples = benchmark.spread(corpus, _TASKS, sentences)[_TASKS[0]]
        items = encode(examples, self.network.encoder.subwords, self.network.labels)
        lengths = [len(item.encoding.ids) for item in items]
        order = np.random.default_rng(0)
        self.batches: list[Batch] = [
            collate([items[i] for i in chosen], _TASKS, padding=0)
            for chosen in buckets(lengths, tokens=recipe.batch_tokens, rng=order)[:4]
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
        found = losses(self.network, [batch], precision=self.precision)
        return {task: float(loss) for task, loss in found.items()}


def _peer(name: str) -> Callable[[Network, Batch, str], None]:
    """Torchjd's backward for the same method, on the same cut."""
    from torchjd import aggregation
    from torchjd.autojac import jac_to_grad, mtl_backward

    aggregator = getattr(aggregation, PEERS[name])()

    def step(network: Network, batch: Batch, precision: str) -> None:
        with machine.autocast(precision):
            states = network.states(batch, batch.targets)
            found = network.losses(batch, states)
        trunk = network.trunk()
        mtl_backward(
            list(found.values()),
            features=[states[_TASKS[0]].mixed],
            tasks_params=[list(network.heads[task].parameters()) for task in found],
            shared_params=trunk,
            retain_graph=True,  # what stands between the features and the heads is shared
        )
        jac_to_grad(trunk, aggregator)

    return step
