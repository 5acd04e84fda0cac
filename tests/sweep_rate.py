"""How many runs a minute one worker does, and how many two: ``python tests/sweep_rate.py``.

Not a test, since it says something only while the machine has nothing else to do.  The runs are
real, a second each; both clusters have loaded their libraries before the clock starts.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from records import RECIPE

from mtlkit.clusters import cluster
from mtlkit.results import Store
from mtlkit.study import plan
from mtlkit.sweeps import complete

ROUNDS = 3


def rate(workers: int, number: int) -> tuple[float, float]:
    """Runs a minute, and the seconds that the processor worked for one.

    If the latter are more with two workers, the cores get in each other's way; if they are not,
    and two workers are still not twice as fast, then something else had the cores.
    """
    recipe = RECIPE.replace(min_updates=60)
    runs = [plan("scratch > pos:100@world", recipe, seed) for seed in range(number + 4 * workers)]
    with tempfile.TemporaryDirectory() as folder, cluster(workers) as client:
        store, at = Store(Path(folder)), client.scheduler_info()["address"]
        assert not complete(runs[number:], store, scheduler=at, title="warm")
        begun = time.monotonic()
        assert not complete(runs[:number], store, scheduler=at)
        taken = time.monotonic() - begun
        spent = [store.load(run.id)["ledger"]["seconds"] for run in runs[:number]]
        return 60 * number / taken, statistics.mean(spent)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):  # by turns: what else the machine does is then shared
        for workers, rates in found.items():
            each, spent = rate(workers, number)
            rates.append(each)
            print(f"{workers} workers: {each:.1f} runs a minute of {spent:.2f} s", flush=True)
    one, two = (statistics.median(rates) for rates in found.values())
    print(f"median of {ROUNDS}: {one:.1f} and {two:.1f} runs a minute, {two / one:.2f} times")
