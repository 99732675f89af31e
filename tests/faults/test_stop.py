"""Being told to stop: at once when idle, soon when in trouble, and nothing that was not started is kept."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest
from tests.faults.conftest import PATIENCE, World, eventually
from tests.faults.stub import Fault

from flowable.external_worker_client import ExternalWorkerAcquireJobResponse, WorkerResultBuilder

TROUBLE = {
    "idle": None,
    "outage": Fault(status=503, headers=(("Retry-After", "300"),)),
    "wrong password": Fault(status=401),
    "no connection": Fault(end="reset"),
}


@pytest.mark.parametrize("fault", TROUBLE.values(), ids=TROUBLE)
@pytest.mark.parametrize("by", ["unsubscribe", "event"])
def test_a_stop_ends_a_pause_at_once(world: World, fault: Fault | None, by: str) -> None:
    """The pause does not run out, and nothing is asked any more."""
    if fault:
        world.stub.always["acquire"] = fault
    world.clock.limit = world.clock.now()
    subscription = world.subscribe()
    eventually(lambda: world.clock.blocked, "the pause")
    began = world.clock.now()
    if by == "event":
        subscription.event.set()
        subscription.thread.join(PATIENCE)
    else:
        assert subscription.unsubscribe(PATIENCE) is True
    assert not subscription.thread.is_alive()
    assert world.clock.now() == began
    assert len(world.clock.waits) == 1
    assert world.stub.count("acquire") == 1


def test_a_stop_ends_a_real_idle_wait_at_once(world: World) -> None:
    """With the machine's clock too: 30 seconds of waiting end within five."""
    world.clock.wait = lambda event, seconds: event.wait(30)  # type: ignore[method-assign]
    subscription = world.subscribe()
    eventually(lambda: world.stub.count("acquire"), "the first acquire")
    began = time.monotonic()
    assert subscription.unsubscribe() is True
    assert time.monotonic() - began < 5
    assert world.stub.count("acquire") == 1


@pytest.mark.parametrize("calls", [2, 8])
def test_unsubscribe_may_be_called_by_several_threads(world: World, calls: int) -> None:
    """Each returns that the subscription has ended, and so does each later call."""
    world.clock.limit = world.clock.now()
    subscription = world.subscribe()
    eventually(lambda: world.clock.blocked, "the idle wait")
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(subscription.unsubscribe(PATIENCE))) for _ in range(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == [True] * calls
    assert subscription.unsubscribe() is True
    assert subscription.unsubscribe(0) is True


def test_unsubscribe_with_a_timeout_returns_while_a_handler_runs(world: World) -> None:
    """It says that the handler still runs; the result is delivered all the same, and no other handler starts."""
    entered, leave = threading.Event(), threading.Event()

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    world.stub.add("1", "2", "3")
    subscription = world.subscribe(handler, number_of_tasks=2)
    assert entered.wait(PATIENCE)
    assert subscription.unsubscribe(0.05) is False
    assert subscription.unsubscribe(0) is False
    leave.set()
    assert subscription.unsubscribe() is True
    assert world.handled == ["1"]
    assert world.stub.settled == {"1": ["complete"], "2": ["fail"], "3": []}


def stopping(world: World, how: str) -> Any:
    """Return a handler that stops its own subscription at job 1."""

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> object:
        eventually(lambda: world.subscriptions, "the subscription")
        subscription = world.subscriptions[0]
        if how == "event":
            subscription.event.set()
        else:
            assert [subscription.unsubscribe(), subscription.unsubscribe(1)] == [False, False]
        if how == "unsubscribe, raising":
            raise ValueError
        return None

    return handler


@pytest.mark.parametrize("how", ["unsubscribe", "unsubscribe, raising", "event"])
def test_a_handler_may_stop_its_own_subscription(world: World, how: str) -> None:
    """Its own job is settled as it decided; the rest of the batch goes back with its own retries and message."""
    world.stub.add("1")
    world.stub.add("2", retries=1, message="first try\nof two")
    world.stub.add("3", retries=9)
    world.stub.add("4", retries=0)
    subscription = world.subscribe(stopping(world, how), number_of_tasks=4)
    subscription.thread.join(PATIENCE)
    assert world.handled == ["1"]
    own = "fail" if how.endswith("raising") else "complete"
    # Without retries, giving back would send the job to the dead letters.
    assert world.stub.settled == {"1": [own], "2": ["fail"], "3": ["fail"], "4": []}
    owner = world.stub.of("acquire")[0].body["workerId"]
    given_back = [(request.job_id, request.body) for request in world.stub.of("fail") if request.job_id != "1"]
    assert given_back == [
        ("2", {"workerId": owner, "errorMessage": "first try\nof two", "retries": 1}),
        ("3", {"workerId": owner, "retries": 9}),
    ]
    assert world.stub.count("acquire") == 1


@pytest.mark.parametrize(
    "fault",
    [Fault(end="reset"), Fault(effect=True, end="reset"), Fault(status=503), Fault(status=401), Fault(end="hang")],
    ids=["reset before", "reset after", "503", "401", "no answer"],
)
def test_giving_back_is_never_sent_again(world: World, fault: Fault) -> None:
    """One request a job at most, even if it is not answered: when in doubt the lock ends by itself."""
    world.stub.always["fail"] = fault
    world.stub.add("1", "2", "3")
    subscription = world.subscribe(
        stopping(world, "event"),
        client=world.client(timeout=(5, 0.3) if fault.end == "hang" else 30),
        number_of_tasks=3,
    )
    subscription.thread.join(PATIENCE)
    assert not subscription.thread.is_alive()
    tried = [request.job_id for request in world.stub.of("fail")]
    assert tried == (["2", "3"] if fault.status else ["2"])
    assert world.clock.waits == []


OUTAGES = {
    "503": Fault(status=503),
    "503 with a pause": Fault(status=503, headers=(("Retry-After", "120"),)),
    "401": Fault(status=401),
    "reset": Fault(end="reset"),
}


def deliver_in_vain(world: World, fault: Fault, *, raises: bool = False, lock: str = "PT1H", took: float = 0) -> None:
    """Come to the first pause of a delivery; time goes on when the next one begins, which is after the stop."""

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        world.clock.advance(took)
        if raises:
            raise ValueError

    def go_on(seconds: float) -> None:
        world.clock.limit = float("inf")

    world.stub.always["fail" if raises else "complete"] = fault
    world.clock.limit = world.clock.now() + took
    # A pause that the engine asks for is too long for the thread of a handler, which would go on with the next job.
    moves_off = bool(fault.headers)
    world.stub.add(*(["1"] if moves_off else ["1", "2"]))
    world.subscribe(handler, lock_duration=lock, number_of_tasks=2)
    eventually(lambda: world.clock.blocked == 1 + moves_off, "the pause")
    world.clock.at_wait = go_on


def check_sends(world: World, fault: Fault, operation: str, *, told: float, ends: float) -> None:
    """See that the pause ended at once, that none was longer than two seconds unless asked for, and what was last."""
    sends = [request.at for request in world.stub.of(operation, "1")[1:]]
    assert sends[0] == told
    assert sends[-1] == world.clock.now() == pytest.approx(ends)
    if fault.headers:
        assert len(sends) == 2
    else:
        assert all(0.05 < later - earlier <= 2.001 for earlier, later in itertools.pairwise(sends[:-1]))
        assert sends[-1] - sends[-2] <= 2.001
    assert len(sends) <= 3 + 10 + (ends - told) / 1.5
    assert world.handled == ["1"]
    opening = f"Topic 't': job 1: {operation} could not be delivered (abandoned), the job is offered again when its "
    assert len([line for line in world.logged() if line.startswith(opening)]) == 1


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize("raises", [False, True], ids=["result", "failure"])
@pytest.mark.parametrize("grace", [8, 30])
def test_a_delivery_in_an_outage_gets_nine_tenths_of_the_time_out(
    world: World, fault: Fault, raises: bool, grace: float
) -> None:
    """The pause of the outage ends at once; the result is tried until shortly before whoever waits gives up."""
    deliver_in_vain(world, fault, raises=raises)
    told = world.clock.now()
    assert world.subscriptions[0].unsubscribe(grace) is True
    check_sends(world, fault, "fail" if raises else "complete", told=told, ends=told + 0.9 * grace)


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize("raises", [False, True], ids=["result", "failure"])
@pytest.mark.parametrize("by", ["unsubscribe", "event"])
@pytest.mark.parametrize(("took", "after"), [(0, 60), (45, 60), (58, 63), (61, 66)])
def test_without_a_time_out_a_delivery_in_an_outage_gets_the_rest_of_the_lock(
    world: World, fault: Fault, raises: bool, by: str, took: float, after: float
) -> None:
    """The result is tried until the job's lock ends, and for five seconds at least; then the thread ends."""
    began = world.clock.now()
    deliver_in_vain(world, fault, raises=raises, lock="PT1M", took=took)
    subscription = world.subscriptions[0]
    if by == "event":
        subscription.event.set()
        subscription.thread.join(PATIENCE)
        assert not subscription.thread.is_alive()
    else:
        assert subscription.unsubscribe() is True
    check_sends(world, fault, "fail" if raises else "complete", told=began + took, ends=began + after)


def test_a_delivery_that_gets_through_after_the_stop_is_settled(world: World) -> None:
    """The engine comes back two seconds after the stop: the result is delivered, once."""
    world.stub.always["complete"] = Fault(status=503)
    world.clock.limit = world.clock.now()
    world.stub.add("1")
    subscription = world.subscribe()
    eventually(lambda: world.clock.blocked, "the pause")
    back = world.clock.now() + 2

    def at_wait(seconds: float) -> None:
        world.clock.limit = float("inf")
        if world.clock.now() >= back:
            world.stub.always.clear()

    world.clock.at_wait = at_wait
    assert subscription.unsubscribe(PATIENCE) is True
    assert world.handled == ["1"]
    assert world.stub.settled == {"1": ["complete"]}


def test_a_client_can_be_subscribed_again_after_a_stop(world: World) -> None:
    """The second subscription serves what came meanwhile."""
    client = world.client()
    world.stub.add("1")
    first = world.subscribe(client=client)
    world.served("1")
    assert first.unsubscribe(PATIENCE) is True
    world.stub.add("2")
    world.subscribe(client=client)
    world.served("2")
    world.stop()
    assert world.stub.settled == {"1": ["complete"], "2": ["complete"]}
    assert repr(first) == "ExternalWorkerSubscription('flowable-worker-t', ended)"
