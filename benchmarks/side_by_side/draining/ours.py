"""A program with this library that drains a topic. What the programs print: see `programs.py`.

    python ours.py --url URL --topics TOPIC[,TOPIC] --variant VARIANT [--concurrency N] [--sleep-ms T] [--report N]

The variants are those of `variants.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import itertools
import json
import logging
import resource
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import (
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    Worker,
    WorkerResultBuilder,
    WorkResult,
)

TASKS = 20  # in one acquire
GRACE = 5  # seconds


def say(event: str, **figures: float) -> None:
    """Write one line, in one piece."""
    sys.stdout.write(json.dumps({"event": event, **figures}) + "\n")
    sys.stdout.flush()


def cpu() -> float:
    """Return the seconds of processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def memory(name: str) -> float:
    """Return `VmRSS` or `VmHWM` of this process, in MB; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


class Handlers:
    """The handlers, and how often they were called."""

    def __init__(self, sleep: float, report: int) -> None:
        self._sleep = sleep
        self._report = report
        self._calls = itertools.count(1)  # next() is atomic
        self.called = 0

    def _called(self) -> None:
        self.called = number = next(self._calls)
        if number % self._report == 0:
            say("called", jobs=number)

    def empty(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        """Do nothing."""
        del job
        self._called()
        return result.success()

    def waiting(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        """Wait."""
        del job
        time.sleep(self._sleep)
        self._called()
        return result.success()

    def typed(self) -> None:
        """Wait, or do nothing."""
        if self._sleep:
            time.sleep(self._sleep)
        self._called()

    async def coroutine(self) -> None:
        """Wait, or do nothing."""
        if self._sleep:
            await asyncio.sleep(self._sleep)
        self._called()

    @property
    def callback(self) -> Callable[[ExternalWorkerAcquireJobResponse, WorkerResultBuilder], WorkResult]:
        """The one for `subscribe`."""
        return self.waiting if self._sleep else self.empty


def transport(variant: str) -> dict[str, Any]:
    """Return what the client takes for a variant, beyond address and credentials.

    Raises:
        SystemExit: This library has no fast transport, or what it needs is not installed.
    """
    if not variant.startswith("fast"):
        return {}
    if "transport" not in inspect.signature(ExternalWorkerClient).parameters:
        sys.exit("not there yet: this library has no fast transport")
    return {"transport": "fast"}


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--topics", required=True, help="with commas between them")
    parser.add_argument("--variant", required=True)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--sleep-ms", type=float, default=0)
    parser.add_argument("--report", type=int, default=1, help="say how many were called after each so many calls")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    handlers = Handlers(options.sleep_ms / 1000, options.report)
    arguments: dict[str, Any] = {
        "default": {},
        "batched": {"number_of_tasks": TASKS},
        "concurrent": {"number_of_tasks": TASKS, "concurrency": options.concurrency},
        "fast": {"number_of_tasks": TASKS, "concurrency": options.concurrency},
        "fast-default": {},
    }
    with ExitStack() as stack:
        auth = HTTPBasicAuth("rest-admin", "test")
        client = ExternalWorkerClient(options.url, auth=auth, **transport(options.variant))
        stack.callback(client.close, GRACE)
        before = cpu()
        say("begin", at=time.time(), rss_mb=memory("VmRSS"))
        topics = options.topics.split(",")
        if options.variant in arguments:
            for topic in topics:
                client.subscribe(topic, handlers.callback, **arguments[options.variant])
        else:
            worker = Worker(client)
            for topic in topics:
                declare = worker.job(topic, concurrency=options.concurrency, number_of_tasks=TASKS)
                if options.variant == "async":
                    declare(handlers.coroutine)
                else:
                    declare(handlers.typed)
            stack.enter_context(worker.running(grace=GRACE))
        sys.stdin.readline()
        say("end", jobs=handlers.called, cpu_seconds=cpu() - before, rss_mb=memory("VmRSS"), peak_mb=memory("VmHWM"))


if __name__ == "__main__":
    main()
