"""What the engine was asked, by its own log of requests. Pure.

A line is `milliseconds since 1970, method, status, bytes of the body, path`, as `PATTERN` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

PATTERN: Final = "%{begin:msec}t %m %s %B %U"

_ACQUIRE: Final = "/external-job-api/acquire/jobs"
#: Bytes of the largest answer without a job. `[]` is 12 of them, because the engine counts the frame of a chunk too; an
#: answer with one job has more than 500.
_EMPTY: Final = 100
_OK: Final = "200"
_NO_CONTENT: Final = "204"


@dataclass(frozen=True, slots=True)
class Asked:
    """What workers asked an engine while there were jobs for them.

    Attributes:
        acquires: How often they asked for jobs, before the last time that they were given some.
        empty: Of these, those that came back empty: others had the jobs, or were about to.
        clashed: Settling calls that were refused, because somebody else had the job, or it was gone.
        failed: Other calls that were not answered as they should be.
    """

    acquires: int
    empty: int
    clashed: int
    failed: int


def asked(lines: Iterable[str], since: float, until: float) -> Asked:
    """Return what was asked between two moments, in seconds since 1970."""
    acquires: list[bool] = []
    clashed = failed = last = 0
    for line in sorted(lines, key=_moment):
        moment, _, status, size, path = line.split(maxsplit=4)
        if not since * 1000 <= int(moment) <= until * 1000 or _ACQUIRE not in path:
            continue
        if path.strip().endswith(_ACQUIRE):
            if status != _OK:
                failed += 1
                continue
            acquires.append(int(size) <= _EMPTY)
            if not acquires[-1]:
                last = len(acquires)
        elif status in {"400", "403", "404", "409"}:
            clashed += 1
        elif status != _NO_CONTENT:
            failed += 1
    return Asked(last, sum(acquires[:last]), clashed, failed)


def _moment(line: str) -> int:
    return int(line.split(maxsplit=1)[0])
