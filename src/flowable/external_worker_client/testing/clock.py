"""Time, as the embedded engine and the library's runtime see it.

A clock has `now()`, monotonic seconds, and `wait(event, seconds)`. The engine needs only the first: it keeps the
calendar time of its start and adds what the clock says has passed, so that a test that moves the clock moves locks,
retry time-outs and the worker together.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Protocol

__all__ = ["Clock", "MovingClock", "RealClock"]


class Clock(Protocol):
    """Anything that tells how much time has passed."""

    def now(self) -> float:
        """Return monotonic seconds since some moment in the past."""
        ...


class RealClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set, at most so many seconds (`math.inf`: for ever). Returns whether it is set."""
        return event.wait(None if seconds == math.inf else min(seconds, threading.TIMEOUT_MAX))


class MovingClock:
    """A clock that stands still until a test moves it.

    Give the same clock to the embedded engine and to the worker, and a retry time-out of half an hour takes as long as
    one call of `advance`. Safe to use from any thread.

    Args:
        start: What `now()` returns at first, in seconds.
    """

    #: How long a waiting thread lets pass, in real seconds, before it looks at the clock again. The event ends the wait
    #: at once; only the clock's own movement is noticed this late at most.
    LOOK = 0.002

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._lock = threading.Lock()
        self._wakeups: dict[int, float] = {}
        self._events: dict[int, threading.Event] = {}
        self._over = threading.Event()

    def __repr__(self) -> str:
        return f"<MovingClock at {self.now():g} s, {self.sleepers} waiting>"

    def now(self) -> float:
        """Return the clock's seconds."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> float:
        """Move the clock forward.

        Args:
            seconds: How far. Zero is allowed.

        Returns:
            The clock's seconds after it.

        Raises:
            ValueError: If seconds is negative: time does not go back.
        """
        if not seconds >= 0:
            raise ValueError(f"seconds: {seconds!r} is not accepted; a clock moves forward, by 0 or more")
        with self._lock:
            self._now += seconds
            return self._now

    @property
    def sleepers(self) -> int:
        """How many threads are in `wait` now."""
        with self._lock:
            return len(self._wakeups)

    @property
    def next_wakeup(self) -> float | None:
        """The clock's seconds at which the first of the waiting threads goes on; None if no thread waits for time."""
        with self._lock:
            return min((moment for moment in self._wakeups.values() if moment < math.inf), default=None)

    def end(self) -> None:
        """End all waiting, now and from now on: the time that is waited for passes at once, and the event is set.

        Workers wait on the event that tells them to stop, so this stops those on the clock, whoever started them. The
        fixture `flowable_clock` does it after its test, because a thread that waited for a clock that nobody moves any
        more would keep the whole run from ending.
        """
        self._over.set()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set or the clock has moved by so many seconds.

        Args:
            event: Ends the wait as soon as it is set.
            seconds: On this clock. Zero or less returns at once; `math.inf` waits for the event only.

        Returns:
            Whether the event is set.
        """
        thread = threading.get_ident()
        with self._lock:
            deadline = self._now + seconds
            self._wakeups[thread] = deadline
            self._events[thread] = event
        try:
            while self.now() < deadline:
                if self._over.is_set():
                    with self._lock:
                        if deadline < math.inf:
                            self._now = max(self._now, deadline)
                    event.set()
                    return True
                if event.wait(self.LOOK):
                    return True
            return event.is_set()
        finally:
            with self._lock:
                del self._wakeups[thread], self._events[thread]
