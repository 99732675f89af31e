"""The table of external jobs, indexed so that nothing ever scans it to find work.

For every topic and kind of scope there is a heap of the ids that can be acquired, in text order, as the engine asks its
database. A job leaves the heap when it is taken and returns when it is free again; entries of jobs that have gone
meanwhile are dropped when they come to the top. So the cost of an acquire grows with the number of jobs it takes, and
with the logarithm of those that wait.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flowable.external_worker_client.testing.instances import Execution, Instance
    from flowable.external_worker_client.testing.model import Task
    from flowable.external_worker_client.testing.variables import Value

__all__ = ["Job", "JobStore", "JobTable"]

#: In which table of the engine a job is. `gone` is none of them.
JobTable = Literal["external", "suspended", "continuation", "deadletter", "gone"]


@dataclass(slots=True, eq=False)
class Job:
    """One job, through all its tables. Times are milliseconds since 1970.

    Attributes:
        id: Changes on releases that insert a job again when its lock is reset.
        correlation_id: Never changes.
        table: Where the job is.
        lock_expiry: Not None means that nobody can acquire the job, whether the time has passed or not.
        waiting: Whether an entry for the job's id is in the heap of its topic.
        parked: The variables of a finished job, until they are set.
        error: The error code of a finished job that ended in a BPMN error; empty for none given.
        ending: How the job was finished.
        failed_continuation: A dead letter whose continuation failed, not its worker.
    """

    id: str
    correlation_id: str
    topic: str
    instance: Instance
    execution: Execution
    task: Task
    exclusive: bool
    create_time: int
    table: JobTable = "external"
    retries: int = 3
    lock_owner: str | None = None
    lock_expiry: int | None = None
    exception_message: str | None = None
    details: str | None = None
    due_date: int | None = None
    waiting: bool = False
    ending: Literal["complete", "error", "terminate"] = "complete"
    error: str = ""
    parked: dict[str, Value] = field(default_factory=dict[str, "Value"])
    failed_continuation: bool = False


class JobStore:
    """The external jobs."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._heaps: dict[tuple[str, str], list[str]] = {}
        self._owned: dict[str, dict[str, Job]] = {}
        self._of_executions: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def get(self, job_id: str) -> Job | None:
        """Return the job with this id, None if it is not in the table."""
        return self._jobs.get(job_id)

    def of_execution(self, execution_id: str) -> Job | None:
        """Return the job of an execution, or of a plan item instance; there is one at most."""
        return self._of_executions.get(execution_id)

    def add(self, job: Job) -> None:
        """Put a job into the table; it can be acquired if it has no lock expiry."""
        self._jobs[job.id] = job
        self._of_executions[job.execution.id] = job
        job.table = "external"
        if job.lock_owner is not None:
            self._owned.setdefault(job.lock_owner, {})[job.id] = job
        if job.lock_expiry is None:
            self._wait(job)

    def remove(self, job: Job, table: JobTable) -> None:
        """Take a job out of the table, without its lock."""
        del self._jobs[job.id]
        self._of_executions.pop(job.execution.id, None)
        self._disown(job)
        job.lock_owner = None
        job.lock_expiry = None
        job.waiting = False
        job.table = table

    def take(self, topic: str, scope: str | None, count: int) -> list[Job]:
        """Take the jobs that can be acquired, lowest id first, out of the heap.

        Every one of them has to be given to `lock` or to `put_back`.

        Args:
            topic: Exact.
            scope: `bpmn`, `cmmn`, or None for both. Another text finds nothing.
            count: How many at most.
        """
        scopes = ("bpmn", "cmmn") if scope is None else (scope,)
        heaps = [heap for kind in scopes if (heap := self._heaps.get((topic, kind)))]
        taken: list[Job] = []
        while heaps and len(taken) < count:
            heap = heaps[0] if len(heaps) == 1 or heaps[0][0] < heaps[1][0] else heaps[1]
            job = self._jobs.get(heapq.heappop(heap))
            if job is not None and job.waiting:
                job.waiting = False
                if job.lock_expiry is None:
                    taken.append(job)
            if not heap:
                heaps.remove(heap)
        return taken

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Undo a `take`."""
        for job in jobs:
            self._wait(job)

    def lock(self, job: Job, owner: str, expiry: int) -> None:
        """Lock a job that was taken."""
        job.lock_owner = owner
        job.lock_expiry = expiry
        self._owned.setdefault(owner, {})[job.id] = job

    def unlock(self, job: Job, expiry: int | None = None) -> None:
        """Take the owner away; with an expiry the job waits for it and for the reset that follows."""
        self._disown(job)
        job.lock_owner = None
        job.lock_expiry = expiry
        if expiry is None:
            self._wait(job)

    def rename(self, job: Job, job_id: str) -> None:
        """Give an unlocked job a new id."""
        del self._jobs[job.id]
        job.waiting = False
        job.id = job_id
        self._jobs[job_id] = job
        self._wait(job)

    def owned_by(self, owner: str) -> list[Job]:
        """Return the jobs that are locked by this owner."""
        return list(self._owned.get(owner, {}).values())

    def _wait(self, job: Job) -> None:
        if job.waiting:
            return
        job.waiting = True
        heapq.heappush(self._heaps.setdefault((job.topic, job.instance.scope), []), job.id)

    def _disown(self, job: Job) -> None:
        if job.lock_owner is not None and (owned := self._owned.get(job.lock_owner)) is not None:
            owned.pop(job.id, None)
            if not owned:
                del self._owned[job.lock_owner]
