"""A journal that does not work: it says so once, jobs go on, and it comes back."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from flowable.external_worker_client.runtime import journal_rules as rules
from flowable.external_worker_client.runtime.journal import Journal, Recollection, Recorded
from flowable.external_worker_client.runtime.process_lock import ProcessLock

DONE = Recorded(operation="complete", members={"variables": []})
FACTS: dict[str, Any] = {
    "job_id": "j",
    "owner": "w.1",
    "topic": "t",
    "execution_id": "e",
    "sub_scope_id": None,
    "retries": 3,
    "lock_until": 5000.0,
}
posix = pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be moved on Windows")


class Clock:
    """Time that is set."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.time


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "worker.db"


@pytest.fixture(autouse=True)
def short_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds here."""
    monkeypatch.setattr(rules, "PATIENCE", 0.05)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    """What is logged."""
    caplog.set_level(logging.DEBUG, logger="flowable")
    return Said(caplog)


class Said:
    """What was logged since it was last asked."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def __call__(self) -> list[tuple[str, str]]:
        """Return levels and messages."""
        found = [(record.levelname, record.getMessage()) for record in self._caplog.records]
        self._caplog.clear()
        return found


def use(journal: Journal) -> bool:
    """Do everything with it that can be done; say whether it was kept."""
    journal.started("used", **FACTS)
    journal.outcome("used", recorded=DONE, **FACTS)
    kept = journal.recall(["used"]) == {"used": Recollection(outcome=DONE)}
    journal.abandoned("used")
    journal.explained("used")
    journal.orphans()
    journal.settled("used", keep_until=1.0)
    journal.settled("used")
    return kept


def made(path: Path, clock: Clock, jobs: int = 0) -> None:
    """Make a journal with some content, and close it."""
    journal = Journal.open(path, now=clock)
    for number in range(jobs):
        journal.outcome(f"job {number}", recorded=DONE, **FACTS)
    journal.close()


# ---------------------------------------------------------------- not a journal


@pytest.mark.parametrize("content", [b"not a database\n" * 500, b"x", b"SQLite format 4\0" * 300])
def test_somebody_elses_file(path: Path, clock: Clock, said: Said, content: bytes) -> None:
    """A wrong path must not cost anybody their file, however often it is tried."""
    path.write_bytes(content)
    for _ in range(2):
        journal = Journal.open(path, now=clock)
        assert not use(journal)
        clock.time += rules.PAUSE_IN_TROUBLE
        assert not use(journal)
        journal.close()
        [(level, message)] = said()
        assert level == "ERROR"
        assert str(path) in message
        assert "choose another path" in message
        assert path.read_bytes() == content
        assert [entry.name for entry in path.parent.iterdir()] == ["worker.db"]


@pytest.mark.parametrize("damaged", [False, True], ids=["sound", "damaged"])
def test_somebody_elses_database(path: Path, clock: Clock, said: Said, damaged: bool) -> None:
    """The same for a database of another program, in whatever state."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.executemany("INSERT INTO theirs VALUES (?)", [("x" * 1000,)] * 50)
    connection.commit()
    connection.close()
    if damaged:
        content = path.read_bytes()
        path.write_bytes(content[:100] + b"\xff" * 2000 + content[2100:])
    content = path.read_bytes()
    journal = Journal.open(path, now=clock)
    assert not use(journal)
    journal.close()
    [(level, message)] = said()
    assert (level, "not a journal" in message) == ("ERROR", True)
    assert path.read_bytes() == content
    assert [entry.name for entry in path.parent.iterdir()] == ["worker.db"]


def test_another_version(path: Path, clock: Clock, said: Said) -> None:
    """It may hold outcomes: it is left as it is."""
    made(path, clock, 3)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    journal = Journal.open(path, now=clock)
    assert not use(journal)
    journal.close()
    [(level, message)] = said()
    assert (level, "another version" in message) == ("ERROR", True)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (3,)
    connection.close()


def test_a_folder_in_its_place(path: Path, clock: Clock, said: Said) -> None:
    """Once it is gone, the journal works."""
    path.mkdir()
    journal = Journal.open(path, now=clock)
    assert not use(journal)
    [(level, message)] = said()
    assert (level, "something else than a file" in message) == ("ERROR", True)
    path.rmdir()
    clock.time += rules.PAUSE_IN_TROUBLE
    assert use(journal)
    [(level, message)] = said()
    assert (level, "works again" in message) == ("WARNING", True)
    journal.close()


# ---------------------------------------------------------------- damage


def garbage(path: Path) -> None:
    """Overwrite everything."""
    path.write_bytes(os.urandom(8192))


def garbage_behind_the_head(path: Path) -> None:
    """Overwrite everything but the head."""
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xa5" * (len(content) - 100))


def half(path: Path) -> None:
    """Cut half of it off."""
    os.truncate(path, path.stat().st_size // 2)


def a_piece(path: Path) -> None:
    """Leave next to nothing."""
    os.truncate(path, 50)


@pytest.mark.parametrize("damage", [garbage, garbage_behind_the_head, half, a_piece])
def test_damaged(path: Path, clock: Clock, said: Said, damage: Any) -> None:
    """It is moved aside, and a new one works at once."""
    made(path, clock, 200)
    damage(path)
    content = path.read_bytes()
    journal = Journal.open(path, now=clock)
    assert use(journal)
    [(level, message)] = said()
    assert (level, "damaged" in message) == ("ERROR", True)
    aside = path.with_name("worker.db.damaged-20231114T221320Z")
    assert str(aside) in message
    assert aside.read_bytes() == content
    journal.close()


def test_cut_to_nothing(path: Path, clock: Clock, said: Said) -> None:
    """An empty file is a new journal."""
    made(path, clock, 3)
    os.truncate(path, 0)
    journal = Journal.open(path, now=clock)
    assert use(journal)
    journal.close()
    assert said() == []


@posix
def test_damaged_while_in_use(path: Path, clock: Clock, said: Said) -> None:
    """The connection notices sooner or later, and the new file takes its place."""
    made(path, clock, 3000)
    journal = Journal.open(path, now=clock)
    content = path.read_bytes()
    # Somebody else's write: what the connection has in memory is out of date.
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM jobs WHERE correlation_id = 'job 7'")
    connection.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (len(content) - 4096))
    for number in range(3000):
        journal.recall([f"job {number}"])
    assert use(journal)
    [(level, message)] = said()
    assert (level, "was damaged" in message) == ("ERROR", True)
    journal.close()


@posix
def test_damaged_twice(path: Path, clock: Clock, said: Said) -> None:
    """Then it is the disk: it is said, and not a file moved aside for every job."""
    made(path, clock, 200)
    garbage(path)
    journal = Journal.open(path, now=clock)
    assert use(journal)
    journal.close()
    clock.time += 1
    garbage(path)
    journal = Journal.open(path, now=clock)
    journal.close()
    assert [level for level, _ in said()] == ["ERROR", "ERROR"]
    assert len(list(path.parent.glob("*.damaged-*"))) == 2


@posix
def test_damaged_while_others_use_it(path: Path, clock: Clock, said: Said) -> None:
    """It is not taken from under them; once they have gone, it is moved."""
    made(path, clock, 200)
    other = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\n"  # noqa: ISC004  # one program
            "from flowable.external_worker_client.runtime.process_lock import ProcessLock\n"
            "lock = ProcessLock(sys.argv[1]); lock.acquire(); lock.enter(); print(flush=True); input()",
            f"{path}-lock",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    other.stdout.readline()
    garbage(path)
    content = path.read_bytes()
    journal = Journal.open(path, now=clock)
    assert not use(journal)
    clock.time += rules.PAUSE_IN_TROUBLE
    assert not use(journal)
    [(level, message)] = said()
    assert level == "ERROR"
    assert "stop all workers that use it, and move it away" in message
    assert path.read_bytes() == content
    other.communicate(b"\n")
    assert not use(journal), "too early"
    clock.time += rules.PAUSE_IN_TROUBLE
    assert use(journal)
    assert [level for level, _ in said()] == ["ERROR", "WARNING"]
    journal.close()


# ---------------------------------------------------------------- locked, full, read-only, gone


def test_locked(path: Path, clock: Clock, said: Said) -> None:
    """By a program that looks into it. What was settled meanwhile is forgotten afterwards."""
    journal = Journal.open(path, now=clock)
    for name in ("a", "b"):
        journal.outcome(name, recorded=DONE, **FACTS)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    journal.settled("a")
    assert not use(journal)
    [(level, message)] = said()
    assert (level, "locked" in message) == ("ERROR", True)
    connection.execute("COMMIT")
    connection.close()
    assert not use(journal), "too early"
    clock.time += rules.PAUSE_IN_TROUBLE
    assert journal.recall(["a", "b"]) == {"b": Recollection(outcome=DONE)}
    [(level, message)] = said()
    assert (level, "works again" in message) == ("WARNING", True)
    journal.close()


def test_locked_for_a_moment(path: Path, clock: Clock, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process's write is waited for."""
    journal = Journal.open(path, now=clock)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")

    def pause(attempt: int) -> float:
        if attempt == 1:
            connection.execute("COMMIT")
        return 0.0

    monkeypatch.setattr(rules, "pause_while_busy", pause)
    journal.outcome("a", recorded=DONE, **FACTS)
    connection.close()
    assert journal.recall(["a"]) == {"a": Recollection(outcome=DONE)}
    journal.close()
    assert said() == []


def test_at_its_limit(path: Path, clock: Clock, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a disk that is full: one line, and it comes back."""
    monkeypatch.setattr(rules, "MOST_BYTES", 64 * 1024)
    journal = Journal.open(path, now=clock)
    large = Recorded(operation="complete", members={"text": "x" * 100_000})
    for number in range(5):
        journal.outcome(f"job {number}", recorded=large, **FACTS)
    [(level, message)] = said()
    assert (level, "disk is full" in message) == ("ERROR", True)
    clock.time += rules.PAUSE_IN_TROUBLE
    assert use(journal)
    assert [level for level, _ in said()] == ["WARNING"]
    journal.close()


@posix
def test_a_disk_that_is_full(path: Path) -> None:
    """Jobs go on: nothing is raised, nothing is logged but once."""
    program = """
        import logging, resource, signal, sys
        logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
        from flowable.external_worker_client.runtime.journal import Journal, Recorded
        now = [1e9]
        journal = Journal.open(sys.argv[1], now=lambda: now[0])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        large = Recorded(operation="complete", members={"text": "x" * 10_000})
        facts = dict(job_id="j", owner="o", topic="t", execution_id=None, sub_scope_id=None, retries=1, lock_until=1.0)
        for number in range(200):
            journal.outcome(str(number), recorded=large, **facts)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        now[0] += 31
        journal.outcome("later", recorded=large, **facts)
        print(sorted(journal.recall(["0", "199", "later"])))
        journal.close()
        """
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), path],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    first, again, known = ran.stdout.splitlines()
    assert first.startswith(f"ERROR Journal {path} does not work: ")
    assert again.startswith(f"WARNING Journal {path} works again; ")
    assert known == "['0', 'later']"


@posix
@pytest.mark.parametrize("what", ["file", "folder"])
def test_read_only(path: Path, what: str) -> None:
    """By somebody who may not write."""
    path.parent.chmod(0o755)
    made(path, Clock(), 3)
    for entry in path.parent.iterdir():
        entry.chmod(0o444)
    if what == "folder":
        path.unlink()
        (path.parent / "worker.db-lock").unlink()
        path.parent.chmod(0o555)
    program = """
        import logging, os, sys
        logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
        from flowable.external_worker_client.runtime import journal_sharing
        from flowable.external_worker_client.runtime.journal import Journal
        os.chdir(os.path.dirname(sys.argv[1]))
        if os.getuid() == 0:
            os.setuid(65534)
        journal = Journal.open("worker.db")
        print(journal.recall(["job 1"]))
        journal.settled("job 1")
        journal.close()
        """
    for folder in path.parents:
        # pytest's own folders are closed to others.
        if folder.name.startswith(("pytest-", "test_")) and os.getuid() == 0:
            folder.chmod(folder.stat().st_mode | 0o055)
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), path],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    path.parent.chmod(0o755)
    first, known = ran.stdout.splitlines()
    assert first.startswith("ERROR Journal ")
    assert "cannot be opened for writing" in first
    assert known == "{}"


@posix
@pytest.mark.parametrize("ending", ["", "-lock"], ids=["file", "lock file"])
def test_removed_while_in_use(path: Path, clock: Clock, said: Said, ending: str) -> None:
    """By somebody who cleans up. It is noticed after a while, and a new one is made."""
    journal = Journal.open(path, now=clock)
    journal.outcome("a", recorded=DONE, **FACTS)
    path.with_name(f"worker.db{ending}").unlink()
    for number in range(rules.WRITES_BETWEEN_TIDYING):
        journal.settled(f"job {number}")
    [(level, message)] = said()
    assert (level, "moved or removed" in message) == ("ERROR", True)
    assert use(journal)
    assert path.exists()
    assert path.with_name("worker.db-lock").exists()
    number = journal._store.number
    lock = ProcessLock(f"{path}-lock")
    journal.close()
    assert number != lock.number


@posix
def test_the_folder_is_gone(path: Path, clock: Clock, said: Said) -> None:
    """And comes back."""
    folder = path.parent / "folder"
    folder.mkdir()
    journal = Journal.open(folder / "worker.db", now=clock)
    for entry in folder.iterdir():
        entry.unlink()
    folder.rmdir()
    clock.time += rules.PAUSE_BETWEEN_TIDYING
    use(journal)
    assert [level for level, _ in said()] == ["ERROR", "ERROR"]
    folder.mkdir()
    clock.time += rules.PAUSE_IN_TROUBLE
    assert use(journal)
    journal.close()


# ---------------------------------------------------------------- what cannot be kept


@pytest.mark.parametrize(
    "members",
    [{"value": object()}, {"value": "x" * 200}],
    ids=["no JSON", "too long"],
)
def test_an_outcome_that_cannot_be_kept(
    path: Path, clock: Clock, said: Said, monkeypatch: pytest.MonkeyPatch, members: dict[str, Any]
) -> None:
    """It is said, without its content, and the file is not to blame."""
    monkeypatch.setattr(rules, "LONGEST_OUTCOME", 100)
    journal = Journal.open(path, now=clock)
    journal.started("a", **FACTS)
    journal.outcome("a", recorded=Recorded(operation="complete", members=members), **FACTS)
    [(level, message)] = said()
    assert (level, "cannot be kept" in message, "xx" in message) == ("WARNING", True, False)
    assert use(journal)
    journal.close()


def test_facts_that_cannot_be_kept(path: Path, clock: Clock, said: Said) -> None:
    """Nothing raises, whatever an engine answers."""
    journal = Journal.open(path, now=clock)
    wrong: Any = {"job_id": None, "owner": 2**70, "retries": "three", "topic": object()}
    for name, value in wrong.items():
        if name != "retries":
            journal.started("a", **(FACTS | {name: value}))
            [(level, message)] = said()
            assert (level, "cannot be kept" in message) == ("WARNING", True)
    journal.started(wrong, **FACTS)
    assert journal.recall([wrong]) == {}
    assert use(journal)
    journal.close()


def test_a_python_without_sqlite3(path: Path) -> None:
    """Only those who ask for a journal are told."""
    program = """
        import sys
        sys.modules["sqlite3"] = sys.modules["_sqlite3"] = None
        from flowable.external_worker_client import InvalidArgumentError
        from flowable.external_worker_client.runtime.journal import Journal
        try:
            Journal.open(sys.argv[1])
        except InvalidArgumentError as error:
            print(error)
        """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), path], stdout=subprocess.PIPE, text=True, check=True
    )
    assert "was built without sqlite3" in ran.stdout
