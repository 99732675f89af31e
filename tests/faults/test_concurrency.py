"""Several handlers at once: as many as was asked for, no more, and each thread looks after its own jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.faults.conftest import PATIENCE, Workshop, World, eventually

from flowable.external_worker_client import ExternalWorkerSubscription
from flowable.external_worker_client.testing import Process, Task

Workshops = Callable[..., Workshop]


class Crew:
    """A handler that notes who runs it, and how many do at once.

    Args:
        together: So many have to be in it at once before one leaves. 1: nobody waits.
    """

    def __init__(self, together: int = 1) -> None:
        self._barrier = threading.Barrier(together, timeout=PATIENCE)
        self._lock = threading.Lock()
        self._inside = 0
        self.most = 0
        self.threads: dict[str, list[str]] = {}

    def __call__(self, job: Any, result: Any) -> None:
        """Come in, wait for the others, and leave."""
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
            self.threads.setdefault(job.id, []).append(threading.current_thread().name)
        self._barrier.wait()
        with self._lock:
            self._inside -= 1


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_so_many_handlers_run_side_by_side_and_never_more(workshops: Workshops, slots: int) -> None:
    """Each job is run once, and settled once by the very thread that ran it."""
    workshop, crew = workshops(), Crew(together=slots)
    instances = workshop.start(3 * slots)
    subscription = workshop.client().subscribe("t", crew, concurrency=slots)
    workshop.engine.wait_for_end(*instances)
    assert crew.most == slots
    assert len(crew.threads) == 3 * slots
    assert workshop.wire.threads == crew.threads
    expected = {"flowable-worker-t", *(f"flowable-worker-t-{number}" for number in range(2, slots + 1))}
    assert {name for (name,) in crew.threads.values()} == expected
    assert subscription.thread.name == "flowable-worker-t"


@pytest.mark.parametrize("batch", [1, 5])
def test_a_serial_subscription_stays_on_its_thread(workshops: Workshops, batch: int) -> None:
    """Whatever the size of its batches: things like browsers and SQLite connections are bound to it."""
    workshop, crew = workshops(), Crew()
    instances = workshop.start(7)
    workshop.client().subscribe("t", crew, number_of_tasks=batch)
    workshop.engine.wait_for_end(*instances)
    assert crew.most == 1
    assert {name for (name,) in crew.threads.values()} == {"flowable-worker-t"}
    assert workshop.wire.threads == crew.threads


@pytest.mark.parametrize(
    ("slots", "batch", "asked"),
    [
        pytest.param(1, 1, 1, id="serial"),
        pytest.param(1, 7, 7, id="serial, in batches"),
        pytest.param(4, 1, 4, id="as many as there are free handlers"),
        pytest.param(4, 3, 4, id="no fewer because of a smaller batch"),
        pytest.param(4, 9, 9, id="a larger batch"),
        pytest.param(50, 1, 20, id="no more than twenty"),
        pytest.param(50, 30, 30, id="unless somebody wants more"),
    ],
)
def test_an_acquire_asks_for_what_can_be_started_and_no_less_than_the_batch(
    workshops: Workshops, slots: int, batch: int, asked: int
) -> None:
    """The first one, when everybody is free."""
    workshop = workshops()
    workshop.client().subscribe("t", lambda job, result: None, concurrency=slots, number_of_tasks=batch)
    eventually(lambda: workshop.wire.asked, "an acquire")
    assert workshop.wire.asked[0] == asked


def test_an_acquire_asks_for_no_more_than_can_be_started(workshops: Workshops) -> None:
    """Three of four are busy: one job is asked for."""
    workshop, busy, leave = workshops(real_time=True), threading.Semaphore(0), threading.Event()

    def handler(job: Any, result: Any) -> None:
        busy.release()
        assert leave.wait(PATIENCE)

    workshop.start(3)
    workshop.client().subscribe("t", handler, concurrency=4, wait_period_seconds=0.01)
    for _ in range(3):
        assert busy.acquire(timeout=PATIENCE)
    eventually(lambda: workshop.wire.asked[-3:] == [1, 1, 1], "questions for one job")
    leave.set()


def test_nothing_is_asked_while_all_are_busy(world: World) -> None:
    """What could not be started would only sit in its lock."""
    busy, leave = threading.Semaphore(0), threading.Event()

    def handler(job: Any, result: Any) -> None:
        busy.release()
        assert leave.wait(PATIENCE)

    world.stub.add("1", "2", "3")
    world.subscribe(handler, concurrency=2)
    for _ in range(2):
        assert busy.acquire(timeout=PATIENCE)
    asked = world.stub.count("acquire")
    world.clock.advance(100)
    world.subscribe(topic="another")
    eventually(lambda: world.stub.count("acquire") > asked, "the question of another subscription")
    assert {request.body["topic"] for request in world.stub.of("acquire")[asked:]} == {"another"}
    leave.set()
    world.served("1", "2", "3")


def test_a_handler_that_hangs_does_not_hold_up_the_others(workshops: Workshops) -> None:
    """Five jobs are done while the first one is."""
    workshop, leave = workshops(), threading.Event()
    first, *others = workshop.start(6)

    def handler(job: Any, result: Any) -> None:
        if job.process_instance_id == first:
            # Time goes on for the others.
            assert workshop.clock is not None
            workshop.clock.leave(threading.current_thread())
            assert leave.wait(PATIENCE)

    workshop.client().subscribe("t", handler, concurrency=2)
    workshop.engine.wait_for_end(*others)
    assert not workshop.engine.instance(first).ended
    leave.set()
    workshop.engine.wait_for_end(first)


class Traffic:
    """Counts the acquires that are on the wire at once.

    Args:
        together: So many have to be on it at once before one goes on. 1: nobody waits.
    """

    def __init__(self, together: int = 1) -> None:
        self._barrier = threading.Barrier(together)
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0
        self.met = False

    def __call__(self, operation: str, body: dict[str, Any]) -> None:
        """Let an acquire be on the wire for a while."""
        if operation != "acquire" or self.met:
            return
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            self._barrier.wait(0.02 if self._barrier.parties > 2 else PATIENCE)
            self.met = True
        except threading.BrokenBarrierError:
            self._barrier.reset()
        finally:
            with self._lock:
                self._now -= 1


def test_one_acquire_of_a_topic_is_on_the_wire_at_a_time(workshops: Workshops) -> None:
    """Two subscriptions of a client, each with several threads: parallel ones would clash in the engine."""
    workshop, traffic, crew = workshops(real_time=True), Traffic(together=3), Crew()
    workshop.wire.before = traffic
    instances = workshop.start(20)
    client = workshop.client()
    for _ in range(2):
        client.subscribe("t", crew, concurrency=3, wait_period_seconds=0.01)
    workshop.engine.wait_for_end(*instances)
    assert traffic.most == 1
    assert all(len(threads) == 1 for threads in crew.threads.values())


def test_acquires_of_different_topics_do_not_wait_for_each_other(workshops: Workshops) -> None:
    """Both are on the wire at once."""
    workshop, traffic = workshops(real_time=True), Traffic(together=2)
    workshop.wire.before = traffic
    client = workshop.client()
    client.subscribe("t", lambda job, result: None)
    client.subscribe("u", lambda job, result: None)
    eventually(lambda: traffic.met, "both acquires at once")
    assert traffic.most == 2


def test_all_threads_start_in_subscribe(workshops: Workshops) -> None:
    """None can be started any more once the main thread of the program has ended."""
    workshop = workshops()
    before = set(threading.enumerate())
    subscription = workshop.client().subscribe("t", lambda job, result: None, concurrency=5)
    started = {thread.name for thread in set(threading.enumerate()) - before}
    assert started == {
        "flowable-keeper",
        "flowable-courier",
        "flowable-worker-t",
        *(f"flowable-worker-t-{n}" for n in range(2, 6)),
    }
    assert not any(thread.daemon for thread in set(threading.enumerate()) - before)
    assert subscription.unsubscribe(PATIENCE) is True
    assert set(threading.enumerate()) == before


def test_each_handler_that_raises_fails_its_own_job(workshops: Workshops) -> None:
    """And takes no thread with it: twelve jobs fail on three threads, and run again until they are dead letters."""
    workshop = workshops()
    workshop.start(12)

    def handler(job: Any, result: Any) -> None:
        raise ValueError(job.id)

    subscription = workshop.client().subscribe("t", handler, concurrency=3)
    workshop.engine.wait_until(lambda engine: len(engine.dead_letters()) == 12)
    assert all(job.exception_message == job.id for job in workshop.engine.dead_letters())
    assert len(workshop.engine.sent("fail")) == 36
    assert subscription.thread.is_alive()


def test_a_handler_of_a_concurrent_subscription_may_stop_it(world: World) -> None:
    """From any of its threads it is told that it has not ended; the others are let finish, the rest is given back."""
    entered, leave = threading.Semaphore(0), threading.Event()
    told: list[bool] = []
    subscriptions: list[ExternalWorkerSubscription] = []

    def handler(job: Any, result: Any) -> None:
        entered.release()
        assert leave.wait(PATIENCE)
        if job.id == "2":
            told.append(subscriptions[0].unsubscribe())

    world.stub.add("1", "2", "3", "4")
    subscriptions.append(world.subscribe(handler, concurrency=3, number_of_tasks=4))
    for _ in range(3):
        assert entered.acquire(timeout=PATIENCE)
    leave.set()
    subscriptions[0].thread.join(PATIENCE)
    assert told == [False]
    assert subscriptions[0].unsubscribe(0) is True
    assert {job_id: world.stub.settled[job_id] for job_id in ("1", "2", "3")} == {
        job_id: ["complete"] for job_id in ("1", "2", "3")
    }
    # The fourth was started by whoever was free before the stop, or given back after it.
    assert world.stub.settled["4"] == (["complete"] if "4" in world.handled else ["fail"])


@pytest.mark.parametrize("slots", [1, 4])
def test_jobs_of_two_topics_with_one_client_are_not_mixed_up(workshops: Workshops, slots: int) -> None:
    """Each handler sees its own."""
    workshop = workshops()
    workshop.engine.deploy(Process("q", Task("other", "u")))
    seen: tuple[set[str | None], set[str | None]] = (set(), set())
    client = workshop.client()
    client.subscribe("t", lambda job, result: seen[0].add(job.process_instance_id), concurrency=slots)
    client.subscribe("u", lambda job, result: seen[1].add(job.process_instance_id), concurrency=slots)
    first, second = workshop.start(8), workshop.start(8, "q")
    workshop.engine.wait_for_end(*first, *second)
    assert seen == (set(first), set(second))
