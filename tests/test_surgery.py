"""Surgery on gradients: against torchjd, closed forms, and certificates that a solution is one.

Distances are between updates v @ J, not weights, which are not unique where gradients are in line.
They are relative to the longest gradient.
"""

import itertools
import json
import math
import time
from collections.abc import Callable

import cvxpy
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchjd.aggregation import IMTLG, MGDA, CAGrad, GradVac, PCGrad, UPGrad
from torchjd.linalg import QuadprogProjector

from mtlkit.routes import RouteError
from mtlkit.surgery import SURGERIES, Surgery, build, cosines

Floats = NDArray[np.float64]
KINDS = ("random", "cancelling", "zero", "parallel", "opposite", "all scaled", "each scaled")
IN_ORDER = {"gradvac", "pcgrad"}  # tasks meet in random order


def gradients(kind: str, seed: int) -> Floats:
    """A matrix of one to six gradients, one a row, of at most ten numbers each."""
    random = np.random.default_rng((KINDS.index(kind), seed))
    tasks = int(random.integers(1 if kind in ("random", "zero") else 2, 7))
    jacobian = random.normal(size=(tasks, random.integers(1, 11)))
    match kind:
        case "cancelling":
            jacobian -= jacobian.mean(axis=0) * random.uniform(0, 1)
        case "zero":
            jacobian[random.integers(tasks)] = 0
        case "parallel":
            jacobian[0] = jacobian[1] * random.choice([0.5, 1, 3])
        case "opposite":
            jacobian[0] = jacobian[1] * random.choice([-0.5, -1, -3])
        case "all scaled":
            jacobian *= 10 ** random.uniform(-6, 6)
        case "each scaled":
            jacobian *= 10 ** random.uniform(-6, 6, size=(tasks, 1))
    return jacobian


def made(text: str, jacobian: Floats, seed: int = 0) -> Surgery:
    return build(text, [f"task{k}" for k in range(len(jacobian))], seed=seed)


def weights(text: str, jacobian: Floats) -> Floats:
    return made(text, jacobian)(jacobian @ jacobian.T)


def longest(jacobian: Floats) -> float:
    return float(np.linalg.norm(jacobian, axis=1).max()) or 1.0


def distance(one: Floats, other: Floats, jacobian: Floats) -> float:
    return float(np.linalg.norm(one - other) / longest(jacobian))


def theirs(aggregator: torch.nn.Module, gram: Floats) -> Floats:
    """Weights by torchjd, in float64."""
    return aggregator.gramian_weighting(torch.from_numpy(gram)).detach().numpy()


many = pytest.mark.parametrize(("kind", "seed"), [*itertools.product(KINDS, range(15))], ids=str)
every = pytest.mark.parametrize("name", sorted(SURGERIES))


def each(kinds: tuple[str, ...] = KINDS, number: int = 30) -> list[Floats]:
    return [gradients(kind, seed) for kind in kinds for seed in range(number)]


# What every method does.


@every
class TestEvery:
    def test_one_task_is_ordinary_training(self, name: str) -> None:
        for size in (1e-12, 1.0, 3e11):
            weight = build(name, ["pos"], seed=0)(np.array([[size]]))
            np.testing.assert_allclose(weight, [1.0], rtol=1e-9)

    def test_equal_gradients_give_their_sum(self, name: str) -> None:
        jacobian = np.tile([[3.0, -4.0]], (4, 1))
        update = weights(name, jacobian) @ jacobian
        np.testing.assert_allclose(update, jacobian.sum(axis=0), rtol=1e-6)

    @pytest.mark.parametrize("tasks", [1, 3])
    def test_zero_gradients_give_ones_and_teach_nothing(self, name: str, tasks: int) -> None:
        surgery = made(name, np.zeros((tasks, 1)))
        before = surgery.state
        np.testing.assert_array_equal(surgery(np.zeros((tasks, tasks))), np.ones(tasks))
        assert surgery.state == before

    def test_weights_are_finite(self, name: str) -> None:
        for jacobian in each():
            assert np.isfinite(weights(name, jacobian)).all(), jacobian

    def test_no_update_is_longer_than_the_gradients_together(self, name: str) -> None:
        """Weights may be large where gradients nearly cancel, but they cancel in the update."""
        for jacobian in [] if name == "imtl" else each():  # IMTL-G has no such bound
            update = np.linalg.norm(weights(name, jacobian) @ jacobian)
            bound = np.linalg.norm(jacobian, axis=1).sum() * (1 + 1e-6)
            # a turned or projected gradient is never longer, a mean with K / (1 + c) neither;
            # the weights of Nash-MTL favour short gradients and sum to K
            assert update <= bound * (len(jacobian) if name == "nash" else 1), jacobian

    @given(st.integers(-40, 40), st.sampled_from(KINDS), st.integers(0, 50))
    def test_the_overall_scale_does_not_matter(
        self, name: str, power: int, kind: str, seed: int
    ) -> None:
        jacobian = gradients(kind, seed)
        gram = jacobian @ jacobian.T
        np.testing.assert_array_equal(
            made(name, jacobian)(gram), made(name, jacobian)(gram * 2.0**power)
        )
        if kind == "random":
            tripled = made(name, jacobian)(gram * 3)
            assert distance(made(name, jacobian)(gram) @ jacobian, tripled @ jacobian, jacobian) < (
                1e-6
            )

    @pytest.mark.parametrize("kind", ["random", "parallel", "opposite", "each scaled"])
    def test_the_order_of_tasks_does_not_matter(self, name: str, kind: str) -> None:
        for seed in range(15):
            jacobian = gradients(kind, seed)
            jacobian = jacobian[:2] if name in IN_ORDER else jacobian
            order = np.random.default_rng(seed).permutation(len(jacobian))
            update, other = (weights(name, j) @ j for j in (jacobian, jacobian[order]))
            assert distance(update, other, jacobian) < 1e-6

    def test_it_is_a_function_of_the_seed_and_the_calls(self, name: str) -> None:
        jacobian = independent(0)
        assert len(jacobian) > 3
        grams = [(j @ j.T) for j in (jacobian * k + np.roll(jacobian, k) for k in range(1, 7))]
        one, two = made(name, jacobian, seed=3), made(name, jacobian, seed=3)
        first = [one(gram) for gram in grams[:3]]
        torch.manual_seed(1)
        np.random.seed(1)
        np.testing.assert_array_equal(first, [two(gram) for gram in grams[:3]])
        resumed = made(name, jacobian, seed=3)
        resumed.restore(json.loads(json.dumps(one.state)))
        for gram in grams[3:]:
            np.testing.assert_array_equal(one(gram), resumed(gram))
        assert one.state == resumed.state

    def test_a_kept_state_does_not_change_later(self, name: str) -> None:
        surgery, jacobian = made(name, gradients("random", 8)), gradients("random", 8)
        state = surgery.state
        kept = json.dumps(state)
        surgery(jacobian @ jacobian.T)
        assert json.dumps(state) == kept

    def test_what_it_is_given_stays_as_it_is(self, name: str) -> None:
        jacobian = gradients("random", 8)
        gram = jacobian @ jacobian.T
        before = gram.copy()
        made(name, jacobian)(gram)
        np.testing.assert_array_equal(gram, before)

    def test_it_is_fast(self, name: str) -> None:
        jacobian = np.random.default_rng(0).normal(size=(3, 50))
        surgery, gram, took = made(name, jacobian), jacobian @ jacobian.T, []
        for _ in range(50):
            start = time.perf_counter()
            surgery(gram)
            took.append(time.perf_counter() - start)
        assert min(took) < 0.03  # without the shape checks of tests: below 0.001

    def test_it_refuses_other_matrices(self, name: str) -> None:
        surgery = build(name, ["pos", "ner"], seed=0)
        with pytest.raises(ValueError, match=r"shape \(3, 3\): expected 2 rows .* for pos, ner"):
            surgery(np.eye(3))
        with pytest.raises(ValueError, match=r"not finite \(ner\): lower the learning rate"):
            surgery(np.array([[1.0, 0.0], [0.0, math.nan]]))
        with pytest.raises(ValueError, match=r"not finite \(their products\)"):
            surgery(np.array([[1.0, math.inf], [math.inf, 1.0]]))

    def test_it_refuses_states_of_other_methods(self, name: str) -> None:
        surgery = build(name, ["pos", "ner"], seed=0)
        with pytest.raises(ValueError, match=r"has no state of \['other'\]: expected \["):
            surgery.restore({"other": 1})


# Each method, beside torchjd and beside what defines it.


class Ordered:
    """torchjd's random order of tasks, drawn again: from torch's generator, task by task."""

    def __init__(self, draw: Callable[[int], list[list[int]]]) -> None:
        self.draw = draw

    def pair(self, text: str, peer: torch.nn.Module, grams: list[Floats]) -> list[list[Floats]]:
        """Weights of torchjd and ours in the same orders, matrix by matrix."""
        surgery, pairs = build(text, [str(k) for k in range(len(grams[0]))], seed=0), []
        for number, gram in enumerate(grams):
            torch.manual_seed(number)
            expected = theirs(peer, gram)
            torch.manual_seed(number)
            orders = self.draw(len(gram))
            surgery.orders = lambda orders=orders: orders  # type: ignore[attr-defined]
            pairs.append([expected, surgery(gram)])
        return pairs


def all_tasks(tasks: int) -> list[list[int]]:
    return [torch.randperm(tasks).tolist() for _ in range(tasks)]


def other_tasks(tasks: int) -> list[list[int]]:
    drawn = [torch.randperm(tasks - 1).tolist() for _ in range(tasks)]
    return [[j + (j >= i) for j in order] for i, order in enumerate(drawn)]


@many
def test_pcgrad_is_that_of_torchjd(kind: str, seed: int) -> None:
    jacobian = gradients(kind, seed)
    [(expected, ours)] = Ordered(all_tasks).pair("pcgrad", PCGrad(), [jacobian @ jacobian.T])
    assert distance(expected @ jacobian, ours @ jacobian, jacobian) < 1e-9


def test_pcgrad_of_two_tasks_by_hand() -> None:
    a, b = np.array([3.0, 0.0]), np.array([-1.0, 2.0])  # product -3, squares 9 and 5
    update = weights("pcgrad", np.stack([a, b])) @ np.stack([a, b])
    np.testing.assert_allclose(update, (a + 3 / 5 * b) + (b + 3 / 9 * a))
    np.testing.assert_array_equal(weights("pcgrad", np.stack([a, -b])), [1, 1])


def test_pcgrad_draws_new_orders_in_every_call() -> None:
    surgery = build("pcgrad", ["a", "b", "c", "d"], seed=0)
    jacobian = np.random.default_rng(5).normal(size=(4, 2))
    seen = {tuple(surgery(jacobian @ jacobian.T).round(6)) for _ in range(20)}
    assert len(seen) > 3
    assert surgery.state == {"calls": 20}


@pytest.mark.parametrize("beta", [0.0, 0.01, 0.5])
def test_gradvac_is_that_of_torchjd(beta: float) -> None:
    random, turned = np.random.default_rng(0), 0
    for _ in range(20):
        common, tasks = random.normal(size=8), int(random.integers(2, 7))
        jacobians = [random.normal(size=(tasks, 8)) + common for _ in range(12)]
        grams = [jacobian @ jacobian.T for jacobian in jacobians]
        pairs = Ordered(other_tasks).pair(f"gradvac:beta={beta}", GradVac(beta, 0.0), grams)
        for jacobian, (expected, ours) in zip(jacobians, pairs, strict=True):
            assert distance(expected @ jacobian, ours @ jacobian, jacobian) < 1e-9
            turned += bool((jacobian @ jacobian.T > 0).all() and not np.allclose(ours, 1))
    assert turned > 0 or beta == 0  # gradients without conflict are turned too


def test_gradvac_begins_as_pcgrad() -> None:
    for jacobian in each(("random", "cancelling", "all scaled"), 10):
        updates = [weights(name, jacobian) @ jacobian for name in ("gradvac", "pcgrad")]
        assert distance(*updates, jacobian) < 1e-6


def test_gradvac_turns_a_gradient_to_the_usual_cosine() -> None:
    surgery = build("gradvac:beta=1", ["a", "b"], seed=0)
    usual = np.array([[1.0, 0.6], [0.6, 1.0]])
    surgery(usual)
    assert surgery.state == {"calls": 1, "targets": [[0, pytest.approx(0.6)]
                             , [pytest.approx(0.6), 0]]}  # fmt: skip
    a, b = np.array([1.0, 0.0]), np.array([0.0, 2.0])
    update = surgery(np.diag([1.0, 4.0])) @ np.stack([a, b])
    # a + x b has the cosine 0.6 with b where 2 x = 0.75; b + y a has it with a where y = 1.5.
    np.testing.assert_allclose(update, (a + 0.375 * b) + (b + 1.5 * a))


def certified(jacobian: Floats, simplex: Floats) -> float:
    """How far a weighted mean is from the shortest, squared: its gap, Sener & Koltun, theorem 1."""
    mean = simplex @ jacobian
    return float(mean @ mean - (jacobian @ mean).min())


def test_mgda_is_that_of_torchjd_where_theirs_has_arrived() -> None:
    """By |a - best|² <= gap, a bound that all matrices meet; most of theirs are within 1e-5."""
    arrived, matrices = 0, each(number=15)
    for jacobian in matrices:
        tasks, size = len(jacobian), longest(jacobian)
        ours = weights("mgda", jacobian) / tasks
        assert ours.min() >= 0 and ours.sum() == pytest.approx(1)
        scaled = jacobian / size
        assert certified(scaled, ours) < 1e-12
        peer = theirs(MGDA(1e-15, 600), scaled @ scaled.T)
        gap = certified(scaled, peer)
        assert np.linalg.norm(ours @ scaled) <= np.linalg.norm(peer @ scaled) + 1e-7
        apart = distance(ours @ jacobian, peer @ jacobian, jacobian)
        assert apart**2 <= gap + 1e-12
        if gap < 1e-10:
            arrived += 1
            assert apart < 1e-5
    assert arrived > len(matrices) / 2


def test_mgda_is_exact_for_short_gradients_beside_long_ones() -> None:
    for jacobian in each(("each scaled",)):
        lengths = np.linalg.norm(jacobian, axis=1)
        simplex = weights("mgda", jacobian) / len(jacobian)
        # its product with every unit gradient; equal, for those in it, to |update|² / |g_k|
        mean = simplex @ jacobian
        slack = (jacobian @ mean - mean @ mean) / lengths / lengths.min()
        assert slack.min() > -1e-9
        assert np.abs(slack[simplex * lengths > 1e-6 * lengths.min()]).max() < 1e-8


@given(st.floats(0, math.pi), st.floats(0.01, 100))
def test_mgda_of_two_tasks_in_closed_form(angle: float, ratio: float) -> None:
    a, b = np.array([1.0, 0.0]), ratio * np.array([math.cos(angle), math.sin(angle)])
    if np.linalg.norm(a - b) < 1e-6:
        return
    share = np.clip((b - a) @ b / ((a - b) @ (a - b)), 0, 1)  # Sener & Koltun, Algorithm 1
    update = weights("mgda", np.stack([a, b])) @ np.stack([a, b])
    np.testing.assert_allclose(update, 2 * (share * a + (1 - share) * b), atol=1e-6)


def precise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the solver that torchjd's CAGrad calls go on to 1e-13 where it would end at 1e-8."""
    solve, tolerances = cvxpy.Problem.solve, ("tol_gap_abs", "tol_gap_rel", "tol_feas")
    exact = dict.fromkeys(tolerances, 1e-13)
    monkeypatch.setattr(cvxpy.Problem, "solve", lambda *args: solve(*args, **exact))


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # it is never exact enough
@pytest.mark.parametrize("c", [0.1, 0.5, 0.9])
def test_cagrad_is_that_of_torchjd(c: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torchjd divides by a |g_w| of 1e-4 longest gradients or more, which is its default."""
    precise(monkeypatch)
    compared, matrices = 0, each(number=12)
    for jacobian in matrices:
        scaled = jacobian / longest(jacobian)
        peer = theirs(CAGrad(c, norm_eps=1e-12), scaled @ scaled.T)
        added = peer - 1 / len(peer)  # below 0 where torchjd gives up, with weights of 0
        if added.sum() > 0 and np.linalg.norm(added @ scaled) / added.sum() >= 1e-4:
            ours = weights(f"cagrad:c={c}", jacobian) * (1 + c) / len(peer)
            assert distance(ours @ jacobian, peer @ jacobian, jacobian) < 1e-5
            compared += 1
    assert compared > len(matrices) / 2


@many
@pytest.mark.parametrize("c", [0.0, 0.1, 0.5, 0.99])
def test_cagrad_is_optimal(c: float, kind: str, seed: int) -> None:
    """In its ball, and as good for the worst-served task as the dual problem says is possible."""
    jacobian = gradients(kind, seed)
    jacobian /= longest(jacobian)
    tasks, mean = len(jacobian), jacobian.mean(axis=0)
    ours = weights(f"cagrad:c={c}", jacobian) * (1 + c) / tasks
    update, radius = ours @ jacobian, c * np.linalg.norm(mean)
    assert np.linalg.norm(update - mean) <= radius + 1e-6

    def dual(simplex: Floats) -> float:  # an upper bound for every simplex weight
        return simplex @ jacobian @ mean + radius * np.linalg.norm(simplex @ jacobian)

    added = ours - 1 / tasks
    simplexes = [weights("mgda", jacobian) / tasks]
    if added.sum() > 0:
        simplexes.append(added / added.sum())
    if c == 0:
        np.testing.assert_array_equal(added, 0)
    else:
        assert min(map(dual, simplexes)) - (jacobian @ update).min() < 1e-6


@pytest.mark.parametrize("apart", [1e-3, 1e-5, 1e-7, 1e-9, 1e-12])
@pytest.mark.parametrize("name", ["cagrad:c=0.9", "upgrad", "nash"])
def test_weights_are_bounded_where_gradients_nearly_cancel(name: str, apart: float) -> None:
    """Else they are of the size 1 / apart, and rounding is all that is left of the update."""
    for seed in range(30):
        random = np.random.default_rng(seed)
        jacobian = random.normal(size=(random.integers(2, 8), 8))
        jacobian[0] = apart * random.normal(size=8) - jacobian[1]
        v = weights(name, jacobian)
        assert np.abs(v).max() < 1e6
        if name.startswith("cagrad"):
            tasks, mean = len(jacobian), jacobian.mean(axis=0)
            update = v @ jacobian * 1.9 / tasks
            assert np.linalg.norm(update - mean) <= 0.9 * np.linalg.norm(mean) + 1e-5


def test_cagrad_goes_on_where_two_tasks_cancel_and_the_mean_conflicts_with_none() -> None:
    jacobian = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0]])
    update = weights("cagrad:c=0.5", jacobian) @ jacobian
    np.testing.assert_allclose(update, jacobian.sum(axis=0) / 1.5, atol=1e-9)


@many
def test_upgrad_is_that_of_torchjd(kind: str, seed: int) -> None:
    """torchjd adds a little to the diagonal: it is given unit gradients, and lengths to prefer."""
    jacobian = gradients(kind, seed)
    lengths = np.linalg.norm(jacobian, axis=1)
    units = jacobian / np.where(lengths > 0, lengths, 1)[:, None]
    prefer = torch.from_numpy(lengths / longest(jacobian))
    peer = UPGrad(prefer, QuadprogProjector(norm_eps=0, reg_eps=1e-13))
    if not lengths.any():
        return
    expected = theirs(peer, units @ units.T) @ units * longest(jacobian)
    update = weights("upgrad", jacobian) @ jacobian
    assert distance(expected, update, jacobian) < 1e-5


@many
def test_upgrad_conflicts_with_no_task(kind: str, seed: int) -> None:
    jacobian = gradients(kind, seed)
    v = weights("upgrad", jacobian)
    assert v.min() >= 1
    lengths = np.linalg.norm(jacobian, axis=1)
    assert (jacobian @ (v @ jacobian) >= -1e-5 * lengths * longest(jacobian)).all()
    if (jacobian @ jacobian.T >= 0).all():
        np.testing.assert_allclose(v, 1)


def test_upgrad_and_pcgrad_of_two_tasks_are_the_same() -> None:
    for seed in range(20):
        jacobian = np.random.default_rng(seed).normal(size=(2, 3))
        np.testing.assert_allclose(weights("upgrad", jacobian), weights("pcgrad", jacobian))


def independent(seed: int) -> Floats:
    random = np.random.default_rng(seed)
    tasks = int(random.integers(2, 7))
    return random.normal(size=(tasks, 10)) * 10 ** random.uniform(-2, 2, size=(tasks, 1))


@pytest.mark.parametrize("seed", range(30))
def test_imtl_is_that_of_torchjd(seed: int) -> None:
    jacobian = independent(seed)
    expected = theirs(IMTLG(), jacobian @ jacobian.T) * len(jacobian)
    ours = weights("imtl", jacobian)
    assert ours.sum() == pytest.approx(len(jacobian))
    assert distance(expected @ jacobian, ours @ jacobian, jacobian) < 1e-5
    component = jacobian @ (ours @ jacobian) / np.linalg.norm(jacobian, axis=1)
    np.testing.assert_allclose(component, component[0], rtol=1e-6)


def test_imtl_of_opposite_gradients_cancels_them() -> None:
    jacobian = np.array([[1.0, 0.0], [-3.0, 0.0]])
    np.testing.assert_allclose(weights("imtl", jacobian), [1.5, 0.5])


@pytest.mark.parametrize("seed", range(30))
def test_nash_solves_its_equation(seed: int) -> None:
    jacobian = independent(seed)
    ours = weights("nash", jacobian)
    assert ours.min() > 0 and ours.sum() == pytest.approx(len(jacobian))
    product = ours * (jacobian @ (ours @ jacobian))
    np.testing.assert_allclose(product, product[0], rtol=1e-5)


@given(st.floats(-0.99, 1), st.floats(1e-3, 1e3))
def test_nash_of_two_tasks_in_closed_form(cosine: float, ratio: float) -> None:
    """Both count the same, whatever their angle: weights are as one over the lengths."""
    gram = np.array([[1, cosine * ratio], [cosine * ratio, ratio**2]])
    expected = 2 * np.array([ratio, 1]) / (ratio + 1)
    np.testing.assert_allclose(build("nash", ["a", "b"], seed=0)(gram), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["imtl", "nash"])
def test_a_zero_gradient_changes_nothing_for_the_others(name: str) -> None:
    jacobian = independent(1)
    more = np.insert(jacobian, 1, 0, axis=0)
    ours = weights(name, more)
    assert ours[1] == 1
    np.testing.assert_allclose(np.delete(ours, 1), weights(name, jacobian))


# Names, settings, and the record of conflicts.


def test_cosines_by_hand() -> None:
    jacobian = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 1e-9], [-6e7, -8e7]])
    nan = math.nan
    expected = [[1, nan, 0.8, -1], [nan] * 4, [0.8, nan, 1, -0.8], [-1, nan, -0.8, 1]]
    np.testing.assert_allclose(cosines(jacobian @ jacobian.T), expected)


@given(st.sampled_from(KINDS), st.integers(0, 200))
def test_cosines_are_cosines(kind: str, seed: int) -> None:
    jacobian = gradients(kind, seed)
    cosine = cosines(jacobian @ jacobian.T)
    lengths = np.linalg.norm(jacobian, axis=1)
    known = np.outer(lengths, lengths) > 0
    np.testing.assert_array_equal(np.isnan(cosine), ~known)
    assert (np.abs(cosine[known]) <= 1).all()
    np.testing.assert_array_equal(cosine, cosine.T)
    units = jacobian[lengths > 0] / lengths[lengths > 0, None]
    np.testing.assert_allclose(cosine[known], (units @ units.T).ravel(), atol=1e-12)


def test_settings_are_read() -> None:
    gram = np.array([[1.0, -0.5], [-0.5, 2.0]])
    small, large = (build(f"cagrad:c={c}", ["a", "b"], seed=0)(gram) for c in (0.1, 0.9))
    assert not np.allclose(small, large)
    np.testing.assert_allclose(build("cagrad:c=0", ["a", "b"], seed=0)(gram), 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("surgeon", "surgery"),
        ("mgda:c=1", "setting of mgda"),
        ("pcgrad:seed=1", "setting of pcgrad"),
        ("cagrad:c=1", "surgery 'cagrad:c=1': c is 1.0: expected a number from 0 to 1, without 1"),
        ("cagrad:c=-0.1", "c is -0.1"),
        ("gradvac:beta=1.5", "beta is 1.5: expected a number from 0 to 1"),
    ],
)
def test_what_there_is_not_is_refused(text: str, message: str) -> None:
    with pytest.raises(RouteError, match=message):
        build(text, ["pos", "ner"], seed=0)
