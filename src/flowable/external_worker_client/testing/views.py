"""What a test gets to see of the engine: values that do not change afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from flowable.external_worker_client.testing.dates import moment
from flowable.external_worker_client.testing.variables import to_python

if TYPE_CHECKING:
    from datetime import datetime

    from flowable.external_worker_client.testing.instances import Instance
    from flowable.external_worker_client.testing.jobs import Job, JobTable

__all__ = ["Event", "EventKind", "InstanceView", "JobView", "view_instance", "view_job"]

EventKind = Literal[
    "started",  # an instance
    "created",  # a job
    "acquired",
    "completed",  # by its worker; the instance goes on with `continued`
    "errored",  # ended in a BPMN error by its worker
    "terminated",  # by its worker, CMMN
    "failed",  # by its worker, and there are retries left
    "released",  # unacquired
    "reset",  # its lock, or its retry time-out, is over
    "dead",  # became a dead letter
    "revived",  # moved back from the dead letters
    "continued",  # what follows the job was done
    "stumbled",  # what follows the job failed and is tried again
    "timed out",  # the boundary timer of a job's task has fired
    "dropped",  # a job that is not needed any more
    "suspended",  # an instance
    "activated",  # an instance
    "ended",  # an instance
    "deleted",  # an instance
]


class Event(NamedTuple):
    """Something that happened in the engine.

    Attributes:
        at: On the engine's clock, in seconds.
        kind: What happened.
        instance_id: Whose it is.
        topic: Of the job; empty if it is about an instance.
        job_id: Of the job; empty if it is about an instance.
        correlation_id: Of the job, the same through resets and dead letters.
        worker_id: Who did it; empty if the engine did.
        detail: More about it: an error code, a message, the id of an end event.
    """

    at: float
    kind: EventKind
    instance_id: str
    topic: str = ""
    job_id: str = ""
    correlation_id: str = ""
    worker_id: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobView:
    """A job at one moment.

    Attributes:
        id: Its id now.
        correlation_id: Never changes.
        topic: Under which it is offered.
        table: `external`, `suspended`, `continuation`, `deadletter`, or `gone`.
        instance_id: Of the process or case instance.
        execution_id: Of the execution, or the plan item instance.
        element_id: Of the task.
        tenant_id: Empty for none.
        retries: How many attempts are left, this one included.
        exclusive: Whether it locks its instance.
        lock_owner: Who has it; None if nobody.
        lock_expires_at: Until when, in UTC; with no owner, until when it is held back.
        created_at: In UTC.
        exception_message: Of the last failure; None if there is none.
        details: Of the last failure that had some; None if there are none.
    """

    id: str
    correlation_id: str
    topic: str
    table: JobTable
    instance_id: str
    execution_id: str
    element_id: str
    tenant_id: str
    retries: int
    exclusive: bool
    lock_owner: str | None
    lock_expires_at: datetime | None
    created_at: datetime
    exception_message: str | None
    details: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceView:
    """A process or case instance at one moment.

    Attributes:
        id: Its id.
        key: Of its definition.
        tenant_id: Empty for none.
        business_key: None if it was started without one.
        variables: As Python values.
        path: The ids of the elements that were reached, in order.
        tasks: The ids of the open tasks of people.
        items: Of a case: the state of every item.
        suspended: Whether it is.
        end: None while it runs; then the id of the end event, `end` if it has no name, `deleted` if it was deleted.
    """

    id: str
    key: str
    tenant_id: str
    business_key: str | None
    variables: dict[str, Any]
    path: tuple[str, ...]
    tasks: tuple[str, ...]
    items: dict[str, str]
    suspended: bool
    end: str | None

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.end is not None


def view_job(job: Job) -> JobView:
    """Return a job as it is now."""
    return JobView(
        id=job.id,
        correlation_id=job.correlation_id,
        topic=job.topic,
        table=job.table,
        instance_id=job.instance.id,
        execution_id=job.execution.id,
        element_id=job.task.id,
        tenant_id=job.instance.tenant_id,
        retries=job.retries,
        exclusive=job.exclusive,
        lock_owner=job.lock_owner,
        lock_expires_at=None if job.lock_expiry is None else moment(job.lock_expiry),
        created_at=moment(job.create_time),
        exception_message=job.exception_message,
        details=job.details,
    )


def view_instance(instance: Instance) -> InstanceView:
    """Return an instance as it is now."""
    return InstanceView(
        id=instance.id,
        key=instance.definition.key,
        tenant_id=instance.tenant_id,
        business_key=instance.business_key,
        variables={name: to_python(value) for name, value in instance.variables.items()},
        path=tuple(instance.path),
        tasks=tuple(sorted(execution.task.id for execution in instance.executions.values() if execution.task)),
        items=dict(instance.items),
        suspended=instance.suspended,
        end=instance.end,
    )
