"""How the engine reads JSON: what Jackson, its JSON reader, lets pass, converts and refuses.

Python's reader does the work; this module adds the differences that a worker can notice: texts after the document are
ignored, a byte order mark is accepted, `NaN` is not, numbers are accepted where text is asked for, text where a whole
number is, and null is 0. The first words of the error texts are Jackson's. What follows them differs between versions
of Jackson and is only approximated.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from flowable.external_worker_client.testing.durations import NANOS, WrongDurationError, parse_duration
from flowable.external_worker_client.testing.errors import EngineError, bad_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowable.external_worker_client.testing.releases import Release

__all__ = ["Reader", "to_json"]

_INT_MIN: Final = -(2**31)
_INT_MAX: Final = 2**31 - 1
_DEPTH: Final = 1000  # levels of arrays and objects
_TEXT_LIMIT: Final = 20_000_000  # characters of one string
_DIGIT_LIMIT: Final = 1000  # of one number
_WORD: Final = re.compile(r"[A-Za-z_$][\w$]*")
_WHOLE: Final = re.compile(r"[-+]?\d+", re.ASCII)
_PACKAGE: Final = "org.flowable.external.job.rest.service.api.acquire."


class _ConstantError(ValueError):
    """`NaN` or `Infinity`."""


class _NumberError(ValueError):
    """A number with too many digits."""


def _constant(name: str) -> NoReturn:
    raise _ConstantError(name)


def _limited_int(digits: str) -> int:
    if len(digits) > _DIGIT_LIMIT + digits.startswith("-"):
        raise _NumberError(digits)
    return int(digits)


def _any_int(digits: str) -> int:
    if len(digits) < 4000:  # noqa: PLR2004 - Python converts no more than 4,300 digits at once
        return int(digits)
    sign, digits = (-1, digits[1:]) if digits.startswith("-") else (1, digits)
    value = 0
    for start in range(0, len(digits), 4000):
        part = digits[start : start + 4000]
        value = value * 10 ** len(part) + int(part)
    return sign * value


_LIMITED: Final = json.JSONDecoder(parse_constant=_constant, parse_int=_limited_int)
_UNLIMITED: Final = json.JSONDecoder(parse_constant=_constant, parse_int=_any_int)
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_ENCODE_ASCII: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def to_json(value: object) -> bytes:
    """Write a JSON document as the engine does: UTF-8, without spaces."""
    try:
        return _ENCODE(value).encode()
    except (UnicodeEncodeError, ValueError):
        # Half of a surrogate pair, which UTF-8 cannot hold, or a number that JSON cannot.
        return _ENCODE_ASCII(value).encode()


class Reader:
    """Reads request bodies of one kind, with the conversions and the refusals of the engine.

    Args:
        release: Decides about limits and texts.
        name: The simple name of the request's Java class, which some texts mention.
        handler: The engine's method that wants the body, for the text about a missing one.
    """

    def __init__(self, release: Release, name: str, handler: str) -> None:
        self._release = release
        self._class = _PACKAGE + name
        self._handler = handler
        self._decoder = _LIMITED if release.json_limits else _UNLIMITED

    # ------------------------------------------------------------ documents

    def read(self, body: bytes) -> dict[str, Any]:
        """Read a body that has to be an object.

        Raises:
            EngineError: 400, if it is missing, unreadable or not an object.
        """
        if not body:
            raise bad_request(f"Required request body is missing: {self._handler}")
        if body.startswith(b"["):
            # Refused at its first character, whatever follows.
            raise self._wrong_type(self._class, [])
        value = self.read_value(body)
        if isinstance(value, dict):
            return value  # pyright: ignore[reportUnknownVariableType] - members are converted one by one
        if value is None:
            raise bad_request(f"Required request body is missing: {self._handler}")
        raise self._wrong_value(value, self._class)

    def read_value(self, body: bytes) -> Any:  # noqa: ANN401 - any JSON
        """Read a body that may be any JSON value.

        Raises:
            EngineError: 400, if it is unreadable.
        """
        if body and body[0] < ord(" ") and body[0] not in b"\t\r\n":
            what = f"Illegal character ((CTRL-CHAR, code {body[0]})): only regular white space (\\r, \\n, \\t) "
            raise self.refusal(what + "is allowed between tokens", "JsonParseException")
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise self.refusal(f"Invalid UTF-8 start byte 0x{body[error.start]:02x}", "JsonParseException") from error
        text = text.lstrip(" \t\r\n\ufeff")
        if not text:
            raise self.refusal("No content to map due to end-of-input", "exc.MismatchedInputException")
        try:
            value, end = self._decoder.raw_decode(text)
        except _ConstantError as error:
            feature = "JsonParser.Feature." if self._release.nested_exception_texts else "`JsonReadFeature."
            quote = "" if self._release.nested_exception_texts else "`"
            what = f"Non-standard token '{error}': enable {feature}ALLOW_NON_NUMERIC_NUMBERS{quote} to allow"
            raise self.refusal(what, "JsonParseException") from error
        except _NumberError as error:
            length = len(str(error))
            what = f"Number value length ({length}) exceeds the maximum allowed ({_DIGIT_LIMIT}, "
            what += "from `StreamReadConstraints.getMaxNumberLength()`)"
            raise self.refusal(what, "StreamConstraintsException") from error
        except RecursionError:
            # Python's own limit, which on some of its versions is a little below Jackson's.
            raise self._too_deep() from None
        except json.JSONDecodeError as error:
            raise self._wrong_syntax(text, error) from error
        if len(text) >= _DEPTH and text.count("[", 0, end) + text.count("{", 0, end) > _DEPTH:
            self._check_depth(value)
        if self._release.json_limits and len(text) > _TEXT_LIMIT:
            self._check_texts(value)
        return value

    def _check_depth(self, value: object) -> None:
        level: list[Any] = [value]
        depth = 0
        while level:
            depth += 1
            if depth > _DEPTH:
                raise self._too_deep()
            level = [child for parent in level for child in _children(parent) if isinstance(child, dict | list)]

    def _check_texts(self, value: object) -> None:
        level: list[Any] = [value]
        while level:
            for text in level:
                if isinstance(text, str) and len(text) > _TEXT_LIMIT:
                    what = f"String value length ({len(text)}) exceeds the maximum allowed ({_TEXT_LIMIT}, "
                    raise self.refusal(
                        what + "from `StreamReadConstraints.getMaxStringLength()`)", "StreamConstraintsException"
                    )
            level = [child for parent in level for child in _children(parent)]

    # ------------------------------------------------------------ members

    def text(self, body: dict[str, Any], member: str) -> str | None:
        """Read a member that is text. Numbers and booleans are taken as text; null and a missing member are None."""
        value = body.get(member)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return repr(value)
        raise self._wrong_type("java.lang.String", value)

    def count(self, body: dict[str, Any], member: str, default: int) -> int:
        """Read a whole number. Missing is the default; null and blank text are 0, fractions are cut."""
        value = body.get(member, default)
        if type(value) is int and _INT_MIN <= value <= _INT_MAX:
            return value
        if value is None or (isinstance(value, str) and not value.strip()):
            if value is None and self._release.null_counts_refused:
                what = "Cannot map `null` into type `int` (set DeserializationConfig.DeserializationFeature."
                raise self.refusal(
                    what + "FAIL_ON_NULL_FOR_PRIMITIVES to 'false' to allow)", "exc.MismatchedInputException"
                )
            return 0
        return self._whole(value, "int")

    def optional_count(self, body: dict[str, Any], member: str) -> int | None:
        """Read a whole number that may be missing, null or empty text, which are all None."""
        value = body.get(member)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        return self._whole(value, "java.lang.Integer")

    def duration(self, body: dict[str, Any], member: str) -> int | None:
        """Read a duration: ISO-8601 text or a number of seconds. Missing, null and blank are None.

        Returns:
            Nanoseconds.
        """
        value = body.get(member)
        if value is None:
            return None
        if isinstance(value, str):
            text = value.strip()
            if not text:
                return None
            try:
                return parse_duration(text)
            except WrongDurationError as error:
                what = f'Cannot deserialize value of type `java.time.Duration` from String "{text}": Failed to '
                what += f"deserialize java.time.Duration: (java.time.format.DateTimeParseException) {error}"
                raise self.refusal(what, "exc.InvalidFormatException", member) from error
        if isinstance(value, bool):
            token = "VALUE_TRUE" if value else "VALUE_FALSE"
            what = f"Unexpected token ({token}), expected one of [VALUE_STRING, VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT] "
            raise self.refusal(what + "for java.time.Duration value", "exc.MismatchedInputException", member)
        if isinstance(value, int):
            if not -(2**63) <= value < 2**63:
                what = f"Numeric value ({value}) out of range of long (-9223372036854775808 - 9223372036854775807)"
                raise self.refusal(what, "JsonMappingException", member)
            return value * NANOS
        if isinstance(value, float):
            return int(value * NANOS)
        raise self._wrong_type("java.time.Duration", value)

    def variables(self, body: dict[str, Any], member: str = "variables") -> list[dict[str, Any] | None] | None:
        """Read an array of variables or nulls. Missing and null are None."""
        texts = ("name", "type", "valueUrl")
        value = body.get(member)
        if value is None:
            return None
        element = "org.flowable.common.rest.variable.EngineRestVariable"
        if not isinstance(value, list):
            raise self._wrong_type(f"java.util.ArrayList<{element}>", value)
        items = cast("list[Any]", value)
        return [None if item is None else self._object(item, element, texts) for item in items]

    def _object(self, item: Any, java: str, texts: tuple[str, ...]) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """Return an object of an array, some of its members read as text."""
        if not isinstance(item, dict):
            raise self._wrong_value(item, java)
        found = cast("dict[str, Any]", item)
        for name in texts:
            if name in found and not isinstance(found[name], str | None):
                found = {**found, name: self.text(found, name)}
        return found

    def _whole(self, value: object, java: str) -> int:
        if isinstance(value, str):
            text = value.strip()
            if text == "null":
                return 0
            # More digits than ten are out of range, and endless ones cannot be converted.
            if _WHOLE.fullmatch(text) and len(text) <= 12 and _INT_MIN <= int(text) <= _INT_MAX:  # noqa: PLR2004
                return int(text)
            what = f'Cannot deserialize value of type `{java}` from String "{value}": '
            if _WHOLE.fullmatch(text):
                what += "Overflow: numeric value "
                what += f"({text}) out of range of int (-2147483648 -2147483647)"
                raise self.refusal(what, "exc.InvalidFormatException")
            raise self.refusal(f"{what}not a valid `{java}` value", "exc.InvalidFormatException")
        if isinstance(value, bool):
            raise self._wrong_type(java, value)
        if isinstance(value, int | float):
            # Compared before it is cut: half a one above the greatest is too much.
            if _INT_MIN <= value <= _INT_MAX:
                return int(value)
            what = f"Numeric value ({value}) out of range of int (-2147483648 - 2147483647)"
            raise self.refusal(what, "JsonMappingException")
        raise self._wrong_type(java, value)

    # ------------------------------------------------------------ refusals

    def refusal(self, what: str, java: str, member: str | None = None) -> EngineError:
        """Return the refusal of a body, with the engine's text: 400.

        Args:
            what: Jackson's own words.
            java: Jackson's exception, below `com.fasterxml.jackson.databind.` or `….core.`.
            member: Where in the body, for the releases that say so.
        """
        text = f"JSON parse error: {what}"
        if self._release.nested_exception_texts:
            package = "core" if java == "JsonParseException" or "EOF" in java else "databind"
            text += f"; nested exception is com.fasterxml.jackson.{package}.{java}: {what}\n"
            text += f" at [Source: {self._release.json_source}; line: 1, column: 1]"
            if member is not None:
                text += f' (through reference chain: {self._class}["{member}"])'
        return bad_request(text)

    def _wrong_type(self, java: str, value: object) -> EngineError:
        kind, token = _token(value)
        what = f"Cannot deserialize value of type `{java}` from {kind} (token `JsonToken.{token}`)"
        return self.refusal(what, "exc.MismatchedInputException")

    def _wrong_value(self, value: object, java: str) -> EngineError:
        """Return the refusal of a value that is no object, where one of this class is wanted."""
        if isinstance(value, list):
            return self._wrong_type(java, value)  # pyright: ignore[reportUnknownArgumentType]
        names: dict[type, tuple[str, str]] = {
            str: ("String", f"String value ('{value}')"),
            bool: ("boolean/Boolean", f"boolean value ({str(value).lower()})"),
            int: ("int/Int", f"Number value ({value})"),
            float: ("double/Double", f"Number value ({value})"),
        }
        kind, shown = names[type(value)]
        what = f"Cannot construct instance of `{java}` (although at least one Creator exists): "
        what += f"no {kind}-argument constructor/factory method to deserialize from {shown}"
        return self.refusal(what, "exc.MismatchedInputException")

    def _too_deep(self) -> EngineError:
        what = f"Document nesting depth ({_DEPTH + 1}) exceeds the maximum allowed ({_DEPTH}, "
        return self.refusal(what + "from `StreamReadConstraints.getMaxNestingDepth()`)", "StreamConstraintsException")

    def _wrong_syntax(self, text: str, error: json.JSONDecodeError) -> EngineError:
        if error.pos >= len(text):
            kind = "Array" if text.startswith("[") else "Object"
            start = f"(start marker at [Source: {self._release.json_source}; line: 1, column: 1])"
            what = f"Unexpected end-of-input: expected close marker for {kind} {start}"
            return self.refusal(what, "io.JsonEOFException")
        if error.msg == "Invalid control character at":
            what = f"Illegal unquoted character ((CTRL-CHAR, code {ord(text[error.pos])})): has to be escaped using "
            return self.refusal(what + "backslash to be included in string value", "JsonParseException")
        if token := _WORD.match(text, error.pos):
            what = (
                f"Unrecognized token '{token[0]}': was expecting (JSON String, Number, Array, Object or token 'null', "
            )
            return self.refusal(what + "'true' or 'false')", "JsonParseException")
        found = text[error.pos]
        expected: Callable[[str], str] = _EXPECTED.get(error.msg, _whatever)
        return self.refusal(
            f"Unexpected character ('{found}' (code {ord(found)})): {expected(found)}", "JsonParseException"
        )


def _whatever(_found: str) -> str:
    return "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


def _field_name(_found: str) -> str:
    return "was expecting double-quote to start field name"


def _separator(_found: str) -> str:
    return "was expecting comma to separate Object entries"


def _colon(_found: str) -> str:
    return "was expecting a colon to separate field name and value"


_EXPECTED: Final[dict[str, Callable[[str], str]]] = {
    "Expecting property name enclosed in double quotes": _field_name,
    "Expecting ',' delimiter": _separator,
    "Expecting ':' delimiter": _colon,
}


def _children(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType]
    return []


def _token(value: object) -> tuple[str, str]:
    if isinstance(value, bool):
        return "Boolean value", "VALUE_TRUE" if value else "VALUE_FALSE"
    if isinstance(value, dict):
        return "Object value", "START_OBJECT"
    if isinstance(value, list):
        return "Array value", "START_ARRAY"
    if isinstance(value, str):
        return "String value", "VALUE_STRING"
    if isinstance(value, float):
        return "Floating-point value", "VALUE_NUMBER_FLOAT"
    return "Integer value", "VALUE_NUMBER_INT"
