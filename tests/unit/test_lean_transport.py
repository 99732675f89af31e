"""The default transport by its short way and through the session: nobody can tell which it was.

Everything is done by both ways against the same server, and compared: the bytes that arrived, what came back, what was
raised, what it did to the session. And what people hang on a session sees what it is there to see.
"""

from __future__ import annotations

import copy
import gc
import gzip
import http.client
import http.cookiejar
import pickle
import re
import ssl
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests
import requests_mock
import responses
import urllib3
import urllib3.connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth
from tests.support.keeping import CLOSE, HANG, OK, RESET, Keeping, Reply

from flowable.external_worker_client.cloud_token import FlowableCloudToken
from flowable.external_worker_client.rest import pools
from flowable.external_worker_client.rest.as_shipped import as_shipped
from flowable.external_worker_client.rest.interruptible import InterruptibleAdapter
from flowable.external_worker_client.rest.operations import ACQUIRE, COMPLETE, GET, LIST
from flowable.external_worker_client.rest.replay import Replay
from flowable.external_worker_client.rest.requests_transport import RequestsTransport
from flowable.external_worker_client.rest.transport import FailureKind, Request, Response, TransportFailure

CERTIFICATES = Path(__file__).parents[1] / "support" / "certificates"
BODY = b'{"workerId":"w"}'
POST = Request(COMPLETE, COMPLETE.at("job-1"), BODY)
READ = Request(LIST, LIST.at(query=[("locked", "true"), ("tenantId", "ä/b")]))
JOBS = b"HTTP/1.1 200 \r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"

Customize = Callable[[requests.Session], object]


class Through(RequestsTransport):
    """The way through the session, for everything."""

    def _send_lean(self, request: Request) -> requests.Response | Response:
        return self._send(request, redirects=False)


WAYS = (Through, RequestsTransport)


@pytest.fixture(scope="module")
def server() -> Iterator[Keeping]:
    """A server that keeps connections."""
    with Keeping() as made:
        yield made


@pytest.fixture(autouse=True)
def no_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment that says nothing: no certificates, no proxies, no netrc file unless a test writes it."""
    path = tmp_path / "netrc"
    for name in ("requests_ca_bundle", "curl_ca_bundle", "http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(path))
    return path


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What came of the requests that went the short way: an answer, or what the rest is left to."""
    outcomes: list[object] = []
    exchange = pools._exchange

    def noted(*args: Any) -> Any:
        outcome = exchange(*args)
        outcomes.append(outcome)
        return outcome

    monkeypatch.setattr(pools, "_exchange", noted)
    return outcomes


#: Seconds that an answer is waited for: long, because the machine may be busy; short where none is to come.
PATIENCE, SHORT = 20.0, 1.0


def a_session(customize: Customize = id) -> requests.Session:
    """Make a session as the client does."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, InterruptibleAdapter(pool_maxsize=4))
    customize(session)
    return session


@contextmanager
def transport(
    server: Keeping,
    customize: Customize = id,
    way: type[RequestsTransport] = RequestsTransport,
    host: str = "",
    patience: float = PATIENCE,
) -> Iterator[RequestsTransport]:
    """Make a transport, and close it."""
    made = way(host or f"{server.url}/flowable-rest", a_session(customize), (PATIENCE, patience))
    try:
        yield made
    finally:
        made.close()


def outcome_of(made: RequestsTransport, request: Request) -> tuple[Any, ...]:
    """Send a request; return everything that can be seen of what came of it."""
    try:
        response = made.send(request)
    except TransportFailure as failure:
        cause: Any = failure.cause
        asked = cause.request and (cause.request.method, cause.request.url, cause.request.body)
        return failure.kind, type(cause), re.sub("0x[0-9a-f]+", "", str(cause)), asked
    except Exception as error:  # noqa: BLE001 - compared
        return type(error), str(error)
    return response.status, dict(response.headers), response.body


def seen_of(
    server: Keeping,
    way: type[RequestsTransport],
    customize: Customize,
    requests_sent: Sequence[Request],
    replies: Sequence[Reply],
    host: str = "",
) -> list[Any]:
    """Return what came of some requests by one way, what the server saw, and what the session has become."""
    before, connections = len(server.received), server.connections
    server.says(replies)
    hangs = any(isinstance(reply, tuple) and HANG in reply for reply in replies)
    with transport(server, customize, way, host, SHORT if hangs else PATIENCE) as made:
        outcomes = [outcome_of(made, request) for request in requests_sent]
        cookies = sorted((cookie.name, cookie.value, cookie.path) for cookie in made.session.cookies)
    arrived = [(received.connection - connections, received.raw) for received in server.received[before:]]
    return [outcomes, arrived, cookies]


def the_same(
    server: Keeping, requests_sent: Sequence[Request], replies: Sequence[Reply], customize: Customize = id
) -> list[Any]:
    """Check that both ways are the same; return what came of it."""
    through, lean = (seen_of(server, way, customize, requests_sent, replies) for way in WAYS)
    assert lean == through
    return lean


# ---------------------------------------------------------------- the same bytes, the same answers


@pytest.mark.parametrize(
    "request_sent", [POST, READ, Request(ACQUIRE, ACQUIRE.path, BODY * 9_000)], ids=lambda r: r.path
)
def test_a_usual_request_goes_the_short_way(server: Keeping, short: list[object], request_sent: Request) -> None:
    """From the second on, which finds an open connection. One connection is enough."""
    outcomes, arrived, _ = the_same(server, [request_sent] * 4, [OK, JOBS, OK, JOBS])
    assert [each[0] for each in outcomes] == [204, 200, 204, 200]
    assert [connection for connection, _ in arrived] == [0, 0, 0, 0]
    assert len(short) == 3
    assert not any(isinstance(each, Replay) for each in short)


TOKENS = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=6)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6).map(str.strip)
HEADERS = st.dictionaries(
    st.sampled_from(["User-Agent", "accept-encoding", "Host", "Authorization", "Content-Type", "Cookie", "X-A"])
    | TOKENS,
    VALUES | VALUES.map(str.encode) | st.none() | st.text("é\n\x85 ", max_size=2),
    max_size=4,
)


class Signed(AuthBase):
    """An auth that signs what is sent, and adds to it in all the ways that there are."""

    def __init__(self, *, adds: str = "header") -> None:
        self._adds = adds
        self.asked = 0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign."""
        self.asked += 1
        request.headers["X-Signature"] = f"{request.method} {request.url} {request.body!r} {dict(request.headers)}"
        if self._adds == "query":
            request.prepare_url(request.url, {"signature": self.asked})
        elif self._adds == "body":
            request.body = b'{"other":1}'
        elif self._adds == "hook":
            registering: Any = request
            registering.register_hook("response", lambda response, **given: None)
        elif self._adds == "another":
            request = request.copy()
        return request


AUTHS = st.sampled_from(
    [
        lambda: None,
        lambda: ("user", "password"),
        lambda: ("", ""),
        lambda: (b"user", b"password"),
        lambda: HTTPBasicAuth("user", "pä"),
        lambda: HTTPBasicAuth("user", "\N{SNOWMAN}"),
        lambda: FlowableCloudToken("token"),
        lambda: HTTPDigestAuth("user", "password"),
        lambda: "",
        *(lambda adds=adds: Signed(adds=adds) for adds in ("header", "query", "body", "hook", "another")),
    ]
)
JOB_IDS = st.sampled_from(["job-1", "..", ".", "a/b", "ä", "a b", "~", "%41", "a?b#c"]) | st.text(
    min_size=1, max_size=4
)


@given(
    HEADERS,
    AUTHS,
    st.sampled_from(["", "/", "/flowable-rest", "/a/../b", "/a b", "/ä/", "/%7e"]),
    st.sampled_from(["", "user:secret@"]),
    st.lists(st.builds(Request, st.just(COMPLETE), JOB_IDS.map(COMPLETE.at), st.just(BODY)), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.text(max_size=2), max_size=1),
    st.dictionaries(st.sampled_from("ab"), st.text("xy ", max_size=2), max_size=1),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_settings_of_sessions_give_the_same_bytes(
    server: Keeping,
    headers: dict[str, Any],
    auth: Callable[[], Any],
    path: str,
    credentials: str,
    asked: list[Request],
    parameters: dict[str, str],
    cookies: dict[str, str],
) -> None:
    """Whatever they are, and what is refused is refused with the same words."""

    def customize(session: requests.Session) -> None:
        session.headers.update(headers)
        session.auth = auth()
        session.params = parameters
        session.cookies.update(cookies)

    host = f"http://{credentials}127.0.0.1:{server.port}{path}"
    through, lean = (seen_of(server, way, customize, [POST, *asked, READ, POST], [OK, JOBS], host) for way in WAYS)
    assert lean == through


REDIRECT = b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
REPLIES: dict[str, Reply | Sequence[Reply]] = {
    "nothing, closed": (CLOSE,),
    "nothing, reset": (RESET,),
    "nothing, ever": (HANG,),
    "part of a head, closed": (b"HTTP/1.1 20", CLOSE),
    "part of a head, reset": (b"HTTP/1.1 200 OK\r\nX: ", RESET),
    "part of a head, no more": (b"HTTP/1.1 200 OK\r\nX: ", HANG),
    "no HTTP": b"nonsense\r\n\r\n",
    "counted, closed": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[{", CLOSE),
    "counted, reset": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[{", RESET),
    "counted, no more": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[{", HANG),
    "chunk, closed": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n[{", CLOSE),
    "chunk, no more": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n[{", HANG),
    "a wrong chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[{", CLOSE),
    "chunks with trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\n[\r\n1;a=b\r\n]\r\n0\r\nX: y\r\n\r\n",
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\n[]", CLOSE),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n[]", CLOSE),
    "compressed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(b"[]"))
    + gzip.compress(b"[]"),
    "badly compressed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]",
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "in pieces": (b"HTTP/1.1 200 OK\r\n", b"Content-Length: 2\r\n", b"\r\n[", b"]"),
    "folded": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n[]",
    "Latin-1": b"HTTP/1.1 200 OK\r\nX: \xe9\r\nContent-Length: 2\r\n\r\n[]",
    "same header twice": b"HTTP/1.1 200 OK\r\nX: a\r\nx: b\r\nContent-Length: 2\r\n\r\n[]",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n[]",
    "a cookie": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/flowable-rest\r\nContent-Length: 2\r\n\r\n[]",
    "closes": (b"HTTP/1.1 500 \r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", CLOSE),
    "keeps after an error": b"HTTP/1.1 404 \r\nContent-Length: 2\r\n\r\n{}",
    "more than announced": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]surplus",
    "not modified": b"HTTP/1.1 304 \r\n\r\n",
    "302": REDIRECT % (302, b"/login"),
    "302 to nonsense": REDIRECT % (302, b"http://[x"),
    "307 to the same host": [REDIRECT % (307, b"/else"), REDIRECT % (307, b"/else"), JOBS],
    "308 to a page": [REDIRECT % (308, b"/else"), REDIRECT % (308, b"/else"), REDIRECT % (302, b"/login"), JOBS],
    "308 for ever": [REDIRECT % (308, b"/else")] * 40,
    "too early": (b"HTTP/1.1 413 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n", CLOSE),
}


@pytest.mark.parametrize(
    "auth", [None, ("user", "password"), FlowableCloudToken("token")], ids=["none", "basic", "token"]
)
@pytest.mark.parametrize("replies", REPLIES.values(), ids=REPLIES)
def test_whatever_is_answered_comes_to_the_same(
    server: Keeping, short: list[object], replies: Reply | Sequence[Reply], auth: Any
) -> None:
    """On a connection that was used before, and of which it can be used after. Nothing is sent twice."""

    def customize(session: requests.Session) -> None:
        session.auth = auth
        session.max_redirects = 5

    script = replies if isinstance(replies, list) else [replies]
    the_same(server, [POST, POST, READ, POST], [OK, *script], customize)
    assert short


def test_an_answer_with_lengths_that_differ_is_unclear(server: Keeping) -> None:
    """Requests raises what it raises for headers of requests that cannot be sent. This one was."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n[]"
    with warnings.catch_warnings():
        # urllib3 leaves its socket to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        outcomes, arrived, _ = the_same(server, [POST, POST, POST], [OK, reply])
        gc.collect()
    assert outcomes[1][:2] == (FailureKind.UNCLEAR, requests.exceptions.InvalidHeader)
    assert len(arrived) == 3


def test_an_answer_that_comes_before_the_request_was_read_is_heard(server: Keeping) -> None:
    """The server refuses, and resets what comes behind. What is too large for one piece goes in two."""
    large = Request(COMPLETE, COMPLETE.at("job-1"), b"x" * 200_000)
    outcomes, _, _ = the_same(server, [POST, large, POST], [OK, OK, OK])
    assert [outcome[0] for outcome in outcomes] == [204, 204, 204]


def test_a_request_that_cannot_be_sent_is_urllib3_s_to_judge(
    server: Keeping, short: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is lost in the moment before. The error is that of a lost connection, both ways."""
    seen = []
    # Nobody has noticed yet.
    for module in (pools, urllib3.connectionpool):
        monkeypatch.setattr(module, "is_connection_dropped", lambda connection: False)
    for way in WAYS:
        with transport(server, way=way) as made:
            made.send(POST)
            adapter = made.session.get_adapter(server.url)
            assert isinstance(adapter, InterruptibleAdapter)
            adapter.connections.interrupt()
            before = len(server.received)
            seen.append(outcome_of(made, POST))
            assert len(server.received) == before
    assert seen[0] == seen[1]
    assert seen[0][1] is requests.ConnectionError
    assert [type(outcome) for outcome in short] == [Replay]


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def tls_server() -> Iterator[Keeping]:
    """The same over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem")
    with Keeping(context) as made:
        yield made


def trusting(session: requests.Session) -> None:
    """Trust the authority of the tests."""
    session.verify = str(CERTIFICATES / "authority.pem")


@pytest.mark.parametrize("reply", ["a cookie", "counted, closed", "counted, no more", "nothing, closed", "in pieces"])
def test_the_same_over_tls(tls_server: Keeping, short: list[object], reply: str) -> None:
    """On the same connection, and what is unusual, too."""
    unusual: Any = REPLIES[reply]
    outcomes, arrived, _ = the_same(tls_server, [POST, POST, POST, READ], [OK, JOBS, unusual], trusting)
    assert [each[0] for each in outcomes[:2]] == [204, 200]
    assert {connection for connection, _ in arrived[:3]} == {0}
    assert len(short) >= 2


def test_certificates_are_asked_for_as_ever(tls_server: Keeping, tmp_path: Path) -> None:
    """A file that has gone is noticed on a connection that is open, as requests does."""
    authority = tmp_path / "authority.pem"
    for way in WAYS:
        authority.write_bytes((CERTIFICATES / "authority.pem").read_bytes())
        tls_server.says([])
        with transport(tls_server, way=way) as made:
            made.session.verify = str(authority)
            made.send(POST)
            made.send(POST)
            authority.unlink()
            with pytest.raises(OSError, match="Could not find a suitable TLS CA certificate bundle"):
                made.send(POST)
            # Then another authority is trusted, which does not know the server.
            made.session.verify = True
            with pytest.raises(TransportFailure) as caught:
                made.send(POST)
            assert isinstance(caught.value.cause, requests.exceptions.SSLError)


def test_who_does_not_verify_is_warned_each_time(tls_server: Keeping, short: list[object]) -> None:
    """urllib3 warns with every request."""
    tls_server.says([])
    with transport(tls_server, lambda session: setattr(session, "verify", False)) as made:
        for _ in range(3):
            with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
                made.send(POST)
    assert len(short) == 2


def test_ca_bundles_of_the_environment_are_in_force(
    tls_server: Keeping, short: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the next request on."""
    tls_server.says([])
    with transport(tls_server) as made:
        with pytest.raises(TransportFailure):
            made.send(POST)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATES / "authority.pem"))
        assert [made.send(POST).status for _ in range(2)] == [204, 204]
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with pytest.raises(TransportFailure):
            made.send(POST)
    assert len(short) == 1


# ---------------------------------------------------------------- what people hang on a session


def heads_of(server: Keeping, made: RequestsTransport, number: int) -> list[bytes]:
    """Send some requests; return the heads that arrive."""
    before = len(server.received)
    server.says([])
    for _ in range(number):
        made.send(POST)
    return [received.raw.partition(b"\r\n\r\n")[0] for received in server.received[before:]]


def test_changes_of_a_session_are_in_force_at_the_next_request(server: Keeping, short: list[object]) -> None:
    """Headers, auth, parameters, cookies; each put, changed in place, and taken away."""
    with transport(server) as made:
        session = made.session
        default_headers = session.headers
        for way in ("first", "second"):
            session.headers = default_headers
            heads_of(server, made, 2)
            session.headers["X-A"] = way
            assert all(f"X-A: {way}".encode() in head for head in heads_of(server, made, 2))
            session.auth = HTTPBasicAuth("user", way)
            expected = requests.auth._basic_auth_str("user", way).encode()
            assert all(expected in head for head in heads_of(server, made, 2))
            session.auth.password = "changed"
            expected = requests.auth._basic_auth_str("user", "changed").encode()
            assert all(expected in head for head in heads_of(server, made, 2))
            session.auth = None
            assert not any(b"Authorization" in head for head in heads_of(server, made, 2))
            session.params["a"] = way  # type: ignore[index]
            assert all(f"?a={way} HTTP".encode() in head for head in heads_of(server, made, 2))
            session.params.clear()  # type: ignore[union-attr]
            session.cookies.set("c", way)
            assert all(f"Cookie: c={way}".encode() in head for head in heads_of(server, made, 2))
            session.cookies.clear()
            session.headers = {"User-Agent": way}
            (head, other) = heads_of(server, made, 2)
            assert head == other
            assert b"\r\nAccept-Encoding: identity\r\nUser-Agent: " + way.encode() + b"\r\n" in head
            session.headers = default_headers
    assert len(short) > 20


def test_cookies_of_answers_are_kept_and_sent(server: Keeping) -> None:
    """By the requests behind, until they are taken away again."""
    replies = [
        OK,
        REPLIES["a cookie"],
        OK,
        b"HTTP/1.1 204 \r\nSet-Cookie: a=; Path=/flowable-rest; Max-Age=0\r\n\r\n",
        OK,
    ]
    _, arrived, cookies = the_same(server, [POST] * 5, replies)  # type: ignore[arg-type]
    assert [b"Cookie: a=b" in raw for _, raw in arrived] == [False, False, True, True, False]
    assert cookies == []


def test_an_auth_sees_every_request(server: Keeping, short: list[object]) -> None:
    """Once each, and its newest token is sent."""
    for adds in ("header", "another"):
        auth = Signed(adds=adds)
        with transport(server) as made:
            made.session.auth = auth
            assert len(set(heads_of(server, made, 3))) == 1
        assert auth.asked == 3
    token = FlowableCloudToken("one")
    with transport(server, lambda session: setattr(session, "auth", token)) as made:
        heads_of(server, made, 2)
        token.token = "two"
        assert all(b"Authorization: Bearer two" in head for head in heads_of(server, made, 2))
    assert len(short) == 7


def test_an_auth_is_a_function_too(server: Keeping, short: list[object]) -> None:
    """Counting, say."""
    asked: list[str | None] = []

    def auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
        asked.append(request.url)
        request.headers["X-Number"] = str(len(asked))
        return request

    with transport(server, lambda session: setattr(session, "auth", auth)) as made:
        heads = heads_of(server, made, 3)
    assert [head.rpartition(b"X-Number: ")[2] for head in heads] == [b"1", b"2", b"3"]
    assert len(short) == 2


def test_an_auth_that_raises_raises(server: Keeping) -> None:
    """And nothing is sent."""

    def auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
        raise RuntimeError("no token")

    outcomes, arrived, _ = the_same(server, [POST], [OK], lambda session: setattr(session, "auth", auth))
    assert outcomes == [(RuntimeError, "no token")]
    assert arrived == []


def test_an_auth_is_asked_once_for_an_answer_that_is_unusual(server: Keeping, short: list[object]) -> None:
    """What goes on from there does not ask again, nor send."""
    auth = Signed()
    server.says([OK, REPLIES["a cookie"], REPLIES["nothing, closed"]])  # type: ignore[list-item]
    before = len(server.received)
    with transport(server, lambda session: setattr(session, "auth", auth)) as made:
        made.send(POST)
        made.session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        made.send(POST)
        with pytest.raises(TransportFailure):
            made.send(POST)
    assert auth.asked == len(server.received) - before == 3
    assert all(isinstance(outcome, Replay) for outcome in short)
    assert len(short) == 2


def test_digest_auth_answers_the_challenge(server: Keeping) -> None:
    """It sends again from a hook of its own."""
    challenge = (
        b'HTTP/1.1 401 \r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=MD5\r\n'
        b"Content-Length: 0\r\n\r\n"
    )
    for way in WAYS:
        server.reply = lambda received: OK if b"\r\nAuthorization: Digest " in received.raw else challenge
        before = len(server.received)
        with transport(server, lambda session: setattr(session, "auth", HTTPDigestAuth("u", "p")), way) as made:
            assert [made.send(POST).status for _ in range(3)] == [204, 204, 204]
        assert [b"Digest" in received.raw for received in server.received[before:]] == [False, True, True, True]


def test_hooks_of_the_session_hear_every_answer(server: Keeping) -> None:
    """With the settings, which they may change; put on while connections are open, and taken off."""
    heard: list[tuple[int, object]] = []

    def hook(response: requests.Response, **given: Any) -> None:
        heard.append((response.status_code, given["timeout"]))
        given["proxies"].clear()

    with transport(server) as made:
        made.send(POST)
        made.send(POST)
        made.session.hooks["response"].append(hook)
        server.says([OK, JOBS])
        made.send(POST)
        made.send(POST)
        made.session.hooks = {"response": hook}
        made.send(POST)
        made.session.hooks = {"response": []}
        made.send(POST)
    assert heard == [(status, (PATIENCE, PATIENCE)) for status in (204, 200, 204)]


def test_hooks_that_raise_are_heard(server: Keeping) -> None:
    """`raise_for_status`, say."""

    def raising(response: requests.Response, **given: Any) -> None:
        response.raise_for_status()

    outcomes, _, _ = the_same(
        server,
        [POST, POST],
        [OK, b"HTTP/1.1 404 \r\nContent-Length: 2\r\n\r\n{}"],
        lambda session: session.hooks["response"].append(raising),
    )
    assert outcomes[1][1] is requests.HTTPError


def test_a_netrc_file_is_in_force(server: Keeping, short: list[object], no_netrc: Path) -> None:
    """When it comes and changes; not when it has gone, or the session has an auth, or trusts nothing."""
    with transport(server) as made:
        assert not any(b"Authorization" in head for head in heads_of(server, made, 2))
        for password in ("one", "another"):
            no_netrc.write_text(f"machine 127.0.0.1 login user password {password}\n")
            expected = requests.auth._basic_auth_str("user", password).encode()
            assert all(expected in head for head in heads_of(server, made, 2))
        made.session.auth = FlowableCloudToken("token")
        assert all(b"Bearer" in head for head in heads_of(server, made, 2))
        made.session.auth = None
        made.session.trust_env = False
        assert not any(b"Authorization" in head for head in heads_of(server, made, 2))
        made.session.trust_env = True
        no_netrc.unlink()
        assert not any(b"Authorization" in head for head in heads_of(server, made, 2))
    assert len(short) == 11


def test_credentials_of_the_address_are_sent(server: Keeping, short: list[object]) -> None:
    """As requests does, when there is no other auth."""
    host = f"http://user:secret@127.0.0.1:{server.port}"
    with transport(server, host=host) as made:
        heads = heads_of(server, made, 3)
    assert all(requests.auth._basic_auth_str("user", "secret").encode() in head for head in heads)
    assert len(short) == 2


def test_proxies_are_in_force_at_the_next_request(
    server: Keeping, short: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the session and of the environment, unless that says otherwise."""
    with Keeping() as proxy, transport(server, host="http://localhost:1/rest") as made:
        made.host = server.url.replace("127.0.0.1", "localhost")
        heads_of(server, made, 2)

        def asked_proxy() -> bool:
            before = len(proxy.received)
            assert made.send(POST).status == 204
            return len(proxy.received) > before

        assert not asked_proxy()
        made.session.proxies["http"] = proxy.url
        assert asked_proxy()
        assert proxy.received[-1].raw.startswith(f"POST {made.host}/external-job-api".encode())
        made.session.proxies.clear()
        assert not asked_proxy()
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert asked_proxy()
        monkeypatch.setenv("NO_PROXY", "localhost")
        assert not asked_proxy()
        monkeypatch.delenv("NO_PROXY")
        made.session.trust_env = False
        assert not asked_proxy()
        made.session.trust_env = True
        assert asked_proxy()
        monkeypatch.delenv("HTTP_PROXY")
        assert not asked_proxy()
    assert short


def test_session_host_time_out_and_adapters_can_be_replaced(server: Keeping, short: list[object]) -> None:
    """They are looked at with every request."""
    with Keeping() as other, transport(server) as made:
        heads_of(server, made, 2)
        made.host = f"{other.url}/elsewhere"
        made.send(POST)
        made.send(POST)
        assert [received.raw.split()[1] for received in other.received] == [b"/elsewhere" + POST.path.encode()] * 2
        made.host = server.url
        made.session.close()
        assert len(heads_of(server, made, 2)) == 2
        first = made.session
        made.session = a_session(lambda session: session.headers.update({"X-Other": "yes"}))
        assert all(b"X-Other: yes" in head for head in heads_of(server, made, 2))
        first.close()
        canned = mock.Mock(spec=HTTPAdapter)
        canned.send.side_effect = requests.ConnectionError("canned")
        made.session.mount(f"{server.url}/external-job-api", canned)
        made.timeout = (7.0, 8.0)
        with pytest.raises(TransportFailure, match="canned"):
            made.send(POST)
        assert canned.send.call_args.kwargs["timeout"] == (7.0, 8.0)
    assert len(short) == 4


class Overridden(requests.Session):
    """A session that does one thing its own way, and says so."""

    noted: list[str]


def overriding(name: str) -> type[requests.Session]:
    """Return a class of sessions that notes the calls of one method."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.noted.append(name)
        return getattr(requests.Session, name)(self, *args, **kwargs)

    return type("Own", (Overridden,), {name: method})


METHODS = ["post", "request", "prepare_request", "merge_environment_settings", "send", "get_adapter"]


@pytest.mark.parametrize("name", METHODS)
def test_what_a_subclass_overrides_is_called(server: Keeping, name: str) -> None:
    """For each request."""
    server.says([])
    with transport(server) as made:
        made.session = overriding(name)()
        made.session.noted = []  # type: ignore[attr-defined]
        made.session.mount("http://", InterruptibleAdapter())
        for _ in range(3):
            made.send(POST)
        assert made.session.noted == [name] * 3  # type: ignore[attr-defined]
        made.session.close()


@pytest.mark.parametrize("late", [False, True], ids=["before", "while at work"])
@pytest.mark.parametrize("where", ["session", "class"])
@pytest.mark.parametrize("name", METHODS)
def test_what_is_patched_is_called(server: Keeping, name: str, where: str, late: bool) -> None:
    """On the session or its class, before the first request or while connections are open. Not any more after."""
    server.says([])
    with transport(server) as made:
        for _ in range(2 if late else 0):
            made.send(POST)
        original = getattr(requests.Session, name)
        calls: list[str] = []

        def patched(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return original(*(args if where == "class" else (made.session, *args)), **kwargs)

        with mock.patch.object(made.session if where == "session" else requests.Session, name, patched):
            for _ in range(3):
                assert made.send(POST).status == 204
        assert calls == [name] * 3
        made.send(POST)
        assert len(calls) == 3


BELOW: list[tuple[Any, str]] = [
    (HTTPAdapter, "send"),
    (HTTPAdapter, "get_connection_with_tls_context"),
    (HTTPAdapter, "cert_verify"),
    (HTTPAdapter, "add_headers"),
    (HTTPAdapter, "build_response"),
    (urllib3.HTTPConnectionPool, "urlopen"),
    (urllib3.HTTPConnectionPool, "_make_request"),
    (urllib3.HTTPConnectionPool, "_get_conn"),
    (urllib3.HTTPConnectionPool, "_put_conn"),
    (urllib3.connection.HTTPConnection, "request"),
    (urllib3.connection.HTTPConnection, "getresponse"),
    (urllib3.connection.HTTPConnection, "putrequest"),
    (http.client.HTTPConnection, "putrequest"),
    (http.client.HTTPConnection, "endheaders"),
    (http.client.HTTPConnection, "getresponse"),
    (http.client.HTTPConnection, "send"),
    (http.client.HTTPResponse, "begin"),
    (HTTPBasicAuth, "__call__"),
    (requests.PreparedRequest, "prepare"),
]


@pytest.mark.parametrize(("owner", "name"), BELOW, ids=lambda value: getattr(value, "__name__", value))
def test_what_is_patched_below_the_session_is_called(server: Keeping, owner: Any, name: str) -> None:
    """As instrumentation and recorders do."""
    server.says([])
    original = getattr(owner, name)
    with transport(server, lambda session: setattr(session, "auth", ("u", "p"))) as made:
        made.send(POST)
        made.send(POST)
        calls: list[str] = []

        def patched(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return original(*args, **kwargs)

        # With the name and the module of what it stands for.
        patched.__module__, patched.__qualname__ = original.__module__, original.__qualname__
        assert as_shipped()
        with mock.patch.object(owner, name, patched):
            assert not as_shipped()
            for _ in range(3):
                assert made.send(POST).status == 204
        assert len(calls) >= 3
        assert as_shipped()


def test_what_is_patched_on_the_adapter_itself_is_called(server: Keeping) -> None:
    """Also on ours, and a subclass of it is somebody's own."""
    server.says([])
    with transport(server) as made:
        heads_of(server, made, 2)
        adapter = made.session.get_adapter(server.url)
        with mock.patch.object(adapter, "send", side_effect=adapter.send) as send:
            made.send(POST)
            made.send(POST)
        assert send.call_count == 2

        class Own(InterruptibleAdapter):
            sent = 0

            def send(self, *args: Any, **kwargs: Any) -> requests.Response:
                self.sent += 1
                return super().send(*args, **kwargs)

        own = Own()
        made.session.mount(server.url, own)
        made.send(POST)
        made.send(POST)
        assert own.sent == 2


def test_mocks_take_over_while_connections_are_open(server: Keeping, short: list[object]) -> None:
    """And let go again."""
    with transport(server) as made:
        heads_of(server, made, 2)
        with responses.RequestsMock() as mocked:
            mocked.post(f"{made.host}{POST.path}", status=418)
            assert made.send(POST).status == 418
        with requests_mock.Mocker() as mocking:
            mocking.post(f"{made.host}{POST.path}", status_code=419)
            assert made.send(POST).status == 419
        with mock.patch.object(
            requests.Session, "send", return_value=mock.Mock(status_code=420, headers={}, history=[])
        ):
            assert made.send(POST).status == 420
        assert len(heads_of(server, made, 1)) == 1
    assert len(short) == 1


def test_resends_of_the_adapter_are_urllib3_s(server: Keeping, short: list[object]) -> None:
    """Somebody has mounted our adapter with some, or given it some."""
    with transport(server) as made:
        heads_of(server, made, 2)
        made.session.get_adapter(server.url).max_retries = urllib3.Retry(  # type: ignore[attr-defined]
            1, status_forcelist=[503], allowed_methods=None
        )
        server.says([b"HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n", OK])
        assert made.send(POST).status == 204
    assert len(short) == 1


def test_logs_and_prints_of_requests_are_as_ever(
    server: Keeping, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """urllib3's lines at level DEBUG, and what http.client prints."""
    with transport(server) as made:
        heads_of(server, made, 2)
        with caplog.at_level("DEBUG", "urllib3"):
            heads_of(server, made, 2)
        assert sum('"POST /flowable-rest/external' in record.getMessage() for record in caplog.records) == 2
        with mock.patch.object(http.client.HTTPConnection, "debuglevel", 1):
            heads_of(server, made, 2)
        assert capsys.readouterr().out.count("send:") >= 2
        with mock.patch.multiple(http.client.HTTPConnection, _http_vsn=10, _http_vsn_str="HTTP/1.0"):
            (head,) = heads_of(server, made, 1)
        assert b" HTTP/1.0\r\n" in head


def test_audit_hooks_see_what_is_sent(server: Keeping) -> None:
    """`http.client.send`, as http.client says it."""
    with transport(server) as made:
        heads_of(server, made, 1)
        with mock.patch.object(sys, "audit") as audit:
            heads_of(server, made, 1)
    ((event, _, data),) = [call.args for call in audit.call_args_list]
    assert (event, data.endswith(BODY)) == ("http.client.send", True)


def test_copies_of_sessions_work(server: Keeping, short: list[object]) -> None:
    """Copied deeply, or pickled."""
    with transport(server) as made:
        first = made.session
        for again in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):  # noqa: S301 - our own
            made.session = again
            assert len(heads_of(server, made, 2)) == 2
            again.close()
        made.session = first
    assert len(short) == 2


def test_a_broken_address_raises_what_requests_raises(server: Keeping) -> None:
    """It can be put in the place of the one that was checked."""
    for host in (
        "nonsense",
        "http://",
        "canned://engine",
        f"{server.url}/a?b=c",
        f"{server.url}/a#b",
        "http://*.x",
        "",
    ):
        through, lean = (seen_of(server, way, id, [POST, POST], [], host or "/") for way in WAYS)
        assert lean == through


def test_whatever_ends_a_request_early_ends_its_connection(server: Keeping) -> None:
    """A signal, say: what comes late is not taken for the answer to the next request."""
    with transport(server) as made:
        heads_of(server, made, 2)
        with mock.patch.object(pools, "read_answer", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            made.send(POST)
        before = server.connections
        heads_of(server, made, 2)
        assert server.connections == before + 1


def test_requests_of_many_threads_do_not_get_mixed_up(server: Keeping) -> None:
    """Each gets its own answer, usual or not, and there are no more connections than threads."""

    def reply(received: Any) -> Reply:
        number = re.search(rb"/jobs/([0-9]+) ", received.raw)
        assert number is not None
        text = number[1]
        extra = b"Set-Cookie: n=%b; Path=/nowhere\r\n" % text if int(text) % 3 == 0 else b""
        return b"HTTP/1.1 200 \r\n%bContent-Length: %d\r\n\r\n%b" % (extra, len(text), text)

    server.reply = reply
    before = server.connections
    wrong: list[object] = []
    with transport(server) as made:

        def work(begin: int) -> None:
            for number in range(begin, begin + 40):
                response = made.send(Request(GET, GET.at(str(number))))
                if response.body != str(number).encode():
                    wrong.append(response)

        threads = [threading.Thread(target=work, args=(1_000 * each,)) for each in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert wrong == []
    assert server.connections - before <= 4


def test_reads_of_the_short_way_are_interrupted(server: Keeping) -> None:
    """The one that waits for an answer ends at once, with the error of a lost connection."""
    arrived = threading.Event()

    def reply(received: Any) -> Reply:
        arrived.set()
        return (HANG,)

    with transport(server) as made:
        made.timeout = (5.0, 60.0)
        heads_of(server, made, 2)
        server.reply = reply
        outcomes: list[Any] = []
        thread = threading.Thread(target=lambda: outcomes.append(outcome_of(made, POST)))
        thread.start()
        assert arrived.wait(10)
        adapter = made.session.get_adapter(server.url)
        assert isinstance(adapter, InterruptibleAdapter)
        adapter.connections.interrupt()
        thread.join(10)
        assert outcomes[0][1] is requests.ConnectionError
        server.says([])
        assert made.send(POST).status == 204


def test_without_a_home_there_is_no_netrc(server: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for requests."""
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", "/nonexistent")
    the_same(server, [POST, POST], [])
