"""The connections of a pool that are open and not in use.

The engine closes a connection after 60 seconds without a request, and tells nobody before. A request that is sent at
that moment gets no answer, and nobody can tell whether it was carried out. So a connection that was idle for nearly as
long is never used again: it is closed here. Then the engine's end of it cannot come in the way of a request. A
connection that something else has closed (a gateway with less patience) is seen before it is used, as ever, but for the
moment in which the news of it is on the way: a request that meets that moment has failed, and is not sent again here.

What the engine says with an answer, that the connection ends with it (it does so with the 100th of a connection, and
with every 400, 408 and 500), is heeded where the answer is read.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable
from typing import Any

#: Seconds without a request after which a connection is not used any more. The engine closes it after 60.
LONGEST_IDLE = 50.0

#: How much of the time that a server announces (`Keep-Alive: timeout=…`) is relied on.
SHARE = 5 / 6


def longest_idle(announced: float | None) -> float:
    """Return how many seconds a connection may be idle before it is used again.

    Args:
        announced: For how many the server says that it keeps it. `None`: it does not say.
    """
    return LONGEST_IDLE if announced is None else min(LONGEST_IDLE, announced * SHARE)


class IdleConnections(queue.LifoQueue[Any]):
    """What urllib3 keeps the connections of a pool in: the one that was used last comes out first.

    There are as many places as the pool may have connections. `None` stands for one that is still to be made, and comes
    out only when there is no connection: so no more are made than there are requests at a time.

    Args:
        maxsize: Number of places.
        clock: Returns seconds.

    Attributes:
        limit: Seconds for which a connection may be idle.
    """

    def __init__(self, maxsize: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.limit = LONGEST_IDLE
        super().__init__(maxsize)

    def take(self) -> Any:  # noqa: ANN401 - a connection, of whatever class
        """Return the connection that was used last, or `None`, at once."""
        with self.mutex:
            return self._idle.pop()[1] if self._idle else None

    def expired(self) -> list[Any]:
        """Take out the connections that were idle for too long, for somebody to close them."""
        if not self._idle:
            return []
        connections: list[Any] = []
        earliest = self._clock() - self.limit
        with self.mutex:
            while self._idle and self._idle[0][0] < earliest:
                connections.append(self._idle.popleft()[1])
                self._unmade += 1
        return connections

    def _init(self, maxsize: int) -> None:
        del maxsize
        self._idle: deque[tuple[float, Any]] = deque()
        self._unmade = 0

    def _qsize(self) -> int:
        return len(self._idle) + self._unmade

    def _put(self, item: Any) -> None:  # noqa: ANN401 - as above
        if item is None:
            self._unmade += 1
        else:
            self._idle.append((self._clock(), item))

    def _get(self) -> Any:  # noqa: ANN401 - as above
        if self._idle:
            return self._idle.pop()[1]
        self._unmade -= 1
        return None
