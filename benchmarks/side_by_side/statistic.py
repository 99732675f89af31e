"""What is said of many measurements. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median, and an interval that it lies in.

    Attributes:
        median: Of what was measured.
        low: Lower end of the interval.
        high: Upper end of the interval.
        number: Of measurements. Of one, the interval says nothing, and is not shown.
        confidence: How sure the interval is, from 0 to 1. Of fewer than six measurements it cannot be 0.95, whatever
            they are.
    """

    median: float
    low: float
    high: float
    number: int
    confidence: float


def estimate(values: Sequence[float]) -> Estimate:
    """Return the median of some values with its interval, which supposes nothing about how they are spread.

    The interval is from the k-th smallest to the k-th largest value: the narrowest for which it is improbable enough
    that the true median is outside, because that would take as improbable a row of heads or tails.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("values: at least one is needed")
    ordered = sorted(values)
    number = len(ordered)
    rank = max((k for k in range(1, (number + 1) // 2 + 1) if _inside(number, k) >= CONFIDENCE), default=1)
    return Estimate(statistics.median(ordered), ordered[rank - 1], ordered[-rank], number, _inside(number, rank))


def _inside(number: int, rank: int) -> float:
    """Return how probable it is that the median is between the so many smallest and largest of so many values."""
    if number == 1:
        return 0.0
    outside = sum(math.comb(number, heads) for heads in range(rank)) / float(2**number)
    return max(0.0, 1 - 2 * outside)


def ratios(values: dict[int, float], base: dict[int, float]) -> list[float]:
    """Return how values compare with those of the same rounds; rounds that one of them lacks are left out."""
    return [values[each] / base[each] for each in sorted(values.keys() & base.keys()) if base[each]]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least so large a share of them does not exceed: one that was measured.

    Args:
        values: At least one.
        share: From 0 to 1; 1 is the largest.
    """
    ordered = sorted(values)
    # Not 0.95 * 20 = 19.000000000000004, of which the next larger number is 20.
    return ordered[max(0, math.ceil(round(share * len(ordered), 9)) - 1)]


@dataclass(frozen=True, slots=True)
class Delays:
    """What is said of times that somebody waited, in their unit."""

    p50: float
    p95: float
    worst: float
    number: int


def delays(values: Sequence[float]) -> Delays:
    """Return that of some times, at least one."""
    return Delays(percentile(values, 0.5), percentile(values, 0.95), max(values), len(values))


def steps(values: Sequence[float], most: int) -> tuple[list[float], list[float]]:
    """Return what is drawn as a distribution: values in order, and the share of all that does not exceed each.

    Args:
        values: At least one.
        most: Points, at least one. Of more values those at equal shares are taken, the largest among them.
    """
    number = min(len(values), most)
    shares = [step / number for step in range(1, number + 1)]
    return [percentile(values, share) for share in shares], shares


def seconds(value: float) -> str:
    """Write a time as people read it: 0.043 s, 0.41 s, 14.2 s, 143 s."""
    digits = 3 if value < 0.1 else 2 if value < 10 else 1 if value < 100 else 0  # noqa: PLR2004
    return f"{value:.{digits}f} s"


def noise(values: Sequence[float]) -> float:
    """Return how far apart the middle half of values is, as a share of their median: 0 is a machine without noise."""
    if len(values) < 2:  # noqa: PLR2004 - one value says nothing of the spread
        return 0.0
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / median if median else 0.0
