"""What a profile chooses, and what it leaves to the lessons."""

import pytest

from mtlkit.profiles import PROFILES, Profile
from mtlkit.routes import TASKS, Route


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
class TestProfile:
    def test_its_corpora_offer_what_is_asked_of_them(self, profile: Profile) -> None:
        assert PROFILES[profile.name] is profile
        for target in profile.targets:
            names = "+".join(f"{name}:{profile.support}" for name in target.support)
            stage = f"{names}@{target.support_corpus} > {target.task}@{target.corpus}"
            route = Route.parse(f"{profile.pretrained} > {stage}")
            assert route.stages[-1].tasks[0].name == target.task not in target.support
            support = {task.name for task in route.stages[-2].tasks}
            assert support == set(target.support) <= set(TASKS)
        own = Route.parse(profile.own)
        assert own.start == "scratch" and [t.name for t in own.stages[0].tasks] == ["mlm"]
        assert profile.recipe.replace(**profile.reading)

    def test_its_grids_are_in_order(self, profile: Profile) -> None:
        for grid in (profile.budgets, profile.rates, profile.seeds):
            assert list(grid) == sorted(set(grid))
        # A target has few labels, or there would be nothing for its support to help with.
        assert 0 < profile.budgets[0] < profile.support
        assert profile.recipe.target is None, "the target is chosen run by run"


def test_only_the_full_profile_needs_files_from_elsewhere() -> None:
    for name in ("smoke", "quick"):
        profile = PROFILES[name]
        corpora = {t.corpus for t in profile.targets} | {t.support_corpus for t in profile.targets}
        own = Route.parse(profile.own).stages[0].tasks[0]
        assert corpora | {own.corpus} == {"world"}
        assert profile.pretrained.startswith("scratch > mlm")
    # A claim with an interval needs five seeds; smoke only shows that every cell runs.
    assert all(len(PROFILES[name].seeds) >= 5 for name in ("quick", "full"))
