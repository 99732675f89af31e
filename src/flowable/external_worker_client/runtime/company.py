"""What subscriptions do for each other: looks after a settled job, one for many idle topics, news after an outage."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from flowable.external_worker_client.rest import failures
from flowable.external_worker_client.rest.operations import LIST
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient
from flowable.external_worker_client.runtime.clock import Clock
from flowable.external_worker_client.runtime.explain import explain
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.lookout import AFTER_A_FAILURE, Advice, Lookout
from flowable.external_worker_client.runtime.looks import SHORTEST_PAUSE, Looks
from flowable.external_worker_client.runtime.outage import Outage

_log = Log(__name__)


class Member(Protocol):
    """A subscription, as the others see it. Called from their threads."""

    def waits_idly(self) -> bool:
        """Say whether it has no work, and asks for some later."""
        ...

    def look_at(self, moment: float) -> None:
        """Ask at this moment as well."""
        ...

    def ask_now(self) -> None:
        """Ask now: there is work in the engine, perhaps of this topic."""
        ...

    def engine_answers(self) -> None:
        """If it waits after questions that failed, ask soon: the engine has answered somebody else."""
        ...


class Company:
    """The subscriptions of one client.

    Args:
        clock: Tells the time.

    Attributes:
        outage: What they know of an engine that does not answer.
        listeners: Told as well when it answers again. Quick.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._looks = Looks()
        self.outage = Outage()
        self.listeners: Sequence[Callable[[], object]] = ()
        self._members: dict[int, Member] = {}
        self._count = 0
        self._all_busy_until = -math.inf

    def join(self, member: Member) -> int:
        """Take a subscription in, and return its number."""
        with self._lock:
            self._count += 1
            self._members = {**self._members, self._count: member}
            return self._count

    def leave(self, number: int) -> None:
        """A subscription has ended."""
        with self._lock:
            self._members = {key: value for key, value in self._members.items() if key != number}
            self._looks.left(number)
        self.outage.answered(number)

    def settled(self, number: int) -> None:
        """A job of a subscription was settled: let idle ones look for the next task of its process."""
        now = self._clock.now()
        # Without the lock, in most cases: jobs come in quick succession when there is work. While all topics have some,
        # not each of them has to ask all others again.
        if now < self._all_busy_until or not self._looks.is_occasion(number, now):
            return
        with self._lock:
            if not self._looks.worth_it(number, now):
                return
        members = self._members
        # Its own topic as well: other handlers of it may be at work, and the last question long ago.
        idle = [key for key, member in members.items() if member.waits_idly()]
        if not idle:
            self._all_busy_until = now + SHORTEST_PAUSE
            return
        with self._lock:
            planned = self._looks.settled(number, idle, now)
        for key, moment in planned:
            members[key].look_at(moment)

    def engine_answers(self) -> None:
        """The engine has answered somebody, who was not answered before: nobody else needs to wait for long."""
        if self.outage.is_news(self._clock.now()):
            for member in self._members.values():
                member.engine_answers()
            for listener in self.listeners:
                listener()

    def found(self, number: int) -> None:
        """An acquire of a subscription brought jobs."""
        with self._lock:
            self._looks.found(number, self._clock.now())


class SharedLookout:
    """The lookout of a worker with several topics, for all their threads.

    Args:
        pause: As for `Lookout`.
        chance: Returns random numbers from 0 to 1.

    Attributes:
        answered_at: When the engine answered a look, on the clock.
    """

    def __init__(self, pause: float, chance: Callable[[], float]) -> None:
        self._lookout = Lookout(pause)
        self._chance = chance
        self._lock = threading.Lock()
        self._members: list[Member] = []
        self._said = False
        self.answered_at = -math.inf

    def join(self, member: Member) -> None:
        """Take a subscription in."""
        with self._lock:
            self._members.append(member)

    def leave(self, member: Member) -> None:
        """A subscription has ended."""
        with self._lock:
            self._members = [other for other in self._members if other is not member]

    def found(self) -> None:
        """A subscription that had no work for long has got jobs."""
        with self._lock:
            self._lookout.found()

    def look_again(self) -> None:
        """The engine answers, after it had not."""
        with self._lock:
            self._lookout.look_again()

    def wait_until(self, rest_client: Any, clock: Clock) -> float | None:  # noqa: ANN401 - what people put in its place
        """Say until when an idle topic need not be asked, and look if nobody knows. `None`: it is to be asked now."""
        # By its type, because a mock has every method. What people put in its place may list nothing.
        if not issubclass(type(rest_client), FlowableExternalWorkerRestClient):
            return None
        with self._lock:
            advice = self._lookout.advise(clock.now())
            if advice is Advice.WAIT:
                return self._lookout.until
        return None if advice is Advice.ASK else self._look(rest_client, clock)

    def _look(self, rest_client: FlowableExternalWorkerRestClient, clock: Clock) -> float | None:
        try:
            total = rest_client.list_jobs(unlocked=True, size=0).total
        except BaseException as error:  # noqa: BLE001 - whatever the person's session, auth and adapters raise
            with self._lock:
                self._lookout.failed(clock.now())
                said, self._said = self._said, True
            # The acquires that follow say louder what is wrong, if it is the engine.
            text = "The list of unlocked jobs could not be looked at; idle topics are asked one by one for %.0f s: %s"
            reading = failures.read(error, LIST, time.time())
            _log.say(logging.DEBUG if said else logging.INFO, text, AFTER_A_FAILURE, explain(reading))
            return None
        self.answered_at = clock.now()
        with self._lock:
            if not total:
                return self._lookout.nothing(clock.now(), self._chance())
            self._lookout.something(clock.now())
            members = list(self._members)
        for member in members:
            member.ask_now()
        return None
