"""A worker at work: in a block, on the caller's loop, and as a program of its own; and what is opened around it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import pytest
from tests.support.waiting import until
from tests.worker import targets
from tests.worker.conftest import PATIENCE, Place

from flowable.external_worker_client import (
    ClientClosedError,
    Context,
    InvalidArgumentError,
    InvalidHandlerError,
    Shared,
    Worker,
)
from flowable.external_worker_client.testing import EmbeddedEngine, EmbeddedServer, Process, Task

ROOT = Path(__file__).resolve().parents[2]


async def seen(look: Callable[[], object]) -> None:
    """Wait until something is so, without blocking the loop."""
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


# ---------------------------------------------------------------- blocks


def test_a_block(place: Place) -> None:
    """Inside of it, the worker works; after it, nothing of it is there, and the client stays open."""
    worker = Worker()
    worker.job("t")(targets.double)
    before = set(threading.enumerate())
    with worker.running(place.client) as running:
        assert list(running.subscriptions) == ["t"]
        assert place.ended(place.start(x=1))[0].variables["y"] == 2
    assert set(threading.enumerate()) == before
    with running:
        assert place.ended(place.start(x=2))[0].variables["y"] == 4
    with worker.running(place.client):
        assert place.ended(place.start(x=3))[0].variables["y"] == 6


def test_a_block_is_entered_once_at_a_time(place: Place) -> None:
    """Twice would be two workers of which one is forgotten."""
    worker = Worker()
    worker.job("t")(targets.double)
    with worker.running(place.client) as running, pytest.raises(RuntimeError, match="at work already"), running:
        pass


def test_the_client_of_the_worker_is_used(place: Place) -> None:
    """Unless the block is given another."""
    worker = Worker(place.client)
    worker.job("t")(targets.double)
    with worker.running():
        place.ended(place.start(x=1))


def test_a_closed_client_is_an_error_and_nothing_stays_open(place: Place) -> None:
    """What was opened before that is closed."""
    opened: list[str] = []

    @contextmanager
    def lifespan() -> Iterator[None]:
        opened.append("open")
        yield
        opened.append("closed")

    worker = Worker(lifespan=lifespan)
    worker.job("t")(targets.double)
    client = place.another_client()
    client.close()
    with pytest.raises(ClientClosedError), worker.running(client):
        pass
    assert opened == ["open", "closed"]


def test_the_end_of_a_block_waits_for_its_grace_once(place: Place) -> None:
    """The grace is for all handlers together, and what still runs is named."""
    worker = Worker()
    go, begun = threading.Event(), threading.Semaphore(0)

    def handler() -> None:
        begun.release()
        go.wait(PATIENCE)

    for topic in ("t", "u", "v"):
        worker.job(topic)(handler)
        place.start(topic)
    with worker.running(place.client, grace="300ms"):
        for _ in range(3):
            assert begun.acquire(timeout=PATIENCE)
        ends = time.monotonic()
    assert 0.3 <= time.monotonic() - ends < 0.85
    assert sum("still runs" in line for line in place.logged()) >= 3
    go.set()


def test_a_client_serves_a_worker_and_subscriptions_of_version_1(place: Place) -> None:
    """Side by side; the end of the worker leaves the others alone."""
    worker = Worker()
    worker.job("typed")(targets.double)
    worker.job("before")(targets.as_before)
    subscription = place.client.subscribe("old", lambda job, result: result.success().variable_int("y", 1))
    with worker.running(place.client):
        instances = [*place.start("typed", x=1), *place.start("old"), *place.start("before")]
        typed, old, before = place.ended(instances)
        assert (typed.variables["y"], old.variables["y"], before.variables["pid"]) == (2, 1, os.getpid())
    assert place.ended(place.start("old"))[0].variables == {"y": 1}
    assert "active" in repr(subscription)


# ---------------------------------------------------------------- lifespans


def test_what_a_lifespan_yields_is_shared(place: Place) -> None:
    """By `Context.shared`, and by `Annotated[…, Shared]`, whole or an item of it."""

    @contextmanager
    def lifespan() -> Iterator[dict[str, object]]:
        yield {"pool": 5, "list": [1]}

    worker = Worker(lifespan=lifespan)

    @worker.job("t")
    def handler(
        context: Context, everything: Annotated[dict[str, Any], Shared], pool: Annotated[int, Shared("pool")]
    ) -> dict[str, object]:
        return {"same": context.shared is everything, "pool": pool, "list": everything["list"]}

    with worker.running(place.client):
        [ended] = place.ended(place.start())
    assert ended.variables == {"same": True, "pool": 5, "list": [1]}


@pytest.mark.parametrize("item", [Shared, Shared("pool")])
@pytest.mark.parametrize("how", ["run", "running"])
def test_what_is_shared_needs_a_lifespan(place: Place, item: Any, how: str) -> None:
    """Of the worker, or of one that it belongs to: refused before anything is opened."""

    def handler(pool: Annotated[int, item]) -> dict[str, object]:
        return {"pool": pool}

    inner = Worker(place.client)
    inner.job("t")(handler)
    with pytest.raises(InvalidHandlerError, match=r"handler .*'pool' is Shared, and no worker .* has a lifespan; .*="):
        inner.run() if how == "run" else inner.running()
    outer = Worker(lifespan=lambda: nullcontext({"pool": 5} if isinstance(item, Shared) else 5))
    outer.include(inner)
    with outer.running(place.another_client()):
        [ended] = place.ended(place.start())
    assert ended.variables == {"pool": 5}


@pytest.mark.parametrize(
    ("yielded", "said"),
    [
        (None, "a NoneType"),
        (5, "a int"),
        ({}, "a dict with nothing in it"),
        ({"pol": "s3cret"}, "a dict with 'pol'"),
    ],
)
@pytest.mark.parametrize("block", ["with", "async with"])
def test_an_item_that_is_not_shared_is_an_error_before_a_job_is_acquired(
    place: Place, yielded: object, said: str, block: str
) -> None:
    """The lifespan is closed again, and no retry is spent."""
    happened: list[str] = []

    @contextmanager
    def lifespan() -> Iterator[object]:
        yield yielded
        happened.append("closed")

    worker = Worker(lifespan=lifespan)
    worker.job("other")(targets.double)

    @worker.job("t")
    def handler(pool: Annotated[int, Shared("pool")]) -> None:
        raise AssertionError(pool)

    async def asynchronously() -> None:
        async with worker.running(place.client):
            raise AssertionError

    place.start()
    with pytest.raises(InvalidHandlerError) as refused:
        worker.running(place.client).__enter__() if block == "with" else asyncio.run(asynchronously())
    assert f"its parameter 'pool' is Shared('pool'), and the lifespan yielded {said}; accepted" in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert happened == ["closed"]
    assert place.engine.sent("any") == []


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("block", ["with", "async with"])
def test_a_lifespan_is_closed_after_the_last_job(place: Place, kind: str, block: str) -> None:
    """Of either kind, in either block; both ends are in one task, or on threads that do not block the loop."""
    happened: list[str] = []
    tasks: list[object] = []

    @contextmanager
    def plain() -> Iterator[str]:
        happened.append("open")
        yield "shared"
        happened.append("closed")

    @asynccontextmanager
    async def coroutine() -> AsyncIterator[str]:
        happened.append("open")
        tasks.append(asyncio.current_task())
        # A task group refuses to be left by another task than the one that entered it.
        async with asyncio.TaskGroup() as group:
            helper = group.create_task(asyncio.sleep(60))
            yield "shared"
            helper.cancel()
        tasks.append(asyncio.current_task())
        happened.append("closed")

    worker = Worker(lifespan=plain if kind == "sync" else coroutine)
    stopping = threading.Event()

    @worker.job("t")
    def handler(context: Context) -> dict[str, str]:
        happened.append("began")
        stopping.set()
        assert context.wait_for_stop(PATIENCE)
        happened.append("ended")
        return {"shared": context.shared}

    instances = place.start()
    if block == "with":
        with worker.running(place.client):
            assert stopping.wait(PATIENCE)
    else:

        async def main() -> None:
            async with worker.running(place.client):
                await seen(stopping.is_set)

        asyncio.run(main())
    assert happened == ["open", "began", "ended", "closed"]
    assert place.engine.instance(instances[0]).variables == {"shared": "shared"}
    assert len(set(map(id, tasks))) <= 1


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("block", ["with", "async with"])
def test_a_lifespan_that_fails_to_open_leaves_nothing_behind(place: Place, kind: str, block: str) -> None:
    """Nothing is subscribed, and what was opened before is closed."""
    happened: list[str] = []

    @contextmanager
    def outer() -> Iterator[None]:
        happened.append("open")
        try:
            yield
        finally:
            happened.append("closed")

    @contextmanager
    def plain() -> Iterator[None]:
        raise sqlite3.OperationalError("no database")
        yield

    @asynccontextmanager
    async def coroutine() -> AsyncIterator[None]:
        raise sqlite3.OperationalError("no database")
        yield

    worker, inner = Worker(lifespan=outer), Worker(lifespan=plain if kind == "sync" else coroutine)
    worker.include(inner)
    inner.job("t")(targets.double)

    async def main() -> None:
        async with worker.running(place.client):
            pass

    def enter() -> None:
        with worker.running(place.client):
            pass

    with pytest.raises(sqlite3.OperationalError, match="no database"):
        enter() if block == "with" else asyncio.run(main())
    assert happened == ["open", "closed"]
    assert place.engine.sent("any") == []


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("block", ["with", "async with"])
def test_a_lifespan_that_fails_to_close_is_heard_of(place: Place, kind: str, block: str) -> None:
    """After everything has ended; what is outside of it is closed all the same."""
    happened: list[str] = []

    @contextmanager
    def outer() -> Iterator[None]:
        try:
            yield
        finally:
            happened.append("closed")

    @contextmanager
    def plain() -> Iterator[None]:
        yield
        raise OSError("disk full")

    @asynccontextmanager
    async def coroutine() -> AsyncIterator[None]:
        yield
        raise OSError("disk full")

    worker, inner = Worker(lifespan=outer), Worker(lifespan=plain if kind == "sync" else coroutine)
    worker.include(inner)
    inner.job("t")(targets.double)

    async def main() -> None:
        async with worker.running(place.client):
            await asyncio.to_thread(place.ended, place.start(x=1))

    def enter() -> None:
        with worker.running(place.client):
            place.ended(place.start(x=1))

    with pytest.raises(OSError, match="disk full"):
        enter() if block == "with" else asyncio.run(main())
    assert happened == ["closed"]


def generator() -> Iterator[None]:
    """Be what is left when a decorator was forgotten."""
    yield


async def awaitable() -> AbstractContextManager[None]:
    """Be what is left when somebody thought that it would be awaited."""
    raise NotImplementedError


@pytest.mark.parametrize("lifespan", [generator, awaitable, dict])
def test_a_lifespan_that_is_none_is_an_error(place: Place, lifespan: Any) -> None:
    """The usual cause is named."""
    worker = Worker(lifespan=lifespan)
    worker.job("t")(targets.double)
    with pytest.raises(InvalidArgumentError, match=r"^lifespan=.*contextmanager"), worker.running(place.client):
        pass


# ---------------------------------------------------------------- on the caller's loop


def test_the_callers_loop_is_never_blocked(place: Place) -> None:
    """Neither by opening and closing what blocks, nor by waiting for what runs; as a web application has it."""
    slow = 0.4
    late: list[float] = []
    where: set[int] = set()

    @contextmanager
    def lifespan() -> Iterator[None]:
        time.sleep(slow)
        yield
        time.sleep(slow)

    worker = Worker(lifespan=lifespan)

    @worker.job("coroutine")
    async def coroutine(context: Context) -> None:
        where.add(threading.get_ident())
        assert await context.wait_for_stop_async(PATIENCE)
        await asyncio.sleep(0.1)

    @worker.job("function")
    def function(context: Context) -> None:
        assert context.wait_for_stop(PATIENCE)
        time.sleep(slow)

    async def beat() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            late.append(time.monotonic() - began - 0.01)

    @asynccontextmanager
    async def application() -> AsyncIterator[None]:
        async with worker.running(place.client):
            yield

    async def main() -> None:
        heart = asyncio.create_task(beat())
        instances = [*place.start("coroutine", 5), *place.start("function")]
        async with application():
            await seen(lambda: len(place.engine.sent("acquire", topic="coroutine")) and where)
            await seen(lambda: all(job.lock_owner for job in place.engine.every_job()))
        assert all(place.engine.instance(instance).ended for instance in instances)
        assert where == {threading.get_ident()}
        heart.cancel()

    asyncio.run(main())
    assert len(late) > 3 * slow / 0.05
    assert max(late) < slow / 2


def test_the_end_of_an_async_block_is_not_cut_short(place: Place) -> None:
    """When the caller is cancelled while it waits, what the handlers need is closed after they ended all the same."""
    happened: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        happened.append("closed")

    worker = Worker(lifespan=lifespan)

    @worker.job("t")
    async def handler(context: Context) -> None:
        happened.append("began")
        await context.wait_for_stop_async(PATIENCE)
        await asyncio.sleep(0.2)
        happened.append("ended")

    async def program() -> None:
        async with worker.running(place.client):
            await seen(lambda: happened)

    async def main() -> None:
        task = asyncio.create_task(program())
        await seen(lambda: happened)
        await seen(lambda: any("flowable-call" in each.name for each in threading.enumerate()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    place.start()
    asyncio.run(main())
    assert happened == ["began", "ended", "closed"]
    assert [request.operation for request in place.settled()] == ["complete"]


def test_a_loop_that_is_closed_costs_no_retry(place: Place) -> None:
    """Somebody forgot to leave the block: jobs are put off, the subscription lives, and can be stopped."""
    worker = Worker()

    @worker.job("t")
    async def handler() -> None: ...

    running = worker.running(place.client)
    asyncio.run(running.__aenter__())
    place.start(number=2)
    sent = place.settled(number=2)
    assert [(request.operation, request.retries) for request in sent] == [("fail", 3)] * 2
    assert "event loop of the handler is closed" in str(sent[0].message)
    assert "active" in repr(running.subscriptions["t"])
    assert running.subscriptions["t"].unsubscribe(PATIENCE)


# ---------------------------------------------------------------- as a program

PROGRAM = """
import asyncio, logging, os, signal, sys, threading, time
from contextlib import contextmanager
from flowable.external_worker_client import Worker, Context

def say(text):
    sys.stdout.write(text + chr(10))
    sys.stdout.flush()

@contextmanager
def lifespan():
    if {fails_at!r} == "start":
        raise OSError("no database")
    say("open")
    yield 5
    say("closed")
    if {fails_at!r} == "end":
        raise OSError("disk full")

logging.basicConfig(level=logging.INFO)
worker = Worker(lifespan=lifespan, concurrency=2)

@worker.job("function")
def function(context: Context):
    say("began")
    context.wait_for_stop({wait})
    say("ended")
    return {{"x": context.shared}}

@worker.job("coroutine")
async def coroutine(context: Context):
    say("began")
    await context.wait_for_stop_async({wait})
    await asyncio.sleep({longer})
    say("ended")
    return {{"x": context.shared}}

if __name__ == "__main__":
    worker.run(grace={grace!r})
    say("returned " + str(threading.enumerate()))
"""


class Program:
    """A program that runs a worker."""

    def __init__(self, folder: Path, url: str, **given: Any) -> None:
        path = folder / "program.py"
        values = {"fails_at": "", "wait": 30, "longer": 0.1, "grace": None, **given}
        path.write_text(PROGRAM.format(**values))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("FLOWABLE", "COV"))}
        environment |= {"FLOWABLE_URL": url, "PYTHONPATH": str(ROOT / "src")}
        self.lines: list[str] = []
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as output:
            self.lines += []
            for line in output:
                self.lines.append(line.strip())

    def until(self, line: str, times: int = 1) -> None:
        """Wait for lines."""
        until(lambda: list(self.lines), lambda lines: lines.count(line) >= times, deadline=PATIENCE)

    def end(self) -> int:
        """Wait for the end, and return the status."""
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self._reader.join()


@pytest.fixture
def served() -> Iterator[tuple[EmbeddedEngine, str]]:
    """An engine over HTTP."""
    engine = EmbeddedEngine(Process("f", Task("work", "function")), Process("c", Task("work", "coroutine")))
    with EmbeddedServer(engine) as server:
        yield engine, server.url


needs_signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send")


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_program_and_nothing_is_lost(
    served: tuple[EmbeddedEngine, str], tmp_path: Path, number: signal.Signals
) -> None:
    """Running handlers finish, their results arrive, then the lifespan is closed; status 0."""
    engine, url = served
    instances = [engine.start(key) for key in ("f", "c", "c")]
    program = Program(tmp_path, url)
    program.until("began", 3)
    program.process.send_signal(number)
    assert program.end() == 0
    assert program.lines[0] == "open"
    assert program.lines[-2] == "closed"
    assert program.lines.count("ended") == 3
    assert program.lines[-1].startswith("returned [<_MainThread")
    assert program.lines[-1].count("Thread") == 2, program.lines[-1]
    assert [engine.instance(each).variables for each in instances] == [{"x": 5}] * 3
    assert [request.operation for request in engine.sent()] == ["complete"] * 3


@needs_signals
def test_the_grace_of_a_program_ends_it(served: tuple[EmbeddedEngine, str], tmp_path: Path) -> None:
    """What still runs stays locked and is named; status 1."""
    engine, url = served
    engine.start("c")
    program = Program(tmp_path, url, longer=60, grace=0.2)
    program.until("began")
    program.process.send_signal(signal.SIGTERM)
    assert program.end() == 1
    assert program.lines == ["open", "began"]
    assert "still runs" in program.log.read_text()
    assert engine.sent() == []
    [job] = engine.jobs()
    assert job.lock_owner


@needs_signals
def test_a_second_signal_ends_a_program_at_once(served: tuple[EmbeddedEngine, str], tmp_path: Path) -> None:
    """Status 128 plus its number."""
    engine, url = served
    engine.start("c")
    program = Program(tmp_path, url, longer=60)
    program.until("began")
    program.process.send_signal(signal.SIGTERM)
    until(lambda: "Told to stop by SIGTERM" in program.log.read_text())
    program.process.send_signal(signal.SIGINT)
    assert program.end() == 128 + signal.SIGINT


@pytest.mark.parametrize("fails_at", ["start", "end"])
def test_a_lifespan_that_fails_ends_the_program_with_an_error(
    served: tuple[EmbeddedEngine, str], tmp_path: Path, fails_at: str
) -> None:
    """At the start nothing is acquired; at the end nothing is lost."""
    engine, url = served
    instance = engine.start("f")
    program = Program(tmp_path, url, fails_at=fails_at)
    if fails_at == "end":
        program.until("began")
        program.process.send_signal(signal.SIGTERM)
    assert program.end() == 1
    assert ("no database" if fails_at == "start" else "disk full") in program.log.read_text()
    assert engine.instance(instance).ended is (fails_at == "end")
    assert bool(engine.sent("acquire")) is (fails_at == "end")


def test_run_is_for_the_main_thread(place: Place) -> None:
    """Signals arrive there; nothing is opened elsewhere."""
    opened: list[str] = []
    worker = Worker(place.client, lifespan=lambda: opened.append("open"))  # type: ignore[arg-type,return-value]
    worker.job("t")(targets.double)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            worker.run()
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])
    assert opened == []


def test_run_returns_when_the_client_is_closed(place: Place) -> None:
    """From another thread, as when its subscriptions have ended."""
    happened: list[str] = []

    @contextmanager
    def lifespan() -> Iterator[None]:
        yield
        happened.append("closed")

    client = place.another_client()
    worker = Worker(client, lifespan=lifespan)

    @worker.job("t")
    def handler() -> None:
        happened.append("ran")
        threading.Thread(target=client.close).start()

    instances = place.start()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    worker.run()
    assert happened == ["ran", "closed"]
    assert place.engine.instance(instances[0]).ended
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_wrong_grace_is_refused_at_once(place: Place) -> None:
    """Before anything is opened."""
    worker = Worker(place.client)
    worker.job("t")(targets.double)
    for call in (worker.run, lambda grace: worker.running(grace=grace)):
        with pytest.raises(InvalidArgumentError, match=r"^grace="):
            call(grace=-1)
    assert json.dumps(place.engine.sent("any")) == "[]"


def test_the_log_says_what_happens(place: Place) -> None:
    """Loggers of contexts are named after the module of the handler."""
    worker = Worker()
    names: list[str] = []

    @worker.job("t")
    def handler(context: Context) -> None:
        names.append(context.logger.logger.name)
        context.logger.info("at work")

    with worker.running(place.client):
        place.ended(place.start())
    assert names == [__name__]
    assert "at work" in place.logged(logging.INFO)
