"""The client: where the engine is, who we are, and what is subscribed."""

from __future__ import annotations

import functools
import itertools
import logging
import os
import random
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import timedelta

from requests import Session
from requests.auth import AuthBase

from flowable.external_worker_client import arguments, durations
from flowable.external_worker_client.durations import DurationLike
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.handlers import callback
from flowable.external_worker_client.restclient import DEFAULT_TIMEOUT, FlowableExternalWorkerRestClient, Timeout
from flowable.external_worker_client.runtime.clock import Clock, SystemClock
from flowable.external_worker_client.runtime.stop import Stop
from flowable.external_worker_client.runtime.subscription import Consumer, Options
from flowable.external_worker_client.worker_result import Executable, WorkerResultBuilder

_logger = logging.getLogger(__name__)

DEFAULT_HOST = "https://trial.flowable.com/work"

#: Leaves room in the engine's 255 characters for process id, random part and the number of the acquire.
_LONGEST_HOST_NAME = 180

CallbackHandlerType = Callable[[ExternalWorkerAcquireJobResponse, WorkerResultBuilder], Executable | None]
"""A handler: gets the job and a builder, returns an outcome, or `None` for success without variables."""


class ExternalWorkerSubscription:
    """A topic being worked on. What `ExternalWorkerClient.subscribe` returns.

    Args:
        thread: The thread that runs the handler.
        event: Tells it to stop when set.

    Attributes:
        thread: As given. Not a daemon: a program whose main thread ends lives on as long as it is subscribed.
        event: As given.
    """

    def __init__(self, thread: threading.Thread, event: threading.Event) -> None:
        self.thread = thread
        self.event = event

    def unsubscribe(self, timeout: float | None = None) -> bool:
        """Stop: no further job is acquired, a running handler is let finish, what was not started is given back.

        An idle wait ends at once. May be called more than once, from any thread, also from the handler itself, which
        then is not waited for. While the engine cannot be reached, a result that is ready is sent again for nine
        tenths of the time-out; without a time-out, until the lock of its job ends.

        Args:
            timeout: Seconds to wait for the running handler and its result. `None`: as long as it takes.

        Returns:
            Whether the subscription has ended: `True` means that no handler of it starts any more. `False`: a handler
            was still running when the time was up, or is the caller; it is the last one.
        """
        if isinstance(self.event, Stop):
            self.event.within(timeout)
        else:
            self.event.set()
        if self.thread is threading.current_thread():
            return False
        self.thread.join(timeout)
        return not self.thread.is_alive()

    def __repr__(self) -> str:
        """Say what it is doing."""
        working = "stopping" if self.event.is_set() else "active"
        state = working if self.thread.is_alive() else "ended"
        return f"ExternalWorkerSubscription({self.thread.name!r}, {state})"


class ExternalWorkerClient:
    """A worker program's side of the engine.

    Nothing is sent before the first `subscribe`.

    Args:
        flowable_host: Address of the engine up to before `/external-job-api`, such as
            `"http://localhost:8090/flowable-rest"`. By default the public trial cloud.
        worker_id: The name that jobs are locked under, at most 255 characters. Give one only if it is unique among
            running processes: two with the same name can settle each other's jobs. `None`: host name, process id and a
            random part, and every acquire adds a number of its own, so that an answer that comes late cannot hit a
            lock that was taken since.
        auth: Any `AuthBase` of requests, such as `HTTPBasicAuth` or `FlowableCloudToken`. `None`: none.
        customize_session: Called once, last, with the `requests.Session` of this client. `None`: nothing to do.
        timeout: Seconds to connect and seconds to wait for an answer of the engine, or one number for both.
        clock: Time for the subscriptions. `None`: the machine's. For tests.

    Raises:
        InvalidArgumentError: An argument is not what is described above.
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
    ) -> None:
        name = worker_id or _generated_worker_id()
        self._restClient = FlowableExternalWorkerRestClient(
            flowable_host=flowable_host,
            worker_id=name,
            auth=auth,
            customize_session=customize_session,
            timeout=timeout,
        )
        self._generated_id = None if worker_id else name
        self._acquires = itertools.count(1)
        self._clock = clock or SystemClock()
        if flowable_host == DEFAULT_HOST and self._restClient.request_session.auth is None:
            _logger.warning(
                "This client talks to the public trial cloud, %s, without credentials: give flowable_host and auth",
                DEFAULT_HOST,
            )

    def subscribe(
        self,
        topic: str,
        callback_handler: CallbackHandlerType,
        lock_duration: DurationLike = "PT1M",
        number_of_retries: int = 5,
        scope_type: str | None = None,
        wait_period_seconds: float | timedelta = 30,
        number_of_tasks: int = 1,
    ) -> ExternalWorkerSubscription:
        """Work on the jobs of a topic, one after the other, on a thread of their own, until told to stop.

        What the handler returns settles the job: an outcome of its `worker_result_builder`, anything else with an
        `execute` method, or `None` for success without variables. An exception, `SystemExit` included, fails the job:
        its text becomes the message and its trace the details, and the job waits before it is offered again, 10
        seconds first, then longer. Delivering a result is repeated while the engine cannot be reached; so is what the
        handler itself sends through a REST client to settle jobs, on its own thread (threads that it starts send
        once). Nothing that goes wrong on the way ends the subscription.

        Args:
            topic: The topic, exactly.
            callback_handler: The handler: `(job, worker_result_builder)`. Not `async`.
            lock_duration: How long a job is locked, from the moment it is asked for: `"PT5M"`, `"5m"`, a timedelta,
                seconds; at most 24 days, 20 hours, 31 minutes. A lock cannot be extended: choose it longer than the
                handler ever takes, or the job runs twice.
            number_of_retries: How often the *engine* tries again at once when other workers are faster, at least 1.
                Nothing to do with the retries of a job.
            scope_type: `"bpmn"` for jobs of processes, `"cmmn"` for jobs of cases. `None`: both.
            wait_period_seconds: Longest pause between two questions while there is no work. It grows from a quarter
                of a second up to this. 0 asks without pause, and is meant for tests.
            number_of_tasks: Most jobs fetched at once. Their locks all begin then; those that wait until too little of
                it is left are given back.

        Returns:
            The subscription, already at work.

        Raises:
            InvalidArgumentError: An argument is not what is described above. Nothing was sent.
        """
        options = Options(
            topic=arguments.topic(topic),
            lock=durations.lock_duration(lock_duration),
            number_of_tasks=arguments.count(number_of_tasks, "number_of_tasks"),
            number_of_retries=arguments.count(number_of_retries, "number_of_retries"),
            scope_type=arguments.scope_type(scope_type),
            wait=arguments.seconds(wait_period_seconds, "wait_period_seconds"),
        )
        stop = Stop(self._clock)
        consumer = Consumer(
            rest_client=lambda: self._restClient,
            run_handler=functools.partial(callback.run, callback.check(callback_handler)),
            options=options,
            next_owner=self._next_owner,
            stop=stop,
            clock=self._clock,
            chance=random.random,
        )
        # Not a daemon: the usual program ends its main thread after subscribing, and lives because of this one.
        thread = threading.Thread(target=consumer.run, name=f"flowable-worker-{topic}", daemon=False)
        # A clock that moves by itself when everybody waits has to know who everybody is before the first job.
        join = getattr(self._clock, "join", None)
        if join is not None:
            join(thread)
        thread.start()
        return ExternalWorkerSubscription(thread, stop)

    def _next_owner(self) -> str | None:
        """Return the name for the next acquire; `None` for the worker id, when the person chose that."""
        if self._restClient.worker_id != self._generated_id:
            return None
        # next() of a count is one step to the interpreter: two threads never get the same number.
        return f"{self._generated_id}.{next(self._acquires)}"

    def __repr__(self) -> str:
        """Say where and as whom; no credentials."""
        # People put objects of their own in the REST client's place.
        host = arguments.without_credentials(str(getattr(self._restClient, "flowable_host", None)))
        return (
            f"ExternalWorkerClient(flowable_host={host!r}, worker_id={getattr(self._restClient, 'worker_id', None)!r})"
        )


def _generated_worker_id() -> str:
    """Return a name no other process has: in containers the process id is 1, and host names repeat."""
    return f"{socket.gethostname()[:_LONGEST_HOST_NAME]}-{os.getpid()}-{secrets.token_hex(4)}"
