"""Dask clusters: this machine's cores, or any cluster by its address."""

import contextlib
import os
from collections.abc import Iterator

import dask
from dask.distributed import Client, LocalCluster, Worker, WorkerPlugin

from mtlkit.processes import follow_parent

__all__ = ["ClusterError", "cluster"]


class ClusterError(ValueError):
    """A cluster that cannot be reached or started."""


class _FollowParent(WorkerPlugin):
    """Each worker, also one that was started again, ends with the process that started it."""

    def setup(self, worker: Worker) -> None:
        follow_parent()


@contextlib.contextmanager
def cluster(workers: int | None = None, scheduler: str | None = None) -> Iterator[Client]:
    """A client of the Dask cluster at an address, or of a local one that ends with the block."""
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(
                f"no Dask scheduler answers at {scheduler!r} ({error}); "
                "start one with `dask scheduler`, or leave the address out"
            ) from None
        with client:
            yield client
        return
    # Dask would look at what each worker does a hundred times a second, and at its own loop fifty
    # times: nobody reads that here.
    quiet = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1s"}
    try:
        with dask.config.set(quiet):
            local = LocalCluster(
                n_workers=workers or os.cpu_count() or 1,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                # Not the port that every other cluster on this machine wants too.
                # And runs are in processes of their own: a worker that dies is no fault of theirs.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0", "allowed_failures": 20},
                memory_limit=0,
                env={"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
            )
    except (OSError, RuntimeError) as error:
        raise ClusterError(
            f"no local cluster could be started ({str(error) or type(error).__name__}); "
            "wait until this machine has less to do, or ask for fewer workers, and start again"
        ) from None
    try:
        with Client(local) as client:
            client.register_plugin(_FollowParent())
            yield client
    finally:
        # On a busy machine a worker may need longer to end than Dask waits: it ends all the same,
        # and what was done is done.
        with contextlib.suppress(TimeoutError):
            local.close()
