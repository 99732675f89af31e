"""What can go wrong, as data, and what is then expected of a job beyond the rule that its handler runs once.

Each trouble names a method of `EmbeddedEngine.faults` or `FaultProxy.faults` with its arguments, or a scene: something
that happens to the proxy or to the job's instance while the handler runs. Everything that the two offer has to be here;
`test_the_matrix_is_complete` sees to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Door = Literal["engine", "wire", "scene"]

#: The operations, and the names that faults have for what they send. Releases are failures with retries unchanged.
OPERATIONS = {
    "acquire": "acquire",
    "complete": "complete",
    "bpmnError": "bpmn_error",
    "cmmnTerminate": "cmmn_terminate",
    "fail": "fail",
    "release": "fail",
}
SETTLING = ("complete", "bpmnError", "cmmnTerminate")

#: In these, time in the engine and in the worker runs faster than on the wall; waiting for answers does not.
HANG = 0.3  # real seconds that the client waits for an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault, as it is planned.

    Attributes:
        door: Where: in the engine, on the wire, or by a function of `scenes`.
        method: Its name there.
        arguments: Besides the operation.
    """

    door: Door
    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What becomes of the job that is hit, when that is not the rule.

    Attributes:
        reason: Why its handler runs as often as it does, or why it does not end.
        retries: What each run of the handler is told of the retries, in order.
        hit: How many jobs are hit: one, or all that are locked at that moment.
        sure: Whether it is so in any case. Otherwise a neighbour may acquire the job in time, and the run that is under
            way takes over the new lock.
        slots: In which it is so. Of several faults in a row, concurrent results may get one each.
        ends: What has to happen for the job to end: nothing, its `lock` has to end, its instance has to be `activated`;
            or it is `deleted`.
    """

    reason: str
    retries: tuple[int, ...] = (3, 3)
    hit: Literal["one", "all"] = "one"
    sure: bool = False
    slots: tuple[int, ...] = (1, 4)
    ends: Literal["by itself", "lock", "activated", "deleted"] = "by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that goes wrong once.

    Attributes:
        faults: What is planned, one request after the other.
        release: Of the engine.
        left: How many of three unstarted jobs stay locked when it hits the first that is given back; several numbers
            where it is the luck of the wire. Giving back is never repeated, and ends with a request that is not
            answered.
        expected: By operation, where the rule does not hold.
        operations: Which it is for.
    """

    faults: tuple[Fault, ...]
    release: str = "7.2"
    left: int | tuple[int, ...] = 0
    expected: Mapping[str, Expected] = field(default_factory=dict)
    operations: tuple[str, ...] = tuple(OPERATIONS)


def engine(method: str, **arguments: Any) -> Fault:
    """Return a fault of the engine."""
    return Fault(door="engine", method=method, arguments=arguments)


def wire(method: str, **arguments: Any) -> Fault:
    """Return a fault of the proxy."""
    return Fault(door="wire", method=method, arguments=arguments)


def scene(method: str, **arguments: Any) -> Fault:
    """Return something that happens while a handler runs; before the first acquire, and before a stop."""
    return Fault(door="scene", method=method, arguments=arguments)


def one(*faults: Fault, left: int | tuple[int, ...] = 0, **more: Any) -> Trouble:
    """Return a trouble that does not change how often a handler runs."""
    return Trouble(faults=faults, left=left, **more)


def own(status: int, detail: str, **more: Any) -> Fault:
    """Return an answer as the engine gives it."""
    return engine("next", status=status, body={"message": "…", "exception": detail}, **more)


def each(operations: tuple[str, ...], expected: Expected) -> dict[str, Expected]:
    """Return the same for several operations."""
    return dict.fromkeys(operations, expected)


ANSWERED, DONE = 1, 0
UNANSWERED, UNANSWERED_DONE = 3, 2

_REFUSED = Expected(reason="a result that the engine can never store is a failure", retries=(3, 2), sure=True)
_SAID_TO_BE_LOST = Expected(reason="its outcome is remembered, for when its lock ends", retries=(3,), ends="lock")
_FAILURE_LOST = Expected(reason="a failure that was not taken is no reason not to run again", ends="lock")
_FAILURE_RESET = Expected(reason="the lock was reset before the failure came: the job is offered again, as it was")
_ALL_RESET = Expected(reason="the locks of the whole batch were reset before the failures came", hit="all")
_NOT_STORED = Expected(reason="the third error of the engine for a result under our lock", retries=(3, 2))
_DELETED = Expected(reason="the instance was deleted", retries=(3,), ends="deleted", sure=True)
_SUSPENDED = Expected(reason="a suspended instance says that the job is gone, and brings it back", ends="activated")
_SAID_TO_BE_GONE = Expected(reason="a job that is gone is not expected back: it runs again after its lock", ends="lock")
_NEW_ID = Expected(reason="under its old id the job is gone, long before its lock was to end: it runs again")
_OTHERS_NEW_ID = Expected(reason="as before, when it is another job that nothing was lost of", slots=(4,))
_ALL_NEW_IDS = Expected(reason="under their old ids the jobs are gone, and offered again", hit="all")

_EVERY_RESULT = (*SETTLING, "fail")
_RESET = {"fail": _FAILURE_RESET}
_REFUSALS = {**each(SETTLING, _REFUSED), "fail": _FAILURE_LOST}
_NEW_IDS = {**each(SETTLING, _NEW_ID), "fail": _FAILURE_RESET}
_LOSSES = {**each(SETTLING, _SAID_TO_BE_LOST), "fail": _FAILURE_LOST}

_LOCK_TEXT = "somebody does not hold a lock on the requested job"
_GONE_TEXT = "Could not find external worker job with id 'x'."

TROUBLES: dict[str, Trouble] = {
    # ---- no connection, or one that ends
    "refused": one(scene("refuse", seconds=0.1), left=UNANSWERED),
    "refused for long": one(scene("refuse", seconds=0.8), left=UNANSWERED),
    "down before": one(wire("go_down", seconds=0.1, when="before"), left=UNANSWERED),
    "down after": one(wire("go_down", seconds=0.1, when="after"), left=UNANSWERED_DONE),
    "reset before": one(wire("reset", when="before"), left=UNANSWERED),
    "reset after": one(wire("reset", when="after"), left=UNANSWERED_DONE),
    "reset three times after": one(
        wire("reset", when="after", times=3), left=2, operations=("acquire", *_EVERY_RESULT)
    ),
    "closed before": one(wire("close", when="before"), left=UNANSWERED),
    "closed after": one(wire("close", when="after"), left=UNANSWERED_DONE),
    "lost before": one(engine("lost_answer", when="before"), left=UNANSWERED),
    "lost after": one(engine("lost_answer", when="after"), left=UNANSWERED_DONE),
    "one request a connection": one(scene("limit", requests_per_connection=1)),
    "closed after each answer": one(scene("limit", close_after={200, 204})),
    # ---- no answer in time, or a late one
    "hangs before": one(engine("hang", carried_out=False), left=UNANSWERED),
    "hangs after": one(engine("hang", carried_out=True), left=UNANSWERED_DONE),
    "held back before": one(wire("hang", when="before"), left=UNANSWERED),
    "held back after": one(wire("hang", when="after"), left=UNANSWERED_DONE),
    "arrives after the time-out": one(wire("hang", when="before", seconds=HANG + 0.05), left=UNANSWERED),
    "slow engine": one(engine("delay", seconds=0.02)),
    "slow request": one(wire("delay", seconds=0.02, when="before")),
    "slow answer": one(wire("delay", seconds=0.02, when="after")),
    # ---- answers that are cut, or make no sense
    # There is not much to cut of an answer without a body.
    "cut": one(engine("cut_off"), left=(DONE, UNANSWERED_DONE)),
    "cut on the wire": one(wire("cut_off"), left=(DONE, UNANSWERED_DONE)),
    "cut, longer promised": one(wire("cut_off", framing="length"), left=(DONE, UNANSWERED_DONE)),
    "cut, last chunk missing": one(wire("cut_off", framing="chunked", part=0.0), left=UNANSWERED_DONE),
    "garbage before": one(engine("next", status=200, body='[{"id": "'), left=ANSWERED),
    "garbage after": one(engine("next", status=200, body='[{"id": "', carried_out=True), left=DONE),
    "202 before": one(wire("next", status=202, when="before"), left=ANSWERED),
    "202 after": one(wire("next", status=202, when="after"), left=DONE),
    # ---- answers of something in between
    **{
        f"HTML {status} of the engine's server": one(engine("html", status=status), left=1)
        for status in (401, 403, 404)
    },
    **{f"HTML {status} before": one(wire("html", status=status), left=1) for status in (200, 400, 401, 403, 404, 500)},
    **{f"HTML {status} before ": one(wire("html", status=status), left=1) for status in (408, 409, 425, 502, 503, 504)},
    **{f"HTML {status} after": one(wire("html", status=status, when="after")) for status in (200, 500, 502, 503, 504)},
    "429 with a pause": one(engine("next", status=429, headers={"Retry-After": "3"}), left=ANSWERED),
    "503 with a pause": one(wire("html", status=503, retry_after=3), left=ANSWERED),
    "503 with a pause, after": one(wire("html", status=503, retry_after=3, when="after"), left=DONE),
    "a login page": one(wire("login_page"), left=ANSWERED),
    **{f"{status} to a login": one(wire("login_page", status=status), left=1) for status in (301, 302, 303)},
    # These ask for the same request elsewhere, and get it: the way there is asked again first.
    **{f"{status} to a login": one(wire("login_page", status=status)) for status in (307, 308)},
    "413": one(wire("html", status=413), left=ANSWERED, expected=_REFUSALS),
    # ---- answers of the engine itself
    "500 before": one(own(500, "JDBC rollback failed"), left=ANSWERED),
    "500 after": one(own(500, "JDBC rollback failed", carried_out=True), left=DONE),
    "500 three times": one(own(500, "cannot be stored", times=3), left=3, expected=each(SETTLING, _NOT_STORED)),
    "400": one(own(400, "Variable name is required"), left=ANSWERED, expected=_REFUSALS),
    "400 with the lock text": one(own(400, _LOCK_TEXT), left=ANSWERED, expected=_LOSSES),
    "403": one(own(403, _LOCK_TEXT), left=ANSWERED, expected=_LOSSES),
    "404": one(own(404, _GONE_TEXT), left=ANSWERED, expected=each(_EVERY_RESULT, _SAID_TO_BE_GONE)),
    # ---- locks
    "lock over": one(engine("expired_lock", reset=False)),
    "lock reset": one(engine("expired_lock", reset=True), expected=_RESET),
    "lock reset, new id": one(
        engine("expired_lock", reset=True), release="6.8", expected={"acquire": _ALL_NEW_IDS, **_NEW_IDS}
    ),
    "lost before, then lock reset": one(
        wire("reset", when="before"), engine("expired_lock", reset=True), expected=_RESET, operations=_EVERY_RESULT
    ),
    "lost before, then lock reset, new id": one(
        wire("reset", when="before"),
        engine("expired_lock", reset=True),
        release="6.8",
        expected={**each(SETTLING, _OTHERS_NEW_ID), "fail": _FAILURE_RESET},
        operations=_EVERY_RESULT,
    ),
    "lost after, old release": one(wire("reset", when="after"), left=UNANSWERED_DONE, release="6.8"),
    "lock reset in the handler": one(scene("expire", reset=True), expected=_RESET, operations=_EVERY_RESULT),
    "lock reset in the handler, new id": one(
        scene("expire", reset=True), release="6.8", expected=_NEW_IDS, operations=_EVERY_RESULT
    ),
    # ---- clocks
    # Wrong from the beginning, which is before anything that is given back was acquired; then set in the middle.
    "the engine's clock ahead": one(engine("skew_clock", seconds=3600.0), operations=("acquire", *_EVERY_RESULT)),
    "the engine's clock behind": one(engine("skew_clock", seconds=-3600.0), operations=("acquire", *_EVERY_RESULT)),
    "the engine's clock set ahead": one(
        scene("skew", seconds=3600.0), expected={"fail": _ALL_RESET}, operations=_EVERY_RESULT
    ),
    # ---- instances
    "deleted": one(scene("delete"), expected=each(_EVERY_RESULT, _DELETED), operations=_EVERY_RESULT),
    "suspended": one(scene("suspend"), expected=each(_EVERY_RESULT, _SUSPENDED), operations=_EVERY_RESULT),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix."""

    operation: str
    trouble: str
    slots: int
    transport: Literal["requests", "fast"] = "requests"

    def __str__(self) -> str:
        """Return its name in the list of tests."""
        fast = " / fast" if self.transport == "fast" else ""
        return f"{self.operation} / {self.trouble.strip()} / {'serial' if self.slots == 1 else 'concurrent'}{fast}"


CELLS = [
    Cell(operation, name, slots)
    for name, trouble in TROUBLES.items()
    for operation in trouble.operations
    for slots in (1, 4)
] + [
    # The fast transport meets every trouble, where jobs are got and where they are settled.
    Cell(operation, name, 1, "fast")
    for name, trouble in TROUBLES.items()
    for operation in ("acquire", "complete")
    if operation in trouble.operations
]
