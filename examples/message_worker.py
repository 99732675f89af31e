"""Middleware: what stands around handlers. The worker for `models/message.bpmn20.xml`.

    python examples/message_worker.py
    python examples/start.py message 20

It sends text messages through a provider that bears 20 a second, is down at times, and charges for each. What was
sent is remembered in an SQLite file, `SENT` in the environment or `sent.db`.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing

from flowable.external_worker_client import Call, CallNext, Worker, circuit_breaker, idempotent, rate_limit
from flowable.external_worker_client.worker_result import Executable


def logged(call: Call, call_next: CallNext) -> Executable:
    """Log what a handler got and how long it took. A middleware is a function of the call and of what comes next."""
    began = time.perf_counter()
    try:
        return call_next(call)
    finally:
        milliseconds = 1000 * (time.perf_counter() - began)
        call.context.logger.info("%s%s took %.0f ms", call.topic, call.arguments, milliseconds)


class Sent:
    """Remembers outcomes, by key. Workers on several machines would share a database server."""

    def __init__(self, path: str) -> None:
        self._path = path
        with closing(sqlite3.connect(path)) as database:
            database.execute("create table if not exists sent (key text primary key, outcome text)")

    def get(self, key: str) -> str | None:
        """Return what was kept."""
        with closing(sqlite3.connect(self._path)) as database:
            found = database.execute("select outcome from sent where key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def put(self, key: str, outcome: str) -> None:
        """Keep an outcome."""
        with closing(sqlite3.connect(self._path)) as database, database:
            database.execute("insert or replace into sent values (?, ?)", (key, outcome))


def provider(number: str, text: str) -> str:
    """Stand in for the provider."""
    if number == "down":
        raise ConnectionError("the provider is down")
    return f"{number}: {len(text)} characters"


worker = Worker(middleware=[logged])


@worker.job(
    "sendText",
    result="receipt",
    middleware=[
        # The first is the outermost. These two keep the worker from acquiring: what it leaves, others can have.
        rate_limit(20, per="1s"),
        circuit_breaker(failures=3, pause="5s"),
        # A message that was sent is not sent again when its job comes a second time. The key here is what it says, so
        # that nobody gets the same text twice; without `key`, it is the job's correlation id.
        idempotent(
            Sent(os.environ.get("SENT", "sent.db")),
            key=lambda call: f"{call.arguments['number']} {call.arguments['text']}",
        ),
    ],
)
def send_text(number: str, text: str) -> str:
    """Send a message."""
    return provider(number, text)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    worker.run(grace="25s")
