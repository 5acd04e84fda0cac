"""The list of methods: all there are, with settings that a recipe takes."""

from mtlkit.methods import KINDS, listing
from mtlkit.recipes import Recipe
from mtlkit.study import plan


def test_every_method_is_listed_with_settings_that_a_recipe_takes() -> None:
    rows = listing()
    assert len(rows) == sum(map(len, KINDS.values()))
    for row in rows.itertuples():
        recipe = Recipe().replace(**{row.field: row.method})
        plan("scratch > pos+ner@world", recipe, 0)
        assert row.what and "`" not in row.what and len(row.what) < 100, row
    by_name = rows.set_index(["field", "method"]).what
    assert by_name["surgery", "cagrad:c=0.5"].endswith("(Liu et al. 2021, CAGrad)")


def test_the_default_recipe_names_methods_that_there_are() -> None:
    for kind, methods in KINDS.items():
        assert getattr(Recipe(), kind) in {*methods, "none"}
