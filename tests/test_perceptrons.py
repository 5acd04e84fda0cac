"""Small networks: each as if alone, against torch's own layers and Adam, and what is refused."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mtlkit.perceptrons import PerceptronError, Perceptrons, Task, follow, score, stages, train

SEEDS = (3, 8, 21)


def some(kind: str, name: str = "a", *, networks: int = 3, examples: int = 12) -> Task:
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(networks, examples, 5, generator=rng)
    targets = {
        "class": torch.randint(0, 3, (networks, examples), generator=rng),
        "labels": torch.randint(0, 2, (networks, examples, 2), generator=rng).float(),
        "numbers": torch.randn(networks, examples, 2, generator=rng),
        "hidden": None,
    }[kind]
    if kind == "class":
        targets[:, 0] = 2  # every network sees the last class
    return Task(name, kind, inputs, targets)


def alone(task: Task, at: int) -> Task:
    targets = None if task.targets is None else task.targets[at : at + 1]
    return Task(task.name, task.kind, task.inputs[at : at + 1], targets, task.weight)


def weights(networks: Perceptrons, at: int) -> torch.Tensor:
    return torch.cat([p[at].flatten() for p in networks.parameters()]).detach()


@pytest.mark.parametrize("kind", ["class", "labels", "numbers", "hidden"])
def test_together_is_as_if_each_were_trained_alone(kind: str) -> None:
    task = some(kind)
    settings = {"widths": (7, 4), "updates": [6], "batch": 5}
    rates = [0.01, 0.02, 0.005]
    together = follow([[task]], seeds=SEEDS, rates=[rates], **settings)
    for at, seed in enumerate(SEEDS):
        one = follow([[alone(task, at)]], seeds=[seed], rates=[rates[at]], **settings)
        torch.testing.assert_close(weights(one, 0), weights(together, at))


def test_a_network_is_torchs_own_with_torchs_adam() -> None:
    one, two = some("class", networks=1), some("numbers", "b", networks=1)
    two = Task("b", "numbers", two.inputs, two.targets, weight=0.3)
    ours = Perceptrons(5, (7, 4), {"a": 3, "b": 2}, [0])
    trunk = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 4), nn.ReLU())
    heads = nn.Linear(4, 3), nn.Linear(4, 2)
    pairs = zip([trunk[0], trunk[2], *heads], [*ours.trunk, *ours.heads.values()], strict=True)
    for theirs, own in pairs:
        theirs.weight.data = own.weight[0].T.detach().clone()
        theirs.bias.data = own.bias[0, 0].detach().clone()
    parameters = [*trunk.parameters(), *heads[0].parameters(), *heads[1].parameters()]
    adam = torch.optim.Adam(parameters, lr=0.01)
    for _ in range(20):
        states = trunk(one.inputs[0])
        loss = F.cross_entropy(heads[0](states), one.targets[0])
        loss = loss + 0.3 * F.mse_loss(heads[1](trunk(two.inputs[0])), two.targets[0])
        adam.zero_grad()
        loss.backward()
        adam.step()
    train(ours, [one, two], updates=20, rate=0.01)
    torch.testing.assert_close(ours(one.inputs, "a")[0], heads[0](trunk(one.inputs[0])))
    torch.testing.assert_close(ours(two.inputs, "b")[0], heads[1](trunk(two.inputs[0])))


def test_initial_weights_depend_on_the_seed_alone() -> None:
    wide = Perceptrons(5, (7,), {"a": 3, "b": 2}, SEEDS)
    narrow = Perceptrons(5, (7,), {"b": 2}, SEEDS[1:2])
    assert torch.equal(wide.trunk[0].weight[1], narrow.trunk[0].weight[0])
    assert torch.equal(wide.heads["b"].weight[1], narrow.heads["b"].weight[0])
    assert not torch.equal(wide.trunk[0].weight[0], wide.trunk[0].weight[1])
    assert wide.trunk[0].weight.abs().max() <= (6 / 5) ** 0.5
    assert not wide.trunk[0].bias.any()


@pytest.mark.parametrize("name", ["values", "5.9", "low pixels", ""])
def test_a_task_may_have_any_name(name: str) -> None:
    task = some("numbers", name)
    networks = follow([[task]], seeds=SEEDS, widths=(4,), updates=[1], rates=[0.01])
    assert networks(task.inputs, name).shape == (3, 12, 2)


def test_a_head_without_a_task_stays_as_it_is() -> None:
    networks = Perceptrons(5, (7,), {"a": 3, "b": 2}, SEEDS)
    before = copy.deepcopy(networks)
    train(networks, [some("class")], updates=3, rate=0.01)
    assert torch.equal(networks.heads["b"].weight, before.heads["b"].weight)
    assert not torch.equal(networks.heads["a"].weight, before.heads["a"].weight)


def test_then_is_one_stage_after_the_other() -> None:
    first, last = some("numbers", "b"), some("class")
    tasks = {"b": first, "a": last}
    assert stages("b > a", tasks) == [[first], [last]]
    assert stages("b + a", tasks) == [[first, last]]
    assert stages("b+a>a", {"a": 1, "b": 2}) == [[2, 1], [1]]
    settings = {"widths": (7,), "seeds": SEEDS}
    then = follow(stages("b > a", tasks), updates=[4, 5], rates=[0.01, 0.02], **settings)
    by_hand = Perceptrons(5, (7,), {"b": 2, "a": 3}, SEEDS)
    train(by_hand, [first], updates=4, rate=0.01, seed=1)
    train(by_hand, [last], updates=5, rate=0.02, seed=0)
    for at in range(3):
        assert torch.equal(weights(then, at), weights(by_hand, at))


def test_the_target_sees_the_same_batches_whatever_came_before() -> None:
    first, last = some("numbers", "b"), some("class")
    settings = {"widths": (7,), "seeds": SEEDS, "batch": 4}
    idle = follow([[first], [last]], updates=[0, 5], rates=[0.01, 0.02], **settings)
    plain = follow([[last]], updates=[5], rates=[0.02], **settings)
    torch.testing.assert_close(idle(last.inputs, "a"), plain(last.inputs, "a"))


def test_hidden_inputs_are_learnt_from_the_others() -> None:
    """One factor in all features: half of them tell the rest; of shuffled ones nothing can."""
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((2, 200, 1)) * np.ones(6)
    rows = torch.from_numpy(factor.astype(np.float32))
    rows[1] = torch.from_numpy(rng.standard_normal((200, 6)).astype(np.float32))
    networks = follow(
        [[Task("h", "hidden", rows)]], widths=(16,), seeds=[0, 1], updates=[300], rates=[0.01]
    )
    asked = rows.clone()
    asked[:, :, :3] = 0
    with torch.no_grad():
        wrong = (networks(asked, "h") - rows)[:, :, :3].square().mean((1, 2))
    spread = rows[:, :, :3].square().mean((1, 2))
    assert wrong[0] / spread[0] < 0.2
    assert wrong[1] / spread[1] > 0.8


def test_scores_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, r2_score

    networks = Perceptrons(5, (7,), {"a": 3, "b": 2, "c": 2}, SEEDS)
    choice, labels, numbers = some("class"), some("labels", "b"), some("numbers", "c")
    with torch.no_grad():
        told = [networks(t.inputs, t.name).numpy() for t in (choice, labels, numbers)]
    for at in range(3):
        right = accuracy_score(choice.targets[at], told[0][at].argmax(1))
        assert score(networks, choice)[at] == pytest.approx(right)
        right = accuracy_score(labels.targets[at].numpy().ravel() > 0.5, told[1][at].ravel() > 0)
        assert score(networks, labels)[at] == pytest.approx(right)
        right = r2_score(numbers.targets[at].numpy(), told[2][at])
        assert score(networks, numbers)[at] == pytest.approx(right, abs=1e-5)


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    task = some("class")
    settings = {"widths": (4,), "updates": [1], "rates": [0.01]}
    with pytest.raises(PerceptronError, match="'x': expected one of a, b"):
        stages("x > a", {"a": task, "b": task})
    with pytest.raises(PerceptronError, match="1 stages, 2 numbers of updates"):
        follow([[task]], seeds=SEEDS, widths=(4,), updates=[1, 1], rates=[0.01])
    with pytest.raises(PerceptronError, match=r"inputs \(3, 12, 5\): expected 2 networks"):
        follow([[task]], seeds=[0, 1], **settings)
    with pytest.raises(PerceptronError, match="drawn in training only"):
        score(Perceptrons(5, (4,), {"a": 5}, SEEDS), some("hidden"))
