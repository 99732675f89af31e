"""Fail: retries, pauses, messages, dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance import models
from tests.conformance.answers import FREE, lock_of, moment
from tests.conformance.registry import case

if TYPE_CHECKING:
    from tests.conformance.scene import Scene

NO_DURATIONS: list[Any] = ["P1M", "10", True, {}, "x"]


# ---------------------------------------------------------------- retries


@case(62)
def a_failure_costs_a_retry_and_frees_the_job(s: Scene) -> None:
    """Without more, the job has no message and can be acquired at once."""
    job = s.started(models.one)
    s.fail(job).is_accepted()
    now = s.now(job)
    assert (now["retries"], lock_of(now), now["exceptionMessage"]) == (2, FREE, None)
    assert s.acquire(s.w2).job["retries"] == 2


@case(65)
def the_third_failure_makes_a_dead_letter(s: Scene) -> None:
    """A job starts with three attempts."""
    job = s.query(processInstanceId=s.start(models.one)).page["data"][0]
    for attempt in (1, 2, 3):
        acquired = s.acquire().job
        assert (acquired["id"], acquired["retries"]) == (job["id"], 4 - attempt)
        s.fail(job, errorMessage=f"attempt {attempt}").is_accepted()
    s.acquire().is_nothing()
    s.not_found(job, s.read(job))
    dead = s.engine.dead_letter(job["id"])
    assert dead is not None
    assert (dead["retries"], dead["exceptionMessage"]) == (0, "attempt 3")


@case(66)
def negative_retries_count_as_absent(s: Scene) -> None:
    """As does null."""
    job = s.started(models.one)
    s.fail(job, retries=-5).is_accepted()
    assert s.now(job)["retries"] == 2
    s.fail(s.acquire().job, retries=None).is_accepted()
    assert s.now(job)["retries"] == 1


@case(104)
def retries_are_read_like_other_numbers(s: Scene) -> None:
    """Texts of numbers count, fractions are cut off, an empty or blank text is absent, everything else is refused."""
    job = s.started(models.one)
    for sent, left in (("7", 7), (4.9, 4), (2_147_483_647, 2_147_483_647), ("", 2_147_483_646), (" ", 2_147_483_645)):
        s.fail(job, retries=sent).is_accepted()
        assert s.now(job)["retries"] == left
        s.acquire()
    for wrong in ("x", True, 99_999_999_999, [1]):
        s.fail(job, retries=wrong).is_unreadable()
    assert s.now(job)["lockOwner"] == s.w1


@case(120)
def the_second_of_two_failures_is_refused(s: Scene) -> None:
    """The first one took the lock away, or the job."""
    job = s.started(models.one)
    s.fail(job).is_accepted()
    s.not_held_by(s.w1, s.fail(job))
    s.acquire()
    s.fail(job, retries=0).is_accepted()
    s.not_found(job, s.fail(job, retries=0))


# ---------------------------------------------------------------- pauses


@case(63)
def a_pause_holds_the_job_back(s: Scene) -> None:
    """It has no owner and counts as locked until the pause is over and was noticed."""
    job = s.started(models.one)
    details = {"errorMessage": "boom", "errorDetails": "stack"}
    answer = s.fail(job, retries=10, retryTimeout="PT30M", **details)
    answer.is_accepted()
    now = s.now(job)
    answer.ends_after(now, 1_800)
    assert (now["retries"], now["lockOwner"], now["exceptionMessage"]) == (10, None, "boom")
    found = [s.query(id=job["id"], **{state: "true"}).total for state in ("locked", "unlocked")]
    assert found == [1, 0]
    s.acquire().is_nothing()
    short = s.started(models.one)
    s.fail(short, retryTimeout="PT0.2S").is_accepted()
    free = s.wait_until_free(short)
    assert s.acquire().job["id"] == free["id"]


@case(67, executor=False)
def a_pause_of_nothing_lasts_until_it_is_noticed(s: Scene) -> None:
    """Zero seconds is not the same as no pause."""
    job = s.started(models.one)
    answer = s.fail(job, retryTimeout="PT0S")
    answer.is_accepted()
    now = s.now(job)
    answer.ends_after(now, 0)
    assert now["lockOwner"] is None
    s.acquire().is_nothing()


@case(103, executor=False)
def pauses_are_read_like_other_durations(s: Scene) -> None:
    """They have a sign and no limit; null and blank are none; what is no duration changes nothing."""
    job = s.started(models.one)
    for bad in NO_DURATIONS:
        s.fail(job, retryTimeout=bad).is_unreadable()
    assert lock_of(s.now(job)) == lock_of(job)
    for none in (None, "", " "):
        s.fail(job, retries=3, retryTimeout=none).is_accepted()
        assert s.acquire().job["id"] == job["id"]
    lengths: dict[Any, float] = {60: 60, "pt1m": 60, "P50D": 4_320_000, "-PT5M": -300}
    for good, seconds in lengths.items():
        answer = s.fail(job, retries=3, retryTimeout=good)
        answer.is_accepted()
        answer.ends_after(s.now(job), seconds)
        job = s.started(models.one)


@case(118)
def the_end_of_a_pause_keeps_what_is_known_of_the_failure(s: Scene) -> None:
    """Retries, message and details stay; on 6.8.0 the job is a new one, with a new id and time."""
    job = s.started(models.one)
    failure = {"errorMessage": "boom", "errorDetails": "the details"}
    s.fail(job, retries=7, retryTimeout="PT0.2S", **failure).is_accepted()
    free = s.wait_until_free(job)
    kept = ("correlationId", "executionId", "elementId", "tenantId", "dueDate")
    assert {name: free[name] for name in kept} == {name: job[name] for name in kept}
    assert (free["retries"], free["exceptionMessage"]) == (7, "boom")
    renewed = s.release <= (6, 8, 0)
    assert [free[name] != job[name] for name in ("id", "createTime")] == [renewed, renewed]
    assert s.query(id=free["id"], withException="true").total == 1
    job = s.acquire().job
    s.fail(job, retries=0, errorMessage="again").is_accepted()
    assert s.engine.dead_letter_details(job["id"]) == "the details"


# ---------------------------------------------------------------- messages and details


@case(68)
def a_long_message_is_cut(s: Scene) -> None:
    """To 2,000 characters, the last three of which are dots."""
    job = s.started(models.one)
    s.fail(job, errorMessage="x" * 3_000).is_accepted()
    assert s.now(job)["exceptionMessage"] == "x" * 1_997 + "..."


@case(69)
def details_outlive_their_message(s: Scene) -> None:
    """A failure without a message clears the earlier one, one without details leaves them."""
    job = s.started(models.one)
    s.fail(job, errorMessage="m", errorDetails="d").is_accepted()
    assert s.acquire().job["exceptionMessage"] == "m"
    s.fail(job).is_accepted()
    assert s.now(job)["exceptionMessage"] is None
    assert s.query(id=job["id"], withException="true").total == 1


# ---------------------------------------------------------------- dead letters


@case(64)
def no_retries_left_make_a_dead_letter(s: Scene) -> None:
    """With the id, the message and the details of the job, which the API does not know any more."""
    job = s.started(models.one)
    s.fail(job, retries=0, errorMessage="boom", errorDetails="the details").is_accepted()
    s.not_found(job, s.read(job))
    dead = s.engine.dead_letter(job["id"])
    assert dead is not None
    assert (dead["id"], dead["retries"], dead["exceptionMessage"]) == (job["id"], 0, "boom")
    assert s.engine.dead_letter_details(job["id"]) == "the details"


@case(70)
def a_dead_letter_that_is_moved_back_is_a_job_again(s: Scene) -> None:
    """With its ids and its message, new retries and a new time."""
    job = s.started(models.one)
    s.fail(job, retries=0, errorMessage="boom").is_accepted()
    s.engine.pass_time(0.01)
    s.engine.move_dead_letter(job["id"])
    now = s.now(job)
    assert (now["correlationId"], now["exceptionMessage"]) == (job["correlationId"], "boom")
    assert (now["retries"], lock_of(now)) == (3, FREE)
    assert moment(now["createTime"]) > moment(job["createTime"])
    assert s.acquire(s.w2).job["id"] == job["id"]


@case(111)
def jobs_of_cases_fail_like_those_of_processes(s: Scene) -> None:
    """Retries, dead letters and moving them back; from 7.0 on they can be given back too."""
    s.start(models.case_one)
    job = s.acquire().job
    s.fail(job, errorMessage="boom").is_accepted()
    assert (s.now(job)["retries"], s.now(job)["exceptionMessage"]) == (2, "boom")
    s.acquire()
    s.fail(job, retries=0, errorMessage="boom").is_accepted()
    s.not_found(job, s.read(job))
    dead = s.engine.dead_letter(job["id"])
    assert dead is not None
    assert (dead["processInstanceId"], dead["exceptionMessage"]) == (None, "boom")
    s.engine.move_dead_letter(job["id"])
    assert s.now(job)["retries"] == 3
    worker = s.own("alone")
    assert s.acquire(worker).job["id"] == job["id"]
    if s.release >= (7, 0):
        s.unacquire(job, worker).is_accepted()
        assert s.acquire(worker).job["id"] == job["id"]
        s.post("/unacquire/jobs", workerId=worker).is_accepted()
        assert s.acquire(worker).job["id"] == job["id"]
    s.complete(job, worker).is_accepted()
    assert s.wait_for_job(s.own("completed")).job["scopeId"] == job["scopeId"]
