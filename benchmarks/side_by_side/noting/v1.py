"""The same program as `ours.py` with version 1.0.2, with its defaults: `python noting/v1.py URL GROUPS`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import ExternalWorkerClient

APART = 0.2  # seconds, between the beginnings of two clients


def note(topic: str, instance: str | None) -> None:
    """Write one line, in one piece."""
    sys.stdout.write(f"{time.time():.6f} {topic} {instance}\n")
    sys.stdout.flush()


def callback(topic: str) -> Callable[[Any, Any], Any]:
    """Return a handler."""

    def handle(job: Any, result: Any) -> Any:  # noqa: ANN401 - version 1 has no types that say more
        note(topic, job.process_instance_id)
        return result.success()

    return handle


def main() -> None:
    """Work until the input ends."""
    for topics in json.loads(sys.argv[2]):
        client = ExternalWorkerClient(sys.argv[1], auth=HTTPBasicAuth("rest-admin", "test"))
        for topic in topics:
            client.subscribe(topic, callback(topic))
        time.sleep(APART)
    note("ready", None)
    sys.stdin.read()
    # Its threads sleep for 30 seconds, and cannot be woken.
    os._exit(0)


if __name__ == "__main__":
    main()
