"""Weights of losses: each method against its formula, by autograd, and against a peer library."""

import json
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from torch import Tensor
from torchjd import scalarization

from mtlkit.recipes import Recipe
from mtlkit.routes import RouteError
from mtlkit.weighting import WEIGHTINGS, Numbers, Weighting, build

TASKS = ("dep", "ner", "pos")  # as a weighting sorts them
CHANCE = {"pos": 3.0, "mlm": 9.0, "dep": 6.0, "ner": 2.5, "topic": 0.7}
EXAMPLES = [
    *WEIGHTINGS,
    "dwa:period=2,temperature=0.1",
    "famo:rate=0.5,decay=0",
    "fixed:pos=2,ner=0.5",
    "gradnorm:alpha=0.5,rate=2",
    "uncertainty:rate=0.2",
]
"""Every method, and some with settings that make them adapt within a few updates."""

Update = tuple[Numbers, Numbers, Numbers]
"""Losses, norms of their gradients, and losses after the update."""


def name(text: str) -> str:
    return text.partition(":")[0]


def make(text: str, tasks: Sequence[str] = TASKS, chance: Numbers = CHANCE) -> Weighting:
    return build(text, tasks, chance, seed=3)


def told(weighting: Weighting, losses: Numbers, norms: Numbers) -> dict[str, float]:
    """The weights of an update; ``norms`` are of the gradients before they are weighted."""
    weights = weighting(losses)
    if weighting.reads_norms:
        weighting.measure({task: weights[task] * norms[task] for task in weights})
    return weights


def advance(weighting: Weighting, updates: Sequence[Update]) -> list[dict[str, float]]:
    """The weights of each update."""
    found = []
    for losses, norms, after in updates:
        found.append(told(weighting, losses, norms))
        weighting.after(lambda after=after: after)
    return found


def numbers(high: float, tasks: Sequence[str] = TASKS) -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries({task: st.floats(0, high) for task in tasks})


UPDATES = st.lists(st.tuples(numbers(20), numbers(100), numbers(20)), min_size=1, max_size=7)


def drawn(updates: int, seed: int = 0) -> list[Update]:
    """Losses that fall, each task at a pace of its own."""
    rng = np.random.default_rng(seed)
    found = []
    for update in range(updates):
        falling = {t: 3 * math.exp(-update * (i + 1) / 30) for i, t in enumerate(TASKS)}
        losses = {t: loss * rng.uniform(0.7, 1.3) for t, loss in falling.items()}
        after = {t: loss * rng.uniform(0.8, 1.05) for t, loss in losses.items()}
        found.append((losses, {t: rng.uniform(0.1, 5) for t in TASKS}, after))
    return found


def tensor(values: Numbers) -> Tensor:
    return torch.tensor([values[task] for task in TASKS], dtype=torch.float64)


def of_scalarizer(scalarize: Callable[[Tensor], Tensor], losses: Numbers) -> list[float]:
    """Weights are the slopes of the scalar that a peer makes of the losses."""
    values = tensor(losses).requires_grad_()
    return torch.autograd.grad(scalarize(values), values)[0].tolist()


# What every method does


@pytest.mark.parametrize("text", EXAMPLES)
class TestEveryWeighting:
    @settings(max_examples=30)
    @given(updates=UPDATES)
    def test_weights_are_finite_and_above_zero(self, text: str, updates: list[Update]) -> None:
        for weights in advance(make(text), updates):
            assert weights.keys() == set(TASKS)
            assert all(0 < weight < math.inf for weight in weights.values())

    @settings(max_examples=30)
    @given(updates=UPDATES)
    def test_order_of_tasks_does_not_matter(self, text: str, updates: list[Update]) -> None:
        other = [tuple(dict(reversed(part.items())) for part in update) for update in updates]
        assert advance(make(text), updates) == advance(make(text, TASKS[::-1]), other)

    @settings(max_examples=30)
    @given(updates=UPDATES)
    def test_tasks_of_other_stages_do_no_harm(self, text: str, updates: list[Update]) -> None:
        own = {task: CHANCE[task] for task in TASKS}
        assert advance(make(text), updates) == advance(make(text, chance=own), updates)

    @settings(max_examples=30)
    @given(updates=UPDATES, so_far=st.integers(0, 7))
    def test_goes_on_from_its_state(self, text: str, updates: list[Update], so_far: int) -> None:
        one = make(text)
        advance(one, updates[:so_far])
        state = one.state
        kept = json.dumps(state)
        other = make(text)
        other.restore(state)
        expected = advance(one, updates[so_far:])
        assert json.dumps(state) == kept  # what was saved is a copy
        assert advance(other, updates[so_far:]) == expected
        again = make(text)
        again.restore(json.loads(kept))
        assert advance(again, updates[so_far:]) == expected
        assert again.state == other.state == one.state

    def test_one_task_is_ordinary_training(self, text: str) -> None:
        if name(text) == "fixed":
            text = "fixed"
        updates = [tuple({"pos": part["pos"]} for part in update) for update in drawn(6)]
        for weights in advance(make(text, ["pos"]), updates):
            [weight] = weights.values()
            if name(text) in {"uniform", "gradnorm", "dwa", "random", "famo"}:
                assert weight == pytest.approx(1)
            assert weight > 0

    def test_a_part_of_the_tasks_gets_weights(self, text: str) -> None:
        weighting = make(text)
        part = {"pos": 0.5, "dep": 2.0}
        if weighting.together:
            expected = r"^loss of dep, pos: expected that of dep, ner, pos$"
            with pytest.raises(ValueError, match=expected):
                weighting(part)
        else:
            for losses in (part, {"ner": 1.0}, part):
                assert weighting(losses).keys() == losses.keys()

    def test_like_tasks_keep_like_weights(self, text: str) -> None:
        if text.startswith(("random", "fixed:")):
            pytest.skip("these make a difference themselves")
        like = [tuple(dict.fromkeys(TASKS, next(iter(p.values()))) for p in u) for u in drawn(9)]
        for weights in advance(make(text, chance=dict.fromkeys(TASKS, 2.0)), like):
            assert len(set(weights.values())) == 1

    def test_only_who_needs_them_computes_norms_and_losses_again(self, text: str) -> None:
        calls: list[str] = []
        weighting = make(text)
        for losses, _, after in drawn(2):
            weighting(losses)
            weighting.after(lambda after=after: calls.append("again") or after)
        assert calls == 2 * {"famo": ["again"]}.get(name(text), [])
        assert weighting.reads_norms == (name(text) == "gradnorm")

    @pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.1])
    def test_says_which_loss_is_no_loss(self, text: str, wrong: float) -> None:
        losses, weighting = {"pos": 1.0, "ner": wrong, "dep": 2.0}, make(text)
        before = weighting.state
        expected = f"^loss of ner is {wrong:g}: expected a finite number, 0 or more$"
        with pytest.raises(ValueError, match=expected):
            weighting(losses)
        assert weighting.state == before

    def test_says_which_tasks_it_does_not_know(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^loss of dep, mlm, ner, pos: expected that of dep"):
            make(text)({**dict.fromkeys(TASKS, 1.0), "mlm": 7.0})

    def test_refuses_the_state_of_another(self, text: str) -> None:
        states = [{"steps": 3}, {**make(text).state, "steps": 3}]
        if name(text) in {"uncertainty", "gradnorm", "dwa", "famo"}:
            states.append(make(text, ["mlm", "pos"]).state)
        for state in states:
            with pytest.raises(ValueError, match=r"^state is .* of dep, ner, pos; is it of this"):
                make(text).restore(state)


def test_a_recipe_names_a_weighting_that_there_is() -> None:
    assert type(make(Recipe().weighting)) is WEIGHTINGS["uniform"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("best", "unknown weighting 'best': expected one of chance, dwa, "),
        ("gradnorn", "unknown weighting 'gradnorn': did you mean 'gradnorm'?"),
        ("gradnorm:beta=1", "unknown setting of gradnorm 'beta': expected one of alpha, rate"),
        ("chance:pos=1", "unknown setting of chance 'pos': it has none"),
        ("gradnorm:alpha=-1", "'gradnorm:alpha=-1': alpha is -1: expected a finite number, 0 or "),
        ("gradnorm:rate=nan", "'gradnorm:rate=nan': rate is nan: expected a finite number, 1e-08 "),
        ("uncertainty:rate=0", "'uncertainty:rate=0': rate is 0: expected a finite number, 1e-08 "),
        ("famo:decay=-2", "'famo:decay=-2': decay is -2: expected a finite number, 0 or more"),
        ("dwa:temperature=0", "temperature is 0: expected a finite number, 1e-06 or more"),
        ("dwa:period=0", "period is 0: expected a finite number, 1 or more"),
        ("dwa:period=1.5", "period is 1.5: expected a whole number of updates"),
        ("fixed:pos=0", "weight of pos is 0: expected a finite number, 1e-06 or more"),
        ("fixed:pos=2,mlm=3", "weight of mlm: the tasks of the stage are dep, ner, pos"),
    ],
)
def test_settings_that_cannot_be_say_why(text: str, expected: str) -> None:
    with pytest.raises(RouteError) as error:
        make(text)
    assert expected in str(error.value)


def test_every_task_needs_its_loss_by_chance() -> None:
    with pytest.raises(ValueError, match=r"^no loss by chance of dep, ner: it is there for pos$"):
        WEIGHTINGS["uniform"](TASKS, {"pos": 3.0})
    with pytest.raises(ValueError, match=r"^loss by chance of pos is 0: expected a finite number"):
        WEIGHTINGS["uniform"](["pos"], {"pos": 0.0})


# What stays as it is


def test_uniform_is_the_sum_of_losses() -> None:
    x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    losses = {"pos": (x**2).sum(), "ner": x.exp().sum(), "dep": (3 * x).sum()}
    weights = make("uniform")({task: loss.item() for task, loss in losses.items()})
    total = sum((weights[task] * losses[task] for task in losses), torch.tensor(0.0))
    [gradient] = torch.autograd.grad(total, x)
    torch.testing.assert_close(gradient, 2 * x.detach() + x.detach().exp() + 3)


@pytest.mark.parametrize("text", ["chance", "fixed"])
def test_by_chance_every_guess_costs_one(text: str) -> None:
    outcomes = {"pos": 17, "ner": 11, "cr": 2}
    guess = {task: torch.nn.functional.cross_entropy(torch.zeros(5, n), torch.arange(5) % n).item()
             for task, n in outcomes.items()}  # fmt: skip
    weighting = make(text, list(outcomes), {task: math.log(n) for task, n in outcomes.items()})
    weights = weighting(guess)
    for task, loss in guess.items():
        assert weights[task] * loss == pytest.approx(1.0)


def test_fixed_weights_are_on_top_of_chance() -> None:
    weights = make("fixed:pos=6,ner=0.5")(dict.fromkeys(TASKS, 1.0))
    assert weights == {"pos": 2.0, "ner": 0.2, "dep": 1 / 6}


# What is learnt


def test_uncertainty_is_that_of_the_paper_and_of_a_peer() -> None:
    rate = 0.05
    weighting = make(f"uncertainty:rate={rate}")
    deviations = {t: torch.zeros((), dtype=torch.float64, requires_grad=True) for t in TASKS}
    adam = torch.optim.Adam(deviations.values(), lr=rate)
    peer = scalarization.UW(3).double()
    peers_adam = torch.optim.Adam(peer.parameters(), lr=rate)
    for update, (losses, _, _) in enumerate(drawn(40)):
        part = {t: loss for t, loss in losses.items() if update < 20 or update % 3 or t != "ner"}
        weights = weighting(part)
        variances = {task: deviations[task].exp() for task in part}  # s is the log of sigma ** 2
        scaled = sum(loss / variances[task] for task, loss in part.items())
        adam.zero_grad(set_to_none=True)  # a task that is not there takes no step
        (scaled + sum(variances[task].sqrt().log() for task in part)).backward()
        for task in part:
            assert weights[task] == pytest.approx(1 / variances[task].item(), rel=1e-9)
        adam.step()
        if len(part) == 3 and update < 20:  # the peer has half the sum for losses half as large
            twice = {task: 2 * loss for task, loss in losses.items()}
            found = [2 * slope for slope in of_scalarizer(peer, twice)]
            assert [weights[t] for t in TASKS] == pytest.approx(found, rel=1e-9)
            peers_adam.zero_grad()
            peer(tensor(twice)).backward()
            peers_adam.step()


def test_uncertainty_tends_to_the_weight_that_is_best_for_it() -> None:
    weighting, losses = make("uncertainty"), {"pos": 0.2, "ner": 1.0, "dep": 4.0}
    for _ in range(1500):
        weights = weighting(losses)
    assert weights == pytest.approx({t: 1 / (2 * loss) for t, loss in losses.items()}, rel=1e-3)


@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_gradnorm_is_that_of_the_paper(alpha: float) -> None:
    weighting, start = make(f"gradnorm:alpha={alpha}"), tensor(CHANCE)
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([w], lr=0.025)
    for losses, norms, _ in drawn(40):
        weights = told(weighting, losses, norms)
        assert [weights[t] for t in TASKS] == pytest.approx(w.tolist(), rel=1e-6)
        sizes, ratios = w * tensor(norms), tensor(losses) / start
        target = (sizes.mean() * (ratios / ratios.mean()) ** alpha).detach()
        adam.zero_grad()
        (sizes - target).abs().sum().backward()
        adam.step()
        with torch.no_grad():
            w *= 3 / w.sum()
    assert max(weights.values()) > 1.02  # it did something
    assert sum(weights.values()) == pytest.approx(3)


def test_gradnorm_reads_the_norms_of_gradients_at_the_representation() -> None:
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(4, 5, generator=generator, requires_grad=True)
    heads = {
        task: torch.randn(5, n, generator=generator)
        for task, n in zip(TASKS, (3, 9, 2), strict=True)
    }
    losses = {t: torch.nn.functional.cross_entropy(scale * shared @ heads[t], torch.zeros(4).long())
              for t, scale in zip(TASKS, (0.1, 1.0, 5.0), strict=True)}  # fmt: skip

    def norms() -> dict[str, float]:
        slopes = {
            t: torch.autograd.grad(v, shared, retain_graph=True)[0] for t, v in losses.items()
        }
        return {task: slope.norm().item() for task, slope in slopes.items()}

    weighting = make("gradnorm:alpha=0,rate=0.005")
    for _ in range(1500):
        weights = told(weighting, {task: loss.item() for task, loss in losses.items()}, norms())
    sizes = [weights[task] * norm for task, norm in norms().items()]
    assert max(sizes) < 1.15 * min(sizes)  # with alpha 0 all are to be equal
    assert max(norms().values()) > 3 * min(norms().values())


def test_gradnorm_counts_a_task_more_that_is_behind() -> None:
    weighting = make("gradnorm")
    losses = {"pos": 1.0, "dep": 2.0, "ner": 2.4}  # shares of chance: a third, a third, nearly all
    for _ in range(20):
        weights = told(weighting, losses, dict.fromkeys(TASKS, 1.0))
    assert weights["ner"] > 1 > weights["pos"] == pytest.approx(weights["dep"])


def test_dwa_is_that_of_the_paper_and_of_a_peer() -> None:
    epochs, period, temperature = 5, 4, 0.5
    updates = [losses for losses, _, _ in drawn(epochs * period)]
    weighting = make(f"dwa:period={period},temperature={temperature}")
    found = [tensor(weighting(losses)).tolist() for losses in updates]
    table = np.array([[losses[task] for task in TASKS] for losses in updates])
    means = table.reshape(epochs, period, 3).mean(1)
    peer = scalarization.DWA(temperature)
    for update, losses in enumerate(updates):
        epoch = update // period
        powers = np.ones(3)
        if epoch >= 2:
            powers = np.exp(means[epoch - 1] / means[epoch - 2] / temperature)
        assert found[update] == pytest.approx(list(3 * powers / powers.sum()), rel=1e-6)
        assert found[update] == pytest.approx(of_scalarizer(peer, losses), rel=1e-6)
        if (update + 1) % period == 0:
            peer.step()
    assert max(found[-1]) > 1.05  # it did something


def test_dwa_keeps_the_rate_of_a_task_that_was_away() -> None:
    weighting = make("dwa:period=1", ["ner", "pos"])
    for losses in ({"pos": 4.0, "ner": 1.0}, {"pos": 1.0, "ner": 1.0}, {"ner": 1.0}, {"ner": 1.0}):
        weighting(losses)
    powers = {"pos": math.exp(0.25 / 2), "ner": math.exp(1 / 2)}
    expected = {task: 2 * power / sum(powers.values()) for task, power in powers.items()}
    assert weighting({"pos": 1.0, "ner": 1.0}) == pytest.approx(expected)


def test_random_weights_are_drawn_as_a_peer_draws_them() -> None:
    weighting, losses = make("random"), dict.fromkeys(TASKS, 1.0)
    drawings = np.array([tensor(weighting(losses)).numpy() for _ in range(2000)])
    assert drawings.sum(1) == pytest.approx(3)
    assert drawings.mean(0) == pytest.approx(1, abs=0.05)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        peer = [3 * of_scalarizer(scalarization.Random(), losses)[0] for _ in range(2000)]
    assert ks_2samp(drawings[:, 0], peer).pvalue > 0.01
    assert ks_2samp(drawings[:, 0], drawings[:, 2]).pvalue > 0.01


def test_random_weights_depend_on_the_seed_and_the_update() -> None:
    one, same, other = (build("random", TASKS, CHANCE, seed=seed) for seed in (1, 1, 2))
    losses = dict.fromkeys(TASKS, 1.0)
    first, second = one(losses), one(losses)
    assert first == same(losses)
    assert len({first["pos"], second["pos"], other(losses)["pos"]}) == 3


def test_geometric_is_the_gradient_of_a_peer() -> None:
    for losses, _, _ in drawn(9):
        values = tensor(losses).requires_grad_()
        [slopes] = torch.autograd.grad(scalarization.GeometricMean()(values), values)
        assert tensor(make("geometric")(losses)).tolist() == pytest.approx((3 * slopes).tolist())


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_famo_is_that_of_the_paper_and_of_a_peer(decay: float) -> None:
    weighting = make(f"famo:decay={decay}")
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([logits], lr=0.025, weight_decay=decay)
    peer = scalarization.FAMO(3, weight_decay=decay).double()
    for losses, _, after in drawn(40):
        weights = weighting(losses)
        found = [weights[task] for task in TASKS]
        parts = logits.softmax(0) / tensor(losses)
        assert found == pytest.approx((parts / parts.sum()).tolist(), rel=1e-6)
        assert found == pytest.approx(of_scalarizer(peer, losses), rel=1e-9)
        weighting.after(lambda after=after: after)
        adam.zero_grad()
        (logits.softmax(0) @ (tensor(losses) / tensor(after)).log()).backward()
        adam.step()
        peer.update(tensor(after))
    assert logits.abs().max() > 0.03  # it did something


def test_famo_counts_a_task_more_that_did_not_improve() -> None:
    weighting, losses = make("famo"), dict.fromkeys(TASKS, 2.0)
    for _ in range(20):
        weights = weighting(losses)
        weighting.after(lambda: {"pos": 1.0, "ner": 2.2, "dep": 1.0})
    assert weights["ner"] > 1 / 3 > weights["pos"] == pytest.approx(weights["dep"])


def test_famo_looks_back_on_an_update_once() -> None:
    weighting = make("famo")
    weighting(dict.fromkeys(TASKS, 2.0))
    weighting.after(lambda: dict.fromkeys(TASKS, 1.0))
    with pytest.raises(RuntimeError, match=r"^no update to look back on: call the weighting"):
        weighting.after(lambda: dict.fromkeys(TASKS, 1.0))


def test_what_is_computed_on_request_is_checked_as_well() -> None:
    losses = dict.fromkeys(TASKS, 2.0)
    with pytest.raises(ValueError, match=r"^gradient norm of ner is nan: expected a finite numb"):
        told(make("gradnorm"), losses, {**losses, "ner": math.nan})
    with pytest.raises(ValueError, match=r"^gradient norm of pos: expected that of dep, ner, pos"):
        make("gradnorm").measure({"pos": 1.0})
    famo = make("famo")
    famo(losses)
    with pytest.raises(ValueError, match=r"^loss of ner is inf: expected a finite number"):
        famo.after(lambda: {**losses, "ner": math.inf})
