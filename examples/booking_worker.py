"""What handlers share: opened before the first job, closed after the last. The worker for `models/booking.bpmn20.xml`.

    python examples/booking_worker.py
    python examples/start.py booking 6

Here it is a small pool of connections to an SQLite file, `BOOKINGS` in the environment or `bookings.db`. An `async def`
lifespan for an asyncio driver works the same way, with `@asynccontextmanager`.
"""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Annotated

from flowable.external_worker_client import BpmnError, Shared, Worker

CONNECTIONS = 4

logger = logging.getLogger(__name__)


class Pool:
    """Connections, each lent to one handler at a time."""

    def __init__(self) -> None:
        self._free = queue.SimpleQueue[sqlite3.Connection]()

    def add(self, connection: sqlite3.Connection) -> None:
        """Take a connection in."""
        self._free.put(connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection. What was done with it is committed at the end of the block, or rolled back."""
        connection = self._free.get()
        try:
            with connection:
                yield connection
        finally:
            self._free.put(connection)


@contextmanager
def lifespan() -> Iterator[Pool]:
    """Open the database and close it. What is yielded is what handlers get."""
    pool = Pool()
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            opened = sqlite3.connect(os.environ.get("BOOKINGS", "bookings.db"), check_same_thread=False)
            pool.add(stack.enter_context(closing(opened)))
        with pool.transaction() as connection:
            connection.execute("create table if not exists seats (seat text primary key, passenger text)")
        logger.info("the database is open")
        yield pool
    logger.info("the database is closed")


worker = Worker(lifespan=lifespan)


@worker.job("bookSeat", concurrency=CONNECTIONS)
def book_seat(seat: str, passenger: str, pool: Annotated[Pool, Shared]) -> dict[str, str]:
    """Book a seat. The key of the table decides who was first, and that the same job may come twice."""
    with pool.transaction() as connection:
        connection.execute("insert or ignore into seats values (?, ?)", (seat, passenger))
        (owner,) = connection.execute("select passenger from seats where seat = ?", (seat,)).fetchone()
    if owner != passenger:
        raise BpmnError("seatTaken", owner=owner)
    return {"ticket": f"{seat}/{passenger}"}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s")
    worker.run(grace="25s")
