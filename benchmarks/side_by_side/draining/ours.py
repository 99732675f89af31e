"""A program with this library that drains a topic. What the programs print: see `programs.py`.

    python ours.py --url URL --topics TOPIC[,TOPIC] --variant VARIANT [--concurrency N] [--sleep-ms T] [--report N]

The variants are those of `variants.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import inspect
import itertools
import json
import logging
import resource
import sys
import threading
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
PAUSE = 0.01  # seconds, of the bare loop when there is nothing


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


class Bare:
    """What is left of a client without everything that this library is for: requests by pyreqwest, and nothing else.

    It loses what it is not answered, and knows no lock, no variables and no pause that grows; a thread ends when
    anything fails. No client in Python that uses pyreqwest from threads can cost much less.

    Args:
        url: Of the engine.
        topic: Which.
        handlers: Whose function without arguments is called for each job.
        threads: How many acquire and complete beside each other.
    """

    def __init__(self, url: str, topic: str, handlers: Handlers, threads: int) -> None:
        from pyreqwest.client import SyncClientBuilder  # noqa: PLC0415 - an extra, for this variant alone
        from pyreqwest.http import HeaderMap  # noqa: PLC0415

        self._client = SyncClientBuilder().http1_only().build()
        credentials = base64.b64encode(b"rest-admin:test").decode()
        self._headers = HeaderMap({"Authorization": f"Basic {credentials}", "Content-Type": "application/json"})
        self._jobs = f"{url}/external-job-api/acquire/jobs"
        self._handlers = handlers
        self._over = threading.Event()
        asked = {"topic": topic, "lockDuration": "PT1M", "numberOfTasks": TASKS, "numberOfRetries": 5}
        for number in range(threads):
            owner = {"workerId": f"bare-{number}"}
            bodies = (json.dumps({**asked, **owner}).encode(), json.dumps(owner).encode())
            threading.Thread(target=self._work, args=bodies, daemon=True).start()

    def stop(self) -> None:
        """Ask for no more."""
        self._over.set()

    def _work(self, asked: bytes, completed: bytes) -> None:
        while not self._over.is_set():
            jobs = json.loads(self._post(self._jobs, asked))
            for job in jobs:
                self._handlers.typed()
                self._post(f"{self._jobs}/{job['id']}/complete", completed)
            if not jobs:
                self._over.wait(PAUSE)

    def _post(self, url: str, body: bytes) -> bytes:
        answer = self._client.request("POST", url).headers(self._headers).body_bytes(body).build().send()
        if answer.status not in {200, 204}:
            sys.exit(f"{url}: {answer.status}")
        return bytes(answer.bytes())


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
        if options.variant == "bare":
            before = cpu()
            say("begin", at=time.time(), rss_mb=memory("VmRSS"))
            stack.callback(Bare(options.url, options.topics, handlers, options.concurrency).stop)
            sys.stdin.readline()
            say_end(handlers, before)
            return
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
        say_end(handlers, before)


def say_end(handlers: Handlers, before: float) -> None:
    """Say what was done, and what it took. `before`: the processor time when it began."""
    say("end", jobs=handlers.called, cpu_seconds=cpu() - before, rss_mb=memory("VmRSS"), peak_mb=memory("VmHWM"))


if __name__ == "__main__":
    main()
