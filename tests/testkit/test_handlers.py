"""A handler alone: `run_handler` and `make_job`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import pytest

from flowable.external_worker_client import (
    BpmnError,
    DeadLetter,
    EngineRestVariable,
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    WorkerResultBuilder,
)
from flowable.external_worker_client.handlers.context import Context
from flowable.external_worker_client.handlers.declared import declare
from flowable.external_worker_client.handlers.invalid import InvalidHandlerError
from flowable.external_worker_client.handlers.parameters import Shared
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
    run_handler_async,
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
        run_handler(lambda job, result: 1 / 0, raising=True)


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

    returned = run_handler(lambda job, result: 42)
    assert (returned.kind, type(returned.exception)) == ("failure", TypeError)
    assert str(returned.message).startswith("the handler returned 42, a int; accepted are None, ")
    awaited = run_handler(lambda job, result: later())
    assert "a coroutine; accepted are" in str(awaited.message)


def test_what_cannot_be_a_handler_is_refused() -> None:
    """Something that cannot be called, a class, and functions with signatures that no worker takes."""

    def starred(customer: str, **more: str) -> None:
        """Never called."""

    def positional(customer: str, /) -> None:
        """Never called."""

    for wrong in ("a text", WorkerResultBuilder, starred, positional):
        with pytest.raises(InvalidHandlerError, match="cannot be a handler: "):
            run_handler(wrong)  # type: ignore[arg-type]


def test_a_typed_handler_gets_its_arguments_and_is_judged_by_what_it_returns() -> None:
    """Declared or not, `def` or `async def`; a wrong variable is a dead letter, and the handler is not called."""

    def send_invoice(customer: str, amount: Decimal = Decimal(1)) -> dict[str, object]:
        if not customer:
            raise BpmnError("nobody", amount=str(amount))
        return {"invoice_id": f"{customer}-{amount}"}

    async def later(customer: str) -> dict[str, object]:
        await asyncio.sleep(0)
        return send_invoice(customer)

    sent = Outcome(kind="success", variables={"invoiceId": "Ada-1"}, types={"invoiceId": "string"})
    assert run_handler(send_invoice, {"customer": "Ada"}) == sent
    assert run_handler(later, {"customer": "Ada"}) == sent
    assert asyncio.run(run_handler_async(later, {"customer": "Ada"})) == sent
    refused = run_handler(send_invoice, {"customer": "", "amount": Decimal("2.5")})
    assert (refused.kind, refused.error_code, refused.variables) == ("bpmn_error", "nobody", {"amount": "2.5"})
    assert isinstance(refused.exception, BpmnError)
    invalid = run_handler(send_invoice, {"customer": 5})
    assert (invalid.kind, invalid.retries) == ("failure", 0)
    assert "customer: expected str, found 5 (integer)" in str(invalid.message)


def test_the_options_that_a_handler_was_declared_with_count() -> None:
    """They hang on the function, which stays as it is."""

    def price(pieces: int) -> int:
        return 19 * pieces

    price.__flowable_handler__ = declare(price, result="total")  # type: ignore[attr-defined]
    assert run_handler(price, {"pieces": 2}).variables == {"total": 38}
    assert price(2) == 38


def test_the_context_is_that_of_the_test() -> None:
    """What the handlers of a worker share, and whether it is to stop."""

    def handler(context: Context, pool: Annotated[list[str], Shared]) -> None:
        pool.append(f"{context.attempt} {context.stop_requested} {context.job.id}")

    pool: list[str] = []
    stop = threading.Event()
    stop.set()
    context = Context(make_job(id="7"), attempt=2, stop=stop, shared=pool)
    assert run_handler(handler, context=context).kind == "success"
    assert pool == ["2 True 7"]
    with pytest.raises(TypeError, match="another job"):
        run_handler(handler, job=make_job(), context=context)


def test_an_async_test_awaits() -> None:
    """The event loop of the test cannot be used twice."""

    async def handler(customer: str) -> None:
        raise DeadLetter(customer)

    async def test() -> None:
        with pytest.raises(RuntimeError, match="await run_handler_async"):
            run_handler(handler, {"customer": "Ada"})
        outcome = await run_handler_async(handler, {"customer": "Ada"})
        assert (outcome.message, outcome.retries) == ("Ada", 0)
        with pytest.raises(DeadLetter, match="Ada"):
            await run_handler_async(handler, {"customer": "Ada"}, raising=True)
        with pytest.raises(TypeError, match="call run_handler"):
            await run_handler_async(lambda job, result: None)

    asyncio.run(test())


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
