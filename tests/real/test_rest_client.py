"""The REST client against a real engine: every filter of the job list, paging, giving back, and what is refused."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.auth import HTTPBasicAuth
from tests.support.waiting import until

from flowable.external_worker_client import EngineRestVariable, FlowableExternalWorkerRestClient, FlowableRestException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.models import Model

    from flowable.external_worker_client import ExternalWorkerClient
    from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
    from flowable.external_worker_client.testing.real_engine import RealEngine

    Models = Callable[[str], Model]


@pytest.fixture(params=["requests", "fast"])
def transport(request: pytest.FixtureRequest) -> str:
    """What carries requests."""
    return str(request.param)


@pytest.fixture
def rest(connect: Callable[..., ExternalWorkerClient], real_engine: RealEngine) -> FlowableExternalWorkerRestClient:
    """A REST client of the shared engine."""
    rest_client: FlowableExternalWorkerRestClient = connect(real_engine)._restClient
    return rest_client


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs that differ in everything that the list can be filtered by, with their ids.

    Attributes:
        topic: The topic of the process jobs.
        tenant: The tenant of `plain`.
        definition: The process definition of `plain`.
        plain: Unlocked, never failed, with a tenant.
        locked: Locked by worker `locker`, no tenant.
        failed: Failed once, with message `message`, no tenant.
        case: A job of a case.
    """

    topic: str
    tenant: str
    message: str
    plain: ExternalWorkerJobResponse
    locked: ExternalWorkerJobResponse
    failed: ExternalWorkerJobResponse
    case: ExternalWorkerJobResponse

    def names(self, found: list[ExternalWorkerJobResponse]) -> set[str]:
        """Return which of these jobs are among the found ones; the engine has jobs of other tests too."""
        ids = {job.id for job in found}
        return {name for name in ("plain", "locked", "failed", "case") if getattr(self, name).id in ids}


@pytest.fixture
def jobs(real_engine: RealEngine, rest: FlowableExternalWorkerRestClient, models: Models) -> Jobs:
    """One job of each kind."""
    process, case = models("task.bpmn20.xml"), models("two-ways.cmmn")
    tenant, message = f"tenant-{process.suffix}", f"message {process.suffix}"
    real_engine.deploy(process.text, tenant=tenant)
    real_engine.deploy(process.text)
    real_engine.deploy_case(case.text)
    topic = process.topic("work")

    def only(**filters: Any) -> ExternalWorkerJobResponse:
        [job] = rest.list_jobs(**filters).data
        return job

    instances = [real_engine.start_process(process.key) for _ in range(2)]
    first, second = rest.acquire_jobs(topic, "PT10M", number_of_tasks=2, worker_id="locker")
    rest.fail_job(second.id, error_message=message, error_details="details", worker_id="locker")
    tenant_instance = real_engine.start_process(process.key, tenant=tenant)
    case_instance = real_engine.case_instance_id(real_engine.start_case(case.key))
    assert {first.process_instance_id, second.process_instance_id} == set(instances)
    return Jobs(
        topic=topic,
        tenant=tenant,
        message=message,
        plain=only(process_instance_id=tenant_instance),
        locked=only(id=first.id),
        failed=only(id=second.id),
        case=only(scope_id=case_instance),
    )


def filters(jobs: Jobs) -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Return filters, and the jobs that each must find."""
    every, process = {"plain", "locked", "failed", "case"}, {"plain", "locked", "failed"}
    plain, case = jobs.plain, jobs.case
    yield {}, every
    yield {"id": plain.id}, {"plain"}
    yield {"id": "no-such-job"}, set()
    yield {"process_instance_id": plain.process_instance_id}, {"plain"}
    yield {"without_process_instance_id": True}, {"case"}
    yield {"without_process_instance_id": False}, every
    yield {"execution_id": plain.execution_id}, {"plain"}
    yield {"process_definition_id": jobs.locked.process_definition_id}, {"locked", "failed"}
    yield {"scope_id": case.scope_id}, {"case"}
    yield {"without_scope_id": True}, process
    yield {"sub_scope_id": case.sub_scope_id}, {"case"}
    yield {"scope_definition_id": case.scope_definition_id}, {"case"}
    yield {"scope_type": "cmmn"}, {"case"}
    yield {"scope_type": "bpmn"}, process
    yield {"without_scope_type": True}, process
    yield {"element_id": "work"}, every
    yield {"element_id": "other"}, set()
    yield {"element_name": "Work"}, process
    yield {"with_exception": True}, {"failed"}
    yield {"exception_message": jobs.message}, {"failed"}
    yield {"tenant_id": jobs.tenant}, {"plain"}
    yield {"tenant_id_like": f"%{jobs.tenant[2:-2]}%"}, {"plain"}
    yield {"without_tenant_id": True}, {"locked", "failed", "case"}
    yield {"locked": True}, {"locked"}
    yield {"unlocked": True}, {"plain", "failed", "case"}
    yield {"unlocked": True, "scope_type": "bpmn", "without_tenant_id": True}, {"failed"}
    yield {"locked": True, "unlocked": True}, set()


def test_every_filter_finds_its_jobs_and_no_others(rest: FlowableExternalWorkerRestClient, jobs: Jobs) -> None:
    """Each filter reaches the engine under the name that the engine knows, and filters there."""
    found = {str(where): jobs.names(rest.list_jobs(size=10_000, **where).data) for where, _ in filters(jobs)}
    assert found == {str(where): expected for where, expected in filters(jobs)}


def test_a_page_says_where_it_is(
    rest: FlowableExternalWorkerRestClient, real_engine: RealEngine, models: Models
) -> None:
    """Start, size, sort and order of the page are those that were asked for, the total counts all that match."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instances = [real_engine.start_process(model.key) for _ in range(5)]
    definition = rest.list_jobs(process_instance_id=instances[0]).data[0].process_definition_id
    assert definition is not None

    page = rest.list_jobs(process_definition_id=definition, start=1, size=3, sort="processInstanceId", order="desc")
    assert [job.process_instance_id for job in page.data] == sorted(instances, reverse=True)[1:4]
    assert (page.total, page.start, page.size, page.sort, page.order) == (5, 1, 3, "processInstanceId", "desc")

    nothing = rest.list_jobs(process_definition_id=definition, size=0)
    assert (nothing.data, nothing.total) == ([], 5)


@pytest.mark.parametrize(
    "sort", ["id", "dueDate", "createTime", "executionId", "processInstanceId", "retries", "tenantId"]
)
def test_the_engine_knows_every_sort_key(rest: FlowableExternalWorkerRestClient, sort: Any) -> None:
    """No key that the client offers is refused."""
    assert rest.list_jobs(sort=sort, order="asc").sort == sort


def test_iterating_sees_every_job_once(
    rest: FlowableExternalWorkerRestClient, real_engine: RealEngine, models: Models
) -> None:
    """Over several pages, the last one full and the last one not."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instances = [real_engine.start_process(model.key) for _ in range(25)]
    definition = rest.list_jobs(process_instance_id=instances[0]).data[0].process_definition_id
    assert definition is not None
    for page_size in (5, 7, 100):
        found = list(rest.iter_jobs(page_size=page_size, process_definition_id=definition))
        assert sorted(str(job.process_instance_id) for job in found) == sorted(instances)


def test_one_job_is_read_back_as_it_was_acquired(
    rest: FlowableExternalWorkerRestClient, real_engine: RealEngine, models: Models
) -> None:
    """`get_job` and `acquire_jobs` tell the same about a job."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instance = real_engine.start_process(model.key, {"orderId": "4711"})
    [acquired] = rest.acquire_jobs(model.topic("work"), "PT10M", worker_id="reader")
    read = rest.get_job(acquired.id)
    assert vars(read) == {name: value for name, value in vars(acquired).items() if name != "variables"}
    assert (read.process_instance_id, read.lock_owner, read.retries, read.element_id) == (instance, "reader", 3, "work")
    assert str(read.process_definition_id).startswith(f"{model.key}:1:")
    assert read.url == f"{real_engine.url}/external-job-api/jobs/{read.id}"
    [variable] = acquired.variables
    assert (variable.name, variable.type, variable.value) == ("orderId", "string", "4711")


def test_one_job_is_given_back(
    rest: FlowableExternalWorkerRestClient, real_engine: RealEngine, models: Models, engine_release: str
) -> None:
    """A job that was given back can be acquired by somebody else, with all its retries. New in 7.0."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    real_engine.start_process(model.key)
    [job] = rest.acquire_jobs(model.topic("work"), "PT10M", worker_id="first")
    if engine_release.startswith("6."):
        with pytest.raises(FlowableRestException) as caught:
            rest.unacquire_job(job.id)
        assert (caught.value.status_code, caught.value.engine_error) == (404, None)
        return
    # The client remembers who acquired it.
    rest.unacquire_job(job.id)
    assert rest.get_job(job.id).lock_owner is None
    [again] = rest.acquire_jobs(model.topic("work"), "PT10M", worker_id="second")
    assert (again.id, again.retries, again.lock_owner) == (job.id, 3, "second")
    with pytest.raises(FlowableRestException) as caught:
        rest.unacquire_job(job.id, worker_id="first")
    assert caught.value.status_code == 403
    assert caught.value.engine_error == "first does not hold a lock on the requested job"


def test_all_jobs_of_a_worker_are_given_back_and_those_of_others_stay(
    rest: FlowableExternalWorkerRestClient, real_engine: RealEngine, models: Models, engine_release: str
) -> None:
    """`unacquire_jobs` is about one worker id; the tenant is a guard that releases nothing when it does not fit."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    for _ in range(3):
        real_engine.start_process(model.key)
    worker, other = f"worker-{model.suffix}", f"other-{model.suffix}"
    mine = rest.acquire_jobs(model.topic("work"), "PT10M", number_of_tasks=2, worker_id=worker)
    [others] = rest.acquire_jobs(model.topic("work"), "PT10M", worker_id=other)
    if engine_release.startswith("6."):
        with pytest.raises(FlowableRestException) as caught:
            rest.unacquire_jobs(worker)
        assert (caught.value.status_code, caught.value.engine_error) == (404, None)
        return
    with pytest.raises(FlowableRestException) as caught:
        rest.unacquire_jobs(worker, tenant_id="acme")
    assert caught.value.status_code == 400
    assert caught.value.engine_error == "provided worker id has external worker jobs from different tenant."
    assert [rest.get_job(job.id).lock_owner for job in mine] == [worker, worker]

    rest.unacquire_jobs(worker)
    assert [rest.get_job(job.id).lock_owner for job in (*mine, others)] == [None, None, other]


def test_variables_can_be_given_to_the_rest_client_itself(
    rest: FlowableExternalWorkerRestClient, real_engine: RealEngine, models: Models
) -> None:
    """A job that was acquired by hand is completed by hand, for the owner that the client remembers."""
    model = models("task-then-wait.bpmn20.xml")
    real_engine.deploy(model.text)
    instance = real_engine.start_process(model.key)
    [job] = rest.acquire_jobs(model.topic("work"), "PT1M", worker_id="by-hand")
    rest.complete_job(job.id, [EngineRestVariable("day", "localDate", "2026-02-28")])
    real_engine.wait_for_task(instance, "wait")
    day = real_engine.variables(instance)["day"]
    assert (day.type, day.value) == ("localDate", "2026-02-28")


# ---------------------------------------------------------------- what is refused


def test_a_job_that_is_not_there_is_not_found(rest: FlowableExternalWorkerRestClient) -> None:
    """The exception carries what the engine said, whole and in parts."""
    job_id = str(uuid.uuid4())
    with pytest.raises(FlowableRestException) as caught:
        rest.get_job(job_id)
    said = f"Could not find external worker job with id '{job_id}'."
    assert caught.value.status_code == 404
    assert (caught.value.engine_message, caught.value.engine_error) == ("Not found", said)
    assert caught.value.content == f'{{"message":"Not found","exception":"{said}"}}'


@pytest.mark.parametrize(
    ("job_id", "named"),
    [("a/b", "'/'"), ("a\\b", r"'\\'"), ("a;b", "';'"), ("a%b", "'%'")],
    ids=["slash", "backslash", "semicolon", "percent"],
)
def test_an_id_that_a_server_refuses_in_a_path_is_explained(
    rest: FlowableExternalWorkerRestClient, job_id: str, named: str
) -> None:
    """The server answers as if the request or the credentials were wrong; the error names the character."""
    with pytest.raises(FlowableRestException) as caught:
        rest.get_job(job_id)
    assert caught.value.status_code in {400, 401, 500}
    assert caught.value.hint is not None
    assert named in caught.value.hint
    assert caught.value.hint in str(caught.value)


@pytest.mark.parametrize("job_id", ["a b", "ä", "a?b", "a#b", "a+b", "a:b", "世界"])
def test_other_odd_ids_reach_the_engine_as_they_are(rest: FlowableExternalWorkerRestClient, job_id: str) -> None:
    """The engine repeats the id in its answer: nothing was lost or changed on the way."""
    with pytest.raises(FlowableRestException) as caught:
        rest.get_job(job_id)
    assert caught.value.status_code == 404
    assert caught.value.engine_error == f"Could not find external worker job with id '{job_id}'."


@pytest.mark.parametrize("auth", [None, HTTPBasicAuth("rest-admin", "wrong-secret")], ids=["none", "wrong"])
def test_wrong_credentials_are_an_error_without_the_secret(
    connect: Callable[..., ExternalWorkerClient], real_engine: RealEngine, auth: HTTPBasicAuth | None
) -> None:
    """Status 401 with its empty body."""
    rest = connect(real_engine, auth=auth)._restClient
    with pytest.raises(FlowableRestException) as caught:
        rest.list_jobs()
    assert (caught.value.status_code, caught.value.content or "") == (401, "")
    assert str(caught.value) == "Failed to call Flowable with status code 401"
    assert "wrong-secret" not in repr(rest) + repr(caught.value)


def test_a_wrong_path_is_an_error_that_is_not_the_engines(real_engine: RealEngine) -> None:
    """Outside of the engine's context path it is the servlet container that answers, with a page of HTML."""
    rest = FlowableExternalWorkerRestClient(
        real_engine.url.removesuffix("/flowable-rest"),
        "worker",
        auth=HTTPBasicAuth(real_engine.username, real_engine.password),
    )
    with pytest.raises(FlowableRestException) as caught:
        rest.list_jobs()
    rest.close()
    assert (caught.value.status_code, caught.value.engine_error) == (404, None)
    assert "HTTP Status 404" in str(caught.value.engine_message)


def test_nobody_at_the_address_is_a_connection_error() -> None:
    """What requests raises reaches the caller as it is."""
    rest = FlowableExternalWorkerRestClient("http://127.0.0.1:9", "worker")
    with pytest.raises(requests.exceptions.ConnectionError):
        rest.list_jobs()
    rest.close()


def test_a_lost_lock_is_told_from_a_missing_job(
    rest: FlowableExternalWorkerRestClient, real_engine: RealEngine, models: Models, engine_release: str
) -> None:
    """A result after the lock was reset gets 403, or 404 on releases that then give the job a new id."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instance = real_engine.start_process(model.key)
    [job] = rest.acquire_jobs(model.topic("work"), "PT0.2S", worker_id="slow")
    until(lambda: rest.list_jobs(process_instance_id=instance, unlocked=True).total == 1)
    with pytest.raises(FlowableRestException) as caught:
        rest.complete_job(job.id, worker_id="slow")
    assert caught.value.status_code == (404 if engine_release == "6.8.0" else 403)
