"""The page of the whole comparison: every claim once, marks by shape, nothing outside."""

import dataclasses
from collections import Counter

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from test_claims import CLAIM, several

from mtlkit import claims, figures, infographics
from mtlkit.claims import Claim, Finding, judge

CLAIMS = claims.read()[1]
VALUES = {  # a verdict -> cells that give it
    "supported": {("1", "a"): 30.0},
    "refuted": {("1", "a"): -30.0},
    "depends": {("1", "a"): 30.0, ("2", "a"): -30.0},
    "not": {},
}


def found() -> dict[str, dict[str, Finding]]:
    """Each verdict in turn."""
    words = list(VALUES)

    def finding(claim: Claim, word: str) -> Finding:
        return judge(dataclasses.replace(claim, id=CLAIM.id), several(VALUES[word]))

    return {
        id: {
            "world": finding(claim, words[number % 4]),
            "real": finding(claim, words[(number + 1) % 4]),
        }
        for number, (id, claim) in enumerate(CLAIMS.items())
    }


def test_every_claim_is_about_one_side() -> None:
    told = Counter(id for ids in infographics.ABOUT.values() for id in ids)
    assert told == Counter(list(CLAIMS))


def test_each_verdict_has_a_shape_of_its_own() -> None:
    ledger = found()
    verdicts = Counter(f.verdict.split()[0] for sides in ledger.values() for f in sides.values())
    assert set(verdicts) == set(infographics.SHAPES)
    looks = {
        word: (look["marker"], look["fillstyle"]) for word, look in infographics.SHAPES.items()
    }
    assert len(set(looks.values())) == len(looks)
    drawn = Counter(
        (line.get_marker(), line.get_fillstyle())
        for line in infographics.infographic(ledger).lines
        if line.get_marker() in ("o", "X")
    )
    in_key = 1
    assert drawn == {look: verdicts[word] + in_key for word, look in looks.items()}


def test_it_says_what_it_shows() -> None:
    ax = infographics.infographic(found(), advice="Ask first.", title="All")
    said = figures.describe(ax)
    assert said.startswith("Infographic of transfer and multi-task learning “All”: What happens: ")
    for claim in CLAIMS.values():
        assert f"{claim.claim} in the embedded world " in said
    assert said.endswith("Ask first.")
    depends = [f"{side}: {finding.verdict}" for sides in found().values()
               for side, finding in sides.items() if finding.verdict[:7] == "depends"]  # fmt: skip
    quiet = [text.get_text().replace("\n", " ") for text in ax.texts]
    assert len(depends) == 8 and all(word in quiet for word in depends)
    shown = " ".join(text.get_text().replace("\n", " ") for text in ax.texts)
    for text in (text for pair in infographics.ASPECTS.values() for text in pair):
        assert text in shown and text in said


@pytest.mark.parametrize("advice", ["", "support + target. " * 12])
def test_nothing_sticks_out_or_overlaps(advice: str) -> None:
    ax = infographics.infographic(found(), advice=advice)
    figure = ax.get_figure(root=True)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = {text: text.get_window_extent(canvas.get_renderer()) for text in ax.texts}
    width, height = figure.get_size_inches() * figure.dpi
    for box in boxes.values():
        assert min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height
    for one, box in boxes.items():
        for other, near in boxes.items():
            assert one is other or not box.padded(-2).overlaps(near), (one, other)
