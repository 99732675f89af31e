"""A clock that moves by itself while a test waits, and only then, and never past somebody at work."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from flowable.external_worker_client import ExternalWorkerAcquireJobResponse, ExternalWorkerClient, WorkerResultBuilder
from flowable.external_worker_client.testing import (
    EmbeddedAdapter,
    EmbeddedEngine,
    JumpingClock,
    MovingClock,
    NotInTimeError,
    Process,
    RealClock,
    Task,
)


def waiting(condition: Callable[[], bool]) -> None:
    """Wait until something holds, for at most ten real seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def clock() -> JumpingClock:
    """A clock at zero."""
    return JumpingClock()


@pytest.fixture
def sleeper(clock: JumpingClock) -> Iterator[Callable[[float], tuple[threading.Thread, threading.Event]]]:
    """Start threads that wait on the clock; they are ended after the test."""
    started: list[tuple[threading.Thread, threading.Event]] = []

    def start(seconds: float) -> tuple[threading.Thread, threading.Event]:
        event, sleepers = threading.Event(), clock.sleepers
        thread = threading.Thread(target=clock.wait, args=(event, seconds))
        thread.start()
        waiting(lambda: clock.sleepers == sleepers + 1)
        started.append((thread, event))
        return thread, event

    yield start
    for thread, event in started:
        event.set()
        thread.join(5)


def test_without_anybody_it_jumps_to_what_the_engine_has_to_do(clock: JumpingClock) -> None:
    """And nowhere, if there is nothing."""
    assert (clock.jump(None), clock.now()) == (False, 0.0)
    assert (clock.jump(30.0), clock.now()) == (True, 30.0)
    # A moment that has come, but not quite, by the engine's milliseconds.
    assert (clock.jump(0.0), clock.now()) == (True, 30.001)


def test_it_jumps_to_the_first_of_the_moments(
    clock: JumpingClock, sleeper: Callable[[float], tuple[threading.Thread, threading.Event]]
) -> None:
    """Of the threads, and of the engine."""
    sleeper(100)
    first, _ = sleeper(50)
    assert (clock.jump(20.0), clock.now()) == (True, 20.0)
    assert (clock.jump(None), clock.now()) == (True, 50.0)
    first.join(5)
    assert (clock.jump(None), clock.now(), clock.threads) == (True, 100.0, 1)


def test_it_does_not_jump_before_who_is_due_has_woken(clock: JumpingClock) -> None:
    """Time does not run away from a thread that has not noticed yet."""

    class Slow(JumpingClock):
        LOOK = 30.0  # seconds: it notices only its event

    slow, event = Slow(), threading.Event()
    thread = threading.Thread(target=slow.wait, args=(event, 5))
    thread.start()
    waiting(lambda: slow.sleepers == 1)
    assert (slow.jump(None), slow.now()) == (True, 5.0)
    assert (slow.jump(10.0), slow.now()) == (False, 5.0)
    event.set()
    thread.join(5)


def test_it_does_not_jump_while_one_of_its_threads_works(
    clock: JumpingClock, sleeper: Callable[[float], tuple[threading.Thread, threading.Event]]
) -> None:
    """One that has joined, or has waited before; until it ends."""
    sleeper(100)
    done = threading.Event()
    thread = threading.Thread(target=done.wait, args=(10,))
    clock.join(thread)
    assert clock.jump(None), "a thread that has not started is not at work"
    thread.start()
    # The sleeper's time has come with that jump: it ends, and only the other one is left.
    waiting(lambda: clock.threads == 1)
    assert (clock.jump(10.0), clock.threads) == (False, 1)
    done.set()
    thread.join(5)
    assert clock.threads == 0


def test_who_waits_for_an_event_only_has_no_moment(
    clock: JumpingClock, sleeper: Callable[[float], tuple[threading.Thread, threading.Event]]
) -> None:
    """It waits, and so does not keep the clock from jumping; but there is nothing to jump to."""
    forever, event = sleeper(math.inf)
    assert (clock.jump(None), clock.now(), clock.next_wakeup) == (False, 0.0, None)
    sleeper(40)
    assert (clock.sleepers, clock.next_wakeup) == (2, 40.0)
    assert (clock.jump(None), clock.now()) == (True, 40.0)
    waiting(lambda: clock.sleepers == 1)
    assert (clock.jump(7.0), clock.now()) == (True, 47.0)
    event.set()
    forever.join(5)
    assert not forever.is_alive()


def test_it_does_not_jump_before_who_was_called_has_woken() -> None:
    """A thread whose event is set is about to work, whatever moment it waited for."""

    class Drowsy(threading.Event):
        """Is set some time before whoever waits for it notices."""

        noticed = False

        def wait(self, timeout: float | None = None) -> bool:
            """Notice only when told to."""
            time.sleep(0.001)
            return self.noticed

    clock, event = JumpingClock(), Drowsy()
    thread = threading.Thread(target=clock.wait, args=(event, math.inf))
    thread.start()
    waiting(lambda: clock.sleepers == 1)
    event.set()
    assert (clock.jump(10.0), clock.now()) == (False, 0.0)
    event.noticed = True
    thread.join(5)
    assert (clock.jump(10.0), clock.now()) == (True, 10.0)


def test_a_thread_that_has_left_is_not_waited_for(
    clock: JumpingClock, sleeper: Callable[[float], tuple[threading.Thread, threading.Event]]
) -> None:
    """Until it waits for time again; leaving without having joined is nothing."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait, args=(10,))
    clock.leave(thread)
    clock.join(thread)
    thread.start()
    assert (clock.jump(10.0), clock.threads) == (False, 1)
    clock.leave(thread)
    clock.leave(thread)
    assert (clock.threads, clock.jump(10.0)) == (0, True)
    done.set()
    thread.join(5)


@pytest.mark.parametrize("kind", [MovingClock, JumpingClock])
def test_the_end_of_a_clock_ends_the_waits_for_an_event_too(kind: type[MovingClock]) -> None:
    """Their events are set, and the time stays a time."""
    clock, event = kind(), threading.Event()
    thread = threading.Thread(target=clock.wait, args=(event, math.inf))
    thread.start()
    waiting(lambda: clock.sleepers == 1)
    clock.end()
    thread.join(5)
    assert (event.is_set(), clock.now(), thread.is_alive()) == (True, 0.0, False)


@pytest.mark.parametrize("seconds", [math.inf, 1e300], ids=["for ever", "longer than the machine can"])
def test_the_real_clock_waits_for_an_event_however_long(seconds: float) -> None:
    """Beyond what the machine can wait, too."""
    event = threading.Event()
    threading.Timer(0.01, event.set).start()
    assert RealClock().wait(event, seconds) is True


def test_it_stands_still_when_nobody_waits_for_the_engine(clock: JumpingClock) -> None:
    """Looking at an engine does not move it."""
    engine = EmbeddedEngine(Process("p", Task("work", "t")), clock=clock)
    instance = engine.start("p")
    engine.acquire("t", lock_duration=60)
    assert not engine.instance(instance).ended
    assert clock.now() == 0
    assert clock.advance(59) == 59


def test_a_lock_of_somebody_elsewhere_is_not_jumped_over(clock: JumpingClock) -> None:
    """A worker on another clock would lose its jobs while it works on them; a retry time-out is nobody's."""
    engine = EmbeddedEngine(Process("p", Task("work", "t")), clock=clock)
    engine.start("p")
    (job,) = engine.acquire("t", worker_id="w", lock_duration=60)
    with pytest.raises(NotInTimeError, match=r"within 0.05 s.*\n.*\n.* locked by 'w'"):
        engine.wait_until(lambda engine: engine.job(job.id).lock_owner is None, timeout=0.05)
    assert clock.now() == 0
    engine.fail(job.id, "w", retry_timeout=timedelta(minutes=30))
    engine.wait_until(lambda engine: engine.job(job.id).lock_expires_at is None)
    assert 1800 <= clock.now() < 1803


@pytest.fixture
def subscribe(clock: JumpingClock) -> Iterator[Callable[..., EmbeddedEngine]]:
    """Make an engine with one process, and a client that works for it, on the clock."""
    ends: list[Callable[[float], bool]] = []

    def start(handler: Callable[..., object], topic: str = "t", wait: float = 30) -> EmbeddedEngine:
        engine = EmbeddedEngine(Process("p", Task("work", "t")), clock=clock)
        adapter = EmbeddedAdapter(engine)
        client = ExternalWorkerClient(adapter.url, customize_session=adapter.mount, clock=clock)
        subscription = client.subscribe(topic, handler, wait_period_seconds=wait)  # type: ignore[arg-type]
        clock.join(subscription.thread)
        ends.append(subscription.unsubscribe)
        return engine

    yield start
    assert all(unsubscribe(5) for unsubscribe in ends)


def test_hours_of_retries_pass_in_no_time(clock: JumpingClock, subscribe: Callable[..., EmbeddedEngine]) -> None:
    """Two pauses of an hour, with a worker that asks every thirty seconds meanwhile."""
    attempts: list[float] = []

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> object:
        attempts.append(clock.now())
        return result.failure().retry_timeout("1h") if len(attempts) < 3 else None

    engine = subscribe(handler)
    instance = engine.start("p")
    engine.wait_for_end(instance)
    assert [3600 <= after - before < 3700 for before, after in itertools.pairwise(attempts)] == [True] * 2


def test_a_handler_that_takes_its_time_keeps_its_lock(
    clock: JumpingClock, subscribe: Callable[..., EmbeddedEngine]
) -> None:
    """A fifth of a real second, during which no virtual time passes at all."""
    took: list[float] = []

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        before = clock.now()
        threading.Event().wait(0.2)
        took.append(clock.now() - before)

    engine = subscribe(handler)
    instance = engine.start("p")
    engine.wait_for_end(instance)
    assert took == [0.0]


def test_a_wait_ends_when_nothing_can_happen_any_more(
    clock: JumpingClock, subscribe: Callable[..., EmbeddedEngine]
) -> None:
    """Long before its time-out, and with the topic that was asked for in place of the right one."""
    engine = subscribe(lambda job, result: None, topic="T")
    instance = engine.start("p")
    before = time.monotonic()
    with pytest.raises(NotInTimeError) as caught:
        engine.wait_for_end(instance, timeout=60)
    assert time.monotonic() - before < 30
    text = str(caught.value)
    assert "nothing is going to happen any more: all workers on this clock (1) ask in vain" in text
    assert "of topic 't': free, waiting for a worker" in text
    assert text.endswith("workers asked for topics 'T'")
