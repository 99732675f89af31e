"""What the real engine does to connections fails no request, and most requests go the short way."""

from __future__ import annotations

import socket
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.support.threads import in_threads

from flowable.external_worker_client import FlowableExternalWorkerRestClient, FlowableRestException
from flowable.external_worker_client.rest import pools
from flowable.external_worker_client.rest.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowable.external_worker_client import ExternalWorkerClient
    from flowable.external_worker_client.testing.real_engine import RealEngine


@pytest.fixture
def rest(connect: Callable[..., ExternalWorkerClient], real_engine: RealEngine) -> FlowableExternalWorkerRestClient:
    """A REST client of the shared engine."""
    rest_client: FlowableExternalWorkerRestClient = connect(real_engine)._restClient
    return rest_client


def made(rest: FlowableExternalWorkerRestClient) -> int:
    """Return how many connections were made."""
    adapter: Any = rest.request_session.get_adapter(rest.flowable_host)
    return sum(adapter.poolmanager.pools[key].num_connections for key in adapter.poolmanager.pools.keys())  # noqa: SIM118 - it cannot be iterated over


def test_no_request_fails_when_the_engine_closes_connections(
    rest: FlowableExternalWorkerRestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the 100th request, and with every 400."""
    short: list[object] = []
    exchange = pools._exchange

    def noted(*args: Any) -> Any:
        short.append(exchange(*args))
        return short[-1]

    monkeypatch.setattr(pools, "_exchange", noted)
    for _ in range(250):
        assert rest.list_jobs(size=0).total >= 0
    assert made(rest) <= 3
    # The first of each connection goes through the session, and nothing that the engine answers is unusual.
    assert len(short) == 250 - made(rest)
    assert not any(isinstance(each, Replay) for each in short)
    for _ in range(5):
        with pytest.raises(FlowableRestException) as caught:
            rest.get_job("a/b")
        assert caught.value.status_code == 400
        assert rest.list_jobs(size=0).total >= 0
    with pytest.raises(FlowableRestException):
        rest.get_job("no such job")
    assert rest.acquire_jobs("a topic that nobody has", "PT1M") == []


@pytest.mark.timeout(150)
def test_no_request_fails_after_the_engine_has_closed_what_was_idle(
    connect: Callable[..., ExternalWorkerClient], real_engine: RealEngine
) -> None:
    """A connection that nobody looks after tells when that was; on both transports, and what is sent may be a POST."""
    clients = [connect(real_engine, transport=name)._restClient for name in ("requests", "fast")]

    def work(rest: FlowableExternalWorkerRestClient) -> None:
        for _ in range(10):
            assert rest.acquire_jobs("a topic that nobody has", "PT1M") == []

    address = urlsplit(real_engine.url)
    assert address.hostname is not None
    with closing(socket.create_connection((address.hostname, address.port or 80), 10)) as idle:
        host = f"Host: {address.hostname}\r\n\r\n".encode()
        idle.sendall(b"GET /no/such/page HTTP/1.1\r\n" + host)
        assert idle.recv(65_536)
        for rest in clients:
            assert in_threads(partial(work, rest), 3, 120) == []
        idle.settimeout(90)
        while idle.recv(65_536):
            """The rest of the page, and then nothing until the engine closes."""
    for rest in clients:
        assert in_threads(partial(work, rest), 3, 120) == []


def test_no_more_connections_than_requests_at_a_time(rest: FlowableExternalWorkerRestClient) -> None:
    """Also with many requests of several threads, which the engine closes one after the other."""

    def work() -> None:
        for _ in range(150):
            rest.list_jobs(size=0)

    assert in_threads(work, 3, 120) == []
    # Each carries a hundred.
    assert made(rest) <= 3 + 450 // 100
