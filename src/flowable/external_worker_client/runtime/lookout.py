"""Whether idle topics have to be asked one by one, or one look at the engine is enough for all of them. Pure.

A worker with many topics that have no work would send an acquire for each of them, again and again. The list of jobs
that are not locked costs one request for all: while it is empty there is nothing to acquire. It does not tell topics,
so when it is not empty, every topic is asked; and if that keeps being so (jobs that other workers are there for, or
that the engine does not give away), the look is not worth its cost, and the topics are asked as if there were no
lookout, for longer and longer. Times are in seconds on the caller's clock.
"""

from __future__ import annotations

import math
from enum import Enum

#: After a look that failed, topics are asked one by one for so long.
AFTER_A_FAILURE = 30.0  # seconds

#: The longest time for which looks are not worth it, in pauses between two of them.
_MOST_PAUSES = 64

#: What those wait for whose look is being made by another topic.
_MEANWHILE = 0.1  # seconds

#: How much of the pause between two looks is chance.
_SPREAD = 0.2


class Advice(Enum):
    """What a topic does that had no work for long and would be asked now."""

    ASK = "ask"
    """Ask for its jobs."""

    LOOK = "look"
    """Look whether there is any job to acquire in the engine, and tell the lookout."""

    WAIT = "wait"
    """Nothing, until `Lookout.until`: there is none."""


class Lookout:
    """What is known of jobs that can be acquired, for the topics of one worker. Changes in place.

    Args:
        pause: Longest time between two looks: the shortest idle pause of these topics.

    Attributes:
        until: With `WAIT`: when to ask for advice again.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._next = -math.inf
        self._looking = False
        self._one_by_one_until = -math.inf
        self._failed = False
        self._in_vain = 0
        self.until = -math.inf

    def advise(self, now: float) -> Advice:
        """Say what a topic does that had no work for long. After `LOOK`, tell what it brought."""
        if now < self._one_by_one_until:
            return Advice.ASK
        if self._looking:
            self.until = now + _MEANWHILE
            return Advice.WAIT
        if now < self._next:
            self.until = self._next
            return Advice.WAIT
        self._looking = True
        return Advice.LOOK

    def nothing(self, now: float, chance: float) -> float:
        """There is no job to acquire. Return when to look next. `chance`: a random number from 0 to 1."""
        self._looking = self._failed = False
        self._in_vain = 0
        self._next = now + self._pause * (1.0 - _SPREAD * (1.0 - chance))
        return self._next

    def something(self, now: float) -> None:
        """There are jobs: every topic is asked."""
        self._looking = self._failed = False
        self._in_vain += 1
        self._one_by_one_until = now + self._pause * min(2.0 ** (self._in_vain - 1), _MOST_PAUSES)

    def found(self) -> None:
        """A topic that had no work for long has got jobs: the looks were of use."""
        self._in_vain = 0

    def look_again(self) -> None:
        """The engine answers, after it had not: it may say now what it did not when it was looked at last."""
        if self._failed:
            self._failed = False
            self._one_by_one_until = -math.inf

    def failed(self, now: float) -> None:
        """The engine did not say."""
        self._looking = False
        self._failed = True
        self._one_by_one_until = now + max(AFTER_A_FAILURE, self._pause)
