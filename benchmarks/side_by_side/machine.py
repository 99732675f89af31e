"""The machine that is measured on, and how calm it is."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from side_by_side.samples import Document, Machine, Noise, Sample, values

LOOP: Final = 400_000  # about 10 ms of work
LOOPS: Final = 60


def load() -> float:
    """Return how many processes wanted to run in the last minute; 0 where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def loop_seconds() -> list[float]:
    """Return how long the same work takes, again and again, in seconds of the wall: others make it longer."""
    found = []
    for _ in range(LOOPS):
        began = time.perf_counter()
        for _number in range(LOOP):
            pass
        found.append(time.perf_counter() - began)
    return found


def noise(name: str, measured: Sequence[float]) -> Noise:
    """Return how much values differ that should not. Of one value nothing can be said: its spread is 0."""
    if len(measured) < 2:  # noqa: PLR2004 - as above
        [low] = [median] = [high] = measured
    else:
        low, median, high = statistics.quantiles(measured, n=4, method="inclusive")
    return Noise(name=name, low=low, median=median, high=high, spread=(high - low) / median if median else 0.0)


def document(
    samples: Sequence[Sample], loops: Sequence[float], load_before: float, versions: dict[str, str]
) -> Document:
    """Return all of a run."""
    noises = [noise("fixed loop, seconds", loops)]
    for part in ("drain", "waiting", "processes"):
        found = [each for each in samples if each.scenario.startswith("ceiling") and each.part == part]
        for place in ("engine", "stub"):
            # Of several numbers of handlers, the one that was measured most often.
            series = [
                list(values(found, place=place, metric="jobs_per_second", x=x).values())
                for x in {each.x for each in found}
            ]
            longest = max(series, key=len, default=[])
            if len(longest) > 1:
                noises.append(noise(f"ceiling, {part}, {place}, jobs a second", longest))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    machine = Machine(
        cores=cores,
        cpu=processor(),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}",
        load_before=load_before,
        load_after=load(),
        noise=noises,
        versions=versions,
    )
    return Document(machine=machine, samples=samples)


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
