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

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar, Unpack, cast, overload

from flowable.external_worker_client import arguments
from flowable.external_worker_client.client import ExternalWorkerClient
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.handlers.declared import DECLARED, declare
from flowable.external_worker_client.handlers.signatures import (
    AnyHandler,
    ErrorAction,
    ErrorTable,
    Handler,
    Middleware,
    Names,
)
from flowable.external_worker_client.job_options import JobOptions, checked
from flowable.external_worker_client.running import Entry, Lifespan, Running, client_from_environment

H = TypeVar("H", bound=AnyHandler)
S = TypeVar("S", bound=Handler)


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
        redact: bool | Collection[str] | None = None,
        middleware: Sequence[Middleware] = (),
        errors: ErrorTable | None = None,
        **options: Unpack[JobOptions],
    ) -> None:
        if client is not None and not isinstance(client, ExternalWorkerClient):
            raise InvalidArgumentError("client", client, "an ExternalWorkerClient or None")
        self._client = client
        self._lifespan = None if lifespan is None else cast("Lifespan", arguments.function(lifespan, "lifespan"))
        self._names: Names = names
        self._within = {
            "middleware": tuple(middleware),
            "errors": dict(errors or {}),
            "on_invalid": on_invalid,
            "redact": redact,
        }
        self._options = checked(options)
        self._own: list[Entry] = []
        self._included: list[Worker] = []

    # ------------------------------------------------------------ declaring

    @overload
    def job(
        self,
        topic: str,
        *,
        processes: int,
        result: str | None = ...,
        names: Names | None = ...,
        on_invalid: ErrorAction | None = ...,
        redact: bool | Collection[str] | None = ...,
        middleware: Sequence[Middleware] = ...,
        errors: ErrorTable | None = ...,
        **options: Unpack[JobOptions],
    ) -> Callable[[S], S]: ...

    @overload
    def job(
        self,
        topic: str,
        *,
        executor: Executor,
        result: str | None = ...,
        names: Names | None = ...,
        on_invalid: ErrorAction | None = ...,
        redact: bool | Collection[str] | None = ...,
        middleware: Sequence[Middleware] = ...,
        errors: ErrorTable | None = ...,
        **options: Unpack[JobOptions],
    ) -> Callable[[S], S]: ...

    @overload
    def job(
        self,
        topic: str,
        *,
        result: str | None = ...,
        names: Names | None = ...,
        on_invalid: ErrorAction | None = ...,
        redact: bool | Collection[str] | None = ...,
        middleware: Sequence[Middleware] = ...,
        errors: ErrorTable | None = ...,
        **options: Unpack[JobOptions],
    ) -> Callable[[H], H]: ...

    def job(
        self,
        topic: str,
        *,
        processes: int | None = None,
        executor: Executor | None = None,
        result: str | None = None,
        names: Names | None = None,
        on_invalid: ErrorAction | None = None,
        redact: bool | Collection[str] | None = None,
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
        own = checked(options)
        if processes is not None and executor is not None:
            raise InvalidArgumentError("executor", executor, "either processes or an executor, not both")
        if processes is not None:
            arguments.count(processes, "processes")
        if executor is not None and not callable(getattr(executor, "submit", None)):
            raise InvalidArgumentError("executor", executor, "a concurrent.futures.Executor")

        def register(function: Any) -> Any:  # noqa: ANN401 - the overloads say it
            declared = declare(
                function,
                result=result,
                names=names or self._names,
                middleware=middleware,
                errors=errors or {},
                **_given(on_invalid=on_invalid, redact=redact),
            ).within(**cast("dict[str, Any]", self._within))
            if declared.kind == "async" and (processes or executor):
                raise InvalidArgumentError(
                    "processes" if processes else "executor",
                    processes or executor,
                    f"for a plain function only; {declared.name} ({declared.place}) is async",
                )
            entry = Entry(topic, declared, own, processes, executor, self._lifespan)
            self._refuse_second(entry, self._entries())
            self._own.append(entry)
            # How tests call it alone, with its options; some callables take no attributes.
            with suppress(AttributeError):
                setattr(function, DECLARED, declared)
            return function

        return register

    def include(self, other: Worker) -> None:
        """Take in the handlers of another worker, with its options, middleware and lifespan, around which are our own.

        Handlers that it gets later belong to it as well.

        Raises:
            InvalidArgumentError: It is no worker, includes this one, or has a handler for a topic that has one.
        """
        if not isinstance(other, Worker) or other is self or self in other._all_included():
            raise InvalidArgumentError("other", other, "another Worker, which does not include this one")
        mine = self._entries()
        for entry in other._entries():
            self._refuse_second(entry, mine)
        self._included.append(other)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that have a handler, with those of included workers."""
        return tuple(entry.topic for entry in self._entries())

    def _all_included(self) -> list[Worker]:
        return [each for other in self._included for each in (other, *other._all_included())]  # noqa: SLF001 - our own class

    def _entries(self) -> list[Entry]:
        """Return all handlers, with what this worker says around them."""
        within = cast("dict[str, Any]", self._within)
        included = [
            replace(entry, declared=entry.declared.within(**within))
            for other in self._included
            for entry in other._entries()  # noqa: SLF001 - as above
        ]
        return [
            replace(entry, options=cast("JobOptions", {**self._options, **entry.options}))
            for entry in (*self._own, *included)
        ]

    @staticmethod
    def _refuse_second(entry: Entry, others: Sequence[Entry]) -> None:
        for other in others:
            if other.topic == entry.topic:
                accepted = f"one handler for each topic; {other.declared.name} ({other.declared.place}) has it already"
                parameter = f"topic of {entry.declared.name} ({entry.declared.place})"
                raise InvalidArgumentError(parameter, entry.topic, accepted)

    # ------------------------------------------------------------ running

    def run(self, grace: DurationLike | None = None) -> None:
        """Work until told to stop: by SIGTERM, Ctrl-C, or `client.close()` from another thread. Nothing is lost.

        Returns when everything has ended and the lifespan is closed. What happens at a signal, and after the grace:
        see `ExternalWorkerClient.run_until_stopped`. For the main thread; the client is closed afterwards.

        Args:
            grace: How long to wait for running handlers and their results. `None`: as long as their locks.

        Raises:
            InvalidArgumentError: The grace is no duration; the worker has no handlers; an option cannot be used.
            SettingsError: The client is to be made from the environment, which lacks something.
            RuntimeError: It was not called on the main thread.
        """
        client = self._client or client_from_environment()
        with self.running(client):
            client.run_until_stopped(grace)

    def running(self, client: ExternalWorkerClient | None = None, *, grace: DurationLike | None = None) -> Running:
        """Return a context manager, `with` or `async with`: inside of the block, the worker works.

        With `async with`, coroutine handlers run on the caller's event loop, which is not blocked by the end of the
        block. At its end the subscriptions are stopped; a client that was given stays open.

        Args:
            client: Where the engine is. `None`: that of the worker, or one made from the environment.
            grace: How long the end of the block waits for running handlers. `None`: as long as their locks.

        Raises:
            InvalidArgumentError: The worker has no handlers, or the grace is no duration.
        """
        entries = self._entries()
        if not entries:
            raise InvalidArgumentError("worker", self, "a worker with handlers: declare some with @worker.job")
        return Running(entries, client or self._client, grace)


def _given(**arguments_: object) -> dict[str, Any]:
    return {name: value for name, value in arguments_.items() if value is not None}
