"""Workers and their handlers, as type checkers must accept them. Never run; see `accepted.py`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, assert_type

from flowable.external_worker_client import (
    AllVariables,
    AsyncCallNext,
    BpmnError,
    Call,
    CallNext,
    Context,
    DeadLetter,
    ExternalWorkerClient,
    ExternalWorkerSubscription,
    Job,
    JobFailure,
    RetryLater,
    RetryPolicy,
    Shared,
    Variable,
    Worker,
    WorkerResultBuilder,
    WorkerResultSuccess,
    circuit_breaker,
    rate_limit,
    time_limit,
)
from flowable.external_worker_client.worker_result import Executable

client = ExternalWorkerClient("http://localhost:8090/flowable-rest")


@contextmanager
def database() -> Generator[dict[str, int]]:
    """Open something."""
    yield {"pool": 5}


@asynccontextmanager
async def session() -> AsyncGenerator[str]:
    """Open something on the loop."""
    yield "session"


def timed(call: Call, call_next: CallNext) -> Executable:
    """Stand around functions."""
    return call_next(call)


async def timed_async(call: Call, call_next: AsyncCallNext) -> Executable:
    """Stand around coroutines."""
    return await call_next(call)


def absent(error: ValueError | KeyError, why: str = "") -> RetryLater:
    """Say what an exception means."""
    return RetryLater("5m", f"{error} {why}")


class Table:
    """Says it, as an object and by a method."""

    def find(self, error: Exception) -> BaseException | None:
        """Say it."""
        return error.__cause__

    def __call__(self, error: ValueError) -> DeadLetter:
        """Say it."""
        return DeadLetter(str(error))


worker = Worker(
    client,
    lifespan=database,
    names="as_is",
    on_invalid=DeadLetter,
    redact={"iban"},
    middleware=[timed, time_limit("5m")],
    errors={KeyError: BpmnError("absent"), OSError: RetryLater("5m"), ValueError: lambda error: DeadLetter(str(error))},
    lock="5m",
    concurrency=16,
    retry=RetryPolicy(),
    scope_type="bpmn",
    number_of_tasks=5,
    poll=timedelta(seconds=1),
    timeout=None,
    tenants={"acme", ""},
    total_concurrency=32,
    weight=0.5,
)
other = Worker(lifespan=session)
worker.include(other)


@worker.job("function", lock=timedelta(minutes=5), middleware=[rate_limit(5)])
def function(
    customer_id: str,
    context: Context,
    pool: Annotated[int, Shared("pool")],
    number: Annotated[int, Variable("Customer No")] = 0,
) -> dict[str, object]:
    """Be an ordinary handler."""
    return {"customer": customer_id, "pool": pool, "number": number, "attempt": context.attempt}


@other.job("coroutine", timeout="30s", middleware=[timed_async, circuit_breaker(pause="1m")], tenants=["acme"])
async def coroutine(customer_id: str) -> None:
    """Be a coroutine."""
    await asyncio.sleep(len(customer_id))


@worker.job("processes", processes=4, timeout=60)
def in_processes(values: list[float], job: Job) -> dict[str, float]:
    """Run elsewhere."""
    return {"sum": sum(values), job.id: 0.0}


@worker.job("one value in processes", processes=4, result="sum")
def one_value(values: list[float]) -> float:
    """Return one value."""
    return sum(values)


@worker.job("executor", executor=ThreadPoolExecutor(4))
def on_threads(everything: Annotated[dict[str, Any], AllVariables]) -> None:
    """Run on threads of somebody's own."""
    del everything


@worker.job("one value on an executor", executor=ProcessPoolExecutor(4), result="text")
def on_processes(text: str) -> str:
    """Return text."""
    return text


@worker.job("one value", result="total", on_invalid=RetryLater("1h"), names="camel", redact=True)
async def one_value_later(values: list[float]) -> float:
    """Return one value, later."""
    return sum(values)


@worker.job("functions", middleware=[timed, time_limit("5m")], result="total", redact=["iban"], tenants=("acme", ""))
def around_a_function(values: list[float]) -> float:
    """Have middleware of its kind."""
    return sum(values)


@worker.job("coroutines", middleware=(timed_async, rate_limit(5)), result="at", redact=frozenset({"iban"}))
async def around_a_coroutine() -> datetime | None:
    """Have middleware of its kind."""
    return None


@worker.job("both", weight=3, middleware=[rate_limit(5), circuit_breaker()], redact={"iban": "…"}.keys(), tenants=None)
async def around_both(value: Decimal) -> None:
    """Have middleware of both kinds."""
    del value


@worker.job("around processes", middleware=[timed, rate_limit(5)], processes=4)
def around_processes(value: Decimal) -> None:
    """Have middleware, which stays here."""
    del value


@worker.job("around an executor", middleware=[timed], executor=ThreadPoolExecutor(4), result="value")
def around_an_executor(value: Decimal) -> Decimal:
    """Have middleware, which stays here."""
    return value


@worker.job("a list", result="values", errors={ValueError: absent, KeyError: functools.partial(absent, why="a")})
def a_list(value: int) -> list[dict[str, int]]:
    """Return a list, and have functions in the table."""
    return [{"value": value}]


@worker.job(
    "its fields", result="all of it", on_invalid=Table().find, errors={ValueError: Table(), KeyError: JobFailure}
)
async def its_fields(value: str) -> str | int | bool | dict[str, list[int]]:
    """Return one of several, and have a method and an object in the table."""
    return value


@worker.job("before")
def as_before(job: Job, worker_result_builder: WorkerResultBuilder) -> WorkerResultSuccess:
    """Be in the form of version 1."""
    return worker_result_builder.success().variable_string("id", job.id)


def types_stay() -> None:
    """The decorator returns what it got."""
    assert_type(function("4711", Context(Job([], "1")), 5), dict[str, object])
    kept: Callable[[str], Coroutine[Any, Any, None]] = coroutine
    del kept
    assert_type(around_a_function([1.0]), float)
    later: Callable[[], Coroutine[Any, Any, datetime | None]] = around_a_coroutine
    del later
    assert_type(around_an_executor(Decimal(1)), Decimal)
    assert_type(in_processes([1.0], Job([], "1")), dict[str, float])
    assert_type(one_value([1.0]), float)
    assert_type(on_processes("text"), str)
    assert_type(worker.topics, tuple[str, ...])


def blocks() -> None:
    """Of both kinds."""
    with worker.running(client, grace="5s") as running:
        assert_type(running.subscriptions, dict[str, ExternalWorkerSubscription])
    worker.run(grace=timedelta(seconds=20))


async def async_blocks() -> None:
    """On the caller's loop."""
    async with worker.running() as running:
        assert_type(running.subscriptions["function"].unsubscribe(), bool)
