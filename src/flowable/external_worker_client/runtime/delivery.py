"""Carries results to the engine until something final is known. A thin shell around `resend`."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from flowable.external_worker_client.rest import failures
from flowable.external_worker_client.rest.answers import DONE, Meaning, Reading
from flowable.external_worker_client.rest.carrier import Settling, Wire
from flowable.external_worker_client.rest.operations import GET, LIST, Operation
from flowable.external_worker_client.runtime import inside, lifecycle, resend
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.explain import explain, kind
from flowable.external_worker_client.runtime.held import HeldJob
from flowable.external_worker_client.runtime.lifecycle import Event, State
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.pauses import Pauses
from flowable.external_worker_client.runtime.records import Records
from flowable.external_worker_client.runtime.resend import Found, Sight, Step, Verdict
from flowable.external_worker_client.runtime.stop import Stop

_log = Log(__name__)

_EVENTS = {
    Verdict.SETTLED: Event.DELIVERED,
    Verdict.LOST: Event.LOCK_LOST,
    Verdict.GONE: Event.VANISHED,
    Verdict.ABANDONED: Event.GIVEN_UP,
    Verdict.UNSTORABLE: Event.REFUSED,
}


#: Every handler has a result to deliver when the engine goes away: one of them warns at first, and once a minute.
_WARNED_AGAIN_AFTER = 60.0  # seconds


class MovedOff(BaseException):
    """A delivery takes long, and goes on elsewhere than on this thread.

    Attributes:
        parcel: What is being delivered.
        pause: Seconds until it is to be sent again.
    """

    def __init__(self, parcel: Parcel, pause: float) -> None:
        super().__init__(parcel, pause)
        self.parcel = parcel
        self.pause = pause


class Delivery:
    """Delivers what the handler of one job decided. Used by one thread at a time, first by that of the handler.

    It also carries what the handler itself sends through the REST client, for this job or for others.

    Args:
        held: The job.
        clock: Tells the time and waits.
        chance: Returns random numbers from 0 to 1.
        stop: Set when the subscription is told to stop: what is under way then gets its grace, or the lock.
        records: Where outcomes are kept until the engine has them.
        pauses: Those of the client.

    Attributes:
        movable: After how many seconds a delivery of this job's outcome leaves the thread, by raising `MovedOff`.
            `None`: never, because there is somebody's code on the stack.
        operation: What was delivered last for this job. `None` before the first.
        members: What went with it. Empty before the first.
        verdict: How that ended. `None` before the first.
        error: What that raised. `None` when it was settled.
    """

    __slots__ = (
        "_records",
        "chance",
        "clock",
        "error",
        "held",
        "members",
        "movable",
        "operation",
        "pauses",
        "stop",
        "verdict",
    )

    def __init__(
        self,
        *,
        held: HeldJob,
        clock: Clock,
        chance: Callable[[], float],
        stop: Stop,
        records: Records,
        pauses: Pauses,
    ) -> None:
        self.held = held
        self.clock = clock
        self.chance = chance
        self.stop = stop
        self._records = records
        self.pauses = pauses
        self.movable: float | None = None
        self.operation: Operation | None = None
        self.members: dict[str, object] = {}
        self.verdict: Verdict | None = None
        self.error: BaseException | None = None

    @property
    def settled(self) -> bool:
        """Whether the engine has the outcome of this job."""
        return self.held.state is State.SETTLED

    def owner_of(self, job_id: str) -> str | None:
        """See `rest.carrier.Carrier.owner_of`."""
        return self.held.lease.lock.owner if job_id in self.held.lease.ids else None

    def carry(self, call: Settling, wire: Wire) -> None:
        """See `rest.carrier.Carrier.carry`."""
        parcel = Parcel(self, call, wire)
        if parcel.own:
            self._records.outcome(self.held, call)
        while (pause := parcel.attempt()) is not None:
            if parcel.own and self.movable is not None and parcel.age() + pause > self.movable:
                raise MovedOff(parcel, pause)
            self.pauses.wait(pause, self.stop)
        error = self.close(parcel)
        if error is not None:
            try:
                raise error
            finally:
                # An exception that its own frame holds on to keeps connections open until the garbage is collected.
                del error

    def close(self, parcel: Parcel) -> BaseException | None:
        """Note how a delivery ended, and return what it raised; `None` when it was settled."""
        error, parcel.error = parcel.error, None
        if parcel.resent:
            self.pauses.outage.answered(parcel)
        if parcel.own:
            self.operation, self.verdict, self.error = parcel.call.operation, parcel.step.verdict, error
            self.members = dict(parcel.call.members)
            # What the handler sends by hand ends the job only if it arrives: it may still decide otherwise.
            running_and_settled = self.held.state is State.RUNNING and parcel.step.verdict is Verdict.SETTLED
            if self.held.state is State.SETTLING or running_and_settled:
                self.held.happened(_EVENTS[parcel.step.verdict])
            self._records.delivered(self.held, parcel.call, parcel.step)
        return error


class Beside:
    """Carries what a handler sends itself that runs on an event loop: with care from its threads, once from the loop.

    Sending again would hold up all that runs there.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def owner_of(self, job_id: str) -> str | None:
        """See `rest.carrier.Carrier.owner_of`."""
        return self._delivery.owner_of(job_id)

    def carry(self, call: Settling, wire: Wire) -> None:
        """See `rest.carrier.Carrier.carry`."""
        if inside.on_an_event_loop():
            wire.settle(call)
        else:
            self._delivery.carry(call, wire)


class Parcel:
    """One call on its way to the engine.

    Args:
        delivery: Whose it is.
        call: What is to be sent.
        wire: What to send it through.

    Attributes:
        call: As given.
        own: Whether it settles the job of the delivery, and so follows that to a new id and owner.
        step: What was decided last.
        error: What the last send raised. `None` when it was settled.
    """

    __slots__ = (
        "_delivery",
        "_renewals",
        "_started",
        "_state",
        "_warned_at",
        "_wire",
        "call",
        "error",
        "own",
        "step",
    )

    def __init__(self, delivery: Delivery, call: Settling, wire: Wire) -> None:
        lease = delivery.held.lease
        self._delivery = delivery
        self.call = call
        self._wire = wire
        self.own = call.job_id in lease.ids and lease.held_by(call.owner)
        self._started = delivery.clock.now()
        self._renewals: int = lease.renewals
        self._state = resend.Delivery(call.operation.effect, ends=self._ends(), deadline=lease.lock.deadline)
        self.step = Step(Verdict.AGAIN)
        self.error: BaseException | None = None
        self._warned_at = -math.inf

    @property
    def resent(self) -> bool:
        """Whether it had to be sent again."""
        return self._state.sends > 1

    def age(self) -> float:
        """Return for how many seconds it has been on its way."""
        return self._delivery.clock.now() - self._started

    def attempt(self) -> float | None:
        """Send it once, and look if need be. Return after how many seconds to send it again; `None`: it has ended."""
        lease = self._delivery.held.lease
        if self.own and lease.renewals != self._renewals:
            self._renewals = lease.renewals
            self._state = self._state.renewed(self._ends(), lease.lock.deadline)
        call = self._addressed()
        if self.own:
            self._delivery.held.sending = call.operation.effect
        reading = DONE
        self.error = None
        try:
            self._wire.settle(call)
        except BaseException as problem:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            self.error = problem
            reading = failures.read(problem, call.operation, time.time())
        self.step = self._decide(call, reading)
        if self.own and not self._state.unclear:
            # The engine has surely not done it: should the job come here again, it is for this very outcome.
            self._delivery.held.sending = None
        if self.step.verdict is Verdict.AGAIN:
            self._say_again(call, reading)
            # Not kept for the time of the pause: its trace would keep connections open.
            self.error = None
            return self.step.pause
        if self.step.verdict is Verdict.SETTLED:
            self.error = None
            if self.resent:
                self._say(logging.INFO, "was delivered with send %d", call, self._state.sends)
                self._delivery.pauses.answered()
        return None

    def _addressed(self) -> Settling:
        """Return the call as it has to be sent now: the job may have got a new id and a new owner."""
        if not self.own:
            return self.call
        lock = self._delivery.held.lease.lock
        if lock.job_id == self.call.job_id and lock.owner in (self.call.owner, None):
            return self.call
        return self.call._replace(job_id=lock.job_id, owner=lock.owner or self.call.owner)

    def _decide(self, call: Settling, reading: Reading) -> Step:
        delivery = self._delivery
        told = delivery.stop.told
        if told is not None:
            deadline = delivery.held.lease.lock.deadline
            ends = lifecycle.delivery_ends_when_stopping(told=told, grace=delivery.stop.grace, deadline=deadline)
            self._state = self._state.hurry(ends)
        self._state, step = self._state.after(reading, delivery.clock.now(), delivery.chance())
        if step.verdict is Verdict.LOOK:
            sight = self._look(call)
            self._state, step = self._state.after_look(sight, reading, delivery.clock.now(), delivery.chance())
        if step.verdict is Verdict.FIND:
            step = self._state.after_find(self._find(), reading, delivery.clock.now(), delivery.chance())
        renewed = self.own and delivery.held.lease.renewals != self._renewals
        if renewed and step.verdict in (Verdict.LOST, Verdict.GONE):
            return self._state.after_renewal(delivery.clock.now())
        return step

    def _look(self, call: Settling) -> Sight:
        try:
            return Sight.OURS if self._wire.get_job(call.job_id).lock_owner == call.owner else Sight.OTHERS
        except BaseException as problem:  # noqa: BLE001 - as above
            gone = failures.read(problem, GET, time.time()).meaning is Meaning.GONE
            return Sight.GONE if gone else Sight.NOTHING

    def _find(self) -> Found:
        job = self._delivery.held.job
        if not self.own or job.correlation_id is None:
            return Found.ABSENT
        try:
            if job.execution_id:
                jobs = self._wire.iter_jobs(execution_id=job.execution_id)
            elif job.sub_scope_id:
                jobs = self._wire.iter_jobs(sub_scope_id=job.sub_scope_id)
            else:
                return Found.ABSENT
            there = any(other.correlation_id == job.correlation_id for other in jobs)
        except BaseException as problem:  # noqa: BLE001 - as above
            _log.say(logging.DEBUG, "Looking for a job failed: %s", explain(failures.read(problem, LIST, time.time())))
            return Found.NOTHING
        return Found.THERE if there else Found.ABSENT

    def _ends(self) -> float:
        return lifecycle.delivery_ends(started=self._started, deadline=self._delivery.held.lease.lock.deadline)

    def _say_again(self, call: Settling, reading: Reading) -> None:
        fault = reading.meaning is Meaning.FAULT
        # What cannot mend itself is an error from the start; an engine that is restarted is not.
        lasting = fault or reading.meaning is Meaning.NOT_THE_ENGINE
        level, now = logging.ERROR if lasting else logging.WARNING, self._delivery.clock.now()
        # The engine's own error is about this result, perhaps; of anything else, one result speaks for all.
        speaks = reading.meaning is Meaning.ENGINE_ERROR or self._delivery.pauses.outage.failed(self, kind(reading))
        if not speaks or (not lasting and now < self._warned_at + _WARNED_AGAIN_AFTER):
            level = logging.INFO
        else:
            self._warned_at = now
        self._say(
            level,
            "was not delivered, %s; sending again in %.1f s",
            call,
            explain(reading),
            self.step.pause,
            error=self.error if fault else None,
        )

    def _say(self, level: int, text: str, call: Settling, *args: object, error: BaseException | None = None) -> None:
        topic = self._delivery.held.topic
        message = f"Topic %r: %s of job %s {text}"
        name = call.operation.name
        _log.say(level, message, topic, name, call.job_id, *args, error=error, topic=topic, job_id=call.job_id)
