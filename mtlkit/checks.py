"""The command ``verify``, and its report: published runs trained again, and what became of them."""

import argparse
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtlkit import DATA
from mtlkit.commands import EXIT_FAILED, UsageError
from mtlkit.results import Store, find_root, write_atomically

if TYPE_CHECKING:
    from mtlkit.sweeps import Failure
    from mtlkit.verification import Answer

__all__ = ["environments", "report", "verify"]

SAMPLES = {
    "minute": "the cheapest runs of the embedded world, by turns of each shape of route",
    "hour": "runs drawn at random (seed {seed}), by turns of each shape of route",
    "all": "all runs that can be trained here",
}

MATTERS = ("torch", "bf16", "threads", "machine")
"""What usually changes numbers: the kernels, how they round, and the order in which they sum.

``machine`` is the type of the processor, and not its model, which may matter too.
"""

RULES = """\
- reproduced: every test score is the same (to 1e-9), and so are the counts of every sentence
- within band: the primary test score of each task is as near to the published one as that of
  another seed would be. The band is two standard deviations over the seeds of the same route and
  recipe, at least half a point; with fewer than 3 seeds the median band of the task's other cells,
  or 2 points. Perplexity is compared by its logarithm (x 100)
- differs: a score is outside its band"""


def verify(options: argparse.Namespace) -> int:
    """Train published runs again, say what became of each; 1 if one differs or failed."""
    from mtlkit import verification  # and torch with it

    if options.out is not None:
        if options.out.is_dir():
            raise UsageError(f"--out {options.out} is a folder: choose a file, as in verified.md")
        options.out.parent.mkdir(parents=True, exist_ok=True)  # now, not when all is trained
    profile, tier = options.profile, options.tier
    workers = options.workers or os.cpu_count() or 1
    published = Store(DATA / "results" / profile)
    checks, skipped, bands = verification.read(published)
    chosen = verification.choose(checks, tier, workers=workers, seed=options.seed)
    if not chosen:
        raise verification.VerificationError(_nothing(published, tier, len(checks), skipped))
    store = verification.begin(_folder(profile, tier), fresh=options.fresh)
    done = set(store.ids())
    expected = _duration(verification.seconds(chosen, workers=workers, done=done))
    what = (
        f"{len(chosen)} of {len(checks) + skipped.total()} published runs, "
        f"{SAMPLES[tier].format(seed=options.seed)}"
    )
    print("\n".join([f"profile {profile}: {what}", *_left_out(skipped)]))
    if kept := sum(check.run.id in done for check in chosen):
        print(f"{kept} of them are trained: a verification before this one was interrupted")
    crowd = f"{workers} worker{'s' * (workers > 1)}"
    print(f"about {expected} with {crowd}, on a machine like that of then with nothing else to do")
    sys.stdout.flush()  # before the bar
    begun = time.monotonic()
    failures = verification.retrain(chosen, store, workers=workers)
    took = _duration(time.monotonic() - begun)
    answers = verification.answers(chosen, published, store, bands)
    text = (
        f"# Verification of profile {profile}, tier {tier}\n\nTrained again: {what}; "
        f"in {took}, {expected} expected.\n\n{report(answers, failures, skipped)}"
    )
    print(f"\n{text}")
    if options.out is not None:
        write_atomically(options.out, f"{text}\n")
        print(f"\nin {options.out}")
    differs = any(answer.verdict == verification.VERDICTS[-1] for answer in answers)
    return EXIT_FAILED if failures or differs else 0


def _folder(profile: str, tier: str) -> Path:
    """Where the runs of a verification are: its own, so that no model or result is met there."""
    return find_root() / "runs" / "verify" / profile / tier


def _nothing(published: Store, tier: str, able: int, skipped: Counter[str]) -> str:
    """Why nothing can be verified, and what to do."""
    if not able and not skipped:
        return (
            f"{published.folder} has no runs: nothing is published of this profile; choose another "
            f"--profile, or train and publish it: mtlkit study --profile {published.folder.name} "
            "--publish"
        )
    if able:
        return f"none of {able} runs fits into the tier {tier!r}: choose another --tier"
    return "\n".join(["none of the published runs can be trained here:", *_left_out(skipped)])


def _left_out(skipped: Mapping[str, int]) -> list[str]:
    return [f"  left out: {number} ({reason})" for reason, number in sorted(skipped.items())]


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


# ---- the report


def report(
    answers: Sequence["Answer"], failures: Sequence["Failure"], skipped: Mapping[str, int]
) -> str:
    """The report in Markdown: counts, what differs by how much, environments, what was left out."""
    parts = [_counts(answers), RULES, *_differing(answers)]
    if failures:
        parts += ["## Failed", "\n".join(f"- {failure}" for failure in failures)]
    parts += ["## Environment, then and now", environments(answers)]
    if skipped:
        rows = [[str(number), reason] for reason, number in sorted(skipped.items())]
        parts += ["## Left out", _table(["runs", "reason"], rows)]
    return "\n\n".join(parts)


def _counts(answers: Sequence["Answer"]) -> str:
    """How many of each verdict: by shape of route, and by whether the environment is the same."""
    from mtlkit.verification import VERDICTS

    groups: dict[str, Counter[str]] = {}
    for answer in sorted(answers, key=lambda answer: answer.check.group):
        groups.setdefault(answer.check.group, Counter())[answer.verdict] += 1
    for answer in answers:
        same = "the same environment" if answer.then == answer.now else "another environment"
        groups.setdefault(f"*all in {same}*", Counter())[answer.verdict] += 1
    groups["**all**"] = Counter(answer.verdict for answer in answers)
    rows = [
        [group, *(str(found[verdict]) for verdict in VERDICTS), str(found.total())]
        for group, found in groups.items()
    ]
    return _table(["runs", *VERDICTS, "all"], rows)


def _differing(answers: Iterable["Answer"]) -> list[str]:
    """The runs that are not the same: how near those within the band are, and the others each."""
    from mtlkit.evaluation import primary
    from mtlkit.verification import VERDICTS

    parts, rows, gaps = [], [], []
    for answer in answers:
        if answer.verdict == VERDICTS[1]:
            gaps.append(max(score.gap for score in answer.scores))
        if answer.verdict != VERDICTS[2]:
            continue
        run = answer.check.run
        for task, then, now, band, reason in answer.scores:
            rows.append([
                str(run.route), str(run.seed), run.id[:12], f"{task} {primary(task)}",
                f"{then:.4f}", f"{now:.4f}", f"{100 * band:.2f}", reason,
            ])  # fmt: skip
    if gaps:
        parts.append(
            f"Within band, the larger gap of a run is {100 * statistics.median(gaps):.2f} points "
            f"in the median and {100 * max(gaps):.2f} at most."
        )
    if rows:
        head = ["route", "seed", "id", "score", "published", "now", "band (points)", "band from"]
        parts += ["## Differs", _table(head, rows)]
    return parts


def environments(answers: Iterable["Answer"]) -> str:
    """For each part of the environment, what it was and is, in how many runs, and if they agree."""
    pairs: Counter[tuple[str, str, str]] = Counter()
    for answer in answers:
        for key in dict.fromkeys([*answer.then, *answer.now]):
            pairs[key, _said(answer.then, key), _said(answer.now, key)] += 1
    rows = []
    for (key, then, now), number in sorted(pairs.items()):
        differs = "DIFFERS; usually matters" if key in MATTERS else "DIFFERS"
        rows.append([key, then, now, str(number), "the same" if then == now else differs])
    return _table(["what", "then", "now", "runs", ""], rows)


def _said(environment: Mapping[str, Any], key: str) -> str:
    return str(environment.get(key, "not said"))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that can be read as it stands, too."""
    cells = [[cell.replace("|", r"\|") for cell in row] for row in [head, *rows]]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(head))]
    lines = [f"| {' | '.join(map(str.ljust, row, widths))} |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
