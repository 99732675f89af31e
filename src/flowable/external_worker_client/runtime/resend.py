"""What a failed delivery means, and what to do. Pure.

*Resend* is sending the same request again; *retry* is the engine handing the job out again. A delivery problem is never
reported as the job's failure. After an unclear send, the next answer tells: a job that is gone was settled by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from flowable.external_worker_client.rest.answers import Meaning, Reading
from flowable.external_worker_client.rest.operations import Effect
from flowable.external_worker_client.runtime.backoff import Backoff

#: So many of the engine's own 500 for one result, while it still shows our lock, and the result is taken to be one
#: that it can never store.
MOST_ENGINE_ERRORS = 3

_SHORTLY = Backoff(first=0.25, ceiling=30.0)
_SLOWLY = Backoff(first=5.0, ceiling=60.0)


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

    AGAIN = "again"
    """Not ended: send it once more, after a pause."""


class Sight(Enum):
    """What a look at the job showed."""

    GONE = "gone"
    OURS = "ours"
    OTHERS = "others"
    NOTHING = "nothing"
    """The look itself failed."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next.

    Attributes:
        verdict: See there.
        pause: Seconds to wait before sending again. Zero unless the verdict is `AGAIN`.
    """

    verdict: Verdict
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the delivery of one result stands. Times are in seconds on the caller's clock.

    Attributes:
        effect: Of the operation that delivers it.
        ends: When it is abandoned.
        sends: Sends so far.
        unclear: Whether the engine may have carried out one of them.
        engine_errors: Answers of 500 after which our lock was still there.
    """

    effect: Effect
    ends: float
    sends: int = 0
    unclear: bool = False
    engine_errors: int = 0

    def after(self, reading: Reading, now: float, chance: float) -> tuple[Delivery, Step]:
        """Decide after a send.

        Args:
            reading: What came of it.
            now: The time.
            chance: A random number from 0 to 1, for the jitter.

        Returns:
            Where the delivery stands then, and what to do.
        """
        state = replace(self, sends=self.sends + 1, unclear=self.unclear or reading.unclear)
        final = self._final(reading)
        if final is not None:
            return state, Step(final)
        if reading.meaning is Meaning.ENGINE_ERROR:
            return state, Step(Verdict.LOOK)
        return state, state.again(reading, now, chance)

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
            return self, Step(Verdict.SETTLED)
        if sight is Sight.OTHERS:
            return self, Step(Verdict.SETTLED if self.effect is Effect.FAILS else Verdict.LOST)
        state = self
        if sight is Sight.OURS:
            state = replace(self, engine_errors=self.engine_errors + 1)
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
                return Verdict.SETTLED if self.unclear else Verdict.GONE
            case Meaning.LOCK_LOST:
                return Verdict.SETTLED if self.unclear and self.effect is Effect.FAILS else Verdict.LOST
            case _:
                return None

    def again(self, reading: Reading, now: float, chance: float) -> Step:
        """Decide how long to wait before the next send, if there is time for one. Arguments as for `after`."""
        scale = _SLOWLY if reading.meaning in (Meaning.NOT_THE_ENGINE, Meaning.FAULT) else _SHORTLY
        pause = scale.pause(self.sends - 1, chance)
        if reading.retry_after is not None:
            pause = max(pause, reading.retry_after)
        left = self.ends - now
        if left <= 0:
            return Step(Verdict.ABANDONED)
        return Step(Verdict.AGAIN, min(pause, left))
