"""A program with version 1.0.2 that drains a topic, as `ours.py` does with this library.

python v1.py --url URL --topics TOPIC --tasks N [--sleep-ms T] [--report N]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import ExternalWorkerClient


def say(event: str, **figures: float) -> None:
    """Write one line, in one piece."""
    sys.stdout.write(json.dumps({"event": event, **figures}) + "\n")
    sys.stdout.flush()


def cpu() -> float:
    """Return the seconds of processor time of this process and of its children."""
    used = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def memory(name: str) -> float:
    """Return `VmRSS` or `VmHWM` of this process, in MB; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


def main() -> None:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--topics", required=True, help="with commas between them")
    parser.add_argument("--tasks", type=int, default=1, help="in one acquire")
    parser.add_argument("--sleep-ms", type=float, default=0)
    parser.add_argument("--report", type=int, default=1, help="say how many were called after each so many calls")
    options = parser.parse_args()
    calls = 0

    def handler(_job: Any, result: Any) -> Any:  # noqa: ANN401 - version 1 has no types that say more
        if options.sleep_ms:
            time.sleep(options.sleep_ms / 1000)
        nonlocal calls  # of one thread for each topic: good enough to count by
        calls += 1
        if calls % options.report == 0:
            say("called", jobs=calls)
        return result.success()

    client = ExternalWorkerClient(options.url, auth=HTTPBasicAuth("rest-admin", "test"))
    before = cpu()
    say("begin", at=time.time(), rss_mb=memory("VmRSS"))
    for topic in options.topics.split(","):
        # Nothing else is given that has a default: that is how it is used.
        client.subscribe(topic, handler, **({} if options.tasks == 1 else {"number_of_tasks": options.tasks}))
    sys.stdin.readline()
    say("end", jobs=calls, cpu_seconds=cpu() - before, rss_mb=memory("VmRSS"), peak_mb=memory("VmHWM"))
    # Its thread sleeps for 30 seconds, and cannot be woken.
    os._exit(0)


if __name__ == "__main__":
    main()
