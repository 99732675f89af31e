"""What a failed delivery means, and what to do. Pure.

*Resend* is sending the same request again; *retry* is the engine handing the job out again. A delivery problem is never
reported as the job's failure. After an unclear send, the next answer tells: a job that is gone was probably settled by
it, unless its correlation id is found under another job id (an expired lock was reset, on old releases).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from flowable.external_worker_client.rest.answers import Meaning, Reading
from flowable.external_worker_client.rest.operations import Effect
from flowable.external_worker_client.runtime.backoff import Backoff

#: So many of the engine's own 500 for one result, while it still shows our lock, and the result is taken to be one
#: that it can never store.
MOST_ENGINE_ERRORS = 3

_SHORTLY = Backoff(first=0.25, ceiling=30.0)
#: After the engine's own error: what keeps its database from working lasts longer than a lost packet.
_AFTER_AN_ERROR = Backoff(first=2.0, ceiling=30.0)
_SLOWLY = Backoff(first=5.0, ceiling=60.0)

#: Errors of databases that pass, in the words of several of them: they say nothing of the result.
_PASSING = (
    "deadlock",
    "lock table",
    "lock timeout",
    "lock wait timeout",
    "could not serialize",
    "serialization failure",
    "could not open jdbc connection",
    "jdbc rollback failed",
    "jdbc commit failed",
    "connection is not available",
    "was updated by another transaction concurrently",
    "optimistic",
)

#: While the lock lasts, a pause is no longer than this share of what is left of it: a result that sleeps past the end
#: of its lock finds its job running again, although the engine came back in time.
SHARE_OF_THE_LOCK = 0.25
SHORTEST_PAUSE_UNDER_A_LOCK = 0.5  # seconds

#: Longest pause of our own between two sends once the subscription is stopping: an engine that comes back within the
#: grace must be noticed. What the engine asks for is kept.
LONGEST_PAUSE_WHEN_STOPPING = 2.0  # seconds


_SCALES = {Meaning.NOT_THE_ENGINE: _SLOWLY, Meaning.FAULT: _SLOWLY, Meaning.ENGINE_ERROR: _AFTER_AN_ERROR}


def passing(text: str) -> bool:
    """Say whether the text of an engine's error is that of trouble that passes, whatever was sent."""
    lowered = text.lower()
    return any(words in lowered for words in _PASSING)


class Verdict(Enum):
    """How a delivery ended, or that it has not."""

    SETTLED = "settled"
    """The engine has it."""

    LOST = "lost"
    """Somebody else holds the job, or nobody: it will run again."""

    GONE = "gone"
    """The job is no more: the process moved on without it, or its lock was reset under a new id."""

    UNSTORABLE = "unstorable"
    """The engine says that it can never take this result."""

    ABANDONED = "abandoned"
    """The time for delivering is over."""

    LOOK = "look"
    """Not ended: read the job, to see whether the result was stored."""

    FIND = "find"
    """Not ended: look for the job's correlation id, because its job id is no more."""

    AGAIN = "again"
    """Not ended: send it once more, after a pause."""

    __hash__ = object.__hash__


class Sight(Enum):
    """What a look at the job showed."""

    GONE = "gone"
    OURS = "ours"
    OTHERS = "others"
    NOTHING = "nothing"
    """The look itself failed."""


class Found(Enum):
    """What looking for the job's correlation id brought."""

    THERE = "there"
    """The job is still to be done, under another id or without our lock."""

    ABSENT = "absent"
    """It is settled, or its process instance is suspended."""

    NOTHING = "nothing"
    """The look itself failed."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next.

    Attributes:
        verdict: See there.
        pause: Seconds to wait before sending again. Zero unless the verdict is `AGAIN`.
        assumed: Whether `SETTLED` was concluded from the job's absence. A suspended process instance looks the same,
            and brings the job back when it is activated.
    """

    verdict: Verdict
    pause: float = 0.0
    assumed: bool = False


_DONE = Step(Verdict.SETTLED)


class Delivery(NamedTuple):
    """Where the delivery of one result stands. Times are in seconds on the caller's clock.

    Attributes:
        effect: Of the operation that delivers it.
        ends: When it is abandoned.
        sends: Sends so far.
        unclear: Whether the engine may have carried out one of them.
        engine_errors: Answers of 500 after which our lock was still there.
        hurried: Whether the subscription is stopping.
        deadline: End of the job's lock.
    """

    effect: Effect
    ends: float
    sends: int = 0
    unclear: bool = False
    engine_errors: int = 0
    hurried: bool = False
    deadline: float = -math.inf

    def hurry(self, ends: float) -> Delivery:
        """Return the state once the subscription was told to stop, with an end that is no later than this."""
        return self._replace(ends=min(self.ends, ends), hurried=True)

    def renewed(self, ends: float, deadline: float) -> Delivery:
        """Return the state once the job came to this client again, with a new lock: no earlier send was carried out."""
        return self._replace(ends=max(self.ends, ends), deadline=deadline, unclear=False, engine_errors=0)

    def after(self, reading: Reading, now: float, chance: float) -> tuple[Delivery, Step]:
        """Decide after a send.

        Args:
            reading: What came of it.
            now: The time.
            chance: A random number from 0 to 1, for the jitter.

        Returns:
            Where the delivery stands then, and what to do.
        """
        if reading.meaning is Meaning.DONE and not self.sends:
            # As nearly always.
            return Delivery(self.effect, self.ends, 1, *self[3:]), _DONE
        state = self._replace(sends=self.sends + 1, unclear=self.unclear or reading.unclear)
        final = self._final(reading)
        if final is not None:
            return state, Step(final)
        if reading.meaning is Meaning.ENGINE_ERROR:
            return state, Step(Verdict.LOOK)
        return state, state.again(reading, now, chance)

    def after_renewal(self, now: float) -> Step:
        """Decide after a send that was refused under a lock that has been renewed while it was under way."""
        return Step(Verdict.AGAIN if now < self.ends else Verdict.ABANDONED)

    def after_find(self, found: Found, reading: Reading, now: float, chance: float) -> Step:
        """Decide after looking for the job's correlation id, which followed an unclear send and a 404.

        Args:
            found: What that brought.
            reading: What came of the send before it.
            now: The time.
            chance: A random number from 0 to 1, for the jitter.
        """
        if found is Found.ABSENT:
            return Step(Verdict.SETTLED, assumed=True)
        if found is Found.THERE:
            return Step(Verdict.LOST)
        return self.again(reading, now, chance)

    def after_look(self, sight: Sight, reading: Reading, now: float, chance: float) -> tuple[Delivery, Step]:
        """Decide after a look, which followed the engine's own 500.

        Args:
            sight: What it showed.
            reading: What came of the send before it.
            now: The time.
            chance: A random number from 0 to 1, for the jitter.

        Returns:
            Where the delivery stands then, and what to do.
        """
        if sight is Sight.GONE:
            return self, Step(Verdict.FIND)
        if sight is Sight.OTHERS:
            return self, Step(Verdict.SETTLED if self.effect is Effect.FAILS else Verdict.LOST)
        state = self
        if sight is Sight.OURS and self.effect is not Effect.FAILS and not passing(reading.text):
            state = self._replace(engine_errors=self.engine_errors + 1)
            if state.engine_errors >= MOST_ENGINE_ERRORS:
                return state, Step(Verdict.UNSTORABLE)
        return state, state.again(reading, now, chance)

    def _final(self, reading: Reading) -> Verdict | None:
        """Return the verdict if the answer is final. Asked before this send counts: only earlier ones explain it."""
        match reading.meaning:
            case Meaning.DONE:
                return Verdict.SETTLED
            case Meaning.REFUSED:
                return Verdict.UNSTORABLE
            case Meaning.GONE:
                return Verdict.FIND if self.unclear else Verdict.GONE
            case Meaning.LOCK_LOST:
                return Verdict.SETTLED if self.unclear and self.effect is Effect.FAILS else Verdict.LOST
            case _:
                return None

    def again(self, reading: Reading, now: float, chance: float) -> Step:
        """Decide how long to wait before the next send, if there is time for one. Arguments as for `after`."""
        pause = _SCALES.get(reading.meaning, _SHORTLY).pause(self.sends - 1, chance)
        if now < self.deadline:
            pause = min(pause, max(SHARE_OF_THE_LOCK * (self.deadline - now), SHORTEST_PAUSE_UNDER_A_LOCK))
        if self.hurried:
            pause = min(pause, LONGEST_PAUSE_WHEN_STOPPING)
        if reading.retry_after is not None:
            pause = max(pause, reading.retry_after)
        left = self.ends - now
        if left <= 0:
            return Step(Verdict.ABANDONED)
        return Step(Verdict.AGAIN, min(pause, left))
