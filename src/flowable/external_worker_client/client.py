"""The client: where the engine is, who we are, and what is subscribed."""

from __future__ import annotations

import functools
import logging
import os
import random
import secrets
import socket
import threading
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Self

from requests import Session
from requests.auth import AuthBase

from flowable.external_worker_client import arguments, durations
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.errors import ClientClosedError, InvalidArgumentError
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handlers import callback
from flowable.external_worker_client.policies import RetryPolicy
from flowable.external_worker_client.restclient import (
    DEFAULT_TIMEOUT,
    FlowableExternalWorkerRestClient,
    Timeout,
    TransportName,
)
from flowable.external_worker_client.runtime import signals
from flowable.external_worker_client.runtime.acquiring import Question
from flowable.external_worker_client.runtime.client_runtime import Handling, Runtime, say_still_running, wait_for_end
from flowable.external_worker_client.runtime.clock import Clock, SystemClock
from flowable.external_worker_client.runtime.inside import called_by_a_coroutine
from flowable.external_worker_client.runtime.journal import Journal
from flowable.external_worker_client.runtime.records import JournalRecords, Records
from flowable.external_worker_client.runtime.signals import Caught
from flowable.external_worker_client.runtime.stop import Stop
from flowable.external_worker_client.runtime.subscription import Consumer, Options
from flowable.external_worker_client.worker_result import Executable, WorkerResultBuilder

_logger = logging.getLogger(__name__)

DEFAULT_HOST = "https://trial.flowable.com/work"

#: Leaves room in the engine's 255 characters for process id, random part and the number of the acquire.
_LONGEST_HOST_NAME = 180

#: How often a program that waits to be told to stop looks whether its subscriptions are still there.
_LOOK = 0.5  # seconds

CallbackHandlerType = Callable[[ExternalWorkerAcquireJobResponse, WorkerResultBuilder], Executable | None]
"""A handler: gets the job and a builder, returns an outcome, or `None` for success without variables."""


class ExternalWorkerSubscription:
    """A topic being worked on. What `ExternalWorkerClient.subscribe` returns.

    Args:
        thread: The thread that runs the handler, or the first of them.
        event: Tells it to stop when set.
        consumer: What runs on its threads. `None`: nothing of this library, as in somebody's tests.

    Attributes:
        thread: As given. Not a daemon: a program whose main thread ends lives on as long as it is subscribed. It is
            the last of the subscription's threads to end.
        event: As given.
    """

    def __init__(self, thread: threading.Thread, event: threading.Event, *, consumer: Consumer | None = None) -> None:
        self.thread = thread
        self.event = event
        self._consumer = consumer

    def unsubscribe(self, timeout: float | None = None) -> bool:
        """Stop: no further job is acquired, running handlers are let finish, what was not started is given back.

        An idle wait ends at once, and an engine that does not answer is waited for no longer than two seconds when it
        was asked for jobs, and ten when it was asked to take jobs back. May be called more than once, from any thread,
        also from a handler of the subscription, which then is not waited for. While the engine cannot be reached, a
        result that is ready is sent again for nine tenths of the time-out; without a time-out, until the lock of its
        job ends.

        Args:
            timeout: Seconds to wait for running handlers and their results. `None`: until the last lock of what is
                running ends.

        Returns:
            Whether the subscription has ended: `True` means that no handler of it starts any more, and all results
            were delivered or given up. `False`: a handler was still running when the time was up, or is the caller; no
            further one starts. What still runs is named in the log; its jobs stay locked, and are settled when it
            ends after all.
        """
        if timeout is not None:
            timeout = arguments.seconds(timeout, "timeout")
        if isinstance(self.event, Stop):
            self.event.within(timeout)
        else:
            self.event.set()
        current = threading.current_thread()
        if self.thread is current or called_by_a_coroutine():
            return False
        if self._consumer is not None and self._consumer.runs_on(current):
            return False
        if self._consumer is not None:
            ended = wait_for_end([self._consumer], timeout)
            if not ended:
                say_still_running([self._consumer])
            return ended
        self.thread.join(timeout)
        return not self.thread.is_alive()

    def wake(self) -> None:
        """Ask for jobs now, instead of when the wait between two questions is over; the waits begin anew, short.

        For a program that knows that there is work, because it started a process instance itself, say. From any thread,
        and as often as wanted: one question at a time is on the wire. Nothing happens while all handlers are busy,
        while a limit (`rate_limit`, `circuit_breaker`) allows no job, or once it is told to stop; after questions that
        failed, the next one comes a second after the last at the earliest, and not before the time that the server has
        asked for.
        """
        if self._consumer is not None:
            self._consumer.wake()

    def __repr__(self) -> str:
        """Say what it is doing."""
        working = "stopping" if self.event.is_set() else "active"
        state = working if self.thread.is_alive() else "ended"
        return f"ExternalWorkerSubscription({self.thread.name!r}, {state})"


class ExternalWorkerClient:
    """A worker program's side of the engine.

    Nothing is sent before the first `subscribe`. A client is also a context manager: leaving the block closes it, and
    waits as long as the locks of what is running.

    Args:
        flowable_host: Address of the engine up to before `/external-job-api`, such as
            `"http://localhost:8090/flowable-rest"`. By default the public trial cloud.
        worker_id: The name that jobs are locked under, at most 255 characters. Give one only if it is unique among
            running processes: two with the same name can settle each other's jobs. `None`: host name, process id and a
            random part, and every acquire adds a number of its own, so that an answer that comes late cannot hit a
            lock that was taken since.
        auth: Any `AuthBase` of requests, such as `HTTPBasicAuth` or `FlowableCloudToken`. `None`: none.
        customize_session: Called once, last, with the `requests.Session` of this client. `None`: nothing to do.
        timeout: Seconds to connect and seconds to wait for an answer of the engine, or one number for both. By default
            5 and 35.
        clock: Time for the subscriptions. `None`: the machine's. For tests.
        journal: Path of a file in which started jobs and their outcomes are kept until the engine has them, so that a
            process that is killed does not cost a result; its folder has to exist. Processes of one machine may share
            it. It survives the end of the process in any way, not a loss of power; the file holds variables, and only
            its owner can read it. Trouble with the file is logged, and never stops a job. `None`: none
            (docs/promises.md, The journal).
        retry: What to do about handlers that raise, for subscriptions that do not say otherwise. `None`: as
            `RetryPolicy()` says.
        engine: The release of the engine, such as `"7.2"` or `"6.8"`: variables that it cannot hold are then refused
            before they are sent. `None`: not known, and nothing is asked; the engine's own refusal fails the job.
        transport: What carries requests. `"fast"`: pyreqwest, which needs the extra `fast`, and takes over what the
            session says about certificates, proxies, headers and credentials that only set headers
            (docs/transports.md). `"requests"` or `None`: the session itself, which can do everything.
        requests_at_once: Most requests under way at a time, whatever the concurrency; what settles jobs goes before
            acquires. `None`: found out by itself, from 8 on and up to 32, from how many answers a second the engine
            gives (docs/worker.md, Requests at once).

    Raises:
        InvalidArgumentError: An argument is not what is described above, or the fast transport cannot do what `auth`
            or `customize_session` asks for.
        MissingExtraError: The fast transport is not installed.
    """

    def __init__(
        self,
        flowable_host: str = DEFAULT_HOST,
        worker_id: str | None = None,
        auth: AuthBase | None = None,
        customize_session: Callable[[Session], object] | None = None,
        *,
        timeout: Timeout = DEFAULT_TIMEOUT,
        clock: Clock | None = None,
        journal: str | os.PathLike[str] | None = None,
        retry: RetryPolicy | None = None,
        engine: str | None = None,
        transport: TransportName | None = None,
        requests_at_once: int | None = None,
    ) -> None:
        name = worker_id or _generated_worker_id()
        self._restClient = FlowableExternalWorkerRestClient(
            flowable_host=flowable_host,
            worker_id=name,
            auth=auth,
            customize_session=customize_session,
            timeout=timeout,
            engine=engine,
            transport=transport,
            requests_at_once=requests_at_once,
        )
        self._retry = _retry_policy(retry)
        self._worker_id = name
        self._clock = clock or SystemClock()
        where = arguments.without_credentials(self._restClient.flowable_host)
        self._runtime = Runtime(
            rest_client=lambda: self._restClient,
            generated_id=None if worker_id else name,
            clock=self._clock,
            chance=random.random,
            records=Records() if journal is None else JournalRecords(Journal.open(journal, engine=where)),
        )
        self._closed = threading.Event()
        # How long whoever closes the client waits; and nobody subscribes while it is closed.
        self._grace: float | None = None
        self._guard = threading.Lock()
        if flowable_host == DEFAULT_HOST and self._restClient.request_session.auth is None:
            _logger.warning(
                "This client talks to the public trial cloud, %s, without credentials: give flowable_host and auth",
                DEFAULT_HOST,
            )

    @property
    def worker_id(self) -> str:
        """The name that jobs are locked under; with a generated one, every acquire adds a number of its own."""
        return self._worker_id

    def subscribe(
        self,
        topic: str,
        callback_handler: CallbackHandlerType,
        lock_duration: DurationLike = "PT1M",
        number_of_retries: int = 5,
        scope_type: str | None = None,
        wait_period_seconds: float | timedelta = 30,
        number_of_tasks: int = 1,
        *,
        concurrency: int = 1,
        retry: RetryPolicy | None = None,
    ) -> ExternalWorkerSubscription:
        """Work on the jobs of a topic on a thread of their own, or on several, until told to stop.

        What the handler returns settles the job: an outcome of its `worker_result_builder`, anything else with an
        `execute` method, or `None` for success without variables.

        An exception, `SystemExit` included, fails the job: its text becomes the message and its trace the details, and
        the job waits before it is offered again, 10 seconds first, then longer, or as `retry` says. `BpmnError`,
        `CmmnTerminate`, `JobFailure`, `RetryLater` and `DeadLetter` say how the job ends.

        Delivering a result is repeated while the engine cannot be reached, until five minutes after the end of the lock
        and for at least ten minutes. So is what the handler itself sends through a REST client to settle jobs, on its
        own thread (threads that it starts send once). Nothing that goes wrong on the way ends the subscription.

        A job that comes again while it is worked on here, because its lock ran out, is not run twice: the run that is
        under way takes over the new lock.

        Args:
            topic: The topic, exactly.
            callback_handler: The handler: `(job, worker_result_builder)`. Not `async`.
            lock_duration: How long a job is locked, from the moment it is asked for: `"PT5M"`, `"5m"`, a timedelta,
                seconds; at most 24 days, 20 hours, 31 minutes. A lock cannot be extended: choose it longer than the
                handler ever takes, or the job can run twice.
            number_of_retries: How often the *engine* tries again at once when other workers are faster, at least 1.
                Nothing to do with the retries of a job.
            scope_type: `"bpmn"` for jobs of processes, `"cmmn"` for jobs of cases. `None`: both.
            wait_period_seconds: Longest pause between two questions while there is no work. The pauses grow from a
                quarter of a second up to this; chance shortens them by up to a half, and the longest by up to a fifth.
                Within a second of work, and after a job of this client was settled, it is asked sooner
                (docs/polling.md). 0 asks without pause, thousands of times a second, and is meant for tests.
            number_of_tasks: How many jobs one acquire asks for; free handlers can make it more. Their locks all begin
                at that moment, and those that wait until too little of it is left are given back. Batches become
                smaller while exclusive jobs of one process instance block each other in the engine.
            concurrency: How many handlers run at once, each on a thread of its own, which are made now. An acquire asks
                for as many jobs as there are free threads, 20 at most; and for more, ahead, where handlers are quick,
                as long as these will start within a quarter of their lock. 1: one after the other, always on the same
                thread, as things like SQLite connections and browsers need it; nothing is asked for ahead.
            retry: What to do about a handler that raises. `None`: as the client says.

        Returns:
            The subscription, already at work.

        Raises:
            InvalidArgumentError: An argument is not what is described above. Nothing was sent.
            ClientClosedError: The client was closed.
        """
        options = Options(
            question=Question(
                topic=arguments.topic(topic),
                lock=durations.lock_duration(lock_duration),
                number_of_retries=arguments.count(number_of_retries, "number_of_retries"),
                scope_type=arguments.scope_type(scope_type),
            ),
            number_of_tasks=arguments.count(number_of_tasks, "number_of_tasks"),
            slots=arguments.count(concurrency, "concurrency", maximum=arguments.MOST_THREADS),
            wait=arguments.seconds(wait_period_seconds, "wait_period_seconds"),
            # One after the other, exactly so many are locked as version 1 would lock.
            ahead=concurrency > 1,
        )
        policy = self._retry if retry is None else _retry_policy(retry)
        run_handler = functools.partial(callback.run, callback.check(callback_handler))
        return start_work(self, options, policy, lambda _stop: Handling(run_handler))

    def _start(
        self, options: Options, policy: RetryPolicy | None, handling: Callable[[Stop], Handling]
    ) -> ExternalWorkerSubscription:
        with self._guard:
            if self._closed.is_set():
                raise ClientClosedError
            consumer = self._runtime.start(options, policy or self._retry, handling)
        return ExternalWorkerSubscription(consumer.threads[0], consumer.stop, consumer=consumer)

    def close(self, grace: DurationLike | None = None) -> bool:
        """Stop all subscriptions, wait for what is running, and close the connections and the journal.

        May be called more than once, from any thread, before the first `subscribe` too, and from a handler, which then
        is not waited for. Afterwards nothing can be subscribed any more.

        Args:
            grace: How long to wait for running handlers and their results, in any form of `durations`. `None`: until
                the last lock of what is running ends.

        Returns:
            Whether everything has ended, as for `ExternalWorkerSubscription.unsubscribe`. `False`: what still runs is
            named in the log; connections and journal stay open for it, until `close` is called again. Always `False`
            for a handler.

        Raises:
            InvalidArgumentError: The grace is no duration, or negative.
        """
        seconds = None if grace is None else durations.retry_timeout(grace, "grace").seconds
        consumers = self._tell_all(seconds)
        if called_by_a_coroutine() or any(each.runs_on(threading.current_thread()) for each in consumers):
            return False
        ended = wait_for_end(consumers, seconds)
        if not ended:
            say_still_running(consumers)
        elif ended := self._leave():
            self._shut()
        return ended

    def run_until_stopped(self, grace: DurationLike | None = None) -> None:
        """Wait until the program is told to stop, stop all subscriptions, and return when they have ended.

        The one line that makes a program deployable: without it, SIGTERM ends Python in the middle of a job, which the
        engine then offers again when its lock is over. For the main thread, after the last `subscribe`.

        What tells it to stop: SIGTERM or SIGINT (Ctrl-C), on Windows also SIGBREAK; `close` from another thread, whose
        grace counts then; that all subscriptions have ended. The handlers of these signals are put back before it
        returns. As process 1 of a container, a program without this does not notice SIGTERM at all.

        If handlers are still running when the grace is over, or at a second signal, they are named in the log, what is
        in the log and on the way to standard output is flushed, and **the process ends**: with status 1, or 128 plus
        the number of the second signal. Their jobs stay locked until their locks end, and are run again. A result that
        could not be delivered within the grace is lost without a journal, and the job runs again; with one, the next
        start delivers it.

        Args:
            grace: How long to wait for running handlers and their results, in any form of `durations`; less than your
                platform waits before it kills, which is 30 seconds in Kubernetes and 10 in Docker. `None`: until the
                last lock of what is running ends.

        Raises:
            InvalidArgumentError: The grace is no duration, or negative.
            RuntimeError: It was not called on the main thread, where signals arrive.
        """
        try:
            seconds = None if grace is None else durations.retry_timeout(grace, "grace").seconds
        except InvalidArgumentError:
            # A program that ends here must not live on in threads that no signal reaches.
            self._tell_all(None)
            raise
        with signals.caught() as caught:
            self._wait_until_stopped(seconds, caught)
        self._shut()

    def _wait_until_stopped(self, seconds: float | None, caught: Caught) -> None:
        while not caught.wait(_LOOK):
            if self._closed.is_set() or self._runtime.all_ended:
                break
        else:
            _logger.info("Told to stop by %s", caught.name)
        given = seconds
        if self._closed.is_set():
            # Whoever closed it said how long to wait.
            consumers, seconds = self._runtime.consumers, self._grace
        else:
            consumers = self._tell_all(seconds)
        if caught.number is not None:
            ended = wait_for_end(consumers, seconds, unless=caught.again)
        else:
            # Closed from elsewhere: a signal meanwhile is the first one, and what was given here counts from then on.
            ended = wait_for_end(consumers, seconds, unless=lambda: caught.wait(0))
            if not ended and caught.number is not None:
                _logger.info("Told to stop by %s, while stopping already", caught.name)
                ended = wait_for_end(self._tell_all(given), given, unless=caught.again)
        if not ended:
            say_still_running(consumers)
            self._runtime.explain_running()
        elif not self._leave():
            _logger.warning(
                "A request to the engine is not answered, and holds a thread up; the process ends without it"
            )
        else:
            return
        second = caught.number if caught.again() else None
        signals.end_process(signals.SIGNALLED + second if second else int(not ended))

    def _tell_all(self, grace: float | None) -> Sequence[Consumer]:
        """Let nobody subscribe any more, tell all subscriptions to stop, and return them."""
        with self._guard:
            self._grace = grace
            self._closed.set()
            return self._runtime.stop_all(grace)

    def _leave(self) -> bool:
        """Let go of requests that nobody waits for any more, and say whether all threads have ended."""
        interrupt = getattr(self._restClient, "interrupt", None)
        return self._runtime.join(interrupt)

    def _shut(self) -> None:
        # What people put in its place may have nothing to close.
        getattr(self._restClient, "close", lambda: None)()
        self._runtime.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the client, and wait as long as the locks of what is running."""
        self.close()

    def __repr__(self) -> str:
        """Say where and as whom; no credentials."""
        # People put objects of their own in the REST client's place.
        host = arguments.without_credentials(str(getattr(self._restClient, "flowable_host", None)))
        name = getattr(self._restClient, "worker_id", None)
        fast = ", transport='fast'" if getattr(self._restClient, "transport", None) == "fast" else ""
        return f"ExternalWorkerClient(flowable_host={host!r}, worker_id={name!r}{fast})"


def start_work(
    client: ExternalWorkerClient, options: Options, policy: RetryPolicy | None, handling: Callable[[Stop], Handling]
) -> ExternalWorkerSubscription:
    """Start a subscription of any kind: what `subscribe` and `Worker` end in.

    Args:
        client: Whose it is.
        options: What it asks for.
        policy: What to do about handlers that raise. `None`: as the client says.
        handling: Returns how its handlers are called; gets what tells the subscription to stop.

    Raises:
        ClientClosedError: The client was closed.
    """
    return client._start(options, policy, handling)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def stop_work(subscriptions: Collection[ExternalWorkerSubscription], grace: float | None) -> bool:
    """Tell subscriptions to stop, all at once, and wait for them together. What still runs then is named in the log.

    Args:
        subscriptions: Of one client, as `start_work` returned them.
        grace: Seconds for all of them. `None`: until the last lock of what is running ends.

    Returns:
        Whether all have ended.
    """
    consumers: list[Consumer] = []
    for subscription in subscriptions:
        consumer = subscription._consumer  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if consumer is not None:
            # Somebody may have told it already, and for how long.
            if grace is not None or not consumer.stop.is_set():
                consumer.stop.within(grace)
            consumers.append(consumer)
    ended = wait_for_end(consumers, grace)
    if not ended:
        say_still_running(consumers)
    return ended


def wait_until_stopped(client: ExternalWorkerClient, grace: float | None, caught: Caught) -> None:
    """Do what `run_until_stopped` does, with signals that are caught already.

    Args:
        client: The client.
        grace: In seconds, as for `run_until_stopped`.
        caught: The signals.
    """
    client._wait_until_stopped(grace, caught)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    client._shut()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def policy_of(client: ExternalWorkerClient) -> RetryPolicy:
    """Return what a client does about handlers that raise, unless something else is said."""
    return client._retry  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def clock_of(client: ExternalWorkerClient) -> Clock:
    """Return the time of a client's subscriptions."""
    return client._clock  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _retry_policy(value: object) -> RetryPolicy:
    if value is None:
        return RetryPolicy()
    if isinstance(value, RetryPolicy):
        return value
    raise InvalidArgumentError("retry", value, "a RetryPolicy or None")


def _generated_worker_id() -> str:
    """Return a name no other process has: in containers the process id is 1, and host names repeat."""
    return f"{socket.gethostname()[:_LONGEST_HOST_NAME]}-{os.getpid()}-{secrets.token_hex(4)}"
