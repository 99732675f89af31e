"""A clock that jumps: while a test waits for something, time passes as soon as nobody has anything to do."""

from __future__ import annotations

import math
import threading
import weakref

from flowable.external_worker_client.testing.clock import MovingClock

__all__ = ["JumpingClock"]

_STEP = 0.001  # seconds: the engine counts in milliseconds, and a moment that is just over must be really over


class JumpingClock(MovingClock):
    """A `MovingClock` that also moves by itself, while a test is in `EmbeddedEngine.wait_until` or `wait_for_end`.

    Whenever all worker threads on this clock wait, it jumps to the next moment at which one of them, or the engine, has
    something to do. A running handler is never overtaken, and half an hour of retry time-out takes a few milliseconds.
    Otherwise it stands still, and can be moved with `advance`.

    Give the same clock to the engine and to the client. The threads of a client's subscriptions belong to the clock;
    any other does from its first `wait` on, or from `join` on, until it ends or `leave`. Without any thread, the clock
    jumps only while nobody holds a lock in the engine: a worker on another clock would lose its jobs.

    Args:
        start: What `now()` returns at first, in seconds.
    """

    def __init__(self, start: float = 0.0) -> None:
        super().__init__(start)
        self._threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    def join(self, thread: threading.Thread) -> None:
        """Count a thread among those that have to wait before the clock jumps, until it ends or leaves."""
        with self._lock:
            self._threads.add(thread)

    def leave(self, thread: threading.Thread) -> None:
        """Count a thread no more, until its next `wait`: what it waits for now is not time."""
        with self._lock:
            self._threads.discard(thread)

    @property
    def threads(self) -> int:
        """How many threads belong to the clock and have not ended."""
        with self._lock:
            return len(self._alive())

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set or the clock has moved by so many seconds. Returns whether the event is set."""
        self.join(threading.current_thread())
        return super().wait(event, seconds)

    def jump(self, due: float | None) -> bool:
        """Move to the next moment at which there is something to do, unless somebody is doing something now.

        Args:
            due: In how many seconds the engine has something to do; None if it has nothing.

        Returns:
            Whether the clock has moved.
        """
        with self._lock:
            waiting = [self._wakeups.get(thread) for thread in self._alive()]
            # Who has no moment is at work; whose moment has come, or whose event is set, is about to be.
            if None in waiting or any(moment <= self._now for moment in self._wakeups.values()):
                return False
            if any(event.is_set() for event in self._events.values()):
                return False
            moments = [moment for moment in self._wakeups.values() if moment < math.inf]
            if due is not None:
                moments.append(self._now + max(due, _STEP))
            if not moments:
                return False
            self._now = min(moments)
            return True

    def _alive(self) -> list[int]:
        """Return the identifiers of the threads that have not ended. A thread that has not started yet has none."""
        return [thread.ident for thread in self._threads if thread.is_alive() and thread.ident is not None]
