"""The embedded engine over HTTP, with so many waiting jobs, until its input ends: `python serving.py JOBS`.

Prints `{"url": …}` when it is up. Connections are not closed after 100 requests.
"""

from __future__ import annotations

import json
import sys

from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, Process, Task


def main() -> None:
    """Serve."""
    engine = EmbeddedEngine(Process("bench", Task("work", "bench-0")), keep_events=100)
    for _ in range(int(sys.argv[1])):
        engine.start("bench")
    auth = ("rest-admin", "test")
    with EmbeddedServer(engine, auth=auth, requests_per_connection=None) as server:
        sys.stdout.write(json.dumps({"url": server.url}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
