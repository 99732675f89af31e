"""The engine's types of variables, as data.

What is written, read, checked and documented follows this table; the page about variables is made from it, and from
what a real engine was seen to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from flowable.external_worker_client.variables.unreadable import Unreadable

#: Levels of dicts and lists within a variable. The engine reads 1000, of which a request takes three.
DEEPEST_JSON: Final = 997

#: Of UTF-16 units. Longer text goes to another column of the engine's database, with rules of its own.
SHORT_TEXT: Final = 4000

#: Of digits and the other characters of a `bigInteger` or `bigDecimal`, which the engine keeps as a short text.
LONGEST_NUMBER: Final = 4000

SHORT: Final = range(-(2**15), 2**15)
INTEGER: Final = range(-(2**31), 2**31)
LONG: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableType:
    """One type of the engine.

    Attributes:
        name: As the engine calls it. `None`: it names none, as for a null.
        takes: The Python types that are written as this type, by themselves or by `Typed`. None for types that this
            API does not take.
        gives: The Python type that it is read as.
        since: The first release that has it, as `(major, minor)`.
        note: What else there is to know, for the documentation.
    """

    name: str | None
    takes: tuple[type, ...]
    gives: type
    since: tuple[int, int] = (6, 6)
    note: str = ""


TYPES: Final[tuple[VariableType, ...]] = (
    VariableType(name=None, takes=(type(None),), gives=type(None), note="a null"),
    VariableType(name="string", takes=(str, UUID, time, timedelta), gives=str, note="of any length"),
    VariableType(name="boolean", takes=(bool,), gives=bool),
    VariableType(name="short", takes=(int,), gives=int, note="16 bits; only by `Typed`"),
    VariableType(name="integer", takes=(int,), gives=int, note="32 bits"),
    VariableType(name="long", takes=(int,), gives=int, note="64 bits"),
    VariableType(name="bigInteger", takes=(int,), gives=int, since=(7, 2), note="up to 4000 digits, sign included"),
    VariableType(name="double", takes=(float,), gives=float, note="finite numbers only"),
    VariableType(name="bigDecimal", takes=(Decimal,), gives=Decimal, since=(7, 2), note="every digit is kept"),
    VariableType(name="instant", takes=(datetime,), gives=datetime, note="aware; kept in UTC, to the millisecond"),
    VariableType(
        name="date", takes=(datetime,), gives=datetime, note="aware; only by `Typed`; shown to the second up to 7.2"
    ),
    VariableType(name="localDateTime", takes=(datetime,), gives=datetime, note="naive; kept to the millisecond"),
    VariableType(name="localDate", takes=(date,), gives=date),
    VariableType(name="json", takes=(dict, list, tuple), gives=object, note="dataclasses and pydantic models too"),
    VariableType(name="binary", takes=(), gives=Unreadable, note="this API does not give the content"),
    VariableType(name="serializable", takes=(), gives=Unreadable, note="Java objects and, among them, UUIDs"),
)

#: The types that can be sent, by name.
WRITABLE: Final = {each.name: each for each in TYPES if each.name is not None and each.takes}
