"""Handlers go wrong: their job is failed in a way that helps, and the neighbours of the same batch are served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from tests.faults.conftest import World

from flowable.external_worker_client import ExternalWorkerAcquireJobResponse, WorkerResultBuilder, WorkResult


class OwnBaseError(BaseException):
    """Not an `Exception`."""


class UnspeakableError(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError


class ExitingTextError(Exception):
    """Its text ends programs."""

    def __str__(self) -> str:
        raise SystemExit(3)


class NoTextError(Exception):
    """Has a text that is none."""

    def __str__(self) -> str:
        return None  # type: ignore[return-value]  # noqa: PLE0307 - on purpose


def recurse() -> None:
    """Fail as deep as it goes."""
    recurse()


def raiser(error: BaseException) -> Callable[[], object]:
    """Return a function that raises."""

    def function() -> object:
        raise error

    return function


LONG = "é" * 100_000
RAISED: dict[str, tuple[Callable[[], object], str]] = {
    "an exception": (raiser(ValueError("no such customer")), "no such customer"),
    "without text": (raiser(ValueError()), "ValueError"),
    "with blanks": (raiser(ValueError(" \n")), "ValueError"),
    "whose text raises": (raiser(UnspeakableError()), "UnspeakableError"),
    "whose text is none": (raiser(NoTextError()), "NoTextError"),
    "whose text exits": (raiser(ExitingTextError()), "ExitingTextError"),
    "with a long text": (raiser(ValueError(LONG)), "é" * 1999 + "…"),
    "with U+0000": (raiser(ValueError("a\0b")), "a\N{REPLACEMENT CHARACTER}b"),
    "with a lone surrogate": (raiser(ValueError("a\ud800b")), "a\ud800b"),
    "a group": (raiser(ExceptionGroup("two", [ValueError("1"), KeyError("2")])), "two (2 sub-exceptions)"),
    "SystemExit": (raiser(SystemExit(1)), "SystemExit: 1"),
    "SystemExit without code": (raiser(SystemExit()), "SystemExit"),
    "KeyboardInterrupt": (raiser(KeyboardInterrupt()), "KeyboardInterrupt"),
    "GeneratorExit": (raiser(GeneratorExit()), "GeneratorExit"),
    "CancelledError": (raiser(asyncio.CancelledError()), "CancelledError"),
    "own BaseException": (raiser(OwnBaseError("over")), "OwnBaseError: over"),
    "StopIteration": (raiser(StopIteration()), "StopIteration"),
    "recursion": (recurse, "maximum recursion depth exceeded"),
}


@pytest.mark.parametrize(("function", "message"), RAISED.values(), ids=RAISED)
def test_a_handler_that_raises_fails_its_job_and_no_other(
    world: World, function: Callable[[], object], message: str
) -> None:
    """Message, trace and a pause are reported, retries are left to the engine, and both neighbours are completed."""

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        if job.id == "2":
            function()

    world.stub.add("1", "2", "3")
    world.subscribe(handler, number_of_tasks=3)
    world.served("1", "2", "3")
    world.stop()
    assert world.handled == ["1", "2", "3"]
    assert world.stub.settled == {"1": ["complete"], "2": ["fail"], "3": ["complete"]}
    (report,) = world.stub.of("fail")
    details = report.body.pop("errorDetails")
    pause = report.body.pop("retryTimeout")
    assert report.body == {"workerId": world.stub.of("acquire")[0].body["workerId"], "errorMessage": message}
    assert len(details) <= 20_000
    assert "Traceback (most recent call last)" in details
    assert "test_handlers.py" in details
    seconds = float(pause.removeprefix("PT").removesuffix("S"))
    assert 8 <= seconds <= 12
    # The log takes what the engine does not.
    line = (
        f"Topic 't': job 2 of 'task' failed; it has 2 retries left and is offered again in {seconds:.0f} s: {message}"
    )
    assert world.logged() == [line.replace("\N{REPLACEMENT CHARACTER}", "\0")]
    assert world.traced() == world.logged()


async def coroutine() -> None:
    """Be what an async handler returns when nobody awaits it."""


class Unasked:
    """Raises when asked whether it is an outcome."""

    @property
    def execute(self) -> object:
        """Raise."""
        message = "do not ask"
        raise RuntimeError(message)


class FailingOutcome(WorkResult):
    """Raises before it has told the engine anything."""

    def execute(self, rest_client: Any) -> None:
        """Raise."""
        message = "before anything was sent"
        raise RuntimeError(message)


class ExitingOutcome(WorkResult):
    """Ends the program instead of telling the engine."""

    def execute(self, rest_client: Any) -> None:
        """Exit."""
        raise SystemExit(1)


MUST = (
    ": it must return None, which completes the job, or an outcome of its worker_result_builder, or another object "
    "with an execute method"
)
RETURNED: dict[str, tuple[Callable[[WorkerResultBuilder], object], str]] = {
    "dict": (lambda result: {"amount": 1}, "the handler returned {'amount': 1}, a dict" + MUST),
    "text": (lambda result: "done", "the handler returned 'done', a str" + MUST),
    "empty text": (lambda result: "", "the handler returned '', a str" + MUST),
    "False": (lambda result: False, "the handler returned False, a bool" + MUST),
    "number": (lambda result: 0, "the handler returned 0, a int" + MUST),
    "the builder": (lambda result: result, "the handler returned WorkerResultBuilder(job_id='2'), a"),
    "coroutine": (lambda result: coroutine(), "the handler returned <coroutine object coroutine at "),
    "generator": (lambda result: (n for n in [1]), "the handler returned <generator object "),
    "a method not called": (lambda result: result.success, "the handler returned <bound method "),
    "raises when asked": (lambda result: Unasked(), "do not ask"),
    "the class": (lambda result: WorkResult, "WorkResult.execute() missing 1 required positional argument"),
    "the base": (
        lambda result: WorkResult(),
        "the handler returned <flowable.external_worker_client.worker_result.WorkResult",
    ),
    "an outcome that raises": (lambda result: FailingOutcome(), "before anything was sent"),
    "an outcome that exits": (lambda result: ExitingOutcome(), "SystemExit: 1"),
}


@pytest.mark.parametrize(("returned", "message"), RETURNED.values(), ids=RETURNED)
def test_a_handler_that_returns_nonsense_fails_its_job_and_no_other(
    world: World, returned: Callable[[WorkerResultBuilder], object], message: str
) -> None:
    """The message says what it returned; nothing is completed that nobody decided to complete."""
    world.stub.add("1", "2", "3")
    world.subscribe(lambda job, result: returned(result) if job.id == "2" else None, number_of_tasks=3)
    world.served("1", "2", "3")
    world.stop()
    assert world.handled == ["1", "2", "3"]
    assert world.stub.settled == {"1": ["complete"], "2": ["fail"], "3": ["complete"]}
    (report,) = world.stub.of("fail")
    assert report.body["errorMessage"].startswith(message)


class Twice(WorkResult):
    """Settles its job, and then does something that raises."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id

    def execute(self, rest_client: Any) -> None:
        """Complete, and raise."""
        rest_client.complete_job(self._job_id)
        message = "too late"
        raise ValueError(message)


def test_an_outcome_that_raises_after_settling_does_not_settle_again(world: World) -> None:
    """The job is completed once, whatever is reported afterwards, and the neighbour is served."""
    world.stub.add("1", "2")
    world.subscribe(lambda job, result: Twice(job.id) if job.id == "1" else None, number_of_tasks=2)
    world.served("1", "2")
    world.stop()
    assert world.handled == ["1", "2"]
    assert world.stub.settled == {"1": ["complete"], "2": ["complete"]}


class Sink(logging.Handler):
    """A log handler whose disk is full."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Raise."""
        message = "No space left on device"
        raise OSError(message)


def test_a_log_that_raises_does_not_end_the_subscription(world: World) -> None:
    """With a log handler that raises at every line, failed acquires and failed handlers change nothing."""

    def handler(job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> None:
        if job.id == "1":
            raise ValueError

    sink = Sink()
    logger = logging.getLogger("flowable.external_worker_client")
    world.stub.down()
    logger.addHandler(sink)
    try:
        world.clock.limit = world.clock.now() + 20
        subscription = world.subscribe(handler, number_of_tasks=2)
        world.stub.add("1", "2")
        world.stub.up()
        world.clock.limit = float("inf")
        world.served("2")
        alive = subscription.thread.is_alive()
        world.stop()
    finally:
        logger.removeHandler(sink)
    assert alive
    assert world.handled == ["1", "2"]
    assert world.stub.settled["2"] == ["complete"]
