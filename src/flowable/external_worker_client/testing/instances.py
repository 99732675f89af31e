"""Process and case instances while they run: data without behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from flowable.external_worker_client.testing.jobs import Job
    from flowable.external_worker_client.testing.model import Case, Definition, Process, Step, UserTask
    from flowable.external_worker_client.testing.variables import Value

__all__ = ["Deployed", "Execution", "Instance"]


@dataclass(frozen=True, slots=True)
class Deployed:
    """A definition that instances can be started of.

    Attributes:
        id: The definition's id, as jobs show it: with key and version for a process, nothing but a UUID for a case.
        version: Counts the definitions of this key and tenant, from 1.
        tenant_id: Empty for none.
    """

    definition: Process | Case
    id: str
    version: int
    tenant_id: str


@dataclass(slots=True, eq=False)
class Execution:
    """Where an instance stands, in one of its branches; for an item of a case, the plan item instance.

    Attributes:
        steps: What is left of the sequence, from `index` on.
        parent: The execution that waits for this one and for its siblings.
        running: How many executions this one waits for.
        local: Variables that only this execution and those below it see. None if it has none.
        task: The open task of a person.
        called: The last case that this execution has started, and waits for until it has ended.
    """

    id: str
    instance: Instance
    steps: tuple[Step, ...] = ()
    index: int = 0
    parent: Execution | None = None
    running: int = 0
    local: dict[str, Value] | None = None
    task: UserTask | None = None
    called: Instance | None = None

    def visible(self) -> dict[str, Value]:
        """Return the variables that can be seen from here; the nearest of the same name."""
        scopes: list[dict[str, Value]] = []
        execution: Execution | None = self
        while execution is not None:
            if execution.local is not None:
                scopes.append(execution.local)
            execution = execution.parent
        if not scopes:
            return self.instance.variables
        merged = dict(self.instance.variables)
        for scope in reversed(scopes):
            merged.update(scope)
        return merged

    def scope_of(self, name: str) -> dict[str, Value]:
        """Return where a variable of this name is set: the nearest scope that has it, else the instance."""
        execution: Execution | None = self
        while execution is not None:
            if execution.local is not None and name in execution.local:
                return execution.local
            execution = execution.parent
        return self.instance.variables


@dataclass(slots=True, eq=False)
class Instance:
    """A process instance or a case instance. Times are milliseconds since 1970.

    Attributes:
        scope: `bpmn` or `cmmn`.
        lock_expiry: Until when the instance lock of an exclusive job holds; None when there is none.
        path: The ids of the elements that were reached, in order.
        end: The id of the end event; None while it runs. `end` when the sequence simply ended.
        items: Of a case: the state of every item.
        caller: The execution of a process that waits for this case.
    """

    id: str
    deployed: Deployed
    scope: Literal["bpmn", "cmmn"]
    tenant_id: str
    business_key: str | None
    start_time: int
    variables: dict[str, Value]
    executions: dict[str, Execution] = field(default_factory=dict[str, "Execution"])
    jobs: dict[str, Job] = field(default_factory=dict[str, "Job"])
    path: list[str] = field(default_factory=list[str])
    items: dict[str, Literal["available", "active", "completed", "terminated"]] = field(
        default_factory=dict[str, Literal["available", "active", "completed", "terminated"]]
    )
    caller: Execution | None = None
    lock_expiry: int | None = None
    suspended: bool = False
    end: str | None = None
    end_time: int | None = None

    @property
    def definition(self) -> Definition:
        """What this is an instance of."""
        return self.deployed.definition
