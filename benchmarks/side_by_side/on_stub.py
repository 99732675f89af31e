"""Drains on the stub."""

from __future__ import annotations

from typing import Final

from side_by_side import loader
from side_by_side.loader import Stub
from side_by_side.measured import Drain
from side_by_side.peers import Peers
from side_by_side.places import BenchmarkError
from side_by_side.programs import Program
from side_by_side.variants import Variant, command

DEADLINE: Final = 120.0  # seconds, for any drain


class StubPlace:
    """The stub, as a place to drain topics on.

    Args:
        stub: Where the jobs come from.
        peers: The other clients.
    """

    name: Final = "stub"

    def __init__(self, stub: Stub, peers: Peers) -> None:
        self._stub = stub
        self._peers = peers

    def ceiling(self, jobs: int, *, slots: int = 0, sleep_ms: int = 0) -> Drain:
        """Measure the compiled client; with slots, as if handlers waited."""
        self._stub.reset(jobs)
        options = {"slots": slots, "sleep_ms": sleep_ms} if slots else {}
        found = loader.load(self._stub.url, "bench", jobs, **options)
        return Drain(jobs=jobs, seconds=self._stub.counts()["seconds"], cpu_seconds=found["cpu_seconds"])

    def drain(
        self, variant: Variant, jobs: int, *, topics: int = 1, concurrency: int | None = None, sleep_ms: int = 0
    ) -> Drain:
        """Measure a variant.

        Args:
            variant: What is measured.
            jobs: How many.
            topics: Among how many topics they are shared out evenly.
            concurrency: `None`: as the variant says.
            sleep_ms: How long each handler waits.

        Raises:
            BenchmarkError: It does not work, or it takes longer than two minutes.
        """
        self._stub.reset(jobs, topics if topics > 1 else 0)
        names = [f"bench-{number}" for number in range(topics)]
        line = command(
            variant, self._peers, url=self._stub.url, topics=names, concurrency=concurrency, sleep_ms=sleep_ms
        )
        with Program(line, report=jobs) as program:
            counts = self._stub.wait(DEADLINE)
            spent = program.stop()
            # What was failed, or completed twice, is no drain, however fast it was.
            if counts["complete"] != jobs or counts["unknown"]:
                wrong = f"{variant.scenario}: of {jobs} jobs each is to be completed once, not {counts}"
                raise BenchmarkError(f"{wrong}. {program.complaint()}")
        return Drain(
            jobs=jobs,
            seconds=counts["seconds"],
            cpu_seconds=spent.cpu_seconds,
            peak_mb=spent.peak_mb,
            grown_mb=spent.after_mb - spent.before_mb,
        )
