"""Answers as the engine's server gives them: JSON of its own, of Spring Boot, or HTML of the container."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

from flowable.external_worker_client.testing.dates import job_date_text
from flowable.external_worker_client.testing.jackson import to_json

if TYPE_CHECKING:
    from flowable.external_worker_client.testing.errors import EngineError

__all__ = ["Answer", "empty_answer", "error_answer", "generic_answer", "html_answer", "json_answer", "text_answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sends back.

    Attributes:
        status: The HTTP status.
        headers: Without those about the connection and the length.
        body: Empty if there is none.
        delay: Real seconds to wait before it is sent.
        ending: `answer` is sent; `drop` closes the connection instead; `hang` sends nothing; `cut` closes it half way.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    delay: float = 0.0
    ending: Literal["answer", "drop", "hang", "cut"] = "answer"


#: What Spring Security adds to every answer.
_SECURITY: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "0"),
    ("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"),
    ("Pragma", "no-cache"),
    ("Expires", "0"),
    ("X-Frame-Options", "DENY"),
)
_JSON: Final = (("Content-Type", "application/json"), *_SECURITY)


def json_answer(value: object, status: int = 200) -> Answer:
    """Return JSON."""
    return Answer(status, _JSON, to_json(value))


def error_answer(error: EngineError) -> Answer:
    """Return a refusal of the engine."""
    return Answer(error.status, _JSON, to_json(error.body()))


def empty_answer(status: int, *headers: tuple[str, str]) -> Answer:
    """Return a status without a body, and without a content type."""
    return Answer(status, (*headers, *_SECURITY))


def text_answer(text: str, content_type: str) -> Answer:
    """Return plain text, in the only encoding that the engine uses for it."""
    return Answer(200, (("Content-Type", content_type), *_SECURITY), text.encode("iso-8859-1", "replace"))


def generic_answer(status: int, path: str, now: int) -> Answer:
    """Return Spring Boot's own JSON for what no part of the engine has answered."""
    timestamp = job_date_text(now, keep_fraction=True).replace("Z", "+00:00")
    body = {"timestamp": timestamp, "status": status, "error": HTTPStatus(status).phrase, "path": path}
    return json_answer(body, status)


def html_answer(status: int) -> Answer:
    """Return the page of the servlet container, for what does not reach the application."""
    title = f"HTTP Status {status} – {HTTPStatus(status).phrase}"  # noqa: RUF001 - the dash is the container's
    page = f'<!doctype html><html lang="en"><head><title>{title}</title></head><body><h1>{title}</h1></body></html>'
    return Answer(status, (("Content-Type", "text/html;charset=utf-8"),), page.encode())
