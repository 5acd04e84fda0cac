"""Clusters: what cannot be reached or started is said, and an end that is slow undoes nothing."""

from typing import Any

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

        def run(self, _: Any) -> None:
            pass

    monkeypatch.setattr(clusters, "LocalCluster", Slow)
    monkeypatch.setattr(clusters, "Client", Quiet)
    with cluster(1) as client:
        assert not client.local.closed
    assert client.local.closed
    with pytest.raises(KeyError), cluster(1) as client:
        raise KeyError
    assert client.local.closed
