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
from typing import Any, Final, Protocol, TypeAlias, cast

from flowable.external_worker_client.handlers.annotations import shown, typed_dict, usable
from flowable.external_worker_client.handlers.parameters import Signature
from flowable.external_worker_client.handlers.schemas import Record, Schema, Strict, never

#: What a JSON text can hold. The other values that variables have are of one Python type exactly.
JSON_TYPES: Final = frozenset({str, int, float, bool, dict, list, type(None)})

#: How pydantic says what a value should be: "Input should be …", "List should have … after validation, not 0".
_SHOULD: Final = re.compile(r"(?:[\w-]+ ){1,3}?should (be|have|match) (.+?)(?: after validation, not .+)?")

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
    """The validator for all parameters of a handler.

    Args:
        signature: Of the handler.
        typed: The annotations of parameters that get a variable.
        records: Those of parameters that get all variables.

    Raises:
        InvalidHandlerError: One of them cannot be checked.
    """

    def __init__(self, signature: Signature, typed: Mapping[str, Any], records: Mapping[str, Any]) -> None:
        import pydantic_core  # noqa: PLC0415 - only when there is something to check
        from pydantic import TypeAdapter  # noqa: PLC0415 - the same

        self._invalid: type[Exception] = pydantic_core.ValidationError
        self._unsendable: type[Exception] = pydantic_core.PydanticSerializationError
        self._to_json: Callable[[Any], bytes] = pydantic_core.to_json
        self._annotations = {**typed, **records}

        def make(schema: Schema, config: Any) -> Any:  # noqa: ANN401 - a validator
            try:
                # Those that models have already are less strict.
                return cast("Any", pydantic_core.SchemaValidator)(schema, config, _use_prebuilt=False)
            except TypeError:
                return pydantic_core.SchemaValidator(cast("Any", schema), config)

        strict = Strict(make, pydantic_core.PydanticCustomError)

        def schema_of(annotation: Any) -> Schema:  # noqa: ANN401 - a type
            return cast("Schema", strict.of(TypeAdapter(annotation).core_schema))

        def validator(annotations: Mapping[str, Any]) -> _SchemaValidator:
            made = typed_dict("Arguments", {name: (usable(each), False) for name, each in annotations.items()})
            return cast("_SchemaValidator", make(schema_of(made), None))

        def record(annotation: Any) -> _SchemaValidator:  # noqa: ANN401 - a type
            return cast(
                "_SchemaValidator", make(Record(schema_of(usable(annotation)), make, self._either).schema, None)
            )

        for name, annotation in self._annotations.items():
            try:
                schema: Any = TypeAdapter(usable(annotation)).core_schema
            except Exception as error:  # whatever pydantic and the person's hooks raise
                what = f"its parameter {name!r} is annotated with {shown(annotation)}: {_first_line(error)}"
                raise signature.refuse(what, "a type that pydantic can check") from error
            if never(schema):
                what = f"its parameter {name!r} is annotated with {shown(annotation)}, which no variable can become"
                raise signature.refuse(what, "a type of values, such as str or list[int]")
        self._validator = validator(typed)
        self._records = {name: record(annotation) for name, annotation in records.items()}

    def check(
        self,
        plain: Mapping[str, object],
        as_json: Mapping[str, object],
        records: Mapping[str, object],
        arguments: dict[str, object],
    ) -> Iterable[Found]:
        """Convert values into arguments, and return what is wrong with them.

        Args:
            plain: Values that are to be of the annotated type already, by parameter.
            as_json: Values that are read as JSON.
            records: All variables, for parameters that get them in one.
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
        for name, values in records.items():
            try:
                arguments[name] = self._records[name].validate_python(values)
            except self._invalid as error:
                listed = [{**each, "loc": (name, *each["loc"])} for each in self._listed(error)]
                errors |= _grouped(listed, records, self._annotations)
        return [error for name in self._annotations if name in errors for error in errors[name]] if errors else ()

    def _either(self, validator: _SchemaValidator, value: object) -> object:
        """Convert one value, as that of a parameter is: what does not fit is read as JSON if it can be one."""
        try:
            return validator.validate_python(value, strict=True)
        except self._invalid:
            if type(value) not in JSON_TYPES:
                raise
            try:
                return validator.validate_json(self._to_json(value), strict=True)
            except self._invalid as error:
                if not _unreadable(self._listed(error)):
                    raise
            except (self._unsendable, ValueError, RecursionError):
                pass
            raise

    def _listed(self, error: Exception) -> _Errors:
        return cast("_Errors", cast("Any", error).errors(include_url=False, include_context=False))

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
            listed = self._listed(error)
            if _unreadable(listed):
                # Deeper than its reader of JSON goes.
                return self._run(values, self._validator.validate_python, values, arguments)
            return _grouped(listed, values, self._annotations)
        arguments.update(converted)
        return {}


def _unreadable(listed: _Errors) -> bool:
    return any(each["type"] == "json_invalid" for each in listed)


def _grouped(listed: _Errors, values: Mapping[str, object], annotations: Mapping[str, Any]) -> dict[str, list[Found]]:
    """Return errors by parameter. Those about one value, such as from the members of a union, are one."""
    places: dict[tuple[str | int, ...], list[dict[str, Any]]] = {}
    for each in listed:
        places.setdefault(_path(each["loc"], values, missing=each["type"] == "missing"), []).append(each)
    grouped: dict[str, list[Found]] = {}
    for path, errors in places.items():
        name = str(path[0])
        missing = all(each["type"] == "missing" for each in errors)
        expected = " or ".join(dict.fromkeys(_expected(each["type"], each["msg"]) for each in errors))
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
    for name in (
        *("string", "int", "float", "bool", "decimal", "datetime", "date", "time", "timedelta"),
        *("dict", "list", "dataclass", "model"),
    )
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


def _expected(kind: str, message: str) -> str:
    """Return what pydantic says, such that it can stand after "expected"."""
    if kind in _SAID:
        return _SAID[kind]
    if kind in {"value_error", "assertion_error"}:
        # The words of a person.
        return _small(message.removeprefix("Value error, ").removeprefix("Assertion failed, "))
    if (union := _TAGS.fullmatch(message)) is not None:
        return f"one of {union['tags']} as {union['name']}"
    if (should := _SHOULD.fullmatch(message)) is None:
        return _small(message)
    verb, what = should.groups()
    return {"be": "", "have": "a value with ", "match": "text that matches "}[verb] + _small(what)


#: What is said of some errors, by their types. The value that was found is said after it.
_SAID: Final = {
    "missing": "a value",
    "extra_forbidden": "nothing of this name",
    "unexpected_keyword_argument": "nothing of this name",
    "no_such_attribute": "nothing of this name",
    "union_tag_not_found": "an object that says of which kind it is",
    "decimal_parsing": "a valid decimal",
    "recursion_loop": "a value that is not inside of itself",
}

#: How it says that a union has no member with a tag.
_TAGS: Final = re.compile(
    r"Input tag .* found using (?P<name>.+) does not match any of the expected tags: (?P<tags>.+)", re.DOTALL
)


def _small(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
