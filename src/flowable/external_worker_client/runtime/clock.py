"""Time, as the shells see it: something that tests can put in its place."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> float:
        """Return seconds on a clock that never goes back. Only differences mean anything."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the event is set, at most so many seconds; say whether it is."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """See `Clock.now`."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """See `Clock.wait`."""
        return event.wait(seconds)
