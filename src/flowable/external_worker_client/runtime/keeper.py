"""The thread of a client that does what no handler should have to wait for.

It sends again what has been on its way for long, gives back what waits when a subscription is told to stop while its
threads are busy, delivers what a process before this one left in the journal, and watches for handlers that outlast
their lock. It starts with the first subscription, because a thread cannot be started any more once the main thread of
the program has ended; and it ends with the last.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from flowable.external_worker_client.runtime.clock import Clock, join, leave
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.one_job import Moved

_log = Log(__name__)

T = TypeVar("T")

#: How often handlers are looked at that may outlast their lock, at least, while any runs.
_LONGEST_LOOK_AWAY = 60.0  # seconds
_SHORTEST_LOOK_AWAY = 0.05  # seconds

#: How long the last subscription waits for the end of the thread; another one may have begun meanwhile.
_END = 1.0  # seconds


class Kept(Protocol):
    """A subscription, as the keeper sees it."""

    def mind(self) -> float | None:
        """Do what is due and its threads are too busy for; return in how many seconds to look again, if need be."""
        ...


@dataclass(slots=True)
class _Late:
    moved: Moved
    due: float
    resume: Callable[[Moved], Moved | None]
    arrived: Callable[[], object]
    hurried: bool = False


class Keeper:
    """See the module.

    Args:
        clock: Tells the time and waits.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._kept: list[Kept] = []
        self._late: list[_Late] = []
        self._errands: list[Callable[[], object]] = []
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
            ending.join(_END)

    def send_later(self, moved: Moved, resume: Callable[[Moved], Moved | None], arrived: Callable[[], object]) -> None:
        """Take over a delivery.

        Args:
            moved: The delivery.
            resume: Sends it once more; see `JobRunner.resume`.
            arrived: Called when it has come to its end.
        """
        stopping = moved.delivery.stop.is_set()
        with self._lock:
            self._late.append(_Late(moved, self._clock.now() + moved.pause, resume, arrived, hurried=stopping))
            if self._thread is not None:
                # From now on it waits for time: a clock that moves by itself must not pass that moment before.
                join(self._clock, self._thread)
        self._wake.set()

    def try_now(self) -> None:
        """Send now what waits to be sent again: the engine has answered something else."""
        now = self._clock.now()
        with self._lock:
            for late in self._late:
                late.due = min(late.due, now)
        self._wake.set()

    def do(self, errand: Callable[[], object]) -> None:
        """Do something on this thread, soon."""
        with self._lock:
            self._errands.append(errand)
        self._wake.set()

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
                errands, self._errands = self._errands, []
                kept = list(self._kept)
                if not kept and not errands and not self._late:
                    self._thread = None
                    return
            for errand in errands:
                self._safely(errand)
            looks = [self._safely(each.mind) for each in kept]
            look_again = max(min((look for look in looks if look is not None), default=math.inf), _SHORTEST_LOOK_AWAY)
            due = self._send_due()
            if due is None:
                self._rest(min(look_again, _LONGEST_LOOK_AWAY))
            elif due > 0:
                self._clock.wait(self._wake, min(due, look_again))

    def _rest(self, seconds: float) -> None:
        # Not on the clock: nothing that waits for time depends on it. A clock that somebody moves brings no harm then.
        with self._lock:
            if self._late:
                return
            leave(self._clock, threading.current_thread())
        self._looks_at = time.monotonic() + seconds
        self._wake.wait(seconds)

    def _send_due(self) -> float | None:
        """Send the delivery that is due first, if it is; return in how many seconds the next is, `None` for none."""
        now = self._clock.now()
        with self._lock:
            for late in self._late:
                if not late.hurried and late.moved.delivery.stop.is_set():
                    # A stop ends the pause, here as on the thread of a handler.
                    late.hurried, late.due = True, min(late.due, now)
            first = min(self._late, key=lambda late: late.due, default=None)
        if first is None:
            return None
        if first.due > now:
            return first.due - now
        again = self._safely(lambda: first.resume(first.moved))
        with self._lock:
            if again is None:
                self._late.remove(first)
            else:
                first.moved, first.due = again, self._clock.now() + again.pause
        if again is None:
            self._safely(first.arrived)
        return 0.0

    def _safely(self, action: Callable[[], T]) -> T | None:
        try:
            return action()
        except BaseException as error:  # noqa: BLE001 - a fault of this library must not end the thread
            _log.say(logging.ERROR, "Unexpected; the deliveries of others go on", error=error)
            return None
