"""Losses to weights: how much each task counts in an update.

A `Weighting` is made for the tasks of a stage, by its name and its settings (`build`), and called
once an update.  Weights are numbers above zero.  Losses are cross-entropies, in nats.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, ClassVar

import numpy as np

from mtlkit.recipes import made

__all__ = ["WEIGHTINGS", "Numbers", "Weighting", "build"]

Numbers = Mapping[str, float]
"""Task to a number."""

_LEAST = 1e-6  # a weight that is rounded to zero, or steps below it, would silence its task
_TINY = 1e-8  # added before a logarithm or a division, as in the code of FAMO's authors


class Weighting:
    """What every weighting does; a method is a subclass with `_weigh`, and more where it learns.

    ``tasks`` are those of the stage; ``chance`` is task to its loss by chance, and may hold tasks
    of other stages; ``seed`` is for methods that draw numbers.  Other keyword-only arguments of a
    method are its settings, and `_learnt` names the attributes that are its state.  `ValueError`
    for a setting out of range, for other tasks than those of the stage, and for a loss or a norm
    that is not finite, or below zero.
    """

    together: ClassVar[bool] = False
    """Whether every update has to have the losses of all tasks of the stage."""
    reads_norms: ClassVar[bool] = False
    """Whether it has to `measure` gradients."""
    _learnt: ClassVar[tuple[str, ...]] = ()

    def __init__(self, tasks: Sequence[str], chance: Numbers, *, seed: int = 0) -> None:
        self.tasks = tuple(sorted(tasks))  # a sum is the same number in whatever order they come
        if missing := [task for task in self.tasks if task not in chance]:
            known = ", ".join(sorted(chance)) or "no task"
            raise ValueError(f"no loss by chance of {', '.join(missing)}: it is there for {known}")
        self.chance = {t: _least(f"loss by chance of {t}", chance[t], _TINY) for t in self.tasks}
        self.seed = seed

    def __call__(self, losses: Numbers) -> dict[str, float]:
        """Weights of the tasks in ``losses``, which are those of this update."""
        losses = self._checked("loss", losses)
        weights = self._weigh(losses)
        return {task: max(weights[task], _LEAST) for task in losses}

    def measure(self, norms: Numbers) -> None:
        """To be called after the weights, where ``reads_norms``.

        ``norms`` is task to the norm of the gradient of its weighted loss at the representation
        that tasks share.
        """

    def after(self, again: Callable[[], Numbers]) -> None:
        """To be called after the update; ``again()`` computes the losses of its batch anew."""

    @property
    def state(self) -> dict[str, Any]:
        """What was learnt so far, for checkpoints: numbers, lists of them, and those by task."""
        return copy.deepcopy({name: getattr(self, name) for name in self._learnt})

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; `ValueError` if it is that of another method or of other tasks."""
        by_task = [value for value in state.values() if isinstance(value, Mapping)]
        if set(state) != set(self._learnt) or any(set(v) != set(self.tasks) for v in by_task):
            expected = f"{', '.join(self._learnt) or 'nothing'} of {', '.join(self.tasks)}"
            raise ValueError(f"state is {dict(state)}: expected {expected}; is it of this recipe?")
        vars(self).update(copy.deepcopy(dict(state)))

    def _weigh(self, losses: Numbers) -> Numbers:
        """The method itself: weights of these tasks, or of all; losses are checked and in order.

        One that learns gives the weights that it has, and then takes its step.
        """
        raise NotImplementedError

    def _checked(self, what: str, values: Numbers) -> dict[str, float]:
        missing = self.together and set(self.tasks) - set(values)
        if missing or set(values) - set(self.tasks):
            found, expected = (", ".join(sorted(names)) for names in (values, self.tasks))
            raise ValueError(f"{what} of {found or 'no task'}: expected that of {expected}")
        return {t: _least(f"{what} of {t}", values[t], 0) for t in self.tasks if t in values}


class Uniform(Weighting):
    """Every task counts the same: the sum of losses (Caruana 1997)."""

    def _weigh(self, losses: Numbers) -> Numbers:
        return dict.fromkeys(losses, 1.0)


class Chance(Weighting):
    """Every task starts at the same loss: divided by the loss of a guess among all outcomes.

    A sum of losses is a sum of unlike things: choosing among thirty relations and twenty heads
    costs more nats than choosing between two classes, and the costly task rules the trunk.
    Losses relative to their initial values are what GradNorm balances (Chen et al. 2018, section
    3.1, equation 1, the loss ratio); deviation: the initial value is that of a uniform guess, which
    needs no measurement, and nothing is adapted later.
    """

    def _weigh(self, losses: Numbers) -> Numbers:
        return {task: 1 / self.chance[task] for task in losses}


class Fixed(Weighting):
    """Weights by hand, for losses by those by chance: ``fixed:pos=2,ner=0.5``.

    :math:`v_k / C_k`, where :math:`C_k` is the task's loss by chance, and the settings are the
    :math:`v_k` of tasks of the stage, 1 where not said.  A search for them is what adaptive methods
    must beat (Xin et al. 2022).
    """

    def __init__(
        self, tasks: Sequence[str], chance: Numbers, *, seed: int = 0, **settings: float
    ) -> None:
        super().__init__(tasks, chance, seed=seed)
        if unknown := [name for name in settings if name not in self.tasks]:
            rule = f"the tasks of the stage are {', '.join(self.tasks)}"
            raise ValueError(f"weight of {', '.join(unknown)}: {rule}")
        self.settings = {t: _least(f"weight of {t}", v, _LEAST) for t, v in settings.items()}

    def _weigh(self, losses: Numbers) -> Numbers:
        return {task: self.settings.get(task, 1.0) / self.chance[task] for task in losses}


class _Learning(Weighting):
    """Learns a number a task by Adam (Kingma & Ba 2015, Algorithm 1, with their constants)."""

    _learnt = ("numbers", "moments")

    def __init__(
        self, tasks: Sequence[str], chance: Numbers, *, seed: int, rate: float, start: float = 0.0
    ) -> None:
        super().__init__(tasks, chance, seed=seed)
        self.rate = _least("rate", rate, _TINY)
        self.numbers = dict.fromkeys(self.tasks, start)
        self.moments = {task: [0, 0.0, 0.0] for task in self.tasks}  # steps, first, second

    def _step(self, task: str, slope: float) -> None:
        steps, first, second = self.moments[task]
        steps += 1
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        self.moments[task] = [steps, first, second]
        size = math.sqrt(second / (1 - 0.999**steps)) + 1e-8
        self.numbers[task] -= self.rate * first / (1 - 0.9**steps) / size


class Uncertainty(_Learning):
    """Uncertainty of each task, learnt (Kendall, Gal & Cipolla 2018).

    The least of :math:`\\sum_k e^{-s_k} L_k + s_k / 2`, section 3.2, equation 10, as it is there
    for classification, with :math:`s = \\log \\sigma^2` and the weight :math:`e^{-s_k}`.  It tends
    to :math:`1 / (2 L_k)`: as a loss goes to zero, its weight grows without bound.  Deviation:
    :math:`s_k` has a step of its own, at a constant rate, in updates that have the task.  ``rate``
    is ours.
    """

    def __init__(
        self, tasks: Sequence[str], chance: Numbers, *, seed: int = 0, rate: float = 0.01
    ) -> None:
        super().__init__(tasks, chance, seed=seed, rate=rate)

    def _weigh(self, losses: Numbers) -> Numbers:
        weights = {task: math.exp(-self.numbers[task]) for task in losses}
        for task, loss in losses.items():
            self._step(task, 0.5 - weights[task] * loss)
        return weights


class GradNorm(_Learning):
    """Tasks that learn slower get larger gradients: Chen et al. 2018, Algorithm 1.

    :math:`G_k = w_k \\lVert \\nabla L_k \\rVert` is to be :math:`\\bar G r_k^\\alpha` (equation 1),
    where :math:`r_k` is the loss ratio :math:`L_k / L_k(0)` by its mean over tasks.  The weights
    take a step on :math:`\\sum_k | G_k - \\bar G r_k^\\alpha |` (equation 2), with the target held
    constant, and are scaled to sum to the number of tasks.  ``alpha`` 1.5 is their best on NYUv2.

    Deviations: gradients are those at the shared representation, which all tasks have, not those of
    the last shared layer's weights; :math:`L_k(0)` is the loss by chance, which they advise for
    cross-entropies that start unstable; the step is by Adam, because a plain one depends on the
    scale of gradients, and ends at 1e-6 or more.  ``rate`` is ours.
    """

    together = True
    reads_norms = True

    def __init__(
        self, tasks: Sequence[str], chance: Numbers, *, seed: int = 0,
        alpha: float = 1.5, rate: float = 0.025,
    ) -> None:  # fmt: skip
        super().__init__(tasks, chance, seed=seed, rate=rate, start=1.0)
        self.alpha = _least("alpha", alpha, 0)

    def _weigh(self, losses: Numbers) -> Numbers:
        self._ratios = {t: (loss + _TINY) / self.chance[t] for t, loss in losses.items()}
        return dict(self.numbers)

    def measure(self, norms: Numbers) -> None:
        """A step on the weights, from the gradients that they made."""
        sizes = self._checked("gradient norm", norms)
        size, ratio = fmean(sizes.values()), fmean(self._ratios.values())
        for task, own in sizes.items():
            excess = own - size * (self._ratios[task] / ratio) ** self.alpha
            self._step(task, float(np.sign(excess)) * own / self.numbers[task])
            self.numbers[task] = max(self.numbers[task], _LEAST)
        mean = fmean(self.numbers.values())
        self.numbers = {task: number / mean for task, number in self.numbers.items()}


class DynamicAverage(Weighting):
    """Tasks whose loss falls slower count more: dynamic weight average, "DWA".

    Liu, Johns & Davison 2019, equation 7: :math:`K \\, \\mathrm{softmax}(q / T)` for :math:`K`
    tasks, where :math:`q_k` is the mean loss of the last epoch by that of the epoch before, and 1
    where there are not two yet.  ``temperature`` 2 is theirs.  Deviations: an epoch is ``period``
    updates of the stage (ours), because a stage mixes corpora that end at different times; a task
    without an update in it keeps its :math:`q_k`.
    """

    _learnt = ("updates", "seen", "means")

    def __init__(
        self, tasks: Sequence[str], chance: Numbers, *, seed: int = 0,
        temperature: float = 2.0, period: float = 50,
    ) -> None:  # fmt: skip
        super().__init__(tasks, chance, seed=seed)
        self.temperature = _least("temperature", temperature, _LEAST)
        if _least("period", period, 1) % 1:
            raise ValueError(f"period is {period:g}: expected a whole number of updates")
        self.period, self.updates = int(period), 0
        self.seen: dict[str, list[float]] = {task: [] for task in self.tasks}
        self.means: dict[str, list[float]] = {task: [] for task in self.tasks}

    def _weigh(self, losses: Numbers) -> Numbers:
        if self.updates and self.updates % self.period == 0:
            for task, seen in self.seen.items():
                if seen:
                    self.means[task] = [*self.means[task][-1:], fmean(seen)]
                seen.clear()
        for task, loss in losses.items():
            self.seen[task].append(loss)
        self.updates += 1
        falls = {
            task: (means[1] + _TINY) / (means[0] + _TINY) if len(means) == 2 else 1.0
            for task, means in self.means.items()
        }
        return _softmax({task: fall / self.temperature for task, fall in falls.items()}, len(falls))


class Random(Weighting):
    """Weights drawn anew in every update (Lin et al. 2022, Algorithm 2, random loss weighting).

    :math:`K \\, \\mathrm{softmax}(z)`, z standard normal: what a method that adapts has to beat.
    Deviation: times the number of tasks :math:`K`, so that the mean weight is that of a plain sum.
    """

    _learnt = ("calls",)
    calls = 0

    def _weigh(self, losses: Numbers) -> Numbers:
        draws = np.random.default_rng([self.seed, 0x3A4D0, self.calls]).normal(size=len(self.tasks))
        self.calls += 1
        return _softmax(dict(zip(self.tasks, draws.tolist(), strict=True)), len(self.tasks))


class Geometric(Weighting):
    """The geometric mean of losses, times the number of tasks (Chennupati et al. 2019, GLS).

    Its gradient is the sum of those of :math:`L_k`, each times the mean by :math:`L_k`.
    """

    together = True

    def _weigh(self, losses: Numbers) -> Numbers:
        mean = math.exp(fmean(math.log(loss + _TINY) for loss in losses.values()))
        return {task: mean / (loss + _TINY) for task, loss in losses.items()}


class Famo(_Learning):
    """The task that improved least counts more: Liu et al. 2023, Algorithm 1, "FAMO".

    Weights :math:`c z_k / L_k`, with :math:`z = \\mathrm{softmax}(\\xi)` and a :math:`c` that makes
    them sum to 1.  After the update, a step on :math:`\\xi` along
    :math:`J^\\top \\delta + \\gamma \\xi`, where :math:`J` is the Jacobian of :math:`z` and
    :math:`\\delta_k` is by how much :math:`\\log L_k` fell, on the same batch.  As in their code,
    the step is by Adam, with ``decay`` :math:`\\gamma` in its gradient, and 1e-8 is added to each
    loss, whose lower bound is taken to be 0.  ``rate`` and ``decay`` are those of the paper.
    """

    together = True

    def __init__(
        self, tasks: Sequence[str], chance: Numbers, *, seed: int = 0,
        rate: float = 0.025, decay: float = 1e-3,
    ) -> None:  # fmt: skip
        super().__init__(tasks, chance, seed=seed, rate=rate)
        self.decay = _least("decay", decay, 0)
        self._before: Numbers = {}

    def _weigh(self, losses: Numbers) -> Numbers:
        self._before = losses
        parts = {t: share / (losses[t] + _TINY) for t, share in _softmax(self.numbers).items()}
        return {task: part / sum(parts.values()) for task, part in parts.items()}

    def after(self, again: Callable[[], Numbers]) -> None:
        """A step on the logits, from what the update did to the losses of its batch."""
        if not self._before:
            raise RuntimeError("no update to look back on: call the weighting on its losses first")
        now, shares = self._checked("loss", again()), _softmax(self.numbers)
        falls = {t: math.log((old + _TINY) / (now[t] + _TINY)) for t, old in self._before.items()}
        mean = sum(shares[task] * fall for task, fall in falls.items())
        for task, fall in falls.items():
            self._step(task, shares[task] * (fall - mean) + self.decay * self.numbers[task])
        self._before = {}


WEIGHTINGS: dict[str, type[Weighting]] = {
    "chance": Chance, "dwa": DynamicAverage, "famo": Famo, "fixed": Fixed, "gradnorm": GradNorm,
    "geometric": Geometric, "random": Random, "uncertainty": Uncertainty, "uniform": Uniform,
}  # fmt: skip


def build(text: str, tasks: Sequence[str], chance: Numbers, *, seed: int) -> Weighting:
    """The weighting of a recipe by its name and settings, as in ``gradnorm:alpha=1.5``.

    `RouteError` for a name or a setting that there is not, or a setting out of range.
    """
    return made("weighting", text, WEIGHTINGS, tasks=tasks, chance=chance, seed=seed)


def _least(what: str, value: float, low: float) -> float:
    if not low <= value < math.inf:
        raise ValueError(f"{what} is {value:g}: expected a finite number, {low:g} or more")
    return float(value)


def _softmax(logits: Numbers, total: float = 1) -> dict[str, float]:
    top = max(logits.values())
    powers = {task: math.exp(logit - top) for task, logit in logits.items()}
    return {task: total * power / sum(powers.values()) for task, power in powers.items()}
