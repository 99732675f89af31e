"""How many jobs to hold in stock, so that no handler waits for the next acquire. Pure. All times are in seconds.

A job in stock is locked and does not run, and another worker could run it meanwhile. So the stock is only as large as
it has to be: as many jobs as the handlers take on while an acquire is under way, or as many as make the time of the
acquire small beside their own. Handlers that take long need none.
"""

from __future__ import annotations

import math
from typing import NamedTuple

#: One thread that acquires and runs in turn spends no more than a tenth of its time on acquiring.
_JOBS_FOR_ONE_ACQUIRE = 10

#: Handlers beside each other take on so many jobs while an acquire is under way, and half as many again, for its
#: jitter.
_RESERVE = 1.5

#: The part of a lock that a job may spend in stock.
_SHARE_OF_THE_LOCK = 0.25

#: How much the newest measurement counts.
_NEWEST = 0.2


class Prefetch(NamedTuple):
    """What was measured of a topic.

    Attributes:
        cycle: How long a job takes from the start of its handler until it is settled. `None`: none has ended yet.
        round_trip: How long an acquire takes that brings jobs. `None`: none has yet.
    """

    cycle: float | None = None
    round_trip: float | None = None

    def ended(self, cycle: float) -> Prefetch:
        """A job has been settled, so long after its handler was started."""
        return Prefetch(_mixed(self.cycle, cycle), self.round_trip)

    def acquired(self, round_trip: float) -> Prefetch:
        """An acquire has brought jobs after so long."""
        return Prefetch(self.cycle, _mixed(self.round_trip, round_trip))

    def stock(self, slots: int, lock: float, waiting: int = 0) -> int:
        """Return how many jobs to ask for beyond those that are started at once.

        Args:
            slots: How many handlers run at once.
            lock: How long jobs are locked.
            waiting: How many are in stock already.
        """
        if self.cycle is None or self.round_trip is None:
            return 0
        cycle = max(self.cycle, 1e-6)
        wanted = max(_JOBS_FOR_ONE_ACQUIRE, _RESERVE * slots) * self.round_trip / cycle
        bearable = _SHARE_OF_THE_LOCK * lock * slots / cycle - waiting
        return math.floor(max(0.0, min(wanted, bearable, 1e6)))

    def low(self, slots: int) -> int:
        """Return how many jobs are left in stock when it is time to ask for more: what is taken on until they come."""
        if self.cycle is None or self.round_trip is None:
            return 0
        return math.ceil(min(slots * self.round_trip / max(self.cycle, 1e-6), 1e6))


def _mixed(mean: float | None, newest: float) -> float:
    return newest if mean is None else mean + _NEWEST * (newest - mean)
