"""The figures of storms, and the table of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is said about one storm. The names are the headings of the table, with spaces for underscores.

    Attributes:
        storm: Its name.
        jobs: How many jobs there were.
        seconds: From the first worker to the end of the last instance.
        handler_starts: Starts of handlers.
        extra_starts: Starts beyond one for each job, and the reasons.
        what_happened: What was done to them, and how often.
        resends: How often a result was sent again.
        retries_spent: Starts that saw a job with fewer retries than it began with.
        left_locked: Jobs that were locked by workers which had left in good order, or at the end.
        oldest_lock: How long a job was seen locked at most, in seconds.
        promises: Whether all were kept.
    """

    storm: str
    jobs: int
    seconds: float
    handler_starts: int
    extra_starts: str
    what_happened: str
    resends: int
    retries_spent: int
    left_locked: int
    oldest_lock: float
    promises: str

    def dump(self) -> str:
        """Return it as text, for the report of a test."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Self:
        """Return what `dump` has made a text of."""
        return cls(**json.loads(text))


def table(figures: Sequence[Figures]) -> list[str]:
    """Return the lines of a table; numbers to the right, words to the left."""
    if not figures:
        return []
    rows = [asdict(each) for each in figures]
    columns = list(rows[0])
    words = {column for column in columns if isinstance(rows[0][column], str)}
    cells = [{column: _cell(row[column]) for column in columns} for row in rows]
    heads = {column: column.replace("_", " ") for column in columns}
    widths = {column: max(len(line[column]) for line in (heads, *cells)) for column in columns}
    lines = [heads, {column: "-" * widths[column] for column in columns}, *cells]
    return [
        "  ".join(
            line[column].ljust(widths[column]) if column in words else line[column].rjust(widths[column])
            for column in columns
        ).rstrip()
        for line in lines
    ]


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
