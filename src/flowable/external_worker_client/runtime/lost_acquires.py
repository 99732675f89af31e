"""Acquires whose answer was lost, and the jobs they may have locked. Pure. Times are in seconds on the caller's clock.

The engine may have carried out an acquire that nobody heard the answer of: its jobs stay locked then, for a worker
that does not know of them, until their lock ends. Since every acquire has an owner name of its own, such jobs can be
found in the list of locked jobs, and given back.

They are looked for twice: soon, and once more when the request would have timed out, because a request whose
connection was cut may still be carried out. A look that fails is repeated, as long as the locks last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from flowable.external_worker_client.runtime.backoff import Backoff

#: Before the first look: the engine may be about to carry the request out.
FIRST_LOOK = 0.25  # seconds

#: A look that could not be made when it was due, because others were asking, is asked for again after so long.
ASK_AGAIN = 1.0  # seconds

#: Within so long, the subscriptions of a client ask for a look that all of them know of.
_SPREAD = 0.25  # seconds

_FAILED = Backoff(first=0.5, ceiling=10.0, jitter=0.2)


@dataclass(frozen=True, slots=True)
class LostAcquire:
    """One acquire without an answer.

    Attributes:
        owner: The name that its jobs are locked under.
        locked_until: Until when its locks last at least: jobs are given back before that only.
        ends: When they end at the latest: nothing is left to be found then.
        due: When to look next.
        last: When to look once more, whatever the first look showed. `None`: the next look is the last one.
        failures: Looks that failed since one that did not.
    """

    owner: str
    locked_until: float
    ends: float
    due: float
    last: float | None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class LostAcquires:
    """All that one client has lost and not found yet."""

    entries: tuple[LostAcquire, ...] = ()

    def add(self, owner: str, *, now: float, asked: float, lock: float, time_out: float) -> LostAcquires:
        """Return what is lost once an acquire was not answered.

        Args:
            owner: The name it was sent under.
            now: The time.
            asked: When it was sent.
            lock: How long it locks jobs.
            time_out: How long its answer would have been waited for.
        """
        entry = LostAcquire(
            owner,
            locked_until=asked + lock,
            # The engine may carry it out as late as the time-out.
            ends=asked + time_out + lock,
            due=now + FIRST_LOOK,
            last=max(asked + time_out, now + FIRST_LOOK),
        )
        return LostAcquires((*self.entries, entry))

    def of(self, owner: str | None) -> LostAcquire | None:
        """Return what was lost under a name. `None`: nothing."""
        return next((entry for entry in self.entries if entry.owner == owner), None)

    def due(self, now: float) -> frozenset[str]:
        """Return the owner names to look for now."""
        return frozenset(entry.owner for entry in self.entries if entry.due <= now)

    def next_look(self) -> float | None:
        """Return when to look next. `None`: nothing is lost."""
        return min(entry.due for entry in self.entries) if self.entries else None

    def ask_by(self, now: float, chance: float) -> float | None:
        """Return by when a subscription is to ask for jobs, which is when looks are made. `None`: as it likes.

        Every subscription of a client does, because none of them can be relied on: it may have all it can work on. So
        they do not do it at once, nor again and again while there is no moment in which nobody asks.

        Args:
            now: The time.
            chance: A random number from 0 to 1, for the jitter.
        """
        due = self.next_look()
        if due is None:
            return None
        return due + _SPREAD * chance if due > now else now + ASK_AGAIN * (1.0 - _SPREAD * chance)

    def looked(self, owners: Iterable[str], now: float) -> LostAcquires:
        """Return what is still lost after a look for some owners that was answered."""
        looked_for = frozenset(owners)
        left = [self._after_look(entry, now) if entry.owner in looked_for else entry for entry in self.entries]
        return LostAcquires(tuple(entry for entry in left if entry is not None))

    def failed(self, owners: Iterable[str], now: float, chance: float) -> LostAcquires:
        """Return what is still lost after a look that failed. `chance`: from 0 to 1, for the jitter of the pause."""
        looked_for = frozenset(owners)
        left = [
            replace(entry, failures=entry.failures + 1, due=now + _FAILED.pause(entry.failures, chance))
            if entry.owner in looked_for
            else entry
            for entry in self.entries
        ]
        return LostAcquires(tuple(entry for entry in left if entry.due < entry.ends))

    @staticmethod
    def _after_look(entry: LostAcquire, now: float) -> LostAcquire | None:
        if entry.last is None or entry.last >= entry.ends or now >= entry.last:
            return None
        return replace(entry, due=entry.last, last=None, failures=0)
