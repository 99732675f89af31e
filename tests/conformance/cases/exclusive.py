"""Exclusive jobs: of one instance only one may be locked at a time, and a batch comes as a whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance import models
from tests.conformance.answers import FREE, lock_of
from tests.conformance.registry import case

if TYPE_CHECKING:
    from tests.conformance.answers import Job
    from tests.conformance.scene import Scene


def jobs_of(s: Scene, instance: str) -> list[Job]:
    """Return the jobs of an instance, lowest id first."""
    return list(s.query(processInstanceId=instance).page["data"])


@case(19)
def two_exclusive_siblings_spoil_their_batch(s: Scene) -> None:
    """Asked for two, the engine gives none; asked for one, the one with the lower id."""
    instance = s.start(models.two_exclusive)
    lower, higher = jobs_of(s, instance)
    s.acquire(numberOfTasks=2).is_nothing()
    assert [lock_of(job) for job in jobs_of(s, instance)] == [FREE, FREE]
    assert s.acquire(numberOfTasks=1).job["id"] == lower["id"]
    assert lock_of(s.now(higher)) == FREE


@case(20)
def a_sibling_of_a_locked_job_blocks_its_topic(s: Scene) -> None:
    """Every batch that reaches the sibling is empty, whatever else it would hold, and nothing becomes locked."""
    instance = s.start(models.two_exclusive)
    s.acquire(numberOfTasks=1)
    for _ in range(3):
        s.start(models.one)
    sibling = jobs_of(s, instance)[1]
    others = s.query(elementName=s.own("Work")).page["data"]
    # On the real engine ids are made of the time and their order turns over every seven minutes.
    if sibling["id"] < min(job["id"] for job in others):
        s.acquire(s.w2, numberOfTasks=5).is_nothing()
        s.acquire(s.w2, numberOfTasks=1).is_nothing()
        assert s.query(elementName=s.own("Work"), unlocked="true").total == 3
    else:
        s.acquire(s.w2, numberOfTasks=5).is_nothing()
    assert lock_of(s.now(sibling)) == FREE


@case(21)
def exclusive_siblings_of_two_topics_take_turns(s: Scene) -> None:
    """While one is locked the other cannot be had; once it is completed it can."""
    instance = s.start(models.two_topics)
    first = s.acquire(topic=s.own("a")).job
    s.acquire(s.w2, topic=s.own("b")).is_nothing()
    s.complete(first).is_accepted()
    s.wait_for_task(instance, "after1")
    assert s.acquire(s.w2, topic=s.own("b")).job["elementId"] == "work2"


@case(22)
def siblings_that_are_not_exclusive_come_together(s: Scene) -> None:
    """Both jobs of an instance are in one batch."""
    s.start(models.two_free)
    assert sorted(job["elementId"] for job in s.acquire(numberOfTasks=2).jobs) == ["work1", "work2"]


@case(23)
def exclusive_jobs_of_two_instances_come_together(s: Scene) -> None:
    """Exclusive means among the jobs of one instance."""
    instances = {s.start(models.one_exclusive) for _ in range(2)}
    assert {job["processInstanceId"] for job in s.acquire(numberOfTasks=2).jobs} == instances


@case(24)
def tasks_of_cases_are_not_exclusive_by_default(s: Scene) -> None:
    """Two tasks of a case that say nothing about it are in one batch."""
    s.start(models.case_two)
    assert sorted(job["elementId"] for job in s.acquire(numberOfTasks=2).jobs) == ["work1", "work2"]


@case(71)
def failing_an_exclusive_job_frees_its_sibling(s: Scene) -> None:
    """The instance is free at once, although the failed job itself is held back."""
    s.start(models.two_exclusive)
    job = s.acquire().job
    s.acquire(s.w2).is_nothing()
    s.fail(job, retryTimeout="PT10M").is_accepted()
    assert s.acquire(s.w2).job["id"] != job["id"]


@case(76, since=(7, 0))
def an_exclusive_job_that_is_given_back_blocks_its_topic(s: Scene) -> None:
    """Up to 7.2 the instance stays locked until the lock of the job would have ended."""
    s.start(models.one_exclusive)
    job = s.acquire(lockDuration="PT3S").job
    s.unacquire(job).is_accepted()
    assert lock_of(s.now(job)) == FREE
    if s.release >= (8, 0):
        assert s.acquire(s.w2).job["id"] == job["id"]
        return
    s.acquire(s.w2).is_nothing()
    s.engine.pass_time(3.1)
    assert s.acquire(s.w2).job["id"] == job["id"]


@case(110, executor=False)
def an_expired_exclusive_lock_frees_the_sibling_not_the_job(s: Scene) -> None:
    """The lock of the instance ends by itself, that of the job has to be reset; then both owners may complete."""
    s.start(models.two_exclusive)
    first = s.acquire(s.w1, lockDuration="PT3S").job
    s.acquire(s.w2).is_nothing()
    s.engine.pass_time(3.1)
    second = s.acquire(s.w2).job
    assert second["id"] != first["id"]
    s.complete(first, s.w1).is_accepted()
    s.complete(second, s.w2).is_accepted()


@case(117, executor=False)
def what_follows_a_completed_job_does_not_hold_the_instance(s: Scene) -> None:
    """The sibling of another topic can be acquired before the engine has gone on."""
    s.start(models.two_topics)
    first = s.acquire(topic=s.own("a")).job
    s.complete(first).is_accepted()
    assert s.engine.continuation(first["id"])
    assert s.acquire(s.w2, topic=s.own("b")).job["elementId"] == "work2"


@case(119, executor=False)
def what_follows_a_completed_job_does_not_hold_its_topic(s: Scene) -> None:
    """The same for a sibling of the same topic; and the engine can go on while that one is locked."""
    instance = s.start(models.two_exclusive)
    first = s.acquire().job
    s.complete(first).is_accepted()
    second = s.acquire(s.w2).job
    assert second["id"] != first["id"]
    s.engine.run_continuation(first["id"])
    assert s.engine.open_tasks(instance) == [{"work1": "after1", "work2": "after2"}[first["elementId"]]]
