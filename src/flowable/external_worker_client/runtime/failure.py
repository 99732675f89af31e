"""What the engine is told when a handler raises. Pure.

The engine keeps two things of earlier failures: how many retries are left, and the last message. They are all the
memory there is, so the message also tells whether anything has failed yet: see `_RETRY_LATER`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from flowable.external_worker_client.handler_errors import DeadLetter, JobFailure, RetryLater
from flowable.external_worker_client.policies import RetryPolicy

#: The engine cuts messages here.
LONGEST_MESSAGE = 2000  # characters

#: The engine takes any length; an incident view, and whoever reads it, does not.
LONGEST_DETAILS = 20_000  # characters

#: Retries of a new job, unless the engine is configured otherwise.
USUAL_RETRIES = 3

#: What the message of a job begins with that was put off and has not failed: its next failure is its first.
_RETRY_LATER = "Retry later: "
#: The same for a job that had failed before it was put off: otherwise putting it off would give its retries back.
_RETRY_LATER_AFTER_A_FAILURE = "Retry later, after a failure: "

#: What is kept of each exception, tried one after the other until the details fit: frames of its stack, of which the
#: innermost are two thirds, and characters of its text.
_CUTS = ((60, 8000), (30, 4000), (15, 2000), (9, 1000), (6, 500), (3, 250), (1, 120), (0, 120), (0, 60))

#: A text that is cut to less than this keeps its beginning only.
_ROOM_FOR_BOTH_ENDS = 500  # characters

#: Members of an exception group that are shown; Python's own limit is 15.
_MOST_MEMBERS = 100

#: How the names of this library's modules begin.
_LIBRARY = __name__.removesuffix("runtime.failure")


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception, described.

    Attributes:
        message: What went wrong, never empty, at most 2000 characters.
        details: The stack trace, with causes.
    """

    message: str
    details: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the engine is to be told.

    Attributes:
        message: At most 2000 characters. `None` only for a job that has none and is put off without one: an absent
            message clears the job's own.
        details: The stack trace, with causes. `None`: what the engine has stays.
        retries: How many attempts are left then; 0 moves the job to the dead letters. `None`: the engine takes one
            away.
        pause: Seconds until the job is offered again, whole milliseconds and above zero. `None`: it is offered at
            once, if at all. The engine reads a pause of zero as "at the next reset of expired locks", which is what
            nobody means by it.
    """

    message: str | None
    details: str | None
    retries: int | None
    pause: float | None


def describe(error: BaseException) -> Failure:
    """Describe an exception.

    Its text is the message; an exception without one is named by its type (`SystemExit: 1`), and a text that cannot be
    had is said so. The trace shows every exception of the chain, and the members of groups; one that is too long for
    the details is cut in each exception, so that all keep their type, the beginning of their text and the frames where
    they were raised, for as long a chain as has room at all.
    """
    return Failure(_bounded(_text(error)), _details(error))


def from_the_handler(trace: TracebackType | None) -> TracebackType | None:
    """Return a trace without the frames of this library that it begins with: the first that counts is the person's.

    All of it when there are no others.
    """
    at = trace
    while at is not None and str(at.tb_frame.f_globals.get("__name__", "")).startswith(_LIBRARY):
        at = at.tb_next
    return at or trace


def report(
    error: BaseException,
    *,
    retries: object,
    exception_message: str | None,
    policy: RetryPolicy,
    chance: float,
    message: str | None = None,
) -> Report:
    """Decide what the engine is told of a failed job.

    Args:
        error: What ended it.
        retries: Attempts that the job had left when it was acquired, this one included. Anything but a number:
            unknown.
        exception_message: The job's message when it was acquired. `None` and `""`: nothing has failed yet.
        policy: Of the topic.
        chance: A random number from 0 to 1.
        message: Said in the place of the exception's own text. `None`: that.
    """
    if isinstance(error, RetryLater):
        return _put_off(error, retries, exception_message)
    said, shown = "", error
    if isinstance(error, JobFailure | DeadLetter):
        said, shown = error.message, _origin(error) or error
    said = message or said
    if not said.strip():
        said = _text(error)
    if said.startswith(_RETRY_LATER):
        # Otherwise the next failure would count as the first, and the attempts would never end.
        said = f"{type(error).__name__}: {said}"
    if isinstance(error, DeadLetter):
        return Report(_bounded(said), _details(shown), 0, None)
    applied = policy.for_error(error)
    left, attempt = _attempts(applied, retries, exception_message)
    pause = applied.pause(attempt, chance)
    if isinstance(error, JobFailure):
        left = left if error.retries is None else error.retries
        pause = pause if error.retry_after is None else error.retry_after
    return Report(_bounded(said), _details(shown), left, _as_kept(pause) if left != 0 else None)


def attempt(retries: object, exception_message: str | None, policy: RetryPolicy) -> int:
    """Return the number of the attempt that a job is at, from 1, as far as the engine's count tells.

    Args:
        retries: As for `report`.
        exception_message: As for `report`.
        policy: Of the topic.
    """
    _, number = _attempts(policy, retries, exception_message)
    return number


def outlook(told: Report, retries: object) -> str:
    """Say what becomes of a job after a report, for the log.

    Args:
        told: The report.
        retries: Attempts that the job had left when it was acquired, this one included.

    Returns:
        Half a sentence, such as "has 2 retries left and is offered again in 30 s". Up to the engine's reset of
        expired locks, a pause may be longer.
    """
    left = told.retries
    if left is None and isinstance(retries, int):
        left = max(retries - 1, 0)
    if left == 0:
        return "moves to the dead letters"
    again = "at once" if told.pause is None else f"in {told.pause:,.0f} s" if told.pause >= 1 else "in a moment"
    if left is None:
        return f"is offered again {again}"
    return f"has {left} {'retry' if left == 1 else 'retries'} left and is offered again {again}"


def _put_off(error: RetryLater, retries: object, exception_message: str | None) -> Report:
    message = exception_message
    if error.message is not None and error.message.strip():
        first = _nothing_failed(exception_message)
        message = _bounded(f"{_RETRY_LATER if first else _RETRY_LATER_AFTER_A_FAILURE}{error.message}")
    origin = _origin(error)
    details = None if origin is None else _details(origin)
    # Zero would be a dead letter, and a negative number would take one away.
    kept = max(retries, 1) if isinstance(retries, int) else 1
    return Report(message, details, kept, _as_kept(error.delay))


def _as_kept(pause: float) -> float | None:
    """Return a pause in the milliseconds that the engine keeps, so that the log says what was sent; none for zero."""
    # A pause too short for them is one all the same: "at once" would be a busy loop, and zero waits for the reset.
    return max(round(pause, 3), 0.001) if pause else None


def _attempts(policy: RetryPolicy, retries: object, exception_message: str | None) -> tuple[int | None, int]:
    """Return how many attempts to report as left (`None`: the engine is to take one away), and which failed now."""
    known = retries if isinstance(retries, int) else None
    if policy.attempts is None:
        return None, max(USUAL_RETRIES - (USUAL_RETRIES if known is None else known), 0) + 1
    if _nothing_failed(exception_message):
        return policy.attempts - 1, 1
    if known is None:
        # Without the count, only the end is certain.
        return (0 if policy.attempts == 1 else None), 1
    # Another policy may have allowed more before.
    left = max(min(known, policy.attempts) - 1, 0)
    return left, policy.attempts - left


def _nothing_failed(exception_message: str | None) -> bool:
    return not exception_message or exception_message.startswith(_RETRY_LATER)


def _origin(error: BaseException) -> BaseException | None:
    """Return what an exception was raised from, or while handling what it was raised, as Python shows it."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - somebody else's __str__
        text = ""
    name = type(error).__name__
    if not isinstance(error, Exception):
        text = f"{name}: {text}" if text else name
    return text if text.strip() else name


def _bounded(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"


def _details(error: BaseException) -> str:
    try:
        shown = traceback.TracebackException.from_exception(error, max_group_width=_MOST_MEMBERS)
        text = "".join(shown.format())
        for frames, characters in _CUTS:
            if len(text) <= LONGEST_DETAILS:
                break
            text = "".join(_cut_chain(shown, frames, characters))
    except BaseException:  # noqa: BLE001 - a cause or note that cannot be shown
        return f"{type(error).__name__}: the stack trace could not be formatted"
    return _shortened(text, LONGEST_DETAILS)


def _cut_chain(shown: traceback.TracebackException, frames: int, characters: int) -> Iterator[str]:
    """Format an exception after those it came from, as Python does, with so much of each."""
    links = [(shown, "")]
    while True:
        link, _ = links[-1]
        if link.__cause__ is not None:
            links.append((link.__cause__, "\nThe above exception was the direct cause of the following exception:\n\n"))
        elif link.__context__ is not None and not link.__suppress_context__:
            said = "\nDuring handling of the above exception, another exception occurred:\n\n"
            links.append((link.__context__, said))
        else:
            break
    for link, between in reversed(links):
        yield from _cut_one(link, frames, characters)
        yield between


def _cut_one(shown: traceback.TracebackException, frames: int, characters: int) -> Iterator[str]:
    if frames and shown.stack:
        outer = frames // 3
        inner = max(len(shown.stack) - (frames - outer), outer)
        yield "Traceback (most recent call last):\n"
        yield from traceback.StackSummary.from_list(shown.stack[:outer]).format()
        if inner > outer:
            yield f"  … frames left out: {inner - outer} …\n"
        yield from traceback.StackSummary.from_list(shown.stack[inner:]).format()
    yield _clipped("".join(shown.format_exception_only()).rstrip("\n"), characters) + "\n"
    members = shown.exceptions or []
    for number, member in enumerate(members, start=1):
        lines = "".join(_cut_chain(member, frames, characters)).splitlines()
        yield f"  +-- {number} of {len(members)} --\n"
        yield from (f"  | {line}\n" for line in lines)


def _clipped(text: str, characters: int) -> str:
    """Keep the beginning of a text, and its end where there is room for both."""
    if characters >= _ROOM_FOR_BOTH_ENDS or len(text) <= characters:
        return _shortened(text, characters)
    return text[: characters - 1] + "…"


def _shortened(text: str, characters: int) -> str:
    """Keep the beginning and the end of a text, which then has so many characters at most."""
    if len(text) <= characters:
        return text
    half = (characters - 40) // 2  # the words between take less
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
