"""From what a handler returns to its outcome; and what its exceptions mean."""

from __future__ import annotations

import asyncio
import enum
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, NamedTuple, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from flowable.external_worker_client import (
    BpmnError,
    CmmnTerminate,
    DeadLetter,
    ExternalWorkerAcquireJobResponse,
    HandlerError,
    InvalidArgumentError,
    JobFailure,
    RetryLater,
    RetryPolicy,
    WorkerResultBpmnError,
    WorkerResultBuilder,
    WorkResult,
)
from flowable.external_worker_client.handlers import errors_table
from flowable.external_worker_client.handlers.context import Context
from flowable.external_worker_client.handlers.declared import declare
from flowable.external_worker_client.handlers.invalid import InvalidOutcomeError, InvalidVariablesError
from flowable.external_worker_client.testing import Outcome, make_job
from flowable.external_worker_client.testing.outcomes import Recorder
from flowable.external_worker_client.variables import Typed, release
from flowable.external_worker_client.worker_result import NothingReturned

Job = ExternalWorkerAcquireJobResponse


@dataclass
class Invoice:
    """A dataclass."""

    invoice_id: str
    total: Decimal


class InvoiceModel(BaseModel):
    """A model: aliases are names, what is excluded is left out, what is extra goes along."""

    model_config = {"extra": "allow"}

    invoice_id: str
    due_date: date = Field(serialization_alias="Due Date")
    secret: str = Field(default="s", exclude=True)


class InvoiceDict(TypedDict):
    """A TypedDict."""

    invoice_id: str


class Pair(NamedTuple):
    """A tuple has no names that last."""

    invoice_id: str


class Color(enum.Enum):
    """An enum."""

    RED = "red"


class Own:
    """An outcome of somebody's own."""

    def execute(self, client: Any) -> None:
        """Tell the engine."""
        client.complete_job("job-1")


def told(returned: Any, variables: Any = None, **options: Any) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Return names and values, and types, of what a handler tells by returning this."""
    outcome = declare(lambda: returned, **options).run(make_job(variables))
    recorder = Recorder()
    outcome.execute(recorder)
    ((_, said),) = recorder.told
    assert said.kind == "success"
    return said.variables, said.types


def meant(error: BaseException, **options: Any) -> BaseException:
    """Return what a handler that raises this is taken to mean."""

    def handler() -> None:
        raise error

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is
        declare(handler, **options).call(make_job())
    return caught.value


# ---------------------------------------------------------------- outcomes


@pytest.mark.parametrize(
    ("returned", "values", "types"),
    [
        pytest.param({}, {}, {}, id="nothing to tell"),
        pytest.param({"invoice_id": "R1"}, {"invoiceId": "R1"}, {"invoiceId": "string"}, id="dict"),
        pytest.param(
            {"Customer No": 5, "aB": 1.5, "from_": None}, {"Customer No": 5, "aB": 1.5, "from": None}, None, id="odd"
        ),
        pytest.param(InvoiceDict(invoice_id="R1"), {"invoiceId": "R1"}, None, id="TypedDict"),
        pytest.param(
            Invoice("R1", Decimal("1.50")),
            {"invoiceId": "R1", "total": "1.50"},
            {"invoiceId": "string", "total": "bigDecimal"},
            id="dataclass",
        ),
        pytest.param(
            InvoiceModel(invoice_id="R1", due_date=date(2026, 2, 28), some_more=1),  # type: ignore[call-arg]
            {"invoiceId": "R1", "Due Date": "2026-02-28", "someMore": 1},
            {"invoiceId": "string", "Due Date": "localDate", "someMore": "integer"},
            id="model",
        ),
        pytest.param({"x": Typed(5, "short")}, {"x": 5}, {"x": "short"}, id="typed"),
        pytest.param(
            {"lines": [Invoice("R1", Decimal(1))]}, {"lines": [{"invoice_id": "R1", "total": "1"}]}, None, id="json"
        ),
    ],
)
def test_fields_become_variables(returned: Any, values: dict[str, Any], types: dict[str, str] | None) -> None:
    """Each of the type that keeps it; only the first level has names of variables."""
    got, kinds = told(returned)
    assert got == values
    assert types is None or kinds == types


def test_names_can_stay_as_they_are() -> None:
    """For models that write them so."""
    assert told({"invoice_id": 1}, names="as_is")[0] == {"invoice_id": 1}


def test_a_variable_that_the_job_has_is_written_under_its_name() -> None:
    """The same rule as for parameters: a handler that reads `invoice_id` writes it, too."""
    assert told({"invoice_id": 2, "other_id": 3}, {"invoice_id": 1})[0] == {"invoice_id": 2, "otherId": 3}


@pytest.mark.parametrize(
    ("returned", "value", "kind"),
    [
        ("R1", "R1", "string"),
        (None, None, None),
        (Decimal("1.50"), "1.50", "bigDecimal"),
        (Color.RED, "red", "string"),
        ([1, 2], [1, 2], "json"),
        ({"invoice_id": 1}, {"invoice_id": 1}, "json"),
        (Invoice("R1", Decimal(1)), {"invoice_id": "R1", "total": "1"}, "json"),
        (Typed(5, "long"), 5, "long"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_a_value_goes_where_result_says(returned: Any, value: Any, kind: str | None) -> None:
    """All of it into one variable."""
    assert told(returned, result="theResult") == ({"theResult": value}, {"theResult": kind})


@pytest.mark.parametrize("options", [{}, {"result": "x"}], ids=["fields", "result"])
def test_an_outcome_passes_as_it_is(options: Any) -> None:
    """Of the builder, or of somebody's own."""
    job = make_job()
    for outcome in (WorkerResultBuilder(job).failure(), Own()):
        assert declare(lambda outcome=outcome: outcome, **options).run(job) is outcome


def test_nothing_is_success() -> None:
    """Told as version 1 told it."""
    assert isinstance(declare(lambda: None).run(make_job()), NothingReturned)


async def forgotten() -> None:
    """Never awaited."""


@pytest.mark.parametrize(
    ("returned", "options", "said"),
    [
        ("text", {}, "returned 'text', a str: it must return None, a dict, dataclass, TypedDict or pydantic model"),
        (5, {}, 'returned 5, a int: .*for a value alone, name its variable: result="name"'),
        ([1], {}, "returned .*, a list"),
        (Pair("R1"), {}, "returned .*, a Pair"),
        (Invoice, {}, "returned <class '.*Invoice'>, a type"),
        (WorkResult, {}, "returned <class '.*WorkResult'>, a type"),
        (WorkResult(), {}, "returned .*, a WorkResult"),
        ({"a": b"bytes"}, {}, r"returned what cannot be sent: variables\['a'\]=b'bytes' is not accepted: it must be"),
        (b"bytes", {"result": "x"}, r"returned what cannot be sent: variables\['x'\]"),
        ({5: 1}, {}, "returned what cannot be sent: name=5"),
        ({"a_b": 1, "aB": 2}, {}, "returned two values for the variable 'aB'"),
        (float("nan"), {"result": "x"}, "returned what cannot be sent: .*finite"),
        (Typed(70_000, "short"), {"result": "x"}, "returned what cannot be sent: .*32767"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_what_is_no_outcome_is_a_dead_letter(returned: Any, options: Any, said: str) -> None:
    """The work is done, and would be done again for nothing."""
    with pytest.raises(InvalidOutcomeError, match=said) as caught:
        declare(lambda: returned, **options).run(make_job())
    assert isinstance(caught.value, DeadLetter)


def test_a_forgotten_coroutine_is_closed() -> None:
    """Otherwise Python would warn about it, somewhere else."""
    with pytest.raises(InvalidOutcomeError, match=r"returned a coroutine.*async def"):
        declare(lambda: forgotten()).run(make_job())  # noqa: PLW0108 - no coroutine function


# ---------------------------------------------------------------- exceptions


def test_decisions_are_outcomes_or_are_raised() -> None:
    """`run` makes outcomes of what is one; failures are for whoever reports them."""

    def handler(how: str) -> None:
        raise {"bpmn": BpmnError("E1", a=1), "cmmn": CmmnTerminate(b=2), "later": RetryLater(5)}[how]

    async def coroutine(how: str) -> None:
        handler(how)

    for run in (declare(handler).run, lambda job: asyncio.run(declare(coroutine).run_async(job))):
        error = run(make_job({"how": "bpmn"}))
        assert isinstance(error, WorkerResultBpmnError)
        recorder = Recorder()
        error.execute(recorder)
        run(make_job({"how": "cmmn"})).execute(recorder)
        assert [outcome for _, outcome in recorder.told] == [
            Outcome(kind="bpmn_error", error_code="E1", variables={"a": 1}, types={"a": "integer"}),
            Outcome(kind="cmmn_terminate", variables={"b": 2}, types={"b": "integer"}),
        ]
        with pytest.raises(RetryLater):
            run(make_job({"how": "later"}))


class SpecialError(ValueError):
    """A more specific one."""


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        pytest.param(DeadLetter, DeadLetter("wrong"), id="class"),
        pytest.param(JobFailure, JobFailure("wrong"), id="the other class"),
        pytest.param(BpmnError("E1", a=1), BpmnError("E1", a=1), id="object"),
        pytest.param(RetryLater("5m"), RetryLater(300, "wrong"), id="later"),
        pytest.param(RetryLater("5m", "closed"), RetryLater(300, "closed"), id="later, and why"),
        pytest.param(lambda error: RetryLater("5m"), RetryLater(300, "wrong"), id="function to later"),
        pytest.param(lambda error: BpmnError(str(error)), BpmnError("wrong"), id="function"),
        pytest.param(lambda error: OSError(f"as {error}"), OSError("as wrong"), id="function to another"),
        pytest.param(OSError, OSError("wrong"), id="type as function"),
        pytest.param(lambda error: None, SpecialError("wrong"), id="function that leaves it"),
        pytest.param(RetryPolicy(attempts=8), SpecialError("wrong"), id="policy"),
    ],
)
def test_an_exception_means_what_the_table_says(action: Any, expected: BaseException) -> None:
    """Raised in its place, and from it."""
    error = SpecialError("wrong")
    got = meant(error, errors={ValueError: action})
    assert (type(got), str(got)) == (type(expected), str(expected))
    if isinstance(got, HandlerError):
        assert {**vars(got)} == {**vars(expected)}
    if got is not error:
        assert got.__cause__ is error


def test_an_object_in_a_table_is_raised_as_a_copy() -> None:
    """What Python notes in it belongs to one job."""
    action = BpmnError("E1")
    first, second = (meant(ValueError(text), errors={ValueError: action}) for text in "ab")
    assert first is not action is not second
    assert (str(first.__cause__), str(second.__cause__), action.__cause__) == ("a", "b", None)


def test_the_most_specific_type_wins_and_the_table_of_the_handler_is_first() -> None:
    """As with `except` clauses, one `try` inside of another."""
    own = declare(lambda: None, errors={Exception: BpmnError("own"), SpecialError: BpmnError("own special")})
    within = own.within(errors={ValueError: BpmnError("worker"), SystemExit: BpmnError("worker exit")})
    outer = within.within(errors={SystemExit: DeadLetter, KeyError: BpmnError("outer"), KeyboardInterrupt: DeadLetter})
    cases: list[tuple[BaseException, str | None]] = [
        (SpecialError(), "own special"),
        (ValueError(), "own"),
        (KeyError(), "own"),
        (SystemExit(), "worker exit"),
        (GeneratorExit(), None),
        (asyncio.CancelledError(), None),
    ]
    for error, code in cases:

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is
            outer.call(make_job(), invoke=fail)
        assert getattr(caught.value, "code", None) == code


def test_what_says_itself_how_the_job_ends_is_not_looked_up() -> None:
    """A table about every exception is not about these."""
    for error in (BpmnError("E1"), CmmnTerminate(), RetryLater(5), JobFailure("x"), InvalidOutcomeError("x", "y")):
        assert meant(error, errors={BaseException: DeadLetter}) is error


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([], "a mapping of exception types"),
        ({"ValueError": DeadLetter}, "a mapping whose keys are exception types"),
        ({BpmnError: DeadLetter}, "a table of types that do not say themselves"),
        ({ValueError: BpmnError}, "the class alone does not say enough"),
        ({ValueError: RetryLater}, "the class alone does not say enough"),
        ({ValueError: 5}, "DeadLetter, JobFailure, an exception such as"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_a_table_that_says_nothing_is_refused(table: Any, said: str) -> None:
    """Where it is written."""
    with pytest.raises(InvalidArgumentError, match=said):
        errors_table.check(table)


def test_a_function_that_returns_no_exception_is_named() -> None:
    """A mistake in a table must not look like success."""
    got = meant(ValueError("x"), errors={ValueError: lambda error: "later"})
    assert str(got) == "errors[ValueError] returned 'later': it must return an exception, or None"


def test_policies_in_tables_are_for_the_topic() -> None:
    """Those of the worker too, unless the handler says something about the type."""
    first, second, third = RetryPolicy(attempts=2), RetryPolicy(attempts=3), RetryPolicy(attempts=4)
    own = declare(lambda: None, errors={ValueError: first, OSError: DeadLetter}, on_invalid=third)
    within = own.within(errors={ConnectionError: second, KeyError: second, SpecialError: second})
    assert within.retry_policies == {ValueError: first, KeyError: second, InvalidVariablesError: third}


@pytest.mark.parametrize(
    ("own", "worker", "expected"),
    [
        (None, None, DeadLetter),
        (None, JobFailure, JobFailure),
        (BpmnError("badData"), JobFailure, BpmnError),
        (RetryPolicy(), None, InvalidVariablesError),
        (lambda error: RetryLater(60, error.problems[0].variable), None, RetryLater),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_invalid_variables_are_a_dead_letter_unless_told_otherwise(
    own: Any, worker: Any, expected: type[BaseException]
) -> None:
    """No table of exceptions has a say; the handler is not called."""

    def handler(customer: str) -> None:
        raise AssertionError(customer)

    declared = declare(handler, on_invalid=own, errors={Exception: RetryLater(5)}).within(on_invalid=worker)
    with pytest.raises(expected) as caught:
        declared.call(make_job())
    said = caught.value if isinstance(caught.value, InvalidVariablesError) else caught.value.__cause__
    assert isinstance(said, InvalidVariablesError)
    if expected in {DeadLetter, JobFailure}:
        assert str(caught.value) == str(said)


def test_redaction_of_the_worker_counts_where_the_handler_says_nothing() -> None:
    """Options per handler over per worker."""

    def handler(customer: str) -> None:
        """Never called."""

    job = make_job({"customer": 4711})
    for own, worker, shown in [(None, True, False), (False, True, True), (True, False, False), (None, None, True)]:
        declared = declare(handler, redact=own).within(redact=worker).within(redact=None)
        with pytest.raises(InvalidVariablesError) as caught:
            declared.bind(job)
        assert ("4711" in str(caught.value)) is shown


KINDS: list[type[BaseException]] = [Exception, ValueError, SpecialError, OSError, ConnectionError, ConnectionResetError]
TABLES = st.dictionaries(st.sampled_from(KINDS), st.integers(0, 9).map(lambda n: BpmnError(str(n))), max_size=4)


@given(st.lists(TABLES, max_size=3), st.sampled_from(KINDS))
def test_tables_are_nested_except_clauses(
    tables: list[dict[type[BaseException], Any]], kind: type[BaseException]
) -> None:
    """What Python itself would do with clauses sorted by how specific they are."""

    def nested(run: Callable[[], object], table: dict[type[BaseException], Any]) -> Callable[[], object]:
        def attempt() -> object:
            try:
                return run()
            except Exception as error:
                for each in sorted(table, key=lambda each: -len(each.__mro__)):
                    if isinstance(error, each):
                        return table[each]
                raise

        return attempt

    error = kind()

    def run() -> object:
        raise error

    for table in tables:
        run = nested(run, table)
    try:
        expected = run()
    except Exception:  # noqa: BLE001 - whatever it is
        expected = None
    assert errors_table.find(error, tuple(tables)) is expected


# ---------------------------------------------------------------- what the release of the engine cannot hold


def on_release(name: str | None, job: Job) -> Context:
    """Return a context whose client knows the release of its engine."""
    engine = None if name is None else release(name)
    return Context(job, client=SimpleNamespace(_restClient=SimpleNamespace(engine=engine)), logger="of.the.handler")


def builds(job: Job, result: WorkerResultBuilder) -> WorkResult:
    """Return a Decimal by the builder."""
    return result.success().variables({"y": Decimal("1.5")})


def terminates() -> None:
    """Give a Decimal to a case."""
    raise CmmnTerminate(y=Decimal("1.5"))


@pytest.mark.parametrize(
    ("handler", "how"),
    [
        pytest.param(lambda: {"y": Decimal("1.5")}, "returned", id="returned"),
        pytest.param(builds, "returned", id="built"),
        pytest.param(terminates, "raised CmmnTerminate with", id="raised"),
    ],
)
@pytest.mark.parametrize("redact", [False, True])
def test_what_the_release_cannot_hold_is_a_dead_letter(handler: Callable[..., Any], how: str, redact: bool) -> None:
    """It names handler, variable, type and release; nothing is tried again."""
    declared = declare(handler, redact=redact)
    job = make_job()
    with pytest.raises(InvalidOutcomeError) as caught:
        declared.run(job, on_release("6.8", job))
    said = str(caught.value)
    assert said.startswith(f"{declared.name} {how} what cannot be sent: variables['y']=")
    assert "Flowable 6.8 has: bigDecimal came with" in said
    assert ("1.5" in said) is not redact
    for holding in (on_release("7.2", job), on_release(None, job), Context(job), Context(job, client=object())):
        assert type(declared.run(job, holding)).__name__ in {"WorkerResultSuccess", "WorkerResultCmmnTerminate"}


def test_a_mapped_bpmn_error_that_the_release_cannot_hold_is_a_dead_letter() -> None:
    """As one that the handler raises."""

    async def handler() -> None:
        raise LookupError

    job = make_job()
    declared = declare(handler, errors={LookupError: BpmnError("E", y=Decimal(1))})
    with pytest.raises(InvalidOutcomeError, match="raised BpmnError with what cannot be sent"):
        asyncio.run(declared.run_async(job, on_release("6.8", job)))
    assert isinstance(asyncio.run(declared.run_async(job, on_release("7.2", job))), WorkerResultBpmnError)


# ---------------------------------------------------------------- values that are not to be shown


@pytest.mark.parametrize(
    ("returned", "options", "shown"),
    [
        ({"iban_out": b"SECRET"}, {"redact": True}, False),
        ({"iban": b"SECRET"}, {"redact": {"iban"}}, False),
        ({"iban_out": b"SECRET"}, {"redact": {"iban_out"}}, False),
        ({"iban_out": b"SECRET"}, {"redact": {"ibanOut"}}, False),
        ({"iban": {"SECRET": b"SECRET"}}, {"redact": {"iban"}}, False),
        (b"SECRET", {"redact": {"iban"}, "result": "iban"}, False),
        ("SECRET", {"redact": True}, False),
        ("SECRET", {"redact": {"iban"}}, False),
        ({"other": b"SECRET"}, {"redact": {"iban"}}, True),
        ({"other": b"SECRET"}, {"redact": False}, True),
    ],
)
def test_what_is_not_to_be_shown_is_not_shown_of_outcomes(returned: Any, options: Any, shown: bool) -> None:
    """Neither in the message nor in the trace, which is what the engine gets."""
    with pytest.raises(InvalidOutcomeError) as caught:
        declare(lambda: returned, result=options.pop("result", None)).within(**options).run(make_job())
    assert ("SECRET" in str(caught.value)) is shown
    trace = "".join(traceback.format_exception(caught.value))
    assert ("SECRET" in trace) is shown
    assert "bytes" in trace or "a str" in trace or not shown


# ---------------------------------------------------------------- what is heard of an exception that means another


class MuteError(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        """Refuse."""
        raise RuntimeError


@pytest.mark.parametrize(
    "action",
    [BpmnError("bad"), RetryLater("1h"), lambda error: BpmnError("bad")],
    ids=["error", "later", "function"],
)
def test_problems_with_variables_are_logged_whatever_they_mean(
    caplog: pytest.LogCaptureFixture, action: errors_table.ErrorAction
) -> None:
    """All of them, once, by the logger of the handler's module."""

    def handler(customer: str, pieces: int) -> None:
        raise AssertionError(customer, pieces)

    job = make_job({"pieces": "two"})
    with pytest.raises((BpmnError, RetryLater)) as caught:
        declare(handler, on_invalid=action).call(job, on_release(None, job))
    [record] = caplog.records
    assert (record.name, record.levelname) == ("of.the.handler", "WARNING")
    assert record.job_id == job.id  # type: ignore[attr-defined]
    for part in (job.id, type(caught.value).__name__, "- customer: ", "- pieces: "):
        assert part in record.getMessage()
    if isinstance(caught.value, RetryLater):
        assert "- pieces: " in str(caught.value.message)


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
@pytest.mark.parametrize("action", [BpmnError("E"), RetryLater("5m"), lambda error: CmmnTerminate()])
def test_an_exception_that_means_another_is_logged(caplog: pytest.LogCaptureFixture, action: Any, level: int) -> None:
    """With its place, because it may be a mistake of the program, and with its trace for those who look closer."""
    caplog.set_level(level)

    def handler() -> None:
        {"Ada": 1}["Bob"]

    job = make_job()
    with pytest.raises(HandlerError):
        declare(handler, errors={LookupError: action}).call(job, on_release(None, job))
    [record] = caplog.records
    assert (record.name, record.levelname) == ("of.the.handler", "INFO")
    assert job.id in record.getMessage()
    assert "KeyError" in record.getMessage()
    assert "'Bob'" in record.getMessage()
    assert f"{__file__}:{handler.__code__.co_firstlineno + 1}" in record.getMessage()
    trace = record.exc_info[1] if record.exc_info else None
    assert isinstance(trace, KeyError) == (level == logging.DEBUG)


@pytest.mark.parametrize("action", [DeadLetter, JobFailure, RetryPolicy(), OSError, lambda error: None])
def test_what_is_told_in_any_case_is_not_logged_twice(caplog: pytest.LogCaptureFixture, action: Any) -> None:
    """A failure is logged with the text of its exception."""
    caplog.set_level(logging.INFO)
    assert str(meant(SpecialError("wrong"), errors={ValueError: action})) == "wrong"
    assert caplog.records == []


def test_a_log_that_raises_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job ends as the table says."""

    def full(record: logging.LogRecord) -> bool:
        raise OSError("the disk is full")

    monkeypatch.setattr(logging.getLogger(__name__), "filters", [full])
    monkeypatch.setattr(logging.getLogger(__name__), "level", logging.INFO)
    assert isinstance(meant(SpecialError("wrong"), errors={ValueError: BpmnError("E")}), BpmnError)


@pytest.mark.parametrize("action", [DeadLetter, RetryLater("5m")])
def test_an_exception_without_a_text_is_named(action: Any) -> None:
    """Also if asking for it raises."""
    assert getattr(meant(MuteError(), errors={MuteError: action}), "message", None) == "MuteError"


def test_an_object_in_a_table_keeps_no_reason() -> None:
    """It is one for all jobs."""
    later = RetryLater("5m")
    for text in ("one", "two"):
        got = meant(SpecialError(text), errors={ValueError: later})
        assert (getattr(got, "message", None), getattr(got, "delay", None)) == (text, 300)
    assert (later.message, str(later)) == (None, "retry after 300 s")
