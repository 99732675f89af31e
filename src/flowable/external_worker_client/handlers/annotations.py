"""Annotations, as types that are looked into, shown and handed to pydantic."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
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


def is_union(annotation: Any) -> bool:  # noqa: ANN401 - a type
    """Tell whether an annotation, without its metadata, is a union."""
    return typing.get_origin(_bare(annotation)) in _UNIONS


def has_fields(annotation: Any) -> bool:  # noqa: ANN401 - a type
    """Tell whether values of a type are made of names and values: models, dataclasses, TypedDicts and dicts."""
    annotation = _bare(annotation)
    kind = typing.get_origin(annotation) or annotation
    if getattr(kind, "__pydantic_root_model__", False):
        return False
    record = dataclasses.is_dataclass(kind) or _is_typed_dict(kind) or _fields_of_model(kind) is not None
    return kind in {dict, Mapping} or record


def inside(annotation: Any) -> Iterator[object]:  # noqa: ANN401 - a type
    """Yield everything that an annotation consists of: itself, its members, its metadata, the fields of objects."""
    known: list[object] = []
    left: list[Any] = [annotation]
    while left:
        each = left.pop()
        yield each
        if not any(each is other for other in known):
            known.append(each)
            left.extend(_members(each))


def _members(annotation: Any) -> list[Any]:  # noqa: ANN401 - a type
    # The parameters of a Callable are a list.
    if isinstance(annotation, list):
        return cast("list[Any]", annotation)
    members = list(typing.get_args(annotation))
    kind = typing.get_origin(annotation) or annotation
    if kind is typing.Annotated:
        members += annotation.__metadata__
    elif type(annotation).__name__ == "TypeAliasType":
        members.append(annotation.__value__)
    elif isinstance(kind, type) and has_fields(kind) and kind not in {dict, Mapping}:
        members += _hints(cast("type[object]", kind))
    return members


def _fields_of_model(kind: Any) -> dict[str, Any] | None:  # noqa: ANN401 - a type
    """Return the fields of a model of pydantic, which is not imported for this. `None`: it is none."""
    if not isinstance(kind, type) or dataclasses.is_dataclass(cast("type[object]", kind)):
        return None
    # Releases before 2.10 have the latter only.
    fields = getattr(cast("Any", kind), "__pydantic_fields__", None)
    if fields is None and hasattr(cast("Any", kind), "__pydantic_validator__"):
        fields = getattr(cast("Any", kind), "model_fields", None)
    return fields


def _is_typed_dict(kind: Any) -> bool:  # noqa: ANN401 - a type
    """Tell whether a type is a TypedDict, of typing or of typing_extensions."""
    return isinstance(kind, type) and issubclass(kind, dict) and hasattr(cast("object", kind), "__required_keys__")


def _hints(kind: type) -> list[Any]:
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001 - what cannot be resolved, pydantic says better
        return []
    return list(hints.values())


def _bare(annotation: Any) -> Any:  # noqa: ANN401 - a type
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


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
        or _is_typed_dict(cast("type[object]", kind))
        or _fields_of_model(kind) is not None
    )


def is_plain_dict(annotation: Any) -> bool:  # noqa: ANN401 - a type
    """Tell whether an annotation is a dict of whatever."""
    kind, args = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    return (kind is dict or kind is Mapping) and (not args or (args[0] is str and args[1] in ANYTHING))


def fields_of(annotation: Any) -> list[str]:  # noqa: ANN401 - a type
    """Return the names that a model, dataclass or TypedDict has for its fields, aliases in the place of names."""
    annotation = _bare(annotation)
    annotation = typing.get_origin(annotation) or annotation
    if (fields := _fields_of_model(annotation)) is not None:
        return [name for name, field in fields.items() if field.validation_alias is None]
    if dataclasses.is_dataclass(annotation):
        return [field.name for field in dataclasses.fields(annotation)]
    return list(annotation.__annotations__) if _is_typed_dict(annotation) else []


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
