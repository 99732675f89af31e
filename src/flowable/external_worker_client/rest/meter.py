"""Measures how many answers a second an engine gives, and how certain that is. Pure; one of it for a `traffic.Search`.

Answers count by what their kind usually takes, compared with the others: an acquire of twenty jobs is not a complete,
and whether there are more of the one or of the other at the moment says nothing about the engine. What the kinds cost
is learned between comparisons only, so that what is compared was measured alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: A measurement has at least so many answers, takes at least so long, and no longer than that if there are a few.
_ANSWERS = 24
SHORTEST = 0.2  # seconds
_LONGEST = 3.0  # seconds
_FEW = 12

#: Round trips that it takes at least: answers come in bursts when the engine is far away.
_ROUND_TRIPS = 3

#: What no number of answers makes more certain, as the standard deviation of a logarithm.
_DOUBT = 0.02

#: Answers are not trusted to be more alike than this: the square of the standard deviation over the mean.
_LEAST_SPREAD = 0.05

#: How many times less, or more, certain measurements turn out to be than their spread says.
_LEAST_NOISE, _MOST_NOISE = 0.5, 8.0

#: Kinds of answers that are told apart. There are nine operations, and acquires of several sizes.
_KINDS = 32

#: The cost of a kind that was seen so often since it was last said is half forgotten.
_HALF_FORGOTTEN = 20

#: Bounds of what the first answer of a kind may say about its cost.
_CHEAPEST, _DEAREST = 0.1, 10.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Answers a second.

    Attributes:
        rate: Their logarithm.
        variance: How uncertain that is.
    """

    rate: float
    variance: float


@dataclass(slots=True)
class _Kind:
    """What answers of one kind cost, the mean of all being 1, and what was seen of them since that was said."""

    cost: float = 1.0
    learned: bool = False
    seconds: float = 0.0
    count: int = 0


class Meter:
    """Counts answers until there are enough for a measurement."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}
        self._known = False
        self._noise = 1.0
        self.shortest = SHORTEST
        self.begin()

    def begin(self) -> None:
        """Begin a new measurement."""
        self._answers = 0
        self._time = 0.0
        # Of the costs of the answers: their sum, and that of their squares. The same for what a unit of cost took.
        self._work = self._work_squared = 0.0
        self._spent = self._spent_squared = 0.0

    def count(self, kind: str, seconds: float, passed: float) -> None:
        """Count an answer.

        Args:
            kind: What was asked for.
            seconds: How long the answer took.
            passed: Seconds since the answer before it.
        """
        found = self._kinds.get(kind) or self._new_kind(kind, seconds)
        found.seconds += seconds
        found.count += 1
        cost = found.cost
        spent = seconds / cost
        self._answers += 1
        self._time += passed
        self._work += cost
        self._work_squared += cost * cost
        self._spent += spent
        self._spent_squared += spent * spent

    def is_enough(self, places: int) -> bool:
        """Say whether there are enough answers. `places`: how many requests may be under way."""
        answers = self._answers
        if answers < _FEW or self._time < self.shortest:
            return False
        return (answers >= _ANSWERS and answers >= _ROUND_TRIPS * places) or self._time >= _LONGEST

    def take(self) -> Measured | None:
        """End the measurement, and begin a new one. `None`: it is not known yet what the kinds cost."""
        measured = None
        if not self._known:
            self.learn()
        elif self._spent > 0:
            # Of kinds that cost much there are few.
            answers = self._work * self._work / self._work_squared
            # By Little's law, answers a second are as uncertain as the mean of how long they take.
            spread = max(self._answers * self._spent_squared / (self._spent * self._spent) - 1, _LEAST_SPREAD)
            measured = Measured(math.log(self._work / self._time), self._noise * spread / answers + _DOUBT * _DOUBT)
        self.begin()
        return measured

    def surprised(self, before: Measured, after: Measured) -> None:
        """Learn from two measurements of the same how certain they are."""
        apart = before.rate - after.rate
        surprise = apart * apart / (before.variance + after.variance)
        self._noise = min(max(self._noise * (0.9 + 0.1 * surprise), _LEAST_NOISE), _MOST_NOISE)

    def learn(self) -> None:
        """Learn what the kinds cost. Measurements from before are not to be compared with later ones."""
        mean = self._mean()
        if mean <= 0:
            return
        self._known = True
        for kind in self._kinds.values():
            if kind.count:
                share = kind.count / (kind.count + _HALF_FORGOTTEN) if kind.learned else 1.0
                cost = max(kind.seconds / kind.count / mean, 1e-3)
                kind.cost += share * (cost - kind.cost)
                kind.learned = True
            kind.seconds, kind.count = 0.0, 0

    def _mean(self) -> float:
        count = sum(kind.count for kind in self._kinds.values())
        return sum(kind.seconds for kind in self._kinds.values()) / count if count else 0.0

    def _new_kind(self, name: str, seconds: float) -> _Kind:
        if len(self._kinds) >= _KINDS:
            return next(iter(self._kinds.values()))
        mean = self._mean() if self._known else 0.0
        cost = min(max(seconds / mean, _CHEAPEST), _DEAREST) if mean > 0 else 1.0
        found = self._kinds[name] = _Kind(cost)
        return found
