"""Middleware that is ready to use."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, cast, overload

from flowable.external_worker_client import arguments, durations
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import ExternalWorkerError, InvalidArgumentError
from flowable.external_worker_client.handler_errors import BpmnError, CmmnTerminate, HandlerError, RetryLater
from flowable.external_worker_client.handlers import returned
from flowable.external_worker_client.handlers.limits import Circuit, Window
from flowable.external_worker_client.handlers.middleware import (
    AsyncCallNext,
    AsyncMiddleware,
    Call,
    CallNext,
    SyncMiddleware,
)
from flowable.external_worker_client.limiter import Allowance
from flowable.external_worker_client.worker_result import (
    Executable,
    NothingReturned,
    WorkerResultBpmnError,
    WorkerResultBuilder,
    WorkerResultCmmnTerminate,
    WorkerResultSuccess,
)

_logger = logging.getLogger(__name__)


# ---------------------------------------------------------------- time


class TimeLimitExceededError(ExternalWorkerError, TimeoutError):
    """A coroutine took longer than its time limit, and was cancelled.

    Args:
        handler: Name of the handler.
        seconds: The limit.

    Attributes:
        handler: As given.
        seconds: As given.
    """

    def __init__(self, handler: str, seconds: float) -> None:
        self.handler = handler
        self.seconds = seconds
        super().__init__(f"{handler} took longer than its time limit of {seconds:g} s")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attributes when the exception is pickled."""
        return type(self), (self.handler, self.seconds)


class TimeLimit:
    """See `time_limit`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def sync(self, call: Call, call_next: CallNext) -> Executable:
        """Say so when the time is over. A thread cannot be ended from outside."""

        def over() -> None:
            call.context.logger.warning(
                "Topic %r: job %s: %s still runs after its time limit of %g s. It runs on a thread, and nothing can "
                "end a thread: make it async def, or let it run in a process",
                call.topic,
                call.job.id,
                call.handler,
                self._seconds,
            )

        timer = threading.Timer(self._seconds, over)
        timer.daemon = True
        timer.start()
        try:
            return call_next(call)
        finally:
            timer.cancel()

    async def asynchronous(self, call: Call, call_next: AsyncCallNext) -> Executable:
        """Cancel the coroutine when the time is over."""
        timeout = asyncio.timeout(self._seconds)
        try:
            async with timeout:
                return await call_next(call)
        except TimeoutError as error:
            if not timeout.expired():
                # Of the handler's own.
                raise
            raise TimeLimitExceededError(call.handler, self._seconds) from error

    def __repr__(self) -> str:
        """Show the limit."""
        return f"time_limit({self._seconds:g})"


def time_limit(limit: DurationLike) -> TimeLimit:
    """Limit how long a handler takes.

    An `async def` handler is cancelled when the time is over, and its job fails with a `TimeLimitExceededError`, which
    is a `TimeoutError`: as the retry policy says, or the table of errors.

    A `def` handler runs on a thread, and **nothing can end a thread**: when the time is over, that is logged, and the
    handler goes on. The time is that of the machine, also where tests move the clock of the worker.

    Args:
        limit: In any form of `durations`, above zero.

    Raises:
        InvalidArgumentError: It is no duration, or not above zero.
    """
    return TimeLimit(_above_zero(limit, "limit"))


# ---------------------------------------------------------------- limits to acquiring


class RateLimit:
    """See `rate_limit`."""

    def __init__(self, jobs: int, per: float) -> None:
        self._shown = f"rate_limit({jobs}, per={per:g})"
        self._window = Window(jobs, per)
        self._lock = threading.Lock()

    def sync(self, call: Call, call_next: CallNext) -> Executable:
        """Go on: jobs over the limit are not even acquired."""
        return call_next(call)

    async def asynchronous(self, call: Call, call_next: AsyncCallNext) -> Executable:
        """Go on, as in `sync`."""
        return await call_next(call)

    def take(self, wanted: int, now: float) -> Allowance:
        """See `Limiter.take`."""
        with self._lock:
            return self._window.take(wanted, now)

    def give_back(self, jobs: int, now: float) -> None:
        """See `Limiter.give_back`."""
        del now
        with self._lock:
            self._window.give_back(jobs)

    def __repr__(self) -> str:
        """Show the limit."""
        return self._shown


def rate_limit(jobs: int, *, per: DurationLike = "1s") -> RateLimit:
    """Limit how many jobs are taken in a time: at most `jobs` within any span of `per`.

    When the limit is reached, the worker stops acquiring; what it leaves in the engine, other workers can have. The
    limit counts in this process only: with three processes, give each a third. One object used for several handlers
    counts all of their jobs.

    Args:
        jobs: At least 1.
        per: In any form of `durations`, above zero.

    Raises:
        InvalidArgumentError: An argument is not as said above.
    """
    return RateLimit(arguments.count(jobs, "jobs"), _above_zero(per, "per"))


class CircuitBreaker:
    """See `circuit_breaker`."""

    def __init__(self, failures: int, pause: float, exceptions: tuple[type[BaseException], ...]) -> None:
        self._shown = f"circuit_breaker(failures={failures}, pause={pause:g})"
        self._exceptions = exceptions
        self._circuit = Circuit(failures, pause)
        self._lock = threading.Lock()

    @property
    def state(self) -> str:
        """`"closed"`, `"open"`, `"half_open"` (the pause is over), or `"probing"` (one job finds out)."""
        return self._circuit.state.name.lower()

    def sync(self, call: Call, call_next: CallNext) -> Executable:
        """Let the call pass if the circuit does, and note how it ended."""
        run = self._start(call)
        try:
            outcome = call_next(call)
        except BaseException as error:
            self._raised(call, run, error)
            raise
        self._ended(call, run, good=True)
        return outcome

    async def asynchronous(self, call: Call, call_next: AsyncCallNext) -> Executable:
        """Do as `sync` does."""
        run = self._start(call)
        try:
            outcome = await call_next(call)
        except BaseException as error:
            self._raised(call, run, error)
            raise
        self._ended(call, run, good=True)
        return outcome

    def take(self, wanted: int, now: float) -> Allowance:
        """See `Limiter.take`."""
        with self._lock:
            return self._circuit.take(wanted, now)

    def give_back(self, jobs: int, now: float) -> None:
        """See `Limiter.give_back`."""
        del now
        with self._lock:
            self._circuit.give_back(jobs)

    def _start(self, call: Call) -> int:
        now = call.context.now()
        with self._lock:
            run, left = self._circuit.start(now), self._circuit.left(now)
        if run is None:
            raise RetryLater(left, f"the circuit breaker of {call.handler} is open")
        return run

    def _raised(self, call: Call, run: int, error: BaseException) -> None:
        if isinstance(error, HandlerError):
            # A decision of the handler, so what it needs has answered; unless somebody counts these on purpose.
            good: bool | None = not any(isinstance(error, kind) for kind in self._exceptions if kind not in _TOO_WIDE)
        else:
            good = False if isinstance(error, self._exceptions) else None
        if self._ended(call, run, good=good):
            left = self._left(call)
            raise RetryLater(left, f"the circuit breaker of {call.handler} is open: {_text(error)}") from error

    def _left(self, call: Call) -> float:
        with self._lock:
            return self._circuit.left(call.context.now())

    def _ended(self, call: Call, run: int, *, good: bool | None) -> bool:
        with self._lock:
            before = self._circuit.state
            held = self._circuit.ended(run, call.context.now(), good=good)
            after = self._circuit.state
        if before is not after:
            level = logging.INFO if good else logging.WARNING
            call.context.logger.log(
                level, "Topic %r: the circuit breaker of %s is %s", call.topic, call.handler, self.state
            )
        return held

    def __repr__(self) -> str:
        """Show the settings."""
        return self._shown


#: Counting these does not mean to count what is derived from them to decide about a job.
_TOO_WIDE: Final = (BaseException, Exception, ExternalWorkerError)


def circuit_breaker(
    *, failures: int = 5, pause: DurationLike = "30s", exceptions: tuple[type[BaseException], ...] = (Exception,)
) -> CircuitBreaker:
    """Stop acquiring after too many failures in a row, and try again with one job.

    The circuit opens at the last of so many failures in a row. From then on no job is acquired, and none spends a
    retry: the one that opened it, and those that come to the handler while it is open, are offered again later with all
    the retries that they had. After the pause one job is acquired. If it succeeds, all is as before; if it fails, that
    job keeps its retries too, and the next pause begins. Failures before the circuit opened are failures as any other.

    It counts in this process only. One object used for several handlers counts for all of them together.

    Args:
        failures: How many failures in a row open it. At least 1.
        pause: How long it stays open, in any form of `durations`, above zero.
        exceptions: What counts as a failure. Exceptions by which a handler says how its job ends (`BpmnError`, …) do
            only where they are named. Other exceptions tell nothing, neither good nor bad.

    Raises:
        InvalidArgumentError: An argument is not as said above.
    """
    kinds = cast("tuple[object, ...]", exceptions if isinstance(exceptions, tuple) else (exceptions,))
    if not all(isinstance(each, type) and issubclass(each, BaseException) for each in kinds):
        raise InvalidArgumentError("exceptions", exceptions, "a tuple of exception types")
    return CircuitBreaker(arguments.count(failures, "failures"), _above_zero(pause, "pause"), cast("Any", kinds))


# ---------------------------------------------------------------- once only


class Store(Protocol):
    """Where outcomes are remembered: a table, a file, a cache. Called from the threads of handlers."""

    def get(self, key: str, /) -> str | None:
        """Return what was put under a key, or `None`."""
        ...

    def put(self, key: str, outcome: str, /) -> object:
        """Remember a text under a key. When this returns, it must be safe."""
        ...


class AsyncStore(Protocol):
    """The same for `async def` handlers."""

    async def get(self, key: str, /) -> str | None:
        """Return what was put under a key, or `None`."""
        ...

    async def put(self, key: str, outcome: str, /) -> object:
        """Remember a text under a key. When this returns, it must be safe."""
        ...


def _correlation_id(call: Call) -> str:
    return call.job.correlation_id or call.job.id


@overload
def idempotent(store: AsyncStore, *, key: Callable[[Call], str] = ...) -> AsyncMiddleware: ...
@overload
def idempotent(store: Store, *, key: Callable[[Call], str] = ...) -> SyncMiddleware: ...
def idempotent(
    store: Store | AsyncStore, *, key: Callable[[Call], str] = _correlation_id
) -> SyncMiddleware | AsyncMiddleware:
    """Remember outcomes, and settle a job with what is remembered in place of doing it again.

    The engine offers a job again when its lock ran out, be it done or not. What was remembered of it is its outcome
    then: success, BPMN error or termination, with variables. Failures are not remembered, nor outcomes of a class of
    one's own. Two workers that do one job at the same time are not kept apart: for that, let the work itself have a
    key.

    Args:
        store: A `Store` for `def` handlers, or an `AsyncStore` for `async def` ones.
        key: What a job is remembered by. Unless given: its correlation id, which stays the same through retries.

    Raises:
        InvalidArgumentError: The store lacks `get` or `put`, or only one of them is `async`.
    """
    methods = [getattr(store, name, None) for name in ("get", "put")]
    kinds = {inspect.iscoroutinefunction(each) for each in methods}
    if not all(callable(each) for each in methods) or len(kinds) > 1:
        raise InvalidArgumentError("store", store, "an object with the methods get and put, both async or neither")

    def once(call: Call, call_next: CallNext) -> Executable:
        kept = cast("Store", store)
        name = key(call)
        if (known := kept.get(name)) is not None:
            return _recalled(call, known)
        outcome = _settled(call, lambda: call_next(call))
        if (text := _remembered(outcome)) is not None:
            kept.put(name, text)
        return outcome

    async def once_async(call: Call, call_next: AsyncCallNext) -> Executable:
        kept = cast("AsyncStore", store)
        name = key(call)
        if (known := await kept.get(name)) is not None:
            return _recalled(call, known)
        outcome = await _settled_async(call, call_next(call))
        if (text := _remembered(outcome)) is not None:
            await kept.put(name, text)
        return outcome

    chosen = once_async if kinds == {True} else once
    chosen.__qualname__ = "idempotent"
    return chosen


def _settled(call: Call, run: Callable[[], Executable]) -> Executable:
    """Return the outcome; that of a `BpmnError` or `CmmnTerminate` too."""
    try:
        return run()
    except (BpmnError, CmmnTerminate) as error:
        return returned.of_decision(call.job, error)


async def _settled_async(call: Call, run: Awaitable[Executable]) -> Executable:
    try:
        return await run
    except (BpmnError, CmmnTerminate) as error:
        return returned.of_decision(call.job, error)


class _Note:
    """Stands in for the REST client, to learn what an outcome tells it."""

    def __init__(self) -> None:
        self.told: dict[str, object] = {}

    def complete_job(self, job_id: str, variables: list[EngineRestVariable] | None = None) -> None:
        del job_id
        self.told = {"outcome": "complete", "variables": _as_json(variables)}

    def job_with_bpmn_error(
        self, job_id: str, variables: list[EngineRestVariable] | None = None, error_code: str | None = None
    ) -> None:
        del job_id
        self.told = {"outcome": "bpmnError", "variables": _as_json(variables), "errorCode": error_code}

    def job_with_cmmn_terminate(self, job_id: str, variables: list[EngineRestVariable]) -> None:
        del job_id
        self.told = {"outcome": "cmmnTerminate", "variables": _as_json(variables)}


def _as_json(variables: list[EngineRestVariable] | None) -> list[list[object]] | None:
    return None if variables is None else [[each.name, each.type, each.value] for each in variables]


#: Outcomes whose meaning is known. Others may do anything.
_KNOWN: Final = (WorkerResultSuccess, WorkerResultBpmnError, WorkerResultCmmnTerminate, NothingReturned)


def _remembered(outcome: Executable) -> str | None:
    """Return an outcome as text, or `None` if it is to be forgotten."""
    if type(outcome) not in _KNOWN:
        return None
    note = _Note()
    outcome.execute(note)
    return json.dumps(note.told)


def _recalled(call: Call, text: str) -> Executable:
    told = cast("dict[str, Any]", json.loads(text))
    call.context.logger.warning(
        "Topic %r: job %s was done before: it is settled with the outcome of then (%s), and not done again",
        call.topic,
        call.job.id,
        told["outcome"],
    )
    if told["variables"] is None:
        return NothingReturned(call.job.id)
    builder = WorkerResultBuilder(call.job)
    outcome: WorkerResultSuccess | WorkerResultBpmnError | WorkerResultCmmnTerminate
    match told["outcome"]:
        case "bpmnError":
            outcome = builder.bpmn_error().error_code(told["errorCode"])
        case "cmmnTerminate":
            outcome = builder.cmmn_terminate()
        case _:
            outcome = builder.success()
    outcome._variables = [EngineRestVariable(*each) for each in told["variables"]]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return outcome


def _above_zero(value: object, parameter: str) -> float:
    seconds = durations.retry_timeout(value, parameter).seconds
    if seconds <= 0:
        raise InvalidArgumentError(parameter, value, "above zero")
    return seconds


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
