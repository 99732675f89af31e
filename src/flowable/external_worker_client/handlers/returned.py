"""From what a handler returned to its outcome."""

from __future__ import annotations

import collections.abc
import copy
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, NoReturn, TypeAlias, cast
from uuid import UUID

from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.errors import SECRET, InvalidArgumentError, shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handler_errors import BpmnError, CmmnTerminate
from flowable.external_worker_client.handlers.invalid import InvalidOutcomeError
from flowable.external_worker_client.handlers.middleware import is_outcome
from flowable.external_worker_client.handlers.naming import camel
from flowable.external_worker_client.handlers.parameters import Signature
from flowable.external_worker_client.variables import Release, Typed, releases, write
from flowable.external_worker_client.worker_result import (
    Executable,
    NothingReturned,
    WorkerResultBpmnError,
    WorkerResultBuilder,
    WorkerResultCmmnTerminate,
    WorkerResultSuccess,
)

#: How the names of fields become names of variables: `customer_id` as `customerId`, or as they are.
Names: TypeAlias = Literal["camel", "as_is"]

_ACCEPTED: Final = (
    "None, a dict, dataclass, TypedDict or pydantic model, whose fields become variables, or an outcome of a "
    'WorkerResultBuilder; for a value alone, name its variable: result="name"'
)

#: Outcomes whose variables are known before they are sent.
_WITH_VARIABLES: Final = (WorkerResultSuccess, WorkerResultBpmnError, WorkerResultCmmnTerminate)

#: Types that a handler without `result` can certainly not return.
_SCALARS: Final = (
    str,
    int,
    float,
    Decimal,
    date,
    time,
    timedelta,
    UUID,
    Enum,
    bytes,
    list,
    tuple,
    set,
    frozenset,
    Typed,
)


class Encoder:
    """Makes outcomes of what one handler returns. Made when it is declared.

    Args:
        signature: Of the handler.
        result: Name of the variable that gets what is returned. `None`: its fields become variables.
        names: How the names of fields become names of variables.

    Raises:
        InvalidHandlerError: The function is annotated to return what cannot be an outcome.
    """

    def __init__(self, signature: Signature, result: str | None, names: Names) -> None:
        if result is not None and (not isinstance(result, str) or not result):
            raise signature.refuse(f"result={result!r} is no name of a variable", "text that is not empty")
        if names not in typing.get_args(Names):
            raise signature.refuse(f"names={names!r} is no way to name variables", '"camel" or "as_is"')
        _check_annotation(signature, result)
        self._handler = signature.name
        self._result = result
        self._camel = names == "camel"
        self._redact: bool | Collection[str] = False

    def redacting(self, redact: bool | Collection[str]) -> Encoder:
        """Return the same with other values that no error message may show."""
        other = copy.copy(self)
        other._redact = redact if isinstance(redact, bool) else {*redact, *map(camel, redact)}  # noqa: SLF001
        return other

    @property
    def hides(self) -> bool:
        """Whether there are values that no error message may show."""
        return bool(self._redact)

    def outcome(
        self, job: ExternalWorkerAcquireJobResponse, returned: object, release: Release | None = None
    ) -> Executable:
        """Return the outcome.

        Args:
            job: The job.
            returned: What the handler returned.
            release: What the engine can hold. `None`: not known.

        Raises:
            InvalidOutcomeError: It is none, or a value cannot be sent, or not held by the engine.
        """
        if returned is None and self._result is None:
            return NothingReturned(job.id)
        if is_outcome(returned):
            if release is not None and isinstance(returned, _WITH_VARIABLES):
                self._check_release(returned, release)
            return cast("Executable", returned)
        if self._result is None:
            variables = self._named(job, self._fields(returned))
        else:
            self._refuse_coroutine(returned)
            variables = ((self._result, returned),)
        outcome = WorkerResultSuccess(job)
        name: object = None
        try:
            written: list[EngineRestVariable] = []
            for name, value in variables:
                written.append(write(name, value, release=release))
        except InvalidArgumentError as error:
            self._refuse(name, "returned", error)
        outcome._variables = written  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return outcome

    def check(self, decision: BpmnError | CmmnTerminate, release: Release) -> None:
        """Refuse an exception that says how the job ends, with variables that the engine cannot hold.

        Raises:
            InvalidOutcomeError: One cannot be held.
        """
        for name, value in decision.variables.items():
            try:
                write(name, value, release=release)
            except InvalidArgumentError as error:
                self._refuse(name, f"raised {type(decision).__name__} with", error)

    def _check_release(
        self, outcome: WorkerResultSuccess | WorkerResultBpmnError | WorkerResultCmmnTerminate, release: Release
    ) -> None:
        for variable in outcome._variables or ():  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            try:
                releases.check(variable, release)
            except InvalidArgumentError as error:
                self._refuse(variable.name, "returned", error)

    def _refuse(self, name: object, how: str, error: InvalidArgumentError) -> NoReturn:
        if not self._hidden(name):
            raise InvalidOutcomeError(self._handler, f"{how} what cannot be sent: {error}") from error
        # The way to a value inside of it may tell what must not be seen, too.
        shown = InvalidArgumentError(f"variables[{shorten(name)}]", SECRET, error.accepted)
        raise InvalidOutcomeError(self._handler, f"{how} what cannot be sent: {shown}") from None

    def _hidden(self, name: object) -> bool:
        if isinstance(self._redact, bool) or not isinstance(name, str):
            return bool(self._redact)
        return name in self._redact or camel(name) in self._redact

    def _fields(self, returned: object) -> Iterable[tuple[str, object]]:
        # Both, because the first is told much faster.
        if isinstance(returned, dict) or isinstance(returned, Mapping):  # noqa: SIM101
            return cast("Mapping[str, object]", returned).items()
        if not isinstance(returned, type):
            if (fields := getattr(returned, "__pydantic_fields__", None)) is not None and hasattr(
                returned, "model_dump"
            ):
                return _of_model(returned, fields)
            if dataclasses.is_dataclass(returned):
                return [(field.name, getattr(returned, field.name)) for field in dataclasses.fields(returned)]
        self._refuse_coroutine(returned)
        # What has no name may be any of the values that are not to be shown.
        shown = "" if self.hides else f"{shorten(returned)}, "
        raise InvalidOutcomeError(self._handler, f"returned {shown}a {type(returned).__name__}", _ACCEPTED)

    def _refuse_coroutine(self, returned: object) -> None:
        if inspect.iscoroutine(returned):
            # Otherwise Python warns, out of context, that it was never awaited.
            returned.close()
            raise InvalidOutcomeError(
                self._handler, "returned a coroutine", "what that returns: it should be async def"
            )

    def _named(
        self, job: ExternalWorkerAcquireJobResponse, fields: Iterable[tuple[str, object]]
    ) -> Iterable[tuple[str, object]]:
        if not self._camel:
            return fields
        variables: dict[str, object] = {}
        there: set[str] | None = None
        for field, value in fields:
            name = camel(field) if isinstance(field, str) else field
            if name is not field:
                there = {each.name for each in job.variables} if there is None else there
                if field in there:
                    # The handler's parameter of this name is that variable, too.
                    name = field
            if name in variables:
                raise InvalidOutcomeError(self._handler, f"returned two values for the variable {name!r}")
            variables[name] = value
        return variables.items()


def of_decision(job: ExternalWorkerAcquireJobResponse, decision: BpmnError | CmmnTerminate) -> Executable:
    """Return the outcome that an exception is."""
    builder = WorkerResultBuilder(job)
    if isinstance(decision, BpmnError):
        return builder.bpmn_error().error_code(decision.code).variables(decision.variables)
    return builder.cmmn_terminate().variables(decision.variables)


def _of_model(model: Any, fields: Mapping[str, Any]) -> Iterator[tuple[str, object]]:  # noqa: ANN401 - a pydantic model
    for name, field in fields.items():
        if not field.exclude:
            yield field.serialization_alias or name, getattr(model, name)
    yield from (getattr(model, "__pydantic_extra__", None) or {}).items()


def _check_annotation(signature: Signature, result: str | None) -> None:
    """Refuse what is certain to go wrong; whatever else is returned is looked at when it is."""
    returns = signature.returns
    if typing.get_origin(returns) is typing.Annotated:
        returns = typing.get_args(returns)[0]
    if result is not None:
        if returns is None or returns is type(None):
            raise signature.refuse(f"it returns None, and result={result!r} names it", "no result, or a value")
        return
    members = typing.get_args(returns) if typing.get_origin(returns) in {typing.Union, types.UnionType} else (returns,)
    for member in members:
        kind = typing.get_origin(member) or member
        if isinstance(kind, type) and (issubclass(kind, _SCALARS) or kind in _ABSTRACT):
            name = getattr(member, "__name__", str(member))
            raise signature.refuse(f"it returns {name}, which has no names for variables", _ACCEPTED)


_ABSTRACT: Final[frozenset[Any]] = frozenset(
    {collections.abc.Sequence, collections.abc.Iterable, collections.abc.Iterator, collections.abc.Set, Callable}
)
