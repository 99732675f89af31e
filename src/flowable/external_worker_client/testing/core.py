"""The engine's tables and what it does by itself: resets of locks, continuations, dead letters.

Nothing here is thread-safe and nothing checks what a worker may do: `operations` does the latter, `engine` the former.
Due work is not done by a thread but by whoever calls next: `tick` does all that is due by then, in the order of time.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from flowable.external_worker_client.testing.dates import millis_of
from flowable.external_worker_client.testing.flow import ContinuationError, Flow
from flowable.external_worker_client.testing.instances import Deployed, Instance
from flowable.external_worker_client.testing.jobs import Job, JobStore
from flowable.external_worker_client.testing.model import Case, Process
from flowable.external_worker_client.testing.views import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from flowable.external_worker_client.testing.clock import Clock
    from flowable.external_worker_client.testing.instances import Execution
    from flowable.external_worker_client.testing.model import Definition, Task
    from flowable.external_worker_client.testing.releases import Release
    from flowable.external_worker_client.testing.variables import Value
    from flowable.external_worker_client.testing.views import EventKind

__all__ = ["Core", "IdGenerator"]

DEFAULT_RETRIES: Final = 3
_LOOK_AGAIN: Final = 10_000  # milliseconds until the engine asks again for what it could not do yet


class IdGenerator:
    """Ids that look like the engine's and sort in the order in which they were made.

    The engine's are UUIDs of version 1, whose first group is the fast part of the clock. Here it is a counter: text
    order is the order of creation, without the wrap that real ones have every seven minutes.

    Args:
        node: The last group, the same for all ids.
    """

    def __init__(self, node: int = 0x02_42_AC_11_00_02) -> None:
        self._tail = f"-11f0-8e2d-{node:012x}"
        self._next = itertools.count(1).__next__

    def __call__(self) -> str:
        """Return the next id."""
        number = self._next()
        return f"{number & 0xFFFF_FFFF:08x}-{number >> 32 & 0xFFFF:04x}{self._tail}"


class Core:
    """The state of an engine. Times are milliseconds since 1970 unless they say otherwise.

    Args:
        release: How it behaves.
        clock: What time it is.
        started_at: The calendar time of the clock's `now()` at this moment.
        reset_interval: Milliseconds between two resets of expired locks.
        async_executor: Whether continuations and resets are done at all.
        continuation_delay: Milliseconds from complete to the continuation.
        continuation_retry_wait: Milliseconds until a failed continuation is tried again.
        keep_events: How many events are remembered.
    """

    def __init__(
        self,
        *,
        release: Release,
        clock: Clock,
        started_at: datetime,
        reset_interval: int,
        async_executor: bool,
        continuation_delay: int,
        continuation_retry_wait: int,
        keep_events: int,
    ) -> None:
        self.release = release
        self.clock = clock
        self.async_executor = async_executor
        self.store = JobStore()
        self.suspended: dict[str, Job] = {}
        self.continuations: dict[str, Job] = {}
        self.dead_letters: dict[str, Job] = {}
        self.instances: dict[str, Instance] = {}
        self.deployed: dict[tuple[str, str], Deployed] = {}
        self.events: deque[Event] = deque(maxlen=keep_events)
        self.listeners: list[Callable[[Event], None]] = []
        self.new_id = IdGenerator()
        self.now = millis_of(started_at)
        self.flow = Flow(self, place_in_texts=release.has_unacquire)
        self._offset = self.now - clock.now() * 1000
        self._start = self.now
        self._reset_interval = reset_interval
        self._continuation_delay = continuation_delay
        self._continuation_retry_wait = continuation_retry_wait
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = itertools.count().__next__

    # ------------------------------------------------------------ time

    def tick(self) -> int:
        """Do everything that is due, and return what time it is."""
        now = int(self._offset + self.clock.now() * 1000)
        agenda = self._agenda
        while agenda and agenda[0][0] <= now:
            due, _, action = heapq.heappop(agenda)
            self.now = max(self.now, due)
            action()
        self.now = now
        return now

    @property
    def next_due(self) -> int | None:
        """When the next thing is to be done; None if there is nothing."""
        return self._agenda[0][0] if self._agenda else None

    def _schedule(self, due: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (due, self._sequence(), action))

    def reset_after(self, job: Job, expiry: int) -> None:
        """See to it that a job is freed once its lock, or its retry time-out, is over.

        The reset looks at the table once per interval, and frees what has expired before.
        """
        if self.async_executor:
            after = max(expiry, self.now)
            passes = (after - self._start) // self._reset_interval + 1
            self._schedule(self._start + passes * self._reset_interval, partial(self._reset, job, expiry))

    def _reset(self, job: Job, expiry: int) -> None:
        if job.table != "external" or job.lock_expiry != expiry:
            return
        self.store.unlock(job)
        if self.release.reset_renews_job_id:
            self.store.rename(job, self.new_id())
            job.create_time = self.now
        self.tell("reset", job)

    def expire_lock(self, job: Job, *, reset: bool) -> None:
        """End the time of a job's lock, and of the instance lock that it brought; with `reset`, free the job too."""
        if job.table != "external" or job.lock_owner is None:
            return
        over = self.now - 1
        if job.exclusive and job.instance.lock_expiry == job.lock_expiry:
            job.instance.lock_expiry = over
        job.lock_expiry = over
        if reset:
            self._reset(job, over)
        else:
            self.reset_after(job, over)

    # ------------------------------------------------------------ jobs

    def add_job(self, task: Task, execution: Execution) -> Job:
        """Make an external job."""
        instance = execution.instance
        exclusive = instance.scope == "bpmn" if task.exclusive is None else task.exclusive
        job_id = self.new_id()
        job = Job(job_id, self.new_id(), task.topic, instance, execution, task, exclusive, self.now)
        instance.jobs[job.correlation_id] = job
        if instance.suspended:
            job.table = "suspended"
            self.suspended[job_id] = job
        else:
            self.store.add(job)
        self.tell("created", job)
        if task.timeout is not None and instance.scope == "bpmn" and self.async_executor:
            self._schedule(self.now + round(task.timeout * 1000), partial(self._time_out, job))
        return job

    def _time_out(self, job: Job) -> None:
        """Let the boundary timer of a job's task fire, unless the task is over."""
        if job.table == "gone":
            return
        if job.instance.suspended:
            self._schedule(self.now + _LOOK_AGAIN, partial(self._time_out, job))
            return
        self.tell("timed out", job)
        try:
            self.flow.time_out(job)
        except ContinuationError as error:
            self.tell("stumbled", job, detail=str(error))
            self._schedule(self.now + self._continuation_retry_wait, partial(self._time_out, job))

    def drop_job(self, job: Job) -> None:
        """Delete a job, wherever it is."""
        if job.table == "gone":
            return
        self._take_out(job)
        job.table = "gone"
        job.instance.jobs.pop(job.correlation_id, None)
        self.tell("dropped", job)

    def _take_out(self, job: Job) -> None:
        match job.table:
            case "external":
                self.store.remove(job, "gone")
            case "suspended":
                del self.suspended[job.id]
            case "continuation":
                del self.continuations[job.id]
            case "deadletter":
                del self.dead_letters[job.id]
            case "gone":
                pass

    def finish_job(
        self,
        job: Job,
        ending: Literal["complete", "error", "terminate"],
        parked: dict[str, Value],
        error: str = "",
    ) -> None:
        """Turn a job that its worker has finished into the engine's own job for what follows."""
        self.store.remove(job, "continuation")
        job.ending = ending
        job.parked = parked
        job.error = error
        job.retries = DEFAULT_RETRIES
        job.exception_message = None
        self.continuations[job.id] = job
        self.free_instance(job)
        self._schedule_continuation(job, self.now + self._continuation_delay)

    def free_instance(self, job: Job) -> None:
        """Clear the instance lock, whoever holds it, if the job is exclusive."""
        if job.exclusive:
            job.instance.lock_expiry = None

    def bury(self, job: Job, *, failed_continuation: bool = False) -> None:
        """Make a dead letter of a job."""
        self._take_out(job)
        job.table = "deadletter"
        job.retries = 0
        job.failed_continuation = failed_continuation
        self.dead_letters[job.id] = job
        self.tell("dead", job, detail=job.exception_message or "")

    def revive(self, job: Job) -> None:
        """Move a dead letter back to where it failed."""
        del self.dead_letters[job.id]
        job.retries = DEFAULT_RETRIES
        job.create_time = self.now
        job.due_date = None
        if job.failed_continuation:
            job.table = "continuation"
            job.failed_continuation = False
            self.continuations[job.id] = job
            self._schedule_continuation(job, self.now)
        else:
            self.store.add(job)
        self.tell("revived", job)

    # ------------------------------------------------------------ continuations

    def _schedule_continuation(self, job: Job, due: int) -> None:
        job.due_date = due
        if self.async_executor:
            self._schedule(due, partial(self._continue_when_free, job, due))

    def _continue_when_free(self, job: Job, due: int) -> None:
        if job.table != "continuation" or job.due_date != due or job.instance.suspended:
            return
        lock = job.instance.lock_expiry
        if job.exclusive and lock is not None and lock >= self.now:
            self._schedule_continuation(job, self.now + _LOOK_AGAIN)
            return
        self.run_continuation(job)

    def run_continuation(self, job: Job) -> None:
        """Do what follows a finished job."""
        try:
            if job.ending == "error":
                self.flow.propagate_error(job, job.error, job.parked)
            elif job.ending == "terminate":
                self.flow.terminate(job.execution, job.parked)
            else:
                self.flow.finish(job.execution, job.parked)
        except ContinuationError as error:
            message = str(error)
            job.exception_message = shortened(message)
            job.retries -= 1
            if job.retries > 0:
                self._schedule_continuation(job, self.now + self._continuation_retry_wait)
                self.tell("stumbled", job, detail=message)
            else:
                self.bury(job, failed_continuation=True)
            return
        self.continuations.pop(job.id, None)
        job.table = "gone"
        job.instance.jobs.pop(job.correlation_id, None)
        self.tell("continued", job)

    # ------------------------------------------------------------ instances

    def deploy(self, definition: Definition, tenant_id: str) -> Deployed:
        """Make a definition known, in place of an earlier one with the same key and tenant."""
        kind = "bpmn" if isinstance(definition, Process) else "cmmn"
        earlier = self.deployed.get((kind, f"{tenant_id}\n{definition.key}"))
        version = earlier.version + 1 if earlier else 1
        unique = self.new_id()
        definition_id = f"{definition.key}:{version}:{unique}" if kind == "bpmn" else unique
        deployed = Deployed(definition, definition_id, version, tenant_id)
        self.deployed[kind, f"{tenant_id}\n{definition.key}"] = deployed
        return deployed

    def find_definition(self, kind: Literal["bpmn", "cmmn"], key: str, tenant_id: str) -> Deployed | None:
        """Return the definition of a tenant, or the one of no tenant that stands in for it."""
        own = self.deployed.get((kind, f"{tenant_id}\n{key}"))
        return own or self.deployed.get((kind, f"\n{key}"))

    def start(
        self,
        deployed: Deployed,
        variables: Mapping[str, Value],
        *,
        tenant_id: str,
        business_key: str | None = None,
        caller: Execution | None = None,
    ) -> Instance:
        """Start an instance."""
        scope: Literal["bpmn", "cmmn"] = "cmmn" if isinstance(deployed.definition, Case) else "bpmn"
        instance = Instance(
            self.new_id(), deployed, scope, tenant_id, business_key, self.now, dict(variables), caller=caller
        )
        self.instances[instance.id] = instance
        self.tell_instance("started", instance)
        try:
            self.flow.start(instance)
        except ContinuationError:
            self.undo_start(instance)
            raise
        return instance

    def undo_start(self, instance: Instance) -> None:
        """Take back that an instance was started, with its jobs and the cases that it waits for."""
        for execution in instance.executions.values():
            if execution.called is not None:
                self.undo_start(execution.called)
        for job in list(instance.jobs.values()):
            self.drop_job(job)
        self.instances.pop(instance.id, None)

    def start_called_case(self, key: str, caller: Execution) -> None:
        """Start a case that an execution of a process waits for."""
        tenant = caller.instance.tenant_id
        deployed = self.find_definition("cmmn", key, tenant)
        if deployed is None:
            raise ContinuationError(f"No case definition found for key '{key}'")
        caller.called = self.start(deployed, {}, tenant_id=tenant, caller=caller)

    def instance_ended(self, instance: Instance) -> None:
        """Take note that an instance has ended."""
        instance.end_time = self.now
        self.tell_instance("ended", instance, instance.end or "")

    def delete(self, instance: Instance) -> None:
        """Delete an instance that runs, with all its jobs and the cases that it waits for."""
        for execution in instance.executions.values():
            if execution.called is not None and execution.called.end is None:
                self.delete(execution.called)
        for job in list(instance.jobs.values()):
            self.drop_job(job)
        instance.executions.clear()
        instance.end = "deleted"
        instance.end_time = self.now
        self.tell_instance("deleted", instance)

    def suspend(self, instance: Instance) -> None:
        """Take the jobs of an instance away from workers, without their locks."""
        instance.suspended = True
        instance.lock_expiry = None
        for job in list(instance.jobs.values()):
            if job.table == "external":
                self.store.remove(job, "suspended")
                self.suspended[job.id] = job
        self.tell_instance("suspended", instance)

    def activate(self, instance: Instance) -> None:
        """Give the jobs of a suspended instance back."""
        instance.suspended = False
        for job in list(instance.jobs.values()):
            if job.table == "suspended":
                del self.suspended[job.id]
                self.store.add(job)
            elif job.table == "continuation":
                self._schedule_continuation(job, self.now)
        self.tell_instance("activated", instance)

    # ------------------------------------------------------------ events

    def tell(self, kind: EventKind, job: Job, worker_id: str = "", detail: str = "") -> None:
        """Remember something that happened to a job."""
        at = (self.now - self._offset) / 1000
        event = Event(at, kind, job.instance.id, job.topic, job.id, job.correlation_id, worker_id, detail)
        self.events.append(event)
        for listener in self.listeners:
            listener(event)

    def tell_instance(self, kind: EventKind, instance: Instance, detail: str = "") -> None:
        """Remember something that happened to an instance."""
        event = Event((self.now - self._offset) / 1000, kind, instance.id, detail=detail)
        self.events.append(event)
        for listener in self.listeners:
            listener(event)


def shortened(message: str | None) -> str | None:
    """Return a message as the engine keeps it: 2,000 UTF-16 units at most, the last three of a cut one are dots."""
    if message is None or len(message) <= 1000:  # noqa: PLR2004 - no text of this length has more than 2,000 units
        return message
    units = message.encode("utf-16-le", "surrogatepass")
    if len(units) <= 4000:  # noqa: PLR2004 - two bytes each
        return message
    return units[: 1997 * 2].decode("utf-16-le", "surrogatepass") + "..."
