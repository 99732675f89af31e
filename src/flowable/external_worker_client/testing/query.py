"""`GET /jobs`: filters, sorting and paging of the job list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flowable.external_worker_client.testing.errors import EngineError, bad_request, internal_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from flowable.external_worker_client.testing.instances import Instance
    from flowable.external_worker_client.testing.jobs import Job, JobStore
    from flowable.external_worker_client.testing.releases import Release

__all__ = ["JobPage", "find_jobs"]

_TRUE: Final = frozenset({"true", "on", "yes", "1"})
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,12}")
_HEXADECIMAL: Final = re.compile(r"(-?)(?:0[xX]|#)([0-9a-fA-F]{1,12})")
_FALSE: Final = frozenset({"false", "off", "no", "0"})


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of the list.

    Attributes:
        jobs: Those on the page.
        total: How many match in all.
    """

    jobs: list[Job]
    total: int
    start: int
    sort: str
    order: str


def _bpmn(job: Job) -> bool:
    return job.instance.scope == "bpmn"


def _like(pattern: str) -> Callable[[str], bool]:
    parts = ("".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern),)
    compiled = re.compile(parts[0], re.DOTALL)
    return lambda text: compiled.fullmatch(text) is not None


_TEXTS: Final[dict[str, Callable[[Job], str | None]]] = {
    "id": lambda job: job.id,
    "processInstanceId": lambda job: job.instance.id if _bpmn(job) else None,
    "executionId": lambda job: job.execution.id if _bpmn(job) else None,
    "processDefinitionId": lambda job: job.instance.deployed.id if _bpmn(job) else None,
    "scopeId": lambda job: None if _bpmn(job) else job.instance.id,
    "subScopeId": lambda job: None if _bpmn(job) else job.execution.id,
    "scopeDefinitionId": lambda job: None if _bpmn(job) else job.instance.deployed.id,
    "scopeType": lambda job: None if _bpmn(job) else "cmmn",
    "elementId": lambda job: job.task.id,
    "elementName": lambda job: job.task.name,
    "exceptionMessage": lambda job: job.exception_message,
    "tenantId": lambda job: job.instance.tenant_id,
}
_FLAGS: Final[dict[str, Callable[[Job], bool]]] = {
    "withoutProcessInstanceId": lambda job: not _bpmn(job),
    "withoutScopeId": _bpmn,
    "withoutScopeType": _bpmn,
    "withException": lambda job: job.exception_message is not None or job.details is not None,
    "withoutTenantId": lambda job: not job.instance.tenant_id,
    "locked": lambda job: job.lock_expiry is not None,
    "unlocked": lambda job: job.lock_expiry is None,
}
_SORTS: Final[dict[str, Callable[[Job], str | int | None]]] = {
    "id": lambda job: job.id,
    "dueDate": lambda _: None,
    "createTime": lambda job: job.create_time,
    "executionId": lambda job: job.execution.id if _bpmn(job) else None,
    "processInstanceId": lambda job: job.instance.id if _bpmn(job) else None,
    "retries": lambda job: job.retries,
    "tenantId": lambda job: job.instance.tenant_id,
}


def find_jobs(
    store: JobStore, instances: Mapping[str, Instance], asked: Mapping[str, Sequence[str]], release: Release
) -> JobPage:
    """Answer a query as the engine does. Parameters that it does not know are ignored.

    Args:
        store: The external jobs.
        instances: By id, for queries that ask for one.
        asked: The values of every parameter that was sent. Of several, flags and numbers take the first; texts are
            joined by a comma.
        release: Decides about texts.

    Raises:
        EngineError: 500 for a number or a flag that is none, 400 for an unknown sort or order.
    """
    tests: list[Callable[[Job], bool]] = []
    parameters = {name: ",".join(values) for name, values in asked.items()}
    for name, flag in _FLAGS.items():
        if name in parameters and _flag(name, asked[name][0], release):
            tests.append(flag)
    start = max(0, _number("start", asked, 0, release))
    size = _number("size", asked, 10, release)
    size = 10 if size < 0 else size
    for name, field in _TEXTS.items():
        if name in parameters:
            tests.append(_equals(field, parameters[name]))
    if "tenantIdLike" in parameters:
        like = _like(parameters["tenantIdLike"])
        tests.append(lambda job: like(job.instance.tenant_id))
    sort = parameters.get("sort", "id")
    order = parameters.get("order", "asc")
    if sort not in _SORTS:
        raise bad_request(f"Value for param 'sort' is not valid, '{sort}' is not a valid property")
    if order not in {"asc", "desc"}:
        raise bad_request(f"Value for param 'order' is not valid : '{order}', must be 'asc' or 'desc'")
    found = [job for job in _candidates(store, instances, parameters) if all(test(job) for test in tests)]
    key = _SORTS[sort]
    # Null is lower than everything on the database of the recorded answers; the id decides between equals.
    found.sort(key=lambda job: job.id)
    found.sort(key=lambda job: ((value := key(job)) is not None, value), reverse=order == "desc")
    return JobPage(found[start : start + size], len(found), start, sort, order)


def _candidates(store: JobStore, instances: Mapping[str, Instance], parameters: Mapping[str, str]) -> Iterable[Job]:
    """Return the jobs to look at: those of an id, an execution or an instance that is asked for, otherwise all."""
    if "id" in parameters:
        job = store.get(parameters["id"])
        return [] if job is None else [job]
    for name in ("executionId", "subScopeId"):
        if name in parameters:
            job = store.of_execution(parameters[name])
            return [] if job is None else [job]
    for name in ("processInstanceId", "scopeId"):
        if name in parameters:
            instance = instances.get(parameters[name])
            return [] if instance is None else [job for job in instance.jobs.values() if job.table == "external"]
    return store


def _equals(field: Callable[[Job], str | None], wanted: str) -> Callable[[Job], bool]:
    return lambda job: field(job) == wanted


def _flag(name: str, text: str, release: Release) -> bool:
    value = text.strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise _mismatch(name, text, "boolean", f"Invalid boolean value [{text}]", "IllegalArgumentException", release)


def _number(name: str, asked: Mapping[str, Sequence[str]], default: int, release: Release) -> int:
    text = asked[name][0].strip() if name in asked else ""
    if not text:
        return default
    value: int | None = None
    if _NUMBER.fullmatch(text):
        value = int(text)
    elif hexadecimal := _HEXADECIMAL.fullmatch(text):
        value = int(hexadecimal[1] + hexadecimal[2], 16)
    if value is None or not -(2**31) <= value < 2**31:
        problem = f'For input string: "{text}"'
        raise _mismatch(name, text, "java.lang.Integer", problem, "NumberFormatException", release)
    return value


def _mismatch(name: str, value: str, java: str, problem: str, error: str, release: Release) -> EngineError:
    request = "externalWorkerJobQueryRequest"
    codes = f"typeMismatch.{request}.{name},typeMismatch.{name},typeMismatch.{java},typeMismatch"
    resolvable = f"org.springframework.context.support.DefaultMessageSourceResolvable: codes [{request}.{name},{name}]"
    cause = f"nested exception is java.lang.{error}: {problem}" if release.nested_exception_texts else problem
    text = (
        f"Field error in object '{request}' on field '{name}': rejected value [{value}]; codes [{codes}]; "
        f"arguments [{resolvable}; arguments []; default message [{name}]]; default message [Failed to convert "
        f"property value of type 'java.lang.String' to required type '{java}' for property '{name}'; {cause}]"
    )
    if release.nested_exception_texts:
        return internal_error(f"org.springframework.validation.BeanPropertyBindingResult: 1 errors\n{text}")
    package = "org.flowable.external.job.rest.service.api.query."
    where = (
        "public org.flowable.common.rest.api.DataResponse<"
        f"{package}ExternalWorkerJobResponse> {package}ExternalWorkerJobCollectionResource.listExternalWorkerJobs("
        f"{package}ExternalWorkerJobQueryRequest)"
    )
    return internal_error(f"Validation failed for argument [0] in {where}: [{text}] ")
