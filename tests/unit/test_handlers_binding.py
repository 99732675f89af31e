"""From the variables of a job to arguments: what fits, what is converted, and what is said of the rest."""

from __future__ import annotations

import dataclasses
import enum
import json
import pickle
import string
import sys
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic import ValidationError as PydanticError
from typing_extensions import TypedDict

from flowable.external_worker_client import EngineRestVariable
from flowable.external_worker_client.handlers.annotations import has_fields
from flowable.external_worker_client.handlers.declared import declare
from flowable.external_worker_client.handlers.invalid import InvalidVariablesError, Problem
from flowable.external_worker_client.handlers.naming import camel, variable_for
from flowable.external_worker_client.handlers.parameters import AllVariables, Variable
from flowable.external_worker_client.testing import make_job
from flowable.external_worker_client.variables import Unreadable, write

NOON = datetime(2026, 2, 28, 12, 30, 15, 250_000, tzinfo=UTC)
A_UUID = UUID("12345678-1234-5678-1234-567812345678")


class Color(enum.Enum):
    """Text."""

    RED = "red"


class Grade(enum.Enum):
    """A truth and a number, which Python takes for the same."""

    YES = True
    TWO = 2


class Level(enum.IntEnum):
    """Numbers."""

    LOW = 1


@dataclass
class Line:
    """A dataclass, with one inside."""

    article: str
    pieces: int
    price: Decimal = Decimal(0)
    gifts: list[Line] = field(default_factory=list)


class Address(BaseModel):
    """A model, with an alias."""

    street: str
    zip_code: Annotated[str, Field(alias="zip")]
    since: date | None = None


class Box(typing.TypedDict):
    """A TypedDict of typing."""

    size: int
    sent: typing.NotRequired[date]


def bound(annotation: Any, value: Any, **options: Any) -> Any:
    """Return what a parameter with an annotation gets for a value, as the engine sends it."""

    def handler(parameter: Any) -> None:
        """Never called."""

    handler.__annotations__["parameter"] = annotation
    sent = value if isinstance(value, EngineRestVariable) else write("parameter", value)
    return declare(handler, **options).bind(make_job([sent]))["parameter"]


def all_in(annotation: Any, variables: Any, **options: Any) -> Any:
    """Return what a parameter for all variables gets."""

    def handler(order: Any) -> None:
        """Never called."""

    handler.__annotations__["order"] = annotation
    return declare(handler, **options).bind(make_job(variables))["order"]


def problems(handler: Callable[..., Any], variables: Any, **options: Any) -> list[str]:
    """Return what is wrong."""
    with pytest.raises(InvalidVariablesError) as caught:
        declare(handler, **options).bind(make_job(variables))
    return [str(each) for each in caught.value.problems]


# ---------------------------------------------------------------- what fits


FITS: list[tuple[Any, Any, Any]] = [
    (str, "Ada", "Ada"),
    (int, 5, 5),
    (int, 2**40, 2**40),
    (int, 2**80, 2**80),
    (float, 1.5, 1.5),
    (float, 5, 5.0),
    (bool, True, True),
    (Decimal, Decimal("1.50"), Decimal("1.50")),
    (Decimal, 5, Decimal(5)),
    (Decimal, 0.1, Decimal("0.1")),
    (Decimal, "1.50", Decimal("1.50")),
    (datetime, NOON, NOON),
    (datetime, NOON.replace(tzinfo=None), NOON.replace(tzinfo=None)),
    (datetime, "2026-02-28T12:30:15.250Z", NOON),
    (date, date(2026, 2, 28), date(2026, 2, 28)),
    (date, "2026-02-28", date(2026, 2, 28)),
    (time, time(12, 30), time(12, 30)),
    (timedelta, timedelta(minutes=90), timedelta(minutes=90)),
    (UUID, A_UUID, A_UUID),
    (Color, "red", Color.RED),
    (Level, 1, Level.LOW),
    (Literal["a", 1], "a", "a"),
    (Literal["a", 1], 1, 1),
    (None, None, None),
    (int | None, None, None),
    (int | None, 5, 5),
    (int | str, "5", "5"),
    (int | str, 5, 5),
    (date | str, "2026-02-28", "2026-02-28"),
    (Decimal | float, 1.5, 1.5),
    (float | Decimal, Decimal("1.5"), Decimal("1.5")),
    (list[int], [1, 2], [1, 2]),
    (list[str | None], ["a", None], ["a", None]),
    (tuple[int, str], [1, "a"], (1, "a")),
    (set[str], ["a", "a"], {"a"}),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (dict[str, Any], {"a": [1.5, None]}, {"a": [1.5, None]}),
    (list[date], ["2026-02-28"], [date(2026, 2, 28)]),
    (Line, {"article": "A", "pieces": 2, "price": "9.90"}, Line("A", 2, Decimal("9.90"))),
    (list[Line], [{"article": "A", "pieces": 2, "gifts": [{"article": "B", "pieces": 1}]}], None),
    (Line | None, None, None),
    (Line | int, 5, 5),
    (Address, {"street": "S", "zip": "1", "since": "2026-02-28"}, None),
    (Box, {"size": 1, "sent": "2026-02-28"}, {"size": 1, "sent": date(2026, 2, 28)}),
    (list[Box], [{"size": 1}], [{"size": 1}]),
    (Box | None, {"size": 1}, {"size": 1}),
    (Annotated[list[Box], Field(min_length=1)], [{"size": 1}], [{"size": 1}]),
    (Annotated[int, Field(gt=0)], 1, 1),
    (Annotated[int, BeforeValidator(int)], "5", 5),
    (Any, [1], [1]),
    (object, NOON, NOON),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), FITS, ids=str)
def test_a_value_that_fits_arrives(annotation: Any, value: Any, expected: Any) -> None:
    """As it is, or as what the annotation says; with the type that it says."""
    got = bound(annotation, value)
    if expected is None and value is not None:
        # Equal to what it is made from.
        again: Any = write("parameter", got).value
        assert {**value, **again} == again if isinstance(value, dict) else again[0]["article"] == "A"
        return
    assert (got, type(got)) == (expected, type(expected))


UNFIT: list[tuple[Any, Any, str]] = [
    (str, 5, "expected str, found 5 (integer)"),
    (str, True, "expected str, found True (boolean)"),
    (str, NOON, "expected str, found datetime.datetime(2026, 2, 28, 12, 30, 15, 250000, tzinfo=datetime.timezone.utc)"),
    (str, Decimal(1), "expected str, found Decimal('1') (bigDecimal)"),
    (str, None, "expected str, found None"),
    (int, "5", "expected int, found '5' (string)"),
    (int, True, "expected int, found True (boolean)"),
    (int, 5.0, "expected int, found 5.0 (double)"),
    (int, Decimal(5), "expected int, found Decimal('5') (bigDecimal)"),
    (float, Decimal("1.5"), "expected float, found Decimal('1.5') (bigDecimal)"),
    (float, "1.5", "expected float, found '1.5' (string)"),
    (bool, 1, "expected bool, found 1 (integer)"),
    (bool, "true", "expected bool, found 'true' (string)"),
    (Decimal, True, "expected Decimal, found True (boolean)"),
    (Level, True, "expected Level (1), found True (boolean)"),
    (Literal[1], True, "expected Literal[1] (1), found True (boolean)"),
    (datetime, "1234", "expected datetime, found '1234' (string)"),
    (date, "20260228", "expected date, found '20260228' (string)"),
    (time, "12", "expected time, found '12' (string)"),
    (timedelta, "1e3", "expected timedelta, found '1e3' (string)"),
    (Literal[True], 1, "expected Literal[True] (true), found 1 (integer)"),
    (float, 2**53 + 1, "expected float (a number that a float holds exactly), found 9007199254740993 (long)"),
    (
        Annotated[list[int], Field(min_length=1)],
        [],
        "expected list[int] (a value with at least 1 item), found [] (json)",
    ),
    (Annotated[str, Field(pattern="a+")], "b", "expected str (text that matches pattern 'a+'), found 'b' (string)"),
    (Annotated[Decimal, Field(max_digits=2)], "1.23", "expected Decimal (a value with no more than 2 digits in total)"),
    (datetime, 1234, "expected datetime, found 1234 (integer)"),
    (datetime, date(2026, 2, 28), "expected datetime, found datetime.date(2026, 2, 28) (localDate)"),
    (date, NOON, "expected date, found datetime.datetime("),
    (date, "yesterday", "expected date (a valid date in the format YYYY-MM-DD, "),
    (UUID, "x", "expected UUID (a valid UUID, "),
    (Color, "blue", "expected Color ('red'), found 'blue' (string)"),
    (Literal["a", "b"], "c", "expected Literal['a', 'b'] ('a' or 'b'), found 'c' (string)"),
    (int | str, 1.5, "expected int | str, found 1.5 (double)"),
    (int | None, "5", "expected int | None, found '5' (string)"),
    (list[int], "1", "expected list[int], found '1' (string)"),
    (Annotated[int, Field(gt=0)], 0, "expected int (greater than 0), found 0 (integer)"),
    (Line, [1], "expected Line, found [1] (json)"),
]


@pytest.mark.parametrize(("annotation", "value", "said"), UNFIT, ids=str)
def test_a_value_that_does_not_fit_is_named(annotation: Any, value: Any, said: str) -> None:
    """With what was expected, what was found, and the engine's type of it."""
    with pytest.raises(InvalidVariablesError) as caught:
        bound(annotation, value)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"parameter: {said}")


REFUSED: list[tuple[Any, Any]] = [
    *(
        (kind, text)
        for kind in (date, datetime, time, timedelta)
        for text in ("20260228", "2026", " 12.5", "1e3", "inf")
    ),
    *((kind, number) for kind in (date, datetime, time, timedelta) for number in (2026, 1.5, True)),
    *((kind, True) for kind in (Literal[1, 2], Literal["a", 1], Level, Literal[Level.LOW], int, float, Decimal)),
    *((kind, number) for kind in (Literal[True], Grade) for number in (1, 0)),
    *((kind, text) for kind in (int, float, bool, Level, Literal[1]) for text in ("1", "true")),
    (str, 5),
    (int, 5.0),
    (bool, 1),
    (float, 2**53 + 1),
    (float, 10**400),
    (UUID, "x"),
    (Color, "blue"),
    (str, None),
    (date, None),
]


# For type checkers, what is in these is no type.
a_list: Any = list
a_tuple: Any = tuple
a_set: Any = set
a_sequence: Any = Sequence
a_dict: Any = dict


def nestings(annotation: Any, value: Any) -> list[tuple[Any, Any]]:
    """Return every way to have a value inside of another."""
    record = dataclasses.make_dataclass("Record", [("field", annotation)])
    model = create_model("Model", field=(annotation, ...))
    lax = create_model("Lax", __config__=ConfigDict(strict=False), field=(annotation, ...))
    typed: Any = TypedDict("typed", {"field": annotation})
    inside = {"field": value}
    ways: list[tuple[Any, Any]] = [
        (a_list[annotation], [value]),
        (a_tuple[annotation, ...], [value]),
        (a_tuple[annotation], [value]),
        (a_set[annotation], [value]),
        (a_sequence[annotation], [value]),
        (a_dict[str, annotation], inside),
        (record, inside),
        (model, inside),
        (lax, inside),
        (typed, inside),
        (a_list[record], [inside]),
        (a_dict[str, a_list[model]], {"a": [inside]}),
        (a_list[model | None], [inside]),
        (Annotated[a_list[typed], Field(min_length=1)], [inside]),
    ]
    if value is not None:
        ways += [(annotation | None, value), (a_list[annotation | None], [value]), (model | None, inside)]
    return ways


@pytest.mark.parametrize(("annotation", "value"), REFUSED, ids=str)
def test_what_is_refused_is_refused_inside_of_everything(annotation: Any, value: Any) -> None:
    """Of JSON, and in the objects that get all variables. Nothing is damaged silently."""
    with pytest.raises(InvalidVariablesError):
        bound(annotation, value)
    for kind, nested in nestings(annotation, value):
        with pytest.raises(InvalidVariablesError):
            bound(kind, EngineRestVariable("parameter", "json", nested))
        if has_fields(kind) and isinstance(nested, dict):
            with pytest.raises(InvalidVariablesError):
                all_in(Annotated[kind, AllVariables], nested)


def test_what_fits_fits_inside_of_everything() -> None:
    """As at the top, too: text stays text where a union has it."""
    fitting: list[tuple[Any, Any, Any]] = [
        (date, "2026-02-28", date(2026, 2, 28)),
        (datetime, "2026-02-28T12:30:15.250Z", NOON),
        (time, "12:30", time(12, 30)),
        (timedelta, "PT90M", timedelta(minutes=90)),
        (date | str, "2026-02-28", "2026-02-28"),
        (UUID | str, str(A_UUID), str(A_UUID)),
        (Decimal | float, 1.5, 1.5),
        (Level, 1, Level.LOW),
        (Grade, True, Grade.YES),
        (float, 5, 5.0),
        (float, 2**60, 2.0**60),
    ]
    for annotation, value, expected in fitting:
        for got in (bound(annotation, value), bound(a_list[annotation], [value])[0]):
            assert (got, type(got)) == (expected, type(expected))
        record = dataclasses.make_dataclass("Record", [("field", annotation)])
        got = bound(a_list[record], [{"field": value}])[0].field
        assert (got, type(got)) == (expected, type(expected))


def test_every_problem_is_listed_by_variable() -> None:
    """Also those inside of a value, with the way to them, and what is missing."""

    def handler(
        customer_id: str,
        lines: list[Line],
        number: Annotated[int, Variable("Customer No")],
        unit: int | str,
        box: Box,
        fine: str,
    ) -> None:
        """Never called."""

    variables = {
        "customerId": 5,
        "lines": [{"article": "A", "pieces": 1}, {"article": 2, "pieces": "3", "price": "x"}, {"pieces": 1}],
        "unit": [1],
        "box": {},
        "fine": "x",
    }
    assert problems(handler, variables) == [
        "Customer No: expected int, there is no such variable",
        "customerId: expected str, found 5 (integer)",
        "lines[1].article: expected a valid string, found 2 (int)",
        "lines[1].pieces: expected a valid integer, found '3' (str)",
        "lines[1].price: expected a valid decimal, found 'x' (str)",
        "lines[2].article: expected a value, found nothing there",
        "unit: expected int | str, found [1] (json)",
        "box.size: expected a value, found nothing there",
    ]


def test_the_error_says_it_all_and_can_be_pickled() -> None:
    """Nothing of pydantic is chained to it: that shows values."""

    def handler(customer: str) -> None:
        """Never called."""

    with pytest.raises(InvalidVariablesError) as caught:
        declare(handler).bind(make_job({"customer": 5}))
    error = caught.value
    assert error.problems == (Problem("customer", "str", "5 (integer)"),)
    assert str(error).splitlines() == [
        f"{error.handler} cannot be called with these variables:",
        "- customer: expected str, found 5 (integer)",
    ]
    assert not isinstance(error.__cause__ or error.__context__, PydanticError)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(again), again.problems) == (str(error), error.problems)


def test_a_long_value_is_shown_shortened() -> None:
    """It is for people to read."""
    with pytest.raises(InvalidVariablesError) as caught:
        bound(int, "x" * 5000)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("redact", [True, {"lines", "customer"}, ("lines", "customer_name")])
def test_values_can_be_kept_out_of_errors(redact: Any) -> None:
    """All, or those of some variables; nor do keys, and words of pydantic, give them away."""

    def handler(customer_name: str, lines: dict[str, int], code: Literal["secret"]) -> None:
        """Never called."""

    names = {"customer", "customer_name"}
    variables = {"customer_name": 4711, "lines": {"ada@example.com": "hers"}, "code": "code-of-ada"}
    text = "\n".join(problems(handler, variables, redact=redact))
    assert "hers" not in text
    assert "ada@example" not in text
    assert ("4711" in text) is (redact is not True and not names & set(redact) - {"customer"})
    assert ("code-of-ada" in text) is (redact is not True)
    assert "lines: expected what it is annotated with, found a value that is not shown (str)" in text


# ---------------------------------------------------------------- which variable


def test_a_name_is_found_exactly_and_then_in_camel_case() -> None:
    """Keywords of Python get an underscore."""

    def handler(customer_id: int, order_id: int, from_: str, other: int | None = None) -> None:
        """Never called."""

    variables = {"customerId": 1, "customer_id": 2, "orderId": 3, "from": "x", "Other": 4}
    assert declare(handler).bind(make_job(variables)) == {"customer_id": 2, "order_id": 3, "from_": "x"}


def test_a_default_is_for_what_is_missing_and_not_for_nulls() -> None:
    """A null is a value: the annotation says whether it is one that fits."""

    def handler(a: int = 1, b: int | None = 2, c: Any = 3) -> tuple[object, ...]:
        return a, b, c

    declared = declare(handler, result="x")
    assert declared.bind(make_job()) == {}
    assert declared.bind(make_job({"b": None, "c": None})) == {"b": None, "c": None}
    assert problems(handler, {"a": None}, result="x") == ["a: expected int, found None"]


def test_an_untyped_parameter_gets_what_there_is() -> None:
    """Unreadable things, too, which say so when they are touched; a typed one is told before."""

    def handler(file, other: Any, third: object = None) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """Never called."""

    binary = [EngineRestVariable(name, "binary", None) for name in ("file", "other", "third")]
    arguments = declare(handler).bind(make_job(binary))
    assert {type(each) for each in arguments.values()} == {Unreadable}
    with pytest.raises(InvalidVariablesError, match="parameter: expected str, found a variable of type serializable, "):
        bound(str, EngineRestVariable("parameter", "serializable", None))
    with pytest.raises(InvalidVariablesError, match="found a variable of type instant that cannot be read"):
        bound(datetime, EngineRestVariable("parameter", "instant", "+12026-01-01T00:00:00Z"))


class Order(BaseModel):
    """All variables in one."""

    customer_id: str
    due: date
    price: Decimal
    number: Annotated[int, Field(alias="Order No")] = 0
    extra: str | None = None


@dataclass
class OrderData:
    """The same as a dataclass."""

    customer_id: str
    due: date
    price: Decimal


VARIABLES = {"customerId": "Ada", "due": date(2026, 2, 28), "price": Decimal("1.50"), "Order No": 3}


def test_all_variables_in_one() -> None:
    """In a model, a dataclass, a dict; names are found as those of parameters, and aliases as they are."""

    def handler(
        order: Annotated[Order, AllVariables],
        data: Annotated[OrderData, AllVariables()],
        values: Annotated[dict[str, object], AllVariables],
        described: Annotated[Order, Field(description="unhashable", examples=[1]), AllVariables],
        numbers: Annotated[dict[str, Any], AllVariables],
        due: date,
    ) -> None:
        """Never called."""

    bound_ = declare(handler).bind(make_job(VARIABLES))
    order = bound_["order"]
    assert isinstance(order, Order)
    assert order.model_dump() == {
        "customer_id": "Ada",
        "due": date(2026, 2, 28),
        "price": Decimal("1.50"),
        "number": 3,
        "extra": None,
    }
    assert bound_["data"] == OrderData("Ada", date(2026, 2, 28), Decimal("1.50"))
    assert bound_["values"] == bound_["numbers"] == VARIABLES
    assert bound_["described"] == order
    assert bound_["due"] == date(2026, 2, 28)


def test_problems_of_all_variables_are_named_as_variables() -> None:
    """As if they were parameters; what is unreadable matters where it is asked for."""

    def handler(order: Annotated[Order, AllVariables]) -> None:
        """Never called."""

    variables = [
        write("customerId", 5),
        write("Order No", "x"),
        EngineRestVariable("price", "binary", None),
        EngineRestVariable("file", "binary", None),
    ]
    assert sorted(problems(handler, variables)) == [
        "Order No: expected a valid integer, found 'x' (string)",
        "customerId: expected a valid string, found 5 (integer)",
        "due: expected a value, there is no such variable",
        "price: expected a value, found a variable of type binary, whose content the engine does not give to workers",
    ]


class Bill(BaseModel):
    """Looks at the fields before, and at all of them."""

    model_config = ConfigDict(extra="forbid")

    total: str = ""
    weight: float = 0.0
    price: Decimal | str = ""
    lines: tuple[Line, ...] = ()
    sent: datetime | date | str | None = None

    @field_validator("lines")
    @classmethod
    def checked(cls, value: tuple[Line, ...], info: ValidationInfo) -> tuple[Line, ...]:
        """Know the fields before."""
        assert (info.field_name, "total" in info.data) == ("lines", True)
        return value

    @model_validator(mode="before")
    @classmethod
    def before(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Say what is wrong with all."""
        if values.get("total") == "wrong":
            raise ValueError("the total is wrong")
        return values


def test_fields_take_what_parameters_take() -> None:
    """Values of the engine's types stay what they are; what is in JSON is converted."""
    lines = [{"article": "A", "pieces": 2, "price": "9.90"}]
    bill = all_in(Annotated[Bill, AllVariables], {"lines": lines, "price": Decimal("1.50"), "weight": 2, "sent": NOON})
    assert bill == Bill.model_construct(
        total="", weight=2.0, price=Decimal("1.50"), lines=(Line("A", 2, Decimal("9.90")),), sent=NOON
    )
    assert type(bill.price) is Decimal
    assert all_in(Annotated[Bill, AllVariables], {"sent": date(2026, 2, 28)}).sent == date(2026, 2, 28)
    assert all_in(Annotated[Line, AllVariables], {"article": "A", "pieces": 1, "gifts": lines}).gifts[0].article == "A"
    assert all_in(Annotated[dict[str, date], AllVariables], {"a": "2026-02-28"}) == {"a": date(2026, 2, 28)}
    box = Annotated[Box, AllVariables]
    assert all_in(box, {"size": 1, "sent": date(2026, 2, 28)}) == {"size": 1, "sent": date(2026, 2, 28)}


@pytest.mark.parametrize("value", [Decimal(1), NOON, date(2026, 2, 28), 5, True])
def test_fields_refuse_what_parameters_refuse(value: Any) -> None:
    """A Decimal is no text, in no kind of object."""
    record = dataclasses.make_dataclass("Record", [("total", str)])
    typed: Any = TypedDict("typed", {"total": str})
    for kind in (Bill, record, typed, dict[str, str], Bill | None):
        with pytest.raises(InvalidVariablesError, match="- total: expected a valid string, found"):
            all_in(Annotated[kind, AllVariables], {"total": value})
    with pytest.raises(InvalidVariablesError, match="- weight: expected a valid number, found Decimal"):
        all_in(Annotated[Bill, AllVariables], {"weight": Decimal(1)})


def test_none_beside_an_object_for_all_variables_means_nothing() -> None:
    """There are always variables; a default is for those who call the function themselves."""
    for annotation in (Annotated[Line | None, AllVariables], Annotated[Line, AllVariables] | None):
        assert all_in(annotation, {"article": "A", "pieces": 1}) == Line("A", 1)
    assert bound(Annotated[int, Variable("parameter")] | None, None) is None
    assert bound(typing.Optional[Annotated[int, Field(gt=0), Variable("parameter")]], 5) == 5  # noqa: UP045 - as people do
    with pytest.raises(InvalidVariablesError, match=r"- Customer No: expected int \| None, there is no such variable"):
        bound(Annotated[int, Variable("Customer No")] | None, 5)


def test_what_is_wrong_with_all_variables_names_none() -> None:
    """And shows none if one of them must not be seen."""
    with pytest.raises(InvalidVariablesError, match=r"all variables: expected Bill \(the total is wrong\), found {"):
        all_in(Annotated[Bill, AllVariables], {"total": "wrong", "price": "Ada"})
    with pytest.raises(InvalidVariablesError) as caught:
        all_in(Annotated[Bill, AllVariables], {"total": "wrong", "price": "Ada"}, redact={"price"})
    assert "Ada" not in str(caught.value)
    with pytest.raises(InvalidVariablesError, match="- other: expected nothing of this name, found 1"):
        all_in(Annotated[Bill, AllVariables], {"other": 1})


class Cat(BaseModel):
    """One of two."""

    kind: Literal["cat"]


class Dog(BaseModel):
    """The other."""

    kind: Literal["dog"]


def test_the_words_for_unions_with_a_tag() -> None:
    """They say which tags there are."""
    annotation = list[Annotated[Cat | Dog, Field(discriminator="kind")]]
    with pytest.raises(InvalidVariablesError) as caught:
        bound(annotation, [{"kind": "cow"}, {}])
    assert [str(each) for each in caught.value.problems] == [
        "parameter[0]: expected one of 'cat', 'dog' as 'kind', found {'kind': 'cow'} (dict)",
        "parameter[1]: expected an object that says of which kind it is, found {} (dict)",
    ]


# ---------------------------------------------------------------- anything


WORDS = st.lists(st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=5), min_size=1, max_size=4)


@given(WORDS.filter(lambda words: words[0][0].isalpha()))
def test_camel_case_keeps_the_words(words: list[str]) -> None:
    """Joined with capitals; a name that is in camel case already stays."""
    name = camel("_".join(words))
    assert name == words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])
    assert camel(name) == name
    assert variable_for("_".join(words), {"_".join(words)}) == "_".join(words)


@given(st.text(max_size=20))
def test_other_names_stay_as_they_are(name: str) -> None:
    """All but snake case."""
    if "_" not in name:
        assert camel(name) == name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_json_arrives_unchanged_whatever_says_that_it_is_json(value: Any) -> None:
    """Also numbers of many digits and text with lone surrogates, which not every writer of JSON takes."""
    sent = EngineRestVariable("parameter", "json", {"inside": [value]})
    for annotation in (dict[str, Any], dict[str, list[Any]], Any, dict[str, tuple[Any, ...]]):
        got = bound(annotation, sent)
        assert json.dumps(got) == json.dumps(sent.value)


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()))
def test_a_scalar_is_never_taken_for_another(value: Any) -> None:
    """What is accepted for a type is of that type, but for whole numbers as floats."""
    kind = {str: "string", int: "long", float: "double", bool: "boolean", type(None): None}[type(value)]
    sent = EngineRestVariable("parameter", kind, value)
    for annotation in (str, int, float, bool):
        try:
            got = bound(annotation, sent)
        except InvalidVariablesError:
            assert type(value) is not annotation
        else:
            assert type(got) is annotation
            assert type(value) is annotation or (annotation is float and type(value) is int)
            assert got == value


def test_nested_deeper_than_pydantic_reads_json() -> None:
    """It is taken as Python values then."""
    value: list[Any] = []
    for _ in range(300):
        value = [value]
    assert bound(list[Any], EngineRestVariable("parameter", "json", value)) == value


@pytest.mark.parametrize("depth", [1, 300], ids=["lone surrogate", "deep"])
def test_what_is_no_json_for_pydantic_is_refused_with_a_word(depth: int) -> None:
    """It would have to be converted, and cannot be: the handler is not called, and nothing else breaks."""
    value: list[Any] = ["\ud800"] if depth == 1 else []
    for _ in range(depth):
        value = [value]
    with pytest.raises(InvalidVariablesError, match=r"parameter: expected tuple\[Any, \.\.\.\] "):
        bound(tuple[Any, ...], EngineRestVariable("parameter", "json", value))


def test_what_a_validator_of_somebody_raises_is_shown_or_not() -> None:
    """Its words may tell the value."""

    def checked(value: str) -> str:
        raise ValueError(f"not {value}")

    annotation = Annotated[str, AfterValidator(checked)]
    for redact, said in [
        (False, r"expected str \(not Ada\), found 'Ada'"),
        (True, "expected str, found a value that is"),
    ]:
        with pytest.raises(InvalidVariablesError, match=said) as caught:
            bound(annotation, "Ada", redact=redact)
        assert ("Ada" in str(caught.value)) is not redact


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic takes the TypedDict of typing from 3.12 on")
def test_a_typed_dict_of_typing_is_taken_on_3_11_too() -> None:
    """In every place; what is required stays so."""
    nested = dict[str, Annotated[list[Box | None], Field(max_length=1)]]
    assert bound(nested, {"a": [{"size": 1}]}) == {"a": [{"size": 1}]}
    with pytest.raises(InvalidVariablesError, match=r"parameter\.a\[0\]\.size: expected a value, found nothing there"):
        bound(nested, {"a": [{}]})
