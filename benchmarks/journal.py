"""What the journal costs per job, beside one bare commit of SQLite on the same disk.

A job is looked up, started, ended and settled. The unit is an UPDATE of one row in a file of its own, in WAL mode with
the same settings: what the disk and SQLite take whatever is written. Both are measured in turn in the same run, because
nothing else compares on a machine that does other work as well: medians over rounds, and the middle half.
"""

# ruff: noqa: T201, S603  # a program, which prints, and starts processes of its own

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from spread import Spread

from flowable.external_worker_client.runtime.journal import Journal, Recorded

JOBS: Final = 400  # per round
THREADS: Final = 4
PROCESSES: Final = 2
BATCH: Final = 10  # jobs that are looked up together, as they are acquired
OUTPUT: Final = Path(__file__).parents[1] / "build" / "benchmarks" / "journal.json"

OUTCOME: Final = Recorded(
    operation="complete",
    members={"variables": [{"name": f"variable{n}", "type": "string", "value": "x" * 40} for n in range(3)]},
)
FACTS: Final[dict[str, Any]] = {
    "job_id": "0123456789-0123-0123-0123-0123456789ab",
    "owner": "host.example-12345-a1b2c3.17",
    "topic": "sendInvoice",
    "execution_id": "0123456789-0123-0123-0123-0123456789ab",
    "sub_scope_id": None,
    "retries": 3,
    "lock_until": 2e9,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: What was measured.
        microseconds: That one job, or one commit, took.
        ratio: To one bare commit, in the same round.
        asked: What the ratio has to be, and whether it is.
    """

    name: str
    microseconds: float
    ratio: Spread
    asked: str = ""
    holds: bool | None = None


def work(journal: Journal, jobs: int, name: str = "") -> None:
    """Carry some jobs through their lives."""
    for first in range(0, jobs, BATCH):
        names = [f"{name}0123456789-0123-0123-0123-{first + number:012}" for number in range(BATCH)]
        journal.recall(names)
        for each in names:
            journal.started(each, **FACTS)
            journal.outcome(each, recorded=OUTCOME, **FACTS)
            journal.settled(each)


#: What this process spends itself, whatever else the machine does; on Windows that is too coarse.
cpu_seconds: Final = time.perf_counter if os.name == "nt" else time.process_time


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Return how long something takes: of the processor, and on the wall, where waiting counts."""
    began = cpu_seconds(), time.perf_counter()
    call()
    return cpu_seconds() - began[0], time.perf_counter() - began[1]


def in_threads(journal: Journal) -> None:
    """Do the same number of jobs, divided."""
    threads = [
        threading.Thread(target=work, args=(journal, JOBS // THREADS, f"thread {number} ")) for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Others:
    """Processes that work when told to.

    Args:
        path: Of the journal.
    """

    def __init__(self, path: Path) -> None:
        command = [sys.executable, __file__, "--work", str(path)]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(PROCESSES)
        ]
        self._listen()

    def work(self) -> None:
        """Let all do the same number of jobs, divided, at the same time."""
        for process in self._processes:
            assert process.stdin is not None  # noqa: S101 - it is a pipe
            process.stdin.write(b"\n")
            process.stdin.flush()
        self._listen()

    def _listen(self) -> None:
        for process in self._processes:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            if not process.stdout.readline():
                raise RuntimeError("a process has ended")

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.communicate()


def other(path: str) -> None:
    """Be one of them, until the input ends."""
    journal = Journal.open(path)
    print("ready", flush=True)
    for _ in sys.stdin:
        work(journal, JOBS // PROCESSES, f"process {os.getpid()} ")
        print("done", flush=True)
    journal.close()


def measure(rounds: int, folder: Path) -> list[Row]:
    """Measure everything, in turn."""
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = NORMAL",
        "CREATE TABLE bare (id INTEGER PRIMARY KEY, value INTEGER)",
        "INSERT INTO bare VALUES (1, 0)",
    ):
        bare.execute(statement)
    journal = Journal.open(folder / "worker.db")
    others = Others(folder / "shared.db")

    def commits() -> None:
        for number in range(JOBS):
            bare.execute("UPDATE bare SET value = ? WHERE id = 1", (number,))

    names = [f"0123456789-0123-0123-0123-{number:012}" for number in range(BATCH)]

    def recalls() -> None:
        for _ in range(JOBS // BATCH):
            journal.recall(names)

    calls: dict[str, Callable[[], None]] = {
        "one bare commit": commits,
        "one job, one thread": lambda: work(journal, JOBS),
        "… of it looking it up, in tens": recalls,
        f"one job, {THREADS} threads": lambda: in_threads(journal),
        f"one job, {PROCESSES} processes": others.work,
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            took = seconds(call)
            # The first round fills caches.
            if number:
                times[name].append(took)
    others.close()
    journal.close()
    bare.close()
    return table(times)


def table(times: dict[str, list[tuple[float, float]]]) -> list[Row]:
    """Return what was measured, each beside the bare commits of its round, by the same clock."""
    base = times["one bare commit"]
    rows: list[Row] = []
    for name, values in times.items():
        # One thread: the processor's time. Several wait for each other, which only the wall shows.
        clock = int(name in {f"one job, {THREADS} threads", f"one job, {PROCESSES} processes"})
        ratio = Spread.of([one[clock] / unit[clock] for one, unit in zip(values, base, strict=True)])
        row = Row(name, statistics.median(value[clock] for value in values) / JOBS * 1e6, ratio)
        if name == "one job, one thread":
            # Three commits, and what is around them.
            row = Row(name, row.microseconds, ratio, "below 8", ratio.median < 8)  # noqa: PLR2004 - so the row says
        rows.append(row)
    return rows


def show(rows: list[Row]) -> None:
    """Print the table."""
    print(f"{'':34} {'each':>10}  {'ratio':>6}  {'middle half':13}  to one bare commit")
    for row in rows:
        half = f"{row.ratio.low:.2f} - {row.ratio.high:.2f}"
        verdict = "" if row.holds is None else f"[{row.asked}: {'yes' if row.holds else 'NO'}]"
        print(f"{row.name:34} {row.microseconds:>7.1f} µs  {row.ratio.median:6.2f}  {half:13}  {verdict}".rstrip())


def main() -> int:
    """Measure, print, write. Returns 1 if something is not as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a few seconds")
    parser.add_argument("--json", type=Path, default=OUTPUT, help="where the figures are written as JSON")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: the system's temporary folder")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        other(options.work)
        return 0
    rounds = 7 if options.quick else 31
    with tempfile.TemporaryDirectory(prefix="journal-", dir=options.folder) as folder:
        rows = measure(rounds, Path(folder))
    # What the journal costs of a whole job is measured where whole jobs are: it takes `work` for one that is not run.
    show(rows)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    about = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "rounds": rounds}
    text = json.dumps(about | {"rows": [asdict(row) for row in rows]}, indent=2, ensure_ascii=False)
    options.json.write_text(text + "\n", encoding="utf-8")
    return 0 if all(row.holds is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
