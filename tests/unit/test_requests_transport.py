"""The default transport over real loopback sockets: what is told apart, what is followed, what is kept."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import requests

from flowable.external_worker_client.rest.operations import COMPLETE, LIST
from flowable.external_worker_client.rest.requests_transport import RequestsTransport, failure_kind
from flowable.external_worker_client.rest.transport import FailureKind, Request, Response, TransportFailure

POST = Request(COMPLETE, COMPLETE.at("job-1"), b'{"workerId":"w"}')
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
def _wire(*script: bytes | None) -> Iterator[Wire]:
    wire = Wire(*script)
    try:
        yield wire
    finally:
        wire.finish()


def _transport(port: int, path: str = "", customize: Callable[[requests.Session], object] = id) -> RequestsTransport:
    session = requests.Session()
    customize(session)
    return RequestsTransport(f"http://127.0.0.1:{port}{path}", session, (2.0, 2.0))


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def _exchange(transport: RequestsTransport, request: Request = POST) -> Response:
    with closing(transport):
        return transport.send(request)


def _failure(transport: RequestsTransport, request: Request = POST) -> TransportFailure:
    with closing(transport), pytest.raises(TransportFailure) as caught:
        transport.send(request)
    return caught.value


def test_a_request_arrives_as_it_was_made_and_the_answer_comes_back_whole() -> None:
    """Method, path, body, content type; status, lower-case headers, body."""
    answer = b"HTTP/1.1 418 Teapot\r\nX-Kind: Brown\r\nContent-Length: 3\r\n\r\ntea"
    with _wire(answer) as wire:
        response = _exchange(_transport(wire.port, "/flowable-rest/"))
    assert response == Response(418, {"connection": "close", "x-kind": "Brown", "content-length": "3"}, b"tea")
    head, _, body = wire.received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /flowable-rest/external-job-api/acquire/jobs/job-1/complete HTTP/1.1\r\n")
    assert b"Content-Type: application/json" in head
    assert body == b'{"workerId":"w"}'


def test_a_refused_connection_was_surely_not_sent() -> None:
    """Nobody listens."""
    failure = _failure(_transport(_free_port()))
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.ConnectionError)


def test_a_connection_that_is_not_taken_in_time_was_surely_not_sent() -> None:
    """A listener whose queue is full: the time-out is that of connecting."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        queued = [socket.socket() for _ in range(3)]
        try:
            for connection in queued:
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", port))
            transport = _transport(port)
            transport.timeout = (0.2, 5.0)
            failure = _failure(transport)
        finally:
            for connection in queued:
                connection.close()
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.ConnectTimeout)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(None, requests.exceptions.ConnectionError, id="reset"),
        pytest.param(b"", requests.exceptions.ConnectionError, id="closed without an answer"),
        pytest.param(b"HTTP/1.1 20", requests.exceptions.ConnectionError, id="cut off in the head"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[{",
            (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError),
            id="cut off in a counted body",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n[{",
            requests.exceptions.ChunkedEncodingError,
            id="cut off in a chunk",
        ),
        pytest.param(b"nonsense\r\n\r\n", requests.exceptions.ConnectionError, id="no HTTP at all"),
    ],
)
def test_a_request_that_was_read_but_not_answered_is_unclear(
    answer: bytes | None, expected: type[Exception] | tuple[type[Exception], ...]
) -> None:
    """The engine may have done what it asked."""
    with _wire(answer) as wire:
        failure = _failure(_transport(wire.port))
    assert failure.kind is FailureKind.UNCLEAR
    assert isinstance(failure.cause, expected)


def test_an_answer_that_does_not_come_in_time_is_unclear() -> None:
    """The time-out is that of waiting."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        transport = _transport(listener.getsockname()[1])
        transport.timeout = (5.0, 0.2)
        failure = _failure(transport)
    assert failure.kind is FailureKind.UNCLEAR
    assert isinstance(failure.cause, requests.exceptions.ReadTimeout)


def test_a_proxy_that_is_away_means_not_sent() -> None:
    """The engine's port would even answer."""
    away = f"http://127.0.0.1:{_free_port()}"
    transport = _transport(_free_port(), customize=lambda session: session.proxies.update({"http": away}))
    failure = _failure(transport)
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.ProxyError)


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_method_is_followed(status: int) -> None:
    """As version 1 did: a gateway that moves http to https, say."""
    with _wire(OK) as target:
        location = f"http://127.0.0.1:{target.port}/moved"
        redirect = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        with _wire(redirect, redirect) as wire:
            response = _exchange(_transport(wire.port))
    assert response.status == 204
    assert target.received[0].startswith(b"POST /moved HTTP/1.1")
    assert target.received[0].endswith(b'{"workerId":"w"}')


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_to_a_page_is_the_answer(status: int) -> None:
    """Following it would turn the POST into a GET, and the login page into a success."""
    redirect = f"HTTP/1.1 {status} Found\r\nLocation: http://127.0.0.1:1/login\r\nContent-Length: 0\r\n\r\n".encode()
    with _wire(redirect) as wire:
        response = _exchange(_transport(wire.port))
    assert (response.status, response.headers["location"]) == (status, "http://127.0.0.1:1/login")


def test_a_redirect_to_a_page_behind_one_that_is_followed_is_the_answer_too() -> None:
    """308 to a gateway that sends on to its login page."""
    login = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nlogin"
    with _wire(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", login) as gateway:
        location = f"http://127.0.0.1:{gateway.port}/moved"
        redirect = f"HTTP/1.1 308 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        with _wire(redirect, redirect) as wire:
            response = _exchange(_transport(wire.port))
    assert response.status == 302


def test_a_read_carries_no_body() -> None:
    """Nor a content type."""
    with _wire(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as wire:
        _exchange(_transport(wire.port), Request(LIST, LIST.at(query=[("locked", "true")])))
    assert wire.received[0].startswith(b"GET /external-job-api/jobs?locked=true HTTP/1.1\r\n")
    assert b"Content-Type" not in wire.received[0]
    assert wire.received[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.exceptions.InvalidURL("x"), FailureKind.NOT_SENT),
        (requests.exceptions.InvalidHeader("x"), FailureKind.NOT_SENT),
        (requests.exceptions.TooManyRedirects("x"), FailureKind.UNCLEAR),
        (requests.exceptions.ConnectionError("a mock's"), FailureKind.UNCLEAR),
        (requests.exceptions.ConnectionError(), FailureKind.UNCLEAR),
        (RuntimeError("anything"), FailureKind.UNCLEAR),
    ],
    ids=repr,
)
def test_only_what_is_certain_counts_as_not_sent(error: Any, expected: FailureKind) -> None:
    """Everything unknown may have reached the engine."""
    assert failure_kind(error) is expected


def test_an_untrusted_certificate_means_not_sent() -> None:
    """The handshake ended before the request began."""
    import ssl  # noqa: PLC0415 - for this test alone

    import urllib3.exceptions  # noqa: PLC0415 - the same

    cause = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("untrusted"))
    pool: Any = None
    certificate = requests.exceptions.SSLError(urllib3.exceptions.MaxRetryError(pool, "/", cause))
    broken = requests.exceptions.SSLError(
        urllib3.exceptions.MaxRetryError(pool, "/", urllib3.exceptions.SSLError(ssl.SSLError("bad record")))
    )
    assert failure_kind(certificate) is FailureKind.NOT_SENT
    assert failure_kind(broken) is FailureKind.UNCLEAR
