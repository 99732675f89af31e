"""Being told to stop: by an event, by a clock that ends, by a signal."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from flowable.external_worker_client.runtime.clock import SystemClock
from flowable.external_worker_client.runtime.signals import Caught, caught
from flowable.external_worker_client.runtime.stop import Stop, Wake
from flowable.external_worker_client.testing import JumpingClock, MovingClock


def test_whoever_is_to_know_is_called_each_time_it_is_told() -> None:
    """After the event is set, so that who looks sees it."""
    stop, seen = Stop(SystemClock()), list[bool]()
    stop.on_set = lambda: seen.append(stop.is_set())
    stop.set()
    stop.within(5.0)
    assert seen == [True, True]


def test_a_nudge_ends_one_wait_and_stops_nothing() -> None:
    """There is something to do."""
    stop = Stop(SystemClock())
    wake, other = Wake(stop), Wake(stop)
    wake.nudge()
    assert (wake.is_set(), other.is_set(), stop.is_set()) == (True, False, False)


def test_setting_what_is_waited_on_means_the_stop() -> None:
    """That is what clocks do that come to their end; told a second time, it stays when it was told first."""
    clock = MovingClock()
    stop = Stop(clock)
    wake = Wake(stop)
    clock.advance(3)
    wake.set()
    clock.advance(4)
    wake.set()
    assert (wake.is_set(), stop.is_set(), stop.told, stop.grace) == (True, True, 3.0, None)


@pytest.mark.parametrize("seconds", [10.0, float("inf")])
def test_a_clock_that_ends_stops_what_waits_on_it(seconds: float) -> None:
    """Also who waits for an event only."""
    clock = JumpingClock()
    stop = Stop(clock)
    thread = threading.Thread(target=clock.wait, args=(Wake(stop), seconds))
    thread.start()
    deadline = time.monotonic() + 10
    while not clock.sleepers and time.monotonic() < deadline:
        time.sleep(0.001)
    clock.end()
    thread.join(10)
    assert stop.is_set()


@pytest.mark.parametrize("seconds", [float("inf"), 1e300])
def test_the_machines_clock_waits_however_long(seconds: float) -> None:
    """Longer than it can is as good as for ever."""
    event = threading.Event()
    threading.Timer(0.01, event.set).start()
    assert SystemClock().wait(event, seconds) is True
    assert SystemClock().wait(threading.Event(), 0.001) is False


def test_signals_are_counted_when_they_are_taken_notice_of() -> None:
    """The first is waited for, the second is looked for."""
    signals = Caught()
    assert (signals.wait(0.001), signals.number, signals.name, signals.again()) == (False, None, "", False)
    signals.handle(signal.SIGTERM, None)
    assert (signals.wait(10), signals.number, signals.name) == (True, signal.SIGTERM, "SIGTERM")
    assert signals.again() is False
    signals.handle(signal.SIGINT, None)
    assert (signals.again(), signals.number, signals.name) == (True, signal.SIGINT, "SIGINT")
    assert signals.again() is True


def test_a_signal_that_came_before_anybody_waited_is_not_lost() -> None:
    """Nor one that nobody waited for, when another comes."""
    signals = Caught()
    signals.handle(signal.SIGTERM, None)
    assert signals.again() is False
    signals.handle(signal.SIGTERM, None)
    assert signals.again() is True


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals arrive on the main thread only"
)
def test_the_handlers_are_put_back() -> None:
    """Whatever happens in the block."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def program() -> None:
        with caught() as signals:
            assert signal.getsignal(signal.SIGTERM) == signals.handle
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            assert (signals.wait(10), signals.name) == (True, "SIGTERM")
            assert signals.again()
            raise KeyError

    with pytest.raises(KeyError):
        program()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_elsewhere_than_on_the_main_thread_it_says_what_to_call() -> None:
    """Nothing was installed."""
    errors: list[str] = []

    def elsewhere() -> None:
        with pytest.raises(RuntimeError) as error, caught():
            pass
        errors.append(str(error.value))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert errors == [
        "run_until_stopped must be called on the main thread, where signals arrive; elsewhere, call close()"
    ]
    assert signal.getsignal(signal.SIGTERM) == before
