"""What is wrong with a handler, with the variables of a job for it, and with what it returned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flowable.external_worker_client.errors import ExternalWorkerError
from flowable.external_worker_client.handler_errors import DeadLetter


class InvalidHandlerError(ExternalWorkerError, TypeError):
    """A function cannot be a handler, or not with these options. Raised where it is declared.

    Args:
        handler: Name of the function.
        place: File and line where it is defined.
        what: What is wrong with it, as half a sentence.
        accepted: What is accepted, as half a sentence.

    Attributes:
        handler: As given.
        place: As given.
        what: As given.
        accepted: As given.
    """

    def __init__(self, handler: str, place: str, what: str, accepted: str) -> None:
        self.handler = handler
        self.place = place
        self.what = what
        self.accepted = accepted
        super().__init__(f"{handler} ({place}) cannot be a handler: {what}; accepted is {accepted}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attributes when the exception is pickled."""
        return type(self), (self.handler, self.place, self.what, self.accepted)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the variables of a job.

    Attributes:
        variable: Its name and, inside of it, the way to the value: `lines[2].price`.
        expected: What the handler is annotated with, as half a sentence.
        found: What the job has, shortened; or its type alone, if values are not to be shown. `None`: nothing.
    """

    variable: str
    expected: str
    found: str | None

    def __str__(self) -> str:
        """Say it in one line."""
        found = "there is no such variable" if self.found is None else f"found {self.found}"
        return f"{self.variable}: expected {self.expected}, {found}"


class InvalidVariablesError(ExternalWorkerError):
    """A job does not have the variables that its handler needs. The handler was not called.

    The message lists every problem. What becomes of the job is for `on_invalid` to say: unless told otherwise, it goes
    to the dead letters at once, because the next attempt would find the same variables.

    Args:
        handler: Name of the function.
        problems: All of them.

    Attributes:
        handler: As given.
        problems: As given, as a tuple.
    """

    def __init__(self, handler: str, problems: Iterable[Problem]) -> None:
        self.handler = handler
        self.problems = tuple(problems)
        listed = "\n".join(f"- {problem}" for problem in self.problems)
        super().__init__(f"{handler} cannot be called with these variables:\n{listed}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attributes when the exception is pickled."""
        return type(self), (self.handler, self.problems)


class InvalidOutcomeError(DeadLetter):
    """A handler or a middleware returned what is no outcome, or what cannot be sent.

    The work is done, and doing it again would end the same: the job goes to the dead letters at once, where somebody
    can see it, and send it back when the program is corrected.

    Args:
        who: What returned it, for the message.
        what: What is wrong, as half a sentence.
        accepted: What is accepted, as half a sentence. `None`: `what` says it.

    Attributes:
        who: As given.
        what: As given.
        accepted: As given.
    """

    def __init__(self, who: str, what: str, accepted: str | None = None) -> None:
        self.who = who
        self.what = what
        self.accepted = accepted
        super().__init__(f"{who} {what}" + (f": it must return {accepted}" if accepted else ""))
