"""Servers on loopback sockets that answer by a script, and ports where nobody is."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from tests.support.listening import accepted, end

Answer = bytes | Iterable[bytes] | None

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
            self.received.append(_read_request(connection))
            if answer is None:
                # Reset, not closed: unread bytes and a linger of zero.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            else:
                connection.sendall(answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

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


CERTIFICATES = Path(__file__).parent / "certificates"


class Serving:
    """A server that keeps connections, and answers each request by a function.

    Args:
        answer: Gets head and body of a request; returns what goes out, at once or in parts. `None`: the connection is
            closed.
        tls: For connections that are encrypted. `None`: they are not.

    Attributes:
        port: Its port.
        connections: The connections there were.
        accepted: The requests that came on each of them.
    """

    def __init__(self, answer: Callable[[bytes], Answer], tls: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.accepted: list[list[bytes]] = []
        self.connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def open(self) -> int:
        """How many connections are open."""
        return sum(thread.is_alive() for thread in self._threads[1:])

    @property
    def requests(self) -> list[bytes]:
        """All requests, in the order of their connections."""
        return [request for connection in self.accepted for request in connection]

    def _accept(self) -> None:
        for connection in accepted(self._listener):
            self.connections.append(connection)
            self.accepted.append([])
            self._threads.append(threading.Thread(target=self._serve, args=(connection, self.accepted[-1])))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket, received: list[bytes]) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with closing(connection):
                while request := _read_request(connection):
                    received.append(request)
                    answer = self._answer(request)
                    if answer is None:
                        return
                    for part in [answer] if isinstance(answer, bytes) else answer:
                        connection.sendall(part)

    def end_connections(self) -> None:
        """Say on all connections that nothing comes any more, as an engine does with idle ones."""
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End everything."""
        end(self._listener, self.connections, self._threads)


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65_536)
        if not received:
            return b""
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextmanager
def serving(answer: Callable[[bytes], Answer] = lambda _: OK, tls: ssl.SSLContext | None = None) -> Iterator[Serving]:
    """Serve until the block is left."""
    made = Serving(answer, tls)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def tunnelling(port: int) -> Iterator[Serving]:
    """Be a proxy that lets everything through to one port."""
    ends: list[socket.socket] = []

    def through(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    class Tunnel(Serving):
        def _serve(self, connection: socket.socket, received: list[bytes]) -> None:
            received.append(_read_request(connection))
            ends.append(target := socket.create_connection(("127.0.0.1", port)))
            connection.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
            back = threading.Thread(target=through, args=(target, connection))
            back.start()
            through(connection, target)
            back.join(10)

    made = Tunnel(lambda _: None)
    try:
        yield made
    finally:
        made.close()
        for end in ends:
            end.close()


@contextmanager
def turning_away(*, newest: ssl.TLSVersion) -> Iterator[Serving]:
    """Be a server that wants a certificate of the client, and waits until it was understood that there was none.

    One that closed at once would reset the connection, and nobody would hear why.
    """
    context = tls_of_a_server(asks_for_certificate=True)
    context.maximum_version = newest

    class TurningAway(Serving):
        def _serve(self, connection: socket.socket, received: list[bytes]) -> None:
            came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = context.wrap_bio(came, goes, server_side=True)
            with closing(connection), suppress(OSError):
                refused = False
                while data := connection.recv(65_536):
                    came.write(data)
                    try:
                        if not refused:
                            session.do_handshake()
                    except ssl.SSLWantReadError:
                        pass
                    except ssl.SSLError:
                        refused = True
                    connection.sendall(goes.read())

    made = TurningAway(lambda _: None)
    try:
        yield made
    finally:
        made.close()


def tls_of_a_server(*, asks_for_certificate: bool = False) -> ssl.SSLContext:
    """Return what a server for localhost needs to encrypt."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem")
    if asks_for_certificate:
        context.load_verify_locations(CERTIFICATES / "authority.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def full_port() -> Iterator[int]:
    """Give the port of a listener whose queue is full: no connection to it is taken."""
    with closing(socket.socket()) as listener, ExitStack() as queued:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(3):
            connection = queued.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port))
        yield port
