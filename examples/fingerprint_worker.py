"""Work on an executor of one's own. The worker for `models/fingerprint.bpmn20.xml`.

    python examples/fingerprint_worker.py
    python examples/start.py fingerprint 6

`executor=` takes anything that is a `concurrent.futures.Executor`. Reasons for one: it is there already and shared with
other parts of the program, it prepares its processes by an `initializer`, it replaces them now and then. Whoever
opened it closes it, when the worker has ended.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor

from flowable.external_worker_client import Worker

ROUNDS = 1000

logger = logging.getLogger(__name__)


def prepare() -> None:
    """Run once in each process: load a model, open a file, seed a generator."""
    # Ctrl-C reaches all processes of a terminal. What it means is for the worker to decide, which finishes its jobs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO)
    logger.info("process %d is ready", os.getpid())


def fingerprint_text(text: str) -> dict[str, object]:
    """Compute something that takes a while."""
    return {"fingerprint": hashlib.pbkdf2_hmac("sha256", text.encode(), b"pepper", ROUNDS).hex(), "rounds": ROUNDS}


def main() -> None:
    """Work until told to stop."""
    # "spawn": a program with threads cannot be forked. A process that leaks is replaced after a hundred jobs.
    pool = ProcessPoolExecutor(
        2, mp_context=multiprocessing.get_context("spawn"), initializer=prepare, max_tasks_per_child=100
    )
    with pool:
        worker = Worker()
        # concurrency: how many jobs are on the executor at once. As many as it has processes, or a few more.
        worker.job("fingerprintText", executor=pool, concurrency=3)(fingerprint_text)
        worker.run(grace="25s")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    main()
