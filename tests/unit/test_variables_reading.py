"""What a worker gets for a variable of the engine, and what cannot be had."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from flowable.external_worker_client import (
    EngineRestVariable,
    ExternalWorkerError,
    MissingVariableError,
    Unreadable,
    UnreadableVariableError,
)
from flowable.external_worker_client.testing import make_job
from flowable.external_worker_client.variables import read

PHOTO = Unreadable("photo", "binary")


@pytest.mark.parametrize(
    ("kind", "value", "python"),
    [
        (None, None, None),
        ("string", "a", "a"),
        ("boolean", True, True),
        ("short", 5, 5),
        ("integer", 5, 5),
        ("long", 2**40, 2**40),
        ("bigInteger", "9" * 40, int("9" * 40)),
        ("bigInteger", 5, 5),
        ("double", 2.0, 2.0),
        ("double", 2, 2.0),
        ("double", "-Infinity", -math.inf),
        ("bigDecimal", "1.50", Decimal("1.50")),
        ("bigDecimal", 5, Decimal(5)),
        ("bigDecimal", 0.1, Decimal("0.1")),
        ("instant", "2026-02-03T12:00:00Z", datetime(2026, 2, 3, 12, tzinfo=UTC)),
        ("instant", "2026-02-03T12:00:00.123456789Z", datetime(2026, 2, 3, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("instant", "2026-02-03T12:00:00+02:00", datetime(2026, 2, 3, 10, tzinfo=UTC)),
        ("date", "2026-02-03T12:00:00Z", datetime(2026, 2, 3, 12, tzinfo=UTC)),
        ("date", "2026-02-03T12:00:00.5", datetime(2026, 2, 3, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("localDateTime", "2026-02-03T12:00", datetime(2026, 2, 3, 12)),  # noqa: DTZ001 - naive is meant
        ("localDateTime", "2026-02-03T12:00:01.5", datetime(2026, 2, 3, 12, 0, 1, 500_000)),  # noqa: DTZ001
        ("localDate", "2026-02-03", date(2026, 2, 3)),
        ("json", {"a": [1]}, {"a": [1]}),
        ("ofTheirOwn", {"a": 1}, {"a": 1}),
        ("string", None, None),
        ("instant", None, None),
        ("double", None, None),
    ],
    ids=str,
)
def test_a_variable_is_read_as_its_python_value(kind: str | None, value: object, python: object) -> None:
    """Equal, and of the same type."""
    seen = read(EngineRestVariable("v", kind, value))
    assert (seen, type(seen)) == (python, type(python))
    if isinstance(python, datetime):
        assert isinstance(seen, datetime)
        assert seen.tzinfo is python.tzinfo


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("instant", "+12345-01-01T00:00:00Z"),
        ("instant", "-0001-01-01T00:00:00Z"),
        ("instant", "9999-12-31T23:59:59-02:00"),
        ("instant", 5),
        ("date", "soon"),
        ("localDateTime", "+12345-01-01T00:00"),
        ("localDateTime", "2026-02-03T12:00:00Z"),
        ("localDate", "+12345-01-01"),
        ("localDate", 5),
        ("bigInteger", "9" * 5000),
        ("bigInteger", "1.5"),
        ("bigInteger", []),
        ("bigDecimal", "NaN"),
        ("bigDecimal", "many"),
        ("bigDecimal", {}),
        ("double", "many"),
        ("double", []),
        ("double", 10**400),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_python_has_no_room_for_says_so_when_touched(kind: str, value: object) -> None:
    """Acquiring the job, and its other variables, are not harmed."""
    seen = read(EngineRestVariable("v", kind, value))
    assert isinstance(seen, Unreadable)
    with pytest.raises(
        UnreadableVariableError, match=rf"^variable 'v' of type {kind} cannot be read: Python cannot hold"
    ):
        bool(seen)


@pytest.mark.parametrize("kind", ["binary", "serializable"])
def test_what_the_engine_keeps_to_itself_is_no_none(kind: str) -> None:
    """It came as a null."""
    seen = read(EngineRestVariable("photo", kind, None))
    assert isinstance(seen, Unreadable)
    assert (seen.name, seen.type, seen.reason) == ("photo", kind, None)


TOUCHES: dict[str, Callable[[Any], object]] = {
    "bool": bool,
    "equal": lambda it: it == 1,
    "unequal": lambda it: it != 1,
    "equal from the right": lambda it: None == it,  # noqa: E711, SIM300 - that is the point
    "in a tuple": lambda it: it in (1, 2),
    "less": lambda it: it < 1,
    "hash": hash,
    "len": len,
    "loop": list,
    "dict": dict,
    "contains": lambda it: 1 in it,
    "item": lambda it: it["a"],
    "attribute": lambda it: it.amount,
    "method": lambda it: it.decode(),
    "call": lambda it: it(),
    "int": int,
    "float": float,
    "index": lambda it: [1][it],
    "bytes": bytes,
    "plus": lambda it: it + 1,
    "plus from the right": lambda it: 1 + it,
    "text plus": lambda it: "a" + it,
    "or": lambda it: it | {},
    "minus": operator.neg,
    "open": open,
}


@pytest.mark.parametrize("how", TOUCHES)
def test_touching_it_names_the_variable(how: str) -> None:
    """Whatever is done with it."""
    with pytest.raises(UnreadableVariableError) as caught:
        TOUCHES[how](PHOTO)
    error = caught.value
    assert isinstance(error, ExternalWorkerError)
    assert (error.name, error.type, error.reason) == ("photo", "binary", None)
    assert str(error) == (
        "variable 'photo' of type binary cannot be read: the engine gives workers no byte arrays, Java objects and "
        "UUIDs. Let the process hand it over in another form, such as text or JSON"
    )


def test_showing_it_and_passing_it_on_is_allowed() -> None:
    """A log line must be able to name it."""
    assert repr(PHOTO) == str(PHOTO) == f"{PHOTO:>80}" == "<unreadable variable 'photo' of type binary>"
    assert PHOTO is not None
    assert not hasattr(PHOTO, "__len_hint__")
    for again in (copy.copy(PHOTO), copy.deepcopy(PHOTO), pickle.loads(pickle.dumps(PHOTO))):  # noqa: S301 - made here
        assert isinstance(again, Unreadable)
        assert (again.name, again.type, again.reason) == ("photo", "binary", None)


@pytest.mark.parametrize(
    "error",
    [
        MissingVariableError("a", ("b", "c")),
        UnreadableVariableError("a", "binary"),
        UnreadableVariableError("a", "x", "y"),
    ],
    ids=str,
)
def test_the_errors_survive_a_pickle(error: Exception) -> None:
    """Handlers may run in other processes."""
    again: Any = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


# ---------------------------------------------------------------- jobs


def test_a_job_gives_its_variables_as_python_values() -> None:
    """Each time anew, because the list can be changed."""
    job = make_job(
        variables=[
            EngineRestVariable("due", "localDate", "2026-02-03"),
            EngineRestVariable("photo", "binary", None),
            EngineRestVariable("nothing", None, None),
        ]
    )
    assert job.variable("due") == date(2026, 2, 3)
    assert job.variable("nothing") is None
    assert job.variable("nothing", 5) is None
    assert job.variable("absent", default=5) == 5
    assert job.variable("absent", None) is None
    values = job.variables_dict
    assert list(values) == ["due", "photo", "nothing"]
    assert isinstance(values["photo"], Unreadable)
    job.variables.append(EngineRestVariable("due", "string", "later"))
    del job.variables[1]
    assert job.variable("due") == "later"
    assert job.variables_dict == {"due": "later", "nothing": None}


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["due", "amount"], "the job has no variable 'amout'; it has 'due', 'amount'"),
        ([], "the job has no variable 'amout'; it has none at all"),
    ],
)
def test_a_variable_that_is_not_there_is_missed_with_those_that_are(names: list[str], text: str) -> None:
    """So that a wrong letter shows."""
    job = make_job(variables=[EngineRestVariable(name, "integer", 1) for name in names])
    with pytest.raises(KeyError) as caught:
        job.variable("amout")
    error = caught.value
    assert isinstance(error, MissingVariableError)
    assert (str(error), error.name, error.present) == (text, "amout", tuple(names))
