"""Threads without threads: everything that decides, driven by plain calls, on a time that is a number.

`World` does what `runtime.subscription` and its neighbours do with threads, one step at a time: each seat is a thread,
and whoever drives the world says who acts next and how the wire is at that moment. Every step checks what must hold.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from flowable.external_worker_client import FlowableRestException
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.rest import failures
from flowable.external_worker_client.rest.answers import DONE, Meaning
from flowable.external_worker_client.rest.carrier import Settling
from flowable.external_worker_client.rest.operations import ACQUIRE, BPMN_ERROR, COMPLETE, FAIL, Effect, Operation
from flowable.external_worker_client.runtime import lifecycle
from flowable.external_worker_client.runtime.agenda import (
    FIRST_THREAD,
    LARGEST_BATCH,
    Acquire,
    Agenda,
    Leave,
    Look,
    Release,
    Settle,
    Start,
    Wait,
)
from flowable.external_worker_client.runtime.delivery import Delivery, Parcel
from flowable.external_worker_client.runtime.held import HeldJob, Lease, Lock, Registry
from flowable.external_worker_client.runtime.lifecycle import FINAL, Event, State
from flowable.external_worker_client.runtime.lost_acquires import LostAcquires
from flowable.external_worker_client.runtime.pauses import Pauses
from flowable.external_worker_client.runtime.records import Records
from flowable.external_worker_client.runtime.resend import Verdict
from flowable.external_worker_client.runtime.stop import Stop

from .model_engine import BUSY, CARRIED_OUT, PASSES, UNSTORABLE, EngineJob, ModelEngine, Wire, trouble

TIME_OUT = 35.0  # seconds that an answer is waited for

#: Longest pause that may ever be waited: what a server asks for, or a minute of our own with its jitter. An idle wait
#: is at most the configured one.
LONGEST_PAUSE = 300.0
JITTER = 1.2

#: The part of a lock that jobs may spend in stock, and how soon somebody is asked again after errors who is woken.
SHARE_OF_THE_LOCK = 0.25
WOKEN_AFTER_ERRORS = 1.0  # seconds


class Clock:
    """The time, as a number."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        """Return it."""
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Nobody waits here."""
        raise AssertionError((event, seconds))


@dataclass(slots=True)
class Chance:
    """How the dice fall, and the wire is, for one step.

    Attributes:
        wire: What becomes of what is sent.
        look: What becomes of looks.
        number: From 0 to 1, for jitter.
        ending: The operation that a handler decides on.
        alone: Whether a job that is to be started has to wait for others first.
        late: Whether an acquire whose answer is lost is carried out later than that.
        crowded: Whether others ask so much that a look beside the usual questions is put off.
        lookout: Whether a question after a long time without work begins with a look for any job in the engine.
    """

    wire: str = PASSES
    look: str = PASSES
    number: float = 0.5
    ending: Operation = COMPLETE
    alone: bool = False
    late: bool = False
    crowded: bool = False
    lookout: bool = False


@dataclass(slots=True)
class Peeking:
    """It is asked whether there is any job to acquire, before it is asked for them."""

    count: int


@dataclass(slots=True)
class Asking:
    """An acquire is on the wire."""

    owner: str
    asked: float
    count: int


@dataclass(slots=True)
class AtTheGate:
    """A job that has to wait for others to end before it may start."""

    held: HeldJob
    came: float


@dataclass(slots=True)
class Running:
    """A handler runs."""

    held: HeldJob


@dataclass(slots=True)
class Sending:
    """An outcome is on its way: what is due when."""

    held: HeldJob
    parcel: Parcel
    due: float
    errors: int = 0
    hurried: bool = False


@dataclass(slots=True)
class Releasing:
    """Jobs are given back."""

    release: Release


@dataclass(slots=True)
class Looking:
    """The last look for lost acquires."""


@dataclass(slots=True)
class Waiting:
    """Nothing to do until a moment, or a nudge."""

    until: float
    nudged: bool = False


@dataclass(slots=True)
class Free:
    """About to ask what is next."""


@dataclass(slots=True)
class Left:
    """The thread has ended."""


Doing = Asking | Peeking | AtTheGate | Running | Sending | Releasing | Looking | Waiting | Free | Left


@dataclass(slots=True)
class Seat:
    """One thread."""

    number: int
    doing: Doing = field(default_factory=Free)


#: Who can act: a thread, the thread that sends what is late, a handler that runs elsewhere than on a thread.
Actor = Seat | Literal["keeper", "handler elsewhere"]


@dataclass(slots=True)
class LateAcquire:
    """An acquire without an answer that the engine may still carry out, up to a moment."""

    owner: str
    count: int
    until: float


class World:
    """One subscription, the engine, and the time. See the module.

    Args:
        slots: How many handlers may run at once.
        batch: Fewest jobs to ask for.
        lock: How long jobs are locked, in seconds.
        wait: Longest pause between two questions while there is no work, in seconds.
        renews_ids: See `ModelEngine`.
        threads: How many threads there are when handlers run elsewhere, as coroutines do. `None`: they run on threads,
            one for each slot.
        ahead: Whether jobs may be held in stock.
    """

    def __init__(
        self,
        *,
        slots: int,
        batch: int,
        lock: float,
        wait: float,
        renews_ids: bool,
        threads: int | None = None,
        ahead: bool = False,
    ) -> None:
        self.slots, self.batch, self.lock, self.wait = slots, batch, lock, wait
        self.clock = Clock()
        self.engine = ModelEngine(renews_ids=renews_ids)
        self.wire = Wire(self.engine)
        self.agenda = Agenda(slots=slots, batch=batch, lock=lock, wait=wait, threads=threads, ahead=ahead)
        self.ahead = ahead
        # Somebody said that there is work, and no question was sent since; from when on one has to be.
        self.woken: float | None = None
        self.not_before = -math.inf
        self.asked_ahead = 0
        self.asks: list[float] = []
        self.registry = Registry()
        self.stop = Stop(self.clock)
        self.lost = LostAcquires()
        self.not_given_back: set[str] = set()
        self.late_acquires: list[LateAcquire] = []
        self.seats = [Seat(number) for number in range(threads or slots)]
        self.elsewhere: list[HeldJob] | None = None if threads is None else []
        self.outcomes: dict[str, Operation] = {}
        self.keeper: list[Sending] = []
        self.keeper_releases: list[Release] = []
        self.everything: list[HeldJob] = []
        self.ended: Counter[int] = Counter()
        self.starts: Counter[str] = Counter()
        self.was_over = False
        self.broken = False
        self._owners = 0

    # ------------------------------------------------------------ who can act

    @property
    def now(self) -> float:
        """The time."""
        return self.clock.time

    def able(self) -> list[Actor]:
        """Return who can act now."""
        able: list[Actor] = [seat for seat in self.seats if self._can_act(seat.doing)]
        if self.elsewhere:
            able.append("handler elsewhere")
        due = self.keeper_releases or any(each.due <= self.now for each in self.keeper)
        if due or (self.stop.is_set() and self.agenda.waiting):
            able.append("keeper")
        return able

    def _can_act(self, doing: Doing) -> bool:
        match doing:
            case Waiting(until, nudged):
                return nudged or until <= self.now
            case Sending(due=due):
                return due <= self.now
            case Left():
                return False
            case _:
                return True

    def act(self, actor: Actor, chance: Chance) -> None:
        """Let somebody take one step."""
        self.broken = True
        self.wire.now, self.wire.settling, self.wire.looking = self.now, chance.wire, chance.look
        if isinstance(actor, Seat):
            self._act(actor, chance)
        elif actor == "keeper":
            self._keep(chance)
        else:
            self._end_elsewhere(chance)
        self.check()
        self.broken = False

    def _act(self, seat: Seat, chance: Chance) -> None:
        match seat.doing:
            case Free() | Waiting():
                self._next(seat, chance)
            case Asking() as asking:
                seat.doing = Free()
                self._answered(asking, chance)
            case AtTheGate() as waited:
                self._go_in(seat, waited)
            case Running(held):
                held.ran = self.now - (held.began or 0.0)
                held.happened(Event.ENDED)
                seat.doing = self._send(held, chance.ending)
            case Sending() as sending:
                self._send_on_its_thread(seat, sending, chance)
            case Releasing(release):
                seat.doing = Free()
                self._give_back(release, chance)
            case Looking():
                seat.doing = Free()
                self._look(at_once=True, chance=chance)
                self.agenda.not_asked()
            case Peeking() | Left():
                self._peeked(seat, seat.doing, chance)

    def _go_in(self, seat: Seat, waited: AtTheGate) -> None:
        held, left = waited.held, waited.held.lease.time_left()
        stopping = self.stop.is_set()
        enough = waited.came == self.now or lifecycle.may_start(left=left, lock=self.lock, usual_run=math.inf)
        if enough and not stopping:
            self._start(seat, held)
            return
        self.agenda.not_started()
        pause = None if stopping else lifecycle.PAUSE_AFTER_RELEASE
        seat.doing = Releasing(Release([held], pause, "it waited"))

    # ------------------------------------------------------------ what is next

    def _next(self, seat: Seat, chance: Chance) -> None:
        stopping = self.stop.is_set()
        step = self.agenda.next(seat.number, self.now, stopping=stopping, lost=bool(self.lost.entries))
        match step:
            case Wait(seconds):
                self._check_wait(seconds)
                seat.doing = Waiting(self.now + seconds)
                return
            case Leave():
                assert stopping, "nothing but a stop ends a thread"
                self._leave(seat)
                return
            case Start(held):
                assert not stopping, "nothing is started after a stop"
                if chance.alone and self.elsewhere is None:
                    seat.doing = AtTheGate(held, self.now)
                else:
                    self._start(seat, held)
            case Settle(held):
                seat.doing = self._send(held, self.outcomes.pop(held.key))
            case Release():
                seat.doing = Releasing(step)
            case Acquire(count, idle=idle, extra=extra):
                assert not stopping, "nothing is acquired after a stop"
                self._acquire(seat, count, chance, idle=idle, extra=extra)
            case Look():
                assert stopping, "the last look is for a stop"
                seat.doing = Looking()
        # As the shell does: whoever is no longer free wakes one that can take its place.
        if self.agenda.has_work():
            self._nudge(next((each for each in self.seats if _idle(each)), None))

    def _check_wait(self, seconds: float) -> None:
        if seconds == math.inf:
            return
        assert not self.stop.is_set(), "only outcomes are waited for at a stop, and what is on the wire"
        longest = LONGEST_PAUSE if self.agenda.polling.errors else self.wait
        assert 0 <= seconds <= longest, "a wait is finite and capped"
        late = self.woken is not None and self.now + seconds > self.woken + 1e-6
        assert not late, "who was woken asks"

    def _leave(self, seat: Seat) -> None:
        seat.doing = Left()
        self.agenda.left()
        if seat.number == FIRST_THREAD:
            assert all(isinstance(each.doing, Left) for each in self.seats), "the first thread leaves last"
            assert self.agenda.over(self.stop.first_told or 0.0, self.now), "it is over before the last thread leaves"
        self._nudge_all()

    def _start(self, seat: Seat, held: HeldJob) -> None:
        same = [
            other
            for other in self.everything
            if other is not held and other.key == held.key and other.state is State.RUNNING
        ]
        assert not same, "a job never runs twice at the same time here"
        assert not self.was_over, "once over, nothing starts any more"
        assert held.at_once or held.lease.time_left() > 0, "a job that waited is not started with nothing of its lock"
        held.began = self.now
        held.happened(Event.START)
        self.starts[held.key] += 1
        job = self.engine.jobs[held.key]
        assert self.starts[held.key] <= 1 + len(job.excuses), "every start but the first has a reason"
        if self.elsewhere is None:
            seat.doing = Running(held)
        else:
            seat.doing = Free()
            self.elsewhere.append(held)
        running = sum(isinstance(each.doing, Running) for each in self.seats) + len(self.elsewhere or ())
        assert running <= self.slots, "never more running than slots"

    def _end_elsewhere(self, chance: Chance) -> None:
        assert self.elsewhere
        held = self.elsewhere.pop(0)
        held.ran = self.now - (held.began or 0.0)
        held.happened(Event.ENDED)
        self.outcomes[held.key] = chance.ending
        self.agenda.finish(held)
        self._nudge(next((each for each in self.seats if _idle(each)), None))

    # ------------------------------------------------------------ acquire

    def _acquire(self, seat: Seat, count: int, chance: Chance, *, idle: bool, extra: bool) -> None:
        others = [each for each in self.seats if isinstance(each.doing, Asking | Peeking)]
        assert not others, "one acquire at a time"
        assert not (idle and extra), "a look is for work that is about to appear"
        if extra and chance.crowded:
            self.agenda.look_later(self.now)
        elif idle and chance.lookout:
            seat.doing = Peeking(count)
        else:
            self._ask(seat, count, chance)

    def _peeked(self, seat: Seat, peeking: Peeking | Left, chance: Chance) -> None:
        assert isinstance(peeking, Peeking), "a thread that has left does nothing"
        seat.doing = Free()
        if chance.look == PASSES and not self.engine.has_unlocked():
            self.agenda.nothing_there(self.now + self.wait * (0.8 + 0.2 * chance.number))
        elif self.stop.is_set():
            self.agenda.not_asked()
        else:
            self._ask(seat, peeking.count, chance)

    @property
    def occupied(self) -> int:
        """How many slots are taken."""
        if self.elsewhere is not None:
            return len(self.elsewhere)
        return sum(isinstance(each.doing, Running | Sending | AtTheGate) for each in self.seats)

    def _ask(self, seat: Seat, count: int, chance: Chance) -> None:
        free = self.slots - self.occupied
        waiting = len(self.agenda.waiting)
        self.asks.append(self.now)
        if self.ahead:
            assert 1 <= count <= max(self.batch, LARGEST_BATCH), "no more than ever can be used"
            if waiting or not free:
                self.asked_ahead += 1
                assert waiting < LARGEST_BATCH, "nobody asks while there is plenty"
            if count > max(self.batch, free):
                assert waiting + count - free <= self.bearable() + 1e-6, "no more in stock than the lock can bear"
        else:
            assert 1 <= count <= max(self.batch, min(free, LARGEST_BATCH)), "no more than can be used"
            assert free, "only somebody who is free asks"
            assert not waiting, "and nobody while jobs wait"
        self.woken = None
        self._look(at_once=False, chance=chance)
        self._owners += 1
        seat.doing = Asking(f"w.{self._owners}", self.now, count)

    def bearable(self) -> float:
        """Return how many jobs can be started within the part of a lock that they may wait, as far as is measured."""
        cycle = self.agenda.prefetch.cycle
        return math.inf if not cycle else SHARE_OF_THE_LOCK * self.lock * self.slots / cycle

    def _answered(self, asking: Asking, chance: Chance) -> None:
        problem = trouble(chance.wire) if chance.wire != UNSTORABLE else None
        jobs: list[EngineJob] = []
        if chance.wire in CARRIED_OUT:
            jobs = self.engine.acquire(asking.owner, asking.count, self.lock, self.now)
        if problem is None:
            self._acquired(asking, jobs, chance)
            return
        reading = failures.read(problem, ACQUIRE, 0.0)
        if reading.unclear:
            self.lost = self.lost.add(asking.owner, now=self.now, asked=asking.asked, lock=self.lock, time_out=TIME_OUT)
            if chance.wire not in CARRIED_OUT and chance.late:
                self.late_acquires.append(LateAcquire(asking.owner, asking.count, asking.asked + TIME_OUT))
        if reading.retry_after is not None:
            self.not_before = self.now + reading.retry_after
        if self.woken is not None:
            self.woken = max(self.now + WOKEN_AFTER_ERRORS, self.not_before)
        pause = self.agenda.not_acquired(reading, self.now, chance.number)
        assert 0 < pause <= LONGEST_PAUSE, "after an error there is a pause, and it ends"

    def _acquired(self, asking: Asking, jobs: list[EngineJob], chance: Chance) -> None:
        held: list[HeldJob] = []
        for job in jobs:
            lock = Lock(job.job_id, asking.owner, asking.asked + self.lock)
            each = HeldJob("t", _job(job), Lease(lock, self.clock))
            if self.registry.take(each):
                held.append(each)
                self.everything.append(each)
        self.agenda.acquired(held, self.now, chance.number, answered=len(jobs))
        if (ask_by := self.lost.ask_by(self.now, chance.number)) is not None:
            self.agenda.ask_no_later_than(ask_by)
        for _ in range(len(held) - 1):
            self._nudge(next((each for each in self.seats if _idle(each)), None))

    def _look(self, *, at_once: bool, chance: Chance) -> None:
        owners = frozenset(each.owner for each in self.lost.entries) if at_once else self.lost.due(self.now)
        if not owners:
            return
        if chance.look != PASSES:
            self.lost = self.lost.failed(owners, self.now, chance.number)
            return
        for job in [job for job in self.engine.jobs.values() if job.there and job.owner in owners]:
            entry = self.lost.of(job.owner)
            assert entry is not None
            left = entry.locked_until - self.now
            call = Settling(FAIL, job.job_id, entry.owner, {"retries": job.retries})
            if not lifecycle.may_release(left=left, retries=job.retries) or not self._sent(call):
                self.not_given_back.add(entry.owner)
        gone = {each.owner for each in self.lost.entries}
        self.lost = self.lost.looked(owners, self.now)
        gone -= {each.owner for each in self.lost.entries}
        for owner in gone - self.not_given_back if not at_once else ():
            assert not any(job.there and job.owner == owner for job in self.engine.jobs.values()), (
                "no acquire is forgotten while its jobs are locked"
            )
            assert not any(late.owner == owner for late in self.late_acquires), (
                "nor while the engine may still carry it out"
            )

    # ------------------------------------------------------------ settle

    def _send(self, held: HeldJob, operation: Operation) -> Sending:
        delivery = Delivery(
            held=held,
            clock=self.clock,
            chance=lambda: 0.5,
            stop=self.stop,
            records=Records(),
            pauses=Pauses(self.clock, answered=lambda: None),
        )
        members: dict[str, object] = {"pause": 10.0} if operation is FAIL else {}
        # As the REST client does: under the id that the handler knows, and the newest owner.
        call = Settling(operation, held.job.id, held.lease.lock.owner or "", members)
        return Sending(held, Parcel(delivery, call, self.wire), self.now)

    def _send_on_its_thread(self, seat: Seat, sending: Sending, chance: Chance) -> None:
        following = self._attempt(sending, chance)
        if following is None:
            seat.doing = Free()
            held = sending.held
            settled = held.state is State.SETTLED
            cycle = self.now - held.began if settled and held.began is not None else None
            self.agenda.ended(held.ran, cycle=cycle, now=self.now if settled else None)
            self._drop(sending.held)
        elif following.parcel.age() + following.due - self.now > lifecycle.LONGEST_DELIVERY_ON_THE_THREAD:
            seat.doing = Free()
            self.keeper.append(following)
            self.agenda.moved_away(sending.held.ran)
        else:
            seat.doing = following
        if self.stop.is_set():
            self._nudge_all()

    def _attempt(self, sending: Sending, chance: Chance) -> Sending | None:
        """Send once; return what is still to be sent, which may be another outcome. `None`: the job has ended."""
        held, parcel = sending.held, sending.parcel
        before = len(self.wire.sent)
        pause = parcel.attempt()
        sent = self.wire.sent[before:]
        assert len(sent) == 1, "one attempt is one request"
        problem = self.wire.problem
        reading = DONE if problem is None else failures.read(problem, parcel.call.operation, 0.0)
        sending.errors += reading.meaning is Meaning.ENGINE_ERROR
        if pause is not None:
            longest = LONGEST_PAUSE if chance.wire == BUSY else 60.0 * JITTER
            assert 0 <= pause <= longest, "a pause between two sends is finite and capped"
            sending.due = self.now + pause
            return sending
        self._check_verdict(sending, sent[0][0], chance)
        verdict = parcel.step.verdict
        parcel._delivery.close(parcel)
        if verdict is Verdict.UNSTORABLE and parcel.call.operation is not FAIL:
            return self._send(held, FAIL)
        if held.state is State.SETTLING:
            # Not even the failure was taken.
            assert parcel.call.operation is FAIL
            held.happened(Event.GIVEN_UP)
        assert held.state in FINAL, "a job whose delivery has ended has come to its end"
        self.ended[id(held)] += 1
        assert self.ended[id(held)] == 1, "every job comes to one end"
        return None

    def _check_verdict(self, sending: Sending, call: Settling, chance: Chance) -> None:
        """See that a delivery does not end before it may."""
        held, parcel = sending.held, sending.parcel
        mine = self.engine.find(call.job_id)
        still_ours = mine is not None and mine.owner == call.owner
        arrived = any(done for other, done in self.wire.sent if other.owner in _owners(held) and done)
        match parcel.step.verdict:
            case Verdict.SETTLED:
                hidden = not self.engine.jobs[held.key].there
                unlocked = call.operation.effect is Effect.FAILS and not still_ours
                assert arrived or (parcel.step.assumed and hidden) or unlocked, "settled is what the engine has"
            case Verdict.LOST | Verdict.GONE:
                assert not still_ours, "what is still locked for us is not given up"
            case Verdict.UNSTORABLE:
                poisoned = self.wire.poisoned.get(held.key) == UNSTORABLE
                assert chance.wire == UNSTORABLE or poisoned or sending.errors >= 3, (
                    "a problem on the way never becomes a failure"
                )
            case Verdict.ABANDONED:
                assert self.now >= self._budget(sending), "nothing is dropped before its time"
            case other:
                raise AssertionError(other)

    def _budget(self, sending: Sending) -> float:
        deadline, began = sending.held.lease.lock.deadline, sending.parcel._started
        usual = max(deadline + 300, began + 600)
        if self.stop.told is None:
            return usual
        grace = self.stop.grace
        return min(usual, self.stop.told + (max(0.0, 0.9 * grace) if grace is not None else 5.0))

    def _drop(self, held: HeldJob) -> None:
        self.registry.drop(held)

    # ------------------------------------------------------------ give back

    def _give_back(self, release: Release, chance: Chance) -> None:
        for held in release.held:
            held.happened(Event.RELEASE)
        for held in release.held:
            lock = held.lease.lock
            if lifecycle.may_release(left=held.lease.time_left(), retries=held.job.retries):
                assert self.now < lock.deadline, "nothing is given back after its own deadline"
                assert held.job.retries >= 1, "and nothing without retries"
                members = {"retries": held.job.retries, "pause": release.pause, "release": True}
                self._sent(Settling(FAIL, lock.job_id, lock.owner or "", members))
        for held in release.held:
            held.happened(Event.GIVEN_BACK)
            self.ended[id(held)] += 1
            assert self.ended[id(held)] == 1, "every job comes to one end"
            self._drop(held)
        self.agenda.released()
        self._nudge_all()

    def _sent(self, call: Settling) -> bool:
        """Send once, and say whether the engine has it as far as we know."""
        try:
            self.wire.settle(call)
        except (OSError, FlowableRestException, KeyError):
            return False
        return True

    # ------------------------------------------------------------ the keeper

    def _keep(self, chance: Chance) -> None:
        if self.keeper_releases:
            self._give_back(self.keeper_releases.pop(), chance)
            return
        if self.stop.is_set() and (release := self.agenda.release_waiting()) is not None:
            self.keeper_releases.append(release)
            return
        sending = min(self.keeper, key=lambda each: each.due)
        following = self._attempt(sending, chance)
        self.keeper.remove(sending)
        if following is not None:
            self.keeper.append(following)
            return
        self._drop(sending.held)
        self.agenda.arrived()
        self._nudge_all()

    # ------------------------------------------------------------ what happens to it

    def pass_time(self, seconds: float) -> None:
        """Let time pass. What the engine may carry out late, it has by then, or never does."""
        self.clock.time += seconds
        self.late_acquires = [late for late in self.late_acquires if late.until > self.now]

    def carry_out_late(self, number: int) -> None:
        """The engine carries out an acquire whose connection is long gone."""
        late = self.late_acquires.pop(number % len(self.late_acquires))
        self.engine.acquire(late.owner, late.count, self.lock, self.now)

    def tell_to_stop(self, grace: float | None) -> None:
        """Tell the subscription to stop."""
        if grace is None:
            self.stop.set()
        else:
            self.stop.within(grace)
        for sending in [*self.keeper, *(seat.doing for seat in self.seats if isinstance(seat.doing, Sending))]:
            if not sending.hurried:
                sending.hurried, sending.due = True, min(sending.due, self.now)
        self._nudge_all()

    def wake(self) -> None:
        """Somebody knows that there may be work."""
        asked = self.asks[-1] if self.asks else -math.inf
        errors = bool(self.agenda.polling.errors)
        self.woken = max(self.now, asked + WOKEN_AFTER_ERRORS, self.not_before) if errors else self.now
        self._nudge_number(self.agenda.wake(self.now))

    def look_at(self, delay: float, *, idle: bool) -> None:
        """A job of another topic was settled. `idle`: whether that was looked at just before, and not long ago."""
        if self.agenda.waits_idly(self.now) or not idle:
            self._nudge_number(self.agenda.look_at(self.now + delay))

    def ask_now(self) -> None:
        """Another topic has seen that there is a job in the engine."""
        self._nudge_number(self.agenda.ask_at(self.now))

    def _nudge_number(self, number: int | None) -> None:
        if number is not None:
            seat = self.seats[number]
            assert isinstance(seat.doing, Waiting), "who is to be woken waits"
            self._nudge(seat)

    def _nudge(self, seat: Seat | None) -> None:
        if seat is not None and isinstance(seat.doing, Waiting):
            seat.doing.nudged = True

    def _nudge_all(self) -> None:
        for seat in self.seats:
            self._nudge(seat)

    # ------------------------------------------------------------ what must hold at every moment

    def check(self) -> None:
        """Check it."""
        doing = [seat.doing for seat in self.seats]
        assert self.agenda.running == len(self.elsewhere or ())
        assert self.agenda.busy == sum(isinstance(each, Running | Sending | AtTheGate) for each in doing)
        assert self.agenda.acquiring == any(isinstance(each, Asking | Peeking | Looking) for each in doing)
        assert len(self.agenda.waiting) < LARGEST_BATCH + max(LARGEST_BATCH, self.batch), "a stock has its bounds"
        assert self.agenda.threads == sum(not isinstance(each, Left) for each in doing)
        assert self.agenda.away == len(self.keeper)
        for held in self.everything:
            assert (held.state in FINAL) == (self.ended[id(held)] == 1), "an end is an end"
        if self.stop.first_told is not None:
            if self.agenda.over(self.stop.first_told, self.now):
                self.was_over = True
                open_ones = {held.state for held in self.everything} - FINAL
                assert open_ones <= {State.RELEASING, State.WAITING}, "over is when every result has come to its end"
                patient = self.now < self.agenda.releases_until(self.stop.first_told)
                assert not (self.agenda.waiting and patient), "and nothing waits to be given back while there is time"
            return
        awake = any(isinstance(each, Free) or (isinstance(each, Waiting) and each.nudged) for each in doing)
        asleep = [each for each in doing if isinstance(each, Waiting) and not each.nudged]
        timed = [each for each in asleep if each.until < math.inf]
        assert len(timed) <= 1, "one thread minds the clock, not several"
        if asleep and not awake:
            assert not self.agenda.finished, "no outcome waits while a thread sleeps"
        if asleep and not awake and self.agenda.free:
            assert not self.agenda.waiting, "no job waits while a thread sleeps"
            assert timed or self.agenda.acquiring, "while threads sleep, one minds when to ask"
        if timed and self.woken is not None:
            assert timed[0].until <= self.woken + 1e-6, "who was woken asks"

    # ------------------------------------------------------------ to an end

    def next_moment(self) -> float | None:
        """Return when something happens next by itself; `None`: nothing does."""
        moments = [seat.doing.until for seat in self.seats if isinstance(seat.doing, Waiting)]
        moments += [seat.doing.due for seat in self.seats if isinstance(seat.doing, Sending)]
        moments += [sending.due for sending in self.keeper]
        following = self.engine.next_event(self.now)
        finite = [each for each in [*moments, following] if each is not None and self.now < each < math.inf]
        return min(finite, default=None)

    def run_until(self, done: str, chance: Chance, steps: int = 5_000) -> None:
        """Let everybody do what there is to do, in turn, until `settled` or `left`; fail when nothing leads there."""
        for turn in range(steps):
            if self._is_done(done):
                return
            able = self.able()
            if able:
                self.act(able[turn % len(able)], chance)
                continue
            moment = self.next_moment()
            assert moment is not None, f"everybody waits, and nobody for anything ({done})"
            self.pass_time(moment - self.now)
            self.engine.reset(self.now)
        raise AssertionError(f"it does not come to an end ({done})")

    def _is_done(self, done: str) -> bool:
        if done == "left":
            return all(isinstance(seat.doing, Left) for seat in self.seats)
        innocent = [job for job in self.engine.jobs.values() if job.correlation_id not in self.wire.poisoned]
        return not any(job.there for job in innocent)


def _idle(seat: Seat) -> bool:
    return isinstance(seat.doing, Waiting) and not seat.doing.nudged


def _owners(held: HeldJob) -> tuple[str | None, ...]:
    return held.lease._owners


def _job(job: EngineJob) -> ExternalWorkerAcquireJobResponse:
    made = ExternalWorkerAcquireJobResponse([], job.job_id, *(None,) * 10, job.retries, *(None,) * 6)
    made.correlation_id = made.execution_id = job.correlation_id
    return made


ENDINGS = (COMPLETE, COMPLETE, BPMN_ERROR, FAIL)

__all__ = ["ENDINGS", "Asking", "Chance", "Peeking", "World"]
