"""The engine as the deciding machine sees it: jobs with locks, and answers that get lost. No time of its own.

It is much smaller than the embedded engine, and knows what no real engine knows: what has happened to each job.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests

from flowable.external_worker_client import FlowableRestException
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.rest.operations import Effect

if TYPE_CHECKING:
    from flowable.external_worker_client.rest.carrier import Settling

JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html"}

#: What can become of a request, and whether the engine carries it out. The engine itself never lies.
PASSES = "passes"
NOT_SENT = "connection refused"
LOST_BEFORE = "connection lost before the effect"
LOST_AFTER = "connection lost after the effect"
GATEWAY_BEFORE = "504 before the effect"
GATEWAY_AFTER = "504 after the effect"
ERROR_BEFORE = "the engine's 500, rolled back"
ERROR_AFTER = "the engine's 500, done all the same"
ERROR_OF_THE_VALUE = "the engine's 500, because of what was sent"
LOGIN = "a login page in between"
BUSY = "429 with a pause"
WORDLESS = "a mistake in somebody's hook"
UNSTORABLE = "400: the engine cannot store it"

WIRES = (
    PASSES,
    NOT_SENT,
    LOST_BEFORE,
    LOST_AFTER,
    GATEWAY_BEFORE,
    GATEWAY_AFTER,
    ERROR_BEFORE,
    ERROR_AFTER,
    ERROR_OF_THE_VALUE,
    LOGIN,
    BUSY,
    WORDLESS,
    UNSTORABLE,
)
CARRIED_OUT = frozenset({PASSES, LOST_AFTER, GATEWAY_AFTER, ERROR_AFTER})

#: What a look brings when it brings nothing.
LOOKS = (PASSES, NOT_SENT, LOST_BEFORE, GATEWAY_BEFORE, LOGIN, ERROR_BEFORE)


def engines_own(status: int, detail: str) -> FlowableRestException:
    """Return an answer of the engine itself."""
    return FlowableRestException(status, json.dumps({"message": "…", "exception": detail}), headers=JSON)


_TROUBLES: dict[str, Callable[[], BaseException]] = {
    NOT_SENT: lambda: requests.ConnectTimeout("no"),
    LOST_BEFORE: lambda: requests.ConnectionError("reset"),
    LOST_AFTER: lambda: requests.ConnectionError("reset"),
    GATEWAY_BEFORE: lambda: FlowableRestException(504, "<title>Gateway</title>", headers=HTML),
    GATEWAY_AFTER: lambda: FlowableRestException(504, "<title>Gateway</title>", headers=HTML),
    ERROR_BEFORE: lambda: engines_own(500, "JDBC rollback failed"),
    ERROR_AFTER: lambda: engines_own(500, "JDBC rollback failed"),
    ERROR_OF_THE_VALUE: lambda: engines_own(500, "value too long for column"),
    LOGIN: lambda: FlowableRestException(200, "<title>Log in</title>", headers=HTML),
    BUSY: lambda: FlowableRestException(429, "", headers={"retry-after": "7"}),
    WORDLESS: lambda: KeyError("hook"),
    UNSTORABLE: lambda: engines_own(400, "Variable name is required"),
}


def trouble(wire: str) -> BaseException | None:
    """Return what a request on such a wire raises, whatever the engine did; `None`: the engine's own answer."""
    make = _TROUBLES.get(wire)
    return None if make is None else make()


@dataclass(slots=True)
class EngineJob:
    """One job in the engine.

    Attributes:
        correlation_id: Stays the same.
        job_id: Changes on some releases when a lock is reset.
        order: Lowest first.
        instance: Of which process instance; exclusive jobs of one block each other.
        owner: Who has it. `None`: nobody.
        lock_until: Until when.
        held_back_until: Not offered before.
        retries: Attempts left.
        state: `open`, or how it ended: `done`, `dead`, `gone`.
        hidden: Whether its instance is suspended.
        locks: How often it was acquired.
        excuses: Reasons for which its handler may run once more, each noted when it arose.
    """

    correlation_id: str
    job_id: str
    order: int
    instance: str
    owner: str | None = None
    lock_until: float = 0.0
    held_back_until: float = 0.0
    retries: int = 3
    state: str = "open"
    hidden: bool = False
    locks: int = 0
    excuses: list[str] = field(default_factory=list)

    @property
    def there(self) -> bool:
        """Whether workers can see it."""
        return self.state == "open" and not self.hidden


class ModelEngine:
    """All jobs of one topic.

    Args:
        renews_ids: Whether a job gets a new id when its lock is reset, as on 6.8.
    """

    def __init__(self, *, renews_ids: bool) -> None:
        self.jobs: dict[str, EngineJob] = {}
        self._renews_ids = renews_ids
        self._instances: dict[str, float] = {}
        self._ids = 0
        self._names: dict[str, str] = {}

    def add(self, instance: str) -> EngineJob:
        """Make a job."""
        number = len(self.jobs) + 1
        job = EngineJob(f"c{number}", "", number, instance)
        self._rename(job)
        self.jobs[job.correlation_id] = job
        return job

    def find(self, job_id: str) -> EngineJob | None:
        """Return the job that has this id now and can be seen."""
        return next((job for job in self.jobs.values() if job.job_id == job_id and job.there), None)

    def has_unlocked(self) -> bool:
        """Say whether there is a job that nobody has, whether or not it can be acquired now."""
        return any(job.there and job.owner is None for job in self.jobs.values())

    def acquire(self, owner: str, count: int, lock: float, now: float) -> list[EngineJob]:
        """Lock jobs, lowest first: all or none; exclusive jobs of one instance in one batch give none."""
        free = [job for job in self.jobs.values() if job.there and job.owner is None and job.held_back_until <= now]
        batch = sorted(free, key=lambda job: job.order)[:count]
        instances = [job.instance for job in batch]
        if len(set(instances)) < len(instances) or any(self._instances.get(each, 0.0) > now for each in instances):
            return []
        for job in batch:
            job.owner, job.lock_until, job.locks = owner, now + lock, job.locks + 1
            self._instances[job.instance] = job.lock_until
        return batch

    def settle(self, call: Settling, now: float) -> None:
        """Carry a settling call out, or refuse it as the engine does."""
        job = self.find(call.job_id)
        if job is None:
            raise engines_own(404, f"Could not find external worker job with id '{call.job_id}'.")
        if job.owner != call.owner:
            raise engines_own(403, f"{call.owner} does not hold a lock on the requested job")
        self._instances.pop(job.instance, None)
        job.owner = None
        if call.operation.effect is not Effect.FAILS:
            job.state = "done"
            return
        left = call.members.get("retries")
        job.retries = job.retries - 1 if left is None else int(left)
        job.held_back_until = now + float(call.members.get("pause") or 0.0)
        if not call.members.get("release"):
            job.excuses.append("it failed")
        if job.retries <= 0:
            job.state = "dead"

    def reset(self, now: float) -> None:
        """Free the jobs whose locks are over."""
        for job in self.jobs.values():
            if job.there and job.owner is not None and job.lock_until <= now:
                job.owner = None
                job.excuses.append("its lock ended")
                self._instances.pop(job.instance, None)
                if self._renews_ids:
                    self._rename(job)
            elif job.there and job.owner is None and 0 < job.held_back_until <= now:
                # The end of a retry time-out is a reset as well.
                job.held_back_until = 0.0
                if self._renews_ids:
                    self._rename(job)

    def take_away(self, job: EngineJob) -> None:
        """The instance goes on without a job, by a timer or because it is deleted."""
        job.state = "gone"
        self._instances.pop(job.instance, None)

    def hide(self, job: EngineJob) -> None:
        """Suspend the instance of a job."""
        job.hidden, job.owner = True, None
        job.excuses.append("its instance was suspended")
        self._instances.pop(job.instance, None)

    def show(self, job: EngineJob) -> None:
        """Activate the instance of a job."""
        job.hidden = False

    def next_event(self, now: float) -> float | None:
        """Return when a lock or a pause ends next; `None`: none does."""
        moments = [job.lock_until for job in self.jobs.values() if job.there and job.owner is not None]
        moments += [job.held_back_until for job in self.jobs.values() if job.there and job.held_back_until > now]
        moments += [until for until in self._instances.values() if until > now]
        return min(moments, default=None)

    def correlation_of(self, job_id: str) -> str:
        """Return which job had or has this id."""
        return self._names[job_id]

    def _rename(self, job: EngineJob) -> None:
        self._ids += 1
        job.job_id = f"j{self._ids}"
        self._names[job.job_id] = job.correlation_id


class Wire:
    """The way to the engine for settling calls and looks, good or bad: `rest.carrier.Wire`.

    Attributes:
        settling: What becomes of the next settling calls.
        looking: What becomes of the next looks.
        poisoned: Correlation ids of jobs that cannot be settled, whatever the wire is like.
        sent: What was sent and whether the engine carried it out, in order.
        problem: What the last settling call raised. `None`: nothing.
    """

    def __init__(self, engine: ModelEngine) -> None:
        self._engine = engine
        self.now = 0.0
        self.settling = PASSES
        self.looking = PASSES
        self.poisoned: dict[str, str] = {}
        self.sent: list[tuple[Settling, bool]] = []
        self.problem: BaseException | None = None

    def settle(self, call: Settling) -> None:
        """See `rest.carrier.Wire`."""
        wire = self.poisoned.get(self._engine.correlation_of(call.job_id), self.settling)
        if wire in (UNSTORABLE, ERROR_OF_THE_VALUE) and call.operation.effect is Effect.FAILS:
            # What the library itself says can always be stored.
            wire = PASSES
        problem = trouble(wire)
        refusal: BaseException | None = None
        if wire in CARRIED_OUT:
            try:
                self._engine.settle(call, self.now)
            except FlowableRestException as error:
                refusal = error
        self.sent.append((call, wire in CARRIED_OUT and refusal is None))
        self.problem = problem or refusal
        if self.problem is not None:
            raise self.problem

    def get_job(self, job_id: str) -> ExternalWorkerJobResponse:
        """See `rest.carrier.Wire`."""
        if problem := trouble(self.looking):
            raise problem
        job = self._engine.find(job_id)
        if job is None:
            raise engines_own(404, f"Could not find external worker job with id '{job_id}'.")
        return _response(job)

    def iter_jobs(self, *, execution_id: str = "", sub_scope_id: str = "") -> Iterator[ExternalWorkerJobResponse]:
        """See `rest.carrier.Wire`."""
        if problem := trouble(self.looking):
            raise problem
        # The execution of a job stays the same; here it goes by the name of the correlation id.
        wanted = execution_id or sub_scope_id
        yield from (_response(job) for job in self._engine.jobs.values() if job.there and job.correlation_id == wanted)


def _response(job: EngineJob) -> ExternalWorkerJobResponse:
    made = ExternalWorkerJobResponse(job.job_id, *(None,) * 10, job.retries, *(None,) * 6)
    made.correlation_id, made.lock_owner = job.correlation_id, job.owner
    return made


__all__ = ["LOOKS", "WIRES", "EngineJob", "ModelEngine", "Wire", "engines_own", "trouble"]
