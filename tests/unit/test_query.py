"""The filters of the job list."""

from __future__ import annotations

from typing import Any

import pytest

from flowable.external_worker_client import InvalidArgumentError
from flowable.external_worker_client.rest.operations import LIST, OPERATIONS, odd_characters
from flowable.external_worker_client.rest.query import JobFilters, pairs


def test_every_filter_has_its_name_on_the_wire() -> None:
    """All of them at once, in the engine's spelling."""
    filters: JobFilters = {
        "id": "1",
        "process_instance_id": "2",
        "without_process_instance_id": True,
        "execution_id": "3",
        "process_definition_id": "4",
        "scope_id": "5",
        "without_scope_id": True,
        "sub_scope_id": "6",
        "scope_definition_id": "7",
        "scope_type": "cmmn",
        "without_scope_type": True,
        "element_id": "8",
        "element_name": "9",
        "with_exception": True,
        "exception_message": "10",
        "tenant_id": "",
        "tenant_id_like": "a%",
        "without_tenant_id": True,
        "locked": True,
        "unlocked": True,
    }
    assert set(filters) == set(JobFilters.__annotations__)
    assert pairs(filters, start=0, size=5, sort="createTime", order="desc") == [
        ("id", "1"),
        ("processInstanceId", "2"),
        ("withoutProcessInstanceId", "true"),
        ("executionId", "3"),
        ("processDefinitionId", "4"),
        ("scopeId", "5"),
        ("withoutScopeId", "true"),
        ("subScopeId", "6"),
        ("scopeDefinitionId", "7"),
        ("scopeType", "cmmn"),
        ("withoutScopeType", "true"),
        ("elementId", "8"),
        ("elementName", "9"),
        ("withException", "true"),
        ("exceptionMessage", "10"),
        ("tenantId", ""),
        ("tenantIdLike", "a%"),
        ("withoutTenantId", "true"),
        ("locked", "true"),
        ("unlocked", "true"),
        ("start", "0"),
        ("size", "5"),
        ("sort", "createTime"),
        ("order", "desc"),
    ]


def test_jobs_of_processes_are_those_without_a_scope_type() -> None:
    """`scopeType=bpmn` would match nothing."""
    assert pairs({"scope_type": "bpmn"}) == [("withoutScopeType", "true")]


def test_a_flag_that_is_false_filters_nothing() -> None:
    """As in the engine, and `None` is not given."""
    absent: Any = {"locked": False, "unlocked": False, "id": None}
    assert pairs(absent) == []


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({"filters": {"topic": "x"}}, "filters"),
        ({"filters": {"locked": "yes"}}, "locked"),
        ({"filters": {"locked": 1}}, "locked"),
        ({"filters": {"id": 5}}, "id"),
        ({"filters": {"scope_type": "process"}}, "scope_type"),
        ({"filters": {}, "start": -1}, "start"),
        ({"filters": {}, "size": 1.5}, "size"),
        ({"filters": {}, "size": True}, "size"),
        ({"filters": {}, "sort": "topic"}, "sort"),
        ({"filters": {}, "sort": ""}, "sort"),
        ({"filters": {}, "order": "ASC"}, "order"),
    ],
    ids=repr,
)
def test_what_the_engine_would_ignore_or_refuse_is_refused(arguments: dict[str, Any], parameter: str) -> None:
    """A filter that it does not know makes it return everything."""
    with pytest.raises(InvalidArgumentError) as caught:
        pairs(arguments.pop("filters"), **arguments)
    assert caught.value.parameter == parameter


def test_ids_and_filters_arrive_as_they_are() -> None:
    """Quoted, slash and all."""
    get = next(operation for operation in OPERATIONS if operation.name == "get")
    assert get.at("a/b c%ä") == "/external-job-api/jobs/a%2Fb%20c%25%C3%A4"
    assert LIST.at(query=[("tenantId", "a&b=c d/ä")]) == "/external-job-api/jobs?tenantId=a%26b%3Dc%20d%2F%C3%A4"
    assert LIST.at() == "/external-job-api/jobs"


def test_characters_that_servers_refuse_in_a_path_are_known() -> None:
    """Usual ids have none of them."""
    assert odd_characters("1f6f7c5e-e740-11f1-bedc-02fc00000001") == ""
    assert odd_characters("a;b%c/d\\e\n") == "/\\;%\n"
