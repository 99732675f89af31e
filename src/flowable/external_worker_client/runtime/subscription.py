"""One subscription: threads that acquire jobs of a topic and work them off.

The threads only carry things out. What is next is decided by `agenda`, when to ask by `polling`, what becomes of a job
by `lifecycle`, what a failed delivery means by `resend`. Nothing short of the end of the process ends them, except
being told to stop: whatever goes wrong is logged, followed by a pause, and the next turn.
"""

from __future__ import annotations

import functools
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowable.external_worker_client.durations import from_seconds
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.limiter import Limiter
from flowable.external_worker_client.rest.answers import Meaning, unanswered
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient
from flowable.external_worker_client.runtime import lifecycle
from flowable.external_worker_client.runtime.acquiring import Acquiring, Answer, Question
from flowable.external_worker_client.runtime.agenda import (
    FIRST_THREAD,
    Acquire,
    Agenda,
    Leave,
    Look,
    Release,
    Settle,
    Start,
    Step,
    Wait,
)
from flowable.external_worker_client.runtime.budget import ASK_AGAIN
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.company import Company, SharedLookout
from flowable.external_worker_client.runtime.courier import Courier
from flowable.external_worker_client.runtime.explain import explain, kind, late_start, overrun
from flowable.external_worker_client.runtime.giving_back import give_back
from flowable.external_worker_client.runtime.held import HeldJob, Lease, Lock, Registry
from flowable.external_worker_client.runtime.journal import Recollection
from flowable.external_worker_client.runtime.keeper import Keeper
from flowable.external_worker_client.runtime.lifecycle import Event, State
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.one_job import JobRunner, Moved, NotStartedError
from flowable.external_worker_client.runtime.pauses import Pauses
from flowable.external_worker_client.runtime.places import Places, Taken
from flowable.external_worker_client.runtime.polling import age
from flowable.external_worker_client.runtime.records import Records
from flowable.external_worker_client.runtime.stop import Stop, Wake
from flowable.external_worker_client.worker_result import Executable

_log = Log(__name__)

#: While a handler waits to run alone, or does, nothing is acquired; that is looked at again after so long.
_WHILE_SOMEBODY_IS_ALONE = 0.25  # seconds

#: Limits of a topic are asked again after what they say, within these.
_SHORTEST_LIMIT, _LONGEST_LIMIT = 0.01, 60.0  # seconds


Job = ExternalWorkerAcquireJobResponse

Elsewhere = Callable[[Job, Callable[[Executable | BaseException], None]], None]
"""Starts a handler that does not run on the calling thread. Tells the second argument, from wherever it ran, what it
decided or raised, exactly once; or raises itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a subscription asks for.

    Attributes:
        question: What its acquires ask for.
        number_of_tasks: Fewest jobs of one acquire.
        slots: How many handlers run at once.
        wait: Longest pause between two questions while there is no work, in seconds.
        threads: How many threads serve handlers that run elsewhere. `None`: handlers run on a thread for each slot.
        limiter: Decides for how many jobs may be asked. `None`: any number.
        tenants: Tenants whose jobs are worked on, `""` for jobs without one; others are given back. `None`: all.
        ahead: Whether jobs may be held in stock, so that handlers need not wait for acquires.
        lookout: Tells whether it is worth asking for jobs after a long time without. `None`: it always is.
        places: Its part of the budget that it shares with other subscriptions. `None`: there is none.
    """

    question: Question
    number_of_tasks: int
    slots: int
    wait: float
    threads: int | None = None
    tenants: frozenset[str] | None = None
    limiter: Limiter | None = None
    ahead: bool = False
    lookout: SharedLookout | None = None
    places: Places | None = None


class Consumer:
    """Does the work of one subscription, on the threads that call `run`.

    Args:
        rest_client: Returns the REST client to use. Asked every time: people put another one in its place.
        runner: Runs handlers and settles jobs.
        options: See `Options`.
        acquiring: The acquires of the client.
        registry: The jobs that the client holds.
        records: Where it is written down what happens to them.
        company: The subscriptions of the client.
        pauses: The client's, before results are sent again.
        keeper: The client's.
        courier: The client's.
        elsewhere: Starts handlers that do not run on the subscription's threads. `None`: they do.
        stop: Told to stop when set.
        clock: Tells the time and waits.
        chance: Returns random numbers from 0 to 1.

    Attributes:
        stop: As given.
        changed: Set whenever somebody who waits for the end should look.
        threads: Its threads, once they were made.
        ended: Whether the first thread has left, which is the last to do so.
    """

    def __init__(
        self,
        *,
        rest_client: Callable[[], Any],
        runner: JobRunner,
        options: Options,
        acquiring: Acquiring,
        registry: Registry,
        records: Records,
        company: Company,
        pauses: Pauses,
        keeper: Keeper,
        courier: Courier,
        elsewhere: Elsewhere | None = None,
        stop: Stop,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._elsewhere = elsewhere
        self._rest_client = rest_client
        self._runner = runner
        self._options = options
        self._topic = options.question.topic
        self._lock_seconds = options.question.lock.seconds
        self._acquiring = acquiring
        self._registry = registry
        self._records = records
        self._company = company
        self._pauses = pauses
        self._lookout = options.lookout
        self._idle_question = False
        self._places = options.places
        self._keeper = keeper
        self._courier = courier
        self.stop = stop
        self._clock = clock
        self._chance = chance
        self._agenda = Agenda(
            slots=options.slots,
            batch=options.number_of_tasks,
            lock=self._lock_seconds,
            wait=options.wait,
            threads=options.threads,
            ahead=options.ahead,
        )
        self._guard = threading.Lock()
        self._wakes = [Wake(stop) for _ in range(self._agenda.threads)]
        self._idle: set[int] = set()
        self._known: dict[str, Recollection] = {}
        self._at_work: set[HeldJob] = set()
        self._outcomes: dict[str, Executable | BaseException] = {}
        self._on_the_way: set[HeldJob] = set()
        self._giving_back: set[HeldJob] = set()
        self._failing_since: float | None = None
        self._failed_at = -math.inf
        self.changed = threading.Event()
        self.threads: Sequence[threading.Thread] = ()
        self.ended = False
        stop.on_set = self._told_to_stop
        self._number = company.join(self)
        if self._lookout is not None:
            self._lookout.join(self)
        if self._places is not None:
            self._places.join(self._may_be_allowed)

    # ------------------------------------------------------------ the threads

    def run(self, thread: int) -> None:
        """Work until told to stop. The threads are numbered from 0; the first one leaves last.

        Args:
            thread: Number of the thread that calls.
        """
        if thread == FIRST_THREAD:
            self._say(logging.INFO, "Topic %r: subscribed", self._topic)
        while True:
            try:
                step = self._next(thread)
                if isinstance(step, Leave):
                    break
                self._carry_out(step, thread)
            except BaseException as error:  # noqa: BLE001 - a fault of this library must not end the subscription
                self._unexpected(error)
        self._wants_nothing()
        if thread == FIRST_THREAD:
            self._detach()
            self._say(logging.INFO, "Topic %r: unsubscribed", self._topic)
        self._nudge_all()

    def _detach(self) -> None:
        self._keeper.detach(self)
        self._courier.detach(self)
        self._company.leave(self._number)
        if self._lookout is not None:
            self._lookout.leave(self)
        self.ended = True

    def _next(self, thread: int) -> Step:
        wake = self._wakes[thread]
        if wake.is_set():
            wake.clear()
        with self._guard:
            self._idle.discard(thread)
            step = self._agenda.next(
                thread,
                self._clock.now(),
                stopping=self.stop.is_set(),
                lost=self._acquiring.next_look() is not None,
            )
            if isinstance(step, Wait):
                self._idle.add(thread)
                return step
            if isinstance(step, Leave):
                self._agenda.left()
                return step
            if isinstance(step, Start):
                self._at_work.add(step.held)
            other = self._awake() if self._idle and self._agenda.has_work() else None
        if other is not None:
            self._wakes[other].nudge()
        return step

    def _awake(self) -> int:
        """Choose who of the idle threads is to work; the guard is held."""
        # The same ones as long as there is little to do: the others stay as small as they were started.
        chosen = min(self._idle)
        self._idle.remove(chosen)
        return chosen

    def _carry_out(self, step: Step, thread: int) -> None:
        match step:
            case Start(held):
                self._start(held)
            case Wait(seconds):
                if seconds > 0:
                    self._clock.wait(self._wakes[thread], seconds)
            case Settle(held):
                self._settle(held)
            case Release(held, pause, reason):
                self._release(held, pause=pause, reason=reason)
            case Acquire():
                self._acquire(step)
            case Look():
                self._look()
            case Leave():
                pass

    def _unexpected(self, error: BaseException) -> None:
        self._say(logging.ERROR, "Topic %r: unexpected; the subscription goes on", self._topic, error=error)
        reading = unanswered(sent=True, text="")
        with self._guard:
            pause = self._agenda.not_acquired(reading, self._clock.now(), self._chance())
        if not self.stop.is_set():
            self._clock.wait(self.stop, pause)

    def _told_to_stop(self) -> None:
        self._nudge_all()
        self._records.wake()
        self._pauses.end_of(self.stop)
        self._courier.nudge()
        self._keeper.nudge()

    def _nudge_all(self) -> None:
        for wake in self._wakes:
            wake.nudge()
        self.changed.set()

    # ------------------------------------------------------------ acquire

    def _acquire(self, step: Acquire) -> None:
        count = step.count
        # One acquire at a time: it is about this one until that is answered.
        self._idle_question = step.idle
        if step.extra and self._acquiring.under_way() > 1:
            with self._guard:
                self._agenda.look_later(self._clock.now())
            return
        if step.idle and self._lookout is not None and self._nothing_there(self._lookout):
            return
        if self._records.somebody_is_to_be_alone():
            # What is acquired now would wait for that, and its lock would run out.
            self._wants_nothing()
            with self._guard:
                self._agenda.not_allowed(self._clock.now() + _WHILE_SOMEBODY_IS_ALONE)
            return
        limiter = self._options.limiter
        if limiter is not None:
            now = self._clock.now()
            allowed = limiter.take(count, now)
            if not allowed.jobs:
                self._wants_nothing()
                with self._guard:
                    self._agenda.not_allowed(now + min(max(allowed.wait, _SHORTEST_LIMIT), _LONGEST_LIMIT))
                return
            if allowed.jobs < count:
                count = allowed.jobs
                with self._guard:
                    self._agenda.allowed(count)
        if self._places is None:
            self._ask(count, None)
            return
        taken = self._take_places(self._places, count)
        if taken is None:
            self._not_used(count)
            return
        try:
            self._not_used(count - taken.count)
            self._ask(taken.count, taken)
        finally:
            taken.over()

    def _nothing_there(self, lookout: SharedLookout) -> bool:
        """Say whether it is known that there is no work in the engine at all; look, if nobody else did."""
        # Nothing else may be asked for long.
        self._acquiring.look_for_lost()
        until = lookout.wait_until(self._rest_client(), self._clock)
        if self._failing_since is not None and lookout.answered_at > self._failed_at:
            # Whoever made that look: the engine is not away any more.
            self._say_answers_again()
            with self._guard:
                self._agenda.answered()
        if until is None:
            return False
        self._wants_nothing()
        with self._guard:
            self._agenda.nothing_there(until)
        return True

    def _take_places(self, places: Places, count: int) -> Taken | None:
        """Take places of the budget for so many jobs, or for fewer. `None`: it allows none now."""
        with self._guard:
            needed = max(0, self._agenda.free - len(self._agenda.waiting))
            taken = places.take(count, min(count, needed))
            # Under the same lock, so that whoever frees a place finds that it is waited for.
            if taken is None:
                self._agenda.not_allowed(self._clock.now() + ASK_AGAIN)
            elif taken.count < count:
                self._agenda.allowed(taken.count)
        places.wake_others()
        return taken

    def _wants_nothing(self) -> None:
        """Let the budget keep no place free for this topic."""
        if self._places is not None:
            self._places.withdraw()

    def _may_be_allowed(self) -> None:
        """Ask again if a limit held the last question back. Called from the threads of other subscriptions."""
        with self._guard:
            asker = self._agenda.may_be_allowed(self._clock.now())
        self._nudge(asker)

    def _ask(self, count: int, taken: Taken | None) -> None:
        answer = self._acquiring.ask(self._options.question, count, self.stop)
        came = 0 if answer is None else len(answer.jobs)
        self._not_used(count - came)
        if taken is not None:
            # What cannot be read has a place as well until that has been reported.
            taken.answered(came + (0 if answer is None else len(getattr(answer.jobs, "unreadable", ()))))
        if answer is None:
            with self._guard:
                self._agenda.not_asked()
        elif answer.error is not None:
            self._not_acquired(answer)
        else:
            self._acquired(answer, taken)
        self.changed.set()

    def _acquired(self, answer: Answer, taken: Taken | None) -> None:
        if self._failing_since is not None:
            self._say_answers_again()
        for unreadable in getattr(answer.jobs, "unreadable", ()):
            self._runner.refuse(unreadable, self._topic, Lock(unreadable.id or "", answer.owner, answer.deadline))
        held: list[HeldJob] = []
        foreign: list[HeldJob] = []
        for job in answer.jobs:
            each = HeldJob(self._topic, job, Lease(Lock(job.id, answer.owner, answer.deadline), self._clock))
            job._lock = each.lease  # noqa: SLF001 - how `job.deadline` and `job.time_left` come to know
            if self._registry.take(each):
                (held if self._works_for(job.tenant_id) else foreign).append(each)
            else:
                self._not_used(1)
                said = "Topic %r: job %s came again while it is worked on here, and is not run twice"
                self._say(logging.INFO, said, self._topic, job.id)
        self._found(answer)
        known: Mapping[str, Recollection] = self._records.recall(held) if held else {}
        with self._guard:
            self._known.update(known)
            if taken is not None:
                taken.keep([*held, *foreign])
            starved = self._agenda.polling.starving
            answered = len(answer.jobs) - len(foreign)
            there_for = self._age(answer)
            self._agenda.acquired(held, self._clock.now(), self._chance(), answered=answered, age=there_for)
            self._agenda.releasing += bool(foreign)
            starving = self._agenda.polling.starving and not starved
            ask_by = self._acquiring.ask_by()
            if ask_by is not None:
                self._agenda.ask_no_later_than(ask_by)
            useful = min(len(held) - 1, len(self._idle))
            woken = [self._awake() for _ in range(useful)]
        for thread in woken:
            self._wakes[thread].nudge()
        if foreign:
            self._release(foreign, pause=lifecycle.PAUSE_OF_FOREIGN_TENANTS, reason="they are of other tenants")
        if starving:
            self._say(
                logging.WARNING,
                "Topic %r: the engine gave no jobs in a batch, and one when asked for one: exclusive jobs of one "
                "process instance block each other. Batches are smaller from now on; better set "
                'flowable:exclusive="false" on the external worker tasks of this topic',
                self._topic,
            )

    def _age(self, answer: Answer) -> float | None:
        """Return for how long the only job of an answer had been there. `None`: it is not known."""
        if len(answer.jobs) != 1:
            # Of several, nobody wants to know.
            return None
        [job] = answer.jobs
        # One that failed before, or was put off, was created long before it was offered again.
        fresh = not job.exception_message
        return age(job.create_time, job.lock_expiration_time, self._lock_seconds) if fresh else None

    def _found(self, answer: Answer) -> None:
        """Tell the other subscriptions what an acquire has brought."""
        if answer.jobs:
            self._company.found(self._number)
            # That a busy topic has found some tells nothing of looks at idle ones.
            if self._idle_question and self._lookout is not None:
                self._lookout.found()

    def _not_used(self, jobs: int) -> None:
        """Give back to the limits of the topic what no handler is called for."""
        if self._options.limiter is not None and jobs > 0:
            self._options.limiter.give_back(jobs, self._clock.now())

    def _works_for(self, tenant: str | None) -> bool:
        return self._options.tenants is None or (tenant or "") in self._options.tenants

    def _not_acquired(self, answer: Answer) -> None:
        reading = answer.reading
        assert reading is not None  # noqa: S101 - it comes with the error
        now = self._clock.now()
        self._failing_since = now if self._failing_since is None else self._failing_since
        self._failed_at = now
        with self._guard:
            pause = self._agenda.not_acquired(reading, now, self._chance())
            errors = self._agenda.polling.errors
        if self.stop.is_set():
            return
        # What cannot mend itself is an error from the start; an engine that is restarted is not.
        lasting = reading.meaning in (Meaning.NOT_THE_ENGINE, Meaning.REFUSED, Meaning.FAULT)
        # Thirty topics need not say thirty times that the engine is down.
        loud = self._company.outage.failed(self._number, kind(reading))
        self._say(
            logging.INFO if not loud else logging.ERROR if lasting else logging.WARNING,
            "Topic %r: cannot acquire jobs, %s; asking again in %.1f s (failure %d in %.0f s)",
            self._topic,
            explain(reading),
            pause,
            errors,
            now - self._failing_since,
            error=answer.error if reading.meaning is Meaning.FAULT else None,
        )

    def _say_answers_again(self) -> None:
        assert self._failing_since is not None  # noqa: S101 - see the caller
        spoke = self._company.outage.answered(self._number)
        self._say(
            logging.WARNING if spoke else logging.INFO,
            "Topic %r: the engine answers again (failures: %d, in %.0f s)",
            self._topic,
            self._agenda.polling.errors,
            self._clock.now() - self._failing_since,
        )
        self._failing_since = None
        self._company.engine_answers()

    def _look(self) -> None:
        try:
            self._acquiring.look_for_lost(at_once=True)
        finally:
            with self._guard:
                self._agenda.not_asked()
            self.changed.set()

    # ------------------------------------------------------------ run

    def _start(self, held: HeldJob) -> None:
        known = self._known.pop(held.key, None) if self._known else None
        # Somebody has to notice when the handler outlasts its lock.
        self._keeper.look_within(held.lease.time_left())
        if self._elsewhere is None:
            if self._runner.is_known(known):
                self._not_used(1)
            self._see_through(held, lambda: self._runner.run(held, known))
        elif self._runner.is_known(known):
            with self._guard:
                self._agenda.is_here_after_all()
            self._not_used(1)
            self._see_through(held, lambda: self._runner.settle_known(held, known))
        else:
            self._start_elsewhere(held, known, self._elsewhere)

    def _start_elsewhere(self, held: HeldJob, known: Recollection | None, start: Elsewhere) -> None:
        returned = functools.partial(self._returned, held)
        try:
            self._runner.begin(held, known, lambda job: start(job, returned))
        except NotStartedError as waited:
            with self._guard:
                self._at_work.discard(held)
                self._agenda.is_here_after_all()
                self._agenda.not_started()
            self._release([held], pause=waited.pause, reason=str(waited))
        except BaseException as error:  # noqa: BLE001 - a loop or pool that takes no more must not cost the job
            self._returned(held, error)

    def _returned(self, held: HeldJob, outcome: Executable | BaseException) -> None:
        """A handler that ran elsewhere has ended. Called there, so it only leaves a note."""
        self._runner.over(held)
        with self._guard:
            self._outcomes[held.key] = outcome
            self._agenda.finish(held)
            woken = self._awake() if self._idle else None
        if woken is not None:
            self._wakes[woken].nudge()

    def _settle(self, held: HeldJob) -> None:
        with self._guard:
            outcome = self._outcomes.pop(held.key)
        self._see_through(held, lambda: self._runner.finish(held, outcome))

    def _see_through(self, held: HeldJob, work: Callable[[], Moved | None]) -> None:
        """Do what brings a job to its end, or to where its delivery goes on elsewhere."""
        moved: Moved | None = None
        try:
            moved = work()
        except NotStartedError as waited:
            with self._guard:
                self._at_work.discard(held)
                self._agenda.not_started()
            self._release([held], pause=waited.pause, reason=str(waited))
            return
        except BaseException as error:  # noqa: BLE001 - its neighbours are locked too, and must not wait for that
            self._say(
                logging.ERROR,
                "Topic %r: job %s: unexpected; it is left locked",
                self._topic,
                held.job.id,
                error=error,
            )
        if self._places is not None:
            # Before its thread is free, and asks for more.
            self._places.ended(held)
        over = held.began is not None and held.ran is not None and held.began + held.ran > held.lease.lock.deadline
        if over:
            self._say_overrun(held)
        with self._guard:
            self._at_work.discard(held)
            now = self._clock.now()
            settled = held.state is State.SETTLED
            if moved is None:
                cycle = now - held.began if settled and held.began is not None else None
                self._agenda.ended(held.ran, cycle=cycle, now=now if settled else None)
            else:
                self._agenda.moved_away(held.ran)
                self._on_the_way.add(held)
            asker = self._agenda.may_be_allowed(now)
        self._nudge(asker)
        if moved is None:
            self._let_go(held)
            if settled and not self.stop.is_set():
                self._company.settled(self._number)
        else:
            self._courier.send_later(moved, self._runner.resume, functools.partial(self._arrived, held))
        if self.stop.is_set():
            self._nudge_all()

    def _arrived(self, held: HeldJob) -> None:
        self._let_go(held)
        with self._guard:
            self._on_the_way.discard(held)
            self._agenda.arrived()
        self._nudge_all()

    def _let_go(self, held: HeldJob) -> None:
        """A job has come to its end here."""
        if self._places is not None:
            self._places.ended(held)
        self._registry.drop(held)
        rest_client = self._rest_client()
        # By its type, because a mock has every method. What people put in its place knows nothing of jobs.
        if issubclass(type(rest_client), FlowableExternalWorkerRestClient):
            lock = held.lease.lock
            rest_client.forget(lock.job_id, lock.owner)

    def deliver_orphans(self) -> None:
        """Deliver what processes left in the journal that died. Called on the keeper's thread, once."""
        for orphan in self._records.orphans():
            held, deliver = self._runner.deliver_orphan(orphan)
            # What the journal keeps anyway does not hold up a stop, and a run that is under way knows better.
            if self.stop.is_set() or not self._registry.enter(held):
                continue
            said = "Topic %r: job %s: an earlier process left its outcome; it is delivered now"
            self._say(logging.WARNING, said, held.topic, held.job.id)
            moved = deliver()
            if moved is None:
                self._let_go(held)
            else:
                arrived = functools.partial(self._let_go, held)
                self._courier.send_later(moved, self._runner.resume, arrived, kept=True)

    # ------------------------------------------------------------ give back

    def _release(self, jobs: Sequence[HeldJob], *, pause: float | None, reason: str) -> None:
        """Give jobs back that were not started, and say what became of them."""
        self._not_used(len(jobs))
        with self._guard:
            self._giving_back.update(jobs)
        try:
            kept = give_back(self._rest_client(), jobs, pause, self._engine_answered)
        finally:
            for held in jobs:
                held.happened(Event.GIVEN_BACK)
                self._let_go(held)
            with self._guard:
                for held in jobs:
                    self._known.pop(held.key, None)
                self._giving_back.difference_update(jobs)
                self._agenda.released()
            self._nudge_all()
        given = len(jobs) - len(kept)
        if given:
            self._say(logging.INFO, "Topic %r: jobs given back unstarted: %d, because %s", self._topic, given, reason)
        if kept:
            left = max(0.0, *(held.lease.time_left() for held in kept))
            listed = ", ".join(held.job.id for held in kept)
            said = "Topic %r: these stay locked until %.0f s from now: %s"
            self._say(logging.WARNING, said, self._topic, left, listed)

    def _engine_answered(self) -> None:
        with self._guard:
            self._agenda.gave_back(self._clock.now())

    # ------------------------------------------------------------ for the other subscriptions, and for people

    def waits_idly(self) -> bool:
        """See `company.Member.waits_idly`."""
        with self._guard:
            return self._agenda.waits_idly(self._clock.now())

    def look_at(self, moment: float) -> None:
        """See `company.Member.look_at`."""
        with self._guard:
            asker = self._agenda.look_at(moment)
        self._nudge(asker)

    def ask_now(self) -> None:
        """See `company.Member.ask_now`."""
        with self._guard:
            asker = self._agenda.ask_at(self._clock.now())
        self._nudge(asker)

    def engine_answers(self) -> None:
        """See `company.Member.engine_answers`."""
        if self._lookout is not None:
            self._lookout.look_again()
        with self._guard:
            asker = self._agenda.engine_answers(self._clock.now(), self._chance())
        self._nudge(asker)

    def wake(self) -> None:
        """Ask for jobs now. See `ExternalWorkerSubscription.wake`."""
        with self._guard:
            asker = self._agenda.wake(self._clock.now())
        self._nudge(asker)

    def _nudge(self, thread: int | None) -> None:
        if thread is not None:
            self._wakes[thread].nudge()

    # ------------------------------------------------------------ for the keeper, and for whoever waits for the end

    def mind(self) -> float | None:
        """See `keeper.Kept.mind`: give back at a stop, and watch for handlers that outlast their lock."""
        if self.stop.is_set():
            while (release := self._next_release()) is not None:
                self._release(release.held, pause=release.pause, reason=release.reason)
        with self._guard:
            at_work = list(self._at_work)
        look_again: list[float] = []
        for held in at_work:
            left = held.lease.time_left()
            if held.ran is not None:
                # What there is to say of it is said when it is settled.
                continue
            if left > 0:
                look_again.append(left)
            elif held.state is State.RUNNING:
                self._say_overrun(held)
        return min(look_again, default=None)

    def _next_release(self) -> Release | None:
        with self._guard:
            return self._agenda.release_waiting()

    def started(self, threads: int) -> None:
        """Note that only so many of its threads could be started; none: it has ended."""
        with self._guard:
            self._agenda.started(threads)
        if not threads:
            self._detach()
        self._nudge_all()

    def _say_overrun(self, held: HeldJob) -> None:
        with self._guard:
            if held.overrun_said:
                return
            held.overrun_said = True
        run = held.ran
        if run is None:
            run = self._clock.now() - (held.began or 0.0)
        with self._guard:
            runs = [*self._agenda.runs, run]
        if run < self._lock_seconds / 2:
            said = late_start(self._lock_seconds, run)
        else:
            said = overrun(self._lock_seconds, runs, from_seconds(lifecycle.suggested_lock(runs)).text)
        self._say(logging.WARNING, "Topic %r: job %s of %r %s", self._topic, held.job.id, held.job.element_id, said)

    def runs_on(self, thread: threading.Thread) -> bool:
        """Say whether a thread is one of this subscription's."""
        return thread in self.threads

    def join(self, seconds: float) -> None:
        """Wait for the end of the threads, once it is over; not for one whose request is not answered."""
        with self._guard:
            held_up = self._agenda.acquiring or self._agenda.releasing
        if not held_up:
            for thread in self.threads:
                if thread.ident is not None:
                    thread.join(seconds)

    def over(self) -> bool:
        """Say whether it was told to stop and nothing is left to be done; no handler starts any more."""
        told = self.stop.first_told
        if self.ended or told is None:
            return self.ended
        with self._guard:
            return self._agenda.over(told, self._clock.now())

    def time_left(self) -> float:
        """Return for how long a stop without a grace waits: until the last lock of what runs ends, in seconds."""
        held = self.still_running()
        now = self._clock.now()
        told = now if self.stop.told is None else self.stop.told
        with self._guard:
            releasing = bool(self._agenda.releasing or self._agenda.waiting)
            released = self._agenda.releases_until(told)
        # Deliveries and releases get that long, and a moment to say so.
        least = (released if releasing else told + lifecycle.DELIVERY_WHEN_STOPPING) - now
        return max([least, *(each.lease.time_left() for each in held)]) + 1.0

    def still_running(self) -> list[HeldJob]:
        """Return the jobs whose handlers run, or whose outcomes are on their way."""
        with self._guard:
            return [*self._at_work, *self._on_the_way]

    def say_still_running(self) -> None:
        """Name in the log what a stop leaves running."""
        for held in self.still_running():
            began = held.began
            doing = "is being settled" if held.state is not State.RUNNING else "still runs"
            self._say(
                logging.WARNING,
                "Topic %r: job %s of %r %s after %.1f s; it is left locked, for %.0f s from now",
                self._topic,
                held.job.id,
                held.job.element_id,
                doing,
                0.0 if began is None else self._clock.now() - began,
                max(0.0, held.lease.time_left()),
            )
        with self._guard:
            unreleased = [*self._agenda.waiting, *self._giving_back]
        if unreleased:
            self._say(
                logging.WARNING,
                "Topic %r: %d jobs that were not started could not be given back in time; they stay locked: %s",
                self._topic,
                len(unreleased),
                ", ".join(sorted(held.job.id for held in unreleased)),
            )

    def explain_running(self) -> None:
        """Write down that what still runs is not what ends the process."""
        for held in self.still_running():
            self._records.explained(held)

    def _say(self, level: int, message: str, *args: object, error: BaseException | None = None) -> None:
        _log.say(level, message, *args, error=error, topic=self._topic)
