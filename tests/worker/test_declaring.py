"""How handlers are declared: what stays as it is, which option counts, and what is refused where it is written."""

from __future__ import annotations

import functools
import logging
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Annotated, Any

import pytest
from tests.worker import targets
from tests.worker.conftest import Place

from flowable.external_worker_client import (
    BpmnError,
    Call,
    CallNext,
    Context,
    DeadLetter,
    ExternalWorkerError,
    InvalidArgumentError,
    InvalidHandlerError,
    JobFailure,
    RetryLater,
    RetryPolicy,
    Shared,
    Worker,
)
from flowable.external_worker_client.running import Running
from flowable.external_worker_client.settings import SettingsError
from flowable.external_worker_client.testing import run_handler
from flowable.external_worker_client.worker_result import Executable


def around(name: str, seen: list[str]) -> Callable[[Call, CallNext], Executable]:
    """Make middleware that notes when it is entered."""

    def middleware(call: Call, call_next: CallNext) -> Executable:
        seen.append(name)
        return call_next(call)

    return middleware


def test_the_function_stays_a_plain_function() -> None:
    """What the decorator returns is the function itself, which a test can call and pickle by its name."""
    worker = Worker()

    def plain(x: int) -> dict[str, int]:
        return {"y": x + 1}

    assert worker.job("t")(plain) is plain
    assert plain(1) == {"y": 2}
    assert worker.job("u")(targets.double) is targets.double
    assert pickle.loads(pickle.dumps(targets.double)) is targets.double  # noqa: S301
    assert worker.topics == ("t", "u")
    assert repr(worker) == "Worker('t', 'u')"


def test_a_handler_alone_is_called_as_its_worker_would(place: Place) -> None:
    """`run_handler` knows the options, table and middleware that the handler and its worker were given."""
    seen: list[str] = []
    worker = Worker(middleware=[around("worker", seen)], errors={KeyError: BpmnError("absent")})

    @worker.job("t", result="y", middleware=[around("handler", seen)], errors={ValueError: DeadLetter})
    def handler(x: int) -> int:
        if x == 0:
            raise KeyError(x)
        return x + 1

    assert run_handler(handler, {"x": 1}).variables == {"y": 2}
    assert seen == ["worker", "handler"]
    assert run_handler(handler, {"x": 0}).error_code == "absent"


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("handler", "worker", "environment", "lock"),
    [
        pytest.param({"lock": "7m"}, {"lock": "6m"}, "5m", "PT420S", id="handler"),
        pytest.param({}, {"lock": "6m"}, "5m", "PT360S", id="worker"),
        pytest.param({}, {}, "5m", "PT300S", id="environment"),
        pytest.param({}, {}, "", "PT1M", id="default"),
    ],
)
def test_options_of_the_handler_come_before_those_of_the_worker_and_the_environment(
    place: Place,
    clean_environment: Callable[..., None],
    handler: dict[str, Any],
    worker: dict[str, Any],
    environment: str,
    lock: str,
) -> None:
    """Handler over worker over environment over default."""
    clean_environment(WORKER_LOCK=environment)
    made = Worker(**worker)
    made.job("t", **handler)(targets.double)
    with made.running(place.client):
        place.engine.wait_until(lambda engine: bool(engine.sent("acquire", topic="t")))

    assert {request.body["lockDuration"] for request in place.engine.sent("acquire", topic="t")} == {lock}


def test_an_option_that_is_none_overrides_that_of_the_worker(clean_environment: Callable[..., None]) -> None:
    """`timeout=None`, `scope_type=None` and `tenants=None` mean what they mean without a worker."""
    clean_environment(WORKER_TIMEOUT="5s")
    worker = Worker(timeout="1s", scope_type="bpmn", tenants=["a"])
    worker.job("t", timeout=None, scope_type=None, tenants=None)(targets.double)
    worker.job("u")(targets.double)
    bare, full = Running(worker._entries(), None, None)._plans()
    assert (bare.timeout, bare.options.question.scope_type, bare.options.tenants) == (None, None, None)
    assert (full.timeout, full.options.question.scope_type, full.options.tenants) == (1.0, "bpmn", frozenset({"a"}))


@pytest.mark.parametrize(
    ("worker", "handler", "environment", "timeout", "lock"),
    [
        pytest.param({}, {"timeout": "5m"}, {}, "PT300S", "PT1M", id="the usual lock"),
        pytest.param({"lock": "5m"}, {"timeout": 301}, {}, "PT301S", "PT300S", id="of the worker"),
        pytest.param({"timeout": "2m"}, {"lock": "PT1M30S"}, {}, "PT120S", "PT1M30S", id="of the handler"),
        pytest.param({}, {}, {"WORKER_LOCK": "10s", "WORKER_TIMEOUT": "11s"}, "PT11S", "PT10S", id="environment"),
    ],
)
def test_a_time_out_longer_than_the_lock_is_refused_before_anything_is_opened(
    clean_environment: Callable[..., None],
    worker: dict[str, Any],
    handler: dict[str, Any],
    environment: dict[str, str],
    timeout: str,
    lock: str,
) -> None:
    """When it was over, another worker would have the job; the message names the topic and both."""
    clean_environment(**environment)
    opened: list[str] = []

    @contextmanager
    def lifespan() -> Iterator[None]:
        opened.append("opened")
        yield

    made = Worker(lifespan=lifespan, **worker)
    made.job("sendInvoice", **handler)(targets.double)
    with pytest.raises(InvalidArgumentError) as refused, made.running():
        pass
    assert str(refused.value) == (
        f"timeout of topic 'sendInvoice'='{timeout}' is not accepted: it must be no longer than the lock, which is "
        f"{lock}: give a longer lock, or a shorter timeout"
    )
    assert opened == []


def test_a_time_out_as_long_as_the_lock_is_accepted(clean_environment: Callable[..., None]) -> None:
    """However both are written."""
    clean_environment()
    worker = Worker(lock="PT1M")
    worker.job("t", timeout=60)(targets.double)
    [plan] = Running(worker._entries(), None, None)._plans()
    assert plan.timeout == 60.0


@pytest.mark.parametrize(("poll", "seconds"), [("5", 5.0), ("0.5", 0.5), ("5s", 5.0), ("PT5S", 5.0), ("1m", 60.0)])
def test_a_number_in_the_environment_is_one_of_seconds(
    clean_environment: Callable[..., None], poll: str, seconds: float
) -> None:
    """As it is in a program; the other forms of durations are accepted, too."""
    clean_environment(WORKER_POLL=poll)
    worker = Worker()
    worker.job("t")(targets.double)
    [plan] = Running(worker._entries(), None, None)._plans()
    assert plan.options.wait == seconds


@pytest.mark.parametrize("variable", ["LOCK", "POLL", "TIMEOUT", "CONCURRENCY", "NUMBER_OF_TASKS"])
def test_an_option_of_the_environment_is_refused_by_its_name(
    place: Place, clean_environment: Callable[..., None], variable: str
) -> None:
    """The error names the variable, its value and what is accepted, before anything is opened."""
    clean_environment(**{f"WORKER_{variable}": "often"})
    opened: list[str] = []

    @contextmanager
    def lifespan() -> Iterator[None]:
        opened.append("it")
        yield

    worker = Worker(lifespan=lifespan)
    worker.job("t")(targets.double)
    with pytest.raises(SettingsError, match=rf"^FLOWABLE_WORKER_{variable} is 'often'.*(must be|accepted)") as refused:
        worker.running(place.client).__enter__()
    assert refused.value.variable == f"FLOWABLE_WORKER_{variable}"
    assert opened == []


WRONG_OPTIONS = [
    ("lock", "soon", "ISO-8601"),
    ("lock", 0, "between"),
    ("poll", -1, "not negative"),
    ("poll", 0, "at least 0.01 seconds"),
    ("timeout", 0, "between"),
    ("timeout", "1000d", "between"),
    ("concurrency", 0, "whole number of at least 1"),
    ("concurrency", True, "whole number"),
    ("number_of_tasks", "5", "whole number"),
    ("scope_type", "dmn", '"bpmn" or "cmmn"'),
    ("retry", 3, "a RetryPolicy"),
    ("tenants", "acme", "a list of at least one tenant"),
    ("tenants", [], "a list of at least one tenant"),
    ("tenants", 5, "a list of at least one tenant"),
    ("tenants", [None], "a list of at least one tenant"),
    ("names", "snake", '"camel" or "as_is"'),
    ("middleware", 5, "a list of middleware"),
    ("middleware", ["x"], "a list of middleware"),
    ("errors", [ValueError], "a mapping"),
    ("errors", {"ValueError": DeadLetter}, "exception types"),
]


@pytest.mark.parametrize("where", ["worker", "handler"])
@pytest.mark.parametrize(("name", "value", "accepted"), WRONG_OPTIONS)
def test_a_wrong_option_is_refused_where_it_is_written(where: str, name: str, value: Any, accepted: str) -> None:
    """By `Worker(…)` or `worker.job(…)`, with its name, its value and what is accepted."""
    takes: Callable[..., Any] = Worker if where == "worker" else functools.partial(Worker().job, "t")
    with pytest.raises(InvalidArgumentError) as refused:
        takes(**{name: value})
    assert str(refused.value).startswith(name)
    assert accepted in refused.value.accepted


@pytest.mark.parametrize(
    ("name", "value"),
    [("client", "http://localhost"), ("lifespan", 5), ("on_invalid", 5), ("redact", "name"), ("redact", [5])],
)
def test_what_a_worker_alone_has_is_refused_too(name: str, value: Any) -> None:
    """As the options that it shares with handlers."""
    with pytest.raises(InvalidArgumentError, match=rf"^{name}="):
        Worker(**{name: value})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"processes": 0}, "^processes=0 "),
        ({"executor": 5}, "^executor=5 .*Executor"),
        ({"processes": 1, "executor": ThreadPoolExecutor(1)}, "^executor=.*not both"),
        ({"workers": 5}, "unknown option workers; there are lock,"),
        ({"options": {}}, "unknown option options; there are lock,"),
        ({"total_concurrency": 4}, r"unknown option total_concurrency; it belongs to Worker\(total_concurrency=…\)$"),
        ({"proceses": 2}, r"unknown option proceses; did you mean processes\?$"),
        ({"pol": 2}, r"unknown option pol; did you mean poll\?$"),
        ({"client": None, "x": 1}, r"unknown option client, x; it belongs to Worker\(client=…\)$"),
    ],
)
def test_what_a_handler_alone_has_is_refused_too(options: dict[str, Any], match: str) -> None:
    """As the options that it shares with workers."""
    with pytest.raises((InvalidArgumentError, TypeError), match=match):
        Worker().job("t", **options)


def test_what_a_worker_does_not_take_but_its_handlers_is_said_to_belong_there() -> None:
    """In the way that it is written."""
    options: dict[str, Any] = {"processes": 2}
    with pytest.raises(TypeError, match=r'^unknown option processes; it belongs to @worker\.job\("…", processes=…\)$'):
        Worker(**options)


@pytest.mark.parametrize("topic", ["", None, 5])
def test_a_topic_is_text(topic: Any) -> None:
    """Nothing else is one."""
    with pytest.raises(InvalidArgumentError, match=r"^topic="):
        Worker().job(topic)


def test_options_are_copied() -> None:
    """A list that somebody changes later, or that can be read once only, is read when it is given."""
    tenants = ["a"]
    worker = Worker(tenants=(each for each in tenants))  # type: ignore[arg-type]
    worker.job("t")(targets.double)
    tenants.append("b")
    [plan] = Running(worker._entries(), None, None)._plans()
    assert plan.options.tenants == frozenset({"a"})


# ---------------------------------------------------------------- handlers that cannot run elsewhere


async def coroutine(x: int) -> None:
    """Be a coroutine function."""


def with_context(context: Context) -> None:
    """Want a context."""


def with_shared(pool: Annotated[object, Shared]) -> None:
    """Want what is shared."""


@pytest.mark.parametrize("elsewhere", ["processes", "executor"])
def test_what_cannot_run_in_another_process_is_refused_when_it_is_declared(elsewhere: str) -> None:
    """Coroutines, functions that want a context, and functions that no other process can import."""
    with ProcessPoolExecutor(1) as executor:
        options: dict[str, Any] = {elsewhere: 2 if elsewhere == "processes" else executor}
        job = Worker().job("t", **options)
        with pytest.raises(InvalidArgumentError, match=rf"{elsewhere}=.*plain function.*coroutine .*is async"):
            job(coroutine)
        with pytest.raises(InvalidArgumentError, match=rf"{elsewhere}=.*Context"):
            job(with_context)
        with pytest.raises(InvalidArgumentError, match=rf"{elsewhere}=.*Shared.*with_shared .*has 'pool'"):
            job(with_shared)
        with pytest.raises(InvalidArgumentError, match=rf"{elsewhere}=.*can import.*lambda"):
            job(lambda x: None)
        job(targets.double)


def test_threads_of_an_executor_may_have_a_context() -> None:
    """It does not leave its process there."""
    with ThreadPoolExecutor(1) as executor:
        Worker().job("t", executor=executor)(with_context)
        Worker().job("t", executor=executor)(with_shared)


# ---------------------------------------------------------------- two for one topic


def first(x: int) -> None:
    """Be there first."""


def second(x: int) -> None:
    """Come second."""


def assert_both_named(error: ExternalWorkerError) -> None:
    """See that both functions are named, with file and line."""
    for function in (first, second):
        assert f"{function.__name__} (" in str(error)
        assert f"test_declaring.py:{function.__code__.co_firstlineno}" in str(error)


def test_two_handlers_for_one_topic_are_refused() -> None:
    """The second is, and both places are named; the first stays."""
    worker = Worker()
    worker.job("t")(first)
    with pytest.raises(InvalidArgumentError, match="one handler for each topic") as refused:
        worker.job("t")(second)
    assert_both_named(refused.value)
    assert worker.topics == ("t",)


def test_two_handlers_for_one_topic_are_refused_through_include() -> None:
    """The other worker is not included then."""
    worker, other = Worker(), Worker()
    worker.job("t")(first)
    other.job("t")(second)
    other.job("u")(second)
    with pytest.raises(InvalidArgumentError) as refused:
        worker.include(other)
    assert_both_named(refused.value)
    assert worker.topics == ("t",)
    other.job("v")(second)
    assert worker.topics == ("t",)


def test_two_handlers_for_one_topic_are_refused_after_include() -> None:
    """A worker that is included cannot get what one that includes it has; however far apart they are."""
    root, middle, leaf, sibling = Worker(), Worker(), Worker(), Worker()
    root.include(middle)
    middle.include(leaf)
    root.include(sibling)
    root.job("t")(first)
    sibling.job("u")(first)
    for topic in ("t", "u"):
        with pytest.raises(InvalidArgumentError) as refused:
            leaf.job(topic)(second)
        assert_both_named(refused.value)
    leaf.job("v")(first)
    with pytest.raises(InvalidArgumentError) as refused:
        root.job("v")(second)
    assert_both_named(refused.value)
    late = Worker()
    late.job("u")(second)
    with pytest.raises(InvalidArgumentError) as refused:
        leaf.include(late)
    assert_both_named(refused.value)
    assert set(root.topics) == {"t", "u", "v"}


def test_a_worker_is_included_once_and_not_in_itself() -> None:
    """Neither twice, nor in a circle."""
    worker, other = Worker(), Worker()
    worker.include(other)
    for one, another in ((worker, other), (other, worker), (worker, worker), (worker, 5)):
        with pytest.raises(InvalidArgumentError, match=r"^other="):
            one.include(another)  # type: ignore[arg-type]


def test_middleware_that_does_not_fit_is_refused_when_the_handler_is_declared_or_included() -> None:
    """A plain function cannot stand around a coroutine."""
    seen: list[str] = []
    worker = Worker(middleware=[around("worker", seen)])
    with pytest.raises(InvalidHandlerError, match="does not fit"):
        worker.job("t")(coroutine)
    other = Worker()
    other.job("t")(coroutine)
    with pytest.raises(InvalidHandlerError, match="does not fit"):
        worker.include(other)
    assert worker.topics == ()


# ---------------------------------------------------------------- include


def test_what_an_included_worker_has_is_inside_of_ours(place: Place) -> None:
    """Middleware, tables, options and lifespans nest; what is inside counts first."""
    seen: list[str] = []

    def opening(name: str) -> Callable[[], Any]:
        @contextmanager
        def lifespan() -> Iterator[str]:
            seen.append(f"open {name}")
            yield name
            seen.append(f"close {name}")

        return lifespan

    outer = Worker(
        middleware=[around("outer", seen)],
        errors={LookupError: BpmnError("outer"), ValueError: BpmnError("outer")},
        lifespan=opening("outer"),
        lock="1m",
        concurrency=3,
    )
    inner = Worker(
        middleware=[around("inner", seen)], errors={KeyError: BpmnError("inner")}, lifespan=opening("inner"), lock="2m"
    )
    bare = Worker()
    outer.include(inner)
    outer.include(bare)

    @inner.job("in")
    def inside(x: int, context: Context) -> dict[str, str]:
        if x:
            raise (KeyError if x == 1 else ValueError)(x)
        return {"shared": context.shared}

    @bare.job("bare")
    def uncovered(context: Context) -> dict[str, str]:
        return {"shared": context.shared}

    instances = [*place.start("in", x=0), *place.start("bare")]
    with outer.running(place.client):
        assert [each.variables["shared"] for each in place.ended(instances)] == ["inner", "outer"]
        assert sorted(seen[2:]) == ["inner", "outer", "outer"]
        place.start("in", x=1)
        place.start("in", x=2)
        codes = [request.error_code or "" for request in place.settled("in", 3)[1:]]
        assert sorted(codes) == ["inner", "outer"]
        plans = {plan.options.question.topic: plan for plan in outer.running(place.client)._plans()}
        assert (plans["in"].options.question.lock.seconds, plans["in"].options.slots) == (120.0, 3)
        assert (plans["bare"].options.question.lock.seconds, plans["bare"].options.slots) == (60.0, 3)
    assert [each for each in seen if " " in each] == ["open outer", "open inner", "close inner", "close outer"]


def test_an_included_worker_works_alone_too(place: Place) -> None:
    """Without what the other says."""
    seen: list[str] = []
    outer, inner = Worker(middleware=[around("outer", seen)]), Worker()
    outer.include(inner)
    inner.job("t")(targets.double)
    [instance] = place.start("t", x=1)
    with inner.running(place.client):
        assert place.ended([instance])[0].variables["y"] == 2
    assert seen == []


def test_a_worker_without_handlers_does_not_run(place: Place) -> None:
    """It says what is missing."""
    with pytest.raises(InvalidArgumentError, match="declare some"):
        Worker().running(place.client)


@pytest.mark.parametrize("client", [5, "http://localhost", object()])
def test_what_is_no_client_is_refused_at_once(client: Any) -> None:
    """As in the constructor."""
    worker = Worker()
    worker.job("t")(targets.double)
    with pytest.raises(InvalidArgumentError, match=r"^client=.*an ExternalWorkerClient or None"):
        worker.running(client)


def test_the_policy_of_the_client_stays_when_a_table_has_one(place: Place) -> None:
    """A retry policy for one exception says nothing about the others."""
    client = place.another_client(retry=RetryPolicy(attempts=1))
    worker = Worker()

    @worker.job("t", errors={KeyError: RetryPolicy(first_pause="2h", longest_pause="2h")})
    def handler(x: int) -> None:
        raise (KeyError if x else ValueError)("no")

    place.start("t", x=0)
    place.start("t", x=1)
    with worker.running(client):
        sent = place.settled("t", 2)
    assert {request.message: request.retries for request in sent} == {"'no'": None, "no": 0}
    assert [job.topic for job in place.engine.dead_letters()] == ["t"]


def test_a_failure_by_a_table(place: Place) -> None:
    """`JobFailure` in a table gets the text of what was raised."""
    worker = Worker(errors={ValueError: JobFailure})

    @worker.job("t")
    def handler() -> None:
        raise ValueError("no such customer")

    place.start("t")
    with worker.running(place.client):
        [sent] = place.settled("t")
    assert sent.message == "no such customer"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_the_release_cannot_hold_is_a_dead_letter_at_once(place: Place, kind: str) -> None:
    """The work is done once; the message says what is wrong."""
    calls: list[int] = []
    worker = Worker()

    def plain() -> dict[str, Decimal]:
        calls.append(1)
        return {"total": Decimal("1.5")}

    async def coroutine() -> dict[str, Decimal]:
        return plain()

    worker.job("t")(plain if kind == "sync" else coroutine)
    place.start("t")
    with worker.running(place.another_client(engine="6.8", retry=RetryPolicy(first_pause="0s"))):
        [sent] = place.settled("t")
    assert (sent.operation, sent.retries, calls) == ("fail", 0, [1])
    for part in (plain.__name__ if kind == "sync" else "coroutine", "total", "bigDecimal", "Flowable 6.8"):
        assert part in str(sent.message)
    assert len(place.engine.dead_letters()) == 1


def test_what_an_exception_meant_is_heard_of(place: Place) -> None:
    """In the log, with the job; and in the engine, where the job is put off."""
    worker = Worker(on_invalid=BpmnError("bad"), errors={ConnectionError: RetryLater("5m")})

    @worker.job("t")
    def handler(x: int) -> None:
        raise ConnectionError("the bank is closed")

    place.start("t", x="text")
    place.start("t", x=1)
    with worker.running(place.client):
        sent = {request.operation: request for request in place.settled("t", 2)}
    assert sent["bpmn_error"].error_code == "bad"
    assert sent["fail"].message == "Retry later: the bank is closed"
    [invalid] = [line for line in place.logged() if "invalid variables" in line]
    assert sent["bpmn_error"].job_id in invalid
    assert "- x: expected int" in invalid
    [mapped] = [line for line in place.logged(logging.INFO) if "the handler raised" in line]
    assert f"job {sent['fail'].job_id}: the handler raised ConnectionError" in mapped


def test_run_handler_copes_with_an_exception_without_a_text() -> None:
    """As a worker does."""

    def handler() -> None:
        raise targets.MuteError

    outcome = run_handler(handler)
    assert (outcome.kind, outcome.message) == ("failure", "MuteError")
