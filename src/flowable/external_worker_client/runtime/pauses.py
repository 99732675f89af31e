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
        self._waiting: dict[Wake, Stop] = {}

    def wait(self, seconds: float, stop: Stop) -> None:
        """Wait for so many seconds, or until `end`, or until `stop` is set; if it is already, that ends no pause."""
        if stop.is_set():
            self._clock.wait(threading.Event(), seconds)
            return
        wake = Wake(stop)
        with self._lock:
            self._waiting[wake] = stop
        try:
            # It may have been set before somebody could know of this pause.
            if not stop.is_set():
                self._clock.wait(wake, seconds)
        finally:
            with self._lock:
                del self._waiting[wake]

    def end(self) -> None:
        """End all pauses: what waits is sent again now."""
        self._end(lambda _: True)

    def end_of(self, stop: Stop) -> None:
        """End the pauses of a subscription that was told to stop."""
        self._end(lambda other: other is stop)

    def _end(self, which: Callable[[Stop], bool]) -> None:
        with self._lock:
            wakes = [wake for wake, stop in self._waiting.items() if which(stop)]
        for wake in wakes:
            wake.nudge()
