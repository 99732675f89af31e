"""Part 2: handlers that wait for 50 ms, so many at once, on threads or as coroutines."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

from side_by_side.attempts import Attempts
from side_by_side.bed import Bed
from side_by_side.measured import Drain, turns
from side_by_side.on_engine import EnginePlace
from side_by_side.on_stub import StubPlace
from side_by_side.samples import Sample
from side_by_side.variants import VARIANTS, WAITING_CEILING

PART: Final = "waiting"
SLEEP_MS: Final = 50
CEILING: Final = "ceiling"
#: What is compared with the ceiling, in every round.
PAIRED: Final = 32


@dataclass(frozen=True, slots=True)
class Scene:
    """A client with so many handlers at once.

    Attributes:
        name: Of a variant, or the ceiling.
        scenario: What the results call it: these differ from other parts in how many handlers there are.
        concurrency: How many. For clients that run one after the other, 1.
        jobs: In one sample: a few seconds of work.
    """

    name: str
    scenario: str
    concurrency: int
    jobs: int


ALWAYS: Final = (
    Scene(CEILING, WAITING_CEILING, PAIRED, 2_000),
    Scene("fast", "ours, fast, threads", PAIRED, 2_000),
    Scene("concurrent", "ours, threads", PAIRED, 2_000),
    Scene("async", "ours, async", PAIRED, 2_000),
)
SELDOM: Final = (
    Scene("v1", "1.0.2, default", 1, 100),
    Scene("js", "JavaScript, default", 1, 100),
    *(
        Scene(name, scenario, concurrency, jobs)
        for concurrency, jobs in ((1, 100), (8, 800), (256, 3_000))
        for name, scenario in (
            (CEILING, WAITING_CEILING),
            ("fast", "ours, fast, threads"),
            ("concurrent", "ours, threads"),
        )
    ),
    Scene(CEILING, WAITING_CEILING, 1_000, 4_000),
    Scene("async", "ours, async", 1_000, 4_000),
)


def run(bed: Bed, rounds: int, quick: bool) -> list[Sample]:
    """Measure: all once on the stub, then on the engine, where every third round has all.

    Args:
        bed: Where.
        rounds: How many on the engine.
        quick: A fifth of the jobs, for a look.
    """
    attempts = Attempts(PART)
    one_round(attempts, bed.on_stub, 0, [*ALWAYS, *SELDOM], quick)
    for number in range(rounds):
        scenes = [*ALWAYS, *SELDOM] if number % 3 == 0 else list(ALWAYS)
        one_round(attempts, bed.on_engine, number, scenes, quick)
    return attempts.samples


def one_round(
    attempts: Attempts, place: EnginePlace | StubPlace, number: int, scenes: list[Scene], quick: bool
) -> None:
    """Measure each of them once, in the order of this round."""
    for scene in turns(scenes, number):
        call = functools.partial(measure, place, scene, scene.jobs // 5 if quick else scene.jobs)
        attempts.measure(scene.scenario, place.name, number, call, scene.concurrency)


def measure(place: EnginePlace | StubPlace, scene: Scene, jobs: int) -> Drain:
    """Measure one."""
    if scene.name == CEILING:
        return place.ceiling(jobs, slots=scene.concurrency, sleep_ms=SLEEP_MS)
    return place.drain(VARIANTS[scene.name], jobs, concurrency=scene.concurrency, sleep_ms=SLEEP_MS)
