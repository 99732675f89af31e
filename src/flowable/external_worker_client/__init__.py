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
from flowable.external_worker_client.errors import (
    ClientClosedError,
    ExternalWorkerError,
    InvalidArgumentError,
    MissingVariableError,
    UnreadableVariableError,
)
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException, UnreadableAnswerError
from flowable.external_worker_client.handler_errors import (
    BpmnError,
    CmmnTerminate,
    DeadLetter,
    HandlerError,
    JobFailure,
    RetryLater,
)
from flowable.external_worker_client.policies import RetryPolicy
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient
from flowable.external_worker_client.variables import Typed, Unreadable
from flowable.external_worker_client.worker_result import (
    WorkerResultBpmnError,
    WorkerResultBuilder,
    WorkerResultCmmnTerminate,
    WorkerResultFailure,
    WorkerResultSuccess,
    WorkResult,
)

__all__ = [
    "BpmnError",
    "CallbackHandlerType",
    "ClientClosedError",
    "CmmnTerminate",
    "DeadLetter",
    "EngineRestVariable",
    "ExternalWorkerAcquireJobResponse",
    "ExternalWorkerClient",
    "ExternalWorkerError",
    "ExternalWorkerSubscription",
    "FlowableExternalWorkerRestClient",
    "FlowableRestException",
    "HandlerError",
    "InvalidArgumentError",
    "JobFailure",
    "MissingVariableError",
    "RetryLater",
    "RetryPolicy",
    "Typed",
    "Unreadable",
    "UnreadableAnswerError",
    "UnreadableVariableError",
    "WorkResult",
    "WorkerResultBpmnError",
    "WorkerResultBuilder",
    "WorkerResultCmmnTerminate",
    "WorkerResultFailure",
    "WorkerResultSuccess",
]
