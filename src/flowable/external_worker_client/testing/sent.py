"""What workers sent: every request for an operation of the external job API, through either door."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from urllib.parse import unquote

from flowable.external_worker_client.testing.durations import WrongDurationError, parse_duration

if TYPE_CHECKING:
    from flowable.external_worker_client.testing.faults import Operation
    from flowable.external_worker_client.testing.views import Event

__all__ = ["Requests", "SentRequest"]

_Body: TypeAlias = dict[str, Any]
#: Of these the path ends in an id, of others in an id and a verb.
_ID_IS_LAST: Final = frozenset({"get", "unacquire"})
_WITHOUT_ID: Final = frozenset({"acquire", "unacquire_all", "list"})


@dataclass(frozen=True, kw_only=True, slots=True)
class SentRequest:
    """A request of a worker.

    Attributes:
        operation: What was asked for, by the names that faults have: `acquire`, `complete`, `fail`, and so on.
        topic: Of the job, or the one that was asked for; empty if it is unknown.
        instance_id: Of the job; empty if it is unknown.
        job_id: As it was sent; empty if the request is not about one job.
        worker_id: As it was sent; None if it was not.
        variables: As name and JSON value. Of a name sent twice, the last value.
        types: The types of these variables.
        error_code: Of a BPMN error.
        message: Of a failure.
        details: Of a failure.
        retries: Of a failure.
        retry_timeout: Of a failure; None if there was none, or one that cannot be read.
        status: Of the answer; None if it was lost, or is not there yet.
        body: The whole JSON object; empty if there was none, or none that can be read.
    """

    operation: Operation
    topic: str = ""
    instance_id: str = ""
    job_id: str = ""
    worker_id: str | None = None
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    types: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    error_code: str | None = None
    message: str | None = None
    details: str | None = None
    retries: int | None = None
    retry_timeout: timedelta | None = None
    status: int | None = None
    body: _Body = field(default_factory=dict[str, Any], repr=False)


class Noted:
    """A request as the door saw it. Its status is set once it is answered."""

    __slots__ = ("body", "operation", "path", "status")

    def __init__(self, operation: Operation, path: str, body: bytes) -> None:
        self.operation: Operation = operation
        self.path = path
        self.body = body
        self.status: int | None = None


class Requests:
    """The requests of an engine: `engine.sent` reads them. Safe to use from any thread.

    Args:
        keep: How many are remembered.
    """

    def __init__(self, keep: int) -> None:
        self._noted: deque[Noted] = deque(maxlen=keep)
        self._lock = threading.Lock()

    def note(self, operation: Operation, path: str, body: bytes) -> Noted:
        """Remember a request. For the door, before the engine does anything: who sees the effect can see the cause."""
        noted = Noted(operation, path, body)
        with self._lock:
            self._noted.append(noted)
        return noted

    def clear(self) -> None:
        """Forget all requests so far."""
        with self._lock:
            self._noted.clear()

    def read(self, events: Iterable[Event]) -> list[SentRequest]:
        """Return the requests, oldest first; the events tell which topics and instances their jobs belong to."""
        known = {event.job_id: (event.topic, event.instance_id) for event in events if event.job_id}
        with self._lock:
            requests = list(self._noted)
        return [_read(noted, known) for noted in requests]


def _read(noted: Noted, known: dict[str, tuple[str, str]]) -> SentRequest:
    body = _object(noted.body)
    job_id = ""
    if noted.operation not in _WITHOUT_ID:
        job_id = unquote(noted.path.split("/")[-1 if noted.operation in _ID_IS_LAST else -2])
    topic, instance_id = known.get(job_id, ("", ""))
    variables = [cast("_Body", each) for each in _list(body.get("variables")) if isinstance(each, dict)]
    named = {str(each.get("name")): each for each in variables}
    return SentRequest(
        operation=noted.operation,
        topic=str(body.get("topic", "")) if noted.operation == "acquire" else topic,
        instance_id=instance_id,
        job_id=job_id,
        worker_id=body.get("workerId"),
        variables={name: each.get("value") for name, each in named.items()},
        types={name: each.get("type") for name, each in named.items()},
        error_code=body.get("errorCode"),
        message=body.get("errorMessage"),
        details=body.get("errorDetails"),
        retries=body.get("retries"),
        retry_timeout=_duration(body.get("retryTimeout")),
        status=noted.status,
        body=body,
    )


def _object(body: bytes) -> _Body:
    try:
        read: object = json.loads(body) if body else {}
    except ValueError:
        return {}
    return cast("_Body", read) if isinstance(read, dict) else {}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _duration(text: object) -> timedelta | None:
    if not isinstance(text, str):
        return None
    try:
        return timedelta(microseconds=parse_duration(text) // 1000)
    except (WrongDurationError, OverflowError):
        return None
