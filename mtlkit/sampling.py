"""Which sentences an update is made of: how often each task's turn comes, and with which others.

The plan of a stage is made part by part, at its evaluations, so that it may follow the scores.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from mtlkit.batching import Stratum, buckets
from mtlkit.recipes import Recipe, made

__all__ = ["SAMPLINGS", "Sampling", "Schedule", "Turn"]

Turn = tuple[tuple[int, np.ndarray], ...]
"""An update's parts: (index of a stratum, indices of its sentences)."""

Floats = Float[np.ndarray, "stratum"]


class Sampling:
    """Temperature sampling: by size, which a higher temperature levels.

    :math:`p_s \\propto B_s^{1/\\tau}` for strata of :math:`B_s` batches an epoch;
    :math:`\\tau` = 1 is proportional to size, 2 to its square root, infinity is uniform
    (Arivazhagan et al. 2019, section 4.2).  Other ways inherit from this one.
    """

    adapts = False
    """Whether shares change while a stage is trained."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def __call__(self, sizes: Floats, *, done: float, errors: Floats) -> Floats:
        """The share of each stratum.

        ``sizes``: batches in an epoch.  ``done``: how much of the stage is over, from 0 to 1.
        ``errors``: mean error of the stratum's tasks on dev, 1 before the first evaluation.
        """
        shares = sizes ** (1 / self.temperature)
        return shares / shares.sum()


class Annealed(Sampling):
    """From proportional to nearly uniform: ``annealed:end=0.2``.

    :math:`p_s \\propto B_s^\\alpha` with :math:`\\alpha` falling linearly from 1 to ``end``, so
    that tasks are trained alike near the end, where interference shows (Stickland and Murray 2019,
    section 4.1).
    """

    adapts = True

    def __init__(self, temperature: float, *, end: float = 0.2) -> None:
        if not 0 <= end <= 1:
            raise ValueError(f"end is {end:g}: expected a number from 0 to 1")
        super().__init__(temperature)
        self.end = end

    def __call__(self, sizes: Floats, *, done: float, errors: Floats) -> Floats:
        shares = sizes ** (1 + (self.end - 1) * done)
        return shares / shares.sum()


class Dynamic(Sampling):
    """More of what is still wrong: temperature sampling, times the error on dev.

    Gottumukkala et al. 2020, section 3.2, sample by the gap between a task's present score and that
    of a model of the task alone.  Deviation: such a model would have to be trained first, so that
    here the gap is that to a perfect score.
    """

    adapts = True

    def __call__(self, sizes: Floats, *, done: float, errors: Floats) -> Floats:
        shares = super().__call__(sizes, done=done, errors=errors) * np.maximum(errors, 1e-3)
        return shares / shares.sum()


SAMPLINGS: dict[str, Callable[..., Sampling]] = {
    "temperature": Sampling,
    "annealed": Annealed,
    "dynamic": Dynamic,
}


class Schedule:
    """Every update of a stage, in order; a function of its arguments, and of dev where it adapts.

    Stratum *s* with :math:`B_s` batches an epoch brings
    :math:`\\max(\\text{min_updates}, \\text{epochs} \\cdot B_s)` batches to the stage's budget,
    which the recipe's sampling shares out.  A stage of masked language modelling alone has
    ``mlm_updates``.

    An update is a batch of one stratum (``mixing=alternating``), or has a part of every stratum, in
    size as its share (``joint``); then there are as many fewer updates, each as much larger.
    """

    def __init__(
        self, strata: Sequence[Stratum], recipe: Recipe, *, seed: int, pretraining: bool
    ) -> None:
        self.sampling = made("sampling", recipe.sampling, SAMPLINGS, temperature=recipe.temperature)
        self.together = recipe.mixing == "joint" and len(strata) > 1
        self._rng = np.random.default_rng([seed, 0x5C4ED])
        self._lengths = [each.lengths for each in strata]
        self._tokens = recipe.mlm_tokens if pretraining else recipe.batch_tokens
        batches = [len(buckets(each, tokens=self._tokens)) for each in self._lengths]
        self._sizes = np.array(batches, dtype=float)
        self._queues: list[list[np.ndarray]] = [[] for _ in strata]
        if pretraining:
            self._budget = float(recipe.mlm_updates)
        else:
            self._budget = float(np.maximum(recipe.min_updates, recipe.epochs * self._sizes).sum())
        nothing = np.ones(len(strata))
        first = self.sampling(self._sizes, done=0.0, errors=nothing)
        self._whole = np.maximum(1, np.round(self._budget * first)).astype(int)
        if self.together:
            self.updates = max(1, round(self._budget / len(strata)))
        else:
            self.updates = int(self._whole.sum())

    def part(self, begin: int, end: int, errors: Floats) -> list[Turn]:
        """The updates from ``begin`` to ``end``, which must follow what was asked for before."""
        shares = self.sampling(self._sizes, done=begin / self.updates, errors=errors)
        if self.together:
            tokens = np.maximum(1, np.round(self._tokens * len(shares) * shares)).astype(int)
            counts = np.full(len(shares), end - begin)
        else:
            tokens = np.full(len(shares), self._tokens)
            counts = self._whole if end - begin == self.updates else _dealt(shares, end - begin)
        for queue, lengths, size, count in zip(
            self._queues, self._lengths, tokens, counts, strict=True
        ):
            if self.together and queue:  # what is left of an epoch, in parts of the new size
                left = np.concatenate(queue)
                sizes = [lengths[i] for i in left]
                queue[:] = [left[b] for b in buckets(sizes, tokens=int(size), rng=self._rng)]
            while len(queue) < count:
                queue.extend(buckets(lengths, tokens=int(size), rng=self._rng))
        if self.together:
            return [
                tuple((s, queue.pop(0)) for s, queue in enumerate(self._queues))
                for _ in range(end - begin)
            ]
        turns = self._rng.permutation(np.repeat(np.arange(len(shares)), counts))
        return [((int(s), self._queues[s].pop(0)),) for s in turns]


def _dealt(shares: Floats, number: int) -> np.ndarray:
    """So many updates, dealt out by shares: the largest remainders are rounded up."""
    exact = shares * number
    counts = np.floor(exact).astype(int)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: number - counts.sum()]] += 1
    return counts
