"""Subscriptions on a real engine: wrong credentials, two workers, unfinished work at the end."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING

from requests.auth import HTTPBasicAuth
from tests.support.waiting import until

from flowable.external_worker_client.testing.real_engine import RealVariable

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from tests.support.models import Model

    from flowable.external_worker_client import (
        ExternalWorkerAcquireJobResponse,
        ExternalWorkerClient,
        ExternalWorkerSubscription,
        WorkerResultBuilder,
        WorkResult,
    )
    from flowable.external_worker_client.testing.real_engine import RealEngine

    Connect = Callable[..., ExternalWorkerClient]
    Subscribe = Callable[..., ExternalWorkerSubscription]
    Models = Callable[[str], Model]


def test_a_subscription_outlives_wrong_credentials(
    real_engine: RealEngine, models: Models, connect: Connect, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    """It says that it is refused, without the password, and works as soon as the credentials are right."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instance = real_engine.start_process(model.key)
    client = connect(real_engine, auth=HTTPBasicAuth(real_engine.username, "wrong-secret"))
    with caplog.at_level(logging.INFO):
        subscription = subscribe(client, model.topic("work"), lambda _job, _result: None)
        until(lambda: [record for record in caplog.records if record.levelno >= logging.ERROR])
        assert subscription.thread.is_alive()
        client._restClient.request_session.auth = HTTPBasicAuth(real_engine.username, real_engine.password)
        real_engine.wait_for_end(instance)
    assert "401" in caplog.text
    assert "wrong-secret" not in caplog.text


def test_two_subscriptions_share_a_topic(real_engine: RealEngine, models: Models, subscribe: Subscribe) -> None:
    """Both get work, at the same time, and no job twice."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instances = [real_engine.start_process(model.key) for _ in range(30)]
    handled: list[tuple[int, str | None]] = []
    both_have_one = threading.Barrier(2)
    met = threading.local()

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        if not hasattr(met, "once"):
            met.once = True
            both_have_one.wait(20)
        handled.append((threading.get_ident(), job.process_instance_id))

    first = subscribe(real_engine, model.topic("work"), work)
    second = subscribe(real_engine, model.topic("work"), work)
    for instance in instances:
        real_engine.wait_for_end(instance)
    assert Counter(instance for _, instance in handled) == Counter(instances)
    assert {thread for thread, _ in handled} == {first.thread.ident, second.thread.ident}


def test_a_stopped_subscription_finishes_its_job_and_gives_the_rest_of_the_batch_back(
    real_engine: RealEngine, models: Models, connect: Connect, subscribe: Subscribe
) -> None:
    """The running handler's result is in the engine; the other jobs can be acquired at once, with all their retries."""
    model = models("task-then-wait.bpmn20.xml")
    real_engine.deploy(model.text)
    instances = {real_engine.start_process(model.key) for _ in range(3)}
    started, go_on = threading.Event(), threading.Event()
    running: list[str | None] = []

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        running.append(job.process_instance_id)
        started.set()
        go_on.wait(20)
        return result.success().variable_string("done", "yes")

    subscription = subscribe(real_engine, model.topic("work"), work, number_of_tasks=3, lock_duration="PT10M")
    assert started.wait(20)
    assert subscription.unsubscribe(0) is False
    go_on.set()
    assert subscription.unsubscribe(20) is True

    [finished] = running
    real_engine.wait_for_task(str(finished), "wait")
    assert real_engine.variables(str(finished)) == {"done": RealVariable("string", "yes")}
    left = connect(real_engine)._restClient.acquire_jobs(model.topic("work"), "PT10M", number_of_tasks=3)
    assert {job.process_instance_id for job in left} == instances - {finished}
    assert {job.retries for job in left} == {3}
