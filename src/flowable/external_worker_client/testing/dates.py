"""Date texts of the engine: how it writes moments and how it reads them, by release.

A moment is a whole number of milliseconds since 1970 in UTC, which is all the precision that the engine stores. Java's
calendar has years far beyond Python's, so moments out of Python's range are written by arithmetic.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

__all__ = [
    "WrongDateError",
    "instant_text",
    "job_date_text",
    "local_date_time_text",
    "millis_of",
    "moment",
    "parse_date",
    "parse_instant",
    "parse_local_date",
    "parse_local_date_time",
    "short_date_text",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = -62_135_596_800_000  # 0001-01-01T00:00:00Z
_LAST: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
_DAY: Final = 86_400_000  # milliseconds

_ZONE: Final = r"(?P<zone>Z|[-+]\d\d:?\d\d)"
_DATE: Final = re.compile(
    r"(?P<year>\d{4})-?(?P<month>\d\d)-?(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?" + _ZONE + ")?",
    re.ASCII,
)
_STRICT_DATE: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{3}))?)?"
    r"(?P<zone>Z|[-+]\d\d:\d\d)?)?",
    re.ASCII,
)
_INSTANT: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"T(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{0,9}))?(?P<zone>Z|[-+]\d\d:\d\d)",
    re.ASCII | re.IGNORECASE,
)
_LOCAL_DATE: Final = re.compile(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)", re.ASCII)
_LOCAL_DATE_TIME: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{0,9}))?)?",
    re.ASCII | re.IGNORECASE,
)


#: What a leap second may be called; it is the 59th all the same.
_LEAP_SECONDS: Final = range(60, 63)


class WrongDateError(ValueError):
    """The text is not a date of the form that was asked for."""


def moment(millis: int) -> datetime:
    """Return a moment as an aware datetime in UTC.

    Raises:
        OverflowError: If it is out of Python's years 1 to 9999.
    """
    return _EPOCH + timedelta(milliseconds=millis)


def millis_of(value: datetime) -> int:
    """Return an aware datetime as a moment, cut to milliseconds."""
    return (value - _EPOCH) // timedelta(milliseconds=1)


def job_date_text(millis: int, *, keep_fraction: bool) -> str:
    """Write a date of a job: three fraction digits, or none when they are zero and need not be kept."""
    return _text(millis, fraction=keep_fraction or millis % 1000 != 0)


def instant_text(millis: int) -> str:
    """Write a moment as `Instant.toString()` does: three fraction digits unless they are zero."""
    return _text(millis, fraction=millis % 1000 != 0)


def short_date_text(millis: int) -> str:
    """Write a moment without its milliseconds."""
    return _text(millis, fraction=False)


def local_date_time_text(value: datetime) -> str:
    """Write a local date-time as Java does: no seconds when they and the fraction are zero, else 0 or 3 digits."""
    text = f"{value.year:04d}-{value.month:02d}-{value.day:02d}T{value.hour:02d}:{value.minute:02d}"
    millis = value.microsecond // 1000
    if value.second or millis:
        text += f":{value.second:02d}"
    return f"{text}.{millis:03d}" if millis else text


def _text(millis: int, *, fraction: bool) -> str:
    days, rest = divmod(millis, _DAY)
    seconds, milli = divmod(rest, 1000)
    if _FIRST <= millis <= _LAST:
        day = date.fromordinal(days + 719_163)
        calendar = f"{day.year:04d}-{day.month:02d}-{day.day:02d}"
    else:
        calendar = _far_date(days)
    text = f"{calendar}T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{milli:03d}Z" if fraction else f"{text}Z"


def _far_date(days: int) -> str:
    # The Gregorian calendar repeats itself every 400 years, which are 146,097 days.
    cycles, rest = divmod(days, 146_097)
    day = date.fromordinal(rest + 719_163)
    year = day.year + 400 * cycles
    sign = "+" if year > 9999 else "-" if year < 0 else ""  # noqa: PLR2004 - Java writes a sign from year 10000 on
    return f"{sign}{abs(year):04d}-{day.month:02d}-{day.day:02d}"


def parse_date(text: str, *, strict: bool) -> int:
    """Read a variable of type `date`.

    Args:
        text: What was sent.
        strict: As 8.0 and later: exactly no or three fraction digits, and no zone means UTC. Otherwise any number of
            digits, basic ISO forms too, but a time needs a zone; without a time, days and months beyond the end count
            on: February 30 is March 1 or 2.

    Raises:
        WrongDateError: If it is none.
    """
    return _millis(text, _STRICT_DATE if strict else _DATE)


def parse_instant(text: str) -> int:
    """Read a moment as `Instant.parse` does. Raises WrongDateError if it is none."""
    return _millis(text, _INSTANT)


def parse_local_date(text: str) -> date:
    """Read a date as `LocalDate.parse` does. Raises WrongDateError if it is none."""
    return _local(text, _LOCAL_DATE).date()


def parse_local_date_time(text: str) -> datetime:
    """Read a date-time as `LocalDateTime.parse` does, cut to milliseconds. Raises WrongDateError if it is none."""
    return _local(text, _LOCAL_DATE_TIME)


def _millis(text: str, pattern: re.Pattern[str]) -> int:
    local = _local(text, pattern)
    zone = pattern.fullmatch(text)
    offset = zone["zone"] if zone is not None else None
    try:
        return millis_of(local.replace(tzinfo=_zone(offset)))
    except (ValueError, OverflowError) as error:
        raise WrongDateError(text) from error


def _local(text: str, pattern: re.Pattern[str]) -> datetime:
    match = pattern.fullmatch(text)
    if match is None:
        raise WrongDateError(text)
    parts = match.groupdict()
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    days = 0
    if (pattern is _DATE and second in _LEAP_SECONDS) or (
        pattern is _INSTANT and (hour, minute, second) == (23, 59, 60)
    ):
        second = 59
    elif pattern is _INSTANT and (hour, minute, second) == (24, 0, 0):
        hour, days = 0, 1
    millis = int(((parts.get("fraction") or "") + "000")[:3])
    year, month, number = int(parts["year"]), int(parts["month"]), int(parts["day"])
    if pattern is _DATE and parts["zone"] is None:
        carried, month = divmod(month - 1, 12)
        year, month, number, days = year + carried, month + 1, 1, number - 1
    try:
        day = date(year, month, number) + timedelta(days=days)
        return datetime.combine(day, time(hour, minute, second, millis * 1000))
    except (ValueError, OverflowError) as error:
        raise WrongDateError(text) from error


def _zone(offset: str | None) -> timezone:
    if offset is None or offset in {"Z", "z"}:
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    delta = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-delta if offset[0] == "-" else delta)
