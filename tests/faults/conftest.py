"""What the tests of this folder share: a clock that jumps, and one worker against one misbehaving server."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.faults.stub import Stub

from flowable.external_worker_client import ExternalWorkerClient, ExternalWorkerSubscription

PATIENCE = 8.0  # real seconds until a test gives up waiting


def eventually(condition: Callable[[], object], what: str = "") -> None:
    """Wait until something is so, up to `PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what or condition}"
        time.sleep(0.002)


class JumpingClock:
    """Time that passes only by waiting: a wait is over at once, and the time later.

    Attributes:
        limit: A wait that would end after this moment really waits, for the event or for a later limit.
        waits: The seconds of all waits, in order.
        at_wait: Called at the beginning of each wait.
        blocked: How many really wait at this moment.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 1000.0
        self.limit = float("inf")
        self.waits: list[float] = []
        self.at_wait: Callable[[float], None] | None = None
        self.blocked = 0

    def now(self) -> float:
        """Return the time."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass, as a handler does that takes long."""
        with self._lock:
            self._now += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Jump, or wait if that would be past the limit."""
        self.waits.append(seconds)
        if self.at_wait:
            self.at_wait(seconds)
        if event.is_set():
            return True
        if not self._jumped(seconds, blocked=0):
            give_up = time.monotonic() + 3 * PATIENCE
            while not self._jumped(seconds, blocked=1):
                if event.wait(0.005):
                    with self._lock:
                        self.blocked -= 1
                    return True
                assert time.monotonic() < give_up, "nobody ended a wait"
        # A breath for the other threads: a worker without work would keep a processor busy.
        return event.wait(0.001)

    def _jumped(self, seconds: float, *, blocked: int) -> bool:
        """Let the time pass if the limit allows it; count who cannot, once and for as long as that lasts."""
        with self._lock:
            jumps = self._now + seconds <= self.limit
            self._now += seconds if jumps else 0
            self.blocked += (0 if jumps else 1) - blocked
            return jumps


class World:
    """One server, one clock, the clients made here, and what their handlers saw."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.clock = JumpingClock()
        self.stub = Stub(self.clock.now)
        self.handled: list[str] = []
        self.subscriptions: list[ExternalWorkerSubscription] = []
        self._clients: list[ExternalWorkerClient] = []
        self._caplog = caplog

    def client(self, **options: Any) -> ExternalWorkerClient:
        """Make a client for the server."""
        client = ExternalWorkerClient(f"http://127.0.0.1:{self.stub.port}", clock=self.clock, **options)
        self._clients.append(client)
        return client

    def subscribe(
        self,
        handler: Callable[..., Any] | None = None,
        *,
        client: ExternalWorkerClient | None = None,
        topic: str = "t",
        **options: Any,
    ) -> ExternalWorkerSubscription:
        """Subscribe; the ids of the jobs that the handler gets are noted in `handled`."""

        def noting(job: Any, result: Any) -> Any:
            self.handled.append(job.id)
            return handler(job, result) if handler else None

        subscription = (client or self.client()).subscribe(topic, noting, **options)
        self.subscriptions.append(subscription)
        return subscription

    def served(self, *ids: str) -> None:
        """Wait until these jobs are settled."""
        eventually(lambda: all(self.stub.settled[job_id] for job_id in ids), f"{ids} to be settled")

    def stop(self) -> None:
        """Stop all subscriptions; nothing is under way afterwards."""
        for subscription in self.subscriptions:
            subscription.event.set()
        for subscription in self.subscriptions:
            assert subscription.unsubscribe(PATIENCE)

    def logged(self, level: int = logging.WARNING) -> list[str]:
        """Return the messages of a level and above, in order."""
        return [record.getMessage() for record in list(self._caplog.records) if record.levelno >= level]

    def traced(self) -> list[str]:
        """Return the messages that were logged with a trace, in order."""
        return [record.getMessage() for record in list(self._caplog.records) if record.exc_info]

    def close(self) -> None:
        """End everything, and see that nothing is left open."""
        self.stop()
        for client in self._clients:
            client._restClient.close()
        # urllib3 closes connections when their pool is collected; tracebacks keep pools, and records keep tracebacks.
        for phase in ("setup", "call"):
            self._caplog.get_records(phase).clear()
        eventually(lambda: self.stub.connections == 0 or gc.collect() < 0, "the connections to be closed")
        self.stub.close()


@pytest.fixture
def world(caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    """A world with a server that is up; threads and sockets are counted at the end."""
    before = set(threading.enumerate())
    # What a long test run has piled up is not looked through again and again: a collection then takes a millisecond.
    gc.freeze()
    caplog.set_level(logging.INFO)
    made = World(caplog)
    made.stub.up()
    try:
        yield made
    finally:
        made.close()
        eventually(lambda: set(threading.enumerate()) <= before, "threads to end")
        # A socket that nobody closed makes itself heard when it is collected, and fails the test that lost it.
        gc.collect()
        gc.unfreeze()
