"""One job, from the call of its handler to what the engine was told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flowable.external_worker_client.durations import from_seconds
from flowable.external_worker_client.errors import shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException
from flowable.external_worker_client.rest.carrier import carried_by
from flowable.external_worker_client.rest.codec import UnreadableJob
from flowable.external_worker_client.rest.operations import BPMN_ERROR, CMMN_TERMINATE, COMPLETE, FAIL
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient
from flowable.external_worker_client.runtime import failure
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.delivery import Delivery
from flowable.external_worker_client.runtime.lifecycle import Lock
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.resend import Verdict
from flowable.external_worker_client.runtime.stop import Stop
from flowable.external_worker_client.worker_result import Executable, NothingReturned

_log = Log(__name__)

#: A job that cannot be read is offered again after this: perhaps to a worker that can.
_PAUSE_OF_THE_UNREADABLE = "PT1M"

#: What the log says of a job that was settled.
_ENDED = {COMPLETE: "completed", BPMN_ERROR: "ended in a BPMN error", CMMN_TERMINATE: "terminated", FAIL: "failed"}

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
        stop: Stop,
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
                    self._settled_by_hand(job, outcome)
                else:
                    self._settle(job, delivery, outcome, ended - started)
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a handler is a failed job, not the worker's end
            self._raised(job, lock, delivery, error)
        return ended - started

    def _settle(self, job: Job, delivery: Delivery, outcome: Executable, seconds: float) -> None:
        rest_client = self._rest_client()
        outcome.execute(rest_client)
        operation = delivery.operation
        if operation is not None:
            self._say(
                logging.WARNING if operation is FAIL else logging.INFO,
                job,
                "Topic %r: job %s of %r %s after %.3f s: %s",
                self._topic,
                job.id,
                job.element_id,
                _ENDED[operation],
                seconds,
                shorten(outcome),
            )
        elif issubclass(type(rest_client), FlowableExternalWorkerRestClient):
            self._say(
                logging.WARNING,
                job,
                "Topic %r: job %s: its outcome, %s, told the engine nothing; unless something else did, the job is "
                "offered again when its lock ends",
                self._topic,
                job.id,
                shorten(outcome),
            )

    def _settled_by_hand(self, job: Job, outcome: Executable) -> None:
        """The handler used the REST client itself. That its `None` means success is then not wanted."""
        if isinstance(outcome, NothingReturned):
            self._say(logging.INFO, job, "Topic %r: job %s was settled by its handler itself", self._topic, job.id)
        else:
            self._say(
                logging.WARNING,
                job,
                "Topic %r: job %s was settled by its handler itself, and what it returned is dropped: %s",
                self._topic,
                job.id,
                shorten(outcome),
            )

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
                "Topic %r: job %s: its failure could not be reported: %s",
                self._topic,
                unreadable.id,
                failure.describe(error).message,
                job_id=unreadable.id,
            )

    def _raised(self, job: Job, lock: Lock, delivery: Delivery, error: BaseException) -> None:
        """Tell an outcome that was not delivered from a handler, or a person's own outcome, that failed."""
        described = failure.describe(error)
        if delivery.error is not None and error is delivery.error:
            self._not_delivered(job, lock, delivery, error)
        elif (
            delivery.error is not None and delivery.verdict is not Verdict.UNSTORABLE and delivery.error in chain(error)
        ):
            # Somebody's own outcome, which wraps what it was told. The job is not ours to fail any more.
            self._say(
                logging.ERROR,
                job,
                "Topic %r: job %s: its outcome raised: %s",
                self._topic,
                job.id,
                described.message,
                error=error,
            )
            self._not_delivered(job, lock, delivery, delivery.error)
        elif delivery.settled:
            self._say(
                logging.ERROR,
                job,
                "Topic %r: job %s: its handler raised after the job was settled: %s",
                self._topic,
                job.id,
                described.message,
                error=error,
            )
        else:
            # Said before it is reported, which can take as long as the engine is away.
            self._say(
                logging.ERROR,
                job,
                "Topic %r: job %s of %r failed, and then %s: %s",
                self._topic,
                job.id,
                job.element_id,
                failure.remaining(job.retries),
                described.message,
                error=error,
            )
            self._report(job, lock, described)

    def _not_delivered(self, job: Job, lock: Lock, delivery: Delivery, error: BaseException) -> None:
        """Say what became of a result that the engine did not take; one that it can never take becomes a failure."""
        operation = delivery.operation.name if delivery.operation else ""
        verdict = delivery.verdict
        said = failure.describe(error)
        late = self._clock.now() > lock.deadline
        if verdict is Verdict.UNSTORABLE and delivery.operation is not FAIL:
            reason = error.engine_error if isinstance(error, FlowableRestException) else None
            text = f"The engine refused the result ({operation}): {reason or said.message}"
            self._say(
                logging.ERROR,
                job,
                "Topic %r: job %s failed, and then %s: %s",
                self._topic,
                job.id,
                failure.remaining(job.retries),
                text,
            )
            self._report(job, lock, failure.Failure(text, said.details))
            return
        if verdict is Verdict.LOST or (verdict is Verdict.GONE and late):
            advice = (
                f"the lock of {self._lock_seconds:g} s is over: choose a longer lock_duration"
                if late
                else "does another program use the same worker id?"
            )
            what = f"the lock was lost before {operation} arrived, and the job runs again; {advice}"
        elif verdict is Verdict.GONE:
            what = f"{operation} came too late, the process or case went on without this job"
        else:
            state = verdict.value if verdict else "unknown"
            what = f"{operation} could not be delivered ({state}), the job is offered again when its lock ends: "
            what += said.message
        level = logging.WARNING if verdict is Verdict.GONE and not late else logging.ERROR
        self._say(level, job, "Topic %r: job %s: %s", self._topic, job.id, what)

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
                self._say(
                    logging.ERROR,
                    job,
                    "Topic %r: job %s: its failure could not be reported",
                    self._topic,
                    job.id,
                    error=error,
                )

    def _delivery(self, job_id: str, lock: Lock) -> Delivery:
        return Delivery(
            topic=self._topic, job_id=job_id, lock=lock, clock=self._clock, chance=self._chance, stop=self._stop
        )

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


def chain(error: BaseException) -> list[BaseException]:
    """Return an exception and those that it came from."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or following.__context__
    return found
