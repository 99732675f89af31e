"""The embedded engine, in-process and over HTTP, as cases see it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict
from tests.conformance.answers import Answer
from tests.conformance.engines import CREDENTIALS, Credentials, Engine
from tests.conformance.http_door import HttpDoor, authorization

from flowable.external_worker_client.testing import EmbeddedAdapter, EmbeddedEngine, EmbeddedServer, MovingClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flowable.external_worker_client.testing import Case, Process

T = TypeVar("T")

STARTED: Final = datetime(2026, 5, 4, 10, 25, 45, 583_000, tzinfo=UTC)
STEP: Final = 0.25  # seconds between two looks at something that is going to happen
DEADLINE: Final = 120.0  # seconds on the engine's clock
RETRY_WAIT: Final = 20.0  # seconds until a failed continuation is tried again


class EmbeddedUnderTest(Engine):
    """An embedded engine on a clock that only moves when a case lets time pass.

    Args:
        release: Such as `7.2.0`.
        executor: Whether the engine goes on and resets locks by itself.
    """

    def __init__(self, release: str, *, executor: bool) -> None:
        self.release = tuple(int(part) for part in release.split("."))
        self.clock = MovingClock()
        self.engine = EmbeddedEngine(
            release=release,
            clock=self.clock,
            started_at=STARTED,
            async_executor=executor,
            continuation_retry_interval=RETRY_WAIT,
        )
        self._adapter = EmbeddedAdapter(self.engine, auth=CREDENTIALS, host="engine.test")

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, credentials: Credentials
    ) -> Answer:
        """Send the request through the adapter, past the session, which would put odd paths in order."""
        request = PreparedRequest()
        request.method, request.url = method, f"{self._adapter.url}{target}"
        request.headers = CaseInsensitiveDict({**authorization(credentials), **headers})
        request.body = body
        now = self.now()
        answer = self._adapter.send(request)
        seen = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status_code, seen, answer.content, now, now)

    def deploy(self, models: Sequence[Process | Case], tenant: str) -> None:
        """Deploy them as they are."""
        for model in models:
            self.engine.deploy(model, tenant_id=tenant)

    def now(self) -> datetime:
        """Return the start plus what the clock says."""
        return STARTED + timedelta(seconds=self.clock.now())

    def pass_time(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.advance(seconds)

    def until(self, look: Callable[[], T], enough: Callable[[T], bool]) -> T:
        """Look, and move the clock."""
        end = self.clock.now() + DEADLINE
        while True:
            seen = look()
            if enough(seen):
                return seen
            assert self.clock.now() < end, f"not within {DEADLINE:g} s of the engine's time; seen last: {seen!r}"
            self.clock.advance(STEP)

    def hasten(self, instance: str) -> None:
        """Move the clock to the next try."""
        self.clock.advance(RETRY_WAIT)

    def open_tasks(self, instance: str) -> list[str]:
        """Ask the engine."""
        return sorted(self.engine.instance(instance).tasks)

    def set_unreadable(self, instance: str, *, binary: str, java_object: str) -> None:
        """Set bytes and a UUID."""
        self.engine.set_variables(instance, {binary: b"\x01\x02", java_object: uuid.UUID(int=1)})


class EmbeddedOverHttp(EmbeddedUnderTest):
    """The same behind a socket. Used by many cases, one after the other; to be closed."""

    def __init__(self, release: str, *, executor: bool) -> None:
        super().__init__(release, executor=executor)
        self._server = EmbeddedServer(self.engine, auth=CREDENTIALS).start()
        self._http = HttpDoor(self._server.url, self.now)

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, credentials: Credentials
    ) -> Answer:
        """Send it over HTTP."""
        return self._http.send(method, target, headers, body, credentials)

    def close(self) -> None:
        """Stop the server."""
        self._http.close()
        self._server.stop()
