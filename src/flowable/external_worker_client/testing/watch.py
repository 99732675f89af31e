"""How a test waits for the embedded engine: how long until the next look, and what is said when it was in vain."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from flowable.external_worker_client.testing.jumping import JumpingClock

if TYPE_CHECKING:
    from flowable.external_worker_client.testing.clock import Clock
    from flowable.external_worker_client.testing.core import Core
    from flowable.external_worker_client.testing.faults import Faults
    from flowable.external_worker_client.testing.instances import Instance
    from flowable.external_worker_client.testing.jobs import Job
    from flowable.external_worker_client.testing.sent import Requests

__all__ = ["NotInTimeError", "Watch", "situation"]

_LOOK: Final = 0.02  # seconds between two looks at most
_LOOK_AT_JUMPS: Final = 0.001  # seconds, while a clock jumps
_FRUITLESS_JUMPS: Final = 25  # for each thread on the clock
_FRUITLESS_SECONDS: Final = 1.0  # real ones: a thread besides the workers may be about to do something
_SHOWN: Final = 5  # instances


class NotInTimeError(AssertionError, TimeoutError):
    """What a test waited for did not happen. An `AssertionError`, so that it is reported as a failure of the test."""


class Watch:
    """One wait of a test. Only used while the engine is locked.

    Args:
        core: The tables of the engine.
        faults: What is planned to go wrong.
        requests: What workers sent.
        clock: The clock that the engine was given; None for the machine's.
        timeout: In real seconds.
    """

    def __init__(self, core: Core, faults: Faults, requests: Requests, clock: Clock | None, timeout: float) -> None:
        self._core = core
        self._faults = faults
        self._requests = requests
        self._clock = clock
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._seen: tuple[object, ...] = ()
        self._fruitless = 0
        self._since = 0.0

    def pause(self) -> float:
        """Return how long to wait before the next look, in seconds; let the clock jump if that is what it does.

        Raises:
            NotInTimeError: If the time is over, or nothing is going to happen any more.
        """
        now = time.monotonic()
        if now >= self._deadline:
            raise NotInTimeError(f"the condition did not hold within {self._timeout:g} s; {self._situation()}")
        due = None if self._core.next_due is None else (self._core.next_due - self._core.now) / 1000
        clock = self._clock
        if isinstance(clock, JumpingClock):
            threads = clock.threads
            if (threads or not self._anybody_holds_a_lock()) and clock.jump(due):
                self._jumped(now, due, threads)
            return min(self._deadline - now, _LOOK_AT_JUMPS)
        pause = _LOOK if due is None else min(_LOOK, max(0.001, due))
        return min(self._deadline - now, pause)

    def _jumped(self, now: float, due: float | None, threads: int) -> None:
        """Give up when time passes and nothing comes of it."""
        events = self._core.events
        seen = (events[-1] if events else None, self._faults.pending)
        if due is not None or seen != self._seen:
            self._seen, self._fruitless, self._since = seen, 0, now
        self._fruitless += 1
        if self._fruitless > _FRUITLESS_JUMPS * threads and now - self._since > _FRUITLESS_SECONDS:
            raise NotInTimeError(
                f"the condition does not hold, and nothing is going to happen any more: all workers on this clock "
                f"({threads}) ask in vain, and nothing is due in the engine; {self._situation()}"
            )

    def _situation(self) -> str:
        topics = sorted({request.topic for request in self._requests.read(()) if request.operation == "acquire"})
        asked = f"workers asked for topics {', '.join(map(repr, topics))}" if topics else "no worker asked for jobs"
        return f"{situation(self._core)}\n  {asked}"

    def _anybody_holds_a_lock(self) -> bool:
        return any(job.lock_owner is not None for job in self._core.store)


def situation(core: Core) -> str:
    """Return where an engine stands: a line, and one for each of the first instances that run, and for their jobs."""
    running = [instance for instance in core.instances.values() if instance.end is None]
    lines = [f"{len(running)} instances run, {len(core.store)} external jobs, {len(core.dead_letters)} dead letters"]
    for instance in running[:_SHOWN]:
        lines.append(f"  {_where(instance)}")
        lines += [f"    {_what(job, core.now)}" for job in instance.jobs.values()]
    if len(running) > _SHOWN:
        lines.append(f"  and {len(running) - _SHOWN} more")
    return "\n".join(lines)


def _where(instance: Instance) -> str:
    tasks = sorted(each.task.id for each in instance.executions.values() if each.task is not None)
    people = f", waits for people at {', '.join(tasks)}" if tasks else ""
    state = "is suspended" if instance.suspended else "runs"
    reached = ", ".join(instance.path) or "nothing"
    return f"instance {instance.id} of {instance.definition.key!r} {state}, reached {reached}{people}"


def _what(job: Job, now: int) -> str:
    match job.table:
        case "deadletter":
            state = "a dead letter"
        case "suspended":
            state = "suspended"
        case "continuation":
            state = "done by its worker, but what follows is not"
        case "external" if job.lock_owner is not None:
            state = f"locked by {job.lock_owner!r}"
        case "external" if job.lock_expiry is not None:
            state = f"held back for {max(0, job.lock_expiry - now) / 1000:g} s more"
        case _:
            state = "free, waiting for a worker"
    message = "" if job.exception_message is None else f"; failed with {job.exception_message!r}"
    return f"job {job.id} of topic {job.topic!r}: {state}, {job.retries} retries left{message}"
