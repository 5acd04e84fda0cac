"""Losses to weights: how much each task counts in an update."""

from collections.abc import Callable, Mapping

from torch import Tensor

__all__ = ["WEIGHTINGS", "Weighting", "uniform"]

Weighting = Callable[[Mapping[str, Tensor]], dict[str, float]]
"""Task losses (scalars) to task weights."""


def uniform(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Every task counts the same: the sum of losses (Caruana 1997)."""
    return dict.fromkeys(losses, 1.0)


WEIGHTINGS: dict[str, Weighting] = {"uniform": uniform}
