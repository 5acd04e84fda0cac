"""The decision chart: all questions and answers are in the picture, in colour, and in the words."""

from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from mtlkit.charts import decision_chart
from mtlkit.figures import FAMILIES, canvas, save
from mtlkit.policies import Gain, Leaf, Question, Rule, Split


def leaf(family: str, joint: float, combined: float, *targets: str) -> Leaf:
    gains = (
        Gain("single", 0.0, 0.0, 0.0),
        Gain("joint", joint, joint - 2.1, joint + 2.1),
        Gain("combined", combined, combined - 1.3, combined + 1.3),
    )
    return Leaf(family, 6, targets or ("dep", "ner", "pos"), 10, gains)


JOINT = leaf("joint", 6.3, 2.0)
SINGLE = leaf("single", -1.2, -3.3, "cr")
COMBINED = leaf("combined", 2.1, 15.6)
LABELS, RATIO = Question("labels", 550), Question("ratio", 0.18)
TASKS, RELATED = Question("tasks", 2), Question("relatedness", 0.45)

RULES = {
    "no question": Rule(JOINT),
    "nothing": Rule(SINGLE),
    "one question": Rule(Split(LABELS, JOINT, COMBINED)),
    "both sides": Rule(
        Split(LABELS, Split(RELATED, SINGLE, JOINT), Split(TASKS, SINGLE, COMBINED))
    ),
    "the left side": Rule(Split(RELATED, Split(RATIO, SINGLE, COMBINED), JOINT)),
    "the right side": Rule(Split(RATIO, JOINT, Split(TASKS, SINGLE, COMBINED))),
}


def written(axes: Axes) -> str:
    """All text of the chart, as one line."""
    text = " ".join(text.get_text() for text in axes.texts)
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("name", RULES)
def test_everything_is_there_and_inside(name: str, tmp_path: Path) -> None:
    rule = RULES[name]
    axes = decision_chart(rule, title="Which route first?")
    text, alt = written(axes), str(axes.get_label())
    assert alt.startswith("Decision chart “Which route first?”: ")
    questions = [LABELS, RATIO, TASKS, RELATED]
    asked = [question for question in questions if str(question) in alt]
    assert len(asked) == len(rule.leaves) - 1
    assert all(str(question) in text for question in asked)
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    faces = [to_hex(box.get_facecolor()).upper() for box in boxes]
    for family in ("single", "joint", "combined"):
        times = sum(leaf.family == family for leaf in rule.leaves)
        assert faces.count(FAMILIES[family]) == times, family
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 2 * len(asked)
    save(axes, "chart", folder=tmp_path)

    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    frame = axes.get_window_extent().padded(1)
    for artist in (*axes.texts, *axes.patches):
        box = artist.get_window_extent()
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1, artist
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1, artist


@pytest.mark.parametrize("name", RULES)
def test_text_stays_in_its_box_and_touches_no_other(name: str) -> None:
    axes = decision_chart(RULES[name])
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    texts = [text.get_window_extent() for text in axes.texts]
    for i, text in enumerate(texts):
        assert not any(text.overlaps(other) for other in texts[:i]), axes.texts[i]
    boxes = [p.get_window_extent() for p in axes.patches if isinstance(p, FancyBboxPatch)]
    for text in texts:
        for box in boxes:
            if box.contains((text.x0 + text.x1) / 2, (text.y0 + text.y1) / 2):
                assert box.x0 < text.x0 and text.x1 < box.x1


def test_what_is_said() -> None:
    axes = decision_chart(RULES["one question"])
    assert axes.get_label() == (
        "Decision chart: Fewer than 550 labelled sentences of your target? If yes: joint (support "
        "+ target), errors avoided +6.3 % [+4.2, +8.4] in 6 cells of 3 targets. If no: combined "
        "(support > target), errors avoided +15.6 % [+14.3, +16.9] in 6 cells of 3 targets."
    )
    shown = [text.get_text() for text in axes.texts]
    assert {"yes", "no", "support + target", "support > target", "joint", "combined"} <= set(shown)
    assert "95 % interval over 10 seeds" in written(axes)


def test_one_answer_for_all() -> None:
    axes = decision_chart(RULES["nothing"])
    assert axes.get_label() == (
        "Decision chart: No question helped: one answer for all: single (target), errors joint "
        "would avoid −1.2 % [−3.3, +0.9] in 6 cells of 1 target."
    )
    assert "No question helped: one answer for all" in written(axes)


def test_it_draws_on_axes_that_are_given() -> None:
    _, [axes] = canvas()
    assert decision_chart(RULES["both sides"], ax=axes) is axes
