"""Clusters: what cannot be reached or started is said, and an end that is slow undoes nothing."""

import os
import signal
import threading
import time
from typing import Any

import psutil
import pytest
from dask.distributed import Client

from mtlkit import clusters
from mtlkit.clusters import ClusterError, cluster


def test_a_cluster_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("tcp://127.0.0.1:9", "nowhere"):
        monkeypatch.setattr(clusters, "Client", lambda at, timeout: Client(at, timeout=1))
        with pytest.raises(ClusterError) as error, cluster(scheduler=wrong):
            pass
        assert str(error.value).startswith(f"no Dask scheduler answers at '{wrong}' (")
        assert "start one with `dask scheduler`" in str(error.value)


def test_a_cluster_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(**_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(clusters, "LocalCluster", late)
    text = r"^no local cluster could be started \(TimeoutError\); wait until .* and start again$"
    with pytest.raises(ClusterError, match=text), cluster(1):
        pass


def test_workers_that_are_slow_to_end_undo_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self, **_: Any) -> None:
            self.closed = False

        def close(self) -> None:
            self.closed = True
            raise TimeoutError

    class Quiet:
        def __init__(self, local: Slow) -> None:
            self.local = local

        def __enter__(self) -> "Quiet":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def register_plugin(self, _: Any) -> None:
            pass

    monkeypatch.setattr(clusters, "LocalCluster", Slow)
    monkeypatch.setattr(clusters, "Client", Quiet)
    with cluster(1) as client:
        assert not client.local.closed
    assert client.local.closed
    with pytest.raises(KeyError), cluster(1) as client:
        raise KeyError
    assert client.local.closed


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_a_worker_that_was_killed_comes_back_as_it_was() -> None:
    """With one thread for sums, and an end when this process ends."""
    with cluster(1) as client:
        (before,) = client.run(os.getpid).values()
        os.kill(before, signal.SIGKILL)
        psutil.Process(before).wait(10)
        end = time.monotonic() + 60
        while not (found := client.run(os.getpid, on_error="ignore")) or before in found.values():
            assert time.monotonic() < end, "no worker came back"
            time.sleep(0.1)
        (now,) = found.values()
        assert now != before
        assert list(client.run(os.environ.get, "OMP_NUM_THREADS").values()) == ["1"]
        assert "follow parent" in next(iter(client.run(threads).values()))
