"""When to ask the engine for work again. Pure.

The API has no long poll. After work, the next question follows at once; after nothing, later and later up to the
configured wait; after errors, on a slower scale of their own, so that a worker with a wrong password does not hammer
an engine, and one whose engine is restarted is back soon.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowable.external_worker_client.rest.answers import Meaning, Reading
from flowable.external_worker_client.runtime.backoff import Backoff

#: After an empty answer: from this on, doubling, up to the subscription's own wait.
FIRST_IDLE_PAUSE = 0.25  # seconds

_SHORTLY = Backoff(first=0.5, ceiling=30.0)
# Credentials, a wrong address, a login page: these do not mend themselves in seconds.
_SLOWLY = Backoff(first=5.0, ceiling=60.0)


@dataclass(frozen=True, slots=True)
class Polling:
    """Where one subscription stands with its questions.

    Attributes:
        empty: Answers without jobs since the last with some.
        errors: Questions that failed since the last answer.
    """

    empty: int = 0
    errors: int = 0

    def found_work(self) -> Polling:
        """Jobs came."""
        return Polling()

    def found_nothing(self) -> Polling:
        """An answer came, without jobs."""
        return Polling(empty=self.empty + 1)

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
        if not self.empty:
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
