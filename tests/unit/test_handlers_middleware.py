"""What stands around a handler: in which order, what it sees and may do, and what comes with the library."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.waiting import until

from flowable.external_worker_client import (
    BpmnError,
    CmmnTerminate,
    DeadLetter,
    InvalidArgumentError,
    JobFailure,
    RetryLater,
    Worker,
    WorkerResultBuilder,
)
from flowable.external_worker_client.handlers.context import Context
from flowable.external_worker_client.handlers.declared import declare
from flowable.external_worker_client.handlers.invalid import InvalidHandlerError, InvalidOutcomeError
from flowable.external_worker_client.handlers.middleware import AsyncCallNext, BothKinds, Call, CallNext, Limits
from flowable.external_worker_client.handlers.ready import (
    TimeLimitExceededError,
    circuit_breaker,
    idempotent,
    rate_limit,
    time_limit,
)
from flowable.external_worker_client.limiter import Allowance, Limiter
from flowable.external_worker_client.testing import make_job
from flowable.external_worker_client.testing.outcomes import Recorder
from flowable.external_worker_client.worker_result import Executable


class Noting:
    """Middleware for both kinds of handlers, which says when it is there."""

    def __init__(self, name: str, said: list[str]) -> None:
        self.name = name
        self.said = said

    def sync(self, call: Call, call_next: CallNext) -> Executable:
        """Note."""
        self.said.append(f"{self.name} before {call.arguments}")
        try:
            return call_next(call)
        finally:
            self.said.append(f"{self.name} after")

    async def asynchronous(self, call: Call, call_next: AsyncCallNext) -> Executable:
        """Note, too."""
        self.said.append(f"{self.name} before {call.arguments}")
        try:
            return await call_next(call)
        finally:
            self.said.append(f"{self.name} after")


def pass_on(call: Call, call_next: CallNext) -> Executable:
    """Do nothing."""
    return call_next(call)


async def pass_on_async(call: Call, call_next: AsyncCallNext) -> Executable:
    """Do nothing."""
    return await call_next(call)


class Clock:
    """Tells what it is told."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.time


def told(outcome: Executable) -> str:
    """Return what an outcome tells the engine."""
    recorder = Recorder()
    outcome.execute(recorder)
    ((job_id, said),) = recorder.told
    return f"{job_id} {said.kind} {said.error_code} {said.variables} {said.types}"


# ---------------------------------------------------------------- the chain


def test_the_first_is_the_outermost_and_the_worker_is_around_the_handler() -> None:
    """For both kinds."""
    said: list[str] = []

    def handler(customer: str) -> None:
        said.append(f"handler {customer}")

    async def coroutine(customer: str) -> None:
        handler(customer)

    worker, first, second = (Noting(name, said) for name in ("worker", "first", "second"))
    job = make_job({"customer": "Ada"})
    expected = [
        *(f"{name} before {{'customer': 'Ada'}}" for name in ("worker", "first", "second")),
        "handler Ada",
        *(f"{name} after" for name in ("second", "first", "worker")),
    ]
    declare(handler, middleware=[first, second]).within(middleware=[worker]).run(job)
    assert said == expected
    said.clear()
    asyncio.run(declare(coroutine, middleware=[first, second]).within(middleware=[worker]).run_async(job))
    assert said == expected


def test_a_call_says_what_it_is_about() -> None:
    """Handler, topic, job, context and arguments."""
    calls: list[Call] = []

    def note(call: Call, call_next: CallNext) -> Executable:
        calls.append(call)
        return call_next(call)

    def handler(customer: str) -> None:
        """Do nothing."""

    job = make_job({"customer": "Ada"})
    context = Context(job, topic="greet")
    declared = declare(handler, middleware=[note])
    declared.run(job, context)
    (call,) = calls
    assert (call.handler, call.topic, call.job, call.context) == (declared.name, "greet", job, context)
    assert call.arguments == {"customer": "Ada"}


def test_middleware_can_change_arguments_outcomes_and_exceptions() -> None:
    """And not call the handler at all."""

    def handler(customer: str) -> dict[str, object]:
        if customer == "nobody":
            raise KeyError(customer)
        return {"said": f"Hello {customer}"}

    def polite(call: Call, call_next: CallNext) -> Executable:
        if call.arguments["customer"] == "cached":
            return call.outcome({"the_answer": "from here"})
        try:
            call_next(dataclasses.replace(call, arguments={"customer": f"dear {call.arguments['customer']}"}))
            return call_next(call)
        except KeyError as error:
            raise BpmnError("nobody") from error

    declared = declare(handler, middleware=[polite])
    assert told(declared.run(make_job({"customer": "Ada"}))).endswith("{'said': 'Hello Ada'} {'said': 'string'}")
    assert "'theAnswer': 'from here'" in told(declared.run(make_job({"customer": "cached"})))
    with pytest.raises(BpmnError):
        declared.call(make_job({"customer": "nobody"}))


def test_a_failing_middleware_fails_the_job() -> None:
    """Its exception is like one of the handler: the table is asked."""

    def broken(call: Call, call_next: CallNext) -> Executable:
        raise OSError(call.handler, call_next)

    with pytest.raises(OSError, match="lambda"):
        declare(lambda: None, middleware=[broken]).call(make_job())
    with pytest.raises(DeadLetter):
        declare(lambda: None, middleware=[broken], errors={OSError: DeadLetter}).call(make_job())


def test_the_table_is_asked_after_all_middleware() -> None:
    """They see what the handler raised."""
    seen: list[BaseException] = []

    def note(call: Call, call_next: CallNext) -> Executable:
        try:
            return call_next(call)
        except BaseException as error:
            seen.append(error)
            raise

    def handler() -> None:
        raise ValueError("x")

    with pytest.raises(DeadLetter):
        declare(handler, middleware=[note], errors={ValueError: DeadLetter}).call(make_job())
    assert [type(each) for each in seen] == [ValueError]


def test_a_job_with_invalid_variables_reaches_no_middleware() -> None:
    """There is nothing that they could stand around."""

    def handler(customer: str) -> None:
        """Never called."""

    said: list[str] = []
    with pytest.raises(DeadLetter):
        declare(handler, middleware=[Noting("x", said)]).call(make_job())
    assert said == []


def test_a_forgotten_return_is_no_success() -> None:
    """It would complete the job without the variables of the handler."""

    def forgets(call: Call, call_next: CallNext) -> Executable:  # type: ignore[return]
        call_next(call)

    async def forgets_async(call: Call, call_next: AsyncCallNext) -> Executable:  # type: ignore[return]
        await call_next(call)

    def forgets_to_await(call: Call, call_next: Any) -> Any:
        return call_next(call)

    async def coroutine() -> None:
        """Do nothing."""

    said = r"forgets returned None, a NoneType: it must return an outcome: what call_next returned, or call\.outcome"
    with pytest.raises(InvalidOutcomeError, match=said):
        declare(lambda: None, middleware=[forgets]).run(make_job())
    with pytest.raises(InvalidOutcomeError, match="forgets_async returned None"):
        asyncio.run(declare(coroutine, middleware=[forgets_async]).run_async(make_job()))
    # Of the wrong kind, too: it could see nothing of the coroutine.
    with pytest.raises(
        InvalidHandlerError, match=r"forgets_to_await does not fit around it, which is async; .*async def"
    ):
        declare(coroutine, middleware=[forgets_to_await])


@pytest.mark.parametrize("wrong", [pass_on_async, 5, Noting], ids=["async", "nothing", "class"])
def test_middleware_of_the_other_kind_is_refused_when_declared(wrong: Any) -> None:
    """By the handler's own list, and by that of a worker."""
    with pytest.raises(
        InvalidHandlerError, match=r"does not fit around it, which is sync; accepted is middleware that is no"
    ):
        declare(lambda: None, middleware=[pass_on, wrong])
    with pytest.raises(InvalidHandlerError, match="does not fit around it"):
        declare(lambda: None).within(middleware=[wrong])
    assert isinstance(Noting("x", []), BothKinds)


class OneSided:
    """Middleware for both kinds, of which one is wrong."""

    def sync(self, call: Call) -> Executable:
        """Take too little."""
        raise AssertionError(call)

    async def asynchronous(self, call: Call, call_next: AsyncCallNext) -> Executable:
        """Pass on."""
        return await call_next(call)


def too_little(call: Call) -> Any:
    """Take no `call_next`."""
    raise AssertionError(call)


def too_much(call: Call, call_next: CallNext, more: int) -> Any:
    """Want something else."""
    raise AssertionError(call, call_next, more)


@pytest.mark.parametrize("wrong", [too_little, too_much, OneSided()], ids=["little", "much", "object"])
def test_middleware_that_cannot_be_called_is_refused_when_declared(wrong: Any) -> None:
    """Otherwise every job would fail."""
    with pytest.raises(InvalidHandlerError, match=r"cannot be called with a call and what comes next; .*call_next\)"):
        declare(lambda: None, middleware=[wrong])
    with pytest.raises(InvalidArgumentError, match=r"^middleware=.*functions of a call and call_next"):
        Worker().job("t", middleware=[wrong])
    with pytest.raises(InvalidArgumentError, match=r"^middleware="):
        Worker(middleware=[wrong])


def test_middleware_with_defaults_or_stars_is_no_mistake() -> None:
    """Whatever can be called with a call and what comes next."""

    def stars(*both: Any) -> Any:
        return both[1](both[0])

    def defaults(call: Call, call_next: CallNext, more: int = 1) -> Any:
        return call_next(call)

    around: list[Any] = [stars, defaults, functools.partial(too_much_and_passes, more=1)]
    assert told(declare(lambda: {"x": 1}, middleware=around).run(make_job()))


def too_much_and_passes(call: Call, call_next: CallNext, more: int) -> Any:
    """Pass on, with something else."""
    return call_next(call)


def test_what_middleware_returns_is_not_shown_where_values_are_not() -> None:
    """It sees the arguments, and may return one by mistake."""

    def leaks(call: Call, call_next: CallNext) -> Any:
        return call.arguments["iban"]

    def handler(iban: str) -> None:
        raise AssertionError(iban)

    cases: list[tuple[Any, bool]] = [(True, False), ({"iban"}, False), (False, True)]
    for redact, shown in cases:
        with pytest.raises(InvalidOutcomeError, match=r"leaks returned .*a str: it must") as caught:
            declare(handler, middleware=[leaks], redact=redact).run(make_job({"iban": "SECRET"}))
        assert ("SECRET" in str(caught.value)) is shown


def test_a_handler_can_be_called_elsewhere() -> None:
    """In a process, or on a cluster: with the function and the arguments, inside of all middleware."""
    said: list[str] = []

    def handler(customer: str) -> dict[str, object]:
        return {"said": customer}

    async def coroutine(customer: str) -> dict[str, object]:
        return handler(customer)

    def elsewhere(function: Callable[..., Any], arguments: dict[str, object]) -> Any:
        said.append(f"{function.__name__} {arguments}")
        return function(**arguments)

    job = make_job({"customer": "Ada"})
    declare(handler, middleware=[Noting("x", said)]).run(job, invoke=elsewhere)
    asyncio.run(declare(coroutine).run_async(job, invoke=elsewhere))
    assert said == [
        "x before {'customer': 'Ada'}",
        "handler {'customer': 'Ada'}",
        "x after",
        "coroutine {'customer': 'Ada'}",
    ]


# ---------------------------------------------------------------- time limit


def test_a_coroutine_is_cancelled_when_its_time_is_over() -> None:
    """What it does to end is done; the job fails, as tables and policies say."""
    ended: list[str] = []

    async def handler() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("yes")

    with pytest.raises(TimeLimitExceededError, match=r"handler took longer than its time limit of 0\.01 s") as caught:
        asyncio.run(declare(handler, middleware=[time_limit(0.01)]).run_async(make_job()))
    assert ended == ["yes"]
    assert isinstance(caught.value, TimeoutError)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert vars(again) == vars(caught.value)
    declared = declare(handler, middleware=[time_limit(0.01)], errors={TimeoutError: BpmnError("late")})
    with pytest.raises(BpmnError):
        asyncio.run(declared.call_async(make_job()))


def test_a_time_out_of_the_handler_itself_is_its_own() -> None:
    """It is no time limit that was exceeded."""

    async def handler() -> None:
        raise TimeoutError("of the bank")

    with pytest.raises(TimeoutError, match="of the bank") as caught:
        asyncio.run(declare(handler, middleware=[time_limit("1m")]).run_async(make_job()))
    assert not isinstance(caught.value, TimeLimitExceededError)


def test_of_a_thread_it_is_said_that_nothing_can_end_it(caplog: pytest.LogCaptureFixture) -> None:
    """While it runs; and nothing is said of one that ends in time."""
    go_on = threading.Event()

    def handler() -> None:
        assert go_on.wait(30)

    declared = declare(handler, middleware=[time_limit("10ms")])
    thread = threading.Thread(target=declared.run, args=(make_job(id="7"),))
    thread.start()
    (record,) = until(lambda: list(caplog.records))
    go_on.set()
    thread.join()
    assert "job 7: " in record.getMessage()
    assert "still runs after its time limit of 0.01 s. It runs on a thread" in record.getMessage()
    assert vars(record)["job_id"] == "7"
    caplog.clear()
    declare(lambda: None, middleware=[time_limit("1h")]).run(make_job())
    assert not caplog.records
    assert until(lambda: not any(isinstance(each, threading.Timer) for each in threading.enumerate()))


# ---------------------------------------------------------------- limits to acquiring


def test_a_rate_limit_limits_what_is_taken_and_lets_calls_pass() -> None:
    """Both kinds of them."""
    limit = rate_limit(2, per="10s")

    async def coroutine() -> None:
        """Do nothing."""

    declared = declare(lambda: None, middleware=[limit])
    assert declared.limiter is not None
    assert declared.limiter.take(5, 0.0) == Allowance(2, 0.0)
    assert declared.limiter.take(5, 4.0) == Allowance(0, 6.0)
    declared.limiter.give_back(1, 5.0)
    assert declared.limiter.take(5, 6.0) == Allowance(1, 0.0)
    declared.run(make_job())
    asyncio.run(declare(coroutine, middleware=[limit]).run_async(make_job()))
    assert repr(limit) == "rate_limit(2, per=10)"
    assert declare(lambda: None, middleware=[pass_on]).limiter is None


def test_limiters_have_to_agree() -> None:
    """What one does not allow is given back to the others."""
    large, small = rate_limit(10, per="1m"), rate_limit(3, per="1h")
    both = Limits([large, small])
    assert both.take(5, 0.0) == Allowance(3, 0.0)
    assert both.take(5, 1.0) == Allowance(0, 3599.0)
    assert large.take(99, 2.0) == Allowance(7, 0.0)
    both.give_back(2, 3.0)
    assert both.take(5, 3.0) == Allowance(2, 0.0)


def test_a_call_that_does_not_come_to_a_limiter_is_given_back() -> None:
    """Because of its variables, or because something before it had an answer."""

    class Counting(Noting):
        def __init__(self) -> None:
            super().__init__("counting", [])
            self.given: list[tuple[int, float]] = []

        def take(self, wanted: int, now: float) -> Allowance:
            raise AssertionError((wanted, now))

        def give_back(self, jobs: int, now: float) -> None:
            self.given.append((jobs, now))

    def handler(customer: str) -> None:
        """Do nothing."""

    def answers(call: Call, call_next: CallNext) -> Executable:
        return call.outcome(None)

    limiter = Counting()
    job = make_job({"customer": "Ada"})
    declare(handler, middleware=[limiter]).run(job)
    assert limiter.given == []
    declare(handler, middleware=[answers, limiter]).run(job, Context(job, now=lambda: 5.0))
    with pytest.raises(DeadLetter):
        declare(handler, middleware=[limiter]).call(make_job(), Context(job, now=lambda: 6.0))

    async def coroutine(customer: str) -> None:
        """Do nothing."""

    with pytest.raises(DeadLetter):
        asyncio.run(declare(coroutine, middleware=[limiter]).call_async(make_job(), Context(job, now=lambda: 7.0)))
    assert limiter.given == [(1, 5.0), (1, 6.0), (1, 7.0)]


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
def test_a_breaker_stops_acquiring_and_probes_with_one_job(  # noqa: PLR0915 - one story
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """And spends no retries while it is open, not even for the probe."""
    caplog.set_level(logging.INFO)
    clock = Clock()
    breaker = circuit_breaker(failures=2, pause="30s", exceptions=(OSError,))

    def handler(how: str) -> None:
        match how:
            case "down":
                raise ConnectionError("the bank is away")
            case "decided":
                raise BpmnError("E1")
            case "ours":
                raise ValueError("a mistake of ours")
            case "exit":
                raise SystemExit
            case _:
                pass

    async def coroutine(how: str) -> None:
        handler(how)

    declared = declare(coroutine if is_async else handler, middleware=[breaker])
    limiter = declared.limiter
    assert limiter is not None

    def run(how: str) -> BaseException | None:
        job = make_job({"how": how})
        context = Context(job, topic="pay", now=clock)
        try:
            if is_async:
                asyncio.run(declared.call_async(job, context))
            else:
                declared.call(job, context)
        except BaseException as error:  # noqa: BLE001 - whatever it is
            return error
        return None

    # Failures in a row: a decision of the handler is an answer of the bank, a mistake of ours tells nothing.
    assert isinstance(run("down"), ConnectionError)
    assert isinstance(run("decided"), BpmnError)
    assert isinstance(run("down"), ConnectionError)
    assert isinstance(run("ours"), ValueError)
    assert limiter.take(5, clock.time) == Allowance(5, 0.0)
    opened = run("down")
    assert isinstance(opened, RetryLater)
    assert (opened.delay, type(opened.__cause__)) == (30.0, ConnectionError)
    assert "is open: the bank is away" in str(opened.message)
    assert breaker.state == "open"

    clock.time = 10.0
    assert limiter.take(5, clock.time) == Allowance(0, 20.0)
    refused = run("fine")
    assert isinstance(refused, RetryLater)
    assert (refused.delay, refused.__cause__) == (20.0, None)

    clock.time = 30.0
    assert limiter.take(5, clock.time) == Allowance(1, 0.0)
    assert limiter.take(5, clock.time).jobs == 0
    limiter.give_back(1, clock.time)
    assert limiter.take(5, clock.time) == Allowance(1, 0.0)
    # The probe fails: no retry is spent, and the next pause begins.
    assert isinstance(run("down"), RetryLater)
    clock.time = 59.0
    assert limiter.take(5, clock.time) == Allowance(0, 1.0)
    clock.time = 60.0
    # One that tells nothing leaves it to the next one.
    assert isinstance(run("exit"), SystemExit)
    assert breaker.state == "half_open"
    assert run("fine") is None
    assert breaker.state == "closed"
    assert limiter.take(5, clock.time) == Allowance(5, 0.0)
    said = [record.getMessage() for record in caplog.records if "circuit breaker" in record.getMessage()]
    assert [text.rpartition(" is ")[2] for text in said] == ["open", "open", "half_open", "closed"]


def test_what_a_breaker_counts_can_be_chosen() -> None:
    """Decisions only by name: that a job failed in a way that the process knows is no outage."""

    def run(error: BaseException, **options: Any) -> str:
        breaker = circuit_breaker(failures=1, pause=30, **options)

        def handler() -> None:
            raise error

        with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever it is
            declare(handler, middleware=[breaker]).call(make_job())
        return breaker.state

    assert run(ValueError()) == "open"
    assert run(JobFailure("closed")) == "closed"
    assert run(DeadLetter("never")) == "closed"
    assert run(JobFailure("closed"), exceptions=(JobFailure,)) == "open"
    assert run(ValueError(), exceptions=(OSError,)) == "closed"
    assert run(SystemExit()) == "closed"
    assert repr(circuit_breaker()) == "circuit_breaker(failures=5, pause=30)"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: rate_limit(0), "jobs=0"),
        (lambda: rate_limit(5, per=0), "per=0 is not accepted: it must be above zero"),
        (lambda: time_limit("soon"), "limit='soon'"),
        (lambda: time_limit(0), "limit=0 is not accepted: it must be above zero"),
        (lambda: circuit_breaker(failures=0), "failures=0"),
        (lambda: circuit_breaker(pause=0), "pause=0"),
        (lambda: circuit_breaker(exceptions=(5,)), "a tuple of exception types"),  # type: ignore[arg-type]
        (lambda: idempotent({}), "store="),  # type: ignore[call-overload]
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Callable[[], object], said: str) -> None:
    """Where they are written."""
    with pytest.raises(InvalidArgumentError, match=said):
        make()


# ---------------------------------------------------------------- once only


class Kept:
    """A store."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def get(self, key: str, /) -> str | None:
        """Look."""
        return self.texts.get(key)

    def put(self, key: str, outcome: str, /) -> None:
        """Keep."""
        self.texts[key] = outcome


class AsyncKept:
    """One for coroutines."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    async def get(self, key: str, /) -> str | None:
        """Look."""
        await asyncio.sleep(0)
        return self.texts.get(key)

    async def put(self, key: str, outcome: str, /) -> None:
        """Keep."""
        await asyncio.sleep(0)
        self.texts[key] = outcome


def _decides(how: str) -> Any:
    match how:
        case "dict":
            return {"number": 5, "lines": [{"a": None}], "nothing": None}
        case "bpmn":
            raise BpmnError("E1", a=1)
        case "cmmn":
            raise CmmnTerminate(b="2")
        case "failure":
            return WorkerResultBuilder(make_job()).failure().error_message("no")
        case "raise":
            raise ValueError
        case "later":
            raise RetryLater(5)
        case _:
            return None


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
@pytest.mark.parametrize(
    ("how", "remembered"),
    [("none", 1), ("dict", 1), ("bpmn", 1), ("cmmn", 1), ("failure", 0), ("raise", 0), ("later", 0)],
)
def test_what_was_done_is_not_done_again(how: str, remembered: int, is_async: bool) -> None:
    """It is settled with the outcome of then, under the id that the job has now. Failures are done again."""
    runs: list[str] = []

    def handler(how: str) -> Any:
        runs.append(how)
        return _decides(how)

    async def coroutine(how: str) -> Any:
        return handler(how)

    kept = AsyncKept() if is_async else Kept()
    declared = declare(coroutine if is_async else handler, middleware=[idempotent(kept)])

    def run(job_id: str) -> str:
        job = make_job({"how": how}, id=job_id, correlation_id="c")
        try:
            return told(asyncio.run(declared.run_async(job)) if is_async else declared.run(job))
        except (ValueError, RetryLater) as error:
            return f"{job_id} {type(error).__name__}"

    first = run("job-1")
    second = run("job-2") if how != "failure" else first
    assert second == first.replace("job-1", "job-2") or how == "failure"
    assert len(kept.texts) == remembered
    assert len(runs) == (1 if remembered or how == "failure" else 2)
    assert list(kept.texts) == ["c"] * remembered


def test_the_key_can_be_chosen() -> None:
    """By what makes the work the same."""
    kept = Kept()

    def handler(order: str) -> dict[str, object]:
        return {"order": order}

    declared = declare(handler, middleware=[idempotent(kept, key=lambda call: f"order {call.arguments['order']}")])
    declared.run(make_job({"order": "A"}, correlation_id="1"))
    declared.run(make_job({"order": "A"}, correlation_id="2"))
    assert list(kept.texts) == ["order A"]


def test_a_store_of_the_other_kind_is_refused() -> None:
    """A store that blocks would block the event loop."""

    async def coroutine() -> None:
        """Do nothing."""

    with pytest.raises(InvalidHandlerError, match="middleware idempotent does not fit"):
        declare(coroutine, middleware=[idempotent(Kept())])
    with pytest.raises(InvalidHandlerError, match="middleware idempotent does not fit"):
        declare(lambda: None, middleware=[idempotent(AsyncKept())])


def test_those_that_limit_are_limiters() -> None:
    """As the runtime sees them."""
    limiters: list[Limiter] = [rate_limit(1), circuit_breaker(), Limits([])]
    assert [limiter.take(1, 0.0).jobs for limiter in limiters] == [1, 1, 1]
