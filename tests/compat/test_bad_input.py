"""Wrong arguments: an error at the call that names parameter, value and what is accepted; nothing is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import responses

from flowable.external_worker_client import (
    EngineRestVariable,
    ExternalWorkerClient,
    FlowableExternalWorkerRestClient,
    InvalidArgumentError,
    WorkerResultBuilder,
)
from flowable.external_worker_client.response_converter import convert_to_external_worker_acquire_job_response

from .stub import job_json

HOST = "http://engine.test/flowable-rest"


@pytest.fixture(autouse=True)
def nothing_is_sent() -> Iterator[None]:
    """See that no request is made; one that was would get no answer either."""
    sent: list[Any] = []

    def note(request: Any) -> tuple[int, dict[str, str], str]:
        sent.append(request.url)
        return 500, {}, ""

    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        for kind in (responses.GET, responses.POST):
            mocked.add_callback(kind, re.compile(".*"), callback=note)
        yield
    assert sent == []


@pytest.fixture
def client() -> Iterator[ExternalWorkerClient]:
    """A client whose arguments were right."""
    client = ExternalWorkerClient(HOST, "worker-1")
    yield client
    client._restClient.request_session.close()


@pytest.fixture
def rest_client(client: ExternalWorkerClient) -> FlowableExternalWorkerRestClient:
    """Its REST client."""
    return client._restClient


def refused(call: Callable[[], object], parameter: str, value: object) -> InvalidArgumentError:
    """Call, and check the error: also a `ValueError`, its attributes, and that its text has all three."""
    with pytest.raises(InvalidArgumentError) as caught:
        call()
    error = caught.value
    assert isinstance(error, ValueError)
    assert error.parameter == parameter
    assert error.accepted
    assert error.value is value or error.value == value
    assert str(error).startswith(parameter)
    assert repr(value)[:100] in str(error)
    assert str(error).endswith(error.accepted)
    return error


# ---------------------------------------------------------------- clients

BOTH = pytest.mark.parametrize("kind", [ExternalWorkerClient, FlowableExternalWorkerRestClient])


@BOTH
@pytest.mark.parametrize(
    "url",
    [
        "",
        "engine.test",
        "localhost:8090/flowable-rest",
        "/flowable-rest",
        "http://",
        "http:///flowable-rest",
        "ftp://engine.test/flowable-rest",
        "file:///flowable-rest",
        "http://engine.test:port/",
        "http://engine.test:99999/",
        "http://[engine.test/",
        "http://engine.test/flowable-rest?a=b",
        "http://engine.test/flowable-rest#a",
        "http://engine.test/flowable rest",
        "http://engine.test/flowable-rest\n",
        " http://engine.test/flowable-rest",
        None,
        5,
        b"http://engine.test",
    ],
)
def test_a_wrong_address(kind: Any, url: Any) -> None:
    """No scheme, no host, a port that is none, a query, white space, no text at all."""
    refused(lambda: kind(url, "worker-1"), "flowable_host", url)


@BOTH
@pytest.mark.parametrize("worker_id", ["x" * 256, 5, b"worker", ["worker"]], ids=["long", "number", "bytes", "list"])
def test_a_wrong_worker_id(kind: Any, worker_id: Any) -> None:
    """The engine keeps 255 characters."""
    refused(lambda: kind(HOST, worker_id), "worker_id", worker_id)


@pytest.mark.parametrize("worker_id", ["", None])
def test_a_rest_client_needs_a_worker_id(worker_id: Any) -> None:
    """It has no default of its own."""
    refused(lambda: FlowableExternalWorkerRestClient(HOST, worker_id), "worker_id", worker_id)


@BOTH
@pytest.mark.parametrize(
    "timeout",
    [
        0,
        -1,
        math.inf,
        math.nan,
        True,
        None,
        "5",
        (5,),
        (5, 0),
        (0, 5),
        (5, None),
        (5, math.inf),
        (1, 2, 3),
        (True, 5),
        (5, "5"),
    ],
    ids=repr,
)
def test_a_wrong_time_out(kind: Any, timeout: Any) -> None:
    """There is no "for ever"."""
    refused(lambda: kind(HOST, "worker-1", timeout=timeout), "timeout", timeout)


@BOTH
@pytest.mark.parametrize("function", [5, "text", object()], ids=["number", "text", "object"])
def test_a_customize_session_that_cannot_be_called(kind: Any, function: Any) -> None:
    """Anything but a function."""
    refused(lambda: kind(HOST, "worker-1", None, function), "customize_session", function)


# ---------------------------------------------------------------- subscribe and acquire

DURATIONS: list[Any] = [
    "",
    " ",
    "10",
    "PT",
    "P",
    "P1M",
    "P1W",
    "P1Y",
    "PT1",
    "1 minute",
    "-5m",
    "PT10M extra",
    None,
    True,
    [],
    math.nan,
    math.inf,
    "PT0S",
    0,
    -1,
    "-PT1M",
    timedelta(0),
    timedelta(seconds=-1),
    "P25D",
    timedelta(days=25),
    2_147_484,
    "PT9999999999999999999S",
    10**400,
]


@pytest.mark.parametrize("duration", DURATIONS, ids=lambda value: repr(value)[:30])
def test_a_wrong_lock_duration(client: ExternalWorkerClient, duration: Any) -> None:
    """No duration, nothing, negative, or longer than the engine can count."""
    refused(lambda: client.subscribe("topic", _handler, duration), "lock_duration", duration)
    refused(lambda: client._restClient.acquire_jobs("topic", duration), "lock_duration", duration)


@pytest.mark.parametrize("topic", ["", None, 5, b"topic", ["topic"]], ids=repr)
def test_a_wrong_topic(client: ExternalWorkerClient, topic: Any) -> None:
    """Nothing, or no text."""
    refused(lambda: client.subscribe(topic, _handler), "topic", topic)
    refused(lambda: client._restClient.acquire_jobs(topic, "PT1M"), "topic", topic)


@pytest.mark.parametrize("count", [0, -1, 1.5, 1.0, "1", True, None, 2**31, math.nan], ids=repr)
@pytest.mark.parametrize("parameter", ["number_of_tasks", "number_of_retries"])
def test_a_wrong_count(client: ExternalWorkerClient, parameter: str, count: Any) -> None:
    """Nought, negative, no whole number, or beyond 32 bits. The engine answers some of these with no jobs, for ever."""
    options = {parameter: count}
    refused(lambda: client.subscribe("topic", _handler, **options), parameter, count)
    refused(lambda: client._restClient.acquire_jobs("topic", "PT1M", **options), parameter, count)


@pytest.mark.parametrize("scope_type", ["", "BPMN", "foo", "bpmn ", 5, True, ["bpmn"]], ids=repr)
def test_an_unknown_scope_type(client: ExternalWorkerClient, scope_type: Any) -> None:
    """The engine answers these with no jobs."""
    refused(lambda: client.subscribe("topic", _handler, scope_type=scope_type), "scope_type", scope_type)
    refused(lambda: client._restClient.acquire_jobs("topic", "PT1M", scope_type=scope_type), "scope_type", scope_type)
    refused(lambda: client._restClient.list_jobs(scope_type=scope_type), "scope_type", scope_type)


@pytest.mark.parametrize("wait", [-1, -0.001, math.nan, math.inf, "30", None, True, timedelta(seconds=-1)], ids=repr)
def test_a_wrong_wait(client: ExternalWorkerClient, wait: Any) -> None:
    """Negative, not finite, or no number."""
    refused(lambda: client.subscribe("topic", _handler, wait_period_seconds=wait), "wait_period_seconds", wait)


def _handler(job: Any, result: Any) -> None:
    """Do nothing."""


async def _async_handler(job: Any, result: Any) -> None:
    """Never awaited by anybody."""


async def _async_generator(job: Any, result: Any) -> Any:
    yield 1


class _AsyncCall:
    async def __call__(self, job: Any, result: Any) -> None:
        """Never awaited by anybody."""


class _AsyncMethod:
    async def handle(self, job: Any, result: Any) -> None:
        """Never awaited by anybody."""


@pytest.mark.parametrize(
    "handler",
    [None, 5, "handler", _async_handler, _async_generator, _AsyncCall(), _AsyncMethod().handle],
    ids=["None", "number", "text", "async function", "async generator", "async object", "async method"],
)
def test_a_wrong_handler(client: ExternalWorkerClient, handler: Any) -> None:
    """Nothing that can be called, or something that would have to be awaited."""
    refused(lambda: client.subscribe("topic", handler), "callback_handler", handler)


def test_a_wrong_owner(rest_client: FlowableExternalWorkerRestClient) -> None:
    """The worker id of a single call is checked too."""
    long = "x" * 256
    for call in (
        lambda: rest_client.acquire_jobs("topic", "PT1M", worker_id=long),
        lambda: rest_client.complete_job("j", None, long),
        lambda: rest_client.fail_job("j", worker_id=long),
        lambda: rest_client.job_with_bpmn_error("j", worker_id=long),
        lambda: rest_client.job_with_cmmn_terminate("j", None, long),
        lambda: rest_client.unacquire_job("j", long),
        lambda: rest_client.unacquire_jobs(long),
    ):
        refused(call, "worker_id", long)


# ---------------------------------------------------------------- settling


@pytest.mark.parametrize("job_id", ["", ".", "..", None, 5, b"job"], ids=repr)
def test_a_wrong_job_id(rest_client: FlowableExternalWorkerRestClient, job_id: Any) -> None:
    """What a path cannot carry."""
    for call in (
        lambda: rest_client.get_job(job_id),
        lambda: rest_client.complete_job(job_id),
        lambda: rest_client.job_with_bpmn_error(job_id),
        lambda: rest_client.fail_job(job_id),
        lambda: rest_client.job_with_cmmn_terminate(job_id, None),
        lambda: rest_client.unacquire_job(job_id),
    ):
        refused(call, "job_id", job_id)


@pytest.mark.parametrize("retries", [-1, 1.5, "3", True, 2**31], ids=repr)
def test_wrong_retries(rest_client: FlowableExternalWorkerRestClient, retries: Any) -> None:
    """Negative, no whole number, beyond 32 bits: at the builder and at the REST client."""
    refused(lambda: rest_client.fail_job("j", retries=retries), "retries", retries)
    refused(lambda: _builder().failure().retries(retries), "retries", retries)


@pytest.mark.parametrize(
    "duration", ["", "10", "P1M", "later", -1, "-PT1M", True, math.nan, timedelta(days=-1)], ids=repr
)
def test_a_wrong_retry_timeout(rest_client: FlowableExternalWorkerRestClient, duration: Any) -> None:
    """No duration, or negative: at the builder and at the REST client."""
    refused(lambda: rest_client.fail_job("j", retry_timeout=duration), "retry_timeout", duration)
    refused(lambda: _builder().failure().retry_timeout(duration), "retry_timeout", duration)


def _builder() -> WorkerResultBuilder:
    return WorkerResultBuilder(convert_to_external_worker_acquire_job_response(job_json("j")))


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


UNSERIALISABLE = {
    "date": datetime(2026, 5, 4, tzinfo=UTC),
    "set": {1},
    "bytes": b"x",
    "object": object(),
    "decimal": Decimal("1.5"),
    "NaN": math.nan,
    "infinity": [math.inf],
    "inside": {"a": [{1}]},
    "key": {(1, 2): 3},
    "circle": _circle(),
}


@pytest.mark.parametrize("value", UNSERIALISABLE.values(), ids=UNSERIALISABLE)
def test_an_unserialisable_json_variable(value: Any) -> None:
    """At the step of the builder that was given it; the error names the variable."""
    error = refused(
        lambda: _builder().success().variable_json("invoice", value), "variable_json('invoice') value", value
    )
    assert "JSON" in error.accepted


@pytest.mark.parametrize("value", UNSERIALISABLE.values(), ids=UNSERIALISABLE)
def test_an_unserialisable_variable(rest_client: FlowableExternalWorkerRestClient, value: Any) -> None:
    """At the REST client, with the name of the variable; the good one before it is not sent either."""
    variables = [EngineRestVariable("good", "string", "v"), EngineRestVariable("invoice", "json", value)]
    for call in (
        lambda: rest_client.complete_job("j", variables),
        lambda: rest_client.job_with_bpmn_error("j", variables),
        lambda: rest_client.job_with_cmmn_terminate("j", variables),
    ):
        refused(call, "variables['invoice']", value)


@pytest.mark.parametrize(
    ("step", "value"),
    [
        ("string", 5),
        ("string", b"x"),
        ("string", ["x"]),
        ("int", "5"),
        ("int", 2**63),
        ("int", -(2**63) - 1),
        ("int", math.nan),
        ("int", [5]),
        ("float", "1.5"),
        ("float", math.nan),
        ("float", math.inf),
        ("float", True),
        ("float", Decimal("1.5")),
        ("boolean", 1),
        ("boolean", "true"),
    ],
)
@pytest.mark.parametrize("make", ["success", "bpmn_error", "cmmn_terminate"])
def test_a_value_of_the_wrong_type(make: str, step: str, value: Any) -> None:
    """What the engine would answer with 400, after the work was done, is refused where it was written."""
    outcome = getattr(_builder(), make)()
    refused(lambda: getattr(outcome, f"variable_{step}")("n", value), f"variable_{step}('n') value", value)


@pytest.mark.parametrize("name", ["x" * 256, 5, None, b"n"], ids=["long", "number", "None", "bytes"])
def test_a_wrong_variable_name(rest_client: FlowableExternalWorkerRestClient, name: Any) -> None:
    """The engine keeps 255 characters."""
    refused(lambda: _builder().success().variable_string(name, "v"), "name", name)
    refused(lambda: rest_client.complete_job("j", [EngineRestVariable(name, "string", "v")]), "name", name)


@pytest.mark.parametrize("variables", ["text", 5, ["text"], [None], {"a": 1}], ids=repr)
def test_variables_that_are_none(rest_client: FlowableExternalWorkerRestClient, variables: Any) -> None:
    """A dict of values is the mistake people make: the error says what is accepted."""
    calls: list[Callable[[], object]] = [
        lambda: rest_client.complete_job("j", variables),
        lambda: rest_client.job_with_bpmn_error("j", variables),
        lambda: rest_client.job_with_cmmn_terminate("j", variables),
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError, match=r"^variables"):
            call()


@pytest.mark.parametrize("code", [True, 1.5, ["code"], b"code"], ids=repr)
def test_a_wrong_error_code(code: Any) -> None:
    """Neither text nor a whole number."""
    refused(lambda: _builder().bpmn_error().error_code(code), "error_code", code)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("error_message", object()), ("error_message", {1}), ("error_details", object()), ("error_details", b"x")],
    ids=["message object", "message set", "details object", "details bytes"],
)
def test_a_failure_that_is_no_text(rest_client: FlowableExternalWorkerRestClient, parameter: str, value: Any) -> None:
    """What JSON cannot say is refused by name, not by an error of the JSON library."""
    options = {parameter: value}
    refused(lambda: rest_client.fail_job("j", **options), parameter, value)


def test_an_error_code_that_is_no_text(rest_client: FlowableExternalWorkerRestClient) -> None:
    """The same for the code of a BPMN error."""
    code: Any = object()
    refused(lambda: rest_client.job_with_bpmn_error("j", error_code=code), "error_code", code)


# ---------------------------------------------------------------- lists


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"start": -1}, "start"),
        ({"start": "0"}, "start"),
        ({"size": -1}, "size"),
        ({"size": 1.5}, "size"),
        ({"sort": "foo"}, "sort"),
        ({"sort": ""}, "sort"),
        ({"order": "ASC"}, "order"),
        ({"order": "up"}, "order"),
        ({"locked": 1}, "locked"),
        ({"with_exception": "true"}, "with_exception"),
        ({"id": 5}, "id"),
        ({"tenant_id": True}, "tenant_id"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_wrong_list(rest_client: FlowableExternalWorkerRestClient, options: dict[str, Any], parameter: str) -> None:
    """The engine would answer 400 or 500, or ignore it."""
    refused(lambda: rest_client.list_jobs(**options), parameter, options[parameter])


@pytest.mark.parametrize("name", ["topic", "lock_owner", "processInstanceId", "tenant"])
def test_an_unknown_filter(rest_client: FlowableExternalWorkerRestClient, name: str) -> None:
    """The engine would ignore it, and list all jobs."""
    options: dict[str, Any] = {name: "x"}
    error = refused(lambda: rest_client.list_jobs(**options), "filters", name)
    assert "process_instance_id" in error.accepted
    refused(lambda: rest_client.iter_jobs(**options), "filters", name)


@pytest.mark.parametrize("page_size", [0, -1, "5", True], ids=repr)
def test_a_wrong_page_size(rest_client: FlowableExternalWorkerRestClient, page_size: Any) -> None:
    """At the call, and not at the first step of the loop."""
    refused(lambda: rest_client.iter_jobs(page_size=page_size), "page_size", page_size)


# ---------------------------------------------------------------- what stays accepted


@pytest.mark.parametrize(
    "duration",
    ["PT1M", "pt10m", "P1D", "P1DT2H3M4.5S", "+PT5M", "5m", "90s", "500ms", "1d", 60, 0.5, timedelta(minutes=5)],
)
def test_durations_that_are_accepted(duration: Any) -> None:
    """Those of version 1 and the new forms; not refused, nothing sent."""
    assert _builder().failure().retry_timeout(duration) is not None


def test_what_is_none_is_left_out() -> None:
    """`None` is "not given" for every step that has it."""
    failure = _builder().failure().error_message(None).error_details(None).retries(None).retry_timeout(None)
    assert repr(failure) == "WorkerResultFailure(error_message=None, retries=None, retry_timeout=None)"
