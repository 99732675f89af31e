"""A handler alone: `run_handler` and `make_job`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from flowable.external_worker_client import (
    EngineRestVariable,
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    InvalidArgumentError,
    WorkerResultBuilder,
)
from flowable.external_worker_client.testing import (
    EmbeddedAdapter,
    EmbeddedEngine,
    JumpingClock,
    Outcome,
    Process,
    Task,
    Value,
    make_job,
    run_handler,
)

Job = ExternalWorkerAcquireJobResponse
Handler = Callable[[Job, WorkerResultBuilder], Any]


class Executes:
    """An outcome of somebody's own: calls a function with the REST client."""

    def __init__(self, function: Callable[[Any], object]) -> None:
        self.function = function

    def execute(self, rest_client: Any) -> object:
        """See `Executable`."""
        return self.function(rest_client)


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        pytest.param(lambda job, result: None, Outcome(kind="success"), id="none"),
        pytest.param(
            lambda job, result: result.success().variable_string("a", "1").variable_int("a", 2).variable_json("b", [1]),
            Outcome(kind="success", variables={"a": 2, "b": [1]}, types={"a": "integer", "b": "json"}),
            id="success",
        ),
        pytest.param(
            lambda job, result: result.failure().error_message("m").error_details("d").retries(0).retry_timeout("10m"),
            Outcome(kind="failure", message="m", details="d", retries=0, retry_timeout=timedelta(minutes=10)),
            id="failure",
        ),
        pytest.param(
            lambda job, result: result.bpmn_error().error_code("empty").variable_boolean("sent", False),
            Outcome(kind="bpmn_error", error_code="empty", variables={"sent": False}, types={"sent": "boolean"}),
            id="bpmn error",
        ),
        pytest.param(
            lambda job, result: result.cmmn_terminate().variable_float("x", 1.5),
            Outcome(kind="cmmn_terminate", variables={"x": 1.5}, types={"x": "double"}),
            id="cmmn terminate",
        ),
        pytest.param(
            lambda job, result: Executes(
                lambda client: client.complete_job(job.id, [EngineRestVariable("a", None, 1)], client.worker_id)
            ),
            Outcome(kind="success", variables={"a": 1}, types={"a": None}),
            id="an outcome of one's own",
        ),
        pytest.param(
            lambda job, result: Executes(lambda client: client.fail_job(job.id, retry_timeout=1.5)),
            Outcome(kind="failure", retry_timeout=timedelta(seconds=1.5)),
            id="a failure of one's own",
        ),
        pytest.param(lambda job, result: Executes(lambda client: None), Outcome(kind="unsettled"), id="nothing told"),
    ],
)
def test_the_outcome_is_what_the_handler_decided(handler: Handler, expected: Outcome) -> None:
    """Of every kind, with everything that belongs to it."""
    assert run_handler(handler) == expected


def test_an_outcome_shows_what_there_is() -> None:
    """And leaves out the rest, for messages that can be read."""
    outcome = run_handler(lambda job, result: result.success().variable_int("pages", 3))
    assert repr(outcome) == "Outcome(kind='success', variables={'pages': 3}, types={'pages': 'integer'})"


def raises(error: BaseException) -> Handler:
    """Return a handler that raises."""

    def handler(job: Job, result: WorkerResultBuilder) -> None:
        raise error

    return handler


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no such customer"), "no such customer"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
        (SystemExit(), "SystemExit"),
        (AssertionError("a check of the handler"), "a check of the handler"),
    ],
    ids=repr,
)
def test_an_exception_becomes_the_failure_that_is_reported(error: BaseException, message: str) -> None:
    """The library does the same, to the text of the message."""
    outcome = run_handler(raises(error))
    assert (outcome.kind, outcome.message, outcome.exception) == ("failure", message, error)
    assert outcome.details is not None
    assert outcome.details.splitlines()[0] == "Traceback (most recent call last):"
    engine = EmbeddedEngine(Process("p", Task("work", "t")), clock=JumpingClock())
    engine.start("p")
    adapter = EmbeddedAdapter(engine)
    client = ExternalWorkerClient(adapter.url, customize_session=adapter.mount)
    subscription = client.subscribe("t", raises(error))
    engine.wait_until(lambda engine: bool(engine.sent("fail")))
    subscription.unsubscribe(5)
    assert engine.sent("fail")[0].message == message


def test_an_exception_is_let_through_when_asked() -> None:
    """For a test that expects it."""
    with pytest.raises(ZeroDivisionError):
        run_handler(lambda job, result: 1 / 0, raising=True)  # type: ignore[arg-type, return-value]


def test_what_is_meant_for_the_test_is_always_let_through() -> None:
    """Ctrl-C and pytest.fail inside a handler end the test."""
    with pytest.raises(KeyboardInterrupt):
        run_handler(raises(KeyboardInterrupt()))
    with pytest.raises(pytest.fail.Exception, match="not this"):
        run_handler(lambda job, result: pytest.fail("not this"))


def test_what_is_no_outcome_fails_the_job() -> None:
    """As it does in a subscription, for a coroutine too."""

    async def later() -> None:
        """Never awaited."""

    returned = run_handler(lambda job, result: 42)  # type: ignore[arg-type, return-value]
    assert (returned.kind, type(returned.exception)) == ("failure", TypeError)
    assert str(returned.message).startswith("the handler returned 42, a int; accepted are None, ")
    awaited = run_handler(lambda job, result: later())  # type: ignore[arg-type, return-value]
    assert "a coroutine; accepted are" in str(awaited.message)


def test_what_cannot_be_subscribed_is_refused() -> None:
    """Something that cannot be called, async functions, and objects that are called so."""

    async def handler(job: Job, result: WorkerResultBuilder) -> None:
        """Never called."""

    class Called:
        async def __call__(self, job: Job, result: WorkerResultBuilder) -> None:
            """Never called."""

    for wrong in ("a text", handler, Called()):
        with pytest.raises(InvalidArgumentError, match=r"^handler=.* and not async$"):
            run_handler(wrong)  # type: ignore[arg-type]


def test_an_outcome_that_raises_after_it_told_the_engine_stays_told() -> None:
    """The engine has it already; the exception is there to be seen."""

    def execute(client: Any) -> None:
        client.complete_job("job-1")
        raise OSError("too late")

    outcome = run_handler(lambda job, result: Executes(execute))
    assert (outcome, str(outcome.exception)) == (Outcome(kind="success"), "too late")


def test_an_outcome_that_tells_twice_or_of_another_job_is_an_error() -> None:
    """Both are refused by the engine, where nobody sees it."""

    def twice(client: Any) -> None:
        client.complete_job("job-1")
        client.fail_job("job-1", "oh")

    with pytest.raises(AssertionError) as caught:
        run_handler(lambda job, result: Executes(twice))
    assert str(caught.value).splitlines() == [
        "the outcome settles the job more than once; the engine answers 404 to all but one",
        "  Outcome(kind='success')",
        "  Outcome(kind='failure', message='oh')",
    ]
    with pytest.raises(AssertionError, match=r"settles job 'job-2', but the handler was given 'job-1'"):
        run_handler(lambda job, result: Executes(lambda client: client.job_with_cmmn_terminate("job-2", [])))


def test_an_outcome_that_needs_an_engine_says_so() -> None:
    """The stand-in has the calls that settle a job."""
    outcome = run_handler(lambda job, result: Executes(lambda client: client.list_jobs()))
    assert "not 'list_jobs'; test this on the embedded engine" in str(outcome.message)


def test_the_handler_gets_the_job_that_is_given() -> None:
    """One made before, or one made from the arguments, but not both."""
    seen: list[Job] = []

    def handler(job: Job, result: WorkerResultBuilder) -> None:
        seen.append(job)

    job = make_job({"a": 1}, id="7")
    run_handler(handler, job=job)
    run_handler(handler, {"b": 2}, retries=1)
    assert seen[0] is job
    assert (seen[1].variables[0].name, seen[1].retries) == ("b", 1)
    with pytest.raises(TypeError, match="either a job, or the variables and attributes"):
        run_handler(handler, job=job, retries=1)


def test_a_made_job_is_like_an_acquired_one() -> None:
    """Of a process or of a case: the members that are None, and the types of the others, are those of the engine."""
    engine = EmbeddedEngine(Process("p", Task("task", "t")))
    engine.start("p", {"a": 1})
    adapter = EmbeddedAdapter(engine)
    (acquired,) = ExternalWorkerClient(adapter.url, customize_session=adapter.mount)._restClient.acquire_jobs("t", 300)
    made = make_job({"a": 1})
    assert {name: type(value) for name, value in vars(made).items()} == {
        name: type(value) for name, value in vars(acquired).items()
    }
    assert isinstance(made.lock_expiration_time, datetime)
    assert made.lock_expiration_time > datetime.now(UTC).replace(tzinfo=None)
    case = make_job(scope_type="cmmn", sub_scope_id="item")
    assert (case.process_instance_id, case.execution_id, case.scope_id) == (None, None, "case-instance-1")
    assert (case.scope_type, case.sub_scope_id) == ("cmmn", "item")


def test_variables_arrive_as_the_engine_sends_them() -> None:
    """Types follow from the Python type; a `Value` and an `EngineRestVariable` say theirs."""
    values = {
        "text": "a",
        "small": 1,
        "large": 2**40,
        "number": 1.5,
        "yes": True,
        "json": {"a": [1]},
        "nothing": None,
        "moment": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "price": Decimal("1.50"),
        "short": Value("short", 3),
    }
    sent = {each.name: (each.type, each.value) for each in make_job(values).variables}
    assert sent == {
        "text": ("string", "a"),
        "small": ("integer", 1),
        "large": ("long", 2**40),
        "number": ("double", 1.5),
        "yes": ("boolean", True),
        "json": ("json", {"a": [1]}),
        "nothing": (None, None),
        "moment": ("instant", "2026-01-02T03:04:05Z"),
        "price": ("bigDecimal", "1.50"),
        "short": ("short", 3),
    }
    given = EngineRestVariable("x", "date", "2026-01-02")
    assert make_job([given]).variables == [given]


def test_an_unknown_attribute_is_refused_by_name() -> None:
    """A misspelt one would otherwise change nothing, and the test would test nothing."""
    with pytest.raises(TypeError, match=r"^a job has no attribute retry; it has correlation_id, .*retries"):
        make_job(retry=1)  # type: ignore[call-arg]
