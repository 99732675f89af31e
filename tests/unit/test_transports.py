"""What every transport does, over real loopback sockets: what is told apart, what is followed, what is kept.

Each test runs on both transports.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any, Protocol

import pytest
import requests
from tests.support.wire import OK, free_port, wire

from flowable.external_worker_client.rest.operations import COMPLETE, LIST
from flowable.external_worker_client.rest.pyreqwest_transport import PyreqwestTransport
from flowable.external_worker_client.rest.requests_transport import RequestsTransport, failure_kind
from flowable.external_worker_client.rest.transport import FailureKind, Request, Response, TransportFailure

POST = Request(COMPLETE, COMPLETE.at("job-1"), b'{"workerId":"w"}')
AnyTransport = RequestsTransport | PyreqwestTransport


class Maker(Protocol):
    """Makes transports."""

    def __call__(
        self, port: int, path: str = "", customize: Callable[[requests.Session], object] = id, host: str = ""
    ) -> AnyTransport:
        """Make one for a port of this machine."""
        ...


@pytest.fixture(params=[RequestsTransport, PyreqwestTransport], ids=["requests", "fast"])
def kind(request: pytest.FixtureRequest) -> Any:
    """A class of transports."""
    return request.param


@pytest.fixture
def transport(kind: Any) -> Maker:
    """Makes transports of one class."""

    def make(
        port: int, path: str = "", customize: Callable[[requests.Session], object] = id, host: str = ""
    ) -> AnyTransport:
        session = requests.Session()
        customize(session)
        made: AnyTransport = kind(host or f"http://127.0.0.1:{port}{path}", session, (2.0, 2.0))
        return made

    return make


def _asked(kind: object) -> int:
    """Return how often an engine is asked that says that it is elsewhere: what follows it asks once more."""
    return 2 if kind is RequestsTransport else 3


def _exchange(transport: AnyTransport, request: Request = POST) -> Response:
    with closing(transport):
        return transport.send(request)


def _failure(transport: AnyTransport, request: Request = POST) -> TransportFailure:
    with closing(transport), pytest.raises(TransportFailure) as caught:
        transport.send(request)
    failure = caught.value
    # The runtime reads the exception that people see, not what came with it.
    assert failure_kind(failure.cause) is failure.kind
    return failure


def test_a_request_arrives_as_it_was_made_and_the_answer_comes_back_whole(transport: Maker) -> None:
    """Method, path, body, content type; status, lower-case headers, body."""
    answer = b"HTTP/1.1 418 Teapot\r\nX-Kind: Brown\r\nContent-Length: 3\r\n\r\ntea"
    with wire(answer) as server:
        response = _exchange(transport(server.port, "/flowable-rest/"))
    assert response == Response(418, {"connection": "close", "x-kind": "Brown", "content-length": "3"}, b"tea")
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /flowable-rest/external-job-api/acquire/jobs/job-1/complete HTTP/1.1\r\n")
    assert b"Content-Type: application/json" in head
    assert body == b'{"workerId":"w"}'


def test_a_refused_connection_was_surely_not_sent(transport: Maker) -> None:
    """Nobody listens."""
    failure = _failure(transport(free_port()))
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.ConnectionError)


def test_a_connection_that_is_not_taken_in_time_was_surely_not_sent(transport: Maker) -> None:
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
            made = transport(port)
            made.timeout = (0.2, 5.0)
            failure = _failure(made)
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
    transport: Maker, answer: bytes | None, expected: type[Exception] | tuple[type[Exception], ...]
) -> None:
    """The engine may have done what it asked."""
    with wire(answer) as server:
        failure = _failure(transport(server.port))
    assert failure.kind is FailureKind.UNCLEAR
    assert isinstance(failure.cause, expected)


def test_an_answer_that_does_not_come_in_time_is_unclear(transport: Maker) -> None:
    """The time-out is that of waiting."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        made = transport(listener.getsockname()[1])
        made.timeout = (5.0, 0.2)
        failure = _failure(made)
    assert failure.kind is FailureKind.UNCLEAR
    assert isinstance(failure.cause, requests.exceptions.ReadTimeout)


def test_a_proxy_that_is_away_means_not_sent(transport: Maker) -> None:
    """The engine's port would even answer."""
    away = f"http://127.0.0.1:{free_port()}"
    failure = _failure(transport(free_port(), customize=lambda session: session.proxies.update({"http": away})))
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.ProxyError)


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_method_is_followed(kind: Any, transport: Maker, status: int) -> None:
    """As version 1 did: a gateway that moves http to https, say."""
    with wire(OK) as target:
        location = f"http://127.0.0.1:{target.port}/moved"
        redirect = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        with wire(*[redirect] * _asked(kind)) as server:
            response = _exchange(transport(server.port))
    assert response.status == 204
    assert target.received[0].startswith(b"POST /moved HTTP/1.1")
    assert target.received[0].endswith(b'{"workerId":"w"}')


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_to_a_page_is_the_answer(transport: Maker, status: int) -> None:
    """Following it would turn the POST into a GET, and the login page into a success."""
    redirect = f"HTTP/1.1 {status} Found\r\nLocation: http://127.0.0.1:1/login\r\nContent-Length: 0\r\n\r\n".encode()
    with wire(redirect) as server:
        response = _exchange(transport(server.port))
    assert (response.status, response.headers["location"]) == (status, "http://127.0.0.1:1/login")


def test_a_redirect_to_a_page_behind_one_that_is_followed_is_the_answer_too(kind: Any, transport: Maker) -> None:
    """308 to a gateway that sends on to its login page."""
    login = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nlogin"
    with wire(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", login) as gateway:
        location = f"http://127.0.0.1:{gateway.port}/moved"
        redirect = f"HTTP/1.1 308 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        with wire(*[redirect] * _asked(kind)) as server:
            response = _exchange(transport(server.port))
    assert response.status == 302


def test_a_read_carries_no_body(transport: Maker) -> None:
    """Nor a content type."""
    with wire(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as server:
        _exchange(transport(server.port), Request(LIST, LIST.at(query=[("locked", "true")])))
    assert server.received[0].startswith(b"GET /external-job-api/jobs?locked=true HTTP/1.1\r\n")
    assert b"Content-Type" not in server.received[0]
    assert server.received[0].endswith(b"\r\n\r\n")
