"""What is seldom met and must not cost a job: hangs at the very end, a long wait at the gate, threads that fail."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.faults.conftest import PATIENCE, World, eventually
from tests.faults.stub import Fault, Stub

from flowable.external_worker_client.rest.carrier import Settling
from flowable.external_worker_client.rest.operations import COMPLETE, FAIL, Operation
from flowable.external_worker_client.runtime.held import HeldJob, Lease, Lock, Registry
from flowable.external_worker_client.runtime.lifecycle import Event
from flowable.external_worker_client.runtime.records import JournalRecords, Records
from flowable.external_worker_client.runtime.resend import Step, Verdict
from flowable.external_worker_client.testing import make_job


def test_closing_a_client_whose_acquire_hangs_ends_its_threads(world: World) -> None:
    """The request is interrupted, and nothing is looked for through the same engine afterwards."""
    world.stub.always["acquire"] = world.stub.always["list"] = Fault(end="hang")
    client = world.client(timeout=30)
    subscription = world.subscribe(client=client)
    eventually(lambda: world.stub.count("acquire") == 1, "the acquire")
    done: list[bool] = []
    closing = threading.Thread(target=lambda: done.append(client.close("10s")))
    closing.start()
    eventually(subscription.event.is_set, "the stop")
    world.clock.advance(3)
    closing.join(PATIENCE)
    assert done == [True]
    assert not subscription.thread.is_alive()
    assert world.stub.count("list") == 0
    assert not any("asking again" in line for line in world.logged())


class TakesLong(Records):
    """Lets handlers in only after so much of their time has gone by."""

    gated = True

    def __init__(self, world: World, seconds: float) -> None:
        super().__init__()
        self._world = world
        self._seconds = seconds

    @contextmanager
    def run(self, *, alone: bool, unless: Callable[[], bool]) -> Generator[bool]:
        """Wait."""
        del alone, unless
        self._world.clock.advance(self._seconds)
        yield True


@pytest.mark.parametrize(("waited", "settled"), [(29.0, "complete"), (31.0, "fail"), (61.0, None)])
def test_a_job_that_waited_for_a_handler_that_runs_alone_starts_only_with_enough_lock_left(
    world: World, waited: float, settled: str | None
) -> None:
    """With less than half of it the job is given back, unchanged; after its end it is left to the engine."""
    world.stub.add("1", retries=2, message="before")
    client = world.client()
    client._runtime._records = TakesLong(world, waited)
    subscription = world.subscribe(client=client, lock_duration="PT1M")
    eventually(lambda: world.stub.count("acquire") > 1, "the next acquire")
    assert subscription.unsubscribe(PATIENCE)
    assert world.handled == (["1"] if settled == "complete" else [])
    assert world.stub.settled == {"1": [settled] if settled else []}
    if settled == "fail":
        [request] = world.stub.of("fail")
        assert (request.body["retries"], request.body["errorMessage"]) == (2, "before")


def test_while_a_handler_is_to_run_alone_nothing_is_acquired(world: World) -> None:
    """What came would wait for it, and its lock would run out."""
    client = world.client()
    records = client._runtime._records
    busy = threading.Event()
    busy.set()
    records.somebody_is_to_be_alone = busy.is_set  # type: ignore[method-assign]
    world.stub.add("1")
    world.subscribe(client=client)
    eventually(lambda: len(world.clock.waits) > 3, "some pauses")
    assert world.stub.count("acquire") == 0
    busy.clear()
    world.served("1")


@pytest.mark.parametrize("started", [0, 1, 3])
def test_threads_that_cannot_be_started_leave_nothing_behind(
    world: World, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is the caller's; the client still works, and closes."""
    client = world.client()
    start, count = threading.Thread.start, [0]

    def limited(thread: threading.Thread) -> None:
        if thread.name.startswith("flowable-worker-t"):
            count[0] += 1
            if count[0] > started:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    with pytest.raises(RuntimeError, match="can't start"):
        client.subscribe("t", lambda job, result: None, concurrency=4)
    monkeypatch.undo()
    world.stub.add("1")
    world.subscribe(client=client)
    world.served("1")
    assert client.close("5s") is True
    eventually(lambda: not [each for each in threading.enumerate() if each.name.startswith("flowable")], "the end")


def test_an_outcome_that_was_left_behind_touches_no_run_of_its_job(world: World) -> None:
    """The run has a newer lock, and keeps it."""
    registry = Registry()

    def held(owner: str, deadline: float) -> HeldJob:
        return HeldJob("t", make_job(), Lease(Lock("job-1", owner, deadline), world.clock))

    running = held("new", 2000.0)
    assert registry.take(running)
    running.happened(Event.START)
    assert not registry.enter(held("old", 1001.0))
    assert (running.lease.lock.owner, running.lease.lock.deadline) == ("new", 2000.0)
    registry.drop(running)
    assert registry.enter(held("old", 1001.0))


def test_jobs_that_are_not_given_back_in_time_are_named(world: World) -> None:
    """They stay locked: whoever reads the log at night is to know which."""
    entered, leave, answer = threading.Event(), threading.Event(), threading.Event()

    def handler(job: Any, result: Any) -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    world.stub.add("1", "2", "3")

    def late(stub: Stub, job_id: str | None) -> None:
        assert answer.wait(PATIENCE)

    world.stub.faults["fail"].append(Fault(before=late))
    subscription = world.subscribe(handler, number_of_tasks=3)
    assert entered.wait(PATIENCE)
    assert subscription.unsubscribe(0.2) is False
    try:
        said = "Topic 't': 2 jobs that were not started could not be given back in time; they stay locked: 2, 3"
        assert said in world.logged(logging.WARNING)
    finally:
        answer.set()
        leave.set()


class Noting:
    """Stands in the journal's place, and notes what it is told at the end of a delivery."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []

    def settled(self, key: str, *, keep_until: float | None = None) -> None:
        """Note it."""
        self.told.append(("settled", keep_until is not None))

    def abandoned(self, key: str) -> None:
        """Note it."""
        self.told.append(("abandoned", True))


@pytest.mark.parametrize(
    ("operation", "verdict", "told"),
    [
        (COMPLETE, Verdict.SETTLED, ("settled", False)),
        (COMPLETE, Verdict.LOST, ("settled", True)),
        (COMPLETE, Verdict.GONE, ("settled", True)),
        (COMPLETE, Verdict.ABANDONED, ("abandoned", True)),
        (FAIL, Verdict.LOST, ("settled", False)),
        (FAIL, Verdict.ABANDONED, ("settled", False)),
    ],
)
def test_what_the_journal_keeps_of_an_outcome(
    world: World, operation: Operation, verdict: Verdict, told: tuple[str, bool]
) -> None:
    """One that came too late is kept for a redelivery, and not sent again by every start; a failure is not kept."""
    journal = Noting()
    records = JournalRecords(journal)  # type: ignore[arg-type]
    held = HeldJob("t", make_job(), Lease(Lock("job-1", "w", world.clock.now() - 1), world.clock))
    records.delivered(held, Settling(operation, "job-1", "w", {}), Step(verdict))
    assert journal.told == [told]
