"""Annotations, as types that are looked into, shown and handed to pydantic."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Mapping
from datetime import time, timedelta
from enum import Enum
from typing import Any, Final, cast
from uuid import UUID

#: With these, every value is taken as it is.
ANYTHING: Final[tuple[object, ...]] = (Any, object, inspect.Parameter.empty)

#: Values of these types are not of them in JSON: to look whether they are would be in vain.
_ONLY_FROM_JSON: Final = (Enum, UUID, time, timedelta, tuple, set, frozenset)

_UNIONS: Final = (typing.Union, types.UnionType)

_MODULES: Final = re.compile(r"\b(?:\w+\.|<locals>\.)+(?=\w)")


def shown(annotation: Any) -> str:  # noqa: ANN401 - a type
    """Return an annotation as people write it, without the modules."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if annotation in ANYTHING:
        return "any value"
    return _MODULES.sub("", inspect.formatannotation(annotation)).replace("NoneType", "None")


def without_none(annotation: Any) -> Any:  # noqa: ANN401 - a type
    """Return the type that is combined with `None`, or the annotation if it is not of this form."""
    if typing.get_origin(annotation) not in _UNIONS:
        return annotation
    members = [each for each in typing.get_args(annotation) if each is not type(None)]
    return members[0] if len(members) == 1 else annotation


def only_from_json(annotation: Any) -> bool:  # noqa: ANN401 - a type
    """Tell whether a value out of a JSON can only be of this type by being converted, `None` and `[]` aside."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return only_from_json(args[0])
    if origin in _UNIONS:
        members = [each for each in args if each is not type(None)]
        return bool(members) and all(only_from_json(each) for each in members)
    if origin in {list, dict}:
        return only_from_json(args[-1])
    if origin in {tuple, set, frozenset}:
        return True
    kind = cast("object", annotation)
    return isinstance(kind, type) and (
        issubclass(cast("type[object]", kind), _ONLY_FROM_JSON)
        or dataclasses.is_dataclass(cast("type[object]", kind))
        or typing.is_typeddict(cast("type[object]", kind))
        or hasattr(cast("type[object]", kind), "__pydantic_fields__")
    )


def is_plain_dict(annotation: Any) -> bool:  # noqa: ANN401 - a type
    """Tell whether an annotation is a dict of whatever."""
    kind, args = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    return (kind is dict or kind is Mapping) and (not args or (args[0] is str and args[1] in ANYTHING))


def fields_of(annotation: Any) -> list[str]:  # noqa: ANN401 - a type
    """Return the names that a model, dataclass or TypedDict has for its fields, aliases in the place of names."""
    annotation = typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation
    annotation = typing.get_origin(annotation) or annotation
    if (fields := getattr(annotation, "__pydantic_fields__", None)) is not None:
        return [name for name, field in fields.items() if field.validation_alias is None]
    if dataclasses.is_dataclass(annotation):
        return [field.name for field in dataclasses.fields(annotation)]
    return list(annotation.__annotations__) if typing.is_typeddict(annotation) else []


def usable(annotation: Any) -> Any:  # noqa: ANN401 - a type
    """Return an annotation in which every TypedDict is one that pydantic takes: before 3.12, not that of `typing`."""
    if sys.version_info >= (3, 12):
        return annotation
    if typing.is_typeddict(annotation) and type(annotation).__module__ == "typing":
        hints = typing.get_type_hints(annotation, include_extras=True)
        return typed_dict(
            annotation.__name__,
            {name: _field(each, needed=name in annotation.__required_keys__) for name, each in hints.items()},
        )
    args = typing.get_args(annotation)
    # The parameters of a Callable are a list.
    members = tuple(cast("Any", each) if isinstance(each, list) else usable(each) for each in args)
    if all(one is other for one, other in zip(args, members, strict=True)):
        return annotation
    origin: Any = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner: Any = members[0]
        for each in annotation.__metadata__:
            inner = typing.Annotated[inner, each]
        return inner
    if origin in _UNIONS:
        return typing.Union[members]  # noqa: UP007 - made of a tuple
    return origin[members]


def _field(annotation: Any, *, needed: bool) -> tuple[Any, bool]:  # noqa: ANN401 - a type
    """Return the type of a member of a TypedDict, and whether it is required."""
    origin = typing.get_origin(annotation)
    if origin in {typing.Required, typing.NotRequired}:
        return usable(typing.get_args(annotation)[0]), origin is typing.Required
    return usable(annotation), needed


def typed_dict(name: str, members: Mapping[str, tuple[Any, bool]]) -> Any:  # noqa: ANN401 - a type
    """Return a TypedDict with these members: their types, and whether they are required."""
    import typing_extensions  # noqa: PLC0415 - comes with pydantic

    make = cast("Any", typing_extensions.TypedDict)
    fields = {key: (each if needed else typing.NotRequired[each]) for key, (each, needed) in members.items()}
    return make(name, fields)
