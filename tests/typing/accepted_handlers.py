"""Handlers and what stands around them, as type checkers must accept it. Never run; see `accepted.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypedDict, assert_type

from pydantic import BaseModel

from flowable.external_worker_client import (
    BpmnError,
    DeadLetter,
    ExternalWorkerAcquireJobResponse,
    JobFailure,
    RetryLater,
    RetryPolicy,
    WorkerResultBuilder,
    WorkerResultSuccess,
)
from flowable.external_worker_client.handlers.context import Context, JobLogger
from flowable.external_worker_client.handlers.middleware import AsyncCallNext, Call, CallNext
from flowable.external_worker_client.handlers.parameters import AllVariables, Shared, Variable
from flowable.external_worker_client.handlers.ready import circuit_breaker, idempotent, rate_limit, time_limit
from flowable.external_worker_client.handlers.signatures import (
    AnyHandler,
    AsyncHandler,
    AsyncMiddleware,
    Decorator,
    ErrorTable,
    Handler,
    Middleware,
    ResultDecorator,
    SyncMiddleware,
)
from flowable.external_worker_client.limiter import Allowance, Limiter
from flowable.external_worker_client.worker_result import Executable

# ---------------------------------------------------------------- handlers


@dataclass
class Invoice:
    """Returned by some."""

    invoice_id: str
    total: Decimal


class Order(BaseModel):
    """Taken and returned by some."""

    number: int


class Totals(TypedDict):
    """Returned by some."""

    total: float


def returns_nothing(customer_id: str, amount: Decimal, due: datetime | None = None) -> None:
    """Take variables."""
    print(customer_id, amount, due)  # noqa: T201


def returns_a_dict(number: Annotated[int, Variable("Customer No")]) -> dict[str, object]:
    """Name a variable."""
    return {"number": number}


def returns_a_dict_of_numbers(order: Annotated[Order, AllVariables]) -> dict[str, int]:
    """Take all variables."""
    return {"number": order.number}


def returns_a_mapping_or_nothing(context: Context) -> Mapping[str, str] | None:
    """Take the context."""
    return {"topic": context.topic} if context.stop_requested else None


def returns_a_dataclass(job: ExternalWorkerAcquireJobResponse) -> Invoice:
    """Take the job."""
    return Invoice(job.id, Decimal(1))


def returns_a_model(pool: Annotated[list[str], Shared]) -> Order:
    """Take what is shared."""
    return Order(number=len(pool))


def returns_a_typed_dict() -> Totals:
    """Take nothing."""
    return {"total": 1.5}


def returns_an_outcome(result: WorkerResultBuilder) -> WorkerResultSuccess | Invoice:
    """Take the builder."""
    return result.success().variable_string("a", "b")


async def is_async(customer: str) -> Invoice | None:
    """Be a coroutine function."""
    print(customer)  # noqa: T201
    return None


async def is_async_with_an_outcome(result: WorkerResultBuilder) -> WorkerResultSuccess:
    """Be another one."""
    return result.success()


def returns_a_number(pieces: int) -> int:
    """Be for `result=`."""
    return pieces


class Service:
    """Has handlers as methods, and is one."""

    def method(self, customer: str) -> dict[str, object]:
        """Be a handler."""
        return {"customer": customer}

    async def __call__(self, customer: str) -> None:
        """Be one of the other kind."""
        print(customer)  # noqa: T201


handlers: list[Handler] = [
    returns_nothing,
    returns_a_dict,
    returns_a_dict_of_numbers,
    returns_a_mapping_or_nothing,
    returns_a_dataclass,
    returns_a_model,
    returns_a_typed_dict,
    returns_an_outcome,
    Service().method,
]
coroutines: list[AsyncHandler] = [is_async, is_async_with_an_outcome, Service()]
both: list[AnyHandler] = [returns_nothing, is_async]


def decorators(declare: Decorator, declare_result: ResultDecorator) -> None:
    """A handler stays what it was."""
    same = declare(returns_a_dataclass)
    assert_type(same(job=_job()), Invoice)
    number = declare_result(returns_a_number)
    assert_type(number(2), int)
    service = declare(Service())
    assert_type(service, Service)


def _job() -> ExternalWorkerAcquireJobResponse:
    raise NotImplementedError


# ---------------------------------------------------------------- middleware


def measured(call: Call, call_next: CallNext) -> Executable:
    """See everything, and change it."""
    assert_type(call.handler, str)
    assert_type(call.context.attempt, int)
    assert_type(call.context.logger, JobLogger)
    assert_type(call.arguments, Mapping[str, object])
    if call.topic == "cached":
        return call.outcome({"a": 1})
    return call_next(replace(call, arguments={**call.arguments, "limit": 5}))


async def measured_async(call: Call, call_next: AsyncCallNext) -> Executable:
    """Be the same for coroutines."""
    return await call_next(call)


class Kept:
    """A store."""

    def get(self, key: str, /) -> str | None:
        """Look."""
        return key

    def put(self, key: str, outcome: str, /) -> None:
        """Keep."""


class AsyncKept:
    """A store for coroutines."""

    async def get(self, key: str, /) -> str | None:
        """Look."""
        return key

    async def put(self, key: str, outcome: str, /) -> None:
        """Keep."""


around: list[Middleware] = [
    measured,
    measured_async,
    time_limit("5m"),
    rate_limit(5, per="1m"),
    circuit_breaker(failures=3, pause=30, exceptions=(OSError, TimeoutError)),
    idempotent(Kept(), key=lambda call: call.job.id),
    idempotent(AsyncKept()),
]
assert_type(idempotent(Kept()), SyncMiddleware)
assert_type(idempotent(AsyncKept()), AsyncMiddleware)
limiters: list[Limiter] = [rate_limit(5), circuit_breaker()]
assert_type(limiters[0].take(5, 0.0), Allowance)


# ---------------------------------------------------------------- exceptions


def closed(error: OSError) -> RetryLater:
    """Say what an exception means."""
    return RetryLater("5m", str(error))


def perhaps(error: Any) -> BaseException | None:
    """Say it of some."""
    return None if error.args else DeadLetter("no arguments")


tables: list[ErrorTable] = [
    {},
    {ValueError: DeadLetter, KeyError: JobFailure},
    {ValueError: BpmnError("invalid"), OSError: closed, Exception: perhaps},
    {ConnectionError: RetryPolicy(first_pause="1m"), KeyError: lambda error: BpmnError(str(error))},
]
