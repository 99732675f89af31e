"""Measure one thing by hand, a few times: jobs a second, and what a job costs the client.

python benchmarks/side_by_side/one.py --place stub --variant concurrent --jobs 5000
python benchmarks/side_by_side/one.py --place engine --variant ceiling,fast --jobs 3000 --times 3
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

from side_by_side.bed import Bed
from side_by_side.measured import Drain, turns
from side_by_side.places import BenchmarkError
from side_by_side.variants import CEILING, VARIANTS


def main() -> int:
    """Measure and print. Returns 1 if it cannot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--place", choices=("stub", "engine"), default="stub")
    parser.add_argument("--variant", default="concurrent", help=f"with commas: {CEILING}, {', '.join(VARIANTS)}")
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--times", type=int, default=3, help="rounds; default: %(default)s")
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--sleep-ms", type=int, default=0, help="how long each handler waits")
    parser.add_argument("--topics", type=int, default=1)
    parser.add_argument("--warm", type=int, default=10_000, help="jobs that warm the engine; default: %(default)s")
    options = parser.parse_args()
    names = options.variant.split(",")
    if unknown := [name for name in names if name not in {CEILING, *VARIANTS}]:
        parser.error(f"--variant: {unknown[0]!r} is none of {CEILING}, {', '.join(VARIANTS)}")
    try:
        with ExitStack() as stack:
            bed = stack.enter_context(Bed(warm=options.warm))
            show(measures(bed, options, names), options.times)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def measures(bed: Bed, options: argparse.Namespace, names: list[str]) -> dict[str, Callable[[], Drain]]:
    """Return what measures each of the variants once."""

    def measure(name: str) -> Drain:
        place = bed.place(options.place)
        if name == CEILING:
            slots = (options.concurrency or 32) if options.sleep_ms else 0
            return place.ceiling(options.jobs, slots=slots, sleep_ms=options.sleep_ms)
        return place.drain(
            VARIANTS[name],
            options.jobs,
            topics=options.topics,
            concurrency=options.concurrency,
            sleep_ms=options.sleep_ms,
        )

    return {name: functools.partial(measure, name) for name in names}


def show(calls: dict[str, Callable[[], Drain]], times: int) -> None:
    """Measure in turn, and print each and the medians."""
    found: dict[str, list[Drain]] = {name: [] for name in calls}
    for number in range(times):
        for name in turns(list(calls), number):
            drain = calls[name]()
            found[name].append(drain)
            print(line(name, [drain]), flush=True)
    print("medians")
    for name, drains in found.items():
        print(line(name, drains))


def line(name: str, drains: list[Drain]) -> str:
    """Return one line of the table."""
    rate = statistics.median(each.jobs_per_second for each in drains)
    cpu = statistics.median(each.cpu_ms_per_job for each in drains)
    memory = statistics.median(each.peak_mb for each in drains)
    return f"{name:14} {rate:9.1f} jobs/s  {cpu:7.3f} ms CPU/job  {memory:6.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
