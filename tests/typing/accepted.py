"""Programs that must pass the type checkers. Never run; `make lint` gives this file to mypy and basedpyright.

`assert_type` also fails when the library's types say less than people rely on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, assert_type

import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from flowable.external_worker_client import (
    BpmnError,
    CallbackHandlerType,
    CmmnTerminate,
    DeadLetter,
    EngineRestVariable,
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    ExternalWorkerSubscription,
    FlowableExternalWorkerRestClient,
    FlowableRestException,
    HandlerError,
    JobFailure,
    RetryLater,
    RetryPolicy,
    Typed,
    WorkerResultBpmnError,
    WorkerResultBuilder,
    WorkerResultCmmnTerminate,
    WorkerResultFailure,
    WorkerResultSuccess,
    WorkResult,
)
from flowable.external_worker_client.cloud_token import FlowableCloudToken
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.list_result import ListResult
from flowable.external_worker_client.restclient import JOB_API

type_of_auth: AuthBase = FlowableCloudToken("token")


# ---------------------------------------------------------------- clients


def clients(session_changes: list[str]) -> None:
    """Every way to make a client that 1.0.2 knew, and the new options."""

    def customize(session: requests.Session) -> None:
        session.verify = "ca.pem"

    ExternalWorkerClient()
    ExternalWorkerClient("http://localhost:8090/flowable-rest")
    ExternalWorkerClient("http://localhost", "worker-1", HTTPBasicAuth("user", "password"), customize)
    ExternalWorkerClient(auth=FlowableCloudToken("token"))
    ExternalWorkerClient(auth=HTTPDigestAuth("user", "password"), worker_id=None)
    # A lambda that returns something is fine: what it returns does not matter.
    ExternalWorkerClient(customize_session=lambda session: session_changes.append(str(session.proxies)))
    ExternalWorkerClient(timeout=10)
    ExternalWorkerClient(transport="fast")
    ExternalWorkerClient(transport="requests")
    ExternalWorkerClient(transport=None)
    ExternalWorkerClient(timeout=(2.5, 60))
    ExternalWorkerClient(journal="worker.db", retry=RetryPolicy(attempts=5))
    ExternalWorkerClient(journal=Path("worker.db"), retry=None)
    FlowableExternalWorkerRestClient("http://localhost", "worker-1", None, customize)


def ends(client: ExternalWorkerClient) -> None:
    """Every way to end, with a grace in every form of a duration."""
    with client as entered:
        assert_type(entered, ExternalWorkerClient)
    with ExternalWorkerClient() as made:
        assert_type(made, ExternalWorkerClient)
    assert_type(client.close(), bool)
    for grace in ("PT20S", "20s", 20, 2.5, timedelta(seconds=20), None):
        client.close(grace)
        client.run_until_stopped(grace)
    client.run_until_stopped(grace="20s")


# ---------------------------------------------------------------- handlers and subscriptions


def returns_a_result(job: ExternalWorkerAcquireJobResponse, builder: WorkerResultBuilder) -> WorkResult:
    """Declare the base class of the outcomes."""
    return builder.success() if job.retries else builder.failure()


def returns_an_outcome(job: ExternalWorkerAcquireJobResponse, builder: WorkerResultBuilder) -> WorkerResultSuccess:
    """Declare one outcome."""
    return builder.success().variable_string("id", job.id)


def returns_an_outcome_or_nothing(
    job: ExternalWorkerAcquireJobResponse, builder: WorkerResultBuilder
) -> WorkerResultFailure | None:
    """Fail, or complete without variables."""
    return builder.failure() if job.exception_message else None


def returns_nothing(job: ExternalWorkerAcquireJobResponse, builder: WorkerResultBuilder) -> None:
    """Complete without variables."""
    print(job, builder)  # noqa: T201


class Handler:
    """A handler can be the method of an object, or an object that can be called."""

    def handle(self, job: ExternalWorkerAcquireJobResponse, builder: WorkerResultBuilder) -> WorkResult | None:
        """Terminate the plan item."""
        return builder.cmmn_terminate() if job.scope_id else None

    def __call__(self, job: ExternalWorkerAcquireJobResponse, builder: WorkerResultBuilder) -> WorkResult:
        """Throw an error."""
        return builder.bpmn_error().error_code(job.element_id)


class OwnOutcome(WorkResult):
    """People write outcomes of their own."""

    def execute(self, rest_client: Any) -> None:
        """Make two calls."""
        rest_client.get_job("id")
        rest_client.complete_job("id")


def returns_an_own_outcome(job: ExternalWorkerAcquireJobResponse, builder: WorkerResultBuilder) -> OwnOutcome:
    """Return an outcome that this library does not know."""
    print(job, builder)  # noqa: T201
    return OwnOutcome()


class Duck:
    """An outcome needs `execute` and no base class."""

    def execute(self, rest_client: FlowableExternalWorkerRestClient) -> None:
        """Complete another job."""
        rest_client.complete_job("id")


def returns_a_duck(job: ExternalWorkerAcquireJobResponse, builder: WorkerResultBuilder) -> Duck:
    """Return an outcome that is none of this library's classes."""
    print(job, builder)  # noqa: T201
    return Duck()


def subscriptions(client: ExternalWorkerClient, unannotated: Any) -> None:
    """Every kind of handler, and every option by its place and by its name."""
    handler: CallbackHandlerType = returns_a_result
    subscription = client.subscribe("topic", handler)
    assert_type(subscription, ExternalWorkerSubscription)
    client.subscribe("topic", returns_an_outcome, "PT5M", 5, "bpmn", 30, 1)
    client.subscribe("topic", returns_an_outcome_or_nothing, wait_period_seconds=0.5)
    client.subscribe("topic", returns_nothing, lock_duration="PT1H", number_of_tasks=10)
    client.subscribe("topic", Handler().handle, scope_type="cmmn", number_of_retries=3)
    client.subscribe("topic", Handler(), scope_type=None)
    client.subscribe("topic", returns_an_own_outcome)
    client.subscribe("topic", returns_a_duck)
    client.subscribe("topic", unannotated)
    client.subscribe("topic", lambda job, result: result.success().variable_string("id", job.id))
    client.subscribe(topic="topic", callback_handler=lambda _job, _result: None)
    client.subscribe("topic", handler, concurrency=4, retry=RetryPolicy(first_pause="1m"))
    assert_type(subscription.thread, threading.Thread)
    assert_type(subscription.event, threading.Event)
    subscription.unsubscribe()
    subscription.unsubscribe(1.5)
    subscription.unsubscribe(timeout=None)


# ---------------------------------------------------------------- outcomes


def outcomes(result: WorkerResultBuilder) -> None:
    """Each step gives back the outcome that it was called on, so that every order of steps works."""
    assert_type(result.success(), WorkerResultSuccess)
    assert_type(result.success().variable_string("text", "a"), WorkerResultSuccess)
    assert_type(result.success().variable_int("number", 1).variable_float("share", 0.5), WorkerResultSuccess)
    assert_type(result.success().variable_boolean("flag", value=True).variable_json("all", [1]), WorkerResultSuccess)
    assert_type(result.success().variable_json("nested", {"a": [1, None, {"b": True}]}), WorkerResultSuccess)
    assert_type(result.success().variable_float("whole", 1), WorkerResultSuccess)

    assert_type(result.failure(), WorkerResultFailure)
    assert_type(result.failure().error_message("text").error_details("trace"), WorkerResultFailure)
    assert_type(result.failure().retries(0).retry_timeout("PT1H").error_message("text"), WorkerResultFailure)

    assert_type(result.bpmn_error(), WorkerResultBpmnError)
    assert_type(result.bpmn_error().error_code("E1").variable_string("why", "a"), WorkerResultBpmnError)
    assert_type(result.bpmn_error().variable_string("why", "a").error_code("E1"), WorkerResultBpmnError)

    assert_type(result.cmmn_terminate(), WorkerResultCmmnTerminate)
    assert_type(result.cmmn_terminate().variable_string("why", "a"), WorkerResultCmmnTerminate)

    values: dict[str, object] = {"text": "a", "number": 1}
    assert_type(result.success().variables(values).variables({"all": [1, "b"]}), WorkerResultSuccess)
    assert_type(result.bpmn_error().variables({"a": None}).error_code("E1"), WorkerResultBpmnError)
    assert_type(result.success().variable("any", Typed(5, "short")).variable_null("none"), WorkerResultSuccess)
    assert_type(result.success().variable_decimal("a", Decimal(1)).variable_decimal("b", 1), WorkerResultSuccess)
    assert_type(result.bpmn_error().variable_date("day", None).error_code("E1"), WorkerResultBpmnError)


# ---------------------------------------------------------------- failing


def raises(job: ExternalWorkerAcquireJobResponse, _builder: WorkerResultBuilder) -> None:
    """Every exception that ends a job; what they carry is typed."""
    match job.element_id:
        case "error":
            raise BpmnError("E1", amount=5, lines=[{"a": None}])
        case "any error":
            raise BpmnError(**{"Customer No": "5"})
        case "terminate":
            raise CmmnTerminate(why="over")
        case "failure":
            raise JobFailure("closed", retries=job.retries, retry_after="1h")
        case "later":
            raise RetryLater(timedelta(minutes=5), "closed")
        case "soon":
            raise RetryLater(2.5)
        case _:
            raise DeadLetter("never")


def failures(error: HandlerError) -> None:
    """What a wrapper around handlers reads of them."""
    match error:
        case BpmnError():
            assert_type(error.code, str | None)
            assert_type(error.variables, Mapping[str, object])
        case JobFailure():
            assert_type(error.message, str)
            assert_type(error.retries, int | None)
            assert_type(error.retry_after, float | None)
        case RetryLater():
            assert_type(error.delay, float)
        case _:
            pass


def retry_policies() -> None:
    """Durations in every form; policies by exception type."""
    policy = RetryPolicy(first_pause="PT1M", growth=2, longest_pause=timedelta(hours=1), jitter=0.5, attempts=5)
    RetryPolicy(first_pause=1.5, attempts=None, exceptions={OSError: policy, ValueError: RetryPolicy(attempts=1)})
    assert_type(policy.for_error(OSError()), RetryPolicy)
    assert_type(policy.pause(1, 0.5), float)
    assert_type(policy.first_pause_seconds, float)
    assert_type(policy.attempts, int | None)


# ---------------------------------------------------------------- jobs


def jobs(job: ExternalWorkerAcquireJobResponse) -> None:
    """What a handler reads."""
    assert_type(job.id, str)
    assert_type(job.retries, int)
    assert_type(job.variables, list[EngineRestVariable])
    assert_type(job.variables_dict, dict[str, Any])
    # Somebody who reads a variable knows what the process holds.
    amount: int = job.variable("amount")
    share: float | None = job.variable("share", default=None)
    assert_type((amount, share), tuple[int, float | None])
    assert_type(job.process_instance_id, str | None)
    assert_type(job.lock_expiration_time, datetime | None)
    assert_type(job.deadline, datetime | None)
    assert_type(job.time_left, float | None)
    values = {variable.name: variable.value for variable in job.variables}
    assert_type(values.get("customer"), object | None)
    job.variables = []
    job.retries = 2


# ---------------------------------------------------------------- REST client


def rest(client: ExternalWorkerClient) -> None:
    """The operations, by place as in 1.0.2 and with the new filters."""
    rest_client = client._restClient  # pyright: ignore[reportPrivateUsage]  # programs for 1.0.2 reach for it
    assert_type(rest_client, FlowableExternalWorkerRestClient)
    assert_type(rest_client.request_session, requests.Session)
    assert_type(rest_client.worker_id, str)
    assert_type(rest_client.flowable_host + JOB_API, str)

    assert_type(rest_client.list_jobs(), ListResult[ExternalWorkerJobResponse])
    assert_type(rest_client.list_jobs().data, list[ExternalWorkerJobResponse])
    assert_type(rest_client.list_jobs().total, int)
    assert_type(rest_client.iter_jobs(), Iterator[ExternalWorkerJobResponse])
    assert_type(rest_client.get_job("id"), ExternalWorkerJobResponse)
    rest_client.list_jobs(start=0, size=100, sort="createTime", order="desc")
    rest_client.list_jobs(process_instance_id="id", element_id="task", locked=True)
    rest_client.list_jobs(scope_type="cmmn", without_tenant_id=True, with_exception=True)
    rest_client.iter_jobs(page_size=500, unlocked=True, tenant_id_like="acme%", sort="retries")

    acquired: list[ExternalWorkerAcquireJobResponse] = rest_client.acquire_jobs("topic", "PT5M", 1, 5, None, "bpmn")
    for job in acquired:
        assert_type(job, ExternalWorkerAcquireJobResponse)
    variables = [EngineRestVariable("name", "string", "value"), EngineRestVariable("name", "json", {"a": 1}, None)]
    rest_client.complete_job("id", variables, "worker")
    rest_client.complete_job("id")
    rest_client.job_with_bpmn_error("id", variables, "E1", worker_id=None)
    rest_client.fail_job("id", "message", "details", 2, "PT5M", "worker")
    rest_client.job_with_cmmn_terminate("id", variables)
    rest_client.unacquire_job("id")
    rest_client.unacquire_jobs("worker", tenant_id="acme")


def errors(rest_client: FlowableExternalWorkerRestClient) -> None:
    """What an `except` reads."""
    try:
        rest_client.get_job("id")
    except FlowableRestException as error:
        assert_type(error.status_code, int)
        assert_type(error.content, str | None)
        assert_type(error.engine_message, str | None)
        assert_type(error.engine_error, str | None)
