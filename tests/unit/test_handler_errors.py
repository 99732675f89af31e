"""The exceptions by which handlers say how their job ends, and the variables that go with them."""

from __future__ import annotations

import decimal
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from flowable.external_worker_client import (
    BpmnError,
    CmmnTerminate,
    DeadLetter,
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerError,
    HandlerError,
    InvalidArgumentError,
    JobFailure,
    RetryLater,
    WorkerResultBpmnError,
    WorkerResultBuilder,
    WorkerResultCmmnTerminate,
)
from flowable.external_worker_client.handlers import callback
from flowable.external_worker_client.testing import make_job


class OfTheirOwn(JobFailure):
    """One with another constructor, which forgets ours."""

    def __init__(self, code: int) -> None:
        self.reason = f"reason {code}"


# ---------------------------------------------------------------- the exceptions


@pytest.mark.parametrize(
    ("error", "text", "facts"),
    [
        (BpmnError(), "BPMN error without a code", {"code": None, "variables": {}}),
        (
            BpmnError("empty", code=1, **{"Customer No": None}),
            "BPMN error 'empty' with code, Customer No",
            {"code": "empty", "variables": {"code": 1, "Customer No": None}},
        ),
        (CmmnTerminate(), "terminate the plan item", {"variables": {}}),
        (CmmnTerminate(why="over"), "terminate the plan item with why", {"variables": {"why": "over"}}),
        (JobFailure("closed"), "closed", {"message": "closed", "retries": None, "retry_after": None}),
        (
            JobFailure("closed", retries=0, retry_after="1h"),
            "closed",
            {"message": "closed", "retries": 0, "retry_after": 3600.0},
        ),
        (RetryLater("PT5M"), "retry after 300 s", {"delay": 300.0, "message": None}),
        (
            RetryLater(timedelta(days=1), "closed"),
            "retry after 86400 s: closed",
            {"delay": 86400.0, "message": "closed"},
        ),
        (DeadLetter("never"), "never", {"message": "never"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_exception_says_what_it_carries_and_survives_a_pickle(
    error: HandlerError, text: str, facts: dict[str, object]
) -> None:
    """Handlers may run in other processes. The values of variables are in no text, which may go to a log."""
    error.add_note("a note")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert isinstance(error, ExternalWorkerError)
    for each in (error, again):
        assert type(each) is type(error)
        assert str(each) == text
        assert vars(each) == {**facts, "__notes__": ["a note"]}


def test_derived_exceptions_may_have_constructors_of_their_own() -> None:
    """What they leave out is as it stands in the class."""
    again: OfTheirOwn = pickle.loads(pickle.dumps(OfTheirOwn(5)))  # noqa: S301 - made here
    assert (again.reason, again.message, again.retries, again.retry_after) == ("reason 5", "", None, None)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: BpmnError(5), "code=5"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: BpmnError("a", amount=decimal.Decimal("NaN")), "amount=Decimal('NaN')"),
        (lambda: BpmnError("a", **{"n" * 256: 1}), "name="),
        (lambda: CmmnTerminate(proof=b"seen"), "proof=b'seen'"),
        (lambda: JobFailure(ValueError("a")), "message=ValueError('a')"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: JobFailure("a", retries=-1), "retries=-1"),
        (lambda: JobFailure("a", retries=True), "retries=True"),
        (lambda: JobFailure("a", retry_after="soon"), "retry_after='soon'"),
        (lambda: JobFailure("a", retry_after=-1), "retry_after=-1"),
        (lambda: RetryLater("soon"), "delay='soon'"),
        (lambda: RetryLater(None), "delay=None"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: RetryLater(1, 5), "message=5"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: DeadLetter(None), "message=None"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_argument_is_refused_by_its_name(make: Callable[[], object], named: str) -> None:
    """In the line that raises, so that the traceback shows it."""
    with pytest.raises(InvalidArgumentError) as caught:
        make()
    assert str(caught.value).startswith(f"{named} is not accepted") or named == "name="


# ---------------------------------------------------------------- variables


def test_the_builder_takes_a_mapping(job: ExternalWorkerAcquireJobResponse) -> None:
    """After other steps, in the order of the mapping."""
    outcome = WorkerResultBuilder(job).success().variable_string("first", "a").variables({"second": 2, "third": None})
    assert repr(outcome) == "WorkerResultSuccess(variables=[first, second, third])"


@pytest.mark.parametrize(
    ("mapping", "named"),
    [([("a", 1)], "mapping=[('a', 1)]"), ({"a": {1}}, "variables('a') value={1}"), ({5: 1}, "name=5")],
    ids=["no mapping", "no value", "no name"],
)
def test_the_builder_names_what_it_refuses(job: ExternalWorkerAcquireJobResponse, mapping: Any, named: str) -> None:
    """As the other steps do."""
    with pytest.raises(InvalidArgumentError) as caught:
        WorkerResultBuilder(job).success().variables(mapping)
    assert str(caught.value).startswith(f"{named} is not accepted")


# ---------------------------------------------------------------- raised in a handler


class Sent:
    """A REST client that writes down what settles."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def job_with_bpmn_error(self, job_id: str, variables: Any, error_code: object) -> None:
        """Write it down."""
        self.calls.append((job_id, [(each.name, each.type, each.value) for each in variables], error_code))

    def job_with_cmmn_terminate(self, job_id: str, variables: Any) -> None:
        """Write it down."""
        self.calls.append((job_id, [(each.name, each.type, each.value) for each in variables]))


@pytest.fixture
def job() -> ExternalWorkerAcquireJobResponse:
    """Any job."""
    return make_job()


def raising(error: BaseException, cause: BaseException | None = None) -> Callable[..., None]:
    """Return a handler that raises."""

    def handler(_job: object, _result: object) -> None:
        raise error from cause

    return handler


@pytest.mark.parametrize("cause", [None, ValueError("before")], ids=["alone", "from another"])
def test_a_bpmn_error_that_is_raised_is_an_outcome(
    job: ExternalWorkerAcquireJobResponse, cause: BaseException | None
) -> None:
    """With its code and variables, as if it had been built."""
    outcome = callback.run(raising(BpmnError("empty", lines=0, big=2**40), cause), job)
    sent = Sent()
    outcome.execute(sent)
    assert isinstance(outcome, WorkerResultBpmnError)
    assert sent.calls == [(job.id, [("lines", "integer", 0), ("big", "long", 2**40)], "empty")]


def test_a_cmmn_terminate_that_is_raised_is_an_outcome(job: ExternalWorkerAcquireJobResponse) -> None:
    """With its variables."""
    outcome = callback.run(raising(CmmnTerminate(why=None)), job)
    sent = Sent()
    outcome.execute(sent)
    assert isinstance(outcome, WorkerResultCmmnTerminate)
    assert sent.calls == [(job.id, [("why", None, None)])]


@pytest.mark.parametrize(
    "error",
    [
        JobFailure("a"),
        RetryLater(1),
        DeadLetter("a"),
        ValueError("a"),
        SystemExit(1),
        ExceptionGroup("a", [BpmnError()]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_other_exception_goes_on(job: ExternalWorkerAcquireJobResponse, error: BaseException) -> None:
    """To the one who knows the job's retries."""
    with pytest.raises(type(error)) as caught:
        callback.run(raising(error), job)
    assert caught.value is error


def test_a_bpmn_error_behind_another_exception_is_none(job: ExternalWorkerAcquireJobResponse) -> None:
    """What counts is what was raised last."""
    with pytest.raises(ValueError, match="after"):
        callback.run(raising(ValueError("after"), BpmnError("empty")), job)
