"""Recipes and runs: fields with a source, settings read, ids that hold."""

import hashlib
import inspect
import json
import math
import re
from dataclasses import fields
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import some_recipes, some_runs

from mtlkit.recipes import Recipe, Run, made
from mtlkit.routes import TASKS, Route, RouteError

# ---- recipes


def test_every_field_has_a_range_around_its_default_and_a_source() -> None:
    entries = re.split(r"\n    - ", inspect.getdoc(Recipe).replace("\n- ", "\n    - "))[1:]  # type: ignore[union-attr]
    documented = [name for entry in entries for name in entry.split(": ")[0].split(", ")]
    assert documented == [field.name for field in fields(Recipe)]
    for entry in entries:
        assert re.search(r"(19|20)\d\d|\bours\b", entry), f"no source: {entry}"
    for field in fields(Recipe):
        assert len(get_args(field.type)) in (2, 3)


def test_the_defaults_are_the_contract_s() -> None:
    assert vars(Recipe()) == {
        "epochs": 5.0, "min_updates": 200, "batch_tokens": 512, "evaluations": 3,
        "dev_sentences": 0, "encoder_lr": 6e-4, "head_lr": 3e-3, "layer_decay": 0.8, "warmup": 0.1,
        "weight_decay": 0.01, "clip": 1.0, "dropout": 0.0, "head_dropout": 0.1,
        "sharing": "hard", "weighting": "uniform", "temperature": 1.0, "tuning": "full",
        "mlm_updates": 2000, "mlm_tokens": 4096, "mlm_lr": 1e-3, "mlm_rate": 0.15,
        "mlm_seed": 0, "layers": 4, "width": 256, "vocabulary": 8000, "target": None,
        "averaging": 0.0, "decoding": "strict", "spelling": "shape", "precision": "auto",
        "surgery": "none", "space": "representations", "lookahead": 0, "mixing": "alternating",
        "sampling": "temperature", "anchor": 0.0, "last_rate": 1.0, "mlm_masks": "words",
        "mlm_length": 128, "heads": "all",
    }  # fmt: skip


@given(some_recipes)
def test_a_recipe_is_read_back_from_settings(recipe: Recipe) -> None:
    settings = [
        f"{name}={'none' if value is None else value}" for name, value in vars(recipe).items()
    ]
    assert Recipe.parse(settings) == recipe
    assert Recipe.parse(settings[::-1]) == recipe


def test_settings_become_typed() -> None:
    recipe = Recipe.parse(["epochs = 3", "temperature=inf", "target=ner", "min_updates=5"])
    assert recipe == Recipe(epochs=3.0, temperature=math.inf, target="ner", min_updates=5)
    assert type(recipe.epochs) is float and type(recipe.min_updates) is int
    assert Recipe.parse(["target=none"]).target is None
    for name in ("surgery", "spelling"):
        assert vars(Recipe.parse([f"{name}=none"]))[name] == "none", "a name like others"
    assert Recipe.parse([]) == Recipe()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["epoch=3"], "unknown recipe field 'epoch': did you mean 'epochs'?"),
        (["hed_lr=3"], "unknown recipe field 'hed_lr': did you mean 'head_lr' or 'encoder_lr'?"),
        (["zzz=3"], "unknown recipe field 'zzz': expected one of epochs, min_updates, "),
        (["epochs"], "cannot use 'epochs': expected key=value, each key once"),
        (["epochs=1", "epochs=2"], "cannot use 'epochs=2': expected key=value, each key once"),
        (["epochs=many"], "epochs is 'many': expected a number from 0 to 1e+06"),
        (["epochs=inf"], "epochs is inf: expected a number from 0 to 1e+06"),
        (["epochs=nan"], "epochs is nan: expected a number from 0 to 1e+06"),
        (["epochs=none"], "epochs is 'none': expected a number from 0 to 1e+06"),
        (["min_updates=1.5"], "min_updates is '1.5': expected a whole number from 0 to 1e+09"),
        (["encoder_lr=0"], "encoder_lr is 0.0: expected a number from 1e-09 to 1"),
        (["dropout=1"], "dropout is 1.0: expected a number from 0 to 0.99"),
        (["temperature=-1"], "temperature is -1.0: expected a number from 0.01 to inf"),
        (
            ["tuning=last:0"],
            "tuning is 'last:0': expected text of the form full|frozen|gradual|last:",
        ),
        (["tuning=last"], "tuning is 'last': expected text of the form full|frozen|gradual|last:"),
        (["space=trunk"], "space is 'trunk': expected text of the form representations|parameters"),
        (["mixing=mixed"], "mixing is 'mixed': expected text of the form alternating|joint"),
        (["surgery=PCGrad"], "surgery is 'PCGrad': expected text of the form [a-z]"),
        (["lookahead=-1"], "lookahead is -1: expected a whole number from 0 to 1e+09"),
        (["sharing=Hard one"], "sharing is 'Hard one': expected text of the form [a-z]"),
        (["target=por"], f"target is 'por': expected text of the form {'|'.join(TASKS)}"),
        (["precision=fp16"], "precision is 'fp16': expected text of the form auto|bf16|fp32"),
    ],
)
def test_a_setting_that_cannot_be_says_why(settings: list[str], message: str) -> None:
    with pytest.raises(RouteError, match="^" + re.escape(message)):
        Recipe.parse(settings)


def test_values_of_the_wrong_type_are_refused() -> None:
    for change in ({"min_updates": True}, {"dropout": False}, {"layers": 4.0}, {"tuning": None}):
        with pytest.raises(RouteError, match=f"^{next(iter(change))} is .*: expected "):
            Recipe().replace(**change)
    with pytest.raises(RouteError, match="unknown recipe field 'batch_token'"):
        Recipe().replace(batch_token=5)


# ---- runs

RUN = Run(
    Route.parse("minilm > pos+ner:500+dep > ner:500"),
    Recipe(  # what could be another default one day is given: the id must not move with it
        epochs=6.0,
        batch_tokens=1536,
        evaluations=6,
        encoder_lr=2e-4,
        head_lr=1e-3,
        head_dropout=0.33,
        temperature=math.inf,
        decoding="argmax",
        averaging=0.0,
        layer_decay=1.0,
        mlm_masks="subwords",
        mlm_length=0,
    ),
    seed=7,
    corpora=(("gum", "a" * 64), ("ewt", "b" * 64)),
)


LATER = {
    "averaging", "decoding", "layer_decay", "spelling",
    "sampling", "mixing", "surgery", "space", "lookahead", "anchor", "last_rate", "mlm_masks",
    "mlm_length", "heads",
}  # fmt: skip
"""Fields that recipes have not always had."""


def test_the_id_of_a_run_never_changes() -> None:
    # If this fails, every stored result loses its name: do not change the number lightly.
    assert RUN.id == "4707eb606b9c1e0a31aad77f2da92ed28a76ebfb6f4fe65d483cec9a5cb3f204"


def test_the_id_is_the_hash_of_the_canonical_json() -> None:
    recipe = ",".join(
        f'"{name}":{json.dumps("inf" if value == math.inf else value)}'
        for name, value in sorted(vars(RUN.recipe).items())
        if name not in LATER
    )
    text = (
        f'{{"corpora":{{"ewt":"{"b" * 64}","gum":"{"a" * 64}"}},"recipe":{{{recipe}}},'
        '"route":"minilm > pos+ner:500+dep > ner:500","seed":7}'
    )
    assert '"temperature":"inf"' in text and " " not in recipe
    assert RUN.id == hashlib.sha256(text.encode("utf-8")).hexdigest()


def test_what_recipes_had_not_always_is_as_it_was_where_it_is_not_said() -> None:
    """Results of before keep their names; and where it is said, the name says it."""
    data = RUN.to_json()
    assert not LATER & set(data["recipe"])
    assert Run.from_json(data).recipe == RUN.recipe
    other = Run(RUN.route, RUN.recipe.replace(decoding="strict"), RUN.seed, RUN.corpora)
    assert other.to_json()["recipe"]["decoding"] == "strict" and other.id != RUN.id
    assert Run.from_json(other.to_json()) == other


@given(some_runs)
def test_a_run_is_read_back_from_json(run: Run) -> None:
    data = json.loads(json.dumps(run.to_json(), allow_nan=False))
    assert Run.from_json(data) == run
    assert Run.from_json(data).id == run.id


@given(some_runs, st.randoms(use_true_random=False))
def test_the_id_does_not_depend_on_order(run: Run, random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        keys = random.sample(list(value), len(value))
        return {key: shuffled(value[key]) for key in keys}

    assert Run.from_json(shuffled(run.to_json())).id == run.id
    turned = Run(run.route, run.recipe, run.seed, run.corpora[::-1])
    assert turned == run and turned.id == run.id
    assert list(run.corpora) == sorted(run.corpora)


@given(some_runs, some_runs)
def test_ids_are_equal_exactly_where_runs_are(one: Run, other: Run) -> None:
    assert (one.id == other.id) == (one == other)


def test_ids_differ_when_anything_differs() -> None:
    changes: dict[str, Any] = {
        "sharing": "soft", "weighting": "other", "tuning": "frozen", "target": "ner",
        "precision": "fp32", "temperature": 1.0, "dropout": 0.5, "averaging": 0.5,
        "decoding": "strict", "spelling": "none", "surgery": "pcgrad", "space": "parameters",
        "mixing": "joint", "sampling": "dynamic", "mlm_masks": "words", "anchor": 0.5,
        "heads": "none",
    }  # fmt: skip
    for name, value in vars(RUN.recipe).items():
        if name not in changes:
            changes[name] = value + 1 if isinstance(value, int) else value / 2
    recipes = [RUN.recipe.replace(**{name: value}) for name, value in changes.items()]
    runs = [
        RUN,
        *(Run(RUN.route, recipe, RUN.seed, RUN.corpora) for recipe in recipes),
        Run(RUN.route.prefix(1), RUN.recipe, RUN.seed, RUN.corpora),
        Run(Route("mini", RUN.route.stages), RUN.recipe, RUN.seed, RUN.corpora),
        Run(RUN.route, RUN.recipe, 8, RUN.corpora),
        Run(RUN.route, RUN.recipe, RUN.seed, RUN.corpora[:1]),
        Run(RUN.route, RUN.recipe, RUN.seed, (("ewt", "b" * 64), ("gum", "c" * 64))),
    ]
    assert len({run.id for run in runs}) == len(runs) == len(fields(Recipe)) + 6


def test_equal_recipes_have_equal_ids() -> None:
    one = RUN.recipe.replace(epochs=6, dropout=-0.0, clip=np.float64(2.0))
    other = RUN.recipe.replace(epochs=6.0, dropout=0.0, clip=2)
    ids = {Run(RUN.route, recipe, 7, RUN.corpora).id for recipe in (one, other)}
    assert one == other and len(ids) == 1
    assert json.dumps(RUN.to_json())  # plain values only


def test_runs_that_cannot_be_say_why() -> None:
    for seed in (-1, 1.0, True, "1"):
        with pytest.raises(RouteError, match=r"seed is .*: expected a whole number, 0 or more"):
            Run(RUN.route, RUN.recipe, seed, ())  # type: ignore[arg-type]
    with pytest.raises(RouteError, match=r"corpora name a corpus twice: .*gum"):
        Run(RUN.route, RUN.recipe, 1, (("gum", "a"), ("gum", "b")))
    data = RUN.to_json()
    for broken, message in [
        ({**data, "note": 1}, "run of another version of mtlkit: missing or new is note"),
        ({"seed": 1}, "run of another version of mtlkit: missing or new is corpora, recipe, route"),
        (
            {**data, "recipe": {**data["recipe"], "surprise": 1}},
            "recipe of another version of mtlkit: missing or new is surprise",
        ),
        ({**data, "recipe": {}}, "recipe of another version of mtlkit: missing or new is batch_t"),
        ({**data, "route": "mini > por"}, "unknown task 'por'"),
    ]:
        with pytest.raises(RouteError, match="^" + message):
            Run.from_json(broken)


def test_two_updates_budgets_of_zero_are_no_training() -> None:
    with pytest.raises(RouteError, match="epochs and min_updates are both 0"):
        Recipe(epochs=0, min_updates=0)


# ---- methods by name


def _pull(tasks: list[str], *, c: float = 0.5, beta: float = 1.0) -> tuple[list[str], float, float]:
    if c < 0:
        raise ValueError(f"c is {c:g}: expected 0 or more")
    return tasks, c, beta


def _free(tasks: list[str], **settings: float) -> dict[str, float]:
    return settings


_METHODS: dict[str, Any] = {"pull": _pull, "free": _free}


def test_a_method_is_made_from_its_name_and_settings() -> None:
    assert made("weighting", "pull", _METHODS, tasks=["a"]) == (["a"], 0.5, 1.0)
    assert made("weighting", "pull:beta=2,c=1e-3", _METHODS, tasks=["a"]) == (["a"], 1e-3, 2.0)
    assert made("weighting", "free:pos=2,ner=1", _METHODS, tasks=[]) == {"pos": 2.0, "ner": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pul", "unknown weighting 'pul': did you mean 'pull'?"),
        ("pull:d=1", "unknown setting of pull 'd': expected one of c, beta"),
        ("pull:tasks=1", "unknown setting of pull 'tasks': expected one of c, beta"),
        ("pull:c", "weighting 'pull:c' has 'c': expected settings as in pull:key=1,other=0.5"),
        ("pull:c=x", "weighting 'pull:c=x' has 'c=x': expected settings as in pull:key=1"),
        ("pull:c=-1", "weighting 'pull:c=-1': c is -1: expected 0 or more"),
    ],
)
def test_a_method_that_cannot_be_says_why(text: str, message: str) -> None:
    with pytest.raises(RouteError, match=f"^{re.escape(message)}"):
        made("weighting", text, _METHODS, tasks=[])
