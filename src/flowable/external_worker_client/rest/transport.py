"""The seam between this library and whatever carries HTTP.

A transport sends one `Request` and returns one `Response`, whatever its status. When there is no answer it raises a
`TransportFailure`, which says the one thing that matters then: whether the engine can have seen the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, Protocol

from flowable.external_worker_client.rest.operations import Operation


class FailureKind(Enum):
    """Can the engine have seen a request that was not answered?"""

    NOT_SENT = "not sent"
    """Surely not: no connection, no name, no handshake."""

    UNCLEAR = "unclear"
    """Perhaps: bytes were on their way when the connection ended or the time was up."""


class TransportFailure(Exception):  # noqa: N818 - an event between two layers, never seen by people
    """There was no answer.

    Attributes:
        kind: Whether the engine can have seen the request.
        cause: The exception that people see: a `requests.exceptions.RequestException` on every transport.
    """

    def __init__(self, kind: FailureKind, cause: Exception) -> None:
        super().__init__(kind, cause)
        self.kind = kind
        self.cause = cause


class Request(NamedTuple):
    """One request, ready to be sent.

    Attributes:
        operation: Which of the nine operations it is.
        path: Path and query below the engine's address, quoted, beginning with `/external-job-api`.
        body: JSON in UTF-8. `None`: the operation has no body.
    """

    operation: Operation
    path: str
    body: bytes | None = None


class Response(NamedTuple):
    """One answer.

    Attributes:
        status: HTTP status.
        headers: By lower-case name.
        body: As received, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text: in the charset it names, otherwise UTF-8; what cannot be decoded is replaced."""
        _, _, charset = self.headers.get("content-type", "").partition("charset=")
        try:
            return self.body.decode(charset.split(";")[0].strip(" \"'") or "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


class Transport(Protocol):
    """Carries requests. Used by several threads at once."""

    def send(self, request: Request) -> Response:
        """Send a request and return the answer, whatever its status.

        Raises:
            TransportFailure: There was no answer.
        """
        ...

    def close(self) -> None:
        """Close what is open. The transport may be used again, and opens it anew."""
