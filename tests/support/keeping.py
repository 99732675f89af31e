"""A server on a loopback socket that keeps its connections open, as an engine does, and answers by a script."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tests.support.listening import accepted, end, hang_up

#: Steps of a reply, beside bytes to send: close or reset the connection; leave the request without more.
CLOSE, RESET, HANG = "close", "reset", "hang"

Reply = bytes | tuple[bytes | str, ...]

OK = b"HTTP/1.1 204 \r\nDate: Thu, 26 Nov 2026 11:00:00 GMT\r\n\r\n"


@dataclass(frozen=True)
class Received:
    """One request.

    Attributes:
        connection: Number of its connection, from 0.
        raw: What came, to the byte.
    """

    connection: int
    raw: bytes


class Keeping:
    """The server.

    Args:
        context: For TLS.

    Attributes:
        url: Its address.
        received: All requests.
        connections: How many connections there were.
        reply: What is answered to a request: a function of it, or a script that a test has set with `says`.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = "http" if context is None else "https"
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.received: list[Received] = []
        self.connections = 0
        self.reply: Callable[[Received], Reply] = lambda received: OK
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def says(self, replies: Iterable[Reply]) -> None:
        """Answer the next requests so; what comes behind them is answered with `OK`."""
        script = iter(replies)
        self.reply = lambda received: next(script, OK)

    def _accept(self) -> None:
        for connection in accepted(self._listener):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._threads.append(threading.Thread(target=self._serve, args=(connection, self.connections)))
            self.connections += 1
            self._open.append(connection)
            self._threads[-1].start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError, EOFError):
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            data = b""
            while True:
                raw, data = self._read(connection, data)
                received = Received(number, raw)
                with self._lock:
                    self.received.append(received)
                    reply = self.reply(received)
                for step in (reply,) if isinstance(reply, bytes) else reply:
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif step == HANG:
                        break
                    else:
                        if step == RESET:
                            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        connection.close()
                        return
        connection.close()

    @staticmethod
    def _read(connection: socket.socket, data: bytes) -> tuple[bytes, bytes]:
        def more() -> bytes:
            received = connection.recv(65_536)
            if not received:
                raise EOFError
            return received

        while b"\r\n\r\n" not in data:
            data += more()
        end = data.index(b"\r\n\r\n") + 4
        length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", data[:end])
        end += int(length[1]) if length else 0
        while len(data) < end:
            data += more()
        return data[:end], data[end:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def hang_up(self) -> None:
        """Close the connections that are open, as an engine does when they were idle for long."""
        hang_up(self._open)

    def close(self) -> None:
        """End everything."""
        end(self._listener, self._open, self._threads)
