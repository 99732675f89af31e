"""Which topics are looked at after a job was settled: how many looks at most, and how the likely ones are learned."""

from __future__ import annotations

import itertools
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.runtime.looks import DELAYS, RATE, SHORTEST_DISTANCE, SHORTEST_PAUSE, Looks

A, B, C, D = range(4)

#: How long before the next job is settled, on which topic, and which topics are idle then.
SETTLED = st.lists(
    st.tuples(st.sampled_from([0.001, 0.01, 0.03, 0.05, 0.3, 2.0]), st.integers(0, 5), st.sets(st.integers(0, 9))),
    max_size=120,
)
A_LITTLE = 1e-9


def _play(events: list[tuple[float, int, set[int]]]) -> list[list[tuple[float, int, float]]]:
    """Return what was planned each time: when, for which topic, and for what moment; not what work made needless."""
    looks, now, planned = Looks(), 50.0, list[list[tuple[float, int, float]]]()
    for seconds, topic, idle in events:
        now += seconds
        for found in sorted(idle)[::3]:
            looks.found(found, now)
            planned = [[look for look in each if look[1] != found or look[2] <= now] for each in planned]
        if looks.worth_it(topic, now):
            planned.append([(now, each, moment) for each, moment in looks.settled(topic, sorted(idle), now)])
    return planned


@given(SETTLED)
def test_a_client_looks_no_more_than_twenty_times_a_second(events: list[tuple[float, int, set[int]]]) -> None:
    """In every stretch of time, beyond the twenty in a row, and those that come a little after the job."""
    later = max(DELAYS) + SHORTEST_DISTANCE
    moments = sorted(moment for each in _play(events) for _, _, moment in each)
    for first, begin in enumerate(moments):
        for last in range(first, len(moments)):
            assert last - first + 1 <= RATE + RATE * (moments[last] - begin + later) + A_LITTLE


@given(SETTLED)
def test_a_topic_is_looked_at_three_times_after_a_job_and_not_too_often(
    events: list[tuple[float, int, set[int]]],
) -> None:
    """Within three tenths of a second, or a second when many were looked at; never twice within fifty milliseconds."""
    at: dict[int, list[float]] = defaultdict(list)
    for planned in _play(events):
        for topic in {topic for _, topic, _ in planned}:
            mine = [moment - now for now, each, moment in planned if each == topic]
            assert len(mine) <= len(DELAYS)
            assert all(min(DELAYS) - A_LITTLE <= each <= 1.0 + max(DELAYS) + A_LITTLE for each in mine)
        for _, topic, moment in planned:
            at[topic].append(moment)
    for moments in at.values():
        moments.sort()
        pairs = itertools.pairwise(moments)
        assert all(later - earlier >= SHORTEST_DISTANCE - A_LITTLE for earlier, later in pairs)


@given(SETTLED)
def test_only_topics_that_are_idle_are_looked_at(events: list[tuple[float, int, set[int]]]) -> None:
    """Others ask anyway."""
    looks, now = Looks(), 0.0
    for seconds, topic, idle in events:
        now += seconds
        assert {each for each, _ in looks.settled(topic, sorted(idle), now)} <= idle


def test_jobs_of_a_topic_in_quick_succession_are_one_occasion() -> None:
    """And when no look is left, none is planned for."""
    looks = Looks()
    assert looks.worth_it(A, 0.0)
    assert not looks.worth_it(A, SHORTEST_PAUSE / 2)
    assert looks.worth_it(B, SHORTEST_PAUSE / 2)
    assert looks.worth_it(A, SHORTEST_PAUSE)


def test_a_topic_for_which_no_look_is_left_is_looked_at_within_a_second() -> None:
    """When there is one again: four topics at a time. Otherwise nobody would look until the idle wait is over."""
    looks = Looks()
    _teach(looks, A, [B, C, D, *range(10, 20)], times=3)
    now = 1000.0
    assert len(looks.settled(A, [B, C, D, *range(10, 20)], now)) == RATE
    assert looks.worth_it(B, now + 0.01)
    late = looks.settled(B, [*range(30, 40)], now + 0.01)
    assert len(late) == 4
    assert all(now + 0.25 < moment <= now + 1.01 for _, moment in late)
    assert not looks.worth_it(C, now + 0.02)
    assert looks.settled(C, [*range(40, 50)], now + 0.02) == []
    assert looks.worth_it(C, now + 1.1)


def _about(planned: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(topic, round(moment, 6)) for topic, moment in planned]


def _teach(looks: Looks, after: int, followers: list[int], times: int) -> None:
    """Let jobs of some topics be found after one of another, one at a time, long before 1000."""
    for turn in range(times):
        for number, each in enumerate(followers):
            now = 1.0 + turn * 100 + number
            looks.settled(after, [each], now)
            looks.found(each, now + 0.05)


def test_a_topic_that_followed_before_comes_first() -> None:
    """With all of its looks; then the others get a late one each."""
    looks = Looks()
    _teach(looks, A, [D], times=1)
    planned = looks.settled(A, [B, C, D], 1000.0)
    assert planned == [*((D, 1000.0 + delay) for delay in DELAYS), (B, 1000.25), (C, 1000.25)]
    assert [topic for topic, _ in looks.settled(B, [C, D], 2000.0)][:2] == [C, D], "it follows A, not B"


def test_who_follows_more_often_comes_before_who_does_so_less_often() -> None:
    """The engine goes on with one of several tasks."""
    looks = Looks()
    _teach(looks, A, [D], times=3)
    _teach(looks, A, [C], times=1)
    assert [topic for topic, _ in looks.settled(A, [B, C, D], 1000.0)][:2] == [D, C]


def test_some_looks_are_kept_for_topics_that_are_known_to_follow() -> None:
    """Twenty unknown ones do not use up what a known one needs."""
    looks = Looks()
    _teach(looks, A, [D], times=1)
    unknown = [*range(10, 30)]
    # And four that are put off until there are some again.
    assert len(looks.settled(B, unknown, 1000.0)) == 12 + 4
    assert [topic for topic, _ in looks.settled(A, [*unknown, D], 1000.0)] == [D, D, D]


def test_unknown_topics_take_turns_also_beside_a_known_one() -> None:
    """A process that goes another way than usual is found, too."""
    looks = Looks()
    _teach(looks, A, [D], times=3)
    unknown = [*range(10, 40)]
    seen: set[int] = set()
    for turn in range(5):
        seen |= {topic for topic, _ in looks.settled(A, [*unknown, D], 1000.0 + turn)}
    assert seen == {*unknown, D}


def test_what_does_not_follow_any_more_is_forgotten() -> None:
    """After some jobs without: then it takes turns with all the others."""
    looks = Looks()
    _teach(looks, A, [D], times=9)
    turns, now = 0, 1000.0
    while next(topic for topic, _ in looks.settled(A, [B, C, D], now)) == D:
        turns, now = turns + 1, now + 1.0
        assert turns < 30
    assert turns > 5


@given(st.floats(0.0, 10.0))
def test_only_what_is_found_soon_after_a_look_is_its_success(later: float) -> None:
    """Otherwise every topic with work would follow every other."""
    looks = Looks()
    looks.settled(A, [B], 1.0)
    looks.found(B, 1.0 + later)
    learned = next(topic for topic, _ in looks.settled(A, [C, B], 1000.0)) == B
    assert learned == (later <= DELAYS[-1] + 0.1)


def test_a_topic_that_is_left_is_forgotten() -> None:
    """As one that follows, and as one that is followed."""
    looks = Looks()
    _teach(looks, A, [D], times=3)
    looks.left(D)
    assert next(topic for topic, _ in looks.settled(A, [B, D], 1000.0)) == B
    _teach(looks, B, [D], times=3)
    looks.left(B)
    assert next(topic for topic, _ in looks.settled(B, [C, D], 2000.0)) == C


def test_a_look_that_is_planned_counts_for_a_job_that_is_settled_before_it() -> None:
    """It costs no other one, and what it finds is a success of both; those that nothing follows are forgotten."""
    looks = Looks()
    assert looks.settled(A, [D], 1.0) == [(D, 1.0 + delay) for delay in DELAYS]
    assert _about(looks.settled(B, [D], 1.06)) == [(D, 1.14), (D, 1.31)]
    looks.found(D, 1.14)
    for after in (A, B):
        assert looks.settled(after, [C, D], 10.0 + after)[0][0] == D


def test_a_look_too_soon_after_another_is_made_a_little_later() -> None:
    """Not left out: it is for what has come since."""
    looks = Looks()
    looks.settled(A, [D], 1.0)
    assert _about(looks.settled(B, [D], 1.03)) == [(D, 1.13), (D, 1.3)]
    other = Looks()
    other.settled(A, [D], 1.0)
    assert _about(other.settled(B, [D], 1.26)) == [(D, 1.3), (D, 1.35), (D, 1.51)]


def test_looks_that_work_makes_needless_are_not_lost() -> None:
    """Whoever found work asks on by itself: others may look instead."""
    looks, topics = Looks(), [*range(10, 14)]
    assert len(looks.settled(A, topics, 1.0)) == 12
    for topic in topics:
        looks.found(topic, 1.03)
    # Two of three each are still to come.
    assert len(looks.settled(A, topics, 1.2)) == 12


def test_what_is_busy_all_the_time_is_followed_by_nothing() -> None:
    """Every look on another topic could be its success: each quarter of a second in vain counts."""
    looks = Looks()
    _teach(looks, A, [D], times=3)
    now = 1000.0
    for _ in range(600):
        now += 0.01
        if looks.worth_it(A, now):
            looks.settled(A, [D], now)
    assert looks.settled(A, [B, D], now + 100.0)[0][0] == B


@given(st.integers(0, 400))
def test_a_chain_is_learned_step_by_step(offset: int) -> None:
    """Each topic follows the one before, although the looks after the first are on the way on all of them."""
    looks, now = Looks(), offset / 100.0
    for _ in range(4):
        for topic, following in ((A, B), (B, C), (C, D)):
            idle = [each for each in (A, B, C, D) if each != topic]
            looks.settled(topic, idle, now)
            now += 0.06
            looks.found(following, now)
        now += 100.0
    for topic, following in ((A, B), (B, C), (C, D)):
        now += 100.0
        assert looks.settled(topic, [each for each in (A, B, C, D) if each != topic], now)[0] == (following, now + 0.02)
