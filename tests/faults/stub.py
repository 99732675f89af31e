"""A loopback server that misbehaves as told, with just enough of a job table to count what became of each job.

It is no model of the engine: locks never end by themselves, a failed job is not offered again, and nothing is checked
beyond who holds a job. It speaks HTTP on plain sockets, because a proper server would not cut its answers short.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

_REASON = "Whatever"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER without time: closing sends a reset instead of a farewell
_OPERATIONS = {"complete", "bpmnError", "cmmnTerminate", "fail"}


def engine_error(category: str, detail: str | None) -> bytes:
    """Return the body of one of the engine's own errors."""
    members = {"message": category} if detail is None else {"message": category, "exception": detail}
    return json.dumps(members).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of one request.

    Attributes:
        effect: Whether the job table changes as it would without the fault.
        status: Of the answer. `None`: the honest one.
        headers: Of the answer, besides the length.
        body: Of the answer.
        end: `"answer"`; `"reset"` instead of one; `"cut"` or `"cut-chunked"`: an answer that ends too early;
            `"hang"`: none, until the client goes.
        before: Called first; may change the table.
    """

    effect: bool = False
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    end: str = "answer"
    before: Callable[[Stub, str | None], None] | None = None


@dataclass(slots=True)
class Job:
    """A row of the table."""

    id: str
    topic: str
    retries: int = 3
    message: str | None = None
    owner: str | None = None
    gone: bool = False
    element: Callable[[dict[str, Any]], Any] = lambda members: members
    settled: list[str] = field(default_factory=list)

    def as_json(self) -> Any:
        """Return it as the engine would send it, unless told otherwise."""
        return self.element(
            {
                "id": self.id,
                "correlationId": f"c-{self.id}",
                "processInstanceId": "p-1",
                "executionId": f"e-{self.id}",
                "elementId": "task",
                "retries": self.retries,
                "exceptionMessage": self.message,
                "createTime": "2024-05-06T07:08:09.123Z",
                "tenantId": "",
                "lockOwner": self.owner,
                "lockExpirationTime": "2024-05-06T07:09:09Z",
                "variables": [{"name": "n", "type": "integer", "value": 1}],
            }
        )


@dataclass(frozen=True, slots=True)
class Received:
    """One request: when by the test's clock, what, for which job, with which body, or filters for a list."""

    at: float
    operation: str
    job_id: str | None
    body: dict[str, Any]


Answer = tuple[int, tuple[tuple[str, str], ...], bytes]
_JSON = (("Content-Type", "application/json"),)


class Stub:
    """The server.

    Args:
        now: The test's clock, for `Received.at`.

    Attributes:
        faults: By operation, what becomes of the next requests of that kind; then all is well.
        always: By operation, what becomes of all of them, once `faults` is used up.
        received: All requests, in the order of their arrival.
        jobs: The table.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.RLock()
        self._open: set[socket.socket] = set()
        self._hanging: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        # Bound but not listening: the port refuses connections, and nobody else can take it.
        self._bound = self._bind(0)
        self.port: int = self._bound.getsockname()[1]
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.always: dict[str, Fault] = {}
        self.received: list[Received] = []
        self.jobs: dict[str, Job] = {}

    # ------------------------------------------------------------ what tests do with it

    def add(self, *ids: str, topic: str = "t", **members: Any) -> None:
        """Put jobs into the table."""
        with self._lock:
            for job_id in ids:
                self.jobs[job_id] = Job(job_id, topic, **members)

    def change(self, job_id: str, **members: Any) -> None:
        """Change a row."""
        with self._lock:
            for name, value in members.items():
                setattr(self.jobs[job_id], name, value)

    def unlock(self) -> None:
        """End the locks of all jobs that are not settled."""
        with self._lock:
            for job in self.jobs.values():
                job.owner = None

    @property
    def settled(self) -> dict[str, list[str]]:
        """By job, the operations that settled it."""
        with self._lock:
            return {job.id: list(job.settled) for job in self.jobs.values()}

    def count(self, operation: str) -> int:
        """Return how many requests of a kind arrived."""
        with self._lock:
            return Counter(request.operation for request in self.received)[operation]

    def of(self, operation: str, job_id: str | None = None) -> list[Received]:
        """Return the requests of a kind, for one job if it is given."""
        with self._lock:
            return [
                request
                for request in self.received
                if request.operation == operation and job_id in (None, request.job_id)
            ]

    @property
    def connections(self) -> int:
        """How many are open."""
        with self._lock:
            return len(self._open)

    def up(self) -> None:
        """Listen."""
        with self._lock:
            if self._listener is None:
                self._listener = self._bound
                self._listener.listen(64)
                self._start(self._accept, self._listener)

    def down(self) -> None:
        """Refuse connections, and end those that are open; afterwards no request is under way any more."""
        with self._lock:
            if self._listener is None:
                return
            listener, self._listener = self._listener, None
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._bound = self._bind(self.port)
            ending, self._threads = self._threads, []
        # A request that was read before may still be carried out, and lock jobs in an answer that nobody gets.
        for thread in ending:
            thread.join(10)
            assert not thread.is_alive(), "a thread of the server does not end"

    def end_hanging(self) -> None:
        """End the connections on which somebody waits in vain, as a time-out would."""
        with self._lock:
            for connection in self._open & self._hanging:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything, and wait for it."""
        self.down()
        self._bound.close()

    # ------------------------------------------------------------ connections

    @staticmethod
    def _bind(port: int) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        return bound

    def _start(self, target: Callable[[socket.socket], None], argument: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(argument,), name="stub", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:
                    connection.close()
                    return
                self._open.add(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as stream:
                while self._next_request(connection, stream):
                    pass
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _next_request(self, connection: socket.socket, stream: Any) -> bool:
        head = []
        while (line := stream.readline()) != b"\r\n":
            if not line.endswith(b"\n"):
                return False  # closed, perhaps in the middle
            head.append(line)
        method, path, _ = head[0].decode().split(" ", 2)
        lengths = [int(line.split(b":")[1]) for line in head[1:] if line.lower().startswith(b"content-length:")]
        length = lengths[0] if lengths else 0
        sent = stream.read(length)
        if len(sent) < length:
            return False
        body = json.loads(sent) if length else {}
        path, _, query = path.partition("?")
        operation, job_id = _route(method, path)
        body |= dict(parse_qsl(query))
        with self._lock:
            self.received.append(Received(self._now(), operation, job_id, body))
            waiting = self.faults[operation]
            fault = waiting.popleft() if waiting else self.always.get(operation, Fault(effect=True))
            if fault.before:
                fault.before(self, job_id)
            answer = self._effect(operation, job_id, body) if fault.effect else (200, (), b"")
        if fault.status is not None:
            answer = (fault.status, fault.headers, fault.body)
        return self._answer(connection, stream, fault.end, answer)

    def _answer(self, connection: socket.socket, stream: Any, end: str, answer: Answer) -> bool:
        status, headers, body = answer
        if end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        if end == "hang":
            with self._lock:
                self._hanging.add(connection)
            stream.read()
            return False
        lines = [f"HTTP/1.1 {status} {_REASON}", *(f"{name}: {value}" for name, value in headers)]
        if end == "cut-chunked":
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s" % (len(body) + 9, body)
        elif status != 204:
            lines.append(f"Content-Length: {len(body) + (9 if end == 'cut' else 0)}")
        closing = end != "answer" or status in (400, 408, 500)
        if closing:
            lines.append("Connection: close")
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return not closing

    # ------------------------------------------------------------ the table

    def _effect(self, operation: str, job_id: str | None, body: dict[str, Any]) -> Answer:
        if operation == "acquire":
            return self._acquire(body)
        if operation == "list":
            return self._list(body)
        job = self.jobs.get(job_id or "")
        if job is None or job.gone:
            detail = f"Could not find external worker job with id '{job_id}'."
            return 404, _JSON, engine_error("Not found", detail)
        if operation == "get":
            return 200, _JSON, json.dumps(job.as_json()).encode()
        owner = body.get("workerId")
        if job.owner != owner:
            return 403, _JSON, engine_error("Forbidden", f"{owner} does not hold a lock on the requested job")
        job.owner = None
        job.settled.append(operation)
        job.gone = operation != "fail"
        return 204, (), b""

    def _acquire(self, body: dict[str, Any]) -> Answer:
        free = [
            job
            for job in self.jobs.values()
            if job.topic == body["topic"] and job.owner is None and not job.gone and not job.settled
        ]
        taken = free[: body["numberOfTasks"]]
        for job in taken:
            job.owner = body["workerId"]
        return 200, _JSON, json.dumps([job.as_json() for job in taken]).encode()

    def _list(self, query: dict[str, Any]) -> Answer:
        found = [
            job.as_json()
            for job in self.jobs.values()
            if not job.gone
            and (job.owner is not None or "locked" not in query)
            and query.get("executionId") in (None, f"e-{job.id}")
        ]
        page = {"data": found, "total": len(found), "start": 0, "size": len(found), "sort": "id", "order": "asc"}
        return 200, _JSON, json.dumps(page).encode()


def _route(method: str, path: str) -> tuple[str, str | None]:
    parts = path.removeprefix("/moved").removeprefix("/external-job-api/").split("/")
    match parts:
        case ["acquire", "jobs"]:
            return "acquire", None
        case ["acquire", "jobs", job_id, operation] if operation in _OPERATIONS:
            return operation, job_id
        case ["jobs"]:
            return "list", None
        case ["jobs", job_id]:
            return "get", job_id
        case _:
            return f"{method} {path}", None
