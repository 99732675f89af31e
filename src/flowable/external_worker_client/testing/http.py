"""From an HTTP request to the engine and back, without any socket.

The door does what stands around the engine's own code on a real server: the checks of the container and of the security
filter, credentials, routing, content negotiation, and the answers for what is none of the engine's. It has no state but
the engine's, so that a server over sockets and an adapter in-process give the same answers.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from flowable.external_worker_client.testing.answers import (
    Answer,
    empty_answer,
    error_answer,
    generic_answer,
    html_answer,
    json_answer,
)
from flowable.external_worker_client.testing.errors import EngineError, internal_error
from flowable.external_worker_client.testing.job_api import JobApi
from flowable.external_worker_client.testing.process_api import ProcessApi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flowable.external_worker_client.testing.engine import EmbeddedEngine
    from flowable.external_worker_client.testing.faults import Fault, Operation
    from flowable.external_worker_client.testing.operations import Operations

__all__ = ["CONTEXT_PATH", "Auth", "Door", "handle"]

#: A user and a password for basic authentication, a token for bearer, None for no authentication.
Auth: TypeAlias = tuple[str, str] | str | None

#: Where the engine's application lives on its server.
CONTEXT_PATH: Final = "/flowable-rest"

_API: Final = "/external-job-api"
_HEALTH: Final = "/actuator/health"
_FINISHES: Final[dict[str, Operation]] = {
    "complete": "complete",
    "bpmnError": "bpmn_error",
    "cmmnTerminate": "cmmn_terminate",
    "fail": "fail",
}
#: Encoded slashes and zeros, what is no encoding at all, and characters that a path may hold only encoded.
_REFUSED_BY_CONTAINER: Final = re.compile(r"""%(?:2f|5c|00|(?![0-9a-f]{2}))|[^!-~]|["#<>\\^`{|}]""", re.IGNORECASE)
#: What could hide where a path leads: parameters, double encodings and slashes, dots that are encoded or a whole part.
_REFUSED_BY_FIREWALL: Final = re.compile(r";|%3b|%25|%2e|//|/\.{1,2}(?:/|$)", re.IGNORECASE)
_JSON_TYPE: Final = re.compile(r"application/(?:json|[^;]*\+json)\s*(?:;.*)?", re.IGNORECASE)
_ACCEPTED: Final = frozenset({"*/*", "application/*", "application/*+json", "application/json", ""})


class Door:
    """Answers HTTP requests for an engine.

    Args:
        engine: The engine.
        auth: A user and a password for basic authentication, a token for bearer; None lets everybody in.
        context_path: Of the application.
    """

    def __init__(self, engine: EmbeddedEngine, *, auth: Auth = None, context_path: str = CONTEXT_PATH) -> None:
        self.engine = engine
        self._release = engine.release
        self._auth = auth
        self._context = context_path.rstrip("/")
        self._api = self._context + _API
        self._jobs = JobApi(engine.release)
        self._processes = ProcessApi(engine.release)

    def __repr__(self) -> str:
        kind = "no" if self._auth is None else "bearer" if isinstance(self._auth, str) else "basic"
        return f"<Door of {self.engine!r}, {kind} authentication>"

    # ------------------------------------------------------------ requests

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer a request.

        Args:
            method: Such as `POST`.
            target: The path as it was sent, not decoded, with the query if there is one.
            headers: With names in lower case.
            body: Empty if there is none.

        Returns:
            The answer, headers about the connection included. `Answer.ending` and `Answer.delay` say what a fault that
            was planned does to it.
        """
        path, _, query = target.partition("?")
        if path.startswith("http"):
            path = urlsplit(path).path
        operation = self._operation(method, path)
        if operation is None:
            return self._handle(method, path, query, headers, body, None)
        noted = self.engine.requests.note(operation, path, body)
        answer = self._handle(method, path, query, headers, body, operation)
        if answer.ending in {"answer", "cut"}:
            noted.status = answer.status
        return answer

    def _handle(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        operation: Operation | None,
    ) -> Answer:
        """Answer a request, with the fault that is planned for it."""
        fault = self.engine.faults.take(operation) if operation is not None else None
        if fault is not None and not fault.carried_out:
            return _with_connection(_faulty(fault, None), headers)
        if fault is not None and fault.lock != "kept" and operation != "acquire":
            self._end_locks(fault, [unquote(part) for part in path.split("/")])
        answer = self._answer(method, path, query, headers, body, operation)
        if fault is not None:
            if fault.lock != "kept" and operation == "acquire" and answer.status == 200:  # noqa: PLR2004 - it went well
                self._end_locks(fault, [job["id"] for job in json.loads(answer.body)])
            answer = _faulty(fault, answer)
        if method == "HEAD":
            answer = Answer(answer.status, answer.headers, b"", answer.delay, answer.ending)
        return _with_connection(answer, headers)

    def _end_locks(self, fault: Fault, job_ids: list[str]) -> None:
        """Let the locks of jobs run out; what is no id of a job is passed over."""
        with self.engine.working():
            for job_id in job_ids:
                job = self.engine.core.store.get(job_id)
                if job is not None:
                    self.engine.core.expire_lock(job, reset=fault.lock == "reset")

    def _operation(self, method: str, path: str) -> Operation | None:  # noqa: PLR0911 - a table would hide the shapes
        """Return the operation of the external job API that a request is, None if it is another."""
        if not path.startswith(self._api):
            return None
        parts = path[len(self._api) :].split("/")
        if parts[-1] == "" and len(parts) > 1 and not self._release.unknown_path_is_500:
            parts.pop()
        match method, parts:
            case "POST", ["", "acquire", "jobs"]:
                return "acquire"
            case "POST", ["", "acquire", "jobs", job, end] if job and end in _FINISHES:
                return _FINISHES[end]
            case (("GET" | "HEAD"), ["", "jobs"]):
                return "list"
            case (("GET" | "HEAD"), ["", "jobs", job]) if job:
                return "get"
            case "POST", ["", "unacquire", "jobs"] if self._release.has_unacquire:
                return "unacquire_all"
            case "POST", ["", "unacquire", "jobs", job] if job and self._release.has_unacquire:
                return "unacquire"
            case _:
                return None

    def _answer(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        operation: Operation | None,
    ) -> Answer:
        refused = self._before_application(path, headers)
        if refused is not None:
            return refused
        if path == self._context + _HEALTH:
            return json_answer({"status": "UP"})
        if self._auth is not None and not self._authorized(headers.get("authorization", "")):
            return self._unauthorized()
        base = f"http://{headers['host']}{self._context}"
        try:
            with self.engine.working() as operations:
                if operation is None:
                    return self._other(method, path, body, base)
                return self._operate(operations, operation, path, query, headers, body, base)
        except EngineError as error:
            return error_answer(error)

    def _before_application(self, path: str, headers: Mapping[str, str]) -> Answer | None:
        """Return what the container or the security filter answers by themselves, None if they let it pass."""
        if "host" not in headers or _REFUSED_BY_CONTAINER.search(path):
            return html_answer(400)
        if not (path == self._context or path.startswith(f"{self._context}/")):
            return html_answer(404)
        if _REFUSED_BY_FIREWALL.search(path):
            if self._release.firewall_status == 401:  # noqa: PLR2004 - one of the two there are
                return self._unauthorized()
            return generic_answer(self._release.firewall_status, path, self.engine.core.now)
        return None

    def _operate(  # noqa: C901, PLR0911 - one for each operation
        self,
        operations: Operations,
        operation: Operation,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        base: str,
    ) -> Answer:
        """Carry out an operation of the external job API."""
        accept = headers.get("accept", "")
        if not _accepts_json(accept):
            return self._unacceptable(accept)
        if operation == "list":
            return self._jobs.list_jobs(operations, _parameters(query), base)
        # …/jobs/{id} and …/jobs/{id}/complete: the id is the third or the fourth part below the API.
        parts = path[len(self._api) :].split("/")
        if operation == "get":
            return self._jobs.get_job(operations, unquote(parts[2]), base)
        self._check_content_type(headers.get("content-type"), body)
        match operation:
            case "acquire":
                return self._jobs.acquire(operations, body, base)
            case "unacquire_all":
                return self._jobs.unacquire_all(operations, body)
            case "complete":
                return self._jobs.complete(operations, unquote(parts[3]), body)
            case "bpmn_error":
                return self._jobs.bpmn_error(operations, unquote(parts[3]), body)
            case "cmmn_terminate":
                return self._jobs.cmmn_terminate(operations, unquote(parts[3]), body)
            case "fail":
                return self._jobs.fail(operations, unquote(parts[3]), body)
            case "unacquire" | "any":
                return self._jobs.unacquire(operations, unquote(parts[3]), body)

    def _other(self, method: str, path: str, body: bytes, base: str) -> Answer:
        """Answer what is no operation of the external job API."""
        parts = path[len(self._context) + 1 :].split("/")
        if parts[0] in {"service", "cmmn-api"}:
            segments = [unquote(part) for part in parts[1:]]
            answer = self._processes.handle(self.engine.core, parts[0], method, segments, body, base)
            return self._unknown(method, path) if answer is None else answer
        if path == self._api or path.startswith(f"{self._api}/"):
            return self._unknown(method, path)
        return generic_answer(404, path, self.engine.core.now)

    def _unknown(self, method: str, path: str) -> Answer:
        """Answer a path of the external job API that does not exist, or not with this method."""
        allowed = [other for other in ("GET", "POST") if self._operation(other, path) is not None]
        if allowed and method == "OPTIONS":
            names = ["GET", "HEAD", "OPTIONS"] if allowed == ["GET"] else [*allowed, "OPTIONS"]
            return empty_answer(200, ("Allow", ",".join(names)))
        if allowed:
            verb = "not supported" if self._release.short_refusals else "is not supported"
            raise internal_error(f"Request method '{method}' {verb}")
        if self._release.unknown_path_is_500:
            raise internal_error(self._release.unknown_path_text.format(method=method, path=path))
        return generic_answer(404, path, self.engine.core.now)

    def _unacceptable(self, accept: str) -> Answer:
        """Answer who does not take JSON."""
        kinds = accept.split(",")
        if any(_JSON_TYPE.fullmatch(kind.strip()) for kind in kinds):
            # Somebody's own kind of JSON is not what there is, but will do for saying so.
            what = "Could not find acceptable" if self._release.short_refusals else "No acceptable"
            raise internal_error(f"{what} representation")
        # A type without a slash is none, and fails.
        return empty_answer(406 if all("/" in kind for kind in kinds) else 500)

    def _check_content_type(self, content_type: str | None, body: bytes) -> None:
        if content_type == "application/json" or (content_type is not None and _JSON_TYPE.fullmatch(content_type)):
            return
        if content_type is None:
            if not body:
                return
            shown = "application/octet-stream"
        else:
            shown = content_type if "charset" in content_type.lower() else f"{content_type};charset=UTF-8"
        if self._release.short_refusals:
            raise internal_error(f"Content type '{shown}' not supported")
        raise internal_error(f"Content-Type '{shown}' is not supported")

    # ------------------------------------------------------------ credentials

    def _authorized(self, header: str) -> bool:
        scheme, _, credentials = header.partition(" ")
        if isinstance(self._auth, str):
            given, expected = credentials.strip(), self._auth
            return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), expected.encode())
        if self._auth is None or scheme.lower() != "basic":
            return False
        try:
            decoded = base64.b64decode(credentials.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(decoded, ":".join(self._auth).encode())

    def _unauthorized(self) -> Answer:
        challenge = "Bearer" if isinstance(self._auth, str) else 'Basic realm="Realm"'
        return empty_answer(401, ("WWW-Authenticate", challenge))


def handle(
    engine: EmbeddedEngine, method: str, target: str, headers: Mapping[str, str], body: bytes, *, auth: Auth = None
) -> Answer:
    """Answer one request for an engine. For more than one, keep a `Door`."""
    return Door(engine, auth=auth).handle(method, target, headers, body)


def _faulty(fault: Fault, answer: Answer | None) -> Answer:
    """Return what becomes of an answer under a fault."""
    if answer is None or fault.status is not None:
        status = 500 if fault.status is None else fault.status
        return Answer(status, fault.headers, fault.body, fault.delay, fault.ending)
    return Answer(answer.status, answer.headers, answer.body, fault.delay, fault.ending)


#: After these the container closes the connection.
_CLOSING: Final = frozenset({400, 408, 500})
_CLOSE: Final = (("Connection", "close"),)
_KEEP: Final = (("Connection", "keep-alive"), ("Keep-Alive", "timeout=60"))


def _with_connection(answer: Answer, headers: Mapping[str, str]) -> Answer:
    extra: tuple[tuple[str, str], ...]
    if answer.status in _CLOSING:
        extra = _CLOSE
    elif headers.get("connection", "").lower() == "keep-alive":
        extra = _KEEP
    else:
        return answer
    return Answer(answer.status, (*answer.headers, *extra), answer.body, answer.delay, answer.ending)


def _accepts_json(accept: str) -> bool:
    if accept in _ACCEPTED:
        return True
    # The weights do not count, not even 0.
    return any(part.partition(";")[0].strip().lower() in _ACCEPTED for part in accept.split(","))


def _parameters(query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found
