"""Runs small enough to train inside a test, and how to compare what became of them."""

from collections.abc import Iterator
from typing import Any

import jaxtyping
import pytest
import torch

from mtlkit.recipes import Recipe

# As in the workers: with other numbers of threads, sums have another order and other last digits.
torch.set_num_threads(1)

RECIPE = Recipe(
    layers=1, width=32, vocabulary=400, min_updates=4, epochs=0, evaluations=2, dev_sentences=10,
    batch_tokens=256, mlm_masks="subwords", mlm_length=0,
)  # fmt: skip


def timeless(value: Any) -> Any:
    """A record without what the clock, the memory and the machine say."""
    if isinstance(value, dict):
        noise = ("seconds", "test_seconds", "peak_memory_mib", "environment")
        return {key: timeless(inner) for key, inner in value.items() if key not in noise}
    return [timeless(inner) for inner in value] if isinstance(value, list | tuple) else value


@pytest.fixture(autouse=True, scope="module")
def unchecked_shapes() -> Iterator[None]:
    """No check of shapes here: it makes a run ten times as long, and other tests have it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
