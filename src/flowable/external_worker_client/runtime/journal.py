"""What a process did with its jobs, in one SQLite file, so that a crash does not lose it.

Started, finished and undelivered outcomes, by correlation id, shared by the processes of a machine (the file must be on
a disk of its own, not on the network). It survives the end of a process in every way, kill -9 included. It does not
promise to survive a loss of power: what was written last may be missing then, and the file is sound.

What follows from the rows is decided in `journal_rules`; the file is the business of `journal_store`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.runtime import journal_rules as rules
from flowable.external_worker_client.runtime.journal_rules import Orphan, Recollection, Recorded, Row

if TYPE_CHECKING:
    import sqlite3

    from flowable.external_worker_client.runtime.journal_store import Store

__all__ = ["Journal", "Orphan", "Recollection", "Recorded"]

_COLUMNS: Final = (
    "correlation_id, process, at, operation, keep_until, job_id, owner, topic, execution_id, sub_scope_id, retries,"
    " lock_until, engine, members"
)
_WRITE: Final = f"INSERT OR REPLACE INTO jobs ({_COLUMNS}) VALUES (?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608

#: The rows of one job that are ours to change: our own, and those of processes that are no more. The rows of others
#: that are alive are theirs. In this order: `alive` asks the system.
_OURS: Final = "correlation_id = :job AND (process = :process OR NOT alive(process))"
_FORGET: Final = f"DELETE FROM jobs WHERE {_OURS}"  # noqa: S608
_FORGET_ALL_BUT_OUTCOMES: Final = (
    f"{_FORGET} AND (operation IS NULL OR operation = '{rules.FAIL}' OR keep_until <= :now)"
)
_KEEP: Final = f"UPDATE jobs SET keep_until = :until WHERE {_OURS}"  # noqa: S608
_EXPLAIN: Final = "DELETE FROM jobs WHERE correlation_id = ? AND process = ? AND operation IS NULL"

#: SQLite takes at least 999 in every build.
_MOST_AT_ONCE: Final = 500


class Journal:
    """The journal, as one client holds it. For use by several threads. A job without a correlation id is not kept.

    Nothing but `open` ever raises. When the file does not work (a full disk, damage), that is logged at ERROR once, and
    jobs go on: nothing is kept then, nothing is known, and the file is tried again every half minute.

    A process that is forked from one with an open journal has a journal of its own in the same file.

    Args:
        store: The file. Use `open`.
        engine: What tells the engine from others whose jobs are in the same file.
    """

    def __init__(self, store: Store, engine: str) -> None:
        self._store = store
        self._engine = engine
        self._open = True

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, engine: str = "", now: Callable[[], float] = time.time) -> Journal:
        """Open a journal; make it if it is not there, readable by its owner only.

        Those who open the same file in one process share what is behind it. It is closed with the last of them, or at
        the end of the program.

        Args:
            path: Of the file. Its folder has to exist.
            engine: What tells the engine from others whose jobs are in the same file, such as its address: an outcome
                is handed out to those who have to do with its engine.
            now: Tells the time, in seconds since the epoch.

        Raises:
            InvalidArgumentError: If the path is none, if its folder does not exist, or if this Python was built
                without sqlite3. What is wrong with the file itself is logged.
        """
        checked = _checked(path)
        try:
            from flowable.external_worker_client.runtime import journal_sharing  # noqa: PLC0415 - needs sqlite3
        except ImportError as error:
            if error.name is None or error.name.startswith("flowable"):
                raise
            accepted = f"left out here: this Python was built without {error.name.lstrip('_')}"
            raise InvalidArgumentError("journal", path, accepted) from error
        return cls(journal_sharing.share(checked, now), engine)

    def close(self) -> None:
        """Close it. What is called afterwards does nothing. May be called again."""
        opened, self._open = self._open, False
        if opened:
            from flowable.external_worker_client.runtime import journal_sharing  # noqa: PLC0415 - needs sqlite3

            journal_sharing.leave(self._store)

    # ------------------------------------------------------------ the life of a job

    def started(
        self,
        correlation_id: str,
        *,
        job_id: str,
        owner: str,
        topic: str,
        execution_id: str | None,
        sub_scope_id: str | None,
        retries: int | None,
        lock_until: float,
    ) -> None:
        """Write that a job's handler is about to be called. An outcome of this process from an earlier run is dropped.

        Args:
            correlation_id: Of the job.
            job_id: Its id.
            owner: The name that it is locked with.
            topic: Its topic.
            execution_id: Its execution. `None`: it has none (CMMN).
            sub_scope_id: Its plan item instance. `None`: it has none (BPMN).
            retries: That it has. `None`: not known.
            lock_until: When its lock ends, in seconds since the epoch.
        """
        if not self._open or not correlation_id:
            return
        store = self._store
        facts = (job_id, owner, topic, execution_id, sub_scope_id, retries, lock_until, self._engine)
        store.write(_WRITE, (correlation_id, store.number, store.now(), None, *facts, None))

    def outcome(
        self,
        correlation_id: str,
        *,
        recorded: Recorded,
        job_id: str,
        owner: str,
        topic: str,
        execution_id: str | None,
        sub_scope_id: str | None,
        retries: int | None,
        lock_until: float,
    ) -> None:
        """Write how a job ended, before that is sent for the first time. It takes the place of an earlier outcome.

        An outcome of more than 16 million characters, or that is no JSON, is not kept; that is logged.

        Args:
            correlation_id: As for `started`.
            recorded: How it ended.
            job_id: As for `started`.
            owner: As for `started`.
            topic: As for `started`.
            execution_id: As for `started`.
            sub_scope_id: As for `started`.
            retries: As for `started`.
            lock_until: As for `started`.
        """
        if not self._open or not correlation_id:
            return
        store = self._store
        try:
            members = json.dumps(recorded.members, separators=(",", ":"))
        except Exception as error:  # noqa: BLE001 - whatever somebody's values raise
            store.cannot_keep(f"an outcome of topic {topic!r} is no JSON ({type(error).__name__})")
            return
        if len(members) > rules.LONGEST_OUTCOME:
            store.cannot_keep(f"an outcome of topic {topic!r} has {len(members)} characters")
            return
        facts = (job_id, owner, topic, execution_id, sub_scope_id, retries, lock_until, self._engine)
        store.write(
            _WRITE, (correlation_id, store.number, store.now(), recorded.operation, *facts, members), size=len(members)
        )

    def settled(self, correlation_id: str, *, keep_until: float | None = None) -> None:
        """Forget a job: the engine has its outcome, or it is lost or gone, and nothing is left to do.

        What processes that are alive know of it stays: they forget it themselves.

        Args:
            correlation_id: Of the job.
            keep_until: The engine's answer leaves a doubt: its success, BPMN error or terminate is remembered until
                then, in seconds since the epoch, in case that the job comes back. `None`: nothing is.
        """
        if not self._open or not correlation_id:
            return
        store = self._store
        ours: dict[str, object] = {"job": correlation_id, "process": store.number}
        if keep_until is None:
            store.write(_FORGET, ours, forgets=correlation_id)
            return

        def keep(connection: sqlite3.Connection) -> None:
            connection.execute(_FORGET_ALL_BUT_OUTCOMES, {**ours, "now": store.now()})
            connection.execute(_KEEP, {**ours, "until": keep_until})

        store.change(keep, otherwise=None)

    def abandoned(self, correlation_id: str) -> None:
        """Write that the time for delivering is over. The outcome is kept: for a redelivery, or for the next start."""
        # So it is anyhow, if it is there.
        self.explained(correlation_id)

    def explained(self, correlation_id: str) -> None:
        """Write that a start without an end is no crash: the process ends in order, and the handler still runs."""
        if self._open and correlation_id:
            self._store.write(_EXPLAIN, (correlation_id, self._store.number))

    # ------------------------------------------------------------ what is known

    def recall(self, correlation_ids: Sequence[str]) -> Mapping[str, Recollection]:
        """Return what is known of jobs that were acquired; only those that there is something to say about.

        One query for all of them: ask for a whole batch.
        """
        if not self._open or not correlation_ids:
            return {}
        recalled: dict[str, Recollection] = {}
        nothing: dict[str, Recollection] = {}
        for first in range(0, len(correlation_ids), _MOST_AT_ONCE):
            some = tuple(correlation_ids[first : first + _MOST_AT_ONCE])
            recalled |= self._store.run(partial(self._recollect, some), otherwise=nothing)
        return recalled

    def _recollect(self, correlation_ids: tuple[str, ...], connection: sqlite3.Connection) -> dict[str, Recollection]:
        found = connection.execute(
            "SELECT correlation_id, process, at, operation, keep_until, members FROM jobs"  # noqa: S608
            f" WHERE correlation_id IN ({', '.join('?' * len(correlation_ids))})",
            correlation_ids,
        ).fetchall()
        if not found:
            return {}
        jobs: dict[str, list[tuple[Any, ...]]] = {}
        for correlation_id, *row in found:
            jobs.setdefault(correlation_id, []).append(tuple(row))
        now = self._store.now()
        recalled: dict[str, Recollection] = {}
        for correlation_id, raw in jobs.items():
            rows = [Row(*row[:4]) for row in raw]
            place = rules.known_outcome(rows, now)
            outcome = None if place is None else _recorded(raw[place][2], raw[place][4])
            starts = rules.unexplained_starts(rows, now, self._store.alive)
            if outcome is not None or starts:
                recalled[correlation_id] = Recollection(outcome=outcome, unexplained_starts=starts)
        return recalled

    def orphans(self) -> list[Orphan]:
        """Take over the undelivered outcomes of processes that are no longer alive, failures included.

        Each is handed out once, to one process, and is that one's from then on: it calls `settled` or `abandoned`. A
        job that a living process has to do with is left to that one.
        """
        return self._store.change(self._claim, otherwise=[]) if self._open else []

    def _claim(self, connection: sqlite3.Connection) -> list[Orphan]:
        store = self._store
        now = store.now()
        found = connection.execute(
            "SELECT correlation_id, process, at, operation, keep_until FROM jobs WHERE engine = ?", (self._engine,)
        ).fetchall()
        living = {process: store.alive(process) for process in {row[1] for row in found}}
        jobs: dict[str, list[Row]] = {}
        for correlation_id, *row in found:
            jobs.setdefault(correlation_id, []).append(Row(*row))
        claimed: list[Orphan] = []
        for correlation_id, rows in jobs.items():
            place = rules.orphaned(rows, now, living.__getitem__)
            if place is None:
                continue
            [row] = connection.execute(
                f"SELECT {_COLUMNS} FROM jobs WHERE correlation_id = ? AND process = ?",  # noqa: S608
                (correlation_id, rows[place].process),
            ).fetchall()
            # With it go the starts before it, which it explains. Those after it still count.
            connection.execute(
                "DELETE FROM jobs WHERE correlation_id = ? AND (operation IS NOT NULL OR at <= ?)",
                (correlation_id, rows[place].at),
            )
            connection.execute(
                f"INSERT INTO jobs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (row[0], store.number, *row[2:]),
            )
            recorded = _recorded(row[3], row[13])
            if recorded is not None:
                claimed.append(_orphan(row, recorded))
        return claimed

    # ------------------------------------------------------------ suspicious handlers

    def alone(self, unless: Callable[[], bool] | None = None) -> AbstractContextManager[bool]:
        """See `gate.Gate.alone`: for a job whose handler may kill its process. One gate for the whole process."""
        return self._store.gate.alone(unless)

    def beside(self, unless: Callable[[], bool] | None = None) -> AbstractContextManager[bool]:
        """See `gate.Gate.beside`: for all other jobs."""
        return self._store.gate.beside(unless)

    def somebody_is_to_be_alone(self) -> bool:
        """See `gate.Gate.is_taken`."""
        return self._store.gate.is_taken()

    def go_in(self, unless: Callable[[], bool] | None = None, *, alone: bool) -> bool:
        """See `gate.Gate.go_in`: for a handler that ends on another thread than it was started on."""
        return self._store.gate.go_in(unless, alone=alone)

    def go_out(self, *, alone: bool) -> None:
        """See `gate.Gate.go_out`."""
        self._store.gate.go_out(alone=alone)

    def wake(self) -> None:
        """See `gate.Gate.wake`: for a stop, so that jobs that wait at the gate need not be started."""
        self._store.gate.wake()


def _recorded(operation: str, members: object) -> Recorded | None:
    """Return an outcome that was read; `None` if it is not one that was written here."""
    try:
        read = json.loads(cast("str", members))
    except (ValueError, TypeError, RecursionError):
        return None
    return Recorded(operation=operation, members=cast("dict[str, Any]", read)) if isinstance(read, dict) else None


def _orphan(row: tuple[Any, ...], recorded: Recorded) -> Orphan:
    correlation_id, _, _, _, _, job_id, owner, topic, execution_id, sub_scope_id, retries, lock_until, *_ = row
    return Orphan(
        correlation_id=correlation_id,
        job_id=job_id,
        owner=owner,
        topic=topic,
        execution_id=execution_id,
        sub_scope_id=sub_scope_id,
        lock_until=lock_until,
        retries=retries,
        recorded=recorded,
    )


def _checked(path: object) -> str:
    """Return a path as text, if a journal can be there."""
    accepted = "the path of a file, as text or a pathlib.Path, in a folder that exists"
    if isinstance(path, os.PathLike):
        path = cast("os.PathLike[Any]", path).__fspath__()
    if not isinstance(path, str) or not path or "\0" in path or path == ":memory:":
        raise InvalidArgumentError("journal", path, accepted)
    if not os.path.isdir(os.path.dirname(path) or "."):  # noqa: PTH112, PTH120 - SQLite takes a text
        raise InvalidArgumentError("journal", path, accepted)
    return path
