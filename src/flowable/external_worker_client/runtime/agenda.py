"""What a subscription does next. Pure: threads ask `next`, do what it says, and tell what came of it.

All threads of a subscription are alike, one for each slot: whoever is free takes the next step, be it to start a
handler, to give jobs back, or to ask the engine for more. So nothing is handed from thread to thread, and a
subscription with one slot does everything on one thread. The rules:

- Never more handlers at once than slots. A thread that settles is not free.
- Handlers that run elsewhere (coroutines, on an event loop) take no thread: there, a few threads serve many slots, and
  whoever is free settles what has ended.
- One acquire at a time. It asks for what the free slots can take, and for no less than `batch`. Where jobs may be held
  in stock (`prefetch`), it asks for some more, and before the last of them is started.
- Settling goes before acquiring, unless the handlers would run out of jobs meanwhile.
- A job whose acquire found a free slot always starts; one that waited starts if enough of its lock is left.
- Once told to stop, nothing is started and nothing acquired; what waits is given back; then the threads leave, the
  first one last.

Times are in seconds on the caller's clock. The machine changes in place: whoever shares it among threads locks it.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from flowable.external_worker_client.rest.answers import Reading
from flowable.external_worker_client.runtime import lifecycle
from flowable.external_worker_client.runtime.held import HeldJob
from flowable.external_worker_client.runtime.polling import Polling
from flowable.external_worker_client.runtime.prefetch import Prefetch

#: Free slots that one acquire asks for, at most: larger batches of several workers clash more often than they gain
#: (docs/engine.md, Acquire).
LARGEST_BATCH = 20

#: After a question that failed, being woken does not shorten the pause below this.
SHORTEST_PAUSE_AFTER_ERRORS = 1.0  # seconds

#: Topics that are told that the engine answers again ask within so long.
SOON_AFTER_AN_OUTAGE = 1.0  # seconds

#: A look that may not be made now, because others ask, is put off by so much, and dropped after so long.
LOOK_AGAIN = 0.02  # seconds
LOOKS_EXPIRE = 0.5  # seconds

#: Jobs that one thread gives back before it looks what else there is.
RELEASED_AT_ONCE = 5

#: Run times remembered, to tell what a usual run takes.
RUNS_REMEMBERED = 50

#: The thread that programs know as `subscription.thread`. It leaves last.
FIRST_THREAD = 0


@dataclass(frozen=True, slots=True)
class Start:
    """Run the handler for a job, and settle it."""

    held: HeldJob


@dataclass(frozen=True, slots=True)
class Settle:
    """Settle a job whose handler ran elsewhere and has ended."""

    held: HeldJob


@dataclass(frozen=True, slots=True)
class Release:
    """Give jobs back.

    Attributes:
        held: Which.
        pause: Seconds that they stay away. `None`: they can be acquired at once.
        reason: For the log.
    """

    held: Sequence[HeldJob]
    pause: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Acquire:
    """Ask the engine for jobs.

    Attributes:
        count: For so many.
        idle: Whether there was no work for long: it may be enough to know that there is none in the engine at all.
        extra: Whether it is asked before its time, because a job was settled whose process may go on here.
    """

    count: int
    idle: bool = False
    extra: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """Look once more for acquires whose answer was lost, before leaving."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for so many seconds (`math.inf`: for ever), or until somebody says that there is something to do."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Leave:
    """End the thread."""


Step = Start | Settle | Release | Acquire | Look | Wait | Leave


class Agenda:
    """The deciding part of one subscription.

    Args:
        slots: How many handlers may run at once.
        batch: Fewest jobs to ask for.
        lock: How long jobs are locked.
        wait: Longest pause between two questions while there is no work.
        threads: How many threads there are, if handlers run elsewhere. `None`: one for each slot, and handlers run on
            them.
        ahead: Whether jobs may be held in stock.

    Attributes:
        polling: When to ask, and for how many.
        waiting: Jobs that were acquired and not started.
        running: Handlers that run elsewhere.
        finished: Jobs whose handler ran elsewhere and has ended.
        busy: Threads that run a handler or settle its job.
        releasing: Releases under way.
        away: Jobs whose delivery has left the thread of their handler.
        acquiring: Whether an acquire is on the wire.
        runs: Run times of handlers, the latest ones.
        prefetch: What was measured, from which the stock follows.
        threads: Threads that have not left.
    """

    def __init__(
        self, *, slots: int, batch: int, lock: float, wait: float, threads: int | None = None, ahead: bool = False
    ) -> None:
        self._slots = slots
        self._batch = batch
        self._lock = lock
        self._ceiling = wait
        self.polling = Polling()
        self.waiting: deque[HeldJob] = deque()
        self.running = 0
        self.finished: deque[HeldJob] = deque()
        self.busy = 0
        self.releasing = 0
        self.away = 0
        self.acquiring = False
        self.runs: deque[float] = deque(maxlen=RUNS_REMEMBERED)
        self.prefetch = Prefetch()
        self._ahead = ahead
        self._more = False
        self._asked = 0
        self._asked_at = self._batch_asked_at = -math.inf
        self._worked_at = -math.inf
        self._again = False
        self._extra = False
        # Moments, and when they are too old; in order.
        self._looks: list[tuple[float, float]] = []
        self._look: tuple[float, float] | None = None
        self._elsewhere = threads is not None
        self.threads = self._made = slots if threads is None else threads
        self._looked = False
        self._answered_at = -math.inf
        self._ask_at = -math.inf
        self._not_before = -math.inf
        self._asker: int | None = None
        self._wanted = batch
        self._limited = False

    # ------------------------------------------------------------ what is next

    def next(self, thread: int, now: float, *, stopping: bool, lost: bool = False) -> Step:
        """Decide what a thread that is free does next. It is busy from then on, unless it is to wait or to leave.

        Args:
            thread: Its number, from 0.
            now: The time.
            stopping: Whether the subscription was told to stop.
            lost: Whether answers to acquires were lost, whose jobs have not been found yet.
        """
        if self._asker == thread:
            self._asker = None
        ahead = not stopping and self._runs_out(now)
        if self.finished and not (ahead and len(self.finished) <= self.threads):
            self.busy += 1
            return Settle(self.finished.popleft())
        if stopping:
            return self._stopping(thread, lost=lost)
        if ahead:
            return self._acquire(now)
        if self.waiting and self.free:
            return self._start_or_release(now)
        return self._acquire_or_wait(thread, now)

    def _acquire_or_wait(self, thread: int, now: float) -> Step:
        if self.waiting or not self.free or self.acquiring or self._asker is not None:
            return Wait(math.inf)
        due = self._due()
        if now < due:
            # One thread waits for the moment to ask; the others wait for what that brings.
            self._asker = thread
            return Wait(due - now)
        return self._acquire(now)

    def _acquire(self, now: float) -> Acquire:
        self.acquiring = True
        self._limited = False
        woken, self._again = self._again, False
        self._extra = now < self._ask_at
        self._look = self._looks.pop(0) if self._extra and self._looks else None
        if not self._extra:
            # Later ones are still of use: what they are for may only be about to appear.
            self._looks = [look for look in self._looks if look[0] > now]
        # What the lookout knows may be older than what somebody has woken it for.
        idle = self.polling.idle and not self._extra and not woken
        self._asked_at = now
        stock = self._stock() if self._ahead else 0
        self._wanted = max(self._batch, min(self.free + stock, LARGEST_BATCH))
        self._asked = self.polling.size(self._wanted)
        if self._asked > 1:
            self._batch_asked_at = now
        return Acquire(self._asked, idle=idle, extra=self._extra)

    def _due(self) -> float:
        """Return when to ask next: when it is time, or when there is to be a look."""
        return min(self._ask_at, self._looks[0][0]) if self._looks else self._ask_at

    def _runs_out(self, now: float) -> bool:
        """Say whether it is time to ask for more while there is still work; the last answer had all that was asked."""
        if not self._ahead or not self._more or self.acquiring or now < self._ask_at:
            return False
        if self._made == 1 or not (self.waiting or not self.free):
            return False
        low = min(self.prefetch.low(self._slots), LARGEST_BATCH)
        return len(self.waiting) < low and self._stock() > 0

    def _stock(self) -> int:
        return self.prefetch.stock(self._slots, self._lock, len(self.waiting))

    def release_waiting(self) -> Release | None:
        """Decide, for whoever is free for it, what is to be given back now that the subscription stops."""
        if not self.waiting:
            return None
        # In pieces, so that everybody who is free takes one: an engine that is slow is asked by several at once.
        held = tuple(self.waiting.popleft() for _ in range(min(len(self.waiting), RELEASED_AT_ONCE)))
        self.releasing += 1
        return Release(held, None, "the subscription is stopping")

    def _stopping(self, thread: int, *, lost: bool) -> Step:
        if release := self.release_waiting():
            return release
        if self.running:
            return Wait(math.inf)
        if thread != FIRST_THREAD:
            return Leave()
        if self.threads > 1 or self.busy or self.releasing or self.away:
            return Wait(math.inf)
        if lost and not self._looked:
            # On the wire like an acquire, and waited for no longer than one.
            self._looked = self.acquiring = True
            return Look()
        return Leave()

    def _start_or_release(self, now: float) -> Step:
        held = self.waiting[0]
        left = held.lease.lock.deadline - now
        # Usually most of it is left, whatever a run takes.
        if held.at_once or left > self._lock / 2 or self._enough(left):
            if self._elsewhere:
                self.running += 1
            else:
                self.busy += 1
            return Start(self.waiting.popleft())
        # Those behind it came no later: their locks end no later either, unless they were locked anew meanwhile.
        short = [other for other in self.waiting if other.lease.lock.deadline <= held.lease.lock.deadline]
        for other in short:
            self.waiting.remove(other)
        self.releasing += 1
        usual = lifecycle.percentile(self.runs, 0.95)
        reason = f"{max(left, 0):.1f} s of the lock are left, a run usually takes {usual:.1f} s"
        return Release(short, lifecycle.PAUSE_AFTER_RELEASE, reason)

    def _enough(self, left: float) -> bool:
        return lifecycle.may_start(left=left, lock=self._lock, usual_run=lifecycle.percentile(self.runs, 0.95))

    # ------------------------------------------------------------ what came of it

    def acquired(
        self, jobs: Sequence[HeldJob], now: float, chance: float, *, answered: int, age: float | None = None
    ) -> None:
        """An acquire was answered.

        Args:
            jobs: What is to be worked on, in order.
            now: The time.
            chance: A random number from 0 to 1, for the jitter of the pause.
            answered: How many jobs the answer had, with those that a run under way has taken over.
            age: For how long it had been there, of a single one. `None`: not known.
        """
        self.acquiring = False
        for held in jobs[: max(0, self.free - len(self.waiting))]:
            held.at_once = True
        self.waiting.extend(jobs)
        self._more = answered >= self._asked
        if answered:
            self._worked_at = now
            self._looks.clear()
            self.prefetch = self.prefetch.acquired(max(0.0, now - self._asked_at))
            was_there = age is not None and age > now - self._batch_asked_at
            self.polling = self.polling.found_work(self._wanted, was_there=was_there)
        elif self._extra and not self._again:
            # A look beside the usual questions: these go on as if it had not been.
            return
        else:
            self.polling = self.polling.found_nothing(self._wanted, since_work=now - self._worked_at)
        self._ask_at = now if self._again else now + self.polling.pause(self._ceiling, chance)

    def not_acquired(self, reading: Reading, now: float, chance: float) -> float:
        """An acquire failed. Arguments as for `acquired`; returns the pause before the next, in seconds."""
        self.acquiring = False
        self._looks.clear()
        self.polling = self.polling.failed()
        pause = self.polling.pause_after(reading, chance)
        self._not_before = now + (reading.retry_after or 0.0)
        if self._again:
            pause = max(min(pause, SHORTEST_PAUSE_AFTER_ERRORS), reading.retry_after or 0.0)
        self._ask_at = now + pause
        return pause

    def not_asked(self) -> None:
        """The acquire was not sent, because the subscription was told to stop before, or the last look has ended."""
        self.acquiring = False

    def allowed(self, jobs: int) -> None:
        """The limits of the topic allow so many jobs. That a smaller batch comes back empty tells less."""
        self._wanted = min(self._wanted, jobs)
        self._asked = min(self._asked, jobs)

    def not_allowed(self, until: float) -> None:
        """The acquire was not sent: the limits of the topic do not allow a job before this moment."""
        self.acquiring = False
        self._ask_at = until
        self._limited = True

    def may_be_allowed(self, now: float) -> int | None:
        """A job has ended, after which the limits of the topic may allow another one.

        Returns:
            The thread that waits to ask, which is to be woken. `None`: nothing was held back, or nobody waits.
        """
        if not self._limited:
            return None
        self.ask_no_later_than(now)
        return self._asker

    def ask_no_later_than(self, moment: float) -> None:
        """Let the next question not wait longer: there is something to look after before it."""
        self._ask_at = min(self._ask_at, moment)

    def wake(self, now: float) -> int | None:
        """Somebody knows that there may be work: ask now.

        After errors, not within a second of the last question, and not before the server wants to be asked again. While
        a limit of the topic allows nothing, or nothing fits in, it is asked when that ends.

        Returns:
            The thread that waits to ask, which is to be woken. `None`: nobody does.
        """
        # An acquire that is under way may have missed it.
        self._again = self.acquiring
        self.polling = self.polling.woken()
        if self.polling.errors:
            self.ask_no_later_than(max(now, self._asked_at + SHORTEST_PAUSE_AFTER_ERRORS, self._not_before))
        elif not self._limited:
            self.ask_no_later_than(now)
        return self._asker

    def ask_at(self, now: float) -> int | None:
        """There is work in the engine, perhaps of this topic: ask now, if it waits idly. Returns as `wake`."""
        if not self.waits_idly(now):
            return None
        self._ask_at = now
        return self._asker

    def engine_answers(self, now: float, chance: float) -> int | None:
        """The engine has answered somebody else: after errors, ask soon. Returns as `wake`.

        Args:
            now: The time.
            chance: A random number from 0 to 1: not all who are told ask at once.
        """
        if not self.polling.errors:
            return None
        self.ask_no_later_than(max(now + chance * SOON_AFTER_AN_OUTAGE, self._not_before))
        return self._asker

    def answered(self) -> None:
        """The engine has answered somebody who asked for this topic as well: it is not away any more."""
        self.polling = self.polling.answered()

    def waits_idly(self, now: float) -> bool:
        """Say whether there is no work, and it is asked for later: what a look may shorten."""
        if self.waiting or not self.free or self._limited or self.polling.errors:
            return False
        # A question that is under way may have missed what is to be found.
        return now < self._ask_at or (self.acquiring and self.polling.empty > 0)

    def look_at(self, moment: float) -> int | None:
        """Ask at this moment as well. Returns as `wake`, if the thread waits for a later one."""
        if self.polling.errors:
            return None
        before = self._due()
        insort(self._looks, (moment, moment + LOOKS_EXPIRE))
        return self._asker if moment < before else None

    def look_later(self, now: float) -> None:
        """A look is not made now, because others ask: a little later, unless it has become too old."""
        self.acquiring = False
        if self._look is not None and now + LOOK_AGAIN < self._look[1]:
            insort(self._looks, (now + LOOK_AGAIN, self._look[1]))

    def nothing_there(self, next_question: float) -> None:
        """The question was not sent: there is no work in the engine at all. Ask at this moment."""
        self.acquiring = False
        # Who has woken it meanwhile may know better.
        if not self._again:
            self._ask_at = next_question

    def is_here_after_all(self) -> None:
        """A job that was to be started elsewhere is settled on this thread: its outcome is known without a run."""
        self.running -= 1
        self.busy += 1

    def finish(self, held: HeldJob) -> None:
        """A handler has ended that ran elsewhere."""
        self.running -= 1
        self.finished.append(held)

    def ended(self, run: float | None = None, *, cycle: float | None = None, now: float | None = None) -> None:
        """A job that was started has come to its end.

        Args:
            run: How long its handler ran, if it did, in seconds.
            cycle: How long it took from the start of the handler until it was settled. `None`: it was not.
            now: The time, if it was settled.
        """
        self.busy -= 1
        if run is not None:
            self.runs.append(run)
        if cycle is not None:
            self.prefetch = self.prefetch.ended(cycle)
        if now is not None:
            self._worked_at = now

    def not_started(self) -> None:
        """A job that was to be started is given back instead."""
        self.busy -= 1
        self.releasing += 1

    def gave_back(self, now: float) -> None:
        """The engine has answered to a job that is given back."""
        self._answered_at = now

    def released(self) -> None:
        """A release has ended."""
        self.releasing -= 1

    def moved_away(self, run: float | None = None) -> None:
        """The delivery of a job has left its thread, which is free again. `run`: as for `ended`."""
        self.ended(run)
        self.away += 1

    def arrived(self) -> None:
        """Such a delivery has come to its end."""
        self.away -= 1

    def started(self, threads: int) -> None:
        """Only so many threads could be started."""
        self.threads -= self._made - threads

    def left(self) -> None:
        """A thread has left."""
        self.threads -= 1

    # ------------------------------------------------------------ questions

    def over(self, told: float, now: float) -> bool:
        """Say whether a subscription that was told to stop has nothing left to do, and will start nothing any more.

        An acquire that is still on the wire is waited for no longer than two seconds, and what it brings is given back.
        Giving back is waited for as long as the engine answers, and ten seconds longer: one that does not must not hold
        up a stop.

        Args:
            told: When it was told first.
            now: The time.
        """
        if self.running or self.finished or self.busy or self.away:
            return False
        if (self.waiting or self.releasing) and now < self.releases_until(told):
            return False
        return not self.acquiring or now >= told + lifecycle.WAIT_FOR_AN_ACQUIRE

    def releases_until(self, told: float) -> float:
        """Return until when jobs that are given back are waited for. `told`: when it was told to stop first."""
        return max(told, self._answered_at) + lifecycle.WAIT_FOR_RELEASES

    def has_work(self) -> bool:
        """Say whether there is something to do for one more thread: a job that waits, or to mind when to ask."""
        if self.finished:
            return True
        return bool(self.free) and (bool(self.waiting) or (self._asker is None and not self.acquiring))

    @property
    def free(self) -> int:
        """How many more handlers may run now."""
        taken = self.running if self._elsewhere else self.busy
        return max(0, self._slots - taken)
