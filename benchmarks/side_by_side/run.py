"""This library, version 1.0.2 of it, Flowable's JavaScript client, and a compiled loader as the limit: side by side.

    python benchmarks/side_by_side/run.py                               # all parts, each within ten minutes
    python benchmarks/side_by_side/run.py --part drain --part cost --quick

Writes what it found as JSON; `report.py` makes tables and plots of it. Parts on their own have a file of their own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

from engine import launch
from side_by_side import chain, cost, drain, loader, machine, pickup, processes, waiting
from side_by_side.bed import QUICK_WARM, WARM, Bed
from side_by_side.peers import VERSION_1
from side_by_side.places import BenchmarkError, results
from side_by_side.samples import Sample

ROUNDS: Final = 9
QUICK_ROUNDS: Final = 2
PARTS: Final[Mapping[str, Callable[[Bed, int, bool], list[Sample]]]] = {
    "drain": drain.run,
    "waiting": waiting.run,
    "pickup": pickup.run,
    "chain": chain.run,
    "cost": cost.run,
    "processes": processes.run,
}


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says.

    Raises:
        SystemExit: There is no such part; those that there are have been printed. Nothing was started yet.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="again for several; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="a look: few rounds, few jobs, an engine that is half warm"
    )
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}, with --quick {QUICK_ROUNDS}")
    parser.add_argument("--json", type=Path, help="where the figures are written; default: as the parts are called")
    options = parser.parse_args(given)
    options.json = options.json or results(options.part or ())
    return options


def main() -> int:
    """Measure and write. Returns 1 if it cannot go on; what was measured until then is written."""
    options = arguments()
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    samples: list[Sample] = []
    load_before, loops = machine.load(), machine.loop_seconds()
    status = 0
    try:
        loader.build()
        with Bed(warm=QUICK_WARM if options.quick else WARM) as bed:
            versions = {"1.0.2": VERSION_1, "JavaScript": bed.peers.js_version, "Flowable": launch.DEFAULT_RELEASE}
            for part in options.part or PARTS:
                print(f"part {part}", flush=True)
                samples += PARTS[part](bed, rounds, options.quick)
                loops += machine.loop_seconds()
                # After each part: what was measured is not lost when the next one fails.
                machine.document(samples, loops, load_before, versions).write(options.json)
    except (BenchmarkError, launch.EngineError) as error:
        print(error, file=sys.stderr)
        status = 1
    if samples:
        print(f"{len(samples)} figures in {options.json}")
    return status


if __name__ == "__main__":
    sys.exit(main())
