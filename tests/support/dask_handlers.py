"""Handlers that run on workers of a Dask cluster: in a module that those can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from distributed import Worker

from flowable.external_worker_client import BpmnError

ROUND = 0.02  # seconds between two looks
PATIENCE = 20.0  # seconds


def square(number: int) -> int:
    """Compute something."""
    return number * number


def where(number: int) -> dict[str, int]:
    """Tell where it runs, after a moment in which others can start too."""
    time.sleep(0.2)
    return {"process": os.getpid(), "twice": 2 * number}


def note(notes: str) -> str:
    """Leave a line in a file: so many lines, so many runs."""
    with Path(notes).open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    return "noted"


def swallowed(key: int, priority: int, workers: int, pure: bool, retries: int) -> int:
    """Have variables with the names of Dask's own arguments."""
    return key + priority + workers + pure + retries


def refuse(number: int) -> None:
    """Raise what says how the job ends."""
    raise BpmnError("refused", number=number)


def stumble(number: int) -> None:
    """Raise what says nothing."""
    raise ValueError(f"{number} is no good")


def wait_for(path: str, notes: str) -> str:
    """Note the process, and take as long as a file is not there."""
    note(notes)
    # Not for ever: it cannot be ended, and a test that failed must not take the cluster from the others.
    end = time.monotonic() + PATIENCE
    while not Path(path).exists() and time.monotonic() < end:
        time.sleep(ROUND)
    return f"seen by {os.getpid()}"


def not_begun(dask_worker: Worker) -> int:
    """Return how many tasks wait on a worker of the cluster; run there by `Client.run`."""
    return len(dask_worker.state.ready)


def die_once(notes: str) -> str:
    """Kill the process that it runs in, the first time."""
    first = not Path(notes).exists()
    note(notes)
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"
