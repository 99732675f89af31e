"""Complete: who may, what it is worth, what happens afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conformance import models
from tests.conformance.answers import FREE, lock_of
from tests.conformance.registry import case
from tests.conformance.scene import typed, variable

if TYPE_CHECKING:
    from tests.conformance.scene import Scene

PARAMETERS = (7, 1)
NOTHING: list[Any] = [..., None, []]


# ---------------------------------------------------------------- who may


@case(34)
def the_worker_is_asked_for_before_the_job(s: Scene) -> None:
    """Without a worker even an unknown job is a bad request."""
    for worker in (..., "", None):
        s.complete("unknown", workerId=worker).is_error(400, "workerId is required")


@case(35)
def an_unknown_job_is_not_found(s: Scene) -> None:
    """The text names the id."""
    s.complete("x").is_error(404, "Could not find external worker job with id 'x'.")


@case(36)
def an_unlocked_job_belongs_to_nobody(s: Scene) -> None:
    """It has to be acquired first."""
    job = s.query(processInstanceId=s.start(models.one)).page["data"][0]
    s.not_held_by(s.w1, s.complete(job))


@case(37)
def another_worker_may_not_complete(s: Scene) -> None:
    """The refusal names the worker that tried, and the job stays locked."""
    job = s.started(models.one)
    s.not_held_by(s.w2, s.complete(job, s.w2))
    assert lock_of(s.now(job)) == lock_of(job)


@case(45)
def the_lock_is_checked_before_the_variables(s: Scene) -> None:
    """A wrong worker with a bad variable is told about the lock."""
    job = s.started(models.one)
    s.not_held_by(s.w2, s.complete(job, s.w2, variables=[typed("v", "uuid", "x")]))


@case(52, executor=False)
def the_owner_may_complete_late(s: Scene) -> None:
    """An expired lock that was not reset is still a lock: against others, and for its owner."""
    job = s.started(models.one, lock="PT0.3S")
    s.engine.pass_time(0.4)
    s.acquire(s.w2).is_nothing()
    s.complete(job).is_accepted()


@case(53)
def a_reset_lock_is_lost(s: Scene) -> None:
    """Afterwards anybody can acquire the job; on 6.8.0 it has a new id, and the old one is not found."""
    job = s.started(models.one, lock="PT0.2S")
    free = s.wait_until_free(job)
    renewed = s.release <= (6, 8, 0)
    assert (free["correlationId"], lock_of(free), free["retries"]) == (job["correlationId"], FREE, 3)
    assert (free["id"] != job["id"]) == renewed
    if renewed:
        s.not_found(job, s.complete(job))
    s.not_held_by(s.w1, s.complete(free))
    assert s.acquire(s.w2).job["id"] == free["id"]
    s.not_held_by(s.w1, s.complete(free, s.w1))
    s.complete(free, s.w2).is_accepted()


# ---------------------------------------------------------------- what it is worth


@case(38)
def a_completed_job_is_gone(s: Scene) -> None:
    """For every operation."""
    job = s.started(models.one)
    s.complete(job).is_accepted()
    for answer in (s.read(job), s.complete(job), s.fail(job)):
        s.not_found(job, answer)


@case(39, executor=False)
def variables_arrive_when_the_engine_goes_on(s: Scene) -> None:
    """Until then they are kept aside, with a job of the engine that has the id of the worker's."""
    instance = s.start(models.one)
    job = s.acquire().job
    s.complete_with(job, variable("v", 1)).is_accepted()
    assert s.engine.variables(instance) == {}
    assert s.engine.continuation(job["id"])
    s.engine.run_continuation(job["id"])
    assert s.engine.variables(instance) == {"v": ("integer", 1)}
    assert s.engine.open_tasks(instance) == ["after"]


@case(40, executor=False)
def without_an_executor_nothing_goes_on(s: Scene) -> None:
    """The worker is told nothing of it."""
    instance = s.start(models.one)
    job = s.acquire().job
    s.complete_with(job, variable("v", 1)).is_accepted()
    s.engine.pass_time(1)
    assert s.engine.open_tasks(instance) == []
    assert s.engine.continuation(job["id"])
    s.not_found(job, s.read(job))


@case(114)
def variables_may_be_left_out(s: Scene) -> None:
    """Absent, null and an empty list are the same; an object is no list."""
    for nothing in NOTHING:
        job = s.started(models.one)
        s.complete(job, variables=nothing).is_accepted()
    job = s.started(models.one)
    s.complete(job, variables={}).is_unreadable()
    assert s.now(job)["lockOwner"] == s.w1


# ---------------------------------------------------------------- where variables land


@case(50)
def out_parameters_choose_what_is_kept(s: Scene) -> None:
    """The rest is dropped, what was not sent becomes null, and one that fails refuses the result; from 7.1 on."""
    instance = s.start(models.out_parameters)
    s.complete_with(s.acquire().job, variable("a", 1), variable("other", 2)).is_accepted()
    s.wait_for_task(instance, "after")
    works = s.release >= PARAMETERS
    kept = {"x": ("integer", 1), "y": (None, None)} if works else {"a": ("integer", 1), "other": ("integer", 2)}
    assert s.engine.variables(instance) == kept
    job = s.started(models.out_failing)
    answer = s.complete(job)
    if works:
        container = "VariableContainerWrapper[instanceId='null', scopeType='null', tenantId='null']"
        answer.is_error(500, f"Unknown property used in expression: ${{missing + 1}} with {container}")
        assert lock_of(s.now(job)) == lock_of(job)
    else:
        answer.is_accepted()


@case(51)
def variables_of_the_instance_are_overwritten(s: Scene) -> None:
    """A new one lands on the instance too."""
    instance = s.start(models.one, variable("old", 1))
    s.complete_with(s.acquire().job, variable("old", "two"), variable("new", 3)).is_accepted()
    s.wait_for_task(instance, "after")
    assert s.engine.variables(instance) == {"old": ("string", "two"), "new": ("integer", 3)}


@case(54)
def completing_a_job_of_a_case_fires_complete(s: Scene) -> None:
    """And not terminate."""
    s.start(models.case_one)
    job = s.acquire().job
    s.complete_with(job, variable("v", 1)).is_accepted()
    assert s.wait_for_job(s.own("completed")).job["scopeId"] == job["scopeId"]
    s.acquire(topic=s.own("terminated")).is_nothing()


@case(106)
def when_the_next_step_fails_the_worker_learns_nothing(s: Scene) -> None:
    """It is accepted; later there is a dead letter with the job's id, and the variables are not set."""
    instance = s.start(models.dead_end)
    job = s.acquire().job
    s.complete_with(job, variable("v", 1)).is_accepted()
    dead = s.wait_for_dead_letter(instance, job)
    assert dead["id"] == job["id"]
    # 6.8 does not say whose job it is.
    assert dead.get("handlerType") == (None if s.release < (7, 0) else "external-worker-complete")
    text = "Unknown property used in expression: ${missing.name}"
    if s.release >= (7, 0):
        text += f" with Execution[ id '{job['executionId']}' ] - definition '{job['processDefinitionId']}'"
        text += f" - activity 'boom' - parent '{instance}'"
    assert dead["exceptionMessage"] == text
    assert s.engine.variables(instance) == {}
    s.not_found(job, s.read(job))
