"""Pauses before a result is sent again, which end when the engine answers somebody else. For use by several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.outage import Outage
from flowable.external_worker_client.runtime.stop import Stop, Wake


class Pauses:
    """The pauses of one client.

    Args:
        clock: Waits.
        answered: Called when a result was taken that had to be sent again: the engine answers.

    Attributes:
        outage: Which results say what is wrong; the others are told by them.
    """

    def __init__(self, clock: Clock, answered: Callable[[], object]) -> None:
        self._clock = clock
        self.answered = answered
        self.outage = Outage()
        self._lock = threading.Lock()
        self._waiting: set[Wake] = set()

    def wait(self, seconds: float, stop: Stop) -> None:
        """Wait for so many seconds, or until `end`, or until `stop` is set; if it is already, that ends no pause."""
        if stop.is_set():
            self._clock.wait(threading.Event(), seconds)
            return
        wake = Wake(stop)
        with self._lock:
            self._waiting.add(wake)
        try:
            # It may have been set before somebody could know of this pause.
            if not stop.is_set():
                self._clock.wait(wake, seconds)
        finally:
            with self._lock:
                self._waiting.discard(wake)

    def end(self) -> None:
        """End all pauses: what waits is sent again now."""
        for wake in self._now_waiting():
            wake.nudge()

    def end_of(self, stop: Stop) -> None:
        """End the pauses of a subscription that was told to stop."""
        for wake in self._now_waiting():
            if wake.stop is stop:
                wake.nudge()

    def _now_waiting(self) -> list[Wake]:
        with self._lock:
            return list(self._waiting)
