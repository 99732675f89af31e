"""How the embedded engine is held while somebody works with it, and which time it goes by."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowable.external_worker_client.testing.clock import Clock
    from flowable.external_worker_client.testing.core import Core
    from flowable.external_worker_client.testing.operations import Operations

__all__ = ["EngineClock", "Working"]


class EngineClock:
    """The clock that the engine was given, and how far the engine's own is ahead of it.

    Args:
        clock: What everybody else goes by.
        skew: Asked every time; in seconds.
    """

    def __init__(self, clock: Clock, skew: Callable[[], float]) -> None:
        self._clock = clock
        self._skew = skew

    def now(self) -> float:
        """Return the engine's seconds."""
        return self._clock.now() + self._skew()


class Working:
    """Holds the engine's lock. Faster than a generator, and on the path of every request."""

    __slots__ = ("_changed", "_core", "_operations", "_wake")

    def __init__(
        self, changed: threading.Condition, core: Core, operations: Operations, wake: Callable[[], None]
    ) -> None:
        self._changed = changed
        self._core = core
        self._operations = operations
        self._wake = wake

    def __enter__(self) -> Operations:
        self._changed.acquire()
        try:
            self._core.tick()
        except BaseException:
            self._changed.release()
            raise
        return self._operations

    def __exit__(self, *_error: object) -> None:
        self._wake()
        self._changed.release()
