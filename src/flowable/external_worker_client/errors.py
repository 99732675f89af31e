"""The exceptions of this library.

```text
ExternalWorkerError                     everything raised by this library on purpose, and by handlers to end their job
├─ InvalidArgumentError                 an argument was refused; nothing was sent            (also ValueError)
├─ MissingVariableError                 a job has no variable of that name                   (also KeyError)
├─ MissingExtraError                    what is optional is to be used, and is not installed   (also ImportError)
├─ UnreadableVariableError              a variable was touched whose content did not come
├─ ClientClosedError                    a client was to be used after it was closed          (also RuntimeError)
├─ FlowableRestException                the engine, or something before it, did not answer as asked
│  └─ UnreadableAnswerError             it answered "done" with a body that cannot be read   (also JSONDecodeError)
├─ InvalidHandlerError                  a function cannot be a handler                       (also TypeError)
├─ InvalidVariablesError                a job does not have the variables its handler needs
├─ TimeLimitExceededError               a coroutine was cancelled, its time was over         (also TimeoutError)
├─ ProcessTimeoutError                  the same of the process of a handler                 (also TimeoutError)
├─ ProcessDiedError                     the process of a handler died
├─ NotPicklableError                    arguments or result cannot go to another process     (also TypeError)
├─ SettingsError                        a variable of the environment is missing or wrong    (also ValueError)
└─ HandlerError                         raised by handlers, to say how the job ends
   ├─ BpmnError                         in an error that the process knows
   ├─ CmmnTerminate                     the plan item of the case is terminated
   ├─ JobFailure                        it failed, with a message, retries and pause of the handler's choice
   ├─ RetryLater                        it is offered again after a delay, and no retry is spent
   └─ DeadLetter                        it failed, and nobody needs to try it again
      └─ InvalidOutcomeError            what a handler returned is no outcome, or cannot be sent
```

`FlowableRestException` and `UnreadableAnswerError` live in `flowable_rest_exception`, where programs for version 1
import the former from; `HandlerError` and those below it in `handler_errors`; what is about declared handlers in
`handlers`, about processes in `runtime.processes`, about the environment in `settings`. Trouble on the network is not
in this tree: it reaches callers as `requests.exceptions.*`, unchanged, because that is what programs catch.
"""

from __future__ import annotations

from typing import Any

#: How much of a refused value an error message shows, in characters.
SHOWN_OF_A_VALUE = 120


class ExternalWorkerError(Exception):
    """Base of every exception that this library raises on purpose, or asks handlers to. Never raised itself."""


class InvalidArgumentError(ExternalWorkerError, ValueError):
    """An argument was refused before anything was sent.

    Args:
        parameter: Name of the parameter, as the caller knows it.
        value: What was given. Shown shortened; `SECRET` is shown in its place when it must not be seen.
        accepted: What is accepted, as half a sentence: "a whole number of at least 1".

    Attributes:
        parameter: As given.
        value: As given.
        accepted: As given.
    """

    def __init__(self, parameter: str, value: object, accepted: str) -> None:
        self.parameter = parameter
        self.value = value
        self.accepted = accepted
        super().__init__(f"{parameter}={shorten(value)} is not accepted: it must be {accepted}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attributes when the exception is pickled."""
        return type(self), (self.parameter, self.value, self.accepted)


class _Secret:
    """Stands in an error for a value that must not be shown."""

    def __repr__(self) -> str:
        return "<not shown>"


#: Given as `value` of an `InvalidArgumentError` whose real value must not be seen.
SECRET = _Secret()


def shorten(value: object) -> str:
    """Return `repr(value)`, cut to a length that fits into a message.

    A `repr` that raises is replaced by the name of the type: an error about a value must not fail because of it.
    """
    try:
        text = repr(value)
    except BaseException:  # noqa: BLE001 - somebody else's __repr__
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN_OF_A_VALUE else text[: SHOWN_OF_A_VALUE - 1] + "…"


class ClientClosedError(ExternalWorkerError, RuntimeError):
    """A client was to subscribe to something after it was closed, or while it was being closed."""

    def __init__(self) -> None:
        super().__init__("this client is closed: make a new one to subscribe")

    def __reduce__(self) -> tuple[Any, ...]:
        """Make it picklable: the text is no argument."""
        return type(self), ()


class MissingExtraError(ExternalWorkerError, ImportError):
    """Something is to be used that needs a package which is not installed.

    Args:
        what: What needs it.
        extra: The extra of this distribution that brings it.

    Attributes:
        what: As given.
        extra: As given.
    """

    def __init__(self, what: str, extra: str) -> None:
        self.what = what
        self.extra = extra
        super().__init__(f"{what} needs more: pip install 'flowable.external-worker-client[{extra}]'")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attributes when the exception is pickled."""
        return type(self), (self.what, self.extra)


class MissingVariableError(ExternalWorkerError, KeyError):
    """A job was asked for a variable that it does not have.

    Args:
        name: Of the variable.
        present: The names of those that it has.

    Attributes:
        name: As given.
        present: As given.
    """

    def __init__(self, name: str, present: tuple[str, ...]) -> None:
        self.name = name
        self.present = present
        super().__init__(name, present)

    def __str__(self) -> str:
        """Say what there is: a wrong letter is then easy to see."""
        names = ", ".join(map(repr, self.present))
        return f"the job has no variable {self.name!r}; it has {names or 'none at all'}"


class UnreadableVariableError(ExternalWorkerError):
    """A variable was touched whose content did not reach the worker.

    Args:
        name: Of the variable.
        type: The engine's name of its type.
        reason: Why, as half a sentence. `None`: because the engine's API does not give values of this type.

    Attributes:
        name: As given.
        type: As given.
        reason: As given.
    """

    def __init__(self, name: str, type: str | None, reason: str | None = None) -> None:  # noqa: A002 - the wire's word
        self.name = name
        self.type = type
        self.reason = reason
        super().__init__(name, type, reason)

    def __str__(self) -> str:
        """Say what can be done."""
        what = f"variable {self.name!r} of type {self.type}"
        if self.reason is not None:
            return f"{what} cannot be read: {self.reason}. What came is the value of this member of job.variables"
        return (
            f"{what} cannot be read: the engine gives workers no byte arrays, Java objects and UUIDs. "
            "Let the process hand it over in another form, such as text or JSON"
        )
