"""A result that is long on its way leaves the thread of its handler: others run there, and it arrives once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.faults.conftest import PATIENCE, World, eventually
from tests.faults.stub import Fault

from flowable.external_worker_client import WorkerResultBuilder, WorkResult

AWAY = Fault(status=503)


class Late:
    """Jobs whose ids begin with `late` are completed, which the engine does not take; others end in a BPMN error."""

    def __init__(self, world: World) -> None:
        self.began: dict[str, float] = {}
        self.threads: dict[str, str] = {}
        self._world = world
        world.stub.always["complete"] = AWAY

    def __call__(self, job: Any, result: WorkerResultBuilder) -> WorkResult:
        """Note when and where it runs."""
        self.began[job.id] = self._world.clock.now()
        self.threads[job.id] = threading.current_thread().name
        return result.success() if job.id.startswith("late") else result.bpmn_error()


@pytest.mark.parametrize("slots", [1, 3])
def test_the_next_jobs_run_while_a_result_is_long_on_its_way(world: World, slots: int) -> None:
    """After half a minute the thread goes on; when the engine takes the result, it has it once."""
    began = world.clock.now()
    late = [f"late{number}" for number in range(slots)]
    world.stub.add(*late, "1", "2", "3")
    handler = Late(world)
    subscription = world.subscribe(handler, concurrency=slots, number_of_tasks=slots + 3, lock_duration="1h")
    world.served("1", "2", "3")
    assert 10 < handler.began["1"] - began <= 30
    assert {handler.threads[job_id] for job_id in late} >= {handler.threads["1"]}
    eventually(lambda: world.clock.now() - began > 600, "ten minutes")
    if slots == 1:
        assert world.handled == [*late, "1", "2", "3"]
    assert [world.stub.settled[job_id] for job_id in late] == [[]] * slots
    world.stub.always.clear()
    world.served(*late)
    world.stop()
    assert sorted(world.handled) == sorted([*late, "1", "2", "3"])
    assert [world.stub.settled[job_id] for job_id in late] == [["complete"]] * slots
    for job_id in late:
        ended = [line for line in world.logged(0) if line.startswith(f"Topic 't': job {job_id} of 'task' completed")]
        assert len(ended) == 1
        assert {request.body["workerId"] for request in world.stub.of("complete", job_id)} == {
            world.stub.of("acquire")[0].body["workerId"]
        }
    assert not subscription.thread.is_alive()


def test_a_short_outage_is_waited_out_on_the_thread(world: World) -> None:
    """The next job runs when the result was taken."""
    world.stub.faults["complete"].extend([AWAY] * 5)
    world.stub.add("1", "2")
    world.subscribe(number_of_tasks=2)
    world.served("1", "2")
    world.stop()
    assert [request.job_id for request in world.stub.of("complete")] == ["1"] * 6 + ["2"]


def test_the_report_of_a_failure_leaves_the_thread_too(world: World) -> None:
    """And is not made twice."""

    def handler(job: Any, result: WorkerResultBuilder) -> None:
        if job.id == "1":
            world.stub.always["fail"] = AWAY
            raise ValueError(job.id)

    world.stub.add("1", "2")
    world.subscribe(handler, number_of_tasks=2, lock_duration="1h")
    world.served("2")
    assert world.stub.settled["1"] == []
    world.stub.always.clear()
    world.served("1")
    world.stop()
    assert world.handled == ["1", "2"]
    assert world.stub.settled == {"1": ["fail"], "2": ["complete"]}
    assert {request.body["errorMessage"] for request in world.stub.of("fail")} == {"1"}


class Own(WorkResult):
    """An outcome of somebody's own. Code of theirs is on the stack while it is delivered."""

    def __init__(self, job_id: str, done: list[str]) -> None:
        self._job_id = job_id
        self._done = done

    def execute(self, rest_client: Any) -> None:
        """Complete the job, and note the thread."""
        rest_client.complete_job(self._job_id)
        self._done.append(threading.current_thread().name)


OWN: dict[str, Callable[[Any, Any, World, list[str]], object]] = {
    "an outcome of one's own": lambda job, client, world, done: Own(job.id, done),
    "by hand": lambda job, client, world, done: Own(job.id, done).execute(client._restClient),
}


@pytest.mark.parametrize("how", OWN.values(), ids=OWN)
def test_what_somebodys_own_code_sends_stays_on_its_thread(
    world: World, how: Callable[[Any, Any, World, list[str]], object]
) -> None:
    """However long: the next job waits for it."""
    began = world.clock.now()
    done: list[str] = []
    client = world.client()

    def back_again(seconds: float) -> None:
        if world.clock.now() > began + 100:
            world.stub.always.clear()

    def handler(job: Any, result: WorkerResultBuilder) -> object:
        if job.id == "1":
            world.stub.always["complete"] = AWAY
            world.clock.at_wait = back_again
            return how(job, client, world, done)
        assert world.clock.now() > began + 100
        return None

    world.stub.add("1", "2")
    world.subscribe(handler, client=client, number_of_tasks=2, lock_duration="1h")
    world.served("1", "2")
    world.stop()
    assert done == ["flowable-worker-t"]
    assert [request.job_id for request in world.stub.of("complete")][-2:] == ["1", "2"]
    assert world.stub.settled == {"1": ["complete"], "2": ["complete"]}


@pytest.mark.parametrize("grace", [PATIENCE, None], ids=["with a time-out", "without"])
def test_a_stop_waits_for_results_that_are_late(world: World, grace: float | None) -> None:
    """Their pauses end at once: an engine that is back gets them."""
    world.stub.add("late", "1")
    world.subscribe(Late(world), number_of_tasks=2, lock_duration="1h")
    world.served("1")
    world.stub.always.clear()
    assert world.subscriptions[0].unsubscribe(grace) is True
    assert world.stub.settled == {"late": ["complete"], "1": ["bpmnError"]}


def test_a_late_result_that_a_stop_leaves_is_named(world: World) -> None:
    """It is not over, and the log says which job it is about."""
    world.clock.limit = world.clock.now() + 40
    world.stub.add("late", "1")
    subscription = world.subscribe(Late(world), number_of_tasks=2, lock_duration="1h")
    world.served("1")
    eventually(lambda: world.clock.blocked == 2, "both pauses")
    world.clock.limit = world.clock.now()
    assert subscription.unsubscribe(0.05) is False
    (line,) = [line for line in world.logged() if "is left locked" in line]
    assert line.startswith("Topic 't': job late of 'task' is being settled after ")
    world.stub.always.clear()
    world.clock.limit = float("inf")
    assert subscription.unsubscribe(PATIENCE) is True
    assert world.stub.settled["late"] == ["complete"]
