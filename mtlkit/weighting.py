"""Losses to weights: how much each task counts in an update."""

from collections.abc import Callable, Mapping

from torch import Tensor

__all__ = ["WEIGHTINGS", "Weighting", "chance", "uniform"]

Weighting = Callable[[Mapping[str, Tensor], Mapping[str, float]], dict[str, float]]
"""Task losses (scalars, nats) and their values by chance (nats) to task weights."""


def uniform(losses: Mapping[str, Tensor], by_chance: Mapping[str, float]) -> dict[str, float]:
    """Every task counts the same: the sum of losses (Caruana 1997)."""
    return dict.fromkeys(losses, 1.0)


def chance(losses: Mapping[str, Tensor], by_chance: Mapping[str, float]) -> dict[str, float]:
    """Every task starts at the same loss: divided by the loss of a guess among all outcomes.

    A sum of losses is a sum of unlike things: choosing among thirty relations and twenty heads
    costs more nats than choosing between two classes, and the costly task rules the trunk.
    Losses relative to their initial values are what GradNorm balances (Chen et al. 2018, section
    3.1, equation 1, the loss ratio); deviation: the initial value is that of a uniform guess, which
    needs no measurement, and nothing is adapted later.
    """
    return {task: 1 / by_chance[task] for task in losses}


WEIGHTINGS: dict[str, Weighting] = {"chance": chance, "uniform": uniform}
