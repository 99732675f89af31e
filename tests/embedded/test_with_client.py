"""The embedded engine and this library's own client, on one clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from flowable.external_worker_client import (
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    WorkerResultBuilder,
    WorkResult,
)
from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, MovingClock, Process, Task


def until(condition: Callable[[], bool], meanwhile: Callable[[], object]) -> None:
    """Wait until something holds, for at most ten real seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        meanwhile()
        time.sleep(0.002)


@pytest.mark.parametrize("transport", ["requests", "fast"])
def test_one_clock_drives_the_engine_and_the_worker(transport: Any) -> None:
    """A job fails, waits half an hour for its second attempt, and succeeds, in the blink of an eye."""
    clock = MovingClock()
    engine = EmbeddedEngine(Process("p", Task("work", "t")), clock=clock, reset_interval=60)
    attempts: list[tuple[float, int]] = []

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        attempts.append((clock.now(), job.retries))
        if len(attempts) == 1:
            return result.failure().error_message("not yet").retry_timeout("PT30M")
        return result.success().variable_string("answer", "42")

    instance = engine.start("p")
    with EmbeddedServer(engine) as server:
        client = ExternalWorkerClient(server.url, clock=clock, transport=transport)
        subscription = client.subscribe("t", handler)
        until(lambda: any(event.kind == "failed" for event in engine.events), lambda: None)
        clock.advance(1800)
        until(lambda: engine.instance(instance).ended, lambda: clock.advance(10))
        assert subscription.unsubscribe(5)
    assert engine.instance(instance).variables == {"answer": "42"}
    assert [retries for _, retries in attempts] == [3, 2]
    assert attempts[1][0] >= 1800
