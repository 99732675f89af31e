"""Handlers of a module, as other processes can import them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from flowable.external_worker_client import BpmnError, ExternalWorkerAcquireJobResponse, WorkerResultBuilder
from flowable.external_worker_client.worker_result import WorkResult


def double(x: int) -> dict[str, int]:
    """Return twice a number."""
    return {"y": 2 * x}


def whoami(x: int) -> dict[str, int]:
    """Return the process."""
    return {"pid": os.getpid()}


class PickyError(Exception):
    """An exception that can be written and not read."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


class MuteError(Exception):
    """An exception without a text."""

    def __str__(self) -> str:
        """Refuse."""
        raise RuntimeError


def hang() -> None:
    """Never end."""
    while True:
        time.sleep(60)


def kill() -> None:
    """Be killed, as for want of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


RAISED = {
    "raise": ValueError("not a customer"),
    "picky": PickyError("this", "that"),
    "mute": MuteError(threading.Lock()),
    "bpmn": BpmnError("refused", reason="because"),
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
}
RETURNED = {"lock": {"lock": threading.Lock()}, "big": {"text": "x" * 1_000_000}, "nothing": None}
DONE = {"kill": kill, "_exit": lambda: os._exit(7), "hang": hang}


def behave(how: str) -> Any:
    """Behave in many ways."""
    if how in RAISED:
        raise RAISED[how]
    if how in DONE:
        DONE[how]()
    return RETURNED.get(how, {"pid": os.getpid(), "how": how})


def as_before(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
    """Be a handler in the form of version 1."""
    return result.success().variable_string("id", job.id).variable_int("pid", os.getpid())


def meet(folder: str, name: str, others: int) -> dict[str, int]:
    """Leave a note, and wait until so many others have."""
    (Path(folder) / f"{name}-{os.getpid()}").touch()
    deadline = time.monotonic() + 20
    while len(list(Path(folder).iterdir())) < others:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return {"pid": os.getpid()}


def hold(folder: str) -> dict[str, int]:
    """Note the process, and wait until there is a file called `go`."""
    (Path(folder) / f"pid-{os.getpid()}").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.01)
    return {"pid": os.getpid()}


def options_of_others(fn: int, key: str, workers: int, timeout: str) -> dict[str, Any]:
    """Have parameters that are options of executors."""
    return {"seen": [fn, key, workers, timeout], "pid": os.getpid()}


def end_a_program(command: list[str]) -> int:
    """Start a program, end it, and return how it ended."""
    with subprocess.Popen(command) as program:
        program.terminate()
        return program.wait(20)
