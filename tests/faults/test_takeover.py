"""A job comes again while it is worked on, because its lock ran out: it is not run twice, and its result arrives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.faults.conftest import PATIENCE, Workshop, eventually

from flowable.external_worker_client import ExternalWorkerClient, WorkerResultBuilder, WorkResult
from flowable.external_worker_client.testing import Case, EmbeddedEngine, Task

Workshops = Callable[..., Workshop]
#: Up to 6.8 a job gets a new id when its lock is reset, later it does not.
RELEASES = pytest.mark.parametrize(("release", "new_id"), [("6.8", True), ("7.2", False)])


class Own(WorkResult):
    """An outcome of somebody's own, which knows the job's id only."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id

    def execute(self, rest_client: Any) -> None:
        """Complete the job."""
        rest_client.complete_job(self._job_id)


HOW: dict[str, Callable[[Any, WorkerResultBuilder, ExternalWorkerClient], object]] = {
    "nothing": lambda job, result, client: None,
    "success": lambda job, result, client: result.success(),
    "an own outcome": lambda job, result, client: Own(job.id),
    "by hand": lambda job, result, client: client._restClient.complete_job(job.id),
}


def lock_anew(engine: EmbeddedEngine) -> None:
    """End the lock of the job, and wait until it was acquired again."""
    before = engine.the_job("t")
    engine.expire_lock(before.id)
    engine.wait_until(lambda engine: engine.the_job("t").lock_owner not in (None, before.lock_owner))


@RELEASES
@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_a_run_takes_over_the_new_lock(
    workshops: Workshops, release: str, new_id: bool, how: Callable[[Any, WorkerResultBuilder, Any], object]
) -> None:
    """It runs once, and its result goes out once, under the newest id and owner, although it knows the first ones."""
    workshop = workshops(real_time=True, release=release)
    engine, client = workshop.engine, workshop.client()
    runs: list[str] = []
    locks: list[tuple[datetime, float]] = []
    started, leave = threading.Event(), threading.Event()

    def handler(job: Any, result: WorkerResultBuilder) -> Any:
        runs.append(job.id)
        locks.append((job.deadline, job.time_left))
        started.set()
        assert leave.wait(PATIENCE)
        locks.append((job.deadline, job.time_left))
        return how(job, result, client)

    (instance,) = workshop.start(1)
    client.subscribe("t", handler, concurrency=2, wait_period_seconds=0.01)
    assert started.wait(PATIENCE)
    first = engine.the_job("t")
    for _ in range(2):
        lock_anew(engine)
    newest = engine.the_job("t")
    assert (newest.id != first.id) == new_id
    leave.set()
    engine.wait_for_end(instance)
    assert runs == [first.id]
    (sent,) = engine.sent()
    assert (sent.operation, sent.job_id, sent.worker_id, sent.status) == (
        "complete",
        newest.id,
        newest.lock_owner,
        204,
    )
    (early, _), (late, left) = locks
    assert early.tzinfo is UTC
    # The new lock began later than the first one, by the waits between them.
    assert early < late
    assert 59 < left <= 60


@RELEASES
def test_a_job_that_waits_takes_over_the_new_lock(workshops: Workshops, release: str, new_id: bool) -> None:
    """The subscription whose turn it is runs it once; the other one of the client, which acquired it anew, does not."""
    workshop = workshops(real_time=True, release=release)
    engine, client = workshop.engine, workshop.client()
    runs: dict[str, list[str]] = {"first": [], "second": []}
    started, leave = threading.Event(), threading.Event()

    def handler(job: Any, result: WorkerResultBuilder) -> None:
        runs["first"].append(job.correlation_id)
        started.set()
        assert leave.wait(PATIENCE)

    instances = workshop.start(2)
    client.subscribe("t", handler, number_of_tasks=2)
    assert started.wait(PATIENCE)
    (waiting,) = [job for job in engine.jobs("t") if job.correlation_id != runs["first"][0]]
    client.subscribe("t", lambda job, result: runs["second"].append(job.id), wait_period_seconds=0.01)
    engine.expire_lock(waiting.id)

    def the_other(engine: EmbeddedEngine) -> Any:
        return next(job for job in engine.jobs("t") if job.correlation_id == waiting.correlation_id)

    engine.wait_until(lambda engine: the_other(engine).lock_owner not in (None, waiting.lock_owner))
    newest = the_other(engine)
    assert (newest.id != waiting.id) == new_id
    leave.set()
    engine.wait_for_end(*instances)
    assert runs["second"] == []
    assert runs["first"][1:] == [waiting.correlation_id]
    assert [(sent.job_id, sent.worker_id) for sent in engine.sent()][1:] == [(newest.id, newest.lock_owner)]


@RELEASES
def test_a_result_on_its_way_takes_over_the_new_lock(workshops: Workshops, release: str, new_id: bool) -> None:
    """The engine was away when the lock ended; the result is there, and nothing runs again."""
    workshop = workshops(real_time=True, release=release)
    engine = workshop.engine
    engine.faults.next("complete", status=503, times=None)
    runs: list[str] = []
    (instance,) = workshop.start(1)
    workshop.client().subscribe(
        "t", lambda job, result: runs.append(job.id), concurrency=2, wait_period_seconds=0.01, lock_duration="1h"
    )
    engine.wait_until(lambda engine: bool(engine.sent()))
    lock_anew(engine)
    newest = engine.the_job("t")
    engine.faults.clear()
    engine.wait_for_end(instance)
    assert len(runs) == 1
    assert (newest.id != runs[0]) == new_id
    last = engine.sent()[-1]
    assert (last.job_id, last.worker_id, last.status) == (newest.id, newest.lock_owner, 204)


@pytest.mark.parametrize("key", ["p", "c"], ids=["process", "case"])
@RELEASES
def test_a_result_is_not_taken_for_delivered_when_its_job_is_there_under_another_id(
    workshops: Workshops, release: str, new_id: bool, key: str
) -> None:
    """The answer was lost, and somebody else holds the job by the next send: it is lost, and left to them."""
    workshop = workshops(real_time=True, release=release)
    engine = workshop.engine
    engine.deploy(Case("c", Task("work", "t")))
    engine.faults.lost_answer("complete", "before")
    runs: list[str] = []
    sent, go_on = threading.Event(), threading.Event()

    def before(operation: str, body: dict[str, Any]) -> None:
        # The second send waits until somebody else has the job.
        if operation == "complete" and engine.sent("complete"):
            sent.set()
            assert go_on.wait(PATIENCE)

    workshop.wire.before = before
    workshop.start(1, key)
    subscription = workshop.client().subscribe("t", lambda job, result: runs.append(job.id), wait_period_seconds=3600)
    assert sent.wait(PATIENCE)
    engine.expire_lock(engine.the_job("t").id)
    assert engine.acquire("t", worker_id="somebody else")
    go_on.set()
    engine.wait_until(lambda engine: [each.status for each in engine.sent()] == [None, 404 if new_id else 403])
    assert subscription.unsubscribe(PATIENCE)
    job = engine.the_job("t")
    assert (len(runs), job.lock_owner, job.id != runs[0]) == (1, "somebody else", new_id)
    # By its old id the job is gone: whether it is was found out by its correlation id.
    filters = {"executionId" if key == "p" else "subScopeId": job.execution_id}
    assert [{**filters, **listed} for listed in workshop.wire.listed] == workshop.wire.listed
    assert len(workshop.wire.listed) == int(new_id)


@pytest.mark.parametrize("key", ["p", "c"], ids=["process", "case"])
@RELEASES
def test_a_result_whose_job_is_nowhere_after_a_lost_answer_was_delivered(
    workshops: Workshops, release: str, new_id: bool, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is sent again, and looked for: the engine has it."""
    workshop = workshops(real_time=True, release=release)
    engine = workshop.engine
    engine.deploy(Case("c", Task("work", "t")))
    engine.faults.lost_answer("complete", "after")
    runs: list[str] = []
    (instance,) = workshop.start(1, key)
    workshop.client().subscribe("t", lambda job, result: runs.append(job.id), wait_period_seconds=3600)
    engine.wait_for_end(instance)
    eventually(lambda: "was delivered with send 2" in caplog.text, "the line")
    assert [each.status for each in engine.sent()] == [None, 404]
    (listed,) = workshop.wire.listed
    assert set(listed) >= {"executionId" if key == "p" else "subScopeId"}
    assert len(runs) == 1


def test_after_a_failure_that_may_have_been_carried_out_a_job_that_comes_is_a_new_attempt(workshops: Workshops) -> None:
    """It is run; the failure, sent again, does not hit the new lock."""
    workshop = workshops(real_time=True)
    engine = workshop.engine
    engine.faults.lost_answer("fail", "after")
    attempts: list[int] = []
    failed_again = threading.Event()

    def handler(job: Any, result: WorkerResultBuilder) -> WorkResult | None:
        attempts.append(job.retries)
        if len(attempts) == 1:
            return result.failure().error_message("first").retries(2)
        # Until the first failure has been sent again.
        assert failed_again.wait(PATIENCE)
        return None

    def before(operation: str, body: dict[str, Any]) -> None:
        if operation == "fail" and engine.sent("fail"):
            failed_again.set()

    workshop.wire.before = before
    (instance,) = workshop.start(1)
    workshop.client().subscribe("t", handler, concurrency=2, wait_period_seconds=0.01)
    engine.wait_for_end(instance)
    engine.wait_until(lambda engine: len(engine.sent("fail")) == 2 and engine.sent("fail")[1].status is not None)
    assert attempts == [3, 2]
    assert [sent.status for sent in engine.sent("fail")][1] in (403, 404)
    assert [sent.status for sent in engine.sent("complete")] == [204]


def test_an_explicit_failure_is_a_new_attempt_in_the_same_client(workshops: Workshops) -> None:
    """Nothing of the first attempt is left: three attempts, one after the other."""
    workshop = workshops(real_time=True)
    attempts: list[int] = []

    def handler(job: Any, result: WorkerResultBuilder) -> WorkResult | None:
        attempts.append(job.retries)
        return result.failure() if len(attempts) < 3 else None

    (instance,) = workshop.start(1)
    workshop.client().subscribe("t", handler, concurrency=3, wait_period_seconds=0.01)
    workshop.engine.wait_for_end(instance)
    assert attempts == [3, 2, 1]
