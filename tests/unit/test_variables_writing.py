"""What is sent for a Python value, and what is refused before it could be damaged."""

from __future__ import annotations

import base64
import enum
import json
import math
import numbers
import sys
from collections import OrderedDict, UserDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
import pytest

from flowable.external_worker_client import InvalidArgumentError, Typed, Unreadable, WorkerResultBuilder
from flowable.external_worker_client.errors import shorten
from flowable.external_worker_client.testing import make_job
from flowable.external_worker_client.variables import TYPES, write

HERE = UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime(2026, 2, 3, 12, 0, 0, 123_456, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


class Color(enum.Enum):
    """Text."""

    RED = "red"


class Level(enum.IntEnum):
    """Numbers that are an enum."""

    HIGH = 3


class Corner(enum.Enum):
    """Members with parts, and with another enum."""

    ORIGIN = (0, 0)
    PAINTED = Color.RED


class Word(str):
    """Text with a text of its own."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class Number:
    """A whole number of some other library."""

    def __index__(self) -> int:
        return 7


class Row(TypedDict):
    """A dict that is typed."""

    amount: int


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


@dataclass
class Line:
    """A dataclass."""

    item: str
    price: Decimal
    tags: list[Color] = field(default_factory=list)
    unit: ClassVar[str] = "piece"


class Item(pydantic.BaseModel):
    """A model with an alias."""

    model_config = pydantic.ConfigDict(populate_by_name=True)

    item_number: int = pydantic.Field(alias="itemNumber")
    price: Decimal = Decimal(1)
    when: datetime | None = None


class Numbers(pydantic.RootModel[list[int]]):
    """A model that is a list."""


class One(pydantic.RootModel[int]):
    """A model that is a number."""


@pydantic.dataclasses.dataclass
class Checked:
    """A dataclass of pydantic."""

    day: date


def shown(value: object) -> str:
    """Name a case: some values are too large to be shown."""
    return f"{value.bit_length()} bits" if isinstance(value, int) and value.bit_length() > 99 else shorten(value)[:40]


def kind_and_value(value: object) -> tuple[str | None, object]:
    """Return what is sent."""
    variable = write("v", value)
    assert (variable.name, variable.value_url) == ("v", None)
    return variable.type, variable.value


def refusal(value: object) -> InvalidArgumentError:
    """Return what it is refused with."""
    with pytest.raises(InvalidArgumentError) as caught:
        write("v", value)
    return caught.value


# ---------------------------------------------------------------- values by themselves


@pytest.mark.parametrize(
    ("value", "kind", "wire"),
    [
        (None, None, None),
        (True, "boolean", True),
        ("", "string", ""),
        ("Grüße 🎈", "string", "Grüße 🎈"),
        ("\0" * 4001, "string", "\0" * 4001),
        (0, "integer", 0),
        (2**31 - 1, "integer", 2**31 - 1),
        (-(2**31), "integer", -(2**31)),
        (2**31, "long", 2**31),
        (-(2**31) - 1, "long", -(2**31) - 1),
        (2**63 - 1, "long", 2**63 - 1),
        (2**63, "bigInteger", str(2**63)),
        (-(2**63) - 1, "bigInteger", str(-(2**63) - 1)),
        (10**4000 - 1, "bigInteger", "9" * 4000),
        (0.1, "double", 0.1),
        (5e-324, "double", 5e-324),
        (Decimal("1.50"), "bigDecimal", "1.50"),
        (Decimal("1E+3"), "bigDecimal", "1000"),
        (Decimal("-1E-7"), "bigDecimal", "-0.0000001"),
        (Decimal("1E+3999"), "bigDecimal", "1" + "0" * 3999),
        (NOON, "instant", "2026-02-03T12:00:00.123Z"),
        (datetime(2026, 7, 1, 0, 30, tzinfo=BERLIN), "instant", "2026-06-30T22:30:00.000Z"),
        (datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN), "instant", "2026-10-25T01:30:00.000Z"),
        (datetime.min.replace(tzinfo=UTC), "instant", "0001-01-01T00:00:00.000Z"),
        (datetime(2026, 2, 3, 12, 0, 0, 999_999), "localDateTime", "2026-02-03T12:00:00.999"),  # noqa: DTZ001 - naive is meant
        (date(2026, 2, 28), "localDate", "2026-02-28"),
        (time(9, 5), "string", "09:05:00"),
        (time(9, 5, 0, 1, tzinfo=UTC), "string", "09:05:00.000001+00:00"),
        (timedelta(), "string", "PT0S"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4.5), "string", "P1DT2H3M4.5S"),
        (timedelta(days=2), "string", "P2D"),
        (timedelta(seconds=-90, microseconds=-1), "string", "-PT1M30.000001S"),
        (timedelta.min, "string", "-P999999999D"),
        (HERE, "string", "12345678-1234-5678-1234-567812345678"),
        (Color.RED, "string", "red"),
        (Level.HIGH, "integer", 3),
        (Corner.ORIGIN, "json", [0, 0]),
        (Corner.PAINTED, "string", "red"),
        (Word("text"), "string", "text"),
        ({}, "json", {}),
        ([], "json", []),
        ((1, "b"), "json", [1, "b"]),
        (Point(1, 2), "json", [1, 2]),
        (Row(amount=5), "json", {"amount": 5}),
        (OrderedDict(b=1, a=2), "json", {"b": 1, "a": 2}),
        (MappingProxyType({"a": 1}), "json", {"a": 1}),
        (UserDict({"a": 1}), "json", {"a": 1}),
        (Line("nut", Decimal("0.10"), [Color.RED]), "json", {"item": "nut", "price": "0.10", "tags": ["red"]}),
        (Item(itemNumber=5, when=NOON), "json", {"itemNumber": 5, "price": "1", "when": "2026-02-03T12:00:00.123456Z"}),
        (Numbers([1, 2]), "json", [1, 2]),
        (One(5), "integer", 5),
        (Checked(date(2026, 1, 2)), "json", {"day": "2026-01-02"}),
    ],
    ids=shown,
)
def test_a_value_gets_the_type_that_keeps_it(value: object, kind: str | None, wire: object) -> None:
    """Booleans are numbers in Python, and not in the engine."""
    written = kind_and_value(value)
    assert written == (kind, wire)
    # The very types: a subclass has a text of its own, which JSON would take.
    assert type(written[1]) is type(wire)


def test_within_json_everything_is_what_json_can_say() -> None:
    """At any depth, microseconds included; names of members too."""
    value = {
        "moment": NOON,
        "local": NOON.replace(tzinfo=None),
        "zoned": datetime(2026, 7, 1, tzinfo=BERLIN),
        "day": date(2026, 1, 2),
        "parts": (Decimal("1E+3"), HERE, timedelta(minutes=1), time(1), [Level.HIGH, True, None, 2**70, 0.5]),
        "lines": [Line("nut", Decimal("0.10"))],
        "item": Item(itemNumber=1),
        5: {HERE: "by UUID", date(2026, 1, 2): "by day", Color.RED: "by enum", Level.HIGH: "by number"},
        "nul": "\0",
    }
    assert kind_and_value(value) == (
        "json",
        {
            "moment": "2026-02-03T12:00:00.123456Z",
            "local": "2026-02-03T12:00:00.123456",
            "zoned": "2026-06-30T22:00:00Z",
            "day": "2026-01-02",
            "parts": ["1E+3", str(HERE), "PT1M", "01:00:00", [3, True, None, 2**70, 0.5]],
            "lines": [{"item": "nut", "price": "0.10", "tags": []}],
            "item": {"itemNumber": 1, "price": "1", "when": None},
            "5": {str(HERE): "by UUID", "2026-01-02": "by day", "red": "by enum", "3": "by number"},
            "nul": "\0",
        },
    )


def test_what_is_sent_is_what_was_there_when_it_was_written() -> None:
    """A list that grows afterwards does not change the variable."""
    lines: list[dict[str, int]] = [{"a": 1}]
    variable = write("lines", lines)
    lines[0]["a"] = 2
    lines.append({})
    assert variable.value == [{"a": 1}]


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (math.nan, "a finite number"),
        (-math.inf, "a finite number"),
        (Decimal("NaN"), "a finite Decimal"),
        (Decimal("sNaN"), "a finite Decimal"),
        (Decimal("-Infinity"), "a finite Decimal"),
        (Decimal("1E+4000"), "a finite Decimal of at most 4000 characters"),
        (Decimal("1E-3999"), "a finite Decimal of at most 4000 characters"),
        (Decimal("1E+999999999999"), "a finite Decimal of at most 4000 characters"),
        (10**4000, "a whole number of at most 4000 digits"),
        (-(10**3999), "a whole number of at most 4000 digits"),
        (1 << 10_000_000, "a whole number of at most 4000 digits"),
        ("a\0b", "text without U+0000"),
        ("\0" + "x" * 3999, "text without U+0000"),
        # 2001 characters of 4000 UTF-16 units are still a short text.
        ("\0" * 2 + "🎈" * 1999, "text without U+0000"),
        ("file-\udce4.txt", "text without lone surrogates (U+DCE4 at index 5)"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "a moment between the years 1 and 9999 in UTC"),
        (time(9, tzinfo=BERLIN), "a time without a zone, or with an offset"),
        (b"bytes", "text, a number, True, False, None,"),
        ({1, 2}, "text, a number, True, False, None,"),
        (range(3), "text, a number, True, False, None,"),
        (object, "text, a number, True, False, None,"),
        (Line, "text, a number, True, False, None,"),
        (Item, "text, a number, True, False, None,"),
        (1j, "text, a number, True, False, None,"),
        (Unreadable("photo", "binary"), "readable: this worker never got the content of 'photo'"),
    ],
    ids=shown,
)
def test_a_value_that_would_be_damaged_is_refused(value: object, accepted: str) -> None:
    """With what is accepted."""
    error = refusal(value)
    assert error.parameter == "variables['v']"
    assert error.accepted.startswith(accepted)
    assert str(error).startswith("variables['v']=")


@pytest.mark.parametrize(
    ("value", "path", "accepted"),
    [
        ({"a": [1, {"b": {1, 2}}]}, "['a'][1]['b']", "text, a number"),
        ([math.nan], "[0]", "a finite number"),
        ([Decimal("NaN")], "[0]", "a finite Decimal"),
        ([b""], "[0]", "text, a number"),
        ([10**5000], "[0]", "a whole number of fewer digits"),
        (["\ud800"], "[0]", "text without lone surrogates"),
        ({"\ud800": 1}, "['\\ud800']", "text without lone surrogates"),
        ({True: 1}, "[True]", "text, a whole number, a date, a datetime or a UUID"),
        ({None: 1}, "[None]", "text, a whole number, a date, a datetime or a UUID"),
        ({1.5: 1}, "[1.5]", "text, a whole number, a date, a datetime or a UUID"),
        ({1: "a", "1": "b"}, "", "no other than the name '1', which is there already"),
        ([Unreadable("photo", "binary")], "[0]", "readable"),
        (Line("nut", Decimal("NaN")), "['price']", "a finite Decimal"),
        ([{"item": Item.model_construct(item_number=b"\xff")}], "[0]['item']", "a model that can be turned into JSON"),
    ],
    ids=shown,
)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_the_place_within_a_value_is_named(value: object, path: str, accepted: str) -> None:
    """As one would write it in Python."""
    error = refusal(value)
    assert error.parameter == f"variables['v']{path}"
    assert error.accepted.startswith(accepted)


def nested(levels: int, kind: Any = list) -> Any:
    """Return dicts or lists within each other."""
    value: Any = kind()
    for _ in range(levels - 1):
        value = {"a": value} if kind is dict else [value]
    return value


@pytest.fixture
def usual_stack() -> Iterator[None]:
    """The limit that Python begins with: some packages raise it when they are imported."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("usual_stack")
@pytest.mark.parametrize("kind", [list, dict])
def test_json_goes_as_deep_as_the_engine_reads(kind: Any) -> None:
    """Up to 997 levels, or what this Python can turn into text; and it never ends in a RecursionError."""
    assert write("v", nested(500, kind)).value == nested(500, kind)
    if sys.version_info >= (3, 12):
        assert json.loads(json.dumps(write("v", nested(997, kind)).value)) == nested(997, kind)
    else:
        # Its JSON writer goes as deep as the stack.
        assert refusal(nested(997, kind)).accepted.startswith("nested less deep")
    assert refusal(nested(998, kind)).accepted == "nested at most 997 levels deep, and not hold itself"
    assert refusal(nested(50_000, kind)).accepted == "nested at most 997 levels deep, and not hold itself"


def test_a_value_that_holds_itself_is_refused() -> None:
    """Instead of looking at it for ever."""
    lines: list[object] = [1]
    lines += [lines, lines]
    assert refusal(lines).accepted == "nested at most 997 levels deep, and not hold itself"


@pytest.mark.parametrize("name", [None, 5, "n" * 256], ids=["none", "number", "too long"])
def test_a_wrong_name_is_refused(name: Any) -> None:
    """As everywhere."""
    with pytest.raises(InvalidArgumentError, match=r"^name="):
        write(name, 1)


def test_a_caller_says_what_the_value_is_known_by() -> None:
    """The error uses it."""
    with pytest.raises(InvalidArgumentError) as caught:
        write("v", [b""], parameter="result")
    assert caught.value.parameter == "result[0]"


def test_a_number_of_another_library_is_a_number() -> None:
    """As long as it is registered as a whole one."""
    assert refusal(Number()).parameter == "variables['v']"
    numbers.Integral.register(Number)
    assert kind_and_value(Number()) == ("integer", 7)
    assert kind_and_value([Number()]) == ("json", [7])
    assert kind_and_value(Typed(Number(), "short")) == ("short", 7)


def test_text_with_a_text_of_its_own_is_plain_within_json_too() -> None:
    """Otherwise JSON would write what `str` says."""
    variable = write("v", [Word("text")])
    assert isinstance(variable.value, list)
    assert [(each, type(each)) for each in variable.value] == [("text", str)]


class NoMoment(datetime):
    """What pandas has for a datetime that is missing: a datetime, whose parts are NaN."""

    @property
    def year(self) -> Any:
        """Not a number."""
        return math.nan


def test_a_datetime_that_is_none_is_refused() -> None:
    """Instead of being sent as text that is no date."""
    nothing = NoMoment(2026, 2, 3)
    for value in (nothing, Typed(nothing, "instant"), Typed(nothing, "localDateTime"), [nothing]):
        assert refusal(value).accepted == "a moment"


def test_bytes_are_told_how_to_go() -> None:
    """There is no type for them."""
    assert base64.b64encode.__name__ in refusal(b"abc").accepted


# ---------------------------------------------------------------- Typed


@pytest.mark.parametrize(
    ("kind", "value", "wire"),
    [
        ("string", "a", "a"),
        ("string", HERE, str(HERE)),
        ("string", Color.RED, "red"),
        ("boolean", False, False),
        ("short", -(2**15), -(2**15)),
        ("short", Level.HIGH, 3),
        ("integer", 2**31 - 1, 2**31 - 1),
        ("long", 5, 5),
        ("bigInteger", 5, "5"),
        ("double", 2, 2.0),
        ("double", 0.1, 0.1),
        ("bigDecimal", Decimal("1.50"), "1.50"),
        ("bigDecimal", 5, "5"),
        ("date", NOON, "2026-02-03T12:00:00.123Z"),
        ("date", NOON.replace(microsecond=0), "2026-02-03T12:00:00.000Z"),
        ("instant", NOON, "2026-02-03T12:00:00.123Z"),
        ("localDate", date(2026, 2, 3), "2026-02-03"),
        ("localDateTime", datetime(2026, 2, 3), "2026-02-03T00:00:00.000"),  # noqa: DTZ001 - naive is meant
        ("json", (1, 2), [1, 2]),
        ("json", Item(itemNumber=1), {"itemNumber": 1, "price": "1", "when": None}),
    ],
)
def test_a_value_that_insists_gets_its_type(kind: str, value: object, wire: object) -> None:
    """If it fits."""
    written = kind_and_value(Typed(value, kind))
    assert written == (kind, wire)
    assert type(written[1]) is type(wire)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("string", [5, [], None.__class__, "\0"]),
        ("boolean", [0, 1, "true"]),
        ("short", [2**15, -(2**15) - 1, 1.0, "1", True]),
        ("integer", [2**31, -(2**31) - 1, 1.0, "1", True]),
        ("long", [2**63, -(2**63) - 1, 1.0, True]),
        ("bigInteger", [1.0, "1", True, 10**4000]),
        ("double", [2**53 + 1, 10**400, math.nan, "1", True, Decimal(1)]),
        ("bigDecimal", [1.0, "1", True, Decimal("NaN")]),
        ("date", [date(2026, 1, 2), datetime(2026, 1, 2), "2026-01-02", datetime(1582, 10, 14, tzinfo=UTC)]),  # noqa: DTZ001
        ("instant", [date(2026, 1, 2), datetime(2026, 1, 2), "2026-01-02"]),  # noqa: DTZ001
        ("localDate", [NOON, "2026-01-02"]),
        ("localDateTime", [NOON, date(2026, 1, 2), "2026-01-02"]),
        ("json", ["text", 5, 0.5, True, HERE, object()]),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused(kind: str, values: list[object]) -> None:
    """It is neither cut nor turned into something else."""
    for value in values:
        assert refusal(Typed(value, kind)).parameter == "variables['v']"


@pytest.mark.parametrize("kind", [each.name for each in TYPES if each.name is not None and each.takes])
def test_none_is_a_null_of_every_type(kind: str) -> None:
    """The engine forgets the type."""
    assert kind_and_value(Typed(None, kind)) == (kind, None)


@pytest.mark.parametrize("kind", ["", "Integer", "int", "uuid", "binary", "serializable", None, 5])
def test_a_type_that_cannot_be_sent_is_refused_where_it_is_written(kind: Any) -> None:
    """Before anything is done with it."""
    with pytest.raises(InvalidArgumentError, match=r"^type="):
        Typed(1, kind)


# ---------------------------------------------------------------- steps of outcomes


STEPS: Mapping[str, tuple[object, str | None, object, object]] = {
    "long": (5, "long", 5, "5"),
    "short": (5, "short", 5, 2**15),
    "big_integer": (5, "bigInteger", "5", 5.0),
    "decimal": (Decimal("1.50"), "bigDecimal", "1.50", 1.5),
    "date": (date(2026, 2, 3), "localDate", "2026-02-03", NOON),
    "datetime": (NOON, "instant", "2026-02-03T12:00:00.123Z", date(2026, 2, 3)),
    "instant": (NOON, "instant", "2026-02-03T12:00:00.123Z", NOON.replace(tzinfo=None)),
    "local_date_time": (NOON.replace(tzinfo=None), "localDateTime", "2026-02-03T12:00:00.123", NOON),
    "engine_date": (NOON, "date", "2026-02-03T12:00:00.123Z", date(2026, 2, 3)),
    "uuid": (HERE, "string", str(HERE), str(HERE)),
}


@pytest.mark.parametrize("step", STEPS)
def test_the_builder_has_a_step_for_every_type(step: str) -> None:
    """Each returns the outcome, takes None, and names itself and the variable when it refuses."""
    right, kind, wire, wrong = STEPS[step]
    outcome = WorkerResultBuilder(make_job()).success()
    add = getattr(outcome, f"variable_{step}")
    assert add("v", right) is outcome
    assert add(name="none", value=None) is outcome
    with pytest.raises(InvalidArgumentError) as caught:
        add("v", wrong)
    assert caught.value.parameter == f"variable_{step}('v') value"
    assert [(each.name, each.type, each.value) for each in outcome._variables] == [
        ("v", kind, wire),
        ("none", "localDateTime" if step == "datetime" else kind, None),
    ]


@pytest.mark.parametrize("make", ["success", "bpmn_error", "cmmn_terminate"])
def test_every_outcome_with_variables_takes_any_value(make: str) -> None:
    """One at a time, many at once, and nulls."""
    outcome = getattr(WorkerResultBuilder(make_job()), make)()
    outcome.variable("a", NOON).variables({"b": 2**31, "c": Typed(1, "short")}).variable_null("d")
    outcome.variable_datetime("e", NOON.replace(tzinfo=None))
    assert [(each.name, each.type) for each in outcome._variables] == [
        ("a", "instant"),
        ("b", "long"),
        ("c", "short"),
        ("d", None),
        ("e", "localDateTime"),
    ]


def test_many_variables_are_added_all_or_none() -> None:
    """A handler that catches the error has no half of them in its outcome."""
    outcome = WorkerResultBuilder(make_job()).success()
    with pytest.raises(InvalidArgumentError) as caught:
        outcome.variables({"a": 1, "b": [b""]})
    assert caught.value.parameter == "variables('b') value[0]"
    assert outcome._variables == []
