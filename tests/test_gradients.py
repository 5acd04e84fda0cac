"""Gradients of an update: by autograd, by brute force, and as a peer library has them."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import tiny
import torch
from tiny import WAYS
from torch import Tensor, nn
from torchjd.aggregation import MGDA, UPGrad
from torchjd.autojac import jac_to_grad, mtl_backward

from mtlkit import surgery, weighting
from mtlkit.batching import Batch, collate, encode
from mtlkit.encoders import States
from mtlkit.gradients import GradientError, Step, backward, lookahead, losses
from mtlkit.networks import Network
from mtlkit.sharing import SHARINGS, Twins
from mtlkit.surgery import SURGERIES, Surgery
from mtlkit.weighting import Weighting

TASKS = ("pos", "ner", "dep")
RECIPE = tiny.RECIPE.replace(layers=2)
SPACES = ("representations", "parameters")
CLOSE = {"atol": 1e-5, "rtol": 1e-3}
"""What rounding of fp32 leaves."""


def model(sharing: str = "hard", tasks: Sequence[str] = TASKS) -> Network:
    """Tasks that share in some way, with nothing at its beginning, so that no gradient is zero."""
    made = tiny.model(tasks, recipe=RECIPE)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made.share(sharing, tasks)
        for p in made.parameters():
            p.data += 0.1 * torch.randn_like(p)
    return made.eval()  # heads have dropout


def batch_of(network: Network, tasks: Sequence[str], places: Sequence[int]) -> Batch:
    examples = [tiny.sentences()[i] for i in places]
    items = encode(examples, network.encoder.subwords, network.labels)
    return collate(items, tasks, padding=network.encoder.subwords.tokenizer.pad_token_id)


def together(network: Network) -> list[Batch]:
    """One part, labelled for all tasks."""
    return [batch_of(network, TASKS, range(5))]


def apart(network: Network) -> list[Batch]:
    """A part for each task."""
    return [batch_of(network, [task], range(5 * n, 5 * n + 5)) for n, task in enumerate(TASKS)]


def overlapping(network: Network) -> list[Batch]:
    """Parts of which some tasks have two."""
    return [batch_of(network, TASKS[:2], range(5)), batch_of(network, TASKS[1:], range(5, 9))]


PARTS = [together, apart, overlapping]
WEIGHTS = {"pos": 0.7, "ner": 2.0, "dep": 0.3}


class Given(Weighting):
    """Weights that are given, and what was measured."""

    def _weigh(self, losses: Mapping[str, float]) -> Mapping[str, float]:
        return WEIGHTS

    def measure(self, norms: Mapping[str, float]) -> None:
        self.norms = dict(norms)


class Measuring(Given):
    reads_norms = True


def weigh(network: Network, kind: type[Given] = Given) -> Given:
    return kind(tuple(network.labels), network.chance)


class Seen(Surgery):
    """A surgery that remembers the Gram matrices that another one was given."""

    def __init__(self, name: str, tasks: Sequence[str] = TASKS) -> None:
        super().__init__(tasks)
        self.inner = SURGERIES[name](tasks)
        self.grams: list[np.ndarray] = []
        self.weights: list[np.ndarray] = []

    def __call__(self, gram: np.ndarray) -> np.ndarray:
        self.grams.append(gram)
        self.weights.append(self.inner(gram))
        return self.weights[-1]


def gradients(network: Network) -> dict[str, Tensor]:
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def updated(
    network: Network, batches: Sequence[Batch], operate: Surgery | None, space: str = SPACES[0]
) -> tuple[dict[str, Tensor], Step]:
    """The gradients that an update leaves, and what it says of itself."""
    network.zero_grad()
    step = backward(network, batches, weigh(network), operate, space=space, precision="fp32")
    return gradients(network), step


def plain_losses(network: Network, batches: Sequence[Batch]) -> dict[str, Tensor]:
    """A task's mean over its parts, without anything that is tested here."""
    found: dict[str, list[Tensor]] = {}
    for batch in batches:
        states = network.states(batch, batch.targets)
        for task, target in batch.targets.items():
            found.setdefault(task, []).append(network.heads[task].loss(states[task], batch, target))
    return {task: torch.stack(each).mean() for task, each in found.items()}


def by_task(network: Network, batches: Sequence[Batch]) -> dict[str, dict[str, Tensor]]:
    """Each task's gradient of its weighted loss, by brute force."""
    found = {}
    for task in TASKS:
        network.zero_grad()
        (WEIGHTS[task] * plain_losses(network, batches)[task]).backward()
        found[task] = {name: g.clone() for name, g in gradients(network).items()}
    network.zero_grad()
    return found


def added(network: Network, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients, and those that the way of sharing adds to them."""
    if not isinstance(network.sharing, Twins):
        return gradients
    network.zero_grad()
    for name, p in network.named_parameters():
        p.grad = gradients[name].clone() if name in gradients else None
    network.sharing.pull()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def summed(
    network: Network, each: dict[str, dict[str, Tensor]], shares: Mapping[str, float] | None = None
) -> dict[str, Tensor]:
    """The sum of tasks' gradients; with ``shares``, so much of each where several have one."""
    trunk = {id(p) for p in network.trunk()}
    result = {}
    for name, p in network.named_parameters():
        parts = {task: own[name] for task, own in each.items() if name in own}
        several = shares is not None and id(p) in trunk and len(parts) > 1
        if parts:
            terms = [(shares[t] if several else 1.0) * g for t, g in parts.items()]  # type: ignore[index]
            result[name] = sum(terms[1:], terms[0])
    return added(network, result)


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(
            found[name], gradient, **CLOSE, msg=lambda m, n=name: f"{n}: {m}"
        )


# ---- the plain sum


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("name", SHARINGS)
def test_without_surgery_it_is_the_weighted_sum(
    name: str, parts: Callable[[Network], list[Batch]]
) -> None:
    network = model(WAYS[name])
    batches = parts(network)
    expected = summed(network, by_task(network, batches))
    with torch.no_grad():
        values = {task: float(v) for task, v in plain_losses(network, batches).items()}
    found, step = updated(network, batches, None)
    assert_equal(found, expected)
    assert step.losses == pytest.approx(values) and step.weights == WEIGHTS
    assert step.shares == step.cosines == {}


def test_a_task_in_two_parts_has_their_mean() -> None:
    network = model()
    one, two = (batch_of(network, ["ner"], places) for places in (range(3), range(3, 9)))
    with torch.no_grad():
        alone = [float(losses(network, [batch])["ner"]) for batch in (one, two)]
        both = losses(network, [one, two])
    assert float(both["ner"]) == pytest.approx(sum(alone) / 2) != pytest.approx(alone[0])


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("name", SHARINGS)
def test_a_surgery_that_does_nothing_changes_nothing(
    name: str, parts: Callable[[Network], list[Batch]]
) -> None:
    network = model(WAYS[name])
    batches = parts(network)
    expected, _ = updated(network, batches, None)
    expected = {n: g.clone() for n, g in expected.items()}
    found, step = updated(network, batches, surgery.build("sum", TASKS, seed=0), "parameters")
    assert_equal(found, expected)
    assert step.shares == dict.fromkeys(TASKS, 1.0)
    if name == "hard" and parts is together:
        found, step = updated(network, batches, surgery.build("sum", TASKS, seed=0))
        assert_equal(found, expected)
        assert step.shares == dict.fromkeys(TASKS, 1.0)


def test_gradients_that_are_there_are_added_to() -> None:
    network = model()
    batches = together(network)
    for operate in (None, surgery.build("sum", TASKS, seed=0)):
        for space in SPACES:
            expected, _ = updated(network, batches, operate, space)
            expected = {n: 2 * g for n, g in expected.items()}
            backward(network, batches, weigh(network), operate, space=space, precision="fp32")
            assert_equal(gradients(network), expected)


# ---- surgery on the gradients of parameters


def gram_of(network: Network, each: dict[str, dict[str, Tensor]]) -> np.ndarray:
    """Inner products of gradients of what several tasks reach."""
    trunk = {id(p) for p in network.trunk()}
    names = [
        name
        for name, p in network.named_parameters()
        if id(p) in trunk and sum(name in own for own in each.values()) > 1
    ]
    rows = torch.stack([
        torch.cat([
            own.get(name, torch.zeros_like(network.get_parameter(name))).flatten() for name in names
        ])
        for own in each.values()
    ]).double()  # fmt: skip
    return (rows @ rows.T).numpy()


@pytest.mark.parametrize("method", ["pcgrad", "mgda", "upgrad"])
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("name", SHARINGS)
def test_the_trunk_learns_from_the_combination_and_the_rest_from_the_sum(
    name: str, parts: Callable[[Network], list[Batch]], method: str
) -> None:
    network = model(WAYS[name])
    batches = parts(network)
    each = by_task(network, batches)
    gram = gram_of(network, each)
    operate = Seen(method)
    found, step = updated(network, batches, operate, "parameters")
    size = gram.diagonal().max()
    np.testing.assert_allclose(operate.grams[0], gram, rtol=1e-3, atol=1e-4 * size)
    assert step.shares == dict(zip(TASKS, operate.weights[0].tolist(), strict=True))
    assert_equal(found, summed(network, each, step.shares))
    length = np.sqrt(gram.diagonal())
    for pair, cosine in step.cosines.items():
        k, j = (TASKS.index(task) for task in pair.split("|"))
        assert cosine == pytest.approx(gram[k, j] / length[k] / length[j], abs=1e-4)
    assert list(step.cosines) == ["pos|ner", "pos|dep", "ner|dep"]


def test_what_one_task_alone_reaches_is_no_part_of_the_conflict() -> None:
    """Layers above a lower task, and adapters: they learn from their task as without surgery."""
    network = model("lower:pos=1,ner=1")
    batches = together(network)
    plain, _ = updated(network, batches, None)
    plain = {name: g.clone() for name, g in plain.items()}
    found, step = updated(network, batches, surgery.build("mgda", TASKS, seed=0), "parameters")
    assert all(abs(share - 1) > 0.01 for share in step.shares.values())
    for name, gradient in found.items():
        own = name.startswith(("encoder.transformer.layers.1.", "encoder.transformer.final_norm"))
        unchanged = own or name.startswith(("heads.", "encoder.shape."))
        if not unchanged:
            assert not torch.allclose(gradient, plain[name], **CLOSE), name
        else:
            torch.testing.assert_close(gradient, plain[name], **CLOSE)


@pytest.mark.parametrize(
    "tasks, aggregator", [(TASKS, UPGrad()), (TASKS[:2], MGDA(epsilon=1e-9, max_iters=2000))]
)
def test_a_peer_library_gives_the_same_update(tasks: Sequence[str], aggregator: nn.Module) -> None:
    """Its update is a mean of gradients, ours is a sum: as many times as large."""
    network = model(tasks=tasks)
    batch = batch_of(network, tasks, range(5))
    name = type(aggregator).__name__.lower()
    states = network.encoder(batch)
    trunk = network.trunk()
    own = [[*network.heads[task].parameters()] for task in tasks]
    values = [
        WEIGHTS[task] * network.heads[task].loss(states, batch, batch.targets[task])
        for task in tasks
    ]
    network.zero_grad()
    mtl_backward(
        values, features=[states.mixed], shared_params=trunk, tasks_params=own, retain_graph=True
    )
    jac_to_grad(trunk, aggregator)
    at_trunk = {id(p) for p in trunk}
    expected = {
        n: p.grad * (len(tasks) if id(p) in at_trunk else 1)
        for n, p in network.named_parameters()
        if p.grad is not None
    }
    found, _ = updated(network, [batch], surgery.build(name, tasks, seed=0), "parameters")
    assert len(expected) > 10
    for each, gradient in expected.items():
        size = float(gradient.abs().max())
        torch.testing.assert_close(found[each], gradient, atol=2e-3 * size + 1e-7, rtol=2e-3)


# ---- surgery on the gradients of representations


@pytest.mark.parametrize("method", ["pcgrad", "mgda", "upgrad", "cagrad", "nash", "imtl"])
def test_at_the_representation_one_backward_takes_the_combination(method: str) -> None:
    network = model()
    [batch] = together(network)
    states = network.encoder(batch)
    losses_of = {
        task: WEIGHTS[task] * network.heads[task].loss(states, batch, batch.targets[task])
        for task in TASKS
    }
    at = [torch.autograd.grad(losses_of[t], states.mixed, retain_graph=True)[0] for t in TASKS]
    rows = torch.stack([g.flatten() for g in at]).double()
    gram = (rows @ rows.T).numpy()
    operate = Seen(method)
    each = by_task(network, [batch])
    found, step = updated(network, [batch], operate)
    np.testing.assert_allclose(operate.grams[0], gram, rtol=1e-4, atol=1e-5 * gram.max())
    assert_equal(found, summed(network, each, step.shares))


def test_a_task_that_reads_in_two_places_has_both_in_its_gradient() -> None:
    """A masked language model reads the last layer; what it shares with none is zero for others."""
    network = model(tasks=("pos", "mlm"))
    plain = batch_of(network, ["pos"], range(5))
    target = torch.where(plain.mask, plain.ids, -100)
    batch = replace(plain, targets={**plain.targets, "mlm": target})
    weights = weighting.build("uniform", ("pos", "mlm"), network.chance, seed=0)
    with pytest.raises(GradientError, match=r"^pos and mlm read no representation in common: "):
        backward(network, [batch], weights, surgery.build("sum", ("pos", "mlm"), seed=0))
    network.zero_grad()
    backward(
        network, [batch], weights, surgery.build("sum", ("pos", "mlm"), seed=0),
        space="parameters", precision="fp32",
    )  # fmt: skip
    found = {name: g.clone() for name, g in gradients(network).items()}
    network.zero_grad()
    sum(plain_losses(network, [batch]).values(), torch.tensor(0.0)).backward()
    assert_equal(found, gradients(network))


# ---- what it costs


@pytest.mark.parametrize(
    "operate, space", [(None, SPACES[0]), ("sum", SPACES[0]), ("sum", SPACES[1])]
)
def test_the_forward_pass_is_never_repeated(operate: str | None, space: str) -> None:
    network = model()
    batches = together(network) if space == SPACES[0] and operate else overlapping(network)
    method = operate and surgery.build(operate, TASKS, seed=0)
    for kind in (Given, Measuring):
        with mock.patch.object(network.encoder, "forward", wraps=network.encoder.forward) as trunk:
            backward(network, batches, weigh(network, kind), method or None, space=space)
        assert trunk.call_count == len(batches)


def test_the_graph_is_freed() -> None:
    """Its tensors have gone through the trunk once, and are not kept until the next update."""
    network = model()
    read: list[dict[str, States]] = []
    for space in SPACES:
        with mock.patch.object(network, "states", wraps=network.states) as states:
            states.side_effect = lambda *a: read.append(Network.states(network, *a)) or read[-1]
            backward(
                network, together(network), weigh(network),
                surgery.build("sum", TASKS, seed=0), space=space,
            )  # fmt: skip
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            read[-1]["pos"].mixed.sum().backward()


# ---- weightings that look at gradients


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("method", [None, "upgrad"])
def test_a_weighting_is_told_the_norms_at_the_representation(
    parts: Callable[[Network], list[Batch]], method: str | None
) -> None:
    network = model()
    batches = parts(network)
    read = [network.encoder(batch) for batch in batches]
    sums = {
        task: torch.stack([
            network.heads[task].loss(states, batch, batch.targets[task])
            for states, batch in zip(read, batches, strict=True)
            if task in batch.targets
        ]).mean()
        for task in TASKS
    }  # fmt: skip
    places = [states.mixed for states in read]
    norms = {}
    for task in TASKS:
        each = torch.autograd.grad(
            WEIGHTS[task] * sums[task], places, retain_graph=True, allow_unused=True
        )
        norms[task] = math.sqrt(sum(float((g**2).sum()) for g in each if g is not None))
    each = by_task(network, batches)
    measuring = weigh(network, Measuring)
    operate = method and surgery.build(method, TASKS, seed=0)
    step = backward(
        network, batches, measuring, operate or None, space="parameters", precision="fp32"
    )
    assert measuring.norms == pytest.approx(norms, rel=1e-4)
    assert_equal(gradients(network), summed(network, each, step.shares or None))


# ---- lookahead


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("name", ["hard", "lower", "adapters"])
def test_lookahead_by_hand(name: str, parts: Callable[[Network], list[Batch]]) -> None:
    network = model(WAYS[name])
    batches, length = parts(network), 0.02
    with torch.no_grad():
        before = {task: float(v) for task, v in plain_losses(network, batches).items()}
    expected = {}
    for task in TASKS:
        other = copy.deepcopy(network)
        trunk = other.trunk()
        loss = plain_losses(other, batches)[task]
        found = torch.autograd.grad(loss, trunk, allow_unused=True)
        slope = [torch.zeros_like(p) if g is None else g for p, g in zip(trunk, found, strict=True)]
        norm = torch.cat([g.flatten() for g in slope]).norm()
        size = torch.cat([p.detach().flatten() for p in trunk]).norm()
        with torch.no_grad():
            for p, g in zip(trunk, slope, strict=True):
                p -= length * size * g / norm
            after = plain_losses(other, batches)
        expected |= {f"{task}>{t}": 1 - float(after[t]) / before[t] for t in TASKS}
    found = lookahead(network, batches, length=length, precision="fp32")
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=1e-4)
    assert all(abs(value) > 1e-4 for value in found.values())
    if name == "hard" and parts is together:
        assert all(found[f"{task}>{task}"] > 0 for task in TASKS), "a step for it helps it"


@pytest.mark.parametrize("name", SHARINGS)
@pytest.mark.parametrize("training", [True, False])
def test_lookahead_leaves_everything_as_it_was(name: str, training: bool) -> None:
    network = model(WAYS[name]).train(training)
    batches = together(network)
    for p in network.parameters():
        p.grad = torch.ones_like(p)
    states = {n: t.clone() for n, t in network.state_dict().items()}
    drawn = torch.random.get_rng_state()
    one = lookahead(network, batches)
    assert torch.equal(torch.random.get_rng_state(), drawn), "without dropout nothing is drawn"
    assert one == lookahead(network, batches)
    assert all(torch.equal(t, states[n]) for n, t in network.state_dict().items())
    assert all(bool((p.grad == 1).all()) for p in network.parameters())
    assert all(module.training == training for module in network.modules())


# ---- what cannot be


@pytest.mark.parametrize("operate", [None, "sum"])
def test_a_loss_that_is_not_finite_is_said(operate: str | None) -> None:
    network = model()
    nn.init.constant_(network.heads["ner"].output.weight, math.inf)
    method = operate and surgery.build(operate, TASKS, seed=0)
    with pytest.raises(GradientError) as caught:
        backward(network, together(network), weigh(network), method or None)
    assert str(caught.value) == (
        "the loss of 'ner' is nan; lower the learning rate (encoder_lr, head_lr, mlm_lr) or clip "
        "more"
    )
    assert gradients(network) == {}


@pytest.mark.parametrize(
    "sharing, parts, pair",
    [
        ("hard", apart, "pos and ner"),
        ("hard", overlapping, "pos and dep"),
        ("twins", together, "pos and ner"),
        ("lower:ner=1", together, "pos and ner"),
        ("experts", together, "pos and ner"),
    ],
)
def test_representations_that_no_two_tasks_have_in_common(
    sharing: str, parts: Callable[[Network], list[Batch]], pair: str
) -> None:
    network = model(sharing)
    with pytest.raises(GradientError) as caught:
        backward(network, parts(network), weigh(network), surgery.build("mgda", TASKS, seed=0))
    assert str(caught.value) == (
        f"{pair} read no representation in common: surgery on representations is for tasks on the "
        "same sentences, of one trunk; use space=parameters"
    )
