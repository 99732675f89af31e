"""What the embedded engine answers when it refuses a request.

Every refusal is one exception with the status and the two members of the JSON body that Flowable's own error handler
writes. The texts are the engine's, to the letter: workers and people's tests look for them.
"""

from __future__ import annotations

__all__ = ["EngineError", "bad_request", "conflict", "forbidden", "internal_error", "not_found"]

_MESSAGES = {400: "Bad request", 403: "Forbidden", 404: "Not found", 409: "Conflict", 500: "Internal server error"}


class EngineError(Exception):
    """The embedded engine refused an operation.

    Attributes:
        status: The HTTP status of the answer.
        message: The category, member `message` of the JSON body.
        detail: The engine's sentence, member `exception` of the JSON body. None leaves the member out.
    """

    def __init__(self, status: int, detail: str | None) -> None:
        self.status = status
        self.message = _MESSAGES[status]
        self.detail = detail
        super().__init__(status, detail)

    def __str__(self) -> str:
        return f"{self.status} {self.message}" + (f": {self.detail}" if self.detail is not None else "")

    def body(self) -> dict[str, str]:
        """Return the JSON body of the answer."""
        if self.detail is None:
            return {"message": self.message}
        return {"message": self.message, "exception": self.detail}


def bad_request(detail: str | None) -> EngineError:
    """Return the refusal of an illegal argument or state, or of an unreadable body: 400."""
    return EngineError(400, detail)


def forbidden(detail: str) -> EngineError:
    """Return the refusal of somebody who does not hold the lock: 403."""
    return EngineError(403, detail)


def not_found(detail: str) -> EngineError:
    """Return the refusal of an id that is not in the table: 404."""
    return EngineError(404, detail)


def conflict(detail: str) -> EngineError:
    """Return the refusal of what is as wanted already: 409."""
    return EngineError(409, detail)


def internal_error(detail: str | None) -> EngineError:
    """Return what becomes of every other exception: 500."""
    return EngineError(500, detail)
