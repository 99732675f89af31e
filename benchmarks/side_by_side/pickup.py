"""Part 3: how long a job waits for an idle worker, and how many requests a minute the waiting costs.

The delay is from the answer to the request that started a process instance, which is after the engine's commit, to the
call of the handler. Idle means that nothing else happens and has not for a while: a second or more for workers that ask
at least every 0.75 seconds, more than a minute for a wait that grows to 30 seconds, anything for one that always is 30
seconds. Clients that wait that long have many topics, each with a moment of its own.

Requests are counted by a proxy between worker and engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from side_by_side.idle import requests_a_minute
from side_by_side.lanes import Lanes, repeat
from side_by_side.noters import NAMES, program
from side_by_side.notes import Noting, model, now
from side_by_side.samples import Sample

from flowable.external_worker_client.testing.real_engine import RealEngine

if TYPE_CHECKING:
    from side_by_side.bed import Bed

PART = "pickup"
MANY = 30  # topics
LONGEST = 60.0  # seconds; what is not picked up by then never is


@dataclass(frozen=True, slots=True)
class Scene:
    """Workers that wait, and jobs that come at random moments.

    Attributes:
        client: Which client.
        groups: How many clients, each for itself.
        topics: How many topics each of them has.
        lanes: How many jobs can be on their way at the same time.
        pause: Before each, in seconds: shortest and longest.
    """

    client: str
    groups: int
    topics: int
    lanes: int
    pause: tuple[float, float]


#: Those of one scene are measured at the same time; those that would see the jobs of others as work are alone.
QUICK_CLIENTS: tuple[tuple[Scene, ...], ...] = (
    (Scene("worker", groups=4, topics=1, lanes=4, pause=(1.0, 3.0)),),
    # One at a time: what one topic finds makes a worker look at its others.
    (Scene("worker", groups=1, topics=MANY, lanes=1, pause=(1.0, 3.0)),),
)
PATIENT_CLIENTS = (
    # From 0.25 s it takes 32 s of pauses, doubled each time, to get to 30 s; and then one of these, at any moment.
    Scene("subscribe", groups=40, topics=1, lanes=40, pause=(64.0, 94.0)),
    Scene("v1", groups=1, topics=MANY, lanes=MANY, pause=(1.0, 31.0)),
    Scene("js", groups=1, topics=MANY, lanes=MANY, pause=(1.0, 31.0)),
)


def run(bed: Bed, rounds: int, quick: bool) -> list[Sample]:  # noqa: ARG001 - what every part takes
    """Measure. `rounds` plays no part: what counts is the number of jobs, which the time is given for.

    Args:
        bed: The engines, and the other clients.
        rounds: As above.
        quick: For a look: a minute and a half, of which little is to be believed.
    """
    long, short = (30.0, 15.0) if quick else (130.0, 75.0)
    samples = requests_a_minute(bed, 10.0 if quick else 35.0, 20.0 if quick else 60.0)
    for scenes in QUICK_CLIENTS:
        samples += delays(bed, scenes, short)
    return samples + delays(bed, PATIENT_CLIENTS, long)


# ---------------------------------------------------------------- delays


def delays(bed: Bed, scenes: Sequence[Scene], seconds: float) -> list[Sample]:
    """Measure some scenes at the same time.

    Args:
        bed: The engine, and the other clients.
        scenes: What is measured.
        seconds: For how long jobs are made; all of them are waited for.
    """
    engine_url = bed.engine.url
    with ExitStack() as stack:
        episodes: dict[Scene, list[Callable[[], float]]] = {}
        for scene in scenes:
            keys = [[bed.unique(f"pickup-{scene.client}") for _ in range(scene.topics)] for _ in range(scene.groups)]
            every = [key for group in keys for key in group]
            with RealEngine(engine_url) as engine:
                engine.deploy(*(model(key, [key]) for key in every))
            noting = stack.enter_context(program(bed, scene.client, engine_url, keys))
            episodes[scene] = [
                pick_up(stack.enter_context(RealEngine(engine_url)), noting, every[lane :: scene.lanes])
                for lane in range(scene.lanes)
            ]
        found = repeat({scene: Lanes(lanes, scene.pause) for scene, lanes in episodes.items()}, seconds)
    samples: list[Sample] = []
    for scene, done in found.items():
        values = [("delay_s", number, delay) for number, delay in enumerate(done.results)]
        never = [("never", 0, float(done.never))] if done.never else []
        samples += [
            Sample(
                part=PART,
                scenario=NAMES[scene.client],
                place="engine",
                metric=metric,
                round=number,
                value=value,
                x=scene.topics,
            )
            for metric, number, value in [*values, *never]
        ]
    return samples


def pick_up(engine: RealEngine, noting: Noting, keys: Sequence[str]) -> Callable[[], float]:
    """Return what starts an instance of one process after the other and tells how long it waited, in seconds."""
    turn = iter(range(1_000_000))

    def episode() -> float:
        instance = engine.start_process(keys[next(turn) % len(keys)])
        began = now()
        (first,) = noting.wait_for(instance, 1, LONGEST)[:1]
        # The handler can be called before the answer to the start is read here.
        return max(0.0, first.at - began)

    return episode
