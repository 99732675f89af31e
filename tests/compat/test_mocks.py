"""Tests that people wrote for their programs on 1.0.2: recordings, mocks of requests, and fakes of the REST client."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests
import requests_mock
import responses
import vcr
from requests.adapters import BaseAdapter, HTTPAdapter
from responses import matchers

from flowable.external_worker_client import (
    EngineRestVariable,
    ExternalWorkerClient,
    FlowableExternalWorkerRestClient,
    FlowableRestException,
    WorkerResultBuilder,
    WorkResult,
)
from flowable.external_worker_client.response_converter import convert_to_external_worker_acquire_job_response

from .conftest import Workers
from .stub import DEADLINE, JOBS, Answer, job_json, page_json

HOST = "http://engine.test/flowable-rest"
API = f"{HOST}/external-job-api"


def a_job(job_id: str = "job-1") -> Any:
    """Return a job as people's fakes make it."""
    return convert_to_external_worker_acquire_job_response(job_json(job_id))


@pytest.fixture
def client() -> Iterator[ExternalWorkerClient]:
    """A client of an engine that does not exist."""
    client = ExternalWorkerClient(HOST, "worker-1")
    rest_client = client._restClient
    yield client
    rest_client.request_session.close()


def work(client: ExternalWorkerClient, handler: Any, ended: threading.Event | None = None) -> None:
    """Subscribe, wait until the handler (or an event) says that it is over, and unsubscribe."""
    done = threading.Event()

    def handle(job: Any, result: Any) -> Any:
        try:
            return handler(job, result)
        finally:
            done.set()

    subscription = client.subscribe("topic", handle, wait_period_seconds=0.02)
    try:
        assert (ended or done).wait(DEADLINE)
    finally:
        subscription.unsubscribe(DEADLINE)
    assert not subscription.thread.is_alive()


# ---------------------------------------------------------------- mocks of requests


@responses.activate(assert_all_requests_are_fired=True)
def test_responses_answer_the_rest_client() -> None:
    """The library `responses`, matching method, URL, an empty query, body and headers."""
    responses.get(f"{API}/jobs", json=page_json(job_json("a")), match=[matchers.query_param_matcher({})])
    expected = {"workerId": "worker-1", "variables": [{"name": "n", "type": "string", "value": "v"}]}
    responses.post(
        f"{API}/acquire/jobs/job-1/complete",
        status=204,
        match=[
            matchers.json_params_matcher(expected),
            matchers.header_matcher({"Content-Type": "application/json"}),
        ],
    )
    client = FlowableExternalWorkerRestClient(HOST, "worker-1")
    assert [job.id for job in client.list_jobs().data] == ["a"]
    client.complete_job("job-1", [EngineRestVariable("n", "string", "v")])
    assert len(responses.calls) == 2


def test_responses_answer_a_subscription(client: ExternalWorkerClient) -> None:
    """The mock is in force on the subscription's thread too."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        mocked.post(f"{API}/acquire/jobs", json=[job_json("job-1")])
        mocked.post(f"{API}/acquire/jobs", json=[])
        mocked.post(f"{API}/acquire/jobs/job-1/bpmnError", status=204)
        work(client, lambda job, result: result.bpmn_error().error_code("code"))
        first, second = list(mocked.calls)[:2]
    assert json.loads(first.request.body or "") == {
        "topic": "topic",
        "lockDuration": "PT1M",
        "numberOfTasks": 1,
        "numberOfRetries": 5,
        "workerId": "worker-1",
    }
    assert json.loads(second.request.body or "") == {"workerId": "worker-1", "variables": [], "errorCode": "code"}


@responses.activate
def test_responses_raise_what_they_are_told() -> None:
    """`body=ConnectionError()` reaches the caller as that very object."""
    error = requests.exceptions.ConnectionError("no network")
    responses.get(f"{API}/jobs", body=error)
    with pytest.raises(requests.exceptions.ConnectionError) as caught:
        FlowableExternalWorkerRestClient(HOST, "worker-1").list_jobs()
    assert caught.value is error


def test_requests_mock_answers_the_rest_client() -> None:
    """The library `requests-mock`: paths, JSON, status codes."""
    client = FlowableExternalWorkerRestClient(f"{HOST}/", "worker-1")
    with requests_mock.Mocker() as mocked:
        mocked.get(f"{API}/jobs/job-1", json=job_json("job-1"))
        mocked.post(f"{API}/acquire/jobs/job-1/fail", status_code=404, text="gone")
        assert client.get_job("job-1").correlation_id == "correlation-job-1"
        with pytest.raises(
            FlowableRestException, match=r"^Failed to call Flowable with status code 404 and content 'gone'$"
        ):
            client.fail_job("job-1", "message", retries=2)
        history = [(request.method, request.url) for request in mocked.request_history]
        assert mocked.last_request is not None
        assert mocked.last_request.json() == {"workerId": "worker-1", "errorMessage": "message", "retries": 2}
    assert history == [("GET", f"{API}/jobs/job-1"), ("POST", f"{API}/acquire/jobs/job-1/fail")]


def test_requests_mock_answers_a_subscription(client: ExternalWorkerClient) -> None:
    """Also when it is mounted as an adapter."""
    adapter = requests_mock.Adapter()
    adapter.register_uri("POST", f"{API}/acquire/jobs", [{"json": [job_json("job-1")]}, {"json": []}])
    completed = adapter.register_uri("POST", f"{API}/acquire/jobs/job-1/complete", status_code=204)
    client._restClient.request_session.mount("http://", adapter)
    work(client, lambda job, result: None)
    assert [request.json() for request in completed.request_history] == [{"workerId": "worker-1", "variables": []}]


def cassette(*exchanges: tuple[str, str, str, int, Any]) -> dict[str, Any]:
    """Return a recording as VCR.py keeps it: method, URI, body of the request, status, JSON of the answer."""
    return {
        "version": 1,
        "interactions": [
            {
                "request": {"method": method, "uri": uri, "body": body, "headers": {}},
                "response": {
                    "status": {"code": status, "message": "recorded"},
                    "headers": {"Content-Type": ["application/json"]},
                    "body": {"string": "" if answer is None else json.dumps(answer)},
                },
            }
            for method, uri, body, status, answer in exchanges
        ],
    }


def test_a_recording_of_version_1_plays_back(tmp_path: Path, client: ExternalWorkerClient) -> None:
    """VCR.py, matching on method and URI, refusing everything that is not in the recording."""
    acquire = (
        '{"topic": "topic", "lockDuration": "PT1M", "numberOfTasks": 1, "numberOfRetries": 5, '
        '"workerId": "worker-1", "scopeType": null}'
    )
    file = tmp_path / "version-1.json"
    recorded = cassette(
        ("GET", f"{API}/jobs", "", 200, page_json(job_json("job-1"))),
        ("POST", f"{API}/acquire/jobs", acquire, 200, [job_json("job-1")]),
        ("POST", f"{API}/acquire/jobs/job-1/complete", '{"workerId": "worker-1", "variables": []}', 204, None),
        ("GET", f"{API}/jobs/job-1", "", 404, {"message": "Not found", "exception": "gone"}),
    )
    file.write_text(json.dumps(recorded))
    player = vcr.VCR(serializer="json", record_mode=vcr.record_mode.RecordMode.NONE, match_on=["method", "uri"])
    with player.use_cassette(str(file)) as played:
        assert [job.id for job in client._restClient.list_jobs().data] == ["job-1"]
        jobs = client._restClient.acquire_jobs("topic", "PT1M")
        assert [job.id for job in jobs] == ["job-1"]
        client._restClient.complete_job("job-1")
        with pytest.raises(FlowableRestException):
            client._restClient.get_job("job-1")
        assert played.all_played
        assert played.play_count == 4


def test_a_recording_with_a_body_matcher_plays_back(tmp_path: Path, client: ExternalWorkerClient) -> None:
    """Bodies are equal after dropping null members, so a matcher that does that finds them."""
    body = '{"workerId": "worker-1", "variables": [], "errorCode": null}'
    file = tmp_path / "version-1.json"
    file.write_text(json.dumps(cassette(("POST", f"{API}/acquire/jobs/j/bpmnError", body, 204, None))))

    def same_but_for_nulls(one: Any, other: Any) -> None:
        both = [{k: v for k, v in json.loads(each.body).items() if v is not None} for each in (one, other)]
        assert both[0] == both[1]

    player = vcr.VCR(serializer="json", record_mode=vcr.record_mode.RecordMode.NONE)
    player.register_matcher("same", same_but_for_nulls)
    with player.use_cassette(str(file), match_on=["method", "uri", "same"]) as played:
        client._restClient.job_with_bpmn_error("j")
        assert played.play_count == 1


# ---------------------------------------------------------------- the session


class Canned(BaseAdapter):
    """An adapter of somebody's own, which answers itself."""

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__()
        self.status = status
        self.content = content
        self.sent: list[tuple[str | None, str | None]] = []
        self.timeouts: list[Any] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Note the request and answer."""
        self.sent.append((request.method, request.url))
        self.timeouts.append(kwargs.get("timeout"))
        response = requests.Response()
        response.status_code = self.status
        response.raw = BytesIO(self.content)
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("host", "scheme"),
    [
        (HOST, "http://"),
        (HOST, HOST),
        ("canned://engine/rest", "canned://"),
        ("http+unix://%2Frun%2Fengine.sock/rest", "http+unix://"),
    ],
    ids=["http", "one host", "own scheme", "unix socket"],
)
def test_an_adapter_that_customize_session_mounts_is_used(host: str, scheme: str) -> None:
    """Also for a scheme that only this adapter knows."""
    adapter = Canned(200, json.dumps(page_json(job_json("a"))).encode())
    client = FlowableExternalWorkerRestClient(
        host, "worker-1", customize_session=lambda session: session.mount(scheme, adapter)
    )
    assert [job.id for job in client.list_jobs().data] == ["a"]
    assert adapter.sent == [("GET", f"{host}/external-job-api/jobs")]
    client.request_session.close()


def test_customize_session_runs_once_and_last(workers: Workers) -> None:
    """It sees the auth, and what it sets stays: headers, auth, parameters, adapters."""
    seen: list[Any] = []

    def customize(session: requests.Session) -> None:
        seen.append(session.auth)
        session.auth = ("kermit", "frog")
        session.headers["X-Custom"] = "yes"
        session.params = {"tenant": "acme"}

    client = workers.client(auth=requests.auth.HTTPBasicAuth("a", "b"), customize_session=customize)
    client._restClient.list_jobs()
    assert seen == [requests.auth.HTTPBasicAuth("a", "b")]
    (request,) = workers.stub.seen
    assert (request.method, request.path) == ("GET", "/external-job-api/jobs?tenant=acme")
    assert request.headers["authorization"] == requests.auth._basic_auth_str("kermit", "frog")
    assert request.headers["x-custom"] == "yes"


def test_a_tuple_is_an_auth_too(workers: Workers) -> None:
    """Requests takes a pair of user and password, so version 1 did."""
    workers.client(auth=("kermit", "frog"))._restClient.list_jobs()
    (request,) = workers.stub.seen
    assert request.headers["authorization"] == requests.auth._basic_auth_str("kermit", "frog")


def test_a_time_out_put_on_the_session_is_no_obstacle() -> None:
    """`session.request = partial(session.request, timeout=…)` is how people gave 1.0.2 time-outs."""

    def customize(session: requests.Session) -> None:
        session.mount("http://", adapter)
        session.request = functools.partial(session.request, timeout=3)  # type: ignore[method-assign]

    adapter = Canned(204, b"")
    client = FlowableExternalWorkerRestClient(HOST, "worker-1", customize_session=customize)
    client.complete_job("job-1")
    assert adapter.sent == [("POST", f"{API}/acquire/jobs/job-1/complete")]
    client.request_session.close()


def test_a_hook_that_raises_is_heard(workers: Workers) -> None:
    """`raise_for_status` as a hook raises `HTTPError` from the session, and that is what the caller gets."""

    def raise_for_status(response: requests.Response, *args: Any, **kwargs: Any) -> None:
        response.raise_for_status()

    client = workers.client(customize_session=lambda session: session.hooks["response"].append(raise_for_status))
    workers.stub.always("GET", f"{JOBS}/x", Answer(404, {"message": "Not found", "exception": "gone"}))
    with pytest.raises(requests.exceptions.HTTPError) as caught:
        client._restClient.get_job("x")
    assert caught.value.response is not None
    assert caught.value.response.status_code == 404
    caught.value.response.close()


def test_the_session_can_be_replaced(workers: Workers) -> None:
    """`client._restClient.request_session = session` is in force from the next request on."""
    rest_client = workers.client()._restClient
    rest_client.request_session.close()
    adapter = Canned(204, b"")
    session = requests.Session()
    session.mount("http://", adapter)
    rest_client.request_session = session
    rest_client.complete_job("job-1")
    assert rest_client.request_session is session
    assert [method for method, _ in adapter.sent] == ["POST"]


def test_the_attributes_of_the_rest_client_can_be_changed(workers: Workers) -> None:
    """`flowable_host` and `worker_id` are read at every request, as in version 1."""
    rest_client = FlowableExternalWorkerRestClient("http://127.0.0.1:9/elsewhere", "before")
    rest_client.flowable_host = workers.stub.url
    rest_client.worker_id = "after"
    rest_client.complete_job("job-1")
    (request,) = workers.stub.seen
    assert (request.path, request.body["workerId"]) == ("/external-job-api/acquire/jobs/job-1/complete", "after")
    rest_client.request_session.close()


def test_a_patched_adapter_is_in_force(client: ExternalWorkerClient) -> None:
    """`mock.patch.object(HTTPAdapter, "send", …)`, which is what the mocks above do."""
    canned = Canned(200, json.dumps(job_json("job-1")).encode())
    with mock.patch.object(HTTPAdapter, "send", canned.send):
        assert client._restClient.get_job("job-1").id == "job-1"
    assert canned.sent == [("GET", f"{API}/jobs/job-1")]


# ---------------------------------------------------------------- the REST client


def test_a_mock_in_place_of_the_rest_client(client: ExternalWorkerClient) -> None:
    """`client._restClient = Mock()`: called as version 1 called it."""
    rest_client = mock.Mock()
    rest_client.acquire_jobs.side_effect = lambda *args, **kwargs: (
        [a_job()] if not rest_client.complete_job.called else []
    )
    client._restClient = rest_client
    work(client, lambda job, result: result.success().variable_string("n", "v"))
    rest_client.acquire_jobs.assert_called_with("topic", "PT1M", 1, number_of_retries=5, scope_type=None)
    rest_client.complete_job.assert_called_once()
    job_id, variables = rest_client.complete_job.call_args.args
    assert job_id == "job-1"
    assert [vars(variable) for variable in variables] == [
        {"name": "n", "type": "string", "value": "v", "value_url": None}
    ]
    rest_client.fail_job.assert_not_called()


def test_a_mock_in_place_of_the_rest_client_of_an_unnamed_worker() -> None:
    """Without a worker id the mock is called the same way: names of acquires are between us and our REST client."""
    client = ExternalWorkerClient(HOST)
    client._restClient.request_session.close()
    rest_client = mock.Mock()
    rest_client.acquire_jobs.side_effect = lambda *args, **kwargs: (
        [a_job()] if not rest_client.complete_job.called else []
    )
    client._restClient = rest_client
    work(client, lambda job, result: result.success())
    rest_client.acquire_jobs.assert_called_with("topic", "PT1M", 1, number_of_retries=5, scope_type=None)


def test_a_mock_sees_none_complete_the_job(client: ExternalWorkerClient) -> None:
    """A handler that returns `None`: `complete_job.assert_called_once_with(job.id)`, as version 1 called it."""
    rest_client = mock.Mock()
    rest_client.acquire_jobs.side_effect = lambda *args, **kwargs: (
        [a_job()] if not rest_client.complete_job.called else []
    )
    client._restClient = rest_client
    work(client, lambda job, result: None)
    rest_client.complete_job.assert_called_once_with("job-1")


def test_a_mock_sees_an_exception_fail_the_job(client: ExternalWorkerClient) -> None:
    """Job id and message come by position, as in version 1; what is new is named."""
    rest_client = mock.Mock()
    rest_client.acquire_jobs.side_effect = lambda *args, **kwargs: [a_job()] if not rest_client.fail_job.called else []
    client._restClient = rest_client

    def fail(job: Any, result: Any) -> None:
        raise ValueError("it went wrong")

    work(client, fail)
    rest_client.fail_job.assert_called_once()
    assert rest_client.fail_job.call_args.args == ("job-1", "it went wrong")
    assert set(rest_client.fail_job.call_args.kwargs) == {"error_details", "retry_timeout"}
    rest_client.complete_job.assert_not_called()


def test_an_autospecced_rest_client(client: ExternalWorkerClient) -> None:
    """`create_autospec` of the class knows its methods only, no attributes of instances: enough for version 1."""
    rest_client = mock.create_autospec(FlowableExternalWorkerRestClient, instance=True)
    rest_client.acquire_jobs.side_effect = lambda *args, **kwargs: (
        [a_job()] if not rest_client.complete_job.called else []
    )
    client._restClient = rest_client
    work(client, lambda job, result: result.success())
    assert rest_client.complete_job.call_args.args == ("job-1", [])


class Fake:
    """A REST client of somebody's own, with the methods and signatures of version 1 and nothing else."""

    def __init__(self, jobs: list[Any]) -> None:
        self.jobs = jobs
        self.calls: list[tuple[Any, ...]] = []
        self.settled = threading.Event()

    def acquire_jobs(
        self,
        topic: str,
        lock_duration: str,
        number_of_tasks: int = 1,
        number_of_retries: int = 5,
        worker_id: str | None = None,
        scope_type: str | None = None,
    ) -> list[Any]:
        """Hand out what there is, once."""
        jobs, self.jobs = self.jobs, []
        return jobs

    def complete_job(self, job_id: str, variables: Any = None, worker_id: str | None = None) -> None:
        """Note the call."""
        self._note("complete", job_id, [vars(variable) for variable in variables or ()])

    def job_with_bpmn_error(
        self, job_id: str, variables: Any = None, error_code: str | None = None, worker_id: str | None = None
    ) -> None:
        """Note the call."""
        self._note("bpmn_error", job_id, [vars(variable) for variable in variables or ()], error_code)

    def fail_job(
        self,
        job_id: str,
        error_message: str | None = None,
        error_details: str | None = None,
        retries: int | None = None,
        retry_timeout: str | None = None,
        worker_id: str | None = None,
    ) -> None:
        """Note the call."""
        self._note("fail", job_id, error_message, retries)

    def job_with_cmmn_terminate(self, job_id: str, variables: Any, worker_id: str | None = None) -> None:
        """Note the call."""
        self._note("cmmn_terminate", job_id, [vars(variable) for variable in variables or ()])

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        self.settled.set()


def raising(job: Any, result: Any) -> None:
    """Fail."""
    raise ValueError("it went wrong")


VARIABLE = {"name": "n", "type": "integer", "value": 1, "value_url": None}


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        pytest.param(lambda job, result: None, ("complete", "job-1", []), id="None"),
        pytest.param(
            lambda job, result: result.success().variable_int("n", 1), ("complete", "job-1", [VARIABLE]), id="success"
        ),
        pytest.param(
            lambda job, result: result.bpmn_error().error_code("c").variable_int("n", 1),
            ("bpmn_error", "job-1", [VARIABLE], "c"),
            id="BPMN error",
        ),
        pytest.param(
            lambda job, result: result.failure().error_message("m").retries(2), ("fail", "job-1", "m", 2), id="failure"
        ),
        pytest.param(
            lambda job, result: result.cmmn_terminate().variable_int("n", 1),
            ("cmmn_terminate", "job-1", [VARIABLE]),
            id="CMMN terminate",
        ),
        pytest.param(raising, ("fail", "job-1", "it went wrong", None), id="exception"),
    ],
)
@pytest.mark.parametrize("worker_id", ["worker-1", None], ids=["named", "unnamed"])
def test_a_fake_rest_client(handler: Any, expected: tuple[Any, ...], worker_id: str | None) -> None:
    """A class with the methods of version 1, and no attributes, does for every outcome."""
    client = ExternalWorkerClient(HOST, worker_id)
    client._restClient.request_session.close()
    fake = Fake([a_job()])
    client._restClient = fake  # type: ignore[assignment]
    work(client, handler, fake.settled)
    assert fake.calls == [expected]


@pytest.mark.parametrize("where", ["object", "class"])
def test_one_patched_method_of_the_rest_client(client: ExternalWorkerClient, where: str) -> None:
    """`mock.patch.object(client._restClient, "complete_job")`, or on the class: the others stay real."""
    target: Any = client._restClient if where == "object" else FlowableExternalWorkerRestClient
    settled = threading.Event()
    with (
        responses.RequestsMock(assert_all_requests_are_fired=False) as mocked,
        mock.patch.object(target, "complete_job") as complete_job,
    ):
        complete_job.side_effect = lambda *args, **kwargs: settled.set()
        mocked.post(f"{API}/acquire/jobs", json=[job_json("job-1")])
        mocked.post(f"{API}/acquire/jobs", json=[])
        work(client, lambda job, result: result.success(), settled)
        assert {call.request.url for call in mocked.calls} == {f"{API}/acquire/jobs"}
    complete_job.assert_called_once()
    assert complete_job.call_args.args == ("job-1", [])


def test_patched_acquiring(client: ExternalWorkerClient) -> None:
    """`mock.patch.object(client._restClient, "acquire_jobs", …)`: the jobs are the person's, settling is real."""
    jobs = [[a_job()], []]
    with responses.RequestsMock() as mocked:
        mocked.post(f"{API}/acquire/jobs/job-1/complete", status=204)
        with mock.patch.object(
            client._restClient, "acquire_jobs", side_effect=lambda *a, **k: jobs.pop(0) if jobs else []
        ):
            work(client, lambda job, result: None)
        assert [json.loads(call.request.body or "") for call in mocked.calls] == [
            {"workerId": "worker-1", "variables": []}
        ]


def test_an_outcome_is_executed_on_a_mock() -> None:
    """Outcomes alone, without a subscription: `result.execute(Mock())` calls as version 1 did."""
    builder, rest_client = WorkerResultBuilder(a_job()), mock.Mock()
    builder.success().execute(rest_client)
    builder.failure().error_message("m").error_details("d").retries(2).retry_timeout("PT1M").execute(rest_client)
    builder.bpmn_error().error_code("c").execute(rest_client)
    builder.cmmn_terminate().execute(rest_client)
    assert rest_client.mock_calls == [
        mock.call.complete_job("job-1", []),
        mock.call.fail_job("job-1", "m", "d", 2, "PT1M"),
        mock.call.job_with_bpmn_error("job-1", [], "c"),
        mock.call.job_with_cmmn_terminate("job-1", []),
    ]


def test_a_mock_is_a_handler(client: ExternalWorkerClient) -> None:
    """`Mock(return_value=None)` as callback: called with the job and a builder."""
    fake = Fake([a_job()])
    client._restClient = fake  # type: ignore[assignment]
    handler = mock.Mock(return_value=None)
    work(client, handler, fake.settled)
    handler.assert_called_once()
    job, builder = handler.call_args.args
    assert handler.call_args.kwargs == {}
    assert job.id == "job-1"
    assert type(builder) is WorkerResultBuilder
    assert fake.calls == [("complete", "job-1", [])]


def test_a_subclass_of_the_rest_client(workers: Workers) -> None:
    """People override a method, call `super()`, and put it in the client: outcomes go through it."""
    completed: list[Any] = []

    class Watching(FlowableExternalWorkerRestClient):
        def complete_job(self, job_id: str, variables: Any = None, worker_id: str | None = None) -> None:
            completed.append((job_id, variables))
            super().complete_job(job_id, variables, worker_id)

    workers.stub.offer([job_json("job-1")])
    client = workers.client()
    client._restClient.request_session.close()
    client._restClient = Watching(workers.stub.url, "watching")
    workers.subscribe(lambda job, result: result.success(), client=client)
    workers.stub.wait_until(lambda stub: stub.settled())
    assert completed == [("job-1", [])]
    assert [seen.body for seen in workers.stub.settled()] == [{"workerId": "watching", "variables": []}]


def test_an_outcome_of_somebodys_own_may_call_its_base(client: ExternalWorkerClient) -> None:
    """`super().execute(rest_client)` did nothing in version 1, and does nothing now."""

    class Own(WorkResult):
        def execute(self, rest_client: Any) -> None:
            super().execute(rest_client)
            rest_client.complete_job("job-1")

    fake = Fake([a_job()])
    client._restClient = fake  # type: ignore[assignment]
    work(client, lambda job, result: Own(), fake.settled)
    assert fake.calls == [("complete", "job-1", [])]
