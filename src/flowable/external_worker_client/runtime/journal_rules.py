"""What the journal remembers of jobs, and what follows from it. Pure. Times are in seconds since the epoch.

A job has one row for each process that has to do with it: *started* while it holds no outcome, *finished* once it
does. So the rows of a dead process stay as they were when it died, and the starts that killed processes add up by
themselves. A process is told by a number that it chose by chance; whether it is alive, its lock says (`process_lock`).
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

#: The operation of a failure: it tells the engine to run the job again, and so is no reason to leave that out.
FAIL: Final = "fail"

#: Rows beyond these are dropped, the oldest first. Far more than the jobs that run on one machine: nothing is acquired
#: while the engine is away, so undelivered outcomes do not pile up beyond those.
MOST_ROWS: Final = 20_000

#: Rows that nothing happened to for so long are dropped. Longer than a worker is down over the holidays; and a job
#: whose outcome waited for two weeks was offered again long ago.
OLDEST: Final = 14 * 86_400.0  # seconds

#: Limit of the file. Only outcomes with very large variables come near it.
MOST_BYTES: Final = 256 * 1024 * 1024

#: From this share of the limit on, the oldest rows are dropped as if there were too many.
NEARLY_FULL: Final = 0.9

#: An outcome with more text than this is not kept: a few of them would take the room of all others.
LONGEST_OUTCOME: Final = 16 * 1024 * 1024  # characters of JSON

#: Tidying is looked at after so many writes, or after so long if there are fewer.
WRITES_BETWEEN_TIDYING: Final = 256
PAUSE_BETWEEN_TIDYING: Final = 600.0  # seconds

#: Rows that one tidying drops at most: others wait meanwhile. More than are written between two.
MOST_DROPPED_AT_ONCE: Final = 2 * WRITES_BETWEEN_TIDYING

#: How often a journal that does not work is tried again.
PAUSE_IN_TROUBLE: Final = 30.0  # seconds

#: How long one call waits at most for other processes, or programs, that write.
PATIENCE: Final = 2.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An outcome as it was about to be sent.

    Attributes:
        operation: Name of the operation: `"complete"`, `"bpmnError"`, `"cmmnTerminate"` or `"fail"`.
        members: JSON members of the request, without `workerId`. Not shown by `repr`: variables are the person's.
    """

    operation: str
    members: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """What the journal knows of a job that was acquired.

    Attributes:
        outcome: A success, BPMN error or terminate whose delivery was not seen to arrive. Never a failure. `None`:
            none is known.
        unexplained_starts: Starts of processes that are no longer alive, with no end recorded.
    """

    outcome: Recorded | None = None
    unexplained_starts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An undelivered outcome of a process that is no longer alive. Arguments as for `journal.Journal.outcome`."""

    correlation_id: str
    job_id: str
    owner: str
    topic: str
    execution_id: str | None
    sub_scope_id: str | None
    lock_until: float
    retries: int | None
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Row:
    """A row, as far as the rules look at it.

    Attributes:
        process: Whose it is.
        at: When the process last wrote it.
        operation: Of the outcome. `None`: started, and no more is known.
        keep_until: The engine most likely has the outcome; it is kept until then, in case that it has not. `None`: the
            outcome was not seen to arrive.
    """

    process: int
    at: float
    operation: str | None = None
    keep_until: float | None = None


# ---------------------------------------------------------------- what follows from rows


def known_outcome(rows: Iterable[Row], now: float) -> int | None:
    """Return which of the rows of one job holds the outcome that it is to end with; `None` if none does.

    The latest success, BPMN error or terminate. A failure after it does not undo it: the work was done.
    """
    held = [
        (row.at, place)
        for place, row in enumerate(rows)
        if row.operation is not None and row.operation != FAIL and not _over(row, now)
    ]
    return max(held)[1] if held else None


def unexplained_starts(rows: Iterable[Row], now: float, alive: Callable[[int], bool]) -> int:
    """Count the starts of dead processes that nothing came of.

    A process dies once, so each counts for one at most. An outcome explains the starts before it: somebody lived
    through the job.
    """
    rows = [row for row in rows if not _over(row, now)]
    explained = max((row.at for row in rows if row.operation is not None), default=float("-inf"))
    return sum(row.operation is None and row.at > explained and not alive(row.process) for row in rows)


def orphaned(rows: Iterable[Row], now: float, alive: Callable[[int], bool]) -> int | None:
    """Return which of the rows of one job holds the outcome that another process has to deliver; `None` if none does.

    None does while a process that is alive has to do with the job: that one knows what there is to know. Otherwise the
    latest success, BPMN error or terminate, or else the latest failure.
    """
    rows = list(rows)
    if any(alive(row.process) and not _over(row, now) for row in rows):
        return None
    held = [
        (row.operation != FAIL, row.at, place)
        for place, row in enumerate(rows)
        if row.operation is not None and row.keep_until is None
    ]
    return max(held)[2] if held else None


def _over(row: Row, now: float) -> bool:
    """Say whether a row is as if it were not there: it is dropped when things are tidied."""
    return row.keep_until is not None and row.keep_until <= now


# ---------------------------------------------------------------- when to do what


def due(*, now: float, last: float, pause: float) -> bool:
    """Say whether so much time has passed since the last time. A clock that was set back counts as time passed."""
    return not 0.0 <= now - last < pause


def weight(size: int) -> int:
    """Return as how many writes one of so many characters counts. Large ones fill the file sooner."""
    return 1 + size // 4096


def surplus(*, rows: int, filled: float) -> int:
    """Return how many of the oldest rows are to go now.

    Args:
        rows: How many there are.
        filled: What share of the file's limit is in use.
    """
    too_many = max(rows - MOST_ROWS, rows // 10 + 1 if filled >= NEARLY_FULL and rows else 0)
    return min(too_many, MOST_DROPPED_AT_ONCE)


def pause_while_busy(attempt: int) -> float:
    """Return how long to wait for another process's write, in seconds, before the given attempt (from 0) is repeated.

    A write takes microseconds, and SQLite's own pauses begin at a thousand of them.
    """
    return 0.0 if attempt < 2 else min(50e-6 * 2.0 ** min(attempt - 2, 10), 0.01)  # noqa: PLR2004 - two tries at once


# ---------------------------------------------------------------- trouble


class Trouble(Enum):
    """What can be wrong with the file. The value says it, and what to do."""

    BUSY = "another program holds the file locked: find it, and end it or let it finish"
    FULL = f"the disk is full, or the file has reached its limit of {MOST_BYTES >> 20} MiB: make room"
    READ_ONLY = (
        "the file, or its folder, cannot be opened for writing: see to owner and mode, and to how the disk is mounted"
    )
    DAMAGED = "the file is damaged"
    FOREIGN = "the file is not a journal, and is left as it is: choose another path"
    OTHER_VERSION = (
        "the file was written by another version of this library, and is left as it is: let the workers of that "
        "version finish their jobs and move the file away, or choose another path"
    )
    REPLACED = "the file was moved or removed while it was in use"
    NO_FOLDER = "its folder is not there any more: make it"
    NO_FILE = "there is something else than a file in its place: move it away, or choose another path"
    UNREADABLE = "the file cannot be used: see to the disk, and to what else uses the file"
    FORKED = (
        "this process was forked while the journal was being written: create the client in the process that uses it"
    )


#: By SQLite's primary result codes.
_BY_CODE: Final[Mapping[int, Trouble]] = {
    3: Trouble.READ_ONLY,  # SQLITE_PERM
    5: Trouble.BUSY,  # SQLITE_BUSY
    6: Trouble.BUSY,  # SQLITE_LOCKED
    8: Trouble.READ_ONLY,  # SQLITE_READONLY
    11: Trouble.DAMAGED,  # SQLITE_CORRUPT
    13: Trouble.FULL,  # SQLITE_FULL
    14: Trouble.READ_ONLY,  # SQLITE_CANTOPEN: the file, or one of those beside it
    15: Trouble.BUSY,  # SQLITE_PROTOCOL: lost a race for the locks
    26: Trouble.DAMAGED,  # SQLITE_NOTADB
}

_BY_ERRNO: Final[Mapping[int, Trouble]] = {
    errno.EACCES: Trouble.READ_ONLY,
    errno.EPERM: Trouble.READ_ONLY,
    errno.EROFS: Trouble.READ_ONLY,
    errno.ENOSPC: Trouble.FULL,
    errno.EFBIG: Trouble.FULL,
    errno.EDQUOT: Trouble.FULL,
    errno.EISDIR: Trouble.NO_FILE,
    errno.ENOENT: Trouble.NO_FOLDER,
    errno.ENOTDIR: Trouble.NO_FOLDER,
    errno.EAGAIN: Trouble.BUSY,
}


def diagnose(*, code: int | None = None, number: int | None = None) -> Trouble:
    """Return what is wrong.

    Args:
        code: SQLite's result code, extended or not.
        number: `errno` of an `OSError`.
    """
    if code is not None:
        return _BY_CODE.get(code & 0xFF, Trouble.UNREADABLE)
    return _BY_ERRNO.get(number or 0, Trouble.UNREADABLE)
