"""HTTP as it is: no library in between that mends, retries or adds anything."""

from __future__ import annotations

import base64
import http.client
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.conformance.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tests.conformance.engines import Credentials

TIMEOUT = 60  # seconds
# Servers end a connection with its hundredth request and say so in the answer; no case is about that.
REQUESTS = 90
# They close one that was idle for 60 seconds, which the next request would find out halfway.
IDLE = 30  # seconds


class HttpDoor:
    """Sends requests to an engine, each thread on a connection of its own that is kept for the next request.

    Args:
        url: The engine with its context path.
        now: What time it is for the engine.
    """

    def __init__(self, url: str, now: Callable[[], datetime]) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._context = str(parts.hostname), parts.port or 80, parts.path
        self._now = now
        self._own = threading.local()
        self._opened: list[http.client.HTTPConnection] = []

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, credentials: Credentials
    ) -> Answer:
        """Send a request and return the answer."""
        connection = self._connection()
        try:
            return self._exchange(connection, method, target, {**authorization(credentials), **headers}, body)
        except BaseException:
            # What is left of this exchange must not meet the next one, which belongs to another case.
            connection.close()
            raise

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Send a request on a connection and read the answer."""
        sent = self._now()
        connection.putrequest(method, self._context + target, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body or method in {"POST", "PUT"}:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        received = self._now()
        lowered = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, lowered, content, sent, received)

    def _connection(self) -> http.client.HTTPConnection:
        """Return the connection of this thread."""
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
            self._own.requests = 0
            self._own.used = time.monotonic()
            self._opened.append(self._own.connection)
        connection: http.client.HTTPConnection = self._own.connection
        self._own.requests += 1
        now = time.monotonic()
        if self._own.requests % REQUESTS == 0 or now - self._own.used > IDLE:
            connection.close()  # the next request opens it anew
        self._own.used = now
        return connection

    def close(self) -> None:
        """Close all connections. A later request opens its own again."""
        for connection in self._opened:
            connection.close()


def authorization(credentials: Credentials) -> dict[str, str]:
    """Return the header for basic authentication."""
    if credentials is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(credentials).encode()).decode()}
