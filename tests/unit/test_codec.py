"""JSON to objects and back."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client import (
    EngineRestVariable,
    FlowableRestException,
    InvalidArgumentError,
    UnreadableAnswerError,
)
from flowable.external_worker_client.rest import codec
from flowable.external_worker_client.rest.transport import Response

JOB: dict[str, Any] = {
    "id": "job-1",
    "url": "http://localhost/flowable-rest/external-job-api/jobs/job-1",
    "correlationId": "correlation-1",
    "processInstanceId": "instance-1",
    "processDefinitionId": "order:1:definition",
    "executionId": "execution-1",
    "scopeId": None,
    "subScopeId": None,
    "scopeDefinitionId": None,
    "scopeType": None,
    "elementId": "checkStock",
    "elementName": "Check the stock",
    "retries": 3,
    "exceptionMessage": None,
    "dueDate": None,
    "createTime": "2026-02-03T10:00:00.123Z",
    "tenantId": "",
    "lockOwner": "host-1-ab.7",
    "lockExpirationTime": "2026-02-03T10:01:00Z",
}


def _answer(payload: object, status: int = 200) -> Response:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Response(status, {"content-type": "application/json"}, body)


def test_a_job_is_read_with_all_its_members() -> None:
    """Every member of the wire has its attribute; dates are naive and in UTC."""
    (job,) = codec.decode_acquired(
        _answer(
            [{**JOB, "variables": [{"name": "n", "type": "integer", "value": 5}, {"name": "empty", "value": None}]}]
        )
    )
    variables = [vars(variable) for variable in vars(job).pop("variables")]
    assert variables == [
        {"name": "n", "type": "integer", "value": 5, "value_url": None},
        {"name": "empty", "type": None, "value": None, "value_url": None},
    ]
    assert vars(job) == {
        "id": "job-1",
        "url": "http://localhost/flowable-rest/external-job-api/jobs/job-1",
        "correlation_id": "correlation-1",
        "process_instance_id": "instance-1",
        "process_definition_id": "order:1:definition",
        "execution_id": "execution-1",
        "scope_id": None,
        "sub_scope_id": None,
        "scope_definition_id": None,
        "scope_type": None,
        "element_id": "checkStock",
        "element_name": "Check the stock",
        "retries": 3,
        "exception_message": None,
        "due_date": None,
        "create_time": datetime(2026, 2, 3, 10, 0, 0, 123_000),  # noqa: DTZ001 - naive, as in version 1
        "tenant_id": "",
        "lock_owner": "host-1-ab.7",
        "lock_expiration_time": datetime(2026, 2, 3, 10, 1),  # noqa: DTZ001 - naive, as in version 1
    }


@pytest.mark.parametrize(
    ("element", "job_id", "reason"),
    [
        (None, None, "a job must be a JSON object with an id, not None"),
        ("job-2", None, "a job must be a JSON object with an id, not 'job-2'"),
        ({}, None, "a job must be a JSON object with an id, not {}"),
        ({"id": 7}, None, "a job must be a JSON object with an id, not {'id': 7}"),
        ({"id": ""}, None, "a job must be a JSON object with an id, not {'id': ''}"),
        ({"id": "job-2", "variables": {}}, "job-2", "the variables of a job must be a list, not {}"),
        ({"id": "job-2", "variables": ["n"]}, "job-2", "a variable must be a JSON object, not 'n'"),
    ],
    ids=repr,
)
def test_what_is_no_job_is_set_apart_from_its_neighbours(element: object, job_id: str | None, reason: str) -> None:
    """The good ones are read; the bad one is named."""
    jobs = codec.decode_acquired(_answer([{**JOB, "id": "a"}, element, {**JOB, "id": "b"}]))
    assert [job.id for job in jobs] == ["a", "b"]
    assert [(job.id, job.reason) for job in jobs.unreadable] == [(job_id, reason)]


def test_null_variables_and_odd_dates_do_not_cost_a_job(caplog: pytest.LogCaptureFixture) -> None:
    """No variables are no variables; a date that is none is `None`, and the log says so."""
    (job,) = codec.decode_acquired(
        _answer(
            [{**JOB, "variables": None, "createTime": "yesterday", "lockExpirationTime": "2026-02-03T12:00:00+02:00"}]
        )
    )
    assert (job.variables, job.create_time) == ([], None)
    assert job.lock_expiration_time == datetime(2026, 2, 3, 10)  # noqa: DTZ001 - naive, as in version 1
    assert caplog.messages == ["The engine sent createTime='yesterday', which is not a date; it is read as None"]


@pytest.mark.parametrize(
    "payload", [b"", b"[{", b"<html>", b"[" * 100_000, {}, None, "x", 5], ids=lambda p: repr(p)[:20]
)
def test_an_acquire_that_answers_no_list_is_unreadable(payload: object) -> None:
    """It is an error of the answer, and still one that a `ValueError` handler catches."""
    with pytest.raises(UnreadableAnswerError) as caught:
        codec.decode_acquired(_answer(payload))
    assert caught.value.status_code == 200
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("payload", [b"x", [], {}, {"data": None}, {"data": [5]}], ids=repr)
def test_what_is_no_page_is_unreadable(payload: object) -> None:
    """Instead of an `AttributeError` from within."""
    with pytest.raises(UnreadableAnswerError):
        codec.decode_page(_answer(payload))


@pytest.mark.parametrize("payload", [b"x", [], {}, {"id": None}, 5], ids=repr)
def test_what_is_no_job_alone_is_unreadable(payload: object) -> None:
    """Instead of a job without an id."""
    with pytest.raises(UnreadableAnswerError):
        codec.decode_job(_answer(payload))


def test_nothing_is_sent_as_null_except_inside_a_value() -> None:
    """The engine reads a null number as 0."""
    variables = codec.encode_variables(
        [EngineRestVariable("gone", "string", None), EngineRestVariable("kept", "json", {"a": None})]
    )
    body = codec.encode({"workerId": "w", "variables": variables, "errorCode": None})
    assert json.loads(body) == {
        "workerId": "w",
        "variables": [{"name": "gone", "type": "string"}, {"name": "kept", "type": "json", "value": {"a": None}}],
    }


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"variables": []},
        {"variables": [], "errorCode": "E"},
        {"variables": [], "errorCode": None},
        {"variables": [{"name": "a", "type": "integer", "value": 1}]},
        {"variables": None},
        {"errorCode": []},
    ],
)
def test_what_settles_a_job_is_written_like_everything_else(members: dict[str, Any]) -> None:
    """Whoever settled before, and under which name."""
    for owner in ("w", 'w "ä"', "w"):
        assert codec.encode_settling(owner, members) == codec.encode({"workerId": owner, **members})


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(object(), id="object"),
        pytest.param({1, 2}, id="set"),
        pytest.param(datetime(2026, 1, 1, tzinfo=UTC), id="date"),
        pytest.param(math.nan, id="nan"),
        pytest.param(math.inf, id="infinity"),
        pytest.param(b"x", id="bytes"),
        pytest.param({"deep": [object()]}, id="deep inside"),
    ],
)
def test_a_value_that_json_cannot_say_is_refused_by_name(value: object) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidArgumentError) as caught:
        codec.encode_variables([EngineRestVariable("ok", "string", "x"), EngineRestVariable("bad", "json", value)])
    assert caught.value.parameter == "variables['bad']"
    assert caught.value.value is value


@pytest.mark.parametrize("name", [None, 5, "x" * 256], ids=lambda name: repr(name)[:10])
def test_a_variable_name_that_the_engine_cannot_store_is_refused(name: Any) -> None:
    """Its column holds 255 characters; it would answer 500 and keep the job locked."""
    with pytest.raises(InvalidArgumentError, match=r"^name="):
        codec.encode_variables([EngineRestVariable(name, "string", "x")])


def test_zero_characters_are_replaced_where_a_database_would_refuse_the_report() -> None:
    """In names of variables, messages and codes; values are left alone, they belong to the person."""
    (variable,) = codec.encode_variables([EngineRestVariable("a\0b", "string", "c\0d")])
    assert variable == {"name": "a\N{REPLACEMENT CHARACTER}b", "type": "string", "value": "c\0d"}
    assert codec.storable("x\0") == "x\N{REPLACEMENT CHARACTER}"
    assert codec.storable(None) is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"message":"Not found","exception":"Could not find it."}', ("Not found", "Could not find it.")),
        ('{"message":"Internal server error"}', ("Internal server error", None)),
        ('{"timestamp":"…","status":404,"error":"Not Found","path":"/x"}', ("Not Found", None)),
        (
            "<html><head><title>HTTP Status 404 -\n Not Found</title></head></html>",
            ("HTTP Status 404 - Not Found", None),
        ),
        ("<p>no title</p>", (None, None)),
        ("", (None, None)),
        (None, (None, None)),
        ("[]", (None, None)),
        ('{"message":5,"exception":["x"]}', (None, None)),
        ("[" * 100_000, (None, None)),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_message_and_detail_are_found_in_every_shape_of_error_body(
    body: str | None, expected: tuple[str | None, str | None]
) -> None:
    """Flowable's, Spring Boot's, the servlet container's, none, and nonsense."""
    error = FlowableRestException(404, body)
    assert (error.engine_message, error.engine_error) == expected


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", "ä".encode(), "ä"),
        ("text/plain;charset=ISO-8859-1", b"\xe4", "ä"),
        ('text/html; charset="utf-8"; x=y', "ä".encode(), "ä"),
        ("text/html;charset=no-such", "ä".encode(), "ä"),
        ("", b"\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_the_text_of_an_answer_is_read_in_its_charset(content_type: str, body: bytes, expected: str) -> None:
    """UTF-8 when none is named, or an unknown one."""
    assert Response(500, {"content-type": content_type}, body).text == expected


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.recursive(JSON_VALUES, lambda inner: st.lists(inner, max_size=3), max_leaves=5) | st.binary(max_size=40))
def test_no_answer_whatsoever_raises_anything_unexpected(payload: object) -> None:
    """Any JSON, or any bytes: jobs, or an error of the answer."""
    for decode in (codec.decode_acquired, codec.decode_page, codec.decode_job):
        try:
            decode(_answer(payload))
        except UnreadableAnswerError as error:
            outcome: object = error
        else:
            outcome = None
        assert outcome is None or str(outcome).startswith("Failed to call Flowable with status code 200")


@given(st.dictionaries(st.sampled_from(sorted(JOB)), JSON_VALUES), st.lists(JSON_VALUES, max_size=3) | JSON_VALUES)
def test_any_object_with_an_id_is_a_job_or_set_apart(members: dict[str, Any], variables: object) -> None:
    """Whatever the other members hold, and nothing gets lost."""
    element = {**members, "id": "job-1", "variables": variables}
    jobs = codec.decode_acquired(_answer([element]))
    assert [job.id for job in (*jobs, *jobs.unreadable)] == ["job-1"]


@given(JSON_VALUES)
def test_every_json_value_arrives_as_it_was(value: object) -> None:
    """Encoded as a variable and read back."""
    body = codec.encode({"variables": codec.encode_variables([EngineRestVariable("v", "json", value)])})
    (variable,) = json.loads(body)["variables"]
    assert variable.get("value") == value
