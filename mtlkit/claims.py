"""The ledger: what textbooks claim, and what the runs say of it.

Claims stand in ``data/claims.yaml``, each with its statistic and its decision rule; verdicts are
computed here from evidence, and stand nowhere.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from scipy import stats

from mtlkit import DATA, evidence
from mtlkit.evidence import Item
from mtlkit.results import Store
from mtlkit.statistics import Comparison, compare, holm

__all__ = [
    "LEAST", "Cell", "Claim", "ClaimError", "Finding", "about", "gather", "judge", "ledger", "read",
    "spoken",
]  # fmt: skip

Stance = Literal["for", "against", "none", "open"]

LEAST = 5
"""Seeds below which a cell is open, whatever they say."""
LEVEL = 0.05
SIDES = {"world": "quick", "real": "full"}
"""Kind of text to the profile whose lessons leave evidence of it."""


class ClaimError(ValueError):
    """A claim that is not in the ledger, or a ledger that cannot be read."""


@dataclass(frozen=True)
class Claim:
    """A claim as it stands in the ledger: see the head of ``data/claims.yaml``."""

    id: str
    claim: str
    source: str
    lesson: str
    statistic: str
    unit: str
    margin: float
    factors: tuple[str, ...]
    revise: str

    @property
    def smallest(self) -> str:
        """The margin with its unit: ``1 point``, ``0.18 log ratio``."""
        unit = "point" if (self.margin, self.unit) == (1, "points") else self.unit
        return f"{self.margin:g} {unit}"


def read(path: Path = DATA / "claims.yaml") -> tuple[str, dict[str, Claim]]:
    """The decision rule, and the claims by their ids.  `ClaimError` for a damaged file."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        claims = [_claim(row) for row in data["claims"]]
        return data["rule"].strip(), {claim.id: claim for claim in claims}
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ClaimError(f"{path}: {error}; restore it from version control") from None


def _claim(row: Mapping[str, Any]) -> Claim:
    texts = {k: v.strip() for k, v in row.items() if isinstance(v, str)}
    return Claim(**{**row, **texts, "factors": tuple(row["factors"])})


@dataclass(frozen=True)
class Cell:
    """A cell of a claim: its factors, a number a seed, and what they say after Holm's correction.

    ``p``: of the paired t-test.  ``adjusted``: the same after Holm, within the claim.  ``small``:
    one-sided p that the mean is below the margin.
    """

    factors: Mapping[str, str]
    values: tuple[float, ...]
    result: Comparison
    adjusted: float
    small: float

    @property
    def stance(self) -> Stance:
        """Whether the cell is for the claim, against it, of no effect that matters, or open."""
        if len(self.values) < LEAST:
            return "open"
        if self.adjusted <= LEVEL:
            return "for" if self.result.mean > 0 else "against"
        return "none" if self.small <= LEVEL else "open"

    @property
    def name(self) -> str:
        """The cell in words."""
        return ", ".join(f"{name} {value}" for name, value in self.factors.items()) or "all"


@dataclass(frozen=True)
class Finding:
    """What evidence of one kind says of a claim."""

    claim: Claim
    cells: tuple[Cell, ...]

    @cached_property
    def counts(self) -> Counter[str]:
        """How many cells have each stance."""
        return Counter(cell.stance for cell in self.cells)

    @cached_property
    def verdict(self) -> str:
        """*supported*, *refuted*, *depends on ...* or *not enough evidence*."""
        yes, no = self.counts["for"], self.counts["against"] + self.counts["none"]
        if not self.cells:
            return "not enough evidence"
        if 2 * yes >= len(self.cells) and not self.counts["against"]:
            return "supported"
        if not yes and 2 * no >= len(self.cells):
            return "refuted"
        return f"depends on {self._factor()}" if yes and no else "not enough evidence"

    def _factor(self) -> str:
        """The factor whose best split has the fewest cells on the wrong side, and its better side.

        Open cells are left out.  A factor of numbers is split once, by a threshold; of another one
        each value goes with the majority of its cells.  Of equals, the one that is named first.
        """
        decided = [cell for cell in self.cells if cell.stance != "open"]
        sides = [cell.stance == "for" for cell in decided]
        found = [(min(sum(sides), len(sides) - sum(sides)), "what is compared")]
        for factor in self.claim.factors:
            values = [cell.factors.get(factor, "") for cell in decided]
            found.append(_split(factor, values, sides))
        return min(found, key=lambda each: each[0])[1]

    @property
    def sentence(self) -> str:
        """The verdict with the numbers behind it."""
        if not self.cells:
            return f"not enough evidence: no runs; lesson {self.claim.lesson} leaves them"
        parts = {"for": "for it", "against": "against it", "none": "without effect", "open": "open"}
        told = ", ".join(f"{self.counts[s]} {name}" for s, name in parts.items() if self.counts[s])
        means = [cell.result.mean for cell in self.cells]
        spread = f"{np.median(means):+.2f} ({min(means):+.2f} to {max(means):+.2f})"
        cells = f"{len(self.cells)} cell{'s' * (len(self.cells) > 1)}"
        return f"{self.verdict}: of {cells} {told}; median {spread} {self.claim.unit}"

    def table(self) -> pd.DataFrame:
        """A row a cell: factors, seeds, mean, low, high, p, adjusted, stance."""
        return pd.DataFrame(
            {
                "cell": cell.name,
                "seeds": len(cell.values),
                "mean": cell.result.mean,
                "low": cell.result.low,
                "high": cell.result.high,
                "p": cell.result.t_p,
                "adjusted": cell.adjusted,
                "stance": cell.stance,
            }
            for cell in self.cells
        )


def _split(factor: str, values: Sequence[str], sides: Sequence[bool]) -> tuple[int, str]:
    """Cells on the wrong side of a factor's best split, and the split in words.

    Among numbers, ``unknown`` is below every one, as where `policies` asks for relatedness.
    """
    try:
        numbers = [-math.inf if value == "unknown" else float(value) for value in values]
    except ValueError:
        by: dict[str, Counter[bool]] = {}
        for value, side in zip(values, sides, strict=True):
            by.setdefault(value, Counter())[side] += 1
        wrong = sum(min(count[True], count[False]) for count in by.values())
        good = [value for value, count in by.items() if count[True] > count[False]]
        return wrong, f"{factor} (for it: {', '.join(good) or 'none'})"
    best = (len(values), factor)
    for limit in sorted(set(numbers))[:-1]:
        below = [number <= limit for number in numbers]
        wrong = sum(low != side for low, side in zip(below, sides, strict=True))
        upper = min(number for number in numbers if number > limit)
        low = "unknown" if limit == -math.inf else f"up to {limit:g}"
        if limit > -math.inf and -math.inf in numbers:
            low += " or unknown"
        options = (wrong, low), (len(values) - wrong, f"from {upper:g}")
        best = min(best, *((n, f"{factor} (for it {what})") for n, what in options))
    return best


def judge(claim: Claim, items: Iterable[Item]) -> Finding:
    """Decide a claim from the items that are its evidence; those without a number are left out."""
    groups: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
    for item in items:
        if item.claim == claim.id and math.isfinite(item.value):
            cell = groups.setdefault(tuple(item.cell.items()), {})
            if item.seed in cell:
                raise ClaimError(f"{claim.id}: seed {item.seed} twice in {dict(item.cell)}")
            cell[item.seed] = item.value
    values = [[cell[seed] for seed in sorted(cell)] for cell in groups.values()]
    results = [compare(each, [0.0] * len(each)) for each in values]
    adjusted = list(holm([result.t_p for result in results])) if results else []
    return Finding(
        claim,
        tuple(
            Cell(dict(key), tuple(each), result, float(p), _smaller(each, claim.margin))
            for key, each, result, p in zip(groups, values, results, adjusted, strict=True)
        ),
    )


def _smaller(values: Sequence[float], margin: float) -> float:
    """One-sided p of the t-test that the mean is below the margin."""
    if len(values) < 2 or np.ptp(values) == 0:
        return float(len(values) < 2 or values[0] >= margin)
    return float(stats.ttest_1samp(values, margin, alternative="less").pvalue)


def spoken(items: Sequence[Item]) -> str:
    """What items say of each claim that they are about, as a list in Markdown."""
    every = read()[1]
    ids = dict.fromkeys(item.claim for item in items)
    return "\n".join(f"- *{every[id].claim}* {judge(every[id], items).sentence}." for id in ids)


def gather(figures: Path, store: Store | None = None) -> list[Item]:
    """All evidence that lessons left in a folder of figures, with numbers anew from the store."""
    items = [
        item
        for path in sorted((figures / "tables").glob("*_evidence.csv"))
        for item in evidence.load(path)
    ]
    return items if store is None else evidence.renew(items, store)


def about(sides: Mapping[str, Finding]) -> Claim:
    """The claim that findings on several kinds of text are about."""
    return next(iter(sides.values())).claim


def ledger(root: Path, *, world: str = "quick") -> dict[str, dict[str, Finding]]:
    """Claim to kind of text (world, real) to what the evidence there says, of a checkout.

    ``world``: the profile whose evidence is that of the embedded world, quick or smoke.
    """
    every = read()[1]
    found: dict[str, dict[str, Finding]] = {id: {} for id in every}
    for side, profile in {**SIDES, "world": world}.items():
        store = Store(root / "runs" / profile, DATA / "results" / profile)
        items = gather(root / "figures" / profile, store)
        for id, claim in every.items():
            found[id][side] = judge(claim, items)
    return found
