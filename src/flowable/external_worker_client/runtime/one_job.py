"""One job, from the call of its handler to what the engine was told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from flowable.external_worker_client.durations import from_seconds
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException
from flowable.external_worker_client.rest.codec import UnreadableJob
from flowable.external_worker_client.rest.operations import FAIL
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient, carried_by
from flowable.external_worker_client.runtime import failure
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.delivery import Delivery
from flowable.external_worker_client.runtime.lifecycle import Lock
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.resend import Verdict
from flowable.external_worker_client.worker_result import Executable

_log = Log(__name__)

#: A job that cannot be read is offered again after this: perhaps to a worker that can.
_PAUSE_OF_THE_UNREADABLE = "PT1M"

Job = ExternalWorkerAcquireJobResponse


class JobRunner:
    """Runs the handler of a topic for one job after the other, and settles what it decides.

    Args:
        topic: The topic, for the log.
        lock_seconds: How long its jobs are locked, for the log.
        run_handler: Runs the person's function and returns its outcome; raises what that raises.
        rest_client: Returns the REST client to use. Asked every time: people put another one in its place.
        clock: Tells the time and waits.
        chance: Returns random numbers from 0 to 1.
        stop: Set when the subscription is told to stop.
    """

    def __init__(
        self,
        *,
        topic: str,
        lock_seconds: float,
        run_handler: Callable[[Job], Executable],
        rest_client: Callable[[], Any],
        clock: Clock,
        chance: Callable[[], float],
        stop: threading.Event,
    ) -> None:
        self._topic = topic
        self._lock_seconds = lock_seconds
        self._run_handler = run_handler
        self._rest_client = rest_client
        self._clock = clock
        self._chance = chance
        self._stop = stop

    def run(self, job: Job, lock: Lock) -> float:
        """Run the handler and settle the job.

        Returns:
            How long the handler ran, in seconds; delivering its result does not count.
        """
        delivery = self._delivery(job.id, lock)
        started = self._clock.now()
        ended = started
        try:
            # What the handler itself sends through the client gets the same care as what it returns.
            with carried_by(delivery):
                try:
                    outcome = self._run_handler(job)
                finally:
                    ended = self._clock.now()
                if delivery.settled:
                    self._say(logging.DEBUG, job, "Job %s: the handler settled it itself", job.id)
                else:
                    rest_client = self._rest_client()
                    outcome.execute(rest_client)
                    if delivery.verdict is None and issubclass(type(rest_client), FlowableExternalWorkerRestClient):
                        self._say(
                            logging.WARNING,
                            job,
                            "Job %s: its outcome, a %s, told the engine nothing; unless something else did, the job "
                            "is offered again when its lock ends",
                            job.id,
                            type(outcome).__name__,
                        )
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a handler is a failed job, not the worker's end
            self._raised(job, lock, delivery, error)
        return ended - started

    def refuse(self, unreadable: UnreadableJob, lock: Lock) -> None:
        """Fail a job that cannot be read: somebody should see it in the engine, and its neighbours must not wait."""
        _log.say(
            logging.ERROR,
            "Topic %r: the engine sent a job that cannot be read: %s",
            self._topic,
            unreadable.reason,
            topic=self._topic,
            job_id=unreadable.id,
        )
        if unreadable.id is None:
            return
        try:
            with carried_by(self._delivery(unreadable.id, lock)):
                self._rest_client().fail_job(
                    unreadable.id,
                    f"The worker cannot read this job: {unreadable.reason}",
                    retry_timeout=_PAUSE_OF_THE_UNREADABLE,
                )
        except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            _log.say(
                logging.WARNING,
                "Job %s: its failure could not be reported: %s",
                unreadable.id,
                failure.describe(error).message,
                job_id=unreadable.id,
            )

    def _raised(self, job: Job, lock: Lock, delivery: Delivery, error: BaseException) -> None:
        """Tell an outcome that was not delivered from a handler, or a person's own outcome, that failed."""
        if delivery.error is not None:
            self._not_delivered(job, lock, delivery, delivery.error)
        elif delivery.settled:
            self._say(
                logging.ERROR,
                job,
                "Job %s: the handler of topic %r raised after the job was settled: %s",
                job.id,
                self._topic,
                failure.describe(error).message,
                error=error,
            )
        else:
            report = failure.describe(error)
            self._report(job, lock, report)
            self._say(
                logging.ERROR,
                job,
                "Job %s: the handler of topic %r failed, with %s retries left before: %s",
                job.id,
                self._topic,
                job.retries,
                report.message,
                error=error,
            )

    def _not_delivered(self, job: Job, lock: Lock, delivery: Delivery, error: BaseException) -> None:
        """Say what became of a result that the engine did not take; one that it can never take becomes a failure."""
        operation = delivery.operation.name if delivery.operation else ""
        verdict = delivery.verdict
        said = failure.describe(error)
        late = self._clock.now() > lock.deadline
        if verdict is Verdict.UNSTORABLE and delivery.operation is not FAIL:
            reason = error.engine_error if isinstance(error, FlowableRestException) else None
            text = f"The engine cannot store the result: {reason or said.message}"
            self._report(job, lock, failure.Failure(text, said.details))
            self._say(logging.ERROR, job, "Job %s: %s; reported as its failure", job.id, text)
        elif verdict is Verdict.LOST or (verdict is Verdict.GONE and late):
            self._say(
                logging.ERROR,
                job,
                "Job %s: the lock was lost before %s arrived; the job runs again. The lock lasts %.0f s: "
                "choose a longer lock_duration if handlers of topic %r take that long",
                job.id,
                operation,
                self._lock_seconds,
                self._topic,
            )
        elif verdict is Verdict.GONE:
            self._say(
                logging.WARNING,
                job,
                "Job %s: %s came too late, the process or case went on without this job",
                job.id,
                operation,
            )
        else:
            self._say(
                logging.ERROR,
                job,
                "Job %s: %s could not be delivered (%s); the engine offers the job again when its lock ends: %s",
                job.id,
                operation,
                verdict.value if verdict else "unknown",
                said.message,
            )

    def _report(self, job: Job, lock: Lock, report: failure.Failure) -> None:
        """Fail a job, with a pause."""
        delivery = self._delivery(job.id, lock)
        pause = from_seconds(failure.pause(job.retries, self._chance()))
        try:
            with carried_by(delivery):
                self._rest_client().fail_job(
                    job.id, report.message, error_details=report.details, retry_timeout=pause.text
                )
        except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            if delivery.error is not None:
                self._not_delivered(job, lock, delivery, delivery.error)
            else:
                self._say(logging.ERROR, job, "Job %s: its failure could not be reported", job.id, error=error)

    def _delivery(self, job_id: str, lock: Lock) -> Delivery:
        return Delivery(job_id=job_id, lock=lock, clock=self._clock, chance=self._chance, stop=self._stop)

    def _say(self, level: int, job: Job, message: str, *args: object, error: BaseException | None = None) -> None:
        _log.say(
            level,
            message,
            *args,
            error=error,
            topic=self._topic,
            job_id=job.id,
            correlation_id=job.correlation_id,
        )
