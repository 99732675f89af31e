"""The fast transport alone: what it refuses and names, what it does in processes that were forked, what it is asked.

What it does on the wire is in test_transports.py, for both transports.
"""

from __future__ import annotations

import builtins
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth
from tests.support.waiting import until
from tests.support.wire import CERTIFICATES, OK, free_port, full_port, serving, tls_of_a_server, wire
from urllib3.util import Retry

from flowable.external_worker_client import (
    ExternalWorkerClient,
    FlowableExternalWorkerRestClient,
    InvalidArgumentError,
    MissingExtraError,
)
from flowable.external_worker_client.rest.choice import why_not_fast
from flowable.external_worker_client.rest.interruptible import InterruptibleAdapter
from flowable.external_worker_client.rest.operations import COMPLETE
from flowable.external_worker_client.rest.pyreqwest_failures import failure
from flowable.external_worker_client.rest.pyreqwest_transport import PyreqwestTransport
from flowable.external_worker_client.rest.requests_transport import failure_kind
from flowable.external_worker_client.rest.small_pieces import allocated_in_small_pieces
from flowable.external_worker_client.rest.transport import FailureKind, Request, TransportFailure

OPTION = "MIMALLOC_ARENA_EAGER_COMMIT"
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
POST = Request(COMPLETE, COMPLETE.at("job-1"), b'{"workerId":"w"}')


def _transport(
    host: str | int, customize: Callable[[requests.Session], object] = id, session: requests.Session | None = None
) -> PyreqwestTransport:
    session = session or requests.Session()
    customize(session)
    return PyreqwestTransport(host if isinstance(host, str) else f"http://127.0.0.1:{host}", session, (2.0, 2.0))


# ---------------------------------------------------------------- choosing it


@pytest.mark.parametrize("given", ["Fast", "", "httpx", 1, True])
def test_other_transports_are_refused(given: Any) -> None:
    """With what is accepted."""
    for make in (FlowableExternalWorkerRestClient, ExternalWorkerClient):
        with pytest.raises(InvalidArgumentError, match=r'None or "requests" .*, or "fast"') as caught:
            make("http://127.0.0.1:9", "w", transport=given)
        assert caught.value.parameter == "transport"


@pytest.mark.parametrize(("given", "expected"), [(None, "requests"), ("requests", "requests"), ("fast", "fast")])
def test_a_client_says_which_transport_it_has(given: Any, expected: str) -> None:
    """Where it is looked for first: in what is printed."""
    with ExternalWorkerClient("http://127.0.0.1:9", "w", transport=given) as client:
        assert client._restClient.transport == expected
        assert ("transport='fast'" in repr(client)) == (expected == "fast")
        assert ("transport='fast'" in repr(client._restClient)) == (expected == "fast")
        assert isinstance(client._restClient.request_session, requests.Session)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is an ImportError, for those who catch these."""
    original = builtins.__import__

    def without_it(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.endswith("pyreqwest_transport"):
            raise ModuleNotFoundError("No module named 'pyreqwest'", name="pyreqwest.client")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_it)
    with pytest.raises(MissingExtraError, match=r"pip install .flowable\.external-worker-client\[fast\]") as caught:
        ExternalWorkerClient("http://127.0.0.1:9", transport="fast")
    assert isinstance(caught.value, ImportError)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - made above
    assert (str(again), again.what, again.extra) == (str(caught.value), 'transport="fast"', "fast")


def test_a_module_that_is_broken_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is there; something else is not."""
    original = builtins.__import__

    def broken(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.endswith("pyreqwest_transport"):
            raise ImportError("no such symbol", name="certifi")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(ImportError, match="no such symbol"):
        ExternalWorkerClient("http://127.0.0.1:9", transport="fast")


def test_the_fast_transport_is_chosen_when_nobody_could_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """And requests in all other cases, with the reason."""
    plain, encrypted = "http://engine.test", "https://engine.test"
    assert why_not_fast(plain, {}) is None
    assert why_not_fast(encrypted, {}) is None
    bundle = {"REQUESTS_CA_BUNDLE": "/ours.pem"}
    assert why_not_fast(plain, bundle) is None
    assert "REQUESTS_CA_BUNDLE" in str(why_not_fast(encrypted, bundle))
    assert "CURL_CA_BUNDLE" in str(why_not_fast(encrypted, {"CURL_CA_BUNDLE": "/ours.pem"}))
    with monkeypatch.context() as patch:
        patch.setattr(HTTPAdapter, "send", lambda *_, **__: None)
        assert "mocks" in str(why_not_fast(plain, {}))
    for version, expected in (("0.15.7", None), ("0.14.9", "0.14.9"), ("0.16.0", "0.16.0"), ("0.150.0", "0.150.0")):
        with monkeypatch.context() as patch:
            patch.setattr("flowable.external_worker_client.rest.choice.version", lambda _, found=version: found)
            reason = why_not_fast(plain, {})
            assert reason is None if expected is None else expected in str(reason)


def test_whoever_insists_is_told_that_mocks_see_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And nobody is while there are none."""
    _transport(9).close()
    assert caplog.messages == []
    monkeypatch.setattr(HTTPAdapter, "send", lambda *_, **__: None)
    _transport(9).close()
    [said] = caplog.messages
    assert "mocks" in said
    assert 'transport="requests"' in said


# ---------------------------------------------------------------- what it refuses


class Own(requests.Session):
    """A session of somebody's own."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Do something else, too."""
        return super().send(request, **kwargs)


def _mount_with_retries(session: requests.Session) -> None:
    session.mount("http://", HTTPAdapter(max_retries=3))


def _mount_with_a_policy(session: requests.Session) -> None:
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=0, status_forcelist=[503], read=0)))


class Signing(HTTPAdapter):
    """An adapter of somebody's own."""


def _mount_their_own(session: requests.Session) -> None:
    session.mount("http://", Signing())


def _hook(session: requests.Session) -> None:
    session.hooks["response"].append(print)


@pytest.mark.parametrize(
    ("customize", "session", "parameter"),
    [
        pytest.param(
            lambda session: session.hooks["response"].append(print),
            None,
            "request_session.hooks['response']",
            id="hook",
        ),
        pytest.param(
            lambda session: session.mount("http://", Signing()), None, "request_session.adapters", id="adapter"
        ),
        pytest.param(_mount_with_retries, None, "request_session.adapters", id="adapter that sends again"),
        pytest.param(_mount_with_a_policy, None, "request_session.adapters", id="adapter with a policy"),
        pytest.param(id, Own, "request_session.send", id="session of somebody's own"),
        pytest.param(
            lambda session: setattr(session, "post", session.get), None, "request_session.post", id="method replaced"
        ),
        pytest.param(
            lambda session: setattr(session, "cookies", {"a": "b"}), None, "request_session.cookies", id="cookies"
        ),
        pytest.param(
            lambda session: setattr(session, "auth", HTTPDigestAuth("a", "s3cret")), None, "auth", id="digest"
        ),
    ],
)
def test_what_requests_would_run_is_refused_by_name(
    customize: Callable[[requests.Session], object], session: type[requests.Session] | None, parameter: str
) -> None:
    """When the client is made, or later by the request that would need it; always with the way out."""
    with pytest.raises(InvalidArgumentError, match='transport="requests"') as caught:
        _transport(9, customize, session() if session else None)
    assert caught.value.parameter == parameter
    assert "s3cret" not in str(caught.value)
    with serving() as server, closing(_transport(server.port)) as made:
        made.send(POST)
        if session:
            made.session = session()
        customize(made.session)
        if parameter in (
            "request_session.send",
            "request_session.hooks['response']",
            "request_session.adapters",
            "auth",
        ):
            with pytest.raises(InvalidArgumentError, match='transport="requests"'):
                made.send(POST)
            assert len(server.requests) == 1


def test_what_leaves_everything_as_it_is_is_not_refused() -> None:
    """A class without methods of its own, adapters for other addresses, and those of this library."""

    class Named(requests.Session):
        label = "ours"

    def customize(session: requests.Session) -> None:
        session.mount("http://elsewhere.test", Signing())
        session.mount("http://", InterruptibleAdapter(pool_maxsize=3))
        session.hooks["response"] = []

    with serving() as server, closing(_transport(server.port, customize, Named())) as made:
        assert made.send(POST).status == 204


def _hooking(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.hooks["response"].append(print)
    return request


def _elsewhere(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.url = f"{request.url}?token=s3cret"
    return request


def _wrapping(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.body = b"{}"
    return request


def _nothing(_: requests.PreparedRequest) -> Any:
    return None


@pytest.mark.parametrize("auth", [_hooking, _elsewhere, _wrapping, _nothing], ids=lambda auth: auth.__name__)
def test_credentials_that_do_more_than_to_set_headers_are_refused_when_they_do(auth: Any) -> None:
    """Not when the client is made: asking them may take a request, and nothing is sent before there is one to send."""
    with serving() as server:
        made = _transport(server.port, lambda session: setattr(session, "auth", auth))
        for _ in range(2):
            with pytest.raises(
                InvalidArgumentError, match=f'which {auth.__name__} is not, for transport="fast"; transport="req'
            ) as caught:
                made.send(POST)
            assert caught.value.parameter == "auth"
            assert "s3cret" not in str(caught.value)
    assert server.requests == []


class Expensive(HTTPBasicAuth):
    """Credentials that are known, but for the class."""

    asked = 0

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Count."""
        type(self).asked += 1
        super().__call__(r)  # type: ignore[no-untyped-call]
        return r


def test_credentials_are_worked_out_once_when_they_stay_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a class of somebody's own each time."""
    asked: list[object] = []
    call: Any = HTTPBasicAuth.__call__

    def counted(self: HTTPBasicAuth, r: requests.PreparedRequest) -> requests.PreparedRequest:
        asked.append(self)
        call(self, r)
        return r

    monkeypatch.setattr(HTTPBasicAuth, "__call__", counted)
    auth = HTTPBasicAuth("a", "b")
    with serving() as server, closing(_transport(server.port, lambda s: setattr(s, "auth", auth))) as made:
        for _ in range(5):
            made.send(POST)
        once = len(asked)
        auth.password = "c"
        made.send(POST)
        made.session.auth = Expensive("a", "d")
        for _ in range(3):
            made.send(POST)
    assert once <= 2
    said = [line for each in server.requests for line in each.split(b"\r\n") if line.startswith(b"Authorization")]
    assert said == [b"Authorization: Basic " + each for each in [b"YTpi"] * 5 + [b"YTpj"] + [b"YTpk"] * 3]
    assert Expensive.asked == 3


def _encrypted(**settings: Any) -> PyreqwestTransport:
    session = requests.Session()
    # The environment outdoes it.
    session.trust_env = False
    for name, value in settings.items():
        setattr(session, name, value)
    return _transport("https://127.0.0.1:9", session=session)


@pytest.mark.parametrize("what", ["verify", "cert"])
def test_certificates_that_are_not_there_are_named(what: str) -> None:
    """When the client is made."""
    with pytest.raises(InvalidArgumentError, match=r"no-such\.pem.*No such file") as caught:
        _encrypted(**{what: "no-such.pem"})
    assert caught.value.parameter == f"request_session.{what}"


def test_files_without_certificates_are_refused(tmp_path: Path) -> None:
    """Authorities when the client is made, and what a client shows by the first request, as requests does."""
    (tmp_path / "some.pem").write_text("nothing")
    for path in (tmp_path, tmp_path / "some.pem"):
        with pytest.raises(InvalidArgumentError, match="with certificates in PEM"):
            _encrypted(verify=str(path))
    made = _encrypted(cert=str(tmp_path / "some.pem"))
    with pytest.raises(TransportFailure) as caught:
        made.send(POST)
    assert isinstance(caught.value.cause, requests.exceptions.SSLError)
    assert "some.pem: no certificate and key" in str(caught.value.cause)
    (tmp_path / "some.pem").write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    made = _encrypted(verify=str(tmp_path))
    with pytest.raises(InvalidArgumentError, match=r'can be used \(.*BadEncoding\).*transport="requests"'):
        made.send(POST)


def test_a_folder_of_authorities_is_read(tmp_path: Path) -> None:
    """As requests does, which wants links to them there as well."""
    (tmp_path / "authority.pem").write_bytes((CERTIFICATES / "authority.pem").read_bytes())
    (tmp_path / "README").write_text("authorities")
    (tmp_path / "more").mkdir()
    session = requests.Session()
    session.trust_env, session.verify = False, str(tmp_path)
    with serving(tls=tls_of_a_server()) as server:
        made = _transport(f"https://localhost:{server.port}", session=session)
        with closing(made):
            assert made.send(POST).status == 204


# ---------------------------------------------------------------- time


def test_connecting_takes_no_longer_than_waiting() -> None:
    """The time to wait includes it, so the failure that says "not sent" has to come first."""
    with full_port() as port, closing(_transport(port)) as made:
        made.timeout = (5.0, 1.5)
        with pytest.raises(TransportFailure) as caught:
            made.send(POST)
    assert caught.value.kind is FailureKind.NOT_SENT
    assert isinstance(caught.value.cause, requests.exceptions.ConnectTimeout)


def test_what_waits_is_ended_by_an_interruption_and_what_comes_then_is_not() -> None:
    """All that waits; from another thread; with the error of a lost connection."""
    gate = threading.Event()
    answers: Iterator[bytes | None] = iter([OK])

    def answer(_: bytes) -> bytes | None:
        first = next(answers, None)
        if first is None:
            gate.wait(10)
        return first or OK

    failures: list[TransportFailure] = []
    with serving(answer) as server, closing(_transport(server.port)) as made:
        made.timeout = (20.0, 20.0)
        made.send(POST)

        def wait() -> None:
            with pytest.raises(TransportFailure) as caught:
                made.send(POST)
            failures.append(caught.value)

        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: len(server.requests), lambda number: number == 4)
        made.interrupt()
        for thread in threads:
            thread.join(10)
        assert [each.kind for each in failures] == [FailureKind.UNCLEAR] * 3
        assert {type(each.cause) for each in failures} == {requests.ConnectionError}
        gate.set()
        made.interrupt()
        assert made.send(POST).status == 204


# ---------------------------------------------------------------- elsewhere


def test_what_has_moved_for_good_is_asked_by_requests_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    """Which asks where it is and goes there; the log says so once."""
    caplog.set_level(logging.INFO)
    with wire(OK, OK) as target:
        location = f"http://127.0.0.1:{target.port}/moved"
        redirect = f"HTTP/1.1 308 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
        with wire(*[redirect] * 5) as server, closing(_transport(server.port)) as made:
            for _ in range(2):
                assert made.send(POST).status == 204
    assert len([each for each in caplog.messages if "has moved for good" in each]) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.parametrize("before", [True, False], ids=["used before", "used on both sides only"])
def test_a_process_that_was_forked_goes_on(before: bool) -> None:
    """By requests, if pyreqwest was used before: the thread that it works on is not there any more."""
    program = f"""
import os, requests, sys
from flowable.external_worker_client.rest.operations import COMPLETE
from flowable.external_worker_client.rest.pyreqwest_transport import PyreqwestTransport
from flowable.external_worker_client.rest.pyreqwest_client import Process
from flowable.external_worker_client.rest.transport import Request
post = Request(COMPLETE, COMPLETE.at("job-1"), b"{{}}")
made = PyreqwestTransport("http://127.0.0.1:" + sys.argv[1], requests.Session(), (5.0, 5.0))
if {before}:
    made.send(post)
child = os.fork()
if not child:
    made.interrupt()
    statuses = [made.send(post).status, PyreqwestTransport(made.host, made.session, (5.0, 5.0)).send(post).status]
    made.close()
    sys.exit(0 if statuses == [204, 204] and Process.lost is {before} else 1)
_, ended = os.waitpid(child, 0)
assert made.send(post).status == 204
sys.exit(os.waitstatus_to_exitcode(ended))
"""
    with serving() as server:
        ran = subprocess.run(
            [sys.executable, "-c", program, str(server.port)], capture_output=True, text=True, timeout=50, check=False
        )
    assert ran.returncode == 0, ran.stderr
    assert len(server.requests) == (4 if before else 3)
    assert ("requests carries what is sent" in ran.stderr) == before


# ---------------------------------------------------------------- failures

_TEXTS = st.sampled_from(
    [
        "error sending request for url (http://engine.test/)",
        "client error (Connect)",
        "client error (SendRequest)",
        "tcp connect error",
        "dns error",
        "operation timed out",
        "deadline has elapsed",
        "tunnel error: unsuccessful",
        "tunnel error: unexpected end of file",
        "invalid peer certificate: UnknownIssuer",
        "received fatal alert: HandshakeFailure",
        "request or response body error",
        "error reading a body from connection",
        "connection closed before message completed",
        "something new",
    ]
)


@given(texts=st.lists(_TEXTS, min_size=1), proxy=st.sampled_from([None, "proxy.test:8080"]))
def test_only_what_failed_while_connecting_was_not_sent(texts: list[str], proxy: str | None) -> None:
    """Whatever else is said; and the exception that people see says the same as what came with it."""
    found = failure("RequestError", texts, where="engine.test", timeout=(1.0, 2.0), proxy=proxy)
    # The first is about the whole request, unless it is the only one.
    assert (found.kind is FailureKind.NOT_SENT) == ("client error (Connect)" in (texts[1:] or texts))
    assert failure_kind(found.cause) is found.kind
    assert isinstance(found.cause, requests.RequestException)
    said = str(found.cause)
    # Wherever the engine is named that was not reached, so is the proxy.
    assert not said.startswith("(")
    assert ("proxy.test:8080" in said) == (proxy is not None and found.kind is FailureKind.NOT_SENT)
    assert isinstance(found.cause, requests.exceptions.ProxyError) <= (proxy is not None)


def test_an_address_that_cannot_be_used_was_surely_not_sent() -> None:
    """By the first request, as ever."""
    made = _transport(free_port())
    made.host = "http://[::1"
    for each in (made, _transport("http://*.test")):
        with pytest.raises(TransportFailure) as caught:
            each.send(POST)
        assert caught.value.kind is FailureKind.NOT_SENT
        assert isinstance(caught.value.cause, requests.exceptions.InvalidURL)


class Token(AuthBase):
    """Credentials that no header can hold."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set a header with a line break."""
        r.headers["Authorization"] = "Bearer s3cret\n"
        return r


def test_a_header_that_cannot_be_sent_was_surely_not_sent() -> None:
    """And does not show."""
    made = _transport(free_port(), lambda session: setattr(session, "auth", Token()))
    with pytest.raises(TransportFailure) as caught:
        made.send(POST)
    assert caught.value.kind is FailureKind.NOT_SENT
    assert isinstance(caught.value.cause, requests.exceptions.InvalidHeader)
    assert "s3cret" not in str(caught.value.cause)


# ---------------------------------------------------------------- its memory


def test_the_allocator_is_told_while_it_is_loaded_and_nobody_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that are started later do not inherit it; what somebody has set stays."""
    monkeypatch.delenv(OPTION, raising=False)
    with allocated_in_small_pieces():
        assert os.environ[OPTION] == "0"
    assert OPTION not in os.environ
    with pytest.raises(ImportError), allocated_in_small_pieces():
        raise ImportError
    assert OPTION not in os.environ
    monkeypatch.setenv(OPTION, "2")
    with allocated_in_small_pieces():
        assert os.environ[OPTION] == "2"
    assert os.environ[OPTION] == "2"


_THREADS = """
import sys, threading
from flowable.external_worker_client import FlowableExternalWorkerRestClient
client = FlowableExternalWorkerRestClient(sys.argv[1], "w", transport="fast", requests_at_once=32)
all_there = threading.Barrier(48)

def work():
    all_there.wait(20)
    for _ in range(5):
        client.complete_job("1")

def memory():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))

threads = [threading.Thread(target=work) for _ in range(48)]
client.complete_job("1")
before = memory()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print((memory() - before) / len(threads))
"""


def _kilobytes_a_thread(port: int, **environment: str) -> float:
    line = [sys.executable, "-c", _THREADS, f"http://127.0.0.1:{port}"]
    usual = {name: value for name, value in os.environ.items() if name != OPTION}
    ended = subprocess.run(line, env={**usual, **environment}, capture_output=True, text=True, timeout=50, check=True)
    return float(ended.stdout)


@pytest.mark.skipif(
    not HUGE_PAGES.exists() or "[never]" in HUGE_PAGES.read_text(), reason="no memory in huge pages on this machine"
)
def test_threads_that_use_it_do_not_take_a_huge_page_each() -> None:
    """As they would if the allocator had not been told."""
    with serving() as server:
        small = _kilobytes_a_thread(server.port)
        large = _kilobytes_a_thread(server.port, **{OPTION: "1"})
    assert small < large / 2
