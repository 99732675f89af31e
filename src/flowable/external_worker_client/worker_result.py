"""What a handler decided, built step by step.

```python
return result.success().variable_string("invoiceId", "4711").variable_int("pages", 3)
return result.bpmn_error().error_code("emptyInvoice")
return result.failure().error_message("printer is on fire").retries(0)
```

A value that the engine would refuse, or could not be sent, is refused by the step that was given it, so that the
traceback shows the line. What becomes of each Python value: docs/variables.md.
"""

from __future__ import annotations

import json
import logging
import numbers
import operator
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol, Self
from uuid import UUID

from flowable.external_worker_client import arguments, durations
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.variables import Typed, write

_logger = logging.getLogger(__name__)

_INTEGER = range(-(2**31), 2**31)
_LONG = range(-(2**63), 2**63)
_SIXTY_FOUR_BITS = "a whole number of at most 64 bits (send a larger one as text)"


class SettlingClient(Protocol):
    """What a result needs of a REST client: the calls that settle a job."""

    def complete_job(
        self, job_id: str, variables: list[EngineRestVariable] | None = None, worker_id: str | None = None
    ) -> None:
        """See `FlowableExternalWorkerRestClient.complete_job`."""

    def job_with_bpmn_error(
        self,
        job_id: str,
        variables: list[EngineRestVariable] | None = None,
        error_code: str | None = None,
        worker_id: str | None = None,
    ) -> None:
        """See `FlowableExternalWorkerRestClient.job_with_bpmn_error`."""

    def fail_job(
        self,
        job_id: str,
        error_message: str | None = None,
        error_details: str | None = None,
        retries: int | None = None,
        retry_timeout: str | None = None,
        worker_id: str | None = None,
    ) -> None:
        """See `FlowableExternalWorkerRestClient.fail_job`."""

    def job_with_cmmn_terminate(
        self, job_id: str, variables: list[EngineRestVariable], worker_id: str | None = None
    ) -> None:
        """See `FlowableExternalWorkerRestClient.job_with_cmmn_terminate`."""


class Executable(Protocol):
    """An outcome: anything that tells the engine how the job ended. What a handler may return."""

    def execute(self, rest_client: Any, /) -> object:  # noqa: ANN401 - people type it as they like
        """Tell the engine."""
        ...


class WorkResult:
    """How a job is to be settled. Anything with this method can be returned by a handler."""

    def execute(self, rest_client: SettlingClient) -> None:
        """Tell the engine. Called once, by the subscription, after the handler returned.

        Here: nothing, so that outcomes of somebody's own may call it.

        Args:
            rest_client: The client's `FlowableExternalWorkerRestClient`. Calls through it are resent when the
                connection fails or the engine is away, and raise only when that is in vain.
        """


class WorkResultWithVariables:
    """The part of an outcome that carries variables to the process or case.

    A name given twice: the last value counts. Every step returns the outcome itself. Every value may be `None`, which
    is stored as a null.
    """

    def __init__(self) -> None:
        self._variables: list[EngineRestVariable] = []

    def variable_string(self, name: str, value: str | None) -> Self:
        """Add a variable of type `string`, of any length.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value is no text.
        """
        if value is not None and not isinstance(value, str):
            raise InvalidArgumentError(_label("variable_string", name), value, "text or None")
        return self._add(name, "string", value)

    def variable_int(self, name: str, value: int | None) -> Self:
        """Add a variable of type `integer`.

        A number beyond 32 bits is sent as `long`, and `True` and `False` as `boolean`, each with a warning in the log:
        the engine would cut the first down and refuse the others. A number with a fraction is sent as it is, as
        version 1 did; the engine drops the fraction, and the log warns.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value is no number, or
                beyond 64 bits.
        """
        label = _label("variable_int", name)
        if value is None:
            return self._add(name, "integer", None)
        if isinstance(value, bool):
            _logger.warning("%s=%r is sent as type boolean: an integer must be a number", label, value)
            return self._add(name, "boolean", value)
        if isinstance(value, float) and not float(value).is_integer():
            _encode(label, value)
            _logger.warning("%s=%r is no whole number: the engine drops the fraction", label, value)
            return self._add(name, "integer", value)
        try:
            number = int(value) if isinstance(value, float) else operator.index(value)
        except TypeError:
            raise InvalidArgumentError(label, value, "a whole number or None") from None
        if number in _INTEGER:
            return self._add(name, "integer", number)
        if number not in _LONG:
            raise InvalidArgumentError(label, value, _SIXTY_FOUR_BITS)
        _logger.warning("%s=%r is sent as type long: it does not fit into the 32 bits of an integer", label, number)
        return self._add(name, "long", number)

    def variable_float(self, name: str, value: float | None) -> Self:
        """Add a variable of type `double`.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value is no number, or not
                finite, which JSON cannot say. A `Decimal` is refused too, because a double would not keep it.
        """
        label = _label("variable_float", name)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise InvalidArgumentError(label, value, "a number or None")
            value = value if isinstance(value, int) else float(value)
            _encode(label, value)
        return self._add(name, "double", value)

    def variable_boolean(self, name: str, value: bool | None) -> Self:
        """Add a variable of type `boolean`.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value is neither `True`
                nor `False`.
        """
        if value is not None and not isinstance(value, bool):
            raise InvalidArgumentError(_label("variable_boolean", name), value, "True, False or None")
        return self._add(name, "boolean", value)

    def variable_json(self, name: str, value: object) -> Self:
        """Add a variable of type `json`: dicts, lists, text, numbers, booleans and `None`, nested up to 1000 deep.

        Text or a number alone is stored by the engine as a plain `string`, `integer`, … variable.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value holds something that
                is not JSON (a date, a set, `NaN`, itself).
        """
        _encode(_label("variable_json", name), value)
        return self._add(name, "json", value)

    def variable_long(self, name: str, value: int | None) -> Self:
        """Add a variable of type `long`: 64 bits.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value is no whole number of
                that size.
        """
        return self._insist("variable_long", name, value, "long")

    def variable_short(self, name: str, value: int | None) -> Self:
        """Add a variable of type `short`: 16 bits.

        Raises:
            InvalidArgumentError: As for `variable_long`.
        """
        return self._insist("variable_short", name, value, "short")

    def variable_big_integer(self, name: str, value: int | None) -> Self:
        """Add a variable of type `bigInteger`, of any size up to 4000 digits. Needs Flowable 7.2.

        Raises:
            InvalidArgumentError: As for `variable_long`.
        """
        return self._insist("variable_big_integer", name, value, "bigInteger")

    def variable_decimal(self, name: str, value: Decimal | int | None) -> Self:
        """Add a variable of type `bigDecimal`, with every digit. Needs Flowable 7.2.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value is no `Decimal` and no
                whole number, or not finite, or longer than 4000 characters when written out.
        """
        return self._insist("variable_decimal", name, value, "bigDecimal")

    def variable_date(self, name: str, value: date | None) -> Self:
        """Add a day, as a variable of type `localDate`. For the type `date`, see `variable_engine_date`.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value is no date, or a
                datetime.
        """
        return self._insist("variable_date", name, value, "localDate")

    def variable_datetime(self, name: str, value: datetime | None) -> Self:
        """Add a datetime: an aware one as type `instant`, a naive one as type `localDateTime`, cut to milliseconds.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value is no datetime, or not
                between the years 1 and 9999 in UTC.
        """
        aware = isinstance(value, datetime) and value.tzinfo is not None and value.utcoffset() is not None
        return self._insist("variable_datetime", name, value, "instant" if aware else "localDateTime")

    def variable_instant(self, name: str, value: datetime | None) -> Self:
        """Add an aware datetime as a variable of type `instant`: in UTC, cut to milliseconds.

        Raises:
            InvalidArgumentError: As for `variable_datetime`, or the datetime is naive.
        """
        return self._insist("variable_instant", name, value, "instant")

    def variable_local_date_time(self, name: str, value: datetime | None) -> Self:
        """Add a naive datetime as a variable of type `localDateTime`, cut to milliseconds.

        Raises:
            InvalidArgumentError: As for `variable_datetime`, or the datetime is aware.
        """
        return self._insist("variable_local_date_time", name, value, "localDateTime")

    def variable_engine_date(self, name: str, value: datetime | None) -> Self:
        """Add an aware datetime as a variable of type `date`, as the engine's own expressions and forms use it.

        It keeps milliseconds, and up to release 7.2 shows it to workers without them; `variable_instant` has no such
        loss.

        Raises:
            InvalidArgumentError: As for `variable_instant`.
        """
        return self._insist("variable_engine_date", name, value, "date")

    def variable_uuid(self, name: str, value: UUID | None) -> Self:
        """Add a UUID as a variable of type `string`: those that the engine has itself are closed to workers.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value is no UUID.
        """
        if value is not None and not isinstance(value, UUID):
            raise InvalidArgumentError(_label("variable_uuid", name), value, "a UUID or None")
        return self._insist("variable_uuid", name, value, "string")

    def variable_null(self, name: str) -> Self:
        """Add a variable that is null.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters.
        """
        return self.variable(name, None)

    def variable(self, name: str, value: object) -> Self:
        """Add a variable of the type that keeps its value, as `variables.write` says.

        Raises:
            InvalidArgumentError: The name is no text or longer than 255 characters, or the value is of no type that can
                be sent, or would be damaged on its way.
        """
        self._variables.append(write(name, value, parameter=_label("variable", name)))
        return self

    def variables(self, mapping: Mapping[str, object]) -> Self:
        """Add variables by name, each as `variable` does.

        Raises:
            InvalidArgumentError: It is no mapping, or as for `variable`. Nothing was added then.
        """
        if not isinstance(mapping, Mapping):
            raise InvalidArgumentError("mapping", mapping, "a mapping of names to values")
        # All or nothing: an outcome that a handler goes on with after an error has no half of it.
        self._variables += [write(name, value, parameter=_label("variables", name)) for name, value in mapping.items()]
        return self

    def _insist(self, step: str, name: str, value: object, type: str) -> Self:  # noqa: A002 - the wire's word
        self._variables.append(write(name, Typed(value, type), parameter=_label(step, name)))
        return self

    def _add(self, name: str, type: str, value: object) -> Self:  # noqa: A002 - the wire's word
        self._variables.append(EngineRestVariable(arguments.variable_name(name), type, value))
        return self

    def __repr__(self) -> str:
        """Name the outcome and its variables; not their values."""
        names = ", ".join(variable.name for variable in self._variables)
        return f"{type(self).__name__}(variables=[{names}])"


class WorkerResultSuccess(WorkResult, WorkResultWithVariables):
    """The work is done: the process or case goes on, with these variables."""

    def __init__(self, job: ExternalWorkerAcquireJobResponse) -> None:
        super().__init__()
        self._job_id = job.id

    def execute(self, rest_client: SettlingClient) -> None:
        """Complete the job."""
        rest_client.complete_job(self._job_id, self._variables)


class NothingReturned:
    """What a handler that returns `None` decided: success without variables.

    Sent as version 1 sent it, because people's mocks expect that very call.
    """

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id

    def execute(self, rest_client: SettlingClient) -> None:
        """Complete the job."""
        rest_client.complete_job(self._job_id)

    def __repr__(self) -> str:
        """Say what was returned."""
        return "None"


class WorkerResultFailure(WorkResult):
    """The work failed: the engine offers the job again, or moves it to the dead letters when no retries are left."""

    def __init__(self, job: ExternalWorkerAcquireJobResponse) -> None:
        self._job_id = job.id
        self._error_message: str | None = None
        self._error_details: str | None = None
        self._retries: int | None = None
        self._retry_timeout: str | None = None

    def error_message(self, error_message: str | None) -> WorkerResultFailure:
        """Say what went wrong. Whatever is not text is turned into it; beyond 2000 characters the engine cuts it."""
        self._error_message = None if error_message is None else str(error_message)
        return self

    def error_details(self, error_details: str | None) -> WorkerResultFailure:
        """Add the long version, such as a stack trace, of any length. `None` leaves earlier details in the engine."""
        self._error_details = None if error_details is None else str(error_details)
        return self

    def retries(self, retries: int | None) -> WorkerResultFailure:
        """Set how many attempts are left: 0 moves the job to the dead letters, `None` takes one away.

        Raises:
            InvalidArgumentError: It is not a whole number of at least 0.
        """
        self._retries = None if retries is None else arguments.count(retries, "retries", minimum=0)
        return self

    def retry_timeout(self, retry_timeout: DurationLike | None) -> WorkerResultFailure:
        """Set how long the job waits before it is offered again.

        Args:
            retry_timeout: Any form of `durations`: `"PT10M"`, `"10m"`, a timedelta, seconds. `None`: no waiting. The
                engine lets such a job go only when it resets expired locks, every 60 seconds unless configured.

        Raises:
            InvalidArgumentError: It is no duration, or negative.
        """
        self._retry_timeout = None if retry_timeout is None else durations.retry_timeout(retry_timeout).text
        return self

    def execute(self, rest_client: SettlingClient) -> None:
        """Fail the job."""
        rest_client.fail_job(self._job_id, self._error_message, self._error_details, self._retries, self._retry_timeout)

    def __repr__(self) -> str:
        """Show what would be reported, without the details."""
        return (
            f"WorkerResultFailure(error_message={self._error_message!r}, retries={self._retries!r}, "
            f"retry_timeout={self._retry_timeout!r})"
        )


class WorkerResultBpmnError(WorkResult, WorkResultWithVariables):
    """The work ended in a way that the process knows: it goes on at the boundary event that catches the error.

    Nothing in the process catching the code leaves a dead letter in the engine, of which the worker never hears.
    """

    def __init__(self, job: ExternalWorkerAcquireJobResponse) -> None:
        super().__init__()
        self._job_id = job.id
        self._error_code: str | None = None

    def error_code(self, error_code: str | None) -> WorkerResultBpmnError:
        """Set the code: `errorCode` or id of the `<error>` in the model. `None`: any error event catches it.

        Raises:
            InvalidArgumentError: It is neither text nor a whole number.
        """
        if error_code is not None and (isinstance(error_code, bool) or not isinstance(error_code, str | int)):
            raise InvalidArgumentError("error_code", error_code, "text or None")
        self._error_code = error_code
        return self

    def execute(self, rest_client: SettlingClient) -> None:
        """Report the error."""
        rest_client.job_with_bpmn_error(self._job_id, self._variables, self._error_code)

    def __repr__(self) -> str:
        """Name the code too."""
        return f"{super().__repr__()[:-1]}, error_code={self._error_code!r})"


class WorkerResultCmmnTerminate(WorkResult, WorkResultWithVariables):
    """The work is to be abandoned: the plan item of the case is terminated, with these variables."""

    def __init__(self, job: ExternalWorkerAcquireJobResponse) -> None:
        super().__init__()
        self._job_id = job.id

    def execute(self, rest_client: SettlingClient) -> None:
        """Terminate the plan item."""
        rest_client.job_with_cmmn_terminate(self._job_id, self._variables)


class WorkerResultBuilder:
    """The four ways to end a job. Handed to every handler as its second argument."""

    def __init__(self, job: ExternalWorkerAcquireJobResponse) -> None:
        self._job = job

    def success(self) -> WorkerResultSuccess:
        """Complete the job."""
        return WorkerResultSuccess(self._job)

    def failure(self) -> WorkerResultFailure:
        """Fail the job: it is offered again while retries are left."""
        return WorkerResultFailure(self._job)

    def cmmn_terminate(self) -> WorkerResultCmmnTerminate:
        """Terminate the plan item. Only for jobs of a case."""
        return WorkerResultCmmnTerminate(self._job)

    def bpmn_error(self) -> WorkerResultBpmnError:
        """Throw a BPMN error. Only for jobs of a process."""
        return WorkerResultBpmnError(self._job)

    def __repr__(self) -> str:
        """Name the job."""
        return f"WorkerResultBuilder(job_id={self._job.id!r})"


def _label(step: str, name: object) -> str:
    return f"{step}({name!r}) value"


def _encode(label: str, value: object) -> None:
    """See whether a value can be sent; the bytes are made again later, because the value may still change."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(label, value, f"what JSON can say ({error})") from error
