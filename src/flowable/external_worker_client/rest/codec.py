"""JSON to objects and back: tolerant in what comes, strict in what goes.

Absent and `null` are not the same to the engine: a `null` number is read as 0. So nothing is ever sent as `null`,
except inside the value of a variable, where it belongs to the person.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from flowable.external_worker_client import arguments
from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import InvalidArgumentError, shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException, UnreadableAnswerError
from flowable.external_worker_client.list_result import ListResult
from flowable.external_worker_client.request_converter import convert_from_engine_rest_variable
from flowable.external_worker_client.response_converter import (
    convert_to_external_worker_acquire_job_response,
    convert_to_external_worker_job_response,
)
from flowable.external_worker_client.rest.transport import Response
from flowable.external_worker_client.variables import Release, check

#: Stands for U+0000, which PostgreSQL cannot store: a report that contains it would be refused for ever.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


class UnreadableJob:
    """An element of an acquire's answer that is no job. It is locked in the engine all the same.

    Attributes:
        id: Its id, if it has one.
        reason: Why it cannot be read.
    """

    def __init__(self, id: str | None, reason: str) -> None:  # noqa: A002 - the wire's word
        self.id = id
        self.reason = reason

    def __repr__(self) -> str:
        """Show both."""
        return f"UnreadableJob(id={self.id!r}, reason={self.reason!r})"


class AcquiredJobs(list[ExternalWorkerAcquireJobResponse]):
    """The jobs of one acquire: a list, as in version 1.

    Attributes:
        unreadable: What came with them and could not be read. Empty with every engine known.
    """

    def __init__(
        self, jobs: Iterable[ExternalWorkerAcquireJobResponse] = (), unreadable: Iterable[UnreadableJob] = ()
    ) -> None:
        super().__init__(jobs)
        self.unreadable = list(unreadable)


def encode(members: Mapping[str, Any]) -> bytes:
    """Return the JSON of a request; members that are `None` are left out."""
    present = {name: value for name, value in members.items() if value is not None}
    return _encoder.encode(present).encode()


def encode_settling(owner: str, members: Mapping[str, Any]) -> bytes:
    """Return the JSON of a call that settles a job: the owner's name, and the other members as `encode` takes them."""
    # Most jobs bring no variables, and twenty of them have one owner.
    if len(members) == 1 and members.get("variables") == []:
        return _encode_without_variables(owner)
    return encode({"workerId": owner, **members})


@functools.lru_cache(maxsize=256)
def _encode_without_variables(owner: str) -> bytes:
    return encode({"workerId": owner, "variables": []})


def encode_variables(
    variables: Iterable[EngineRestVariable] | None, engine: Release | None = None
) -> list[dict[str, Any]]:
    """Return variables as JSON objects.

    Args:
        variables: What is to be sent. `None`: nothing.
        engine: The release that they are sent to. `None`: not known, and then the engine refuses what it cannot hold.

    Raises:
        InvalidArgumentError: They are no variables, a name is no text or too long, or a value is not what JSON can
            say or what the release can hold. It names the variable.
    """
    if variables is None:
        return []
    accepted = "a list of EngineRestVariable"
    # A look at the abstract class costs as much as an empty list does.
    if not isinstance(variables, list) and (
        isinstance(variables, str | bytes | Mapping) or not isinstance(variables, Iterable)
    ):
        raise InvalidArgumentError("variables", cast("object", variables), accepted)
    encoded: list[dict[str, Any]] = []
    for position, variable in enumerate(variables):
        if not all(hasattr(variable, attribute) for attribute in ("name", "type", "value", "value_url")):
            raise InvalidArgumentError(f"variables[{position}]", variable, "an EngineRestVariable")
        encoded.append(_encode_variable(variable))
        if engine is not None:
            check(variable, engine)
    return encoded


def storable(text: str | None) -> str | None:
    """Return a text that every database of the engine can store: U+0000 is replaced."""
    return text.replace("\0", REPLACEMENT) if isinstance(text, str) else text


def error(response: Response, hint: str | None = None) -> FlowableRestException:
    """Return the exception for an answer that the operation does not promise."""
    return FlowableRestException(response.status, response.text, hint=hint, headers=response.headers)


def decode_acquired(response: Response) -> AcquiredJobs:
    """Read the answer of an acquire.

    Raises:
        UnreadableAnswerError: It is no JSON list.
    """
    payload = _json(response)
    if not isinstance(payload, list):
        raise _unreadable(response, f"a list of jobs was expected, not {shorten(payload)}")
    jobs = AcquiredJobs()
    for element in cast("list[Any]", payload):
        try:
            _expect_id(element)
            jobs.append(convert_to_external_worker_acquire_job_response(element))
        except (ValueError, TypeError, AttributeError) as problem:
            jobs.unreadable.append(UnreadableJob(_id_of(element), str(problem)))
    return jobs


def decode_job(response: Response) -> ExternalWorkerJobResponse:
    """Read one job.

    Raises:
        UnreadableAnswerError: It is no job.
    """
    payload = _json(response)
    try:
        _expect_id(payload)
        return convert_to_external_worker_job_response(payload)
    except ValueError as problem:
        raise _unreadable(response, str(problem)) from problem


def decode_page(response: Response) -> ListResult[ExternalWorkerJobResponse]:
    """Read a page of jobs.

    Raises:
        UnreadableAnswerError: It is no page, or something on it is no job.
    """
    payload = _json(response)
    page = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    data = page.get("data")
    if not isinstance(data, list):
        raise _unreadable(response, f"a page of jobs was expected, not {shorten(cast('object', payload))}")
    try:
        jobs = [convert_to_external_worker_job_response(element) for element in cast("list[Any]", data)]
    except ValueError as problem:
        raise _unreadable(response, str(problem)) from problem
    total = page.get("total")
    if not isinstance(total, int):
        raise _unreadable(response, f"a page of jobs was expected, but its total is {shorten(total)}")
    members = (page.get(name) for name in ("start", "sort", "order", "size"))
    return ListResult(jobs, total, *cast("tuple[int, str, str, int]", tuple(members)))


def _encode_variable(variable: EngineRestVariable) -> dict[str, Any]:
    members = {name: value for name, value in convert_from_engine_rest_variable(variable).items() if value is not None}
    members["name"] = storable(arguments.variable_name(variable.name))
    try:
        json.dumps(members, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as problem:
        label = f"variables[{variable.name!r}]"
        raise InvalidArgumentError(label, variable.value, f"what JSON can say ({problem})") from problem
    return members


def _json(response: Response) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as problem:
        raise _unreadable(response, f"the answer is not JSON: {problem}") from problem


def _unreadable(response: Response, hint: str) -> UnreadableAnswerError:
    return UnreadableAnswerError(response.status, response.text, hint=hint, headers=response.headers)


def _id_of(element: object) -> str | None:
    members: Any = element
    value = members.get("id") if isinstance(element, dict) else None
    return value if isinstance(value, str) and value else None


def _expect_id(element: object) -> None:
    if _id_of(element) is None:
        message = f"a job must be a JSON object with an id, not {shorten(element)}"
        raise ValueError(message)
