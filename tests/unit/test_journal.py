"""The journal as its users see it: against a model in memory, by several processes that are made up."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flowable.external_worker_client import InvalidArgumentError
from flowable.external_worker_client.runtime import journal_rules as rules
from flowable.external_worker_client.runtime.journal import Journal, Orphan, Recollection, Recorded
from flowable.external_worker_client.runtime.journal_store import Store

LOCK_UNTIL = 5000.0
DONE = Recorded(operation="complete", members={"variables": [{"name": "x", "type": "string", "value": "ü\ud800"}]})
FAILED = Recorded(operation="fail", members={"errorMessage": "no"})


class Clock:
    """Time that moves with every look, so that no two entries are of the same moment."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        self.time += 0.001
        return self.time


class MadeUpLock:
    """A process that is alive when it says so."""

    def __init__(self, number: int, living: set[int]) -> None:
        self.number = number
        self._living = living

    def acquire(self) -> None:
        """See `Liveness`."""
        self._living.add(self.number)

    def alive(self, number: int) -> bool:
        """See `Liveness`."""
        return number in self._living

    def enter(self) -> None:
        """See `Liveness`."""

    def leave(self) -> None:
        """See `Liveness`."""

    def alone(self) -> bool:
        """See `Liveness`."""
        return False

    def replaced(self) -> bool:
        """See `Liveness`."""
        return False

    def release(self, *, remove: bool = False) -> None:
        """See `Liveness`."""
        self._living.discard(self.number)

    def forked(self) -> None:
        """See `Liveness`."""


class Machine:
    """A machine with processes that share a journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock()
        self.living: set[int] = set()
        self.journals: dict[int, Journal] = {}
        self._stores: dict[int, Store] = {}
        self._last = 0

    def start(self, engine: str = "engine") -> Journal:
        """Start a process that works for an engine."""
        self._last += 1
        store = Store(str(self.path), now=self.clock, lock=MadeUpLock(self._last, self.living))
        self._stores[self._last] = store
        self.journals[self._last] = Journal(store, engine)
        return self.journals[self._last]

    def kill(self, journal: Journal) -> None:
        """End a process."""
        [number] = [number for number, other in self.journals.items() if other is journal]
        del self.journals[number]
        self._stores.pop(number).close()

    def close(self) -> None:
        """End all."""
        for journal in list(self.journals.values()):
            self.kill(journal)

    def rows(self) -> int:
        """Return how many rows there are."""
        connection = sqlite3.connect(self.path)
        try:
            [[rows]] = connection.execute("SELECT count(*) FROM jobs")
        finally:
            connection.close()
        return int(rows)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine without processes."""
    machine = Machine(tmp_path / "worker.db")
    yield machine
    machine.close()


def facts(correlation_id: str, owner: str = "w.1") -> dict[str, Any]:
    """Return what is told of a job besides its correlation id."""
    return {
        "job_id": f"job of {correlation_id}",
        "owner": owner,
        "topic": "t",
        "execution_id": "e",
        "sub_scope_id": None,
        "retries": 3,
        "lock_until": LOCK_UNTIL,
    }


def orphan(correlation_id: str, recorded: Recorded, owner: str = "w.1") -> Orphan:
    """Return what is handed out for it."""
    return Orphan(correlation_id=correlation_id, recorded=recorded, **facts(correlation_id, owner))


# ---------------------------------------------------------------- one thing at a time


def test_a_settled_job_leaves_nothing(machine: Machine) -> None:
    """Neither for this process nor for the next."""
    one = machine.start()
    one.started("a", **facts("a"))
    assert one.recall(["a"]) == {}
    one.outcome("a", recorded=DONE, **facts("a"))
    assert one.recall(["a", "b"]) == {"a": Recollection(outcome=DONE)}
    one.settled("a")
    assert one.recall(["a"]) == {}
    machine.kill(one)
    two = machine.start()
    assert (two.recall(["a"]), two.orphans(), machine.rows()) == ({}, [], 0)


def test_three_crashes_in_a_row(machine: Machine) -> None:
    """They add up, and are forgotten once the job is settled."""
    journal = machine.start()
    for crashes in range(4):
        expected = {"a": Recollection(unexplained_starts=crashes)} if crashes else {}
        assert journal.recall(["a", "b"]) == expected
        if crashes < 3:
            journal.started("a", **facts("a"))
            machine.kill(journal)
            journal = machine.start()
    journal.outcome("a", recorded=FAILED, **facts("a"))
    assert journal.recall(["a"]) == {}, "an outcome explains the starts before it"
    journal.settled("a")
    assert (journal.recall(["a"]), machine.rows()) == ({}, 0)


def test_a_start_of_a_living_process_is_no_crash(machine: Machine) -> None:
    """A handler outlived its lock, and the job came to another process. Its crash counts once it comes."""
    one, two = machine.start(), machine.start()
    one.started("a", **facts("a"))
    assert two.recall(["a"]) == {}
    two.started("a", **facts("a", "w.2"))
    two.outcome("a", recorded=FAILED, **facts("a", "w.2"))
    two.settled("a")
    assert two.recall(["a"]) == {}
    machine.kill(one)
    assert two.recall(["a"]) == {"a": Recollection(unexplained_starts=1)}


def test_an_explained_start_is_no_crash(machine: Machine) -> None:
    """Left running at the end of the grace. Earlier crashes still count."""
    one = machine.start()
    one.started("a", **facts("a"))
    machine.kill(one)
    two = machine.start()
    two.started("a", **facts("a"))
    two.explained("a")
    machine.kill(two)
    assert machine.start().recall(["a"]) == {"a": Recollection(unexplained_starts=1)}


def test_an_outcome_of_a_living_process_is_known_to_all(machine: Machine) -> None:
    """Its delivery may be under way, and the job was offered again meanwhile."""
    one, two = machine.start(), machine.start()
    one.outcome("a", recorded=DONE, **facts("a"))
    assert two.recall(["a"]) == {"a": Recollection(outcome=DONE)}
    assert two.orphans() == []


def test_orphans_are_handed_out_once(machine: Machine) -> None:
    """Successes and failures, in their owners' names; to the next process again when that one dies."""
    one = machine.start()
    for name, recorded in {"a": DONE, "b": FAILED, "c": DONE, "d": DONE}.items():
        one.started(name, **facts(name))
        one.outcome(name, recorded=recorded, **facts(name))
    one.abandoned("a")
    one.settled("c")
    one.settled("d", keep_until=machine.clock.time + 60)
    one.started("e", **facts("e"))
    machine.kill(one)
    two, three = machine.start(), machine.start()
    expected = [orphan("a", DONE), orphan("b", FAILED)]
    assert sorted(two.orphans(), key=lambda each: each.correlation_id) == expected
    assert (two.orphans(), three.orphans()) == ([], [])
    two.settled("b")
    machine.kill(two)
    assert (three.orphans(), three.orphans()) == ([orphan("a", DONE)], [])
    assert machine.rows() == 3, "a, the outcome that is kept, and the start of e"


def test_orphans_are_handed_out_to_workers_of_their_engine(machine: Machine) -> None:
    """Another engine knows nothing of the job, and its answer would be taken for the end of it."""
    one = machine.start("http://one")
    one.outcome("a", recorded=DONE, **facts("a"))
    machine.kill(one)
    other, same = machine.start("http://other"), machine.start("http://one")
    assert other.orphans() == []
    assert same.orphans() == [orphan("a", DONE)]


def test_a_job_that_somebody_is_at_is_no_orphan(machine: Machine) -> None:
    """It was offered again, and the process that has it knows the outcome."""
    one = machine.start()
    one.outcome("a", recorded=DONE, **facts("a"))
    machine.kill(one)
    two, three = machine.start(), machine.start()
    two.outcome("a", recorded=DONE, **facts("a", "w.2"))
    assert three.orphans() == []
    two.settled("a")
    assert (three.orphans(), machine.rows()) == ([], 0)


def test_kept_until(machine: Machine) -> None:
    """In doubt a success is remembered for a while, a failure and a start are not."""
    one = machine.start()
    one.started("a", **facts("a"))
    one.outcome("a", recorded=DONE, **facts("a"))
    one.outcome("b", recorded=FAILED, **facts("b"))
    one.started("c", **facts("c"))
    until = machine.clock.time + 60
    for name in "abc":
        one.settled(name, keep_until=until)
    machine.kill(one)
    two = machine.start()
    assert two.recall(["a", "b", "c"]) == {"a": Recollection(outcome=DONE)}
    machine.clock.time = until
    assert (two.recall(["a"]), two.orphans()) == ({}, [])
    machine.kill(two)
    machine.start()
    assert machine.rows() == 0


def test_abandoned(machine: Machine) -> None:
    """The outcome is kept for a redelivery; a start without one is over."""
    one = machine.start()
    one.started("a", **facts("a"))
    one.outcome("a", recorded=DONE, **facts("a"))
    one.started("b", **facts("b"))
    one.abandoned("a")
    one.abandoned("b")
    assert one.recall(["a", "b"]) == {"a": Recollection(outcome=DONE)}
    machine.kill(one)
    assert machine.start().recall(["a", "b"]) == {"a": Recollection(outcome=DONE)}


def test_a_new_start_takes_the_place_of_an_old_outcome(machine: Machine) -> None:
    """The job was failed, abandoned, and offered again."""
    one = machine.start()
    one.outcome("a", recorded=FAILED, **facts("a"))
    one.abandoned("a")
    one.started("a", **facts("a"))
    machine.kill(one)
    two = machine.start()
    assert (two.orphans(), two.recall(["a"])) == ([], {"a": Recollection(unexplained_starts=1)})


def test_a_large_batch(machine: Machine) -> None:
    """More jobs than one statement takes."""
    journal = machine.start()
    names = [f"job {number}" for number in range(1234)]
    for name in names[::100]:
        journal.outcome(name, recorded=DONE, **facts(name))
    assert set(journal.recall(names)) == set(names[::100])


def test_a_job_without_correlation_id_is_not_kept(machine: Machine) -> None:
    """There would be nothing to find it by."""
    journal = machine.start()
    journal.started("", **facts(""))
    journal.outcome("", recorded=DONE, **facts(""))
    journal.settled("")
    assert (journal.recall([""]), machine.rows()) == ({}, 0)


def test_what_is_closed_does_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Quietly: a handler that was left running may come back later."""
    journal = Journal.open(tmp_path / "worker.db")
    other = Journal.open(tmp_path / "." / "worker.db")
    journal.close()
    journal.close()
    other.started("a", **facts("a"))
    other.outcome("a", recorded=DONE, **facts("a"))
    assert other.recall(["a"]) == {"a": Recollection(outcome=DONE)}, "closing twice counts once"
    other.close()
    for closed in (journal, other):
        closed.started("a", **facts("a"))
        closed.outcome("a", recorded=DONE, **facts("a"))
        closed.settled("a")
        closed.settled("a", keep_until=1.0)
        closed.explained("a")
        closed.abandoned("a")
        assert (closed.recall(["a"]), closed.orphans()) == ({}, [])
        with closed.alone() as alone, closed.beside():
            assert alone
    assert caplog.records == []


def test_opened_again(tmp_path: Path) -> None:
    """A process that closes and opens it again is another one: what it left undelivered is handed to it."""
    path = tmp_path / "worker.db"
    journal = Journal.open(path)
    journal.outcome("a", recorded=DONE, **facts("a"))
    journal.started("b", **facts("b"))
    journal.close()
    journal = Journal.open(str(path))
    assert journal.orphans() == [orphan("a", DONE)]
    assert journal.recall(["b"]) == {"b": Recollection(unexplained_starts=1)}
    journal.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["worker.db", "worker.db-lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such modes there")
def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """It holds variables."""
    journal = Journal.open(tmp_path / "worker.db")
    journal.outcome("a", recorded=DONE, **facts("a"))
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["worker.db", "worker.db-lock", "worker.db-shm", "worker.db-wal"], 0o600)
    journal.close()


@pytest.mark.parametrize(
    "path",
    [None, 7, b"worker.db", "", "a\0b", ":memory:", "no/such/folder/worker.db"],
    ids=["None", "number", "bytes", "empty", "NUL", "memory", "folder"],
)
def test_refused(path: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is done."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgumentError, match="journal="):
        Journal.open(path)
    assert list(tmp_path.iterdir()) == []


def test_a_path_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the current one, and stays there when the program goes elsewhere."""
    monkeypatch.chdir(tmp_path)
    journal = Journal.open("worker.db")
    monkeypatch.chdir("/")
    journal.started("a", **facts("a"))
    journal.close()
    assert (tmp_path / "worker.db").exists()


# ---------------------------------------------------------------- kept small


def test_the_oldest_rows_go(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, and by age; the file gives its room back."""
    monkeypatch.setattr(rules, "MOST_ROWS", 300)
    journal = machine.start()
    large = Recorded(operation="complete", members={"text": "x" * 5000})
    sizes = []
    for number in range(2000):
        journal.outcome(f"job {number}", recorded=large, **facts("x"))
        sizes.append(machine.path.stat().st_size)
    assert machine.rows() <= 300 + rules.WRITES_BETWEEN_TIDYING
    assert journal.recall(["job 0", "job 1999"]) == {"job 1999": Recollection(outcome=large)}
    assert max(sizes) < 2 * 8192 * (300 + rules.WRITES_BETWEEN_TIDYING)
    machine.clock.time += rules.OLDEST + 1
    for _ in range(5 * rules.WRITES_BETWEEN_TIDYING):
        journal.settled("nothing")
    assert machine.rows() == 0
    machine.kill(journal)
    assert machine.path.stat().st_size < max(sizes) / 10


def test_a_file_that_reaches_its_limit(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest make room before it is full."""
    monkeypatch.setattr(rules, "MOST_BYTES", 16 * 1024 * 1024)
    journal = machine.start()
    large = Recorded(operation="complete", members={"text": "x" * 12_000})
    for number in range(3000):
        journal.outcome(f"job {number}", recorded=large, **facts("x"))
    assert caplog.records == []
    assert journal.recall(["job 0", "job 2999"]) == {"job 2999": Recollection(outcome=large)}
    assert machine.path.stat().st_size <= 16 * 1024 * 1024


# ---------------------------------------------------------------- several threads


def test_many_threads(machine: Machine) -> None:
    """They share the connection, and nothing is left in the end."""
    journal = machine.start()
    wrong: list[object] = []

    def work(name: int) -> None:
        for number in range(50):
            job = f"{name}.{number}"
            journal.started(job, **facts(job))
            journal.outcome(job, recorded=DONE, **facts(job))
            known = journal.recall([job, "other"])
            if known != {job: Recollection(outcome=DONE)}:
                wrong.append(known)
            journal.settled(job)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, machine.rows()) == ([], 0)


# ---------------------------------------------------------------- against a model

jobs = st.sampled_from("abc")
operations = st.sampled_from(["complete", "bpmnError", "fail"])


class Entry:
    """What the model knows of a job in a process."""

    def __init__(self, at: float, recorded: Recorded | None, owner: str) -> None:
        self.at = at
        self.recorded = recorded
        self.owner = owner
        self.keep_until: float | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the job need not run again."""
        return self.recorded is not None and self.recorded.operation != "fail"


class Against(RuleBasedStateMachine):
    """Everything that processes can do, on a file and in a dictionary."""

    @initialize()
    def begin(self) -> None:
        """Begin with an empty folder."""
        self.folder = Path(tempfile.mkdtemp(prefix="journal-"))
        self.machine = Machine(self.folder / "worker.db")
        self.model: dict[str, dict[int, Entry]] = {name: {} for name in "abc"}
        self.told = 0

    def teardown(self) -> None:
        """Leave nothing."""
        if hasattr(self, "machine"):
            self.machine.close()
            shutil.rmtree(self.folder)

    def some(self, chosen: int) -> tuple[int, Journal]:
        """Return one of the living processes; start one if there is none."""
        if not self.machine.journals:
            self.machine.start()
        journals = list(self.machine.journals.items())
        return journals[chosen % len(journals)]

    def forget(self, process: int, job: str) -> None:
        """Take away what is the process's own to forget."""
        self.model[job] = {
            other: entry
            for other, entry in self.model[job].items()
            if other != process and other in self.machine.living
        }

    @precondition(lambda self: len(self.machine.journals) < 3)
    @rule()
    def start(self) -> None:
        """Start a process."""
        self.machine.start()

    @rule(chosen=st.integers(0, 2))
    def kill(self, chosen: int) -> None:
        """Kill one."""
        self.machine.kill(self.some(chosen)[1])

    @rule(chosen=st.integers(0, 2), job=jobs)
    def started(self, chosen: int, job: str) -> None:
        """Begin a job."""
        process, journal = self.some(chosen)
        journal.started(job, **facts(job, f"w.{process}"))
        self.model[job][process] = Entry(self.machine.clock.time, None, f"w.{process}")

    @rule(chosen=st.integers(0, 2), job=jobs, operation=operations)
    def outcome(self, chosen: int, job: str, operation: str) -> None:
        """End a job."""
        process, journal = self.some(chosen)
        self.told += 1
        recorded = Recorded(operation=operation, members={"number": self.told})
        journal.outcome(job, recorded=recorded, **facts(job, f"w.{process}"))
        self.model[job][process] = Entry(self.machine.clock.time, recorded, f"w.{process}")

    @rule(chosen=st.integers(0, 2), job=jobs)
    def settled(self, chosen: int, job: str) -> None:
        """Settle a job."""
        process, journal = self.some(chosen)
        journal.settled(job)
        self.forget(process, job)

    @rule(chosen=st.integers(0, 2), job=jobs)
    def settled_in_doubt(self, chosen: int, job: str) -> None:
        """Settle a job, perhaps."""
        process, journal = self.some(chosen)
        # Never over at a moment that is asked about: the clock moves by a little whenever it is looked at.
        until = self.machine.clock.time + 50.5
        journal.settled(job, keep_until=until)
        kept = {
            other: entry
            for other, entry in self.model[job].items()
            if (other == process or other not in self.machine.living) and entry.succeeded
        }
        self.forget(process, job)
        for other, entry in kept.items():
            entry.keep_until = until
            self.model[job][other] = entry

    @rule(chosen=st.integers(0, 2), job=jobs, abandoned=st.booleans())
    def over(self, chosen: int, job: str, abandoned: bool) -> None:
        """Give a job up, or leave it running."""
        process, journal = self.some(chosen)
        (journal.abandoned if abandoned else journal.explained)(job)
        entry = self.model[job].get(process)
        if entry is not None and entry.recorded is None:
            del self.model[job][process]

    @rule(chosen=st.integers(0, 2))
    def orphans(self, chosen: int) -> None:
        """Take over what the dead left."""
        process, journal = self.some(chosen)
        expected = {}
        for job, entries in self.model.items():
            undelivered = [entry for entry in entries.values() if entry.recorded and entry.keep_until is None]
            if not undelivered or self.machine.living & set(entries):
                continue
            best = max(undelivered, key=lambda entry: (entry.succeeded, entry.at))
            assert best.recorded is not None
            expected[job] = orphan(job, best.recorded, best.owner)
            later = {p: e for p, e in entries.items() if e.recorded is None and e.at > best.at}
            self.model[job] = {**later, process: best}
        assert {each.correlation_id: each for each in journal.orphans()} == expected

    @rule(seconds=st.sampled_from([1.0, 20.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        """Let outcomes in doubt become old."""
        self.machine.clock.time += seconds
        now = self.machine.clock.time
        for job, entries in self.model.items():
            self.model[job] = {p: e for p, e in entries.items() if e.keep_until is None or e.keep_until > now}

    @invariant()
    def everybody_knows_the_same(self) -> None:
        """Ask every process about every job."""
        expected: dict[str, Recollection] = {}
        for job, entries in self.model.items():
            known = [e for e in entries.values() if e.succeeded]
            ends = [e.at for e in entries.values() if e.recorded is not None]
            crashes = [
                e
                for process, e in entries.items()
                if process not in self.machine.living and e.recorded is None and e.at > max(ends, default=0.0)
            ]
            outcome = max(known, key=lambda entry: entry.at).recorded if known else None
            if outcome is not None or crashes:
                expected[job] = Recollection(outcome=outcome, unexplained_starts=len(crashes))
        for journal in self.machine.journals.values():
            assert journal.recall(["a", "b", "c", "d"]) == expected


TestAgainstAModel = Against.TestCase
TestAgainstAModel.settings = settings(stateful_step_count=60)
