"""Texts: of exceptions, of `repr`, of the log. They are useful, and none of them shows a secret."""

from __future__ import annotations

import logging
import pickle
import threading
import traceback
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import requests
from requests.auth import HTTPBasicAuth

from flowable.external_worker_client import (
    EngineRestVariable,
    ExternalWorkerClient,
    ExternalWorkerSubscription,
    FlowableExternalWorkerRestClient,
    FlowableRestException,
    WorkerResultBuilder,
)
from flowable.external_worker_client.cloud_token import FlowableCloudToken
from flowable.external_worker_client.list_result import ListResult
from flowable.external_worker_client.response_converter import (
    convert_to_external_worker_acquire_job_response,
    convert_to_external_worker_job_response,
)
from flowable.external_worker_client.utils import parse_date_time

from .conftest import Workers
from .stub import ACQUIRE, JOBS, Answer, Stub, job_json

SECRET = "s3cr3t-p4ssw0rd"
TEXT = "Failed to call Flowable with status code"


# ---------------------------------------------------------------- the exception


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((401,), f"{TEXT} 401"),
        ((401, None), f"{TEXT} 401"),
        ((401, ""), f"{TEXT} 401"),
        ((404, "gone"), f"{TEXT} 404 and content 'gone'"),
        ((500, "it's\n\u00e4"), f"{TEXT} 500 and content 'it's\n\u00e4'"),
        ((400, '{"message": "Bad request"}'), f'{TEXT} 400 and content \'{{"message": "Bad request"}}\''),
    ],
    ids=["status", "None", "empty", "content", "quotes", "JSON"],
)
def test_the_text_of_the_exception(arguments: tuple[Any, ...], expected: str) -> None:
    """Letter for letter that of version 1."""
    error = FlowableRestException(*arguments)
    assert error.args == (expected,)
    assert str(error) == expected


def test_the_exception_takes_names() -> None:
    """`status_code=` and `content=`, and both are attributes."""
    error = FlowableRestException(status_code=404, content="gone")
    assert (error.status_code, error.content, str(error)) == (404, "gone", f"{TEXT} 404 and content 'gone'")


@pytest.mark.parametrize(
    ("content", "message", "detail"),
    [
        ('{"message": "Not found", "exception": "Could not find it"}', "Not found", "Could not find it"),
        ('{"message": "Not found"}', "Not found", None),
        ('{"timestamp": "…", "status": 404, "error": "Not Found", "path": "/x"}', "Not Found", None),
        ("<html><title>Sign\n in</title></html>", "Sign in", None),
        ("gateway time-out", None, None),
        ('["a"]', None, None),
        ('{"message": {"a": 1}, "exception": 5}', None, None),
        ("[" * 100_000, None, None),
        ("", None, None),
        (None, None, None),
    ],
    ids=["engine", "category", "Spring", "HTML", "text", "list", "odd members", "deep", "empty", "None"],
)
def test_the_exception_reads_the_body(content: str | None, message: str | None, detail: str | None) -> None:
    """The engine's message and error text as attributes, whatever shape the body has."""
    error = FlowableRestException(500, content)
    assert (error.engine_message, error.engine_error) == (message, detail)


def test_the_exception_can_be_pickled() -> None:
    """It crosses process borders with everything it knows."""
    error = FlowableRestException(404, "gone", hint="a hint", headers={"x": "y"})
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(copy) is FlowableRestException
    assert (copy.args, str(copy), vars(copy)) == (error.args, str(error), vars(error))


# ---------------------------------------------------------------- repr


def job(**members: Any) -> Any:
    """Return an acquired job with a variable that is nobody's business in a log."""
    variable = {"name": "card", "type": "string", "value": SECRET}
    return convert_to_external_worker_acquire_job_response(job_json("job-1", (variable,), **members))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(
            lambda: EngineRestVariable("n", "json", {"a": 1}),
            "EngineRestVariable(name='n', type='json', value={'a': 1})",
            id="variable",
        ),
        pytest.param(
            lambda: convert_to_external_worker_job_response(job_json("job-1")),
            "ExternalWorkerJobResponse(id='job-1', element_id='task', process_instance_id='instance-1', retries=3, "
            "lock_owner='worker-1')",
            id="job",
        ),
        pytest.param(
            job,
            "ExternalWorkerAcquireJobResponse(id='job-1', element_id='task', process_instance_id='instance-1', "
            "retries=3, lock_owner='worker-1', variables=[card])",
            id="acquired job",
        ),
        pytest.param(
            lambda: job(processInstanceId=None, scopeId="case-1"),
            "ExternalWorkerAcquireJobResponse(id='job-1', element_id='task', scope_id='case-1', "
            "retries=3, lock_owner='worker-1', variables=[card])",
            id="job of a case",
        ),
        pytest.param(
            lambda: ListResult(["a"], 12, 10, "id", "asc", 1),
            "ListResult(start=10, size=1, total=12, sort='id', order='asc')",
            id="page",
        ),
        pytest.param(lambda: WorkerResultBuilder(job()), "WorkerResultBuilder(job_id='job-1')", id="builder"),
        pytest.param(
            lambda: WorkerResultBuilder(job()).success().variable_string("card", SECRET).variable_int("n", 1),
            "WorkerResultSuccess(variables=[card, n])",
            id="success",
        ),
        pytest.param(
            lambda: WorkerResultBuilder(job()).failure().error_message("m").retries(2).retry_timeout("PT1M"),
            "WorkerResultFailure(error_message='m', retries=2, retry_timeout='PT1M')",
            id="failure",
        ),
        pytest.param(lambda: FlowableCloudToken(SECRET), "FlowableCloudToken(<not shown>)", id="token"),
    ],
)
def test_a_repr_says_what_it_is(make: Callable[[], Any], expected: str) -> None:
    """For a debugger and a log line."""
    assert repr(make()) == expected


def test_the_repr_of_a_bpmn_error_names_its_code() -> None:
    """The code is what tells one from another."""
    outcome = WorkerResultBuilder(job()).bpmn_error().error_code("emptyInvoice")
    assert "emptyInvoice" in repr(outcome)
    assert repr(outcome).startswith("WorkerResultBpmnError(")


def test_the_repr_of_clients() -> None:
    """Where and as whom; credentials in the address are not shown."""
    address = f"http://kermit:{SECRET}@engine.test/flowable-rest"
    client = ExternalWorkerClient(address, "worker-1", HTTPBasicAuth("kermit", SECRET))
    expected = "(flowable_host='http://***@engine.test/flowable-rest', worker_id='worker-1')"
    assert repr(client) == f"ExternalWorkerClient{expected}"
    assert repr(client._restClient) == f"FlowableExternalWorkerRestClient{expected}"
    client._restClient.request_session.close()


def test_the_repr_of_a_client_whose_rest_client_is_a_fake() -> None:
    """People put something else in the REST client's place; a debugger must still be able to show the client."""
    client = ExternalWorkerClient("http://engine.test/flowable-rest", "worker-1")
    client._restClient.request_session.close()
    client._restClient = object()  # type: ignore[assignment]
    assert repr(client).startswith("ExternalWorkerClient(")


def test_the_repr_of_a_subscription(workers: Workers) -> None:
    """The topic, and whether it is at work."""
    subscription = workers.subscribe(lambda job, result: None, topic="invoices")
    assert "invoices" in repr(subscription)
    assert "active" in repr(subscription)
    subscription.unsubscribe()
    assert "ended" in repr(subscription)


def test_the_repr_of_a_subscription_that_is_stopping() -> None:
    """Told to stop, and still running."""
    event, go_on = threading.Event(), threading.Event()
    thread = threading.Thread(target=go_on.wait, name="mine")
    thread.start()
    event.set()
    shown = repr(ExternalWorkerSubscription(thread, event))
    go_on.set()
    thread.join()
    assert shown == "ExternalWorkerSubscription('mine', stopping)"


# ---------------------------------------------------------------- secrets


def everything(error: BaseException) -> str:
    """Return all that a program shows of an exception, with the causes and contexts that Python shows."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None:
        parts += [str(current), repr(current), repr(current.args), repr(vars(current))]
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n".join([*parts, "".join(traceback.format_exception_only(error))])


@pytest.mark.parametrize(
    "address",
    [
        f"kermit:{SECRET}@engine.test/flowable-rest",
        f"//kermit:{SECRET}@engine.test/flowable-rest",
        f"ftp://kermit:{SECRET}@engine.test/flowable-rest",
        f"http://kermit:{SECRET}@engine.test:port/flowable-rest",
        f"http://kermit:{SECRET}@engine.test:99999/flowable-rest",
        f"http://kermit:{SECRET}@[engine.test/flowable-rest",
        f"http://kermit:{SECRET}@engine.test/flowable-rest?a=b",
        f"http://kermit:{SECRET}@engine.test/flowable-rest#a",
        f"http://kermit:{SECRET}@engine.test/flow able-rest",
        f"http://kermit:{SECRET}@/flowable-rest",
        f"http://kermit:{SECRET}#@engine.test/flowable-rest",
        f"http://kermit:{SECRET}?@engine.test/flowable-rest",
        f"http://kermit:{SECRET} @engine.test/flowable-rest",
        f"http:/kermit:{SECRET}@engine.test/flowable-rest",
        f"http//kermit:{SECRET}@engine.test/flowable-rest",
    ],
)
def test_a_wrong_address_does_not_show_its_password(address: str) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"^flowable_host") as caught:
        FlowableExternalWorkerRestClient(address, "worker-1")
    assert SECRET not in everything(caught.value)


@pytest.mark.parametrize(
    "token",
    [f"{SECRET}\n", f"{SECRET}\u00e4", SECRET.encode(), [SECRET], {SECRET: SECRET}],
    ids=["line break", "not ASCII", "bytes", "list", "dict"],
)
def test_a_wrong_token_is_not_shown(token: Any) -> None:
    """It may be nearly the right one."""
    with pytest.raises(ValueError, match="token") as caught:
        FlowableCloudToken(token)
    assert SECRET not in everything(caught.value)


def _with_everything(stub: Stub, **options: Any) -> ExternalWorkerClient:
    """Return a client with a secret in its address and another in its auth."""
    address = stub.url.replace("http://", f"http://kermit:{SECRET}@")
    return ExternalWorkerClient(address, "worker-1", FlowableCloudToken(SECRET), **options)


PROVOKED = [
    Answer(401),
    Answer(403, "no"),
    Answer(302, "", {"Location": "/login"}),
    Answer(500, {"message": "Internal server error", "exception": "oh"}),
    Answer(200, "<html>login</html>", {"Content-Type": "text/html"}),
    Answer(200, "{"),
    Answer(drop=True),
]
PROVOKED_IDS = ["401", "403", "302", "500", "html", "cut off", "no answer"]


@pytest.mark.parametrize("answer", PROVOKED, ids=PROVOKED_IDS)
def test_errors_of_the_rest_client_show_no_secret(stub: Stub, answer: Answer) -> None:
    """Neither the password in the address nor the token."""
    client = _with_everything(stub)._restClient
    stub.always("GET", f"{JOBS}/j", answer)
    stub.always("POST", f"{ACQUIRE}/j/complete", answer)
    raised: list[Exception] = []
    for call in (
        lambda: client.get_job("j"),
        lambda: client.complete_job("j", [EngineRestVariable("n", "string", SECRET)]),
    ):
        try:
            call()
        except (FlowableRestException, requests.RequestException) as error:
            raised.append(error)
    client.request_session.close()
    assert raised
    assert [SECRET in everything(error) for error in raised] == [False] * len(raised)
    assert [seen.headers["authorization"] for seen in stub.seen] == [f"Bearer {SECRET}"] * 2


@pytest.mark.parametrize("port", [True, False], ids=["refused", "unknown host"])
def test_network_failures_show_no_secret(port: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The exceptions of requests name the host and the path, not the password."""
    caplog.set_level(logging.DEBUG)
    host = "127.0.0.1:9" if port else "engine.invalid"
    client = ExternalWorkerClient(f"http://kermit:{SECRET}@{host}/rest", "worker-1", FlowableCloudToken(SECRET))

    class NoName(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
            raise requests.exceptions.ConnectionError(f"cannot resolve {request.path_url}", request=request)

    if not port:
        client._restClient.request_session.mount("http://", NoName())
    with pytest.raises(requests.exceptions.ConnectionError) as caught:
        client._restClient.list_jobs()
    client._restClient.request_session.close()
    assert SECRET not in "\n".join([str(caught.value), repr(caught.value), caplog.text])


@pytest.mark.parametrize("answer", PROVOKED, ids=PROVOKED_IDS)
@pytest.mark.parametrize("where", ["acquire", "settle"])
def test_the_log_shows_no_secret(stub: Stub, caplog: pytest.LogCaptureFixture, answer: Answer, where: str) -> None:
    """Of a subscription, down to DEBUG: neither credentials nor the values of variables."""
    caplog.set_level(logging.DEBUG)
    variable = {"name": "card", "type": "string", "value": SECRET}
    jobs = Answer(body=[job_json("good", (variable,))])
    stub.answer("POST", ACQUIRE, *([answer, jobs] if where == "acquire" else [jobs]))
    if where == "settle":
        stub.answer("POST", f"{ACQUIRE}/good/complete", answer)
    client = _with_everything(stub, clock=_NoWait())
    subscription = client.subscribe("topic", lambda job, result: result.success().variable_string("card", SECRET))
    try:
        count = 2 if where == "settle" and answer.body != "{" else 1
        stub.wait_until(lambda stub: len(stub.settled()) >= count)
    finally:
        subscription.unsubscribe(10)
        client._restClient.request_session.close()
    assert caplog.records
    assert SECRET not in caplog.text
    assert SECRET not in "".join(str(vars(record)) for record in caplog.records)


class _NoWait:
    """A clock whose waits are over at once."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        """Return the time."""
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Move, and give way for a moment."""
        self.time += seconds
        return event.wait(0.005)


def test_the_warning_about_the_default_host_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """And clients with credentials log nothing when they are made."""
    caplog.set_level(logging.DEBUG)
    ExternalWorkerClient(auth=FlowableCloudToken(SECRET))._restClient.request_session.close()
    assert SECRET not in caplog.text


# ---------------------------------------------------------------- dates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-04T10:25:45Z", (2026, 5, 4, 10, 25, 45)),
        ("2026-05-04T10:25:45.583Z", (2026, 5, 4, 10, 25, 45, 583000)),
        ("2026-05-04T10:25:45.000Z", (2026, 5, 4, 10, 25, 45)),
        ("2026-05-04T10:25:45.583123Z", (2026, 5, 4, 10, 25, 45, 583123)),
        ("2026-05-04T10:25:45.583123999Z", (2026, 5, 4, 10, 25, 45, 583123)),
        ("2026-05-04T10:25:45.5Z", (2026, 5, 4, 10, 25, 45, 500000)),
        ("2026-05-04T10:25:45+00:00", (2026, 5, 4, 10, 25, 45)),
        ("2026-05-04T12:25:45.583+02:00", (2026, 5, 4, 10, 25, 45, 583000)),
        ("2026-05-04T12:25:45.583+0200", (2026, 5, 4, 10, 25, 45, 583000)),
        ("2026-05-03T23:55:45-10:30", (2026, 5, 4, 10, 25, 45)),
        ("2026-05-04T15:55:45.583+05:30", (2026, 5, 4, 10, 25, 45, 583000)),
        ("2026-05-04T10:25:45", (2026, 5, 4, 10, 25, 45)),
        ("2026-12-31T23:59:59.999-01:00", (2027, 1, 1, 0, 59, 59, 999000)),
    ],
)
def test_a_date_is_read_as_naive_utc(text: str, expected: tuple[int, ...]) -> None:
    """Any number of fraction digits; `Z`, an offset or no zone."""
    assert parse_date_time(text) == datetime(*expected)  # type: ignore[arg-type]  # noqa: DTZ001 - naive on purpose
    read = parse_date_time(text)
    assert read is not None
    assert read.tzinfo is None


def test_no_date_is_none() -> None:
    """As in version 1."""
    assert parse_date_time(None) is None


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-04T10:25:45Z", "2026-05-04T25:25:45Z", "10:25:45", "Z", "2026-05-04T10:25:45ZZ"]
)
def test_what_is_no_date_is_a_value_error(text: str) -> None:
    """As in version 1."""
    with pytest.raises(ValueError):  # noqa: PT011 - the text is that of the standard library
        parse_date_time(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_date_out_of_range_is_a_value_error(text: str) -> None:
    """An offset can push a date over the edge of what a `datetime` holds: still no other class of error."""
    with pytest.raises(ValueError):  # noqa: PT011 - the text is that of the standard library
        parse_date_time(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_job_with_a_date_out_of_range_can_be_read(text: str) -> None:
    """It is `None`, like every date that cannot be read."""
    assert convert_to_external_worker_job_response(job_json("j", dueDate=text)).due_date is None
