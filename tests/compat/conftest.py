"""Fixtures: a server in the engine's place, clients on it that are closed, subscriptions that are ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flowable.external_worker_client
from flowable.external_worker_client import ExternalWorkerClient, ExternalWorkerSubscription

from .stub import DEADLINE, Stub

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PREDECESSOR = ROOT / ".cache" / "wheels" / "flowable.external_worker_client-1.0.2-py3-none-any.whl"
#: The folder from which this process imports the library.
OURS = Path(flowable.external_worker_client.__file__ or "").resolve().parents[2]


class Workers:
    """Makes clients and subscriptions on a stub, and ends them.

    Args:
        stub: The server that they talk to.
    """

    def __init__(self, stub: Stub) -> None:
        self.stub = stub
        self._clients: list[ExternalWorkerClient] = []
        self._subscriptions: list[ExternalWorkerSubscription] = []

    def client(self, **options: Any) -> ExternalWorkerClient:
        """Return a client on the stub, whose worker id is `worker-1` unless given."""
        client = ExternalWorkerClient(**{"flowable_host": self.stub.url, "worker_id": "worker-1", **options})
        self._clients.append(client)
        return client

    def subscribe(
        self, handler: Any, *, client: ExternalWorkerClient | None = None, topic: str = "topic", **options: Any
    ) -> ExternalWorkerSubscription:
        """Subscribe a handler, with hardly any idle wait unless given."""
        options = {"wait_period_seconds": 0.02, **options}
        subscription = (client or self.client()).subscribe(topic, handler, **options)
        self._subscriptions.append(subscription)
        return subscription

    def close(self) -> None:
        """End all subscriptions and close all sessions."""
        for subscription in self._subscriptions:
            subscription.event.set()
        for subscription in self._subscriptions:
            subscription.thread.join(DEADLINE)
        for client in self._clients:
            session = getattr(client._restClient, "request_session", None)
            if session is not None:
                session.close()
        alive = [subscription for subscription in self._subscriptions if subscription.thread.is_alive()]
        assert alive == []


@pytest.fixture(autouse=True)
def no_thread_outlives_a_test() -> Iterator[None]:
    """See that the threads of a test end with it."""
    before = set(threading.enumerate())
    yield
    ends = time.monotonic() + DEADLINE
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:
            thread.join(max(0.0, ends - time.monotonic()))
            assert not thread.is_alive()


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A server in the engine's place."""
    with Stub() as stub:
        yield stub


@pytest.fixture
def workers(stub: Stub) -> Iterator[Workers]:
    """Clients and subscriptions on the stub."""
    workers = Workers(stub)
    yield workers
    workers.close()


@pytest.fixture(scope="session")
def predecessor() -> Path:
    """The wheel of version 1.0.2, from which it is imported as it is."""
    if not PREDECESSOR.is_file():
        pytest.fail(f"{PREDECESSOR.relative_to(ROOT)} is missing: run `make test` once, it fetches what tests need")
    return PREDECESSOR


def environment(library: Path) -> dict[str, str]:
    """Return the environment in which `flowable` comes from there: a folder, or a wheel."""
    unwanted = ("PYTHON", "PYTEST_", "COV_", "FLOWABLE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"}


def run(library: Path, *arguments: str | Path) -> str:
    """Run a program with `flowable` from there.

    Returns:
        str: Its standard output.

    Raises:
        AssertionError: If it failed; the text shows what it wrote.
    """
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment(library), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
