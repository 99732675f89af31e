"""When to ask the engine for work again. Pure.

The API has no long poll. After work, the next question follows at once; after nothing, later and later up to the
configured wait; after errors, on a slower scale of their own, so that a worker with a wrong password does not hammer
an engine, and one whose engine is restarted is back soon.

An empty answer is no proof of no work: two exclusive jobs of one process instance in one batch make the engine answer
`[]`, again and again (docs/engine.md, Acquire). So an empty batch is followed by one of a single job, at once and then
every fourth time; if that finds work, the batches of the topic become smaller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowable.external_worker_client.rest.answers import Meaning, Reading
from flowable.external_worker_client.runtime.backoff import Backoff

#: After an empty answer: from this on, doubling, up to the subscription's own wait.
FIRST_IDLE_PAUSE = 0.25  # seconds

#: After an empty batch, a single job is asked for at once, and then after every so many empty batches.
PROBE_EVERY = 4

#: So often in a row a single job has to be found right after an empty batch. Once can be a job that came in between.
PROOFS = 2

#: So many answers with work in a row, and batches that were made smaller double again.
GROW_AFTER = 20

_SHORTLY = Backoff(first=0.5, ceiling=30.0)
# Credentials, a wrong address, a login page: these do not mend themselves in seconds.
_SLOWLY = Backoff(first=5.0, ceiling=60.0)


@dataclass(frozen=True, slots=True)
class Polling:
    """Where one subscription stands with its questions.

    Attributes:
        empty: Answers without jobs since the last with some; single jobs that were asked for after an empty batch do
            not count.
        errors: Questions that failed since the last answer.
        largest: Most jobs to ask for, because larger batches came back empty although there was work. `None`: no limit.
        probing: Whether the next question is for a single job, to see whether an empty answer was true.
        fruitful: Answers with work in a row since `largest` was set.
        starving: Whether single jobs were found right after empty batches, again and again, which is said once.
        found_alone: How often in a row a single job was found right after an empty batch.
    """

    empty: int = 0
    errors: int = 0
    largest: int | None = None
    probing: bool = False
    fruitful: int = 0
    starving: bool = False
    found_alone: int = 0

    def size(self, wanted: int) -> int:
        """Return for how many jobs to ask, when so many are wanted."""
        if self.probing:
            return 1
        return wanted if self.largest is None else max(1, min(wanted, self.largest))

    def found_work(self, wanted: int) -> Polling:
        """Jobs came. `wanted`: as many as were wanted, before `size` had its say."""
        if self.probing and wanted > 1:
            proofs = self.found_alone + 1
            if proofs < PROOFS:
                return Polling(largest=self.largest, starving=self.starving, found_alone=proofs)
            return Polling(largest=max(1, self.size_of_batches(wanted) // 2), starving=True, found_alone=proofs)
        grown, fruitful = self.largest, self.fruitful + 1
        if grown is not None and fruitful >= GROW_AFTER:
            grown, fruitful = (grown * 2 if grown * 2 < wanted else None), 0
        return Polling(largest=grown, fruitful=fruitful if grown is not None else 0, starving=self.starving)

    def found_nothing(self, wanted: int = 1) -> Polling:
        """An answer came, without jobs. `wanted`: see `found_work`."""
        if self.probing:
            return replace(self, errors=0, probing=False, fruitful=0)
        probing = self.size(wanted) > 1 and self.empty % PROBE_EVERY == 0
        return replace(self, empty=self.empty + 1, errors=0, probing=probing, fruitful=0)

    def size_of_batches(self, wanted: int) -> int:
        """Return how large a batch is when it is no probe."""
        return wanted if self.largest is None else min(wanted, self.largest)

    def failed(self) -> Polling:
        """No usable answer came."""
        return replace(self, errors=self.errors + 1)

    def pause(self, ceiling: float, chance: float) -> float:
        """Return how long to wait before asking again, when the last question was answered.

        Args:
            ceiling: Longest wait, in seconds.
            chance: A random number from 0 to 1. The pause differs by up to a tenth, so that workers that were started
                together do not keep asking together.
        """
        if not self.empty or self.probing:
            return 0.0
        idle = Backoff(first=min(FIRST_IDLE_PAUSE, ceiling), ceiling=ceiling, jitter=0.1)
        return idle.pause(self.empty - 1, chance)

    def pause_after(self, failure: Reading, chance: float) -> float:
        """Return how long to wait before asking again, when the last question failed, in seconds.

        Args:
            failure: What came of it. A pause that the server asks for is kept.
            chance: A random number from 0 to 1.
        """
        hopeless = failure.meaning in (Meaning.NOT_THE_ENGINE, Meaning.REFUSED, Meaning.FAULT)
        pause = (_SLOWLY if hopeless else _SHORTLY).pause(max(self.errors - 1, 0), chance)
        return pause if failure.retry_after is None else max(pause, failure.retry_after)
