"""Some of many jobs: what they cost while the others wait."""

from __future__ import annotations

import time
from typing import Final

from side_by_side.measured import Drain
from side_by_side.peers import Peers
from side_by_side.programs import Program
from side_by_side.variants import Variant, command

DEADLINE: Final = 180.0  # seconds


def drain_some(variant: Variant, peers: Peers, url: str, topic: str, jobs: int) -> Drain:
    """Measure until so many handlers were called, of a topic that has more jobs. What is left is given back.

    Raises:
        BenchmarkError: It does not work, or takes longer than three minutes.
    """
    line = command(variant, peers, url=url, topics=[topic])
    with Program(line, report=jobs) as program:
        program.wait_called(jobs, DEADLINE)
        seconds = time.time() - program.began
        spent = program.stop()
    # It goes on until it is told to stop: what it did until then is what it spent its time on.
    return Drain(
        jobs=spent.jobs,
        seconds=seconds * spent.jobs / jobs,
        cpu_seconds=spent.cpu_seconds,
        peak_mb=spent.peak_mb,
        grown_mb=spent.after_mb - spent.before_mb,
    )
