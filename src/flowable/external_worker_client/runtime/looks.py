"""Which topics to look at once a job was settled, because the next task of its process usually appears then. Pure.

The API does not tell what follows, so the idle topics of the client are asked, a little later and a few times: first
those on which something was found before after a job of the same topic. All that is bounded: 20 looks a second for a
client, three on a topic after each job, one on a topic every 50 milliseconds. A look that is planned already is one for
all jobs that were settled before it. What it finds counts as a success of each of their topics; those that it does not
follow in truth are soon forgotten. Times are in seconds on the caller's clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: When to look, after a job was settled: the engine goes on with the process within milliseconds, if it is not busy.
DELAYS = (0.02, 0.08, 0.25)  # seconds

#: Looks a second for one client, and at most so many in a row.
RATE = 20.0

#: A topic is not looked at more often.
SHORTEST_DISTANCE = 0.05  # seconds

#: Jobs of one topic that are settled in quick succession are one occasion.
SHORTEST_PAUSE = 0.01  # seconds

#: Looks that are kept for topics on which something was found before.
_RESERVED = 8.0

#: When none is left, a topic for which none is planned is looked at when there is one again, within a second: so many
#: topics at a time.
_MOST_PUT_OFF = 4
_PUT_OFF = 1.0  # seconds

#: How often looks have to have been of use, lately, to count as such: a topic that follows another one always comes to
#: 4, and is forgotten after so many jobs without.
_KNOWN = 0.5
_MOST = 4.0
_FORGET = 0.8

#: What is found so long after the last look is no success of it.
_CREDIT = 0.1  # seconds


@dataclass(slots=True)
class _Pending:
    """Looks on a topic that would be a success of another one, whose job was settled.

    Attributes:
        first: When it was.
        last: The moment of the last of the looks.
    """

    first: float
    last: float


class Looks:
    """The looks of one client. Topics are numbers here. For one thread at a time."""

    def __init__(self) -> None:
        self._left = RATE
        self._counted_at = -math.inf
        self._planned: dict[int, list[float]] = {}
        self._pending: dict[int, dict[int, _Pending]] = {}
        self._occasions: dict[int, float] = {}
        self._follows: dict[int, dict[int, float]] = {}
        self._put_off: list[float] = []

    def is_occasion(self, topic: int, now: float) -> bool:
        """Say whether it is long enough ago that a job of a topic was an occasion for looks. For any thread."""
        return now - self._occasions.get(topic, -math.inf) >= SHORTEST_PAUSE

    def worth_it(self, topic: int, now: float) -> bool:
        """Say whether looks may be planned after a job of a topic; quick."""
        self._refill(now)
        if not self.is_occasion(topic, now) or (self._left < 1.0 and self._all_put_off(now)):
            return False
        self._occasions[topic] = now
        return True

    def settled(self, topic: int, idle: Sequence[int], now: float) -> list[tuple[int, float]]:
        """Plan looks after a job was settled.

        Args:
            topic: Its topic.
            idle: The topics that wait to be asked.
            now: The time.

        Returns:
            Topics and moments, in no order.
        """
        self._refill(now)
        self._forget(topic, now)
        known = self._follows.get(topic, {})
        likely = sorted((each for each in idle if known.get(each, 0.0) >= _KNOWN), key=lambda each: -known[each])
        others = sorted(
            (each for each in idle if known.get(each, 0.0) < _KNOWN),
            key=lambda each: max(self._planned.get(each, ()), default=-math.inf),
        )
        # Where it is known what follows, the others are for what seldom does.
        rounds = [(0.0, delay, likely) for delay in DELAYS]
        rounds += [(_RESERVED, delay, others) for delay in (DELAYS[-1:] if likely else DELAYS)]
        looks: list[tuple[int, float]] = []
        for reserved, delay, topics in rounds:
            for each in topics:
                moment = self._plan(topic, each, now, now + delay, reserved)
                if moment is not None:
                    looks.append((each, moment))
        return looks

    def found(self, topic: int, now: float) -> None:
        """An acquire has brought jobs of a topic."""
        for after, pending in self._pending.pop(topic, {}).items():
            if now <= pending.last + _CREDIT:
                follows = self._follows.setdefault(after, {})
                follows[topic] = min(_MOST, follows.get(topic, 0.0) + 1.0)
        # Those that were still to come are not needed.
        planned = self._planned.get(topic, [])
        self._planned[topic] = [moment for moment in planned if moment <= now]
        self._left = min(RATE, self._left + len(planned) - len(self._planned[topic]))

    def left(self, topic: int) -> None:
        """A topic is not worked on any more."""
        self._planned.pop(topic, None)
        self._occasions.pop(topic, None)
        self._pending.pop(topic, None)
        self._follows.pop(topic, None)
        for follows in self._follows.values():
            follows.pop(topic, None)
        for causes in self._pending.values():
            causes.pop(topic, None)

    def _plan(self, after: int, topic: int, now: float, moment: float, reserved: float) -> float | None:
        """Plan a look, and return when. `None`: there is one at about that moment, or none is left."""
        planned = [other for other in self._planned.get(topic, ()) if other > now - SHORTEST_DISTANCE]
        moment = max(
            [moment, *(other + SHORTEST_DISTANCE for other in planned if 0 < moment - other < SHORTEST_DISTANCE)]
        )
        # Rounding must not make it a moment too early.
        same = [other for other in planned if abs(other - moment) < SHORTEST_DISTANCE * 0.999]
        if not same:
            missing = 1.0 + reserved - self._left
            if missing > 0:
                if self._all_put_off(now) or missing > _PUT_OFF * RATE or any(other > now for other in planned):
                    return None
                moment = max(moment, now + missing / RATE)
                self._put_off.append(moment)
            self._left -= 1.0
            self._planned[topic] = [*planned, moment]
        pending = self._pending.setdefault(topic, {}).setdefault(after, _Pending(now, moment))
        pending.last = max(pending.last, moment, *same)
        return None if same else moment

    def _all_put_off(self, now: float) -> bool:
        """Say whether as many looks are put off as may be."""
        self._put_off = [moment for moment in self._put_off if moment > now]
        return len(self._put_off) >= _MOST_PUT_OFF

    def _forget(self, after: int, now: float) -> None:
        """Let what was looked for in vain after jobs of a topic count less."""
        follows = self._follows.get(after, {})
        for topic, causes in self._pending.items():
            pending = causes.get(after)
            # One that is always busy is followed by everything: so each quarter of a second counts.
            if pending is not None and (pending.last < now - _CREDIT or pending.first < now - DELAYS[-1] - _CREDIT):
                del causes[after]
                if topic in follows:
                    follows[topic] *= _FORGET

    def _refill(self, now: float) -> None:
        if now > self._counted_at:
            self._left = min(RATE, self._left + (now - self._counted_at) * RATE)
            self._counted_at = now
