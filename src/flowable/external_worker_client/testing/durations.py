"""Durations as `java.time.Duration` has them and as the engine's JSON reader takes them from a request.

A duration is a whole number of nanoseconds. Java keeps 64-bit seconds, and so refuses what does not fit; this module
refuses the same.
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import Final

__all__ = ["LongOverflowError", "WrongDurationError", "as_nanos", "lock_millis", "parse_duration", "to_millis"]

NANOS: Final = 1_000_000_000  # in a second
_LONG_MAX: Final = 2**63 - 1
_LONG_MIN: Final = -(2**63)

_PATTERN: Final = re.compile(
    r"([-+]?)P(?:([-+]?[0-9]+)D)?(T(?:([-+]?[0-9]+)H)?(?:([-+]?[0-9]+)M)?(?:([-+]?[0-9]+)(?:[.,]([0-9]{0,9}))?S)?)?",
    re.IGNORECASE | re.ASCII,
)
_UNITS: Final = ((2, "days", 86_400), (4, "hours", 3_600), (5, "minutes", 60), (6, "seconds", 1))


class WrongDurationError(ValueError):
    """The text is no duration. Its text is the end of Java's own."""


class LongOverflowError(ArithmeticError):
    """A number of milliseconds does not fit Java's 64 bits."""

    def __init__(self) -> None:
        super().__init__("long overflow")


# Workers ask for the same one again and again.
@lru_cache(maxsize=256)
def parse_duration(text: str) -> int:
    """Read a duration as `Duration.parse` does: days, hours, minutes and seconds, signs, any case.

    Args:
        text: Such as `"PT10M"`, `"P1DT2H"`, `"-PT0.5S"`.

    Returns:
        Nanoseconds.

    Raises:
        WrongDurationError: If it is none (weeks, months and years are not), or does not fit.
    """
    match = _PATTERN.fullmatch(text)
    if match is None or (match[3] is not None and len(match[3]) == 1):
        raise WrongDurationError("Text cannot be parsed to a Duration")
    if all(match[group] is None for group, _, _ in _UNITS):
        raise WrongDurationError("Text cannot be parsed to a Duration")
    seconds = 0
    for group, unit, factor in _UNITS:
        digits = match[group]
        if digits is None:
            continue
        # Longer than any 64-bit number: Python would refuse to convert digits without end.
        part = int(digits) * factor if len(digits) <= 40 else _LONG_MAX + 1  # noqa: PLR2004
        if not _LONG_MIN <= part <= _LONG_MAX:
            raise WrongDurationError(f"Text cannot be parsed to a Duration: {unit}")
        seconds += part
    nanos = int((match[7] or "").ljust(9, "0")) if match[7] else 0
    if match[6] is not None and match[6].startswith("-"):
        nanos = -nanos
    total = seconds * NANOS + nanos
    if match[1] == "-":
        total = -total
    if not _LONG_MIN <= total // NANOS <= _LONG_MAX:
        raise WrongDurationError("Text cannot be parsed to a Duration: overflow")
    return total


def to_millis(nanos: int) -> int:
    """Return a duration in milliseconds, cut towards zero.

    Raises:
        LongOverflowError: If they do not fit 64 bits.
    """
    millis = abs(nanos) // 1_000_000
    if nanos < 0:
        millis = -millis
    if not _LONG_MIN <= millis <= _LONG_MAX:
        raise LongOverflowError
    return millis


def lock_millis(nanos: int) -> int:
    """Return for how many milliseconds the engine locks when asked for this duration.

    The sign does not count, and the number is cut to 32 bits: 25 days make a lock that ended 24.7 days ago.

    Raises:
        LongOverflowError: If the milliseconds do not fit 64 bits.
    """
    millis = to_millis(abs(nanos)) & 0xFFFF_FFFF
    return millis - 2**32 if millis >= 2**31 else millis


def as_nanos(value: str | float | timedelta, parameter: str) -> int:
    """Read a duration that a test gives in Python.

    Args:
        value: ISO-8601 text, a number of seconds, or a timedelta.
        parameter: Its name, for the error.

    Returns:
        Nanoseconds.

    Raises:
        ValueError: If the text is no duration.
    """
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except WrongDurationError as error:
            accepted = 'ISO-8601 text such as "PT10M", a number of seconds, or a timedelta'
            raise ValueError(f"{parameter}: {value!r} is no duration; accepted are {accepted}") from error
    if isinstance(value, timedelta):
        return ((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds) * 1_000
    return round(value * NANOS)
