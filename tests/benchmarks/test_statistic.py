"""What is said of many measurements."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from side_by_side.statistic import (
    CONFIDENCE,
    Estimate,
    delays,
    estimate,
    noise,
    percentile,
    ratios,
    seconds,
    steps,
)

VALUES = st.lists(st.floats(min_value=0.001, max_value=1000), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("number", "low", "high", "confidence"),
    [(1, 0, 0, 0.0), (3, 0, 2, 0.75), (6, 0, 5, 0.96875), (9, 1, 7, 0.9609375), (31, 9, 21, 0.9705506265163422)],
)
def test_interval_is_that_of_the_tables(number: int, low: float, high: float, confidence: float) -> None:
    """Of nine values it is from the second to the eighth, as in every table of the sign test."""
    found = estimate([float(each) for each in range(number)])
    assert found == Estimate((number - 1) / 2, low, high, number, confidence)


def test_interval_holds_the_median_as_often_as_it_says() -> None:
    """Tried out, on values that are not spread evenly around their median."""
    dice = random.Random(7)  # noqa: S311 - no secrets
    inside = 0
    for _ in range(2_000):
        found = estimate([dice.expovariate(1) for _ in range(9)])
        inside += found.low <= 0.6931 <= found.high
    assert inside / 2_000 == pytest.approx(0.961, abs=0.02)


@given(VALUES)
def test_interval_is_around_the_median(values: list[float]) -> None:
    """It never leaves what was measured, and of six values on it is as sure as it should be."""
    found = estimate(values)
    assert min(values) <= found.low <= found.median <= found.high <= max(values)
    assert found.median == statistics.median(values)
    assert (found.confidence >= CONFIDENCE) == (len(values) >= 6)


def test_nothing_has_no_median() -> None:
    """A mistake in a table does not pass as a figure."""
    with pytest.raises(ValueError, match="at least one"):
        estimate([])


def test_ratios_are_of_the_same_round() -> None:
    """A round that one side lacks is left out, whatever its number."""
    assert ratios({1: 10.0, 2: 30.0, 4: 1.0}, {0: 9.0, 1: 5.0, 2: 10.0}) == [2.0, 3.0]


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 10), (0.95, 19), (0.951, 20), (1.0, 20)], ids=str)
def test_percentile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    """Of twenty values the 19th is the one that 95 % do not exceed."""
    values = [float(each) for each in range(20, 0, -1)]
    assert percentile(values, share) == expected


@given(VALUES)
def test_delays_are_in_order(values: list[float]) -> None:
    """At least half are no longer than p50, and 95 % no longer than p95."""
    found = delays(values)
    assert found.p50 <= found.p95 <= found.worst == max(values)
    assert sum(each <= found.p50 for each in values) / len(values) >= 0.5
    assert sum(each <= found.p95 for each in values) / len(values) >= 0.95


@given(VALUES, st.integers(min_value=1, max_value=100))
def test_distribution_ends_with_all_at_the_longest(values: list[float], most: int) -> None:
    """It rises, has no more points than are wanted, and what it says of each is true."""
    places, shares = steps(values, most)
    assert len(places) == len(shares) == min(most, len(values))
    assert (places[-1], shares[-1]) == (max(values), 1.0)
    assert places == sorted(places)
    for place, share in zip(places, shares, strict=True):
        assert sum(each <= place for each in values) / len(values) >= share - 1e-9


def test_noise_is_the_middle_half() -> None:
    """As a share of the median; one value says nothing, and nothing is not noisy."""
    assert noise([10.0, 10.0, 10.0]) == 0
    assert noise([8.0, 9.0, 10.0, 11.0, 12.0]) == pytest.approx(0.2)
    assert noise([5.0]) == 0


def test_times_are_written_for_people() -> None:
    """With as many digits as mean something."""
    assert [seconds(each) for each in (0.0432, 0.4149, 4.5, 14.24, 143.4)] == [
        "0.043 s",
        "0.41 s",
        "4.50 s",
        "14.2 s",
        "143 s",
    ]
