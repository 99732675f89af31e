"""Drains on the real engine."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Final

from side_by_side import loader
from side_by_side.instances import Instances
from side_by_side.measured import Drain, report_after
from side_by_side.peers import Peers
from side_by_side.places import BenchmarkError
from side_by_side.programs import Program
from side_by_side.some_of_many import drain_some
from side_by_side.variants import Variant, command

DEADLINE: Final = 180.0  # seconds, for any drain
ENDS: Final = 60.0  # seconds, for what the engine does after a drain
WARMED_BY: Final = 2_500  # jobs at a time
FEW: Final = 20  # calls of handlers
LOOK_AGAIN: Final = 0.02  # seconds


class EnginePlace:
    """The engine, as a place to drain topics on.

    Every job is an external worker task of a process instance of its own. A drain begins when the engine has done with
    what the one before it left to do.

    Args:
        url: Of the engine.
        instances: Makes the jobs.
        peers: The other clients.
    """

    name: Final = "engine"

    def __init__(self, url: str, instances: Instances, peers: Peers) -> None:
        self._url = url
        self._instances = instances
        self._peers = peers
        self._deployed: set[str] = set()

    def warm(self, jobs: int) -> None:
        """Let the engine do so many jobs, which are not measured."""
        for done in range(0, jobs, WARMED_BY):
            self.ceiling(min(WARMED_BY, jobs - done))

    def ceiling(self, jobs: int, *, slots: int = 0, sleep_ms: int = 0) -> Drain:
        """Measure the compiled client; with slots, as if handlers waited."""
        [topic] = self.prepare(jobs, 1)
        options = {"slots": slots, "sleep_ms": sleep_ms} if slots else {}
        found = loader.load(self._url, topic, jobs, **options)
        self._instances.wait_settled(topic, deadline=ENDS)
        return Drain(jobs=jobs, seconds=found["seconds"], cpu_seconds=found["cpu_seconds"])

    def drain(
        self, variant: Variant, jobs: int, *, topics: int = 1, concurrency: int | None = None, sleep_ms: int = 0
    ) -> Drain:
        """Measure a variant, as `StubPlace.drain` does.

        Raises:
            BenchmarkError: It does not work, or it takes longer than three minutes.
        """
        names = self.prepare(jobs, topics)
        line = command(variant, self._peers, url=self._url, topics=names, concurrency=concurrency, sleep_ms=sleep_ms)
        with Program(line, report=report_after(jobs)) as program:
            # The engine is looked at when little can be left, so that looking does not slow it down.
            program.wait_called(jobs, DEADLINE)
            ended = self._instances.wait_settled(*names, deadline=ENDS)
            spent = program.stop()
        return Drain(
            jobs=jobs,
            seconds=ended - program.began,
            cpu_seconds=spent.cpu_seconds,
            peak_mb=spent.peak_mb,
            grown_mb=spent.after_mb - spent.before_mb,
        )

    def drain_some(self, variant: Variant, jobs: int, backlog: int) -> Drain:
        """Measure so many jobs of a variant, while a backlog waits. What is left stays there, until `clear`.

        Raises:
            BenchmarkError: It does not work, or it takes longer than three minutes.
        """
        topic = "backlog"
        self._deploy([topic])
        missing = backlog + jobs - self._instances.open_jobs(topic)
        if missing > 0:
            self._instances.start(topic, missing)
        return drain_some(variant, self._peers, self._url, topic, jobs)

    def clear(self) -> None:
        """Do what `drain_some` has left."""
        left = self._instances.open_jobs("backlog")
        loader.load(self._url, "backlog", left)
        self._instances.wait_settled("backlog", deadline=DEADLINE)

    def drain_together(self, variant: Variant, jobs: int, processes: int) -> Drain:
        """Measure several processes of a variant on one topic; CPU and memory are those of all of them.

        Raises:
            BenchmarkError: It does not work, or it takes longer than three minutes.
        """
        names = self.prepare(jobs, 1)
        line = command(variant, self._peers, url=self._url, topics=names)
        with ExitStack() as stack:
            programs = [stack.enter_context(Program(line, report=FEW)) for _ in range(processes)]
            ends = time.monotonic() + DEADLINE
            # Each tells of every few calls, and may keep a few to itself.
            while sum(each.called for each in programs) < jobs - FEW * processes and time.monotonic() < ends:
                time.sleep(LOOK_AGAIN)
            ended = self._instances.wait_settled(*names, deadline=ENDS)
            spent = [each.stop() for each in programs]
        return Drain(
            jobs=jobs,
            seconds=ended - min(each.began for each in programs),
            cpu_seconds=sum(each.cpu_seconds for each in spent),
            peak_mb=sum(each.peak_mb for each in spent),
            grown_mb=sum(each.after_mb - each.before_mb for each in spent),
        )

    def _deploy(self, names: list[str]) -> None:
        if new := [name for name in names if name not in self._deployed]:
            self._instances.deploy(*new)
            self._deployed.update(new)

    def prepare(self, jobs: int, topics: int) -> list[str]:
        """Have so many jobs, shared out evenly, and nothing else for the engine to do; return the topics."""
        names = [f"bench-{number}" for number in range(topics)]
        self._deploy(names)
        self._instances.wait_ended(*names, deadline=ENDS)
        for name in names:
            self._instances.start(name, jobs // topics)
            # A count that does not see the jobs would call every drain finished before it is.
            if (seen := self._instances.open_jobs(name)) != jobs // topics:
                raise BenchmarkError(f"{name}: {jobs // topics} jobs were made, and {seen} are there")
        return names
