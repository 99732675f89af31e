"""Signals that tell a program to stop.

A signal handler of Python runs between two instructions of the main thread, whatever that is doing. Locks that the main
thread holds at that moment can never be taken there, so the handler does the one thing that is safe: it puts the number
into a `SimpleQueue`. Whoever waits on the queue acts on it.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType

#: What a process that was ended by a signal is usually said to return, less the number of the signal.
SIGNALLED = 128

_NAMES = ("SIGTERM", "SIGINT", "SIGBREAK")


class Caught:
    """The signals that came.

    Attributes:
        number: Of the last one that was taken notice of. `None`: none.
    """

    def __init__(self) -> None:
        self._came: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.number: int | None = None
        self._count = 0

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take a signal. To be installed as handler."""
        del frame
        self._came.put(number)

    def wait(self, seconds: float) -> bool:
        """Wait for a signal, at most so many seconds; say whether one came."""
        with suppress(queue.Empty):
            self.number = self._came.get(timeout=seconds)
            self._count += 1
            return True
        return False

    def again(self) -> bool:
        """Say whether a second signal came."""
        with suppress(queue.Empty):
            self.number = self._came.get_nowait()
            self._count += 1
        return self._count > 1

    @property
    def name(self) -> str:
        """The name of the last one."""
        return signal.Signals(self.number).name if self.number else ""


@contextmanager
def caught() -> Generator[Caught]:
    """Catch the signals that tell a program to stop, for the time of a block.

    Raises:
        RuntimeError: This is not the main thread, where signals arrive.
    """
    if threading.current_thread() is not threading.main_thread():
        message = "run_until_stopped must be called on the main thread, where signals arrive; elsewhere, call close()"
        raise RuntimeError(message)
    signals = Caught()
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.signal(number, signals.handle) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            # A handler that was not installed from Python cannot be put back.
            if handler is not None:
                signal.signal(number, handler)


def end_process(status: int) -> None:
    """End the process now, whatever its threads do; what is on its way to the log and to standard output is flushed."""
    with suppress(BaseException):
        logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(status)
