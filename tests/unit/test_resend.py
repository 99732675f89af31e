"""Deliveries: every one ends, none turns a delivery problem into something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.rest.answers import DONE, Meaning, Reading
from flowable.external_worker_client.rest.operations import Effect
from flowable.external_worker_client.runtime.resend import (
    LONGEST_PAUSE_WHEN_STOPPING,
    MOST_ENGINE_ERRORS,
    Delivery,
    Found,
    Sight,
    Step,
    Verdict,
)

NOT_SENT = Reading(Meaning.NOT_SENT)
UNCLEAR = Reading(Meaning.UNCLEAR, unclear=True)
BUSY = Reading(Meaning.OVERLOADED, 429)
LOGIN = Reading(Meaning.NOT_THE_ENGINE, 401)
ERROR = Reading(Meaning.ENGINE_ERROR, 500, unclear=True)
REFUSED = Reading(Meaning.REFUSED, 400)
LOST = Reading(Meaning.LOCK_LOST, 403)
GONE = Reading(Meaning.GONE, 404)


def _deliver(effect: Effect, *readings: Reading) -> Verdict:
    """Return the verdict after these answers, at no time at all."""
    state, step = Delivery(effect, ends=600.0), Step(Verdict.AGAIN)
    for reading in readings:
        assert step.verdict is Verdict.AGAIN
        state, step = state.after(reading, now=0.0, chance=0.5)
    return step.verdict


@pytest.mark.parametrize(
    ("effect", "readings", "expected"),
    [
        pytest.param(Effect.SETTLES, [DONE], Verdict.SETTLED, id="done"),
        pytest.param(Effect.SETTLES, [NOT_SENT, DONE], Verdict.SETTLED, id="done at the second send"),
        pytest.param(Effect.SETTLES, [GONE], Verdict.GONE, id="gone"),
        pytest.param(Effect.SETTLES, [NOT_SENT, BUSY, LOGIN, GONE], Verdict.GONE, id="gone, every send was clear"),
        pytest.param(Effect.SETTLES, [UNCLEAR, GONE], Verdict.FIND, id="gone after an unclear send"),
        pytest.param(Effect.SETTLES, [UNCLEAR, NOT_SENT, GONE], Verdict.FIND, id="gone, one send was unclear"),
        pytest.param(Effect.SETTLES, [LOST], Verdict.LOST, id="lock lost"),
        pytest.param(Effect.SETTLES, [UNCLEAR, LOST], Verdict.LOST, id="lock lost after an unclear complete"),
        pytest.param(Effect.FAILS, [LOST], Verdict.LOST, id="lock lost before a fail"),
        pytest.param(Effect.FAILS, [UNCLEAR, LOST], Verdict.SETTLED, id="lock gone after an unclear fail"),
        pytest.param(Effect.FAILS, [UNCLEAR, GONE], Verdict.FIND, id="dead letter after an unclear fail"),
        pytest.param(Effect.SETTLES, [REFUSED], Verdict.UNSTORABLE, id="refused"),
        pytest.param(Effect.SETTLES, [UNCLEAR, REFUSED], Verdict.UNSTORABLE, id="refused after an unclear send"),
        pytest.param(Effect.SETTLES, [ERROR], Verdict.LOOK, id="the engine's error"),
        pytest.param(Effect.SETTLES, [LOGIN] * 9, Verdict.AGAIN, id="wrong credentials, again and again"),
    ],
)
def test_the_verdict_follows_from_the_answers(effect: Effect, readings: list[Reading], expected: Verdict) -> None:
    """Above all: what an earlier unclear send explains, and what it does not."""
    assert _deliver(effect, *readings) is expected


@pytest.mark.parametrize(
    ("effect", "sight", "expected"),
    [
        (Effect.SETTLES, Sight.GONE, Verdict.FIND),
        (Effect.FAILS, Sight.GONE, Verdict.FIND),
        (Effect.SETTLES, Sight.OTHERS, Verdict.LOST),
        (Effect.FAILS, Sight.OTHERS, Verdict.SETTLED),
        (Effect.SETTLES, Sight.OURS, Verdict.AGAIN),
        (Effect.SETTLES, Sight.NOTHING, Verdict.AGAIN),
    ],
)
def test_a_look_after_the_engines_error_tells_whether_it_was_done(
    effect: Effect, sight: Sight, expected: Verdict
) -> None:
    """A job that is gone was settled, or has another id; one that is still ours was not."""
    state, step = Delivery(effect, ends=600.0).after(ERROR, now=0.0, chance=0.5)
    assert step == Step(Verdict.LOOK)
    assert state.after_look(sight, ERROR, now=0.0, chance=0.5)[1].verdict is expected


@pytest.mark.parametrize("effect", [Effect.SETTLES, Effect.FAILS])
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(Found.ABSENT, Step(Verdict.SETTLED, assumed=True), id="absent: it was done"),
        pytest.param(Found.THERE, Step(Verdict.LOST), id="there: under another id, it was not"),
        pytest.param(Found.NOTHING, Step(Verdict.AGAIN, 0.5), id="not found out: sent again"),
    ],
)
def test_after_an_unclear_send_a_job_that_is_gone_is_looked_for(effect: Effect, found: Found, expected: Step) -> None:
    """Its id changes on some releases when a lock is reset; its correlation id does not."""
    state, _ = Delivery(effect, ends=600.0).after(UNCLEAR, now=0.0, chance=0.5)
    state, step = state.after(GONE, now=0.0, chance=0.5)
    assert step == Step(Verdict.FIND)
    assert state.after_find(found, GONE, now=0.0, chance=0.5) == expected
    assert state.after_find(Found.NOTHING, GONE, now=600.0, chance=0.5) == Step(Verdict.ABANDONED)


def test_a_stop_brings_the_end_nearer_and_makes_pauses_short() -> None:
    """Never later than it was; what the server asks for is kept."""
    state = Delivery(Effect.SETTLES, ends=600.0, sends=9)
    assert state.hurry(60.0) == Delivery(Effect.SETTLES, ends=60.0, sends=9, hurried=True)
    assert state.hurry(900.0).ends == 600.0
    hurried = state.hurry(60.0)
    assert hurried.after(NOT_SENT, now=0.0, chance=0.5)[1] == Step(Verdict.AGAIN, LONGEST_PAUSE_WHEN_STOPPING)
    asked = Reading(Meaning.OVERLOADED, 503, retry_after=20.0)
    assert hurried.after(asked, now=0.0, chance=0.5)[1] == Step(Verdict.AGAIN, 20.0)
    assert hurried.after(asked, now=50.0, chance=0.5)[1] == Step(Verdict.AGAIN, 10.0)


def test_a_new_lock_makes_earlier_sends_say_nothing() -> None:
    """The job came to this client again: what was sent before was not done, and there is more time."""
    before = Delivery(Effect.SETTLES, ends=600.0, sends=4, unclear=True, engine_errors=2)
    assert before.renewed(900.0, 60.0) == Delivery(Effect.SETTLES, ends=900.0, sends=4, deadline=60.0)
    assert before.renewed(100.0, 60.0).ends == 600.0
    assert before.renewed(900.0, 60.0).after(GONE, now=0.0, chance=0.5)[1] == Step(Verdict.GONE)
    assert before.after_renewal(now=599.0) == Step(Verdict.AGAIN)
    assert before.after_renewal(now=600.0) == Step(Verdict.ABANDONED)


def test_only_errors_that_leave_our_lock_in_place_count_against_a_result() -> None:
    """An engine without its database answers 500 as well, and cannot be looked into: that says nothing."""
    state = Delivery(Effect.SETTLES, ends=600.0)
    for _ in range(50):
        state, step = state.after_look(Sight.NOTHING, ERROR, now=0.0, chance=0.5)
        assert step.verdict is Verdict.AGAIN
    verdicts: list[Verdict] = []
    for _ in range(MOST_ENGINE_ERRORS):
        state, step = state.after_look(Sight.OURS, ERROR, now=0.0, chance=0.5)
        verdicts.append(step.verdict)
    assert verdicts == [Verdict.AGAIN] * (MOST_ENGINE_ERRORS - 1) + [Verdict.UNSTORABLE]


PASSING = [
    "Deadlock detected",
    "Lock wait timeout exceeded; try restarting transaction",
    "ERROR: could not serialize access due to concurrent update",
    "Could not open JDBC Connection for transaction",
    "JDBC rollback failed",
    "HikariPool-1 - Connection is not available, request timed out after 30000ms.",
    "Execution was updated by another transaction concurrently",
]


@pytest.mark.parametrize("text", PASSING)
def test_errors_of_the_database_that_pass_say_nothing_of_the_result(text: str) -> None:
    """However many: it is sent until it is taken."""
    state, error = Delivery(Effect.SETTLES, ends=600.0), Reading(Meaning.ENGINE_ERROR, 500, text, unclear=True)
    for _ in range(3 * MOST_ENGINE_ERRORS):
        state, step = state.after_look(Sight.OURS, error, now=0.0, chance=0.5)
        assert step.verdict is Verdict.AGAIN
    assert state.engine_errors == 0


def test_a_failure_is_never_taken_for_one_that_cannot_be_stored_because_of_the_engines_errors() -> None:
    """There is nothing else to tell the engine in its place."""
    state = Delivery(Effect.FAILS, ends=600.0)
    for _ in range(3 * MOST_ENGINE_ERRORS):
        state, step = state.after_look(Sight.OURS, ERROR, now=0.0, chance=0.5)
        assert step.verdict is Verdict.AGAIN


def test_no_pause_sleeps_through_what_is_left_of_the_lock() -> None:
    """A quarter of it at most, half a second at least; afterwards the pauses are as long as ever."""

    def pause(now: float, reading: Reading = NOT_SENT) -> float:
        return Delivery(Effect.SETTLES, ends=600.0, sends=9, deadline=60.0).after(reading, now, chance=0.5)[1].pause

    assert [pause(now) for now in (0.0, 20.0, 58.0, 59.9, 60.0, 100.0)] == [15.0, 10.0, 0.5, 0.5, 30.0, 30.0]
    # What the server asks for is kept.
    assert pause(50.0, Reading(Meaning.OVERLOADED, 503, retry_after=20.0)) == 20.0


def test_pauses_grow_and_are_longer_for_what_does_not_mend_itself() -> None:
    """Seconds for an engine that restarts, up to a minute for wrong credentials."""

    def pauses(reading: Reading) -> list[float]:
        state, seen = Delivery(Effect.SETTLES, ends=1e9), list[float]()
        for _ in range(10):
            state, step = state.after(reading, now=0.0, chance=0.5)
            seen.append(step.pause)
        return seen

    assert pauses(NOT_SENT) == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert pauses(LOGIN) == [5, 10, 20, 40, 60, 60, 60, 60, 60, 60]
    state, after_errors = Delivery(Effect.FAILS, ends=1e9), list[float]()
    for _ in range(6):
        state, _ = state.after(ERROR, now=0.0, chance=0.5)
        state, step = state.after_look(Sight.OURS, ERROR, now=0.0, chance=0.5)
        after_errors.append(step.pause)
    assert after_errors == [2, 4, 8, 16, 30, 30]


def test_a_pause_that_the_server_asks_for_is_kept_but_never_past_the_end() -> None:
    """`Retry-After` makes it longer; the budget makes it shorter."""
    busy = Reading(Meaning.OVERLOADED, 503, retry_after=42.0)
    assert Delivery(Effect.SETTLES, ends=600.0).after(busy, now=0.0, chance=0.5)[1] == Step(Verdict.AGAIN, 42.0)
    assert Delivery(Effect.SETTLES, ends=600.0).after(busy, now=590.0, chance=0.5)[1] == Step(Verdict.AGAIN, 10.0)
    assert Delivery(Effect.SETTLES, ends=600.0).after(busy, now=600.0, chance=0.5)[1] == Step(Verdict.ABANDONED)


READINGS = st.sampled_from([NOT_SENT, UNCLEAR, BUSY, LOGIN, ERROR, REFUSED, LOST, GONE, DONE])


@given(
    st.sampled_from([Effect.SETTLES, Effect.FAILS]),
    st.lists(st.tuples(READINGS, st.sampled_from(Sight), st.sampled_from(Found), st.floats(0, 1))),
    st.floats(0, 1000),
)
def test_whatever_comes_a_delivery_ends_and_only_the_engine_ends_it_early(
    effect: Effect, events: list[tuple[Reading, Sight, Found, float]], ends: float
) -> None:
    """Driven through time by its own pauses, with answers made up; after those, an engine that never answers."""
    state, now, sends = Delivery(effect, ends=ends), 0.0, 0
    everything = iter(events)
    while True:
        reading, sight, found, chance = next(everything, (UNCLEAR, Sight.NOTHING, Found.NOTHING, 0.5))
        state, step = state.after(reading, now, chance)
        sends += 1
        assert state.sends == sends
        if step.verdict is Verdict.LOOK:
            state, step = state.after_look(sight, reading, now, chance)
        if searched := step.verdict is Verdict.FIND:
            assert state.unclear
            step = state.after_find(found, reading, now, chance)
        if step.verdict is not Verdict.AGAIN:
            break
        assert 0 < step.pause <= ends - now
        now += step.pause
        assert sends < 10_000
    said_something_final = {Meaning.DONE, Meaning.REFUSED, Meaning.LOCK_LOST, Meaning.GONE}
    if step.verdict is Verdict.ABANDONED:
        assert now >= ends
    elif reading.meaning not in said_something_final:
        assert reading is ERROR
        assert sight is not Sight.NOTHING
    if step.verdict is Verdict.SETTLED and reading.meaning in (Meaning.GONE, Meaning.LOCK_LOST):
        assert state.unclear
    assert step.assumed == (searched and found is Found.ABSENT)
