"""A real engine as cases see it."""

from __future__ import annotations

import struct
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from tests.conformance.bpmn import to_xml
from tests.conformance.engines import Credentials, Engine
from tests.conformance.http_door import HttpDoor
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.conformance.answers import Answer

    from flowable.external_worker_client.testing import Case, Process
    from flowable.external_worker_client.testing.real_engine import RealEngine

T = TypeVar("T")


class RealUnderTest(Engine):
    """A real engine, shared with other tests. To be closed.

    Args:
        engine: Access to it.
        release: Such as `7.2.0`.
    """

    def __init__(self, engine: RealEngine, release: str) -> None:
        self.release = tuple(int(part) for part in release.split("."))
        self._engine = engine
        self._http = HttpDoor(engine.url, self.now)

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, credentials: Credentials
    ) -> Answer:
        """Send it over HTTP."""
        return self._http.send(method, target, headers, body, credentials)

    def deploy(self, models: Sequence[Process | Case], tenant: str) -> None:
        """Deploy them as XML, together."""
        self._engine.deploy(*map(to_xml, models), tenant=tenant or None)

    def now(self) -> datetime:
        """Return this machine's time, which is the engine's."""
        return datetime.now(UTC)

    def pass_time(self, seconds: float) -> None:
        """Wait: what the engine's clock has to show cannot be seen otherwise."""
        time.sleep(seconds)

    def until(self, look: Callable[[], T], enough: Callable[[T], bool]) -> T:
        """Look, with a deadline."""
        return until(look, enough, deadline=60)

    def hasten(self, instance: str) -> None:
        """Have the engine do what it has put off, by its management API."""
        listed = self.call("GET", f"/management/timer-jobs?processInstanceId={instance}").json["data"]
        for timer in listed:
            # A 404: the engine was faster.
            moved = self.ask("POST", f"/management/timer-jobs/{timer['id']}", {"action": "move"})
            assert moved.status in {204, 404, 500}, str(moved)

    def open_tasks(self, instance: str) -> list[str]:
        """Ask the engine."""
        return sorted(task.element_id for task in self._engine.tasks(instance))

    def set_unreadable(self, instance: str, *, binary: str, java_object: str) -> None:
        """Upload both."""
        for name, kind, content in ((binary, "binary", b"\x01\x02"), (java_object, "serializable", java_uuid())):
            self._engine._call(
                "POST",
                f"/runtime/process-instances/{instance}/variables",
                files={"file": ("value", content, "application/x-java-serialized-object")},
                data={"name": name, "type": kind},
            )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def java_uuid() -> bytes:
    """Return a `java.util.UUID` as Java serializes it."""
    value = uuid.UUID("12345678-1234-1234-1234-123456789abc").int
    head = bytes.fromhex("aced00057372000e") + b"java.util.UUID" + bytes.fromhex("bc9903f7986d852f0200024a000c")
    return head + b"leastSigBitsJ\x00\x0bmostSigBitsxp" + struct.pack(">QQ", value & (2**64 - 1), value >> 64)
