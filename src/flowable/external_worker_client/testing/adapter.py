"""The embedded engine behind a `requests.Session`, without a socket.

The person's session stays in play: its auth, headers, cookies and hooks do what they do with a real server. Only the
last step, the connection, is replaced.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.exceptions import IncompleteRead, ProtocolError

from flowable.external_worker_client.testing.http import CONTEXT_PATH, Auth, Door

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flowable.external_worker_client.testing.answers import Answer
    from flowable.external_worker_client.testing.engine import EmbeddedEngine

__all__ = ["EmbeddedAdapter"]


class EmbeddedAdapter(HTTPAdapter):
    """Carries the requests of a session to an embedded engine.

    Example:
        >>> adapter = EmbeddedAdapter(engine)
        >>> client = ExternalWorkerClient(adapter.url, customize_session=adapter.mount)

    Args:
        engine: Who answers.
        auth: A user and a password for basic authentication, a token for bearer; None lets everybody in.
        host: Under which name the engine is reached. Only this one; other requests of the session go their usual way.

    Attributes:
        url: What clients are given.
    """

    def __init__(self, engine: EmbeddedEngine, *, auth: Auth = None, host: str = "embedded.invalid") -> None:
        super().__init__()
        self.engine = engine
        self.url = f"http://{host}{CONTEXT_PATH}"
        self._origin = f"http://{host}/"
        self._door = Door(engine, auth=auth)

    def __repr__(self) -> str:
        return f"<EmbeddedAdapter {self.url} of {self.engine!r}>"

    def mount(self, session: requests.Session) -> None:
        """Have the requests of a session for this engine carried by this adapter."""
        session.mount(self._origin, self)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Carry a request to the engine; everything but the time-out for reading is of no meaning here.

        Raises:
            requests.ConnectionError: If a fault closes the connection.
            requests.ReadTimeout: If a fault does not answer in time. A fault that never answers does not let the caller
                wait: the time-out is raised at once, or, without one, is that of a connection that was closed.
        """
        del stream, verify, cert, proxies
        parts = urlsplit(request.url or "")
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        headers.setdefault("host", parts.netloc)
        answer = self._door.handle(request.method or "GET", target, headers, _body(request))
        limit = timeout[1] if isinstance(timeout, tuple) else timeout
        if (answer.ending == "hang" and limit is not None) or (limit is not None and answer.delay > limit):
            raise requests.ReadTimeout(f"Read timed out. (read timeout={limit})", request=request)
        if answer.delay:
            time.sleep(answer.delay)
        if answer.ending in {"hang", "drop"}:
            lost = ConnectionResetError("Remote end closed connection without response")
            raise requests.ConnectionError(ProtocolError("Connection aborted.", lost), request=request)
        return self.build_response(request, _response(answer))


class _CutOff(io.RawIOBase):
    """A body that ends half way."""

    def __init__(self, body: bytes) -> None:
        self._half = io.BytesIO(body[: len(body) // 2])
        self._missing = len(body) - len(body) // 2

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._half.read(size)
        if not data:
            raise IncompleteRead(self._half.tell(), self._missing)
        return data


def _response(answer: Answer) -> HTTPResponse:
    body = _CutOff(answer.body) if answer.ending == "cut" else io.BytesIO(answer.body)
    headers = HTTPHeaderDict(answer.headers)
    return HTTPResponse(body=body, headers=headers, status=answer.status, preload_content=False, decode_content=False)


def _body(request: requests.PreparedRequest) -> bytes:
    body: object = request.body
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes):
        return body
    # A file or an iterator, sent in chunks.
    parts = cast("Iterable[str | bytes]", body)
    return b"".join(part.encode() if isinstance(part, str) else part for part in parts)


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
