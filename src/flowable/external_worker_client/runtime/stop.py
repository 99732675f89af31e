"""Being told to stop, and how long there is for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flowable.external_worker_client.runtime.clock import Clock


class Stop(threading.Event):
    """Set when a subscription is to stop.

    Args:
        clock: Tells the time.

    Attributes:
        clock: As given.
        first_told: When it was set first, on the clock. `None` before.
        told: When it was told last for how long that is waited for. `None` before it was set.
        grace: Seconds from then that whoever told it waits for the end. `None`: as long as it takes, or not said.
        on_set: Called whenever it is set, on the thread that does, after it is. Must be quick, and not raise.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.first_told: float | None = None
        self.told: float | None = None
        self.grace: float | None = None
        self.on_set: Callable[[], object] = lambda: None
        self._listeners: list[Callable[[], object]] = []

    def listen(self, listener: Callable[[], object]) -> None:
        """Let somebody else be told as well when it is set, as `on_set` is; at once if it is."""
        self._listeners.append(listener)
        if self.is_set():
            listener()

    def set(self) -> None:
        """Tell to stop. Nothing is said about the time there is for it."""
        if self.told is None:
            self.told = self.first_told = self.clock.now()
        super().set()
        self._tell()

    def within(self, grace: float | None) -> None:
        """Tell to stop, and for how long from now that is waited for. Told again, the last word counts."""
        self.told = self.clock.now()
        if self.first_told is None:
            self.first_told = self.told
        self.grace = grace
        super().set()
        self._tell()

    def _tell(self) -> None:
        self.on_set()
        for listener in self._listeners:
            listener()


class Wake(threading.Event):
    """What a thread of a subscription waits on: it ends a wait because there is something to do, or to stop.

    Args:
        stop: Of the subscription.

    Attributes:
        stop: As given.
    """

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self.stop = stop

    def nudge(self) -> None:
        """End the wait: there is something to do."""
        super().set()

    def set(self) -> None:
        """End the wait, and all others: clocks that come to their end do this, and mean the stop."""
        super().set()
        if not self.stop.is_set():
            self.stop.set()
