"""A program with this library that notes when each of its handlers is called: time, topic and process instance.

    python noting/ours.py worker|subscribe URL GROUPS

`GROUPS` is JSON: a list of lists of topics. Each list has a worker of its own, as if it were a program of its own; so
what one of them finds does not make another one ask; and each begins while the others are quiet. Everything else is as
the library has it. Ends with its input.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import (
    Context,
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    Worker,
    WorkerResultBuilder,
    WorkResult,
)

APART = 0.2  # seconds, between the beginnings of two of them


def note(topic: str, instance: str | None) -> None:
    """Write one line, in one piece."""
    sys.stdout.write(f"{time.time():.6f} {topic} {instance}\n")
    sys.stdout.flush()


def typed(topic: str) -> Callable[[Context], None]:
    """Return a handler for a worker."""

    def handle(context: Context) -> None:
        note(topic, context.job.process_instance_id)

    return handle


def callback(topic: str) -> Callable[[ExternalWorkerAcquireJobResponse, WorkerResultBuilder], WorkResult]:
    """Return a handler in the form of version 1."""

    def handle(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        note(topic, job.process_instance_id)
        return result.success()

    return handle


def main() -> None:
    """Work until the input ends."""
    how, url, groups = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    with ExitStack() as stack:
        for topics in groups:
            client = ExternalWorkerClient(url, auth=HTTPBasicAuth("rest-admin", "test"))
            stack.callback(client.close, 2)
            if how == "worker":
                worker = Worker(client)
                for topic in topics:
                    worker.job(topic)(typed(topic))
                stack.enter_context(worker.running(grace=2))
            else:
                for topic in topics:
                    client.subscribe(topic, callback(topic))
            time.sleep(APART)
        note("ready", None)
        sys.stdin.read()


if __name__ == "__main__":
    main()
