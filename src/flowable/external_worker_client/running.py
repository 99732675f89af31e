"""A worker at work: how handlers of each kind are called, and what is opened and closed around them."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from typing import Any, Self, cast

from flowable.external_worker_client import durations, settings
from flowable.external_worker_client.client import (
    ExternalWorkerClient,
    ExternalWorkerSubscription,
    clock_of,
    policy_of,
    start_work,
    stop_work,
    wait_until_stopped,
)
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.errors import InvalidArgumentError, MissingExtraError, shorten
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handlers import ready
from flowable.external_worker_client.handlers.context import Context, StopSignal
from flowable.external_worker_client.handlers.declared import Declared
from flowable.external_worker_client.job_options import JobOptions, Plan, resolve, total_concurrency
from flowable.external_worker_client.policies import RetryPolicy
from flowable.external_worker_client.rest.choice import why_not_fast
from flowable.external_worker_client.runtime import failure, signals
from flowable.external_worker_client.runtime.client_runtime import Handling
from flowable.external_worker_client.runtime.company import SharedLookout
from flowable.external_worker_client.runtime.loop import Loop, on_a_thread
from flowable.external_worker_client.runtime.places import SharedBudget
from flowable.external_worker_client.runtime.processes import NotPicklableError, ProcessPool
from flowable.external_worker_client.runtime.signals import Caught
from flowable.external_worker_client.runtime.stop import Stop
from flowable.external_worker_client.worker_result import Executable

_logger = logging.getLogger(__name__)

Job = ExternalWorkerAcquireJobResponse

Lifespan = Callable[[], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]
"""Opens what handlers share, and closes it after the last job: a function that returns a context manager."""

#: What handlers that were cancelled get to be settled, before a client that was made for them is closed.
_TO_SETTLE = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """One handler of a worker.

    Attributes:
        topic: Its topic.
        declared: The handler.
        options: Its own, with those of its workers that it does not set.
        processes: How many processes it runs in. `None`: none.
        executor: What it runs on. `None`: nothing of somebody's own.
        lifespans: What is opened around it, the outermost first. It gets what the last one yields.
    """

    topic: str
    declared: Declared
    options: JobOptions
    processes: int | None
    executor: Executor | None
    lifespans: tuple[Lifespan, ...]


class Running:
    """A worker at work, for the time of a `with` or `async with` block. Made by `Worker.running`.

    Args:
        entries: The handlers.
        client: Where the engine is. `None`: one is made from the environment, and closed at the end.
        grace: How long the end waits. `None`: as long as the locks of what is running.
        catches: Whether signals are caught that tell the program to stop, for `wait`. On the main thread only.
        total: How many jobs of all handlers together are held at once. `None`: as the environment says, or any number.

    Attributes:
        subscriptions: By topic, inside of the block.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        client: ExternalWorkerClient | None,
        grace: DurationLike | None,
        *,
        catches: bool = False,
        total: int | None = None,
    ) -> None:
        self._entries = entries
        self._total = total
        self._budget: SharedBudget | None = None
        self._given = client
        self._grace = None if grace is None else durations.retry_timeout(grace, "grace").seconds
        self._catches = catches
        self._caught: Caught | None = None
        self._client: ExternalWorkerClient | None = None
        self._left: ExitStack | AsyncExitStack | None = None
        self.subscriptions: dict[str, ExternalWorkerSubscription] = {}

    def __enter__(self) -> Self:
        """Start."""
        self._refuse_twice()
        plans, total = self._plans(), total_concurrency(self._total)
        with ExitStack() as stack:
            client = self._given
            if client is None:
                client = client_from_environment()
                stack.callback(self._close, client)
            loop = Loop(clock=clock_of(client))
            stack.callback(loop.stop)
            if any(entry.declared.kind == "async" for entry in self._entries):
                loop.start()
            yielded: list[tuple[Lifespan, object]] = []
            for lifespan in self._lifespans():
                opened = _opened(lifespan)
                if isinstance(opened, AbstractAsyncContextManager):
                    loop.start()
                    opened = loop.held(opened)
                yielded.append((lifespan, opened.__enter__()))
                # Whatever ends the worker, it is closed in the usual way, and cannot swallow that.
                stack.callback(opened.__exit__, None, None, None)
            pools = self._pools()
            for pool in pools.values():
                stack.callback(pool.close)
            if self._catches:
                # Not before: until jobs are acquired, a signal may end the program.
                self._caught = stack.enter_context(signals.caught())
            # What outlasts the grace ends before what it uses is closed.
            stack.callback(loop.cancel)
            stack.callback(self._stop)
            self._start(client, plans, total, loop, yielded, pools)
            self._left = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop, wait for what runs, and close what was opened."""
        stack, self._left = self._left, None
        if isinstance(stack, ExitStack):
            stack.close()

    async def __aenter__(self) -> Self:
        """Start, with coroutine handlers on the running loop."""
        self._refuse_twice()
        plans, total = self._plans(), total_concurrency(self._total)
        async with AsyncExitStack() as stack:
            client = self._given
            if client is None:
                client = await on_a_thread(client_from_environment)
                stack.push_async_callback(on_a_thread, functools.partial(self._close, client))
            yielded: list[tuple[Lifespan, object]] = []
            for lifespan in self._lifespans():
                opened = _opened(lifespan)
                if isinstance(opened, AbstractAsyncContextManager):
                    value = await opened.__aenter__()
                    stack.push_async_callback(opened.__aexit__, None, None, None)
                else:
                    value = await on_a_thread(opened.__enter__)
                    stack.push_async_callback(on_a_thread, functools.partial(opened.__exit__, None, None, None))
                yielded.append((lifespan, value))
            pools = self._pools()
            for pool in pools.values():
                stack.push_async_callback(on_a_thread, pool.close)
            loop = Loop(asyncio.get_running_loop(), clock=clock_of(client))
            # What outlasts the grace ends before what it uses is closed.
            stack.push_async_callback(loop.cancel_here)
            # Waiting for coroutines must not block the loop that they run on.
            stack.push_async_callback(on_a_thread, self._stop)
            self._start(client, plans, total, loop, yielded, pools)
            self._left = stack.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop, wait for what runs, and close what was opened."""
        stack, self._left = self._left, None
        if isinstance(stack, AsyncExitStack):
            await stack.aclose()

    def wait(self, grace: float | None) -> None:
        """Wait until the program is told to stop, and until everything has ended. See `Worker.run`."""
        assert self._client is not None and self._caught is not None  # noqa: S101, PT018 - inside of the block only
        wait_until_stopped(self._client, grace, self._caught)

    def _refuse_twice(self) -> None:
        if self._left is not None:
            raise RuntimeError("the worker is at work already: worker.running(client) makes another one")

    def _plans(self) -> list[Plan]:
        """Resolve all options before anything is opened."""
        return [resolve(entry.topic, entry.declared, entry.options, entry.processes) for entry in self._entries]

    def _pools(self) -> dict[str, ProcessPool[Any, Any]]:
        """Return the processes of the handlers that have some, by topic. None is started yet."""
        return {entry.topic: ProcessPool(_call, entry.processes) for entry in self._entries if entry.processes}

    def _start(
        self,
        client: ExternalWorkerClient,
        plans: Sequence[Plan],
        total: int | None,
        loop: Loop,
        yielded: Sequence[tuple[Lifespan, object]],
        pools: Mapping[str, ProcessPool[Any, Any]],
    ) -> None:
        self.subscriptions = {}
        self._client = client
        shares = [
            next((value for key, value in yielded if entry.lifespans and key == entry.lifespans[-1]), None)
            for entry in self._entries
        ]
        # All of them, before the first job is acquired.
        for entry, shared in zip(self._entries, shares, strict=True):
            _check_shared(entry.declared, shared)
        lookout = None
        if len(plans) > 1:
            lookout = SharedLookout(min(plan.options.wait for plan in plans), random.random)
        budget = None
        if total is not None:
            weights = {entry.topic: plan.weight for entry, plan in zip(self._entries, plans, strict=True)}
            budget = SharedBudget(total, weights, clock_of(client).now)
        self._budget = budget
        for entry, plan, shared in zip(self._entries, plans, shares, strict=True):
            calls = _Calls(entry, plan, client, shared, loop, pools.get(entry.topic))
            places = None if budget is None else budget.places(entry.topic)
            options = replace(plan.options, lookout=lookout, places=places)
            self.subscriptions[entry.topic] = start_work(client, options, calls.policy, calls.handling)

    def _lifespans(self) -> list[Lifespan]:
        """Return those that are to be entered, each once, outer ones before those that they are around."""
        found: list[Lifespan] = []
        for entry in self._entries:
            # Not in a set: an object that can be called need not have a hash.
            found += [each for each in entry.lifespans if each not in found]
        return found

    def _stop(self) -> None:
        stop_work(self.subscriptions.values(), self._grace)

    def _close(self, client: ExternalWorkerClient) -> None:
        # With a grace, that is over.
        client.close(None if self._grace is None else _TO_SETTLE)


def client_from_environment(environment: Mapping[str, str] | None = None) -> ExternalWorkerClient:
    """Make a client from the environment (see `settings`).

    Args:
        environment: The variables. `None`: those of the process.

    Raises:
        SettingsError: One is missing, or is not what is accepted.
    """
    found = os.environ if environment is None else environment
    host, transport = settings.url(found), settings.transport(found)
    if transport is None:
        reason = why_not_fast(host, found)
        transport = "requests" if reason else "fast"
        _logger.info("Requests to the engine use the %s transport%s", transport, f": {reason}" if reason else "")
    try:
        return ExternalWorkerClient(
            host,
            worker_id=found.get("FLOWABLE_WORKER_ID") or None,
            auth=settings.auth(found),
            journal=found.get("FLOWABLE_JOURNAL") or None,
            engine=found.get("FLOWABLE_ENGINE") or None,
            requests_at_once=settings.requests_at_once(found),
            transport=transport,
        )
    except MissingExtraError as error:
        raise settings.SettingsError("FLOWABLE_TRANSPORT", f"is {transport!r}, but {error}") from None
    except InvalidArgumentError as error:
        variable = _VARIABLES.get(error.parameter)
        if variable is None:
            raise
        message = f"is {shorten(error.value)}, which is not accepted: it must be {error.accepted}"
        raise settings.SettingsError(variable, message) from None


_VARIABLES = {
    "flowable_host": "FLOWABLE_URL",
    "worker_id": "FLOWABLE_WORKER_ID",
    "engine": "FLOWABLE_ENGINE",
    "journal": "FLOWABLE_JOURNAL",
    "requests_at_once": "FLOWABLE_REQUESTS_AT_ONCE",
}


def _opened(lifespan: Lifespan) -> AbstractContextManager[Any] | AbstractAsyncContextManager[Any]:
    opened: object = lifespan()
    if isinstance(opened, AbstractContextManager | AbstractAsyncContextManager):
        return cast("AbstractContextManager[Any]", opened)
    if asyncio.iscoroutine(opened):
        opened.close()
    accepted = "a function that returns a context manager: decorate it with contextlib.(async)contextmanager"
    raise InvalidArgumentError("lifespan", lifespan, accepted)


def _check_shared(declared: Declared, shared: object) -> None:
    """Refuse a handler that wants an item of what is shared which is not there: each of its jobs would fail.

    Raises:
        InvalidHandlerError: It is not there.
    """
    for parameter, item in declared.shared.items():
        if item is None:
            continue
        try:
            cast("Mapping[str, object]", shared)[item]
        except Exception as error:
            found = f"a {type(shared).__name__}"
            if isinstance(shared, Mapping):
                found += f" with {', '.join(map(shorten, cast('Mapping[object, object]', shared))) or 'nothing in it'}"
            what = f"its parameter {parameter!r} is Shared({item!r}), and the lifespan yielded {found}"
            raise declared.refuse(what, f"a lifespan that yields a mapping with {item!r}") from error


class _Calls:
    """How one handler is called, whatever its kind.

    Args:
        entry: The handler.
        plan: Its options.
        client: Where its jobs come from.
        shared: What its lifespan yielded.
        loop: What coroutines run on.
        pool: Its processes. `None`: it has none.
    """

    def __init__(
        self,
        entry: Entry,
        plan: Plan,
        client: ExternalWorkerClient,
        shared: object,
        loop: Loop,
        pool: ProcessPool[Any, Any] | None,
    ) -> None:
        self._entry = entry
        self._client = client
        self._shared = shared
        self._loop = loop
        self._pool = pool
        self._timeout = plan.timeout
        self.policy = _policy(plan.retry or policy_of(client), entry.declared)
        declared = entry.declared
        if plan.timeout is not None and pool is None and entry.executor is None:
            declared = declared.within(innermost=(ready.time_limit(plan.timeout),))
        self._declared = declared

    def handling(self, stop: Stop) -> Handling:
        """Return how the handler is called, for a subscription that this tells to stop."""
        declared = self._declared
        if declared.kind == "async":
            signal = self._loop.signal(stop)

            def run(job: Job) -> Awaitable[Executable]:
                return declared.run_async(job, self._context(job, signal, stop))

            return Handling(_not_here, lambda job, done: self._loop.submit(run, job, done))
        invoke = None
        if self._pool is not None:
            invoke = functools.partial(_in_a_process, declared, self._pool, self._timeout)
        elif self._entry.executor is not None:
            invoke = functools.partial(_on_an_executor, self._entry, self._entry.executor, self._timeout)
        return Handling(lambda job: declared.run(job, self._context(job, stop, stop), invoke=invoke))

    def _context(self, job: Job, signal: StopSignal, stop: Stop) -> Context:
        return Context(
            job,
            topic=self._entry.topic,
            worker_id=self._client.worker_id,
            client=self._client,
            attempt=failure.attempt(job.retries, job.exception_message, self.policy),
            stop=signal,
            now=stop.clock.now,
            shared=self._shared,
            logger=self._declared.module,
        )


def _policy(policy: RetryPolicy, declared: Declared) -> RetryPolicy:
    """Return the retry policy with what the tables of exceptions say of it."""
    if not declared.retry_policies:
        return policy
    return replace(policy, exceptions={**policy.exceptions, **declared.retry_policies})


def _not_here(job: Job) -> Executable:
    raise RuntimeError(f"job {job.id}: a coroutine handler runs on its loop")


def _call(call: tuple[Callable[..., object], dict[str, object]]) -> object:
    """Call a handler, in its process."""
    function, given = call
    return function(**given)


def _in_a_process(
    declared: Declared,
    pool: ProcessPool[Any, Any],
    timeout: float | None,
    function: Callable[..., object],
    given: dict[str, object],
) -> object:
    try:
        return pool.call((function, given), timeout)
    except NotPicklableError as error:
        if not error.returned:
            raise
        # The work is done, and doing it again would end the same.
        raise declared.refuse_outcome("returned what cannot be sent back from its process", error)  # noqa: B904 - it is


class OneCall:
    """One call of a handler, to be made on somebody's own executor. Picklable if the handler and its arguments are.

    A Dask cluster makes calls that look alike only once, whoever asks, and gives all the same result; two jobs with the
    same variables are two jobs. It also takes keyword arguments such as `key` and `priority` for its own.

    Args:
        function: The handler.
        given: Its arguments, by name.
    """

    def __init__(self, function: Callable[..., object], given: Mapping[str, object]) -> None:
        self._function = function
        self._given = given
        # What a cluster shows, and estimates durations by.
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    def __call__(self) -> object:
        """Call it."""
        return self._function(**self._given)

    def __dask_tokenize__(self) -> str:
        """Return what no other call has."""
        return uuid.uuid4().hex


def _on_an_executor(
    entry: Entry, executor: Executor, timeout: float | None, function: Callable[..., object], given: dict[str, object]
) -> object:
    future: Future[object] = executor.submit(OneCall(function, given))
    try:
        return future.result(timeout)
    except TimeoutError:
        if future.done():
            # It raised that itself, or has ended just now.
            return future.result()
    # What an executor runs cannot be ended; what it has not begun can.
    if not future.cancel():
        _logger.warning(
            "Topic %r: %s still runs on its executor after its time-out of %g s, and nothing can end it there",
            entry.topic,
            entry.declared.name,
            timeout,
        )
    raise ready.TimeLimitExceededError(entry.declared.name, timeout or 0.0)
