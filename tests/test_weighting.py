"""Weights of losses."""

import math

import pytest
import torch

from mtlkit.recipes import Recipe
from mtlkit.weighting import WEIGHTINGS, chance, uniform


def test_uniform_is_the_sum_of_losses() -> None:
    x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    losses = {"pos": (x**2).sum(), "ner": x.exp().sum(), "dep": (3 * x).sum()}
    weights = uniform(losses, {"pos": 2.0, "ner": 3.0, "dep": 4.0})
    assert weights == {"pos": 1.0, "ner": 1.0, "dep": 1.0}
    total = sum((weights[task] * losses[task] for task in losses), torch.tensor(0.0))
    [gradient] = torch.autograd.grad(total, x)
    torch.testing.assert_close(gradient, 2 * x.detach() + x.detach().exp() + 3)


def test_by_chance_every_guess_costs_one() -> None:
    outcomes = {"pos": 17, "ner": 11, "cr": 2}
    guess = {task: torch.nn.functional.cross_entropy(torch.zeros(5, n), torch.arange(5) % n)
             for task, n in outcomes.items()}  # fmt: skip
    weights = chance(guess, {task: math.log(n) for task, n in outcomes.items()})
    for task, loss in guess.items():
        assert weights[task] * loss.item() == pytest.approx(1.0)


@pytest.mark.parametrize("name", sorted(WEIGHTINGS))
def test_every_weighting(name: str) -> None:
    losses = {"pos": torch.tensor(0.4), "dep": torch.tensor(2.0)}
    by_chance = {"dep": 6.0, "pos": 3.0, "ner": 2.0}  # heads of other stages have one too
    weights = WEIGHTINGS[name](losses, by_chance)
    assert weights.keys() == losses.keys()
    assert all(weight > 0 for weight in weights.values())
    assert weights == WEIGHTINGS[name](dict(reversed(losses.items())), by_chance)


def test_a_recipe_names_a_weighting_that_there_is() -> None:
    assert WEIGHTINGS[Recipe().weighting] is uniform
