"""A worker: handlers by decorator, run until told to stop.

```python
worker = Worker()


@worker.job("sendInvoice", lock="5m", concurrency=16)
async def send_invoice(customer_id: str, lines: list[Line]) -> Invoice:
    if not lines:
        raise BpmnError("emptyInvoice")
    ...


if __name__ == "__main__":
    worker.run()
```
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from types import FunctionType
from typing import Any, Unpack, cast, get_args, overload

from flowable.external_worker_client import arguments, durations
from flowable.external_worker_client.client import ExternalWorkerClient
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.handlers import errors_table, middleware
from flowable.external_worker_client.handlers.declared import DECLARED, Declared, declare
from flowable.external_worker_client.handlers.signatures import (
    AsyncDecorator,
    AsyncMiddleware,
    AsyncResultDecorator,
    BothKinds,
    Decorator,
    ErrorAction,
    ErrorTable,
    Middleware,
    Names,
    PlainDecorator,
    PlainResultDecorator,
    ResultDecorator,
    SyncMiddleware,
    Texts,
)
from flowable.external_worker_client.job_options import JobOptions, checked
from flowable.external_worker_client.running import Entry, Lifespan, Running, client_from_environment


class HandlerOptions(JobOptions, total=False):
    """What `Worker.job` takes besides, in each of its forms; described there."""

    names: Names | None
    on_invalid: ErrorAction | None
    redact: bool | Texts | None
    errors: ErrorTable | None


class Worker:
    """Handlers, and what they have in common. It runs on the subscriptions of a client.

    Args:
        client: Where the engine is. `None`: made from the environment when it is run (see `settings`).
        lifespan: Opens what handlers share, such as a database pool, and closes it after the last job: a function that
            returns a context manager, sync or async (which is entered on the loop that coroutine handlers run on).
            Handlers get what it yields by `Annotated[Pool, Shared]`, or as `Context.shared`. `None`: nothing.
        names: How names of variables are made from Python's, for handlers that do not say: `"camel"` or `"as_is"`.
        on_invalid: What becomes of jobs whose variables do not fit, for handlers that do not say; a dead letter.
        redact: Whether values stay out of messages about variables, or of which variables.
        middleware: Around every handler, outermost first, outside of the handler's own.
        errors: What exceptions of handlers mean, where the handler's own table says nothing.
        total_concurrency: How many jobs of all handlers together, those of included workers too, are held at once:
            running, being settled, or waiting for their handler. Topics that compete for them get parts by their
            `weight`, so that none starves. `None`: as the environment says, and otherwise any number.
        **options: For handlers that do not say otherwise; see `JobOptions`.

    Raises:
        InvalidArgumentError: An argument is not what is described above.
    """

    def __init__(
        self,
        client: ExternalWorkerClient | None = None,
        *,
        lifespan: Lifespan | None = None,
        names: Names = "camel",
        on_invalid: ErrorAction | None = None,
        redact: bool | Texts | None = None,
        middleware: Sequence[Middleware] = (),
        errors: ErrorTable | None = None,
        total_concurrency: int | None = None,
        **options: Unpack[JobOptions],
    ) -> None:
        if client is not None and not isinstance(client, ExternalWorkerClient):
            raise InvalidArgumentError("client", client, "an ExternalWorkerClient or None")
        if names not in get_args(Names):
            raise InvalidArgumentError("names", names, '"camel" or "as_is"')
        if total_concurrency is not None:
            arguments.count(total_concurrency, "total_concurrency")
        self._client = client
        self._total = total_concurrency
        self._lifespan = None if lifespan is None else cast("Lifespan", arguments.function(lifespan, "lifespan"))
        self._names: Names = names
        self._within: dict[str, Any] = {
            "middleware": _middleware(middleware),
            "errors": errors_table.check({} if errors is None else errors),
            "on_invalid": None if on_invalid is None else errors_table.check_action(on_invalid, "on_invalid"),
            "redact": _redact(redact),
        }
        self._options = checked(options, Worker, self.job, '@worker.job("…", {}=…)')
        self._own: list[Entry] = []
        self._included: list[Worker] = []
        self._includers: list[Worker] = []

    # ------------------------------------------------------------ declaring

    # Middleware that fits around one kind of handlers only makes a decorator for that kind.

    @overload
    def job(
        self,
        topic: str,
        *,
        middleware: Sequence[BothKinds] = ...,
        **options: Unpack[HandlerOptions],
    ) -> Decorator: ...

    @overload
    def job(  # type: ignore[overload-overlap]  # what is of both kinds is taken by the one before
        self,
        topic: str,
        *,
        middleware: Sequence[SyncMiddleware | BothKinds],
        **options: Unpack[HandlerOptions],
    ) -> PlainDecorator: ...

    @overload
    def job(
        self,
        topic: str,
        *,
        middleware: Sequence[AsyncMiddleware | BothKinds],
        **options: Unpack[HandlerOptions],
    ) -> AsyncDecorator: ...

    @overload
    def job(
        self,
        topic: str,
        *,
        result: str,
        middleware: Sequence[BothKinds] = ...,
        **options: Unpack[HandlerOptions],
    ) -> ResultDecorator: ...

    @overload
    def job(  # type: ignore[overload-overlap]  # what is of both kinds is taken by the one before
        self,
        topic: str,
        *,
        result: str,
        middleware: Sequence[SyncMiddleware | BothKinds],
        **options: Unpack[HandlerOptions],
    ) -> PlainResultDecorator: ...

    @overload
    def job(
        self,
        topic: str,
        *,
        result: str,
        middleware: Sequence[AsyncMiddleware | BothKinds],
        **options: Unpack[HandlerOptions],
    ) -> AsyncResultDecorator: ...

    @overload
    def job(
        self,
        topic: str,
        *,
        processes: int,
        middleware: Sequence[SyncMiddleware | BothKinds] = ...,
        **options: Unpack[HandlerOptions],
    ) -> PlainDecorator: ...

    @overload
    def job(
        self,
        topic: str,
        *,
        processes: int,
        result: str,
        middleware: Sequence[SyncMiddleware | BothKinds] = ...,
        **options: Unpack[HandlerOptions],
    ) -> PlainResultDecorator: ...

    @overload
    def job(
        self,
        topic: str,
        *,
        executor: Executor,
        middleware: Sequence[SyncMiddleware | BothKinds] = ...,
        **options: Unpack[HandlerOptions],
    ) -> PlainDecorator: ...

    @overload
    def job(
        self,
        topic: str,
        *,
        executor: Executor,
        result: str,
        middleware: Sequence[SyncMiddleware | BothKinds] = ...,
        **options: Unpack[HandlerOptions],
    ) -> PlainResultDecorator: ...

    def job(
        self,
        topic: str,
        *,
        processes: int | None = None,
        executor: Executor | None = None,
        result: str | None = None,
        names: Names | None = None,
        on_invalid: ErrorAction | None = None,
        redact: bool | Texts | None = None,
        middleware: Sequence[Middleware] = (),
        errors: ErrorTable | None = None,
        **options: Unpack[JobOptions],
    ) -> Callable[[Any], Any]:
        """Declare a function as the handler of a topic. The function stays what it is, and can be called in a test.

        Its parameters are process variables by name, checked by their annotations; what it returns becomes variables
        (docs/arguments.md, docs/outcomes.md).

        Args:
            topic: The topic, exactly.
            processes: Run it in so many processes, which are started when they are needed. The function, its arguments
                and what it returns must be picklable; a crash of one process fails its job, and no other.
            executor: Run it on a `concurrent.futures.Executor`: somebody's own pool, or a Dask cluster's.
            result: Name of the variable that a scalar return value becomes. `None`: a scalar is refused.
            names: `"camel"`: `customer_id` is the variable `customerId`; `"as_is"`: it is `customer_id`. `None`: as the
                worker says.
            on_invalid: What becomes of a job whose variables do not fit. `None`: as the worker says.
            redact: Whether values stay out of messages about variables, or of which variables. `None`: as the worker
                says.
            middleware: Around this handler, outermost first.
            errors: What exceptions mean: a table of exception types.
            **options: See `JobOptions`.

        Raises:
            InvalidHandlerError: The signature cannot be bound; it names function, place and parameter.
            InvalidArgumentError: An argument is not what is described above, or the topic has a handler already; both
                places are named.
        """
        arguments.topic(topic)
        own = checked(options, self.job, Worker, "Worker({}=…)")
        if processes is not None and executor is not None:
            raise InvalidArgumentError("executor", executor, "given without processes: either of them, not both")
        if processes is not None:
            arguments.count(processes, "processes")
        if executor is not None and not callable(getattr(executor, "submit", None)):
            raise InvalidArgumentError("executor", executor, "a concurrent.futures.Executor")
        if names is not None and names not in get_args(Names):
            raise InvalidArgumentError("names", names, '"camel" or "as_is"')
        around = _middleware(middleware)
        table = errors_table.check({} if errors is None else errors)

        def register(function: Any) -> Any:  # noqa: ANN401 - the overloads say it
            declared = declare(
                function,
                result=result,
                names=self._names if names is None else names,
                on_invalid=on_invalid,
                redact=redact,
                middleware=around,
                errors=table,
            )
            _refuse_elsewhere(declared, processes, executor)
            entry = Entry(topic, declared, own, processes, executor, ())
            for other in self._entries():
                if other.topic == topic:
                    raise _second(entry, other)
            # Middleware of the worker that does not fit is refused here as well.
            within = declared.within(**self._within)
            self._own.append(entry)
            try:
                self._check_includers()
            except BaseException:
                self._own.remove(entry)
                raise
            # By this, tests that call the handler alone find out how it was declared. Not every object takes it.
            with suppress(AttributeError):
                setattr(function, DECLARED, within)
            return function

        return register

    def include(self, other: Worker) -> None:
        """Take in the handlers of another worker, with its options, middleware and lifespan, around which are our own.

        Handlers that it gets later belong to it as well. What its handlers share is what its own lifespan yields, or
        ours if it has none. A client that it was made with plays no part. One with a `total_concurrency` of its own is
        refused: that belongs to the worker that is run, and leaving it out would break what it promises.

        Raises:
            InvalidArgumentError: It is no worker, is included already, includes this one, has a `total_concurrency`, or
                has a handler for a topic that has one here or in a worker that includes this one; both places are
                named.
            InvalidHandlerError: Our middleware does not fit around one of its handlers.
        """
        if not isinstance(other, Worker) or other is self or self in other._all_included():
            raise InvalidArgumentError("other", other, "another Worker, which does not include this one")
        if other in self._included:
            raise InvalidArgumentError("other", other, "a Worker that is not included already")
        if other._total is not None:
            accepted = "a Worker without total_concurrency: give that to the worker that is run, for all its handlers"
            raise InvalidArgumentError("other", other, f"{accepted}; it has {other._total}")
        self._included.append(other)
        other._includers.append(self)
        try:
            other._check_includers()
        except BaseException:
            self._included.remove(other)
            other._includers.remove(self)
            raise

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that have a handler, with those of included workers."""
        return tuple(entry.topic for entry in self._entries())

    def _all_included(self) -> list[Worker]:
        return [each for other in self._included for each in (other, *other._all_included())]  # noqa: SLF001 - our own class

    def _check_includers(self) -> None:
        """Refuse what just came in, if a worker that includes this one has a handler for the same topic."""
        for includer in self._includers:
            found: dict[str, Entry] = {}
            for entry in includer._entries():  # noqa: SLF001 - our own class
                if entry.topic in found:
                    raise _second(entry, found[entry.topic])
                found[entry.topic] = entry
            includer._check_includers()  # noqa: SLF001 - our own class

    def _entries(self) -> list[Entry]:
        """Return all handlers, with what this worker says around them."""
        inner = [*self._own, *(entry for other in self._included for entry in other._entries())]  # noqa: SLF001 - our own class
        own = () if self._lifespan is None else (self._lifespan,)
        return [
            replace(
                entry,
                declared=entry.declared.within(**self._within),
                options=cast("JobOptions", {**self._options, **entry.options}),
                lifespans=(*own, *entry.lifespans),
            )
            for entry in inner
        ]

    def __repr__(self) -> str:
        """Name the topics."""
        return f"Worker({', '.join(repr(topic) for topic in self.topics)})"

    # ------------------------------------------------------------ running

    def run(self, grace: DurationLike | None = None) -> None:
        """Work until told to stop: by SIGTERM, Ctrl-C, or `client.close()` from another thread. Nothing is lost.

        Returns when everything has ended and the lifespan is closed. What happens at a signal, and after the grace:
        see `ExternalWorkerClient.run_until_stopped`. For the main thread; the client is closed afterwards.

        Args:
            grace: How long to wait for running handlers and their results. `None`: as long as their locks.

        Raises:
            InvalidArgumentError: The grace is no duration; the worker has no handlers; an option cannot be used.
            InvalidHandlerError: A handler has a `Shared` parameter for what no lifespan yields.
            SettingsError: The client is to be made from the environment, which lacks something.
            RuntimeError: It was not called on the main thread.
        """
        seconds = None if grace is None else durations.retry_timeout(grace, "grace").seconds
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("worker.run must be called on the main thread, where signals arrive; see worker.running")
        entries = self._to_run()
        client = client_from_environment() if self._client is None else self._client
        try:
            with Running(entries, client, None, catches=True, total=self._total) as running:
                running.wait(seconds)
        finally:
            # It is closed already, unless something was raised before that.
            client.close()

    def running(self, client: ExternalWorkerClient | None = None, *, grace: DurationLike | None = None) -> Running:
        """Return a context manager, `with` or `async with`: inside of the block, the worker works.

        With `async with`, coroutine handlers run on the caller's event loop, which is not blocked by the end of the
        block. At its end the subscriptions are stopped, and then lifespans are closed; a client that was given stays
        open. What still runs when the grace is over is named in the log: coroutines are cancelled (on a loop of the
        worker's own) and processes ended, and their jobs offered again without spending a retry; functions on threads
        go on, and their jobs stay locked until they end.

        Args:
            client: Where the engine is. `None`: that of the worker, or one made from the environment.
            grace: How long the end of the block waits for running handlers. `None`: as long as their locks.

        Raises:
            InvalidArgumentError: The worker has no handlers, the client is none, or the grace is no duration.
            InvalidHandlerError: A handler has a `Shared` parameter, and no worker that it belongs to has a lifespan.
                Inside of `with`: what the lifespan yielded lacks the item.
        """
        if client is not None and not isinstance(client, ExternalWorkerClient):
            raise InvalidArgumentError("client", client, "an ExternalWorkerClient or None")
        return Running(self._to_run(), self._client if client is None else client, grace, total=self._total)

    def _to_run(self) -> list[Entry]:
        # With processes, the main module is run again in each: a worker there would take jobs for itself.
        multiprocessing = sys.modules.get("multiprocessing.process")
        if multiprocessing is not None and getattr(multiprocessing.current_process(), "_inheriting", False):
            raise RuntimeError(
                'a process of this worker runs it again: write if __name__ == "__main__": before the call'
            )
        entries = self._entries()
        if not entries:
            raise InvalidArgumentError("worker", self, "a worker with handlers: declare some with @worker.job")
        for entry in entries:
            if entry.declared.shared and not entry.lifespans:
                parameter = next(iter(entry.declared.shared))
                what = f"its parameter {parameter!r} is Shared, and no worker that it belongs to has a lifespan"
                raise entry.declared.refuse(what, "Worker(lifespan=…), a function that opens what is shared")
        return entries


def _second(entry: Entry, other: Entry) -> InvalidArgumentError:
    accepted = f"one handler for each topic; {other.declared.name} ({other.declared.place}) has it already"
    parameter = f"topic of {entry.declared.name} ({entry.declared.place})"
    return InvalidArgumentError(parameter, entry.topic, accepted)


def _refuse_elsewhere(declared: Declared, processes: int | None, executor: Executor | None) -> None:
    """Refuse a handler that cannot run in processes, or on this executor."""
    if processes is None and executor is None:
        return
    parameter, value = ("executor", executor) if processes is None else ("processes", processes)
    named = f"{declared.name} ({declared.place})"
    if declared.kind == "async":
        raise InvalidArgumentError(parameter, value, f"given for a plain function only; {named} is async")
    in_processes = processes is not None or isinstance(executor, ProcessPoolExecutor)
    # A cluster of Dask is no pool of this module's; nothing else tells that what it runs leaves the process.
    leaves = in_processes or type(executor).__module__.startswith("distributed.")
    if leaves and declared.wants_context:
        accepted = f"given for a function without a Context, which does not leave its process; {named} has one"
        raise InvalidArgumentError(parameter, value, accepted)
    if leaves and declared.shared:
        accepted = (
            f"given for a function without Shared parameters: what a lifespan yields does not leave its process; "
            f"{named} has {next(iter(declared.shared))!r}"
        )
        raise InvalidArgumentError(parameter, value, accepted)
    if not in_processes:
        return
    inner = getattr(declared.function, "__qualname__", "")
    if isinstance(declared.function, FunctionType) and ("<locals>" in inner or "<lambda>" in inner):
        accepted = f"given for a function of a module, which other processes can import; {named} is none"
        raise InvalidArgumentError(parameter, value, accepted)


def _middleware(value: object) -> tuple[Middleware, ...]:
    accepted = "a list of middleware: functions of a call and call_next"
    if not isinstance(value, Iterable):
        raise InvalidArgumentError("middleware", value, accepted)
    given = tuple(cast("Iterable[Middleware]", value))
    for each in given:
        fitting = [middleware.fitting(each, is_async=is_async) for is_async in (False, True)]
        found = [function for function in fitting if function is not None]
        if not found or not all(map(middleware.takes_a_call, found)):
            raise InvalidArgumentError("middleware", each, accepted)
    return given


def _redact(value: object) -> bool | frozenset[str] | None:
    if value is None or isinstance(value, bool):
        return value
    names = list(cast("Iterable[object]", value)) if isinstance(value, Iterable) else [None]
    if isinstance(value, str) or not all(isinstance(each, str) for each in names):
        raise InvalidArgumentError("redact", cast("object", value), "True, False, or a set of names of variables")
    return frozenset(cast("list[str]", names))
