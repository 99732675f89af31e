"""Where a cell of the matrix is played: an engine over HTTP, a proxy before it, and time that runs faster."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from flowable.external_worker_client import ExternalWorkerClient, ExternalWorkerSubscription, RetryPolicy
from flowable.external_worker_client.testing import (
    Case,
    EmbeddedEngine,
    EmbeddedServer,
    End,
    Event,
    FaultProxy,
    Process,
    Task,
)

from .troubles import HANG, OPERATIONS, Cell, Expected, Fault, Trouble

if TYPE_CHECKING:
    from types import TracebackType

    from flowable.external_worker_client import ExternalWorkerAcquireJobResponse, WorkerResultBuilder

#: How much faster time runs for worker and engine than on the wall: a pause of five seconds takes a tenth of one.
SPEED = 50.0

#: Real seconds until a cell gives up waiting; a cell without hanging requests takes a tenth of one.
PATIENCE = 15.0

#: What the log says when a worker gives a result up, whatever the reason.
_GIVEN_UP = re.compile("the lock was lost before|found no such job|could not be delivered|could not be reported")


class SwiftClock:
    """The machine's clock, running faster."""

    def __init__(self, speed: float = SPEED) -> None:
        self._speed = speed
        self._began = time.monotonic()

    def now(self) -> float:
        """Return seconds since the beginning."""
        return (time.monotonic() - self._began) * self._speed

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set or so many seconds have passed on this clock."""
        return event.wait(None if seconds == math.inf else seconds / self._speed)


class Place:
    """One engine with its server and its proxy, for many cells, one after the other; each has a topic of its own.

    Args:
        release: Of the engine.
        clock: For the engine, and for the workers.
    """

    def __init__(self, release: str, clock: SwiftClock) -> None:
        self.clock = clock
        self.engine = EmbeddedEngine(clock=clock, release=release, reset_interval=1.0, keep_events=1_000)
        with ExitStack() as stack:
            server = stack.enter_context(EmbeddedServer(self.engine))
            self.proxy = stack.enter_context(FaultProxy(server.url, keep_exchanges=100))
            self._stack = stack.pop_all()

    def close(self) -> None:
        """End it."""
        self._stack.close()

    def plan(self, operation: str, fault: Fault) -> None:
        """Plan a fault for the requests of an operation."""
        faults: Any = self.engine.faults if fault.door == "engine" else self.proxy.faults
        if fault.method == "skew_clock":
            faults.skew_clock(**fault.arguments)
        else:
            getattr(faults, fault.method)(OPERATIONS[operation], **fault.arguments)

    def limit(self, **limits: Any) -> None:
        """Let the proxy close connections, though nothing is wrong."""
        for name, value in limits.items():
            setattr(self.proxy, name, value)

    def tidy(self) -> None:
        """Make it as it was."""
        self.engine.faults.clear()
        self.engine.faults.skew_clock(0.0)
        self.proxy.clear()
        self.proxy.release()
        self.proxy.accept()
        self.proxy.requests_per_connection, self.proxy.close_after = None, frozenset()


Scene = Callable[..., object]

#: What can happen besides faults of requests: it gets the place and the instance whose handler runs, if one does.
SCENES: dict[str, Scene] = {
    "refuse": lambda place, instance, **arguments: place.proxy.refuse(**arguments),
    "limit": lambda place, instance, **arguments: place.limit(**arguments),
    "skew": lambda place, instance, **arguments: place.engine.faults.skew_clock(**arguments),
    "expire": lambda place, instance, **arguments: [
        place.engine.expire_lock(job.id, **arguments) for job in place.engine.jobs() if job.instance_id == instance
    ],
    "delete": lambda place, instance: place.engine.delete(instance),
    "suspend": lambda place, instance: place.engine.suspend(instance),
}


class Play:
    """One cell, played: a worker, its handler, and what the engine saw.

    Args:
        place: Where.
        cell: Which.
        trouble: What goes wrong in it.

    Attributes:
        runs: What each run of a handler was told of the retries, by instance.
        settled: How often each instance's jobs were settled in the engine.
        given_up: Lines of the log that say that a result was given up.
    """

    _numbers = iter(range(1_000_000))

    def __init__(self, place: Place, cell: Cell, trouble: Trouble) -> None:
        self.place, self.cell, self.trouble = place, cell, trouble
        self.topic = f"t{next(self._numbers)}"
        self.runs: defaultdict[str, list[int]] = defaultdict(list)
        self.settled: Counter[str] = Counter()
        self.given_up: list[str] = []
        self.instances: list[str] = []
        self.gate = threading.Event()
        self.at_the_gate = 0
        self._scenes = [fault for fault in trouble.faults if fault.door == "scene"]
        self._guard = threading.Lock()
        self._stack = ExitStack()
        task = Task("work", self.topic, on_error={"E": [End("caught")]})
        case = cell.operation == "cmmnTerminate"
        place.engine.deploy(Case(self.topic, task) if case else Process(self.topic, task, End("done")))

    # ------------------------------------------------------------ begin and end

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._stack.callback(self.place.engine.on_event(self._noted))
        listener = _Listener(self.given_up)
        logger = logging.getLogger("flowable")
        logger.addHandler(listener)
        self._stack.callback(logger.removeHandler, listener)
        self.client = ExternalWorkerClient(
            self.place.proxy.url,
            clock=self.place.clock,
            timeout=(1.0, HANG),
            retry=RetryPolicy(first_pause="2s", jitter=0.0),
            transport=self.cell.transport,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End whatever goes on."""
        self.gate.set()
        self.place.tidy()
        self.client.close("250s")
        self._stack.close()

    def start(self, count: int) -> list[str]:
        """Start so many instances, and return their ids."""
        started = [self.place.engine.start(self.topic) for _ in range(count)]
        self.instances += started
        return started

    def subscribe(self, batch: int) -> ExternalWorkerSubscription:
        """Begin to work."""
        return self.client.subscribe(
            self.topic,
            self._handle,
            lock_duration="10m",
            wait_period_seconds=2.0,
            number_of_tasks=batch,
            concurrency=self.cell.slots,
        )

    def trouble_begins(self) -> None:
        """Plan the faults, but for those that wait for a handler."""
        for fault in self.trouble.faults:
            if fault.door != "scene":
                self.place.plan(self.cell.operation, fault)

    def scenes(self, instance: str | None = None) -> None:
        """Let happen what happens once, while a handler runs or at the moment that stands for that."""
        with self._guard:
            scenes, self._scenes = self._scenes, []
        for each in scenes:
            SCENES[each.method](self.place, instance, **each.arguments)

    # ------------------------------------------------------------ the worker

    def _handle(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> Any:
        instance = job.process_instance_id or job.scope_id or ""
        with self._guard:
            self.runs[instance].append(job.retries)
            first = len(self.runs[instance]) == 1
        if self.cell.operation == "release":
            with self._guard:
                self.at_the_gate += 1
            self.gate.wait(PATIENCE)
            return result.success()
        if self.cell.operation != "acquire":
            self.scenes(instance)
        match self.cell.operation:
            case "bpmnError":
                return result.bpmn_error().error_code("E")
            case "cmmnTerminate":
                return result.cmmn_terminate()
            case "fail" if first:
                raise RuntimeError("the first attempt fails")
            case _:
                return result.success().variable_string("answer", "42")

    # ------------------------------------------------------------ the engine

    def _noted(self, event: Event) -> None:
        if event.topic == self.topic and event.kind in ("completed", "errored", "terminated"):
            self.settled[event.instance_id] += 1

    def ended(self) -> list[str]:
        """Return the instances that have ended."""
        return [each for each in self.instances if self.place.engine.instance(each).ended]

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain; {self!r}"
            time.sleep(0.002)

    def finish(self, expected: Expected | None) -> None:
        """Wait until all instances have ended, and do what they need for that beside a worker."""
        ends = "by itself" if expected is None else expected.ends
        if ends in ("lock", "activated"):
            # One is left when the worker has given its result up. None, if the same happened to several, and to each
            # not often enough.
            self.wait_until(lambda: len(self.ended()) >= len(self.instances) - bool(self.given_up))
            for left in set(self.instances) - set(self.ended()):
                if ends == "activated":
                    self.place.engine.activate(left)
            self.end_locks()
        self.wait_until(lambda: len(self.ended()) == len(self.instances))

    def locked(self) -> list[str]:
        """Return the ids of jobs that are locked."""
        return [job.id for job in self.place.engine.jobs(self.topic) if job.lock_owner is not None]

    def end_locks(self) -> None:
        """Let the locks end that nobody here knows of any more."""
        for job_id in self.locked():
            self.place.engine.expire_lock(job_id)

    def __repr__(self) -> str:
        """Say where it stands."""
        jobs = [
            (job.lock_owner, job.retries, job.table) for job in self.place.engine.every_job() if job.topic == self.topic
        ]
        return f"{self.cell}: runs {dict(self.runs)}, settled {dict(self.settled)}, jobs {jobs}, {self.given_up}"


class _Listener(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if _GIVEN_UP.search(line := record.getMessage()):
            self._lines.append(line)
