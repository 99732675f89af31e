"""Clients and subscriptions of the tests on the real engine, ended when the test is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import ExternalWorkerClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flowable.external_worker_client import CallbackHandlerType, ExternalWorkerSubscription
    from flowable.external_worker_client.testing.real_engine import RealEngine

STOP_TIMEOUT = 20.0  # seconds


@pytest.fixture
def transport() -> str:
    """What carries requests. Modules whose tests are for both have a fixture of their own in its place."""
    return "requests"


@pytest.fixture
def connect(transport: str) -> Iterator[Callable[..., ExternalWorkerClient]]:
    """Make clients of an engine: `connect(engine, worker_id=…)`. Their connections are closed after the test."""
    clients: list[ExternalWorkerClient] = []

    def make(engine: RealEngine, **options: Any) -> ExternalWorkerClient:
        options.setdefault("auth", HTTPBasicAuth(engine.username, engine.password))
        options.setdefault("transport", transport)
        clients.append(ExternalWorkerClient(engine.url, **options))
        return clients[-1]

    yield make
    for client in clients:
        client._restClient.close()


@pytest.fixture
def subscribe(
    connect: Callable[..., ExternalWorkerClient],
) -> Iterator[Callable[..., ExternalWorkerSubscription]]:
    """Subscribe to a topic: `subscribe(engine_or_client, topic, handler, …)`. Ended after the test."""
    subscriptions: list[ExternalWorkerSubscription] = []

    def start(
        where: RealEngine | ExternalWorkerClient, topic: str, handler: CallbackHandlerType, **options: Any
    ) -> ExternalWorkerSubscription:
        client = where if isinstance(where, ExternalWorkerClient) else connect(where)
        options.setdefault("wait_period_seconds", 0.1)
        subscriptions.append(client.subscribe(topic, handler, **options))
        return subscriptions[-1]

    yield start
    for subscription in subscriptions:
        subscription.event.set()
    ended = [subscription.unsubscribe(STOP_TIMEOUT) for subscription in subscriptions]
    assert all(ended)
