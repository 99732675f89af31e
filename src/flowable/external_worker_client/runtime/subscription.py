"""One subscription: a thread that acquires jobs of a topic and works them off.

The thread only carries things out. When to ask is decided by `polling`, which job may start by `lifecycle`, what a
failed delivery means by `resend`. Nothing short of the end of the process ends it, except being told to stop: whatever
goes wrong is logged, followed by a pause, and the next turn.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowable.external_worker_client.durations import Duration, from_seconds
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException
from flowable.external_worker_client.rest import failures
from flowable.external_worker_client.rest.answers import Meaning, unanswered
from flowable.external_worker_client.rest.operations import ACQUIRE
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient
from flowable.external_worker_client.runtime import lifecycle
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.explain import explain
from flowable.external_worker_client.runtime.lifecycle import Lock
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.one_job import JobRunner
from flowable.external_worker_client.runtime.polling import Polling
from flowable.external_worker_client.runtime.stop import Stop
from flowable.external_worker_client.worker_result import Executable

_log = Log(__name__)

#: Run times remembered per subscription, to tell what a usual run takes.
_RUNS_REMEMBERED = 50

Job = ExternalWorkerAcquireJobResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a subscription asks for.

    Attributes:
        topic: The topic.
        lock: How long jobs are locked.
        number_of_tasks: Most jobs of one acquire.
        number_of_retries: The engine's own repeats when other workers are faster.
        scope_type: `"bpmn"`, `"cmmn"` or `None` for both.
        wait: Longest pause between two questions while there is no work, in seconds.
    """

    topic: str
    lock: Duration
    number_of_tasks: int
    number_of_retries: int
    scope_type: str | None
    wait: float


class Consumer:
    """Does the work of one subscription, on the thread that calls `run`.

    Args:
        rest_client: Returns the REST client to use. Asked every time: people put another one in its place.
        run_handler: Runs the person's function for a job and returns its outcome; raises what that raises.
        options: See `Options`.
        next_owner: Returns the owner name for the next acquire; `None` for the REST client's worker id. Asked only
            when the REST client is one of this library: what people put in its place knows one name.
        stop: Told to stop when set.
        clock: Tells the time and waits.
        chance: Returns random numbers from 0 to 1.
    """

    def __init__(
        self,
        *,
        rest_client: Callable[[], Any],
        run_handler: Callable[[Job], Executable],
        options: Options,
        next_owner: Callable[[], str | None],
        stop: Stop,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._rest_client = rest_client
        self._options = options
        self._next_owner = next_owner
        self._stop = stop
        self._clock = clock
        self._chance = chance
        self._runner = JobRunner(
            topic=options.topic,
            lock_seconds=options.lock.seconds,
            run_handler=run_handler,
            rest_client=rest_client,
            clock=clock,
            chance=chance,
            stop=stop,
        )
        self._polling = Polling()
        self._failing_since: float | None = None
        self._runs: deque[float] = deque(maxlen=_RUNS_REMEMBERED)

    def run(self) -> None:
        """Work until told to stop."""
        self._say(logging.INFO, "Topic %r: subscribed", self._options.topic)
        while not self._stop.is_set():
            try:
                pause = self._turn()
            except BaseException as error:  # noqa: BLE001 - a fault of this library must not end the subscription
                self._say(
                    logging.ERROR, "Topic %r: unexpected; the subscription goes on", self._options.topic, error=error
                )
                self._polling = self._polling.failed()
                pause = self._polling.pause_after(unanswered(sent=True, text=""), self._chance())
            if pause > 0:
                self._clock.wait(self._stop, pause)
        self._say(logging.INFO, "Topic %r: unsubscribed", self._options.topic)

    def _turn(self) -> float:
        """Ask once, work off what came, and return how long to wait before asking again."""
        asked = self._clock.now()
        rest_client = self._rest_client()
        # By its type: a mock claims to be an instance.
        ours = issubclass(type(rest_client), FlowableExternalWorkerRestClient)
        owner = self._next_owner() if ours else None
        try:
            jobs = self._acquire(rest_client, owner)
        except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            return self._not_acquired(error)
        self._acquired()
        lock = Lock(owner, asked + self._options.lock.seconds)
        for unreadable in getattr(jobs, "unreadable", ()):
            self._runner.refuse(unreadable, lock)
        if not jobs:
            self._polling = self._polling.found_nothing()
            return self._polling.pause(self._options.wait, self._chance())
        self._polling = self._polling.found_work()
        self._work_off(jobs, lock)
        return 0.0

    def _acquire(self, rest_client: Any, owner: str | None) -> Sequence[Job]:  # noqa: ANN401 - see `Consumer`
        options = self._options
        named = {} if owner is None else {"worker_id": owner}
        jobs: Sequence[Job] = rest_client.acquire_jobs(
            options.topic,
            options.lock.text,
            options.number_of_tasks,
            number_of_retries=options.number_of_retries,
            scope_type=options.scope_type,
            **named,
        )
        return jobs

    def _not_acquired(self, error: BaseException) -> float:
        now = self._clock.now()
        self._failing_since = now if self._failing_since is None else self._failing_since
        self._polling = self._polling.failed()
        reading = failures.read(error, ACQUIRE, time.time())
        pause = self._polling.pause_after(reading, self._chance())
        # What cannot mend itself is an error from the start; an engine that is restarted is not.
        lasting = reading.meaning in (Meaning.NOT_THE_ENGINE, Meaning.REFUSED, Meaning.FAULT)
        self._say(
            logging.ERROR if lasting else logging.WARNING,
            "Topic %r: cannot acquire jobs, %s; asking again in %.1f s (failure %d in %.0f s)",
            self._options.topic,
            explain(reading),
            pause,
            self._polling.errors,
            now - self._failing_since,
            error=error if reading.meaning is Meaning.FAULT else None,
        )
        return pause

    def _acquired(self) -> None:
        if self._failing_since is not None:
            self._say(
                logging.WARNING,
                "Topic %r: the engine answers again (failures: %d, in %.0f s)",
                self._options.topic,
                self._polling.errors,
                self._clock.now() - self._failing_since,
            )
            self._failing_since = None

    def _work_off(self, jobs: Sequence[Job], lock: Lock) -> None:
        for position, job in enumerate(jobs):
            if self._stop.is_set():
                self._release(jobs[position:], lock, pause=None, reason="the subscription is stopping")
                return
            left = lock.deadline - self._clock.now()
            usual = lifecycle.percentile(self._runs, 0.95)
            # A job that did not wait is always started: with less than its full lock, no job of a slow topic ever ran.
            if position and not lifecycle.may_start(left=left, lock=self._options.lock.seconds, usual_run=usual):
                self._release(
                    jobs[position:],
                    lock,
                    pause=from_seconds(lifecycle.PAUSE_AFTER_RELEASE),
                    reason=f"{max(left, 0):.1f} s of the lock are left, a run usually takes {usual:.1f} s",
                )
                return
            try:
                self._runs.append(self._runner.run(job, lock))
            except BaseException as error:  # noqa: BLE001 - its neighbours are locked too, and must not wait for that
                self._say(
                    logging.ERROR,
                    "Topic %r: job %s: unexpected; it is left locked",
                    self._options.topic,
                    job.id,
                    error=error,
                )

    def _release(self, jobs: Sequence[Job], lock: Lock, *, pause: Duration | None, reason: str) -> None:
        """Give jobs back that were not started: fail them with their own retries and message, unchanged.

        That frees them at once on every release of the engine, the lock of their process instance included. Best
        effort, and never repeated: what is not given back is offered again when its lock ends.
        """
        rest_client = self._rest_client()
        named = {} if lock.owner is None else {"worker_id": lock.owner}
        kept: list[str] = []
        reachable = True
        for job in jobs:
            left = lock.deadline - self._clock.now()
            if not reachable or not lifecycle.may_release(left=left, retries=job.retries):
                kept.append(job.id)
                continue
            try:
                rest_client.fail_job(
                    job.id,
                    job.exception_message,
                    retries=job.retries,
                    retry_timeout=pause.text if pause else None,
                    **named,
                )
            except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
                kept.append(job.id)
                # An engine that does not answer would hold the stop up once for every job.
                reachable = isinstance(error, FlowableRestException)
        topic = self._options.topic
        given = len(jobs) - len(kept)
        if given:
            self._say(logging.INFO, "Topic %r: jobs given back unstarted: %d, because %s", topic, given, reason)
        if kept:
            left = max(0.0, lock.deadline - self._clock.now())
            listed = ", ".join(kept)
            self._say(logging.WARNING, "Topic %r: these stay locked until %.0f s from now: %s", topic, left, listed)

    def _say(self, level: int, message: str, *args: object, error: BaseException | None = None) -> None:
        _log.say(level, message, *args, error=error, topic=self._options.topic)
