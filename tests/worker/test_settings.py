"""A client from the environment: the names of its settings, what is refused, and that no secret is ever shown."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from requests import PreparedRequest
from requests.auth import HTTPBasicAuth
from tests.support.waiting import until
from tests.worker import targets

from flowable.external_worker_client import Worker
from flowable.external_worker_client.cloud_token import FlowableCloudToken
from flowable.external_worker_client.running import client_from_environment
from flowable.external_worker_client.settings import SettingsError, TokenFile, auth
from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, Process, Task

URL = "http://127.0.0.1:9/flowable-rest"


def header(of: TokenFile) -> str:
    """Return what a request would carry."""
    request = PreparedRequest()
    request.prepare(method="GET", url=URL)
    return str(of(request).headers["Authorization"])


def test_all_settings(clean_environment: Callable[..., None], tmp_path: Path) -> None:
    """Each has one name."""
    clean_environment(
        URL=URL,
        USERNAME="ada",
        PASSWORD="s3cret",
        WORKER_ID="me",
        ENGINE="7.2",
        JOURNAL=str(tmp_path / "worker.db"),
        REQUESTS_AT_ONCE="7",
    )
    with client_from_environment() as client:
        assert client._restClient.flowable_host.startswith(URL)
        assert client.worker_id == "me"
        assert client._restClient.requests_at_once == 7
        assert client._restClient.request_session.auth == HTTPBasicAuth("ada", "s3cret")
        assert (tmp_path / "worker.db").exists()
        assert "s3cret" not in repr(client) + repr(vars(client))


def test_a_worker_without_a_client_takes_it_from_the_environment(
    clean_environment: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """It is made when the worker is run, and closed afterwards."""
    engine = EmbeddedEngine(Process("p", Task("work", "t")))
    worker = Worker()
    worker.job("t")(targets.double)
    with EmbeddedServer(engine, auth=("ada", "s3cret")) as server:
        clean_environment(URL=server.url, USERNAME="ada", PASSWORD="s3cret")
        instance = engine.start("p", {"x": 4})
        with worker.running() as running:
            [ended] = engine.wait_for_end(instance)
        assert ended.variables["y"] == 8
        assert "ended" in repr(running.subscriptions["t"])
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("how", ["run", "running"])
def test_a_missing_address_is_an_error(clean_environment: Callable[..., None], how: str) -> None:
    """Nothing is sent to an address that nobody chose."""
    clean_environment(URL="", TOKEN="s3cret")
    worker = Worker()
    worker.job("t")(targets.double)
    with pytest.raises(SettingsError, match=r"^FLOWABLE_URL is not set: give the address") as refused:
        worker.run() if how == "run" else worker.running().__enter__()
    assert refused.value.variable == "FLOWABLE_URL"


@pytest.mark.parametrize(
    ("variables", "variable"),
    [
        pytest.param({"USERNAME": "ada"}, "FLOWABLE_PASSWORD", id="no password"),
        pytest.param({"PASSWORD": "s3cret"}, "FLOWABLE_USERNAME", id="no name"),
        pytest.param({"USERNAME": "ada", "PASSWORD": ""}, "FLOWABLE_PASSWORD", id="empty password"),
        pytest.param({"USERNAME": "ada", "PASSWORD": "s3cret", "TOKEN": "s3cret"}, "FLOWABLE_USERNAME", id="two"),
        pytest.param({"PASSWORD": "s3cret", "TOKEN_FILE": "f"}, "FLOWABLE_USERNAME", id="half and a file"),
        pytest.param({"TOKEN": "s3cret", "TOKEN_FILE": "f"}, "FLOWABLE_TOKEN", id="both tokens"),
        pytest.param({"TOKEN": "s3cret\n"}, "FLOWABLE_TOKEN", id="a line break"),
        pytest.param({"URL": "localhost:s3cret@x y"}, "FLOWABLE_URL", id="no address"),
        pytest.param({"URL": "http://ada:s3cret@localhost/x?y"}, "FLOWABLE_URL", id="an address with a query"),
        pytest.param({"WORKER_ID": "w" * 256}, "FLOWABLE_WORKER_ID", id="a long name"),
        pytest.param({"ENGINE": "latest"}, "FLOWABLE_ENGINE", id="no release"),
        pytest.param({"REQUESTS_AT_ONCE": "many"}, "FLOWABLE_REQUESTS_AT_ONCE", id="no number"),
        pytest.param({"REQUESTS_AT_ONCE": "0"}, "FLOWABLE_REQUESTS_AT_ONCE", id="no request"),
        pytest.param({"REQUESTS_AT_ONCE": "999999"}, "FLOWABLE_REQUESTS_AT_ONCE", id="too many requests"),
        pytest.param({"TRANSPORT": "Fast"}, "FLOWABLE_TRANSPORT", id="no transport"),
    ],
)
def test_what_is_wrong_is_said_by_the_name_of_the_variable(
    clean_environment: Callable[..., None], variables: dict[str, str], variable: str
) -> None:
    """And without a secret."""
    clean_environment(**{"URL": URL, **variables})
    with pytest.raises(SettingsError, match=f"^{variable} ") as refused:
        client_from_environment()
    assert refused.value.variable == variable
    copied = pickle.loads(pickle.dumps(refused.value))  # noqa: S301
    assert (str(copied), copied.variable) == (str(refused.value), variable)
    chain = [refused.value, refused.value.__cause__]
    assert "s3cret" not in "".join(map(repr, chain)) + str(refused.value)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "fast"),
        ({"TRANSPORT": ""}, "fast"),
        ({"TRANSPORT": "fast"}, "fast"),
        ({"TRANSPORT": "requests"}, "requests"),
        ({"USERNAME": "ada", "PASSWORD": "s3cret"}, "fast"),
        ({"TOKEN": "s3cret"}, "fast"),
        ({"TOKEN_FILE": "s3cret"}, "fast"),
    ],
    ids=str,
)
def test_a_worker_takes_the_fast_transport_if_it_is_there_and_not_told_otherwise(
    clean_environment: Callable[..., None], variables: dict[str, str], expected: str
) -> None:
    """All credentials that the environment can give are headers."""
    clean_environment(URL=URL, **variables)
    with client_from_environment() as client:
        assert client._restClient.transport == expected


def test_the_log_says_why_a_worker_stays_with_requests(
    clean_environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing breaks without the extra, unless somebody insists."""
    clean_environment(URL=URL)
    caplog.set_level(logging.INFO)

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("flowable.external_worker_client.rest.choice.version", missing)
    with client_from_environment() as client:
        assert client._restClient.transport == "requests"
    assert "Requests to the engine use the requests transport: pyreqwest is not installed" in caplog.messages
    monkeypatch.delitem(sys.modules, "flowable.external_worker_client.rest.pyreqwest_transport", raising=False)
    monkeypatch.setitem(sys.modules, "pyreqwest.client", None)
    clean_environment(URL=URL, TRANSPORT="fast")
    with pytest.raises(SettingsError, match=r"^FLOWABLE_TRANSPORT is 'fast', but .* pip install ") as refused:
        client_from_environment()
    assert refused.value.variable == "FLOWABLE_TRANSPORT"


def test_an_address_without_a_scheme_is_refused_in_one_sentence(clean_environment: Callable[..., None]) -> None:
    """It says what was found, and what is accepted."""
    clean_environment(URL="localhost:8090")
    said = r"^FLOWABLE_URL is 'localhost:8090', which is not accepted: it must be a URL"
    with pytest.raises(SettingsError, match=said):
        client_from_environment()


def test_empty_counts_as_not_set() -> None:
    """As compose files and CI leave variables behind."""
    empty = dict.fromkeys(("USERNAME", "PASSWORD", "TOKEN", "TOKEN_FILE"), "")
    assert auth({f"FLOWABLE_{name}": value for name, value in empty.items()}) is None
    assert auth({"FLOWABLE_TOKEN": "abc", "FLOWABLE_USERNAME": ""}) == FlowableCloudToken("abc")


def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """Written anew, or swapped; byte order marks and line breaks are no part of it; and it never shows."""
    path = tmp_path / "token"
    path.write_bytes(b"\xef\xbb\xbffirst\r\n")
    token = TokenFile(path)
    assert header(token) == "Bearer first"
    path.write_text("second")
    assert header(token) == "Bearer second"
    other = tmp_path / "other"
    other.write_text("third!")
    other.replace(path)
    assert header(token) == "Bearer third!"
    assert "third" not in repr(token)


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"s3cret\ns3cret", b"s3cr\xe9t", b"\xff\xfe s3cret", "s3cret…".encode()]
)
def test_a_token_file_with_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    """Without showing what it holds: an invalid header would."""
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"token file .*(is empty|holds something else)") as refused:
        TokenFile(path).token()
    assert "s3cr" not in repr(refused.value)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        TokenFile(path).token()


def test_a_token_file_that_comes_late_and_changes(
    clean_environment: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests without it fail, and are sent again; none of its contents gets into the log."""
    caplog.set_level(logging.DEBUG, logger="flowable")
    engine = EmbeddedEngine(Process("p", Task("work", "t")))
    path = tmp_path / "token"
    worker = Worker()
    worker.job("t")(targets.double)
    instance = engine.start("p", {"x": 4})
    with EmbeddedServer(engine, auth="s3cret") as server:
        clean_environment(URL=server.url, TOKEN_FILE=str(path))
        with worker.running():
            until(lambda: "cannot acquire jobs" in caplog.text)
            path.write_text("s3cret\n")
            engine.wait_for_end(instance, timeout=20)
    assert "s3cret" not in caplog.text
