"""Part 6: three worker processes on one engine, and how much they are in each other's way."""

from __future__ import annotations

import functools
import time
from typing import Final

from side_by_side.access_log import Asked, asked
from side_by_side.attempts import Attempts
from side_by_side.bed import Bed
from side_by_side.measured import turns
from side_by_side.samples import Sample
from side_by_side.variants import CEILING, VARIANTS

PART: Final = "processes"
PROCESSES: Final = 3
JOBS: Final = 3_000
QUICK_JOBS: Final = 1_000
ALWAYS: Final = ("fast", "concurrent", "default")
SELDOM: Final = ("v1-batched", "js-batched")
SELDOM_ROUNDS: Final = 2


def run(bed: Bed, rounds: int, quick: bool) -> list[Sample]:
    """Measure on the engine; the other clients in the first two rounds.

    Args:
        bed: Where.
        rounds: How many.
        quick: A third of the jobs, for a look.
    """
    attempts = Attempts(PART)
    jobs = QUICK_JOBS if quick else JOBS
    windows: dict[tuple[str, int], tuple[float, float]] = {}
    for number in range(rounds):
        for name in turns((CEILING, *ALWAYS, *(SELDOM if number < SELDOM_ROUNDS else ())), number):
            if name == CEILING:
                attempts.measure(CEILING, "engine", number, functools.partial(bed.on_engine.ceiling, jobs))
                continue
            scenario, began = VARIANTS[name].scenario, time.time()
            call = functools.partial(bed.on_engine.drain_together, VARIANTS[name], jobs, PROCESSES)
            if attempts.measure(scenario, "engine", number, call) is not None:
                windows[scenario, number] = (began, time.time())
    lines = bed.requests()
    for (scenario, number), (since, until) in windows.items():
        attempts.samples += in_the_way(scenario, number, asked(lines, since, until), jobs)
    return attempts.samples


def in_the_way(scenario: str, number: int, seen: Asked, jobs: int) -> list[Sample]:
    """Return how much processes were in each other's way."""
    found = {
        "acquires_per_1000_jobs": 1000 * seen.acquires / jobs,
        "acquires_empty_percent": 100 * seen.empty / max(1, seen.acquires),
        "settles_clashed": seen.clashed,
        "calls_failed": seen.failed,
    }
    return [
        Sample(part=PART, scenario=scenario, place="engine", metric=metric, round=number, value=value)
        for metric, value in found.items()
    ]
