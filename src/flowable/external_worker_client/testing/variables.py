"""Variables: what the engine stores for what it is sent, and what a worker gets to see of it.

The engine has types of its own and converts into them by narrowing: 3.7 sent as `integer` is 3, five thousand million
is 705,032,704. Values that its job API cannot show (byte arrays, Java objects, UUIDs) arrive as null. A stored value is
a `Value`: the engine's type and, in Python, what it holds.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flowable.external_worker_client.testing.dates import (
    WrongDateError,
    instant_text,
    local_date_time_text,
    millis_of,
    moment,
    parse_date,
    parse_instant,
    parse_local_date,
    parse_local_date_time,
    short_date_text,
)
from flowable.external_worker_client.testing.errors import bad_request, internal_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flowable.external_worker_client.testing.releases import Release

__all__ = ["NULL", "Value", "from_python", "read_value", "read_variables", "to_python", "write_variable"]

_INT: Final = 2**31
_LONG: Final = 2**63
_NAME_LIMIT: Final = 255  # UTF-16 units
_DECIMAL: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE]([-+]?\d+))?", re.ASCII)
_DECIMAL_CHARACTERS: Final = frozenset("0123456789.eE+-")
_INTEGER: Final = re.compile(r"[-+]?\d+", re.ASCII)


class Value(NamedTuple):
    """One stored variable.

    Attributes:
        type: The engine's type, such as `"integer"`; `"null"`, `"binary"` and `"serializable"` too.
        value: Milliseconds since 1970 for `date` and `instant`, otherwise the Python value of that type.
    """

    type: str
    value: Any


NULL: Final = Value("null", None)


# ---------------------------------------------------------------- in


def read_variables(items: Iterable[Mapping[str, Any] | None], release: Release) -> dict[str, Value]:
    """Convert the `variables` of a request. Of variables with the same name the last one stays.

    Raises:
        EngineError: 400 for a missing name, an unsupported type or a value of the wrong kind; 500 where the engine
            fails instead of refusing.
    """
    values: dict[str, Value] = {}
    for item in items:
        if item is None:
            what = 'Cannot invoke "org.flowable.common.rest.variable.EngineRestVariable.getName()" because '
            raise internal_error(what + '"restVariable" is null')
        name = item.get("name")
        if name is None:
            raise bad_request("Variable name is required.")
        text = name if isinstance(name, str) else _scalar_text(name)
        if len(text) > _NAME_LIMIT // 2 and len(text.encode("utf-16-le", "surrogatepass")) > 2 * _NAME_LIMIT:
            raise internal_error(too_long("NAME_", text))
        values[text] = read_value(text, item.get("type"), item.get("value"), release)
    return values


def too_long(column: str, text: str) -> str:
    """Return what the database says of a text that does not fit its column of 255 characters."""
    shown = f"'{text}"[:80]
    return (
        "\n### Error updating database.  Cause: org.h2.jdbc.JdbcSQLDataException: Value too long for column "
        f'"{column} CHARACTER VARYING(255)": "{shown}... ({len(text)})"'
    )


def _scalar_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def read_value(name: str, kind: object, value: Any, release: Release) -> Value:  # noqa: ANN401 - any JSON
    """Convert one variable.

    Args:
        name: Its name, for the refusal.
        kind: Its `type`; None if there was none.
        value: Its JSON value.
        release: Decides about the types there are.

    Raises:
        EngineError: As `read_variables`.
    """
    if kind is None:
        return _natural(value, json_objects=False)
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None or (not release.has_big_numbers and kind in {"bigDecimal", "bigInteger"}):
        raise bad_request(f"Variable '{name}' has unsupported type: '{kind}'.")
    if value is None:
        return NULL
    return reader(value, release)


def _natural(value: Any, *, json_objects: bool) -> Value:  # noqa: ANN401, PLR0911 - any JSON, one for each type
    """Return a JSON value in the type that it has by itself."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return Value("boolean", value)
    if isinstance(value, str):
        return Value("string", value)
    if isinstance(value, int):
        if -_INT <= value < _INT:
            return Value("integer", value)
        return Value("long" if -_LONG <= value < _LONG else "bigInteger", value)
    if isinstance(value, float):
        return Value("double", value)
    return Value("json" if json_objects else "serializable", value)


def _number(value: object, what: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_request(f"Converter can only convert {what}")
    return value


def _narrow(value: float, half: int) -> int:
    """Return a number as Java narrows it: whole ones wrap around, fractions are cut and stay within the type."""
    if isinstance(value, int):
        return (value + half) % (2 * half) - half
    if math.isnan(value):
        return 0
    # Java goes by way of int for the small types: out of its range first, wrapped around afterwards.
    wide = max(half, _INT)
    whole = int(value) if math.isfinite(value) else (wide if value > 0 else -wide - 1)
    return (max(-wide, min(whole, wide - 1)) + half) % (2 * half) - half


def _read_string(value: object, _release: Release) -> Value:
    if not isinstance(value, str):
        raise bad_request("Converter can only convert strings")
    return Value("string", value)


def _read_integer(value: object, _release: Release) -> Value:
    return Value("integer", _narrow(_number(value, "integers"), _INT))


def _read_long(value: object, _release: Release) -> Value:
    return Value("long", _narrow(_number(value, "longs"), _LONG))


def _read_short(value: object, _release: Release) -> Value:
    return Value("short", _narrow(_number(value, "shorts"), 2**15))


def _read_double(value: object, _release: Release) -> Value:
    number = _number(value, "doubles")
    try:
        return Value("double", float(number))
    except OverflowError:
        return Value("double", math.inf if number > 0 else -math.inf)


def _read_boolean(value: object, _release: Release) -> Value:
    if not isinstance(value, bool):
        raise bad_request("Converter can only convert booleans")
    return Value("boolean", value)


def _read_big_decimal(value: object, _release: Release) -> Value:
    text = value if isinstance(value, str) else _scalar_text(value)
    if found := _DECIMAL.fullmatch(text):
        if len((found[1] or "").lstrip("+-0")) >= 10:  # noqa: PLR2004 - digits that a 32-bit scale has no room for
            raise internal_error("Too many nonzero exponent digits.")
        return Value("bigDecimal", Decimal(text))
    wrong = next((character for character in text if character not in _DECIMAL_CHARACTERS), None)
    if wrong is None:
        raise internal_error(None)
    what = f'Character {wrong} is neither a decimal digit number, decimal point, nor "e" notation exponential mark.'
    raise internal_error(what)


def _read_big_integer(value: object, _release: Release) -> Value:
    text = value if isinstance(value, str) else _scalar_text(value)
    if not _INTEGER.fullmatch(text):
        raise internal_error(f'For input string: "{text}"' if text else "Zero length BigInteger")
    return Value("bigInteger", int(text))


def _read_date(value: object, release: Release) -> Value:
    text = _date_text(value, "date")
    try:
        return Value("date", parse_date(text, strict=release.iso_dates))
    except WrongDateError:
        raise bad_request(f"The given variable value is not a date: '{text}'") from None


def _read_instant(value: object, _release: Release) -> Value:
    text = _date_text(value, "instant")
    try:
        return Value("instant", parse_instant(text))
    except WrongDateError:
        raise bad_request(f"The given variable value is not an instant: '{text}'") from None


def _read_local_date(value: object, _release: Release) -> Value:
    text = _date_text(value, "localDate")
    try:
        return Value("localDate", parse_local_date(text))
    except WrongDateError:
        raise bad_request(f"The given variable value is not a localDate: '{text}'") from None


def _read_local_date_time(value: object, _release: Release) -> Value:
    text = _date_text(value, "localDateTime")
    try:
        return Value("localDateTime", parse_local_date_time(text))
    except WrongDateError:
        raise bad_request(f"The given variable value is not a localDateTime: '{text}'") from None


def _date_text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise bad_request(f"Converter can only convert string to {what}")
    return value


def _read_json(value: object, _release: Release) -> Value:
    return _natural(value, json_objects=True)


_READERS: Final[dict[str, Callable[[Any, Release], Value]]] = {
    "string": _read_string,
    "integer": _read_integer,
    "long": _read_long,
    "short": _read_short,
    "double": _read_double,
    "bigDecimal": _read_big_decimal,
    "bigInteger": _read_big_integer,
    "boolean": _read_boolean,
    "date": _read_date,
    "instant": _read_instant,
    "localDate": _read_local_date,
    "localDateTime": _read_local_date_time,
    "json": _read_json,
}


# ---------------------------------------------------------------- out

_AS_THEY_ARE: Final = frozenset({"string", "integer", "long", "short", "boolean", "json"})


def write_variable(name: str, stored: Value, release: Release) -> dict[str, Any]:
    """Return a variable as the engine's JSON shows it: without `type` when it is null."""
    kind, value = stored
    if kind in _AS_THEY_ARE:
        return {"name": name, "type": kind, "value": value}
    if kind == "null":
        return {"name": name, "value": None}
    writer = _WRITERS.get(kind)
    if writer is None or (not release.has_big_numbers and kind in {"bigDecimal", "bigInteger"}):
        return {"name": name, "type": "binary" if kind == "binary" else "serializable", "value": None}
    return {"name": name, "type": kind, "value": writer(value, release)}


def _write_date(value: int, release: Release) -> str:
    return instant_text(value) if release.iso_dates else short_date_text(value)


_WRITERS: Final[dict[str, Callable[[Any, Release], Any]]] = {
    "double": lambda value, _: value if math.isfinite(value) else str(value).replace("inf", "Infinity"),
    "bigDecimal": lambda value, _: format(value, "f"),
    "bigInteger": lambda value, _: str(value),
    "date": _write_date,
    "instant": lambda value, _: instant_text(value),
    "localDate": lambda value, _: value.isoformat(),
    "localDateTime": lambda value, _: local_date_time_text(value),
}


# ---------------------------------------------------------------- Python's side


def from_python(value: object) -> Value:  # noqa: PLR0911 - one for each type
    """Return a Python value as the engine would store it.

    Whole numbers become the smallest of `integer`, `long` and `bigInteger` that holds them; aware datetimes become
    `instant`, naive ones `localDateTime`; dicts and lists `json`; bytes `binary`; everything else, UUIDs included,
    `serializable`. A `Value` is taken as it is.
    """
    if isinstance(value, Value):
        return value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return Value("localDateTime", value.replace(microsecond=value.microsecond // 1000 * 1000))
        return Value("instant", millis_of(value))
    if isinstance(value, date):
        return Value("localDate", value)
    if isinstance(value, Decimal):
        return Value("bigDecimal", value)
    if isinstance(value, bytes | bytearray):
        return Value("binary", bytes(value))
    if value is None or isinstance(value, bool | str | int | float | dict | list):
        return _natural(value, json_objects=True)
    return Value("serializable", value)


def to_python(stored: Value) -> Any:  # noqa: ANN401 - whatever was stored
    """Return a stored value as a test wants to compare it: moments as aware datetimes, the rest as Python has it."""
    kind, value = stored
    if kind in {"date", "instant"}:
        return moment(value)
    return value
