"""What workers can do: the nine operations of the external job API, with the engine's checks in the engine's order.

Every operation either does all of its effect or raises `EngineError` and changes nothing. Not thread-safe by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flowable.external_worker_client.testing.core import shortened
from flowable.external_worker_client.testing.durations import LongOverflowError, lock_millis, to_millis
from flowable.external_worker_client.testing.errors import bad_request, forbidden, internal_error, not_found
from flowable.external_worker_client.testing.expressions import ExpressionError, evaluate
from flowable.external_worker_client.testing.query import JobPage, find_jobs
from flowable.external_worker_client.testing.variables import NULL, Value, read_variables, too_long

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from flowable.external_worker_client.testing.core import Core
    from flowable.external_worker_client.testing.jobs import Job
    from flowable.external_worker_client.testing.model import Task

    #: The `variables` of a request, as its JSON has them; or values that are stored as they are, by name.
    _Items: TypeAlias = Sequence[Mapping[str, Any] | None] | dict[str, Value] | None

__all__ = ["AcquireOrder", "AcquiredJob", "Operations"]

_OWNER_LIMIT: Final = 255  # UTF-16 units, the column of the lock owner


@dataclass(frozen=True, kw_only=True, slots=True)
class AcquireOrder:
    """What a worker asks for.

    Attributes:
        lock: Nanoseconds; None and an empty text elsewhere are refused, in the engine's order.
    """

    topic: str | None
    lock: int | None
    worker_id: str | None
    tasks: int = 1
    retries: int = 5
    scope_type: str | None = None


class AcquiredJob:
    """A job that was just locked, and the variables that its worker sees."""

    __slots__ = ("job", "variables")

    def __init__(self, job: Job, variables: Mapping[str, Value]) -> None:
        self.job = job
        self.variables = variables


class Operations:
    """The nine operations.

    Args:
        core: The engine's tables.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    # ------------------------------------------------------------ acquire

    def acquire(self, order: AcquireOrder) -> list[AcquiredJob]:
        """Lock up to so many jobs of a topic, lowest id first, all of them or none.

        A batch that holds an exclusive job whose instance is locked (by another job of the same batch too) is given up
        as a whole: the answer is empty, whatever else there is.
        """
        lock, worker = _checked(order)
        if order.retries <= 0:
            return []
        if order.tasks < 1:
            raise bad_request("requested number of jobs must not be smaller than 1")
        core = self._core
        try:
            expiry = core.now + lock_millis(lock)
        except LongOverflowError as error:
            raise internal_error(str(error)) from None
        jobs = core.store.take(order.topic or "", order.scope_type, order.tasks)
        if not jobs:
            return []
        acquired: list[AcquiredJob] | None = None
        try:
            acquired = self._try_batch(jobs, worker)
        finally:
            if acquired is None:
                core.store.put_back(jobs)
        if acquired is None:
            return []
        for job in jobs:
            core.store.lock(job, worker, expiry)
            if job.exclusive:
                job.instance.lock_expiry = expiry
            core.reset_after(job, expiry)
            core.tell("acquired", job, worker)
        return acquired

    def _try_batch(self, jobs: list[Job], worker: str) -> list[AcquiredJob] | None:
        """Return the batch, None if an instance lock is in the way."""
        if len(worker) > _OWNER_LIMIT // 2 and len(worker.encode("utf-16-le", "surrogatepass")) > 2 * _OWNER_LIMIT:
            raise internal_error(too_long("LOCK_OWNER_", worker))
        now = self._core.now
        locked: set[str] = set()
        acquired: list[AcquiredJob] = []
        for job in jobs:
            acquired.append(AcquiredJob(job, self._visible(job)))
            if job.exclusive:
                instance = job.instance
                if instance.id in locked or (instance.lock_expiry is not None and instance.lock_expiry >= now):
                    return None
                locked.add(instance.id)
        return acquired

    def _visible(self, job: Job) -> Mapping[str, Value]:
        task = job.task
        visible = job.execution.visible()
        if not self._core.release.has_parameters:
            return visible
        if task.in_parameters:
            values: dict[str, Value] = {}
            for parameter in task.in_parameters:
                if parameter.expression is None:
                    values[parameter.target] = visible.get(parameter.source or "", NULL)
                    continue
                try:
                    values[parameter.target] = evaluate(parameter.expression, visible)
                except ExpressionError as error:
                    raise internal_error(self._core.flow.placed(str(error), job.execution, task.id)) from None
            return values
        return visible if task.include_variables else {}

    # ------------------------------------------------------------ finish

    def complete(self, job_id: str, worker_id: str | None, variables: _Items = None) -> None:
        """Accept a worker's result. The instance goes on afterwards."""
        job = self._held(job_id, worker_id)
        parked = self._parked(job.task, self._read(variables))
        self._core.finish_job(job, "complete", parked)
        self._core.tell("completed", job, worker_id or "")

    def bpmn_error(
        self, job_id: str, worker_id: str | None, error_code: str | None = None, variables: _Items = None
    ) -> None:
        """Accept a BPMN error. Whether something catches it shows afterwards."""
        job = self._held(job_id, worker_id)
        if job.instance.scope != "bpmn":
            what = "Can only complete BPMN external job with a BPMN error."
            raise bad_request(f"{what} Job with id '{job_id}' is from scope 'cmmn'")
        values = self._read(variables)
        self._core.finish_job(job, "error", values, error_code or "")
        self._core.tell("errored", job, worker_id or "", error_code or "")

    def cmmn_terminate(self, job_id: str, worker_id: str | None, variables: _Items = None) -> None:
        """Accept that the plan item of a job is to be terminated."""
        job = self._held(job_id, worker_id)
        if job.instance.scope != "cmmn":
            raise bad_request(f"Can only terminate CMMN external job. Job with id '{job_id}' is from scope 'null'")
        values = self._read(variables)
        self._core.finish_job(job, "terminate", values)
        self._core.tell("terminated", job, worker_id or "")

    def fail(
        self,
        job_id: str,
        worker_id: str | None,
        *,
        error_message: str | None = None,
        error_details: str | None = None,
        retries: int | None = None,
        retry_timeout: int | None = None,
    ) -> None:
        """Count an attempt that went wrong; without attempts left the job becomes a dead letter.

        Args:
            job_id: The job.
            worker_id: Who holds it.
            error_message: None clears the earlier one.
            error_details: None leaves the earlier ones.
            retries: None and negative numbers mean one less than now.
            retry_timeout: Nanoseconds until the job is offered again; None offers it at once.
        """
        job = self._held(job_id, worker_id)
        core = self._core
        left = job.retries - 1 if retries is None or retries < 0 else retries
        try:
            pause = None if retry_timeout is None else to_millis(retry_timeout)
        except LongOverflowError as error:
            raise internal_error(str(error)) from None
        job.exception_message = shortened(error_message)
        if error_details is not None:
            job.details = error_details
        core.free_instance(job)
        if left <= 0:
            core.bury(job)
            return
        job.retries = left
        expiry = None if pause is None else core.now + pause
        core.store.unlock(job, expiry)
        if expiry is not None:
            core.reset_after(job, expiry)
        core.tell("failed", job, worker_id or "", job.exception_message or "")

    # ------------------------------------------------------------ give back

    def unacquire(self, job_id: str, worker_id: str | None) -> None:
        """Give one job back, its retries and its message unchanged."""
        if not worker_id:
            raise bad_request("worker id is required")
        self._release(self._held(job_id, worker_id))

    def unacquire_all(self, worker_id: str | None, tenant_id: str | None = None) -> None:
        """Give all jobs of a worker back; with a tenant only if every one of them is of this tenant."""
        if not worker_id:
            raise bad_request("worker id is required")
        jobs = self._core.store.owned_by(worker_id)
        if tenant_id and any(job.instance.tenant_id != tenant_id for job in jobs):
            raise bad_request("provided worker id has external worker jobs from different tenant.")
        for job in jobs:
            self._release(job)

    def _release(self, job: Job) -> None:
        core = self._core
        owner = job.lock_owner or ""
        core.store.unlock(job)
        if core.release.unacquire_frees_instance:
            core.free_instance(job)
        core.tell("released", job, owner)

    # ------------------------------------------------------------ look

    def list_jobs(self, parameters: Mapping[str, Sequence[str]]) -> JobPage:
        """Return a page of the external jobs, by the query parameters of the API."""
        core = self._core
        return find_jobs(core.store, core.instances, parameters, core.release)

    def get_job(self, job_id: str) -> Job:
        """Return an external job."""
        job = self._core.store.get(job_id)
        if job is None:
            raise not_found(f"Could not find external worker job with id '{job_id}'.")
        return job

    # ------------------------------------------------------------ checks

    def _held(self, job_id: str, worker_id: str | None) -> Job:
        if not worker_id:
            raise bad_request("workerId is required")
        job = self.get_job(job_id)
        if job.lock_owner != worker_id:
            raise forbidden(f"{worker_id} does not hold a lock on the requested job")
        return job

    def _read(self, variables: _Items) -> dict[str, Value]:
        if not variables:
            return {}
        if isinstance(variables, dict):
            return variables
        return read_variables(variables, self._core.release)

    def _parked(self, task: Task, values: dict[str, Value]) -> dict[str, Value]:
        """Return what is kept of a worker's variables on complete."""
        if not task.out_parameters or not self._core.release.has_parameters:
            return values
        parked: dict[str, Value] = {}
        for parameter in task.out_parameters:
            if parameter.expression is None:
                parked[parameter.target] = values.get(parameter.source or "", NULL)
                continue
            try:
                parked[parameter.target] = evaluate(parameter.expression, values)
            except ExpressionError as error:
                container = "VariableContainerWrapper[instanceId='null', scopeType='null', tenantId='null']"
                raise internal_error(f"{error} with {container}") from None
        return parked


def _checked(order: AcquireOrder) -> tuple[int, str]:
    """Return the lock's nanoseconds and the worker, or refuse what is missing, in the engine's order."""
    if not order.topic:
        raise bad_request("topic is required")
    if order.lock is None:
        raise bad_request("lockDuration is required")
    if not order.worker_id:
        raise bad_request("workerId is required")
    return order.lock, order.worker_id
