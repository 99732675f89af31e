"""A worker at full speed for ten minutes, and whether it stays as it was: memory, threads, sockets, handles, journal.

The embedded engine, the proxy that lets things go wrong on the wire and whoever starts instances are in a process of
their own, so that what is measured is the worker alone. It prints a table and a verdict, writes the same as JSON, and
ends with 1 if something has grown.
"""

# ruff: noqa: T201, S603  # a program, which prints, and starts a process of its own

from __future__ import annotations

import argparse
import gc
import json
import logging
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from flowable.external_worker_client import (
    BpmnError,
    ExternalWorkerAcquireJobResponse,
    ExternalWorkerClient,
    RetryLater,
    RetryPolicy,
    WorkerResultBuilder,
    WorkResult,
)
from flowable.external_worker_client.testing import (
    EmbeddedEngine,
    EmbeddedServer,
    End,
    FaultProxy,
    Process,
    Task,
)

TOPICS: Final = ("charge", "pack", "ship")
CONCURRENCY: Final = 8  # handlers of each topic
BACKLOG: Final = 60  # jobs of each topic that are kept waiting

#: What the journal keeps of a result whose delivery was unclear goes two minutes after the end of the lock: well before
#: the warm-up of a run of ten minutes is over.
LOCK: Final = "20s"
OUTPUT: Final = Path(__file__).parents[1] / "build" / "benchmarks" / "soak.json"

#: One request of so many is lost, for each of the faults below.
SHARE: Final = 1 / 400

#: So much of a run is for warming up: the first connections, caches, the journal's first pages.
WARM_UP: Final = 1 / 4


@dataclass(frozen=True, slots=True)
class Sample:
    """The worker at one moment.

    Attributes:
        at: Seconds since the start.
        jobs: Handlers that have ended so far.
        memory: Resident memory, in KiB.
        objects: What the garbage collector keeps track of, after a collection.
        blocks: Pieces of memory that Python has handed out, which is everything in it that can pile up.
        threads: Threads.
        sockets: Open sockets.
        handles: Open file handles, sockets included.
        journal: Size of the journal with its log, in KiB.
    """

    at: float
    jobs: int
    memory: float
    objects: int
    blocks: int
    threads: int
    sockets: int
    handles: int
    journal: float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much a figure may grow while it counts as flat.

    Attributes:
        share: Of its mean.
        least: And in any case so much, in its own unit: what comes and goes by chance.
    """

    share: float
    least: float

    def of(self, mean: float) -> float:
        """Return how much that is."""
        return max(self.share * mean, self.least)


#: Growth from the end of the warm-up to the end of the run, along the straight line that fits the samples best.
TOLERANCES: Final = {
    # What threads have freed the C library keeps, in pieces, and it takes long to fill the last gaps. A single block
    # that each job left behind would show in the blocks below.
    "memory": Tolerance(0.05, 1024),
    "objects": Tolerance(0.01, 1000),
    "blocks": Tolerance(0.01, 2000),
    "threads": Tolerance(0, 0.5),
    # Connections that were reset are made again when they are needed.
    "sockets": Tolerance(0, 3),
    "handles": Tolerance(0, 3),
    "journal": Tolerance(0.1, 512),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one figure fared after the warm-up."""

    name: str
    mean: float
    lowest: float
    highest: float
    growth: float
    allowed: float

    @property
    def flat(self) -> bool:
        """Whether it has not grown. Becoming less is nobody's harm."""
        return self.growth <= self.allowed


def judge(samples: Sequence[Sample]) -> list[Verdict]:
    """Say of every figure whether it is flat once the worker is warm."""
    warm = [sample for sample in samples if sample.at >= WARM_UP * samples[-1].at]
    moments = [sample.at for sample in warm]
    verdicts = []
    for name, tolerance in TOLERANCES.items():
        values = [float(getattr(sample, name)) for sample in warm]
        slope = statistics.linear_regression(moments, values).slope
        mean = statistics.mean(values)
        growth = slope * (moments[-1] - moments[0])
        verdicts.append(Verdict(name, mean, min(values), max(values), growth, tolerance.of(mean)))
    return verdicts


# ---------------------------------------------------------------- the worker


class Worker:
    """The handler, for all topics, and what it has done.

    Args:
        seed: Of the dice for how jobs end.
    """

    def __init__(self, seed: int) -> None:
        self.ended: Counter[str] = Counter()
        self._dice = random.Random(seed)  # noqa: S311 - to be repeatable is the point

    @property
    def jobs(self) -> int:
        """How many handlers have ended."""
        return self.ended.total()

    def handle(self, job: ExternalWorkerAcquireJobResponse, result: WorkerResultBuilder) -> WorkResult:
        """End a job in one of several ways."""
        kind = self._dice.choices(("success", "failure", "later", "error"), (85, 5, 5, 5))[0]
        self.ended[kind] += 1
        match kind:
            case "failure":
                raise RuntimeError(f"no luck with {job.id}")
            case "later":
                raise RetryLater("1s", "the other side is busy")
            case "error":
                raise BpmnError("DECLINED", reason="dice")
            case _:
                text = "x" * self._dice.randint(0, 2_000)
                return result.success().variable_string("text", text).variable_int("number", self.jobs)


def sample(began: float, jobs: int, journal: Path) -> Sample:
    """Look at this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    memory = next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    handles = list(_handles())
    files = (journal, journal.with_name(f"{journal.name}-wal"), journal.with_name(f"{journal.name}-shm"))
    gc.collect()
    return Sample(
        at=round(time.monotonic() - began, 1),
        jobs=jobs,
        memory=memory,
        objects=len(gc.get_objects()),
        blocks=sys.getallocatedblocks(),
        threads=threading.active_count(),
        sockets=sum(handle.startswith("socket:") for handle in handles),
        handles=len(handles),
        journal=sum(each.stat().st_size for each in files if each.exists()) / 1024,
    )


def _handles() -> Iterator[str]:
    for handle in Path("/proc/self/fd").iterdir():
        # Gone again: the one that listed them, or a connection.
        try:
            yield str(handle.readlink())
        except OSError:
            continue


def soak(seconds: float, every: float, seed: int, *, trace: bool = False) -> tuple[list[Sample], dict[str, Any]]:
    """Work for so long, and return what was seen of the worker, and what the engine says in the end.

    Args:
        seconds: How long.
        every: Seconds between two looks.
        seed: Of the dice.
        trace: Whether to print where memory has grown, line by line of the program. Slow.
    """
    worker = Worker(seed)
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as folder, engine(seed) as (url, end_engine):
        journal = Path(folder) / "worker.db"
        if trace:
            tracemalloc.start(10)
        # What a worker logs about thousands of jobs is not what this is about; that it is made is.
        logging.getLogger("flowable").addHandler(logging.NullHandler())
        logging.getLogger("flowable").propagate = False
        logging.getLogger("flowable").setLevel(logging.INFO)
        policy = RetryPolicy(first_pause="1s", longest_pause="2s")
        client = ExternalWorkerClient(url, journal=journal, retry=policy, timeout=(2, 5))
        for topic in TOPICS:
            client.subscribe(topic, worker.handle, lock_duration=LOCK, concurrency=CONCURRENCY, number_of_tasks=10)
        began = time.monotonic()
        before: tracemalloc.Snapshot | None = None
        print(" ".join(f"{each.name:>9}" for each in fields(Sample)))
        while time.monotonic() - began < seconds:
            time.sleep(min(every, max(0.0, began + seconds - time.monotonic())))
            samples.append(sample(began, worker.jobs, journal))
            print(" ".join(f"{value:>9,.0f}" for value in asdict(samples[-1]).values()), flush=True)
            if trace and before is None and samples[-1].at >= WARM_UP * seconds:
                before = tracemalloc.take_snapshot()
        if before is not None:
            for line in tracemalloc.take_snapshot().compare_to(before, "traceback")[:15]:
                print(line, *line.traceback.format(), sep="\n")
        stopped = client.close("30s")
        found = end_engine()
    return samples, {**found, "ended": dict(worker.ended), "stopped in time": stopped}


# ---------------------------------------------------------------- the engine


@contextmanager
def engine(seed: int) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Start the engine's process; yield its address, and what ends it and returns its figures."""
    command = [sys.executable, __file__, "--engine", "--seed", str(seed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        output = process.stdout

        def end() -> dict[str, Any]:
            # The end of its input is the end of it.
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            process.stdin.close()
            found: dict[str, Any] = json.loads(output.readline())
            return found

        try:
            yield output.readline().strip(), end
        finally:
            process.stdin.close()


def serve(seed: int) -> None:
    """Be the engine until the input ends: keep jobs waiting on every topic, and lose requests now and then."""
    processes = [
        Process(topic, Task("work", topic, on_error={"DECLINED": [End("declined")]}), End("done")) for topic in TOPICS
    ]
    embedded = EmbeddedEngine(*processes, keep_events=1_000)
    over = threading.Event()
    feeder = Feeder(embedded)
    feeding = threading.Thread(target=feeder.run, args=(over,))
    with EmbeddedServer(embedded) as server, FaultProxy(server.url, seed=seed, keep_exchanges=1_000) as proxy:
        faults = proxy.faults
        for _ in range(2):
            faults.reset("any", "before", times=None, share=SHARE)
            faults.reset("any", "after", times=None, share=SHARE)
        faults.cut_off("any", times=None, share=SHARE)
        faults.html("any", status=502, times=None, share=SHARE)
        faults.html("any", status=503, when="after", retry_after=1, times=None, share=SHARE)
        faults.delay("any", 0.2, times=None, share=SHARE)
        feeding.start()
        print(proxy.url, flush=True)
        sys.stdin.read()
        over.set()
        feeding.join()
        locked = sum(job.lock_owner is not None for job in embedded.jobs())
        print(json.dumps({**feeder.figures, "dead letters": len(embedded.dead_letters()), "left locked": locked}))


class Feeder:
    """Starts instances as they are worked off, and lets the engine forget those that have ended."""

    def __init__(self, embedded: EmbeddedEngine) -> None:
        self._engine = embedded
        self.figures: Counter[str] = Counter()

    def run(self, over: threading.Event) -> None:
        """Feed until told that it is over."""
        while not over.wait(0.02):
            for topic in TOPICS:
                waiting = sum(
                    job.lock_owner is None and job.lock_expires_at is None for job in self._engine.jobs(topic)
                )
                for _ in range(BACKLOG - waiting):
                    self._engine.start(topic, {"amount": 12.5})
                    self.figures["instances started"] += 1
            self._forget()
        self._forget()

    def _forget(self) -> None:
        ended = [instance.id for instance in self._engine.instances(ended=True)]
        self.figures["instances ended"] += len(ended)
        with self._engine.working():
            for each in ended:
                del self._engine.core.instances[each]


# ---------------------------------------------------------------- the table


def show(verdicts: Sequence[Verdict], samples: Sequence[Sample], found: dict[str, Any]) -> None:
    """Print how it went."""
    seconds = samples[-1].at
    print(f"\n{samples[-1].jobs:,} handlers in {seconds:.0f} s, {samples[-1].jobs / seconds:,.0f} per second")
    print(", ".join(f"{name}: {value}" for name, value in found.items()))
    print(f"\n{'after the warm-up':18} {'mean':>10} {'lowest':>10} {'highest':>10} {'growth':>9} {'allowed':>9}")
    for each in verdicts:
        numbers = f"{each.mean:>10,.1f} {each.lowest:>10,.0f} {each.highest:>10,.0f}"
        print(f"{each.name:18} {numbers} {each.growth:>+9,.1f} {each.allowed:>9,.1f}  {'' if each.flat else 'GROWS'}")


def main() -> int:
    """Work, print, write. Returns 1 if something has grown, or the worker did not stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "seconds",
        nargs="?",
        type=float,
        default=600.0,
        help="how long (default: %(default)g); below 300 it is still warming up",
    )
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of the dice (default: %(default)s)")
    parser.add_argument("--trace", action="store_true", help="print where memory has grown; slow")
    parser.add_argument("--json", type=Path, default=OUTPUT, help="where the figures are written as JSON")
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        serve(options.seed)
        return 0
    if not Path("/proc/self/fd").exists():
        print("this reads /proc, which is there on Linux only", file=sys.stderr)
        return 2
    samples, found = soak(options.seconds, options.every, options.seed, trace=options.trace)
    verdicts = judge(samples)
    show(verdicts, samples, found)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "python": platform.python_version(),
        "seconds": options.seconds,
        "topics": len(TOPICS),
        "concurrency": CONCURRENCY,
        "found": found,
        "verdicts": [{**asdict(each), "flat": each.flat} for each in verdicts],
        "samples": [asdict(each) for each in samples],
    }
    options.json.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(each.flat for each in verdicts) and found["stopped in time"] else 1


if __name__ == "__main__":
    sys.exit(main())
