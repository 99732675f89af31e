"""The small part of Flowable's process and CMMN APIs with which examples and tests start instances and look at them.

Instances, their variables, suspension and deletion, jobs of the engine itself, dead letters: at the paths, and with the
bodies, of the real engine. Definitions cannot be deployed here; they are Python objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flowable.external_worker_client.testing.answers import Answer, empty_answer, json_answer, text_answer
from flowable.external_worker_client.testing.dates import job_date_text
from flowable.external_worker_client.testing.errors import EngineError, bad_request, conflict, not_found
from flowable.external_worker_client.testing.flow import ContinuationError
from flowable.external_worker_client.testing.jackson import Reader
from flowable.external_worker_client.testing.variables import read_variables, write_variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flowable.external_worker_client.testing.core import Core
    from flowable.external_worker_client.testing.instances import Instance
    from flowable.external_worker_client.testing.jobs import Job
    from flowable.external_worker_client.testing.releases import Release

__all__ = ["ProcessApi"]

_NO_CONTENT: Final = empty_answer(204)
_BPMN: Final = ("runtime", "process-instances")
_CMMN: Final = ("cmmn-runtime", "case-instances")


class ProcessApi:
    """Answers requests below `/service` and `/cmmn-api`.

    Args:
        release: Which one.
    """

    def __init__(self, release: Release) -> None:
        self._release = release
        self._reader = Reader(release, "RestRequest", "the request")

    def handle(self, core: Core, api: str, method: str, path: Sequence[str], body: bytes, base: str) -> Answer | None:
        """Answer a request.

        Args:
            core: The engine's tables; due work has been done.
            api: `service` or `cmmn-api`.
            method: Of the request.
            path: The segments below the API, decoded.
            body: Of the request.
            base: Scheme, host and context path.

        Returns:
            The answer, None if there is nothing at this path.

        Raises:
            EngineError: As the engine refuses.
        """
        match (api, *path):
            case ("service", "runtime", "process-instances", *rest) | (
                "cmmn-api",
                "cmmn-runtime",
                "case-instances",
                *rest,
            ):
                return self._instances(core, api, method, rest, body, base)
            case ("service", "management", "deadletter-jobs", *rest):
                return self._dead_letters(core, api, method, rest, body, base)
            case ("cmmn-api", "cmmn-management", "deadletter-jobs", *rest):
                return self._dead_letters(core, api, method, rest, body, base)
            case ("service", "management", "jobs", *rest):
                return self._continuations(core, method, rest, body, base)
            case _:
                return None

    # ------------------------------------------------------------ instances

    def _instances(  # noqa: PLR0911 - one for each kind of request
        self, core: Core, api: str, method: str, rest: Sequence[str], body: bytes, base: str
    ) -> Answer | None:
        scope = "bpmn" if api == "service" else "cmmn"
        match method, rest:
            case "POST", []:
                return self._start(core, scope, self._reader.read(body), base)
            case "GET", [instance_id]:
                return json_answer(self._write_instance(self._running(core, scope, instance_id), base))
            case "DELETE", [instance_id]:
                core.delete(self._running(core, scope, instance_id))
                return _NO_CONTENT
            case "PUT", [instance_id]:
                instance = self._running(core, scope, instance_id)
                action = self._reader.text(self._reader.read(body), "action")
                if action not in {"suspend", "activate"}:
                    raise bad_request(f"Invalid action: '{action}'.")
                if instance.suspended == (action == "suspend"):
                    kind = "Process" if scope == "bpmn" else "Case"
                    state = "suspended" if instance.suspended else "active"
                    raise conflict(f"{kind} instance with id '{instance_id}' is already {state}.")
                (core.suspend if action == "suspend" else core.activate)(instance)
                return json_answer(self._write_instance(instance, base))
            case "GET", [instance_id, "variables"]:
                return json_answer(self._write_variables(self._running(core, scope, instance_id)))
            case (("POST" | "PUT"), [instance_id, "variables"]):
                instance = self._running(core, scope, instance_id)
                items = self._reader.variables({"variables": self._reader.read_value(body)})
                instance.variables.update(read_variables(items or [], self._release))
                return json_answer(self._write_variables(instance), 201)
            case _:
                return None

    def _start(self, core: Core, scope: str, asked: dict[str, Any], base: str) -> Answer:
        kind = "process" if scope == "bpmn" else "case"
        key = self._reader.text(asked, f"{kind}DefinitionKey")
        definition_id = self._reader.text(asked, f"{kind}DefinitionId")
        tenant = self._reader.text(asked, "tenantId") or ""
        if not key and not definition_id:
            raise bad_request(f"Either {kind}DefinitionId, {kind}DefinitionKey or message is required.")
        if key:
            deployed = core.find_definition("bpmn" if scope == "bpmn" else "cmmn", key, tenant)
        else:
            deployed = next((found for found in core.deployed.values() if found.id == definition_id), None)
        if deployed is None:
            if key:
                raise bad_request(f"No {kind} definition found for key '{key}'")
            raise bad_request(f"no deployed {kind} definition found with id '{definition_id}'")
        variables = read_variables(self._reader.variables(asked) or [], self._release)
        business_key = self._reader.text(asked, "businessKey")
        try:
            instance = core.start(deployed, variables, tenant_id=tenant, business_key=business_key)
        except ContinuationError as error:
            raise EngineError(500, str(error)) from error
        return json_answer(self._write_instance(instance, base), 201)

    @staticmethod
    def _running(core: Core, scope: str, instance_id: str) -> Instance:
        instance = core.instances.get(instance_id)
        if instance is None or instance.scope != scope or instance.end is not None:
            kind = "process" if scope == "bpmn" else "case"
            raise not_found(f"Could not find a {kind} instance with id '{instance_id}'.")
        return instance

    def _write_instance(self, instance: Instance, base: str) -> dict[str, Any]:
        bpmn = instance.scope == "bpmn"
        kind = "process" if bpmn else "case"
        api = f"{base}/service" if bpmn else f"{base}/cmmn-api"
        runtime, instances = _BPMN if bpmn else _CMMN
        repository = "repository" if bpmn else "cmmn-repository"
        return {
            "id": instance.id,
            "url": f"{api}/{runtime}/{instances}/{instance.id}",
            "name": None,
            "businessKey": instance.business_key,
            "suspended": instance.suspended,
            "ended": instance.end is not None,
            f"{kind}DefinitionId": instance.deployed.id,
            f"{kind}DefinitionUrl": f"{api}/{repository}/{kind}-definitions/{instance.deployed.id}",
            f"{kind}DefinitionKey": instance.definition.key,
            "startTime": self._date(instance.start_time),
            "variables": [],
            "tenantId": instance.tenant_id,
            "completed": instance.end is not None,
        }

    def _write_variables(self, instance: Instance) -> list[dict[str, Any]]:
        scope = "local" if instance.scope == "bpmn" else None
        written = (write_variable(name, value, self._release) for name, value in instance.variables.items())
        return [{**variable, "scope": scope} for variable in written]

    # ------------------------------------------------------------ jobs of the engine

    def _dead_letters(
        self, core: Core, api: str, method: str, rest: Sequence[str], body: bytes, base: str
    ) -> Answer | None:
        # The process API shows those of cases too; the CMMN API only its own.
        dead = {job.id: job for job in core.dead_letters.values() if api == "service" or job.instance.scope == "cmmn"}
        match method, rest:
            case "GET", []:
                return self._page(dead, api, "deadletter-jobs", base)
            case "GET", [job_id]:
                return json_answer(self._write_job(self._job(dead, job_id), api, "deadletter-jobs", base))
            case "GET", [job_id, "exception-stacktrace"]:
                job = self._job(dead, job_id)
                if job.details is None:
                    raise not_found(f"Job with id '{job_id}' doesn't have an exception stacktrace.")
                return text_answer(job.details, self._release.stacktrace_type)
            case "POST", [job_id]:
                self._action(body, "move")
                core.revive(self._job(dead, job_id))
                return _NO_CONTENT
            case "POST", []:
                asked = self._action(body, "move")
                ids: list[Any] = asked.get("jobIds") or []
                for job in [self._job(dead, str(job_id)) for job_id in ids]:
                    core.revive(job)
                return _NO_CONTENT
            case _:
                return None

    def _continuations(self, core: Core, method: str, rest: Sequence[str], body: bytes, base: str) -> Answer | None:
        match method, rest:
            case "GET", []:
                return self._page(core.continuations, "service", "jobs", base)
            case "GET", [job_id]:
                return json_answer(self._write_job(self._job(core.continuations, job_id), "service", "jobs", base))
            case "POST", [job_id]:
                self._action(body, "execute")
                core.run_continuation(self._job(core.continuations, job_id))
                return _NO_CONTENT
            case _:
                return None

    def _action(self, body: bytes, wanted: str) -> dict[str, Any]:
        asked = self._reader.read(body)
        if self._reader.text(asked, "action") != wanted:
            raise bad_request(f"Invalid action, only '{wanted}' is supported.")
        return asked

    @staticmethod
    def _job(table: Mapping[str, Job], job_id: str) -> Job:
        job = table.get(job_id)
        if job is None:
            raise not_found(f"Could not find a job with id '{job_id}'.")
        return job

    def _page(self, table: Mapping[str, Job], api: str, name: str, base: str) -> Answer:
        data = [self._write_job(table[job_id], api, name, base) for job_id in sorted(table)[:10]]
        return json_answer(
            {"data": data, "total": len(table), "start": 0, "sort": "id", "order": "asc", "size": len(data)}
        )

    def _write_job(self, job: Job, api: str, name: str, base: str) -> dict[str, Any]:
        instance = job.instance
        own = instance if instance.scope == "bpmn" else None
        common = {
            "elementId": job.task.id,
            "elementName": job.task.name,
            "retries": job.retries,
            "exceptionMessage": job.exception_message,
            "dueDate": self._date(job.due_date) if job.table == "deadletter" and job.failed_continuation else None,
            "createTime": self._date(job.create_time),
            "tenantId": instance.tenant_id,
        }
        if self._release.management_shows_handler:
            handler = "external-worker-complete" if own else "cmmn-external-worker-complete"
            common |= {"handlerType": handler, "lockOwner": None, "lockExpirationTime": None}
        if api == "cmmn-api":
            cmmn = f"{base}/cmmn-api"
            table = name if self._release.management_shows_handler else "jobs"
            return {
                "id": job.id,
                "url": f"{cmmn}/cmmn-management/{table}/{job.id}",
                "caseInstanceId": instance.id,
                "caseInstanceUrl": f"{cmmn}/cmmn-runtime/case-instances/{instance.id}",
                "caseDefinitionId": instance.deployed.id,
                "caseDefinitionUrl": f"{cmmn}/cmmn-repository/case-definitions/{instance.deployed.id}",
                "planItemInstanceId": job.execution.id,
                **common,
            }
        service = f"{base}/service"
        definitions = f"{service}/repository/process-definitions"
        return {
            "id": job.id,
            "url": f"{service}/management/{name}/{job.id}",
            "correlationId": job.correlation_id,
            "processInstanceId": own.id if own else None,
            "processInstanceUrl": f"{service}/runtime/process-instances/{own.id}" if own else None,
            "processDefinitionId": own.deployed.id if own else None,
            "processDefinitionUrl": f"{definitions}/{own.deployed.id}" if own else None,
            "executionId": job.execution.id if own else None,
            "executionUrl": f"{service}/runtime/executions/{job.execution.id}" if own else None,
            **common,
        }

    def _date(self, millis: int | None) -> str | None:
        if millis is None:
            return None
        return job_date_text(millis, keep_fraction=self._release.job_dates_keep_fraction)
