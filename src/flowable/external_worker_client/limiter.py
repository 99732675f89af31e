"""What keeps a subscription from acquiring: the seam between middleware that knows a limit and the loop that asks."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Allowance(NamedTuple):
    """How many jobs may be acquired.

    Attributes:
        jobs: So many, which are reserved from now on. Not negative.
        wait: With no jobs: seconds until it is worth asking again, or until a job has ended before that. Otherwise 0.
    """

    jobs: int
    wait: float


class Limiter(Protocol):
    """Something that limits how many jobs are acquired. Several threads call it; it never waits.

    Whoever acquires takes first, and every job that is reserved ends in one of two ways: its handler is called, or it
    is given back. Times are in seconds on one clock that never goes back.
    """

    def take(self, wanted: int, now: float) -> Allowance:
        """Reserve jobs that are about to be acquired: `wanted` at most, and at least 1 are wanted."""
        ...

    def give_back(self, jobs: int, now: float) -> None:
        """Take note that so many jobs, which were reserved, did not come, or that their handler is not called."""
        ...
