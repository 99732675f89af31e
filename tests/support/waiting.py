"""Waiting for a condition instead of for luck."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

DEADLINE = 20.0  # seconds
LOOK_AGAIN = 0.02  # seconds


def until(look: Callable[[], T], enough: Callable[[T], bool] = bool, *, deadline: float = DEADLINE) -> T:
    """Look until it is enough, and return what was seen.

    Args:
        look: Returns what there is to see.
        enough: Says whether that is what the test waits for.
        deadline: How long to wait at most, in seconds from now.

    Raises:
        AssertionError: If it is not enough in time; the text shows what was seen last.
    """
    end = time.monotonic() + deadline
    while True:
        late = time.monotonic() >= end
        seen = look()
        if enough(seen):
            return seen
        if late:
            raise AssertionError(f"not within {deadline:g} s; seen last: {seen!r}")
        time.sleep(LOOK_AGAIN)
