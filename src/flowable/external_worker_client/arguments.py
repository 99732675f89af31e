"""Checks of arguments, used wherever people hand something in.

Each returns the value in the form that is used from then on, or raises `InvalidArgumentError`. Only what the engine
would refuse, misread or silently ignore is refused here: a program that worked before keeps working.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, cast
from urllib.parse import urlsplit, urlunsplit

from flowable.external_worker_client.errors import SECRET, InvalidArgumentError

#: The engine's columns for the lock owner and for variable names; anything longer is answered with 500.
LONGEST_NAME = 255  # characters

SCOPE_TYPES = ("bpmn", "cmmn")

#: Of `numberOfTasks` and `numberOfRetries`: they are read into 32 bits.
LARGEST_COUNT = 2_147_483_647


def topic(value: object) -> str:
    """Check a topic: text that is not empty, used as it is (spaces and case count)."""
    if isinstance(value, str) and value:
        return value
    raise InvalidArgumentError("topic", value, "text that is not empty")


#: Of handlers that each have a thread: a machine that has so many to spare is yet to be built.
MOST_THREADS = 10_000


def count(value: object, parameter: str, *, minimum: int = 1, maximum: int = LARGEST_COUNT) -> int:
    """Check a whole number between `minimum` and `maximum`, by default what 32 bits hold."""
    if isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum:
        return value
    raise InvalidArgumentError(parameter, value, f"a whole number of at least {minimum} and at most {maximum}")


def scope_type(value: object) -> str | None:
    """Check a scope type: `None` for jobs of processes and cases alike, or `"bpmn"`, or `"cmmn"`."""
    if value is None or (isinstance(value, str) and value in SCOPE_TYPES):
        return value
    raise InvalidArgumentError("scope_type", value, 'None (both), "bpmn" or "cmmn"')


def worker_id(value: object, parameter: str = "worker_id") -> str:
    """Check a worker id: text that is not empty, at most 255 characters (the engine's column)."""
    if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME:
        return value
    raise InvalidArgumentError(parameter, value, f"text of 1 to {LONGEST_NAME} characters")


def job_id(value: object, parameter: str = "job_id") -> str:
    """Check a job id: any text that can stand in a path. It is quoted when it is sent."""
    if isinstance(value, str) and value and value not in {".", ".."}:
        return value
    raise InvalidArgumentError(parameter, value, 'text that is not empty, nor "." or "..", which a path cannot carry')


def message(value: object, parameter: str) -> str | None:
    """Check what the engine stores as text, or `None`. Numbers pass: the engine turns them into text, as ever."""
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value  # type: ignore[return-value]
    raise InvalidArgumentError(parameter, value, "text or None")


def variable_name(value: object) -> str:
    """Check the name of a variable: text of at most 255 characters (the engine's column)."""
    if isinstance(value, str) and len(value) <= LONGEST_NAME:
        return value
    raise InvalidArgumentError("name", value, f"text of at most {LONGEST_NAME} characters")


def seconds(value: object, parameter: str) -> float:
    """Check a time span: a finite number of seconds that is not negative, or a timedelta that is not."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < math.inf:
        return float(number)
    raise InvalidArgumentError(parameter, value, "a number of seconds that is not negative, or such a timedelta")


def timeout(value: object) -> tuple[float, float]:
    """Check the time-outs of a request: seconds to connect and to wait for the answer, or one number for both."""
    parts = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value, value)
    numbers = [float(part) for part in parts if isinstance(part, int | float) and not isinstance(part, bool)]
    if len(parts) != 2 or len(numbers) != 2 or not all(0 < number < math.inf for number in numbers):  # noqa: PLR2004
        accepted = "seconds above zero, or a pair of them: (to connect, to wait for the answer)"
        raise InvalidArgumentError("timeout", cast("object", value), accepted)
    return numbers[0], numbers[1]


def weight(value: object) -> float:
    """Check the weight of a topic. The limits are so far apart that nobody needs them, and arithmetic stays exact."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0.001 <= value <= 1000:  # noqa: PLR2004
        return float(value)
    raise InvalidArgumentError("weight", value, "a number from 0.001 to 1000")


def transport(value: object) -> Literal["requests", "fast"]:
    """Check what carries requests: `"requests"`, which is also what `None` means, or `"fast"`."""
    if value is None or value == "requests":
        return "requests"
    if value == "fast":
        return "fast"
    raise InvalidArgumentError("transport", value, 'None or "requests" (both: the requests library), or "fast"')


def function(value: object, parameter: str) -> Callable[..., Any]:
    """Check that something can be called."""
    if callable(value):
        return value
    raise InvalidArgumentError(parameter, value, "a function or another object that can be called")


def auth(value: object) -> Any:  # noqa: ANN401 - whatever requests takes
    """Check credentials: something that can be called with a request, or a pair of texts. Errors do not show them."""
    given = cast("Any", value)
    if callable(given) or (isinstance(value, tuple) and [type(part) for part in given] == [str, str]):
        return given
    kind = type(given).__name__
    accepted = f"an AuthBase of requests, such as HTTPBasicAuth(name, password), not a {kind}"
    raise InvalidArgumentError("auth", SECRET, accepted)


def url(value: object) -> str:
    """Check the address of the engine: scheme, host and path; no query, no fragment.

    Which schemes can be used is for the transport to say. The password of `http://user:password@host` never shows in
    the error.
    """
    accepted = 'a URL such as "http://localhost:8090/flowable-rest", without "?" and "#"'
    if not isinstance(value, str):
        raise InvalidArgumentError("flowable_host", value, accepted)
    try:
        parts = urlsplit(value)
        usable = bool(parts.scheme and parts.hostname)
        _ = parts.port
    except ValueError:
        # Not even the parts can be told apart, so a password in it could not be either.
        raise InvalidArgumentError("flowable_host", SECRET if "@" in value else value, accepted) from None
    if not usable or "?" in value or "#" in value or any(character.isspace() for character in value):
        raise InvalidArgumentError("flowable_host", without_credentials(value), accepted)
    return value


def without_credentials(address: str) -> str:
    """Return a URL as it may be shown: user and password replaced by `***`."""
    if "@" not in address:
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return repr(SECRET)
    if "@" not in parts.netloc:
        # "user:password@host" without a scheme reads as a path.
        return "***@" + address.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))
