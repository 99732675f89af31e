"""The embedded engine over real sockets: connections, faults on the wire, the command line, the demonstration."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, Process, Task, UserTask
from flowable.external_worker_client.testing.__main__ import main

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"
ACQUIRE = {"topic": "t", "lockDuration": "PT10M", "workerId": "w"}


@pytest.fixture
def engine() -> EmbeddedEngine:
    """Return an engine with one process."""
    return EmbeddedEngine(Process("one", Task("work", "t", exclusive=False), UserTask("after")))


@pytest.fixture
def server(engine: EmbeddedEngine) -> Iterator[EmbeddedServer]:
    """Return a server of it."""
    with EmbeddedServer(engine) as running:
        yield running


@pytest.fixture
def api(server: EmbeddedServer) -> str:
    """Return the address of the external job API."""
    return f"{server.url}/external-job-api"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Return a session that is closed afterwards."""
    with requests.Session() as session:
        yield session


def test_a_worker_gets_its_job(server: EmbeddedServer, api: str, session: requests.Session) -> None:
    """Started, acquired and completed over HTTP."""
    start = f"{server.url}/service/runtime/process-instances"
    instance = session.post(start, json={"processDefinitionKey": "one", "variables": [{"name": "a", "value": "ä"}]})
    [job] = session.post(f"{api}/acquire/jobs", json=ACQUIRE).json()
    assert job["variables"] == [{"name": "a", "type": "string", "value": "ä"}]
    assert job["url"] == f"{api}/jobs/{job['id']}"
    complete = session.post(f"{api}/acquire/jobs/{job['id']}/complete", json={"workerId": "w"})
    assert (complete.status_code, complete.content) == (204, b"")
    assert server.engine.instance(instance.json()["id"]).tasks == ("after",)


def test_answers_have_the_headers_of_the_real_server(api: str, session: requests.Session) -> None:
    """Chunked bodies, no server name, and nothing about a length that is not there."""
    answer = session.get(f"{api}/jobs")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert "Server" not in answer.headers
    answer = session.get(f"{api}/jobs", headers={"Accept": "text/plain"})
    assert (answer.status_code, answer.headers["Content-Length"]) == (406, "0")
    answer = session.post(f"{api}/unacquire/jobs", json={"workerId": "w"})
    assert (
        answer.status_code,
        {"content-length", "transfer-encoding"} & {name.lower() for name in answer.headers},
    ) == (
        204,
        set(),
    )


def test_bodies_may_come_in_chunks(server: EmbeddedServer, api: str, session: requests.Session) -> None:
    """A body without a length is put together again."""
    server.engine.start("one")
    chunks = iter([b'{"topic":"t","lock', b'Duration":"PT1M"', b',"workerId":"w"}'])
    answer = session.post(f"{api}/acquire/jobs", data=chunks, headers={"Content-Type": "application/json"})
    assert [job["lockOwner"] for job in answer.json()] == ["w"]


def test_credentials_are_asked_for(engine: EmbeddedEngine) -> None:
    """With them the list, without them an empty 401."""
    with EmbeddedServer(engine, auth=("user", "secret")) as server:
        jobs = f"{server.url}/external-job-api/jobs"
        assert requests.get(jobs, auth=("user", "secret"), timeout=5).status_code == 200
        refused = requests.get(jobs, timeout=5)
        assert (refused.status_code, refused.content) == (401, b"")
        assert "secret" not in repr(server)
    with EmbeddedServer(engine, auth="token") as server:
        headers = {"Authorization": "Bearer token"}
        assert requests.get(f"{server.url}/external-job-api/jobs", headers=headers, timeout=5).status_code == 200


def test_connections_close_after_refusals_and_the_hundredth_request(server: EmbeddedServer) -> None:
    """400 and 500 close the connection at once, 404 does not, and the hundredth answer is the last."""
    where = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=5)
    path = f"{where.path}/external-job-api"

    def ask(method: str, target: str) -> tuple[int, bool]:
        connection.request(method, path + target, headers={"Connection": "keep-alive"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("connection") == "close"

    assert [ask("GET", "/jobs/x"), ask("GET", "/jobs?sort=x"), ask("PUT", "/jobs")] == [
        (404, False),
        (400, True),
        (500, True),
    ]
    closed = [number for number in range(1, 201) if ask("GET", "/jobs/x")[1]]
    assert closed == [100, 200]
    connection.close()


def test_an_answer_is_lost_before_or_after_the_effect(
    server: EmbeddedServer, api: str, session: requests.Session
) -> None:
    """The connection closes without an answer; the job is locked only if the request had its effect."""
    server.engine.start("one")
    owners = []
    for when in ("before", "after"):
        server.engine.faults.lost_answer("acquire", when)
        with pytest.raises(requests.ConnectionError):
            session.post(f"{api}/acquire/jobs", json=ACQUIRE)
        owners.append(server.engine.jobs()[0].lock_owner)
    assert owners == [None, "w"]


def test_a_cut_off_answer_is_incomplete(server: EmbeddedServer, api: str, session: requests.Session) -> None:
    """Half of the body arrives, then the connection closes."""
    server.engine.start("one")
    server.engine.faults.cut_off("acquire")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        session.post(f"{api}/acquire/jobs", json=ACQUIRE)
    assert server.engine.jobs()[0].lock_owner == "w"


def test_a_delayed_answer_arrives(server: EmbeddedServer, api: str, session: requests.Session) -> None:
    """The answer is the engine's, and later."""
    server.engine.faults.delay("list", 0.05)
    began = time.monotonic()
    assert session.get(f"{api}/jobs").json()["total"] == 0
    assert time.monotonic() - began >= 0.05


def test_a_client_may_give_up_on_a_delayed_answer(server: EmbeddedServer, api: str, session: requests.Session) -> None:
    """Nothing is left behind when the client goes away first."""
    server.engine.faults.delay("list", 60)
    with pytest.raises(requests.ReadTimeout):
        session.get(f"{api}/jobs", timeout=0.05)
    session.close()
    assert session.get(f"{api}/jobs").status_code == 200


def test_stopping_ends_requests_that_hang(engine: EmbeddedEngine) -> None:
    """A hanging request is cut off by the stop, which is quick and can be repeated."""
    server = EmbeddedServer(engine).start()
    assert server.start() is server
    engine.faults.hang("list")
    errors: list[Exception] = []

    def ask(url: str) -> None:
        try:
            requests.get(url, timeout=30)
        except requests.RequestException as error:
            errors.append(error)

    thread = threading.Thread(target=ask, args=(f"{server.url}/external-job-api/jobs",))
    thread.start()
    deadline = time.monotonic() + 10
    while engine.faults.pending and time.monotonic() < deadline:
        time.sleep(0.001)
    began = time.monotonic()
    server.stop()
    server.stop()
    thread.join(10)
    assert [type(error) for error in errors] == [requests.ConnectionError]
    assert time.monotonic() - began < 2
    assert "stopped" in repr(server)
    with pytest.raises(RuntimeError, match="the server is not started"):
        _ = server.url


def test_no_thread_is_left_after_a_stop(engine: EmbeddedEngine) -> None:
    """Starting and stopping leaves nothing behind, and the port is free again."""
    before = threading.active_count()
    with EmbeddedServer(engine) as server:
        port = server.port
    assert threading.active_count() == before
    with EmbeddedServer(engine, port=port) as again:
        assert again.port == port


def test_an_address_in_use_is_an_error(engine: EmbeddedEngine) -> None:
    """Two servers cannot have one port."""
    with EmbeddedServer(engine) as server, pytest.raises(OSError, match="in use"):
        EmbeddedServer(engine, port=server.port).start()


def test_without_uvicorn_the_error_says_what_to_install() -> None:
    """The package imports without uvicorn; only serving needs it, and says so."""
    program = (
        "import sys\n"
        "sys.modules['uvicorn'] = None\n"
        "from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer\n"
        "assert 'pytest' not in sys.modules\n"
        "try:\n"
        "    EmbeddedServer(EmbeddedEngine()).start()\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert 'pip install "flowable.external-worker-client[testing]"' in run.stdout


def test_the_command_line_serves_a_sample(capsys: pytest.CaptureFixture[str]) -> None:
    """It says where it is and with which credentials, and has jobs to work on."""
    stop = threading.Event()
    thread = threading.Thread(target=main, args=(["--port", "0", "--instances", "3"], stop))
    thread.start()
    said, deadline = "", time.monotonic() + 20
    while "Ctrl+C" not in said and time.monotonic() < deadline:
        said += capsys.readouterr().out
        time.sleep(0.005)
    url = re.search(r"http://127\.0\.0\.1:\d+/flowable-rest", said)
    assert url is not None
    assert "rest-admin / test" in said
    jobs = requests.get(f"{url[0]}/external-job-api/jobs", auth=("rest-admin", "test"), timeout=5).json()
    assert [job["elementId"] for job in jobs["data"]] == ["check"] * 3
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_the_command_line_refuses_what_it_cannot_do(capsys: pytest.CaptureFixture[str], server: EmbeddedServer) -> None:
    """Credentials without a colon, and a port that is taken."""
    with pytest.raises(SystemExit, match="--auth: 'user' is not accepted; write USER:PASSWORD"):
        main(["--auth", "user"])
    assert main(["--port", str(server.port), "--no-auth"]) == 1
    assert "in use" in capsys.readouterr().err


def test_the_demonstration_ends_well() -> None:
    """Every order ends as it should, in plain text when nobody looks, and quickly."""
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, str(DEMO)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=40, env=environment)
    assert (run.returncode, run.stderr) == (0, "")
    assert "12 orders: 9 shipped, 2 cancelled, 1 dead letter; 53 jobs" in run.stdout
    assert "\033[" not in run.stdout
