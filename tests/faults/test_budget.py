"""Locks cannot be extended: what waited in its batch until too little is left is given back, in time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.faults.conftest import PATIENCE, Workshop, World, eventually
from tests.faults.stub import Fault, Stub


@pytest.mark.parametrize(
    ("took", "handled", "given_back"),
    [
        ([10, 10, 10], ["1", "2", "3"], []),
        ([31, 1, 1], ["1"], ["2", "3"]),
        ([10, 24, 1], ["1", "2", "3"], []),
        ([10, 36, 1], ["1", "2"], ["3"]),
        ([59, 1, 1], ["1"], ["2", "3"]),
        ([1, 58.5, 1], ["1", "2"], ["3"]),
    ],
)
def test_jobs_whose_lock_runs_short_are_given_back_with_a_pause(
    world: World, took: list[float], handled: list[str], given_back: list[str]
) -> None:
    """With less left than a usual run takes, and less than half: given back unchanged, for five seconds, in time."""
    began = world.clock.now()
    world.stub.add("1", "2", "3", retries=2, message="before")
    world.subscribe(lambda job, result: world.clock.advance(took[int(job.id) - 1]), number_of_tasks=3)
    world.served("1", "2", "3")
    world.stop()
    assert world.handled == handled
    assert world.stub.settled == {
        job_id: ["fail"] if job_id in given_back else ["complete"] for job_id in ("1", "2", "3")
    }
    owner = world.stub.of("acquire")[0].body["workerId"]
    body = {"workerId": owner, "errorMessage": "before", "retries": 2, "retryTimeout": "PT5S"}
    assert [(request.job_id, request.body) for request in world.stub.of("fail")] == [(one, body) for one in given_back]
    assert all(request.at - began < 60 for request in world.stub.of("fail"))


@pytest.mark.parametrize("took", [60, 61, 3600])
def test_nothing_is_given_back_after_the_lock(world: World, took: int) -> None:
    """A sibling may hold the instance's lock by then, and giving back would clear it: the neighbours are let be."""
    world.stub.add("1", "2", "3")
    world.subscribe(lambda job, result: world.clock.advance(took), number_of_tasks=3)
    world.served("1")
    eventually(lambda: world.stub.count("acquire") > 1, "the next acquire")
    world.stop()
    assert world.handled == ["1"]
    assert world.stub.settled == {"1": ["complete"], "2": [], "3": []}
    assert world.stub.count("fail") == 0
    suggested = {60: "PT120S", 61: "PT300S", 3600: "PT7200S"}[took]
    overrun = (
        f"Topic 't': job 1 of 'task' runs for {took:.1f} s, longer than its lock of 60 s: the engine may offer it to "
        f"another worker, and then refuses its result. Of the last 1 runs, half took no more than {took} s, the "
        f"longest {took} s; choose a lock of {suggested} or more (lock_duration, or lock in a Worker)"
    )
    assert world.logged() == [
        *([overrun] if took > 60 else []),
        "Topic 't': these stay locked until 0 s from now: 2, 3",
    ]


def test_a_job_with_its_full_lock_always_starts(world: World) -> None:
    """However slow the topic: otherwise none of its jobs ever ran."""
    world.stub.add("1", "2", "3", "4")
    world.subscribe(lambda job, result: world.clock.advance(1000))
    world.served("1", "2", "3", "4")
    world.stop()
    assert world.handled == ["1", "2", "3", "4"]
    assert world.stub.settled == {str(number): ["complete"] for number in range(1, 5)}


@pytest.mark.parametrize(("took", "handled"), [(12, ["1", "2"]), (20, ["1"])], ids=["enough", "too little"])
def test_the_lock_counts_from_before_the_acquire_was_sent(world: World, took: float, handled: list[str]) -> None:
    """25 seconds of the acquire are gone from the lock: after a run of 20, 15 are left for the second job."""

    def slow(stub: Stub, job_id: str | None) -> None:
        world.clock.advance(25)

    world.stub.faults["acquire"].append(Fault(effect=True, before=slow))
    world.stub.add("1", "2")
    world.subscribe(lambda job, result: world.clock.advance(took), number_of_tasks=2)
    world.served("1", "2")
    world.stop()
    assert world.handled == handled
    assert world.stub.settled == {"1": ["complete"], "2": ["complete" if "2" in handled else "fail"]}


def test_an_outage_is_no_long_run(world: World) -> None:
    """Delivering took 40 of 60 seconds, running one: with 19 left, the neighbour is started."""

    def handler(job: Any, result: Any) -> None:
        world.clock.advance(1)
        if job.id == "1":
            world.stub.faults["complete"].append(Fault(status=503, headers=(("Retry-After", "40"),)))

    world.stub.add("1", "2")
    world.subscribe(handler, number_of_tasks=2)
    world.served("1", "2")
    world.stop()
    assert world.handled == ["1", "2"]
    assert world.stub.settled == {"1": ["complete"], "2": ["complete"]}


def test_a_handler_that_outlasts_its_lock_is_said_while_it_runs(world: World) -> None:
    """Once, with what the topic's runs take and a lock that would do; nothing more is said when it ends."""
    entered = threading.Event()
    client = world.client()
    other = world.subscribe(client=client, topic="another")

    def handler(job: Any, result: Any) -> None:
        if job.id != "4":
            world.clock.advance(2)
            return
        world.clock.advance(61)
        # The end of another subscription makes the client look at once; otherwise it would when the lock ends.
        assert other.unsubscribe(PATIENCE)
        eventually(world.logged, "the line")
        entered.set()

    world.stub.add("1", "2", "3", "4")
    world.subscribe(handler, client=client)
    assert entered.wait(PATIENCE)
    world.served("4")
    world.stop()
    said = (
        "Topic 't': job 4 of 'task' runs for 61.0 s, longer than its lock of 60 s: the engine may offer it to another "
        "worker, and then refuses its result. Of the last 4 runs, half took no more than 2 s, the longest 61 s; choose "
        "a lock of PT300S or more (lock_duration, or lock in a Worker)"
    )
    assert world.logged() == [said]


def test_the_end_of_a_lock_is_noticed_by_itself(workshops: Callable[..., Workshop]) -> None:
    """In real time, with a handler that waits for the line about it."""
    workshop = workshops(real_time=True)
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    listener = Listener(logging.WARNING)
    logger = logging.getLogger("flowable.external_worker_client")
    logger.addHandler(listener)
    try:
        (instance,) = workshop.start(1)
        workshop.client().subscribe(
            "t", lambda job, result: eventually(lambda: said, "the line"), lock_duration="PT0.2S"
        )
        workshop.engine.wait_for_end(instance)
    finally:
        logger.removeHandler(listener)
    assert "longer than its lock of 0.2 s" in said[0]
