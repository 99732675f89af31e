"""From exceptions of the REST client to what they mean.

Reads exceptions rather than answers, so that it works with whatever a person put in the client's place.
"""

from __future__ import annotations

from http.client import HTTPException

from requests import HTTPError
from urllib3.exceptions import HTTPError as HttpLibraryError

from flowable.external_worker_client.flowable_rest_exception import FlowableRestException, UnreadableAnswerError
from flowable.external_worker_client.rest.answers import Reading, answered, fault, unanswered, unreadable
from flowable.external_worker_client.rest.operations import Operation
from flowable.external_worker_client.rest.requests_transport import failure_kind
from flowable.external_worker_client.rest.transport import FailureKind


def read(error: BaseException, operation: Operation, epoch: float) -> Reading:
    """Say what came of a request that raised.

    Args:
        error: What it raised.
        operation: What was asked for.
        epoch: The time in seconds since 1970, for answers that name a date to wait for.
    """
    if isinstance(error, UnreadableAnswerError):
        return unreadable(error.status_code, error.hint or str(error))
    if isinstance(error, HTTPError) and error.response is not None:
        # A hook of the person's that raises for a status. The answer is there all the same.
        headers = {name.lower(): value for name, value in error.response.headers.items()}
        error = FlowableRestException(error.response.status_code, error.response.text, headers=headers)
    if isinstance(error, FlowableRestException):
        return answered(operation, error.status_code, error.headers, error.engine_message, error.engine_error, epoch)
    if not isinstance(error, OSError | HttpLibraryError | HTTPException):
        return fault(_text(error))
    return unanswered(sent=failure_kind(error) is FailureKind.UNCLEAR, text=_text(error))


def _text(error: BaseException) -> str:
    """Return what happened on the network, without the wrappings that repeat host, port and path."""
    try:
        return f"{type(error).__name__}: {_innermost(error)}"
    except BaseException:  # noqa: BLE001 - somebody else's __str__
        return type(error).__name__


def _innermost(error: BaseException) -> str:
    reason: object = error.args[0] if error.args else None
    reason = getattr(reason, "reason", reason)
    inner = str(reason) if isinstance(reason, Exception) else str(error)
    # urllib3 begins with the object that failed: "HTTPConnection(host='…', port=…): Failed to …".
    said = inner.partition("): ")[2] if inner.startswith("HTTP") else inner
    return said or inner
