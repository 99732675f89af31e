"""Workers and their handlers, as type checkers must accept them. Never run; see `accepted.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
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


@worker.job("before")
def as_before(job: Job, worker_result_builder: WorkerResultBuilder) -> WorkerResultSuccess:
    """Be in the form of version 1."""
    return worker_result_builder.success().variable_string("id", job.id)


def types_stay() -> None:
    """The decorator returns what it got."""
    assert_type(function("4711", Context(Job([], "1")), 5), dict[str, object])
    kept: Callable[[str], Coroutine[Any, Any, None]] = coroutine
    del kept
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
