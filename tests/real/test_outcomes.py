"""What a handler decides has its effect in the engine: in process instances and cases of real releases."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.waiting import until

from flowable.external_worker_client.testing.real_engine import DeadLetter, RealVariable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.models import Model

    from flowable.external_worker_client import (
        ExternalWorkerAcquireJobResponse,
        ExternalWorkerClient,
        ExternalWorkerSubscription,
        WorkerResultBuilder,
        WorkResult,
    )
    from flowable.external_worker_client.testing.real_engine import RealEngine

    Subscribe = Callable[..., ExternalWorkerSubscription]
    Connect = Callable[..., ExternalWorkerClient]
    Models = Callable[[str], Model]

on_every_release = pytest.mark.parametrize("release_engine", ["7.2.0", "7.0.1", "6.8.0"], indirect=True)


def values(job: ExternalWorkerAcquireJobResponse) -> dict[str, Any]:
    """Return the variables of a job by name."""
    return {variable.name: variable.value for variable in job.variables}


# ---------------------------------------------------------------- success


@on_every_release
def test_variables_of_every_builder_method_land_with_their_types(
    release_engine: RealEngine, models: Models, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    """After success, the process instance has each variable with Flowable's type for it and the very value."""
    model = models("task-then-wait.bpmn20.xml")
    release_engine.deploy(model.text)

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        return (
            result.success()
            .variable_string("text", "Grüße, 世界 🎈")
            .variable_string("longText", "x" * 5_000)
            .variable_int("number", -(2**31))
            .variable_int("beyond32Bits", 2**31)
            .variable_float("share", 0.1)
            .variable_float("whole", 2.0)
            .variable_boolean("yes", True)
            .variable_boolean("no", False)
            .variable_json("object", {"a": [1, 2.5, None, {"b": "c"}]})
            .variable_json("list", [])
            .variable_string("nothing", None)
        )

    instance = release_engine.start_process(model.key, {"given": "before"})
    with caplog.at_level(logging.WARNING):
        subscribe(release_engine, model.topic("work"), work)
        release_engine.wait_for_task(instance, "wait")

    assert release_engine.variables(instance) == {
        "given": RealVariable("string", "before"),
        "text": RealVariable("string", "Grüße, 世界 🎈"),
        "longText": RealVariable("string", "x" * 5_000),
        "number": RealVariable("integer", -(2**31)),
        "beyond32Bits": RealVariable("long", 2**31),
        "share": RealVariable("double", 0.1),
        "whole": RealVariable("double", 2.0),
        "yes": RealVariable("boolean", True),
        "no": RealVariable("boolean", False),
        "object": RealVariable("json", {"a": [1, 2.5, None, {"b": "c"}]}),
        "list": RealVariable("json", []),
        "nothing": RealVariable("null", None),
    }
    # Said once: a number that is too large for the type that was asked for.
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "beyond32Bits" in caplog.text


@on_every_release
def test_an_order_is_shipped(release_engine: RealEngine, models: Models, subscribe: Subscribe) -> None:
    """Three workers take an order through its process; each sees what the ones before it found out."""
    model = models("order.bpmn20.xml")
    release_engine.deploy(model.text)
    seen: list[tuple[str | None, dict[str, Any]]] = []

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult | None:
        seen.append((job.element_id, values(job)))
        if job.element_id == "checkStock":
            return result.success().variable_boolean("inStock", True)
        if job.element_id == "chargeCard":
            return result.success().variable_float("charged", 12.5)
        return None  # which completes the job too

    for topic in ("checkStock", "chargeCard", "shipOrder"):
        subscribe(release_engine, model.topic(topic), work)
    instance = release_engine.start_process(model.key, {"orderId": "4711"})
    release_engine.wait_for_end(instance)

    assert release_engine.path_taken(instance) == ["chargeCard", "checkStock", "placed", "shipOrder", "shipped"]
    assert seen == [
        ("checkStock", {"orderId": "4711"}),
        ("chargeCard", {"orderId": "4711", "inStock": True}),
        ("shipOrder", {"orderId": "4711", "inStock": True, "charged": 12.5}),
    ]


# ---------------------------------------------------------------- BPMN error


@on_every_release
def test_a_bpmn_error_takes_the_path_of_its_boundary_event(
    release_engine: RealEngine, models: Models, subscribe: Subscribe
) -> None:
    """A declined card leads to the call to the customer instead of the shipment, and brings its variables along."""
    model = models("order.bpmn20.xml")
    release_engine.deploy(model.text)
    subscribe(release_engine, model.topic("checkStock"), lambda _job, result: result.success())
    subscribe(
        release_engine,
        model.topic("chargeCard"),
        lambda _job, result: result.bpmn_error().error_code("cardDeclined").variable_string("reason", "expired"),
    )
    instance = release_engine.start_process(model.key)
    task = release_engine.wait_for_task(instance, "callCustomer")

    assert release_engine.variables(instance) == {"reason": RealVariable("string", "expired")}
    release_engine.complete_task(task.id)
    release_engine.wait_for_end(instance)
    assert release_engine.path_taken(instance) == [
        "callCustomer",
        "cancelled",
        "chargeCard",
        "checkStock",
        "placed",
    ]


# ---------------------------------------------------------------- failure


@on_every_release
def test_failures_count_down_and_the_last_one_is_a_dead_letter(
    release_engine: RealEngine, models: Models, subscribe: Subscribe
) -> None:
    """A failed job comes back with one retry less and the message, and ends among the dead letters with the details."""
    model = models("task.bpmn20.xml")
    release_engine.deploy(model.text)
    seen: list[tuple[int, str | None]] = []

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        seen.append((job.retries, job.exception_message))
        return (
            result.failure()
            .error_message(f"The printer is on fire, for the {len(seen)}. time")
            .error_details(f"Look at the {len(seen)}. flame")
        )

    instance = release_engine.start_process(model.key)
    subscribe(release_engine, model.topic("work"), work)
    letter = release_engine.wait_for_dead_letter(instance)

    assert seen == [
        (3, None),
        (2, "The printer is on fire, for the 1. time"),
        (1, "The printer is on fire, for the 2. time"),
    ]
    assert letter == DeadLetter(
        id=letter.id,
        process_instance_id=instance,
        element_id="work",
        retries=0,
        exception_message="The printer is on fire, for the 3. time",
    )
    assert release_engine.dead_letter_stacktrace(letter.id) == "Look at the 3. flame"
    assert release_engine.external_job_count(instance) == 0


@on_every_release
def test_no_retries_left_is_a_dead_letter_at_once_and_can_be_revived(
    release_engine: RealEngine, models: Models, subscribe: Subscribe
) -> None:
    """A failure with retries 0 is a dead letter; moved back, the job is offered with new retries and completes."""
    model = models("task.bpmn20.xml")
    release_engine.deploy(model.text)
    seen: list[tuple[str, int, str | None]] = []

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        seen.append((job.id, job.retries, job.exception_message))
        if len(seen) == 1:
            return result.failure().error_message("Out of paper").error_details("Tray 2").retries(0)
        return result.success()

    instance = release_engine.start_process(model.key)
    subscribe(release_engine, model.topic("work"), work)
    letter = release_engine.wait_for_dead_letter(instance)
    assert (letter.retries, letter.exception_message) == (0, "Out of paper")
    assert release_engine.dead_letter_stacktrace(letter.id) == "Tray 2"

    release_engine.move_dead_letter(letter.id)
    release_engine.wait_for_end(instance)
    assert seen == [(letter.id, 3, None), (letter.id, 3, "Out of paper")]


@on_every_release
def test_a_failure_sets_the_retries_and_the_pause_that_it_names(
    release_engine: RealEngine, models: Models, connect: Connect, subscribe: Subscribe
) -> None:
    """With a retry time-out the job keeps away for so long, then is offered with the retries that were set."""
    model = models("task.bpmn20.xml")
    release_engine.deploy(model.text)
    seen: list[ExternalWorkerAcquireJobResponse] = []

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult | None:
        seen.append(job)
        if len(seen) == 1:
            return result.failure().error_message("Not yet").retries(7).retry_timeout("PT2S")
        return None

    instance = release_engine.start_process(model.key)
    client = connect(release_engine)
    subscribe(client, model.topic("work"), work)
    [waiting] = until(lambda: client._restClient.list_jobs(process_instance_id=instance, with_exception=True).data)
    assert (waiting.retries, waiting.exception_message, waiting.lock_owner) == (7, "Not yet", None)
    assert waiting.lock_expiration_time is not None
    release_engine.wait_for_end(instance)

    first, second = seen
    assert second.correlation_id == first.correlation_id
    assert second.retries == 7
    # Both are times of the engine's clock, and the second lock lasts a minute: it was taken when the pause was over.
    assert second.lock_expiration_time is not None
    assert second.lock_expiration_time - timedelta(minutes=1) >= waiting.lock_expiration_time


@on_every_release
def test_an_exception_fails_the_job_with_its_text_and_a_pause(
    release_engine: RealEngine, models: Models, connect: Connect, subscribe: Subscribe
) -> None:
    """What a handler raises becomes the message; the job waits, unlocked by anybody, and has one retry less."""
    model = models("task.bpmn20.xml")
    release_engine.deploy(model.text)

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        raise LookupError("no such customer: Grüße")

    instance = release_engine.start_process(model.key)
    client = connect(release_engine)
    subscribe(client, model.topic("work"), work)
    [job] = until(lambda: client._restClient.list_jobs(process_instance_id=instance, with_exception=True).data)
    assert (job.retries, job.exception_message, job.lock_owner) == (2, "no such customer: Grüße", None)
    assert job.lock_expiration_time is not None


# ---------------------------------------------------------------- cases


@on_every_release
def test_a_claim_is_paid_out(release_engine: RealEngine, models: Models, subscribe: Subscribe) -> None:
    """Completing the assessment fires the sentry on `complete`; the next worker sees the variables, the case ends."""
    model = models("claim.cmmn")
    release_engine.deploy_case(model.text, variables=["claimId"])
    seen: list[tuple[str | None, str | None, dict[str, Any]]] = []

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        seen.append((job.element_id, job.scope_type, values(job)))
        return result.success().variable_int(str(job.element_id), 100)

    for topic in ("assessDamage", "payOut"):
        subscribe(release_engine, model.topic(topic), work)
    instance = release_engine.start_case(model.key, {"claimId": "C-1"})
    release_engine.wait_for_end(instance)
    assert seen == [
        ("assessDamage", "cmmn", {"claimId": "C-1"}),
        ("payOut", "cmmn", {"claimId": "C-1", "assessDamage": 100}),
    ]


@on_every_release
def test_a_rejected_claim_is_explained_to_the_customer(
    release_engine: RealEngine, models: Models, connect: Connect, subscribe: Subscribe
) -> None:
    """Terminating the assessment fires the sentry on `terminate`, and not the one on `complete`."""
    model = models("claim.cmmn")
    release_engine.deploy_case(model.text)
    client = connect(release_engine)
    subscribe(client, model.topic("assessDamage"), lambda _job, result: result.cmmn_terminate())
    case = release_engine.case_instance_id(release_engine.start_case(model.key))

    task = release_engine.wait_for_task(case, "explainRejection")
    assert [each.element_id for each in release_engine.tasks(case)] == ["explainRejection"]
    assert task.instance_id == case
    # Neither the assessment nor the payment.
    assert client._restClient.list_jobs(scope_id=case).data == []


@on_every_release
def test_terminating_brings_its_variables_into_the_case(
    release_engine: RealEngine, models: Models, subscribe: Subscribe
) -> None:
    """The worker of the task that the termination starts sees the variables that came with it."""
    model = models("two-ways.cmmn")
    release_engine.deploy_case(model.text)
    seen: list[tuple[str | None, dict[str, Any]]] = []

    def terminate(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        seen.append((job.element_id, values(job)))
        return result.cmmn_terminate().variable_string("reason", "fraud").variable_json("facts", {"score": 0.9})

    def note(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        seen.append((job.element_id, values(job)))

    subscribe(release_engine, model.topic("work"), terminate, scope_type="cmmn")
    subscribe(release_engine, model.topic("afterTerminate"), note)
    subscribe(release_engine, model.topic("afterComplete"), note)
    release_engine.wait_for_end(release_engine.start_case(model.key))
    assert seen == [("work", {}), ("afterTerminate", {"reason": "fraud", "facts": {"score": 0.9}})]


@on_every_release
def test_a_failed_job_of_a_case_becomes_a_dead_letter(
    release_engine: RealEngine, models: Models, connect: Connect, subscribe: Subscribe
) -> None:
    """Failing works in cases as in processes."""
    model = models("two-ways.cmmn")
    release_engine.deploy_case(model.text)
    jobs: list[ExternalWorkerAcquireJobResponse] = []

    def work(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        jobs.append(job)
        return result.failure().error_message("No assessor free").retries(0)

    subscribe(release_engine, model.topic("work"), work)
    release_engine.start_case(model.key)
    [letter] = until(lambda: [each for each in release_engine.dead_letters() if jobs and each.id == jobs[0].id])
    assert letter == DeadLetter(
        id=jobs[0].id,
        process_instance_id=None,
        element_id=letter.element_id,
        retries=0,
        exception_message="No assessor free",
    )


# ---------------------------------------------------------------- outcomes that do not fit


@on_every_release
def test_an_outcome_that_does_not_fit_the_job_fails_it_and_says_why(
    release_engine: RealEngine, models: Models, connect: Connect, subscribe: Subscribe
) -> None:
    """A BPMN error for a job of a case is refused by the engine; the job shows that to whoever looks for the reason."""
    model = models("two-ways.cmmn")
    release_engine.deploy_case(model.text)
    client = connect(release_engine)
    subscribe(client, model.topic("work"), lambda _job, result: result.bpmn_error().error_code("any"))
    case = release_engine.case_instance_id(release_engine.start_case(model.key))
    [job] = until(lambda: client._restClient.list_jobs(scope_id=case, with_exception=True).data)
    assert job.retries == 2
    assert "Can only complete BPMN external job with a BPMN error" in str(job.exception_message)
