"""The rules one by one: what an answer means for a delivery, lost acquires, batches, locks that are taken over."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.rest.answers import DONE, Meaning, Reading, answered, unanswered
from flowable.external_worker_client.rest.carrier import Settling
from flowable.external_worker_client.rest.operations import COMPLETE, FAIL, Effect, Operation
from flowable.external_worker_client.runtime import delivery as delivering
from flowable.external_worker_client.runtime import lifecycle
from flowable.external_worker_client.runtime.agenda import Acquire, Agenda, Leave, Settle, Start, Wait
from flowable.external_worker_client.runtime.delivery import Parcel
from flowable.external_worker_client.runtime.held import HeldJob, Lease, Lock, Registry
from flowable.external_worker_client.runtime.lifecycle import FINAL, TRANSITIONS, Event, State
from flowable.external_worker_client.runtime.lost_acquires import FIRST_LOOK, LostAcquires
from flowable.external_worker_client.runtime.pauses import Pauses
from flowable.external_worker_client.runtime.polling import GROW_AFTER, PROBE_EVERY, PROOFS, Polling
from flowable.external_worker_client.runtime.records import Records
from flowable.external_worker_client.runtime.resend import Delivery, Found, Sight, Step, Verdict
from flowable.external_worker_client.runtime.stop import Stop

from .model_engine import LOST_AFTER, LOST_BEFORE, PASSES, ModelEngine, Wire, engines_own
from .model_engine import NOT_SENT as NOT_SENT_AT_ALL
from .model_shell import Clock

LOCK_TEXT = "w does not hold a lock on the requested job"
GONE_TEXT = "Could not find external worker job with id 'j'."


def read(status: int, detail: str | None = None, **headers: str) -> Reading:
    """Return what an answer to a complete means."""
    return answered(COMPLETE, status, headers, "category" if detail else None, detail, 0.0)


NOT_SENT = unanswered(sent=False, text="")
UNCLEAR = unanswered(sent=True, text="")
LOCK_LOST = read(403, LOCK_TEXT)
LOCK_LOST_400 = read(400, LOCK_TEXT)
GONE = read(404, GONE_TEXT)
REFUSED = read(400, "Variable name is required")
TOO_LARGE = read(413)
ERROR = read(500, "value too long for column")
PASSING = read(500, "JDBC rollback failed")
FAULT = Reading(Meaning.FAULT, unclear=True)

SETTLES, FAILS = Effect.SETTLES, Effect.FAILS
CLEAR, AFTER_AN_UNCLEAR_SEND = False, True

#: What follows an answer: effect, earlier sends, answer, what a look shows, what looking for the correlation id
#: brings, and how that ends. `AGAIN` is sent again after a pause.
TABLE: dict[str, tuple[Effect, bool, Reading, Sight | None, Found | None, Verdict]] = {
    "2xx": (SETTLES, CLEAR, DONE, None, None, Verdict.SETTLED),
    "2xx after an unclear send": (FAILS, AFTER_AN_UNCLEAR_SEND, DONE, None, None, Verdict.SETTLED),
    "not sent": (SETTLES, CLEAR, NOT_SENT, None, None, Verdict.AGAIN),
    "unclear": (SETTLES, CLEAR, UNCLEAR, None, None, Verdict.AGAIN),
    **{f"{status}": (SETTLES, CLEAR, read(status), None, None, Verdict.AGAIN) for status in (408, 409, 425, 429)},
    **{f"{status} ": (SETTLES, CLEAR, read(status), None, None, Verdict.AGAIN) for status in (502, 503, 504)},
    **{f"{status}  ": (FAILS, CLEAR, read(status), None, None, Verdict.AGAIN) for status in (301, 302, 303, 401)},
    "HTML with 200": (SETTLES, CLEAR, read(200), None, None, Verdict.AGAIN),
    "403 without the engine's body": (SETTLES, CLEAR, read(403), None, None, Verdict.AGAIN),
    "404 without the engine's body": (SETTLES, CLEAR, read(404), None, None, Verdict.AGAIN),
    "404 without it after an unclear send": (SETTLES, AFTER_AN_UNCLEAR_SEND, read(404), None, None, Verdict.AGAIN),
    "an HTML 500": (SETTLES, CLEAR, read(500), None, None, Verdict.AGAIN),
    "a mistake in a hook": (SETTLES, CLEAR, FAULT, None, None, Verdict.AGAIN),
    "the engine's 404": (SETTLES, CLEAR, GONE, None, None, Verdict.GONE),
    "the engine's 404, for a fail": (FAILS, CLEAR, GONE, None, None, Verdict.GONE),
    "404, unclear, absent": (SETTLES, AFTER_AN_UNCLEAR_SEND, GONE, None, Found.ABSENT, Verdict.SETTLED),
    "404, unclear, there": (SETTLES, AFTER_AN_UNCLEAR_SEND, GONE, None, Found.THERE, Verdict.LOST),
    "404, unclear, who knows": (SETTLES, AFTER_AN_UNCLEAR_SEND, GONE, None, Found.NOTHING, Verdict.AGAIN),
    "404, unclear, absent, for a fail": (FAILS, AFTER_AN_UNCLEAR_SEND, GONE, None, Found.ABSENT, Verdict.SETTLED),
    "403 with the lock text": (SETTLES, CLEAR, LOCK_LOST, None, None, Verdict.LOST),
    "400 with the lock text": (SETTLES, CLEAR, LOCK_LOST_400, None, None, Verdict.LOST),
    "403, unclear": (SETTLES, AFTER_AN_UNCLEAR_SEND, LOCK_LOST, None, None, Verdict.LOST),
    "403, for a fail": (FAILS, CLEAR, LOCK_LOST, None, None, Verdict.LOST),
    "403, unclear, for a fail": (FAILS, AFTER_AN_UNCLEAR_SEND, LOCK_LOST, None, None, Verdict.SETTLED),
    "400, unclear, for a fail": (FAILS, AFTER_AN_UNCLEAR_SEND, LOCK_LOST_400, None, None, Verdict.SETTLED),
    "another 400": (SETTLES, CLEAR, REFUSED, None, None, Verdict.UNSTORABLE),
    "another 400, for a fail": (FAILS, AFTER_AN_UNCLEAR_SEND, REFUSED, None, None, Verdict.UNSTORABLE),
    "413 from anyone": (SETTLES, CLEAR, TOO_LARGE, None, None, Verdict.UNSTORABLE),
    "the engine's 500, our lock": (SETTLES, CLEAR, ERROR, Sight.OURS, None, Verdict.AGAIN),
    "the engine's 500, no look": (SETTLES, CLEAR, ERROR, Sight.NOTHING, None, Verdict.AGAIN),
    "the engine's 500, gone, absent": (SETTLES, CLEAR, ERROR, Sight.GONE, Found.ABSENT, Verdict.SETTLED),
    "the engine's 500, gone, there": (SETTLES, CLEAR, ERROR, Sight.GONE, Found.THERE, Verdict.LOST),
    "the engine's 500, gone, who knows": (SETTLES, CLEAR, ERROR, Sight.GONE, Found.NOTHING, Verdict.AGAIN),
    "the engine's 500, not ours": (SETTLES, CLEAR, ERROR, Sight.OTHERS, None, Verdict.LOST),
    "the engine's 500, not ours, a fail": (FAILS, CLEAR, ERROR, Sight.OTHERS, None, Verdict.SETTLED),
}


def decide(state: Delivery, reading: Reading, sight: Sight | None, found: Found | None) -> tuple[Delivery, Step]:
    """Decide as the shell does, with looks where they are asked for, and only there."""
    state, step = state.after(reading, 0.0, 0.5)
    assert (step.verdict is Verdict.LOOK) == (reading.meaning is Meaning.ENGINE_ERROR)
    if step.verdict is Verdict.LOOK and sight is not None:
        state, step = state.after_look(sight, reading, 0.0, 0.5)
    if step.verdict is Verdict.FIND and found is not None:
        step = state.after_find(found, reading, 0.0, 0.5)
    return state, step


@pytest.mark.parametrize(("effect", "unclear", "reading", "sight", "found", "verdict"), TABLE.values(), ids=TABLE)
def test_an_answer_means_what_the_table_says(
    effect: Effect,
    unclear: bool,
    reading: Reading,
    sight: Sight | None,
    found: Found | None,
    verdict: Verdict,
) -> None:
    """One row of the job's table, for a result with time left."""
    _, step = decide(Delivery(effect, ends=1000.0, unclear=unclear, sends=int(unclear)), reading, sight, found)
    assert step.verdict is verdict
    assert step.assumed == (found is Found.ABSENT)
    assert (step.pause > 0) == (verdict is Verdict.AGAIN)


SLOW = [read(401), read(302), read(403), read(404), read(200), read(500), FAULT]
QUICK = [NOT_SENT, UNCLEAR, read(429), read(502), read(503)]


@pytest.mark.parametrize(
    ("reading", "first"),
    [*((each, 5.0) for each in SLOW), *((each, 0.25) for each in QUICK), (ERROR, 2.0), (PASSING, 2.0)],
    ids=str,
)
def test_what_does_not_mend_itself_in_seconds_gets_a_slow_pause(reading: Reading, first: float) -> None:
    """Five seconds first, up to a minute; the engine's own error: two, up to half a minute; all else: a quarter."""
    state = Delivery(FAILS, ends=1e9)
    pauses = []
    for _ in range(12):
        state, step = decide(state, reading, Sight.NOTHING, None)
        pauses.append(step.pause)
    assert pauses[0] == first
    assert pauses == sorted(pauses)
    assert pauses[-1] == (60.0 if first == 5.0 else 30.0)


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_server_that_asks_for_a_pause_gets_it(status: int) -> None:
    """Also when the subscription is stopping, and up to five minutes."""
    for asked, kept in (("20", 20.0), ("100000", 300.0)):
        reading = read(status, **{"retry-after": asked})
        for state in (Delivery(SETTLES, ends=1e9), Delivery(SETTLES, ends=1e9).hurry(1e9)):
            assert state.after(reading, 0.0, 0.5)[1] == Step(Verdict.AGAIN, kept)


def test_a_stopping_subscription_waits_no_longer_than_two_seconds() -> None:
    """An engine that comes back within the grace must be noticed."""
    state = Delivery(SETTLES, ends=1e9, sends=30).hurry(1e9)
    assert state.after(NOT_SENT, 0.0, 0.5)[1] == Step(Verdict.AGAIN, 2.0)


def test_the_third_error_under_our_lock_is_taken_for_an_answer() -> None:
    """A value that the engine can never store is a 500 for ever. One after which no look showed our lock counts not."""
    state = Delivery(SETTLES, ends=1e9)
    verdicts = []
    for sight in (Sight.OURS, Sight.NOTHING, Sight.OURS, Sight.OURS):
        state, step = decide(state, ERROR, sight, None)
        verdicts.append(step.verdict)
    assert verdicts == [Verdict.AGAIN, Verdict.AGAIN, Verdict.AGAIN, Verdict.UNSTORABLE]


def test_an_error_that_passes_says_nothing_of_the_result() -> None:
    """Deadlocks, lost database connections: sent again until it is taken, however often."""
    state = Delivery(SETTLES, ends=1e9)
    for _ in range(20):
        state, step = decide(state, PASSING, Sight.OURS, None)
        assert step.verdict is Verdict.AGAIN


def test_a_pause_under_a_lock_leaves_most_of_it() -> None:
    """A result must not sleep past the end of its lock when the engine comes back before."""
    state = Delivery(SETTLES, ends=1e9, deadline=60.0, sends=20)
    assert state.again(NOT_SENT, now=0.0, chance=0.5).pause == 15.0
    assert state.again(NOT_SENT, now=50.0, chance=0.5).pause == 2.5
    assert state.again(NOT_SENT, now=59.9, chance=0.5).pause == 0.5
    assert state.again(NOT_SENT, now=61.0, chance=0.5).pause == 30.0


def test_a_new_lock_takes_away_the_doubts() -> None:
    """What comes again was not carried out: the next 404 means gone, and errors are counted anew."""
    state = Delivery(SETTLES, ends=10.0, unclear=True, engine_errors=2).renewed(ends=50.0, deadline=45.0)
    assert state == Delivery(SETTLES, ends=50.0, deadline=45.0)
    assert Delivery(SETTLES, ends=50.0).renewed(ends=10.0, deadline=5.0).ends == 50.0


READINGS = st.sampled_from([*SLOW, *QUICK, ERROR, PASSING, DONE, LOCK_LOST, LOCK_LOST_400, GONE, REFUSED, TOO_LARGE])
ANSWERS = st.tuples(
    READINGS, st.sampled_from(Sight), st.sampled_from(Found), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 400)
)


@given(st.sampled_from([SETTLES, FAILS]), st.lists(ANSWERS, min_size=1), st.integers(0, 50), st.booleans())
def test_every_delivery_comes_to_an_end_that_the_answers_explain(  # noqa: C901 - one case for each verdict
    effect: Effect,
    answers: list[tuple[Reading, Sight, Found, float, float]],
    stops_at: int,
    stops: bool,
) -> None:
    """Whatever the answers are: pauses are capped, nothing is dropped before its time, and it is not endless."""
    now, ends = 0.0, 900.0
    state = Delivery(effect, ends=ends)
    unclear, errors = False, 0
    for turn in range(100_000):
        reading, sight, found, chance, slow = answers[turn % len(answers)]
        if stops and turn == stops_at:
            ends = min(ends, now + 5.0)
            state = state.hurry(ends)
        # An answer takes its time, too.
        now += slow
        known = unclear
        unclear = unclear or reading.unclear
        errors += reading.meaning is Meaning.ENGINE_ERROR and sight is Sight.OURS
        state, step = state.after(reading, now, chance)
        looked = step.verdict is Verdict.LOOK
        if looked:
            state, step = state.after_look(sight, reading, now, chance)
        searched = step.verdict is Verdict.FIND
        if searched:
            step = state.after_find(found, reading, now, chance)
        if step.verdict is not Verdict.AGAIN:
            break
        assert now < ends
        assert 0 < step.pause <= max(60.0 * 1.2, reading.retry_after or 0.0)
        assert now + step.pause <= ends
        now += step.pause
    else:
        pytest.fail("it is endless")
    match step.verdict:
        case Verdict.SETTLED:
            absent = searched and unclear and found is Found.ABSENT
            others = effect is FAILS and (known or looked) and (reading.meaning is Meaning.LOCK_LOST or looked)
            assert reading is DONE or absent or others
            assert step.assumed == absent
        case Verdict.LOST:
            there = searched and unclear and found is Found.THERE
            assert reading.meaning is Meaning.LOCK_LOST or there or (looked and sight is Sight.OTHERS)
        case Verdict.GONE:
            assert reading is GONE
            assert not known
        case Verdict.UNSTORABLE:
            assert reading in (REFUSED, TOO_LARGE) or errors >= 3
        case Verdict.ABANDONED:
            assert now >= ends
        case other:
            pytest.fail(f"{other} is no end")


# ---------------------------------------------------------------- lost acquires


@given(st.floats(0, 60), st.floats(0.1, 1000), st.floats(0.1, 60), st.lists(st.booleans(), max_size=30))
def test_a_lost_acquire_is_looked_for_until_it_cannot_have_locked_anything(
    took: float, lock: float, time_out: float, looks: list[bool]
) -> None:
    """Soon, and once more when the request would have timed out; failed looks are repeated while its locks last."""
    asked, now = 100.0, 100.0 + took
    lost = LostAcquires().add("w.1", now=now, asked=asked, lock=lock, time_out=time_out)
    assert lost.next_look() == now + FIRST_LOOK
    entry = lost.of("w.1")
    assert entry is not None
    # Given back before the earliest end only, and looked for until the latest.
    assert (entry.locked_until, entry.ends) == (asked + lock, asked + time_out + lock)
    ends = asked + time_out + lock
    answered_after_the_time_out = False
    for succeeds in [*looks, *[True] * 3]:
        due = lost.next_look()
        if due is None:
            break
        assert now <= due <= now + max(12.0, time_out)
        assert lost.due(due - 0.001) == frozenset()
        now = due
        assert lost.due(now) == {"w.1"}
        if succeeds:
            lost = lost.looked({"w.1"}, now)
            answered_after_the_time_out = answered_after_the_time_out or now >= asked + time_out
        else:
            lost = lost.failed({"w.1"}, now, 0.5)
    assert lost.entries == ()
    assert answered_after_the_time_out or now + 12.0 >= ends or asked + time_out >= ends


def test_looks_for_one_lost_acquire_do_not_touch_another() -> None:
    """Each has its own times."""
    lost = LostAcquires().add("w.1", now=0.0, asked=0.0, lock=60.0, time_out=35.0)
    lost = lost.add("w.2", now=10.0, asked=9.0, lock=60.0, time_out=35.0)
    assert lost.due(1.0) == {"w.1"}
    assert lost.due(11.0) == {"w.1", "w.2"}
    after = lost.looked({"w.1"}, 1.0)
    assert after.due(11.0) == {"w.2"}
    assert after.of("w.2") == lost.of("w.2")
    assert lost.failed({"w.1"}, 1.0, 0.5).of("w.2") == lost.of("w.2")
    assert after.looked({"w.1", "w.2"}, 100.0).entries == ()


# ---------------------------------------------------------------- polling


@given(st.integers(2, 20), st.integers(1, 40))
def test_single_jobs_behind_an_empty_batch_make_the_batches_smaller(wanted: int, batches: int) -> None:
    """Twice may be chance; then halved each time, never below one, and not asked for singly when it is one."""
    polling, sizes = Polling(), []
    for _ in range(PROOFS - 1):
        polling = polling.found_nothing(wanted).found_work(wanted, was_there=True)
        assert (polling.starving, polling.size(wanted)) == (False, wanted)
    for _ in range(batches):
        polling = polling.found_nothing(wanted)
        if not polling.probing:
            break
        assert polling.size(wanted) == 1
        assert polling.pause(30.0, 0.5) == 0.0
        polling = polling.found_work(wanted, was_there=True)
        assert polling.starving
        sizes.append(polling.size(wanted))
    assert sizes == [max(1, wanted >> number) for number in range(1, len(sizes) + 1)]
    assert len(sizes) == min(batches, math.floor(math.log2(wanted)))


@given(st.integers(2, 64), st.integers(1, 63))
def test_smaller_batches_grow_back_while_all_answers_have_work(wanted: int, largest: int) -> None:
    """Doubled after every twenty answers with work in a row, until there is no limit; an empty one starts anew."""
    polling, answers = Polling(largest=min(largest, wanted - 1)), 0
    smallest = polling.size(wanted)
    while polling.largest is not None:
        before = polling.size(wanted)
        for _ in range(GROW_AFTER - 1):
            polling = polling.found_work(wanted, was_there=True)
            assert polling.size(wanted) == before
        if answers == 0:
            polling = polling.found_nothing(1)
            for _ in range(GROW_AFTER - 1):
                polling = polling.found_work(wanted, was_there=True)
            assert polling.size(wanted) == before
        polling = polling.found_work(wanted, was_there=True)
        assert polling.size(wanted) == min(2 * before, wanted)
        answers += 1
    assert answers == math.ceil(math.log2(wanted / smallest))


@given(st.integers(2, 20), st.integers(0, 60))
def test_every_fourth_empty_batch_is_followed_by_a_single_job(wanted: int, empty: int) -> None:
    """The first one, too; a single job that is not there makes the idle pause no shorter."""
    polling, probes = Polling(), []
    for number in range(empty):
        polling = polling.found_nothing(wanted)
        assert polling.empty == number + 1
        if polling.probing:
            probes.append(number)
        if polling.probing_at_once:
            polling = polling.found_nothing(wanted)
            assert not polling.probing
        assert polling.empty == number + 1
        assert polling.pause(30.0, 1.0) == min(0.25 * 2**number, 30.0)
    assert probes == list(range(0, empty, PROBE_EVERY))


@given(st.integers(0, 100))
def test_who_asks_for_single_jobs_never_asks_twice(empty: int) -> None:
    """An empty answer to a question for one job is true."""
    polling = Polling()
    for _ in range(empty):
        polling = polling.found_nothing(1)
        assert not polling.probing


EVENTS = st.lists(
    st.tuples(st.sampled_from(["work", "nothing", "failed"]), st.integers(1, 20), st.sampled_from([0.0, 0.5, 2.0]))
)


@given(EVENTS, st.floats(0, 60), st.floats(0, 1), READINGS)
def test_questions_are_for_one_job_or_more_and_pauses_end(
    events: list[tuple[str, int, float]], ceiling: float, chance: float, reading: Reading
) -> None:
    """Whatever was answered; and an answer ends the slow pauses after errors."""
    polling = Polling()
    for event, wanted, since_work in events:
        assert 1 <= polling.size(wanted) <= wanted
        if event == "failed":
            polling = polling.failed()
        else:
            polling = (
                polling.found_work(wanted, was_there=True)
                if event == "work"
                else polling.found_nothing(wanted, since_work=since_work)
            )
        assert 0 <= polling.pause(ceiling, chance) <= ceiling
        assert (polling.errors > 0) == (event == "failed")
        if event == "failed":
            assert 0.4 <= polling.pause_after(reading, chance) <= max(72.0, reading.retry_after or 0.0)
        if event == "work":
            assert polling.pause(ceiling, chance) == 0.0


# ---------------------------------------------------------------- the life of a job


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
@pytest.mark.parametrize("sending", [None, *Effect], ids=lambda effect: effect.value if effect else "nothing")
def test_a_run_takes_over_a_lock_unless_it_may_have_given_the_last_one_away(
    state: State, sending: Effect | None
) -> None:
    """A fail, or a release, that may just have been carried out makes the job a new one; so does an end."""
    lives = state in {State.WAITING, State.RUNNING, State.SETTLING}
    assert lifecycle.takes_over(state, sending) == (lives and sending not in {Effect.FAILS, Effect.RELEASES})


def test_every_state_leads_to_an_end_and_ends_lead_nowhere() -> None:
    """From everywhere an end can be reached; from an end, nothing else."""
    for state in State:
        reached, grown = {state}, True
        while grown:
            following = {after for each in reached for after in TRANSITIONS[each].values()}
            grown = not following <= reached
            reached |= following
        assert reached & FINAL
        assert state not in FINAL or reached == {state}


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_suggested_lock_is_longer_than_any_run_that_was_seen(runs: list[float]) -> None:
    """By half, and twice what is usual; rounded up to what reads well, at most a week."""
    suggested = lifecycle.suggested_lock(runs)
    week = 604_800.0
    assert suggested == week or suggested >= max(1.5 * max(runs), 2 * lifecycle.percentile(runs, 0.95))
    assert suggested in lifecycle._LOCKS
    smaller = [lock for lock in lifecycle._LOCKS if lock < suggested]
    if smaller:
        assert smaller[-1] < max(1.5 * max(runs), 2 * lifecycle.percentile(runs, 0.95))


@given(st.floats(-1e3, 1e3), st.sampled_from([None, -1, 0, 1, 3, "3", 2.5]))
def test_nothing_is_given_back_late_or_without_retries(left: float, retries: object) -> None:
    """It would clear a sibling's lock, or make a dead letter."""
    assert lifecycle.may_release(left=left, retries=retries) == (left > 0 and retries in (1, 3))


@given(st.floats(0, 1e3), st.one_of(st.none(), st.floats(0, 1e3)), st.floats(-1e3, 1e4))
def test_a_delivery_ends_within_the_grace_of_a_stop(told: float, grace: float | None, deadline: float) -> None:
    """A little before whoever waits gives up; without a grace with the lock, and not before five seconds."""
    ends = lifecycle.delivery_ends_when_stopping(told=told, grace=grace, deadline=deadline)
    if grace is None:
        assert ends == max(deadline, told + 5.0)
    else:
        assert told <= ends <= told + grace
    assert lifecycle.delivery_ends(started=told, deadline=deadline) == max(deadline + 300.0, told + 600.0)


def test_a_failure_counts_as_sent_by_its_own_name() -> None:
    """The effects of the operations are what the rules above go by."""
    assert (COMPLETE.effect, FAIL.effect) == (SETTLES, FAILS)


# ---------------------------------------------------------------- what only happens between two steps


def held_job(correlation_id: str = "c", job_id: str = "j1", owner: str = "w.1") -> HeldJob:
    """Return a job that was just acquired."""
    job = ExternalWorkerAcquireJobResponse([], job_id, *(None,) * 10, 3, *(None,) * 6)
    job.correlation_id = job.execution_id = correlation_id
    clock = Clock()
    return HeldJob("t", job, Lease(Lock(job_id, owner, clock.now() + 60.0), clock))


def test_the_end_of_a_job_does_not_touch_a_new_attempt() -> None:
    """A job that is given back can be acquired again before that is known here."""
    registry = Registry()
    first, second, third = held_job(), held_job(owner="w.2"), held_job(owner="w.3")
    assert registry.take(first)
    first.happened(Event.RELEASE)
    assert registry.take(second)
    registry.drop(first)
    assert len(registry) == 1
    assert not registry.take(third)
    assert second.lease.lock.owner == "w.3"
    registry.drop(second)
    assert len(registry) == 0


def _delivery(held: HeldJob, clock: Clock) -> delivering.Delivery:
    return delivering.Delivery(
        held=held,
        clock=clock,
        chance=lambda: 0.5,
        stop=Stop(clock),
        records=Records(),
        pauses=Pauses(clock, answered=lambda: None),
    )


@pytest.mark.parametrize("refusal", [(403, LOCK_TEXT), (404, GONE_TEXT)], ids=["403", "404"])
def test_a_refusal_under_a_lock_that_was_renewed_meanwhile_is_no_end(refusal: tuple[int, str]) -> None:
    """It is sent again, at once, under the new id and in the new owner's name."""
    held = held_job()
    held.happened(Event.START)
    held.happened(Event.ENDED)
    sent: list[tuple[str, str]] = []

    class TakenOver(Wire):
        def settle(self, call: Settling) -> None:
            sent.append((call.job_id, call.owner))
            if len(sent) == 1:
                held.lease.renew(Lock("j2", "w.2", held.lease.lock.deadline + 60.0))
                raise engines_own(*refusal)

    clock = Clock()
    delivery = _delivery(held, clock)
    parcel = Parcel(delivery, Settling(COMPLETE, "j1", "w.1", {}), TakenOver(ModelEngine(renews_ids=True)))
    assert parcel.attempt() == 0.0
    assert parcel.attempt() is None
    assert parcel.step.verdict is Verdict.SETTLED
    assert sent == [("j1", "w.1"), ("j2", "w.2")]


def test_a_lock_that_was_renewed_explains_what_comes_after_it() -> None:
    """What was unclear is clear then: it was not carried out. So a job that is gone now is gone, and not settled."""
    held = held_job()
    held.happened(Event.START)
    held.happened(Event.ENDED)
    engine = ModelEngine(renews_ids=True)
    engine.take_away(engine.add("i"))
    wire = Wire(engine)
    wire.settling = LOST_BEFORE
    clock = Clock()
    delivery = _delivery(held, clock)
    parcel = Parcel(delivery, Settling(COMPLETE, "j1", "w.1", {}), wire)
    assert parcel.attempt() == 0.25
    held.lease.renew(Lock("j1", "w.2", held.lease.lock.deadline + 60.0))
    wire.settling = PASSES
    assert parcel.attempt() is None
    assert parcel.step.verdict is Verdict.GONE


def test_jobs_that_a_run_takes_over_are_work_that_was_found() -> None:
    """The next question follows at once, as after any answer with jobs."""
    agenda = Agenda(slots=1, batch=1, lock=60.0, wait=30.0)
    assert agenda.next(0, 0.0, stopping=False) == Acquire(1)
    agenda.acquired([], 0.0, 0.5, answered=1)
    assert agenda.next(0, 0.0, stopping=False) == Acquire(1)
    agenda.acquired([], 0.0, 0.5, answered=0)
    assert agenda.next(0, 0.0, stopping=False) == Wait(0.05625)


def test_there_is_work_for_one_more_thread_when_a_job_waits_or_nobody_minds_the_clock() -> None:
    """And none while all slots are taken, or another thread asks or waits for the moment to ask."""
    agenda = Agenda(slots=2, batch=1, lock=60.0, wait=30.0)
    assert agenda.has_work()
    agenda.next(0, 0.0, stopping=False)
    assert not agenda.has_work()
    agenda.acquired([held_job("a"), held_job("b"), held_job("c")], 0.0, 0.5, answered=3)
    assert isinstance(agenda.next(0, 0.0, stopping=False), Start)
    assert agenda.has_work()
    assert isinstance(agenda.next(1, 0.0, stopping=False), Start)
    assert agenda.waiting
    assert not agenda.has_work()
    elsewhere = Agenda(slots=1, batch=1, lock=60.0, wait=30.0, threads=2)
    elsewhere.next(0, 0.0, stopping=False)
    job = held_job()
    elsewhere.acquired([job], 0.0, 0.5, answered=1)
    elsewhere.next(0, 0.0, stopping=False)
    assert not elsewhere.has_work()
    elsewhere.finish(job)
    assert elsewhere.has_work()


def test_an_outcome_from_elsewhere_is_work_while_another_thread_minds_the_clock() -> None:
    """Whoever is woken for it can wake another, should there be several."""
    agenda = Agenda(slots=2, batch=1, lock=60.0, wait=30.0, threads=2)
    agenda.next(0, 0.0, stopping=False)
    job = held_job()
    agenda.acquired([job], 0.0, 0.5, answered=1)
    assert isinstance(agenda.next(0, 0.0, stopping=False), Start)
    agenda.next(0, 0.0, stopping=False)
    agenda.acquired([], 0.0, 0.5, answered=0)
    assert agenda.next(0, 0.0, stopping=False) == Wait(0.05625)
    assert not agenda.has_work()
    agenda.finish(job)
    assert agenda.has_work()


@given(st.floats(0.1, 1e4), st.floats(0, 1e5), st.floats(0.501, 1.0))
def test_half_a_lock_is_always_enough_to_start(lock: float, usual_run: float, share: float) -> None:
    """A topic whose handlers outlast their locks gets to run, too."""
    assert lifecycle.may_start(left=share * lock, lock=lock, usual_run=usual_run)
    assert not lifecycle.may_start(left=0.0, lock=lock, usual_run=usual_run)


@pytest.mark.parametrize(
    ("operation", "lost", "taken_over"),
    [
        (FAIL, LOST_BEFORE, False),
        (FAIL, LOST_AFTER, False),
        (FAIL, NOT_SENT_AT_ALL, True),
        (COMPLETE, LOST_BEFORE, True),
        (COMPLETE, NOT_SENT_AT_ALL, True),
    ],
    ids=["fail, unclear", "fail, done", "fail, not sent", "complete, unclear", "complete, not sent"],
)
def test_a_job_that_may_have_failed_comes_again_as_a_new_one(operation: Operation, lost: str, taken_over: bool) -> None:
    """Between two sends of a failure, what is acquired again is another attempt if the first may have arrived."""
    held, registry = held_job(), Registry()
    assert registry.take(held)
    held.happened(Event.START)
    held.happened(Event.ENDED)
    engine = ModelEngine(renews_ids=False)
    engine.add("i")
    engine.acquire("w.1", 1, 60.0, 0.0)
    wire = Wire(engine)
    wire.settling = lost
    clock = Clock()
    delivery = _delivery(held, clock)
    assert Parcel(delivery, Settling(operation, "j1", "w.1", {}), wire).attempt() is not None
    assert registry.take(held_job(owner="w.2")) != taken_over


def test_a_stop_waits_for_handlers_elsewhere_and_settles_what_they_bring() -> None:
    """No thread leaves before; the first one leaves last."""
    agenda = Agenda(slots=1, batch=1, lock=60.0, wait=30.0, threads=2)
    agenda.next(0, 0.0, stopping=False)
    job = held_job()
    agenda.acquired([job], 0.0, 0.5, answered=1)
    assert agenda.next(0, 0.0, stopping=False) == Start(job)
    assert [agenda.next(thread, 0.0, stopping=True) for thread in (0, 1)] == [Wait(math.inf)] * 2
    assert not agenda.over(0.0, 1e9)
    agenda.finish(job)
    assert not agenda.over(0.0, 1e9)
    assert agenda.next(1, 0.0, stopping=True) == Settle(job)
    assert agenda.next(0, 0.0, stopping=True) == Wait(math.inf)
    agenda.ended(1.0)
    assert agenda.over(0.0, 0.0)
    assert agenda.next(1, 0.0, stopping=True) == Leave()
    agenda.left()
    assert agenda.next(0, 0.0, stopping=True) == Leave()


@pytest.mark.parametrize(("job_id", "owner"), [("j2", "w.1"), ("j1", "w.9")], ids=["another job", "another owner"])
def test_what_a_handler_sends_for_others_is_not_the_end_of_its_job(job_id: str, owner: str) -> None:
    """It gets the same care, under its own id and name; the job of the handler goes on."""
    held = held_job()
    held.happened(Event.START)
    sent: list[tuple[str, str]] = []

    class Noting(Wire):
        def settle(self, call: Settling) -> None:
            sent.append((call.job_id, call.owner))

    clock = Clock()
    delivery = _delivery(held, clock)
    delivery.carry(Settling(COMPLETE, job_id, owner, {}), Noting(ModelEngine(renews_ids=False)))
    assert sent == [(job_id, owner)]
    assert held.state is State.RUNNING
    assert delivery.operation is None
