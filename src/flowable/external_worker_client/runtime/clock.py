"""Time, as the shells see it: something that tests can put in its place."""

from __future__ import annotations

import math
import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits.

    A clock that moves by itself once everybody waits has to know who everybody is. If it has the methods `join(thread)`
    and `leave(thread)`, it is told: of the threads of a subscription before they start, and of one that waits for
    something else than time from now on.
    """

    def now(self) -> float:
        """Return seconds on a clock that never goes back. Only differences mean anything."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set, at most so many seconds, which may be `math.inf`; say whether it is set."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    #: See `Clock.now`. The function itself: it is asked ten times a job.
    now = staticmethod(time.monotonic)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See `Clock.wait`."""
        # Longer than the platform can wait is as good as for ever: whoever waits looks again.
        return event.wait(None if seconds == math.inf else min(seconds, threading.TIMEOUT_MAX))


def join(clock: Clock, thread: threading.Thread) -> None:
    """Tell a clock of a thread that waits on it, if it wants to know."""
    if (method := getattr(clock, "join", None)) is not None:
        method(thread)


def leave(clock: Clock, thread: threading.Thread) -> None:
    """Tell a clock of a thread that does not wait on it any more, if it wants to know."""
    if (method := getattr(clock, "leave", None)) is not None:
        method(thread)
