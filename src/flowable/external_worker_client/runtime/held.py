"""The jobs that a client holds, from the acquire to the end: one entry for each correlation id.

The correlation id is the one identity of a job: on some releases its id changes when a lock is reset
(docs/engine.md, Jobs). A job that is acquired again while it runs here is not run twice: its run takes over the new
lock.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.rest.operations import Effect
from flowable.external_worker_client.runtime import lifecycle
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.lifecycle import Event, State

Job = ExternalWorkerAcquireJobResponse


class Lock(NamedTuple):
    """What a job is locked with.

    Attributes:
        job_id: Id of the job under this lock.
        owner: The name that holds it. `None`: the REST client's own worker id.
        deadline: Until when, on the subscription's clock.
    """

    job_id: str
    owner: str | None
    deadline: float


class Lease:
    """The newest lock of a job, and all ids that it had. Read by several threads; replaced whole.

    Args:
        lock: The first one.
        clock: Tells the time.

    Attributes:
        lock: The newest one.
        ids: Every id under which the job is known here.
        renewals: How often it was locked anew.
    """

    __slots__ = ("_clock", "_owners", "ids", "lock", "renewals")

    def __init__(self, lock: Lock, clock: Clock) -> None:
        self._clock = clock
        self._owners: tuple[str | None, ...] = (lock.owner,)
        self.lock = lock
        self.ids: tuple[str, ...] = (lock.job_id,)
        self.renewals = 0

    def renew(self, lock: Lock) -> None:
        """Take over a newer lock."""
        if lock.job_id not in self.ids:
            self.ids = (*self.ids, lock.job_id)
        self._owners = (*self._owners, lock.owner)
        self.lock = lock
        self.renewals += 1

    def held_by(self, owner: str) -> bool:
        """Say whether a name is one of those that held the job; any is when only the REST client knows the name."""
        return owner in self._owners or None in self._owners

    def time_left(self) -> float:
        """Return how many seconds are left of the lock; negative when it is over."""
        return self.lock.deadline - self._clock.now()

    def deadline(self) -> datetime:
        """Return the end of the lock, in UTC, by the machine's calendar clock."""
        return datetime.now(UTC) + timedelta(seconds=self.time_left())


class HeldJob:
    """One job, while this client has to do with it.

    Attributes:
        topic: Its topic.
        job: The job.
        key: Its correlation id; its id where there is none (jobs made up by somebody's tests).
        lease: What it is locked with.
        state: Where it stands.
        sending: Effect of the settling call that is under way for it. `None`: none is.
        at_once: Whether a slot was free for it when it came.
        alone: Whether its handler runs alone in this process.
        began: When its handler was called, on the clock. `None`: it was not.
        ran: How long it ran, in seconds. `None`: it has not ended.
        left_behind: Whether it is an outcome that an earlier process left.
        overrun_said: Whether the log says that its handler runs longer than its lock.
    """

    __slots__ = (
        "alone",
        "at_once",
        "began",
        "job",
        "key",
        "lease",
        "left_behind",
        "overrun_said",
        "ran",
        "sending",
        "state",
        "topic",
    )

    def __init__(self, topic: str, job: Job, lease: Lease) -> None:
        self.topic = topic
        self.job = job
        self.key = job.correlation_id or job.id
        self.lease = lease
        self.state = State.WAITING
        self.sending: Effect | None = None
        self.at_once = False
        self.alone = False
        self.began: float | None = None
        self.ran: float | None = None
        self.left_behind = False
        self.overrun_said = False

    def happened(self, event: Event) -> None:
        """Go on to the next state.

        Raises:
            IllegalStepError: There is none.
        """
        self.state = lifecycle.step(self.state, event)


class Registry:
    """All jobs that one client holds. For use by several threads."""

    def __init__(self) -> None:
        self._held: dict[str, HeldJob] = {}
        self._lock = threading.Lock()

    def take(self, held: HeldJob) -> bool:
        """Enter a job that was acquired.

        Returns:
            Whether it is to be worked on. `False`: a run of it is under way here, and has taken over its lock.
        """
        with self._lock:
            earlier = self._held.get(held.key)
            if earlier is not None and lifecycle.takes_over(earlier.state, earlier.sending):
                earlier.lease.renew(held.lease.lock)
                return False
            self._held[held.key] = held
            return True

    def enter(self, held: HeldJob) -> bool:
        """Enter an outcome that an earlier process left, unless a run of its job is under way here.

        Returns:
            Whether it was entered. `False`: the run goes on as if nothing had been.
        """
        with self._lock:
            if held.key in self._held:
                return False
            self._held[held.key] = held
            return True

    def drop(self, held: HeldJob) -> None:
        """Let go of a job that has come to its end. It may have been acquired anew by now: that one stays."""
        with self._lock:
            if self._held.get(held.key) is held:
                del self._held[held.key]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._held)
