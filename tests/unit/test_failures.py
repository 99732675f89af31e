"""What exceptions of the REST client mean, in words: what happened and where, and nothing that is secret."""

from __future__ import annotations

import http.client
import socket
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)

from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.rest.addresses import place, urls_without_credentials
from flowable.external_worker_client.rest.answers import Meaning, Reading
from flowable.external_worker_client.rest.failures import read
from flowable.external_worker_client.rest.operations import ACQUIRE, COMPLETE

POOL = urllib3.HTTPConnectionPool("engine.test", 8090)
REFUSED = NewConnectionError(HTTPConnection("engine.test", 8090), "Failed to establish a new connection: refused")
ENGINE = "http://engine.test:8090/x/external-job-api/acquire/jobs"


def _asked(url: str) -> requests.PreparedRequest:
    return requests.Request("POST", url).prepare()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(
            requests.ConnectionError(MaxRetryError(POOL, "/x", REFUSED), request=_asked(ENGINE)),
            "ConnectionError: engine.test:8090: Failed to establish a new connection: refused",
            id="refused",
        ),
        pytest.param(
            requests.ConnectTimeout(
                MaxRetryError(POOL, "/x", ConnectTimeoutError(POOL, "Connection to engine.test timed out.")),
                request=_asked(ENGINE),
            ),
            "ConnectTimeout: engine.test:8090: Connection to engine.test timed out.",
            id="late",
        ),
        pytest.param(
            requests.ReadTimeout(ReadTimeoutError(POOL, "/x", "Read timed out."), request=_asked(ENGINE)),
            "ReadTimeout: engine.test:8090: Read timed out.",
            id="no answer",
        ),
        pytest.param(
            requests.ConnectionError(
                ProtocolError("Connection aborted.", ConnectionResetError(104, "reset")), request=_asked(ENGINE)
            ),
            "ConnectionError: engine.test:8090: Connection aborted: [Errno 104] reset",
            id="reset",
        ),
        pytest.param(
            requests.exceptions.ProxyError(
                MaxRetryError(
                    POOL,
                    "/x",
                    ProxyError(
                        "Unable to connect to proxy", NewConnectionError(HTTPConnection("proxy.test", 3128), "refused")
                    ),
                ),
                request=_asked(ENGINE),
            ),
            "ProxyError: engine.test:8090: Unable to connect to proxy: proxy.test:3128: refused",
            id="proxy",
        ),
        pytest.param(
            requests.exceptions.InvalidURL("Failed to parse: http://u:p/w@rd@proxy.test:99999"),
            "InvalidURL: Failed to parse: http://proxy.test:99999",
            id="credentials",
        ),
        pytest.param(
            ConnectionRefusedError(111, "refused"), "ConnectionRefusedError: [Errno 111] refused", id="socket"
        ),
        pytest.param(
            HTTPError("<urllib3.connection.HTTPConnection object at 0x7f1f>: refused"),
            "HTTPError: refused",
            id="urllib3 as it was",
        ),
    ],
)
def test_the_text_says_what_happened_and_where(error: Exception, expected: str) -> None:
    """Once each."""
    reading = read(error, ACQUIRE, 0.0)
    assert (reading.text, reading.elsewhere) == (expected, None)


def _answered(status: int, url: str) -> requests.HTTPError:
    response = requests.Response()
    response.status_code, response.url = status, url
    return requests.HTTPError("no", response=response)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (requests.ConnectionError("x", request=_asked("https://u:p@SSO.test/token?key=s3cret")), Meaning.UNCLEAR),
        (MaxRetryError(urllib3.HTTPSConnectionPool("sso.test", 443), "/token?key=s3cret", REFUSED), Meaning.UNCLEAR),
        (_answered(403, "https://sso.test/token?key=s3cret"), Meaning.NOT_THE_ENGINE),
        (_answered(503, "https://sso.test/token?key=s3cret"), Meaning.OVERLOADED),
    ],
    ids=["requests", "urllib3", "answered 403", "answered 503"],
)
def test_what_was_asked_beside_the_engine_is_named(error: Exception, meaning: Meaning) -> None:
    """By host and port alone. What it means for the request stays what it was."""
    reading = read(error, COMPLETE, 0.0)
    assert (reading.meaning, reading.elsewhere) == (meaning, "sso.test:443")
    assert "s3cret" not in reading.text


@pytest.mark.parametrize("url", [5, None, "", "nothing", "http://[::1/token"])
def test_what_cannot_be_read_names_nobody(url: Any) -> None:
    """Mocks have attributes of all kinds."""
    error: Any = requests.ConnectionError("x")
    error.request = SimpleNamespace(url=url)
    assert read(error, COMPLETE, 0.0) == Reading(Meaning.UNCLEAR, None, "ConnectionError: x", unclear=True)


class HostileError(OSError):
    """An exception that shows nothing."""

    @property
    def request(self) -> object:
        """Raise."""
        raise KeyboardInterrupt

    def __str__(self) -> str:
        """Raise, too."""
        raise SystemExit


@pytest.mark.parametrize("error", [HostileError(), http.client.BadStatusLine("x"), socket.gaierror(-2, "no name")])
def test_every_failure_has_a_text(error: Exception) -> None:
    """Whatever somebody made of it."""
    reading = read(error, COMPLETE, 0.0)
    assert reading.text.startswith(type(error).__name__)
    assert reading.elsewhere is None


def test_a_refusal_of_our_own_is_a_fault_with_its_text() -> None:
    """Which names parameter, value and what is accepted; nothing was sent."""
    assert read(InvalidArgumentError("auth", 5, "none"), COMPLETE, 0.0) == Reading(
        Meaning.FAULT, None, "InvalidArgumentError: auth=5 is not accepted: it must be none"
    )


@given(user=st.text(), password=st.text(), rest=st.sampled_from(["", "/x", ":8080", ":8080/x?y=1"]))
def test_credentials_are_in_no_text(user: str, password: str, rest: str) -> None:
    """Nor in the name of a place."""
    url = f"http://{quote(user, safe='')}:{quote(password, safe='/')}@host.test{rest}"
    assert urls_without_credentials(f"cannot use {url}") == f"cannot use http://host.test{rest}"
    if "/" not in password:
        assert place(url) == ("host.test:8080" if "8080" in rest else "host.test:80")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Host.test/x", "host.test:443"),
        ("http://[::1]:8090/", "[::1]:8090"),
        ("socks5://host.test", "host.test"),
        ("http://host.test:99999", ""),
        ("http://[::1", ""),
        ("host.test", ""),
    ],
)
def test_a_place_is_host_and_port(url: str, expected: str) -> None:
    """With the usual port, where there is one."""
    assert place(url) == expected
