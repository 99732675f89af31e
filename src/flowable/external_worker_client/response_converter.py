"""From what the engine sends to objects.

Tolerant: members that are missing are `None`, unknown ones are ignored, a date that cannot be read is `None` with a
warning in the log. Only something that is no JSON object is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.utils import parse_date_time

_logger = logging.getLogger(__name__)


def convert_to_external_worker_job_response(o: Mapping[str, Any]) -> ExternalWorkerJobResponse:
    """Read a job of a list.

    Raises:
        ValueError: It is not a JSON object.
    """
    return ExternalWorkerJobResponse(**_members(o))


def convert_to_external_worker_acquire_job_response(o: Mapping[str, Any]) -> ExternalWorkerAcquireJobResponse:
    """Read an acquired job. `null` or absent `variables` are none.

    Raises:
        ValueError: It is not a JSON object, or its variables are not a list of such.
    """
    members = _members(o)
    variables: list[Any] | None = o.get("variables")
    if variables is not None and not isinstance(variables, list):
        message = f"the variables of a job must be a list, not {shorten(variables)}"
        raise ValueError(message)
    return ExternalWorkerAcquireJobResponse(
        [convert_to_engine_rest_variable(variable) for variable in variables or []], **members
    )


def convert_to_engine_rest_variable(o: Mapping[str, Any]) -> EngineRestVariable:
    """Read a variable.

    Raises:
        ValueError: It is not a JSON object.
    """
    _expect_object(o, "variable")
    return EngineRestVariable(cast("str", o.get("name")), o.get("type"), o.get("value"), o.get("valueUrl"))


def _members(o: Mapping[str, Any]) -> dict[str, Any]:
    _expect_object(o, "job")
    return {
        "id": o.get("id"),
        "url": o.get("url"),
        "correlation_id": o.get("correlationId"),
        "process_instance_id": o.get("processInstanceId"),
        "execution_id": o.get("executionId"),
        "scope_id": o.get("scopeId"),
        "sub_scope_id": o.get("subScopeId"),
        "scope_definition_id": o.get("scopeDefinitionId"),
        "scope_type": o.get("scopeType"),
        "element_id": o.get("elementId"),
        "element_name": o.get("elementName"),
        "retries": o.get("retries"),
        "exception_message": o.get("exceptionMessage"),
        "due_date": _date(o.get("dueDate"), "dueDate"),
        "create_time": _date(o.get("createTime"), "createTime"),
        "tenant_id": o.get("tenantId"),
        "lock_owner": o.get("lockOwner"),
        "lock_expiration_time": _date(o.get("lockExpirationTime"), "lockExpirationTime"),
        "process_definition_id": o.get("processDefinitionId"),
    }


def _expect_object(o: object, what: str) -> None:
    # A look at the abstract class costs more than the rest of the conversion.
    if type(o) is not dict and not isinstance(o, Mapping):
        message = f"a {what} must be a JSON object, not {shorten(o)}"
        raise ValueError(message)  # noqa: TRY004 - the data is wrong, not its caller


def _date(value: object, member: str) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_date_time(cast("str", value))
    except (TypeError, ValueError):
        _logger.warning("The engine sent %s=%s, which is not a date; it is read as None", member, shorten(value))
        return None
