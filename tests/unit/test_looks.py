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
    """Return what was planned each time: when, for which topic, and for what moment."""
    looks, now, planned = Looks(), 50.0, []
    for seconds, topic, idle in events:
        now += seconds
        if looks.worth_it(topic, now):
            planned.append([(now, each, moment) for each, moment in looks.settled(topic, sorted(idle), now)])
            for each in sorted(idle)[::3]:
                looks.found(each, now + 0.03)
    return planned


@given(SETTLED)
def test_a_client_looks_no_more_than_twenty_times_a_second(events: list[tuple[float, int, set[int]]]) -> None:
    """In every stretch of time, beyond the twenty that may come in a row."""
    moments = [now for each in _play(events) for now, _, _ in each]
    for first, begin in enumerate(moments):
        for last in range(first, len(moments)):
            assert last - first + 1 <= RATE + RATE * (moments[last] - begin) + A_LITTLE


@given(SETTLED)
def test_a_topic_is_looked_at_three_times_after_a_job_and_not_too_often(
    events: list[tuple[float, int, set[int]]],
) -> None:
    """At moments that the job decides, and never twice within fifty milliseconds; only topics that are idle."""
    at: dict[int, list[float]] = defaultdict(list)
    for planned in _play(events):
        for topic in {topic for _, topic, _ in planned}:
            mine = [moment - now for now, each, moment in planned if each == topic]
            assert len(mine) == len({round(each, 6) for each in mine}) <= len(DELAYS)
            assert all(min(abs(each - delay) for delay in DELAYS) < A_LITTLE * 1e3 for each in mine)
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


def test_without_any_look_left_no_topic_is_asked_whether_it_is_idle() -> None:
    """Those that are known may use up all."""
    looks = Looks()
    _teach(looks, A, [B, C, D, *range(10, 20)], times=3)
    now = 1000.0
    assert len(looks.settled(A, [B, C, D, *range(10, 20)], now)) == RATE
    assert not looks.worth_it(B, now + 0.01)
    assert looks.worth_it(B, now + 0.06)


def _teach(looks: Looks, after: int, followers: list[int], times: int) -> None:
    """Let jobs of some topics be found after one of another, one at a time, long before 1000."""
    for turn in range(times):
        for number, each in enumerate(followers):
            now = 1.0 + turn * 100 + number
            looks.settled(after, [each], now)
            looks.found(each, now + 0.05)


def test_a_topic_that_followed_before_comes_first() -> None:
    """With all of its looks, before the others get one each."""
    looks = Looks()
    _teach(looks, A, [D], times=1)
    order = [topic for topic, _ in looks.settled(A, [B, C, D], 1000.0)]
    assert order == [D, D, D, B, C, B, C, B, C]
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
    assert len(looks.settled(B, unknown, 1000.0)) == 12
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
