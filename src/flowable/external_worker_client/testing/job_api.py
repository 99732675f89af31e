"""The external job API: from a request body to an operation, and from a job to JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flowable.external_worker_client.testing.answers import Answer, empty_answer, json_answer
from flowable.external_worker_client.testing.dates import job_date_text
from flowable.external_worker_client.testing.jackson import Reader
from flowable.external_worker_client.testing.operations import AcquiredJob, AcquireOrder, Operations
from flowable.external_worker_client.testing.variables import write_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowable.external_worker_client.testing.jobs import Job
    from flowable.external_worker_client.testing.query import JobPage
    from flowable.external_worker_client.testing.releases import Release

__all__ = ["JobApi"]

_API: Final = "org.flowable.external.job.rest.service.api.acquire."
_RESOURCE: Final = f"{_API}ExternalWorkerAcquireJobResource."
_RESULT: Final = "public org.springframework.http.ResponseEntity<?>"
_NO_CONTENT: Final = empty_answer(204)


class JobApi:
    """Reads requests and writes answers of the external job API, as one release does.

    Args:
        release: Which one.
    """

    def __init__(self, release: Release) -> None:
        self._release = release
        self._keep_fraction = release.job_dates_keep_fraction
        request = f"{_API}AcquireExternalWorkerJobRequest"
        acquired = f"public java.util.List<{_API}AcquiredExternalWorkerJobResponse>"
        self._acquire = Reader(
            release, "AcquireExternalWorkerJobRequest", f"{acquired} {_RESOURCE}acquireAndLockJobs({request})"
        )
        self._complete = self._reader("ExternalWorkerJobCompleteRequest", "completeJob")
        self._error = self._reader("ExternalWorkerJobErrorRequest", "bpmnErrorJob")
        self._terminate = self._reader("ExternalWorkerJobTerminateRequest", "terminateCmmnJob")
        self._failure = self._reader("ExternalWorkerJobFailureRequest", "failJob")
        # One of the two names is misspelt in the engine, and so in its texts.
        unacquire = "UnacquireExternalWorkerJobsRequest"
        prefix = f"{_RESULT} {_API}ExternalWorkerUnacquireJobResource."
        self._unacquire = Reader(release, unacquire, f"{prefix}unaquireJob(java.lang.String,{_API}{unacquire})")
        self._unacquire_all = Reader(release, unacquire, f"{prefix}unacquireJobs({_API}{unacquire})")

    def _reader(self, request: str, method: str) -> Reader:
        return Reader(self._release, request, f"{_RESULT} {_RESOURCE}{method}(java.lang.String,{_API}{request})")

    # ------------------------------------------------------------ operations

    def acquire(self, operations: Operations, body: bytes, base: str) -> Answer:
        """`POST /acquire/jobs`."""
        reader = self._acquire
        asked = reader.read(body)
        order = AcquireOrder(
            topic=reader.text(asked, "topic"),
            lock=reader.duration(asked, "lockDuration"),
            worker_id=reader.text(asked, "workerId"),
            tasks=reader.count(asked, "numberOfTasks", 1),
            retries=reader.count(asked, "numberOfRetries", 5),
            scope_type=reader.text(asked, "scopeType"),
        )
        return json_answer([self._write_acquired(found, base) for found in operations.acquire(order)])

    def complete(self, operations: Operations, job_id: str, body: bytes) -> Answer:
        """`POST /acquire/jobs/{id}/complete`."""
        asked = self._complete.read(body)
        variables = self._complete.variables(asked)
        operations.complete(job_id, self._complete.text(asked, "workerId"), variables)
        return _NO_CONTENT

    def bpmn_error(self, operations: Operations, job_id: str, body: bytes) -> Answer:
        """`POST /acquire/jobs/{id}/bpmnError`."""
        reader = self._error
        asked = reader.read(body)
        variables = reader.variables(asked)
        operations.bpmn_error(job_id, reader.text(asked, "workerId"), reader.text(asked, "errorCode"), variables)
        return _NO_CONTENT

    def cmmn_terminate(self, operations: Operations, job_id: str, body: bytes) -> Answer:
        """`POST /acquire/jobs/{id}/cmmnTerminate`."""
        asked = self._terminate.read(body)
        variables = self._terminate.variables(asked)
        operations.cmmn_terminate(job_id, self._terminate.text(asked, "workerId"), variables)
        return _NO_CONTENT

    def fail(self, operations: Operations, job_id: str, body: bytes) -> Answer:
        """`POST /acquire/jobs/{id}/fail`."""
        reader = self._failure
        asked = reader.read(body)
        operations.fail(
            job_id,
            reader.text(asked, "workerId"),
            error_message=reader.text(asked, "errorMessage"),
            error_details=reader.text(asked, "errorDetails"),
            retries=reader.optional_count(asked, "retries"),
            retry_timeout=reader.duration(asked, "retryTimeout"),
        )
        return _NO_CONTENT

    def unacquire(self, operations: Operations, job_id: str, body: bytes) -> Answer:
        """`POST /unacquire/jobs/{id}`."""
        reader = self._unacquire
        asked = reader.read(body)
        # The tenant plays no part here, but it is read, and has to be text.
        reader.text(asked, "tenantId")
        operations.unacquire(job_id, reader.text(asked, "workerId"))
        return _NO_CONTENT

    def unacquire_all(self, operations: Operations, body: bytes) -> Answer:
        """`POST /unacquire/jobs`."""
        reader = self._unacquire_all
        asked = reader.read(body)
        operations.unacquire_all(reader.text(asked, "workerId"), reader.text(asked, "tenantId"))
        return _NO_CONTENT

    def list_jobs(self, operations: Operations, query: Mapping[str, list[str]], base: str) -> Answer:
        """`GET /jobs`."""
        page: JobPage = operations.list_jobs(query)
        data = [self.write_job(job, base) for job in page.jobs]
        return json_answer(
            {
                "data": data,
                "total": page.total,
                "start": page.start,
                "sort": page.sort,
                "order": page.order,
                "size": len(data),
            }
        )

    def get_job(self, operations: Operations, job_id: str, base: str) -> Answer:
        """`GET /jobs/{id}`."""
        return json_answer(self.write_job(operations.get_job(job_id), base))

    # ------------------------------------------------------------ JSON

    def write_job(self, job: Job, base: str) -> dict[str, Any]:
        """Return a job as JSON.

        Args:
            job: The job.
            base: Scheme, host and context path, for the job's `url`.
        """
        instance = job.instance
        bpmn = instance.scope == "bpmn"
        expiry = job.lock_expiry
        return {
            "id": job.id,
            "url": f"{base}/external-job-api/jobs/{job.id}",
            "correlationId": job.correlation_id,
            "processInstanceId": instance.id if bpmn else None,
            "processDefinitionId": instance.deployed.id if bpmn else None,
            "executionId": job.execution.id if bpmn else None,
            "scopeId": None if bpmn else instance.id,
            "subScopeId": None if bpmn else job.execution.id,
            "scopeDefinitionId": None if bpmn else instance.deployed.id,
            "scopeType": None if bpmn else "cmmn",
            "elementId": job.task.id,
            "elementName": job.task.name,
            "retries": job.retries,
            "exceptionMessage": job.exception_message,
            "dueDate": None,
            "createTime": job_date_text(job.create_time, keep_fraction=self._keep_fraction),
            "tenantId": instance.tenant_id,
            "lockOwner": job.lock_owner,
            "lockExpirationTime": None if expiry is None else job_date_text(expiry, keep_fraction=self._keep_fraction),
        }

    def _write_acquired(self, acquired: AcquiredJob, base: str) -> dict[str, Any]:
        written = self.write_job(acquired.job, base)
        release = self._release
        written["variables"] = [write_variable(name, value, release) for name, value in acquired.variables.items()]
        return written
