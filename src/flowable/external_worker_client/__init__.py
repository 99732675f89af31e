"""Do a Flowable engine's external work in Python.

A process (BPMN) or case (CMMN) reaches an *External Worker Task*; the engine puts an external job on a topic; a
function of yours does the work:

```python
from flowable.external_worker_client import ExternalWorkerClient
from requests.auth import HTTPBasicAuth

client = ExternalWorkerClient("http://localhost:8090/flowable-rest", auth=HTTPBasicAuth("rest-admin", "test"))
subscription = client.subscribe("sendInvoice", lambda job, result: result.success().variable_string("id", "4711"))
```
"""

from __future__ import annotations

from flowable.external_worker_client.client import (
    CallbackHandlerType,
    ExternalWorkerClient,
    ExternalWorkerSubscription,
)
from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import ExternalWorkerError, InvalidArgumentError
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException, UnreadableAnswerError
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient
from flowable.external_worker_client.worker_result import (
    WorkerResultBpmnError,
    WorkerResultBuilder,
    WorkerResultCmmnTerminate,
    WorkerResultFailure,
    WorkerResultSuccess,
    WorkResult,
)

__all__ = [
    "CallbackHandlerType",
    "EngineRestVariable",
    "ExternalWorkerAcquireJobResponse",
    "ExternalWorkerClient",
    "ExternalWorkerError",
    "ExternalWorkerSubscription",
    "FlowableExternalWorkerRestClient",
    "FlowableRestException",
    "InvalidArgumentError",
    "UnreadableAnswerError",
    "WorkResult",
    "WorkerResultBpmnError",
    "WorkerResultBuilder",
    "WorkerResultCmmnTerminate",
    "WorkerResultFailure",
    "WorkerResultSuccess",
]
