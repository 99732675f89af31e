"""What a handler decided, as a value: the result of `run_handler`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from flowable.external_worker_client import durations
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.engine_rest_variable import EngineRestVariable

__all__ = ["Outcome", "OutcomeKind", "Recorder"]

OutcomeKind: TypeAlias = Literal["success", "failure", "bpmn_error", "cmmn_terminate", "unsettled"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Outcome:
    """How a handler ended its job.

    Two outcomes are equal when all members but the exception are.

    Attributes:
        kind: `success`, `failure`, `bpmn_error` or `cmmn_terminate`, after the steps of the `WorkerResultBuilder`;
            `unsettled` if the outcome told the engine nothing: the job would stay locked until its lock is over.
        variables: What is sent back, as name and value. Of a name given twice, the last value.
        types: The types of these variables, as the engine calls them.
        message: Of a failure: what went wrong. For an exception, its text.
        details: Of a failure: the long version. For an exception, its stack trace.
        retries: Of a failure: how many attempts are left; None takes one away.
        retry_timeout: Of a failure: how long the job waits; None does not say. After an exception the library chooses.
        error_code: Of a BPMN error; None is caught by any error event.
        exception: What the handler, or the outcome that it returned, raised; None if nothing.
    """

    kind: OutcomeKind
    variables: dict[str, Any] = field(default_factory=dict[str, Any])
    types: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    message: str | None = None
    details: str | None = None
    retries: int | None = None
    retry_timeout: timedelta | None = None
    error_code: str | None = None
    exception: BaseException | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        """Show what there is; the rest is None or empty."""
        members = ((each.name, getattr(self, each.name)) for each in fields(self))
        shown = (f"{name}={value!r}" for name, value in members if value is not None and value != {})
        return f"Outcome({', '.join(shown)})"


class Recorder:
    """Stands in for the REST client that outcomes are executed with, and remembers what it is told.

    Has the four calls that settle a job, and nothing else.

    Attributes:
        worker_id: As a REST client has it.
        told: What was told, with the job's id, in order.
    """

    def __init__(self) -> None:
        self.worker_id = "worker"
        self.told: list[tuple[str, Outcome]] = []

    def complete_job(
        self, job_id: str, variables: Iterable[EngineRestVariable] | None = None, worker_id: str | None = None
    ) -> None:
        """Take note of a success."""
        del worker_id
        values, types = _read(variables)
        self.told.append((job_id, Outcome(kind="success", variables=values, types=types)))

    def job_with_bpmn_error(
        self,
        job_id: str,
        variables: Iterable[EngineRestVariable] | None = None,
        error_code: str | None = None,
        worker_id: str | None = None,
    ) -> None:
        """Take note of a BPMN error."""
        del worker_id
        values, types = _read(variables)
        self.told.append((job_id, Outcome(kind="bpmn_error", variables=values, types=types, error_code=error_code)))

    def job_with_cmmn_terminate(
        self, job_id: str, variables: Iterable[EngineRestVariable] | None = None, worker_id: str | None = None
    ) -> None:
        """Take note of a termination."""
        del worker_id
        values, types = _read(variables)
        self.told.append((job_id, Outcome(kind="cmmn_terminate", variables=values, types=types)))

    def fail_job(
        self,
        job_id: str,
        error_message: str | None = None,
        error_details: str | None = None,
        retries: int | None = None,
        retry_timeout: DurationLike | None = None,
        worker_id: str | None = None,
    ) -> None:
        """Take note of a failure. Raises InvalidArgumentError if the time-out is none."""
        del worker_id
        wait = None if retry_timeout is None else timedelta(seconds=durations.retry_timeout(retry_timeout).seconds)
        outcome = Outcome(
            kind="failure", message=error_message, details=error_details, retries=retries, retry_timeout=wait
        )
        self.told.append((job_id, outcome))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - never returns
        raise AttributeError(
            f"run_handler has no engine: its REST client can only settle the job (complete_job, fail_job, "
            f"job_with_bpmn_error, job_with_cmmn_terminate), not {name!r}; test this on the embedded engine"
        )


def _read(variables: Iterable[EngineRestVariable] | None) -> tuple[dict[str, Any], dict[str, str | None]]:
    given = list(variables or ())
    return {each.name: each.value for each in given}, {each.name: each.type for each in given}
