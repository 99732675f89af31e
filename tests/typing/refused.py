"""Mistakes that a type checker must find. Never run; `test_refused.py` compares what mypy says with the comments.

A line ends with `# error: CODE` when mypy must report that code there, and nothing may be reported anywhere else.
"""

from __future__ import annotations

from flowable.external_worker_client import (
    EngineRestVariable,
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    ExternalWorkerSubscription,
    FlowableExternalWorkerRestClient,
    WorkerResultBuilder,
    WorkResult,
)

Job = ExternalWorkerAcquireJobResponse
Builder = WorkerResultBuilder


def clients() -> None:
    """A password is no `AuthBase`, and what is new goes by name."""
    ExternalWorkerClient(8090)  # error: arg-type
    ExternalWorkerClient("http://localhost", auth=("user", "password"))  # error: arg-type
    ExternalWorkerClient("http://localhost", token="secret")  # error: call-arg
    ExternalWorkerClient("http://localhost", "worker", None, None, 30)  # error: call-arg
    FlowableExternalWorkerRestClient("http://localhost")  # error: call-arg


def forgets_the_builder(job: Job) -> WorkResult:
    """Take one argument."""
    raise NotImplementedError(job.id)


def returns_text(job: Job, builder: Builder) -> str:
    """Return what is no outcome."""
    return f"{job.id} {builder}"


async def is_async(job: Job, builder: Builder) -> WorkResult:
    """Return a coroutine."""
    return builder.success().variable_string("id", job.id)


def fine(job: Job, builder: Builder) -> WorkResult:
    """Be a handler."""
    return builder.success().variable_string("id", job.id)


def subscriptions(client: ExternalWorkerClient) -> None:
    """A handler takes a job and a builder, and returns an outcome or nothing."""
    client.subscribe("topic")  # error: call-arg
    client.subscribe("topic", forgets_the_builder)  # error: arg-type
    client.subscribe("topic", returns_text)  # error: arg-type
    client.subscribe("topic", is_async)  # error: arg-type
    client.subscribe("topic", lambda job, result: result.sucess())  # error: attr-defined
    client.subscribe("topic", fine, number_of_task=5)  # error: call-arg
    client.subscribe("topic", fine, number_of_tasks="5")  # error: arg-type
    client.subscribe(["topic"], fine)  # error: arg-type
    subscription: ExternalWorkerSubscription = client.subscribe("topic", fine)
    subscription.unsubscribe("1s")  # error: arg-type


def outcomes(result: WorkerResultBuilder) -> None:
    """An outcome has the steps that fit it, and each step its type of value."""
    result.success().error_message("no failure")  # error: attr-defined
    result.success().variable_string("number", 1)  # error: arg-type
    result.success().variable_int("text", "1")  # error: arg-type
    result.success().variable_boolean("text", "true")  # error: arg-type
    result.success().variable_string(name="no value")  # error: call-arg
    result.failure().variable_string("no", "variables")  # error: attr-defined
    result.failure().retries("3")  # error: arg-type
    result.cmmn_terminate().error_code("E1")  # error: attr-defined
    result.bpmn_error().retries(1)  # error: attr-defined


def rest(rest_client: FlowableExternalWorkerRestClient) -> None:
    """Filters have names and types, because the engine ignores what it does not know and returns everything."""
    rest_client.list_jobs(process_instance="id")  # error: call-arg
    rest_client.list_jobs(locked="yes")  # error: arg-type
    rest_client.list_jobs(sort="name")  # error: arg-type
    rest_client.list_jobs(order="down")  # error: arg-type
    rest_client.list_jobs(0, 10)  # error: call-arg
    rest_client.iter_jobs(size=10)  # error: call-arg
    rest_client.complete_job("id", {"name": "value"})  # error: dict-item
    rest_client.complete_job("id", [("name", "string", "value")])  # error: list-item
    rest_client.fail_job("id", retries="1")  # error: arg-type
    rest_client.job_with_cmmn_terminate("id")  # error: call-arg
    EngineRestVariable("name", "string")  # error: call-arg
