"""What programs for version 1.0.2 rely on beyond names and signatures."""

from __future__ import annotations

import logging
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from flowable.external_worker_client import (
    EngineRestVariable,
    ExternalWorkerClient,
    FlowableExternalWorkerRestClient,
    FlowableRestException,
    WorkerResultBuilder,
)
from flowable.external_worker_client.cloud_token import FlowableCloudToken
from flowable.external_worker_client.response_converter import (
    convert_to_external_worker_acquire_job_response,
    convert_to_external_worker_job_response,
)

from .conftest import OURS, Workers, environment
from .stub import ACQUIRE, DEADLINE, JOBS, Answer, Seen, Stub, job_json, page_json

HOST = "http://engine.test/flowable-rest"
API = f"{HOST}/external-job-api"
LOCK_LOST = Answer(403, {"message": "Forbidden", "exception": "worker-1 does not hold a lock on the requested job"})


def settling(job_id: str, operation: str, **body: Any) -> Seen:
    """Return the request that settles a job for `worker-1`."""
    return Seen("POST", f"{ACQUIRE}/{job_id}/{operation}", {"workerId": "worker-1", **body})


def completing(job_id: str, *variables: dict[str, Any]) -> Seen:
    """Return the request that completes a job for `worker-1`."""
    return settling(job_id, "complete", variables=list(variables))


# ---------------------------------------------------------------- 1: the thread


def test_the_thread_is_not_a_daemon(workers: Workers) -> None:
    """A program whose main thread ends after `subscribe()` lives because of it."""
    subscription = workers.subscribe(lambda job, result: None)
    assert subscription.thread.is_alive()
    assert subscription.thread.daemon is False


LONG_LIVED = """
import sys, threading
from flowable.external_worker_client import ExternalWorkerClient

client = ExternalWorkerClient(sys.argv[1], "worker-1")

def handle(job, result):
    threading.main_thread().join(20)
    correlation_id = client._restClient.get_job(job.id).correlation_id
    outcome = result.success().variable_boolean("main", threading.main_thread().is_alive())
    if job.id == "last":
        subscription.unsubscribe()
    return outcome.variable_string("looked", correlation_id)

subscription = client.subscribe("topic", handle, wait_period_seconds=0.02)
"""


def start(source: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program in a Python of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", source, *arguments], env=environment(OURS), stderr=subprocess.PIPE, text=True
    )


def test_a_program_whose_main_thread_ended_goes_on_working(stub: Stub) -> None:
    """It acquires, calls the engine from its handler, settles, and ends when it unsubscribes."""
    stub.offer([job_json("first")], [], [job_json("last")])
    program = start(LONG_LIVED, stub.url)
    try:
        _, errors = program.communicate(timeout=30)
    finally:
        program.kill()
        program.wait()
    assert (program.returncode, errors) == (0, "")
    assert stub.settled() == [
        completing(
            job_id,
            {"name": "main", "type": "boolean", "value": False},
            {"name": "looked", "type": "string", "value": f"correlation-{job_id}"},
        )
        for job_id in ("first", "last")
    ]


SIDE_BY_SIDE = """
import sys, threading
from flowable.external_worker_client import ExternalWorkerClient

client = ExternalWorkerClient(sys.argv[1], "worker-1")
together = threading.Barrier(4, timeout=20)

def handle(job, result):
    threading.main_thread().join(20)
    together.wait()
    if job.id == "last":
        subscription.unsubscribe()
    return result.success().variable_boolean("main", threading.main_thread().is_alive())

subscription = client.subscribe("topic", handle, wait_period_seconds=0.02, concurrency=4)
"""


def test_a_program_whose_main_thread_ended_runs_several_handlers_at_once(stub: Stub) -> None:
    """No thread can be started any more by then: all of them were when it subscribed."""
    jobs = ["a", "b", "c", "d", "e", "f", "g", "last"]
    stub.offer([job_json(job_id) for job_id in jobs[:4]], [], [job_json(job_id) for job_id in jobs[4:]])
    program = start(SIDE_BY_SIDE, stub.url)
    try:
        _, errors = program.communicate(timeout=30)
    finally:
        program.kill()
        program.wait()
    assert (program.returncode, errors) == (0, "")
    said = {"name": "main", "type": "boolean", "value": False}
    assert sorted(stub.settled(), key=lambda seen: seen.path) == [completing(job_id, said) for job_id in jobs]


def test_a_program_whose_main_thread_ended_can_be_ended(stub: Stub) -> None:
    """From outside, as any program."""
    stub.offer([job_json("first")])
    program = start(LONG_LIVED, stub.url)
    try:
        stub.wait_until(Stub.settled, 30)
        program.terminate()
        program.communicate(timeout=30)
    finally:
        program.kill()
        program.wait()
    assert [seen.path for seen in stub.settled()] == [f"{ACQUIRE}/first/complete"]


# ---------------------------------------------------------------- 2: one after the other


def test_callbacks_run_on_the_thread_of_the_subscription(workers: Workers) -> None:
    """All on the same one, one after the other, in the order of the batch: a SQLite connection can be kept."""
    workers.stub.offer([job_json("a"), job_json("b"), job_json("c")], [], [job_json("d")])
    threads: list[threading.Thread] = []
    inside: list[str] = []
    together: list[list[str]] = []
    connections: list[sqlite3.Connection] = []

    def handle(job: Any, result: Any) -> None:
        inside.append(job.id)
        if not connections:
            connections.append(sqlite3.connect(":memory:"))
            connections[0].execute("create table done (id text)")
        connections[0].execute("insert into done values (?)", (job.id,))
        threads.append(threading.current_thread())
        together.append(list(inside))
        inside.remove(job.id)
        if job.id == "d":
            together.append([row[0] for row in connections[0].execute("select id from done")])
            connections[0].close()

    subscription = workers.subscribe(handle, number_of_tasks=3)
    workers.stub.wait_until(lambda stub: len(stub.settled()) == 4)
    assert together == [["a"], ["b"], ["c"], ["d"], ["a", "b", "c", "d"]]
    assert threads == [subscription.thread] * 4
    assert workers.stub.settled() == [completing(job_id) for job_id in "abcd"]


def test_two_subscriptions_have_two_threads(workers: Workers) -> None:
    """One topic does not wait for another."""
    meeting = threading.Barrier(2, timeout=DEADLINE)
    workers.stub.offer([job_json("a")], [job_json("b")])
    client = workers.client()

    def handle(job: Any, result: Any) -> None:
        meeting.wait()

    workers.subscribe(handle, client=client, topic="one", wait_period_seconds=30)
    workers.stub.wait_until(lambda stub: len(stub.acquires()) == 1)
    workers.subscribe(handle, client=client, topic="two", wait_period_seconds=30)
    workers.stub.wait_until(lambda stub: len(stub.settled()) == 2)
    assert {seen.path for seen in workers.stub.settled()} == {f"{ACQUIRE}/{job_id}/complete" for job_id in "ab"}


# ---------------------------------------------------------------- 3: None, and exceptions


def test_none_completes_the_job_without_variables(workers: Workers) -> None:
    """As version 1: an empty list of variables."""
    workers.stub.offer([job_json("job-1")])
    workers.subscribe(lambda job, result: None)
    workers.stub.wait_until(Stub.settled)
    assert workers.stub.settled() == [completing("job-1")]


class Silent(Exception):  # noqa: N818 - it is about its text
    """An exception without a text."""

    def __str__(self) -> str:
        return ""


class Broken(Exception):  # noqa: N818 - it is about its text
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("it went wrong"), "it went wrong"),
        (KeyError("missing"), "'missing'"),
        (OSError(2, "No such file"), "[Errno 2] No such file"),
        (ValueError("two\nlines \u00e4 \U0001f600"), "two\nlines \u00e4 \U0001f600"),
        (AssertionError(), "AssertionError"),
        (Silent(), "Silent"),
        (ValueError("  "), "ValueError"),
        (Broken(), "Broken"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
    ids=["text", "key", "errno", "unicode", "empty", "silent", "blank", "broken", "exit", "interrupt"],
)
def test_an_exception_fails_the_job(workers: Workers, error: BaseException, message: str) -> None:
    """Message `str(exc)`, or its type when that says nothing; the trace in the details; a pause before the repeat."""
    workers.stub.offer([job_json("job-1")])

    def a_handler_that_raises(job: Any, result: Any) -> None:
        raise error

    subscription = workers.subscribe(a_handler_that_raises)
    workers.stub.wait_until(Stub.settled)
    (seen,) = workers.stub.settled()
    details, pause = seen.body.pop("errorDetails"), seen.body.pop("retryTimeout")
    assert seen == settling("job-1", "fail", errorMessage=message)
    assert details.startswith("Traceback (most recent call last):\n")
    assert "in a_handler_that_raises\n" in details
    assert type(error).__name__ in details.splitlines()[-1] or message.splitlines()[-1] in details
    assert re.fullmatch(r"PT\d+(\.\d+)?S", pause)
    assert subscription.thread.is_alive()


# ---------------------------------------------------------------- 4: duck-typed outcomes


class Duck:
    """An outcome without a base class."""

    def __init__(self, *calls: Callable[[Any], Any]) -> None:
        self.calls = calls
        self.given: list[Any] = []

    def execute(self, rest_client: Any) -> None:
        """Do what it was made for."""
        self.given.append(rest_client)
        for call in self.calls:
            call(rest_client)


def test_an_outcome_is_anything_with_execute(workers: Workers) -> None:
    """It may call several methods, also for other jobs, and is executed once, on the subscription's thread."""
    workers.stub.offer([job_json("job-1")])
    threads: list[threading.Thread] = []
    duck = Duck(
        lambda client: threads.append(threading.current_thread()),
        lambda client: client.get_job("job-1"),
        lambda client: client.complete_job("job-2", [EngineRestVariable("n", "string", "v")], "other"),
        lambda client: client.fail_job("job-1", "later", None, 2, "PT5M"),
    )
    subscription = workers.subscribe(lambda job, result: duck)
    workers.stub.wait_until(lambda stub: len(stub.settled()) == 2)
    subscription.unsubscribe()
    variable = {"name": "n", "type": "string", "value": "v"}
    assert [seen for seen in workers.stub.seen if seen.path != ACQUIRE] == [
        Seen("GET", f"{JOBS}/job-1"),
        Seen("POST", f"{ACQUIRE}/job-2/complete", {"workerId": "other", "variables": [variable]}),
        settling("job-1", "fail", errorMessage="later", retries=2, retryTimeout="PT5M"),
    ]
    assert threads == [subscription.thread]
    (given,) = duck.given
    assert isinstance(given, FlowableExternalWorkerRestClient)
    assert given.worker_id == "worker-1"
    assert given.flowable_host == workers.stub.url


def test_an_outcome_that_raises_fails_the_job(workers: Workers) -> None:
    """Its own error, not one of the delivery: reported as an exception of the handler would be."""
    workers.stub.offer([job_json("job-1")])

    def broken(client: Any) -> None:
        raise ValueError("the outcome went wrong")

    workers.subscribe(lambda job, result: Duck(broken))
    workers.stub.wait_until(Stub.settled)
    (seen,) = workers.stub.settled()
    assert seen.path == f"{ACQUIRE}/job-1/fail"
    assert seen.body["errorMessage"] == "the outcome went wrong"


def test_a_callback_may_use_the_rest_client_of_the_client(workers: Workers) -> None:
    """Look, list, complete by itself, and return an outcome that does nothing more."""
    workers.stub.offer([job_json("job-1")], [job_json("job-2")])
    client = workers.client()
    seen_retries: list[int] = []

    def handle(job: Any, result: Any) -> Any:
        if job.id == "job-2":
            return None
        seen_retries.append(client._restClient.get_job(job.id).retries)
        seen_retries.append(client._restClient.list_jobs().total)
        client._restClient.complete_job(job.id, [])
        return Duck()

    workers.subscribe(handle, client=client)
    workers.stub.wait_until(lambda stub: len(stub.settled()) == 2)
    assert seen_retries == [3, 0]
    assert workers.stub.settled() == [completing("job-1"), completing("job-2")]


@pytest.mark.parametrize("where", ["the result", "the callback"])
@pytest.mark.parametrize("lost", [Answer(503, "busy"), Answer(drop=True)], ids=["503", "no answer"])
def test_a_delivery_through_the_rest_client_is_repeated(workers: Workers, where: str, lost: Answer) -> None:
    """What passes through `rest_client` or `client._restClient` gets the same care: sent again, never a failed job."""
    workers.stub.offer([job_json("job-1")], [job_json("job-2")])
    workers.stub.answer("POST", f"{ACQUIRE}/job-1/complete", lost)
    client = workers.client()

    def complete(rest_client: Any) -> None:
        rest_client.complete_job("job-1")

    def handle(job: Any, result: Any) -> Any:
        if job.id == "job-2":
            return None
        if where == "the result":
            return Duck(complete)
        complete(client._restClient)
        return Duck()

    workers.subscribe(handle, client=client)
    workers.stub.wait_until(lambda stub: completing("job-2") in stub.settled())
    assert workers.stub.settled() == [completing("job-1"), completing("job-1"), completing("job-2")]


class TimeOuts(requests.adapters.HTTPAdapter):
    """An adapter that notes the time-outs it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, Any]] = []

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Note, and send."""
        self.seen.append((request.path_url.removeprefix(f"{Stub.CONTEXT}/external-job-api"), kwargs.get("timeout")))
        return super().send(request, *args, **kwargs)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, (5.0, 35.0)), ({"timeout": 3}, (3.0, 3.0)), ({"timeout": (1, 2.5)}, (1.0, 2.5))],
    ids=["default", "one", "two"],
)
def test_every_request_has_time_outs(workers: Workers, options: dict[str, Any], expected: tuple[float, float]) -> None:
    """Acquire, result, and what a callback or an outcome sends."""
    workers.stub.offer([job_json("job-1")])
    adapter = TimeOuts()
    client = workers.client(customize_session=lambda session: session.mount("http://", adapter), **options)

    def handle(job: Any, result: Any) -> Any:
        client._restClient.list_jobs()
        return Duck(lambda rest_client: rest_client.get_job("job-1"), lambda rest_client: rest_client.fail_job("job-1"))

    subscription = workers.subscribe(handle, client=client)
    workers.stub.wait_until(Stub.settled)
    subscription.unsubscribe()
    assert adapter.seen[:4] == [
        ("/acquire/jobs", expected),
        ("/jobs", expected),
        ("/jobs/job-1", expected),
        ("/acquire/jobs/job-1/fail", expected),
    ]


# ---------------------------------------------------------------- 5: step by step


@pytest.fixture
def builder() -> WorkerResultBuilder:
    """A builder for `job-1`."""
    return WorkerResultBuilder(convert_to_external_worker_acquire_job_response(job_json("job-1")))


@pytest.mark.parametrize("make", ["success", "bpmn_error", "cmmn_terminate"])
@pytest.mark.parametrize(
    ("step", "value"), [("string", "v"), ("int", 5), ("float", 1.5), ("boolean", True), ("json", {"a": 1})]
)
def test_a_step_with_a_variable_returns_the_same_object(
    builder: WorkerResultBuilder, make: str, step: str, value: Any
) -> None:
    """Chained or on lines of their own, it is one outcome."""
    outcome = getattr(builder, make)()
    assert getattr(outcome, f"variable_{step}")("n", value) is outcome
    assert getattr(outcome, f"variable_{step}")(name="m", value=value) is outcome


@pytest.mark.parametrize(
    ("make", "step", "value"),
    [
        ("bpmn_error", "error_code", "code"),
        ("failure", "error_message", "m"),
        ("failure", "error_details", "d"),
        ("failure", "retries", 0),
        ("failure", "retry_timeout", "PT1M"),
    ],
)
def test_another_step_returns_the_same_object(builder: WorkerResultBuilder, make: str, step: str, value: Any) -> None:
    """So do the steps that only one outcome has; `None` takes the value back."""
    outcome = getattr(builder, make)()
    assert getattr(outcome, step)(value) is outcome
    assert getattr(outcome, step)(None) is outcome


def test_steps_on_lines_of_their_own_count(workers: Workers) -> None:
    """What is set later wins, variables are sent in their order."""
    workers.stub.offer([job_json("job-1")])

    def handle(job: Any, result: Any) -> Any:
        outcome = result.bpmn_error()
        outcome.variable_string("a", "1")
        outcome.error_code("first")
        outcome.variable_float("b", 2)
        outcome.error_code("second")
        return outcome

    workers.subscribe(handle)
    workers.stub.wait_until(Stub.settled)
    variables = [{"name": "a", "type": "string", "value": "1"}, {"name": "b", "type": "double", "value": 2}]
    assert workers.stub.settled() == [settling("job-1", "bpmnError", variables=variables, errorCode="second")]


# ---------------------------------------------------------------- 6, 7: jobs and variables


def test_dates_of_a_job_are_naive_utc(workers: Workers) -> None:
    """People compare them with naive datetimes; whatever the release or an offset, they are UTC."""
    workers.stub.always(
        "GET",
        f"{JOBS}/j",
        Answer(
            body=job_json(
                "j",
                createTime="2026-05-04T12:25:45.583+02:00",
                dueDate="2026-05-04T10:25:45Z",
                lockExpirationTime="2026-05-04T10:25:45.583123Z",
            )
        ),
    )
    job = workers.client()._restClient.get_job("j")
    assert [job.create_time, job.due_date, job.lock_expiration_time] == [
        datetime(2026, 5, 4, 10, 25, 45, 583000),  # noqa: DTZ001 - naive on purpose
        datetime(2026, 5, 4, 10, 25, 45),  # noqa: DTZ001 - naive on purpose
        datetime(2026, 5, 4, 10, 25, 45, 583123),  # noqa: DTZ001 - naive on purpose
    ]
    assert all(date is not None and date.tzinfo is None for date in (job.create_time, job.due_date))


MADE = [
    pytest.param(lambda: EngineRestVariable("n", "string", "v"), "value", id="variable"),
    pytest.param(lambda: convert_to_external_worker_job_response(job_json("j")), "retries", id="job"),
    pytest.param(
        lambda: convert_to_external_worker_acquire_job_response(job_json("j")), "variables", id="acquired job"
    ),
]


@pytest.mark.parametrize(("make", "attribute"), MADE)
def test_it_is_mutable(make: Callable[[], Any], attribute: str) -> None:
    """Attributes can be set, and new ones added."""
    made = make()
    value = object()
    setattr(made, attribute, value)
    made.of_my_own = value
    assert getattr(made, attribute) is value
    assert made.of_my_own is value


@pytest.mark.parametrize(("make", "attribute"), MADE)
def test_it_is_hashable_by_identity(make: Callable[[], Any], attribute: str) -> None:
    """Two that look the same are two; changing one does not change its hash."""
    one, other = make(), make()
    before = hash(one)
    setattr(one, attribute, "changed")
    assert hash(one) == before == object.__hash__(one)
    assert one != other
    assert len({one, other, one}) == 2


# ---------------------------------------------------------------- 8: errors of the REST client


def call_all(client: FlowableExternalWorkerRestClient) -> dict[str, Callable[[], object]]:
    """Return one call of every method."""
    return {
        "list_jobs": client.list_jobs,
        "get_job": lambda: client.get_job("j"),
        "acquire_jobs": lambda: client.acquire_jobs("topic", "PT1M"),
        "complete_job": lambda: client.complete_job("j"),
        "job_with_bpmn_error": lambda: client.job_with_bpmn_error("j"),
        "fail_job": lambda: client.fail_job("j"),
        "job_with_cmmn_terminate": lambda: client.job_with_cmmn_terminate("j", None),
    }


METHODS = (
    "list_jobs",
    "get_job",
    "acquire_jobs",
    "complete_job",
    "job_with_bpmn_error",
    "fail_job",
    "job_with_cmmn_terminate",
)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectionError("refused"),
        requests.exceptions.ConnectTimeout("slow"),
        requests.exceptions.ReadTimeout("slow"),
        requests.exceptions.SSLError("untrusted"),
        requests.exceptions.ProxyError("proxy"),
        requests.exceptions.ChunkedEncodingError("cut off"),
        requests.exceptions.TooManyRedirects("round and round"),
    ],
    ids=lambda error: type(error).__name__,
)
@responses.activate
def test_a_network_error_is_one_of_requests(method: str, error: Exception) -> None:
    """The very exception of requests, from every method, without another one before it."""
    sent: list[str | None] = []

    def answer(request: requests.PreparedRequest) -> Any:
        sent.append(request.url)
        raise error

    for kind in (responses.GET, responses.POST):
        responses.add_callback(kind, re.compile(".*"), callback=answer)
    with pytest.raises(requests.exceptions.RequestException) as caught:
        call_all(FlowableExternalWorkerRestClient(HOST, "worker-1"))[method]()
    assert caught.value is error
    assert caught.value.__context__ is None
    assert len(sent) == 1


def test_a_refused_connection_is_a_connection_error() -> None:
    """From a real socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = FlowableExternalWorkerRestClient(f"http://127.0.0.1:{port}/", "worker-1")
    with pytest.raises(requests.exceptions.ConnectionError):
        client.list_jobs()


def test_a_dropped_connection_is_a_connection_error(workers: Workers) -> None:
    """The server hangs up in place of an answer: one request, no repeat behind the caller's back."""
    workers.stub.always("POST", f"{ACQUIRE}/j/complete", Answer(drop=True))
    with pytest.raises(requests.exceptions.ConnectionError):
        workers.client()._restClient.complete_job("j")
    assert workers.stub.seen == [completing("j")]


def test_a_silent_server_is_a_read_timeout(workers: Workers) -> None:
    """After the time-out, not for ever."""
    workers.stub.always("GET", JOBS, Answer(after=workers.stub.ended))
    with pytest.raises(requests.exceptions.ReadTimeout):
        workers.client(timeout=(5, 0.05))._restClient.list_jobs()


@pytest.mark.parametrize("method", ["list_jobs", "get_job", "acquire_jobs"])
@pytest.mark.parametrize(
    "body", ["", "{", "<html>login</html>", '[{"id": "a"'], ids=["empty", "cut", "html", "cut list"]
)
def test_an_answer_that_is_no_json_is_caught_as_before(workers: Workers, method: str, body: str) -> None:
    """By `except InvalidJSONError` and `except ValueError`; now also as the refusal that it is, with the content."""
    for path in (JOBS, f"{JOBS}/j"):
        workers.stub.always("GET", path, Answer(body=body))
    workers.stub.always("POST", ACQUIRE, Answer(body=body))
    with pytest.raises(requests.exceptions.RequestException) as caught:
        call_all(workers.client()._restClient)[method]()
    assert isinstance(caught.value, requests.exceptions.InvalidJSONError)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FlowableRestException)
    assert (caught.value.status_code, caught.value.content) == (200, body)


@pytest.mark.parametrize("method", ["list_jobs", "get_job", "acquire_jobs"])
def test_an_answer_that_is_no_json_is_a_decode_error_of_requests(workers: Workers, method: str) -> None:
    """`except requests.exceptions.JSONDecodeError`, which is what version 1 raised, catches it."""
    for path in (JOBS, f"{JOBS}/j"):
        workers.stub.always("GET", path, Answer(body="{"))
    workers.stub.always("POST", ACQUIRE, Answer(body="{"))
    with pytest.raises(requests.exceptions.RequestException) as caught:
        call_all(workers.client()._restClient)[method]()
    assert isinstance(caught.value, requests.exceptions.JSONDecodeError)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("status", "content"),
    [
        (400, '{"message": "Bad request", "exception": "no"}'),
        (401, ""),
        (403, '{"message": "Forbidden", "exception": "worker-1 does not hold a lock on the requested job"}'),
        (404, '{"message": "Not found", "exception": "Could not find external worker job with id \'j\'."}'),
        (409, "clash"),
        (500, '{"message": "Internal server error", "exception": "oh"}'),
        (503, "<html>gr\u00fc\u00df dich</html>"),
    ],
    ids=["400", "401", "403", "404", "409", "500", "503"],
)
@responses.activate
def test_another_status_is_an_exception_with_the_same_text(method: str, status: int, content: str) -> None:
    """`FlowableRestException`, its text unchanged, status and content as attributes; one request."""
    for kind in (responses.GET, responses.POST):
        responses.add(kind, re.compile(".*"), body=content, status=status, content_type="text/plain; charset=utf-8")
    with pytest.raises(FlowableRestException) as caught:
        call_all(FlowableExternalWorkerRestClient(HOST, "worker-1"))[method]()
    text = f"Failed to call Flowable with status code {status}"
    text = f"{text} and content '{content}'" if content else text
    assert type(caught.value) is FlowableRestException
    assert (str(caught.value), caught.value.args[0]) == (text, text)
    assert (caught.value.status_code, caught.value.content) == (status, content)
    assert len(responses.calls) == 1


# ---------------------------------------------------------------- 9: requests


@responses.activate
def test_list_jobs_sends_just_that() -> None:
    """`GET /jobs`, without query and body."""
    responses.get(f"{API}/jobs", json=page_json(job_json("a"), total=12))
    page = FlowableExternalWorkerRestClient(HOST, "worker-1").list_jobs()
    assert [job.id for job in page.data] == ["a"]
    assert (page.total, page.start, page.sort, page.order, page.size) == (12, 0, "id", "asc", 1)
    assert [(call.request.method, call.request.url, call.request.body) for call in responses.calls] == [
        ("GET", f"{API}/jobs", None)
    ]


def test_iter_jobs_sees_all(workers: Workers) -> None:
    """New, because `list_jobs` sees ten: page after page."""
    names = [f"job-{number:02}" for number in range(5)]
    pages = [page_json(*map(job_json, names[start : start + 2]), total=5, start=start) for start in (0, 2, 4)]
    for page in pages:
        workers.stub.answer("GET", f"{JOBS}?start={page['start']}&size=2", Answer(body=page))
    assert [job.id for job in workers.client()._restClient.iter_jobs(page_size=2)] == names
    assert [(seen.method, seen.path) for seen in workers.stub.seen] == [
        ("GET", f"{JOBS}?start={start}&size=2") for start in (0, 2, 4)
    ]


def test_nothing_is_sent_before_it_is_asked_for(workers: Workers) -> None:
    """Making clients sends nothing; the first request of a subscription is its acquire."""
    ExternalWorkerClient(workers.stub.url, auth=FlowableCloudToken("t"))._restClient.request_session.close()
    client = workers.client()
    assert workers.stub.seen == []
    subscription = workers.subscribe(lambda job, result: None, client=client, wait_period_seconds=30)
    workers.stub.wait_until(Stub.acquires)
    subscription.unsubscribe()
    assert workers.stub.seen == [
        Seen(
            "POST",
            ACQUIRE,
            {
                "topic": "topic",
                "lockDuration": "PT1M",
                "numberOfTasks": 1,
                "numberOfRetries": 5,
                "workerId": "worker-1",
            },
        )
    ]


# ---------------------------------------------------------------- 10: ids


IDS = {
    "plain-1": "plain-1",
    "two words": "two%20words",
    "\u00e4": "%C3%A4",
    "a/b": "a%2Fb",
    "a\\b": "a%5Cb",
    "a;b": "a%3Bb",
    "a%b": "a%25b",
    "a?b": "a%3Fb",
    "a#b": "a%23b",
    "a:b": "a%3Ab",
    "a+b&c=d": "a%2Bb%26c%3Dd",
    "a\nb": "a%0Ab",
}


@pytest.mark.parametrize(("job_id", "quoted"), IDS.items(), ids=IDS.values())
def test_ids_are_quoted_in_paths(workers: Workers, job_id: str, quoted: str) -> None:
    """Every character arrives, none is taken for a part of the path, none is refused."""
    client = workers.client()._restClient
    client.get_job(job_id)
    client.complete_job(job_id)
    client.job_with_bpmn_error(job_id)
    client.fail_job(job_id)
    client.job_with_cmmn_terminate(job_id, None)
    assert [seen.path for seen in workers.stub.seen] == [
        f"{JOBS}/{quoted}",
        *(f"{ACQUIRE}/{quoted}/{operation}" for operation in ("complete", "bpmnError", "fail", "cmmnTerminate")),
    ]


@pytest.mark.parametrize("status", [400, 401])
@pytest.mark.parametrize(
    ("job_id", "named"),
    [("a/b", "'/'"), ("a\\b", r"'\\'"), ("a;b", "';'"), ("a%b", "'%'"), ("a;b/c", "'/' and ';'"), ("a\nb", r"'\n'")],
    ids=["slash", "backslash", "semicolon", "percent", "two", "line break"],
)
def test_an_odd_character_is_named_where_the_engine_refuses_it(
    workers: Workers, status: int, job_id: str, named: str
) -> None:
    """The text of version 1 stays in front; behind it, id and character."""
    workers.stub.always("GET", f"{JOBS}/{IDS.get(job_id, 'a%3Bb%2Fc')}", Answer(status, "no"))
    with pytest.raises(FlowableRestException) as caught:
        workers.client()._restClient.get_job(job_id)
    text = f"Failed to call Flowable with status code {status} and content 'no'"
    assert caught.value.args[0] == text
    assert str(caught.value).startswith(text)
    assert repr(job_id) in str(caught.value)
    assert named in str(caught.value).removeprefix(text).replace(repr(job_id), "")


@pytest.mark.parametrize("topic", [" ", "a/b", "gr\u00fc\u00df dich", "a;b?c=d#e", "${x}", "x" * 300])
def test_topics_are_used_as_they_are(workers: Workers, topic: str) -> None:
    """Whatever they look like, spaces included."""
    client = workers.client()
    client._restClient.acquire_jobs(topic, "PT1M")
    subscription = workers.subscribe(lambda job, result: None, client=client, topic=topic)
    workers.stub.wait_until(lambda stub: len(stub.acquires()) >= 2)
    subscription.unsubscribe()
    assert {seen.body["topic"] for seen in workers.stub.acquires()} == {topic}


def test_the_id_of_a_job_comes_back_as_it_was(workers: Workers) -> None:
    """An odd id that the engine hands out finds its way back through a handler's outcome."""
    workers.stub.offer([job_json("a/b;c")])
    workers.subscribe(lambda job, result: result.success())
    workers.stub.wait_until(Stub.settled)
    assert workers.stub.settled() == [completing("a%2Fb%3Bc")]


# ---------------------------------------------------------------- 11: unsubscribe


def test_unsubscribe_can_be_called_again(workers: Workers) -> None:
    """With and without a time-out, also when it has ended."""
    subscription = workers.subscribe(lambda job, result: None)
    subscription.unsubscribe()
    assert not subscription.thread.is_alive()
    subscription.unsubscribe()
    subscription.unsubscribe(timeout=1)
    assert subscription.event.is_set()


def test_unsubscribe_interrupts_the_idle_wait(workers: Workers) -> None:
    """At once, and not after the wait of an hour."""
    subscription = workers.subscribe(lambda job, result: None, wait_period_seconds=3600)
    workers.stub.wait_until(Stub.acquires)
    subscription.unsubscribe(DEADLINE)
    assert not subscription.thread.is_alive()


def test_unsubscribe_interrupts_the_wait_after_a_failure(workers: Workers) -> None:
    """Also while the engine refuses the credentials."""
    workers.stub.always("POST", ACQUIRE, Answer(401))
    subscription = workers.subscribe(lambda job, result: None)
    workers.stub.wait_until(Stub.acquires)
    subscription.unsubscribe(DEADLINE)
    assert not subscription.thread.is_alive()


def test_setting_the_event_ends_the_subscription(workers: Workers) -> None:
    """`subscription.event.set()` is the other way people stop."""
    subscription = workers.subscribe(lambda job, result: None, wait_period_seconds=3600)
    workers.stub.wait_until(Stub.acquires)
    subscription.event.set()
    subscription.thread.join(DEADLINE)
    assert not subscription.thread.is_alive()


def test_unsubscribe_from_the_callback_lets_it_finish(workers: Workers) -> None:
    """It returns, the outcome is delivered, and this was the last callback; neighbours are given back."""
    workers.stub.offer([job_json("a"), job_json("b", retries=2, exceptionMessage="earlier")], [job_json("c")])
    started: list[str] = []

    def handle(job: Any, result: Any) -> Any:
        started.append(job.id)
        subscription.unsubscribe()
        subscription.unsubscribe(timeout=5)
        return result.success().variable_string("n", "v")

    ready = threading.Event()
    subscription = workers.subscribe(
        lambda job, result: ready.wait(DEADLINE) and handle(job, result), number_of_tasks=2
    )
    ready.set()
    subscription.thread.join(DEADLINE)
    assert not subscription.thread.is_alive()
    assert started == ["a"]
    # The neighbour is given back by another thread, while the callback still runs or after it.
    assert sorted(workers.stub.settled(), key=lambda seen: seen.path) == [
        completing("a", {"name": "n", "type": "string", "value": "v"}),
        settling("b", "fail", errorMessage="earlier", retries=2),
    ]


def test_unsubscribe_waits_for_the_running_callback(workers: Workers) -> None:
    """After it returned nothing runs and nothing starts, though there is work; the result was delivered.

    What waited is given back meanwhile, so that others need not wait for that callback.
    """
    workers.stub.offer([job_json("a"), job_json("b")], [job_json("c")])
    running, go_on = threading.Event(), threading.Event()
    finished: list[str] = []

    def handle(job: Any, result: Any) -> None:
        running.set()
        assert go_on.wait(DEADLINE)
        finished.append(job.id)

    subscription = workers.subscribe(handle, number_of_tasks=2)
    assert running.wait(DEADLINE)

    def when_given_back() -> None:
        workers.stub.wait_until(lambda stub: stub.settled())
        go_on.set()

    threading.Thread(target=when_given_back).start()
    subscription.unsubscribe()
    assert finished == ["a"]
    assert workers.stub.settled() == [settling("b", "fail", retries=3), completing("a")]
    assert len(workers.stub.acquires()) == 1


def test_unsubscribe_with_a_timeout_returns_in_time(workers: Workers) -> None:
    """The callback runs on; it is the last one."""
    workers.stub.offer([job_json("a")], [job_json("b")])
    running, go_on = threading.Event(), threading.Event()

    def handle(job: Any, result: Any) -> None:
        running.set()
        assert go_on.wait(DEADLINE)

    subscription = workers.subscribe(handle)
    assert running.wait(DEADLINE)
    began = time.monotonic()
    subscription.unsubscribe(timeout=0.05)
    subscription.unsubscribe(0)
    assert time.monotonic() - began < DEADLINE / 2
    assert subscription.thread.is_alive()
    go_on.set()
    subscription.unsubscribe(DEADLINE)
    assert not subscription.thread.is_alive()
    assert workers.stub.settled() == [completing("a")]
    assert len(workers.stub.acquires()) == 1


def test_jobs_that_arrive_after_unsubscribe_do_not_start(workers: Workers) -> None:
    """An acquire was on the wire: what it brings is given back, retries and message unchanged."""
    answered = threading.Event()
    jobs = [job_json("a"), job_json("b", retries=1, exceptionMessage="earlier")]
    workers.stub.answer("POST", ACQUIRE, Answer(body=jobs, after=answered))
    started: list[str] = []
    subscription = workers.subscribe(lambda job, result: started.append(job.id), number_of_tasks=2)
    workers.stub.wait_until(Stub.acquires)
    subscription.unsubscribe(timeout=0.05)
    answered.set()
    subscription.unsubscribe(DEADLINE)
    assert not subscription.thread.is_alive()
    assert started == []
    assert workers.stub.settled() == [
        settling("a", "fail", retries=3),
        settling("b", "fail", errorMessage="earlier", retries=1),
    ]


# ---------------------------------------------------------------- 12: worker ids


def test_the_default_worker_id_begins_as_it_did() -> None:
    """`hostname-pid`, and a random part: in containers every process has the same."""
    clients = [ExternalWorkerClient(HOST), ExternalWorkerClient(HOST, None), ExternalWorkerClient(HOST, "")]
    names = [client._restClient.worker_id for client in clients]
    beginning = re.escape(f"{socket.gethostname()[:180]}-{os.getpid()}")
    assert [bool(re.fullmatch(rf"{beginning}-\w{{6,}}", name)) for name in names] == [True] * 3
    assert len(set(names)) == 3
    for client in clients:
        client._restClient.request_session.close()


def test_every_acquire_of_a_generated_name_has_a_name_of_its_own(workers: Workers) -> None:
    """And the job is settled, whatever the way, by the name that acquired it."""
    workers.stub.offer([job_json("a")], [job_json("b")], [job_json("c")], [job_json("d")])
    client = workers.client(worker_id=None)
    name = client._restClient.worker_id

    def handle(job: Any, result: Any) -> Any:
        if job.id == "a":
            return None
        if job.id == "b":
            raise ValueError("it went wrong")
        if job.id == "c":
            client._restClient.complete_job(job.id)
            return Duck()
        return Duck(lambda rest_client: rest_client.job_with_bpmn_error(job.id))

    workers.subscribe(handle, client=client)
    workers.stub.wait_until(lambda stub: len(stub.settled()) == 4)
    assert client._restClient.worker_id == name
    owners = [seen.body["workerId"] for seen in workers.stub.acquires()]
    assert owners[:4] == [f"{name}.{number}" for number in (1, 2, 3, 4)]
    assert [(seen.path.split("/")[-2], seen.body["workerId"]) for seen in workers.stub.settled()] == [
        (job_id, f"{name}.{number}") for job_id, number in zip("abcd", (1, 2, 3, 4), strict=True)
    ]


def test_a_given_worker_id_is_used_as_it_is(workers: Workers) -> None:
    """In every acquire and every result."""
    workers.stub.offer([job_json("a")], [job_json("b")])
    client = workers.client(worker_id="the worker / 7")
    workers.subscribe(lambda job, result: None, client=client)
    workers.stub.wait_until(lambda stub: len(stub.settled()) == 2)
    assert client._restClient.worker_id == "the worker / 7"
    assert {seen.body["workerId"] for seen in workers.stub.seen} == {"the worker / 7"}


# ---------------------------------------------------------------- 13: the default host


def test_the_default_host_is_the_trial_cloud(caplog: pytest.LogCaptureFixture) -> None:
    """It is kept, and a warning says so when there is no auth."""
    client = ExternalWorkerClient()
    assert client._restClient.flowable_host == "https://trial.flowable.com/work"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.name.startswith("flowable.external_worker_client")
    assert "https://trial.flowable.com/work" in record.getMessage()
    client._restClient.request_session.close()


@pytest.mark.parametrize(
    "options",
    [
        {"auth": FlowableCloudToken("token")},
        {"customize_session": lambda session: setattr(session, "auth", ("kermit", "frog"))},
        {"flowable_host": HOST},
    ],
    ids=["auth", "auth of the session", "another host"],
)
def test_no_warning_with_credentials_or_a_host(caplog: pytest.LogCaptureFixture, options: dict[str, Any]) -> None:
    """Programs that say where and as whom are left alone."""
    client = ExternalWorkerClient(**options)
    assert caplog.records == []
    client._restClient.request_session.close()


# ---------------------------------------------------------------- where the library is imported from


def test_the_programs_of_these_tests_import_this_library() -> None:
    """The folder that subprocesses get is the one of this process."""
    assert (OURS / "flowable" / "external_worker_client" / "client.py").is_file()
    assert Path(sys.modules[ExternalWorkerClient.__module__].__file__ or "").is_relative_to(OURS)
