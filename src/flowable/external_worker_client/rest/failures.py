"""From exceptions of the REST client to what they mean.

Reads exceptions rather than answers, so that it works with whatever a person put in the client's place.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from urllib.parse import urlsplit

import urllib3
from requests import HTTPError
from urllib3.exceptions import HTTPError as HttpLibraryError

from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException, UnreadableAnswerError
from flowable.external_worker_client.rest.addresses import place, urls_without_credentials
from flowable.external_worker_client.rest.answers import Reading, answered, fault, unanswered, unreadable
from flowable.external_worker_client.rest.operations import JOB_API, Operation
from flowable.external_worker_client.rest.requests_transport import failure_kind
from flowable.external_worker_client.rest.transport import FailureKind


def read(error: BaseException, operation: Operation, epoch: float) -> Reading:
    """Say what came of a request that raised.

    Args:
        error: What it raised.
        operation: What was asked for.
        epoch: The time in seconds since 1970, for answers that name a date to wait for.
    """
    url = _asked(error)
    elsewhere = _elsewhere(url)
    reading = _read(error, operation, epoch, place(url))
    return reading if elsewhere is None else replace(reading, elsewhere=elsewhere)


def _read(error: BaseException, operation: Operation, epoch: float, where: str) -> Reading:
    if isinstance(error, UnreadableAnswerError):
        return unreadable(error.status_code, error.hint or str(error))
    if isinstance(error, HTTPError) and error.response is not None:
        # A hook of the person's that raises for a status. The answer is there all the same.
        headers = {name.lower(): value for name, value in error.response.headers.items()}
        error = FlowableRestException(error.response.status_code, error.response.text, headers=headers)
    if isinstance(error, FlowableRestException):
        return answered(operation, error.status_code, error.headers, error.engine_message, error.engine_error, epoch)
    if not isinstance(error, OSError | HttpLibraryError | HTTPException):
        # This library refuses what it cannot send before it sends anything.
        return fault(_text(error, where), sent=not isinstance(error, InvalidArgumentError))
    return unanswered(sent=failure_kind(error) is FailureKind.UNCLEAR, text=_text(error, where))


def _elsewhere(url: str) -> str | None:
    """Return host and port of the URL that was asked, if that was not the engine: `None` if it was, or if nobody knows.

    Exceptions of requests and urllib3 know what was asked. The session's auth, its hooks and redirects ask others, and
    all that the engine is asked for is below one path.
    """
    server = place(url)
    # What has a place can be read.
    return server if server and JOB_API not in urlsplit(url).path else None


def _asked(error: BaseException) -> str:
    """Return the URL of the request that failed. Empty: nobody knows."""
    with suppress(BaseException):  # somebody else's attributes
        for holder in (getattr(error, "request", None), getattr(error, "response", None)):
            url: object = getattr(holder, "url", None)
            if isinstance(url, str):
                return url
        pool: object = getattr(error, "pool", None)
        if isinstance(pool, urllib3.HTTPConnectionPool):
            path: object = getattr(error, "url", None)
            # What failed without a path did so on its way to the host, whatever was asked there.
            return f"{pool.scheme}://{pool.host}:{pool.port}{path}" if isinstance(path, str) else ""
    return ""


def _text(error: BaseException, where: str) -> str:
    """Return what happened on the network and where, without the wrappings that repeat it, and without credentials."""
    try:
        said = _innermost(error)
        # What is about a proxy names it, and where it was to lead to.
        place_and_text = said if not where or where in said else f"{where}: {said}"
        return f"{type(error).__name__}: {urls_without_credentials(place_and_text)}"
    except BaseException:  # noqa: BLE001 - somebody else's __str__
        return type(error).__name__


def _innermost(error: BaseException) -> str:
    # An exception of requests has one of urllib3 in it, which may have another one as its reason.
    first: object = error.args[0] if error.args else None
    outer = first if isinstance(first, Exception) else error
    reason: object = getattr(outer, "reason", None)
    inner = reason if isinstance(reason, Exception) else outer
    return _OBJECT.sub("", _CONNECTION.sub(_host_and_port, _said(inner)))


def _said(error: BaseException) -> str:
    """Return the text of an exception; of one that has a text and its cause, both."""
    match error.args:
        case (str() as text, BaseException() as cause):
            # The text repeats the cause, or is all there is but for it.
            return f"{text.rstrip('.')}: {_said(cause)}" if str(cause) not in text else text
        case (_, str() as text) if isinstance(error, HttpLibraryError):
            # The first is the connection.
            return text
        case _:
            return str(error)


def _host_and_port(found: re.Match[str]) -> str:
    host, port = found.groups()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


#: How urllib3 names in its texts the object that failed: since its version 2.1, and before.
_CONNECTION = re.compile(r"HTTPS?Connection(?:Pool)?\(host='([^']*)', port=(\d+)\)")
_OBJECT = re.compile(r"<urllib3\.[^<>]* object at 0x[0-9a-fA-F]+>: ")
