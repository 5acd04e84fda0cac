"""How tasks share the trunk: hard, at different depths, or softly.

Each way is a `Sharing`: it gives every task its states of a batch, and owns what it adds to the
encoder.  A soft way has a *column* for each task, an encoder of its own; the columns begin equal,
the first is the trunk itself, and all of them have one table of sub-words.
"""

import copy
import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from mtlkit.batching import Batch
from mtlkit.encoders import Encoder, EncoderError, States
from mtlkit.layers import Walk, walk
from mtlkit.recipes import made

__all__ = ["SHARINGS", "Sharing", "build"]


class Sharing(nn.Module):
    """Hard sharing: one trunk for all tasks (Caruana 1997, section 2).

    ``tasks`` are those that share; what other tasks read is the trunk as it is.  Other ways inherit
    from this one.  A setting is a keyword argument.
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self._trunk = [encoder]  # a list: its parameters are counted where it is

    @property
    def trunk(self) -> Encoder:
        """The encoder that the route has trained until now."""
        return self._trunk[0]

    @property
    def encoders(self) -> list[Encoder]:
        """The trunk, and the columns that there are beside it."""
        return self._trunk

    def states(self, batch: Batch, tasks: Iterable[str]) -> dict[str, States]:
        """What each of these tasks reads of a batch."""
        return dict.fromkeys(tasks, self.trunk(batch))

    def inside(self) -> Iterator[nn.Parameter]:
        """What it adds between the layers, which learns at the rate of the top one."""
        yield from ()

    def pull(self) -> None:
        """Add to the gradients what the way of sharing itself asks for."""


class Lower(Sharing):
    """Some tasks read lower layers (Søgaard and Goldberg 2016): ``lower:pos=2``, no more than two.

    Their section 2: low-level tasks at the lowest layer, the others at the
    top.  What lies above a task's layer it does not train.  Deviation: the task reads the learnt
    mixture of the layers up to its own, as the others do of all.
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], **settings: float) -> None:
        super().__init__(encoder, tasks)
        layers = len(encoder.layers)
        for task, depth in settings.items():
            if task not in self.tasks:
                raise ValueError(f"no task {task!r}: expected one of {', '.join(self.tasks)}")
            if depth not in range(1, layers + 1):
                raise ValueError(f"{task}={depth:g}: expected a whole number from 1 to {layers}")
        self.depths = {task: int(depth) for task, depth in settings.items()}

    def states(self, batch: Batch, tasks: Iterable[str]) -> dict[str, States]:
        """One pass through the trunk."""
        whole = self.trunk(batch)
        lower = {depth: whole.up_to(depth) for depth in set(self.depths.values())}
        return {task: lower[self.depths[task]] if task in self.depths else whole for task in tasks}


class _Columns(Sharing):
    """An encoder for each task."""

    def __init__(self, encoder: Encoder, tasks: Sequence[str]) -> None:
        super().__init__(encoder, tasks)
        table = getattr(encoder.transformer, "embeddings", None)
        if table is None:
            raise ValueError(
                f"soft sharing needs an encoder with a module 'embeddings' that its columns can "
                f"have in common; {type(encoder.transformer).__name__} has none"
            )
        self.columns = nn.ModuleDict(
            {task: copy.deepcopy(encoder, {id(table): table}) for task in self.tasks[1:]}
        )

    @property
    def encoders(self) -> list[Encoder]:
        return [self.column(task) for task in self.tasks]

    def column(self, task: str) -> Encoder:
        """A task's own encoder."""
        return cast(Encoder, self.columns[task]) if task in self.columns else self.trunk

    def states(self, batch: Batch, tasks: Iterable[str]) -> dict[str, States]:
        """A pass through each task's column."""
        return {task: self.column(task)(batch) for task in tasks}


class Twins(_Columns):
    """Encoders that are held together (Duong et al. 2015): ``twins:strength=0.1``.

    The loss has half ``strength`` times the squared distance of each column's layers from their
    mean (Evgeniou and Pontil 2004, equation 3 with the common part at its optimum, their lemma 2.2;
    for neural parsers, Duong et al. 2015, section 3).  ``strength``: ours, see the lesson.
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], *, strength: float = 0.01) -> None:
        if strength < 0:
            raise ValueError(f"strength is {strength:g}: expected 0 or more")
        super().__init__(encoder, tasks)
        self.strength = strength

    @torch.no_grad()
    def pull(self) -> None:
        """The gradient of the distance: to each parameter, strength times (itself - the mean)."""
        columns = [list(each.layers.parameters()) for each in self.encoders]
        mean = [torch.stack(same).mean(0) for same in zip(*columns, strict=True)]
        for column in columns:
            for p, middle in zip(column, mean, strict=True):
                if p.grad is not None:  # None: frozen, or of a task that this update is not of
                    p.grad.add_(p - middle, alpha=self.strength)


class CrossStitch(_Columns):
    """Columns that exchange what they computed (Misra et al. 2016): ``cross-stitch:own=0.9``.

    After each layer, their equation 1: :math:`x_k \\leftarrow \\sum_j \\alpha_{kj} x_j` with learnt
    :math:`\\alpha`, here one matrix a layer.  ``own``: what a task's own share begins with, the
    rest is spread over the others (their section 5.1; they found 0.9 good).
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], *, own: float = 0.9) -> None:
        super().__init__(encoder, tasks)
        count = len(self.tasks)
        other = (1 - own) / max(1, count - 1)
        begin = torch.full((count, count), other).fill_diagonal_(own if count > 1 else 1.0)
        self.stitches = nn.Parameter(begin.repeat(len(encoder.layers), 1, 1))

    def states(self, batch: Batch, tasks: Iterable[str]) -> dict[str, States]:
        """All columns in step, whatever the tasks."""
        steps = [_steps(each, batch) for each in self.encoders]
        outputs = torch.stack([next(step) for step in steps])
        read = [outputs]
        for stitch in self.stitches:  # [task, task]
            outputs = torch.stack([step.send(x) for step, x in zip(steps, outputs, strict=True)])
            outputs = torch.einsum("kj,jbsh->kbsh", stitch.to(outputs.dtype), outputs)
            read.append(outputs)
        own = {
            task: States(self.column(task), batch, [each[k] for each in read])
            for k, task in enumerate(self.tasks)
        }
        return {task: own[task] if task in own else self.trunk(batch) for task in tasks}


class Experts(Sharing):
    """Multi-gate mixture of experts on the trunk (Ma et al. 2018): ``experts:number=4,width=64``.

    Their equations 6 and 7: experts :math:`f_e` are shared, and each task's gate says for
    each sub-word how much of each it reads, :math:`\\sum_e softmax(W_k x)_e f_e(x)`.  Deviations:
    it is added to x, and the experts' last layer begins at zero, so that training begins as hard
    sharing and a pretrained trunk is not lost.
    """

    def __init__(
        self, encoder: Encoder, tasks: Sequence[str], *, number: float = 4, width: float = 64
    ) -> None:
        if min(number, width) < 1:
            raise ValueError(f"number and width are {number:g} and {width:g}: expected 1 or more")
        super().__init__(encoder, tasks)
        self.number, self.width = int(number), int(width)
        self.inner = nn.Linear(encoder.hidden, self.number * self.width)
        self.outer = nn.Parameter(torch.zeros(self.number, self.width, encoder.hidden))
        self.gates = nn.ModuleDict(
            {task: nn.Linear(encoder.hidden, self.number) for task in self.tasks}
        )

    def states(self, batch: Batch, tasks: Iterable[str]) -> dict[str, States]:
        """One pass through the trunk and the experts, and a gate for each task."""
        plain = self.trunk(batch)
        return {
            task: plain.turned(self._gated(self.gates[task])) if task in self.gates else plain
            for task in tasks
        }

    def _gated(self, gate: nn.Module) -> Callable[[States], Tensor]:
        def turn(states: States) -> Float[Tensor, "batch subword hidden"]:
            x = states.mixed
            inner = gelu(self.inner(x)).unflatten(-1, (self.number, self.width))
            weighted = gate(x).softmax(-1)[..., None] * inner  # [batch, subword, expert, width]
            return x + (weighted.flatten(-2) @ self.outer.flatten(0, 1).to(x.dtype))

        return turn


class Adapters(Sharing):
    """Each task has adapters in a shared trunk (Houlsby et al. 2019): ``adapters:width=32``.

    Their section 2.1: after a layer, :math:`x + W_2 gelu(W_1 x)` with a narrow
    middle, near nothing at the beginning; one a layer, after it, as Pfeiffer et al. 2021 found
    enough.  With ``tuning=frozen`` adapters and heads alone learn; else the trunk learns too, from
    all tasks (Stickland and Murray 2019).  A pass through the trunk for each task.
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], *, width: float = 32) -> None:
        if width < 1:
            raise ValueError(f"width is {width:g}: expected 1 or more")
        super().__init__(encoder, tasks)
        hidden, narrow = encoder.hidden, int(width)
        self.adapters = nn.ModuleDict({t: nn.ModuleList() for t in self.tasks})
        for task in self.tasks:
            for _ in encoder.layers:
                inner, outer = nn.Linear(hidden, narrow), nn.Linear(narrow, hidden)
                nn.init.zeros_(outer.weight)
                nn.init.zeros_(outer.bias)
                adapter = nn.Sequential(inner, nn.GELU(), outer)
                cast(nn.ModuleList, self.adapters[task]).append(adapter)

    def inside(self) -> Iterator[nn.Parameter]:
        yield from self.adapters.parameters()

    def states(self, batch: Batch, tasks: Iterable[str]) -> dict[str, States]:
        return {
            task: self._adapted(batch, cast(nn.ModuleList, self.adapters[task]))
            if task in self.adapters
            else self.trunk(batch)
            for task in tasks
        }

    def _adapted(self, batch: Batch, adapters: nn.ModuleList) -> States:
        steps = _steps(self.trunk, batch)
        read = [next(steps)]
        for adapter in adapters:
            x = steps.send(read[-1])
            read.append(x + adapter(x).to(x.dtype))
        return States(self.trunk, batch, read)


class LowRank(Sharing):
    """Each task has low-rank changes of the trunk's matrices (Hu et al. 2022): ``lora:rank=8``.

    LoRA, their section 4.1, through the library ``peft``, in all linear layers (Dettmers
    et al. 2023, section 4).  ``rank`` and ``alpha``: r and alpha of Hu et al. for RoBERTa
    large (appendix D).  What ``tuning`` says of the trunk holds beside it; a pass for each task.
    """

    def __init__(
        self, encoder: Encoder, tasks: Sequence[str], *, rank: float = 8, alpha: float = 16
    ) -> None:
        from peft import LoraConfig, inject_adapter_in_model  # seconds: for those who use it

        if rank < 1:
            raise ValueError(f"rank is {rank:g}: expected 1 or more")
        super().__init__(encoder, tasks)
        before = {name: p.requires_grad for name, p in encoder.transformer.named_parameters()}
        linear = {
            name.rpartition(".")[2]
            for name, module in encoder.layers.named_modules()
            if isinstance(module, nn.Linear)
        }
        config = LoraConfig(r=int(rank), lora_alpha=int(alpha), target_modules=sorted(linear))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is more than one adapter, which is meant
            for task in self.tasks:
                inject_adapter_in_model(config, encoder.transformer, adapter_name=task)
        for name, p in encoder.transformer.named_parameters():
            p.requires_grad_(before.get(name.replace(".base_layer", ""), True))

    def inside(self) -> Iterator[nn.Parameter]:
        yield from (p for name, p in self.trunk.named_parameters() if ".lora_" in name)

    @cached_property
    def _changed(self) -> list[Any]:
        return [m for m in self.trunk.transformer.modules() if hasattr(m, "lora_A")]

    def states(self, batch: Batch, tasks: Iterable[str]) -> dict[str, States]:
        return {task: self._own(batch, task) for task in tasks}

    def _own(self, batch: Batch, task: str) -> States:
        for module in self._changed:
            module._active_adapter = [task] if task in self.tasks else []
        return self.trunk(batch)


def _steps(encoder: Encoder, batch: Batch) -> Walk:
    """An encoder's states one at a time."""
    steps = walk(encoder.transformer, batch.ids, batch.mask)
    if steps is None:
        raise EncoderError(
            "this sharing changes states between layers, which is written out for BERT and "
            f"ModernBERT; here is {type(encoder.transformer).__name__}"
        )
    return steps


SHARINGS: dict[str, Callable[..., Sharing]] = {
    "hard": Sharing,
    "lower": Lower,
    "twins": Twins,
    "cross-stitch": CrossStitch,
    "experts": Experts,
    "adapters": Adapters,
    "lora": LowRank,
}


def build(text: str, encoder: Encoder, tasks: Sequence[str], *, seed: int) -> Sharing:
    """A way of sharing by its name and settings; its random weights depend on the seed alone.

    Raises `RouteError` for a name or a setting that there is not, and for an encoder that cannot be
    shared in this way.
    """
    with torch.random.fork_rng(devices=[]):
        digest = hashlib.sha256(f"{seed}/{text}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:4], "big"))
        way = made("sharing", text, SHARINGS, encoder=encoder, tasks=tuple(tasks))
    return way.to(encoder.device)
