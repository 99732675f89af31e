"""Measuring what may not work, within a time: one client that fails must not cost the figures of the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from side_by_side.measured import Drain, samples
from side_by_side.places import BenchmarkError
from side_by_side.programs import MissingVariantError
from side_by_side.samples import Sample

TIME: float = 540.0  # seconds for a part, so that it ends within ten minutes


class Attempts:
    """Collects the samples of a part.

    Args:
        part: Its name.
        seconds: How long it may take.

    Attributes:
        samples: What was measured.
    """

    def __init__(self, part: str, seconds: float = TIME) -> None:
        self._part = part
        self._ends = time.monotonic() + seconds
        self._missing: set[str] = set()
        self._longest: dict[tuple[str, str, float | None], float] = {}
        self.samples: list[Sample] = []

    def left(self) -> float:
        """Return how many seconds are left."""
        return self._ends - time.monotonic()

    def measure(
        self, scenario: str, place: str, number: int, call: Callable[[], Drain], x: float | None = None
    ) -> Drain | None:
        """Measure something in a round. What is missing or fails is said, and not fatal; what is missing, only once.

        Args:
            scenario: What.
            place: Where.
            number: The round.
            call: Measures it.
            x: What it is drawn against.

        Returns:
            What came of it. `None`: it is missing, it failed, or there is not the time for it: as long as it took in
            the rounds before.
        """
        longest = self._longest.get((scenario, place, x), 0.0)
        if scenario in self._missing or self.left() <= longest:
            return None
        began = time.monotonic()
        try:
            drain = call()
        except MissingVariantError as missing:
            self._missing.add(scenario)
            print(f"  {scenario}: {missing}", file=sys.stderr, flush=True)
            return None
        except BenchmarkError as error:
            print(f"  {scenario}: not measured in round {number}: {error}", file=sys.stderr, flush=True)
            return None
        finally:
            self._longest[scenario, place, x] = max(longest, time.monotonic() - began)
        self.samples += samples(self._part, scenario, place, number, drain, x)
        against = "" if x is None else f" ({x:,.0f})"
        print(
            f"  {self._part} {place} round {number}: {scenario}{against}: {drain.jobs_per_second:,.0f} jobs/s, "
            f"{drain.cpu_ms_per_job:.3f} ms CPU/job",
            flush=True,
        )
        return drain
