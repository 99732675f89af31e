"""The places of a worker's budget, for the threads of all its subscriptions. What is decided, `budget` decides.

Nobody is woken while the lock is held: who is woken takes locks of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from flowable.external_worker_client.runtime.budget import Budget


class SharedBudget:
    """The budget of one running worker.

    Args:
        total: How many jobs it may hold at once.
        weights: The weight of each topic.
        now: Tells the time.
    """

    def __init__(self, total: int, weights: Mapping[str, float], now: Callable[[], float]) -> None:
        self._budget = Budget(total, weights)
        self._now = now
        self._lock = threading.Lock()
        self._wakes: dict[str, Callable[[], object]] = {}

    @property
    def held(self) -> int:
        """How many places are taken."""
        with self._lock:
            return self._budget.held

    def places(self, topic: str) -> Places:
        """Return the places of a topic, for its subscription."""
        return Places(self, topic)

    def join(self, topic: str, wake: Callable[[], object]) -> None:
        """Take a subscription in. `wake`: called when a place that it waits for may be free."""
        with self._lock:
            self._wakes[topic] = wake

    def take(self, topic: str, wanted: int, needed: int) -> int:
        """See `Budget.take`. Wakes nobody, so that it can be called under a lock; call `wake` afterwards."""
        with self._lock:
            return self._budget.take(topic, wanted, needed, self._now())

    def answered(self, topic: str, taken: int, came: int) -> None:
        """See `Budget.answered`."""
        with self._lock:
            self._budget.answered(topic, taken, came)
            wakes = self._to_wake()
        _wake(wakes)

    def give_back(self, topic: str, places: int) -> None:
        """See `Budget.give_back`."""
        with self._lock:
            self._budget.give_back(topic, places)
            wakes = self._to_wake()
        _wake(wakes)

    def withdraw(self, topic: str) -> None:
        """See `Budget.withdraw`."""
        with self._lock:
            self._budget.withdraw(topic)
            wakes = self._to_wake()
        _wake(wakes)

    def wake(self) -> None:
        """Wake the subscriptions that wait for a place, and for which there is one."""
        with self._lock:
            wakes = self._to_wake()
        _wake(wakes)

    def _to_wake(self) -> list[Callable[[], object]]:
        return [self._wakes[topic] for topic in self._budget.to_wake(self._now())]


def _wake(wakes: Iterable[Callable[[], object]]) -> None:
    for wake in wakes:
        wake()


class Places:
    """The places of one subscription: which jobs have one. Each is given back once, however often that is said.

    Args:
        budget: Of its worker.
        topic: Its topic.
    """

    def __init__(self, budget: SharedBudget, topic: str) -> None:
        self._budget = budget
        self._topic = topic
        self._lock = threading.Lock()
        self._jobs: set[object] = set()

    def join(self, wake: Callable[[], object]) -> None:
        """Begin. `wake`: called, by any thread, when it is worth asking again for places that were refused."""
        self._budget.join(self._topic, wake)

    def take(self, wanted: int, needed: int) -> Taken | None:
        """Take places for an acquire; see `Budget.take`. To be called under a lock; `wake_others` follows without.

        Returns:
            What was taken. `None`: nothing.
        """
        granted = self._budget.take(self._topic, wanted, needed)
        return Taken(self, granted) if granted else None

    def wake_others(self) -> None:
        """Wake those that wait for what was not taken."""
        self._budget.wake()

    def withdraw(self) -> None:
        """Nothing is wanted at present: do not keep places free for it."""
        self._budget.withdraw(self._topic)

    def ended(self, job: object) -> None:
        """A job needs no place any more: it has come to its end, or its delivery goes on elsewhere."""
        with self._lock:
            if job not in self._jobs:
                return
            self._jobs.remove(job)
        self._budget.give_back(self._topic, 1)

    def keep(self, jobs: Iterable[object]) -> None:
        """Jobs have a place from now on; see `Taken.keep`."""
        with self._lock:
            self._jobs.update(jobs)

    def answered(self, taken: int, came: int) -> None:
        """See `Budget.answered`."""
        self._budget.answered(self._topic, taken, came)

    def give_back(self, places: int) -> None:
        """See `Budget.give_back`."""
        self._budget.give_back(self._topic, places)


class Taken:
    """The places of one acquire, until its jobs have them. For one thread.

    Args:
        places: Those of its subscription.
        count: How many were taken.

    Attributes:
        count: How many are left.
    """

    def __init__(self, places: Places, count: int) -> None:
        self._places = places
        self.count = count

    def answered(self, came: int) -> None:
        """So many jobs came; the places of the others are free again."""
        came = min(came, self.count)
        taken, self.count = self.count, came
        self._places.answered(taken, came)

    def keep(self, jobs: Iterable[object]) -> None:
        """These jobs keep their places until `Places.ended`, should the engine not have sent more than was asked."""
        kept = list(jobs)[: self.count]
        self.count -= len(kept)
        self._places.keep(kept)

    def over(self) -> None:
        """Give back the places of jobs that are not worked on."""
        left, self.count = self.count, 0
        if left:
            self._places.give_back(left)
