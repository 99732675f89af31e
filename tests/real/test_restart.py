"""The engine is killed and restarted while 200 process instances are started and worked on."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import requests
from tests.support.waiting import until

from flowable.external_worker_client.testing.real_engine import RealEngine, RealEngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.launch import Engine
    from tests.support.models import Model

    from flowable.external_worker_client import (
        ExternalWorkerAcquireJobResponse,
        ExternalWorkerSubscription,
        WorkerResultBuilder,
        WorkResult,
    )

INSTANCES = 200
SUBSCRIPTIONS = 2
BATCH = 4
# What is acquired and not settled when the engine dies can be started once more, and nothing else.
MOST_IN_FLIGHT = SUBSCRIPTIONS * BATCH
WORK = 0.01  # seconds that a handler takes
# An engine locks what it continues for an hour, and one that was killed does not let go of it.
SETTINGS = {"flowable.process.async.executor.async-job-lock-time": "PT5S"}
START_AGAIN = 0.2  # seconds between two tries of a start that the engine did not answer


def test_every_instance_ends_once_although_the_engine_is_killed(
    own_engine: Callable[..., Engine],
    subscribe: Callable[..., ExternalWorkerSubscription],
    models: Callable[[str], Model],
    tmp_path: Path,
    free_port: int,
    record_property: Callable[[str, object], None],
) -> None:
    """No instance is lost, none ends twice, and no handler runs again for a job that was settled before."""
    model = models("task.bpmn20.xml")
    options: dict[str, Any] = {"port": free_port, "database": tmp_path / "database", "settings": SETTINGS}
    engine = own_engine(**options)
    engine.wait_healthy()
    handled: list[str] = []

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        handled.append(str(job.process_instance_id))
        threading.Event().wait(WORK)
        return result.success().variable_string("handled", job.id)

    with RealEngine(engine.url) as access:
        access.deploy(model.text)
        starter = threading.Thread(target=start_instances, args=(access.url, model.key))
        starter.start()
        for _ in range(SUBSCRIPTIONS):
            subscribe(access, model.topic("work"), work, lock_duration="PT10S", number_of_tasks=BATCH)

        # In the middle: of the starting, and of the working.
        until(lambda: len(handled) >= INSTANCES // 4)
        assert starter.is_alive()
        engine.kill()
        handled_before_the_kill = len(handled)
        engine = own_engine(**options)
        engine.wait_healthy()

        starter.join(60)
        assert not starter.is_alive()
        until(lambda: access.instances(model.key, ended=False), lambda left: not left, deadline=60)

        started = Counter(handled)
        ended = access.instances(model.key, ended=True)
        paths = Counter(tuple(access.path_taken(instance)) for instance in ended)
        extra = len(handled) - INSTANCES

    record_property("handlers started", len(handled))
    record_property("handlers started before the kill", handled_before_the_kill)
    print(  # noqa: T201  # the figures, for those who run with -rP
        f"{INSTANCES} instances, {len(handled)} handlers started, {handled_before_the_kill} of them before the kill, "
        f"{extra} more than instances, at most {MOST_IN_FLIGHT} allowed"
    )
    # Each reached its end event, and that exactly once.
    assert paths == {("end", "start", "work"): INSTANCES}
    assert set(started) == set(ended)
    assert 0 <= extra <= MOST_IN_FLIGHT


def start_instances(url: str, key: str) -> None:
    """Start the instances one after the other, and exactly so many, whatever happens to the engine meanwhile."""
    with RealEngine(url) as access:
        started = 0
        while started < INSTANCES:
            try:
                access.start_process(key)
                started += 1
            except (requests.RequestException, RealEngineError):
                # Whether that one was started, only the engine knows.
                started = until(lambda: count(access, key), lambda found: found is not None, deadline=60) or 0


def count(access: RealEngine, key: str) -> int | None:
    """Return how many instances there are, running or ended; `None` when the engine does not answer."""
    try:
        # In this order: one that ends in between is in both lists, and not in neither.
        running = access.instances(key, ended=False)
        return len({*running, *access.instances(key, ended=True)})
    except (requests.RequestException, RealEngineError):
        threading.Event().wait(START_AGAIN)
        return None
