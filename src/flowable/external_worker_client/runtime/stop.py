"""Being told to stop, and how long there is for it."""

from __future__ import annotations

import threading


class Stop(threading.Event):
    """Set when a subscription is to stop.

    Attributes:
        grace: Seconds that whoever told it waits for the end. `None`: as long as it takes, or not said.
    """

    def __init__(self) -> None:
        super().__init__()
        self.grace: float | None = None

    def within(self, grace: float | None) -> None:
        """Tell to stop, and for how long that is waited for. Told again, the last word counts."""
        self.grace = grace
        self.set()
