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
from flowable.external_worker_client.testing import EmbeddedAdapter, EmbeddedEngine, End, Process, Task

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
    assert any("was settled by its handler itself" in message for message in caplog.messages)


def test_a_handler_that_raises_after_it_completed_its_job_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The engine has the result; a failure would be refused, and the log says what happened."""

    def handler(client: ExternalWorkerClient, job: Job, result: WorkerResultBuilder) -> None:
        client._restClient.complete_job(job.id)
        raise RuntimeError("too late")

    with _worked_on(handler) as (engine, (instance,)):
        engine.wait_for_end(instance)
        assert _settling(engine) == ["completed"]
    (message,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert message.endswith(": its handler raised after the job was settled: too late")


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
        def __repr__(self) -> str:
            return "Silent()"

        def execute(self, rest_client: object) -> None:
            """Forget to."""

    with _worked_on(lambda client, job, result: Silent()) as (engine, _):
        assert _settling(engine) == []
    (message,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert "its outcome, Silent(), told the engine nothing" in message


def test_a_named_end_is_on_the_path_once() -> None:
    """As in the history of the engine."""
    engine = EmbeddedEngine(Process("p", Task("work", "t"), End("shipped")))
    instance = engine.start("p")
    (job,) = engine.acquire("t", worker_id="w")
    engine.complete(job.id, "w")
    (ended,) = engine.wait_for_end(instance)
    assert (ended.path, ended.end) == (("work", "shipped"), "shipped")


def test_what_a_handler_returns_after_it_settled_its_job_is_dropped_aloud(caplog: pytest.LogCaptureFixture) -> None:
    """The engine takes one outcome; the second is named in the log."""

    def handler(client: ExternalWorkerClient, job: Job, result: WorkerResultBuilder) -> Any:
        client._restClient.complete_job(job.id)
        return result.bpmn_error().error_code("late")

    with _worked_on(handler) as (engine, (instance,)):
        engine.wait_for_end(instance)
        assert _settling(engine) == ["completed"]
    (message,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert message.endswith("what it returned is dropped: WorkerResultBpmnError(variables=[], error_code='late')")


def test_the_handlers_own_exception_is_reported_although_a_call_of_its_failed_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It dealt with the refusal, and then failed for another reason, which is what the engine must be told."""

    def handler(client: ExternalWorkerClient, job: Job, result: WorkerResultBuilder) -> None:
        try:
            client._restClient.complete_job(job.id, [EngineRestVariable("id", "uuid", "x")])
        except FlowableRestException:
            raise ValueError("disk full")  # noqa: B904 - as people write it

    with _worked_on(handler) as (engine, (instance,)):
        (job,) = engine.jobs()
        assert (job.instance_id, job.retries, job.exception_message) == (instance, 2, "disk full")
    said = "failed; it has 2 retries left and is offered again in "
    assert any(said in message and message.endswith(" s: disk full") for message in caplog.messages)


@pytest.mark.parametrize(
    ("decide", "level", "said"),
    [
        (lambda result: None, logging.INFO, "completed after 0.000 s: None"),
        (
            lambda result: result.success().variable_int("n", 1),
            logging.INFO,
            "completed after 0.000 s: WorkerResultSuccess(variables=[n])",
        ),
        (
            lambda result: result.bpmn_error().error_code("X"),
            logging.INFO,
            "ended in a BPMN error after 0.000 s: WorkerResultBpmnError(variables=[], error_code='X')",
        ),
        (
            lambda result: result.failure().error_message("no").retries(0),
            logging.WARNING,
            "failed after 0.000 s: WorkerResultFailure(error_message='no', retries=0, retry_timeout=None)",
        ),
    ],
)
def test_every_settled_job_has_its_line_in_the_log(
    decide: Callable[[WorkerResultBuilder], Any], level: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who reads it at night sees what the worker did: topic, job, task, outcome, time."""
    caplog.set_level(logging.INFO, "flowable.external_worker_client")
    with _worked_on(lambda client, job, result: decide(result)) as (engine, _):
        job_id = next(event.job_id for event in engine.events if event.job_id)
    (record,) = [record for record in caplog.records if "after" in record.getMessage()]
    text = record.getMessage().replace(f"{_seconds(record.getMessage())} s", "0.000 s")
    assert (record.levelno, text) == (level, f"Topic 't': job {job_id} of 'work' {said}")
    assert vars(record)["job_id"] == job_id


def _seconds(line: str) -> str:
    return line.partition(" after ")[2].partition(" s")[0]
