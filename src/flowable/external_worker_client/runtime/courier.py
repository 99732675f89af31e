"""The thread of a client that goes on with deliveries that take long, and with what an earlier process left.

Apart from the keeper, because a send can take as long as its time-out, and a stop must not wait for that. It starts
with the first subscription, because a thread cannot be started any more once the main thread of the program has ended;
and it ends with the last.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from flowable.external_worker_client.runtime import clock as clocks
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.keeper import END, safely
from flowable.external_worker_client.runtime.one_job import Moved


@dataclass(slots=True)
class _Late:
    moved: Moved
    due: float
    resume: Callable[[Moved], Moved | None]
    arrived: Callable[[], object]
    kept: bool
    hurried: bool = False


class Courier:
    """See the module.

    Args:
        clock: Tells the time and waits.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._clients: list[object] = []
        self._late: list[_Late] = []
        self._errands: list[Callable[[], object]] = []
        self._thread: threading.Thread | None = None

    @property
    def thread(self) -> threading.Thread | None:
        """The thread. `None`: there is nothing to do for it."""
        return self._thread

    def attach(self, subscription: object) -> None:
        """Begin to work for a subscription."""
        with self._lock:
            self._clients.append(subscription)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flowable-courier", daemon=False)
                self._thread.start()

    def detach(self, subscription: object) -> None:
        """A subscription has ended. After the last one, this waits a moment for the end of the thread."""
        with self._lock:
            self._clients.remove(subscription)
            ending = None if self._clients else self._thread
        self._wake.set()
        if ending is not None and ending is not threading.current_thread():
            ending.join(END)

    def send_later(
        self,
        moved: Moved,
        resume: Callable[[Moved], Moved | None],
        arrived: Callable[[], object],
        *,
        kept: bool = False,
    ) -> None:
        """Take over a delivery.

        Args:
            moved: The delivery.
            resume: Sends it once more; see `JobRunner.resume`.
            arrived: Called when it has come to its end.
            kept: Whether the journal has it for the next start anyway: the end of the last subscription ends it.
        """
        stopping = moved.delivery.stop.is_set()
        with self._lock:
            late = _Late(moved, self._clock.now() + moved.pause, resume, arrived, kept=kept, hurried=stopping)
            self._late.append(late)
            if self._thread is not None:
                # From now on it waits for time: a clock that moves by itself must not pass that moment before.
                clocks.join(self._clock, self._thread)
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

    def _run(self) -> None:
        while True:
            self._wake.clear()
            with self._lock:
                errands, self._errands = self._errands, []
                if not self._clients:
                    self._late = [late for late in self._late if not late.kept]
                    if not errands and not self._late:
                        self._thread = None
                        return
            for errand in errands:
                safely(errand)
            due = self._send_due()
            if due is None:
                self._rest()
            elif due > 0:
                self._clock.wait(self._wake, due)

    def _rest(self) -> None:
        # Not on the clock: nothing waits for time here until there is something to send.
        with self._lock:
            if self._late:
                return
            clocks.leave(self._clock, threading.current_thread())
        self._wake.wait()

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
        again = safely(lambda: first.resume(first.moved))
        with self._lock:
            if again is None:
                self._late.remove(first)
            else:
                first.moved, first.due = again, self._clock.now() + again.pause
        if again is None:
            safely(first.arrived)
        return 0.0
