"""What an answer, or the lack of one, means. Pure.

The engine answers 500 to nearly everything that goes wrong inside it, 403 and 404 for lost locks and vanished jobs, and
between it and the worker stand gateways that use the same numbers for other things. The body tells them apart: the
engine's own errors are `{"message": <category>, "exception": <detail>}` (docs/engine.md, Answers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus

from flowable.external_worker_client.rest.operations import Effect, Operation

#: A server that asks for a longer pause than this is not believed.
LONGEST_RETRY_AFTER = 300.0  # seconds

_LOCK_LOST = "does not hold a lock on the requested job"
_GONE = ("Could not find external worker job", "No External Worker job found")
_NAMELESS_ERROR = "Internal server error"
_WRONG_PATH = ("No endpoint", "No static resource")
_TEMPORARY = frozenset({408, 409, 425, 429, 503})
_BAD_GATEWAY = frozenset({502, 504})
_TOO_MANY, _TOO_LARGE = 429, 413
_REDIRECTS, _SERVER_ERRORS = 300, 500


class Meaning(Enum):
    """What came of one request."""

    DONE = "done"
    """The engine did what was asked."""

    NOT_SENT = "not sent"
    """The engine cannot have seen the request."""

    UNCLEAR = "unclear"
    """There was no answer, or only a gateway's: the engine may have done it."""

    LOCK_LOST = "lock lost"
    """The engine: this worker does not hold the job (any more)."""

    GONE = "gone"
    """The engine: there is no such job (any more)."""

    REFUSED = "refused"
    """The engine: the request itself is wrong. Sending it again is in vain."""

    OVERLOADED = "overloaded"
    """Not now: busy, limited, or a clash with another request."""

    ENGINE_ERROR = "engine error"
    """The engine's own 500. Nearly always rolled back; in database crashes one in fifty was done all the same."""

    FAULT = "fault"
    """The session, its auth or one of its hooks raised what has nothing to do with HTTP: a mistake of the program's."""

    NOT_THE_ENGINE = "not the engine"
    """Something else answered: a login page, a gateway, another application, or the address is wrong."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One request, read.

    Attributes:
        meaning: What came of it.
        status: HTTP status. `None` without an answer.
        text: What the engine, or the exception, said. May be empty.
        unclear: Whether the engine may have done what was asked although it did not say so.
        retry_after: Seconds that the server asks to wait, at most `LONGEST_RETRY_AFTER`. `None`: it asks nothing.
        elsewhere: Host and port of a server that is not the engine, and was asked by the session's auth, a hook, or
            because the engine sent there. For the log only. `None`: the engine was asked, or nobody knows.
    """

    meaning: Meaning
    status: int | None = None
    text: str = ""
    unclear: bool = False
    retry_after: float | None = None
    elsewhere: str | None = None


DONE = Reading(Meaning.DONE)


def succeeded(operation: Operation, status: int, headers: Mapping[str, str]) -> bool:
    """Say whether an answer is the engine's "done": the very status that the operation promises.

    Another 2xx, or a page of HTML, was somebody else: a gateway that wants a login, a queue before the engine.
    """
    # Most answers have no type: there is nothing in them.
    return status == operation.success and (
        "content-type" not in headers or "html" not in headers["content-type"].lower()
    )


def unanswered(*, sent: bool, text: str) -> Reading:
    """Read a request without an answer.

    Args:
        sent: Whether any of it may have reached the engine.
        text: What the transport said.
    """
    return Reading(Meaning.UNCLEAR if sent else Meaning.NOT_SENT, None, text, unclear=sent)


def fault(text: str, *, sent: bool = True) -> Reading:
    """Read a request that ended in an exception of the person's own, or in a refusal of this library's.

    Args:
        text: What it says.
        sent: Whether any of it may have reached the engine: how far it got, nobody knows of the person's own.
    """
    return Reading(Meaning.FAULT, None, text, unclear=sent)


def unreadable(status: int, text: str) -> Reading:
    """Read an answer that promised success but whose body made no sense: the engine may have done it."""
    return Reading(Meaning.NOT_THE_ENGINE, status, text, unclear=True)


def answered(
    operation: Operation,
    status: int,
    headers: Mapping[str, str],
    category: str | None,
    detail: str | None,
    now: float,
) -> Reading:
    """Read an answer.

    Args:
        operation: What was asked for.
        status: HTTP status.
        headers: By lower-case name.
        category: The engine's `message`, or what stands in its place in another body.
        detail: The engine's `exception` text. `None`: the body has none.
        now: Seconds since the epoch, for a `Retry-After` that names a date.
    """
    text = detail or category or ""
    pause = retry_after(headers.get("retry-after"), now)
    if succeeded(operation, status, headers):
        return DONE
    if status in _TEMPORARY:
        return Reading(Meaning.OVERLOADED, status, text, unclear=status != _TOO_MANY, retry_after=pause)
    if status in _BAD_GATEWAY:
        return Reading(Meaning.UNCLEAR, status, text, unclear=True, retry_after=pause)
    if status == _TOO_LARGE:
        # Whoever on the way said so will say so again.
        return Reading(Meaning.REFUSED, status, text or "the request is too large")
    if detail is None and status == HTTPStatus.INTERNAL_SERVER_ERROR and category == _NAMELESS_ERROR:
        # The engine's own, of an exception without a text.
        detail = ""
    if detail is not None:
        return _engines_own(operation.effect, status, category, detail)
    # A page of HTML with 200, or any 5xx: behind it the engine may have done it. A login page (3xx, 401) came before.
    return Reading(Meaning.NOT_THE_ENGINE, status, text, unclear=status < _REDIRECTS or status >= _SERVER_ERRORS)


def _engines_own(effect: Effect, status: int, category: str | None, detail: str) -> Reading:
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN) and _LOCK_LOST in detail:
        return Reading(Meaning.LOCK_LOST, status, detail)
    if status == HTTPStatus.NOT_FOUND and detail.startswith(_GONE):
        return Reading(Meaning.GONE, status, detail)
    if status == HTTPStatus.BAD_REQUEST:
        return Reading(Meaning.REFUSED, status, detail)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and not detail.startswith(_WRONG_PATH):
        return Reading(Meaning.ENGINE_ERROR, status, detail, unclear=effect is not Effect.READS)
    return Reading(Meaning.NOT_THE_ENGINE, status, f"{category}: {detail}")


def retry_after(value: str | None, now: float) -> float | None:
    """Read a `Retry-After` header: seconds, or a date.

    Args:
        value: Its text. `None`: there was none.
        now: Seconds since the epoch.

    Returns:
        Seconds from now, from 0 to `LONGEST_RETRY_AFTER`. `None` when there is none or it cannot be read.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, moment - now), LONGEST_RETRY_AFTER)
