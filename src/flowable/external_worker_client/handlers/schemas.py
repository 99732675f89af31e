"""Schemas of pydantic, made stricter where its strict mode lets something pass for what it is not. Pure.

It takes digits as seconds since 1970 wherever there is a JSON, `True` as the 1 of a `Literal` or an enum, and for a
float a Decimal, and whole numbers that it rounds. In a JSON, a union takes the first member that can be made of text,
although text itself is a member.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias, cast

#: A node of what `TypeAdapter(…).core_schema` is.
Schema: TypeAlias = dict[str, Any]

#: Makes a validator of a schema and the configuration around it.
Make: TypeAlias = Callable[[Schema, Any], Any]

#: Makes the error that pydantic lists: its type, its message, and what is put into that.
MakeError: TypeAlias = Callable[..., Exception]

_TEMPORAL: Final = frozenset({"date", "datetime", "time", "timedelta"})

#: What JSON has itself: where it is a member of a union, nothing else is made of it.
_OF_JSON: Final = frozenset({"str", "int", "float", "bool", "none"})

#: Where a node has other nodes: one, a list, or a dict of them.
_INSIDE: Final = frozenset(
    {
        *("schema", "items_schema", "keys_schema", "values_schema", "extras_schema", "json_schema", "python_schema"),
        *("lax_schema", "strict_schema", "arguments_schema", "fields", "choices", "steps", "definitions"),
        *("var_args_schema", "var_kwargs_schema"),
    }
)

#: Nodes that no value out of a variable is ever of: `type[…]`, `Callable`. An `Iterable` would be lazy.
_NEVER: Final = frozenset({"is-subclass", "callable"})

_NUMBER: Final = re.compile(r"\s*[-+]?[\d_]*\.?[\d_]*\s*")


def never(schema: object, *, optional: bool = False) -> bool:
    """Tell whether a schema asks for something that no variable can be converted to.

    Args:
        schema: A node, a list or a dict of nodes, or whatever else there may be.
        optional: Whether it has a default, which may be anything.
    """
    if isinstance(schema, list | tuple):
        return any(never(each, optional=optional) for each in cast("list[object]", schema))
    if not isinstance(schema, dict):
        return False
    node = cast("Schema", schema)
    kind = node.get("type")
    if not isinstance(kind, str):
        return any(never(each) for each in node.values())
    if kind == "generator" or (not optional and (kind in _NEVER or (kind == "is-instance" and node["cls"] is type))):
        return True
    return any(never(each, optional=kind == "default") for key, each in node.items() if key in _INSIDE)


class Strict:
    """Makes schemas strict.

    Args:
        make: Makes a validator.
        error: Makes an error.
    """

    def __init__(self, make: Make, error: MakeError) -> None:
        self._make = make
        self._error = error

    def of(self, schema: Any) -> Any:  # noqa: ANN401 - a node, several of them, or whatever else there may be
        """Return a copy that takes nothing for what it is not."""
        if isinstance(schema, list | tuple):
            members = [self.of(each) for each in cast("list[Any]", schema)]
            return members if isinstance(schema, list) else tuple(members)
        if not isinstance(schema, dict):
            return schema
        node = cast("Schema", schema)
        kind = node.get("type")
        if not isinstance(kind, str):
            return {key: self.of(each) for key, each in node.items()}
        made = {key: self.of(each) if key in _INSIDE else each for key, each in node.items()}
        if (stricter := self._stricter(kind, made)) is None:
            return made
        # Others refer to it by this.
        return {**stricter, "ref": node["ref"]} if "ref" in node else stricter

    def _stricter(self, kind: str, node: Schema) -> Schema | None:
        node = {key: each for key, each in node.items() if key != "ref"}
        if kind in _TEMPORAL:
            return self._temporal(node, kind)
        if kind == "literal":
            values = [getattr(each, "value", each) for each in node["expected"]]
            return _function("wrap", self._no_other_bool(kind, values), node) if _numbers(values) else None
        if kind == "enum":
            values = [each.value for each in node["members"]]
            return self._enum(node, values) if _numbers(values) else None
        if kind == "float":
            return self._exact_float(node)
        if kind == "union" and node.get("mode", "smart") == "smart":
            return _text_first(node)
        return None

    def _temporal(self, node: Schema, kind: str) -> Schema:
        """Take text in ISO 8601 in a JSON only."""
        alone = self._make({key: each for key, each in node.items() if key != "serialization"}, None)

        def convert(value: object) -> object:
            if not isinstance(value, str):
                return alone.validate_python(value, strict=True)
            if is_number(value):
                raise self._error(f"{kind}_type", f"Input should be a valid {kind} in ISO 8601")
            return alone.validate_strings(value, strict=True)

        return _in_json(convert, node)

    def _enum(self, node: Schema, values: list[Any]) -> Schema:
        alone = self._make({key: each for key, each in node.items() if key != "serialization"}, None)
        check = self._no_other_bool("enum", values)

        def of_json(value: object) -> object:
            # As it stood in the JSON: older releases of pydantic want members otherwise.
            return alone.validate_json(json.dumps(value), strict=True)

        def convert(value: object) -> object:
            if not isinstance(value, str | int | float) or isinstance(value, Enum):
                return alone.validate_python(value, strict=True)
            return check(value, of_json)

        return _in_json(convert, node)

    def _no_other_bool(self, kind: str, values: list[Any]) -> Callable[[object, Callable[[object], Any]], object]:
        allowed = " or ".join(map(repr, values))

        def check(value: object, handler: Callable[[object], Any]) -> object:
            result = handler(value)
            if (
                isinstance(value, bool) is not isinstance(getattr(result, "value", result), bool)
                and result is not value
            ):
                raise self._error(f"{kind}_type", "Input should be {allowed}", {"allowed": allowed})
            return result

        return check

    def _exact_float(self, node: Schema) -> Schema:
        def check(value: object) -> object:
            if isinstance(value, Decimal):
                raise self._error("float_type", "Input should be a valid number")
            if type(value) is int and not -_EXACT <= value <= _EXACT and not _is_float(value):
                raise self._error("float_exact", "Input should be a number that a float holds exactly")
            return value

        return _function("before", check, node)


#: Up to here, every whole number is a float.
_EXACT: Final = 2**53


def _is_float(number: int) -> bool:
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


def is_number(text: str) -> bool:
    """Tell whether text would be read as a number, of seconds perhaps."""
    if _NUMBER.fullmatch(text):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _text_first(union: Schema) -> Schema | None:
    """Return a union in which what JSON has itself comes before what can be made of it."""
    first: list[Any] = []
    second: list[Any] = []
    for choice in union["choices"]:
        schema = cast("Schema", choice[0] if isinstance(choice, tuple) else choice)
        kind = schema["schema"]["type"] if schema["type"] == "function-before" else schema["type"]
        (first if kind in _OF_JSON else second).append(choice)
    if not first or not second:
        return None
    groups = [{"type": "union", "choices": each} for each in (first, second)]
    return {**union, "choices": groups, "mode": "left_to_right"}


def _in_json(convert: Callable[[object], object], node: Schema) -> Schema:
    """Return a node that converts in a JSON in another way."""
    # What is made of anything is no better a member of a union than text is.
    return {
        "type": "json-or-python",
        "json_schema": _function("after", convert, {"type": "any"}),
        "python_schema": node,
    }


def _numbers(values: list[Any]) -> bool:
    return any(isinstance(each, int) for each in values)


def _function(kind: str, function: Callable[..., object], schema: Schema) -> Schema:
    return {"type": f"function-{kind}", "function": {"type": "no-info", "function": function}, "schema": schema}


# ---------------------------------------------------------------- all variables in one


_THROUGH: Final = frozenset(
    {"nullable", "default", "function-before", "function-after", "function-wrap", "model", "dataclass"}
)

Convert: TypeAlias = Callable[[Any, object], object]


class Record:
    """Makes the schema of an object lenient in that it is made of a dict, and each field one that converts by itself.

    Args:
        schema: That of the object, strict.
        make: Makes a validator.
        convert: Converts a value with the validator of a field.
    """

    def __init__(self, schema: Schema, make: Make, convert: Convert) -> None:
        self._make = make
        self._convert = convert
        self._definitions: list[Schema] = schema["definitions"] if schema["type"] == "definitions" else []
        self._known = {each["ref"]: each for each in self._definitions}
        self.schema = self._opened(schema, None)

    def _opened(self, node: Schema, config: Any) -> Schema:  # noqa: ANN401 - a configuration of pydantic
        kind = node["type"]
        if kind == "definition-ref":
            return self._opened(self._known[node["schema_ref"]], config)
        if kind == "definitions":
            return {"type": kind, "schema": self._opened(node["schema"], config), "definitions": self._definitions}
        made = {key: each for key, each in node.items() if key not in {"strict", "ref"}}
        if "config" in node:
            config = made["config"] = {**cast("Schema", node["config"] or {}), "strict": False}
        if kind in _THROUGH:
            made["schema"] = self._opened(node["schema"], config)
        elif kind == "dict":
            made["values_schema"] = self._field(node.get("values_schema", {"type": "any"}), config, "")
        elif isinstance(fields := node.get("fields"), dict):
            named = cast("dict[str, Schema]", fields)
            made["fields"] = {name: self._of_field(each, config, name) for name, each in named.items()}
        elif isinstance(fields, list):
            made["fields"] = [self._of_field(each, config, each["name"]) for each in cast("list[Schema]", fields)]
        return made

    def _of_field(self, field: Schema, config: Any, name: str) -> Schema:  # noqa: ANN401 - as above
        return {**field, "schema": self._field(field["schema"], config, name)}

    def _field(self, node: Schema, config: Any, name: str) -> Schema:  # noqa: ANN401 - as above
        if node["type"] == "default":
            return {**node, "schema": self._field(node["schema"], config, name)}
        around = _Around()
        inner: Schema = around.known_to(node)
        validator = self._make({"type": "definitions", "schema": inner, "definitions": self._definitions}, config)

        def convert(value: object, info: Any) -> object:  # noqa: ANN401 - of pydantic
            with around.being(info):
                return self._convert(validator, value)

        # Releases of pydantic that do not know the name of the field by themselves are told.
        function = {"type": "with-info", "function": convert, "field_name": name}
        return {"type": "function-plain", "function": function}


class _Around(threading.local):
    """What validators of a field are told of the fields before it."""

    info: Any = None

    @contextmanager
    def being(self, info: Any) -> Generator[None, None, None]:  # noqa: ANN401 - of pydantic
        before, self.info = self.info, info
        try:
            yield
        finally:
            self.info = before

    def known_to(self, node: Any) -> Any:  # noqa: ANN401 - a schema, or several
        """Return a copy whose functions are told, but for those of other objects inside."""
        if isinstance(node, list | tuple):
            members = [self.known_to(each) for each in cast("list[Any]", node)]
            return members if isinstance(node, list) else tuple(members)
        if not isinstance(node, dict):
            return node
        schema = cast("Schema", node)
        if schema.get("type") in {"model", "dataclass", "typed-dict"}:
            return schema
        made = {key: self.known_to(each) if key in _INSIDE else each for key, each in schema.items()}
        function = made.get("function")
        if isinstance(function, dict) and (known := cast("Schema", function)).get("type") == "with-info":
            made["function"] = {"type": "no-info", "function": self._told(known["function"])}
        return made

    def _told(self, function: Callable[..., object]) -> Callable[..., object]:
        # A value and, around others, what goes on with it.
        return lambda *args: function(*args, self.info)
