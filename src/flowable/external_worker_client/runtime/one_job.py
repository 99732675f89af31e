"""One job, from the call of its handler to what the engine was told."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

from flowable.external_worker_client.durations import from_seconds
from flowable.external_worker_client.errors import shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException
from flowable.external_worker_client.handler_errors import DeadLetter, HandlerError, RetryLater
from flowable.external_worker_client.policies import RetryPolicy
from flowable.external_worker_client.rest.carrier import Wire, carried_by
from flowable.external_worker_client.rest.codec import UnreadableJob
from flowable.external_worker_client.rest.operations import BPMN_ERROR, CMMN_TERMINATE, COMPLETE, FAIL
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient
from flowable.external_worker_client.runtime import failure, lifecycle, records
from flowable.external_worker_client.runtime.blame import blame
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.delivery import Beside, Delivery, MovedOff, Parcel
from flowable.external_worker_client.runtime.held import HeldJob, Lease, Lock
from flowable.external_worker_client.runtime.journal import Orphan, Recollection, Recorded
from flowable.external_worker_client.runtime.left_behind import left_behind, unknown_job
from flowable.external_worker_client.runtime.lifecycle import Event, State
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.pauses import Pauses
from flowable.external_worker_client.runtime.records import Records
from flowable.external_worker_client.runtime.resend import Verdict
from flowable.external_worker_client.runtime.stop import Stop
from flowable.external_worker_client.worker_result import (
    Executable,
    NothingReturned,
    WorkerResultBpmnError,
    WorkerResultCmmnTerminate,
    WorkerResultFailure,
    WorkerResultSuccess,
)

_log = Log(__name__)

#: A job that cannot be read is offered again after this: perhaps to a worker that can.
_PAUSE_OF_THE_UNREADABLE = "PT1M"

#: What the log says of a job that was settled.
_ENDED = {COMPLETE: "completed", BPMN_ERROR: "ended in a BPMN error", CMMN_TERMINATE: "terminated", FAIL: "failed"}

#: The same of an outcome that a process before this one left.
_FROM_THE_JOURNAL = "as it was done before"

_STOPPING = "the subscription is stopping"

#: Shorter than this is no waiting for others.
_NO_WAIT = 0.1  # seconds

#: Outcomes that make one call and have no code of somebody else's around it: their delivery may change the thread.
_OWN_OUTCOMES = (
    WorkerResultSuccess,
    WorkerResultFailure,
    WorkerResultBpmnError,
    WorkerResultCmmnTerminate,
    NothingReturned,
)

Job = ExternalWorkerAcquireJobResponse


class NotStartedError(BaseException):
    """A job that had to wait for others to end was not started. An event between two layers; its text is the reason.

    Attributes:
        pause: Seconds that it is to stay away. `None`: none.
    """

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(slots=True)
class Moved:
    """A delivery that goes on elsewhere than on the thread of its handler.

    Attributes:
        delivery: Whose it is.
        parcel: What is being delivered.
        pause: Seconds until it is to be sent again.
        said: What is delivered, for the log.
    """

    delivery: Delivery
    parcel: Parcel
    pause: float
    said: str


class JobRunner:
    """Runs the handler of a topic for one job after the other, and settles what it decides. For several threads.

    Args:
        lock_seconds: How long its jobs are locked, for the log.
        run_handler: Runs the person's function and returns its outcome; raises what that raises.
        rest_client: Returns the REST client to use. Asked every time: people put another one in its place.
        policy: What to do about handlers that raise.
        records: Where outcomes are kept until the engine has them.
        pauses: Those of the client.
        clock: Tells the time and waits.
        chance: Returns random numbers from 0 to 1.
        stop: Set when the subscription is told to stop.
    """

    def __init__(
        self,
        *,
        lock_seconds: float,
        run_handler: Callable[[Job], Executable],
        rest_client: Callable[[], Any],
        policy: RetryPolicy,
        records: Records,
        pauses: Pauses,
        clock: Clock,
        chance: Callable[[], float],
        stop: Stop,
    ) -> None:
        self._lock_seconds = lock_seconds
        self._run_handler = run_handler
        self._rest_client = rest_client
        self._policy = policy
        self._records = records
        self._pauses = pauses
        self._clock = clock
        self._chance = chance
        self._stop = stop
        # Of handlers that run elsewhere.
        self._deliveries: dict[HeldJob, Delivery] = {}

    # ------------------------------------------------------------ on the thread of the handler

    def run(self, held: HeldJob, known: Recollection | None) -> Moved | None:
        """Run the handler and settle the job.

        Args:
            held: The job.
            known: What the journal knows of it. `None`: nothing.

        Returns:
            `None`: it has come to its end. Otherwise its delivery, which has to go on with `resume`.

        Raises:
            NotStartedError: Its turn did not come before the subscription was told to stop. It is to be given back.
        """
        if known is None and not self._records.gated:
            # As nearly always.
            return self._to_the_end(held, lambda: self._call(held))
        if self.is_known(known):
            return self.settle_known(held, known)
        return self._to_the_end(held, lambda: self._handle(held, alone=_suspicious(known)))

    def is_known(self, known: Recollection | None) -> TypeGuard[Recollection]:
        """Say whether it is known how a job ends, without a run of its handler."""
        if known is None:
            return False
        return known.outcome is not None or known.unexplained_starts >= lifecycle.MOST_UNEXPLAINED_STARTS

    def settle_known(self, held: HeldJob, known: Recollection) -> Moved | None:
        """Settle a job with the outcome that the journal has, or as one that kills its workers. Returns as `run`."""
        delivery = self._delivery(held)
        try:
            if known.outcome is not None:
                self._complete_from_the_journal(held, delivery, known.outcome)
            else:
                self._give_up(held, delivery, known.unexplained_starts)
        except MovedOff as moved:
            return Moved(delivery, moved.parcel, moved.pause, _FROM_THE_JOURNAL)
        _finish(held)
        return None

    def begin(self, held: HeldJob, known: Recollection | None, start: Callable[[Job], object]) -> None:
        """Start a handler that runs elsewhere.

        Args:
            held: The job.
            known: What the journal knows of it. `None`: nothing.
            start: Starts it. What it raises comes to the caller.

        Raises:
            NotStartedError: As for `run`.
        """
        alone = _suspicious(known)
        came = self._clock.now()
        if alone:
            self._say_suspicious(held)
        if not self._records.go_in(alone=alone, unless=self._stop.is_set):
            raise NotStartedError(_STOPPING)
        held.alone = alone
        try:
            self._still_enough(held, came)
        except NotStartedError:
            self._records.go_out(alone=alone)
            raise
        self._begun(held)
        delivery = self._deliveries[held] = self._delivery(held)
        # It starts in the context of this call, and takes the carrier along: what it sends itself gets the same care.
        with carried_by(Beside(delivery)):
            start(held.job)

    def over(self, held: HeldJob) -> None:
        """Note that a handler has ended which ran elsewhere. Quick; called where it ran."""
        held.ran = self._clock.now() - (held.began or 0.0)
        self._records.go_out(alone=held.alone)

    def finish(self, held: HeldJob, outcome: Executable | BaseException) -> Moved | None:
        """Settle a job whose handler ran elsewhere. Returns as `run` does.

        Args:
            held: The job.
            outcome: What it decided, or raised.
        """
        held.happened(Event.ENDED)

        def returned() -> Executable:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        return self._to_the_end(held, returned, self._deliveries.pop(held, None))

    def _to_the_end(self, held: HeldJob, call: Callable[[], Executable], begun: Delivery | None = None) -> Moved | None:
        delivery = begun or self._delivery(held)
        try:
            # What the handler itself sends through the client gets the same care as what it returns.
            with carried_by(delivery):
                try:
                    outcome = call()
                    if delivery.settled:
                        self._settled_by_hand(held, outcome)
                    else:
                        self._settle(held, delivery, outcome)
                except (MovedOff, NotStartedError):
                    raise
                except BaseException as error:  # noqa: BLE001 - sys.exit() in a handler fails its job, not the worker
                    self._raised(held, delivery, error)
        except MovedOff as moved:
            return Moved(delivery, moved.parcel, moved.pause, "its outcome")
        _finish(held)
        return None

    def _handle(self, held: HeldJob, *, alone: bool) -> Executable:
        """Call the handler when its turn has come."""
        came = self._clock.now()
        if alone:
            self._say_suspicious(held)
        with self._records.run(alone=alone, unless=self._stop.is_set) as passed:
            if not passed:
                raise NotStartedError(_STOPPING)
            self._still_enough(held, came)
            return self._call(held)

    def _call(self, held: HeldJob) -> Executable:
        began = self._begun(held)
        try:
            return self._run_handler(held.job)
        finally:
            held.ran = self._clock.now() - began
            held.happened(Event.ENDED)

    def _say_suspicious(self, held: HeldJob) -> None:
        self._say(
            logging.WARNING,
            held,
            "job %s was started before by a process that died; it runs alone in this one, when the handlers that run "
            "now have ended",
            _named(held),
        )

    def _still_enough(self, held: HeldJob, came: float) -> None:
        """Refuse to start a job that waited for others while its lock ran on. `came`: when it began to wait.

        Raises:
            NotStartedError: Less than half of its lock is left.
        """
        if self._clock.now() - came <= _NO_WAIT:
            return
        left = held.lease.time_left()
        if not lifecycle.may_start(left=left, lock=self._lock_seconds, usual_run=math.inf):
            reason = f"{max(left, 0):.1f} s of the lock are left, after it waited for a handler that had to run alone"
            raise NotStartedError(reason, lifecycle.PAUSE_AFTER_RELEASE)

    def _begun(self, held: HeldJob) -> float:
        """Write down that a handler is about to be called, and return when."""
        self._records.started(held)
        held.began = self._clock.now()
        held.happened(Event.START)
        return held.began

    def _settle(self, held: HeldJob, delivery: Delivery, outcome: Executable) -> None:
        rest_client = self._rest_client()
        if type(outcome) in _OWN_OUTCOMES:
            delivery.movable = lifecycle.LONGEST_DELIVERY_ON_THE_THREAD
        outcome.execute(rest_client)
        if delivery.operation is not None:
            self._say_ended(held, delivery, outcome)
        else:
            # Only the REST client of this library tells what was sent through it.
            if issubclass(type(rest_client), FlowableExternalWorkerRestClient):
                self._say(
                    logging.WARNING,
                    held,
                    "job %s: its outcome, %s, told the engine nothing; unless something else did, the job is offered "
                    "again when its lock ends",
                    held.job.id,
                    shorten(outcome),
                )
            held.happened(Event.DELIVERED)

    def _settled_by_hand(self, held: HeldJob, outcome: Executable) -> None:
        """The handler used the REST client itself. That its `None` means success is then not wanted."""
        if isinstance(outcome, NothingReturned):
            self._say(logging.INFO, held, "job %s was settled by its handler itself", held.job.id)
        else:
            self._say(
                logging.WARNING,
                held,
                "job %s was settled by its handler itself, and what it returned is dropped: %s",
                held.job.id,
                shorten(outcome),
            )

    # ------------------------------------------------------------ what the journal knows

    def _complete_from_the_journal(self, held: HeldJob, delivery: Delivery, outcome: Recorded) -> None:
        self._say(
            logging.WARNING,
            held,
            "job %s was done before, and its outcome (%s) did not arrive: it is settled with that, and not run again",
            _named(held),
            outcome.operation,
        )
        held.happened(Event.ENDED)
        self._send_recorded(held, delivery, outcome)

    def deliver_orphan(self, orphan: Orphan) -> tuple[HeldJob, Callable[[], Moved | None]]:
        """Take over an outcome of a process that died before it was delivered.

        Returns:
            The job, as far as it is known, and what delivers its outcome in the name of its owner; that returns as
            `run` does.
        """
        held = left_behind(orphan, self._clock)

        def deliver() -> Moved | None:
            delivery = self._delivery(held)
            delivery.movable = 0.0
            try:
                self._send_recorded(held, delivery, orphan.recorded)
            except MovedOff as moved:
                return Moved(delivery, moved.parcel, moved.pause, _FROM_THE_JOURNAL)
            _finish(held)
            return None

        return held, deliver

    def _send_recorded(self, held: HeldJob, delivery: Delivery, recorded: Recorded) -> None:
        rest_client = self._rest_client()
        lock = held.lease.lock
        if delivery.movable is None:
            delivery.movable = lifecycle.LONGEST_DELIVERY_ON_THE_THREAD
        owner = lock.owner or str(getattr(rest_client, "worker_id", ""))
        try:
            delivery.carry(records.call_of(recorded, lock.job_id, owner), cast("Wire", rest_client))
        except MovedOff:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            self._not_delivered(held, delivery, error)
        else:
            self._say_ended(held, delivery, _FROM_THE_JOURNAL)

    def _give_up(self, held: HeldJob, delivery: Delivery, starts: int) -> None:
        held.happened(Event.ENDED)
        error = DeadLetter(
            f"This job was started {starts} times by processes that died without an end of it being recorded. "
            "It was not started again: it may be what kills them (memory, a crash in native code)."
        )
        self._fail(held, delivery, error)

    # ------------------------------------------------------------ what goes wrong

    def refuse(self, unreadable: UnreadableJob, topic: str, lock: Lock) -> None:
        """Fail a job that cannot be read: somebody should see it in the engine, and its neighbours must not wait."""
        _log.say(
            logging.ERROR,
            "Topic %r: the engine sent a job that cannot be read: %s",
            topic,
            unreadable.reason,
            topic=topic,
            job_id=unreadable.id,
        )
        if unreadable.id is None:
            return
        held = HeldJob(topic, unknown_job(unreadable.id), Lease(lock, self._clock))
        held.happened(Event.ENDED)
        try:
            with carried_by(self._delivery(held)):
                self._rest_client().fail_job(
                    unreadable.id,
                    f"The worker cannot read this job: {unreadable.reason}",
                    retry_timeout=_PAUSE_OF_THE_UNREADABLE,
                )
        except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            self._say(
                logging.WARNING,
                held,
                "job %s: its failure could not be reported: %s",
                unreadable.id,
                failure.describe(error).message,
            )

    def _raised(self, held: HeldJob, delivery: Delivery, error: BaseException) -> None:
        """Tell an outcome that was not delivered from a handler, or a person's own outcome, that failed."""
        if held.state is State.WAITING:
            held.happened(Event.ENDED)
        undelivered = delivery.error
        if undelivered is not None and error is undelivered:
            self._not_delivered(held, delivery, error)
        elif undelivered is not None and delivery.verdict is not Verdict.UNSTORABLE and undelivered in chain(error):
            # Somebody's own outcome, which wraps what it was told. The job is not ours to fail any more.
            self._say_raised(held, "job %s: its outcome raised: %s", error)
            self._not_delivered(held, delivery, undelivered)
        elif delivery.settled:
            self._say_raised(held, "job %s: its handler raised after the job was settled: %s", error)
        else:
            self._fail(held, delivery, error)

    def _fail(self, held: HeldJob, delivery: Delivery, error: BaseException, message: str | None = None) -> None:
        """Report a job as failed, as the policy says. The delivery is that of its handler; the report has its own."""
        job = held.job
        error.__traceback__ = failure.from_the_handler(error.__traceback__)
        report = failure.report(
            error,
            retries=job.retries,
            exception_message=job.exception_message,
            policy=self._policy,
            chance=self._chance(),
            message=message,
        )
        # Said before it is reported, which can take as long as the engine is away.
        expected = isinstance(error, HandlerError)
        self._say(
            logging.WARNING if expected else logging.ERROR,
            held,
            "job %s %s; it %s: %s",
            _named(held),
            "is put off" if isinstance(error, RetryLater) else "failed",
            failure.outlook(report, job.retries),
            report.message,
            error=None if expected or message else error,
        )
        reporting = self._delivery(held)
        reporting.movable = lifecycle.LONGEST_DELIVERY_ON_THE_THREAD if delivery.movable != 0.0 else 0.0
        # What people put in the place of the REST client, in tests above all, knows the calls of version 1.
        counted: dict[str, int] = {} if report.retries is None else {"retries": report.retries}
        try:
            with carried_by(reporting):
                self._rest_client().fail_job(
                    job.id,
                    report.message,
                    error_details=report.details,
                    **counted,
                    retry_timeout=None if report.pause is None else from_seconds(report.pause).text,
                )
        except MovedOff:
            raise
        except BaseException as problem:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            if reporting.error is not None:
                self._not_delivered(held, reporting, reporting.error)
            else:
                self._say(logging.ERROR, held, "job %s: its failure could not be reported", job.id, error=problem)

    def _not_delivered(self, held: HeldJob, delivery: Delivery, error: BaseException) -> None:
        """Say what became of a result that the engine did not take; one that it can never take becomes a failure."""
        operation = delivery.operation.name if delivery.operation else ""
        verdict = delivery.verdict
        said = failure.describe(error).message
        late = held.lease.time_left() < 0
        if verdict is Verdict.UNSTORABLE and delivery.operation is not FAIL:
            refusal = error if isinstance(error, FlowableRestException) else None
            reason = (refusal.engine_error or refusal.engine_message or "") if refusal else said
            variables = cast("list[dict[str, Any]]", delivery.members.get("variables") or [])
            blamed = blame(refusal.status_code if refusal else 0, reason, variables)
            self._fail(held, delivery, error, f"The engine refused the result ({operation}): {blamed}")
            return
        if held.left_behind and verdict in (Verdict.LOST, Verdict.GONE):
            said = "job %s: %s came too late; should the job come here again, it is settled with it, and not run again"
            self._say(logging.WARNING, held, said, held.job.id, operation)
            return
        if verdict is Verdict.LOST or (verdict is Verdict.GONE and late):
            if late and (held.ran or 0.0) < self._lock_seconds / 2:
                advice = f"the lock of {self._lock_seconds:g} s was over before it could be delivered"
            elif late:
                advice = f"the lock of {self._lock_seconds:g} s is over: choose a longer lock_duration"
            else:
                advice = "was its process suspended meanwhile, or does another program use the same worker id?"
            what = f"the lock was lost before {operation} arrived, and the job runs again; {advice}"
        elif verdict is Verdict.GONE:
            what = (
                f"{operation} found no such job: the process or case went on without it, or it is suspended, and then "
                "the job comes back"
            )
        else:
            state = verdict.value if verdict else "unknown"
            what = f"{operation} could not be delivered ({state}), the job is offered again when its lock ends: {said}"
        level = logging.WARNING if verdict is Verdict.GONE and not late else logging.ERROR
        self._say(level, held, "job %s: %s", held.job.id, what)

    # ------------------------------------------------------------ elsewhere than on the thread of the handler

    def resume(self, moved: Moved) -> Moved | None:
        """Send once more what has left its thread. Returns as `run` does."""
        delivery = moved.delivery
        delivery.movable = 0.0
        pause = moved.parcel.attempt()
        if pause is not None:
            moved.pause = pause
            return moved
        error = delivery.close(moved.parcel)
        try:
            if error is None:
                self._say_ended(delivery.held, delivery, moved.said)
            else:
                self._not_delivered(delivery.held, delivery, error)
        except MovedOff as again:
            return Moved(delivery, again.parcel, again.pause, moved.said)
        finally:
            del error
        _finish(delivery.held)
        return None

    # ------------------------------------------------------------ the log

    def _say_ended(self, held: HeldJob, delivery: Delivery, said: object) -> None:
        operation = delivery.operation
        assert operation is not None  # noqa: S101 - it was delivered
        if operation is not FAIL and not _log.says(logging.INFO):
            return
        ran = "" if held.ran is None else f" after {held.ran:.3f} s"
        self._say(
            logging.WARNING if operation is FAIL else logging.INFO,
            held,
            "job %s %s%s: %s",
            _named(held),
            _ENDED[operation],
            ran,
            said if isinstance(said, str) else shorten(said),
        )

    def _say_raised(self, held: HeldJob, message: str, error: BaseException) -> None:
        self._say(logging.ERROR, held, message, held.job.id, failure.describe(error).message, error=error)

    def _say(self, level: int, held: HeldJob, message: str, *args: object, error: BaseException | None = None) -> None:
        _log.say(
            level,
            f"Topic %r: {message}",
            held.topic,
            *args,
            error=error,
            topic=held.topic,
            job_id=held.job.id,
            correlation_id=held.job.correlation_id,
        )

    def _delivery(self, held: HeldJob) -> Delivery:
        return Delivery(
            held=held,
            clock=self._clock,
            chance=self._chance,
            stop=self._stop,
            records=self._records,
            pauses=self._pauses,
        )


def chain(error: BaseException) -> list[BaseException]:
    """Return an exception and those that it came from."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or following.__context__
    return found


def _named(held: HeldJob) -> str:
    """Name a job for the log; nothing but its id is known of one that an earlier process left."""
    element = held.job.element_id
    return f"{held.job.id} of {element!r}" if element is not None else held.job.id


def _suspicious(known: Recollection | None) -> bool:
    return bool(known and known.unexplained_starts)


def _finish(held: HeldJob) -> None:
    """Let a job end that could not be settled: its outcome was somebody's own, or not even the failure was taken."""
    if held.state is State.SETTLING:
        held.happened(Event.GIVEN_UP)
