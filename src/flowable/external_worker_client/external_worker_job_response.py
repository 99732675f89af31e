"""A job as the engine lists it."""

from __future__ import annotations

from datetime import datetime


class ExternalWorkerJobResponse:
    """One external job. Mutable, and equal only to itself, as in version 1. Dates are naive and in UTC.

    What the engine puts into the members: docs/engine.md, Jobs.

    Attributes:
        id: Id of the job. Up to Flowable 6.8.0, and in 7.0.0, a job whose lock or retry time-out ran out comes back
            under a new one.
        url: Address of the job, as the engine sees itself. Not usable behind a proxy.
        correlation_id: The one identity that never changes: through retries, lock resets and dead letters.
        process_instance_id, execution_id, process_definition_id: Where the job belongs in a process. `None` in a case.
        scope_id, sub_scope_id, scope_definition_id: Case instance, plan item instance and case definition. `None` in a
            process.
        scope_type: `"cmmn"` in a case, `None` in a process.
        element_id, element_name: The task in the model. The name can be `None`.
        retries: Attempts that are left, this one included.
        exception_message: Message of the last failure, at most 2000 characters. `None` when there was none.
        due_date: `None` in practice.
        create_time: When the job was created, or moved back from the dead letters.
        tenant_id: Tenant, `""` without one.
        lock_owner: Worker id that holds the lock. `None` when nobody does.
        lock_expiration_time: End of the lock; with `lock_owner` `None`, end of a retry time-out.
    """

    def __init__(
        self,
        id: str,
        url: str | None,
        correlation_id: str | None,
        process_instance_id: str | None,
        execution_id: str | None,
        scope_id: str | None,
        sub_scope_id: str | None,
        scope_definition_id: str | None,
        scope_type: str | None,
        element_id: str | None,
        element_name: str | None,
        retries: int,
        exception_message: str | None,
        due_date: datetime | None,
        create_time: datetime | None,
        tenant_id: str | None,
        lock_owner: str | None,
        lock_expiration_time: datetime | None,
        *,
        process_definition_id: str | None = None,
    ) -> None:
        self.id = id
        self.url = url
        self.correlation_id = correlation_id
        self.process_instance_id = process_instance_id
        self.execution_id = execution_id
        self.scope_id = scope_id
        self.sub_scope_id = sub_scope_id
        self.scope_definition_id = scope_definition_id
        self.scope_type = scope_type
        self.element_id = element_id
        self.element_name = element_name
        self.retries = retries
        self.exception_message = exception_message
        self.due_date = due_date
        self.create_time = create_time
        self.tenant_id = tenant_id
        self.lock_owner = lock_owner
        self.lock_expiration_time = lock_expiration_time
        self.process_definition_id = process_definition_id

    def __repr__(self) -> str:
        """Name what tells jobs apart."""
        instance = (
            f"process_instance_id={self.process_instance_id!r}"
            if self.process_instance_id is not None
            else f"scope_id={self.scope_id!r}"
        )
        return (
            f"{type(self).__name__}(id={self.id!r}, element_id={self.element_id!r}, {instance}, "
            f"retries={self.retries!r}, lock_owner={self.lock_owner!r})"
        )
