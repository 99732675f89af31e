"""Python values as JSON, at any depth.

The result is a copy that consists of dicts, lists, text, numbers, booleans and `None` only: what is sent is what was
checked. Nothing here recurses, because the engine reads almost as many levels as Python has stack.
"""

from __future__ import annotations

import dataclasses
import json
import numbers
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, cast
from uuid import UUID

from flowable.external_worker_client.variables import texts
from flowable.external_worker_client.variables.refusal import Refused
from flowable.external_worker_client.variables.table import DEEPEST_JSON
from flowable.external_worker_client.variables.unreadable import Unreadable

#: What can be written at all.
ACCEPTED: Final = (
    "text, a number, True, False, None, a date, datetime, time, timedelta, Decimal, UUID or enum, "
    "or a dict, list, tuple, dataclass or pydantic model of these"
)

#: From here on it is tried whether Python itself can make the text.
_DEEP: Final = 200

_Members = Iterator[tuple[object, object]]


def members(value: object) -> tuple[dict[str, object] | list[object], _Members] | None:
    """Return an empty dict or list and what goes into it, or `None` for a value that has no members."""
    if isinstance(value, list | tuple):
        return [], enumerate(cast("Iterable[object]", value))
    if isinstance(value, Mapping):
        return {}, iter(cast("Mapping[object, object]", value).items())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {}, ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    return None


def unwrapped(value: object) -> object:
    """Return an enum's value, and a pydantic model as JSON; anything else as it is."""
    while isinstance(value, Enum):
        value = value.value
    return dumped(value) if is_model(value) else value


def is_model(value: object) -> bool:
    """Tell whether a value is a pydantic model or dataclass, which says itself what it is as JSON."""
    # Not by isinstance: pydantic is not imported for this.
    return not isinstance(value, type) and hasattr(type(value), "__pydantic_serializer__")


def dumped(value: object) -> object:
    """Return a pydantic model as JSON, by its own rules and aliases."""
    model = cast("Any", value)
    try:
        if callable(dump := getattr(type(value), "model_dump", None)):
            return dump(model, mode="json", by_alias=True)
        return cast("object", type(value).__pydantic_serializer__.to_python(model, mode="json", by_alias=True))  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    except ValueError as error:
        raise Refused(value, f"a model that can be turned into JSON ({error})") from error


def to_json(value: object) -> object:
    """Return a value as JSON.

    Raises:
        Refused: It is, or holds, something that JSON cannot say, nests too deep, or holds itself.
    """
    result, inside = _opened(value, "")
    stack: list[tuple[Any, str, _Members]] = [] if inside is None else [(result, "", inside)]
    deepest = len(stack)
    while stack:
        container, path, remaining = stack[-1]
        for key, each in remaining:
            place = f"{path}[{key!r}]"
            converted, inside = _opened(each, place)
            if isinstance(container, list):
                cast("list[object]", container).append(converted)
            else:
                name = _name(key, place)
                if name in container:
                    raise Refused(key, f"no other than the name {name!r}, which is there already", path)
                container[name] = converted
            if inside is not None:
                if len(stack) >= DEEPEST_JSON:
                    raise Refused(value, f"nested at most {DEEPEST_JSON} levels deep, and not hold itself")
                stack.append((converted, place, inside))
                deepest = max(deepest, len(stack))
                break
        else:
            stack.pop()
    if deepest > _DEEP:
        _try(result, value)
    return result


def _try(result: object, value: object) -> None:
    try:
        json.dumps(result)
    except RecursionError:
        raise Refused(value, "nested less deep: this Python cannot turn so many levels into JSON") from None


def _opened(value: object, path: str) -> tuple[object, _Members | None]:
    """Return a value as JSON, and the members that are still to be put into it."""
    try:
        value = unwrapped(value)
        found = members(value)
        return found if found is not None else (leaf(value), None)
    except Refused as refusal:
        raise Refused(refusal.value, refusal.accepted, path) from refusal.__cause__


def leaf(value: object) -> object:
    """Return a value without members as JSON."""
    exact = _BY_TYPE.get(type(value))
    if exact is not None:
        return exact(value)
    if isinstance(value, Unreadable):
        raise Refused(value, f"readable: this worker never got the content of {value.name!r}")
    for kind, convert in _BY_TYPE.items():
        if isinstance(value, kind):
            return convert(value)
    if isinstance(value, numbers.Integral):
        return operator.index(value)
    hint = " (bytes can be sent as text: base64.b64encode(value).decode())" if isinstance(value, bytes) else ""
    raise Refused(value, ACCEPTED + hint)


def _name(key: object, path: str) -> str:
    """Return the key of a dict as the name of a member."""
    try:
        key = unwrapped(key)
        if isinstance(key, str):
            return texts.plain_text(key)
        if isinstance(key, int | UUID | date) and not isinstance(key, bool):
            return str(leaf(key))
    except Refused as refusal:
        raise Refused(refusal.value, refusal.accepted, path) from None
    raise Refused(key, "text, a whole number, a date, a datetime or a UUID, to be the name of a member", path)


def _whole(value: int) -> int:
    # A plain one: enums and other subclasses have a text of their own.
    number = operator.index(value)
    # Some are larger than Python writes out.
    texts.digits(number)
    return number


#: In this order: True is an int, and a datetime is a date.
_BY_TYPE: Final[dict[type, Callable[[Any], object]]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    str: texts.plain_text,
    int: _whole,
    float: texts.double,
    Decimal: texts.decimal_inside,
    datetime: texts.datetime_inside,
    date: texts.local_date,
    time: texts.local_time,
    timedelta: texts.duration,
    UUID: str,
}
