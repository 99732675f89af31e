"""Workers and an engine on made-up time, without threads: what polling costs, and how soon jobs are found.

What decides is the library's: `Agenda` with its `Polling`, `Looks` behind `Company`, `Lookout`. The engine is a few
lines: jobs have a topic and appear at a moment; an acquire takes its time, and gets nothing when another one on the
same topic has got something meanwhile.
"""

from __future__ import annotations

import heapq
import math
import random
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.runtime.agenda import Acquire, Agenda, Start, Wait
from flowable.external_worker_client.runtime.company import Company
from flowable.external_worker_client.runtime.held import HeldJob, Lease, Lock
from flowable.external_worker_client.runtime.lookout import Advice, Lookout

LOCK = 60.0  # seconds
ROUND_TRIP = 0.01  # seconds: of every request
LARGEST_WAIT_THAT_COUNTS = 1e9


@dataclass(slots=True)
class Job:
    """A job in the engine.

    Attributes:
        topic: Its topic.
        appears: When.
        taken: When it was acquired.
        follows: The topics that its process goes on with, one after the other.
        foreign: Whether no worker here gets it.
    """

    topic: str
    appears: float
    follows: Sequence[str] = ()
    foreign: bool = False
    taken: float = math.nan


class Simulation:
    """Time, the engine, and all workers.

    Args:
        seed: What chance is made of.
        goes_on: How long the engine takes from a settled job to the next task of its process, in seconds.

    Attributes:
        now: The time, in seconds.
        acquires: When acquires were sent.
        looks: When the engine was asked for any job.
        taken: The jobs that were acquired, in order.
        ends: When processes ended.
    """

    def __init__(self, seed: int = 0, goes_on: float = 0.005) -> None:
        self.now = 0.0
        self.random = random.Random(seed)  # noqa: S311 - dice
        self.acquires: list[float] = []
        self.looks: list[float] = []
        self.taken: list[Job] = []
        self.ends: list[float] = []
        self._goes_on = goes_on
        self._jobs: dict[str, deque[Job]] = defaultdict(deque)
        self._won: dict[str, list[float]] = defaultdict(list)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def clock(self) -> float:
        """Return the time."""
        return self.now

    def at(self, moment: float, call: Callable[[], None]) -> None:
        """Let something happen at a moment."""
        self._count += 1
        heapq.heappush(self._events, (moment, self._count, call))

    def run(self, until: float) -> None:
        """Let time pass up to a moment."""
        while self._events and self._events[0][0] <= until:
            self.now, _, call = heapq.heappop(self._events)
            call()
        self.now = until

    # ------------------------------------------------------------ the engine

    def put(self, job: Job) -> None:
        """Put a job into the engine, now or later."""
        if job.appears <= self.now:
            self._jobs[job.topic].append(job)
        else:
            self.at(job.appears, lambda: self._jobs[job.topic].append(job))

    def waiting(self, topic: str) -> int:
        """Return how many jobs of a topic nobody has."""
        return len(self._jobs[topic])

    def unlocked(self) -> int:
        """Return how many jobs nobody has."""
        return sum(map(len, self._jobs.values()))

    def acquire(self, topic: str, count: int, answered: Callable[[list[Job]], None]) -> None:
        """Take jobs, some time from now; none if somebody else takes some meanwhile."""
        sent = self.now
        self.acquires.append(sent)
        took = ROUND_TRIP * (0.8 + 0.4 * self.random.random())

        def carry_out() -> None:
            won = self._won[topic]
            clash = bool(won) and won[-1] > sent
            there = self._jobs[topic]
            jobs = (
                []
                if clash or any(job.foreign for job in there)
                else [there.popleft() for _ in range(min(count, len(there)))]
            )
            for job in jobs:
                job.taken = self.now
            self.taken += jobs
            if jobs:
                won.append(self.now)
            answered(jobs)

        self.at(sent + took, carry_out)

    def settle(self, job: Job, settled: Callable[[], None]) -> None:
        """Settle a job; its process goes on a moment later."""

        def carry_out() -> None:
            if job.follows:
                self.put(Job(job.follows[0], self.now + self._goes_on, job.follows[1:]))
            else:
                self.ends.append(self.now)
            settled()

        self.at(self.now + ROUND_TRIP / 2, carry_out)

    # ------------------------------------------------------------ what it has cost

    def requests(self, since: float, to: float) -> float:
        """Return how many requests a minute were sent to find jobs."""
        sent = sorted([*self.acquires, *self.looks])
        return (bisect_left(sent, to) - bisect_left(sent, since)) * 60.0 / (to - since)

    def most_within(self, seconds: float) -> int:
        """Return the most requests that were sent within so many seconds."""
        sent = sorted([*self.acquires, *self.looks])
        return max((bisect_right(sent, each + seconds) - index for index, each in enumerate(sent)), default=0)

    def pick_ups(self) -> list[float]:
        """Return how long jobs waited, shortest first."""
        return sorted(job.taken - job.appears for job in self.taken)


class _Clock:
    def __init__(self, simulation: Simulation) -> None:
        self.now = simulation.clock


def company(simulation: Simulation) -> Company:
    """Return the company of one client."""
    return Company(_Clock(simulation))  # type: ignore[arg-type]


@dataclass(slots=True, eq=False)
class Topic:
    """One subscription with one thread. It begins to ask at once.

    Args:
        simulation: Where it lives.
        name: Its topic.
        wait: Longest pause between two questions while there is no work, in seconds.
        batch: For how many jobs it asks.
        company: The other subscriptions of its client. `None`: there are none.
        lookout: The one of its worker. `None`: it has none.
        run: How long its handler takes, in seconds.
        asked: When it asked.
        waits: The pauses that it made.
    """

    simulation: Simulation
    name: str
    wait: float
    batch: int = 1
    company: Company | None = None
    lookout: SharedLookout | None = None
    run: float = 0.0
    asked: list[float] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)
    agenda: Agenda = field(init=False)
    _turn: int = field(init=False, default=0)
    _number: int = field(init=False, default=0)
    _jobs: dict[str, Job] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Begin."""
        self.agenda = Agenda(slots=1, batch=self.batch, lock=LOCK, wait=self.wait)
        if self.company is not None:
            self._number = self.company.join(self)
        if self.lookout is not None:
            self.lookout.members.append(self)
        self.simulation.at(self.simulation.now, self._next)

    # ------------------------------------------------------------ its thread

    def _next(self) -> None:
        self._turn += 1
        now = self.simulation.now
        match self.agenda.next(0, now, stopping=False):
            case Wait(seconds):
                turn = self._turn
                self.waits.append((now, seconds))
                self.simulation.at(now + seconds, lambda: self._next() if turn == self._turn else None)
            case Acquire(count, idle=idle):
                if idle and self.lookout is not None:
                    self.lookout.ask(lambda until: self._looked(until, count))
                else:
                    self._acquire(count)
            case Start(held):
                self.simulation.at(now + self.run, lambda: self._settle(held, now))
            case other:
                raise AssertionError(other)

    def _nudge(self, asker: int | None) -> None:
        if asker is not None:
            self.simulation.at(self.simulation.now, self._next)

    def _looked(self, until: float | None, count: int) -> None:
        if until is None:
            self._acquire(count)
        else:
            self.agenda.nothing_there(until)
            self._next()

    def _acquire(self, count: int) -> None:
        self.asked.append(self.simulation.now)
        self.simulation.acquire(self.name, count, self._acquired)

    def _acquired(self, jobs: list[Job]) -> None:
        now = self.simulation.now
        held = [_held(f"{len(self._jobs)}-{number}", now + LOCK) for number in range(len(jobs))]
        self._jobs.update({each.job.id: job for each, job in zip(held, jobs, strict=True)})
        if jobs and self.company is not None:
            self.company.found(self._number)
        if jobs and self.lookout is not None:
            self.lookout.lookout.found()
        self.agenda.acquired(held, now, self.simulation.random.random(), answered=len(jobs))
        self._next()

    def _settle(self, held: HeldJob, began: float) -> None:
        def settled() -> None:
            now = self.simulation.now
            self.agenda.ended(self.run, cycle=now - began, now=now)
            if self.company is not None:
                self.company.settled(self._number)
            self._next()

        self.simulation.settle(self._jobs[held.job.id], settled)

    # ------------------------------------------------------------ for the others

    def waits_idly(self) -> bool:
        """See `company.Member`."""
        return self.agenda.waits_idly(self.simulation.now)

    def look_at(self, moment: float) -> None:
        """See `company.Member`."""
        self._nudge(self.agenda.look_at(moment))

    def ask_now(self) -> None:
        """See `company.Member`."""
        self._nudge(self.agenda.ask_at(self.simulation.now))

    def engine_answers(self) -> None:
        """See `company.Member`."""
        self._nudge(self.agenda.engine_answers(self.simulation.now, self.simulation.random.random()))


class SharedLookout:
    """A lookout, and how the topics of a worker use it: as `company.SharedLookout`, without threads."""

    def __init__(self, simulation: Simulation, pause: float) -> None:
        self.lookout = Lookout(pause)
        self.members: list[Topic] = []
        self._simulation = simulation

    def ask(self, answer: Callable[[float | None], None]) -> None:
        """Tell until when an idle topic need not ask; `None`: it asks now."""
        simulation = self._simulation
        advice = self.lookout.advise(simulation.now)
        if advice is Advice.WAIT:
            answer(self.lookout.until)
        elif advice is Advice.ASK:
            answer(None)
        else:
            simulation.looks.append(simulation.now)
            simulation.at(simulation.now + ROUND_TRIP, lambda: self._looked(answer))

    def _looked(self, answer: Callable[[float | None], None]) -> None:
        simulation = self._simulation
        if not simulation.unlocked():
            answer(self.lookout.nothing(simulation.now, simulation.random.random()))
            return
        self.lookout.something(simulation.now)
        for member in self.members:
            member.ask_now()
        answer(None)


def _held(job_id: str, deadline: float) -> HeldJob:
    job = ExternalWorkerAcquireJobResponse([], job_id, *(None,) * 10, 3, *(None,) * 6)
    return HeldJob("t", job, Lease(Lock(job_id, "w", deadline), _NoClock()))  # type: ignore[arg-type]


class _NoClock:
    """Nobody asks a lease how much time is left."""


def share(values: Sequence[float], part: float) -> float:
    """Return what such a part of some values, shortest first, does not exceed."""
    return values[min(len(values) - 1, math.ceil(part * len(values)) - 1)]
