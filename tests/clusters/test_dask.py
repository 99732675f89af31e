"""Handlers on a Dask cluster of several processes, by its executor: nothing is lost, whatever happens to a process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from distributed import Client, LocalCluster
from tests.support import dask_handlers
from tests.support.models import Model
from tests.support.waiting import until

from flowable.external_worker_client import ExternalWorkerClient, RetryPolicy
from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, Process, Task
from flowable.external_worker_client.testing.real_engine import RealEngine, RealVariable
from flowable.external_worker_client.worker import Worker

Run = Callable[..., None]


def deploy(engine: EmbeddedEngine, topic: str = "work") -> None:
    """Deploy a process of one task."""
    engine.deploy(Process("one", Task("task", topic, exclusive=False)))


def tasks_of(cluster: LocalCluster) -> list[str]:
    """Return what the cluster has to do, or does."""
    assert cluster.scheduler is not None
    return list(cluster.scheduler.tasks)


def lines(path: Path) -> list[str]:
    """Return what handlers have noted."""
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


# ---------------------------------------------------------------- what comes back


def test_jobs_run_beside_each_other_in_the_processes_of_the_cluster(
    engine: EmbeddedEngine, dask: Client, run: Run
) -> None:
    """In both of them, and none here."""
    deploy(engine)
    worker = Worker()
    worker.job("work", executor=dask.get_executor(), concurrency=4)(dask_handlers.where)
    started = [engine.start("one", {"number": number}) for number in range(8)]
    run(worker)
    ended = engine.wait_for_end(*started, timeout=30)
    assert [each.variables["twice"] for each in ended] == [2 * number for number in range(8)]
    used = {each.variables["process"] for each in ended}
    assert len(used) == 2
    assert os.getpid() not in used


def test_every_job_runs_for_itself_however_alike_they_are(
    engine: EmbeddedEngine, dask: Client, run: Run, tmp_path: Path
) -> None:
    """Dask takes functions for pure, unless told otherwise: the same call with the same arguments is made once."""
    deploy(engine)
    notes = tmp_path / "notes"
    worker = Worker()
    worker.job("work", executor=dask.get_executor(), concurrency=8, result="noted")(dask_handlers.note)
    started = [engine.start("one", {"notes": str(notes)}) for _ in range(8)]
    run(worker)
    engine.wait_for_end(*started, timeout=30)
    assert len(lines(notes)) == 8


def test_variables_may_be_called_as_arguments_of_dask(engine: EmbeddedEngine, dask: Client, run: Run) -> None:
    """They are the handler's."""
    deploy(engine)
    worker = Worker()
    worker.job("work", executor=dask.get_executor(), result="sum")(dask_handlers.swallowed)
    given = {"key": 1, "priority": 2, "workers": 3, "pure": True, "retries": 4}
    started = engine.start("one", given)
    run(worker)
    (ended,) = engine.wait_for_end(started, timeout=30)
    assert ended.variables["sum"] == 11


def test_exceptions_come_back_as_what_they_are(engine: EmbeddedEngine, dask: Client, run: Run) -> None:
    """A BPMN error takes its way, and another exception fails its job, with the trace from over there."""
    engine.deploy(Process("refused", Task("task", "refuse", on_error={"refused": []})))
    engine.deploy(Process("stumbling", Task("task", "stumble")))
    executor = dask.get_executor()
    worker = Worker(retry=RetryPolicy(attempts=1))
    worker.job("refuse", executor=executor)(dask_handlers.refuse)
    worker.job("stumble", executor=executor)(dask_handlers.stumble)
    refused, stumbling = engine.start("refused", {"number": 5}), engine.start("stumbling", {"number": 6})
    run(worker)
    (ended,) = engine.wait_for_end(refused, timeout=30)
    assert ended.variables == {"number": 5}
    assert any(event.kind == "errored" and event.detail == "refused" for event in engine.events)
    engine.wait_until(lambda engine: bool(engine.dead_letters()), 30)
    (letter,) = engine.dead_letters()
    assert (letter.instance_id, letter.exception_message) == (stumbling, "6 is no good")
    assert "in stumble" in str(letter.details)


def test_a_time_out_fails_the_job_and_takes_what_has_not_begun_off_the_cluster(
    engine: EmbeddedEngine, dask: Client, cluster: LocalCluster, run: Run, tmp_path: Path
) -> None:
    """What runs cannot be ended: it keeps its thread of the cluster until it ends by itself."""
    deploy(engine)
    go, notes = tmp_path / "go", tmp_path / "notes"
    worker = Worker(retry=RetryPolicy(attempts=1))
    worker.job("work", executor=dask.get_executor(), concurrency=3, timeout=1.5, result="seen")(dask_handlers.wait_for)
    for _ in range(3):
        engine.start("one", {"path": str(go), "notes": str(notes)})
    run(worker)
    # Two begin, for two threads; the third waits on the cluster.
    engine.wait_until(lambda engine: len(engine.dead_letters()) == 3, 30)
    said = "tests.support.dask_handlers.wait_for took longer than its time limit of 1.5 s"
    assert {letter.exception_message for letter in engine.dead_letters()} == {said}
    # The scheduler knows first; the process that was to run the third is told by it.
    until(lambda: not tasks_of(cluster))
    until(lambda: not any(dask.run(dask_handlers.not_begun).values()))
    go.touch()
    assert dask.gather(dask.map(dask_handlers.square, range(10))) == [number * number for number in range(10)]
    assert len(lines(notes)) == 2


# ---------------------------------------------------------------- what dies


def test_a_killed_process_costs_no_job_dask_runs_it_again(
    engine: EmbeddedEngine, dask: Client, run: Run, tmp_path: Path
) -> None:
    """The job hears nothing of it: it is completed once, at its first attempt. Its handler has run twice."""
    deploy(engine)
    go, notes = tmp_path / "go", tmp_path / "notes"
    worker = Worker()
    worker.job("work", executor=dask.get_executor(), result="seen")(dask_handlers.wait_for)
    started = engine.start("one", {"path": str(go), "notes": str(notes)})
    run(worker)
    (killed,) = until(lambda: lines(notes))
    os.kill(int(killed), signal.SIGKILL)
    until(lambda: len(lines(notes)) == 2)
    go.touch()
    (ended,) = engine.wait_for_end(started, timeout=30)
    first, second = lines(notes)
    assert (first, ended.variables["seen"]) == (killed, f"seen by {second}")
    assert second != killed
    assert [event.kind for event in engine.events if event.topic == "work"].count("acquired") == 1


def test_a_handler_that_kills_its_process_fails_its_job_with_a_pause_and_not_its_neighbours(
    engine: EmbeddedEngine,
    dask: Client,
    cluster: LocalCluster,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After so many processes that died of it, Dask gives up, and the engine offers it again, after a pause."""
    # Usually three; each takes a second.
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    engine.deploy(Process("deadly", Task("task", "deadly", exclusive=False)))
    deploy(engine)
    executor = dask.get_executor()
    worker = Worker(retry=RetryPolicy(first_pause="2s", jitter=0))
    worker.job("deadly", executor=executor, result="said")(dask_handlers.die_once)
    worker.job("work", executor=executor, concurrency=2, result="square")(dask_handlers.square)
    deadly = engine.start("deadly", {"notes": str(tmp_path / "notes")})
    run(worker)
    engine.wait_until(lambda engine: any(event.kind == "failed" for event in engine.events), 30)
    (job,) = engine.jobs("deadly")
    assert job.retries == 2
    assert "all those workers died while running it" in str(job.exception_message)
    assert "KilledWorker" in str(job.details)
    neighbours = [engine.start("one", {"number": number}) for number in range(10)]
    *_, ended = engine.wait_for_end(*neighbours, deadly, timeout=30)
    assert ended.variables["said"] == "survived"
    (failed,) = (event for event in engine.events if event.kind == "failed")
    _, again = (event for event in engine.events if event.kind == "acquired" and event.topic == "deadly")
    assert again.at - failed.at >= 2


def test_a_cluster_that_goes_away_fails_jobs_with_a_pause(
    engine: EmbeddedEngine, cluster: LocalCluster, run: Run, tmp_path: Path
) -> None:
    """Here the connection to it is closed under a running handler. The next job fails too, and says why."""
    deploy(engine)
    go, notes = tmp_path / "go", tmp_path / "notes"
    with Client(cluster, set_as_default=False) as dask:
        worker = Worker(retry=RetryPolicy(first_pause="1m"))
        worker.job("work", executor=dask.get_executor(), result="seen")(dask_handlers.wait_for)
        for _ in range(2):
            engine.start("one", {"path": str(go), "notes": str(notes)})
        run(worker)
        until(lambda: lines(notes))
        dask.close()
        engine.wait_until(lambda engine: all(job.exception_message for job in engine.jobs("work")), 30)
    go.touch()
    assert [job.retries for job in engine.jobs("work")] == [2, 2]
    cancelled, refused = sorted(str(job.exception_message) for job in engine.jobs("work"))
    assert cancelled == "CancelledError"
    assert "closed" in refused
    until(lambda: not tasks_of(cluster))


# ---------------------------------------------------------------- the end


def test_what_runs_on_the_cluster_is_finished_and_settled_when_the_worker_is_stopped(
    engine: EmbeddedEngine, dask: Client, tmp_path: Path
) -> None:
    """So whoever closes the cluster after the worker closes it after the last job."""
    deploy(engine)
    go, notes = tmp_path / "go", tmp_path / "notes"
    worker = Worker()
    worker.job("work", executor=dask.get_executor(), concurrency=2, result="seen")(dask_handlers.wait_for)
    for _ in range(4):
        engine.start("one", {"path": str(go), "notes": str(notes)})
    with EmbeddedServer(engine) as server, ExternalWorkerClient(server.url) as client:
        with worker.running(client, grace=20) as running:
            until(lambda: len(lines(notes)) == 2)
            running.subscriptions["work"].event.set()
            go.touch()
        assert len(engine.instances(ended=True)) == 2
    # What had not begun is given back, as it was.
    assert [(job.retries, job.lock_owner, job.exception_message) for job in engine.jobs("work")] == [
        (3, None, None)
    ] * 2


# ---------------------------------------------------------------- on the real engine


def test_no_job_of_the_real_engine_is_lost_when_processes_of_the_cluster_are_killed(
    real_engine: RealEngine, models: Callable[[str], Model], dask: Client, run: Run, tmp_path: Path
) -> None:
    """Two kills in the middle of a job, while others go on: every process ends, and what was killed has run twice."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    worker = Worker()
    worker.job(model.topic("work"), executor=dask.get_executor(), concurrency=6, poll=0.2, result="seen")(
        dask_handlers.wait_for
    )
    there, other_notes = tmp_path / "there", tmp_path / "notes"
    there.touch()
    started: list[str] = []
    run(worker, real_engine)
    for number in range(2):
        go, notes = tmp_path / f"go {number}", tmp_path / f"notes {number}"
        started.append(real_engine.start_process(model.key, {"path": str(go), "notes": str(notes)}))
        others = {"path": str(there), "notes": str(other_notes)}
        started += [real_engine.start_process(model.key, others) for _ in range(10)]
        (killed,) = until(lambda notes=notes: lines(notes))  # type: ignore[misc]
        os.kill(int(killed), signal.SIGKILL)
        until(lambda notes=notes: len(lines(notes)) == 2)  # type: ignore[misc]
        go.touch()
    for instance in started:
        real_engine.wait_for_end(instance)
        assert real_engine.variables(instance)["seen"].value.startswith("seen by ")
    assert len(lines(other_notes)) >= 20


def test_a_job_of_the_real_engine_whose_handler_kills_its_process_is_offered_again(
    real_engine: RealEngine,
    models: Callable[[str], Model],
    dask: Client,
    cluster: LocalCluster,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has one retry less, and completes the next time."""
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    worker = Worker(retry=RetryPolicy(first_pause="1s"))
    worker.job(model.topic("work"), executor=dask.get_executor(), poll=0.2, result="said")(dask_handlers.die_once)
    notes = tmp_path / "notes"
    started = real_engine.start_process(model.key, {"notes": str(notes)})
    run(worker, real_engine)
    real_engine.wait_for_end(started, deadline=100)
    assert real_engine.variables(started)["said"] == RealVariable("string", "survived")
    assert len(lines(notes)) == 2
