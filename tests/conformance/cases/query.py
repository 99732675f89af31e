"""Looking at jobs: filters, pages, order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance import models
from tests.conformance.answers import moment
from tests.conformance.registry import case

from .acquire import MEMBERS

if TYPE_CHECKING:
    from tests.conformance.scene import Scene


@case(78)
def without_jobs_the_page_is_empty(s: Scene) -> None:
    """It still says how it is sorted."""
    page = s.query(tenantId=s.own("nobody")).page
    assert page == {"data": [], "total": 0, "start": 0, "sort": "id", "order": "asc", "size": 0}


@case(79)
def pages_hold_ten_jobs_unless_told_otherwise(s: Scene) -> None:
    """The size says how many are on the page; a negative start or size is none; size zero only counts."""
    tenant = s.own("tenant")
    for _ in range(25):
        s.start(models.one, tenant=tenant)
    pages: list[tuple[dict[str, int], int, int]] = [
        ({}, 10, 0),
        ({"start": 20}, 5, 20),
        ({"size": 0}, 0, 0),
        ({"size": -1}, 10, 0),
        ({"size": 30}, 25, 0),
        ({"size": 25}, 25, 0),
        ({"start": -3}, 10, 0),
        ({"start": 30}, 0, 30),
    ]
    for query, count, start in pages:
        page = s.query(tenantId=tenant, **query).page
        assert (len(page["data"]), page["total"], page["start"]) == (count, 25, start), query
    job = s.query(tenantId=tenant, size=1).page["data"][0]
    assert sorted(job) == sorted(MEMBERS)


@case(80)
def unknown_orders_are_refused(s: Scene) -> None:
    """The order is written in lower case; an empty one is none that is known."""
    for sort in ("foo", ""):
        s.query(sort=sort).is_error(400, f"Value for param 'sort' is not valid, '{sort}' is not a valid property")
    for order in ("ASC", ""):
        text = f"Value for param 'order' is not valid : '{order}', must be 'asc' or 'desc'"
        s.query(order=order).is_error(400, text)


@case(81)
def an_unknown_id_is_no_error_in_a_query(s: Scene) -> None:
    """Only looking at the job itself is."""
    assert s.query(id="unknown").total == 0
    s.not_found("unknown", s.read("unknown"))


@case(82)
def processes_and_cases_can_be_told_apart(s: Scene) -> None:
    """Jobs of processes have no scope type, so `bpmn` finds none."""
    name = s.own("Work")
    s.start(models.one)
    s.start(models.case_one)
    totals = {
        "scopeType=bpmn": 0,
        "scopeType=cmmn": 1,
        "withoutScopeType=true": 1,
        "withoutProcessInstanceId=true": 1,
        "withoutScopeId=true": 1,
        "withoutScopeType=false": 2,
    }
    found = {filter_: s.send("GET", f"/jobs?elementName={name}&{filter_}").total for filter_ in totals}
    assert found == totals


@case(83)
def locked_and_unlocked_exclude_each_other(s: Scene) -> None:
    """A filter that is false does nothing."""
    name = s.own("Work")
    for _ in range(2):
        s.start(models.one)
    s.acquire()
    totals = {"locked=true": 1, "unlocked=true": 1, "locked=true&unlocked=true": 0, "locked=false": 2}
    found = {filter_: s.send("GET", f"/jobs?elementName={name}&{filter_}").total for filter_ in totals}
    assert found == totals


@case(84, executor=False)
def an_expired_lock_counts_as_locked(s: Scene) -> None:
    """Until it is reset."""
    job = s.started(models.one, lock="PT0.3S")
    s.engine.pass_time(0.4)
    assert s.query(id=job["id"], locked="true").total == 1
    s.acquire(s.w2).is_nothing()


@case(107)
def every_filter_filters(s: Scene) -> None:
    """They are joined by and; what is none, such as a topic, is ignored; a text given twice matches nothing."""
    tenant, broken = s.own("a"), s.own("it broke")
    s.start(models.one, tenant=tenant)
    s.start(models.one)
    s.start(models.two_free)
    s.start(models.case_one)
    name = s.own("Work")
    everything = s.query(elementName=name, size=50).page["data"]
    assert len(everything) == 3
    process_job = next(job for job in everything if job["tenantId"])
    case_job = next(job for job in everything if job["scopeType"])
    assert s.acquire(scopeType="cmmn").job["id"] == case_job["id"]
    s.fail(case_job, errorMessage=broken).is_accepted()

    def of(job: dict[str, Any], member: str) -> dict[str, Any]:
        return {member: job[member]}

    instance = of(process_job, "processInstanceId")
    filters: list[tuple[dict[str, Any], int]] = [
        (of(process_job, "id"), 1),
        ({"id": ""}, 0),
        ({"id": [process_job["id"], "x"]}, 0),
        (instance, 1),
        ({"processInstanceId": "x"}, 0),
        (of(process_job, "executionId"), 1),
        (of(process_job, "processDefinitionId"), 1),
        (of(case_job, "scopeId"), 1),
        (of(case_job, "subScopeId"), 1),
        (of(case_job, "scopeDefinitionId"), 1),
        ({**instance, "elementId": "work"}, 1),
        ({**instance, "elementId": "work1"}, 0),
        ({"elementName": name}, 3),
        ({"elementName": name.lower()}, 0),
        ({"elementName": name, "withException": "true"}, 1),
        ({"elementName": name, "withException": "false"}, 3),
        ({"exceptionMessage": broken}, 1),
        ({"exceptionMessage": broken[:3]}, 0),
        ({"tenantId": tenant}, 1),
        ({"elementName": name, "tenantId": ""}, 2),
        ({"elementName": name, "tenantIdLike": f"{tenant[:5]}%"}, 1),
        ({"tenantIdLike": tenant}, 1),
        ({"elementName": name, "tenantIdLike": "%"}, 3),
        ({"elementName": name, "withoutTenantId": "true"}, 2),
        ({"elementName": name, "withoutTenantId": "false"}, 3),
        ({"elementName": name, "topic": "nothing"}, 3),
        ({"elementName": name, "lockOwner": "x"}, 3),
        *(({"elementName": name, "locked": true}, 0) for true in ("true", "TRUE", "1", "on", "yes")),
        *(({"elementName": name, "locked": false}, 3) for false in ("false", "off", "0", "no")),
        ({"tenantId": tenant, "elementId": "work1"}, 0),
    ]
    assert [(query, s.query(**query).total) for query, _ in filters] == filters
    refused = s.query(locked="")
    assert refused.status == 500
    assert "on field 'locked': rejected value []" in refused.error


@case(108)
def jobs_can_be_sorted_by_seven_members(s: Scene) -> None:
    """In both orders; by any other member not."""
    tenant = s.own("tenant")
    for retries in (5, 7, 6):
        s.start(models.one, tenant=tenant)
        s.engine.pass_time(0.005)
        s.fail(s.acquire().job, retries=retries, retryTimeout="PT1H").is_accepted()
    for key in ("id", "dueDate", "createTime", "executionId", "processInstanceId", "retries", "tenantId"):
        for order in ("asc", "desc"):
            page = s.query(tenantId=tenant, sort=key, order=order).page
            values = [moment(job[key]) if key == "createTime" else job[key] for job in page["data"]]
            assert (page["sort"], page["order"], len(values)) == (key, order, 3)
            if None not in values:
                assert values == sorted(values, reverse=order == "desc"), key
    for key in ("lockOwner", "topic", "lockExpirationTime", "elementId", "ID_"):
        s.query(sort=key).is_error(400, f"Value for param 'sort' is not valid, '{key}' is not a valid property")
