"""Which owner name holds which job.

Every acquire of a subscription has an owner name of its own. A result knows only the id of its job; this is how it
finds the name under which the job is locked.
"""

from __future__ import annotations

import threading
from collections import OrderedDict


class Owners:
    """Job ids and the names that hold them: the latest ones, up to a capacity. For use by several threads.

    Args:
        capacity: How many are kept. The oldest goes first; for it, the client's own worker id is used again.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._names: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, job_id: str, owner: str) -> None:
        """Note who holds a job from now on."""
        with self._lock:
            self._names[job_id] = owner
            self._names.move_to_end(job_id)
            while len(self._names) > self._capacity:
                self._names.popitem(last=False)

    def of(self, job_id: str) -> str | None:
        """Return who holds a job. `None`: not known here."""
        with self._lock:
            return self._names.get(job_id)

    def forget(self, job_id: str) -> None:
        """Drop a job that is settled."""
        with self._lock:
            self._names.pop(job_id, None)

    def __len__(self) -> int:
        """Return how many are known."""
        return len(self._names)
