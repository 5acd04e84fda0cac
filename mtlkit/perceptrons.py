"""Small networks for tables of numbers: one trunk, a head a task, and all seeds at once.

The two signs of a route need no text: `stages` turns ``a > b`` and ``a + b`` into lists of tasks,
and `follow` trains on one after the other, or on both together.  The first dimension of every
tensor is the network.  Networks never meet: the loss is the sum of theirs and Adam treats each
number by itself, so that ten trained together are what each would be alone, in little more time
than one takes.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PerceptronError", "Perceptrons", "Task", "follow", "score", "stages", "train"]

_Task = TypeVar("_Task")  # `stages` moves them about and does not look inside
Kind = Literal["class", "labels", "numbers", "hidden"]
HIDDEN = 0.5
"""Share of the inputs that a task of hidden inputs covers, drawn anew for every batch."""


class PerceptronError(ValueError):
    """Tasks that do not fit each other or the networks; the text says which and how."""


@dataclass(frozen=True, eq=False)
class Task:
    """Examples of one task, for each network its own.

    ``kind``: ``class`` (targets: one integer an example), ``labels`` (several yes-or-no answers),
    ``numbers`` (several numbers, in standard units), or ``hidden``: half of the inputs are set to
    zero, anew for each batch, and the network must say what they were; it has no targets.
    ``weight`` multiplies the loss, which is a mean over examples and outputs.
    """

    name: str
    kind: Kind
    inputs: Float[Tensor, "network example feature"]
    targets: Int[Tensor, "network example"] | Float[Tensor, "network example output"] | None = None
    weight: float = 1.0

    @property
    def outputs(self) -> int:
        """How many numbers the head of this task gives."""
        if self.targets is None:
            return self.inputs.shape[2]
        return int(self.targets.max()) + 1 if self.kind == "class" else self.targets.shape[2]


class Perceptrons(nn.Module):
    """One multilayer perceptron a seed: layers of `widths` with ReLU, and a linear head a task.

    Weights are uniform within ±sqrt(6 / inputs) in the trunk (He et al. 2015, eq. 10) and
    ±sqrt(1 / inputs) in heads; biases are zero.  A network's weights depend on its seed alone, and
    a head's on the seed and its name: routes compared at one seed begin with the same ones.
    """

    def __init__(
        self, features: int, widths: Sequence[int], heads: Mapping[str, int], seeds: Sequence[int]
    ) -> None:
        super().__init__()
        self.seeds = tuple(seeds)
        sizes = [features, *widths]
        self.trunk = nn.ModuleList(
            _Layer(a, b, f"layer {at}", self.seeds, gain=6.0)
            for at, (a, b) in enumerate(zip(sizes, widths, strict=False))
        )
        self._names = tuple(heads)
        self._heads = nn.ModuleList(
            _Layer(sizes[-1], outputs, name, self.seeds) for name, outputs in heads.items()
        )

    @property
    def heads(self) -> dict[str, nn.Module]:
        """The head of each task, by the task's name, which may be any text."""
        return dict(zip(self._names, self._heads, strict=True))

    def states(
        self, inputs: Float[Tensor, "network example feature"]
    ) -> Float[Tensor, "network example hidden"]:
        """What the trunk makes of the inputs, and the heads read."""
        for layer in self.trunk:
            inputs = layer(inputs).relu()
        return inputs

    def forward(
        self, inputs: Float[Tensor, "network example feature"], head: str
    ) -> Float[Tensor, "network example output"]:
        """A head's answers: scores of classes, log odds of labels, or numbers."""
        answers: Tensor = self.heads[head](self.states(inputs))
        return answers


class _Layer(nn.Module):
    """Affine maps, one a network."""

    def __init__(
        self, inputs: int, outputs: int, name: str, seeds: Sequence[int], gain: float = 1.0
    ) -> None:
        super().__init__()
        drawn = [
            torch.rand(
                inputs,
                outputs,
                generator=torch.Generator().manual_seed(zlib.crc32(f"{name}/{seed}".encode())),
            )
            for seed in seeds
        ]
        self.weight = nn.Parameter((2 * torch.stack(drawn) - 1) * (gain / inputs) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(len(seeds), 1, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, inputs, self.weight)


def stages(route: str, tasks: Mapping[str, _Task]) -> list[list[_Task]]:
    """The stages of a route whose tasks have these names: ``"a > b"``, ``"a + b"``.

    Raises `PerceptronError` for a name that no task has.
    """
    names = [[name.strip() for name in stage.split("+")] for stage in route.split(">")]
    for name in (name for stage in names for name in stage):
        if name not in tasks:
            raise PerceptronError(
                f"route {route!r} names the task {name!r}: expected one of {', '.join(tasks)}"
            )
    return [[tasks[name] for name in stage] for stage in names]


def train(
    networks: Perceptrons,
    tasks: Sequence[Task],
    *,
    updates: int,
    rate: float | Sequence[float],
    batch: int = 32,
    seed: int = 0,
) -> None:
    """One stage: so many updates of Adam, each on a batch of every task.

    Adam with the defaults of its paper (Kingma & Ba 2015, algorithm 1); `rate` is one learning rate
    or one a network.  A task with no more than `batch` examples is used whole.  `seed` decides,
    with each network's own, which examples come when: a network's batches depend on no other's.
    """
    draws = [np.random.default_rng([seed, own]) for own in networks.seeds]
    steps = torch.as_tensor(rate, dtype=torch.float32).expand(len(draws))[:, None, None]
    # A head without a task here has no gradient, and stays as it is.
    used = [*networks.trunk.parameters()]
    used += [p for task in tasks for p in networks.heads[task.name].parameters()]
    batches = [_drawn(task, batch, updates, draws) for task in tasks]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in used]
    for update in range(1, updates + 1):
        loss = torch.zeros(())
        for task, rows in zip(tasks, batches, strict=True):
            now = None if rows is None else rows[update - 1]
            loss = loss + task.weight * _loss(networks, task, now, draws)
        gradients = torch.autograd.grad(loss, used)
        with torch.no_grad():
            for p, g, (mean, square) in zip(used, gradients, moments, strict=True):
                mean.lerp_(g, 0.1)
                square.lerp_(g * g, 0.001)
                size = (square / (1 - 0.999**update)).sqrt_().add_(1e-8)
                p.sub_(steps / (1 - 0.9**update) * mean / size)


def follow(
    route: Sequence[Sequence[Task]],
    *,
    widths: Sequence[int],
    seeds: Sequence[int],
    updates: Sequence[int],
    rates: Sequence[float | Sequence[float]],
    batch: int = 32,
) -> Perceptrons:
    """Networks that went through these stages, one a seed.

    `updates` and `rates`: one a stage.  Raises `PerceptronError` where lengths or shapes differ.
    """
    tasks = [task for stage in route for task in stage]
    if not tasks or len(route) != len(updates) or len(route) != len(rates):
        raise PerceptronError(
            f"{len(route)} stages, {len(updates)} numbers of updates and {len(rates)} learning "
            "rates: give one of each a stage, and at least one stage"
        )
    features = tasks[0].inputs.shape[2]
    for task in tasks:
        if task.inputs.shape[0] != len(seeds) or task.inputs.shape[2] != features:
            raise PerceptronError(
                f"task {task.name!r} has inputs {tuple(task.inputs.shape)}: expected "
                f"{len(seeds)} networks (one a seed) and {features} features"
            )
    networks = Perceptrons(features, widths, {task.name: task.outputs for task in tasks}, seeds)
    for left, stage, count, rate in zip(
        range(len(route))[::-1], route, updates, rates, strict=True
    ):
        # By the stages left: the target's batches are the same whatever came before it.
        train(networks, stage, updates=count, rate=rate, batch=batch, seed=left)
    return networks


@torch.no_grad()
def score(networks: Perceptrons, task: Task) -> NDArray[np.float64]:
    """One score a network, of the examples of `task`: the larger, the better.

    Share of right answers for ``class`` and ``labels``; for ``numbers`` and ``hidden`` the mean
    over outputs of R² = 1 - squared error / squared distance from these examples' own mean.
    """
    inputs, targets = task.inputs, task.targets
    if task.kind == "hidden":
        raise PerceptronError(f"task {task.name!r}: what is hidden is drawn in training only")
    answers = networks(inputs, task.name)
    assert targets is not None
    if task.kind == "class":
        found = (answers.argmax(2) == targets).float().mean(1)
    elif task.kind == "labels":
        found = ((answers > 0) == (targets > 0.5)).float().mean((1, 2))
    else:
        rest = (answers - targets).square().sum(1)
        spread = (targets - targets.mean(1, keepdim=True)).square().sum(1)
        found = (1 - rest / spread).mean(1)
    return found.numpy().astype(np.float64)


def _drawn(
    task: Task, size: int, updates: int, draws: Sequence[np.random.Generator]
) -> Tensor | None:
    """Which examples each batch has, ``[update, network, example]``; None is all of them."""
    examples = task.inputs.shape[1]
    if examples <= size:
        return None
    rows = [draw.integers(0, examples, (updates, size)) for draw in draws]
    return torch.from_numpy(np.stack(rows, 1))


def _hide(inputs: Tensor, draws: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
    """Inputs of which a part is zero, and where."""
    shape = inputs.shape[1:]
    drawn = np.stack([draw.random(shape, dtype=np.float32) for draw in draws])
    covered = torch.from_numpy(drawn < HIDDEN)
    return inputs.masked_fill(covered, 0.0), covered


def _loss(
    networks: Perceptrons,
    task: Task,
    rows: Tensor | None,
    draws: Sequence[np.random.Generator],
) -> Tensor:
    """The sum over networks of each one's mean loss, on the examples `rows` or on all."""
    inputs, targets = task.inputs, task.targets
    each = len(networks.seeds)
    if rows is not None:
        at = torch.arange(each)[:, None]
        inputs, targets = inputs[at, rows], None if targets is None else targets[at, rows]
    if task.kind == "hidden":
        shown, covered = _hide(inputs, draws)
        wrong = (networks(shown, task.name) - inputs).square() * covered
        # Not as many are covered in each network.
        return (wrong.sum((1, 2)) / covered.sum((1, 2)).clamp(min=1)).sum()
    answers = networks(inputs, task.name)
    assert targets is not None
    if task.kind == "class":
        return each * F.cross_entropy(answers.flatten(0, 1), targets.flatten())
    if task.kind == "labels":
        return each * F.binary_cross_entropy_with_logits(answers, targets)
    return each * F.mse_loss(answers, targets)
