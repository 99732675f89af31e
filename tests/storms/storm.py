"""One storm: process instances, three worker processes, and all that is needed to bring harm to them and to see it."""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import requests
from tests.storms.judge import Evidence
from tests.storms.ledger import Ledger
from tests.support.waiting import until

from flowable.external_worker_client.testing.real_engine import RealEngine, RealEngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.support.models import Model

WORKER = Path(__file__).with_name("worker.py")
WORKERS = 3
STARTERS = 4  # threads that start instances
LOCK = 60.0  # seconds
PAGE = 1_000

READY_TIMEOUT = 30.0  # seconds, for a worker to come up on a busy machine
STOP_TIMEOUT = 40.0  # seconds, for a worker to leave; its own grace is 20
NEXT_TIMEOUT = 90.0  # seconds, for the next handler to be started: longer than a lock, and an engine's start
PER_JOB = 0.3  # seconds that a job may take, workers and engine sharing two cores with other tests
CATCH_TIMEOUT = 2.0  # seconds, to catch a worker in the middle of a handler
CATCH_AGAIN = 0.001  # seconds between two tries of that: handlers take 5 to 20 ms
LOOK_AGAIN = 0.3  # seconds between two looks at the locks, and at how many instances are left

#: What a worker's log says each time that a result was not delivered at once.
SENT_AGAIN = "sending again in"


@dataclass(slots=True, kw_only=True)
class Worker:
    """A worker process.

    Attributes:
        process: It.
        log: What it has said.
    """

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid


@dataclass(slots=True, kw_only=True)
class Storm:
    """Instances and workers. A context manager: no worker outlives it.

    Attributes:
        engine_url: The engine, for the storm itself.
        worker_url: The engine, or what stands before it, for the workers.
        model: With one task on the topic `work`.
        folder: For ledger, logs and journal.
        jobs: How many instances, of one job each.
        seed: Of all that happens by chance here.
        lock: Of the jobs, in seconds.
        journal: Whether the workers have one.
        void: Tells whether there is no point in waiting any longer, for a reason that is none of the workers'.
    """

    engine_url: str
    worker_url: str
    model: Model
    folder: Path
    jobs: int
    seed: int
    lock: float = LOCK
    journal: bool = False
    void: Callable[[], bool] = bool

    workers: list[Worker] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    killed: dict[int, float] = field(default_factory=dict)
    outages: list[tuple[float, float]] = field(default_factory=list)
    left_locked: list[str] = field(default_factory=list)
    ended_badly: list[str] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    oldest_lock: float = 0.0
    seconds: float = 0.0
    dice: random.Random = field(init=False)
    ledger: Ledger = field(init=False)
    _all: list[Worker] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _began: float = 0.0
    _definition: str = ""
    _over: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311  # to be repeatable is the point
        self.ledger = Ledger(self.folder / "ledger")

    # ------------------------------------------------------------ begin and end

    def __enter__(self) -> Self:
        """Start the instances, and then the workers."""
        with RealEngine(self.engine_url) as access:
            access.deploy(self.model.text)
            found = access._pages("/repository/process-definitions", key=self.model.key)
        self._definition = str(found[0]["id"])
        with ThreadPoolExecutor(STARTERS) as pool:
            shares = [self.jobs // STARTERS + (number < self.jobs % STARTERS) for number in range(STARTERS)]
            self.instances = [each for some in pool.map(self._start_instances, shares) for each in some]
        self._watcher = threading.Thread(target=self._watch_locks, name="storm-locks")
        self._watcher.start()
        self._began = time.time()
        try:
            for _ in range(WORKERS):
                self.start_worker()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """End what is still running."""
        self._over.set()
        for worker in self._all:
            if worker.process.poll() is None:
                worker.process.kill()
            worker.process.wait()
            if worker.process.stdin is not None:
                worker.process.stdin.close()
        if self._watcher is not None:
            self._watcher.join()

    def _start_instances(self, count: int) -> list[str]:
        with RealEngine(self.engine_url) as access:
            return [access.start_process(self.model.key) for _ in range(count)]

    # ------------------------------------------------------------ workers

    def start_worker(self) -> Worker:
        """Start a worker; returns at once."""
        log = self.folder / f"worker-{next(self._numbers):03}.log"
        command = [sys.executable, str(WORKER), self.worker_url, self.model.topic("work")]
        command += [str(self.folder / "ledger"), "--lock", f"PT{self.lock:g}S"]
        command += ["--journal", str(self.folder / "journal.db")] if self.journal else []
        with log.open("wb") as output:
            # Nothing is ever written to its input: that ends with this process, and the worker with that.
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
        worker = Worker(process=process, log=log)
        self.workers.append(worker)
        self._all.append(worker)
        return worker

    def wait_until_ready(self, worker: Worker) -> None:
        """Wait until a worker handles signals."""
        until(lambda: self.ledger.is_ready(worker.pid) or worker.process.poll() is not None, deadline=READY_TIMEOUT)
        assert worker.process.poll() is None, worker.log.read_text()

    def kill_a_worker(self) -> None:
        """Kill one of the workers, as running out of memory does, and start another one.

        Every other time in the middle of a handler, if one is caught there; else whatever it is at, mostly waiting for
        an answer.
        """
        worker = self.dice.choice(self.workers)
        self.wait_until_ready(worker)
        end = time.monotonic() + (CATCH_TIMEOUT if self.dice.random() < 0.5 else 0.0)
        while time.monotonic() < end and not self.ledger.is_working(worker.pid):
            self._over.wait(CATCH_AGAIN)
        self.workers.remove(worker)
        worker.process.kill()
        worker.process.wait()
        self.killed[worker.pid] = time.time()
        self.start_worker()

    def stop_the_oldest_worker(self) -> None:
        """Ask the worker that has been there longest to leave, as a deploy does; look what it left; start another."""
        worker = self.workers[0]
        self.wait_until_ready(worker)
        self._stop(worker)
        self.left_locked += self._locked_by(worker)
        self.start_worker()

    def _stop(self, worker: Worker) -> None:
        self.workers.remove(worker)
        told = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)
        try:
            status = worker.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.ended_badly.append(f"{worker.pid} had not left after {STOP_TIMEOUT:g} s")
            return
        self.stops.append(time.monotonic() - told)
        if status:
            self.ended_badly.append(f"{worker.pid} ended with status {status}: {_last_line(worker.log)}")

    # ------------------------------------------------------------ how far it is

    def points(self, count: int) -> list[int]:
        """Return numbers of handler starts, by chance, at which something is to happen; in order."""
        return sorted(self.dice.sample(range(self.jobs // 20, self.jobs * 9 // 10), count))

    def wait_for_starts(self, count: int) -> None:
        """Wait until so many handlers were started."""
        while (before := self.ledger.count()) < count:
            until(lambda: self.ledger.count() > before, deadline=NEXT_TIMEOUT)

    def wait_until_all_have_ended(self) -> None:
        """Wait until no instance runs any more. What is left when the time is up, the judge will see."""
        end = time.monotonic() + self.lock + PER_JOB * self.jobs
        with RealEngine(self.engine_url) as access:
            # Not more often: counting is work for an engine that has enough of it.
            while self._running(access) and time.monotonic() < end and not self.void():
                self._over.wait(LOOK_AGAIN)
        self.seconds = time.time() - self._began

    def _running(self, access: RealEngine) -> int:
        where = {"processDefinitionKey": self.model.key, "finished": "false", "size": "0"}
        return int(access._call("GET", "/history/historic-process-instances", params=where)["total"])

    # ------------------------------------------------------------ what was seen

    def evidence(self) -> Evidence:
        """Stop the workers, and return what was seen."""
        for worker in list(self.workers):
            self.wait_until_ready(worker)
            self._stop(worker)
        with RealEngine(self.engine_url) as access:
            ended = access._pages(
                "/history/historic-process-instances",
                processDefinitionKey=self.model.key,
                finished="true",
                includeProcessVariables="true",
            )
            # By their start, as is usual there, many are alike: a database may show one on two pages, another on none.
            activities = access._pages(
                "/history/historic-activity-instances",
                processDefinitionId=self._definition,
                sort="activityInstanceId",
            )
            dead = access._pages("/management/deadletter-jobs", processDefinitionId=self._definition)
            jobs = self._jobs(access, processDefinitionId=self._definition)
        ways: dict[str, list[str]] = {str(instance["id"]): [] for instance in ended}
        for each in activities:
            if each["processInstanceId"] in ways and each["activityType"] != "sequenceFlow":
                ways[each["processInstanceId"]].append(str(each["activityId"]))
        return Evidence(
            instances=self.instances,
            ways={instance: sorted(way) for instance, way in ways.items()},
            values={
                str(instance["id"]): [str(each["value"]) for each in instance["variables"] if each["name"] == "handled"]
                for instance in ended
            },
            starts=self.ledger.starts,
            killed=self.killed,
            outages=self.outages,
            dead_letters=[f"{each['id']}: {each.get('exceptionMessage')}" for each in dead],
            left_locked=[
                *self.left_locked,
                *(f"{job['id']}, by {job['lockOwner']}" for job in jobs if job["lockOwner"]),
            ],
            oldest_lock=self.oldest_lock,
            ended_badly=self.ended_badly,
            traces=[f"{worker.log.name}, line {line}" for worker in self._all for line in _traces(worker.log)],
        )

    def resends(self) -> int:
        """Return how often a worker had to send a result again."""
        return sum(worker.log.read_text(errors="replace").count(SENT_AGAIN) for worker in self._all)

    def _jobs(self, access: RealEngine, **where: str) -> list[dict[str, Any]]:
        answer = access._request("GET", "/external-job-api/jobs", params={**where, "size": str(PAGE)})
        return list(answer.json()["data"])

    def _locked_by(self, worker: Worker) -> list[str]:
        """Return the jobs that are locked by a worker; its generated name has its process id in the middle."""
        with RealEngine(self.engine_url) as access:
            jobs = self._jobs(access, locked="true", processDefinitionId=self._definition)
        return [
            f"{job['id']}, by {job['lockOwner']}, which had left"
            for job in jobs
            if f"-{worker.pid}-" in str(job["lockOwner"])
        ]

    def _watch_locks(self) -> None:
        """Look every now and then how long jobs have been locked."""
        with RealEngine(self.engine_url) as access:
            while not self._over.wait(LOOK_AGAIN):
                # Away, or on its way up.
                with contextlib.suppress(requests.RequestException, RealEngineError):
                    for job in self._jobs(access, locked="true", processDefinitionId=self._definition):
                        if job["lockOwner"]:
                            until_when = datetime.fromisoformat(job["lockExpirationTime"]).astimezone(UTC)
                            left = (until_when - datetime.now(UTC)).total_seconds()
                            self.oldest_lock = max(self.oldest_lock, self.lock - left)


def _traces(log: Path) -> list[int]:
    lines = log.read_text(errors="replace").splitlines()
    return [number for number, line in enumerate(lines, 1) if line.startswith("Traceback ")]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"
