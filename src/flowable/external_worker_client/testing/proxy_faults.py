"""What can happen to a request between a worker and its engine, as data: `FaultProxy.faults`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal, TypeAlias

from flowable.external_worker_client.testing.faults import OPERATIONS, FaultPlan, Operation, as_body, is_after

__all__ = ["Ending", "Framing", "When", "WireFault", "WireFaults", "WireOperation", "html_page"]

#: As for `EmbeddedEngine.faults`, but that `any` is every request, and `other` those of no operation of the external
#: job API, such as the start of a process.
WireOperation: TypeAlias = Operation | Literal["other"]

#: Whether something happens before or after the request went through.
When: TypeAlias = Literal["before", "after"]

#: What becomes of the answer: it is sent; the connection is reset, or closed, instead; or after a part of it.
Ending: TypeAlias = Literal["answer", "reset", "close", "cut"]

#: How the length of an answer is told: as the server did, in a header, or in chunks.
Framing: TypeAlias = Literal["as it is", "length", "chunked"]

_WIRE_OPERATIONS: Final[tuple[str, ...]] = (*OPERATIONS, "other")

_PAGE: Final = (
    "<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n{text}\n</body>\n</html>\n"
)
_LOGIN: Final = (
    '<form method="post"><input name="user"><input name="password" type="password"><button>Go</button></form>'
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WireFault:
    """What happens to a request on its way. All times are in real seconds.

    It happens in this order: `hang` or `delay`, if they are for before; the request goes through, if it is carried out;
    `hang` or `delay`, if they are for after; the engine goes `down`; the answer, or what becomes of it.

    Attributes:
        operation: Which requests it is for.
        carried_out: Whether the request goes through to the server.
        delay: How long the request, or its answer, is held back.
        hang: Whether it is held back until `FaultProxy.release`; with a `delay` for that long at most.
        when: Whether it is held back before or after it went through.
        status: Of an answer in place of the server's; None sends the server's.
        headers: Of that answer.
        body: Of that answer.
        framing: How the length of the answer is told.
        ending: What becomes of the answer.
        part: Of an answer that is cut: which share of its body is sent; of its head, if it has no body.
        down: For how long connections are refused from then on, as by an engine that has died; all that there are end.
            0 is not at all.
        share: The chance that it happens, for a fault that is not used up; 1 is always.

    Raises:
        ValueError: If a time is negative, or `part` is not between 0 and 1.
    """

    operation: WireOperation
    carried_out: bool = True
    delay: float = 0.0
    hang: bool = False
    when: When = "after"
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    framing: Framing = "as it is"
    ending: Ending = "answer"
    part: float = 0.5
    down: float = 0.0
    share: float = 1.0

    def __post_init__(self) -> None:
        for name, seconds in (("delay", self.delay), ("down", self.down)):
            if not seconds >= 0:
                raise ValueError(f"{name}: {seconds!r} is not accepted; 0 or more seconds")
        if not 0 <= self.part < 1:
            raise ValueError(f"part: {self.part!r} is not accepted; 0 or more, and less than 1")


class WireFaults(FaultPlan[WireFault]):
    """The faults of a proxy: `FaultProxy.faults`. Safe to use from any thread.

    Every method plans one fault for the next requests of an operation; earlier ones go first, and each request has one
    fault at most. `times` says to how many requests it happens, None until `clear`; `share` is the chance for each,
    from dice that fall alike for the same seed. `when` says whether it happens before the request went through, so that
    nothing was done, or after, so that the effect is there and the answer lost.

    Args:
        seed: Of the dice for faults that happen to a share of the requests.
    """

    _operations = _WIRE_OPERATIONS

    def reset(
        self, operation: WireOperation, when: When = "after", *, times: int | None = 1, share: float = 1.0
    ) -> None:
        """Reset the connection instead of answering."""
        fault = WireFault(operation=operation, carried_out=is_after(when), ending="reset", share=share)
        self.add(fault, times=times)

    def close(
        self, operation: WireOperation, when: When = "after", *, times: int | None = 1, share: float = 1.0
    ) -> None:
        """Close the connection in an orderly way, without an answer."""
        fault = WireFault(operation=operation, carried_out=is_after(when), ending="close", share=share)
        self.add(fault, times=times)

    def hang(
        self,
        operation: WireOperation,
        when: When = "after",
        *,
        seconds: float | None = None,
        times: int | None = 1,
        share: float = 1.0,
    ) -> None:
        """Hold the request or its answer back; then all goes on as usual, even if the client has given up.

        Args:
            operation: To which requests.
            when: `before` holds the request back, `after` the answer.
            seconds: For how long at most; None is until `FaultProxy.release`, which ends both.
            times: How often; None goes on until `clear`.
            share: The chance for each request.

        Raises:
            ValueError: If seconds is not above 0.
        """
        if seconds is not None and not seconds > 0:
            raise ValueError(f"seconds: {seconds!r} is not accepted; more than 0, or None until release()")
        self.add(WireFault(operation=operation, hang=True, delay=seconds or 0.0, when=when, share=share), times=times)

    def delay(
        self,
        operation: WireOperation,
        seconds: float,
        when: When = "after",
        *,
        times: int | None = 1,
        share: float = 1.0,
    ) -> None:
        """Pass the request or its answer on later."""
        self.add(WireFault(operation=operation, delay=seconds, when=when, share=share), times=times)

    def cut_off(
        self,
        operation: WireOperation,
        *,
        part: float = 0.5,
        framing: Framing = "as it is",
        times: int | None = 1,
        share: float = 1.0,
    ) -> None:
        """Let the request through, send a part of the answer, and close the connection.

        Args:
            operation: To which requests.
            part: Which share of the body is sent; of the head, if the answer has no body.
            framing: How the length is told: `as it is`, `length` (a header that promises more than comes), or `chunked`
                (the last chunk is missing).
            times: How often; None goes on until `clear`.
            share: The chance for each request.
        """
        fault = WireFault(operation=operation, ending="cut", part=part, framing=framing, share=share)
        self.add(fault, times=times)

    def next(
        self,
        operation: WireOperation,
        *,
        status: int,
        body: object = b"",
        headers: Mapping[str, str] | None = None,
        when: When = "before",
        times: int | None = 1,
        share: float = 1.0,
    ) -> None:
        """Answer something else.

        Args:
            operation: To which requests.
            status: The status of the answer.
            body: Bytes and text are sent as they are, anything else as JSON.
            headers: Of the answer. The content type is that of the body unless it is here.
            when: `after` lets the request through first.
            times: How often; None goes on until `clear`.
            share: The chance for each request.
        """
        sent, content_type = as_body(body)
        given = dict(headers or {})
        if sent and "content-type" not in {name.lower() for name in given}:
            given["Content-Type"] = content_type
        fault = WireFault(
            operation=operation,
            carried_out=is_after(when),
            status=status,
            headers=tuple(given.items()),
            body=sent,
            framing="length",
            share=share,
        )
        self.add(fault, times=times)

    def html(
        self,
        operation: WireOperation,
        *,
        status: int = 502,
        when: When = "before",
        retry_after: int | None = None,
        times: int | None = 1,
        share: float = 1.0,
    ) -> None:
        """Answer with a page of HTML, as a gateway does when it gets nothing from the engine: 502, 503, 504, or any.

        Args:
            operation: To which requests.
            status: The status of the page.
            when: `after` lets the request through first, as the gateway does whose patience has ended: 504.
            retry_after: Seconds, for the header of this name; None leaves it out.
            times: How often; None goes on until `clear`.
            share: The chance for each request.
        """
        headers = {"Content-Type": "text/html"}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        page = html_page(status)
        self.next(operation, status=status, body=page, headers=headers, when=when, times=times, share=share)

    def login_page(
        self,
        operation: WireOperation,
        *,
        status: int = 200,
        location: str = "/login",
        times: int | None = 1,
        share: float = 1.0,
    ) -> None:
        """Answer with the login page of something in between, or send the client there.

        Args:
            operation: To which requests.
            status: 200 is the page itself; 301, 302, 303, 307 and 308 send the client to `location`.
            location: Where the page is. A request for it goes to the server, which does not have it, unless a fault
                for `other` requests answers it.
            times: How often; None goes on until `clear`.
            share: The chance for each request.
        """
        headers = {"Content-Type": "text/html;charset=UTF-8"}
        if status // 100 == 3:  # noqa: PLR2004 - the redirects
            headers["Location"] = location
        page = _PAGE.format(title="Log in", text=_LOGIN)
        self.next(operation, status=status, body=page, headers=headers, times=times, share=share)

    def go_down(
        self, operation: WireOperation, seconds: float, when: When = "before", *, times: int | None = 1
    ) -> None:
        """Let the engine die when a request arrives: all connections are reset, and new ones refused for a while.

        Args:
            operation: At which request.
            seconds: For how long; `FaultProxy.accept` ends it earlier.
            when: `after` lets the request through first.
            times: How often; None goes on until `clear`.

        Raises:
            ValueError: If seconds is not above 0.
        """
        if not seconds > 0:
            raise ValueError(f"seconds: {seconds!r} is not accepted; more than 0")
        fault = WireFault(operation=operation, carried_out=is_after(when), ending="reset", down=seconds)
        self.add(fault, times=times)


def html_page(status: int, text: str = "") -> str:
    """Return a page as something in between shows for a status."""
    try:
        title = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        title = str(status)
    return _PAGE.format(title=title, text=text or "<hr>")
