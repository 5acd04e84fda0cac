"""From the losses of an update to its gradients: weighed, and operated on where tasks conflict.

Where nothing needs the gradient of each task, the weighted sum of losses goes backward once.  Else
what heads read is cut from the trunk (`mtlkit.encoders.Branch`): one backward through all heads
leaves each task's gradient at its cut.  From there

- ``representations``: the method sees these gradients, and one backward takes their combination
  through the trunk, so that surgery costs no second pass;
- ``parameters``: each goes through the trunk on its own, as most papers have it.

The forward pass is never repeated, and the graph of a batch is freed with its last task.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mtlkit.batching import Batch
from mtlkit.encoders import Branch, States
from mtlkit.machine import autocast
from mtlkit.networks import Network
from mtlkit.surgery import Surgery, cosines
from mtlkit.weighting import Weighting

__all__ = ["GradientError", "Step", "backward", "lookahead", "losses"]


class GradientError(ValueError):
    """Losses that have no gradient, or gradients that cannot be compared as is asked for."""


@dataclass(frozen=True, slots=True)
class Step:
    """What an update was made of.

    ``losses``: nats, before weights.  With surgery, ``shares``: how much the trunk was given of
    each task's weighted gradient; ``cosines``: of each pair of these, as ``"pos|ner"``.
    """

    losses: dict[str, float]
    weights: dict[str, float]
    shares: dict[str, float] = field(default_factory=dict)
    cosines: dict[str, float] = field(default_factory=dict)


def backward(
    network: Network,
    batches: Sequence[Batch],
    weighting: Weighting,
    surgery: Surgery | None = None,
    *,
    space: str = "representations",
    precision: str = "auto",
) -> Step:
    """Leave the gradients of an update in the network's parameters.

    Parameters
    ----------
    batches
        The parts of the update; the loss of a task that is in several is their mean.
    surgery
        Makes one update out of the tasks' gradients of the trunk; None is their sum.  Heads, and
        parameters that one task alone reaches, learn from their own task as without it.
    space
        ``representations`` or ``parameters``; see above.

    Raises `GradientError` for a loss that is not finite, and where tasks have no representation in
    common and ``space`` asks for one.
    """
    apart = surgery is not None or weighting.reads_norms
    read: list[dict[str, States]] = []
    with autocast(precision):
        for batch in batches:
            states: Mapping[str, States] = network.states(batch, batch.targets)
            read.append({t: s.branch() if apart else s for t, s in states.items()})
    found = losses(network, batches, read, precision=precision)
    values = dict(zip(found, torch.stack([*found.values()]).tolist(), strict=True))
    if lost := {task: value for task, value in values.items() if not math.isfinite(value)}:
        task, value = next(iter(lost.items()))
        rates = "lower the learning rate (encoder_lr, head_lr, mlm_lr) or clip more"
        raise GradientError(f"the loss of {task!r} is {value}; {rates}")
    weights = weighting(values)
    sum((weights[task] * found[task] for task in found), torch.tensor(0.0)).backward()
    if apart:
        parts = [{t: cast(Branch, s).cuts for t, s in each.items()} for each in read]
        cuts = {t: [cut for part in parts for cut in part.get(t, ())] for t in found}
        if weighting.reads_norms:
            weighting.measure({task: _norm(each) for task, each in cuts.items()})
        if surgery is None:
            _through_trunk(cuts, dict.fromkeys(found, 1.0))
        elif space == "representations":
            gram = _gram([_at_cuts(cuts, task) for task in surgery.tasks])
            shares = surgery(gram)
            _through_trunk(cuts, dict(zip(surgery.tasks, shares.tolist(), strict=True)))
        else:
            gram, shares = _operate(network, parts, surgery)
    network.sharing.pull()
    if surgery is None:
        return Step(values, weights)
    tasks, angles = surgery.tasks, cosines(gram)
    pairs = itertools.combinations(range(len(tasks)), 2)
    return Step(
        values,
        weights,
        dict(zip(tasks, shares.tolist(), strict=True)),
        {f"{tasks[k]}|{tasks[j]}": float(angles[k, j]) for k, j in pairs},
    )


_Cuts = Mapping[str, Sequence[tuple[Tensor, Tensor]]]
"""Of each task what its head has read: (in the trunk, the task's copy)."""


def losses(
    network: Network,
    batches: Sequence[Batch],
    read: Sequence[Mapping[str, States]] | None = None,
    *,
    precision: str = "auto",
) -> dict[str, Tensor]:
    """The loss of each task, over all parts that are labelled for it.

    ``read``: for each part what the heads read of it, if that has been computed.
    """
    found: dict[str, list[Tensor]] = {}
    with autocast(precision):
        for number, batch in enumerate(batches):
            for task, loss in network.losses(batch, read[number] if read else None).items():
                found.setdefault(task, []).append(loss)
    return {task: sum(each[1:], each[0]) / len(each) for task, each in found.items()}


def _norm(cuts: Sequence[tuple[Tensor, Tensor]]) -> float:
    """The norm of a task's gradient at its cuts."""
    return float(
        torch.stack([copy.grad.norm() for _, copy in cuts if copy.grad is not None]).norm()
    )


def _at_cuts(cuts: _Cuts, task: str) -> list[Tensor | None]:
    """A task's gradient at the places where any task reads the trunk."""
    places = {id(trunk): trunk for each in cuts.values() for trunk, _ in each}
    own = {id(trunk): copy.grad for trunk, copy in cuts[task]}
    if alone := [t for t, each in cuts.items() if not {id(x) for x, _ in each} & own.keys()]:
        raise GradientError(
            f"{task} and {alone[0]} read no representation in common: surgery on representations "
            "is for tasks on the same sentences, of one trunk; use space=parameters"
        )
    return [own.get(place) for place in places]


def _gram(gradients: Sequence[Sequence[Tensor | None]]) -> Float[np.ndarray, "task task"]:
    """Inner products of gradients that are given in parts; a part may be missing, which is zero."""
    total = np.zeros((len(gradients), len(gradients)))
    for k, j in itertools.combinations_with_replacement(range(len(gradients)), 2):
        dots = [  # sooner than a product of matrices, and more exact
            torch.dot(one.flatten().float(), other.flatten().float())
            for one, other in zip(gradients[k], gradients[j], strict=True)
            if one is not None and other is not None
        ]
        if dots:
            total[k, j] = total[j, k] = float(torch.stack(dots).double().sum())
    return total


def _through_trunk(cuts: _Cuts, weights: Mapping[str, float]) -> None:
    """One backward through the trunk, of the weighted sum of what waits at the cuts."""
    sums: dict[int, Tensor] = {}
    trunks: dict[int, Tensor] = {}
    for task, each in cuts.items():
        for trunk, copy in each:
            if copy.grad is not None:
                trunks[id(trunk)] = trunk
                part = weights[task] * copy.grad
                sums[id(trunk)] = sums[id(trunk)] + part if id(trunk) in sums else part
    torch.autograd.backward([*trunks.values()], [sums[place] for place in trunks])


def _operate(
    network: Network, parts: Sequence[_Cuts], surgery: Surgery
) -> tuple[Float[np.ndarray, "task task"], Float[np.ndarray, "task"]]:
    """Each task's gradient through the trunk; their combination is left in the parameters."""
    trunk = network.trunk()
    found: dict[str, list[Tensor | None]] = {}
    for part in parts:
        for task, cuts in part.items():
            places, copies = zip(*cuts, strict=True)
            gradient = torch.autograd.grad(
                places,
                trunk,
                [copy.grad for copy in copies],
                retain_graph=task != list(part)[-1],
                allow_unused=True,
            )
            earlier = found.get(task, [None] * len(trunk))
            found[task] = [_plus(g, e) for g, e in zip(gradient, earlier, strict=True)]
    rows = [found[task] for task in surgery.tasks]
    common = [len([g for g in each if g is not None]) > 1 for each in zip(*rows, strict=True)]
    gram = _gram([[g for g, c in zip(row, common, strict=True) if c] for row in rows])
    shares = surgery(gram)
    for p, several, each in zip(trunk, common, zip(*rows, strict=True), strict=True):
        for share, g in zip(shares.tolist() if several else [1.0] * len(each), each, strict=True):
            if g is not None:
                p.grad = g.mul_(share) if p.grad is None else p.grad.add_(g, alpha=share)
    return gram, shares


def _plus(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """A sum of gradients that may be missing; the first may be changed."""
    return one if other is None else other if one is None else one.add_(other)


def lookahead(
    network: Network, batches: Sequence[Batch], *, length: float = 0.01, precision: str = "auto"
) -> dict[str, float]:
    """How much a step of the trunk for one task alone lowers the loss of each (Fifty et al. 2021).

    Their section 3.2, equation 1: of ``"pos>ner"`` it is 1 - (loss of ner after a step for pos) /
    (loss of ner before it).  Without dropout.  Deviation: every step is as long as ``length`` times
    the trunk's norm, so that a task with large gradients does not look more helpful for that.  The
    network, its gradients too, is left as it was.
    """
    was = network.training
    network.eval()
    trunk: list[Tensor] = [*network.trunk()]
    before = losses(network, batches, precision=precision)
    size = float(torch.stack(torch._foreach_norm([p.detach() for p in trunk])).norm())
    affinity: dict[str, float] = {}
    steps: dict[str, list[Tensor]] = {}
    for task, loss in before.items():
        found = torch.autograd.grad(loss, trunk, retain_graph=True, allow_unused=True)
        steps[task] = [
            torch.zeros_like(p) if g is None else g for p, g in zip(trunk, found, strict=True)
        ]
    for task, step in steps.items():
        norm = float(torch.stack(torch._foreach_norm(step)).norm())
        kept = [p.detach().clone() for p in trunk]
        with torch.no_grad():
            torch._foreach_add_(trunk, step, alpha=-length * size / max(norm, 1e-12))
            after = losses(network, batches, precision=precision)
            torch._foreach_copy_(trunk, kept)
        affinity |= {f"{task}>{t}": 1 - float(after[t] / before[t].detach()) for t in after}
    network.train(was)
    return affinity
