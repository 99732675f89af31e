"""What servers on loopback sockets have in common: taking connections in, and ending them all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress

DEADLINE = 10.0  # seconds, for a thread to end


def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Return the connections that are made, until the listener is ended."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        yield connection


def hang_up(connections: Iterable[socket.socket]) -> None:
    """End connections in both directions: whoever reads from one learns it. They are not closed yet."""
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def end(listener: socket.socket, connections: Iterable[socket.socket], threads: Iterable[threading.Thread]) -> None:
    """End a server: its listener, its connections, and the threads that serve them."""
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    hang_up(connections)
    for thread in threads:
        thread.join(DEADLINE)
    for connection in connections:
        connection.close()
