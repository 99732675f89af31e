"""Jobs for tests that have no engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypedDict, Unpack, cast

from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.testing.releases import release_profile
from flowable.external_worker_client.testing.variables import from_python, write_variable

__all__ = ["JobAttributes", "make_job"]

_LOCK: Final = timedelta(minutes=5)
_RELEASE: Final = release_profile("7.2")


class JobAttributes(TypedDict, total=False):
    """The members of a job that can be chosen. What they mean: see `ExternalWorkerJobResponse`."""

    id: str
    url: str | None
    correlation_id: str | None
    process_instance_id: str | None
    process_definition_id: str | None
    execution_id: str | None
    scope_id: str | None
    sub_scope_id: str | None
    scope_definition_id: str | None
    scope_type: str | None
    element_id: str | None
    element_name: str | None
    retries: int
    exception_message: str | None
    due_date: datetime | None
    create_time: datetime | None
    tenant_id: str | None
    lock_owner: str | None
    lock_expiration_time: datetime | None


_PROCESS: Final[JobAttributes] = {
    "process_instance_id": "process-instance-1",
    "process_definition_id": "process:1:process-definition-1",
    "execution_id": "execution-1",
    "scope_id": None,
    "sub_scope_id": None,
    "scope_definition_id": None,
    "scope_type": None,
}
_CASE: Final[JobAttributes] = {
    "process_instance_id": None,
    "process_definition_id": None,
    "execution_id": None,
    "scope_id": "case-instance-1",
    "sub_scope_id": "plan-item-instance-1",
    "scope_definition_id": "case-definition-1",
    "scope_type": "cmmn",
}


def make_job(
    variables: Mapping[str, object] | Iterable[EngineRestVariable] | None = None,
    **attributes: Unpack[JobAttributes],
) -> ExternalWorkerAcquireJobResponse:
    """Make a job as a handler gets it, acquired just now.

    Args:
        variables: Either names and Python values, which arrive as the engine would send them: `str` as `string`, `int`
            as `integer` or, where it does not fit, `long`, `float` as `double`, `bool` as `boolean`, dicts and lists as
            `json`, aware datetimes as `instant`, and so on; a `Value` says its type itself. Or `EngineRestVariable`
            objects, taken as they are. None is no variables.
        **attributes: Members of the job that matter to the test. The others are those of a fresh job of a process, with
            three retries and a lock of five minutes: `id` is `job-1`, `process_instance_id` `process-instance-1`. With
            `scope_type="cmmn"` they are those of a job of a case, `scope_id` is `case-instance-1`.

    Raises:
        TypeError: If a job has no such attribute.
    """
    unknown = sorted(set(attributes) - set(JobAttributes.__annotations__))
    if unknown:
        known = ", ".join(sorted(JobAttributes.__annotations__))
        raise TypeError(f"a job has no attribute {', '.join(unknown)}; it has {known}")
    job_id = attributes.get("id", "job-1")
    # Naive and in UTC, to the millisecond, as the client reads them.
    now = datetime.now(UTC).replace(tzinfo=None)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    fresh: JobAttributes = {
        "id": job_id,
        "url": f"http://localhost:8090/flowable-rest/external-job-api/jobs/{job_id}",
        "correlation_id": "correlation-1",
        "element_id": "task",
        "element_name": None,
        "retries": 3,
        "exception_message": None,
        "due_date": None,
        "create_time": now,
        "tenant_id": "",
        "lock_owner": "worker",
        "lock_expiration_time": now + _LOCK,
    }
    place = _CASE if attributes.get("scope_type") == "cmmn" else _PROCESS
    members = cast("dict[str, Any]", {**fresh, **place, **attributes})
    return ExternalWorkerAcquireJobResponse(_as_sent(variables), **members)


def _as_sent(variables: Mapping[str, object] | Iterable[EngineRestVariable] | None) -> list[EngineRestVariable]:
    if variables is None:
        return []
    if not isinstance(variables, Mapping):
        return list(variables)
    values = cast("Mapping[str, object]", variables)
    sent = (write_variable(name, from_python(value), _RELEASE) for name, value in values.items())
    return [EngineRestVariable(each["name"], each.get("type"), each["value"]) for each in sent]
