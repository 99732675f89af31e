"""Carries results to the engine until something final is known. A thin shell around `resend`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from flowable.external_worker_client.rest import failures
from flowable.external_worker_client.rest.answers import DONE, Meaning
from flowable.external_worker_client.rest.operations import Effect, Operation
from flowable.external_worker_client.runtime import lifecycle, resend
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.explain import explain
from flowable.external_worker_client.runtime.lifecycle import Lock
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.resend import Sight, Verdict

_log = Log(__name__)

#: Pause between two sends once the subscription is stopping: nothing can wake it any more.
_STEP_WHEN_STOPPING = 0.5  # seconds


class Delivery:
    """Delivers what the handler of one job decided. Used by the thread that runs the handler.

    It also carries what the handler itself sends through the REST client, for this job or for others.

    Args:
        job_id: The job.
        lock: What it is locked with.
        clock: Tells the time and waits.
        chance: Returns random numbers from 0 to 1.
        stop: Set when the subscription is told to stop: what is under way then gets a few seconds more.

    Attributes:
        operation: What was delivered last for this job. `None` before the first.
        verdict: How that ended. `None` before the first.
        error: What that raised. `None` when it was settled.
    """

    def __init__(
        self, *, job_id: str, lock: Lock, clock: Clock, chance: Callable[[], float], stop: threading.Event
    ) -> None:
        self._job_id = job_id
        self._lock = lock
        self._clock = clock
        self._chance = chance
        self._stop = stop
        self._stop_seen: float | None = None
        self.operation: Operation | None = None
        self.verdict: Verdict | None = None
        self.error: BaseException | None = None

    @property
    def settled(self) -> bool:
        """Whether the engine has the outcome of this job."""
        return self.verdict is Verdict.SETTLED

    def owner_of(self, job_id: str) -> str | None:
        """See `restclient.Carrier.owner_of`."""
        return self._lock.owner if job_id == self._job_id else None

    def carry(
        self,
        operation: Operation,
        job_id: str,
        owner: str,
        send: Callable[[], None],
        holder: Callable[[], str | None],
    ) -> None:
        """See `restclient.Carrier.carry`."""
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
                reading = failures.read(problem, operation.effect, time.time())
            state, step = self._hurried(state).after(reading, self._clock.now(), self._chance())
            if step.verdict is Verdict.LOOK:
                sight = self._look(holder, owner)
                state, step = self._hurried(state).after_look(sight, reading, self._clock.now(), self._chance())
            if step.verdict is not Verdict.AGAIN:
                break
            _log.say(
                logging.WARNING,
                "Job %s: %s was not delivered, %s; sending again in %.1f s",
                job_id,
                operation.name,
                explain(reading),
                step.pause,
                job_id=job_id,
            )
            del error
            self._pause(step.pause)
        if step.verdict is Verdict.SETTLED:
            error = None
            if state.sends > 1:
                _log.say(
                    logging.INFO,
                    "Job %s: %s was delivered with send %d",
                    job_id,
                    operation.name,
                    state.sends,
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
        if not self._stop.is_set():
            return state
        if self._stop_seen is None:
            self._stop_seen = self._clock.now()
        return replace(state, ends=min(state.ends, self._stop_seen + lifecycle.DELIVERY_WHEN_STOPPING))

    def _pause(self, seconds: float) -> None:
        if self._stop.is_set():
            self._clock.wait(threading.Event(), min(seconds, _STEP_WHEN_STOPPING))
        else:
            self._clock.wait(self._stop, seconds)

    def _look(self, holder: Callable[[], str | None], owner: str) -> Sight:
        try:
            return Sight.OURS if holder() == owner else Sight.OTHERS
        except BaseException as problem:  # noqa: BLE001 - as above
            gone = failures.read(problem, Effect.READS, time.time()).meaning is Meaning.GONE
            return Sight.GONE if gone else Sight.NOTHING
