"""What the engine is told when a handler raises. Pure."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

#: The engine cuts messages here.
LONGEST_MESSAGE = 2000  # characters

#: The engine takes any length; an incident view, and whoever reads it, does not.
LONGEST_DETAILS = 20_000  # characters

#: Retries of a new job, unless the engine is configured otherwise.
USUAL_RETRIES = 3

#: Pause before the first repeat; each further one is three times as long, up to the ceiling. A ten-second outage of
#: something that the handler needs must not use up every retry.
FIRST_PAUSE, GROWTH, LONGEST_PAUSE = 10.0, 3.0, 600.0  # seconds, factor, seconds

#: Differ by up to a fifth, so that jobs that failed together do not all come back together.
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Failure:
    """A report for the engine.

    Attributes:
        message: What went wrong, never empty, at most 2000 characters.
        details: The stack trace, with causes.
    """

    message: str
    details: str


def describe(error: BaseException) -> Failure:
    """Describe an exception.

    Its text is the message; an exception without one is named by its type (`SystemExit: 1`), and a text that cannot be
    had is said so. The trace keeps its beginning and its end when it is too long for the details.
    """
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - somebody else's __str__
        text = ""
    name = type(error).__name__
    if not isinstance(error, Exception):
        text = f"{name}: {text}" if text else name
    message = text if text.strip() else name
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 1] + "…"
    return Failure(message, _shortened(_trace(error)))


def pause(retries: object, chance: float) -> float:
    """Return how long a failed job waits before it is offered again, in seconds.

    Args:
        retries: Attempts that the job had left when it was acquired, this one included.
        chance: A random number from 0 to 1.

    Returns:
        10 s after the first attempt, 30 s after the second, and so on up to 10 minutes, give or take a fifth. The
        number of the attempt follows from the engine's own count and its usual three.
    """
    left = retries if isinstance(retries, int) else USUAL_RETRIES
    grown = FIRST_PAUSE * GROWTH ** min(max(USUAL_RETRIES - left, 0), 8)
    return min(grown, LONGEST_PAUSE) * (1.0 + JITTER * (2.0 * chance - 1.0))


def remaining(retries: object) -> str:
    """Say what a failure leaves of a job's retries, for the log."""
    if not isinstance(retries, int):
        return "is offered again"
    return f"has {retries - 1} retries left" if retries > 1 else "moves to the dead letters"


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:  # noqa: BLE001 - a cause or note that cannot be shown
        return f"{type(error).__name__}: the stack trace could not be formatted"


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_DETAILS:
        return text
    half = (LONGEST_DETAILS - 40) // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
