"""One connection per process to the journal's file, and what is done when it does not work.

The rules of this module:

- Nothing here raises, `Store()` included. What goes wrong is said once, at ERROR; jobs go on without the journal;
  every half minute one call tries again, and says so when it works.
- One connection under one lock: SQLite lets one writer in anyhow, and a commit takes ten microseconds. Nothing is
  logged while the lock is held.
- Every write is one statement that commits itself, wherever one will do: a transaction around it costs as much again.
- Only a damaged file is ever moved, only one that was a journal, and only while no other process uses it.
- Imported when a journal is asked for: Python can be built without sqlite3.
"""

# ruff: noqa: PTH110, PTH116  # SQLite takes its path as a text, and so does everything here

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias, TypeVar

from flowable.external_worker_client.runtime import journal_file
from flowable.external_worker_client.runtime import journal_rules as rules
from flowable.external_worker_client.runtime.gate import Gate
from flowable.external_worker_client.runtime.journal_file import UnusableError
from flowable.external_worker_client.runtime.journal_rules import Trouble
from flowable.external_worker_client.runtime.log import Log
from flowable.external_worker_client.runtime.process_lock import Liveness, ProcessLock

_log = Log(__name__)
#: For the placeholders of a statement: in order, or by name.
Values: TypeAlias = tuple[object, ...] | Mapping[str, object]

_T = TypeVar("_T")

#: Forgetting is made up for when the journal works again, for so many jobs.
_MOST_TO_FORGET: Final = 10_000


class Store:
    """A journal's file, as one process sees it.

    Args:
        path: Of the file, absolute.
        now: Tells the time, in seconds since the epoch.
        lock: Who we are, and who else is alive. `None`: a `ProcessLock` beside the file.
        gate: Handlers go through it. `None`: one of its own.

    Attributes:
        gate: As given.
        users: How many have it open. Counted by `journal_sharing`.
    """

    def __init__(
        self, path: str, *, now: Callable[[], float], lock: Liveness | None = None, gate: Gate | None = None
    ) -> None:
        self.gate = Gate() if gate is None else gate
        self.users = 0
        self._path = path
        self._now = now
        self._used_before = os.path.exists(f"{path}-lock")
        self._lock: Liveness = ProcessLock(f"{path}-lock") if lock is None else lock
        self._mutex = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: os.stat_result | None = None
        self._closed = False
        self._stranded: sqlite3.Connection | None = None
        self._trouble: Trouble | None = None
        self._left_out = 0
        self._tried = 0.0
        self._moved = float("-inf")
        self._tidied = 0.0
        self._writes_left = 0
        self._to_forget: dict[str, None] = {}
        self._to_say: list[tuple[int, str, tuple[object, ...]]] = []
        self.run(lambda _: None, otherwise=None)

    @property
    def now(self) -> Callable[[], float]:
        """Tells the time, in seconds since the epoch."""
        return self._now

    @property
    def number(self) -> int:
        """Of this process."""
        return self._lock.number

    def alive(self, number: int) -> bool:
        """Say whether the process with a number is alive."""
        return self._lock.alive(number)

    # ------------------------------------------------------------ for use

    def run(self, work: Callable[[sqlite3.Connection], _T], *, otherwise: _T) -> _T:
        """Do something with the connection.

        Args:
            work: Does it. It may be called again when it raised, and must not have changed anything else then.
            otherwise: What is returned if it cannot be done.
        """
        with self._mutex:
            done = self._done(work, otherwise)
        if self._to_say:
            self._say()
        return done

    def write(self, statement: str, values: Values, *, size: int = 0, forgets: str | None = None) -> None:
        """Carry out one statement that changes something.

        Args:
            statement: SQL.
            values: For its placeholders.
            size: How long they are, in characters, if they may be long.
            forgets: The job that it removes: made up for later if it cannot be done now. `None`: nothing is.
        """
        with self._mutex:
            done = self._done(lambda connection: connection.execute(statement, values), None)
            if done is None and forgets is not None and not self._closed and len(self._to_forget) < _MOST_TO_FORGET:
                self._to_forget[forgets] = None
            self._written(rules.weight(size))
        if self._to_say:
            self._say()

    def change(self, work: Callable[[sqlite3.Connection], _T], *, otherwise: _T) -> _T:
        """Do something in a transaction that no other writer comes between. Arguments are those of `run`."""

        def transaction(connection: sqlite3.Connection) -> _T:
            with journal_file.transaction(connection):
                return work(connection)

        with self._mutex:
            done = self._done(transaction, otherwise)
            self._written(1)
        if self._to_say:
            self._say()
        return done

    def cannot_keep(self, what: str) -> None:
        """Log that something is not written, and why."""
        _log.say(logging.WARNING, "Journal %s: an entry cannot be kept: %s", self._path, what)

    def close(self) -> None:
        """Close the file, and be alive no longer. What is called afterwards does nothing, quietly."""
        with self._mutex:
            self._closed = True
            self._disconnect()
            self._lock.release()

    def _done(self, work: Callable[[sqlite3.Connection], _T], otherwise: _T) -> _T:
        """Do something as `run` says. The lock is held."""
        if self._connection is not None:
            try:
                return work(self._connection)
            except Exception:  # noqa: BLE001, S110 - it is done again, and then looked at
                pass
        for _ in range(2):
            connection = self._connection or self._opened()
            if connection is None:
                break
            try:
                return self._patiently(work, connection)
            except Exception as error:  # noqa: BLE001 - nothing that happens here may cost a job
                if not self._failed(error):
                    break
        return otherwise

    # ------------------------------------------------------------ opening

    def _opened(self) -> sqlite3.Connection | None:
        """Return a connection, if there is to be one and it can be had."""
        if self._closed:
            return None
        now = self._now()
        if self._trouble is not None and not rules.due(now=now, last=self._tried, pause=rules.PAUSE_IN_TROUBLE):
            self._left_out += 1
            return None
        self._tried = now
        for _ in range(2):
            try:
                self._connection = self._connect(now)
            except Exception as error:  # noqa: BLE001 - nothing that happens here may cost a job
                if not self._failed(error):
                    break
            else:
                self._works_again()
                break
        return self._connection

    def _connect(self, now: float) -> sqlite3.Connection:
        if self._stranded is not None:
            raise UnusableError(Trouble.FORKED)
        journal_file.check_place(self._path, used_before=self._used_before)
        self._lock.acquire()
        self._lock.enter()
        connection = None
        try:
            connection = journal_file.connect(self._path)
            self._patiently(partial(journal_file.prepare, path=self._path, alive=self._lock.alive), connection)
            # Before anything is written: it may be full.
            self._patiently(partial(journal_file.tidy, now=now), connection)
            self._patiently(
                partial(journal_file.make_up, number=self._lock.number, to_forget=self._to_forget), connection
            )
            self._identity = os.stat(self._path)
            # From here on the pauses are our own: SQLite's are a hundred times as long as a write.
            connection.execute("PRAGMA busy_timeout = 0")
        except BaseException:
            if connection is not None:
                connection.close()
            self._lock.leave()
            raise
        self._to_forget.clear()
        self._tidied = now
        self._writes_left = rules.WRITES_BETWEEN_TIDYING
        return connection

    # ------------------------------------------------------------ keeping it small

    def _written(self, weight: int) -> None:
        """After a write: tidy now and then."""
        self._writes_left -= weight
        now = self._now()
        if self._writes_left > 0 and not rules.due(now=now, last=self._tidied, pause=rules.PAUSE_BETWEEN_TIDYING):
            return
        self._tidied = now
        self._writes_left = rules.WRITES_BETWEEN_TIDYING
        self._done(partial(self._tidy, now), None)

    def _tidy(self, now: float, connection: sqlite3.Connection) -> None:
        if self._replaced():
            raise UnusableError(Trouble.REPLACED)
        journal_file.tidy(connection, now)

    def _replaced(self) -> bool:
        """Say whether the file was taken away, or is not the one that was opened: SQLite would not notice."""
        try:
            here = os.stat(self._path)
        except OSError:
            return True
        return self._identity is None or not os.path.samestat(here, self._identity) or self._lock.replaced()

    # ------------------------------------------------------------ trouble

    def _patiently(self, work: Callable[[sqlite3.Connection], _T], connection: sqlite3.Connection) -> _T:
        """Do something, and again for a while when another process is writing."""
        try:
            return work(connection)
        except sqlite3.OperationalError as error:
            if journal_file.trouble_of(error) is not Trouble.BUSY:
                raise
        # Only here, because it is rare: the machine's time, for a wait that is the machine's as well.
        ends = time.monotonic() + rules.PATIENCE
        attempt = 0
        while True:
            time.sleep(rules.pause_while_busy(attempt))
            attempt += 1
            try:
                return work(connection)
            except sqlite3.OperationalError as error:
                if journal_file.trouble_of(error) is not Trouble.BUSY or time.monotonic() > ends:
                    raise

    def _failed(self, error: Exception) -> bool:
        """Take note of an error, and say whether it is worth while to try again at once."""
        shown = f"{type(error).__name__}: {error}"
        trouble = journal_file.trouble_of(error)
        if trouble is None:
            self._note(logging.WARNING, "Journal %s: an entry cannot be kept: %s", self._path, shown)
            return False
        self._disconnect()
        now = self._now()
        if trouble is Trouble.REPLACED:
            self._lock.release()
            self._note(
                logging.ERROR,
                "Journal %s: the file, or its lock file (-lock), was moved or removed while it was in use. What is "
                "there now is used; what the other knew of earlier jobs is not",
                self._path,
            )
            return True
        if trouble is Trouble.DAMAGED and not (self._used_before or journal_file.was_a_journal(self._path)):
            trouble = Trouble.FOREIGN
        if trouble is Trouble.DAMAGED and (moved := self._move_away(now)) is not None:
            self._note(
                logging.ERROR,
                "Journal %s: the file was damaged (%s). It was moved to %s, and a new one is used: what it knew of "
                "earlier jobs is not used any more",
                self._path,
                shown,
                moved,
            )
            return True
        if trouble is Trouble.FOREIGN:
            self._lock.release(remove=True)
        self._tried = now
        self._left_out += 1
        if self._trouble is None:
            advice = trouble.value
            if trouble is Trouble.DAMAGED:
                advice += (
                    ", and cannot be moved away while other processes use it. That is done as soon as the last one has "
                    "noticed; or stop all workers that use it, and move it away with what lies beside it (-wal, -shm)"
                )
            self._note(
                logging.ERROR,
                "Journal %s does not work: %s (%s). Jobs go on without it; it is tried again every %g s",
                self._path,
                advice,
                shown,
                rules.PAUSE_IN_TROUBLE,
            )
        self._trouble = trouble
        return False

    def _works_again(self) -> None:
        if self._trouble is not None:
            self._note(logging.WARNING, "Journal %s works again; %d calls were left out", self._path, self._left_out)
        self._trouble = None
        self._left_out = 0
        # The next damage is of a journal.
        self._used_before = True

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()
            self._lock.leave()

    def _move_away(self, now: float) -> str | None:
        """Move a damaged file aside, if no other process uses it. Returns where to."""
        # Twice within a moment it is the disk, and not the file.
        if not rules.due(now=now, last=self._moved, pause=rules.PAUSE_IN_TROUBLE):
            return None
        try:
            moved = journal_file.move_away(self._path, now) if self._lock.alone() else None
        finally:
            self._lock.leave()
        if moved is not None:
            self._moved = now
        return moved

    def _note(self, level: int, message: str, *args: object) -> None:
        self._to_say.append((level, message, args))

    def _say(self) -> None:
        with self._mutex:
            to_say, self._to_say = self._to_say, []
        for level, message, args in to_say:
            _log.say(level, message, *args)

    # ------------------------------------------------------------ forks

    def before_fork(self) -> bool:
        """Let no thread be in the middle of something. Says whether that could be had within a second."""
        return self._mutex.acquire(timeout=1.0)

    def after_fork_in_parent(self, quiet: bool) -> None:
        """Go on."""
        if quiet:
            self._mutex.release()

    def after_fork_in_child(self, quiet: bool) -> None:
        """Become another process, which opens the file anew when it needs it.

        The parent's connection is closed, because SQLite would share it with a new one: it would take the parent's
        locks for this process's. Closing it here takes nothing from the parent. In the middle of a call it must not
        even be closed: then this process has no journal.
        """
        self._to_forget.clear()
        if quiet:
            self._disconnect()
            self._lock.forked()
            self._trouble = None
            self._mutex.release()
        else:
            self._stranded, self._connection = self._connection, None
            self._mutex = threading.Lock()
            self._lock.forked()
