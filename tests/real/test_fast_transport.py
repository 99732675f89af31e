"""The fast transport on the real engine: what that does to connections fails no request, and work is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.threads import in_threads

from flowable.external_worker_client import FlowableRestException

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.models import Model

    from flowable.external_worker_client import (
        ExternalWorkerAcquireJobResponse,
        ExternalWorkerClient,
        ExternalWorkerSubscription,
        WorkerResultBuilder,
    )
    from flowable.external_worker_client.testing.real_engine import RealEngine


@pytest.fixture
def transport() -> str:
    """What carries requests."""
    return "fast"


def test_no_request_fails_when_the_engine_closes_connections(
    connect: Callable[..., ExternalWorkerClient], real_engine: RealEngine
) -> None:
    """With the 100th request, and with every 400; on several threads."""
    rest = connect(real_engine)._restClient

    def work() -> None:
        for number in range(220):
            assert rest.list_jobs(size=0).total >= 0
            if number % 20 == 0:
                with pytest.raises(FlowableRestException) as caught:
                    rest.get_job("a/b")
                assert caught.value.status_code == 400

    assert in_threads(work, 3, 120) == []


def test_jobs_are_worked_on(
    subscribe: Callable[..., ExternalWorkerSubscription],
    real_engine: RealEngine,
    models: Callable[[str], Model],
) -> None:
    """Many, on several threads, each once."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instances = [real_engine.start_process(model.key) for _ in range(60)]
    done: list[str | None] = []

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        del result
        done.append(job.process_instance_id)

    subscribe(real_engine, model.topic("work"), handler, concurrency=4, number_of_tasks=20)
    for instance in instances:
        real_engine.wait_for_end(instance)
    assert sorted(map(str, done)) == sorted(instances)
