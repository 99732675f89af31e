"""Which functions can be handlers, and what is found out about them when they are declared."""

from __future__ import annotations

import asyncio
import functools
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from flowable.external_worker_client import (
    ExternalWorkerAcquireJobResponse,
    JobFailure,
    WorkerResultBuilder,
    WorkResult,
)
from flowable.external_worker_client.handlers.context import Context
from flowable.external_worker_client.handlers.declared import declare
from flowable.external_worker_client.handlers.invalid import InvalidHandlerError
from flowable.external_worker_client.handlers.parameters import AllVariables, Shared, Variable, is_callback
from flowable.external_worker_client.testing import make_job

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers

Job = ExternalWorkerAcquireJobResponse


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function, as people's decorators do."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def plain(customer: str, pieces: int = 1) -> dict[str, object]:
    """Be a handler."""
    return {"said": f"{customer} {pieces}"}


async def coroutine(customer: str, pieces: int = 1) -> dict[str, object]:
    """Be one of the other kind."""
    await asyncio.sleep(0)
    return plain(customer, pieces)


class Service:
    """Has handlers as methods, and is one."""

    def method(self, customer: str, pieces: int = 1) -> dict[str, object]:
        """Be a handler."""
        return plain(customer, pieces)

    @staticmethod
    def static(customer: str, pieces: int = 1) -> dict[str, object]:
        """Be a handler."""
        return plain(customer, pieces)

    @classmethod
    async def of_class(cls, customer: str, pieces: int = 1) -> dict[str, object]:
        """Be a handler."""
        return plain(customer, pieces)

    def __call__(self, customer: str, pieces: int = 1) -> dict[str, object]:
        """Be a handler."""
        return plain(customer, pieces)


class AsyncService:
    """Is a handler of the other kind."""

    async def __call__(self, customer: str, pieces: int = 1) -> dict[str, object]:
        """Be a handler."""
        return plain(customer, pieces)


@pytest.mark.parametrize(
    ("function", "kind", "name"),
    [
        pytest.param(plain, "sync", "plain", id="def"),
        pytest.param(coroutine, "async", "coroutine", id="async def"),
        pytest.param(Service().method, "sync", "Service.method", id="method"),
        pytest.param(Service.static, "sync", "Service.static", id="static method"),
        pytest.param(Service.of_class, "async", "Service.of_class", id="class method"),
        pytest.param(Service(), "sync", "Service", id="object"),
        pytest.param(AsyncService(), "async", "AsyncService", id="async object"),
        pytest.param(functools.partial(plain, pieces=1), "sync", "plain", id="partial"),
        pytest.param(functools.partial(functools.partial(coroutine), pieces=1), "async", "coroutine", id="partials"),
        pytest.param(traced(plain), "sync", "plain", id="decorated"),
        pytest.param(traced(coroutine), "async", "coroutine", id="decorated async"),
        pytest.param(functools.lru_cache(plain), "sync", "plain", id="cached"),
    ],
)
def test_functions_of_every_kind_can_be_handlers(function: Callable[..., Any], kind: str, name: str) -> None:
    """Their arguments are found, they are called, and what they return is their outcome."""
    declared = declare(function)
    assert (declared.kind, declared.name.rpartition(__name__ + ".")[2]) == (kind, name)
    assert __file__ in declared.place
    job = make_job({"customer": "Ada"})
    outcome = declared.run(job) if kind == "sync" else asyncio.run(declared.run_async(job))
    assert vars(outcome)["_variables"][0].value == "Ada 1"
    with pytest.raises(TypeError, match="is no coroutine function: call run"):
        asyncio.run(declare(plain).run_async(job))
    with pytest.raises(TypeError, match="is a coroutine function: call run_async"):
        declare(coroutine).run(job)


def test_what_a_partial_gives_is_no_variable() -> None:
    """Whatever the process has by that name, and whatever its type is."""

    def handler(customer: str, pool: object, limit: int) -> str:
        return f"{customer} {pool} {limit}"

    declared = declare(functools.partial(handler, pool="ours", limit=3), result="x")
    job = make_job({"customer": "Ada", "pool": "theirs", "limit": 4})
    assert declared.bind(job) == {"customer": "Ada"}
    assert vars(declared.run(job))["_variables"][0].value == "Ada ours 3"


def generator(customer: str) -> Iterator[str]:
    """Yield."""
    yield customer


async def async_generator(customer: str) -> AsyncIterator[str]:
    """Yield, too."""
    yield customer


def positional(customer: str, /) -> None:
    """Have a parameter without a name."""


def starred(*customers: str) -> None:
    """Have many of them."""


def double_starred(**variables: str) -> None:
    """Have any name."""


def unresolved(customer: OnlyForCheckers) -> None:
    """Have an annotation that is not there at run time."""


def unknown_type(customer: str, worker: Service) -> None:
    """Have an annotation that pydantic cannot check."""


def twice_marked(customer: Annotated[str, Variable("a"), Shared]) -> None:
    """Be marked as two things."""


def unnamed(customer: Annotated[str, Variable]) -> None:
    """Forget the name."""


def two_for_one(customer_id: str, customerId: str) -> None:  # noqa: N803 - as the model says it
    """Have one variable twice."""


def two_marked(a: Annotated[str, Variable("b c")], b: Annotated[str, Variable("b c")]) -> None:
    """Have one variable twice, said outright."""


def marked_inside(customers: list[Annotated[int, Variable("a")]]) -> None:
    """Have a marker where it means nothing."""


def marked_in_union(customer: Annotated[int, Variable("a")] | str) -> None:
    """Have one in a part of a union."""


def marked_bare(everything: AllVariables) -> None:
    """Have one in the place of a type."""


@dataclass
class MarkedField:
    """Has a marker in a field."""

    number: Annotated[int, Variable("Customer No")]


def marked_field(order: Annotated[MarkedField, AllVariables]) -> None:
    """Have one in a field."""


def shared_inside(pools: list[Annotated[int, Shared]]) -> None:
    """Have another where it means nothing."""


def all_in_a_number(everything: Annotated[int, AllVariables]) -> None:
    """Have no fields."""


def all_in_one_of_two(everything: Annotated[MarkedField | Service, AllVariables]) -> None:
    """Have the fields of either."""


def a_type(kind: type[int]) -> None:
    """Want what no variable is."""


def a_function(call: dict[str, Callable[[int], int]]) -> None:
    """Want what no variable is, inside."""


def lazy(numbers: Iterable[int]) -> None:
    """Would find out about its numbers while it works."""


def number() -> int:
    """Return what has no name."""
    return 1


def numbers() -> list[int] | None:
    """Return what has no names."""


def nothing() -> None:
    """Return nothing."""


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (generator, {}, "it yields, and nobody would go on with it; accepted is a function that returns its outcome"),
        (async_generator, {}, "it yields"),
        (positional, {}, "its parameter 'customer' cannot be given by name; accepted is customer without the / after"),
        (starred, {}, r"its parameter \*customers has no names"),
        (double_starred, {}, r"its parameter \*\*variables has no names"),
        (unresolved, {}, r"its annotations cannot be resolved \(name 'OnlyForCheckers' is not defined\)"),
        (unknown_type, {}, "its parameter 'worker' is annotated with Service: .*; accepted is a type that pydantic"),
        (twice_marked, {}, "its parameter 'customer' is marked with more than one of"),
        (unnamed, {}, r"the name in Variable\(''\) of 'customer' is none"),
        (two_for_one, {}, "its parameters 'customer_id' and 'customerId' are both for the variable 'customerId'"),
        (two_marked, {}, "its parameters 'a' and 'b' are both for the variable 'b c'; accepted is one parameter for"),
        (
            marked_inside,
            {},
            r"Variable in the annotation of its parameter 'customers' does not mark .*Annotated\[…, Var",
        ),
        (marked_in_union, {}, "Variable in the annotation of its parameter 'customer' does not mark the parameter"),
        (marked_bare, {}, r"AllVariables in the .* of its parameter 'everything' .*; accepted is Annotated\[…, AllVar"),
        (
            marked_field,
            {},
            r"Variable in .* parameter 'order' does not .* for a field of a model, Field\(alias=\"…\"\)",
        ),
        (
            shared_inside,
            {},
            r"Shared in the annotation of its parameter 'pools' .*; accepted is Annotated\[…, Shared\]",
        ),
        (all_in_a_number, {}, "its parameter 'everything' is for all variables, and int has no fields for them"),
        (all_in_one_of_two, {}, r"MarkedField \| Service has no fields|Variable in the annotation"),
        (a_type, {}, r"its parameter 'kind' is annotated with type\[int\], which no variable can become"),
        (a_function, {}, "its parameter 'call' is annotated with .*, which no variable can become"),
        (lazy, {}, r"its parameter 'numbers' is annotated with Iterable\[int\], which no .*such as str or list\[int\]"),
        (number, {}, "it returns int, which has no names for variables; accepted is .*result="),
        (numbers, {}, "it returns list"),
        (nothing, {"result": "x"}, "it returns None, and result='x' names it"),
        (plain, {"result": ""}, "result='' is no name"),
        (plain, {"names": "snake"}, "names='snake' is no way"),
        (plain, {"redact": "customer"}, "redact='customer' names no variables"),
        (plain, {"redact": [1]}, r"redact=\[1\] names no variables"),
        (plain, {"on_invalid": "retry"}, "on_invalid='retry' says nothing"),
        (plain, {"errors": {ValueError: "later"}}, r"errors\[ValueError\]='later' says nothing"),
        (plain, {"errors": {JobFailure: JobFailure}}, "errors=.* says nothing; .*do not say themselves"),
        (Service, {}, "it is a class"),
        ("text", {}, "it is nothing that can be called"),
        (dict.get, {}, "its parameter 'key' cannot be given by name|its parameter 'self' cannot"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_what_cannot_be_a_handler_is_refused_where_it_is_declared(function: Any, options: Any, said: str) -> None:
    """With its name, its place, and what is accepted."""
    with pytest.raises(InvalidHandlerError, match=said) as caught:
        declare(function, **options)
    error = caught.value
    assert isinstance(error, TypeError)
    assert (
        str(error) == f"{error.handler} ({error.place}) cannot be a handler: {error.what}; accepted is {error.accepted}"
    )
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_a_default_of_pydantic_is_refused() -> None:
    """It is no default to Python."""
    from pydantic import Field  # noqa: PLC0415 - as somebody who needs it

    def handler(customer: str = Field(min_length=1)) -> None:
        """Never called."""

    with pytest.raises(InvalidHandlerError, match=r"is a pydantic Field; accepted is Annotated\[…, Field"):
        declare(handler)


def test_classes_inside_of_functions_are_found() -> None:
    """Also from a place that is deeper, and from a closure."""

    class Outer:
        """Nowhere but here."""

    def maker() -> Callable[..., Any]:
        def handler(given: Annotated[Outer, Shared], *, inner: Annotated[dict[str, object], AllVariables]) -> None:
            """Never called."""

        declare(handler)
        return handler

    declare(maker())


def test_callbacks_of_version_1_are_what_they_were() -> None:
    """Without annotations by their names, with annotations by those."""

    def result(job, result):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return result.success().variable_string("id", job.id)

    def builder(job, worker_result_builder):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return worker_result_builder.success().variable_string("id", job.id)

    def typed(anything: Job, at_all: WorkerResultBuilder) -> WorkResult:
        return at_all.success().variable_string("id", anything.id)

    for each in (result, builder, typed, lambda job, result: result.success().variable_string("id", job.id)):
        assert is_callback(each)
        outcome = declare(each).run(make_job({"job": "not this"}, id="7"))
        assert vars(outcome)["_variables"][0].value == "7"

    def half(job: Job, result):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return result.success().variable_string("id", job.id)

    def other_half(job, result: WorkerResultBuilder):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return result.success().variable_string("id", job.id)

    def more(job, worker_result_builder, number: int):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return worker_result_builder.success().variable_string("id", f"{job.id[:1]}{number - 7}"[:1])

    for handler in (half, other_half, more):
        outcome = declare(handler).run(make_job({"job": "not this", "number": 7}, id="7"))
        assert vars(outcome)["_variables"][0].value == "7"

    def variables(job, result: str) -> list[str]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        return [job, result]

    job = make_job({"job": "this", "result": "that"})
    assert declare(variables, result="x").bind(job) == {"job": "this", "result": "that"}
    # Some more that version 1 calls.
    assert is_callback(lambda a, b, c=1: None)
    assert is_callback(lambda *both: None)
    assert not is_callback(plain)
    assert not is_callback(lambda job: None)
    assert not is_callback(unresolved)


def test_job_context_and_builder_come_by_annotation() -> None:
    """Whatever they are called; what is shared comes whole or by name."""

    def handler(
        a: Job,
        b: Context,
        c: WorkerResultBuilder,
        d: Annotated[dict[str, str], Shared],
        e: Annotated[str, Shared("pool")],
        customer: str,
        f: Context | None = None,
    ) -> None:
        """Never called."""

    job = make_job({"customer": "Ada"})
    context = Context(job, shared={"pool": "the pool"})
    bound = declare(handler).bind(job, context)
    assert bound.pop("c").__class__ is WorkerResultBuilder
    assert bound == {
        "a": job,
        "b": context,
        "d": {"pool": "the pool"},
        "e": "the pool",
        "customer": "Ada",
        "f": context,
    }
    assert declare(handler).wants_context
    assert not declare(plain).wants_context


def test_defaults_of_objects_may_be_what_no_variable_is() -> None:
    """They are not from variables."""

    @dataclass
    class Order:
        """Has a function."""

        number: int
        again: Callable[[int], int] = abs

    def handler(order: Annotated[Order, AllVariables]) -> None:
        """Never called."""

    assert declare(handler).bind(make_job({"number": 1}))["order"] == Order(1)


def test_pydantic_is_imported_when_a_handler_needs_it() -> None:
    """And not with the library, nor for handlers without annotations."""
    program = """
import sys
import flowable.external_worker_client
from flowable.external_worker_client.handlers import ready, signatures
from flowable.external_worker_client.handlers.declared import declare
declare(lambda job, result: None)
declare(lambda customer, pieces=1: None)
assert "pydantic" not in sys.modules and "pydantic_core" not in sys.modules
def typed(customer: str): ...
declare(typed)
assert "pydantic" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
