"""What the workers of a storm have noted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A handler was started. All times are in seconds since 1970.

    Attributes:
        instance: The process instance.
        job: The id of the job.
        correlation: Its correlation id, which stays the same for as long as the job lives.
        pid: The worker's process.
        run: A name for this start that no other has; also the value of the variable that it returns.
        retries: That the job had.
        lock_until: When its lock ends.
        at: When.
        ended: When the handler was about to return; `None` if it did not come to that.
    """

    instance: str
    job: str
    correlation: str
    pid: int
    run: str
    retries: int
    lock_until: float
    at: float
    ended: float | None = None


class Ledger:
    """Reads what is in the file by now, and what is new whenever it is asked. To be used by one thread.

    Args:
        path: The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._starts: dict[str, Start] = {}
        self._ready: set[int] = set()

    @property
    def starts(self) -> list[Start]:
        """All starts so far, in the order in which they were noted."""
        self._read()
        return list(self._starts.values())

    def count(self) -> int:
        """Return how many starts there are so far."""
        self._read()
        return len(self._starts)

    def is_ready(self, pid: int) -> bool:
        """Tell whether a worker handles signals by now."""
        self._read()
        return pid in self._ready

    def is_working(self, pid: int) -> bool:
        """Tell whether a worker is in the middle of a handler, as far as was noted by now."""
        self._read()
        return any(start.pid == pid and start.ended is None for start in self._starts.values())

    def _read(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            # A line that is only half there will be whole the next time.
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode().splitlines():
            self._note(line)

    def _note(self, line: str) -> None:
        match line.split():
            case ["start", instance, job, correlation, pid, run, retries, lock_until, at]:
                self._starts[run] = Start(
                    instance=instance,
                    job=job,
                    correlation=correlation,
                    pid=int(pid),
                    run=run,
                    retries=int(retries),
                    lock_until=float(lock_until),
                    at=float(at),
                )
            case ["end", run, at]:
                self._starts[run] = replace(self._starts[run], ended=float(at))
            case ["ready", pid, _at]:
                self._ready.add(int(pid))
            case _:
                raise ValueError(f"not a line of a ledger: {line!r}")
