"""Which variables are to blame when the engine refuses a result, and why. Pure.

Most refusals do not name the variable, and some name nothing at all: the engine says that it "can only convert
integers", or prints an exception of its database. The variables that were sent are known here, so the one that it means
can be found. The texts are those of 6.8 to 7.2; one that is not known is passed on as it is.

The engine reads variables in their order and stops at the first that it cannot take, so several may be named here
where it complained about one: all of them would have been refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from flowable.external_worker_client.errors import shorten

#: How many variables a sentence names.
_NAMED = 3

#: How much of the engine's text follows what was found, in characters. An error of a database is a page of SQL.
_SHOWN = 300

#: The engine's column for names, in UTF-16 units on H2, in characters on PostgreSQL.
_LONGEST_NAME = 255
#: Longer strings go to a column of bytes, where U+0000 does no harm.
_LONGEST_SHORT_STRING = 4000
#: Limits of the engine's JSON reader, which its texts name.
_DEEPEST, _MOST_DIGITS, _LONGEST_TEXT, _LONGEST_KEY = 1000, 1000, 20_000_000, 50_000
#: The request, the list of variables and the variable are around a value, and count.
_LEVELS_AROUND_A_VALUE = 3

#: What the engine's texts call a type, its name, and what is wanted for it.
_CONVERTERS = {
    "strings": ("string", "text"),
    "integers": ("integer", "a number"),
    "longs": ("long", "a number"),
    "shorts": ("short", "a number"),
    "doubles": ("double", "a number"),
    "booleans": ("boolean", "true or false"),
    "string to date": ("date", "text"),
    "string to instant": ("instant", "text"),
    "string to localDate": ("localDate", "text"),
    "string to localDateTime": ("localDateTime", "text"),
}

#: What is safe on every release.
_DATES = {
    "date": "2020-05-04T10:25:45.000Z",
    "instant": "2020-05-04T10:25:45.000Z",
    "localDate": "2020-05-04",
    "localDateTime": "2020-05-04T10:25:45.000",
}

_BIG_NUMBERS = ("bigDecimal", "bigInteger")
_KNOWN_TYPES = ("string", "integer", "long", "short", "double", "boolean", *_DATES, "json")

#: As Java reads them. It knows the digits of every alphabet, and so does Python's `\d`.
_BIG_INTEGER = re.compile(r"[+-]?\d+")
_BIG_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?0*\d{1,9})?")

#: What Java says of a text that is no such number; nothing at all for an empty one.
_NO_NUMBER = re.compile(
    r"NumberFormatException|neither a decimal digit number|No digits found|nonzero exponent digits|For input string"
    r"|Zero length BigInteger|Illegal (?:embedded sign|digit)|Character array is missing|^(?:Internal server error)?$"
)

#: What hosts that keep their errors to themselves show instead.
_HIDDEN = re.compile(r"^(?:Error with ID:|Invalid HTTP message\. Error ID:)")

_Variable = Mapping[str, Any]
_Variables = Sequence[_Variable]
_Found = Iterator[str]


def blame(status: int | None, text: str, variables: _Variables) -> str:
    """Say in one sentence why the engine refuses a result.

    Args:
        status: HTTP status of the refusal. `None` and 0: not known.
        text: What the engine said: the detail of its body, or its category where there is no detail. May be empty.
        variables: What was sent: JSON members with `name`, `type` and `value`.

    Returns:
        Which variables are to blame and why, their values shortened, with the engine's words in brackets. The engine's
        words alone when they say nothing of variables, or of none that was sent. Never empty.
    """
    said = " ".join(text.split())
    found = list(_found(status, text, variables))
    if not found:
        return said or f"the engine answered {status or 'nothing'} and gave no reason"
    named = "; ".join(found[:_NAMED])
    if len(found) > _NAMED:
        named += f"; and {len(found) - _NAMED} more"
    if not said:
        return named
    return f"{named} (the engine: {said if len(said) <= _SHOWN else said[:_SHOWN] + '…'})"


def _found(status: int | None, text: str, variables: _Variables) -> _Found:
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _largest(variables)
    if _HIDDEN.search(text):
        return _anything(variables)
    for pattern, find in _RULES:
        if matched := pattern.search(text):
            return find(matched, variables)
    if (not status or status == HTTPStatus.INTERNAL_SERVER_ERROR) and _NO_NUMBER.search(text):
        return _no_numbers(variables)
    return iter(())


def _about(variable: _Variable, why: str) -> str:
    return f"variable {shorten(variable.get('name'))} {why}"


# ---------------------------------------------------------------- what a text means, and which variables it fits


def _wrong_kind(what: str, variables: _Variables) -> _Found:
    kind, wanted = _CONVERTERS[what]
    for variable in variables:
        value = variable.get("value")
        if variable.get("type") == kind and value is not None and not _is(wanted, value):
            yield _about(variable, f"is of type {kind}, which must be {wanted}, not {shorten(value)}")


def _unsupported(name: str, kind: str, variables: _Variables) -> _Found:
    if kind in _BIG_NUMBERS:
        advice = "which the engine knows since 7.2.0 only"
    else:
        alike = next((known for known in (*_KNOWN_TYPES, *_BIG_NUMBERS) if known.lower() == kind.lower()), None)
        advice = f"which is written {alike}" if alike else f"which is none of {', '.join(_KNOWN_TYPES)}"
    for variable in variables:
        if str(variable.get("name")) == name and str(variable.get("type")) == kind:
            yield _about(variable, f"is of type {kind!r}, {advice}")
            return


def _no_date(kind: str, text: str, variables: _Variables) -> _Found:
    for variable in variables:
        if variable.get("type") == kind and variable.get("value") == text:
            yield _about(variable, f"is of type {kind}, which is written like {_DATES[kind]}, not {shorten(text)}")


def _no_numbers(variables: _Variables) -> _Found:
    for variable in variables:
        kind, value = variable.get("type"), variable.get("value")
        if kind in _BIG_NUMBERS and value is not None and not (_is_integer(value) or _reads_as(kind, value)):
            wanted = "a number" if kind == "bigDecimal" else "a whole number"
            yield _about(variable, f"is of type {kind}, which must be {wanted}, not {shorten(value)}")


def _nul(variables: _Variables) -> _Found:
    for variable in variables:
        name, value = variable.get("name"), variable.get("value")
        if isinstance(name, str) and "\0" in name:
            yield _about(variable, "has U+0000 in its name, which the engine's database cannot store")
        # Inside of objects and lists it is stored; text alone becomes a string, whatever its type was.
        elif isinstance(value, str) and "\0" in value and _java_length(value) <= _LONGEST_SHORT_STRING:
            yield _about(variable, f"holds U+0000, which the engine's database cannot store: {shorten(value)}")


def _too_long(name: str, length: int, most: int, variables: _Variables) -> _Found:
    for variable in variables:
        if str(variable.get("name")) == name:
            why = f"is {length:,} characters long, and this engine is configured to take {most:,} at most"
            yield _about(variable, f"{why}: {shorten(variable.get('value'))}")
            return


def _long_names(variables: _Variables) -> _Found:
    for variable in variables:
        name = variable.get("name")
        if isinstance(name, str) and (length := _java_length(name)) > _LONGEST_NAME:
            yield _about(variable, f"has a name of {length} characters, and the engine keeps {_LONGEST_NAME} at most")


def _nameless(variables: _Variables) -> _Found:
    for number, variable in enumerate(variables, start=1):
        if variable.get("name") is None:
            value = shorten(variable.get("value"))
            yield f"variable number {number} of {len(variables)} has no name; its value is {value}"


def _too_deep(most: int, variables: _Variables) -> _Found:
    most -= _LEVELS_AROUND_A_VALUE
    for variable in variables:
        if (depth := max(level for level, _ in _walk(variable.get("value")))) > most:
            yield _about(variable, f"is nested {depth:,} levels deep, and the engine reads {most:,} at most")


def _too_many_digits(most: int, variables: _Variables) -> _Found:
    smallest = 10**most  # compared, because Python refuses to write numbers that long as text
    for variable in variables:
        if any(_is_integer(part) and abs(part) >= smallest for _, part in _walk(variable.get("value"))):
            yield _about(variable, f"holds a number of more than {most:,} digits: send it as text")


def _too_much_text(most: int, variables: _Variables) -> _Found:
    for variable in variables:
        lengths = (_java_length(part) for _, part in _walk(variable.get("value")) if isinstance(part, str))
        if (length := max(lengths, default=0)) > most:
            yield _about(variable, f"holds a text of {length:,} characters, and the engine reads {most:,} at most")


def _long_keys(most: int, variables: _Variables) -> _Found:
    for variable in variables:
        keys = (key for _, part in _walk(variable.get("value")) for key in _keys(part))
        if (length := max(map(_java_length, keys), default=0)) > most:
            yield _about(variable, f"holds a key of {length:,} characters, and the engine reads {most:,} at most")


def _largest(variables: _Variables) -> _Found:
    sizes = sorted(((_size(variable), variable) for variable in variables), key=lambda each: -each[0])
    if sizes:
        largest = ", ".join(f"{shorten(variable.get('name'))} with {size:,} bytes" for size, variable in sizes[:_NAMED])
        yield f"the result is too large for the engine or a gateway before it; its largest variables are {largest}"


def _anything(variables: _Variables) -> _Found:
    """All that is known to be refused, for an engine that does not say why."""
    for what in _CONVERTERS:
        yield from _wrong_kind(what, variables)
    yield from _no_numbers(variables)
    yield from _nul(variables)
    yield from _long_names(variables)
    yield from _too_deep(_DEEPEST, variables)
    yield from _too_many_digits(_MOST_DIGITS, variables)
    yield from _too_much_text(_LONGEST_TEXT, variables)
    yield from _long_keys(_LONGEST_KEY, variables)


# ---------------------------------------------------------------- values


def _is(wanted: str, value: object) -> bool:
    match wanted:
        case "text":
            return isinstance(value, str)
        case "a number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _reads_as(kind: object, value: object) -> bool:
    text = value if isinstance(value, str) else json.dumps(value)
    return (_BIG_DECIMAL if kind == "bigDecimal" else _BIG_INTEGER).fullmatch(text) is not None


def _java_length(text: str) -> int:
    """Return how long Java finds a text: characters beyond U+FFFF count as two."""
    return len(text) if text.isascii() else len(text) + sum(character > "\uffff" for character in text)


def _walk(value: object) -> Iterator[tuple[int, Any]]:
    """Return everything in a JSON value with its depth: 0 for text or a number alone, 1 more for all around it.

    Not by recursion: what is nested too deep for the engine may be so for Python.
    """
    waiting: list[tuple[int, object]] = [(0, value)]
    while waiting:
        depth, part = waiting.pop()
        children: Sequence[object] = ()
        if isinstance(part, dict):
            children = list(cast("dict[object, object]", part).values())
            depth += 1
        elif isinstance(part, list | tuple):
            children = cast("Sequence[object]", part)
            depth += 1
        yield depth, cast("object", part)
        waiting.extend((depth, child) for child in children)


def _keys(part: object) -> list[str]:
    return [str(key) for key in cast("dict[object, object]", part)] if isinstance(part, dict) else []


def _size(variable: _Variable) -> int:
    return len(json.dumps(variable.get("value"), separators=(",", ":")))


# ---------------------------------------------------------------- the texts


def _limit(what: str) -> re.Pattern[str]:
    return re.compile(rf"{what} \(\d+\) exceeds the maximum allowed \((?P<most>\d+)")


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], _Variables], _Found]], ...] = (
    (
        re.compile(rf"Converter can only convert (?P<what>{'|'.join(_CONVERTERS)})$"),
        lambda said, variables: _wrong_kind(said["what"], variables),
    ),
    (
        re.compile(r"Variable '(?P<name>.*)' has unsupported type: '(?P<type>.*)'", re.DOTALL),
        lambda said, variables: _unsupported(said["name"], said["type"], variables),
    ),
    (
        re.compile(r"is not an? (?P<type>date|instant|localDate|localDateTime): '(?P<value>.*)'$", re.DOTALL),
        lambda said, variables: _no_date(said["type"], said["value"], variables),
    ),
    (re.compile(r"Variable name is required"), lambda _, variables: _nameless(variables)),
    (re.compile(r"invalid byte sequence for encoding \"UTF8\": 0x00"), lambda _, variables: _nul(variables)),
    (
        re.compile(
            r"exceeds the maximum allowed length of (?P<most>\d+) characters\. Current length: (?P<length>\d+), "
            r"for variable: (?P<name>.*) in scope ",
            re.DOTALL,
        ),
        lambda said, variables: _too_long(said["name"], int(said["length"]), int(said["most"]), variables),
    ),
    (
        # H2 and Oracle; PostgreSQL; MySQL and MariaDB; SQL Server.
        re.compile(r"[Vv]alue too (?:long|large) for (?:column|type)|Data too long for column|would be truncated"),
        lambda _, variables: _long_names(variables),
    ),
    (_limit("nesting depth"), lambda said, variables: _too_deep(int(said["most"]), variables)),
    (_limit("Number value length"), lambda said, variables: _too_many_digits(int(said["most"]), variables)),
    (_limit("String value length"), lambda said, variables: _too_much_text(int(said["most"]), variables)),
    (_limit("Name length"), lambda said, variables: _long_keys(int(said["most"]), variables)),
    (
        re.compile(r"Can only complete BPMN external job with a BPMN error"),
        lambda _, __: iter(("a BPMN error ends jobs of processes only, and this job belongs to a case",)),
    ),
    (
        re.compile(r"Can only terminate CMMN external job"),
        lambda _, __: iter(("terminate ends jobs of cases only, and this job belongs to a process",)),
    ),
)
