"""Mistakes with handlers that a type checker must find. Never run; see `refused.py`."""

from __future__ import annotations

from flowable.external_worker_client import BpmnError, RetryLater
from flowable.external_worker_client.handlers.middleware import AsyncCallNext, Call, CallNext
from flowable.external_worker_client.handlers.ready import circuit_breaker, idempotent, rate_limit, time_limit
from flowable.external_worker_client.handlers.signatures import (
    AsyncHandler,
    AsyncMiddleware,
    Decorator,
    ErrorTable,
    Handler,
    Middleware,
    ResultDecorator,
    SyncMiddleware,
)
from flowable.external_worker_client.worker_result import Executable


def returns_text(customer: str) -> str:
    """Return what has no name."""
    return customer


def returns_a_list(customer: str) -> list[str]:
    """Return what has no names."""
    return [customer]


async def returns_text_later(customer: str) -> str:
    """Return it later."""
    return customer


def returns_bytes(customer: str) -> bytes:
    """Return what no variable holds."""
    return customer.encode()


async def returns_bytes_later(customer: str) -> bytes:
    """Return it later."""
    return customer.encode()


async def fine_later(customer: str) -> dict[str, str]:
    """Be a coroutine function."""
    return {"customer": customer}


def fine(customer: str) -> dict[str, str]:
    """Be a handler."""
    return {"customer": customer}


def kinds() -> None:
    """One kind is not the other, and what is returned has names."""
    _1: Handler = returns_text  # error: assignment
    _2: Handler = returns_a_list  # error: assignment
    _3: Handler = fine_later  # error: assignment
    _4: AsyncHandler = fine  # error: assignment
    _5: AsyncHandler = returns_text_later  # error: assignment


def decorators(declare: Decorator, declare_result: ResultDecorator) -> None:
    """Without `result`, what is returned must have names; the type of the function stays."""
    declare(returns_text)  # error: type-var
    declare(returns_text_later)  # error: type-var
    declare("a text")  # error: type-var
    declare_result(returns_text)(5)  # error: arg-type
    declare_result(returns_bytes)  # error: type-var
    declare_result(returns_bytes_later)  # error: type-var
    declare(fine)(customer=5)  # error: arg-type


def forgets_the_next(call: Call) -> Executable:
    """Take one argument."""
    return call.outcome(None)


def forgets_to_return(call: Call, call_next: CallNext) -> None:
    """Lose the outcome."""
    call_next(call)


async def forgets_to_await(call: Call, call_next: AsyncCallNext) -> Executable:
    """Return a coroutine."""
    return call_next(call)  # error: return-value


async def fine_async(call: Call, call_next: AsyncCallNext) -> Executable:
    """Be right."""
    return await call_next(call)


def fine_sync(call: Call, call_next: CallNext) -> Executable:
    """Be right."""
    call.handler = "another"  # error: misc
    return call_next()  # error: call-arg


class HalfAStore:
    """Cannot keep anything."""

    def get(self, key: str, /) -> str | None:
        """Look."""
        return key


def middleware() -> None:
    """It takes a call and what comes next, and returns an outcome; each kind for its own."""
    _1: Middleware = forgets_the_next  # error: assignment
    _2: Middleware = forgets_to_return  # error: assignment
    _3: SyncMiddleware = fine_async  # error: assignment
    _4: AsyncMiddleware = fine_sync  # error: assignment
    time_limit()  # error: call-arg
    rate_limit("5")  # error: arg-type
    rate_limit(5, "1s")  # error: call-arg
    circuit_breaker(5)  # error: call-arg
    circuit_breaker(exceptions=[OSError])  # error: arg-type
    circuit_breaker(exceptions=(OSError, "TimeoutError"))  # error: arg-type
    idempotent({})  # error: call-overload
    idempotent(HalfAStore())  # error: call-overload


def without_the_exception() -> BpmnError:
    """Take nothing."""
    return BpmnError("x")


def tables() -> None:
    """Exception types, and what can be done about them."""
    _1: ErrorTable = {"ValueError": RetryLater("5m")}  # error: dict-item
    _2: ErrorTable = {ValueError: "later"}  # error: dict-item
    _3: ErrorTable = {ValueError: without_the_exception}  # error: dict-item
    _4: ErrorTable = {str: RetryLater("5m")}  # error: dict-item
    _5: ErrorTable = {ValueError: BpmnError}  # error: dict-item
    _6: ErrorTable = {ValueError: RetryLater}  # error: dict-item
