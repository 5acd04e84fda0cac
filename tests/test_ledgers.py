"""The ledger to look at: what is drawn and said is what was found."""

import pytest
from matplotlib.patches import Rectangle
from test_claims import CLAIM, several

from mtlkit import figures, ledgers
from mtlkit.claims import Finding, judge

FOUND = {
    "c": {
        "world": judge(CLAIM, several({("1", "a"): 3, ("2", "a"): -0.5, ("3", "a"): 0.9})),
        "real": judge(CLAIM, several({("1", "a"): 3, ("2", "a"): -3})),
    },
    "d": {"world": judge(CLAIM, []), "real": judge(CLAIM, several({("1", "a"): -3}))},
}


def test_bars_are_shares_of_cells() -> None:
    ax = ledgers.chart(FOUND)
    widths = [patch.get_width() for patch in ax.patches if isinstance(patch, Rectangle)]
    bars = widths[: -len(ledgers.WORDS)]  # what is left is the key
    assert bars == pytest.approx([ledgers.WIDE / n for n in (3, 3, 3, 2, 2, 1)])


def test_it_says_what_it_shows() -> None:
    said = figures.describe(ledgers.chart(FOUND, title="Claims"))
    assert "c “Claims”: in the embedded world depends on labels (for it up to 1)" in said
    assert "on real text depends on labels (for it up to 1)" in said
    assert "d: in the embedded world not enough evidence; on real text refuted" in said
    shown = {text.get_text().replace("\n", " ") for text in ledgers.chart(FOUND).texts}
    assert {"X beats Y.", "refuted", "depends on labels (for it up to 1)"} <= shown
    assert "no runs: lesson 09 leaves them" in shown


def test_no_colour_is_that_of_a_family() -> None:
    assert not {*ledgers.COLOURS.values(), *ledgers.FACES.values()} & {*figures.FAMILIES.values()}


def test_the_table_has_a_row_a_claim() -> None:
    frame = ledgers.table(FOUND)
    assert list(frame["claim"]) == [CLAIM.claim] * 2 and list(frame["lesson"]) == ["09"] * 2
    assert list(frame["on real text"]) == ["depends on labels (for it up to 1)", "refuted"]


def test_every_stance_and_verdict_has_a_look() -> None:
    verdicts = {f.verdict.split()[0] for sides in FOUND.values() for f in sides.values()}
    verdicts.add(Finding(CLAIM, ()).verdict.split()[0])
    assert verdicts <= set(ledgers.COLOURS)
    assert set(ledgers.WORDS) == set(ledgers.FACES) == {"for", "against", "none", "open"}


def test_the_front_page_has_the_table_and_nothing_else_changes() -> None:
    begin, end = ledgers.MARKS
    page = f"# Title\n\n{begin}\nold\n{end}\n\nMore.\n"
    made = ledgers.front_page(page, FOUND)
    assert made.startswith(f"# Title\n\n{begin}\n\n| claim | ") and made.endswith(
        f"{end}\n\nMore.\n"
    )
    assert "| X beats Y. | not enough evidence | refuted | 09 |" in made and "old" not in made
    assert ledgers.front_page(made, FOUND) == made
    assert ledgers.front_page("no marks", FOUND) == "no marks"
