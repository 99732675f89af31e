"""How the topics of a worker share its places: no more jobs at once than there are, and none of them starves. Pure.

A place is taken before a job is acquired and given back when the job does not come or has come to its end. What a topic
*claims* are the places that it would use at once: it has asked for them, did not get them, and was not found without
work since. The rules:

- What nobody claims goes to whoever asks: a topic may have all places while the others want nothing.
- What several claim goes first to one that holds nothing; then to one that holds less than its share, which is its
  part, by its weight, of what all that claim may have together; then to anyone. Among equals, by turns: who has taken
  the fewest places for its weight, and who has waited longest. Nothing is taken away; a share is reached as jobs end.
- A claim holds while the acquire for a part of it is under way, because the topic comes back for the rest. So places
  can be empty for as long as one request takes, and shares are what they are meant to be.
- A topic of which it is not known that there is work claims one place, to find out, and gets no more while others claim
  some. When it finds nothing, it claims nothing: idle topics ask, and keep no place.
- A topic that does not come for what it claims loses it after a few seconds. So no mishap can keep places empty.

Turns are those of start-time fair queueing: each place that a topic takes puts it behind by one over its weight, and
one that begins to claim begins where the turn is now, so that nobody saves up turns by being idle.

Times are in seconds on the caller's clock. The machine changes in place: whoever shares it among threads locks it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: A topic that waits for a place asks again after this, also when nobody has woken it.
ASK_AGAIN: Final = 1.0  # seconds

#: A topic that has not asked for so long claims nothing any more.
CLAIM_LASTS: Final = 3.0  # seconds

#: Turns are counted anew from here on, so that adding to a large number never loses what is added.
_MANY_TURNS = 1e6

#: Shares that are whole numbers stay so, however the division is rounded.
_ROUNDING = 1e-9


@dataclass(slots=True)
class Standing:
    """Where one topic stands.

    Attributes:
        weight: Its weight.
        held: Places that it has.
        claim: Places that it would use at once, beyond those.
        asked: When it said so last.
        waits: Whether it is to be woken when there is a place for it.
        fruitful: Whether its last acquire brought jobs.
        turn: How many places it has taken for its weight, counted as the module says.
        number: Its place among those whose turn is the same: lower ones have waited longer.
    """

    weight: float
    held: int = 0
    claim: int = 0
    asked: float = -math.inf
    waits: bool = False
    fruitful: bool = False
    turn: float = 0.0
    number: int = 0


class Budget:
    """The places of one worker.

    Args:
        total: How many there are.
        weights: The weight of each topic.

    Attributes:
        total: How many there are.
        topics: Where each topic stands.
        waiting: How many topics wait to be woken.
    """

    def __init__(self, total: int, weights: Mapping[str, float]) -> None:
        self.total = total
        self.topics = {topic: Standing(weight) for topic, weight in weights.items()}
        self._turn = 0.0
        self._numbers = 0
        self.waiting = 0

    @property
    def held(self) -> int:
        """How many places are taken."""
        return sum(standing.held for standing in self.topics.values())

    @property
    def free(self) -> int:
        """How many are not."""
        return self.total - self.held

    def take(self, topic: str, wanted: int, needed: int, now: float) -> int:
        """Take places for jobs that are about to be acquired. Followed by `to_wake`, and later by `answered`.

        Args:
            topic: For which topic.
            wanted: How many, at most.
            needed: How many of them would be used at once. The others are for a stock, and only from what nobody
                claims.
            now: The time.

        Returns:
            How many it has got. 0: it waits, and is to be woken, if it needed some.
        """
        mine = self.topics[topic]
        if not mine.fruitful:
            if any(self._claims(other, now) for other in self.topics.values() if other is not mine):
                wanted = min(wanted, 1)
            needed = min(needed, 1)
        if not self._claims(mine, now):
            mine.turn = max(mine.turn, self._turn)
            self._to_the_end(mine)
        self._claim(mine, needed, waits=False)
        mine.asked = now
        allotted = self._allotted(now)
        granted = min(wanted, allotted.get(topic, 0) + self.free - sum(allotted.values()))
        if granted:
            self._turn = max(self._turn, mine.turn)
            mine.turn += granted / mine.weight
            mine.held += granted
            self._to_the_end(mine)
            self._count_anew()
        self._claim(mine, max(0, needed - granted), waits=not granted and needed > 0)
        return granted

    def answered(self, topic: str, taken: int, came: int) -> None:
        """An acquire has been answered, or not: give back the places of jobs that did not come.

        Args:
            topic: Of which topic.
            taken: As many as `take` has returned.
            came: As many jobs came. With fewer than asked for, there are no more.
        """
        mine = self.topics[topic]
        mine.fruitful = came > 0
        if came < taken:
            self._claim(mine, 0, waits=False)
            self.give_back(topic, taken - came)

    def give_back(self, topic: str, places: int) -> None:
        """Jobs have come to their end.

        Raises:
            ValueError: The topic does not hold so many.
        """
        mine = self.topics[topic]
        if not 0 <= places <= mine.held:
            raise ValueError(f"topic {topic!r} gives back {places} places, and holds {mine.held}")
        mine.held -= places

    def withdraw(self, topic: str) -> None:
        """A topic wants nothing at present."""
        self._claim(self.topics[topic], 0, waits=False)

    def to_wake(self, now: float) -> Sequence[str]:
        """Return the topics that wait and for which there is a place now. Each is told once, and asks again."""
        if not self.waiting or not self.free:
            return ()
        allotted = self._allotted(now)
        woken = [topic for topic, places in allotted.items() if places and self.topics[topic].waits]
        for topic in woken:
            standing = self.topics[topic]
            self._claim(standing, standing.claim, waits=False)
        return woken

    # ------------------------------------------------------------ within

    def _allotted(self, now: float) -> dict[str, int]:
        """Say who of those that claim places gets how many of the free ones."""
        claiming = {topic: standing for topic, standing in self.topics.items() if self._claims(standing, now)}
        allotted = dict.fromkeys(claiming, 0)
        weights = sum(standing.weight for standing in claiming.values())
        one_each = self.total >= len(claiming)
        open_claims = set(claiming)

        def order(topic: str) -> tuple[int, float, int]:
            standing, more = claiming[topic], allotted[topic]
            held = standing.held + more
            share = math.floor(self.total * standing.weight / weights + _ROUNDING)
            rank = 0 if one_each and not held else 1 if held < share else 2
            return rank, standing.turn + more / standing.weight, standing.number

        for _ in range(self.free):
            if not open_claims:
                break
            following = min(open_claims, key=order)
            allotted[following] += 1
            if allotted[following] >= claiming[following].claim:
                open_claims.discard(following)
        return allotted

    @staticmethod
    def _claims(standing: Standing, now: float) -> bool:
        return standing.claim > 0 and now < standing.asked + CLAIM_LASTS

    def _claim(self, standing: Standing, places: int, *, waits: bool) -> None:
        self.waiting += waits - standing.waits
        standing.claim, standing.waits = places, waits

    def _to_the_end(self, standing: Standing) -> None:
        self._numbers += 1
        standing.number = self._numbers

    def _count_anew(self) -> None:
        if self._turn > _MANY_TURNS:
            for standing in self.topics.values():
                standing.turn = max(0.0, standing.turn - self._turn)
            self._turn = 0.0
