"""Servers on loopback sockets that answer by a script, and ports where nobody is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Wire:
    """A server that answers each connection's requests by a script, and keeps what it read."""

    def __init__(self, *script: bytes | None) -> None:
        self._script = iter(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.port: int = self._listener.getsockname()[1]
        self.received: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with closing(self._listener):
            for answer in self._script:
                self._answer(answer)

    def _answer(self, answer: bytes | None) -> None:
        connection, _ = self._listener.accept()
        with closing(connection):
            connection.settimeout(10)
            self.received.append(self._read(connection))
            if answer is None:
                # Reset, not closed: unread bytes and a linger of zero.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            else:
                connection.sendall(answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65_536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += connection.recv(65_536)
        return head + b"\r\n\r\n" + body

    def finish(self) -> None:
        """Wait until the script is over."""
        self._thread.join(10)
        assert not self._thread.is_alive()


@contextmanager
def wire(*script: bytes | None) -> Iterator[Wire]:
    """Serve, and wait at the end until the script is over."""
    made = Wire(*script)
    try:
        yield made
    finally:
        made.finish()


def free_port() -> int:
    """Return a port where nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port
