"""The journal and its locks in real processes: killed, forked, several at once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowable.external_worker_client.runtime.journal import Journal, Orphan, Recollection, Recorded
from flowable.external_worker_client.runtime.process_lock import ProcessLock

DONE = Recorded(operation="complete", members={"variables": []})
FACTS: dict[str, Any] = {
    "job_id": "j",
    "owner": "w.1",
    "topic": "t",
    "execution_id": None,
    "sub_scope_id": "s",
    "retries": None,
    "lock_until": 5000.0,
}
PRELUDE = f"""
import os, sys, threading, time
from flowable.external_worker_client.runtime.journal import Journal, Recorded
DONE = Recorded(operation="complete", members={{"variables": []}})
FACTS = {FACTS!r}
path = sys.argv[1]

def say(word):
    print(word, flush=True)
"""

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such processes on Windows")


class Process:
    """A Python program that talks through its standard streams."""

    def __init__(self, program: str, *arguments: str) -> None:
        code = PRELUDE + textwrap.dedent(program)
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hears(self) -> str:
        """Return the next line that it says."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def tell(self) -> None:
        """Let it go on from `input()`."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """End it, and wait for that."""
        self._process.kill()
        self.end()

    def end(self) -> int:
        """Wait for its end."""
        with self._process as process:
            return process.wait(30)


@pytest.fixture
def run() -> Iterator[Callable[..., Process]]:
    """Start programs; none outlives the test."""
    started: list[Process] = []

    def run(program: str, *arguments: object) -> Process:
        started.append(Process(program, *map(str, arguments)))
        return started[-1]

    yield run
    for process in started:
        process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "worker.db"


def sound(path: Path) -> bool:
    """Say whether the file is."""
    connection = sqlite3.connect(path)
    try:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])
    finally:
        connection.close()


# ---------------------------------------------------------------- killed


def test_killed(path: Path, run: Callable[..., Process]) -> None:
    """What it knew is known to the next; while it lives nothing is taken from it."""
    process = run(
        """
        journal = Journal.open(path)
        journal.started("a", **FACTS)
        journal.started("b", **FACTS)
        journal.outcome("b", recorded=DONE, **FACTS)
        say("ready")
        input()
        """,
        path,
    )
    assert process.hears() == "ready"
    journal = Journal.open(path)
    assert journal.orphans() == []
    assert journal.recall(["a", "b"]) == {"b": Recollection(outcome=DONE)}
    process.kill()
    assert journal.recall(["a"]) == {"a": Recollection(unexplained_starts=1)}
    assert journal.orphans() == [Orphan(correlation_id="b", recorded=DONE, **FACTS)]
    journal.close()
    assert sound(path)


def test_killed_at_any_moment(path: Path, run: Callable[..., Process]) -> None:
    """The file stays sound, and of each process at most one job is open: they ran one at a time."""
    program = """
        journal = Journal.open(path)
        for number in range(1_000_000):
            job = f"{os.getpid()}.{number}"
            journal.started(job, **FACTS)
            journal.outcome(job, recorded=DONE, **FACTS)
            journal.settled(job)
            if number == 10:
                say("ready")
        """
    for _ in range(3):
        processes = [run(program, path), run(program, path)]
        assert [process.hears() for process in processes] == ["ready", "ready"]
        for process in processes:
            process.kill()
    assert sound(path)
    connection = sqlite3.connect(path)
    try:
        [(rows, processes_of_rows)] = connection.execute("SELECT count(*), count(DISTINCT process) FROM jobs")
    finally:
        connection.close()
    assert rows == processes_of_rows <= 6


def test_ends_without_closing(path: Path, run: Callable[..., Process]) -> None:
    """The documented program never closes anything, and must not be warned about that."""
    process = run('Journal.open(path).outcome("a", recorded=DONE, **FACTS)', path)
    assert process.end() == 0
    journal = Journal.open(path)
    assert [orphan.correlation_id for orphan in journal.orphans()] == ["a"]
    journal.close()


# ---------------------------------------------------------------- several at once


def test_orphans_are_claimed_by_one_of_many(path: Path, run: Callable[..., Process]) -> None:
    """Workers that start at the same moment."""
    journal = Journal.open(path)
    names = [f"job {number}" for number in range(200)]
    for name in names:
        journal.outcome(name, recorded=DONE, **FACTS)
    journal.close()
    processes = [
        run(
            """
            journal = Journal.open(path)
            say("ready")
            input()
            say(",".join(orphan.correlation_id for orphan in journal.orphans()))
            input()
            """,
            path,
        )
        for _ in range(3)
    ]
    assert [process.hears() for process in processes] == ["ready"] * 3
    for process in processes:
        process.tell()
    claimed = [name for process in processes for name in process.hears().split(",") if name]
    assert sorted(claimed) == sorted(names)


def test_made_by_several_at_once(path: Path, run: Callable[..., Process]) -> None:
    """The first start of a deploy: nobody has made the file yet."""
    program = """
        say("ready")
        input()
        journal = Journal.open(path)
        for number in range(200):
            job = f"{os.getpid()}.{number}"
            journal.started(job, **FACTS)
            if number % 2:
                journal.settled(job)
        say("done")
        input()
        """
    processes = [run(program, path) for _ in range(3)]
    assert [process.hears() for process in processes] == ["ready"] * 3
    for process in processes:
        process.tell()
    assert [process.hears() for process in processes] == ["done"] * 3
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (300,)
    finally:
        connection.close()
    assert sound(path)


# ---------------------------------------------------------------- forks


def in_child(work: Callable[[], object]) -> object:
    """Fork, do something in the child, and return what it says about it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, repr(work()).encode())
        except BaseException as error:  # noqa: BLE001  # told to the parent
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


@posix
def test_a_forked_child_is_a_process_of_its_own(path: Path) -> None:
    """It does not keep its parent alive, takes nothing from it, and its end is its own."""
    journal = Journal.open(path)
    journal.started("a", **FACTS)
    journal.outcome("b", recorded=DONE, **FACTS)

    def child() -> object:
        journal.started("c", **FACTS)
        return [journal.recall(["a", "b", "c"]) == {"b": Recollection(outcome=DONE)}, journal.orphans()]

    assert in_child(child) == "[True, []]"
    assert journal.recall(["a", "c"]) == {"c": Recollection(unexplained_starts=1)}
    journal.settled("b")
    assert journal.recall(["b"]) == {}
    journal.close()
    assert sound(path)


@posix
def test_a_child_outlives_its_parent(path: Path, run: Callable[..., Process]) -> None:
    """The parent counts as dead, whatever it has handed down."""
    parent = run(
        """
        import signal
        journal = Journal.open(path)
        journal.outcome("a", recorded=DONE, **FACTS)
        child = os.fork()
        if child:
            say(child)
            input()
        else:
            signal.pause()
        """,
        path,
    )
    child = int(parent.hears())
    try:
        journal = Journal.open(path)
        assert journal.orphans() == []
        os.kill(parent._process.pid, signal.SIGKILL)
        parent._process.wait(30)
        assert [orphan.correlation_id for orphan in journal.orphans()] == ["a"]
        journal.close()
    finally:
        os.kill(child, signal.SIGKILL)


@posix
def test_forked_in_the_middle(path: Path) -> None:
    """Threads write while the process forks: neither side may hang, and the file stays sound."""
    journal = Journal.open(path)
    over = threading.Event()

    def work(name: int) -> None:
        number = 0
        while not over.is_set():
            number += 1
            job = f"{name}.{number}"
            journal.started(job, **FACTS)
            journal.settled(job)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()

    def child() -> object:
        for number in range(20):
            journal.started(f"c.{number}", **FACTS)
        with journal.alone() as alone:
            return [alone, len(journal.recall(["c.1", "c.19"]))]

    said = [in_child(child) for _ in range(15)]
    over.set()
    for thread in threads:
        thread.join()
    # The children before it are dead, and had the same jobs.
    assert said == ["[True, 0]"] + ["[True, 2]"] * 14
    assert journal.recall(["c.19"]) == {"c.19": Recollection(unexplained_starts=15)}
    journal.close()
    assert sound(path)


# ---------------------------------------------------------------- the lock itself


def test_the_lock_of_a_process(tmp_path: Path, run: Callable[..., Process]) -> None:
    """It ends with the process, and with nothing else."""
    process = run(
        """
        from flowable.external_worker_client.runtime.process_lock import ProcessLock
        lock = ProcessLock(path)
        lock.acquire()
        lock.acquire()
        say(lock.number)
        input()
        """,
        tmp_path / "lock",
    )
    number = int(process.hears())
    lock = ProcessLock(str(tmp_path / "lock"))
    assert lock.alive(1), "in doubt"
    lock.acquire()
    assert [lock.alive(number), lock.alive(lock.number), lock.alive(1)] == [True, True, False]
    process.kill()
    assert not lock.alive(number)
    lock.release(remove=True)
    assert (tmp_path / "lock").exists(), "made by somebody else"


@posix
def test_two_who_ask_do_not_see_each_other(tmp_path: Path, run: Callable[..., Process]) -> None:
    """A dead process stays dead while many ask about it."""
    program = """
        from flowable.external_worker_client.runtime.process_lock import ProcessLock
        lock = ProcessLock(path)
        lock.acquire()
        say("ready")
        input()
        say(sum(lock.alive(7) for _ in range(20_000)))
        """
    processes = [run(program, tmp_path / "lock") for _ in range(2)]
    assert [process.hears() for process in processes] == ["ready"] * 2
    for process in processes:
        process.tell()
    assert [process.hears() for process in processes] == ["0"] * 2


@posix
def test_the_only_user(tmp_path: Path, run: Callable[..., Process]) -> None:
    """Nobody is alone while another uses the file, and who is alone keeps the others out."""
    lock = ProcessLock(str(tmp_path / "lock"))
    lock.acquire()
    lock.enter()
    process = run(
        """
        from flowable.external_worker_client.runtime.process_lock import ProcessLock
        lock = ProcessLock(path)
        lock.acquire()
        lock.enter()
        say(lock.alone())
        input()
        lock.leave()
        say("left")
        input()
        lock.enter()
        say("in")
        input()
        """,
        tmp_path / "lock",
    )
    assert process.hears() == "False"
    process.tell()
    assert process.hears() == "left"
    assert lock.alone()
    process.tell()
    released = time.monotonic() + 0.2
    while time.monotonic() < released:
        assert lock.alone()
    lock.leave()
    assert process.hears() == "in"
    lock.release(remove=True)


def test_a_lock_file_that_is_taken_away(tmp_path: Path) -> None:
    """It is noticed."""
    lock = ProcessLock(str(tmp_path / "lock"))
    lock.acquire()
    assert not lock.replaced()
    if sys.platform != "win32":
        (tmp_path / "lock").unlink()
        assert lock.replaced()
        (tmp_path / "lock").touch()
        assert lock.replaced()
    lock.release()
    assert lock.replaced()
