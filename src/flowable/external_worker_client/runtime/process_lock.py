"""Whether a process is alive, told by a lock that it holds in a file. No process ids: in containers they repeat.

Each process chooses a number by chance and locks the byte at that place of a file beside the journal; the system takes
the lock away when the process ends, however it ends. The file stays empty: a lock needs no byte to be there. Nothing
has to be cleaned up, and no two processes can disagree about which file is whose.

On POSIX the locks belong to the process and not to the descriptor, which has two bitter sides. A process does not see
its own as foreign, so it never asks for its own number. And all of them are gone when *any* descriptor of the file is
closed in the process, so there is one for all questions, open as long as the lock.
"""

# ruff: noqa: PTH108, PTH110, PTH116  # the path is a text, as that of the journal

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from contextlib import suppress
from typing import Final, Protocol

#: Of the numbers of processes: what every system can use as a place in a file. Place 0 is the users' (`in_use`).
_LARGEST: Final = 2**31 - 1

#: Somebody who moves a damaged journal away holds the users' byte for a moment.
_ATTEMPTS, _PAUSE = 100, 0.01  # times, seconds


class Liveness(Protocol):
    """Who we are, and who else is alive. Tests put their own in its place."""

    @property
    def number(self) -> int:
        """Of this process."""
        ...

    def acquire(self) -> None:
        """Be alive from now on. Does nothing if that is so already; raises `OSError` if it cannot be."""
        ...

    def alive(self, number: int) -> bool:
        """Say whether the process with a number is alive. In doubt it is."""
        ...

    def enter(self) -> None:
        """Use the journal's file from now on."""
        ...

    def leave(self) -> None:
        """Use it no longer."""
        ...

    def alone(self) -> bool:
        """Keep all others from entering until `leave`, if none is in. Says whether that is so."""
        ...

    def replaced(self) -> bool:
        """Say whether the lock file was taken away, or is not the one that was locked."""
        ...

    def release(self, *, remove: bool = False) -> None:
        """Be alive no longer. `remove`: also take a lock file away that `acquire` made."""
        ...

    def forked(self) -> None:
        """Become another process: this is the child of the one that held the lock."""
        ...


class ProcessLock:
    """The lock of this process beside one journal.

    Args:
        path: Of the lock file. It is made if it is not there.

    Attributes:
        number: Of this process.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._made = False
        # Windows locks at the place where the file stands.
        self._mutex = threading.Lock()
        self.number = _any_number()

    def acquire(self) -> None:
        """See `Liveness.acquire`."""
        if self._descriptor is not None:
            return
        self._made = not os.path.exists(self._path)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # The same number as before, if it is free: what the journal holds in that name is ours.
            while not _lock(descriptor, self.number):
                self.number = _any_number()
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def alive(self, number: int) -> bool:
        """See `Liveness.alive`."""
        if number == self.number or self._descriptor is None:
            return True
        try:
            with self._mutex:
                return not _free(self._descriptor, number)
        except OSError:
            return True

    def enter(self) -> None:
        """See `Liveness.enter`. Raises `BlockingIOError` if somebody keeps the others out for a second."""
        if self._descriptor is None or sys.platform == "win32":
            return
        for _ in range(_ATTEMPTS):
            if _lock(self._descriptor, 0, shared=True):
                return
            time.sleep(_PAUSE)
        raise BlockingIOError(11, "the journal is being moved away by another process", self._path)

    def leave(self) -> None:
        """See `Liveness.leave`."""
        if self._descriptor is not None and sys.platform != "win32":
            with suppress(OSError):
                _unlock(self._descriptor, 0)

    def alone(self) -> bool:
        """See `Liveness.alone`. On Windows a file that somebody has open cannot be moved: nothing has to be asked."""
        if self._descriptor is None:
            return False
        return sys.platform == "win32" or _lock(self._descriptor, 0)

    def replaced(self) -> bool:
        """See `Liveness.replaced`."""
        if self._descriptor is None:
            return True
        try:
            return not os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except OSError:
            return True

    def release(self, *, remove: bool = False) -> None:
        """See `Liveness.release`."""
        if self._descriptor is None:
            return
        os.close(self._descriptor)
        self._descriptor = None
        if remove and self._made:
            with suppress(OSError):
                os.unlink(self._path)

    def forked(self) -> None:
        """See `Liveness.forked`. The parent keeps its lock: a child has none of its parent's, and loses none of it."""
        self._mutex = threading.Lock()
        self.release()
        self.number = _any_number()


def _any_number() -> int:
    return 1 + secrets.randbelow(_LARGEST - 1)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, place: int, *, shared: bool = False) -> bool:
        del shared  # there is no such lock
        os.lseek(descriptor, place, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(descriptor: int, place: int) -> None:
        os.lseek(descriptor, place, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def _free(descriptor: int, place: int) -> bool:
        # Somebody else who asks the same holds the lock for a moment.
        for _ in range(3):
            if _lock(descriptor, place):
                _unlock(descriptor, place)
                return True
            time.sleep(0.001)
        return False

else:
    import fcntl

    def _lock(descriptor: int, place: int, *, shared: bool = False) -> bool:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.lockf(descriptor, kind | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # POSIX allows both
            return False
        return True

    def _unlock(descriptor: int, place: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, place)

    def _free(descriptor: int, place: int) -> bool:
        # Shared, so that two who ask at the same time do not take each other for the one they ask about.
        if not _lock(descriptor, place, shared=True):
            return False
        _unlock(descriptor, place)
        return True
