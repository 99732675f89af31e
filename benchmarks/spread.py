"""What the benchmarks say of many measurements of one thing."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the middle half around it."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Return that of some values."""
        low, median, high = statistics.quantiles(values, n=4)
        return cls(low, median, high)
