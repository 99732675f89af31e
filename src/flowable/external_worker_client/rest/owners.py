"""Which owner name holds which job, and under which id.

Every acquire of a subscription has an owner name of its own, and on some releases of the engine a job gets a new id
when its lock is reset (docs/engine.md, Jobs). A result knows the id that its job had; this is how it finds the way.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple


class Address(NamedTuple):
    """Where a result has to go.

    Attributes:
        job_id: The newest id of the job.
        owner: The name that holds it.
    """

    job_id: str
    owner: str


class _Known(NamedTuple):
    newest: Address
    ids: tuple[str, ...]


class Owners:
    """Jobs and who holds them: the latest ones, up to a capacity. For use by several threads.

    Args:
        capacity: How many are kept. The oldest goes first; for it, the client's own worker id is used again.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._keys: dict[str, str] = {}
        self._lock = threading.Lock()

    def remember(self, job_id: str, owner: str, correlation_id: str | None = None) -> None:
        """Note who holds a job from now on.

        Args:
            job_id: Its id now.
            owner: The name that holds it.
            correlation_id: What stays the same when the id changes. `None`: the job is known by its id alone.
        """
        self.remember_all([(job_id, correlation_id)], owner)

    def remember_all(self, jobs: Iterable[tuple[str, str | None]], owner: str) -> None:
        """Note who holds jobs from now on: ids and correlation ids, as for `remember`."""
        with self._lock:
            for job_id, correlation_id in jobs:
                key = correlation_id or job_id
                known = self._known.get(key)
                if known is None:
                    ids: tuple[str, ...] = (job_id,)
                else:
                    ids = known.ids if job_id in known.ids else (*known.ids, job_id)
                    self._known.move_to_end(key)
                self._known[key] = _Known(Address(job_id, owner), ids)
                self._keys[job_id] = key
            while len(self._known) > self._capacity:
                self._drop(next(iter(self._known)))

    def find(self, job_id: str) -> Address | None:
        """Return where a result for a job has to go, whichever of its ids is given. `None`: not known here."""
        with self._lock:
            key = self._keys.get(job_id)
            return None if key is None else self._known[key].newest

    def forget(self, job_id: str, owner: str) -> None:
        """Drop a job that has come to its end, by any of its ids, unless another owner has acquired it since."""
        if job_id not in self._keys:
            return
        with self._lock:
            key = self._keys.get(job_id)
            if key is not None and self._known[key].newest.owner == owner:
                self._drop(key)

    def _drop(self, key: str) -> None:
        for job_id in self._known.pop(key).ids:
            # A job id stands for one job at a time; it may stand for another by now.
            if self._keys.get(job_id) == key:
                del self._keys[job_id]

    def __len__(self) -> int:
        """Return how many jobs are known."""
        return len(self._known)
