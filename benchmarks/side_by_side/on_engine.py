"""Drains on the real engine."""

from __future__ import annotations

from typing import Final

from side_by_side import loader
from side_by_side.instances import Instances
from side_by_side.measured import Drain, report_after
from side_by_side.peers import Peers
from side_by_side.programs import Program
from side_by_side.variants import Variant, command

DEADLINE: Final = 180.0  # seconds, for any drain
ENDS: Final = 60.0  # seconds, for what the engine does after a drain
WARMED_BY: Final = 2_500  # jobs at a time
SLOTS: Final = 32  # of the compiled client, when its handlers wait


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

    def prepare(self, jobs: int, topics: int) -> list[str]:
        """Have so many jobs, shared out evenly, and nothing else for the engine to do; return the topics."""
        names = [f"bench-{number}" for number in range(topics)]
        if new := [name for name in names if name not in self._deployed]:
            self._instances.deploy(*new)
            self._deployed.update(new)
        self._instances.wait_ended(*sorted(self._deployed), deadline=ENDS)
        for name in names:
            self._instances.start(name, jobs // topics)
        return names
