"""Weights of losses."""

import torch

from mtlkit.routes import Recipe
from mtlkit.weighting import WEIGHTINGS, uniform


def test_uniform_is_the_sum_of_losses() -> None:
    x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    losses = {"pos": (x**2).sum(), "ner": x.exp().sum(), "dep": (3 * x).sum()}
    weights = uniform(losses)
    assert weights == {"pos": 1.0, "ner": 1.0, "dep": 1.0}
    total = sum((weights[task] * losses[task] for task in losses), torch.tensor(0.0))
    [gradient] = torch.autograd.grad(total, x)
    torch.testing.assert_close(gradient, 2 * x.detach() + x.detach().exp() + 3)


def test_one_task_is_not_rescaled() -> None:
    assert uniform({"dep": torch.tensor(7.0)}) == {"dep": 1.0}


def test_a_recipe_names_a_weighting_that_there_is() -> None:
    assert WEIGHTINGS[Recipe().weighting] is uniform
