"""A Dask cluster of two processes, on this machine; and a worker whose handlers run there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from distributed import Client, LocalCluster
from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import ExternalWorkerClient
from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer
from flowable.external_worker_client.worker import Worker

if TYPE_CHECKING:
    from flowable.external_worker_client.testing.real_engine import RealEngine


@pytest.fixture(scope="package")
def cluster() -> Iterator[LocalCluster]:
    """Two processes of one thread each. One that is killed is replaced. No port is the usual one: others may run."""
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as cluster:
        yield cluster


@pytest.fixture
def dask(cluster: LocalCluster) -> Iterator[Client]:
    """A client of the cluster, when both of its processes are up."""
    with Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=30)
        assert cluster.scheduler is not None
        if cluster.scheduler.tasks:
            # A test that failed has left its handlers there.
            client.restart()
        yield client


@pytest.fixture
def engine() -> EmbeddedEngine:
    """An embedded engine. It looks for locks that are over ten times a second."""
    return EmbeddedEngine(reset_interval=0.1)


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Run a worker on the embedded engine, or on a real one that is given: `run(worker)`. Stopped after the test."""
    with ExitStack() as stack:

        def start(worker: Worker, real: RealEngine | None = None, **options: Any) -> None:
            if real is None:
                server = stack.enter_context(EmbeddedServer(request.getfixturevalue("engine")))
                client = ExternalWorkerClient(server.url, **options)
            else:
                client = ExternalWorkerClient(real.url, auth=HTTPBasicAuth(real.username, real.password), **options)
            stack.enter_context(client)
            stack.enter_context(worker.running(client, grace=20))

        yield start
