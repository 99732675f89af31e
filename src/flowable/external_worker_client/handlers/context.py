"""What a handler can know besides variables: where it runs, how long it may, and whether it is to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from typing import Any, NoReturn, Protocol, cast

from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse

#: How often a coroutine looks for a stop that cannot be awaited.
_LOOK_EVERY = 0.1  # seconds


class StopSignal(Protocol):
    """Tells whether a worker is to stop. `threading.Event` is one.

    With a method `async wait_async(timeout)`, coroutines wait by it; without, they look from time to time.
    """

    def is_set(self) -> bool:
        """Tell whether it is to stop."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is to stop, at most so many seconds, and tell whether it is. `None`: as long as it takes."""
        ...


class _Never:
    """Where nobody ever asks to stop."""

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None:
            raise RuntimeError("there is no worker that could be stopped: waiting for it would never end")
        time.sleep(max(timeout, 0.0))
        return False

    async def wait_async(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - the caller's is for the end
        if timeout is None:
            raise RuntimeError("there is no worker that could be stopped: waiting for it would never end")
        await asyncio.sleep(max(timeout, 0.0))
        return False


_NEVER = _Never()


class JobLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose records have the attributes `topic`, `job_id` and `correlation_id`."""

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[object, MutableMapping[str, Any]]:
        """Add them to what the call gives itself."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


class Context:
    """What surrounds one call of a handler. A parameter annotated with it gets it.

    Made by the worker; a test that calls a handler itself can make one from a job alone.

    Args:
        job: See below. So are the others.
        topic: Empty: the element of the job in the model.
        worker_id: Under which the job is locked.
        client: See below.
        attempt: See below.
        stop: Tells whether the worker is to stop. `None`: it never is.
        now: Tells the time of the worker.
        shared: See below.
        logger: Name of the logger. `None`: that of this module.

    Attributes:
        job: The job.
        topic: On which it came.
        worker_id: Under which it is locked.
        client: The `ExternalWorkerClient`. `None` in a test without one.
        attempt: Which attempt at this job it is, from 1.
        shared: What the `lifespan` of the worker yielded. `None` without one.
        now: Returns seconds on a clock that never goes back. Only differences mean anything.
    """

    __slots__ = (
        "_logger",
        "_logger_name",
        "_stop",
        "attempt",
        "client",
        "job",
        "now",
        "shared",
        "topic",
        "worker_id",
    )

    def __init__(
        self,
        job: ExternalWorkerAcquireJobResponse,
        *,
        topic: str = "",
        worker_id: str = "",
        client: Any = None,  # noqa: ANN401 - its class is in a layer above
        attempt: int = 1,
        stop: StopSignal | None = None,
        now: Callable[[], float] = time.monotonic,
        shared: Any = None,  # noqa: ANN401 - the person's own
        logger: str | None = None,
    ) -> None:
        self.job = job
        self.topic = topic or job.element_id or ""
        self.worker_id = worker_id
        self.client = client
        self.attempt = attempt
        self.shared = shared
        self.now = now
        self._stop: StopSignal = _NEVER if stop is None else stop
        self._logger_name = logger or __name__
        self._logger: JobLogger | None = None

    @property
    def logger(self) -> JobLogger:
        """A logger whose records carry topic, job id and correlation id. It is named after the handler's module."""
        if self._logger is None:
            job = self.job
            facts = {"topic": self.topic, "job_id": job.id, "correlation_id": job.correlation_id}
            self._logger = JobLogger(logging.getLogger(self._logger_name), facts)
        return self._logger

    @property
    def deadline(self) -> datetime | None:
        """When the lock of the job ends, in UTC: after that, another worker may be doing it. `None`: not known."""
        return self.job.deadline

    @property
    def time_left(self) -> float | None:
        """Seconds until `deadline`, negative when it is over. `None`: not known."""
        return self.job.time_left

    @property
    def stop_requested(self) -> bool:
        """Whether the worker is to stop: it waits for this handler, but not for ever."""
        return self._stop.is_set()

    def wait_for_stop(self, seconds: float | None = None) -> bool:
        """Wait until the worker is to stop, and tell whether it is. In place of `time.sleep` in a handler that pauses.

        Args:
            seconds: How long at most. `None`: as long as it takes.
        """
        return self._stop.wait(seconds)

    async def wait_for_stop_async(self, seconds: float | None = None) -> bool:
        """Wait as `wait_for_stop`, in a coroutine: in place of `asyncio.sleep`."""
        waits = getattr(self._stop, "wait_async", None)
        if waits is not None:
            return await cast("Callable[[float | None], Awaitable[bool]]", waits)(seconds)
        ends = None if seconds is None else time.monotonic() + seconds
        while not self._stop.is_set():
            left = _LOOK_EVERY if ends is None else ends - time.monotonic()
            if left <= 0:
                return False
            await asyncio.sleep(min(left, _LOOK_EVERY))
        return True

    def __reduce__(self) -> NoReturn:
        """Stay in this process: clock, client and stop belong to it."""
        raise TypeError("a Context does not leave its process: a handler that runs elsewhere can take the job instead")

    def __repr__(self) -> str:
        """Name the job and the attempt."""
        return f"Context(job_id={self.job.id!r}, topic={self.topic!r}, attempt={self.attempt})"
