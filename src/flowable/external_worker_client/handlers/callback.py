"""Handlers in the form of version 1: `callback(job, worker_result_builder)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

from flowable.external_worker_client.errors import ExternalWorkerError, InvalidArgumentError, shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handler_errors import BpmnError, CmmnTerminate
from flowable.external_worker_client.worker_result import Executable, NothingReturned, WorkerResultBuilder, WorkResult


class UnknownOutcomeError(ExternalWorkerError, TypeError):
    """A handler returned what is no outcome. The job is failed with this text.

    Attributes:
        returned: What it returned.
    """

    def __init__(self, returned: object) -> None:
        self.returned = returned
        super().__init__(
            f"the handler returned {shorten(returned)}, a {type(returned).__name__}: it must return None, which "
            "completes the job, or an outcome of its worker_result_builder, or another object with an execute method"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attribute when the exception is pickled."""
        return type(self), (self.returned,)


def check(callback: object) -> Callable[..., Any]:
    """Check a handler when it is subscribed.

    Raises:
        InvalidArgumentError: It cannot be called, or is an `async` function, whose result nobody would wait for.
    """
    accepted = "a function (job, worker_result_builder) or another object that can be called so, and not async"
    if not callable(callback) or inspect.iscoroutinefunction(callback) or inspect.isasyncgenfunction(callback):
        raise InvalidArgumentError("callback_handler", callback, accepted)
    if inspect.iscoroutinefunction(getattr(callback, "__call__", None)):  # noqa: B004 - the method of an object
        raise InvalidArgumentError("callback_handler", callback, accepted)
    handler = cast("Callable[..., Any]", callback)
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        # Of things written in C there is none to be had.
        return handler
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise InvalidArgumentError("callback_handler", callback, f"{accepted}; {signature} cannot: {error}") from None
    return handler


def run(callback: Callable[..., Any], job: ExternalWorkerAcquireJobResponse) -> Executable:
    """Call a handler and return its outcome. `None` is success without variables.

    A `BpmnError` or `CmmnTerminate` that it raises is the outcome of that name. The other exceptions that say how a
    job ends are failures, of which the caller knows more: retries, pauses.

    Raises:
        UnknownOutcomeError: It returned something else than an outcome.
        BaseException: Whatever else the handler raises, `SystemExit` included.
    """
    builder = WorkerResultBuilder(job)
    try:
        returned = callback(job, builder)
    except BpmnError as error:
        return builder.bpmn_error().error_code(error.code).variables(error.variables)
    except CmmnTerminate as error:
        return builder.cmmn_terminate().variables(error.variables)
    if returned is None:
        return NothingReturned(job.id)
    # The base class alone decides nothing.
    if callable(getattr(returned, "execute", None)) and type(returned) is not WorkResult:
        return cast("Executable", returned)
    if inspect.iscoroutine(returned):
        # Otherwise Python warns, out of context, that it was never awaited.
        returned.close()
    raise UnknownOutcomeError(returned)
