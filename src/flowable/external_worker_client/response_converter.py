"""From what the engine sends to objects.

Tolerant: members that are missing are `None`, unknown ones are ignored, a date that cannot be read is `None` with a
warning in the log. Only something that is no JSON object is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.utils import parse_date_time

_logger = logging.getLogger(__name__)

#: In the order in which `ExternalWorkerJobResponse` takes them.
_MEMBERS = (
    "id",
    "url",
    "correlationId",
    "processInstanceId",
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
)
_DATES = [
    (position, name)
    for position, name in enumerate(_MEMBERS)
    if name in ("dueDate", "createTime", "lockExpirationTime")
]


def convert_to_external_worker_job_response(o: Mapping[str, Any]) -> ExternalWorkerJobResponse:
    """Read a job of a list.

    Raises:
        ValueError: It is not a JSON object.
    """
    members, definition = _members(o)
    return ExternalWorkerJobResponse(*members, process_definition_id=definition)


def convert_to_external_worker_acquire_job_response(o: Mapping[str, Any]) -> ExternalWorkerAcquireJobResponse:
    """Read an acquired job. `null` or absent `variables` are none.

    Raises:
        ValueError: It is not a JSON object, or its variables are not a list of such.
    """
    members, definition = _members(o)
    variables: list[Any] | None = o.get("variables")
    if variables is not None and not isinstance(variables, list):
        message = f"the variables of a job must be a list, not {shorten(variables)}"
        raise ValueError(message)
    return ExternalWorkerAcquireJobResponse(
        [convert_to_engine_rest_variable(variable) for variable in variables or []],
        *members,
        process_definition_id=definition,
    )


def convert_to_engine_rest_variable(o: Mapping[str, Any]) -> EngineRestVariable:
    """Read a variable.

    Raises:
        ValueError: It is not a JSON object.
    """
    _expect_object(o, "variable")
    name: Any = o.get("name")
    return EngineRestVariable(name, o.get("type"), o.get("value"), o.get("valueUrl"))


def _members(o: Mapping[str, Any]) -> tuple[list[Any], str | None]:
    """Return what a job object is made of, in its order; and the one member that it takes by name only."""
    _expect_object(o, "job")
    # Of every job: looked up without a step of Python for each member.
    members: list[Any] = list(map(o.get, _MEMBERS))
    for position, member in _DATES:
        if members[position] is not None:
            members[position] = _date(members[position], member)
    return members, o.get("processDefinitionId")


def _expect_object(o: object, what: str) -> None:
    # A look at the abstract class costs more than the rest of the conversion.
    if type(o) is not dict and not isinstance(o, Mapping):
        message = f"a {what} must be a JSON object, not {shorten(o)}"
        raise ValueError(message)


def _date(value: Any, member: str) -> datetime | None:  # noqa: ANN401 - JSON
    try:
        return parse_date_time(value)
    except (TypeError, ValueError):
        _logger.warning("The engine sent %s=%s, which is not a date; it is read as None", member, shorten(value))
        return None
