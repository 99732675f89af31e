"""The pydantic validator of one handler, for all its parameters.

It is strict, because the engine has typed the variables already: text is no number, a number is no text, and a `True`
is no 1. A value that is of the annotated type stays as it is. Otherwise it is read as the same value in a JSON text
would be, where text may stand for dates, UUIDs, Decimals and enums, and objects for dataclasses and models; that goes
for everything inside of `json` variables.

pydantic is imported here, when there is a parameter that needs it, and nowhere else in this package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Protocol, TypeAlias, cast

from flowable.external_worker_client.handlers.annotations import shown, typed_dict, usable
from flowable.external_worker_client.handlers.parameters import Signature

#: What a JSON text can hold. The other values that variables have are of one Python type exactly.
JSON_TYPES: Final = frozenset({str, int, float, bool, dict, list, type(None)})

#: For these, pydantic's strict mode takes nothing for what it is not.
_EXACT: Final[tuple[object, ...]] = (str, int, bool, Decimal)

_NUMBER: Final = re.compile(r"\s*[-+]?[\d_]*\.?[\d_]*\s*")

_Errors: TypeAlias = list[dict[str, Any]]


class _SchemaValidator(Protocol):
    """What is used of the `SchemaValidator` of a `TypeAdapter` of pydantic."""

    def validate_python(self, value: object, /, *, strict: bool | None = None) -> Any:  # noqa: ANN401 - as annotated
        ...

    def validate_json(self, data: bytes, /, *, strict: bool | None = None) -> Any:  # noqa: ANN401 - as annotated
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that pydantic found.

    Attributes:
        path: To the value: the parameter, and keys and indexes within.
        expected: What it should be.
        annotated: The same, without anything that the value could be told from.
        value: What it is.
        missing: Whether it is not there at all.
    """

    path: tuple[str | int, ...]
    expected: str
    annotated: str
    value: object
    missing: bool = False


class Validator:
    """The validator for all parameters of a handler."""

    def __init__(self, signature: Signature, typed: Mapping[str, Any]) -> None:
        import pydantic_core  # noqa: PLC0415 - only when there is something to check
        from pydantic import TypeAdapter  # noqa: PLC0415 - the same

        self._invalid: type[Exception] = pydantic_core.ValidationError
        self._unsendable: type[Exception] = pydantic_core.PydanticSerializationError
        self._to_json: Callable[[Any], bytes] = pydantic_core.to_json
        self._annotations = typed
        self._loose = [name for name, annotation in typed.items() if annotation not in _EXACT]
        checked = {name: usable(annotation) for name, annotation in typed.items()}

        def validator(annotations: Mapping[str, Any]) -> _SchemaValidator:
            made = typed_dict("Arguments", {name: (each, False) for name, each in annotations.items()})
            return cast("_SchemaValidator", TypeAdapter(made).validator)

        try:
            self._validator = validator(checked)
        except Exception:  # whatever pydantic and the person's hooks raise
            for name, annotation in checked.items():
                try:
                    validator({name: annotation})
                except Exception as error:
                    what = f"its parameter {name!r} is annotated with {shown(typed[name])}: {_first_line(error)}"
                    raise signature.refuse(what, "a type that pydantic can check") from error
            raise

    def check(
        self, plain: Mapping[str, object], as_json: Mapping[str, object], arguments: dict[str, object]
    ) -> Iterable[Found]:
        """Convert values into arguments, and return what is wrong with them.

        Args:
            plain: Values that are to be of the annotated type already, by parameter.
            as_json: Values that are read as JSON.
            arguments: What could be converted is added to it, if everything could.
        """
        errors: dict[str, list[Found]] = {}
        if plain:
            errors = self._run(plain, self._validator.validate_python, plain, arguments)
            if errors:
                again = {name: plain[name] for name in errors if type(plain[name]) in JSON_TYPES}
                right = {name: value for name, value in plain.items() if name not in errors}
                errors = {name: each for name, each in errors.items() if name not in again}
                errors |= self._run(right, self._validator.validate_python, right, arguments)
                as_json = {**as_json, **again}
        if as_json:
            errors |= self._read_as_json(as_json, arguments)
        return [error for name in self._annotations if name in errors for error in errors[name]] if errors else ()

    def _read_as_json(self, values: Mapping[str, object], arguments: dict[str, object]) -> dict[str, list[Found]]:
        try:
            text = self._to_json(values)
        except (self._unsendable, ValueError, RecursionError):
            # Lone surrogates, or nested deeper than pydantic goes: as Python values, they still may pass.
            return self._run(values, self._validator.validate_python, values, arguments)
        return self._run(text, self._validator.validate_json, values, arguments)

    def _run(
        self,
        given: Any,  # noqa: ANN401 - as the function takes it
        validate: Callable[..., Any],
        values: Mapping[str, object],
        arguments: dict[str, object],
    ) -> dict[str, list[Found]]:
        """Validate, and return the errors by parameter. Without any, the arguments are there."""
        try:
            converted = cast("dict[str, object]", validate(given, strict=True))
        except self._invalid as error:
            listed = cast("_Errors", cast("Any", error).errors(include_url=False, include_context=False))
            if any(each["type"] == "json_invalid" for each in listed):
                # Deeper than its reader of JSON goes.
                return self._run(values, self._validator.validate_python, values, arguments)
            return _grouped(listed, values, self._annotations)
        arguments.update(converted)
        wrong: dict[str, list[Found]] = {}
        for name in self._loose:
            if name in converted and _changed(value := values[name], converted[name]):
                expected = shown(self._annotations[name])
                wrong[name] = [Found((name,), expected, expected, value)]
        return wrong


def _changed(value: object, result: object) -> bool:
    """Tell whether pydantic took a value for what it is not, which strict mode lets pass in three places."""
    if type(value) is type(result):
        return False
    if isinstance(value, bool):
        # Literal[1] and enums of numbers take True.
        return isinstance(result, int) or (isinstance(result, Enum) and result.value is not value)
    if isinstance(value, Decimal):
        return isinstance(result, float)
    if isinstance(value, str):
        # Digits as seconds since 1970.
        return isinstance(result, date | time | timedelta) and _NUMBER.fullmatch(value) is not None
    return False


def _grouped(listed: _Errors, values: Mapping[str, object], annotations: Mapping[str, Any]) -> dict[str, list[Found]]:
    """Return errors by parameter. Those about one value, such as from the members of a union, are one."""
    places: dict[tuple[str | int, ...], list[dict[str, Any]]] = {}
    for each in listed:
        places.setdefault(_path(each["loc"], values, missing=each["type"] == "missing"), []).append(each)
    grouped: dict[str, list[Found]] = {}
    for path, errors in places.items():
        name = str(path[0])
        missing = all(each["type"] == "missing" for each in errors)
        expected = " or ".join(dict.fromkeys(_expected(each["msg"]) for each in errors))
        if len(path) == 1:
            # What the person wrote says it best; pydantic's word for it may say more.
            annotation = shown(annotations[name])
            custom = all(each["type"] in _OF_ITS_OWN for each in errors)
            expected = annotation if custom or len(errors) > 1 else f"{annotation} ({expected})"
        private = shown(annotations[name]) if len(path) == 1 else "what it is annotated with"
        value = errors[0]["input"]
        grouped.setdefault(name, []).append(Found(path, expected, private, value, missing))
    return grouped


#: Errors that say no more than the annotation does.
_OF_ITS_OWN: Final = frozenset(
    f"{name}_type"
    for name in ("string", "int", "float", "bool", "decimal", "datetime", "date", "dict", "list", "dataclass", "model")
)


def _path(steps: tuple[str | int, ...], values: object, *, missing: bool) -> tuple[str | int, ...]:
    """Return the way to a value, without the names of types that pydantic puts in between."""
    path: list[str | int] = []
    for number, step in enumerate(steps):
        if isinstance(values, dict) and step in values:
            values = cast("dict[object, object]", values)[step]
        elif isinstance(values, list) and isinstance(step, int) and step < len(cast("list[object]", values)):
            values = cast("list[object]", values)[step]
        elif not (missing and number == len(steps) - 1):
            continue
        path.append(step)
    return tuple(path)


def _expected(message: str) -> str:
    text = message.removeprefix("Input should be ").removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return "a value" if text == "Field required" else text[:1].lower() + text[1:] if text[1:2].islower() else text


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
