"""The fault proxy: what passes, what goes wrong on demand, what it remembers, and what is left of it afterwards."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
import requests
import urllib3.exceptions

from flowable.external_worker_client import (
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    WorkerResultBuilder,
    WorkResult,
)
from flowable.external_worker_client.testing import (
    EmbeddedEngine,
    EmbeddedServer,
    FaultProxy,
    MovingClock,
    Process,
    Task,
    UserTask,
    WireFault,
)

ACQUIRE = {"topic": "t", "lockDuration": "PT10M", "workerId": "w"}
WORKER = {"workerId": "w"}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """Return a server that all tests of the module share."""
    engine = EmbeddedEngine(Process("one", Task("work", "t", exclusive=False), UserTask("after")), clock=MovingClock())
    with EmbeddedServer(engine) as running:
        yield running


@pytest.fixture
def engine(server: EmbeddedServer) -> Iterator[EmbeddedEngine]:
    """Return its engine, with one job."""
    instance = server.engine.start("one")
    yield server.engine
    server.engine.delete(instance)


@pytest.fixture
def proxy(server: EmbeddedServer) -> Iterator[FaultProxy]:
    """Return a proxy before it."""
    with FaultProxy(server.url) as running:
        yield running


@pytest.fixture
def api(proxy: FaultProxy) -> str:
    """Return the address of the external job API, through the proxy."""
    return f"{proxy.url}/external-job-api"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Return a session that is closed afterwards."""
    with requests.Session() as session:
        yield session


class Script:
    """A server that answers one connection from a list of raw answers, then ends it."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.received: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/app"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with self._listener, self._listener.accept()[0] as connection:
            for answer in self._answers:
                self.received.append(connection.recv(65_536))
                connection.sendall(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


def raw(proxy: FaultProxy, *requests_: bytes) -> bytes:
    """Send bytes, and return all that comes back until the end of the connection."""
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        connection.sendall(b"".join(requests_))
        received = b""
        while piece := connection.recv(65_536):
            received += piece
        return received


def cause_of(error: BaseException) -> list[type[BaseException]]:
    """Return the types of an exception, of what it carries, and of what that carries."""
    found: list[type[BaseException]] = []
    inner: object = error
    while isinstance(inner, BaseException):
        found.append(type(inner))
        reason = getattr(inner, "reason", None)
        carried = [reason, *reversed(inner.args)]
        inner = next((each for each in carried if isinstance(each, BaseException)), None)
    return found


# ---------------------------------------------------------------- what passes


def test_a_worker_does_not_notice_a_proxy_without_faults(
    engine: EmbeddedEngine, proxy: FaultProxy, api: str, session: requests.Session
) -> None:
    """Answers come as the engine gives them, on one connection, and what came by is remembered."""
    [job] = session.post(f"{api}/acquire/jobs", json=ACQUIRE).json()
    assert job["url"] == f"{api}/jobs/{job['id']}"
    answer = session.post(f"{api}/acquire/jobs/{job['id']}/complete", json=WORKER)
    assert (answer.status_code, answer.content) == (204, b"")
    assert session.get(f"{api}/jobs/{job['id']}").status_code == 404
    assert session.head(f"{api}/jobs").headers["Content-Type"] == "application/json"
    assert proxy.connections == 1
    seen = [(each.operation, each.job_id, each.status, each.answered, each.fault) for each in proxy.exchanges]
    assert seen == [
        ("acquire", None, 200, 200, None),
        ("complete", job["id"], 204, 204, None),
        ("get", job["id"], 404, 404, None),
        ("list", None, 200, 200, None),
    ]
    assert json.loads(proxy.exchanges[0].request) == ACQUIRE
    assert engine.instances("one")[-1].tasks == ("after",)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/external-job-api/acquire/jobs", ("acquire", None)),
        ("POST", "/external-job-api/acquire/jobs/a%20b/complete", ("complete", "a b")),
        ("POST", "/external-job-api/acquire/jobs/a/bpmnError", ("bpmn_error", "a")),
        ("POST", "/external-job-api/acquire/jobs/a/cmmnTerminate", ("cmmn_terminate", "a")),
        ("POST", "/external-job-api/acquire/jobs/a/fail", ("fail", "a")),
        ("POST", "/external-job-api/unacquire/jobs", ("unacquire_all", None)),
        ("POST", "/external-job-api/unacquire/jobs/a", ("unacquire", "a")),
        ("GET", "/external-job-api/jobs?size=1", ("list", None)),
        ("GET", "/external-job-api/jobs/a", ("get", "a")),
        ("PUT", "/external-job-api/jobs/a", ("other", None)),
        ("GET", "/service/runtime/process-instances", ("other", None)),
    ],
)
def test_requests_are_known_by_the_names_of_operations(
    method: str, path: str, expected: tuple[str, str | None], proxy: FaultProxy, session: requests.Session
) -> None:
    """The names are those of the engine's own faults."""
    session.request(method, proxy.url + path, json={})
    [exchange] = proxy.exchanges
    assert (exchange.operation, exchange.job_id) == expected
    assert (exchange.method, exchange.target) == (method, "/flowable-rest" + path)


def test_messages_pass_byte_for_byte() -> None:
    """Spelling and order of headers, chunks with their extensions and trailers, and empty answers."""
    odd = b"HTTP/1.1 200 Fine\r\nx-ODD:  a b\r\nTransfer-Encoding: chunked\r\n\r\n2;x=1\r\n[]\r\n0\r\nX-End: 1\r\n\r\n"
    empty = b"HTTP/1.1 204 \r\n\r\n"
    last = b"HTTP/1.0 200 OK\r\n\r\nuntil the end"
    asked = [
        b"POST /app/a HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST /app/b HTTP/1.1\r\nhOST: x\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /app/c HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    with Script(odd, empty, last) as script, FaultProxy(script.url) as proxy:
        assert raw(proxy, *asked) == odd + empty + last
        assert [(each.status, each.request) for each in proxy.exchanges] == [(200, b"abc"), (204, b"{}"), (200, b"")]
    assert script.received == asked


def test_a_client_that_waits_for_permission_gets_it(engine: EmbeddedEngine, proxy: FaultProxy) -> None:
    """`Expect: 100-continue` is answered before the body is read."""
    body = json.dumps(ACQUIRE).encode()
    head = "POST /flowable-rest/external-job-api/acquire/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert [job["lockOwner"] for job in json.loads(answer.read())] == ["w"]


def test_what_a_server_says_in_between_is_not_the_answer() -> None:
    """Neither 100 nor 103."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    with Script(interim + answer) as script, FaultProxy(script.url) as proxy:
        assert raw(proxy, b"GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n") == answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", id="half a head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", id="half a body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n[", id="half a chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", id="no chunk"),
        pytest.param(b"nonsense\r\n\r\n", id="no HTTP"),
    ],
)
def test_what_a_server_leaves_unfinished_stays_unfinished(answer: bytes) -> None:
    """As much of an answer as there was is passed on, and the connection ends."""
    with Script(answer) as script, FaultProxy(script.url) as proxy:
        assert raw(proxy, b"GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n") == answer
        assert [(each.status, each.answered) for each in proxy.exchanges] == [(None, None)]


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHos", b"\r\n"])
def test_a_client_that_does_not_speak_http_is_hung_up_on(sent: bytes, proxy: FaultProxy) -> None:
    """Without an answer, and without an exchange."""
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert proxy.exchanges == ()


def test_connections_close_when_the_server_says_so(server: EmbeddedServer, proxy: FaultProxy) -> None:
    """After 400 and 500, and after the hundredth request, as directly."""
    assert [closed_after(url, 120) for url in (server.url, proxy.url)] == [[2, 3, 103], [2, 3, 103]]


def test_the_proxy_closes_connections_itself_if_asked(server: EmbeddedServer) -> None:
    """After so many requests, and after certain statuses, whatever the server does."""
    with (
        EmbeddedServer(server.engine, requests_per_connection=None) as endless,
        FaultProxy(endless.url, requests_per_connection=50, close_after=[404]) as proxy,
    ):
        assert closed_after(endless.url, 120) == [2, 3]
        assert closed_after(proxy.url, 10) == list(range(1, 11))
        proxy.close_after = frozenset()
        assert closed_after(proxy.url, 120) == [2, 3, 53, 103]


def closed_after(url: str, count: int) -> list[int]:
    """Return after which of many requests the connection was closed: one 404, one 400, one 500, then only 404s."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=5)
    closed = []
    for number in range(1, count + 1):
        path = {2: "/jobs?sort=x", 3: "/jobs?start=x"}.get(number, "/jobs/x")
        connection.request("GET", f"{where.path}/external-job-api{path}", headers={"Connection": "keep-alive"})
        answer = connection.getresponse()
        answer.read()
        if answer.getheader("connection") == "close":
            closed.append(number)
            assert connection.sock is None
    connection.close()
    return closed


def test_an_idle_connection_ends_with_the_servers() -> None:
    """A server that hangs up on an idle connection ends the client's as well."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with Script(answer) as script, FaultProxy(script.url) as proxy:
        assert raw(proxy, b"GET /app/ HTTP/1.1\r\nHost: x\r\n\r\n") == answer
        proxy.wait_until(lambda proxy: proxy.connections == 0)


def test_a_server_that_is_away_is_a_bad_gateway(session: requests.Session) -> None:
    """The proxy says so, as any gateway would."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with FaultProxy(f"http://127.0.0.1:{port}") as proxy:
        answer = session.get(f"{proxy.url}/external-job-api/jobs")
        assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
        assert f"nothing answers at 127.0.0.1:{port}" in answer.text
        assert [(each.status, each.answered) for each in proxy.exchanges] == [(None, 502)]


# ---------------------------------------------------------------- lost answers


@pytest.mark.parametrize(
    ("fault", "expected"), [("reset", ConnectionResetError), ("close", http.client.RemoteDisconnected)]
)
@pytest.mark.parametrize(("when", "owner"), [("before", None), ("after", "w")])
def test_an_answer_is_lost_before_or_after_the_effect(
    fault: str,
    expected: type[Exception],
    when: Any,
    owner: str | None,
    engine: EmbeddedEngine,
    proxy: FaultProxy,
    api: str,
    session: requests.Session,
) -> None:
    """The client sees how the connection ended; the job is locked only if the request went through."""
    getattr(proxy.faults, fault)("acquire", when)
    with pytest.raises(requests.ConnectionError) as caught:
        session.post(f"{api}/acquire/jobs", json=ACQUIRE)
    assert expected in cause_of(caught.value)
    assert engine.jobs("t")[0].lock_owner == owner
    [exchange] = proxy.exchanges
    assert (exchange.status, exchange.answered) == (None if owner is None else 200, None)
    assert exchange.fault == WireFault(operation="acquire", carried_out=when == "after", ending=fault)  # type: ignore[arg-type]
    assert session.get(f"{api}/jobs").status_code == 200


@pytest.mark.parametrize("framing", ["as it is", "chunked", "length"])
@pytest.mark.parametrize("part", [0, 0.5, 0.999])
def test_a_cut_off_answer_is_incomplete(
    framing: Any, part: float, engine: EmbeddedEngine, proxy: FaultProxy, api: str, session: requests.Session
) -> None:
    """With a length that promises more, and in chunks without the last; the job is locked all the same."""
    proxy.faults.cut_off("acquire", framing=framing, part=part)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.post(f"{api}/acquire/jobs", json=ACQUIRE)
    assert engine.jobs("t")[0].lock_owner == "w"
    [exchange] = proxy.exchanges
    assert (exchange.status, exchange.answered) == (200, None)


def test_an_answer_without_a_body_is_cut_in_its_head(proxy: FaultProxy, engine: EmbeddedEngine) -> None:
    """There is nothing else to cut."""
    proxy.faults.cut_off("unacquire_all", part=0.2)
    head = b"POST /flowable-rest/external-job-api/unacquire/jobs HTTP/1.1\r\nHost: x\r\n"
    head += b"Content-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    received = raw(proxy, head + b'{"workerId":"w"}')
    assert received.startswith(b"HTTP/1.1 204")
    assert not received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("framing", "header"), [("length", "content-length"), ("chunked", "transfer-encoding")])
def test_the_length_of_an_answer_is_told_as_wanted(
    framing: Any, header: str, proxy: FaultProxy, api: str, session: requests.Session
) -> None:
    """In a header or in chunks; the content is the same."""
    proxy.faults.add(WireFault(operation="list", framing=framing))
    answer = session.get(f"{api}/jobs")
    lengths = {name.lower() for name in answer.headers} & {"content-length", "transfer-encoding"}
    assert (lengths, answer.json()["start"]) == ({header}, 0)


# ---------------------------------------------------------------- other answers


@pytest.mark.parametrize("status", [502, 503, 504, 599])
def test_a_gateway_answers_with_a_page(
    status: int, engine: EmbeddedEngine, proxy: FaultProxy, api: str, session: requests.Session
) -> None:
    """Instead of the engine, which did nothing; or after it did, when the gateway lost its patience."""
    proxy.faults.html("acquire", status=status, retry_after=7)
    proxy.faults.html("acquire", status=status, when="after")
    owners = []
    for _ in range(2):
        answer = session.post(f"{api}/acquire/jobs", json=ACQUIRE)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")
        assert f"<h1>{status}" in answer.text
        owners.append((engine.jobs("t")[0].lock_owner, answer.headers.get("Retry-After")))
    assert owners == [(None, "7"), ("w", None)]
    assert proxy.connections == 1


def test_a_login_page_comes_in_between(proxy: FaultProxy, api: str, session: requests.Session) -> None:
    """As a page with 200, or by a redirect to it, whose request can be answered too."""
    proxy.faults.login_page("any")
    assert "password" in session.get(f"{api}/jobs").text
    proxy.faults.login_page("list", status=302)
    proxy.faults.login_page("other")
    answer = session.get(f"{api}/jobs")
    assert [(step.status_code, step.headers.get("Location")) for step in answer.history] == [(302, "/login")]
    assert (answer.status_code, answer.url) == (200, f"http://127.0.0.1:{proxy.port}/login")
    assert "password" in answer.text


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"a": 1}, "application/json"),
        ("text", "text/plain;charset=UTF-8"),
        (b"bytes", "application/octet-stream"),
        (b"", None),
    ],
)
def test_any_answer_can_be_given(
    body: object, content_type: str | None, proxy: FaultProxy, api: str, session: requests.Session
) -> None:
    """With any status and body; the content type is that of the body."""
    proxy.faults.next("list", status=418, body=body, headers={"X-Kind": "brown"})
    answer = session.get(f"{api}/jobs")
    sent = json.dumps(body, separators=(",", ":")).encode() if isinstance(body, dict) else body
    assert answer.content == (sent.encode() if isinstance(sent, str) else sent)
    found = (answer.status_code, answer.headers["X-Kind"], answer.headers.get("Content-Type"))
    assert found == (418, "brown", content_type)


def test_an_answer_without_a_body_has_no_length(proxy: FaultProxy, api: str, session: requests.Session) -> None:
    """204 in place of the engine's answer, and no body for HEAD; the connection goes on."""
    proxy.faults.next("complete", status=204)
    answer = session.post(f"{api}/acquire/jobs/x/complete", json=WORKER)
    assert (answer.status_code, dict(answer.headers), answer.content) == (204, {}, b"")
    proxy.faults.html("list", status=503)
    assert session.head(f"{api}/jobs").status_code == 503
    assert session.get(f"{api}/jobs").status_code == 200
    assert proxy.connections == 1


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(("when", "owner"), [("before", None), ("after", "w")])
def test_a_request_hangs_until_it_is_released(
    when: Any, owner: str | None, engine: EmbeddedEngine, proxy: FaultProxy, api: str
) -> None:
    """Before or after its effect; then all goes on as if nothing had been."""
    proxy.faults.hang("acquire", when)
    answers: list[int] = []
    thread = in_thread(
        lambda: answers.append(requests.post(f"{api}/acquire/jobs", json=ACQUIRE, timeout=30).status_code)
    )
    proxy.wait_until(lambda proxy: proxy.hanging == 1)
    assert (engine.jobs("t")[0].lock_owner, answers) == (owner, [])
    proxy.release()
    thread.join(10)
    assert (engine.jobs("t")[0].lock_owner, answers) == ("w", [200])
    assert proxy.hanging == 0


def test_a_request_that_was_given_up_is_carried_out_all_the_same(
    engine: EmbeddedEngine, proxy: FaultProxy, api: str, session: requests.Session
) -> None:
    """As by an engine whose database comes back: the client has gone, the job is locked."""
    proxy.faults.hang("acquire", "before")
    with pytest.raises(requests.ReadTimeout):
        session.post(f"{api}/acquire/jobs", json=ACQUIRE, timeout=0.1)
    session.close()
    assert engine.jobs("t")[0].lock_owner is None
    proxy.release()
    proxy.wait_until(lambda proxy: len(proxy.exchanges) == 1)
    assert engine.jobs("t")[0].lock_owner == "w"


def test_a_request_hangs_for_a_while(proxy: FaultProxy, api: str, session: requests.Session) -> None:
    """Only so long, without a release; a release ends it earlier, but does not end a delay."""
    proxy.faults.hang("list", seconds=0.05)
    proxy.faults.delay("list", 0.05)
    proxy.faults.delay("list", 0.05, "before")
    for _ in range(3):
        began = time.monotonic()
        assert session.get(f"{api}/jobs").status_code == 200
        assert time.monotonic() - began >= 0.05
    proxy.faults.hang("list", seconds=60)
    thread = in_thread(lambda: requests.get(f"{api}/jobs", timeout=30))
    proxy.wait_until(lambda proxy: proxy.hanging == 1)
    proxy.release()
    thread.join(10)
    assert not thread.is_alive()


# ---------------------------------------------------------------- refused


def test_connections_are_refused_for_a_while(proxy: FaultProxy, api: str, session: requests.Session) -> None:
    """Nothing listens, connections that were open have ended, and the port stays the proxy's."""
    url = proxy.url
    assert session.get(f"{api}/jobs").status_code == 200
    proxy.refuse()
    proxy.refuse()
    proxy.wait_until(lambda proxy: proxy.connections == 0)
    for _ in range(3):
        with pytest.raises(requests.ConnectionError) as caught:
            session.get(f"{api}/jobs")
        assert urllib3.exceptions.NewConnectionError in cause_of(caught.value)
    proxy.accept()
    proxy.accept()
    assert (session.get(f"{api}/jobs").status_code, proxy.url) == (200, url)


def test_connections_are_accepted_again_by_themselves(proxy: FaultProxy, api: str) -> None:
    """After so many seconds."""
    proxy.refuse(0.1)
    began = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{api}/jobs", timeout=5)
    status = None
    while status is None and time.monotonic() - began < 10:
        with contextlib.suppress(requests.ConnectionError):
            status = requests.get(f"{api}/jobs", timeout=5).status_code
    assert status == 200
    assert time.monotonic() - began >= 0.1


@pytest.mark.parametrize(("when", "owner"), [("before", None), ("after", "w")])
def test_an_engine_dies_when_a_request_arrives(
    when: Any, owner: str | None, engine: EmbeddedEngine, proxy: FaultProxy, api: str, session: requests.Session
) -> None:
    """Its connection is reset, before or after the effect, those of others end, and new ones are refused."""
    proxy.faults.hang("get")
    other = in_thread(lambda: lost(f"{api}/jobs/x"))
    proxy.wait_until(lambda proxy: proxy.hanging == 1)
    proxy.faults.go_down("acquire", 60, when)
    with pytest.raises(requests.ConnectionError) as caught:
        session.post(f"{api}/acquire/jobs", json=ACQUIRE)
    assert ConnectionResetError in cause_of(caught.value)
    assert engine.jobs("t")[0].lock_owner == owner
    other.join(10)
    assert not other.is_alive()
    with pytest.raises(requests.ConnectionError) as caught:
        session.get(f"{api}/jobs")
    assert urllib3.exceptions.NewConnectionError in cause_of(caught.value)
    proxy.accept()
    assert session.get(f"{api}/jobs").status_code == 200


# ---------------------------------------------------------------- how often


def test_faults_happen_in_the_order_in_which_they_were_planned(
    proxy: FaultProxy, api: str, session: requests.Session
) -> None:
    """Each so many times, then all is well; others are not touched, and what is planned can be forgotten."""
    proxy.faults.html("list", status=503, times=2)
    proxy.faults.html("list", status=504)
    proxy.faults.html("get", times=None)
    assert proxy.faults.pending == 3
    assert [session.get(f"{api}/jobs").status_code for _ in range(4)] == [503, 503, 504, 200]
    assert [session.get(f"{api}/jobs/x").status_code for _ in range(3)] == [502, 502, 502]
    assert len(proxy.exchanges_of("get")) == len(proxy.exchanges_of("get", "x")) == 3
    proxy.clear()
    assert (session.get(f"{api}/jobs/x").status_code, len(proxy.exchanges)) == (404, 1)


def test_a_share_is_the_same_for_the_same_seed(server: EmbeddedServer, session: requests.Session) -> None:
    """A third of the requests, by dice that can be thrown again."""

    def statuses(seed: int) -> list[int]:
        with FaultProxy(server.url, seed=seed) as proxy:
            proxy.faults.html("list", status=503, times=None, share=1 / 3)
            return [session.get(f"{proxy.url}/external-job-api/jobs").status_code for _ in range(60)]

    first = statuses(1)
    assert statuses(1) == first
    assert statuses(2) != first
    assert 10 <= Counter(first)[503] <= 30


# ---------------------------------------------------------------- what is left


def test_many_clients_are_served_at_once(server: EmbeddedServer, proxy: FaultProxy, api: str) -> None:
    """Every one gets its own answers, while others hang."""
    proxy.faults.hang("list", times=20)
    hanging = [in_thread(lambda: requests.get(f"{api}/jobs", timeout=30)) for _ in range(20)]
    proxy.wait_until(lambda proxy: proxy.hanging == 20)
    wrong: list[str] = []

    def ask(client: int) -> None:
        with requests.Session() as session:
            for number in range(10):
                job_id = f"{client}-{number}"
                if job_id not in session.get(f"{api}/jobs/{job_id}", timeout=30).text:
                    wrong.append(job_id)

    asking = [in_thread(lambda client=client: ask(client)) for client in range(30)]  # type: ignore[misc]
    for thread in asking:
        thread.join(30)
    proxy.release()
    for thread in hanging:
        thread.join(10)
    assert wrong == []
    assert Counter((each.operation, each.answered) for each in proxy.exchanges) == {
        ("get", 404): 300,
        ("list", 200): 20,
    }


def test_nothing_is_left_after_a_stop(server: EmbeddedServer) -> None:
    """Requests that hang end at once, no thread stays, and the port is free; a stop can be repeated."""
    before = set(threading.enumerate())
    proxy = FaultProxy(server.url).start()
    assert proxy.start() is proxy
    port, url = proxy.port, f"{proxy.url}/external-job-api/jobs"
    proxy.faults.hang("list", times=5)
    threads = [in_thread(lambda: lost(url)) for _ in range(5)]
    proxy.wait_until(lambda proxy: proxy.hanging == 5)
    began = time.monotonic()
    proxy.stop()
    assert time.monotonic() - began < 1
    for thread in threads:
        thread.join(10)
    assert set(threading.enumerate()) <= before
    proxy.stop()
    proxy.accept()
    assert "stopped" in repr(proxy)
    with FaultProxy(server.url, port=port) as again:
        assert again.url.startswith(f"http://127.0.0.1:{port}/")
        assert again.url in repr(again)
        with pytest.raises(OSError, match="in use"):
            FaultProxy(server.url, port=port).start()


def test_a_proxy_that_refuses_can_be_stopped(server: EmbeddedServer) -> None:
    """And started again, accepting."""
    proxy = FaultProxy(server.url).start()
    proxy.refuse(60)
    proxy.stop()
    with proxy:
        assert requests.get(f"{proxy.url}/external-job-api/jobs", timeout=5).status_code == 200


def test_what_cannot_be_is_refused(proxy: FaultProxy) -> None:
    """The error names the parameter and what is accepted, and shows no password."""
    for url in ("https://localhost/", "localhost:80", "http://user:secret@localhost/", "http:///x"):
        with pytest.raises(ValueError, match="target_url: accepted is http://host:port/path") as caught:
            FaultProxy(url)
        assert "secret" not in str(caught.value)
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: FaultProxy("http://localhost", requests_per_connection=0), "requests_per_connection: 0"),
        (lambda: proxy.refuse(0), "seconds: 0 is not accepted"),
        (lambda: proxy.faults.go_down("list", 0), "seconds: 0 is not accepted"),
        (lambda: proxy.faults.hang("list", seconds=0), "seconds: 0 is not accepted"),
        (lambda: proxy.faults.delay("list", -1), "delay: -1 is not accepted"),
        (lambda: proxy.faults.cut_off("list", part=1), "part: 1 is not accepted"),
        (lambda: proxy.faults.reset("nothing"), "operation: 'nothing' is not known; accepted are acquire"),  # type: ignore[arg-type]
        (lambda: proxy.faults.reset("list", share=2), "share: 2 is not accepted"),
        (lambda: proxy.faults.reset("list", times=0), "times: 0 is not accepted"),
    ]
    for call, message in refused:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(RuntimeError, match="the proxy is not started"):
        FaultProxy("http://localhost").refuse()
    with pytest.raises(TimeoutError, match="did not hold within 0 s; 0 exchanges, 0 hang, 0 connections"):
        proxy.wait_until(lambda proxy: False, 0)


def in_thread(call: Callable[[], object]) -> threading.Thread:
    """Call a function on a thread of its own."""
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def lost(url: str) -> None:
    """Ask for something, and get no answer."""
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=30)


# ---------------------------------------------------------------- a worker on a bad wire


@pytest.mark.parametrize("transport", ["requests", "fast"])
def test_a_worker_on_a_bad_wire_finishes_every_job_once(transport: Any) -> None:
    """A third of all requests goes wrong, before or after its effect; every instance ends with its own result."""
    clock = MovingClock()
    engine = EmbeddedEngine(Process("p", Task("work", "t", exclusive=False)), clock=clock)
    runs: Counter[str] = Counter()

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        runs[job.id] += 1
        number = job.variables[0].value
        assert isinstance(number, int)
        return result.success().variable_int("answer", number * 2)

    instances = {engine.start("p", {"number": number}): number for number in range(15)}
    with EmbeddedServer(engine) as server, FaultProxy(server.url, seed=3) as proxy:
        faults = proxy.faults
        for plan in (faults.html, faults.login_page):
            plan("any", times=None, share=0.05)
        for lose in (faults.reset, faults.close):
            lose("any", "before", times=None, share=0.05)
            lose("any", "after", times=None, share=0.05)
        client = ExternalWorkerClient(proxy.url, clock=clock, transport=transport)
        subscription = client.subscribe("t", handler, number_of_tasks=1)
        deadline = time.monotonic() + 30
        while not all(engine.instance(instance).ended for instance in instances):
            assert time.monotonic() < deadline, f"{clock}, {engine.jobs()}"
            clock.advance(1)
            time.sleep(0.002)
        faults.clear()
        assert subscription.unsubscribe(5)
        wrong = [each for each in proxy.exchanges if each.fault is not None]
    assert len(wrong) >= 5
    assert {instance: engine.instance(instance).variables["answer"] for instance in instances} == {
        instance: number * 2 for instance, number in instances.items()
    }
