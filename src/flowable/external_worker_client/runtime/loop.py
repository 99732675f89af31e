"""Event loops that coroutine handlers run on: one of the worker's own, or the caller's.

Nothing is settled there, and nothing waits there but handlers: a subscription's threads start a coroutine, and are told
when it has ended.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import TypeVar

from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handler_errors import RetryLater
from flowable.external_worker_client.runtime import clock as clocks
from flowable.external_worker_client.runtime import inside
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.stop import Stop
from flowable.external_worker_client.worker_result import Executable

_log = Log(__name__)

#: How long the thread of a loop is waited for: a handler that swallows its cancellation keeps it.
_TO_END = 5.0  # seconds

#: A handler that was cancelled from outside, or that no loop takes any more, did nothing wrong: no retry is spent.
_PAUSE_OF_THE_CANCELLED = 10.0  # seconds
_PAUSE_WITHOUT_A_LOOP = 60.0  # seconds

T = TypeVar("T")
Job = ExternalWorkerAcquireJobResponse
Handler = Callable[[Job], Awaitable[Executable]]
Done = Callable[[Executable | BaseException], None]


class Loop:
    """Runs coroutine handlers on an event loop.

    Args:
        loop: The caller's, which the caller runs. `None`: one of its own, on a thread of its own, from `start` to
            `stop`.
        clock: That of the subscriptions: one that moves by itself does not overtake handlers that run here. `None`: it
            does not matter.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, *, clock: Clock | None = None) -> None:
        self._given = loop
        self._clock = clock
        self._runs_on = threading.current_thread() if loop is not None else None
        self._lock = threading.Lock()
        self._begun = 0
        self._own: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._closing = False

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = self._given or self._own
        if loop is None:
            raise RuntimeError("the event loop was not started")
        return loop

    def start(self) -> None:
        """Start a loop of its own on a thread, unless it runs already."""
        if self._given is None and self._own is None:
            self._own = asyncio.new_event_loop()
            # Not a daemon: a program whose main thread has ended lives on for its handlers.
            self._thread = threading.Thread(target=self._run, args=(self._own,), name="flowable-loop", daemon=False)
            self._thread.start()

    def stop(self) -> None:
        """End a loop of its own, and wait a moment for its thread. What still runs on it is cancelled."""
        if self._own is None or self._thread is None:
            return
        self._stopping = True
        # It may have ended by itself meanwhile.
        with suppress(RuntimeError):
            self._own.call_soon_threadsafe(self._own.stop)
        self._thread.join(_TO_END)
        if self._thread.is_alive():
            _log.say(
                logging.WARNING,
                "%d coroutines go on after they were cancelled; the process lives until they end",
                len(self._tasks),
            )

    def cancel(self) -> None:
        """Cancel the handlers that still run on a loop of its own, from another thread, and wait a moment for them."""
        if self._own is not None and self._tasks:
            # It may have ended by itself meanwhile, or a handler may swallow its cancellation.
            with suppress(RuntimeError, TimeoutError):
                asyncio.run_coroutine_threadsafe(self.cancel_here(), self._own).result(2 * _TO_END)

    async def cancel_here(self) -> None:
        """Cancel the handlers that still run, and wait a moment for them; on the loop itself."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_TO_END)

    @contextmanager
    def held(self, opened: AbstractAsyncContextManager[T]) -> Generator[T]:
        """Enter a context manager on the loop, from another thread, and leave it there at the end.

        Both happen in one task, as task groups and cancel scopes need it.
        """
        entered: Future[T] = Future()
        leave = asyncio.Event()

        async def hold() -> None:
            async with opened as value:
                entered.set_result(value)
                await leave.wait()

        def not_entered(ended: Future[None]) -> None:
            if not entered.done():
                cancelled = ended.cancelled()
                entered.set_exception(asyncio.CancelledError() if cancelled else ended.exception() or _NO_VALUE)

        task = asyncio.run_coroutine_threadsafe(hold(), self._loop)
        task.add_done_callback(not_entered)
        value = entered.result()
        try:
            yield value
        finally:
            # A loop that is gone has cancelled the task.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(leave.set)
            task.result()

    def submit(self, handler: Handler, job: Job, done: Done) -> None:
        """Start a handler, from any thread.

        Args:
            handler: The handler.
            job: What it is called with.
            done: Told, on the loop's thread, what it decided or raised.

        Raises:
            RetryLater: The loop is closed: it was the caller's, who let go of it too soon.
        """

        def ended(outcome: Executable | BaseException) -> None:
            done(outcome)
            self._count(-1)

        self._count(1)
        try:
            self._loop.call_soon_threadsafe(self._spawn, handler, job, ended)
        except RuntimeError as error:
            self._count(-1)
            raise RetryLater(_PAUSE_WITHOUT_A_LOOP, "the event loop of the handler is closed") from error

    def signal(self, stop: Stop) -> AwaitableStop:
        """Return what tells handlers on this loop that they are to stop."""
        signal = AwaitableStop(stop)

        def told() -> None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(signal.event.set)

        stop.listen(told)
        return signal

    def _count(self, change: int) -> None:
        thread = self._thread or self._runs_on
        if self._clock is None or thread is None:
            return
        with self._lock:
            before, self._begun = self._begun, self._begun + change
            if not before:
                clocks.join(self._clock, thread)
            elif not self._begun:
                clocks.leave(self._clock, thread)

    def _spawn(self, handler: Handler, job: Job, done: Done) -> None:
        if self._closing:
            done(_put_off())
            return
        task = self._loop.create_task(_see_through(handler, job, done), name=f"flowable-job-{job.id}")
        # A loop holds its tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopping:
            try:
                loop.run_forever()
            except BaseException as error:  # noqa: BLE001 - sys.exit() in a task of a handler; its neighbours go on
                _log.say(logging.ERROR, "A task ended the event loop of the handlers; it goes on", error=error)
        self._closing = True
        try:
            loop.run_until_complete(_wind_up())
        finally:
            loop.close()


class AwaitableStop:
    """Tells coroutines whether they are to stop, and lets them wait for it. See `handlers.context.StopSignal`.

    Args:
        stop: What it is about.

    Attributes:
        event: Set, on the loop, once it is set.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self.event = asyncio.Event()

    def is_set(self) -> bool:
        """Tell whether to stop."""
        return self._stop.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, on a thread."""
        return self._stop.wait(timeout)

    async def wait_async(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - it is no error when it is over
        """Wait for it, in a coroutine."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.event.wait()
        return self.is_set()


async def on_a_thread(function: Callable[[], T]) -> T:
    """Call something that blocks, on a thread of its own, and wait for it without blocking the loop.

    When the caller is cancelled meanwhile, it is cancelled when the function has ended: what comes after it relies on
    that. Not on the loop's executor, whose threads may all be busy with what is to be waited for.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def call() -> None:
        try:
            tell = functools.partial(future.set_result, function())
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            tell = functools.partial(future.set_exception, error)
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=call, name="flowable-call", daemon=False).start()
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        future.exception()
        raise cancelled
    return future.result()


_NO_VALUE = RuntimeError("the context manager ended before it was entered")


async def _see_through(handler: Handler, job: Job, done: Done) -> None:
    inside.enter()
    outcome: Executable | BaseException
    try:
        outcome = await handler(job)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        outcome = _put_off() if task is not None and task.cancelling() else error
    except BaseException as error:  # noqa: BLE001 - sys.exit() in a handler fails its job, not the worker
        outcome = error
    try:
        done(outcome)
    finally:
        # Its trace refers to this frame.
        del outcome


def _put_off() -> RetryLater:
    return RetryLater(_PAUSE_OF_THE_CANCELLED, "the handler was cancelled, because the event loop it ran on ends")


async def _wind_up() -> None:
    loop = asyncio.get_running_loop()
    me = asyncio.current_task()
    while others := asyncio.all_tasks() - {me}:
        for task in others:
            task.cancel()
        await asyncio.wait(others)
    # What was handed over last is still to be told that it is too late.
    await asyncio.sleep(0)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
