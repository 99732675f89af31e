"""A gate for handlers: many beside each other, or one alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


class Gate:
    """Lets many through beside each other, or one alone. Whoever wants to be alone goes first.

    A thread that is inside already is let through at once, whichever way it enters again: waiting for itself it would
    wait for ever.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everybody. Only for a process that was just forked: the threads inside are those of its parent."""
        self._changed = threading.Condition()
        self._inside = threading.local()
        self._beside = 0
        self._alone = False
        self._waiting = 0

    @contextmanager
    def beside(self, unless: Callable[[], bool] | None = None) -> Generator[bool]:
        """Go in beside others, once nobody is, or wants to be, alone.

        Args:
            unless: Asked at the beginning and after each `wake`: when it says yes, waiting ends. `None`: never.

        Yields:
            Whether the gate was passed. `False`: `unless` said yes first.
        """
        with self._passing(unless, alone=False) as passed:
            yield passed

    @contextmanager
    def alone(self, unless: Callable[[], bool] | None = None) -> Generator[bool]:
        """Keep new ones out, wait for those inside, and go in. Arguments and what is yielded are as for `beside`."""
        with self._passing(unless, alone=True) as passed:
            yield passed

    @contextmanager
    def _passing(self, unless: Callable[[], bool] | None, *, alone: bool) -> Generator[bool]:
        if self._is_inside():
            yield True
            return
        passed = self.go_in(unless, alone=alone)
        try:
            self._inside.now = passed
            yield passed
        finally:
            self._inside.now = False
            if passed:
                self.go_out(alone=alone)

    def go_in(self, unless: Callable[[], bool] | None = None, *, alone: bool) -> bool:
        """Go in, for a handler that ends on another thread than it was started on. What is passed must be left.

        Args:
            unless: As for `beside`.
            alone: Whether to go in as `alone` does, or as `beside`.

        Returns:
            Whether the gate was passed; only then `go_out` is to follow.
        """
        with self._changed:
            if not alone:
                passed = self._wait(lambda: not self._alone and not self._waiting, unless)
                self._beside += passed
                return passed
            self._waiting += 1
            try:
                passed = self._wait(lambda: not self._alone and not self._beside, unless)
                self._alone = self._alone or passed
            finally:
                self._waiting -= 1
                # Those beside may have waited for this one only.
                self._changed.notify_all()
            return passed

    def go_out(self, *, alone: bool) -> None:
        """Leave what was passed with `go_in`. From any thread."""
        with self._changed:
            if alone:
                self._alone = False
            else:
                self._beside -= 1
            if not self._beside:
                self._changed.notify_all()

    def is_taken(self) -> bool:
        """Say whether somebody is inside alone, or waits for that. A glance: it may be over a moment later."""
        return self._alone or self._waiting > 0

    def wake(self) -> None:
        """Let all who wait ask their `unless`."""
        with self._changed:
            self._changed.notify_all()

    def _is_inside(self) -> bool:
        return getattr(self._inside, "now", False)

    def _wait(self, free: Callable[[], bool], unless: Callable[[], bool] | None) -> bool:
        """Wait, the condition held, until the gate is free (true) or `unless` says yes (false)."""
        while True:
            if unless is not None and unless():
                return False
            if free():
                return True
            self._changed.wait()
