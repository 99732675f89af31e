"""The types of handlers, for type checkers.

What parameters a handler has is its own affair: they are variables, and are checked when it is declared. What it may
return is known.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import Field
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Protocol, SupportsIndex, TypeAlias, TypeVar
from uuid import UUID

from flowable.external_worker_client.handlers.errors_table import ErrorAction, ErrorTable
from flowable.external_worker_client.handlers.middleware import (
    AsyncMiddleware,
    BothKinds,
    Middleware,
    SyncMiddleware,
)
from flowable.external_worker_client.handlers.returned import Names
from flowable.external_worker_client.variables import Typed
from flowable.external_worker_client.worker_result import Executable

__all__ = [
    "AnyHandler",
    "AsyncDecorator",
    "AsyncHandler",
    "AsyncMiddleware",
    "AsyncResultDecorator",
    "BothKinds",
    "DataclassInstance",
    "Decorator",
    "ErrorAction",
    "ErrorTable",
    "Handler",
    "HandlerT",
    "Middleware",
    "ModelInstance",
    "Names",
    "PlainDecorator",
    "PlainResultDecorator",
    "ResultDecorator",
    "ResultHandlerT",
    "Returned",
    "SyncMiddleware",
    "Texts",
    "Value",
]

#: Several texts. One text alone is a `Collection[str]` to type checkers, namely of its letters.
Texts: TypeAlias = list[str] | tuple[str, ...] | AbstractSet[str]


class DataclassInstance(Protocol):
    """An object of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class ModelInstance(Protocol):
    """An object of a pydantic model."""

    __pydantic_fields__: ClassVar[dict[str, Any]]


#: What a handler may return: nothing, what has named fields, or an outcome.
Returned: TypeAlias = Mapping[str, Any] | DataclassInstance | ModelInstance | Executable | None

#: The same with `result="name"`: also a value that can be kept in one variable. A coroutine is nothing of this.
Value: TypeAlias = (
    Returned
    | str
    | float
    | SupportsIndex
    | Decimal
    | date
    | time
    | timedelta
    | UUID
    | Enum
    | Typed
    | list[Any]
    | tuple[Any, ...]
)

#: A handler that runs on a thread. That it returns no coroutine is what tells it from the other kind.
Handler: TypeAlias = Callable[..., Returned]

#: A handler that runs on an event loop.
AsyncHandler: TypeAlias = Callable[..., Coroutine[Any, Any, Returned]]

AnyHandler: TypeAlias = Handler | AsyncHandler

_ResultHandler: TypeAlias = Callable[..., Value]
_AsyncResultHandler: TypeAlias = Callable[..., Coroutine[Any, Any, Value]]

#: For a decorator that returns the handler as it was: without `result`, and with it.
HandlerT = TypeVar("HandlerT", bound=AnyHandler)
ResultHandlerT = TypeVar("ResultHandlerT", bound=_ResultHandler | _AsyncResultHandler)

_PlainT = TypeVar("_PlainT", bound=Handler)
_PlainResultT = TypeVar("_PlainResultT", bound=_ResultHandler)
_AsyncT = TypeVar("_AsyncT", bound=AsyncHandler)
_AsyncResultT = TypeVar("_AsyncResultT", bound=_AsyncResultHandler)


class Decorator(Protocol):
    """Declares a handler, and returns it as it was."""

    def __call__(self, function: HandlerT, /) -> HandlerT:
        """Declare it."""
        ...


class ResultDecorator(Protocol):
    """Declares a handler whose value goes into one variable, and returns it as it was."""

    def __call__(self, function: ResultHandlerT, /) -> ResultHandlerT:
        """Declare it."""
        ...


class PlainDecorator(Protocol):
    """Declares a handler that is no coroutine function, and returns it as it was."""

    def __call__(self, function: _PlainT, /) -> _PlainT:
        """Declare it."""
        ...


class PlainResultDecorator(Protocol):
    """The same, for a handler whose value goes into one variable."""

    def __call__(self, function: _PlainResultT, /) -> _PlainResultT:
        """Declare it."""
        ...


class AsyncDecorator(Protocol):
    """Declares a handler that is a coroutine function, and returns it as it was."""

    def __call__(self, function: _AsyncT, /) -> _AsyncT:
        """Declare it."""
        ...


class AsyncResultDecorator(Protocol):
    """The same, for a handler whose value goes into one variable."""

    def __call__(self, function: _AsyncResultT, /) -> _AsyncResultT:
        """Declare it."""
        ...
