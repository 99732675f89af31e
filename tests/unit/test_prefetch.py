"""How many jobs are held in stock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.runtime.prefetch import Prefetch

SECONDS = st.floats(1e-4, 1000)
SLOTS = st.integers(1, 1000)
LOCKS = st.floats(0.1, 86_400)


@given(SECONDS, SECONDS, SLOTS, LOCKS, st.integers(0, 40))
def test_what_waits_is_started_within_a_quarter_of_the_lock(
    cycle: float, round_trip: float, slots: int, lock: float, waiting: int
) -> None:
    """As fast as handlers were until now; what is in stock already counts."""
    stock = Prefetch(cycle, round_trip).stock(slots, lock, waiting)
    assert stock >= 0
    assert stock == 0 or (waiting + stock) * cycle / slots <= 0.25 * lock * 1.0001


@given(SECONDS, SECONDS, SLOTS)
def test_handlers_that_take_long_need_no_stock(cycle: float, round_trip: float, slots: int) -> None:
    """What the acquire costs is less than a tenth of what they take, and others could run the job meanwhile."""
    slow = max(cycle, round_trip * max(10.0, 1.5 * slots) * 1.001)
    assert Prefetch(slow, round_trip).stock(slots, 86_400.0) == 0


@pytest.mark.parametrize("prefetch", [Prefetch(), Prefetch().ended(0.1), Prefetch().acquired(0.1)])
def test_while_nothing_was_measured_there_is_no_stock(prefetch: Prefetch) -> None:
    """One job after the other, until it is known how long they take."""
    assert (prefetch.stock(4, 60.0), prefetch.low(4)) == (0, 0)


@given(SECONDS, SECONDS, SLOTS, LOCKS, st.floats(1, 10))
def test_more_is_held_where_it_takes_longer_to_get_and_less_where_it_takes_longer_to_do(
    cycle: float, round_trip: float, slots: int, lock: float, factor: float
) -> None:
    """With the lock as the limit: a longer one never makes it less, and more in stock never makes it more."""
    stock = Prefetch(cycle, round_trip).stock(slots, lock)
    assert Prefetch(cycle, round_trip * factor).stock(slots, lock) >= stock
    assert Prefetch(cycle * factor, round_trip).stock(slots, lock) <= stock
    assert Prefetch(cycle, round_trip).stock(slots, lock * factor) >= stock
    assert Prefetch(cycle, round_trip).stock(slots * 2, lock) >= stock
    assert Prefetch(cycle, round_trip).stock(slots, lock, 7) <= stock


@given(SECONDS, SECONDS, SLOTS)
def test_it_is_asked_for_more_before_the_handlers_run_out(cycle: float, round_trip: float, slots: int) -> None:
    """What is left lasts for one acquire; and the stock, where the lock bears it, is more than that."""
    prefetch = Prefetch(cycle, round_trip)
    low = prefetch.low(slots)
    assert low >= min(slots * round_trip / cycle, 1e6)
    assert low <= prefetch.stock(slots, 1e12) + 1


def test_the_newest_measurement_counts_a_fifth() -> None:
    """One that is far off does not turn everything round; a change is followed within some jobs."""
    prefetch = Prefetch().ended(1.0).ended(2.0).acquired(0.1).acquired(0.2)
    assert prefetch == Prefetch(pytest.approx(1.2), pytest.approx(0.12))  # type: ignore[arg-type]
    for _ in range(20):
        prefetch = prefetch.ended(5.0)
    assert prefetch.cycle == pytest.approx(5.0, rel=0.02)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_a_measurement_is_never_beyond_what_was_measured(values: list[float]) -> None:
    """Also when no time passes at all, as with a clock that is coarse."""
    prefetch = Prefetch()
    for value in values:
        prefetch = prefetch.ended(value).acquired(value)
    assert prefetch.cycle is not None
    assert min(values) * 0.999 - 1e-6 <= prefetch.cycle <= max(values) * 1.001 + 1e-6
    assert 0 <= prefetch.stock(4, 60.0) <= 1e6
