"""Faults on demand: what happens to the next requests, as data.

A fault belongs to an operation (or to all of them) and says three things: whether the engine carries the request out,
what becomes of the answer, and how often. The doors (HTTP, or any other) ask `Faults.take` and do what they are told;
the engine itself knows nothing about it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from flowable.external_worker_client.testing.jackson import to_json

__all__ = ["OPERATIONS", "Fault", "Faults", "Operation"]

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


@dataclass(slots=True)
class _Planned:
    fault: Fault
    times: int | None


@dataclass(slots=True)
class Faults:
    """The faults of an engine: `engine.faults`. Safe to use from any thread.

    Every method plans one fault for the next requests of an operation; earlier ones go first, and each request has one
    fault at most.

    Attributes:
        seed: Of the dice for faults that happen to a share of the requests.
    """

    seed: int = 0
    _planned: list[_Planned] = field(default_factory=list["_Planned"])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 - to be repeatable is the point

    def add(self, fault: Fault, *, times: int | None = 1) -> None:
        """Plan any fault.

        Args:
            fault: What happens.
            times: To how many requests; None goes on until `clear`.

        Raises:
            ValueError: If the operation is unknown, times is below 1, or share is not between 0 and 1.
        """
        if fault.operation not in OPERATIONS:
            raise ValueError(f"operation: {fault.operation!r} is not known; accepted are {', '.join(OPERATIONS)}")
        if times is not None and times < 1:
            raise ValueError(f"times: {times!r} is not accepted; 1 or more, or None until cleared")
        if not 0 < fault.share <= 1:
            raise ValueError(f"share: {fault.share!r} is not accepted; above 0 and at most 1")
        with self._lock:
            self._planned.append(_Planned(fault, times))

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
        sent, content_type = _as_body(body)
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
        fault = Fault(operation=operation, carried_out=when == "after", ending="drop", share=share)
        self.add(fault, times=times)

    def hang(self, operation: Operation, *, carried_out: bool = False, times: int | None = 1) -> None:
        """Never answer, and leave the connection open until the client gives up or the server stops."""
        self.add(Fault(operation=operation, carried_out=carried_out, ending="hang"), times=times)

    def cut_off(self, operation: Operation, *, times: int | None = 1) -> None:
        """Do what is asked for, send half of the answer's body, and close the connection."""
        self.add(Fault(operation=operation, ending="cut"), times=times)

    def clear(self) -> None:
        """Forget all that is planned."""
        with self._lock:
            self._planned.clear()

    @property
    def pending(self) -> int:
        """How many faults are planned and not used up."""
        return len(self._planned)

    def take(self, operation: Operation) -> Fault | None:
        """Return what happens to a request now, None for nothing. For the doors."""
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


def _as_body(body: object) -> tuple[bytes, str]:
    if isinstance(body, bytes | bytearray):
        return bytes(body), "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), "text/plain;charset=UTF-8"
    return to_json(body), "application/json"
