"""The rules of a job's life between acquire and settled. Pure. All times are in seconds on the caller's clock.

A lock cannot be extended: the API has no such call. So its time is budgeted. It counts from before the acquire was
sent, because that is the only moment known to be no later than the lock's own beginning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Delivery of a result goes on after the end of the lock: the engine takes a late one while nobody else has the job.
DELIVERY_AFTER_LOCK = 300.0  # seconds

#: And in any case for so long, however short the lock.
SHORTEST_DELIVERY = 600.0  # seconds

#: What a delivery gets at least once the subscription was told to stop without a time-out.
DELIVERY_WHEN_STOPPING = 5.0  # seconds

#: Of the time-out of a stop, so that the thread is over when whoever waits for it gives up.
SHARE_OF_THE_GRACE = 0.9

#: How long a job given back for want of lock time stays away: the engine hands out the lowest id first, and it would
#: come straight back.
PAUSE_AFTER_RELEASE = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Lock:
    """What one acquire locked its jobs with.

    Attributes:
        owner: The name that holds them. `None`: the REST client's own worker id.
        deadline: Until when.
    """

    owner: str | None
    deadline: float


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of the values does not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered), math.ceil(share * len(ordered))) - 1] if ordered else 0.0


def may_start(*, left: float, lock: float, usual_run: float) -> bool:
    """Say whether a job that waited in its batch may still be started.

    Args:
        left: What is left of its lock.
        lock: Its whole lock.
        usual_run: Run time that 95 of 100 handlers of the topic do not exceed; 0 while none is known.

    Returns:
        Whether more is left than a usual run takes. Half a lock is always enough: a slow topic must get to run too.
    """
    return left > min(usual_run, lock / 2)


def may_release(*, left: float, retries: object) -> bool:
    """Say whether a job may be given back.

    Never once its lock is over: a sibling of the same instance may hold the instance's lock by then, and giving back
    would clear it. Never without retries: the report would send it to the dead letters.
    """
    return left > 0 and isinstance(retries, int) and retries >= 1


def delivery_ends_when_stopping(*, told: float, grace: float | None, deadline: float) -> float:
    """Return until when a result is delivered once the subscription was told to stop.

    Args:
        told: When it was told.
        grace: How long whoever told it waits. `None`: as long as it takes.
        deadline: End of the job's lock.

    Returns:
        Nearly the end of the grace; without one, the end of the lock, and in any case five seconds.
    """
    if grace is not None:
        return told + SHARE_OF_THE_GRACE * grace
    return max(deadline, told + DELIVERY_WHEN_STOPPING)


def delivery_ends(*, started: float, deadline: float) -> float:
    """Return until when a result is delivered.

    Args:
        started: When the delivery began.
        deadline: End of the job's lock.
    """
    return max(deadline + DELIVERY_AFTER_LOCK, started + SHORTEST_DELIVERY)
