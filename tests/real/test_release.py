"""Jobs that are given back unstarted can be acquired at once, and so can their siblings, on every release."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from tests.support.waiting import until

from flowable.external_worker_client import RetryLater

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.models import Model

    from flowable.external_worker_client import (
        ExternalWorkerAcquireJobResponse,
        ExternalWorkerClient,
        ExternalWorkerSubscription,
        FlowableExternalWorkerRestClient,
        WorkerResultBuilder,
    )
    from flowable.external_worker_client.testing.real_engine import RealEngine

    Connect = Callable[..., ExternalWorkerClient]
    Subscribe = Callable[..., ExternalWorkerSubscription]
    Models = Callable[[str], Model]

on_every_release = pytest.mark.parametrize("release_engine", ["7.2.0", "7.0.1", "6.8.0"], indirect=True)


@on_every_release
def test_a_released_exclusive_job_and_its_sibling_are_acquirable_at_once(
    release_engine: RealEngine, models: Models, connect: Connect, subscribe: Subscribe
) -> None:
    """Retries and message are what they were, and nothing holds the lock of the process instance."""
    model = models("exclusive-pair.bpmn20.xml")
    release_engine.deploy(model.text)
    instances = [release_engine.start_process(model.key) for _ in range(2)]
    by_hand = connect(release_engine, worker_id=f"by-hand-{model.suffix}")._restClient
    fail_once(by_hand, model.topic("first"))

    entered, leave = threading.Event(), threading.Event()
    running: list[str | None] = []

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        running.append(job.process_instance_id)
        entered.set()
        leave.wait(20)
        raise RetryLater(0)

    subscription = subscribe(release_engine, model.topic("first"), work, number_of_tasks=2, lock_duration="PT10M")
    assert entered.wait(20)
    # The handler still runs: what waits behind it is given back all the same, at once.
    assert subscription.unsubscribe(0) is False
    [waiting] = set(instances) - set(running)
    until(lambda: lock_owners(by_hand, waiting) == {None})

    leave.set()
    assert subscription.unsubscribe(20) is True

    # A batch with an exclusive job whose process instance is locked comes back empty.
    siblings = by_hand.acquire_jobs(model.topic("second"), "PT10M", number_of_tasks=2)
    assert {job.process_instance_id for job in siblings} == set(instances)
    for sibling in siblings:
        by_hand.fail_job(sibling.id, retries=sibling.retries)
    released = by_hand.acquire_jobs(model.topic("first"), "PT10M", number_of_tasks=2)
    left = {job.process_instance_id: (job.retries, job.exception_message) for job in released}
    assert left == dict.fromkeys(instances, (2, "once"))


def fail_once(rest_client: FlowableExternalWorkerRestClient, topic: str) -> None:
    """Leave two retries and a message on every job of a topic."""
    for job in rest_client.acquire_jobs(topic, "PT10M", number_of_tasks=2):
        rest_client.fail_job(job.id, "once")


def lock_owners(rest_client: FlowableExternalWorkerRestClient, instance: str) -> set[str | None]:
    """Return who holds the jobs of a process instance."""
    return {job.lock_owner for job in rest_client.iter_jobs(process_instance_id=instance)}
