"""The programs of `draining/`, which work until they are told to stop, and what they spent on it.

They print a line of JSON when they begin, again after so many calls of a handler as they were asked, and at the end:
`{"event": "begin", "at": …, "rss_mb": …}`, `{"event": "called", "jobs": …}`, `{"event": "end", "jobs": …,
"cpu_seconds": …, "rss_mb": …, "peak_mb": …}`. A line on their input tells them to stop.
"""

from __future__ import annotations

import functools
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from side_by_side.places import BenchmarkError, end

ENDS = 20.0  # seconds, for a program that was told to stop
BEGINS = 60.0  # seconds
STALLS = 30.0  # seconds without a call of a handler


class MissingVariantError(BenchmarkError):
    """This library, as it is installed, does not have what a variant measures."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a program took.

    Attributes:
        jobs: How often a handler was called.
        cpu_seconds: Of the processor, from the moment it subscribed; imports are not counted.
        before_mb: Memory when it subscribed.
        after_mb: Memory at the end.
        peak_mb: The most that it ever had.
    """

    jobs: int
    cpu_seconds: float
    before_mb: float
    after_mb: float
    peak_mb: float


class Program:
    """One of the programs, at work inside of the `with` block.

    Args:
        command: What runs it.
        report: After so many calls of a handler it tells.

    Attributes:
        pid: Its process.
        began: When it subscribed, in seconds since 1970.
    """

    def __init__(self, command: Sequence[str], report: int) -> None:
        self._command = [*command, "--report", str(report)]
        self._changed = threading.Condition()
        self._said: dict[str, dict[str, Any]] = {}
        self._process: subprocess.Popen[str] | None = None
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        self.pid = 0
        self.began = 0.0

    def __enter__(self) -> Self:
        process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self._process, self.pid = process, process.pid
        threading.Thread(target=self._read, args=(process,), daemon=True).start()
        try:
            self.began = self._wait_for("begin", BEGINS)["at"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is None:
            return
        end(self._process, ENDS)
        self._errors.close()

    @property
    def called(self) -> int:
        """How many handlers were called, as far as it has told."""
        with self._changed:
            return self._calls()

    def _goes_on(self, calls: int) -> bool:
        return self._calls() > calls or "ended" in self._said

    def _calls(self) -> int:
        return int(self._said.get("called", {}).get("jobs", 0))

    def wait_called(self, jobs: int, deadline: float) -> None:
        """Wait until it has told of so many calls.

        Args:
            jobs: How many.
            deadline: How long to wait, in seconds.

        Raises:
            BenchmarkError: It ended, or took longer, or nothing happened for half a minute.
        """
        ends = time.monotonic() + deadline
        while (before := self.called) < jobs:
            with self._changed:
                left = min(STALLS, ends - time.monotonic())
                self._changed.wait_for(functools.partial(self._goes_on, before), left)
            if self.called == before:
                raise BenchmarkError(f"{before} of {jobs} handlers called, and then none. {self.complaint()}")

    def stop(self) -> Spent:
        """Tell it to stop, and return what it took.

        Raises:
            BenchmarkError: It does not answer.
        """
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write("stop\n")
            self._process.stdin.flush()
        told = self._wait_for("end", ENDS)
        return Spent(told["jobs"], told["cpu_seconds"], self._said["begin"]["rss_mb"], told["rss_mb"], told["peak_mb"])

    def _wait_for(self, event: str, deadline: float) -> dict[str, Any]:
        with self._changed:
            self._changed.wait_for(lambda: event in self._said or "ended" in self._said, deadline)
            found = self._said.get(event)
        if found is None:
            complaint = self.complaint()
            kind = MissingVariantError if "not there yet" in complaint else BenchmarkError
            raise kind(f"{' '.join(self._command[:2])} did not say {event!r}. {complaint}")
        return found

    def complaint(self) -> str:
        """Return the end of what it wrote about trouble."""
        self._errors.seek(0)
        return self._errors.read()[-1500:].strip()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            said = json.loads(line)
            with self._changed:
                self._said[said["event"]] = said
                self._changed.notify_all()
        with self._changed:
            self._said["ended"] = {}
            self._changed.notify_all()
