"""The smallest test: a handler alone, without any engine."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Unpack, cast

from flowable.external_worker_client.errors import shorten
from flowable.external_worker_client.handler_errors import (
    BpmnError,
    CmmnTerminate,
    DeadLetter,
    HandlerError,
    JobFailure,
    RetryLater,
)
from flowable.external_worker_client.handlers import declared as handlers
from flowable.external_worker_client.testing.made_jobs import JobAttributes, make_job
from flowable.external_worker_client.testing.outcomes import Outcome, Recorder
from flowable.external_worker_client.worker_result import WorkerResultBuilder

if TYPE_CHECKING:
    from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
    from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
    from flowable.external_worker_client.handlers.context import Context

__all__ = ["run_handler", "run_handler_async"]


def run_handler(
    handler: Callable[..., Any],
    variables: Mapping[str, object] | Iterable[EngineRestVariable] | None = None,
    *,
    job: ExternalWorkerAcquireJobResponse | None = None,
    context: Context | None = None,
    raising: bool = False,
    **attributes: Unpack[JobAttributes],
) -> Outcome:
    """Call a handler with a job, and return what it decided. Nothing is sent anywhere.

    ```python
    outcome = run_handler(send_invoice, {"customer": "Ada"})
    assert outcome.variables == {"invoiceId": "Ada-4711"}
    ```

    Args:
        handler: A handler of a `Worker`, whose options count, middleware and tables of exceptions included; or a
            function that could be one, with no options. `async def` ones run on an event loop of their own. Or what is
            given to `subscribe`, `(job, worker_result_builder)`: a `def` function with two parameters that are not
            annotated as something else. An outcome of a class of one's own is executed on a stand-in for the REST
            client that remembers what it is told.
        variables: Of the job, see `make_job`.
        job: Call the handler with this job, instead of one made from `variables` and `attributes`.
        context: What surrounds the call: `Context(job, shared=pool)`. `None`: one that never stops. With it, the job
            is its job.
        raising: True lets an exception of the handler, or of the outcome that it returned, through. False makes it the
            failure that the library would report, with the exception in `Outcome.exception`; `SystemExit` too.
            `BpmnError`, `CmmnTerminate`, `JobFailure`, `RetryLater` and `DeadLetter` become what they say, with
            themselves in `Outcome.exception`.
        **attributes: Of the job, see `make_job`.

    Returns:
        How the job ended.

    Raises:
        InvalidHandlerError: It cannot be a handler; a `Worker` refuses the same.
        TypeError: A job is given together with what another would be made from, or an attribute is unknown.
        AssertionError: The outcome settles the job twice, or another job than this one.
        RuntimeError: The handler is `async def`, and so is the test: see `run_handler_async`.
    """
    declared = handlers.declared(handler)
    job = _job(variables, job, context, attributes)
    if declared is None:
        return _run(job, lambda: handler(job, WorkerResultBuilder(job)), raising=raising)
    if declared.kind == "sync":
        return _run(job, lambda: declared.call(job, context), raising=raising)
    if _in_a_loop():
        raise RuntimeError("run_handler cannot run an async handler in an async test: await run_handler_async instead")
    return _run(job, lambda: asyncio.run(declared.call_async(job, context)), raising=raising)


async def run_handler_async(
    handler: Callable[..., Any],
    variables: Mapping[str, object] | Iterable[EngineRestVariable] | None = None,
    *,
    job: ExternalWorkerAcquireJobResponse | None = None,
    context: Context | None = None,
    raising: bool = False,
    **attributes: Unpack[JobAttributes],
) -> Outcome:
    """Do as `run_handler` does, with an `async def` handler on the event loop of an async test.

    Raises:
        TypeError: The handler is no `async def` function, or as for `run_handler`.
    """
    declared = handlers.declared(handler)
    if declared is None or declared.kind == "sync":
        raise TypeError(f"{handler!r} is no coroutine function: call run_handler")
    job = _job(variables, job, context, attributes)
    try:
        returned = await declared.call_async(job, context)
    except (Exception, SystemExit) as error:
        if raising:
            raise
        raised = error
        return _run(job, lambda: _raise(raised), raising=False)
    return _run(job, lambda: returned, raising=raising)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _raise(error: BaseException) -> NoReturn:
    raise error


def _job(
    variables: Mapping[str, object] | Iterable[EngineRestVariable] | None,
    job: ExternalWorkerAcquireJobResponse | None,
    context: Context | None,
    attributes: JobAttributes,
) -> ExternalWorkerAcquireJobResponse:
    if context is not None:
        if job is not None and job is not context.job:
            raise TypeError("context: it is about another job than the one that is given")
        job = context.job
    if job is None:
        return make_job(variables, **attributes)
    if variables is not None or attributes:
        raise TypeError("job: give either a job, or the variables and attributes to make one from")
    return job


def _run(job: ExternalWorkerAcquireJobResponse, call: Callable[[], object], *, raising: bool) -> Outcome:
    recorder = Recorder()
    raised: BaseException | None = None
    try:
        _execute(call(), recorder)
    # Not KeyboardInterrupt, nor what pytest.fail and pytest.skip raise: that is meant for the test.
    except (Exception, SystemExit) as error:
        if raising:
            raise
        raised = error
    if not recorder.told and isinstance(raised, HandlerError):
        return dataclasses.replace(_decided(job, raised, recorder), exception=raised)
    return _outcome(job.id, recorder, raised)


def _decided(job: ExternalWorkerAcquireJobResponse, error: HandlerError, recorder: Recorder) -> Outcome:
    """Return what an exception says that was made to say how the job ends."""
    builder = WorkerResultBuilder(job)
    match error:
        case BpmnError(code=code, variables=variables):
            builder.bpmn_error().error_code(code).variables(variables).execute(recorder)
            return recorder.told[-1][1]
        case CmmnTerminate(variables=variables):
            builder.cmmn_terminate().variables(variables).execute(recorder)
            return recorder.told[-1][1]
        case RetryLater(delay=delay, message=message):
            said = job.exception_message if message is None else f"Retry later: {message}"
            return Outcome(kind="failure", message=said, retries=job.retries, retry_timeout=timedelta(seconds=delay))
        case JobFailure(message=message, retries=retries, retry_after=after):
            pause = None if after is None else timedelta(seconds=after)
            failure = Outcome(kind="failure", message=message, retries=retries, retry_timeout=pause)
        case DeadLetter(message=message):
            failure = Outcome(kind="failure", message=message, retries=0)
        case _:
            failure = Outcome(kind="failure", message=_text(error))
    return dataclasses.replace(failure, details="".join(traceback.format_exception(error)))


def _execute(returned: object, recorder: Recorder) -> None:
    if returned is None:
        recorder.complete_job("")
        return
    execute = getattr(returned, "execute", None)
    if callable(execute):
        cast("Callable[[Any], object]", execute)(recorder)
        return
    if inspect.iscoroutine(returned):
        # Otherwise Python warns, out of context, that it was never awaited.
        returned.close()
    accepted = "None, an outcome of its worker_result_builder, or another object with an execute method"
    raise TypeError(f"the handler returned {shorten(returned)}, a {type(returned).__name__}; accepted are {accepted}")


def _outcome(job_id: str, recorder: Recorder, raised: BaseException | None) -> Outcome:
    if len(recorder.told) > 1:
        told = "\n".join(f"  {outcome!r}" for _, outcome in recorder.told)
        raise AssertionError(
            f"the outcome settles the job more than once; the engine answers 404 to all but one\n{told}"
        )
    for settled, outcome in recorder.told:
        if settled not in {"", job_id}:
            raise AssertionError(f"the outcome settles job {settled!r}, but the handler was given {job_id!r}")
        # What was told before stays told.
        return dataclasses.replace(outcome, exception=raised)
    if raised is None:
        return Outcome(kind="unsettled")
    details = "".join(traceback.format_exception(raised))
    return Outcome(kind="failure", message=_text(raised), details=details, exception=raised)


def _text(error: BaseException) -> str:
    """Return the message that a worker reports for an exception."""
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - the person's own __str__
        text = ""
    if not isinstance(error, Exception):
        return f"{name}: {text}" if text else name
    return text if text.strip() else name
