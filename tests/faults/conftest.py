"""What the tests of this folder share: a clock that jumps, and one worker against one misbehaving server."""

from __future__ import annotations

import gc
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from tests.faults.stub import Stub

from flowable.external_worker_client import ExternalWorkerClient, ExternalWorkerSubscription, Worker
from flowable.external_worker_client.testing import EmbeddedAdapter, EmbeddedEngine, Process, Task
from flowable.external_worker_client.testing import JumpingClock as EngineClock

PATIENCE = 8.0  # real seconds until a test gives up waiting


def eventually(condition: Callable[[], object], what: str = "") -> None:
    """Wait until something is so, up to `PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what or condition}"
        time.sleep(0.002)


@dataclass(eq=False, slots=True)
class Sleeper:
    """One wait: until when, and what ends it before."""

    deadline: float
    event: threading.Event


class JumpingClock:
    """Time that passes only while everybody waits: then it jumps to the first moment that somebody waits for.

    A thread belongs to the clock from its first wait on, or from `join` on, until it ends or leaves.

    Attributes:
        limit: Time does not pass this moment by itself.
        waits: The seconds of all waits for time, in order; not those for an event only.
        at_wait: Called at the beginning of each of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 1000.0
        self._threads: set[threading.Thread] = set()
        self._sleepers: dict[threading.Thread, Sleeper] = {}
        self.limit = math.inf
        self.waits: list[float] = []
        self.at_wait: Callable[[float], None] | None = None

    def join(self, thread: threading.Thread) -> None:
        """Wait for a thread before time passes."""
        with self._lock:
            self._threads.add(thread)

    def leave(self, thread: threading.Thread) -> None:
        """Do not wait for a thread any more, until it waits for time again."""
        with self._lock:
            self._threads.discard(thread)

    def now(self) -> float:
        """Return the time."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass, as a handler does that takes long."""
        with self._lock:
            self._now += seconds

    @property
    def blocked(self) -> int:
        """How many wait for a moment that will not come before the limit is changed, and for nothing else."""
        with self._lock:
            return sum(
                self.limit < sleeper.deadline and not sleeper.event.is_set() for sleeper in self._sleepers.values()
            )

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for the event, or until so much time has passed."""
        if seconds < math.inf:
            self.waits.append(seconds)
            if self.at_wait:
                self.at_wait(seconds)
        thread = threading.current_thread()
        with self._lock:
            self._threads.add(thread)
            sleeper = self._sleepers[thread] = Sleeper(self._now + seconds, event)
        give_up = time.monotonic() + 3 * PATIENCE
        try:
            while not event.is_set():
                with self._lock:
                    if self._now >= sleeper.deadline:
                        break
                    if self._jumped():
                        continue
                event.wait(0.001)
                assert time.monotonic() < give_up, "nobody ended a wait"
        finally:
            with self._lock:
                del self._sleepers[thread]
        # A breath for the other threads: a worker without work would keep a processor busy.
        return event.wait(0.001)

    def _jumped(self) -> bool:
        """Let time pass if everybody waits, and nobody is about to go on; say whether it did."""
        self._threads = {each for each in self._threads if each.ident is None or each.is_alive()}
        sleepers = self._sleepers.values()
        if any(each not in self._sleepers for each in self._threads):
            return False
        if any(each.event.is_set() or each.deadline <= self._now for each in sleepers):
            return False
        first = min(each.deadline for each in sleepers)
        if first > self.limit or first == math.inf:
            return False
        self._now = first
        return True


class World:
    """One server, one clock, the clients made here, and what their handlers saw.

    Args:
        caplog: What is logged.
        transport: What carries the requests of clients that do not say otherwise.
    """

    def __init__(self, caplog: pytest.LogCaptureFixture, transport: str) -> None:
        self.clock = JumpingClock()
        self.stub = Stub(self.clock.now)
        self.handled: list[str] = []
        self.subscriptions: list[ExternalWorkerSubscription] = []
        self._clients: list[ExternalWorkerClient] = []
        self._caplog = caplog
        self.transport = transport

    def client(self, **options: Any) -> ExternalWorkerClient:
        """Make a client for the server."""
        options = {"clock": self.clock, "transport": self.transport, **options}
        client = ExternalWorkerClient(f"http://127.0.0.1:{self.stub.port}", **options)
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
        if self.transport == "fast":
            # Nobody waits for them any more, but pyreqwest keeps them until their time is up.
            self.stub.end_hanging()
        # urllib3 closes connections when their pool is collected; tracebacks keep pools, and records keep tracebacks.
        for phase in ("setup", "call"):
            self._caplog.get_records(phase).clear()
        eventually(lambda: self.stub.connections == 0 or gc.collect() < 0, "the connections to be closed")
        self.stub.close()


@pytest.fixture(params=["requests", "fast"])
def transport(request: pytest.FixtureRequest) -> str:
    """What carries requests."""
    return str(request.param)


@pytest.fixture
def world(caplog: pytest.LogCaptureFixture, transport: str) -> Iterator[World]:
    """A world with a server that is up; threads and sockets are counted at the end."""
    before = set(threading.enumerate())
    # What a long test run has piled up is not looked through again and again: a collection then takes a millisecond.
    gc.freeze()
    caplog.set_level(logging.INFO)
    made = World(caplog, transport)
    made.stub.up()
    try:
        yield made
    finally:
        made.close()
        eventually(lambda: set(threading.enumerate()) <= before, "threads to end")
        # A socket that nobody closed makes itself heard when it is collected, and fails the test that lost it.
        gc.collect()
        gc.unfreeze()


class Wire(EmbeddedAdapter):
    """The way to an embedded engine, on which a test can look at requests, and hold them up.

    Attributes:
        before: Called before each request, on the thread that sends it, with operation and body.
        threads: By job, the names of the threads that settled it.
        asked: For how many jobs each acquire asked.
        listed: The filters of each look through the jobs.
    """

    def __init__(self, engine: EmbeddedEngine) -> None:
        super().__init__(engine)
        self.before: Callable[[str, dict[str, Any]], object] = lambda operation, body: None
        self.threads: dict[str, list[str]] = {}
        self.asked: list[int] = []
        self.listed: list[dict[str, str]] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Look at a request, and carry it to the engine."""
        body = json.loads(request.body) if request.body else {}
        path, _, query = str(request.path_url).partition("?")
        *_, job_id, operation = path.split("/")
        if "numberOfTasks" in body:
            operation = "acquire"
            self.asked.append(body["numberOfTasks"])
        elif request.method == "POST":
            self.threads.setdefault(job_id, []).append(threading.current_thread().name)
        elif operation == "jobs":
            self.listed.append(dict(parse_qsl(query)))
        self.before(operation, body)
        return super().send(request, *args, **kwargs)


class Workshop:
    """An embedded engine, and clients for it that are closed at the end of the test.

    Args:
        clock: Of both. `None`: the machine's.
        engine: Options of the engine.
    """

    def __init__(self, clock: EngineClock | None = None, **engine: Any) -> None:
        self.clock = clock
        self.engine = EmbeddedEngine(Process("p", Task("work", "t")), clock=clock, **engine)
        self.wire = Wire(self.engine)
        self._clients: list[ExternalWorkerClient] = []

    def client(self, **options: Any) -> ExternalWorkerClient:
        """Make a client."""
        options.setdefault("clock", self.clock)
        client = ExternalWorkerClient(self.wire.url, customize_session=self.wire.mount, **options)
        self._clients.append(client)
        return client

    def start(self, number: int, key: str = "p") -> list[str]:
        """Start instances, and return their ids."""
        return [self.engine.start(key) for _ in range(number)]

    def close(self) -> None:
        """Close the clients."""
        if self.clock is not None:
            self.clock.end()
        ended = [client.close(PATIENCE) for client in self._clients]
        assert all(ended)


def worker_of(*topics: str, **options: Any) -> Worker:
    """Make a worker whose handlers do nothing."""
    worker = Worker(**options)
    for topic in topics:
        worker.job(topic)(lambda: None)
    return worker


@pytest.fixture
def workshops(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Workshop]]:
    """Make workshops: on a clock that jumps while the test waits for the engine, or in real time."""
    before = set(threading.enumerate())
    caplog.set_level(logging.INFO)
    made: list[Workshop] = []

    def make(*, real_time: bool = False, **engine: Any) -> Workshop:
        made.append(Workshop(None if real_time else EngineClock(), **engine))
        return made[-1]

    yield make
    for workshop in made:
        workshop.close()
    eventually(lambda: set(threading.enumerate()) <= before, "threads to end")
