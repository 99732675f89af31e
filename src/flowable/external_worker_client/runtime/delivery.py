"""Carries results to the engine until something final is known. A thin shell around `resend`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from flowable.external_worker_client.rest import failures
from flowable.external_worker_client.rest.answers import DONE, Meaning
from flowable.external_worker_client.rest.operations import GET, Operation
from flowable.external_worker_client.runtime import lifecycle, resend
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.explain import explain
from flowable.external_worker_client.runtime.lifecycle import Lock
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.resend import Sight, Verdict
from flowable.external_worker_client.runtime.stop import Stop

_log = Log(__name__)

#: Longest pause of our own between two sends once the subscription is stopping: an engine that comes back within the
#: grace must be noticed. What the engine asks for is kept.
_LONGEST_PAUSE_WHEN_STOPPING = 2.0  # seconds


class Delivery:
    """Delivers what the handler of one job decided. Used by the thread that runs the handler.

    It also carries what the handler itself sends through the REST client, for this job or for others.

    Args:
        topic: Of the job, for the log.
        job_id: The job.
        lock: What it is locked with.
        clock: Tells the time and waits.
        chance: Returns random numbers from 0 to 1.
        stop: Set when the subscription is told to stop: what is under way then gets its grace, or the lock.

    Attributes:
        operation: What was delivered last for this job. `None` before the first.
        verdict: How that ended. `None` before the first.
        error: What that raised. `None` when it was settled.
    """

    def __init__(
        self, *, topic: str, job_id: str, lock: Lock, clock: Clock, chance: Callable[[], float], stop: Stop
    ) -> None:
        self._topic = topic
        self._job_id = job_id
        self._lock = lock
        self._clock = clock
        self._chance = chance
        self._stop = stop
        self.operation: Operation | None = None
        self.verdict: Verdict | None = None
        self.error: BaseException | None = None

    @property
    def settled(self) -> bool:
        """Whether the engine has the outcome of this job."""
        return self.verdict is Verdict.SETTLED

    def owner_of(self, job_id: str) -> str | None:
        """See `rest.carrier.Carrier.owner_of`."""
        return self._lock.owner if job_id == self._job_id else None

    def carry(
        self,
        operation: Operation,
        job_id: str,
        owner: str,
        send: Callable[[], None],
        holder: Callable[[], str | None],
    ) -> None:
        """See `rest.carrier.Carrier.carry`."""
        started = self._clock.now()
        ends = lifecycle.delivery_ends(started=started, deadline=self._lock.deadline)
        state = resend.Delivery(operation.effect, ends=ends)
        while True:
            error: BaseException | None = None
            reading = DONE
            try:
                send()
            except BaseException as problem:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
                error = problem
                reading = failures.read(problem, operation, time.time())
            state, step = self._hurried(state).after(reading, self._clock.now(), self._chance())
            if step.verdict is Verdict.LOOK:
                sight = self._look(holder, owner)
                state, step = self._hurried(state).after_look(sight, reading, self._clock.now(), self._chance())
            if step.verdict is not Verdict.AGAIN:
                break
            pause = step.pause
            if self._stop.is_set() and reading.retry_after is None:
                pause = min(pause, _LONGEST_PAUSE_WHEN_STOPPING)
            fault = reading.meaning is Meaning.FAULT
            _log.say(
                logging.ERROR if fault else logging.WARNING,
                "Topic %r: %s of job %s was not delivered, %s; sending again in %.1f s",
                self._topic,
                operation.name,
                job_id,
                explain(reading),
                pause,
                error=error if fault else None,
                topic=self._topic,
                job_id=job_id,
            )
            del error
            self._pause(pause)
        if step.verdict is Verdict.SETTLED:
            error = None
            if state.sends > 1:
                said = "Topic %r: %s of job %s was delivered with send %d"
                _log.say(
                    logging.INFO,
                    said,
                    self._topic,
                    operation.name,
                    job_id,
                    state.sends,
                    topic=self._topic,
                    job_id=job_id,
                )
        if job_id == self._job_id:
            self.operation, self.verdict, self.error = operation, step.verdict, error
        if error is not None:
            try:
                raise error
            finally:
                # An exception that its own frame holds on to keeps connections open until the garbage is collected.
                del error

    def _hurried(self, state: resend.Delivery) -> resend.Delivery:
        """Return the state with an earlier end when the subscription is stopping."""
        told = self._stop.told
        if told is None:
            return state
        ends = lifecycle.delivery_ends_when_stopping(told=told, grace=self._stop.grace, deadline=self._lock.deadline)
        return replace(state, ends=min(state.ends, ends))

    def _pause(self, seconds: float) -> None:
        # Once it is set, the event cannot wake anybody any more.
        self._clock.wait(threading.Event() if self._stop.is_set() else self._stop, seconds)

    def _look(self, holder: Callable[[], str | None], owner: str) -> Sight:
        try:
            return Sight.OURS if holder() == owner else Sight.OTHERS
        except BaseException as problem:  # noqa: BLE001 - as above
            gone = failures.read(problem, GET, time.time()).meaning is Meaning.GONE
            return Sight.GONE if gone else Sight.NOTHING
