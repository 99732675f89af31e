"""Connections that are kept: none that the engine may be closing, and no more than there are requests at a time."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from tests.support.keeping import CLOSE, OK, Keeping, Received, Reply
from tests.support.threads import in_threads

from flowable.external_worker_client.rest.idle import LONGEST_IDLE, IdleConnections, longest_idle
from flowable.external_worker_client.rest.interruptible import InterruptibleAdapter
from flowable.external_worker_client.rest.operations import COMPLETE
from flowable.external_worker_client.rest.requests_transport import RequestsTransport
from flowable.external_worker_client.rest.transport import Request, Response

POST = Request(COMPLETE, COMPLETE.at("job-1"), b'{"workerId":"w"}')
ENGINES_LIMIT = 60.0  # seconds


class Through(RequestsTransport):
    """The way through the session, for everything."""

    def _send_lean(self, request: Request) -> requests.Response | Response:
        return self._send(request, redirects=False)


class Clock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return it."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Time."""
    return Clock()


@pytest.fixture
def server() -> Iterator[Keeping]:
    """A server."""
    with Keeping() as made:
        yield made


@pytest.fixture(params=[Through, RequestsTransport], ids=["through", "lean"])
def transport(
    request: pytest.FixtureRequest, server: Keeping, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RequestsTransport]:
    """A transport, by both ways."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    session = requests.Session()
    session.mount("http://", InterruptibleAdapter(pool_maxsize=8, clock=clock))
    made: RequestsTransport = request.param(server.url, session, (5.0, 5.0))
    yield made
    made.close()


def test_a_connection_is_not_used_when_the_engine_may_be_closing_it(
    server: Keeping, transport: RequestsTransport, clock: Clock
) -> None:
    """A fresh one is, in good time, and nothing has failed."""
    transport.send(POST)
    for pause, connections in ((49.0, 1), (49.0, 1), (51.0, 2), (1.0, 2), (1_000.0, 3)):
        clock.now += pause
        assert transport.send(POST).status == 204
        assert server.connections == connections
    assert LONGEST_IDLE < ENGINES_LIMIT


def test_what_a_server_announces_counts_if_it_is_less(server: Keeping, clock: Clock) -> None:
    """`Keep-Alive: timeout=6`, of a gateway."""
    with requests.Session() as session:
        session.mount("http://", InterruptibleAdapter(clock=clock))
        transport = RequestsTransport(server.url, session, (5.0, 5.0))
        server.reply = lambda received: OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: timeout=6\r\n\r\n")
        for pause, connections in ((0.0, 1), (4.0, 1), (4.0, 1), (5.1, 2), (4.0, 2), (4.0, 2)):
            clock.now += pause
            transport.send(POST)
            assert server.connections == connections


@given(st.none() | st.integers(0, 1_000_000))
def test_no_connection_is_used_as_long_as_it_is_kept(announced: int | None) -> None:
    """There is time for the way, whatever is announced; and none is believed beyond what engines do."""
    limit = longest_idle(announced)
    assert 0 <= limit <= LONGEST_IDLE
    assert announced is None or limit <= announced * 0.9


def test_what_an_engine_does_to_connections_fails_no_request(
    server: Keeping, transport: RequestsTransport, clock: Clock
) -> None:
    """It closes them with the 100th request, with every 400 and 500, and after 60 seconds without one."""
    statuses = iter([400, 204, 500, 204, 204, 400, 500] + [204] * 250)
    carried: Counter[int] = Counter()

    def reply(received: Received) -> Reply:
        carried[received.connection] += 1
        status = next(statuses)
        head = b"HTTP/1.1 %d \r\n" % status if status == 204 else b"HTTP/1.1 %d \r\nContent-Length: 0\r\n" % status
        ends = status != 204 or carried[received.connection] == 100
        return (head + b"Connection: close\r\n\r\n", CLOSE) if ends else head + b"\r\n"

    server.reply = reply
    for _ in range(257):
        assert transport.send(POST).status in (204, 400, 500)
    assert list(carried.values()) == [1, 2, 3, 1, 100, 100, 50]
    server.says([])
    clock.now += ENGINES_LIMIT
    server.hang_up()
    assert transport.send(POST).status == 204


def test_a_connection_that_was_closed_is_not_used(server: Keeping, transport: RequestsTransport) -> None:
    """Whoever closed it, if the news of it is there."""
    transport.send(POST)
    transport.send(POST)
    server.hang_up()
    # The end of the connection is there when it can be read.
    adapter = transport.session.get_adapter(server.url)
    assert isinstance(adapter, InterruptibleAdapter)
    for connection in list(adapter.connections._made):
        connection.sock.settimeout(5.0)
        assert connection.sock.recv(1, 2) == b""
    assert transport.send(POST).status == 204
    assert server.connections == 2


def test_there_are_as_many_connections_as_requests_at_a_time(server: Keeping, transport: RequestsTransport) -> None:
    """One after the other, one is enough, also when there were more."""
    together = threading.Barrier(4)

    def work() -> None:
        for _ in range(3):
            together.wait(10)
            transport.send(POST)

    assert in_threads(work, 4, 10) == []
    assert server.connections <= 4
    number = server.connections
    used = {received.connection for received in server.received}
    del server.received[:]
    for _ in range(5):
        transport.send(POST)
    assert server.connections == number == len(used)
    assert len({received.connection for received in server.received}) == 1


def test_connections_that_are_needed_no_more_are_closed(
    server: Keeping, transport: RequestsTransport, clock: Clock
) -> None:
    """As soon as they are too old, whatever the others are used for."""
    together = threading.Barrier(3)
    server.reply = lambda received: OK
    threads = [threading.Thread(target=lambda: (together.wait(10), transport.send(POST))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    clock.now += 30.0
    transport.send(POST)
    clock.now += 30.0
    transport.send(POST)
    adapter = transport.session.get_adapter(server.url)
    assert isinstance(adapter, InterruptibleAdapter)
    assert sum(connection.sock is not None for connection in adapter.connections._made) == 1


def test_a_session_that_is_closed_closes_its_connections(server: Keeping, transport: RequestsTransport) -> None:
    """As it does without a transport that knows its pools; the next request opens one again."""
    transport.send(POST)
    transport.send(POST)
    adapter = transport.session.get_adapter(server.url)
    assert isinstance(adapter, InterruptibleAdapter)
    (connection,) = adapter.connections._made
    transport.session.close()
    assert connection.sock is None
    transport.send(POST)
    assert server.connections == 2


# ---------------------------------------------------------------- what they are kept in

STEPS = st.lists(
    st.tuples(st.just("put"), st.booleans())
    | st.tuples(st.sampled_from(["get", "take", "expired"]), st.none())
    | st.tuples(st.just("wait"), st.floats(0, 40)),
    max_size=30,
)


@given(st.integers(1, 5), STEPS)
def test_places_are_neither_lost_nor_made(maxsize: int, steps: list[tuple[str, Any]]) -> None:
    """The newest connection comes out first, never one that is too old; there are never more than places."""
    clock = Clock()
    idle = IdleConnections(maxsize, clock)
    model: list[tuple[float, int]] = []
    unmade = 0
    for number, (step, value) in enumerate(steps):
        if step == "wait":
            clock.now += value
        elif step == "put":
            if len(model) + unmade < maxsize:
                idle.put(number if value else None, block=False)
                if value:
                    model.append((clock.now, number))
                else:
                    unmade += 1
            else:
                with pytest.raises(queue.Full):
                    idle.put(number, block=False)
        elif step == "expired":
            old = [each for since, each in model if since < clock.now - LONGEST_IDLE]
            assert idle.expired() == old
            model = model[len(old) :]
            unmade += len(old)
        elif step == "take":
            assert idle.take() == (model.pop()[1] if model else None)
        elif model:
            assert idle.get(block=False) == model.pop()[1]
        elif unmade:
            unmade -= 1
            assert idle.get(block=False) is None
        else:
            with pytest.raises(queue.Empty):
                idle.get(block=False)
        assert idle.qsize() == len(model) + unmade
