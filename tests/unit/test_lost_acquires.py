"""Acquires whose answer was lost: when to look for what they locked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowable.external_worker_client.runtime.lost_acquires import ASK_AGAIN, FIRST_LOOK, LostAcquire, LostAcquires


def _lost(
    *owners: str, now: float = 0.0, asked: float = 0.0, lock: float = 60.0, time_out: float = 35.0
) -> LostAcquires:
    lost = LostAcquires()
    for owner in owners:
        lost = lost.add(owner, now=now, asked=asked, lock=lock, time_out=time_out)
    return lost


def test_what_was_lost_is_looked_for_soon_and_when_it_would_have_timed_out() -> None:
    """Whatever the first look showed: a request that was cut may still be carried out."""
    lost = _lost("w.1", now=1.0)
    assert lost.entries == (LostAcquire("w.1", locked_until=60.0, ends=95.0, due=1.0 + FIRST_LOOK, last=35.0),)
    assert lost.due(1.2) == frozenset()
    assert lost.due(1.25) == {"w.1"}
    once = lost.looked({"w.1"}, now=1.25)
    assert once.next_look() == 35.0
    assert once.due(34.9) == frozenset()
    assert once.looked({"w.1"}, now=35.0) == LostAcquires()


@given(st.floats(0, 100), st.floats(0, 1))
def test_whoever_is_to_ask_for_a_look_does_it_when_it_is_due_or_later_and_never_at_once(
    now: float, chance: float
) -> None:
    """Within a quarter of a second of each other; and about a second after a look that had to wait for others."""
    lost = _lost("w.1", now=1.0)
    due, ask_by = 1.0 + FIRST_LOOK, lost.ask_by(now, chance)
    assert ask_by is not None
    if now < due:
        assert due <= ask_by <= due + 0.25
    else:
        assert now + 0.75 * ASK_AGAIN <= ask_by <= now + ASK_AGAIN
    assert LostAcquires().ask_by(now, chance) is None


def test_one_look_is_enough_once_the_time_out_is_over() -> None:
    """The acquire was waited for to its end."""
    lost = _lost("w.1", now=35.0)
    assert lost.next_look() == 35.0 + FIRST_LOOK
    assert lost.looked({"w.1"}, now=36.0) == LostAcquires()
    assert _lost("w.1", now=0.0).looked({"w.1"}, now=40.0) == LostAcquires()


def test_jobs_are_given_back_only_while_their_lock_lasts_for_certain() -> None:
    """It began when the acquire was sent, or up to the time-out later."""
    entry = _lost("w.1", now=5.0, asked=2.0, lock=60.0).of("w.1")
    assert entry is not None
    assert (entry.locked_until, entry.ends) == (62.0, 97.0)
    assert _lost("w.1").of("w.2") is _lost("w.1").of(None) is None


def test_several_are_looked_for_at_once_and_each_has_its_own_time() -> None:
    """The first that is due says when."""
    lost = _lost("w.1").add("w.2", now=10.0, asked=9.0, lock=60.0, time_out=35.0)
    assert lost.next_look() == FIRST_LOOK
    assert lost.due(11.0) == {"w.1", "w.2"}
    left = lost.looked({"w.1"}, now=11.0)
    assert [(entry.owner, entry.due) for entry in left.entries] == [("w.1", 35.0), ("w.2", 10.25)]
    assert LostAcquires().next_look() is None


def test_a_look_that_fails_is_repeated_with_growing_pauses_and_another_begins_anew() -> None:
    """From half a second to ten."""
    lost, pauses, now = _lost("w.1", lock=600.0), list[float](), 1.0
    for _ in range(7):
        lost = lost.failed({"w.1"}, now, chance=0.5)
        due = lost.next_look()
        assert due is not None
        pauses.append(due - now)
        now = due
    assert pauses == [0.5, 1, 2, 4, 8, 10, 10]
    assert lost.entries[0].last == 35.0
    again = _lost("w.1").failed({"w.1"}, 1.0, chance=0.5).looked({"w.1"}, 1.5)
    assert again.entries[0].failures == 0


def test_a_look_that_fails_until_the_lock_is_over_is_given_up() -> None:
    """Nothing is left to be found."""
    lost = _lost("w.1", lock=1.0, time_out=5.0)
    assert lost.failed({"w.1"}, 5.4, chance=0.5).entries
    assert lost.failed({"w.1"}, 5.6, chance=0.5) == LostAcquires()


def test_names_that_are_not_lost_change_nothing() -> None:
    """As when somebody else has found them meanwhile."""
    lost = _lost("w.1")
    assert lost.looked({"w.2"}, 1.0) == lost.failed({"w.2"}, 1.0, 0.5) == lost


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=30),
    st.floats(0.01, 100_000),
    st.floats(0.01, 120),
    st.floats(0, 120),
)
def test_every_one_is_looked_for_in_the_end_and_for_no_longer_than_its_locks(
    looks: list[tuple[bool, float]], lock: float, time_out: float, waited: float
) -> None:
    """Driven through time by its own moments; after the looks given, all fail."""
    lost = _lost("w.1", now=min(waited, time_out), lock=lock, time_out=time_out)
    answered = iter(looks)
    now, made = 0.0, 0
    while (due := lost.next_look()) is not None:
        assert due >= now or made == 0
        now = max(now, due)
        well, chance = next(answered, (False, 0.5))
        lost = lost.looked(lost.due(now), now) if well else lost.failed(lost.due(now), now, chance)
        made += 1
        assert made < 100_000
    assert made >= 1
    assert now < time_out + lock + max(FIRST_LOOK, 1e-6) or made == 1
    assert sum(well for well, _ in looks[:made]) <= 2


@pytest.mark.parametrize("lock", [0.1, 5.0])
def test_a_short_lock_is_looked_for_as_well(lock: float) -> None:
    """It may have begun just before the time-out."""
    lost = _lost("w.1", lock=lock, time_out=10.0)
    assert lost.due(1.0) == {"w.1"}
    assert lost.looked({"w.1"}, 1.0).next_look() == 10.0
