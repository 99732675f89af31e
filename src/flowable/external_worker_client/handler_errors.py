"""Exceptions by which a handler says how its job ends, from however deep in its calls.

```python
raise BpmnError("emptyInvoice", invoice="R-17")  # a boundary event of the process catches it
raise CmmnTerminate(reason="withdrawn")  # the plan item of the case is terminated
raise JobFailure("the bank is closed", retry_after="1h") from error
raise RetryLater("5m")  # not a failure: no retry is spent
raise DeadLetter("amount must be positive")  # nobody needs to try this again
```

Any other exception fails the job as the retry policy of its topic says. Their place in the tree is drawn in `errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flowable.external_worker_client import arguments, durations
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.errors import ExternalWorkerError, InvalidArgumentError
from flowable.external_worker_client.variables import write

if TYPE_CHECKING:

    class NeedsArguments(type):
        """Of exceptions whose class alone does not say enough.

        To type checkers, such a class is no `errors_table.Translation`. At run time, this is `type`.
        """

        __sizeof__: None  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]

else:
    NeedsArguments = type


class HandlerError(ExternalWorkerError):
    """Base of the exceptions by which a handler says how its job ends. Never raised itself.

    Programs may derive their own from those below. One whose constructor does not call the one it inherits has the
    attributes that stand in the class.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep text and attributes when the exception is pickled, also those of subclasses with other arguments."""
        return _rebuild, (type(self), self.args), vars(self)


class BpmnError(HandlerError, metaclass=NeedsArguments):
    """The job ends in a way that the process knows: it goes on at the boundary event that catches the error.

    Only for jobs of a process. If nothing in the model catches the code, the engine leaves a dead letter, of which the
    worker never hears.

    Args:
        code: `errorCode` or id of the `<error>` in the model. `None`: any error event catches it.
        **variables: Set in the process. A name that is no Python name goes by `**{"Customer No": 5}`. Values may be
            whatever `variables.write` takes: text, numbers, dates, dicts, lists, dataclasses, …

    Attributes:
        code: As given.
        variables: As given.

    Raises:
        InvalidArgumentError: The code is no text, or a variable's value or name is none that can be sent.
    """

    code: str | None = None
    variables: Mapping[str, object] = MappingProxyType({})

    def __init__(self, code: str | None = None, /, **variables: object) -> None:
        if code is not None and not isinstance(code, str):
            raise InvalidArgumentError("code", code, "text or None")
        self.code = code
        self.variables = _checked(variables)
        named = "BPMN error without a code" if code is None else f"BPMN error {code!r}"
        super().__init__(f"{named}{_with(variables)}")


class CmmnTerminate(HandlerError):  # noqa: N818 - a decision, named as in the builder
    """The job is to be abandoned: the plan item of the case is terminated. Only for jobs of a case.

    Args:
        **variables: Set in the case, as for `BpmnError`.

    Attributes:
        variables: As given.

    Raises:
        InvalidArgumentError: A variable's value or name is none that can be sent.
    """

    variables: Mapping[str, object] = MappingProxyType({})

    def __init__(self, **variables: object) -> None:
        self.variables = _checked(variables)
        super().__init__(f"terminate the plan item{_with(variables)}")


class JobFailure(HandlerError):  # noqa: N818 - a decision
    """The job failed, with more to say about it than another exception could.

    The details hold the stack trace, or that of the exception it was raised from.

    Args:
        message: What went wrong, for whoever looks at the job in the engine, which cuts it at 2000 characters. A blank
            one is replaced by the name of the exception.
        retries: How many attempts are left then; 0 moves the job to the dead letters. `None`: as the retry policy says.
        retry_after: Pause before the job is offered again, in any form of `durations`. The engine lets it go when it
            next resets expired locks, up to 60 seconds later unless configured; zero is at once. `None`: as the retry
            policy says. Without effect when no retries are left.

    Attributes:
        message: As given.
        retries: As given.
        retry_after: In seconds, or `None`.

    Raises:
        InvalidArgumentError: An argument is not as said above. It names the argument.
    """

    message: str = ""
    retries: int | None = None
    retry_after: float | None = None

    def __init__(self, message: str, *, retries: int | None = None, retry_after: DurationLike | None = None) -> None:
        self.message = _text(message)
        self.retries = None if retries is None else arguments.count(retries, "retries", minimum=0)
        self.retry_after = None if retry_after is None else durations.retry_timeout(retry_after, "retry_after").seconds
        super().__init__(message)


class RetryLater(HandlerError, metaclass=NeedsArguments):  # noqa: N818 - a decision
    """The job cannot be done yet: it is offered again after a delay, and keeps all its retries.

    There is no end to this but the handler's: count in the process or look at `job.create_time` if there has to be one.

    Args:
        delay: Pause before the job is offered again, in any form of `durations`. The engine lets it go when it next
            resets expired locks, up to 60 seconds later unless configured; zero is at once.
        message: Why, for whoever looks at the job in the engine, where it stands after "Retry later: ". `None`: the
            message of the job stays as it is.

    Attributes:
        delay: In seconds.
        message: As given.

    Raises:
        InvalidArgumentError: The delay is no duration, or negative, or the message is no text.
    """

    delay: float = 60.0
    message: str | None = None

    def __init__(self, delay: DurationLike, message: str | None = None) -> None:
        self.delay = durations.retry_timeout(delay, "delay").seconds
        self.message = None if message is None else _text(message)
        super().__init__(f"retry after {self.delay:g} s" + (f": {message}" if message else ""))


class DeadLetter(HandlerError):  # noqa: N818 - a decision
    """The job failed, and trying again is in vain: it is moved to the dead letters at once, whatever retries are left.

    Somebody can look at it there and send it back. The details hold the stack trace, or that of the exception it was
    raised from.

    Args:
        message: What went wrong, for whoever looks at the job in the engine, which cuts it at 2000 characters. A blank
            one is replaced by the name of the exception.

    Attributes:
        message: As given.

    Raises:
        InvalidArgumentError: The message is no text.
    """

    message: str = ""

    def __init__(self, message: str) -> None:
        self.message = _text(message)
        super().__init__(message)


def _rebuild(kind: type[HandlerError], args: tuple[object, ...]) -> HandlerError:
    # Without the constructor: the attributes follow as the state.
    return kind.__new__(kind, *args)


def _text(message: object) -> str:
    if isinstance(message, str):
        return message
    raise InvalidArgumentError("message", message, "text")


def _checked(variables: dict[str, object]) -> dict[str, object]:
    """Refuse here what could not be sent: the traceback then shows the line that gave it."""
    for name, value in variables.items():
        write(name, value, parameter=name)
    return variables


def _with(variables: dict[str, object]) -> str:
    """Name the variables; their values are nobody's business in a log."""
    return f" with {', '.join(variables)}" if variables else ""
