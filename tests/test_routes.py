"""Routes: the language read and written, its errors shown."""

import doctest
import pickle
import re
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import some_routes

from mtlkit import DATA, routes
from mtlkit.routes import TASKS, Route, RouteError, Stage, Task


@given(some_routes)
def test_a_route_is_read_back_exactly(route: Route) -> None:
    text = str(route)
    assert Route.parse(text) == route
    assert str(Route.parse(text)) == text


@given(some_routes)
def test_spaces_do_not_matter(route: Route) -> None:
    start, *rest = str(route).split(" > ")
    loose = "\n\t".join(
        ["", start, *(">" + re.sub(r"([:+@/,=]|\[|\])", r" \1 ", s) for s in rest), ""]
    )
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
            + task.text(place=False).removeprefix(Task(task.name, task.labels).text(place=False))
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


@given(st.text() | st.text("minlposer>+:@/ 05_gum\n[],=.", max_size=40))
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
        "scratch > aux:2000[relatedness=0.3] > ner:100@world",
        "scratch > aux:2000[relatedness=0.3]+ner:100@world",
        "minilm > pos:500[noise=0.1,overlap=0.5]+dep[shuffled]",
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
        ("scratch > aux@world[relatedness=0.30]", "scratch > aux[relatedness=0.3]"),
        (
            "mini > pos [ shift=.50 , noise = 1e-1 ] > cr[shuffled=1,imbalance=10]",
            "mini > pos[noise=0.1,shift=0.5] > cr[imbalance=10,shuffled]",
        ),
    ],
)
def test_the_canonical_text_is_short(text: str, canonical: str | None) -> None:
    if canonical is None:
        with pytest.raises(RouteError):
            Route.parse(text)
    else:
        assert str(Route.parse(text)) == canonical


def test_defaults_fit_the_registry() -> None:
    assert [task for task in TASKS if routes.placeless(task)] == ["label"]
    assert {task: routes.default_corpus(task) for task in TASKS if task != "label"} == {
        "pos": "gum", "xpos": "gum", "ner": "gum", "dep": "gum", "stype": "gum",
        "depth": "gum",
        "aux": "world", "sst2": "sst2", "cr": "cr", "subj": "subj", "trec": "trec",
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
         "expected ':', '@', '[', '+', '>' or the end, found 'n'"),
        ("minilm > pos:5:6\n              ^",
         "expected '@', '[', '+', '>' or the end, found ':'"),
        ("minilm > pos@gum:5\n                ^",
         "expected '/', '[', '+', '>' or the end, found ':'"),
        ("minilm > pos@gum/news/x\n                     ^",
         "expected '[', '+', '>' or the end, found '/'"),
        ("minilm > pos[noise=.1]@gum\n                      ^",
         "expected '+', '>' or the end, found '@'"),
        ("minilm > pos[noise=.1 > ner\n                      ^", "expected ']'"),
        ("minilm > pos[]\n             ^", "expected a knob"),
        ("minilm > pos[noise=.1, nois=3]\n                       ^",
         "unknown knob 'nois': did you mean 'noise'?"),
        ("minilm > pos[noise=2]\n             ^",
         "knob 'noise' takes a number from 0 to 1, found 2.0"),
        ("minilm > pos[noise=nan]\n             ^",
         "knob 'noise' takes a number from 0 to 1, found nan"),
        ("minilm > pos[noise]\n             ^",
         "knob 'noise' takes a number from 0 to 1, found None"),
        ("minilm > pos[noise=much]\n             ^",
         "knob 'noise' takes a number from 0 to 1, found 'much'"),
        ("minilm > pos[shuffled=2]\n             ^",
         "knob 'shuffled' takes no number, found 2.0"),
        ("minilm > pos[noise=0,noise=1]\n                     ^",
         "knob 'noise' occurs twice: expected once"),
        ("minilm > pos[relatedness=1]\n             ^",
         "pos has no knob 'relatedness': it is for aux"),
        ("minilm > mlm[noise=1]\n             ^", "mlm has no knob 'noise': it is for pos, xpos, "
         "ner, depth, aux, dep, stype, sst2, cr, subj, trec, sentiment, label"),
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


# ---- the module


def test_the_examples_in_docstrings_run() -> None:
    result = doctest.testmod(routes)
    assert result.failed == 0 and result.attempted > 0


def test_the_registry_is_the_file() -> None:
    assert routes.registry() == routes.registry(DATA / "corpora.toml")
