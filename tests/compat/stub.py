"""A small HTTP server in the engine's place: it notes every request and gives the answers it was told to.

It knows nothing of the library. What it was not told to answer gets what an engine says when all is well: no jobs to
acquire, 204 for every settling call, an empty page, a job for every id.
"""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import unquote

DEADLINE = 8.0  # seconds; for what should happen at once, on a machine that may be busy
ACQUIRE = "/external-job-api/acquire/jobs"
JOBS = "/external-job-api/jobs"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived.

    Attributes:
        method: HTTP method.
        path: Path and query below the base address, quoted as they came.
        body: The JSON of the body. `None`: there was no body.
        headers: By lower-case name.
    """

    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer.

    Attributes:
        status: HTTP status.
        body: Text as it is; anything else as JSON; `None` for no body.
        headers: More headers.
        after: Answer only once this is set.
        drop: Close the connection in place of an answer.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    after: threading.Event | None = None
    drop: bool = False


def job_json(job_id: str, variables: Any = (), **members: Any) -> dict[str, Any]:
    """Return a job as an engine shows it."""
    job = {
        "id": job_id,
        "url": f"http://engine.test/flowable-rest{JOBS}/{job_id}",
        "correlationId": f"correlation-{job_id}",
        "processInstanceId": "instance-1",
        "processDefinitionId": "definition-1",
        "executionId": "execution-1",
        "scopeId": None,
        "subScopeId": None,
        "scopeDefinitionId": None,
        "scopeType": None,
        "elementId": "task",
        "elementName": "The task",
        "retries": 3,
        "exceptionMessage": None,
        "dueDate": None,
        "createTime": "2026-05-04T10:25:45.583Z",
        "tenantId": "",
        "lockOwner": "worker-1",
        "lockExpirationTime": "2026-05-04T10:26:45Z",
    }
    return {**job, "variables": list(variables) if isinstance(variables, tuple) else variables, **members}


def page_json(*jobs: dict[str, Any], total: int | None = None, start: int = 0) -> dict[str, Any]:
    """Return a page of jobs as an engine shows it."""
    total = len(jobs) if total is None else total
    return {"data": list(jobs), "total": total, "start": start, "sort": "id", "order": "asc", "size": len(jobs)}


class Stub:
    """The server. Use with `with`.

    Attributes:
        url: Its address, with a context path.
        seen: The requests, in the order of their arrival.
    """

    CONTEXT = "/flowable-rest"

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.ended = threading.Event()
        self._answers: defaultdict[tuple[str, str], deque[Answer]] = defaultdict(deque)
        self._always: dict[tuple[str, str], Answer] = {}
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stub = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}{self.CONTEXT}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def offer(self, *batches: list[dict[str, Any]]) -> None:
        """Hand these jobs out, one batch an acquire."""
        self.answer("POST", ACQUIRE, *(Answer(body=batch) for batch in batches))

    def answer(self, method: str, path: str, *answers: Answer) -> None:
        """Give these answers to the next requests of this kind; after them, the usual ones."""
        with self._changed:
            self._answers[method, path].extend(answers)

    def always(self, method: str, path: str, answer: Answer) -> None:
        """Give this answer to all requests of this kind."""
        self._always[method, path] = answer

    def settled(self) -> list[Seen]:
        """Return the requests that settle jobs."""
        return [seen for seen in self.seen if seen.path.startswith(f"{ACQUIRE}/")]

    def acquires(self) -> list[Seen]:
        """Return the requests that ask for jobs."""
        return [seen for seen in self.seen if seen.path == ACQUIRE]

    def wait_until(self, condition: Callable[[Stub], object], seconds: float = DEADLINE) -> None:
        """Wait until a condition on the requests holds.

        Raises:
            AssertionError: It does not hold in time; the text shows the requests that came.
        """
        ends = time.monotonic() + seconds
        with self._changed:
            while not condition(self):
                left = ends - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"not seen within {seconds} s; requests: {self.seen[-20:]}")
                self._changed.wait(left)

    def _take(self, seen: Seen) -> Answer:
        with self._changed:
            self.seen.append(seen)
            self._changed.notify_all()
            queue = self._answers[seen.method, seen.path]
            if queue:
                return queue.popleft()
            return self._always.get((seen.method, seen.path)) or _usual(seen)


def _usual(seen: Seen) -> Answer:
    if seen.path == ACQUIRE:
        return Answer(body=[])
    if seen.method == "POST":
        return Answer(204)
    if seen.path.partition("?")[0] == JOBS:
        return Answer(body=page_json())
    job = job_json(unquote(seen.path.removeprefix(f"{JOBS}/")))
    del job["variables"]
    return Answer(body=job)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 64
    stub: Stub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients may go away whenever they like."""


class _Handler(BaseHTTPRequestHandler):
    timeout = DEADLINE
    server: _Server

    def _serve(self) -> None:
        stub = self.server.stub
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(
            self.command, self.path.removeprefix(stub.CONTEXT), json.loads(content) if content else None, headers
        )
        answer = stub._take(seen)
        while answer.after is not None and not answer.after.wait(0.01) and not stub.ended.is_set():
            pass
        if not answer.drop:
            self._send(answer)

    do_GET = do_POST = _serve  # noqa: N815 - the names that the server calls

    def _send(self, answer: Answer) -> None:
        is_text = isinstance(answer.body, str)
        text = answer.body if is_text else "" if answer.body is None else json.dumps(answer.body)
        content = text.encode()
        self.send_response(answer.status)
        if content and "Content-Type" not in answer.headers:
            self.send_header("Content-Type", "text/plain" if is_text else "application/json")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Keep quiet."""
