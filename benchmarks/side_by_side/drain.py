"""Part 1: how fast a topic is drained by empty handlers, and what that costs the client."""

from __future__ import annotations

import functools
from typing import Final

from side_by_side.attempts import Attempts
from side_by_side.bed import Bed
from side_by_side.measured import Drain, turns
from side_by_side.on_engine import EnginePlace
from side_by_side.on_stub import StubPlace
from side_by_side.samples import Sample
from side_by_side.variants import CEILING, VARIANTS

PART: Final = "drain"
JOBS: Final = 3_000
QUICK_JOBS: Final = 1_000
STUB_ROUNDS: Final = 5
#: Those that are compared with the ceiling, in every round.
ALWAYS: Final = (CEILING, "fast", "concurrent", "bare")
#: The others take long, because they are slow: in two rounds, if there is the time, which is known later on.
SELDOM: Final = ("default", "batched", "async", "v1", "v1-batched", "js", "js-batched")
SELDOM_ROUNDS: Final = (4, 8)
SELDOM_TAKES: Final = 150.0  # seconds for all of them, about


def run(bed: Bed, rounds: int, quick: bool) -> list[Sample]:
    """Measure, on the stub and then on the engine.

    Args:
        bed: Where.
        rounds: How many on the engine.
        quick: Two short rounds, for a look.
    """
    attempts = Attempts(PART)
    jobs, stub_rounds = (QUICK_JOBS, 2) if quick else (JOBS, STUB_ROUNDS)
    for number in range(stub_rounds):
        one_round(attempts, bed.on_stub, number, [CEILING, *VARIANTS], jobs)
    took = 0.0
    for number in range(rounds):
        # Nothing is begun that may take longer than there is time.
        if attempts.left() < took:
            break
        before = attempts.left()
        seldom = number in SELDOM_ROUNDS and before > SELDOM_TAKES + took * (rounds - number)
        one_round(attempts, bed.on_engine, number, [*ALWAYS, *(SELDOM if seldom else ())], jobs)
        # The first round starts the engine and warms it.
        if number and not seldom:
            took = max(took, before - attempts.left())
    return attempts.samples


def one_round(attempts: Attempts, place: EnginePlace | StubPlace, number: int, names: list[str], jobs: int) -> None:
    """Measure each of them once, in the order of this round."""
    for name in turns(names, number):
        scenario = CEILING if name == CEILING else VARIANTS[name].scenario
        attempts.measure(scenario, place.name, number, functools.partial(measure, place, name, jobs))


def measure(place: EnginePlace | StubPlace, name: str, jobs: int) -> Drain:
    """Measure one."""
    return place.ceiling(jobs) if name == CEILING else place.drain(VARIANTS[name], jobs)
