"""Part 5: what a job costs the client, in CPU and memory, against the backlog and against the number of topics.

The backlog is that many more jobs than are worked on, so it never shrinks below its number. Topics have the same number
of jobs in all, and each has a subscription of one client.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from side_by_side.attempts import Attempts
from side_by_side.bed import Bed
from side_by_side.measured import Drain, turns
from side_by_side.on_engine import EnginePlace
from side_by_side.on_stub import StubPlace
from side_by_side.peers import Peers
from side_by_side.places import HERE, BenchmarkError
from side_by_side.samples import Sample
from side_by_side.some_of_many import drain_some
from side_by_side.variants import VARIANTS, Variant

BACKLOG, TOPICS = "backlog", "topics"
VARIANTS_HERE: Final = ("fast", "concurrent")
WITH_TOPICS: Final = (*VARIANTS_HERE, "worker")
JOBS: Final = 1_000
QUICK_JOBS: Final = 500
EMBEDDED_BACKLOGS: Final = (100, 1_000, 10_000, 100_000)
BACKLOGS: Final = (100, 1_000, 10_000)
NUMBERS: Final = (1, 3, 10, 30)
EMBEDDED_ROUNDS: Final = 4
ENDS: Final = 20.0  # seconds, for the embedded engine
TIME: Final = 270.0  # seconds for the first half


def run(bed: Bed, rounds: int, quick: bool) -> list[Sample]:
    """Measure both.

    Args:
        bed: Where.
        rounds: How many with topics; of the rest, as many as there is time for, and at most four.
        quick: One short round, without the largest backlogs.
    """
    return [*against_backlog(bed, rounds, quick), *against_topics(bed, rounds, quick)]


def against_backlog(bed: Bed, rounds: int, quick: bool) -> list[Sample]:
    """Measure against the number of jobs that wait."""
    attempts = Attempts(BACKLOG, TIME)
    jobs = QUICK_JOBS if quick else JOBS
    for number in range(1 if quick else min(rounds, EMBEDDED_ROUNDS)):
        for backlog in turns(EMBEDDED_BACKLOGS[:3] if quick else EMBEDDED_BACKLOGS, number):
            for name in turns(VARIANTS_HERE, number):
                # One after the other, each on an engine of its own: what an engine has done makes it larger.
                call = functools.partial(on_embedded, bed.peers, VARIANTS[name], jobs, backlog)
                attempts.measure(VARIANTS[name].scenario, "embedded", number, call, backlog)
    for number in range(1 if quick else min(rounds, 2)):
        for backlog in BACKLOGS[:2] if quick else BACKLOGS:
            for name in turns(VARIANTS_HERE, number):
                call = functools.partial(bed.on_engine.drain_some, VARIANTS[name], jobs, backlog)
                attempts.measure(VARIANTS[name].scenario, "engine", number, call, backlog)
        bed.on_engine.clear()
    return attempts.samples


def against_topics(bed: Bed, rounds: int, quick: bool) -> list[Sample]:
    """Measure against the number of topics: more often on the stub, where nothing else plays a part."""
    attempts = Attempts(TOPICS, TIME)
    jobs = 3 * (QUICK_JOBS if quick else JOBS)
    for number in range(1 if quick else rounds):
        places: list[EnginePlace | StubPlace] = [bed.on_stub]
        if number == 0:
            places.append(bed.on_engine)
        for place in places:
            for topics in turns(NUMBERS, number):
                for name in turns(WITH_TOPICS, number):
                    call = functools.partial(place.drain, VARIANTS[name], jobs // topics * topics, topics=topics)
                    attempts.measure(VARIANTS[name].scenario, place.name, number, call, topics)
    return attempts.samples


# ---------------------------------------------------------------- the embedded engine


def on_embedded(peers: Peers, variant: Variant, jobs: int, backlog: int) -> Drain:
    """Measure some jobs of many on the embedded engine, in a process of its own."""
    with serving(backlog + jobs) as url:
        return drain_some(variant, peers, url, "bench-0", jobs)


@contextmanager
def serving(jobs: int) -> Iterator[str]:
    """Serve an embedded engine with so many jobs, and return its address."""
    command = [sys.executable, str(HERE / "serving.py"), str(jobs)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise BenchmarkError("the embedded engine does not start")
        yield str(json.loads(line)["url"])
    finally:
        process.communicate(timeout=ENDS)
