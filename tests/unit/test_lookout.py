"""Whether idle topics have to be asked one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.runtime.lookout import AFTER_A_FAILURE, Advice, Lookout

PAUSE = 0.75


def test_one_topic_looks_for_all_and_the_others_wait_for_what_it_sees() -> None:
    """They ask again soon; with an engine that is slow, more than once."""
    lookout = Lookout(PAUSE)
    assert lookout.advise(10.0) is Advice.LOOK
    assert lookout.advise(10.0) is Advice.WAIT
    assert lookout.until == pytest.approx(10.1)
    assert lookout.advise(10.1) is Advice.WAIT
    assert lookout.until == pytest.approx(10.2)


@given(st.floats(0, 1))
def test_while_nothing_is_there_one_look_is_made_in_each_pause(chance: float) -> None:
    """By whoever comes first; chance takes up to a fifth of it, so that workers do not look together."""
    lookout, now, looks = Lookout(PAUSE), 10.0, []
    for _ in range(2000):
        if lookout.advise(now) is Advice.LOOK:
            looks.append(now)
            lookout.advise(now)
            following = lookout.nothing(now, chance)
            assert 0.8 * PAUSE - 1e-9 <= following - now <= PAUSE + 1e-9
            assert lookout.advise(now) is Advice.WAIT
            assert lookout.until == following
        now += 0.01
    assert len(looks) <= 20.0 / (0.8 * PAUSE) + 1
    assert len(looks) >= 20.0 / (PAUSE + 0.01) - 1


def test_when_there_is_something_every_topic_asks_until_the_next_look_is_due() -> None:
    """The look does not tell whose it is."""
    lookout = Lookout(PAUSE)
    assert lookout.advise(10.0) is Advice.LOOK
    lookout.something(10.0)
    assert [lookout.advise(10.0 + each) for each in (0.0, 0.3, 0.74)] == [Advice.ASK] * 3
    assert lookout.advise(10.75) is Advice.LOOK


def test_jobs_that_nobody_gets_make_looks_rare() -> None:
    """Foreign work: the topics are asked as if there were no lookout, for twice as long each time, up to a limit."""
    lookout, now, lengths = Lookout(PAUSE), 10.0, []
    assert lookout.advise(now) is Advice.LOOK
    for _ in range(10):
        lookout.something(now)
        length = 0.0
        while lookout.advise(now + length) is Advice.ASK:
            length += PAUSE / 2
        lengths.append(length / PAUSE)
        now += length
    assert lengths == [1, 2, 4, 8, 16, 32, 64, 64, 64, 64]


@pytest.mark.parametrize("what", ["found", "nothing"])
def test_a_look_that_was_of_use_or_an_engine_without_foreign_work_ends_that(what: str) -> None:
    """The next one that sees something is followed by one pause without looks again."""
    lookout, now = Lookout(PAUSE), 10.0
    for _ in range(4):
        assert lookout.advise(now) is Advice.LOOK
        lookout.something(now)
        now += 100.0
    if what == "found":
        lookout.found()
    else:
        assert lookout.advise(now) is Advice.LOOK
        lookout.nothing(now, 1.0)
        now += 1.0
    assert lookout.advise(now) is Advice.LOOK
    lookout.something(now)
    assert lookout.advise(now + 0.99 * PAUSE) is Advice.ASK
    assert lookout.advise(now + 1.01 * PAUSE) is Advice.LOOK


@pytest.mark.parametrize("pause", [PAUSE, 45.0])
def test_an_engine_that_does_not_say_is_asked_topic_by_topic_for_long(pause: float) -> None:
    """Half a minute, or one pause if that is longer."""
    lookout = Lookout(pause)
    assert lookout.advise(10.0) is Advice.LOOK
    lookout.failed(10.0)
    longest = max(AFTER_A_FAILURE, pause)
    assert lookout.advise(10.0 + 0.99 * longest) is Advice.ASK
    assert lookout.advise(10.0 + longest) is Advice.LOOK


ANSWERS = st.sampled_from(["nothing", "something", "failed"])
EVENTS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.05, 0.3, 0.75, 5.0, 40.0]), ANSWERS, st.booleans(), st.booleans()), max_size=60
)


def _tell(lookout: Lookout, answer: str, now: float, chance: float) -> None:
    if answer == "nothing":
        lookout.nothing(now, chance)
    elif answer == "something":
        lookout.something(now)
    else:
        lookout.failed(now)


@given(EVENTS, st.floats(0, 1))
def test_whatever_happens_one_look_is_under_way_and_nobody_waits_for_long(
    events: list[tuple[float, str, bool, bool]], chance: float
) -> None:
    """A topic is told to wait for one pause at most; a look that has ended is followed by another, some time."""
    lookout, now, looking = Lookout(PAUSE), 10.0, False
    for seconds, answer, found, slow in events:
        now += seconds
        advice = lookout.advise(now)
        if advice is Advice.LOOK:
            assert not looking
            looking = True
        elif advice is Advice.WAIT:
            assert now < lookout.until <= now + PAUSE + 1e-9
        if found:
            lookout.found()
        # Now and then the answer takes until the next topic comes.
        if looking and not slow:
            _tell(lookout, answer, now, chance)
            looking = False
    if looking:
        _tell(lookout, "nothing", now, chance)
    assert lookout.advise(now + 64 * PAUSE + AFTER_A_FAILURE) is Advice.LOOK
