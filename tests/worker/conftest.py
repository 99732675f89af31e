"""What the tests of this folder share: an embedded engine with a client, and a look at what is left over."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.waiting import until

from flowable.external_worker_client import ExternalWorkerClient, RetryPolicy
from flowable.external_worker_client.testing import EmbeddedAdapter, EmbeddedEngine, InstanceView, Process, Task
from flowable.external_worker_client.testing.sent import SentRequest

PATIENCE = 20.0  # real seconds until a test gives up waiting


class Place:
    """An engine with a process for each topic that is asked for, and a client.

    Attributes:
        engine: The engine.
        client: The client, closed at the end.
    """

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.engine = EmbeddedEngine()
        self._caplog = caplog
        self._clients: list[ExternalWorkerClient] = []
        self._client: ExternalWorkerClient | None = None

    @property
    def client(self) -> ExternalWorkerClient:
        """The client of the test, made when it is first asked for."""
        self._client = self._client or self.another_client(retry=RetryPolicy(first_pause="1h", longest_pause="1h"))
        return self._client

    def another_client(self, **options: Any) -> ExternalWorkerClient:
        """Make a client."""
        adapter = EmbeddedAdapter(self.engine)
        client = ExternalWorkerClient(adapter.url, customize_session=adapter.mount, **options)
        self._clients.append(client)
        return client

    def start(self, topic: str = "t", number: int = 1, *, tenant_id: str = "", **variables: object) -> list[str]:
        """Start instances of a process with one task on a topic, and return their ids."""
        self.engine.deploy(Process(f"for-{topic}", Task("work", topic)), tenant_id=tenant_id)
        return [self.engine.start(f"for-{topic}", variables, tenant_id=tenant_id) for _ in range(number)]

    def ended(self, instances: list[str]) -> list[InstanceView]:
        """Wait until instances have ended, and return them."""
        return self.engine.wait_for_end(*instances, timeout=PATIENCE)

    def settled(self, topic: str = "t", number: int = 1) -> list[SentRequest]:
        """Wait until so many jobs of a topic were settled, and return how, in order."""
        return until(lambda: self.engine.sent(topic=topic), lambda sent: len(sent) >= number, deadline=PATIENCE)

    def logged(self, level: int = logging.WARNING) -> list[str]:
        """Return the messages of a level and above, in order."""
        return [record.getMessage() for record in list(self._caplog.records) if record.levelno >= level]

    def close(self) -> None:
        """Close the clients."""
        ended = [client.close(PATIENCE) for client in self._clients]
        assert all(ended)


@pytest.fixture
def place(caplog: pytest.LogCaptureFixture) -> Iterator[Place]:
    """A place; threads and processes are counted at the end."""
    before, children = set(threading.enumerate()), set(multiprocessing.active_children())
    caplog.set_level(logging.INFO)
    made = Place(caplog)
    yield made
    made.close()
    until(lambda: set(threading.enumerate()) - before, lambda left: not left, deadline=PATIENCE)
    assert set(multiprocessing.active_children()) <= children
    # An event loop or a pipe that nobody closed makes itself heard when it is collected.
    gc.collect()


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Take the settings of the library out of the environment; return what puts some in."""
    for name in (
        *("URL", "USERNAME", "PASSWORD", "TOKEN", "TOKEN_FILE", "WORKER_ID", "ENGINE", "JOURNAL", "TRANSPORT"),
        "REQUESTS_AT_ONCE",
        *(
            f"WORKER_{option}"
            for option in ("LOCK", "CONCURRENCY", "NUMBER_OF_TASKS", "POLL", "TIMEOUT", "TOTAL_CONCURRENCY")
        ),
    ):
        monkeypatch.delenv(f"FLOWABLE_{name}", raising=False)

    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(f"FLOWABLE_{name}", value)

    return put
