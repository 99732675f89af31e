"""Mistakes with workers that a type checker must find. Never run; see `refused.py`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from flowable.external_worker_client import Worker

worker = Worker()
executor = ThreadPoolExecutor(1)


def wrong_workers() -> None:
    """Options have names and types."""
    Worker("http://localhost:8090")  # error: arg-type
    Worker(concurrency="16")  # error: arg-type
    Worker(names="snake")  # error: arg-type
    Worker(lockk="5m")  # error: call-arg
    Worker(processes=4)  # error: call-arg
    Worker(errors={KeyError: 5})  # error: dict-item
    worker.run(grace=[30])  # error: arg-type
    worker.running("http://localhost:8090")  # error: arg-type
    worker.include("package.module:worker")  # error: arg-type


def wrong_options() -> None:
    """Of handlers too."""
    worker.job("t", lock=None)  # error: call-overload
    worker.job("t", processes="4")  # error: call-overload
    worker.job("t", executor=executor, processes=4)  # error: call-overload
    worker.job("t", timeoutt="5s")  # error: call-overload


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
