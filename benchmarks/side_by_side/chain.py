"""Part 4: a process of five external tasks on five topics, all of them worked on by one worker.

Two times of each: from the start of the process to its end, as the engine's history has them, and from the first call
of a handler to that end, which leaves out how long the worker took to notice.

Clients that wait for 30 seconds need minutes for one process. Many of them are measured at the same time, each with a
worker and topics of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import requests
from side_by_side.lanes import Lanes, repeat
from side_by_side.noters import NAMES, program
from side_by_side.notes import Noting, model
from side_by_side.places import BenchmarkError
from side_by_side.samples import Sample

from flowable.external_worker_client.testing.real_engine import RealEngine

if TYPE_CHECKING:
    from side_by_side.bed import Bed

PART = "chain"
TASKS = 5
LONGEST = 180.0  # seconds; what has not ended by then never does: five waits of 30 seconds are 150
ENDS = 20.0  # seconds, for a process to end after its last handler was called
LOOK_AGAIN = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Scene:
    """Workers for chains, and how many.

    Attributes:
        name: Of the scene.
        client: Which client.
        lanes: How many workers, each with topics of its own.
        pause: Before each chain, in seconds: shortest and longest.
    """

    name: str
    client: str
    lanes: int
    pause: tuple[float, float]


#: Of the first two, a chain begins as soon as the one before has ended: what is measured is the chain.
SECONDS, MINUTES = "after seconds idle", "after minutes idle"
QUICK = (
    Scene(NAMES["worker"], "worker", lanes=1, pause=(0.0, 0.2)),
    Scene(NAMES["subscribe"], "subscribe", lanes=1, pause=(0.0, 0.2)),
    Scene(f"{NAMES['worker']}, {SECONDS}", "worker", lanes=3, pause=(1.0, 3.0)),
    Scene(f"{NAMES['subscribe']}, {SECONDS}", "subscribe", lanes=3, pause=(1.0, 3.0)),
)
#: At the same time. For those that always wait for 30 seconds it makes no difference how long they have been idle.
PATIENT = (
    Scene(f"{NAMES['subscribe']}, {MINUTES}", "subscribe", lanes=30, pause=(64.0, 94.0)),
    Scene(NAMES["v1"], "v1", lanes=50, pause=(1.0, 31.0)),
    Scene(NAMES["js"], "js", lanes=50, pause=(1.0, 31.0)),
)


@dataclass(frozen=True, slots=True)
class Chain:
    """One process that ended.

    Attributes:
        end_to_end: From its start to its end, in seconds.
        after_first: From the first call of a handler to its end, in seconds.
    """

    end_to_end: float
    after_first: float


def run(bed: Bed, rounds: int, quick: bool) -> list[Sample]:  # noqa: ARG001 - what every part takes
    """Measure. `rounds` plays no part: what counts is the number of chains, which the time is given for.

    Args:
        bed: The engine, and the other clients.
        rounds: As above.
        quick: For a look: one chain of the slow clients on each lane, and ten seconds for each of the quick scenes.
    """
    samples: list[Sample] = []
    for scene in QUICK:
        samples += chains(bed, [scene], 10.0 if quick else 40.0)
    return samples + chains(bed, PATIENT, 1.0 if quick else 100.0)


def chains(bed: Bed, scenes: Sequence[Scene], seconds: float) -> list[Sample]:
    """Measure some scenes at the same time.

    Args:
        bed: The engine, and the other clients.
        scenes: What is measured.
        seconds: For how long chains begin; all of them are waited for.
    """
    url = bed.engine.url
    with ExitStack() as stack:
        engine = stack.enter_context(RealEngine(url))
        lanes: dict[str, Lanes[Chain]] = {}
        for scene in scenes:
            keys = [bed.unique("chain") for _ in range(scene.lanes)]
            groups = [[f"{key}-{number}" for number in range(1, TASKS + 1)] for key in keys]
            engine.deploy(*(model(key, topics) for key, topics in zip(keys, groups, strict=True)))
            noting = stack.enter_context(program(bed, scene.client, url, groups))
            episodes = [one_chain(stack.enter_context(RealEngine(url)), noting, key) for key in keys]
            lanes[scene.name] = Lanes(episodes, scene.pause)
        found = repeat(lanes, seconds)
    samples: list[Sample] = []
    for name, done in found.items():
        values = [("end_to_end_s", number, each.end_to_end) for number, each in enumerate(done.results)]
        values += [("after_first_s", number, each.after_first) for number, each in enumerate(done.results)]
        values += [("never", 0, float(done.never))] if done.never else []
        samples += [
            Sample(part=PART, scenario=name, place="engine", metric=metric, round=number, value=value)
            for metric, number, value in values
        ]
    return samples


def one_chain(engine: RealEngine, noting: Noting, key: str) -> Callable[[], Chain]:
    """Return what runs one process from its start to its end."""

    def episode() -> Chain:
        instance = engine.start_process(key)
        first = noting.wait_for(instance, TASKS, LONGEST)[0].at
        started, ended = times(engine, instance)
        return Chain(ended - started, ended - first)

    return episode


def times(engine: RealEngine, instance: str) -> tuple[float, float]:
    """Wait for the end of a process, and return when it began and when it ended, by the engine's clock."""
    url = f"{engine.url}/service/history/historic-process-instances/{instance}"
    deadline = time.monotonic() + ENDS
    while time.monotonic() < deadline:
        answer = requests.get(url, auth=(engine.username, engine.password), timeout=ENDS)
        answer.raise_for_status()
        found = answer.json()
        if found["endTime"]:
            return _seconds(found["startTime"]), _seconds(found["endTime"])
        time.sleep(LOOK_AGAIN)
    raise BenchmarkError(f"the process {instance} has not ended {ENDS:g} s after its last handler was called")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
