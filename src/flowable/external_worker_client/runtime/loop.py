"""Event loops that coroutine handlers run on: one of the client's own, or the caller's.

Nothing is settled there, and nothing waits there but handlers: a subscription's threads start a coroutine, and are told
when it has ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.runtime import inside
from flowable.external_worker_client.worker_result import Executable

#: How long the thread of a loop is waited for: a handler that swallows its cancellation keeps it.
_TO_END = 5.0  # seconds

T = TypeVar("T")
Job = ExternalWorkerAcquireJobResponse
Handler = Callable[[Job], Awaitable[Executable]]


class Loop:
    """Runs coroutine handlers on an event loop.

    Args:
        loop: The caller's, which the caller runs. `None`: one of its own, on a thread of its own, from `start` to
            `stop`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._own = loop is None
        self._loop = loop or asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the loop's thread, if it has one of its own and that does not run yet."""
        if self._own and self._thread is None:
            # Not a daemon: a program whose main thread has ended lives on for its handlers.
            self._thread = threading.Thread(target=self._run, name="flowable-loop", daemon=False)
            self._thread.start()

    def stop(self) -> None:
        """End a loop of its own, and wait a moment for its thread. What still runs on it is cancelled."""
        if self._thread is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_TO_END)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run something on a loop of its own, from another thread, and wait for what it returns or raises."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def submit(self, handler: Handler, job: Job, done: Callable[[Executable | BaseException], None]) -> None:
        """Start a handler, from any thread.

        Args:
            handler: The handler.
            job: What it is called with.
            done: Told, on the loop's thread, what it decided or raised.

        Raises:
            RuntimeError: The loop is closed.
        """
        self._loop.call_soon_threadsafe(self._spawn, handler, job, done)

    def _spawn(self, handler: Handler, job: Job, done: Callable[[Executable | BaseException], None]) -> None:
        task = self._loop.create_task(_see_through(handler, job, done), name=f"flowable-job-{job.id}")
        # A loop holds its tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _run(self) -> None:
        try:
            asyncio.set_event_loop(self._loop)
            self._loop.run_forever()
        finally:
            for task in self._tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


async def _see_through(handler: Handler, job: Job, done: Callable[[Executable | BaseException], None]) -> None:
    inside.enter()
    try:
        outcome: Executable | BaseException = await handler(job)
    except BaseException as error:  # noqa: BLE001 - a cancelled handler, or sys.exit() in one, is a failed job
        outcome = error
    done(outcome)
