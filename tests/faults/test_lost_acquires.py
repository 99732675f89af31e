"""Answers to acquires are lost: what they locked is found by its owner's name, given back, and worked on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.faults.conftest import PATIENCE, Workshop, World, eventually, worker_of
from tests.faults.stub import Fault

from flowable.external_worker_client import WorkerResultBuilder, WorkResult
from flowable.external_worker_client.testing import JumpingClock, Process, Task

Workshops = Callable[..., Workshop]
TIME_OUT = 35  # seconds, of the client for an answer


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("fault", ["lost_answer", "cut_off", "hang"])
def test_jobs_of_a_lost_answer_are_worked_on_long_before_their_lock_ends(
    workshops: Workshops, slots: int, fault: str
) -> None:
    """Each runs once, with the retries it had; what it was given back with counts as no attempt."""
    workshop = workshops()
    engine = workshop.engine
    if fault == "hang":
        engine.faults.hang("acquire", carried_out=True)
    else:
        getattr(engine.faults, fault)("acquire")
    runs: list[tuple[int, str | None]] = []
    instances = workshop.start(4)
    workshop.client().subscribe(
        "t",
        lambda job, result: runs.append((job.retries, job.exception_message)),
        concurrency=slots,
        number_of_tasks=4,
        lock_duration="1h",
    )
    engine.wait_for_end(*instances)
    assert workshop.clock is not None
    assert workshop.clock.now() < 5
    assert runs == [(3, None)] * 4
    acquires, given_back = engine.sent("acquire"), engine.sent("fail")
    assert {sent.worker_id for sent in given_back} == {acquires[0].worker_id}
    assert [(sent.retries, sent.message, sent.retry_timeout, sent.status) for sent in given_back] == [
        (3, None, None, 204)
    ] * 4
    names = [sent.worker_id for sent in acquires]
    assert len(set(names)) == len(names)
    assert all(sent.worker_id != names[0] for sent in engine.sent("complete"))


def test_a_job_goes_back_as_it_was(workshops: Workshops) -> None:
    """With the message and the retries that an earlier attempt left."""
    workshop = workshops()
    engine = workshop.engine
    runs: list[tuple[int, str | None]] = []

    def handler(job: Any, result: WorkerResultBuilder) -> WorkResult | None:
        runs.append((job.retries, job.exception_message))
        if len(runs) == 1:
            engine.faults.lost_answer("acquire", "after")
            return result.failure().error_message("the first time")
        return None

    (instance,) = workshop.start(1)
    workshop.client().subscribe("t", handler)
    engine.wait_for_end(instance)
    assert runs == [(3, None), (2, "the first time")]


def asked(clock: JumpingClock, workshop: Workshop) -> list[float]:
    """Note when the engine was looked through, from now on."""
    moments: list[float] = []

    def before(operation: str, body: dict[str, Any]) -> None:
        if operation == "jobs":
            moments.append(clock.now())

    workshop.wire.before = before
    return moments


@pytest.mark.parametrize("when", ["before", "after"])
def test_it_is_looked_twice(workshops: Workshops, when: Any) -> None:
    """Soon, and when the request would have timed out: one that was cut may still be carried out until then."""
    workshop = workshops()
    clock = workshop.clock
    assert clock is not None
    looks = asked(clock, workshop)
    workshop.engine.faults.lost_answer("acquire", when)
    workshop.start(1)
    workshop.client().subscribe("t", lambda job, result: None, wait_period_seconds=7)
    workshop.engine.wait_until(lambda engine: clock.now() > 10 * TIME_OUT, timeout=PATIENCE)
    soon, late = looks
    assert 0.25 <= soon < 2
    assert TIME_OUT <= late < TIME_OUT + 8
    assert len(workshop.engine.sent("fail")) == (1 if when == "after" else 0)


def test_topics_that_are_idle_do_not_forget_to_look(workshops: Workshops) -> None:
    """Although they ask for no jobs, as long as nobody has one that could be acquired."""
    workshop = workshops()
    clock = workshop.clock
    assert clock is not None
    workshop.engine.faults.lost_answer("acquire", "before")
    with worker_of("t", "u").running(workshop.client()):
        workshop.engine.wait_until(lambda engine: clock.now() > TIME_OUT + 2, timeout=PATIENCE)
        looks = [filters for filters in workshop.wire.listed if "locked" in filters]
        asked = len(workshop.wire.asked)
    assert len(looks) == 2
    assert asked < 40


def test_a_request_that_is_carried_out_late_is_found_by_the_second_look(world: World) -> None:
    """The first one saw nothing."""
    world.stub.faults["acquire"].append(Fault(end="reset"))
    world.stub.add("1", retries=2, message="before", owner="nobody yet")
    world.subscribe()
    eventually(lambda: world.stub.count("list") == 1, "the first look")
    owner = world.stub.of("acquire")[0].body["workerId"]
    assert world.stub.count("fail") == 0
    world.stub.change("1", owner=owner)
    world.served("1")
    world.stop()
    assert world.stub.count("list") == 2
    assert [request.body for request in world.stub.of("fail")] == [
        {"workerId": owner, "errorMessage": "before", "retries": 2}
    ]
    assert world.handled == []


def test_a_look_that_fails_is_repeated(workshops: Workshops) -> None:
    """Each of them with a line in the log that is no alarm; the failed acquires are."""
    workshop = workshops()
    engine = workshop.engine
    engine.faults.lost_answer("acquire", "after")
    engine.faults.next("list", status=503, times=2)
    engine.faults.html("list")
    (instance,) = workshop.start(1)
    runs: list[str] = []
    workshop.client().subscribe("t", lambda job, result: runs.append(job.id), lock_duration="1h")
    engine.wait_for_end(instance)
    assert workshop.clock is not None
    assert workshop.clock.now() < 60
    assert len(runs) == 1
    assert len(engine.sent("list")) >= 4


@pytest.mark.parametrize(
    ("retries", "lock"), [(0, "PT1H"), (3, "PT0.1S")], ids=["without retries", "with a lock that is over"]
)
def test_what_could_come_to_harm_is_left_to_the_end_of_its_lock(world: World, retries: int, lock: str) -> None:
    """A report without retries would make a dead letter, one after the lock could hit a sibling's."""
    world.stub.faults["acquire"].append(Fault(effect=True, end="reset"))
    world.stub.add("1", retries=retries)
    world.subscribe(lock_duration=lock)
    said = "Job 1 of 'task' was locked by an acquire whose answer was lost; it is offered again when its lock ends"
    eventually(lambda: said in world.logged(), "the line")
    world.stop()
    assert world.stub.count("fail") == 0


def test_it_is_not_looked_while_another_acquire_of_the_client_is_on_the_wire(workshops: Workshops) -> None:
    """What that one locks would look like something lost."""
    workshop = workshops(real_time=True)
    engine = workshop.engine
    engine.deploy(Process("q", Task("other", "u")))
    hold, held = threading.Event(), threading.Event()

    def before(operation: str, body: dict[str, Any]) -> None:
        if operation == "acquire" and body["topic"] == "u" and not hold.is_set():
            held.set()
            assert hold.wait(PATIENCE)

    workshop.wire.before = before
    client = workshop.client()
    client.subscribe("u", lambda job, result: None, wait_period_seconds=0.05)
    assert held.wait(PATIENCE)
    engine.faults.lost_answer("acquire", "after")
    instances = [*workshop.start(1), *workshop.start(1, "q")]
    client.subscribe("t", lambda job, result: None, wait_period_seconds=0.05)
    # The look is due after a quarter of a second; this takes half a second more.
    engine.wait_until(lambda engine: len(engine.sent("acquire", topic="t")) >= 3)
    assert engine.sent("list") == []
    hold.set()
    engine.wait_for_end(*instances)
    assert len(engine.sent("list")) >= 1
    assert len(engine.sent("fail")) == 1


def test_a_look_that_has_to_wait_for_others_is_asked_for_once_a_second_and_not_again_and_again(
    workshops: Workshops,
) -> None:
    """Otherwise all topics of a client would keep each other from looking, and the engine busy."""
    workshop = workshops()
    engine, clock = workshop.engine, workshop.clock
    assert clock is not None
    engine.deploy(Process("q", Task("other", "u")))
    slow = threading.Event()

    def before(operation: str, body: dict[str, Any]) -> None:
        if operation == "acquire" and body["topic"] == "u" and not slow.is_set():
            slow.set()
            clock.wait(threading.Event(), 4.0)

    workshop.wire.before = before
    client = workshop.client()
    client.subscribe("u", lambda job, result: None)
    assert slow.wait(PATIENCE)
    engine.faults.lost_answer("acquire", "after")
    (instance,) = workshop.start(1)
    client.subscribe("t", lambda job, result: None)
    engine.wait_for_end(instance)
    assert 4 <= clock.now() <= 6
    assert 4 <= len(engine.sent("acquire", topic="t")) <= 12


@pytest.mark.parametrize("slots", [1, 3])
def test_a_stop_looks_once_more(world: World, slots: int) -> None:
    """So that nothing stays locked after a worker has left in order."""
    world.stub.faults["acquire"].append(Fault(effect=True, end="reset"))
    world.clock.limit = world.clock.now()
    world.stub.add("1", "2")
    subscription = world.subscribe(number_of_tasks=2, concurrency=slots)
    eventually(lambda: world.clock.blocked, "the pause")
    assert world.stub.count("list") == 0
    assert subscription.unsubscribe(PATIENCE) is True
    assert world.stub.count("list") == 1
    assert world.stub.settled == {"1": ["fail"], "2": ["fail"]}
    assert world.handled == []


def test_a_stop_does_not_look_when_nothing_was_lost(world: World) -> None:
    """The usual end costs no request."""
    world.stub.add("1")
    world.subscribe()
    world.served("1")
    world.stop()
    assert {request.operation for request in world.stub.received} == {"acquire", "complete"}


def test_an_acquire_that_surely_was_not_carried_out_is_not_looked_after(world: World) -> None:
    """Refused connections, an answer that says so: there is nothing to find."""
    world.stub.down()
    world.clock.limit = world.clock.now() + 10
    world.subscribe()
    eventually(lambda: world.clock.blocked, "ten seconds")
    world.stub.faults["acquire"].extend([Fault(status=429), Fault(status=401)])
    world.stub.add("1")
    world.stub.up()
    world.clock.limit = float("inf")
    world.served("1")
    world.stop()
    assert world.stub.count("list") == 0
