"""Acquire: what is required, what comes back, and which jobs come."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.conformance import models
from tests.conformance.answers import lock_of, moment
from tests.conformance.registry import case
from tests.conformance.scene import LOCK, LOCK_SECONDS, variable

if TYPE_CHECKING:
    from tests.conformance.scene import Scene

MEMBERS = [
    "id",
    "url",
    "correlationId",
    "processInstanceId",
    "processDefinitionId",
    "executionId",
    "scopeId",
    "subScopeId",
    "scopeDefinitionId",
    "scopeType",
    "elementId",
    "elementName",
    "retries",
    "exceptionMessage",
    "dueDate",
    "createTime",
    "tenantId",
    "lockOwner",
    "lockExpirationTime",
]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
NO_DURATIONS: list[Any] = ["P1M", "P1W", "P1Y", "10", "10m", True, [1], {}]
FEWER_THAN_ONE = "requested number of jobs must not be smaller than 1"


# ---------------------------------------------------------------- what is required


@case(1)
def an_empty_order_lacks_a_topic(s: Scene) -> None:
    """The topic is asked for first."""
    s.post("/acquire/jobs").is_error(400, "topic is required")


@case(2)
def a_topic_alone_lacks_a_lock_duration(s: Scene) -> None:
    """The lock duration is asked for second."""
    s.post("/acquire/jobs", topic=s.topic).is_error(400, "lockDuration is required")


@case(3)
def without_a_worker_nothing_is_acquired(s: Scene) -> None:
    """The worker is asked for last."""
    s.post("/acquire/jobs", topic=s.topic, lockDuration=LOCK).is_error(400, "workerId is required")


@case(4)
def empty_texts_count_as_missing(s: Scene) -> None:
    """An empty topic, worker or duration is none."""
    s.acquire(topic="").is_error(400, "topic is required")
    s.acquire(workerId="").is_error(400, "workerId is required")
    s.acquire(lockDuration="").is_error(400, "lockDuration is required")


@case(10)
def fewer_than_one_task_is_refused(s: Scene) -> None:
    """Zero and negative numbers of tasks are refused with the same text."""
    for number in (0, -1):
        s.acquire(numberOfTasks=number).is_error(400, FEWER_THAN_ONE)


@case(15)
def durations_are_iso_texts_or_seconds(s: Scene) -> None:
    """Months, weeks, years and plain texts are no durations; numbers are seconds; the sign does not count."""
    for bad in NO_DURATIONS:
        s.acquire(lockDuration=bad).is_unreadable()
    accepted = {"-PT10M": 600, "pt10m": 600, "PT0.5S": 0.5, "P1DT2H": 93_600, "+PT1M": 60}
    for good, seconds in (*accepted.items(), (600, 600), (600.5, 600.5)):
        s.start(models.one)
        answer = s.acquire(lockDuration=good)
        answer.ends_after(answer.job, seconds)
        s.complete(answer.job).is_accepted()


@case(17)
def bodies_that_are_no_json_object_are_refused(s: Scene) -> None:
    """Broken, empty and other JSON than an object is a bad request."""
    for raw in (b"{", b"[]", b'"x"'):
        s.send("POST", "/acquire/jobs", raw=raw).is_unreadable()
    for raw in (b"", b"null"):
        answer = s.send("POST", "/acquire/jobs", raw=raw)
        assert answer.status == 400
        assert answer.error.startswith("Required request body is missing: public java.util.List<org.flowable.")


@case(18)
def unknown_members_are_ignored(s: Scene) -> None:
    """Members that the operation does not know, a tenant among them, change nothing."""
    s.start(models.one)
    assert s.acquire(foo=1, tenantId="x", tenant=None).job["lockOwner"] == s.w1


# ---------------------------------------------------------------- what comes back


@case(5)
def without_jobs_the_answer_is_an_empty_list(s: Scene) -> None:
    """No job is no error."""
    s.acquire().is_nothing()


@case(6)
def an_acquired_job_shows_everything_about_itself(s: Scene) -> None:
    """Every member is there, those without a value as null, together with the variables."""
    before = s.engine.now()
    instance = s.start(models.one, variable("a", "text"))
    answer = s.acquire()
    job = answer.job
    answer.ends_after(job, LOCK_SECONDS)
    assert sorted(job) == sorted([*MEMBERS, "variables"])
    assert lock_of(job) == (s.w1, job["lockExpirationTime"])
    expected = {
        "processInstanceId": instance,
        "scopeId": None,
        "subScopeId": None,
        "scopeDefinitionId": None,
        "scopeType": None,
        "elementId": "work",
        "elementName": s.own("Work"),
        "retries": 3,
        "exceptionMessage": None,
        "dueDate": None,
        "tenantId": "",
        "variables": [{"name": "a", "type": "string", "value": "text"}],
    }
    assert {name: job[name] for name in expected} == expected
    assert job["url"].endswith(f"/flowable-rest/external-job-api/jobs/{job['id']}")
    assert all(re.fullmatch(UUID, job[name]) for name in ("id", "correlationId", "processInstanceId", "executionId"))
    assert re.fullmatch(f"{s.own('one')}:1:{UUID}", job["processDefinitionId"])
    assert len({job["id"], job["correlationId"], job["processInstanceId"], job["executionId"]}) == 4
    assert before.replace(microsecond=before.microsecond // 1000 * 1000) <= moment(job["createTime"]) <= answer.received
    # Before 7.2 the fraction of a second is left out when it is zero.
    fraction = r"\.\d{3}" if s.release >= (7, 2) else r"(\.\d{3})?"
    for name in ("createTime", "lockExpirationTime"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d" + fraction + "Z", job[name]), job[name]


@case(7)
def a_locked_job_is_not_acquired_again(s: Scene) -> None:
    """Neither by another worker nor by its owner."""
    s.started(models.one)
    s.acquire(s.w2).is_nothing()
    s.acquire(s.w1).is_nothing()


@case(8)
def one_job_is_the_default(s: Scene) -> None:
    """Without a number of tasks one job comes, however many there are."""
    for _ in range(5):
        s.start(models.one)
    assert len(s.acquire().jobs) == 1
    assert len(s.acquire(numberOfTasks=5).jobs) == 4


@case(9)
def the_lowest_ids_come_first(s: Scene) -> None:
    """Jobs come in the order of their ids as texts."""
    for _ in range(5):
        s.start(models.one)
    listed = [job["id"] for job in s.query(elementName=s.own("Work")).page["data"]]
    assert listed == sorted(listed)
    assert [job["id"] for job in s.acquire(numberOfTasks=3).jobs] == listed[:3]


@case(14)
def a_job_of_a_case_names_its_plan_item(s: Scene) -> None:
    """The members of cases are set, those of processes are null."""
    s.start(models.case_one)
    job = s.acquire().job
    assert job["scopeType"] == "cmmn"
    # Unlike that of a process, the definition's id is nothing but a UUID.
    assert all(re.fullmatch(UUID, job[name]) for name in ("scopeId", "subScopeId", "scopeDefinitionId"))
    assert [job[name] for name in ("processInstanceId", "executionId", "processDefinitionId")] == [None] * 3
    assert (job["elementId"], job["elementName"]) == ("work", s.own("Work"))


@case(16)
def a_lock_of_25_days_is_over_already(s: Scene) -> None:
    """Milliseconds beyond 31 bits turn negative; the next look for expired locks frees the job."""
    s.start(models.one)
    answer = s.acquire(lockDuration="P25D")
    job = answer.job
    answer.ends_after(job, -2_134_967.296)
    free = s.wait_until_free(job)
    assert free["correlationId"] == job["correlationId"]
    # Releases up to 6.8.0 make a new job of it.
    assert (free["id"] != job["id"]) == (s.release <= (6, 8, 0))


# ---------------------------------------------------------------- which jobs come


@case(11)
def no_retries_no_jobs(s: Scene) -> None:
    """With zero or fewer attempts nothing is tried, and not even the number of tasks is looked at."""
    s.start(models.one)
    s.acquire(numberOfRetries=0).is_nothing()
    s.acquire(numberOfRetries=-1).is_nothing()
    s.acquire(numberOfRetries=0, numberOfTasks=0).is_nothing()
    assert len(s.acquire(numberOfRetries=1).jobs) == 1


@case(12)
def only_jobs_of_the_topic_come(s: Scene) -> None:
    """The topic has to match to the letter and to its case."""
    s.start(models.one)
    for topic in (s.own("other"), " ", s.topic.upper(), f"{s.topic} "):
        s.acquire(topic=topic).is_nothing()
    assert len(s.acquire().jobs) == 1


@case(13)
def the_scope_type_chooses_between_processes_and_cases(s: Scene) -> None:
    """`bpmn` and `cmmn` choose, null takes both, everything else finds nothing."""
    s.start(models.one)
    for scope in ("cmmn", "foo", ""):
        s.acquire(scopeType=scope).is_nothing()
    assert s.acquire(scopeType="bpmn").job["scopeType"] is None
    s.start(models.case_one)
    s.acquire(scopeType="bpmn").is_nothing()
    assert s.acquire(scopeType="cmmn").job["scopeType"] == "cmmn"
    s.start(models.one)
    assert s.acquire(scopeType=None).job["scopeType"] is None


@case(25)
def jobs_of_all_tenants_come(s: Scene) -> None:
    """A worker acquires across tenants and is told whose the jobs are."""
    tenants = [s.own("tenant-a"), s.own("tenant-b")]
    for tenant in tenants:
        s.start(models.one, tenant=tenant)
    assert sorted(job["tenantId"] for job in s.acquire(numberOfTasks=5).jobs) == tenants


@case(97)
def the_number_of_tasks_has_no_limit(s: Scene) -> None:
    """The largest whole number brings all jobs."""
    for _ in range(12):
        s.start(models.one)
    assert len(s.acquire(numberOfTasks=2_147_483_647).jobs) == 12


@case(109)
def a_parallel_multi_instance_task_makes_jobs_for_one_batch(s: Scene) -> None:
    """When the task is not exclusive, all its jobs come at once, each with the counters of its loop."""
    instance = s.start(models.parallel_multi)
    jobs = s.acquire(numberOfTasks=10).jobs
    counters = [{each["name"]: each["value"] for each in job["variables"]} for job in jobs]
    assert sorted(counters, key=lambda each: each["loopCounter"]) == [
        {"loopCounter": number, "nrOfInstances": 3, "nrOfActiveInstances": 3, "nrOfCompletedInstances": 0}
        for number in range(3)
    ]
    for job in jobs:
        s.complete_with(job, variable("v", 1)).is_accepted()
        # At once they would clash in the database, and the engine tries again ten seconds later.
        s.engine.until(partial(s.engine.continuation, job["id"]), lambda found: found is None)
    s.wait_for_task(instance, "after")
