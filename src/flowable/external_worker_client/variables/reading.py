"""From what the engine sent to Python."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import shorten
from flowable.external_worker_client.variables.unreadable import Unreadable


def read(variable: EngineRestVariable) -> object:
    """Return the Python value of a variable.

    `string` is `str`; `integer`, `long`, `short` and `bigInteger` are `int`; `double` is `float`; `bigDecimal` is
    `Decimal`; `boolean` is `bool`; `instant` and `date` are aware datetimes in UTC; `localDateTime` is a naive
    datetime; `localDate` is a `date`; `json` is what JSON says. A null of any type is `None`.

    `binary` and `serializable`, whose content the engine keeps to itself, are `Unreadable`; so is what Python has no
    room for, such as a date after the year 9999. A type that nobody here knows, from an extension of the engine, has
    the JSON value that came.
    """
    kind, value = variable.type, variable.value
    if kind in _KEPT_BACK:
        return Unreadable(variable.name, kind)
    if kind is None or value is None or kind not in _CONVERT:
        return value
    convert, goal = _CONVERT[kind]
    try:
        return convert(value)
    except (ValueError, TypeError, ArithmeticError):
        return Unreadable(variable.name, kind, f"Python cannot hold {shorten(value)} as {goal}")


def _integer(value: Any) -> int:  # noqa: ANN401 - JSON
    # A number from a JSON text is one already; `bigInteger` comes as text.
    return value if isinstance(value, int) else int(_text(value))


def _decimal(value: Any) -> Decimal:  # noqa: ANN401 - JSON
    try:
        number = Decimal(str(value) if isinstance(value, int | float) else _text(value))
    except InvalidOperation as error:
        raise ValueError(value) from error
    if not number.is_finite():
        raise ValueError(value)
    return number


def _moment(value: Any) -> datetime:  # noqa: ANN401 - JSON
    read_ = datetime.fromisoformat(_text(value))
    return read_.replace(tzinfo=UTC) if read_.tzinfo is None else read_.astimezone(UTC)


def _local_date_time(value: Any) -> datetime:  # noqa: ANN401 - JSON
    read_ = datetime.fromisoformat(_text(value))
    if read_.tzinfo is not None:
        raise ValueError(value)
    return read_


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(value)


_KEPT_BACK: Final = frozenset({"binary", "serializable"})

_CONVERT: Final[dict[str, tuple[Callable[[Any], object], str]]] = {
    "bigInteger": (_integer, "an int"),
    # What Java has beyond the numbers comes as text: "NaN", "Infinity".
    "double": (float, "a float"),
    "bigDecimal": (_decimal, "a Decimal"),
    "instant": (_moment, "a datetime"),
    "date": (_moment, "a datetime"),
    "localDateTime": (_local_date_time, "a naive datetime"),
    "localDate": (lambda value: date.fromisoformat(_text(value)), "a date"),
}
