"""Jobs that go away by themselves, and requests that come at the same moment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.conformance import models
from tests.conformance.answers import FREE, lock_of
from tests.conformance.registry import case
from tests.conformance.scene import variable

if TYPE_CHECKING:
    from tests.conformance.scene import Scene

# A database's text about a key that is there already, or the engine's about an entity that somebody else has changed.
CLASHES = ("\n### Error updating database.", "ExternalWorkerJobEntity[", "Execution[")


@case(86)
def a_deleted_instance_takes_its_jobs_along(s: Scene) -> None:
    """Whoever holds them, and those of a case that the instance has started too."""
    instance = s.start(models.one)
    job = s.acquire().job
    s.engine.delete(instance)
    for answer in (s.complete(job), s.fail(job), s.read(job)):
        s.not_found(job, answer)
    # The process that started a case takes the case along.
    starter = s.start(models.case_one)
    job = s.acquire().job
    s.engine.delete(starter)
    for answer in (s.complete(job), s.read(job)):
        s.not_found(job, answer)


@case(87)
def a_suspended_instance_hides_its_jobs(s: Scene) -> None:
    """When it is activated they are back, without their locks."""
    instance = s.start(models.one)
    job = s.acquire().job
    s.engine.suspend(instance)
    for answer in (s.complete(job), s.read(job)):
        s.not_found(job, answer)
    s.acquire(s.w2).is_nothing()
    s.engine.activate(instance)
    assert lock_of(s.now(job)) == FREE
    s.not_held_by(s.w1, s.complete(job))
    assert s.acquire(s.w2).job["id"] == job["id"]


@case(88)
def of_two_acquires_at_once_one_gets_the_job(s: Scene) -> None:
    """The other gets an empty list."""
    for _ in range(5):
        s.start(models.one)
        answers = s.engine.together(lambda: s.acquire(s.w1), lambda: s.acquire(s.w2))
        assert sorted(len(answer.jobs) for answer in answers) == [0, 1]


@case(89)
def of_two_completes_at_once_one_counts(s: Scene) -> None:
    """The other does not find the job, or clashes in the database."""
    for _ in range(5):
        job = s.started(models.one)
        answers = s.engine.together(partial(s.complete, job), partial(s.complete_with, job, variable("v", 1)))
        answers.sort(key=lambda answer: answer.status)
        answers[0].is_accepted()
        assert answers[1].status in {404, 500}, str(answers[1])
        if answers[1].status == 404:
            # Not there when it was looked for, or gone when it was to be changed.
            gone = f"No External Worker job found for id: {job['id']}"
            assert answers[1].error in {gone, f"Could not find external worker job with id '{job['id']}'."}
        else:
            assert answers[1].error.startswith(CLASHES), answers[1]


@case(113)
def two_acquires_at_once_share_without_overlap(s: Scene) -> None:
    """Asked twice for four of six jobs, the engine gives four and two, or four and none."""
    for _ in range(6):
        s.start(models.one)
    first, second = s.engine.together(
        lambda: s.acquire(s.w1, numberOfTasks=4).jobs, lambda: s.acquire(s.w2, numberOfTasks=4).jobs
    )
    ids = [job["id"] for job in (*first, *second)]
    assert len(ids) == len(set(ids))
    assert sorted([len(first), len(second)]) in ([2, 4], [0, 4])


@case(90)
def without_good_credentials_nothing_is_done(s: Scene) -> None:
    """The answer is a challenge without a body."""
    s.start(models.one)
    order = {"topic": s.topic, "lockDuration": "PT10M", "workerId": s.w1}
    for credentials in (None, ("rest-admin", "wrong"), ("nobody", "test")):
        for answer in (
            s.send("POST", "/acquire/jobs", body=order, credentials=credentials),
            s.send("GET", "/jobs", credentials=credentials),
        ):
            answer.is_empty(401)
            assert answer.headers["www-authenticate"] == 'Basic realm="Realm"'
            assert "content-type" not in answer.headers
    assert len(s.acquire().jobs) == 1
