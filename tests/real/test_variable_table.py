"""Every row of the table of types: in, through a process of two tasks, out again, and onto the page.

The tables of docs/variables.md are made here, from the table in the code and from what the engine was seen to do. A
page that says something else fails the test; with `WRITE_PAGES=1` in the environment it is written anew:

    WRITE_PAGES=1 .venv/bin/python -m pytest tests/real/test_variable_table.py
"""

from __future__ import annotations

import enum
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel, Field
from tests.support.models import Model
from tests.support.waiting import until

from flowable.external_worker_client import (
    EngineRestVariable,
    ExternalWorkerAcquireJobResponse,
    FlowableExternalWorkerRestClient,
    FlowableRestException,
    InvalidArgumentError,
    Typed,
    Unreadable,
    WorkerResultBuilder,
)
from flowable.external_worker_client.handlers.declared import declare
from flowable.external_worker_client.handlers.parameters import Variable
from flowable.external_worker_client.testing.real_engine import RealEngine
from flowable.external_worker_client.variables import TYPES, VariableType, read, release

Models = Callable[[str], Model]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "variables.md"
NEWEST = "7.2.0"
ID = UUID("6f1c2a54-8f0e-4c5e-9d0b-0c9f3a1b2c3d")
IN_BERLIN = datetime(2026, 2, 28, 12, 30, 45, 583_999, tzinfo=timezone(timedelta(hours=1)))

LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001 - naive is meant


class Color(enum.Enum):
    """An enum."""

    RED = "red"


@dataclass
class Line:
    """A dataclass."""

    item: str
    price: Decimal


class Order(BaseModel):
    """A model."""

    number: int = Field(alias="orderNumber")
    due: date


class Case(NamedTuple):
    """One value on its way.

    Attributes:
        value: What the first worker writes.
        type: The type that it gets.
        read: What the second worker reads.
        annotation: What a parameter of a handler is annotated with that is to get the value itself.
    """

    value: object
    type: str | None
    read: object
    annotation: Any


CASES: list[Case] = [
    Case(None, None, None, None),
    Case("Grüße 🎈", "string", "Grüße 🎈", str),
    Case("x" * 5_000, "string", "x" * 5_000, str),
    Case(ID, "string", str(ID), UUID),
    Case(time(9, 5), "string", "09:05:00", time),
    Case(timedelta(minutes=90), "string", "PT1H30M", timedelta),
    Case(Color.RED, "string", "red", Color),
    Case(True, "boolean", True, bool),
    Case(False, "boolean", False, bool),
    Case(Typed(-(2**15), "short"), "short", -(2**15), int),
    Case(-(2**31), "integer", -(2**31), int),
    Case(2**31, "long", 2**31, int),
    Case(2**63, "bigInteger", 2**63, int),
    Case(10**4000 - 1, "bigInteger", 10**4000 - 1, int),
    Case(0.1, "double", 0.1, float),
    Case(5e-324, "double", 5e-324, float),
    Case(Typed(2, "double"), "double", 2.0, float),
    Case(Decimal("19.90"), "bigDecimal", Decimal("19.90"), Decimal),
    Case(Decimal("-1E-7"), "bigDecimal", Decimal("-1E-7"), Decimal),
    Case(IN_BERLIN, "instant", datetime(2026, 2, 28, 11, 30, 45, 583_000, tzinfo=UTC), datetime),
    Case(datetime(1, 1, 1, tzinfo=UTC), "instant", datetime(1, 1, 1, tzinfo=UTC), datetime),
    # The one loss besides, and only for those who insist on the type.
    Case(Typed(IN_BERLIN, "date"), "date", datetime(2026, 2, 28, 11, 30, 45, tzinfo=UTC), datetime),
    Case(datetime(2026, 2, 28, 12, 30), "localDateTime", datetime(2026, 2, 28, 12, 30), datetime),  # noqa: DTZ001 - naive
    Case(LATEST, "localDateTime", LATEST.replace(microsecond=999_000), datetime),
    Case(date(2026, 2, 28), "localDate", date(2026, 2, 28), date),
    Case(date.min, "localDate", date.min, date),
    Case({"a": [1, 0.5, None, {"b": True}]}, "json", {"a": [1, 0.5, None, {"b": True}]}, dict[str, Any]),
    Case([], "json", [], list[int]),
    Case((1, 2**70, "\0"), "json", [1, 2**70, "\0"], tuple[int, int, str]),
    Case({"when": [IN_BERLIN, ID]}, "json", {"when": ["2026-02-28T11:30:45.583999Z", str(ID)]}, dict[str, Any]),
    Case(Line("nut", Decimal("0.10")), "json", {"item": "nut", "price": "0.10"}, Line),
    Case(Order(orderNumber=7, due=date(2026, 3, 1)), "json", {"orderNumber": 7, "due": "2026-03-01"}, Order),
]
#: What the process itself sets: type and name of the variable, and what sets it.
KEPT_BACK = {"photo": ("binary", "a byte array"), "parts": ("serializable", "a Java object")}


def name_of(case: Case) -> str:
    """Return the name of the variable that a case is sent as."""
    return f"v{CASES.index(case)}"


def assert_through_annotation(job: ExternalWorkerAcquireJobResponse, case: Case) -> None:
    """Look at what a handler gets that is annotated with the type that was written: the value itself."""

    def handler(given: Any) -> None:
        """Never called."""

    handler.__annotations__["given"] = Annotated[case.annotation, Variable(name_of(case))]
    given = declare(handler).bind(job)["given"]
    written = case.value.value if isinstance(case.value, Typed) else case.value
    # Cut to milliseconds and in UTC; and of a dict of anything, what JSON makes of it.
    expected = case.read if isinstance(case.read, datetime | dict) and not is_object(written) else written
    assert (given, type(given)) == (expected, float if case.annotation is float else type(expected))
    if isinstance(expected, datetime):
        assert isinstance(given, datetime)
        assert given.tzinfo is expected.tzinfo


def is_object(value: object) -> bool:
    """Tell whether a value is of a class of somebody's own."""
    return isinstance(value, Line | Order)


def cases_of(version: str) -> list[Case]:
    """Return the cases that a release can hold."""
    return [case for case in CASES if release(version).has(case.type)]


@pytest.fixture
def client(release_engine: RealEngine) -> Iterator[FlowableExternalWorkerRestClient]:
    """A REST client that does not know its engine."""
    auth: Any = (release_engine.username, release_engine.password)
    connected = FlowableExternalWorkerRestClient(release_engine.url, "worker", auth)
    yield connected
    connected.close()


def job_of(client: FlowableExternalWorkerRestClient, topic: str) -> ExternalWorkerAcquireJobResponse:
    """Wait for the job of a topic."""
    (job,) = until(lambda: client.acquire_jobs(topic, "PT5M"))
    return job


def there_and_back(
    engine: RealEngine, client: FlowableExternalWorkerRestClient, models: Models, cases: Iterable[Case]
) -> ExternalWorkerAcquireJobResponse:
    """Write all values in the first task of a process, and return the job of the second one."""
    model = models("two-tasks.bpmn20.xml")
    engine.deploy(model.text)
    engine.start_process(model.key)
    job = job_of(client, model.topic("give"))
    WorkerResultBuilder(job).success().variables({name_of(case): case.value for case in cases}).execute(client)
    return job_of(client, model.topic("take"))


@pytest.mark.parametrize("release_engine", [NEWEST, "7.0.1", "6.8.0"], indirect=True)
def test_every_type_goes_there_and_back(
    release_engine: RealEngine,
    client: FlowableExternalWorkerRestClient,
    models: Models,
    request: pytest.FixtureRequest,
) -> None:
    """Equal in value and type, and what the engine keeps to itself says so."""
    version = request.node.callspec.params["release_engine"]
    cases = cases_of(version)
    job = there_and_back(release_engine, client, models, cases)
    came = {variable.name: variable for variable in job.variables}
    for case in cases:
        seen = job.variable(name_of(case))
        assert (came[name_of(case)].type, seen, type(seen)) == (case.type, case.read, type(case.read))
        if isinstance(case.read, datetime):
            assert isinstance(seen, datetime)
            assert seen.tzinfo is case.read.tzinfo
        assert_through_annotation(job, case)
    for name, (kind, _) in KEPT_BACK.items():
        seen = job.variable(name)
        assert isinstance(seen, Unreadable)
        assert (seen.name, seen.type) == (name, kind)
    assert set(came) == {*map(name_of, cases), *KEPT_BACK}
    # Every row of the table was looked at.
    assert {case.type for case in CASES} | {kind for kind, _ in KEPT_BACK.values()} == {each.name for each in TYPES}
    if version == NEWEST:
        keep_up_to_date(types=type_table(), seen=seen_table(came))


@pytest.mark.parametrize("release_engine", ["7.0.1", "6.8.0"], indirect=True)
@pytest.mark.parametrize("value", [2**63, Decimal("19.90")], ids=["bigInteger", "bigDecimal"])
def test_what_a_release_cannot_hold_is_refused(
    release_engine: RealEngine,
    client: FlowableExternalWorkerRestClient,
    models: Models,
    request: pytest.FixtureRequest,
    value: object,
) -> None:
    """By a client that knows its engine, before it is sent; otherwise by the engine."""
    model = models("two-tasks.bpmn20.xml")
    release_engine.deploy(model.text)
    release_engine.start_process(model.key)
    outcome = WorkerResultBuilder(job_of(client, model.topic("give"))).success().variable("total", value)
    version = request.node.callspec.params["release_engine"]
    knowing = FlowableExternalWorkerRestClient(release_engine.url, "worker", engine=version)
    with pytest.raises(InvalidArgumentError, match=rf"variables\['total'\].*Flowable {re.escape(version)} has"):
        outcome.execute(knowing)
    knowing.close()
    with pytest.raises(FlowableRestException, match="Variable 'total' has unsupported type"):
        outcome.execute(client)


# ---------------------------------------------------------------- the page


def type_table() -> str:
    """Return the table of types."""
    return _table(
        ("Type", "Written for", "Read as", "Since", "Note"),
        [
            (
                "none" if each.name is None else f"`{each.name}`",
                ", ".join(f"`{_type_name(kind)}`" for kind in each.takes) or "—",
                _gives(each),
                f"{each.since[0]}.{each.since[1]}",
                each.note,
            )
            for each in TYPES
        ],
    )


def seen_table(came: dict[str, EngineRestVariable]) -> str:
    """Return the table of what the engine was seen to do."""
    rows = [
        (_code(case.value), came[name_of(case)].type or "none", _json(came[name_of(case)]), _code(case.read))
        for case in CASES
    ]
    rows += [(what, kind, _json(came[name]), _code(read(came[name]))) for name, (kind, what) in KEPT_BACK.items()]
    return _table(("Written", "Type", "JSON of the next job", "Read as"), rows)


def _gives(each: VariableType) -> str:
    if each.name == "json":
        return "`dict`, `list`"
    return f"`{_type_name(each.gives)}`"


def _type_name(kind: type) -> str:
    return "None" if kind is type(None) else kind.__name__


def _json(variable: EngineRestVariable) -> str:
    return _cell(json.dumps(variable.value, ensure_ascii=False))


def _code(value: object) -> str:
    text = repr(value).replace("datetime.", "").replace("timezone.utc", "UTC")
    return _cell(re.sub(r"^Typed\(value=(.*), type=", r"Typed(\1, ", text))


def _cell(text: str) -> str:
    shortened = text if len(text) <= 120 else f"{text[:20]}…{text[-20:]}"
    return f"`{shortened}`".replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("  |", " |") for line in lines)


def keep_up_to_date(**tables: str) -> None:
    """Compare the tables of the page with these, or write them when that was asked for."""
    page = now = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        before, found, after = now.partition(f"<!-- {name}: ")
        marker, _, rest = after.partition("-->\n")
        now = f"{before}{found}{marker}-->\n\n{table}\n\n{rest[rest.find('<!-- end -->') :]}"
        assert found, f"docs/variables.md has no place for the table {name!r}"
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(now, encoding="utf-8")
        return
    assert page == now, (
        "docs/variables.md is out of date: WRITE_PAGES=1 python -m pytest tests/real/test_variable_table.py"
    )
