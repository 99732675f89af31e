"""One subscription: a thread that acquires jobs of a topic, runs the handler, and settles what it decided.

The thread only carries things out. When to ask is decided by `polling`, which job may start by `lifecycle`, what a
failed delivery means by `resend`. Nothing short of the end of the process ends it, except being told to stop: whatever
goes wrong is logged, followed by a pause, and the next turn.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowable.external_worker_client.durations import Duration, from_seconds
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException
from flowable.external_worker_client.rest import failures
from flowable.external_worker_client.rest.answers import Meaning, unanswered
from flowable.external_worker_client.rest.operations import FAIL, Effect
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient
from flowable.external_worker_client.runtime import failure, lifecycle
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.delivery import Delivery
from flowable.external_worker_client.runtime.explain import explain
from flowable.external_worker_client.runtime.polling import Polling
from flowable.external_worker_client.runtime.resend import Verdict
from flowable.external_worker_client.worker_result import Executable

_logger = logging.getLogger(__name__)

#: Run times remembered per subscription, to tell what a usual run takes.
_RUNS_REMEMBERED = 50

Job = ExternalWorkerAcquireJobResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a subscription asks for.

    Attributes:
        topic: The topic.
        lock: How long jobs are locked.
        number_of_tasks: Most jobs of one acquire.
        number_of_retries: The engine's own repeats when other workers are faster.
        scope_type: `"bpmn"`, `"cmmn"` or `None` for both.
        wait: Longest pause between two questions while there is no work, in seconds.
    """

    topic: str
    lock: Duration
    number_of_tasks: int
    number_of_retries: int
    scope_type: str | None
    wait: float


@dataclass(frozen=True, slots=True)
class _Lock:
    """What one acquire brought: the name that holds its jobs, and until when, on the clock."""

    owner: str
    deadline: float


class Consumer:
    """Does the work of one subscription, on the thread that calls `run`.

    Args:
        rest_client: Returns the REST client to use. Asked every time: people put another one in its place.
        run_handler: Runs the person's function for a job and returns its outcome; raises what that raises.
        options: See `Options`.
        next_owner: Returns the owner name for the next acquire; `None` for the REST client's worker id.
        stop: Told to stop when set.
        clock: Tells the time and waits.
        chance: Returns random numbers from 0 to 1.
    """

    def __init__(
        self,
        *,
        rest_client: Callable[[], Any],
        run_handler: Callable[[Job], Executable],
        options: Options,
        next_owner: Callable[[], str | None],
        stop: threading.Event,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._rest_client = rest_client
        self._run_handler = run_handler
        self._options = options
        self._next_owner = next_owner
        self._stop = stop
        self._clock = clock
        self._chance = chance
        self._polling = Polling()
        self._failing_since: float | None = None
        self._runs: deque[float] = deque(maxlen=_RUNS_REMEMBERED)

    def run(self) -> None:
        """Work until told to stop."""
        topic = self._options.topic
        _logger.info("Topic %r: subscribed", topic)
        while not self._stop.is_set():
            try:
                pause = self._turn()
            except BaseException:  # a fault of this library must not end the subscription
                _logger.exception("Topic %r: unexpected; the subscription goes on", topic)
                self._polling = self._polling.failed()
                pause = self._polling.pause_after(unanswered(sent=True, text=""), self._chance())
            if pause > 0:
                self._clock.wait(self._stop, pause)
        _logger.info("Topic %r: unsubscribed", topic)

    def _turn(self) -> float:
        """Ask once, work off what came, and return how long to wait before asking again."""
        asked = self._clock.now()
        owner = self._next_owner()
        try:
            jobs = self._acquire(owner)
        except Exception as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            return self._not_acquired(error)
        self._acquired()
        lock = _Lock(owner or str(getattr(self._rest_client(), "worker_id", "")), asked + self._options.lock.seconds)
        for unreadable in getattr(jobs, "unreadable", ()):
            self._refuse(unreadable, lock)
        if not jobs:
            self._polling = self._polling.found_nothing()
            return self._polling.pause(self._options.wait, self._chance())
        self._polling = self._polling.found_work()
        self._work_off(jobs, lock)
        return 0.0

    def _acquire(self, owner: str | None) -> Sequence[Job]:
        options = self._options
        named = {} if owner is None else {"worker_id": owner}
        jobs: Sequence[Job] = self._rest_client().acquire_jobs(
            options.topic,
            options.lock.text,
            options.number_of_tasks,
            number_of_retries=options.number_of_retries,
            scope_type=options.scope_type,
            **named,
        )
        return jobs

    def _not_acquired(self, error: Exception) -> float:
        now = self._clock.now()
        self._failing_since = now if self._failing_since is None else self._failing_since
        self._polling = self._polling.failed()
        reading = failures.read(error, Effect.ACQUIRES, time.time())
        pause = self._polling.pause_after(reading, self._chance())
        # What cannot mend itself is an error from the start; an engine that is restarted is not.
        level = logging.ERROR if reading.meaning in (Meaning.NOT_THE_ENGINE, Meaning.REFUSED) else logging.WARNING
        _logger.log(
            level,
            "Topic %r: cannot acquire jobs, %s; asking again in %.1f s (failed %d times in %.0f s)",
            self._options.topic,
            explain(reading),
            pause,
            self._polling.errors,
            now - self._failing_since,
            extra={"topic": self._options.topic},
        )
        return pause

    def _acquired(self) -> None:
        if self._failing_since is not None:
            _logger.warning(
                "Topic %r: the engine answers again, after %d failures in %.0f s",
                self._options.topic,
                self._polling.errors,
                self._clock.now() - self._failing_since,
                extra={"topic": self._options.topic},
            )
            self._failing_since = None

    def _work_off(self, jobs: Sequence[Job], lock: _Lock) -> None:
        for position, job in enumerate(jobs):
            if self._stop.is_set():
                self._release(jobs[position:], lock, pause=None, reason="the subscription is stopping")
                return
            left = lock.deadline - self._clock.now()
            usual = lifecycle.percentile(self._runs, 0.95)
            # A job that did not wait is always started: with less than its full lock, no job of a slow topic ever ran.
            if position and not lifecycle.may_start(left=left, lock=self._options.lock.seconds, usual_run=usual):
                self._release(
                    jobs[position:],
                    lock,
                    pause=from_seconds(lifecycle.PAUSE_AFTER_RELEASE),
                    reason=f"{max(left, 0):.1f} s of the lock are left, a run usually takes {usual:.1f} s",
                )
                return
            try:
                self._work(job, lock)
            except BaseException:
                # Its neighbours in the batch are locked too, and must not wait for the end of their locks.
                _logger.exception("Job %s: unexpected; it is left locked", job.id, extra=self._extra(job))

    def _work(self, job: Job, lock: _Lock) -> None:
        started = self._clock.now()
        try:
            outcome = self._run_handler(job)
        except BaseException as error:  # noqa: BLE001 - sys.exit() in a handler is a failed job, not the end of the worker
            self._failed(job, lock, error)
        else:
            self._settle(job, lock, outcome)
        finally:
            self._runs.append(self._clock.now() - started)

    def _settle(self, job: Job, lock: _Lock, outcome: Executable) -> None:
        delivery = self._delivery(lock)
        try:
            outcome.execute(self._carried(delivery))
        except BaseException as error:  # noqa: BLE001 - outcomes can be people's own code
            if delivery.error is not None and error is delivery.error:
                self._not_delivered(job, lock, delivery, delivery.error)
            else:
                self._failed(job, lock, error)

    def _not_delivered(self, job: Job, lock: _Lock, delivery: Delivery, error: Exception) -> None:
        """Say what became of a result that the engine did not take."""
        operation = delivery.operation.name if delivery.operation else ""
        verdict = delivery.verdict
        late = self._clock.now() > lock.deadline
        if verdict is Verdict.UNSTORABLE and delivery.operation is not FAIL:
            said = error.engine_error if isinstance(error, FlowableRestException) else None
            self._report(
                job,
                lock,
                failure.Failure(
                    f"The engine cannot store the result: {said or error}", failure.describe(error).details
                ),
            )
        elif verdict is Verdict.LOST or (verdict is Verdict.GONE and late):
            _logger.error(
                "Job %s: the lock was lost before %s arrived; the job runs again. The lock lasts %.0f s: "
                "choose a longer lock_duration if handlers of topic %r take that long",
                job.id,
                operation,
                self._options.lock.seconds,
                self._options.topic,
                extra=self._extra(job),
            )
        elif verdict is Verdict.GONE:
            _logger.warning(
                "Job %s: %s came too late, the process or case went on without this job",
                job.id,
                operation,
                extra=self._extra(job),
            )
        else:
            _logger.error(
                "Job %s: %s could not be delivered (%s); the engine offers the job again when its lock ends: %s",
                job.id,
                operation,
                verdict.value if verdict else "unknown",
                error,
                extra=self._extra(job),
            )

    def _failed(self, job: Job, lock: _Lock, error: BaseException) -> None:
        """Report that the handler raised."""
        _logger.error(
            "Job %s: the handler of topic %r failed, with %s retries left before: %s",
            job.id,
            self._options.topic,
            job.retries,
            failure.describe(error).message,
            exc_info=error,
            extra=self._extra(job),
        )
        self._report(job, lock, failure.describe(error))

    def _report(self, job: Job, lock: _Lock, report: failure.Failure) -> None:
        pause = from_seconds(round(failure.pause(job.retries, self._chance()), 3))
        delivery = self._delivery(lock)
        try:
            self._carried(delivery).fail_job(
                job.id, error_message=report.message, error_details=report.details, retry_timeout=pause.text
            )
        except Exception as error:
            if error is delivery.error:
                self._not_delivered(job, lock, delivery, error)
            else:
                _logger.exception("Job %s: its failure could not be reported", job.id, extra=self._extra(job))

    def _release(self, jobs: Sequence[Job], lock: _Lock, *, pause: Duration | None, reason: str) -> None:
        """Give jobs back that were not started: fail them with their own retries and message, unchanged.

        That frees them at once on every release of the engine, the lock of their process instance included. Best
        effort, and never repeated: what is not given back is offered again when its lock ends.
        """
        rest_client = self._rest_client()
        kept: list[str] = []
        reachable = True
        for job in jobs:
            left = lock.deadline - self._clock.now()
            if not reachable or not lifecycle.may_release(left=left, retries=job.retries):
                kept.append(job.id)
                continue
            try:
                rest_client.fail_job(
                    job.id,
                    error_message=job.exception_message,
                    retries=job.retries,
                    retry_timeout=pause.text if pause else None,
                )
            except Exception as error:  # noqa: BLE001 - as in _turn
                kept.append(job.id)
                # An engine that does not answer would hold the stop up once for every job.
                reachable = isinstance(error, FlowableRestException)
        _logger.info("Topic %r: gave %d jobs back unstarted: %s", self._options.topic, len(jobs) - len(kept), reason)
        if kept:
            _logger.warning(
                "Topic %r: these stay locked until %.0f s from now: %s",
                self._options.topic,
                max(0.0, lock.deadline - self._clock.now()),
                ", ".join(kept),
            )

    def _refuse(self, unreadable: Any, lock: _Lock) -> None:  # noqa: ANN401 - rest.codec.UnreadableJob
        """Fail a job that cannot be read: somebody should see it in the engine, and its neighbours must not wait."""
        _logger.error("Topic %r: the engine sent a job that cannot be read: %s", self._options.topic, unreadable.reason)
        if unreadable.id is None:
            return
        delivery = self._delivery(lock)
        try:
            self._carried(delivery).fail_job(
                unreadable.id,
                error_message=f"The worker cannot read this job: {unreadable.reason}",
                retry_timeout="PT1M",
            )
        except Exception as error:  # noqa: BLE001 - as in _turn
            _logger.warning("Job %s: its failure could not be reported: %s", unreadable.id, error)

    def _delivery(self, lock: _Lock) -> Delivery:
        return Delivery(
            clock=self._clock, chance=self._chance, stop=self._stop, owner=lock.owner, deadline=lock.deadline
        )

    def _carried(self, delivery: Delivery) -> Any:  # noqa: ANN401 - or what people put in the REST client's place
        rest_client = self._rest_client()
        # By its type: a mock claims to be an instance, and would hand out another mock, which nobody looks at.
        if issubclass(type(rest_client), FlowableExternalWorkerRestClient):
            return rest_client.carried_by(delivery)
        return rest_client

    def _extra(self, job: Job) -> dict[str, object]:
        return {"topic": self._options.topic, "job_id": job.id, "correlation_id": job.correlation_id}
