"""Faults on demand: what happens to the next requests, as data.

A fault belongs to an operation (or to all of them) and says three things: whether the engine carries the request out,
what becomes of the answer, and how often. The doors (HTTP, or any other) ask `Faults.take` and do what they are told;
the engine itself knows nothing about it.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from flowable.external_worker_client.testing.jackson import to_json

__all__ = ["OPERATIONS", "Fault", "FaultPlan", "Faults", "Operation", "as_body", "is_after"]

Operation: TypeAlias = Literal[
    "acquire", "complete", "bpmn_error", "cmmn_terminate", "fail", "unacquire", "unacquire_all", "list", "get", "any"
]
#: What faults can be asked for; `any` is every operation of the external job API.
OPERATIONS: Final[tuple[Operation, ...]] = (
    "acquire",
    "complete",
    "bpmn_error",
    "cmmn_terminate",
    "fail",
    "unacquire",
    "unacquire_all",
    "list",
    "get",
    "any",
)

_HTML: Final = "<html><head><title>{status}</title></head><body><h1>{status}</h1><p>from in between</p></body></html>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What happens to a request.

    Attributes:
        operation: Which requests it is for.
        carried_out: Whether the engine does what it is asked for.
        status: Of an answer in place of the engine's; None keeps the engine's.
        body: Of that answer.
        headers: Of that answer.
        delay: Seconds before the answer is sent.
        ending: `answer` sends the answer; `drop` closes the connection without one; `hang` sends nothing and leaves the
            connection open until the client gives up; `cut` closes it after half of the body.
        share: The chance that it happens, for a fault that is not used up; 1 is always.
    """

    operation: Operation
    carried_out: bool = True
    status: int | None = None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    ending: Literal["answer", "drop", "hang", "cut"] = "answer"
    share: float = 1.0
    lock: Literal["kept", "expired", "reset"] = "kept"


class _Shared(Protocol):
    """What a plan needs to know of a fault."""

    @property
    def operation(self) -> str:
        """Which requests it is for."""
        ...

    @property
    def share(self) -> float:
        """The chance for each of them."""
        ...


_F = TypeVar("_F", bound=_Shared)


@dataclass(slots=True)
class _Planned(Generic[_F]):
    fault: _F
    times: int | None


def is_after(when: str) -> bool:
    """Say whether a fault comes after the engine has done what it was asked for.

    Raises:
        ValueError: It is neither `before` nor `after`.
    """
    if when not in {"before", "after"}:
        raise ValueError(f'when: {when!r} is not accepted; "before" or "after"')
    return when == "after"


class FaultPlan(Generic[_F]):
    """Faults that wait for their requests. Safe to use from any thread.

    Earlier ones go first, and each request has one fault at most.

    Args:
        seed: Of the dice for faults that happen to a share of the requests.
    """

    #: What faults can be planned for.
    _operations: tuple[str, ...] = OPERATIONS

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._planned: list[_Planned[_F]] = []
        self._lock = threading.Lock()
        self._dice = random.Random(seed)  # noqa: S311 - to be repeatable is the point

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {self.pending} planned>"

    def add(self, fault: _F, *, times: int | None = 1) -> None:
        """Plan any fault.

        Args:
            fault: What happens.
            times: To how many requests; None goes on until `clear`.

        Raises:
            ValueError: If the operation is unknown, times is below 1, or share is not between 0 and 1.
        """
        if fault.operation not in self._operations:
            raise ValueError(f"operation: {fault.operation!r} is not known; accepted are {', '.join(self._operations)}")
        if times is not None and times < 1:
            raise ValueError(f"times: {times!r} is not accepted; 1 or more, or None until cleared")
        if not 0 < fault.share <= 1:
            raise ValueError(f"share: {fault.share!r} is not accepted; above 0 and at most 1")
        with self._lock:
            self._planned.append(_Planned(fault, times))

    def clear(self) -> None:
        """Forget all that is planned."""
        with self._lock:
            self._planned.clear()

    @property
    def pending(self) -> int:
        """How many faults are planned and not used up."""
        return len(self._planned)

    def take(self, operation: str) -> _F | None:
        """Return what happens to a request now, None for nothing. For whoever answers it."""
        if not self._planned:
            return None
        with self._lock:
            for planned in self._planned:
                fault = planned.fault
                if fault.operation not in {operation, "any"}:
                    continue
                if fault.share < 1 and self._dice.random() >= fault.share:
                    continue
                if planned.times is not None:
                    planned.times -= 1
                    if planned.times == 0:
                        self._planned.remove(planned)
                return fault
        return None


class Faults(FaultPlan[Fault]):
    """The faults of an engine: `engine.faults`. Safe to use from any thread.

    Every method plans one fault for the next requests of an operation; earlier ones go first, and each request has one
    fault at most.

    Args:
        seed: Of the dice for faults that happen to a share of the requests.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self._clock_skew = 0.0

    def next(
        self,
        operation: Operation,
        *,
        status: int,
        body: object = b"",
        headers: Mapping[str, str] | None = None,
        carried_out: bool = False,
        times: int | None = 1,
        share: float = 1.0,
    ) -> None:
        """Answer something else.

        Args:
            operation: To which requests.
            status: The status of the answer.
            body: Bytes and text are sent as they are, anything else as JSON.
            headers: Of the answer. The content type is that of the body unless it is here.
            carried_out: Whether the engine does what it is asked for.
            times: How often; None goes on until `clear`.
            share: The chance for each request.
        """
        sent, content_type = as_body(body)
        given = dict(headers or {})
        if sent and "content-type" not in {name.lower() for name in given}:
            given["Content-Type"] = content_type
        fault = Fault(
            operation=operation,
            carried_out=carried_out,
            status=status,
            body=sent,
            headers=tuple(given.items()),
            share=share,
        )
        self.add(fault, times=times)

    def html(self, operation: Operation, *, status: int = 502, times: int | None = 1) -> None:
        """Answer with a page of HTML, as a proxy in between would."""
        headers = {"Content-Type": "text/html"}
        self.next(operation, status=status, body=_HTML.format(status=status), headers=headers, times=times)

    def delay(self, operation: Operation, seconds: float, *, times: int | None = 1, share: float = 1.0) -> None:
        """Send the engine's answer later, in real seconds."""
        self.add(Fault(operation=operation, delay=seconds, share=share), times=times)

    def lost_answer(
        self,
        operation: Operation,
        when: Literal["before", "after"] = "after",
        *,
        times: int | None = 1,
        share: float = 1.0,
    ) -> None:
        """Close the connection without an answer.

        Args:
            operation: To which requests.
            when: `before` or `after` the engine has done what it was asked for.
            times: How often; None goes on until `clear`.
            share: The chance for each request.
        """
        fault = Fault(operation=operation, carried_out=is_after(when), ending="drop", share=share)
        self.add(fault, times=times)

    def hang(self, operation: Operation, *, carried_out: bool = False, times: int | None = 1) -> None:
        """Never answer, and leave the connection open until the client gives up or the server stops."""
        self.add(Fault(operation=operation, carried_out=carried_out, ending="hang"), times=times)

    def cut_off(self, operation: Operation, *, times: int | None = 1) -> None:
        """Do what is asked for, send half of the answer's body, and close the connection."""
        self.add(Fault(operation=operation, ending="cut"), times=times)

    def expired_lock(
        self, operation: Operation, *, reset: bool = True, times: int | None = 1, share: float = 1.0
    ) -> None:
        """Let the lock of a job run out, whatever the clock says.

        For an operation on a job: when the request arrives, just before it is looked at. For an acquire: right after
        it, so that the worker is told of a lock that it does not have any more. Other operations are not touched.

        Args:
            operation: To which requests.
            reset: True frees the job too, as the engine does at its next look for expired locks: the old owner is
                refused, with 403 or, where the reset renews the job's id, 404. False only ends the time of the lock:
                the owner may still finish the job until the engine has looked.
            times: How often; None goes on until `clear`.
            share: The chance for each request.
        """
        self.add(Fault(operation=operation, lock="reset" if reset else "expired", share=share), times=times)

    def skew_clock(self, seconds: float) -> None:
        """Set the engine's clock, as an administrator would, to be so many seconds ahead of everybody else's.

        Every time that the engine tells or compares is shifted from now on. Times that it told before stay as they
        are: a lock of five minutes is over at once when the clock is set ten minutes ahead, and lasts a quarter of an
        hour when it is set ten minutes back. Set it before the first job for a clock that has always been wrong.

        Args:
            seconds: Compared with the clock that the engine was given, not with an earlier skew; negative for behind.

        Raises:
            ValueError: If it is not a finite number.
        """
        if not math.isfinite(seconds):
            raise ValueError(f"seconds: {seconds!r} is not accepted; a finite number, negative for behind")
        self._clock_skew = seconds

    @property
    def clock_skew(self) -> float:
        """By how many seconds the engine's clock is ahead of everybody else's; negative if it is behind."""
        return self._clock_skew


def as_body(body: object) -> tuple[bytes, str]:
    """Return what is sent as a body, and its content type."""
    if isinstance(body, bytes | bytearray):
        return bytes(body), "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), "text/plain;charset=UTF-8"
    return to_json(body), "application/json"
