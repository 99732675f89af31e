"""An engine that answers in made-up time, and threads that all want something of it."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flowable.external_worker_client.rest.traffic import Places

#: For each acquire, so many jobs are completed; it costs the engine as much as six of these.
BATCH, DEAR = 20, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """What an engine is like.

    Attributes:
        servers: How many requests it works on at a time; others wait in it.
        costs: Seconds for a complete, in the mean.
        away: Seconds on the way there and back.
        contention: By which part of its time a request gets slower for each that is in the engine beyond the servers.
        spread: Of the times, as sigma of a lognormal distribution. `None`: an exponential one, which is a lot.
        refuses_above: Requests in it, above which it answers 503. `None`: it never does.
        refuses_for: Seconds for which it refuses everything, after one that was too many. As circuit breakers do.
        refuses: Whether it answers 503 to everything at a time, however few there are.
        quota: Requests in a second of the clock, above which a gateway before it answers 429. `None`: it has none.
        retry_after: Seconds after which whoever is refused sends again.
        slower: By which factor it is slower at a time.
        pauses: The part of requests that meet a pause of 0.15 seconds.
    """

    servers: int
    costs: float = 0.005
    away: float = 0.0
    contention: float = 0.0
    spread: float | None = None
    refuses_above: int | None = None
    refuses_for: float = 0.0
    refuses: Callable[[float], bool] = lambda now: False
    quota: int | None = None
    retry_after: float = 0.25
    slower: Callable[[float], float] = lambda now: 1.0
    pauses: float = 0.0


@dataclass(slots=True)
class Drain:
    """Threads that acquire and complete without a pause, through so many places.

    Attributes:
        engine: What they work against.
        places: How many requests may be under way.
        threads: How many there are.
        seed: Of the dice.
        now: The time, in seconds.
        numbers: At the time of each answer, how many places there were.
        refusals: The times of answers that were refusals.
    """

    engine: Crowded
    places: Places
    threads: int = 32
    seed: int = 0
    now: float = 0.0
    numbers: list[tuple[float, int]] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    _chance: random.Random = field(init=False)
    _events: list[Any] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _kinds: Any = field(default_factory=lambda: itertools.cycle(["acquire", *["complete"] * BATCH]))
    _waiting: int = 0
    _under_way: int = 0
    _inside: int = 0
    _served: int = 0
    _queue: deque[Any] = field(default_factory=deque)
    _done: list[tuple[float, int]] = field(default_factory=list)
    _open_until: float = 0.0
    _second: int = 0
    _in_second: int = 0

    def __post_init__(self) -> None:
        """Take the dice."""
        self._chance = random.Random(self.seed)  # noqa: S311 - nothing is secret here

    def run(self, until: float, since: float = 0.0) -> float:
        """Return how much was done a second between two moments, in completes."""
        for _ in range(self.threads):
            self._at(self._chance.random() / 100, self._want)
        while self._events and self._events[0][0] < until:
            self.now, _, step, arguments = heapq.heappop(self._events)
            step(*arguments)
        return self.rate(since, until)

    def rate(self, since: float, until: float) -> float:
        """Return how much was done a second between two moments that are over, in completes."""
        return sum(cost for at, cost in self._done if since <= at < until) / (until - since)

    def refused(self, since: float, until: float) -> int:
        """Return how many were refused between two moments that are over."""
        return sum(since <= at < until for at in self.refusals)

    def _at(self, seconds: float, step: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), step, arguments))

    def _want(self) -> None:
        self._waiting += 1
        self._fill()

    def _fill(self) -> None:
        while self._waiting and self._under_way < self.places.number:
            self._waiting -= 1
            self._under_way += 1
            self._at(self.engine.away / 2, self._arrive, next(self._kinds), self.now)

    def _arrive(self, kind: str, sent: float) -> None:
        if self._is_refused():
            self._at(self.engine.away / 2 + 0.001, self._refused)
            return
        self._inside += 1
        self._queue.append((kind, sent))
        self._serve()

    def _is_refused(self) -> bool:
        engine = self.engine
        if int(self.now) != self._second:
            self._second, self._in_second = int(self.now), 0
        self._in_second += 1
        if engine.refuses_above is not None and self._inside >= engine.refuses_above:
            if self.now >= self._open_until:
                self._open_until = self.now + engine.refuses_for
            return True
        if engine.quota is not None and self._in_second > engine.quota:
            return True
        return self.now < self._open_until or engine.refuses(self.now)

    def _serve(self) -> None:
        engine = self.engine
        while self._queue and self._served < engine.servers:
            kind, sent = self._queue.popleft()
            self._served += 1
            seconds = engine.costs * (DEAR if kind == "acquire" else 1) * engine.slower(self.now)
            seconds *= 1 + engine.contention * max(0, self._inside - engine.servers)
            spread = engine.spread
            seconds *= self._chance.expovariate(1) if spread is None else self._chance.lognormvariate(0, spread)
            if self._chance.random() < engine.pauses:
                seconds += 0.15
            self._at(seconds, self._carried_out, kind, sent)

    def _carried_out(self, kind: str, sent: float) -> None:
        self._served -= 1
        self._inside -= 1
        self._serve()
        self._at(self.engine.away / 2, self._answered, kind, sent)

    def _answered(self, kind: str, sent: float) -> None:
        self._done.append((self.now, DEAR if kind == "acquire" else 1))
        self.places.answered(kind, self.now - sent, self.now, self._under_way)
        self._left(0.0)

    def _refused(self) -> None:
        self.refusals.append(self.now)
        self.places.refused(self.now, self._under_way)
        # Whoever is refused waits before it is sent again.
        self._left(self.engine.retry_after)

    def _left(self, pause: float) -> None:
        self._under_way -= 1
        self.numbers.append((self.now, self.places.number))
        self._at(pause, self._want)
        self._fill()
