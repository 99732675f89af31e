"""Deliveries carried out: what is sent how often, and how they end, on a clock that only moves when waited on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from flowable.external_worker_client import ExternalWorkerAcquireJobResponse, FlowableRestException
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.rest.carrier import Settling
from flowable.external_worker_client.rest.operations import COMPLETE, FAIL, Effect, Operation
from flowable.external_worker_client.runtime.delivery import Delivery, MovedOff
from flowable.external_worker_client.runtime.held import HeldJob, Lease, Lock
from flowable.external_worker_client.runtime.lifecycle import Event, State
from flowable.external_worker_client.runtime.pauses import Pauses
from flowable.external_worker_client.runtime.records import Records
from flowable.external_worker_client.runtime.resend import Step, Verdict
from flowable.external_worker_client.runtime.stop import Stop

JSON = {"content-type": "application/json"}
GONE = FlowableRestException(
    404, '{"message":"Not found","exception":"Could not find external worker job with id \'j\'."}', headers=JSON
)
ERROR = FlowableRestException(500, '{"message":"Internal server error","exception":"rollback"}', headers=JSON)
LOST = FlowableRestException(
    403, '{"message":"Forbidden","exception":"w.1 does not hold a lock on the requested job"}', headers=JSON
)
BUSY = FlowableRestException(429)
RESET = requests.exceptions.ConnectionError("reset")


class Clock:
    """Time that moves by being waited on, and what was waited."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []
        self.on_wait: Callable[[], object] = lambda: None

    def now(self) -> float:
        """Return the made-up time."""
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let the time pass at once."""
        self.waits.append(seconds)
        self.time += seconds
        self.on_wait()
        return event.is_set()


def _job(job_id: str, *, correlation_id: str | None = "c", **members: Any) -> ExternalWorkerAcquireJobResponse:
    job = ExternalWorkerAcquireJobResponse([], job_id, *(None,) * 10, 3, *(None,) * 6)
    job.correlation_id = correlation_id
    for name, value in members.items():
        setattr(job, name, value)
    return job


class Engine:
    """Answers sends, looks and searches from scripts; the last answer of a script is repeated.

    Attributes:
        calls: What was sent.
        searches: The filters of all searches.
    """

    def __init__(
        self,
        *sends: BaseException | None,
        holders: tuple[str | Exception | None, ...] = (),
        found: tuple[list[str] | Exception, ...] = (),
    ) -> None:
        self.calls: list[Settling] = []
        self.looks = 0
        self.searches: list[dict[str, str]] = []
        self.on_send: Callable[[], object] = lambda: None
        self._sends = self._repeating(sends)
        self._holders = self._repeating(holders)
        self._found = self._repeating(found)

    @staticmethod
    def _repeating(script: tuple[Any, ...]) -> Iterator[Any]:
        yield from script
        while script:
            yield script[-1]

    @property
    def sends(self) -> int:
        """How many there were."""
        return len(self.calls)

    def settle(self, call: Settling) -> None:
        """Raise what the script says; return for `None`."""
        self.calls.append(call)
        self.on_send()
        if (answer := next(self._sends)) is not None:
            raise answer

    def get_job(self, job_id: str) -> ExternalWorkerJobResponse:
        """Return a job with the holder that the script says, or raise it."""
        self.looks += 1
        holder: str | Exception | None = next(self._holders)
        if isinstance(holder, Exception):
            raise holder
        return _job(job_id, lock_owner=holder)

    def iter_jobs(self, **filters: str) -> Iterator[ExternalWorkerJobResponse]:
        """Return jobs with the correlation ids that the script says, or raise it."""
        self.searches.append(filters)
        found: list[str] | Exception = next(self._found)
        if isinstance(found, Exception):
            raise found
        return iter([_job("new", correlation_id=each) for each in found])


class Noting(Records):
    """Notes what it is told.

    Attributes:
        told: Outcomes about to be sent, as owner and operation, and how their deliveries ended.
    """

    def __init__(self) -> None:
        self.told: list[object] = []

    def outcome(self, held: HeldJob, call: Settling) -> None:
        """Note it."""
        self.told.append((held.key, call.owner, call.operation.name))

    def delivered(self, held: HeldJob, call: Settling, step: Step) -> None:
        """Note it."""
        self.told.append((held.key, call.operation.effect, step))


def _delivery(
    clock: Clock,
    stop: Stop | None = None,
    *,
    job: ExternalWorkerAcquireJobResponse | None = None,
    records: Records | None = None,
) -> Delivery:
    held = HeldJob("t", job or _job("j"), Lease(Lock("j", "w.1", clock.now() + 60.0), clock))
    held.happened(Event.START)
    held.happened(Event.ENDED)
    stop = stop or Stop(clock)
    pauses = Pauses(clock, answered=lambda: None)
    return Delivery(held=held, clock=clock, chance=lambda: 0.5, stop=stop, records=records or Records(), pauses=pauses)


def _carry(delivery: Delivery, engine: Engine, operation: Operation = COMPLETE) -> Verdict | None:
    raised: Exception | None = None
    try:
        delivery.carry(Settling(operation, "j", "w.1", {"errorMessage": "m"}), engine)
    except (FlowableRestException, requests.RequestException) as error:
        raised = error
    assert raised is delivery.error
    assert delivery.operation is operation
    assert delivery.members == {"errorMessage": "m"}
    assert delivery.verdict is not None
    assert delivery.held.state is ENDS[delivery.verdict]
    return delivery.verdict


ENDS = {
    Verdict.SETTLED: State.SETTLED,
    Verdict.LOST: State.LOST,
    Verdict.GONE: State.GONE,
    Verdict.ABANDONED: State.ABANDONED,
    # It is to be reported as a failure.
    Verdict.UNSTORABLE: State.SETTLING,
}


def test_what_is_taken_at_once_is_sent_once_and_nothing_is_waited() -> None:
    """The usual case costs nothing."""
    clock, engine = Clock(), Engine(None)
    assert _carry(_delivery(clock), engine) is Verdict.SETTLED
    assert (engine.sends, engine.looks, clock.waits) == (1, 0, [])


def test_an_outage_is_waited_out_with_growing_pauses() -> None:
    """Five failed sends, then the engine takes it."""
    clock, engine = Clock(), Engine(RESET, RESET, RESET, RESET, RESET, None)
    assert _carry(_delivery(clock), engine) is Verdict.SETTLED
    assert (engine.sends, clock.waits) == (6, [0.25, 0.5, 1.0, 2.0, 4.0])


def test_a_job_that_is_gone_after_a_lost_answer_was_settled_by_it() -> None:
    """No error reaches the caller: the result is where it belongs."""
    engine = Engine(RESET, GONE)
    assert _carry(_delivery(Clock()), engine) is Verdict.SETTLED
    assert engine.sends == 2


@pytest.mark.parametrize(
    ("members", "searches"),
    [
        pytest.param({"execution_id": "e"}, [{"execution_id": "e"}], id="of a process"),
        pytest.param({"sub_scope_id": "s"}, [{"sub_scope_id": "s"}], id="of a case"),
    ],
)
@pytest.mark.parametrize("operation", [COMPLETE, FAIL])
def test_it_was_not_if_its_correlation_id_is_found_under_another_id(
    operation: Operation, members: dict[str, str], searches: list[dict[str, str]]
) -> None:
    """On some releases the id of a job changes when its lock is reset; then it runs again."""
    job = _job("j", **members)
    delivery, engine = _delivery(Clock(), job=job), Engine(RESET, GONE, found=(["a", "c"],))
    assert _carry(delivery, engine, operation) is Verdict.LOST
    assert (engine.sends, engine.searches) == (2, searches)
    assert delivery.error is GONE
    engine = Engine(RESET, GONE, found=(["a", "b"],))
    assert _carry(_delivery(Clock(), job=job), engine, operation) is Verdict.SETTLED
    assert (engine.sends, engine.searches) == (2, searches)


@pytest.mark.parametrize("failure", [RESET, ERROR, RuntimeError("token service")], ids=["reset", "500", "a fault"])
def test_a_search_that_fails_decides_nothing(failure: Exception) -> None:
    """It is sent and looked for again, until one of them tells."""
    job = _job("j", execution_id="e")
    engine = Engine(RESET, GONE, found=(failure, failure, []))
    assert _carry(_delivery(Clock(), job=job), engine) is Verdict.SETTLED
    assert (engine.sends, len(engine.searches)) == (4, 3)


def test_a_job_that_is_gone_without_an_unclear_send_is_not_looked_for() -> None:
    """The process moved on: there is nothing to find out."""
    engine = Engine(GONE)
    assert _carry(_delivery(Clock(), job=_job("j", execution_id="e")), engine) is Verdict.GONE
    assert engine.searches == []


def test_a_result_follows_its_job_to_a_new_lock() -> None:
    """The job came to this client again while it was on its way: the next send goes to the newest id and owner."""
    clock = Clock()
    delivery, engine = _delivery(clock), Engine(RESET, None)
    lease = delivery.held.lease
    clock.on_wait = lambda: lease.renew(Lock("j2", "w.7", clock.now() + 60.0))
    assert _carry(delivery, engine) is Verdict.SETTLED
    assert [(call.job_id, call.owner) for call in engine.calls] == [("j", "w.1"), ("j2", "w.7")]
    assert delivery.owner_of("j") == delivery.owner_of("j2") == "w.7"


@pytest.mark.parametrize("refusal", [GONE, LOST], ids=["gone", "lock lost"])
def test_a_refusal_under_a_lock_that_was_renewed_meanwhile_says_nothing(refusal: Exception) -> None:
    """It is sent again at once, under the new lock."""
    clock = Clock()
    delivery, engine = _delivery(clock), Engine(refusal, None)
    lease = delivery.held.lease
    engine.on_send = lambda: None if lease.renewals else lease.renew(Lock("j2", "w.2", clock.now() + 60.0))
    assert _carry(delivery, engine) is Verdict.SETTLED
    assert [(call.job_id, call.owner) for call in engine.calls] == [("j", "w.1"), ("j2", "w.2")]
    assert clock.waits == [0.0]


def test_an_unclear_send_under_an_old_lock_explains_nothing_under_a_new_one() -> None:
    """That the job came again shows that it was not done; if it is gone then, the process moved on."""
    clock = Clock()
    delivery, engine = _delivery(clock, job=_job("j", execution_id="e")), Engine(RESET, GONE)
    lease = delivery.held.lease
    clock.on_wait = lambda: lease.renew(Lock("j2", "w.2", clock.now() + 60.0))
    assert _carry(delivery, engine) is Verdict.GONE
    assert engine.searches == []


def test_what_is_being_sent_is_known_while_it_is_unclear() -> None:
    """So that a job that is acquired anew is told from one whose failure has just been carried out."""
    clock = Clock()
    delivery, engine = _delivery(clock), Engine(BUSY, RESET, None)
    seen: list[Effect | None] = []
    engine.on_send = clock.on_wait = lambda: seen.append(delivery.held.sending)
    _carry(delivery, engine, FAIL)
    # During each send, and in the pauses after one that was surely not carried out and one that may have been.
    assert seen == [Effect.FAILS, None, Effect.FAILS, Effect.FAILS, Effect.FAILS]


@pytest.mark.parametrize("movable", [0.0, 2.0])
def test_a_delivery_that_may_moves_off_before_a_pause_that_would_be_too_long(movable: float) -> None:
    """What is left of it is handed over, with the pause; nothing has ended."""
    clock = Clock()
    delivery, engine = _delivery(clock), Engine(RESET, RESET, RESET, RESET, None)
    delivery.movable = movable
    with pytest.raises(MovedOff) as caught:
        delivery.carry(Settling(COMPLETE, "j", "w.1", {}), engine)
    assert sum(clock.waits) <= movable < sum(clock.waits) + caught.value.pause
    assert (delivery.verdict, delivery.held.state) == (None, State.SETTLING)
    pauses = [caught.value.pause]
    while (pause := caught.value.parcel.attempt()) is not None:
        pauses.append(pause)
    assert [*clock.waits, *pauses] == [0.25, 0.5, 1.0, 2.0]
    assert delivery.close(caught.value.parcel) is None
    assert (delivery.verdict, delivery.settled) == (Verdict.SETTLED, True)


def test_what_is_sent_for_another_job_does_not_move_off() -> None:
    """Somebody's code waits for it."""
    clock = Clock()
    delivery, engine = _delivery(clock), Engine(RESET, RESET, None)
    delivery.movable = 0.0
    delivery.carry(Settling(COMPLETE, "another", "me", {}), engine)
    assert engine.sends == 3


def test_an_outcome_is_written_down_before_it_is_sent_and_so_is_its_end() -> None:
    """Once each, however often it is sent; what is sent for other jobs is nobody's to keep."""
    records, clock = Noting(), Clock()
    engine = Engine(RESET, None)
    delivery = _delivery(clock, records=records)
    engine.on_send = lambda: records.told.append("sent")
    delivery.carry(Settling(COMPLETE, "another", "me", {}), engine)
    assert records.told == ["sent", "sent"]
    records.told.clear()
    _carry(delivery, Engine(RESET, None))
    assert records.told == [("c", "w.1", "complete"), ("c", Effect.SETTLES, Step(Verdict.SETTLED))]
    records.told.clear()
    _carry(_delivery(clock, records=records), Engine(RESET, GONE))
    assert records.told[1:] == [("c", Effect.SETTLES, Step(Verdict.SETTLED, assumed=True))]


def test_a_job_that_is_gone_at_the_first_answer_is_the_callers_to_know() -> None:
    """The engine's own exception, unchanged."""
    delivery = _delivery(Clock())
    assert _carry(delivery, Engine(GONE)) is Verdict.GONE
    assert delivery.error is GONE


@pytest.mark.parametrize(
    ("operation", "holder", "verdict", "sends"),
    [
        pytest.param(COMPLETE, "w.1", Verdict.SETTLED, 2, id="ours: sent again"),
        pytest.param(COMPLETE, "w.2", Verdict.LOST, 1, id="somebody else's"),
        pytest.param(COMPLETE, None, Verdict.LOST, 1, id="nobody's"),
        pytest.param(FAIL, None, Verdict.SETTLED, 1, id="nobody's after a fail: it was carried out"),
        pytest.param(COMPLETE, GONE, Verdict.SETTLED, 1, id="gone: it was carried out"),
        pytest.param(COMPLETE, RESET, Verdict.SETTLED, 2, id="cannot be seen: sent again"),
    ],
)
def test_after_the_engines_own_error_the_job_is_looked_at(
    operation: Operation, holder: str | Exception | None, verdict: Verdict, sends: int
) -> None:
    """One in fifty such errors was carried out all the same."""
    engine = Engine(ERROR, None, holders=(holder,))
    assert _carry(_delivery(Clock()), engine, operation) is verdict
    assert (engine.sends, engine.looks) == (sends, 1)


def test_an_engine_that_fails_on_this_result_alone_will_never_take_it() -> None:
    """Three times its own error, with the job still ours each time."""
    delivery, engine = _delivery(Clock()), Engine(ERROR, holders=("w.1",))
    assert _carry(delivery, engine) is Verdict.UNSTORABLE
    assert delivery.error is ERROR
    assert (engine.sends, engine.looks) == (3, 3)


def test_a_delivery_is_abandoned_ten_minutes_after_it_began_at_the_earliest() -> None:
    """The lock was over long before; the last exception is the caller's."""
    clock = Clock()
    delivery, engine = _delivery(clock), Engine(RESET)
    assert _carry(delivery, engine) is Verdict.ABANDONED
    assert delivery.error is RESET
    assert clock.now() == 1600.0
    # More of them while the lock lasts, so that the engine has it before that ends.
    assert engine.sends == 40


@pytest.mark.parametrize(
    ("grace", "ended"),
    [
        pytest.param(20.0, 1021.75, id="nine tenths of the grace"),
        pytest.param(0.0, 1003.75, id="none"),
        pytest.param(None, 1060.0, id="the lock, when nothing is said"),
    ],
)
def test_being_told_to_stop_leaves_a_delivery_its_grace(grace: float | None, ended: float) -> None:
    """In steps of two seconds: an engine that comes back in time is to be noticed."""
    clock = Clock()
    stop = Stop(clock)
    clock.on_wait = lambda: stop.within(grace) if clock.now() > 1003.0 and not stop.is_set() else None
    engine = Engine(RESET)
    assert _carry(_delivery(clock, stop), engine) is Verdict.ABANDONED
    assert clock.now() == ended
    assert max([0.0, *clock.waits[4:]]) <= 2.0


def test_a_pause_that_the_engine_asks_for_is_kept_while_stopping() -> None:
    """It has its reasons."""
    clock = Clock()
    stop = Stop(clock)
    stop.within(60.0)
    busy = FlowableRestException(429, headers={"retry-after": "10"})
    assert _carry(_delivery(clock, stop), Engine(busy, None)) is Verdict.SETTLED
    assert clock.waits == [10.0]


def test_an_exception_that_is_nobodys_is_resent_like_a_lost_answer() -> None:
    """An auth object that stumbles over a clock skew, say, must not cost a result."""
    engine = Engine(RuntimeError("token service"), None)
    assert _carry(_delivery(Clock()), engine) is Verdict.SETTLED
    assert engine.sends == 2


def test_what_is_sent_for_other_jobs_is_carried_but_says_nothing_of_this_one() -> None:
    """A handler may settle jobs of its own by hand."""
    delivery, engine = _delivery(Clock()), Engine(RESET, GONE)
    call = Settling(COMPLETE, "another", "me", {"variables": []})
    delivery.carry(call, engine)
    assert (engine.calls, delivery.verdict, delivery.settled) == ([call, call], None, False)
    assert delivery.held.state is State.SETTLING
    assert delivery.owner_of("another") is None
    assert delivery.owner_of("j") == "w.1"


def test_even_an_exit_in_the_persons_auth_does_not_cost_a_result() -> None:
    """It is resent like any request that may not have been sent."""
    engine = Engine(SystemExit(1), None)
    assert _carry(_delivery(Clock()), engine) is Verdict.SETTLED
    assert engine.sends == 2


def test_the_grace_counts_from_when_the_stop_was_told() -> None:
    """A handler that ran on, or a first delivery in vain, has used it up."""
    clock = Clock()
    stop = Stop(clock)
    stop.within(10.0)
    clock.time += 8.5
    assert _carry(_delivery(clock, stop), Engine(RESET)) is Verdict.ABANDONED
    assert clock.now() == 1009.0
    engine = Engine(RESET)
    assert _carry(_delivery(clock, stop), engine) is Verdict.ABANDONED
    assert engine.sends == 1


def test_telling_to_stop_again_gives_new_time() -> None:
    """The last word counts; setting the event says nothing about time."""
    clock = Clock()
    stop = Stop(clock)
    stop.set()
    assert (stop.told, stop.grace) == (1000.0, None)
    clock.time += 5.0
    stop.set()
    assert (stop.told, stop.grace) == (1000.0, None)
    stop.within(30.0)
    assert (stop.told, stop.grace, stop.is_set()) == (1005.0, 30.0, True)
