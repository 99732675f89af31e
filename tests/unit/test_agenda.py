"""What a subscription does next: one decision after the other, with made-up time."""

from __future__ import annotations

import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.rest.answers import Meaning, Reading
from flowable.external_worker_client.runtime.agenda import (
    LARGEST_BATCH,
    SOON_AFTER_AN_OUTAGE,
    Acquire,
    Agenda,
    Leave,
    Look,
    Release,
    Settle,
    Start,
    Step,
    Wait,
)
from flowable.external_worker_client.runtime.held import HeldJob, Lease, Lock
from flowable.external_worker_client.runtime.lifecycle import (
    PAUSE_AFTER_RELEASE,
    WAIT_FOR_AN_ACQUIRE,
    WAIT_FOR_RELEASES,
)
from flowable.external_worker_client.runtime.prefetch import Prefetch

LOCK = 60.0
FOREVER = Wait(math.inf)


class NoClock:
    """Is never asked."""

    def now(self) -> float:
        """Return nothing that is looked at."""
        return math.nan


def _held(job_id: str, deadline: float = LOCK) -> HeldJob:
    job = ExternalWorkerAcquireJobResponse([], job_id, *(None,) * 10, 3, *(None,) * 6)
    return HeldJob("t", job, Lease(Lock(job_id, "w.1", deadline), NoClock()))  # type: ignore[arg-type]


def _agenda(slots: int = 1, batch: int = 1, wait: float = 30.0, *, ahead: bool = False) -> Agenda:
    return Agenda(slots=slots, batch=batch, lock=LOCK, wait=wait, ahead=ahead)


def _next(agenda: Agenda, thread: int = 0, now: float = 0.0) -> Step:
    return agenda.next(thread, now, stopping=False)


def _wait(seconds: float) -> Wait:
    """Return a wait of about so long."""
    return Wait(pytest.approx(seconds))  # type: ignore[arg-type]


def _stopping(agenda: Agenda, thread: int = 0, now: float = 0.0, *, lost: bool = False) -> Step:
    return agenda.next(thread, now, stopping=True, lost=lost)


def _acquired(agenda: Agenda, *jobs: HeldJob, now: float = 0.0) -> None:
    agenda.acquired(jobs, now, 0.5, answered=len(jobs))


def test_a_serial_subscription_asks_runs_and_asks_again() -> None:
    """All on its one thread."""
    agenda = _agenda(batch=2)
    first, second = _held("1"), _held("2")
    assert _next(agenda) == Acquire(2)
    _acquired(agenda, first, second)
    assert (first.at_once, second.at_once) == (True, False)
    assert _next(agenda) == Start(first)
    agenda.ended(1.0)
    assert _next(agenda) == Start(second)
    agenda.ended(1.0)
    assert _next(agenda) == Acquire(2)
    assert list(agenda.runs) == [1.0, 1.0]


def test_an_empty_answer_is_followed_by_a_pause_that_one_thread_minds() -> None:
    """The others wait for what that brings; any of them may ask when the moment has come."""
    agenda = _agenda(slots=3)
    assert _next(agenda, 1) == Acquire(3)
    assert [_next(agenda, 0), _next(agenda, 2)] == [FOREVER, FOREVER]
    _acquired(agenda)
    # For one job, at once: see `polling`.
    assert _next(agenda, 1) == Acquire(1)
    _acquired(agenda)
    assert _next(agenda, 2) == Wait(0.1875)
    assert [_next(agenda, 0), _next(agenda, 1)] == [FOREVER, FOREVER]
    assert _next(agenda, 2, now=0.1875) == Acquire(3, idle=True)


def test_a_thread_that_minds_the_moment_and_starts_a_job_leaves_it_to_another() -> None:
    """Otherwise nobody would ask while its handler runs."""
    agenda = _agenda(slots=2)
    assert _next(agenda, 0) == Acquire(2)
    _acquired(agenda)
    assert _next(agenda, 0) == Acquire(1)
    _acquired(agenda)
    assert _next(agenda, 0) == Wait(0.1875)
    job = _held("1")
    agenda.waiting.append(job)
    assert agenda.has_work()
    assert _next(agenda, 0) == Start(job)
    assert agenda.has_work()
    assert _next(agenda, 1) == Wait(0.1875)
    assert not agenda.has_work()


@pytest.mark.parametrize(
    ("slots", "busy", "batch", "count"),
    [(1, 0, 1, 1), (4, 0, 1, 4), (4, 3, 1, 1), (4, 3, 3, 3), (30, 0, 1, 20), (30, 0, 25, 25), (2, 0, 7, 7)],
)
def test_an_acquire_asks_for_what_is_free_and_no_less_than_the_batch(
    slots: int, busy: int, batch: int, count: int
) -> None:
    """And for no more than twenty because of free slots."""
    agenda = _agenda(slots=slots, batch=batch)
    agenda.busy = busy
    assert _next(agenda) == Acquire(count)


def test_one_acquire_at_a_time() -> None:
    """Whoever comes meanwhile waits; once it was not sent at all, the next may."""
    agenda = _agenda(slots=2)
    assert _next(agenda, 0) == Acquire(2)
    assert _next(agenda, 1) == FOREVER
    assert not agenda.has_work()
    agenda.not_asked()
    assert _next(agenda, 1) == Acquire(2)


def test_a_failed_acquire_is_followed_by_a_pause_of_its_own_scale() -> None:
    """Which is returned, for the log."""
    agenda = _agenda()
    assert _next(agenda) == Acquire(1)
    assert agenda.not_acquired(Reading(Meaning.NOT_SENT), 0.0, 0.5) == 0.5
    assert _next(agenda) == Wait(0.5)
    assert _next(agenda, now=0.5) == Acquire(1)
    assert agenda.not_acquired(Reading(Meaning.NOT_THE_ENGINE, 401), 1.0, 0.5) == 10.0
    assert _next(agenda, now=2.0) == Wait(9.0)


def test_a_moment_to_look_shortens_the_pause_and_never_lengthens_it() -> None:
    """For acquires whose answers were lost."""
    agenda = _agenda()
    _next(agenda)
    _acquired(agenda)
    agenda.ask_no_later_than(0.1)
    agenda.ask_no_later_than(5.0)
    assert _next(agenda) == Wait(0.1)


def test_what_waited_too_long_is_given_back_with_what_came_no_later() -> None:
    """For some seconds, and with the reason; what was locked anew meanwhile stays."""
    agenda = _agenda(batch=4)
    first, second, third, renewed = (_held(job_id) for job_id in ("1", "2", "3", "4"))
    _next(agenda)
    _acquired(agenda, first, second, third, renewed)
    assert _next(agenda) == Start(first)
    agenda.ended(40.0)
    renewed.lease.renew(Lock("4b", "w.9", 90.0))
    step = _next(agenda, now=40.0)
    assert step == Release(
        [second, third], PAUSE_AFTER_RELEASE, "20.0 s of the lock are left, a run usually takes 40.0 s"
    )
    assert (agenda.releasing, list(agenda.waiting)) == (1, [renewed])
    agenda.released()
    assert _next(agenda, now=40.0) == Start(renewed)


def test_a_job_whose_acquire_found_a_free_thread_starts_however_slow_the_topic() -> None:
    """Even with its lock over: otherwise it never would."""
    agenda = _agenda()
    agenda.runs.extend([1000.0] * 5)
    job = _held("1", deadline=1.0)
    _next(agenda)
    _acquired(agenda, job)
    assert _next(agenda, now=2.0) == Start(job)


def test_threads_that_are_busy_count_as_not_free_for_what_comes() -> None:
    """Two of three run: of three jobs only the first was expected at once."""
    agenda = _agenda(slots=3, batch=3)
    agenda.busy = 2
    jobs = [_held(job_id) for job_id in ("1", "2", "3")]
    _next(agenda)
    _acquired(agenda, *jobs)
    assert [job.at_once for job in jobs] == [True, False, False]


def test_what_a_run_under_way_has_taken_over_counts_as_work() -> None:
    """The next question follows at once, though there is nothing to start."""
    agenda = _agenda()
    _next(agenda)
    agenda.acquired([], 0.0, 0.5, answered=1)
    assert _next(agenda) == Acquire(1)


# ------------------------------------------------------------ stop


def test_an_idle_subscription_leaves_at_once_the_first_thread_last() -> None:
    """Which waits for the others."""
    agenda = _agenda(slots=3)
    assert _stopping(agenda, 0) == FOREVER
    for thread in (2, 1):
        assert _stopping(agenda, thread) == Leave()
        agenda.left()
    assert _stopping(agenda, 0) == Leave()
    assert agenda.over(told=0.0, now=0.0)


def test_what_waits_is_given_back_at_a_stop_without_a_pause() -> None:
    """All of it, by whoever is free, and once."""
    agenda = _agenda(batch=3)
    jobs = [_held(job_id) for job_id in ("1", "2", "3")]
    _next(agenda)
    _acquired(agenda, *jobs)
    assert _next(agenda) == Start(jobs[0])
    assert agenda.release_waiting() == Release(tuple(jobs[1:]), None, "the subscription is stopping")
    assert agenda.release_waiting() is None
    agenda.ended(1.0)
    assert _stopping(agenda) == FOREVER
    agenda.released()
    assert _stopping(agenda) == Leave()


def test_nothing_starts_and_nothing_is_asked_once_it_stops() -> None:
    """With jobs that wait, without any, and after an acquire that was on the wire."""
    agenda = _agenda()
    assert _next(agenda) == Acquire(1)
    job = _held("1")
    _acquired(agenda, job)
    assert _stopping(agenda) == Release((job,), None, "the subscription is stopping")
    agenda.released()
    assert _stopping(agenda) == Leave()


@pytest.mark.parametrize("held_up", ["busy", "away", "releasing"])
def test_the_first_thread_stays_while_anything_is_under_way(held_up: str) -> None:
    """Handlers, deliveries, releases."""
    agenda = _agenda(slots=1)
    setattr(agenda, held_up, 1)
    assert _stopping(agenda) == FOREVER
    assert not agenda.over(told=0.0, now=1.0)
    setattr(agenda, held_up, 0)
    assert _stopping(agenda) == Leave()


def test_lost_acquires_are_looked_for_once_before_leaving() -> None:
    """The look is waited for no longer than an acquire."""
    agenda = _agenda(slots=2)
    assert _stopping(agenda, 1, lost=True) == Leave()
    agenda.left()
    assert _stopping(agenda, 0, lost=True) == Look()
    assert not agenda.over(told=0.0, now=WAIT_FOR_AN_ACQUIRE - 0.1)
    assert agenda.over(told=0.0, now=WAIT_FOR_AN_ACQUIRE)
    agenda.not_asked()
    assert _stopping(agenda, 0, lost=True) == Leave()


def test_it_is_over_without_waiting_long_for_an_engine_that_hangs() -> None:
    """Two seconds for an acquire, ten since the last answer for releases; for handlers as long as they take."""
    acquiring = _agenda()
    _next(acquiring)
    assert [acquiring.over(told=5.0, now=now) for now in (5.0, 6.9, 7.0)] == [False, False, True]
    releasing = _agenda()
    releasing.releasing = 1
    assert [releasing.over(0.0, now) for now in (0.0, WAIT_FOR_RELEASES - 0.1, WAIT_FOR_RELEASES)] == [
        False,
        False,
        True,
    ]
    running = _agenda()
    running.busy = 1
    assert not running.over(0.0, 1e9)
    waiting = _agenda()
    waiting.waiting.append(_held("1"))
    assert [waiting.over(0.0, now) for now in (0.0, 9.9, 10.0)] == [False, False, True]
    waiting.gave_back(8.0)
    assert [waiting.over(0.0, now) for now in (10.0, 17.9, 18.0)] == [False, False, True]


def test_a_delivery_that_moves_off_frees_its_thread_and_keeps_the_end_waiting() -> None:
    """Until it arrives."""
    agenda = _agenda()
    _next(agenda)
    _acquired(agenda, _held("1"))
    _next(agenda)
    agenda.moved_away(2.0)
    assert (agenda.busy, agenda.away, list(agenda.runs)) == (0, 1, [2.0])
    assert _next(agenda) == Acquire(1)
    agenda.not_asked()
    assert _stopping(agenda) == FOREVER
    agenda.arrived()
    assert _stopping(agenda) == Leave()


def test_a_job_whose_turn_did_not_come_before_the_stop_is_given_back() -> None:
    """It counts as a release from then on, not as a run."""
    agenda = _agenda()
    _next(agenda)
    _acquired(agenda, _held("1"))
    _next(agenda)
    agenda.not_started()
    assert (agenda.busy, agenda.releasing, list(agenda.runs)) == (0, 1, [])


# ---------------------------------------------------------------- handlers that run elsewhere


def test_a_few_threads_serve_many_handlers_that_run_elsewhere() -> None:
    """They start as many as there are slots; whoever is free settles what has ended, before anything else."""
    agenda = Agenda(slots=3, batch=1, lock=LOCK, wait=30.0, threads=2)
    jobs = [_held(str(number)) for number in range(3)]
    assert _next(agenda, 0) == Acquire(3)
    _acquired(agenda, *jobs)
    assert [_next(agenda, 0) for _ in range(3)] == [Start(each) for each in jobs]
    assert (agenda.free, _next(agenda, 0), _next(agenda, 1)) == (0, FOREVER, FOREVER)
    agenda.finish(jobs[1])
    assert agenda.has_work()
    assert _next(agenda, 1) == Settle(jobs[1])
    # Its slot is free while it is settled.
    assert _next(agenda, 0) == Acquire(1)
    agenda.ended(1.0)
    assert list(agenda.runs) == [1.0]


def test_a_stop_waits_for_handlers_that_run_elsewhere() -> None:
    """No thread leaves while one runs: somebody has to settle it."""
    agenda = Agenda(slots=3, batch=1, lock=LOCK, wait=30.0, threads=2)
    job, late = _held("1"), _held("2")
    assert _next(agenda, 0) == Acquire(3)
    _acquired(agenda, job)
    assert _next(agenda, 0) == Start(job)
    assert _next(agenda, 1) == Acquire(2)
    _acquired(agenda, late)
    release = _stopping(agenda, 1)
    assert isinstance(release, Release)
    assert release.held == (late,)
    agenda.released()
    assert [_stopping(agenda, 0), _stopping(agenda, 1)] == [FOREVER, FOREVER]
    assert not agenda.over(0.0, 100.0)
    agenda.finish(job)
    assert not agenda.over(0.0, 100.0)
    assert _stopping(agenda, 1) == Settle(job)
    agenda.ended(1.0)
    assert agenda.over(0.0, 0.0)
    assert _stopping(agenda, 1) == Leave()
    agenda.left()
    assert _stopping(agenda, 0) == Leave()


def test_a_job_whose_end_is_known_takes_a_thread_and_no_slot() -> None:
    """Nothing runs for it."""
    agenda = Agenda(slots=1, batch=1, lock=LOCK, wait=30.0, threads=1)
    assert _next(agenda) == Acquire(1)
    _acquired(agenda, held := _held("1"))
    assert _next(agenda) == Start(held)
    agenda.is_here_after_all()
    assert (agenda.running, agenda.busy, agenda.free) == (0, 1, 1)
    agenda.ended()
    assert _next(agenda) == Acquire(1)


# ---------------------------------------------------------------- limits


def test_what_a_limit_holds_back_is_asked_for_when_it_allows_it() -> None:
    """Or when a job has ended: then whoever waits to ask is to be woken."""
    agenda = _agenda(slots=2)
    assert _next(agenda, 0) == Acquire(2)
    agenda.not_allowed(50.0)
    assert [_next(agenda, 1), _next(agenda, 0)] == [Wait(50.0), FOREVER]
    assert agenda.may_be_allowed(3.0) == 1
    assert _next(agenda, 1, now=3.0) == Acquire(2)
    # Allowed: from now on it is no limit that says when to ask.
    assert agenda.not_acquired(Reading(Meaning.OVERLOADED), 3.0, 0.5) > 0
    assert agenda.may_be_allowed(3.0) is None
    assert isinstance(_next(agenda, 1, now=3.0), Wait)


def test_a_batch_that_a_limit_made_small_tells_nothing_about_exclusive_jobs() -> None:
    """Only one that was asked for and came back empty does."""
    agenda = _agenda(slots=20)
    assert _next(agenda) == Acquire(20)
    agenda.allowed(1)
    _acquired(agenda)
    assert not agenda.polling.probing
    assert _next(agenda, now=100.0) == Acquire(20, idle=True)
    agenda.allowed(1)
    _acquired(agenda, _held("1"))
    assert not agenda.polling.starving


def test_after_errors_it_is_asked_soon_when_the_engine_answers_somebody_else() -> None:
    """Not before the server wants to be asked again; and what waits for no error is not disturbed."""
    agenda = _agenda()
    assert agenda.engine_answers(0.0, 0.5) is None
    assert _next(agenda) == Acquire(1)
    agenda.not_acquired(Reading(Meaning.NOT_THE_ENGINE, 401), 0.0, 0.5)
    assert _next(agenda, now=1.0) == Wait(4.0)
    assert agenda.engine_answers(1.0, 0.5) == 0
    assert _next(agenda, now=1.0) == Wait(0.5 * SOON_AFTER_AN_OUTAGE)
    assert _next(agenda, now=1.5) == Acquire(1)
    agenda.not_acquired(Reading(Meaning.OVERLOADED, 503, retry_after=20.0), 1.5, 0.5)
    assert isinstance(_next(agenda, now=2.0), Wait)
    assert agenda.engine_answers(2.0, 0.5) == 0
    assert _next(agenda, now=2.0) == Wait(19.5)


# ---------------------------------------------------------------- woken, looks, a lookout


def _idle(wait: float = 30.0) -> Agenda:
    """Return one that found nothing for long: it asks next at 1127."""
    agenda = _agenda(wait=wait)
    for _ in range(12):
        assert isinstance(_next(agenda, now=1100.0), Acquire | Wait)
        _acquired(agenda, now=1100.0)
    assert _next(agenda, now=1100.0) == Wait(0.9 * wait)
    return agenda


def test_who_is_woken_asks_at_once_and_then_with_short_pauses() -> None:
    """The thread that waits to ask is named, to be woken."""
    agenda = _idle()
    assert agenda.wake(1101.0) == 0
    assert _next(agenda, now=1101.0) == Acquire(1)
    assert agenda.wake(1101.0) is None
    _acquired(agenda, now=1101.1)
    # It was woken once more, while it asked; that no lookout may answer.
    assert _next(agenda, now=1101.1) == Acquire(1)
    _acquired(agenda, now=1101.2)
    assert _next(agenda, now=1101.2) == _wait(2 * 0.1875)


def test_who_is_woken_after_errors_asks_a_second_after_the_last_question() -> None:
    """However often: a wrong password is not tried more often than that."""
    agenda = _agenda()
    for _ in range(4):
        _next(agenda, now=100.0)
        agenda.not_acquired(Reading(Meaning.NOT_THE_ENGINE, 401), 100.0, 0.5)
    assert _next(agenda, now=100.0) == Wait(40.0)
    for _ in range(3):
        assert agenda.wake(100.25) == 0
        assert _next(agenda, now=100.25) == Wait(0.75)
    assert isinstance(_next(agenda, now=101.0), Acquire)


def test_who_is_woken_while_a_question_fails_is_not_forgotten() -> None:
    """It asks again after a second, not after the pause of errors; or at once, when the engine answers."""
    agenda = _agenda()
    for _ in range(4):
        _next(agenda, now=100.0)
        agenda.not_acquired(Reading(Meaning.NOT_THE_ENGINE, 401), 100.0, 0.5)
    assert isinstance(_next(agenda, now=140.0), Acquire)
    agenda.wake(140.1)
    assert agenda.not_acquired(Reading(Meaning.NOT_THE_ENGINE, 401), 140.2, 0.5) == 1.0
    assert _next(agenda, now=140.2) == _wait(1.0)
    assert isinstance(_next(agenda, now=141.3), Acquire)
    agenda.wake(141.3)
    _acquired(agenda, now=141.4)
    assert isinstance(_next(agenda, now=141.4), Acquire)


def test_a_pause_that_the_server_asks_for_is_kept_by_who_is_woken() -> None:
    """Before the question failed, while it did, and after."""
    agenda = _agenda()
    _next(agenda, now=100.0)
    agenda.wake(100.0)
    busy = Reading(Meaning.OVERLOADED, 503, retry_after=20.0)
    assert agenda.not_acquired(busy, 100.0, 0.5) == 20.0
    assert _next(agenda, now=100.0) == Wait(20.0)
    agenda.wake(105.0)
    assert _next(agenda, now=105.0) == Wait(15.0)


def test_who_is_woken_while_a_limit_holds_it_back_asks_when_that_ends() -> None:
    """A limit is no wait for work."""
    agenda = _agenda()
    _next(agenda)
    agenda.not_allowed(50.0)
    assert _next(agenda) == Wait(50.0)
    agenda.wake(1.0)
    assert _next(agenda, now=1.0) == Wait(49.0)


def test_who_is_woken_while_it_looks_whether_there_is_any_job_asks_all_the_same() -> None:
    """The look may have missed it."""
    agenda = _idle()
    assert _next(agenda, now=1127.0) == Acquire(1, idle=True)
    agenda.wake(1127.01)
    agenda.nothing_there(1127.7)
    assert _next(agenda, now=1127.02) == Acquire(1)


def test_a_topic_without_any_job_in_the_engine_asks_when_that_is_looked_at_next() -> None:
    """Its own pauses go on from where they were."""
    agenda = _idle()
    assert _next(agenda, now=1127.0) == Acquire(1, idle=True)
    agenda.nothing_there(1127.7)
    assert _next(agenda, now=1127.1) == _wait(0.6)
    assert agenda.ask_at(1127.2) == 0
    assert _next(agenda, now=1127.2) == Acquire(1, idle=True)


def test_looks_come_before_the_usual_question_and_do_not_change_it() -> None:
    """An empty one beside it leaves it where it was."""
    agenda = _idle()
    assert [agenda.look_at(1100.0 + delay) for delay in (0.02, 0.08, 0.25)] == [0, None, None]
    for due in (1100.02, 1100.08, 1100.25):
        assert isinstance(_next(agenda, now=due - 0.01), Wait)
        assert _next(agenda, now=due) == Acquire(1, extra=True)
        _acquired(agenda, now=due)
    assert _next(agenda, now=1100.3) == _wait(26.7)


def test_a_usual_question_that_comes_before_a_look_does_not_replace_it() -> None:
    """What the look is for may appear only after that."""
    agenda = _idle()
    agenda.look_at(1127.02)
    agenda.look_at(1127.08)
    assert _next(agenda, now=1127.01) == Acquire(1, idle=True)
    _acquired(agenda, now=1127.015)
    assert _next(agenda, now=1127.015) == _wait(0.005)
    assert _next(agenda, now=1127.02) == Acquire(1, extra=True)
    _acquired(agenda, _held("1"), now=1127.03)
    assert isinstance(_next(agenda, now=1127.03), Start)
    agenda.ended(0.0)
    assert _next(agenda, now=1127.03) == Acquire(1)
    _acquired(agenda, now=1127.04)
    # There was work: the other look is needless.
    assert _next(agenda, now=1127.04) == _wait(0.05625)


def test_a_look_that_is_put_off_again_and_again_is_dropped() -> None:
    """Half a second after its time, the usual question is as good."""
    agenda = _idle()
    agenda.look_at(1101.0)
    now, times = 1101.0, 0
    while isinstance(_next(agenda, now=now), Acquire):
        agenda.look_later(now)
        step = _next(agenda, now=now)
        assert isinstance(step, Wait)
        now += min(step.seconds, 1.0)
        times += 1
    assert times == pytest.approx(25, abs=1)


def test_nobody_looks_while_errors_are_waited_out_or_a_limit_holds_back() -> None:
    """Looks are no way around a pause."""
    agenda = _idle()
    agenda.look_at(1100.5)
    _next(agenda, now=1127.0)
    agenda.not_acquired(Reading(Meaning.OVERLOADED, 503), 1127.0, 0.5)
    assert not agenda.waits_idly(1127.0)
    assert agenda.look_at(1127.1) is None
    assert _next(agenda, now=1127.1) == _wait(0.4)
    assert agenda.ask_at(1127.1) is None
    assert _next(agenda, now=1127.1) == _wait(0.4)
    limited = _agenda()
    _next(limited)
    limited.not_allowed(9.0)
    assert not limited.waits_idly(0.0)


def test_who_waits_idly_has_a_free_slot_and_found_nothing_last() -> None:
    """Also while it asks: that question may have missed what is about to be looked for."""
    agenda = _agenda()
    assert not agenda.waits_idly(0.0)
    _next(agenda)
    assert not agenda.waits_idly(0.0)
    _acquired(agenda)
    assert agenda.waits_idly(0.0)
    assert isinstance(_next(agenda, now=1.0), Acquire)
    assert agenda.waits_idly(1.0)
    _acquired(agenda, _held("1"), now=1.0)
    assert not agenda.waits_idly(1.0)
    _next(agenda, now=1.0)
    assert not agenda.waits_idly(1.0)


# ---------------------------------------------------------------- a stock of jobs


def _measured(agenda: Agenda, *, cycle: float, round_trip: float) -> None:
    agenda.prefetch = Prefetch(cycle, round_trip)


def test_quick_handlers_are_kept_busy_from_a_stock() -> None:
    """Asked for before the last job was started: as many as are taken on meanwhile, and some more."""
    agenda = _agenda(slots=2, ahead=True)
    _measured(agenda, cycle=0.01, round_trip=0.02)
    assert _next(agenda, 0) == Acquire(20)
    jobs = [_held(str(number)) for number in range(20)]
    _acquired(agenda, *jobs, now=0.02)
    assert [job.at_once for job in jobs] == [True, True, *[False] * 18]
    started = 0
    while isinstance(step := _next(agenda, 0, now=0.02), Start):
        agenda.ended(0.01, cycle=0.01, now=0.02)
        started += 1
    # Four are taken on within one round trip.
    assert step == Acquire(20)
    assert (started, len(agenda.waiting)) == (17, 3)
    # Meanwhile, the others work on.
    assert isinstance(_next(agenda, 1, now=0.02), Start)


def test_what_comes_behind_a_stock_starts_only_with_enough_of_its_lock() -> None:
    """Slots that are free are the first ones' in stock."""
    agenda = _agenda(slots=2, ahead=True)
    _measured(agenda, cycle=0.01, round_trip=0.02)
    _next(agenda, 0)
    _acquired(agenda, *(_held(str(number)) for number in range(20)))
    while isinstance(_next(agenda, 0), Start):
        agenda.ended(0.01, cycle=0.01, now=0.0)
    behind = _held("behind")
    _acquired(agenda, behind)
    assert not behind.at_once


def test_no_stock_is_asked_for_while_the_engine_gave_less_than_was_asked_for() -> None:
    """There is no more: settling goes first, and the question that comes when the last was started finds out."""
    agenda = _agenda(slots=2, ahead=True)
    _measured(agenda, cycle=0.01, round_trip=0.02)
    _next(agenda, 0)
    _acquired(agenda, *(_held(str(number)) for number in range(3)))
    assert [isinstance(_next(agenda, thread), Start) for thread in (0, 1)] == [True, True]
    agenda.ended(0.01, cycle=0.01, now=0.0)
    assert isinstance(_next(agenda, 0), Start)


@pytest.mark.parametrize(
    ("ahead", "cycle"), [(False, 0.01), (True, 10.0), (True, None)], ids=["not wanted", "slow", "nothing is known"]
)
def test_without_a_stock_nobody_asks_while_jobs_wait(ahead: bool, cycle: float | None) -> None:
    """And for no more than the free slots."""
    agenda = _agenda(slots=3, ahead=ahead)
    agenda.prefetch = Prefetch(cycle, None if cycle is None else 0.02)
    assert _next(agenda, 0) == Acquire(3)
    _acquired(agenda, *(_held(str(number)) for number in range(3)))
    assert all(isinstance(_next(agenda, thread), Start) for thread in range(3))


@given(
    slots=st.integers(1, 40),
    batch=st.integers(1, 5),
    lock=st.floats(0.5, 3600),
    cycle=st.floats(1e-4, 100),
    round_trip=st.floats(1e-4, 20),
    left=st.integers(0, 19),
)
def test_a_stock_is_never_more_than_a_quarter_of_the_lock_can_bear(
    slots: int, batch: int, lock: float, cycle: float, round_trip: float, left: int
) -> None:
    """Beyond the batch that the person asks for, which is kept, and whatever is in stock already."""
    agenda = Agenda(slots=slots, batch=batch, lock=lock, wait=30.0, ahead=True)
    _next(agenda, 0)
    _acquired(agenda, _held("first"))
    _measured(agenda, cycle=cycle, round_trip=round_trip)
    agenda.waiting = deque(_held(str(number), deadline=1e9) for number in range(left))
    step = _next(agenda, 0)
    if isinstance(step, Acquire) and step.count > max(batch, agenda.free):
        assert (left + step.count - agenda.free) * cycle <= 0.25 * lock * slots * 1.001
        assert step.count <= LARGEST_BATCH
