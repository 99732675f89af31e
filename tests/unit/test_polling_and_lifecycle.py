"""When to ask again, and what may be started or given back."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.rest.answers import Meaning, Reading
from flowable.external_worker_client.runtime.backoff import Backoff
from flowable.external_worker_client.runtime.lifecycle import (
    delivery_ends,
    may_release,
    may_start,
    percentile,
)
from flowable.external_worker_client.runtime.polling import (
    FIRST_IDLE_PAUSE,
    GROW_AFTER,
    PROOFS,
    REPEATS,
    SHORTLY_AFTER_WORK,
    Polling,
    age,
)

REFUSED_CONNECTION = Reading(Meaning.NOT_SENT)
CREDENTIALS = Reading(Meaning.NOT_THE_ENGINE, 401)


def _pauses(ceiling: float, times: int, chance: float) -> list[float]:
    polling, pauses = Polling(), list[float]()
    for _ in range(times):
        polling = polling.found_nothing()
        pauses.append(polling.pause(ceiling, chance))
    return pauses


GROWING = [0.25, 0.5, 1, 2, 4, 8, 16]


def test_the_idle_pause_grows_from_a_quarter_of_a_second_to_the_configured_wait() -> None:
    """Thirty seconds, as by default: reached after eight empty answers. Chance takes half of a pause that grows."""
    assert _pauses(30.0, 9, chance=1.0) == [*GROWING, 30, 30]
    assert _pauses(30.0, 9, chance=0.5) == pytest.approx([*(0.75 * each for each in GROWING), 27, 27])
    assert _pauses(30.0, 9, chance=0.0) == pytest.approx([*(0.5 * each for each in GROWING), 24, 24])


def test_the_configured_wait_is_the_longest_however_short() -> None:
    """A wait below the first pause is kept, less a fifth at most; zero means without pause."""
    assert _pauses(0.1, 2, chance=1.0) == [0.1, 0.1]
    assert _pauses(0.1, 2, chance=0.0) == pytest.approx([0.08, 0.08])
    assert _pauses(0.0, 2, chance=0.5) == [0.0, 0.0]


def test_work_makes_the_next_question_follow_at_once() -> None:
    """And the pauses begin anew."""
    polling = Polling(empty=7, repeats=2, errors=3).found_work(1, was_there=True)
    assert polling.pause(30.0, chance=0.5) == 0.0
    assert polling.found_nothing().pause(30.0, chance=1.0) == 0.25


def _after_work(chance: float, times: int, ceiling: float = 30.0) -> list[float]:
    polling, pauses, since_work = Polling().found_work(1, was_there=True), list[float](), 0.01
    for _ in range(times):
        polling = polling.found_nothing(since_work=since_work)
        pauses.append(polling.pause(ceiling, chance))
        since_work += pauses[-1] + 0.01
    return pauses


def test_an_empty_answer_shortly_after_work_is_followed_by_three_questions_soon() -> None:
    """It may be a clash of two workers: after 50 to 62 milliseconds, twice and four times that. Then it is idle."""
    assert _after_work(1.0, 5) == pytest.approx([0.0625, 0.125, 0.25, 0.25, 0.5])
    assert _after_work(0.0, 5) == pytest.approx([0.05, 0.1, 0.2, 0.125, 0.25])
    assert _after_work(1.0, 5, ceiling=0.1) == pytest.approx([0.0625, 0.1, 0.1, 0.1, 0.1])


@given(st.floats(0, 100))
def test_only_within_a_second_of_work_an_empty_answer_may_be_a_clash(since_work: float) -> None:
    """Later, the idle pauses begin with the first of them."""
    polling = Polling().found_nothing(since_work=since_work)
    assert polling.idle == (since_work > SHORTLY_AFTER_WORK)
    assert polling.pause(30.0, 1.0) == (FIRST_IDLE_PAUSE if polling.idle else 0.0625)


@given(st.lists(st.floats(0, 3), max_size=30))
def test_the_repeats_are_three_and_come_before_the_idle_pauses(since_work: list[float]) -> None:
    """However often something else is settled meanwhile: an engine that has nothing is not asked ten times a second."""
    polling, idle = Polling().found_work(1, was_there=True), False
    for seconds in since_work:
        polling = polling.found_nothing(since_work=seconds)
        assert polling.repeats <= REPEATS
        assert polling.idle or not idle
        idle = polling.idle
    assert polling.idle or polling.empty == polling.repeats


@given(st.text(".x", max_size=40), st.integers(1, 20), st.floats(0, 1))
def test_who_is_woken_asks_at_once_and_begins_the_pauses_anew(answers: str, wanted: int, chance: float) -> None:
    """For as many as ever: what is known of exclusive jobs stays known."""
    _, polling = _asked(Polling(), wanted, answers)
    woken = polling.woken()
    assert woken.pause(30.0, chance) == 0.0
    assert woken.size(wanted) == polling.size_of_batches(wanted)
    assert (woken.largest, woken.starving) == (polling.largest, polling.starving)
    assert woken.found_nothing().pause(30.0, 1.0) == 0.25


def _asked(polling: Polling, wanted: int, answers: str) -> tuple[list[int], Polling]:
    """Return how many jobs are asked for each time; answers are `.` for none and `x` for some."""
    sizes: list[int] = []
    for answer in answers:
        sizes.append(polling.size(wanted))
        polling = polling.found_work(wanted, was_there=True) if answer == "x" else polling.found_nothing(wanted)
    return sizes, polling


def test_an_empty_batch_is_followed_by_a_single_job_at_once_and_then_every_fourth_time() -> None:
    """Two exclusive jobs of one instance in a batch make the engine answer nothing. The later ones replace a batch."""
    sizes, polling = _asked(Polling(), 5, "." * 14)
    assert sizes == [5, 1, 5, 5, 5, 5, 1, 5, 5, 5, 1, 5, 5, 5]
    assert (polling.empty, polling.starving) == (13, False)


def test_a_single_job_after_an_empty_batch_costs_no_pause_and_none_is_shortened_by_it() -> None:
    """The question for it follows the first empty batch at once; later ones cost nothing, and the pauses grow."""
    polling, pauses = Polling(), list[float]()
    for _ in range(9):
        polling = polling.found_nothing(5)
        pauses.append(polling.pause(30.0, chance=1.0))
    assert pauses == [0, 0.25, 0.5, 1, 2, 4, 8, 16, 30]


def test_a_single_job_that_is_found_later_than_at_once_makes_no_batches_smaller() -> None:
    """It may have come since the empty batch; the next batch tells."""
    sizes, polling = _asked(Polling(), 8, "." * 6 + "x" + "." * 6 + "x" + ".")
    assert sizes == [8, 1, 8, 8, 8, 8, 1, *(8, 1, 8, 8, 8, 8, 1), 8]
    assert (polling.largest, polling.starving) == (None, False)


def test_batches_become_smaller_while_single_jobs_are_found_after_empty_ones() -> None:
    """Twice may be chance; halved each time from the third on, down to one."""
    sizes, polling = _asked(Polling(), 8, ".x.x.x.x.x.")
    assert sizes == [8, 1, 8, 1, 8, 1, 4, 1, 2, 1, 1]
    assert (polling.largest, polling.starving) == (1, True)
    assert polling.pause(30.0, chance=1.0) == 0.25


def _asked_shortly_after_work(polling: Polling, wanted: int, answers: str) -> tuple[list[int], Polling]:
    sizes: list[int] = []
    for answer in answers:
        sizes.append(polling.size(wanted))
        shortly = 0.1
        polling = (
            polling.found_work(wanted, was_there=True)
            if answer == "x"
            else polling.found_nothing(wanted, since_work=shortly)
        )
    return sizes, polling


def test_shortly_after_work_a_single_job_is_asked_for_after_two_empty_batches() -> None:
    """One may be a clash, after which a single job is found as well as a batch. It costs no question more."""
    sizes, polling = _asked_shortly_after_work(Polling(), 8, ".....")
    assert sizes == [8, 8, 1, 8, 8]
    assert (polling.empty, polling.repeats) == (5, REPEATS)
    pauses, polling = list[float](), Polling()
    for _ in range(4):
        polling = polling.found_nothing(8, since_work=0.1)
        pauses.append(polling.pause(30.0, chance=1.0))
    assert pauses == [0.0625, 0.125, 0.25, 0.25]


def test_a_job_that_an_empty_batch_could_not_have_had_proves_nothing() -> None:
    """However often one appears just before a single job is asked for: what starts a process may be as regular."""
    polling = Polling()
    for _ in range(20):
        polling = polling.found_nothing(8)
        assert polling.suspicious
        polling = polling.found_work(8, was_there=False)
        assert (polling.size(8), polling.starving) == (8, False)
    for _ in range(PROOFS):
        polling = polling.found_nothing(8).found_work(8, was_there=True)
    assert (polling.size(8), polling.starving) == (4, True)


def test_the_age_of_a_job_is_what_the_engine_says() -> None:
    """By its own clock alone; not known of jobs without these dates."""
    created, lock_ends = datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 12, 10, 0, 250_000)  # noqa: DTZ001 - as the jobs'
    assert age(created, lock_ends, 600.0) == 0.25
    assert age(None, lock_ends, 600.0) is None
    assert age(created, None, 600.0) is None


def test_a_clash_now_and_then_makes_no_batches_smaller() -> None:
    """However often a batch, or a single job, is found right after it."""
    sizes, polling = _asked_shortly_after_work(Polling(), 8, ".x" * 20 + "..xx" * 20)
    assert set(sizes) == {8, 1}
    assert (polling.largest, polling.starving) == (None, False)


def test_exclusive_jobs_are_seen_shortly_after_work_as_well() -> None:
    """Two empty batches and a single job, three times in a row."""
    sizes, polling = _asked_shortly_after_work(Polling(), 8, "..x" * 3 + "..x")
    assert sizes == [8, 8, 1, 8, 8, 1, 8, 8, 1, 4, 4, 1]
    assert (polling.largest, polling.starving) == (2, True)


@given(st.text(".x", max_size=60), st.integers(2, 20), st.floats(0, 1))
def test_beside_the_one_at_once_single_jobs_cost_no_question(answers: str, wanted: int, chance: float) -> None:
    """So a batch that stays empty is asked for as seldom as a single job is, however long."""
    _, polling = _asked(Polling(), wanted, answers + "x...")
    for _ in range(20):
        polling = polling.found_nothing(wanted)
        assert polling.pause(30.0, chance) >= 0.5 * FIRST_IDLE_PAUSE


def test_a_job_that_comes_between_two_questions_is_no_proof_of_starving() -> None:
    """A whole batch that brings work ends the suspicion."""
    sizes, polling = _asked(Polling(), 8, ".xx.xx.xx")
    assert set(sizes) == {8, 1}
    assert not polling.starving


def test_batches_grow_again_after_twenty_answers_with_work_in_a_row() -> None:
    """Doubling up to what is wanted; an empty answer begins the count anew."""
    sizes, polling = _asked(Polling(largest=1, starving=True), 3, "x" * GROW_AFTER + "x")
    assert sizes == [1] * GROW_AFTER + [2]
    _, polling = _asked(polling, 3, "x" * (GROW_AFTER - 1))
    assert polling == Polling(starving=True)
    _, interrupted = _asked(Polling(largest=2), 8, "x" * (GROW_AFTER - 1) + ".")
    assert interrupted.fruitful == 0


@given(st.text(".x", max_size=200), st.integers(1, 20))
def test_no_question_is_for_more_than_is_wanted_or_for_nothing(answers: str, wanted: int) -> None:
    """Whatever the answers are; and one job is always asked for as one."""
    sizes, _ = _asked(Polling(), wanted, answers)
    assert all(1 <= size <= wanted for size in sizes)


def test_errors_have_a_scale_of_their_own() -> None:
    """An engine that restarts is asked again soon, wrong credentials are not hammered; an answer ends the errors."""
    polling, soon, slow = Polling(empty=3), list[float](), list[float]()
    for _ in range(8):
        polling = polling.failed()
        soon.append(polling.pause_after(REFUSED_CONNECTION, chance=0.5))
        slow.append(polling.pause_after(CREDENTIALS, chance=0.5))
    assert soon == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert slow == [5, 10, 20, 40, 60, 60, 60, 60]
    assert polling.found_nothing() == Polling(empty=4, errors=0)


def test_a_pause_that_the_server_asks_for_is_kept() -> None:
    """If it is longer than ours."""
    busy = Reading(Meaning.OVERLOADED, 503, retry_after=20.0)
    assert Polling().failed().pause_after(busy, chance=0.5) == 20.0
    assert Polling(errors=9).failed().pause_after(busy, chance=0.5) == 30.0


@given(st.floats(0.001, 1000), st.floats(0.001, 1000), st.floats(0, 0.9), st.integers(0, 10**6), st.floats(0, 1))
def test_pauses_never_leave_their_range(
    first: float, ceiling: float, jitter: float, repeat: int, chance: float
) -> None:
    """However often and whatever chance says."""
    pause = Backoff(first, ceiling, jitter).pause(repeat, chance)
    assert min(first, ceiling) * (1 - jitter) * 0.999 <= pause <= ceiling * (1 + jitter) * 1.001


@pytest.mark.parametrize(
    ("left", "usual", "expected"),
    [
        pytest.param(60.0, 0.0, True, id="nothing is known yet"),
        pytest.param(0.0, 0.0, False, id="no lock left"),
        pytest.param(-1.0, 0.0, False, id="lock over"),
        pytest.param(10.0, 9.0, True, id="just enough"),
        pytest.param(9.0, 9.0, False, id="just not"),
        pytest.param(31.0, 500.0, True, id="half the lock is always enough"),
        pytest.param(30.0, 500.0, False, id="not with half the lock"),
    ],
)
def test_a_job_that_waited_starts_only_with_enough_lock_left(left: float, usual: float, expected: bool) -> None:
    """Enough is what a run usually takes, or half the lock of sixty seconds."""
    assert may_start(left=left, lock=60.0, usual_run=usual) is expected


@pytest.mark.parametrize(
    ("left", "retries", "expected"),
    [(1.0, 1, True), (1.0, 0, False), (0.0, 3, False), (-5.0, 3, False), (1.0, None, False)],
)
def test_a_job_is_given_back_only_within_its_lock_and_with_retries(
    left: float, retries: object, expected: bool
) -> None:
    """Later it could clear a sibling's lock; without retries it would become a dead letter."""
    assert may_release(left=left, retries=retries) is expected


def test_delivery_goes_on_after_the_lock_and_for_ten_minutes_at_least() -> None:
    """Five minutes past a long lock; ten minutes from the start with a short one."""
    assert delivery_ends(started=100.0, deadline=3700.0) == 4000.0
    assert delivery_ends(started=100.0, deadline=101.0) == 700.0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    """Checked against its definition."""
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert percentile([], share) == 0.0
