"""Durations as people write them, normalised once, at the border.

Accepted everywhere a duration is asked for: ISO-8601 text in the form that the engine reads (`"PT10M"`, `"P1DT2H"`),
a number with a unit (`"5m"`, `"90s"`, `"500ms"`, `"2h"`, `"1d"`), a `datetime.timedelta`, or a number of seconds.

An ISO text goes to the engine as it was written; every other form as `PT<seconds>S`. The engine's grammar is that of
`java.time.Duration`: days, hours, minutes and seconds, each with a sign, and no weeks, months or years. The
limits are the engine's too (docs/engine.md, Locks).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta

from flowable.external_worker_client.errors import InvalidArgumentError

#: The engine keeps a lock duration in a 32-bit count of milliseconds; a longer one wraps around and is over at once.
MAXIMUM_LOCK = 2_147_483.647  # seconds: 24 days, 20 hours, 31 minutes
#: Below a millisecond the engine sees a lock that has ended before it began.
MINIMUM_LOCK = 0.001  # seconds
#: Retry time-outs beyond this are a mistake, and past the timestamps of some databases.
MAXIMUM_RETRY_TIMEOUT = 10_000 * 365 * 86_400.0  # seconds: 10,000 years

#: Asking more often than this is no use to anybody, and a hundred requests a second to an engine without work.
SHORTEST_POLL = 0.01  # seconds

#: The forms that people may write a duration in.
DurationLike = str | float | timedelta

ACCEPTED = (
    'an ISO-8601 duration such as "PT10M", a number with a unit such as "5m", a timedelta, or a number of seconds'
)

_ISO = re.compile(
    r"(?P<sign>[-+]?)P(?:(?P<days>[-+]?\d+)D)?"
    r"(?:T(?=[-+\d])(?:(?P<hours>[-+]?\d+)H)?(?:(?P<minutes>[-+]?\d+)M)?"
    r"(?:(?P<seconds>[-+]?\d+(?:[.,]\d{0,9})?)S)?)?",
    re.IGNORECASE | re.ASCII,
)
_SHORT = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class Duration:
    """A duration, both as the engine reads it and as a number.

    Attributes:
        text: ISO-8601, as it is sent.
        seconds: The same in seconds.
    """

    text: str
    seconds: float


def lock_duration(value: object, parameter: str = "lock_duration") -> Duration:
    """Read how long jobs are to be locked.

    Args:
        value: In any of the forms of this module.
        parameter: Its name in the caller's signature, for the error.

    Returns:
        The duration.

    Raises:
        InvalidArgumentError: It is none of the forms, or outside 1 millisecond to 24 days, 20 hours, 31 minutes.
            The engine would take a longer one and lock for a time that has passed already.
    """
    duration = _read(value, parameter)
    if not MINIMUM_LOCK <= duration.seconds <= MAXIMUM_LOCK:
        raise InvalidArgumentError(parameter, value, f"between {MINIMUM_LOCK} and {MAXIMUM_LOCK} seconds long")
    return duration


def retry_timeout(value: object, parameter: str = "retry_timeout") -> Duration:
    """Read how long a failed job waits before it is offered again.

    Args:
        value: In any of the forms of this module.
        parameter: Its name in the caller's signature, for the error.

    Returns:
        The duration; zero is possible and means "at the engine's next reset of expired locks".

    Raises:
        InvalidArgumentError: It is none of the forms, negative, or longer than 10,000 years.
    """
    duration = _read(value, parameter)
    if not 0.0 <= duration.seconds <= MAXIMUM_RETRY_TIMEOUT:
        raise InvalidArgumentError(parameter, value, "not negative, and no longer than 10,000 years")
    return duration


def poll(value: object, parameter: str = "poll") -> Duration:
    """Read how long to wait between two questions while there is no work.

    Args:
        value: In any of the forms of this module.
        parameter: Its name in the caller's signature, for the error.

    Returns:
        The duration.

    Raises:
        InvalidArgumentError: It is none of the forms, or outside 10 milliseconds to 10,000 years.
    """
    duration = retry_timeout(value, parameter)
    if duration.seconds < SHORTEST_POLL:
        raise InvalidArgumentError(
            parameter, value, f"at least {SHORTEST_POLL} seconds: an idle engine is asked as often"
        )
    return duration


def from_seconds(seconds: float) -> Duration:
    """Return a duration of so many seconds, rounded to the millisecond, which is what the engine keeps."""
    text = f"{seconds:.3f}".rstrip("0").rstrip(".")
    return Duration(f"PT{text}S", seconds)


def _read(value: object, parameter: str) -> Duration:
    if isinstance(value, str):
        return _read_text(value.strip(), value, parameter)
    if isinstance(value, timedelta):
        return from_seconds(value.total_seconds())
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
        if math.isfinite(seconds):
            return from_seconds(seconds)
    raise InvalidArgumentError(parameter, value, ACCEPTED)


def _read_text(text: str, value: object, parameter: str) -> Duration:
    if short := _SHORT.fullmatch(text):
        return from_seconds(float(short["number"]) * _SECONDS[short["unit"]])
    iso = _ISO.fullmatch(text)
    if iso is None or not any(iso[part] for part in ("days", "hours", "minutes", "seconds")):
        raise InvalidArgumentError(parameter, value, ACCEPTED)
    seconds = (
        float(iso["days"] or 0) * 86_400
        + float(iso["hours"] or 0) * 3600
        + float(iso["minutes"] or 0) * 60
        + float((iso["seconds"] or "0").replace(",", "."))
    )
    return Duration(text, -seconds if iso["sign"] == "-" else seconds)
