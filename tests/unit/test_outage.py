"""What topics tell each other of an engine that does not answer, and pauses that end when it does."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.runtime.clock import SystemClock
from flowable.external_worker_client.runtime.outage import TELL_AGAIN, Outage
from flowable.external_worker_client.runtime.pauses import Pauses
from flowable.external_worker_client.runtime.stop import Stop


def test_one_topic_says_what_is_wrong_and_the_others_say_what_else_is() -> None:
    """Until it is answered; then another one does. Who has said something else joins in silence."""
    outage = Outage()
    assert outage.failed(1, "down")
    assert not outage.failed(2, "down")
    assert outage.failed(3, "no such user")
    assert outage.failed(1, "down")
    assert not outage.failed(3, "down")
    assert outage.answered(1)
    assert not outage.answered(2)
    assert outage.failed(3, "down")
    assert outage.answered(3)
    assert not outage.answered(3)


events = st.tuples(st.integers(1, 5), st.sampled_from(["down", "overloaded", None]))


@given(st.lists(events, max_size=40))
def test_everything_that_is_wrong_is_said_by_exactly_one(happened: list[tuple[int, str | None]]) -> None:
    """Whoever failed last for a reason that nobody else speaks of, does."""
    outage, reasons, loud = Outage(), dict[int, str](), set[int]()
    for number, reason in happened:
        if reason is None:
            assert outage.answered(number) == (number in loud)
            reasons.pop(number, None)
            loud.discard(number)
            continue
        spoken = {reasons[other] for other in loud - {number}}
        assert outage.failed(number, reason) == (reason not in spoken)
        reasons[number] = reason
        (loud.add if reason not in spoken else loud.discard)(number)
        assert len({reasons[other] for other in loud}) == len(loud)


@given(st.lists(st.floats(0, 20), max_size=30))
def test_others_are_told_now_and_then(steps: list[float]) -> None:
    """The first time at once; an engine that answers one and not the others is not hammered."""
    outage, now, told = Outage(), 100.0, list[float]()
    for step in steps:
        now += step
        if outage.is_news(now):
            told.append(now)
    assert bool(told) == bool(steps)
    assert all(later - earlier >= TELL_AGAIN for earlier, later in itertools.pairwise(told))


class Clock(SystemClock):
    """A clock on which something happens while somebody waits.

    Attributes:
        waited: For how many seconds it was waited, and whether something ended that.
    """

    def __init__(self, happens: Callable[[], object] = lambda: None) -> None:
        self._happens = happens
        self.waited: list[tuple[float, bool]] = []

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let it happen, and say whether that ended the wait."""
        self._happens()
        self.waited.append((seconds, event.is_set()))
        return event.is_set()


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (lambda pauses, stop: pauses.end(), True),
        (lambda pauses, stop: pauses.end_of(stop), True),
        (lambda pauses, stop: pauses.end_of(Stop(SystemClock())), False),
        (lambda pauses, stop: None, False),
    ],
    ids=["the engine answers", "it is to stop", "another is to stop", "nothing happens"],
)
def test_a_pause_ends_when_the_engine_answers_or_its_subscription_is_to_stop(
    end: Callable[[Pauses, Stop], object], ended: bool
) -> None:
    """And nothing is left of it."""
    clock = Clock(lambda: end(pauses, stop))
    pauses, stop = Pauses(clock, answered=lambda: None), Stop(clock)
    pauses.wait(60.0, stop)
    assert clock.waited == [(60.0, ended)]
    assert pauses._waiting == set()


def test_a_pause_of_a_subscription_that_is_stopping_passes() -> None:
    """The stop is known already, and it is the pause between two sends all the same."""
    clock = Clock()
    stop = Stop(clock)
    stop.set()
    Pauses(clock, answered=lambda: None).wait(3.0, stop)
    assert clock.waited == [(3.0, False)]
