"""The journal's file, as SQLite has it: made, seen to be one, kept small, moved away when it is damaged.

Functions for `journal_store`, which decides when, and sees to what they raise. Imported when a journal is asked for:
Python can be built without sqlite3.
"""

# ruff: noqa: PTH105, PTH108, PTH113, PTH123, PTH202  # SQLite takes its path as a text, and so does everything here

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from flowable.external_worker_client.runtime import journal_rules as rules
from flowable.external_worker_client.runtime.journal_rules import Trouble

#: "FxwJ": in the head of the file, so that no other program's database is taken for a journal.
APPLICATION_ID: Final = 0x4678774A

#: Of the table below.
VERSION: Final = 1

#: Without row ids a row is in one place only: one page is written for it. What is long comes last, so that tidying does
#: not have to read it.
SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS jobs (
        correlation_id TEXT NOT NULL,
        process INTEGER NOT NULL,
        at REAL NOT NULL,
        operation TEXT,
        keep_until REAL,
        job_id TEXT NOT NULL,
        owner TEXT NOT NULL,
        topic TEXT NOT NULL,
        execution_id TEXT,
        sub_scope_id TEXT,
        retries INTEGER,
        lock_until REAL NOT NULL,
        engine TEXT NOT NULL DEFAULT '',
        members TEXT,
        PRIMARY KEY (correlation_id, process)
    ) WITHOUT ROWID
"""

#: How every SQLite file begins.
_MAGIC: Final = b"SQLite format 3\0"

#: Where its head holds the application id.
_APPLICATION: Final = slice(68, 72)

_PAGE: Final = 4096  # bytes

#: At most, by one tidying: others wait meanwhile.
_PAGES_GIVEN_BACK: Final = 512

#: The log of a burst is cut down to this again.
_LARGEST_LOG: Final = 4 * 1024 * 1024  # bytes

#: A file below this is looked through when it is opened; above, damage is found when it is met.
_LOOKED_THROUGH: Final = 16 * 1024 * 1024  # bytes

#: These errors say nothing about the file.
_OF_THE_VALUES: Final = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


class UnusableError(Exception):
    """The file is not one to work with.

    Attributes:
        trouble: Why.
    """

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.name.lower().replace("_", " "))
        self.trouble = trouble


def trouble_of(error: Exception) -> Trouble | None:
    """Return what an error says about the file; `None` if it is about what was to be written."""
    if isinstance(error, UnusableError):
        return error.trouble
    if isinstance(error, _OF_THE_VALUES):
        return None
    if isinstance(error, sqlite3.Error):
        # Python's own errors of this kind have no code.
        return rules.diagnose(code=getattr(error, "sqlite_errorcode", 1))
    if isinstance(error, OSError):
        return rules.diagnose(number=error.errno)
    return None


@contextmanager
def transaction(connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Generator[None]:
    """Do what is in the block as a whole or not at all; as it is begun by default, with no other writer between."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


# ---------------------------------------------------------------- opening


def check_place(path: str, *, used_before: bool) -> None:
    """See that there is a file, or nothing, where the journal is to be, and that a file can be a database.

    Args:
        path: Of the file.
        used_before: Whether a lock file lies beside it. Without one, what is no database is somebody's file, and not a
            damaged journal. So this comes before the lock file is made.

    Raises:
        UnusableError: If it cannot be.
    """
    if not os.path.lexists(path):
        return
    if not os.path.isfile(path):
        raise UnusableError(Trouble.NO_FILE)
    if not used_before:
        with open(path, "rb") as file:
            beginning = file.read(len(_MAGIC))
        if beginning and beginning != _MAGIC:
            raise UnusableError(Trouble.FOREIGN)


def connect(path: str) -> sqlite3.Connection:
    """Connect to the file. It is made if it is not there, for its owner only; SQLite makes those beside it alike."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return sqlite3.connect(path, timeout=rules.PATIENCE / 4, isolation_level=None, check_same_thread=False)


def prepare(connection: sqlite3.Connection, path: str, alive: Callable[[int], bool]) -> None:
    """Make a new file a journal, or see that it is a sound one.

    Args:
        connection: To the file.
        path: Of the file.
        alive: Will be known to SQL under this name.

    Raises:
        UnusableError: If it is somebody else's, of another version, or damaged.
    """
    # One look, not three: another process may be making it at this moment.
    with transaction(connection, "BEGIN"):
        [application] = connection.execute("PRAGMA application_id").fetchone()
        [version] = connection.execute("PRAGMA user_version").fetchone()
        [content] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    new = not (application or version or content)
    if new:
        connection.execute(f"PRAGMA page_size = {_PAGE}")
        # Before anything is in the file: afterwards it has no effect. Pages that are free can be given back.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    elif application != APPLICATION_ID:
        raise UnusableError(Trouble.FOREIGN)
    elif version != VERSION:
        raise UnusableError(Trouble.OTHER_VERSION)
    connection.execute("PRAGMA journal_mode = WAL")
    # What is committed is with the system, which survives the process; a crash of the machine may take the last of it
    # along, and no more.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA max_page_count = {rules.MOST_BYTES // _PAGE}")
    connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")
    if new:
        with transaction(connection):
            connection.execute(SCHEMA)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
    elif os.path.getsize(path) <= _LOOKED_THROUGH:
        [verdict] = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise UnusableError(Trouble.DAMAGED)
    connection.create_function("alive", 1, alive)


def make_up(connection: sqlite3.Connection, number: int, to_forget: Iterable[str]) -> None:
    """Forget what should have been forgotten while the journal did not work.

    Also shows whether anything can be written: on a full disk everything before may well succeed.

    Args:
        connection: To the file.
        number: Of this process.
        to_forget: Correlation ids.
    """
    with transaction(connection):
        connection.execute(
            "INSERT OR REPLACE INTO jobs (correlation_id, process, at, job_id, owner, topic, lock_until)"
            " VALUES ('', ?, 0, '', '', '', 0)",
            (number,),
        )
        connection.executemany(
            "DELETE FROM jobs WHERE correlation_id = ? AND process = ?",
            [(correlation_id, number) for correlation_id in ("", *to_forget)],
        )


# ---------------------------------------------------------------- keeping it small


def tidy(connection: sqlite3.Connection, now: float) -> None:
    """Drop what is over, too old or too much, a limited number of rows at a time, and give free pages back."""
    over = "keep_until <= :now OR at < :now - :oldest OR at > :now + :oldest"
    _drop(connection, over, {"now": now, "oldest": rules.OLDEST})
    [rows] = connection.execute("SELECT count(*) FROM jobs").fetchone()
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    [free] = connection.execute("PRAGMA freelist_count").fetchone()
    if surplus := rules.surplus(rows=rows, filled=(pages - free) * _PAGE / rules.MOST_BYTES):
        _drop(connection, "TRUE ORDER BY at", {}, surplus)
    if free:
        # Not by `execute`: that would give a single page back.
        connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_GIVEN_BACK})")


def _drop(
    connection: sqlite3.Connection, which: str, values: Mapping[str, float], most: int = rules.MOST_DROPPED_AT_ONCE
) -> None:
    connection.execute(
        "DELETE FROM jobs WHERE (correlation_id, process) IN"  # noqa: S608 - texts of this module
        f" (SELECT correlation_id, process FROM jobs WHERE {which} LIMIT {most})",
        values,
    )


# ---------------------------------------------------------------- damage


def was_a_journal(path: str) -> bool:
    """Say whether a file that is no sound database has the head of a journal."""
    with suppress(OSError), open(path, "rb") as file:
        return file.read(100)[_APPLICATION] == APPLICATION_ID.to_bytes(4, "big")
    return False


def move_away(path: str, now: float) -> str | None:
    """Move a damaged file aside, with its log. Returns where to; `None` if it could not be moved."""
    try:
        target = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
        if os.path.lexists(target):
            return None
        # The log first: left beside a new file it would be another file's.
        for ending in ("-wal", ""):
            with suppress(FileNotFoundError):
                os.replace(path + ending, target + ending)
        with suppress(FileNotFoundError):
            os.unlink(f"{path}-shm")
    except (OSError, ValueError, OverflowError):
        return None
    return target
