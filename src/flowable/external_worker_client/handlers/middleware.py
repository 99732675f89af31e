"""What stands around the calls of handlers: functions of a call and of what comes next.

```python
def measured(call: Call, call_next: CallNext) -> Executable:
    began = time.perf_counter()
    try:
        return call_next(call)
    finally:
        call.context.logger.info("%s took %.3f s", call.handler, time.perf_counter() - began)
```

The first in a list is the outermost; the worker's are around the handler's. Around an `async def` handler they are
`async def` too, and await what comes next. One of the other kind is refused when the handler is declared: a function
cannot see what a coroutine does that it only passes on. An object with the two methods of `BothKinds` fits around both.

By the time that they are called, the arguments of the handler have been found: a job with invalid variables reaches
none of them. What they see of a handler is its outcome, or the exception that it raised, before `errors` is looked at.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

from flowable.external_worker_client.errors import shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handlers.context import Context
from flowable.external_worker_client.handlers.invalid import InvalidOutcomeError
from flowable.external_worker_client.limiter import Allowance, Limiter
from flowable.external_worker_client.worker_result import Executable, WorkResult

#: Calls a handler with its arguments: `function(**arguments)`, or the same elsewhere.
Invoke: TypeAlias = Callable[[Callable[..., Any], dict[str, object]], Any]


def _nothing_reached() -> list[object]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a handler, as middleware sees it.

    To change what the handler gets, give the next one a changed copy:
    `call_next(dataclasses.replace(call, arguments={**call.arguments, "limit": 5}))`.

    Attributes:
        handler: Name of the handler: module and qualified name.
        topic: On which the job came.
        job: The job.
        context: See `Context`.
        arguments: What the handler is called with, by the names of its parameters.
    """

    handler: str
    topic: str
    job: ExternalWorkerAcquireJobResponse
    context: Context
    arguments: Mapping[str, object]
    _make: Callable[[ExternalWorkerAcquireJobResponse, object], Executable] = field(repr=False)
    _invoke: Invoke | None = field(default=None, repr=False)
    _reached: list[object] = field(default_factory=_nothing_reached, repr=False)
    _hides: bool = field(default=False, repr=False)

    def outcome(self, returned: object) -> Executable:
        """Return the outcome that the handler would have by returning this, for a middleware that does not call it.

        Raises:
            InvalidOutcomeError: The handler could not return this.
        """
        return self._make(self.job, returned)


CallNext: TypeAlias = Callable[[Call], Executable]
AsyncCallNext: TypeAlias = Callable[[Call], Awaitable[Executable]]
SyncMiddleware: TypeAlias = Callable[[Call, CallNext], Executable]
AsyncMiddleware: TypeAlias = Callable[[Call, AsyncCallNext], Awaitable[Executable]]


@runtime_checkable
class BothKinds(Protocol):
    """Middleware that fits around `def` and `async def` handlers alike."""

    def sync(self, call: Call, call_next: CallNext) -> Executable:
        """Stand around a `def` handler."""
        ...

    async def asynchronous(self, call: Call, call_next: AsyncCallNext) -> Executable:
        """Stand around an `async def` handler."""
        ...


#: What can be given as middleware.
Middleware: TypeAlias = SyncMiddleware | AsyncMiddleware | BothKinds


def fitting(middleware: object, *, is_async: bool) -> Callable[..., Any] | None:
    """Return the function of a middleware that fits around a handler of this kind, or `None`."""
    if isinstance(middleware, type) or not (callable(middleware) or isinstance(middleware, BothKinds)):
        return None
    if isinstance(middleware, BothKinds):
        return middleware.asynchronous if is_async else middleware.sync
    called = getattr(middleware, "__call__", None)  # noqa: B004 - the method itself, which may be async
    async_itself = inspect.iscoroutinefunction(middleware) or inspect.iscoroutinefunction(called)
    return cast("Callable[..., Any]", middleware) if async_itself is is_async else None


def takes_a_call(function: Callable[..., Any]) -> bool:
    """Tell whether a function can be called with a call and what comes next, as far as its signature shows."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(None, None)
    except TypeError:
        return False
    return True


def name_of(middleware: object) -> str:
    """Return what people know a middleware by."""
    return getattr(middleware, "__qualname__", None) or type(middleware).__qualname__


def chain(middleware: Sequence[object], innermost: CallNext) -> CallNext:
    """Return a function that goes through middleware, all of which fit around `def` handlers, from the first on."""
    following = innermost
    for each in reversed(middleware):
        following = _step(each, following)
    return following


def chain_async(middleware: Sequence[object], innermost: AsyncCallNext) -> AsyncCallNext:
    """Return the same for `async def` handlers."""
    following = innermost
    for each in reversed(middleware):
        following = _step_async(each, following)
    return following


def _step(middleware: object, following: CallNext) -> CallNext:
    function = fitting(middleware, is_async=False)
    assert function is not None  # noqa: S101 - it was looked at when the handler was declared

    def step(call: Call) -> Executable:
        call._reached.append(middleware)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return _checked(middleware, call, function(call, following))

    return step


def _step_async(middleware: object, following: AsyncCallNext) -> AsyncCallNext:
    function = fitting(middleware, is_async=True)
    assert function is not None  # noqa: S101 - it was looked at when the handler was declared

    async def step(call: Call) -> Executable:
        call._reached.append(middleware)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return _checked(middleware, call, await function(call, following))

    return step


def is_outcome(value: object) -> bool:
    """Tell whether something is an outcome: it has a method `execute`, and more of one than the base class."""
    return callable(getattr(value, "execute", None)) and type(value) is not WorkResult and not isinstance(value, type)


def _checked(middleware: object, call: Call, returned: object) -> Executable:
    if is_outcome(returned):
        return cast("Executable", returned)
    if inspect.iscoroutine(returned):
        # Otherwise Python warns, out of context, that it was never awaited.
        returned.close()
    shown = "" if call._hides else f"{shorten(returned)}, "  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    what = f"returned {shown}a {type(returned).__name__}"
    accepted = "an outcome: what call_next returned, or call.outcome(…)"
    raise InvalidOutcomeError(f"middleware {name_of(middleware)}", what, accepted)


# ---------------------------------------------------------------- limits


def limiters(middleware: Sequence[object]) -> list[Limiter]:
    """Return those that limit how many jobs are acquired."""
    return [cast("Limiter", each) for each in middleware if _limits(each)]


def _limits(middleware: object) -> bool:
    return all(callable(getattr(middleware, name, None)) for name in ("take", "give_back"))


class Limits:
    """Several limiters as one.

    Args:
        limiters: All of them have to allow a job.
    """

    def __init__(self, limiters: Sequence[Limiter]) -> None:
        self._limiters = tuple(limiters)

    def take(self, wanted: int, now: float) -> Allowance:
        """See `Limiter.take`."""
        for number, limiter in enumerate(self._limiters):
            jobs, wait = limiter.take(wanted, now)
            if jobs < wanted:
                # Those before it have reserved more.
                for before in self._limiters[:number]:
                    before.give_back(wanted - jobs, now)
                if jobs == 0:
                    return Allowance(0, wait)
                wanted = jobs
        return Allowance(wanted, 0.0)

    def give_back(self, jobs: int, now: float) -> None:
        """See `Limiter.give_back`."""
        for limiter in self._limiters:
            limiter.give_back(jobs, now)
