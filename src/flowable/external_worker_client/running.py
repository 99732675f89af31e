"""A worker at work: how handlers of each kind are called, and what is opened and closed around them."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    contextmanager,
)
from dataclasses import dataclass, replace
from typing import Any, Self

from flowable.external_worker_client import durations, settings
from flowable.external_worker_client.client import ExternalWorkerClient, ExternalWorkerSubscription, start_work
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handlers import ready
from flowable.external_worker_client.handlers.context import Context
from flowable.external_worker_client.handlers.declared import Declared
from flowable.external_worker_client.job_options import JobOptions, Plan, resolve
from flowable.external_worker_client.policies import RetryPolicy
from flowable.external_worker_client.runtime import failure
from flowable.external_worker_client.runtime.client_runtime import Handling
from flowable.external_worker_client.runtime.loop import Loop
from flowable.external_worker_client.runtime.processes import ProcessPool
from flowable.external_worker_client.runtime.stop import Stop
from flowable.external_worker_client.worker_result import Executable

Job = ExternalWorkerAcquireJobResponse

Lifespan = Callable[[], AbstractContextManager[object] | AbstractAsyncContextManager[object]]
"""Opens what handlers share, and closes it after the last job: a function that returns a context manager."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One handler of a worker.

    Attributes:
        topic: Its topic.
        declared: The handler.
        options: Its own, with those of its workers that it does not set.
        processes: How many processes it runs in. `None`: none.
        executor: What it runs on. `None`: nothing of somebody's own.
        lifespan: Opens what it shares with others. `None`: nothing.
    """

    topic: str
    declared: Declared
    options: JobOptions
    processes: int | None
    executor: Executor | None
    lifespan: Lifespan | None


class Running:
    """A worker at work, for the time of a `with` or `async with` block. Made by `Worker.running`.

    Attributes:
        subscriptions: By topic.
    """

    def __init__(
        self, entries: Sequence[Entry], client: ExternalWorkerClient | None, grace: DurationLike | None
    ) -> None:
        self._entries = entries
        self._given = client
        self._grace = None if grace is None else durations.retry_timeout(grace, "grace").seconds
        self._stack = ExitStack()
        self._async_stack = AsyncExitStack()
        self.subscriptions: dict[str, ExternalWorkerSubscription] = {}

    def __enter__(self) -> Self:
        """Start."""
        with ExitStack() as stack:
            client = self._given or stack.enter_context(client_from_environment())
            loop = Loop()
            stack.callback(loop.stop)
            loop.start()
            shared: dict[Lifespan, object] = {}
            for lifespan in self._lifespans():
                shared[lifespan] = stack.enter_context(_entered(lifespan, loop))
            stack.callback(self._stop)
            self._start(client, loop, shared, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop, wait for what runs, and close what was opened."""
        self._stack.__exit__(None, None, None)

    async def __aenter__(self) -> Self:
        """Start, with coroutine handlers on the running loop."""
        async with AsyncExitStack() as stack:
            client = self._given
            if client is None:
                client = client_from_environment()
                stack.push_async_callback(asyncio.to_thread, client.close)
            shared: dict[Lifespan, object] = {}
            for lifespan in self._lifespans():
                opened = lifespan()
                if isinstance(opened, AbstractAsyncContextManager):
                    shared[lifespan] = await stack.enter_async_context(opened)
                else:
                    shared[lifespan] = stack.enter_context(opened)
            # Waiting for coroutines must not block the loop that they run on.
            stack.push_async_callback(asyncio.to_thread, self._stop)
            self._start(client, Loop(asyncio.get_running_loop()), shared, stack)
            self._async_stack = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop, wait for what runs, and close what was opened."""
        await self._async_stack.__aexit__(None, None, None)

    def _start(
        self,
        client: ExternalWorkerClient,
        loop: Loop,
        shared: Mapping[Lifespan, object],
        stack: ExitStack | AsyncExitStack,
    ) -> None:
        # All are resolved before the first one starts.
        plans = [resolve(entry.topic, entry.declared, entry.options, entry.processes) for entry in self._entries]
        for entry, plan in zip(self._entries, plans, strict=True):
            given = shared[entry.lifespan] if entry.lifespan else None
            handling = functools.partial(_handling, entry, plan, client, loop, given, stack)
            policy = _policy(plan.retry, entry.declared)
            self.subscriptions[entry.topic] = start_work(client, plan.options, policy, handling)

    def _lifespans(self) -> list[Lifespan]:
        """Return those that are to be entered, each once."""
        return list(dict.fromkeys(entry.lifespan for entry in self._entries if entry.lifespan))

    def _stop(self) -> None:
        subscriptions = list(self.subscriptions.values())
        for subscription in subscriptions:
            subscription.event.set()
        for subscription in subscriptions:
            subscription.unsubscribe(self._grace)


def client_from_environment(environment: Mapping[str, str] | None = None) -> ExternalWorkerClient:
    """Make a client from the environment (see `settings`).

    Args:
        environment: The variables. `None`: those of the process.

    Raises:
        SettingsError: One is missing, or is not what is accepted.
    """
    found = os.environ if environment is None else environment
    return ExternalWorkerClient(
        settings.url(found),
        worker_id=found.get("FLOWABLE_WORKER_ID") or None,
        auth=settings.auth(found),
        journal=found.get("FLOWABLE_JOURNAL") or None,
        engine=found.get("FLOWABLE_ENGINE") or None,
    )


def _policy(retry: RetryPolicy | None, declared: Declared) -> RetryPolicy | None:
    """Return the retry policy with what the tables of exceptions say of it."""
    if not declared.retry_policies:
        return retry
    policy = retry or RetryPolicy()
    return replace(policy, exceptions={**policy.exceptions, **declared.retry_policies})


def _handling(
    entry: Entry,
    plan: Plan,
    client: ExternalWorkerClient,
    loop: Loop,
    shared: object,
    stack: ExitStack | AsyncExitStack,
    stop: Stop,
) -> Handling:
    """Return how a handler is called, whatever its kind."""
    declared = entry.declared
    policy = plan.retry or RetryPolicy()

    def context(job: Job) -> Context:
        return Context(
            job,
            topic=entry.topic,
            worker_id=client.worker_id,
            client=client,
            attempt=failure.attempt(job.retries, job.exception_message, policy),
            stop=stop,
            now=stop.clock.now,
            shared=shared,
            logger=declared.module,
        )

    if entry.processes is not None:
        pool: ProcessPool[Any, Any] = ProcessPool(_call, entry.processes)
        stack.callback(pool.close)
        return Handling(lambda job: declared.run(job, context(job), invoke=_in_a_process(pool, plan.timeout)))
    if entry.executor is not None:
        invoke = functools.partial(_on_an_executor, entry.executor, plan.timeout)
        return Handling(lambda job: declared.run(job, context(job), invoke=invoke))
    if plan.timeout is not None:
        declared = declared.within(middleware=(ready.time_limit(plan.timeout),))
    if declared.kind == "sync":
        return Handling(lambda job: declared.run(job, context(job)))

    def run(job: Job) -> Awaitable[Executable]:
        return declared.run_async(job, context(job))

    return Handling(_not_here, lambda job, done: loop.submit(run, job, done))


def _not_here(job: Job) -> Executable:
    raise RuntimeError(f"job {job.id}: a coroutine handler runs on its loop")


def _call(call: tuple[Callable[..., object], dict[str, object]]) -> object:
    """Call a handler, in its process."""
    function, given = call
    return function(**given)


def _in_a_process(
    pool: ProcessPool[Any, Any], timeout: float | None
) -> Callable[[Callable[..., object], dict[str, object]], object]:
    return lambda function, given: pool.call((function, given), timeout)


def _on_an_executor(
    executor: Executor, timeout: float | None, function: Callable[..., object], given: dict[str, object]
) -> object:
    future = executor.submit(function, **given)
    try:
        return future.result(timeout)
    except TimeoutError:
        if future.done():
            raise
        # What an executor runs cannot be ended; what it has not begun can.
        future.cancel()
        raise TimeoutError(f"the handler took longer than its time-out of {timeout:g} s on its executor") from None


@contextmanager
def _entered(lifespan: Lifespan, loop: Loop) -> Generator[object]:
    """Enter a lifespan, sync or async, from a thread that is not the loop's."""
    opened = lifespan()
    if isinstance(opened, AbstractAsyncContextManager):
        value = loop.call(_coroutine(opened.__aenter__()))
        try:
            yield value
        finally:
            loop.call(_coroutine(opened.__aexit__(None, None, None)))
    else:
        with opened as value:
            yield value


async def _coroutine(awaitable: Awaitable[object]) -> object:
    return await awaitable
