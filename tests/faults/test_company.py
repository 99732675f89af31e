"""Several subscriptions, and REST clients that people changed, replaced or took away."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests
from tests.faults.conftest import PATIENCE, World, eventually
from tests.faults.stub import Fault

from flowable.external_worker_client import (
    ExternalWorkerAcquireJobResponse,
    FlowableExternalWorkerRestClient,
    WorkerResultBuilder,
)


def test_trouble_of_one_topic_is_not_that_of_another(world: World) -> None:
    """A subscription whose handler hangs, and one that is stopped, leave the other of the same client alone."""
    entered, leave = threading.Event(), threading.Event()

    def hanging(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    client = world.client()
    world.stub.add("a1", "a2", topic="a")
    world.stub.add("b1", "b2", topic="b")
    hung = world.subscribe(hanging, client=client, topic="a")
    assert entered.wait(PATIENCE)
    world.subscribe(client=client, topic="b")
    world.served("b1", "b2")
    assert world.stub.settled["a1"] == []
    leave.set()
    world.served("a1", "a2")
    assert hung.unsubscribe(PATIENCE) is True
    world.stub.add("a3", topic="a")
    world.stub.add("b3", topic="b")
    world.served("b3")
    world.stop()
    assert sorted(world.handled) == ["a1", "a2", "b1", "b2", "b3"]
    assert world.stub.settled["a3"] == []
    assert all(world.stub.settled[job_id] == ["complete"] for job_id in ("a1", "a2", "b1", "b2", "b3"))


def test_twenty_topics_share_one_session(world: World) -> None:
    """Each is served, each job once, through an outage in the middle; in good weather the log stays empty."""
    client = world.client()
    topics = [f"topic-{number}" for number in range(20)]
    together = threading.Barrier(len(topics), timeout=PATIENCE)

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        # All at once, so that all want a connection at the same moment. Time goes on for those that come later.
        world.clock.leave(threading.current_thread())
        together.wait()

    for topic in topics:
        world.stub.add(*(f"{topic}.{number}" for number in range(3)), topic=topic)
        world.subscribe(handler, client=client, topic=topic)
    world.served(*world.stub.jobs)
    world.clock.limit = world.clock.now()
    eventually(lambda: world.clock.blocked == len(topics), "the idle waits")
    assert world.logged() == []

    world.stub.down()
    world.clock.limit = world.clock.now() + 60
    eventually(lambda: any("no connection" in line for line in world.logged()), "the outage")
    more = [f"{topic}.more" for topic in topics]
    for topic in topics:
        world.stub.add(f"{topic}.more", topic=topic)
    world.stub.up()
    world.clock.limit = float("inf")
    world.served(*more)
    world.stop()
    assert sorted(world.handled) == sorted(world.stub.jobs)
    assert world.stub.settled == {job_id: ["complete"] for job_id in world.stub.jobs}


def other_client(world: World) -> FlowableExternalWorkerRestClient:
    """Return a REST client for the same server that knows nothing of the jobs."""
    return FlowableExternalWorkerRestClient(f"http://127.0.0.1:{world.stub.port}", "somebody-else")


@pytest.mark.parametrize("ending", ["completed", "failed", "given back"])
def test_a_handler_that_replaces_the_rest_client_loses_no_job(world: World, ending: str) -> None:
    """The jobs are settled under the name that locked them, whichever client carries the result."""
    client = world.client()
    others: list[FlowableExternalWorkerRestClient] = []

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        if job.id == "1":
            others.append(other_client(world))
            client._restClient = others[0]
        if ending == "failed":
            raise ValueError
        if ending == "given back":
            eventually(lambda: world.subscriptions, "the subscription")
            world.subscriptions[0].event.set()

    world.stub.add("1", "2")
    subscription = world.subscribe(handler, client=client, number_of_tasks=2)
    eventually(lambda: world.stub.count("complete") + world.stub.count("fail") >= 2, "both reports")
    subscription.unsubscribe(PATIENCE)
    others[0].close()
    expected = {
        "completed": {"1": ["complete"], "2": ["complete"]},
        "failed": {"1": ["fail"], "2": ["fail"]},
        "given back": {"1": ["complete"], "2": ["fail"]},
    }
    assert world.stub.settled == expected[ending]


class Counting(FlowableExternalWorkerRestClient):
    """A person's subclass: counts, and stumbles at the first acquire."""

    calls: list[str]

    def acquire_jobs(self, *args: Any, **kwargs: Any) -> Any:
        """Count; raise once."""
        self.calls.append("acquire")
        if len(self.calls) == 1:
            message = "not yet"
            raise LookupError(message)
        return super().acquire_jobs(*args, **kwargs)

    def complete_job(self, *args: Any, **kwargs: Any) -> None:
        """Count."""
        self.calls.append("complete")
        super().complete_job(*args, **kwargs)


def test_a_subclass_of_the_rest_client_gets_the_same_care(world: World) -> None:
    """Its methods are called, and results that pass through it are delivered through an outage."""
    client = world.client()
    client._restClient.close()
    counting = Counting(f"http://127.0.0.1:{world.stub.port}", "counting")
    counting.calls = []
    client._restClient = counting
    world.stub.faults["complete"].extend([Fault(end="reset"), Fault(status=503), Fault(status=401)])
    world.stub.add("1", "2")
    world.subscribe(client=client, number_of_tasks=2)
    world.served("1", "2")
    world.stop()
    assert [call for call in counting.calls if call == "complete"] == ["complete"] * 2
    assert counting.calls[:3] == ["acquire", "acquire", "complete"]
    assert world.handled == ["1", "2"]
    assert world.stub.settled == {"1": ["complete"], "2": ["complete"]}


def test_a_patched_method_is_the_one_that_is_called(world: World) -> None:
    """As people's tests do it: an attribute of the REST client is replaced."""
    client = world.client()
    calls: list[tuple[Any, ...]] = []
    original = client._restClient.complete_job

    def complete(*args: Any, **kwargs: Any) -> None:
        calls.append(args)
        original(*args, **kwargs)

    client._restClient.complete_job = complete  # type: ignore[method-assign]
    world.stub.add("1")
    world.subscribe(client=client)
    world.served("1")
    world.stop()
    assert [call[0] for call in calls] == ["1"]
    assert world.stub.settled == {"1": ["complete"]}


class Minimal:
    """What a person's test puts in the REST client's place: no more than version 1 called."""

    def __init__(self, jobs: list[ExternalWorkerAcquireJobResponse]) -> None:
        self.answers: list[Any] = [requests.ConnectionError("down"), None, jobs]
        self.done: list[tuple[str, str]] = []

    def acquire_jobs(self, *args: Any, **kwargs: Any) -> Any:
        """Give the next answer."""
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, Exception):
            raise answer
        return answer

    def complete_job(self, job_id: str, variables: Any = None, worker_id: str | None = None) -> None:
        """Note it."""
        self.done.append(("complete", job_id))

    def fail_job(self, job_id: str, *args: Any, **kwargs: Any) -> None:
        """Note it."""
        self.done.append(("fail", job_id))


@pytest.mark.parametrize("worker_id", [None, "me"], ids=["generated name", "own name"])
def test_an_object_in_the_rest_clients_place_is_enough(world: World, worker_id: str | None) -> None:
    """It needs the methods that settle, and nothing else; jobs are served and settled through it."""

    def job(job_id: str) -> ExternalWorkerAcquireJobResponse:
        return ExternalWorkerAcquireJobResponse([], job_id, *[None] * 10, 3, *[None] * 6)

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        if job.id == "2":
            raise ValueError

    client = world.client(worker_id=worker_id)
    client._restClient.close()
    minimal = Minimal([job("1"), job("2"), job("3")])
    if worker_id is None:
        minimal.worker_id = "name"  # type: ignore[attr-defined]
    client._restClient = minimal  # type: ignore[assignment]
    minimal.close = lambda: None  # type: ignore[attr-defined]
    world.subscribe(handler, client=client, number_of_tasks=3)
    eventually(lambda: len(minimal.done) == 3, "three results")
    world.stop()
    assert minimal.done == [("complete", "1"), ("fail", "2"), ("complete", "3")]


def test_a_session_that_is_closed_under_way_is_opened_anew(world: World) -> None:
    """Closing the REST client between acquire and result loses nothing."""
    client = world.client()
    world.stub.add("1")
    world.subscribe(lambda job, result: client._restClient.close(), client=client)
    world.served("1")
    world.stop()
    assert world.stub.settled == {"1": ["complete"]}
    assert world.logged() == []
