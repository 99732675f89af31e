"""Acquires of one client: one at a time for each topic, under a name of their own, and none is lost.

Shared by all subscriptions of a client. A look for lost acquires (see `lost_acquires`) happens while no acquire of the
client is on the wire: what is locked then under a name that nobody here works for is lost for certain.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flowable.external_worker_client.durations import Duration
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.rest import failures
from flowable.external_worker_client.rest.answers import Reading
from flowable.external_worker_client.rest.codec import AcquiredJobs
from flowable.external_worker_client.rest.operations import ACQUIRE, FAIL, LIST
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient
from flowable.external_worker_client.runtime import lifecycle
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.explain import explain
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.lost_acquires import LostAcquires

_log = Log(__name__)

#: A look that is overdue for so long keeps new acquires back until it has been made.
_OVERDUE = 5.0  # seconds

#: Jobs a page of the list that is looked through. The engine has no limit.
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an acquire asks for.

    Attributes:
        topic: The topic.
        lock: How long jobs are locked.
        number_of_retries: The engine's own repeats when other workers are faster.
        scope_type: `"bpmn"`, `"cmmn"` or `None` for both.
    """

    topic: str
    lock: Duration
    number_of_retries: int
    scope_type: str | None


@dataclass(slots=True)
class Answer:
    """What came of it.

    Attributes:
        owner: The name it was sent under. `None`: the REST client's own worker id.
        deadline: Until when its jobs are locked at least, on the clock.
        jobs: The jobs. A plain list when the REST client is somebody's own.
        error: What it raised. `None`: it was answered.
        reading: What that means. `None`: it was answered.
    """

    owner: str | None
    deadline: float
    jobs: Any = field(default_factory=AcquiredJobs)
    error: BaseException | None = None
    reading: Reading | None = None


class Acquiring:
    """The acquires of one client.

    Args:
        rest_client: Returns the REST client to use. Asked every time: people put another one in its place.
        generated_id: The client's worker id if it was generated. `None`: the person chose it, and every acquire uses
            it.
        clock: Tells the time.
        chance: Returns random numbers from 0 to 1.
    """

    def __init__(
        self,
        *,
        rest_client: Callable[[], Any],
        generated_id: str | None,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._rest_client = rest_client
        self._generated_id = generated_id
        self._clock = clock
        self._chance = chance
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._on_the_wire: set[str] = set()
        self._looking = False
        self._lost = LostAcquires()
        self._ending = False

    def ask(self, question: Question, count: int, stop: threading.Event) -> Answer | None:
        """Ask for jobs, once no other acquire of this topic is on the wire.

        Returns:
            What came of it; nothing is raised. `None`: told to stop before it was sent.
        """
        self.look_for_lost()
        with self._changed:
            while self._looking or question.topic in self._on_the_wire:
                # In steps: whoever sets the stop does not know of this condition.
                self._changed.wait(0.1)
                if stop.is_set():
                    return None
            self._on_the_wire.add(question.topic)
        try:
            return self._ask(question, count)
        finally:
            with self._changed:
                self._on_the_wire.discard(question.topic)
                self._changed.notify_all()

    def under_way(self) -> int:
        """Return how many acquires of this client are on the wire, or about to be."""
        return len(self._on_the_wire)

    def next_look(self) -> float | None:
        """Return when to look for lost acquires next, on the clock. `None`: nothing is lost."""
        return self._lost.next_look()

    def ask_by(self) -> float | None:
        """See `LostAcquires.ask_by`."""
        lost = self._lost
        return lost.ask_by(self._clock.now(), self._chance()) if lost.entries else None

    def look_for_lost(self, *, at_once: bool = False) -> None:
        """Look for lost acquires if one is due, unless an acquire is on the wire; give back what they locked.

        Args:
            at_once: Whether to look for all there are, due or not: the last chance.
        """
        owners = self._turn_to_look(at_once=at_once)
        if not owners:
            return
        looked = False
        try:
            looked = self._look(owners)
        finally:
            with self._changed:
                now = self._clock.now()
                self._lost = (
                    self._lost.looked(owners, now) if looked else self._lost.failed(owners, now, self._chance())
                )
                self._looking = False
                self._changed.notify_all()

    def forget_lost(self) -> None:
        """Look for nothing any more: the program ends, and the engine does not answer."""
        with self._changed:
            self._ending = True
            self._lost = LostAcquires()

    def _turn_to_look(self, *, at_once: bool) -> frozenset[str]:
        """Return the names to look for, with new acquires kept back from now on; none: it is not the moment."""
        if not self._lost.entries:
            return frozenset()
        with self._changed:
            now = self._clock.now()
            owners = frozenset(entry.owner for entry in self._lost.entries) if at_once else self._lost.due(now)
            overdue = self._lost.due(now - _OVERDUE)
            if not owners or self._looking or (self._on_the_wire and not overdue and not at_once):
                return frozenset()
            self._looking = True
            # The last look comes at a stop, which does not wait longer for the acquires of others.
            self._changed.wait_for(lambda: not self._on_the_wire, lifecycle.WAIT_FOR_AN_ACQUIRE if at_once else None)
            return owners

    def _ask(self, question: Question, count: int) -> Answer:
        rest_client = self._rest_client()
        owner = self._next_owner(rest_client)
        named = {} if owner is None else {"worker_id": owner}
        asked = self._clock.now()
        answer = Answer(owner, asked + question.lock.seconds)
        try:
            answer.jobs = rest_client.acquire_jobs(
                question.topic,
                question.lock.text,
                count,
                number_of_retries=question.number_of_retries,
                scope_type=question.scope_type,
                **named,
            )
        except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            answer.error = error
            answer.reading = failures.read(error, ACQUIRE, time.time())
            if answer.reading.unclear and owner is not None and not self._ending:
                with self._changed:
                    self._lost = self._lost.add(
                        owner,
                        now=self._clock.now(),
                        asked=asked,
                        lock=question.lock.seconds,
                        time_out=rest_client.timeout[1],
                    )
        return answer

    def _next_owner(self, rest_client: object) -> str | None:
        """Return the name for the next acquire; `None` for the worker id, when the person chose that.

        What people put in the REST client's place knows one name.
        """
        # By its type: a mock claims to be an instance.
        if not issubclass(type(rest_client), FlowableExternalWorkerRestClient) or self._generated_id is None:
            return None
        if getattr(rest_client, "worker_id", None) != self._generated_id:
            return None
        # next() of a count is one step to the interpreter: two threads never get the same number.
        return f"{self._generated_id}.{next(self._numbers)}"

    def _look(self, owners: frozenset[str]) -> bool:
        """Give back the jobs that are locked under these names, and say whether they could be looked for."""
        rest_client = self._rest_client()
        try:
            found = [job for job in rest_client.iter_jobs(locked=True, page_size=_PAGE) if job.lock_owner in owners]
        except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            # The acquires that follow fail too, and say so louder.
            said = "Answers to acquires were lost, and the jobs that they may have locked cannot be looked for now: %s"
            _log.say(logging.INFO, said, explain(failures.read(error, LIST, time.time())))
            return False
        for job in found:
            self._give_back(rest_client, job)
        return True

    def _give_back(self, rest_client: Any, job: ExternalWorkerJobResponse) -> None:  # noqa: ANN401 - see `__init__`
        lost = self._lost.of(job.lock_owner)
        left = 0.0 if lost is None else lost.locked_until - self._clock.now()
        if not lifecycle.may_release(left=left, retries=job.retries):
            what = "is offered again when its lock ends"
        else:
            what = "was given back"
            try:
                rest_client.fail_job(job.id, job.exception_message, retries=job.retries, worker_id=job.lock_owner)
            except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
                what = f"could not be given back: {explain(failures.read(error, FAIL, time.time()))}"
        said = "Job %s of %r was locked by an acquire whose answer was lost; it %s"
        _log.say(logging.WARNING, said, job.id, job.element_id, what, job_id=job.id)
