"""An embedded Flowable for tests and demonstrations: no Java, no database, a clock that tests can move.

`EmbeddedEngine` is the engine as an object. A worker reaches it without a socket through `EmbeddedAdapter`, mounted on
its session, or over HTTP through `EmbeddedServer` (extra `testing`). `FaultProxy` stands before this or a real engine,
and lets things go wrong on the wire. Processes and cases are described in Python: `Process`, `Case`, `Task` and the
rest of `model`. `run_handler` and `make_job` test a handler without any engine; `RealEngine`, in `real_engine`, helps
with tests on a real one. The fixtures for pytest come with the library. Nothing here shares code with the client, so
that a mistake in one cannot hide behind the same mistake in the other.
"""

from __future__ import annotations

from flowable.external_worker_client.testing.adapter import EmbeddedAdapter
from flowable.external_worker_client.testing.answers import Answer
from flowable.external_worker_client.testing.clock import Clock, MovingClock, RealClock
from flowable.external_worker_client.testing.engine import EmbeddedEngine
from flowable.external_worker_client.testing.errors import EngineError
from flowable.external_worker_client.testing.fault_proxy import FaultProxy
from flowable.external_worker_client.testing.faults import Fault, Faults
from flowable.external_worker_client.testing.flow import ContinuationError
from flowable.external_worker_client.testing.handlers import run_handler, run_handler_async
from flowable.external_worker_client.testing.http import Door
from flowable.external_worker_client.testing.jumping import JumpingClock
from flowable.external_worker_client.testing.made_jobs import make_job
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
from flowable.external_worker_client.testing.outcomes import Outcome
from flowable.external_worker_client.testing.proxy_connection import Exchange
from flowable.external_worker_client.testing.proxy_faults import WireFault, WireFaults
from flowable.external_worker_client.testing.questions import difference
from flowable.external_worker_client.testing.releases import RELEASES, Release
from flowable.external_worker_client.testing.sent import SentRequest
from flowable.external_worker_client.testing.server import EmbeddedServer
from flowable.external_worker_client.testing.variables import Value
from flowable.external_worker_client.testing.views import Event, InstanceView, JobView
from flowable.external_worker_client.testing.watch import NotInTimeError

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
    "Exchange",
    "Fault",
    "FaultProxy",
    "Faults",
    "InParameter",
    "InstanceView",
    "JobView",
    "JumpingClock",
    "MovingClock",
    "NotInTimeError",
    "OutParameter",
    "Outcome",
    "Parallel",
    "Process",
    "RealClock",
    "Release",
    "SentRequest",
    "StartCase",
    "Task",
    "UserTask",
    "Value",
    "When",
    "WireFault",
    "WireFaults",
    "difference",
    "make_job",
    "run_handler",
    "run_handler_async",
]
