"""What it costs that 2,000 coroutine handlers wait at once in one worker: threads, memory, and time.

The engine is the embedded one, in the same process; its jobs were made before the first look at the memory. What the
coroutines take includes the jobs that they hold, with one variable each.
"""

# ruff: noqa: T201  # a program, which prints

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import platform
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from flowable.external_worker_client import ExternalWorkerClient, Worker
from flowable.external_worker_client.handlers.declared import declare
from flowable.external_worker_client.job_options import resolve
from flowable.external_worker_client.testing import EmbeddedAdapter, EmbeddedEngine, Process, Task

OUTPUT: Final = Path(__file__).parents[1] / "build" / "benchmarks" / "coroutines.json"
OTHER_THREADS: Final = 3  # loop, keeper, courier
MOST_MEMORY: Final = 30.0  # kB for each coroutine
PATIENCE: Final = 120.0  # seconds


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Attributes:
        coroutines: How many waited at once.
        threads: That the worker had for them.
        memory: In kB for each of them.
        start: Seconds until all waited.
        settle: Seconds from when they went on until all were settled.
        settled: How often jobs were settled, and how.
    """

    coroutines: int
    threads: int
    memory: float
    start: float
    settle: float
    settled: dict[str, int]


def memory() -> float:
    """Return what this process has in memory now, in kB; 0 where the system does not tell."""
    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4.096
    except OSError:
        return 0.0


def until(condition: Callable[[], bool]) -> None:
    """Wait."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("not within two minutes")
        time.sleep(0.01)


def most_threads(number: int) -> int:
    """Return how many threads a worker with so many coroutines may have: those that its own plan says, and the others.

    The library says how many acquire and settle: what is written here a second time would be wrong one day.
    """

    async def handler() -> None: ...

    threads = resolve("t", declare(handler), {"concurrency": number}, None).options.threads
    if threads is None:
        raise RuntimeError("the plan of the library has a thread for each coroutine")
    return threads + OTHER_THREADS


def measure(number: int) -> Figures:
    """Let so many coroutines wait."""
    engine = EmbeddedEngine(Process("p", Task("work", "t")), keep_events=4 * number)
    adapter = EmbeddedAdapter(engine)
    instances = [engine.start("p", {"x": each}) for each in range(number)]
    worker = Worker()
    waiting: list[int] = []
    loops: set[asyncio.AbstractEventLoop] = set()
    together = asyncio.Event()

    @worker.job("t", concurrency=number, lock="10m")
    async def handler(x: int) -> dict[str, int]:
        waiting.append(x)
        loops.add(asyncio.get_running_loop())
        await together.wait()
        return {"y": x + 1}

    with ExternalWorkerClient(adapter.url, customize_session=adapter.mount) as client:
        threads, before, began = threading.active_count(), memory(), time.monotonic()
        with worker.running(client):
            until(lambda: len(waiting) == number)
            start, used = time.monotonic() - began, threading.active_count() - threads
            cost = memory() - before
            goes_on = time.monotonic()
            [loop] = loops
            loop.call_soon_threadsafe(together.set)
            engine.wait_for_end(*instances, timeout=PATIENCE)
            settle = time.monotonic() - goes_on
    settled = dict(Counter(str(request.operation) for request in engine.sent()))
    return Figures(number, used, cost / number, start, settle, settled)


def main() -> int:
    """Measure, print, write. Returns 1 if something is not as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coroutines", type=int, default=2_000, help="how many wait; default: %(default)s")
    parser.add_argument("--json", type=Path, default=OUTPUT, help="where the figures are written as JSON")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    # What is imported and made once is not counted.
    measure(20)
    figures, most = measure(options.coroutines), most_threads(options.coroutines)
    asked = {
        f"threads: {figures.threads}, at most {most}": figures.threads <= most,
        f"memory: {figures.memory:.1f} kB for each, its job included, at most {MOST_MEMORY:g} kB": figures.memory
        <= MOST_MEMORY,
        f"settled: {figures.settled}, each once": figures.settled == {"complete": figures.coroutines},
    }
    print(
        f"{figures.coroutines} coroutines wait at once, after {figures.start:.2f} s; settled in {figures.settle:.2f} s"
    )
    for text, holds in asked.items():
        print(f"  {text}: {'yes' if holds else 'NO'}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    about = {"python": platform.python_version(), **asdict(figures)}
    options.json.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(asked.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
