"""What a release of the engine can hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, cast

from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.variables.table import WRITABLE

#: The first with external workers.
OLDEST: Final = (6, 6)

#: Of characters in one text. Releases from `LIMITS_SINCE` on refuse longer ones.
LONGEST_TEXT: Final = 20_000_000

#: Of digits in one number of a JSON. Releases from `LIMITS_SINCE` on refuse longer ones.
MOST_DIGITS: Final = 1000

LIMITS_SINCE: Final = (7, 0)

_NAME: Final = re.compile(r"(\d+)\.(\d+)(?:\.\w+)*", re.ASCII)

_TEXT_LIMIT: Final = f"text of at most {LONGEST_TEXT} characters"
_DIGITS_LIMIT: Final = f"a number of at most {MOST_DIGITS} digits"


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the engine, as far as variables go.

    Attributes:
        name: As it was given, such as `"7.2"` or `"6.8.0"`.
        version: Major and minor: `(7, 2)`.
    """

    name: str
    version: tuple[int, int]

    def has(self, type_name: str | None) -> bool:
        """Tell whether it has a type of variable. Types that nobody here knows may come from the application's code."""
        known = None if type_name is None else WRITABLE.get(type_name)
        return known is None or known.since <= self.version

    def __str__(self) -> str:
        """Return its name."""
        return self.name


def release(name: str | Release) -> Release:
    """Return what a release can hold.

    Args:
        name: `"7.2"`, or more exactly `"7.2.0"`. One that is newer than this library is taken for the newest that it
            knows. A `Release` is returned as it is.

    Raises:
        InvalidArgumentError: It is no release, or older than 6.6, the first with external workers.
    """
    if isinstance(name, Release):
        return name
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found and (version := (int(found[1]), int(found[2]))) >= OLDEST:
        return Release(name, version)
    raise InvalidArgumentError("engine", name, 'a release of Flowable from 6.6 on, such as "7.2"')


def check(variable: EngineRestVariable, on: Release) -> None:
    """Refuse what a release cannot hold, before it is sent.

    Args:
        variable: What is to be sent.
        on: The release.

    Raises:
        InvalidArgumentError: The release has no such type, or refuses a text or number of that length. It names the
            variable, its type and the release.
    """
    accepted = refusal(variable, on)
    if accepted is not None:
        raise InvalidArgumentError(f"variables[{variable.name!r}]", variable.value, accepted)


def refusal(variable: EngineRestVariable, on: Release) -> str | None:
    """Return what a release would accept in place of a variable, as half a sentence. `None`: it holds the variable."""
    if not on.has(variable.type):
        since = ".".join(map(str, WRITABLE[str(variable.type)].since))
        return f"of a type that Flowable {on} has: {variable.type} came with {since} (text is an alternative)"
    if on.version >= LIMITS_SINCE and (limit := _too_long(variable.value)) is not None:
        return f"{limit} within a {variable.type}: Flowable {on} takes no longer ones"
    return None


def _too_long(value: object) -> str | None:
    """Look through a JSON value for what the engine's reader refuses."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if _units(each) > LONGEST_TEXT:
                return _TEXT_LIMIT
        elif isinstance(each, int):
            # Bits first: they are known at once, and digits are not.
            if each.bit_length() > 3 * MOST_DIGITS and abs(each) >= 10**MOST_DIGITS:
                return _DIGITS_LIMIT
        elif isinstance(each, dict):
            waiting += cast("dict[object, object]", each).values()
        elif isinstance(each, list | tuple):
            waiting += cast("list[object]", each)
    return None


def _units(text: str) -> int:
    """Count characters as Java does."""
    if len(text) <= LONGEST_TEXT // 2 or text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
