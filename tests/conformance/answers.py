"""What an engine answered, and the checks on it that many cases share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Job = dict[str, Any]

CATEGORIES: Final = {400: "Bad request", 403: "Forbidden", 404: "Not found", 500: "Internal server error"}
# After these the container closes the connection.
CLOSING: Final = (400, 500)
# Engines cut the time to milliseconds.
ROUNDING: Final = timedelta(milliseconds=2)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: The status.
        headers: The headers, their names in lower case.
        body: The body as it came.
        sent: When the request went out, on the engine's clock.
        received: When the answer was there, on the engine's clock.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    sent: datetime
    received: datetime

    def __str__(self) -> str:
        return f"{self.status} {self.body[:500].decode('utf-8', 'replace')}"

    @property
    def json(self) -> Any:
        """The body as JSON, of which every answer with a body says that it is."""
        assert self.headers.get("content-type") == "application/json", f"{self.headers}: {self}"
        return json.loads(self.body)

    # ------------------------------------------------------------ what went well

    @property
    def jobs(self) -> list[Job]:
        """The jobs of a successful acquire."""
        self.is_ok()
        found = self.json
        assert isinstance(found, list)
        return found

    @property
    def job(self) -> Job:
        """The one job of a successful acquire."""
        found = self.jobs
        assert len(found) == 1, f"{len(found)} jobs"
        return found[0]

    @property
    def page(self) -> dict[str, Any]:
        """The page of a successful query."""
        self.is_ok()
        page = self.json
        assert list(page) == ["data", "total", "start", "sort", "order", "size"]
        assert page["size"] == len(page["data"])
        return dict(page)

    @property
    def total(self) -> int:
        """How many jobs a query matches."""
        return int(self.page["total"])

    def is_ok(self) -> None:
        """Assert status 200, on a connection that stays open."""
        assert self.status == 200, str(self)
        assert self.headers.get("connection") != "close"

    def is_nothing(self) -> None:
        """Assert that an acquire brought no job."""
        assert self.jobs == []

    def is_accepted(self) -> None:
        """Assert status 204 and that there is no body."""
        assert (self.status, self.body) == (204, b""), str(self)
        assert "content-type" not in self.headers
        assert self.headers.get("connection") != "close"

    # ------------------------------------------------------------ what was refused

    def is_error(self, status: int, text: str) -> None:
        """Assert the engine's own refusal, word for word."""
        assert (self.status, self.error) == (status, text)

    def is_unreadable(self) -> None:
        """Assert that the engine could not read the request's JSON; its reader's words are not ours to check."""
        assert self.status == 400, str(self)
        assert self.error.startswith("JSON parse error: "), self.error

    def is_generic(self, status: int) -> None:
        """Assert an answer that is not the engine's but of the framework that it stands on."""
        assert self.status == status, str(self)
        assert sorted(self.json) == ["error", "path", "status", "timestamp"]
        assert self.json["status"] == status

    def is_empty(self, status: int) -> None:
        """Assert a status without a body."""
        assert (self.status, self.body) == (status, b""), str(self)

    def is_html(self, status: int) -> None:
        """Assert an answer of the container."""
        assert self.status == status, str(self)
        assert self.headers["content-type"].startswith("text/html")
        assert self.body.lower().startswith(b"<!doctype html>")

    @property
    def error(self) -> str:
        """The text of the engine's own refusal, the rest of which is checked: status, category, connection."""
        assert self.status in CATEGORIES, str(self)
        assert sorted(self.json) == ["exception", "message"], str(self)
        assert self.json["message"] == CATEGORIES[self.status]
        assert (self.headers.get("connection") == "close") == (self.status in CLOSING), f"{self.headers}"
        return str(self.json["exception"])

    # ------------------------------------------------------------ times

    def ends_after(self, job: Mapping[str, Any], seconds: float) -> None:
        """Assert that a job is locked, or held back, until so many seconds after this request."""
        expiry = moment(job["lockExpirationTime"])
        length = timedelta(seconds=seconds)
        assert self.sent + length - ROUNDING <= expiry <= self.received + length + ROUNDING, (
            f"locked until {expiry} instead of {self.received + length}"
        )


def moment(text: str) -> datetime:
    """Return the time of a text that the engine wrote."""
    assert text.endswith("Z"), text
    return datetime.fromisoformat(text)


def lock_of(job: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the owner of a job and until when it is locked or held back."""
    return job["lockOwner"], job["lockExpirationTime"]


FREE: Final = (None, None)


def values_of(job: Mapping[str, Any]) -> dict[str, tuple[str | None, Any]]:
    """Return the variables of an acquired job: name to type, `None` if there is none, and value."""
    found: dict[str, tuple[str | None, Any]] = {}
    for variable in job["variables"]:
        assert set(variable) <= {"name", "type", "value"}, variable
        assert variable["name"] not in found, "a name twice"
        found[variable["name"]] = (variable.get("type"), variable["value"])
    return found
