"""Being told to stop, and how long there is for it."""

from __future__ import annotations

import threading

from flowable.external_worker_client.runtime.clock import Clock


class Stop(threading.Event):
    """Set when a subscription is to stop.

    Args:
        clock: Tells the time.

    Attributes:
        told: When it was set, on the clock. `None` before.
        grace: Seconds from then that whoever told it waits for the end. `None`: as long as it takes, or not said.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._now = clock.now
        self.told: float | None = None
        self.grace: float | None = None

    def set(self) -> None:
        """Tell to stop. Nothing is said about the time there is for it."""
        if self.told is None:
            self.told = self._now()
        super().set()

    def within(self, grace: float | None) -> None:
        """Tell to stop, and for how long from now that is waited for. Told again, the last word counts."""
        self.told = self._now()
        self.grace = grace
        super().set()
