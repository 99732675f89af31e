"""Pools of connections that can be interrupted, do not get too old, and carry usual requests at little cost.

A request that is nothing special costs the most when it is done in general. So there is a second way to send one
(`exchange`): on a connection that is open already, as one piece of bytes, with an answer that is read by `heads`. As
soon as anything about it is not usual, the first way goes on from there (`replay`): it is urllib3 that makes
connections, and that says what went wrong.
"""

from __future__ import annotations

import functools
import socket
import ssl
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import urllib3
import urllib3.connection
from urllib3.util.connection import is_connection_dropped

from flowable.external_worker_client.rest.heads import Answer, Unusual, read_answer
from flowable.external_worker_client.rest.idle import IdleConnections, longest_idle
from flowable.external_worker_client.rest.replay import Replay
from flowable.external_worker_client.rest.transport import Response

_CONNECTIONS = (urllib3.connection.HTTPConnection, urllib3.connection.HTTPSConnection)
_SOCKETS = (socket.socket, ssl.SSLSocket)
# Copying more than this costs more than sending it by itself.
_LARGE = 65_536  # bytes


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
            if isinstance(connected, Replay):
                connected = connected.real
            if isinstance(connected, socket.socket):
                # Not the method of a TLS socket, which would take the session from under the thread that reads.
                with suppress(OSError):
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)


class HandedOver(threading.local):
    """The connection, and its pool, on which the request that this thread sends next has been sent already.

    Attributes:
        pool: The pool. `None`: the next request is to be sent.
        connection: The connection. `None`: there is none, or it was taken.
    """

    pool: Any = None
    connection: Any = None


if TYPE_CHECKING:
    _Pool = urllib3.HTTPConnectionPool
else:
    _Pool = object


class Kept(_Pool):
    """What the pools of an adapter have beside what is urllib3's, whatever it is.

    They make the connections that urllib3 makes at that moment: recorders of requests put others in their place.
    """

    connections: Connections
    clock: Callable[[], float]
    handed_over: HandedOver

    def exchange(self, head: bytes, body: bytes | None, timeout: tuple[float, float]) -> Response | None:
        """Send a request on a connection that is open, and read the answer.

        Args:
            head: The head of the request.
            body: Its body, or `None`.
            timeout: Seconds to connect, which it has done, and to wait: for the answer, or until what is sent fits in.

        Returns:
            The answer. `None`: there was no open connection, or something is unusual, and the request is handed over.
        """
        idle = self.pool
        if not isinstance(idle, IdleConnections) or self.block:
            return None
        self._close_expired()
        connection = idle.take()
        if connection is None:
            return None
        if not _usual(connection):
            self._put_conn(connection)
            return None
        kept = False
        try:
            self._validate_conn(connection)
            self.num_requests += 1
            outcome = _exchange(connection, head, body, timeout[1])
            if isinstance(outcome, Replay):
                connection.sock = outcome
                self.handed_over.pool = self
                self.handed_over.connection = connection
                kept = True
                return None
            kept = not outcome.closes
        finally:
            if not kept:
                connection.close()
                self._put_conn(None)
        if outcome.timeout is not None:
            idle.limit = longest_idle(outcome.timeout)
        if kept:
            self._put_conn(connection)
        return outcome.response

    def _new_conn(self) -> Any:  # noqa: ANN401 - whatever makes connections now
        connection = super()._new_conn()
        self.connections.add(connection)
        return connection

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - as above
        connection = self.handed_over.connection
        if connection is not None:
            self.handed_over.connection = None
            return connection
        self._close_expired()
        return super()._get_conn(timeout)

    def _put_conn(self, conn: Any) -> None:  # noqa: ANN401 - as above
        sock = getattr(conn, "sock", None)
        if type(sock) is Replay:
            conn.sock = sock.real
        super()._put_conn(conn)
        self._close_expired()

    def _close_expired(self) -> None:
        idle = self.pool
        if isinstance(idle, IdleConnections):
            for connection in idle.expired():
                connection.close()


def kept(
    pool: type[urllib3.HTTPConnectionPool],
    connections: Connections,
    clock: Callable[[], float],
    handed_over: HandedOver,
) -> type[urllib3.HTTPConnectionPool]:
    """Return a class of pools made from another one. It has the same name, which stands in the texts of errors.

    Args:
        pool: The class.
        connections: Where its pools note the connections that they make.
        clock: Returns seconds; what the age of idle connections is measured by.
        handed_over: Where requests are handed over that it has sent.
    """
    if issubclass(pool, Kept):
        return pool
    own = {
        "QueueCls": staticmethod(functools.partial(IdleConnections, clock=clock)),
        "connections": connections,
        "clock": staticmethod(clock),
        "handed_over": handed_over,
    }
    return type(pool.__name__, (Kept, pool), own)


def _usual(connection: Any) -> bool:  # noqa: ANN401 - of urllib3
    return (
        type(connection) in _CONNECTIONS
        and type(connection.sock) in _SOCKETS
        and not is_connection_dropped(connection)
        # How people have http.client print what it does, and speak another version of HTTP.
        and not connection.debuglevel
        and (connection._http_vsn, connection._http_vsn_str) == (11, "HTTP/1.1")  # noqa: SLF001 - there is no other place
    )


def _exchange(connection: Any, head: bytes, body: bytes | None, timeout: float) -> Answer | Replay:  # noqa: ANN401 - as above
    sock: socket.socket = connection.sock
    if body is not None and len(body) <= _LARGE:
        head += body
        body = None
    try:
        # For sending too, as urllib3 has it on a connection that was used before. Setting it lets other threads run,
        # which costs more than the request.
        if sock.gettimeout() != timeout:
            sock.settimeout(timeout)
        sys.audit("http.client.send", connection, head)
        sock.sendall(head)
        if body is not None:
            sys.audit("http.client.send", connection, body)
            sock.sendall(body)
    except OSError as failure:
        return Replay(sock, unsent=failure)
    received: list[bytes] = []
    try:
        return read_answer(sock.recv, received)
    except Unusual:
        return Replay(sock, b"".join(received))
    except OSError as failure:
        return Replay(sock, b"".join(received), unread=failure)
