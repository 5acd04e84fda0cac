"""Generated routes, recipes and runs: any tasks, any corpus that offers them, any subset."""

import math

from hypothesis import strategies as st

from mtlkit import routes
from mtlkit.recipes import Recipe, Run
from mtlkit.routes import KNOBS, TASKS, Route, Stage, Task


@st.composite
def some_tasks(draw: st.DrawFn, name: str) -> Task:
    corpus = draw(st.sampled_from([c for c in routes.registry() if routes.offers(c, name)]))
    subset = draw(st.sampled_from([None, *routes.registry()[corpus]["subsets"]]))
    fit = {knob for knob, (_, _, kinds) in KNOBS.items() if {name, TASKS[name]} & {*kinds}}
    knobs = draw(st.lists(st.sampled_from(sorted(fit)), unique=True) if fit else st.just([]))
    values = [(knob, draw(st.floats(*KNOBS[knob][:2]))) for knob in knobs]
    return Task(name, draw(st.none() | st.integers(1, 10**6)), corpus, subset, tuple(values))


OFFERED = [name for name in TASKS if any(routes.offers(c, name) for c in routes.registry())]

some_stages = (
    st.lists(st.sampled_from(OFFERED), min_size=1, max_size=5, unique=True)
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
    surgery=st.sampled_from(["none", "cagrad:c=0.4"]),
    space=st.sampled_from(["representations", "parameters"]),
    lookahead=st.integers(0, 10**9),
    mixing=st.sampled_from(["alternating", "joint"]),
    sampling=st.sampled_from(["temperature", "annealed:end=0.1"]),
    spelling=st.sampled_from(["shape", "none"]),
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
