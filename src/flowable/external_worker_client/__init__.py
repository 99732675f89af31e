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

import importlib
from typing import TYPE_CHECKING

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
    MissingExtraError,
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

if TYPE_CHECKING:
    from flowable.external_worker_client.handlers.context import Context
    from flowable.external_worker_client.handlers.invalid import (
        InvalidHandlerError,
        InvalidOutcomeError,
        InvalidVariablesError,
    )
    from flowable.external_worker_client.handlers.middleware import AsyncCallNext, Call, CallNext
    from flowable.external_worker_client.handlers.parameters import AllVariables, Shared, Variable
    from flowable.external_worker_client.handlers.ready import (
        TimeLimitExceededError,
        circuit_breaker,
        idempotent,
        rate_limit,
        time_limit,
    )
    from flowable.external_worker_client.runtime.processes import ProcessDiedError, ProcessTimeoutError
    from flowable.external_worker_client.settings import SettingsError
    from flowable.external_worker_client.worker import Worker

Job = ExternalWorkerAcquireJobResponse

#: What programs for version 1 do not use is imported when it is used: event loops, processes and types take time.
_LATER = {
    "AllVariables": "handlers.parameters",
    "AsyncCallNext": "handlers.middleware",
    "Call": "handlers.middleware",
    "CallNext": "handlers.middleware",
    "Context": "handlers.context",
    "InvalidHandlerError": "handlers.invalid",
    "InvalidOutcomeError": "handlers.invalid",
    "InvalidVariablesError": "handlers.invalid",
    "ProcessDiedError": "runtime.processes",
    "ProcessTimeoutError": "runtime.processes",
    "SettingsError": "settings",
    "Shared": "handlers.parameters",
    "TimeLimitExceededError": "handlers.ready",
    "Variable": "handlers.parameters",
    "Worker": "worker",
    "circuit_breaker": "handlers.ready",
    "idempotent": "handlers.ready",
    "rate_limit": "handlers.ready",
    "time_limit": "handlers.ready",
}


def __getattr__(name: str) -> object:
    """Import a name when it is asked for first."""
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    """List those names as well."""
    return sorted({*globals(), *_LATER})


__all__ = [
    "AllVariables",
    "AsyncCallNext",
    "BpmnError",
    "Call",
    "CallNext",
    "CallbackHandlerType",
    "ClientClosedError",
    "CmmnTerminate",
    "Context",
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
    "InvalidHandlerError",
    "InvalidOutcomeError",
    "InvalidVariablesError",
    "Job",
    "JobFailure",
    "MissingExtraError",
    "MissingVariableError",
    "ProcessDiedError",
    "ProcessTimeoutError",
    "RetryLater",
    "RetryPolicy",
    "SettingsError",
    "Shared",
    "TimeLimitExceededError",
    "Typed",
    "Unreadable",
    "UnreadableAnswerError",
    "UnreadableVariableError",
    "Variable",
    "WorkResult",
    "Worker",
    "WorkerResultBpmnError",
    "WorkerResultBuilder",
    "WorkerResultCmmnTerminate",
    "WorkerResultFailure",
    "WorkerResultSuccess",
    "circuit_breaker",
    "idempotent",
    "rate_limit",
    "time_limit",
]
