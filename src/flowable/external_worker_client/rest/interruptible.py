"""An adapter for `requests.Session` whose requests can be ended from another thread.

A read that waits for an answer cannot be told to give up. A worker that is to stop must not be held up by an engine
that does not answer, so the socket is shut down under it: the read ends then, with an error like that of a lost
connection.
"""

from __future__ import annotations

import socket
import threading
import weakref
from contextlib import suppress
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager


class Connections:
    """The connections of an adapter, open or not."""

    def __init__(self) -> None:
        self._made: weakref.WeakSet[Any] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, connection: object) -> None:
        """Note a connection that was just made."""
        with self._lock:
            self._made.add(connection)

    def interrupt(self) -> None:
        """Shut down those that are open: whoever waits for an answer sees the connection closed.

        New requests make new connections.
        """
        with self._lock:
            connections = list(self._made)
        for connection in connections:
            connected: object = getattr(connection, "sock", None)
            if isinstance(connected, socket.socket):
                # Not the method of a TLS socket, which would take the session from under the thread that reads.
                with suppress(OSError):
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)


class InterruptibleAdapter(HTTPAdapter):
    """The adapter of requests, with `connections.interrupt()`. Takes its arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - those of the adapter of requests
        self.connections = Connections()
        super().__init__(*args, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as above
        """See `HTTPAdapter`."""
        super().init_poolmanager(*args, **kwargs)
        _note_connections(self.poolmanager, self.connections)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> PoolManager:  # noqa: ANN401 - as above
        """See `HTTPAdapter`."""
        manager: PoolManager = super().proxy_manager_for(*args, **kwargs)
        _note_connections(manager, self.connections)
        return manager


def _note_connections(manager: PoolManager, connections: Connections) -> None:
    """Let the pools of a manager note the connections that they make.

    They make those that urllib3 makes at that moment, because recorders of requests put others in their place. And they
    have the names of those of urllib3, which stand in the texts of errors.
    """

    class HTTPConnectionPool(urllib3.HTTPConnectionPool):
        def _new_conn(self) -> Any:  # noqa: ANN401 - whatever makes connections now
            connection = super()._new_conn()
            connections.add(connection)
            return connection

    class HTTPSConnectionPool(urllib3.HTTPSConnectionPool):
        def _new_conn(self) -> Any:  # noqa: ANN401 - as above
            connection = super()._new_conn()
            connections.add(connection)
            return connection

    pools: Any = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
    manager.pool_classes_by_scheme = pools
