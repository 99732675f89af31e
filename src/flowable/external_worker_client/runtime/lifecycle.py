"""The rules of a job's life between acquire and settled. Pure. All times are in seconds on the caller's clock.

`TRANSITIONS` is the table of one job; a step that is not in it is a mistake of this library, and raises. What a
subscription does with its jobs is decided in `agenda`, what a delivery does in `resend`.

A lock cannot be extended: the API has no such call. So its time is budgeted. It counts from before the acquire was
sent, because that is the only moment known to be no later than the lock's own beginning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import Enum

from flowable.external_worker_client.rest.operations import Effect

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


#: How long a job of a tenant that is not worked for stays away, for the same reason.
PAUSE_OF_FOREIGN_TENANTS = 60.0  # seconds

#: A delivery that takes longer leaves the thread of its handler, so that the next job can run there.
LONGEST_DELIVERY_ON_THE_THREAD = 30.0  # seconds

#: How long a stop waits for an acquire that is on the wire. What it brings later is given back.
WAIT_FOR_AN_ACQUIRE = 2.0  # seconds

#: How long a stop waits for an answer to a job that is given back. Those that are not stay locked.
WAIT_FOR_RELEASES = 10.0  # seconds

#: A result that was taken for delivered because its job was absent is kept in the journal so long after its lock: a
#: suspended process instance brings the job back.
KEPT_AFTER_LOCK = 120.0  # seconds

#: So many starts of a job without an end, each in a process that died, and it moves to the dead letters.
MOST_UNEXPLAINED_STARTS = 3

#: Lock durations that read well: what is suggested is rounded up to one of them.
_LOCKS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800, 604_800)


class State(Enum):
    """Where a job stands, from the moment it was acquired."""

    WAITING = "waiting"
    """Locked, its handler not called yet."""

    RUNNING = "running"
    """Its handler runs."""

    SETTLING = "settling"
    """Its outcome is on its way to the engine."""

    RELEASING = "releasing"
    """It is being given back."""

    SETTLED = "settled"
    """The engine has its outcome. Final."""

    LOST = "lost"
    """Somebody else, or nobody, holds it: it runs again. Final."""

    GONE = "gone"
    """The process or case went on without it. Final."""

    ABANDONED = "abandoned"
    """The time for delivering its outcome is over. Final."""

    RELEASED = "released"
    """Given back, or left to the end of its lock. Final."""

    # That of an enumeration is a function in Python, and every step of every job looks up two of them.
    __hash__ = object.__hash__


class Event(Enum):
    """What happens to a job."""

    START = "start"
    ENDED = "the handler ended"
    REFUSED = "the engine can never store the outcome: it is reported as a failure"
    DELIVERED = "delivered"
    LOCK_LOST = "lock lost"
    VANISHED = "vanished"
    GIVEN_UP = "given up"
    RELEASE = "release"
    GIVEN_BACK = "given back"

    __hash__ = object.__hash__


TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.WAITING: {
        Event.START: State.RUNNING,
        # Its outcome is known already, from the journal, or it is not to be run at all.
        Event.ENDED: State.SETTLING,
        Event.RELEASE: State.RELEASING,
    },
    State.RUNNING: {
        Event.ENDED: State.SETTLING,
        # Settled by the handler itself, through the REST client.
        Event.DELIVERED: State.SETTLED,
    },
    State.SETTLING: {
        Event.REFUSED: State.SETTLING,
        Event.DELIVERED: State.SETTLED,
        Event.LOCK_LOST: State.LOST,
        Event.VANISHED: State.GONE,
        Event.GIVEN_UP: State.ABANDONED,
    },
    State.RELEASING: {Event.GIVEN_BACK: State.RELEASED},
    # The handler goes on after it settled its job by hand.
    State.SETTLED: {Event.ENDED: State.SETTLED},
    State.LOST: {},
    State.GONE: {},
    State.ABANDONED: {},
    State.RELEASED: {},
}

FINAL = frozenset({State.SETTLED, State.LOST, State.GONE, State.ABANDONED, State.RELEASED})


class IllegalStepError(Exception):
    """An event that cannot happen to a job in its state: a mistake of this library."""


def step(state: State, event: Event) -> State:
    """Return the state that follows.

    Raises:
        IllegalStepError: There is none.
    """
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        message = f"a job that is {state.value} cannot be told: {event.value}"
        raise IllegalStepError(message) from None


def takes_over(state: State, sending: Effect | None) -> bool:
    """Say whether a job that is acquired again belongs to the run of it that is under way in this client.

    The same correlation id comes again when the lock ran out and was reset. A run that is under way takes over the new
    lock then, instead of running twice.

    Args:
        state: Of the run that is under way.
        sending: Effect of the call that is under way for it. `None`: none is.

    Returns:
        `True`: it does. `False`: it is a new attempt, because what is being sent ends the lock and not the job: the
        engine may have carried it out a moment ago.
    """
    ends_the_lock_only = state is State.RELEASING or sending in (Effect.FAILS, Effect.RELEASES)
    return state not in FINAL and not ends_the_lock_only


def suggested_lock(runs: Sequence[float]) -> float:
    """Return a lock duration, in seconds, that suits measured run times: twice what 95 of 100 do not exceed.

    And half as much again as the longest of them. At most a week.
    """
    wanted = max(2 * percentile(runs, 0.95), 1.5 * max(runs, default=0.0))
    return float(next((lock for lock in _LOCKS if lock >= wanted), _LOCKS[-1]))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of the values does not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered), math.ceil(share * len(ordered))) - 1] if ordered else 0.0


def may_start(*, left: float, lock: float, usual_run: float) -> bool:
    """Say whether a job that waited in its batch may still be started. One that did not wait always may.

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
