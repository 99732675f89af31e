"""When to ask the engine for work again. Pure.

The API has no long poll. After work, the next question follows at once. After nothing it follows later and later, up to
the configured wait, and with so much chance in it that workers that were started together do not keep asking together.
After errors it follows on a slower scale of its own, so that a worker with a wrong password does not hammer an engine,
and one whose engine is restarted is back soon.

An empty answer is no proof of no work. Workers that ask at the same moment clash in the engine, and get nothing; so an
empty answer shortly after work is followed by three more questions within half a second. And two exclusive jobs of one
process instance in one batch make the engine answer `[]`, again and again (docs/engine.md, Acquire); so an empty batch
is followed by a question for a single job: at once, or, if it may have been a clash, after another one. Later on, every
fourth question is for one. If those right after empty batches find jobs that were there when the batch was asked for,
the batches of the topic become smaller. (Neither a job that came in between must be taken for that, however regularly a
process brings one, nor a clash: with smaller batches, workers clash more often.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from flowable.external_worker_client.rest.answers import Meaning, Reading
from flowable.external_worker_client.runtime.backoff import Backoff

#: After an empty answer: from this on, doubling, up to the subscription's own wait.
FIRST_IDLE_PAUSE = 0.25  # seconds

#: An empty answer so soon after work may be a clash with another worker, or the next job is about to appear.
SHORTLY_AFTER_WORK = 1.0  # seconds

#: So many questions follow it before the idle pauses begin: after 50 to 62 milliseconds, and twice and four times that.
REPEATS = 3
_FIRST_REPEAT = 0.0625  # seconds

#: The one after so many of them is for a single job.
PROBE_AFTER_REPEATS = 2

#: How much of a pause is chance: of one that grows, a half, which spreads workers that were started together at once;
#: of the longest, a fifth, which keeps them spread.
_SPREAD_WHILE_GROWING = 0.5
_SPREAD = 0.2

#: After an empty batch, a single job is asked for at once, and then in the place of every so many batches.
PROBE_EVERY = 4

#: So often in a row a single job has to be found that an empty batch should have had. Twice can be two clashes.
PROOFS = 3

#: So many answers with work in a row, and batches that were made smaller double again.
GROW_AFTER = 20

_SHORTLY = Backoff(first=0.5, ceiling=30.0)
# Credentials, a wrong address, a login page: these do not mend themselves in seconds.
_SLOWLY = Backoff(first=5.0, ceiling=60.0)


@dataclass(frozen=True, slots=True)
class Polling:
    """Where one subscription stands with its questions.

    Attributes:
        empty: Answers without jobs since the last with some; a single job that was asked for at once does not count.
        repeats: How many of them came so soon after work that they may be a clash.
        errors: Questions that failed since the last answer.
        largest: Most jobs to ask for, because larger batches came back empty although there was work. `None`: no limit.
        probing: Whether the next question is for a single job, to see whether an empty answer was true.
        fruitful: Answers with work in a row since `largest` was set.
        starving: Whether single jobs were found that empty batches should have had, again and again; it is said once.
        found_alone: How often in a row a single job was found right after empty batches that should have had it.
    """

    empty: int = 0
    repeats: int = 0
    errors: int = 0
    largest: int | None = None
    probing: bool = False
    fruitful: int = 0
    starving: bool = False
    found_alone: int = 0

    @property
    def idle(self) -> bool:
        """Whether there was no work for so long that only the idle pauses are left."""
        return self.empty > self.repeats and not self.probing_at_once

    @property
    def probing_at_once(self) -> bool:
        """Whether the next question is for a single job and follows the last one without pause."""
        return self.probing and self.empty == 1 and not self.repeats

    @property
    def suspicious(self) -> bool:
        """Whether a single job that is found now speaks for exclusive jobs that block each other in batches."""
        return self.probing_at_once or (self.probing and self.empty == self.repeats == PROBE_AFTER_REPEATS)

    def size(self, wanted: int) -> int:
        """Return for how many jobs to ask, when so many are wanted."""
        if self.probing:
            return 1
        return wanted if self.largest is None else max(1, min(wanted, self.largest))

    def found_work(self, wanted: int, *, was_there: bool) -> Polling:
        """Jobs came.

        Args:
            wanted: As many as were wanted, before `size` had its say.
            was_there: Whether one of them was there, for certain, when the last batch was asked for.
        """
        if self.suspicious and wanted > 1 and was_there:
            proofs = self.found_alone + 1
            if proofs < PROOFS:
                return Polling(largest=self.largest, starving=self.starving, found_alone=proofs)
            return Polling(largest=max(1, self.size_of_batches(wanted) // 2), starving=True, found_alone=proofs)
        if self.probing:
            # It may have come since the empty batch. Whether that was true, the next batch and what follows it tell.
            return Polling(largest=self.largest, starving=self.starving, found_alone=self.found_alone)
        grown, fruitful = self.largest, self.fruitful + 1
        if grown is not None and fruitful >= GROW_AFTER:
            grown, fruitful = (grown * 2 if grown * 2 < wanted else None), 0
        return Polling(largest=grown, fruitful=fruitful if grown is not None else 0, starving=self.starving)

    def found_nothing(self, wanted: int = 1, *, since_work: float = math.inf) -> Polling:
        """An answer came, without jobs.

        Args:
            wanted: See `found_work`.
            since_work: Seconds since jobs came last, or since one was settled.
        """
        if self.probing_at_once:
            return replace(self, errors=0, probing=False, fruitful=0, found_alone=0)
        repeat = since_work <= SHORTLY_AFTER_WORK and self.empty == self.repeats < REPEATS
        # A clash is over by then; two exclusive jobs are not.
        turn = self.repeats + 1 == PROBE_AFTER_REPEATS if repeat else self.empty % PROBE_EVERY == 0
        probing = turn and not self.probing and self.size(wanted) > 1
        return replace(
            self,
            empty=self.empty + 1,
            repeats=self.repeats + repeat,
            errors=0,
            probing=probing,
            fruitful=0,
        )

    def woken(self) -> Polling:
        """Somebody knows that there may be work: the idle pauses begin anew."""
        return replace(self, empty=0, repeats=0, probing=False)

    def size_of_batches(self, wanted: int) -> int:
        """Return how large a batch is when it is no probe."""
        return wanted if self.largest is None else min(wanted, self.largest)

    def answered(self) -> Polling:
        """The engine answers, whatever there is to do."""
        return replace(self, errors=0)

    def failed(self) -> Polling:
        """No usable answer came."""
        return replace(self, errors=self.errors + 1)

    def pause(self, ceiling: float, chance: float) -> float:
        """Return how long to wait before asking again, when the last question was answered, in seconds.

        Args:
            ceiling: Longest wait.
            chance: A random number from 0 to 1.
        """
        if not self.empty or self.probing_at_once:
            return 0.0
        if self.empty == self.repeats:
            return min(_spread(_FIRST_REPEAT * 2 ** (self.repeats - 1), _SPREAD, chance), ceiling)
        grown = Backoff(first=min(FIRST_IDLE_PAUSE, ceiling), ceiling=ceiling, jitter=0.0)
        nominal = grown.pause(self.empty - self.repeats - 1, chance)
        return _spread(nominal, _SPREAD_WHILE_GROWING if nominal < ceiling else _SPREAD, chance)

    def pause_after(self, failure: Reading, chance: float) -> float:
        """Return how long to wait before asking again, when the last question failed, in seconds.

        Args:
            failure: What came of it. A pause that the server asks for is kept.
            chance: A random number from 0 to 1.
        """
        hopeless = failure.meaning in (Meaning.NOT_THE_ENGINE, Meaning.REFUSED, Meaning.FAULT)
        pause = (_SLOWLY if hopeless else _SHORTLY).pause(max(self.errors - 1, 0), chance)
        return pause if failure.retry_after is None else max(pause, failure.retry_after)


def age(created: datetime | None, lock_ends: datetime | None, lock: float) -> float | None:
    """Return how long a job had been there when it was acquired, by the engine's clock. `None`: not known.

    Args:
        created: When it was created.
        lock_ends: When its lock ends.
        lock: How long it was locked, in seconds.
    """
    if created is None or lock_ends is None:
        return None
    return (lock_ends - created).total_seconds() - lock


def _spread(pause: float, share: float, chance: float) -> float:
    """Return a pause that chance has shortened by up to a share of it."""
    return pause * (1.0 - share * (1.0 - chance))
