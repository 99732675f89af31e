"""The worker of the storms, a program of its own: notes every start of its handler, works a little, returns a variable.

It does what the program of a person does, and nothing to help the library. What it notes is read by `ledger`.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import random
import signal
import threading
import time
from datetime import UTC
from typing import TYPE_CHECKING

from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import ExternalWorkerClient

if TYPE_CHECKING:
    from flowable.external_worker_client import ExternalWorkerAcquireJobResponse, WorkerResultBuilder, WorkResult

LEAST_WORK, MOST_WORK = 0.005, 0.02  # seconds that a handler takes
LOOK_AGAIN = 0.01  # seconds


class Notes:
    """The ledger that all workers of a storm write to.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, *words: object) -> None:
        """Append one line, in one piece: a worker that is killed leaves it whole, or out."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class Work:
    """The handler.

    Args:
        notes: Where it notes what it does.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._runs = itertools.count(1)

    def __call__(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        """Work on a job; the variable tells which run of which process it was."""
        run = f"{os.getpid()}.{next(self._runs)}"
        lock_until = job.lock_expiration_time.replace(tzinfo=UTC).timestamp() if job.lock_expiration_time else 0.0
        facts = (job.process_instance_id, job.id, job.correlation_id, os.getpid(), run, job.retries)
        self._notes.write("start", *facts, f"{lock_until:.3f}", f"{time.time():.6f}")
        time.sleep(random.uniform(LEAST_WORK, MOST_WORK))  # noqa: S311  # not a secret
        self._notes.write("end", run, f"{time.time():.6f}")
        return result.success().variable_string("handled", run)


def end_with_the_test() -> None:
    """End at once when the test does, however that ends: it alone holds the other side of standard input."""
    os.read(0, 1)
    os._exit(3)


def tell_when_signals_are_handled(notes: Notes) -> None:
    """Note when a signal is no longer the end of the program: `run_until_stopped` does not come back to tell."""
    while signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        time.sleep(LOOK_AGAIN)
    notes.write("ready", os.getpid(), f"{time.time():.6f}")


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", help="its URL, or that of something before it")
    parser.add_argument("topic")
    parser.add_argument("ledger", help="the file to append to")
    parser.add_argument("--journal", metavar="FILE")
    parser.add_argument("--lock", default="PT1M")
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--tasks", type=int, default=8, help="most jobs of one acquire")
    parser.add_argument("--grace", type=float, default=20.0, metavar="SECONDS")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(threadName)s %(message)s")
    # It warns, with a trace, of an answer that is cut in its headers, and takes it as it is. Here that is on purpose.
    logging.getLogger("urllib3").setLevel(logging.ERROR)

    notes = Notes(options.ledger)
    client = ExternalWorkerClient(options.engine, auth=HTTPBasicAuth("rest-admin", "test"), journal=options.journal)
    client.subscribe(
        options.topic,
        Work(notes),
        lock_duration=options.lock,
        concurrency=options.concurrency,
        number_of_tasks=options.tasks,
        # With the pause that people have by default, most of the time would be waiting for the end.
        wait_period_seconds=0.5,
    )
    threading.Thread(target=end_with_the_test, daemon=True).start()
    threading.Thread(target=tell_when_signals_are_handled, args=(notes,), daemon=True).start()
    client.run_until_stopped(grace=options.grace)


if __name__ == "__main__":
    main()
