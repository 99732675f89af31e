"""Three worker processes on the real engine, and harm that comes to them, to the engine and to the wire between them.

200 jobs for each storm; `make faults` does the same with 2,000. What is promised, and what is looked at for that, is in
`judge`.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.storms.conftest import FIGURES
from tests.storms.figures import Figures
from tests.storms.judge import Promise, Reason, judge

from flowable.external_worker_client.testing import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.launch import Engine
    from engine.postgres import Postgres
    from tests.storms.storm import Storm

    from flowable.external_worker_client.testing.proxy_faults import WireFaults, WireOperation
    from flowable.external_worker_client.testing.real_engine import RealEngine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its signals are those of Linux and macOS")

# The engine locks what it continues for an hour, and one that was killed does not let go of it. It is that job of its
# own which is run again then; no handler is.
SETTINGS = {"flowable.process.async.executor.async-job-lock-time": "PT5S"}

#: What H2 says of an index that no longer fits its table. That happens, seldom, when the engine is killed in the middle
#: of a write, and no request for the row ever succeeds again: such a storm tells about H2 only, and is repeated.
DAMAGE = "Row not found when trying to delete from index"
ATTEMPTS = 3

#: Short, because what a killed worker was at is offered again when its lock ends, and the test waits for that.
LOCK_OF_THE_KILLED = 8.0  # seconds
#: What was locked by an acquire whose answer was lost is found long before its lock of a minute ends.
FOLLOWED_UP = 45.0  # seconds
#: For one stop of a worker without work in hand beyond handlers of 20 ms.
QUICK_STOP = 10.0  # seconds, on a busy machine


@pytest.fixture
def conclude(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Judge a storm: `conclude("name", storm, promise, "what happened")`."""

    def end(name: str, storm: Storm, promise: Promise, what_happened: str) -> None:
        evidence = storm.evidence()
        verdict = judge(promise, evidence)
        extra = "  ".join(f"{number} ({reason})" for reason, number in sorted(verdict.extra.items()))
        surplus = verdict.starts - len({start.correlation for start in evidence.starts})
        unexplained = surplus - sum(verdict.extra.values())
        figures = Figures(
            storm=name,
            jobs=storm.jobs,
            seconds=storm.seconds,
            handler_starts=verdict.starts,
            extra_starts=(extra + (f"  {unexplained} WITHOUT REASON" if unexplained else "")).strip() or "0",
            what_happened=what_happened,
            resends=storm.resends(),
            retries_spent=verdict.retries_spent,
            left_locked=len(evidence.left_locked),
            oldest_lock=evidence.oldest_lock,
            promises=f"{len(verdict.complaints)} broken" if verdict.complaints else "kept",
        )
        record_property(FIGURES, figures.dump())
        seed = f"--storm-seed={storm.seed}, logs in {storm.folder}"
        print(f"{figures}, {seed}")  # noqa: T201  # for those who run with -rP, and for failures
        if verdict.complaints:
            pytest.fail("\n".join([*verdict.complaints, seed]), pytrace=False)

    return end


@pytest.mark.timeout(240)
def test_workers_are_killed(
    storm: Callable[..., Storm], conclude: Callable[..., None], real_engine: RealEngine, seed: int
) -> None:
    """Workers are killed and restarted at random, with a journal: only what was running then is run again."""
    with FaultProxy(real_engine.url, seed=seed) as proxy:
        # Every fourth result has to wait, so that a worker that is killed has some: what a journal is for.
        proxy.faults.html("complete", status=503, retry_after=2, share=0.25, times=None)
        with storm(engine_url=real_engine.url, worker_url=proxy.url, lock=LOCK_OF_THE_KILLED, journal=True) as workers:
            for point in workers.points(max(6, workers.jobs // 50)):
                workers.wait_for_starts(point)
                workers.kill_a_worker()
            workers.wait_until_all_have_ended()
            conclude(
                "a  workers killed, journal",
                workers,
                Promise(reasons=frozenset({Reason.KILLED}), results_survive=True),
                f"{len(workers.killed)} kills",
            )


@pytest.mark.timeout(240)
def test_the_engine_is_killed_on_h2(
    storm: Callable[..., Storm],
    conclude: Callable[..., None],
    own_engine: Callable[..., Engine],
    free_port: int,
    tmp_path: Path,
) -> None:
    """The engine is killed twice, with H2 on disk, every commit written before it is acknowledged."""
    for attempt in range(1, ATTEMPTS + 1):
        engines = Engines(own_engine, port=free_port, database=tmp_path / f"database-{attempt}", settings=SETTINGS)
        voided = f", and {attempt - 1} times void: index damaged" if attempt > 1 else ""
        if engine_dies_twice("b  engine killed, H2", storm, conclude, engines, voided):
            return
    pytest.fail(f"H2 has damaged its own index {ATTEMPTS} times in a row")


@pytest.mark.timeout(240)
def test_the_engine_is_killed_on_postgresql(
    storm: Callable[..., Storm],
    conclude: Callable[..., None],
    own_engine: Callable[..., Engine],
    free_port: int,
    postgres_server: Postgres,
) -> None:
    """The engine is killed twice, on PostgreSQL."""
    engines = Engines(own_engine, port=free_port, database=postgres_server.url, settings=SETTINGS)
    assert engine_dies_twice("b  engine killed, PostgreSQL", storm, conclude, engines)


class Engines:
    """Starts an engine always in the same way, on the same database.

    Args:
        own_engine: The fixture.
        options: Of the engine.
    """

    def __init__(self, own_engine: Callable[..., Engine], **options: Any) -> None:
        self._own_engine = own_engine
        self._options = options
        self._logs: list[Path] = []

    def start(self) -> Engine:
        """Start it, and wait until it is up."""
        engine = self._own_engine(**self._options)
        self._logs.append(engine.log)
        engine.wait_healthy()
        return engine

    def damaged(self) -> bool:
        """Tell whether the engine has found an index of H2 that does not fit its table."""
        return any(DAMAGE in log.read_text(errors="replace") for log in self._logs)


def engine_dies_twice(
    name: str, storm: Callable[..., Storm], conclude: Callable[..., None], engines: Engines, more: str = ""
) -> bool:
    """Kill the engine when a quarter, and when half of the jobs have been started.

    Returns:
        bool: Whether that tells anything; `False`: the database was damaged.
    """
    engine = engines.start()
    with storm(engine_url=engine.url, void=engines.damaged) as workers:
        for share in (4, 2):
            workers.wait_for_starts(workers.jobs // share)
            begin = time.time()
            engine.kill()
            engine = engines.start()
            workers.outages.append((begin, time.time()))
        workers.wait_until_all_have_ended()
        if engines.damaged():
            engine.kill()
            return False
        away = " and ".join(f"{end - begin:.0f} s" for begin, end in workers.outages)
        promise = Promise(reasons=frozenset({Reason.OUTAGE}), oldest_lock=FOLLOWED_UP)
        conclude(name, workers, promise, f"2 kills, away {away}{more}")
    return True


@pytest.mark.timeout(240)
def test_connections_are_cut(
    storm: Callable[..., Storm], conclude: Callable[..., None], real_engine: RealEngine, seed: int
) -> None:
    """Connections are cut at random, before requests arrive, after they did, and in the middle of answers."""
    with FaultProxy(real_engine.url, seed=seed) as proxy:
        # There are jobs for the first acquires, so these locks are lost for certain.
        proxy.faults.reset("acquire", "after", times=2)
        cut_at_random(proxy.faults)
        with storm(engine_url=real_engine.url, worker_url=proxy.url) as workers:
            workers.wait_until_all_have_ended()
            proxy.faults.clear()
            faults = [exchange for exchange in proxy.exchanges if exchange.fault is not None]
            done = {exchange.operation for exchange in faults if exchange.status is not None}
            counts = Counter(exchange.operation for exchange in faults)
            conclude(
                "c  connections cut",
                workers,
                Promise(oldest_lock=FOLLOWED_UP),
                ", ".join(f"{number} {operation}" for operation, number in sorted(counts.items()))
                + f" of {len(proxy.exchanges)}",
            )
    assert {"acquire", "complete"} <= done, "no answer was lost: this storm was none"


def cut_at_random(faults: WireFaults) -> None:
    """Plan the cuts: for 8 % of the completes and looks, and, of which there are few, 16 % of the acquires.

    None for `fail`, with which jobs are given back: that is never sent again, and a lost one costs no more than the
    wait for the end of the lock.
    """
    shares: dict[WireOperation, float] = {"acquire": 0.02, "complete": 0.01, "list": 0.01, "get": 0.01}
    for operation, share in shares.items():
        faults.reset(operation, "before", share=2 * share, times=None)
        faults.reset(operation, "after", share=2 * share, times=None)
        faults.close(operation, "after", share=share, times=None)
        faults.cut_off(operation, share=share, times=None)
        faults.html(operation, status=502, share=share, times=None)
        faults.html(operation, status=503, share=share, times=None)


@pytest.mark.timeout(240)
def test_workers_are_replaced(
    storm: Callable[..., Storm], conclude: Callable[..., None], real_engine: RealEngine
) -> None:
    """Workers are told to stop, one after the other, and replaced, as in a deploy: nobody notices."""
    with storm(engine_url=real_engine.url) as workers:
        for point in workers.points(max(6, workers.jobs // 50)):
            workers.wait_for_starts(point)
            workers.stop_the_oldest_worker()
        workers.wait_until_all_have_ended()
        slowest = max(workers.stops)
        conclude("d  workers replaced", workers, Promise(), f"{len(workers.stops)} stops, the slowest {slowest:.1f} s")
    assert slowest < QUICK_STOP
