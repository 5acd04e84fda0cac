"""Many runs on a cluster: this machine's cores by default, any Dask cluster by address."""

import functools
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from mtlkit.recipes import Run
from mtlkit.results import Record, Store
from mtlkit.routes import TASKS
from mtlkit.study import execute, prefix

__all__ = ["Failure", "complete"]


@dataclass(frozen=True)
class Failure:
    """A run that ended in an error."""

    run: Run
    reason: str

    def __str__(self) -> str:
        return f"{self.run.route}  (seed {self.run.seed}): {self.reason}"


def _work(run: dict[str, Any], folder: str, keep: bool, *_before: Any) -> Record:
    torch.set_num_threads(1)
    return execute(Run.from_json(run), folder=Path(folder), keep=keep)


@functools.cache
def _since() -> float:
    """When this process first asked for runs: on a shared cluster, whoever came first goes first.

    So the earlier lessons of a series are done first.  A lesson that asks for runs many times, and
    computes in between, would otherwise wait for the others each time and work alone at the end.
    """
    return time.time()


def complete(
    runs: Iterable[Run],
    store: Store,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    title: str = "runs",
    keep: bool = False,
) -> list[Failure]:
    """Bring every run into the store; those that are there already cost nothing.

    Parameters
    ----------
    workers
        Processes of one thread each on this machine; as many as it has cores by default.
    scheduler
        Address of a running Dask cluster instead, whose workers see the store's folder.
    keep
        Whether the trained models are wanted too; a run whose model nobody kept is trained again.

    Returns
    -------
    list of Failure
        Runs that failed; the others are done all the same.
    """
    models = store.folder / "models"
    pending = {
        run.id: run
        for run in runs
        if run.id not in store or (keep and not (models / run.id / "model.json").is_file())
    }
    if not pending:
        return []
    # Here, so that a lesson with nothing to train does not load Dask.
    from dask.distributed import Future, as_completed

    from mtlkit.clusters import cluster

    shared = _shared(pending.values(), store)
    with cluster(workers, scheduler) as client:
        futures: dict[Future, Run] = {}
        kept: dict[str, Future] = {}

        def submit(run: Run, keep: bool) -> Future:
            # One key is one task to all clients: whether the model is wanted is part of it.
            name = f"{run.route} #{run.seed} {run.id[:12]}{' kept' * keep}"
            before = [
                kept[each.id]
                for n in range(1, len(run.route.stages))
                if (each := prefix(run, n)).id in kept
            ]
            future = client.submit(
                _work,
                run.to_json(),
                str(store.folder.resolve()),
                keep,
                *before,
                # Of two kinds: what Dask has never seen it deals out to workers before they are
                # free, and in long runs never again, so that a free one would not get any.
                key=("run after" if before else "run", name),
                pure=False,
                retries=0,
                # In this order: Dask alone may leave a long run to the end.
                priority=-(_since() + 1e-5 * len(futures)),
            )
            futures[future] = run
            return future

        for run in pending.values():  # each after its beginnings: the first are whole first
            begins = [prefix(run, n) for n in range(1, len(run.route.stages))]
            for each in (*begins, run):
                if each.id in shared and each.id not in kept:
                    kept[each.id] = submit(each, True)
            if run.id not in kept:
                submit(run, keep)
        failures = []
        bar = tqdm(total=len(futures), desc=title, unit="run", mininterval=1)
        for future in as_completed(list(futures)):
            if future.status == "finished":
                record = future.result()
                if record["id"] not in store:
                    store.save(record)
            else:
                error = future.exception()
                lost = f"the cluster lost it ({future.status})"
                reason = f"{type(error).__name__}: {error}" if error else lost
                failures.append(Failure(futures[future], reason))
                bar.write(f"failed: {failures[-1]}")
            bar.update()
        bar.close()
    return failures


def _shared(pending: Iterable[Run], store: Store) -> set[str]:
    """Ids of beginnings that nobody has kept yet, and that two or more runs have in common.

    Pretraining is one in any case: the next runs, or those of another process, begin with it.
    """
    uses: Counter[str] = Counter()
    for run in pending:
        uses[run.id] += 1  # a whole run may be the beginning of another
        for n in range(1, len(run.route.stages)):
            begin = prefix(run, n)
            trained = {TASKS[task.name] for stage in begin.route.stages for task in stage.tasks}
            uses[begin.id] += 2 if trained == {"mlm"} else 1
    models = store.folder / "models"
    return {
        id for id, times in uses.items() if times > 1 and not (models / id / "model.json").is_file()
    }
