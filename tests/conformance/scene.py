"""What a case is written with: an engine, and names that no other case has."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tests.conformance.engines import CREDENTIALS, JOB_API, Credentials
from tests.conformance.models import starter

from flowable.external_worker_client.testing import Case as CaseModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.conformance.answers import Answer, Job
    from tests.conformance.engines import Engine
    from tests.conformance.models import Own

    from flowable.external_worker_client.testing import Process

LOCK = "PT10M"
LOCK_SECONDS = 600.0


class Scene:
    """An engine with the requests of the external job API in short, for one case.

    Whatever a request consists of can be given by keyword; `...` leaves a member out.

    Attributes:
        engine: The engine.
        release: Its release, such as `(7, 2, 0)`.
        w1: A worker.
        w2: Another worker.
        topic: The topic of the models' first task.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.release = engine.release
        self._suffix = uuid.uuid4().hex[:8]
        self._deployed: dict[tuple[Callable[[Own], Any], str], str] = {}
        self.w1, self.w2, self.topic = self.own("W1"), self.own("W2"), self.own("t")

    def own(self, name: str) -> str:
        """Return a name that no other case has."""
        return f"{name}-{self._suffix}"

    # ------------------------------------------------------------ instances

    def start(
        self, model: Callable[[Own], Process | CaseModel], *variables: Mapping[str, Any], tenant: str = ""
    ) -> str:
        """Start an instance of a process, or a process that starts a case; return its id. Deploys it when needed."""
        key = self._deployed.get((model, tenant))
        if key is None:
            found = model(self.own)
            process = starter(found) if isinstance(found, CaseModel) else found
            # Together: a process finds the case that it starts in its own deployment.
            self.engine.deploy([process] if process is found else [found, process], tenant)
            key = self._deployed[model, tenant] = process.key
        return self.engine.start(key, variables, tenant)

    def started(
        self, model: Callable[[Own], Process | CaseModel], *variables: Mapping[str, Any], lock: Any = LOCK
    ) -> Job:
        """Start an instance, and acquire its job as the first worker."""
        self.start(model, *variables)
        return self.acquire(lockDuration=lock).job

    def wait_for_task(self, instance: str, task: str) -> None:
        """Wait until a task of a person is open, and is the only one."""
        assert self.engine.until(lambda: self.engine.open_tasks(instance), bool) == [task]

    def wait_for_job(self, topic: str, **more: Any) -> Answer:
        """Acquire until a job comes, which follows another one."""
        return self.engine.until(
            lambda: self.acquire(topic=topic, **more), lambda answer: answer.status != 200 or answer.json != []
        )

    def wait_until_free(self, job: Job) -> Job:
        """Wait until the engine has reset a job's lock; return the job, which may have a new id."""
        where = {"executionId": job["executionId"], "unlocked": "true"}
        page = self.engine.until(lambda: self.query(**where).page, lambda page: page["total"] == 1)
        return dict(page["data"][0])

    def wait_for_dead_letter(self, instance: str, job: Job) -> dict[str, Any]:
        """Wait until what follows a job has failed for good."""

        def look() -> dict[str, Any] | None:
            found = self.engine.dead_letter(job["id"])
            if found is None:
                self.engine.hasten(instance)
            return found

        found = self.engine.until(look, bool)
        assert found is not None
        return found

    # ------------------------------------------------------------ requests

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = ...,
        raw: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
        credentials: Credentials = CREDENTIALS,
    ) -> Answer:
        """Send a request to the external job API.

        Args:
            method: Such as `POST`.
            path: Path and query below the API.
            body: Sent as JSON; left out with `...`.
            raw: The body as it is, instead.
            headers: In place of what is sent otherwise; `None` leaves one out.
            credentials: For basic authentication.
        """
        content = raw if raw is not None else b"" if body is ... else json.dumps(body).encode()
        usual: dict[str, str | None] = {"Accept": "application/json"}
        if raw is not None or body is not ...:
            usual["Content-Type"] = "application/json"
        sent = {name: value for name, value in {**usual, **(headers or {})}.items() if value is not None}
        return self.engine.exchange(method, JOB_API + path, sent, content, credentials)

    def post(self, path: str, **members: Any) -> Answer:
        """Post a JSON object."""
        return self.send("POST", path, body={name: value for name, value in members.items() if value is not ...})

    def acquire(self, worker: Any = None, **members: Any) -> Answer:
        """Acquire, as the first worker unless told otherwise."""
        usual = {"topic": self.topic, "lockDuration": LOCK, "workerId": self.w1 if worker is None else worker}
        return self.post("/acquire/jobs", **{**usual, **members})

    def finish(self, how: str, job: Job | str, worker: str | None = None, **members: Any) -> Answer:
        """End a job one way or the other: `complete`, `bpmnError`, `cmmnTerminate` or `fail`."""
        job_id = job if isinstance(job, str) else job["id"]
        return self.post(f"/acquire/jobs/{quote(job_id)}/{how}", **{"workerId": worker or self.w1, **members})

    def complete(self, job: Job | str, worker: str | None = None, **members: Any) -> Answer:
        """Complete a job."""
        return self.finish("complete", job, worker, **members)

    def complete_with(self, job: Job, *variables: Mapping[str, Any]) -> Answer:
        """Complete a job with variables."""
        return self.finish("complete", job, variables=list(variables))

    def fail(self, job: Job | str, worker: str | None = None, **members: Any) -> Answer:
        """Fail a job."""
        return self.finish("fail", job, worker, **members)

    def unacquire(self, job: Job | str, worker: str | None = None) -> Answer:
        """Give a job back."""
        job_id = job if isinstance(job, str) else job["id"]
        return self.post(f"/unacquire/jobs/{job_id}", workerId=worker or self.w1)

    def read(self, job: Job | str) -> Answer:
        """Look at a job."""
        return self.send("GET", f"/jobs/{quote(job if isinstance(job, str) else job['id'])}")

    def now(self, job: Job) -> Job:
        """Return a job as it is now."""
        answer = self.read(job)
        answer.is_ok()
        return dict(answer.json)

    def query(self, **parameters: Any) -> Answer:
        """List jobs."""
        return self.send("GET", f"/jobs?{urlencode(parameters, doseq=True)}" if parameters else "/jobs")

    # ------------------------------------------------------------ refusals

    def not_held_by(self, worker: str, answer: Answer) -> None:
        """Assert that a worker was told that the lock is not its own."""
        answer.is_error(403, f"{worker} does not hold a lock on the requested job")

    def not_found(self, job: Job | str, answer: Answer) -> None:
        """Assert that there is no such job."""
        job_id = job if isinstance(job, str) else job["id"]
        answer.is_error(404, f"Could not find external worker job with id '{job_id}'.")


def variable(name: str, value: Any) -> dict[str, Any]:
    """Return a variable without a type."""
    return {"name": name, "value": value}


def typed(name: str, kind: str, value: Any) -> dict[str, Any]:
    """Return a variable with a type."""
    return {"name": name, "type": kind, "value": value}
