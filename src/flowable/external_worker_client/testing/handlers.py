"""The smallest test: a handler alone, without any engine."""

from __future__ import annotations

import dataclasses
import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Unpack, cast

from flowable.external_worker_client.errors import InvalidArgumentError, shorten
from flowable.external_worker_client.testing.made_jobs import JobAttributes, make_job
from flowable.external_worker_client.testing.outcomes import Outcome, Recorder
from flowable.external_worker_client.worker_result import Executable, WorkerResultBuilder

if TYPE_CHECKING:
    from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
    from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse

__all__ = ["run_handler"]


def run_handler(
    handler: Callable[[ExternalWorkerAcquireJobResponse, WorkerResultBuilder], Executable | None],
    variables: Mapping[str, object] | Iterable[EngineRestVariable] | None = None,
    *,
    job: ExternalWorkerAcquireJobResponse | None = None,
    raising: bool = False,
    **attributes: Unpack[JobAttributes],
) -> Outcome:
    """Call a handler with a job, and return what it decided. Nothing is sent anywhere.

    ```python
    outcome = run_handler(send_invoice, {"customer": "Ada"})
    assert outcome.variables == {"invoiceId": "Ada-4711"}
    ```

    Args:
        handler: What is given to `subscribe`: `(job, worker_result_builder)`. An outcome of a class of one's own is
            executed on a stand-in for the REST client that remembers what it is told.
        variables: Of the job, see `make_job`.
        job: Call the handler with this job, instead of one made from `variables` and `attributes`.
        raising: True lets an exception of the handler, or of the outcome that it returned, through. False makes it the
            failure that the library would report, with the exception in `Outcome.exception`; `SystemExit` too.
        **attributes: Of the job, see `make_job`.

    Returns:
        How the job ended.

    Raises:
        InvalidArgumentError: The handler cannot be called, or is `async`; `subscribe` refuses the same.
        TypeError: A job is given together with what another would be made from, or an attribute is unknown.
        AssertionError: The outcome settles the job twice, or another job than this one.
    """
    _check(handler)
    if job is None:
        job = make_job(variables, **attributes)
    elif variables is not None or attributes:
        raise TypeError("job: give either a job, or the variables and attributes to make one from")
    recorder = Recorder()
    raised: BaseException | None = None
    try:
        _execute(handler(job, WorkerResultBuilder(job)), recorder)
    # Not KeyboardInterrupt, nor what pytest.fail and pytest.skip raise: that is meant for the test.
    except (Exception, SystemExit) as error:
        if raising:
            raise
        raised = error
    return _outcome(job.id, recorder, raised)


def _check(handler: object) -> None:
    called = getattr(handler, "__call__", None)  # noqa: B004 - the method itself, which may be async
    if not callable(handler) or inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(called):
        accepted = "a function (job, worker_result_builder) or another object that can be called so, and not async"
        raise InvalidArgumentError("handler", handler, accepted)


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
    name, text = type(error).__name__, str(error)
    if not isinstance(error, Exception):
        return f"{name}: {text}" if text else name
    return text if text.strip() else name
