"""What every transport does, over real loopback sockets: what is told apart, what is followed, what is kept.

Each test runs on both transports.
"""

from __future__ import annotations

import gzip
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPProxyAuth
from tests.support.waiting import until
from tests.support.wire import (
    CERTIFICATES,
    OK,
    Serving,
    free_port,
    full_port,
    serving,
    tls_of_a_server,
    tunnelling,
    turning_away,
    wire,
)
from urllib3.exceptions import InsecureRequestWarning

from flowable.external_worker_client.cloud_token import FlowableCloudToken
from flowable.external_worker_client.rest.answers import Meaning
from flowable.external_worker_client.rest.failures import read
from flowable.external_worker_client.rest.interruptible import InterruptibleAdapter
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


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own: a bundle of authorities in the environment outdoes that of a session."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def transport(kind: Any) -> Maker:
    """Makes transports of one class."""

    def make(
        port: int, path: str = "", customize: Callable[[requests.Session], object] = id, host: str = ""
    ) -> AnyTransport:
        session = requests.Session()
        # As the REST client makes it.
        for scheme in ("http://", "https://"):
            session.mount(scheme, InterruptibleAdapter(pool_maxsize=8))
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
    port = free_port()
    failure = _failure(transport(port))
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.ConnectionError)
    reading = read(failure.cause, COMPLETE, 0.0)
    assert reading.text.startswith(f"ConnectionError: 127.0.0.1:{port}: ")
    assert reading.elsewhere is None


@pytest.mark.parametrize("secured", [False, True], ids=["http", "https"])
def test_the_exception_has_the_request(transport: Maker, *, secured: bool) -> None:
    """For those who look at what they catch."""
    address = f"http{'s' * secured}://127.0.0.1:{free_port()}"
    failure = _failure(transport(0, host=address))
    assert isinstance(failure.cause, requests.RequestException)
    asked: Any = failure.cause.request
    assert (asked.method, asked.url, asked.body) == ("POST", address + POST.path, POST.body)


class Fetching(AuthBase):
    """Credentials that ask somebody for a token."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Ask."""
        requests.post(self.url, timeout=5).raise_for_status()
        return r


def test_whoever_gives_no_token_is_named_and_is_not_the_engine(transport: Maker) -> None:
    """It is away, or does not answer, or answers with an error: the engine had no part in that."""
    refused = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    away = free_port()
    with serving() as engine, serving(lambda _: None) as silent, serving(lambda _: refused) as failing:
        readings = []
        for port in (away, silent.port, failing.port):
            auth = Fetching(f"http://u:s3cret@127.0.0.1:{port}/token?key=s3cret")
            with closing(transport(engine.port, customize=_with_auth(auth))) as made:
                with pytest.raises((TransportFailure, requests.RequestException)) as caught:
                    made.send(POST)
                error = caught.value
                readings.append(read(error.cause if isinstance(error, TransportFailure) else error, COMPLETE, 0.0))
        assert engine.requests == []
    for reading, port in zip(readings, (away, silent.port, failing.port), strict=True):
        assert reading.elsewhere == f"127.0.0.1:{port}"
        assert "s3cret" not in reading.text
    assert [reading.meaning for reading in readings] == [Meaning.NOT_SENT, Meaning.UNCLEAR, Meaning.OVERLOADED]


def test_a_connection_that_is_not_taken_in_time_was_surely_not_sent(transport: Maker) -> None:
    """A listener whose queue is full: the time-out is that of connecting."""
    with full_port() as port:
        made = transport(port)
        made.timeout = (0.2, 5.0)
        failure = _failure(made)
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


def test_headers_and_parameters_of_the_session_are_said_with_every_request(transport: Maker) -> None:
    """Beside those of requests, which engines and gateways know."""

    def customize(session: requests.Session) -> None:
        session.headers.update({"X-Tenant": "acme", "User-Agent": "worker"})
        session.params = {"via": "a b"}

    with serving() as server, closing(transport(server.port, customize=customize)) as made:
        made.send(POST)
        made.send(Request(LIST, LIST.at(query=[("locked", "true")])))
    posted, got = server.requests
    assert posted.startswith(b"POST /external-job-api/acquire/jobs/job-1/complete?via=a+b HTTP/1.1\r\n")
    assert got.startswith(b"GET /external-job-api/jobs?locked=true&via=a+b HTTP/1.1\r\n")
    for request in (posted, got):
        assert {b"X-Tenant: acme", b"User-Agent: worker", b"Accept: */*", b"Connection: keep-alive"} <= _lines(request)
        assert request.lower().count(b"host:") == request.lower().count(b"user-agent:") == 1
    assert b"Content-Length: 16" in _lines(posted)


def _lines(request: bytes) -> set[bytes]:
    return set(request.partition(b"\r\n\r\n")[0].split(b"\r\n"))


BASIC = b"Authorization: Basic YTpi"


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        (HTTPBasicAuth("a", "b"), BASIC),
        (("a", "b"), BASIC),
        (FlowableCloudToken("t"), b"Authorization: Bearer t"),
        (HTTPProxyAuth("a", "b"), b"Proxy-Authorization: Basic YTpi"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, bytes) else "",
)
def test_credentials_are_said_with_every_request(transport: Maker, auth: Any, line: bytes) -> None:
    """All those that are a header."""
    with serving() as server, closing(transport(server.port, customize=_with_auth(auth))) as made:
        made.send(POST)
        made.send(POST)
    assert all(line in _lines(request) for request in server.requests)
    assert len(server.requests) == 2


def _with_auth(auth: Any) -> Callable[[requests.Session], None]:
    def customize(session: requests.Session) -> None:
        session.auth = auth

    return customize


def test_credentials_in_the_address_count_when_there_are_no_others(transport: Maker) -> None:
    """As requests takes them; they do not go into the path."""
    with serving() as server:
        with closing(transport(0, host=f"http://a:b@127.0.0.1:{server.port}/engine")) as made:
            made.send(POST)
        host = f"http://x:y@127.0.0.1:{server.port}/engine"
        with closing(transport(0, host=host, customize=_with_auth(("a", "b")))) as made:
            made.send(POST)
    for request in server.requests:
        assert BASIC in _lines(request)
        assert request.startswith(b"POST /engine/external-job-api/")


def test_credentials_of_netrc_count_when_the_environment_is_trusted(
    transport: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not when it is not."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving() as server:
        with closing(transport(server.port)) as made:
            made.send(POST)
        with closing(transport(server.port, customize=lambda session: setattr(session, "trust_env", False))) as made:
            made.send(POST)
    assert [BASIC in _lines(request) for request in server.requests] == [True, False]


def test_cookies_are_kept_and_sent_back(transport: Maker) -> None:
    """That is how a balancer sends a client to the same engine again. They are in the jar of the session."""
    answers = iter(
        [
            b"HTTP/1.1 204 Fine\r\nSet-Cookie: route=a1; Path=/\r\nSet-Cookie: other=2; Path=/elsewhere\r\n\r\n",
            OK,
            b"HTTP/1.1 204 Fine\r\nSet-Cookie: route=; Max-Age=0; Path=/\r\n\r\n",
            OK,
        ]
    )
    with serving(lambda _: next(answers)) as server, closing(transport(server.port)) as made:
        for _ in range(4):
            made.send(POST)
        assert [cookie.name for cookie in made.session.cookies] == ["other"]
    assert [b"Cookie: route=a1" in _lines(request) for request in server.requests] == [False, True, True, False]


def test_headers_are_found_by_lower_case_names(transport: Maker) -> None:
    """Those that came several times as one; and after the connection was closed."""
    answer = b"HTTP/1.1 204 Fine\r\nRetry-After: 3\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    with serving(lambda _: answer) as server, closing(transport(server.port)) as made:
        headers = made.send(POST).headers
        unread = made.send(POST).headers
    for found in (headers, unread):
        assert "retry-after" in found
        assert "retry" not in found
        assert found.get("content-type", "none") == "none"
        assert (found["retry-after"], found["x-a"]) == ("3", "1, 2")
        assert dict(found) == {"retry-after": "3", "x-a": "1, 2"}
        assert (sorted(found), len(found)) == (["retry-after", "x-a"], 2)
        with pytest.raises(KeyError, match="location"):
            found["location"]


def test_an_answer_that_is_compressed_is_read(transport: Maker) -> None:
    """Gateways do that, when they are told that they may."""
    body = gzip.compress(b'{"data":[]}')
    answer = b"HTTP/1.1 200 Fine\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with serving(lambda _: answer) as server, closing(transport(server.port)) as made:
        assert made.send(POST).body == b'{"data":[]}'
    (said,) = (line for line in _lines(server.requests[0]) if line.startswith(b"Accept-Encoding"))
    assert b"gzip" in said


def test_what_cannot_be_decompressed_is_no_answer(transport: Maker) -> None:
    """The engine has done it all the same."""
    answer = b"HTTP/1.1 200 Fine\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"
    with serving(lambda _: answer) as server:
        failure = _failure(transport(server.port))
    assert failure.kind is FailureKind.UNCLEAR
    assert isinstance(failure.cause, requests.exceptions.ContentDecodingError)


def test_headers_that_come_twice_are_one_and_those_in_no_alphabet_do_not_matter(transport: Maker) -> None:
    """As requests reads them."""
    answer = b"HTTP/1.1 200 Fine\r\nX-A: 1\r\nX-A: 2\r\nX-B: \xe4\r\nContent-Length: 0\r\n\r\n"
    with serving(lambda _: answer) as server, closing(transport(server.port)) as made:
        headers = dict(made.send(POST).headers)
    headers.pop("x-b", None)
    assert headers == {"x-a": "1, 2", "content-length": "0"}


def test_an_answer_that_goes_no_further_is_unclear(transport: Maker) -> None:
    """The head was there, and the body stopped."""
    with serving(lambda _: b"HTTP/1.1 200 Fine\r\nContent-Length: 9\r\n\r\n[{") as server:
        made = transport(server.port)
        made.timeout = (5.0, 0.2)
        failure = _failure(made)
    assert failure.kind is FailureKind.UNCLEAR
    assert isinstance(failure.cause, requests.exceptions.ConnectionError)


def test_the_time_to_wait_begins_anew_with_every_part_of_the_answer(transport: Maker) -> None:
    """A long answer that keeps coming is read."""
    never = threading.Event()

    def parts() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 Fine\r\nContent-Length: 4\r\n\r\n"
        for part in (b"a", b"b", b"c", b"d"):
            never.wait(0.4)
            yield part

    with serving(lambda _: parts()) as server, closing(transport(server.port)) as made:
        made.timeout = (1.0, 1.0)
        assert made.send(POST).body == b"abcd"


def test_connections_are_kept(transport: Maker) -> None:
    """Making one costs more than a request."""
    with serving() as server, closing(transport(server.port)) as made:
        for _ in range(5):
            made.send(POST)
    assert [len(requests) for requests in server.accepted] == [5]


def test_a_connection_that_the_engine_closed_meanwhile_is_not_noticed(kind: Any, transport: Maker) -> None:
    """It closes those that are idle."""
    with serving() as server, closing(transport(server.port)) as made:
        for _ in range(3):
            made.send(POST)
            server.end_connections()
            if kind is PyreqwestTransport:
                # It closes its side as soon as its own thread has seen that; what is sent before that is unclear.
                until(lambda: server.open, lambda number: number == 0)
    assert [len(requests) for requests in server.accepted] == [1, 1, 1]


def test_a_connection_that_the_engine_says_it_closes_is_not_used_again(transport: Maker) -> None:
    """It does so with the hundredth request, and with every 400 and 500."""
    answer = OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    with serving(lambda _: answer) as server, closing(transport(server.port)) as made:
        for _ in range(3):
            assert made.send(POST).status == 204
    assert [len(requests) for requests in server.accepted] == [1, 1, 1]


def test_a_request_is_not_sent_again_by_itself(transport: Maker) -> None:
    """Not on a connection that was used before, either: the engine may have done what it says."""
    answers = iter([OK, None])
    with serving(lambda _: next(answers)) as server, closing(transport(server.port)) as made:
        made.send(POST)
        with pytest.raises(TransportFailure) as caught:
            made.send(POST)
    assert caught.value.kind is FailureKind.UNCLEAR
    assert len(server.requests) == 2


def test_several_threads_send_at_the_same_time(transport: Maker) -> None:
    """While they wait, others run."""
    together = threading.Barrier(4, timeout=10)

    def answer(request: bytes) -> bytes:
        together.wait()
        return OK

    with serving(answer) as server, closing(transport(server.port)) as made, ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(made.send, POST) for _ in range(8)]
        assert [each.result(10).status for each in answers] == [204] * 8
    assert len(server.accepted) == 4


def test_it_can_be_used_after_it_was_closed(transport: Maker) -> None:
    """With connections that are made anew."""
    with serving() as server:
        made = transport(server.port)
        for _ in range(2):
            assert made.send(POST).status == 204
            made.close()
        until(lambda: server.open, lambda number: number == 0)
        assert len(server.accepted) == 2


def test_a_name_that_nobody_has_was_surely_not_sent(transport: Maker) -> None:
    """RFC 6761 keeps `.invalid` for that."""
    failure = _failure(transport(0, host="http://engine.invalid"))
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.ConnectionError)


# ---------------------------------------------------------------- certificates


def _trusting(session: requests.Session) -> None:
    session.verify = str(CERTIFICATES / "authority.pem")


def _https(server: Serving, name: str = "localhost") -> str:
    return f"https://{name}:{server.port}"


def test_a_certificate_that_is_trusted_is_taken(transport: Maker) -> None:
    """By a name, and by an address."""
    with serving(tls=tls_of_a_server()) as server:
        for name in ("localhost", "127.0.0.1"):
            with closing(transport(0, host=_https(server, name), customize=_trusting)) as made:
                assert made.send(POST).status == 204


def test_a_certificate_that_nobody_trusts_means_not_sent(transport: Maker) -> None:
    """The handshake ended before the request began."""
    with serving(tls=tls_of_a_server()) as server:
        failure = _failure(transport(0, host=_https(server)))
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.SSLError)
    assert server.requests == []


def test_certificates_are_not_looked_at_when_they_need_not_be(kind: Any, transport: Maker) -> None:
    """Of engines on somebody's own machine."""
    warns = pytest.warns(InsecureRequestWarning) if kind is RequestsTransport else nullcontext()
    with serving(tls=tls_of_a_server()) as server, warns:
        made = transport(0, host=_https(server), customize=lambda session: setattr(session, "verify", False))
        assert _exchange(made).status == 204


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environment_says_whom_to_trust(transport: Maker, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Unless the session does not trust it."""
    monkeypatch.setenv(variable, str(CERTIFICATES / "authority.pem"))
    with serving(tls=tls_of_a_server()) as server:
        with closing(transport(0, host=_https(server))) as made:
            assert made.send(POST).status == 204
        _failure(transport(0, host=_https(server), customize=lambda session: setattr(session, "trust_env", False)))


@pytest.mark.parametrize("pair", [False, True], ids=["one file", "two files"])
def test_a_client_shows_its_certificate(transport: Maker, tmp_path: Path, *, pair: bool) -> None:
    """Certificate and key, in one file or in two."""
    both = CERTIFICATES / "client.pem"
    certificate, _, key = both.read_text().partition("-----BEGIN PRIVATE KEY-----")
    (tmp_path / "certificate").write_text(certificate)
    (tmp_path / "key").write_text(f"-----BEGIN PRIVATE KEY-----{key}")
    cert = (str(tmp_path / "certificate"), str(tmp_path / "key")) if pair else str(both)

    def customize(session: requests.Session) -> None:
        _trusting(session)
        session.cert = cert

    with serving(tls=tls_of_a_server(asks_for_certificate=True)) as server:
        with closing(transport(0, host=_https(server), customize=customize)) as made:
            assert made.send(POST).status == 204
        assert _failure(transport(0, host=_https(server), customize=_trusting)) is not None
    assert len(server.requests) == 1


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def test_a_server_that_wants_a_certificate_says_so(transport: Maker, newest: ssl.TLSVersion) -> None:
    """Within the handshake or, with TLS 1.3, once the client believes that it is over."""
    with turning_away(newest=newest) as server:
        failure = _failure(transport(0, host=_https(server), customize=_trusting))
    assert isinstance(failure.cause, requests.exceptions.SSLError)
    assert "alert" in str(failure.cause).lower()


@pytest.mark.parametrize(
    ("key", "said"),
    [("client-encrypted.pem", "encrypted"), ("server.pem", "not that of the certificate|mismatch")],
    ids=["encrypted", "of another certificate"],
)
def test_a_key_that_cannot_be_used_is_said_to_be_so(transport: Maker, key: str, said: str) -> None:
    """By the first request, in words, and nothing is sent."""
    cert = (str(CERTIFICATES / "client.pem"), str(CERTIFICATES / key))
    with serving(tls=tls_of_a_server()) as server:
        failure = _failure(transport(0, host=_https(server), customize=lambda session: setattr(session, "cert", cert)))
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.SSLError)
    assert re.search(said, str(failure.cause))
    assert server.requests == []


def test_what_is_wrong_with_a_certificate_is_text(transport: Maker) -> None:
    """Not a tuple of texts."""
    with serving(tls=tls_of_a_server()) as server:
        failure = _failure(transport(0, host=_https(server)))
    assert isinstance(failure.cause, requests.exceptions.SSLError)
    assert "localhost" in str(failure.cause)
    assert not str(failure.cause).startswith("(")


# ---------------------------------------------------------------- proxies


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("not a proxy", requests.exceptions.InvalidURL),
        ("http://", requests.exceptions.InvalidProxyURL),
        ("http://u:s3cret@proxy.invalid:99999", requests.exceptions.InvalidURL),
        ("gopher://u:s3cret@proxy.invalid", requests.exceptions.InvalidURL),
    ],
    ids=["no host name", "no host", "no port", "no kind of proxy"],
)
def test_an_address_of_a_proxy_that_is_none_was_surely_not_sent(
    transport: Maker, proxy: str, expected: type[Exception]
) -> None:
    """And its password is in no log."""
    failure = _failure(transport(free_port(), customize=_with_proxies({"http": proxy})))
    assert failure.kind is FailureKind.NOT_SENT
    assert type(failure.cause) is expected
    assert "s3cret" not in read(failure.cause, COMPLETE, 0.0).text


def test_a_proxy_that_is_away_is_named(transport: Maker) -> None:
    """And where it was to lead to; not its credentials."""
    port = free_port()
    customize = _with_proxies({"http": f"http://u:s3cret@127.0.0.1:{port}"})
    failure = _failure(transport(0, host="http://engine.invalid:8090", customize=customize))
    assert isinstance(failure.cause, requests.exceptions.ProxyError)
    for said in (str(failure.cause), read(failure.cause, COMPLETE, 0.0).text):
        assert "127.0.0.1" in said
        assert str(port) in said
        assert "engine.invalid" in said
        assert "s3cret" not in said


def test_a_proxy_that_takes_no_connection_is_a_failure_of_the_proxy(transport: Maker) -> None:
    """As one that is away."""
    with full_port() as port:
        made = transport(0, host="http://engine.invalid", customize=_with_proxies({"http": f"http://127.0.0.1:{port}"}))
        made.timeout = (0.2, 5.0)
        failure = _failure(made)
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.ProxyError)


def test_a_proxy_gets_the_request_with_its_credentials(transport: Maker) -> None:
    """And the whole address."""
    with serving() as proxy:
        address = f"http://a:b@127.0.0.1:{proxy.port}"
        customize = _with_proxies({"http": address})
        with closing(transport(0, host="http://engine.invalid:8090/flowable", customize=customize)) as made:
            made.send(POST)
    (request,) = proxy.requests
    assert request.startswith(b"POST http://engine.invalid:8090/flowable/external-job-api/")
    assert b"Proxy-Authorization: Basic YTpi" in _lines(request)


def _with_proxies(proxies: dict[str, str]) -> Callable[[requests.Session], None]:
    return lambda session: session.proxies.update(proxies)


def test_the_environment_says_which_proxy(transport: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """And for which hosts there is none."""
    with serving() as proxy, serving() as engine:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        with closing(transport(0, host="http://engine.invalid")) as made:
            made.send(POST)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,engine.invalid")
        monkeypatch.setenv("no_proxy", "127.0.0.1,engine.invalid")
        with closing(transport(engine.port)) as made:
            made.send(POST)
    assert (len(proxy.requests), len(engine.requests)) == (1, 1)


def test_a_tunnel_is_asked_for_when_the_engine_is_encrypted(transport: Maker) -> None:
    """With the credentials of the proxy, which are not for the engine."""
    with serving(tls=tls_of_a_server()) as engine, tunnelling(engine.port) as proxy:

        def customize(session: requests.Session) -> None:
            _trusting(session)
            session.proxies["https"] = f"http://a:b@127.0.0.1:{proxy.port}"

        with closing(transport(0, host=_https(engine), customize=customize)) as made:
            assert made.send(POST).status == 204
    assert proxy.requests[0].startswith(b"CONNECT localhost:%d HTTP/1." % engine.port)
    assert b"proxy-authorization: basic ytpi" in _lines(proxy.requests[0].lower())
    assert b"proxy-authorization" not in engine.requests[0].lower()


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_tunnel_that_is_refused_means_not_sent(kind: Any, transport: Maker, status: int) -> None:
    """The engine was never asked."""
    with serving(lambda _: b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status) as proxy:
        customize = _with_proxies({"https": f"http://127.0.0.1:{proxy.port}"})
        failure = _failure(transport(0, host="https://engine.invalid", customize=customize))
    assert failure.kind is FailureKind.NOT_SENT
    assert isinstance(failure.cause, requests.exceptions.ProxyError)
    said = read(failure.cause, COMPLETE, 0.0).text
    assert "engine.invalid:443" in said
    assert re.search("tunnel", said, re.IGNORECASE)
    if kind is PyreqwestTransport:
        # Which status it was is not to be had, but of one.
        assert f"the proxy 127.0.0.1:{proxy.port}: refused the tunnel (CONNECT)" in said
        assert ("407" in said) == (status == 407)
    else:
        assert str(status) in said


# ---------------------------------------------------------------- changes


def test_what_is_changed_about_the_session_counts_from_the_next_request_on(transport: Maker) -> None:
    """People reach for `client._restClient.request_session` while a worker runs."""
    with serving() as server, serving() as proxy, closing(transport(server.port)) as made:
        made.send(POST)
        made.session.headers["X-Tenant"] = "acme"
        made.send(POST)
        made.session.auth = token = FlowableCloudToken("t")
        made.send(POST)
        token.token = "u"
        made.send(POST)
        made.session.params = {"via": "x"}
        made.send(POST)
        del made.session.headers["X-Tenant"]
        made.session.auth = None
        made.session.params = {}
        made.send(POST)
        made.session.proxies["http"] = f"http://127.0.0.1:{proxy.port}"
        made.send(POST)
        made.session = requests.Session()
        made.send(POST)
        made.host = f"http://127.0.0.1:{proxy.port}/there"
        made.send(POST)
    said = [(_TENANT in _lines(each), _bearer(each), b"?via=x " in each) for each in server.requests]
    assert said == [
        (False, None, False),
        (True, None, False),
        (True, b"t", False),
        (True, b"u", False),
        (True, b"u", True),
        (False, None, False),
        (False, None, False),
    ]
    assert [each.split(b" ")[1].partition(b"/external")[0] for each in proxy.requests] == [
        b"http://127.0.0.1:%d" % server.port,
        b"/there",
    ]


_TENANT = b"X-Tenant: acme"


def _bearer(request: bytes) -> bytes | None:
    found = [line.partition(b"Bearer ")[2] for line in _lines(request) if line.startswith(b"Authorization")]
    return found[0] if found else None


class Counting(AuthBase):
    """Credentials that are others for every request, and know what they are for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str | None, str | None, object, str | None]] = []

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set two headers."""
        self.asked.append((r.method, r.url, r.body, r.headers.get("Content-Length")))
        r.headers["Authorization"] = f"Bearer {len(self.asked)}"
        r.headers["X-Signature"] = "s"
        return r


def test_credentials_that_change_are_asked_for_every_request(transport: Maker) -> None:
    """Tokens run out, and signatures are of one request."""
    auth = Counting()
    with serving() as server, closing(transport(server.port, customize=_with_auth(auth))) as made:
        made.send(POST)
        made.send(Request(LIST, LIST.at(query=[("locked", "true")])))
    assert [_bearer(each) for each in server.requests] == [b"1", b"2"]
    assert all(b"X-Signature: s" in _lines(each) for each in server.requests)
    engine = f"http://127.0.0.1:{server.port}/external-job-api"
    assert auth.asked == [
        ("POST", f"{engine}/acquire/jobs/job-1/complete", b'{"workerId":"w"}', "16"),
        ("GET", f"{engine}/jobs?locked=true", None, None),
    ]


def test_what_credentials_raise_is_raised(transport: Maker) -> None:
    """A token file that is away, say: the request is sent again later."""

    def auth(_: requests.PreparedRequest) -> requests.PreparedRequest:
        raise OSError("no token")

    with serving() as server:
        made = transport(server.port, customize=_with_auth(auth))
        with closing(made), pytest.raises(OSError, match="no token"):
            made.send(POST)
    assert server.requests == []


def test_a_redirect_to_another_host_does_not_get_the_credentials(kind: Any, transport: Maker) -> None:
    """As requests does it."""
    with wire(OK) as target:
        redirect = (
            f"HTTP/1.1 307 Moved\r\nLocation: http://localhost:{target.port}/\r\nContent-Length: 0\r\n\r\n".encode()
        )
        with wire(*[redirect] * _asked(kind)) as server:
            _exchange(transport(server.port, customize=_with_auth(("a", "b"))))
    assert all(BASIC in _lines(each) for each in server.received)
    assert b"Authorization" not in target.received[0]
