"""Conflicting gradients to weights: what is done where tasks pull the trunk in different ways.

Every method here sees one matrix, the Gram matrix of the tasks' gradients with respect to the
shared parameters, G[k, l] = <g_k, g_l>, and answers with one weight v_k a task: the trunk is
updated by sum_k v_k g_k.  So no gradient is projected or stored, and the same matrix is the record
of what conflicted (`cosines`).

Weights compare with those of the plain sum, all 1: where the gradients are all the same, each
method gives their sum, and with one task it is ordinary training.  What papers average over tasks,
or weigh by weights that sum to 1, is multiplied by the number of tasks K.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import optimize

from mtlkit.recipes import made

__all__ = ["SURGERIES", "Surgery", "build", "cosines"]

# Of the gradients: their inner products, and their weights.
Gram = Float[np.ndarray, "task task"]
Weights = Float[np.ndarray, "task"]

RIDGE = 1e-10
"""Added to the diagonal of cosines where weights grow without bound as gradients cancel: as if each
had, of its own, a part at a right angle to all others of 1e-5 of its length.  They end at 1e5."""

ZERO = 2e-5
"""What is no longer than so many gradients is nothing: above the root of `RIDGE`."""

CLOSE = 0.999
"""The highest cosine that `GradVac` aims at: at 1 it would have to add infinitely much."""


class Surgery:
    """What all methods are: called with the Gram matrix of an update, they give its weights.

    Weights are finite, the same for G and for any multiple of G, and a function of the settings, of
    the seed and of the calls before.  If all gradients are zero they are 1, and nothing is learnt
    from that call.  A new method defines `weigh`; its settings are keyword arguments of `__init__`.
    """

    def __init__(self, tasks: Sequence[str], *, seed: int = 0) -> None:
        self.tasks, self.seed = tuple(tasks), seed

    def __call__(self, gram: Gram) -> Weights:
        """Weights of the tasks, in their order; `ValueError` for a matrix of other tasks, or nan.

        Sums of ``gram`` should be computed in float64: the root of their error is what counts.
        """
        count = len(self.tasks)
        if gram.shape != (count, count):
            rule = f"expected {count} rows and columns, for {', '.join(self.tasks)}"
            raise ValueError(f"the Gram matrix has shape {gram.shape}: {rule}")
        if not np.isfinite(gram).all():
            own = zip(self.tasks, gram.diagonal(), strict=True)
            wrong = ", ".join(t for t, square in own if not np.isfinite(square)) or "their products"
            raise ValueError(f"gradients are not finite ({wrong}): lower the learning rate")
        gram = gram.astype(np.float64)
        size = gram.trace()
        return self.weigh(gram / size) if size > 0 else np.ones(count)

    def weigh(self, gram: Gram) -> Weights:
        """The weights for a Gram matrix of trace 1."""
        raise NotImplementedError

    @property
    def state(self) -> dict[str, Any]:
        """What the next calls depend on, beside settings and seed; can be written as JSON."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from the `state` of a surgery of the same kind; `ValueError` for any other."""
        if state.keys() != self.state.keys():
            rule = f"expected {sorted(self.state)}"
            raise ValueError(f"{type(self).__name__} has no state of {sorted(state)}: {rule}")


class Sum(Surgery):
    """Nothing is done, v = 1: the sum of losses, for the record of what conflicts in it."""

    def weigh(self, gram: Gram) -> Weights:
        return np.ones(len(gram))


class _Ordered(Surgery):
    """Methods in which each task meets the others in random order, new in every call."""

    calls = 0

    def orders(self) -> list[list[int]]:
        """An order of all tasks for each, drawn from the seed and the number of calls so far."""
        random = np.random.default_rng((self.seed, self.calls))
        self.calls += 1
        return [random.permutation(len(self.tasks)).tolist() for _ in self.tasks]

    @property
    def state(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.calls = state["calls"]


class PCGrad(_Ordered):
    """Gradients lose what conflicts (Yu et al. 2020, "Gradient surgery", Algorithm 1).

    Each g_i meets the others in random order; where <g_i, g_j> < 0, g_i -= <g_i, g_j> / |g_j|² g_j.
    The update is the sum of what is left.  Only g_i changes, never the g_j that it meets.
    """

    def weigh(self, gram: Gram) -> Weights:
        own = np.eye(len(gram))  # row i: the changed g_i, as weights of the gradients
        for i, order in enumerate(self.orders()):
            for j in order:
                product = own[i] @ gram[j]
                if j != i and product < 0 < gram[j, j]:
                    own[i, j] -= product / gram[j, j]
        return own.sum(axis=0)


class GradVac(_Ordered):
    """Gradients are turned until they agree as usual (Wang et al. 2021, "Gradient vaccine").

    As `PCGrad`, but whether and how far g_i is turned towards g_j depends on t, an exponential
    moving average of their cosine c.  Where c < t,

        g_i += |g_i| (t sqrt(1 - c²) - c sqrt(1 - t²)) / (|g_j| sqrt(1 - t²)) g_j,

    then t = (1 - beta) t + beta c.  Averages begin at 0, so the first call is that of `PCGrad`.
    Deviations: one average a pair of tasks for the whole trunk, not one for each of its layers;
    t is at most `CLOSE`; a gradient that is zero, or becomes so, has no cosine and is passed over.
    """

    def __init__(self, tasks: Sequence[str], *, beta: float = 0.01, seed: int = 0) -> None:
        super().__init__(tasks, seed=seed)
        if not 0 <= beta <= 1:
            raise ValueError(f"beta is {beta}: expected a number from 0 to 1")
        self.beta, self.targets = beta, np.zeros((len(self.tasks), len(self.tasks)))

    def weigh(self, gram: Gram) -> Weights:
        own, length, targets = np.eye(len(gram)), np.sqrt(gram.diagonal()), self.targets
        for i, order in enumerate(self.orders()):
            for j in order:
                product = own[i] @ gram
                size = max(product @ own[i], 0.0) ** 0.5
                if j == i or length[j] == 0 or size <= ZERO * length[i]:
                    continue
                cosine = min(max(product[j] / (size * length[j]), -1.0), 1.0)
                target = min(targets[i, j], CLOSE)
                if cosine < target:
                    sine, other = (1 - cosine**2) ** 0.5, (1 - target**2) ** 0.5
                    own[i, j] += size * (target * sine - cosine * other) / (length[j] * other)
                targets[i, j] += self.beta * (cosine - targets[i, j])
        return own.sum(axis=0)

    @property
    def state(self) -> dict[str, Any]:
        return super().state | {"targets": self.targets.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.targets = np.array(state["targets"])


class Mgda(Surgery):
    """The shortest of all weighted means of the gradients (Désidéri 2012; Sener & Koltun 2018).

    v = K argmin |sum_k a_k g_k|² over a >= 0 with sum a = 1 (Sener & Koltun, equation 3).
    Deviations: the exact solution, not some steps of Frank and Wolfe's algorithm (their Algorithm
    2); multiplied by K.  A task whose gradient is zero stops all the others.
    """

    def weigh(self, gram: Gram) -> Weights:
        return len(gram) * _shortest(_vectors(gram))


class CAGrad(Surgery):
    """The update near the mean that helps the worst-served task most (Liu et al. 2021, CAGrad).

    With g_0 the mean gradient, it is the d that maximises min_k <g_k, d> in the ball
    |d - g_0| <= c |g_0|, 0 <= c < 1.  It is d = g_0 + s g_w, where, for a given s, w is the simplex
    weight that makes d shortest, and s the one with |s g_w| = c |g_0|.  As |s g_w| never falls
    while s rises, s is a root on a line.  Algorithm 1 of "Conflict-averse gradient descent" has the
    same solution: w minimises <g_w, g_0> + c |g_0| |g_w|.  Where it has g_w = 0 and divides by it,
    every d of the ball without conflict is as good; it is the one nearest to g_0.
    Deviations: multiplied by K / (1 + c), so that equal gradients give their sum; `RIDGE`.
    """

    def __init__(self, tasks: Sequence[str], *, c: float = 0.5, seed: int = 0) -> None:
        super().__init__(tasks, seed=seed)
        if not 0 <= c < 1:
            raise ValueError(f"c is {c}: expected a number from 0 to 1, without 1")
        self.c = c

    def weigh(self, gram: Gram) -> Weights:
        return (1 + len(gram) * self._added(_vectors(gram, RIDGE))) / (1 + self.c)

    def _added(self, vectors: Float[np.ndarray, "span task"]) -> Weights:
        """The weights s w of the gradients that are added to their mean."""
        mean = vectors.mean(axis=1)
        lengths, radius = np.linalg.norm(vectors, axis=0), self.c * np.linalg.norm(mean)
        if radius == 0:
            return np.zeros(len(lengths))

        def added(scale: float) -> Weights:
            return scale * _shortest(scale * vectors + mean[:, None])

        def excess(log_scale: float) -> float:
            return float(np.linalg.norm(vectors @ added(np.exp(log_scale))) / radius - 1)

        least = np.linalg.norm(vectors @ _shortest(vectors))
        if least > ZERO * lengths.min():
            high = radius / least
        else:
            projecting = _nearest(vectors, -mean)
            if np.linalg.norm(vectors @ projecting) <= radius:
                return projecting
            high = projecting.sum()
        low, high = np.log(radius / lengths.max()) - ZERO, np.log(high) + ZERO
        return added(np.exp(optimize.brentq(excess, low, high, xtol=1e-13)))


class UPGrad(Surgery):
    """The sum of gradients, each freed of its conflicts with all the others (Quinton & Rey 2024).

    g_k is projected onto {d: <g_l, d> >= 0 for every l}: by Proposition 1 of "Jacobian descent for
    multi-objective optimization" its weights are argmin v' G v over v >= e_k.  The update conflicts
    with no task.  Deviations: the sum of the projections, where the paper takes their mean;
    `RIDGE`.
    """

    def weigh(self, gram: Gram) -> Weights:
        vectors = _vectors(gram, RIDGE)
        return 1 + np.sum([_nearest(vectors, -vector) for vector in vectors.T], axis=0)


class _Agreed(Surgery):
    """Methods whose condition holds between tasks that have a gradient; others keep the weight 1.

    Weights sum to the number of tasks.
    """

    def weigh(self, gram: Gram) -> Weights:
        length, weights = np.sqrt(gram.diagonal()), np.ones(len(gram))
        some = length > 0
        share = length[some].min() / length[some]
        size = self.sizes(cosines(gram)[some][:, some], share)
        weights[some] = some.sum() * share * size / (share @ size)
        return weights

    def sizes(self, cosine: Gram, share: Weights) -> Weights:
        """Weights of gradients of length 1, up to a factor; ``share``: 1 / length, up to one."""
        raise NotImplementedError


class Imtl(_Agreed):
    """The update whose component along every gradient is the same (Liu et al. 2021, IMTL-G).

    <d, g_k> / |g_k| is the same for all k, and weights have a given sum ("Towards impartial
    multi-task learning", gradient balance): linear equations.  A weight can be negative.
    Deviations: the sum is K, not 1; where no weights do, least squares.
    """

    def sizes(self, cosine: Gram, share: Weights) -> Weights:
        equations = np.vstack([cosine - cosine.mean(axis=0), share])
        return np.linalg.lstsq(equations, np.eye(len(equations))[-1])[0]


class Nash(_Agreed):
    """The update on which bargaining tasks would agree (Navon et al. 2022, Nash-MTL, Claim 3.1).

    G a = 1 / a, a > 0, which is where a' G a / 2 - sum log a is least.  Deviations: that minimum is
    found by damped Newton steps, where the paper solves a series of convex problems; weights sum to
    K, where the paper's update has a length of its own; `RIDGE`.
    """

    def sizes(self, cosine: Gram, share: Weights) -> Weights:
        vectors, size = _vectors(cosine, RIDGE), np.ones(len(cosine))
        cosine = vectors.T @ vectors
        for _ in range(1000):  # far more than it takes
            slope = cosine @ size - 1 / size
            step = np.linalg.solve(cosine + np.diag(size**-2), slope)
            decrement = np.sqrt(max(float(slope @ step), 0.0))
            size -= step / (1 + decrement)  # so damped, it stays positive and never rises
            if decrement < 1e-5:  # the error is its square
                break
        return size


SURGERIES: dict[str, type[Surgery]] = {
    "cagrad": CAGrad, "gradvac": GradVac, "imtl": Imtl, "mgda": Mgda,
    "nash": Nash, "pcgrad": PCGrad, "sum": Sum, "upgrad": UPGrad,
}  # fmt: skip


def build(text: str, tasks: Sequence[str], *, seed: int) -> Surgery:
    """The surgery that a recipe names, as ``cagrad:c=0.4``; `RouteError` where there is none."""
    return made("surgery", text, SURGERIES, tasks=tasks, seed=seed)


def cosines(gram: Gram) -> Gram:
    """The cosine of each pair of gradients, -1 to 1; nan where one is zero."""
    length = np.sqrt(gram.diagonal())
    length = np.where(length > 0, length, np.nan)
    cosine = np.clip(gram / (length * length[:, None]), -1, 1)
    np.fill_diagonal(cosine, length / length)
    return cosine


def _vectors(gram: Gram, ridge: float = 0.0) -> Float[np.ndarray, "span task"]:
    """Columns with the inner products of the gradients: the gradients, in a space of K dimensions.

    From the cosines, so that a short gradient is as exact in its length as a long one.
    """
    values, directions = np.linalg.eigh(np.nan_to_num(cosines(gram)))
    return (directions * np.sqrt(values.clip(0) + ridge)).T * np.sqrt(gram.diagonal())


def _nearest(columns: Float[np.ndarray, "row task"], target: Float[np.ndarray, "row"]) -> Weights:
    """x >= 0 that minimises |columns x - target|, by an active set (Lawson & Hanson 1974).

    Columns and target are first brought to length 1: the solver's tolerance is an absolute one.
    """
    lengths, size = np.linalg.norm(columns, axis=0), np.linalg.norm(target)
    if size == 0:
        return np.zeros(len(lengths))
    lengths[lengths == 0] = 1
    return optimize.nnls(columns / lengths, target / size)[0] * size / lengths


def _shortest(points: Float[np.ndarray, "row task"]) -> Weights:
    """Weights a >= 0 with sum 1 of the shortest weighted mean of the columns.

    The x >= 0 that minimises |points x|² + (sum x - 1)², divided by its sum: on both sides of that
    division <p_k, points x> is the same for all k with x_k > 0, and not less for the others.
    """
    lengths = np.linalg.norm(points, axis=0)
    if not lengths.min():
        return (lengths == 0) / (lengths == 0).sum()
    stacked = np.vstack([points / lengths.min(), np.ones(len(lengths))])
    weights = _nearest(stacked, np.eye(len(stacked))[-1])
    return weights / weights.sum()
