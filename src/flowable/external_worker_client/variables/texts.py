"""Values as the text that stands for them on the wire."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from flowable.external_worker_client.variables.refusal import Refused
from flowable.external_worker_client.variables.table import LONGEST_NUMBER, SHORT_TEXT

#: Up to release 7.2, a `date` before this one is read and shown by Java's older calendar, which is the Julian one then.
_CALENDAR_CHANGED: Final = "1582-10-15T00:00:00.000Z"

#: Slightly more than there are.
_BITS_OF_A_DIGIT: Final = 10 / 3


def plain_text(value: str) -> str:
    """Return text that every database keeps as it is, but for U+0000."""
    text = str.__str__(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            odd = f"U+{ord(text[error.start]):04X} at index {error.start}"
            raise Refused(
                value, f"text without lone surrogates ({odd}): PostgreSQL puts question marks in their place"
            ) from None
    return text


def string(value: str) -> str:
    """Return the value of a `string`."""
    text = plain_text(value)
    if "\0" in text and len(text.encode("utf-16-le")) <= 2 * SHORT_TEXT:
        raise Refused(value, f"text without U+0000, which PostgreSQL refuses in texts of up to {SHORT_TEXT} characters")
    return text


def double(value: float) -> float:
    """Return the value of a `double`."""
    number = float(value)
    if math.isfinite(number):
        return number
    raise Refused(value, "a finite number: JSON has no other")


def big_integer(value: int) -> str:
    """Return the value of a `bigInteger`: as text, because a JSON number may have 1000 digits only."""
    # Bits first: Python itself refuses to write out a number of more digits than some limit.
    if value.bit_length() <= LONGEST_NUMBER * _BITS_OF_A_DIGIT and len(text := digits(value)) <= LONGEST_NUMBER:
        return text
    raise Refused(Huge(value), f"a whole number of at most {LONGEST_NUMBER} digits, sign included")


def digits(value: int) -> str:
    """Return a whole number as text."""
    try:
        return str(value)
    except ValueError as error:
        raise Refused(Huge(value), f"a whole number of fewer digits ({error})") from None


def big_decimal(value: Decimal) -> str:
    """Return the value of a `bigDecimal`: plain text, because a JSON number would be taken for a `double`."""
    accepted = f"a finite Decimal of at most {LONGEST_NUMBER} characters when written out"
    if not value.is_finite() or abs(value.adjusted()) > LONGEST_NUMBER:
        raise Refused(value, accepted)
    text = format(value, "f")
    if len(text) > LONGEST_NUMBER:
        raise Refused(value, accepted)
    return text


def decimal_inside(value: Decimal) -> str:
    """Return a `Decimal` within a JSON: text, which keeps every digit and the exponent."""
    if value.is_finite():
        return str(value)
    raise Refused(value, "a finite Decimal")


def is_aware(value: datetime) -> bool:
    """Tell whether a datetime has an offset. Of all its kinds: what is no moment at all is refused."""
    if not isinstance(value.year, int):
        # Of pandas: NaT is a datetime, too.
        raise Refused(value, "a moment")
    return value.utcoffset() is not None


def instant(value: datetime) -> str:
    """Return an aware datetime as the engine keeps it: in UTC, cut to milliseconds, always with three digits."""
    return f"{_in_utc(value).isoformat(timespec='milliseconds')}Z"


def engine_date(value: datetime) -> str:
    """Return an aware datetime as type `date`, in the only form that every release reads."""
    text = instant(value)
    if text < _CALENDAR_CHANGED:
        raise Refused(value, "a moment after 15 October 1582, before which type date goes by another calendar")
    return text


def local_date_time(value: datetime) -> str:
    """Return a naive datetime as the engine keeps it: cut to milliseconds."""
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds")


def datetime_inside(value: datetime) -> str:
    """Return a datetime within a JSON: to the microsecond, in UTC if it is aware."""
    return f"{_in_utc(value).isoformat()}Z" if is_aware(value) else value.replace(tzinfo=None).isoformat()


def local_date(value: date) -> str:
    """Return a date."""
    return date.isoformat(value)


def local_time(value: time) -> str:
    """Return a time of day, with its offset if it has one."""
    if value.tzinfo is not None and value.utcoffset() is None:
        raise Refused(value, "a time without a zone, or with an offset: the offset of this zone depends on the date")
    return value.isoformat()


def duration(value: timedelta) -> str:
    """Return a timedelta in the form of ISO 8601: `P1DT2H3M4.5S`, `-PT5S`, `PT0S`."""
    sign, span = ("-", -value) if value < timedelta() else ("", value)
    minutes, seconds = divmod(span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{span.microseconds:06d}".rstrip("0") if span.microseconds else ""
    clock = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M")) if number)
    if seconds or fraction or not (clock or span.days):
        clock += f"{seconds}{fraction}S"
    days = f"{span.days}D" if span.days else ""
    return f"{sign}P{days}{'T' if clock else ''}{clock}"


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC).replace(tzinfo=None)
    except (OverflowError, ValueError):
        raise Refused(value, "a moment between the years 1 and 9999 in UTC") from None


class Huge:
    """Stands in an error for a number that Python will not write out."""

    def __init__(self, value: int) -> None:
        self._bits = value.bit_length()

    def __repr__(self) -> str:
        return f"<a number of {self._bits} bits>"
