"""Functions on threads and coroutines on a loop, in one worker; and jobs that are not to be worked on now, or here."""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.support.waiting import until
from tests.worker import targets
from tests.worker.conftest import PATIENCE, Place

from flowable.external_worker_client import (
    BpmnError,
    Context,
    ExternalWorkerClient,
    RetryPolicy,
    Worker,
    circuit_breaker,
    rate_limit,
)
from flowable.external_worker_client.testing import (
    EmbeddedAdapter,
    EmbeddedEngine,
    EmbeddedServer,
    JumpingClock,
    Process,
    Task,
)

ROOT = Path(__file__).resolve().parents[2]
MANY = 2_000  # coroutines

#: A program whose process dies with its job.
DEADLY = """
import os, sys
from flowable.external_worker_client import ExternalWorkerClient, Worker
worker = Worker()
@worker.job("t")
async def handler():
    os._exit(7)
with ExternalWorkerClient(sys.argv[1], journal=sys.argv[2]) as client, worker.running(client) as running:
    running.subscriptions["t"].thread.join()
"""


def memory() -> float:
    """Return what this process has in memory now, in MB; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * 4096 / 1e6


# ---------------------------------------------------------------- side by side


def test_coroutines_go_on_while_a_function_blocks(place: Place) -> None:
    """A hundred of them end while one function never does."""
    worker = Worker()
    free = threading.Event()

    @worker.job("function")
    def function() -> None:
        assert free.wait(PATIENCE)

    @worker.job("coroutine")
    async def coroutine(x: int) -> dict[str, int]:
        await asyncio.sleep(0.01)
        return {"y": x + 1}

    blocked = place.start("function")
    with worker.running(place.client):
        until(lambda: place.engine.the_job("function").lock_owner)
        ended = place.ended(place.start("coroutine", 100, x=1))
        assert [each.variables["y"] for each in ended] == [2] * 100
        assert not place.engine.instance(blocked[0]).ended
        free.set()
        place.ended(blocked)


def test_functions_go_on_while_coroutines_wait(place: Place) -> None:
    """Twenty functions end while a hundred coroutines take all the places that there are for them."""
    worker = Worker()
    waiting: list[int] = []

    @worker.job("function")
    def function() -> None: ...

    @worker.job("coroutine")
    async def coroutine(context: Context) -> None:
        waiting.append(1)
        await context.wait_for_stop_async(PATIENCE)

    place.start("coroutine", 105)
    with worker.running(place.client):
        until(lambda: len(waiting) == 100)
        place.ended(place.start("function", 20))
        assert len(waiting) == 100
    assert Counter(request.operation for request in place.engine.sent(topic="coroutine"))["complete"] == 100


def test_two_thousand_coroutines_wait_at_once(place: Place, record_property: Any) -> None:
    """A dozen threads and little memory; each job is settled exactly once."""
    worker = Worker()
    together = asyncio.Event()
    waiting: list[int] = []
    loops: set[asyncio.AbstractEventLoop] = set()

    @worker.job("t", concurrency=MANY, lock="10m")
    async def handler(x: int) -> dict[str, int]:
        waiting.append(x)
        loops.add(asyncio.get_running_loop())
        await together.wait()
        return {"y": x + 1}

    place.engine.deploy(Process("p", Task("work", "t")))
    instances = [place.engine.start("p", {"x": number}) for number in range(MANY)]
    threads, before = threading.active_count(), memory()
    with worker.running(place.client):
        until(lambda: len(waiting) == MANY, deadline=60)
        used = threading.active_count() - threads
        cost = memory() - before
        record_property("threads", used)
        record_property("megabytes", round(cost, 1))
        assert used <= 11
        assert cost < 60  # MB: 30 kB for each, its job included
        [loop] = loops
        loop.call_soon_threadsafe(together.set)
        assert [each.variables["y"] for each in place.ended(instances)] == [number + 1 for number in range(MANY)]
    assert Counter(request.operation for request in place.engine.sent()) == {"complete": MANY}
    assert len({request.job_id for request in place.engine.sent()}) == MANY
    assert sorted(waiting) == list(range(MANY))


# ---------------------------------------------------------------- coroutines that end in other ways


def test_results_of_coroutines_are_on_their_way_beside_each_other() -> None:
    """As many as an engine that is far away needs; the handlers of the others have ended and wait for nothing else."""
    engine = EmbeddedEngine()
    engine.deploy(Process("p", Task("work", "t")))
    instances = [engine.start("p") for _ in range(20)]
    under_way, go_on = threading.Semaphore(0), threading.Event()

    class Far(EmbeddedAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
            if str(request.url).endswith("/complete"):
                under_way.release()
                assert go_on.wait(PATIENCE)
            return super().send(request, *args, **options)

    adapter, worker = Far(engine), Worker()

    @worker.job("t")
    async def handler() -> None:
        pass

    with ExternalWorkerClient(adapter.url, customize_session=adapter.mount) as client, worker.running(client):
        try:
            assert all(under_way.acquire(timeout=PATIENCE) for _ in range(8))
        finally:
            go_on.set()
        engine.wait_for_end(*instances, timeout=PATIENCE)


def test_a_time_out_cancels_a_coroutine(place: Place) -> None:
    """The job fails, middleware and tables see it as a `TimeoutError`, and the next one runs."""
    worker = Worker(errors={TimeoutError: BpmnError("late")}, concurrency=1)
    cleaned: list[str] = []

    @worker.job("t", timeout="50ms")
    async def handler(x: int) -> None:
        try:
            await asyncio.sleep(60 * x)
        finally:
            cleaned.append("up")

    place.start(x=1)
    place.start(x=0)
    with worker.running(place.client):
        place.settled(number=2)
    assert [request.error_code for request in place.engine.sent()] == ["late", None]
    assert cleaned == ["up", "up"]


def test_a_time_out_of_a_function_is_logged(place: Place) -> None:
    """Nothing can end a thread."""
    worker = Worker()
    free = threading.Event()

    @worker.job("t", timeout="20ms")
    def handler() -> None:
        assert free.wait(PATIENCE)

    instances = place.start()
    with worker.running(place.client):
        until(lambda: [line for line in place.logged() if "still runs after its time limit" in line])
        free.set()
        place.ended(instances)


@pytest.mark.parametrize(
    "error",
    [asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), ValueError("no")],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_coroutine_raises_fails_its_job_and_no_other(place: Place, error: BaseException) -> None:
    """The loop goes on."""
    worker = Worker()

    @worker.job("t")
    async def handler(x: int) -> None:
        await asyncio.sleep(0)
        if x:
            raise error

    place.start(x=1)
    with worker.running(place.client):
        [sent] = place.settled()
        place.ended(place.start(x=0))
    assert (sent.operation, sent.retries) == ("fail", None)
    assert str(sent.message).strip()


def test_a_task_that_ends_the_loop_does_not(place: Place) -> None:
    """`sys.exit()` in a task that a handler started stops an event loop: this one goes on."""
    worker = Worker()

    @worker.job("t")
    async def handler(x: int) -> None:
        if x:
            await asyncio.create_task(leave())

    async def leave() -> None:
        sys.exit(3)

    place.start(x=1)
    with worker.running(place.client):
        [sent] = place.settled()
        assert sent.operation == "fail"
        place.ended(place.start(number=5, x=0))
    assert any("ended the event loop" in line for line in place.logged())


def test_stop_waits_for_coroutines(place: Place) -> None:
    """They see that it is asked for, and their results arrive."""
    worker = Worker()
    begun: list[int] = []

    @worker.job("t")
    async def handler(context: Context) -> dict[str, bool]:
        begun.append(1)
        asked = await context.wait_for_stop_async(PATIENCE)
        await asyncio.sleep(0.1)
        return {"asked": asked and context.stop_requested}

    instances = place.start(number=3)
    with worker.running(place.client):
        until(lambda: len(begun) == 3)
    assert [place.engine.instance(each).variables for each in instances] == [{"asked": True}] * 3


def test_coroutines_that_outlast_the_grace_are_cancelled_and_spend_no_retry(place: Place) -> None:
    """Their jobs are offered again soon."""
    worker = Worker()
    cancelled: list[int] = []

    @worker.job("t")
    async def handler() -> None:
        cancelled.append(0)
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    place.start()
    with worker.running(place.client, grace=0.1):
        until(lambda: cancelled)
    [sent] = place.settled()
    assert (sent.operation, sent.retries) == ("fail", 3)
    assert sent.retry_timeout is not None
    assert cancelled == [0, 1]


@pytest.mark.parametrize("on_the_callers_loop", [False, True])
def test_what_coroutines_use_is_closed_after_they_were_cancelled(place: Place, on_the_callers_loop: bool) -> None:
    """Also those that outlast the grace."""
    order: list[str] = []

    @contextmanager
    def opened() -> Generator[str]:
        yield "pool"
        order.append("closed")

    worker = Worker(lifespan=opened)
    begun = threading.Event()

    @worker.job("t")
    async def handler() -> None:
        begun.set()
        try:
            await asyncio.sleep(600)
        finally:
            order.append("cancelled")

    async def on_a_loop() -> None:
        async with worker.running(place.client, grace=0.1):
            await asyncio.to_thread(begun.wait, PATIENCE)

    place.start()
    if on_the_callers_loop:
        asyncio.run(on_a_loop())
    else:
        with worker.running(place.client, grace=0.1):
            assert begun.wait(PATIENCE)
    assert order == ["cancelled", "closed"]
    [sent] = place.settled()
    assert (sent.operation, sent.retries) == ("fail", 3)


@pytest.mark.parametrize("how", ["unsubscribe", "close", "on a thread"])
def test_a_coroutine_that_stops_its_own_worker_does_not_wait_for_itself(place: Place, how: str) -> None:
    """`unsubscribe` and `close` return at once, and say that it is not over."""
    worker = Worker()
    said: list[bool] = []
    client = place.another_client()

    @worker.job("t")
    async def handler(context: Context) -> None:
        assert context.client is client
        if how == "unsubscribe":
            said.append(running.subscriptions["t"].unsubscribe())
        elif how == "close":
            said.append(client.close())
        else:
            said.append(await asyncio.to_thread(client.close))

    with worker.running(client) as running:
        place.ended(place.start())
        until(lambda: "ended" in repr(running.subscriptions["t"]))
    assert said == [False]


def test_a_coroutine_that_outlasts_its_lock_is_told_of(place: Place) -> None:
    """Once, while it runs; what waits to be settled in time is not."""
    worker = Worker(lock="300ms")
    free = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    @worker.job("t")
    async def handler(x: int) -> None:
        loops.append(asyncio.get_running_loop())
        if x:
            await free.wait()

    place.ended([])
    with worker.running(place.client):
        place.ended(place.start(number=10, x=0))
        assert place.logged() == []
        instances = place.start(x=1)
        until(lambda: [line for line in place.logged() if "lock" in line])
        loops[0].call_soon_threadsafe(free.set)
        place.ended(instances)
    assert len([line for line in place.logged() if "longer than" in line or "outlast" in line or "lock" in line]) == 1


def test_a_coroutine_that_settles_its_job_itself(place: Place) -> None:
    """As a function may: from a thread, with the care of the subscription; what it returns is then not sent."""
    worker = Worker()

    @worker.job("t")
    async def handler(context: Context) -> None:
        rest = context.client._restClient
        await asyncio.to_thread(rest.complete_job, context.job.id)

    instances = place.start()
    with worker.running(place.client):
        place.ended(instances)
    assert [request.operation for request in place.engine.sent()] == ["complete"]
    assert place.logged() == []


def test_time_that_jumps_does_not_overtake_a_coroutine() -> None:
    """On the clock of a test, as it does not overtake a function."""
    clock = JumpingClock()
    engine = EmbeddedEngine(Process("p", Task("work", "t")), clock=clock)
    adapter = EmbeddedAdapter(engine)
    worker = Worker()
    runs: list[float] = []

    @worker.job("t", lock="1m")
    async def handler() -> None:
        began = clock.now()
        await asyncio.sleep(0.1)
        runs.append(clock.now() - began)

    instances = [engine.start("p") for _ in range(3)]
    client = ExternalWorkerClient(adapter.url, customize_session=adapter.mount, clock=clock)
    with client, worker.running(client):
        engine.wait_for_end(*instances)
        clock.end()
    assert [each.kind for each in engine.events if each.kind == "reset"] == []
    assert len(runs) == 3


# ---------------------------------------------------------------- the journal


def test_coroutines_and_the_journal(tmp_path: Path) -> None:
    """Starts and ends are noted. One whose process died runs alone, between others that run beside each other."""
    path = tmp_path / "worker.db"
    engine = EmbeddedEngine(Process("p", Task("work", "t")))
    worker = Worker(concurrency=10)
    now: set[int] = set()
    crowd: dict[int, int] = {}

    @worker.job("t")
    async def handler(x: int) -> None:
        now.add(x)
        crowd[x] = len(now)
        await asyncio.sleep(0.05)
        crowd[x] = max(crowd[x], len(now))
        now.discard(x)

    with EmbeddedServer(engine) as server:
        suspect = engine.start("p", {"x": 0})
        program = [sys.executable, "-c", DEADLY, server.url, str(path)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        assert subprocess.run(program, env=environment, timeout=60, check=False).returncode == 7
        others = [engine.start("p", {"x": number}) for number in range(1, 10)]
        engine.expire_lock(engine.the_job("t", instance_id=suspect).id)
        with ExternalWorkerClient(server.url, journal=path) as client, worker.running(client):
            engine.wait_for_end(suspect, *others, timeout=PATIENCE)
    assert crowd.pop(0) == 1
    assert max(crowd.values()) > 1
    with closing(sqlite3.connect(path)) as rows:
        tables = [name for (name,) in rows.execute("select name from sqlite_master where type = 'table'")]
        left = {table: rows.execute(f"select * from {table}").fetchall() for table in tables}  # noqa: S608
    assert engine.sent("complete", instance_id=suspect)[0].job_id not in repr(left)


# ---------------------------------------------------------------- tenants and limits


def test_jobs_of_other_tenants_are_given_back(place: Place) -> None:
    """With a pause, and everything about them unchanged; those of ours are worked on, past any number of the others."""
    worker = Worker(tenants=["ours", ""])
    worker.job("t")(targets.double)
    theirs = place.start(number=3, tenant_id="theirs", x=1)
    ours = [*place.start(tenant_id="ours", x=1), *place.start(x=1)]
    with worker.running(place.client):
        place.ended(ours)
    given = [request for request in place.engine.sent() if request.operation == "fail"]
    assert len(given) == 3
    assert {
        (request.retries, request.message, request.retry_timeout and request.retry_timeout.total_seconds())
        for request in given
    } == {(3, None, 60.0)}
    for instance in theirs:
        job = place.engine.the_job("t", instance_id=instance)
        assert (job.retries, job.exception_message, job.lock_owner) == (3, None, None)
    assert all("other tenants" in line for line in place.logged() if "given back" in line)


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_a_rate_limit_stops_acquiring(place: Place, kind: str) -> None:
    """Never more in a span than allowed; what waits is locked by nobody; and no retry is spent."""
    moments: list[float] = []
    worker = Worker(middleware=[rate_limit(3, per="400ms")], concurrency=10)

    def function() -> None:
        moments.append(time.monotonic())

    async def coroutine() -> None:
        moments.append(time.monotonic())

    worker.job("t")(function if kind == "function" else coroutine)
    instances = place.start(number=10)
    with worker.running(place.client):
        until(lambda: len(moments) >= 3)
        assert sum(job.lock_owner is not None for job in place.engine.every_job()) <= 3
        place.ended(instances)
    assert {request.operation for request in place.engine.sent()} == {"complete"}
    spans = [later - earlier for earlier, later in zip(moments, moments[3:], strict=False)]
    assert min(spans) > 0.3  # jobs are counted when they are asked for, a little before they run
    assert "exclusive" not in "".join(place.logged())


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_a_circuit_breaker_stops_acquiring_and_probes_with_one_job(place: Place, kind: str) -> None:
    """Jobs that come to it while it is open spend no retry; one finds out, and then all go on."""
    broken = threading.Event()
    broken.set()
    runs: list[bool] = []
    breaker = circuit_breaker(failures=2, pause="300ms")
    worker = Worker(middleware=[breaker], concurrency=4, retry=RetryPolicy(first_pause=0, longest_pause=0))

    def work() -> None:
        runs.append(broken.is_set())
        if broken.is_set():
            raise ConnectionError("away")

    def function() -> None:
        work()

    async def coroutine() -> None:
        await asyncio.sleep(0)
        work()

    worker.job("t")(function if kind == "function" else coroutine)
    instances = place.start(number=8)
    with worker.running(place.client):
        until(lambda: breaker.state == "open")
        until(lambda: len(runs) > 2, lambda probed: probed or breaker.state != "open")
        broken.clear()
        place.ended(instances)
        assert breaker.state == "closed"
    failures = [request for request in place.engine.sent() if request.operation == "fail"]
    spent = [request for request in failures if request.retries != 3]
    # Before it opened: one, and those that ran beside it.
    assert 1 <= len(spent) <= 4
    assert not place.engine.dead_letters()
    assert runs.count(False) == 8


def test_a_probe_that_ends_lets_the_others_go_on_at_once(place: Place) -> None:
    """Whoever waits to ask is woken."""
    breaker = circuit_breaker(failures=1, pause="100ms")
    worker = Worker(middleware=[breaker], concurrency=8)
    fails = itertools.count()

    @worker.job("t")
    async def handler() -> None:
        if not next(fails):
            raise ConnectionError("away")

    instances = place.start(number=30)
    with worker.running(place.client):
        until(lambda: sum(place.engine.instance(each).ended for each in instances) >= 29)
    assert breaker.state == "closed"


def test_many_topics(place: Place) -> None:
    """Of both kinds, in one worker: one loop, and a few threads for each."""
    worker = Worker()
    topics = [f"t{number}" for number in range(20)]

    def function(x: int) -> dict[str, int]:
        return {"y": x + 1}

    async def coroutine(x: int) -> dict[str, int]:
        return {"y": x + 1}

    for number, topic in enumerate(topics):
        worker.job(topic)(function if number % 2 else coroutine)
    instances = [each for topic in topics for each in place.start(topic, 3, x=1)]
    with worker.running(place.client):
        assert {each.variables["y"] for each in place.ended(instances)} == {2}
        assert sum(each.name == "flowable-loop" for each in threading.enumerate()) == 1
