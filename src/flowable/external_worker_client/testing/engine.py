"""The embedded engine: a Flowable in memory, for tests and demonstrations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from flowable.external_worker_client.testing.clock import Clock, RealClock
from flowable.external_worker_client.testing.core import Core
from flowable.external_worker_client.testing.durations import as_nanos
from flowable.external_worker_client.testing.faults import Faults
from flowable.external_worker_client.testing.model import Definition, UserTask
from flowable.external_worker_client.testing.operations import AcquireOrder, Operations
from flowable.external_worker_client.testing.questions import Questions
from flowable.external_worker_client.testing.releases import Release, release_profile
from flowable.external_worker_client.testing.sent import Requests
from flowable.external_worker_client.testing.variables import Value, from_python
from flowable.external_worker_client.testing.views import (
    Event,
    InstanceView,
    JobView,
    view_instance,
    view_job,
)
from flowable.external_worker_client.testing.watch import Watch
from flowable.external_worker_client.testing.working import EngineClock, Working

if TYPE_CHECKING:
    from flowable.external_worker_client.testing.instances import Execution, Instance
    from flowable.external_worker_client.testing.jobs import Job

__all__ = ["EmbeddedEngine"]

_Found = TypeVar("_Found")


class EmbeddedEngine(Questions):
    """A Flowable engine in memory, as far as external workers can tell the difference.

    It holds processes and cases described in Python, makes external jobs, and answers the external job API as the real
    engine of the chosen release does: same statuses, same texts, same rules about locks, retries, exclusive jobs and
    dead letters. Use it in-process through its methods, or over HTTP through `EmbeddedServer`.

    What the real engine does in background threads (resetting expired locks, going on after a job was completed) is
    done here when somebody next looks: every method first does all that is due on the clock. All methods are safe to
    call from any thread.

    Example:
        >>> engine = EmbeddedEngine(clock=MovingClock())
        >>> engine.deploy(Process("hello", Task("greet", "greeting")))
        >>> instance = engine.start("hello", {"name": "Ada"})
        >>> [job] = engine.acquire("greeting", lock_duration="PT5M", worker_id="worker-1")
        >>> engine.complete(job.id, "worker-1", {"text": "Hello, Ada"})
        >>> engine.instance(instance).variables
        {'name': 'Ada', 'text': 'Hello, Ada'}

    Args:
        *definitions: Processes and cases to deploy at once.
        release: Which Flowable to be: `"6.8"`, `"7.0"`, `"7.1"`, `"7.2"` or `"8.0"`. Held to real engines are 6.8.0,
            7.0.1 and 7.2.0; 7.1 and 8.0 follow the source and have not been compared with a running engine.
        clock: What time it is; None is the machine's. A `MovingClock` lets a test move the time.
        started_at: The calendar time at the start, aware; None is now.
        reset_interval: Seconds between two looks for expired locks and retry time-outs. A job becomes available at the
            first look after its time is over. The real engine's default is 60.
        async_executor: False is an engine that neither continues instances nor resets locks by itself.
        continuation_delay: Seconds from a complete to what follows it. 0 is at once, but after the answer.
        continuation_retry_interval: Seconds until a failed continuation is tried again, twice at most. The real engine
            waits 10 to 20.
        keep_events: How many events `events` remembers.

    Attributes:
        faults: What goes wrong with the next requests, over HTTP and in-process.
        release: The profile of the release.
        requests: What workers sent; `sent` reads it.

    Raises:
        ValueError: If the release is unknown, an interval is not positive, or started_at has no time zone.
    """

    def __init__(
        self,
        *definitions: Definition,
        release: str | Release = "7.2",
        clock: Clock | None = None,
        started_at: datetime | None = None,
        reset_interval: float = 1.0,
        async_executor: bool = True,
        continuation_delay: float = 0.0,
        continuation_retry_interval: float = 20.0,
        keep_events: int = 100_000,
    ) -> None:
        if not reset_interval > 0:
            raise ValueError(f"reset_interval: {reset_interval!r} is not accepted; more than 0 seconds")
        if not continuation_delay >= 0:
            raise ValueError(f"continuation_delay: {continuation_delay!r} is not accepted; 0 or more seconds")
        if started_at is not None and started_at.tzinfo is None:
            raise ValueError(f"started_at: {started_at!r} has no time zone; give one, such as datetime.UTC")
        self.release = release_profile(release)
        self.faults = Faults()
        self.requests = Requests(keep_events)
        self._changed = threading.Condition(threading.RLock())
        self._core = Core(
            release=self.release,
            clock=EngineClock(RealClock() if clock is None else clock, lambda: self.faults.clock_skew),
            started_at=datetime.now(UTC) if started_at is None else started_at,
            reset_interval=max(1, round(reset_interval * 1000)),
            async_executor=async_executor,
            continuation_delay=round(continuation_delay * 1000),
            continuation_retry_wait=round(continuation_retry_interval * 1000),
            keep_events=keep_events,
        )
        self._operations = Operations(self._core)
        self._clock = clock
        self._watchers = 0
        self._session = Working(self._changed, self._core, self._operations, self._wake)
        for definition in definitions:
            self.deploy(definition)

    def __repr__(self) -> str:
        return f"<EmbeddedEngine {self.release.version}, {len(self._core.instances)} instances>"

    # ------------------------------------------------------------ processes and cases

    def deploy(self, definition: Definition, *, tenant_id: str = "") -> str:
        """Make a process or a case known; one with the same key and tenant gets a new version.

        Args:
            definition: The process or case.
            tenant_id: Empty for none. A tenant without a definition of its own uses that of no tenant.

        Returns:
            The id of the definition.
        """
        with self._changed:
            return self._core.deploy(definition, tenant_id).id

    def start(
        self,
        key: str,
        variables: Mapping[str, object] | None = None,
        *,
        tenant_id: str = "",
        business_key: str | None = None,
    ) -> str:
        """Start an instance of a process, or of a case if there is no process of that key.

        Args:
            key: Of the definition.
            variables: Python values, or `Value` objects where the type matters.
            tenant_id: Empty for none.
            business_key: None for none.

        Returns:
            The instance's id.

        Raises:
            LookupError: If nothing of that key is deployed.
            ContinuationError: If a step that the engine does itself fails; then there is no instance.
        """
        with self._changed:
            self._core.tick()
            deployed = self._core.find_definition("bpmn", key, tenant_id)
            deployed = deployed or self._core.find_definition("cmmn", key, tenant_id)
            if deployed is None:
                known = ", ".join(sorted({found.definition.key for found in self._core.deployed.values()})) or "nothing"
                raise LookupError(f"key: {key!r} is not deployed; known are {known}")
            values = _stored(variables)
            instance = self._core.start(deployed, values, tenant_id=tenant_id, business_key=business_key)
            self._wake()
            return instance.id

    def set_variables(self, instance_id: str, variables: Mapping[str, object]) -> None:
        """Set variables of an instance. Raises LookupError if there is no such instance."""
        with self._changed:
            instance = self._instance(instance_id)
            instance.variables.update(_stored(variables))
            self._wake()

    def complete_task(self, instance_id: str, task_id: str, variables: Mapping[str, object] | None = None) -> None:
        """Complete an open task of a person.

        Raises:
            LookupError: If the instance has no such open task.
            ContinuationError: If what follows fails; then nothing has changed.
        """
        with self._changed:
            instance = self._instance(instance_id)
            execution = self._open_task(instance, task_id)
            self._core.flow.complete_task(execution, _stored(variables))
            self._wake()

    def suspend(self, instance_id: str) -> None:
        """Suspend an instance: its jobs are taken from workers, and cannot be acquired."""
        with self._changed:
            self._core.suspend(self._instance(instance_id))
            self._wake()

    def activate(self, instance_id: str) -> None:
        """Activate a suspended instance: its jobs come back, unlocked."""
        with self._changed:
            self._core.activate(self._instance(instance_id))
            self._wake()

    def delete(self, instance_id: str) -> None:
        """Delete an instance with all its jobs, locked or not."""
        with self._changed:
            self._core.delete(self._instance(instance_id))
            self._wake()

    # ------------------------------------------------------------ what workers do

    def acquire(
        self,
        topic: str,
        *,
        lock_duration: str | float | timedelta = "PT5M",
        worker_id: str = "worker",
        number_of_tasks: int = 1,
        number_of_retries: int = 5,
        scope_type: str | None = None,
    ) -> list[JobView]:
        """Acquire jobs.

        Args:
            topic: Exact.
            lock_duration: ISO-8601 text, seconds, or a timedelta.
            worker_id: The owner of the locks.
            number_of_tasks: How many jobs at most.
            number_of_retries: 0 or less acquires nothing.
            scope_type: `bpmn`, `cmmn`, or None for both.

        Raises:
            EngineError: As the engine answers, with its status.
            ValueError: If the duration cannot be read.
        """
        lock = as_nanos(lock_duration, "lock_duration")
        with self._changed:
            self._core.tick()
            order = AcquireOrder(
                topic=topic,
                lock=lock,
                worker_id=worker_id,
                tasks=number_of_tasks,
                retries=number_of_retries,
                scope_type=scope_type,
            )
            acquired = self._operations.acquire(order)
            self._wake()
            return [view_job(found.job) for found in acquired]

    def complete(self, job_id: str, worker_id: str, variables: Mapping[str, object] | None = None) -> None:
        """Complete a job, with variables as Python values. Raises EngineError as the engine answers."""
        with self.working() as operations:
            operations.complete(job_id, worker_id, _stored(variables))

    def bpmn_error(
        self,
        job_id: str,
        worker_id: str,
        error_code: str | None = None,
        variables: Mapping[str, object] | None = None,
    ) -> None:
        """End a job in a BPMN error. Raises EngineError as the engine answers."""
        with self.working() as operations:
            operations.bpmn_error(job_id, worker_id, error_code, _stored(variables))

    def cmmn_terminate(self, job_id: str, worker_id: str, variables: Mapping[str, object] | None = None) -> None:
        """Terminate the plan item of a job. Raises EngineError as the engine answers."""
        with self.working() as operations:
            operations.cmmn_terminate(job_id, worker_id, _stored(variables))

    def fail(
        self,
        job_id: str,
        worker_id: str,
        *,
        error_message: str | None = None,
        error_details: str | None = None,
        retries: int | None = None,
        retry_timeout: str | float | timedelta | None = None,
    ) -> None:
        """Fail a job. Raises EngineError as the engine answers."""
        pause = None if retry_timeout is None else as_nanos(retry_timeout, "retry_timeout")
        with self.working() as operations:
            operations.fail(
                job_id,
                worker_id,
                error_message=error_message,
                error_details=error_details,
                retries=retries,
                retry_timeout=pause,
            )

    def unacquire(self, job_id: str, worker_id: str) -> None:
        """Give a job back. Raises EngineError as the engine answers."""
        with self.working() as operations:
            operations.unacquire(job_id, worker_id)

    def unacquire_all(self, worker_id: str, *, tenant_id: str | None = None) -> None:
        """Give all jobs of a worker back. Raises EngineError as the engine answers."""
        with self.working() as operations:
            operations.unacquire_all(worker_id, tenant_id)

    # ------------------------------------------------------------ what the engine does by itself

    def move_dead_letter(self, job_id: str) -> None:
        """Move a dead letter back to where it failed. Raises LookupError if there is none with this id."""
        with self._changed:
            self._core.tick()
            self._core.revive(_find(self._core.dead_letters, job_id, "dead letter"))
            self._wake()

    def run_continuation(self, job_id: str) -> None:
        """Do what follows a finished job now, whatever the executor does. Raises LookupError if there is nothing."""
        with self._changed:
            self._core.tick()
            self._core.run_continuation(_find(self._core.continuations, job_id, "continuation"))
            self._wake()

    def expire_lock(self, job_id: str, *, reset: bool = True) -> None:
        """End the time of a job's lock now, whatever the clock says. An unlocked job is left alone.

        Args:
            job_id: The job.
            reset: Whether the engine also looks for expired locks now, and frees the job. Otherwise it does so when it
                would next look.

        Raises:
            LookupError: If there is no external job with this id.
        """
        with self._changed:
            self._core.tick()
            job = self._core.store.get(job_id)
            if job is None:
                raise LookupError(f"{job_id!r} is no external job of this engine")
            self._core.expire_lock(job, reset=reset)
            self._wake()

    # ------------------------------------------------------------ look

    def instance(self, instance_id: str) -> InstanceView:
        """Return an instance, running or ended. Raises LookupError if there is none with this id."""
        with self._changed:
            self._core.tick()
            return view_instance(self._instance(instance_id))

    def instances(self, key: str | None = None, *, ended: bool | None = None) -> list[InstanceView]:
        """Return instances in the order of their start.

        Args:
            key: Of their definition; None is any.
            ended: Only those that have ended, or only those that run; None is both.
        """
        with self._changed:
            self._core.tick()
            return [
                view_instance(instance)
                for instance in self._core.instances.values()
                if (key is None or instance.definition.key == key)
                and (ended is None or (instance.end is not None) == ended)
            ]

    def job(self, job_id: str) -> JobView:
        """Return a job of any table by its id or its correlation id. Raises LookupError if there is none."""
        with self._changed:
            self._core.tick()
            for found in self._all_jobs():
                if job_id in {found.id, found.correlation_id}:
                    return view_job(found)
            raise LookupError(f"job_id: {job_id!r} is in none of the tables")

    def jobs(self, topic: str | None = None) -> list[JobView]:
        """Return the external jobs of a topic, or of all, lowest id first."""
        with self._changed:
            self._core.tick()
            found = [job for job in self._core.store if topic is None or job.topic == topic]
            return [view_job(job) for job in sorted(found, key=lambda job: job.id)]

    def dead_letters(self) -> list[JobView]:
        """Return the dead letters in the order in which they died."""
        with self._changed:
            self._core.tick()
            return [view_job(job) for job in self._core.dead_letters.values()]

    @property
    def events(self) -> Sequence[Event]:
        """What has happened so far, oldest first."""
        with self._changed:
            self._core.tick()
            return tuple(self._core.events)

    def on_event(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Have a function called for every event, as it happens.

        Args:
            listener: Called while the engine is locked, on the thread that caused the event. It may read the engine; it
                has to be quick, and must not raise.

        Returns:
            A function that ends it.
        """
        with self._changed:
            self._core.listeners.append(listener)

        def stop() -> None:
            with self._changed:
                if listener in self._core.listeners:
                    self._core.listeners.remove(listener)

        return stop

    def wait_until(self, condition: Callable[[EmbeddedEngine], bool], timeout: float = 10.0) -> None:
        """Wait until something holds. Meanwhile a `JumpingClock` moves on whenever all its threads wait.

        Args:
            condition: Asked after every change, with this engine, and while it is locked: it must not ask the engine
                over HTTP, whose answer would wait for that lock.
            timeout: In real seconds.

        Raises:
            NotInTimeError: If it does not hold by then, or nothing can happen any more; an AssertionError and a
                TimeoutError. The text says where the instances stand.
        """
        watch = Watch(self._core, self.faults, self.requests, self._clock, timeout)
        with self._changed:
            self._watchers += 1
            try:
                while True:
                    self._core.tick()
                    if condition(self):
                        return
                    self._changed.wait(watch.pause())
            finally:
                self._watchers -= 1

    def wait_for_end(self, *instance_ids: str, timeout: float = 10.0) -> list[InstanceView]:
        """Wait until instances have ended, and return them. Raises and waits as `wait_until` does."""
        self.wait_until(lambda engine: all(engine.instance(one).ended for one in instance_ids), timeout)
        return [self.instance(one) for one in instance_ids]

    # ------------------------------------------------------------ for the doors

    def working(self) -> Working:
        """Return a context in which due work has been done, the engine is locked, and operations can be called."""
        return self._session

    @property
    def core(self) -> Core:
        """The tables. Only inside `working`."""
        return self._core

    # ------------------------------------------------------------ inside

    def _wake(self) -> None:
        if self._watchers:
            self._changed.notify_all()

    def _instance(self, instance_id: str) -> Instance:
        return _find(self._core.instances, instance_id, "instance")

    def _all_jobs(self) -> list[Job]:
        core = self._core
        return [*core.store, *core.continuations.values(), *core.dead_letters.values(), *core.suspended.values()]

    @staticmethod
    def _open_task(instance: Instance, task_id: str) -> Execution:
        for execution in instance.executions.values():
            if isinstance(execution.task, UserTask) and execution.task.id == task_id:
                return execution
        raise LookupError(f"task_id: {task_id!r} is no open task of instance {instance.id}")


def _stored(variables: Mapping[str, object] | None) -> dict[str, Value]:
    return {name: from_python(value) for name, value in (variables or {}).items()}


def _find(table: Mapping[str, _Found], key: str, what: str) -> _Found:
    found = table.get(key)
    if found is None:
        raise LookupError(f"{key!r} is no {what} of this engine")
    return found
