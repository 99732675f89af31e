"""The filters of the job list, as typed arguments.

The engine ignores a parameter that it does not know and returns the whole list, so a misspelt one is refused here.
"""

from __future__ import annotations

from typing import Literal, TypedDict, get_args

from flowable.external_worker_client.arguments import count, scope_type
from flowable.external_worker_client.errors import InvalidArgumentError

SortKey = Literal["id", "dueDate", "createTime", "executionId", "processInstanceId", "retries", "tenantId"]
"""What a list of jobs can be sorted by. `createTime` needs Flowable 6.7."""

SortOrder = Literal["asc", "desc"]


class JobFilters(TypedDict, total=False):
    """Which jobs to list; all given ones must match.

    Text matches exactly; `tenant_id_like` is an SQL pattern with `%`. A flag that is `False` filters nothing, as in the
    engine.
    """

    id: str
    process_instance_id: str
    without_process_instance_id: bool
    execution_id: str
    process_definition_id: str
    scope_id: str
    without_scope_id: bool
    sub_scope_id: str
    scope_definition_id: str
    scope_type: str
    """`"cmmn"`, or `"bpmn"`, which is sent as `withoutScopeType`: the engine stores no scope type for processes."""
    without_scope_type: bool
    element_id: str
    element_name: str
    with_exception: bool
    """Jobs that failed before: with a message or details."""
    exception_message: str
    tenant_id: str
    tenant_id_like: str
    without_tenant_id: bool
    locked: bool
    """Jobs with a lock, over or not, and jobs that wait for a retry time-out."""
    unlocked: bool
    """Jobs that can be acquired."""


_FLAGS = frozenset(name for name, kind in JobFilters.__annotations__.items() if "bool" in str(kind))


def pairs(
    filters: JobFilters,
    *,
    start: int | None = None,
    size: int | None = None,
    sort: str | None = None,
    order: str | None = None,
) -> list[tuple[str, str]]:
    """Return the query parameters for filters and a page; those that are `None` are left out.

    Raises:
        InvalidArgumentError: A filter is unknown or of the wrong type, or a number is negative.
    """
    query = [pair for name, value in filters.items() for pair in _pair(name, value)]
    if start is not None:
        query.append(("start", str(count(start, "start", minimum=0))))
    if size is not None:
        query.append(("size", str(count(size, "size", minimum=0))))
    if sort is not None:
        query.append(("sort", _one_of(sort, "sort", get_args(SortKey))))
    if order is not None:
        query.append(("order", _one_of(order, "order", get_args(SortOrder))))
    return query


def _pair(name: str, value: object) -> list[tuple[str, str]]:
    if name not in JobFilters.__annotations__:
        raise InvalidArgumentError("filters", name, f"one of {', '.join(JobFilters.__annotations__)}")
    if value is None:
        return []
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise InvalidArgumentError(name, value, "True or False")
        return [(_camel_case(name), "true")] if value else []
    if name == "scope_type":
        return [("withoutScopeType", "true")] if scope_type(value) == "bpmn" else [("scopeType", str(value))]
    if not isinstance(value, str):
        raise InvalidArgumentError(name, value, "text")
    return [(_camel_case(name), value)]


def _one_of(value: object, parameter: str, accepted: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in accepted:
        return value
    raise InvalidArgumentError(parameter, value, f"one of {', '.join(accepted)}")


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
