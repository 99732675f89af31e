"""The exceptions of this library.

```text
ExternalWorkerError                     everything raised by this library on purpose
├─ InvalidArgumentError                 an argument was refused; nothing was sent            (also ValueError)
└─ FlowableRestException                the engine, or something before it, did not answer as asked
   └─ UnreadableAnswerError             it answered "done" with a body that cannot be read   (also JSONDecodeError)
```

`FlowableRestException` and `UnreadableAnswerError` live in `flowable_rest_exception`, where programs for version 1
import the former from. Trouble on the network is not in this tree: it reaches callers as `requests.exceptions.*`,
unchanged, because that is what programs catch.
"""

from __future__ import annotations

from typing import Any

#: How much of a refused value an error message shows, in characters.
SHOWN_OF_A_VALUE = 120


class ExternalWorkerError(Exception):
    """Base of every exception that this library raises on purpose. Never raised itself."""


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
