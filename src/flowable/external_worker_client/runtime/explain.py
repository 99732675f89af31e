"""What a failure means for the person who reads the log at night. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from statistics import median

from flowable.external_worker_client.rest.answers import Meaning, Reading

#: How much of an answer's text a log line shows, in characters.
_SHOWN = 300

#: From here on nobody wants to know fractions.
_WHOLE_SECONDS = 100.0  # seconds

_SAID = {
    Meaning.NOT_SENT: "no connection to the engine",
    Meaning.FAULT: "the session, its auth or a hook of it raised",
    Meaning.ENGINE_ERROR: "the engine reports an error of its own ({})",
}


def explain(reading: Reading) -> str:
    """Return one sentence on what came of a request, and what to look at when that is known."""
    return f"{_what(reading)}{_said(reading.text)}"


def overrun(lock: float, runs: Sequence[float], suggested: str) -> str:
    """Return half a sentence on a handler that outlasts its lock.

    Args:
        lock: How long jobs are locked, in seconds.
        runs: Run times of the topic, in seconds; the last one is that of this handler, so far.
        suggested: A lock duration that would do.
    """
    return (
        f"runs for {runs[-1]:.1f} s, longer than its lock of {lock:g} s: the engine may offer it to another worker, "
        f"and then refuses its result. Of the last {len(runs)} runs, half took no more than {_short(median(runs))} s, "
        f"the longest {_short(max(runs))} s; choose a lock of {suggested} or more (lock_duration, or lock in a Worker)"
    )


def _short(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < _WHOLE_SECONDS else f"{seconds:.0f}"


def late_start(lock: float, run: float) -> str:
    """Return half a sentence on a handler whose lock ended although it was long enough: the job had waited before.

    Args:
        lock: How long jobs are locked, in seconds.
        run: How long the handler has run, in seconds.
    """
    return (
        f"was started late, and its lock of {lock:g} s ended after the handler had run for {run:.1f} s: the engine may "
        "offer it to another worker, and then refuses its result"
    )


def kind(reading: Reading) -> tuple[object, ...]:
    """Return what makes one failure another one for whoever reads the log, and not the number of a request, say."""
    text = reading.text if reading.meaning is Meaning.REFUSED else None
    return reading.meaning, reading.status, reading.elsewhere, text


def _what(reading: Reading) -> str:
    status = reading.status
    if reading.elsewhere is not None and reading.meaning is not Meaning.FAULT:
        return _elsewhere(reading, reading.elsewhere)
    match reading.meaning:
        case Meaning.NOT_SENT | Meaning.FAULT | Meaning.ENGINE_ERROR as meaning:
            return _SAID[meaning].format(status)
        case Meaning.OVERLOADED if status == HTTPStatus.TOO_MANY_REQUESTS:
            return "the engine, or a gateway before it, wants fewer requests (429)"
        case Meaning.OVERLOADED | Meaning.UNCLEAR:
            return "no answer from the engine" if status is None else f"the engine is not available now ({status})"
        case Meaning.NOT_THE_ENGINE:
            return _not_the_engine(status)
        case meaning:
            return f"the engine answered {status} ({meaning.value})"


def _elsewhere(reading: Reading, server: str) -> str:
    """Say that another server is to blame: whoever looks at the engine finds nothing."""
    if reading.status is not None:
        happened = f"{server} answered {reading.status}"
    elif reading.meaning is Meaning.NOT_SENT:
        happened = f"no connection to {server}"
    else:
        happened = f"no answer from {server}"
    return f"{happened}, which is not the engine, but was asked by the session's auth, a hook or a redirect"


def _not_the_engine(status: int | None) -> str:
    match status:
        case 401:
            return "the credentials were refused (401): check auth"
        case 403:
            return "this user may not use the external job API (403): check its privileges"
        case 404 | 405 | 500:
            return f"there is no external job API at this address ({status}): check flowable_host and its context path"
        case 301 | 302 | 303 | 307 | 308:
            return f"something redirects the requests elsewhere ({status}): check flowable_host and the gateway"
        case _:
            return f"something else than the engine answered ({status}): check flowable_host and the gateway"


def _said(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        return ""
    return f": {text}" if len(text) <= _SHOWN else f": {text[:_SHOWN]}…"
