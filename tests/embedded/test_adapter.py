"""The embedded engine behind a session of requests: the same answers as over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import (
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    WorkerResultBuilder,
    WorkResult,
)
from flowable.external_worker_client.testing import (
    EmbeddedAdapter,
    EmbeddedEngine,
    EmbeddedServer,
    MovingClock,
    Process,
    Task,
)

ONE = Process("one", Task("work", "t", exclusive=False))
KEPT = {"content-type", "connection", "www-authenticate", "allow", "cache-control"}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """Return a server that all tests of the module share."""
    with EmbeddedServer(EmbeddedEngine(ONE, clock=MovingClock())) as running:
        yield running


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> EmbeddedEngine:
    """Return an engine with one process: that of the server if the test has one."""
    if "server" in request.fixturenames:
        shared: EmbeddedServer = request.getfixturevalue("server")
        return shared.engine
    return EmbeddedEngine(ONE, clock=MovingClock())


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/jobs", None),
        ("GET", "/jobs?sort=x", None),
        ("GET", "/jobs/a%2Fb", None),
        ("GET", "/jobs/a%20b", None),
        ("HEAD", "/jobs", None),
        ("OPTIONS", "/acquire/jobs", None),
        ("PUT", "/acquire/jobs", {}),
        ("POST", "/acquire/jobs", {"topic": "t"}),
        ("POST", "/acquire/jobs", {"topic": "t", "lockDuration": "PT1M", "workerId": "ä"}),
        ("POST", "/unacquire/jobs", {"workerId": "ä"}),
        ("GET", "/nothing", None),
    ],
)
def test_both_ways_give_the_same_answer(
    method: str, path: str, body: Any, engine: EmbeddedEngine, server: EmbeddedServer
) -> None:
    """Status, headers and body are equal through a socket and through an adapter."""
    answers = []
    adapter = EmbeddedAdapter(engine)
    for url in (server.url, adapter.url):
        with requests.Session() as session:
            adapter.mount(session)
            answer = session.request(method, f"{url}/external-job-api{path}", json=body, timeout=5)
            headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() in KEPT}
            answers.append((answer.status_code, headers, answer.text.replace(url, "")))
    assert answers[0] == answers[1]


def test_the_persons_session_stays_in_play(engine: EmbeddedEngine) -> None:
    """Auth and hooks of the session work, and other addresses are left alone."""
    adapter = EmbeddedAdapter(engine, auth=("user", "secret"))
    seen: list[int] = []
    with requests.Session() as session:
        adapter.mount(session)
        session.hooks["response"].append(lambda response, *_, **__: seen.append(response.status_code))
        jobs = f"{adapter.url}/external-job-api/jobs"
        session.get(jobs)
        session.auth = HTTPBasicAuth("user", "secret")
        session.get(jobs)
        assert seen == [401, 200]
        assert session.get_adapter("http://other.invalid/") is not adapter
    assert "secret" not in repr(adapter)


def test_faults_are_those_of_the_wire(engine: EmbeddedEngine) -> None:
    """A lost answer, a cut-off body, an answer that does not come: the exceptions of requests."""
    adapter = EmbeddedAdapter(engine)
    engine.start("one")
    acquire = {"topic": "t", "lockDuration": "PT1M", "workerId": "w"}
    with requests.Session() as session:
        adapter.mount(session)
        jobs, take = f"{adapter.url}/external-job-api/jobs", f"{adapter.url}/external-job-api/acquire/jobs"
        engine.faults.lost_answer("acquire", "before")
        with pytest.raises(requests.ConnectionError):
            session.post(take, json=acquire)
        assert engine.jobs()[0].lock_owner is None
        engine.faults.cut_off("acquire")
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            session.post(take, json=acquire)
        assert engine.jobs()[0].lock_owner == "w"
        engine.faults.hang("list")
        with pytest.raises(requests.ReadTimeout):
            session.get(jobs, timeout=(1, 60))
        engine.faults.hang("list")
        with pytest.raises(requests.ConnectionError):
            session.get(jobs)
        engine.faults.delay("list", 60)
        with pytest.raises(requests.ReadTimeout):
            session.get(jobs, timeout=30)
        engine.faults.delay("list", 0.01)
        assert session.get(jobs, data=iter([b"x", b"y"])).json()["total"] == 1


def test_a_worker_runs_without_a_socket(engine: EmbeddedEngine, socket_disabled: None) -> None:
    """The library's client works a job off with sockets forbidden."""
    adapter = EmbeddedAdapter(engine)

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        return result.success().variable_string("by", job.element_id or "")

    instance = engine.start("one")
    client = ExternalWorkerClient(adapter.url, customize_session=adapter.mount)
    subscription = client.subscribe("t", handler)
    [view] = engine.wait_for_end(instance)
    assert subscription.unsubscribe(5)
    assert view.variables == {"by": "work"}
