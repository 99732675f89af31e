"""Helpers for tests that run against a real Flowable engine.

A worker talks to the engine's external worker API; a test also needs the other side: deploy a model, start an
instance, see how it ended. `RealEngine` does that over Flowable's process REST API.

    with RealEngine("http://127.0.0.1:8090/flowable-rest") as engine:
        engine.deploy(Path("order.bpmn20.xml"))
        instance = engine.start_process("order", {"orderId": "4711"})
        ...                                                # let the worker run
        engine.wait_for_end(instance)
        assert engine.variables(instance)["parcel"] == RealVariable("string", "P-1")

Completing a job only means that the engine accepted the result; it continues the instance a moment later. That is why
everything here that looks for an effect has a `wait_...` form, which looks again until a deadline and then says what
it saw last.

Cases (CMMN) are deployed and started through a process, because an engine may run cases without a REST API for them:
the open source release 7.2.0 does.
"""

from __future__ import annotations

import io
import re
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, cast
from urllib.parse import quote

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

__all__ = ["DeadLetter", "RealEngine", "RealEngineError", "RealTask", "RealVariable"]

REQUEST_TIMEOUT: Final = 60.0  # seconds
DEADLINE: Final = 20.0  # seconds; an engine looks every 10 s for work that it missed
LOOK_AGAIN: Final = 0.05  # seconds
PAGE: Final = 1000  # items in one answer of the engine

_T = TypeVar("_T")
# One of Flowable's lists of jobs in its management API.
JobKind = Literal["jobs", "timer-jobs", "suspended-jobs", "deadletter-jobs"]


class RealEngineError(AssertionError):
    """The engine refused a request of a test, or what a test waited for did not happen in time.

    An `AssertionError`, so that test frameworks report it as a failure of the test.
    """


@dataclass(frozen=True, slots=True)
class RealVariable:
    """A variable as the engine has it.

    Attributes:
        type: Flowable's name for the type, such as `integer`; `null` for a variable without a value.
        value: The JSON value.
    """

    type: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTask:
    """An open task of a person.

    Attributes:
        id: The id of the task.
        element_id: The id of the user task or human task in the model.
        instance_id: The process instance or the case instance.
    """

    id: str
    element_id: str
    instance_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A job that ran out of retries.

    Attributes:
        id: The id of the job, the same as before.
        process_instance_id: The process instance, or `None` for a job of a case.
        element_id: The task in the model. `None` where the release does not tell.
        retries: 0.
        exception_message: The last error message, or `None`.
    """

    id: str
    process_instance_id: str | None
    element_id: str | None
    retries: int
    exception_message: str | None


class RealEngine:
    """The side of a Flowable engine that a test needs: deploy, start, look, wait.

    May be used as a context manager, which closes its connections.

    Args:
        url: Where the engine is, up to and including its context path, such as `http://127.0.0.1:8090/flowable-rest`.
        username: For basic authentication.
        password: For basic authentication.
        process_path: Where the process REST API is below `url`: `/service` in Flowable's own REST application,
            `/process-api` in applications built on its Spring Boot starter.
    """

    def __init__(
        self,
        url: str,
        username: str = "rest-admin",
        password: str = "test",  # noqa: S107  # what Flowable's own REST application starts with
        *,
        process_path: str = "/service",
    ) -> None:
        self.url = url.rstrip("/")
        self.username = username
        self.password = password
        self._process_path = process_path
        self._session = requests.Session()
        self._session.auth = (username, password)

    def __repr__(self) -> str:
        return f"RealEngine({self.url!r}, {self.username!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The object can still be used; it opens new ones."""
        self._session.close()

    # ------------------------------------------------------------ deploy

    def deploy(self, *models: Path | str, tenant: str | None = None) -> str:
        """Deploy process models, in one deployment.

        Args:
            models: Paths of model files, or the XML itself.
            tenant: The tenant the deployment belongs to; `None` for none.

        Returns:
            str: The id of the deployment.

        Raises:
            RealEngineError: If the engine refuses a model; the text says why.
            ValueError: If no model is given.
        """
        if not models:
            raise ValueError("models: give at least one path or XML text")
        texts = [model.read_text(encoding="utf-8") if isinstance(model, Path) else model for model in models]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for number, text in enumerate(texts):
                # The engine goes by the ending of the name.
                kind = "cmmn" if re.search(r"<(\w+:)?case\s", text) else "bpmn20.xml"
                file.writestr(f"model-{number}.{kind}", text)
        answer = self._call(
            "POST",
            "/repository/deployments",
            files={"file": ("models.zip", archive.getvalue(), "application/zip")},
            data={"tenantId": tenant} if tenant else {},
        )
        return str(answer["id"])

    def deploy_case(self, model: Path | str, *, variables: Iterable[str] = (), tenant: str | None = None) -> str:
        """Deploy a case model, together with a process that starts the case and waits for its end.

        Args:
            model: Path of the model file, or the XML itself.
            variables: Names of variables that `start_case` hands to the case.
            tenant: The tenant the deployment belongs to; `None` for none.

        Returns:
            str: The id of the deployment.

        Raises:
            RealEngineError: If the engine refuses the model; the text says why.
            ValueError: If there is no case in the model.
        """
        text = model.read_text(encoding="utf-8") if isinstance(model, Path) else model
        found = re.search(r"<(?:\w+:)?case\s[^>]*\bid=\"([^\"]+)\"", text)
        if found is None:
            raise ValueError(f'model: no <case id="..."> in {str(model)[:100]!r}')
        return self.deploy(text, _starter(found[1], variables), tenant=tenant)

    def delete_deployment(self, deployment_id: str) -> None:
        """Delete a deployment with all its instances and their history."""
        self._call("DELETE", f"/repository/deployments/{quote(deployment_id, safe='')}", params={"cascade": "true"})

    # ------------------------------------------------------------ start and steer

    def start_process(self, key: str, variables: Mapping[str, Any] | None = None, *, tenant: str | None = None) -> str:
        """Start an instance of the newest version of a process.

        Args:
            key: The id of the process in its model.
            variables: Start variables. A plain value is sent as it is; the engine finds the type of texts, numbers
                and booleans. Dicts and lists are sent as `json`; a `RealVariable` says its type itself.
            tenant: The tenant of the deployment; `None` for none.

        Returns:
            str: The id of the process instance.
        """
        body: dict[str, Any] = {"processDefinitionKey": key, "variables": _on_the_wire(variables or {})}
        if tenant is not None:
            body["tenantId"] = tenant
        return str(self._call("POST", "/runtime/process-instances", json=body)["id"])

    def start_case(self, key: str, variables: Mapping[str, Any] | None = None, *, tenant: str | None = None) -> str:
        """Start an instance of a case that `deploy_case` deployed.

        Args:
            key: The id of the case in its model.
            variables: Start variables, as in `start_process`. Those that `deploy_case` named reach the case.
            tenant: The tenant of the deployment; `None` for none.

        Returns:
            str: The id of the *process* instance that started the case and ends with it. `case_instance_id` tells
            the id of the case instance.
        """
        return self.start_process(_starter_key(key), variables, tenant=tenant)

    def case_instance_id(self, instance_id: str) -> str:
        """Return the id of the case instance that `start_case` started."""
        return str(self.variables(instance_id)[_CASE_INSTANCE_VARIABLE].value)

    def suspend(self, instance_id: str) -> None:
        """Suspend a process instance: its jobs can no longer be acquired or finished."""
        self._call("PUT", _instance(instance_id), json={"action": "suspend"})

    def activate(self, instance_id: str) -> None:
        """Activate a suspended process instance: its jobs are there again, without their locks."""
        self._call("PUT", _instance(instance_id), json={"action": "activate"})

    def delete(self, instance_id: str) -> None:
        """Delete a running process instance and its jobs."""
        self._call("DELETE", _instance(instance_id))

    # ------------------------------------------------------------ look

    def variables(self, instance_id: str) -> dict[str, RealVariable]:
        """Return the variables of a process instance by name, of an ended one as they were at its end."""
        found = self._pages("/history/historic-variable-instances", processInstanceId=instance_id)
        plain = [entry["variable"] for entry in found]
        return {str(each["name"]): RealVariable(str(each.get("type") or "null"), each.get("value")) for each in plain}

    def instance_ended(self, instance_id: str) -> bool:
        """Tell whether a process instance has ended, in whatever way.

        Raises:
            RealEngineError: If there never was one with this id.
        """
        path = f"/history/historic-process-instances/{quote(instance_id, safe='')}"
        return self._call("GET", path)["endTime"] is not None

    def path_taken(self, instance_id: str) -> list[str]:
        """Return the ids of the elements that a process instance entered, sorted; one entered twice is there twice.

        Flows between elements are left out, and boundary events: the engine notes those as soon as their task is
        entered, whether they fire or not. What comes after a boundary event tells.
        """
        found = self._pages("/history/historic-activity-instances", processInstanceId=instance_id)
        left_out = {"boundaryEvent", "sequenceFlow"}
        return sorted(str(each["activityId"]) for each in found if each["activityType"] not in left_out)

    def instances(self, key: str, *, ended: bool) -> list[str]:
        """Return the ids of all instances of a process that have ended, or of all that have not."""
        found = self._pages(
            "/history/historic-process-instances", processDefinitionKey=key, finished=str(ended).lower()
        )
        return [str(each["id"]) for each in found]

    def tasks(self, instance_id: str) -> list[RealTask]:
        """Return the open tasks of people in a process or case instance."""
        found = self._pages("/runtime/tasks", processInstanceId=instance_id)
        found += self._pages("/runtime/tasks", scopeId=instance_id)
        return [
            RealTask(
                id=str(each["id"]),
                element_id=str(each["taskDefinitionKey"]),
                instance_id=str(each["processInstanceId"] or each["scopeId"]),
            )
            for each in found
        ]

    def complete_task(self, task_id: str, variables: Mapping[str, Any] | None = None) -> None:
        """Complete a task of a person in a process instance. The process API refuses tasks of cases."""
        body = {"action": "complete", "variables": _on_the_wire(variables or {})}
        self._call("POST", f"/runtime/tasks/{quote(task_id, safe='')}", json=body)

    def dead_letters(self, instance_id: str | None = None) -> list[DeadLetter]:
        """Return the jobs that ran out of retries, of one process instance or of all processes and cases."""
        where = {} if instance_id is None else {"processInstanceId": instance_id}
        return [
            DeadLetter(
                id=str(each["id"]),
                process_instance_id=each.get("processInstanceId"),
                element_id=each.get("elementId"),
                retries=int(each["retries"]),
                exception_message=each.get("exceptionMessage"),
            )
            for each in self._pages("/management/deadletter-jobs", **where)
        ]

    def dead_letter_stacktrace(self, job_id: str) -> str:
        """Return the error details of a dead letter. The engine replaces characters beyond ISO-8859-1 by `?`."""
        path = f"/management/deadletter-jobs/{quote(job_id, safe='')}/exception-stacktrace"
        response = self._send("GET", path)
        response.encoding = "iso-8859-1"
        return response.text

    def move_dead_letter(self, job_id: str) -> None:
        """Give a dead letter new retries: a worker can acquire it again."""
        self._call("POST", f"/management/deadletter-jobs/{quote(job_id, safe='')}", json={"action": "move"})

    def job_count(self, kind: JobKind, instance_id: str | None = None) -> int:
        """Count jobs of the engine.

        Args:
            kind: `jobs`: what the engine is going to do itself, such as continuing after a completed external job;
                `timer-jobs`: what it does later, such as trying that again; `suspended-jobs`; `deadletter-jobs`.
            instance_id: Count those of one process instance. `None`: all.
        """
        where = {} if instance_id is None else {"processInstanceId": instance_id}
        return int(self._call("GET", f"/management/{kind}", params={**where, "size": "0"})["total"])

    def external_job_count(self, instance_id: str | None = None) -> int:
        """Count external jobs, locked or not, of one process instance or all."""
        where = {} if instance_id is None else {"processInstanceId": instance_id}
        response = self._request("GET", "/external-job-api/jobs", params={**where, "size": "0"})
        return int(response.json()["total"])

    # ------------------------------------------------------------ wait

    def wait_for_end(self, instance_id: str, deadline: float = DEADLINE) -> None:
        """Wait until a process instance has ended.

        Args:
            instance_id: The process instance.
            deadline: How long to wait at most, in seconds from now.

        Raises:
            RealEngineError: If it does not end in time; the text says where it is.
        """
        if not _wait(lambda: self.instance_ended(instance_id), bool, deadline):
            raise RealEngineError(
                f"Process instance {instance_id} did not end within {deadline:g} s: {self._whereabouts(instance_id)}"
            )

    def wait_for_task(self, instance_id: str, element_id: str, deadline: float = DEADLINE) -> RealTask:
        """Wait until a task of a person is open in a process or case instance, and return it.

        Args:
            instance_id: The process instance or case instance.
            element_id: The id of the task in the model.
            deadline: How long to wait at most, in seconds from now.

        Raises:
            RealEngineError: If it is not open in time; the text says which ones are.
        """
        seen = _wait(
            lambda: self.tasks(instance_id),
            lambda tasks: any(task.element_id == element_id for task in tasks),
            deadline,
        )
        for task in seen:
            if task.element_id == element_id:
                return task
        raise RealEngineError(
            f"No task {element_id!r} in {instance_id} within {deadline:g} s; open are "
            f"{[task.element_id for task in seen]}, dead letters are {self.dead_letters()}"
        )

    def wait_for_dead_letter(self, instance_id: str, deadline: float = DEADLINE) -> DeadLetter:
        """Wait until a process instance has a dead letter, and return the first.

        Args:
            instance_id: The process instance.
            deadline: How long to wait at most, in seconds from now.

        Raises:
            RealEngineError: If there is none in time.
        """
        seen = _wait(lambda: self.dead_letters(instance_id), bool, deadline)
        if not seen:
            raise RealEngineError(
                f"No dead letter of {instance_id} within {deadline:g} s: {self._whereabouts(instance_id)}"
            )
        return seen[0]

    def _whereabouts(self, instance_id: str) -> str:
        return (
            f"it entered {self.path_taken(instance_id)}, has {self.external_job_count(instance_id)} external jobs, "
            f"{self.job_count('jobs', instance_id)} jobs of the engine, {self.job_count('timer-jobs', instance_id)} "
            f"for later, and dead letters {self.dead_letters(instance_id)}"
        )

    # ------------------------------------------------------------ requests

    def _pages(self, path: str, **where: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = self._call("GET", path, params={**where, "start": str(len(found)), "size": str(PAGE)})
            data = cast("list[dict[str, Any]]", page["data"])
            found += data
            if not data or len(found) >= int(page["total"]):
                return found

    def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401  # what requests takes
        response = self._send(method, path, **more)
        return cast("dict[str, Any]", response.json()) if response.content else {}

    def _send(self, method: str, path: str, **more: Any) -> requests.Response:  # noqa: ANN401  # what requests takes
        return self._request(method, self._process_path + path, **more)

    def _request(self, method: str, path: str, **more: Any) -> requests.Response:  # noqa: ANN401  # what requests takes
        response = self._session.request(method, self.url + path, timeout=REQUEST_TIMEOUT, **more)
        if not response.ok:
            raise RealEngineError(f"{method} {path}: status {response.status_code}, {response.text[:2000]}")
        return response


def _wait(look: Callable[[], _T], enough: Callable[[_T], bool], deadline: float) -> _T:
    """Look until it is enough or the deadline, in seconds from now, is over; return what was seen last."""
    end = time.monotonic() + deadline
    while True:
        late = time.monotonic() >= end
        seen = look()
        if late or enough(seen):
            return seen
        time.sleep(LOOK_AGAIN)


def _instance(instance_id: str) -> str:
    return f"/runtime/process-instances/{quote(instance_id, safe='')}"


def _on_the_wire(variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    wire: list[dict[str, Any]] = []
    for name, value in variables.items():
        if isinstance(value, RealVariable):
            wire.append({"name": name, "type": value.type, "value": value.value})
        elif isinstance(value, dict | list):
            # Without the type the engine would store a serialized Java object, which no worker can read.
            wire.append({"name": name, "type": "json", "value": value})
        else:
            wire.append({"name": name, "value": value})
    return wire


# The process that starts a case stores the id of the case instance here.
_CASE_INSTANCE_VARIABLE: Final = "caseInstanceId"


def _starter_key(case_key: str) -> str:
    return f"start-{case_key}"


def _starter(case_key: str, variables: Iterable[str]) -> str:
    """Return the model of a process that starts a case and ends when the case does."""
    handed_over = "".join(f'<flowable:in source="{name}" target="{name}"/>' for name in variables)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:flowable="http://flowable.org/bpmn"
             targetNamespace="https://flowable.org/testing">
  <process id="{_starter_key(case_key)}" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="toCase" sourceRef="start" targetRef="case"/>
    <serviceTask id="case" flowable:type="case" flowable:caseDefinitionKey="{case_key}"
                 flowable:idVariableName="{_CASE_INSTANCE_VARIABLE}">
      <extensionElements>{handed_over}</extensionElements>
    </serviceTask>
    <sequenceFlow id="toEnd" sourceRef="case" targetRef="end"/>
    <endEvent id="end"/>
  </process>
</definitions>
"""
