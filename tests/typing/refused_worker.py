"""Mistakes with workers that a type checker must find. Never run; see `refused.py`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from flowable.external_worker_client import AsyncCallNext, BpmnError, Call, CallNext, RetryLater, Worker
from flowable.external_worker_client.worker_result import Executable

worker = Worker()
executor = ThreadPoolExecutor(1)


def timed(call: Call, call_next: CallNext) -> Executable:
    """Stand around functions."""
    return call_next(call)


async def timed_async(call: Call, call_next: AsyncCallNext) -> Executable:
    """Stand around coroutines."""
    return await call_next(call)


def wrong_workers() -> None:
    """Options have names and types."""
    Worker("http://localhost:8090")  # error: arg-type
    Worker(concurrency="16")  # error: arg-type
    Worker(names="snake")  # error: arg-type
    Worker(lockk="5m")  # error: call-arg
    Worker(processes=4)  # error: call-arg
    Worker(errors={KeyError: 5})  # error: dict-item
    Worker(errors={KeyError: BpmnError})  # error: dict-item
    Worker(on_invalid=RetryLater)  # error: arg-type
    Worker(redact="iban")  # error: arg-type
    Worker(tenants="acme")  # error: arg-type
    Worker(total_concurrency="32")  # error: arg-type
    Worker(total_concurrency=0.5)  # error: arg-type
    Worker(weight="3")  # error: arg-type
    worker.run(grace=[30])  # error: arg-type
    worker.running("http://localhost:8090")  # error: arg-type
    worker.include("package.module:worker")  # error: arg-type


def wrong_options() -> None:
    """Of handlers too."""
    worker.job("t", lock=None)  # error: call-overload
    worker.job("t", processes="4")  # error: call-overload
    worker.job("t", executor=executor, processes=4)  # error: call-overload
    worker.job("t", timeoutt="5s")  # error: call-overload
    worker.job("t", errors={ValueError: BpmnError})  # error: dict-item
    worker.job("t", errors={ValueError: RetryLater})  # error: dict-item
    worker.job("t", on_invalid=BpmnError)  # error: arg-type
    worker.job("t", redact="iban")  # error: call-overload
    worker.job("t", tenants="acme")  # error: call-overload
    worker.job("t", weight="3")  # error: call-overload
    worker.job("t", total_concurrency=32)  # error: call-overload
    worker.job("t", middleware=[timed, timed_async])  # error: list-item
    worker.job("t", middleware=timed)  # error: call-overload
    worker.job("t", processes=4, middleware=[timed_async])  # error: list-item
    worker.job("t", executor=executor, middleware=[timed_async])  # error: list-item


@worker.job("scalar")  # error: type-var
def scalar(customer: str) -> str:
    """Return what has no name."""
    return customer


@worker.job("processes", processes=4)  # error: type-var
async def in_processes(customer: str) -> dict[str, str]:
    """Be a coroutine, which no process runs."""
    return {"customer": customer}


@worker.job("processes", processes=4, result="customer")  # error: type-var
async def value_in_processes(customer: str) -> str:
    """Be a coroutine with one value."""
    return customer


@worker.job("executor", executor=executor)  # error: type-var
async def on_an_executor(customer: str) -> dict[str, str]:
    """Be a coroutine, which no executor runs."""
    return {"customer": customer}


@worker.job("executor", executor=executor)  # error: type-var
def scalar_on_an_executor(customer: str) -> str:
    """Return what has no name."""
    return customer


@worker.job("middleware", middleware=[timed_async])  # error: type-var
def with_that_of_coroutines(customer: str) -> dict[str, str]:
    """Be no coroutine."""
    return {"customer": customer}


@worker.job("middleware", middleware=[timed_async], result="customer")  # error: type-var
def value_with_that_of_coroutines(customer: str) -> str:
    """Be no coroutine, with one value."""
    return customer


@worker.job("middleware", middleware=[timed])  # error: type-var
async def with_that_of_functions(customer: str) -> dict[str, str]:
    """Be a coroutine."""
    return {"customer": customer}


@worker.job("middleware", middleware=[timed], result="customer")  # error: type-var
async def value_with_that_of_functions(customer: str) -> str:
    """Be a coroutine with one value."""
    return customer


@worker.job("result", result="customer")  # error: type-var
def bytes_as_value(customer: str) -> bytes:
    """Return what no variable holds."""
    return customer.encode()


@worker.job("result", result="customer")  # error: type-var
async def bytes_as_value_later(customer: str) -> bytes:
    """Return it later."""
    return customer.encode()


@worker.job("result", result="customer", processes=4)  # error: type-var
def bytes_as_value_in_processes(customer: str) -> bytes:
    """Return it elsewhere."""
    return customer.encode()
