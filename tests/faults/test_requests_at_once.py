"""Fewer requests at a time than want to be sent: who goes first, and that an engine that hangs holds nobody up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.faults.conftest import PATIENCE, Workshop, World, eventually
from tests.faults.stub import Fault, Stub

from flowable.external_worker_client import ExternalWorkerClient, InvalidArgumentError
from flowable.external_worker_client.rest import limited
from flowable.external_worker_client.restclient import FlowableExternalWorkerRestClient

HANGS = Fault(end="hang")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is let through before others are answered, however long that takes."""
    monkeypatch.setattr(limited, "PATIENCE", 60.0)


def rest(client: ExternalWorkerClient) -> FlowableExternalWorkerRestClient:
    """Return what sends the client's requests."""
    return client._restClient


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("at_once", [1, 2])
def test_acquires_that_hang_do_not_hold_up_a_close(world: World, at_once: int) -> None:
    """All places are taken by acquires that are not answered, and those of other topics wait: none is sent later."""
    world.stub.always["acquire"] = world.stub.always["list"] = HANGS
    client = world.client(timeout=30, requests_at_once=at_once)
    subscriptions = [world.subscribe(client=client, topic=topic) for topic in ("a", "b", "c", "d")]
    eventually(lambda: rest(client).requests_waiting == 4 - at_once, "the others to wait")
    eventually(lambda: world.stub.count("acquire") == at_once, "the acquires that hang")
    assert rest(client).requests_under_way == at_once
    done: list[bool] = []
    closing = threading.Thread(target=lambda: done.append(client.close("10s")))
    closing.start()
    eventually(lambda: all(each.event.is_set() for each in subscriptions), "the stop")
    world.clock.advance(3)
    closing.join(PATIENCE)
    assert done == [True]
    assert not any(subscription.thread.is_alive() for subscription in subscriptions)
    assert world.stub.count("acquire") == at_once
    assert rest(client).requests_under_way == rest(client).requests_waiting == 0


@pytest.mark.usefixtures("patient")
def test_jobs_that_wait_to_be_given_back_hold_a_stop_up_for_ten_seconds(world: World) -> None:
    """The only place is taken by a result that is not answered, and nothing can be given back before that."""
    world.stub.add("1", "2", "3")
    world.stub.always["complete"] = HANGS
    client = world.client(timeout=30, requests_at_once=1)
    subscription = world.subscribe(client=client, number_of_tasks=3)
    eventually(lambda: world.stub.count("complete") == 1, "the result to be sent")
    done: list[bool] = []
    stopping = threading.Thread(target=lambda: done.append(subscription.unsubscribe(PATIENCE + 20)))
    stopping.start()
    eventually(lambda: rest(client).requests_waiting >= 1, "what is to be given back")
    world.stub.always.clear()
    rest(client).interrupt()
    # The result is sent again; what waited was not sent, and is never sent again.
    stopping.join(PATIENCE)
    assert done == [True]
    assert world.stub.settled["1"] == ["complete"]
    assert world.handled == ["1"]


def test_one_hanging_request_does_not_hold_up_the_others_for_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while without an answer one more is let through: the other topic's jobs are done."""
    monkeypatch.setattr(limited, "PATIENCE", 0.1)
    world.stub.add("1", topic="b")
    world.stub.faults["acquire"].append(HANGS)
    client = world.client(timeout=30, requests_at_once=1)
    world.subscribe(client=client, topic="a")
    eventually(lambda: world.stub.count("acquire") == 1, "the acquire that hangs")
    world.subscribe(client=client, topic="b")
    world.served("1")
    rest(client).interrupt()


def test_results_go_before_the_next_acquire(world: World) -> None:
    """Eight handlers end at once, one place: no acquire comes between the first results."""
    ready, answer = threading.Barrier(8), threading.Event()

    def handler(job: Any, result: Any) -> None:
        if int(job.id) < 8:
            ready.wait(PATIENCE)

    def late(stub: Stub, job_id: str | None) -> None:
        assert answer.wait(PATIENCE)

    jobs = [str(number) for number in range(8)]
    world.stub.add(*jobs)
    client = world.client(requests_at_once=1)
    world.stub.faults["complete"].append(Fault(effect=True, before=late))
    subscription = world.subscribe(handler, client=client, concurrency=8, number_of_tasks=8)
    eventually(lambda: rest(client).requests_waiting >= 7, "the results to wait")
    answer.set()
    world.served(*jobs)
    assert subscription.unsubscribe(PATIENCE)
    kinds = [request.operation for request in world.stub.received]
    first = kinds.index("complete")
    assert kinds[first : first + 7] == ["complete"] * 7


def test_a_handler_that_asks_the_engine_by_itself_waits_like_all_others(world: World) -> None:
    """More handlers than places, and each sends requests of its own, one within a hook of another."""
    jobs = [str(number) for number in range(30)]
    world.stub.add(*jobs)

    def nested(session: Any) -> None:
        def hook(response: Any, *args: Any, **kwargs: Any) -> None:
            if response.request.method == "POST" and "complete" in response.request.url:
                rest(client).list_jobs(size=0)

        session.hooks["response"].append(hook)

    client = world.client(requests_at_once=1, customize_session=nested, transport="requests")

    def handler(job: Any, result: Any) -> None:
        rest(client).list_jobs(size=0)
        rest(client).complete_job(job.id)

    world.subscribe(handler, client=client, concurrency=6, number_of_tasks=6)
    world.served(*jobs)
    assert {tuple(settled) for settled in world.stub.settled.values()} == {("complete",)}
    eventually(lambda: rest(client).requests_under_way <= 1, "all to be answered")


def test_no_more_requests_than_asked_for_are_on_the_wire(workshops: Callable[..., Workshop]) -> None:
    """Sixteen handlers, three places: three requests at a time, and never more."""
    workshop = workshops(real_time=True)
    inside, most = 0, 0
    lock = threading.Lock()

    def seen(operation: str, body: Any) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        # As long as an engine takes.
        time.sleep(0.005)
        with lock:
            inside -= 1

    workshop.wire.before = seen
    workshop.start(60)
    client = workshop.client(requests_at_once=3)
    client.subscribe("t", lambda job, result: None, concurrency=16, number_of_tasks=20, wait_period_seconds=0.05)
    eventually(lambda: not workshop.engine.jobs(), "all jobs to be settled")
    assert most == 3
    assert rest(client).requests_at_once == 3


@pytest.mark.parametrize("number", [0, -1, True, 2.0, "4", 10_001])
def test_what_is_no_number_of_requests_is_refused(number: Any) -> None:
    """Before anything is opened."""
    with pytest.raises(InvalidArgumentError, match="requests_at_once"):
        ExternalWorkerClient("http://127.0.0.1:9", requests_at_once=number)


def test_unless_given_it_begins_with_eight(world: World) -> None:
    """And is there to be looked at."""
    sender = rest(world.client())
    assert (sender.requests_at_once, sender.requests_under_way, sender.requests_waiting) == (8, 0, 0)
