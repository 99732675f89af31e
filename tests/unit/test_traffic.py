"""How many requests may be under way: the engine's best point is found, whatever the engine is like."""

from __future__ import annotations

import functools
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.crowded import Crowded, Drain

from flowable.external_worker_client.rest.meter import Meter
from flowable.external_worker_client.rest.traffic import LEVELS, MOST, START, Fixed, Search

NEAR = Crowded(servers=3, contention=0.06)

MANY = Crowded(servers=50, costs=0.1, spread=0.3)

#: What there is to be found, and how much of the best it is to bring.
ENGINES = {
    "two cores, slower the more there are": (NEAR, 0.9),
    "pauses of its garbage collection": (Crowded(servers=2, costs=0.004, contention=0.03, pauses=0.002), 0.85),
    "little noise": (Crowded(servers=3, contention=0.06, spread=0.3), 0.9),
    "saturated, never slower": (Crowded(servers=3), 0.9),
    "one at a time, and a lot of noise": (Crowded(servers=1, contention=0.1), 0.8),
    "ten at a time": (Crowded(servers=10, costs=0.02, contention=0.05), 0.85),
    "100 ms away": (Crowded(servers=50, away=0.1), 0.9),
    "200 ms away": (Crowded(servers=50, away=0.2), 0.9),
    "refuses above two": (Crowded(servers=8, refuses_above=2), 0.85),
}


@functools.cache
def best(engine: Crowded, until: float = 15.0) -> float:
    """Return what the best fixed number brings."""
    return max(Drain(engine, Fixed(number)).run(until) for number in LEVELS)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("engine", "share"), ENGINES.values(), ids=ENGINES)
def test_the_best_point_is_found(engine: Crowded, share: float, seed: int) -> None:
    """After ten seconds, what is done in the next thirty is nearly what the best fixed number would bring."""
    found = Drain(engine, Search(), seed=seed).run(40, since=10)
    assert found / best(engine) >= share


@pytest.mark.parametrize("seed", range(3))
def test_it_follows_an_engine_that_is_slow_for_a_minute(seed: int) -> None:
    """Three times slower, with another best point, and back."""

    def slower(now: float) -> float:
        return 3.0 if 30 < now < 90 else 1.0

    engine = Crowded(servers=12, costs=0.02, contention=0.05, slower=slower)
    found = Drain(engine, Search(), seed=seed).run(130, since=10)
    assert found / best(engine, 130.0) >= 0.85


@pytest.mark.parametrize("seed", range(3))
def test_it_follows_an_engine_that_can_do_less_from_now_on(seed: int) -> None:
    """It bears many at first; then it refuses what is above three. When that is over, it climbs again."""
    places = Search()
    Drain(MANY, places, seed=seed).run(20)
    assert places.number >= 16
    Drain(replace(MANY, refuses_above=3), places, seed=seed, now=20.0).run(60)
    assert places.number <= 4
    Drain(MANY, places, seed=seed, now=60.0).run(140)
    assert places.number >= 16


def test_threads_that_are_fewer_than_the_places_teach_nothing() -> None:
    """The number is not what holds them up: it stays as it was."""
    drain = Drain(Crowded(servers=50, away=0.1), Search(), threads=3)
    drain.run(30)
    assert {number for _, number in drain.numbers} == {START}


def test_it_does_not_climb_beyond_what_is_wanted() -> None:
    """With ten threads there are never many more than ten at a time to be found out about."""
    drain = Drain(Crowded(servers=50, away=0.1), Search(), threads=10)
    drain.run(60)
    assert 8 <= drain.places.number <= 16


def test_the_same_seed_finds_the_same() -> None:
    """The search has no dice of its own."""
    found = [Drain(NEAR, Search(), seed=1) for _ in range(2)]
    for drain in found:
        drain.run(10)
    assert found[0].numbers == found[1].numbers


def test_no_second_trial_of_what_is_refused_for_a_while() -> None:
    """Three is tried once a second at first, then every two, four, … up to thirty: refusals cost."""
    drain = Drain(Crowded(servers=8, refuses_above=2), Search())
    drain.run(60)
    tries = [later for (_, before), (later, after) in pairwise(drain.numbers) if before == 2 < after]
    assert 3 <= len(tries) <= 8
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps[-1] > gaps[0]


def test_trials_become_rare() -> None:
    """An engine that stays as it is is left in peace: few of its requests are sent in a trial of what is worse."""
    drain = Drain(Crowded(servers=3, contention=0.06, spread=0.3), Search(), seed=3)
    drain.run(60)
    late = [number for now, number in drain.numbers if now > 30]
    assert sum(number in (1, 2, 8, 12) for number in late) < 0.05 * len(late)


# ---------------------------------------------------------------- refusals

#: Those that are met by an outage.
REFUSED = {
    "nearby": NEAR,
    "bears as many as there are": Crowded(servers=64, costs=0.03, spread=0.2),
    "100 ms away": Crowded(servers=50, away=0.1),
    "200 ms away": Crowded(servers=50, away=0.2),
    "slow answers": MANY,
    "refuses above two": Crowded(servers=8, refuses_above=2),
    "refuses above ten": Crowded(servers=50, costs=0.02, refuses_above=10),
}


@pytest.mark.parametrize("retry_after", [0.25, 1.0])
@pytest.mark.parametrize("seconds", [0.3, 1, 4, 30, 300])
@pytest.mark.parametrize("engine", REFUSED.values(), ids=REFUSED)
def test_an_outage_by_refusals_says_nothing_about_the_number(
    engine: Crowded, seconds: float, retry_after: float
) -> None:
    """It is asked by one request at a time; as much as before is done within five seconds after it, however long."""
    begins, ends = 20.0, 20 + seconds

    def refuses(now: float) -> bool:
        return begins <= now < ends

    drain = Drain(replace(engine, refuses=refuses, retry_after=retry_after), Search())
    drain.run(ends + 5)
    assert drain.rate(ends + 2, ends + 5) >= 0.8 * drain.rate(10, begins)
    assert all(number == 1 for now, number in drain.numbers if begins + 2 < now < ends)
    # And it goes back to what it was, not to more that is refused.
    assert drain.refused(ends + 0.5, ends + 5) <= 5


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_an_outage_of_a_part_is_over_soon_too(share: float) -> None:
    """One of several engines behind a gateway is started anew: it climbs again, without long pauses."""
    dice = random.Random(1)  # noqa: S311 - nothing is secret here

    def refuses(now: float) -> bool:
        return 20 <= now < 24 and dice.random() < share

    drain = Drain(replace(REFUSED["bears as many as there are"], refuses=refuses), Search())
    drain.run(34)
    assert drain.rate(31, 34) >= 0.8 * drain.rate(10, 20)


def test_an_outage_that_comes_and_goes_is_over_soon_too() -> None:
    """Half a second of answers between two of refusals each, several times."""

    def refuses(now: float) -> bool:
        return 20 <= now < 32 and (now - 20) % 2.5 < 2

    drain = Drain(replace(REFUSED["bears as many as there are"], refuses=refuses), Search())
    drain.run(45)
    assert drain.rate(42, 45) >= 0.8 * drain.rate(10, 20)


@pytest.mark.parametrize("away", [0.0, 0.05])
@pytest.mark.parametrize("most", [1, 2, 3, 5, 10, 20])
def test_what_an_engine_bears_is_respected(most: int, away: float) -> None:
    """It refuses what is above a number: one in a hundred requests at first, at most, and half of that later."""
    drain = Drain(Crowded(servers=50, costs=0.01, away=away, refuses_above=most), Search())
    drain.run(120)
    assert drain.refused(10, 60) <= 0.01 * sum(10 <= now < 60 for now, _ in drain.numbers)
    assert drain.refused(60, 120) <= 0.005 * sum(60 <= now < 120 for now, _ in drain.numbers)


def test_a_number_that_makes_all_be_refused_is_respected() -> None:
    """A circuit breaker: after ten at a time, nothing is answered for two seconds. That costs less than a quarter."""
    engine = Crowded(servers=50, costs=0.02, refuses_above=10, refuses_for=2.0)
    drain = Drain(engine, Search())
    assert drain.run(120, since=10) >= 0.75 * Drain(engine, Fixed(8)).run(15)


def test_a_quota_is_used_up_and_not_run_against() -> None:
    """A gateway lets 400 requests through each second, and says to come back in a second. One in twenty is refused."""
    drain = Drain(Crowded(servers=50, costs=0.01, quota=400, retry_after=1.0), Search())
    drain.run(60)
    answers = sum(now >= 10 for now, _ in drain.numbers)
    assert answers - drain.refused(10, 60) >= 0.6 * 400 * 50
    assert drain.refused(10, 60) <= 0.05 * answers


def test_what_was_taken_in_before_an_outage_is_no_sign_of_its_end() -> None:
    """An answer that comes in the middle of it, to a request from before."""
    places = Search(16)
    now = 10.0
    for under_way in range(16, 1, -1):
        places.refused(now, under_way)
    for _ in range(10):
        now += 0.1
        places.refused(now, 1)
    assert places.number == 1
    places.answered("acquire 9", now - 9.9, now, 1)
    assert places.number == 1
    for _ in range(16):
        now += 0.1
        places.answered("complete", 0.05, now, places.number)
    assert places.number == 16


@given(
    st.sampled_from(LEVELS),
    st.lists(st.tuples(st.floats(0.001, 100), st.integers(1, 40)), min_size=1, max_size=40),
)
def test_refusals_alone_do_not_make_it_forget(usual: int, rounds: list[tuple[float, int]]) -> None:
    """However many there are, and how long they go on: so many answers, one after the other, bring the number back."""
    places = Search(usual)
    now = 100.0
    for passed, times in rounds:
        for under_way in range(times, 0, -1):
            now += passed
            places.refused(now, under_way)
    for _ in range(usual + 1):
        assert places.number <= usual
        now += 0.1
        places.answered("complete", 0.05, now, places.number)
    assert places.number == usual


# ---------------------------------------------------------------- whatever happens

EVENTS = st.one_of(
    st.tuples(st.just("answered"), st.sampled_from(["complete", "acquire 9", "fail", "list"]), st.floats(0, 40)),
    st.tuples(st.sampled_from(["refused", "failed"]), st.just(""), st.floats(0, 40)),
)


@given(
    st.lists(st.tuples(EVENTS, st.floats(0, 5), st.integers(1, 40), st.integers(1, 30)), max_size=60),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_the_number_stays_in_its_bounds(
    events: list[tuple[tuple[str, str, float], float, int, int]], start: int, most: int
) -> None:
    """Whatever is told: at least one request may go, never more than allowed, and a refusal is not met with more."""
    places = Search(start, most)
    now = 0.0
    for (event, kind, seconds), passed, under_way, times in events:
        for _ in range(times):
            now += passed
            before = places.number
            if event == "answered":
                places.answered(kind, seconds, now, under_way)
            elif event == "refused":
                places.refused(now, under_way)
                assert places.number <= before
            else:
                places.failed(under_way)
            assert 1 <= places.number <= most


@given(st.integers(1, MOST), st.integers(1, 6))
def test_refusals_of_one_round_trip_count_once(number: int, rounds: int) -> None:
    """Half of it for each round trip in which nothing else comes, and no less than one."""
    places = Search(number)
    now = 0.0
    for _ in range(rounds):
        before = places.number
        for under_way in range(before, 0, -1):
            now += 0.001
            places.refused(now, under_way)
        assert places.number <= max(1, before // 2)
        assert places.number >= max(1, before // 4)


@pytest.mark.parametrize("low", [1, 2])
def test_it_recovers_from_refusals(low: int) -> None:
    """However few are left, they become more again when the engine can do more."""
    places = Search()
    while places.number > low:
        for under_way in range(places.number, 0, -1):
            places.refused(0.0, under_way)
    Drain(NEAR, places).run(20)
    assert places.number >= 3


def test_a_lost_connection_changes_nothing_and_an_outage_ends_at_the_start() -> None:
    """An engine that comes back is cold, and is not met by what the old one could do."""
    places = Search()
    Drain(Crowded(servers=50, away=0.1), places).run(20)
    found = places.number
    assert found >= 16
    places.failed(found)
    assert places.number == found
    for _ in range(2 * MOST):
        places.failed(found)
    assert places.number == START
    Drain(Crowded(servers=50, away=0.1), places).run(20)
    assert places.number >= 16


def test_a_fixed_number_is_fixed() -> None:
    """Whatever it is told."""
    places = Fixed(7)
    places.answered("complete", 1.0, 1.0, 7)
    places.refused(1.0, 7)
    places.failed(7)
    assert places.number == 7


# ---------------------------------------------------------------- measuring


def measure(meter: Meter, dear: int, cheap: int, slower: float = 1.0) -> float:
    """Count answers of two kinds, one after the other, and return the logarithm of how many came a second."""
    meter.begin()
    for number in range(dear + cheap):
        seconds = slower * (0.06 if number < dear else 0.01)
        meter.count("acquire" if number < dear else "complete", seconds, seconds / 2)
    measured = meter.take()
    return 0.0 if measured is None else measured.rate


def test_what_is_asked_for_does_not_change_the_measure() -> None:
    """Ten acquires among a hundred requests or two: the engine is as fast as before, and that is what is said."""
    meter = Meter()
    measure(meter, 5, 95)
    usual = measure(meter, 5, 95)
    assert measure(meter, 10, 90) == pytest.approx(usual)
    assert measure(meter, 2, 98) == pytest.approx(usual)
    assert measure(meter, 5, 95, slower=2.0) == pytest.approx(usual - 0.693, abs=0.001)


def test_kinds_beyond_measure_are_bounded() -> None:
    """Somebody's proxy that answers with a hundred kinds of statuses does not fill the memory."""
    meter = Meter()
    for number in range(1000):
        meter.count(f"complete: {number}", 0.01, 0.01)
    assert len(vars(meter)["_kinds"]) <= 32
