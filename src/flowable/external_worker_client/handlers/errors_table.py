"""Which exceptions of handlers mean what: tables by type. Pure.

Tables are asked like the `except` clauses of nested `try` statements: that of the handler first, then that of the
worker. Within one, the most specific type wins, wherever it stands. What says itself how the job ends is never asked
about.
"""

from __future__ import annotations

import copy
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias, cast

from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.handler_errors import (
    DeadLetter,
    HandlerError,
    JobFailure,
    RetryLater,
)
from flowable.external_worker_client.policies import RetryPolicy


class Translation(Protocol):
    """A function of an exception that returns the one to be raised in its place, or `None` for none."""

    def __call__(self, error: Any, /) -> BaseException | None:  # noqa: ANN401 - of whatever type the table says
        """Say what it means."""
        ...

    def __sizeof__(self) -> int:
        """Be there, as in every object, except for classes that need arguments: see `handler_errors.NeedsArguments`."""
        ...


#: What is done about an exception:
#:
#: - `DeadLetter` or `JobFailure`, the class: raised with the text of the exception;
#: - an exception such as `BpmnError("code")` or `RetryLater("5m")`: raised in its place;
#: - a `RetryPolicy`: the job fails, and is offered again as this says;
#: - a function of the exception that returns another; if it returns `None`, the exception goes on as it is.
ErrorAction: TypeAlias = type[DeadLetter] | type[JobFailure] | HandlerError | RetryPolicy | Translation

#: Exception types, and what is done about them.
ErrorTable: TypeAlias = Mapping[type[BaseException], ErrorAction]

_ACTIONS: Final = (
    "DeadLetter, JobFailure, an exception such as BpmnError('code') or RetryLater('5m'), a RetryPolicy, or a function "
    "of the exception that returns another"
)

#: They end a coroutine or generator, and are no matter of the job.
_NEVER_MAPPED: Final = (HandlerError, CancelledError, GeneratorExit)


def check(table: object, parameter: str = "errors") -> dict[type[BaseException], ErrorAction]:
    """Check a table, and copy it.

    Raises:
        InvalidArgumentError: It is none, or a type is none, or one that says itself how the job ends, or an action is
            none.
    """
    if not isinstance(table, Mapping):
        raise InvalidArgumentError(parameter, table, "a mapping of exception types to what they mean")
    checked: dict[type[BaseException], ErrorAction] = {}
    for kind, action in cast("Mapping[object, object]", table).items():
        if not isinstance(kind, type) or not issubclass(kind, BaseException):
            raise InvalidArgumentError(parameter, cast("object", kind), "a mapping whose keys are exception types")
        if issubclass(kind, _NEVER_MAPPED):
            raise InvalidArgumentError(parameter, kind, "a table of types that do not say themselves how the job ends")
        checked[kind] = check_action(action, f"{parameter}[{kind.__name__}]")
    return checked


def check_action(action: object, parameter: str) -> ErrorAction:
    """Check what is to be done about an exception.

    Raises:
        InvalidArgumentError: It is nothing that can be done.
    """
    if isinstance(action, type) and issubclass(action, HandlerError):
        if not issubclass(action, DeadLetter | JobFailure):
            accepted = "an object, such as BpmnError('code') or RetryLater('5m'): the class alone does not say enough"
            raise InvalidArgumentError(parameter, cast("object", action), accepted)
        return action
    if isinstance(action, HandlerError | RetryPolicy) or callable(cast("object", action)):
        return cast("ErrorAction", action)
    raise InvalidArgumentError(parameter, cast("object", action), _ACTIONS)


def find(error: BaseException, tables: tuple[Mapping[type[BaseException], ErrorAction], ...]) -> ErrorAction | None:
    """Return what the first table with a type of this exception says about the most specific one, or `None`."""
    if isinstance(error, _NEVER_MAPPED):
        return None
    for table in tables:
        for kind in type(error).__mro__:
            if kind in table:
                return table[kind]
    return None


def apply(action: ErrorAction, error: BaseException) -> BaseException:
    """Return what is to be raised in the place of an exception, or the exception itself.

    Raises:
        TypeError: A function returned something else than an exception or `None`.
        BaseException: Whatever a function raises itself.
    """
    if isinstance(action, RetryPolicy):
        return error
    if isinstance(action, HandlerError):
        # One for all jobs: what Python notes in it belongs to one of them.
        return _explained(copy.copy(action), error)
    if isinstance(action, type) and issubclass(action, DeadLetter | JobFailure):
        return action(text_of(error))
    made = cast("Callable[[BaseException], object]", action)(error)
    if made is None:
        return error
    if isinstance(made, BaseException):
        return _explained(made, error)
    raise TypeError(
        f"errors[{type(error).__name__}] returned {made!r}: it must return an exception, or None"
    ) from error


def hides(action: ErrorAction | None, meant: BaseException) -> bool:
    """Tell whether an exception is not to be seen in what it became by an action: in its text, or as its cause.

    The log shows the text alone of what says how the job ends, and nothing at all of BPMN errors.
    """
    return isinstance(meant, HandlerError) and not isinstance(action, type)


def text_of(error: BaseException) -> str:
    """Return the text of an exception, never empty: without one, or if it cannot be had, the name of its type."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - somebody else's __str__
        text = ""
    return text if text.strip() else type(error).__name__


def _explained(made: BaseException, error: BaseException) -> BaseException:
    """Let what is put off say why, unless it does already."""
    if not isinstance(made, RetryLater) or (made.message is not None and made.message.strip()):
        return made
    explained = copy.copy(made)
    explained.message = text_of(error)
    explained.args = (f"{made}: {explained.message}",)
    return explained


def retry_policies(
    tables: tuple[Mapping[type[BaseException], ErrorAction], ...],
) -> dict[type[BaseException], RetryPolicy]:
    """Return the policies in tables by exception type, for the policy of the topic.

    Types of a later table for which an earlier one says something are left out.
    """
    policies: dict[type[BaseException], RetryPolicy] = {}
    before: tuple[type[BaseException], ...] = ()
    for table in tables:
        policies |= {
            kind: action
            for kind, action in table.items()
            if isinstance(action, RetryPolicy) and not issubclass(kind, before)
        }
        before += tuple(table)
    return policies
