"""Who settles a job, and how often: handlers that do it themselves, outcomes of somebody's own, threads of theirs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flowable.external_worker_client import (
    EngineRestVariable,
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    FlowableRestException,
    WorkerResultBuilder,
)
from flowable.external_worker_client.testing import EmbeddedAdapter, EmbeddedEngine, Process, Task

Job = ExternalWorkerAcquireJobResponse
Handler = Callable[[ExternalWorkerClient, Job, WorkerResultBuilder], Any]


@contextmanager
def _worked_on(handler: Handler, instances: int = 1) -> Iterator[tuple[EmbeddedEngine, list[str]]]:
    """Let a handler work on instances of one task until each has been handled once."""
    engine = EmbeddedEngine(Process("p", Task("work", "t")))
    adapter = EmbeddedAdapter(engine)
    started = [engine.start("p") for _ in range(instances)]
    client = ExternalWorkerClient(adapter.url, customize_session=adapter.mount)
    handled = threading.Semaphore(0)

    def callback(job: Job, result: WorkerResultBuilder) -> Any:
        try:
            return handler(client, job, result)
        finally:
            handled.release()

    subscription = client.subscribe("t", callback, wait_period_seconds=0.02)
    try:
        for _ in started:
            assert handled.acquire(timeout=10)
    finally:
        # Settles what was handled, and leaves.
        assert subscription.unsubscribe(10)
    yield engine, started


def _settling(engine: EmbeddedEngine) -> list[str]:
    return [
        event.kind for event in engine.events if event.kind in {"completed", "failed", "dead", "errored", "terminated"}
    ]


def test_a_job_that_its_handler_completed_itself_is_not_completed_again(caplog: pytest.LogCaptureFixture) -> None:
    """It returns `None`, as handlers do; version 1 then reported the finished job as failed."""
    caplog.set_level(logging.DEBUG, "flowable.external_worker_client")

    def handler(client: ExternalWorkerClient, job: Job, result: WorkerResultBuilder) -> None:
        client._restClient.complete_job(job.id, [EngineRestVariable("by", "string", "hand")])

    with _worked_on(handler) as (engine, (instance,)):
        assert engine.wait_for_end(instance)[0].variables == {"by": "hand"}
        assert _settling(engine) == ["completed"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert any("the handler settled it itself" in message for message in caplog.messages)


def test_a_handler_that_raises_after_it_completed_its_job_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The engine has the result; a failure would be refused, and the log says what happened."""

    def handler(client: ExternalWorkerClient, job: Job, result: WorkerResultBuilder) -> None:
        client._restClient.complete_job(job.id)
        raise RuntimeError("too late")

    with _worked_on(handler) as (engine, (instance,)):
        engine.wait_for_end(instance)
        assert _settling(engine) == ["completed"]
    (message,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert message.endswith("the handler of topic 't' raised after the job was settled: too late")


def test_a_thread_of_the_handlers_own_settles_under_the_right_name() -> None:
    """Every acquire has an owner name of its own; who knows the job's id only must find it."""

    def handler(client: ExternalWorkerClient, job: Job, result: WorkerResultBuilder) -> None:
        thread = threading.Thread(target=client._restClient.complete_job, args=(job.id,))
        thread.start()
        thread.join()

    with _worked_on(handler, instances=3) as (engine, started):
        engine.wait_for_end(*started)
        assert _settling(engine) == ["completed"] * 3


def test_a_refusal_that_the_handler_deals_with_itself_costs_nothing() -> None:
    """It tries something that the engine refuses, sees why, and returns a proper result."""
    seen: list[str | None] = []

    def handler(client: ExternalWorkerClient, job: Job, result: WorkerResultBuilder) -> Any:
        try:
            client._restClient.complete_job(job.id, [EngineRestVariable("id", "uuid", "x")])
        except FlowableRestException as refusal:
            seen.append(refusal.engine_error)
        return result.success().variable_string("id", "x")

    with _worked_on(handler) as (engine, (instance,)):
        assert engine.wait_for_end(instance)[0].variables == {"id": "x"}
        assert _settling(engine) == ["completed"]
    assert seen == ["Variable 'id' has unsupported type: 'uuid'."]


def test_an_outcome_that_tells_the_engine_nothing_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The job stays locked until its lock ends: somebody should know why."""

    class Silent:
        def execute(self, rest_client: object) -> None:
            """Forget to."""

    with _worked_on(lambda client, job, result: Silent()) as (engine, _):
        assert _settling(engine) == []
    (message,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "its outcome, a Silent, told the engine nothing" in message
