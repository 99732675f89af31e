"""One drain, measured: on the stub, or on the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from side_by_side.samples import Sample

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """What came of draining a topic.

    Attributes:
        jobs: How many.
        seconds: From the first acquire to the last result, as the engine or the stub saw it.
        cpu_seconds: Of the client.
        peak_mb: The most memory that the client had. 0: not looked at.
        grown_mb: By how much its memory grew from before the first job to after the last.
    """

    jobs: int
    seconds: float
    cpu_seconds: float
    peak_mb: float = 0.0
    grown_mb: float = 0.0

    @property
    def jobs_per_second(self) -> float:
        """How fast it was."""
        return self.jobs / self.seconds

    @property
    def cpu_ms_per_job(self) -> float:
        """What one job cost the client, in milliseconds of the processor."""
        return 1000 * self.cpu_seconds / self.jobs


def turns(names: Sequence[T], number: int) -> list[T]:
    """Return the order of a round: over the rounds everybody is at each place, and behind each of the others."""
    # Each order is followed by the same one backwards, and then another one begins.
    start = number // 2 % len(names) if names else 0
    order = [*names[start:], *names[:start]]
    return order[::-1] if number % 2 else order


def report_after(jobs: int) -> int:
    """Return after how many calls a program is to tell: seldom enough to cost nothing, and of the last call."""
    return next(
        each for each in (500, 250, 100, 50, 20, 10, 5, 2, 1) if (jobs % each == 0 and jobs >= 4 * each) or each == 1
    )


def samples(part: str, scenario: str, place: str, number: int, drain: Drain, x: float | None = None) -> list[Sample]:
    """Return what a drain in a round says: how fast it was, what it cost, and the memory if that was looked at."""
    found = {"jobs_per_second": drain.jobs_per_second, "cpu_ms_per_job": drain.cpu_ms_per_job}
    if drain.peak_mb:
        found |= {"rss_mb": drain.peak_mb, "rss_grown_mb": drain.grown_mb}
    return [
        Sample(part=part, scenario=scenario, place=place, metric=metric, round=number, value=value, x=x)
        for metric, value in found.items()
    ]
