"""The cases: what their arms share, and what is said of a treatment.  Nothing is trained."""

import pytest

from mtlkit import clinic
from mtlkit.recipes import Recipe
from mtlkit.routes import Route
from mtlkit.statistics import Comparison

CASES = range(1, 9)


@pytest.mark.parametrize("size", clinic.SIZES.values(), ids=clinic.SIZES)
@pytest.mark.parametrize("case", CASES)
def test_every_arm_is_a_route_and_a_recipe(case: int, size: dict[str, int]) -> None:
    found = clinic.arms(case, size)
    for arm in found.values():
        assert Route.parse(arm.route).start == "scratch"
        Recipe().replace(**arm.changes)
    assert len({(arm.route, str(arm.changes)) for arm in found.values()}) == len(found)


def test_a_case_that_there_is_not_is_refused() -> None:
    with pytest.raises(clinic.ClinicError, match="case 9: expected one of 1, 2, 3, 4, 5, 6, 7, 8"):
        clinic.arms(9, clinic.SIZES["smoke"])


def test_factor_one_is_the_recipe_itself() -> None:
    quick = clinic.arms(5, clinic.SIZES["quick"])
    assert quick["single, rate x 1"] == clinic.arms(8, clinic.SIZES["quick"])["single"]
    assert clinic.rates(10)["head_lr"] == pytest.approx(10 * clinic.rates(1)["head_lr"])


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(1, 3, "treatment works here"), (-3, -1, "does harm here"), (-1, 1, "does not show")],
)
def test_a_treatment_is_said_to_work_only_if_its_interval_says_so(
    low: float, high: float, said: str
) -> None:
    text = clinic.treated(Comparison((low + high) / 2, low, high, 0.06, 5), "cured", "sick")
    assert said in text
    levels = clinic.treated(Comparison(0, -1, 1, 1, 5), "cured", "sick", levels=(4.56, 23.7))
    assert levels.startswith("Before 4.6, after 23.7 (points). cured against sick is **undecided**")


def test_pairs_are_compared_place_by_place() -> None:
    found = clinic.paired([3, 4, 5], [1, 2, 3.5])
    assert found.mean == pytest.approx(11 / 6) and found.n == 3
