"""The types of handlers, for type checkers.

What parameters a handler has is its own affair: they are variables, and are checked when it is declared. What it may
return is known.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import Field
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from flowable.external_worker_client.handlers.errors_table import ErrorAction, ErrorTable
from flowable.external_worker_client.handlers.middleware import AsyncMiddleware, Middleware, SyncMiddleware
from flowable.external_worker_client.handlers.returned import Names
from flowable.external_worker_client.worker_result import Executable

__all__ = [
    "AnyHandler",
    "AsyncHandler",
    "AsyncMiddleware",
    "DataclassInstance",
    "Decorator",
    "ErrorAction",
    "ErrorTable",
    "Handler",
    "HandlerT",
    "Middleware",
    "ModelInstance",
    "Names",
    "ResultDecorator",
    "ResultHandlerT",
    "Returned",
    "SyncMiddleware",
]


class DataclassInstance(Protocol):
    """An object of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class ModelInstance(Protocol):
    """An object of a pydantic model."""

    __pydantic_fields__: ClassVar[dict[str, Any]]


#: What a handler may return: nothing, what has named fields, or an outcome. With `result="name"`: any value.
Returned: TypeAlias = Mapping[str, Any] | DataclassInstance | ModelInstance | Executable | None

#: A handler that runs on a thread. That it returns no coroutine is what tells it from the other kind.
Handler: TypeAlias = Callable[..., Returned]

#: A handler that runs on an event loop.
AsyncHandler: TypeAlias = Callable[..., Coroutine[Any, Any, Returned]]

AnyHandler: TypeAlias = Handler | AsyncHandler

#: For a decorator that returns the handler as it was: without `result`, and with it.
HandlerT = TypeVar("HandlerT", bound=AnyHandler)
ResultHandlerT = TypeVar("ResultHandlerT", bound=Callable[..., Any])


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
