"""One connection of a client through the fault proxy, with the one to the server that belongs to it."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote

from flowable.external_worker_client.testing.proxy_faults import WireFault, html_page
from flowable.external_worker_client.testing.proxy_messages import (
    BODILESS,
    LAST_CHUNK,
    EndedError,
    Head,
    Message,
    Stream,
    chunked,
    counted,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from flowable.external_worker_client.testing.proxy_faults import Framing, When, WireOperation

__all__ = ["Connection", "Exchange", "Owner", "operation_of"]

_CONNECT: Final = 5.0  # seconds, to reach the server
# No time to linger: closing sends a reset instead of a farewell. Two numbers, which Windows wants shorter.
_RESET: Final = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
_API: Final = "/external-job-api"
_FINISHES: Final[dict[str, WireOperation]] = {
    "complete": "complete",
    "bpmnError": "bpmn_error",
    "cmmnTerminate": "cmmn_terminate",
    "fail": "fail",
}
_HTML: Final = (("Content-Type", "text/html"),)
_NO_FAULT: Final = WireFault(operation="any")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request that came by, and what became of it.

    Attributes:
        operation: Of the external job API; `other` if it is none of them.
        job_id: That the request is about; None if it is about none.
        method: Such as `POST`.
        target: Path and query, as sent.
        request: The request's body.
        status: What the server answered; None if it was not asked, or gave no whole answer.
        answered: What the client was sent, in whole; None if it was sent nothing, or a part.
        fault: What happened to it; None if nothing.
    """

    operation: WireOperation
    job_id: str | None
    method: str
    target: str
    request: bytes
    status: int | None
    answered: int | None
    fault: WireFault | None


class Owner(Protocol):
    """What a connection needs of its proxy."""

    @property
    def server(self) -> tuple[str, int]:
        """Where the server is."""
        ...

    @property
    def path(self) -> str:
        """The path that the server's application has."""
        ...

    @property
    def requests_per_connection(self) -> int | None:
        """After how many requests a connection ends; None is never."""
        ...

    @property
    def close_after(self) -> Collection[int]:
        """After which statuses a connection ends."""
        ...

    def take(self, operation: WireOperation) -> WireFault | None:
        """Return what happens to a request."""
        ...

    def hold(self, connection: Connection, fault: WireFault, when: When) -> bool:
        """Wait as long as a fault wants, before or after the request goes through. Returns whether to go on."""
        ...

    def go_down(self, seconds: float, cause: Connection) -> None:
        """Refuse connections for a while, and end all but this one."""
        ...

    def record(self, exchange: Exchange) -> None:
        """Remember what became of a request."""
        ...


def operation_of(method: str, target: str, path: str) -> tuple[WireOperation, str | None]:  # noqa: PLR0911 - the shapes
    """Return what a request is, and the id of its job.

    Args:
        method: Such as `POST`.
        target: Path and query, as sent.
        path: Of the server's application.
    """
    asked = target.partition("?")[0]
    if not asked.startswith(path + _API):
        return "other", None
    parts = [unquote(part) for part in asked[len(path + _API) :].rstrip("/").split("/")[1:]]
    match method, parts:
        case "POST", ["acquire", "jobs"]:
            return "acquire", None
        case "POST", ["acquire", "jobs", job_id, end] if end in _FINISHES:
            return _FINISHES[end], job_id
        case (("GET" | "HEAD"), ["jobs"]):
            return "list", None
        case (("GET" | "HEAD"), ["jobs", job_id]):
            return "get", job_id
        case "POST", ["unacquire", "jobs"]:
            return "unacquire_all", None
        case "POST", ["unacquire", "jobs", job_id]:
            return "unacquire", job_id
        case _:
            return "other", None


class Connection:
    """Carries the requests of one client, one after the other. `run` is called on a thread of its own.

    Args:
        client: The socket of the client. Closed at the end of `run`.
        owner: The proxy.

    Attributes:
        ended: Whether `end` was called.
    """

    def __init__(self, client: socket.socket, owner: Owner) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ended = False
        self._owner = owner
        self._client = client
        self._from_client = Stream(client)
        self._server: socket.socket | None = None
        self._from_server: Stream | None = None
        self._requests = 0
        self._readable = selectors.DefaultSelector()
        self._readable.register(client, selectors.EVENT_READ)

    def run(self) -> None:
        """Carry requests until one of the sides, or a fault, ends the connection."""
        try:
            while self._wait() and self._next():
                pass
        except (OSError, EndedError):
            # One of the sides is gone, or the client does not speak HTTP: there is nobody to tell.
            pass
        finally:
            self._readable.close()
            for each in (self._server, self._client):
                if each is not None:
                    each.close()

    def end(self) -> None:
        """End it from another thread: whatever it waits for is over."""
        self.ended = True
        for each in (self._client, self._server):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    # ------------------------------------------------------------ one request

    def _wait(self) -> bool:
        """Wait for a request. Returns whether one comes: both sides may end an idle connection."""
        if self._from_client.has_more:
            return True
        ready = {key.fileobj for key, _ in self._readable.select()}
        # What a server says unasked is its farewell.
        return not self.ended and self._server not in ready

    def _next(self) -> bool:
        """Carry one request. Returns whether another one can follow."""
        request = self._request()
        if request is None:
            return False
        head = request.head
        method, target, _ = head.first
        operation, job_id = operation_of(method, target, self._owner.path)
        planned = self._owner.take(operation)
        fault = planned or _NO_FAULT
        exchange = Exchange(
            operation=operation,
            job_id=job_id,
            method=method,
            target=target,
            request=request.content,
            status=None,
            answered=None,
            fault=planned,
        )
        answer: Message | None = None
        held = self._owner.hold(self, fault, "before")
        if held and fault.carried_out:
            try:
                answer = self._ask(request)
                exchange = replace(exchange, status=answer.head.status)
            except _UnreachableError as error:
                answer = _made_up(502, _HTML, html_page(502, f"<p>{error}</p>").encode())
            except EndedError as ended:
                self._owner.record(exchange)
                self._client.sendall(ended.partial)
                return False
        if not held or not self._owner.hold(self, fault, "after"):
            self._owner.record(exchange)
            return False
        return self._finish(exchange, head, answer, fault)

    def _request(self) -> Message | None:
        """Read a request; None if none comes any more."""
        head = self._from_client.head()
        if head is None or len(head.first) != 3:  # noqa: PLR2004 - method, target, version
            return None
        if "100-continue" in head.get("expect"):
            self._client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._requests += 1
        return self._from_client.request_body(head)

    def _ask(self, request: Message) -> Message:
        """Have the server answer a request.

        Raises:
            EndedError: If it gave no whole answer.
        """
        raw = request.raw
        if request.head.get("expect"):
            # The client has been told to go on already.
            raw = request.head.without("expect") + b"\r\n\r\n" + request.raw_body
        server, stream = self._connected()
        try:
            server.sendall(raw)
            head = stream.head()
            while head is not None and 100 <= head.status < 200:  # noqa: PLR2004 - more will follow
                head = stream.head()
            if head is None or not head.status:
                raise EndedError(b"" if head is None else head.raw)
            return stream.answer_body(head, request.head.first[0])
        except OSError as error:
            raise EndedError(b"") from error

    def _connected(self) -> tuple[socket.socket, Stream]:
        if self._server is None or self._from_server is None:
            host, port = self._owner.server
            try:
                self._server = socket.create_connection((host, port), _CONNECT)
            except OSError as error:
                raise _UnreachableError(host, port) from error
            self._server.settimeout(None)
            self._server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._readable.register(self._server, selectors.EVENT_READ)
            self._from_server = Stream(self._server)
            if self.ended:
                raise EndedError(b"")
        return self._server, self._from_server

    # ------------------------------------------------------------ its answer

    def _finish(self, exchange: Exchange, request: Head, answer: Message | None, fault: WireFault) -> bool:
        """Give the client its answer, or what a fault makes of it. Returns whether the connection goes on."""
        if fault.status is not None:
            answer = _made_up(fault.status, fault.headers, fault.body)
        if fault.down:
            self._owner.go_down(fault.down, self)
        if answer is None or fault.ending in {"reset", "close"}:
            self._owner.record(exchange)
            if fault.ending == "reset":
                self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        answer = _framed(answer, fault.framing, request)
        status = answer.head.status
        last = request.closes or answer.head.closes or answer.ends_connection
        if not last and (self._requests == self._owner.requests_per_connection or status in self._owner.close_after):
            head = answer.head.without("connection", "keep-alive") + b"\r\nConnection: close\r\n\r\n"
            answer, last = replace(answer, head=Head(head)), True
        if fault.ending == "cut":
            self._owner.record(exchange)
            self._client.sendall(_part(answer, fault.part))
            return False
        self._owner.record(replace(exchange, answered=status))
        self._client.sendall(answer.raw)
        return not last


class _UnreachableError(Exception):
    """Nothing listens where the server should be."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"nothing answers at {host}:{port}")


def _made_up(status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> Message:
    """Return an answer that no server has given."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = ""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    head = Head("\r\n".join(lines).encode("latin-1"))
    return Message(head) if status in BODILESS else counted(Message(head, body, body))


def _framed(answer: Message, framing: Framing, request: Head) -> Message:
    """Return an answer to a request whose length is told in a certain way."""
    if request.first[0] == "HEAD":
        return replace(answer, raw_body=b"", content=b"")
    if framing == "as it is" or answer.head.status in BODILESS:
        return answer
    return counted(answer) if framing == "length" else chunked(answer)


def _part(answer: Message, part: float) -> bytes:
    """Return the beginning of an answer. Some clients do not mind when only the end of the last chunk is missing."""
    body, head = answer.raw_body, answer.head.raw
    if not body:
        return head[: int(len(head) * part)]
    whole = len(body) - len(LAST_CHUNK) if "chunked" in answer.head.get("transfer-encoding") else len(body)
    return head + body[: min(int(len(body) * part), whole)]
