"""Programs that note when their handlers are called, and the processes that give them something to do.

Times are seconds since 1970, of the clock of this machine, which the engine reads as well.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from side_by_side.places import BenchmarkError, end

READY = 60.0  # seconds, for a program to be at work
ENDS = 15.0  # seconds, for it to end


@dataclass(frozen=True, slots=True)
class Note:
    """A handler was called."""

    at: float
    topic: str
    instance: str


class Noting:
    """One of the programs of `noting/`, at work inside of the `with` block.

    Args:
        command: What runs the program, up to what it takes before the groups of topics.
        groups: Topics. Each group gets a client of its own.
    """

    def __init__(self, command: Sequence[str], groups: Sequence[Sequence[str]]) -> None:
        self._command = [*command, json.dumps([list(group) for group in groups])]
        self._changed = threading.Condition()
        self._notes: dict[str, list[Note]] = {}
        self._ready = self._ended = False
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended, READY)
        if not self._ready:
            self.__exit__()
            raise BenchmarkError(f"{' '.join(self._command[:3])} … has ended, or is not at work after {READY:g} s")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is None or self._reader is None:
            return
        end(self._process, ENDS)
        self._reader.join(ENDS)

    def _read(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        with process.stdout as lines:
            self._remember(lines)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _remember(self, lines: Iterable[str]) -> None:
        for line in lines:
            at, topic, instance = line.split()
            with self._changed:
                self._ready = True
                self._notes.setdefault(instance, []).append(Note(float(at), topic, instance))
                self._changed.notify_all()

    def wait_for(self, instance: str, calls: int, deadline: float) -> list[Note]:
        """Wait until so many handlers were called for a process instance, and return what was noted.

        Args:
            instance: Id of the process instance.
            calls: How many.
            deadline: How long to wait, in seconds.

        Raises:
            BenchmarkError: It took longer, or the program ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._notes.get(instance, ())) >= calls, deadline)
            found = list(self._notes.get(instance, ()))
        if len(found) < calls:
            raise BenchmarkError(
                f"{len(found)} of {calls} handlers called in {deadline:g} s, or until the program ended"
            )
        return found


def model(key: str, topics: Sequence[str]) -> str:
    """Return a process of external worker tasks in a row, otherwise as a modeller leaves them."""
    names = ["start", *(f"task{number}" for number in range(1, len(topics) + 1)), "end"]
    flows = "".join(
        f'<sequenceFlow id="flow{number}" sourceRef="{names[number]}" targetRef="{names[number + 1]}"/>'
        for number in range(len(names) - 1)
    )
    tasks = "".join(
        f'<serviceTask id="{name}" flowable:type="external-worker" flowable:topic="{topic}"/>'
        for name, topic in zip(names[1:-1], topics, strict=True)
    )
    return (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:flowable="http://flowable.org/bpmn" '
        f'targetNamespace="https://example.org/benchmarks"><process id="{key}" isExecutable="true">'
        f'<startEvent id="start"/>{tasks}<endEvent id="end"/>{flows}</process></definitions>'
    )


def now() -> float:
    """Return the time that notes are compared with."""
    return time.time()
