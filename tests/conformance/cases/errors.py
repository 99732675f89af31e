"""BPMN errors, and terminating what belongs to a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance import models
from tests.conformance.answers import lock_of, values_of
from tests.conformance.registry import case
from tests.conformance.scene import variable

if TYPE_CHECKING:
    from tests.conformance.scene import Scene

UNCAUGHT = (
    "No catching boundary event found for error with errorCode 'Y', neither in same process nor in parent process"
)


@case(55)
def a_job_of_a_case_has_no_bpmn_error(s: Scene) -> None:
    """The refusal names the job, which stays as it is."""
    s.start(models.case_one)
    job = s.acquire().job
    s.finish("bpmnError", job, errorCode="X").is_error(
        400,
        f"Can only complete BPMN external job with a BPMN error. Job with id '{job['id']}' is from scope 'cmmn'",
    )
    assert lock_of(s.now(job)) == lock_of(job)


@case(56)
def an_error_without_a_code_is_caught_by_a_handler_with_one(s: Scene) -> None:
    """Absent, null and empty are the same."""
    for code in (..., None, ""):
        instance = s.start(models.boundary)
        s.finish("bpmnError", s.acquire().job, errorCode=code).is_accepted()
        s.wait_for_task(instance, "caught")


@case(57)
def an_error_takes_the_way_of_its_handler(s: Scene) -> None:
    """With the variables, and instead of the task's own way."""
    instance = s.start(models.boundary)
    s.finish("bpmnError", s.acquire().job, errorCode="X", variables=[variable("v", 1)]).is_accepted()
    s.wait_for_task(instance, "caught")
    assert s.engine.variables(instance) == {"v": ("integer", 1)}


@case(58)
def an_error_that_nobody_catches_ends_in_a_dead_letter(s: Scene) -> None:
    """It is accepted all the same; the variables are not set."""
    instance = s.start(models.boundary)
    job = s.acquire().job
    s.finish("bpmnError", job, errorCode="Y", variables=[variable("v", 1)]).is_accepted()
    dead = s.wait_for_dead_letter(instance, job)
    assert dead["exceptionMessage"] == UNCAUGHT
    assert s.engine.variables(instance) == {}


@case(59)
def an_error_passes_by_out_parameters(s: Scene) -> None:
    """Variables are set under the names that the worker sent."""
    instance = s.start(models.boundary_out)
    s.finish("bpmnError", s.acquire().job, errorCode="X", variables=[variable("raw", 1)]).is_accepted()
    s.wait_for_task(instance, "caught")
    assert s.engine.variables(instance) == {"raw": ("integer", 1)}


@case(60)
def a_job_of_a_process_cannot_be_terminated(s: Scene) -> None:
    """The refusal names the job, which stays as it is."""
    job = s.started(models.one)
    text = f"Can only terminate CMMN external job. Job with id '{job['id']}' is from scope 'null'"
    s.finish("cmmnTerminate", job).is_error(400, text)
    assert lock_of(s.now(job)) == lock_of(job)


@case(61)
def terminating_a_job_of_a_case_fires_terminate(s: Scene) -> None:
    """And not complete; the variables are set on the case."""
    s.start(models.case_one)
    job = s.acquire().job
    s.finish("cmmnTerminate", job, variables=[variable("v", 1)]).is_accepted()
    follower = s.wait_for_job(s.own("terminated")).job
    assert follower["scopeId"] == job["scopeId"]
    assert values_of(follower)["v"] == ("integer", 1)
    s.acquire(topic=s.own("completed")).is_nothing()


@case(105)
def a_handler_with_the_code_comes_before_one_for_all(s: Scene) -> None:
    """Even for an error without a code.

    The id of the error element will do as code. An error without a code that nobody catches lacks one.
    """
    ways = [
        (models.boundary_any, "Z", "caught"),
        (models.boundary_any, ..., "caught"),
        (models.boundary_both, "X", "caught-x"),
        (models.boundary_both, ..., "caught-x"),
        (models.boundary_both, "Z", "caught-any"),
        (models.boundary, "errX", "caught"),
    ]
    for model, code, task in ways:
        instance = s.start(model)
        s.finish("bpmnError", s.acquire().job, errorCode=code).is_accepted()
        s.wait_for_task(instance, task)
    instance = s.start(models.one)
    job = s.acquire().job
    s.finish("bpmnError", job).is_accepted()
    assert s.wait_for_dead_letter(instance, job)["exceptionMessage"] == "Error Code must not be null."
