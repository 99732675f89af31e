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
from flowable.external_worker_client.runtime.resend import Sight, Verdict

_logger = logging.getLogger(__name__)


class Delivery:
    """Delivers what one handler decided. Made for one job; used by the thread that settles it.

    Args:
        clock: Tells the time and waits.
        chance: Returns random numbers from 0 to 1.
        stop: Set when the subscription is told to stop: what is under way then gets a few seconds more.
        owner: The name that holds the job.
        deadline: End of the job's lock, on the clock.

    Attributes:
        operation: What was delivered last. `None` before the first.
        verdict: How the last delivery ended. `None` before the first.
        error: What that delivery raised. `None` when it was settled.
    """

    def __init__(
        self, *, clock: Clock, chance: Callable[[], float], stop: threading.Event, owner: str, deadline: float
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._stop = stop
        self._owner = owner
        self._deadline = deadline
        self._stop_seen: float | None = None
        self.operation: Operation | None = None
        self.verdict: Verdict | None = None
        self.error: Exception | None = None

    def carry(
        self, operation: Operation, job_id: str, send: Callable[[], None], holder: Callable[[], str | None]
    ) -> None:
        """See `restclient.Carrier.carry`."""
        started = self._clock.now()
        state = resend.Delivery(
            operation.effect, ends=lifecycle.delivery_ends(started=started, deadline=self._deadline)
        )
        self.operation, self.verdict, self.error = operation, None, None
        while True:
            error: Exception | None = None
            reading = DONE
            try:
                send()
            except Exception as problem:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
                error = problem
                reading = failures.read(problem, operation.effect, time.time())
            state, step = self._hurried(state).after(reading, self._clock.now(), self._chance())
            if step.verdict is Verdict.LOOK:
                sight = self._look(holder)
                state, step = self._hurried(state).after_look(sight, reading, self._clock.now(), self._chance())
            if step.verdict is not Verdict.AGAIN:
                self._end(step.verdict, error, state.sends, operation, job_id)
                return
            _logger.warning(
                "Job %s: %s was not delivered, %s; sending again in %.1f s",
                job_id,
                operation.name,
                explain(reading),
                step.pause,
            )
            self._pause(step.pause)

    def _end(self, verdict: Verdict, error: Exception | None, sends: int, operation: Operation, job_id: str) -> None:
        self.verdict = verdict
        if verdict is Verdict.SETTLED:
            if sends > 1:
                _logger.info("Job %s: %s is delivered, with send %d", job_id, operation.name, sends)
            return
        self.error = error
        if error is not None:
            raise error

    def _hurried(self, state: resend.Delivery) -> resend.Delivery:
        """Return the state with an earlier end when the subscription is stopping."""
        if not self._stop.is_set():
            return state
        if self._stop_seen is None:
            self._stop_seen = self._clock.now()
        return replace(state, ends=min(state.ends, self._stop_seen + lifecycle.DELIVERY_WHEN_STOPPING))

    def _pause(self, seconds: float) -> None:
        if self._stop.is_set():
            # The event cannot wake anybody any more, and an engine that is coming back deserves short pauses now.
            self._clock.wait(threading.Event(), min(seconds, 0.5))
        else:
            self._clock.wait(self._stop, seconds)

    def _look(self, holder: Callable[[], str | None]) -> Sight:
        try:
            return Sight.OURS if holder() == self._owner else Sight.OTHERS
        except Exception as problem:  # noqa: BLE001 - as above
            gone = failures.read(problem, Effect.READS, time.time()).meaning is Meaning.GONE
            return Sight.GONE if gone else Sight.NOTHING
