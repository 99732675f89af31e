"""Closing a client: everything ends, in time, from wherever it is told; an engine that hangs does not hold it up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.faults.conftest import PATIENCE, World, eventually
from tests.faults.stub import Fault, Stub

from flowable.external_worker_client import ClientClosedError, ExternalWorkerSubscription, InvalidArgumentError

HANGS = Fault(end="hang")
BACKGROUND = 5.0  # real seconds: as good as at once, on a machine that is busy


class Told:
    """A call on a thread of its own, and what it returned."""

    def __init__(self, call: Callable[[], bool]) -> None:
        self.returned: list[bool] = []
        self._thread = threading.Thread(target=lambda: self.returned.append(call()))
        self._thread.start()

    def join(self) -> list[bool]:
        """Wait for the end; return what was returned."""
        self._thread.join(PATIENCE)
        return self.returned


def still(condition: Callable[[], bool]) -> None:
    """See that something stays so for a while: nothing happens that could be waited for."""
    deadline = time.monotonic() + 0.15
    while time.monotonic() < deadline:
        assert condition()
        time.sleep(0.01)


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("how", ["close", "with"])
def test_closing_an_idle_client_ends_all_subscriptions_before_one_asks_again(
    world: World, slots: int, how: str
) -> None:
    """At once, with the machine's clock; twice is once."""
    client = world.client(clock=None)
    subscriptions = [world.subscribe(client=client, topic=topic, concurrency=slots) for topic in ("a", "b", "c")]
    eventually(lambda: world.stub.count("acquire") >= 3, "the first acquires")
    began = time.monotonic()
    if how == "with":
        with client as entered:
            asked = world.stub.count("acquire")
            assert entered is client
    else:
        asked = world.stub.count("acquire")
        assert client.close() is True
    assert time.monotonic() - began < BACKGROUND
    assert [subscription.thread.is_alive() for subscription in subscriptions] == [False] * 3
    # None of them was about to ask: they wait a quarter of a second at least.
    assert world.stub.count("acquire") <= asked + 3
    assert client.close() is client.close(0) is True
    with pytest.raises(ClientClosedError):
        client.subscribe("a", lambda job, result: None)
    assert [subscription.unsubscribe() for subscription in subscriptions] == [True] * 3
    eventually(lambda: world.stub.connections == 0, "the connections to be closed")


def test_an_idle_stop_asks_nothing_any_more(world: World) -> None:
    """With four threads, as with one."""
    world.clock.limit = world.clock.now()
    subscription = world.subscribe(concurrency=4)
    eventually(lambda: world.clock.blocked == 4, "the idle waits")
    # For four jobs, and at once for one: that is how starving jobs are found.
    assert [request.body["numberOfTasks"] for request in world.stub.of("acquire")] == [4, 1]
    assert subscription.unsubscribe() is True
    assert world.stub.count("acquire") == 2
    assert len(world.clock.waits) == 1


def test_a_client_can_be_closed_before_anything_was_subscribed(world: World) -> None:
    """Then nothing can be subscribed any more, and nothing was sent."""
    client = world.client()
    assert client.close() is True
    with pytest.raises(ClientClosedError, match="closed"):
        client.subscribe("t", lambda job, result: None)
    assert world.stub.received == []


def test_leaving_the_block_lets_an_exception_through(world: World) -> None:
    """After everything has ended."""
    world.stub.add("1")

    def program() -> None:
        with world.client() as client:
            world.subscribe(client=client)
            world.served("1")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        program()
    assert not world.subscriptions[0].thread.is_alive()


@pytest.mark.parametrize("grace", [-1, "soon", "P1Y", object()])
def test_a_grace_that_is_none_is_refused(world: World, grace: Any) -> None:
    """Named, and before anything is told; but a program that ends over it must not live on in its threads."""
    client = world.client()
    subscription = world.subscribe(client=client)
    with pytest.raises(InvalidArgumentError, match="grace"):
        client.close(grace)
    assert not subscription.event.is_set()
    with pytest.raises(InvalidArgumentError, match="grace"):
        client.run_until_stopped(grace)
    subscription.thread.join(PATIENCE)
    assert not subscription.thread.is_alive()


@pytest.mark.parametrize("calls", [2, 6])
def test_several_threads_may_close_it_at_once(world: World, calls: int) -> None:
    """Each is told the same."""
    client = world.client()
    world.subscribe(client=client, concurrency=2)
    told = [Told(client.close) for _ in range(calls)]
    assert [each.join() for each in told] == [[True]] * calls


def test_a_handler_may_close_its_client(world: World) -> None:
    """It is told that not everything has ended, and its result is delivered; the other subscription ends as well."""
    client = world.client()
    told: list[bool] = []
    other = world.subscribe(client=client, topic="another")
    world.stub.add("1", "2")
    subscription = world.subscribe(lambda job, result: told.append(client.close()), client=client, number_of_tasks=2)
    subscription.thread.join(PATIENCE)
    other.thread.join(PATIENCE)
    assert (subscription.thread.is_alive(), other.thread.is_alive()) == (False, False)
    assert told == [False]
    assert world.stub.settled == {"1": ["complete"], "2": ["fail"]}
    assert client.close() is True


def test_closing_waits_as_long_as_the_lock_and_names_what_still_runs(world: World) -> None:
    """The lock is over: it gives up, and says which job is left; its result is delivered all the same."""
    entered, leave = threading.Event(), threading.Event()

    def handler(job: Any, result: Any) -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    world.stub.add("1")
    client = world.client()
    subscription = world.subscribe(handler, client=client)
    assert entered.wait(PATIENCE)
    told = Told(client.close)
    eventually(subscription.event.is_set, "the stop")
    world.clock.advance(59)
    still(lambda: told.returned == [])
    world.clock.advance(3)
    assert told.join() == [False]
    assert world.logged()[-1] == (
        "Topic 't': job 1 of 'task' still runs after 62.0 s; it is left locked, for 0 s from now"
    )
    leave.set()
    assert client.close(PATIENCE) is True
    assert world.stub.settled == {"1": ["complete"]}


def test_the_grace_is_of_all_subscriptions_together(world: World) -> None:
    """Three handlers that hang, and a grace of a third of a second: not three times that."""
    leave = threading.Event()
    entered = threading.Semaphore(0)

    def handler(job: Any, result: Any) -> None:
        entered.release()
        assert leave.wait(PATIENCE)

    client = world.client()
    for topic in ("a", "b", "c"):
        world.stub.add(topic, topic=topic)
        world.subscribe(handler, client=client, topic=topic)
        assert entered.acquire(timeout=PATIENCE)
    began = time.monotonic()
    assert client.close(0.3) is False
    assert 0.3 <= time.monotonic() - began < 0.3 + BACKGROUND / 2
    assert sorted(line.split()[3] for line in world.logged() if "is left locked" in line) == ["a", "b", "c"]
    leave.set()
    assert client.close("5s") is True


def hanging(world: World, operation: str, **options: Any) -> ExternalWorkerSubscription:
    """Return a subscription whose request of a kind is never answered."""
    world.stub.always[operation] = HANGS
    return world.subscribe(client=world.client(timeout=30), **options)


@pytest.mark.parametrize("slots", [1, 4])
def test_an_acquire_that_hangs_holds_a_stop_up_for_two_seconds(world: World, slots: int) -> None:
    """Of time on the clock, which stands still by itself while a request is on the wire."""
    subscription = hanging(world, "acquire", concurrency=slots)
    eventually(lambda: world.stub.count("acquire") == 1, "the acquire")
    told = Told(subscription.unsubscribe)
    eventually(subscription.event.is_set, "the stop")
    world.clock.advance(1.9)
    still(lambda: told.returned == [])
    world.clock.advance(0.2)
    assert told.join() == [True]
    # What it waits for is nobody's business any more. At the end of a program, it is interrupted.
    assert subscription.thread.is_alive()
    world._clients[0]._restClient.interrupt()
    subscription.thread.join(PATIENCE)
    assert not subscription.thread.is_alive()


def test_what_an_acquire_brings_after_the_stop_is_given_back(world: World) -> None:
    """The engine answered late: no handler starts."""
    answer = threading.Event()

    def late(stub: Stub, job_id: str | None) -> None:
        assert answer.wait(PATIENCE)

    world.stub.add("1", "2", retries=5)
    world.stub.faults["acquire"].append(Fault(effect=True, before=late))
    subscription = world.subscribe(number_of_tasks=2)
    eventually(lambda: len(world.stub.received) == 1, "the acquire")
    told = Told(subscription.unsubscribe)
    eventually(subscription.event.is_set, "the stop")
    world.clock.advance(3)
    assert told.join() == [True]
    answer.set()
    world.served("1", "2")
    subscription.thread.join(PATIENCE)
    assert world.handled == []
    assert [request.body["retries"] for request in world.stub.of("fail")] == [5, 5]


@pytest.mark.parametrize("grace", [None, PATIENCE + 20], ids=["without a time-out", "with a long one"])
def test_jobs_that_cannot_be_given_back_hold_a_stop_up_for_ten_seconds(world: World, grace: float | None) -> None:
    """The engine does not answer: what is left stays locked, which the log says when it is known."""
    entered, leave = threading.Event(), threading.Event()

    def handler(job: Any, result: Any) -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    world.stub.add("1", "2", "3")
    subscription = hanging(world, "fail", handler=handler, number_of_tasks=3)
    assert entered.wait(PATIENCE)
    told = Told(lambda: subscription.unsubscribe(grace))
    eventually(lambda: world.stub.count("fail") == 1, "the first of them to be given back")
    leave.set()
    world.served("1")
    world.clock.advance(9.9)
    still(lambda: told.returned == [])
    world.clock.advance(0.2)
    assert told.join() == [True]
    world._clients[0]._restClient.interrupt()
    subscription.thread.join(PATIENCE)
    assert world.stub.settled == {"1": ["complete"], "2": [], "3": []}
    assert world.stub.count("fail") == 1
    eventually(lambda: any(line.endswith("from now: 2, 3") for line in world.logged()), "the line")


@pytest.mark.parametrize("slots", [1, 3])
def test_fifty_jobs_that_were_not_started_are_all_given_back(world: World, slots: int) -> None:
    """While a handler still runs: others can have them at once."""
    entered, leave = threading.Semaphore(0), threading.Event()

    def handler(job: Any, result: Any) -> None:
        entered.release()
        assert leave.wait(PATIENCE)

    running = [f"running{number}" for number in range(slots)]
    waiting = [f"waiting{number}" for number in range(50)]
    world.stub.add(*running)
    world.stub.add(*waiting, retries=2, message="before")
    subscription = world.subscribe(handler, number_of_tasks=50 + slots, concurrency=slots)
    for _ in running:
        assert entered.acquire(timeout=PATIENCE)
    told = Told(subscription.unsubscribe)
    world.served(*waiting)
    assert told.returned == []
    leave.set()
    assert told.join() == [True]
    assert sorted(world.handled) == running
    assert [world.stub.settled[job_id] for job_id in waiting] == [["fail"]] * 50
    owner = world.stub.of("acquire")[0].body["workerId"]
    assert [request.body for request in world.stub.of("fail")] == [
        {"workerId": owner, "errorMessage": "before", "retries": 2}
    ] * 50


def test_a_result_of_the_last_handler_is_delivered_before_the_client_is_closed(world: World) -> None:
    """And its connections with it."""
    entered, leave = threading.Event(), threading.Event()

    def handler(job: Any, result: Any) -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    world.stub.add("1")
    client = world.client()
    world.subscribe(handler, client=client)
    assert entered.wait(PATIENCE)
    told = Told(client.close)
    still(lambda: told.returned == [])
    leave.set()
    assert told.join() == [True]
    assert world.stub.settled == {"1": ["complete"]}
    eventually(lambda: world.stub.connections == 0, "the connections to be closed")
