"""Giving jobs back, which 7.0 introduced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance import models
from tests.conformance.answers import FREE, lock_of
from tests.conformance.registry import case

if TYPE_CHECKING:
    from tests.conformance.scene import Scene

SINCE = (7, 0)
OTHER_TENANT = "provided worker id has external worker jobs from different tenant."


@case(72, since=SINCE)
def a_job_that_is_given_back_is_free(s: Scene) -> None:
    """At once, and at no cost."""
    job = s.started(models.one)
    s.unacquire(job).is_accepted()
    now = s.now(job)
    assert (lock_of(now), now["retries"]) == (FREE, 3)
    assert s.acquire(s.w2).job["id"] == job["id"]


@case(73, since=SINCE)
def only_the_owner_gives_back(s: Scene) -> None:
    """The checks are those of complete, with another text for a missing worker."""
    job = s.started(models.one)
    s.not_held_by(s.w2, s.unacquire(job, s.w2))
    s.post(f"/unacquire/jobs/{job['id']}").is_error(400, "worker id is required")
    s.post("/unacquire/jobs/unknown").is_error(400, "worker id is required")
    s.not_found("unknown", s.unacquire("unknown"))
    s.post(f"/unacquire/jobs/{job['id']}", workerId=s.w1, tenantId=[]).is_unreadable()
    s.unacquire(job).is_accepted()
    s.not_held_by(s.w1, s.unacquire(job))


@case(74, since=SINCE)
def giving_all_back_is_about_one_worker(s: Scene) -> None:
    """Jobs of others stay locked; a worker without jobs is fine, none at all is not."""
    job = s.started(models.one)
    s.post("/unacquire/jobs", workerId=s.w2).is_accepted()
    assert lock_of(s.now(job)) == lock_of(job)
    s.post("/unacquire/jobs").is_error(400, "worker id is required")
    s.post("/unacquire/jobs", workerId=s.w1).is_accepted()
    assert lock_of(s.now(job)) == FREE


@case(75, since=SINCE)
def the_tenant_is_a_guard_not_a_filter(s: Scene) -> None:
    """One job of another tenant keeps all of them locked."""
    a, b = s.own("a"), s.own("b")
    for _ in range(2):
        s.start(models.one, tenant=a)
    jobs = s.acquire(numberOfTasks=5).jobs
    s.post("/unacquire/jobs", workerId=s.w1, tenantId=a).is_accepted()
    assert [lock_of(s.now(job)) for job in jobs] == [FREE, FREE]
    s.start(models.one, tenant=b)
    jobs = s.acquire(numberOfTasks=5).jobs
    assert len(jobs) == 3
    s.post("/unacquire/jobs", workerId=s.w1, tenantId=a).is_error(400, OTHER_TENANT)
    assert [s.now(job)["lockOwner"] for job in jobs] == [s.w1] * 3
    s.post("/unacquire/jobs", workerId=s.w1, tenantId="").is_accepted()
    assert [lock_of(s.now(job)) for job in jobs] == [FREE] * 3


@case(77, until=SINCE)
def before_7_0_there_is_no_giving_back(s: Scene) -> None:
    """The framework says that there is nothing at these paths."""
    for path in ("/unacquire/jobs", "/unacquire/jobs/x"):
        s.post(path, workerId=s.w1).is_generic(404)


@case(116, since=SINCE)
def what_was_given_back_is_not_ours(s: Scene) -> None:
    """The old owner can neither complete nor fail; what was completed cannot be given back."""
    job = s.started(models.one)
    s.unacquire(job).is_accepted()
    s.not_held_by(s.w1, s.complete(job))
    s.not_held_by(s.w1, s.fail(job))
    s.acquire()
    s.complete(job).is_accepted()
    s.not_found(job, s.unacquire(job))
