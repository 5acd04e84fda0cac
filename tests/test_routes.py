"""Routes, recipes and runs: the language read and written, its errors shown, ids that hold."""

import doctest
import hashlib
import inspect
import json
import math
import pickle
import re
from dataclasses import FrozenInstanceError, fields
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlkit import DATA, routes
from mtlkit.routes import TASKS, Recipe, Route, RouteError, Run, Stage, Task

# ---- generated routes: any tasks, any corpus that offers them, any subset


@st.composite
def some_tasks(draw: st.DrawFn, name: str) -> Task:
    corpus = draw(st.sampled_from([c for c in routes.registry() if routes.offers(c, name)]))
    subset = draw(st.sampled_from([None, *routes.registry()[corpus]["subsets"]]))
    return Task(name, draw(st.none() | st.integers(1, 10**6)), corpus, subset)


some_stages = (
    st.lists(st.sampled_from(list(TASKS)), min_size=1, max_size=5, unique=True)
    .flatmap(lambda names: st.tuples(*map(some_tasks, names)))
    .map(Stage)
)
some_starts = st.sampled_from(routes.STARTS) | st.from_regex(routes._START, fullmatch=True)
some_routes = st.builds(Route, some_starts, st.lists(some_stages, max_size=4).map(tuple))
some_recipes = st.builds(
    Recipe,
    epochs=st.floats(0, 1e6),
    min_updates=st.integers(1, 10**9),
    encoder_lr=st.floats(1e-9, 1),
    clip=st.floats(1e-9) | st.just(math.inf),
    temperature=st.floats(0.01) | st.just(math.inf),
    tuning=st.sampled_from(["full", "frozen", "last:2"]),
    sharing=st.sampled_from(["hard", "soft:0.1", "inf"]),
    target=st.none() | st.sampled_from(list(TASKS)),
)
some_corpora = st.dictionaries(
    st.sampled_from(list(routes.registry())), st.from_regex("[0-9a-f]{64}", fullmatch=True)
)
some_runs = st.builds(
    Run,
    some_routes,
    some_recipes,
    st.integers(0, 2**63),
    some_corpora.map(lambda corpora: tuple(corpora.items())),
)


@given(some_routes)
def test_a_route_is_read_back_exactly(route: Route) -> None:
    text = str(route)
    assert Route.parse(text) == route
    assert str(Route.parse(text)) == text


@given(some_routes)
def test_spaces_do_not_matter(route: Route) -> None:
    start, *rest = str(route).split(" > ")
    loose = "\n\t".join(["", start, *(">" + re.sub(r"([:+@/])", r" \1 ", s) for s in rest), ""])
    tight = ">".join([start, *rest])
    assert Route.parse(loose) == Route.parse(tight) == route


@given(some_routes)
def test_a_route_written_in_full_means_the_same(route: Route) -> None:
    full = route.start
    for stage in route.stages:
        full += " > " + " + ".join(
            task.name
            + (f":{task.labels}" if task.labels else "")
            + f"@{task.corpus}"
            + (f"/{task.subset}" if task.subset else "")
            for task in stage.tasks
        )
    assert Route.parse(full) == route
    assert len(str(route)) <= len(full)


@given(some_routes)
def test_no_place_is_written_that_the_reader_infers(route: Route) -> None:
    # Taking any one place away must change the meaning; else it was not needed.
    text = str(route)
    for place in re.finditer(r"@[a-z0-9]+(/[a-z]+)?", text):
        assert Route.parse(text[: place.start()] + text[place.end() :]) != route


@given(some_routes, st.data())
def test_a_prefix_has_the_first_stages(route: Route, data: st.DataObject) -> None:
    n = data.draw(st.integers(0, len(route.stages)))
    prefix = route.prefix(n)
    assert str(route).startswith(str(prefix))
    assert (prefix.start, prefix.stages) == (route.start, route.stages[:n])


@given(st.text() | st.text("minlposer>+:@/ 05_gum\n", max_size=40))
def test_any_text_is_a_route_or_a_route_error(text: str) -> None:
    try:
        route = Route.parse(text)
    except RouteError as error:
        message, shown, caret = str(error).split("\n")
        assert message and shown == "    " + re.sub(r"\s", " ", text)
        assert re.fullmatch(r" {4,}\^", caret) and len(caret) <= len(shown) + 1
    else:
        assert Route.parse(str(route)) == route


# ---- what routes mean


def places(text: str) -> list[tuple[str, str, str | None]]:
    tasks = [task for stage in Route.parse(text).stages for task in stage.tasks]
    return [(task.name, task.corpus, task.subset) for task in tasks]


def test_the_design_s_examples_are_canonical() -> None:
    for text in [
        "scratch > ner",
        "scratch > mlm > ner",
        "minilm > ner:500",
        "minilm > pos+ner:500+dep",
        "minilm > pos+dep > ner:500",
        "minilm > pos+ner:500+dep > ner:500",
        "minilm > sst2 > cr:100",
        "minilm > pos@gum/news > pos:200@gum/vlog",
        "minilm",
        "./my-model_1.0 > pos",
        "~/models/a > pos",
        "/models/a > pos",
        "google/bert_uncased_L-4_H-256_A-4 > stype+trec+subj",
    ]:
        assert str(Route.parse(text)) == text


def test_a_route_is_its_parts() -> None:
    assert Route.parse("minilm > pos+ner:500@gum/news > mlm") == Route(
        "minilm",
        (
            Stage((Task("pos", None, "gum", "news"), Task("ner", 500, "gum", "news"))),
            Stage((Task("mlm", None, "text"),)),
        ),
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("scratch > pos+ner+dep@world", [("pos", "world"), ("ner", "world"), ("dep", "world")]),
        ("scratch > pos+ner@world+dep", [("pos", "world"), ("ner", "world"), ("dep", "gum")]),
        # ewt has no names, so ner passes over it
        ("scratch > ner+pos@ewt+dep@world", [("ner", "world"), ("pos", "ewt"), ("dep", "world")]),
        ("scratch > ner+pos@ewt", [("ner", "gum"), ("pos", "ewt")]),
        ("scratch > mlm+sst2", [("mlm", "text"), ("sst2", "sst2")]),  # sst2 names no corpus
        ("scratch > mlm+sst2@sst2", [("mlm", "sst2"), ("sst2", "sst2")]),
        ("scratch > pos@world > dep", [("pos", "world"), ("dep", "gum")]),  # a stage for itself
        ("scratch > pos > sentiment+dep@world", [("pos", "gum"), ("sentiment", "world"),
                                                 ("dep", "world")]),
    ],
)  # fmt: skip
def test_a_task_without_a_place_takes_the_nearest_to_its_right(
    text: str, meant: list[tuple[str, str]]
) -> None:
    assert [(name, corpus) for name, corpus, _ in places(text)] == meant


def test_a_subset_comes_with_its_corpus() -> None:
    assert places("mini > pos+dep@gum/vlog") == [("pos", "gum", "vlog"), ("dep", "gum", "vlog")]
    assert places("mini > pos@gum+dep@gum/vlog") == [("pos", "gum", None), ("dep", "gum", "vlog")]
    assert str(Route.parse("mini > pos@gum+dep@gum/vlog")) == "mini > pos@gum+dep@gum/vlog"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("scratch>ner@gum", "scratch > ner"),
        ("scratch > pos@world+dep@world", "scratch > pos+dep@world"),
        ("scratch > pos:0500", "scratch > pos:500"),
        ("scratch > mlm+sst2@sst2", "scratch > mlm@sst2+sst2"),
        ("  scratch\n > mlm @ gum / news : ", None),
        (" scratch\n > mlm : 9 @ gum / news ", "scratch > mlm:9@gum/news"),
    ],
)
def test_the_canonical_text_is_short(text: str, canonical: str | None) -> None:
    if canonical is None:
        with pytest.raises(RouteError):
            Route.parse(text)
    else:
        assert str(Route.parse(text)) == canonical


def test_defaults_fit_the_registry() -> None:
    assert {task: routes.default_corpus(task) for task in TASKS} == {
        "pos": "gum", "xpos": "gum", "ner": "gum", "dep": "gum", "stype": "gum",
        "sst2": "sst2", "cr": "cr", "subj": "subj", "trec": "trec",
        "sentiment": "world", "mlm": "text",
    }  # fmt: skip
    assert set(TASKS.values()) == {"tags", "tree", "class", "mlm"}
    assert all(routes.offers(corpus, "mlm") for corpus in routes.registry())
    assert routes.offers("ewt", "dep") and not routes.offers("ewt", "ner")


def test_routes_are_frozen_and_hashable() -> None:
    route = Route.parse("scratch > pos")
    assert {route: 1}[Route.parse("scratch>pos@gum")] == 1
    with pytest.raises(FrozenInstanceError):
        route.start = "mini"  # type: ignore[misc]


# ---- errors

TASK_NAMES = ", ".join(TASKS)
CORPORA = ", ".join(routes.registry())


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("minilm > por+ner\n         ^", "unknown task 'por': did you mean 'pos'?"),
        ("minilm > chunk\n         ^", f"unknown task 'chunk': expected one of {TASK_NAMES}"),
        ("minilm > NER\n         ^", "unknown task 'NER': did you mean 'ner'?"),
        ("minilm > pos + \n               ^", "expected a task"),
        ("minilm >\n        ^", "expected a task"),
        ("minilm > > pos\n         ^", "expected a task"),
        ("minilm > :5\n         ^", "expected a task"),
        ("minilm > pos:\n             ^", "expected a number of sentences"),
        ("minilm > pos@\n             ^", "expected a corpus"),
        ("minilm > pos@gum/+ner\n                 ^", "expected a subset"),
        ("minilm > pos:many\n             ^",
         "pos has labels 'many': expected a number of sentences, 1 or more"),
        ("minilm > pos:0\n             ^",
         "pos has labels 0: expected a number of sentences, 1 or more"),
        ("minilm > pos:-5\n             ^",
         "pos has labels '-5': expected a number of sentences, 1 or more"),
        ("minilm > pos@gun\n             ^", "unknown corpus 'gun': did you mean 'gum'?"),
        ("minilm > pos@ontonotes\n             ^",
         f"unknown corpus 'ontonotes': expected one of {CORPORA}"),
        ("minilm > dep+ner@ewt\n                 ^",
         "'ewt' has no labels for ner: expected one of world, gum"),
        ("minilm > ner@gum/new\n                 ^",
         "unknown subset of gum 'new': did you mean 'news'?"),
        ("minilm > cr@cr/films\n               ^", "unknown subset of cr 'films': it has none"),
        ("minilm > pos+ner+pos:5\n                 ^",
         "task 'pos' occurs twice in a stage: expected once"),
        ("minilm > pos ner\n             ^",
         "expected ':', '@', '+', '>' or the end, found 'n'"),
        ("minilm > pos:5:6\n              ^", "expected '@', '+', '>' or the end, found ':'"),
        ("minilm > pos@gum:5\n                ^", "expected '/', '+', '>' or the end, found ':'"),
        ("minilm > pos@gum/news/x\n                     ^",
         "expected '+', '>' or the end, found '/'"),
        ("  minilm + pos\n        ^",
         "a start has only letters, digits and _.~/-, found ' ': expected '>' or the end"),
        ("minilm+pos\n      ^",
         "a start has only letters, digits and _.~/-, found '+': expected '>' or the end"),
        (" minlm > pos\n ^", "unknown start 'minlm': did you mean 'minilm' or 'mini'?; "
         "or else a hub id 'org/name' or a folder './name'"),
        ("my/own/model\n^", "unknown start 'my/own/model': expected one of scratch, mini, minilm; "
         "or else a hub id 'org/name' or a folder './name'"),
        ("\n^", "unknown start '': expected one of scratch, mini, minilm; "
         "or else a hub id 'org/name' or a folder './name'"),
    ],
)  # fmt: skip
def test_an_error_shows_the_place_and_what_was_expected(block: str, message: str) -> None:
    text, caret = block.split("\n")
    with pytest.raises(RouteError) as caught:
        Route.parse(text)
    assert str(caught.value) == f"{message}\n    {text}\n    {caret}"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Task("por"), "unknown task 'por': did you mean 'pos'?"),
        (lambda: Task("pos", True), "pos has labels True: expected a number of sentences"),
        (lambda: Task("pos", 1.5), "pos has labels 1.5: expected a number of sentences"),  # type: ignore[arg-type]
        (
            lambda: Task("stype", corpus="ewt"),
            "'ewt' has no labels for stype: expected one of world, gum",
        ),
        (lambda: Task("pos", subset="review"), "unknown subset of gum 'review'"),
        (lambda: Stage(()), "a stage without a task: expected one or more"),
        (lambda: Stage((Task("pos"), Task("pos", 5))), "task 'pos' occurs twice in a stage"),
        (lambda: Route("a b"), "a start has only letters, digits and _.~/-, found ' '"),
        (lambda: Route.parse("mini > pos").prefix(2), "'mini > pos' has 1 stages, so no prefix"),
        (lambda: Route.parse("mini > pos").prefix(-1), "'mini > pos' has 1 stages, so no prefix"),
    ],
)
def test_what_cannot_be_built_says_why(build: Any, message: str) -> None:
    with pytest.raises(RouteError, match="^" + re.escape(message)):
        build()


def test_a_registry_that_is_no_registry(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "corpora.toml"
    with pytest.raises(
        RouteError, match=f"^cannot read the registry of corpora, {path}: .*No such"
    ):
        routes.registry(path)
    path.write_text("[gum", encoding="utf-8")
    with pytest.raises(RouteError, match=f"^cannot read the registry of corpora, {path}: "):
        routes.registry(path)
    two = {name: {"tasks": ["pos"], "default_for": ["pos"], "subsets": []} for name in ("a", "b")}
    monkeypatch.setattr(routes, "registry", lambda: two)
    with pytest.raises(RouteError, match=r"pos needs one corpus with default_for, found \['a', 'b"):
        Task("pos")


def test_an_error_survives_another_process() -> None:
    with pytest.raises(RouteError) as caught:
        Route.parse("mini > por")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


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
        "epochs": 1.25, "min_updates": 200, "batch_tokens": 256, "evaluations": 3,
        "dev_sentences": 0, "encoder_lr": 3e-4, "head_lr": 3e-3, "warmup": 0.1,
        "weight_decay": 0.01, "clip": 1.0, "dropout": 0.0, "head_dropout": 0.1,
        "sharing": "hard", "weighting": "uniform", "temperature": 1.0, "tuning": "full",
        "mlm_updates": 2000, "mlm_tokens": 4096, "mlm_lr": 1e-3, "mlm_rate": 0.15,
        "mlm_seed": 0, "layers": 4, "width": 256, "vocabulary": 8000, "target": None,
        "precision": "auto",
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
    assert Recipe.parse([]) == Recipe()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["epoch=3"], "unknown recipe field 'epoch': did you mean 'epochs'?"),
        (["head=3"], "unknown recipe field 'head': did you mean 'head_lr'?"),
        (["zzz=3"], "unknown recipe field 'zzz': expected one of epochs, min_updates, "),
        (["epochs"], "cannot use 'epochs': expected key=value, each key once"),
        (["epochs=1", "epochs=2"], "cannot use 'epochs=2': expected key=value, each key once"),
        (["epochs=many"], "epochs is 'many': expected a number from 0 to 1e+06"),
        (["epochs=inf"], "epochs is inf: expected a number from 0 to 1e+06"),
        (["epochs=nan"], "epochs is nan: expected a number from 0 to 1e+06"),
        (["epochs=none"], "epochs is None: expected a number from 0 to 1e+06"),
        (["min_updates=1.5"], "min_updates is '1.5': expected a whole number from 0 to 1e+09"),
        (["encoder_lr=0"], "encoder_lr is 0.0: expected a number from 1e-09 to 1"),
        (["dropout=1"], "dropout is 1.0: expected a number from 0 to 0.99"),
        (["temperature=-1"], "temperature is -1.0: expected a number from 0.01 to inf"),
        (["tuning=last:0"], "tuning is 'last:0': expected text of the form full|frozen|last:"),
        (["tuning=last"], "tuning is 'last': expected text of the form full|frozen|last:"),
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
    ),
    seed=7,
    corpora=(("gum", "a" * 64), ("ewt", "b" * 64)),
)


def test_the_id_of_a_run_never_changes() -> None:
    # If this fails, every stored result loses its name: do not change the number lightly.
    assert RUN.id == "4707eb606b9c1e0a31aad77f2da92ed28a76ebfb6f4fe65d483cec9a5cb3f204"


def test_the_id_is_the_hash_of_the_canonical_json() -> None:
    recipe = ",".join(
        f'"{name}":{json.dumps("inf" if value == math.inf else value)}'
        for name, value in sorted(vars(RUN.recipe).items())
    )
    text = (
        f'{{"corpora":{{"ewt":"{"b" * 64}","gum":"{"a" * 64}"}},"recipe":{{{recipe}}},'
        '"route":"minilm > pos+ner:500+dep > ner:500","seed":7}'
    )
    assert '"temperature":"inf"' in text and " " not in recipe
    assert RUN.id == hashlib.sha256(text.encode("utf-8")).hexdigest()


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
        "precision": "fp32", "temperature": 1.0, "dropout": 0.5,
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


# ---- the module


def test_the_examples_in_docstrings_run() -> None:
    result = doctest.testmod(routes)
    assert result.failed == 0 and result.attempted > 0


def test_the_registry_is_the_file() -> None:
    assert routes.registry() == routes.registry(DATA / "corpora.toml")
