"""Mistakes that a type checker must find. Never run; `test_refused.py` compares what mypy says with the comments.

A line ends with `# error: CODE` when mypy must report that code there, and nothing may be reported anywhere else.
"""

from __future__ import annotations

from flowable.external_worker_client import (
    BpmnError,
    CmmnTerminate,
    DeadLetter,
    EngineRestVariable,
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    ExternalWorkerSubscription,
    FlowableExternalWorkerRestClient,
    JobFailure,
    RetryLater,
    RetryPolicy,
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
    ExternalWorkerClient(journal=True)  # error: arg-type
    ExternalWorkerClient(retry=3)  # error: arg-type
    ExternalWorkerClient(transport="quick")  # error: arg-type


def ends(client: ExternalWorkerClient) -> None:
    """A grace is a duration; what a stop returns is not a client, and running until a stop returns nothing."""
    client.close(object())  # error: arg-type
    client.run_until_stopped([20])  # error: arg-type
    client.close(timeout=20)  # error: call-arg
    ended: ExternalWorkerClient = client.close()  # error: assignment
    client.run_until_stopped().close()  # error: attr-defined
    ended.close()


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
    client.subscribe("topic", fine, concurrency="4")  # error: arg-type
    client.subscribe("topic", fine, concurrency=None)  # error: arg-type
    client.subscribe("topic", fine, retry="10s")  # error: arg-type
    client.subscribe("topic", fine, "PT1M", 5, None, 30, 1, 4)  # error: call-arg
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
    result.success().variables([("name", "value")])  # error: arg-type
    result.success().variable_decimal("share", 0.1)  # error: arg-type
    result.success().variable_date("text", "2026-02-03")  # error: arg-type
    result.success().variable_short("text", "1")  # error: arg-type
    result.failure().variable("no", "variables")  # error: attr-defined
    result.success().variables(name="value")  # error: call-arg
    result.failure().variables({"no": "variables"})  # error: attr-defined


def failing() -> None:
    """An exception takes what fits it; variables go by name, and a policy's fields too."""
    BpmnError(404)  # error: arg-type
    BpmnError("E1", {"name": "value"})  # error: call-arg
    CmmnTerminate("why")  # error: call-arg
    JobFailure()  # error: call-arg
    JobFailure("closed", 3)  # error: call-arg
    JobFailure("closed", retries="3")  # error: arg-type
    RetryLater()  # error: call-arg
    RetryLater(None)  # error: arg-type
    DeadLetter("never", retries=0)  # error: call-arg
    RetryPolicy("10s")  # error: call-arg
    RetryPolicy(retries=3)  # error: call-arg
    RetryPolicy(attempts="3")  # error: arg-type
    RetryPolicy(first_pause=None)  # error: arg-type
    RetryPolicy(exceptions={ValueError: "10s"})  # error: dict-item
    RetryPolicy(exceptions={str: RetryPolicy()})  # error: dict-item
    RetryPolicy().attempts = 3  # error: misc


def jobs(job: Job) -> None:
    """What is left of a lock may be unknown, and cannot be set."""
    job.time_left + 1  # error: operator
    job.deadline = None  # error: misc


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
