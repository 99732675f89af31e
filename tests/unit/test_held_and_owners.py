"""Jobs that a client holds: one entry for each correlation id, whatever becomes of ids and owners."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowable.external_worker_client import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.rest.operations import Effect
from flowable.external_worker_client.rest.owners import Address, Owners
from flowable.external_worker_client.runtime.held import HeldJob, Lease, Lock, Registry
from flowable.external_worker_client.runtime.lifecycle import (
    FINAL,
    TRANSITIONS,
    Event,
    IllegalStepError,
    State,
    step,
    suggested_lock,
    takes_over,
)
from flowable.external_worker_client.testing import MovingClock


class Clock(MovingClock):
    """Starts at a thousand."""

    def __init__(self) -> None:
        super().__init__(1000.0)


def _held(job_id: str = "1", correlation_id: str | None = "c", owner: str | None = "w.1", **clock: Any) -> HeldJob:
    job = ExternalWorkerAcquireJobResponse([], job_id, None, correlation_id, *(None,) * 8, 3, *(None,) * 6)
    return HeldJob("t", job, Lease(Lock(job_id, owner, 1060.0), clock.get("clock") or Clock()))


# ------------------------------------------------------------ locks


def test_a_lease_knows_the_newest_lock_and_all_that_came_before() -> None:
    """By any of its ids, and under any of its owners."""
    clock = Clock()
    lease = Lease(Lock("1", "w.1", 1060.0), clock)
    clock.advance(50)
    lease.renew(Lock("2", "w.2", 1110.0))
    lease.renew(Lock("2", "w.3", 1170.0))
    assert lease.lock == Lock("2", "w.3", 1170.0)
    assert lease.ids == ("1", "2")
    assert lease.renewals == 2
    assert [lease.held_by(owner) for owner in ("w.1", "w.2", "w.3", "w.4")] == [True, True, True, False]
    assert lease.time_left() == 120.0
    clock.advance(130)
    assert lease.time_left() == -10.0


def test_an_owner_that_only_the_rest_client_knows_may_be_any() -> None:
    """With something of the person's own in its place."""
    assert Lease(Lock("1", None, 0.0), Clock()).held_by("whatever")


def test_a_job_shows_the_end_of_its_newest_lock() -> None:
    """Aware, in UTC, by the calendar; negative when it is over; nothing for a job that nobody acquired."""
    clock = Clock()
    held = _held(clock=clock)
    job = held.job
    assert (job.deadline, job.time_left) == (None, None)
    job._lock = held.lease
    assert job.time_left == 60.0
    assert job.deadline is not None
    assert job.deadline.tzinfo is UTC
    assert abs(job.deadline - datetime.now(UTC) - timedelta(seconds=60)) < timedelta(seconds=5)
    clock.advance(61)
    assert job.time_left == -1.0
    held.lease.renew(Lock("2", "w.2", clock.now() + 30))
    assert job.time_left == 30.0


# ------------------------------------------------------------ the registry


def test_a_job_that_comes_again_renews_the_lock_of_the_run_under_way() -> None:
    """By correlation id, under a new id or the old one; it is not to be worked on again."""
    registry, first = Registry(), _held("1")
    assert registry.take(first) is True
    assert registry.take(_held("2", owner="w.2")) is False
    assert registry.take(_held("2", owner="w.3")) is False
    assert first.lease.lock == Lock("2", "w.3", 1060.0)
    assert registry.take(_held("9", correlation_id="other")) is True
    assert len(registry) == 2


def test_jobs_without_a_correlation_id_are_told_apart_by_their_ids() -> None:
    """As tests of people make them up."""
    registry = Registry()
    assert registry.take(_held("1", correlation_id=None)) is True
    assert registry.take(_held("2", correlation_id=None)) is True
    assert registry.take(_held("1", correlation_id=None)) is False


def test_a_job_that_came_to_its_end_is_new_when_it_comes_again() -> None:
    """And letting go of the old one does not touch the new."""
    registry, first, second = Registry(), _held("1"), _held("1")
    registry.take(first)
    first.happened(Event.RELEASE)
    assert registry.take(second) is True
    registry.drop(first)
    assert registry.take(_held("1")) is False
    registry.drop(second)
    registry.drop(second)
    assert len(registry) == 0


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("sending", [None, *Effect])
def test_a_run_takes_over_unless_it_is_over_or_is_ending_the_lock_only(state: State, sending: Effect | None) -> None:
    """What ends the lock and not the job may just have been carried out: the job that comes is the next attempt."""
    expected = state not in {*FINAL, State.RELEASING} and sending not in {Effect.FAILS, Effect.RELEASES}
    assert takes_over(state, sending) is expected


def test_the_registry_takes_one_of_many_that_come_at_once() -> None:
    """From several threads."""
    registry, taken = Registry(), list[bool]()
    together = threading.Barrier(8)

    def take() -> None:
        held = _held("1")
        together.wait(10)
        taken.append(registry.take(held))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(taken) == [False] * 7 + [True]


# ------------------------------------------------------------ the table


def test_every_state_is_reached_and_every_run_can_end() -> None:
    """Final states are those that nothing but the handler's end follows."""
    reached, ways = {State.WAITING}, True
    while ways:
        found = {after for state in reached for after in TRANSITIONS[state].values()} - reached
        reached |= found
        ways = bool(found)
    assert reached == set(State)
    assert {state for state in State if set(TRANSITIONS[state].values()) <= {state}} == FINAL


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_a_step_is_in_the_table_or_refused(state: State, event: Event) -> None:
    """By name, so that a mistake is seen."""
    if event in TRANSITIONS[state]:
        assert step(state, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(IllegalStepError, match=state.value):
            step(state, event)


@pytest.mark.parametrize(
    ("runs", "lock"),
    [
        ([], 5),
        ([0.1], 5),
        ([3.0], 10),
        ([20.0] * 99 + [100.0], 300),
        ([20.0] * 99 + [39.0], 60),
        ([61.0], 300),
        ([3600.0], 7200),
        ([1e9], 604_800),
    ],
)
def test_a_lock_is_suggested_that_leaves_room(runs: list[float], lock: float) -> None:
    """Twice what a usual run takes, half as much again as the longest, rounded up; a week at most."""
    assert suggested_lock(runs) == lock


# ------------------------------------------------------------ owners


def test_a_result_finds_the_newest_id_and_owner_by_any_id() -> None:
    """As it was acquired last; nothing is known of others."""
    owners = Owners()
    owners.remember("1", "w.1", "c")
    assert owners.find("1") == Address("1", "w.1")
    owners.remember("2", "w.2", "c")
    assert owners.find("1") == owners.find("2") == Address("2", "w.2")
    owners.remember("2", "w.3", "c")
    assert owners.find("1") == Address("2", "w.3")
    assert owners.find("3") is None
    assert len(owners) == 1


def test_the_jobs_of_one_acquire_are_remembered_together() -> None:
    """Each for itself, up to the capacity; the oldest are not known any more."""
    owners = Owners(capacity=3)
    owners.remember("0", "w.0", "a")
    owners.remember_all([("1", "a"), ("2", "b"), ("3", None), ("4", "d")], "w.1")
    assert len(owners) == 3
    assert (owners.find("0"), owners.find("1")) == (None, None)
    assert [owners.find(job) for job in "234"] == [Address(job, "w.1") for job in "234"]


def test_a_job_without_a_correlation_id_is_known_by_its_id() -> None:
    """And is none of the others."""
    owners = Owners()
    owners.remember("1", "w.1")
    owners.remember("2", "w.2")
    assert (owners.find("1"), owners.find("2")) == (Address("1", "w.1"), Address("2", "w.2"))


@pytest.mark.parametrize("by", ["1", "2"])
def test_a_settled_job_is_forgotten_by_any_of_its_ids(by: str) -> None:
    """With all of them; once more is nothing."""
    owners = Owners()
    owners.remember("1", "w.1", "c")
    owners.remember("2", "w.2", "c")
    for _ in range(2):
        owners.forget(by, "w.2")
        assert (owners.find("1"), owners.find("2"), len(owners)) == (None, None, 0)


def test_a_job_that_another_owner_acquired_meanwhile_is_not_forgotten() -> None:
    """A failure that is answered late comes after the acquire of the next attempt."""
    owners = Owners()
    owners.remember("1", "w.1", "a")
    owners.remember("1", "w.2", "a")
    owners.forget("1", "w.1")
    assert owners.find("1") == Address("1", "w.2")


def test_an_id_that_stands_for_another_job_by_now_stays_with_that() -> None:
    """Forgetting the one that had it before does not touch it."""
    owners = Owners()
    owners.remember("1", "w.1", "a")
    owners.remember("2", "w.2", "a")
    owners.remember("1", "w.3", "b")
    owners.forget("2", "w.2")
    assert owners.find("1") == Address("1", "w.3")
    assert owners.find("2") is None


def test_the_oldest_go_when_there_are_too_many() -> None:
    """Acquired again counts as new; what is dropped leaves nothing behind."""
    owners = Owners(capacity=3)
    for number in range(3):
        owners.remember(str(number), f"w.{number}", f"c{number}")
    owners.remember("0b", "w.9", "c0")
    owners.remember("3", "w.3", "c3")
    assert owners.find("1") is None
    assert owners.find("0") == Address("0b", "w.9")
    for number in range(1000):
        owners.remember(f"more{number}", "w", f"more{number}")
    assert len(owners) == 3
    assert len(owners._keys) == 3
