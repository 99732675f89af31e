"""An embedded Flowable for tests and demonstrations: no Java, no database, a clock that tests can move.

`EmbeddedEngine` is the engine as an object. A worker reaches it without a socket through `EmbeddedAdapter`, mounted on
its session, or over HTTP through `EmbeddedServer` (extra `testing`). Processes and cases are described in Python:
`Process`, `Case`, `Task` and the rest of `model`. Nothing here shares code with the client, so that a mistake in one
cannot hide behind the same mistake in the other.
"""

from __future__ import annotations

from flowable.external_worker_client.testing.adapter import EmbeddedAdapter
from flowable.external_worker_client.testing.answers import Answer
from flowable.external_worker_client.testing.clock import Clock, MovingClock, RealClock
from flowable.external_worker_client.testing.engine import EmbeddedEngine
from flowable.external_worker_client.testing.errors import EngineError
from flowable.external_worker_client.testing.faults import Fault, Faults
from flowable.external_worker_client.testing.flow import ContinuationError
from flowable.external_worker_client.testing.http import Door
from flowable.external_worker_client.testing.model import (
    Call,
    Case,
    Choice,
    End,
    InParameter,
    OutParameter,
    Parallel,
    Process,
    StartCase,
    Task,
    UserTask,
    When,
)
from flowable.external_worker_client.testing.releases import RELEASES, Release
from flowable.external_worker_client.testing.server import EmbeddedServer
from flowable.external_worker_client.testing.variables import Value
from flowable.external_worker_client.testing.views import Event, InstanceView, JobView

__all__ = [
    "RELEASES",
    "Answer",
    "Call",
    "Case",
    "Choice",
    "Clock",
    "ContinuationError",
    "Door",
    "EmbeddedAdapter",
    "EmbeddedEngine",
    "EmbeddedServer",
    "End",
    "EngineError",
    "Event",
    "Fault",
    "Faults",
    "InParameter",
    "InstanceView",
    "JobView",
    "MovingClock",
    "OutParameter",
    "Parallel",
    "Process",
    "RealClock",
    "Release",
    "StartCase",
    "Task",
    "UserTask",
    "Value",
    "When",
]
