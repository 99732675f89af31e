"""Something done again and again at random moments, on several lanes at the same time."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from side_by_side.places import BenchmarkError

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

SEED = 20


@dataclass(frozen=True, slots=True)
class Lanes(Generic[T]):
    """What is done on some lanes.

    Attributes:
        episodes: What to run, one for each lane.
        pause: Before each run, the shortest and the longest, in seconds. Those between are equally likely.
    """

    episodes: Sequence[Callable[[], T]]
    pause: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What came of some lanes.

    Attributes:
        results: What episodes returned.
        never: How many episodes came to nothing, because a client had stopped working; its lane ends with it.
    """

    results: list[T]
    never: int


def repeat(scenes: Mapping[K, Lanes[T]], seconds: float) -> dict[K, Done[T]]:
    """Run every episode again and again, each on a thread of its own, and return what they returned.

    What has begun is finished, however long it takes: leaving out what takes long would make everything look faster.

    Args:
        scenes: What is done at the same time.
        seconds: For how long runs begin. Each lane has at least one.

    Raises:
        Exception: What an episode raised, once all lanes have ended. Not a `BenchmarkError`: that is counted.
    """
    ends = time.monotonic() + seconds
    stop = threading.Event()

    def lane(number: int, lanes: Lanes[T]) -> Done[T]:
        chance = random.Random(SEED + number)  # noqa: S311 - for moments, not for secrets
        results: list[T] = []
        while not stop.wait(chance.uniform(*lanes.pause)) and (not results or time.monotonic() < ends):
            try:
                results.append(lanes.episodes[number]())
            except BenchmarkError as error:
                print(f"  {error}", file=sys.stderr, flush=True)
                return Done(results, 1)
            except BaseException:
                stop.set()
                raise
        return Done(results, 0)

    with ThreadPoolExecutor(sum(len(lanes.episodes) for lanes in scenes.values())) as pool:
        running = {
            name: [pool.submit(lane, number, lanes) for number in range(len(lanes.episodes))]
            for name, lanes in scenes.items()
        }
    ended = {name: [each.result() for each in lanes] for name, lanes in running.items()}
    return {
        name: Done([result for each in lanes for result in each.results], sum(each.never for each in lanes))
        for name, lanes in ended.items()
    }
