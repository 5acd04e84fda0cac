"""The figure of the benchmark says what the table says."""

from itertools import product

import pandas as pd
import pytest

from mtlkit import costs, figures
from mtlkit.figures import FigureError


def row(what: str, setting: str, rate: float, sentences: int = 100, share: float = 50.0) -> dict:
    subwords = 20 * sentences
    return {
        "what": what, "setting": setting, "threads": 2, "sentences": sentences,
        "subwords": subwords, "seconds": subwords / rate, "rate": rate, "share": share, "mib": 900,
    }  # fmt: skip


FRAME = pd.DataFrame(
    [
        row("training", "joint, all sentences", 2000, share=41.0),
        row("training", "joint, side by side", 1100, share=23.0),
        row("training", "joint, side by side", 1300, share=27.0),
        row("tasks", "pos", 2500),
        row("tasks", "pos+ner", 2400),
        row("tasks", "pos+ner+dep", 2000),
        *(row("size", f"{n}", rate, n) for n, rate in ((100, 2000), (200, 1900), (400, 2000))),
        *(row("length", f"{a}-{b}", 2000 - 10 * a) for a, b in ((1, 10), (11, 20), (21, 200))),
        row("annotating", "fp32", 6000),
        row("annotating", "int8", 12000),
        row("peers", "mtlkit", 2600),
        row("peers", "Trainer, its defaults", 400),
        row("peers", "Trainer, at its best", 1300),
    ]
)


def test_ratios_are_those_of_the_table() -> None:
    assert costs.ratios(FRAME) == {
        "share": 41.0,
        "side_by_side": pytest.approx(1.2),
        "third_task": pytest.approx(1.2),
        "doubling": pytest.approx(2 * 2000 / 1900),
        "annotating": pytest.approx(6.0),
        "trainer_default": pytest.approx(6.5),
        "trainer_best": pytest.approx(2.0),
    }


def test_without_peers_and_with_one_core_the_rest_is_there() -> None:
    some = FRAME[(FRAME.what != "peers") & ~FRAME.setting.str.contains("side")]
    assert set(costs.ratios(some)) == {"share", "third_task", "doubling", "annotating"}
    assert len(costs.engine(some).axes) == 4


def test_the_figure_says_its_numbers() -> None:
    said = figures.describe(costs.engine(FRAME))
    for name, number in (
        ("joint, all sentences", "2,000  41 %"),
        ("joint, side by side", "2,400  25 %"),
        ("annotating, int8", "12,000  50 %"),
        ("tags alone: Trainer, its defaults", "400  50 %"),
    ):
        assert f"{name} {number}" in said
    assert "5.5: 50; 15.5: 53; 21: 56" in said, "milliseconds follow the rates"
    assert "100: 1.0; 200: 2.1; 400: 4.0" in said


def test_a_table_that_lacks_something_is_refused() -> None:
    for what, column in product(("size",), ("rate",)):
        with pytest.raises(FigureError):
            costs.engine(FRAME[FRAME.what != what])
        with pytest.raises(FigureError):
            costs.engine(FRAME.drop(columns=column))


def test_convergence_is_of_trees_and_stands_at_the_mean_minute() -> None:
    rows = [
        {"trial": t, "seed": seed, "update": n, "seconds": 60 * n * (1 + seed), "metric": metric}
        | {"score": score / 100}
        for t, seed, n, metric, score in product(("a", "b"), (0, 1), (10, 20), ("las", "f1"), (70,))
    ]
    ax = costs.convergence(pd.DataFrame(rows))
    assert "a: 70 at 15, 70 at 30" in figures.describe(ax)
    with pytest.raises(FigureError, match="score"):
        costs.convergence(pd.DataFrame(rows).drop(columns="score"))
