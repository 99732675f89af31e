"""From Python to what the engine is sent."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from flowable.external_worker_client import arguments
from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.variables import releases, texts
from flowable.external_worker_client.variables.json_values import members, to_json, unwrapped
from flowable.external_worker_client.variables.refusal import Refused
from flowable.external_worker_client.variables.releases import Release
from flowable.external_worker_client.variables.table import INTEGER, LONG, SHORT
from flowable.external_worker_client.variables.typed import Typed


def write(
    name: str, value: object, *, release: Release | None = None, parameter: str | None = None
) -> EngineRestVariable:
    """Return a variable of the type that keeps a Python value.

    - `None` is a null, `str` a `string`, `bool` a `boolean`, `float` a `double`;
    - `int` is an `integer`, beyond 32 bits a `long`, beyond 64 bits a `bigInteger`; `Decimal` is a `bigDecimal`;
    - an aware datetime is an `instant`, a naive one a `localDateTime`, both cut to milliseconds, which is all that the
      engine keeps; a `date` is a `localDate`;
    - `UUID`, `time` and `timedelta` (in the form of ISO 8601) are a `string`; an enum is its value;
    - dicts, lists, tuples, dataclasses and pydantic models are a `json`. Within, datetimes, dates, times, timedeltas,
      UUIDs and Decimals are text, and so are names of members, which may be whole numbers, dates and UUIDs too. A
      pydantic model follows its own rules and aliases, as in `model_dump(mode="json", by_alias=True)`;
    - `Typed` insists on a type.

    Args:
        name: Its name in the process or case.
        value: Its value.
        release: What the engine can hold. `None`: not known; what it cannot hold, it refuses when it is sent.
        parameter: What the caller knows the value by, for errors. `None`: `variables['name']`.

    Raises:
        InvalidArgumentError: The name is no text or longer than 255 characters, or the value would be damaged on its
            way: it is of no type above (bytes, sets), too large for its type, not finite, text with lone surrogates, or
            with U+0000 (except in texts of more than 4000 characters and within a `json`), or `json` nested deeper than
            997 levels. Or the release does not have the type. The place within the value is named too.
    """
    arguments.variable_name(name)
    label = f"variables[{name!r}]" if parameter is None else parameter
    try:
        kind, wire = _typed(value) if isinstance(value, Typed) else _natural(value)
    except Refused as refusal:
        raise InvalidArgumentError(label + refusal.path, refusal.value, refusal.accepted) from refusal.__cause__
    variable = EngineRestVariable(name, kind, wire)
    if release is not None and (accepted := releases.refusal(variable, release)) is not None:
        raise InvalidArgumentError(label, value, accepted)
    return variable


def _natural(value: object) -> tuple[str | None, object]:
    """Return type and value on the wire for a value by itself."""
    write_exact = _BY_TYPE.get(type(value))
    if write_exact is not None:
        return write_exact(value)
    value = unwrapped(value)
    for kind, write_kind in _BY_TYPE.items():
        if isinstance(value, kind):
            return write_kind(value)
    if isinstance(value, numbers.Integral):
        return _int(operator.index(value))
    # What has no members is refused in there.
    return "json", to_json(value)


def _int(value: int) -> tuple[str, object]:
    # A plain one: `range` looks for an enum by going through all its numbers.
    number = operator.index(value)
    if number in INTEGER:
        return "integer", number
    return ("long", number) if number in LONG else ("bigInteger", texts.big_integer(number))


def _datetime(value: datetime) -> tuple[str, object]:
    return (
        ("instant", texts.instant(value)) if texts.is_aware(value) else ("localDateTime", texts.local_date_time(value))
    )


#: In this order: True is an int, and a datetime is a date.
_BY_TYPE: Final[dict[type, Callable[[Any], tuple[str | None, object]]]] = {
    type(None): lambda _: (None, None),
    bool: lambda value: ("boolean", value),
    str: lambda value: ("string", texts.string(value)),
    int: _int,
    float: lambda value: ("double", texts.double(value)),
    Decimal: lambda value: ("bigDecimal", texts.big_decimal(value)),
    datetime: _datetime,
    date: lambda value: ("localDate", texts.local_date(value)),
    time: lambda value: ("string", texts.local_time(value)),
    timedelta: lambda value: ("string", texts.duration(value)),
    UUID: lambda value: ("string", str(value)),
    dict: lambda value: ("json", to_json(value)),
    list: lambda value: ("json", to_json(value)),
}


# ---------------------------------------------------------------- Typed


def _typed(typed: Typed) -> tuple[str, object]:
    """Return type and value on the wire for a type that somebody insists on."""
    value = unwrapped(typed.value)
    return typed.type, None if value is None else _INSISTING[typed.type](value)


def _insist_string(value: object) -> str:
    kind, wire = _natural(value)
    if kind == "string" and isinstance(wire, str):
        return wire
    raise Refused(value, "text, a UUID, time or timedelta to be a string")


def _insist_boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise Refused(value, "True or False to be a boolean")


def _within(numbers_: range, kind: str) -> Callable[[object], int]:
    def insist(value: object) -> int:
        number = _whole(value, kind)
        if number in numbers_:
            return number
        raise Refused(value, f"a whole number from {numbers_.start} to {numbers_.stop - 1} to be of type {kind}")

    return insist


def _whole(value: object, kind: str) -> int:
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return operator.index(value)
    raise Refused(value, f"a whole number to be of type {kind}")


def _insist_double(value: object) -> float:
    if isinstance(value, float):
        return texts.double(value)
    accepted = "a finite float, or a whole number that a float can hold, to be a double"
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(value, accepted)
    try:
        number = float(value)
    except OverflowError:
        raise Refused(texts.Huge(value), accepted) from None
    if number != value:
        raise Refused(value, accepted)
    return number


def _insist_big_decimal(value: object) -> str:
    if isinstance(value, Decimal):
        return texts.big_decimal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return texts.big_integer(value)
    raise Refused(value, "a Decimal or a whole number to be a bigDecimal (a float has other digits than it shows)")


def _aware(value: object) -> datetime:
    if isinstance(value, datetime) and texts.is_aware(value):
        return value
    raise Refused(value, "an aware datetime: a date or time alone is a moment only together with a zone")


def _insist_naive(value: object) -> str:
    if isinstance(value, datetime) and not texts.is_aware(value):
        return texts.local_date_time(value)
    raise Refused(value, "a naive datetime to be a localDateTime")


def _insist_date(value: object) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return texts.local_date(value)
    raise Refused(value, "a date, and no datetime, to be a localDate")


def _insist_json(value: object) -> object:
    if members(value) is None:
        raise Refused(
            value, "a dict, list, tuple, dataclass or model: others the engine stores under types of their own"
        )
    return to_json(value)


_INSISTING: Final[Mapping[str, Callable[[object], object]]] = {
    "string": _insist_string,
    "boolean": _insist_boolean,
    "short": _within(SHORT, "short"),
    "integer": _within(INTEGER, "integer"),
    "long": _within(LONG, "long"),
    "bigInteger": lambda value: texts.big_integer(_whole(value, "bigInteger")),
    "double": _insist_double,
    "bigDecimal": _insist_big_decimal,
    "date": lambda value: texts.engine_date(_aware(value)),
    "instant": lambda value: texts.instant(_aware(value)),
    "localDate": _insist_date,
    "localDateTime": _insist_naive,
    "json": _insist_json,
}
