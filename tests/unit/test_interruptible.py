"""Requests that wait for an answer are ended from another thread; everything else about the session stays as it was."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from tests.support.listening import accepted, end

from flowable.external_worker_client import FlowableExternalWorkerRestClient
from flowable.external_worker_client.rest.interruptible import InterruptibleAdapter

DEADLINE = 10.0  # seconds


class Server:
    """Accepts connections; answers requests for `/answered`, and no others.

    Attributes:
        read: Released for each request that gets no answer.
        accepted: How many connections there were.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._connections: list[socket.socket] = []
        self.read = threading.Semaphore(0)
        self.accepted = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        for connection in accepted(self._listener):
            self.accepted += 1
            self._connections.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while received := connection.recv(65536):
                if b"/answered" in received:
                    connection.sendall(b"HTTP/1.1 200 Fine\r\nContent-Length: 0\r\n\r\n")
                else:
                    self.read.release()

    def close(self) -> None:
        """End everything."""
        end(self._listener, self._connections, self._threads)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server."""
    made = Server()
    yield made
    made.close()


class Waiting:
    """A request on a thread of its own, and what it raised."""

    def __init__(self, session: requests.Session, url: str, server: Server, **options: object) -> None:
        self.raised: list[Exception] = []

        def get() -> None:
            try:
                session.get(url, timeout=DEADLINE, **options)  # type: ignore[arg-type]
            except Exception as error:  # noqa: BLE001 - looked at by the test
                self.raised.append(error)

        self._thread = threading.Thread(target=get)
        self._thread.start()
        assert server.read.acquire(timeout=DEADLINE)

    def join(self) -> Exception:
        """Wait for its end; return what it raised."""
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        (error,) = self.raised
        return error


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session whose requests can be interrupted."""
    made = requests.Session()
    made.mount("http://", InterruptibleAdapter(pool_maxsize=4))
    yield made
    made.close()


def interrupt(session: requests.Session) -> None:
    """Interrupt its requests."""
    adapter = session.get_adapter("http://")
    assert isinstance(adapter, InterruptibleAdapter)
    adapter.connections.interrupt()


@pytest.mark.parametrize("number", [1, 3])
def test_whoever_waits_for_an_answer_gets_a_connection_error(
    server: Server, session: requests.Session, number: int
) -> None:
    """All of them, now, and not a time-out."""
    waiting = [Waiting(session, server.url, server) for _ in range(number)]
    began = time.monotonic()
    interrupt(session)
    errors = [each.join() for each in waiting]
    assert time.monotonic() - began < DEADLINE / 2
    assert all(isinstance(error, requests.ConnectionError) for error in errors)
    assert not any(isinstance(error, requests.Timeout) for error in errors)


def test_the_session_works_afterwards(server: Server, session: requests.Session) -> None:
    """With connections that are made anew; one that was idle costs nothing."""
    assert session.get(f"{server.url}/answered").status_code == 200
    waiting = Waiting(session, server.url, server)
    interrupt(session)
    waiting.join()
    assert session.get(f"{server.url}/answered").status_code == 200
    interrupt(session)
    interrupt(session)
    assert session.get(f"{server.url}/answered").status_code == 200


def test_connections_are_kept_and_let_go_of_as_ever(server: Server, session: requests.Session) -> None:
    """Noting them neither opens more nor keeps those that are gone."""
    for _ in range(5):
        session.get(f"{server.url}/answered")
    assert server.accepted == 1
    adapter = session.get_adapter("http://")
    assert isinstance(adapter, InterruptibleAdapter)
    assert len(adapter.connections._made) == 1
    session.close()
    assert session.get(f"{server.url}/answered").status_code == 200
    assert len(adapter.connections._made) <= 2


def test_requests_through_a_proxy_are_interrupted_too(server: Server, session: requests.Session) -> None:
    """Their connections are those to the proxy."""
    waiting = Waiting(session, "http://engine.test/", server, proxies={"http": server.url})
    interrupt(session)
    assert isinstance(waiting.join(), requests.ConnectionError)


def test_errors_read_as_those_of_requests(server: Server, session: requests.Session) -> None:
    """The names of urllib3's pools stand in them, and people look for these in logs."""
    server.close()
    with pytest.raises(requests.ConnectionError) as ours:
        session.get(server.url, timeout=DEADLINE)
    with requests.Session() as plain, pytest.raises(requests.ConnectionError) as theirs:
        plain.get(server.url, timeout=DEADLINE)
    assert str(ours.value).partition("object at")[0].split("(Caused")[0] == str(theirs.value).split("(Caused")[0]


@pytest.mark.parametrize("transport", ["requests", "fast"])
def test_a_rest_client_interrupts_its_requests(server: Server, transport: Any) -> None:
    """What the end of a program does to an engine that does not answer."""
    client = FlowableExternalWorkerRestClient(server.url, "w", timeout=DEADLINE, transport=transport)
    raised: list[BaseException] = []

    def acquire() -> None:
        try:
            client.acquire_jobs("t", "1m")
        except requests.ConnectionError as error:
            raised.append(error)

    thread = threading.Thread(target=acquire)
    thread.start()
    assert server.read.acquire(timeout=DEADLINE)
    client.interrupt()
    thread.join(DEADLINE)
    assert len(raised) == 1
    client.close()


def test_adapters_of_the_persons_own_are_left_alone(server: Server) -> None:
    """They know nothing of it."""
    client = FlowableExternalWorkerRestClient(
        server.url, "w", customize_session=lambda session: session.mount("http://", HTTPAdapter())
    )
    waiting = Waiting(client.request_session, server.url, server)
    client.interrupt()
    assert waiting.raised == []
    server.close()
    assert isinstance(waiting.join(), requests.ConnectionError)
    client.close()
