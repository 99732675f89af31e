"""A job as a handler gets it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, Protocol, overload

from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import MissingVariableError
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.variables import read


class _Absent(Enum):
    """What `default` is when it is not given, which `None` may be."""

    REQUIRED = "required"


_REQUIRED: Final = _Absent.REQUIRED


class TimeLimit(Protocol):
    """The lock of a job, as whoever acquired it knows it."""

    def deadline(self) -> datetime:
        """Return its end, in UTC."""
        ...

    def time_left(self) -> float:
        """Return how many seconds are left of it."""
        ...


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

    #: Set by a subscription.
    _lock: TimeLimit | None = None

    def __init__(self, variables: list[EngineRestVariable], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.variables = variables

    @property
    def deadline(self) -> datetime | None:
        """When the lock ends, in UTC: later, the engine may have given the job to another worker.

        A subscription counts it from before it asked for the job, so that it is never too late; it moves when the job
        was locked anew meanwhile. Of a job from elsewhere it is `lock_expiration_time`, and `None` without one.
        """
        if self._lock is not None:
            return self._lock.deadline()
        return None if self.lock_expiration_time is None else self.lock_expiration_time.replace(tzinfo=UTC)

    @property
    def time_left(self) -> float | None:
        """Seconds until `deadline`, negative when it is over. `None` where that is `None`.

        In a subscription the time comes from a clock that is never set, and that tests can put in its place.
        """
        if self._lock is not None:
            return self._lock.time_left()
        ends = self.deadline
        return None if ends is None else (ends - datetime.now(UTC)).total_seconds()

    @overload
    def variable(self, name: str) -> Any: ...  # noqa: ANN401 - the caller knows what the process holds

    @overload
    def variable(self, name: str, default: object) -> Any: ...  # noqa: ANN401 - the same

    def variable(self, name: str, default: object = _REQUIRED) -> Any:
        """Return a variable's value as a Python value, as `variables.read` says.

        Args:
            name: Its name, exactly.
            default: What is returned when there is no such variable. A null is one, and is `None`. Not given: then it
                must be there.

        Raises:
            MissingVariableError: It is not there. The error, also a `KeyError`, says which ones are.
        """
        for variable in reversed(self.variables):
            if variable.name == name:
                return read(variable)
        if default is _REQUIRED:
            raise MissingVariableError(name, tuple(variable.name for variable in self.variables))
        return default

    @property
    def variables_dict(self) -> dict[str, Any]:
        """All variables by name, as Python values, as `variables.read` says. A new dict each time."""
        return {variable.name: read(variable) for variable in self.variables}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the lock's clock, which belongs to this process; its end goes along with the other members."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __repr__(self) -> str:
        """Name what tells jobs apart, and the variables; not their values, which are nobody's business in a log."""
        names = ", ".join(str(variable.name) for variable in self.variables)
        return f"{super().__repr__()[:-1]}, variables=[{names}])"
