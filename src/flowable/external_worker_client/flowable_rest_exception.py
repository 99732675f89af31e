"""What is raised when the engine does not answer as asked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from requests.exceptions import JSONDecodeError

from flowable.external_worker_client.errors import ExternalWorkerError

_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class FlowableRestException(ExternalWorkerError):
    """An answer with another status than the operation promises.

    The text is that of version 1: `Failed to call Flowable with status code 404 and content '…'`, followed by a hint
    in brackets where this library knows more than the answer says.

    Args:
        status_code: HTTP status of the answer.
        content: Body of the answer as text. `None` and `""`: there was none.
        hint: What is known beyond the answer, as a sentence without a full stop. `None`: nothing.
        headers: Headers of the answer by lower-case name. `None`: not known.

    Attributes:
        status_code: As given.
        content: As given.
        hint: As given.
        headers: As given; empty when not known.
        engine_message: The category in the body: `"Not found"`, `"Forbidden"`, … of Flowable; Spring Boot's `error`;
            the title of an HTML page. `None` when the body has none of these.
        engine_error: The detail in the body: Flowable's `exception` text, such as
            `"Could not find external worker job with id '…'."`. `None` when there is none, which is how an answer of
            a gateway or of the servlet container differs from one of the engine.
    """

    def __init__(
        self,
        status_code: int,
        content: str | None = None,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status_code = status_code
        self.content = content
        self.hint = hint
        self.headers = dict(headers or {})
        self.engine_message, self.engine_error = _read(content)
        text = f"Failed to call Flowable with status code {status_code}"
        # Not by super(): a subclass has bases of requests and json besides, whose constructors want other things.
        Exception.__init__(self, f"{text} and content '{content}'" if content else text)

    def __str__(self) -> str:
        """Return the text of version 1, and the hint if there is one."""
        return f"{self.args[0]} ({self.hint})" if self.hint else str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attributes when the exception is pickled."""
        return _rebuild, (type(self), self.status_code, self.content, self.hint, self.headers)


class UnreadableAnswerError(FlowableRestException, JSONDecodeError):
    """The status promised a result, but the body is not what the operation returns.

    Cut-off JSON, a login page with status 200, or a list where an object belongs. What the request asked for may have
    been done. Version 1 let `requests.exceptions.JSONDecodeError` through here, and this is one.
    """

    def __init__(
        self,
        status_code: int,
        content: str | None = None,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status_code, content, hint=hint, headers=headers)
        # What the constructors of the other bases would have set.
        self.response = None
        self.request = None
        self.msg = hint or "unreadable"
        self.doc = content or ""
        self.pos, self.lineno, self.colno = 0, 1, 1


def _rebuild(
    kind: type[FlowableRestException], status: int, content: str | None, hint: str | None, headers: dict[str, str]
) -> FlowableRestException:
    return kind(status, content, hint=hint, headers=headers)


def _read(content: str | None) -> tuple[str | None, str | None]:
    """Find category and detail in an error body, whatever its shape: Flowable's JSON, Spring's, HTML, anything."""
    if not content:
        return None, None
    try:
        body: object = json.loads(content)
    except (ValueError, RecursionError):
        title = _TITLE.search(content)
        return (" ".join(title[1].split()) if title else None), None
    if not isinstance(body, dict):
        return None, None
    members = cast("dict[str, object]", body)
    category = members.get("message") if "exception" in members or "error" not in members else members.get("error")
    detail = members.get("exception")
    return _text(category), _text(detail)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
