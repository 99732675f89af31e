"""Small things that version 1 had under this name."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_date_time(date: str | None) -> datetime | None:
    """Read a date of the engine.

    Args:
        date: ISO-8601 text with any number of fraction digits (past the sixth they are cut off) and `Z`, an offset, or
            no zone, which is taken as UTC. The engine sends `Z`, with 0 or 3 digits depending on its release.

    Returns:
        A naive `datetime` in UTC, as in version 1. `None` for `None`.

    Raises:
        ValueError: The text is not a date.
    """
    if date is None:
        return None
    # Not as a method: what is no text is a `TypeError` then, as below.
    if str.endswith(date, "Z") and "T" in date:
        # As the engine sends them, for half of what it takes to drop a zone that was read.
        read = datetime.fromisoformat(date[:-1])
        if read.tzinfo is None:
            return read
    read = datetime.fromisoformat(date)
    try:
        return read if read.tzinfo is None else read.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ValueError(f"{date!r} is not a date between the years 1 and 9999 in UTC") from error
