"""The thread of a client that sees to what its subscriptions are too busy for.

It gives back what waits when a subscription is told to stop while its threads run handlers, and watches for handlers
that outlast their lock. It starts with the first subscription, because a thread cannot be started any more once the
main thread of the program has ended; and it ends with the last.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from flowable.external_worker_client.runtime.log import Log

_log = Log(__name__)

T = TypeVar("T")

#: How often handlers are looked at that may outlast their lock, at least, while any runs.
_LONGEST_LOOK_AWAY = 60.0  # seconds
_SHORTEST_LOOK_AWAY = 0.05  # seconds

#: How long the last subscription waits for the end of the thread; another one may have begun meanwhile.
END = 1.0  # seconds


class Kept(Protocol):
    """A subscription, as the keeper sees it."""

    def mind(self) -> float | None:
        """Do what is due and its threads are too busy for; return in how many seconds to look again, if need be."""
        ...


class Keeper:
    """See the module. Nothing here waits on a clock: only what the log says depends on the time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._kept: list[Kept] = []
        self._thread: threading.Thread | None = None
        self._looks_at = math.inf

    @property
    def thread(self) -> threading.Thread | None:
        """The thread. `None`: there is nothing to keep."""
        return self._thread

    def attach(self, kept: Kept) -> None:
        """Begin to keep a subscription."""
        with self._lock:
            self._kept.append(kept)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flowable-keeper", daemon=False)
                self._thread.start()

    def detach(self, kept: Kept) -> None:
        """A subscription has ended. After the last one, this waits a moment for the end of the thread."""
        with self._lock:
            self._kept.remove(kept)
            ending = None if self._kept else self._thread
        self._wake.set()
        if ending is not None and ending is not threading.current_thread():
            ending.join(END)

    def nudge(self) -> None:
        """Look now whether something is due."""
        self._wake.set()

    def look_within(self, seconds: float) -> None:
        """Look no later than after so many seconds."""
        if time.monotonic() + seconds < self._looks_at:
            self._wake.set()

    def _run(self) -> None:
        while True:
            # Whoever wants a look from now on gets another one.
            self._looks_at = math.inf
            self._wake.clear()
            with self._lock:
                kept = list(self._kept)
                if not kept:
                    self._thread = None
                    return
            looks = [safely(each.mind) for each in kept]
            soonest = min((look for look in looks if look is not None), default=math.inf)
            seconds = min(max(soonest, _SHORTEST_LOOK_AWAY), _LONGEST_LOOK_AWAY)
            self._looks_at = time.monotonic() + seconds
            self._wake.wait(seconds)


def safely(action: Callable[[], T]) -> T | None:
    """Do something on a thread that must not end; return what it returns, and `None` when it raised."""
    try:
        return action()
    except BaseException as error:  # noqa: BLE001 - a fault of this library must not end the thread
        _log.say(logging.ERROR, "Unexpected; what else there is to do goes on", error=error)
        return None
