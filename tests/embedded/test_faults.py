"""Faults of the embedded engine itself: locks that run out, and a clock that is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flowable.external_worker_client.testing import Door, EmbeddedEngine, MovingClock, Process, Task, UserTask

API = "/flowable-rest/external-job-api"
STARTED = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
HEADERS = {"host": "engine.test", "content-type": "application/json"}


class Engine(EmbeddedEngine):
    """An embedded engine with one job, and its door."""

    def __init__(self, release: str = "7.2", *, exclusive: bool = False) -> None:
        self.clock = MovingClock()
        process = Process("one", Task("work", "t", exclusive=exclusive), UserTask("after"))
        super().__init__(process, release=release, clock=self.clock, started_at=STARTED)
        self.door = Door(self)
        self.start("one")

    def post(self, path: str, **members: Any) -> tuple[int, Any]:
        """Send a request; return the status and the JSON of the answer."""
        answer = self.door.handle("POST", API + path, HEADERS, json.dumps({"workerId": "w", **members}).encode())
        return answer.status, json.loads(answer.body or b"null")

    def take(self) -> dict[str, Any]:
        """Acquire the job for five minutes."""
        _, [job] = self.post("/acquire/jobs", topic="t", lockDuration="PT5M")
        return dict(job)

    def finish(self, job: dict[str, Any], how: str = "complete") -> tuple[int, Any]:
        """Finish a job."""
        return self.post(f"/acquire/jobs/{job['id']}/{how}")


# ---------------------------------------------------------------- locks


@pytest.mark.parametrize("how", ["complete", "fail", "bpmnError", "cmmnTerminate"])
@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("7.2", (403, "w does not hold a lock on the requested job")),
        ("6.8", (404, "Could not find external worker job with id '{id}'.")),
    ],
)
def test_a_lock_runs_out_when_a_request_arrives(release: str, expected: tuple[int, str], how: str) -> None:
    """The owner is refused as after a reset, once; the job can be acquired again."""
    engine = Engine(release)
    job = engine.take()
    operation = {"bpmnError": "bpmn_error", "cmmnTerminate": "cmmn_terminate"}.get(how, how)
    engine.faults.expired_lock(operation)  # type: ignore[arg-type]  # one of them
    status, body = engine.finish(job, how)
    assert (status, body["exception"]) == (expected[0], expected[1].format(id=job["id"]))
    again = engine.take()
    assert again["correlationId"] == job["correlationId"]
    assert engine.finish(again)[0] == 204


def test_a_lock_runs_out_right_after_the_acquire() -> None:
    """The worker is told of a lock of five minutes, and has none."""
    engine = Engine()
    engine.faults.expired_lock("acquire")
    job = engine.take()
    assert (job["lockOwner"], job["lockExpirationTime"]) == ("w", "2026-05-04T10:05:00.000Z")
    assert (engine.jobs()[0].lock_owner, engine.jobs()[0].lock_expires_at) == (None, None)
    assert engine.finish(job)[0] == 403


def test_a_lock_that_has_run_out_holds_until_the_engine_looks() -> None:
    """The owner may still finish the job; after the next look it may not."""
    engine = Engine()
    engine.faults.expired_lock("complete", reset=False, times=2)
    assert engine.finish(engine.take())[0] == 204
    engine.start("one")
    job = engine.take()
    engine.faults.clear()
    engine.expire_lock(job["id"], reset=False)
    assert (engine.jobs()[0].lock_owner, engine.jobs()[0].lock_expires_at) == ("w", STARTED - timedelta(milliseconds=1))
    engine.clock.advance(1)
    assert engine.finish(job)[0] == 403


def test_the_instance_lock_runs_out_with_that_of_an_exclusive_job() -> None:
    """The job can be acquired again at once."""
    engine = Engine(exclusive=True)
    engine.expire_lock(engine.take()["id"])
    assert engine.take()["lockOwner"] == "w"


def test_only_locks_run_out() -> None:
    """Unlocked jobs, unknown ones and empty answers are left alone."""
    engine = Engine()
    engine.faults.expired_lock("any", times=None)
    [job] = engine.jobs()
    assert engine.post("/acquire/jobs/unknown/complete")[0] == 404
    assert engine.post(f"/acquire/jobs/{job.id}/complete")[0] == 403
    assert engine.post("/acquire/jobs", topic="other", lockDuration="PT5M") == (200, [])
    assert engine.post("/acquire/jobs", topic="")[0] == 400
    engine.expire_lock(job.id)
    assert engine.jobs() == [job]
    with pytest.raises(LookupError, match="'unknown' is no external job of this engine"):
        engine.expire_lock("unknown")


# ---------------------------------------------------------------- the clock


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_an_engines_clock_can_differ_from_the_workers(seconds: int) -> None:
    """Every time that the engine tells is shifted; locks last as long as they should."""
    engine = Engine()
    engine.faults.skew_clock(seconds)
    job = engine.take()
    expiry = STARTED + timedelta(seconds=seconds, minutes=5)
    assert datetime.fromisoformat(job["lockExpirationTime"]) == expiry
    assert engine.faults.clock_skew == seconds
    engine.clock.advance(299)
    assert engine.jobs()[0].lock_owner == "w"
    engine.clock.advance(2)
    assert engine.jobs()[0].lock_owner is None


def test_a_lock_is_over_when_the_clock_is_set_ahead() -> None:
    """And lasts longer when it is set back."""
    engine = Engine()
    job = engine.take()
    engine.faults.skew_clock(-600)
    engine.clock.advance(890)
    assert engine.jobs()[0].lock_owner == "w"
    engine.faults.skew_clock(600)
    assert engine.finish(job)[0] == 403


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_a_clock_cannot_be_nowhere(seconds: float) -> None:
    """The error says what is accepted."""
    with pytest.raises(ValueError, match=r"seconds: .* is not accepted; a finite number"):
        Engine().faults.skew_clock(seconds)
