"""What a case needs of an engine, whichever it is."""

from __future__ import annotations

import abc
import json
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from tests.conformance.answers import Answer

    from flowable.external_worker_client.testing import Case, Process

T = TypeVar("T")

#: A user and a password; `None` sends no credentials.
Credentials = tuple[str, str] | None
CREDENTIALS: Final = ("rest-admin", "test")

JOB_API: Final = "/external-job-api"
PROCESS_API: Final = "/service"


class Engine(abc.ABC):
    """An engine that a case is played on.

    Attributes:
        release: Its release, such as `(7, 2, 0)`.
    """

    release: tuple[int, ...]

    # ------------------------------------------------------------ what differs between engines

    @abc.abstractmethod
    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, credentials: Credentials
    ) -> Answer:
        """Send an HTTP request and return the answer. May be called by several threads at once.

        Args:
            method: Such as `POST`.
            target: Path and query below the engine's context path, as they are to be sent.
            headers: By their names; a `Host` is added if there is none.
            body: Empty for none.
            credentials: For basic authentication.
        """

    @abc.abstractmethod
    def deploy(self, models: Sequence[Process | Case], tenant: str) -> None:
        """Make processes and cases known, for a tenant or, with an empty text, for none."""

    @abc.abstractmethod
    def now(self) -> datetime:
        """Return what time it is for the engine, aware."""

    @abc.abstractmethod
    def pass_time(self, seconds: float) -> None:
        """Let time pass on the engine's clock."""

    @abc.abstractmethod
    def until(self, look: Callable[[], T], enough: Callable[[T], bool]) -> T:
        """Look again and again, while time passes, until it is enough; return what was seen.

        Raises:
            AssertionError: If it is not enough in time.
        """

    @abc.abstractmethod
    def hasten(self, instance: str) -> None:
        """Bring forward what the engine is going to try again in a process instance."""

    @abc.abstractmethod
    def open_tasks(self, instance: str) -> list[str]:
        """Return the ids of the open tasks of people in a process instance, sorted."""

    @abc.abstractmethod
    def set_unreadable(self, instance: str, *, binary: str, java_object: str) -> None:
        """Set variables of these names that have no form in JSON: some bytes, and a `java.util.UUID`."""

    # ------------------------------------------------------------ the process API, the same everywhere

    def call(self, method: str, path: str, body: Any = None, *, accept: str = "application/json") -> Answer:
        """Send a request to the process API, which must be carried out."""
        answer = self.ask(method, path, body, accept=accept)
        assert 200 <= answer.status < 300, f"{method} {path}: {answer}"
        return answer

    def ask(self, method: str, path: str, body: Any = None, *, accept: str = "application/json") -> Answer:
        """Send a request to the process API."""
        headers = {"Accept": accept}
        content = b""
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        return self.exchange(method, PROCESS_API + path, headers, content, CREDENTIALS)

    def start(self, key: str, variables: Sequence[Mapping[str, Any]], tenant: str) -> str:
        """Start a process instance; return its id."""
        body: dict[str, Any] = {"processDefinitionKey": key, "variables": list(variables)}
        if tenant:
            body["tenantId"] = tenant
        return str(self.call("POST", "/runtime/process-instances", body).json["id"])

    def variables(self, instance: str) -> dict[str, tuple[str | None, Any]]:
        """Return the variables of a process instance that runs: name to type, `None` if there is none, and value."""
        found = self.call("GET", f"/runtime/process-instances/{instance}/variables").json
        return {each["name"]: (each.get("type"), each["value"]) for each in found}

    def set_variables(self, instance: str, variables: Sequence[Mapping[str, Any]]) -> None:
        """Set variables of a process instance."""
        self.call("PUT", f"/runtime/process-instances/{instance}/variables", list(variables))

    def suspend(self, instance: str) -> None:
        """Suspend a process instance."""
        self.call("PUT", f"/runtime/process-instances/{instance}", {"action": "suspend"})

    def activate(self, instance: str) -> None:
        """Activate a suspended process instance."""
        self.call("PUT", f"/runtime/process-instances/{instance}", {"action": "activate"})

    def delete(self, instance: str) -> None:
        """Delete a process instance."""
        self.call("DELETE", f"/runtime/process-instances/{instance}")

    def dead_letter(self, job_id: str) -> dict[str, Any] | None:
        """Return a dead letter, `None` if there is none with this id."""
        return self._engine_job("deadletter-jobs", job_id)

    def dead_letter_details(self, job_id: str) -> str:
        """Return the error details of a dead letter."""
        answer = self.call("GET", f"/management/deadletter-jobs/{job_id}/exception-stacktrace", accept="text/plain")
        return answer.body.decode("iso-8859-1")

    def move_dead_letter(self, job_id: str) -> None:
        """Move a dead letter back to where it failed."""
        self.call("POST", f"/management/deadletter-jobs/{job_id}", {"action": "move"})

    def continuation(self, job_id: str) -> dict[str, Any] | None:
        """Return what the engine is going to do after a job was finished, `None` if it has nothing to do."""
        return self._engine_job("jobs", job_id)

    def run_continuation(self, job_id: str) -> None:
        """Have the engine do now what follows a job."""
        self.call("POST", f"/management/jobs/{job_id}", {"action": "execute"})

    def _engine_job(self, kind: str, job_id: str) -> dict[str, Any] | None:
        answer = self.ask("GET", f"/management/{kind}/{job_id}")
        assert answer.status in {200, 404}, str(answer)
        return dict(answer.json) if answer.status == 200 else None

    # ------------------------------------------------------------ at once

    @staticmethod
    def together(*calls: Callable[[], T]) -> list[T]:
        """Make calls at the same moment, each on a thread of its own; return what they return."""
        gate = threading.Barrier(len(calls))
        results: dict[int, T] = {}

        def run(number: int, call: Callable[[], T]) -> None:
            gate.wait(10)
            results[number] = call()

        threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(results) == len(calls), "a call failed or did not return"
        return [results[number] for number in range(len(calls))]
