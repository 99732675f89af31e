"""Deliveries carried out: what is sent how often, and how they end, on a clock that only moves when waited on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from flowable.external_worker_client import FlowableRestException
from flowable.external_worker_client.rest.operations import COMPLETE, FAIL, Operation
from flowable.external_worker_client.runtime.delivery import Delivery
from flowable.external_worker_client.runtime.lifecycle import Lock
from flowable.external_worker_client.runtime.resend import Verdict
from flowable.external_worker_client.runtime.stop import Stop

JSON = {"content-type": "application/json"}
GONE = FlowableRestException(
    404, '{"message":"Not found","exception":"Could not find external worker job with id \'j\'."}', headers=JSON
)
ERROR = FlowableRestException(500, '{"message":"Internal server error","exception":"rollback"}', headers=JSON)
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


class Engine:
    """Answers sends and looks from scripts; the last answer of a script is repeated."""

    def __init__(self, *sends: BaseException | None, holders: tuple[str | Exception | None, ...] = ()) -> None:
        self.sends = 0
        self.looks = 0
        self._sends = self._repeating(sends)
        self._holders = self._repeating(holders)

    @staticmethod
    def _repeating(script: tuple[Any, ...]) -> Iterator[Any]:
        yield from script
        while script:
            yield script[-1]

    def send(self) -> None:
        """Raise what the script says; return for `None`."""
        self.sends += 1
        if (answer := next(self._sends)) is not None:
            raise answer

    def holder(self) -> str | None:
        """Return, or raise, what the script says."""
        self.looks += 1
        holder: str | Exception | None = next(self._holders)
        if isinstance(holder, Exception):
            raise holder
        return holder


def _delivery(clock: Clock, stop: Stop | None = None) -> Delivery:
    lock = Lock("w.1", clock.now() + 60.0)
    return Delivery(topic="t", job_id="j", lock=lock, clock=clock, chance=lambda: 0.5, stop=stop or Stop(clock))


def _carry(delivery: Delivery, engine: Engine, operation: Operation = COMPLETE) -> Verdict | None:
    raised: Exception | None = None
    try:
        delivery.carry(operation, "j", "w.1", engine.send, engine.holder)
    except (FlowableRestException, requests.RequestException) as error:
        raised = error
    assert raised is delivery.error
    assert delivery.operation is operation
    return delivery.verdict


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
    assert engine.sends < 40


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
    delivery.carry(COMPLETE, "another", "me", engine.send, engine.holder)
    assert (engine.sends, delivery.verdict, delivery.settled) == (2, None, False)
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
