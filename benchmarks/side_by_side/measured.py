"""One drain, measured: on the stub, or on the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


def turns(names: Sequence[str], number: int) -> list[str]:
    """Return the order of a round: each begins with another one, and every second goes backwards."""
    start = number % len(names) if names else 0
    order = [*names[start:], *names[:start]]
    return order[::-1] if number % 2 else order
