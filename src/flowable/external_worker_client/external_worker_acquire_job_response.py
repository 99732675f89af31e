"""A job as a handler gets it."""

from __future__ import annotations

from typing import Any

from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse


class ExternalWorkerAcquireJobResponse(ExternalWorkerJobResponse):
    """A job that was acquired, with its variables.

    Args:
        variables: See below.
        *args: As for `ExternalWorkerJobResponse`.
        **kwargs: As for `ExternalWorkerJobResponse`.

    Attributes:
        variables: All variables that the task can see, or what its in-parameters choose, read when the job was
            acquired. In no particular order.
    """

    def __init__(self, variables: list[EngineRestVariable], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.variables = variables

    def __repr__(self) -> str:
        """Name what tells jobs apart, and the variables; not their values, which are nobody's business in a log."""
        names = ", ".join(str(variable.name) for variable in self.variables)
        return f"{super().__repr__()[:-1]}, variables=[{names}])"
